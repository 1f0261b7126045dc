//! AWS: the price list of EC2 as CSV (`offers/v1.0/aws/AmazonEC2/.../index.csv`),
//! the history of spot prices, and the Spot Instance Advisor.

use super::{Faults, PriceList, amount, by_the_hour, day, json_amount, refused, text};
use crate::SourceError;
use domain::catalogue::{Offer, Per, Price, Purchase, SpotAdvice};
use domain::{Currency, Money};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;

/// Lines before the header: FormatVersion, Disclaimer, Publication Date, Version, OfferCode.
const PREAMBLE_LINES: usize = 5;

/// A price list of EC2. Kept: Linux, shared tenancy, nothing pre-installed,
/// capacity in use, standard reservations. A reservation has a line for its
/// upfront fee and one by the hour; together they are one price.
pub(super) fn offers(reader: impl Read, name: &str) -> Result<PriceList, SourceError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(reader);
    let broken = |error: csv::Error| refused(name, "broken_csv", error.to_string());
    let mut record = csv::StringRecord::new();
    let mut published = String::new();
    for _ in 0..PREAMBLE_LINES {
        if !reader.read_record(&mut record).map_err(broken)? {
            return Err(refused(name, "no_prices", "ends before its header"));
        }
        if record.get(0) == Some("Publication Date") {
            published = record.get(1).unwrap_or("").chars().take(10).collect();
        }
    }
    reader.read_record(&mut record).map_err(broken)?;
    let columns = Columns::of(&record).map_err(|column| {
        refused(
            name,
            "no_prices",
            format!("is no price list of EC2: it has no column {column}"),
        )
    })?;
    let source = format!("AWS Price List, {published}");
    let mut faults = Faults::new(name);
    let (mut passed_over, mut prices): (u64, BTreeMap<Offer, Money>) = (0, BTreeMap::new());
    while reader.read_record(&mut record).map_err(broken)? {
        let line = record.position().map(csv::Position::line);
        if !columns.wanted(&record) {
            passed_over += 1;
            continue;
        }
        match columns.price(&record) {
            Ok((offer, hourly)) => {
                let sum = prices.entry(offer).or_default();
                match sum.checked_add(hourly) {
                    Ok(total) => *sum = total,
                    Err(_) => faults.push(line, "PricePerUnit", "is too large".to_owned()),
                }
            }
            Err((column, text)) => faults.push(line, column, text),
        }
    }
    let prices = prices.into_iter().map(|(offer, price)| Price {
        offer,
        price,
        source: source.clone(),
    });
    faults.end(PriceList {
        format: "aws price list",
        prices: prices.collect(),
        passed_over,
        ..PriceList::default()
    })
}

/// Columns by name.
struct Columns(BTreeMap<&'static str, usize>);

const NAMES: [&str; 16] = [
    "TermType",
    "EffectiveDate",
    "Unit",
    "PricePerUnit",
    "Currency",
    "LeaseContractLength",
    "PurchaseOption",
    "OfferingClass",
    "Product Family",
    "Instance Type",
    "Tenancy",
    "Operating System",
    "CapacityStatus",
    "Pre Installed S/W",
    "Region Code",
    "License Model",
];

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Columns, &'static str> {
        let find = |name: &'static str| {
            let at = header.iter().position(|column| column.trim() == name);
            at.map(|at| (name, at)).ok_or(name)
        };
        Ok(Columns(NAMES.into_iter().map(find).collect::<Result<_, _>>()?))
    }

    fn cell<'r>(&self, record: &'r csv::StringRecord, name: &str) -> &'r str {
        self.0.get(name).and_then(|at| record.get(*at)).unwrap_or("").trim()
    }

    fn wanted(&self, record: &csv::StringRecord) -> bool {
        let is = |name: &str, values: &[&str]| values.contains(&self.cell(record, name));
        is("Product Family", &["Compute Instance", "Compute Instance (bare metal)"])
            && is("Tenancy", &["Shared"])
            && is("Operating System", &["Linux"])
            && is("Pre Installed S/W", &["NA", ""])
            && is("CapacityStatus", &["Used"])
            && is("License Model", &["No License required", "NA", ""])
            && (is("TermType", &["OnDemand"]) || is("OfferingClass", &["standard"]))
    }

    fn price(&self, record: &csv::StringRecord) -> Result<(Offer, Money), (&'static str, String)> {
        let cell = |name: &str| self.cell(record, name);
        let bad = |name: &'static str, what: &str| (name, format!("{:?} is no {what}", cell(name)));
        let reserved = cell("TermType") == "Reserved";
        let term_months = match cell("LeaseContractLength") {
            _ if !reserved => 0,
            "1yr" | "1 yr" => 12,
            "3yr" | "3 yr" => 36,
            _ => return Err(bad("LeaseContractLength", "term of 1yr or 3yr")),
        };
        let price = amount(cell("PricePerUnit")).ok_or_else(|| bad("PricePerUnit", "price"))?;
        let hourly = match cell("Unit") {
            "Hrs" | "Hours" => price,
            "Quantity" if reserved => {
                by_the_hour(price, term_months).ok_or_else(|| bad("PricePerUnit", "upfront fee"))?
            }
            _ => return Err(bad("Unit", "unit of a machine: Hrs, or Quantity for an upfront fee")),
        };
        let payment = cell("PurchaseOption").to_ascii_lowercase().replace(' ', "-");
        let offer = Offer {
            provider: "aws".to_owned(),
            region: cell("Region Code").to_owned(),
            resource_type: cell("Instance Type").to_owned(),
            purchase: if reserved {
                Purchase::Reserved
            } else {
                Purchase::OnDemand
            },
            term_months,
            payment: if reserved { payment } else { String::new() },
            per: Per::Hour,
            currency: Currency::parse(cell("Currency")).ok_or_else(|| bad("Currency", "currency"))?,
            from: day(cell("EffectiveDate")).ok_or_else(|| bad("EffectiveDate", "day"))?,
        };
        Ok((offer, hourly))
    }
}

