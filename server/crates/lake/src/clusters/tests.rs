//! The fast split of clusters against the reference, on random worlds: several
//! clusters, gaps, over-commitment, machines that live part of an hour, hourly,
//! daily and long charges, refunds, root disks, machines without facts, volumes,
//! load balancers, traffic, control planes and pods that serve the cluster.

use crate::container_days::{DayCosts, NodeCost, SlotCost, hours_of_day, read_day as read_costs};
use crate::query::{Basis, Level, bill_lines};
use crate::tests::deliver;
use crate::things::things_by_day;
use crate::usage::{UsageFile, merge, read_day, write_day};
use crate::{Lake, LakeError, allocate_with_usage};
use domain::Money;
use domain::allocate::clusters as reference;
use domain::allocate::clusters::Thing;
use domain::allocate::{Cube, CubeKey, Program};
use domain::apportion::{ApportionError, apportion};
use domain::class::{Class, ClassRules};
use domain::instant::{Day, Instant, Span};
use domain::rule::RuleSet;
use domain::usage::{
    Backend, BackendHour, Balancer, BalancerDay, BalancerHour, Capacity, ClusterDay, Hour, Measure, Mount, MountHour,
    Node, NodeHour, Role, Slot, SlotHour, Volume, VolumeDay, VolumeHour,
};
use domain::{BillingPeriod, Currency};
use proptest::prelude::*;
use std::collections::BTreeMap;

mod carried;

const COLUMNS: [&str; 14] = [
    "BilledCost",
    "EffectiveCost",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "BillingCurrency",
    "ServiceCategory",
    "ServiceName",
    "ResourceId",
    "ConsumedQuantity",
    "ConsumedUnit",
    "Tags",
];

const RULES: &str = r#"
format: 1
clusters: {service_namespaces: [sys]}
rules:
  - {name: moved, from: 2024-09-02, when: {column: Namespace, equals: b}, set: {tenant: new}}
  - {name: label, when: {tag: "label:tenant", exists: true}, set: {tenant: {tag: "label:tenant"}}}
  - {name: space, when: {column: Namespace, exists: true}, set: {tenant: {column: Namespace}, service: {column: Workload}}}
  - {name: idle, when: {column: AllocationPart, equals: idle_capacity}, set: {service: idle}}
  - {name: pool, when: {column: NodePool, exists: true}, set: {tier: {column: NodePool}}}
"#;

fn program() -> Program {
    Program {
        rules: RuleSet::parse(RULES).expect("valid"),
        classes: ClassRules::preset(),
        prices: domain::price::Policy::preset(),
    }
}

/// 2024-09-01.
const FIRST: i32 = 19_967;

fn node(at: usize) -> Node {
    let text = |text: &str| format!("{text}{at}");
    Node {
        name: text("n"),
        provider_id: if at == 2 {
            String::new()
        } else {
            format!("aws:///z/i-{at}")
        },
        pool: if at == 0 { "general".to_owned() } else { String::new() },
        root_volume_id: if at < 2 { text("vol-") } else { String::new() },
        ..Node::default()
    }
}

