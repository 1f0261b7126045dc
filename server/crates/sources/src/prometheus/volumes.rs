//! Volumes by hour out of kube-state-metrics, and the bytes in them as kubelets
//! tell (A31). A volume lives through silences of all scrapes: nobody sees it go.

use super::answer::{Labels, Series};
use super::client::Client;
use super::error::PrometheusError;
use super::fetch::{Scope, Unreadable, selector};
use super::nodes::{SILENCE_MS, mib, window};
use super::pods::Mounted;
use super::series::{Scrapes, Timeline, label};
use super::spans::{Presence, Stretch, covered_ms, through_silences, union};
use domain::Finding;
use domain::instant::Instant;
use domain::tags::Tags;
use domain::usage::{HOUR_S, Hour, Mount, MountHour, Volume, VolumeDay, VolumeHour};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// How far back the beginning of a phase is looked for.
const PHASE_BACK: &str = "32d:1h";

/// Namespace and name of a claim; both empty for none.
type ClaimName = (String, String);

/// What the series of a window say about volumes and claims.
#[derive(Debug, Default)]
pub(crate) struct Volumes {
    scrapes: Scrapes,
    /// By name.
    volumes: BTreeMap<String, Seen>,
    claims: BTreeMap<ClaimName, Claim>,
    /// Bytes times milliseconds, by claim and hour.
    used: BTreeMap<(ClaimName, i32), u128>,
    /// Since when a volume is released, milliseconds: the first full hour that showed it.
    released: BTreeMap<String, i64>,
}

#[derive(Debug, Default)]
struct Seen {
    presence: Presence,
    id: String,
    class: String,
    claimed: BTreeMap<ClaimName, Presence>,
    capacity: Timeline<i64>,
    created: Option<i64>,
    released: Presence,
}

#[derive(Debug, Default)]
struct Claim {
    presence: Presence,
    volume: String,
    class: String,
    requested: Timeline<i64>,
    labels: Timeline<Tags>,
}

/// What the bill calls a volume; its name where the series do not tell.
fn volume_id(labels: &Labels) -> String {
    let handle = label(labels, "csi_volume_handle");
    // an access point of a file system is billed as the file system
    let handle = match label(labels, "csi_driver") {
        "efs.csi.aws.com" => handle.split(':').next().unwrap_or_default(),
        _ => handle,
    };
    let others = [
        "ebs_volume_id",
        "gce_persistent_disk_name",
        "azure_disk_name",
        "persistentvolume",
    ];
    let others = others.iter().map(|name| label(labels, name));
    let mut known = [handle].into_iter().chain(others).filter(|id| !id.is_empty());
    known.next().unwrap_or_default().to_owned()
}

/// Everything about the volumes.
pub(crate) async fn fetch_volumes(
    scope: &Scope<'_>,
    hours: &Range<i32>,
    around: Stretch,
    findings: &mut Vec<Finding>,
) -> Result<Volumes, PrometheusError> {
    let mut volumes = Volumes::default();
    let mut unreadable = Unreadable::default();
    let released: &[(&str, &str, &str)] = &[("phase", "=~", "Released|Failed")];
    for (metric, own) in [
        ("kube_persistentvolume_info", &[][..]),
        ("kube_persistentvolume_claim_ref", &[]),
        ("kube_persistentvolume_capacity_bytes", &[]),
        ("kube_persistentvolume_created", &[]),
        ("kube_persistentvolume_status_phase", released),
        ("kube_persistentvolumeclaim_info", &[]),
        ("kube_persistentvolumeclaim_resource_requests_storage_bytes", &[]),
        ("kube_persistentvolumeclaim_labels", &[]),
    ] {
        let query = selector(metric, own, scope.matchers);
        let each = |series: Series| {
            unreadable.count(metric, &series);
            volumes.see(metric, &series, scope);
        };
        scope.client.samples(&query, around, 0, findings, each).await?;
    }
    let reach = scope.rules.reach_ms;
    for hour in hours.clone().map(Hour) {
        // hour by hour: these change with every scrape, so they stay as large as they are
        let (from, to) = window(hour);
        let metric = "kubelet_volume_stats_used_bytes";
        let mut samples: BTreeMap<ClaimName, BTreeMap<i64, i64>> = BTreeMap::new();
        let each = |series: Series| {
            unreadable.count(metric, &series);
            let of = samples
                .entry(claim_name(&series.labels, "persistentvolumeclaim"))
                .or_default();
            for (at, bytes) in series.samples {
                // every node that mounts it tells the same; of copies the larger
                of.entry(at)
                    .and_modify(|known| *known = bytes.max(*known))
                    .or_insert(bytes);
            }
        };
        let query = selector(metric, &[], scope.matchers);
        scope
            .client
            .samples(&query, (from - reach, to + 1), 0, findings, each)
            .await?;
        for (claim, samples) in samples {
            if let Some(held) = held_bytes(&samples, (from, to), reach) {
                volumes.used.insert((claim, hour.0), held);
            }
        }
    }
    if volumes.volumes.values().any(|seen| !seen.released.is_empty()) {
        volumes.released = released_since(scope.client, scope.matchers, around.1, findings).await?;
    }
    unreadable.report(findings);
    Ok(volumes)
}

