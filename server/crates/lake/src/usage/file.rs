//! A cluster's day as Parquet files: nodes, slots and hours always, volumes,
//! load balancers and sizing where there are any. The split reads two columns of
//! keys and three of integers of the largest; names and labels are stored once per slot.

use super::columns::{Ints, Texts, damaged, each_batch, ints, json, put, small, smalls, texts};
use super::resource::{balancer_frame, volume_frame};
use super::sizing::sizing_frame;
use super::{UsageFile, read_balancers, read_sizing, read_volumes};
use crate::error::LakeError;
use crate::object::{Lake, StoredFile};
use crate::scan;
use domain::tags;
use domain::usage::{Capacity, ClusterDay, Hour, Measure, Node, NodeHour, Role, Slot, SlotHour, pool_sums};
use polars::prelude::*;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Writes a day. The same facts are the same bytes under the same names.
///
/// # Errors
/// When a file cannot be written.
pub fn write_day(lake: &Lake, day: &ClusterDay) -> Result<UsageFile, LakeError> {
    let nodes = put(lake, day, "nodes", &node_frame(day)?)?;
    let slots = put(lake, day, "slots", &slot_frame(day)?)?;
    let hours = put(lake, day, "hours", &hour_frame(day)?)?;
    // absent when empty, so that days without any are as they always were
    let optional = |kind: &str, frame: DataFrame| -> Result<Option<StoredFile>, LakeError> {
        (frame.height() > 0).then(|| put(lake, day, kind, &frame)).transpose()
    };
    let volumes = optional("volumes", volume_frame(day)?)?;
    let balancers = optional("balancers", balancer_frame(day)?)?;
    let sizing = optional("sizing", sizing_frame(day)?)?;
    let mut hasher = Sha256::new();
    let always = [&nodes, &slots, &hours].into_iter();
    for stored in always.chain([&volumes, &balancers, &sizing].into_iter().flatten()) {
        hasher.update(stored.sha256.as_bytes());
    }
    let path = |stored: Option<StoredFile>| stored.map(|stored| stored.path);
    let node_hours = || day.nodes.iter().flat_map(|(_, hours)| hours);
    Ok(UsageFile {
        cluster: day.cluster.clone(),
        day: day.day,
        nodes_path: nodes.path,
        slots_path: slots.path,
        hours_path: hours.path,
        volumes_path: path(volumes),
        balancers_path: path(balancers),
        sizing_path: path(sizing),
        sha256: hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        slot_hours: day.slots.iter().map(|(_, hours)| hours.len() as u64).sum(),
        node_hours: node_hours().count() as u64,
        ready_s: node_hours().map(|hour| u64::from(hour.ready_s)).sum(),
        observed_s: node_hours().map(|hour| u64::from(hour.observed_s)).sum(),
        last_hour: last_hour(day),
        pools: pool_sums(day),
    })
}

fn last_hour(day: &ClusterDay) -> i32 {
    let of_slots = day
        .slots
        .iter()
        .flat_map(|(_, hours)| hours)
        .map(|hour| hour.hour.0)
        .max();
    let of_nodes = day
        .nodes
        .iter()
        .flat_map(|(_, hours)| hours)
        .filter(|hour| hour.observed_s > 0);
    of_slots
        .max(of_nodes.map(|hour| hour.hour.0).max())
        .unwrap_or(day.day.0 * 24)
}

fn node_frame(day: &ClusterDay) -> Result<DataFrame, LakeError> {
    let rows: Vec<(&Node, &NodeHour)> = day
        .nodes
        .iter()
        .flat_map(|(node, hours)| hours.iter().map(move |hour| (node, hour)))
        .collect();
    let labels: Vec<String> = rows.iter().map(|(node, _)| json(&node.labels)).collect();
    let text = |name: &str, pick: fn(&Node) -> &str| texts(name, rows.iter().map(move |(node, _)| pick(node)));
    let number = |name: &str, pick: fn(&NodeHour) -> u64| ints(name, rows.iter().map(move |(_, hour)| pick(hour)));
    let columns = vec![
        text("node", |node| &node.name),
        text("provider_id", |node| &node.provider_id),
        text("pool", |node| &node.pool),
        text("capacity_type", |node| &node.capacity_type),
        text("root_volume_id", |node| &node.root_volume_id),
        texts("labels", labels.iter().map(String::as_str)),
        smalls("hour", rows.iter().map(|(_, hour)| hour.hour.0)),
        smalls("ready_s", rows.iter().map(|(_, hour)| small(hour.ready_s))),
        smalls("observed_s", rows.iter().map(|(_, hour)| small(hour.observed_s))),
        number("cpu_capacity_millicores", |hour| hour.capacity.cpu_millicores),
        number("memory_capacity_mib", |hour| hour.capacity.memory_mib),
        number("gpu_capacity_milli", |hour| hour.capacity.gpu_milli),
        number("cpu_allocatable_millicores", |hour| hour.allocatable.cpu_millicores),
        number("memory_allocatable_mib", |hour| hour.allocatable.memory_mib),
        number("gpu_allocatable_milli", |hour| hour.allocatable.gpu_milli),
    ];
    DataFrame::new(rows.len(), columns).map_err(LakeError::parquet("write", "node facts"))
}