/// A day of a cluster: per node and hour what it was, per slot and hour what it held.
fn cluster_day() -> impl Strategy<Value = ClusterDay> {
    let hour = (
        prop::sample::select(vec![3_600u32, 1_200, 0]),
        0u32..3,
        1u64..5,
        0u64..2,
    );
    let fact = (0u8..3, 0u8..3, 0u8..6, 0u64..4_000, 0u64..9_000, 0u8..6);
    (
        0i32..3,
        prop::sample::select(vec!["c", "d"]),
        prop::collection::vec((0usize..3, 0u8..4, hour), 0..8),
        prop::collection::vec(fact, 0..14),
        prop::collection::vec(volume_day(), 0..3),
        prop::collection::vec(balancer_day(), 0..2),
    )
        .prop_map(|(day, cluster, nodes, facts, volumes, balancers)| {
            let mut all = ClusterDay {
                cluster: cluster.to_owned(),
                day: Day(FIRST + day),
                ..ClusterDay::default()
            };
            let hour_at = |hour: u8| Hour((FIRST + day) * 24 + i32::from(hour) * 5);
            for (at, hour, (ready_s, observed, cores, reserved)) in nodes {
                let capacity = Capacity {
                    cpu_millicores: cores * 1_000,
                    memory_mib: cores * 2_048,
                    gpu_milli: if cores == 4 { 1_000 } else { 0 },
                };
                let kept = Capacity {
                    cpu_millicores: reserved * 200,
                    memory_mib: reserved * 100,
                    gpu_milli: 0,
                };
                let facts = NodeHour {
                    hour: hour_at(hour),
                    ready_s,
                    observed_s: ready_s * observed / 2,
                    capacity,
                    allocatable: capacity.less(&kept),
                };
                all.nodes.push((node(at), vec![facts]));
            }
            for (at, slot, hour, cpu, memory, role) in facts {
                let role = [
                    Role::Workload,
                    Role::Workload,
                    Role::Workload,
                    Role::PodOverhead,
                    Role::DaemonSet,
                    Role::Placeholder,
                ][usize::from(role)];
                let namespace = ["a", "b", "sys"][usize::from(slot)];
                let slot = Slot {
                    node: format!("n{at}"),
                    pod_uid: format!("u{slot}-{}", role.as_str()),
                    container: if role == Role::PodOverhead {
                        String::new()
                    } else {
                        "c".to_owned()
                    },
                    role,
                    namespace: namespace.to_owned(),
                    pod: format!("p{slot}"),
                    workload_kind: "Deployment".to_owned(),
                    workload: format!("w{slot}"),
                    labels: if slot == 0 {
                        [("tenant".to_owned(), "t".to_owned())].into()
                    } else {
                        Default::default()
                    },
                    // no figure goes by these
                    services: (0..at).map(|at| format!("s{at}")).collect(),
                    annotations: if slot.is_multiple_of(2) {
                        Default::default()
                    } else {
                        [("note".to_owned(), namespace.to_owned())].into()
                    },
                };
                let effective = Measure {
                    cpu_core_ms: cpu * 3_600,
                    memory_mib_s: memory * 3_600,
                    gpu_ms: u64::from(hour == 2) * 1_800_000,
                };
                let fact = SlotHour {
                    hour: hour_at(hour.min(3)),
                    seconds: 3_600,
                    effective,
                    requested: effective,
                    used: Measure::ZERO,
                };
                all.slots.push((slot, vec![fact]));
            }
            // these are given in hours of the day
            let at = |hour: &mut Hour| hour.0 += (FIRST + day) * 24;
            for mut volume in volumes {
                volume.hours.iter_mut().for_each(|hour| at(&mut hour.hour));
                let mounts = volume.mounts.iter_mut().flat_map(|(_, hours)| hours);
                mounts.for_each(|hour| at(&mut hour.hour));
                all.volumes.push(volume);
            }
            for mut balancer in balancers {
                balancer.hours.iter_mut().for_each(|hour| at(&mut hour.hour));
                let backends = balancer.backends.iter_mut().flat_map(|(_, hours)| hours);
                backends.for_each(|hour| at(&mut hour.hour));
                all.balancers.push(balancer);
            }
            all
        })
}