/// Bytes times milliseconds of an hour: a sample stands to the next one, at
/// most twice the interval.
fn held_bytes(samples: &BTreeMap<i64, i64>, (from, to): Stretch, reach: i64) -> Option<u128> {
    let mut held = None;
    for (at, bytes) in samples {
        let next = samples.range(at + 1..).next().map_or(i64::MAX, |(next, _)| *next);
        let until = next.min(at + reach).min(to);
        let since = (*at).max(from);
        if since < until {
            let stood = u128::from((until - since).unsigned_abs());
            *held.get_or_insert(0) += u128::from((*bytes).max(0).unsigned_abs()) * stood;
        }
    }
    held
}

/// The first hour of the last month in which each volume was seen to be
/// without its claim.
async fn released_since(
    client: &Client,
    matchers: &[(String, String)],
    at: i64,
    findings: &mut Vec<Finding>,
) -> Result<BTreeMap<String, i64>, PrometheusError> {
    let own: &[(&str, &str, &str)] = &[("phase", "=~", "Released|Failed")];
    let selected = selector("kube_persistentvolume_status_phase", own, matchers);
    let query = format!("min by (persistentvolume) (min_over_time(timestamp({selected} == 1)[{PHASE_BACK}]))");
    let found = client.query(&query, at, 0, findings).await?.into_iter();
    let named = found.map(|(labels, seconds)| (label(&labels, "persistentvolume").to_owned(), seconds * 1_000));
    Ok(named.collect())
}

fn claim_name(labels: &Labels, named: &str) -> ClaimName {
    (label(labels, "namespace").to_owned(), label(labels, named).to_owned())
}

impl Volumes {
    fn see(&mut self, metric: &str, series: &Series, scope: &Scope<'_>) {
        let (labels, reach) = (&series.labels, scope.rules.reach_ms);
        let name = label(labels, "persistentvolume").to_owned();
        let claim = claim_name(labels, "persistentvolumeclaim");
        let last = series.samples.last().map(|(_, value)| *value);
        match metric {
            "kube_persistentvolume_info" => {
                self.scrapes.see(series);
                let seen = self.volumes.entry(name).or_default();
                seen.presence.see(series, reach);
                seen.id = volume_id(labels);
                label(labels, "storageclass").clone_into(&mut seen.class);
            }
            "kube_persistentvolume_claim_ref" => {
                let claim = (
                    label(labels, "claim_namespace").to_owned(),
                    label(labels, "name").to_owned(),
                );
                let seen = self.volumes.entry(name).or_default();
                seen.claimed.entry(claim).or_default().see(series, reach);
            }
            "kube_persistentvolume_capacity_bytes" => {
                let seen = self.volumes.entry(name).or_default();
                see_all(&mut seen.capacity, series, reach);
            }
            "kube_persistentvolume_created" => self.volumes.entry(name).or_default().created = last,
            "kube_persistentvolume_status_phase" => {
                if series.samples.iter().any(|(_, value)| *value > 0) {
                    self.volumes.entry(name).or_default().released.see(series, reach);
                }
            }
            "kube_persistentvolumeclaim_info" => {
                let seen = self.claims.entry(claim).or_default();
                seen.presence.see(series, reach);
                label(labels, "volumename").clone_into(&mut seen.volume);
                label(labels, "storageclass").clone_into(&mut seen.class);
            }
            "kube_persistentvolumeclaim_resource_requests_storage_bytes" => {
                see_all(&mut self.claims.entry(claim).or_default().requested, series, reach);
            }
            _ => {
                let tags = scope.rules.names.read(labels);
                let timeline = &mut self.claims.entry(claim).or_default().labels;
                for (at, _) in &series.samples {
                    timeline.see(*at, tags.clone(), reach);
                }
                timeline.settle();
            }
        }
    }

