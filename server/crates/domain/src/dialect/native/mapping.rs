//! Any table as a bill, by a small mapping file: which of its columns hold what
//! FOCUS has, how it writes dates and decimals, and what is the same everywhere.
//!
//! What the file does not say follows from what it says: EffectiveCost is
//! BilledCost, the billing period is the month of the charge, a charge without
//! an end lasts a day, and everything is Usage. Values that do not fit are
//! passed on with a remark, so that the row is refused with it: a date is never
//! guessed, and a decimal comma never read as thousands.

use super::draft::Column;
use super::names::Names;
use super::time::{month_of, next_day};
use super::{Draft, Out, Rewriter, Row, Rule};
use crate::dialect::{ColumnKind, ColumnSpec, FOCUS_COLUMNS};
use crate::finding::Finding;
use crate::instant::Instant;
use crate::tags::Tags;
use chrono::{NaiveDate, NaiveDateTime};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A mapping file, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// What it is called.
    pub name: String,
    /// Who provides what the bill is for.
    pub provider: Option<String>,
    /// What separates columns.
    pub delimiter: u8,
    decimal_comma: bool,
    columns: Vec<(usize, Source)>,
    tags: Vec<(String, String)>,
}

/// Where the value of a FOCUS column comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    /// Columns of the table, best first.
    from: Vec<String>,
    /// What the table's words mean.
    values: BTreeMap<String, String>,
    /// What it is when the table does not say.
    otherwise: Option<String>,
    /// How dates are written, as `strftime`.
    date: Option<String>,
    /// The date is the last day, not the first one after.
    inclusive: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMapping {
    format: u32,
    name: String,
    provider: Option<String>,
    delimiter: Option<String>,
    decimal: Option<String>,
    columns: BTreeMap<String, RawSource>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawSource {
    Column(String),
    Columns(Vec<String>),
    Full(RawFull),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFull {
    column: Option<OneOrMore>,
    #[serde(default)]
    values: BTreeMap<String, String>,
    /// The same in every row.
    value: Option<String>,
    r#else: Option<String>,
    date: Option<String>,
    #[serde(default)]
    inclusive: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Mapping {
    /// Parses a mapping file.
    ///
    /// # Errors
    /// Text that names the place and what is wrong.
    pub fn parse(yaml: &str) -> Result<Mapping, String> {
        let raw: RawMapping = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        if raw.format != 1 {
            return Err(format!("format {} is not known; write `format: 1`", raw.format));
        }
        if raw.name.trim().is_empty() {
            return Err("name is empty; it is what the bill is called in lists".to_owned());
        }
        let delimiter = match raw.delimiter.as_deref() {
            None | Some(",") => b',',
            Some(";") => b';',
            Some("\t" | "tab") => b'\t',
            Some("|") => b'|',
            Some(other) => {
                return Err(format!(
                    "delimiter {other:?} is not known; use \",\", \";\", \"|\" or \"tab\""
                ));
            }
        };
        let decimal_comma = match raw.decimal.as_deref() {
            None | Some(".") => false,
            Some(",") => true,
            Some(other) => return Err(format!("decimal {other:?} is not known; use \".\" or \",\"")),
        };
        let mut columns = Vec::with_capacity(raw.columns.len());
        for (focus, source) in raw.columns {
            let at = FOCUS_COLUMNS.iter().position(|column| column.name == focus);
            let at = at.ok_or_else(|| unknown_column(&focus))?;
            let source = source
                .checked(&FOCUS_COLUMNS[at])
                .map_err(|problem| format!("column {focus}: {problem}"))?;
            columns.push((at, source));
        }
        let mapping = Mapping {
            name: raw.name,
            provider: raw.provider,
            delimiter,
            decimal_comma,
            columns,
            tags: raw.tags.into_iter().collect(),
        };
        for (needed, or) in [
            ("BilledCost", Some("EffectiveCost")),
            ("ChargePeriodStart", None),
            ("BillingCurrency", None),
        ] {
            if mapping.find(needed).is_none() && or.and_then(|or| mapping.find(or)).is_none() {
                return Err(format!(
                    "columns has no {needed}: say which column holds it, or its value"
                ));
            }
        }
        if !mapping.tags.is_empty() && mapping.find("Tags").is_some() {
            return Err("Tags is mapped and tags is there too; use one of them".to_owned());
        }
        Ok(mapping)
    }

    fn find(&self, focus: &str) -> Option<&Source> {
        let found = self.columns.iter().find(|(at, _)| FOCUS_COLUMNS[*at].name == focus);
        found.map(|(_, source)| source)
    }
}

fn unknown_column(focus: &str) -> String {
    let close = FOCUS_COLUMNS.iter().find(|column| column.matches(focus));
    let hint = close.map_or_else(
        || "docs/FORMATS.md lists those of FOCUS; other columns are kept as they are".to_owned(),
        |column| format!("write {}", column.name),
    );
    format!("column {focus} is not one of FOCUS; {hint}")
}

impl RawSource {
    fn checked(self, spec: &ColumnSpec) -> Result<Source, String> {
        let plain = |from: Vec<String>| Source {
            from,
            values: BTreeMap::new(),
            otherwise: None,
            date: None,
            inclusive: false,
        };
        let source = match self {
            RawSource::Column(name) => plain(vec![name]),
            RawSource::Columns(names) => plain(names),
            RawSource::Full(full) => full.checked(spec)?,
        };
        if source.from.is_empty() && source.otherwise.is_none() {
            return Err("it has neither a column nor a value".to_owned());
        }
        Ok(source)
    }
}

impl RawFull {
    fn checked(self, spec: &ColumnSpec) -> Result<Source, String> {
        let from = match self.column {
            None => Vec::new(),
            Some(OneOrMore::One(name)) => vec![name],
            Some(OneOrMore::More(names)) => names,
        };
        if self.value.is_some() && !(from.is_empty() && self.r#else.is_none()) {
            return Err("value is the same in every row; beside a column write else".to_owned());
        }
        if (self.date.is_some() || self.inclusive) && spec.kind != ColumnKind::Instant {
            return Err("date and inclusive are for columns that hold a time".to_owned());
        }
        if self.inclusive && !spec.name.ends_with("End") {
            return Err("inclusive is for ends".to_owned());
        }
        if let Some(date) = &self.date {
            check_date(date)?;
        }
        Ok(Source {
            from,
            values: self.values,
            otherwise: self.value.or(self.r#else),
            date: self.date,
            inclusive: self.inclusive,
        })
    }
}

/// A format that cannot read what it writes cannot tell every day apart.
fn check_date(format: &str) -> Result<(), String> {
    let broken = chrono::format::StrftimeItems::new(format).any(|item| matches!(item, chrono::format::Item::Error));
    let day = NaiveDate::from_ymd_opt(2026, 11, 23).and_then(|date| date.and_hms_opt(0, 0, 0));
    let same = day.filter(|_| !broken).is_some_and(|day| {
        let written = day.format(format).to_string();
        read_date(&written, format) == Some(day)
    });
    same.then_some(())
        .ok_or_else(|| format!("date {format:?} does not name a day; write it like \"%d.%m.%Y\" or \"%Y-%m-%d %H:%M\""))
}

fn read_date(text: &str, format: &str) -> Option<NaiveDateTime> {
    let date_alone = || NaiveDate::parse_from_str(text, format).ok()?.and_hms_opt(0, 0, 0);
    NaiveDateTime::parse_from_str(text, format).ok().or_else(date_alone)
}

/// The rewriter of a table with this header.
///
/// # Errors
/// One finding per column that the mapping names and the table lacks.
pub(super) fn rewriter(headers: &[String], mapping: &Arc<Mapping>) -> Result<Rewriter, Vec<Finding>> {
    let names = Names::new(headers, |header| header.trim().to_lowercase())?;
    let find = |name: &str| names.find(&name.trim().to_lowercase());
    let mut missing = Vec::new();
    let mut sources = Vec::new();
    let mut columns = Vec::new();
    for (at, source) in &mapping.columns {
        let from: Vec<usize> = source.from.iter().filter_map(|name| find(name)).collect();
        if let (Some(first), true) = (source.from.first(), from.is_empty()) {
            missing.push(absent(FOCUS_COLUMNS[*at].name, first, headers));
        }
        sources.push((FOCUS_COLUMNS[*at].name, from.first().copied()));
        columns.push((*at, from));
    }
    let mut tags = Vec::new();
    for (key, column) in &mapping.tags {
        match find(column) {
            Some(at) => tags.push((key.clone(), at)),
            None => missing.push(absent(&format!("the tag {key}"), column, headers)),
        }
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    const FOLLOWS: [&str; 8] = [
        "BilledCost",
        "EffectiveCost",
        "BillingPeriodStart",
        "BillingPeriodEnd",
        "ChargePeriodEnd",
        "ChargeCategory",
        "ProviderName",
        "Tags",
    ];
    let mut computed: Vec<&str> = columns.iter().map(|(at, _)| FOCUS_COLUMNS[*at].name).collect();
    computed.extend(FOLLOWS);
    let rule = Mapped {
        mapping: Arc::clone(mapping),
        columns,
        tags,
    };
    Ok(Rewriter::bind(
        &names,
        &[],
        &computed,
        &sources,
        |_| true,
        Box::new(rule),
    ))
}

fn absent(focus: &str, column: &str, headers: &[String]) -> Finding {
    let there: Vec<&str> = headers.iter().take(12).map(|header| header.trim()).collect();
    Finding::error(
        "missing_column",
        format!("the mapping takes {focus} from the column {column:?}, which is not there"),
    )
    .at_line(1)
    .in_column(column)
    .remedy(format!(
        "columns are: {}; correct the mapping, or its delimiter",
        there.join(", ")
    ))
}

struct Mapped {
    mapping: Arc<Mapping>,
    /// Positions in [`FOCUS_COLUMNS`] and in the table, as in the mapping.
    columns: Vec<(usize, Vec<usize>)>,
    tags: Vec<(String, usize)>,
}

impl Rule for Mapped {
    fn apply<'r>(&mut self, row: &Row<'r>, draft: &mut Draft<'r>, out: &mut Out<'_>) {
        for ((_, source), (at, from)) in self.mapping.columns.iter().zip(&self.columns) {
            let cell = from.iter().find_map(|at| row.get(Some(*at)));
            if let Some(value) = self.value(source, &FOCUS_COLUMNS[*at], cell) {
                draft.own_at(*at, value);
            }
        }
        self.follow(draft);
        let tags: Tags = self
            .tags
            .iter()
            .filter_map(|(key, at)| Some((key.clone(), String::from_utf8_lossy(row.get(Some(*at))?).into_owned())))
            .collect();
        if !tags.is_empty() {
            // text to text always becomes JSON
            draft.own(Column::named("Tags"), serde_json::to_string(&tags).unwrap_or_default());
        }
        out.row(draft);
    }

    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }
}

impl Mapped {
    fn value(&self, source: &Source, spec: &ColumnSpec, cell: Option<&[u8]>) -> Option<String> {
        let Some(cell) = cell else {
            return source.otherwise.clone();
        };
        let text = String::from_utf8_lossy(cell);
        let text = text.trim();
        if !source.values.is_empty() {
            let found = source.values.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            let said = found.map(|(_, value)| value.clone());
            // a word nobody explained is passed on, and refused where it does not fit
            return said
                .or_else(|| source.otherwise.clone())
                .or_else(|| Some(text.to_owned()));
        }
        match spec.kind {
            ColumnKind::Instant => Some(instant(text, source)),
            ColumnKind::Money | ColumnKind::UnitPrice | ColumnKind::Quantity if self.mapping.decimal_comma => {
                Some(decimal(text))
            }
            _ => Some(text.to_owned()),
        }
    }

    /// What follows from what is there.
    fn follow(&self, draft: &mut Draft<'_>) {
        let text = |draft: &Draft<'_>, column: Column| {
            let cell = draft.get(column)?;
            Some(String::from_utf8_lossy(cell).into_owned())
        };
        let (billed, effective) = (Column::named("BilledCost"), Column::named("EffectiveCost"));
        for (one, other) in [(billed, effective), (effective, billed)] {
            let mapped = |column: Column| self.mapping.columns.iter().any(|(at, _)| column.is_at(*at));
            // an empty cell of a column that is mapped is a missing cost, not the other one
            if let (false, Some(cost)) = (mapped(one), text(draft, other)) {
                draft.own(one, cost);
            }
        }
        let start = text(draft, Column::named("ChargePeriodStart")).unwrap_or_default();
        let end = Column::named("ChargePeriodEnd");
        if self.mapping.find("ChargePeriodEnd").is_none() {
            draft.own(end, next_day(start.as_bytes()));
        }
        let period = [Column::named("BillingPeriodStart"), Column::named("BillingPeriodEnd")];
        let said = text(draft, period[0]).unwrap_or(start);
        if let Some((first, after)) = month_of(said.as_bytes()) {
            if self.mapping.find("BillingPeriodStart").is_none() {
                draft.own(period[0], first);
            }
            if self.mapping.find("BillingPeriodEnd").is_none() {
                draft.own(period[1], after);
            }
        }
        let defaults = [
            ("ChargeCategory", Some("Usage")),
            ("ProviderName", self.mapping.provider.as_deref()),
        ];
        for (name, value) in defaults {
            if let (None, Some(value)) = (self.mapping.find(name), value) {
                let column = if name == "ProviderName" {
                    Column::named("ProviderName")
                } else {
                    Column::named("ChargeCategory")
                };
                draft.own(column, value);
            }
        }
    }
}

fn instant(text: &str, source: &Source) -> String {
    let at = match &source.date {
        None => text.to_owned(),
        Some(format) => match read_date(text, format) {
            Some(at) => Instant(at.and_utc().timestamp_micros()).to_string(),
            // refused with it: another reading of the same digits may be another day
            None => return format!("{text} (the mapping says {format})"),
        },
    };
    if source.inclusive { next_day(at.as_bytes()) } else { at }
}

/// `1.234,56` as `1234.56`; what is not written like that is passed on with a
/// remark, and refused.
fn decimal(text: &str) -> String {
    let refused = || format!("{text} (the mapping says decimal comma)");
    let (whole, fraction) = text.split_once(',').unwrap_or((text, ""));
    let groups: Vec<&str> = whole
        .trim_start_matches(['-', '+'])
        .split(['.', ' ', '\u{a0}', '\u{202f}'])
        .collect();
    let grouped = groups.len() == 1 || (groups[0].len() <= 3 && groups[1..].iter().all(|group| group.len() == 3));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !grouped || !groups.iter().all(|group| digits(group) && !group.is_empty()) || !digits(fraction) {
        return refused();
    }
    let sign = if whole.starts_with('-') { "-" } else { "" };
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    format!("{sign}{}.{fraction}", groups.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::native::{Native, Rows};

    const YAML: &str = r#"
format: 1
name: rheinwolke
provider: Rheinwolke Hosting
delimiter: ";"
decimal: ","
columns:
  BilledCost: Betrag
  BillingCurrency: {value: EUR}
  ChargePeriodStart: {column: Von, date: "%d.%m.%Y"}
  ChargePeriodEnd: {column: Bis, date: "%d.%m.%Y", inclusive: true}
  ChargeCategory: {column: Art, values: {Steuer: Tax, Gutschrift: Credit}, else: Usage}
  ServiceName: [Produkt, Leistung]
tags: {tenant: Kunde}
"#;

    fn rewritten(yaml: &str, headers: &[&str], cells: &[&str]) -> BTreeMap<String, String> {
        let mapping = Arc::new(Mapping::parse(yaml).expect("a mapping"));
        let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
        let mut rewriter = Native::Mapped(mapping).rewriter(&headers).expect("binds");
        let mut rows = Rows::default();
        let cells: Vec<&[u8]> = cells.iter().map(|cell| cell.as_bytes()).collect();
        rewriter.row(&cells, &mut rows);
        let names = rewriter.headers().iter().cloned();
        names
            .zip(
                rows.row(0)
                    .iter()
                    .map(|cell| String::from_utf8_lossy(cell).into_owned()),
            )
            .collect()
    }

    #[test]
    fn a_row_of_a_german_table() {
        let headers = ["Betrag", "Von", "Bis", "Art", "Leistung", "Kunde", "Vertrag"];
        let row = rewritten(
            YAML,
            &headers,
            &[
                "-1.234,5",
                "01.10.2026",
                "31.10.2026",
                "gutschrift",
                "Rack",
                "acme",
                "V-7",
            ],
        );
        for (column, expect) in [
            ("BilledCost", "-1234.5"),
            ("EffectiveCost", "-1234.5"),
            ("BillingCurrency", "EUR"),
            ("ChargePeriodStart", "2026-10-01T00:00:00Z"),
            ("ChargePeriodEnd", "2026-11-01T00:00:00Z"),
            ("BillingPeriodStart", "2026-10-01T00:00:00Z"),
            ("BillingPeriodEnd", "2026-11-01T00:00:00Z"),
            ("ChargeCategory", "Credit"),
            ("ServiceName", "Rack"),
            ("ProviderName", "Rheinwolke Hosting"),
            ("Tags", r#"{"tenant":"acme"}"#),
            ("Vertrag", "V-7"),
        ] {
            assert_eq!(row[column], expect, "{column}");
        }
        let row = rewritten(YAML, &headers, &["12", "01.10.2026", "01.10.2026", "", "", "", ""]);
        assert_eq!(
            (row["BilledCost"].as_str(), row["ChargeCategory"].as_str()),
            ("12.0", "Usage")
        );
    }

    #[test]
    fn the_least_a_mapping_says() {
        let yaml = "format: 1\nname: x\ncolumns: {EffectiveCost: cost, ChargePeriodStart: day, BillingCurrency: cur}";
        let row = rewritten(yaml, &["day", "cost", "CUR"], &["2026-10-31", "1.50", "USD"]);
        for (column, expect) in [
            ("BilledCost", "1.50"),
            ("ChargePeriodEnd", "2026-11-01T00:00:00Z"),
            ("BillingPeriodEnd", "2026-11-01T00:00:00Z"),
            ("ChargeCategory", "Usage"),
        ] {
            assert_eq!(row[column], expect, "{column}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for (text, expect) in [
            ("1.234.567,89", "1234567.89"),
            ("1 234,5", "1234.5"),
            ("0,000000001", "0.000000001"),
            ("-7", "-7.0"),
            ("1.5", "1.5 (the mapping says decimal comma)"),
            ("12.34,5", "12.34,5 (the mapping says decimal comma)"),
            ("1,5E-3", "1,5E-3 (the mapping says decimal comma)"),
            ("", " (the mapping says decimal comma)"),
        ] {
            assert_eq!(decimal(text), expect);
        }
        let headers = ["Betrag", "Von", "Bis", "Art", "Produkt", "Kunde"];
        let row = rewritten(YAML, &headers, &["1", "10/13/2026", "31.10.2026", "", "", ""]);
        assert_eq!(row["ChargePeriodStart"], "10/13/2026 (the mapping says %d.%m.%Y)");
    }

    #[test]
    fn mappings_say_what_is_wrong_with_them() {
        let base = "format: 1\nname: x\ncolumns:\n  BilledCost: c\n  ChargePeriodStart: d\n  BillingCurrency: u\n";
        assert!(Mapping::parse(base).is_ok());
        for (yaml, expect) in [
            ("format: 2\nname: x\ncolumns: {}".to_owned(), "format 2"),
            (
                "format: 1\nname: x\ncolumns: {BilledCost: c, ChargePeriodStart: d}".to_owned(),
                "no BillingCurrency",
            ),
            (format!("{base}  Cost: c\n"), "not one of FOCUS"),
            (format!("{base}  servicename: c\n"), "write ServiceName"),
            (format!("{base}  ServiceName: {{}}\n"), "neither a column nor a value"),
            (
                format!("{base}  ServiceName: {{date: \"%Y\", column: a}}\n"),
                "hold a time",
            ),
            (
                format!("{base}  ChargePeriodEnd: {{date: \"%d.%m\", column: a}}\n"),
                "does not name a day",
            ),
            (
                format!("{base}  BillingPeriodStart: {{inclusive: true, column: a}}\n"),
                "for ends",
            ),
            (format!("{base}  ServiceName: {{value: a, column: b}}\n"), "write else"),
            (format!("{base}delimiter: x\n"), "delimiter"),
            (format!("{base}decimal: ';'\n"), "decimal"),
            (format!("{base}  Tags: t\ntags: {{a: b}}\n"), "use one of them"),
        ] {
            let problem = Mapping::parse(&yaml).expect_err(&yaml);
            assert!(problem.contains(expect), "{yaml}: {problem}");
        }
        let mapping = Arc::new(Mapping::parse(base).expect("a mapping"));
        let Err(missing) = Native::Mapped(mapping).rewriter(&["c;d;u".to_owned()]) else {
            panic!("columns are missing");
        };
        assert_eq!(missing.len(), 3);
        assert!(
            missing[0]
                .remedy
                .as_deref()
                .is_some_and(|remedy| remedy.contains("c;d;u"))
        );
    }
}
