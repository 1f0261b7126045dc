//! Splitting money so that the parts are the whole (rules A10-A13).
//!
//! Cumulative apportionment: with running sums `W_i` of non-negative integer
//! weights, part `i = floor(|C| W_i / W) - floor(|C| W_(i-1) / W)`, then the
//! sign of `C`. The parts add up to `C` by telescoping, a charge and its
//! refund cancel in every part, and merging neighbours merges their parts.

use crate::money::Money;
use ethnum::U256;
use thiserror::Error;

/// Why money could not be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ApportionError {
    /// A weight below zero (A10).
    #[error("weight {index} is negative")]
    NegativeWeight {
        /// Position of the weight.
        index: usize,
    },
    /// The weights add up to nothing (A11): use [`apportion_or`].
    #[error("all weights are zero")]
    ZeroWeights,
    /// The weights add up to more than 2^127.
    #[error("the weights are too large to add")]
    WeightOverflow,
}

/// A function that splits an amount by weights: [`apportion`], or in a test a
/// wrong one, to prove that the suite notices.
pub type Splitter = fn(Money, &[i128]) -> Result<Vec<Money>, ApportionError>;

/// Splits `total` by `weights`, in the order given; callers put rows in
/// canonical order (stable id bytes, A12) first.
///
/// # Errors
/// Refuses negative and all-zero weights.
pub fn apportion(total: Money, weights: &[i128]) -> Result<Vec<Money>, ApportionError> {
    let sum = weight_sum(weights)?;
    if let (Ok(sum), true) = (u64::try_from(sum), weights.iter().all(|w| u64::try_from(*w).is_ok())) {
        return Ok(narrow(total, weights, sum));
    }
    Ok(wide(total, weights, sum))
}

fn weight_sum(weights: &[i128]) -> Result<u128, ApportionError> {
    let mut sum = 0u128;
    for (index, &weight) in weights.iter().enumerate() {
        let weight = u128::try_from(weight).map_err(|_| ApportionError::NegativeWeight { index })?;
        sum = sum
            .checked_add(weight)
            .filter(|s| *s < 1 << 127)
            .ok_or(ApportionError::WeightOverflow)?;
    }
    if sum == 0 {
        Err(ApportionError::ZeroWeights)
    } else {
        Ok(sum)
    }
}

/// `C = qW + r` taken apart once: part = `q*w` plus the carry of `r*w` over
/// `W`, which is the telescoped floor without wide integers.
fn narrow(total: Money, weights: &[i128], sum: u64) -> Vec<Money> {
    let magnitude = total.units().unsigned_abs();
    let sum = u128::from(sum);
    let (quotient, rest) = (magnitude / sum, magnitude % sum);
    let mut carry = 0u128;
    weights
        .iter()
        .map(|&weight| {
            let weight = weight.unsigned_abs();
            // rest < 2^64, weight < 2^64, carry < 2^64: fits 2^128
            let running = carry + rest * weight;
            carry = running % sum;
            signed(total, quotient * weight + running / sum)
        })
        .collect()
}

fn wide(total: Money, weights: &[i128], sum: u128) -> Vec<Money> {
    let magnitude = U256::from(total.units().unsigned_abs());
    let sum = U256::from(sum);
    let mut before = U256::ZERO;
    let mut running = U256::ZERO;
    weights
        .iter()
        .map(|&weight| {
            running += U256::from(weight.unsigned_abs());
            // 2^127 * 2^127 fits 2^256
            let until = magnitude * running / sum;
            let part = until - before;
            before = until;
            signed(total, part.as_u128())
        })
        .collect()
}

fn signed(total: Money, magnitude: u128) -> Money {
    // a part is never larger than its whole, so it fits
    let part = Money::from_units(i128::try_from(magnitude).unwrap_or(i128::MAX)).unwrap_or(Money::ZERO);
    if total.units() < 0 { -part } else { part }
}

