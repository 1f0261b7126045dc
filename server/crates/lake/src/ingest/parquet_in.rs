//! Parquet bills: every cell as text, into the same checks as CSV. Doubles by
//! their shortest text, decimals exactly, instants as ISO 8601, nested tags as
//! JSON.

use super::feed::Feed;
use super::reader::{Hangup, Message, damaged, open};
use super::records::Block;
use super::texts::Texts;
use super::{IngestError, Part};
use crate::error::LakeError;
use crate::scan;
use domain::Finding;
use domain::instant::{DAY_US, Instant};
use domain::money::MONEY_SCALE;
use domain::number::{Excess, format_units, parse_units};
use polars::prelude::*;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

/// Rows decoded at a time: a row group as providers' tools write them.
const BATCH_ROWS: usize = 131_072;

/// The column names of a Parquet file.
pub(crate) fn columns(path: &Path) -> Result<Vec<String>, LakeError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(LakeError::io("open", path))?;
    let schema = ParquetReader::new(file)
        .schema()
        .map_err(LakeError::parquet("read", name))?;
    Ok(schema.iter_names().map(|name| name.to_string()).collect())
}

/// Sends the rows of a Parquet part as blocks.
pub(crate) fn read(
    part: &Part,
    position: usize,
    max_record: usize,
    counter: &Arc<AtomicU64>,
    to: &SyncSender<Message>,
) -> Result<Result<Vec<Finding>, Hangup>, IngestError> {
    let bytes = open(part)?.metadata().map_or(0, |meta| meta.len());
    let names = columns(&part.path).map_err(|e| refuse(part, &e))?;
    let rows = rows(&part.path).map_err(|e| refuse(part, &e))?;
    let mut feed = match Feed::begin(part, position, names.clone(), to)? {
        Ok(feed) => feed,
        Err(hangup) => return Ok(Err(hangup)),
    };
    let mut seen = 0u64;
    let mut counted = 0;
    let sent = scan::one_by_one(&part.path, &part.name, &names, BATCH_ROWS, (0, 1), |frame| {
        let mut send = |block: Block| {
            if let Some(line) = block.overlong(max_record) {
                let finding = Finding::error("record_too_long", format!("the row is longer than {max_record} bytes"));
                return Err(Stop::Ingest(IngestError::refused(
                    finding.in_file(&part.name).at_line(line).remedy("allow longer records"),
                )));
            }
            feed.send(block).map_err(|Hangup| Stop::Hangup)
        };
        blocks(&frame, seen, &mut send)?;
        seen += frame.height() as u64;
        // a Parquet file is not read in order: count the bytes by the rows
        let share = u64::try_from(u128::from(bytes) * u128::from(seen) / u128::from(rows.max(1))).unwrap_or(bytes);
        counter.fetch_add(share.saturating_sub(counted), Ordering::Relaxed);
        counted = share;
        Ok(())
    });
    match sent {
        Ok(()) => Ok(Ok(feed.findings())),
        Err(Stop::Hangup) => Ok(Err(Hangup)),
        Err(Stop::Ingest(error)) => Err(error),
        Err(Stop::Lake(error)) => Err(refuse(part, &error)),
    }
}

/// Why reading stopped.
enum Stop {
    Hangup,
    Ingest(IngestError),
    Lake(LakeError),
}

impl From<LakeError> for Stop {
    fn from(error: LakeError) -> Stop {
        Stop::Lake(error)
    }
}

fn rows(path: &Path) -> Result<u64, LakeError> {
    let file = File::open(path).map_err(LakeError::io("open", path))?;
    let rows = ParquetReader::new(file)
        .num_rows()
        .map_err(LakeError::parquet("read", path.display().to_string()))?;
    Ok(rows as u64)
}

/// A Parquet file that cannot be read is bad input.
fn refuse(part: &Part, error: &LakeError) -> IngestError {
    let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    damaged(part, format!("is no Parquet file that can be read: {reason}"))
}

