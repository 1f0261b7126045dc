//! What carries a figure: the nodes, volumes, load balancers and control planes
//! whose cost was split, by day and by charge period. Each level adds up to the
//! one above: things to what the figure has of clusters, a thing's days to the
//! thing, a day's charge periods to the day, and the parts of such a row, as
//! well as its bill lines, to the row.

use super::{AmountKey, Basis, BillLine, over_lines, overflow, picked};
use crate::clusters::join::Join;
use crate::clusters::{Amount, Gathered, GroupKey, Held};
use crate::error::LakeError;
use domain::allocate::clusters::MachineCost;
use domain::instant::{Day, Instant};
use domain::usage::{Measure, Part};
use domain::{BillingPeriod, Currency, Money};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a level; what is beyond is one row.
const ROWS: usize = 100;
/// Bill lines of a row; what is beyond is counted and added up.
const LINES: usize = 10;

/// What sort of thing carries cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ThingKind {
    /// A node: the machine, its root disk and its traffic.
    Node,
    /// A volume.
    Volume,
    /// A load balancer.
    LoadBalancer,
    /// A control plane.
    ControlPlane,
}

impl ThingKind {
    /// Every kind.
    pub const ALL: [ThingKind; 4] = [
        ThingKind::Node,
        ThingKind::Volume,
        ThingKind::LoadBalancer,
        ThingKind::ControlPlane,
    ];

    /// Stable key, as in URLs and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ThingKind::Node => "node",
            ThingKind::Volume => "volume",
            ThingKind::LoadBalancer => "load_balancer",
            ThingKind::ControlPlane => "control_plane",
        }
    }

    fn of(cost: MachineCost) -> ThingKind {
        match cost {
            MachineCost::Compute | MachineCost::RootDisk | MachineCost::Network => ThingKind::Node,
            MachineCost::Volume => ThingKind::Volume,
            MachineCost::BalancerHours | MachineCost::BalancerUsage => ThingKind::LoadBalancer,
            MachineCost::ControlPlane => ThingKind::ControlPlane,
        }
    }
}

/// A thing whose cost was split.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Carrier {
    /// Cluster id; empty for a control plane.
    pub cluster: String,
    /// What sort of thing it is.
    pub kind: ThingKind,
    /// Its name: of a node as the cluster has it, else as the bill has it.
    pub name: String,
}

/// How far down is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Level {
    /// The things.
    #[default]
    Things,
    /// The days of a thing.
    Days(Carrier),
    /// The charge periods of a thing on a day.
    Charges(Carrier, Day),
}

/// One level of what carries a figure.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Carried {
    /// The largest by share: things in that order, else in the order of time.
    pub rows: Vec<CarriedRow>,
    /// How many rows there are.
    pub count: u64,
    /// Sum of the shares of all of them.
    pub total: Money,
}

/// A thing, a day of it, or one of its charge periods.
#[derive(Debug, Clone, PartialEq)]
pub struct CarriedRow {
    /// The thing.
    pub carrier: Carrier,
    /// The day; `None` for a thing.
    pub day: Option<Day>,
    /// Start and end of the charge period, and what was paid for; `None` for a thing or a day.
    pub charge: Option<(Instant, Instant, MachineCost)>,
    /// What the row's charges cost: all of them, of a row with a day on that day.
    /// Charges that carry nothing of the figure are not in it.
    pub cost: Money,
    /// What of it is in the figure.
    pub share: Money,
    /// The same by what it paid for; adds up to `share`.
    pub parts: Vec<(Option<Part>, Money)>,
    /// Effective request of the figure's containers: of charges of machines only.
    pub effective: Measure,
    /// What all containers of the machine shared meanwhile.
    pub shared: Measure,
    /// Its bill lines, largest share first; empty unless it is a charge period.
    /// The shares of all add up to `share`.
    pub lines: Vec<BillLine>,
    /// Bill lines that are not in `lines`.
    pub more_lines: u64,
    /// Sum of their shares.
    pub more_share: Money,
}

/// Charges that are split together on one day, of one kind and month.
type CellKey = (AmountKey, Day);

/// What came of such charges.
#[derive(Default)]
struct Cell {
    cost: Money,
    /// By part: what is in the figure, and what was held for it.
    shares: BTreeMap<Option<Part>, (Money, Measure)>,
    shared: Measure,
}

/// Collects what carries a figure.
#[derive(Default)]
pub(super) struct Carriers {
    cells: BTreeMap<CellKey, Cell>,
}

impl Carriers {
    /// A piece of split cost; `part` when it is in the figure.
    pub fn add(
        &mut self,
        (group, amount): (&GroupKey, &Amount),
        day: Day,
        money: Money,
        held: Held,
        part: Option<Option<Part>>,
    ) -> Result<(), LakeError> {
        let cell = self
            .cells
            .entry(((*group, amount.kind, amount.period), day))
            .or_default();
        cell.cost = cell.cost.checked_add(money).map_err(overflow)?;
        cell.shared = cell.shared.max(held.shared);
        if let Some(part) = part {
            let (share, effective) = cell.shares.entry(part).or_default();
            *share = share.checked_add(money).map_err(overflow)?;
            *effective = effective.plus(held.effective);
        }
        Ok(())
    }

