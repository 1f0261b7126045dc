//! Our own table of prices: CSV, one price a line.

use super::{Faults, PriceList, amount, day, refused};
use crate::SourceError;
use domain::Currency;
use domain::catalogue::{Offer, Per, Price, Purchase};
use std::io::Read;

const NEEDED: [&str; 5] = ["provider", "purchase_option", "unit", "currency", "price"];

/// Reads our own table of prices: columns `provider, region, resource_type,
/// purchase_option, term_months, payment_option, unit, currency, price,
/// valid_from, source`, in any order.
///
/// # Errors
/// When a line is no price.
pub fn read(reader: impl Read, name: &str) -> Result<PriceList, SourceError> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(reader);
    let broken = |error: csv::Error| refused(name, "broken_csv", error.to_string());
    let header: Vec<String> = reader
        .headers()
        .map_err(broken)?
        .iter()
        .map(|column| column.trim_start_matches('\u{feff}').to_ascii_lowercase())
        .collect();
    let at = |column: &str| header.iter().position(|name| name == column);
    if let Some(missing) = NEEDED.into_iter().find(|column| at(column).is_none()) {
        let text = format!("is no table of prices: it has no column {missing}");
        return Err(refused(name, "no_prices", text));
    }
    let mut faults = Faults::new(name);
    let mut prices = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(broken)? {
        let line = record.position().map(csv::Position::line);
        let cell = |column: &str| at(column).and_then(|at| record.get(at)).unwrap_or("");
        match price(&cell) {
            Ok(price) => prices.push(price),
            Err((column, text)) => faults.push(line, column, text),
        }
    }
    faults.end(PriceList {
        format: "table",
        prices,
        ..PriceList::default()
    })
}

fn price<'r>(cell: &impl Fn(&str) -> &'r str) -> Result<Price, (&'static str, String)> {
    let bad = |column: &'static str, what: &str| (column, format!("{:?} is no {what}", cell(column)));
    let or_any = |text: &str| {
        if text.is_empty() {
            "*".to_owned()
        } else {
            text.to_owned()
        }
    };
    let purchase = Purchase::parse(cell("purchase_option"))
        .ok_or_else(|| bad("purchase_option", "on-demand, spot or reserved"))?;
    let term_months = match cell("term_months") {
        "" => 0,
        months => months
            .parse()
            .map_err(|_| bad("term_months", "whole number of months"))?,
    };
    if (purchase == Purchase::Reserved) != (term_months > 0) {
        return Err(("term_months", "reserved prices have a term, and only they".to_owned()));
    }
    if cell("provider").is_empty() {
        return Err(bad("provider", "provider, such as aws, azure, gcp or own"));
    }
    let from = match cell("valid_from") {
        "" => domain::instant::Day(0),
        text => day(text).ok_or_else(|| bad("valid_from", "day"))?,
    };
    Ok(Price {
        offer: Offer {
            provider: cell("provider").to_ascii_lowercase(),
            region: cell("region").to_owned(),
            resource_type: or_any(cell("resource_type")),
            purchase,
            term_months,
            payment: cell("payment_option").to_owned(),
            per: Per::parse(cell("unit")).ok_or_else(|| bad("unit", "hour, core-hour or gib-hour"))?,
            currency: Currency::parse(cell("currency")).ok_or_else(|| bad("currency", "currency"))?,
            from,
        },
        price: amount(cell("price")).ok_or_else(|| bad("price", "price: a decimal that is not negative"))?,
        source: cell("source").to_owned(),
    })
}
