//! Rows of samples: what a container or a node was seen to be at an instant.

use super::{
    BadCell, HOUR_S, Instant, MOST_GPU_MILLI, MOST_MIB, MOST_MILLICORES, Named, Node, Slot, Table, UsageKind, instant,
    some_instant,
};
use domain::instant::Span;
use domain::usage::hourly::Sample;
use domain::usage::{Capacity, NodeSample};

/// The first ten as in container hours: an identity is read by the same code.
pub(super) const CONTAINER_TEXTS: [Named; 14] = [
    ("cluster", true),
    ("node", true),
    ("namespace", true),
    ("pod", true),
    ("container", false),
    ("pod_uid", false),
    ("role", false),
    ("workload_kind", false),
    ("workload", false),
    ("labels", false),
    ("started", false),
    ("ended", false),
    ("services", false),
    ("annotations", false),
];
/// Where `services` lies; `annotations` is next to it.
pub(super) const SERVICES: usize = 12;
pub(super) const CONTAINER_INTS: [Named; 7] = [
    ("interval_seconds", true),
    ("cpu_request_millicores", true),
    ("memory_request_mib", true),
    ("gpu_request_milli", false),
    ("cpu_usage_millicores", false),
    ("memory_usage_mib", false),
    ("gpu_usage_milli", false),
];
/// The first seven as in node hours.
pub(super) const NODE_TEXTS: [Named; 8] = [
    ("cluster", true),
    ("node", true),
    ("provider_id", true),
    ("pool", false),
    ("capacity_type", false),
    ("root_volume_id", false),
    ("labels", false),
    ("ready", true),
];
pub(super) const NODE_INTS: [Named; 7] = [
    ("interval_seconds", true),
    ("cpu_capacity_millicores", true),
    ("cpu_allocatable_millicores", true),
    ("memory_capacity_mib", true),
    ("memory_allocatable_mib", true),
    ("gpu_capacity_milli", false),
    ("gpu_allocatable_milli", false),
];

/// What a row of samples says.
pub(in crate::usage) struct Sampled {
    pub interval_s: u32,
    pub of: SampledOf,
}

/// Of what.
pub(in crate::usage) enum SampledOf {
    Slot(Box<SampledSlot>),
    Node(Box<SampledNode>),
}

/// A sample of a container.
pub(in crate::usage) struct SampledSlot {
    pub slot: Slot,
    /// From its pod's binding to its end.
    pub alive: Span,
    pub sample: Sample,
}

/// A sample of a node.
pub(in crate::usage) struct SampledNode {
    pub node: Node,
    pub sample: NodeSample,
}

impl Table {
    /// What a row of samples says.
    pub fn sample(&self, cells: &[&str]) -> Result<Sampled, BadCell> {
        let at = instant("at", cells.get(self.time).copied().unwrap_or("").trim())?;
        let interval_s = self.seconds(cells, 0)?.filter(|seconds| *seconds > 0);
        let interval_s = interval_s.ok_or_else(|| {
            let most = format!("is no interval; samples are taken every 1 to {HOUR_S} s");
            ("interval_seconds", most)
        })?;
        let of = match self.kind {
            UsageKind::NodeSamples => SampledOf::Node(Box::new(self.node_sample(cells, at)?)),
            _ => SampledOf::Slot(Box::new(self.container_sample(cells, at)?)),
        };
        Ok(Sampled { interval_s, of })
    }

    fn container_sample(&self, cells: &[&str], at: Instant) -> Result<SampledSlot, BadCell> {
        let amount = |at: usize, most: u64| self.at_most(cells, at, most);
        let requested = Capacity {
            cpu_millicores: amount(1, MOST_MILLICORES)?.unwrap_or(0),
            memory_mib: amount(2, MOST_MIB)?.unwrap_or(0),
            gpu_milli: amount(3, MOST_GPU_MILLI)?.unwrap_or(0),
        };
        let used = match (
            amount(4, MOST_MILLICORES)?,
            amount(5, MOST_MIB)?,
            amount(6, MOST_GPU_MILLI)?,
        ) {
            (None, None, None) => None,
            (Some(cpu_millicores), Some(memory_mib), gpu) => Some(Capacity {
                cpu_millicores,
                memory_mib,
                gpu_milli: gpu.unwrap_or(0),
            }),
            _ => {
                return Err((
                    CONTAINER_INTS[4].0,
                    "usage of CPU and memory belong together; without metrics leave both empty".to_owned(),
                ));
            }
        };
        let started = some_instant("started", self.text(cells, 10))?;
        let ended = some_instant("ended", self.text(cells, 11))?;
        let alive = Span {
            start: started.unwrap_or(at),
            end: ended.unwrap_or(Instant(i64::MAX)),
        };
        if !(alive.start..=alive.end).contains(&at) {
            return Err(("at", "is not between `started` and `ended`".to_owned()));
        }
        Ok(SampledSlot {
            slot: self.slot(cells)?,
            alive: Span {
                start: started.unwrap_or(Instant(i64::MIN)),
                ..alive
            },
            sample: Sample { at, requested, used },
        })
    }

    fn node_sample(&self, cells: &[&str], at: Instant) -> Result<SampledNode, BadCell> {
        let ready = match self.text(cells, 7) {
            "true" => true,
            "false" => false,
            text => return Err(("ready", format!("{text:?} is neither true nor false"))),
        };
        let (capacity, allocatable) = self.capacities(cells, 1)?;
        Ok(SampledNode {
            node: self.node(cells)?,
            sample: NodeSample {
                at,
                ready,
                capacity,
                allocatable,
            },
        })
    }
}
