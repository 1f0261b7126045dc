//! Parquet writing: row groups into staged files.

use crate::error::LakeError;
use crate::object::{Closed, Lake, Staging, Written};
use crate::schema::{META_DELIVERY, META_SCHEMA_VERSION, SCHEMA_VERSION};
use polars::prelude::{Column as FrameColumn, *};
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray};
use polars_parquet::write::{
    CompressedPage, CompressionOptions, Encoding, ParquetType, Version, WriteOptions, ZstdLevel, array_to_columns,
    compress,
};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

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

fn level() -> Result<ZstdLevel, LakeError> {
    ZstdLevel::try_new(1).map_err(LakeError::parquet("write", "a staged file"))
}

/// The pages of a row group, column by column.
pub(crate) struct Pages {
    rows: u64,
    columns: Vec<Vec<CompressedPage>>,
}

/// A column of a row group.
pub(crate) enum Field<'t> {
    /// Of one chunk.
    Column(FrameColumn),
    /// Texts that are known to repeat.
    Texts(&'static str, Texts<'t>),
}

impl Field<'_> {
    /// Its name and type.
    pub fn of_schema(&self) -> (PlSmallStr, DataType) {
        match self {
            Field::Column(column) => (column.name().clone(), column.dtype().clone()),
            Field::Texts(name, _) => ((*name).into(), DataType::String),
        }
    }
}

/// Texts of a column, each kept once.
#[derive(Default)]
pub(crate) struct Texts<'t> {
    values: Vec<&'t str>,
    ids: PlHashMap<&'t str, u32>,
    keys: Vec<Option<u32>>,
    last: Option<(&'t str, u32)>,
}

impl<'t> Texts<'t> {
    /// Of some rows.
    pub fn of(texts: impl Iterator<Item = Option<&'t str>>) -> Texts<'t> {
        let mut all = Texts::default();
        for text in texts {
            let key = text.map(|text| all.id(text));
            all.keys.push(key);
        }
        all
    }

    fn id(&mut self, text: &'t str) -> u32 {
        match self.last {
            // rows of one node are neighbours
            Some((last, id)) if std::ptr::eq(last, text) => id,
            _ => {
                let values = &mut self.values;
                let id = *self.ids.entry(text).or_insert_with(|| {
                    values.push(text);
                    u32::try_from(values.len() - 1).unwrap_or(u32::MAX)
                });
                self.last = Some((text, id));
                id
            }
        }
    }

    fn array(&self) -> PolarsResult<Box<dyn Array>> {
        let keys: PrimitiveArray<u32> = self.keys.iter().copied().collect();
        let values = Utf8ViewArray::from_slice_values(&self.values);
        Ok(DictionaryArray::try_from_keys(keys, values.boxed(), false)?.boxed())
    }
}

/// How row groups of one schema become pages, on any thread.
pub(crate) struct Packer {
    types: Vec<ParquetType>,
    zstd: ZstdLevel,
}

impl Packer {
    /// The pages of a frame of one chunk.
    pub fn frame(&self, frame: &DataFrame) -> Result<Pages, LakeError> {
        let fields = frame.columns().iter().cloned().map(Field::Column);
        self.pack(frame.height(), fields)
    }

    /// The pages of a row group. Integers that hardly repeat are kept as packed
    /// differences without compression, which has nothing to find in them: as
    /// small, and several times faster to read.
    pub fn pack<'t>(&self, rows: usize, fields: impl Iterator<Item = Field<'t>>) -> Result<Pages, LakeError> {
        let columns = fields.zip(&self.types);
        let columns = columns.map(|(field, kind)| match field {
            Field::Column(column) => self.column(&column, kind),
            Field::Texts(_, texts) => self.array(texts.array()?, kind, Encoding::RleDictionary),
        });
        Ok(Pages {
            rows: rows as u64,
            columns: columns
                .collect::<PolarsResult<_>>()
                .map_err(LakeError::parquet("write", "a staged file"))?,
        })
    }

