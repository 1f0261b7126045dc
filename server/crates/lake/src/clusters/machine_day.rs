//! What one machine's facts of a day say about a group of its charges.

use super::gather::GroupKey;
use crate::usage::{SlotHours, UsageFile};
use domain::instant::Day;
use domain::split::Claim;
use domain::usage::fill::fill;
use domain::usage::{Hour, Measure, Node, NodeHour, Slot, SlotHour};
use polars::prelude::PlHashMap;
use std::ops::Range;
use std::sync::Arc;

/// Rows of each node in a day's columns, which are in the order of nodes.
pub(super) fn node_ranges(hours: &SlotHours) -> PlHashMap<&str, Range<usize>> {
    let mut ranges = PlHashMap::default();
    let mut start = 0;
    while start < hours.slot.len() {
        let node = hours.slots[hours.slot[start] as usize].node.as_str();
        let length = hours.slot[start..].partition_point(|slot| hours.slots[*slot as usize].node.as_str() <= node);
        ranges.insert(node, start..start + length);
        start += length;
    }
    ranges
}

/// One machine on one day.
pub(super) struct MachineDay<'d> {
    pub day: Day,
    pub node: &'d Node,
    cluster: &'d str,
    node_hours: &'d [NodeHour],
    filled_s: Vec<u32>,
    hours: &'d SlotHours,
    rows: Range<usize>,
    /// (slot, hour, effective request), by slot and hour.
    filled: Vec<(u32, Hour, Measure)>,
}

impl<'d> MachineDay<'d> {
    pub fn new(
        file: &'d UsageFile,
        node: &'d Node,
        node_hours: &'d [NodeHour],
        hours: &'d SlotHours,
        rows: Option<&Range<usize>>,
    ) -> MachineDay<'d> {
        let rows = rows.cloned().unwrap_or(0..0);
        let mut day = MachineDay {
            day: file.day,
            node,
            cluster: &file.cluster,
            node_hours,
            filled_s: vec![0; node_hours.len()],
            hours,
            rows,
            filled: Vec::new(),
        };
        if node_hours.iter().any(|hour| hour.observed_s < hour.ready_s) {
            day.fill();
        }
        day
    }

    /// A5, within the day, so that a day does not depend on its neighbours.
    fn fill(&mut self) {
        let mut slots: Vec<(Slot, Vec<SlotHour>)> = Vec::new();
        let mut ids = Vec::new();
        for row in self.rows.clone() {
            let slot = self.hours.slot[row];
            if ids.last() != Some(&slot) {
                ids.push(slot);
                slots.push((Slot::default(), Vec::new()));
            }
            if let Some((_, hours)) = slots.last_mut() {
                hours.push(SlotHour {
                    hour: Hour(self.hours.hour[row]),
                    seconds: 0,
                    effective: self.hours.effective[row],
                    requested: Measure::ZERO,
                    used: Measure::ZERO,
                });
            }
        }
        let fill = fill(self.node_hours, &slots);
        self.filled_s = fill.filled_s;
        self.filled = fill
            .filled
            .iter()
            .map(|piece| (ids[piece.slot], piece.hour, piece.effective))
            .collect();
    }
}

/// Who a claim is: for the owner rules, and for the day it is shown on.
pub(super) struct ClaimOf {
    pub slot: Arc<Slot>,
    /// Its position in the day's files.
    pub index: u32,
    pub pool: String,
    pub filled: bool,
    pub day: Day,
}

/// Everything about a group, over its days.
#[derive(Default)]
pub(super) struct GroupFacts {
    pub hours: Vec<NodeHour>,
    pub filled_s: Vec<u32>,
    /// In canonical order once [`GroupFacts::sort`] was called.
    pub claims: Vec<(ClaimOf, Claim)>,
    days: u32,
}

impl GroupFacts {
    /// Adds a machine's day, of the hours of a group.
    pub fn add(&mut self, day: &MachineDay<'_>, key: &GroupKey) {
        debug_assert!(!day.cluster.is_empty());
        let range = key.from..key.to;
        for (hour, filled_s) in day.node_hours.iter().zip(&day.filled_s) {
            if range.contains(&hour.hour) {
                self.hours.push(*hour);
                self.filled_s.push(*filled_s);
            }
        }
        let mut filled = day.filled.iter().filter(|(_, hour, _)| range.contains(hour)).peekable();
        let mut row = day.rows.start;
        while row < day.rows.end {
            let slot = day.hours.slot[row];
            let mut sum: Option<Measure> = None;
            while row < day.rows.end && day.hours.slot[row] == slot {
                if range.contains(&Hour(day.hours.hour[row])) {
                    sum = Some(sum.unwrap_or_default().plus(day.hours.effective[row]));
                }
                row += 1;
            }
            if let Some(effective) = sum {
                self.push(day, slot, false, effective);
            }
            let mut sum: Option<Measure> = None;
            while let Some((_, _, effective)) = filled.next_if(|(at, _, _)| *at == slot) {
                sum = Some(sum.unwrap_or_default().plus(*effective));
            }
            if let Some(effective) = sum {
                self.push(day, slot, true, effective);
            }
        }
        self.days += 1;
    }

    fn push(&mut self, day: &MachineDay<'_>, slot: u32, filled: bool, effective: Measure) {
        let index = slot;
        let slot = Arc::clone(&day.hours.slots[slot as usize]);
        let claim = Claim {
            role: slot.role,
            filled,
            effective,
            requested: Measure::ZERO,
            used: Measure::ZERO,
        };
        let of = ClaimOf {
            slot,
            index,
            pool: day.node.pool.clone(),
            filled,
            day: day.day,
        };
        self.claims.push((of, claim));
    }

    /// Puts claims of several days into canonical order: slot, observed before filled, day.
    pub fn sort(&mut self) {
        if self.days > 1 {
            self.claims
                .sort_by(|(a, _), (b, _)| (&a.slot, a.filled, a.day).cmp(&(&b.slot, b.filled, b.day)));
        }
    }
}
