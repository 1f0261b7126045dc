//! Allocation parts: what a piece of a node's cost paid for. Together they are
//! the node (A1-A5, A26-A28).

use super::Role;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a piece of a node's cost paid for.
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
    /// Billed, but not Ready (A3).
    NotReady,
    /// Ready, but without usage facts (A5).
    Unobserved,
    /// Placeholder pods (A28).
    PlannedHeadroom,
    /// Requested by nobody.
    IdleCapacity,
}

impl Part {
    /// Every part, in the order shown.
    pub const ALL: [Part; 8] = [
        Part::Workload,
        Part::PodOverhead,
        Part::SystemReserved,
        Part::DaemonSet,
        Part::NotReady,
        Part::Unobserved,
        Part::PlannedHeadroom,
        Part::IdleCapacity,
    ];

    /// Stable key, as in files, rules and URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Workload => "workload",
            Part::PodOverhead => "pod_overhead",
            Part::SystemReserved => "system_reserved",
            Part::DaemonSet => "daemon_set",
            Part::NotReady => "not_ready",
            Part::Unobserved => "unobserved",
            Part::PlannedHeadroom => "planned_headroom",
            Part::IdleCapacity => "idle_capacity",
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
            Part::NotReady => "Not ready",
            Part::Unobserved => "Unobserved",
            Part::PlannedHeadroom => "Planned headroom",
            Part::IdleCapacity => "Idle capacity",
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
