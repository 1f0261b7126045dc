//! Parquet writing: row groups into staged files.

use crate::error::LakeError;
use crate::object::{Closed, Lake, Staging};
use crate::schema::{META_DELIVERY, META_SCHEMA_VERSION, SCHEMA_VERSION};
use polars::polars_utils::compression::ZstdLevel;
use polars::prelude::*;
use polars_arrow::array::Array;
use polars_parquet::write::{
    CompressedPage, CompressionOptions, Encoding, Version, WriteOptions, array_to_columns, compress,
};
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

/// A column of a row group, in the form in which it is to be written.
pub(crate) struct Column {
    /// Its values, or their dictionary and the codes of the rows.
    pub array: Box<dyn Array>,
    /// How values that have no dictionary are written.
    pub encoding: Encoding,
    /// Whether its least and greatest value are noted.
    pub bounds: bool,
}

impl Column {
    /// Values with their dictionary.
    pub fn coded(array: Box<dyn Array>) -> Column {
        Column {
            array,
            encoding: Encoding::RleDictionary,
            bounds: true,
        }
    }

    /// Values as they are. Nothing asks for the bounds of what does not repeat.
    pub fn plain(array: Box<dyn Array>) -> Column {
        Column {
            array,
            encoding: Encoding::Plain,
            bounds: false,
        }
    }
}

/// One Parquet file being written.
pub(crate) struct ParquetFile {
    writer: BatchedWriter<Shared>,
    staged: Shared,
    rows: u64,
    compression: CompressionOptions,
}

/// What is noted of a column of a row group.
const STATISTICS: StatisticsOptions = StatisticsOptions {
    min_value: true,
    max_value: true,
    distinct_count: false,
    null_count: true,
    binary_statistics_truncate_length: Some(64),
};

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
            .with_statistics(STATISTICS)
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(metadata)))
            .batched(schema)
            .map_err(LakeError::parquet("write", "a staged file"))?;
        Ok(ParquetFile {
            writer,
            staged,
            rows: 0,
            compression: CompressionOptions::Zstd(Some(level)),
        })
    }

    /// Writes a row group from columns in the order of the schema.
    pub fn write_columns(&mut self, rows: usize, columns: &[Column]) -> Result<(), LakeError> {
        let types = self.writer.parquet_schema().fields().to_vec();
        let mut encoded = Vec::with_capacity(columns.len());
        for (column, of) in columns.iter().zip(types) {
            let options = WriteOptions {
                statistics: StatisticsOptions {
                    min_value: column.bounds,
                    max_value: column.bounds,
                    ..STATISTICS
                },
                version: Version::V1,
                compression: self.compression,
                data_page_size: None,
            };
            let leaves = array_to_columns(&column.array, of, options, &[column.encoding]);
            for pages in leaves.map_err(LakeError::parquet("write", "a staged file"))? {
                let pages = pages.map(|page| Ok(compress(page?, Vec::new(), self.compression)?));
                let pages: PolarsResult<Vec<CompressedPage>> = pages.collect();
                encoded.push(pages.map_err(LakeError::parquet("write", "a staged file"))?);
            }
        }
        self.writer
            .write_row_group(rows as u64, &encoded)
            .map_err(LakeError::parquet("write", "a staged file"))?;
        self.rows += rows as u64;
        Ok(())
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
