//! From samples to hourly facts (A1).
//!
//! A sample stands for the time to the next one of the same container, at most
//! twice the interval, clipped to the time the pod held its node and cut at
//! the hours. Integrals are kept in thousandths of their units times
//! milliseconds and truncated once per hour, so how often a constant usage is
//! sampled changes nothing.
//!
//! What comes out depends on the set of samples, not on their order, as long
//! as they come before their hour is drained. A sample that comes later counts
//! for the time nothing stood for yet: facts can be added, time never doubles.

use super::profile::UsageProfile;
use super::{Capacity, HOUR_S, Hour, Measure, Slot, SlotHour};
use crate::instant::{Instant, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Hours after which a late sample is refused: so long it is known what time
/// has been counted.
pub const LATE_H: i64 = 48;

const HOUR_MS: i64 = HOUR_S as i64 * 1_000;

/// What a container was seen to hold and use at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When, to the millisecond.
    pub at: Instant,
    /// What it requests.
    pub requested: Capacity,
    /// What it uses; `None` without metrics: the effective request is the request.
    pub used: Option<Capacity>,
}

/// What a slot held and used in an hour, and how its usage was spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourFacts {
    /// Whose.
    pub slot: Slot,
    /// The integrals.
    pub hour: SlotHour,
    /// Of its seconds, those with usage metrics.
    pub metered_s: u32,
    /// How the usage was spread.
    pub profile: UsageProfile,
}

/// A stretch of milliseconds, half-open.
type Stretch = (i64, i64);

/// What many samples of a container share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Context {
    slot: Slot,
    requested: Capacity,
    alive: Stretch,
}

/// A sample, small: millions are held, and written as three numbers.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(from = "resume::Row", into = "resume::Row")]
struct Held {
    at: i64,
    context: u32,
    used: Option<Used>,
}

/// Usage: millicores, MiB, thousandths of an accelerator; no machine has 2^32.
#[derive(Debug, Clone, Copy)]
struct Used {
    cpu: u32,
    memory: u32,
    gpu: u32,
}

/// One container of one pod on one node, whatever its labels.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Track {
    contexts: Vec<Context>,
    /// In order of time, one per millisecond.
    held: Vec<Held>,
    /// What drained samples stood for, in order, apart.
    covered: Vec<Stretch>,
}

/// Integrals of a slot over an hour: thousandths of units times milliseconds.
#[derive(Default)]
struct Integral {
    stood_ms: u64,
    metered_ms: u64,
    effective: [u128; 3],
    requested: [u128; 3],
    used: [u128; 3],
    profile: UsageProfile,
}

/// Turns samples into hourly facts. Holds the samples of hours that are not
/// drained yet, some 32 bytes each. It can be written down and read back, so
/// that an hour survives the program that counts it: what was read has to pass
/// [`HourlyAccumulator::is_sound`].
#[derive(Debug, Serialize, Deserialize)]
pub struct HourlyAccumulator {
    reach_ms: i64,
    /// By pod: a pod has few containers, and asking needs no copy of the slot.
    pods: BTreeMap<String, Vec<Track>>,
    /// Start of the first hour that is not drained.
    drained: Option<i64>,
    too_late: u64,
}

impl HourlyAccumulator {
    /// For samples that are to come every `interval_s` seconds.
    #[must_use]
    pub fn new(interval_s: u32) -> HourlyAccumulator {
        HourlyAccumulator {
            reach_ms: i64::from(interval_s.max(1)) * 2_000,
            pods: BTreeMap::new(),
            drained: None,
            too_late: 0,
        }
    }

