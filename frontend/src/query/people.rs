//! Query strings of the pages about people.

use wire::{AuditSearch, PageError, SignInQuery};

use super::{Writer, bad, page_number, pairs};

/// Reads the query string of the sign-in page; anything else is not looked at.
#[must_use]
pub fn parse_sign_in(raw: &str) -> SignInQuery {
    let mut query = SignInQuery::default();
    for (name, value) in pairs(raw).into_iter().filter(|(_, value)| !value.is_empty()) {
        match name.as_str() {
            "next" => query.next = Some(value),
            "code" => query.code = Some(value),
            "note" => query.note = Some(value),
            _ => {}
        }
    }
    query
}

/// Which answer to a form is to be told on the page, when there is one.
#[must_use]
pub fn parse_note(raw: &str) -> Option<String> {
    let mut pairs = pairs(raw).into_iter();
    pairs
        .find(|(name, value)| name == "note" && !value.is_empty())
        .map(|(_, value)| value)
}

/// Reads the query string of the Audit page and of `/audit.csv`.
///
/// # Errors
/// [`PageError::BadRequest`] naming the parameter that does not fit.
pub fn parse_audit(raw: &str) -> Result<AuditSearch, PageError> {
    let mut search = AuditSearch {
        page: 1,
        ..AuditSearch::default()
    };
    for (name, value) in pairs(raw) {
        let value = value.trim();
        match name.as_str() {
            _ if value.is_empty() => {}
            "actor" => value.clone_into(&mut search.actor),
            "action" => value.clone_into(&mut search.action),
            "text" => value.clone_into(&mut search.text),
            "from" => search.from = Some(day("from", value)?),
            "to" => search.to = Some(day("to", value)?),
            "page" => search.page = page_number(value)?,
            _ => {}
        }
    }
    Ok(search)
}

/// Writes it back; defaults are left out.
#[must_use]
pub fn print_audit(search: &AuditSearch) -> String {
    let mut out = Writer::default();
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    out.some("actor", given(&search.actor).as_deref());
    out.some("action", given(&search.action).as_deref());
    out.some("text", given(&search.text).as_deref());
    out.some("from", search.from.as_deref());
    out.some("to", search.to.as_deref());
    if search.page > 1 {
        out.raw("page", &search.page.to_string());
    }
    out.0
}

fn day(name: &str, value: &str) -> Result<String, PageError> {
    let parts: Vec<&str> = value.split('-').collect();
    let fits = match parts[..] {
        [year, month, day] => {
            let digits = [(year, 4), (month, 2), (day, 2)];
            let digits = digits
                .iter()
                .all(|(part, length)| part.len() == *length && part.bytes().all(|at| at.is_ascii_digit()));
            digits
                && is_day(
                    year.parse().unwrap_or(0),
                    month.parse().unwrap_or(0),
                    day.parse().unwrap_or(0),
                )
        }
        _ => false,
    };
    if fits {
        Ok(value.to_owned())
    } else {
        Err(bad(name, value, "write a day as YYYY-MM-DD, for example 2026-11-03"))
    }
}

fn is_day(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::*;

    #[test]
    fn an_audit_search_is_what_was_written() {
        let table = [
            ("", ""),
            ("actor=+Ada+&action=&text=&from=&to=", "actor=Ada"),
            (
                "page=3&to=2026-02-28&from=2024-02-29",
                "from=2024-02-29&to=2026-02-28&page=3",
            ),
            ("action=invoice.&text=a%26b&utm=1", "action=invoice.&text=a%26b"),
        ];
        for (raw, printed) in table {
            let search = parse_audit(raw).expect("the table holds good queries");
            assert_eq!(print_audit(&search), printed, "{raw}");
            assert_eq!(parse_audit(printed), Ok(search));
        }
        let not_days = [
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-1-01",
            "1900-02-29",
            "+026-01-01",
            "today",
        ];
        for value in not_days {
            let raw = format!("from={}", encode(value));
            assert!(
                matches!(parse_audit(&raw), Err(PageError::BadRequest { what, .. }) if what.contains(value)),
                "{raw}"
            );
        }
        assert!(parse_audit("page=0").is_err());
    }

    #[test]
    fn sign_in_knows_where_to_go() {
        let query = parse_sign_in("next=%2Fcosts%3Fby%3Dtenant&note=&code=k7");
        assert_eq!(query.next.as_deref(), Some("/costs?by=tenant"));
        assert_eq!(query.code.as_deref(), Some("k7"));
        assert_eq!(query.note, None);
        assert_eq!(parse_note("a=1&note=n1").as_deref(), Some("n1"));
    }
}
