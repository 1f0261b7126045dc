//! A month of a driver as Parquet: readable by anyone, the same bytes for the
//! same values.

use super::DriverFile;
use crate::error::LakeError;
use crate::object::Lake;
use crate::scan;
use crate::schema::{PRECISION, driver_path};
use crate::write::ParquetFile;
use domain::BillingPeriod;
use domain::driver::{Amount, Receiver, Summary, VALUE_SCALE, Value};
use domain::instant::Day;
use domain::tags;
use polars::prelude::*;
use std::collections::BTreeMap;

/// Rows of a row group.
const GROUP_ROWS: usize = 1 << 18;

/// Writes the values of a source, driver and month, which are in order of day
/// and receiver.
///
/// # Errors
/// When the file cannot be written.
pub fn write_month(
    lake: &Lake,
    source: &str,
    driver: &str,
    period: BillingPeriod,
    values: &[Value],
) -> Result<DriverFile, LakeError> {
    let frame = frame(driver, values)?;
    let mut file = ParquetFile::create(lake, frame.schema(), "")?;
    let mut at = 0;
    while at < frame.height() || at == 0 {
        file.write(&frame.slice(i64::try_from(at).unwrap_or(i64::MAX), GROUP_ROWS))?;
        at += GROUP_ROWS;
    }
    let (_, closed) = file.finish()?;
    let path = driver_path(driver, period, closed.sha256());
    let (stored, _) = lake.put_closed(closed, &path)?;
    Ok(DriverFile {
        source: source.to_owned(),
        driver: driver.to_owned(),
        period,
        path: stored.path,
        sha256: stored.sha256,
        summary: Summary::of(values),
    })
}

fn frame(driver: &str, values: &[Value]) -> Result<DataFrame, LakeError> {
    let broken = || LakeError::parquet("write", format!("driver {driver}"));
    let days = values.iter().map(|value| value.day.0).collect();
    let day = Int32Chunked::from_vec("day".into(), days)
        .cast(&DataType::Date)
        .map_err(broken())?;
    let receivers: Vec<String> = values.iter().map(|value| json(&value.receiver)).collect();
    let texts =
        |name: &str, of: &mut dyn Iterator<Item = &str>| StringChunked::from_iter_values(name.into(), of).into_column();
    let amounts = values.iter().map(|value| value.amount.units()).collect();
    let amount = Int128Chunked::from_vec("value".into(), amounts)
        .into_decimal_unchecked(PRECISION, VALUE_SCALE as usize)
        .into_column();
    let columns = vec![
        day.into_column(),
        texts("driver", &mut values.iter().map(|_| driver)),
        texts("receiver", &mut receivers.iter().map(String::as_str)),
        amount,
        texts("unit", &mut values.iter().map(|value| value.unit.as_str())),
    ];
    DataFrame::new(values.len(), columns).map_err(broken())
}

/// `{"tenant":"acme"}`, dimensions by name.
fn json(receiver: &Receiver) -> String {
    let pairs: BTreeMap<&str, &str> = receiver.iter().collect();
    serde_json::to_string(&pairs).unwrap_or_else(|_| "{}".to_owned())
}

/// Reads the values of a file back, exactly, in order of day and receiver.
///
/// # Errors
/// When the file is missing, unreadable or not of ours.
pub fn read_month(lake: &Lake, path: &str) -> Result<Vec<Value>, LakeError> {
    let local = lake.local(path)?;
    scan::check_version(local.path(), path)?;
    let names = ["day", "receiver", "value", "unit"].map(str::to_owned);
    let mut values = Vec::new();
    let mut known: BTreeMap<String, Receiver> = BTreeMap::new();
    scan::batches(local.path(), path, &names, |frame| {
        let damaged = |what: &str| LakeError::Damaged {
            path: path.to_owned(),
            detail: format!("{what} is not as it was written"),
        };
        let days = frame.column("day").ok().and_then(|column| column.date().ok());
        let days = days.ok_or_else(|| damaged("day"))?.physical();
        let receivers = scan::text(frame, "receiver").ok_or_else(|| damaged("receiver"))?;
        let amounts = scan::units(frame, "value").ok_or_else(|| damaged("value"))?;
        let units = scan::text(frame, "unit").ok_or_else(|| damaged("unit"))?;
        for row in 0..frame.height() {
            let text = receivers.get(row).unwrap_or("{}");
            let receiver = match known.get(text) {
                Some(receiver) => receiver.clone(),
                None => {
                    let pairs = tags::parse(text).map_err(|_| damaged("receiver"))?;
                    let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
                    let receiver = Receiver::new(pairs).map_err(|_| damaged("receiver"))?;
                    known.insert(text.to_owned(), receiver.clone());
                    receiver
                }
            };
            let amount = amounts.get(row).and_then(Amount::from_units);
            values.push(Value {
                day: Day(days.get(row).ok_or_else(|| damaged("day"))?),
                receiver,
                unit: units.get(row).unwrap_or("").to_owned(),
                amount: amount.ok_or_else(|| damaged("value"))?,
            });
        }
        Ok::<(), LakeError>(())
    })?;
    Ok(values)
}
