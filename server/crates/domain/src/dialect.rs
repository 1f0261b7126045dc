//! A dialect is data: which columns a bill has, under which names, of which
//! kind, and how needed they are. `sources` tells dialects apart; the lake
//! compiles the description; [`Binding::read`] here is the scalar reference.

use crate::allocate::clusters::billed_seconds;
use crate::charge::{Attributes, Charge, ChargeCategory};
use crate::finding::Finding;
use crate::instant::{self, Instant, Span};
use crate::money::{Currency, MONEY_SCALE, Money};
use crate::number::{self, Excess};
use crate::period::BillingPeriod;
use crate::price::Prices;
use crate::tags;

mod cells;
mod columns;
pub mod native;

pub use cells::{CellError, check_cell, check_spans, scale_of};
pub use columns::FOCUS_COLUMNS;

/// Fractional digits of stored quantities: 26 integer digits hold byte-seconds.
pub const QUANTITY_SCALE: u32 = 12;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// An exact amount, scale 24; more digits are refused.
    Money,
    /// A price per unit, scale 24, rounded: never added to anything.
    UnitPrice,
    /// A quantity, scale 12, rounded.
    Quantity,
    /// An instant.
    Instant,
    /// Text, kept verbatim.
    Text,
    /// JSON text of tags.
    Tags,
}

/// What happens when the column, or a value in it, is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it a charge has no meaning: a missing column refuses the file, a null the row.
    Mandatory,
    /// The specification demands it, real exports miss it: a finding, then unknown.
    Expected,
    /// May be absent.
    Optional,
}

/// One column of the normalised charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnSpec {
    /// FOCUS name, also the name in the lake.
    pub name: &'static str,
    /// Other names seen, compared without case.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub kind: ColumnKind,
    /// How needed it is.
    pub need: Need,
    /// FOCUS version that brought it: 10, 11, 12, 13 or 14.
    pub since: u8,
}

/// A described bill format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// `focus`.
    pub format: &'static str,
    /// `1.2`.
    pub version: &'static str,
    /// Its columns, after rewriting.
    pub columns: &'static [ColumnSpec],
    /// How its rows become rows of FOCUS; `None` when they are.
    pub native: Option<native::Native>,
}

/// How the bytes of a bill are wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Container {
    /// CSV text as it is.
    Plain,
    /// CSV text in gzip, of one member or several.
    Gzip,
    /// CSV text as one entry of a zip archive.
    Zip {
        /// Name of the entry inside the archive.
        entry: String,
    },
    /// A Parquet file.
    Parquet,
    /// JSON objects, one after the other.
    Json {
        /// In gzip.
        gzip: bool,
    },
}

/// The versions of FOCUS read, oldest first, as (text, `since` number).
pub const FOCUS_VERSIONS: &[(&str, u8)] = &[("1.0", 10), ("1.1", 11), ("1.2", 12), ("1.3", 13), ("1.4", 14)];

/// The FOCUS dialect of a version text such as `1.2`; `None` for versions not read.
#[must_use]
pub fn focus(version: &str) -> Option<Dialect> {
    let (version, _) = FOCUS_VERSIONS.iter().find(|(text, _)| *text == version)?;
    Some(Dialect {
        format: "focus",
        version,
        columns: FOCUS_COLUMNS,
        native: None,
    })
}

/// The dialect of a provider's own export with this header.
#[must_use]
pub fn of_native(native: native::Native, headers: &[String]) -> Dialect {
    use native::{Native, aws, azure::AzureRows, gcp};
    let (format, version) = match &native {
        Native::AwsCur => ("aws-cur", aws::version(headers)),
        Native::Azure(AzureRows::All) => ("azure", "export"),
        Native::Azure(AzureRows::CommitmentPurchases) => ("azure", "actual"),
        Native::Gcp => ("gcp", gcp::version(headers)),
        Native::Oci => ("oci", "cost report"),
        Native::Mapped(_) => ("csv", "mapped"),
    };
    Dialect {
        format,
        version,
        columns: FOCUS_COLUMNS,
        native: Some(native),
    }
}