    fn column(&self, column: &FrameColumn, kind: &ParquetType) -> PolarsResult<Vec<CompressedPage>> {
        let encoding = match (is_noise(column), column.dtype()) {
            (false, _) => Encoding::RleDictionary,
            (true, DataType::Int64) => Encoding::DeltaBinaryPacked,
            (true, _) => Encoding::Plain,
        };
        let series = column.as_materialized_series().rechunk();
        self.array(series.to_arrow(0, CompatLevel::newest()), kind, encoding)
    }

    fn array(
        &self,
        array: Box<dyn Array>,
        kind: &ParquetType,
        encoding: Encoding,
    ) -> PolarsResult<Vec<CompressedPage>> {
        let compression = match encoding {
            Encoding::DeltaBinaryPacked => CompressionOptions::Uncompressed,
            _ => CompressionOptions::Zstd(Some(self.zstd)),
        };
        let options = WriteOptions {
            statistics: STATISTICS,
            compression,
            version: Version::V1,
            data_page_size: None,
        };
        let mut pages = Vec::new();
        for leaf in array_to_columns(array, kind.clone(), options, &[encoding])? {
            for page in leaf {
                pages.push(compress(page?, Vec::new(), compression)?);
            }
        }
        Ok(pages)
    }
}

/// Whether a column is of integers of which most differ from the one before, so
/// that a dictionary of them is not worth a try.
fn is_noise(column: &FrameColumn) -> bool {
    let changes = if let Ok(values) = column.i64() {
        changes(values)
    } else if let Ok(values) = column.decimal() {
        changes(values.physical())
    } else {
        return false;
    };
    changes * 4 > column.len()
}

/// How many values there are that differ from the one before.
fn changes<T: PolarsNumericType>(values: &ChunkedArray<T>) -> usize {
    let mut last = None;
    let differs = |value: &T::Native| last.replace(*value) != Some(*value);
    let chunks = values.downcast_iter();
    chunks
        .flat_map(|chunk| chunk.non_null_values_iter())
        .filter(differs)
        .count()
}

impl ParquetFile {
    /// Begins a file of this schema.
    pub fn create(lake: &Lake, schema: &Schema, delivery_id: &str) -> Result<ParquetFile, LakeError> {
        let staged = Shared(Arc::new(Mutex::new(lake.staging()?)));
        let metadata = vec![
            (META_SCHEMA_VERSION.to_owned(), SCHEMA_VERSION.to_string()),
            (META_DELIVERY.to_owned(), delivery_id.to_owned()),
        ];
        let level = level()?;
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

    /// What makes pages for [`ParquetFile::write_pages`].
    pub fn packer(&mut self) -> Result<Packer, LakeError> {
        Ok(Packer {
            types: self.writer.parquet_schema().fields().to_vec(),
            zstd: level()?,
        })
    }

    /// Writes a row group that is packed already.
    pub fn write_pages(&mut self, pages: &Pages) -> Result<(), LakeError> {
        self.writer
            .write_row_group(pages.rows, &pages.columns)
            .map_err(LakeError::parquet("write", "a staged file"))?;
        self.rows += pages.rows;
        Ok(())
    }

    /// Ends the file: its rows and the synced bytes.
    pub fn finish(self) -> Result<(u64, Closed), LakeError> {
        let (rows, written) = self.written()?;
        Ok((rows, written.sync()?))
    }

    /// The same, while `check` reads the bytes back: waiting for the disk takes no processor.
    pub fn finish_checked(
        self,
        check: impl FnOnce(&Path, u64) -> Result<(), LakeError>,
    ) -> Result<(u64, Closed), LakeError> {
        let (rows, written) = self.written()?;
        let path = written.path().to_owned();
        let (checked, closed) = thread::scope(|scope| {
            let syncing = scope.spawn(|| written.sync());
            let checked = check(&path, rows);
            (
                checked,
                syncing.join().unwrap_or(Err(LakeError::Stage { stage: "sync" })),
            )
        });
        checked?;
        Ok((rows, closed?))
    }

    fn written(self) -> Result<(u64, Written), LakeError> {
        self.writer
            .finish()
            .map_err(LakeError::parquet("write", "a staged file"))?;
        drop(self.writer);
        let staged = Arc::try_unwrap(self.staged.0).map_err(|_| LakeError::Stage { stage: "write" })?;
        let staged = staged.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((self.rows, staged.written()?))
    }
}
