//! A sampler that is written down after every sample and taken up by the next
//! run: for it the time in between is a time nobody looked (A5), as when the
//! API server was away.

use super::{Counted, Findings, Sampler, Spans, View, nothing};
use domain::instant::{Instant, SECOND_US, Span};
use domain::usage::Slot;
use domain::usage::hourly::HourlyAccumulator;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A sampler in writing.
#[derive(Serialize)]
pub struct Written<'a> {
    interval_us: i64,
    accumulator: &'a HourlyAccumulator,
    counted: Vec<WrittenPod<'a>>,
    window: Option<Instant>,
    ticks: Vec<Instant>,
    observed: &'a Spans,
}

#[derive(Serialize)]
struct WrittenPod<'a> {
    uid: &'a str,
    start: Instant,
    last: Instant,
    open: &'a [(Slot, Instant)],
    top: Option<(&'a str, &'a str)>,
    closed: bool,
}

/// The same, as read.
#[derive(Deserialize)]
pub struct Read {
    interval_us: i64,
    accumulator: HourlyAccumulator,
    counted: Vec<ReadPod>,
    window: Option<Instant>,
    ticks: Vec<Instant>,
    observed: Spans,
}

#[derive(Deserialize)]
struct ReadPod {
    uid: String,
    start: Instant,
    last: Instant,
    open: Vec<(Slot, Instant)>,
    top: Option<(String, String)>,
    closed: bool,
}

impl Sampler {
    /// Everything it knows.
    pub fn written(&self) -> Written<'_> {
        let mut counted: Vec<WrittenPod<'_>> = self
            .counted
            .iter()
            .map(|(uid, pod)| WrittenPod {
                uid,
                start: pod.start,
                last: pod.last,
                open: &pod.open,
                top: pod.top.as_ref().map(|(kind, name)| (&**kind, &**name)),
                closed: pod.closed,
            })
            .collect();
        counted.sort_by_key(|pod| pod.uid);
        Written {
            interval_us: self.interval_us,
            accumulator: &self.accumulator,
            counted,
            window: self.window,
            ticks: self.ticks.iter().copied().collect(),
            observed: &self.observed,
        }
    }

    /// As it was written; `None` when that does not hang together.
    pub fn read(read: Read) -> Option<Sampler> {
        let ordered = read.ticks.windows(2).all(|pair| pair[0] < pair[1]);
        if read.interval_us <= 0 || !ordered || !read.accumulator.is_sound() {
            return None;
        }
        let counted = read.counted.into_iter().map(|pod| {
            let counted = Counted {
                open: pod.open,
                top: pod.top.map(|(kind, name)| (kind.into(), name.into())),
                closed: pod.closed,
                ..Counted::from(pod.start, pod.last)
            };
            (pod.uid.into(), counted)
        });
        Some(Sampler {
            interval_us: read.interval_us,
            accumulator: read.accumulator,
            counted: counted.collect(),
            window: read.window,
            ticks: read.ticks.into(),
            observed: read.observed,
            resumed: true,
        })
    }

    /// From now on samples come in this interval.
    pub fn every(&mut self, interval_s: u32) {
        self.interval_us = i64::from(interval_s.max(1)) * SECOND_US;
        self.accumulator.reach_at_least(interval_s);
    }

    /// In the first sample after a pause of the program: pods it counted that
    /// are not there any more. They count as long as their last sample stands;
    /// their nodes, which are given, are unobserved from then on.
    pub(super) fn missed(
        &mut self,
        view: &View<'_>,
        stands_until: Instant,
        now: Instant,
        findings: &mut Findings,
    ) -> BTreeSet<String> {
        let mut blurred = BTreeSet::new();
        if !std::mem::take(&mut self.resumed) {
            return blurred;
        }
        let gone: Vec<_> = self
            .counted
            .keys()
            .filter(|uid| !view.pods.contains_key(*uid))
            .cloned()
            .collect();
        for counted in gone.iter().filter_map(|uid| self.counted.remove(uid)) {
            for (slot, since) in counted.open {
                let end = now.min(stands_until);
                let alive = Span { start: since, end };
                self.accumulator.observe(&slot, alive, nothing(end));
                if stands_until < now {
                    blurred.insert(slot.node);
                }
            }
        }
        if !blurred.is_empty() {
            findings.warn(
                "kubernetes_pods_lost",
                "",
                "pods went while nobody watched the cluster; the time since is unobserved",
            );
        }
        blurred
    }
}
