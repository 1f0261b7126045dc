//! Money: a checked integer at scale 24, and the currencies it is counted in.

use crate::number::{self, Excess, MAX_UNITS, NumberError, POW10};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use thiserror::Error;

/// Fractional digits of every stored amount.
pub const MONEY_SCALE: u32 = 24;

/// An amount in some currency, exact to 24 fractional digits and 14 integer
/// digits (`Decimal(38, 24)`). The currency travels beside it; amounts of two
/// currencies are never added.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i128);

/// An amount left the 38 digits that can be kept exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an amount exceeds the 14 integer digits that can be kept exactly")]
pub struct MoneyOverflow;

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// From a count of `1e-24`; `None` beyond 38 digits.
    #[must_use]
    pub fn from_units(units: i128) -> Option<Money> {
        (units.unsigned_abs() <= MAX_UNITS).then_some(Money(units))
    }

    /// The count of `1e-24`.
    #[must_use]
    pub fn units(self) -> i128 {
        self.0
    }

    /// Parses strict decimal text as FOCUS NumericFormat allows it.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Money, NumberError> {
        number::parse_units(text.as_bytes(), MONEY_SCALE, Excess::Refuse).map(Money)
    }

    /// Sum of two amounts of one currency.
    ///
    /// # Errors
    /// When the sum exceeds 38 digits: a sum that overflows is an error, never a wrap.
    pub fn checked_add(self, other: Money) -> Result<Money, MoneyOverflow> {
        self.0
            .checked_add(other.0)
            .and_then(Money::from_units)
            .ok_or(MoneyOverflow)
    }

    /// Difference of two amounts of one currency.
    ///
    /// # Errors
    /// As [`Money::checked_add`].
    pub fn checked_sub(self, other: Money) -> Result<Money, MoneyOverflow> {
        self.checked_add(-other)
    }

    /// Sum of many amounts of one currency.
    ///
    /// # Errors
    /// When the sum exceeds 38 digits; what is in between may.
    pub fn sum(amounts: impl IntoIterator<Item = Money>) -> Result<Money, MoneyOverflow> {
        let mut sum = MoneySum::default();
        amounts.into_iter().for_each(|amount| sum.add(amount));
        sum.total()
    }

    /// Magnitude.
    #[must_use]
    pub fn abs(self) -> Money {
        Money(self.0.abs())
    }

    /// Whether this is exactly zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Rounded half away from zero to `digits` fractional digits (A13).
    #[must_use]
    pub fn round_to(self, digits: u32) -> Money {
        if digits >= MONEY_SCALE {
            return self;
        }
        let step = POW10[(MONEY_SCALE - digits) as usize];
        let magnitude = self.0.unsigned_abs();
        let rounded = (magnitude + step / 2) / step * step;
        // 10^38 + step stays far below i128::MAX (1.7 * 10^38)
        let signed = i128::try_from(rounded).unwrap_or(i128::MAX);
        Money(if self.0 < 0 { -signed } else { signed })
    }

    /// Rounded once to the currency's minor unit.
    #[must_use]
    pub fn round_minor(self, currency: &Currency) -> Money {
        self.round_to(currency.minor_digits())
    }

    /// Text with exactly `digits` fractional digits, rounded half away from zero.
    #[must_use]
    pub fn to_fixed(self, digits: u32) -> String {
        let text = self.round_to(digits).to_string();
        if digits == 0 {
            return text;
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        format!("{whole}.{fraction:0<width$}", width = digits as usize)
    }
}

/// A running sum of amounts of one currency that may exceed 38 digits on the
/// way: whether it fits depends on the set of amounts, not on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MoneySum {
    /// Multiples of 2^64.
    high: i128,
    /// The rest; grows by less than 2^64 with each amount.
    low: i128,
}

impl MoneySum {
    /// Adds an amount. Exact for 2^62 amounts, more than any file has.
    pub fn add(&mut self, amount: Money) {
        self.high += amount.0 >> 64;
        self.low += amount.0 & i128::from(u64::MAX);
    }