/// Splits by the first of `levels` whose weights are not all zero (A11); when
/// all are, everything goes to `terminal`, the owner of the pool or account.
/// Returns the parts and the level that fired (`levels.len()` = terminal).
///
/// # Errors
/// Refuses negative weights, also on a level that would not fire.
pub fn apportion_or(
    total: Money,
    levels: &[&[i128]],
    receivers: usize,
    terminal: usize,
) -> Result<(Vec<Money>, usize), ApportionError> {
    let mut fired = None;
    for (level, weights) in levels.iter().enumerate() {
        match apportion(total, weights) {
            Ok(parts) if fired.is_none() => fired = Some((parts, level)),
            Ok(_) | Err(ApportionError::ZeroWeights) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(fired.unwrap_or_else(|| {
        let mut parts = vec![Money::ZERO; receivers];
        if let Some(part) = parts.get_mut(terminal) {
            *part = total;
        }
        (parts, levels.len())
    }))
}

/// Rounds lines inside a root that is already rounded (A13): every line is cut
/// to `digits`, and the units left over go to the lines with the largest
/// remainder, earlier lines first on a tie. The result adds up to `root`
/// whenever `root` is the rounded sum of `lines`.
#[must_use]
pub fn round_lines(root: Money, lines: &[Money], digits: u32) -> Vec<Money> {
    let step = crate::number::POW10[(crate::money::MONEY_SCALE - digits.min(24)) as usize];
    let step = i128::try_from(step).unwrap_or(i128::MAX);
    let mut cut: Vec<i128> = lines.iter().map(|line| line.units().div_euclid(step) * step).collect();
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|&i| (-(lines[i].units() - cut[i]), i));
    let mut left = root.units() - cut.iter().sum::<i128>();
    for &i in order.iter().cycle().take(lines.len() * 2) {
        if left < step {
            break;
        }
        cut[i] += step;
        left -= step;
    }
    cut.into_iter()
        .map(|units| Money::from_units(units).unwrap_or(Money::ZERO))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;
    use proptest::prelude::*;

    fn money(text: &str) -> Money {
        Money::parse(text).expect(text)
    }

    /// The formula, word for word, in unbounded integers.
    fn reference(total: Money, weights: &[i128]) -> Vec<Money> {
        let magnitude = BigUint::from(total.units().unsigned_abs());
        let sum: BigUint = weights.iter().map(|w| BigUint::from(w.unsigned_abs())).sum();
        let mut before = BigUint::ZERO;
        let mut running = BigUint::ZERO;
        let mut parts = Vec::new();
        for weight in weights {
            running += BigUint::from(weight.unsigned_abs());
            let until = &magnitude * &running / &sum;
            let part: u128 = (&until - &before).try_into().expect("a part fits its whole");
            before = until;
            let part = Money::from_units(part as i128).expect("a part fits its whole");
            parts.push(if total.units() < 0 { -part } else { part });
        }
        parts
    }

    #[test]
    fn examples() {
        for (total, weights, expect) in [
            (
                "10",
                vec![1, 1, 1],
                vec![
                    "3.333333333333333333333333",
                    "3.333333333333333333333333",
                    "3.333333333333333333333334",
                ],
            ),
            (
                "-10",
                vec![1, 1, 1],
                vec![
                    "-3.333333333333333333333333",
                    "-3.333333333333333333333333",
                    "-3.333333333333333333333334",
                ],
            ),
            (
                "0.000000000000000000000001",
                vec![1, 1],
                vec!["0", "0.000000000000000000000001"],
            ),
            ("5", vec![0, 3, 0], vec!["0", "5", "0"]),
        ] {
            let parts: Vec<String> = apportion(money(total), &weights)
                .expect(total)
                .iter()
                .map(Money::to_string)
                .collect();
            assert_eq!(parts, expect, "{total} by {weights:?}");
        }
    }

    #[test]
    fn refusals_and_fallbacks() {
        assert_eq!(
            apportion(money("1"), &[1, -1, 3]),
            Err(ApportionError::NegativeWeight { index: 1 })
        );
        assert_eq!(apportion(money("1"), &[0, 0]), Err(ApportionError::ZeroWeights));
        assert_eq!(
            apportion(money("1"), &[i128::MAX, i128::MAX]),
            Err(ApportionError::WeightOverflow)
        );
        let (parts, level) = apportion_or(money("1"), &[&[0, 0], &[0, 1]], 2, 0).expect("falls back");
        assert_eq!((parts, level), (vec![Money::ZERO, money("1")], 1));
        let (parts, level) = apportion_or(money("1"), &[&[0, 0]], 2, 0).expect("ends at the owner of the pool");
        assert_eq!((parts, level), (vec![money("1"), Money::ZERO], 1));
        assert!(apportion_or(money("1"), &[&[1, 0], &[0, -1]], 2, 0).is_err());
    }

    #[test]
    fn lines_add_up_to_the_rounded_root() {
        for (lines, digits, expect) in [
            (vec!["0.2", "0.2", "0.2"], 0, vec!["1", "0", "0"]),
            (vec!["1.005", "1.005"], 2, vec!["1.01", "1"]),
            (vec!["-0.4", "1.0"], 0, vec!["0", "1"]),
        ] {
            let lines: Vec<Money> = lines.into_iter().map(money).collect();
            let root = Money::sum(lines.iter().copied()).expect("small").round_to(digits);
            let rounded = round_lines(root, &lines, digits);
            assert_eq!(Money::sum(rounded.iter().copied()), Ok(root));
            assert_eq!(rounded.iter().map(Money::to_string).collect::<Vec<_>>(), expect);
        }
    }

    fn any_money() -> impl Strategy<Value = Money> {
        prop_oneof![
            any::<i64>().prop_map(i128::from),
            any::<i128>().prop_map(|x| x % 99_999_999_999_999_999_999_999_999_999_999_999_999)
        ]
        .prop_map(|units| Money::from_units(units).expect("within 38 digits"))
    }

    fn any_weights() -> impl Strategy<Value = Vec<i128>> {
        prop_oneof![
            prop::collection::vec(0i128..100, 1..12),
            prop::collection::vec(0i128..i128::from(u64::MAX / 16), 1..12),
            prop::collection::vec(0i128..(1 << 120), 1..12),
        ]
        .prop_filter("some weight", |w| w.iter().any(|x| *x > 0))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

        #[test]
        fn parts_equal_the_whole_and_the_formula(total in any_money(), weights in any_weights()) {
            let parts = apportion(total, &weights).expect("valid weights");
            prop_assert_eq!(Money::sum(parts.iter().copied()), Ok(total));
            prop_assert_eq!(parts, reference(total, &weights));
        }

        #[test]
        fn a_charge_and_its_refund_cancel_in_every_part(total in any_money(), weights in any_weights()) {
            let charge = apportion(total, &weights).expect("valid weights");
            let refund = apportion(-total, &weights).expect("valid weights");
            for (a, b) in charge.into_iter().zip(refund) {
                prop_assert_eq!(a, -b);
            }
        }

        #[test]
        fn the_result_depends_on_the_set_not_the_order(total in any_money(), weights in any_weights(), seed in any::<u64>()) {
            // canonical order (A12): rows are sorted by id before the split, so a shuffle changes nothing
            let ids: Vec<u64> = (0..weights.len() as u64).collect();
            let mut shuffled: Vec<(u64, i128)> = ids.iter().copied().zip(weights.iter().copied()).collect();
            let mut state = seed | 1;
            for i in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                shuffled.swap(i, (state >> 33) as usize % (i + 1));
            }
            shuffled.sort();
            let again: Vec<i128> = shuffled.iter().map(|(_, w)| *w).collect();
            prop_assert_eq!(apportion(total, &again), apportion(total, &weights));
        }

        #[test]
        fn neighbours_merge(total in any_money(), weights in any_weights(), at in any::<usize>()) {
            if weights.len() < 2 {
                return Ok(());
            }
            let at = at % (weights.len() - 1);
            let fine = apportion(total, &weights).expect("valid weights");
            let mut merged = weights;
            let taken = merged.remove(at + 1);
            merged[at] += taken;
            let coarse = apportion(total, &merged).expect("valid weights");
            prop_assert_eq!(coarse[at], fine[at].checked_add(fine[at + 1]).expect("fits"));
        }
    }
}
