//! Charges of machines, gathered in one pass over the bill: those within a day
//! in 32 bytes each, by cluster and day.

use super::join::Join;
use super::provider::Seen;
use super::things::ThingCharges;
use crate::error::LakeError;
use crate::rows::{Charges, Row};
use domain::allocate::CubeValue;
use domain::allocate::cluster_wide::{may_be_plane, plane_names};
use domain::allocate::clusters::{MachineCost, Thing, hours_of, is_provider_split};
use domain::charge::{Attributes, ChargeCategory};
use domain::class::Class;
use domain::instant::Day;
use domain::usage::{HOUR_S, Hour};
use domain::{BillingPeriod, Currency, Money};
use polars::prelude::PlHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// Charges of one thing and the same whole hours: split by the same weights (A2, A4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupKey {
    /// Position of the machine, or of what else `cost` is one of.
    pub machine: u32,
    pub cost: MachineCost,
    pub from: Hour,
    pub to: Hour,
}

impl GroupKey {
    pub(super) fn days(&self) -> impl Iterator<Item = Day> {
        (self.from.day().0..=Hour(self.to.0 - 1).day().0).map(Day)
    }

    pub(super) fn last_day(&self) -> Day {
        Hour(self.to.0 - 1).day()
    }

    /// Seconds of its hours.
    pub(super) fn seconds(&self) -> u64 {
        u64::from(self.to.0.abs_diff(self.from.0)) * u64::from(HOUR_S)
    }

    pub(super) fn within_one_day(&self) -> bool {
        self.from.day() == Hour(self.to.0 - 1).day()
    }
}

/// Charges of a group that rules cannot tell apart, added up before the split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub kind: u32,
    pub period: BillingPeriod,
    pub value: CubeValue,
}

/// The charges of a group.
#[derive(Default, Clone)]
pub(super) struct Group {
    consumed_s: Option<u64>,
    amounts: BTreeMap<(u32, BillingPeriod), CubeValue>,
}

impl Group {
    pub fn amounts(&self) -> impl Iterator<Item = Amount> {
        self.amounts.iter().map(|((kind, period), value)| Amount {
            kind: *kind,
            period: *period,
            value: *value,
        })
    }

    /// Billed seconds: halves of one instance add up (A4), to its hours at most.
    pub fn billed_s(&self, key: &GroupKey) -> Option<u64> {
        self.consumed_s.map(|seconds| seconds.min(key.seconds()))
    }

    fn add(&mut self, consumed_s: Option<u64>, at: (u32, BillingPeriod), value: CubeValue) -> Result<(), LakeError> {
        if let Some(seconds) = consumed_s {
            self.consumed_s = Some(self.consumed_s.unwrap_or(0).saturating_add(seconds));
        }
        self.amounts.entry(at).or_default().add(value).map_err(overflow)
    }
}

fn overflow(_: domain::money::MoneyOverflow) -> LakeError {
    LakeError::Overflow {
        what: "the charges".to_owned(),
    }
}

/// What rules see of a machine's charge, and its class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChargeKind {
    pub attributes: Attributes,
    pub currency: Currency,
    pub category: ChargeCategory,
    pub class: Class,
}

/// A kind of charge in one billing month: what is added up before the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub kind: u32,
    pub period: BillingPeriod,
}

/// Which costs an amount is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    Both,
    Effective,
    Billed,
}

/// A charge of a machine within one day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub machine: u32,
    pub lane: u32,
    /// From the top: what it pays for (2 bits), first hour (5), hours (5), basis
    /// (2), whether billed seconds are known (1), these (17).
    packed: u32,
    charges: u32,
    amount: i128,
}

const SECONDS_BITS: u32 = 17;
const KNOWN: u32 = 1 << SECONDS_BITS;
const BASIS_SHIFT: u32 = SECONDS_BITS + 1;
const GROUP_SHIFT: u32 = BASIS_SHIFT + 2;
/// What follows a node.
pub(super) const NODE_COSTS: [MachineCost; 3] = [MachineCost::Compute, MachineCost::RootDisk, MachineCost::Network];
const DAY_S: u64 = 24 * HOUR_S as u64;

