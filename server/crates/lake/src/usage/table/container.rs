//! Rows of container hours.

use super::{
    BadCell, HOUR_S, MOST_GPU_MILLI, MOST_MIB, MOST_MILLICORES, Named, SizingHour, Slot, SlotHour, Table, UsageKind,
    labels, labels_of, sample, seconds,
};
use crate::usage::file::names_of;
use domain::usage::{Capacity, CpuSpread, Hour, Measure, Role, Throttling};

pub(super) const TEXTS: [Named; 12] = [
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
    ("services", false),
    ("annotations", false),
];
pub(super) const INTS: [Named; 25] = [
    ("seconds", true),
    ("cpu_request_core_ms", true),
    ("cpu_usage_core_ms", true),
    ("cpu_effective_core_ms", false),
    ("memory_request_mib_s", true),
    ("memory_usage_mib_s", true),
    ("memory_effective_mib_s", false),
    ("gpu_request_ms", false),
    ("gpu_usage_ms", false),
    ("gpu_effective_ms", false),
    ("metered_seconds", false),
    ("cpu_p50_millicores", false),
    ("cpu_p90_millicores", false),
    ("cpu_p95_millicores", false),
    ("cpu_p99_millicores", false),
    ("cpu_max_millicores", false),
    ("memory_peak_mib", false),
    ("cpu_limit_millicores", false),
    ("memory_limit_mib", false),
    ("cfs_periods", false),
    ("cfs_throttled_periods", false),
    ("cfs_throttled_ms", false),
    ("oom_kills", false),
    ("restarts", false),
    ("replicas", false),
];
/// Where the columns for sizing begin.
pub(super) const FIRST_SIZING: usize = 10;

impl Table {
    /// The numbers of a container row.
    pub fn slot_hour(&self, cells: &[&str], hour: Hour) -> Result<SlotHour, BadCell> {
        let int = |at: usize| self.int(cells, at);
        let seconds = seconds(int(0)?, "seconds")?;
        let measure = |cpu: usize, memory: usize, gpu: usize| -> Result<Measure, BadCell> {
            Ok(Measure {
                cpu_core_ms: int(cpu)?.unwrap_or(0),
                memory_mib_s: int(memory)?.unwrap_or(0),
                gpu_ms: int(gpu)?.unwrap_or(0),
            })
        };
        let (requested, used) = (measure(1, 4, 7)?, measure(2, 5, 8)?);
        // an effective request is at least the larger of the two (A1)
        let effective = measure(3, 6, 9)?.max(requested).max(used);
        let most = Capacity {
            cpu_millicores: MOST_MILLICORES,
            memory_mib: MOST_MIB,
            gpu_milli: MOST_GPU_MILLI,
        }
        .over(u64::from(HOUR_S));
        if effective.max(most) != most {
            return Err((
                "cpu_effective_core_ms",
                "is more than any machine has; check the units (core-ms, MiB-s, GPU-ms)".to_owned(),
            ));
        }
        Ok(SlotHour {
            hour,
            seconds,
            effective,
            requested,
            used,
        })
    }

    /// What a container row says for sizing, if anything.
    pub fn sizing_hour(&self, cells: &[&str], facts: &SlotHour) -> Result<Option<SizingHour>, BadCell> {
        if !self.sizing {
            return Ok(None);
        }
        let unknown = SizingHour::unknown(facts.hour);
        let sizing = SizingHour {
            metered_s: 0,
            cpu: self.cpu_spread(cells)?,
            memory_peak_mib: self.at_most(cells, 16, MOST_MIB)?,
            cpu_limit_millicores: self.at_most(cells, 17, MOST_MILLICORES)?,
            memory_limit_mib: self.at_most(cells, 18, MOST_MIB)?,
            throttling: self.throttling(cells)?,
            oom_kills: self.small(cells, 22)?,
            restarts: self.small(cells, 23)?,
            replicas: self.small(cells, 24)?,
            ..unknown.clone()
        };
        let metered_s = self.seconds(cells, 10)?;
        if metered_s.is_some_and(|metered_s| metered_s > facts.seconds) {
            return Err((
                INTS[10].0,
                format!("is more than the {} s for which it ran", facts.seconds),
            ));
        }
        // without it, what was measured was measured all the time
        let measured = sizing.cpu.is_some() || sizing.memory_peak_mib.is_some();
        let metered_s = metered_s.unwrap_or(if measured { facts.seconds } else { 0 });
        let sizing = SizingHour { metered_s, ..sizing };
        Ok((sizing != unknown).then_some(sizing))
    }

