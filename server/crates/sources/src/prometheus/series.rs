//! Time series made small: gauges as runs of equal values, scrapes as instants,
//! counters as rates with their resets.

use super::answer::{Labels, Series};
use std::collections::{BTreeMap, BTreeSet};

/// A value and when it was seen first and last without a break.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run<T> {
    first: i64,
    last: i64,
    value: T,
}

/// What a gauge or a set of labels was over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timeline<T> {
    runs: Vec<Run<T>>,
}

impl<T> Default for Timeline<T> {
    fn default() -> Timeline<T> {
        Timeline { runs: Vec::new() }
    }
}

impl<T: Clone + Ord> Timeline<T> {
    /// Adds an observation; in any order, whole after [`Timeline::settle`].
    pub(crate) fn see(&mut self, at: i64, value: T, reach_ms: i64) {
        if let Some(run) = self.runs.last_mut()
            && run.value == value
            && (run.last..=run.last + reach_ms).contains(&at)
        {
            run.last = at;
            return;
        }
        self.runs.push(Run {
            first: at,
            last: at,
            value,
        });
    }

    /// Puts the runs in order. Of two that start together the larger value counts.
    pub(crate) fn settle(&mut self) {
        self.runs
            .sort_by(|a, b| (a.first, &a.value, a.last).cmp(&(b.first, &b.value, b.last)));
    }

    /// The value at an instant: of the run that covers it, else of the nearest
    /// within `reach_ms`, the one before first.
    pub(crate) fn at(&self, at: i64, reach_ms: i64) -> Option<&T> {
        let after = self.runs.partition_point(|run| run.first <= at);
        let before = self.runs[..after].iter().rev().find(|run| run.last >= at);
        let near = || {
            let before = self.runs[..after].iter().rev().find(|run| run.last >= at - reach_ms);
            before.or_else(|| self.runs.get(after).filter(|run| run.first <= at + reach_ms))
        };
        before.or_else(near).map(|run| &run.value)
    }

    /// The value of a stretch: at its beginning, else the first within, else
    /// the nearest to its beginning within `far_ms`.
    pub(crate) fn during(&self, (from, to): (i64, i64), reach_ms: i64, far_ms: i64) -> Option<&T> {
        let first = || {
            self.runs
                .iter()
                .find(|run| (from..to).contains(&run.first))
                .map(|run| &run.value)
        };
        self.at(from, reach_ms).or_else(first).or_else(|| self.at(from, far_ms))
    }

    /// The last value of a stretch, else the nearest before it within `far_ms`.
    pub(crate) fn latest(&self, (from, to): (i64, i64), far_ms: i64) -> Option<&T> {
        let before = self.runs.partition_point(|run| run.first < to);
        let last = self.runs[..before].iter().max_by_key(|run| run.last.min(to - 1));
        last.filter(|run| run.last >= from - far_ms).map(|run| &run.value)
    }

    /// The largest value within a stretch.
    pub(crate) fn largest(&self, (from, to): (i64, i64)) -> Option<&T> {
        let within = self.runs.iter().filter(|run| run.first < to && run.last >= from);
        within.map(|run| &run.value).max()
    }

    /// First and last instant of each run with this value.
    pub(crate) fn runs_of<'a>(&'a self, value: &'a T) -> impl Iterator<Item = (i64, i64)> + 'a {
        self.runs
            .iter()
            .filter(move |run| run.value == *value)
            .map(|run| (run.first, run.last))
    }

    /// The values, once each and in order.
    pub(crate) fn values(&self) -> BTreeSet<&T> {
        self.runs.iter().map(|run| &run.value).collect()
    }
}

impl Timeline<i64> {
    /// What a counter that never falls rose by: (instant that shows it, rise).
    /// Copies that lag behind show no rise again.
    pub(crate) fn rises(&self) -> Vec<(i64, i64)> {
        let mut most = self.runs.first().map_or(0, |run| run.value);
        let mut rises = Vec::new();
        for run in self.runs.iter().filter(|run| run.value > 0) {
            if run.value > most {
                rises.push((run.first, run.value - most));
                most = run.value;
            }
        }
        rises
    }
}

