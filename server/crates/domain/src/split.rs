//! The split of a node's cost: reference form (rules A1-A6, A26-A30).
//!
//! A charge is split once, over its own charge period, with everything
//! integrated over that period (A2). Its cost goes to the resources by unit
//! weights and what there was of each; then, per resource, to *system
//! reserved*, *not ready*, *unobserved* and what pods could take; and of that
//! to the claims by effective request, the rest being *idle capacity*. Claims
//! that want more than there is are scaled back (A29), so nothing is negative.
//! Every step is an apportionment, so the parts are the cost, per resource and
//! in all, and a refund cancels in every part.
//!
//! `lake` has the fast form; digits must agree, so the order of the steps and
//! of the weights in them is part of the contract.

pub mod balancer;
pub mod volume;

use crate::apportion::{ApportionError, Splitter};
use crate::money::{Money, MoneyOverflow};
use crate::usage::{Measure, NodeHour, Resource, Role};
use ethnum::U256;

/// What a unit of each resource weighs in a node's cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitWeights {
    /// Of a core-ms.
    pub cpu_core_ms: u64,
    /// Of a MiB-s.
    pub memory_mib_s: u64,
    /// Of a GPU-ms.
    pub gpu_ms: u64,
}

/// Core 9, GiB 1; with accelerators GPU 9, core 0.9, GiB 0.1, which is the
/// same times ten (A30). A core-second is 1,000 core-ms and a GiB-second 1,024
/// MiB-s, so 9 : 1 is 9 x 1,024 : 1,000 in the units of [`Measure`].
pub const UNIT_WEIGHTS: UnitWeights = UnitWeights {
    cpu_core_ms: 9_216,
    memory_mib_s: 1_000,
    gpu_ms: 92_160,
};

/// Weights of the shares of what follows the pods of a node: their money in
/// units of 1e-12.
const FOLLOW_UNITS: u128 = 1_000_000_000_000;

impl UnitWeights {
    /// Of the unit of one resource.
    #[must_use]
    pub fn get(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Cpu => self.cpu_core_ms,
            Resource::Memory => self.memory_mib_s,
            Resource::Gpu => self.gpu_ms,
        }
    }
}

/// What a slot claims of a node over a charge. Claims come in canonical order:
/// slots sorted, then observed before filled, then day (A12).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claim {
    /// What its money is called.
    pub role: Role,
    /// Taken from a neighbouring hour, not observed (A5).
    pub filled: bool,
    /// Integral of max(request, usage).
    pub effective: Measure,
    /// Integral of the request.
    pub requested: Measure,
    /// Integral of the usage.
    pub used: Measure,
}

/// What became of a node's capacity over a charge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeWeights {
    /// Kept from pods: capacity less allocatable, while Ready.
    pub system_reserved: Measure,
    /// Billed but not Ready: boot, drain, never joined (A3).
    pub not_ready: Measure,
    /// Allocatable while Ready, without facts and not filled (A5).
    pub unobserved: Measure,
    /// Allocatable, observed or filled: what claims share.
    pub available: Measure,
}

/// Integrates a node over the hours of a charge. `filled_s` are the seconds
/// that [`crate::usage::fill::fill`] filled, one per hour (missing: none).
/// `billed_s` is the billed time, when the bill says it: what of it the node
/// was not Ready is *not ready*, at its first capacity. A node the cluster
/// never saw has no hours and no weights; give it an hour with its capacity
/// and no Ready seconds to make it wholly not ready (A3).
#[must_use]
pub fn node_weights(hours: &[NodeHour], filled_s: &[u32], billed_s: Option<u64>) -> NodeWeights {
    let mut weights = NodeWeights::default();
    let mut total_ready_s = 0;
    for (index, hour) in hours.iter().enumerate() {
        let ready_s = u64::from(hour.ready_s);
        let seen_s = u64::from(hour.observed_s) + u64::from(filled_s.get(index).copied().unwrap_or(0));
        let reserved = hour.capacity.less(&hour.allocatable);
        weights.system_reserved = weights.system_reserved.plus(reserved.over(ready_s));
        weights.available = weights.available.plus(hour.allocatable.over(seen_s));
        let unseen_s = ready_s.saturating_sub(seen_s);
        weights.unobserved = weights.unobserved.plus(hour.allocatable.over(unseen_s));
        total_ready_s += ready_s;
    }
    if let (Some(billed_s), Some(first)) = (billed_s, hours.first()) {
        weights.not_ready = first.capacity.over(billed_s.saturating_sub(total_ready_s));
    }
    weights
}

