//! Laws of the allocation with usage, on random worlds: spot beside reserved
//! nodes, accelerators, a virtual node, a node that never joined and one nobody
//! bills; hourly, half-hourly, daily and month-long charges, and bills of things
//! the usage does not know.

use super::*;
use crate::apportion::apportion;
use crate::class::ClassRules;
use crate::instant::{Day, Instant};
use crate::money::Currency;
use crate::rule::RuleSet;
use crate::usage::{Capacity, NodeHour, Slot, SlotHour};
use proptest::prelude::*;
use std::sync::LazyLock;

/// 2024-09-01, UTC.
const FIRST: i32 = 19_967;

const RULES: &str = r#"
format: 1
rules:
  - {name: moved, from: 2024-09-02, when: {column: Namespace, equals: b}, set: {tenant: new}}
  - {name: space, when: {column: Namespace, exists: true}, set: {tenant: {column: Namespace}}}
  - {name: rest, set: {tenant: {column: AllocationPart}}}
"#;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| Program {
    rules: RuleSet::parse(RULES).expect("valid"),
    classes: ClassRules::preset(),
    prices: price::Policy::preset(),
});

/// Nodes by what bills call them: capacity type, accelerators in thousandths.
const NODES: [(&str, &str, u64); 6] = [
    ("i-spot", "spot", 0),
    ("i-reserved", "reserved", 0),
    ("i-gpu", "on-demand", 2_000),
    ("9f1c-virtual", "", 0),
    ("i-never-joined", "spot", 0),
    ("i-nobody-bills", "on-demand", 0),
];

fn node_of(at: usize) -> Node {
    let (id, capacity_type, _) = NODES[at];
    Node {
        name: id.to_owned(),
        provider_id: if id.ends_with("virtual") {
            "aws:///z/9f1c-virtual/fargate-ip-10-0-0-1".to_owned()
        } else {
            format!("aws:///z/{id}")
        },
        pool: capacity_type.to_owned(),
        capacity_type: capacity_type.to_owned(),
        ..Node::default()
    }
}

/// A day of a cluster; hours are few, and some are partly Ready or observed.
fn day() -> impl Strategy<Value = ClusterDay> {
    let seconds = || prop::sample::select(vec![3_600u32, 3_600, 1_700, 0]);
    let hour = (0usize..6, 0i32..4, seconds(), seconds(), 0u64..5, 0u64..2);
    let held = (0usize..6, 0u8..5, 0i32..4, 0u64..5_000, 0u64..9_000, 0u64..3);
    let nodes = prop::collection::vec(hour, 0..10);
    let slots = prop::collection::vec(held, 0..12);
    (0i32..2, nodes, slots).prop_map(|(day, nodes, slots)| {
        let at = |hour: i32| Hour((FIRST + day) * 24 + hour * 6);
        let mut by_node: BTreeMap<Node, BTreeMap<Hour, NodeHour>> = BTreeMap::new();
        for (node, hour, ready_s, observed_s, cores, reserved) in nodes {
            let capacity = Capacity {
                cpu_millicores: cores * 1_000,
                memory_mib: cores * 3_000,
                gpu_milli: NODES[node].2,
            };
            let kept = Capacity {
                cpu_millicores: reserved * 90,
                memory_mib: reserved * 700,
                gpu_milli: 0,
            };
            let ready_s = if NODES[node].0 == "i-never-joined" { 0 } else { ready_s };
            let fact = NodeHour {
                hour: at(hour),
                ready_s,
                observed_s: observed_s.min(ready_s),
                capacity,
                allocatable: capacity.less(&kept),
            };
            by_node.entry(node_of(node)).or_default().insert(at(hour), fact);
        }
        let mut by_slot: BTreeMap<Slot, BTreeMap<Hour, SlotHour>> = BTreeMap::new();
        for (node, kind, hour, cpu, memory, gpu) in slots {
            let (namespace, role) = [
                ("a", Role::Workload),
                ("b", Role::Workload),
                ("kube-system", Role::Workload),
                ("kube-system", Role::DaemonSet),
                ("room", Role::Placeholder),
            ][usize::from(kind)];
            let slot = Slot {
                node: NODES[node].0.to_owned(),
                pod_uid: format!("{namespace} {}", role.as_str()),
                namespace: namespace.to_owned(),
                role,
                ..Slot::default()
            };
            // slices: halves of a device
            let effective = Capacity {
                cpu_millicores: cpu,
                memory_mib: memory,
                gpu_milli: gpu * 500,
            }
            .over(3_600);
            let fact = SlotHour {
                hour: at(hour),
                seconds: 3_600,
                effective,
                requested: Measure::ZERO,
                used: effective,
            };
            by_slot.entry(slot).or_default().insert(at(hour), fact);
        }
        let hours = |hours: BTreeMap<Hour, NodeHour>| hours.into_values().collect();
        ClusterDay {
            cluster: "c".to_owned(),
            day: Day(FIRST + day),
            nodes: by_node.into_iter().map(|(node, own)| (node, hours(own))).collect(),
            slots: by_slot
                .into_iter()
                .map(|(slot, own)| (slot, own.into_values().collect()))
                .collect(),
            ..ClusterDay::default()
        }
    })
}

