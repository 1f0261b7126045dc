//! `window`, `step` and `accumulate` of the OpenCost-shaped routes.
//!
//! Facts are hourly, so windows and steps are whole hours: a window that is not
//! is widened to the hours that hold it, and that is told. All of it is UTC.

use super::BadAsk;
use domain::instant::{DAY_US, Day, Instant, SECOND_US, Span, parse as parse_instant};
use domain::usage::{HOUR_S, Hour};

/// The longest window, in days.
pub const MAX_DAYS: i64 = 400;
/// Sets one answer may have.
pub const MAX_SETS: usize = 1_000;

const HOUR_US: i64 = HOUR_S as i64 * SECOND_US;
const MINUTE_US: i64 = 60 * SECOND_US;
const WEEK_US: i64 = 7 * DAY_US;
/// 1970-01-04, the first Sunday: weeks begin on Sundays, as in the original.
const FIRST_SUNDAY: i32 = 3;

/// A window as asked for, and the whole hours that answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// As written.
    pub asked: Span,
    /// The hours that hold it.
    pub hours: Span,
}

/// How sets are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accumulate {
    /// One set per step.
    #[default]
    None,
    /// One set.
    All,
    /// One set per hour.
    Hour,
    /// One set per UTC day.
    Day,
    /// One set per week, from Sunday.
    Week,
    /// One set per month.
    Month,
    /// One set per quarter.
    Quarter,
}

/// Parses a window: `today`, `yesterday`, `week`, `lastweek`, `month`,
/// `lastmonth`, `7d`, `24h`, `2w`, `90m`, `7d offset 1d`, two unix times or two
/// dates with a comma between.
///
/// # Errors
/// Says what would fit.
pub fn parse_window(text: &str, now: Instant) -> Result<Window, BadAsk> {
    let text = text.trim();
    if text.is_empty() {
        return Err(BadAsk::new(
            "window is missing; write window=7d or window=2026-10-01T00:00:00Z,2026-11-01T00:00:00Z",
        ));
    }
    let asked = named(text, now)
        .or_else(|| relative(text, now))
        .or_else(|| pair(text))
        .ok_or_else(|| {
            BadAsk::new(format!(
                "window={text} does not fit; write today, yesterday, week, lastweek, month, lastmonth, 7d, 24h, \
                 two unix times or two dates such as 2026-10-01T00:00:00Z,2026-11-01T00:00:00Z"
            ))
        })?;
    if asked.start >= asked.end {
        return Err(BadAsk::new(format!("window={text} ends before it starts")));
    }
    let hours = Span {
        start: Instant(asked.start.0.div_euclid(HOUR_US) * HOUR_US),
        end: Instant(-(-asked.end.0).div_euclid(HOUR_US) * HOUR_US),
    };
    if hours.duration_us() > MAX_DAYS * DAY_US {
        return Err(BadAsk::new(format!(
            "window={text} is longer than {MAX_DAYS} days; ask for less at a time"
        )));
    }
    Ok(Window { asked, hours })
}

fn named(text: &str, now: Instant) -> Option<Span> {
    let today = now.day();
    let month = domain::BillingPeriod::of(now);
    let sunday = Day(today.0 - (today.0 - FIRST_SUNDAY).rem_euclid(7));
    let span = |start: Instant, end: Instant| Some(Span { start, end });
    match text {
        "today" => span(today.start(), Day(today.0 + 1).start()),
        "yesterday" => span(Day(today.0 - 1).start(), today.start()),
        "week" => span(sunday.start(), now),
        "lastweek" => span(Day(sunday.0 - 7).start(), sunday.start()),
        "month" => span(month.first_day().start(), now),
        "lastmonth" => Some(month.previous().span()),
        _ => None,
    }
}

