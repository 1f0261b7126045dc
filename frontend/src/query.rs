//! URL query strings: parsed exactly, printed canonically. A page is a pure
//! function of its URL, so everything a reader chose is in here.

mod people;

use wire::{Basis, ConvertedQuery, CostsQuery, ExplainQuery, PageError, SortKey, SortOrder};

use crate::backend::RulesQuery;

pub use people::{parse_audit, parse_note, parse_sign_in, print_audit};

/// At most this many group-by keys.
const MAX_LEVELS: usize = 2;

/// What every page with figures can be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// Billing period, `YYYY-MM`; `None` for the newest.
    pub period: Option<String>,
    /// Cost basis.
    pub basis: Basis,
    /// Currency code; `None` for the only or largest one.
    pub currency: Option<String>,
    /// Period compared with, `YYYY-MM`; `None` for the one before.
    pub against: Option<String>,
}

/// Reads a page's query string (without the `?`).
///
/// # Errors
/// [`PageError::BadRequest`] naming the parameter that does not fit.
pub fn parse_page(raw: &str) -> Result<PageQuery, PageError> {
    let mut query = PageQuery::default();
    for (name, value) in pairs(raw) {
        common(&name, &value, &mut query)?;
    }
    Ok(query)
}

/// Reads the query string of the page of costs in one currency.
///
/// # Errors
/// [`PageError::BadRequest`] naming the parameter that does not fit.
pub fn parse_converted(raw: &str) -> Result<ConvertedQuery, PageError> {
    let mut query = ConvertedQuery {
        costs: parse_costs(raw)?,
        ..ConvertedQuery::default()
    };
    for (name, value) in pairs(raw).into_iter().filter(|(_, value)| !value.is_empty()) {
        match (name.as_str(), value.as_str()) {
            ("to", _) => query.to = Some(value),
            ("rate", "month-average") => query.charge_date = false,
            ("rate", "charge-date") => query.charge_date = true,
            ("rate", _) => return Err(bad("rate", &value, "use month-average or charge-date")),
            _ => {}
        }
    }
    Ok(query)
}

/// Writes it back.
#[must_use]
pub fn print_converted(query: &ConvertedQuery) -> String {
    let mut text = print_costs(&query.costs);
    let mut add = |name: &str, value: &str| {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(&format!("{name}={}", encode(value)));
    };
    if let Some(to) = &query.to {
        add("to", to);
    }
    if query.charge_date {
        add("rate", "charge-date");
    }
    text
}

/// Reads the query string of the Rules page.
///
/// # Errors
/// [`PageError::BadRequest`] naming the parameter that does not fit.
pub fn parse_rules(raw: &str) -> Result<RulesQuery, PageError> {
    let version = pairs(raw)
        .into_iter()
        .find(|(name, value)| name == "version" && !value.is_empty())
        .map(|(_, value)| value);
    Ok(RulesQuery {
        page: parse_page(raw)?,
        version,
    })
}

/// Reads the query string of the Explain page: the page of bill lines, from 1,
/// and how far down the things that carry the figure are shown.
///
/// # Errors
/// [`PageError::BadRequest`] naming the parameter that does not fit.
pub fn parse_explain(raw: &str) -> Result<ExplainQuery, PageError> {
    let mut query = ExplainQuery::default();
    for (name, value) in pairs(raw).into_iter().filter(|(_, value)| !value.is_empty()) {
        match name.as_str() {
            "page" => query.page = page_number(&value)?,
            "at" => query.at = Some(value),
            "day" => query.day = Some(value),
            _ => {}
        }
    }
    Ok(query)
}

/// Writes it back.
#[must_use]
pub fn print_explain(query: &ExplainQuery) -> String {
    let mut parts = Vec::new();
    if query.page > 1 {
        parts.push(format!("page={}", query.page));
    }
    for (name, value) in [("at", &query.at), ("day", &query.day)] {
        parts.extend(value.as_ref().map(|value| format!("{name}={}", encode(value))));
    }
    parts.join("&")
}

/// Reads the query string of the Costs page, of `/costs.csv` and `/costs.xlsx`.
///
/// A form sends `by` once for each level and a new filter as `fk` and `fv`;
/// both are accepted beside the canonical `by=a,b` and `f=key:value`.
///
/// # Errors
/// [`PageError::BadRequest`] naming the parameter that does not fit.
pub fn parse_costs(raw: &str) -> Result<CostsQuery, PageError> {
    let mut page = PageQuery::default();
    let mut query = CostsQuery {
        page: 1,
        ..CostsQuery::default()
    };
    let (mut new_key, mut new_value) = (String::new(), String::new());
    for (name, value) in pairs(raw) {
        match name.as_str() {
            "by" => add_levels(&value, &mut query.by)?,
            "f" => add_filter(&value, &mut query.filters)?,
            "fk" => new_key = value,
            "fv" => new_value = value.trim().to_owned(),
            "sort" => query.sort = sort_key(&value)?,
            "dir" => query.dir = sort_order(&value)?,
            "page" => query.page = page_number(&value)?,
            _ => common(&name, &value, &mut page)?,
        }
    }
    let filter = (new_key, new_value);
    if !filter.0.is_empty() && !query.filters.contains(&filter) {
        query.filters.push(filter);
    }
    query.period = page.period;
    query.basis = page.basis;
    query.currency = page.currency;
    query.against = page.against;
    Ok(query)
}

