//! Worked examples of the rules.

use super::*;
use crate::apportion::apportion;
use crate::usage::{Capacity, HOUR_S, Hour};

pub(super) fn money(text: &str) -> Money {
    Money::parse(text).expect(text)
}

/// Thousandths of a core, MiB and thousandths of an accelerator, for an hour.
fn hour(cpu_millicores: u64, memory_mib: u64, gpu_milli: u64) -> Measure {
    capacity(cpu_millicores, memory_mib, gpu_milli).over(u64::from(HOUR_S))
}

fn capacity(cpu_millicores: u64, memory_mib: u64, gpu_milli: u64) -> Capacity {
    Capacity {
        cpu_millicores,
        memory_mib,
        gpu_milli,
    }
}

fn available(measure: Measure) -> NodeWeights {
    NodeWeights {
        available: measure,
        ..NodeWeights::default()
    }
}

/// Requests an hour of it and uses no more.
fn requests(role: Role, measure: Measure) -> Claim {
    Claim {
        role,
        effective: measure,
        requested: measure,
        ..Claim::default()
    }
}

fn workload(cpu_millicores: u64, memory_mib: u64, gpu_milli: u64) -> Claim {
    requests(Role::Workload, hour(cpu_millicores, memory_mib, gpu_milli))
}

fn node_hour(number: i32, ready_s: u32, observed_s: u32) -> NodeHour {
    NodeHour {
        hour: Hour(number),
        ready_s,
        observed_s,
        capacity: capacity(4_000, 16_384, 0),
        allocatable: capacity(3_800, 15_360, 0),
    }
}

fn split(cost: &str, weights: &NodeWeights, claims: &[Claim]) -> Split {
    let split = split_node(money(cost), weights, claims, apportion).expect(cost);
    assert_eq!(split.total(), Ok(money(cost)));
    split
}

/// Rounded, for reading; the exact sum is checked by [`split`].
fn rounded(parts: &[Money], digits: u32) -> Vec<String> {
    parts.iter().map(|part| part.to_fixed(digits)).collect()
}

#[test]
fn a_node_with_overcommitted_cpu_adds_up() {
    // 4 vCPU, 16 GiB at 1.00 per hour; CPU is 36 of 52 of it
    let claims = [
        workload(3_000, 4_096, 0),
        workload(2_500, 2_048, 0),
        workload(1_500, 1_024, 0),
    ];
    let split = split("1.00", &available(hour(4_000, 16_384, 0)), &claims);
    let cpu = 36.0 / 52.0;
    let memory = 16.0 / 52.0;
    let expect = [
        cpu * 3.0 / 7.0 + memory * 4.0 / 16.0,
        cpu * 2.5 / 7.0 + memory * 2.0 / 16.0,
        cpu * 1.5 / 7.0 + memory * 1.0 / 16.0,
    ];
    assert_eq!(rounded(&split.claims, 9), expect.map(|part| format!("{part:.9}")));
    assert_eq!(split.idle.to_fixed(9), format!("{:.9}", memory * 9.0 / 16.0));
    // and at any rounding they are 1.00
    let parts: Vec<Money> = split.claims.iter().copied().chain([split.idle]).collect();
    for digits in 0..=24 {
        let lines = crate::apportion::round_lines(money("1.00"), &parts, digits);
        assert_eq!(Money::sum(lines), Ok(money("1.00")), "{digits} digits");
    }
    assert_eq!(split.overcommitted, hour(3_000, 0, 0));
    // all are requests: nobody's usage brought it about
    assert_eq!(split.overcommit, [Measure::ZERO; 3]);
}

#[test]
fn overcommitment_belongs_to_who_uses_more_than_it_requests() {
    // A29: four cores, A requests and uses 2, B requests 1 and uses 4
    let a = Claim {
        used: hour(2_000, 0, 0),
        ..workload(2_000, 0, 0)
    };
    let b = Claim {
        effective: hour(4_000, 0, 0),
        requested: hour(1_000, 0, 0),
        used: hour(4_000, 0, 0),
        ..Claim::default()
    };
    let split = split("3", &available(hour(4_000, 0, 0)), &[a, b]);
    assert_eq!(split.claims, [money("1"), money("2")]);
    assert_eq!((split.overcommitted, split.idle), (hour(2_000, 0, 0), Money::ZERO));
    assert_eq!(split.overcommit, [Measure::ZERO, hour(2_000, 0, 0)]);
}