fn slot_frame(day: &ClusterDay) -> Result<DataFrame, LakeError> {
    let slots: Vec<&Slot> = day.slots.iter().map(|(slot, _)| slot).collect();
    let labels: Vec<String> = slots.iter().map(|slot| json(&slot.labels)).collect();
    let text = |name: &str, pick: fn(&Slot) -> &str| texts(name, slots.iter().map(move |slot| pick(slot)));
    let mut columns = vec![
        smalls("slot", (0..).take(slots.len())),
        text("node", |slot| &slot.node),
        text("pod_uid", |slot| &slot.pod_uid),
        text("container", |slot| &slot.container),
        text("role", |slot| slot.role.as_str()),
        text("namespace", |slot| &slot.namespace),
        text("pod", |slot| &slot.pod),
        text("workload_kind", |slot| &slot.workload_kind),
        text("workload", |slot| &slot.workload),
        texts("labels", labels.iter().map(String::as_str)),
    ];
    // absent when no slot has any, so that days without are as they always were
    if slots.iter().any(|slot| !slot.services.is_empty()) {
        let services: Vec<String> = slots.iter().map(|slot| slot.services.join(",")).collect();
        columns.push(texts(SERVICES, services.iter().map(String::as_str)));
    }
    if slots.iter().any(|slot| !slot.annotations.is_empty()) {
        let annotations: Vec<String> = slots.iter().map(|slot| json(&slot.annotations)).collect();
        columns.push(texts(ANNOTATIONS, annotations.iter().map(String::as_str)));
    }
    DataFrame::new(slots.len(), columns).map_err(LakeError::parquet("write", "slots"))
}

fn hour_frame(day: &ClusterDay) -> Result<DataFrame, LakeError> {
    let rows: Vec<(i32, &SlotHour)> = (0..)
        .zip(&day.slots)
        .flat_map(|(at, (_, hours))| hours.iter().map(move |hour| (at, hour)))
        .collect();
    let number = |name: &str, pick: fn(&SlotHour) -> u64| ints(name, rows.iter().map(move |(_, hour)| pick(hour)));
    let columns = vec![
        smalls("slot", rows.iter().map(|(slot, _)| *slot)),
        smalls("hour", rows.iter().map(|(_, hour)| hour.hour.0)),
        smalls("seconds", rows.iter().map(|(_, hour)| small(hour.seconds))),
        number("cpu_effective_core_ms", |hour| hour.effective.cpu_core_ms),
        number("memory_effective_mib_s", |hour| hour.effective.memory_mib_s),
        number("gpu_effective_ms", |hour| hour.effective.gpu_ms),
        number("cpu_request_core_ms", |hour| hour.requested.cpu_core_ms),
        number("memory_request_mib_s", |hour| hour.requested.memory_mib_s),
        number("gpu_request_ms", |hour| hour.requested.gpu_ms),
        number("cpu_usage_core_ms", |hour| hour.used.cpu_core_ms),
        number("memory_usage_mib_s", |hour| hour.used.memory_mib_s),
        number("gpu_usage_ms", |hour| hour.used.gpu_ms),
    ];
    DataFrame::new(rows.len(), columns).map_err(LakeError::parquet("write", "slot hours"))
}

