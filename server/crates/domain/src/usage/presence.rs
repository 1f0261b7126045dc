//! From samples of a node to its hours: when it was Ready, and when it was seen.

use super::fill::FILL_REACH_H;
use super::{Capacity, HOUR_S, Hour, NodeHour};
use crate::instant::Instant;
use std::collections::BTreeMap;

const HOUR_MS: i64 = HOUR_S as i64 * 1_000;

/// What a node was seen to be at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeSample {
    /// When, to the millisecond.
    pub at: Instant,
    /// Whether it was Ready.
    pub ready: bool,
    /// What it has.
    pub capacity: Capacity,
    /// What pods may take of it.
    pub allocatable: Capacity,
}

/// Hours of one node from its samples, in any order, repeated or not. A sample
/// stands to the next one, at most twice the interval. A node that is Ready on
/// both sides of a longer silence, up to [`FILL_REACH_H`] hours, was Ready in
/// between, unobserved (A5).
#[must_use]
pub fn node_hours(mut samples: Vec<NodeSample>, interval_s: u32) -> Vec<NodeHour> {
    samples.sort_unstable();
    // of two reports of one instant the larger one, whatever came first
    samples.reverse();
    samples.dedup_by_key(|sample| millis(sample.at));
    samples.reverse();
    let reach_ms = i64::from(interval_s.max(1)) * 2_000;
    let mut hours: BTreeMap<i64, Tally> = BTreeMap::new();
    for (index, sample) in samples.iter().enumerate() {
        let at = millis(sample.at);
        let next = samples.get(index + 1);
        let until = next.map_or(i64::MAX, |next| millis(next.at));
        let seen = until.min(at.saturating_add(reach_ms));
        let bridged = next.is_some_and(|next| next.ready) && until - at <= i64::from(FILL_REACH_H) * HOUR_MS;
        for (from, to, observed) in [(at, seen, true), (seen, if bridged { until } else { seen }, false)] {
            tally(&mut hours, sample, (from, to), observed);
        }
    }
    let hour = |(hour, tally): (i64, Tally)| {
        Some(NodeHour {
            hour: Hour(i32::try_from(hour).ok()?),
            ready_s: seconds(tally.observed_ms + tally.silent_ms),
            observed_s: seconds(tally.observed_ms),
            capacity: tally.capacity,
            allocatable: tally.allocatable,
        })
    };
    hours.into_iter().filter_map(hour).collect()
}

/// What is known of an hour.
#[derive(Default)]
struct Tally {
    observed_ms: i64,
    silent_ms: i64,
    capacity: Capacity,
    allocatable: Capacity,
}

fn tally(hours: &mut BTreeMap<i64, Tally>, sample: &NodeSample, (mut from, to): (i64, i64), observed: bool) {
    while from < to {
        let hour = from.div_euclid(HOUR_MS);
        let end = to.min((hour + 1) * HOUR_MS);
        let tally = hours.entry(hour).or_default();
        let ms = if sample.ready { end - from } else { 0 };
        *(if observed {
            &mut tally.observed_ms
        } else {
            &mut tally.silent_ms
        }) += ms;
        tally.capacity = tally.capacity.max(sample.capacity);
        tally.allocatable = tally.allocatable.max(sample.allocatable);
        from = end;
    }
}

fn millis(at: Instant) -> i64 {
    at.0.div_euclid(1_000)
}

fn seconds(ms: i64) -> u32 {
    u32::try_from(ms / 1_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: i64, ready: bool) -> NodeSample {
        NodeSample {
            at: Instant(second * 1_000_000),
            ready,
            capacity: Capacity {
                cpu_millicores: 4_000,
                ..Capacity::default()
            },
            allocatable: Capacity::default(),
        }
    }

    fn figures(samples: Vec<NodeSample>, interval_s: u32) -> Vec<(i32, u32, u32)> {
        let hours = node_hours(samples, interval_s);
        hours
            .iter()
            .map(|hour| (hour.hour.0, hour.ready_s, hour.observed_s))
            .collect()
    }

    #[test]
    fn when_a_node_was_ready_and_seen() {
        let every = |from: i64, to: i64, step: usize| (from..to).step_by(step).map(|s| sample(s, true));
        let all: Vec<_> = every(0, 7_201, 60).collect();
        for (what, samples, interval_s, expect) in [
            (
                "always",
                all.clone(),
                60,
                vec![(0, 3_600, 3_600), (1, 3_600, 3_600), (2, 120, 120)],
            ),
            (
                "half as often changes nothing but how long the last one stands",
                every(0, 7_201, 120).collect(),
                60,
                vec![(0, 3_600, 3_600), (1, 3_600, 3_600), (2, 120, 120)],
            ),
            (
                "silent for half an hour: Ready, unobserved",
                every(0, 1_801, 60).chain([sample(3_600, true)]).collect(),
                60,
                vec![(0, 3_600, 1_920), (1, 120, 120)],
            ),
            (
                "away on the other side of the silence: not Ready",
                every(0, 1_801, 60).chain([sample(3_600, false)]).collect(),
                60,
                vec![(0, 1_920, 1_920), (1, 0, 0)],
            ),
            (
                "silent for longer than anybody may guess",
                vec![sample(0, true), sample(7 * 3_600, true)],
                60,
                vec![(0, 120, 120), (7, 120, 120)],
            ),
            (
                "not Ready is there, and not Ready",
                vec![sample(0, false)],
                60,
                vec![(0, 0, 0)],
            ),
        ] {
            assert_eq!(figures(samples, interval_s), expect, "{what}");
        }
        let turned: Vec<_> = all.iter().rev().chain(&all).copied().collect();
        assert_eq!(figures(turned, 60), figures(all, 60), "order and repetition");
    }
}
