//! Reading Parquet in bounded batches, in the order of the rows.

use crate::error::LakeError;
use crate::schema::{META_SCHEMA_VERSION, SCHEMA_VERSION};
use polars::prelude::*;
use polars_arrow::array::{Array, PrimitiveArray, Utf8ViewArray};
use polars_parquet::read::FileMetadata;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Rows of a batch at most. Files of the lake have row groups that are not
/// longer; a longer one of a stranger is decoded from its start for every batch.
pub(crate) const BATCH_ROWS: usize = 262_144;

/// Refuses a file whose schema version this release does not know.
pub(crate) fn check_version(path: &Path, name: &str) -> Result<(), LakeError> {
    let file = File::open(path).map_err(LakeError::io("open", name))?;
    let mut reader = ParquetReader::new(file);
    let metadata = reader.get_metadata().map_err(LakeError::parquet("read", name))?;
    known_version(metadata, name)
}

/// The same of a file whose end was read already.
pub(crate) fn known_version(metadata: &FileMetadata, name: &str) -> Result<(), LakeError> {
    let entries = metadata.key_value_metadata().iter().flatten();
    let version = entries
        .filter(|entry| entry.key == META_SCHEMA_VERSION)
        .find_map(|entry| entry.value.as_deref()?.parse::<u32>().ok());
    match version {
        Some(found) if found <= SCHEMA_VERSION => Ok(()),
        Some(found) => Err(LakeError::NewerSchema {
            path: name.to_owned(),
            found,
            known: SCHEMA_VERSION,
        }),
        None => Err(LakeError::Damaged {
            path: name.to_owned(),
            detail: "it names no schema version".to_owned(),
        }),
    }
}

/// The names and types of a file's columns.
pub(crate) fn schema(path: &Path, name: &str) -> Result<SchemaRef, LakeError> {
    let mut reader = ParquetReader::new(open(path, name)?);
    let arrow = reader.schema().map_err(LakeError::parquet("read", name))?;
    Ok(Arc::new(Schema::from_arrow_schema(&arrow)))
}

fn open(path: &Path, name: &str) -> Result<File, LakeError> {
    File::open(path).map_err(LakeError::io("open", name))
}

/// Hands these columns of a file to `each`, batch after batch, while the next
/// batch is read; `name` is for messages.
pub(crate) fn batches<E: From<LakeError>>(
    path: &Path,
    name: &str,
    columns: &[String],
    mut each: impl FnMut(&DataFrame) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = ParquetReader::new(open(path, name)?);
    let metadata = reader.get_metadata().map_err(LakeError::parquet("read", name))?.clone();
    // a file without rows is never read, and yet must be of the right kind
    let there = schema(path, name)?;
    if let Some(column) = columns.iter().find(|column| !there.contains(column)) {
        let damaged = LakeError::Damaged {
            path: name.to_owned(),
            detail: format!("it has no column {column}"),
        };
        return Err(damaged.into());
    }
    let (to, from) = sync_channel::<DataFrame>(1);
    thread::scope(|scope| {
        let running = scope.spawn(move || -> Result<(), LakeError> {
            for slice in slices(metadata.row_groups.iter().map(|group| group.num_rows()), BATCH_ROWS) {
                let mut reader = ParquetReader::new(open(path, name)?)
                    .with_columns(Some(columns.to_vec()))
                    .with_slice(Some(slice))
                    .set_rechunk(true);
                reader.set_metadata(metadata.clone());
                let frame = reader.finish().map_err(LakeError::parquet("read", name))?;
                // a receiver that is gone ends the reading
                if to.send(frame).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let result = from.iter().try_for_each(|frame| each(&frame));
        drop(from);
        let ended = running.join().map_err(|_| LakeError::Stage { stage: "scan" })?;
        result?;
        ended.map_err(E::from)
    })
}

/// The same on this thread, with one batch of at most `rows` rows in memory:
/// for files of others, whose row groups are as long as they like. Of the
/// batches only those of a share are read: its number, and how many shares there are.
pub(crate) fn one_by_one<E: From<LakeError>>(
    path: &Path,
    name: &str,
    columns: &[String],
    rows: usize,
    (share, shares): (usize, usize),
    mut each: impl FnMut(DataFrame) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = ParquetReader::new(open(path, name)?);
    let metadata = reader.get_metadata().map_err(LakeError::parquet("read", name))?.clone();
    let slices = slices(metadata.row_groups.iter().map(|group| group.num_rows()), rows);
    for slice in slices.into_iter().skip(share).step_by(shares.max(1)) {
        let mut reader = ParquetReader::new(open(path, name)?)
            .with_columns(Some(columns.to_vec()))
            .with_slice(Some(slice))
            .set_rechunk(true);
        reader.set_metadata(metadata.clone());
        each(reader.finish().map_err(LakeError::parquet("read", name))?)?;
    }
    Ok(())
}

/// The same on this thread alone, of the row groups with these positions, one by
/// one, for many files side by side. Long ones come in pieces.
pub(crate) fn groups<E: From<LakeError>>(
    path: &Path,
    name: &str,
    columns: &[&str],
    wanted: Range<usize>,
    mut each: impl FnMut(&DataFrame) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = ParquetReader::new(open(path, name)?);
    let metadata = reader.get_metadata().map_err(LakeError::parquet("read", name))?.clone();
    let there = schema(path, name)?;
    if let Some(column) = columns.iter().find(|column| !there.contains(column)) {
        let damaged = LakeError::Damaged {
            path: name.to_owned(),
            detail: format!("it has no column {column}"),
        };
        return Err(damaged.into());
    }
    let names: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let mut start = 0;
    for (at, group) in metadata.row_groups.iter().enumerate() {
        let end = start + group.num_rows();
        if !wanted.contains(&at) {
            start = end;
        }
        while start < end {
            let length = (end - start).min(BATCH_ROWS);
            let mut reader = ParquetReader::new(open(path, name)?)
                .with_columns(Some(names.clone()))
                .with_slice(Some((start, length)))
                .read_parallel(ParallelStrategy::None)
                .set_rechunk(true);
            reader.set_metadata(metadata.clone());
            each(&reader.finish().map_err(LakeError::parquet("read", name))?)?;
            start += length;
        }
    }
    Ok(())
}

/// Offset and length of the batches of a file: its row groups, cut where they are long.
fn slices(groups: impl Iterator<Item = usize>, most: usize) -> Vec<(usize, usize)> {
    let mut slices = Vec::new();
    let mut start = 0;
    for rows in groups {
        let end = start + rows;
        while start < end {
            let length = (end - start).min(most);
            slices.push((start, length));
            start += length;
        }
    }
    slices
}

/// A text column of a batch; `None` when the file has no such column of text.
pub(crate) fn text<'f>(frame: &'f DataFrame, column: &str) -> Option<&'f StringChunked> {
    frame.column(column).ok()?.str().ok()
}

/// The units of a decimal column of a batch.
pub(crate) fn units<'f>(frame: &'f DataFrame, column: &str) -> Option<&'f Int128Chunked> {
    frame
        .column(column)
        .ok()?
        .decimal()
        .ok()
        .map(|column| column.physical())
}