/// Writes a Costs query; defaults are left out, so equal queries are equal text.
#[must_use]
pub fn print_costs(query: &CostsQuery) -> String {
    let mut out = Writer::default();
    out.some("period", query.period.as_deref());
    if !query.by.is_empty() {
        let by: Vec<String> = query.by.iter().map(|key| encode(key)).collect();
        out.raw("by", &by.join(","));
    }
    out.basis(query.basis);
    out.some("currency", query.currency.as_deref());
    out.some("against", query.against.as_deref());
    for (key, value) in &query.filters {
        out.raw("f", &format!("{}:{}", encode(key), encode(value)));
    }
    if query.sort != SortKey::default() {
        out.raw("sort", sort_word(query.sort));
    }
    if query.dir != SortOrder::default() {
        out.raw("dir", "asc");
    }
    if query.page > 1 {
        out.raw("page", &query.page.to_string());
    }
    out.0
}

/// Writes a page query; defaults are left out.
#[must_use]
pub fn print_page(query: &PageQuery) -> String {
    let mut out = Writer::default();
    out.some("period", query.period.as_deref());
    out.basis(query.basis);
    out.some("currency", query.currency.as_deref());
    out.some("against", query.against.as_deref());
    out.0
}

/// `path?query`, or the path alone when the query is empty.
#[must_use]
pub fn href(path: &str, query: &str) -> String {
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// The word for a sort key in URLs.
#[must_use]
pub fn sort_word(key: SortKey) -> &'static str {
    match key {
        SortKey::Cost => "cost",
        SortKey::Prior => "prior",
        SortKey::Change => "change",
        SortKey::Name => "name",
    }
}

/// Percent-encodes everything but unreserved characters.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[derive(Default)]
struct Writer(String);

impl Writer {
    /// Appends a pair whose value is already encoded.
    fn raw(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(value);
    }

    fn some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.raw(name, &encode(value));
        }
    }

    fn basis(&mut self, basis: Basis) {
        if basis != Basis::default() {
            self.raw("basis", basis.key());
        }
    }
}

/// Decoded pairs. `by` and `f` keep their separators encoded inside values
/// apart from the ones that separate, see [`split_encoded`].
pub(crate) fn pairs(raw: &str) -> Vec<(String, String)> {
    raw.trim_start_matches('?')
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name);
            // a separator inside a key or value stays apart from the real one
            let value = if name == "by" || name == "f" {
                value.to_owned()
            } else {
                decode(value)
            };
            (name, value)
        })
        .collect()
}

fn common(name: &str, value: &str, query: &mut PageQuery) -> Result<(), PageError> {
    if value.is_empty() {
        return Ok(());
    }
    match name {
        "period" => query.period = Some(period("period", value)?),
        "against" => query.against = Some(period("against", value)?),
        "basis" => {
            query.basis = Basis::from_key(value).ok_or_else(|| bad("basis", value, "use effective or billed"))?;
        }
        "currency" => query.currency = Some(value.to_owned()),
        // others belong to the page, or are tracking parameters of a mail client
        _ => {}
    }
    Ok(())
}

fn period(name: &str, value: &str) -> Result<String, PageError> {
    let fits = value.len() == 7
        && value
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 { byte == b'-' } else { byte.is_ascii_digit() })
        && (1..=12).contains(&value[5..].parse::<u8>().unwrap_or(0));
    if fits {
        Ok(value.to_owned())
    } else {
        Err(bad(name, value, "write a month as YYYY-MM, for example 2026-10"))
    }
}

fn add_levels(raw: &str, by: &mut Vec<String>) -> Result<(), PageError> {
    for key in raw.split(',').flat_map(|part| part.split("%2C")) {
        let key = decode(key);
        if key.is_empty() || by.contains(&key) {
            continue;
        }
        if by.len() == MAX_LEVELS {
            return Err(bad("by", &decode(raw), "group by one or two keys"));
        }
        by.push(key);
    }
    Ok(())
}

fn add_filter(raw: &str, filters: &mut Vec<(String, String)>) -> Result<(), PageError> {
    // a form encodes the separator too; a key never holds a colon unencoded
    let split = raw.split_once(':').map(|(key, value)| (decode(key), decode(value)));
    let split = split.or_else(|| {
        let text = decode(raw);
        text.split_once(':')
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
    });
    let Some(filter) = split.filter(|(key, _)| !key.is_empty()) else {
        return Err(bad("f", &decode(raw), "write a filter as key:value"));
    };
    if !filters.contains(&filter) {
        filters.push(filter);
    }
    Ok(())
}

