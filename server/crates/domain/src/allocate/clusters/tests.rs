//! Worked examples of what is split beside node compute.

use super::*;
use crate::apportion::apportion;
use crate::class::ClassRules;
use crate::instant::{DAY_US, Day, Instant};
use crate::money::Currency;
use crate::rule::RuleSet;
use crate::usage::{
    Backend, BackendHour, Balancer, BalancerDay, BalancerHour, Capacity, Mount, MountHour, NodeHour, Slot, SlotHour,
    Volume, VolumeDay, VolumeHour,
};
use std::ops::Range;

fn money(text: &str) -> Money {
    Money::parse(text).expect(text)
}

fn program() -> Program {
    Program {
        rules: RuleSet::parse("format: 1\nclusters: {service_namespaces: [monitoring]}").expect("valid"),
        classes: ClassRules::preset(),
        prices: price::Policy::preset(),
    }
}

/// A charge of some hours of day 0; columns are `Name=value`.
fn charge(hours: Range<i32>, cost: &str, columns: &[&str]) -> Charge {
    let attributes = columns.iter().fold(Attributes::default(), |all, column| {
        let (name, value) = column.split_once('=').expect("Name=value");
        match name.strip_prefix("tag:") {
            Some(tag) => all.with_tag(tag, value),
            None => all.with_column(name, value),
        }
    });
    Charge {
        id: columns.join(","),
        period: "1970-01".parse().expect("month"),
        span: Span {
            start: Hour(hours.start).start(),
            end: Hour(hours.end).start(),
        },
        currency: Currency::parse("USD").expect("code"),
        category: ChargeCategory::Usage,
        billed: money(cost),
        effective: money(cost),
        consumed_s: None,
        prices: price::Prices::default(),
        attributes,
    }
}

fn node(name: &str, hours: Range<i32>) -> (Node, Vec<NodeHour>) {
    let capacity = Capacity {
        cpu_millicores: 4_000,
        memory_mib: 0,
        gpu_milli: 0,
    };
    let hour = |hour| NodeHour {
        hour: Hour(hour),
        ready_s: 3_600,
        observed_s: 3_600,
        capacity,
        allocatable: capacity,
    };
    let node = Node {
        name: name.to_owned(),
        provider_id: format!("aws:///z/i-{name}"),
        pool: format!("pool-{name}"),
        ..Node::default()
    };
    (node, hours.map(hour).collect())
}

/// A pod that holds some cores of a node.
fn pod(node: &str, namespace: &str, role: Role, cores: u64, hours: Range<i32>) -> (Slot, Vec<SlotHour>) {
    let held = Capacity {
        cpu_millicores: cores * 1_000,
        ..Capacity::default()
    }
    .over(3_600);
    let hour = |hour| SlotHour {
        hour: Hour(hour),
        seconds: 3_600,
        effective: held,
        requested: held,
        used: Measure::ZERO,
    };
    let slot = Slot {
        node: node.to_owned(),
        pod_uid: format!("{namespace} on {node}"),
        namespace: namespace.to_owned(),
        role,
        ..Slot::default()
    };
    (slot, hours.map(hour).collect())
}

fn day(nodes: Vec<(Node, Vec<NodeHour>)>, slots: Vec<(Slot, Vec<SlotHour>)>) -> ClusterDay {
    ClusterDay {
        cluster: "c".to_owned(),
        nodes,
        slots,
        ..ClusterDay::default()
    }
}

/// Where a bill landed: (namespace, workload, part, cost), largest last by key; lines are counted once.
fn landed(charges: &[Charge], days: &[ClusterDay]) -> Vec<(String, String, String, String)> {
    let cube = allocate_with_usage(charges, days, &program(), apportion).expect("allocates");
    let mut sums: BTreeMap<(String, String, String), Money> = BTreeMap::new();
    let mut lines = 0;
    for (key, value) in &cube.lines {
        let column = |at: usize| key.columns[at].as_deref().unwrap_or_default().to_owned();
        let sum = sums.entry((column(8), column(10), column(11))).or_default();
        *sum = sum.checked_add(value.effective).expect("small");
        lines += value.charges;
    }
    assert_eq!(lines, charges.len() as u64, "every line is counted once");
    let total = Money::sum(charges.iter().map(|charge| charge.effective)).expect("small");
    assert_eq!(
        Money::sum(sums.values().copied()),
        Ok(total),
        "the parts are the charges"
    );
    let nonzero = sums.into_iter().filter(|(_, sum)| !sum.is_zero());
    nonzero
        .map(|((space, workload, part), sum)| (space, workload, part, sum.to_string()))
        .collect()
}

