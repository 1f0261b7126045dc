//! Pods, nodes and metrics at an instant -> samples -> hourly facts. No I/O
//! and no clock: what comes out depends on what is put in.

use super::claims::{Claim, Parent, claims, slot_of, top_of, whole};
use super::findings::Findings;
use super::metrics::Usage;
use super::node::NodeTrack;
use super::objects::{NamespaceFact, Phase, PodFact};
use super::request::Sharing;
use super::spans::Spans;
use super::world::Change;
use domain::instant::{Instant, SECOND_US, Span};
use domain::usage::hourly::{HourFacts, HourlyAccumulator, Sample};
use domain::usage::{Capacity, Hour, Node, NodeHour, Slot};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Hours that are held back at most while the cluster cannot be seen.
const HOLD_H: i32 = 6;
/// Clocks further apart than this are a finding.
pub const SKEW_US: i64 = 30 * SECOND_US;
/// Usage measured longer ago than this, beyond two intervals, is not used.
const METRIC_AGE_US: i64 = 60 * SECOND_US;
/// End of what still runs.
pub const FOR_EVER: Instant = Instant(i64::MAX);

/// A pod that is no longer in the cluster.
#[derive(Debug, Clone)]
pub struct Ended {
    /// As last seen.
    pub pod: Arc<PodFact>,
    /// When that was noticed.
    pub seen_at: Instant,
    /// Whether nobody saw it go: it was missing when the pods were listed anew.
    pub lost: bool,
}

impl Ended {
    /// The pods that went, of all that happened to pods.
    #[must_use]
    pub fn of(changes: &[(Instant, Change<PodFact>)]) -> Vec<Ended> {
        let ended = changes.iter().filter_map(|(seen_at, change)| match change {
            Change::Removed { last, lost } => Some(Ended {
                pod: last.clone(),
                seen_at: *seen_at,
                lost: *lost,
            }),
            Change::Applied(_) => None,
        });
        ended.collect()
    }
}

/// The cluster at an instant.
pub struct View<'a> {
    /// Pods by UID.
    pub pods: &'a HashMap<Arc<str>, Arc<PodFact>>,
    /// Pods that went since the last sample.
    pub ended: Vec<Ended>,
    /// Nodes by UID.
    pub nodes: &'a mut HashMap<Arc<str>, NodeTrack>,
    /// Namespaces by UID.
    pub namespaces: &'a HashMap<Arc<str>, Arc<NamespaceFact>>,
    /// Links of the owners' chain.
    pub parent: &'a Parent<'a>,
}

/// What one sample took in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Pods that hold a node.
    pub pods: usize,
    /// Their containers, and pod overheads.
    pub slots: usize,
    /// Containers whose usage is known.
    pub measured: usize,
}

/// A pod that is being counted.
#[derive(Debug)]
struct Counted {
    /// From when it counts.
    start: Instant,
    /// Its last sample.
    last: Instant,
    /// Slots that stand, and since when.
    open: Vec<(Slot, Instant)>,
    /// Top owner: it outlives the objects it was found through.
    top: Option<(Arc<str>, Arc<str>)>,
    /// Its end was counted.
    closed: bool,
}

impl Counted {
    fn from(start: Instant, last: Instant) -> Counted {
        Counted {
            start,
            last,
            open: Vec::new(),
            top: None,
            closed: false,
        }
    }
}

/// What a pod's slots are made of, beside the pod.
#[derive(Clone, Copy)]
struct Around<'a> {
    namespace: Option<&'a NamespaceFact>,
    sharing: Sharing,
    parent: &'a Parent<'a>,
}

/// Turns views of a cluster into hourly facts.
pub struct Sampler {
    interval_us: i64,
    accumulator: HourlyAccumulator,
    counted: HashMap<Arc<str>, Counted>,
    /// From when on pods are counted: the first sample.
    window: Option<Instant>,
    /// Samples of the last hours, the latest last.
    ticks: VecDeque<Instant>,
    observed: Spans,
    /// Taken up from another run: pods may have gone while nobody watched.
    resumed: bool,
}

impl Sampler {
    /// For a view every `interval_s` seconds.
    #[must_use]
    pub fn new(interval_s: u32) -> Sampler {
        Sampler {
            interval_us: i64::from(interval_s.max(1)) * SECOND_US,
            accumulator: HourlyAccumulator::new(interval_s),
            counted: HashMap::new(),
            window: None,
            ticks: VecDeque::new(),
            observed: Spans::default(),
            resumed: false,
        }
    }

