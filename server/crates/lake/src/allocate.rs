//! The fast form of `domain::allocate`: one pass over the files, owners and
//! classes once per distinct set of attributes, checked sums; then the charges
//! of machines by what ran on them. A property test holds it equal to the
//! reference.

use crate::clusters::{self, Gathered, ProviderRows, Unbilled};
use crate::container_days::ContainerDayFile;
use crate::error::LakeError;
use crate::object::Lake;
use crate::prices;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use crate::usage::UsageFile;
use domain::BillingPeriod;
use domain::allocate::{Cube, CubeKey, CubeValue, Program};
use domain::apportion::Splitter;
use domain::fx::Conversion;
use domain::instant::Day;
use polars::prelude::PlHashMap;
use std::thread;

/// Allocates the charges of some files, without usage. `split` is
/// [`domain::apportion::apportion`]; tests pass a wrong one.
///
/// # Errors
/// When a file cannot be read, or an amount split or added exactly.
pub fn allocate(lake: &Lake, files: &[ChargeFile], program: &Program, split: Splitter) -> Result<Cube, LakeError> {
    allocate_with_usage(lake, files, &[], None, program, split).map(|allocation| allocation.cube)
}

/// An allocation of bills with usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Its cube.
    pub cube: Cube,
    /// Node hours of the period no charge pays for.
    pub unbilled: Vec<Unbilled>,
    /// Rows of the provider's own split.
    pub provider_rows: Vec<ProviderRows>,
    /// What containers cost, by cluster and day; written when a period was given.
    pub container_days: Vec<ContainerDayFile>,
}

/// The same, node costs by usage: days in any order, one file per cluster and
/// day. With a `period`, container-days are written to the lake.
///
/// # Errors
/// As [`allocate`].
pub fn allocate_with_usage(
    lake: &Lake,
    files: &[ChargeFile],
    usage: &[UsageFile],
    period: Option<BillingPeriod>,
    program: &Program,
    split: Splitter,
) -> Result<Allocation, LakeError> {
    allocation(lake, files, usage, (period, None), program, split)
}

/// The cube of the same in another currency: every charge is converted once,
/// before it is split (A40). Nothing is written.
///
/// # Errors
/// As [`allocate`], and when a charge has no rate.
pub fn allocate_converted(
    lake: &Lake,
    files: &[ChargeFile],
    usage: &[UsageFile],
    conversion: &Conversion,
    program: &Program,
    split: Splitter,
) -> Result<Cube, LakeError> {
    allocation(lake, files, usage, (None, Some(conversion)), program, split).map(|allocation| allocation.cube)
}

fn allocation(
    lake: &Lake,
    files: &[ChargeFile],
    usage: &[UsageFile],
    (period, conversion): (Option<BillingPeriod>, Option<&Conversion>),
    program: &Program,
    split: Splitter,
) -> Result<Allocation, LakeError> {
    let overflow = |_| LakeError::Overflow {
        what: "the charges".to_owned(),
    };
    let mut usage = usage.to_vec();
    usage.sort_by(|a, b| (&a.cluster, a.day).cmp(&(&b.cluster, b.day)));
    let join = clusters::join_of(lake, &usage)?;
    let mut gathered = Gathered::new(&join);
    let mut charges = Charges::new(program).joining(&join).converting(conversion);
    let mut sums = Sums::default();
    let mut landings = Vec::new();
    prices::read(lake, files, &mut charges, split, |charges, file, row| {
        if gathered.take(charges, row)?.is_some() {
            return Ok(());
        }
        charges.landings(row, &file.path, split, &mut landings)?;
        for (at, landing) in landings.iter().enumerate() {
            let sum = sums.entry((landing.key, row.period, landing.start.day())).or_default();
            sum.add(CubeValue {
                charges: if at == 0 { row.lines } else { 0 },
                billed: landing.billed,
                effective: landing.effective,
            })
            .map_err(overflow)?;
        }
        Ok(())
    })?;
    let clusters = clusters::split_days(
        lake,
        gathered,
        (&usage, &join, None),
        &mut charges,
        split,
        period,
        &mut |key, period, day, value| sums.entry((key, period, day)).or_default().add(value).map_err(overflow),
    )?;
    Ok(Allocation {
        cube: cube(sums, &charges)?,
        unbilled: clusters.unbilled,
        provider_rows: clusters.provider_rows,
        container_days: clusters.files,
    })
}

