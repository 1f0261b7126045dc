//! Azure: pages of the Retail Prices API.

use super::{Faults, PriceList, by_the_hour, day, json_amount, text};
use crate::SourceError;
use domain::Currency;
use domain::catalogue::{Offer, Per, Price, Purchase};
use serde_json::Value;

/// Pages with `Items`.
pub(super) fn retail(pages: &[&Value], name: &str) -> Result<PriceList, SourceError> {
    let entries = pages.iter().filter_map(|page| page.get("Items")?.as_array());
    items(entries.flatten(), name)
}

/// Kept: virtual machines in their primary meter's region, by the hour, not
/// Windows, not low priority, not for development and test. Savings plans of a
/// machine are reserved prices whose payment is `savings-plan`.
pub(super) fn items<'v>(entries: impl Iterator<Item = &'v Value>, name: &str) -> Result<PriceList, SourceError> {
    let mut faults = Faults::new(name);
    let (mut prices, mut passed_over) = (Vec::new(), 0);
    for item in entries {
        if !wanted(item) {
            passed_over += 1;
            continue;
        }
        if let Err((column, what)) = take(item, &mut prices) {
            let which = format!("{} in {}", text(item, "armSkuName"), text(item, "armRegionName"));
            faults.push(None, column, format!("{which}: {what}"));
        }
    }
    faults.end(PriceList {
        format: "azure retail prices",
        prices,
        passed_over,
        ..PriceList::default()
    })
}

fn wanted(item: &Value) -> bool {
    text(item, "serviceName") == "Virtual Machines"
        && matches!(text(item, "type"), "Consumption" | "Reservation")
        && !text(item, "productName").contains("Windows")
        && !text(item, "skuName").contains("Low Priority")
        && !text(item, "armSkuName").is_empty()
        && text(item, "unitOfMeasure") == "1 Hour"
        && item.get("isPrimaryMeterRegion").and_then(Value::as_bool) != Some(false)
}

fn take(item: &Value, prices: &mut Vec<Price>) -> Result<(), (&'static str, String)> {
    let missing = |column: &'static str, what: &str| (column, format!("{column} is no {what}"));
    let price = item
        .get("retailPrice")
        .and_then(json_amount)
        .ok_or_else(|| missing("retailPrice", "price"))?;
    let currency = Currency::parse(text(item, "currencyCode")).ok_or_else(|| missing("currencyCode", "currency"))?;
    let from = day(text(item, "effectiveStartDate")).ok_or_else(|| missing("effectiveStartDate", "day"))?;
    let mut push = |purchase, term_months, payment: &str, price| {
        prices.push(Price {
            offer: Offer {
                provider: "azure".to_owned(),
                region: text(item, "armRegionName").to_owned(),
                resource_type: text(item, "armSkuName").to_owned(),
                purchase,
                term_months,
                payment: payment.to_owned(),
                per: Per::Hour,
                currency: currency.clone(),
                from,
            },
            price,
            source: "Azure Retail Prices API".to_owned(),
        });
    };
    if text(item, "type") == "Reservation" {
        // the price is of the whole term, although its unit says an hour
        let term_months = months(text(item, "reservationTerm")).ok_or_else(|| missing("reservationTerm", "term"))?;
        let hourly = by_the_hour(price, term_months).ok_or_else(|| missing("retailPrice", "price of a term"))?;
        push(Purchase::Reserved, term_months, "all-upfront", hourly);
        return Ok(());
    }
    let spot = text(item, "skuName").ends_with("Spot");
    push(if spot { Purchase::Spot } else { Purchase::OnDemand }, 0, "", price);
    for plan in item.get("savingsPlan").and_then(Value::as_array).into_iter().flatten() {
        let term_months = months(text(plan, "term")).ok_or_else(|| missing("savingsPlan", "list of terms"))?;
        let price = plan
            .get("retailPrice")
            .and_then(json_amount)
            .ok_or_else(|| missing("savingsPlan", "list of prices"))?;
        push(Purchase::Reserved, term_months, "savings-plan", price);
    }
    Ok(())
}

/// `1 Year`, `3 Years`.
fn months(term: &str) -> Option<u32> {
    let (years, unit) = term.trim().split_once(' ')?;
    unit.starts_with("Year")
        .then(|| years.parse::<u32>().ok()?.checked_mul(12))
        .flatten()
        .filter(|months| *months > 0)
}
