//! Estimates of node hours no bill line pays for (A6): the price of billed
//! nodes of the same cluster, pool and capacity type in the same month, times
//! the seconds they were Ready. They stand beside the actuals, never in them.

use crate::money::Money;
use ethnum::U256;

/// What `seconds` cost at the price of `cost` for `billed_s`, cut off below
/// 1e-24. `None` when nothing tells a price: no billed seconds, or a cost that
/// is not above zero.
#[must_use]
pub fn at_price_of(cost: Money, billed_s: u64, seconds: u64) -> Option<Money> {
    if billed_s == 0 || cost.units() <= 0 {
        return None;
    }
    let units = U256::from(cost.units().unsigned_abs()) * U256::from(seconds) / U256::from(billed_s);
    let units = i128::try_from(units).ok()?;
    Money::from_units(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_of_like_nodes() {
        let money = |text: &str| Money::parse(text).expect(text);
        for (cost, billed_s, seconds, expect) in [
            ("0.40", 3_600, 3_600, Some("0.4")),
            ("0.40", 3_600, 900, Some("0.1")),
            ("1", 3, 1, Some("0.333333333333333333333333")),
            ("12", 3_600, 86_400, Some("288")),
            ("1", 3_600, 0, Some("0")),
            // nothing tells a price: unknown, never zero
            ("1", 0, 3_600, None),
            ("0", 3_600, 3_600, None),
            ("-1", 3_600, 3_600, None),
            // too large to be kept
            ("99999999999999", 1, u64::MAX, None),
        ] {
            assert_eq!(
                at_price_of(money(cost), billed_s, seconds),
                expect.map(money),
                "{cost} {billed_s} {seconds}"
            );
        }
    }
}
