//! A day's costs as a Parquet file. Its rows are, node by node and currency by
//! currency: the node, what is with no container, its containers. So a reader
//! can check every node as it goes, and the writer does.

use super::check::check;
use super::{ContainerDayFile, DayCosts, NodeCost, SlotCost};
use crate::error::LakeError;
use crate::object::Lake;
use crate::scan::{self, Cells};
use crate::schema::{PRECISION, container_days_path};
use crate::usage::read_slots;
use crate::write::{Field, Pages, ParquetFile, Texts};
use domain::instant::Day;
use domain::money::MONEY_SCALE;
use domain::usage::{Hour, Measure, Node, Part, Slot};
use domain::{Currency, Money, tags};
use polars::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use std::thread;

/// Rows of a row group: a large day has some, so that two threads can pack them.
const GROUP_ROWS: usize = if cfg!(test) { 8 } else { 1 << 15 };

/// The columns of money, in this order in every array of seven.
pub(super) const MONEY: [&str; 7] = [
    "cpu_cost",
    "memory_cost",
    "gpu_cost",
    "system_cost",
    "daemon_cost",
    "disk_cost",
    "billed_cost",
];
const MEASURES: [&str; 9] = [
    "cpu_request_core_ms",
    "memory_request_mib_s",
    "gpu_request_ms",
    "cpu_usage_core_ms",
    "memory_usage_mib_s",
    "gpu_usage_ms",
    "cpu_effective_core_ms",
    "memory_effective_mib_s",
    "gpu_effective_ms",
];
const CAPACITIES: [&str; 6] = [
    "cpu_capacity_core_ms",
    "memory_capacity_mib_s",
    "gpu_capacity_ms",
    "cpu_allocatable_core_ms",
    "memory_allocatable_mib_s",
    "gpu_allocatable_ms",
];
const NODE_TEXTS: [&str; 5] = ["provider_id", "pool", "capacity_type", "root_volume_id", "node_labels"];

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Node,
    Remainder,
    Container,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Node => "node",
            Kind::Remainder => "remainder",
            Kind::Container => "container",
        }
    }

    fn parse(text: &str) -> Option<Kind> {
        [Kind::Node, Kind::Remainder, Kind::Container]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// When and how much of a container or node there was.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    pub first: i32,
    pub end: i32,
    pub seconds: u64,
    /// Of a container: requested, used, effective; of a node: capacity, allocatable.
    pub measures: [Measure; 3],
}

/// The rows of a day that is being written.
pub(crate) struct DayRows {
    nodes: Vec<Arc<Node>>,
    currencies: Vec<Currency>,
    kind: Vec<Kind>,
    node: Vec<u32>,
    currency: Vec<u32>,
    slot: Vec<u32>,
    part: Vec<Option<Part>>,
    extent: Vec<Extent>,
    money: [Vec<i128>; 7],
}

const NO_SLOT: u32 = u32::MAX;

impl DayRows {
    /// Of a day with costs in some currencies, and about so many rows.
    pub fn new(currencies: Vec<Currency>, rows: usize) -> DayRows {
        DayRows {
            nodes: Vec::new(),
            currencies,
            kind: Vec::with_capacity(rows),
            node: Vec::with_capacity(rows),
            currency: Vec::with_capacity(rows),
            slot: Vec::with_capacity(rows),
            part: Vec::with_capacity(rows),
            extent: Vec::with_capacity(rows),
            money: std::array::from_fn(|_| Vec::with_capacity(rows)),
        }
    }

    /// Begins a node in a currency: its total by resource, disk and BilledCost.
    pub fn node(
        &mut self,
        node: &Arc<Node>,
        currency: u32,
        extent: Extent,
        total: [i128; 3],
        disk: i128,
        billed: i128,
    ) {
        if self.nodes.last().is_none_or(|last| !Arc::ptr_eq(last, node)) {
            self.nodes.push(Arc::clone(node));
        }
        let money = [total[0], total[1], total[2], 0, 0, disk, billed];
        self.push(Kind::Node, currency, NO_SLOT, None, extent, money);
    }