    /// Takes a sample of a slot that holds its node over `alive`: from the
    /// pod's binding to its end, or to `i64::MAX` while it runs. The same
    /// sample may come again, and samples may come in any order.
    ///
    /// A sample within twice the interval after the beginning of `alive`, with
    /// none before it, also stands for the time since. To end a slot between
    /// two samples, observe it once more with the end known.
    pub fn observe(&mut self, slot: &Slot, alive: Span, sample: Sample) {
        let at = millis(sample.at);
        if self.drained.is_some_and(|drained| at < drained - LATE_H * HOUR_MS) {
            self.too_late += 1;
            return;
        }
        let alive = (millis(alive.start), millis(alive.end));
        let used = sample.used.map(|used| Used {
            cpu: u32::try_from(used.cpu_millicores).unwrap_or(u32::MAX),
            memory: u32::try_from(used.memory_mib).unwrap_or(u32::MAX),
            gpu: u32::try_from(used.gpu_milli).unwrap_or(u32::MAX),
        });
        if !self.pods.contains_key(&slot.pod_uid) {
            self.pods.insert(slot.pod_uid.clone(), Vec::with_capacity(1));
        }
        if let Some(tracks) = self.pods.get_mut(&slot.pod_uid) {
            let at_track = tracks.iter().position(|track| track.is_of(slot)).unwrap_or_else(|| {
                tracks.push(Track::default());
                tracks.len() - 1
            });
            let context = tracks[at_track].context(slot, sample.requested, alive);
            tracks[at_track].hold(at, context, used);
        }
    }

    /// The facts of all hours before `before` that were not drained yet, by
    /// (slot, hour). Drain an hour when its samples are in: what comes after
    /// makes further facts, to be added to the first ones.
    pub fn drain(&mut self, before: Hour) -> Vec<HourFacts> {
        let until = millis(before.start()).max(self.drained.unwrap_or(i64::MIN));
        self.drained = Some(until);
        let mut facts = Vec::new();
        for tracks in self.pods.values_mut() {
            for track in tracks.iter_mut() {
                track.drain(until, self.reach_ms, &mut facts);
            }
            tracks.retain(|track| !track.is_empty());
        }
        self.pods.retain(|_, tracks| !tracks.is_empty());
        facts.sort_by(|a, b| (&a.slot, a.hour.hour).cmp(&(&b.slot, b.hour.hour)));
        facts
    }

    /// Samples held in memory.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pods.values().flatten().map(|track| track.held.len()).sum()
    }

    /// Samples refused because they came more than [`LATE_H`] hours after
    /// their hour was drained.
    #[must_use]
    pub fn too_late(&self) -> u64 {
        self.too_late
    }
}

fn millis(at: Instant) -> i64 {
    at.0.div_euclid(1_000)
}

impl Used {
    fn join(self, other: Used) -> Used {
        Used {
            cpu: self.cpu.max(other.cpu),
            memory: self.memory.max(other.memory),
            gpu: self.gpu.max(other.gpu),
        }
    }
}

impl Track {
    fn is_of(&self, slot: &Slot) -> bool {
        self.contexts.first().is_some_and(|context| {
            let own = &context.slot;
            (&own.node, &own.pod_uid, &own.container) == (&slot.node, &slot.pod_uid, &slot.container)
        })
    }

    fn is_empty(&self) -> bool {
        self.held.is_empty() && self.covered.is_empty()
    }