    /// The volumes that existed in some hours, in order, with who mounted them.
    pub(crate) fn days(&self, hours: &Range<i32>, mounted: Vec<Mounted>, reach: i64) -> Vec<VolumeDay> {
        let mut days = Vec::new();
        let mut mounts = by_claim(mounted);
        let nobody = ClaimName::default();
        for (name, seen) in self.volumes.iter().filter(|(_, seen)| !seen.id.is_empty()) {
            let there = self.lived(&seen.presence, seen.created, reach);
            let claimed = self.claimed(name, seen, reach);
            let all: Vec<Stretch> = claimed.iter().flat_map(|(_, stretches)| stretches.clone()).collect();
            let free = without(&there, &union(all));
            let free = Some((&nobody, free)).filter(|(_, free)| !free.is_empty());
            for (claim, stretches) in claimed.into_iter().chain(free) {
                let facts = self.hours_of(seen, claim, &stretches, hours, reach);
                if facts.is_empty() {
                    continue;
                }
                days.push(VolumeDay {
                    volume: self.volume(name, seen, claim, hours, reach),
                    mounts: self.mounts_of(name, seen, claim, &facts, &mut mounts),
                    hours: facts,
                });
            }
        }
        days.sort_by(|a, b| a.volume.cmp(&b.volume));
        days
    }

    /// When something was there: as long as scrapes show it, through silences,
    /// and from its making where that is near.
    fn lived(&self, presence: &Presence, created: Option<i64>, reach: i64) -> Vec<Stretch> {
        let ticks = presence.ticks(&self.scrapes, reach, |_| true);
        let mut lived = through_silences(&ticks, &self.scrapes);
        if let (Some(first), Some(created)) = (ticks.first(), created) {
            let made = created.saturating_mul(1_000);
            if (first.at - SILENCE_MS..first.at).contains(&made) && !self.scrapes.any_between(made + reach, first.at) {
                lived.push((made, first.at));
            }
        }
        union(lived)
    }

    /// The claims of a volume, each with when it had it.
    fn claimed<'a>(&'a self, name: &str, seen: &'a Seen, reach: i64) -> Vec<(&'a ClaimName, Vec<Stretch>)> {
        if !seen.claimed.is_empty() {
            let all = seen.claimed.iter();
            return all
                .map(|(claim, presence)| (claim, self.lived(presence, seen.created, reach)))
                .collect();
        }
        // an older kube-state-metrics: the claims tell
        let all = self.claims.iter().filter(|(_, claim)| claim.volume == name);
        all.map(|(named, claim)| (named, self.lived(&claim.presence, None, reach)))
            .collect()
    }

    fn hours_of(
        &self,
        seen: &Seen,
        claim: &ClaimName,
        stretches: &[Stretch],
        hours: &Range<i32>,
        reach: i64,
    ) -> Vec<VolumeHour> {
        let requested = self.claims.get(claim).map(|claim| &claim.requested);
        let fact = |hour: Hour| {
            let span = window(hour);
            let seconds = u32::try_from(covered_ms(stretches, span) / 1_000).unwrap_or(HOUR_S);
            let size = seen.capacity.latest(span, reach);
            let size = size.or_else(|| requested.and_then(|sizes| sizes.latest(span, reach)));
            let used = self.used.get(&(claim.clone(), hour.0));
            (seconds > 0).then(|| VolumeHour {
                hour,
                seconds,
                capacity_mib: size.map_or(0, |bytes| mib(*bytes)),
                used_mib_s: used.map(|held| u64::try_from(held / (1_000 << 20)).unwrap_or(u64::MAX)),
            })
        };
        hours.clone().map(Hour).filter_map(fact).collect()
    }

    fn volume(&self, name: &str, seen: &Seen, claim: &ClaimName, hours: &Range<i32>, reach: i64) -> Volume {
        let known = self.claims.get(claim);
        let span = (window(Hour(hours.start)).0, window(Hour(hours.end)).0);
        let class = [Some(&seen.class), known.map(|claim| &claim.class)];
        let class = class.into_iter().flatten().find(|class| !class.is_empty());
        let ms = |ms: i64| Instant(ms.saturating_mul(1_000));
        let first = seen
            .released
            .ticks(&self.scrapes, reach, |_| true)
            .first()
            .map(|tick| tick.at);
        let since = first.map(|first| self.released.get(name).copied().unwrap_or(first));
        Volume {
            volume_id: seen.id.clone(),
            namespace: claim.0.clone(),
            claim: claim.1.clone(),
            claim_uid: String::new(),
            name: name.to_owned(),
            storage_class: class.cloned().unwrap_or_default(),
            labels: known
                .and_then(|claim| claim.labels.latest(span, SILENCE_MS))
                .cloned()
                .unwrap_or_default(),
            provisioned: seen.created.map(|seconds| ms(seconds.saturating_mul(1_000))),
            claim_deleted: since.filter(|_| !claim.0.is_empty()).map(ms),
        }
    }

    /// The mounts of a claim in the hours its volume has, where it is this
    /// volume that the claim is bound to.
    fn mounts_of(
        &self,
        name: &str,
        seen: &Seen,
        claim: &ClaimName,
        facts: &[VolumeHour],
        mounts: &mut BTreeMap<ClaimName, BTreeMap<Mount, Vec<MountHour>>>,
    ) -> Vec<(Mount, Vec<MountHour>)> {
        // what an earlier claim of the name left behind is nobody's any more
        let bound = match self.claims.get(claim) {
            Some(known) if !known.volume.is_empty() => known.volume == name,
            _ => seen.released.is_empty(),
        };
        let Some(of_claim) = mounts.get(claim).filter(|_| bound) else {
            return Vec::new();
        };
        let has: BTreeSet<Hour> = facts.iter().map(|fact| fact.hour).collect();
        let within = |(mount, hours): (&Mount, &Vec<MountHour>)| {
            let hours: Vec<MountHour> = hours.iter().filter(|fact| has.contains(&fact.hour)).copied().collect();
            (!hours.is_empty()).then(|| (mount.clone(), hours))
        };
        of_claim.iter().filter_map(within).collect()
    }
}