/// A charge of a node, of a control plane, or of a machine nobody knows. Its
/// SubAccountId says of what.
fn charge() -> impl Strategy<Value = Charge> {
    let long = prop_oneof![4 => Just(1i64), 1 => Just(24), 1 => Just(31 * 24)];
    let cost = || {
        (-1_000_000_007i128..9_000_000_000_000_000_000_000).prop_map(|units| Money::from_units(units).expect("small"))
    };
    let consumed = prop::option::of(prop::sample::select(vec![1_800u64, 3_600, 86_400]));
    (0usize..7, 0i64..8, long, cost(), cost(), consumed).prop_map(|(of, hour, hours, billed, effective, consumed_s)| {
        let id = [
            "i-spot",
            "i-reserved",
            "i-gpu",
            "9f1c-virtual",
            "i-never-joined",
            "i-unknown",
            "c",
        ][of];
        let service = if id == "c" {
            "Amazon Elastic Kubernetes Service"
        } else {
            ""
        };
        let first = if hours == 1 { hour * 6 } else { hour / 4 * 24 };
        let at = |hour: i64| Instant(i64::from(FIRST) * 86_400_000_000 + hour * 3_600_000_000);
        Charge {
            id: format!("{id} {hour} {hours} {billed}"),
            period: "2024-09".parse().expect("month"),
            span: Span {
                start: at(first),
                end: at(first + hours),
            },
            currency: Currency::parse("USD").expect("code"),
            category: ChargeCategory::Usage,
            billed,
            effective,
            consumed_s,
            prices: price::Prices::default(),
            attributes: Attributes::default()
                .with_column("ResourceId", id)
                .with_column("SubAccountId", id)
                .with_column("ServiceCategory", "Compute")
                .with_column("ServiceName", service),
        }
    })
}

/// One of each day.
fn merged(days: Vec<ClusterDay>) -> Vec<ClusterDay> {
    let by_day: BTreeMap<Day, ClusterDay> = days.into_iter().map(|day| (day.day, day)).collect();
    by_day.into_values().collect()
}

fn allocate(charges: &[Charge], days: &[ClusterDay]) -> Cube {
    allocate_with_usage(charges, days, &PROGRAM, apportion).expect("allocates")
}

/// Sums of a cube by one of its columns.
fn by_column(cube: &Cube, at: usize) -> BTreeMap<String, (Money, Money, u64)> {
    let mut sums: BTreeMap<String, (Money, Money, u64)> = BTreeMap::new();
    for (key, value) in &cube.lines {
        let sum = sums
            .entry(key.columns[at].as_deref().unwrap_or_default().to_owned())
            .or_default();
        sum.0 = sum.0.checked_add(value.billed).expect("small");
        sum.1 = sum.1.checked_add(value.effective).expect("small");
        sum.2 += value.charges;
    }
    sums
}