    /// The index of a context. The newest is asked first: it rarely changes,
    /// and then nothing is copied.
    fn context(&mut self, slot: &Slot, requested: Capacity, alive: Stretch) -> u32 {
        let known =
            |context: &Context| (context.requested, context.alive) == (requested, alive) && context.slot == *slot;
        let index = self.contexts.iter().rposition(known).unwrap_or_else(|| {
            // most tracks have one for life, and it is large
            self.contexts.reserve_exact(1);
            self.contexts.push(Context {
                slot: slot.clone(),
                requested,
                alive,
            });
            self.contexts.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    fn hold(&mut self, at: i64, context: u32, used: Option<Used>) {
        match self.held.binary_search_by_key(&at, |held| held.at) {
            Err(place) => self.held.insert(place, Held { at, context, used }),
            Ok(place) => {
                let held = self.held[place];
                let used = match (held.used, used) {
                    (Some(a), Some(b)) => Some(a.join(b)),
                    (a, b) => a.or(b),
                };
                let context = self.join(held.context, context);
                self.held[place] = Held { at, context, used };
            }
        }
    }

    /// What two reports of one instant agree on, in whatever order they come.
    fn join(&mut self, a: u32, b: u32) -> u32 {
        if a == b {
            return a;
        }
        let (a, b) = (&self.contexts[a as usize], &self.contexts[b as usize]);
        let slot = (&a.slot).max(&b.slot).clone();
        let requested = a.requested.max(b.requested);
        let alive = (a.alive.0.max(b.alive.0), a.alive.1.min(b.alive.1));
        self.context(&slot, requested, alive)
    }

    /// What the sample at `index` stands for, whatever was drained before.
    fn stretch(&self, index: usize, reach_ms: i64) -> Stretch {
        let held = self.held[index];
        let alive = self.contexts[held.context as usize].alive;
        let next = self
            .held
            .get(index + 1)
            .map_or(i64::MAX, |_| self.begin(index + 1, reach_ms));
        (
            self.begin(index, reach_ms).max(alive.0),
            next.min(held.at.saturating_add(reach_ms)).min(alive.1),
        )
    }

    /// When a sample begins to stand: at its instant, but the first of a life
    /// at the beginning of that life.
    fn begin(&self, index: usize, reach_ms: i64) -> i64 {
        let held = self.held[index];
        let born = self.contexts[held.context as usize].alive.0;
        let after_last = index.checked_sub(1).is_none_or(|last| self.held[last].at < born);
        if after_last && (held.at.saturating_sub(reach_ms)..held.at).contains(&born) {
            born
        } else {
            held.at
        }
    }

    fn drain(&mut self, until: i64, reach_ms: i64, facts: &mut Vec<HourFacts>) {
        let mut integrals: BTreeMap<(u32, i64), Integral> = BTreeMap::new();
        let mut stood = Vec::new();
        for (index, held) in self.held.iter().enumerate() {
            let (start, end) = self.stretch(index, reach_ms);
            let stretch = (start, end.min(until));
            for (from, to) in without(stretch, &self.covered) {
                stood.push((from, to));
                for (hour, ms) in hours(from, to) {
                    let requested = self.contexts[held.context as usize].requested;
                    let integral = integrals.entry((held.context, hour)).or_default();
                    integral.add(requested, held.used, ms);
                }
            }
        }
        self.facts(integrals, facts);
        self.forget(until, reach_ms, stood);
    }

    /// Contexts of one slot are one fact: it is truncated once per hour.
    fn facts(&self, integrals: BTreeMap<(u32, i64), Integral>, facts: &mut Vec<HourFacts>) {
        let mut by_slot: BTreeMap<(&Slot, i64), Integral> = BTreeMap::new();
        for ((context, hour), integral) in integrals {
            let slot = &self.contexts[context as usize].slot;
            by_slot.entry((slot, hour)).or_default().merge(&integral);
        }
        facts.extend(by_slot.into_iter().filter_map(|((slot, hour), integral)| {
            Some(integral.facts(slot.clone(), Hour(i32::try_from(hour).ok()?)))
        }));
    }

    /// Keeps what can still count: samples that reach beyond `until`, and what
    /// time has been counted.
    fn forget(&mut self, until: i64, reach_ms: i64, stood: Vec<Stretch>) {
        self.covered.extend(stood);
        self.covered.sort_unstable();
        self.covered.dedup_by(|next, last| {
            let joins = next.0 <= last.1;
            if joins {
                last.1 = last.1.max(next.1);
            }
            joins
        });
        let forgotten = until.saturating_sub(LATE_H * HOUR_MS);
        self.covered.retain(|stretch| stretch.1 > forgotten);
        let mut keep = self.held.partition_point(|held| held.at < until);
        if let Some(last) = keep.checked_sub(1)
            && self.stretch(last, reach_ms).1 > until
        {
            keep = last;
        }
        self.held.drain(..keep);
        let last_context = self.contexts.last().cloned();
        let mut contexts: Vec<Context> = Vec::new();
        for held in &mut self.held {
            let own = &self.contexts[held.context as usize];
            let index = contexts.iter().rposition(|known| known == own).unwrap_or_else(|| {
                contexts.reserve_exact(1);
                contexts.push(own.clone());
                contexts.len() - 1
            });
            held.context = u32::try_from(index).unwrap_or(u32::MAX);
        }
        if contexts.is_empty() {
            // the name of what is covered
            contexts.reserve_exact(1);
            contexts.extend(last_context);
        }
        self.contexts = contexts;
    }
}

/// A stretch less those covered, which are in order and apart.
fn without(stretch: Stretch, covered: &[Stretch]) -> Vec<Stretch> {
    let mut left = Vec::new();
    let mut from = stretch.0;
    let first = covered.partition_point(|c| c.1 <= stretch.0);
    for &(start, end) in &covered[first..] {
        if start >= stretch.1 {
            break;
        }
        if start > from {
            left.push((from, start));
        }
        from = from.max(end);
    }
    if from < stretch.1 {
        left.push((from, stretch.1));
    }
    left
}

/// A stretch cut at the hours: (hour, milliseconds in it).
fn hours(from: i64, to: i64) -> impl Iterator<Item = (i64, u64)> {
    let (first, last) = (from.div_euclid(HOUR_MS), (to - 1).div_euclid(HOUR_MS));
    (first..=last).map(move |hour| {
        let ms = to.min((hour + 1) * HOUR_MS) - from.max(hour * HOUR_MS);
        (hour, ms.unsigned_abs())
    })
}

impl Integral {
    fn add(&mut self, requested: Capacity, used: Option<Used>, ms: u64) {
        let requested = [requested.cpu_millicores, requested.memory_mib, requested.gpu_milli];
        let usage = used.map_or([0; 3], |used| [used.cpu, used.memory, used.gpu].map(u64::from));
        for resource in 0..3 {
            let over = |amount: u64| u128::from(amount) * u128::from(ms);
            self.requested[resource] += over(requested[resource]);
            self.used[resource] += over(usage[resource]);
            self.effective[resource] += over(requested[resource].max(usage[resource]));
        }
        self.stood_ms += ms;
        if let Some(used) = used {
            self.metered_ms += ms;
            self.profile.record(used.cpu, used.memory, ms);
        }
    }

    fn merge(&mut self, other: &Integral) {
        for resource in 0..3 {
            self.effective[resource] += other.effective[resource];
            self.requested[resource] += other.requested[resource];
            self.used[resource] += other.used[resource];
        }
        self.stood_ms += other.stood_ms;
        self.metered_ms += other.metered_ms;
        self.profile.merge(&other.profile);
    }

    fn facts(self, slot: Slot, hour: Hour) -> HourFacts {
        let seconds = |ms: u64| u32::try_from(ms / 1_000).unwrap_or(HOUR_S);
        HourFacts {
            slot,
            hour: SlotHour {
                hour,
                seconds: seconds(self.stood_ms),
                effective: truncated(self.effective),
                requested: truncated(self.requested),
                used: truncated(self.used),
            },
            metered_s: seconds(self.metered_ms),
            profile: self.profile,
        }
    }
}

/// Millicore-ms to core-ms, MiB-ms to MiB-s, thousandths of GPU-ms to GPU-ms.
fn truncated(integral: [u128; 3]) -> Measure {
    let [cpu_core_ms, memory_mib_s, gpu_ms] = integral.map(|amount| u64::try_from(amount / 1_000).unwrap_or(u64::MAX));
    Measure {
        cpu_core_ms,
        memory_mib_s,
        gpu_ms,
    }
}

/// What a pod holds beyond its containers at an instant (A26): the pod's own
/// effective request (largest init container, sidecars, overhead) above the
/// sum of what its containers hold. Sample it as the request of a slot of role
/// [`super::Role::PodOverhead`]; containers and overhead then add up to
/// max(pod request, sum of containers).
#[must_use]
pub fn pod_overhead_at(pod_requested: Capacity, containers: &[Capacity]) -> Capacity {
    let held = containers.iter().fold(Capacity::default(), |sum, held| sum.plus(held));
    pod_requested.less(&held)
}

/// As [`pod_overhead_at`], for sources that know whole hours only.
#[must_use]
pub fn pod_overhead(pod_requested: Measure, containers: &[Measure]) -> Measure {
    let held = containers.iter().fold(Measure::ZERO, |sum, held| sum.plus(*held));
    pod_requested.less(held)
}

mod resume;

#[cfg(test)]
mod tests;
