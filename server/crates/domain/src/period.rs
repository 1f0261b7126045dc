//! Billing periods: the month an invoice is for (A7).

use crate::instant::{Day, Instant, Span};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A UTC calendar month, written `2026-11`. The row's BillingPeriodStart
/// decides; folder and file names do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BillingPeriod {
    year: i32,
    month: u32,
}

/// Text that is no billing period.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a billing period; write a month such as 2026-11")]
pub struct PeriodError {
    text: String,
}

impl BillingPeriod {
    /// From year and month; `None` off the calendar.
    #[must_use]
    pub fn new(year: i32, month: u32) -> Option<BillingPeriod> {
        ((1970..=9999).contains(&year) && (1..=12).contains(&month)).then_some(BillingPeriod { year, month })
    }

    /// The month that holds an instant.
    #[must_use]
    pub fn of(instant: Instant) -> BillingPeriod {
        use chrono::Datelike;
        let date = instant.day().date();
        BillingPeriod {
            year: date.year(),
            month: date.month(),
        }
    }

    /// `202611`, as the lake stores it.
    #[must_use]
    pub fn number(self) -> i32 {
        self.year * 100 + i32::try_from(self.month).unwrap_or(0)
    }

    /// Back from `202611`.
    #[must_use]
    pub fn from_number(number: i32) -> Option<BillingPeriod> {
        BillingPeriod::new(number / 100, u32::try_from(number % 100).ok()?)
    }

    /// The month after.
    #[must_use]
    pub fn next(self) -> BillingPeriod {
        if self.month == 12 {
            BillingPeriod {
                year: self.year + 1,
                month: 1,
            }
        } else {
            BillingPeriod {
                month: self.month + 1,
                ..self
            }
        }
    }

    /// The month before.
    #[must_use]
    pub fn previous(self) -> BillingPeriod {
        if self.month == 1 {
            BillingPeriod {
                year: self.year - 1,
                month: 12,
            }
        } else {
            BillingPeriod {
                month: self.month - 1,
                ..self
            }
        }
    }

    /// First day.
    #[must_use]
    pub fn first_day(self) -> Day {
        // year and month were checked when the value was made
        chrono::NaiveDate::from_ymd_opt(self.year, self.month, 1).map_or(Day(0), Day::from_date)
    }

    /// First instant to first instant of the next.
    #[must_use]
    pub fn span(self) -> Span {
        Span {
            start: self.first_day().start(),
            end: self.next().first_day().start(),
        }
    }

    /// Real length in days: 28 to 31.
    #[must_use]
    pub fn days(self) -> i32 {
        self.next().first_day().0 - self.first_day().0
    }
}

impl fmt::Display for BillingPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for BillingPeriod {
    type Err = PeriodError;
    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let parsed = text
            .trim()
            .split_once('-')
            .filter(|(y, m)| y.len() == 4 && m.len() == 2);
        parsed
            .and_then(|(year, month)| BillingPeriod::new(year.parse().ok()?, month.parse().ok()?))
            .ok_or_else(|| PeriodError { text: text.to_owned() })
    }
}

impl Serialize for BillingPeriod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BillingPeriod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_their_real_length() {
        for (text, days, next, previous) in [
            ("2024-02", 29, "2024-03", "2024-01"),
            ("2026-12", 31, "2027-01", "2026-11"),
            ("2026-01", 31, "2026-02", "2025-12"),
        ] {
            let period: BillingPeriod = text.parse().expect(text);
            assert_eq!(period.days(), days);
            assert_eq!(period.next().to_string(), next);
            assert_eq!(period.previous().to_string(), previous);
            assert_eq!(BillingPeriod::from_number(period.number()), Some(period));
            assert_eq!(BillingPeriod::of(period.span().start), period);
        }
    }

    #[test]
    fn what_is_no_period() {
        for text in ["2026", "2026-13", "26-11", "2026-1", "2026-11-01", "x"] {
            assert!(text.parse::<BillingPeriod>().is_err(), "{text}");
        }
    }
}