impl NodeWeights {
    /// Everything there was of each resource.
    #[must_use]
    pub fn total(&self) -> Measure {
        let reserved = self.system_reserved.plus(self.not_ready);
        reserved.plus(self.unobserved).plus(self.available)
    }
}

/// One resource's share of a node's cost. The parts add up to `cost`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceSplit {
    /// This resource's share.
    pub cost: Money,
    /// Of each claim, in the order given.
    pub claims: Vec<Money>,
    /// System reserved.
    pub system_reserved: Money,
    /// Not ready.
    pub not_ready: Money,
    /// Unobserved.
    pub unobserved: Money,
    /// Idle capacity.
    pub idle: Money,
}

/// A node's cost, split. `claims`, `system_reserved`, `not_ready`,
/// `unobserved` and `idle` add up to the cost; what follows are memos.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// Of each claim, in the order given.
    pub claims: Vec<Money>,
    /// System reserved.
    pub system_reserved: Money,
    /// Not ready.
    pub not_ready: Money,
    /// Unobserved.
    pub unobserved: Money,
    /// Idle capacity.
    pub idle: Money,
    /// Who owns the money of `system_reserved`, per claim (A27); all zero when
    /// the node has no pods to follow, and it stays where it is.
    pub follow_system: Vec<Money>,
    /// Who owns the money of the DaemonSets' claims, per claim (A27); as above.
    pub follow_daemon: Vec<Money>,
    /// Effective requests beyond what was available (A29).
    pub overcommitted: Measure,
    /// Of that, per claim, by its usage above its request; all zero when
    /// requests alone were too many.
    pub overcommit: Vec<Measure>,
}

impl Split {
    /// What the parts add up to: the cost that was split.
    ///
    /// # Errors
    /// Parts that do not come from one cost may be too large to add.
    pub fn total(&self) -> Result<Money, MoneyOverflow> {
        let named = [self.system_reserved, self.not_ready, self.unobserved, self.idle];
        Money::sum(self.claims.iter().copied().chain(named))
    }
}

/// Splits a node's cost over the claims and the named remainders.
///
/// # Errors
/// Only what the splitter refuses.
pub fn split_node(
    cost: Money,
    weights: &NodeWeights,
    claims: &[Claim],
    split: Splitter,
) -> Result<Split, ApportionError> {
    let mut whole = Split {
        claims: vec![Money::ZERO; claims.len()],
        ..Split::default()
    };
    for resource in split_resources(cost, weights, claims, split)? {
        for (sum, part) in whole.claims.iter_mut().zip(resource.claims) {
            *sum = plus(*sum, part);
        }
        whole.system_reserved = plus(whole.system_reserved, resource.system_reserved);
        whole.not_ready = plus(whole.not_ready, resource.not_ready);
        whole.unobserved = plus(whole.unobserved, resource.unobserved);
        whole.idle = plus(whole.idle, resource.idle);
    }
    (whole.overcommitted, whole.overcommit) = overcommitment(&known(weights, claims), claims);
    (whole.follow_system, whole.follow_daemon) = follow(&whole, claims, split)?;
    Ok(whole)
}

/// The same per resource, in the order of [`Resource::ALL`].
///
/// # Errors
/// Only what the splitter refuses.
pub fn split_resources(
    cost: Money,
    weights: &NodeWeights,
    claims: &[Claim],
    split: Splitter,
) -> Result<[ResourceSplit; 3], ApportionError> {
    let weights = known(weights, claims);
    let total = weights.total();
    if total.is_zero() {
        return Ok(unknown(cost, claims.len()));
    }
    let units = Resource::ALL.map(|r| i128::from(UNIT_WEIGHTS.get(r)) * i128::from(total.get(r)));
    let mut costs = split(cost, &units)?.into_iter();
    let mut next = |resource| {
        let cost = costs.next().unwrap_or(Money::ZERO);
        split_resource(cost, resource, &weights, claims, split)
    };
    let [cpu, memory, gpu] = Resource::ALL;
    Ok([next(cpu)?, next(memory)?, next(gpu)?])
}

/// Without any known capacity there is as much as is claimed: no idle capacity
/// is made up.
fn known(weights: &NodeWeights, claims: &[Claim]) -> NodeWeights {
    if !weights.total().is_zero() {
        return *weights;
    }
    NodeWeights {
        available: claims
            .iter()
            .fold(Measure::ZERO, |sum, claim| sum.plus(claim.effective)),
        ..NodeWeights::default()
    }
}

