//! Instants: microseconds since 1970-01-01T00:00:00Z, and the date texts of bills.
//!
//! Bills write `2024-09-01T00:00:00Z`, `2024-09-01 00:00:00` (no zone: UTC),
//! `2023-11-13T10:00Z` (no seconds), `2024-09-01`, `5/1/25` (month first) and,
//! in the FOCUS specification's own examples, hour 30. All mean UTC instants.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Microseconds in a second.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds in a day.
pub const DAY_US: i64 = 86_400 * SECOND_US;

/// The first instant that is no longer taken: the start of 2200.
const END_US: i64 = 84_006 * DAY_US;
/// The farthest a clock on earth is from UTC.
const MAX_OFFSET_S: i64 = 14 * 3_600;

/// An instant in UTC, microseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

/// Days since 1970-01-01, UTC.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

/// A half-open stretch of time `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First instant inside.
    pub start: Instant,
    /// First instant after.
    pub end: Instant,
}

impl Span {
    /// Length in microseconds, zero when it ends before it starts.
    #[must_use]
    pub fn duration_us(&self) -> i64 {
        (self.end.0 - self.start.0).max(0)
    }

    /// The UTC day that holds the start.
    #[must_use]
    pub fn first_day(&self) -> Day {
        self.start.day()
    }

    /// Whether everything lies in one UTC day.
    #[must_use]
    pub fn within_one_day(&self) -> bool {
        self.end.0 <= (i64::from(self.first_day().0) + 1) * DAY_US
    }
}

impl Instant {
    /// The UTC day that holds it.
    #[must_use]
    pub fn day(self) -> Day {
        Day(i32::try_from(self.0.div_euclid(DAY_US)).unwrap_or(i32::MAX))
    }

    fn date_time(self) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

impl Day {
    /// Midnight at its start.
    #[must_use]
    pub fn start(self) -> Instant {
        Instant(i64::from(self.0) * DAY_US)
    }

    /// From a calendar date.
    #[must_use]
    pub fn from_date(date: chrono::NaiveDate) -> Day {
        Day(i32::try_from(date.signed_duration_since(chrono::NaiveDate::default()).num_days()).unwrap_or(i32::MAX))
    }

    /// The calendar date.
    #[must_use]
    pub fn date(self) -> chrono::NaiveDate {
        self.start().date_time().date_naive()
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date_time().format("%Y-%m-%dT%H:%M:%S%.fZ"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date().format("%Y-%m-%d"))
    }
}

/// Why a cell is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InstantError {
    /// Nothing but blanks.
    #[error("is empty where a date is required")]
    Empty,
    /// No known form.
    #[error("is not a date; write 2024-09-01T00:00:00Z")]
    NotADate,
    /// Digits that no calendar has.
    #[error("is not on the calendar; write 2024-09-01T00:00:00Z")]
    OutOfRange,
    /// A year no bill is from: a slip of the pen, or a date that means "never".
    #[error("is not in the years 1970 to 2199; write 2024-09-01T00:00:00Z")]
    Year,
    /// Second 60: bills count seconds without leaps.
    #[error("has a second 60; write the second after it, such as 2024-09-01T00:00:00Z")]
    LeapSecond,
    /// Digits that would have to be cut.
    #[error("has digits beyond the microsecond; write at most six of them")]
    TooFine,
    /// An offset no place on earth has.
    #[error(
        "has an offset that is not between -14:00 and +14:00; write the instant in UTC, such as 2024-09-01T00:00:00Z"
    )]
    Offset,
}

/// A parsed instant, and whether its hour ran over the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// The instant.
    pub instant: Instant,
    /// The text said hour 24 to 47; it was counted into the next day.
    pub hour_ran_over: bool,
}

