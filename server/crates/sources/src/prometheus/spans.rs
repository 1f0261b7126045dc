//! Half-open stretches of milliseconds, and presence told by scrapes.

use super::answer::Series;
use super::nodes::SILENCE_MS;
use super::series::{Scrapes, Timeline, target};
use std::collections::BTreeMap;

/// Half-open.
pub(crate) type Stretch = (i64, i64);

/// In order, apart from each other.
pub(crate) fn union(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.retain(|(from, to)| from < to);
    stretches.sort_unstable();
    let mut joined: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for (from, to) in stretches {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// Milliseconds of a window that are covered by a union.
pub(crate) fn covered_ms(union: &[Stretch], (from, to): Stretch) -> i64 {
    union.iter().map(|(a, b)| (to.min(*b) - from.max(*a)).max(0)).sum()
}

/// Something that scrapes show or do not show, by what was scraped.
#[derive(Debug, Default, Clone)]
pub(crate) struct Presence {
    by_target: BTreeMap<String, Timeline<bool>>,
}

/// A scrape that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick {
    /// When.
    pub at: i64,
    /// Until when it stands: the next scrape of the same target, at most twice the interval.
    pub until: i64,
}

impl Presence {
    /// Adds a series whose samples above zero mean that it is there.
    pub(crate) fn see(&mut self, series: &Series, reach_ms: i64) {
        let timeline = self.by_target.entry(target(&series.labels)).or_default();
        for (at, value) in &series.samples {
            timeline.see(*at, *value > 0, reach_ms);
        }
    }

    /// The scrapes that show it, in order of time, less those that `held` refuses.
    pub(crate) fn ticks(&self, scrapes: &Scrapes, reach_ms: i64, held: impl Fn(i64) -> bool) -> Vec<Tick> {
        let mut ticks: BTreeMap<i64, Tick> = BTreeMap::new();
        for (target, timeline) in &self.by_target {
            let runs = timeline.runs_of(&true);
            let shown: Vec<i64> = runs
                .flat_map(|(first, last)| scrapes.between(target, first, last))
                .filter(|at| held(*at))
                .collect();
            for &at in &shown {
                let next = scrapes.next(target, at).filter(|next| *next <= at + reach_ms);
                let tick = Tick {
                    at,
                    until: next.unwrap_or(at + reach_ms),
                };
                // shown by one target is shown
                ticks
                    .entry(at)
                    .and_modify(|known| known.until = known.until.max(tick.until))
                    .or_insert(tick);
            }
        }
        ticks.into_values().collect()
    }

    /// Whether nothing was seen of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_target.is_empty()
    }

    /// Whether it is shown at an instant or within reach of it.
    pub(crate) fn near(&self, at: i64, reach_ms: i64) -> bool {
        let shown = |timeline: &Timeline<bool>| {
            timeline
                .runs_of(&true)
                .any(|(first, last)| (first - reach_ms..=last + reach_ms).contains(&at))
        };
        self.by_target.values().any(shown)
    }
}

/// The stretches that ticks stand for.
pub(crate) fn stood(ticks: &[Tick]) -> Vec<Stretch> {
    union(ticks.iter().map(|tick| (tick.at, tick.until)).collect())
}

/// The stretches that ticks stand for, with the silences of all scrapes
/// between two of them: what was there before and after was there meanwhile.
pub(crate) fn through_silences(ticks: &[Tick], scrapes: &Scrapes) -> Vec<Stretch> {
    let mut lived = stood(ticks);
    for pair in ticks.windows(2) {
        let (last, next) = (pair[0], pair[1]);
        let silent = last.until < next.at && !scrapes.any_between(last.at, next.at);
        if silent && next.at - last.until <= SILENCE_MS {
            lived.push((last.until, next.at));
        }
    }
    union(lived)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus::answer::Labels;

    #[test]
    fn unions() {
        let joined = union(vec![(5, 7), (0, 2), (2, 3), (9, 9), (6, 8)]);
        assert_eq!(joined, [(0, 3), (5, 8)]);
        assert_eq!(covered_ms(&joined, (1, 6)), 3);
    }

    #[test]
    fn a_scrape_stands_to_the_next_one() {
        let series = |samples: &[(i64, i64)]| Series {
            labels: Labels::new(),
            samples: samples.to_vec(),
            unreadable: 0,
        };
        let mut scrapes = Scrapes::default();
        scrapes.see(&series(&[(0, 1), (30, 1), (60, 1), (90, 1), (300, 1)]));
        // (what, what the series shows, ticks)
        let tick = |at, until| Tick { at, until };
        for (what, shows, expect) in [
            (
                "gone at a scrape",
                vec![(0, 1), (30, 1)],
                vec![tick(0, 30), tick(30, 60)],
            ),
            (
                "says no",
                vec![(0, 1), (30, 0), (60, 1)],
                vec![tick(0, 30), tick(60, 90)],
            ),
            ("no scrape follows", vec![(90, 1)], vec![tick(90, 150)]),
            (
                "missed one",
                vec![(0, 1), (60, 1)],
                vec![tick(0, 30), tick(30, 60), tick(60, 90)],
            ),
        ] {
            let mut presence = Presence::default();
            presence.see(&series(&shows), 60);
            assert_eq!(presence.ticks(&scrapes, 60, |_| true), expect, "{what}");
        }
    }
}
