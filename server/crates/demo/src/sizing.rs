//! What the sizing of a container needs to know of an hour beside its integrals: how its use was
//! spread, what limits it has and what they did to it. Nobody pays by any of it.

use std::collections::HashMap;
use std::io::{self, Write};

use chrono::{Datelike, NaiveDate};

use crate::facts::{Facts, NodeDay, SlotHour};
use crate::pods::{Load, Pod, Role};
use crate::prng;

/// Scheduling periods of the kernel in a second.
const PERIODS: u64 = 10;

/// A workload on a day: cluster, namespace, name.
pub type Workload<'f> = (NaiveDate, &'f str, &'f str, &'f str);

/// Which workload a pod is of.
pub fn workload<'f>(node: &'f NodeDay<'_>, pod: &'f Pod) -> Workload<'f> {
    (node.day, node.place.cluster, &pod.namespace, &pod.workload)
}

/// How many pods each workload wanted on a day; runs of jobs and DaemonSets want none.
pub fn replicas<'f>(facts: &'f Facts<'_>) -> HashMap<Workload<'f>, u32> {
    let mut replicas = HashMap::new();
    for node in facts.values() {
        let scaled = |pod: &Pod| {
            let lasting = matches!(pod.kind, "Deployment" | "StatefulSet");
            lasting && pod.role != Role::PodOverhead
        };
        for slot in node.slots.iter().filter(|slot| scaled(&slot.pod)) {
            *replicas.entry(workload(node, &slot.pod)).or_default() += 1;
        }
    }
    replicas
}

/// CPU limit in thousandths of a core: what belongs to one tenant or may be interrupted has one.
fn cpu_limit(pod: &Pod) -> Option<u64> {
    let limited = pod.kind == "StatefulSet" || pod.stream.is_multiple_of(4);
    (limited && pod.request.0 > 0).then_some(pod.request.0 * 3 / 2)
}

/// Memory limit in MiB: whoever requests memory has one.
fn memory_limit(pod: &Pod) -> Option<u64> {
    (pod.role != Role::PodOverhead && pod.request.1 > 0).then_some(pod.request.1 * 5 / 4)
}

/// The cells that are the same all day, with a comma after each.
pub fn limits(pod: &Pod, replicas: Option<u32>) -> Vec<u8> {
    let text = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let (cpu, memory, replicas) = (cpu_limit(pod), memory_limit(pod), replicas.map(u64::from));
    format!("{},{},{},", text(cpu), text(memory), text(replicas)).into_bytes()
}

/// The cells that change with the hour, with a comma after each. The overhead of a pod has no metrics.
pub fn row(text: &mut Vec<u8>, day: NaiveDate, pod: &Pod, hour: &SlotHour) -> io::Result<()> {
    if pod.role == Role::PodOverhead || pod.load == Load::Idle {
        return text.write_all(b",,,,,,,,,,,,");
    }
    let seconds = u64::from(hour.seconds);
    let index = u64::from(day.num_days_from_ce().unsigned_abs()) * 24 + u64::from(hour.of_day);
    let random = prng::bits(0x512e, pod.stream, index);
    let (cpu, memory) = (hour.usage.cpu / seconds.max(1), hour.usage.memory / seconds.max(1));
    // the wave lifts the upper end more than the middle
    let uneven = match pod.load {
        Load::Orders => 20 + random % 30,
        _ => 4 + random % 9,
    };
    let limit = cpu_limit(pod);
    let above = |parts: u64| {
        let wanted = cpu * (1_000 + uneven * parts) / 1_000;
        limit.map_or(wanted, |limit| wanted.min(limit.max(cpu)))
    };
    let [p90, p95, p99, max] = [5, 9, 17, 28].map(above);
    let p50 = cpu - cpu * uneven / 1_000;
    write!(text, "{seconds},{p50},{p90},{p95},{p99},{max},")?;
    let peak = memory * (1_020 + (random >> 16) % 180) / 1_000;
    // once in a while somebody asks for everything at once
    let killed = memory_limit(pod).is_some() && (random >> 24).is_multiple_of(29_000);
    let peak = match memory_limit(pod) {
        Some(limit) if killed => limit,
        Some(limit) => peak.min(limit.max(memory)),
        None => peak,
    };
    write!(text, "{peak},")?;
    match limit {
        None => text.write_all(b",,,")?,
        Some(limit) => {
            let periods = seconds * PERIODS * 9 / 10;
            let pressed = cpu * (1_000 + uneven * 28) / 1_000;
            let throttled = periods * pressed.saturating_sub(limit).min(limit) / (limit * 12).max(1);
            write!(text, "{periods},{throttled},{},", throttled * (20 + random % 45))?;
        }
    }
    let restarted = killed || (random >> 40).is_multiple_of(41_000);
    write!(text, "{},{},", u8::from(killed), u8::from(restarted))
}
