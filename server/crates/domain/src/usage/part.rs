//! Allocation parts: what a piece of a cluster's cost paid for. The first nine
//! are what a node is made of (A1-A5, A26-A28); the others pay for what a
//! cluster has beside its nodes (A27, A31-A33).

use super::Role;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a piece of a cluster's cost paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Effective requests of ordinary containers.
    Workload,
    /// What pods hold beyond their containers (A26).
    PodOverhead,
    /// Capacity that is not allocatable; follows the pods of the node (A27).
    SystemReserved,
    /// Containers of DaemonSets; follow the other pods of the node (A27).
    DaemonSet,
    /// Pods that serve the whole cluster; follow its other pods (A27).
    ClusterServices,
    /// Billed, but not Ready (A3).
    NotReady,
    /// Ready, but without usage facts (A5).
    Unobserved,
    /// Placeholder pods (A28).
    PlannedHeadroom,
    /// Requested by nobody.
    IdleCapacity,
    /// The control plane; follows the pods of its cluster (A27).
    ControlPlane,
    /// A volume somebody mounted: its claim's owner pays (A31).
    Volume,
    /// A volume nobody mounted: its claim's owner pays all the same (A31).
    UnmountedVolume,
    /// A volume that outlived its claim for more than thirty days (A31).
    OrphanedVolume,
    /// A load balancer: follows its requests and bytes (A32).
    LoadBalancer,
    /// Traffic of a node without measured bytes: follows the pods of the node (A33).
    UnmeasuredNetwork,
}

impl Part {
    /// Every part, in the order shown.
    pub const ALL: [Part; 15] = [
        Part::Workload,
        Part::PodOverhead,
        Part::SystemReserved,
        Part::DaemonSet,
        Part::ClusterServices,
        Part::NotReady,
        Part::Unobserved,
        Part::PlannedHeadroom,
        Part::IdleCapacity,
        Part::ControlPlane,
        Part::Volume,
        Part::UnmountedVolume,
        Part::OrphanedVolume,
        Part::LoadBalancer,
        Part::UnmeasuredNetwork,
    ];

    /// Stable key, as in files, rules and URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Workload => "workload",
            Part::PodOverhead => "pod_overhead",
            Part::SystemReserved => "system_reserved",
            Part::DaemonSet => "daemon_set",
            Part::ClusterServices => "cluster_services",
            Part::NotReady => "not_ready",
            Part::Unobserved => "unobserved",
            Part::PlannedHeadroom => "planned_headroom",
            Part::IdleCapacity => "idle_capacity",
            Part::ControlPlane => "control_plane",
            Part::Volume => "volume",
            Part::UnmountedVolume => "unmounted_volume",
            Part::OrphanedVolume => "orphaned_volume",
            Part::LoadBalancer => "load_balancer",
            Part::UnmeasuredNetwork => "unmeasured_network",
        }
    }

    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Part::Workload => "Workloads",
            Part::PodOverhead => "Pod overhead",
            Part::SystemReserved => "System reserved",
            Part::DaemonSet => "DaemonSets",
            Part::ClusterServices => "Cluster services",
            Part::NotReady => "Not ready",
            Part::Unobserved => "Unobserved",
            Part::PlannedHeadroom => "Planned headroom",
            Part::IdleCapacity => "Idle capacity",
            Part::ControlPlane => "Control plane",
            Part::Volume => "Volumes",
            Part::UnmountedVolume => "Volumes, not mounted",
            Part::OrphanedVolume => "Volumes, orphaned",
            Part::LoadBalancer => "Load balancers",
            Part::UnmeasuredNetwork => "Network, unmeasured",
        }
    }

    /// Back from [`Part::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Part> {
        Part::ALL.into_iter().find(|part| part.as_str() == text)
    }

    /// What the money of a slot is called; filled hours are unobserved (A5).
    #[must_use]
    pub fn of(role: Role, filled: bool) -> Part {
        match role {
            _ if filled => Part::Unobserved,
            Role::Workload => Part::Workload,
            Role::PodOverhead => Part::PodOverhead,
            Role::DaemonSet => Part::DaemonSet,
            Role::Placeholder => Part::PlannedHeadroom,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
