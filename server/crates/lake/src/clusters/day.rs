//! A cluster's day in one pass over its usage, node by node: the money of every
//! charge within the day onto owners, containers and the node's remainders.

use super::account::Account;
use super::cells::{CellKey, Cells, Landing, Payer, Places};
use super::extra::Extra;
use super::gather::{GroupKey, Lane, NODE_COSTS, Piece};
use super::hours::{HOURS, NodeBook, spread, spread_account};
use super::join::Join;
use super::kernel::{Arithmetic, BinCost, Kernel, KernelError, disk};
use super::parts::{Claims, Parts};
use super::provider::{Twice, Ways, add_twice};
use super::rows::{DaySlots, NO_BIN, NodeRows};
use super::services::{Served, ServiceError, Services};
use super::stretch::{Bin, hour_range, node_extent, take_layer, without_measures};
use super::unbilled::{Missing, billed_s};
use crate::container_days::{ContainerDayFile, DayRows, Extent};
use crate::error::LakeError;
use crate::object::Lake;
use crate::usage::{ALL_SLOTS, UsageFile, each_hours, each_slot, read_nodes};
use domain::allocate::CubeValue;
use domain::allocate::cluster_wide::{is_cluster_service, is_user};
use domain::allocate::clusters::MachineCost;
use domain::instant::Day;
use domain::rule::RuleSet;
use domain::split::{NodeWeights, node_weights};
use domain::usage::{Hour, Node, NodeHour, Part, Role, Slot};
use domain::{BillingPeriod, Currency, Money};
use polars::prelude::PlHashMap;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

mod halves;

pub(super) use halves::only_day;

/// What all days have in common.
pub(super) struct Common<'c> {
    pub lake: &'c Lake,
    pub join: &'c Join,
    pub lanes: &'c [Lane],
    /// In order.
    pub currencies: Vec<Currency>,
    /// Of kinds: position of the currency.
    pub currency_of: Vec<u32>,
    /// Of kinds: whether they are of the provider's own split; empty when none is.
    pub has_method: Vec<bool>,
    pub rules: &'c RuleSet,
    pub by: Arithmetic,
    /// The month whose node hours without a charge are wanted.
    pub period: Option<BillingPeriod>,
    /// By machine: hours that charges of several days pay for.
    pub covered: PlHashMap<u32, Vec<(Hour, Hour)>>,
}

/// A day to do.
pub(super) struct Task {
    pub cluster: String,
    pub day: Day,
    pub file: Option<UsageFile>,
    pub pieces: Vec<Piece>,
    pub extra: Vec<Extra>,
    /// Control planes, by hours of the day and lane.
    pub planes: Vec<((u8, u8), u32, CubeValue)>,
    /// Whether to write its container-days.
    pub write: bool,
    /// When they were read already; of the first day a worker does.
    pub facts: Option<DayFacts>,
}

/// What a day's files say beside the hours, read before the day is done.
pub(crate) struct DayFacts {
    nodes: DayNodes,
    slots: DaySlots,
    places: Places,
}

type DayNodes = Vec<(Arc<Node>, Vec<NodeHour>)>;

impl DayFacts {
    /// Reads them.
    pub fn read(lake: &Lake, file: &UsageFile, rules: &RuleSet) -> Result<DayFacts, LakeError> {
        let mut places = Places::default();
        let (nodes, slots) = read_facts(lake, file, rules, &mut places)?;
        Ok(DayFacts { nodes, slots, places })
    }
}

