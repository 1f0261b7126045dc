//! Exchange rates (A40): a charge is converted once, before it is split, at a
//! declared type of rate; both amounts are kept, and what has no rate is never
//! guessed.
//!
//! Rates are as published, `1 base = rate quote` on a day. There are none for
//! week-ends: the last one of up to [`LOOK_BACK_DAYS`] days before stands in.
//! Two currencies without a rate of their own go through a currency that has
//! one for both, as the euro does in the rates of the European Central Bank.

use crate::instant::Day;
use crate::money::{Currency, MONEY_SCALE, Money};
use crate::number::{Excess, parse_units};
use crate::period::BillingPeriod;
use ethnum::I256;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// Days before that a rate stands in for.
pub const LOOK_BACK_DAYS: i32 = 7;

/// Which rate a charge is converted at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateType {
    /// The mean of the rates published in its billing period.
    MonthAverage,
    /// That of the day its charge period starts.
    ChargeDate,
}

impl RateType {
    /// `month-average` or `charge-date`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RateType::MonthAverage => "month-average",
            RateType::ChargeDate => "charge-date",
        }
    }
}

impl fmt::Display for RateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A published rate: 1 base = rate quote on a day, in units of 1e-24.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// One of these ...
    pub base: Currency,
    /// ... is so much of these.
    pub quote: Currency,
    /// On this day.
    pub day: Day,
    /// Units of 1e-24, above zero.
    pub rate: i128,
}

/// The rate of a text; `None` when it is no decimal above zero.
#[must_use]
pub fn parse_rate(text: &str) -> Option<i128> {
    parse_units(text.as_bytes(), MONEY_SCALE, Excess::Refuse)
        .ok()
        .filter(|rate| *rate > 0)
}

/// Why a charge cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum FxError {
    /// No rate, nor one of the days before.
    #[error("there is no rate from {from} to {to} for {when}")]
    NoRate {
        /// Currency of the charge.
        from: Currency,
        /// Currency asked for.
        to: Currency,
        /// Day or month.
        when: String,
    },
    /// The converted amount does not fit 38 digits.
    #[error("an amount in {from} is too large in {to}")]
    Overflow {
        /// Currency of the charge.
        from: Currency,
        /// Currency asked for.
        to: Currency,
    },
}

/// What an amount is multiplied with: numerator / denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    numerator: i128,
    denominator: i128,
}

const ONE: i128 = 10i128.pow(MONEY_SCALE);

impl Ratio {
    /// 1: the currency is the one asked for.
    pub const SAME: Ratio = Ratio {
        numerator: ONE,
        denominator: ONE,
    };

    /// An amount at this rate, rounded half away from zero at scale 24; `None`
    /// when it does not fit.
    #[must_use]
    pub fn apply(&self, money: Money) -> Option<Money> {
        if self.numerator == self.denominator {
            return Some(money);
        }
        let product = I256::from(money.units()).checked_mul(I256::from(self.numerator))?;
        let denominator = I256::from(self.denominator);
        let half = denominator / 2;
        let rounded = if product < 0 { product - half } else { product + half } / denominator;
        Money::from_units(i128::try_from(rounded).ok()?)
    }

    /// The rate itself: what one unit of the currency is, rounded like an amount.
    #[must_use]
    pub fn rate(&self) -> Option<Money> {
        self.apply(Money::from_units(ONE)?)
    }
}

/// Published rates, by pair and day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    pairs: BTreeMap<(Currency, Currency), BTreeMap<Day, i128>>,
}

impl Rates {
    /// Takes published rates; of two for a pair and day the later one counts.
    #[must_use]
    pub fn new(published: impl IntoIterator<Item = Published>) -> Rates {
        let mut rates = Rates::default();
        for of in published {
            rates
                .pairs
                .entry((of.base, of.quote))
                .or_default()
                .insert(of.day, of.rate);
        }
        rates
    }

    /// Base, quote, first and last day, and how many days have a rate.
    pub fn pairs(&self) -> impl Iterator<Item = (&Currency, &Currency, Day, Day, usize)> {
        self.pairs.iter().filter_map(|((base, quote), days)| {
            let (first, last) = (days.keys().next()?, days.keys().next_back()?);
            Some((base, quote, *first, *last, days.len()))
        })
    }

    /// The ratio from one currency to another.
    ///
    /// # Errors
    /// When there is no rate for the time, of the pair or through a third currency.
    pub fn ratio(
        &self,
        (from, to): (&Currency, &Currency),
        rate_type: RateType,
        period: BillingPeriod,
        day: Day,
    ) -> Result<Ratio, FxError> {
        if from == to {
            return Ok(Ratio::SAME);
        }
        let at = |base: &Currency, quote: &Currency| -> Option<i128> {
            let days = self.pairs.get(&(base.clone(), quote.clone()))?;
            match rate_type {
                RateType::MonthAverage => mean(days, period),
                RateType::ChargeDate => {
                    let (_, rate) = days.range(Day(day.0 - LOOK_BACK_DAYS)..=day).next_back()?;
                    Some(*rate)
                }
            }
        };
        let direct = at(from, to).map(|rate| (rate, ONE));
        let inverse = || at(to, from).map(|rate| (ONE, rate));
        // 1 hub = a from = b to, so 1 from = b/a to
        let through = || {
            let hubs: BTreeSet<&Currency> = self.pairs.keys().map(|(base, _)| base).collect();
            hubs.into_iter().find_map(|hub| Some((at(hub, to)?, at(hub, from)?)))
        };
        let found = direct.or_else(inverse).or_else(through);
        let when = match rate_type {
            RateType::MonthAverage => period.to_string(),
            RateType::ChargeDate => format!("{day} or the {LOOK_BACK_DAYS} days before"),
        };
        let (numerator, denominator) = found.ok_or_else(|| FxError::NoRate {
            from: from.clone(),
            to: to.clone(),
            when,
        })?;
        Ok(Ratio { numerator, denominator })
    }
}

