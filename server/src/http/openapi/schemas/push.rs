//! What agents push, and what they hear.

use super::{Named, count, flag, list, maybe, number, object, text, to};
use serde_json::{Value, json};

/// Two things that belong together.
fn pair(first: Value, second: Value) -> Value {
    json!({ "type": "array", "prefixItems": [first, second], "items": false })
}

fn labels() -> Value {
    json!({ "type": "object", "additionalProperties": text() })
}

/// A whole number, or unknown.
fn count_or_null() -> Value {
    json!({ "type": ["integer", "null"], "minimum": 0 })
}

fn number_or_null() -> Value {
    json!({ "type": ["integer", "null"] })
}

/// Volumes, load balancers and what sizing needs to know.
pub(super) fn pushed_resources() -> Named {
    let spread = ["p50", "p90", "p95", "p99", "max"].map(|name| (name, count()));
    let throttling = [
        ("periods", count()),
        ("throttled_periods", count()),
        ("throttled_ms", count_or_null()),
    ];
    let texts = |names: &[&'static str]| names.iter().map(|name| (*name, text())).collect::<Vec<_>>();
    let volume = texts(&["volume_id", "namespace", "claim", "claim_uid", "name", "storage_class"]);
    let times = [
        ("labels", labels()),
        ("provisioned", number_or_null()),
        ("claim_deleted", number_or_null()),
    ];
    let mount = texts(&["namespace", "pod_uid", "pod", "workload_kind", "workload"]);
    let balancer = texts(&["balancer_id", "namespace", "service", "name"]);
    let backend = texts(&["namespace", "service", "workload_kind", "workload"]);
    let labelled = |texts: Vec<(&'static str, Value)>| object(texts.into_iter().chain([("labels", labels())]));
    let volume_hour = [
        ("hour", number()),
        ("seconds", count()),
        ("capacity_mib", count()),
        ("used_mib_s", count_or_null()),
    ];
    let mount_hour = [
        ("hour", number()),
        ("seconds", count()),
        ("used_mib_s", count_or_null()),
    ];
    let backend_hour = [
        ("hour", number()),
        ("requests", count_or_null()),
        ("bytes", count_or_null()),
        ("hosts", count()),
    ];
    let balancer_hours = list(object([("hour", number()), ("seconds", count())]));
    vec![
        (
            "PushedVolume",
            object([
                ("volume", object(volume.into_iter().chain(times))),
                ("hours", list(object(volume_hour))),
                ("mounts", list(pair(labelled(mount), list(object(mount_hour))))),
            ]),
        ),
        (
            "PushedBalancer",
            object([
                ("balancer", labelled(balancer)),
                ("hours", balancer_hours),
                ("backends", list(pair(labelled(backend), list(object(backend_hour))))),
            ]),
        ),
        (
            "PushedSlotId",
            object([("node", text()), ("pod_uid", text()), ("container", text())]),
        ),
        (
            "PushedSizingHour",
            object([
                ("hour", number()),
                ("metered_s", count()),
                ("cpu", maybe(object(spread))),
                ("memory_peak_mib", count_or_null()),
                ("cpu_limit_millicores", count_or_null()),
                ("memory_limit_mib", count_or_null()),
                ("throttling", maybe(object(throttling))),
                ("oom_kills", count_or_null()),
                ("restarts", count_or_null()),
                ("replicas", count_or_null()),
                ("profile", json!({ "type": "string", "pattern": "^([0-9a-f]{2})*$" })),
            ]),
        ),
    ]
}

pub(super) fn push() -> Named {
    let hex = || json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let measure = object([("cpu_core_ms", count()), ("memory_mib_s", count()), ("gpu_ms", count())]);
    let capacity = object([
        ("cpu_millicores", count()),
        ("memory_mib", count()),
        ("gpu_milli", count()),
    ]);
    let mut pushed = object([
        ("format", json!({ "type": "integer", "const": 1 })),
        ("cluster", text()),
        ("cluster_name", text()),
        ("agent", text()),
        ("from_hour", number()),
        ("to_hour", number()),
        ("days", list(to("PushedDay"))),
        ("findings", list(json!({ "type": "object" }))),
    ]);
    pushed["required"] = json!(["format", "cluster", "cluster_name", "agent", "from_hour", "to_hour"]);
    vec![
        (
            "FactsReceipt",
            object([("id", hex()), ("already", flag()), ("rows", count())]),
        ),
        ("PushedFacts", pushed),
        (
            "PushedDay",
            object([
                ("cluster", text()),
                ("day", number()),
                ("nodes", list(pair(to("PushedNode"), list(to("PushedNodeHour"))))),
                ("slots", list(pair(to("PushedSlot"), list(to("PushedSlotHour"))))),
                ("volumes", list(to("PushedVolume"))),
                ("balancers", list(to("PushedBalancer"))),
                ("sizing", list(pair(to("PushedSlotId"), list(to("PushedSizingHour"))))),
            ]),
        ),
        (
            "PushedNode",
            object([
                ("name", text()),
                ("provider_id", text()),
                ("pool", text()),
                ("capacity_type", text()),
                ("root_volume_id", text()),
                ("labels", labels()),
            ]),
        ),
        (
            "PushedNodeHour",
            object([
                ("hour", number()),
                ("ready_s", count()),
                ("observed_s", count()),
                ("capacity", capacity.clone()),
                ("allocatable", capacity),
            ]),
        ),
        (
            "PushedSlot",
            object([
                ("node", text()),
                ("pod_uid", text()),
                ("container", text()),
                ("role", text()),
                ("namespace", text()),
                ("pod", text()),
                ("workload_kind", text()),
                ("workload", text()),
                ("labels", labels()),
            ]),
        ),
        (
            "PushedSlotHour",
            object([
                ("hour", number()),
                ("seconds", count()),
                ("effective", measure.clone()),
                ("requested", measure.clone()),
                ("used", measure),
            ]),
        ),
    ]
}