/// A label, or what it was renamed to where the scrape's own labels came first.
pub(crate) fn label<'a>(labels: &'a Labels, name: &str) -> &'a str {
    let exported = labels.get(&format!("exported_{name}"));
    exported.or_else(|| labels.get(name)).map_or("", String::as_str)
}

/// What was scraped: two of them are scraped at different instants.
pub(crate) fn target(labels: &Labels) -> String {
    const NAMES: [&str; 5] = ["job", "instance", "prometheus_replica", "replica", "__replica__"];
    let parts: Vec<&str> = NAMES
        .iter()
        .map(|name| labels.get(*name).map_or("", String::as_str))
        .collect();
    parts.join("\u{1f}")
}

/// The instants at which each target was scraped, in order.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scrapes {
    targets: BTreeMap<String, BTreeSet<i64>>,
}

impl Scrapes {
    pub(crate) fn see(&mut self, series: &Series) {
        let key = target(&series.labels);
        let instants = self.targets.entry(key).or_default();
        instants.extend(series.samples.iter().map(|(at, _)| *at));
    }

    /// These, and those of targets that only the others know.
    pub(crate) fn with(&self, others: &Scrapes) -> Scrapes {
        let mut all = self.clone();
        for (target, instants) in &others.targets {
            all.targets.entry(target.clone()).or_insert_with(|| instants.clone());
        }
        all
    }

    /// The next scrape of a target after an instant.
    pub(crate) fn next(&self, target: &str, at: i64) -> Option<i64> {
        self.targets.get(target)?.range(at + 1..).next().copied()
    }

    /// All scrapes of a target from one instant to another, both included.
    pub(crate) fn between(&self, target: &str, from: i64, to: i64) -> impl Iterator<Item = i64> + '_ {
        let instants = self.targets.get(target).filter(|_| from <= to);
        instants
            .into_iter()
            .flat_map(move |instants| instants.range(from..=to).copied())
    }

    /// The last scrape of any target.
    pub(crate) fn last(&self) -> Option<i64> {
        self.targets
            .values()
            .filter_map(|instants| instants.last().copied())
            .max()
    }

    /// Whether anything was scraped strictly between two instants.
    pub(crate) fn any_between(&self, after: i64, before: i64) -> bool {
        let within =
            |instants: &BTreeSet<i64>| after + 1 < before && instants.range(after + 1..before).next().is_some();
        self.targets.values().any(within)
    }

    /// Whether a stretch longer than `reach_ms` within a window saw no scrape.
    pub(crate) fn has_gap(&self, (from, to): (i64, i64), reach_ms: i64) -> bool {
        let within = self
            .targets
            .values()
            .flatten()
            .copied()
            .filter(|at| (from..to).contains(at));
        let mut edges: BTreeSet<i64> = within.collect();
        edges.extend([from, to]);
        let edges: Vec<i64> = edges.into_iter().collect();
        edges.windows(2).any(|pair| pair[1] - pair[0] > reach_ms)
    }
}

/// One incarnation of a container's counter: a restarted container has another id.
#[derive(Debug, Default, Clone)]
pub(crate) struct Incarnations {
    /// By container id; several series of one id are copies.
    by_id: BTreeMap<String, BTreeMap<Labels, BTreeMap<i64, i64>>>,
}

impl Incarnations {
    /// Adds a piece of a series.
    pub(crate) fn see(&mut self, series: Series) {
        let id = series.labels.get("id").cloned().unwrap_or_default();
        let samples = self.by_id.entry(id).or_default().entry(series.labels).or_default();
        samples.extend(series.samples);
    }

