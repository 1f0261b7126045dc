//! Apportionment in one pass without wide integers: the cost is taken apart
//! once as `C = qW + r`; a part is `q*w` plus the carry of `r*w` over `W`.
//! That is the telescoped floor of `domain::apportion`, digit for digit.

/// A divisor that is used many times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Divisor {
    value: u64,
    /// Makes the highest bit of `value` a one.
    shift: u32,
    /// floor((2^128 - 1) / (value << shift)) - 2^64; only needed where a
    /// dividend can exceed 64 bits.
    reciprocal: u64,
}

impl Divisor {
    /// Of a value of one or more.
    pub fn new(value: u64) -> Divisor {
        let shift = value.leading_zeros();
        // below 2^32 the running rest of a share always fits 64 bits
        let reciprocal = if value >> 32 == 0 {
            0
        } else {
            low(u128::MAX / u128::from(value << shift))
        };
        Divisor {
            value,
            shift,
            reciprocal,
        }
    }

    /// Quotient and rest of a dividend below `value * 2^64`.
    #[inline]
    pub fn divide(&self, dividend: u128) -> (u64, u64) {
        if dividend >> 64 == 0 {
            let dividend = low(dividend);
            return (dividend / self.value, dividend % self.value);
        }
        if self.reciprocal == 0 {
            let value = u128::from(self.value);
            return (low(dividend / value), low(dividend % value));
        }
        let (quotient, rest) = self.divide_normal(dividend << self.shift);
        (quotient, rest >> self.shift)
    }

    /// The same of a dividend that was shifted as `value` is; so is the rest. Only
    /// of a value of 2^32 or more.
    // Moeller, Granlund: Improved division by invariant integers (2011), algorithm 4
    #[inline]
    fn divide_normal(&self, dividend: u128) -> (u64, u64) {
        let normal = self.value << self.shift;
        let (high, rest) = (low(dividend >> 64), low(dividend));
        let estimate = u128::from(self.reciprocal) * u128::from(high) + dividend;
        let mut quotient = low(estimate >> 64).wrapping_add(1);
        let mut left = rest.wrapping_sub(quotient.wrapping_mul(normal));
        if left > low(estimate) {
            quotient = quotient.wrapping_sub(1);
            left = left.wrapping_add(normal);
        }
        if left >= normal {
            quotient = quotient.wrapping_add(1);
            left -= normal;
        }
        (quotient, left)
    }
}

/// The lower half, on purpose.
#[inline]
fn low(value: u128) -> u64 {
    value as u64
}

/// An amount that is being apportioned by weights that come one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    quotient: u128,
    /// These two shifted as the divisor is, when it is 2^32 or more.
    rest: u64,
    carry: u64,
    by: Divisor,
}

impl Share {
    /// Of nothing: every part is zero.
    pub fn nothing() -> Share {
        Share {
            quotient: 0,
            rest: 0,
            carry: 0,
            by: Divisor::new(1),
        }
    }

    /// Of an amount over weights with this sum, which is not zero.
    pub fn new(total: u128, sum: u64) -> Share {
        let by = Divisor::new(sum);
        let (quotient, rest) = if total >> 64 < u128::from(sum) {
            let (quotient, rest) = by.divide(total);
            (u128::from(quotient), rest)
        } else {
            (total / u128::from(sum), low(total % u128::from(sum)))
        };
        let rest = if by.reciprocal == 0 { rest } else { rest << by.shift };
        Share {
            quotient,
            rest,
            carry: 0,
            by,
        }
    }

    /// The part of the next weight, which is not larger than all of them.
    #[inline]
    pub fn next(&mut self, weight: u64) -> u128 {
        let part = if self.by.reciprocal == 0 {
            // carry < W, rest < W and W < 2^32, so this fits
            let running = self.carry + self.rest * weight;
            self.carry = running % self.by.value;
            running / self.by.value
        } else {
            // carry < W and rest < W, so this is below W * 2^64, and shifted below its divisor * 2^64
            let running = u128::from(self.carry) + u128::from(self.rest) * u128::from(weight);
            let (part, carry) = self.by.divide_normal(running);
            self.carry = carry;
            part
        };
        self.quotient * u128::from(weight) + u128::from(part)
    }
}

/// An amount over a few weights; `None` when they add up to 2^64 or more.
/// Without any weight every part is zero.
pub(super) fn portions<const N: usize>(total: u128, weights: [u128; N]) -> Option<[u128; N]> {
    let sum = u64::try_from(weights.iter().sum::<u128>()).ok()?;
    let mut parts = [0; N];
    if sum == 0 {
        return Some(parts);
    }
    let mut share = None;
    for (part, weight) in parts.iter_mut().zip(weights) {
        // weights are not larger than their sum
        let weight = low(weight);
        if weight == sum {
            *part = total;
        } else if weight > 0 {
            *part = share.get_or_insert_with(|| Share::new(total, sum)).next(weight);
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Money;
    use domain::apportion::apportion;
    use domain::number::MAX_UNITS;
    use proptest::prelude::*;

    fn any_total() -> impl Strategy<Value = u128> {
        prop_oneof![
            0u128..1_000,
            any::<u64>().prop_map(u128::from),
            any::<u128>().prop_map(|units| units % (MAX_UNITS + 1)),
        ]
    }

    fn any_weights() -> impl Strategy<Value = Vec<u64>> {
        prop_oneof![
            prop::collection::vec(0u64..10, 1..12),
            prop::collection::vec(0u64..1 << 28, 1..12),
            prop::collection::vec(0u64..u64::MAX / 16, 1..12),
        ]
        .prop_filter("some weight", |weights| weights.iter().any(|weight| *weight > 0))
    }

    fn reference(total: u128, weights: &[u64]) -> Vec<u128> {
        let total = Money::from_units(i128::try_from(total).expect("fits")).expect("fits");
        let weights: Vec<i128> = weights.iter().map(|weight| i128::from(*weight)).collect();
        let parts = apportion(total, &weights).expect("valid");
        parts.iter().map(|part| part.units().unsigned_abs()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn a_share_is_cumulative_apportionment(total in any_total(), weights in any_weights()) {
            let mut share = Share::new(total, weights.iter().sum());
            let parts: Vec<u128> = weights.iter().map(|weight| share.next(*weight)).collect();
            prop_assert_eq!(parts, reference(total, &weights));
        }

        #[test]
        fn portions_are_cumulative_apportionment(
            total in any_total(), weights in prop::array::uniform4(prop_oneof![Just(0u64), 0u64..1 << 40, 0u64..1 << 61]),
        ) {
            let parts = portions(total, weights.map(u128::from)).expect("small weights");
            if weights == [0; 4] {
                prop_assert_eq!(parts, [0; 4]);
            } else {
                prop_assert_eq!(parts.to_vec(), reference(total, &weights));
            }
        }

        #[test]
        fn a_divisor_divides(high in any::<u64>(), rest in any::<u64>(), value in 1u64..) {
            let dividend = u128::from(high % value) << 64 | u128::from(rest);
            let (quotient, left) = Divisor::new(value).divide(dividend);
            prop_assert_eq!(u128::from(quotient), dividend / u128::from(value));
            prop_assert_eq!(u128::from(left), dividend % u128::from(value));
        }
    }
}