/// `aws ec2 describe-spot-price-history`: the highest price of the zones of a
/// region at the end of each day, so that an estimate is not too low.
pub(super) fn spot_history(pages: &[&Value], name: &str) -> Result<PriceList, SourceError> {
    let mut faults = Faults::new(name);
    let mut last: BTreeMap<(Offer, String), (String, Money)> = BTreeMap::new();
    let mut passed_over = 0;
    let entries = pages.iter().filter_map(|page| page.get("SpotPriceHistory")?.as_array());
    for entry in entries.flatten() {
        if !text(entry, "ProductDescription").starts_with("Linux/UNIX") {
            passed_over += 1;
            continue;
        }
        let (zone, time) = (text(entry, "AvailabilityZone"), text(entry, "Timestamp"));
        let price = entry.get("SpotPrice").and_then(json_amount);
        let (Some(price), Some(from), Some(currency)) = (price, day(time), Currency::parse("USD")) else {
            faults.push(None, "SpotPrice", format!("{entry} has no SpotPrice or Timestamp"));
            continue;
        };
        let offer = Offer {
            provider: "aws".to_owned(),
            region: zone.trim_end_matches(|c: char| c.is_ascii_lowercase()).to_owned(),
            resource_type: text(entry, "InstanceType").to_owned(),
            purchase: Purchase::Spot,
            term_months: 0,
            payment: String::new(),
            per: Per::Hour,
            currency,
            from,
        };
        let seen = last.entry((offer, zone.to_owned())).or_default();
        if seen.0.as_str() <= time {
            *seen = (time.to_owned(), price);
        }
    }
    let mut prices: BTreeMap<Offer, Money> = BTreeMap::new();
    for ((offer, _), (_, price)) in last {
        let highest = prices.entry(offer).or_default();
        *highest = (*highest).max(price);
    }
    let prices = prices.into_iter().map(|(offer, price)| Price {
        offer,
        price,
        source: "AWS spot price history".to_owned(),
    });
    faults.end(PriceList {
        format: "aws spot prices",
        prices: prices.collect(),
        passed_over,
        ..PriceList::default()
    })
}

/// The Spot Instance Advisor: the labels of `ranges` say what the bands are, and
/// `spot_advisor` has region, system, type: `s` the saving, `r` the band.
pub(super) fn spot_advisor(value: &Value, name: &str) -> Result<PriceList, SourceError> {
    let number = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_u64)
            .and_then(|n| u32::try_from(n).ok())
    };
    let mut faults = Faults::new(name);
    let mut bands: BTreeMap<u32, (u32, Option<u32>)> = BTreeMap::new();
    for range in value.get("ranges").and_then(Value::as_array).into_iter().flatten() {
        match (number(range, "index"), band(text(range, "label"))) {
            (Some(index), Some(band)) => {
                bands.insert(index, band);
            }
            _ => faults.push(
                None,
                "ranges",
                format!("{range} has no index, or no label such as <5%, 5-10% or >20%"),
            ),
        }
    }
    let mut advice = Vec::new();
    let regions = value
        .get("spot_advisor")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    for (region, systems) in regions {
        for (os, types) in systems.as_object().into_iter().flatten() {
            for (resource_type, of) in types.as_object().into_iter().flatten() {
                let saving = of.get("s").and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
                let (Some(saving), Some(index)) = (saving, number(of, "r")) else {
                    faults.push(
                        None,
                        "spot_advisor",
                        format!("{region} {os} {resource_type} has no s or r"),
                    );
                    continue;
                };
                let Some((from, below)) = bands.get(&index) else {
                    let text = format!("there is no band {index}, which {region} {resource_type} is in");
                    faults.push(None, "ranges", text);
                    continue;
                };
                advice.push(SpotAdvice {
                    region: region.clone(),
                    os: os.clone(),
                    resource_type: resource_type.clone(),
                    saving_percent: saving,
                    interrupted_from_percent: *from,
                    interrupted_below_percent: *below,
                });
            }
        }
    }
    faults.end(PriceList {
        format: "aws spot advisor",
        advice,
        ..PriceList::default()
    })
}

/// Bounds of a band by its label: `<5%`, `5-10%`, `>20%`.
fn band(label: &str) -> Option<(u32, Option<u32>)> {
    let label = label.trim().trim_end_matches('%');
    if let Some(below) = label.strip_prefix('<') {
        return Some((0, Some(below.parse().ok()?)));
    }
    if let Some(from) = label.strip_prefix('>') {
        return Some((from.parse().ok()?, None));
    }
    let (from, below) = label.split_once('-')?;
    Some((from.parse().ok()?, Some(below.parse().ok()?)))
}