/// Parses the date texts listed at the top of this module.
///
/// # Errors
/// Says what is wrong and how to write it.
pub fn parse(text: &[u8]) -> Result<Parsed, InstantError> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(InstantError::Empty);
    }
    let (date, rest) = if text.len() >= 10 && text[4] == b'-' && text[7] == b'-' {
        let date = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?);
        (date, &text[10..])
    } else {
        slashed(text)?
    };
    let day = days_from_civil(date.0, date.1, date.2).ok_or(InstantError::OutOfRange)?;
    let (micros, ran_over) = time_of_day(rest)?;
    let instant = Instant(day * DAY_US + micros);
    if !(0..END_US).contains(&instant.0) {
        return Err(InstantError::Year);
    }
    Ok(Parsed {
        instant,
        hour_ran_over: ran_over,
    })
}

type Civil = (i64, i64, i64);

/// `M/D/YY` or `M/D/YYYY`, the form spreadsheets leave behind.
fn slashed(text: &[u8]) -> Result<(Civil, &[u8]), InstantError> {
    let end = text.iter().position(|b| matches!(b, b' ' | b'T')).unwrap_or(text.len());
    let mut parts = text[..end].split(|b| *b == b'/');
    let (Some(month), Some(day), Some(year), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(InstantError::NotADate);
    };
    let long_year = match year.len() {
        2 => 2000 + number(year)?,
        4 => number(year)?,
        _ => return Err(InstantError::NotADate),
    };
    Ok(((long_year, number(month)?, number(day)?), &text[end..]))
}

fn number(digits: &[u8]) -> Result<i64, InstantError> {
    if digits.is_empty() || digits.len() > 4 {
        return Err(InstantError::NotADate);
    }
    digits.iter().try_fold(0i64, |value, b| {
        if b.is_ascii_digit() {
            Ok(value * 10 + i64::from(b - b'0'))
        } else {
            Err(InstantError::NotADate)
        }
    })
}

