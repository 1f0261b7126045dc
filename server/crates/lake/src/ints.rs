//! Columns of integers of the lake's Parquet files, row group by row group,
//! decoded straight into buffers that are kept: the largest files there are,
//! the hours of containers, are read this way. What it cannot read, it refuses.

use crate::error::LakeError;
use crate::scan::known_version;
use polars_parquet::parquet::compression::{Compression, DecompressionContext};
use polars_parquet::parquet::encoding::hybrid_rle::{HybridRleChunk, HybridRleDecoder};
use polars_parquet::parquet::encoding::{Encoding, bitpacked};
use polars_parquet::parquet::error::ParquetError;
use polars_parquet::parquet::metadata::{ColumnChunkMetadata, FileMetadata};
use polars_parquet::parquet::page::{CompressedPage, DataPage, Page, split_buffer};
use polars_parquet::parquet::read::{PageReader, decompress, read_metadata};
use polars_parquet::parquet::schema::types::PhysicalType;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

/// Largest page that is believed.
const MAX_PAGE_BYTES: usize = 1 << 30;

/// An integer as Parquet keeps it.
pub(crate) trait Integer: Copy + Default {
    const TYPE: PhysicalType;
    const BYTES: usize;
    /// Of as many bytes, little-endian.
    fn from_plain(bytes: &[u8]) -> Self;
    /// The lower bits: differences wrap.
    fn from_wide(value: i64) -> Self;
}

impl Integer for i32 {
    const TYPE: PhysicalType = PhysicalType::Int32;
    const BYTES: usize = 4;

    #[inline]
    fn from_plain(bytes: &[u8]) -> i32 {
        bytes.try_into().map_or(0, i32::from_le_bytes)
    }

    #[inline]
    fn from_wide(value: i64) -> i32 {
        value as i32
    }
}

impl Integer for i64 {
    const TYPE: PhysicalType = PhysicalType::Int64;
    const BYTES: usize = 8;

    #[inline]
    fn from_plain(bytes: &[u8]) -> i64 {
        bytes.try_into().map_or(0, i64::from_le_bytes)
    }

    #[inline]
    fn from_wide(value: i64) -> i64 {
        value
    }
}

/// A Parquet file of which columns of integers are read.
pub(crate) struct IntFile<'p> {
    /// Path inside the lake, for messages.
    name: &'p str,
    file: File,
    /// Its length.
    bytes: u64,
    metadata: FileMetadata,
    /// Kept from page to page.
    scratch: Vec<u8>,
    context: DecompressionContext,
}

impl<'p> IntFile<'p> {
    /// Opens a file and refuses one of a newer schema.
    pub fn open(path: &Path, name: &'p str) -> Result<IntFile<'p>, LakeError> {
        let mut file = File::open(path).map_err(LakeError::io("open", name))?;
        let bytes = file.metadata().map_err(LakeError::io("look at", name))?.len();
        let metadata = read_metadata(&mut file).map_err(unreadable(name))?;
        known_version(&metadata, name)?;
        Ok(IntFile {
            name,
            file,
            bytes,
            metadata,
            scratch: Vec::new(),
            context: DecompressionContext::Unset,
        })
    }

    /// Row groups there are.
    pub fn groups(&self) -> usize {
        self.metadata.row_groups.len()
    }

    /// Rows of a row group.
    pub fn rows(&self, group: usize) -> usize {
        self.metadata.row_groups[group].num_rows()
    }

    /// The least and the largest value of a row group, where the file says so.
    pub fn bounds<N: Integer>(&self, group: usize, column: &str) -> Option<(i64, i64)> {
        let chunk = self.chunk(group, column)?;
        let statistics = chunk.statistics(&self.metadata.footer_buf)?.ok()?;
        if statistics.null_count() != Some(0) {
            return None;
        }
        if N::TYPE == PhysicalType::Int32 {
            let of = statistics.as_int32()?;
            return Some((of.min_value?.into(), of.max_value?.into()));
        }
        let of = statistics.as_int64()?;
        Some((of.min_value?, of.max_value?))
    }

    fn chunk(&self, group: usize, column: &str) -> Option<&ColumnChunkMetadata> {
        self.metadata.row_groups[group].columns_under_root_iter(column)?.next()
    }

    /// Reads a column of a row group into `out`, whose content it replaces.
    pub fn read<N: Integer>(&mut self, group: usize, column: &str, out: &mut Vec<N>) -> Result<(), LakeError> {
        let (name, rows) = (self.name, self.rows(group));
        let damaged = |what: &str| LakeError::Damaged {
            path: name.to_owned(),
            detail: format!("column {column}: {what}"),
        };
        let chunk = self.chunk(group, column).ok_or_else(|| damaged("it is missing"))?;
        if chunk.physical_type() != N::TYPE {
            return Err(damaged("it has another type"));
        }
        let range = chunk.byte_range();
        let length = range.end.checked_sub(range.start).filter(|_| range.end <= self.bytes);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| damaged("it is not within the file"))?;
        let mut bytes = Vec::with_capacity(length);
        let mut file = &self.file;
        let read = file
            .seek(SeekFrom::Start(range.start))
            .and_then(|_| file.take(length as u64).read_to_end(&mut bytes));
        if read.map_err(LakeError::io("read", name))? != length {
            return Err(damaged("it ends early"));
        }
        let pages = PageReader::new(Cursor::new(bytes.into()), chunk, Vec::new(), MAX_PAGE_BYTES);
        out.clear();
        // as much as our files have: what a stranger's says may not be so
        out.reserve(rows.min(1 << 18));
        let mut dictionary = Vec::new();
        for page in pages {
            let page = page.map_err(unreadable(name))?;
            if matches!(&page, CompressedPage::Data(page) if page.num_values() > rows - out.len()) {
                return Err(damaged("it has more rows than its row group"));
            }
            self.page(page, &mut dictionary, out).map_err(unreadable(name))?;
        }
        if out.len() != rows {
            return Err(damaged("it has another number of rows"));
        }
        Ok(())
    }