/// The microseconds of an instant column of a batch.
pub(crate) fn instants<'f>(frame: &'f DataFrame, column: &str) -> Option<&'f Int64Chunked> {
    frame
        .column(column)
        .ok()?
        .datetime()
        .ok()
        .map(|column| column.physical())
}

/// A text column of a batch, as fast as it can be looked into cell by cell.
pub(crate) enum TextCells<'f> {
    /// Not there, or nothing in it.
    Nothing,
    Array(&'f Utf8ViewArray),
    /// Of several chunks.
    Chunked(&'f StringChunked),
}

impl<'f> TextCells<'f> {
    pub fn of(column: Option<&'f StringChunked>) -> TextCells<'f> {
        let Some(column) = column.filter(|column| column.null_count() < column.len()) else {
            return TextCells::Nothing;
        };
        match only_chunk(column) {
            Some(array) => TextCells::Array(array),
            None => TextCells::Chunked(column),
        }
    }

    #[inline]
    pub fn get(&self, row: usize) -> Option<&'f str> {
        match self {
            TextCells::Nothing => None,
            TextCells::Array(array) => (!array.is_null(row)).then(|| array.value(row)),
            TextCells::Chunked(column) => column.get(row),
        }
    }

    /// Whether a row is known, without a look at its text, to have that of the row before.
    #[inline]
    pub fn repeats(&self, row: usize) -> bool {
        match self {
            TextCells::Nothing => true,
            TextCells::Array(array) => {
                let views = array.views();
                // the same bytes at the same place
                array.null_count() == 0 && views[row].as_u128() == views[row - 1].as_u128()
            }
            TextCells::Chunked(_) => false,
        }
    }
}

/// The same of a column of numbers.
pub(crate) enum Cells<'f, T: PolarsNumericType> {
    Array(&'f PrimitiveArray<T::Native>),
    /// Of several chunks.
    Chunked(&'f ChunkedArray<T>),
}

impl<'f, T: PolarsNumericType> Cells<'f, T> {
    pub fn of(column: &'f ChunkedArray<T>) -> Cells<'f, T> {
        match only_chunk(column) {
            Some(array) => Cells::Array(array),
            None => Cells::Chunked(column),
        }
    }

    #[inline]
    pub fn get(&self, row: usize) -> Option<T::Native> {
        match self {
            Cells::Array(array) => (!array.is_null(row)).then(|| array.value(row)),
            Cells::Chunked(column) => column.get(row),
        }
    }
}

fn only_chunk<T: PolarsDataType>(column: &ChunkedArray<T>) -> Option<&T::Array> {
    let mut chunks = column.downcast_iter();
    let first = chunks.next();
    first.filter(|_| chunks.next().is_none())
}
