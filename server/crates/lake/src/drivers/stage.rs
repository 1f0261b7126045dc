//! From new values to the files that count once the manifest names them.

use super::{DriverFile, DriverValues, DriversError, read_month, write_month};
use crate::object::Lake;
use domain::BillingPeriod;
use domain::driver::{Value, month_of, overlap, replaced};
use domain::instant::Day;
use std::collections::{BTreeMap, BTreeSet};

/// Writes the months that new values of a source touch, joined with what the
/// source has of their other days. `known`: the files of all sources that count.
/// Answers the files of these months, those that do not change included.
///
/// # Errors
/// [`DriversError::Held`] when another source has one of the values.
pub fn stage(
    lake: &Lake,
    source: &str,
    values: DriverValues,
    known: &[DriverFile],
) -> Result<Vec<DriverFile>, DriversError> {
    let mut months: BTreeMap<(String, BillingPeriod), Vec<Value>> = BTreeMap::new();
    for (driver, values) in values {
        for value in values {
            let key = (driver.clone(), month_of(value.day));
            months.entry(key).or_default().push(value);
        }
    }
    // all are checked before the first is written
    for ((driver, period), values) in &months {
        let others = known.iter().filter(|file| file.source != source);
        for other in others.filter(|file| file.driver == *driver && file.period == *period) {
            refuse_held(lake, values, other)?;
        }
    }
    let mut files = Vec::new();
    for ((driver, period), mut values) in months {
        values.sort();
        let own = |file: &&DriverFile| file.source == source && file.driver == driver && file.period == period;
        let before = match known.iter().find(own) {
            Some(file) => read_month(lake, &file.path)?,
            None => Vec::new(),
        };
        let all = replaced(before, values);
        files.push(write_month(lake, source, &driver, period, &all)?);
    }
    Ok(files)
}

fn refuse_held(lake: &Lake, values: &[Value], other: &DriverFile) -> Result<(), DriversError> {
    let days: BTreeSet<Day> = values.iter().map(|value| value.day).collect();
    if !other.summary.days.iter().any(|day| days.contains(day)) {
        return Ok(());
    }
    match overlap(values, &read_month(lake, &other.path)?) {
        Some((first, values)) => Err(DriversError::Held {
            holder: other.source.clone(),
            driver: other.driver.clone(),
            receiver: first.receiver.to_string(),
            day: first.day,
            values,
        }),
        None => Ok(()),
    }
}