    /// One sequence of (instant, value, starts anew): copies of a counter only
    /// fill each other's gaps, and an incarnation ends where the next begins.
    pub(crate) fn joined(&self, reach_ms: i64) -> Vec<(i64, i64, bool)> {
        let mut lives: Vec<BTreeMap<i64, i64>> = self
            .by_id
            .values()
            .map(|copies| one_of(copies, reach_ms))
            .filter(|samples| !samples.is_empty())
            .collect();
        // the newest is the one that lasts longest: the old one may linger beside it
        let ends = |samples: &BTreeMap<i64, i64>| (samples.keys().next_back().copied(), samples.keys().next().copied());
        lives.sort_by_key(ends);
        let begins: Vec<i64> = lives
            .iter()
            .filter_map(|samples| samples.keys().next().copied())
            .collect();
        let mut joined = Vec::new();
        for (index, samples) in lives.iter().enumerate() {
            let end = begins.get(index + 1).copied().unwrap_or(i64::MAX);
            let first = joined.len();
            joined.extend(samples.range(..end).map(|(at, value)| (*at, *value, false)));
            if let Some(begin) = joined.get_mut(first) {
                begin.2 = index > 0;
            }
        }
        joined
    }
}

/// The first of some copies of a counter, with those samples of the others
/// that lie where it has none nearby.
pub(crate) fn one_of(copies: &BTreeMap<Labels, BTreeMap<i64, i64>>, reach_ms: i64) -> BTreeMap<i64, i64> {
    let mut copies = copies.values();
    let mut whole = copies.next().cloned().unwrap_or_default();
    for copy in copies {
        let missing: Vec<(i64, i64)> = copy
            .iter()
            .filter(|(at, _)| whole.range(*at - reach_ms + 1..*at + reach_ms).next().is_none())
            .map(|(at, value)| (*at, *value))
            .collect();
        whole.extend(missing);
    }
    whole
}

/// What a counter rose by from each sample to the next, resets taken into
/// account: (instant, instant of the next, rise).
pub(crate) fn rises(joined: &[(i64, i64, bool)]) -> Vec<(i64, i64, i64)> {
    let steps = steps(joined);
    steps.map(|(at, next_at, from, to)| (at, next_at, to - from)).collect()
}

/// (instant, instant of the next, counted from, counted to): after a reset the
/// counter has counted from zero.
fn steps(joined: &[(i64, i64, bool)]) -> impl Iterator<Item = (i64, i64, i64, i64)> + '_ {
    joined.windows(2).map(|pair| {
        let ((at, value, _), (next_at, next, anew)) = (pair[0], pair[1]);
        let from = if anew || next < value { 0 } else { value.max(0) };
        (at, next_at, from, next.max(from))
    })
}

/// Millicores used from each sample on, of a counter in core-ns: the rise to
/// the next sample, or where none comes within reach the rise before.
pub(crate) fn millicores(joined: &[(i64, i64, bool)], reach_ms: i64) -> Vec<(i64, Option<u64>)> {
    let mut before = None;
    let mut steps = steps(joined);
    joined
        .iter()
        .map(|(at, _, anew)| {
            let step = steps.next().filter(|(at, next, _, _)| next - at <= reach_ms);
            let rate = step.map(|(at, next, from, to)| millicores_of(from, to, next - at));
            let shown = rate.or(if *anew { None } else { before });
            before = rate;
            (*at, shown)
        })
        .collect()
}