impl Piece {
    /// Which group of its machine's day it belongs to.
    pub fn group(&self) -> u32 {
        self.packed >> GROUP_SHIFT
    }

    pub fn cost(&self) -> MachineCost {
        let cost = NODE_COSTS.get((self.group() >> 10) as usize);
        cost.copied().unwrap_or(MachineCost::Compute)
    }

    /// Hours of the day, the one after the last.
    pub fn hours(&self) -> (u8, u8) {
        let group = self.group();
        let (from, hours) = (group >> 5 & 31, group & 31);
        let fit = |hour: u32| u8::try_from(hour).unwrap_or(24);
        (fit(from), fit(from + hours))
    }

    pub fn consumed_s(&self) -> Option<u64> {
        (self.packed & KNOWN > 0).then(|| u64::from(self.packed & (KNOWN - 1)))
    }

    pub fn value(&self) -> CubeValue {
        let amount = Money::from_units(self.amount).unwrap_or(Money::ZERO);
        let of = |basis| {
            if self.basis() == basis || self.basis() == Basis::Both {
                amount
            } else {
                Money::ZERO
            }
        };
        CubeValue {
            charges: u64::from(self.charges),
            billed: of(Basis::Billed),
            effective: of(Basis::Effective),
        }
    }

    fn basis(&self) -> Basis {
        match self.packed >> BASIS_SHIFT & 3 {
            0 => Basis::Both,
            1 => Basis::Effective,
            _ => Basis::Billed,
        }
    }
}

/// Charges of machines, gathered.
pub(crate) struct Gathered {
    /// Of machines: position of the cluster.
    clusters: Vec<u32>,
    days: BTreeMap<(u32, Day), Vec<Piece>>,
    /// Those of several days.
    long: BTreeMap<GroupKey, Group>,
    pub(super) things: ThingCharges,
    /// Rows of the provider's own split, by cluster and currency.
    pub(super) provider: BTreeMap<(String, Currency), Seen>,
    pub(super) kinds: Vec<ChargeKind>,
    kind_ids: BTreeMap<ChargeKind, u32>,
    kind_of_set: PlHashMap<(u32, Class), u32>,
    pub(super) lanes: Vec<Lane>,
    lane_ids: PlHashMap<Lane, u32>,
}

impl Gathered {
    pub fn new(join: &Join) -> Gathered {
        Gathered {
            clusters: join.clusters_of_machines(),
            days: BTreeMap::new(),
            long: BTreeMap::new(),
            things: ThingCharges::default(),
            provider: BTreeMap::new(),
            kinds: Vec::new(),
            kind_ids: BTreeMap::new(),
            kind_of_set: PlHashMap::default(),
            lanes: Vec::new(),
            lane_ids: PlHashMap::default(),
        }
    }

    /// Takes a charge, if it is one of a known thing, or of a control plane.
    pub fn take(&mut self, charges: &mut Charges<'_>, row: &Row) -> Result<Option<(GroupKey, u32)>, LakeError> {
        let Some((machine, cost)) = self.find(charges, row)? else {
            return Ok(None);
        };
        let (from, to) = hours_of(row.span);
        let key = GroupKey {
            machine,
            cost,
            from,
            to,
        };
        let kind = self.kind(charges, row.set, cost.class());
        let value = CubeValue {
            charges: row.lines,
            billed: row.billed,
            effective: row.effective,
        };
        if !cost.follows_node() {
            let period = row.period;
            self.things.push(key, Amount { kind, period, value });
            return Ok(Some((key, kind)));
        }
        let usage = charges.set(row.set).category == ChargeCategory::Usage;
        let consumed_s = row.consumed_s.filter(|_| usage);
        if key.within_one_day() {
            self.keep(&key, kind, row.period, consumed_s, value);
        } else {
            let group = self.long.entry(key).or_default();
            group.add(consumed_s, (kind, row.period), value)?;
        }
        Ok(Some((key, kind)))
    }