/// `7d` is today and the six days before, `24h` the hour that runs and the 23
/// before.
fn relative(text: &str, now: Instant) -> Option<Span> {
    let (length, offset) = match text.split_once(" offset ") {
        Some((length, offset)) => (length, Some(offset.trim())),
        None => (text, None),
    };
    let (count, unit) = count_of(length.trim())?;
    let length = count.checked_mul(unit).filter(|us| *us <= 10 * MAX_DAYS * DAY_US)?;
    let end = match offset {
        Some(offset) => {
            let (count, unit) = count_of(offset)?;
            now.0.checked_sub(count.checked_mul(unit)?)?
        }
        None => {
            let unit = unit.min(DAY_US);
            now.0.div_euclid(unit) * unit + unit
        }
    };
    Some(Span {
        start: Instant(end.checked_sub(length)?),
        end: Instant(end),
    })
}

/// `7d` as a count and the length of its unit.
fn count_of(text: &str) -> Option<(i64, i64)> {
    let unit = match text.as_bytes().last()? {
        b'm' => MINUTE_US,
        b'h' => HOUR_US,
        b'd' => DAY_US,
        b'w' => WEEK_US,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: i64 = whole.then(|| digits.parse().ok()).flatten()?;
    (count > 0).then_some((count, unit))
}

fn pair(text: &str) -> Option<Span> {
    let unix = |text: &str| -> Option<Instant> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: i64 = digits.then(|| text.parse().ok()).flatten()?;
        Some(Instant(seconds.checked_mul(SECOND_US).filter(|us| *us < i64::MAX / 4)?))
    };
    if let Some((start, end)) = text.split_once([',', '-'])
        && let (Some(start), Some(end)) = (unix(start), unix(end))
    {
        return Some(Span { start, end });
    }
    let (start, end) = text.split_once(',')?;
    // a plus in an address is a blank
    let instant = |text: &str| parse_instant(text.trim().replace(' ', "+").as_bytes()).ok();
    Some(Span {
        start: instant(start)?.instant,
        end: instant(end)?.instant,
    })
}

/// Parses a step: `1h`, `24h`, `1d`, `1w`, `60m`, `1h30m`, or `hourly`, `daily`,
/// `weekly`; microseconds of whole hours.
///
/// # Errors
/// Says what would fit.
pub fn parse_step(text: &str) -> Result<i64, BadAsk> {
    let bad = || {
        BadAsk::new(format!(
            "step={text} does not fit; facts are hourly, write whole hours or days such as 1h or 1d"
        ))
    };
    let length = match text {
        "hour" | "hourly" => HOUR_US,
        "day" | "daily" => DAY_US,
        "week" | "weekly" => WEEK_US,
        _ => duration(text).ok_or_else(bad)?,
    };
    if length > 0 && length % HOUR_US == 0 && length <= MAX_DAYS * DAY_US {
        Ok(length)
    } else {
        Err(bad())
    }
}

/// `1h30m` in microseconds.
fn duration(text: &str) -> Option<i64> {
    let mut sum = 0i64;
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest[..unit].parse().ok()?;
        let us = match rest.as_bytes()[unit] {
            b's' => SECOND_US,
            b'm' => MINUTE_US,
            b'h' => HOUR_US,
            b'd' => DAY_US,
            b'w' => WEEK_US,
            _ => return None,
        };
        sum = sum.checked_add(count.checked_mul(us)?)?;
        rest = &rest[unit + 1..];
    }
    (sum > 0).then_some(sum)
}

/// Parses `accumulate` or `accumulateBy`.
///
/// # Errors
/// Says what would fit.
pub fn parse_accumulate(name: &str, text: &str) -> Result<Accumulate, BadAsk> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "" | "false" | "0" | "f" | "none" => Accumulate::None,
        "true" | "1" | "t" | "all" => Accumulate::All,
        "hour" => Accumulate::Hour,
        "day" => Accumulate::Day,
        "week" => Accumulate::Week,
        "month" => Accumulate::Month,
        "quarter" => Accumulate::Quarter,
        _ => {
            return Err(BadAsk::new(format!(
                "{name}={text} does not fit; write true, false, all, hour, day, week, month or quarter"
            )));
        }
    })
}

