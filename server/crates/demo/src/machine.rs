//! When the machine of a node runs: the bill's quantity and the usage of its pods follow from the
//! same seconds.

use chrono::{Datelike, NaiveDate};

use crate::meter::{Kind, Meter, Shape};
use crate::{prng, shape};

/// Seconds of an hour.
pub const HOUR: u32 = 3_600;
const DAY: u32 = 24 * HOUR;

/// Billed seconds of a day, half-open. Lengths are multiples of 9 s, so that a day's total is a
/// whole number of micro-hours.
pub type Span = (u32, u32);

/// An hour of the day in which a machine was billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineHour {
    /// 0 to 23.
    pub of_day: u8,
    pub billed_s: u32,
    /// Billed and taking pods: what is missing was its boot.
    pub ready_s: u32,
}

/// When `meter`'s machine runs on `day`; `first` is the first day of the demo.
pub fn spans(meter: &Meter, day: NaiveDate, first: NaiveDate, seed: u64) -> Vec<Span> {
    match (meter.kind, meter.shape) {
        (Kind::Spot, Shape::Burst(threshold)) => busy_hours(shape::activity(day, first), threshold),
        (_, Shape::Burst(threshold)) => {
            let part = shape::activity(day, first) * 700_000 / threshold;
            if part >= 700_000 {
                return vec![(0, DAY)];
            }
            // it comes before the waves and goes after the last dispatch
            let seconds = u32::try_from(i128::from(DAY) * part / 1_000_000).map_or(0, |seconds| seconds / 9 * 9);
            let end = 21 * HOUR;
            if seconds == 0 {
                vec![]
            } else {
                vec![(end - seconds, end)]
            }
        }
        (_, Shape::Office) if day.weekday().number_from_monday() <= 5 => vec![(7 * HOUR, 17 * HOUR)],
        (_, Shape::Office) => vec![],
        _ => restarted(prng::bits(seed, meter.stream, index(day))),
    }
}

/// Whole hours in which the orders of an hour pass the threshold.
fn busy_hours(activity: i128, threshold: i128) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (hour, weight) in (0_u32..).zip(shape::HOURS) {
        if activity * weight * 24 / 1_000 < threshold {
            continue;
        }
        let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
        match spans.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => spans.push((from, to)),
        }
    }
    spans
}

/// All day, but every third day the machine is stopped for up to 45 minutes.
fn restarted(random: u64) -> Vec<Span> {
    if !random.is_multiple_of(3) {
        return vec![(0, DAY)];
    }
    let pick = |shift: u32, of: u64| u32::try_from((random >> shift) % of).unwrap_or(0);
    let stop = (1 + pick(8, 22)) * HOUR;
    vec![(0, stop), (stop + 9 * (20 + pick(16, 280)), DAY)]
}

fn index(day: NaiveDate) -> u64 {
    u64::from(day.num_days_from_ce().unsigned_abs())
}

/// Hours in micro units, as the bill states them.
pub fn quantity(spans: &[Span]) -> i128 {
    let seconds: u32 = spans.iter().map(|(from, to)| to - from).sum();
    i128::from(seconds) * 2_500 / 9
}

/// The hours of the day a machine is billed in, whatever of them.
pub fn hours(spans: &[Span]) -> impl Iterator<Item = u8> + use<'_> {
    (0..24).filter(|hour| within(spans, *hour) > 0)
}

/// Seconds of `spans` within an hour of the day.
fn within(spans: &[Span], hour: u8) -> u32 {
    let (start, end) = (u32::from(hour) * HOUR, (u32::from(hour) + 1) * HOUR);
    let cut = |(from, to): &Span| (*to).min(end).saturating_sub((*from).max(start));
    spans.iter().map(cut).sum()
}

/// The billed hours of a machine on `day`, with the boots in them.
pub fn day(meter: &Meter, day: NaiveDate, first: NaiveDate, seed: u64) -> Vec<MachineHour> {
    let billed = spans(meter, day, first, seed);
    let ran_on = day
        .pred_opt()
        .and_then(|before| spans(meter, before, first, seed).last().copied())
        .is_some_and(|(_, to)| to == DAY);
    let ready: Vec<Span> = (0_u64..)
        .zip(&billed)
        .map(|(number, (from, to))| {
            let up = if *from == 0 && ran_on {
                0
            } else {
                boot(meter, seed, index(day) * 16 + number)
            };
            ((from + up).min(*to), *to)
        })
        .collect();
    hours(&billed)
        .map(|of_day| MachineHour {
            of_day,
            billed_s: within(&billed, of_day),
            ready_s: within(&ready, of_day),
        })
        .collect()
}

/// Seconds from the first billed one to Ready. Some spot machines hang in their first hour.
fn boot(meter: &Meter, seed: u64, index: u64) -> u32 {
    let random = prng::bits(seed ^ 0xb007, meter.stream, index);
    if meter.kind == Kind::Spot && random.is_multiple_of(13) {
        return HOUR;
    }
    90 + u32::try_from(random % 240).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog as sku;
    use crate::meter::{Commitment, Provider};

    #[test]
    fn every_shape_is_billed_for_the_seconds_it_runs() {
        let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let node = || Meter::new(Provider::Aws, ("1", "one"), &sku::NODE, "node-00").units(24);
        let table = [
            node().kind(Kind::Covered(Commitment::Plan)),
            node().shape(Shape::Burst(1_300_000)),
            node().shape(Shape::Office),
            node().kind(Kind::Spot).shape(Shape::Burst(1_100_000)),
        ];
        for meter in &table {
            let (mut billed, mut ready, mut boots) = (0, 0, 0);
            for date in first.iter_days().take(60) {
                let spans = spans(meter, date, first, 1);
                assert!(
                    spans
                        .iter()
                        .all(|(from, to)| from < to && *to <= DAY && (to - from) % 9 == 0)
                );
                assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0));
                let hours = day(meter, date, first, 1);
                let seconds: u32 = hours.iter().map(|hour| hour.billed_s).sum();
                assert_eq!(
                    quantity(&spans) * 9,
                    i128::from(seconds) * 2_500,
                    "exact in micro-hours"
                );
                assert!(
                    hours
                        .iter()
                        .all(|hour| hour.ready_s <= hour.billed_s && hour.billed_s <= HOUR)
                );
                billed += seconds;
                ready += hours.iter().map(|hour| hour.ready_s).sum::<u32>();
                boots += hours.iter().filter(|hour| hour.ready_s < hour.billed_s).count();
            }
            assert!(0 < ready && ready < billed && boots > 10, "{meter:?}: {boots} boots");
        }
    }
}
