//! The pieces of a day as cells of the cube: where they land, as a worker
//! numbers it, and what lands there.

use super::day::too_large;
use super::owners::push;
use super::parts::{DAEMON, DISK_LEFT, IDLE, NOT_READY, OWN, Parts, SYSTEM, UNOBSERVED};
use super::rows::DaySlots;
use super::services::Served;
use crate::error::LakeError;
use domain::Money;
use domain::allocate::CubeValue;
use domain::allocate::clusters::{MachineCost, service_part};
use domain::usage::{Node, Part};
use polars::prelude::PlHashMap;

/// Lane, place of the worker, part.
pub(super) type CellKey = (u32, u32, Option<Part>);
pub(super) type Cells = PlHashMap<CellKey, CubeValue>;
/// Of a bin: the entry its bill lines are counted with, and how many.
pub(super) type Payer = (Option<u32>, u64);

/// Where pieces land, as a worker numbers them: cluster and pool, and what of a
/// slot owner rules see.
#[derive(Default, Clone)]
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

    /// What owner rules see of a subject.
    pub fn texts(&self, subject: u32) -> [&str; 5] {
        let known = self.subjects.get(subject as usize);
        known.map_or([""; 5], |texts| texts.each_ref().map(String::as_str))
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

/// A node's costs of one kind that were split, and where they go.
pub(super) struct Landing<'l> {
    pub cluster: &'l str,
    pub node: &'l Node,
    /// The node as its machine was first seen: where the remainders go.
    pub home: &'l Node,
    pub slots: &'l DaySlots,
    /// The first slot of the node.
    pub base: usize,
    pub lane: u32,
    pub cost: MachineCost,
    /// Hours of the day the costs are of, when a service is among the slots.
    pub hours: (u8, u8),
    pub charges: u64,
    /// Who bill lines are counted with, of what follows the pods.
    pub payers: &'l [Payer],
    pub effective: &'l Parts,
    pub billed: &'l Parts,
}

impl Landing<'_> {
    /// Pieces of the cube: own money, what followed, and the remainders. What
    /// goes to other pods of the cluster is put aside in `served`.
    pub fn land(&self, places: &mut Places, cells: &mut Cells, served: &mut Vec<Served>) -> Result<(), LakeError> {
        let site = places.site(self.cluster, &self.node.pool);
        let (effective, billed) = (self.effective, self.billed);
        let whole = |parts: &Parts, entry: usize| parts.own[entry].iter().sum::<i128>();
        for entry in 0..effective.own.len() {
            let lines = self.lines(Some(entry));
            let touched = effective.touched[entry] | billed.touched[entry];
            if touched == 0 && lines == 0 {
                continue;
            }
            let slot = self.base + entry / 2;
            let subject = self.slots.subject[slot];
            let place = places.place(site, subject);
            let mut add = |part: Part, bit: u8, lines: u64, billed: i128, effective: i128| {
                if touched & bit == 0 && lines == 0 {
                    return Ok(());
                }
                if !self.slots.service[slot] {
                    return self.add(cells, place, Some(part), (lines, billed, effective));
                }
                let part = service_part(part);
                if touched & bit > 0 {
                    served.push(Served {
                        lane: self.lane,
                        site,
                        part,
                        hours: self.hours,
                        subject,
                        charges: 0,
                        billed,
                        effective,
                    });
                }
                // the bill line stays where it is counted
                if lines > 0 {
                    self.add(cells, place, Some(part), (lines, 0, 0))?;
                }
                Ok(())
            };
            let part = match self.cost {
                MachineCost::Network => Part::UnmeasuredNetwork,
                _ => Part::of(self.slots.role[slot], entry % 2 == 1),
            };
            add(part, OWN, lines, whole(billed, entry), whole(effective, entry))?;
            let (system, daemon) = (Part::SystemReserved, Part::DaemonSet);
            add(system, SYSTEM, 0, billed.system[entry], effective.system[entry])?;
            add(daemon, DAEMON, 0, billed.daemon[entry], effective.daemon[entry])?;
        }
        let home = places.site(self.cluster, &self.home.pool);
        let place = places.place(home, NO_SUBJECT);
        let touched = effective.node_touched | billed.node_touched;
        if self.cost != MachineCost::Compute {
            let lines = self.lines(None);
            if lines > 0 || touched & DISK_LEFT > 0 {
                let part = (self.cost == MachineCost::Network).then_some(Part::UnmeasuredNetwork);
                self.add(cells, place, part, (lines, billed.disk_left, effective.disk_left))?;
            }
            return Ok(());
        }
        let sums =
            |parts: &Parts| [parts.idle, parts.not_ready, parts.unobserved].map(|cost| cost.iter().sum::<i128>());
        let (billed, effective) = (sums(billed), sums(effective));
        let parts = [
            (Part::IdleCapacity, IDLE),
            (Part::NotReady, NOT_READY),
            (Part::Unobserved, UNOBSERVED),
        ];
        for (at, (part, bit)) in parts.into_iter().enumerate() {
            // bill lines are counted once, where idle capacity is
            let lines = if at == 0 { self.charges } else { 0 };
            if lines > 0 || touched & bit > 0 {
                self.add(cells, place, Some(part), (lines, billed[at], effective[at]))?;
            }
        }
        Ok(())
    }

    /// Bill lines counted with an entry, or with the node.
    fn lines(&self, entry: Option<usize>) -> u64 {
        let of = |payer: &&Payer| payer.0.map(|payer| payer as usize) == entry;
        self.payers.iter().filter(of).map(|(_, lines)| lines).sum()
    }

    fn add(
        &self,
        cells: &mut Cells,
        place: u32,
        part: Option<Part>,
        (charges, billed, effective): (u64, i128, i128),
    ) -> Result<(), LakeError> {
        let money = |units: i128| Money::from_units(units).ok_or_else(too_large);
        let value = CubeValue {
            charges,
            billed: money(billed)?,
            effective: money(effective)?,
        };
        let cell = cells.entry((self.lane, place, part)).or_default();
        cell.add(value).map_err(|_| too_large())
    }
}
