//! Laws of the split, on random worlds.

use super::tests::money;
use super::*;
use crate::apportion::apportion;
use crate::instant::{Instant, Span};
use crate::usage::fill::{Fill, fill};
use crate::usage::hourly::{HourlyAccumulator, Sample};
use crate::usage::{Capacity, HOUR_S, Hour, Slot, SlotHour};
use proptest::prelude::*;

/// One day's node, its slots by hour, and what it cost.
#[derive(Debug, Clone)]
struct World {
    cost: Money,
    hours: Vec<NodeHour>,
    billed_s: Option<u64>,
    slots: Vec<(Role, Vec<SlotHour>)>,
}

fn any_cost() -> impl Strategy<Value = Money> {
    prop_oneof![
        any::<i64>().prop_map(i128::from),
        any::<i128>().prop_map(|units| units % 99_999_999_999_999_999_999_999_999_999_999_999_999),
        Just(0),
        (1i128..10_000).prop_map(|cents| cents * 10_000_000_000_000_000_000_000),
    ]
    .prop_map(|units| Money::from_units(units).expect("within 38 digits"))
}

fn capacity() -> impl Strategy<Value = Capacity> {
    // zero capacity, zero allocatable, no accelerators: all of them happen
    (0u64..5, 0u64..4, 0u64..3, any::<bool>()).prop_map(|(cpu, memory, gpu, odd)| Capacity {
        cpu_millicores: cpu * 1_000 + u64::from(odd) * 937,
        memory_mib: memory * 4_096 + u64::from(odd) * 17,
        gpu_milli: gpu * 500,
    })
}

fn seconds() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(HOUR_S), 0..HOUR_S]
}

fn node_hours() -> impl Strategy<Value = Vec<NodeHour>> {
    let one = (seconds(), seconds(), capacity(), capacity());
    prop::collection::vec(one, 0..4).prop_map(|hours| {
        let numbered = (0..).zip(hours);
        numbered
            .map(|(number, (ready_s, observed_s, capacity, reserved))| NodeHour {
                hour: Hour(number),
                ready_s,
                observed_s: observed_s.min(ready_s),
                capacity,
                allocatable: capacity.less(&reserved),
            })
            .collect()
    })
}

fn slot() -> impl Strategy<Value = (Role, Vec<SlotHour>)> {
    let one = (seconds(), capacity(), capacity());
    (0usize..6, prop::collection::vec(one, 0..4)).prop_map(|(role, hours)| {
        let hours = (0..).zip(hours).map(|(number, (seconds, requested, used))| SlotHour {
            hour: Hour(number),
            seconds,
            effective: requested.max(used).over(u64::from(seconds)),
            requested: requested.over(u64::from(seconds)),
            used: used.over(u64::from(seconds)),
        });
        (*Role::ALL.get(role).unwrap_or(&Role::Workload), hours.collect())
    })
}

fn worlds() -> impl Strategy<Value = World> {
    let billed_s = prop::option::of(0u64..14_400);
    (any_cost(), node_hours(), billed_s, prop::collection::vec(slot(), 0..6)).prop_map(
        |(cost, hours, billed_s, slots)| World {
            cost,
            hours,
            billed_s,
            slots,
        },
    )
}

fn named(slots: &[(Role, Vec<SlotHour>)]) -> Vec<(Slot, Vec<SlotHour>)> {
    let named = slots.iter().enumerate().map(|(index, (role, hours))| {
        let slot = Slot {
            pod_uid: format!("{index:04}"),
            role: *role,
            ..Slot::default()
        };
        (slot, hours.clone())
    });
    named.collect()
}

/// Claims in canonical order, with the slot of each.
fn claims(slots: &[(Slot, Vec<SlotHour>)], fill: &Fill) -> (Vec<Claim>, Vec<usize>) {
    let mut claims = Vec::new();
    let mut of = Vec::new();
    for (index, (slot, hours)) in slots.iter().enumerate() {
        let mut observed = Claim {
            role: slot.role,
            ..Claim::default()
        };
        for hour in hours {
            observed.effective = observed.effective.plus(hour.effective);
            observed.requested = observed.requested.plus(hour.requested);
            observed.used = observed.used.plus(hour.used);
        }
        let own = fill.filled.iter().filter(|filled| filled.slot == index);
        let filled = Claim {
            role: slot.role,
            filled: true,
            effective: own.fold(Measure::ZERO, |sum, filled| sum.plus(filled.effective)),
            ..Claim::default()
        };
        claims.extend([observed, filled]);
        of.extend([index, index]);
    }
    (claims, of)
}