fn expect(rows: &[[&str; 4]]) -> Vec<(String, String, String, String)> {
    let row = |[a, b, c, d]: &[&str; 4]| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned(), (*d).to_owned());
    rows.iter().map(row).collect()
}

const COMPUTE: [&str; 2] = ["ServiceCategory=Compute", "tag:aws:eks:cluster-name=shop"];

fn compute(node: &str, hours: Range<i32>, cost: &str) -> Charge {
    let id = format!("ResourceId=i-{node}");
    charge(hours, cost, &[&id, COMPUTE[0], COMPUTE[1]])
}

#[test]
fn cluster_services_follow_the_other_pods_of_the_cluster() {
    // A27: a name service on node 1, whose only other pod is A's; B has node 2, twice as large a request
    let days = [day(
        vec![node("1", 0..2), node("2", 0..2)],
        vec![
            pod("1", "a", Role::Workload, 1, 0..2),
            pod("1", "kube-system", Role::Workload, 3, 0..2),
            pod("2", "b", Role::Workload, 2, 0..2),
            pod("2", "monitoring", Role::Workload, 2, 0..1),
        ],
    )];
    let found = landed(&[compute("1", 0..1, "4"), compute("2", 0..1, "8")], &days);
    assert_eq!(
        found,
        expect(&[
            // of 3 + 4 the cluster's services cost, a third and two thirds
            ["a", "", "cluster_services", "2.333333333333333333333333"],
            ["a", "", "workload", "1"],
            ["b", "", "cluster_services", "4.666666666666666666666667"],
            ["b", "", "workload", "4"],
        ])
    );
    // nobody else is there: it stays where it is, and visible
    let alone = [day(
        vec![node("1", 0..1)],
        vec![pod("1", "kube-system", Role::Workload, 1, 0..1)],
    )];
    assert_eq!(
        landed(&[compute("1", 0..1, "4")], &alone),
        expect(&[
            ["", "", "idle_capacity", "3"],
            ["kube-system", "", "cluster_services", "1"],
        ])
    );
}

#[test]
fn a_node_more_changes_its_users_only() {
    // A27: DaemonSets follow the pods of their own node
    let agent = |node: &str| pod(node, "kube-system", Role::DaemonSet, 1, 0..1);
    let one = vec![pod("1", "a", Role::Workload, 1, 0..1), agent("1")];
    let two = [one.clone(), vec![pod("2", "b", Role::Workload, 1, 0..1), agent("2")]].concat();
    let before = landed(&[compute("1", 0..1, "4")], &[day(vec![node("1", 0..1)], one)]);
    let after = landed(
        &[compute("1", 0..1, "4"), compute("2", 0..1, "8")],
        &[day(vec![node("1", 0..1), node("2", 0..1)], two)],
    );
    let of_a = |rows: &[(String, String, String, String)]| -> Vec<_> {
        rows.iter().filter(|row| row.0 == "a").cloned().collect()
    };
    assert_eq!(
        of_a(&before),
        expect(&[["a", "", "daemon_set", "1"], ["a", "", "workload", "1"]])
    );
    assert_eq!(of_a(&before), of_a(&after));
    // and on a node without other pods they are its pool's idle capacity
    let empty = landed(
        &[compute("1", 0..1, "4")],
        &[day(vec![node("1", 0..1)], vec![agent("1")])],
    );
    assert_eq!(empty, expect(&[["", "", "idle_capacity", "4"]]));
}

