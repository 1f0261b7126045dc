//! Providers' own exports, rewritten row by row as FOCUS.
//!
//! A native export is described by which of its columns hold what
//! ([`Field`]s), and by a rule that sets the costs of a row and may add rows
//! (the unused part of a commitment). What comes out goes through the same
//! checks, types and control totals as a FOCUS export, so there is one way into
//! the lake. Columns the description does not copy are kept under their own
//! names, so that rules and readers see what the provider wrote.
//!
//! Sources of the rules: the providers' own documents, quoted at each rule.

pub mod aws;
pub mod azure;
mod draft;
pub mod gcp;
mod mapping;
mod memo;
mod names;
pub mod oci;
mod time;

pub use draft::Rows;
pub use mapping::Mapping;

use super::FOCUS_COLUMNS;
use crate::finding::Finding;
use draft::Draft;
use names::Names;
use std::sync::Arc;

/// A provider's own export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Native {
    /// AWS Cost and Usage Report: legacy and 2.0, CSV and Parquet spellings.
    AwsCur,
    /// Azure Cost Management export, actual or amortized.
    Azure(azure::AzureRows),
    /// Google Cloud billing export, standard or detailed.
    Gcp,
    /// Oracle Cloud cost report.
    Oci,
    /// Any table, by a mapping file.
    Mapped(Arc<Mapping>),
}

/// Which native columns hold what a FOCUS column does: the first that is not null.
pub(crate) struct Field {
    /// FOCUS name.
    pub focus: &'static str,
    /// Native names in the dialect's normal form, best first.
    pub natives: &'static [&'static str],
}

pub(crate) const fn field(focus: &'static str, natives: &'static [&'static str]) -> Field {
    Field { focus, natives }
}

/// Sets the computed cells of a row and says which rows come of it.
pub(crate) trait Rule: Send {
    /// Rewrites one row; `draft` holds what was copied.
    fn apply<'r>(&mut self, row: &Row<'r>, draft: &mut Draft<'r>, out: &mut Out<'_>);
    /// What was remarkable about all rows.
    fn findings(&self) -> Vec<Finding>;
}

/// Cells of native rows, as ranges of one text.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'c> {
    /// Their ranges.
    pub ranges: &'c [(u32, u32)],
    /// Whether they lie column after column, and not row after row.
    pub by_column: bool,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub rows: usize,
}

/// A native row: its cells, found by position.
pub(crate) struct Row<'r> {
    text: &'r [u8],
    cells: Cells<'r>,
    row: usize,
}

impl<'r> Row<'r> {
    /// A cell, if the column is there and the cell is not null.
    pub fn get(&self, at: Option<usize>) -> Option<&'r [u8]> {
        let cell = self.cell(at?);
        (!super::is_null(cell)).then_some(cell)
    }

    fn cell(&self, at: usize) -> &'r [u8] {
        let Cells {
            ranges,
            by_column,
            width,
            rows,
        } = self.cells;
        let place = if by_column {
            at * rows + self.row
        } else {
            self.row * width + at
        };
        let range = ranges.get(place).map(|(start, end)| *start as usize..*end as usize);
        range.and_then(|range| self.text.get(range)).unwrap_or_default()
    }
}

/// Where rewritten rows go.
pub(crate) struct Out<'o> {
    rows: &'o mut Rows,
    columns: &'o [usize],
    kept: &'o [usize],
    row: &'o Row<'o>,
}

impl Out<'_> {
    /// A row of the bill.
    pub fn row(&mut self, draft: &Draft<'_>) {
        self.rows.push(draft, self.columns, self.row.row);
        if self.rows.copies_kept() {
            self.kept.iter().for_each(|at| self.rows.cell(self.row.cell(*at)));
        }
    }

    /// A row that the bill implies: native columns stay with the row it came from.
    pub fn implied(&mut self, draft: &Draft<'_>) {
        self.rows.imply();
        self.rows.push(draft, self.columns, self.row.row);
        if self.rows.copies_kept() {
            self.kept.iter().for_each(|_| self.rows.cell(b""));
        }
    }
}

/// Rewrites the rows of one file.
pub struct Rewriter {
    headers: Vec<String>,
    /// FOCUS columns written, as positions in [`FOCUS_COLUMNS`].
    columns: Vec<usize>,
    /// Native columns kept, as positions in the file.
    kept: Vec<usize>,
    /// Per FOCUS column written by copying: candidates, as positions in the file.
    copies: Vec<(usize, Vec<usize>)>,
    rule: Box<dyn Rule>,
    origins: Vec<(String, String)>,
}

