//! What is remarkable about days of usage as they now stand, with the size of
//! its effect.

use super::merge::Merged;
use domain::finding::Finding;
use domain::usage::{ClusterDay, HOUR_S, Hour, Measure, Node, NodeHour};
use polars::prelude::PlHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// How far usage may lie above what a machine has: counters of different
/// instants do not fit to the second.
const TOLERATED_PERCENT: u64 = 5;

/// What can be remarkable, in the order it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remark {
    /// Container hours on nodes the node hours do not have.
    UnknownNodes,
    /// Node hours without allocatable capacity.
    MissingAllocatable,
    /// Containers that ran for more than an hour within one.
    TwoNodes,
    /// Machines that have two names in one hour.
    TwoNames,
    /// Container hours that hold something and last no time.
    NoTime,
    /// Nodes whose containers used more than the machine has.
    AboveCapacity,
    /// Node hours with seconds without facts.
    Gaps,
}

/// How often, and how much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effect {
    pub hours: u64,
    pub amount: Measure,
}

pub(super) type Remarks = BTreeMap<Remark, Effect>;

/// What is remarkable about a day.
pub(super) fn remarks(day: &ClusterDay) -> Remarks {
    let mut remarks = Remarks::new();
    let mut remark = |remark: Remark, hours: u64, amount: Measure| {
        if hours > 0 {
            let effect = remarks.entry(remark).or_default();
            effect.hours += hours;
            effect.amount = effect.amount.plus(amount);
        }
    };
    let names: BTreeSet<&str> = day.nodes.iter().map(|(node, _)| node.name.as_str()).collect();
    for (_, hours) in day.slots.iter().filter(|(slot, _)| !names.contains(slot.node.as_str())) {
        let amount = hours.iter().fold(Measure::ZERO, |sum, hour| sum.plus(hour.effective));
        remark(Remark::UnknownNodes, hours.len() as u64, amount);
    }
    let (twice, amount) = on_two_nodes(day);
    remark(Remark::TwoNodes, twice, amount);
    let (twice, amount) = of_two_names(day);
    remark(Remark::TwoNames, twice, amount);
    let hours = day.slots.iter().flat_map(|(_, hours)| hours);
    for hour in hours.filter(|hour| hour.seconds == 0 && !hour.effective.is_zero()) {
        remark(Remark::NoTime, 1, hour.effective);
    }
    let used = used(day);
    for (node, hour) in node_hours(day) {
        let ready = hour.capacity.over(u64::from(hour.ready_s));
        let none = hour.allocatable.cpu_millicores == 0 || hour.allocatable.memory_mib == 0;
        remark(Remark::MissingAllocatable, u64::from(none && hour.ready_s > 0), ready);
        let missing_s = u64::from(hour.ready_s.saturating_sub(hour.observed_s));
        remark(Remark::Gaps, u64::from(missing_s > 0), hour.capacity.over(missing_s));
        let above = above(hour, used.get(&(node.name.as_str(), hour.hour)));
        remark(Remark::AboveCapacity, u64::from(!above.is_zero()), above);
    }
    remarks
}

fn node_hours(day: &ClusterDay) -> impl Iterator<Item = (&Node, &NodeHour)> {
    day.nodes
        .iter()
        .flat_map(|(node, hours)| hours.iter().map(move |hour| (node, hour)))
}

/// What the containers of a node used in an hour.
fn used(day: &ClusterDay) -> PlHashMap<(&str, Hour), Measure> {
    let mut used: PlHashMap<(&str, Hour), Measure> = PlHashMap::default();
    for (slot, hours) in &day.slots {
        for hour in hours {
            let sum = used.entry((slot.node.as_str(), hour.hour)).or_default();
            *sum = sum.plus(hour.used);
        }
    }
    used
}

/// Usage beyond what the machine has; requests may be, usage cannot.
fn above(hour: &NodeHour, used: Option<&Measure>) -> Measure {
    let (Some(used), true) = (used, hour.capacity.cpu_millicores > 0) else {
        return Measure::ZERO;
    };
    let whole = hour.capacity.over(u64::from(HOUR_S));
    let more = |amount: u64| amount.saturating_add(amount / 100 * TOLERATED_PERCENT);
    let tolerated = Measure {
        cpu_core_ms: more(whole.cpu_core_ms),
        memory_mib_s: more(whole.memory_mib_s),
        gpu_ms: u64::MAX,
    };
    let excess = used.less(tolerated);
    if excess.is_zero() { excess } else { used.less(whole) }
}

/// Container hours of more than an hour, and what is effective in them.
fn on_two_nodes(day: &ClusterDay) -> (u64, Measure) {
    let mut nodes: PlHashMap<(&str, &str), &str> = PlHashMap::default();
    let mut moved: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (slot, _) in &day.slots {
        let id = (slot.pod_uid.as_str(), slot.container.as_str());
        if nodes.insert(id, &slot.node).is_some_and(|node| node != slot.node) {
            moved.insert(id);
        }
    }
    let mut sums: BTreeMap<(&str, &str, Hour), (u32, Measure)> = BTreeMap::new();
    for (slot, hours) in &day.slots {
        let id = (slot.pod_uid.as_str(), slot.container.as_str());
        if !moved.contains(&id) {
            continue;
        }
        for hour in hours {
            let (seconds, amount) = sums.entry((id.0, id.1, hour.hour)).or_default();
            *seconds += hour.seconds;
            *amount = amount.plus(hour.effective);
        }
    }
    let twice = sums.into_values().filter(|(seconds, _)| *seconds > HOUR_S);
    twice.fold((0, Measure::ZERO), |(count, sum), (_, amount)| {
        (count + 1, sum.plus(amount))
    })
}

