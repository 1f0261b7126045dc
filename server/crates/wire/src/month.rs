//! The names of the months, for everybody who words a period.

const NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `November` for `2026-11`; `None` for text that is no period.
#[must_use]
pub fn month_name(period: &str) -> Option<&'static str> {
    let (year, month) = period.split_once('-')?;
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(year, 4) || !digits(month, 2) {
        return None;
    }
    let number: usize = month.parse().ok()?;
    NAMES.get(number.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::month_name;

    #[test]
    fn months_have_names() {
        for (period, name) in [
            ("2026-01", Some("January")),
            ("1999-12", Some("December")),
            ("2026-00", None),
            ("2026-13", None),
            ("2026-1", None),
            ("2026-+1", None),
            ("26-01", None),
            ("\u{e9}-1", None),
            ("", None),
        ] {
            assert_eq!(month_name(period), name, "{period}");
        }
    }
}
