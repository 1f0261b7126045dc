//! What receivers had of each driver in a month: the report of drivers, and how
//! far each reaches, for the Sources page.

use crate::app::App;
use crate::app::drivers::units;
use crate::error::AppError;
use domain::driver::{Amount, Summary, Value, missing_days, remarks};
use domain::instant::{DAY_US, Day, Instant};
use domain::{BillingPeriod, Finding};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use store::DriverFileRow;
use wire::DriverFacts;

/// Drivers are fresh while they reach this close to now, or to the end of a month that has passed.
const FRESH_DAYS: i64 = 3;

/// The drivers of a month: the answer of `report drivers --json`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct DriverReport {
    /// The month.
    pub period: String,
    /// Dimensions the rows are grouped by; empty: by receiver as it was delivered.
    pub by: Vec<String>,
    /// Each driver of each source.
    pub drivers: Vec<DriverOfMonth>,
    /// What each receiver had.
    pub rows: Vec<DriverRow>,
    /// What is remarkable about the month.
    pub findings: Vec<Finding>,
}

/// A driver of a source within the month.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct DriverOfMonth {
    /// The driver.
    pub driver: String,
    /// Where its values come from.
    pub source: String,
    /// Days with values.
    pub days: u64,
    /// Days of the month without any, in order; those to come are not missing.
    pub missing_days: Vec<String>,
    /// Values.
    pub values: u64,
}

/// What one receiver had of a driver in a month.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct DriverRow {
    /// The driver.
    pub driver: String,
    /// Unit of the value: amounts of two units are two rows.
    pub unit: String,
    /// The receiver; a dimension it has no value of is absent.
    pub keys: BTreeMap<String, String>,
    /// The sum over the days that are there, a canonical decimal.
    pub value: String,
    /// Days it had values on.
    pub days: u64,
}

impl App {
    /// The drivers of a month (the newest with values, when none is named),
    /// grouped by dimensions, or by receiver as delivered.
    ///
    /// # Errors
    /// When the month has none, a sum overflows, or the machinery failed.
    pub async fn driver_report(
        &self,
        period: Option<BillingPeriod>,
        by: &[String],
        driver: Option<&str>,
    ) -> Result<DriverReport, AppError> {
        self.reads_estate()?;
        let mut rows = self.store.driver_files().await?;
        rows.retain(|row| driver.is_none_or(|driver| row.driver == driver));
        let wanted = period.or_else(|| rows.iter().map(|row| row.period).max());
        rows.retain(|row| Some(row.period) == wanted);
        let Some(period) = wanted.filter(|_| !rows.is_empty()) else {
            let of = driver.map_or_else(|| "drivers".to_owned(), |driver| format!("values of driver {driver}"));
            let what = period.map_or_else(|| of.clone(), |period| format!("{of} for {period}"));
            return Err(AppError::usage(
                format!("there are no {what}"),
                "take them in by `tonnage ingest drivers`",
            ));
        };
        let through = self.clock.now().day();
        let (lake, paths) = (self.lake.clone(), rows.clone());
        let values = self
            .heavy("cannot read the drivers", move || {
                let read = paths.into_iter().map(|row| {
                    let values = lake::drivers::read_month(&lake, &row.path)?;
                    Ok((row.driver, values))
                });
                read.collect::<Result<Vec<_>, AppError>>()
            })
            .await?;
        check_dimensions(by, &values)?;
        let mut findings = Vec::new();
        for row in &rows {
            findings.extend(remarks(&row.driver, [&row.summary]));
        }
        Ok(DriverReport {
            period: period.to_string(),
            by: by.to_vec(),
            drivers: rows.iter().map(|row| of_month(row, through)).collect(),
            rows: grouped(&values, by)?,
            findings,
        })
    }

