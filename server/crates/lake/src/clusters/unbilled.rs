//! Node hours no charge pays for, and what they would cost (A6): counted while
//! the days are split.

use super::gather::{Gathered, GroupKey};
use super::join::Join;
use crate::error::LakeError;
use domain::allocate::clusters::MachineCost;
use domain::allocate::estimate::at_price_of;
use domain::catalogue::Machine;
use domain::usage::{Node, NodeHour};
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
    /// Which machines they are, and seconds of each, for prices of a catalogue.
    pub machines: BTreeMap<Machine, u64>,
}

/// Nodes that are priced alike: cluster, pool, capacity type.
type Like = (String, String, String);

fn like(cluster: &str, node: &Node) -> Like {
    (cluster.to_owned(), node.pool.clone(), node.capacity_type.clone())
}

/// What is missing on some days, and what is known of prices.
#[derive(Default)]
pub(super) struct Missing {
    /// Hours, and seconds by machine, without a line.
    hours: BTreeMap<Like, (u64, BTreeMap<Machine, u64>)>,
    /// Effective cost of billed nodes, and the seconds it pays for.
    prices: BTreeMap<Like, BTreeMap<Currency, (Money, u64)>>,
}

impl Missing {
    /// Hours of a node that nobody pays for.
    pub fn lacks<'h>(&mut self, cluster: &str, node: &Node, unpaid: impl Iterator<Item = &'h NodeHour>) {
        let mut unpaid = unpaid.peekable();
        if unpaid.peek().is_none() {
            return;
        }
        let label = |name: &str| node.labels.get(name).map(ToOwned::to_owned);
        let of_node = Machine::of_node(&node.provider_id, &label, node.capacity_type == "spot");
        let (hours, machines) = self.hours.entry(like(cluster, node)).or_default();
        for hour in unpaid {
            let machine = Machine {
                cpu_milli: hour.capacity.cpu_millicores,
                memory_bytes: hour.capacity.memory_mib << 20,
                ..of_node.clone()
            };
            *hours += 1;
            *machines.entry(machine).or_default() += u64::from(hour.ready_s);
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
        for (like, (hours, machines)) in other.hours {
            let sum = self.hours.entry(like).or_default();
            sum.0 += hours;
            for (machine, seconds) in machines {
                *sum.1.entry(machine).or_default() += seconds;
            }
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
        let of = |(like, (node_hours, machines)): (Like, (u64, BTreeMap<Machine, u64>))| {
            let seconds = machines.values().sum();
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
                machines,
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