/// The sets of an answer: the window cut by step, or by the calendar when sets
/// are joined.
///
/// # Errors
/// When there would be more than [`MAX_SETS`].
pub fn sets(window: Span, step_us: Option<i64>, accumulate: Accumulate) -> Result<Vec<Span>, BadAsk> {
    let mut sets = Vec::new();
    let mut start = window.start;
    while start < window.end {
        if sets.len() >= MAX_SETS {
            return Err(BadAsk::new(format!(
                "there would be more than {MAX_SETS} sets; ask for a longer step or a shorter window"
            )));
        }
        let next = match accumulate {
            Accumulate::None => step_us.map_or(window.end, |step| Instant(start.0 + step)),
            Accumulate::All => window.end,
            Accumulate::Hour => Instant((start.0.div_euclid(HOUR_US) + 1) * HOUR_US),
            Accumulate::Day => Day(start.day().0 + 1).start(),
            Accumulate::Week => Day(start.day().0 + 7 - (start.day().0 - FIRST_SUNDAY).rem_euclid(7)).start(),
            Accumulate::Month => domain::BillingPeriod::of(start).next().first_day().start(),
            Accumulate::Quarter => quarter_end(start),
        };
        let end = next.min(window.end);
        sets.push(Span { start, end });
        start = end;
    }
    Ok(sets)
}

fn quarter_end(at: Instant) -> Instant {
    let mut month = domain::BillingPeriod::of(at).next();
    while month.number() % 100 % 3 != 1 {
        month = month.next();
    }
    month.first_day().start()
}

/// A stretch within one UTC day that facts are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece {
    /// The day.
    pub day: Day,
    /// First hour.
    pub from: Hour,
    /// First hour after.
    pub to: Hour,
}

impl Piece {
    /// Whether it is the whole day.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.to.0 - self.from.0 == 24
    }

    /// The time it takes.
    #[must_use]
    pub fn span(&self) -> Span {
        Span {
            start: self.from.start(),
            end: self.to.start(),
        }
    }
}

/// Whether every boundary between sets is a midnight: then what is shared is
/// shared by day, else by hour, so that no figure depends on the step.
#[must_use]
pub fn by_day(sets: &[Span]) -> bool {
    let inner = sets.iter().skip(1).map(|set| set.start.0);
    inner.into_iter().all(|at| at.rem_euclid(DAY_US) == 0)
}