impl Dialect {
    /// What people call it: `FOCUS 1.2`.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.native {
            None => format!("FOCUS {}", self.version),
            Some(native::Native::AwsCur) => format!("AWS Cost and Usage Report ({})", self.version),
            Some(native::Native::Azure(_)) => "Azure Cost Management export".to_owned(),
            Some(native::Native::Gcp) => format!("Google Cloud billing export ({})", self.version),
            Some(native::Native::Oci) => "Oracle Cloud cost report".to_owned(),
            Some(native::Native::Mapped(mapping)) => format!("a table by the mapping {:?}", mapping.name),
        }
    }

    /// Whose bills have it, when only one provider's have.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        match &self.native {
            None => None,
            Some(native::Native::AwsCur) => Some("AWS"),
            Some(native::Native::Azure(_)) => Some("Microsoft"),
            Some(native::Native::Gcp) => Some("Google Cloud"),
            Some(native::Native::Oci) => Some("Oracle"),
            Some(native::Native::Mapped(mapping)) => mapping.provider.as_deref(),
        }
    }

    /// What separates columns of its CSV.
    #[must_use]
    pub fn delimiter(&self) -> u8 {
        match &self.native {
            Some(native::Native::Mapped(mapping)) => mapping.delimiter,
            _ => b',',
        }
    }
}

impl ColumnSpec {
    /// Whether a header cell names this column.
    #[must_use]
    pub fn matches(&self, header: &str) -> bool {
        self.name.eq_ignore_ascii_case(header) || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(header))
    }
}

/// Whether a cell means null: `""`, `NULL`, `null`.
#[must_use]
pub fn is_null(cell: &[u8]) -> bool {
    cell.is_empty() || cell == b"NULL" || cell == b"null"
}

/// Where a file keeps each column of a dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The dialect.
    pub dialect: Dialect,
    /// Per column of the dialect: its position in the file, if there.
    pub positions: Vec<Option<usize>>,
    /// Columns the dialect does not know: name and position. They are kept.
    pub unknown: Vec<(String, usize)>,
    /// Cells a row must have.
    pub width: usize,
    /// What was remarkable about the header.
    pub findings: Vec<Finding>,
}

/// Names the lake writes or sets itself; a bill's own column of such a name is kept as `x_<name>`.
pub const LAKE_COLUMNS: &[&str] = &["line", "part", "billing_period", crate::price::PRICE_RULE];

use ColumnKind::{Tags as TagSet, Text};
use Need::{Expected, Mandatory};

impl Binding {
    /// Finds every column of `dialect` in a header row.
    ///
    /// # Errors
    /// One finding per missing mandatory column or column named twice.
    pub fn new(dialect: &Dialect, headers: &[String]) -> Result<Binding, Vec<Finding>> {
        let mut errors = Vec::new();
        let mut findings = Vec::new();
        let mut taken = vec![false; headers.len()];
        let mut positions = Vec::with_capacity(dialect.columns.len());
        for column in dialect.columns {
            let mut found = headers
                .iter()
                .enumerate()
                .filter(|(_, header)| column.name.eq_ignore_ascii_case(header.trim()));
            let mut position = found.next().map(|(at, _)| at);
            if let Some((again, _)) = found.next() {
                errors.push(twice(column.name, again));
            }
            if position.is_none() {
                position = headers
                    .iter()
                    .enumerate()
                    .find(|(at, header)| !taken[*at] && column.matches(header.trim()))
                    .map(|(at, _)| at);
            }
            if let Some(at) = position {
                taken[at] = true;
            }
            match (position, column.need) {
                (None, Mandatory) => errors.push(
                    Finding::error(
                        "missing_column",
                        format!("the mandatory column {} is missing", column.name),
                    )
                    .at_line(1)
                    .in_column(column.name)
                    .remedy("export it, or rename the column that holds it"),
                ),
                (None, Expected) => findings.push(
                    Finding::warning(
                        "missing_expected_column",
                        format!(
                            "FOCUS demands {}, the file has none; it is shown as unknown",
                            column.name
                        ),
                    )
                    .in_column(column.name),
                ),
                _ => {}
            }
            positions.push(position);
        }
        let mut unknown: Vec<(String, usize)> = Vec::new();
        for (at, header) in headers.iter().enumerate().filter(|(at, _)| !taken[*at]) {
            let name = if header.trim().is_empty() {
                format!("x_column_{}", at + 1)
            } else {
                header.trim().to_owned()
            };
            let name = if LAKE_COLUMNS.contains(&name.as_str()) {
                format!("x_{name}")
            } else {
                name
            };
            if unknown.iter().any(|(other, _)| *other == name) {
                errors.push(twice(&name, at));
            }
            unknown.push((name, at));
        }
        if errors.is_empty() {
            Ok(Binding {
                dialect: dialect.clone(),
                positions,
                unknown,
                width: headers.len(),
                findings,
            })
        } else {
            Err(errors)
        }
    }