/// Neither capacity nor claims: nothing is known of the node but its cost,
/// which is shown under the first resource.
fn unknown(cost: Money, claims: usize) -> [ResourceSplit; 3] {
    [cost, Money::ZERO, Money::ZERO].map(|cost| ResourceSplit {
        cost,
        claims: vec![Money::ZERO; claims],
        unobserved: cost,
        ..ResourceSplit::default()
    })
}

fn split_resource(
    cost: Money,
    resource: Resource,
    weights: &NodeWeights,
    claims: &[Claim],
    split: Splitter,
) -> Result<ResourceSplit, ApportionError> {
    let mut parts = ResourceSplit {
        cost,
        claims: vec![Money::ZERO; claims.len()],
        ..ResourceSplit::default()
    };
    let of = |measure: &Measure| i128::from(measure.get(resource));
    let kinds = [
        of(&weights.system_reserved),
        of(&weights.not_ready),
        of(&weights.unobserved),
        of(&weights.available),
    ];
    if kinds.iter().all(|weight| *weight == 0) {
        // nothing of this resource, so its share of the cost is zero
        return Ok(parts);
    }
    let mut named = split(cost, &kinds)?.into_iter();
    let mut next = || named.next().unwrap_or(Money::ZERO);
    (parts.system_reserved, parts.not_ready, parts.unobserved) = (next(), next(), next());
    let available = next();
    let mut wanted: Vec<i128> = claims.iter().map(|claim| of(&claim.effective)).collect();
    let headroom = of(&weights.available) - wanted.iter().sum::<i128>();
    wanted.push(headroom.max(0));
    if wanted.iter().all(|weight| *weight == 0) {
        return Ok(parts);
    }
    let mut shares = split(available, &wanted)?;
    parts.idle = shares.pop().unwrap_or(Money::ZERO);
    parts.claims = shares;
    Ok(parts)
}

/// Effective requests above what was available, and whose usage above its
/// request brought them there (A29). Cumulative floors, so the shares add up.
fn overcommitment(weights: &NodeWeights, claims: &[Claim]) -> (Measure, Vec<Measure>) {
    let mut over = Measure::ZERO;
    let mut shares = vec![Measure::ZERO; claims.len()];
    for resource in Resource::ALL {
        let wanted: u128 = claims
            .iter()
            .map(|claim| u128::from(claim.effective.get(resource)))
            .sum();
        let beyond = wanted.saturating_sub(u128::from(weights.available.get(resource)));
        let beyond = u64::try_from(beyond).unwrap_or(u64::MAX);
        *amount(&mut over, resource) = beyond;
        let above = |claim: &Claim| u128::from(claim.used.less(claim.requested).get(resource));
        let sum: u128 = claims.iter().map(above).sum();
        if sum == 0 {
            continue;
        }
        let (mut running, mut before) = (0u128, 0u64);
        for (claim, share) in claims.iter().zip(&mut shares) {
            running += above(claim);
            let until = (U256::from(beyond) * U256::from(running) / U256::from(sum)).as_u64();
            *amount(share, resource) = until - before;
            before = until;
        }
    }
    (over, shares)
}

fn amount(measure: &mut Measure, resource: Resource) -> &mut u64 {
    match resource {
        Resource::Cpu => &mut measure.cpu_core_ms,
        Resource::Memory => &mut measure.memory_mib_s,
        Resource::Gpu => &mut measure.gpu_ms,
    }
}

/// System reserved and DaemonSets follow the other pods of the node, by their
/// money (A27).
fn follow(whole: &Split, claims: &[Claim], split: Splitter) -> Result<(Vec<Money>, Vec<Money>), ApportionError> {
    let weight = |(claim, money): (&Claim, &Money)| match claim.role {
        // 38 digits less 12 fit
        Role::Workload | Role::PodOverhead => {
            i128::try_from(money.units().unsigned_abs() / FOLLOW_UNITS).unwrap_or(i128::MAX)
        }
        Role::DaemonSet | Role::Placeholder => 0,
    };
    let weights: Vec<i128> = claims.iter().zip(&whole.claims).map(weight).collect();
    if weights.iter().all(|weight| *weight == 0) {
        return Ok((vec![Money::ZERO; claims.len()], vec![Money::ZERO; claims.len()]));
    }
    let daemons = claims
        .iter()
        .zip(&whole.claims)
        .filter(|(claim, _)| claim.role == Role::DaemonSet)
        .fold(Money::ZERO, |sum, (_, money)| plus(sum, *money));
    Ok((split(whole.system_reserved, &weights)?, split(daemons, &weights)?))
}

/// Parts of one cost: their sum is never larger than it, so it fits.
fn plus(a: Money, b: Money) -> Money {
    a.checked_add(b).unwrap_or(Money::ZERO)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worlds;
