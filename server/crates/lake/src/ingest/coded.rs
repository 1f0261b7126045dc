//! Columns of a row group in the making. Texts and instants repeat in bills:
//! they are kept as codes into their different values, the form in which they
//! are written, so that a value is looked at once per row group and not once
//! per row. Columns whose values do not repeat are kept as they are.

use super::records::{Block, Cell};
use crate::write::Column;
use domain::dialect::is_null;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use polars::prelude::{PolarsResult, TimeUnit};
use polars_arrow::array::{Array, BinaryViewArray, DictionaryArray, MutableBinaryViewArray, PrimitiveArray};
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use polars_arrow::datatypes::{ArrowDataType, IntegerType};
use polars_parquet::write::Encoding;
use std::hash::BuildHasher;

/// Code of a null.
const NULL: u32 = u32::MAX;
/// Row groups that a column stays plain once its values did not repeat.
const PLAIN_GROUPS: u8 = 15;
/// Cells of a block whose codes are remembered by where they lie.
const RECENT: usize = 256;

/// Whether a dictionary is worth it.
fn repeats(distinct: usize, rows: usize) -> bool {
    rows <= 128 || distinct * 4 <= rows * 3
}

/// Codes as the keys of a dictionary.
fn dictionary(codes: Vec<u32>, values: Box<dyn Array>) -> PolarsResult<Box<dyn Array>> {
    let kind = ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(values.dtype().clone()), false);
    let valid = codes
        .contains(&NULL)
        .then(|| codes.iter().map(|code| *code != NULL).collect::<Bitmap>());
    let keys = if valid.is_some() {
        codes
            .into_iter()
            .map(|code| if code == NULL { 0 } else { code })
            .collect()
    } else {
        codes
    };
    let keys = PrimitiveArray::try_new(ArrowDataType::UInt32, keys.into(), valid)?;
    Ok(DictionaryArray::try_new(kind, keys, values)?.boxed())
}

/// A column of text.
#[derive(Default)]
pub(crate) struct TextColumn {
    codes: Vec<u32>,
    values: Texts,
    /// The texts as they are, when they do not repeat.
    plain: Option<MutableBinaryViewArray<[u8]>>,
    plain_groups: u8,
}

/// Different texts, in the order of their codes.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    // which values share a slot differs between runs, codes do not
    by_hash: HashTable<u32>,
    hasher: RandomState,
}

fn text_at<'t>(bytes: &'t [u8], ends: &[u32], code: u32) -> &'t [u8] {
    let code = code as usize;
    let start = code.checked_sub(1).map_or(0, |before| ends[before] as usize);
    &bytes[start..ends[code] as usize]
}

impl Texts {
    fn get(&self, code: u32) -> &[u8] {
        text_at(&self.bytes, &self.ends, code)
    }