#[test]
fn an_accelerated_node_adds_up() {
    // A30, the published example: 8 GPU, 64 vCPU, 488 GiB at 10.00; its own
    // figures, rounded, add up to 9.99
    let node = available(hour(64_000, 488 * 1_024, 8_000));
    let claims = [
        workload(0, 0, 8_000),
        workload(64_000, 0, 0),
        workload(0, 488 * 1_024, 0),
    ];
    let parts = split("10.00", &node, &claims);
    let sum = 9.0 * 8.0 + 0.9 * 64.0 + 0.1 * 488.0;
    let expect = [720.0 / sum, 576.0 / sum, 488.0 / sum];
    assert_eq!(rounded(&parts.claims, 9), expect.map(|part| format!("{part:.9}")));
    // an eighth, 0.504 in the example, and idle GPUs never land on a pod without one
    let parts = split(
        "10.00",
        &node,
        &[workload(0, 0, 1_000), workload(64_000, 488 * 1_024, 0)],
    );
    assert_eq!(parts.claims[0].to_fixed(3), "0.504");
    assert_eq!(parts.idle.to_fixed(9), format!("{:.9}", 720.0 / sum * 7.0 / 8.0));
    // a slice is its share of a device
    let parts = split("10.00", &node, &[workload(0, 0, 125), workload(0, 0, 875)]);
    assert_eq!(rounded(&parts.claims, 3), ["0.063", "0.441"]);
}

#[test]
fn part_hour_nodes_pay_for_their_own_time() {
    // A3: 20 minutes of one node, 5 of them boot, then 40 of its replacement, at 1.00 per hour
    let first = node_weights(&[node_hour(0, 900, 900)], &[], Some(1_200));
    let second = node_weights(&[node_hour(0, 2_400, 2_400)], &[], Some(2_400));
    let pod = |seconds| requests(Role::Workload, capacity(3_800, 15_360, 0).over(seconds));
    let (cost, rest) = (apportion(money("1"), &[1, 2]).expect("valid"), Money::ZERO);
    let before = split_node(cost[0], &first, &[pod(900)], apportion).expect("valid");
    let after = split_node(cost[1], &second, &[pod(2_400)], apportion).expect("valid");
    assert_eq!(
        before.not_ready.to_fixed(20),
        (apportion(money("1"), &[5, 55]).expect("valid"))[0].to_fixed(20)
    );
    assert_eq!((before.idle, after.idle, after.not_ready), (rest, rest, rest));
    assert_eq!(
        Money::sum([before.total().expect("fits"), after.total().expect("fits")]),
        Ok(money("1"))
    );

    let joined_never = node_weights(&[node_hour(0, 0, 0)], &[], Some(3_600));
    assert_eq!(split("1.00", &joined_never, &[]).not_ready, money("1"));
}

#[test]
fn what_a_node_is_made_of() {
    let full = HOUR_S;
    for (what, hours, filled_s, billed_s, expect) in [
        (
            "a whole hour",
            vec![node_hour(0, full, full)],
            vec![],
            Some(3_600),
            [(200, full), (0, 0), (0, 0), (3_800, full)],
        ),
        (
            "without billed seconds the Ready ones count",
            vec![node_hour(0, 900, 900)],
            vec![],
            None,
            [(200, 900), (0, 0), (0, 0), (3_800, 900)],
        ),
        (
            "Ready longer than billed",
            vec![node_hour(0, 900, 900)],
            vec![],
            Some(600),
            [(200, 900), (0, 0), (0, 0), (3_800, 900)],
        ),
        (
            "half of it not observed",
            vec![node_hour(0, full, 1_800)],
            vec![0],
            Some(3_600),
            [(200, full), (0, 0), (3_800, 1_800), (3_800, 1_800)],
        ),
        (
            "and filled",
            vec![node_hour(0, full, 1_800)],
            vec![1_800],
            Some(3_600),
            [(200, full), (0, 0), (0, 0), (3_800, full)],
        ),
        (
            "two hours of a longer charge, the second one booting",
            vec![node_hour(0, full, full), node_hour(1, 600, 600)],
            vec![0, 0],
            Some(7_200),
            [(200, 4_200), (4_000, 3_000), (0, 0), (3_800, 4_200)],
        ),
        ("no hours", vec![], vec![], Some(3_600), [(0, 0); 4]),
    ] {
        let weights = node_weights(&hours, &filled_s, billed_s);
        let found = [
            weights.system_reserved,
            weights.not_ready,
            weights.unobserved,
            weights.available,
        ];
        let expect = expect.map(|(millicores, seconds): (u64, u32)| millicores * u64::from(seconds));
        assert_eq!(found.map(|measure| measure.cpu_core_ms), expect, "{what}");
    }
}