/// A set in pieces: days (the first and last may be cut), or hours.
#[must_use]
pub fn pieces(set: Span, by_day: bool) -> Vec<Piece> {
    let (mut from, to) = (Hour::of(set.start), Hour::of(set.end));
    let mut pieces = Vec::new();
    while from < to {
        let day = from.day();
        let next = if by_day {
            Hour((day.0 + 1) * 24).min(to)
        } else {
            Hour(from.0 + 1)
        };
        pieces.push(Piece { day, from, to: next });
        from = next;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        parse_instant(text.as_bytes()).expect(text).instant
    }

    #[test]
    fn windows_are_what_clients_mean() {
        // a Wednesday
        let now = at("2026-11-25T10:20:30Z");
        for (text, start, end) in [
            ("today", "2026-11-25", "2026-11-26"),
            ("yesterday", "2026-11-24", "2026-11-25"),
            ("week", "2026-11-22", "2026-11-25T11:00:00Z"),
            ("lastweek", "2026-11-15", "2026-11-22"),
            ("month", "2026-11-01", "2026-11-25T11:00:00Z"),
            ("lastmonth", "2026-10-01", "2026-11-01"),
            ("7d", "2026-11-19", "2026-11-26"),
            ("1w", "2026-11-19", "2026-11-26"),
            ("24h", "2026-11-24T11:00:00Z", "2026-11-25T11:00:00Z"),
            ("90m", "2026-11-25T08:00:00Z", "2026-11-25T11:00:00Z"),
            ("1d offset 2d", "2026-11-22T10:00:00Z", "2026-11-23T11:00:00Z"),
            ("1790812800,1790899200", "2026-10-01", "2026-10-02"),
            ("1790812800-1790899200", "2026-10-01", "2026-10-02"),
            ("2026-10-01T00:00:00Z,2026-10-08T00:00:00Z", "2026-10-01", "2026-10-08"),
            ("2026-10-01T02:00:00 02:00,2026-10-02", "2026-10-01", "2026-10-02"),
            (
                "2026-10-01T00:10:00Z,2026-10-01T00:20:00Z",
                "2026-10-01",
                "2026-10-01T01:00:00Z",
            ),
        ] {
            let window = parse_window(text, now).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((window.hours.start, window.hours.end), (at(start), at(end)), "{text}");
        }
    }

    #[test]
    fn other_windows_are_refused_with_what_fits() {
        let now = at("2026-11-25T10:20:30Z");
        for (text, part) in [
            ("", "missing"),
            ("7y", "does not fit"),
            ("d", "does not fit"),
            ("0d", "does not fit"),
            ("-1d", "does not fit"),
            ("99999999999999999999d", "does not fit"),
            ("2026-10-02,2026-10-01", "ends before"),
            ("2026-10-01,2026-10-01", "ends before"),
            ("401d", "longer than 400 days"),
            ("2020-01-01,2026-10-01", "longer than 400 days"),
            ("ä,ö", "does not fit"),
        ] {
            let error = parse_window(text, now).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn steps_are_whole_hours() {
        for (text, hours) in [
            ("1h", 1),
            ("1d", 24),
            ("60m", 1),
            ("1h60m", 2),
            ("daily", 24),
            ("2w", 336),
        ] {
            assert_eq!(parse_step(text), Ok(hours * HOUR_US), "{text}");
        }
        for text in ["30m", "0h", "h", "1", "1x", "401d", "ß"] {
            assert!(parse_step(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sets_and_pieces_are_the_window() {
        let window = Span {
            start: at("2026-10-30T06:00:00Z"),
            end: at("2026-11-02T12:00:00Z"),
        };
        for (step, accumulate, count, days) in [
            (None, Accumulate::None, 1, true),
            (Some(DAY_US), Accumulate::None, 4, false),
            (Some(DAY_US), Accumulate::All, 1, true),
            (Some(HOUR_US), Accumulate::Day, 4, true),
            (None, Accumulate::Hour, 78, false),
            (None, Accumulate::Week, 2, true),
            (None, Accumulate::Month, 2, true),
            (None, Accumulate::Quarter, 1, true),
        ] {
            let sets = sets(window, step, accumulate).expect("few sets");
            assert_eq!((sets.len(), by_day(&sets)), (count, days), "{step:?} {accumulate:?}");
            assert!(sets.windows(2).all(|two| two[0].end == two[1].start));
            assert_eq!((sets[0].start, sets[count - 1].end), (window.start, window.end));
            let hours: i32 = sets
                .iter()
                .flat_map(|set| pieces(*set, by_day(&sets)))
                .map(|piece| piece.to.0 - piece.from.0)
                .sum();
            assert_eq!(hours, 78, "{step:?} {accumulate:?}");
        }
        let year = Span {
            start: at("2026-01-01"),
            end: at("2026-12-01"),
        };
        assert!(sets(year, Some(HOUR_US), Accumulate::None).is_err());
    }

    #[test]
    fn accumulate_is_a_closed_set() {
        for (text, expect) in [
            ("true", Accumulate::All),
            ("", Accumulate::None),
            ("Week", Accumulate::Week),
        ] {
            assert_eq!(parse_accumulate("accumulate", text), Ok(expect));
        }
        assert!(parse_accumulate("accumulate", "fortnight").is_err());
    }
}
