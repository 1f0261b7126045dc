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
    ("AllocationPart", "Part of the cluster"),
];

/// Parts of a cluster's cost; a test of the server holds them equal to its own.
const PARTS: [(&str, &str); 15] = [
    ("workload", "Workloads"),
    ("pod_overhead", "Pod overhead"),
    ("system_reserved", "System reserved"),
    ("daemon_set", "DaemonSets"),
    ("cluster_services", "Cluster services"),
    ("not_ready", "Not ready"),
    ("unobserved", "Unobserved"),
    ("planned_headroom", "Planned headroom"),
    ("idle_capacity", "Idle capacity"),
    ("control_plane", "Control plane"),
    ("volume", "Volumes"),
    ("unmounted_volume", "Volumes, not mounted"),
    ("orphaned_volume", "Volumes, orphaned"),
    ("load_balancer", "Load balancers"),
    ("unmeasured_network", "Network, unmeasured"),
];

/// Where in a cluster a cost landed, when there is no such place.
const NO_PLACE: [(&str, &str); 7] = [
    ("Cluster", "(not in a cluster)"),
    ("NodePool", "(no node pool)"),
    ("Namespace", "(no namespace)"),
    ("WorkloadKind", "(no workload)"),
    ("Workload", "(no workload)"),
    ("Container", "(no container)"),
    ("AllocationPart", "(no part of a cluster)"),
];

/// Charge classes; a test of the server holds them equal to its own.
const CLASSES: [(&str, &str); 25] = [
    ("node_compute", "Node compute"),
    ("node_disk", "Node disk"),
    ("volume", "Volume"),
    ("snapshot_backup", "Snapshot and backup"),
    ("load_balancer", "Load balancer"),
    ("address_nat_dns", "Address, NAT, DNS"),
    ("network", "Network"),
    ("control_plane", "Control plane"),
    ("database", "Database"),
    ("cache", "Cache"),
    ("queue", "Queue"),
    ("object_storage", "Object storage"),
    ("observability", "Observability"),
    ("security_edge", "Security and edge"),
    ("registry", "Registry and artefacts"),
    ("machine", "Machine outside Kubernetes"),
    ("licence", "Licence, marketplace, SaaS"),
    ("commitment_purchase", "Commitment purchase"),
    ("commitment_unused", "Commitment unused"),
    ("reservation_unused", "Reservation unused"),
    ("discount", "Discount"),
    ("support", "Support"),
    ("tax", "Tax"),
    ("credit", "Credit"),
    ("other", "Other"),
];

/// Cost that found no owner: the same words on pages, in files and on the
/// command line.
pub const UNALLOCATED: &str = "Unallocated cost";

const TERMS: [(&str, &str); 10] = [
    ("billed", "Billed"),
    ("commitment_purchases", "Commitment purchases"),
    ("amortised_used", "Amortised, used"),
    ("amortised_unused", "Amortised, unused"),
    ("prepaid_purchases", "Prepaid purchases"),
    ("scheduled_fees", "Fees on a schedule"),
    ("not_elapsed", "Unused, not elapsed yet"),
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
pub(crate) fn place(key: &str, value: &str) -> Option<String> {
    match (key, value) {
        (key, "") => known(&NO_PLACE, key),
        ("AllocationPart", part) => known(&PARTS, part),
        _ => None,
    }
}

/// A value of a key as people read it: classes and parts of a node by their
/// label, an empty value as unallocated cost, or as `none` where the key is a column of the bill.
#[must_use]
pub fn value(key: &str, value: &str) -> String {
    if let Some(place) = place(key, value) {
        return place;
    }
    let column = key.chars().next().is_some_and(char::is_uppercase);
    match (value, column) {
        ("", true) => "none".to_owned(),
        ("", false) => UNALLOCATED.to_owned(),
        (class, _) if key == "class" => known(&CLASSES, class).unwrap_or_else(|| class.to_owned()),
        (value, _) => value.to_owned(),
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
    fn values_read_well() {
        for (key, value, shown) in [
            ("tenant", "acme", "acme"),
            ("tenant", "", "Unallocated cost"),
            ("hub_fee", "", "Unallocated cost"),
            ("ServiceName", "", "none"),
            ("AllocationPart", "idle_capacity", "Idle capacity"),
            ("AllocationPart", "of_tomorrow", "of_tomorrow"),
            ("Cluster", "", "(not in a cluster)"),
            ("class", "node_disk", "Node disk"),
            ("class", "of_tomorrow", "of_tomorrow"),
            ("tenant", "node_disk", "node_disk"),
        ] {
            assert_eq!(super::value(key, value), shown, "{key}={value}");
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
