//! Exact decimal text: the one parser every money and quantity cell goes through.
//!
//! Bills carry up to 24 fractional digits, exponents (`1.81E-8`) and stray
//! blanks. This parser is exact or refuses: it never truncates, never goes
//! through a float. It works on bytes, since it runs on every cell.

use thiserror::Error;

/// Why a cell is not a number we accept. The message names the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NumberError {
    /// Nothing but blanks.
    #[error("is empty where a number is required")]
    Empty,
    /// A currency sign such as `$`.
    #[error("has a currency sign; write a plain decimal such as 10000.00")]
    CurrencySign,
    /// A thousands separator.
    #[error("has a thousands separator; write a plain decimal such as 10000.00")]
    Separator,
    /// Something else that is no decimal number.
    #[error("is not a decimal number; write digits, an optional point and an optional exponent")]
    NotANumber,
    /// Digits beyond the scale that are not zero.
    #[error("has more fractional digits than can be kept exactly")]
    TooPrecise,
    /// Too many integer digits for 38 digits at the scale.
    #[error("is too large to be kept exactly")]
    TooLarge,
}

/// 10^n for n in 0..=38.
pub const POW10: [u128; 39] = {
    let mut table = [1u128; 39];
    let mut i = 1;
    while i < 39 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// The largest magnitude of a 38-digit decimal, in units.
pub const MAX_UNITS: u128 = POW10[38] - 1;

/// What to do with digits beyond the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Refuse them: the rule for money.
    Refuse,
    /// Round half away from zero: for quantities, and for binary floats,
    /// whose decimal text is an approximation to begin with.
    Round,
}

/// Parses decimal text into an integer count of `10^-scale`.
///
/// Blanks at either end are dropped (the FOCUS samples carry `0.00 `).
///
/// # Errors
/// A [`NumberError`] that says what is wrong and what to write instead.
pub fn parse_units(text: &[u8], scale: u32, excess: Excess) -> Result<i128, NumberError> {
    let text = text.trim_ascii();
    let (negative, digits) = match text.split_first() {
        None => return Err(NumberError::Empty),
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        Some(_) => (false, text),
    };
    let mut mantissa: u128 = 0;
    let mut seen = false;
    let mut fraction_digits: i64 = 0;
    let mut in_fraction = false;
    // digits that no longer fit the mantissa: all zero, or the first of them for rounding
    let mut dropped: i64 = 0;
    let mut dropped_first: u8 = 0;
    let mut dropped_nonzero = false;
    let mut exponent: i64 = 0;
    for (at, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                let digit = byte - b'0';
                if dropped == 0 && mantissa < POW10[37] {
                    mantissa = mantissa * 10 + u128::from(digit);
                    fraction_digits += i64::from(in_fraction);
                } else {
                    if dropped == 0 {
                        dropped_first = digit;
                    }
                    dropped += 1;
                    dropped_nonzero |= digit != 0;
                    // an integer digit that was dropped still moves the point
                    fraction_digits -= i64::from(!in_fraction);
                }
            }
            b'.' if !in_fraction => in_fraction = true,
            b'e' | b'E' if seen => {
                exponent = parse_exponent(&digits[at + 1..])?;
                break;
            }
            _ => return Err(complaint(byte, digits)),
        }
    }
    if !seen {
        return Err(complaint(0, digits));
    }
    let shift = i64::from(scale) - fraction_digits + exponent;
    let units = if mantissa == 0 && !dropped_nonzero {
        0
    } else if shift >= 0 {
        if dropped_nonzero && (excess == Excess::Refuse || shift > 0) {
            return Err(if excess == Excess::Refuse {
                NumberError::TooPrecise
            } else {
                NumberError::TooLarge
            });
        }
        let factor = usize::try_from(shift)
            .ok()
            .and_then(|s| POW10.get(s))
            .ok_or(NumberError::TooLarge)?;
        let exact = mantissa.checked_mul(*factor).ok_or(NumberError::TooLarge)?;
        exact + u128::from(dropped > 0 && dropped_first >= 5)
    } else {
        scale_down(mantissa, shift.unsigned_abs(), dropped_nonzero, excess)?
    };
    if units > MAX_UNITS {
        return Err(NumberError::TooLarge);
    }
    // units <= 10^38 - 1 < 2^127
    let signed = i128::try_from(units).map_err(|_| NumberError::TooLarge)?;
    Ok(if negative { -signed } else { signed })
}

fn scale_down(mantissa: u128, by: u64, more: bool, excess: Excess) -> Result<u128, NumberError> {
    let Some(divisor) = usize::try_from(by).ok().and_then(|b| POW10.get(b)) else {
        return if excess == Excess::Round {
            Ok(0)
        } else {
            Err(NumberError::TooPrecise)
        };
    };
    let (quotient, rest) = (mantissa / divisor, mantissa % divisor);
    match excess {
        Excess::Refuse if rest != 0 || more => Err(NumberError::TooPrecise),
        Excess::Refuse => Ok(quotient),
        Excess::Round => Ok(quotient + u128::from(rest >= divisor.div_ceil(2))),
    }
}