    fn page<N: Integer>(
        &mut self,
        page: CompressedPage,
        dictionary: &mut Vec<N>,
        out: &mut Vec<N>,
    ) -> Result<(), ParquetError> {
        let mut own = false;
        if let CompressedPage::Data(page) = &page {
            if page.uncompressed_size() > MAX_PAGE_BYTES {
                return Err(wrong("a page is too large"));
            }
            own = page.compression() != Compression::Uncompressed;
        }
        match decompress(page, &mut self.scratch, &mut self.context)? {
            Page::Dict(page) => {
                dictionary.clear();
                plain(&page.buffer, dictionary);
                // kept for the next page
                self.scratch = page.buffer.into_vec();
            }
            Page::Data(mut page) => {
                values(&page, dictionary, out)?;
                if own {
                    self.scratch = std::mem::take(page.buffer_mut());
                }
            }
        }
        Ok(())
    }
}

fn unreadable(name: &str) -> impl Fn(ParquetError) -> LakeError {
    move |source| LakeError::parquet("read", name)(source.into())
}

fn wrong(what: impl Into<String>) -> ParquetError {
    ParquetError::OutOfSpec(what.into())
}

/// Appends the values of a page, none of which may be absent.
fn values<N: Integer>(page: &DataPage, dictionary: &[N], out: &mut Vec<N>) -> Result<(), ParquetError> {
    let (count, before) = (page.num_values(), out.len());
    if page.descriptor.max_def_level > 0 && page.buffer().len() < 4 {
        return Err(wrong("a page ends early"));
    }
    let parts = split_buffer(page)?;
    if !parts.def.is_empty() {
        all_there(parts.def, count)?;
    }
    match page.encoding() {
        Encoding::Plain => plain(parts.values, out),
        Encoding::DeltaBinaryPacked => deltas(parts.values, count, out)?,
        Encoding::RleDictionary | Encoding::PlainDictionary => indices(parts.values, count, dictionary, out)?,
        other => return Err(wrong(format!("integers are not kept as {other:?}"))),
    }
    if out.len() - before != count {
        return Err(wrong("a page has another number of values"));
    }
    Ok(())
}

/// That every definition level is one: no value is absent.
fn all_there(levels: &[u8], count: usize) -> Result<(), ParquetError> {
    let absent = || wrong("a value is absent");
    let mut seen = 0;
    for chunk in HybridRleDecoder::new(levels, 1, count).into_chunk_iter() {
        let chunk = chunk?;
        seen += chunk.len();
        match chunk {
            HybridRleChunk::Rle(1, _) => {}
            HybridRleChunk::Rle(..) => return Err(absent()),
            HybridRleChunk::Bitpacked(mut packed) => {
                let mut chunks = packed.chunked();
                while let Some((levels, length)) = chunks.next_inexact() {
                    if levels[..length].contains(&0) {
                        return Err(absent());
                    }
                }
            }
        }
    }
    if seen == count { Ok(()) } else { Err(absent()) }
}

fn plain<N: Integer>(bytes: &[u8], out: &mut Vec<N>) {
    out.extend(bytes.chunks_exact(N::BYTES).map(N::from_plain));
}