/// Sends the rows of a batch as blocks, one after the other; `before` rows came first.
fn blocks(frame: &DataFrame, before: u64, send: &mut dyn FnMut(Block) -> Result<(), Stop>) -> Result<(), Stop> {
    // as many as fit the nearer caches of a processor, with their cells
    const ROWS: usize = 2_048;
    let (rows, width) = (frame.height(), frame.width());
    let series: Vec<Series> = frame
        .columns()
        .iter()
        .map(|column| column.as_materialized_series().rechunk())
        .collect();
    let mut columns: Vec<Texts<'_>> = series.iter().map(Texts::of).collect();
    // a block is about as large as the one before
    let mut bytes = 0;
    for first in (0..rows).step_by(ROWS) {
        let mut block = Block {
            width,
            data: Vec::with_capacity(bytes),
            by_column: true,
            shares: true,
            ..Block::default()
        };
        let of_block = first..rows.min(first + ROWS);
        block.cells.reserve_exact(width * of_block.len());
        for column in &mut columns {
            column.cells(of_block.clone(), &mut block.data, |cell| block.cells.push(cell));
        }
        block.lines.extend(of_block.map(|row| before + row as u64 + 1));
        block.used = block.data.len();
        // and rewriting adds to it
        bytes = block.data.len() * 3 / 2;
        send(block)?;
    }
    Ok(())
}

impl Block {
    /// The line of the first row longer than `max` bytes.
    fn overlong(&self, max: usize) -> Option<u64> {
        // each cell of a row has text of its own
        if self.used <= max {
            return None;
        }
        let mut lengths = vec![0usize; self.rows()];
        for column in self.columns() {
            for (row, length) in lengths.iter_mut().enumerate() {
                let (start, end) = column.get(row);
                *length += (end - start) as usize;
            }
        }
        lengths
            .iter()
            .zip(&self.lines)
            .find(|(length, _)| **length > max)
            .map(|(_, line)| *line)
    }
}

/// A value as the text a CSV bill would have; null is empty.
pub(crate) fn text_of(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::Float32(v) => double(&v.to_string()),
        AnyValue::Float64(v) => double(&v.to_string()),
        AnyValue::Decimal(units, _, scale) => format_units(*units, u32::try_from(*scale).unwrap_or(0)),
        AnyValue::Date(days) if DAYS.contains(days) => domain::instant::Day(*days).to_string(),
        AnyValue::Datetime(v, unit, _) => instant(*v, *unit),
        AnyValue::DatetimeOwned(v, unit, _) => instant(*v, *unit),
        AnyValue::List(_) | AnyValue::Struct(..) | AnyValue::StructOwned(_) => json(value).to_string(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// Shortest text of a double, at most 24 fractional digits: what is beyond is
/// an artefact of the double, never of the bill.
pub(super) fn double(text: &str) -> String {
    let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if digits <= MONEY_SCALE as usize {
        return text.to_owned();
    }
    parse_units(text.as_bytes(), MONEY_SCALE, Excess::Round)
        .map_or_else(|_| text.to_owned(), |units| format_units(units, MONEY_SCALE))
}

/// Days with a date that can be written: from 1970 to 9999. Others stay numbers,
/// which are refused as dates.
const DAYS: std::ops::Range<i32> = 0..2_932_897;

pub(super) fn instant(value: i64, unit: TimeUnit) -> String {
    let (micros, nanos) = match unit {
        TimeUnit::Nanoseconds => (value.div_euclid(1_000), value.rem_euclid(1_000)),
        TimeUnit::Microseconds => (value, 0),
        TimeUnit::Milliseconds => (value.saturating_mul(1_000), 0),
    };
    let range = i64::from(DAYS.start) * DAY_US..i64::from(DAYS.end) * DAY_US;
    if !range.contains(&micros) {
        return value.to_string();
    }
    let text = Instant(micros).to_string();
    match micros.rem_euclid(1_000_000) {
        0 if nanos == 0 => text,
        // digits beyond the microsecond are shown, so that they are refused and not cut
        fraction if nanos > 0 => format!("{}.{fraction:06}{nanos:03}Z", text.trim_end_matches('Z')),
        fraction => format!("{}.{fraction:06}Z", text.trim_end_matches('Z')),
    }
}

/// Nested values as JSON; a list of (key, value) pairs is a map written by Parquet tools.
fn json(value: &AnyValue<'_>) -> serde_json::Value {
    use serde_json::Value;
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(flag) => Value::Bool(*flag),
        AnyValue::List(items) => Value::Array(items.iter().map(|item| json(&item)).collect()),
        AnyValue::Struct(_, _, fields) => {
            let values: Vec<AnyValue<'_>> = value._iter_struct_av().collect();
            object(fields, &values)
        }
        AnyValue::StructOwned(owned) => object(&owned.1, &owned.0),
        other => Value::String(text_of(other)),
    }
}

fn object(fields: &[Field], values: &[AnyValue<'_>]) -> serde_json::Value {
    let pairs = fields
        .iter()
        .zip(values)
        .filter(|(_, value)| !matches!(value, AnyValue::Null));
    pairs
        .map(|(field, value)| (field.name().to_string(), json(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
