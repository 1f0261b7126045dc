//! Volumes by hour: whose they were, how large, and which pods had them (A31).

use super::history::{Histories, whole_seconds};
use super::inventory::{Claim, Entry, Volume};
use super::objects::PodFact;
use super::pods::PodTrack;
use domain::instant::Instant;
use domain::tags::Tags;
use domain::usage::{self, Hour, Mount, MountHour, VolumeDay, VolumeHour};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// Volume id, namespace and claim.
type Key = (String, String, String);

/// What is known of volumes and claims over time.
#[derive(Debug, Default)]
pub struct Volumes {
    /// By UID.
    pub volumes: Histories<String, Entry<Volume>>,
    /// By UID.
    pub claims: Histories<String, Entry<Claim>>,
}

/// A stretch of hours that is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Hours since the epoch.
    pub hours: Range<i32>,
    /// Nothing is known from here on.
    pub until: Instant,
    /// From when on the cluster is known.
    pub begun: Instant,
}

impl Asked {
    /// Each hour with its stretch.
    pub fn stretches(&self) -> impl Iterator<Item = (Hour, Instant, Instant)> + '_ {
        let all = self.hours.clone().map(Hour);
        all.map(|hour| (hour, hour.start(), Hour(hour.0 + 1).start().min(self.until)))
            .filter(|(_, from, to)| from < to)
    }
}

/// What a volume's id on the bill is: an access point of a file system is
/// billed as the file system.
fn volume_id(entry: &Entry<Volume>) -> String {
    let volume = &entry.what;
    let handle = match volume.driver.as_str() {
        "efs.csi.aws.com" => volume.handle.split(':').next().unwrap_or_default(),
        _ => volume.handle.as_str(),
    };
    if handle.is_empty() { &entry.name } else { handle }.to_owned()
}

fn key(entry: &Entry<Volume>) -> Key {
    let (namespace, claim) = entry.what.claim.clone().unwrap_or_default();
    (volume_id(entry), namespace, claim)
}

impl Volumes {
    /// The volumes that existed in some hours, in order.
    pub fn facts(&self, asked: &Asked, mounts: Vec<(Arc<PodFact>, Mount, Instant, Instant)>) -> Vec<VolumeDay> {
        let mut days: BTreeMap<Key, VolumeDay> = BTreeMap::new();
        for history in self.volumes.values() {
            for (hour, from, to) in asked.stretches() {
                let mut held: BTreeMap<Key, (i64, u64, &Arc<Entry<Volume>>)> = BTreeMap::new();
                for (from, to, entry) in history.within(from, to) {
                    let of = held.entry(key(entry)).or_insert((0, 0, entry));
                    *of = (of.0 + (to.0 - from.0), entry.what.size_mib, entry);
                }
                for (key, (us, capacity_mib, entry)) in held {
                    let day = days.entry(key).or_default();
                    day.volume = self.volume(entry, asked);
                    let fact = VolumeHour {
                        hour,
                        seconds: whole_seconds(us),
                        capacity_mib,
                        used_mib_s: None,
                    };
                    // two objects for one disk are one volume
                    match day.hours.iter_mut().find(|known| known.hour == hour) {
                        Some(known) => *known = fact.max(*known),
                        None => day.hours.push(fact),
                    }
                }
            }
        }
        self.mounted(asked, mounts, &mut days);
        let mut days: Vec<VolumeDay> = days.into_values().collect();
        for day in &mut days {
            day.hours.sort();
        }
        days.sort_by(|a, b| a.volume.cmp(&b.volume));
        days
    }

    fn volume(&self, entry: &Entry<Volume>, asked: &Asked) -> usage::Volume {
        let (volume_id, namespace, claim) = key(entry);
        let claimed = self.claim_of(entry);
        let class = [&entry.what.class]
            .into_iter()
            .chain(claimed.map(|claim| &claim.what.class))
            .find(|class| !class.is_empty());
        let released = matches!(entry.what.phase.as_str(), "Released" | "Failed");
        usage::Volume {
            volume_id,
            namespace,
            claim,
            claim_uid: claimed.map_or_else(|| entry.what.claim_uid.clone(), |claim| claim.uid.clone()),
            name: entry.name.clone(),
            storage_class: class.cloned().unwrap_or_default(),
            labels: claimed.map(|claim| claim.labels.clone()).unwrap_or_default(),
            provisioned: entry.created_at,
            // a server that does not say when: it was so when it was first seen
            claim_deleted: released.then(|| entry.what.phase_since.unwrap_or(asked.begun)),
        }
    }