fn read_facts(
    lake: &Lake,
    file: &UsageFile,
    rules: &RuleSet,
    places: &mut Places,
) -> Result<(DayNodes, DaySlots), LakeError> {
    let nodes = read_nodes(lake, file)?;
    let nodes = nodes.into_iter().map(|(node, hours)| (Arc::new(node), hours)).collect();
    let (mut slots, mut key) = (DaySlots::default(), Vec::new());
    each_slot(
        lake,
        file,
        |[node, container, role, namespace, kind, workload, labels]| {
            if slots.names.last().is_none_or(|(last, _)| last != node) {
                let first = u32::try_from(slots.role.len()).unwrap_or(u32::MAX);
                slots.names.push((node.to_owned(), first));
            }
            let role = Role::parse(role).ok_or_else(|| damaged(&file.slots_path, "role"))?;
            slots.role.push(role);
            let slot = Slot {
                namespace: namespace.to_owned(),
                role,
                ..Slot::default()
            };
            slots.service.push(is_cluster_service(&slot, rules));
            slots.user.push(is_user(&slot, rules));
            let subject = [namespace, kind, workload, container, labels];
            slots.subject.push(places.subject(subject, &mut key));
            slots
                .node
                .push(u32::try_from(slots.names.len() - 1).unwrap_or(u32::MAX));
            Ok(())
        },
    )?;
    Ok((nodes, slots))
}

/// What came of it.
pub(super) struct Done {
    pub day: Day,
    pub cells: Vec<(CellKey, CubeValue)>,
    pub file: Option<ContainerDayFile>,
    /// Ready node hours nobody pays for, and prices.
    pub missing: Missing,
    /// Charges that are there as rows of the provider's split as well.
    pub twice: Twice,
}

/// Does days, one after the other.
pub(super) struct Worker<'c> {
    common: &'c Common<'c>,
    pub places: Places,
    kernel: Kernel,
    claims: Claims,
    parts: [Parts; 2],
    bins: Vec<Bin>,
    amounts: Vec<(u32, CubeValue)>,
    /// Room for the rows of the next day.
    spare: Option<DayRows>,
}

impl<'c> Worker<'c> {
    pub fn new(common: &'c Common<'c>) -> Worker<'c> {
        Worker {
            common,
            places: Places::default(),
            kernel: Kernel::default(),
            claims: Claims::default(),
            parts: Default::default(),
            bins: Vec::new(),
            amounts: Vec::new(),
            spare: None,
        }
    }

    /// Does a day.
    pub fn day(&mut self, task: Task) -> Result<Done, LakeError> {
        let mut run = DayRun::new(self, task)?;
        run.nodes(&ALL_SLOTS, true)?;
        run.services()?;
        run.finish(1)
    }

    /// The hours of a day: the same money, by hour.
    pub fn hours(&mut self, task: Task) -> Result<Vec<NodeBook>, LakeError> {
        let mut run = DayRun::new(self, task)?;
        run.book = Some(Vec::new());
        run.nodes(&ALL_SLOTS, true)?;
        Ok(run.book.unwrap_or_default())
    }
}

/// A day being done.
struct DayRun<'w, 'c> {
    worker: &'w mut Worker<'c>,
    task: Arc<Task>,
    first_hour: i32,
    nodes: DayNodes,
    slots: Arc<DaySlots>,
    next: usize,
    /// Machines that had their cost, with the hours of the day paid for.
    done: PlHashMap<u32, [bool; 24]>,
    cells: Cells,
    /// When something follows the pods of the cluster.
    services: Option<Services>,
    missing: Missing,
    twice: Twice,
    rows: Option<DayRows>,
    /// When the hours are asked for.
    book: Option<Vec<NodeBook>>,
}

