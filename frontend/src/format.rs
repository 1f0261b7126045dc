//! Exact decimal strings to what people read. No money becomes a float.

/// U+2212, as wide as a plus sign and never broken from its number.
const MINUS: char = '\u{2212}';

/// An exact decimal, cut into its parts.
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

/// `None` for text that is not a plain decimal.
fn decimal(exact: &str) -> Option<Decimal<'_>> {
    let (negative, digits) = match exact.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, exact),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    (plain(whole) && plain(fraction) && !digits.is_empty()).then(|| Decimal {
        negative,
        whole: whole.trim_start_matches('0'),
        fraction,
    })
}

/// The amount is exactly zero.
#[must_use]
pub fn is_zero(exact: &str) -> bool {
    decimal(exact).is_some_and(|d| d.whole.is_empty() && d.fraction.bytes().all(|b| b == b'0'))
}

/// The amount is below zero.
#[must_use]
pub fn is_negative(exact: &str) -> bool {
    decimal(exact).is_some_and(|d| d.negative) && !is_zero(exact)
}

/// An amount to the currency's minor unit: `12,408.17`, `<0.01` when it is not
/// zero but rounds to it. Rounds half away from zero.
#[must_use]
pub fn money(exact: &str) -> String {
    rounded(exact, 2)
}

/// An amount in whole units: `412,300`.
#[must_use]
pub fn whole(exact: &str) -> String {
    rounded(exact, 0)
}

/// An amount with a sign in front, `+` included.
#[must_use]
pub fn signed(exact: &str) -> String {
    let plus = if is_zero(exact) || is_negative(exact) { "" } else { "+" };
    format!("{plus}{}", money(exact))
}

/// Every digit, grouped: for titles and details.
#[must_use]
pub fn exact(exact: &str) -> String {
    let places = decimal(exact).map_or(0, |d| d.fraction.len());
    rounded(exact, places.max(2))
}

fn rounded(exact: &str, places: usize) -> String {
    let Some(Decimal {
        negative,
        whole,
        fraction,
    }) = decimal(exact)
    else {
        // shown as it came rather than hidden: it is a fault of the sender
        return exact.to_owned();
    };
    let mut digits: Vec<u8> = whole.bytes().collect();
    let kept = fraction.bytes().chain(std::iter::repeat(b'0')).take(places);
    digits.extend(kept);
    if fraction.as_bytes().get(places).is_some_and(|digit| *digit >= b'5') {
        carry(&mut digits);
    }
    let sign = if negative && !is_zero(exact) {
        String::from(MINUS)
    } else {
        String::new()
    };
    if digits.iter().all(|digit| *digit == b'0') && !is_zero(exact) {
        let zeros = "0".repeat(places.saturating_sub(1));
        return if places == 0 {
            format!("{sign}<1")
        } else {
            format!("{sign}<0.{zeros}1")
        };
    }
    let split = digits.len().saturating_sub(places);
    let (whole, fraction) = digits.split_at(split);
    let mut out = sign + &grouped(whole);
    if places > 0 {
        out.push('.');
        out.extend(fraction.iter().map(|digit| char::from(*digit)));
    }
    out
}

/// Adds one to the last digit.
fn carry(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

fn grouped(digits: &[u8]) -> String {
    if digits.is_empty() {
        return "0".to_owned();
    }
    let mut out = String::new();
    for (at, digit) in digits.iter().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(char::from(*digit));
    }
    out
}

/// A count: `12,408`.
#[must_use]
pub fn count(number: u64) -> String {
    grouped(number.to_string().as_bytes())
}

/// `1 row`, `12 rows`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A share to one decimal: `31.4 %`.
#[must_use]
pub fn share(permille: i64) -> String {
    let size = permille.unsigned_abs();
    let sign = if permille < 0 {
        String::from(MINUS)
    } else {
        String::new()
    };
    format!("{sign}{}.{}\u{a0}%", count(size / 10), size % 10)
}

/// A signed percentage: `+8.2 %`.
#[must_use]
pub fn percent(permille: i64) -> String {
    let plus = if permille > 0 { "+" } else { "" };
    format!("{plus}{}", share(permille))
}