    fn code(&mut self, cell: &[u8]) -> u32 {
        if is_null(cell) {
            return NULL;
        }
        let Texts {
            bytes,
            ends,
            by_hash,
            hasher,
        } = self;
        let hash = hasher.hash_one(cell);
        let entry = by_hash.entry(
            hash,
            |code| text_at(bytes, ends, *code) == cell,
            |code| hasher.hash_one(text_at(bytes, ends, *code)),
        );
        match entry {
            Entry::Occupied(found) => *found.get(),
            // cells were checked already; what is no text all the same is no value
            Entry::Vacant(_) if std::str::from_utf8(cell).is_err() => NULL,
            Entry::Vacant(place) => {
                // a row group holds far fewer than 2^32 texts and bytes
                let code = u32::try_from(ends.len()).unwrap_or(NULL);
                place.insert(code);
                bytes.extend_from_slice(cell);
                ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                code
            }
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.by_hash.clear();
    }
}

impl TextColumn {
    /// Appends these rows of a column of a block; `whole` is the block's text
    /// if all of it is UTF-8. Answers roughly by how many bytes it grew.
    pub fn append(&mut self, block: &Block, whole: Option<&str>, at: usize, rows: &[u32]) -> usize {
        let column = block.column(at);
        let cells = rows.iter().map(|row| column.get(*row as usize));
        if let Some(plain) = &mut self.plain {
            let mut grown = 0;
            for cell in cells {
                let text = match whole {
                    Some(whole) => whole.get(cell.0 as usize..cell.1 as usize),
                    None => std::str::from_utf8(block.bytes(cell)).ok(),
                };
                let text = text.map(str::as_bytes).filter(|text| !is_null(text));
                grown += 16 + text.map_or(0, <[u8]>::len);
                plain.push(text);
            }
            return grown;
        }
        let before = self.values.bytes.len();
        let mut recent: [(Cell, u32); RECENT] = [((0, 0), NULL); RECENT];
        let mut above: (Cell, &[u8], u32) = ((0, 0), b"", NULL);
        self.codes.reserve(rows.len());
        for cell in cells {
            if cell.0 == cell.1 {
                self.codes.push(NULL);
                continue;
            }
            if cell != above.0 {
                let slot = &mut recent[(cell.0 >> 1) as usize % RECENT];
                above = if block.shares && slot.0 == cell {
                    (cell, b"", slot.1)
                } else {
                    let bytes = block.bytes(cell);
                    let code = match above.2 {
                        code if !block.shares && bytes == above.1 => code,
                        _ => self.values.code(bytes),
                    };
                    *slot = (cell, code);
                    (cell, bytes, code)
                };
            }
            self.codes.push(above.2);
        }
        rows.len() * 4 + (self.values.bytes.len() - before) * 2
    }

    /// The column so far, which begins anew.
    pub fn take(&mut self) -> PolarsResult<Column> {
        if let Some(plain) = self.plain.take() {
            self.plain_groups -= 1;
            if self.plain_groups > 0 {
                self.plain = Some(MutableBinaryViewArray::with_capacity(plain.len()));
            }
            return Ok(Column::plain(plain.freeze().boxed()));
        }
        let rows = self.codes.len();
        let codes = std::mem::replace(&mut self.codes, Vec::with_capacity(rows));
        let distinct = self.values.ends.len();
        let column = if repeats(distinct, rows) {
            let texts = (0..).take(distinct).map(|code| self.values.get(code));
            let texts = BinaryViewArray::from_slice_values(texts.collect::<Vec<_>>());
            Column::coded(dictionary(codes, texts.boxed())?)
        } else {
            (self.plain, self.plain_groups) = (Some(MutableBinaryViewArray::with_capacity(rows)), PLAIN_GROUPS);
            let mut plain = MutableBinaryViewArray::<[u8]>::with_capacity(rows);
            for code in codes {
                plain.push((code != NULL).then(|| self.values.get(code)));
            }
            Column::plain(plain.freeze().boxed())
        };
        self.values.clear();
        Ok(column)
    }
}

/// A column of instants, in microseconds.
#[derive(Default)]
pub(crate) struct InstantColumn {
    codes: Vec<u32>,
    values: Vec<i64>,
    by_hash: HashTable<u32>,
    hasher: RandomState,
    above: Option<(i64, u32)>,
}

impl InstantColumn {
    /// Appends a row.
    pub fn push(&mut self, instant: Option<i64>) {
        let code = match (instant, self.above) {
            (None, _) => NULL,
            (Some(instant), Some((above, code))) if above == instant => code,
            (Some(instant), _) => {
                let code = self.code(instant);
                self.above = Some((instant, code));
                code
            }
        };
        self.codes.push(code);
    }

    fn code(&mut self, instant: i64) -> u32 {
        let InstantColumn {
            values,
            by_hash,
            hasher,
            ..
        } = self;
        let hash = hasher.hash_one(instant);
        let same = |code: &u32| values[*code as usize] == instant;
        match by_hash.entry(hash, same, |code| hasher.hash_one(values[*code as usize])) {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(place) => {
                let code = u32::try_from(values.len()).unwrap_or(NULL);
                place.insert(code);
                values.push(instant);
                code
            }
        }
    }