impl<'w, 'c> DayRun<'w, 'c> {
    fn new(worker: &'w mut Worker<'c>, mut task: Task) -> Result<DayRun<'w, 'c>, LakeError> {
        task.pieces
            .sort_unstable_by_key(|piece| (piece.machine, piece.group(), piece.lane));
        task.extra.sort_by_key(|extra| extra.machine);
        let facts = match (&task.file, task.facts.take()) {
            (_, Some(facts)) => {
                worker.places = facts.places;
                (facts.nodes, facts.slots)
            }
            (Some(file), None) => {
                let common = worker.common;
                read_facts(common.lake, file, common.rules, &mut worker.places)?
            }
            (None, None) => Default::default(),
        };
        let (nodes, slots) = facts;
        let served = slots.service.contains(&true) || !task.planes.is_empty();
        // a row per container, and two per node
        let count = slots.role.len() + 2 * nodes.len();
        let spare = worker.spare.take();
        let new = || DayRows::new(with_unknown(&worker.common.currencies), count);
        let rows = task.write.then(|| spare.unwrap_or_else(new));
        Ok(DayRun {
            first_hour: task.day.0 * 24,
            worker,
            task: Arc::new(task),
            nodes,
            slots: Arc::new(slots),
            next: 0,
            done: PlHashMap::default(),
            cells: Cells::default(),
            services: served.then(Services::default),
            missing: Missing::default(),
            twice: Twice::new(),
            rows,
            book: None,
        })
    }

    /// Every node, in order, with the slots in this range; when they are the
    /// `last` of the day, then machines the day does not know. Answers how many
    /// slot-hours there were, and how many the day has.
    fn nodes(&mut self, slots: &Range<i32>, last: bool) -> Result<[usize; 2], LakeError> {
        let rows = &mut NodeRows::default();
        let mut counts = [0; 2];
        if let Some(file) = self.task.file.clone() {
            let (lake, path) = (self.worker.common.lake, &file.hours_path);
            counts = each_hours(lake, &file, slots, |batch| {
                let mut at = 0;
                while at < batch.slot.len() {
                    let node = usize::try_from(batch.slot[at])
                        .ok()
                        .and_then(|slot| self.slots.node.get(slot))
                        .copied()
                        .ok_or_else(|| damaged(path, "slot"))?;
                    if rows.name != Some(node) {
                        if rows.name.is_some_and(|last| last > node) {
                            return Err(damaged(path, "the order"));
                        }
                        self.flush(rows)?;
                        rows.begin(Some(node), self.slots.range(node));
                    }
                    let first_hour = self.first_hour;
                    at = rows.take(batch, at, first_hour).ok_or_else(|| damaged(path, "hour"))?;
                }
                Ok(())
            })?;
            self.flush(rows)?;
        }
        rows.begin(None, (0, 0));
        while self.next < self.nodes.len() {
            self.next_node(rows, true)?;
        }
        if last {
            self.absent(rows)?;
        }
        Ok(counts)
    }

    /// Machines with charges that the day does not know.
    fn absent(&mut self, rows: &mut NodeRows) -> Result<(), LakeError> {
        let pieces = self.task.pieces.iter().map(|piece| piece.machine);
        let extras = self.task.extra.iter().map(|extra| extra.machine);
        let mut absent: Vec<u32> = pieces
            .chain(extras)
            .filter(|machine| !self.done.contains_key(machine))
            .collect();
        absent.sort_unstable();
        absent.dedup();
        for machine in absent {
            let node = Arc::new(self.worker.common.join.node(machine).clone());
            self.node(&node, &[], Some(machine), rows, true)?;
        }
        Ok(())
    }

    /// What came of the day; its container-days are written by so many threads.
    fn finish(self, threads: usize) -> Result<Done, LakeError> {
        let (task, lake) = (self.task, self.worker.common.lake);
        let slots_path = task.file.as_ref().map_or("", |file| file.slots_path.as_str());
        let write = |rows: &DayRows| rows.write(lake, &task.cluster, task.day, slots_path, threads);
        let file = self.rows.as_ref().filter(|_| task.write).map(write).transpose()?;
        self.worker.spare = self.rows.map(|mut rows| {
            rows.clear();
            rows
        });
        Ok(Done {
            day: task.day,
            cells: self.cells.into_iter().collect(),
            file,
            missing: self.missing,
            twice: self.twice,
        })
    }