    /// One level; `lines` are the bill lines of what was split together.
    pub fn finish(
        self,
        (gathered, join): (&Gathered, &Join),
        lines: &BTreeMap<AmountKey, Vec<BillLine>>,
        basis: Basis,
        level: &Level,
    ) -> Result<Carried, LakeError> {
        let currency = |((_, kind, _), _): &CellKey| gathered.currency(*kind).clone();
        let in_figure = self.cells.iter().filter(|(_, cell)| !cell.shares.is_empty());
        let currencies: BTreeSet<Currency> = in_figure.map(|(key, _)| currency(key)).collect();
        let mut rows: BTreeMap<RowKey, RowSums> = BTreeMap::new();
        for (key, cell) in self.cells.iter().filter(|(key, _)| currencies.contains(&currency(key))) {
            let ((group, kind, period), day) = *key;
            let (cluster, name) = gathered.name_of(join, &group);
            let carrier = Carrier {
                cluster,
                kind: ThingKind::of(group.cost),
                name,
            };
            let at: RowKey = match level {
                Level::Things => (carrier, None, None),
                Level::Days(of) if *of == carrier => (carrier, Some(day), None),
                Level::Charges(of, on) if *of == carrier && *on == day => (carrier, Some(day), Some(group)),
                Level::Days(_) | Level::Charges(..) => continue,
            };
            rows.entry(at).or_default().add((group, day), (kind, period), cell)?;
        }
        rows.retain(|_, sums| sums.in_figure);
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let mut all = rows
            .into_iter()
            .map(|(key, sums)| Ok((sums.row(key)?, sums)))
            .collect::<Result<Vec<_>, LakeError>>()?;
        let total = Money::sum(all.iter().map(|(row, _)| row.share)).map_err(overflow)?;
        all.sort_by_key(|(row, _)| std::cmp::Reverse(row.share.abs()));
        all.truncate(ROWS);
        if *level != Level::Things {
            all.sort_by_key(|(row, _)| (row.day, row.charge.map(|(start, end, _)| (start, end))));
        }
        let with_lines = |(mut row, sums): (CarriedRow, RowSums)| {
            if row.charge.is_some() {
                sums.lines(&mut row, lines, basis)?;
            }
            Ok(row)
        };
        Ok(Carried {
            rows: all.into_iter().map(with_lines).collect::<Result<_, LakeError>>()?,
            count,
            total,
        })
    }
}

type RowKey = (Carrier, Option<Day>, Option<GroupKey>);

/// A row being added up.
#[derive(Default)]
struct RowSums {
    in_figure: bool,
    cost: Money,
    parts: BTreeMap<Option<Part>, Money>,
    /// By group and day: what was held, once, not once for each kind of charge.
    held: BTreeMap<(GroupKey, Day), (Measure, Measure)>,
    /// What is in the figure, by what was split together.
    shares: BTreeMap<AmountKey, Money>,
}

impl RowSums {
    fn add(
        &mut self,
        (group, day): (GroupKey, Day),
        (kind, period): (u32, BillingPeriod),
        cell: &Cell,
    ) -> Result<(), LakeError> {
        self.in_figure |= !cell.shares.is_empty();
        self.cost = self.cost.checked_add(cell.cost).map_err(overflow)?;
        let mut effective = Measure::ZERO;
        for (part, (share, held)) in &cell.shares {
            for sum in [
                self.parts.entry(*part).or_default(),
                self.shares.entry((group, kind, period)).or_default(),
            ] {
                *sum = sum.checked_add(*share).map_err(overflow)?;
            }
            effective = effective.plus(*held);
        }
        let held = self.held.entry((group, day)).or_default();
        *held = (held.0.max(effective), held.1.max(cell.shared));
        Ok(())
    }

    fn row(&self, (carrier, day, group): RowKey) -> Result<CarriedRow, LakeError> {
        let held = self.held.values();
        let (effective, shared) = held.fold((Measure::ZERO, Measure::ZERO), |sum, held| {
            (sum.0.plus(held.0), sum.1.plus(held.1))
        });
        Ok(CarriedRow {
            carrier,
            day,
            charge: group.map(|group| (group.from.start(), group.to.start(), group.cost)),
            cost: self.cost,
            share: Money::sum(self.parts.values().copied()).map_err(overflow)?,
            parts: self.parts.iter().map(|(part, money)| (*part, *money)).collect(),
            effective,
            shared,
            lines: Vec::new(),
            more_lines: 0,
            more_share: Money::ZERO,
        })
    }

    /// The bill lines behind a charge period.
    fn lines(
        &self,
        row: &mut CarriedRow,
        lines: &BTreeMap<AmountKey, Vec<BillLine>>,
        basis: Basis,
    ) -> Result<(), LakeError> {
        let mut all: Vec<BillLine> = Vec::new();
        for (key, share) in &self.shares {
            let own = lines.get(key).map_or(&[][..], Vec::as_slice);
            let shares = over_lines(*share, own, basis).into_iter();
            all.extend(shares.zip(own).map(|(share, line)| BillLine { share, ..line.clone() }));
        }
        all.sort_by_key(|line| {
            let size = picked(basis, (line.billed, line.effective)).abs();
            (std::cmp::Reverse((line.share.abs(), size)), line.part, line.line)
        });
        let rest = all.split_off(LINES.min(all.len()));
        row.more_lines = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        row.more_share = Money::sum(rest.iter().map(|line| line.share)).map_err(overflow)?;
        row.lines = all;
        Ok(())
    }
}