/// Reads a day back, exactly.
///
/// # Errors
/// When a file is missing, unreadable or not of ours.
pub fn read_day(lake: &Lake, file: &UsageFile) -> Result<ClusterDay, LakeError> {
    let slots = read_slots(lake, &file.slots_path)?;
    let mut slots: Vec<(Slot, Vec<SlotHour>)> = slots.into_iter().map(|slot| (slot, Vec::new())).collect();
    each_batch(lake, &file.hours_path, &HOUR_COLUMNS, |frame, path| {
        let columns = Ints::of(frame, path, &HOUR_COLUMNS)?;
        for row in 0..frame.height() {
            let at = columns.at(0, row)?;
            let slot = usize::try_from(at)
                .ok()
                .and_then(|at| slots.get_mut(at))
                .ok_or_else(|| damaged(path, "slot"))?;
            slot.1.push(SlotHour {
                hour: Hour(i32::try_from(columns.at(1, row)?).unwrap_or(0)),
                seconds: u32::try_from(columns.at(2, row)?).unwrap_or(0),
                effective: columns.measure(3, row)?,
                requested: columns.measure(6, row)?,
                used: columns.measure(9, row)?,
            });
        }
        Ok(())
    })?;
    Ok(ClusterDay {
        cluster: file.cluster.clone(),
        day: file.day,
        nodes: read_nodes(lake, file)?,
        slots,
        volumes: read_volumes(lake, file)?,
        balancers: read_balancers(lake, file)?,
        sizing: read_sizing(lake, file)?,
    })
}

pub(super) const HOUR_COLUMNS: [&str; 12] = [
    "slot",
    "hour",
    "seconds",
    "cpu_effective_core_ms",
    "memory_effective_mib_s",
    "gpu_effective_ms",
    "cpu_request_core_ms",
    "memory_request_mib_s",
    "gpu_request_ms",
    "cpu_usage_core_ms",
    "memory_usage_mib_s",
    "gpu_usage_ms",
];

const NODE_TEXTS: [&str; 6] = [
    "node",
    "provider_id",
    "pool",
    "capacity_type",
    "root_volume_id",
    "labels",
];
const NODE_INTS: [&str; 9] = [
    "hour",
    "ready_s",
    "observed_s",
    "cpu_capacity_millicores",
    "memory_capacity_mib",
    "gpu_capacity_milli",
    "cpu_allocatable_millicores",
    "memory_allocatable_mib",
    "gpu_allocatable_milli",
];

/// The nodes of a day with their hours.
///
/// # Errors
/// As [`read_day`].
pub fn read_nodes(lake: &Lake, file: &UsageFile) -> Result<Vec<(Node, Vec<NodeHour>)>, LakeError> {
    let mut nodes: Vec<(Node, Vec<NodeHour>)> = Vec::new();
    let names: Vec<&str> = NODE_TEXTS.iter().chain(&NODE_INTS).copied().collect();
    each_batch(lake, &file.nodes_path, &names, |frame, path| {
        let texts = Texts::of(frame, path, &NODE_TEXTS)?;
        let columns = Ints::of(frame, path, &NODE_INTS)?;
        for row in 0..frame.height() {
            let capacity = |at: usize| -> Result<Capacity, LakeError> {
                Ok(Capacity {
                    cpu_millicores: columns.natural(at, row)?,
                    memory_mib: columns.natural(at + 1, row)?,
                    gpu_milli: columns.natural(at + 2, row)?,
                })
            };
            let hour = NodeHour {
                hour: Hour(i32::try_from(columns.at(0, row)?).unwrap_or(0)),
                ready_s: u32::try_from(columns.at(1, row)?).unwrap_or(0),
                observed_s: u32::try_from(columns.at(2, row)?).unwrap_or(0),
                capacity: capacity(3)?,
                allocatable: capacity(6)?,
            };
            let repeats = texts.repeats(row);
            let same = |node: &Node| {
                repeats
                    || node.name == texts.at(0, row)
                        && node.provider_id == texts.at(1, row)
                        && node.pool == texts.at(2, row)
            };
            match nodes.last_mut() {
                Some((node, hours)) if same(node) => hours.push(hour),
                _ => {
                    let node = Node {
                        name: texts.at(0, row).to_owned(),
                        provider_id: texts.at(1, row).to_owned(),
                        pool: texts.at(2, row).to_owned(),
                        capacity_type: texts.at(3, row).to_owned(),
                        root_volume_id: texts.at(4, row).to_owned(),
                        labels: tags::parse(texts.at(5, row)).unwrap_or_default(),
                    };
                    nodes.push((node, vec![hour]));
                }
            }
        }
        Ok(())
    })?;
    Ok(nodes)
}

const SLOT_TEXTS: [&str; 9] = [
    "node",
    "pod_uid",
    "container",
    "role",
    "namespace",
    "pod",
    "workload_kind",
    "workload",
    "labels",
];

/// Columns of slots that are there when any slot has a value.
const SERVICES: &str = "services";
const ANNOTATIONS: &str = "annotations";

