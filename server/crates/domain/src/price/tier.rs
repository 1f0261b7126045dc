//! Volume tiers and free tiers at the average net price (A18): nobody owns the
//! first, dearest or free, gigabyte.

use super::{Book, Kind, Policy, PriceError, PriceRule, Scope, text, unit};
use crate::charge::ChargeCategory;
use crate::money::Money;
use std::collections::{BTreeMap, BTreeSet};

/// What has one price.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Sku {
    account: String,
    sku: String,
    region: String,
    unit: String,
}

/// The SKU of a line that is priced by quantity, without a commitment and at no
/// market price.
fn sku(line: &Kind<'_>) -> Option<Sku> {
    let is = |column: &str, value: &str| text(line.attributes, column).eq_ignore_ascii_case(value);
    let sku = text(line.attributes, "SkuId");
    let standard = text(line.attributes, "PricingCategory").is_empty() || is("PricingCategory", "Standard");
    let plain = line.category == ChargeCategory::Usage
        && standard
        && text(line.attributes, "CommitmentDiscountId").is_empty()
        && text(line.attributes, "CapacityReservationStatus").is_empty()
        && !is("ChargeClass", "Correction");
    (plain && !sku.is_empty()).then(|| Sku {
        account: text(line.attributes, "BillingAccountId").to_owned(),
        sku: sku.to_owned(),
        region: text(line.attributes, "RegionId").to_owned(),
        unit: unit(line.attributes),
    })
}

/// Gives every line of a SKU with several prices in the month the average, by
/// quantity. Lines without one, or with one below zero, keep their cost.
pub(super) fn step(book: &mut Book<'_, '_>) -> Result<(), PriceError> {
    if !book.policy.tiers {
        return Ok(());
    }
    let mut skus: BTreeMap<(Scope, Sku), Vec<usize>> = BTreeMap::new();
    for at in 0..book.groups.len() {
        let group = &book.groups[at];
        if let (Some(sku), Some(0..)) = (sku(&group.kind()), group.prices.quantity) {
            skus.entry((book.scope(at), sku)).or_default().push(at);
        }
    }
    for lines in skus.into_values() {
        let prices: BTreeSet<String> = lines.iter().map(|at| book.text(*at, "SkuPriceId")).collect();
        if prices.len() < 2 {
            continue;
        }
        let money = Money::sum(lines.iter().map(|at| book.running[*at]))?;
        let weights: Vec<i128> = lines
            .iter()
            .map(|at| book.groups[*at].prices.quantity.unwrap_or(0))
            .collect();
        let before: Vec<Money> = lines.iter().map(|at| book.running[*at]).collect();
        if book.share(money, &lines, &weights, PriceRule::Tier)? {
            for (at, before) in lines.iter().zip(before) {
                book.give(*at, PriceRule::Tier, -before)?;
            }
        }
    }
    Ok(())
}

/// SKUs with several prices.
#[derive(Debug, Clone, Default)]
pub(super) struct Live(BTreeSet<Sku>);

impl Live {
    pub fn of<'a>(kinds: impl Iterator<Item = Kind<'a>>, policy: &Policy) -> Live {
        let mut prices: BTreeMap<Sku, BTreeSet<&'a str>> = BTreeMap::new();
        if policy.tiers {
            for line in kinds {
                if let Some(sku) = sku(&line) {
                    let price = text(line.attributes, "SkuPriceId");
                    prices.entry(sku).or_default().insert(price);
                }
            }
        }
        let several = prices.into_iter().filter(|(_, prices)| prices.len() > 1);
        Live(several.map(|(sku, _)| sku).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn wants(&self, line: &Kind<'_>) -> bool {
        !self.is_empty() && sku(line).is_some_and(|sku| self.0.contains(&sku))
    }
}
