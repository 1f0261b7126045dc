//! Exact decimals of both sides' answers, in units of 10^-24.

use anyhow::{Context, Result, bail};

use super::rows::SCALE;

/// Reads a plain decimal such as `-12.50`.
///
/// # Errors
/// When it is not one, has more than 24 digits after the point, or does not fit.
pub fn parse(text: &str) -> Result<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > SCALE as usize {
        bail!("`{text}` is not a plain decimal of at most {SCALE} fractional digits");
    }
    let width = SCALE as usize;
    let units: i128 = format!("{whole}{fraction:0<width$}")
        .parse()
        .with_context(|| format!("`{text}` is too large"))?;
    Ok(sign * units)
}

/// Writes the canonical form: no exponent, no trailing zeros.
pub fn print(units: i128) -> String {
    let one = 10_u128.pow(SCALE);
    let sign = if units < 0 { "-" } else { "" };
    let magnitude = units.unsigned_abs();
    let width = SCALE as usize;
    let text = format!("{sign}{}.{:0width$}", magnitude / one, magnitude % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_and_written() {
        for (text, units, canonical) in [
            ("0", 0, "0"),
            ("1", 10_i128.pow(24), "1"),
            ("-12.50", -125 * 10_i128.pow(23), "-12.5"),
            ("0.000000000000000000000001", 1, "0.000000000000000000000001"),
            ("100", 10_i128.pow(26), "100"),
        ] {
            assert_eq!(parse(text).unwrap(), units, "{text}");
            assert_eq!(print(units), canonical);
        }
        for bad in [
            "",
            ".",
            "-",
            "1e3",
            "1,000",
            " 1",
            "0.0000000000000000000000001",
            "999999999999999999",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
