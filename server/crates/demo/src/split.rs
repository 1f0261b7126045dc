//! The right division of a node's cost among its pods and its kinds of unused capacity, written
//! from the rules (A1-A5, A26-A29) and from nothing else.
//!
//! The method in one line: a part that holds `e` of a resource, of which the node has `K` and lets
//! pods take `A`, while the pods hold `E` in all, is worth `cost * U * A * e / (D * max(A, E))`,
//! where `U` is the unit weight and `D` the sum of `U * K` over the resources. Every part is such a
//! fraction, cut off below 1e-30 of the currency; nothing is rounded in between.

use crate::facts::{Measure, NodeDay, NodeHour, Slot};
use crate::pods::{Pod, Role};

/// A core is worth nine GiB: per core-ms and MiB-s, in units of 1/9,216,000 of a core-second.
const UNITS: Measure = Measure {
    cpu: 9_216,
    memory: 1_000,
};

/// Hours to either side that may speak for an hour nobody observed (A5).
const REACH: u8 = 6;

/// Grains in a pico unit: amounts of this module are in 1e-30 of the currency.
pub const GRAINS: i128 = 1_000_000_000_000_000_000;

/// What a part of a node's cost is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Called {
    Workload,
    PodOverhead,
    SystemReserved,
    NotReady,
    Unobserved,
    PlannedHeadroom,
    IdleCapacity,
    DaemonSet,
    ClusterServices,
}

impl Called {
    pub const fn key(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::PodOverhead => "pod_overhead",
            Self::SystemReserved => "system_reserved",
            Self::NotReady => "not_ready",
            Self::Unobserved => "unobserved",
            Self::PlannedHeadroom => "planned_headroom",
            Self::IdleCapacity => "idle_capacity",
            Self::DaemonSet => "daemon_set",
            Self::ClusterServices => "cluster_services",
        }
    }
}

/// What a container held in the hours of a charge, or is taken to have held in those nobody observed.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a, T> {
    pub slot: &'a Slot,
    pub filled: bool,
    /// Its effective request, or what that is worth.
    pub held: T,
}

impl<'a, T> Claim<'a, T> {
    /// What its money is called: hours that were filled stay unobserved (A5), and DaemonSets have
    /// their name whatever was seen of them (A27).
    pub fn called(&self) -> Called {
        match self.slot.pod.role {
            Role::DaemonSet => Called::DaemonSet,
            _ if self.filled => Called::Unobserved,
            Role::Workload | Role::PodOverhead if self.slot.pod.serves_all() => Called::ClusterServices,
            Role::Workload => Called::Workload,
            Role::PodOverhead => Called::PodOverhead,
            Role::Placeholder => Called::PlannedHeadroom,
        }
    }

    /// Whether its owner pays for what nobody runs for himself.
    pub fn ordinary(&self) -> bool {
        matches!(self.slot.pod.role, Role::Workload | Role::PodOverhead)
    }

    fn with<U>(&self, held: U) -> Claim<'a, U> {
        Claim {
            slot: self.slot,
            filled: self.filled,
            held,
        }
    }
}

/// What a node held over the hours of a charge.
#[derive(Debug, Default)]
struct Held<'a> {
    system: Measure,
    not_ready: Measure,
    unobserved: Measure,
    available: Measure,
    claims: Vec<Claim<'a, Measure>>,
}

/// A charge divided; amounts in grains.
#[derive(Debug)]
pub struct Division<'a> {
    pub claims: Vec<Claim<'a, i128>>,
    pub system: i128,
    pub not_ready: i128,
    pub unobserved: i128,
    pub idle: i128,
}

/// Divides `amount` grains, charged for the hours `from..to` of the node's day.
pub fn divide<'a>(node: &'a NodeDay<'_>, (from, to): (u8, u8), billed_s: u32, amount: i128) -> Division<'a> {
    let held = hold(node, (from, to), billed_s);
    let resources: [fn(&Measure) -> u128; 2] = [|measure| measure.cpu.into(), |measure| measure.memory.into()];
    let whole = |get: fn(&Measure) -> u128| {
        get(&held.system) + get(&held.not_ready) + get(&held.unobserved) + get(&held.available)
    };
    let all: u128 = resources.iter().map(|get| get(&UNITS) * whole(*get)).sum();
    let mut parts = Division {
        claims: held.claims.iter().map(|claim| claim.with(0)).collect(),
        system: 0,
        not_ready: 0,
        unobserved: 0,
        idle: 0,
    };
    if all == 0 {
        parts.unobserved = amount;
        return parts;
    }
    for get in resources {
        let unit = get(&UNITS);
        let plain = |measure: &Measure| share(amount, unit * get(measure), all);
        parts.system += plain(&held.system);
        parts.not_ready += plain(&held.not_ready);
        parts.unobserved += plain(&held.unobserved);
        let available = get(&held.available);
        let claimed: u128 = held.claims.iter().map(|claim| get(&claim.held)).sum();
        // over-committed: what there is, in proportion to what they hold
        let most = available.max(claimed);
        if most == 0 {
            continue;
        }
        for (part, claim) in parts.claims.iter_mut().zip(&held.claims) {
            part.held += share(amount, unit * available * get(&claim.held), all * most);
        }
        parts.idle += share(amount, unit * (most - claimed), all);
    }
    // the cuts below 1e-30
    let claims: i128 = parts.claims.iter().map(|claim| claim.held).sum();
    let given = claims + parts.system + parts.not_ready + parts.unobserved + parts.idle;
    parts.idle += amount - given;
    parts
}

