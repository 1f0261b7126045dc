//! JSON numbers: the only place where money becomes a float, rounded from the
//! exact figure (docs/ARCHITECTURE.md). Nothing is computed from them.

use domain::Money;
use domain::instant::{Instant, SECOND_US};
use domain::money::MONEY_SCALE;
use domain::number::POW10;
use domain::usage::Measure;

/// Digits behind the point: finer than any bill is paid.
const DIGITS: u32 = 10;
/// Bytes in a MiB.
pub const MIB: f64 = 1_048_576.0;

/// Money as a number.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "that is what a JSON number is")]
pub fn money(amount: Money) -> f64 {
    let step = i128::try_from(POW10[(MONEY_SCALE - DIGITS) as usize]).unwrap_or(i128::MAX);
    let tenths = (amount.round_to(DIGITS).units() / step) as f64;
    tenths / POW10[DIGITS as usize] as f64
}

/// A count as a number.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "that is what a JSON number is")]
pub fn count(amount: u64) -> f64 {
    amount as f64
}

/// Core-hours.
#[must_use]
pub fn core_hours(measure: &Measure) -> f64 {
    count(measure.cpu_core_ms) / 3_600_000.0
}

/// Byte-hours.
#[must_use]
pub fn byte_hours(measure: &Measure) -> f64 {
    count(measure.memory_mib_s) * MIB / 3_600.0
}

/// GPU-hours.
#[must_use]
pub fn gpu_hours(measure: &Measure) -> f64 {
    count(measure.gpu_ms) / 3_600_000.0
}

/// Minutes between two instants.
#[must_use]
pub fn minutes(start: Instant, end: Instant) -> f64 {
    let seconds = end.0.saturating_sub(start.0).max(0) / SECOND_US;
    count(u64::try_from(seconds).unwrap_or(0)) / 60.0
}

/// An amount by hours as its average; zero without time.
#[must_use]
pub fn over(amount_hours: f64, minutes: f64) -> f64 {
    if minutes > 0.0 {
        amount_hours / (minutes / 60.0)
    } else {
        0.0
    }
}

/// Usage by request; all of it when there is usage and cost without a request.
#[must_use]
pub fn efficiency(used: f64, requested: f64, cost: f64) -> f64 {
    if requested > 0.0 {
        used / requested
    } else if used > 0.0 && cost != 0.0 {
        1.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp, reason = "the nearest float is meant")]
    fn numbers_are_the_nearest_to_the_exact_figure() {
        for (text, number) in [
            ("0", 0.0),
            ("0.1", 0.1),
            ("-20.000000000000000000000003", -20.0),
            ("1234567.891", 1_234_567.891),
            ("0.00000000005", 0.000_000_000_1),
            ("99999999999999", 99_999_999_999_999.0),
        ] {
            assert_eq!(money(Money::parse(text).expect(text)), number, "{text}");
        }
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "the nearest float is meant")]
    fn efficiency_is_usage_by_request() {
        for (used, requested, cost, expect) in [
            (1.0, 2.0, 5.0, 0.5),
            (3.0, 2.0, 5.0, 1.5),
            (3.0, 0.0, 5.0, 1.0),
            (3.0, 0.0, 0.0, 0.0),
            (0.0, 0.0, 5.0, 0.0),
        ] {
            assert_eq!(efficiency(used, requested, cost), expect);
        }
        assert_eq!(over(10.0, 0.0), 0.0);
    }
}