/// The mean of the rates published in a month.
fn mean(days: &BTreeMap<Day, i128>, period: BillingPeriod) -> Option<i128> {
    let first = period.first_day();
    let of_month = days.range(first..Day(first.0 + period.days()));
    let (sum, count) = of_month.fold((I256::from(0), 0i128), |(sum, count), (_, rate)| {
        (sum + I256::from(*rate), count + 1)
    });
    if count == 0 {
        return None;
    }
    i128::try_from((sum + I256::from(count / 2)) / I256::from(count)).ok()
}

/// How a report converts: to which currency, at which rates.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// Currency asked for.
    pub to: Currency,
    /// Which rate.
    pub rate_type: RateType,
    /// The rates.
    pub rates: Arc<Rates>,
}

impl Conversion {
    /// The rate of a charge in `from`.
    ///
    /// # Errors
    /// When there is none.
    pub fn ratio(&self, from: &Currency, period: BillingPeriod, day: Day) -> Result<Ratio, FxError> {
        self.rates.ratio((from, &self.to), self.rate_type, period, day)
    }

    /// An amount of it at that rate.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn apply(&self, ratio: Ratio, money: Money, from: &Currency) -> Result<Money, FxError> {
        ratio.apply(money).ok_or_else(|| FxError::Overflow {
            from: from.clone(),
            to: self.to.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(text: &str) -> Currency {
        Currency::parse(text).expect(text)
    }

    fn day(text: &str) -> Day {
        crate::instant::parse(text.as_bytes()).expect(text).instant.day()
    }

    fn rates() -> Rates {
        let published = [
            ("2026-10-01", "USD", "1.10"),
            ("2026-10-02", "USD", "1.20"),
            ("2026-10-30", "USD", "1.15"),
            ("2026-10-30", "PLN", "4.60"),
            ("2026-11-20", "JPY", "160"),
        ];
        Rates::new(published.map(|(at, quote, rate)| Published {
            base: currency("EUR"),
            quote: currency(quote),
            day: day(at),
            rate: parse_rate(rate).expect(rate),
        }))
    }

    #[test]
    fn amounts_at_a_rate() {
        use RateType::{ChargeDate, MonthAverage};
        for (money, from, to, rate_type, at, expect) in [
            ("11", "USD", "EUR", ChargeDate, "2026-10-01", Some("10")),
            ("10", "EUR", "USD", ChargeDate, "2026-10-01", Some("11")),
            ("1", "EUR", "EUR", ChargeDate, "2030-01-01", Some("1")),
            // a week-end, and the mean of three published days
            ("12", "USD", "EUR", ChargeDate, "2026-10-04", Some("10")),
            ("11.5", "USD", "EUR", MonthAverage, "2026-10-15", Some("10")),
            ("-11.5", "USD", "EUR", MonthAverage, "2026-10-15", Some("-10")),
            // through the euro
            ("23", "USD", "PLN", ChargeDate, "2026-10-31", Some("92")),
            // a third, at scale 24
            (
                "1",
                "USD",
                "EUR",
                ChargeDate,
                "2026-10-02",
                Some("0.833333333333333333333333"),
            ),
            // too long ago; another month; nobody knows the franc
            ("1", "USD", "EUR", ChargeDate, "2026-10-20", None),
            ("1", "USD", "EUR", MonthAverage, "2026-11-15", None),
            ("1", "CHF", "EUR", ChargeDate, "2026-10-01", None),
        ] {
            let conversion = Conversion {
                to: currency(to),
                rate_type,
                rates: Arc::new(rates()),
            };
            let at = day(at);
            let from = currency(from);
            let ratio = conversion.ratio(&from, BillingPeriod::of(at.start()), at);
            let found = ratio.and_then(|ratio| conversion.apply(ratio, Money::parse(money).expect(money), &from));
            let found = found.map(|money| money.to_string());
            assert_eq!(
                found.as_deref().ok(),
                expect,
                "{money} {from} to {to} on {at}: {found:?}"
            );
        }
    }

    #[test]
    fn too_large_is_an_error() {
        let conversion = Conversion {
            to: currency("JPY"),
            rate_type: RateType::ChargeDate,
            rates: Arc::new(rates()),
        };
        let at = day("2026-11-20");
        let large = Money::parse("90000000000000").expect("fits");
        let from = currency("EUR");
        let ratio = conversion
            .ratio(&from, BillingPeriod::of(at.start()), at)
            .expect("a rate");
        let found = conversion.apply(ratio, large, &from);
        assert!(matches!(found, Err(FxError::Overflow { .. })), "{found:?}");
    }

    #[test]
    fn rates_are_above_zero() {
        for (text, good) in [
            ("1.0512", true),
            ("0", false),
            ("-1", false),
            ("N/A", false),
            ("", false),
        ] {
            assert_eq!(parse_rate(text).is_some(), good, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_charge_and_its_refund_cancel(units in -1_000_000_000_000_000_000i128..1_000_000_000_000_000_000) {
            let conversion = Conversion { to: currency("EUR"), rate_type: RateType::MonthAverage, rates: Arc::new(rates()) };
            let at = day("2026-10-10");
            let convert = |units: i128| {
                let money = Money::from_units(units * 1_000_003).expect("small");
                let from = currency("USD");
                let ratio = conversion.ratio(&from, BillingPeriod::of(at.start()), at).expect("a rate");
                conversion.apply(ratio, money, &from).expect("fits").units()
            };
            prop_assert_eq!(convert(units) + convert(-units), 0);
        }
    }
}
