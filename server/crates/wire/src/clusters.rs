use serde::{Deserialize, Serialize};

use crate::{Context, Finding, Money, PeriodState};

/// The Clusters page: what was paid, requested and used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClustersPage {
    /// Period, basis, currency and freshness.
    pub context: Context,
    /// Every cluster with usage or split cost in the period, by id.
    pub clusters: Vec<Cluster>,
    /// What the node cost of all clusters paid for.
    pub parts: Vec<PartCost>,
    /// Node cost of the period that usage was found for.
    pub joined: Money,
    /// Node cost of the period without usage: it stays whole, with the owner of its charge.
    pub unjoined: Money,
    /// Findings of the allocation that are about clusters.
    pub findings: Vec<Finding>,
}

/// A cluster in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Estimated while a delivery of the period is open: its costs can still change.
    pub state: PeriodState,
    /// What node hours no line of the bill pays for yet are estimated at, beside
    /// `cost` and in no total; `None` when nothing is estimated in this currency.
    pub estimate: Option<Money>,
    /// What its nodes cost; `None` when no line of the bill pays for them.
    pub cost: Option<Money>,
    /// What that paid for; the parts are the node cost.
    pub parts: Vec<PartCost>,
    /// What the root disks of its nodes cost, beside the node cost; they follow the pods.
    pub disk_cost: Money,
    /// Its pools.
    pub pools: Vec<NodePool>,
    /// Days of the period with usage facts.
    pub days: u32,
    /// The end of the last hour with facts, RFC 3339 UTC; `None` without any.
    pub facts_through: Option<String>,
    /// Seconds in which nodes were Ready without facts, within the period.
    pub unobserved_s: u64,
    /// Seconds in which nodes were Ready, within the period.
    pub ready_s: u64,
}

/// A part of a node's cost, by allocation part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCost {
    /// `workload`, `idle_capacity`, ...
    pub part: String,
    /// What people read.
    pub label: String,
    /// Cost.
    pub cost: Money,
    /// Share of the node cost, in thousandths; the shares add up to 1000. `None` when the cost is zero.
    pub share_permille: Option<i32>,
    /// Length of its bar: its amount by that of the largest part, in thousandths.
    pub bar_permille: u32,
}

/// A node pool of a cluster in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePool {
    /// Its name; empty when unknown.
    pub pool: String,
    /// Nodes at most on one day; 0 = no facts, and nothing below is known.
    pub nodes: u64,
    /// What it cost.
    pub cost: Money,
    /// Of that, idle capacity.
    pub idle_cost: Money,
    /// Capacity.
    pub capacity: Measured,
    /// What pods could take.
    pub allocatable: Measured,
    /// Requests.
    pub requested: Measured,
    /// Usage.
    pub used: Measured,
    /// Effective requests.
    pub effective: Measured,
    /// Effective requests above allocatable, hour by hour and node by node.
    pub overcommitted: Measured,
}

/// An integral over the period, in whole units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Core-hours, in thousandths.
    pub core_hours_milli: u64,
    /// GiB-hours, in thousandths.
    pub gib_hours_milli: u64,
    /// GPU-hours, in thousandths.
    pub gpu_hours_milli: u64,
}