/// Hours in which two nodes say they are one machine, and what those after the
/// first are said to have.
fn of_two_names(day: &ClusterDay) -> (u64, Measure) {
    let mut first: PlHashMap<(&str, Hour), &str> = PlHashMap::default();
    let ready = node_hours(day).filter(|(node, hour)| !node.provider_id.is_empty() && hour.ready_s > 0);
    ready.fold((0, Measure::ZERO), |(count, sum), (node, hour)| {
        let name = *first
            .entry((node.provider_id.as_str(), hour.hour))
            .or_insert(&node.name);
        if name == node.name {
            return (count, sum);
        }
        (count + 1, sum.plus(hour.capacity.over(u64::from(hour.ready_s))))
    })
}

/// Adds what is remarkable about another day.
pub(super) fn plus(sum: &mut Remarks, more: &Remarks) {
    for (remark, effect) in more {
        let known = sum.entry(*remark).or_default();
        known.hours += effect.hours;
        known.amount = known.amount.plus(effect.amount);
    }
}

/// As findings about a cluster.
pub(super) fn findings(cluster: &str, remarks: &Remarks) -> Vec<Finding> {
    let finding = |(remark, effect): (&Remark, &Effect)| {
        let amount = amounts(effect.amount);
        let finding = match remark {
            Remark::UnknownNodes => Finding::warning(
                "usage_of_unknown_nodes",
                format!("cluster {cluster}: container hours ({amount}) on nodes the node hours do not have; they get no cost"),
            )
            .remedy("ingest the node hours of these days as well"),
            Remark::MissingAllocatable => Finding::warning(
                "missing_allocatable",
                format!("cluster {cluster}: node hours ({amount}) without allocatable capacity; idle capacity cannot be told"),
            )
            .remedy("export the allocatable capacity of the nodes"),
            Remark::TwoNodes => Finding::warning(
                "container_on_two_nodes",
                format!("cluster {cluster}: containers ({amount}) that ran on two nodes for more than an hour in one hour"),
            )
            .remedy("check the clocks of the nodes, and whether pod_uid is the UID of the pod"),
            Remark::TwoNames => Finding::warning(
                "machine_of_two_names",
                format!("cluster {cluster}: node hours ({amount}) whose provider_id another node has in the same hour; a bill pays for it once"),
            )
            .remedy("check provider_id in the export: each machine has its own"),
            Remark::NoTime => Finding::warning(
                "container_hours_without_time",
                format!("cluster {cluster}: container hours ({amount}) with requests and 0 seconds"),
            )
            .remedy("export how long each container ran in the hour, in seconds"),
            Remark::AboveCapacity => Finding::warning(
                "usage_above_capacity",
                format!("cluster {cluster}: node hours whose containers used more than the machine has, by {amount}"),
            )
            .remedy("check the units (core-ms, MiB-s), and whether containers are told twice under two names"),
            Remark::Gaps => Finding::info(
                "unobserved_node_hours",
                format!("cluster {cluster}: node hours with time ({amount}) without facts; hours around stand in for it (A5)"),
            ),
        };
        finding.times(effect.hours)
    };
    remarks.iter().map(finding).collect()
}

/// Facts that were there with other values, and what hangs on it.
pub(super) fn overlap(merged: &Merged) -> Option<Finding> {
    let mut by = Vec::new();
    if !merged.differing.is_zero() {
        by.push(amounts(merged.differing));
    }
    if merged.differing_s > 0 {
        by.push(format!(
            "{} hours of existence",
            tenths(merged.differing_s, u64::from(HOUR_S))
        ));
    }
    let by = if by.is_empty() {
        "they differ in what is no time or effective request".to_owned()
    } else {
        format!("they differ by {}", by.join(" and "))
    };
    (merged.conflicts > 0).then(|| {
        Finding::warning(
            "overlapping_hours",
            format!("some hours were there already with other values; the better observed one stays; {by}"),
        )
        .times(merged.conflicts)
    })
}

/// `12.5 core-hours, 3.0 GiB-hours`, and of accelerators if any.
fn amounts(amount: Measure) -> String {
    let hour_s = u64::from(HOUR_S);
    let mut text = format!(
        "{} core-hours, {} GiB-hours",
        tenths(amount.cpu_core_ms, hour_s * 1_000),
        tenths(amount.memory_mib_s, hour_s * 1_024)
    );
    if amount.gpu_ms > 0 {
        text.push_str(&format!(", {} GPU-hours", tenths(amount.gpu_ms, hour_s * 1_000)));
    }
    text
}

/// A quotient with one decimal, rounded up: what there is is never shown as nothing.
fn tenths(amount: u64, unit: u64) -> String {
    let tenths = (u128::from(amount) * 10).div_ceil(u128::from(unit));
    format!("{}.{}", tenths / 10, tenths % 10)
}
