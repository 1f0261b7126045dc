//! What the fast split reads of a day: columns, without a copy per row.

use super::UsageFile;
use super::file::{HOUR_COLUMNS, Texts, damaged, each_batch};
use crate::error::LakeError;
use crate::object::Lake;
use crate::scan;
use domain::tags;
use domain::usage::Node;

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
            if last.as_ref().is_some_and(same) {
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

/// Hands the slot-hours of a day to `each`, some row groups at a time.
///
/// # Errors
/// As [`each_node`].
pub(crate) fn each_hours(
    lake: &Lake,
    file: &UsageFile,
    mut each: impl FnMut(&HourRows<'_>) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    let path = &file.hours_path;
    let local = lake.local(path)?;
    scan::check_version(local.path(), path)?;
    let mut zeros: Vec<i64> = Vec::new();
    scan::groups(local.path(), path, &HOUR_COLUMNS, |frame| {
        if zeros.len() < frame.height() {
            zeros.resize(frame.height(), 0);
        }
        let small = |name: &str| {
            let column = frame.column(name).ok().and_then(|column| column.i32().ok());
            column
                .and_then(|column| column.cont_slice().ok())
                .ok_or_else(|| damaged(path, name))
        };
        let mut measures = [&zeros[..frame.height()]; 9];
        for (values, name) in measures.iter_mut().zip(&HOUR_COLUMNS[3..]) {
            // a column of zeros was left out
            let Ok(column) = frame.column(name) else { continue };
            *values = column
                .i64()
                .ok()
                .and_then(|column| column.cont_slice().ok())
                .filter(|values| values.iter().fold(0, |all, value| all | value) >= 0)
                .ok_or_else(|| damaged(path, name))?;
        }
        let rows = HourRows {
            slot: small("slot")?,
            hour: small("hour")?,
            seconds: small("seconds")?,
            measures,
        };
        each(&rows)
    })
}
