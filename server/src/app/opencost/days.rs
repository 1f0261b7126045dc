//! Which files hold the costs of a day, and their rows.

use super::aggregate::{Group, group};
use super::ask::Shape;
use super::facts::{Nodes, Source, rows};
use super::resources::{self, ResourceDays};
use super::share::{ShareError, share};
use super::window::Piece;
use super::{App, CurrencyLines, around};
use crate::app::allocate::charge_file;
use crate::error::AppError;
use domain::allocate::Program;
use domain::instant::{DAY_US, Day, Span};
use domain::{BillingPeriod, Currency};
use lake::container_days::{ContainerDayFile, DayCosts, HourCosts, hours_of_day, read_day};
use lake::things::ThingCost;
use lake::usage::UsageFile;
use lake::{ChargeFile, Lake};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Names the content of a day: the paths of its files, which never change.
pub(super) type DayKey = Arc<str>;

/// What the hours of a period are derived from.
pub(super) struct Inputs {
    pub files: Vec<ChargeFile>,
    pub usage: Vec<UsageFile>,
    pub program: Arc<Program>,
    /// What volumes and load balancers cost, once somebody asked.
    pub things: OnceLock<Arc<Vec<ThingCost>>>,
}

/// A cluster's day, as one period's bills pay for it.
struct DayFile {
    period: BillingPeriod,
    file: ContainerDayFile,
    with_usage: bool,
}

/// The container-days of some months at a manifest version.
pub(crate) struct Days {
    version: i64,
    first: BillingPeriod,
    last: BillingPeriod,
    by_day: BTreeMap<Day, Vec<DayFile>>,
    inputs: BTreeMap<BillingPeriod, Inputs>,
    currencies: BTreeMap<BillingPeriod, CurrencyLines>,
    /// By period: the cube, and what it has besides nodes.
    resources: BTreeMap<BillingPeriod, (String, ResourceDays)>,
}

impl App {
    /// The container-days a window needs; `None` without any bill. Allocates
    /// months whose inputs changed.
    ///
    /// # Errors
    /// When a month cannot be allocated, or database or lake fail.
    pub(super) async fn days(&self, window: Span) -> Result<Option<Arc<Days>>, AppError> {
        let (mut first, mut last) = around(window);
        loop {
            let view = self.view().await?;
            if view.periods.is_empty() {
                return Ok(None);
            }
            let kept = self.opencost.days.read().ok().and_then(|days| days.clone());
            if let Some(days) = kept.filter(|days| days.version == view.version) {
                if days.holds(first, last) {
                    return Ok(Some(days));
                }
                // clients that ask for different windows must not take turns
                (first, last) = (first.min(days.first), last.max(days.last));
            }
            let mut days = Days {
                version: view.version,
                first,
                last,
                by_day: BTreeMap::new(),
                inputs: BTreeMap::new(),
                currencies: BTreeMap::new(),
                resources: BTreeMap::new(),
            };
            let periods = view.periods.iter().filter(|period| (first..=last).contains(*period));
            for period in periods {
                self.add_period(&mut days, *period).await?;
            }
            days.settle();
            // an allocation made on the way moves the version on
            if self.store.manifest_version().await? != view.version {
                continue;
            }
            let days = Arc::new(days);
            if let Ok(mut kept) = self.opencost.days.write() {
                *kept = Some(days.clone());
            }
            return Ok(Some(days));
        }
    }

    async fn add_period(&self, days: &mut Days, period: BillingPeriod) -> Result<(), AppError> {
        let (row, _) = self.fresh_allocation(period).await?;
        let lines = days.currencies.entry(period).or_default();
        for delivered in self.store.active_totals(Some(period)).await? {
            *lines.entry(delivered.total.currency).or_default() += delivered.total.rows;
        }
        let (lake, cube) = (self.lake.clone(), row.cube_path.clone());
        let found = self
            .heavy("cannot read the cube", move || resources::read(&lake, &cube))
            .await?;
        days.resources.insert(period, (row.cube_path, found));
        let files = self.store.active_files(Some(period)).await?;
        let (program, _) = self.active_program().await?;
        let inputs = Inputs {
            files: files.iter().map(charge_file).collect(),
            usage: self.usage_for(period).await?,
            program: Arc::new(program),
            things: OnceLock::new(),
        };
        for file in row.files {
            days.by_day.entry(file.day).or_default().push(DayFile {
                period,
                file: day_file(file),
                with_usage: false,
            });
        }
        days.inputs.insert(period, inputs);
        Ok(())
    }
}

impl Days {
    fn holds(&self, first: BillingPeriod, last: BillingPeriod) -> bool {
        self.first <= first && last <= self.last
    }

    /// Several bills may pay for a cluster's day; what it used is there once,
    /// with the month of the day when that has it.
    fn settle(&mut self) {
        for (day, files) in &mut self.by_day {
            let own = BillingPeriod::of(day.start());
            files.sort_by(|a, b| {
                (&a.file.cluster, a.period != own, a.period).cmp(&(&b.file.cluster, b.period != own, b.period))
            });
            let mut last: Option<String> = None;
            for file in files {
                file.with_usage = last.as_ref() != Some(&file.file.cluster);
                last = Some(file.file.cluster.clone());
            }
        }
    }

    /// Lines of the bills around a window, by currency.
    pub fn currencies(&self, window: Span) -> CurrencyLines {
        let (first, last) = (BillingPeriod::of(window.start), around(window).1.previous());
        let mut all = CurrencyLines::new();
        for (currency, lines) in self.currencies.range(first..=last).flat_map(|(_, lines)| lines) {
            *all.entry(currency.clone()).or_default() += lines;
        }
        all
    }

