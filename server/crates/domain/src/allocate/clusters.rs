//! The reference allocation of bills with usage: a node's cost lands on what
//! ran on it (A1-A5, A26-A29), its root disk and its traffic follow (A27, A33),
//! volumes, load balancers and control planes land as their own modules say
//! (A31, A32, A27), and everything else lands as without usage.
//!
//! Charges of one thing and the same whole hours are split by the same
//! weights, integrated over these hours (A2, A4); a thing the facts do not
//! know keeps its charge as it is. `lake::allocate` is the fast form.

mod facts;
mod land;

use super::{AllocateError, Cube, Program};
use crate::apportion::{ApportionError, Splitter};
use crate::charge::{Attributes, Charge, ChargeCategory};
use crate::class::Class;
use crate::instant::{SECOND_US, Span};
use crate::money::Money;
use crate::price;
use crate::split::balancer::Charged;
use crate::split::{Claim, Split, UNIT_WEIGHTS};
use crate::usage::key::resource_key;
use crate::usage::{ClusterDay, HOUR_S, Hour, Measure, Node, Part, Resource, Role, Slot};
use facts::{Facts, GroupKey};
use land::Lander;
use std::collections::BTreeMap;

/// What of a cluster a charge pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MachineCost {
    /// A machine: split among what ran on it.
    Compute,
    /// Its root disk: follows the pods of the node (A27).
    RootDisk,
    /// Its traffic: follows the pods of the node (A33).
    Network,
    /// A volume: follows its claim (A31).
    Volume,
    /// Hours of a load balancer: follow requests (A32).
    BalancerHours,
    /// What passed through a load balancer: follows bytes (A32).
    BalancerUsage,
    /// A control plane: follows the pods of the cluster (A27).
    ControlPlane,
}

/// What a charge's ResourceId stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// A machine.
    Machine,
    /// The root disk of a machine.
    RootDisk,
    /// A volume that a claim asked for.
    Volume,
    /// A load balancer.
    Balancer,
}

impl MachineCost {
    /// What charges of a class may pay for, and of what, best first. The facts
    /// decide whether they do: tags need not say that a machine is a node.
    #[must_use]
    pub fn of(class: Class, charged: Charged) -> &'static [(Thing, MachineCost)] {
        match (class, charged) {
            (Class::NodeCompute | Class::Machine, _) => &[(Thing::Machine, MachineCost::Compute)],
            (Class::NodeDisk | Class::Volume, _) => &[
                (Thing::RootDisk, MachineCost::RootDisk),
                (Thing::Volume, MachineCost::Volume),
            ],
            (Class::Network, _) => &[(Thing::Machine, MachineCost::Network)],
            // a pod on a virtual node is billed by the Kubernetes service
            (Class::ControlPlane, _) => &[(Thing::Machine, MachineCost::Compute)],
            (Class::LoadBalancer, Charged::Hours) => &[(Thing::Balancer, MachineCost::BalancerHours)],
            (Class::LoadBalancer, Charged::Usage) => &[(Thing::Balancer, MachineCost::BalancerUsage)],
            _ => &[],
        }
    }

    /// Whether it is split by the facts of one node.
    #[must_use]
    pub fn follows_node(self) -> bool {
        matches!(
            self,
            MachineCost::Compute | MachineCost::RootDisk | MachineCost::Network
        )
    }

    /// The class of the charge, now that it is known what it pays for.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            MachineCost::Compute => Class::NodeCompute,
            MachineCost::RootDisk => Class::NodeDisk,
            MachineCost::Network => Class::Network,
            MachineCost::Volume => Class::Volume,
            MachineCost::BalancerHours | MachineCost::BalancerUsage => Class::LoadBalancer,
            MachineCost::ControlPlane => Class::ControlPlane,
        }
    }

    /// What its money is called on a slot of the node, when it follows the pods.
    #[must_use]
    pub fn part_of(self, claim: &Claim) -> Part {
        match self {
            MachineCost::Network => Part::UnmeasuredNetwork,
            _ => Part::of(claim.role, claim.filled),
        }
    }
}

/// Column that says by which method a provider split a charge (FOCUS 1.3).
pub const PROVIDER_SPLIT: &str = "AllocatedMethodId";

/// Whether a charge is a row of the provider's own split.
#[must_use]
pub fn is_provider_split(attributes: &Attributes) -> bool {
    attributes.column(PROVIDER_SPLIT).is_some()
}

