//! Rows of the provider's own split (FOCUS 1.3): how much money they are, which
//! split counts, and whether the charges they were made from are there as well.

use super::gather::Gathered;
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

/// By position of the cluster: what the charges the rows were made from cost again.
pub(super) type Twice = BTreeMap<(u32, Currency), Money>;

/// Of one group of charges of a machine and one currency: cost with and without a method.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ways {
    with: Money,
    without: Money,
}

impl Ways {
    pub fn add(&mut self, has_method: bool, cost: Money) -> Result<(), LakeError> {
        let sum = if has_method { &mut self.with } else { &mut self.without };
        *sum = add(*sum, cost)?;
        Ok(())
    }

    /// What is there both ways.
    pub fn twice(self) -> Option<Money> {
        (self.with == self.without && !self.with.is_zero()).then_some(self.with)
    }
}

/// Adds what is there twice.
pub(super) fn add_twice(twice: &mut Twice, cluster: u32, currency: &Currency, money: Money) -> Result<(), LakeError> {
    let sum = twice.entry((cluster, currency.clone())).or_default();
    *sum = add(*sum, money)?;
    Ok(())
}

/// What the bills have of the provider's own split; `twice` is that of charges
/// within a day.
///
/// # Errors
/// When a sum overflows.
pub(super) fn provider_rows(
    gathered: &Gathered,
    join: &Join,
    mut twice: Twice,
) -> Result<Vec<ProviderRows>, LakeError> {
    if gathered.provider.is_empty() {
        return Ok(Vec::new());
    }
    let compute = gathered
        .long()
        .iter()
        .filter(|(key, _)| key.cost == MachineCost::Compute);
    for (key, group) in compute {
        let mut sums: BTreeMap<&Currency, Ways> = BTreeMap::new();
        for amount in group.amounts() {
            let kind = &gathered.kinds[amount.kind as usize];
            let ways = sums.entry(&kind.currency).or_default();
            ways.add(is_provider_split(&kind.attributes), amount.value.effective)?;
        }
        let cluster = join.position(&join.machine(key.machine).cluster).unwrap_or(0);
        for (currency, ways) in sums {
            if let Some(money) = ways.twice() {
                add_twice(&mut twice, cluster, currency, money)?;
            }
        }
    }
    let rows = gathered.provider.iter().map(|((cluster, currency), seen)| {
        let position = join.position(cluster).unwrap_or(u32::MAX);
        ProviderRows {
            cluster: cluster.clone(),
            currency: currency.clone(),
            rows: seen.rows,
            ours: seen.ours,
            theirs: seen.theirs,
            twice: twice.get(&(position, currency.clone())).copied().unwrap_or_default(),
        }
    });
    Ok(rows.collect())
}

fn add(a: Money, b: Money) -> Result<Money, LakeError> {
    a.checked_add(b).map_err(|_| LakeError::Overflow {
        what: "the rows of the provider's split".to_owned(),
    })
}
