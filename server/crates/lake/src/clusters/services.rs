//! What follows all pods of a cluster, in the fast split (A27): the money of
//! pods that serve the cluster, and control planes. A day's is put aside while
//! its nodes are split, and lands when it is known who used the cluster.

use super::carry::Share;
use super::cells::{Cells, Places};
use super::day::too_large;
use super::kernel::Arithmetic;
use super::rows::NodeRows;
use crate::error::LakeError;
use domain::Money;
use domain::allocate::CubeValue;
use domain::allocate::cluster_wide::{DayWeights, Users};
use domain::allocate::clusters::worth;
use domain::apportion::ApportionError;
use domain::instant::Day;
use domain::tags;
use domain::usage::{Hour, Measure, Part, Slot};
use polars::prelude::PlHashMap;
use std::collections::BTreeMap;

/// Money put aside. Pieces of the same first four fields and hours of different
/// charges are split apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Served {
    pub lane: u32,
    /// Cluster and pool where it lands.
    pub site: u32,
    pub part: Part,
    /// Hours of the day it is split by.
    pub hours: (u8, u8),
    /// Who has it when nobody uses the cluster in these hours.
    pub subject: u32,
    pub charges: u64,
    pub billed: i128,
    pub effective: i128,
}

/// The users of a day while it is being read, and what waits for them.
#[derive(Default)]
pub(super) struct Services {
    pub served: Vec<Served>,
    /// By what owner rules see of them.
    weights: PlHashMap<u32, DayWeights>,
}

impl Services {
    /// Adds the users among a node's slots: those observed once, those filled
    /// for every node of the name.
    pub fn add(&mut self, rows: &NodeRows, users: &[bool], subjects: &[u32], observed: bool) {
        let mut add = |slot: u32, hour: u8, [cpu_core_ms, memory_mib_s, gpu_ms]: [u64; 3]| {
            if users[slot as usize] {
                let held = Measure {
                    cpu_core_ms,
                    memory_mib_s,
                    gpu_ms,
                };
                let weights = self.weights.entry(subjects[slot as usize]).or_default();
                weights[usize::from(hour).min(23)] += worth(&held);
            }
        };
        if observed {
            rows.observed().for_each(|(slot, hour, held)| add(slot, hour, held));
        }
        rows.filled
            .iter()
            .for_each(|(slot, hour, held)| add(*slot, *hour, *held));
    }

    /// Lands what was put aside.
    pub fn land(
        mut self,
        places: &mut Places,
        cells: &mut Cells,
        by: Arithmetic,
        day: Day,
    ) -> Result<(), ServiceError> {
        if self.served.is_empty() {
            return Ok(());
        }
        let (users, subjects) = users(std::mem::take(&mut self.weights), places);
        let mut weights: BTreeMap<(u8, u8), Weights> = BTreeMap::new();
        self.served.sort_unstable();
        let same = |a: &Served, b: &Served| (a.lane, a.site, a.part) == (b.lane, b.site, b.part);
        for group in self.served.chunk_by(same) {
            let mut sums = vec![CubeValue::default(); subjects.len()];
            let (lane, site, part) = (group[0].lane, group[0].site, Some(group[0].part));
            for served in group {
                let weights = weights
                    .entry(served.hours)
                    .or_insert_with(|| Weights::of(&users, day, served.hours));
                if weights.first.is_none() {
                    let place = places.place(site, served.subject);
                    add(
                        cells.entry((lane, place, part)).or_default(),
                        served.charges,
                        served.billed,
                        served.effective,
                    )?;
                    continue;
                }
                weights.split(served, &users, by, &mut sums)?;
            }
            for (subject, sum) in subjects.iter().zip(sums) {
                if sum != CubeValue::default() {
                    let place = places.place(site, *subject);
                    let cell = cells.entry((lane, place, part)).or_default();
                    cell.add(sum).map_err(|_| ServiceError::Lake(too_large()))?;
                }
            }
        }
        Ok(())
    }
}

/// Why what was put aside could not land.
pub(super) enum ServiceError {
    Refused(ApportionError),
    Lake(LakeError),
}