    /// Does the node whose rows are complete, and those before it, which have none.
    fn flush(&mut self, rows: &mut NodeRows) -> Result<(), LakeError> {
        let Some(name) = rows.name else { return Ok(()) };
        let name = self.slots.names[name as usize].0.clone();
        let mut empty = NodeRows::default();
        empty.begin(None, (0, 0));
        while self.nodes.get(self.next).is_some_and(|(node, _)| node.name < name) {
            self.next_node(&mut empty, true)?;
        }
        let mut first = true;
        while self.nodes.get(self.next).is_some_and(|(node, _)| node.name == name) {
            self.next_node(rows, first)?;
            first = false;
        }
        if first {
            // usage of a node nothing else is known of: shown, at no cost
            let node = Arc::new(Node {
                name,
                ..Node::default()
            });
            self.node(&node, &[], None, rows, true)?;
        }
        Ok(())
    }

    fn next_node(&mut self, rows: &mut NodeRows, first: bool) -> Result<(), LakeError> {
        let (node, hours) = &mut self.nodes[self.next];
        let (node, hours) = (Arc::clone(node), std::mem::take(hours));
        self.next += 1;
        let machine = self.worker.common.join.id_of(&self.task.cluster, &node);
        // of one machine under two names, the first one has its cost
        let known = machine.and_then(|machine| self.done.get(&machine)).copied();
        let own = machine.filter(|_| known.is_none());
        let paid = self.node(&node, &hours, own, rows, first)?;
        let paid = known.unwrap_or(paid);
        if let Some(machine) = own {
            self.done.insert(machine, paid);
        }
        self.count_unbilled(machine, &node, &hours, paid);
        Ok(())
    }

    /// One node: `first` unless another of that name has had its usage. Answers
    /// the hours of the day that charges within it pay for.
    fn node(
        &mut self,
        node: &Arc<Node>,
        hours: &[NodeHour],
        machine: Option<u32>,
        rows: &mut NodeRows,
        first: bool,
    ) -> Result<[bool; 24], LakeError> {
        let filled_s = rows.fill(hours, self.first_hour);
        let range = rows.base as usize..(rows.base + rows.slots) as usize;
        if let Some(services) = &mut self.services {
            let (users, subjects) = (&self.slots.user[range.clone()], &self.slots.subject[range.clone()]);
            services.add(rows, users, subjects, first);
        }
        let serves = self.book.is_none() && self.slots.service[range].contains(&true);
        self.bins(machine)?;
        let paid = self.count_bins(machine)?;
        let currencies = self.worker.common.currencies.len();
        let moments = if self.book.is_some() { HOURS } else { 1 };
        let mut accounts: Vec<Option<Account>> = vec![None; currencies * moments];
        for cost in NODE_COSTS {
            let all = &self.worker.bins;
            let mut left: Vec<usize> = (0..all.len()).filter(|bin| all[*bin].cost == cost).collect();
            while !left.is_empty() {
                // what follows the pods of the cluster is split charge by charge
                let layer = if serves {
                    vec![left.remove(0)]
                } else {
                    take_layer(&self.worker.bins, &mut left)
                };
                self.layer((node, machine), hours, &filled_s, rows, &layer, &mut accounts)?;
            }
        }
        self.extras(machine, rows, &mut accounts);
        if accounts.iter().flatten().any(|account| !account.balances()) {
            return Err(self.unbalanced(node));
        }
        let extent = node_extent(hours, self.first_hour);
        match &mut self.book {
            Some(book) => book.push(NodeBook {
                node: Arc::clone(node),
                hours: hours.to_vec(),
                accounts,
                base: rows.base,
                entries: rows.extent.iter().map(Option::is_some).collect(),
                filled: rows.filled.clone(),
                first,
            }),
            None => self.write(node, extent, &accounts, rows, first),
        }
        Ok(paid)
    }