    /// What of that node is with no container; `None` = root disk.
    pub fn remainder(&mut self, currency: u32, part: Option<Part>, cost: [i128; 3], disk: i128, billed: i128) {
        let money = [cost[0], cost[1], cost[2], 0, 0, disk, billed];
        if money != [0; 7] {
            self.push(Kind::Remainder, currency, NO_SLOT, part, Extent::default(), money);
        }
    }

    /// A container of that node.
    pub fn container(&mut self, currency: u32, slot: u32, part: Part, extent: Extent, money: [i128; 7]) {
        self.push(Kind::Container, currency, slot, Some(part), extent, money);
    }

    fn push(&mut self, kind: Kind, currency: u32, slot: u32, part: Option<Part>, extent: Extent, money: [i128; 7]) {
        self.kind.push(kind);
        self.node
            .push(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX).saturating_sub(1));
        self.currency.push(currency);
        self.slot.push(slot);
        self.part.push(part);
        self.extent.push(extent);
        for (column, amount) in self.money.iter_mut().zip(money) {
            column.push(amount);
        }
    }

    /// Forgets the rows; their room is kept for another day.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.kind.clear();
        self.node.clear();
        self.currency.clear();
        self.slot.clear();
        self.part.clear();
        self.extent.clear();
        self.money.iter_mut().for_each(Vec::clear);
    }

    /// Takes the rows of the nodes after these.
    pub fn append(&mut self, other: DayRows) {
        let nodes = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.extend(other.nodes);
        self.kind.extend(other.kind);
        self.node.extend(other.node.into_iter().map(|node| node + nodes));
        self.currency.extend(other.currency);
        self.slot.extend(other.slot);
        self.part.extend(other.part);
        self.extent.extend(other.extent);
        for (column, other) in self.money.iter_mut().zip(other.money) {
            column.extend(other);
        }
    }

    /// Writes the rows, packed by so many threads, and reads them back. The
    /// bytes do not depend on the number of threads.
    ///
    /// # Errors
    /// When the file cannot be written or is not what was written.
    pub fn write(
        &self,
        lake: &Lake,
        cluster: &str,
        day: Day,
        slots_path: &str,
        threads: usize,
    ) -> Result<ContainerDayFile, LakeError> {
        let labels: Vec<String> = self.nodes.iter().map(|node| json(&node.labels)).collect();
        let schema: Schema = self.fields(0..0, &labels)?.iter().map(Field::of_schema).collect();
        let mut file = ParquetFile::create(lake, &schema, "")?;
        let packer = file.packer()?;
        let all = self.kind.len();
        let starts: Vec<usize> = (0..all).step_by(GROUP_ROWS).collect();
        let pack = |starts: &[usize]| -> Result<Vec<Pages>, LakeError> {
            let groups = starts.iter().map(|start| {
                let rows = *start..all.min(start + GROUP_ROWS);
                packer.pack(rows.len(), self.fields(rows, &labels)?.into_iter())
            });
            groups.collect()
        };
        if threads > 1 && starts.len() > 1 {
            let (own, others) = starts.split_at(starts.len().div_ceil(2));
            let (own, others) = thread::scope(|scope| {
                let others = scope.spawn(|| pack(others));
                (
                    pack(own),
                    others.join().unwrap_or(Err(LakeError::Stage { stage: "write" })),
                )
            });
            own?.iter()
                .chain(&others?)
                .try_for_each(|pages| file.write_pages(pages))?;
        } else {
            // one after the other, so that only one is in memory
            for start in &starts {
                let pages = pack(std::slice::from_ref(start))?;
                pages.iter().try_for_each(|pages| file.write_pages(pages))?;
            }
        }
        let expected = self.sums();
        let (rows, closed) =
            file.finish_checked(|written, rows| check(written, (rows, &expected), (starts.len(), threads)))?;
        let path = container_days_path(cluster, day, closed.sha256());
        let (stored, _) = lake.put_closed(closed, &path)?;
        Ok(ContainerDayFile {
            cluster: cluster.to_owned(),
            day,
            path: stored.path,
            sha256: stored.sha256,
            bytes: stored.bytes,
            rows,
            slots_path: slots_path.to_owned(),
        })
    }

    fn sums(&self) -> [i128; 7] {
        let of = |column: &Vec<i128>| {
            let rows = column.iter().zip(&self.kind).filter(|(_, kind)| **kind == Kind::Node);
            rows.fold(0i128, |sum, (amount, _)| sum.wrapping_add(*amount))
        };
        self.money.each_ref().map(of)
    }

    /// The columns of some rows; `labels` are those of the nodes.
    fn fields<'t>(&'t self, rows: Range<usize>, labels: &'t [String]) -> Result<Vec<Field<'t>>, LakeError> {
        let node = |row: usize| self.nodes[self.node[row] as usize].as_ref();
        let text = |name, of: &dyn Fn(usize) -> Option<&'t str>| Field::Texts(name, Texts::of(rows.clone().map(of)));
        let mut fields = vec![
            text("kind", &|row| Some(self.kind[row].as_str())),
            text("node", &|row| Some(node(row).name.as_str())),
        ];
        let is_node = |row: usize| self.kind[row] == Kind::Node;
        let picks: [fn(&Node) -> &str; 4] = [
            |node| &node.provider_id,
            |node| &node.pool,
            |node| &node.capacity_type,
            |node| &node.root_volume_id,
        ];
        for (name, pick) in NODE_TEXTS.iter().zip(picks) {
            fields.push(text(name, &|row| is_node(row).then(|| pick(node(row)))));
        }
        let label = |row: usize| is_node(row).then(|| labels[self.node[row] as usize].as_str());
        fields.push(text(NODE_TEXTS[4], &label));
        let slot = |slot: &u32| (*slot != NO_SLOT).then(|| i32::try_from(*slot).unwrap_or(i32::MAX));
        let slots: Int32Chunked = self.slot[rows.clone()].iter().map(slot).collect();
        fields.push(Field::Column(slots.with_name("slot".into()).into_column()));
        fields.push(text("part", &|row| self.part[row].map(Part::as_str)));
        let currency = |row: usize| Some(self.currencies[self.currency[row] as usize].as_str());
        fields.push(text("currency", &currency));
        let extents = &self.extent[rows.clone()];
        for (name, pick) in [
            ("start_hour", (|of| of.first) as fn(&Extent) -> i32),
            ("end_hour", |of| of.end),
        ] {
            let values = extents.iter().map(pick).collect();
            fields.push(Field::Column(Int32Chunked::from_vec(name.into(), values).into_column()));
        }
        let seconds = extents.iter().map(|of| signed(of.seconds)).collect();
        fields.push(Field::Column(
            Int64Chunked::from_vec("seconds".into(), seconds).into_column(),
        ));
        for (at, name) in MEASURES.iter().enumerate() {
            fields.push(self.measures(name, rows.clone(), Kind::Container, at));
        }
        for (at, name) in CAPACITIES.iter().enumerate() {
            fields.push(self.measures(name, rows.clone(), Kind::Node, at));
        }
        for (name, units) in MONEY.iter().zip(&self.money) {
            let units = &units[rows.clone()];
            if units.iter().any(|units| Money::from_units(*units).is_none()) {
                return Err(LakeError::Overflow {
                    what: "the charges".to_owned(),
                });
            }
            let column = Int128Chunked::from_slice((*name).into(), units);
            let column = column.into_decimal_unchecked(PRECISION, MONEY_SCALE as usize);
            fields.push(Field::Column(column.into_column()));
        }
        Ok(fields)
    }

    /// One resource of one measure, of the rows of a kind.
    fn measures(&self, name: &str, rows: Range<usize>, kind: Kind, at: usize) -> Field<'static> {
        let kinds = &self.kind[rows.clone()];
        let values = self.extent[rows].iter().zip(kinds).map(|(extent, of)| {
            let measure = extent.measures[at / 3];
            let amount = [measure.cpu_core_ms, measure.memory_mib_s, measure.gpu_ms][at % 3];
            (*of == kind).then(|| signed(amount))
        });
        let column: Int64Chunked = values.collect();
        Field::Column(column.with_name(name.into()).into_column())
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn json(labels: &tags::Tags) -> String {
    serde_json::to_string(labels).unwrap_or_else(|_| "{}".to_owned())
}

