//! The split of a node's cost: reference form (rules A1-A6, A26-A30).
use crate::apportion::{ApportionError, Splitter};
use crate::money::Money;
use crate::usage::{Measure, NodeHour, Resource, Role};

/// Weight of a core-ms.
pub const CPU_WEIGHT: i128 = 9_216;
/// Weight of a MiB-s.
pub const MEMORY_WEIGHT: i128 = 1_000;
/// Weight of a GPU-ms.
pub const GPU_WEIGHT: i128 = 92_160;

/// Weight of a measure.
#[must_use]
pub fn unit_weight(measure: &Measure) -> i128 {
    CPU_WEIGHT * i128::from(measure.cpu_core_ms)
        + MEMORY_WEIGHT * i128::from(measure.memory_mib_s)
        + GPU_WEIGHT * i128::from(measure.gpu_ms)
}

/// A claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Role.
    pub role: Role,
    /// Filled.
    pub filled: bool,
    /// Effective request.
    pub effective: Measure,
    /// Request.
    pub requested: Measure,
    /// Usage.
    pub used: Measure,
}

/// Weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeWeights {
    /// System reserved.
    pub system_reserved: Measure,
    /// Not ready.
    pub not_ready: Measure,
    /// Unobserved.
    pub unobserved: Measure,
    /// Available.
    pub available: Measure,
}

/// Weights of the hours of a charge.
#[must_use]
pub fn node_weights(hours: &[NodeHour], billed_s: Option<u64>, filled_s: &[u32]) -> NodeWeights {
    let mut weights = NodeWeights::default();
    let mut ready = 0;
    for (at, hour) in hours.iter().enumerate() {
        let ready_s = u64::from(hour.ready_s);
        let known_s = (u64::from(hour.observed_s) + u64::from(filled_s.get(at).copied().unwrap_or(0))).min(ready_s);
        ready += ready_s;
        let reserved = hour.capacity.less(&hour.allocatable);
        weights.system_reserved = weights.system_reserved.plus(reserved.over(ready_s));
        weights.available = weights.available.plus(hour.allocatable.over(known_s));
        weights.unobserved = weights.unobserved.plus(hour.allocatable.over(ready_s - known_s));
    }
    if let (Some(billed_s), Some(first)) = (billed_s, hours.first()) {
        weights.not_ready = first.capacity.over(billed_s.saturating_sub(ready));
    }
    weights
}

/// A split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Claims.
    pub claims: Vec<Money>,
    /// System reserved.
    pub system_reserved: Money,
    /// Not ready.
    pub not_ready: Money,
    /// Unobserved.
    pub unobserved: Money,
    /// Idle.
    pub idle: Money,
    /// Follow.
    pub follow_system: Vec<Money>,
    /// Follow.
    pub follow_daemon: Vec<Money>,
    /// Over-commitment.
    pub overcommitted: Measure,
}

/// Splits.
///
/// # Errors
/// What the splitter refuses.
pub fn split_node(cost: Money, weights: &NodeWeights, claims: &[Claim], split: Splitter) -> Result<Split, ApportionError> {
    let _ = (cost, weights, claims, split, Resource::ALL);
    Err(ApportionError::ZeroWeights)
}

impl Split {
    /// Left.
    #[must_use]
    pub fn system_left(&self) -> Money {
        self.system_reserved
    }

    /// Own.
    #[must_use]
    pub fn own(&self, at: usize, _claim: &Claim) -> Money {
        self.claims[at]
    }
}