    /// The machine's pieces, added up: bins and their amounts.
    fn bins(&mut self, machine: Option<u32>) -> Result<(), LakeError> {
        let worker = &mut *self.worker;
        worker.bins.clear();
        worker.amounts.clear();
        let Some(machine) = machine else { return Ok(()) };
        let pieces = &self.task.pieces;
        let from = pieces.partition_point(|piece| piece.machine < machine);
        let mut last: Option<(u32, u32)> = None;
        for piece in pieces[from..].iter().take_while(|piece| piece.machine == machine) {
            if last.map(|(group, _)| group) != Some(piece.group()) {
                let at = worker.amounts.len();
                let (from, to) = piece.hours();
                worker.bins.push(Bin {
                    cost: piece.cost(),
                    from,
                    to,
                    consumed_s: None,
                    amounts: at..at,
                });
                last = None;
            }
            let Some(bin) = worker.bins.last_mut() else { continue };
            if let Some(seconds) = piece.consumed_s() {
                bin.consumed_s = Some(bin.consumed_s.unwrap_or(0) + seconds);
            }
            if last != Some((piece.group(), piece.lane)) {
                worker.amounts.push((piece.lane, CubeValue::default()));
                bin.amounts.end += 1;
                last = Some((piece.group(), piece.lane));
            }
            if let Some((_, sum)) = worker.amounts.last_mut() {
                sum.add(piece.value()).map_err(|_| too_large())?;
            }
        }
        Ok(())
    }

    /// What the charges within the day pay for: hours, prices (A6), and what is
    /// there as rows of the provider's split as well.
    fn count_bins(&mut self, machine: Option<u32>) -> Result<[bool; 24], LakeError> {
        let (common, mut paid) = (self.worker.common, [false; 24]);
        let Some(machine) = machine else { return Ok(paid) };
        let (cluster, home) = (&self.task.cluster, common.join.node(machine));
        let mut prices: BTreeMap<u32, (Money, u64)> = BTreeMap::new();
        let compute = self.worker.bins.iter().filter(|bin| bin.cost == MachineCost::Compute);
        for bin in compute {
            paid[usize::from(bin.from)..usize::from(bin.to)].fill(true);
            let mut costs: BTreeMap<u32, (Option<Money>, Ways)> = BTreeMap::new();
            for (lane, value) in &self.worker.amounts[bin.amounts.clone()] {
                let lane = common.lanes[*lane as usize];
                let (cost, ways) = costs.entry(common.currency_of[lane.kind as usize]).or_default();
                if common.period == Some(lane.period) {
                    let sum = cost.unwrap_or_default().checked_add(value.effective);
                    *cost = Some(sum.map_err(|_| too_large())?);
                }
                if let Some(has_method) = common.has_method.get(lane.kind as usize) {
                    ways.add(*has_method, value.effective)?;
                }
            }
            let hour = |of_day: u8| Hour(self.first_hour + i32::from(of_day));
            let key = GroupKey {
                machine,
                cost: bin.cost,
                from: hour(bin.from),
                to: hour(bin.to),
            };
            for (currency, (cost, ways)) in costs {
                if let Some(cost) = cost {
                    let sum = prices.entry(currency).or_default();
                    let whole = sum.0.checked_add(cost).map_err(|_| too_large())?;
                    *sum = (whole, sum.1 + billed_s(bin.consumed_s, &key));
                }
                if let Some(money) = ways.twice() {
                    let position = common.join.position(cluster).unwrap_or(0);
                    let currency = &common.currencies[currency as usize];
                    add_twice(&mut self.twice, position, currency, money)?;
                }
            }
        }
        for (currency, price) in prices {
            let currency = &common.currencies[currency as usize];
            self.missing.paid(cluster, home, currency, price)?;
        }
        Ok(paid)
    }