/// `2026-11` as `November 2026`; anything else as it is.
#[must_use]
pub fn month_year(period: &str) -> String {
    match wire::month_name(period) {
        Some(name) => format!("{name} {}", &period[..4]),
        None => period.to_owned(),
    }
}

/// `Nov 2026`, or `Nov 1–21` for the first days of it.
#[must_use]
pub fn month_days(period: &str, days: Option<u32>) -> String {
    let month = month_short(period);
    match days {
        Some(days) => format!("{} 1\u{2013}{days}", month.split(' ').next().unwrap_or(&month)),
        None => month,
    }
}

/// `2026-11` as `Nov 2026`.
#[must_use]
pub fn month_short(period: &str) -> String {
    match wire::month_name(period) {
        Some(name) => format!("{} {}", &name[..3], &period[..4]),
        None => period.to_owned(),
    }
}

/// `2026-11-22T14:00:05Z` as `2026-11-22 14:00 UTC`.
#[must_use]
pub fn instant(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(10..11), rfc3339.get(11..16)) {
        (Some(day), Some("T"), Some(minute)) => format!("{day} {minute} UTC"),
        _ => rfc3339.to_owned(),
    }
}

/// The day of an instant: `2026-11-22`.
#[must_use]
pub fn day(rfc3339: &str) -> String {
    rfc3339.get(..10).unwrap_or(rfc3339).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let table = [
            ("0", "0.00", "0"),
            ("12408.17", "12,408.17", "12,408"),
            ("-1240", "\u{2212}1,240.00", "\u{2212}1,240"),
            ("0.004999999999999999999999", "<0.01", "<1"),
            ("0.005", "0.01", "<1"),
            ("-0.005", "\u{2212}0.01", "\u{2212}<1"),
            ("-0.0049", "\u{2212}<0.01", "\u{2212}<1"),
            ("999.995", "1,000.00", "1,000"),
            ("999.994999", "999.99", "1,000"),
            ("0.5", "0.50", "1"),
            ("1234567.1", "1,234,567.10", "1,234,567"),
            (
                "99999999999999999999.999",
                "100,000,000,000,000,000,000.00",
                "100,000,000,000,000,000,000",
            ),
            ("not a number", "not a number", "not a number"),
            ("1e5", "1e5", "1e5"),
        ];
        for (exact, column, tile) in table {
            assert_eq!(
                (money(exact).as_str(), whole(exact).as_str()),
                (column, tile),
                "{exact}"
            );
        }
    }

    #[test]
    fn every_digit_stays_when_asked() {
        assert_eq!(
            exact("-1234.000000000000000000000001"),
            "\u{2212}1,234.000000000000000000000001"
        );
        assert_eq!(exact("5"), "5.00");
        assert_eq!(signed("5"), "+5.00");
        assert_eq!(signed("-5"), "\u{2212}5.00");
        assert_eq!(signed("0"), "0.00");
    }

    #[test]
    fn shares_and_counts() {
        assert_eq!(share(314), "31.4\u{a0}%");
        assert_eq!(share(-2), "\u{2212}0.2\u{a0}%");
        assert_eq!(percent(82), "+8.2\u{a0}%");
        assert_eq!(percent(0), "0.0\u{a0}%");
        assert_eq!(percent(12_345), "+1,234.5\u{a0}%");
        assert_eq!(counted(1, "row", "rows"), "1 row");
        assert_eq!(counted(12_408, "row", "rows"), "12,408 rows");
    }

    #[test]
    fn times() {
        let table = [
            ("2026-11", "November 2026", "Nov 2026"),
            ("2026-13", "2026-13", "2026-13"),
            ("é-1", "é-1", "é-1"),
        ];
        for (period, long, short) in table {
            assert_eq!(
                (month_year(period).as_str(), month_short(period).as_str()),
                (long, short)
            );
        }
        assert_eq!(instant("2026-11-22T14:00:05.123Z"), "2026-11-22 14:00 UTC");
        assert_eq!(instant("soon"), "soon");
        assert_eq!(day("2026-11-22T14:00:05Z"), "2026-11-22");
    }
}