    /// How far each driver of each source reaches in a month.
    pub(super) async fn driver_facts(&self, period: BillingPeriod) -> Result<Vec<DriverFacts>, AppError> {
        // by driver, source and month
        let rows = self.store.driver_files().await?;
        let wanted = self.clock.now().min(period.next().first_day().start());
        let sources = rows.chunk_by(|a, b| (&a.driver, &a.source_id) == (&b.driver, &b.source_id));
        Ok(sources.filter_map(|months| facts(months, period, wanted)).collect())
    }
}

/// A dimension that no receiver has is a slip of the pen.
fn check_dimensions(by: &[String], files: &[(String, Vec<Value>)]) -> Result<(), AppError> {
    let values = files.iter().flat_map(|(_, values)| values);
    let known: BTreeSet<&str> = values
        .flat_map(|value| value.receiver.iter().map(|(dimension, _)| dimension))
        .collect();
    match by.iter().find(|key| !known.contains(key.as_str())) {
        None => Ok(()),
        Some(key) => Err(AppError::usage(
            format!("no driver of the month has the dimension {key:?}"),
            format!("use one of {}", known.into_iter().collect::<Vec<_>>().join(", ")),
        )),
    }
}

fn of_month(row: &DriverFileRow, through: Day) -> DriverOfMonth {
    let days: BTreeSet<Day> = row.summary.days.iter().copied().collect();
    let (first, end) = (row.period.first_day(), row.period.next().first_day());
    let all = (first.0..end.0.min(through.0)).map(Day);
    DriverOfMonth {
        driver: row.driver.clone(),
        source: row.source_id.clone(),
        days: days.len() as u64,
        missing_days: all
            .filter(|day| !days.contains(day))
            .map(|day| day.to_string())
            .collect(),
        values: row.summary.values,
    }
}

/// Driver, dimensions, unit.
type RowKey<'v> = (&'v str, BTreeMap<String, String>, &'v str);

fn grouped(files: &[(String, Vec<Value>)], by: &[String]) -> Result<Vec<DriverRow>, AppError> {
    let mut sums: BTreeMap<RowKey<'_>, (Amount, BTreeSet<Day>)> = BTreeMap::new();
    for (driver, values) in files {
        for value in values {
            let keys = value
                .receiver
                .iter()
                .filter(|(dimension, _)| by.is_empty() || by.iter().any(|key| key == dimension))
                .map(|(dimension, value)| (dimension.to_owned(), value.to_owned()))
                .collect();
            let (sum, days) = sums.entry((driver, keys, &value.unit)).or_default();
            *sum = sum.checked_add(value.amount).ok_or_else(|| {
                AppError::usage(
                    format!("the sum of driver {driver} in {} cannot be kept exactly", value.unit),
                    "deliver it in a larger unit",
                )
            })?;
            days.insert(value.day);
        }
    }
    let rows = sums.into_iter().map(|((driver, keys, unit), (sum, days))| DriverRow {
        driver: driver.to_owned(),
        unit: unit.to_owned(),
        keys,
        value: sum.to_string(),
        days: days.len() as u64,
    });
    Ok(rows.collect())
}

/// A source's driver within a month, as far as it reaches; one that ended
/// before the month is late, one that begins after it is not there yet.
fn facts(months: &[DriverFileRow], period: BillingPeriod, wanted: Instant) -> Option<DriverFacts> {
    let last = months.iter().rfind(|row| row.period <= period)?;
    let nothing = Summary::default();
    let summary = if last.period == period { &last.summary } else { &nothing };
    let days: BTreeSet<Day> = summary.days.iter().copied().collect();
    let through = last.summary.days.last()?;
    Some(DriverFacts {
        driver: last.driver.clone(),
        source: last.source_id.clone(),
        units: units(std::slice::from_ref(summary)),
        data_through: through.to_string(),
        fresh: wanted.0 - Day(through.0 + 1).start().0 <= FRESH_DAYS * DAY_US,
        days: u32::try_from(days.len()).unwrap_or(u32::MAX),
        gaps: missing_days(&days).iter().map(ToString::to_string).collect(),
        receivers: summary.receivers,
        values: summary.values,
    })
}
