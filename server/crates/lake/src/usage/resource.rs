//! Volumes and load balancers of a day, a Parquet file each. A row is an hour
//! of the thing itself, or an hour of a pod that mounted it, of a backend behind
//! it: then the columns of the latter are filled.

use super::UsageFile;
use super::columns::{Numbers, Texts, each_batch, hours, instants, json, options, some_texts, texts};
use crate::error::LakeError;
use crate::object::Lake;
use domain::tags;
use domain::usage::{
    Backend, BackendHour, Balancer, BalancerDay, BalancerHour, ClusterDay, Hour, Mount, MountHour, Volume, VolumeDay,
    VolumeHour,
};
use polars::prelude::*;

/// A row of the volumes.
#[derive(Clone, Copy)]
enum VolumeRow<'d> {
    Own(&'d Volume, &'d VolumeHour),
    Mounted(&'d Volume, &'d Mount, &'d MountHour),
}

impl<'d> VolumeRow<'d> {
    fn volume(self) -> &'d Volume {
        match self {
            VolumeRow::Own(volume, _) | VolumeRow::Mounted(volume, _, _) => volume,
        }
    }

    fn mount(self) -> Option<&'d Mount> {
        match self {
            VolumeRow::Own(..) => None,
            VolumeRow::Mounted(_, mount, _) => Some(mount),
        }
    }

    /// Hour, seconds, size and bytes in it.
    fn facts(self) -> (Hour, u32, Option<u64>, Option<u64>) {
        match self {
            VolumeRow::Own(_, hour) => (hour.hour, hour.seconds, Some(hour.capacity_mib), hour.used_mib_s),
            VolumeRow::Mounted(_, _, hour) => (hour.hour, hour.seconds, None, hour.used_mib_s),
        }
    }
}

fn volume_rows(day: &ClusterDay) -> Vec<VolumeRow<'_>> {
    let mut rows = Vec::new();
    for VolumeDay { volume, hours, mounts } in &day.volumes {
        rows.extend(hours.iter().map(|hour| VolumeRow::Own(volume, hour)));
        for (mount, hours) in mounts {
            rows.extend(hours.iter().map(|hour| VolumeRow::Mounted(volume, mount, hour)));
        }
    }
    rows
}

const VOLUME_TEXTS: [&str; 13] = [
    "volume_id",
    "namespace",
    "claim",
    "claim_uid",
    "name",
    "storage_class",
    "labels",
    "pod_namespace",
    "pod_uid",
    "pod",
    "workload_kind",
    "workload",
    "pod_labels",
];
const VOLUME_NUMBERS: [&str; 6] = [
    "provisioned_us",
    "claim_deleted_us",
    "hour",
    "seconds",
    "capacity_mib",
    "used_mib_s",
];

pub(super) fn volume_frame(day: &ClusterDay) -> Result<DataFrame, LakeError> {
    let rows = volume_rows(day);
    let labels: Vec<String> = rows.iter().map(|row| json(&row.volume().labels)).collect();
    let pod_labels: Vec<Option<String>> = rows.iter().map(|row| row.mount().map(|m| json(&m.labels))).collect();
    let own = |at: usize, pick: fn(&Volume) -> &str| texts(VOLUME_TEXTS[at], rows.iter().map(|row| pick(row.volume())));
    let mounted = |at: usize, pick: fn(&Mount) -> &str| {
        some_texts(VOLUME_TEXTS[at], rows.iter().map(|row| row.mount().map(pick)))
    };
    let columns = vec![
        own(0, |volume| &volume.volume_id),
        own(1, |volume| &volume.namespace),
        own(2, |volume| &volume.claim),
        own(3, |volume| &volume.claim_uid),
        own(4, |volume| &volume.name),
        own(5, |volume| &volume.storage_class),
        texts(VOLUME_TEXTS[6], labels.iter().map(String::as_str)),
        mounted(7, |mount| &mount.namespace),
        mounted(8, |mount| &mount.pod_uid),
        mounted(9, |mount| &mount.pod),
        mounted(10, |mount| &mount.workload_kind),
        mounted(11, |mount| &mount.workload),
        some_texts(VOLUME_TEXTS[12], pod_labels.iter().map(Option::as_deref)),
        instants(VOLUME_NUMBERS[0], rows.iter().map(|row| row.volume().provisioned)),
        instants(VOLUME_NUMBERS[1], rows.iter().map(|row| row.volume().claim_deleted)),
        hours(VOLUME_NUMBERS[2], rows.iter().map(|row| row.facts().0)),
        options(VOLUME_NUMBERS[3], rows.iter().map(|row| Some(u64::from(row.facts().1)))),
        options(VOLUME_NUMBERS[4], rows.iter().map(|row| row.facts().2)),
        options(VOLUME_NUMBERS[5], rows.iter().map(|row| row.facts().3)),
    ];
    DataFrame::new(rows.len(), columns).map_err(LakeError::parquet("write", "volumes"))
}

