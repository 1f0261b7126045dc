//! A FOCUS row in the making, and rewritten rows in one piece of memory.

use crate::dialect::{FOCUS_COLUMNS, is_null};
use std::borrow::Cow;

/// A FOCUS row in the making: a cell per column of [`FOCUS_COLUMNS`].
#[derive(Clone)]
pub(crate) struct Draft<'r> {
    cells: Vec<Option<Cow<'r, [u8]>>>,
}

impl<'r> Draft<'r> {
    pub fn new() -> Draft<'r> {
        Draft {
            cells: vec![None; FOCUS_COLUMNS.len()],
        }
    }

    pub fn set_at(&mut self, column: usize, cell: &'r [u8]) {
        self.cells[column] = (!is_null(cell)).then_some(Cow::Borrowed(cell));
    }

    /// Sets a cell of the bill, or a fixed text; an empty one is null.
    pub fn set(&mut self, column: Column, cell: &'r [u8]) {
        self.set_at(column.0, cell);
    }

    /// Sets a computed cell.
    pub fn own(&mut self, column: Column, text: String) {
        self.cells[column.0] = (!text.is_empty()).then(|| Cow::Owned(text.into_bytes()));
    }

    /// Sets a computed cell by the position of its column.
    pub fn own_at(&mut self, column: usize, text: String) {
        self.own(Column(column), text);
    }

    /// Makes a cell null.
    pub fn clear(&mut self, column: Column) {
        self.cells[column.0] = None;
    }

    /// A cell, if it is not null.
    pub fn get(&self, column: Column) -> Option<&[u8]> {
        self.cells[column.0].as_deref()
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
    base: (usize, usize),
    /// Text that is not in it; its ranges begin where the base ends.
    pub data: Vec<u8>,
    /// Ranges of the cells.
    pub cells: Vec<(u32, u32)>,
    /// Rows.
    pub count: usize,
    /// Of these, rows that the bill implies but does not have.
    pub implied: u64,
}

impl Rows {
    /// Rows made from cells of a text: what stays as it is is not copied.
    #[must_use]
    pub fn over(text: &[u8]) -> Rows {
        Rows {
            base: (text.as_ptr() as usize, text.len()),
            ..Rows::default()
        }
    }

    pub(crate) fn push<'c>(&mut self, draft: &Draft<'_>, columns: &[usize], kept: impl Iterator<Item = &'c [u8]>) {
        for column in columns {
            self.cell(draft.cells[*column].as_deref().unwrap_or_default());
        }
        for cell in kept {
            self.cell(cell);
        }
        self.count += 1;
    }

    fn cell(&mut self, bytes: &[u8]) {
        let (base, length) = self.base;
        let within = (bytes.as_ptr() as usize)
            .checked_sub(base)
            .filter(|at| at + bytes.len() <= length);
        let start = within.unwrap_or_else(|| {
            let start = length + self.data.len();
            self.data.extend_from_slice(bytes);
            start
        });
        // blocks are far below 4 GiB: a block of input has at most 1 GiB, and little is added to it
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.cells.push((place(start), place(start + bytes.len())));
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
