//! Fees of Google's spend-based commitments to the lines they paid for. The
//! bill has a fee by the day without a resource, and a credit of type
//! `COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE` on every line it covered; what those
//! lines really cost is what is left of them and their part of the fee, by what
//! was credited (OpenCost, pull request 2296: paid over credited, by the day).
//!
//! Such lines are told by PricingCategory *Committed* without a
//! CommitmentDiscountId, which the reader of Google's exports sets. What was
//! credited is ContractedCost less EffectiveCost: other credits on the same
//! line are in it.

use super::{Book, Kind, Policy, PriceError, PriceRule, Scope, text};
use crate::charge::ChargeCategory;
use crate::instant::Day;
use crate::money::Money;
use std::collections::{BTreeMap, BTreeSet};

fn is_committed(line: &Kind<'_>) -> bool {
    let google = line.attributes.provider().is_some_and(|name| name.contains("Google"));
    google
        && text(line.attributes, "PricingCategory").eq_ignore_ascii_case("Committed")
        && text(line.attributes, "CommitmentDiscountId").is_empty()
        && !text(line.attributes, "ChargeClass").eq_ignore_ascii_case("Correction")
}

fn is_fee(line: &Kind<'_>) -> bool {
    line.category == ChargeCategory::Purchase && is_committed(line)
}

fn is_covered(line: &Kind<'_>) -> bool {
    line.category == ChargeCategory::Usage && is_committed(line)
}

/// Moves every fee to the lines covered on its day, else in its month; one that
/// nothing used stays.
pub(super) fn step(book: &mut Book<'_, '_>) -> Result<(), PriceError> {
    if !book.policy.spend_fees {
        return Ok(());
    }
    let mut fees: BTreeMap<(Scope, Day), Vec<usize>> = BTreeMap::new();
    let mut covered: BTreeMap<Scope, Vec<usize>> = BTreeMap::new();
    for at in 0..book.groups.len() {
        let line = book.groups[at].kind();
        if is_fee(&line) {
            let day = book.groups[at].span.first_day();
            fees.entry((book.scope(at), day)).or_default().push(at);
        } else if is_covered(&line) {
            covered.entry(book.scope(at)).or_default().push(at);
        }
    }
    let before = book.running.clone();
    for ((scope, day), from) in fees {
        let Some(lines) = covered.get(&scope) else { continue };
        let money = Money::sum(from.iter().map(|at| before[*at]))?;
        let same_day = |at: &usize| book.groups[*at].span.first_day() == day;
        let of_day: Vec<usize> = lines.iter().copied().filter(same_day).collect();
        for to in [&of_day, lines] {
            let weights = to.iter().map(|at| credited(book, *at)).collect::<Result<Vec<_>, _>>()?;
            if book.share(money, to, &weights, PriceRule::SpendFee)? {
                for at in from {
                    book.give(at, PriceRule::SpendFee, -before[at])?;
                }
                break;
            }
        }
    }
    Ok(())
}

/// What was credited on lines, as they are on the bill; nothing when one has no ContractedCost.
fn credited(book: &Book<'_, '_>, at: usize) -> Result<i128, PriceError> {
    let group = &book.groups[at];
    let credited = group
        .prices
        .contracted
        .map(|contracted| contracted.checked_sub(group.effective))
        .transpose()?;
    Ok(credited.map_or(0, |credited| credited.units().max(0)))
}

/// Billing accounts with such a fee.
#[derive(Debug, Clone, Default)]
pub(super) struct Live(BTreeSet<String>);

impl Live {
    pub fn of<'a>(kinds: impl Iterator<Item = Kind<'a>>, policy: &Policy) -> Live {
        let fees = kinds.filter(|line| policy.spend_fees && is_fee(line));
        Live(fees.map(|line| account(&line)).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn wants(&self, line: &Kind<'_>) -> bool {
        !self.is_empty() && is_committed(line) && self.0.contains(&account(line))
    }
}

fn account(line: &Kind<'_>) -> String {
    text(line.attributes, "BillingAccountId").to_owned()
}