/// What lies in the first union and not in the second.
fn without(all: &[Stretch], less: &[Stretch]) -> Vec<Stretch> {
    let mut left = Vec::new();
    for &(start, end) in all {
        let mut from = start;
        for &(a, b) in less.iter().filter(|(a, b)| *a < end && *b > start) {
            if a > from {
                left.push((from, a));
            }
            from = from.max(b);
        }
        if from < end {
            left.push((from, end));
        }
    }
    left
}

fn see_all(timeline: &mut Timeline<i64>, series: &Series, reach: i64) {
    for (at, value) in &series.samples {
        timeline.see(*at, *value, reach);
    }
    timeline.settle();
}

fn by_claim(mounted: Vec<Mounted>) -> BTreeMap<ClaimName, BTreeMap<Mount, Vec<MountHour>>> {
    let mut all: BTreeMap<ClaimName, BTreeMap<Mount, Vec<MountHour>>> = BTreeMap::new();
    for one in mounted {
        let of_claim = all.entry((one.mount.namespace.clone(), one.claim)).or_default();
        of_claim.entry(one.mount).or_default().extend(one.hours);
    }
    for hours in all.values_mut().flat_map(BTreeMap::values_mut) {
        hours.sort();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_over_time() {
        let samples = BTreeMap::from([(0, 10), (30, 20), (200, -5), (230, 7)]);
        // (from, to, bytes times ms): a sample stands for 60 ms at most
        for (from, to, expect) in [
            (0, 30, Some(300)),
            (10, 40, Some(200 + 200)),
            (0, 300, Some(300 + 20 * 60 + 7 * 60)),
            (90, 200, None),
            (210, 230, Some(0)),
        ] {
            assert_eq!(held_bytes(&samples, (from, to), 60), expect, "from {from} to {to}");
        }
    }

    #[test]
    fn what_is_left() {
        for (less, expect) in [
            (vec![], vec![(0, 10), (20, 30)]),
            (vec![(0, 10)], vec![(20, 30)]),
            (vec![(5, 25)], vec![(0, 5), (25, 30)]),
            (vec![(2, 3), (22, 40)], vec![(0, 2), (3, 10), (20, 22)]),
        ] {
            assert_eq!(without(&[(0, 10), (20, 30)], &less), expect, "{less:?}");
        }
    }

    #[test]
    fn names_on_the_bill() {
        for (labels, expect) in [
            (
                &[("csi_driver", "ebs.csi.aws.com"), ("csi_volume_handle", "vol-1")][..],
                "vol-1",
            ),
            (
                &[("csi_driver", "efs.csi.aws.com"), ("csi_volume_handle", "fs-1::fsap-2")],
                "fs-1",
            ),
            (&[("ebs_volume_id", "aws://eu-1a/vol-2")], "aws://eu-1a/vol-2"),
            (&[("gce_persistent_disk_name", "disk")], "disk"),
            (&[], "pv-1"),
        ] {
            let named = [("persistentvolume", "pv-1")];
            let labels = labels.iter().chain(&named);
            let labels: Labels = labels
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(volume_id(&labels), expect);
        }
    }
}
