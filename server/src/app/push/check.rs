//! What is wrong with a day of facts that somebody sends.

use domain::instant::Day;
use domain::usage::profile::UsageProfile;
use domain::usage::{BalancerDay, ClusterDay, HOUR_S, Hour, SizingHour, VolumeDay};

/// Days a push may lie in: 1970 to 2199.
const DAYS: std::ops::Range<i32> = 0..84_006;
const LONG: &str = "more seconds than an hour has";

/// The hours a day has facts of, in no order.
pub(super) fn hours_of(day: &ClusterDay) -> impl Iterator<Item = Hour> {
    let nodes = day.nodes.iter().flat_map(|(_, hours)| hours).map(|hour| hour.hour);
    let slots = day.slots.iter().flat_map(|(_, hours)| hours).map(|hour| hour.hour);
    let volumes = day.volumes.iter().flat_map(volume_hours);
    let balancers = day.balancers.iter().flat_map(balancer_hours);
    let sizing = day.sizing.iter().flat_map(|(_, hours)| hours).map(|hour| hour.hour);
    nodes.chain(slots).chain(volumes).chain(balancers).chain(sizing)
}

fn volume_hours(day: &VolumeDay) -> impl Iterator<Item = Hour> {
    let mounted = day.mounts.iter().flat_map(|(_, hours)| hours).map(|hour| hour.hour);
    day.hours.iter().map(|hour| hour.hour).chain(mounted)
}

fn balancer_hours(day: &BalancerDay) -> impl Iterator<Item = Hour> {
    let served = day.backends.iter().flat_map(|(_, hours)| hours).map(|hour| hour.hour);
    day.hours.iter().map(|hour| hour.hour).chain(served)
}

/// The first thing that cannot be: its place and what is wrong.
pub(super) fn misfit_of(day: &ClusterDay, cluster: &str) -> Option<(String, String)> {
    if day.cluster != cluster {
        return Some(("cluster".to_owned(), format!("is {:?}, not {cluster:?}", day.cluster)));
    }
    if !DAYS.contains(&day.day.0) {
        return Some(("day".to_owned(), "is not in the years 1970 to 2199".to_owned()));
    }
    let at = day.day;
    first("nodes", &day.nodes, |(node, hours)| {
        let long = |hour: &domain::usage::NodeHour| hour.ready_s > HOUR_S || hour.observed_s > hour.ready_s;
        if node.name.is_empty() {
            return Some("the node has no name");
        }
        if hours.iter().any(long) {
            return Some("more seconds than the hour, or the node's Ready time, has");
        }
        misplaced(hours.iter().map(|hour| hour.hour), at)
    })
    .or_else(|| {
        first("slots", &day.slots, |(slot, hours)| {
            if slot.node.is_empty() || slot.pod_uid.is_empty() {
                return Some("the container has no node or no pod");
            }
            if hours.iter().any(|hour| hour.seconds > HOUR_S) {
                return Some(LONG);
            }
            misplaced(hours.iter().map(|hour| hour.hour), at)
        })
    })
    .or_else(|| first("volumes", &day.volumes, |volume| volume_misfit(volume, at)))
    .or_else(|| first("balancers", &day.balancers, |balancer| balancer_misfit(balancer, at)))
    .or_else(|| {
        first("sizing", &day.sizing, |(slot, hours)| {
            if slot.node.is_empty() || slot.pod_uid.is_empty() {
                return Some("the container has no node or no pod");
            }
            let misfit = hours.iter().find_map(sizing_misfit);
            misfit.or_else(|| misplaced(hours.iter().map(|hour| hour.hour), at))
        })
    })
    .or_else(|| unordered("nodes", &day.nodes, |(a, _), (b, _)| a < b))
    .or_else(|| unordered("slots", &day.slots, |(a, _), (b, _)| a < b))
    .or_else(|| unordered("volumes", &day.volumes, |a, b| a.volume < b.volume))
    .or_else(|| unordered("balancers", &day.balancers, |a, b| a.balancer < b.balancer))
    .or_else(|| unordered("sizing", &day.sizing, |(a, _), (b, _)| a < b))
}

fn volume_misfit(day: &VolumeDay, at: Day) -> Option<&'static str> {
    if day.volume.volume_id.is_empty() {
        return Some("the volume has no id");
    }
    if day.mounts.iter().any(|(mount, _)| mount.pod_uid.is_empty()) {
        return Some("a mount has no pod");
    }
    let mut mounted = day.mounts.iter().flat_map(|(_, hours)| hours);
    if day.hours.iter().any(|hour| hour.seconds > HOUR_S) || mounted.any(|hour| hour.seconds > HOUR_S) {
        return Some(LONG);
    }
    if !day.mounts.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Some("its mounts are not in order, or one is there twice");
    }
    let mut mounts = day.mounts.iter();
    misplaced(day.hours.iter().map(|hour| hour.hour), at)
        .or_else(|| mounts.find_map(|(_, hours)| misplaced(hours.iter().map(|hour| hour.hour), at)))
}

fn balancer_misfit(day: &BalancerDay, at: Day) -> Option<&'static str> {
    if day.balancer.balancer_id.is_empty() {
        return Some("the load balancer has no id");
    }
    if day.hours.iter().any(|hour| hour.seconds > HOUR_S) {
        return Some(LONG);
    }
    if !day.backends.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Some("its backends are not in order, or one is there twice");
    }
    let mut backends = day.backends.iter();
    misplaced(day.hours.iter().map(|hour| hour.hour), at)
        .or_else(|| backends.find_map(|(_, hours)| misplaced(hours.iter().map(|hour| hour.hour), at)))
}

fn sizing_misfit(hour: &SizingHour) -> Option<&'static str> {
    let stopped = |throttling: domain::usage::Throttling| throttling.throttled_periods > throttling.periods;
    let spread = |cpu: domain::usage::CpuSpread| ![cpu.p50, cpu.p90, cpu.p95, cpu.p99, cpu.max].is_sorted();
    if hour.metered_s > HOUR_S {
        Some(LONG)
    } else if hour.throttling.is_some_and(stopped) {
        Some("more throttled periods than periods")
    } else if hour.cpu.is_some_and(spread) {
        Some("the percentiles of CPU usage are not in order")
    } else if UsageProfile::from_bytes(&hour.profile).is_err() {
        Some("the profile is none that this release can read")
    } else {
        None
    }
}

/// The first of a list that cannot be.
fn first<T>(place: &str, all: &[T], misfit: impl Fn(&T) -> Option<&'static str>) -> Option<(String, String)> {
    let mut all = all.iter().enumerate();
    all.find_map(|(at, one)| Some((format!("{place}/{at}"), misfit(one)?.to_owned())))
}

fn unordered<T>(place: &str, all: &[T], ascend: impl Fn(&T, &T) -> bool) -> Option<(String, String)> {
    let kept = all.windows(2).all(|pair| ascend(&pair[0], &pair[1]));
    (!kept).then(|| (place.to_owned(), "are not in order, or one is there twice".to_owned()))
}

/// Hours have to be of the day, in order, each once.
fn misplaced(hours: impl Iterator<Item = Hour> + Clone, day: Day) -> Option<&'static str> {
    if hours.clone().any(|hour| hour.day() != day) {
        return Some("an hour is of another day");
    }
    let ordered = hours.clone().zip(hours.skip(1)).all(|(a, b)| a < b);
    (!ordered).then_some("its hours are not in order, or one is there twice")
}