/// A volume of one of two claims, mounted by some of three pods; hours are of the day.
fn volume_day() -> impl Strategy<Value = VolumeDay> {
    let mount = (0u8..3, 0i32..24, 0u32..3_600, prop::option::of(0u64..9));
    let hour = |hour: i64| Instant(hour * 3_600_000_000 + i64::from(FIRST) * 86_400_000_000);
    let date = move || prop::option::of((-32i64 * 24..72).prop_map(hour));
    let mounts = prop::collection::vec(mount, 0..4);
    (0u8..2, 0u8..2, date(), date(), mounts, 0i32..20).prop_map(
        |(id, claim, provisioned, claim_deleted, mounts, from)| {
            let hours = (from..from + 4).map(|hour| VolumeHour {
                hour: Hour(hour),
                seconds: 3_600,
                capacity_mib: 10,
                used_mib_s: None,
            });
            let mut by_pod: BTreeMap<Mount, BTreeMap<i32, MountHour>> = BTreeMap::new();
            for (pod, hour, seconds, used_mib_s) in mounts {
                let mount = Mount {
                    namespace: "a".to_owned(),
                    pod_uid: format!("m{pod}"),
                    workload: format!("w{}", pod / 2),
                    ..Mount::default()
                };
                let fact = MountHour {
                    hour: Hour(hour),
                    seconds,
                    used_mib_s,
                };
                by_pod.entry(mount).or_default().insert(hour, fact);
            }
            let mounts = by_pod.into_iter();
            VolumeDay {
                volume: Volume {
                    // one of them is also the root disk of a node
                    volume_id: format!("vol-{}", id + 1),
                    namespace: "a".to_owned(),
                    claim: format!("claim{claim}"),
                    provisioned,
                    claim_deleted,
                    ..Volume::default()
                },
                hours: hours.collect(),
                mounts: mounts
                    .map(|(mount, hours)| (mount, hours.into_values().collect()))
                    .collect(),
            }
        },
    )
}

/// A load balancer with some of three backends; hours are of the day.
fn balancer_day() -> impl Strategy<Value = BalancerDay> {
    let traffic = || prop::option::of(0u64..5);
    let backend = (0u8..3, 0i32..24, traffic(), traffic(), 0u64..3);
    (0i32..20, prop::collection::vec(backend, 0..5)).prop_map(|(from, backends)| {
        let mut by_service: BTreeMap<Backend, BTreeMap<i32, BackendHour>> = BTreeMap::new();
        for (service, hour, requests, bytes, hosts) in backends {
            let backend = Backend {
                namespace: "b".to_owned(),
                service: format!("s{service}"),
                ..Backend::default()
            };
            let fact = BackendHour {
                hour: Hour(hour),
                requests,
                bytes,
                hosts,
            };
            by_service.entry(backend).or_default().insert(hour, fact);
        }
        let hours = (from..from + 4).map(|hour| BalancerHour {
            hour: Hour(hour),
            seconds: 3_600,
        });
        BalancerDay {
            balancer: Balancer {
                balancer_id: "front-9.eu.elb.amazonaws.com".to_owned(),
                namespace: "a".to_owned(),
                service: "front".to_owned(),
                ..Balancer::default()
            },
            hours: hours.collect(),
            backends: by_service
                .into_iter()
                .map(|(backend, hours)| (backend, hours.into_values().collect()))
                .collect(),
        }
    })
}