fn indices<N: Integer>(bytes: &[u8], count: usize, dictionary: &[N], out: &mut Vec<N>) -> Result<(), ParquetError> {
    let outside = || wrong("an index is outside of the dictionary");
    let (bits, bytes) = bytes.split_first().ok_or_else(outside)?;
    if *bits > 32 {
        return Err(outside());
    }
    for chunk in HybridRleDecoder::new(bytes, u32::from(*bits), count).into_chunk_iter() {
        match chunk? {
            HybridRleChunk::Rle(index, length) => {
                let value = *dictionary.get(index as usize).ok_or_else(outside)?;
                out.resize(out.len() + length, value);
            }
            HybridRleChunk::Bitpacked(mut packed) => {
                let mut chunks = packed.chunked();
                while let Some((indices, length)) = chunks.next_inexact() {
                    let largest = indices[..length].iter().copied().max().unwrap_or(0);
                    if largest as usize >= dictionary.len() {
                        return Err(outside());
                    }
                    out.extend(indices[..length].iter().map(|index| dictionary[*index as usize]));
                }
            }
        }
    }
    Ok(())
}

/// Reads an unsigned LEB128.
fn unsigned(bytes: &mut &[u8]) -> Result<u64, ParquetError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(|| wrong("a number ends early"))?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(wrong("a number is too long"))
}