    fn count_unbilled(&mut self, machine: Option<u32>, node: &Node, hours: &[NodeHour], paid: [bool; 24]) {
        if self.worker.common.period != Some(BillingPeriod::of(self.task.day.start())) {
            return;
        }
        let long = machine.and_then(|machine| self.worker.common.covered.get(&machine));
        let covered = |hour: Hour| long.is_some_and(|spans| spans.iter().any(|(from, to)| *from <= hour && hour < *to));
        let unpaid = |hour: &&NodeHour| {
            hour.ready_s > 0 && !paid[usize::from(hour.hour.of_day()).min(23)] && !covered(hour.hour)
        };
        self.missing
            .lacks(&self.task.cluster, node, hours.iter().filter(unpaid));
    }

    /// Lands what follows the pods of the cluster, now that all of them are known (A27).
    fn services(&mut self) -> Result<(), LakeError> {
        let Some(mut services) = self.services.take() else {
            return Ok(());
        };
        let (task, worker) = (&self.task, &mut *self.worker);
        let by = worker.common.by;
        let error = |error| match error {
            ServiceError::Refused(source) => kernel_error(task, &Node::default(), KernelError::Refused(source)),
            ServiceError::Lake(error) => error,
        };
        let site = worker.places.site(&task.cluster, "");
        let nobody = worker.places.subject(["", "", "", "", "{}"], &mut Vec::new());
        for ((from, to), lane, value) in &task.planes {
            // evenly over its hours, then each hour's among who is there
            let hours = vec![1; usize::from(to - from)];
            let each = |money| (by.split)(money, &hours).map_err(|source| error(ServiceError::Refused(source)));
            let parts = each(value.billed)?.into_iter().zip(each(value.effective)?);
            for (hour, (billed, effective)) in (*from..*to).zip(parts) {
                services.served.push(Served {
                    lane: *lane,
                    site,
                    part: Part::ControlPlane,
                    hours: (hour, hour + 1),
                    subject: nobody,
                    charges: if hour == *from { value.charges } else { 0 },
                    billed: billed.units(),
                    effective: effective.units(),
                });
            }
        }
        let landed = services.land(&mut worker.places, &mut self.cells, by, task.day);
        landed.map_err(error)
    }

    /// Splits the costs of bins that do not overlap.
    fn layer(
        &mut self,
        (node, machine): (&Node, Option<u32>),
        hours: &[NodeHour],
        filled_s: &[u32],
        rows: &NodeRows,
        layer: &[usize],
        accounts: &mut [Option<Account>],
    ) -> Result<(), LakeError> {
        let (base, slots) = (rows.base as usize, rows.slots as usize);
        let mut bin_of = [NO_BIN; 24];
        let mut weights: Vec<NodeWeights> = Vec::with_capacity(layer.len());
        for (at, bin) in (0u8..).zip(layer) {
            let bin = &self.worker.bins[*bin];
            bin_of[usize::from(bin.from)..usize::from(bin.to)].fill(at);
            let most = u64::from(bin.to - bin.from) * u64::from(domain::usage::HOUR_S);
            let range = hour_range(hours, self.first_hour, bin.from, bin.to);
            let billed_s = bin.consumed_s.map(|seconds| seconds.min(most));
            weights.push(node_weights(&hours[range.clone()], &filled_s[range], billed_s));
        }
        let roles = &self.slots.role[base..base + slots];
        rows.claims(&bin_of, layer.len(), roles, &mut self.worker.claims);
        let mut lanes: Vec<u32> = layer
            .iter()
            .flat_map(|bin| &self.worker.amounts[self.worker.bins[*bin].amounts.clone()])
            .map(|(lane, _)| *lane)
            .collect();
        lanes.sort_unstable();
        lanes.dedup();
        for lane in lanes {
            let costs: Vec<(usize, CubeValue)> = (0..)
                .zip(layer)
                .flat_map(|(at, bin)| {
                    let amounts = &self.worker.amounts[self.worker.bins[*bin].amounts.clone()];
                    amounts
                        .iter()
                        .filter(|(of, _)| *of == lane)
                        .map(move |(_, value)| (at, *value))
                })
                .collect();
            // by hour, every bin goes its own way
            let step = if self.book.is_some() { 1 } else { costs.len() };
            for costs in costs.chunks(step.max(1)) {
                let stretch = match costs {
                    [(at, _)] => (self.worker.bins[layer[*at]].from, self.worker.bins[layer[*at]].to),
                    _ => (0, 24),
                };
                let cost = self.worker.bins[layer[costs[0].0]].cost;
                self.lane((node, machine), (lane, cost, stretch), costs, &weights, rows, accounts)?;
            }
        }
        Ok(())
    }

