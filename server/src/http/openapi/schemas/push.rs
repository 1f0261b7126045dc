//! What agents push, and what they hear.

use super::{Named, count, flag, list, number, object, text, to};
use serde_json::{Value, json};

pub(super) fn push() -> Named {
    let hex = || json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let measure = object([("cpu_core_ms", count()), ("memory_mib_s", count()), ("gpu_ms", count())]);
    let capacity = object([
        ("cpu_millicores", count()),
        ("memory_mib", count()),
        ("gpu_milli", count()),
    ]);
    let pair = |first: Value, second: Value| json!({ "type": "array", "prefixItems": [first, second], "items": false });
    let labels = || json!({ "type": "object", "additionalProperties": text() });
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