    /// Position of a column in the file.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        let at = self.dialect.columns.iter().position(|column| column.name == name)?;
        self.positions[at]
    }

    /// Reads one row: the scalar reference of the lake's ingest.
    ///
    /// # Errors
    /// One [`CellError`] per bad cell; a row with any is refused whole.
    pub fn read(&self, id: &str, cells: &[&[u8]]) -> Result<Charge, Vec<CellError>> {
        if cells.len() != self.width {
            return Err(vec![CellError::row(
                "wrong_cell_count",
                format!("has {} cells where the header has {}", cells.len(), self.width),
            )]);
        }
        let mut errors = Vec::new();
        let mut attributes = Attributes::default();
        for (column, position) in self.dialect.columns.iter().zip(&self.positions) {
            let Some(cell) = position.map(|at| cells[at]) else {
                continue;
            };
            if let Some(error) = check_cell(column, cell) {
                errors.push(error);
                continue;
            }
            let Ok(text) = std::str::from_utf8(cell) else { continue };
            match column.kind {
                TagSet => attributes.tags = tags::parse(if is_null(cell) { "" } else { text }).unwrap_or_default(),
                Text if !is_null(cell) => {
                    attributes.columns.insert(column.name.to_owned(), text.to_owned());
                }
                _ => {}
            }
        }
        for (name, at) in &self.unknown {
            match std::str::from_utf8(cells[*at]) {
                Ok(text) if !is_null(cells[*at]) => {
                    attributes.columns.insert(name.clone(), text.to_owned());
                }
                Ok(_) => {}
                Err(_) => errors.push(CellError::new("bad_utf8", name, "is not UTF-8")),
            }
        }
        self.finish(id, cells, attributes, errors)
    }

    fn finish(
        &self,
        id: &str,
        cells: &[&[u8]],
        attributes: Attributes,
        mut errors: Vec<CellError>,
    ) -> Result<Charge, Vec<CellError>> {
        let cell = |name: &str| self.position(name).map_or(&b""[..], |at| cells[at]);
        let when = |name: &str| {
            instant::parse(cell(name))
                .map(|parsed| parsed.instant)
                .unwrap_or(Instant(0))
        };
        let money = |name: &str| {
            number::parse_units(cell(name), MONEY_SCALE, Excess::Refuse)
                .ok()
                .and_then(Money::from_units)
                .unwrap_or_default()
        };
        let known_money = |name: &str| {
            let units = number::parse_units(cell(name), MONEY_SCALE, Excess::Refuse).ok();
            units.and_then(Money::from_units)
        };
        let quantity = |name: &str| number::parse_units(cell(name), QUANTITY_SCALE, Excess::Round).ok();
        if errors.is_empty() {
            errors.extend(check_spans(
                when("BillingPeriodStart"),
                when("BillingPeriodEnd"),
                when("ChargePeriodStart"),
                when("ChargePeriodEnd"),
            ));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let currency = attributes
            .column("BillingCurrency")
            .and_then(Currency::parse)
            .unwrap_or_else(Currency::unknown);
        let category = attributes
            .column("ChargeCategory")
            .and_then(ChargeCategory::parse)
            .unwrap_or(ChargeCategory::Usage);
        Ok(Charge {
            id: id.to_owned(),
            period: BillingPeriod::of(when("BillingPeriodStart")),
            span: Span {
                start: when("ChargePeriodStart"),
                end: when("ChargePeriodEnd"),
            },
            currency,
            category,
            billed: money("BilledCost"),
            effective: money("EffectiveCost"),
            prices: Prices {
                list: known_money("ListCost"),
                contracted: known_money("ContractedCost"),
                quantity: quantity("PricingQuantity").or_else(|| quantity("ConsumedQuantity")),
            },
            consumed_s: billed_seconds(attributes.column("ConsumedUnit"), quantity("ConsumedQuantity")),
            attributes,
        })
    }
}

