//! Usage: what a container, node, volume or load balancer held and used in an
//! hour, in integers (rule A1).
//!
//! Units: CPU in core-ms (one core for one millisecond), memory in MiB-s,
//! accelerators in GPU-ms (a slice counts as its share of a device). An
//! *effective request* is the integral over time of max(request, usage).
//!
//! Facts are hourly and carry their identity: a [`Slot`] is one container of
//! one pod on one node (or that pod's overhead), with its metadata.

pub mod fill;
pub mod hourly;
pub mod key;
mod part;
mod presence;
pub mod profile;
mod resource;
mod sizing;

pub use part::Part;
pub use presence::{NodeSample, node_hours};
pub use resource::{
    Backend, BackendHour, Balancer, BalancerDay, BalancerHour, Mount, MountHour, Volume, VolumeDay, VolumeHour,
};
pub use sizing::{CpuSpread, SizingHour, SlotId, Throttling};

use crate::instant::{Day, Instant, SECOND_US};
use crate::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Seconds in an hour.
pub const HOUR_S: u32 = 3_600;

/// Hours since 1970-01-01T00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(pub i32);

impl Hour {
    /// The hour that holds an instant.
    #[must_use]
    pub fn of(at: Instant) -> Hour {
        Hour(i32::try_from(at.0.div_euclid(i64::from(HOUR_S) * SECOND_US)).unwrap_or(i32::MAX))
    }

    /// Its first instant.
    #[must_use]
    pub fn start(self) -> Instant {
        Instant(i64::from(self.0) * i64::from(HOUR_S) * SECOND_US)
    }

    /// Its UTC day.
    #[must_use]
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(24))
    }

    /// Its position in the day, 0 to 23.
    #[must_use]
    pub fn of_day(self) -> u8 {
        u8::try_from(self.0.rem_euclid(24)).unwrap_or(0)
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.start().fmt(f)
    }
}

/// An amount of each resource, integrated over time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Measure {
    /// CPU, core-ms.
    pub cpu_core_ms: u64,
    /// Memory, MiB-s.
    pub memory_mib_s: u64,
    /// Accelerators, GPU-ms.
    pub gpu_ms: u64,
}

/// The resources a node's cost is divided into, in canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Cores.
    Cpu,
    /// Memory.
    Memory,
    /// Accelerators.
    Gpu,
}

impl Resource {
    /// All, in canonical order.
    pub const ALL: [Resource; 3] = [Resource::Cpu, Resource::Memory, Resource::Gpu];
}

impl Measure {
    /// Nothing.
    pub const ZERO: Measure = Measure {
        cpu_core_ms: 0,
        memory_mib_s: 0,
        gpu_ms: 0,
    };

    /// The amount of one resource.
    #[must_use]
    pub fn get(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Cpu => self.cpu_core_ms,
            Resource::Memory => self.memory_mib_s,
            Resource::Gpu => self.gpu_ms,
        }
    }

    /// Resource by resource; saturates, and no cluster is that large.
    #[must_use]
    pub fn plus(self, other: Measure) -> Measure {
        self.zip(other, u64::saturating_add)
    }

    /// Resource by resource, not below zero.
    #[must_use]
    pub fn less(self, other: Measure) -> Measure {
        self.zip(other, u64::saturating_sub)
    }

    /// The larger of the two, resource by resource.
    #[must_use]
    pub fn max(self, other: Measure) -> Measure {
        self.zip(other, u64::max)
    }

    /// Whether it is nothing of anything.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Measure::ZERO
    }

    fn zip(self, other: Measure, op: fn(u64, u64) -> u64) -> Measure {
        Measure {
            cpu_core_ms: op(self.cpu_core_ms, other.cpu_core_ms),
            memory_mib_s: op(self.memory_mib_s, other.memory_mib_s),
            gpu_ms: op(self.gpu_ms, other.gpu_ms),
        }
    }
}

