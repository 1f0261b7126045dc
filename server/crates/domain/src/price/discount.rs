//! Discounts to the lines they discount (A17): private pricing, enterprise and
//! bundled discounts are no credit and nobody's income.

use super::{Book, Kind, Policy, PriceError, PriceRule, Scope, text};
use crate::charge::ChargeCategory;
use crate::class::Class;
use crate::money::Money;
use std::collections::{BTreeMap, BTreeSet};

/// What a discount names of what it discounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    scope: Scope,
    sub_account: String,
    service: String,
    sku: String,
}

fn is_discount(line: &Kind<'_>) -> bool {
    line.class == Class::Discount && line.category != ChargeCategory::Tax
}

/// Whether somebody else sells it through the provider: then no discount and no
/// support fee is on it (A24). Providers write their own name in many ways.
fn is_marketplace(line: &Kind<'_>) -> bool {
    const NAMES: [&[&str]; 4] = [&["amazon", "aws"], &["microsoft", "azure"], &["google"], &["oracle"]];
    let publisher = text(line.attributes, "PublisherName").to_ascii_lowercase();
    let provider = line.attributes.provider().unwrap_or("").trim().to_ascii_lowercase();
    if publisher.is_empty() || provider.is_empty() || publisher == provider {
        return false;
    }
    let of = |text: &str| {
        NAMES
            .iter()
            .position(|names| names.iter().any(|name| text.contains(name)))
    };
    // of a provider that is not known its other names are not known either
    of(&provider).is_some_and(|known| of(&publisher) != Some(known))
}

/// Usage, and purchases that are no commitment, of the provider itself.
fn is_discounted(line: &Kind<'_>) -> bool {
    let kept_out = [
        Class::Discount,
        Class::Credit,
        Class::Tax,
        Class::Support,
        Class::Licence,
        Class::CommitmentPurchase,
    ];
    matches!(line.category, ChargeCategory::Usage | ChargeCategory::Purchase)
        && !kept_out.contains(&line.class)
        && !is_marketplace(line)
}

/// Moves every discount to lines of the same account, service and SKU; else of
/// the same account and service; else of the account; else of the billing
/// account, by their EffectiveCost. One that finds none stays.
pub(super) fn step(book: &mut Book<'_, '_>) -> Result<(), PriceError> {
    if !book.policy.discounts {
        return Ok(());
    }
    let mut discounts: BTreeMap<Named, Vec<usize>> = BTreeMap::new();
    let mut discounted: BTreeMap<Scope, Vec<usize>> = BTreeMap::new();
    for at in 0..book.groups.len() {
        let line = book.groups[at].kind();
        if is_discount(&line) {
            discounts.entry(named(book, at)).or_default().push(at);
        } else if is_discounted(&line) && !book.policy.names_fee(&line, book.groups[at].span.first_day()) {
            discounted.entry(book.scope(at)).or_default().push(at);
        }
    }
    // by what lines cost before any discount, so that the order of discounts is nothing
    let before = book.running.clone();
    for (named, from) in discounts {
        let Some(candidates) = discounted.get(&named.scope) else {
            continue;
        };
        let money = Money::sum(from.iter().map(|at| before[*at]))?;
        for level in 0..4 {
            let to: Vec<usize> = candidates
                .iter()
                .copied()
                .filter(|at| matches(book, *at, &named, level))
                .collect();
            let weights: Vec<i128> = to.iter().map(|at| before[*at].units().max(0)).collect();
            if book.share(money, &to, &weights, PriceRule::Discount)? {
                for at in from {
                    book.give(at, PriceRule::Discount, -before[at])?;
                }
                break;
            }
        }
    }
    Ok(())
}

fn named(book: &Book<'_, '_>, at: usize) -> Named {
    Named {
        scope: book.scope(at),
        sub_account: book.text(at, "SubAccountId"),
        service: book.text(at, "ServiceName"),
        sku: book.text(at, "SkuId"),
    }
}

fn matches(book: &Book<'_, '_>, at: usize, named: &Named, level: usize) -> bool {
    let of = |column, name: &str| text(book.groups[at].attributes, column) == name;
    let account = of("SubAccountId", &named.sub_account);
    match level {
        0 => !named.sku.is_empty() && account && of("ServiceName", &named.service) && of("SkuId", &named.sku),
        1 => account && of("ServiceName", &named.service),
        2 => account,
        _ => true,
    }
}

/// Billing accounts with a discount.
#[derive(Debug, Clone, Default)]
pub(super) struct Live(BTreeSet<String>);

impl Live {
    pub fn of<'a>(kinds: impl Iterator<Item = Kind<'a>>, policy: &Policy) -> Live {
        let with = kinds.filter(|line| policy.discounts && is_discount(line));
        Live(with.map(|line| account(&line)).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn wants(&self, line: &Kind<'_>) -> bool {
        !self.is_empty() && (is_discount(line) || is_discounted(line)) && self.0.contains(&account(line))
    }
}

fn account(line: &Kind<'_>) -> String {
    text(line.attributes, "BillingAccountId").to_owned()
}
