//! The laws every answer keeps, on random sets of rows.

use super::aggregate::{Group, Grouping, Groups, group, parse_fields};
use super::filter::{Filter, allocation_field, parse};
use super::row::{Field, Row, Unused};
use super::share::{Idle, Sharing, Split, share, shared_rows};
use domain::Money;
use domain::instant::{DAY_US, Instant, Span};
use domain::usage::{Measure, Node, Slot};
use proptest::prelude::*;

/// One slot of a random world: node, namespace, workload, label, costs.
type Seed = (u8, u8, u8, u8, [u32; 3], i32);

struct World {
    nodes: Vec<Node>,
    slots: Vec<(usize, Slot, [u32; 3], i32)>,
    idle: Vec<[u32; 4]>,
}

/// 1e-24 times a prime: sums that do not divide.
fn money(seed: u32) -> Money {
    Money::from_units(i128::from(seed) * 1_000_000_000_000_000_000_003).expect("small")
}

fn world(seeds: &[Seed], idle: Vec<[u32; 4]>) -> World {
    let nodes = (0..idle.len()).map(|at| Node {
        name: format!("n-{at}"),
        ..Node::default()
    });
    let nodes: Vec<Node> = nodes.collect();
    let mut slots: Vec<(usize, Slot, [u32; 3], i32)> = seeds
        .iter()
        .enumerate()
        .map(|(at, (node, namespace, workload, label, costs, credit))| {
            let node = usize::from(*node) % nodes.len();
            let slot = Slot {
                node: nodes[node].name.clone(),
                pod_uid: format!("u-{at}"),
                container: "c".to_owned(),
                namespace: format!("ns-{}", namespace % 4),
                pod: format!("pod-{at}"),
                workload_kind: ["Deployment", "Job", ""][usize::from(*workload) % 3].to_owned(),
                workload: format!("w-{}", workload % 5),
                labels: [("app".to_owned(), format!("a-{}", label % 3))].into(),
                services: (0..label % 3).map(|at| format!("s-{at}")).collect(),
                annotations: (0..workload % 2)
                    .map(|at| ("note".to_owned(), at.to_string()))
                    .collect(),
                ..Slot::default()
            };
            (node, slot, *costs, *credit)
        })
        .collect();
    slots.sort_by(|a, b| a.1.cmp(&b.1));
    World { nodes, slots, idle }
}

impl World {
    fn rows(&self, day: i64) -> Vec<Row<'_>> {
        let (start, end) = (Instant(day * DAY_US), Instant((day + 1) * DAY_US));
        // even nodes are of one cluster, odd ones of another
        let cluster = |node: usize| if node.is_multiple_of(2) { "core" } else { "edge" };
        let mut rows = Vec::new();
        for (node, slot, [cpu, ram, gpu], credit) in &self.slots {
            let mut row = Row {
                start,
                end,
                held: Measure {
                    cpu_core_ms: u64::from(*cpu),
                    ..Measure::ZERO
                },
                ..Row::of(cluster(*node), Some(&self.nodes[*node]), Some(slot))
            };
            row.costs.cpu = money(cpu.wrapping_add(u32::try_from(day).unwrap_or(0)));
            row.costs.ram = money(*ram);
            row.costs.gpu = money(*gpu);
            row.costs.shared = money(credit.unsigned_abs());
            if *credit < 0 {
                row.costs.shared = -row.costs.shared;
            }
            rows.push(row);
        }
        for (node, [cpu, ram, gpu, disk]) in self.idle.iter().enumerate() {
            let mut row = Row {
                start,
                end,
                ..Row::of(cluster(node), Some(&self.nodes[node]), None)
            };
            (row.costs.cpu, row.costs.ram, row.costs.gpu) = (money(*cpu), money(*ram), money(*gpu));
            row.costs.shared = money(*disk);
            row.unused = Unused {
                idle_capacity: row.costs.total().expect("small"),
                ..Unused::default()
            };
            rows.push(row);
        }
        rows
    }
}

fn day(at: i64) -> Span {
    Span {
        start: Instant(at * DAY_US),
        end: Instant((at + 1) * DAY_US),
    }
}

fn total_of_rows(rows: &[Row<'_>]) -> Money {
    Money::sum(rows.iter().map(|row| row.costs.total().expect("small"))).expect("small")
}

fn total(groups: &[Group]) -> Money {
    Money::sum(groups.iter().map(|group| group.costs.total().expect("small"))).expect("small")
}

fn merge<'g>(pieces: impl Iterator<Item = &'g [Group]>) -> Vec<Group> {
    let mut groups = Groups::default();
    pieces.for_each(|piece| groups.add(piece).expect("sums"));
    groups.finish()
}

