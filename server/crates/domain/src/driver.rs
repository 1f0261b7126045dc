//! Drivers (allocation keys): business or telemetry series that shared money
//! follows: orders, shipments, database time, requests (A34).
//!
//! A value says what one receiver had of one driver on one UTC day. A day that
//! is missing is missing: it is never zero, and a receiver without a value has
//! none. Values are exact decimals of up to [`VALUE_SCALE`] places, never
//! negative, never floats.

use crate::finding::Finding;
use crate::instant::Day;
use crate::number::{Excess, NumberError, format_units, parse_units};
use crate::period::BillingPeriod;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Fractional digits of a driver's values, those of quantities.
pub const VALUE_SCALE: u32 = crate::dialect::QUANTITY_SCALE;
/// Longest name of a driver, a unit or a dimension, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// Longest value of a dimension, in bytes.
const MAX_VALUE_BYTES: usize = 512;

/// Why a name, receiver or amount is not taken. The message names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// A driver's name.
    #[error("{0:?} is no name of a driver; write lower-case letters, digits, `_` and `-`, such as orders")]
    Name(String),
    /// A dimension's name.
    #[error("{0:?} is no name of a dimension; write letters, digits and `_`, such as tenant")]
    Dimension(String),
    /// A receiver's value.
    #[error("is longer than {MAX_VALUE_BYTES} bytes or has control characters")]
    Receiver,
    /// A unit.
    #[error("{0:?} is no unit; write a short word, such as orders")]
    Unit(String),
    /// No number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// Below zero.
    #[error("is negative; nobody has less than nothing of a driver, so correct the export")]
    Negative,
}

/// Checks the name of a driver: lower-case letters, digits, `_` and `-`.
///
/// # Errors
/// [`DriverError::Name`].
pub fn check_name(name: &str) -> Result<(), DriverError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let good = !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.bytes().all(plain);
    good.then_some(()).ok_or_else(|| DriverError::Name(name.to_owned()))
}

/// Checks a unit: a short text without control characters.
///
/// # Errors
/// [`DriverError::Unit`].
pub fn check_unit(unit: &str) -> Result<(), DriverError> {
    let good = !unit.is_empty() && unit.len() <= MAX_NAME_BYTES && !unit.chars().any(char::is_control);
    good.then_some(()).ok_or_else(|| DriverError::Unit(unit.to_owned()))
}

/// Checks the name of a dimension: letters, digits and `_`, no digit first.
///
/// # Errors
/// [`DriverError::Dimension`].
pub fn check_dimension(name: &str) -> Result<(), DriverError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let good = plain && name.len() <= MAX_NAME_BYTES && name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    good.then_some(())
        .ok_or_else(|| DriverError::Dimension(name.to_owned()))
}

/// Who has a value: owner dimensions, or labels such as a database or a queue,
/// with their values. Nobody, when the series names no one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receiver(Arc<BTreeMap<String, String>>);

impl Receiver {
    /// From dimensions and values; blank values name nobody and are dropped.
    ///
    /// # Errors
    /// When a name or value cannot be kept.
    pub fn new<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<Receiver, DriverError> {
        let mut kept = BTreeMap::new();
        for (dimension, value) in pairs {
            check_dimension(dimension)?;
            let value = value.trim();
            if value.len() > MAX_VALUE_BYTES || value.chars().any(char::is_control) {
                return Err(DriverError::Receiver);
            }
            if !value.is_empty() {
                kept.insert(dimension.to_owned(), value.to_owned());
            }
        }
        Ok(Receiver(Arc::new(kept)))
    }

    /// The value of a dimension.
    #[must_use]
    pub fn get(&self, dimension: &str) -> Option<&str> {
        self.0.get(dimension).map(String::as_str)
    }

    /// Dimensions and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether it names no one.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_nobody() {
            return f.write_str("nobody");
        }
        for (at, (dimension, value)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{dimension}={value}")?;
        }
        Ok(())
    }
}

/// An amount of a driver: zero or more, in units of `10^-12`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

impl Amount {
    /// Nothing, which is known to be nothing.
    pub const ZERO: Amount = Amount(0);

    /// From decimal text, exactly.
    ///
    /// # Errors
    /// When it is no number, has more than 12 places, or is negative.
    pub fn parse(text: &str) -> Result<Amount, DriverError> {
        let units = parse_units(text.as_bytes(), VALUE_SCALE, Excess::Refuse)?;
        Amount::from_units(units).ok_or(DriverError::Negative)
    }

    /// From a count of `10^-12`; `None` below zero.
    #[must_use]
    pub fn from_units(units: i128) -> Option<Amount> {
        (units >= 0).then_some(Amount(units))
    }

    /// From a whole number of `10^-places`, at most 12 places.
    #[must_use]
    pub fn from_scaled(value: u64, places: u32) -> Option<Amount> {
        let factor = 10i128.checked_pow(VALUE_SCALE.checked_sub(places)?)?;
        i128::from(value).checked_mul(factor).map(Amount)
    }