/// A piece of a charge that does not go by a node: what owner rules see of who
/// pays, what for and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Only what owner rules see is set.
    pub place: Slot,
    /// What it paid for.
    pub part: Part,
    /// Its part of the charge period: where it is shown.
    pub span: Span,
    /// How much.
    pub money: Money,
}

/// Whole hours a charge period touches: its first, and the one after its last.
#[must_use]
pub fn hours_of(span: Span) -> (Hour, Hour) {
    let first = Hour::of(span.start);
    let hour_us = i64::from(HOUR_S) * SECOND_US;
    let last = i32::try_from((span.end.0 + hour_us - 1).div_euclid(hour_us)).unwrap_or(i32::MAX);
    (first, Hour(last.max(first.0 + 1)))
}

/// Seconds of a ConsumedQuantity (at scale 12) in a unit of time (A3); `None`
/// for other units, and for corrections with a negative quantity.
#[must_use]
pub fn billed_seconds(unit: Option<&str>, quantity: Option<i128>) -> Option<u64> {
    let seconds: i128 = match unit?.trim().to_ascii_lowercase().as_str() {
        "hours" | "hour" | "hrs" | "hr" | "h" => 3_600,
        "minutes" | "minute" | "min" => 60,
        "seconds" | "second" | "sec" | "s" => 1,
        _ => return None,
    };
    let whole = quantity?.checked_mul(seconds)? / 1_000_000_000_000;
    u64::try_from(whole).ok()
}

/// The columns and labels of a piece of a node's cost, beside those of its
/// charge: what owner rules see (docs/RULES.md).
#[must_use]
pub fn placed(charge: &Attributes, cluster: &str, node: &Node, slot: Option<&Slot>, part: Option<Part>) -> Attributes {
    let mut placed = charge.clone();
    let mut set = |name: &str, value: &str| {
        if value.is_empty() {
            placed.columns.remove(name);
        } else {
            placed.columns.insert(name.to_owned(), value.to_owned());
        }
    };
    set("Cluster", cluster);
    set("NodePool", &node.pool);
    set("AllocationPart", part.map_or("", Part::as_str));
    if let Some(slot) = slot {
        set("Namespace", &slot.namespace);
        set("WorkloadKind", &slot.workload_kind);
        set("Workload", &slot.workload);
        set("Container", &slot.container);
        for (key, value) in &slot.labels {
            placed.tags.insert(format!("label:{key}"), value.clone());
        }
    }
    placed
}

/// Splits a root disk among the pods of its node (A27): by their effective
/// requests. `None` when no pod ran.
///
/// # Errors
/// What the splitter refuses.
pub fn split_disk(cost: Money, claims: &[Claim], split: Splitter) -> Result<Option<Vec<Money>>, ApportionError> {
    let weights: Vec<i128> = claims.iter().map(disk_weight).collect();
    if weights.iter().all(|weight| *weight == 0) {
        return Ok(None);
    }
    split(cost, &weights).map(Some)
}

/// What a slot's money is called when it serves the whole cluster: its own is
/// *cluster services*; what it pays for others keeps its name (A27).
#[must_use]
pub fn service_part(part: Part) -> Part {
    match part {
        Part::Workload | Part::PodOverhead => Part::ClusterServices,
        other => other,
    }
}

/// System reserved and DaemonSets of a node without other pods: its pool's idle
/// capacity (A27).
#[must_use]
pub fn left_alone(split: &Split, claims: &[Claim]) -> Money {
    if !nobody_follows(split) {
        return Money::ZERO;
    }
    let daemons = claims.iter().zip(&split.claims);
    let daemons = daemons.filter(|(claim, _)| claim.role == Role::DaemonSet);
    let parts = daemons.map(|(_, money)| *money).chain([split.system_reserved]);
    // parts of one cost: their sum is never larger than it
    Money::sum(parts).unwrap_or(Money::ZERO)
}

/// The node has no pods that pay for what follows them.
fn nobody_follows(split: &Split) -> bool {
    let follow = split.follow_system.iter().chain(&split.follow_daemon);
    follow.into_iter().all(|money| money.is_zero())
}

/// What is left with each claim: the money of DaemonSets moves to the pods that
/// pay for it, or to idle capacity (A27).
#[must_use]
pub fn own_money(split: &Split, claims: &[Claim]) -> Vec<Money> {
    let own = |(claim, money): (&Claim, &Money)| match claim.role {
        Role::DaemonSet => Money::ZERO,
        _ => *money,
    };
    claims.iter().zip(&split.claims).map(own).collect()
}

