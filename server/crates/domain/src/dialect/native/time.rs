//! Dates of native exports, as the instants FOCUS wants.

use crate::instant::{DAY_US, Instant, parse};
use crate::period::BillingPeriod;

/// The end of a day that is written inclusively, as its exclusive end; text
/// that is no date stays, so that the row is refused with it.
pub(super) fn next_day(cell: &[u8]) -> String {
    match parse(cell) {
        Ok(parsed) => {
            let start_of_day = parsed.instant.0.div_euclid(DAY_US) * DAY_US;
            Instant(start_of_day + DAY_US).to_string()
        }
        Err(_) => String::from_utf8_lossy(cell).into_owned(),
    }
}

/// First instant of the month of an instant, and of the month after.
pub(super) fn month_of(cell: &[u8]) -> Option<(String, String)> {
    Some(bounds(BillingPeriod::of(parse(cell).ok()?.instant)))
}

/// `202604` as the first instants of April and May.
pub(super) fn month_number(cell: &[u8]) -> Option<(String, String)> {
    let number = std::str::from_utf8(cell).ok()?.trim().parse().ok()?;
    Some(bounds(BillingPeriod::from_number(number)?))
}

fn bounds(period: BillingPeriod) -> (String, String) {
    let span = period.span();
    (span.start.to_string(), span.end.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_exclusive() {
        for (cell, expect) in [
            ("09/30/2023", "2023-10-01T00:00:00Z"),
            ("2024-02-28", "2024-02-29T00:00:00Z"),
            ("2024-02-29T13:00:00Z", "2024-03-01T00:00:00Z"),
            ("soon", "soon"),
        ] {
            assert_eq!(next_day(cell.as_bytes()), expect, "{cell}");
        }
        let month = |start: &str, end: &str| Some((start.to_owned(), end.to_owned()));
        assert_eq!(
            month_of(b"2021-12-02"),
            month("2021-12-01T00:00:00Z", "2022-01-01T00:00:00Z")
        );
        assert_eq!(
            month_number(b"202604"),
            month("2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z")
        );
        assert_eq!(month_number(b"202613"), None);
        assert_eq!(month_of(b"x"), None);
    }
}