    /// What a charge pays for, and of what.
    fn find(&mut self, charges: &mut Charges<'_>, row: &Row) -> Result<Option<(u32, MachineCost)>, LakeError> {
        if !charges.joins() {
            return Ok(None);
        }
        let key = charges.key_at(row, row.span.start);
        let class = charges.key(key).class;
        let target = row.target.unwrap_or_default();
        let known = |(thing, cost): &(Thing, MachineCost)| Some((*thing, target.get(*thing)?, *cost));
        if let Some((thing, id, cost)) = MachineCost::of(class, row.charged).iter().find_map(known) {
            let set = charges.set(row.set);
            if !is_provider_split(&set.attributes) {
                return Ok(Some((id, cost)));
            }
            let cluster = charges.cluster(thing, id).unwrap_or("");
            let rules = &charges.program().rules.clusters;
            let theirs = rules.keeps_provider_split(cluster, row.span.start);
            self.saw_provider_row((cluster, &set.currency), row.effective, theirs)?;
            return Ok((!theirs).then_some((id, cost)));
        }
        if class != Class::ControlPlane || !may_be_plane(Some(charges.resource())) {
            return Ok(None);
        }
        let names = plane_names(Some(charges.resource()), &charges.set(row.set).attributes);
        Ok(Some((self.things.plane(names), MachineCost::ControlPlane)))
    }

    /// The currency of a kind of charge.
    pub fn currency(&self, kind: u32) -> &Currency {
        &self.kinds[kind as usize].currency
    }

    /// What charges of a group pay for: cluster and name. A control plane has
    /// the name the bill has for it, and no cluster.
    pub fn name_of(&self, join: &Join, key: &GroupKey) -> (String, String) {
        let thing = match key.cost {
            MachineCost::Volume => join.thing(Thing::Volume, key.machine),
            MachineCost::BalancerHours | MachineCost::BalancerUsage => join.thing(Thing::Balancer, key.machine),
            MachineCost::ControlPlane => {
                let name = self.things.names(key.machine).first();
                return (String::new(), name.cloned().unwrap_or_default());
            }
            MachineCost::Compute | MachineCost::RootDisk | MachineCost::Network => {
                let cluster = join.machine(key.machine).cluster.clone();
                return (cluster, join.node(key.machine).name.clone());
            }
        };
        (thing.cluster.clone(), thing.key.clone())
    }

    /// The days that charges of machines span when they are longer than one.
    pub(super) fn spanning(&self, join: &Join) -> BTreeSet<(String, Day)> {
        let days = |key: &GroupKey| {
            let cluster = join.machine(key.machine).cluster.clone();
            key.days().map(move |day| (cluster.clone(), day)).collect::<Vec<_>>()
        };
        self.long.keys().flat_map(days).collect()
    }

    /// The clusters of the charges of nodes, with what rules see of these.
    pub(super) fn nodes(&self, join: &Join) -> Vec<(String, Attributes)> {
        let mut kinds: BTreeSet<(u32, u32)> = BTreeSet::new();
        for ((cluster, _), pieces) in &self.days {
            let compute = pieces.iter().filter(|piece| piece.cost() == MachineCost::Compute);
            let lanes: BTreeSet<u32> = compute.map(|piece| piece.lane).collect();
            kinds.extend(lanes.iter().map(|lane| (*cluster, self.lanes[*lane as usize].kind)));
        }
        for (key, group) in self.long.iter().filter(|(key, _)| key.cost == MachineCost::Compute) {
            let cluster = self.clusters.get(key.machine as usize).copied().unwrap_or(0);
            kinds.extend(group.amounts.keys().map(|(kind, _)| (cluster, *kind)));
        }
        let of = |(cluster, kind): (u32, u32)| {
            let attributes = self.kinds[kind as usize].attributes.clone();
            (join.clusters()[cluster as usize].clone(), attributes)
        };
        kinds.into_iter().map(of).collect()
    }

