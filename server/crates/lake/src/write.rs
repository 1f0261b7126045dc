//! Parquet writing: row groups into staged files.

use crate::error::LakeError;
use crate::object::{Closed, Lake, Staging};
use crate::schema::{META_DELIVERY, META_SCHEMA_VERSION, SCHEMA_VERSION};
use polars::polars_utils::compression::ZstdLevel;
use polars::prelude::*;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// A staged file shared with the Parquet writer, which does not give its own back.
#[derive(Clone)]
struct Shared(Arc<Mutex<Staging>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// One Parquet file being written.
pub(crate) struct ParquetFile {
    writer: BatchedWriter<Shared>,
    staged: Shared,
    rows: u64,
}

impl ParquetFile {
    /// Begins a file of this schema.
    pub fn create(lake: &Lake, schema: &Schema, delivery_id: &str) -> Result<ParquetFile, LakeError> {
        let staged = Shared(Arc::new(Mutex::new(lake.staging()?)));
        let metadata = vec![
            (META_SCHEMA_VERSION.to_owned(), SCHEMA_VERSION.to_string()),
            (META_DELIVERY.to_owned(), delivery_id.to_owned()),
        ];
        let level = ZstdLevel::try_new(1).map_err(LakeError::parquet("write", "a staged file"))?;
        let writer = ParquetWriter::new(staged.clone())
            .with_compression(ParquetCompression::Zstd(Some(level)))
            .with_statistics(StatisticsOptions {
                binary_statistics_truncate_length: Some(64),
                ..StatisticsOptions::default()
            })
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(metadata)))
            .batched(schema)
            .map_err(LakeError::parquet("write", "a staged file"))?;
        Ok(ParquetFile {
            writer,
            staged,
            rows: 0,
        })
    }

    /// Writes a row group: `frame` must be of one chunk.
    pub fn write(&mut self, frame: &DataFrame) -> Result<(), LakeError> {
        self.writer
            .write_batch(frame)
            .map_err(LakeError::parquet("write", "a staged file"))?;
        self.rows += frame.height() as u64;
        Ok(())
    }

    /// Ends the file: its rows and the synced bytes.
    pub fn finish(self) -> Result<(u64, Closed), LakeError> {
        self.writer
            .finish()
            .map_err(LakeError::parquet("write", "a staged file"))?;
        drop(self.writer);
        let staged = Arc::try_unwrap(self.staged.0).map_err(|_| LakeError::Stage { stage: "write" })?;
        let closed = staged.into_inner().unwrap_or_else(PoisonError::into_inner).close()?;
        Ok((self.rows, closed))
    }
}