#[test]
fn a_control_plane_follows_its_cluster() {
    let days = [day(
        vec![node("1", 0..4)],
        vec![
            pod("1", "a", Role::Workload, 1, 0..1),
            pod("1", "b", Role::Workload, 1, 0..4),
            pod("1", "kube-system", Role::Workload, 2, 0..4),
        ],
    )];
    let plane = |name: &str| {
        let id = format!("ResourceId=arn:aws:eks:eu-central-1:1:cluster/{name}");
        let columns = [id.as_str(), "ServiceName=Amazon Elastic Kubernetes Service"];
        charge(0..4, "0.80", &columns)
    };
    // the cluster is called shop by the tags of its nodes; c is how the usage calls it
    for name in ["shop", "c"] {
        let found = landed(&[plane(name), compute("1", 9..10, "0")], &days);
        let planes = found.into_iter().filter(|row| row.2 == "control_plane");
        assert_eq!(
            planes.collect::<Vec<_>>(),
            expect(&[["a", "", "control_plane", "0.1"], ["b", "", "control_plane", "0.7"]])
        );
    }
    // of a cluster nobody knows: as without usage
    assert_eq!(landed(&[plane("other")], &days), expect(&[["", "", "", "0.8"]]));
    // an empty cluster: its owner's
    let empty = [day(vec![node("1", 0..4)], vec![])];
    assert_eq!(
        landed(&[plane("c")], &empty),
        expect(&[["", "", "control_plane", "0.8"]])
    );
}

/// A claim's volume, there all of some hours, mounted by workloads in some others.
fn volume(claim: &str, hours: Range<i32>, mounts: &[(&str, Range<i32>, Option<u64>)]) -> VolumeDay {
    let mount = |(workload, hours, used): &(&str, Range<i32>, Option<u64>)| {
        let mount = Mount {
            namespace: "docs".to_owned(),
            pod_uid: format!("{workload}-0"),
            workload_kind: "Deployment".to_owned(),
            workload: (*workload).to_owned(),
            ..Mount::default()
        };
        let hour = |hour| MountHour {
            hour: Hour(hour),
            seconds: 1_800,
            used_mib_s: *used,
        };
        (mount, hours.clone().map(hour).collect())
    };
    let hour = |hour| VolumeHour {
        hour: Hour(hour),
        seconds: 3_600,
        capacity_mib: 1_024,
        used_mib_s: None,
    };
    VolumeDay {
        volume: Volume {
            volume_id: "vol-1".to_owned(),
            namespace: "docs".to_owned(),
            claim: claim.to_owned(),
            labels: [("tenant".to_owned(), "t".to_owned())].into(),
            ..Volume::default()
        },
        hours: hours.map(hour).collect(),
        mounts: mounts.iter().map(mount).collect(),
    }
}

#[test]
fn a_volume_follows_its_claim() {
    let bill = |hours| {
        let columns = ["ResourceId=vol-1", "ServiceCategory=Storage", "ResourceType=Volume"];
        [charge(hours, "1", &columns)]
    };
    let with = |volumes| {
        [ClusterDay {
            volumes,
            ..day(vec![], vec![])
        }]
    };
    for (what, volumes, hours, rows) in [
        (
            "one workload",
            vec![volume("a", 0..24, &[("web", 0..1, None)])],
            0..24,
            vec![["docs", "web", "volume", "1"]],
        ),
        (
            "scaled to zero: the claim's, mounted or not",
            vec![volume("a", 0..24, &[])],
            0..24,
            vec![["docs", "", "unmounted_volume", "1"]],
        ),
        (
            "mounted in another hour than the charge's",
            vec![volume("a", 0..24, &[("web", 0..1, None)])],
            5..6,
            vec![["docs", "", "unmounted_volume", "1"]],
        ),
        (
            "two workloads, 30 minutes each",
            vec![volume("a", 0..24, &[("web", 0..1, None), ("jobs", 0..1, None)])],
            0..1,
            vec![["docs", "jobs", "volume", "0.5"], ["docs", "web", "volume", "0.5"]],
        ),
        (
            "two workloads by bytes",
            vec![volume("a", 0..24, &[("web", 0..1, Some(1)), ("jobs", 0..1, Some(3))])],
            0..1,
            vec![["docs", "jobs", "volume", "0.75"], ["docs", "web", "volume", "0.25"]],
        ),
        (
            "one of them not measured in one hour: by time",
            vec![volume("a", 0..24, &[("web", 0..3, None), ("jobs", 0..1, Some(3))])],
            0..4,
            vec![["docs", "jobs", "volume", "0.25"], ["docs", "web", "volume", "0.75"]],
        ),
        (
            "two claims one after the other",
            vec![
                volume("a", 0..6, &[("web", 0..1, None)]),
                volume("b", 6..24, &[("jobs", 6..7, None)]),
            ],
            0..24,
            vec![["docs", "jobs", "volume", "0.75"], ["docs", "web", "volume", "0.25"]],
        ),
        (
            "a charge of hours without facts: as it is known",
            vec![volume("a", 0..1, &[("web", 0..1, None)])],
            30..31,
            vec![["docs", "", "unmounted_volume", "1"]],
        ),
    ] {
        assert_eq!(landed(&bill(hours), &with(volumes)), expect(&rows), "{what}");
    }
}