/// Time after the date: `""`, `T10:00Z`, ` 10:00:00`, `T10:00:00.123456+02:00`.
fn time_of_day(rest: &[u8]) -> Result<(i64, bool), InstantError> {
    let Some((&separator, time)) = rest.split_first() else {
        return Ok((0, false));
    };
    if !matches!(separator, b'T' | b't' | b' ') || time.len() < 5 || time[2] != b':' {
        return Err(InstantError::NotADate);
    }
    let (hour, minute) = (number(&time[..2])?, number(&time[3..5])?);
    let mut at = 5;
    let mut second = 0;
    if time.get(at) == Some(&b':') {
        second = number(time.get(6..8).ok_or(InstantError::NotADate)?)?;
        at = 8;
    }
    let mut micros = 0;
    if time.get(at) == Some(&b'.') {
        let digits = time[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        micros = fraction(&time[at + 1..][..digits])?;
        at += 1 + digits;
    }
    let offset_s = zone(&time[at..])?;
    if hour > 47 || minute > 59 || second > 60 {
        return Err(InstantError::OutOfRange);
    }
    if second == 60 {
        return Err(InstantError::LeapSecond);
    }
    Ok((
        ((hour * 60 + minute) * 60 + second - offset_s) * SECOND_US + micros,
        hour > 23,
    ))
}

/// Microseconds of the digits after the point; zeros beyond the sixth are fine.
fn fraction(digits: &[u8]) -> Result<i64, InstantError> {
    if digits.is_empty() {
        return Err(InstantError::NotADate);
    }
    let (micros, beyond) = digits.split_at(digits.len().min(6));
    if beyond.iter().any(|digit| *digit != b'0') {
        return Err(InstantError::TooFine);
    }
    let places = micros.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Ok(places.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// Offset in seconds east of UTC; nothing and `Z` and `UTC` are UTC.
fn zone(text: &[u8]) -> Result<i64, InstantError> {
    let text = text.trim_ascii();
    match text {
        b"" | b"Z" | b"z" | b"UTC" => Ok(0),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hours, minutes) = match rest.len() {
                2 => (number(rest)?, 0),
                4 => (number(&rest[..2])?, number(&rest[2..])?),
                5 if rest[2] == b':' => (number(&rest[..2])?, number(&rest[3..])?),
                _ => return Err(InstantError::NotADate),
            };
            let seconds = (hours * 60 + minutes) * 60;
            if minutes > 59 || seconds > MAX_OFFSET_S {
                return Err(InstantError::Offset);
            }
            Ok(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => Err(InstantError::NotADate),
    }
}

/// Days since the epoch of a proleptic Gregorian date; the year is judged with
/// the time, by whoever asks.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let date = chrono::NaiveDate::from_ymd_opt(
        i32::try_from(year).ok()?,
        u32::try_from(month).ok()?,
        u32::try_from(day).ok()?,
    )?;
    Some(i64::from(Day::from_date(date).0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_real_bills() {
        for (text, expect, ran_over) in [
            ("2024-09-01T00:00:00Z", "2024-09-01T00:00:00Z", false),
            ("2024-09-18 23:00:00", "2024-09-18T23:00:00Z", false),
            ("2023-11-13T10:00Z", "2023-11-13T10:00:00Z", false),
            ("2024-02-29", "2024-02-29T00:00:00Z", false),
            ("5/1/25", "2025-05-01T00:00:00Z", false),
            ("12/31/2025", "2025-12-31T00:00:00Z", false),
            ("2024-09-01T02:00:00+02:00", "2024-09-01T00:00:00Z", false),
            ("2024-09-01 00:00:00 UTC", "2024-09-01T00:00:00Z", false),
            ("2023-02-01T30:00:00Z", "2023-02-02T06:00:00Z", true),
            ("2024-09-01T00:00:00.000Z", "2024-09-01T00:00:00Z", false),
            ("2024-09-01T00:00:59.0000000Z", "2024-09-01T00:00:59Z", false),
            ("2024-09-01T00:00:00+14:00", "2024-08-31T10:00:00Z", false),
            ("2024-09-01T00:00:00-1200", "2024-09-01T12:00:00Z", false),
            ("1970-01-01", "1970-01-01T00:00:00Z", false),
            ("2199-12-31T23:59:59.999999Z", "2199-12-31T23:59:59.999999Z", false),
        ] {
            let parsed = parse(text.as_bytes()).expect(text);
            assert_eq!(
                (parsed.instant.to_string().as_str(), parsed.hour_ran_over),
                (expect, ran_over),
                "{text}"
            );
        }
    }

    #[test]
    fn refusals() {
        for (text, expect) in [
            ("", InstantError::Empty),
            ("yesterday", InstantError::NotADate),
            ("2024-13-01", InstantError::OutOfRange),
            ("2023-02-29", InstantError::OutOfRange),
            ("2024-09-01T48:00:00Z", InstantError::OutOfRange),
            ("2024-09-01X00:00", InstantError::NotADate),
            ("45170", InstantError::NotADate),
            ("2024-09-01T00:00:60Z", InstantError::LeapSecond),
            ("2024-09-01T00:00:61Z", InstantError::OutOfRange),
            ("2024-09-01T00:00:00.Z", InstantError::NotADate),
            ("2024-09-01T00:00:00.1234567Z", InstantError::TooFine),
            ("2024-09-01T00:00:00+14:01", InstantError::Offset),
            ("2024-09-01T00:00:00-99:00", InstantError::Offset),
            ("2024-09-01T00:00:00+00:60", InstantError::Offset),
            ("1969-12-31", InstantError::Year),
            ("1970-01-01T00:00:00+01:00", InstantError::Year),
            ("2200-01-01", InstantError::Year),
            ("9999-12-31", InstantError::Year),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(expect), "{text}");
        }
    }

    #[test]
    fn days() {
        let day = parse(b"2026-11-22T14:00:00Z").expect("valid").instant.day();
        assert_eq!(day.to_string(), "2026-11-22");
        assert_eq!(Day::from_date(day.date()), day);
        let span = Span {
            start: day.start(),
            end: Instant(day.start().0 + DAY_US),
        };
        assert!(span.within_one_day());
        assert!(
            !Span {
                end: Instant(span.end.0 + 1),
                ..span
            }
            .within_one_day()
        );
    }
}