/// Reads a zigzag LEB128.
fn signed(bytes: &mut &[u8]) -> Result<i64, ParquetError> {
    let value = unsigned(bytes)?;
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// Appends the values of `DELTA_BINARY_PACKED`, so many as the page says.
fn deltas<N: Integer>(mut bytes: &[u8], expected: usize, out: &mut Vec<N>) -> Result<(), ParquetError> {
    let short = || wrong("differences end early");
    let bytes = &mut bytes;
    let size = |bytes: &mut &[u8]| unsigned(bytes).and_then(|size| Ok(usize::try_from(size)?));
    let (block, minis, count) = (size(bytes)?, size(bytes)?, size(bytes)?);
    let mut last = signed(bytes)?;
    if count != expected {
        return Err(wrong("there is another number of differences"));
    }
    if count == 0 {
        return Ok(());
    }
    if minis == 0 || block % minis != 0 || (block / minis) % 32 != 0 || block == 0 || block > 1 << 20 {
        return Err(wrong("differences come in blocks of a wrong size"));
    }
    let of_mini = block / minis;
    out.push(N::from_wide(last));
    let mut left = count - 1;
    while left > 0 {
        let least = signed(bytes)?;
        let (widths, rest) = bytes.split_at_checked(minis).ok_or_else(short)?;
        *bytes = rest;
        for width in widths {
            if left == 0 {
                break;
            }
            let width = usize::from(*width);
            if width > 64 {
                return Err(wrong("differences have more than 64 bits"));
            }
            let (packed, rest) = bytes.split_at_checked(width * of_mini / 8).ok_or_else(short)?;
            *bytes = rest;
            let wanted = left.min(of_mini);
            mini(packed, width, wanted, least, &mut last, out)?;
            left -= wanted;
        }
    }
    Ok(())
}

/// Appends so many values of a block of differences of one width.
fn mini<N: Integer>(
    packed: &[u8],
    width: usize,
    mut wanted: usize,
    least: i64,
    last: &mut i64,
    out: &mut Vec<N>,
) -> Result<(), ParquetError> {
    let mut running = *last;
    if width == 0 {
        out.extend((0..wanted).map(|_| {
            running = running.wrapping_add(least);
            N::from_wide(running)
        }));
    } else {
        let mut decoder = bitpacked::Decoder::<u64>::try_new(packed, width, packed.len() * 8 / width)?;
        let mut chunks = decoder.chunked();
        while wanted > 0 {
            let Some((differences, length)) = chunks.next_inexact() else {
                return Err(wrong("differences end early"));
            };
            let length = length.min(wanted);
            out.extend(differences[..length].iter().map(|difference| {
                running = running.wrapping_add(least.wrapping_add(difference.cast_signed()));
                N::from_wide(running)
            }));
            wanted -= length;
        }
    }
    *last = running;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Lake;
    use crate::write::ParquetFile;
    use polars::prelude::*;
    use proptest::prelude::*;

    /// The columns in row groups of so many rows, as a file of the lake; `packed`: by our own pages.
    fn file(columns: Vec<Column>, rows: usize, group: usize, packed: bool) -> (Lake, String) {
        let lake = Lake::memory();
        let frame = DataFrame::new(rows, columns).expect("a frame");
        let mut file = ParquetFile::create(&lake, frame.schema(), "").expect("a file");
        let packer = file.packer().expect("packs");
        for at in (0..rows).step_by(group) {
            let part = frame.slice(i64::try_from(at).expect("small"), group);
            if packed {
                file.write_pages(&packer.frame(&part).expect("packed"))
                    .expect("written");
            } else {
                file.write(&part).expect("written");
            }
        }
        let (_, closed) = file.finish().expect("finished");
        lake.put_closed(closed, "a.parquet").expect("stored");
        (lake, "a.parquet".to_owned())
    }

    fn all<N: Integer>(file: &mut IntFile<'_>, column: &str) -> Result<Vec<N>, LakeError> {
        let (mut all, mut group) = (Vec::new(), Vec::new());
        for at in 0..file.groups() {
            file.read(at, column, &mut group)?;
            all.extend_from_slice(&group);
        }
        Ok(all)
    }

    fn any_values() -> impl Strategy<Value = Vec<i64>> {
        let runs = (any::<i64>(), 1usize..40).prop_map(|(value, times)| vec![value; times]);
        prop_oneof![
            prop::collection::vec(any::<i64>(), 1..700),
            prop::collection::vec(0i64..1 << 24, 1..700),
            prop::collection::vec(prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0)], 1..300),
            prop::collection::vec(0i64..3, 1..700),
            prop::collection::vec(runs, 1..40).prop_map(|runs| runs.concat()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_is_read(values in any_values(), group in 1usize..400, packed in any::<bool>()) {
            let small: Vec<i32> = values.iter().map(|value| *value as i32).collect();
            let columns = vec![
                Int64Chunked::from_slice("large".into(), &values).into_column(),
                Int32Chunked::from_slice("small".into(), &small).into_column(),
            ];
            let (lake, name) = file(columns, values.len(), group, packed);
            let local = lake.local(&name).expect("there");
            let mut file = IntFile::open(local.path(), &name).expect("opens");
            prop_assert_eq!(&all::<i64>(&mut file, "large").expect("reads"), &values);
            prop_assert_eq!(all::<i32>(&mut file, "small").expect("reads"), small);
            let of_group = values.chunks(group).enumerate();
            for (at, values) in of_group {
                let bounds = values.iter().min().copied().zip(values.iter().max().copied());
                prop_assert_eq!(file.bounds::<i64>(at, "large"), bounds);
            }
            // and by polars' own reader
            let names = ["large".to_owned()];
            let mut read = Vec::new();
            crate::scan::batches(local.path(), &name, &names, |frame| {
                read.extend(frame.column("large").expect("there").i64().expect("integers").into_no_null_iter());
                Ok::<(), LakeError>(())
            }).expect("reads");
            prop_assert_eq!(read, values);
        }

        #[test]
        fn damaged_differences_are_refused(values in any_values(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = Vec::new();
            // a block of one width: count, then every difference in 64 bits
            bytes.extend([0x80, 0x01, 1, u8::try_from(values.len().min(100)).expect("small"), 0, 0, 64]);
            bytes.extend(values.iter().cycle().take(128).flat_map(|value| value.to_le_bytes()));
            let position = at.index(bytes.len());
            let whole = bytes.clone();
            bytes[position] = byte;
            // whatever is made of it, nothing panics, and what is cut off is noticed
            let _ = deltas::<i64>(&bytes, values.len().min(100), &mut Vec::new());
            if values.len() > 1 {
                prop_assert!(deltas::<i64>(&whole[..position], values.len().min(100), &mut Vec::new()).is_err());
            }
        }
    }

    #[test]
    fn what_is_not_expected_is_refused() {
        let some = |values: &[Option<i64>]| Int64Chunked::from_slice_options("a".into(), values).into_column();
        for (columns, what) in [
            (vec![some(&[Some(1), None, Some(3)])], "an absent value"),
            (vec![some(&[None, None, None])], "nothing but absent values"),
            (
                vec![Int32Chunked::from_slice("a".into(), &[1, 2, 3]).into_column()],
                "another type",
            ),
            (
                vec![Int64Chunked::from_slice("b".into(), &[1, 2, 3]).into_column()],
                "another name",
            ),
        ] {
            for packed in [false, true] {
                let (lake, name) = file(columns.clone(), 3, 3, packed);
                let local = lake.local(&name).expect("there");
                let mut file = IntFile::open(local.path(), &name).expect("opens");
                assert!(file.read::<i64>(0, "a", &mut Vec::new()).is_err(), "{what}");
            }
        }
    }
}