    /// One kind of charge over the bins that have it.
    fn lane(
        &mut self,
        (node, machine): (&Node, Option<u32>),
        (lane, cost, stretch): (u32, MachineCost, (u8, u8)),
        costs: &[(usize, CubeValue)],
        weights: &[NodeWeights],
        rows: &NodeRows,
        accounts: &mut [Option<Account>],
    ) -> Result<(), LakeError> {
        let (base, slots) = (rows.base as usize, rows.slots as usize);
        let roles = &self.slots.role[base..base + slots];
        let worker = &mut *self.worker;
        let by = worker.common.by;
        let same = costs.iter().all(|(_, value)| value.billed == value.effective);
        let mut payers: Vec<Payer> = Vec::new();
        for basis in 0..if same { 1 } else { 2 } {
            let of = |value: &CubeValue| [value.effective, value.billed][basis];
            let bins: Vec<BinCost> = costs
                .iter()
                .map(|(bin, value)| BinCost {
                    bin: *bin,
                    cost: of(value),
                })
                .collect();
            let parts = &mut worker.parts[basis];
            parts.clear(2 * slots);
            let result = if cost != MachineCost::Compute {
                let mut first = |bin: usize, payer: Option<u32>| {
                    let lines = costs
                        .iter()
                        .find(|(at, _)| *at == bin)
                        .map_or(0, |(_, value)| value.charges);
                    if basis == 0 {
                        payers.push((payer, lines));
                    }
                };
                disk(&worker.claims, roles, &bins, by.split, parts, &mut first)
            } else {
                worker.kernel.compute(&worker.claims, roles, weights, &bins, by, parts)
            };
            result.map_err(|error| kernel_error(&self.task, node, error))?;
        }
        let (effective, billed) = worker.parts.split_at(1);
        let (effective, billed) = (&effective[0], if same { &effective[0] } else { &billed[0] });
        let paid: i128 = costs.iter().map(|(_, value)| value.effective.units()).sum();
        if effective.sum() != paid {
            return Err(kernel_error(&self.task, node, KernelError::Unbalanced));
        }
        let currency = worker.common.currency_of[worker.common.lanes[lane as usize].kind as usize] as usize;
        let is_disk = cost == MachineCost::RootDisk;
        match &mut self.book {
            // traffic is no part of what a node costs
            _ if cost == MachineCost::Network => {}
            Some(_) => {
                let hours = &mut accounts[currency * HOURS..(currency + 1) * HOURS];
                spread(hours, stretch, rows, is_disk, (effective, billed));
            }
            None => accounts[currency]
                .get_or_insert_with(|| Account::new(2 * slots))
                .add(is_disk, effective, billed),
        }
        if self.book.is_none() {
            let landing = Landing {
                cluster: &self.task.cluster,
                node,
                home: machine.map_or(node, |machine| worker.common.join.node(machine)),
                slots: &self.slots,
                base,
                lane,
                cost,
                hours: stretch,
                charges: costs.iter().map(|(_, value)| value.charges).sum(),
                payers: &payers,
                effective,
                billed,
            };
            let mut none = Vec::new();
            let served = self
                .services
                .as_mut()
                .map_or(&mut none, |services| &mut services.served);
            landing.land(&mut worker.places, &mut self.cells, served)?;
        }
        Ok(())
    }

