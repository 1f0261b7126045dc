//! Kubernetes quantities (`100m`, `1.5Gi`, `1e3`, `128974848000m`), exactly.
//!
//! A quantity is a decimal number with a decimal (`n u m k M G T P E`), binary
//! (`Ki` to `Ei`) or exponent (`e3`) suffix. It is kept as an integer of
//! nano-units: Kubernetes itself keeps no finer ones and rounds them up.

use std::fmt;
use thiserror::Error;

/// Nano-units in a unit.
const NANO: i128 = 1_000_000_000;
/// Bytes in a MiB.
const MIB: i128 = 1 << 20;
/// Kubernetes caps quantities at 2^63 - 1 units.
const MAX_UNITS: i128 = i64::MAX as i128;

/// A parsed quantity, in nano-units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

/// Text that is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// It does not follow the grammar.
    #[error("`{0}` is not a Kubernetes quantity such as 100m, 1.5Gi or 1e3")]
    Malformed(String),
    /// Nothing can hold less than nothing.
    #[error("`{0}` is negative")]
    Negative(String),
    /// More than 2^63 - 1 units.
    #[error("`{0}` is larger than any machine")]
    TooLarge(String),
}

impl Quantity {
    /// Parses a quantity. What is finer than a nano-unit is rounded up.
    ///
    /// # Errors
    /// When the text is malformed, negative or above 2^63 - 1 units.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        let malformed = || QuantityError::Malformed(text.to_owned());
        let too_large = || QuantityError::TooLarge(text.to_owned());
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let number_end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(number_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(malformed());
        }
        let (decimal_exponent, binary_shift) = suffix_of(suffix).ok_or_else(malformed)?;
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{}{fraction}", whole.trim_start_matches('0'));
        if digits.is_empty() || digits.bytes().all(|digit| digit == b'0') {
            return Ok(Quantity(0));
        }
        if negative {
            return Err(QuantityError::Negative(text.to_owned()));
        }
        let mantissa: i128 = digits.parse().map_err(|_| too_large())?;
        let scaled = mantissa.checked_mul(1 << binary_shift).ok_or_else(too_large)?;
        let places = i32::try_from(fraction.len()).map_err(|_| malformed())?;
        let exponent = 9 + decimal_exponent - places;
        let power = |exponent: u32| 10_i128.checked_pow(exponent);
        let nanos = if exponent >= 0 {
            power(exponent.unsigned_abs())
                .and_then(|power| scaled.checked_mul(power))
                .ok_or_else(too_large)?
        } else {
            power(exponent.unsigned_abs()).map_or(1, |power| scaled / power + i128::from(scaled % power != 0))
        };
        if nanos > MAX_UNITS * NANO {
            return Err(too_large());
        }
        Ok(Quantity(nanos))
    }

    /// Thousandths of a unit, rounded up: how Kubernetes reads a CPU request.
    #[must_use]
    pub fn millis_up(self) -> u64 {
        clamp((self.0 + NANO / 1_000 - 1).div_euclid(NANO / 1_000))
    }

    /// Thousandths of a unit, to the nearest, half up: for measured usage.
    #[must_use]
    pub fn millis_nearest(self) -> u64 {
        clamp((self.0 + NANO / 2_000).div_euclid(NANO / 1_000))
    }

    /// Of bytes: MiB to the nearest, half up, but never 0 when there is something.
    #[must_use]
    pub fn mib_held(self) -> u64 {
        self.mib_nearest().max(u64::from(self.0 > 0))
    }

    /// Of bytes: MiB to the nearest, half up.
    #[must_use]
    pub fn mib_nearest(self) -> u64 {
        let unit = NANO * MIB;
        clamp((self.0 + unit / 2).div_euclid(unit))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}n", self.0)
    }
}

fn clamp(value: i128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Decimal exponent and binary shift of a suffix; `None` when it is none.
fn suffix_of(suffix: &str) -> Option<(i32, u32)> {
    Some(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            (exponent.parse().ok()?, 0)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cpu_in_millicores() {
        for (text, up, nearest) in [
            ("0", 0, 0),
            ("100m", 100, 100),
            ("1", 1_000, 1_000),
            ("0.1", 100, 100),
            (".5", 500, 500),
            ("2.", 2_000, 2_000),
            ("1e3", 1_000_000, 1_000_000),
            ("1E3", 1_000_000, 1_000_000),
            ("+1e-3", 1, 1),
            ("1e-12", 1, 0),
            ("12345678n", 13, 12),
            ("500001n", 1, 1),
            ("499999n", 1, 0),
            ("1500u", 2, 2),
            ("1k", 1_000_000, 1_000_000),
            ("0.0000m", 0, 0),
            ("-0", 0, 0),
        ] {
            let quantity = Quantity::parse(text).expect(text);
            assert_eq!(
                (quantity.millis_up(), quantity.millis_nearest()),
                (up, nearest),
                "{text}"
            );
        }
    }

    #[test]
    fn bytes_in_mib() {
        for (text, held, nearest) in [
            ("1.5Gi", 1_536, 1_536),
            ("128974848", 123, 123),
            ("129e6", 123, 123),
            ("129M", 123, 123),
            ("128974848000m", 123, 123),
            ("123Mi", 123, 123),
            ("1Ki", 1, 0),
            ("524288", 1, 1),
            ("524287", 1, 0),
            ("15998172Ki", 15_623, 15_623),
            ("1Ei", 1 << 40, 1 << 40),
            ("0", 0, 0),
        ] {
            let quantity = Quantity::parse(text).expect(text);
            assert_eq!((quantity.mib_held(), quantity.mib_nearest()), (held, nearest), "{text}");
        }
    }

    #[test]
    fn refused() {
        for text in [
            "", "m", ".", "1.2.3", "1 Gi", "1gi", "1e", "1e1.5", "0x10", "1Eii", "--1", "1e9999", "١",
        ] {
            assert_eq!(
                Quantity::parse(text),
                Err(QuantityError::Malformed(text.to_owned())),
                "{text}"
            );
        }
        assert_eq!(
            Quantity::parse("-100m"),
            Err(QuantityError::Negative("-100m".to_owned()))
        );
        for text in [
            "8Ei",
            "9223372036854775808",
            "1e19",
            "99999999999999999999999999999999999999999",
        ] {
            assert_eq!(
                Quantity::parse(text),
                Err(QuantityError::TooLarge(text.to_owned())),
                "{text}"
            );
        }
        assert!(Quantity::parse("9223372036854775807").is_ok());
    }

    proptest! {
        #[test]
        fn every_way_to_write_it_is_the_same(millis in 0_u64..1 << 50) {
            let plain = Quantity::parse(&format!("{millis}m")).expect("millis");
            prop_assert_eq!(plain.millis_up(), millis);
            for text in [
                format!("{millis}000u"),
                format!("{millis}e-3"),
                format!("{}.{:03}", millis / 1_000, millis % 1_000),
                format!("{}.{:03}000", millis / 1_000, millis % 1_000),
            ] {
                prop_assert_eq!(Quantity::parse(&text).expect("same"), plain, "{}", text);
            }
        }

        #[test]
        fn never_panics(text in "[-+0-9.eEinumkKMGTP]{0,40}") {
            let _ = Quantity::parse(&text);
        }
    }
}
