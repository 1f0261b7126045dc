use super::*;
use domain::instant::{Day, Instant};
use domain::usage::{
    Backend, Balancer, CpuSpread, Hour, Mount, Node, Slot, SlotId, Throttling, Volume, profile::UsageProfile,
};
use proptest::prelude::*;

/// A fact: what it is about, its hour, how well it was observed, an amount.
type Told = (u8, u8, i32, u32, u64);

/// Facts as a file or a collector tells them: of anything, in any order, more
/// than once, under metadata that changes.
fn day(told: &[Told]) -> ClusterDay {
    let mut day = ClusterDay {
        cluster: "c".to_owned(),
        day: Day(0),
        ..ClusterDay::default()
    };
    for (kind, subject, hour, seconds, amount) in told {
        tell(&mut day, *kind, *subject, Hour(*hour), *seconds, *amount);
    }
    day
}

fn tell(day: &mut ClusterDay, kind: u8, subject: u8, hour: Hour, seconds: u32, amount: u64) {
    // two names of one thing: metadata that changed
    let (id, said) = ((subject / 2).to_string(), subject.to_string());
    let known = (amount > 0).then_some(amount);
    match kind {
        0 => {
            let node = Node {
                name: id,
                pool: said,
                ..Node::default()
            };
            let hour = NodeHour {
                hour,
                ready_s: seconds,
                observed_s: seconds / 2,
                capacity: domain::usage::Capacity {
                    cpu_millicores: amount,
                    ..Default::default()
                },
                allocatable: Default::default(),
            };
            day.nodes.push((node, vec![hour]));
        }
        1 => {
            let slot = Slot {
                container: id,
                workload: said,
                ..Slot::default()
            };
            let effective = Measure {
                cpu_core_ms: amount,
                ..Measure::ZERO
            };
            let hour = SlotHour {
                hour,
                seconds,
                effective,
                requested: effective,
                used: Measure::ZERO,
            };
            day.slots.push((slot, vec![hour]));
        }
        2 => {
            let volume = Volume {
                volume_id: id,
                storage_class: said.clone(),
                claim_deleted: known.map(|at| Instant(i64::try_from(at).unwrap_or(0))),
                ..Volume::default()
            };
            let mount = Mount {
                pod_uid: (amount % 2).to_string(),
                workload: said,
                ..Mount::default()
            };
            day.volumes.push(VolumeDay {
                volume,
                hours: vec![VolumeHour {
                    hour,
                    seconds,
                    capacity_mib: 10,
                    used_mib_s: known,
                }],
                mounts: vec![(
                    mount,
                    vec![MountHour {
                        hour,
                        seconds,
                        used_mib_s: known,
                    }],
                )],
            });
        }
        3 => {
            let balancer = Balancer {
                balancer_id: id,
                service: said.clone(),
                ..Balancer::default()
            };
            let backend = Backend {
                service: (amount % 2).to_string(),
                workload: said,
                ..Backend::default()
            };
            day.balancers.push(BalancerDay {
                balancer,
                hours: vec![BalancerHour { hour, seconds }],
                backends: vec![(
                    backend,
                    vec![BackendHour {
                        hour,
                        requests: known,
                        bytes: (seconds > 0).then_some(amount),
                        hosts: 1,
                    }],
                )],
            });
        }
        _ => {
            let slot = SlotId {
                container: id,
                ..SlotId::default()
            };
            let mut profile = UsageProfile::default();
            profile.record(u32::try_from(amount).unwrap_or(0), 7, u64::from(seconds) * 1_000);
            let throttling = known.map(|periods| Throttling {
                periods,
                throttled_periods: 1,
                throttled_ms: None,
            });
            let hour = SizingHour {
                throttling,
                restarts: subject.is_multiple_of(2).then_some(subject.into()),
                ..SizingHour::of(hour, seconds, &profile)
            };
            day.sizing.push((slot, vec![hour]));
        }
    }
}

fn told() -> impl Strategy<Value = Vec<Told>> {
    prop::collection::vec((0u8..5, 0u8..4, 0i32..4, 0u32..4, 0u64..3), 0..16)
}

/// The parts, merged one after the other.
fn all_of(parts: &[&[Told]]) -> ClusterDay {
    let mut all = day(&[]);
    for part in parts {
        merge(&mut all, day(part));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repetition_do_not_matter(
        a in told(),
        b in told(),
        c in told(),
        shuffled in any::<prop::sample::Index>(),
    ) {
        let expect = all_of(&[&a, &b, &c]);
        prop_assert_eq!(&all_of(&[&c, &a, &b]), &expect);
        prop_assert_eq!(&all_of(&[&b, &c, &a, &b, &a]), &expect);
        // all in one file, turned
        let mut one: Vec<Told> = [a.clone(), b, c].concat();
        if !one.is_empty() {
            let at = shuffled.index(one.len());
            one.rotate_left(at);
        }
        one.extend(a);
        one.reverse();
        prop_assert_eq!(&all_of(&[&one]), &expect);
        // what is merged once is merged for good
        let mut again = expect.clone();
        prop_assert_eq!(merge(&mut again, expect.clone()).conflicts, 0);
        prop_assert_eq!(&again, &expect);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_day_comes_back_from_its_files(a in told(), b in told()) {
        let lake = crate::Lake::memory();
        let day = all_of(&[&a, &b]);
        let file = super::super::write_day(&lake, &day).expect("written");
        prop_assert_eq!(file.volumes_path.is_some(), !day.volumes.is_empty());
        prop_assert_eq!(file.balancers_path.is_some(), !day.balancers.is_empty());
        prop_assert_eq!(file.sizing_path.is_some(), !day.sizing.is_empty());
        prop_assert_eq!(&super::super::read_day(&lake, &file).expect("read"), &day);
        let again = super::super::write_day(&lake, &all_of(&[&b, &a, &b])).expect("written");
        prop_assert_eq!(again.sha256, file.sha256, "the same facts are the same bytes");
    }
}

#[test]
fn what_stays_of_two_facts() {
    let sizing = |metered_s, max, limit, restarts| SizingHour {
        metered_s,
        cpu: Some(CpuSpread {
            max,
            ..CpuSpread::default()
        }),
        cpu_limit_millicores: limit,
        restarts,
        ..SizingHour::unknown(Hour(1))
    };
    let kept = sizing(1_800, 900, Some(500), None).better(&sizing(3_600, 100, None, Some(2)));
    assert_eq!(
        kept,
        sizing(3_600, 100, Some(500), Some(2)),
        "the longer measured usage, and what only one of them knows"
    );
    let backend = |requests, bytes| BackendHour {
        hour: Hour(1),
        requests,
        bytes,
        hosts: 1,
    };
    let (measured, guessed) = (backend(Some(1), Some(1)), backend(Some(100), None));
    assert_eq!(guessed.better(&measured), measured, "both measured beats one");
}

#[test]
fn conflicts_are_measured() {
    let mut known = day(&[(0, 0, 1, 3_600, 1), (1, 0, 1, 3_600, 5_000), (2, 0, 1, 3_600, 0)]);
    let new = day(&[(0, 0, 1, 3_000, 1), (1, 0, 1, 3_600, 7_000), (2, 0, 1, 3_600, 0)]);
    let met = merge(&mut known, new);
    assert_eq!(
        met,
        Merged {
            conflicts: 2,
            repeated: 2,
            differing: Measure {
                cpu_core_ms: 2_000,
                ..Measure::ZERO
            },
            differing_s: 600,
        }
    );
}