fn sort_key(value: &str) -> Result<SortKey, PageError> {
    [SortKey::Cost, SortKey::Prior, SortKey::Change, SortKey::Name]
        .into_iter()
        .find(|key| sort_word(*key) == value)
        .ok_or_else(|| bad("sort", value, "use cost, prior, change or name"))
}

fn sort_order(value: &str) -> Result<SortOrder, PageError> {
    match value {
        "asc" => Ok(SortOrder::Asc),
        "desc" => Ok(SortOrder::Desc),
        _ => Err(bad("dir", value, "use asc or desc")),
    }
}

fn page_number(value: &str) -> Result<u32, PageError> {
    value
        .parse()
        .ok()
        .filter(|page| *page > 0)
        .ok_or_else(|| bad("page", value, "pages count from 1"))
}

fn bad(name: &str, value: &str, remedy: &str) -> PageError {
    PageError::BadRequest {
        what: format!("{name}={value} does not fit"),
        remedy: remedy.to_owned(),
    }
}

/// Decodes percent and plus; bytes that are not UTF-8 become replacement characters.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(raw: &str) -> CostsQuery {
        parse_costs(raw).expect("the table holds good queries")
    }

    #[test]
    fn printing_and_parsing_are_inverse() {
        let queries = [
            CostsQuery {
                page: 1,
                ..CostsQuery::default()
            },
            CostsQuery {
                period: Some("2026-10".into()),
                by: vec!["tenant".into(), "ServiceName".into()],
                basis: Basis::Billed,
                currency: Some("EUR".into()),
                against: Some("2025-10".into()),
                filters: vec![("tenant".into(), "a:b&c=d %+,é".into()), ("x:y".into(), String::new())],
                sort: SortKey::Change,
                dir: SortOrder::Asc,
                page: 3,
            },
        ];
        for query in queries {
            let text = print_costs(&query);
            assert_eq!(costs(&text), query, "{text}");
            assert_eq!(print_costs(&costs(&text)), text);
        }
    }

    #[test]
    fn a_form_means_the_same_as_a_link() {
        let table = [
            ("by=tenant&by=service", "by=tenant,service"),
            ("by=tenant&by=", "by=tenant"),
            ("by=tenant%2Cservice", "by=tenant,service"),
            ("fk=tenant&fv=+acme+", "f=tenant:acme"),
            ("fk=&fv=acme", ""),
            ("f=tenant%3Aacme&fk=tenant&fv=acme", "f=tenant:acme"),
            ("fk=tenant&fv=", "f=tenant:"),
            ("period=&basis=effective&currency=&sort=cost&dir=desc&page=1", ""),
            ("?basis=billed&utm=1", "basis=billed"),
        ];
        for (form, link) in table {
            assert_eq!(print_costs(&costs(form)), link, "{form}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let table = [
            ("period=2026-13", "period=2026-13"),
            ("period=2026%2D1", "period=2026-1"),
            ("against=now", "against=now"),
            ("period=20é6-1", "period=20é6-1"),
            ("basis=list", "basis=list"),
            ("by=a,b,c", "by=a,b,c"),
            ("f=tenant", "f=tenant"),
            ("f=:x", "f=:x"),
            ("sort=size", "sort=size"),
            ("dir=up", "dir=up"),
            ("page=0", "page=0"),
        ];
        for (raw, named) in table {
            match parse_costs(raw) {
                Err(PageError::BadRequest { what, remedy }) => {
                    assert!(what.starts_with(named) && !remedy.is_empty(), "{what}");
                }
                other => panic!("{raw} gave {other:?}"),
            }
        }
    }

    #[test]
    fn an_explain_query_is_a_page_and_a_place() {
        let query = |page, at: Option<&str>, day: Option<&str>| ExplainQuery {
            page,
            at: at.map(str::to_owned),
            day: day.map(str::to_owned),
        };
        for (raw, expect, printed) in [
            ("", query(1, None, None), ""),
            ("page=&at=", query(1, None, None), ""),
            ("utm=1&page=12", query(12, None, None), "page=12"),
            (
                "at=node%2Fcore%2Fn1&day=2026-11-03",
                query(1, Some("node/core/n1"), Some("2026-11-03")),
                "at=node/core/n1&day=2026-11-03",
            ),
        ] {
            assert_eq!(parse_explain(raw), Ok(expect.clone()), "{raw}");
            let again = print_explain(&expect);
            assert_eq!(again.replace("%2F", "/"), printed);
            assert_eq!(parse_explain(&again), Ok(expect));
        }
        for raw in ["page=0", "page=x", "page=-1"] {
            assert!(matches!(parse_explain(raw), Err(PageError::BadRequest { .. })), "{raw}");
        }
    }

    #[test]
    fn a_rules_query_knows_its_version() {
        let query = parse_rules("period=2026-10&version=v3").expect("a good query");
        assert_eq!(query.version.as_deref(), Some("v3"));
        assert_eq!(print_page(&query.page), "period=2026-10");
    }
}