/// The volumes of a day with who mounted them; none when it has no such file.
///
/// # Errors
/// When the file is missing, unreadable or not of ours.
pub fn read_volumes(lake: &Lake, file: &UsageFile) -> Result<Vec<VolumeDay>, LakeError> {
    let mut volumes: Vec<VolumeDay> = Vec::new();
    let Some(path) = &file.volumes_path else {
        return Ok(volumes);
    };
    let names: Vec<&str> = VOLUME_TEXTS.iter().chain(&VOLUME_NUMBERS).copied().collect();
    each_batch(lake, path, &names, |frame, path| {
        let texts = Texts::of(frame, path, &VOLUME_TEXTS)?;
        let numbers = Numbers::of(frame, path, &VOLUME_NUMBERS)?;
        for row in 0..frame.height() {
            let id = |v: &Volume| v.volume_id == texts.at(0, row);
            let claim = |v: &Volume| v.namespace == texts.at(1, row) && v.claim == texts.at(2, row);
            if !volumes.last().is_some_and(|day| id(&day.volume) && claim(&day.volume)) {
                volumes.push(VolumeDay {
                    volume: volume_at(&texts, &numbers, row),
                    ..VolumeDay::default()
                });
            }
            let Some(day) = volumes.last_mut() else { continue };
            let (hour, seconds, used_mib_s) = (numbers.hour(2, row)?, numbers.need(3, row)?, numbers.get(5, row)?);
            if texts.is_absent(8, row) {
                let capacity_mib = numbers.need(4, row)?;
                day.hours.push(VolumeHour {
                    hour,
                    seconds,
                    capacity_mib,
                    used_mib_s,
                });
                continue;
            }
            let same = |m: &Mount| m.namespace == texts.at(7, row) && m.pod_uid == texts.at(8, row);
            if !day.mounts.last().is_some_and(|(mount, _)| same(mount)) {
                day.mounts.push((mount_at(&texts, row), Vec::new()));
            }
            if let Some((_, hours)) = day.mounts.last_mut() {
                hours.push(MountHour {
                    hour,
                    seconds,
                    used_mib_s,
                });
            }
        }
        Ok(())
    })?;
    Ok(volumes)
}

fn volume_at(texts: &Texts<'_>, numbers: &Numbers<'_>, row: usize) -> Volume {
    let text = |at: usize| texts.at(at, row).to_owned();
    Volume {
        volume_id: text(0),
        namespace: text(1),
        claim: text(2),
        claim_uid: text(3),
        name: text(4),
        storage_class: text(5),
        labels: tags::parse(texts.at(6, row)).unwrap_or_default(),
        provisioned: numbers.instant(0, row),
        claim_deleted: numbers.instant(1, row),
    }
}

fn mount_at(texts: &Texts<'_>, row: usize) -> Mount {
    let text = |at: usize| texts.at(at, row).to_owned();
    Mount {
        namespace: text(7),
        pod_uid: text(8),
        pod: text(9),
        workload_kind: text(10),
        workload: text(11),
        labels: tags::parse(texts.at(12, row)).unwrap_or_default(),
    }
}

/// A row of the load balancers.
#[derive(Clone, Copy)]
enum BalancerRow<'d> {
    Own(&'d Balancer, &'d BalancerHour),
    Behind(&'d Balancer, &'d Backend, &'d BackendHour),
}

impl<'d> BalancerRow<'d> {
    fn balancer(self) -> &'d Balancer {
        match self {
            BalancerRow::Own(balancer, _) | BalancerRow::Behind(balancer, _, _) => balancer,
        }
    }

    fn backend(self) -> Option<(&'d Backend, &'d BackendHour)> {
        match self {
            BalancerRow::Own(..) => None,
            BalancerRow::Behind(_, backend, hour) => Some((backend, hour)),
        }
    }

    /// Hour, and seconds of the balancer itself.
    fn facts(self) -> (Hour, Option<u64>) {
        match self {
            BalancerRow::Own(_, hour) => (hour.hour, Some(u64::from(hour.seconds))),
            BalancerRow::Behind(_, _, hour) => (hour.hour, None),
        }
    }
}

fn balancer_rows(day: &ClusterDay) -> Vec<BalancerRow<'_>> {
    let mut rows = Vec::new();
    for BalancerDay {
        balancer,
        hours,
        backends,
    } in &day.balancers
    {
        rows.extend(hours.iter().map(|hour| BalancerRow::Own(balancer, hour)));
        for (backend, hours) in backends {
            rows.extend(hours.iter().map(|hour| BalancerRow::Behind(balancer, backend, hour)));
        }
    }
    rows
}

const BALANCER_TEXTS: [&str; 10] = [
    "balancer_id",
    "namespace",
    "service",
    "name",
    "labels",
    "backend_namespace",
    "backend_service",
    "workload_kind",
    "workload",
    "backend_labels",
];
const BALANCER_NUMBERS: [&str; 5] = ["hour", "seconds", "requests", "bytes", "hosts"];

