use serde::{Deserialize, Serialize};

use crate::{Context, Finding, Money};

/// The Clusters page: what was paid, requested and used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClustersPage {
    /// Period, basis, currency and freshness.
    pub context: Context,
    /// Every cluster with usage or split cost in the period, by id.
    pub clusters: Vec<Cluster>,
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
    /// What its nodes and their disks cost.
    pub cost: Money,
    /// What of that was paid for; the parts are the node cost.
    pub parts: Vec<PartCost>,
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
    /// Share of the node cost, in thousandths.
    pub share_permille: i64,
}

/// A node pool of a cluster in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePool {
    /// Its name; empty when unknown.
    pub pool: String,
    /// Nodes at most on one day.
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
