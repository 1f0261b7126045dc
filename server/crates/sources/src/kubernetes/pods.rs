//! Pods over time, for what the hourly integrals do not tell: limits, restarts
//! and kills of their containers, and how long they had their volumes.

use super::claims::{Parent, top_of};
use super::history::{History, began};
use super::objects::{ContainerFact, Phase, PodFact};
use super::world::Change;
use domain::instant::Instant;
use domain::usage::Hour;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What happened to a container in an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mishaps {
    /// Times it was started again.
    pub restarts: u32,
    /// Times it was killed for want of memory.
    pub oom_kills: u32,
}

/// A pod over time.
#[derive(Debug)]
pub struct PodTrack {
    /// Versions that differ in their limits.
    versions: History<PodFact>,
    /// Since when it is bound.
    start: Option<Instant>,
    end: Option<Instant>,
    top: Option<(Arc<str>, Arc<str>)>,
    /// By hour and container; most have none.
    mishaps: BTreeMap<(Hour, Box<str>), Mishaps>,
}

impl PodTrack {
    /// Kind and name of its top owner.
    pub fn top(&self) -> Option<(&str, &str)> {
        self.top.as_ref().map(|(kind, name)| (&**kind, &**name))
    }

    /// As it was last.
    pub fn pod(&self) -> Option<&Arc<PodFact>> {
        self.versions.newest()
    }

    /// From its binding to its end, where it was bound.
    pub fn bound(&self) -> Option<(Instant, Instant)> {
        let start = self.start?;
        Some((start, self.end.unwrap_or(Instant(i64::MAX))))
    }

    /// A container as it was at the end of a stretch.
    pub fn container(&self, name: &str, from: Instant, to: Instant) -> Option<&ContainerFact> {
        let (_, _, pod) = self.versions.within(from, to).last()?;
        pod.containers.iter().find(|container| container.name == name)
    }

    /// What happened to a container in an hour.
    pub fn mishaps(&self, hour: Hour, container: &str) -> Mishaps {
        let key = (hour, Box::from(container));
        self.mishaps.get(&key).copied().unwrap_or_default()
    }

    /// Looks up its top owner again: owners may be heard of later than pods.
    pub fn find_top(&mut self, parent: &Parent<'_>) {
        if let Some(pod) = self.versions.newest() {
            self.top = top_of(pod, self.top.take(), parent);
        }
    }
}

/// Pods by UID.
#[derive(Debug, Default)]
pub struct PodTracks(HashMap<Arc<str>, PodTrack>);

/// What a look at the cluster is measured by.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The one before.
    pub last: Option<Instant>,
    /// The first hour that is not told yet.
    pub next: Hour,
}

impl PodTracks {
    /// Takes what happened to the pods.
    pub fn follow(&mut self, changes: &[(Instant, Change<PodFact>)], look: Look, parent: &Parent<'_>) {
        for (at, change) in changes {
            match change {
                Change::Applied(pod) => self.apply(pod, *at, look, parent),
                Change::Removed { last, lost } => {
                    // the last state may be news itself
                    self.apply(last, *at, look, parent);
                    if let Some(track) = self.0.get_mut(&last.uid) {
                        let seen = if *lost { look.last.unwrap_or(*at).min(*at) } else { *at };
                        let finished = last.finished_at.filter(|_| last.deletion_at.is_some());
                        track.end.get_or_insert(finished.unwrap_or(seen).min(seen));
                        track.versions.turn(seen, None);
                    }
                }
            }
        }
    }

    fn apply(&mut self, pod: &Arc<PodFact>, at: Instant, look: Look, parent: &Parent<'_>) {
        let new = !self.0.contains_key(&pod.uid);
        let track = self.0.entry(pod.uid.clone()).or_insert_with(|| PodTrack {
            versions: History::new(began(pod.created_at, at, look.last), pod.clone()),
            start: None,
            end: None,
            top: None,
            mishaps: BTreeMap::new(),
        });
        // counts of a pod that was there before anybody looked are not of these hours
        if !new || look.last.is_some() {
            let before = track.versions.newest().filter(|_| !new).cloned();
            track.note(before.as_deref(), pod, at, look);
        }
        let limits = |pod: &PodFact| -> Vec<_> { pod.containers.iter().map(|c| c.limit.clone()).collect() };
        match track.versions.newest() {
            Some(known) if limits(known) == limits(pod) => track.versions.renew(pod.clone()),
            _ => track.versions.turn(at, Some(pod.clone())),
        }
        if pod.node.is_some() && track.start.is_none() {
            track.start = Some(began(pod.starts_at(), at, look.last));
        }
        if pod.phase == Phase::Ended {
            track.end.get_or_insert(pod.finished_at.unwrap_or(at).min(at));
        }
        track.top = top_of(pod, track.top.take(), parent);
    }

    /// The track of a pod.
    pub fn get(&self, uid: &str) -> Option<&PodTrack> {
        self.0.get(uid)
    }

    /// All of them, in no order.
    pub fn values(&self) -> impl Iterator<Item = &PodTrack> {
        self.0.values()
    }

    /// Looks up the top owners again.
    pub fn find_tops(&mut self, parent: &Parent<'_>) {
        self.0.values_mut().for_each(|track| track.find_top(parent));
    }

    /// Drops what was over before an instant.
    pub fn forget(&mut self, before: Instant) {
        let hour = Hour::of(before);
        self.0.retain(|_, track| {
            track.versions.forget(before);
            track.mishaps.retain(|(at, _), _| *at >= hour);
            !track.versions.is_over(before)
        });
    }
}

impl PodTrack {
    /// Notes what happened between two versions. What became known too late
    /// for its hour counts in the first that is not told yet.
    fn note(&mut self, before: Option<&PodFact>, pod: &PodFact, at: Instant, look: Look) {
        for container in &pod.containers {
            let known = before.and_then(|pod| pod.containers.iter().find(|known| known.name == container.name));
            let risen = container
                .restarts
                .saturating_sub(known.map_or(0, |known| known.restarts));
            let killed = container
                .oom_at
                .filter(|killed| known.and_then(|known| known.oom_at).is_none_or(|known| known < *killed));
            let earliest = look.last.unwrap_or(at).min(at);
            let hour = |when: Instant| Hour::of(when.clamp(earliest, at)).max(look.next);
            if risen > 0 {
                let when = container.started_at.unwrap_or(at);
                self.mishap(hour(when), &container.name).restarts += risen;
            }
            if let Some(killed) = killed {
                self.mishap(hour(killed), &container.name).oom_kills += 1;
            }
        }
    }

    fn mishap(&mut self, hour: Hour, container: &str) -> &mut Mishaps {
        self.mishaps.entry((hour, container.into())).or_default()
    }
}