fn twice(name: &str, at: usize) -> Finding {
    Finding::error(
        "duplicate_column",
        format!("the column {name} is there twice (again as column {})", at + 1),
    )
    .at_line(1)
    .in_column(name)
    .remedy("remove or rename one of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    const MINIMUM: [&str; 7] = [
        "BillingPeriodStart",
        "BillingPeriodEnd",
        "ChargePeriodStart",
        "ChargePeriodEnd",
        "ChargeCategory",
        "BilledCost",
        "EffectiveCost",
    ];

    #[test]
    fn binds_any_order_and_case_and_keeps_unknown_columns() {
        let mut names = MINIMUM.to_vec();
        names.reverse();
        names.extend(["SkuPriceid", "x_Extra", "line"]);
        let binding = Binding::new(&focus("1.0").expect("known"), &headers(&names)).expect("binds");
        assert_eq!(binding.position("EffectiveCost"), Some(0));
        assert_eq!(binding.position("SkuPriceId"), Some(7));
        assert_eq!(binding.unknown, [("x_Extra".to_owned(), 8), ("x_line".to_owned(), 9)]);
        let missing: Vec<_> = binding.findings.iter().filter_map(|f| f.column.as_deref()).collect();
        assert_eq!(missing, ["BillingAccountId", "BillingCurrency", "ServiceName"]);
    }

    #[test]
    fn refuses_missing_and_doubled_columns() {
        let errors =
            Binding::new(&focus("1.0").expect("known"), &headers(&MINIMUM[..6])).expect_err("no EffectiveCost");
        assert_eq!(errors[0].column.as_deref(), Some("EffectiveCost"));
        let mut names = MINIMUM.to_vec();
        names.push("billedcost");
        let errors = Binding::new(&focus("1.0").expect("known"), &headers(&names)).expect_err("twice");
        assert_eq!(errors[0].code, "duplicate_column");
    }

    #[test]
    fn rows_are_taken_whole_or_refused_with_reasons() {
        let mut names = MINIMUM.to_vec();
        names.extend(["BillingCurrency", "Tags"]);
        let binding = Binding::new(&focus("1.0").expect("known"), &headers(&names)).expect("binds");
        let read = |cells: [&str; 9]| {
            let bytes: Vec<&[u8]> = cells.iter().map(|c| c.as_bytes()).collect();
            binding.read("d:1:2", &bytes)
        };
        let good = read([
            "2024-09-01",
            "2024-10-01",
            "2024-09-02",
            "2024-09-03",
            "usage",
            "1.5",
            "0.00 ",
            "usd",
            r#"{"a":"b"}"#,
        ])
        .expect("good");
        assert_eq!(
            (
                good.period.to_string().as_str(),
                good.currency.as_str(),
                good.attributes.tag("a")
            ),
            ("2024-09", "USD", Some("b"))
        );
        for (cells, code, column) in [
            (
                [
                    "2024-09-01",
                    "2024-10-01",
                    "2024-09-02",
                    "2024-09-03",
                    "Usage",
                    "$10,000.00 ",
                    "0",
                    "USD",
                    "",
                ],
                "bad_decimal",
                "BilledCost",
            ),
            (
                [
                    "2024-09-01",
                    "2024-10-01",
                    "2024-09-02",
                    "2024-09-03",
                    "Usage",
                    "",
                    "0",
                    "USD",
                    "",
                ],
                "missing_value",
                "BilledCost",
            ),
            (
                [
                    "2024-09-01",
                    "2024-09-01",
                    "2024-09-02",
                    "2024-09-03",
                    "Usage",
                    "1",
                    "0",
                    "USD",
                    "",
                ],
                "wrong_period",
                "BillingPeriodEnd",
            ),
            (
                [
                    "2024-09-01",
                    "2024-10-01",
                    "2024-09-02",
                    "2024-09-01",
                    "Usage",
                    "1",
                    "0",
                    "USD",
                    "",
                ],
                "wrong_period",
                "ChargePeriodEnd",
            ),
            (
                [
                    "2024-09-01",
                    "2024-10-01",
                    "x",
                    "2024-09-01",
                    "Usage",
                    "1",
                    "0",
                    "USD",
                    "",
                ],
                "bad_date",
                "ChargePeriodStart",
            ),
            (
                [
                    "2024-09-01",
                    "2024-10-01",
                    "2024-09-02",
                    "2024-09-03",
                    "Rebate",
                    "1",
                    "0",
                    "USD",
                    "",
                ],
                "bad_value",
                "ChargeCategory",
            ),
            (
                [
                    "2024-09-01",
                    "2024-10-01",
                    "2024-09-02",
                    "2024-09-03",
                    "Usage",
                    "1",
                    "0",
                    "USD",
                    "nope",
                ],
                "bad_tags",
                "Tags",
            ),
        ] {
            let errors = read(cells).expect_err(code);
            assert_eq!((errors[0].code, errors[0].column.as_str()), (code, column));
        }
    }
}