    /// The column so far, which begins anew.
    pub fn take(&mut self) -> PolarsResult<Column> {
        let kind = ArrowDataType::Timestamp(TimeUnit::Microseconds.to_arrow(), Some("UTC".into()));
        let codes = std::mem::take(&mut self.codes);
        let values = std::mem::take(&mut self.values);
        self.by_hash.clear();
        self.above = None;
        if repeats(values.len(), codes.len()) {
            let values = PrimitiveArray::try_new(kind, values.into(), None)?;
            return Ok(Column::coded(dictionary(codes, values.boxed())?));
        }
        let rows = codes.iter().map(|code| values.get(*code as usize).copied());
        let rows = rows.collect::<PrimitiveArray<i64>>().to(kind);
        Ok(Column::plain(rows.boxed()))
    }
}

/// A column of decimals, in units of its scale.
pub(crate) struct UnitsColumn {
    values: Vec<i128>,
    valid: MutableBitmap,
    kind: ArrowDataType,
}

impl UnitsColumn {
    /// An empty column of this scale.
    pub fn new(precision: usize, scale: usize) -> UnitsColumn {
        UnitsColumn {
            values: Vec::new(),
            valid: MutableBitmap::new(),
            kind: ArrowDataType::Decimal(precision, scale),
        }
    }

    /// Appends a row.
    pub fn push(&mut self, units: Option<i128>) {
        self.values.push(units.unwrap_or(0));
        self.valid.push(units.is_some());
    }

    /// The column so far, which begins anew.
    pub fn take(&mut self) -> PolarsResult<Column> {
        let valid: Bitmap = std::mem::take(&mut self.valid).into();
        let valid = (valid.unset_bits() > 0).then_some(valid);
        let rows = self.values.len();
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(rows));
        let array = PrimitiveArray::try_new(self.kind.clone(), values.into(), valid)?;
        Ok(Column::plain(array.boxed()))
    }
}

/// A column of integers without nulls that grow from row to row.
pub(crate) fn growing(values: Vec<i64>) -> Column {
    Column {
        array: PrimitiveArray::from_vec(values).boxed(),
        encoding: Encoding::DeltaBinaryPacked,
        bounds: true,
    }
}

