//! What the fast split reads of a day: columns, without a copy per row.

use super::UsageFile;
use super::columns::{Texts, damaged, each_batch};
use super::file::HOUR_COLUMNS;
use crate::error::LakeError;
use crate::ints::IntFile;
use crate::object::Lake;
use domain::tags;
use domain::usage::Node;
use std::ops::Range;

const NODE_TEXTS: [&str; 6] = [
    "node",
    "provider_id",
    "pool",
    "capacity_type",
    "root_volume_id",
    "labels",
];

/// Hands every node of a day to `each`, once per run of rows.
///
/// # Errors
/// When the file is missing, unreadable or not of ours.
pub(crate) fn each_node(lake: &Lake, file: &UsageFile, mut each: impl FnMut(&Node)) -> Result<(), LakeError> {
    let mut last: Option<Node> = None;
    each_batch(lake, &file.nodes_path, &NODE_TEXTS, |frame, path| {
        let texts = Texts::of(frame, path, &NODE_TEXTS)?;
        for row in 0..frame.height() {
            let text = |at: usize| texts.at(at, row);
            let same = |node: &Node| {
                node.name == text(0)
                    && node.provider_id == text(1)
                    && node.pool == text(2)
                    && node.root_volume_id == text(4)
            };
            if texts.repeats(row) || last.as_ref().is_some_and(same) {
                continue;
            }
            let node = Node {
                name: text(0).to_owned(),
                provider_id: text(1).to_owned(),
                pool: text(2).to_owned(),
                capacity_type: text(3).to_owned(),
                root_volume_id: text(4).to_owned(),
                labels: tags::parse(text(5)).unwrap_or_default(),
            };
            each(last.insert(node));
        }
        Ok(())
    })
}

/// Of a slot: node, container, role, namespace, kind and name of the workload, labels.
pub(crate) const SLOT_TEXTS: [&str; 7] = [
    "node",
    "container",
    "role",
    "namespace",
    "workload_kind",
    "workload",
    "labels",
];

/// Hands every slot of a day to `each`, in order.
///
/// # Errors
/// As [`each_node`].
pub(crate) fn each_slot(
    lake: &Lake,
    file: &UsageFile,
    mut each: impl FnMut([&str; 7]) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    each_batch(lake, &file.slots_path, &SLOT_TEXTS, |frame, path| {
        let texts = Texts::of(frame, path, &SLOT_TEXTS)?;
        (0..frame.height()).try_for_each(|row| each([0, 1, 2, 3, 4, 5, 6].map(|at| texts.at(at, row))))
    })
}

/// Slot-hours of a day, some of them, by slot and hour.
pub(crate) struct HourRows<'f> {
    /// Position of the slot.
    pub slot: &'f [i32],
    /// Hours since the epoch.
    pub hour: &'f [i32],
    /// Seconds observed.
    pub seconds: &'f [i32],
    /// Effective request, request and usage: CPU, memory, accelerators each.
    /// None is negative.
    pub measures: [&'f [i64]; 9],
}

/// Hands the slot-hours of some slots of a day to `each`, row group by row
/// group. Answers how many there were, and how many the file has.
///
/// # Errors
/// As [`each_node`].
pub(crate) fn each_hours(
    lake: &Lake,
    file: &UsageFile,
    slots: &Range<i32>,
    mut each: impl FnMut(&HourRows<'_>) -> Result<(), LakeError>,
) -> Result<[usize; 2], LakeError> {
    let path = &file.hours_path;
    let local = lake.local(path)?;
    let mut file = IntFile::open(local.path(), path)?;
    let mut buffers = Buffers::default();
    let mut counts = [0; 2];
    for group in 0..file.groups() {
        let rows = file.rows(group);
        counts[1] += rows;
        let all = *slots == ALL_SLOTS;
        let bounds = file.bounds::<i32>(group, HOUR_COLUMNS[0]).filter(|_| !all);
        if bounds.is_some_and(|(first, last)| last < slots.start.into() || first >= slots.end.into()) {
            continue;
        }
        buffers.read(&mut file, group, path)?;
        let slot = &buffers.small[0];
        let of = |end: i32| slot.partition_point(|slot| *slot < end);
        let wanted = if all {
            0..rows
        } else {
            of(slots.start)..of(slots.end).max(of(slots.start))
        };
        counts[0] += wanted.len();
        each(&buffers.rows(wanted))?;
    }
    Ok(counts)
}

/// Every slot there may be.
pub(crate) const ALL_SLOTS: Range<i32> = i32::MIN..i32::MAX;

/// A row group of slot-hours, kept from one to the next.
#[derive(Default)]
struct Buffers {
    small: [Vec<i32>; 3],
    measures: [Vec<i64>; 9],
    /// Of measures: whether the row group has nothing but zeros, which are not read.
    zero: [bool; 9],
    zeros: Vec<i64>,
}

impl Buffers {
    fn read(&mut self, file: &mut IntFile<'_>, group: usize, path: &str) -> Result<(), LakeError> {
        for (values, name) in self.small.iter_mut().zip(&HOUR_COLUMNS) {
            file.read(group, name, values)?;
        }
        let rows = file.rows(group);
        if self.zeros.len() < rows {
            self.zeros.resize(rows, 0);
        }
        let measures = self.measures.iter_mut().zip(&mut self.zero);
        for ((values, zero), name) in measures.zip(&HOUR_COLUMNS[3..]) {
            *zero = file.bounds::<i64>(group, name) == Some((0, 0));
            if *zero {
                continue;
            }
            file.read(group, name, values)?;
            if values.iter().fold(0, |all, value| all | value) < 0 {
                return Err(damaged(path, name));
            }
        }
        Ok(())
    }

    fn rows(&self, rows: Range<usize>) -> HourRows<'_> {
        let [slot, hour, seconds] = self.small.each_ref().map(|values| &values[rows.clone()]);
        let mut measures = [&self.zeros[rows.clone()]; 9];
        let there = measures.iter_mut().zip(&self.measures).zip(self.zero);
        for ((measure, values), _) in there.filter(|(_, zero)| !zero) {
            *measure = &values[rows.clone()];
        }
        HourRows {
            slot,
            hour,
            seconds,
            measures,
        }
    }
}