fn sharings() -> Vec<Sharing> {
    let shared = shared_rows(&["ns-0".to_owned()], &[("app".to_owned(), "a-1".to_owned())]);
    let mut all = Vec::new();
    for idle in [Idle::Hidden, Idle::Separate, Idle::Shared] {
        for idle_by_node in [false, true] {
            for rows in [None, shared.clone()] {
                for split in [Split::Weighted, Split::Even] {
                    for monthly in [Money::ZERO, Money::parse("31.000000000000000000000001").expect("money")] {
                        all.push(Sharing {
                            idle,
                            idle_by_node,
                            rows: rows.clone(),
                            monthly,
                            split,
                        });
                    }
                }
            }
        }
    }
    all
}

fn groupings() -> Vec<Grouping> {
    let fields = [
        "",
        "cluster",
        "node",
        "namespace",
        "controller",
        "controllerKind",
        "pod",
        "container",
        "service",
        "label:app",
        "annotation:x",
        "cluster,namespace,label:app",
        "deployment",
    ];
    let mut all = Vec::new();
    for text in fields {
        for split_idle in [false, true] {
            all.push(Grouping {
                fields: parse_fields(text).expect(text),
                split_idle,
                idle_by_node: split_idle,
            });
        }
    }
    all
}

fn filters() -> Vec<Filter<Field>> {
    [
        "namespace:\"ns-1\"",
        "label[app]:\"a-0\"",
        "cluster:\"core\"",
        "node:\"n-1\"|pod:\"pod-0\"",
        "controllerKind:job",
    ]
    .map(|text| parse(text, allocation_field).expect(text))
    .into()
}

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let costs = prop_oneof![Just([0; 3]), [0..1_000u32, 0..1_000u32, 0..1u32], any::<[u32; 3]>()];
    let credit = prop_oneof![9 => Just(0), 1 => -50..50i32];
    prop::collection::vec(
        (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>(), costs, credit),
        0..14,
    )
}

