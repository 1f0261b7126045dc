//! The slot-hours of one node's day, as they come out of the file.

use super::parts::Claims;
use crate::container_days::Extent;
use crate::usage::HourRows;
use domain::usage::fill::fill;
use domain::usage::{Hour, Measure, NodeHour, Role, Slot, SlotHour};

/// What the files of a day say of its slots.
#[derive(Default)]
pub(super) struct DaySlots {
    pub role: Vec<Role>,
    /// Whether it serves the whole cluster (A27).
    pub service: Vec<bool>,
    /// Whether it pays for what the whole cluster uses.
    pub user: Vec<bool>,
    /// Position of what owner rules see.
    pub subject: Vec<u32>,
    /// Position of the node's name.
    pub node: Vec<u32>,
    /// Names of nodes, in order, with the first slot of each.
    pub names: Vec<(String, u32)>,
}

impl DaySlots {
    /// The first slot of a node and the one after its last.
    pub fn range(&self, node: u32) -> (u32, u32) {
        let first = self.names[node as usize].1;
        let next = self.names.get(node as usize + 1).map(|(_, first)| *first);
        let all = u32::try_from(self.role.len()).unwrap_or(u32::MAX);
        (first, next.unwrap_or(all))
    }
}

/// One node's slot-hours, by slot and hour; slots count from the node's first.
#[derive(Default)]
pub(super) struct NodeRows {
    /// Position of the node's name; `None` before the first row.
    pub name: Option<u32>,
    pub base: u32,
    pub slots: u32,
    slot: Vec<u32>,
    hour: Vec<u8>,
    weight: Vec<[u64; 3]>,
    /// Per entry (slot and whether filled): when it ran and what it held.
    pub extent: Vec<Option<Extent>>,
    /// (slot, hour, effective request), by slot and hour.
    pub filled: Vec<(u32, u8, [u64; 3])>,
}

fn array(measure: Measure) -> [u64; 3] {
    [measure.cpu_core_ms, measure.memory_mib_s, measure.gpu_ms]
}

fn measure([cpu_core_ms, memory_mib_s, gpu_ms]: [u64; 3]) -> Measure {
    Measure {
        cpu_core_ms,
        memory_mib_s,
        gpu_ms,
    }
}

/// The sum of figures that are not negative, as [`Measure::plus`] has it.
fn total(values: &[i64]) -> u64 {
    let all = values.iter().fold(0, |all, value| all | value);
    if all >> 48 == 0 && values.len() < 1 << 15 {
        return values.iter().sum::<i64>().unsigned_abs();
    }
    let values = values.iter().map(|value| value.unsigned_abs());
    values.fold(0, u64::saturating_add)
}

impl NodeRows {
    /// Begins a node with so many slots from `base` on.
    pub fn begin(&mut self, name: Option<u32>, (base, end): (u32, u32)) {
        (self.name, self.base, self.slots) = (name, base, end - base);
        self.slot.clear();
        self.hour.clear();
        self.weight.clear();
        self.filled.clear();
        self.extent.clear();
        self.extent.resize(2 * self.slots as usize, None);
    }

    /// Takes the rows of one slot from `from` on; answers where they end, or
    /// `None` when an hour is not one of the day.
    pub fn take(&mut self, batch: &HourRows<'_>, from: usize, first_hour: i32) -> Option<usize> {
        let slot = batch.slot[from];
        let rows = batch.slot[from..].iter().take_while(|of| **of == slot).count();
        let range = from..from + rows;
        let local = slot.unsigned_abs() - self.base;
        let hours = &batch.hour[range.clone()];
        for hour in hours {
            let of_day = u8::try_from(hour.wrapping_sub(first_hour)).ok();
            self.hour.push(of_day.filter(|hour| *hour < 24)?);
        }
        self.slot.resize(self.slot.len() + rows, local);
        let [ec, em, eg, rc, rm, rg, uc, um, ug] = batch.measures.map(|values| &values[range.clone()]);
        let weights = ec.iter().zip(em).zip(eg);
        self.weight
            .extend(weights.map(|((cpu, memory), gpu)| [*cpu, *memory, *gpu].map(i64::unsigned_abs)));
        let extent = self.extent[2 * local as usize].get_or_insert(Extent {
            first: hours[0],
            ..Extent::default()
        });
        extent.end = hours[rows - 1] + 1;
        let seconds = batch.seconds[range.clone()].iter();
        extent.seconds += seconds.map(|seconds| u64::from(seconds.unsigned_abs())).sum::<u64>();
        for (sum, of) in extent
            .measures
            .iter_mut()
            .zip([[rc, rm, rg], [uc, um, ug], [ec, em, eg]])
        {
            *sum = sum.plus(measure(of.map(total)));
        }
        Some(range.end)
    }