pub(super) fn balancer_frame(day: &ClusterDay) -> Result<DataFrame, LakeError> {
    let rows = balancer_rows(day);
    let labels: Vec<String> = rows.iter().map(|row| json(&row.balancer().labels)).collect();
    let behind: Vec<Option<String>> = rows
        .iter()
        .map(|row| row.backend().map(|(backend, _)| json(&backend.labels)))
        .collect();
    let own =
        |at: usize, pick: fn(&Balancer) -> &str| texts(BALANCER_TEXTS[at], rows.iter().map(|row| pick(row.balancer())));
    let backend = |at: usize, pick: fn(&Backend) -> &str| {
        let values = rows.iter().map(|row| row.backend().map(|(backend, _)| pick(backend)));
        some_texts(BALANCER_TEXTS[at], values)
    };
    let traffic = |at: usize, pick: fn(&BackendHour) -> Option<u64>| {
        let values = rows.iter().map(|row| row.backend().and_then(|(_, hour)| pick(hour)));
        options(BALANCER_NUMBERS[at], values)
    };
    let columns = vec![
        own(0, |balancer| &balancer.balancer_id),
        own(1, |balancer| &balancer.namespace),
        own(2, |balancer| &balancer.service),
        own(3, |balancer| &balancer.name),
        texts(BALANCER_TEXTS[4], labels.iter().map(String::as_str)),
        backend(5, |backend| &backend.namespace),
        backend(6, |backend| &backend.service),
        backend(7, |backend| &backend.workload_kind),
        backend(8, |backend| &backend.workload),
        some_texts(BALANCER_TEXTS[9], behind.iter().map(Option::as_deref)),
        hours(BALANCER_NUMBERS[0], rows.iter().map(|row| row.facts().0)),
        options(BALANCER_NUMBERS[1], rows.iter().map(|row| row.facts().1)),
        traffic(2, |hour| hour.requests),
        traffic(3, |hour| hour.bytes),
        traffic(4, |hour| Some(hour.hosts)),
    ];
    DataFrame::new(rows.len(), columns).map_err(LakeError::parquet("write", "load balancers"))
}

/// The load balancers of a day with what is behind them; none when it has no such file.
///
/// # Errors
/// As [`read_volumes`].
pub fn read_balancers(lake: &Lake, file: &UsageFile) -> Result<Vec<BalancerDay>, LakeError> {
    let mut balancers: Vec<BalancerDay> = Vec::new();
    let Some(path) = &file.balancers_path else {
        return Ok(balancers);
    };
    let names: Vec<&str> = BALANCER_TEXTS.iter().chain(&BALANCER_NUMBERS).copied().collect();
    each_batch(lake, path, &names, |frame, path| {
        let texts = Texts::of(frame, path, &BALANCER_TEXTS)?;
        let numbers = Numbers::of(frame, path, &BALANCER_NUMBERS)?;
        for row in 0..frame.height() {
            let same = |day: &BalancerDay| day.balancer.balancer_id == texts.at(0, row);
            if !balancers.last().is_some_and(same) {
                balancers.push(BalancerDay {
                    balancer: balancer_at(&texts, row),
                    ..BalancerDay::default()
                });
            }
            let Some(day) = balancers.last_mut() else { continue };
            let hour = numbers.hour(0, row)?;
            if texts.is_absent(5, row) {
                let seconds = numbers.need(1, row)?;
                day.hours.push(BalancerHour { hour, seconds });
                continue;
            }
            let same = |b: &Backend| b.namespace == texts.at(5, row) && b.service == texts.at(6, row);
            if !day.backends.last().is_some_and(|(backend, _)| same(backend)) {
                day.backends.push((backend_at(&texts, row), Vec::new()));
            }
            if let Some((_, hours)) = day.backends.last_mut() {
                hours.push(BackendHour {
                    hour,
                    requests: numbers.get(2, row)?,
                    bytes: numbers.get(3, row)?,
                    hosts: numbers.need(4, row)?,
                });
            }
        }
        Ok(())
    })?;
    Ok(balancers)
}

fn balancer_at(texts: &Texts<'_>, row: usize) -> Balancer {
    let text = |at: usize| texts.at(at, row).to_owned();
    Balancer {
        balancer_id: text(0),
        namespace: text(1),
        service: text(2),
        name: text(3),
        labels: tags::parse(texts.at(4, row)).unwrap_or_default(),
    }
}

fn backend_at(texts: &Texts<'_>, row: usize) -> Backend {
    let text = |at: usize| texts.at(at, row).to_owned();
    Backend {
        namespace: text(5),
        service: text(6),
        workload_kind: text(7),
        workload: text(8),
        labels: tags::parse(texts.at(9, row)).unwrap_or_default(),
    }
}