    /// The sum.
    ///
    /// # Errors
    /// When it exceeds 38 digits.
    pub fn total(self) -> Result<Money, MoneyOverflow> {
        let high = self.high + (self.low >> 64);
        high.checked_mul(1 << 64)
            .and_then(|high| high.checked_add(self.low & i128::from(u64::MAX)))
            .and_then(Money::from_units)
            .ok_or(MoneyOverflow)
    }
}

impl std::ops::Neg for Money {
    type Output = Money;
    fn neg(self) -> Money {
        Money(-self.0)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&number::format_units(self.0, MONEY_SCALE))
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({self})")
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let text = String::deserialize(deserializer)?;
        Money::parse(&text).map_err(|e| serde::de::Error::custom(format!("{text:?} {e}")))
    }
}

/// An ISO 4217 code, or another upper-case code a provider bills in (virtual
/// currencies). `XXX`, ISO's "no currency", stands for a bill that names none:
/// unknown, and so never added to a known one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency(String);

impl Currency {
    /// ISO 4217 `XXX`: the bill names no currency.
    pub const UNKNOWN: &'static str = "XXX";

    /// A code of 3 to 16 letters or digits; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Currency> {
        let text = text.trim();
        let fits = (3..=16).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        fits.then(|| Currency(text.to_ascii_uppercase()))
    }

    /// The unknown currency.
    #[must_use]
    pub fn unknown() -> Currency {
        Currency(Self::UNKNOWN.to_owned())
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Digits of the minor unit, ISO 4217 list one (2 unless listed).
    #[must_use]
    pub fn minor_digits(&self) -> u32 {
        match self.0.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
            | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text).expect(text)
    }

    #[test]
    fn rounds_half_away_from_zero_to_the_minor_unit() {
        for (amount, code, expect) in [
            ("0.005", "USD", "0.01"),
            ("-0.005", "USD", "-0.01"),
            ("0.0049", "USD", "0"),
            ("1.5", "JPY", "2"),
            ("0.0005", "KWD", "0.001"),
            ("0.00005", "CLF", "0.0001"),
        ] {
            let currency = Currency::parse(code).expect(code);
            assert_eq!(
                money(amount).round_minor(&currency).to_string(),
                expect,
                "{amount} {code}"
            );
        }
    }

    #[test]
    fn a_sum_may_leave_38_digits_on_the_way() {
        let most = money("99999999999999.999999999999999999999999");
        for (amounts, expect) in [
            (
                vec![most, most, -most, money("-1")],
                Some("99999999999998.999999999999999999999999"),
            ),
            (
                vec![-most, -most, most],
                Some("-99999999999999.999999999999999999999999"),
            ),
            (vec![most, most, -most, -most], Some("0")),
            (vec![most, money("0.000000000000000000000001")], None),
            (vec![most; 1_000], None),
            (vec![-most, -most], None),
            (vec![], Some("0")),
        ] {
            let sum = Money::sum(amounts.clone()).ok().map(|sum| sum.to_string());
            assert_eq!(sum.as_deref(), expect, "{amounts:?}");
        }
    }

    proptest::proptest! {
        /// While nothing overflows, the sum is the one made step by step.
        #[test]
        fn sums_are_sums(units in proptest::collection::vec(-(10i128.pow(36))..10i128.pow(36), 0..20)) {
            let amounts: Vec<Money> = units.iter().filter_map(|units| Money::from_units(*units)).collect();
            let stepwise = amounts.iter().try_fold(Money::ZERO, |sum, amount| sum.checked_add(*amount));
            proptest::prop_assert_eq!(Money::sum(amounts), stepwise);
        }
    }

    #[test]
    fn fixed_text_keeps_its_digits() {
        for (amount, digits, expect) in [
            ("1", 2, "1.00"),
            ("1.005", 2, "1.01"),
            ("-0.1", 2, "-0.10"),
            ("12", 0, "12"),
        ] {
            assert_eq!(money(amount).to_fixed(digits), expect);
        }
    }

    #[test]
    fn overflow_is_an_error() {
        let most = money("99999999999999.999999999999999999999999");
        assert_eq!(
            most.checked_add(money("0.000000000000000000000001")),
            Err(MoneyOverflow)
        );
        assert_eq!(Money::sum([most, -most, most]), Ok(most));
    }
}