/// A column of one integer.
pub(crate) fn constant(value: i32, rows: usize) -> PolarsResult<Column> {
    let values = PrimitiveArray::from_vec(vec![value]).boxed();
    Ok(Column::coded(dictionary(vec![0; rows], values)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Lake;
    use crate::schema::instant_type;
    use crate::write::ParquetFile;
    use polars::prelude::{DataFrame, DataType, Field, ParquetReader, Schema, SerReader};
    use std::fs::File;

    /// What is read back of row groups of these columns.
    fn read_back(schema: &Schema, groups: &[(usize, Vec<Column>)]) -> DataFrame {
        let lake = Lake::memory();
        let mut file = ParquetFile::create(&lake, schema, "").expect("creates");
        for (rows, columns) in groups {
            file.write_columns(*rows, columns).expect("writes");
        }
        let (rows, closed) = file.finish().expect("ends");
        assert_eq!(rows as usize, groups.iter().map(|(rows, _)| rows).sum::<usize>());
        let (stored, _) = lake.put_closed(closed, "x.parquet").expect("puts");
        let local = lake.local(&stored.path).expect("is there");
        let file = File::open(local.path()).expect("opens");
        ParquetReader::new(file).finish().expect("reads")
    }

    fn block(texts: &[String], shares: bool) -> Block {
        let mut block = Block {
            width: 1,
            shares,
            ..Block::default()
        };
        for (line, text) in (1..).zip(texts) {
            block.push(text.as_bytes());
            block.lines.push(line);
        }
        block.used = block.data.len();
        block
    }

    #[test]
    fn texts_are_read_back_whether_they_repeat_or_not() {
        let few = |row: usize| ["", "NULL", "a", "null", "a much longer text, see", "Zürich"][row * row % 6].to_owned();
        let each = |row: usize| format!("text {row} that is there once");
        let some = |row: usize| {
            if row.is_multiple_of(3) {
                String::new()
            } else {
                each(row)
            }
        };
        // after a group of different texts come plain ones, whatever they are
        let groups: Vec<Vec<String>> = vec![
            (0..500).map(few).collect(),
            (0..500).map(each).collect(),
            (0..500).map(some).collect(),
            (0..90).map(few).collect(),
            vec![String::new(); 300],
        ];
        for shares in [false, true] {
            let mut column = TextColumn::default();
            let written = groups.iter().map(|texts| {
                let block = block(texts, shares);
                let whole = std::str::from_utf8(&block.data).expect("text");
                let rows: Vec<u32> = (0..).take(texts.len()).collect();
                // in two parts, as blocks come
                let (first, second) = rows.split_at(texts.len() / 3);
                column.append(&block, Some(whole), 0, first);
                column.append(&block, None, 0, second);
                (texts.len(), vec![column.take().expect("takes")])
            });
            let written: Vec<_> = written.collect();
            let coded: Vec<bool> = written.iter().map(|(_, columns)| columns[0].bounds).collect();
            assert_eq!(coded, [true, false, false, false, false]);
            let schema = Schema::from_iter([Field::new("x".into(), DataType::String)]);
            let frame = read_back(&schema, &written);
            let found = frame.column("x").expect("x").str().expect("text").clone();
            let expect = groups.iter().flatten();
            let expect = expect.map(|text| Some(text.as_str()).filter(|text| !is_null(text.as_bytes())));
            assert!(found.iter().eq(expect));
        }
    }

    #[test]
    fn instants_decimals_and_numbers_are_read_back() {
        let instants = |distinct: i64| {
            move |row: i64| (row % 7 != 3).then_some(1_700_000_000_000_000 + row * row % distinct * 1_000)
        };
        for distinct in [5, 1 << 40] {
            let values: Vec<Option<i64>> = (0..600).map(instants(distinct)).collect();
            let units: Vec<Option<i128>> = (0..600)
                .map(|row| (row % 5 != 1).then_some((row - 300) * 10i128.pow(35)))
                .collect();
            let (mut when, mut money) = (InstantColumn::default(), UnitsColumn::new(38, 24));
            values.iter().for_each(|value| when.push(*value));
            units.iter().for_each(|value| money.push(*value));
            let lines: Vec<i64> = (0..600).map(|row| 2 + row * row).collect();
            let schema = Schema::from_iter([
                Field::new("when".into(), instant_type()),
                Field::new("money".into(), DataType::Decimal(38, 24)),
                Field::new("line".into(), DataType::Int64),
                Field::new("part".into(), DataType::Int32),
            ]);
            let columns = vec![
                when.take().expect("takes"),
                money.take().expect("takes"),
                growing(lines.clone()),
                constant(7, 600).expect("takes"),
            ];
            assert_eq!(columns[0].bounds, distinct == 5);
            let frame = read_back(&schema, &[(600, columns)]);
            let column = |name: &str| frame.column(name).expect(name).clone();
            assert!(
                column("when")
                    .datetime()
                    .expect("instants")
                    .physical()
                    .iter()
                    .eq(values)
            );
            assert!(column("money").decimal().expect("decimals").physical().iter().eq(units));
            assert!(
                column("line")
                    .i64()
                    .expect("numbers")
                    .iter()
                    .eq(lines.into_iter().map(Some))
            );
            assert!(
                column("part")
                    .i32()
                    .expect("numbers")
                    .iter()
                    .all(|part| part == Some(7))
            );
        }
    }
}