impl Native {
    /// The rewriter of a file with this header.
    ///
    /// # Errors
    /// One finding per missing or repeated column.
    pub fn rewriter(&self, headers: &[String]) -> Result<Rewriter, Vec<Finding>> {
        match self {
            Native::AwsCur => aws::rewriter(headers),
            Native::Azure(rows) => azure::rewriter(headers, *rows),
            Native::Gcp => gcp::rewriter(headers),
            Native::Oci => oci::rewriter(headers),
            Native::Mapped(mapping) => mapping::rewriter(headers, mapping),
        }
    }
}

impl Rewriter {
    /// Binds a description to a header. `computed` are the FOCUS columns the
    /// rule may set beside the copied ones; `sources` name the native column
    /// behind some of them, for messages.
    pub(crate) fn bind(
        names: &Names,
        fields: &[Field],
        computed: &[&str],
        sources: &[(&str, Option<usize>)],
        is_kept: impl Fn(&str) -> bool,
        rule: Box<dyn Rule>,
    ) -> Rewriter {
        let position = |focus: &str| FOCUS_COLUMNS.iter().position(|column| column.name == focus);
        let mut copies = Vec::new();
        let mut columns: Vec<usize> = computed.iter().filter_map(|focus| position(focus)).collect();
        let mut copied = Vec::new();
        for field in fields {
            let found: Vec<usize> = field.natives.iter().filter_map(|native| names.find(native)).collect();
            if let (Some(column), false) = (position(field.focus), found.is_empty()) {
                // a column that is copied as it is need not be kept twice
                if let ([only], false) = (found.as_slice(), computed.contains(&field.focus)) {
                    copied.push(*only);
                }
                copies.push((column, found));
                columns.push(column);
            }
        }
        columns.sort_unstable();
        columns.dedup();
        let kept: Vec<usize> = (0..names.headers.len())
            .filter(|at| !copied.contains(at) && is_kept(&names.headers[*at]))
            .collect();
        let focus = columns.iter().map(|at| FOCUS_COLUMNS[*at].name.to_owned());
        // a native column of a name that FOCUS has means what the provider meant by it
        let native = kept.iter().map(|at| {
            let name = &names.headers[*at];
            if FOCUS_COLUMNS.iter().any(|column| column.matches(name)) {
                format!("x_native_{name}")
            } else {
                name.clone()
            }
        });
        let copied_from = copies
            .iter()
            .map(|(column, from)| (FOCUS_COLUMNS[*column].name, from.first().copied()));
        let origins = sources.iter().copied().chain(copied_from).filter_map(|(focus, at)| {
            let native = names.headers.get(at?)?;
            Some((focus.to_owned(), native.clone()))
        });
        let origins = origins.collect();
        Rewriter {
            headers: focus.chain(native).collect(),
            columns,
            kept,
            copies,
            rule,
            origins,
        }
    }

    /// The header of the rows that come out.
    #[must_use]
    pub fn headers(&self) -> &[String] {
        &self.headers
    }

    /// The columns that are kept as they are, as positions in the file: they
    /// come behind the others in the header.
    #[must_use]
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// Rewrites rows over a text that their cells are ranges of. Only the
    /// columns in front of the kept ones are written: of the others each row
    /// says whose it keeps ([`Rows::sources`]).
    pub fn block(&mut self, text: &[u8], cells: Cells<'_>, rows: &mut Rows) {
        rows.cells.reserve(cells.rows * self.columns.len());
        let mut draft = Draft::new();
        for row in 0..cells.rows {
            draft.reset();
            let row = Row { text, cells, row };
            for (column, candidates) in &self.copies {
                if let Some(cell) = candidates.iter().find_map(|at| row.get(Some(*at))) {
                    draft.set_at(*column, cell);
                }
            }
            let mut out = Out {
                rows,
                columns: &self.columns,
                kept: &self.kept,
                row: &row,
            };
            self.rule.apply(&row, &mut draft, &mut out);
        }
    }

    /// Rewrites one row of as many cells as the file's header, which are copied.
    pub fn row(&mut self, cells: &[&[u8]], rows: &mut Rows) {
        let mut text = Vec::new();
        let mut ranges = Vec::new();
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        for cell in cells {
            let start = place(text.len());
            text.extend_from_slice(cell);
            ranges.push((start, place(text.len())));
        }
        let cells = Cells {
            ranges: &ranges,
            by_column: false,
            width: cells.len(),
            rows: 1,
        };
        self.block(&text, cells, rows);
    }

    /// What was remarkable about all rows.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.rule.findings()
    }

    /// FOCUS columns, each with the native column it is made from: for messages.
    #[must_use]
    pub fn origins(&self) -> Vec<(String, String)> {
        self.origins.clone()
    }
}