impl World {
    fn weights_and_claims(&self) -> (NodeWeights, Vec<Claim>) {
        let slots = named(&self.slots);
        let fill = fill(&self.hours, &slots);
        let weights = node_weights(&self.hours, &fill.filled_s, self.billed_s);
        (weights, claims(&slots, &fill).0)
    }
}

fn sum<'a>(parts: impl IntoIterator<Item = &'a Money>) -> Money {
    Money::sum(parts.into_iter().copied()).expect("parts of one cost")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn the_parts_are_the_cost_per_resource_and_in_all(world in worlds()) {
        let (weights, claims) = world.weights_and_claims();
        let resources = split_resources(world.cost, &weights, &claims, apportion).expect("splits");
        for part in &resources {
            let named = [part.system_reserved, part.not_ready, part.unobserved, part.idle];
            prop_assert_eq!(sum(part.claims.iter().chain(&named)), part.cost);
        }
        prop_assert_eq!(sum(resources.iter().map(|part| &part.cost)), world.cost);

        // containers + overhead + system reserved + not ready + unobserved + headroom + idle = the node
        let whole = split_node(world.cost, &weights, &claims, apportion).expect("splits");
        let by_role: Vec<Money> = Role::ALL
            .iter()
            .map(|role| {
                let own = claims.iter().zip(&whole.claims).filter(|(claim, _)| claim.role == *role);
                sum(own.map(|(_, money)| money))
            })
            .collect();
        let remainders = [whole.system_reserved, whole.not_ready, whole.unobserved, whole.idle];
        prop_assert_eq!(sum(by_role.iter().chain(&remainders)), world.cost);
        prop_assert_eq!(whole.total(), Ok(world.cost));

        let all = whole.claims.iter().chain(&remainders).chain(&whole.follow_system).chain(&whole.follow_daemon);
        for part in all {
            prop_assert!(part.is_zero() || (part.units() < 0) == (world.cost.units() < 0), "no part has another sign");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_refund_cancels_in_every_part(world in worlds()) {
        let (weights, claims) = world.weights_and_claims();
        let charge = split_node(world.cost, &weights, &claims, apportion).expect("splits");
        let refund = split_node(-world.cost, &weights, &claims, apportion).expect("splits");
        let negative = |parts: &[Money]| parts.iter().map(|part| -*part).collect::<Vec<_>>();
        prop_assert_eq!(refund, Split {
            claims: negative(&charge.claims),
            system_reserved: -charge.system_reserved,
            not_ready: -charge.not_ready,
            unobserved: -charge.unobserved,
            idle: -charge.idle,
            follow_system: negative(&charge.follow_system),
            follow_daemon: negative(&charge.follow_daemon),
            ..charge
        });
    }

    #[test]
    fn what_follows_is_what_there_was(world in worlds()) {
        let (weights, claims) = world.weights_and_claims();
        let split = split_node(world.cost, &weights, &claims, apportion).expect("splits");
        let daemons = claims.iter().zip(&split.claims).filter(|(claim, _)| claim.role == Role::DaemonSet);
        let daemons = sum(daemons.map(|(_, money)| money));
        let (system, daemon) = (sum(&split.follow_system), sum(&split.follow_daemon));
        // a receiver whose money is below 1e-12 may find nobody to follow
        let stays = system.is_zero() && daemon.is_zero();
        prop_assert!(stays || (system, daemon) == (split.system_reserved, daemons));
        for (claim, follow) in claims.iter().zip(split.follow_system.iter().zip(&split.follow_daemon)) {
            let receives = matches!(claim.role, Role::Workload | Role::PodOverhead);
            prop_assert!(receives || (follow.0.is_zero() && follow.1.is_zero()));
        }
    }

    #[test]
    fn a_slot_of_zero_usage_changes_nobody(world in worlds(), at in any::<prop::sample::Index>(), role in 0usize..4) {
        let (weights, claims) = world.weights_and_claims();
        let before = split_node(world.cost, &weights, &claims, apportion).expect("splits");
        let at = at.index(claims.len() + 1);
        let mut more = claims;
        more.insert(at, Claim { role: Role::ALL[role], ..Claim::default() });
        let mut after = split_node(world.cost, &weights, &more, apportion).expect("splits");
        prop_assert_eq!(after.claims.remove(at), Money::ZERO);
        prop_assert_eq!(after.follow_system.remove(at), Money::ZERO);
        prop_assert_eq!(after.follow_daemon.remove(at), Money::ZERO);
        prop_assert_eq!(after.overcommit.remove(at), Measure::ZERO);
        prop_assert_eq!(after, before);
    }

    #[test]
    fn overcommitment_is_what_is_wanted_beyond_what_there_is(world in worlds()) {
        let (weights, claims) = world.weights_and_claims();
        let split = split_node(world.cost, &weights, &claims, apportion).expect("splits");
        for resource in Resource::ALL {
            let wanted: u64 = claims.iter().map(|claim| claim.effective.get(resource)).sum();
            let over = split.overcommitted.get(resource);
            if !weights.total().is_zero() {
                prop_assert_eq!(over, wanted.saturating_sub(weights.available.get(resource)));
            }
            let shares: Vec<u64> = split.overcommit.iter().map(|share| share.get(resource)).collect();
            let above: Vec<u64> =
                claims.iter().map(|claim| claim.used.less(claim.requested).get(resource)).collect();
            let anybody = above.iter().any(|above| *above > 0);
            prop_assert_eq!(shares.iter().sum::<u64>(), if anybody { over } else { 0 });
            prop_assert!(above.iter().zip(&shares).all(|(above, share)| *above > 0 || *share == 0));
        }
    }
}

/// A node of constant capacity and price; per slot and hour what it holds,
/// together never more than is available.
fn steady(
    hours: i32,
    slots: usize,
    held: impl Fn(i32, usize) -> Capacity,
) -> (Vec<NodeHour>, Vec<(Slot, Vec<SlotHour>)>) {
    let capacity = Capacity {
        cpu_millicores: 4_000,
        memory_mib: 16_384,
        gpu_milli: 1_000,
    };
    let reserved = Capacity {
        cpu_millicores: 70,
        memory_mib: 1_800,
        gpu_milli: 0,
    };
    let node_hours = (0..hours).map(|number| NodeHour {
        hour: Hour(number),
        ready_s: HOUR_S,
        observed_s: HOUR_S,
        capacity,
        allocatable: capacity.less(&reserved),
    });
    let slots: Vec<(Role, Vec<SlotHour>)> = (0..slots)
        .map(|slot| {
            let hours = (0..hours).map(|number| {
                let effective = held(number, slot).over(u64::from(HOUR_S));
                SlotHour {
                    hour: Hour(number),
                    seconds: HOUR_S,
                    effective,
                    requested: effective,
                    used: Measure::ZERO,
                }
            });
            (Role::Workload, hours.collect())
        })
        .collect();
    (node_hours.collect(), named(&slots))
}

fn within(a: Money, b: Money, limit: &str) -> bool {
    a.checked_sub(b).expect("close").abs() <= money(limit)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn hourly_and_daily_charges_give_the_same_slots(
        cents in 1i128..100_000, hours in 1i32..=24,
        held in prop::collection::vec((0u64..900, 0u64..3_600, 0u64..250), 4 * 24),
    ) {
        // A2: constant price, no over-commitment
        let (node, slots) = steady(hours, 4, |hour, slot| {
            let (cpu_millicores, memory_mib, gpu_milli) = held[hour as usize * 4 + slot];
            Capacity { cpu_millicores, memory_mib, gpu_milli }
        });
        let hourly_cost = Money::from_units(cents * 10_000_000_000_000_000_000_000).expect("small");
        let daily_cost = Money::sum(vec![hourly_cost; hours as usize]).expect("small");
        let weights = node_weights(&node, &[], Some(u64::from(HOUR_S) * hours as u64));
        let daily = split_node(daily_cost, &weights, &claims(&slots, &Fill::default()).0, apportion).expect("splits");
        let mut sums = vec![Money::ZERO; daily.claims.len() + 2];
        for hour in 0..hours as usize {
            let this: Vec<_> = slots.iter().map(|(slot, hours)| (slot.clone(), vec![hours[hour]])).collect();
            let weights = node_weights(&node[hour..=hour], &[], Some(u64::from(HOUR_S)));
            let split = split_node(hourly_cost, &weights, &claims(&this, &Fill::default()).0, apportion).expect("splits");
            for (sum, part) in sums.iter_mut().zip(split.claims.iter().chain([&split.system_reserved, &split.idle])) {
                *sum = sum.checked_add(*part).expect("small");
            }
        }
        for (hourly, daily) in sums.iter().zip(daily.claims.iter().chain([&daily.system_reserved, &daily.idle])) {
            prop_assert!(within(*hourly, *daily, "0.000000000000000001"), "{hourly} by hours, {daily} by days");
        }
    }

    #[test]
    fn dropped_hours_of_constant_samples_change_no_total_and_no_idle_capacity(
        cents in 1i128..100_000, from_s in 3_600u32..64_800, held in prop::collection::vec((0u64..900, 0u64..3_600), 4),
    ) {
        // A5: three hours of a day are lost, somewhere
        let (mut node, mut slots) = steady(24, 4, |_, slot| {
            let (cpu_millicores, memory_mib) = held[slot];
            Capacity { cpu_millicores, memory_mib, gpu_milli: 0 }
        });
        let cost = Money::from_units(cents * 10_000_000_000_000_000_000_000).expect("small");
        let per_slot = |node: &[NodeHour], slots: &[(Slot, Vec<SlotHour>)]| {
            let fill = fill(node, slots);
            let weights = node_weights(node, &fill.filled_s, Some(86_400));
            let (claims, of) = claims(slots, &fill);
            let split = split_node(cost, &weights, &claims, apportion).expect("splits");
            let mut sums = vec![Money::ZERO; slots.len()];
            for (index, money) in of.into_iter().zip(&split.claims) {
                sums[index] = sums[index].checked_add(*money).expect("small");
            }
            (sums, split.idle, split.unobserved, split.total())
        };
        let expect = per_slot(&node, &slots);
        let lost = i64::from(from_s)..i64::from(from_s) + 3 * 3_600;
        for (number, hour) in (0i64..).zip(&mut node) {
            let lost_s = (lost.end.min((number + 1) * 3_600) - lost.start.max(number * 3_600)).max(0) as u64;
            hour.observed_s -= lost_s as u32;
            for (_, hours) in &mut slots {
                let fact = &mut hours[number as usize];
                let held_s = u64::from(HOUR_S);
                let scale = |amount: u64| amount / held_s * (held_s - lost_s);
                fact.effective = Measure {
                    cpu_core_ms: scale(fact.effective.cpu_core_ms),
                    memory_mib_s: scale(fact.effective.memory_mib_s),
                    gpu_ms: 0,
                };
            }
        }
        prop_assert_eq!(per_slot(&node, &slots), expect);

        // unfilled it would be unobserved, and nobody's idle capacity
        let bare = node_weights(&node, &[], Some(86_400));
        prop_assert_eq!(bare.unobserved, node[0].allocatable.over(10_800));
    }

    #[test]
    fn halving_the_scrape_interval_changes_no_money(
        interval_s in 1i64..=60, pods in prop::collection::vec((0u64..2_000, 0u64..2_000, 0i64..3_000, 1i64..600), 1..4),
    ) {
        let (node, _) = steady(1, 0, |_, _| Capacity::default());
        let at = |second: i64, ms: i64| Instant((second * 1_000 + ms) * 1_000);
        let money_at = |step_ms: i64| {
            let mut accumulator = HourlyAccumulator::new(u32::try_from((step_ms + 999) / 1_000).expect("small"));
            for (index, (requested, used, start, life)) in pods.iter().enumerate() {
                let slot = Slot { pod_uid: format!("{index}"), ..Slot::default() };
                let alive = Span { start: at(*start, 0), end: at(start + life, 0) };
                let sampled = (0..=3_600_000 / step_ms).map(|i| at(0, i * step_ms));
                let sampled = sampled.filter(|at| (alive.start..alive.end).contains(at)).chain([alive.end]);
                for at in sampled {
                    let requested = Capacity { cpu_millicores: *requested, memory_mib: 100, gpu_milli: 0 };
                    let used = Some(Capacity { cpu_millicores: *used, memory_mib: 200, gpu_milli: 0 });
                    accumulator.observe(&slot, alive, Sample { at, requested, used });
                }
            }
            let facts = accumulator.drain(Hour(2));
            let slots: Vec<_> = facts.into_iter().map(|facts| (facts.slot, vec![facts.hour])).collect();
            let weights = node_weights(&node, &[], Some(3_600));
            split_node(money("1"), &weights, &claims(&slots, &Fill::default()).0, apportion).expect("splits")
        };
        let full = money_at(interval_s * 1_000);
        prop_assert_eq!(&money_at(interval_s * 500), &full);
        prop_assert_eq!(full.claims.len(), pods.len() * 2);
    }
}
