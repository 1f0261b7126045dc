//! Hours that were not observed are filled from their neighbours (A5).
//!
//! A node-second without facts while the bill runs is *unobserved*, never idle
//! capacity. Requests of the API objects, where the collector has them, are
//! facts already; here the same node's nearest observed hour stands in.

use super::{Hour, Measure, NodeHour, Slot, SlotHour};
use std::collections::BTreeMap;

/// How far a neighbour may be, in hours.
pub const FILL_REACH_H: i32 = 6;

/// What a slot is taken to have held in the unobserved seconds of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Index of the slot, in the order given.
    pub slot: usize,
    /// The hour filled, not the one it is taken from.
    pub hour: Hour,
    /// Taken effective request.
    pub effective: Measure,
}

/// The fill of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fill {
    /// What slots are taken to have held, by slot and hour.
    pub filled: Vec<Filled>,
    /// Seconds filled, one per node hour in the order given; they are no longer unobserved.
    pub filled_s: Vec<u32>,
}

/// Fills the unobserved seconds of one node's hours from the nearest observed
/// hour within [`FILL_REACH_H`] on either side, the earlier one on a tie,
/// scaled to the seconds missing. Hours without such a neighbour stay unobserved.
#[must_use]
pub fn fill(node_hours: &[NodeHour], slots: &[(Slot, Vec<SlotHour>)]) -> Fill {
    let mut observed_s = BTreeMap::new();
    for node_hour in node_hours.iter().filter(|node_hour| node_hour.observed_s > 0) {
        observed_s.insert(node_hour.hour, node_hour.observed_s);
    }
    let effective: Vec<BTreeMap<Hour, Measure>> = slots.iter().map(|(_, hours)| by_hour(hours)).collect();
    let mut fill = Fill::default();
    for node_hour in node_hours {
        let missing_s = node_hour.ready_s.saturating_sub(node_hour.observed_s);
        let source = (missing_s > 0)
            .then(|| (1..=FILL_REACH_H).flat_map(|away| [-away, away]))
            .into_iter()
            .flatten()
            .map(|away| Hour(node_hour.hour.0.saturating_add(away)))
            .find_map(|hour| observed_s.get(&hour).map(|seconds| (hour, *seconds)));
        fill.filled_s.push(source.map_or(0, |_| missing_s));
        let Some((source, source_s)) = source else { continue };
        for (slot, hours) in effective.iter().enumerate() {
            let effective = hours
                .get(&source)
                .map_or(Measure::ZERO, |held| scaled(*held, missing_s, source_s));
            if !effective.is_zero() {
                fill.filled.push(Filled {
                    slot,
                    hour: node_hour.hour,
                    effective,
                });
            }
        }
    }
    fill.filled.sort_by_key(|filled| (filled.slot, filled.hour));
    fill
}

/// An hour may come in several facts: late samples add to it.
fn by_hour(hours: &[SlotHour]) -> BTreeMap<Hour, Measure> {
    let mut sums: BTreeMap<Hour, Measure> = BTreeMap::new();
    for hour in hours {
        let sum = sums.entry(hour.hour).or_default();
        *sum = sum.plus(hour.effective);
    }
    sums
}

fn scaled(held: Measure, missing_s: u32, source_s: u32) -> Measure {
    let scale = |amount: u64| {
        let scaled = u128::from(amount) * u128::from(missing_s) / u128::from(source_s.max(1));
        u64::try_from(scaled).unwrap_or(u64::MAX)
    };
    Measure {
        cpu_core_ms: scale(held.cpu_core_ms),
        memory_mib_s: scale(held.memory_mib_s),
        gpu_ms: scale(held.gpu_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Capacity, HOUR_S};
    use super::*;

    fn node(hour: i32, ready_s: u32, observed_s: u32) -> NodeHour {
        NodeHour {
            hour: Hour(hour),
            ready_s,
            observed_s,
            capacity: Capacity::default(),
            allocatable: Capacity::default(),
        }
    }

    fn held(hour: i32, cpu_core_ms: u64) -> SlotHour {
        SlotHour {
            hour: Hour(hour),
            seconds: HOUR_S,
            effective: Measure {
                cpu_core_ms,
                ..Measure::ZERO
            },
            requested: Measure::ZERO,
            used: Measure::ZERO,
        }
    }

    #[test]
    fn the_nearest_hour_stands_in() {
        let full = HOUR_S;
        for (what, nodes, facts, expect, seconds) in [
            (
                "nothing is missing",
                vec![node(0, full, full)],
                vec![held(0, 9)],
                vec![],
                vec![0],
            ),
            (
                "on a tie the earlier one",
                vec![node(0, full, full), node(1, full, 0), node(2, full, full)],
                vec![held(0, 7), held(2, 5)],
                vec![(1, 7)],
                vec![0, full, 0],
            ),
            (
                "the nearer one",
                vec![
                    node(0, full, full),
                    node(1, full, 0),
                    node(2, full, 0),
                    node(3, full, full),
                ],
                vec![held(0, 7), held(3, 5)],
                vec![(1, 7), (2, 5)],
                vec![0, full, full, 0],
            ),
            (
                "scaled to the seconds missing, cut off below one",
                vec![node(0, full, 1_800), node(1, full, 2_700)],
                vec![held(0, 1_000), held(1, 999)],
                vec![(0, 666), (1, 500)],
                vec![1_800, 900],
            ),
            (
                "six hours away, not seven",
                vec![node(0, full, full), node(6, full, 0), node(7, full, 0)],
                vec![held(0, 7)],
                vec![(6, 7)],
                vec![0, full, 0],
            ),
            (
                "not Ready is not missing",
                vec![node(0, full, full), node(1, 60, 60)],
                vec![held(0, 7)],
                vec![],
                vec![0, 0],
            ),
            (
                "an idle neighbour makes an idle hour, which is observed then",
                vec![node(0, full, full), node(1, full, 0)],
                vec![],
                vec![],
                vec![0, full],
            ),
            (
                "facts of one hour in two parts are added first",
                vec![node(0, full, full), node(1, full, 0)],
                vec![held(0, 3), held(0, 4)],
                vec![(1, 7)],
                vec![0, full],
            ),
            (
                "never observed",
                vec![node(0, full, 0), node(1, full, 0)],
                vec![],
                vec![],
                vec![0, 0],
            ),
        ] {
            let fill = fill(&nodes, &[(Slot::default(), facts)]);
            let filled: Vec<(i32, u64)> = fill
                .filled
                .iter()
                .map(|f| (f.hour.0, f.effective.cpu_core_ms))
                .collect();
            assert_eq!((filled, fill.filled_s), (expect, seconds), "{what}");
        }
    }
}