#[test]
fn a_retained_volume_becomes_an_orphan() {
    // A31: the claim was deleted 30 days and 18 hours before the charge ends
    let mut orphan = volume("a", 0..24, &[]);
    orphan.volume.claim_deleted = Some(Instant(Day(-30).start().0 + DAY_US / 4));
    let days = [ClusterDay {
        volumes: vec![orphan],
        ..day(vec![], vec![])
    }];
    let columns = ["ResourceId=vol-1", "ServiceCategory=Storage"];
    assert_eq!(
        landed(&[charge(0..24, "1", &columns)], &days),
        expect(&[
            ["", "", "orphaned_volume", "0.75"],
            ["docs", "", "unmounted_volume", "0.25"]
        ])
    );
}

#[test]
fn root_disks_keep_following_their_node() {
    let (mut machine, hours) = node("1", 0..1);
    machine.root_volume_id = "vol-1".to_owned();
    let days = [ClusterDay {
        volumes: vec![volume("a", 0..24, &[])],
        ..day(vec![(machine, hours)], vec![pod("1", "a", Role::Workload, 1, 0..1)])
    }];
    let columns = ["ResourceId=vol-1", "ServiceCategory=Storage"];
    assert_eq!(
        landed(&[charge(0..1, "1", &columns)], &days),
        expect(&[["a", "", "workload", "1"]])
    );
}

#[test]
fn a_load_balancer_follows_requests_and_bytes() {
    let backend = |service: &str, requests, bytes, hosts| {
        let backend = Backend {
            namespace: "shop".to_owned(),
            service: service.to_owned(),
            ..Backend::default()
        };
        let hour = BackendHour {
            hour: Hour(0),
            requests,
            bytes,
            hosts,
        };
        (backend, vec![hour])
    };
    let host = "internal-front-42.eu-central-1.elb.amazonaws.com";
    let with = |backends| {
        [ClusterDay {
            balancers: vec![BalancerDay {
                balancer: Balancer {
                    balancer_id: host.to_owned(),
                    namespace: "ingress".to_owned(),
                    service: "traefik".to_owned(),
                    ..Balancer::default()
                },
                hours: vec![BalancerHour {
                    hour: Hour(0),
                    seconds: 3_600,
                }],
                backends,
            }],
            ..day(vec![], vec![])
        }]
    };
    let arn = "ResourceId=arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/front";
    let bill = |unit: &str| {
        let unit = format!("ConsumedUnit={unit}");
        [charge(0..1, "8", &[arn, "ServiceName=Elastic Load Balancing", &unit])]
    };
    let front = backend("front", Some(3), Some(10), 1);
    let back = backend("back", Some(1), Some(30), 1);
    for (what, backends, unit, rows) in [
        (
            "hours by requests",
            vec![back.clone(), front.clone()],
            "Hours",
            vec![
                ["shop", "back", "load_balancer", "2"],
                ["shop", "front", "load_balancer", "6"],
            ],
        ),
        (
            "usage by bytes",
            vec![back, front],
            "LCU-Hrs",
            vec![
                ["shop", "back", "load_balancer", "6"],
                ["shop", "front", "load_balancer", "2"],
            ],
        ),
        (
            "not measured: even over the hosts",
            vec![backend("back", None, None, 3), backend("front", None, None, 1)],
            "Hours",
            vec![
                ["shop", "back", "load_balancer", "6"],
                ["shop", "front", "load_balancer", "2"],
            ],
        ),
        (
            "without backends: the owner's, once",
            vec![],
            "Hours",
            vec![["ingress", "", "load_balancer", "8"]],
        ),
    ] {
        assert_eq!(landed(&bill(unit), &with(backends)), expect(&rows), "{what}");
    }
}

