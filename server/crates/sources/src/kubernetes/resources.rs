//! What a cluster holds beside its nodes' time: volumes, load balancers, and
//! what sizing needs to know of containers. Everything is a function of the
//! versions of objects and when they were in force, not of the order in which
//! the watches brought them.

use super::balancers::Balancers;
use super::claims::Parent;
use super::history::{Histories, History};
use super::inventory::{Autoscaler, Balancer, Entry};
use super::objects::{OwnerFact, PodFact};
use super::pods::{Look, PodTrack, PodTracks};
use super::volumes::{Asked, Volumes, mount_of};
use super::world::{Change, Table, World};
use domain::instant::Instant;
use domain::tags::Tags;
use domain::usage::hourly::HourFacts;
use domain::usage::profile::UsageProfile;
use domain::usage::{BalancerDay, HOUR_S, Hour, SizingHour, SlotId, VolumeDay};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Kind, namespace and name of a workload.
type Workload = (String, String, String);

/// A pod, with kind and name of its top owner.
type Served<'a> = (&'a PodFact, (&'a str, &'a str));

/// Facts of some hours beside those of nodes and containers. A `VolumeDay` or
/// `BalancerDay` here may reach over several days.
#[derive(Debug, Default)]
pub struct ResourceFacts {
    /// Volumes, in order.
    pub volumes: Vec<VolumeDay>,
    /// Load balancers, in order.
    pub balancers: Vec<BalancerDay>,
    /// What is known for sizing, in order.
    pub sizing: Vec<(SlotId, Vec<SizingHour>)>,
}

/// What else has to be known of a cluster.
pub struct Around<'a> {
    /// Labels of its namespaces, by name.
    pub namespaces: HashMap<&'a str, &'a Tags>,
    /// Links of the owners' chain.
    pub parent: &'a Parent<'a>,
}

/// Follows a cluster's resources. They can be written down and read back: then
/// the first look tells what went in between.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Resources {
    /// From when on the cluster is known, and the first hour that is not told yet.
    begun: Option<(Instant, Hour)>,
    volumes: Volumes,
    balancers: Balancers,
    pods: PodTracks,
    workloads: Histories<Workload, OwnerFact>,
    autoscalers: Histories<String, Entry<Autoscaler>>,
}

impl Resources {
    /// Takes what happened since `last`, the last look at the cluster.
    pub fn follow(
        &mut self,
        world: &mut World,
        pods: &[(Instant, Change<PodFact>)],
        last: Option<Instant>,
        now: Instant,
    ) {
        let begins = last.unwrap_or(now);
        // at the first look everything may be old
        let last = last.filter(|_| self.begun.is_some());
        let (_, next) = *self.begun.get_or_insert((begins, Hour::of(begins)));
        let (volumes, balancers) = (&mut self.volumes, &mut self.balancers);
        follow(&mut volumes.volumes, &mut world.volumes, last, |entry| entry.created_at);
        follow(&mut volumes.claims, &mut world.claims, last, |entry| entry.created_at);
        follow(&mut balancers.services, &mut world.services, last, |entry| {
            entry.created_at
        });
        follow(&mut balancers.ingresses, &mut world.ingresses, last, |entry| {
            entry.created_at
        });
        follow(&mut self.autoscalers, &mut world.autoscalers, last, |_| None);
        self.follow_workloads(world, last);
        let look = Look { last, next };
        self.pods.follow(pods, look, &|owner| world.parent(owner));
        if let Some(last) = last {
            self.pods.miss(world.pods.live(), last);
        }
    }

    fn follow_workloads(&mut self, world: &mut World, last: Option<Instant>) {
        let mut synced = true;
        let mut there = Vec::new();
        for (kind, table) in [
            ("Deployment", &mut world.deployments),
            ("StatefulSet", &mut world.stateful_sets),
            ("DaemonSet", &mut world.daemon_sets),
        ] {
            let key = |fact: &OwnerFact| (kind.to_owned(), fact.namespace.clone(), fact.name.clone());
            self.workloads.follow(table.changes(), last, key, |_| None);
            synced &= table.synced;
            there.extend(table.live().values().map(|fact| key(fact)));
        }
        if let Some(last) = last.filter(|_| synced) {
            self.workloads.miss(there.into_iter(), last);
        }
    }

