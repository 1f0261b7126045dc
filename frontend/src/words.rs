//! Keys as people read them.

use wire::{Basis, DeliveryState, PeriodState};

const KEYS: [(&str, &str); 21] = [
    ("tenant", "Tenant"),
    ("service", "Service"),
    ("workflow", "Workflow"),
    ("tier", "Service tier"),
    ("environment", "Environment"),
    ("region", "Region"),
    ("site", "Site"),
    ("business_unit", "Business unit"),
    ("legal_entity", "Legal entity"),
    ("cost_centre", "Cost centre"),
    ("class", "Charge class"),
    ("ServiceName", "Bill service"),
    ("ServiceCategory", "Bill service category"),
    ("SubAccountId", "Sub-account"),
    ("RegionId", "Bill region"),
    ("ChargeCategory", "Charge category"),
    ("ProviderName", "Provider"),
    ("BillingAccountId", "Billing account"),
    ("NodePool", "Node pool"),
    ("WorkloadKind", "Workload kind"),
    ("AllocationPart", "Part of the node"),
];

/// Parts of a node's cost; a test of the server holds them equal to its own.
const PARTS: [(&str, &str); 8] = [
    ("workload", "Workloads"),
    ("pod_overhead", "Pod overhead"),
    ("system_reserved", "System reserved"),
    ("daemon_set", "DaemonSets"),
    ("not_ready", "Not ready"),
    ("unobserved", "Unobserved"),
    ("planned_headroom", "Planned headroom"),
    ("idle_capacity", "Idle capacity"),
];

/// Where in a cluster a cost landed, when there is no such place.
const NO_PLACE: [(&str, &str); 6] = [
    ("Cluster", "(not in a cluster)"),
    ("NodePool", "(no node pool)"),
    ("Namespace", "(no namespace)"),
    ("WorkloadKind", "(no workload)"),
    ("Workload", "(no workload)"),
    ("AllocationPart", "(no part of a node)"),
];

const TERMS: [(&str, &str); 8] = [
    ("billed", "Billed"),
    ("commitment_purchases", "Commitment purchases"),
    ("amortised_used", "Amortised, used"),
    ("amortised_unused", "Amortised, unused"),
    ("prepaid_purchases", "Prepaid purchases"),
    ("corrections", "Corrections"),
    ("unexplained", "Difference the bill does not explain"),
    ("effective", "Effective"),
];

/// A group-by key as people read it.
#[must_use]
pub fn key(key: &str) -> String {
    known(&KEYS, key).unwrap_or_else(|| spaced(key))
}

/// A place in a cluster as people read it; `None` for other keys, and for names.
/// What is idle or outside of clusters has no namespace and no workload.
#[must_use]
pub fn place(key: &str, value: &str) -> Option<String> {
    match (key, value) {
        (key, "") => known(&NO_PLACE, key),
        ("AllocationPart", part) => known(&PARTS, part),
        _ => None,
    }
}

/// A term of the bridge or a remainder as people read it.
#[must_use]
pub fn term(key: &str) -> String {
    known(&TERMS, key).unwrap_or_else(|| spaced(key))
}

fn known(table: &[(&str, &str)], key: &str) -> Option<String> {
    table
        .iter()
        .find(|(known, _)| *known == key)
        .map(|(_, label)| (*label).to_owned())
}

/// `hub_fee` as `Hub fee`; a column name stays as it is.
fn spaced(key: &str) -> String {
    let text = key.replace('_', " ");
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A basis as people read it.
#[must_use]
pub fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Effective => "Effective cost",
        Basis::Billed => "Billed cost",
    }
}

/// The word for a period's state.
#[must_use]
pub fn period_state(state: PeriodState) -> &'static str {
    match state {
        PeriodState::Estimated => "estimated",
        PeriodState::Actual => "actual",
    }
}

/// The word for a delivery's state.
#[must_use]
pub fn delivery_state(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Open => "open",
        DeliveryState::Final => "final",
        DeliveryState::Superseded => "superseded",
        DeliveryState::Shadow => "shadow",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn places_in_a_cluster_read_well() {
        for (key, value, label) in [
            ("AllocationPart", "idle_capacity", Some("Idle capacity")),
            ("AllocationPart", "of_tomorrow", None),
            ("Cluster", "", Some("(not in a cluster)")),
            ("Workload", "", Some("(no workload)")),
            ("Workload", "daemon_set", None),
            ("ServiceName", "", None),
        ] {
            assert_eq!(super::place(key, value).as_deref(), label, "{key}={value}");
        }
    }

    #[test]
    fn keys_read_well() {
        for (key, label) in [
            ("tier", "Service tier"),
            ("programme_name", "Programme name"),
            ("x_Team", "X Team"),
            ("", ""),
        ] {
            assert_eq!(super::key(key), label);
        }
    }
}
