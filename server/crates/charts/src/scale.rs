//! From amounts to places: round steps, few gridlines, short axis labels.

/// A linear scale from amounts to units of the view box.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    step: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Covers every value and zero, ends on round steps, and maps the low end
    /// to `from` and the high end to `to`. At most five gridlines.
    pub(crate) fn with_zero(values: impl Iterator<Item = f64>, from: i32, to: i32) -> Self {
        let (low, high) = values.fold((0.0_f64, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let span = if high > low { high - low } else { 1.0 };
        let mut step = round_step(span / 4.0);
        // both ends are rounded outwards, which can add a line
        while (high / step).ceil() - (low / step).floor() > 4.0 {
            step = round_step(step * 1.01);
        }
        let low = (low / step).floor() * step;
        let high = if high > low {
            (high / step).ceil() * step
        } else {
            low + step
        };
        Self {
            low,
            high,
            step,
            from: f64::from(from),
            to: f64::from(to),
        }
    }

    /// The place of a value.
    pub(crate) fn at(&self, value: f64) -> i32 {
        let part = (value - self.low) / (self.high - self.low);
        place(self.from + part * (self.to - self.from))
    }

    /// The values of the gridlines.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        let count = ((self.high - self.low) / self.step).round();
        let mut ticks = Vec::new();
        let mut at = 0.0;
        while at <= count {
            ticks.push(self.low + at * self.step);
            at += 1.0;
        }
        ticks
    }
}

/// The next of 1, 2, 2.5, 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .find(|step| step * power >= least * 0.999);
    step.unwrap_or(10.0) * power
}

/// A place in whole units.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn place(value: f64) -> i32 {
    value.round() as i32
}

/// `0`, `950`, `12.5k`, `0.4M`: for axes and direct labels only.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    let (part, unit) = match size {
        size if size >= 999_950_000.0 => (size / 1e9, "bn"),
        size if size >= 999_950.0 => (size / 1e6, "M"),
        size if size >= 999.5 => (size / 1e3, "k"),
        size => (size, ""),
    };
    let digits = if unit.is_empty() && part >= 10.0 { 0 } else { 1 };
    let digits = if unit.is_empty() && part > 0.0 && part < 1.0 {
        2
    } else {
        digits
    };
    let mut text = format!("{part:.digits$}");
    if text.contains('.') {
        text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let sign = if value < 0.0 && text != "0" { "\u{2212}" } else { "" };
    format!("{sign}{text}{unit}")
}

/// Moves places apart until each is `gap` from the next, keeping their order
/// and staying above `bottom`.
pub(crate) fn spread(places: &mut [(i32, usize)], gap: i32, bottom: i32) {
    places.sort_unstable();
    for at in 1..places.len() {
        places[at].0 = places[at].0.max(places[at - 1].0 + gap);
    }
    let mut limit = bottom;
    for entry in places.iter_mut().rev() {
        entry.0 = entry.0.min(limit);
        limit = entry.0 - gap;
    }
}