fn parse_exponent(text: &[u8]) -> Result<i64, NumberError> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 6 {
        return Err(NumberError::NotANumber);
    }
    let mut value = 0i64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return Err(NumberError::NotANumber);
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Ok(if negative { -value } else { value })
}

/// Names the most helpful reason for a refusal.
fn complaint(byte: u8, digits: &[u8]) -> NumberError {
    let signs = ["$", "€", "£", "¥", "₹"];
    let text = String::from_utf8_lossy(digits);
    if signs.iter().any(|sign| text.contains(sign)) {
        NumberError::CurrencySign
    } else if matches!(byte, b',' | b'_' | b'\'') && digits.iter().any(u8::is_ascii_digit) {
        NumberError::Separator
    } else {
        NumberError::NotANumber
    }
}

/// Best effort for money in a refused row, so that a reconciliation can name
/// the amount at stake: drops currency signs, thousands separators and blanks,
/// reads `(5.00)` as negative. `None` when it still is no number.
#[must_use]
pub fn parse_lenient_units(text: &[u8], scale: u32) -> Option<i128> {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let (negative, inner) = match text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    // 1.234,56: which sign is the decimal point cannot be told
    if let (Some(point), Some(comma)) = (inner.find('.'), inner.rfind(','))
        && comma > point
    {
        return None;
    }
    let plain: String = inner
        .chars()
        .filter(|c| !matches!(c, '$' | '€' | '£' | '¥' | '₹' | ',' | '_' | '\'') && !c.is_whitespace())
        .collect();
    let units = parse_units(plain.as_bytes(), scale, Excess::Round).ok()?;
    Some(if negative { -units } else { units })
}

/// Canonical text of `units * 10^-scale`: no exponent, no trailing zeros, no `-0`.
#[must_use]
pub fn format_units(units: i128, scale: u32) -> String {
    let magnitude = units.unsigned_abs();
    let power = POW10[scale as usize];
    let (whole, fraction) = (magnitude / power, magnitude % power);
    let sign = if units < 0 { "-" } else { "" };
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{fraction:0width$}", width = scale as usize);
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_to_units_and_back() {
        for (text, expect) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("0.00 ", "0"),
            ("48", "48"),
            ("+1.5", "1.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1.81E-8", "0.0000000181"),
            ("5e-06", "0.000005"),
            ("1E3", "1000"),
            ("0.000000000000000000000001", "0.000000000000000000000001"),
            ("15.797780136168644627485419", "15.797780136168644627485419"),
            (
                "99999999999999.999999999999999999999999",
                "99999999999999.999999999999999999999999",
            ),
            ("0.0000000000000000000000010000", "0.000000000000000000000001"),
            ("-2.6137", "-2.6137"),
            ("00012.50", "12.5"),
        ] {
            let units = parse_units(text.as_bytes(), 24, Excess::Refuse).expect(text);
            assert_eq!(format_units(units, 24), expect, "{text}");
        }
    }

    #[test]
    fn refusals_say_why() {
        use NumberError::{CurrencySign, Empty, NotANumber, Separator, TooLarge, TooPrecise};
        for (text, expect) in [
            ("", Empty),
            ("   ", Empty),
            ("$10,000.00 ", CurrencySign),
            ("10,000.00", Separator),
            ("abc", NotANumber),
            ("1.2.3", NotANumber),
            ("-", NotANumber),
            ("1e", NotANumber),
            ("NaN", NotANumber),
            ("1e-30", TooPrecise),
            ("0.0000000000000000000000001", TooPrecise),
            ("100000000000000", TooLarge),
            ("1e40", TooLarge),
        ] {
            assert_eq!(parse_units(text.as_bytes(), 24, Excess::Refuse), Err(expect), "{text}");
        }
    }

    #[test]
    fn quantities_round_half_away_from_zero() {
        for (text, expect) in [
            ("0.0000000000005", "0.000000000001"),
            ("-0.0000000000005", "-0.000000000001"),
            ("1e-30", "0"),
            ("2.6e21", "2600000000000000000000"),
        ] {
            let units = parse_units(text.as_bytes(), 12, Excess::Round).expect(text);
            assert_eq!(format_units(units, 12), expect, "{text}");
        }
    }

    #[test]
    fn lenient_reads_what_people_paste() {
        for (text, expect) in [
            ("$10,000.00 ", Some("10000")),
            ("(5.00)", Some("-5")),
            ("1 234,5", Some("12345")),
            ("n/a", None),
            ("1.234,56", None),
        ] {
            assert_eq!(
                parse_lenient_units(text.as_bytes(), 24)
                    .map(|u| format_units(u, 24))
                    .as_deref(),
                expect,
                "{text}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn round_trip(units in -(MAX_UNITS as i128)..=(MAX_UNITS as i128)) {
            let text = format_units(units, 24);
            proptest::prop_assert_eq!(parse_units(text.as_bytes(), 24, Excess::Refuse), Ok(units));
        }
    }
}