fn total(parts: impl IntoIterator<Item = (Money, Money, u64)>) -> (Money, Money, u64) {
    parts.into_iter().fold((Money::ZERO, Money::ZERO, 0), |sum, part| {
        let add = |a: Money, b| a.checked_add(b).expect("small");
        (add(sum.0, part.0), add(sum.1, part.1), sum.2 + part.2)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn what_every_thing_costs_is_what_its_parts_cost(
        days in prop::collection::vec(day(), 0..3), charges in prop::collection::vec(charge(), 0..8),
    ) {
        let days = merged(days);
        let cube = allocate(&charges, &days);
        // containers + overhead + system reserved + not ready + unobserved + headroom + idle = the node, each node's
        let mut of: BTreeMap<String, Vec<(Money, Money, u64)>> = BTreeMap::new();
        for charge in &charges {
            let id = charge.attributes.column("SubAccountId").unwrap_or("").to_owned();
            of.entry(id).or_default().push((charge.billed, charge.effective, 1));
        }
        let whole: BTreeMap<String, _> = of.into_iter().map(|(id, parts)| (id, total(parts))).collect();
        let things = by_column(&cube, 1);
        for (id, sum) in &whole {
            prop_assert_eq!(things.get(id), Some(sum), "{}", id);
        }
        // sums do not depend on the grouping
        let all = total(whole.into_values());
        for at in 0..crate::allocate::CUBE_COLUMNS.len() {
            prop_assert_eq!(total(by_column(&cube, at).into_values()), all);
        }
        prop_assert_eq!(total(by_column(&cube.by_month().expect("small"), 11).into_values()), all);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn neither_order_nor_somebody_who_uses_nothing_changes_anything(
        days in prop::collection::vec(day(), 0..3), charges in prop::collection::vec(charge(), 0..8),
    ) {
        let days = merged(days);
        let cube = allocate(&charges, &days);
        // order is irrelevant, and a second run is the same
        let backwards: (Vec<_>, Vec<_>) = (charges.iter().rev().cloned().collect(), days.iter().rev().cloned().collect());
        prop_assert_eq!(&allocate(&backwards.0, &backwards.1), &cube);
        // somebody who uses nothing changes nobody
        let mut more = days;
        for day in &mut more {
            for (node, _) in day.nodes.clone() {
                let nothing = SlotHour { hour: Hour(day.day.0 * 24), seconds: 3_600, effective: Measure::ZERO, requested: Measure::ZERO, used: Measure::ZERO };
                let slot = Slot { node: node.name, pod_uid: "nothing".to_owned(), namespace: "nothing".to_owned(), ..Slot::default() };
                day.slots.push((slot, vec![nothing]));
            }
            day.slots.sort();
        }
        prop_assert_eq!(&allocate(&charges, &more), &cube);
        // DaemonSets and pods that serve the cluster are paid by others, or stay visible
        for (key, value) in &cube.lines {
            if key.columns[8].as_deref() == Some("kube-system") {
                let part = key.columns[11].as_deref();
                prop_assert!(part == Some("cluster_services") || value.effective.is_zero() || part != Some("workload"));
            }
        }
    }
}

/// Two nodes and three pods through two days, at a constant price: by hours or by days.
fn two_days(hourly: bool, held: &[(u64, u64)]) -> (Vec<ClusterDay>, Vec<Charge>) {
    let capacity = Capacity {
        cpu_millicores: 4_000,
        memory_mib: 16_384,
        gpu_milli: 0,
    };
    let days = (0..2).map(|day| {
        let hours = || (0..24).map(move |hour| Hour((FIRST + day) * 24 + hour));
        let node_hour = |hour| NodeHour {
            hour,
            ready_s: 3_600,
            observed_s: 3_600,
            capacity,
            allocatable: capacity,
        };
        let slot = |at: usize| {
            let slot = Slot {
                node: NODES[at % 2].0.to_owned(),
                pod_uid: format!("{at}"),
                namespace: ["a", "b", "kube-system"][at].to_owned(),
                ..Slot::default()
            };
            let hour = |hour: Hour| {
                let (cpu_millicores, memory_mib) = held[(usize::from(hour.of_day()) + at) % held.len()];
                let effective = Capacity {
                    cpu_millicores,
                    memory_mib,
                    gpu_milli: 0,
                }
                .over(3_600);
                SlotHour {
                    hour,
                    seconds: 3_600,
                    effective,
                    requested: effective,
                    used: Measure::ZERO,
                }
            };
            (slot, hours().map(hour).collect())
        };
        ClusterDay {
            cluster: "c".to_owned(),
            day: Day(FIRST + day),
            nodes: [1, 0].map(|at| (node_of(at), hours().map(node_hour).collect())).into(),
            slots: [1, 0, 2].map(slot).into(),
            ..ClusterDay::default()
        }
    });
    let (count, length) = if hourly { (48, 1) } else { (2, 24) };
    let charges = (0..count).flat_map(|number| {
        NODES[..2].iter().map(move |(id, _, _)| {
            let at = |hour: i64| Instant(i64::from(FIRST) * 86_400_000_000 + hour * 3_600_000_000);
            let cost = Money::parse(if length == 1 { "0.37" } else { "8.88" }).expect("an amount");
            Charge {
                id: format!("{id} {number}"),
                period: "2024-09".parse().expect("month"),
                span: Span {
                    start: at(number * length),
                    end: at((number + 1) * length),
                },
                currency: Currency::parse("USD").expect("code"),
                category: ChargeCategory::Usage,
                billed: cost,
                effective: cost,
                consumed_s: Some(3_600 * length.unsigned_abs()),
                prices: price::Prices::default(),
                attributes: Attributes::default()
                    .with_column("ResourceId", id)
                    .with_column("ServiceCategory", "Compute"),
            }
        })
    });
    (days.collect(), charges.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    #[test]
    fn hourly_and_daily_exports_give_the_same_tenants(held in prop::collection::vec((0u64..1_900, 0u64..8_000), 2..5)) {
        // A2: at a constant price, nobody over-committed. What serves the cluster
        // follows who is there in each hour by hours, and over the day by days.
        let tenants = |hourly| {
            let (days, charges) = two_days(hourly, &held);
            let cube = allocate_with_usage(&charges, &days, &PROGRAM, apportion).expect("allocates");
            let mut sums: BTreeMap<(String, String), Money> = BTreeMap::new();
            for (key, value) in &cube.lines {
                let column = |at: usize| key.columns[at].as_deref().unwrap_or_default().to_owned();
                let place = (column(11), if column(11) == "cluster_services" { String::new() } else { column(8) });
                let sum = sums.entry(place).or_default();
                *sum = sum.checked_add(value.effective).expect("small");
            }
            sums
        };
        let (hourly, daily) = (tenants(true), tenants(false));
        let limit = Money::parse("1e-18").expect("an amount");
        for key in hourly.keys().chain(daily.keys()) {
            let of = |sums: &BTreeMap<(String, String), Money>| sums.get(key).copied().unwrap_or_default();
            let apart = of(&hourly).checked_sub(of(&daily)).expect("small").abs();
            prop_assert!(apart <= limit, "{:?}: {} by hours, {} by days", key, of(&hourly), of(&daily));
        }
    }
}