pub(crate) fn read_slots(lake: &Lake, path: &str) -> Result<Vec<Slot>, LakeError> {
    let mut slots = Vec::new();
    let local = lake.local(path)?;
    let there = scan::schema(local.path(), path)?;
    let optional = [SERVICES, ANNOTATIONS].into_iter().filter(|name| there.contains(name));
    let names: Vec<&str> = SLOT_TEXTS.into_iter().chain(optional).collect();
    let at = |name: &str| names.iter().position(|known| *known == name);
    let (services, annotations) = (at(SERVICES), at(ANNOTATIONS));
    each_batch(lake, path, &names, |frame, path| {
        let texts = Texts::of(frame, path, &names)?;
        for row in 0..frame.height() {
            let text = |at: usize| texts.at(at, row).to_owned();
            slots.push(Slot {
                node: text(0),
                pod_uid: text(1),
                container: text(2),
                role: Role::parse(texts.at(3, row)).ok_or_else(|| damaged(path, "role"))?,
                namespace: text(4),
                pod: text(5),
                workload_kind: text(6),
                workload: text(7),
                labels: tags::parse(texts.at(8, row)).unwrap_or_default(),
                services: names_of(services.map_or("", |at| texts.at(at, row))),
                annotations: tags::parse(annotations.map_or("", |at| texts.at(at, row))).unwrap_or_default(),
            });
        }
        Ok(())
    })?;
    Ok(slots)
}

/// Names with commas between: no service has one in its name.
pub(super) fn names_of(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// What the split reads of a day: slots, and their hours in columns, by slot and hour.
pub(crate) struct SlotHours {
    pub slots: Vec<Arc<Slot>>,
    /// Per slot-hour.
    pub slot: Vec<u32>,
    /// Per slot-hour: hour since the epoch.
    pub hour: Vec<i32>,
    /// Per slot-hour.
    pub effective: Vec<Measure>,
}

/// Reads what the split needs of a day.
///
/// # Errors
/// As [`read_day`].
pub(crate) fn read_slot_hours(lake: &Lake, file: &UsageFile) -> Result<SlotHours, LakeError> {
    let rows = usize::try_from(file.slot_hours).unwrap_or(0);
    let mut read = SlotHours {
        slots: read_slots(lake, &file.slots_path)?.into_iter().map(Arc::new).collect(),
        slot: Vec::with_capacity(rows),
        hour: Vec::with_capacity(rows),
        effective: Vec::with_capacity(rows),
    };
    let names = ["slot", "hour", HOUR_COLUMNS[3], HOUR_COLUMNS[4], HOUR_COLUMNS[5]];
    each_batch(lake, &file.hours_path, &names, |frame, path| {
        let columns = Ints::of(frame, path, &names)?;
        for row in 0..frame.height() {
            let slot = u32::try_from(columns.at(0, row)?).unwrap_or(u32::MAX);
            if slot as usize >= read.slots.len() {
                return Err(damaged(path, "slot"));
            }
            read.slot.push(slot);
            read.hour.push(i32::try_from(columns.at(1, row)?).unwrap_or(0));
            read.effective.push(columns.measure(2, row)?);
        }
        Ok(())
    })?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::instant::Day;

    #[test]
    fn columns_nobody_fills_are_not_written() {
        let day = |services: &[&str], annotations: &[(&str, &str)]| {
            let slot = Slot {
                node: "n".to_owned(),
                pod_uid: "p".to_owned(),
                container: "c".to_owned(),
                services: services.iter().map(|name| (*name).to_owned()).collect(),
                annotations: annotations
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
                ..Slot::default()
            };
            ClusterDay {
                cluster: "c".to_owned(),
                day: Day(20_000),
                slots: vec![(slot, Vec::new())],
                ..ClusterDay::default()
            }
        };
        for (services, annotations, more) in [
            (&[][..], &[][..], &[][..]),
            (&["api", "web"], &[], &["services"]),
            (&[], &[("note", "a, b")], &["annotations"]),
            (&["web"], &[("note", "")], &["services", "annotations"]),
        ] {
            let (lake, day) = (Lake::memory(), day(services, annotations));
            let file = write_day(&lake, &day).expect("writes");
            let local = lake.local(&file.slots_path).expect("there");
            let schema = scan::schema(local.path(), &file.slots_path).expect("Parquet");
            let names: Vec<&str> = schema.iter_names().map(|name| name.as_str()).collect();
            assert_eq!(names[..10], [&["slot"][..], &SLOT_TEXTS].concat());
            assert_eq!(&names[10..], more);
            assert_eq!(read_day(&lake, &file).expect("reads"), day);
        }
    }
}