fn row() -> impl Strategy<Value = Vec<String>> {
    let pick = |texts: &'static [&'static str]| prop::sample::select(texts).prop_map(str::to_owned);
    let cost = || (-400_000i64..2_000_000).prop_map(|units| format!("{units}e-7"));
    (
        (cost(), cost()),
        0i64..3 * 24 - 1,
        prop_oneof![4 => Just(1i64), 2 => Just(24), 1 => Just(50)],
        pick(&[
            "i-0",
            "i-1",
            "arn:aws:ec2:z:1:instance/i-1",
            "n2",
            "vol-0",
            "vol-1",
            "vol-2",
            "vol-2",
            "arn:aws:elasticloadbalancing:eu:1:loadbalancer/front",
            "traffic of i-0",
            "arn:aws:eks:eu:1:cluster/c",
            "arn:aws:eks:eu:1:cluster/shop",
            "arn:aws:eks:eu:1:cluster/other",
            "i-9",
            "",
        ]),
        pick(&["1", "0.5", "24", ""]),
        pick(&["Hours", "GB-Mo", "LCU-Hrs"]),
        prop::bool::ANY,
    )
        .prop_map(|((billed, effective), start, hours, resource, quantity, unit, same)| {
            let start = if hours == 24 { start / 24 * 24 } else { start };
            let at = |hour: i64| {
                let instant = Instant(i64::from(FIRST) * 86_400_000_000 + hour * 3_600_000_000);
                instant.to_string()
            };
            let text = |text: &str| text.to_owned();
            let (category, service) = match resource.as_str() {
                id if id.starts_with("vol") => ("Storage", ""),
                id if id.contains("loadbalancer") => ("Networking", "Elastic Load Balancing"),
                id if id.contains(":eks:") => ("Compute", "Amazon Elastic Kubernetes Service"),
                id if id.starts_with("traffic") => ("Networking", ""),
                _ => ("Compute", ""),
            };
            let resource = resource.trim_start_matches("traffic of ").to_owned();
            vec![
                if same { effective.clone() } else { billed },
                effective,
                text("2024-09-01"),
                text("2024-10-01"),
                at(start),
                at(start + hours),
                text("Usage"),
                text("USD"),
                text(category),
                text(service),
                resource,
                quantity,
                unit,
                text(r#"{"aws:eks:cluster-name":"Shop"}"#),
            ]
        })
}

/// Columns prices are evened out by.
const PRICES: [&str; 4] = [
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "ListCost",
    "ChargeDescription",
];

fn priced_row() -> impl Strategy<Value = Vec<String>> {
    let prices = prop::sample::select(vec![
        ["", "", "1", ""],
        ["", "", "0.7", ""],
        ["plan", "Used", "1", ""],
        ["plan", "Used", "2", ""],
        ["plan", "Unused", "", ""],
        ["", "", "", ""],
    ]);
    let discount = prop::bool::weighted(0.1);
    (row(), prices, discount).prop_map(|(mut row, prices, discount)| {
        row.extend(prices.map(str::to_owned));
        if discount {
            "Credit".clone_into(&mut row[6]);
            "Enterprise Discount Program".clone_into(&mut row[17]);
        }
        row
    })
}

/// The days as the lake keeps them: one per cluster and day, merged.
fn stored(lake: &Lake, days: Vec<ClusterDay>) -> (Vec<UsageFile>, Vec<ClusterDay>) {
    let mut merged: BTreeMap<(String, Day), ClusterDay> = BTreeMap::new();
    for day in days {
        let empty = ClusterDay {
            cluster: day.cluster.clone(),
            day: day.day,
            ..ClusterDay::default()
        };
        merge(merged.entry((day.cluster.clone(), day.day)).or_insert(empty), day);
    }
    let days: Vec<ClusterDay> = merged.into_values().collect();
    let files = days.iter().map(|day| write_day(lake, day).expect("writes")).collect();
    (files, days)
}

fn total(cube: &Cube) -> (Money, Money, u64) {
    let values = || cube.lines.values();
    (
        Money::sum(values().map(|value| value.billed)).expect("small"),
        Money::sum(values().map(|value| value.effective)).expect("small"),
        values().map(|value| value.charges).sum(),
    )
}

