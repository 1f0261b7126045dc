//! Keys as people read them.

use crate::format;
use wire::{Basis, CarriedRow, DeliveryState, Measured, PeriodState};

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

/// What a row of what carries a figure is called: the thing, the day, or what
/// was paid for and from when to when.
#[must_use]
pub fn carried_name(row: &CarriedRow) -> String {
    match (&row.what, &row.start, &row.end, &row.day) {
        (Some(what), Some(start), Some(end), _) => {
            format!(
                "{}, {} to {}",
                spaced(what),
                format::instant(start),
                format::instant(end)
            )
        }
        (.., Some(day)) => day.clone(),
        _ => row.name.clone(),
    }
}

/// Amounts of resources: `1.00 core-h, 4.00 GiB-h`; those that are nothing are left out.
#[must_use]
pub fn amounts(measured: &Measured) -> String {
    let all = [
        (measured.core_hours_milli, "core-h"),
        (measured.gib_hours_milli, "GiB-h"),
        (measured.gpu_hours_milli, "GPU-h"),
    ];
    let some = all.iter().filter(|(milli, _)| *milli > 0);
    let shown: Vec<String> = some
        .map(|(milli, unit)| format!("{} {unit}", format::thousandths(*milli, 2)))
        .collect();
    shown.join(", ")
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

/// A kind of reach as people read it.
#[must_use]
pub fn reach_kind(kind: &str) -> String {
    match kind {
        "all" => "The whole company".to_owned(),
        kind => key(kind),
    }
}

/// A reach within a sentence.
#[must_use]
pub fn reach(kind: &str, owner: &str) -> String {
    match kind {
        "all" => "the whole company".to_owned(),
        kind => format!("{} {owner}", kind.replace('_', " ")),
    }
}

/// How a session began, as people read it.
#[must_use]
pub fn method(method: &str) -> String {
    match method {
        "password" => "Password".to_owned(),
        "link" => "One-time link".to_owned(),
        "switch" => "Switching to it".to_owned(),
        provider => provider.to_owned(),
    }
}

/// A browser and its system, from what it calls itself; `None` for one that is
/// not known. The order matters: most call themselves by others' names too.
#[must_use]
pub fn browser(agent: &str) -> Option<String> {
    const BROWSERS: [(&str, &str); 7] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let within = |table: &[(&str, &'static str)]| table.iter().find(|(mark, _)| agent.contains(mark)).map(|at| at.1);
    let browser = within(&BROWSERS)?;
    Some(match within(&SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    })
}

/// How long to wait, never said too short.
#[must_use]
pub fn wait(wait_s: u64) -> String {
    match wait_s.max(1) {
        1 => "1 second".to_owned(),
        seconds @ ..120 => format!("{seconds} seconds"),
        more => format!("{} minutes", more.div_ceil(60)),
    }
}

/// Names in a sentence: `Ada, Bo or Cy`.
#[must_use]
pub fn any_of(names: &[String]) -> String {
    joined(names, "or")
}

/// Names in a sentence: `Ada, Bo and Cy`.
#[must_use]
pub fn all_of(names: &[String]) -> String {
    joined(names, "and")
}

fn joined(names: &[String], word: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {word} {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn browsers_have_names() {
        let like = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36";
        let edge = format!("{} Edg/142.0", like.replace("X11; Linux x86_64", "Windows NT 10.0"));
        for (agent, name) in [
            (like, Some("Chrome on Linux")),
            (edge.as_str(), Some("Edge on Windows")),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 15.1; rv:145.0) Gecko/20100101 Firefox/145.0",
                Some("Firefox on macOS"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605 Version/18.1 Safari/604",
                Some("Safari on iPhone"),
            ),
            ("curl/8.9", None),
        ] {
            assert_eq!(super::browser(agent).as_deref(), name, "{agent}");
        }
    }

    #[test]
    fn reaches_and_names_read_well() {
        assert_eq!(super::reach("all", ""), "the whole company");
        assert_eq!(super::reach("legal_entity", "Quay BV"), "legal entity Quay BV");
        for (wait_s, shown) in [
            (0, "1 second"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (121, "3 minutes"),
        ] {
            assert_eq!(super::wait(wait_s), shown);
        }
        let names = |names: &[&str]| super::any_of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for (given, shown) in [
            (&["Ada"][..], "Ada"),
            (&["Ada", "Bo", "Cy"], "Ada, Bo or Cy"),
            (&[], ""),
        ] {
            assert_eq!(names(given), shown);
        }
    }

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