impl From<ApportionError> for ServiceError {
    fn from(error: ApportionError) -> ServiceError {
        ServiceError::Refused(error)
    }
}

fn add(cell: &mut CubeValue, charges: u64, billed: i128, effective: i128) -> Result<(), ServiceError> {
    let value = CubeValue {
        charges,
        billed: money(billed)?,
        effective: money(effective)?,
    };
    cell.add(value).map_err(|_| ServiceError::Lake(too_large()))
}

fn money(units: i128) -> Result<Money, ServiceError> {
    Money::from_units(units).ok_or_else(|| ServiceError::Lake(too_large()))
}

/// The users in canonical order, and what the worker calls them.
fn users(weights: PlHashMap<u32, DayWeights>, places: &Places) -> (Users, Vec<u32>) {
    let mut known: BTreeMap<Slot, (u32, DayWeights)> = BTreeMap::new();
    for (subject, weights) in weights {
        let [namespace, workload_kind, workload, container, labels] = places.texts(subject);
        let slot = Slot {
            namespace: namespace.to_owned(),
            workload_kind: workload_kind.to_owned(),
            workload: workload.to_owned(),
            container: container.to_owned(),
            labels: tags::parse(labels).unwrap_or_default(),
            ..Slot::default()
        };
        let known = known.entry(slot).or_insert((subject, [0; 24]));
        known.1.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
    }
    let subjects = known.values().map(|(subject, _)| *subject).collect();
    let weights = known.into_iter().map(|(slot, (_, weights))| (slot, weights));
    (Users::new(weights.collect()), subjects)
}

/// The weights of some hours.
struct Weights {
    all: Vec<i128>,
    /// Those above zero, and their sum, when it fits 64 bits.
    small: Option<(Vec<(usize, u64)>, u64)>,
    /// The first above zero.
    first: Option<usize>,
}

impl Weights {
    fn of(users: &Users, day: Day, (from, to): (u8, u8)) -> Weights {
        let hour = |of_day: u8| Hour(day.0 * 24 + i32::from(of_day));
        let all = users.weights(day, hour(from)..hour(to));
        let small = u64::try_from(all.iter().sum::<i128>()).ok();
        let fit = |(at, weight): (usize, &i128)| Some((at, u64::try_from(*weight).ok()?));
        let small = small.map(|sum| {
            let weights = all.iter().enumerate().filter(|(_, weight)| **weight > 0);
            (weights.filter_map(fit).collect(), sum)
        });
        Weights {
            first: all.iter().position(|weight| *weight > 0),
            all,
            small,
        }
    }

    /// Adds the parts of a piece to the sums of the users.
    fn split(
        &self,
        served: &Served,
        users: &Users,
        by: Arithmetic,
        sums: &mut [CubeValue],
    ) -> Result<(), ServiceError> {
        if let Some(first) = self.first {
            sums[first].charges += served.charges;
        }
        let effective = self.divide(served.effective, users, by)?;
        let billed = if served.billed == served.effective {
            effective.clone()
        } else {
            self.divide(served.billed, users, by)?
        };
        for ((at, effective), (_, billed)) in effective.into_iter().zip(billed) {
            add(&mut sums[at], 0, billed, effective)?;
        }
        Ok(())
    }

    /// The parts of an amount of those with a weight.
    fn divide(&self, amount: i128, users: &Users, by: Arithmetic) -> Result<Vec<(usize, i128)>, ServiceError> {
        if by.exact
            && let Some((weights, sum)) = &self.small
        {
            let mut share = Share::new(amount.unsigned_abs(), *sum);
            let sign = if amount < 0 { -1 } else { 1 };
            let part = |(at, weight): &(usize, u64)| (*at, sign * share.next(*weight).cast_signed());
            return Ok(weights.iter().map(part).collect());
        }
        let parts = users.split(money(amount)?, &self.all, by.split)?.unwrap_or_default();
        Ok(parts.into_iter().map(Money::units).enumerate().collect())
    }
}