/// What a node has, at an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Capacity {
    /// Thousandths of a core.
    pub cpu_millicores: u64,
    /// MiB.
    pub memory_mib: u64,
    /// Thousandths of an accelerator.
    pub gpu_milli: u64,
}

impl Capacity {
    /// Held for some seconds.
    #[must_use]
    pub fn over(&self, seconds: u64) -> Measure {
        Measure {
            cpu_core_ms: self.cpu_millicores.saturating_mul(seconds),
            memory_mib_s: self.memory_mib.saturating_mul(seconds),
            gpu_ms: self.gpu_milli.saturating_mul(seconds),
        }
    }

    /// Resource by resource.
    #[must_use]
    pub fn plus(&self, other: &Capacity) -> Capacity {
        self.zip(other, u64::saturating_add)
    }

    /// What is left of it, not below zero.
    #[must_use]
    pub fn less(&self, other: &Capacity) -> Capacity {
        self.zip(other, u64::saturating_sub)
    }

    /// The larger of the two, resource by resource.
    #[must_use]
    pub fn max(self, other: Capacity) -> Capacity {
        self.zip(&other, u64::max)
    }

    fn zip(&self, other: &Capacity, op: fn(u64, u64) -> u64) -> Capacity {
        Capacity {
            cpu_millicores: op(self.cpu_millicores, other.cpu_millicores),
            memory_mib: op(self.memory_mib, other.memory_mib),
            gpu_milli: op(self.gpu_milli, other.gpu_milli),
        }
    }
}

/// A node for the time it kept its identity. Names are reused, so the join to
/// the bill is by `provider_id` and time (A37).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Node {
    /// Kubernetes name.
    pub name: String,
    /// `spec.providerID`, or whatever the bill calls the machine; empty when unknown.
    pub provider_id: String,
    /// Node pool; empty when unknown.
    pub pool: String,
    /// `on-demand`, `reserved`, `spot`; empty when unknown.
    pub capacity_type: String,
    /// The bill's id of its root disk; empty when unknown.
    pub root_volume_id: String,
    /// Node labels that are kept.
    pub labels: Tags,
}

/// What a node was in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeHour {
    /// The hour.
    pub hour: Hour,
    /// Seconds it existed and was Ready.
    pub ready_s: u32,
    /// Of these, seconds with usage facts; the rest is unobserved (A5).
    pub observed_s: u32,
    /// What it has.
    pub capacity: Capacity,
    /// What pods may take of it.
    pub allocatable: Capacity,
}

/// What a container's money is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An ordinary container.
    #[default]
    Workload,
    /// What its pod holds beyond its containers (A26).
    PodOverhead,
    /// A container of a DaemonSet: follows the other pods of its node (A27).
    DaemonSet,
    /// A placeholder pod: planned headroom (A28).
    Placeholder,
}

impl Role {
    /// All.
    pub const ALL: [Role; 4] = [Role::Workload, Role::PodOverhead, Role::DaemonSet, Role::Placeholder];

    /// Stable key, as in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Workload => "workload",
            Role::PodOverhead => "pod_overhead",
            Role::DaemonSet => "daemon_set",
            Role::Placeholder => "placeholder",
        }
    }

    /// Back from [`Role::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// One container of one pod on one node, or the overhead of that pod. Its
/// order is the canonical order of the split (A12): node, pod, container.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// Name of the node.
    pub node: String,
    /// Pod UID; where none is known, `namespace/pod`.
    pub pod_uid: String,
    /// Container name; empty for the pod's overhead.
    pub container: String,
    /// What its money is called.
    pub role: Role,
    /// Namespace.
    pub namespace: String,
    /// Pod name.
    pub pod: String,
    /// Kind of the top owner, `Deployment`; empty when unknown.
    pub workload_kind: String,
    /// Name of the top owner; empty when unknown.
    pub workload: String,
    /// Pod and namespace labels that are kept.
    pub labels: Tags,
    /// Names of the services that select the pod, in order; empty when unknown.
    /// For clients of OpenCost: no rule looks at them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Annotations of the pod that are kept; for the same.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub annotations: Tags,
}