/// Core-ns over milliseconds as millicores. Both ends are cut to whole
/// millicores, not their difference: of evenly spaced samples the sum then
/// follows the counter to within one, however little a container uses, and
/// each rate still depends on its two samples alone.
fn millicores_of(from_ns: i64, to_ns: i64, over_ms: i64) -> u64 {
    let unit_ns = over_ms.max(1).saturating_mul(1_000);
    (to_ns / unit_ns - from_ns / unit_ns).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(id: &str, replica: &str, samples: &[(i64, i64)]) -> Series {
        Series {
            labels: Labels::from([
                ("id".to_owned(), id.to_owned()),
                ("replica".to_owned(), replica.to_owned()),
            ]),
            samples: samples.to_vec(),
            unreadable: 0,
        }
    }

    type Rates = Vec<(i64, Option<u64>)>;

    const CORE_SECOND: i64 = 1_000_000_000;

    #[test]
    fn counters_and_their_resets() {
        let s = CORE_SECOND;
        // (what, pieces of series, millicores at each instant)
        let cases: [(&str, Vec<Series>, Rates); 7] = [
            (
                "0.4 millicores are not nothing",
                vec![series(
                    "a",
                    "",
                    &[0, 1, 2, 3, 4, 5].map(|n| (n * 30_000, n * 12_000_000)),
                )],
                [0, 0, 1, 0, 1, 1]
                    .into_iter()
                    .zip(0..)
                    .map(|(rate, n)| (n * 30_000, Some(rate)))
                    .collect(),
            ),
            (
                "one core",
                vec![series("a", "", &[(0, 0), (30_000, 30 * s)])],
                vec![(0, Some(1_000)), (30_000, Some(1_000))],
            ),
            (
                "a fall is a reset: counted from zero",
                vec![series("a", "", &[(0, 90 * s), (30_000, 15 * s), (60_000, 30 * s)])],
                vec![(0, Some(500)), (30_000, Some(500)), (60_000, Some(500))],
            ),
            (
                "a new container is a reset even when it counts higher",
                vec![
                    series("a", "", &[(0, 0), (30_000, 3 * s), (60_000, 3 * s)]),
                    series("b", "", &[(60_000, 15 * s), (90_000, 45 * s)]),
                ],
                vec![
                    (0, Some(100)),
                    (30_000, Some(500)),
                    (60_000, Some(1_000)),
                    (90_000, Some(1_000)),
                ],
            ),
            (
                "copies from two replicas count once and fill gaps",
                vec![
                    series("a", "1", &[(0, 0), (30_000, 30 * s)]),
                    series("a", "2", &[(10_000, 10 * s), (90_000, 60 * s)]),
                ],
                vec![(0, Some(1_000)), (30_000, Some(500)), (90_000, Some(500))],
            ),
            (
                "a gap has no rate across it",
                vec![series("a", "", &[(0, 0), (30_000, 30 * s), (200_000, 30 * s)])],
                vec![(0, Some(1_000)), (30_000, Some(1_000)), (200_000, None)],
            ),
            (
                "a single sample has none",
                vec![series("a", "", &[(0, 7)])],
                vec![(0, None)],
            ),
        ];
        for (what, pieces, expect) in cases {
            let mut incarnations = Incarnations::default();
            pieces.into_iter().for_each(|piece| incarnations.see(piece));
            assert_eq!(millicores(&incarnations.joined(60_000), 60_000), expect, "{what}");
        }
    }

    #[test]
    fn values_at_instants() {
        let mut timeline = Timeline::default();
        for (at, value) in [(100, 1), (130, 1), (160, 2), (400, 2)] {
            timeline.see(at, value, 60);
        }
        timeline.settle();
        // (instant, value)
        for (at, expect) in [
            (30, None),
            (40, Some(&1)),
            (115, Some(&1)),
            (140, Some(&1)),
            (160, Some(&2)),
            (220, Some(&2)),
            (221, None),
            (339, None),
            (340, Some(&2)),
        ] {
            assert_eq!(timeline.at(at, 60), expect, "at {at}");
        }
        assert_eq!(timeline.during((230, 300), 60, 1_000), Some(&2));
        assert_eq!(timeline.during((500, 600), 60, 60), None);
        assert_eq!(timeline.runs_of(&2).collect::<Vec<_>>(), [(160, 160), (400, 400)]);
    }

    #[test]
    fn gaps_between_scrapes() {
        let mut scrapes = Scrapes::default();
        scrapes.see(&series("a", "1", &[(0, 1), (30, 1), (60, 1)]));
        assert_eq!(scrapes.next(&target(&series("a", "1", &[]).labels), 30), Some(60));
        assert!(!scrapes.has_gap((0, 90), 60));
        assert!(scrapes.has_gap((0, 121), 60));
        assert!(scrapes.any_between(0, 31) && !scrapes.any_between(30, 60));
    }
}