    /// Slot, hour of the day and effective request of what was observed.
    pub fn observed(&self) -> impl Iterator<Item = (u32, u8, [u64; 3])> {
        let rows = self.slot.iter().zip(&self.hour).zip(&self.weight);
        rows.map(|((slot, hour), weight)| (*slot, *hour, *weight))
    }

    /// A5, within the day, so that a day does not depend on its neighbours.
    /// Answers the seconds filled, per hour of the node.
    pub fn fill(&mut self, hours: &[NodeHour], first_hour: i32) -> Vec<u32> {
        self.filled.clear();
        self.extent
            .iter_mut()
            .skip(1)
            .step_by(2)
            .for_each(|filled| *filled = None);
        if hours.iter().all(|hour| hour.observed_s >= hour.ready_s) {
            return vec![0; hours.len()];
        }
        let mut slots: Vec<(Slot, Vec<SlotHour>)> = vec![(Slot::default(), Vec::new()); self.slots as usize];
        for row in 0..self.slot.len() {
            slots[self.slot[row] as usize].1.push(SlotHour {
                hour: Hour(first_hour + i32::from(self.hour[row])),
                seconds: 0,
                effective: measure(self.weight[row]),
                requested: Measure::ZERO,
                used: Measure::ZERO,
            });
        }
        let fill = fill(hours, &slots);
        for piece in &fill.filled {
            let hour = piece.hour.of_day();
            let slot = u32::try_from(piece.slot).unwrap_or(u32::MAX);
            self.filled.push((slot, hour, array(piece.effective)));
            let extent = self.extent[2 * piece.slot + 1].get_or_insert(Extent {
                first: piece.hour.0,
                ..Extent::default()
            });
            extent.end = piece.hour.0 + 1;
            extent.measures[2] = extent.measures[2].plus(piece.effective);
        }
        fill.filled_s
    }

    /// The claims on the bins that hours belong to (`NO_BIN`: none).
    pub fn claims(&self, bin_of: &[u8; 24], bins: usize, roles: &[Role], claims: &mut Claims) {
        claims.clear(bins);
        // hours that pay one by one are claims as they are
        let single = (0..bins).all(|bin| bin_of.iter().filter(|of| usize::from(**of) == bin).count() <= 1);
        let mut filled = self.filled.iter().peekable();
        let mut row = 0;
        for slot in 0..self.slots {
            let role = roles[slot as usize];
            let start = row;
            row += self.slot[row..].iter().take_while(|of| **of == slot).count();
            let (hours, weights) = (&self.hour[start..row], &self.weight[start..row]);
            let observed = hours.iter().copied().zip(weights.iter().copied());
            if single && hours.is_sorted_by(|a, b| a < b) {
                claims.extend(
                    slot * 2,
                    observed.map(|(hour, weight)| (bin_of[usize::from(hour)], weight)),
                    role,
                );
            } else {
                push(claims, slot * 2, role, bin_of, observed);
            }
            if !self.filled.is_empty() {
                let of_slot = std::iter::from_fn(|| filled.next_if(|(at, _, _)| *at == slot));
                push(
                    claims,
                    slot * 2 + 1,
                    role,
                    bin_of,
                    of_slot.map(|(_, hour, weight)| (*hour, *weight)),
                );
            }
        }
    }

    /// What an entry held in each of some hours.
    pub fn by_hour(&self, entry: u32, from: u8, to: u8) -> Vec<[u64; 3]> {
        let mut held = vec![[0; 3]; usize::from(to - from)];
        let mut add = |hour: u8, weight: [u64; 3]| {
            if (from..to).contains(&hour) {
                held[usize::from(hour - from)] = weight;
            }
        };
        let slot = entry / 2;
        if entry.is_multiple_of(2) {
            let rows = self.slot.partition_point(|of| *of < slot)..self.slot.partition_point(|of| *of <= slot);
            rows.for_each(|row| add(self.hour[row], self.weight[row]));
        } else {
            let rows = self.filled.iter().filter(|(of, _, _)| *of == slot);
            rows.for_each(|(_, hour, weight)| add(*hour, *weight));
        }
        held
    }
}

/// Hours that no bin is for.
pub(super) const NO_BIN: u8 = u8::MAX;

/// One claim per bin and entry: hours of one bin are neighbours.
fn push(claims: &mut Claims, entry: u32, role: Role, bin_of: &[u8; 24], hours: impl Iterator<Item = (u8, [u64; 3])>) {
    let mut open: Option<(u8, [u64; 3])> = None;
    for (hour, weight) in hours {
        let bin = bin_of[usize::from(hour)];
        open = match open {
            Some((at, sum)) if at == bin => Some((at, [0, 1, 2].map(|of| sum[of].saturating_add(weight[of])))),
            other => {
                if let Some((at, sum)) = other
                    && at != NO_BIN
                {
                    claims.push(entry, at, sum, role);
                }
                Some((bin, weight))
            }
        };
    }
    if let Some((at, sum)) = open
        && at != NO_BIN
    {
        claims.push(entry, at, sum, role);
    }
}