    /// The facts of the hours before `before` that were not drained yet;
    /// nothing is known from `until` on.
    pub fn drain(&mut self, before: Hour, until: Instant, world: &World, slots: &[HourFacts]) -> ResourceFacts {
        let around = Around {
            namespaces: world.namespace_labels(),
            parent: &|owner| world.parent(owner),
        };
        self.drain_in(before, until, &around, slots)
    }

    /// The same without a cluster to look at.
    pub fn drain_in(
        &mut self,
        before: Hour,
        until: Instant,
        around: &Around<'_>,
        slots: &[HourFacts],
    ) -> ResourceFacts {
        let Some((begun, next)) = self.begun else {
            return ResourceFacts::default();
        };
        let before = before.max(next);
        let asked = Asked {
            hours: next.0..before.0,
            until,
            begun,
        };
        self.pods.find_tops(around.parent);
        let facts = ResourceFacts {
            volumes: self.volumes(&asked, &around.namespaces),
            balancers: self.balancers(&asked, &around.namespaces),
            sizing: self.sizing(&asked, slots),
        };
        self.begun = Some((begun, before));
        self.forget(before.start());
        facts
    }

    /// Says of container hours that are not told yet which services led to
    /// their pods within the hour, and what annotations the pods have.
    pub fn name_services(&self, slots: &mut [HourFacts]) {
        type Named<'t> = (&'t str, &'t History<Entry<Balancer>>);
        let mut services: HashMap<&str, Vec<Named<'_>>> = HashMap::new();
        for history in self.balancers.services.values() {
            if let Some(service) = history.newest() {
                let of = services.entry(&service.namespace).or_default();
                of.push((&service.name, history));
            }
        }
        services.values_mut().for_each(|of| of.sort_by_key(|(name, _)| *name));
        let mut known: HashMap<(String, Hour), Vec<String>> = HashMap::new();
        for facts in slots {
            let Some(pod) = self.pods.get(&facts.slot.pod_uid).and_then(PodTrack::pod) else {
                continue;
            };
            let hour = facts.hour.hour;
            let names = known.entry((facts.slot.pod_uid.clone(), hour)).or_insert_with(|| {
                let (from, to) = (hour.start(), Hour(hour.0 + 1).start());
                let leads = |history: &History<Entry<Balancer>>| {
                    let mut versions = history.within(from, to);
                    versions.any(|(_, _, service)| pod.is_selected(&service.what.selector))
                };
                let of = services.get(pod.namespace.as_str()).into_iter().flatten();
                let mut names: Vec<String> = of
                    .filter(|(_, history)| leads(history))
                    .map(|(name, _)| (*name).to_owned())
                    .collect();
                // one that was deleted and made again
                names.dedup();
                names
            });
            facts.slot.services.clone_from(names);
            facts.slot.annotations.clone_from(&pod.annotations);
        }
    }

    fn volumes(&self, asked: &Asked, namespaces: &HashMap<&str, &Tags>) -> Vec<VolumeDay> {
        let mounts = self.pods.values().filter_map(|track| {
            let pod = track.pod().filter(|pod| !pod.claims.is_empty())?;
            let (start, end) = track.bound()?;
            let namespace = namespaces.get(pod.namespace.as_str()).copied();
            Some((pod.clone(), mount_of(track, pod, namespace), start, end))
        });
        self.volumes.facts(asked, mounts.collect())
    }

    fn balancers(&self, asked: &Asked, namespaces: &HashMap<&str, &Tags>) -> Vec<BalancerDay> {
        let mut by_namespace: HashMap<&str, Vec<Served<'_>>> = HashMap::new();
        for track in self.pods.values() {
            if let (Some(pod), Some(top)) = (track.pod(), track.top()) {
                by_namespace.entry(&pod.namespace).or_default().push((pod, top));
            }
        }
        let served_by = |namespace: &str, selector: &Tags| {
            let pods = by_namespace.get(namespace)?;
            let tops = pods
                .iter()
                .filter(|(pod, _)| pod.is_selected(selector))
                .map(|(_, top)| *top);
            tops.min().map(|(kind, name)| (kind.to_owned(), name.to_owned()))
        };
        let labels_of = |namespace: &str| namespaces.get(namespace).map(|labels| (*labels).clone());
        self.balancers.facts(asked, &served_by, &labels_of)
    }

