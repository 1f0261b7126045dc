//! Money and quantities of the generator: plain integers, so that the truth can be exact.
//!
//! An amount is an `i128` in units of 1e-12 of the currency (*pico*); a quantity is an `i128` in
//! units of 1e-6 (*micro*). Nothing here is shared with the program under test (A44).

/// Pico units in one unit of currency.
pub const ONE: i128 = 1_000_000_000_000;

/// Micro units in one unit of a quantity.
pub const MICRO: i128 = 1_000_000;

/// The cost of `quantity_micro` at `price_pico` per unit, cut off below 1e-12.
pub const fn cost(quantity_micro: i128, price_pico: i128) -> i128 {
    quantity_micro * price_pico / MICRO
}

/// `value` scaled by parts per million, cut off towards zero.
pub const fn ppm(value: i128, parts: i128) -> i128 {
    value * parts / 1_000_000
}

/// The canonical decimal of an amount: no exponent, no trailing zeros, no `-0`.
pub fn canonical(pico: i128) -> String {
    decimal(pico, 12)
}

/// The decimal of a quantity in micro units.
pub fn quantity(micro: i128) -> String {
    decimal(micro, 6)
}

/// The amount as the bill writes it: like a double printed by the provider, so values below 1e-6
/// come in exponent notation (`1.81E-8`).
pub fn bill_text(pico: i128) -> String {
    let magnitude = pico.unsigned_abs();
    if magnitude == 0 || magnitude >= 1_000_000 {
        return canonical(pico);
    }
    let digits = magnitude.to_string();
    let exponent = 13 - digits.len();
    let sign = if pico < 0 { "-" } else { "" };
    let (lead, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{lead}{point}{rest}E-{exponent}")
}

/// The canonical decimal of a value with `scale` digits after the point.
pub fn decimal(value: i128, scale: usize) -> String {
    let magnitude = value.unsigned_abs().to_string();
    let padded = format!("{magnitude:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    let sign = if value < 0 { "-" } else { "" };
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_exactly() {
        let table = [
            (0, "0", "0"),
            (ONE, "1", "1"),
            (-ONE / 4, "-0.25", "-0.25"),
            (18_100, "0.0000000181", "1.81E-8"),
            (1, "0.000000000001", "1E-12"),
            (-20, "-0.00000000002", "-2E-11"),
            (999_999, "0.000000999999", "9.99999E-7"),
            (1_000_000, "0.000001", "0.000001"),
            (123 * ONE + 450, "123.00000000045", "123.00000000045"),
        ];
        for (pico, plain, bill) in table {
            assert_eq!(canonical(pico), plain);
            assert_eq!(bill_text(pico), bill);
        }
        assert_eq!(quantity(24 * MICRO + 500_000), "24.5");
        assert_eq!(cost(1_500_000, 3), 4);
        assert_eq!(ppm(-10, 150_000), -1);
    }
}
