//! Node hours no charge pays for, and what they would cost (A6): counted while
//! the days are split.

use super::gather::{Gathered, GroupKey};
use super::join::Join;
use crate::error::LakeError;
use domain::allocate::clusters::MachineCost;
use domain::allocate::estimate::at_price_of;
use domain::usage::Node;
use domain::{BillingPeriod, Currency, Money};
use std::collections::BTreeMap;

/// Node hours of a cluster that no charge of the bill pays for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unbilled {
    /// Cluster id.
    pub cluster: String,
    /// Node pool; empty when unknown.
    pub pool: String,
    /// Capacity type; empty when unknown.
    pub capacity_type: String,
    /// Ready node hours without a bill line.
    pub node_hours: u64,
    /// What they would cost at the effective cost per second of billed nodes of
    /// the same cluster, pool and capacity type in the same month, by currency;
    /// empty when there are none: unknown.
    pub estimates: BTreeMap<Currency, Money>,
}

/// Nodes that are priced alike: cluster, pool, capacity type.
type Like = (String, String, String);

fn like(cluster: &str, node: &Node) -> Like {
    (cluster.to_owned(), node.pool.clone(), node.capacity_type.clone())
}

/// What is missing on some days, and what is known of prices.
#[derive(Default)]
pub(super) struct Missing {
    /// Hours, and seconds, without a line.
    hours: BTreeMap<Like, (u64, u64)>,
    /// Effective cost of billed nodes, and the seconds it pays for.
    prices: BTreeMap<Like, BTreeMap<Currency, (Money, u64)>>,
}

impl Missing {
    /// Hours of a node, and their ready seconds, that nobody pays for.
    pub fn lacks(&mut self, cluster: &str, node: &Node, (hours, seconds): (u64, u64)) {
        if hours > 0 {
            let sum = self.hours.entry(like(cluster, node)).or_default();
            *sum = (sum.0 + hours, sum.1 + seconds);
        }
    }

    /// What was paid for seconds of a node, in one currency.
    pub fn paid(
        &mut self,
        cluster: &str,
        node: &Node,
        currency: &Currency,
        (cost, seconds): (Money, u64),
    ) -> Result<(), LakeError> {
        let of = self.prices.entry(like(cluster, node)).or_default();
        let sum = of.entry(currency.clone()).or_default();
        *sum = (add(sum.0, cost)?, sum.1 + seconds);
        Ok(())
    }

    /// The same of the charges of several days.
    pub fn long(&mut self, gathered: &Gathered, join: &Join, period: BillingPeriod) -> Result<(), LakeError> {
        let compute = gathered
            .long()
            .iter()
            .filter(|(key, _)| key.cost == MachineCost::Compute);
        for (key, group) in compute {
            let mut costs: BTreeMap<&Currency, Money> = BTreeMap::new();
            for amount in group.amounts().filter(|amount| amount.period == period) {
                let sum = costs.entry(&gathered.kinds[amount.kind as usize].currency).or_default();
                *sum = add(*sum, amount.value.effective)?;
            }
            let seconds = billed_s(group.billed_s(key), key);
            let (cluster, node) = (&join.machine(key.machine).cluster, join.node(key.machine));
            for (currency, cost) in costs {
                self.paid(cluster, node, currency, (cost, seconds))?;
            }
        }
        Ok(())
    }

    /// Adds another day's.
    pub fn merge(&mut self, other: Missing) -> Result<(), LakeError> {
        for (like, (hours, seconds)) in other.hours {
            let sum = self.hours.entry(like).or_default();
            *sum = (sum.0 + hours, sum.1 + seconds);
        }
        for (like, prices) in other.prices {
            let of = self.prices.entry(like).or_default();
            for (currency, (cost, seconds)) in prices {
                let sum = of.entry(currency).or_default();
                *sum = (add(sum.0, cost)?, sum.1 + seconds);
            }
        }
        Ok(())
    }

    /// What is missing, at the price of its like.
    pub fn priced(self) -> Vec<Unbilled> {
        let of = |(like, (node_hours, seconds)): (Like, (u64, u64))| {
            let known = self.prices.get(&like).into_iter().flatten();
            let estimates = known
                .filter_map(|(currency, (cost, billed_s))| {
                    Some((currency.clone(), at_price_of(*cost, *billed_s, seconds)?))
                })
                .collect();
            let (cluster, pool, capacity_type) = like;
            Unbilled {
                cluster,
                pool,
                capacity_type,
                node_hours,
                estimates,
            }
        };
        self.hours.into_iter().map(of).collect()
    }
}

/// Seconds a group pays for: what it says, else all its hours.
pub(super) fn billed_s(consumed_s: Option<u64>, key: &GroupKey) -> u64 {
    consumed_s
        .filter(|seconds| *seconds > 0)
        .map_or(key.seconds(), |seconds| seconds.min(key.seconds()))
}

fn add(a: Money, b: Money) -> Result<Money, LakeError> {
    a.checked_add(b).map_err(|_| LakeError::Overflow {
        what: "the cost of billed nodes".to_owned(),
    })
}