    fn cpu_spread(&self, cells: &[&str]) -> Result<Option<CpuSpread>, BadCell> {
        let mut spread = [0; 5];
        let mut given = 0;
        for (value, at) in spread.iter_mut().zip(11..) {
            if let Some(found) = self.small(cells, at)? {
                *value = found;
                given += 1;
            }
        }
        let [p50, p90, p95, p99, max] = spread;
        match given {
            0 => Ok(None),
            5 if spread.is_sorted() => Ok(Some(CpuSpread {
                p50,
                p90,
                p95,
                p99,
                max,
            })),
            5 => Err((INTS[11].0, "the quantiles of CPU usage do not ascend".to_owned())),
            _ => Err((
                INTS[11].0,
                "some of p50, p90, p95, p99 and max are empty; give all or none of them".to_owned(),
            )),
        }
    }

    fn throttling(&self, cells: &[&str]) -> Result<Option<Throttling>, BadCell> {
        let (periods, throttled, throttled_ms) = (self.int(cells, 19)?, self.int(cells, 20)?, self.int(cells, 21)?);
        match (periods, throttled) {
            (Some(periods), Some(throttled_periods)) if throttled_periods <= periods => Ok(Some(Throttling {
                periods,
                throttled_periods,
                throttled_ms,
            })),
            (None, None) if throttled_ms.is_none() => Ok(None),
            (Some(periods), Some(_)) => Err((INTS[20].0, format!("is more than the {periods} periods there were"))),
            _ => Err((
                INTS[19].0,
                "periods and throttled periods belong together; give both or none".to_owned(),
            )),
        }
    }

    /// The identity of a container row.
    pub fn slot(&self, cells: &[&str]) -> Result<Slot, BadCell> {
        let text = |at: usize| self.text(cells, at);
        let role = match text(6) {
            "" => Role::Workload,
            role => Role::parse(role).ok_or_else(|| {
                (
                    "role",
                    format!("{role:?} is none of workload, pod_overhead, daemon_set, placeholder"),
                )
            })?,
        };
        for (at, (name, needed)) in TEXTS.iter().enumerate() {
            if *needed && text(at).is_empty() {
                return Err((name, "is empty".to_owned()));
            }
        }
        let container = text(4).to_owned();
        if container.is_empty() && role != Role::PodOverhead {
            return Err((
                "container",
                "is empty; only rows of role pod_overhead have none".to_owned(),
            ));
        }
        let pod_uid = match text(5) {
            "" => format!("{}/{}", text(2), text(3)),
            uid => uid.to_owned(),
        };
        // samples have other columns in between
        let after_labels = match self.kind {
            UsageKind::ContainerSamples => sample::SERVICES,
            _ => 10,
        };
        let mut services = names_of(text(after_labels));
        services.sort();
        services.dedup();
        Ok(Slot {
            node: text(1).to_owned(),
            pod_uid,
            container,
            role,
            namespace: text(2).to_owned(),
            pod: text(3).to_owned(),
            workload_kind: text(7).to_owned(),
            workload: text(8).to_owned(),
            labels: labels(text(9))?,
            services,
            annotations: labels_of("annotations", text(after_labels + 1))?,
        })
    }
}
