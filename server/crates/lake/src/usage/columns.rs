//! Columns of usage files, written and read back.

use crate::error::LakeError;
use crate::object::{Lake, StoredFile};
use crate::scan::{self, TextCells};
use crate::schema::usage_path;
use crate::write::ParquetFile;
use domain::instant::Instant;
use domain::tags;
use domain::usage::{ClusterDay, Hour, Measure};
use polars::prelude::*;

/// Rows of a row group: few enough that what is read of one stays near the processor.
const GROUP_ROWS: usize = if cfg!(test) { 16 } else { 1 << 16 };

pub(super) fn put(lake: &Lake, day: &ClusterDay, kind: &str, frame: &DataFrame) -> Result<StoredFile, LakeError> {
    let mut file = ParquetFile::create(lake, frame.schema(), "")?;
    let packer = file.packer()?;
    let mut at = 0;
    while at < frame.height() {
        let group = frame.slice(i64::try_from(at).unwrap_or(i64::MAX), GROUP_ROWS);
        file.write_pages(&packer.frame(&group)?)?;
        at += GROUP_ROWS;
    }
    let (_, closed) = file.finish()?;
    let path = usage_path(&day.cluster, day.day, kind, closed.sha256());
    lake.put_closed(closed, &path).map(|(stored, _)| stored)
}

pub(super) fn texts<'t>(name: &str, values: impl Iterator<Item = &'t str>) -> Column {
    StringChunked::from_iter_values(name.into(), values).into_column()
}

pub(super) fn ints(name: &str, values: impl Iterator<Item = u64>) -> Column {
    let values = values.map(|value| i64::try_from(value).unwrap_or(i64::MAX)).collect();
    Int64Chunked::from_vec(name.into(), values).into_column()
}

/// Hours since the epoch.
pub(super) fn hours(name: &str, values: impl Iterator<Item = Hour>) -> Column {
    let values = values.map(|hour| i64::from(hour.0)).collect();
    Int64Chunked::from_vec(name.into(), values).into_column()
}

/// Whole numbers, some of them unknown.
pub(super) fn options(name: &str, values: impl Iterator<Item = Option<u64>>) -> Column {
    let values = values.map(|value| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)));
    Int64Chunked::from_iter_options(name.into(), values).into_column()
}

/// Instants, some of them unknown: microseconds since the epoch, UTC.
pub(super) fn instants(name: &str, values: impl Iterator<Item = Option<Instant>>) -> Column {
    let values = values.map(|value| value.map(|at| at.0));
    Int64Chunked::from_iter_options(name.into(), values).into_column()
}

/// Texts, some of them absent.
pub(super) fn some_texts<'t>(name: &str, values: impl Iterator<Item = Option<&'t str>>) -> Column {
    StringChunked::from_iter_options(name.into(), values).into_column()
}

pub(super) fn smalls(name: &str, values: impl Iterator<Item = i32>) -> Column {
    Int32Chunked::from_vec(name.into(), values.collect()).into_column()
}

pub(super) fn small(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

pub(super) fn json(labels: &tags::Tags) -> String {
    serde_json::to_string(labels).unwrap_or_else(|_| "{}".to_owned())
}

pub(super) fn damaged(path: &str, what: &str) -> LakeError {
    LakeError::Damaged {
        path: path.to_owned(),
        detail: format!("{what} is not as it was written"),
    }
}

pub(super) fn each_batch(
    lake: &Lake,
    path: &str,
    names: &[&str],
    mut each: impl FnMut(&DataFrame, &str) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    let local = lake.local(path)?;
    scan::check_version(local.path(), path)?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    scan::batches(local.path(), path, &names, |frame| each(frame, path))
}

/// Text columns of a batch.
pub(super) struct Texts<'f>(Vec<TextCells<'f>>);