    /// The newest day before this one that has costs.
    pub fn newest_before(&self, day: Day) -> Option<Day> {
        self.by_day.range(..day).next_back().map(|(day, _)| *day)
    }

    /// What a day is kept under.
    pub fn key(&self, day: Day) -> DayKey {
        let files = self.by_day.get(&day).into_iter().flatten();
        let cubes = self.resources.values().filter(|(_, days)| days.contains_key(&day));
        let paths: Vec<&str> = files
            .map(|file| file.file.path.as_str())
            .chain(cubes.map(|(path, _)| path.as_str()))
            .collect();
        paths.join("\n").into()
    }

    /// Days of a window without any costs, as a warning.
    pub fn missing(&self, window: Span) -> Option<String> {
        let last = Day(i32::try_from((window.end.0 - 1).div_euclid(DAY_US)).unwrap_or(i32::MAX));
        let all = i64::from(last.0) - i64::from(window.start.day().0) + 1;
        let there = self.by_day.range(window.start.day()..=last).count();
        let missing = all - i64::try_from(there).unwrap_or(all);
        (missing > 0).then(|| {
            format!("{missing} of {all} days have no bill with usage: their node cost is unknown here, not zero")
        })
    }

    /// The groups of pieces of one day.
    pub fn groups(
        &self,
        lake: &Lake,
        shape: &Shape,
        currency: &Currency,
        pieces: &[Piece],
    ) -> Result<Vec<Vec<Group>>, AppError> {
        let Some(day) = pieces.first().map(|piece| piece.day) else {
            return Ok(Vec::new());
        };
        let costs = self.read(lake, day, pieces)?;
        let mut groups = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let mut all = Vec::new();
            for source in costs.iter().flat_map(|costs| costs.sources(piece)) {
                rows(&source, currency, &mut all)?;
            }
            for cost in self.resources.values().filter_map(|(_, days)| days.get(&day)).flatten() {
                all.extend(cost.row(piece, currency).map_err(|error| refused(error.into()))?);
            }
            let shared = share(all, &shape.sharing, shape.filter.as_ref(), piece.span()).map_err(refused)?;
            groups.push(group(&shared, &shape.grouping)?);
        }
        Ok(groups)
    }

    /// The months whose bills these are.
    pub(super) fn periods(&self) -> impl Iterator<Item = BillingPeriod> {
        self.inputs.keys().copied()
    }

    /// What the hours of a month are derived from.
    pub(super) fn inputs_of(&self, period: BillingPeriod) -> Option<&Inputs> {
        self.inputs.get(&period)
    }

    /// The usage of a day, of every cluster; of several months the same.
    pub(super) fn usage_on(&self, day: Day) -> impl Iterator<Item = &UsageFile> {
        let all = self.inputs.values().flat_map(|inputs| &inputs.usage);
        all.filter(move |file| file.day == day)
    }

    /// Adds the nodes of a piece.
    pub fn nodes(&self, lake: &Lake, currency: &Currency, piece: Piece, nodes: &mut Nodes) -> Result<(), AppError> {
        for costs in self.read(lake, piece.day, &[piece])? {
            for source in costs.sources(&piece) {
                nodes.add(&source, currency)?;
            }
        }
        Ok(())
    }

    /// Reads a day's costs; its hours when a piece is not the whole day.
    fn read(&self, lake: &Lake, day: Day, pieces: &[Piece]) -> Result<Vec<Costs>, AppError> {
        let whole = pieces.iter().all(Piece::is_whole);
        let mut all = Vec::new();
        for file in self.by_day.get(&day).into_iter().flatten() {
            let kind = if whole {
                Kind::Day(read_day(lake, &file.file)?)
            } else {
                let Some(inputs) = self.inputs.get(&file.period) else {
                    continue;
                };
                let (files, usage) = (&inputs.files, &inputs.usage);
                let cluster = &file.file.cluster;
                Kind::Hours(hours_of_day(lake, files, usage, &inputs.program, cluster, day)?)
            };
            all.push(Costs {
                cluster: file.file.cluster.clone(),
                with_usage: file.with_usage,
                kind,
            });
        }
        Ok(all)
    }
}

/// A cluster's costs of a day.
struct Costs {
    cluster: String,
    with_usage: bool,
    kind: Kind,
}

enum Kind {
    Day(DayCosts),
    Hours(Vec<HourCosts>),
}

impl Costs {
    fn sources(&self, piece: &Piece) -> Vec<Source<'_>> {
        let source = |slots, nodes| Source {
            cluster: &self.cluster,
            slots,
            nodes,
            with_usage: self.with_usage,
        };
        match &self.kind {
            Kind::Day(day) => vec![source(&day.slots, &day.nodes)],
            Kind::Hours(hours) => hours
                .iter()
                .filter(|hour| (piece.from..piece.to).contains(&hour.hour))
                .map(|hour| source(&hour.slots, &hour.nodes))
                .collect(),
        }
    }
}

fn day_file(file: store::AllocationFile) -> ContainerDayFile {
    ContainerDayFile {
        cluster: file.cluster_id,
        day: file.day,
        path: file.path,
        sha256: file.sha256,
        bytes: file.bytes,
        rows: file.rows,
        slots_path: file.slots_path,
    }
}

fn refused(error: ShareError) -> AppError {
    match error {
        ShareError::Overflow(overflow) => overflow.into(),
        ShareError::Split(split) => AppError::broken("a cost could not be shared", split),
    }
}