    fn extras(&mut self, machine: Option<u32>, rows: &NodeRows, accounts: &mut [Option<Account>]) {
        let Some(machine) = machine else { return };
        let extras = &self.task.extra;
        let from = extras.partition_point(|extra| extra.machine < machine);
        let mut sums: Vec<Option<Account>> = vec![None; self.worker.common.currencies.len()];
        for extra in extras[from..].iter().take_while(|extra| extra.machine == machine) {
            let currency = self.worker.common.currency_of[extra.kind as usize] as usize;
            sums[currency]
                .get_or_insert_with(|| Account::new(2 * rows.slots as usize))
                .extra(rows.base, extra);
        }
        for (currency, whole) in sums.iter().enumerate() {
            let Some(whole) = whole else { continue };
            if self.book.is_some() {
                let hours = &mut accounts[currency * HOURS..(currency + 1) * HOURS];
                spread_account(hours, (0, 24), rows, whole);
            } else {
                accounts[currency]
                    .get_or_insert_with(|| Account::new(2 * rows.slots as usize))
                    .merge(whole);
            }
        }
    }

    /// The rows of a node: what it cost, what is with no container, its containers.
    fn write(&mut self, node: &Arc<Node>, extent: Extent, accounts: &[Option<Account>], rows: &NodeRows, first: bool) {
        let Some(out) = &mut self.rows else { return };
        let empty = Account::new(2 * rows.slots as usize);
        let unknown = accounts.len();
        let mut of: Vec<(usize, &Account)> = (0..)
            .zip(accounts)
            .filter_map(|(at, account)| Some((at, account.as_ref()?)))
            .collect();
        if of.is_empty() {
            // without a charge: of the only currency there is, else of an unknown one
            of.push((if unknown == 1 { 0 } else { unknown }, &empty));
        }
        let mut first = first;
        let mut shown = extent;
        for (currency, account) in of {
            let currency = u32::try_from(currency).unwrap_or(u32::MAX);
            out.node(node, currency, shown, account.total, account.disk, account.billed);
            shown = without_measures(shown);
            for (part, (cost, billed)) in super::account::REMAINDERS.into_iter().zip(account.left) {
                out.remainder(currency, Some(part), cost, 0, billed);
            }
            out.remainder(currency, None, [0; 3], account.disk_left.0, account.disk_left.1);
            for (entry, extent) in (0u32..).zip(&rows.extent) {
                let Some(extent) = extent else { continue };
                let role = self.slots.role[(rows.base + entry / 2) as usize];
                let extent = if first { *extent } else { without_measures(*extent) };
                let part = Part::of(role, entry % 2 == 1);
                out.container(
                    currency,
                    rows.base + entry / 2,
                    part,
                    extent,
                    account.entries[entry as usize],
                );
            }
            first = false;
        }
    }

    fn unbalanced(&self, node: &Node) -> LakeError {
        kernel_error(&self.task, node, KernelError::Unbalanced)
    }
}

/// The currencies of the bill, and the unknown one for what nobody charged.
pub(super) fn with_unknown(currencies: &[Currency]) -> Vec<Currency> {
    currencies.iter().cloned().chain([Currency::unknown()]).collect()
}

pub(super) fn too_large() -> LakeError {
    LakeError::Overflow {
        what: "the charges".to_owned(),
    }
}

fn damaged(path: &str, what: &str) -> LakeError {
    LakeError::Damaged {
        path: path.to_owned(),
        detail: format!("{what} is not as it was written"),
    }
}

fn kernel_error(task: &Task, node: &Node, error: KernelError) -> LakeError {
    match error {
        KernelError::Refused(source) => LakeError::SplitNode {
            cluster: task.cluster.clone(),
            node: node.name.clone(),
            source,
        },
        KernelError::Unbalanced => LakeError::Unbalanced {
            cluster: task.cluster.clone(),
            node: node.name.clone(),
            day: task.day,
        },
        KernelError::Overflow => too_large(),
    }
}