/// An effective request in money, by unit weights.
#[must_use]
pub fn worth(measure: &Measure) -> i128 {
    let of = |resource| i128::from(UNIT_WEIGHTS.get(resource)) * i128::from(measure.get(resource));
    Resource::ALL.into_iter().map(of).sum()
}

/// What a claim weighs when a root disk is split: DaemonSets and placeholders do not pay for it.
#[must_use]
pub fn disk_weight(claim: &Claim) -> i128 {
    match claim.role {
        Role::Workload | Role::PodOverhead => worth(&claim.effective),
        Role::DaemonSet | Role::Placeholder => 0,
    }
}

/// How machines are joined: by what the bill calls them, else by name.
#[must_use]
pub fn machine_key(node: &Node) -> String {
    if node.provider_id.is_empty() {
        node.name.clone()
    } else {
        resource_key(&node.provider_id)
    }
}

/// Allocates every charge, node costs by usage. `days` are in any order, one
/// per cluster and day; `split` as in [`super::allocate`].
///
/// # Errors
/// When an amount cannot be split or added exactly.
pub fn allocate_with_usage(
    charges: &[Charge],
    days: &[ClusterDay],
    program: &Program,
    split: Splitter,
) -> Result<Cube, AllocateError> {
    let mut facts = Facts::new(days, program);
    facts.learn(charges, program);
    let moved = price::moved(charges, program, split, |charge| facts.knows(charge, program))?;
    let mut cube = Cube::new(program.rules.dimensions.clone());
    let mut groups: BTreeMap<GroupKey, Vec<&Charge>> = BTreeMap::new();
    for charge in charges.iter().chain(&moved) {
        match facts.find(charge, program) {
            Some((machine, cost)) => {
                let (from, to) = hours_of(charge.span);
                groups.entry((machine, cost, from, to)).or_default().push(charge);
            }
            None => super::land(&mut cube, charge, &charge.attributes, program, split)?,
        }
    }
    for ((machine, cost, from, to), charges) in groups {
        let known = facts.of(&machine, from, to);
        let lander = Lander {
            program,
            split,
            cluster: &machine.0,
            facts: &known,
            users: &facts.users,
            from,
            to,
            cost,
        };
        for (charge, lines) in summed(&charges, program)? {
            match cost {
                MachineCost::Compute => lander.compute(&mut cube, &charge, lines, billed_s(&charges, from, to))?,
                MachineCost::RootDisk | MachineCost::Network => lander.disk(&mut cube, &charge, lines)?,
                MachineCost::Volume
                | MachineCost::BalancerHours
                | MachineCost::BalancerUsage
                | MachineCost::ControlPlane => {
                    let divide = |money| facts.pieces_of((&machine, cost), from..to, money, split);
                    lander.pieces(&mut cube, &charge, lines, divide)?;
                }
            }
        }
    }
    Ok(cube)
}

/// Charges of a group that neither rules nor pages can tell apart are added up
/// before they are split (A4), with the number of bill lines.
fn summed(charges: &[&Charge], program: &Program) -> Result<Vec<(Charge, u64)>, AllocateError> {
    let columns = program.columns();
    let mut sums: BTreeMap<(crate::period::BillingPeriod, Attributes, String), (Charge, u64)> = BTreeMap::new();
    for charge in charges {
        let mut attributes = charge.attributes.clone();
        attributes.columns.retain(|name, _| columns.contains(name));
        let key = (
            charge.period,
            attributes.clone(),
            format!("{} {}", charge.currency, charge.category),
        );
        let empty = || {
            let money = Money::ZERO;
            let charge = Charge {
                attributes,
                billed: money,
                effective: money,
                ..(*charge).clone()
            };
            (charge, 0)
        };
        let (sum, lines) = sums.entry(key).or_insert_with(empty);
        sum.billed = sum.billed.checked_add(charge.billed)?;
        sum.effective = sum.effective.checked_add(charge.effective)?;
        *lines += super::bill_lines(charge);
    }
    Ok(sums.into_values().collect())
}

/// Billed seconds of a group: halves of one instance add up (A4), to its hours at most.
fn billed_s(charges: &[&Charge], from: Hour, to: Hour) -> Option<u64> {
    let usage = charges.iter().filter(|charge| charge.category == ChargeCategory::Usage);
    let seconds: Vec<u64> = usage.filter_map(|charge| charge.consumed_s).collect();
    let most = u64::from(to.0.abs_diff(from.0)) * u64::from(HOUR_S);
    (!seconds.is_empty()).then(|| seconds.iter().copied().fold(0, u64::saturating_add).min(most))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worlds;