    /// The count of `10^-12`.
    #[must_use]
    pub fn units(self) -> i128 {
        self.0
    }

    /// The sum; `None` when it cannot be kept.
    #[must_use]
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).map(Amount)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_units(self.0, VALUE_SCALE))
    }
}

/// What one receiver had of a driver on one day. Within a driver, day and
/// receiver are the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value {
    /// The UTC day.
    pub day: Day,
    /// Who.
    pub receiver: Receiver,
    /// Unit of the amount.
    pub unit: String,
    /// How much.
    pub amount: Amount,
}

/// Values of a delivery take the place of what its source had on their days;
/// its other days stay. Both in order of day and receiver, and so is the result.
#[must_use]
pub fn replaced(known: Vec<Value>, new: Vec<Value>) -> Vec<Value> {
    let days: BTreeSet<Day> = new.iter().map(|value| value.day).collect();
    let kept = known.into_iter().filter(|value| !days.contains(&value.day));
    let mut all: Vec<Value> = kept.chain(new).collect();
    all.sort();
    all
}

/// The first value whose day and receiver both sources have, and how many there are.
#[must_use]
pub fn overlap<'v>(new: &'v [Value], others: &[Value]) -> Option<(&'v Value, u64)> {
    let held: BTreeSet<(Day, &Receiver)> = others.iter().map(|value| (value.day, &value.receiver)).collect();
    let mut both = new.iter().filter(|value| held.contains(&(value.day, &value.receiver)));
    let first = both.next()?;
    Some((first, 1 + both.count() as u64))
}

/// Days on which values have one unit, of those that are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitDays {
    /// The unit.
    pub unit: String,
    /// First day with it.
    pub first: Day,
    /// Last day with it.
    pub last: Day,
}

/// What a driver's values of a source and month amount to, without the values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Values.
    pub values: u64,
    /// Values that are not zero.
    pub nonzero: u64,
    /// Different receivers.
    pub receivers: u64,
    /// Days with values, in order.
    pub days: Vec<Day>,
    /// Units, in order of their first day.
    pub units: Vec<UnitDays>,
}

impl Summary {
    /// Of values in order of day.
    #[must_use]
    pub fn of(values: &[Value]) -> Summary {
        let mut units: BTreeMap<&str, UnitDays> = BTreeMap::new();
        for value in values {
            let days = units.entry(&value.unit).or_insert_with(|| UnitDays {
                unit: value.unit.clone(),
                first: value.day,
                last: value.day,
            });
            days.last = days.last.max(value.day);
        }
        let receivers: BTreeSet<&Receiver> = values.iter().map(|value| &value.receiver).collect();
        let days: BTreeSet<Day> = values.iter().map(|value| value.day).collect();
        let mut units: Vec<UnitDays> = units.into_values().collect();
        units.sort_by(|a, b| (a.first, &a.unit).cmp(&(b.first, &b.unit)));
        Summary {
            values: values.len() as u64,
            nonzero: values.iter().filter(|value| value.amount != Amount::ZERO).count() as u64,
            receivers: receivers.len() as u64,
            days: days.into_iter().collect(),
            units,
        }
    }
}

/// Days without any value between the first and the last of these, in order.
#[must_use]
pub fn missing_days(days: &BTreeSet<Day>) -> Vec<Day> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Vec::new();
    };
    let all = (first.0..last.0).map(Day);
    all.filter(|day| !days.contains(day)).collect()
}

/// What is remarkable about all that a source has of a driver: missing days,
/// units that change, nothing but zeros.
#[must_use]
pub fn remarks<'s>(driver: &str, months: impl IntoIterator<Item = &'s Summary>) -> Vec<Finding> {
    let (mut days, mut values, mut nonzero) = (BTreeSet::new(), 0, 0);
    let mut units: Vec<&UnitDays> = Vec::new();
    for month in months {
        days.extend(month.days.iter().copied());
        values += month.values;
        nonzero += month.nonzero;
        units.extend(&month.units);
    }
    units.sort_by(|a, b| (a.first, &a.unit).cmp(&(b.first, &b.unit)));
    units.dedup_by(|next, before| next.unit == before.unit);
    let mut findings = Vec::new();
    let missing = missing_days(&days);
    if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
        let what = format!("driver {driver} has days without any value, from {first} to {last}");
        let remedy = "deliver them; a missing day is unknown, never zero";
        findings.push(
            Finding::warning("driver_gap", what)
                .times(missing.len() as u64)
                .remedy(remedy),
        );
    }
    for pair in units.windows(2) {
        let what = format!(
            "driver {driver} changes its unit from {} to {} on {}",
            pair[0].unit, pair[1].unit, pair[1].first
        );
        let remedy = "deliver all of it in one unit; amounts of two units are never added up";
        findings.push(Finding::warning("driver_unit_change", what).remedy(remedy));
    }
    if values > 0 && nonzero == 0 {
        let what = format!("driver {driver} is zero everywhere");
        let remedy = "check the export; money cannot follow it";
        findings.push(Finding::warning("driver_all_zero", what).remedy(remedy));
    }
    findings
}