impl<'f> Texts<'f> {
    pub(super) fn of(frame: &'f DataFrame, path: &str, names: &[&str]) -> Result<Texts<'f>, LakeError> {
        let column = |name: &&str| {
            let column = scan::text(frame, name).ok_or_else(|| damaged(path, name))?;
            Ok(TextCells::of(Some(column)))
        };
        names.iter().map(column).collect::<Result<_, _>>().map(Texts)
    }

    pub(super) fn at(&self, column: usize, row: usize) -> &str {
        self.0[column].get(row).unwrap_or("")
    }

    /// Whether a row is known to have the texts of the row before.
    pub(super) fn repeats(&self, row: usize) -> bool {
        row > 0 && self.0.iter().all(|cells| cells.repeats(row))
    }

    pub(super) fn is_absent(&self, column: usize, row: usize) -> bool {
        self.0[column].get(row).is_none()
    }
}

/// Whole numbers of a batch, some of them unknown.
pub(super) struct Numbers<'f> {
    path: &'f str,
    columns: Vec<&'f Int64Chunked>,
}

impl<'f> Numbers<'f> {
    pub(super) fn of(frame: &'f DataFrame, path: &'f str, names: &[&str]) -> Result<Numbers<'f>, LakeError> {
        let column = |name: &&str| {
            let column = frame.column(name).ok().and_then(|column| column.i64().ok());
            column.ok_or_else(|| damaged(path, name))
        };
        Ok(Numbers {
            path,
            columns: names.iter().map(column).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn get<N: TryFrom<i64>>(&self, column: usize, row: usize) -> Result<Option<N>, LakeError> {
        let value = self.columns[column].get(row);
        value
            .map(|value| N::try_from(value).map_err(|_| damaged(self.path, "a number")))
            .transpose()
    }

    pub(super) fn need<N: TryFrom<i64>>(&self, column: usize, row: usize) -> Result<N, LakeError> {
        self.get(column, row)?.ok_or_else(|| damaged(self.path, "a number"))
    }

    pub(super) fn hour(&self, column: usize, row: usize) -> Result<Hour, LakeError> {
        self.need(column, row).map(Hour)
    }

    pub(super) fn instant(&self, column: usize, row: usize) -> Option<Instant> {
        self.columns[column].get(row).map(Instant)
    }
}

/// Integer columns of a batch, one chunk each.
pub(super) struct Ints<'f> {
    path: &'f str,
    columns: Vec<Slice<'f>>,
}

enum Slice<'f> {
    Small(&'f [i32]),
    Large(&'f [i64]),
    /// Of several chunks.
    Copied(Vec<i64>),
}

impl<'f> Ints<'f> {
    pub(super) fn of(frame: &'f DataFrame, path: &'f str, names: &[&str]) -> Result<Ints<'f>, LakeError> {
        let column = |name: &&str| -> Result<Slice<'f>, LakeError> {
            let column = frame.column(name).map_err(|_| damaged(path, name))?;
            if let Ok(small) = column.i32() {
                return Ok(match small.cont_slice() {
                    Ok(slice) => Slice::Small(slice),
                    Err(_) => Slice::Copied(small.iter().map(|value| i64::from(value.unwrap_or(-1))).collect()),
                });
            }
            let large = column.i64().map_err(|_| damaged(path, name))?;
            Ok(match large.cont_slice() {
                Ok(slice) => Slice::Large(slice),
                Err(_) => Slice::Copied(large.iter().map(|value| value.unwrap_or(-1)).collect()),
            })
        };
        Ok(Ints {
            path,
            columns: names.iter().map(column).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn at(&self, column: usize, row: usize) -> Result<i64, LakeError> {
        match &self.columns[column] {
            Slice::Small(values) => values.get(row).map(|value| i64::from(*value)),
            Slice::Large(values) => values.get(row).copied(),
            Slice::Copied(values) => values.get(row).copied(),
        }
        .ok_or_else(|| damaged(self.path, "a number"))
    }

    pub(super) fn natural(&self, column: usize, row: usize) -> Result<u64, LakeError> {
        u64::try_from(self.at(column, row)?).map_err(|_| damaged(self.path, "a number"))
    }

    pub(super) fn measure(&self, column: usize, row: usize) -> Result<Measure, LakeError> {
        Ok(Measure {
            cpu_core_ms: self.natural(column, row)?,
            memory_mib_s: self.natural(column + 1, row)?,
            gpu_ms: self.natural(column + 2, row)?,
        })
    }
}