    /// When the last sample was taken.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        self.ticks.back().copied()
    }

    /// Samples in memory.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.accumulator.in_flight()
    }

    /// Takes a sample. One that is not later than the last is ignored: the
    /// clock went back.
    pub fn tick(&mut self, now: Instant, view: &mut View<'_>, usage: Option<&Usage>, findings: &mut Findings) -> Taken {
        let last = self.last();
        if last.is_some_and(|last| last >= now) {
            return Taken::default();
        }
        self.window.get_or_insert(now);
        let stands_until = Instant(last.unwrap_or(now).0 + 2 * self.interval_us);
        let mut blurred = blurred_nodes(&view.ended, stands_until, now);
        self.ended(view, stands_until, now, findings);
        blurred.extend(self.missed(view, stands_until, now, findings));
        let names: HashMap<&str, &NamespaceFact> = view.namespaces.values().map(|n| (n.name.as_str(), &**n)).collect();
        let nodes: HashMap<&str, Sharing> = view
            .nodes
            .values()
            .filter(|track| track.gone_at().is_none())
            .map(|track| (track.fact.node.name.as_str(), track.fact.sharing))
            .collect();
        let gone = view
            .nodes
            .values()
            .filter_map(|track| Some((track.fact.node.name.as_str(), track.gone_at()?)));
        let gone: HashMap<&str, Instant> = gone.collect();
        let mut pass = Pass {
            now,
            stands_until,
            usage,
            names: &names,
            nodes: &nodes,
            gone: &gone,
            blurred: &blurred,
            parent: view.parent,
            taken: Taken::default(),
        };
        for pod in view.pods.values() {
            self.pod(pod, &mut pass, findings);
        }
        let taken = pass.taken;
        self.cover(last, stands_until, now, &blurred, view.nodes);
        self.ticks.push_back(now);
        taken
    }

    /// Marks the time since the last sample as observed, but for the nodes
    /// where pods went unseen.
    fn cover(
        &mut self,
        last: Option<Instant>,
        stands_until: Instant,
        now: Instant,
        blurred: &BTreeSet<String>,
        nodes: &mut HashMap<Arc<str>, NodeTrack>,
    ) {
        if let Some(last) = last {
            self.observed.add(last, now);
        }
        for track in nodes.values_mut() {
            if blurred.contains(&track.fact.node.name) {
                track.lose(stands_until, now);
            }
            track.seen(now);
        }
    }

    /// Counts pods that are gone to their end.
    fn ended(&mut self, view: &View<'_>, stands_until: Instant, now: Instant, findings: &mut Findings) {
        for ended in &view.ended {
            let pod = &ended.pod;
            let mut seen_at = ended.seen_at.min(now);
            if ended.lost && stands_until < now {
                seen_at = seen_at.min(stands_until);
                findings.warn(
                    "kubernetes_pods_lost",
                    "",
                    "pods went while the cluster could not be seen; the time since is unobserved",
                );
            }
            let named = |namespace: &&Arc<NamespaceFact>| namespace.name == pod.namespace;
            let around = Around {
                namespace: view.namespaces.values().find(named).map(|namespace| &**namespace),
                sharing: sharing_of(view, pod),
                parent: view.parent,
            };
            self.close(pod, seen_at, around);
            self.counted.remove(&pod.uid);
        }
    }

    fn pod(&mut self, pod: &Arc<PodFact>, pass: &mut Pass<'_>, findings: &mut Findings) {
        let Some(node) = pod.node.as_deref() else { return };
        let sharing = pass.nodes.get(node).copied();
        let around = Around {
            namespace: pass.names.get(pod.namespace.as_str()).copied(),
            sharing: sharing.unwrap_or_default(),
            parent: pass.parent,
        };
        if pod.phase == Phase::Ended {
            self.close(pod, pass.now, around);
            return;
        }
        let known = self.counted.get(&pod.uid);
        if known.is_some_and(|counted| counted.closed) {
            return;
        }
        if let (None, Some(gone_at)) = (sharing, pass.gone.get(node)) {
            // a pod that outlives its node holds nothing any more
            self.close(pod, (*gone_at).min(pass.now), around);
            return;
        }
        if sharing.is_none() {
            findings.warn(
                "kubernetes_unknown_node",
                node,
                "pods are bound to a node the cluster does not list",
            );
        }
        if pod.starts_at().is_some_and(|start| start.0 - pass.now.0 > SKEW_US) {
            findings.warn(
                "kubernetes_clock_skew",
                "objects",
                "objects carry times more than 30 s ahead of this clock; they are clipped to now",
            );
        }
        let start = known.map_or_else(|| self.start_of(pod, pass.now), |counted| counted.start);
        let unseen_from = match known {
            Some(_) if pass.blurred.contains(node) => pass.now,
            Some(_) => pass.stands_until,
            // the first sample of a life also stands for two intervals before it
            None if pass.now.0 - start.0 > 2 * self.interval_us => start,
            None => pass.now,
        };
        let unseen = Span {
            start: unseen_from,
            end: pass.now,
        };
        self.requests_only(pod, unseen, start, around);
        let born = pod.starts_at().unwrap_or(start);
        let max_age_us = 2 * self.interval_us + METRIC_AGE_US;
        let usage = pass
            .usage
            .and_then(|usage| usage.of(&pod.namespace, &pod.name, born, pass.now, max_age_us));
        let claims = claims(pod, usage, around.sharing);
        pass.taken.pods += 1;
        pass.taken.slots += claims.len();
        pass.taken.measured += claims.iter().filter(|claim| claim.used.is_some()).count();
        self.observe(pod, pass.now, start, claims, around);
    }

    /// From when a pod counts: its binding, but not before what this
    /// collector can know, nor after now. It was not there at the last
    /// sample: a binding long before that is a clock that differs.
    fn start_of(&self, pod: &PodFact, now: Instant) -> Instant {
        let earliest = match (self.last(), self.window) {
            (Some(last), Some(window)) => window.max(Instant(last.0 - SKEW_US)),
            (_, window) => window.unwrap_or(now),
        };
        pod.starts_at().unwrap_or(now).min(now).max(earliest)
    }

    /// When a pod ended that was seen to be over at `seen_at`. It was there at
    /// its last sample: an end long before that is a clock that differs.
    fn end_of(&self, pod: &PodFact, seen_at: Instant) -> Instant {
        let over = pod.phase == Phase::Ended || pod.deletion_at.is_some();
        let Some(finished) = pod.finished_at.filter(|_| over) else {
            return seen_at;
        };
        let earliest = match self.counted.get(&pod.uid) {
            Some(counted) => Instant(counted.last.0 - SKEW_US).max(counted.start),
            None => {
                let start = self.start_of(pod, seen_at);
                let lived_us = finished.0 - pod.starts_at().unwrap_or(finished).0;
                // before this collector began: nothing of it counts
                let before = self.window.is_none_or(|window| finished <= window);
                if before {
                    start
                } else {
                    Instant(start.0 + lived_us.max(0))
                }
            }
        };
        finished.max(earliest).min(seen_at)
    }

    /// Samples from requests alone over a time nobody looked (A5).
    fn requests_only(&mut self, pod: &PodFact, span: Span, start: Instant, around: Around<'_>) {
        let mut at = span.start.max(start);
        while at < span.end {
            self.observe(pod, at, start, whole(pod, around.sharing), around);
            at = Instant(at.0 + 2 * self.interval_us);
        }
    }

    /// Takes the samples of one pod at one instant; containers that are no
    /// longer claimed end there.
    fn observe(&mut self, pod: &PodFact, at: Instant, start: Instant, claims: Vec<Claim>, around: Around<'_>) {
        let first = !self.counted.contains_key(&pod.uid);
        let counted = self
            .counted
            .entry(pod.uid.clone())
            .or_insert_with(|| Counted::from(start, at));
        counted.last = at;
        counted.top = top_of(pod, counted.top.take(), around.parent);
        // as many as there are, and no room for more: ten thousand pods have one each
        let was_open = std::mem::replace(&mut counted.open, Vec::with_capacity(claims.len()));
        for claim in claims {
            let slot = slot_of(pod, &claim.container, counted.top.as_ref(), around.namespace);
            let stood = was_open.iter().find(|(open, _)| open.container == claim.container);
            let since = stood.map_or(if first { start } else { at }, |(_, since)| *since);
            let alive = Span {
                start: since,
                end: FOR_EVER,
            };
            let sample = Sample {
                at,
                requested: claim.requested,
                used: claim.used,
            };
            self.accumulator.observe(&slot, alive, sample);
            counted.open.push((slot, since));
        }
        for (slot, since) in was_open {
            if !counted.open.iter().any(|(open, _)| open.container == slot.container) {
                self.accumulator
                    .observe(&slot, Span { start: since, end: at }, nothing(at));
            }
        }
    }

    /// Counts a pod to its end, also one that no sample saw (A1).
    fn close(&mut self, pod: &PodFact, seen_at: Instant, around: Around<'_>) {
        let known = self.counted.get(&pod.uid);
        if self.window.is_none() || pod.node.is_none() || known.is_some_and(|counted| counted.closed) {
            return;
        }
        let end = self.end_of(pod, seen_at);
        let start = known.map_or_else(|| self.start_of(pod, end), |counted| counted.start);
        let unseen = Span {
            start: known.map_or(start, |counted| Instant(counted.last.0 + 2 * self.interval_us)),
            end,
        };
        self.requests_only(pod, unseen, start, around);
        let later = self.ticks.iter().rev().take_while(|tick| **tick > end).copied();
        let marks: Vec<Instant> = later.chain([end]).collect();
        let counted = self
            .counted
            .entry(pod.uid.clone())
            .or_insert_with(|| Counted::from(start, end));
        counted.closed = true;
        for (slot, since) in std::mem::take(&mut counted.open) {
            // samples taken after an end that became known later stand for nothing
            for at in marks.iter().filter(|at| **at >= since) {
                self.accumulator
                    .observe(&slot, Span { start: since, end }, nothing(*at));
            }
        }
    }

    /// The facts of hours before `before` that are complete: all up to the
    /// hour of the last sample, and those that ended [`HOLD_H`] hours before
    /// `now` in any case.
    pub fn drain(
        &mut self,
        before: Hour,
        now: Instant,
        nodes: &mut HashMap<Arc<str>, NodeTrack>,
    ) -> (Vec<(Node, Vec<NodeHour>)>, Vec<HourFacts>) {
        self.drain_to(self.complete(before, now), nodes)
    }

    /// The end of the complete hours before `before`.
    #[must_use]
    pub fn complete(&self, before: Hour, now: Instant) -> Hour {
        let complete = self.last().map_or(i32::MIN, |last| Hour::of(last).0);
        Hour(before.0.min(complete.max(Hour::of(now).0 - HOLD_H)))
    }

    /// Ends the count at `now`, the running hour included: nothing stands
    /// longer than that.
    pub fn finish(
        mut self,
        now: Instant,
        nodes: &mut HashMap<Arc<str>, NodeTrack>,
    ) -> (Vec<(Node, Vec<NodeHour>)>, Vec<HourFacts>) {
        if let Some(last) = self.last() {
            self.observed.add(last, now.min(Instant(last.0 + 2 * self.interval_us)));
        }
        for counted in self.counted.values_mut() {
            counted.closed = true;
            for (slot, since) in std::mem::take(&mut counted.open) {
                let alive = Span { start: since, end: now };
                self.accumulator.observe(&slot, alive, nothing(now));
            }
        }
        for track in nodes.values_mut() {
            track.gone(now);
        }
        self.drain_to(Hour(Hour::of(now).0 + 1), nodes)
    }

    fn drain_to(
        &mut self,
        before: Hour,
        nodes: &mut HashMap<Arc<str>, NodeTrack>,
    ) -> (Vec<(Node, Vec<NodeHour>)>, Vec<HourFacts>) {
        let slots = self.accumulator.drain(before);
        let mut hours: Vec<(Node, Vec<NodeHour>)> = nodes
            .values_mut()
            .map(|track| (track.fact.node.clone(), track.drain(before, &self.observed)))
            .filter(|(_, hours)| !hours.is_empty())
            .collect();
        hours.sort();
        nodes.retain(|_, track| !track.is_done());
        self.observed.forget(before.start());
        while self.ticks.len() > 1 && self.ticks.front().is_some_and(|tick| *tick < before.start()) {
            self.ticks.pop_front();
        }
        (hours, slots)
    }
}

