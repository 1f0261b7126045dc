//! A FOCUS row in the making, and rewritten rows in one piece of memory.

use crate::dialect::{FOCUS_COLUMNS, is_null};

/// A FOCUS row in the making: a cell per column of [`FOCUS_COLUMNS`].
#[derive(Clone)]
pub(crate) struct Draft<'r> {
    cells: [Piece<'r>; FOCUS_COLUMNS.len()],
    /// What was computed.
    own: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Piece<'r> {
    Null,
    /// Of the bill, or fixed.
    Text(&'r [u8]),
    /// Computed: its range.
    Own(usize, usize),
}

impl<'r> Draft<'r> {
    pub fn new() -> Draft<'r> {
        Draft {
            cells: [Piece::Null; FOCUS_COLUMNS.len()],
            own: Vec::new(),
        }
    }

    /// Begins the next row.
    pub fn reset(&mut self) {
        self.cells = [Piece::Null; FOCUS_COLUMNS.len()];
        self.own.clear();
    }

    pub fn set_at(&mut self, column: usize, cell: &'r [u8]) {
        self.cells[column] = if is_null(cell) { Piece::Null } else { Piece::Text(cell) };
    }

    /// Sets a cell of the bill, or a fixed text; an empty one is null.
    pub fn set(&mut self, column: Column, cell: &'r [u8]) {
        self.set_at(column.0, cell);
    }

    /// Sets a computed cell.
    pub fn own(&mut self, column: Column, text: impl AsRef<str>) {
        self.own_at(column.0, text);
    }

    /// Sets a computed cell by the position of its column.
    pub fn own_at(&mut self, column: usize, text: impl AsRef<str>) {
        let start = self.own.len();
        self.own.extend_from_slice(text.as_ref().as_bytes());
        self.cells[column] = match self.own.len() {
            end if end > start => Piece::Own(start, end),
            _ => Piece::Null,
        };
    }

    /// Makes a cell null.
    pub fn clear(&mut self, column: Column) {
        self.cells[column.0] = Piece::Null;
    }

    /// A cell, if it is not null.
    pub fn get(&self, column: Column) -> Option<&[u8]> {
        match self.cells[column.0] {
            Piece::Null => None,
            Piece::Text(cell) => Some(cell),
            Piece::Own(start, end) => self.own.get(start..end),
        }
    }
}

/// A column of FOCUS by its position: found once, at compile time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column(usize);

impl Column {
    /// Whether it is the one at this position of [`FOCUS_COLUMNS`].
    pub fn is_at(self, position: usize) -> bool {
        self.0 == position
    }

    /// The column of this name; compiling fails when there is none.
    pub const fn named(name: &str) -> Column {
        let mut at = 0;
        while at < FOCUS_COLUMNS.len() {
            if same(FOCUS_COLUMNS[at].name.as_bytes(), name.as_bytes()) {
                return Column(at);
            }
            at += 1;
        }
        panic!("no such column of FOCUS");
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Rewritten rows: the range of each cell, row after row, in the text they were
/// made from and what was added to it.
#[derive(Debug, Default)]
pub struct Rows {
    /// Where the text they are made from lies in memory, and its length.
    base: Option<(usize, usize)>,
    /// Text that is not in it; its ranges begin where the base ends.
    pub data: Vec<u8>,
    /// Ranges of the cells.
    pub cells: Vec<(u32, u32)>,
    /// Rows.
    pub count: usize,
    /// Of these, rows that the bill implies but does not have.
    pub implied: u64,
    /// Position of the row that each row was made of.
    pub sources: Vec<u32>,
    /// Positions of the implied rows, in order.
    implied_at: Vec<usize>,
    /// Ranges of texts that were added, by a few of their bytes: what is the
    /// same for many rows is added once.
    added: Vec<(u32, u32)>,
}

/// Texts whose place is remembered.
const ADDED: usize = 512;

impl Rows {
    /// Rows made from cells of a text: what stays as it is is not copied.
    #[must_use]
    pub fn over(text: &[u8]) -> Rows {
        Rows {
            base: Some((text.as_ptr() as usize, text.len())),
            ..Rows::default()
        }
    }

    /// Whether a row keeps nothing of the row it was made of.
    #[must_use]
    pub fn is_implied(&self, row: usize) -> bool {
        self.implied_at.binary_search(&row).is_ok()
    }

    /// Whether kept cells are copied: there is no text to find them in.
    pub(super) fn copies_kept(&self) -> bool {
        self.base.is_none()
    }

    /// The next row is an implied one.
    pub(super) fn imply(&mut self) {
        self.implied += 1;
        self.implied_at.push(self.count);
    }

    pub(super) fn push(&mut self, draft: &Draft<'_>, columns: &[usize], source: usize) {
        for column in columns {
            self.cell(draft.get(Column(*column)).unwrap_or_default());
        }
        self.sources.push(u32::try_from(source).unwrap_or(u32::MAX));
        self.count += 1;
    }

    pub(super) fn cell(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.cells.push((0, 0));
            return;
        }
        // blocks are far below 4 GiB: a block of input has at most 1 GiB, and little is added to it
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let (base, length) = self.base.unwrap_or_default();
        let within = (bytes.as_ptr() as usize)
            .checked_sub(base)
            .filter(|at| at + bytes.len() <= length);
        let range = match within {
            Some(start) => (place(start), place(start + bytes.len())),
            None => {
                self.added.resize(ADDED, (0, 0));
                let slot = slot_of(bytes);
                let (start, end) = self.added[slot];
                let known = (start as usize)
                    .checked_sub(length)
                    .and_then(|start| self.data.get(start..(end as usize).checked_sub(length)?));
                if known == Some(bytes) {
                    (start, end)
                } else {
                    let start = length + self.data.len();
                    self.data.extend_from_slice(bytes);
                    let range = (place(start), place(start + bytes.len()));
                    self.added[slot] = range;
                    range
                }
            }
        };
        self.cells.push(range);
    }

    /// The cells of a row that was not made over a text, for tests and readers.
    #[must_use]
    pub fn row(&self, row: usize) -> Vec<&[u8]> {
        let width = self.cells.len() / self.count.max(1);
        let cells = self.cells.iter().skip(row * width).take(width);
        cells
            .map(|(start, end)| &self.data[*start as usize..*end as usize])
            .collect()
    }
}

/// Where a text is remembered: by its length, its beginning and its end.
fn slot_of(bytes: &[u8]) -> usize {
    let word = |part: &[u8]| part.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    let (first, last) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>());
    let (first, last) = match (first, last) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (word(bytes), 0),
    };
    let mixed = (first ^ last.rotate_left(29) ^ bytes.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 55) as usize % ADDED
}