pub(super) fn damaged(path: &str, what: &str) -> LakeError {
    LakeError::Damaged {
        path: path.to_owned(),
        detail: format!("{what} is not that of container-days"),
    }
}

pub(super) fn units<'f>(frame: &'f DataFrame, path: &str) -> Result<Vec<Cells<'f, Int128Type>>, LakeError> {
    let column = |name: &&str| {
        let column = scan::units(frame, name).ok_or_else(|| damaged(path, name))?;
        Ok(Cells::of(column))
    };
    MONEY.iter().map(column).collect()
}

pub(super) fn amounts(columns: &[Cells<'_, Int128Type>], row: usize, path: &str) -> Result<[i128; 7], LakeError> {
    let mut amounts = [0; 7];
    for (amount, column) in amounts.iter_mut().zip(columns) {
        *amount = column.get(row).ok_or_else(|| damaged(path, "an amount"))?;
    }
    Ok(amounts)
}

/// Reads a day back, exactly.
///
/// # Errors
/// When a file is missing, unreadable or not of ours.
pub fn read_day(lake: &Lake, file: &ContainerDayFile) -> Result<DayCosts, LakeError> {
    let slots = match file.slots_path.as_str() {
        "" => Vec::new(),
        path => read_slots(lake, path)?.into_iter().map(Arc::new).collect(),
    };
    let path = &file.path;
    let local = lake.local(path)?;
    scan::check_version(local.path(), path)?;
    let mut costs = DayCosts {
        cluster: file.cluster.clone(),
        day: file.day,
        slots: Vec::new(),
        nodes: Vec::new(),
    };
    let mut names: Vec<String> = [
        "kind",
        "node",
        "slot",
        "part",
        "currency",
        "start_hour",
        "end_hour",
        "seconds",
    ]
    .map(str::to_owned)
    .to_vec();
    let rest = NODE_TEXTS.iter().chain(&MEASURES).chain(&CAPACITIES).chain(&MONEY);
    names.extend(rest.map(|name| (*name).to_owned()));
    scan::batches(local.path(), path, &names, |frame| add(&mut costs, &slots, frame, path))?;
    Ok(costs)
}

fn add(costs: &mut DayCosts, slots: &[Arc<Slot>], frame: &DataFrame, path: &str) -> Result<(), LakeError> {
    let text = |name: &str| scan::text(frame, name).ok_or_else(|| damaged(path, name));
    let int = |name: &str| {
        frame
            .column(name)
            .and_then(|column| column.i64())
            .map_err(|_| damaged(path, name))
    };
    let small = |name: &str| {
        frame
            .column(name)
            .and_then(|column| column.i32())
            .map_err(|_| damaged(path, name))
    };
    let (kind, name, part, currency) = (text("kind")?, text("node")?, text("part")?, text("currency")?);
    let (slot, first, end, seconds) = (
        small("slot")?,
        small("start_hour")?,
        small("end_hour")?,
        int("seconds")?,
    );
    let node_texts = NODE_TEXTS.map(text).into_iter().collect::<Result<Vec<_>, _>>()?;
    let measures = MEASURES.map(int).into_iter().collect::<Result<Vec<_>, _>>()?;
    let capacities = CAPACITIES.map(int).into_iter().collect::<Result<Vec<_>, _>>()?;
    let money = units(frame, path)?;
    for row in 0..frame.height() {
        let amounts = amounts(&money, row, path)?;
        let to_money = |units: i128| Money::from_units(units).ok_or_else(|| damaged(path, "an amount"));
        let mut all = [Money::ZERO; 7];
        for (money, units) in all.iter_mut().zip(amounts) {
            *money = to_money(units)?;
        }
        let [cpu, memory, gpu, system_cost, daemon_cost, disk_cost, billed] = all;
        let measure = |columns: &[&Int64Chunked], at: usize| {
            let of = |at: usize| u64::try_from(columns[at].get(row).unwrap_or(0)).unwrap_or(0);
            Measure {
                cpu_core_ms: of(at),
                memory_mib_s: of(at + 1),
                gpu_ms: of(at + 2),
            }
        };
        let hour = |column: &Int32Chunked| Hour(column.get(row).unwrap_or(0)).start();
        let seconds = u64::try_from(seconds.get(row).unwrap_or(0)).unwrap_or(0);
        let part = part.get(row).and_then(Part::parse);
        match kind.get(row).and_then(Kind::parse) {
            Some(Kind::Node) => {
                let text = |at: usize| node_texts[at].get(row).unwrap_or("").to_owned();
                let node = Node {
                    name: name.get(row).unwrap_or("").to_owned(),
                    provider_id: text(0),
                    pool: text(1),
                    capacity_type: text(2),
                    root_volume_id: text(3),
                    labels: tags::parse(&text(4)).unwrap_or_default(),
                };
                let known = costs.nodes.last().filter(|last| *last.node == node);
                costs.nodes.push(NodeCost {
                    node: known.map_or_else(|| Arc::new(node.clone()), |last| Arc::clone(&last.node)),
                    currency: currency
                        .get(row)
                        .and_then(Currency::parse)
                        .ok_or_else(|| damaged(path, "currency"))?,
                    start: hour(first),
                    end: hour(end),
                    capacity: measure(&capacities, 0),
                    allocatable: measure(&capacities, 3),
                    ready_s: seconds,
                    total: [cpu, memory, gpu],
                    idle: [Money::ZERO; 3],
                    not_ready: [Money::ZERO; 3],
                    unobserved: [Money::ZERO; 3],
                    disk_total: disk_cost,
                    disk_left: Money::ZERO,
                    billed_total: billed,
                    billed_left: Money::ZERO,
                });
            }
            Some(Kind::Remainder) => {
                let node = costs.nodes.last_mut().ok_or_else(|| damaged(path, "the order"))?;
                let into = match part {
                    Some(Part::IdleCapacity) => Some(&mut node.idle),
                    Some(Part::NotReady) => Some(&mut node.not_ready),
                    Some(Part::Unobserved) => Some(&mut node.unobserved),
                    None => None,
                    Some(_) => return Err(damaged(path, "part")),
                };
                match into {
                    Some(into) => *into = [cpu, memory, gpu],
                    None => node.disk_left = disk_cost,
                }
                let sum = node.billed_left.checked_add(billed);
                node.billed_left = sum.map_err(|_| damaged(path, "an amount"))?;
            }
            Some(Kind::Container) => {
                let node = costs.nodes.last().ok_or_else(|| damaged(path, "the order"))?;
                let slot = slot.get(row).and_then(|slot| slots.get(usize::try_from(slot).ok()?));
                costs.slots.push(SlotCost {
                    slot: Arc::clone(slot.ok_or_else(|| damaged(path, "slot"))?),
                    node: Arc::clone(&node.node),
                    part: part.ok_or_else(|| damaged(path, "part"))?,
                    currency: node.currency.clone(),
                    start: hour(first),
                    end: hour(end),
                    seconds,
                    requested: measure(&measures, 0),
                    used: measure(&measures, 3),
                    effective: measure(&measures, 6),
                    cost: [cpu, memory, gpu],
                    system_cost,
                    daemon_cost,
                    disk_cost,
                    billed,
                });
            }
            None => return Err(damaged(path, "kind")),
        }
    }
    Ok(())
}