/// What a slot held and used in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SlotHour {
    /// The hour.
    pub hour: Hour,
    /// Seconds it ran and was observed.
    pub seconds: u32,
    /// Integral of max(request, usage).
    pub effective: Measure,
    /// Integral of the request.
    pub requested: Measure,
    /// Integral of the usage.
    pub used: Measure,
}

/// A cluster's facts of one UTC day, in canonical order. A field that a sender
/// does not know yet is empty for the receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterDay {
    /// Cluster id: the UID of its kube-system namespace, or the name a file gives it.
    pub cluster: String,
    /// The day.
    pub day: Day,
    /// Nodes by [`Node`], each with its hours in order.
    pub nodes: Vec<(Node, Vec<NodeHour>)>,
    /// Slots by [`Slot`], each with its hours in order.
    pub slots: Vec<(Slot, Vec<SlotHour>)>,
    /// Volumes by [`Volume`].
    pub volumes: Vec<VolumeDay>,
    /// Load balancers by [`Balancer`].
    pub balancers: Vec<BalancerDay>,
    /// What is known for sizing, by [`SlotId`], each with its hours in order.
    pub sizing: Vec<(SlotId, Vec<SizingHour>)>,
}

/// What a node pool had, held and used on a day: for capacity pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSums {
    /// Pool; empty when unknown.
    pub pool: String,
    /// Nodes that were Ready at some time.
    pub nodes: u64,
    /// Seconds they were Ready.
    pub ready_s: u64,
    /// Of these, seconds with facts.
    pub observed_s: u64,
    /// Capacity over the Ready seconds.
    pub capacity: Measure,
    /// Allocatable capacity over the Ready seconds.
    pub allocatable: Measure,
    /// Integral of the requests.
    pub requested: Measure,
    /// Integral of the usage.
    pub used: Measure,
    /// Effective requests.
    pub effective: Measure,
    /// Effective requests above what was allocatable, hour by hour and node by node (A29).
    pub overcommitted: Measure,
}

/// The sums of a day by pool, in order.
#[must_use]
pub fn pool_sums(day: &ClusterDay) -> Vec<PoolSums> {
    let mut pools: BTreeMap<&str, PoolSums> = BTreeMap::new();
    let mut pool_of: BTreeMap<&str, &str> = BTreeMap::new();
    let mut held: BTreeMap<(&str, Hour), Measure> = BTreeMap::new();
    for (node, _) in &day.nodes {
        pool_of.insert(&node.name, &node.pool);
    }
    for (slot, hours) in &day.slots {
        let Some(pool) = pool_of.get(slot.node.as_str()) else {
            continue;
        };
        let sums = pools.entry(pool).or_default();
        for hour in hours {
            sums.requested = sums.requested.plus(hour.requested);
            sums.used = sums.used.plus(hour.used);
            sums.effective = sums.effective.plus(hour.effective);
            let held = held.entry((&slot.node, hour.hour)).or_default();
            *held = held.plus(hour.effective);
        }
    }
    for (node, hours) in &day.nodes {
        let sums = pools.entry(&node.pool).or_default();
        sums.nodes += u64::from(hours.iter().any(|hour| hour.ready_s > 0));
        for hour in hours {
            let ready_s = u64::from(hour.ready_s);
            let allocatable = hour.allocatable.over(ready_s);
            sums.ready_s += ready_s;
            sums.observed_s += u64::from(hour.observed_s);
            sums.capacity = sums.capacity.plus(hour.capacity.over(ready_s));
            sums.allocatable = sums.allocatable.plus(allocatable);
            if let Some(held) = held.get(&(node.name.as_str(), hour.hour)) {
                sums.overcommitted = sums.overcommitted.plus(held.less(allocatable));
            }
        }
    }
    let named = |(pool, sums): (&str, PoolSums)| PoolSums {
        pool: pool.to_owned(),
        ..sums
    };
    pools.into_iter().map(named).collect()
}