fn wrong(total: Money, weights: &[i128]) -> Result<Vec<Money>, ApportionError> {
    let mut parts = apportion(total, weights)?;
    if let [first, .., last] = parts.as_mut_slice() {
        std::mem::swap(first, last);
    }
    Ok(parts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_split_is_the_reference(
        days in prop::collection::vec(cluster_day(), 0..5),
        rows in prop::collection::vec(priced_row(), 1..12),
    ) {
        let lake = Lake::memory();
        let (usage, days) = stored(&lake, days);
        for (file, day) in usage.iter().zip(&days) {
            prop_assert_eq!(&read_day(&lake, file).expect("reads"), day);
        }
        let columns = COLUMNS.iter().chain(&PRICES).copied().collect();
        let (files, charges) = deliver(&lake, &[(columns, rows)]);
        let expect = reference::allocate_with_usage(&charges, &days, &program(), apportion).expect("allocates");
        let found = allocate_with_usage(&lake, &files, &usage, None, &program(), apportion).expect("allocates");
        prop_assert_eq!(&found.cube, &expect);
        // the same with container-days, which are what the cube has of clusters
        let found = allocate_with_usage(&lake, &files, &usage, period(), &program(), apportion).expect("allocates");
        prop_assert_eq!(&found.cube, &expect);
        let costs: Vec<DayCosts> = found.container_days.iter().map(|file| read_costs(&lake, file).expect("reads")).collect();
        for day in &costs {
            assert_balanced(day);
            let hours = hours_of_day(&lake, &files, &usage, &program(), &day.cluster, day.day).expect("derives");
            let mut sum = (BTreeMap::new(), BTreeMap::new());
            for hour in hours {
                let hour = DayCosts { cluster: String::new(), day: day.day, slots: hour.slots, nodes: hour.nodes };
                assert_balanced(&hour);
                add_up(&mut sum, &hour);
            }
            let mut expect = (BTreeMap::new(), BTreeMap::new());
            add_up(&mut expect, day);
            prop_assert_eq!(sum, expect);
        }
        let in_clusters = |pick: fn(&domain::allocate::CubeValue) -> Money| {
            let of_nodes = |key: &CubeKey| matches!(key.class, Class::NodeCompute | Class::NodeDisk);
            let lines = found.cube.lines.iter().filter(|(key, _)| key.columns[6].is_some() && of_nodes(key));
            Money::sum(lines.map(|(_, value)| pick(value))).expect("small")
        };
        let nodes = || costs.iter().flat_map(|day| &day.nodes);
        let effective = Money::sum(nodes().flat_map(|node| node.total.into_iter().chain([node.disk_total])));
        prop_assert_eq!(effective.expect("small"), in_clusters(|value| value.effective));
        let billed = Money::sum(nodes().map(|node| node.billed_total)).expect("small");
        prop_assert_eq!(billed, in_clusters(|value| value.billed));
        // what containers held is there once
        let held = |day: &ClusterDay| day.slots.iter().flat_map(|(_, hours)| hours).map(|hour| hour.requested.cpu_core_ms).sum::<u64>();
        let kept = costs.iter().flat_map(|day| &day.slots).map(|slot| slot.requested.cpu_core_ms).sum::<u64>();
        prop_assert_eq!(kept, days.iter().map(held).sum::<u64>());
        // volumes and load balancers one by one are what the cube has of them by owner
        let mut things = BTreeMap::new();
        for cost in things_by_day(&lake, &files, &usage, &program()).expect("finds") {
            let sum = things.entry((cost.cluster, cost.thing, cost.day, cost.currency)).or_insert(Money::ZERO);
            *sum = sum.checked_add(cost.effective).expect("small");
        }
        let mut owned = BTreeMap::new();
        for (key, value) in &expect.lines {
            let thing = match key.class {
                Class::Volume => Thing::Volume,
                Class::LoadBalancer => Thing::Balancer,
                _ => continue,
            };
            let (Some(cluster), Some(day)) = (&key.columns[6], key.day) else { continue };
            let sum = owned.entry((cluster.to_string(), thing, day, key.currency.clone())).or_insert(Money::ZERO);
            *sum = sum.checked_add(value.effective).expect("small");
        }
        things.retain(|_, sum| !sum.is_zero());
        owned.retain(|_, sum| !sum.is_zero());
        prop_assert_eq!(things, owned);
        // a second run gives the same bytes
        let again = allocate_with_usage(&lake, &files, &usage, period(), &program(), apportion).expect("allocates");
        prop_assert_eq!(&again, &found);
        // every figure is walked back to its bill lines, to the last digit
        for (key, value) in expect.lines.iter().take(4) {
            let lines = bill_lines(&lake, &files, &usage, &program(), &|k| k == key, Basis::Effective, (0..3, &Level::Things)).expect("finds");
            prop_assert_eq!(lines.total, value.effective);
            let world = carried::World { lake: &lake, files: &files, usage: &usage };
            world.assert_adds_up(&|k| k == key, Basis::Effective);
            world.assert_adds_up(&|k| k == key, Basis::Billed);
        }
        let all = bill_lines(&lake, &files, &usage, &program(), &|_| true, Basis::Billed, (0..1_000, &Level::Things)).expect("finds");
        prop_assert_eq!(all.count, charges.len() as u64);
        prop_assert!(all.lines.iter().all(|line| line.share == line.billed), "each line is wholly explained");
        // nothing is lost: bill, lines and both costs
        let sum = |pick: fn(&domain::charge::Charge) -> Money| Money::sum(charges.iter().map(pick)).expect("small");
        prop_assert_eq!(total(&expect), (sum(|c| c.billed), sum(|c| c.effective), charges.len() as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_day_in_two_halves_is_the_day(day in cluster_day(), rows in prop::collection::vec(row(), 1..12)) {
        let lake = Lake::memory();
        let (files, _) = deliver(&lake, &[(COLUMNS.to_vec(), rows)]);
        let cluster = day.cluster.clone();
        // two days are done by a worker each, one day by both
        let other = ClusterDay { cluster: "elsewhere".to_owned(), day: day.day, ..ClusterDay::default() };
        let (alone, _) = stored(&lake, vec![day.clone()]);
        let (both, _) = stored(&lake, vec![day, other]);
        // what follows all pods of a cluster is never cut
        let rules = RuleSet::parse(&RULES.replace("clusters: {service_namespaces: [sys]}", "")).expect("valid");
        let program = Program { rules, ..program() };
        let of = |usage: &[UsageFile]| {
            let found = allocate_with_usage(&lake, &files, usage, period(), &program, apportion).expect("allocates");
            let days: Vec<_> = found.container_days.into_iter().filter(|file| file.cluster == cluster).collect();
            (found.cube, days, found.unbilled)
        };
        prop_assert_eq!(of(&alone), of(&both));
    }
}

fn period() -> Option<BillingPeriod> {
    Some("2024-09".parse().expect("valid"))
}

type SlotSums = BTreeMap<(String, String, &'static str, Currency), ([Money; 7], u64, [Measure; 3])>;
type NodeSums = BTreeMap<(String, String, Currency), ([Money; 16], u64, [Measure; 2])>;

fn slot_money(slot: &SlotCost) -> [Money; 7] {
    let [cpu, memory, gpu] = slot.cost;
    [
        cpu,
        memory,
        gpu,
        slot.system_cost,
        slot.daemon_cost,
        slot.disk_cost,
        slot.billed,
    ]
}

fn node_money(node: &NodeCost) -> [Money; 16] {
    let mut all = [Money::ZERO; 16];
    let by_resource = [node.total, node.idle, node.not_ready, node.unobserved];
    let rest = [node.disk_total, node.disk_left, node.billed_total, node.billed_left];
    let amounts = by_resource.into_iter().flatten().chain(rest);
    all.iter_mut().zip(amounts).for_each(|(into, amount)| *into = amount);
    all
}

fn plus<const N: usize>(a: [Money; N], b: [Money; N]) -> [Money; N] {
    let mut sum = a;
    sum.iter_mut()
        .zip(b)
        .for_each(|(sum, of)| *sum = sum.checked_add(of).expect("small"));
    sum
}

/// Adds a day, or an hour, to sums by container and node; those without money and usage are nothing.
fn add_up((slots, nodes): &mut (SlotSums, NodeSums), costs: &DayCosts) {
    for slot in &costs.slots {
        let key = (
            slot.slot.pod_uid.clone() + &slot.slot.container,
            slot.node.name.clone() + &slot.node.provider_id,
            slot.part.as_str(),
            slot.currency.clone(),
        );
        let sum = slots.entry(key).or_insert(([Money::ZERO; 7], 0, [Measure::ZERO; 3]));
        let measures = [slot.requested, slot.used, slot.effective];
        sum.0 = plus(sum.0, slot_money(slot));
        sum.1 += slot.seconds;
        sum.2.iter_mut().zip(measures).for_each(|(sum, of)| *sum = sum.plus(of));
    }
    for node in &costs.nodes {
        let key = (
            node.node.name.clone(),
            node.node.provider_id.clone(),
            node.currency.clone(),
        );
        let sum = nodes.entry(key).or_insert(([Money::ZERO; 16], 0, [Measure::ZERO; 2]));
        sum.0 = plus(sum.0, node_money(node));
        sum.1 += node.ready_s;
        sum.2 = [sum.2[0].plus(node.capacity), sum.2[1].plus(node.allocatable)];
    }
    slots.retain(|_, sum| *sum != ([Money::ZERO; 7], 0, [Measure::ZERO; 3]));
    nodes.retain(|_, sum| *sum != ([Money::ZERO; 16], 0, [Measure::ZERO; 2]));
}

/// Containers and remainders are the node, effective and billed.
fn assert_balanced(costs: &DayCosts) {
    let sum = |amounts: Vec<Money>| Money::sum(amounts).expect("small");
    for node in &costs.nodes {
        let slots = || {
            costs
                .slots
                .iter()
                .filter(|slot| slot.node == node.node && slot.currency == node.currency)
        };
        let left = [node.idle, node.not_ready, node.unobserved];
        let own = slots().flat_map(|slot| slot.cost.into_iter().chain([slot.system_cost, slot.daemon_cost]));
        assert_eq!(
            sum(own.chain(left.into_iter().flatten()).collect()),
            sum(node.total.to_vec())
        );
        let disk = slots().map(|slot| slot.disk_cost).chain([node.disk_left]);
        assert_eq!(sum(disk.collect()), node.disk_total);
        let billed = slots().map(|slot| slot.billed).chain([node.billed_left]);
        assert_eq!(sum(billed.collect()), node.billed_total);
    }
    let of_a_node = |slot: &SlotCost| {
        costs
            .nodes
            .iter()
            .any(|node| node.node == slot.node && node.currency == slot.currency)
    };
    assert!(costs.slots.iter().all(of_a_node));
}

/// One node of two pods and a DaemonSet, one charge of an hour.
fn small_world() -> (Vec<ClusterDay>, Vec<Vec<String>>) {
    let hour = Hour(FIRST * 24);
    let capacity = Capacity {
        cpu_millicores: 4_000,
        memory_mib: 16_384,
        gpu_milli: 0,
    };
    let slot = |name: &str, role, cores: u64| {
        let slot = Slot {
            node: "n0".to_owned(),
            pod_uid: name.to_owned(),
            container: "c".to_owned(),
            namespace: name.to_owned(),
            role,
            ..Slot::default()
        };
        let held = Capacity {
            cpu_millicores: cores * 1_000,
            memory_mib: cores * 4_096,
            gpu_milli: 0,
        }
        .over(3_600);
        let fact = SlotHour {
            hour,
            seconds: 3_600,
            effective: held,
            requested: held,
            used: Measure::ZERO,
        };
        (slot, vec![fact])
    };
    let facts = NodeHour {
        hour,
        ready_s: 3_600,
        observed_s: 3_600,
        capacity,
        allocatable: capacity,
    };
    let day = ClusterDay {
        cluster: "c".to_owned(),
        day: Day(FIRST),
        nodes: vec![(node(0), vec![facts])],
        slots: vec![
            slot("a", Role::Workload, 1),
            slot("agent", Role::DaemonSet, 1),
            slot("b", Role::Workload, 1),
        ],
        ..ClusterDay::default()
    };
    let span = Span {
        start: hour.start(),
        end: Hour(hour.0 + 1).start(),
    };
    let texts = [
        "5.2",
        "5.2",
        "2024-09-01",
        "2024-10-01",
        &span.start.to_string(),
        &span.end.to_string(),
        "Usage",
        "USD",
        "Compute",
        "",
        "i-0",
        "1",
        "Hours",
        r#"{"aws:eks:cluster-name":"c"}"#,
    ];
    (vec![day], vec![texts.iter().map(|text| (*text).to_owned()).collect()])
}

#[test]
fn a_daemon_set_is_paid_by_the_pods_of_its_node() {
    let lake = Lake::memory();
    let (days, rows) = small_world();
    let (usage, days) = stored(&lake, days);
    let (files, charges) = deliver(&lake, &[(COLUMNS.to_vec(), rows)]);
    let found = allocate_with_usage(&lake, &files, &usage, None, &program(), apportion).expect("allocates");
    let lines: Vec<(Option<&str>, Option<&str>, String)> = found
        .cube
        .lines
        .iter()
        .map(|(key, value)| {
            assert_eq!(key.class, Class::NodeCompute);
            (
                key.columns[8].as_deref(),
                key.columns[11].as_deref(),
                value.effective.to_string(),
            )
        })
        .collect();
    let expect = [
        (None, Some("idle_capacity"), "1.3"),
        (Some("a"), Some("daemon_set"), "0.65"),
        (Some("a"), Some("workload"), "1.3"),
        (Some("b"), Some("daemon_set"), "0.65"),
        (Some("b"), Some("workload"), "1.3"),
    ];
    assert_eq!(lines, expect.map(|(space, part, cost)| (space, part, cost.to_owned())));
    // a splitter that swaps parts loses money, which the pass notices itself
    let swapped = allocate_with_usage(&lake, &files, &usage, None, &program(), wrong);
    assert!(matches!(swapped, Err(LakeError::Unbalanced { .. })), "{swapped:?}");
    // and the reference would have given other figures
    let expect = reference::allocate_with_usage(&charges, &days, &program(), apportion).expect("allocates");
    assert_eq!(found.cube, expect);
}

#[test]
fn nodes_without_a_bill_line_are_estimated_at_the_price_of_their_like() {
    // A6: one node of the pool is billed at 5.20 an hour, another one is not, nor is one of another pool
    let lake = Lake::memory();
    let (mut days, rows) = small_world();
    let hour = |at: i32, ready_s| NodeHour {
        hour: Hour(FIRST * 24 + at),
        ready_s,
        ..days[0].nodes[0].1[0]
    };
    let (like, other) = (vec![hour(0, 3_600), hour(1, 1_800)], vec![hour(2, 900)]);
    let twin = Node {
        name: "n7".to_owned(),
        provider_id: "aws:///z/i-7".to_owned(),
        root_volume_id: String::new(),
        ..node(0)
    };
    days[0].nodes.extend([(node(1), other), (twin, like)]);
    let (usage, _) = stored(&lake, days);
    let (files, _) = deliver(&lake, &[(COLUMNS.to_vec(), rows)]);
    let period = "2024-09".parse().expect("month");
    let found = allocate_with_usage(&lake, &files, &usage, Some(period), &program(), apportion).expect("allocates");
    let found: Vec<(String, u64, Vec<String>)> = found
        .unbilled
        .into_iter()
        .map(|missing| {
            let estimates = missing.estimates.iter();
            let estimates = estimates.map(|(currency, money)| format!("{money} {currency}"));
            (missing.pool, missing.node_hours, estimates.collect())
        })
        .collect();
    let expect = [
        (String::new(), 1, vec![]),
        ("general".to_owned(), 2, vec!["7.8 USD".to_owned()]),
    ];
    assert_eq!(found, expect);
}
