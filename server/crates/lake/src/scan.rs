//! Reading Parquet in bounded batches, in the order of the rows.

use crate::error::LakeError;
use crate::schema::{META_SCHEMA_VERSION, SCHEMA_VERSION};
use polars::prelude::*;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Rows of a batch.
const BATCH_ROWS: NonZeroUsize = NonZeroUsize::new(32_768).expect("is not zero");

/// Refuses a file whose schema version this release does not know.
pub(crate) fn check_version(path: &Path, name: &str) -> Result<(), LakeError> {
    let file = File::open(path).map_err(LakeError::io("open", name))?;
    let mut reader = ParquetReader::new(file);
    let metadata = reader.get_metadata().map_err(LakeError::parquet("read", name))?;
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
    open(path, name)?
        .collect_schema()
        .map_err(LakeError::parquet("read", name))
}

fn open(path: &Path, name: &str) -> Result<LazyFrame, LakeError> {
    let args = ScanArgsParquet {
        glob: false,
        cache: false,
        ..ScanArgsParquet::default()
    };
    let path = PlRefPath::try_from_path(path).map_err(LakeError::parquet("open", name))?;
    LazyFrame::scan_parquet(path, args).map_err(LakeError::parquet("read", name))
}

/// Hands these columns of a file to `each`, batch after batch; `name` is for messages.
pub(crate) fn batches<E: From<LakeError>>(
    path: &Path,
    name: &str,
    columns: &[String],
    mut each: impl FnMut(&DataFrame) -> Result<(), E>,
) -> Result<(), E> {
    let wanted: Vec<Expr> = columns.iter().map(col).collect();
    let (to, from) = sync_channel::<DataFrame>(1);
    // a receiver that is gone ends the query
    let callback = PlanCallback::new(move |frame: DataFrame| Ok(to.send(frame).is_err()));
    let query = open(path, name)?
        .select(wanted)
        .sink_batches(callback, true, Some(BATCH_ROWS));
    let query = query.map_err(LakeError::parquet("read", name))?;
    thread::scope(|scope| {
        let running = scope.spawn(move || query.collect_with_engine(Engine::Streaming).map(drop));
        let result = from.iter().try_for_each(|frame| each(&frame));
        drop(from);
        let ended = running.join().map_err(|_| LakeError::Stage { stage: "scan" })?;
        result?;
        ended.map_err(LakeError::parquet("read", name)).map_err(E::from)
    })
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