/// What all pods of one sample share.
struct Pass<'a> {
    now: Instant,
    stands_until: Instant,
    usage: Option<&'a Usage>,
    names: &'a HashMap<&'a str, &'a NamespaceFact>,
    nodes: &'a HashMap<&'a str, Sharing>,
    /// Nodes that are gone, and since when.
    gone: &'a HashMap<&'a str, Instant>,
    blurred: &'a BTreeSet<String>,
    parent: &'a Parent<'a>,
    taken: Taken,
}

/// Nodes that lost pods in a gap between samples.
fn blurred_nodes(ended: &[Ended], stands_until: Instant, now: Instant) -> BTreeSet<String> {
    let lost = ended.iter().filter(|ended| ended.lost && stands_until < now);
    lost.filter_map(|ended| ended.pod.node.clone()).collect()
}

fn sharing_of(view: &View<'_>, pod: &PodFact) -> Sharing {
    let node = view
        .nodes
        .values()
        .find(|track| Some(&track.fact.node.name) == pod.node.as_ref());
    node.map_or_else(Sharing::default, |track| track.fact.sharing)
}

/// A sample of nothing: it marks an end.
fn nothing(at: Instant) -> Sample {
    Sample {
        at,
        requested: Capacity::default(),
        used: None,
    }
}

mod resume;

pub use resume::Read;

#[cfg(test)]
mod tests;