/// The month that keeps a day's values.
#[must_use]
pub fn month_of(day: Day) -> BillingPeriod {
    BillingPeriod::of(day.start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(day: i32, tenant: &str, unit: &str, amount: &str) -> Value {
        Value {
            day: Day(day),
            receiver: Receiver::new([("tenant", tenant)]).expect("a receiver"),
            unit: unit.to_owned(),
            amount: Amount::parse(amount).expect("an amount"),
        }
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, expect) in [
            ("12", Ok("12")),
            ("0.000000000001", Ok("0.000000000001")),
            ("99999999999999999999999999.5", Ok("99999999999999999999999999.5")),
            ("1e3", Ok("1000")),
            ("-0", Ok("0")),
            ("-1", Err(DriverError::Negative)),
            ("", Err(DriverError::Number(NumberError::Empty))),
            ("0.0000000000001", Err(DriverError::Number(NumberError::TooPrecise))),
            ("1,000", Err(DriverError::Number(NumberError::Separator))),
            ("NaN", Err(DriverError::Number(NumberError::NotANumber))),
        ] {
            let parsed = Amount::parse(text).map(|amount| amount.to_string());
            assert_eq!(parsed, expect.map(str::to_owned), "{text}");
        }
        assert_eq!(
            Amount::from_scaled(1_250, 3).map(|a| a.to_string()).as_deref(),
            Some("1.25")
        );
        assert_eq!(Amount::from_scaled(1, 13), None);
    }

    #[test]
    fn names() {
        for (name, good) in [
            ("orders", true),
            ("db_time-2", true),
            ("", false),
            ("Orders", false),
            ("a b", false),
        ] {
            assert_eq!(check_name(name).is_ok(), good, "{name}");
        }
        for (name, good) in [
            ("tenant", true),
            ("_x", true),
            ("2x", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(check_dimension(name).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn receivers_are_canonical() {
        let one = Receiver::new([("tenant", " acme "), ("service", "")]).expect("good");
        assert_eq!(one, Receiver::new([("tenant", "acme")]).expect("good"));
        assert_eq!(one.to_string(), "tenant=acme");
        assert!(Receiver::new([("tenant", " ")]).expect("good").is_nobody());
        assert_eq!(Receiver::new([("tenant", "a\u{7}")]), Err(DriverError::Receiver));
    }

    #[test]
    fn a_delivery_replaces_its_days() {
        let known = vec![
            value(1, "a", "n", "1"),
            value(1, "b", "n", "2"),
            value(2, "a", "n", "3"),
        ];
        let new = vec![value(1, "a", "n", "9")];
        assert_eq!(
            replaced(known, new),
            vec![value(1, "a", "n", "9"), value(2, "a", "n", "3")]
        );
    }

    #[test]
    fn remarkable_things() {
        for (what, values, expect) in [
            ("whole", vec![value(1, "a", "n", "1"), value(2, "a", "n", "0")], vec![]),
            (
                "a gap",
                vec![value(1, "a", "n", "1"), value(4, "a", "n", "1")],
                vec![("driver_gap", 2)],
            ),
            (
                "two units",
                vec![value(1, "a", "n", "1"), value(2, "a", "k", "1")],
                vec![("driver_unit_change", 1)],
            ),
            ("zeros", vec![value(1, "a", "n", "0")], vec![("driver_all_zero", 1)]),
            ("nothing", vec![], vec![]),
        ] {
            let summary = Summary::of(&values);
            let found = remarks("orders", [&summary]);
            let found: Vec<(&str, u64)> = found.iter().map(|f| (f.code.as_str(), f.count)).collect();
            assert_eq!(found, expect, "{what}");
        }
        // a gap between two months is seen too
        let months = [
            Summary::of(&[value(1, "a", "n", "1")]),
            Summary::of(&[value(3, "a", "n", "1")]),
        ];
        assert_eq!(remarks("orders", &months)[0].code, "driver_gap");
    }

    proptest! {
        #[test]
        fn replacing_twice_is_replacing_once(
            known in prop::collection::btree_map((0i32..5, 0u8..3), 0u32..9, 0..12),
            new in prop::collection::btree_map((0i32..5, 0u8..3), 0u32..9, 0..12),
        ) {
            let values = |map: BTreeMap<(i32, u8), u32>| -> Vec<Value> {
                map.into_iter().map(|((day, who), n)| value(day, &who.to_string(), "n", &n.to_string())).collect()
            };
            let (known, new) = (values(known), values(new));
            let once = replaced(known.clone(), new.clone());
            prop_assert_eq!(&replaced(once.clone(), new.clone()), &once);
            let days: BTreeSet<Day> = new.iter().map(|v| v.day).collect();
            let there = |v: &Value| new.contains(v) || (!days.contains(&v.day) && known.contains(v));
            prop_assert!(once.iter().all(there));
            prop_assert!(new.iter().all(|v| once.contains(v)));
        }
    }
}
