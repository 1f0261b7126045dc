//! Google Cloud: SKUs of the Cloud Billing Catalog API for Compute Engine, which
//! prices the cores and the memory of a machine family apart.

use super::{Faults, PriceList, day, text};
use crate::SourceError;
use domain::catalogue::{Offer, Per, Price, Purchase};
use domain::number::{Excess, parse_units};
use domain::{Currency, Money};
use serde_json::Value;

/// Kept: cores and memory of predefined machine families. Passed over: custom
/// and sole-tenant machines, accelerators, disks, premiums and licences.
pub(super) fn skus<'v>(entries: impl Iterator<Item = &'v Value>, name: &str) -> Result<PriceList, SourceError> {
    let mut faults = Faults::new(name);
    let (mut prices, mut passed_over) = (Vec::new(), 0);
    for sku in entries {
        let Some(part) = Part::of(sku) else {
            passed_over += 1;
            continue;
        };
        if let Err(what) = part.take(sku, &mut prices) {
            let which = format!("{} ({})", text(sku, "skuId"), text(sku, "description"));
            faults.push(None, "pricingInfo", format!("{which}: {what}"));
        }
    }
    faults.end(PriceList {
        format: "gcp catalog",
        prices,
        passed_over,
        ..PriceList::default()
    })
}

/// What a SKU prices.
struct Part {
    family: String,
    per: Per,
    purchase: Purchase,
    term_months: u32,
}

impl Part {
    fn of(sku: &Value) -> Option<Part> {
        let category = sku.get("category")?;
        let description = text(sku, "description");
        let other = ["Custom", "Sole Tenancy", "Premium", "Extended", "License", "Reserved"];
        if text(category, "resourceFamily") != "Compute" || other.iter().any(|word| description.contains(word)) {
            return None;
        }
        let (purchase, term_months) = match text(category, "usageType") {
            "OnDemand" => (Purchase::OnDemand, 0),
            "Preemptible" => (Purchase::Spot, 0),
            "Commit1Yr" => (Purchase::Reserved, 12),
            "Commit3Yr" => (Purchase::Reserved, 36),
            _ => return None,
        };
        let machine = description
            .trim_start_matches("Spot ")
            .trim_start_matches("Preemptible ")
            .trim_start_matches("Commitment v1: ");
        // "N2D AMD Instance Core running in ..", "N2 Cpu in Frankfurt for 1 Year"
        let words: Vec<&str> = machine.split(' ').collect();
        let at = words.iter().position(|word| matches!(*word, "Core" | "Ram" | "Cpu"))?;
        let per = if words[at] == "Ram" {
            Per::GibibyteHour
        } else {
            Per::CoreHour
        };
        Some(Part {
            family: family(&words[..at])?,
            per,
            purchase,
            term_months,
        })
    }

    fn take(&self, sku: &Value, prices: &mut Vec<Price>) -> Result<(), &'static str> {
        let info = sku
            .get("pricingInfo")
            .and_then(Value::as_array)
            .and_then(|all| all.last())
            .ok_or("has no pricingInfo")?;
        let expression = info.get("pricingExpression").ok_or("has no pricingExpression")?;
        let unit = text(expression, "usageUnit");
        if !matches!((self.per, unit), (Per::CoreHour, "h") | (Per::GibibyteHour, "GiBy.h")) {
            return Err("has a usageUnit other than h for cores and GiBy.h for memory");
        }
        let rate = expression
            .get("tieredRates")
            .and_then(Value::as_array)
            .and_then(|rates| rates.last())
            .and_then(|rate| rate.get("unitPrice"))
            .ok_or("has no tieredRates")?;
        let currency = Currency::parse(text(rate, "currencyCode")).ok_or("has no currencyCode")?;
        let price = unit_price(rate).ok_or("has no price in units and nanos")?;
        let from = day(text(info, "effectiveTime")).ok_or("has no effectiveTime")?;
        let regions = sku.get("serviceRegions").and_then(Value::as_array);
        for region in regions.into_iter().flatten().filter_map(Value::as_str) {
            prices.push(Price {
                offer: Offer {
                    provider: "gcp".to_owned(),
                    region: region.to_owned(),
                    resource_type: self.family.clone(),
                    purchase: self.purchase,
                    term_months: self.term_months,
                    payment: String::new(),
                    per: self.per,
                    currency: currency.clone(),
                    from,
                },
                price,
                source: "Google Cloud Billing Catalog API".to_owned(),
            });
        }
        Ok(())
    }
}

/// The family in front of `Core`, `Ram` or `Cpu`: `n2d` of `N2D AMD Instance`.
fn family(words: &[&str]) -> Option<String> {
    match words {
        ["Compute", "optimized", ..] => Some("c2".to_owned()),
        ["Memory-optimized", ..] => Some("m1".to_owned()),
        // commitments of the first family do not name it
        [] => Some("n1".to_owned()),
        [first, ..] => {
            let digit = first.chars().any(|c| c.is_ascii_digit());
            (digit && first.len() <= 4).then(|| first.to_ascii_lowercase())
        }
    }
}

/// `units` whole and `nanos` billionths.
fn unit_price(rate: &Value) -> Option<Money> {
    let units = match rate.get("units") {
        None => "0".to_owned(),
        Some(Value::String(units)) => units.clone(),
        Some(units) => units.to_string(),
    };
    let nanos = match rate.get("nanos") {
        None => 0,
        Some(nanos) => nanos.as_u64().filter(|nanos| *nanos < 1_000_000_000)?,
    };
    let text = format!("{units}.{nanos:09}");
    let units = parse_units(text.as_bytes(), domain::money::MONEY_SCALE, Excess::Refuse).ok()?;
    Money::from_units(units).filter(|money| money.units() >= 0)
}
