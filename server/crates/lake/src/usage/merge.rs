//! Two sets of facts about one cluster and day become one. The rule does not
//! know which came first: of two facts about the same hour the better observed
//! one stays, then the larger. So late and repeated data converge.

use domain::usage::{
    BackendHour, BalancerDay, BalancerHour, ClusterDay, Measure, MountHour, NodeHour, SizingHour, SlotHour, VolumeDay,
    VolumeHour,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What a merge met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Facts that were there twice with other values.
    pub conflicts: u64,
    /// Facts that were there twice, alike.
    pub repeated: u64,
    /// By how much the effective requests of the conflicting slot hours differ.
    pub differing: Measure,
    /// By how many seconds the other conflicting facts differ.
    pub differing_s: u64,
}

impl Merged {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Merged) -> Merged {
        Merged {
            conflicts: self.conflicts + other.conflicts,
            repeated: self.repeated + other.repeated,
            differing: self.differing.plus(other.differing),
            differing_s: self.differing_s + other.differing_s,
        }
    }
}

/// Merges `other` into `day`; the result is in canonical order. Metadata that
/// differs for one node, container, volume or load balancer of a day is the larger one.
pub fn merge(day: &mut ClusterDay, other: ClusterDay) -> Merged {
    let mut merged = Merged::default();
    day.nodes = each_once(
        std::mem::take(&mut day.nodes).into_iter().chain(other.nodes),
        |a, b| (&a.name, &a.provider_id) == (&b.name, &b.provider_id),
        &mut merged,
    );
    day.slots = each_once(
        std::mem::take(&mut day.slots).into_iter().chain(other.slots),
        |a, b| (&a.node, &a.pod_uid, &a.container) == (&b.node, &b.pod_uid, &b.container),
        &mut merged,
    );
    let volumes = std::mem::take(&mut day.volumes).into_iter().chain(other.volumes);
    day.volumes = volumes_once(volumes, &mut merged);
    let balancers = std::mem::take(&mut day.balancers).into_iter().chain(other.balancers);
    day.balancers = balancers_once(balancers, &mut merged);
    // two sources that know different things of an hour do not contradict each other
    let sizing = std::mem::take(&mut day.sizing).into_iter().chain(other.sizing);
    day.sizing = each_once(sizing, PartialEq::eq, &mut Merged::default());
    merged
}

fn volumes_once(volumes: impl Iterator<Item = VolumeDay>, merged: &mut Merged) -> Vec<VolumeDay> {
    let keyed = volumes.map(|day| (day.volume, (day.hours, day.mounts)));
    let once = subjects(
        keyed,
        |a, b| (&a.volume_id, &a.namespace, &a.claim) == (&b.volume_id, &b.namespace, &b.claim),
        |known, more| {
            known.0.extend(more.0);
            known.1.extend(more.1);
        },
    );
    let day = |(volume, (hours, mounts)): (_, (Vec<VolumeHour>, Vec<_>))| VolumeDay {
        volume,
        hours: hours_once(hours, merged),
        mounts: each_once(
            mounts.into_iter(),
            |a, b| (&a.namespace, &a.pod_uid) == (&b.namespace, &b.pod_uid),
            merged,
        ),
    };
    once.into_iter().map(day).collect()
}

fn balancers_once(balancers: impl Iterator<Item = BalancerDay>, merged: &mut Merged) -> Vec<BalancerDay> {
    let keyed = balancers.map(|day| (day.balancer, (day.hours, day.backends)));
    let once = subjects(
        keyed,
        |a, b| a.balancer_id == b.balancer_id,
        |known, more| {
            known.0.extend(more.0);
            known.1.extend(more.1);
        },
    );
    let day = |(balancer, (hours, backends)): (_, (Vec<BalancerHour>, Vec<_>))| BalancerDay {
        balancer,
        hours: hours_once(hours, merged),
        backends: each_once(
            backends.into_iter(),
            |a, b| (&a.namespace, &a.service) == (&b.namespace, &b.service),
            merged,
        ),
    };
    once.into_iter().map(day).collect()
}

fn each_once<K: Ord, F: Fact>(
    all: impl Iterator<Item = (K, Vec<F>)>,
    same: fn(&K, &K) -> bool,
    merged: &mut Merged,
) -> Vec<(K, Vec<F>)> {
    let once = subjects(all, same, Vec::extend);
    once.into_iter()
        .map(|(key, hours)| (key, hours_once(hours, merged)))
        .collect()
}