    /// Facts of one hour of one container that come apart, as when a label
    /// changes, are one for sizing.
    fn sizing(&self, asked: &Asked, slots: &[HourFacts]) -> Vec<(SlotId, Vec<SizingHour>)> {
        let mut targets: HashMap<Workload, &History<Entry<Autoscaler>>> = HashMap::new();
        for history in self.autoscalers.values() {
            if let Some(scaler) = history.newest() {
                let what = &scaler.what;
                let target = (what.target_kind.clone(), scaler.namespace.clone(), what.target.clone());
                targets.insert(target, history);
            }
        }
        let mut facts: BTreeMap<SlotId, Vec<SizingHour>> = BTreeMap::new();
        for slot in slots.iter().filter(|slot| !slot.slot.container.is_empty()) {
            let hours = facts.entry(slot.slot.id()).or_default();
            // kept as bytes: a sketch in memory is twenty times as large
            let at = hours.iter().position(|known| known.hour == slot.hour.hour);
            let sizing = match at.map(|at| hours.swap_remove(at)) {
                Some(known) => together(&known, slot),
                None => SizingHour::of(slot.hour.hour, slot.metered_s, &slot.profile),
            };
            hours.reserve_exact(1);
            hours.push(self.known(asked, slot, &targets, sizing));
        }
        facts.values_mut().for_each(|hours| hours.sort());
        facts.into_iter().collect()
    }

    fn known(
        &self,
        asked: &Asked,
        facts: &HourFacts,
        targets: &HashMap<Workload, &History<Entry<Autoscaler>>>,
        sizing: SizingHour,
    ) -> SizingHour {
        let (slot, hour) = (&facts.slot, facts.hour.hour);
        let (from, to) = (hour.start(), Hour(hour.0 + 1).start().min(asked.until));
        let track = self.pods.get(&slot.pod_uid);
        let container = track.and_then(|track| track.container(&slot.container, from, to));
        let limit = |amount: u64| Some(amount).filter(|amount| *amount > 0);
        let mishaps = track.map(|track| track.mishaps(hour, &slot.container));
        let workload = (
            slot.workload_kind.clone(),
            slot.namespace.clone(),
            slot.workload.clone(),
        );
        let owner = self.workloads.get(&workload).into_iter();
        let wanted = owner
            .flat_map(|history| history.within(from, to))
            .filter_map(|(_, _, owner)| owner.replicas);
        let scaled = targets.get(&workload).into_iter();
        let scaled = scaled
            .flat_map(|history| history.within(from, to))
            .map(|(_, _, scaler)| scaler.what.desired_replicas);
        SizingHour {
            cpu_limit_millicores: container.and_then(|container| limit(container.limit.cpu_millicores)),
            memory_limit_mib: container.and_then(|container| limit(container.limit.memory_mib)),
            oom_kills: mishaps.map(|mishaps| mishaps.oom_kills),
            restarts: mishaps.map(|mishaps| mishaps.restarts),
            replicas: wanted.max().or(scaled.max()),
            ..sizing
        }
    }

    /// Drops what was over before an instant.
    fn forget(&mut self, before: Instant) {
        self.volumes.forget(before);
        self.balancers.forget(before);
        self.workloads.forget(before);
        self.autoscalers.forget(before);
        self.pods.forget(before);
    }
}

/// Takes what happened to the objects of a kind.
fn follow<T: PartialEq>(
    histories: &mut Histories<String, Entry<T>>,
    table: &mut Table<Entry<T>>,
    last: Option<Instant>,
    created: fn(&Entry<T>) -> Option<Instant>,
) {
    histories.follow(table.changes(), last, |entry| entry.uid.clone(), created);
    // while a kind cannot be listed what was known of it stands
    if let Some(last) = last.filter(|_| table.synced) {
        histories.miss(table.live().values().map(|entry| entry.uid.clone()), last);
    }
}

/// Drops the profiles of facts whose sizing is told: sketches are large, and
/// there is one for every container.
pub fn drop_profiles(slots: &mut [HourFacts]) {
    slots.iter_mut().for_each(|slot| slot.profile = UsageProfile::default());
}

/// What was known of an hour, and more of the same.
fn together(known: &SizingHour, more: &HourFacts) -> SizingHour {
    // these bytes were made here: they can be read
    let mut profile = UsageProfile::from_bytes(&known.profile).unwrap_or_default();
    profile.merge(&more.profile);
    SizingHour::of(known.hour, (known.metered_s + more.metered_s).min(HOUR_S), &profile)
}

#[cfg(test)]
mod tests;
