//! Container-days: what every container, and every node beside its containers,
//! cost on a UTC day, to the last digit. Written by the pass that makes the
//! cube, one immutable Parquet file per allocation, cluster and day; the hours
//! of a day are derived again when someone asks for them (docs/FORMATS.md).

mod check;
mod file;
mod hours;

pub use file::read_day;
pub use hours::hours_of_day;

pub(crate) use file::{DayRows, Extent};

use domain::instant::{Day, Instant};
use domain::usage::{Hour, Measure, Node, Part, Slot};
use domain::{Currency, Money};
use std::sync::Arc;

/// The container-days of a cluster's day, as the manifest names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerDayFile {
    /// Cluster id.
    pub cluster: String,
    /// The day.
    pub day: Day,
    /// Path inside the lake.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The usage file whose rows `slot` counts; empty when the day has no facts.
    pub slots_path: String,
}

/// What a container cost on a day (or in an hour), in one currency. A container
/// whose unobserved time was filled (A5) has a second one, of part `unobserved`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotCost {
    /// The container.
    pub slot: Arc<Slot>,
    /// Its node.
    pub node: Arc<Node>,
    /// What its own claim is called.
    pub part: Part,
    /// Currency of every amount here.
    pub currency: Currency,
    /// Start of the first hour it has facts of.
    pub start: Instant,
    /// End of the last one.
    pub end: Instant,
    /// Seconds it ran and was observed.
    pub seconds: u64,
    /// Integral of the request. This, `used` and `effective` are with the first
    /// currency only, so that they may be added up.
    pub requested: Measure,
    /// Integral of the usage.
    pub used: Measure,
    /// Integral of max(request, usage); of part `unobserved`, what was taken from a neighbouring hour.
    pub effective: Measure,
    /// EffectiveCost of its own claim: CPU, memory, accelerators. Zero for a
    /// DaemonSet whose money followed the other pods (A27).
    pub cost: [Money; 3],
    /// EffectiveCost of system reserved that followed it (A27).
    pub system_cost: Money,
    /// EffectiveCost of DaemonSets that followed it (A27).
    pub daemon_cost: Money,
    /// EffectiveCost of the root disk that followed it (A27).
    pub disk_cost: Money,
    /// BilledCost of all of this.
    pub billed: Money,
}

/// What a node cost on a day (or in an hour), in one currency, and what of it
/// is with no container. Resource by resource in the order of
/// [`domain::usage::Resource::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCost {
    /// The node.
    pub node: Arc<Node>,
    /// Currency of every amount here.
    pub currency: Currency,
    /// Start of the first hour it has facts of; of the day when it has none.
    pub start: Instant,
    /// End of the last one.
    pub end: Instant,
    /// Capacity over its Ready seconds. This, `allocatable` and `ready_s` are
    /// with the first currency only.
    pub capacity: Measure,
    /// What pods could take of it.
    pub allocatable: Measure,
    /// Seconds it was Ready.
    pub ready_s: u64,
    /// EffectiveCost of the machine: its containers' `cost`, `system_cost` and
    /// `daemon_cost`, and the three remainders below.
    pub total: [Money; 3],
    /// Requested by nobody.
    pub idle: [Money; 3],
    /// Billed, but not Ready (A3).
    pub not_ready: [Money; 3],
    /// Ready, but without facts (A5).
    pub unobserved: [Money; 3],
    /// EffectiveCost of the root disk: its containers' `disk_cost` and `disk_left`.
    pub disk_total: Money,
    /// Root disk without pods to follow.
    pub disk_left: Money,
    /// BilledCost of machine and disk.
    pub billed_total: Money,
    /// BilledCost of what is with no container.
    pub billed_left: Money,
}

/// The costs of a cluster's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCosts {
    /// Cluster id.
    pub cluster: String,
    /// The day.
    pub day: Day,
    /// Containers, by node, currency and slot.
    pub slots: Vec<SlotCost>,
    /// Nodes, by node and currency.
    pub nodes: Vec<NodeCost>,
}

/// The same of one hour of the day. Added up over the hours it is the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourCosts {
    /// The hour.
    pub hour: Hour,
    /// Containers, by node, currency and slot.
    pub slots: Vec<SlotCost>,
    /// Nodes, by node and currency.
    pub nodes: Vec<NodeCost>,
}