    /// The claim that has, or last had, a volume. One that was reserved for a
    /// claim by name does not know its UID until they are bound.
    fn claim_of(&self, entry: &Entry<Volume>) -> Option<&Arc<Entry<Claim>>> {
        let what = &entry.what;
        if !what.claim_uid.is_empty() {
            return self.claims.get(&what.claim_uid)?.newest();
        }
        let (namespace, name) = what.claim.as_ref()?;
        let mut all = self.claims.values().filter_map(|history| history.newest());
        all.find(|claim| (&claim.namespace, &claim.name, &claim.what.volume) == (namespace, name, &entry.name))
    }

    /// Gives the pods' mounts to the volumes that had their claims.
    fn mounted(
        &self,
        asked: &Asked,
        mounts: Vec<(Arc<PodFact>, Mount, Instant, Instant)>,
        days: &mut BTreeMap<Key, VolumeDay>,
    ) {
        type ByMount = BTreeMap<Mount, BTreeMap<Hour, MountHour>>;
        let mut found: BTreeMap<Key, ByMount> = BTreeMap::new();
        let stretches: Vec<_> = asked.stretches().collect();
        let owners: Vec<_> = stretches
            .iter()
            .map(|(_, from, to)| self.by_claim(*from, *to))
            .collect();
        for (pod, mount, start, end) in mounts {
            for ((hour, from, to), owners) in stretches.iter().zip(&owners) {
                let seconds = whole_seconds(end.min(*to).0.saturating_sub(start.max(*from).0).max(0));
                for claim in &pod.claims {
                    let volume = owners.get(&(pod.namespace.as_str(), &**claim)).filter(|_| seconds > 0);
                    let Some(volume) = volume else { continue };
                    let fact = MountHour {
                        hour: *hour,
                        seconds,
                        used_mib_s: None,
                    };
                    let hours = found.entry(key(volume)).or_default().entry(mount.clone()).or_default();
                    hours.insert(*hour, fact);
                }
            }
        }
        for (key, mounts) in found {
            if let Some(day) = days.get_mut(&key) {
                day.mounts = mounts
                    .into_iter()
                    .map(|(mount, hours)| (mount, hours.into_values().collect()))
                    .collect();
            }
        }
    }

    /// The volume of each claim in a stretch: one that is bound before one
    /// that an earlier claim of that name left behind, the newest first.
    fn by_claim(&self, from: Instant, to: Instant) -> HashMap<(&str, &str), &Arc<Entry<Volume>>> {
        let mut owners: HashMap<(&str, &str), &Arc<Entry<Volume>>> = HashMap::new();
        let rank = |entry: &Entry<Volume>| {
            let bound = entry.what.phase == "Bound";
            (bound, entry.created_at, entry.uid.clone())
        };
        for (_, _, entry) in self.volumes.values().flat_map(|history| history.within(from, to)) {
            let Some((namespace, claim)) = &entry.what.claim else {
                continue;
            };
            let owner = owners.entry((namespace, claim)).or_insert(entry);
            if rank(owner) < rank(entry) {
                *owner = entry;
            }
        }
        owners
    }

    /// Drops what was over before an instant.
    pub fn forget(&mut self, before: Instant) {
        self.volumes.forget(before);
        self.claims.forget(before);
    }
}

/// Who mounts, as the facts name it.
pub fn mount_of(track: &PodTrack, pod: &PodFact, namespace: Option<&Tags>) -> Mount {
    let (kind, name) = track.top().unwrap_or_default();
    let mut labels = namespace.cloned().unwrap_or_default();
    labels.extend(pod.labels.clone());
    Mount {
        namespace: pod.namespace.clone(),
        pod_uid: pod.uid.to_string(),
        pod: pod.name.clone(),
        workload_kind: kind.to_owned(),
        workload: name.to_owned(),
        labels,
    }
}
