//! The pieces of a day as cells of the cube: where they land, as a worker
//! numbers it, and what lands there.

use super::day::too_large;
use super::owners::push;
use super::parts::{DAEMON, DISK_LEFT, IDLE, NOT_READY, OWN, Parts, SYSTEM, SYSTEM_LEFT, UNOBSERVED};
use super::rows::DaySlots;
use crate::error::LakeError;
use domain::Money;
use domain::allocate::CubeValue;
use domain::usage::{Node, Part, Role};
use polars::prelude::PlHashMap;

/// Lane, place of the worker, part.
pub(super) type CellKey = (u32, u32, Option<Part>);
pub(super) type Cells = PlHashMap<CellKey, CubeValue>;
/// Of a bin: the entry its bill lines are counted with, and how many.
pub(super) type Payer = (Option<u32>, u64);

/// Where pieces land, as a worker numbers them: cluster and pool, and what of a
/// slot owner rules see.
#[derive(Default)]
pub(super) struct Places {
    sites: Vec<(String, String)>,
    subjects: Vec<[String; 5]>,
    subject_ids: PlHashMap<Box<[u8]>, u32>,
    ids: PlHashMap<(u32, u32), u32>,
    all: Vec<(u32, u32)>,
}

const NO_SUBJECT: u32 = u32::MAX;

impl Places {
    pub fn site(&mut self, cluster: &str, pool: &str) -> u32 {
        let known = self.sites.iter().rposition(|site| site.0 == cluster && site.1 == pool);
        let position = known.unwrap_or_else(|| {
            self.sites.push((cluster.to_owned(), pool.to_owned()));
            self.sites.len() - 1
        });
        u32::try_from(position).unwrap_or(u32::MAX)
    }

    pub fn subject(&mut self, texts: [&str; 5], key: &mut Vec<u8>) -> u32 {
        key.clear();
        texts.iter().for_each(|text| push(key, text));
        if let Some(id) = self.subject_ids.get(key.as_slice()) {
            return *id;
        }
        let id = u32::try_from(self.subjects.len()).unwrap_or(u32::MAX);
        self.subject_ids.insert(key.as_slice().into(), id);
        self.subjects.push(texts.map(str::to_owned));
        id
    }

    pub fn place(&mut self, site: u32, subject: u32) -> u32 {
        let all = &mut self.all;
        *self.ids.entry((site, subject)).or_insert_with(|| {
            all.push((site, subject));
            u32::try_from(all.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Cluster, pool and slot of every place, in the order of their numbers.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, Option<[&str; 5]>)> {
        self.all.iter().map(|(site, subject)| {
            let (cluster, pool) = &self.sites[*site as usize];
            let subject = self.subjects.get(*subject as usize);
            let texts = subject.map(|texts| texts.each_ref().map(String::as_str));
            (cluster.as_str(), pool.as_str(), texts)
        })
    }
}

/// Pieces of the cube: own money, what followed, and the remainders.
pub(super) fn land(
    (places, cells): (&mut Places, &mut Cells),
    (cluster, node, home): (&str, &Node, &Node),
    (slots, base, roles): (&DaySlots, usize, &[Role]),
    (lane, charges, payers): (u32, u64, Option<&[Payer]>),
    (effective, billed): (&Parts, &Parts),
) -> Result<(), LakeError> {
    let mut add = |place: u32, part: Option<Part>, charges: u64, billed: i128, effective: i128| {
        let money = |units: i128| Money::from_units(units).ok_or_else(too_large);
        let value = CubeValue {
            charges,
            billed: money(billed)?,
            effective: money(effective)?,
        };
        cells
            .entry((lane, place, part))
            .or_default()
            .add(value)
            .map_err(|_| too_large())
    };
    let site = places.site(cluster, &node.pool);
    let whole = |parts: &Parts, entry: usize| parts.own[entry].iter().sum::<i128>();
    for entry in 0..effective.own.len() {
        let counted = payers
            .into_iter()
            .flatten()
            .filter(|(payer, _)| payer.is_some_and(|payer| payer as usize == entry));
        let lines: u64 = counted.map(|(_, lines)| lines).sum();
        let touched = effective.touched[entry] | billed.touched[entry];
        if touched == 0 && lines == 0 {
            continue;
        }
        let place = places.place(site, slots.subject[base + entry / 2]);
        if touched & OWN > 0 || lines > 0 {
            let part = Part::of(roles[entry / 2], entry % 2 == 1);
            add(place, Some(part), lines, whole(billed, entry), whole(effective, entry))?;
        }
        if touched & SYSTEM > 0 {
            add(
                place,
                Some(Part::SystemReserved),
                0,
                billed.system[entry],
                effective.system[entry],
            )?;
        }
        if touched & DAEMON > 0 {
            add(
                place,
                Some(Part::DaemonSet),
                0,
                billed.daemon[entry],
                effective.daemon[entry],
            )?;
        }
    }
    let home = places.site(cluster, &home.pool);
    let place = places.place(home, NO_SUBJECT);
    let touched = effective.node_touched | billed.node_touched;
    if let Some(payers) = payers {
        let lines: u64 = payers
            .iter()
            .filter(|(payer, _)| payer.is_none())
            .map(|(_, lines)| lines)
            .sum();
        if lines > 0 || touched & DISK_LEFT > 0 {
            add(place, None, lines, billed.disk_left, effective.disk_left)?;
        }
        return Ok(());
    }
    let sums = |parts: &Parts| {
        [parts.idle, parts.not_ready, parts.unobserved, parts.system_left].map(|cost| cost.iter().sum::<i128>())
    };
    let (billed, effective) = (sums(billed), sums(effective));
    for (at, (part, bit)) in [
        (Part::IdleCapacity, IDLE),
        (Part::NotReady, NOT_READY),
        (Part::Unobserved, UNOBSERVED),
        (Part::SystemReserved, SYSTEM_LEFT),
    ]
    .into_iter()
    .enumerate()
    {
        // bill lines are counted once, where idle capacity is
        let lines = if at == 0 { charges } else { 0 };
        if lines > 0 || touched & bit > 0 {
            add(place, Some(part), lines, billed[at], effective[at])?;
        }
    }
    Ok(())
}