fn hold<'a>(node: &'a NodeDay<'_>, (from, to): (u8, u8), billed_s: u32) -> Held<'a> {
    let mut held = Held::default();
    let system = node.capacity.less(node.allocatable);
    let hours: Vec<_> = node
        .hours
        .iter()
        .filter(|hour| (from..to).contains(&hour.of_day))
        .map(|hour| (hour, witness(node, hour)))
        .collect();
    let mut ready_s = 0;
    for (hour, witness) in &hours {
        ready_s += hour.ready_s;
        let known_s = if witness.is_some() {
            hour.ready_s
        } else {
            hour.observed_s
        };
        held.system = held.system.plus(system.over(hour.ready_s));
        held.available = held.available.plus(node.allocatable.over(known_s));
        held.unobserved = held.unobserved.plus(node.allocatable.over(hour.ready_s - known_s));
    }
    held.not_ready = node.capacity.over(billed_s.saturating_sub(ready_s));
    for slot in &node.slots {
        let (mut seen, mut taken) = (Measure::default(), Measure::default());
        for (hour, witness) in &hours {
            seen = seen.plus(effective(slot, hour.of_day));
            if let Some(witness) = witness {
                taken = taken.plus(self::taken(slot, hour, witness));
            }
        }
        let claims = [(false, seen), (true, taken)].into_iter();
        held.claims.extend(
            claims
                .filter(|(_, held)| *held != Measure::default())
                .map(|(filled, held)| Claim { slot, filled, held }),
        );
    }
    held
}

/// For an hour with seconds nobody observed, the nearest observed one of the node, the earlier of two.
fn witness<'a>(node: &'a NodeDay<'_>, missing: &NodeHour) -> Option<&'a NodeHour> {
    if missing.observed_s == missing.ready_s {
        return None;
    }
    let away = |hour: &NodeHour| hour.of_day.abs_diff(missing.of_day);
    node.hours
        .iter()
        .filter(|hour| hour.observed_s > 0 && (1..=REACH).contains(&away(hour)))
        .min_by_key(|hour| (away(hour), hour.of_day))
}

/// What a container is taken to have held in an hour with seconds nobody observed.
fn taken(slot: &Slot, hour: &NodeHour, witness: &NodeHour) -> Measure {
    let missing_s = u64::from(hour.ready_s - hour.observed_s);
    let scaled = |value: u64| value * missing_s / u64::from(witness.observed_s);
    let there = effective(slot, witness.of_day);
    Measure {
        cpu: scaled(there.cpu),
        memory: scaled(there.memory),
    }
}

fn effective(slot: &Slot, of_day: u8) -> Measure {
    let hour = slot.hours.iter().find(|hour| hour.of_day == of_day);
    hour.map_or_else(Measure::default, |hour| hour.effective)
}

/// In the unit weights of nodes.
fn weight(measure: Measure) -> u128 {
    u128::from(UNITS.cpu) * u128::from(measure.cpu) + u128::from(UNITS.memory) * u128::from(measure.memory)
}

/// What the root disk of a node follows: the day's effective requests of ordinary pods (A27), in the
/// unit weights of the node.
pub fn followed<'a>(node: &'a NodeDay<'_>) -> Vec<Claim<'a, u128>> {
    let claims = hold(node, (0, 24), 0).claims.into_iter();
    claims
        .filter(Claim::ordinary)
        .map(|claim| claim.with(weight(claim.held)))
        .collect()
}

/// Tells `give` what each pod of a node that uses its cluster held in the hours of the day, or is taken
/// to have held (A5): neither DaemonSets nor placeholders, nor what serves the cluster itself (A27).
pub fn hourly(node: &NodeDay<'_>, mut give: impl FnMut(&Pod, &[u128; 24])) {
    let missing: Vec<_> = node
        .hours
        .iter()
        .filter_map(|hour| Some((hour, witness(node, hour)?)))
        .collect();
    let users = node.slots.iter().filter(|slot| !slot.pod.serves_all());
    for slot in users.filter(|slot| matches!(slot.pod.role, Role::Workload | Role::PodOverhead)) {
        let mut weights = [0; 24];
        for hour in &slot.hours {
            weights[usize::from(hour.of_day)] += weight(hour.effective);
        }
        for (hour, witness) in &missing {
            weights[usize::from(hour.of_day)] += weight(taken(slot, hour, witness));
        }
        give(&slot.pod, &weights);
    }
}

/// `amount * weight / of`, cut off towards zero. `of` is below 2e29.
pub fn share(amount: i128, weight: u128, of: u128) -> i128 {
    const LIMB: u128 = 1_000_000_000;
    let mut limbs = [0; 5];
    let mut rest = amount.unsigned_abs();
    for limb in limbs.iter_mut().rev() {
        (*limb, rest) = (rest % LIMB, rest / LIMB);
    }
    let (mut quotient, mut left) = (0_u128, 0_u128);
    for limb in limbs {
        let here = left * LIMB + limb * weight;
        quotient = quotient * LIMB + here / of;
        left = here % of;
    }
    // a part is at most the amount
    let part = i128::try_from(quotient).unwrap_or(i128::MAX);
    if amount < 0 { -part } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_exact_to_the_grain() {
        let one = crate::money::ONE * GRAINS;
        let table = [
            (one, 1, 3, 333_333_333_333_333_333_333_333_333_333),
            (one, 2, 3, 666_666_666_666_666_666_666_666_666_666),
            (-one, 2, 3, -666_666_666_666_666_666_666_666_666_666),
            (90_000 * one, 1, 1, 90_000 * one),
            (7 * one, 3 * 10_u128.pow(28), 7 * 10_u128.pow(28), 3 * one),
            (0, 5, 9, 0),
            (one, 0, 9, 0),
        ];
        for (amount, weight, of, part) in table {
            assert_eq!(share(amount, weight, of), part, "{amount} * {weight} / {of}");
        }
    }
}
