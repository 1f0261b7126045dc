//! The cells of Parquet columns as text. What exports have most of goes without
//! a detour, and a value that was written in a block already is not written
//! again: its cells lie in the same place. Decoders of dictionaries give equal
//! views for equal codes, so that is seen without reading the text.

use super::parquet_in::{double, instant, text_of};
use super::records::{Cell, range};
use domain::money::MONEY_SCALE;
use foldhash::fast::RandomState;
use polars::prelude::*;
use polars_arrow::array::{Array, PrimitiveArray, Utf8ViewArray};
use std::collections::HashMap;
use std::io::Write;

/// Values whose places are remembered, per column.
const PLACES: usize = 256;
/// The same of maps, which have more different ones.
const MAPS: usize = 4_096;
/// Bytes of maps of a batch that are remembered.
const MAP_BYTES: usize = 16 << 20;
/// Instants of a batch whose texts are remembered.
const INSTANTS: usize = 65_536;

/// The cells of a column.
pub(super) enum Texts<'s> {
    Text(&'s Utf8ViewArray, Places),
    Double(&'s PrimitiveArray<f64>, Places),
    /// Instants, with the texts of those that were seen.
    Time(Int64Chunked, TimeUnit, HashMap<i64, String, RandomState>, Places),
    /// A map as Parquet tools write it.
    Map(Box<Map>),
    Any(&'s Series),
}

/// Where values lie in the block that is being made.
pub(super) struct Places(Vec<Place>);

#[derive(Clone, Copy)]
struct Place {
    value: u128,
    /// First row of the block.
    block: usize,
    cell: Cell,
}

impl Places {
    fn new(count: usize) -> Places {
        let nowhere = Place {
            value: 0,
            block: usize::MAX,
            cell: (0, 0),
        };
        Places(vec![nowhere; count])
    }

    /// Where a value lies; `write` writes it if it does not lie anywhere.
    fn of(&mut self, value: u128, block: usize, into: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Cell {
        let slot = slot_of(value, self.0.len());
        let place = &mut self.0[slot];
        if place.value != value || place.block != block {
            *place = Place {
                value,
                block,
                cell: written(into, write),
            };
        }
        place.cell
    }
}

/// One of so many slots, a power of two.
fn slot_of(value: u128, slots: usize) -> usize {
    let mixed = ((value >> 64) as u64 ^ (value as u64).rotate_left(23)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as usize & (slots - 1)
}

fn written(into: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Cell {
    let start = into.len();
    write(into);
    match into.len() {
        end if end > start => range(start, end),
        _ => (0, 0),
    }
}

impl<'s> Texts<'s> {
    /// The cells of a column of one chunk.
    pub fn of(series: &'s Series) -> Texts<'s> {
        match series.dtype() {
            DataType::String => series
                .str()
                .ok()
                .and_then(|of| Some(Texts::Text(of.downcast_iter().next()?, Places::new(PLACES)))),
            DataType::Float64 => series
                .f64()
                .ok()
                .and_then(|of| Some(Texts::Double(of.downcast_iter().next()?, Places::new(PLACES)))),
            DataType::Datetime(unit, _) => {
                let physical = series.to_physical_repr();
                let places = Places::new(PLACES * 4);
                physical
                    .i64()
                    .map(|of| Texts::Time(of.clone(), *unit, HashMap::default(), places))
                    .ok()
            }
            DataType::List(_) => Map::of(series).map(|map| Texts::Map(Box::new(map))),
            _ => None,
        }
        .unwrap_or(Texts::Any(series))
    }

    /// The cells of some rows, of a block that begins with the first of them;
    /// what has no place there yet is appended to its text.
    pub fn cells(&mut self, rows: std::ops::Range<usize>, into: &mut Vec<u8>, mut cell: impl FnMut(Cell)) {
        let block = rows.start;
        match self {
            Texts::Text(of, places) => {
                let views = of.views().get(rows.clone()).unwrap_or_default();
                for (row, view) in rows.zip(views) {
                    let is_null = of.validity().is_some_and(|valid| !valid.get_bit(row));
                    cell(if is_null {
                        (0, 0)
                    } else {
                        places.of(view.as_u128(), block, into, |into| {
                            into.extend_from_slice(of.value(row).as_bytes());
                        })
                    });
                }
            }
            Texts::Double(of, places) => {
                for row in rows {
                    cell(of.get(row).map_or((0, 0), |value| {
                        places.of(value.to_bits().into(), block, into, |into| write_double(value, into))
                    }));
                }
            }
            Texts::Time(of, unit, texts, places) => {
                for row in rows {
                    // the bits of the instant, whatever its sign
                    cell(of.get(row).map_or((0, 0), |value| {
                        places.of(value.cast_unsigned().into(), block, into, |into| {
                            if texts.len() >= INSTANTS {
                                texts.clear();
                            }
                            let text = texts.entry(value).or_insert_with(|| instant(value, *unit));
                            into.extend_from_slice(text.as_bytes());
                        })
                    }));
                }
            }
            Texts::Map(map) => rows.for_each(|row| cell(map.cell(row, block, into))),
            Texts::Any(of) => {
                for row in rows {
                    cell(written(into, |into| {
                        if let Ok(value) = of.get(row) {
                            into.extend_from_slice(text_of(&value).as_bytes());
                        }
                    }));
                }
            }
        }
    }
}

/// As `double`, without text in between.
fn write_double(value: f64, into: &mut Vec<u8>) {
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format(value).as_bytes();
    let plain = shortest.strip_suffix(b".0").unwrap_or(shortest);
    let places = plain.iter().rev().position(|b| *b == b'.').unwrap_or(0);
    let digits = plain.iter().filter(|b| b.is_ascii_digit()).count();
    let has_only = |allowed: &[u8]| plain.iter().all(|b| b.is_ascii_digit() || allowed.contains(b));
    // of up to 15 digits one text alone is the shortest; of more there may be two that are as near, but
    // not where the value has a bit below half of the last digit
    let is_one = digits <= 15 || fraction_bits(value) > places + 1;
    if is_one && places <= MONEY_SCALE as usize && has_only(b".-") {
        into.extend_from_slice(plain);
        return;
    }
    // writing into a Vec never fails
    let _ = write!(into, "{}", double(&value.to_string()));
}

/// Binary digits behind the point.
fn fraction_bits(value: f64) -> usize {
    let bits = value.to_bits();
    let (exponent, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    // the mantissa counts in units of 2^(exponent - 1075)
    let below = 1_075 - i64::try_from(exponent.max(1)).unwrap_or(0) - i64::from(mantissa.trailing_zeros());
    usize::try_from(below).unwrap_or(0)
}

/// A list of structs of two texts, `key` and `value`.
pub(super) struct Map {
    /// Where each row's pairs begin.
    offsets: Vec<i64>,
    keys: Utf8ViewArray,
    values: Utf8ViewArray,
    /// Texts of maps of this batch, and per slot the row and its text.
    texts: Vec<u8>,
    known: Vec<Option<(usize, Cell)>>,
    places: Places,
}

impl Map {
    /// `None`: something else.
    fn of(series: &Series) -> Option<Map> {
        let list = series.list().ok()?;
        let offsets = list.downcast_iter().next()?.offsets().as_slice().to_vec();
        let inner = list.get_inner();
        let fields = inner.struct_().ok()?.fields_as_series();
        let [keys, values] = fields.as_slice() else { return None };
        let named = |field: &Series, name: &str| field.name().eq_ignore_ascii_case(name);
        if !(named(keys, "key") && named(values, "value")) {
            return None;
        }
        let texts = |field: &Series| field.str().ok()?.rechunk().downcast_iter().next().cloned();
        Some(Map {
            offsets,
            keys: texts(keys)?,
            values: texts(values)?,
            texts: Vec::new(),
            known: vec![None; MAPS],
            places: Places::new(MAPS),
        })
    }

    /// The pairs of a row.
    fn pairs(&self, row: usize) -> std::ops::Range<usize> {
        let at = |row: usize| {
            let at = self.offsets.get(row).and_then(|at| usize::try_from(*at).ok());
            at.unwrap_or(0)
        };
        at(row)..at(row + 1)
    }

    fn cell(&mut self, row: usize, block: usize, into: &mut Vec<u8>) -> Cell {
        let pairs = self.pairs(row);
        if pairs.is_empty() {
            return (0, 0);
        }
        if self.texts.len() > MAP_BYTES {
            self.texts.clear();
            self.known.fill(None);
            self.places = Places::new(MAPS);
        }
        let mut mixed = 0u128;
        for at in pairs.clone() {
            for of in [&self.keys, &self.values] {
                let view = of.views().get(at).map_or(0, |view| view.as_u128());
                mixed = mixed
                    .rotate_left(31)
                    .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
                    ^ view;
            }
        }
        let slot = slot_of(mixed, MAPS);
        let text = match self.known[slot] {
            Some((like, text)) if self.same(like, row) => {
                // the nearer of two like rows is sooner at hand
                self.known[slot] = Some((row, text));
                text
            }
            _ => {
                let mut texts = std::mem::take(&mut self.texts);
                let text = written(&mut texts, |into| write_map(pairs, &self.keys, &self.values, into));
                self.texts = texts;
                self.known[slot] = Some((row, text));
                text
            }
        };
        // texts of a batch lie in one piece of memory: a place in it names the text
        let name = u128::from(text.0) << 32 | u128::from(text.1);
        let texts = &self.texts[text.0 as usize..text.1 as usize];
        self.places.of(name, block, into, |into| into.extend_from_slice(texts))
    }

    /// Whether two rows have the same pairs; of equal texts with different views it says no.
    fn same(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.pairs(one), self.pairs(other));
        let view = |of: &Utf8ViewArray, at: usize| of.get(at).and(of.views().get(at)).map(|view| view.as_u128());
        one.len() == other.len()
            && one.zip(other).all(|(one, other)| {
                view(&self.keys, one) == view(&self.keys, other) && view(&self.values, one) == view(&self.values, other)
            })
    }
}

/// The JSON object of a map; nothing when it is empty.
fn write_map(pairs: std::ops::Range<usize>, keys: &Utf8ViewArray, values: &Utf8ViewArray, into: &mut Vec<u8>) {
    let start = into.len();
    for at in pairs {
        let (Some(key), Some(value)) = (keys.get(at), values.get(at)) else {
            continue;
        };
        into.push(if into.len() == start { b'{' } else { b',' });
        for (text, after) in [(key, Some(b':')), (value, None)] {
            // writing into a Vec never fails
            let _ = serde_json::to_writer(&mut *into, text);
            into.extend(after);
        }
    }
    if into.len() > start {
        into.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The short cut writes what the plain way does.
        #[test]
        fn doubles_are_written_alike(bits in any::<u64>(), units in any::<i64>(), places in 0i32..40) {
            #[allow(clippy::cast_precision_loss)]
            for value in [f64::from_bits(bits), units as f64 / 10f64.powi(places)] {
                let mut fast = Vec::new();
                write_double(value, &mut fast);
                prop_assert_eq!(String::from_utf8_lossy(&fast), double(&value.to_string()));
            }
        }
    }
}