#[test]
fn daemons_and_system_follow_the_pods_of_their_node() {
    // A27: node 1 is dedicated to tenant A, node 2 to tenant B
    let weights = node_weights(&[node_hour(0, HOUR_S, HOUR_S)], &[], Some(3_600));
    let daemon = requests(Role::DaemonSet, hour(400, 1_024, 0));
    let a = split(
        "1.00",
        &weights,
        &[workload(1_000, 4_096, 0), daemon, workload(3_000, 0, 0)],
    );
    assert_eq!(Money::sum(a.follow_daemon.iter().copied()), Ok(a.claims[1]));
    assert_eq!(Money::sum(a.follow_system.iter().copied()), Ok(a.system_reserved));
    assert_eq!(
        (a.follow_daemon[1], a.follow_system[1]),
        (Money::ZERO, Money::ZERO),
        "daemons do not pay for daemons"
    );
    assert!(a.follow_daemon[0] < a.follow_daemon[2], "by money, not by heads");
    assert!(a.system_reserved > Money::ZERO && a.claims[1] > Money::ZERO);

    // a placeholder is headroom, not a user (A28); a pod's overhead and a filled hour are its owner's
    let overhead = requests(Role::PodOverhead, hour(100, 0, 0));
    let filled = Claim {
        filled: true,
        ..workload(100, 0, 0)
    };
    let placeholder = requests(Role::Placeholder, hour(2_000, 0, 0));
    let b = split("1.00", &weights, &[overhead, placeholder, daemon, filled]);
    assert_eq!((b.follow_daemon[1], b.follow_system[1]), (Money::ZERO, Money::ZERO));
    assert!(b.follow_daemon[0] > Money::ZERO && b.follow_daemon[3] > Money::ZERO);

    // a node without others: the money stays where it is, for its pool's idle rule
    let empty = split("1.00", &weights, &[daemon, placeholder]);
    assert_eq!(
        (empty.follow_daemon, empty.follow_system),
        (vec![Money::ZERO; 2], vec![Money::ZERO; 2])
    );
    assert!(empty.claims[0] > Money::ZERO);
}

#[test]
fn nothing_is_lost_where_nothing_is_known() {
    let nothing = NodeWeights::default();
    for (what, claims, expect, unobserved) in [
        ("neither capacity nor pods", vec![], vec![], "1"),
        (
            "pods without requests or usage",
            vec![workload(0, 0, 0)],
            vec!["0"],
            "1",
        ),
        (
            "no capacity: there is what is claimed",
            vec![workload(1_000, 0, 0), workload(3_000, 0, 0)],
            vec!["0.25", "0.75"],
            "0",
        ),
    ] {
        let split = split("1", &nothing, &claims);
        assert_eq!(
            split.claims,
            expect.into_iter().map(money).collect::<Vec<_>>(),
            "{what}"
        );
        assert_eq!(
            (split.unobserved, split.idle),
            (money(unobserved), Money::ZERO),
            "{what}"
        );
        assert_eq!(split.overcommitted, Measure::ZERO, "{what}");
    }
    // no allocatable at all, and pods on it all the same: over-commitment, and the money is the system's
    let reserved = NodeWeights {
        system_reserved: hour(4_000, 0, 0),
        ..nothing
    };
    let split = split("1", &reserved, &[workload(1_000, 0, 0)]);
    assert_eq!(
        (split.system_reserved, split.overcommitted),
        (money("1"), hour(1_000, 0, 0))
    );
    assert_eq!(split.claims, [Money::ZERO]);
}

#[test]
fn pods_without_requests_pay_for_what_they_use() {
    let besteffort = Claim {
        effective: hour(500, 512, 0),
        used: hour(500, 512, 0),
        ..Claim::default()
    };
    let split = split(
        "0.52",
        &available(hour(4_000, 16_384, 0)),
        &[besteffort, workload(0, 0, 0)],
    );
    // 0.09 per core, 0.01 per GiB
    assert_eq!(split.claims, [money("0.05"), Money::ZERO]);
    assert_eq!(split.idle, money("0.47"));
}

#[test]
fn a_wrong_splitter_is_noticed() {
    // rounds every part by itself, so the parts are not the whole
    fn rounding(total: Money, weights: &[i128]) -> Result<Vec<Money>, ApportionError> {
        let parts = apportion(total, weights)?;
        Ok(parts.into_iter().map(|part| part.round_to(2)).collect())
    }
    let claims = [
        workload(1_000, 1_024, 0),
        workload(1_000, 1_024, 0),
        workload(1_000, 1_024, 0),
    ];
    let weights = available(hour(4_000, 16_384, 0));
    let split = split_node(money("1.00"), &weights, &claims, rounding).expect("splits");
    assert_ne!(split.total(), Ok(money("1.00")));
    assert_eq!(
        split_node(money("1.00"), &weights, &claims, |_, _| Err(
            ApportionError::ZeroWeights
        )),
        Err(ApportionError::ZeroWeights)
    );
}
