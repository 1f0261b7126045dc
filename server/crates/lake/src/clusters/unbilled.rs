//! Node hours no charge pays for, and what they would cost (A6).

use super::join::Join;
use super::{Gathered, GroupKey};
use crate::error::LakeError;
use crate::object::Lake;
use crate::usage::{UsageFile, read_nodes};
use domain::allocate::clusters::MachineCost;
use domain::allocate::estimate::at_price_of;
use domain::usage::{HOUR_S, Hour, Node};
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

/// Node hours of the days of `period` that no gathered charge covers.
///
/// # Errors
/// When a file cannot be read or a sum overflows.
pub(crate) fn unbilled(
    lake: &Lake,
    gathered: &Gathered,
    usage: &[UsageFile],
    join: &Join,
    period: BillingPeriod,
) -> Result<Vec<Unbilled>, LakeError> {
    let mut covered: BTreeMap<u32, Vec<(Hour, Hour)>> = BTreeMap::new();
    for key in gathered.groups.keys().filter(|key| key.cost == MachineCost::Compute) {
        covered.entry(key.machine).or_default().push((key.from, key.to));
    }
    // hours, and seconds, without a line
    let mut missing: BTreeMap<Like, (u64, u64)> = BTreeMap::new();
    let files = usage.iter();
    for file in files.filter(|file| BillingPeriod::of(file.day.start()) == period) {
        for (node, hours) in read_nodes(lake, file)? {
            let spans = join.id_of(&file.cluster, &node).and_then(|id| covered.get(&id));
            let paid =
                |hour: Hour| spans.is_some_and(|spans| spans.iter().any(|(from, to)| *from <= hour && hour < *to));
            for hour in hours.iter().filter(|hour| hour.ready_s > 0 && !paid(hour.hour)) {
                let sum = missing.entry(like(&file.cluster, &node)).or_default();
                *sum = (sum.0 + 1, sum.1 + u64::from(hour.ready_s));
            }
        }
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let prices = prices(gathered, join, period)?;
    let of = |(like, (node_hours, seconds)): (Like, (u64, u64))| {
        let known = prices.get(&like).into_iter().flatten();
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
    Ok(missing.into_iter().map(of).collect())
}

/// Effective cost of billed nodes, and the seconds it pays for.
type Prices = BTreeMap<Like, BTreeMap<Currency, (Money, u64)>>;

fn prices(gathered: &Gathered, join: &Join, period: BillingPeriod) -> Result<Prices, LakeError> {
    let mut prices = Prices::new();
    for (key, group) in gathered
        .groups
        .iter()
        .filter(|(key, _)| key.cost == MachineCost::Compute)
    {
        let machine = join.machine(key.machine);
        let of = prices
            .entry(like(&machine.cluster, join.node(key.machine)))
            .or_default();
        let mut costs: BTreeMap<&Currency, Money> = BTreeMap::new();
        for ((kind, _), value) in group.amounts.iter().filter(|((_, of), _)| *of == period) {
            let sum = costs.entry(&gathered.kinds[*kind as usize].currency).or_default();
            *sum = add(*sum, value.effective)?;
        }
        for (currency, cost) in costs {
            let (sum, seconds) = of.entry(currency.clone()).or_default();
            *sum = add(*sum, cost)?;
            *seconds += billed_s(group.consumed_s, key);
        }
    }
    Ok(prices)
}

/// Seconds a group pays for: what it says, else all its hours.
fn billed_s(consumed_s: Option<u64>, key: &GroupKey) -> u64 {
    let most = u64::from(key.to.0.abs_diff(key.from.0)) * u64::from(HOUR_S);
    consumed_s
        .filter(|seconds| *seconds > 0)
        .map_or(most, |seconds| seconds.min(most))
}

fn add(a: Money, b: Money) -> Result<Money, LakeError> {
    a.checked_add(b).map_err(|_| LakeError::Overflow {
        what: "the cost of billed nodes".to_owned(),
    })
}