/// One day of one cluster: its part of what [`allocate_with_usage`] makes of
/// the whole period, and its container-days, written to the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayAllocation {
    /// The cube of the charges that were split.
    pub cube: Cube,
    /// Ready node hours no charge of `files` pays for.
    pub unbilled_node_hours: u64,
    /// What containers cost.
    pub container_days: Option<ContainerDayFile>,
    /// Charges of machines of this day that are not within it, and so need the
    /// usage of other days: those of several days, and those of another day.
    /// They are not in the cube.
    pub left_out: u64,
}

/// Allocates one day of one cluster: the charges of `files` that are within the
/// day and of a machine it knows. What else is in `files` is not of the day and
/// is skipped. Prices are as billed: evening them out takes the whole month (A9).
/// Nothing but the day's own files is read, so the time it takes
/// does not depend on how much history there is; a period whose machines are
/// charged by the hour or by the day is the sum of its days.
///
/// # Errors
/// As [`allocate`].
pub fn split_day(
    lake: &Lake,
    files: &[ChargeFile],
    usage: &UsageFile,
    program: &Program,
    split: Splitter,
) -> Result<DayAllocation, LakeError> {
    let overflow = |_| LakeError::Overflow {
        what: "the charges".to_owned(),
    };
    let usage = std::slice::from_ref(usage);
    let day = usage[0].day;
    let join = clusters::join_of(lake, usage)?;
    let mut gathered = Gathered::new(&join);
    let mut charges = Charges::new(program).joining(&join);
    // what the usage says beside the hours is read while the charges are
    let facts = thread::scope(|scope| {
        let facts = scope.spawn(|| clusters::DayFacts::read(lake, &usage[0], &program.rules));
        for file in files {
            charges.read(lake, file, |charges, row| gathered.take(charges, row).map(|_| ()))?;
        }
        facts.join().unwrap_or(Err(LakeError::Stage { stage: "read" }))
    })?;
    let left_out = gathered.keep_only(day);
    let mut sums = Sums::default();
    let clusters = clusters::split_days(
        lake,
        gathered,
        (usage, &join, Some(facts)),
        &mut charges,
        split,
        Some(BillingPeriod::of(day.start())),
        &mut |key, period, day, value| sums.entry((key, period, day)).or_default().add(value).map_err(overflow),
    )?;
    Ok(DayAllocation {
        cube: cube(sums, &charges)?,
        unbilled_node_hours: clusters.unbilled.iter().map(|of| of.node_hours).sum(),
        container_days: clusters.files.into_iter().next(),
        left_out,
    })
}

/// Amounts by position of the key, billing month and day.
type Sums = PlHashMap<(u32, BillingPeriod, Day), CubeValue>;

/// The lines of the sums. They are put in the order of a cube by numbers, since
/// comparing keys text by text, line by line, is what would take the time.
fn cube(sums: Sums, charges: &Charges<'_>) -> Result<Cube, LakeError> {
    let mut ids: Vec<u32> = sums.keys().map(|(key, _, _)| *key).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.sort_by(|a, b| without_time(charges.key(*a)).cmp(&without_time(charges.key(*b))));
    // equal but for their time: one line, when the time is the same too
    let mut rank: PlHashMap<u32, (u32, u32)> = PlHashMap::default();
    let (mut currency, mut place) = (0, 0);
    for (at, id) in ids.iter().enumerate() {
        if at > 0 {
            let (last, key) = (charges.key(ids[at - 1]), charges.key(*id));
            currency += u32::from(last.currency != key.currency);
            place += u32::from(without_time(last) != without_time(key));
        }
        rank.insert(*id, (currency, place));
    }
    let mut lines: Vec<_> = sums
        .into_iter()
        .map(|((id, period, day), value)| {
            let (currency, place) = rank[&id];
            ((period, currency, day, place), id, value)
        })
        .collect();
    lines.sort_unstable_by_key(|(order, _, _)| *order);
    let mut last = None;
    let mut merged: Vec<(CubeKey, CubeValue)> = Vec::with_capacity(lines.len());
    for (order, id, value) in lines {
        match merged.last_mut() {
            Some((_, sum)) if last == Some(order) => sum.add(value).map_err(|_| LakeError::Overflow {
                what: "the charges".to_owned(),
            })?,
            _ => {
                let (period, _, day, _) = order;
                let key = CubeKey {
                    period,
                    day: Some(day),
                    ..charges.key(id).clone()
                };
                merged.push((key, value));
            }
        }
        last = Some(order);
    }
    let mut cube = Cube::new(charges.program().rules.dimensions.clone());
    cube.lines = merged.into_iter().collect();
    Ok(cube)
}

/// What of a key orders lines of one month, currency and day.
fn without_time(key: &CubeKey) -> impl Ord + PartialEq {
    (
        key.currency.as_str(),
        &key.columns,
        (key.category, key.class, key.term, key.invoiced),
        &key.assignment,
    )
}