    fn keep(&mut self, key: &GroupKey, kind: u32, period: BillingPeriod, consumed_s: Option<u64>, value: CubeValue) {
        let lane = self.lane(Lane { kind, period });
        let cluster = self.clusters.get(key.machine as usize).copied().unwrap_or(0);
        let cost = NODE_COSTS.iter().position(|of| *of == key.cost);
        let cost = cost.and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
        let group = cost << 10 | u32::from(key.from.of_day()) << 5 | (key.to.0 - key.from.0).unsigned_abs();
        // no group has more seconds than a day, so cutting there changes no sum
        let seconds = consumed_s.map(|seconds| u32::try_from(seconds.min(DAY_S)).unwrap_or(0) | KNOWN);
        let packed = |basis: u32| group << GROUP_SHIFT | basis << BASIS_SHIFT | seconds.unwrap_or(0);
        let piece = |basis, charges, amount: Money| Piece {
            machine: key.machine,
            lane,
            packed: packed(basis),
            charges,
            amount: amount.units(),
        };
        let pieces = self.days.entry((cluster, key.from.day())).or_default();
        // a row is a line, or none
        let lines = u32::from(value.charges > 0);
        if value.billed == value.effective {
            pieces.push(piece(0, lines, value.effective));
        } else {
            pieces.push(piece(1, lines, value.effective));
            let mut billed = piece(2, 0, value.billed);
            // counted once
            billed.packed &= !(KNOWN | (KNOWN - 1));
            pieces.push(billed);
        }
    }

    pub(super) fn lane(&mut self, lane: Lane) -> u32 {
        let lanes = &mut self.lanes;
        *self.lane_ids.entry(lane).or_insert_with(|| {
            lanes.push(lane);
            u32::try_from(lanes.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Groups of several days.
    pub(super) fn long(&self) -> &BTreeMap<GroupKey, Group> {
        &self.long
    }

    /// Every group, those within a day too.
    pub(super) fn all(&self) -> Result<BTreeMap<GroupKey, Group>, LakeError> {
        let mut groups = self.long.clone();
        for ((_, day), pieces) in &self.days {
            for piece in pieces {
                let (from, to) = piece.hours();
                let hour = |hour: u8| Hour(day.0 * 24 + i32::from(hour));
                let key = GroupKey {
                    machine: piece.machine,
                    cost: piece.cost(),
                    from: hour(from),
                    to: hour(to),
                };
                let lane = self.lanes[piece.lane as usize];
                let group = groups.entry(key).or_default();
                group.add(piece.consumed_s(), (lane.kind, lane.period), piece.value())?;
            }
        }
        Ok(groups)
    }

    /// Takes the charges within one day out, by position of the cluster and day.
    pub(super) fn take_days(&mut self) -> BTreeMap<(u32, Day), Vec<Piece>> {
        std::mem::take(&mut self.days)
    }

    /// Drops every charge that is not within this day; answers how many.
    pub fn keep_only(&mut self, day: Day) -> u64 {
        let charges = |value: &CubeValue| value.charges;
        let long = std::mem::take(&mut self.long);
        let mut dropped: u64 = long
            .values()
            .flat_map(|group| group.amounts.values())
            .map(charges)
            .sum();
        self.days.retain(|(_, of), pieces| {
            if *of != day {
                dropped += pieces.iter().map(|piece| u64::from(piece.charges)).sum::<u64>();
            }
            *of == day
        });
        dropped
    }

    fn kind(&mut self, charges: &Charges<'_>, set: u32, class: Class) -> u32 {
        if let Some(kind) = self.kind_of_set.get(&(set, class)) {
            return *kind;
        }
        let known = charges.set(set);
        // columns that are read for show only must not keep charges apart
        let columns = charges.program().columns();
        let mut attributes = known.attributes.clone();
        attributes.columns.retain(|name, _| columns.contains(name));
        let kind = ChargeKind {
            attributes,
            currency: known.currency.clone(),
            category: known.category,
            class,
        };
        let next = u32::try_from(self.kinds.len()).unwrap_or(u32::MAX);
        let id = *self.kind_ids.entry(kind.clone()).or_insert(next);
        if id == next {
            self.kinds.push(kind);
        }
        self.kind_of_set.insert((set, class), id);
        id
    }
}
