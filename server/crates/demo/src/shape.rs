//! The shape of the work in time: dispatch cut-offs, the week, month end, the yearly peak, growth.
//! All factors are parts per million.

use chrono::{Datelike, Days, NaiveDate};

/// Orders per hour of the day (UTC) in thousandths of the day: the waves before the dispatch
/// cut-offs at 10, 14, 17 and 20 o'clock.
pub const HOURS: [i128; 24] = [
    9, 6, 5, 5, 12, 25, 38, 52, 68, 84, 46, 49, 63, 81, 44, 57, 92, 49, 46, 63, 41, 28, 21, 16,
];

/// Monday to Sunday.
const WEEK: [i128; 7] = [1_080_000, 1_050_000, 1_030_000, 1_060_000, 1_150_000, 620_000, 350_000];

/// (day of the year, factor): the peak runs from mid November to Christmas.
const YEAR: [(i128, i128); 14] = [
    (1, 930_000),
    (32, 900_000),
    (91, 960_000),
    (152, 990_000),
    (196, 940_000),
    (244, 1_000_000),
    (288, 1_060_000),
    (315, 1_170_000),
    (331, 1_610_000),
    (340, 1_480_000),
    (351, 1_560_000),
    (357, 1_350_000),
    (361, 1_020_000),
    (366, 930_000),
];

/// How busy `day` is against an ordinary day at `first`.
pub fn activity(day: NaiveDate, first: NaiveDate) -> i128 {
    let week = WEEK[day.weekday().num_days_from_monday() as usize];
    let grown = 1_000_000 + 400 * i128::from((day - first).num_days().max(0));
    let month_end = if is_month_end(day) { 1_120_000 } else { 1_000_000 };
    [season(day), grown, month_end]
        .iter()
        .fold(week, |busy, factor| busy * factor / 1_000_000)
}

/// Whether `day` is one of the last three of its month.
fn is_month_end(day: NaiveDate) -> bool {
    day.checked_add_days(Days::new(3))
        .is_some_and(|later| later.month() != day.month())
}

fn season(day: NaiveDate) -> i128 {
    let ordinal = i128::from(day.ordinal());
    for pair in YEAR.windows(2) {
        let ((from, low), (to, high)) = (pair[0], pair[1]);
        if ordinal <= to {
            return low + (high - low) * (ordinal - from) / (to - from);
        }
    }
    YEAR[YEAR.len() - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn the_day_is_whole() {
        assert_eq!(HOURS.iter().sum::<i128>(), 1_000);
    }

    #[test]
    fn the_shape_has_its_peaks() {
        let first = day(2026, 1, 1);
        let busy = |month, date| activity(day(2026, month, date), first);
        assert!(busy(11, 27) > busy(10, 2) * 13 / 10, "Black Friday");
        assert!(busy(3, 6) > busy(3, 8) * 3, "Friday against Sunday");
        assert!(busy(6, 30) > busy(6, 23), "month end");
        assert!(activity(day(2027, 3, 5), first) > busy(3, 6), "growth");
    }
}
