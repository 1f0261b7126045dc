//! Two sets of facts about one cluster and day become one. The rule does not
//! know which came first: of two facts about the same hour the better observed
//! one stays, then the larger. So late and repeated data converge.

use domain::usage::{ClusterDay, NodeHour, SlotHour};
use std::collections::BTreeMap;

/// What a merge met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Facts that were there twice with other values.
    pub conflicts: u64,
    /// Facts that were there twice, alike.
    pub repeated: u64,
}

/// Merges `other` into `day`; both in canonical order, and so is the result.
/// Metadata that differs for one node or container of a day is the larger one.
pub fn merge(day: &mut ClusterDay, other: ClusterDay) -> Merged {
    let mut merged = Merged::default();
    day.nodes = joined(
        std::mem::take(&mut day.nodes),
        other.nodes,
        |a, b| (&a.name, &a.provider_id) == (&b.name, &b.provider_id),
        |hour: &NodeHour| hour.hour.0,
        better_node,
        &mut merged,
    );
    day.slots = joined(
        std::mem::take(&mut day.slots),
        other.slots,
        |a, b| (&a.node, &a.pod_uid, &a.container) == (&b.node, &b.pod_uid, &b.container),
        |hour: &SlotHour| hour.hour.0,
        better_slot,
        &mut merged,
    );
    merged
}

/// `same` tells whether two keys, neighbours in order, are the same subject.
fn joined<K: Ord, H: Copy + PartialEq>(
    one: Vec<(K, Vec<H>)>,
    two: Vec<(K, Vec<H>)>,
    same: fn(&K, &K) -> bool,
    hour_of: fn(&H) -> i32,
    better: fn(H, H) -> H,
    merged: &mut Merged,
) -> Vec<(K, Vec<H>)> {
    let mut all: Vec<(K, Vec<H>)> = one.into_iter().chain(two).collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut subjects: Vec<(K, BTreeMap<i32, H>)> = Vec::new();
    for (key, hours) in all {
        match subjects.last_mut() {
            Some((known, _)) if same(known, &key) => *known = key,
            _ => subjects.push((key, BTreeMap::new())),
        }
        let Some((_, kept)) = subjects.last_mut() else { continue };
        for hour in hours {
            match kept.get_mut(&hour_of(&hour)) {
                Some(known) if *known == hour => merged.repeated += 1,
                Some(known) => {
                    merged.conflicts += 1;
                    *known = better(*known, hour);
                }
                None => {
                    kept.insert(hour_of(&hour), hour);
                }
            }
        }
    }
    let hours = |(key, hours): (K, BTreeMap<i32, H>)| (key, hours.into_values().collect());
    subjects.into_iter().map(hours).collect()
}

fn better_node(one: NodeHour, two: NodeHour) -> NodeHour {
    let rank = |hour: &NodeHour| (hour.observed_s, hour.ready_s, hour.capacity, hour.allocatable);
    if rank(&two) > rank(&one) { two } else { one }
}

fn better_slot(one: SlotHour, two: SlotHour) -> SlotHour {
    let rank = |hour: &SlotHour| (hour.seconds, hour.effective, hour.requested, hour.used);
    if rank(&two) > rank(&one) { two } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::usage::{Hour, Measure, Slot};
    use proptest::prelude::*;

    fn day(facts: &[(u8, i32, u32, u64)]) -> ClusterDay {
        let mut slots: BTreeMap<Slot, BTreeMap<i32, SlotHour>> = BTreeMap::new();
        for (slot, hour, seconds, cpu) in facts {
            // two names of one container: metadata that changed
            let slot = Slot {
                container: (slot / 2).to_string(),
                workload: slot.to_string(),
                ..Slot::default()
            };
            let fact = SlotHour {
                hour: Hour(*hour),
                seconds: *seconds,
                effective: Measure {
                    cpu_core_ms: *cpu,
                    ..Measure::ZERO
                },
                requested: Measure::ZERO,
                used: Measure::ZERO,
            };
            slots.entry(slot).or_default().insert(*hour, fact);
        }
        ClusterDay {
            slots: slots
                .into_iter()
                .map(|(slot, hours)| (slot, hours.into_values().collect()))
                .collect(),
            ..ClusterDay::default()
        }
    }

    proptest! {
        #[test]
        fn order_and_repetition_do_not_matter(
            a in prop::collection::vec((0u8..4, 0i32..4, 0u32..3, 0u64..3), 0..12),
            b in prop::collection::vec((0u8..4, 0i32..4, 0u32..3, 0u64..3), 0..12),
            c in prop::collection::vec((0u8..4, 0i32..4, 0u32..3, 0u64..3), 0..12),
        ) {
            let of = |parts: &[&Vec<(u8, i32, u32, u64)>]| {
                let mut all = ClusterDay::default();
                for part in parts {
                    merge(&mut all, day(part));
                }
                all
            };
            let expect = of(&[&a, &b, &c]);
            prop_assert_eq!(&of(&[&c, &a, &b]), &expect);
            prop_assert_eq!(&of(&[&b, &c, &a, &b, &a]), &expect);
        }
    }
}