fn idles() -> impl Strategy<Value = Vec<[u32; 4]>> {
    let one = prop_oneof![Just([0; 4]), [0..1_000u32, 0..1_000u32, 0..2u32, 0..9u32]];
    prop::collection::vec(one, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_grouping_changes_a_sum(seeds in seeds(), idle in idles()) {
        let world = world(&seeds, idle);
        for sharing in sharings() {
            let rows = share(world.rows(0), &sharing, None, day(0)).expect("shares");
            let whole = total_of_rows(&rows);
            for grouping in groupings() {
                let groups = group(&rows, &grouping).expect("sums");
                prop_assert_eq!(total(&groups), whole, "{:?} {:?}", sharing, grouping);
            }
        }
    }

    #[test]
    fn a_namespace_is_its_pods(seeds in seeds(), idle in idles()) {
        let world = world(&seeds, idle);
        let by = |fields: &str| Grouping { fields: parse_fields(fields).expect(fields), ..Grouping::default() };
        for sharing in sharings() {
            let rows = share(world.rows(0), &sharing, None, day(0)).expect("shares");
            let pods = group(&rows, &by("namespace,pod")).expect("sums");
            for namespace in group(&rows, &by("namespace")).expect("sums") {
                let prefix = format!("{}/", namespace.name);
                let inside = pods.iter().filter(|pod| pod.name.starts_with(&prefix) || pod.name == namespace.name);
                let sum = total(&inside.cloned().collect::<Vec<_>>());
                prop_assert_eq!(sum, namespace.costs.total().expect("small"), "{:?}", sharing);
            }
        }
    }

    #[test]
    fn sharing_keeps_the_total(seeds in seeds(), idle in idles()) {
        let world = world(&seeds, idle);
        let bill = total_of_rows(&world.rows(0));
        let hidden = total_of_rows(&world.rows(0).into_iter().filter(|row| row.slot.is_some()).collect::<Vec<_>>());
        for sharing in sharings() {
            let rows = share(world.rows(0), &sharing, None, day(0)).expect("shares");
            // January has 31 days: the first gets a thirty-first, cut down
            let monthly = if sharing.monthly.is_zero() { Money::ZERO } else { Money::parse("1").expect("money") };
            let expect = if sharing.idle == Idle::Hidden { hidden } else { bill };
            prop_assert_eq!(total_of_rows(&rows), expect.checked_add(monthly).expect("small"), "{:?}", sharing);
            let has_idle = rows.iter().any(|row| row.slot.is_none() && row.cluster != "__shared__");
            prop_assert!(sharing.idle != Idle::Hidden || !has_idle);
        }
    }

    #[test]
    fn filters_that_part_the_rows_part_the_sum(seeds in seeds(), idle in idles()) {
        let world = world(&seeds, idle);
        for sharing in sharings() {
            let whole = total_of_rows(&share(world.rows(0), &sharing, None, day(0)).expect("shares"));
            for filter in filters() {
                let inside = share(world.rows(0), &sharing, Some(&filter), day(0)).expect("shares");
                let other = Filter::Not(Box::new(filter.clone()));
                let outside = share(world.rows(0), &sharing, Some(&other), day(0)).expect("shares");
                let both = total_of_rows(&inside).checked_add(total_of_rows(&outside)).expect("small");
                prop_assert_eq!(both, whole, "{:?} {:?}", sharing, filter);
            }
        }
    }

    #[test]
    fn a_filter_takes_rows_away_and_changes_none(seeds in seeds(), idle in idles()) {
        let world = world(&seeds, idle);
        let by_pod = Grouping { fields: parse_fields("pod").expect("pod"), ..Grouping::default() };
        for sharing in sharings().into_iter().filter(|sharing| sharing.idle != Idle::Separate) {
            let all = group(&share(world.rows(0), &sharing, None, day(0)).expect("shares"), &by_pod).expect("sums");
            for filter in filters() {
                let some = share(world.rows(0), &sharing, Some(&filter), day(0)).expect("shares");
                for kept in group(&some, &by_pod).expect("sums").iter().filter(|kept| !kept.is_idle()) {
                    let same = all.iter().find(|group| group.name == kept.name);
                    prop_assert_eq!(same, Some(kept));
                }
            }
        }
    }

    #[test]
    fn sets_of_days_add_up_to_the_window(seeds in seeds(), idle in idles()) {
        let world = world(&seeds, idle);
        let grouping = Grouping { fields: parse_fields("namespace").expect("namespace"), ..Grouping::default() };
        for sharing in sharings() {
            let days: Vec<Vec<Group>> = (0..6)
                .map(|at| group(&share(world.rows(at), &sharing, None, day(at)).expect("shares"), &grouping).expect("sums"))
                .collect();
            let window = merge(days.iter().map(Vec::as_slice));
            for step in [1, 2, 4] {
                let sets: Vec<Vec<Group>> = days
                    .chunks(step)
                    .map(|set| merge(set.iter().map(Vec::as_slice)))
                    .collect();
                prop_assert_eq!(&merge(sets.iter().map(Vec::as_slice)), &window);
            }
        }
    }

    #[test]
    fn idle_is_never_negative(seeds in seeds(), idle in idles()) {
        let world = world(&seeds, idle);
        for sharing in sharings() {
            for filter in filters().iter().map(Some).chain([None]) {
                for row in share(world.rows(0), &sharing, filter, day(0)).expect("shares") {
                    if row.slot.is_none() {
                        prop_assert!(row.costs.total().expect("small").units() >= 0);
                    }
                    prop_assert!(row.costs.cpu_idle.units() >= 0);
                }
            }
        }
    }
}

#[test]
fn a_monthly_amount_is_whole_over_the_month() {
    let world = world(&[(0, 0, 0, 0, [5, 5, 0], 0)], vec![[1, 1, 0, 0]]);
    let sharing = Sharing {
        monthly: Money::parse("100.00").expect("money"),
        ..Sharing::default()
    };
    let february = (31..59).map(|at| {
        let rows = share(world.rows(at), &sharing, None, day(at)).expect("shares");
        Money::sum(rows.iter().map(|row| row.costs.shared)).expect("small")
    });
    assert_eq!(Money::sum(february), Ok(sharing.monthly));
}

#[test]
fn worked_examples() {
    // one node: a has 6 of CPU and 2 of memory, b 2 and 2; 4 of CPU and 4 of memory are idle
    let seeds = [(0, 1, 0, 0, [6, 2, 0], 0), (0, 2, 0, 0, [2, 2, 0], 0)];
    let world = world(&seeds, vec![[4, 4, 2, 0]]);
    let grouping = Grouping {
        fields: parse_fields("namespace").expect("namespace"),
        ..Grouping::default()
    };
    let b = parse("namespace:\"ns-2\"", allocation_field).expect("a filter");
    let shared = shared_rows(&["ns-2".to_owned()], &[]);
    let idle = |idle| Sharing {
        idle,
        ..Sharing::default()
    };
    for (sharing, filter, expect) in [
        (idle(Idle::Hidden), None, vec![("ns-1", 8), ("ns-2", 4)]),
        (
            idle(Idle::Separate),
            None,
            vec![("__idle__", 10), ("ns-1", 8), ("ns-2", 4)],
        ),
        // nobody uses the accelerator: its 2 stay
        (
            idle(Idle::Shared),
            None,
            vec![("__idle__", 2), ("ns-1", 13), ("ns-2", 7)],
        ),
        // of the idle capacity, what b would have borne
        (idle(Idle::Separate), Some(&b), vec![("__idle__", 3), ("ns-2", 4)]),
        (
            Sharing {
                rows: shared,
                ..idle(Idle::Separate)
            },
            None,
            vec![("__idle__", 10), ("ns-1", 12)],
        ),
    ] {
        let rows = share(world.rows(0), &sharing, filter, day(0)).expect("shares");
        let groups = group(&rows, &grouping).expect("sums");
        let got: Vec<(&str, Money)> = groups
            .iter()
            .map(|group| (group.name.as_str(), group.costs.total().expect("small")))
            .collect();
        let expect: Vec<(&str, Money)> = expect.into_iter().map(|(name, seed)| (name, money(seed))).collect();
        assert_eq!(got, expect, "{sharing:?}");
    }
}
