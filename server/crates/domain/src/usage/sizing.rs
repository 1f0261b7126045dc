//! What the sizing of a container needs to know of an hour beside the integrals:
//! how usage was spread, what held it back and what it ran into. Never for money.

use super::profile::{Sketch, UsageProfile};
use super::{Hour, Slot};
use serde::{Deserialize, Serialize};

/// Which slot of its day, without its metadata; in the order of slots.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SlotId {
    /// Name of the node.
    pub node: String,
    /// Pod UID.
    pub pod_uid: String,
    /// Container name.
    pub container: String,
}

impl Slot {
    /// Which slot it is.
    #[must_use]
    pub fn id(&self) -> SlotId {
        SlotId {
            node: self.node.clone(),
            pod_uid: self.pod_uid.clone(),
            container: self.container.clone(),
        }
    }
}

/// CPU usage, weighted by time, millicores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CpuSpread {
    /// Median.
    pub p50: u32,
    /// 90th percentile.
    pub p90: u32,
    /// 95th percentile.
    pub p95: u32,
    /// 99th percentile.
    pub p99: u32,
    /// Largest sample.
    pub max: u32,
}

/// How far the CPU limit held a container back (CFS).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Throttling {
    /// Scheduling periods in which it wanted to run.
    pub periods: u64,
    /// Of these, those in which it was stopped.
    pub throttled_periods: u64,
    /// For how long, summed over its threads; `None` when not measured.
    pub throttled_ms: Option<u64>,
}

/// What is known of a slot-hour for sizing. `None` is unknown, never zero.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SizingHour {
    /// The hour.
    pub hour: Hour,
    /// Seconds with usage metrics.
    pub metered_s: u32,
    /// How CPU usage was spread.
    pub cpu: Option<CpuSpread>,
    /// Largest memory sample, MiB.
    pub memory_peak_mib: Option<u64>,
    /// CPU limit, millicores; `None` also for unlimited.
    pub cpu_limit_millicores: Option<u64>,
    /// Memory limit, MiB; `None` also for unlimited.
    pub memory_limit_mib: Option<u64>,
    /// How far the CPU limit held it back.
    pub throttling: Option<Throttling>,
    /// Times it was killed for want of memory.
    pub oom_kills: Option<u32>,
    /// Times it was started again.
    pub restarts: Option<u32>,
    /// Replicas its workload wanted.
    pub replicas: Option<u32>,
    /// [`UsageProfile::to_bytes`]; empty without one.
    pub profile: Vec<u8>,
}

impl SizingHour {
    /// An hour of which nothing is known.
    #[must_use]
    pub fn unknown(hour: Hour) -> SizingHour {
        SizingHour {
            hour,
            metered_s: 0,
            cpu: None,
            memory_peak_mib: None,
            cpu_limit_millicores: None,
            memory_limit_mib: None,
            throttling: None,
            oom_kills: None,
            restarts: None,
            replicas: None,
            profile: Vec::new(),
        }
    }

    /// What the usage of an hour tells; a profile without records tells nothing.
    #[must_use]
    pub fn of(hour: Hour, metered_s: u32, profile: &UsageProfile) -> SizingHour {
        let known = !profile.is_empty();
        SizingHour {
            metered_s,
            cpu: known.then(|| CpuSpread::of(&profile.cpu, profile.cpu_max)),
            memory_peak_mib: known.then_some(u64::from(profile.memory_peak)),
            profile: profile.to_bytes(),
            ..SizingHour::unknown(hour)
        }
    }
}

impl CpuSpread {
    fn of(cpu: &Sketch, max: u32) -> CpuSpread {
        // within 1 %, and never beyond the largest sample
        let at = |p: f64| cpu.quantile(p).map_or(0, |value| (value.round() as u32).min(max));
        CpuSpread {
            p50: at(0.50),
            p90: at(0.90),
            p95: at(0.95),
            p99: at(0.99),
            max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_usage_tells_of_an_hour() {
        let mut profile = UsageProfile::default();
        assert_eq!(
            SizingHour::of(Hour(7), 0, &profile),
            SizingHour::unknown(Hour(7)),
            "no metrics are no zeros"
        );
        // 57 minutes at 100 millicores, 3 minutes at 2 cores
        profile.record(100, 512, 57 * 60_000);
        profile.record(2_000, 900, 3 * 60_000);
        let sizing = SizingHour::of(Hour(7), 3_600, &profile);
        let cpu = sizing.cpu.expect("measured");
        assert_eq!((cpu.p50, cpu.p90, cpu.max), (100, 100, 2_000));
        assert!((1_980..=2_000).contains(&cpu.p99), "{}", cpu.p99);
        assert_eq!((sizing.metered_s, sizing.memory_peak_mib), (3_600, Some(900)));
        assert_eq!(UsageProfile::from_bytes(&sizing.profile), Ok(profile));
        assert_eq!(sizing.throttling, None);
    }
}