/// Each subject once, in order, with all that is said of it. `same` tells
/// whether two keys, neighbours in order, are the same subject.
fn subjects<K: Ord, V>(
    all: impl Iterator<Item = (K, V)>,
    same: fn(&K, &K) -> bool,
    absorb: fn(&mut V, V),
) -> Vec<(K, V)> {
    let mut all: Vec<(K, V)> = all.collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut once: Vec<(K, V)> = Vec::with_capacity(all.len());
    for (key, value) in all {
        match once.last_mut() {
            Some((known, kept)) if same(known, &key) => {
                *known = key;
                absorb(kept, value);
            }
            _ => once.push((key, value)),
        }
    }
    once
}

/// Each hour once, in order.
fn hours_once<F: Fact>(hours: Vec<F>, merged: &mut Merged) -> Vec<F> {
    let mut kept: BTreeMap<i32, F> = BTreeMap::new();
    for hour in hours {
        match kept.entry(hour.hour()) {
            Entry::Vacant(free) => {
                free.insert(hour);
            }
            Entry::Occupied(known) if *known.get() == hour => merged.repeated += 1,
            Entry::Occupied(mut known) => {
                merged.conflicts += 1;
                known.get().differ(&hour, merged);
                let better = known.get().better(&hour);
                known.insert(better);
            }
        }
    }
    kept.into_values().collect()
}

/// A fact about an hour.
trait Fact: PartialEq {
    /// Hours since the epoch.
    fn hour(&self) -> i32;

    /// What two facts about one hour come to; the same whichever comes first,
    /// and whatever they came to before.
    fn better(&self, other: &Self) -> Self;

    /// Adds up by how much they differ.
    fn differ(&self, other: &Self, merged: &mut Merged);
}

/// A fact that stays or goes as a whole: what is ranked higher stays.
macro_rules! ranked {
    ($fact:ty, |$hour:ident| $rank:expr, |$seconds:ident| $counted:expr) => {
        impl Fact for $fact {
            fn hour(&self) -> i32 {
                self.hour.0
            }

            fn better(&self, other: &Self) -> Self {
                let rank = |$hour: &$fact| $rank;
                if rank(other) > rank(self) { *other } else { *self }
            }

            fn differ(&self, other: &Self, merged: &mut Merged) {
                let counted = |$seconds: &$fact| u64::from($counted);
                merged.differing_s += counted(self).abs_diff(counted(other));
            }
        }
    };
}

ranked!(
    NodeHour,
    |hour| (hour.observed_s, hour.ready_s, hour.capacity, hour.allocatable),
    |hour| hour.observed_s.max(hour.ready_s)
);
ranked!(
    VolumeHour,
    |hour| (hour.seconds, hour.used_mib_s, hour.capacity_mib),
    |hour| hour.seconds
);
ranked!(MountHour, |hour| (hour.seconds, hour.used_mib_s), |hour| hour.seconds);
ranked!(BalancerHour, |hour| hour.seconds, |hour| hour.seconds);
ranked!(
    BackendHour,
    |hour| {
        let measured = u8::from(hour.requests.is_some()) + u8::from(hour.bytes.is_some());
        (measured, hour.requests, hour.bytes, hour.hosts)
    },
    |_hour| 0u32
);

impl Fact for SlotHour {
    fn hour(&self) -> i32 {
        self.hour.0
    }

    fn better(&self, other: &SlotHour) -> SlotHour {
        let rank = |hour: &SlotHour| (hour.seconds, hour.effective, hour.requested, hour.used);
        if rank(other) > rank(self) { *other } else { *self }
    }

    fn differ(&self, other: &SlotHour, merged: &mut Merged) {
        let (one, two) = (self.effective, other.effective);
        merged.differing = merged.differing.plus(one.less(two)).plus(two.less(one));
    }
}

/// What one source measured stays together; what only one of them knows is kept.
impl Fact for SizingHour {
    fn hour(&self) -> i32 {
        self.hour.0
    }

    fn better(&self, other: &SizingHour) -> SizingHour {
        let usage = |hour: &SizingHour| (hour.metered_s, hour.cpu, hour.memory_peak_mib, hour.profile.clone());
        let (metered_s, cpu, memory_peak_mib, profile) = usage(self).max(usage(other));
        SizingHour {
            hour: self.hour,
            metered_s,
            cpu,
            memory_peak_mib,
            profile,
            cpu_limit_millicores: self.cpu_limit_millicores.max(other.cpu_limit_millicores),
            memory_limit_mib: self.memory_limit_mib.max(other.memory_limit_mib),
            throttling: self.throttling.max(other.throttling),
            oom_kills: self.oom_kills.max(other.oom_kills),
            restarts: self.restarts.max(other.restarts),
            replicas: self.replicas.max(other.replicas),
        }
    }

    fn differ(&self, _: &SizingHour, _: &mut Merged) {}
}

#[cfg(test)]
mod tests;
