//! Rows of the provider's own split (FOCUS 1.3): how much money they are, which
//! split counts, and whether the charges they were made from are there as well.

use super::Gathered;
use super::join::Join;
use crate::error::LakeError;
use domain::allocate::clusters::{MachineCost, is_provider_split};
use domain::{Currency, Money};
use std::collections::BTreeMap;

/// What a bill has of the provider's own split of a cluster, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRows {
    /// Cluster id.
    pub cluster: String,
    /// Currency of the amounts.
    pub currency: Currency,
    /// Rows.
    pub rows: u64,
    /// Effective cost of rows that our split took.
    pub ours: Money,
    /// Effective cost of rows that were left as they are, because the rules say so.
    pub theirs: Money,
    /// Of what our split took, what the charges the rows were made from cost
    /// again: the same node, hours and amount without a method.
    pub twice: Money,
}

/// Rows, money we split, money left to the provider's split.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub rows: u64,
    pub ours: Money,
    pub theirs: Money,
}

impl Gathered {
    /// Counts a row of the provider's own split.
    pub(super) fn saw_provider_row(
        &mut self,
        (cluster, currency): (&str, &Currency),
        money: Money,
        theirs: bool,
    ) -> Result<(), LakeError> {
        let seen = self.provider.entry((cluster.to_owned(), currency.clone())).or_default();
        seen.rows += 1;
        let sum = if theirs { &mut seen.theirs } else { &mut seen.ours };
        *sum = add(*sum, money)?;
        Ok(())
    }
}

/// What the bills have of the provider's own split.
///
/// # Errors
/// When a sum overflows.
pub(crate) fn provider_rows(gathered: &Gathered, join: &Join) -> Result<Vec<ProviderRows>, LakeError> {
    if gathered.provider.is_empty() {
        return Ok(Vec::new());
    }
    let mut twice: BTreeMap<(&str, &Currency), Money> = BTreeMap::new();
    for (key, group) in gathered
        .groups
        .iter()
        .filter(|(key, _)| key.cost == MachineCost::Compute)
    {
        // cost with and without a method, by currency
        let mut sums: BTreeMap<&Currency, (Money, Money)> = BTreeMap::new();
        for ((kind, _), value) in &group.amounts {
            let kind = &gathered.kinds[*kind as usize];
            let sums = sums.entry(&kind.currency).or_default();
            let sum = if is_provider_split(&kind.attributes) {
                &mut sums.0
            } else {
                &mut sums.1
            };
            *sum = add(*sum, value.effective)?;
        }
        for (currency, (with, without)) in sums {
            if with == without && !with.is_zero() {
                let sum = twice.entry((&join.machine(key.machine).cluster, currency)).or_default();
                *sum = add(*sum, with)?;
            }
        }
    }
    let rows = gathered
        .provider
        .iter()
        .map(|((cluster, currency), seen)| ProviderRows {
            cluster: cluster.clone(),
            currency: currency.clone(),
            rows: seen.rows,
            ours: seen.ours,
            theirs: seen.theirs,
            twice: twice.get(&(cluster.as_str(), currency)).copied().unwrap_or_default(),
        });
    Ok(rows.collect())
}

fn add(a: Money, b: Money) -> Result<Money, LakeError> {
    a.checked_add(b).map_err(|_| LakeError::Overflow {
        what: "the rows of the provider's split".to_owned(),
    })
}