#[test]
fn traffic_follows_the_node_of_its_end() {
    // A33: A sends from node 1 to B on node 2; each end's row stays with its node
    let days = [day(
        vec![node("1", 0..1), node("2", 0..1)],
        vec![
            pod("1", "a", Role::Workload, 1, 0..1),
            pod("2", "b", Role::Workload, 1, 0..1),
            pod("2", "agents", Role::DaemonSet, 1, 0..1),
        ],
    )];
    let traffic = |node: &str, cost| {
        let id = format!("ResourceId=i-{node}");
        charge(
            0..1,
            cost,
            &[&id, "ServiceCategory=Compute", "ResourceType=Data Transfer"],
        )
    };
    assert_eq!(
        landed(&[traffic("1", "0.01"), traffic("2", "0.01")], &days),
        expect(&[
            ["a", "", "unmeasured_network", "0.01"],
            ["b", "", "unmeasured_network", "0.01"]
        ])
    );
    // of a node nobody knows, and of one without pods
    assert_eq!(landed(&[traffic("9", "0.01")], &days), expect(&[["", "", "", "0.01"]]));
    let empty = [day(vec![node("1", 0..1)], vec![])];
    assert_eq!(
        landed(&[traffic("1", "0.01")], &empty),
        expect(&[["", "", "unmeasured_network", "0.01"]])
    );
}

#[test]
fn the_split_of_the_provider_is_an_alternative() {
    // two rows of node 1 that the provider split to pods; together they are the node
    let rows = ["a", "b"].map(|pod| {
        let tag = format!("tag:pod={pod}");
        let columns = ["ResourceId=i-1", COMPUTE[0], "AllocatedMethodId=scad", &tag];
        charge(0..1, "2", &columns)
    });
    let days = [day(vec![node("1", 0..1)], vec![pod("1", "a", Role::Workload, 1, 0..1)])];
    // ours counts, of all that the node cost
    assert_eq!(
        landed(&rows, &days),
        expect(&[["", "", "idle_capacity", "3"], ["a", "", "workload", "1"]])
    );
    let theirs = Program {
        rules: RuleSet::parse("format: 1\nclusters: {provider_split: [{cluster: c}]}").expect("valid"),
        ..program()
    };
    let cube = allocate_with_usage(&rows, &days, &theirs, apportion).expect("allocates");
    let plain = super::super::allocate(&rows, &theirs, apportion).expect("allocates");
    assert_eq!(cube, plain, "left as they are");
}

#[test]
fn a_pod_on_a_virtual_node_pays_for_its_machine() {
    let (mut machine, hours) = node("1", 0..1);
    machine.provider_id = "aws:///z/0a1b/fargate-ip-10-0-0-1".to_owned();
    let days = [day(
        vec![(machine, hours)],
        vec![pod("1", "a", Role::Workload, 4, 0..1)],
    )];
    let line = |id: &str| {
        let id = format!("ResourceId=arn:aws:eks:eu:1:pod/shop/a/web/{id}");
        charge(0..1, "1", &[&id, "ServiceName=Amazon Elastic Kubernetes Service"])
    };
    assert_eq!(landed(&[line("0a1b")], &days), expect(&[["a", "", "workload", "1"]]));
    // one nobody knows is not the fee of the cluster
    assert_eq!(landed(&[line("9f9f")], &days), expect(&[["", "", "", "1"]]));
}
