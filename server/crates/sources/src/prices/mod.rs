//! Price lists as the providers publish them, and our own table of prices, to
//! [`domain::catalogue`] prices. What is no machine's price is counted and
//! passed over; a broken entry refuses the file with its place.

mod aws;
mod azure;
mod gcp;
mod table;

pub use table::read as read_table;

use crate::SourceError;
use domain::catalogue::{Price, SpotAdvice};
use domain::instant::Day;
use domain::{Finding, Money};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// A file of prices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceList {
    /// What it was taken for.
    pub format: &'static str,
    /// Prices of machines.
    pub prices: Vec<Price>,
    /// How often spot capacity is taken back.
    pub advice: Vec<SpotAdvice>,
    /// Entries that are no price of a Linux machine.
    pub passed_over: u64,
}

/// Entries kept of what is wrong with a file.
const FINDINGS_SHOWN: usize = 20;
/// A file larger than this is no JSON price list to be held in memory.
const LARGEST_JSON_BYTES: u64 = 256 << 20;
const REMEDY: &str = "docs/FORMATS.md, \"Prices\", names the files that are read and where to get them";

/// Reads a price list; gzip is unpacked.
///
/// # Errors
/// When the file cannot be read, or is no price list.
pub fn read(path: &Path, name: &str) -> Result<PriceList, SourceError> {
    let io = |source| SourceError::Io {
        path: path.to_owned(),
        source,
    };
    let mut head = BufReader::new(File::open(path).map_err(io)?);
    let packed = head.fill_buf().map_err(io)?.starts_with(&[0x1f, 0x8b]);
    let unpacked: Box<dyn Read> = if packed {
        Box::new(flate2::bufread::MultiGzDecoder::new(head))
    } else {
        Box::new(head)
    };
    let mut reader = BufReader::with_capacity(1 << 16, unpacked);
    let broken = |error: std::io::Error| refused(name, "broken_price_list", format!("cannot be unpacked: {error}"));
    let start = reader.fill_buf().map_err(broken)?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let list = match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => {
            let mut limited = reader.take(LARGEST_JSON_BYTES);
            let value: Value = serde_json::from_reader(&mut limited)
                .map_err(|error| refused(name, "broken_price_list", format!("is no whole JSON: {error}")))?;
            of_json(&value, name)
        }
        Some(b'"') if start.starts_with(b"\"FormatVersion\"") => aws::offers(reader, name),
        Some(_) => table::read(reader, name),
        None => Err(refused(name, "empty_price_list", "is empty")),
    }?;
    if list.prices.is_empty() && list.advice.is_empty() {
        let text = format!("has no price of a Linux machine among {} entries", list.passed_over);
        return Err(refused(name, "no_prices", text));
    }
    Ok(list)
}

/// Which JSON it is shows in its keys; several pages may be in one array.
fn of_json(value: &Value, name: &str) -> Result<PriceList, SourceError> {
    let pages: Vec<&Value> = match value {
        Value::Array(pages) => pages.iter().collect(),
        page => vec![page],
    };
    let has = |key: &str| pages.iter().any(|page| page.get(key).is_some());
    if has("Items") {
        azure::retail(&pages, name)
    } else if has("armSkuName") {
        azure::items(pages.into_iter(), name)
    } else if has("skus") {
        let skus = pages.iter().filter_map(|page| page.get("skus")?.as_array()).flatten();
        gcp::skus(skus, name)
    } else if has("skuId") {
        gcp::skus(pages.into_iter(), name)
    } else if has("SpotPriceHistory") {
        aws::spot_history(&pages, name)
    } else if has("spot_advisor") {
        aws::spot_advisor(value, name)
    } else if has("offerCode") {
        let finding = Finding::error("unread_price_list", "is the JSON form of an AWS price list").in_file(name);
        Err(SourceError::refused(
            finding.remedy("deliver index.csv of the same place: it has the same prices"),
        ))
    } else {
        Err(refused(
            name,
            "unread_price_list",
            "is JSON of none of the price lists that are read",
        ))
    }
}

fn refused(name: &str, code: &str, text: impl Into<String>) -> SourceError {
    SourceError::refused(Finding::error(code, text).in_file(name).remedy(REMEDY))
}

/// What is wrong with the entries of a file.
struct Faults<'n> {
    name: &'n str,
    found: Vec<Finding>,
}

impl<'n> Faults<'n> {
    fn new(name: &'n str) -> Faults<'n> {
        Faults {
            name,
            found: Vec::new(),
        }
    }

    /// Something at a line of a table, or an entry of JSON (`line` is `None`).
    fn push(&mut self, line: Option<u64>, column: &str, text: String) {
        if self.found.len() < FINDINGS_SHOWN {
            let finding = Finding::error("bad_price", text).in_file(self.name).in_column(column);
            let finding = match line {
                Some(line) => finding.at_line(line),
                None => finding,
            };
            self.found.push(finding.remedy("correct it; nothing was taken in"));
        }
    }

    fn end(self, list: PriceList) -> Result<PriceList, SourceError> {
        if self.found.is_empty() {
            Ok(list)
        } else {
            Err(SourceError::Refused { findings: self.found })
        }
    }
}

/// A price that is a decimal and not negative.
fn amount(text: &str) -> Option<Money> {
    Money::parse(text.trim()).ok().filter(|money| money.units() >= 0)
}

/// A JSON number or text as a price: a double in its shortest form.
fn json_amount(value: &Value) -> Option<Money> {
    match value {
        Value::Number(number) => amount(&number.to_string()),
        Value::String(text) => amount(text),
        _ => None,
    }
}

fn day(text: &str) -> Option<Day> {
    domain::instant::parse(text.trim().as_bytes())
        .ok()
        .map(|parsed| parsed.instant.day())
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// A fee for a whole term by the hour: a year has 365 days here, as terms are sold.
fn by_the_hour(fee: Money, term_months: u32) -> Option<Money> {
    let hours = i128::from(term_months) * 365 * 24 / 12;
    Money::from_units(fee.units().checked_div(hours)?)
}

#[cfg(test)]
mod tests;
