//! Splits CSV text into records without copying cells: a block holds whole
//! records and the ranges of their cells. Written here rather than taken from a
//! library because it must know the line of every record, refuse an unclosed
//! quote and a NUL, and never hold more than one overlong record.

use memchr::{memchr, memchr_iter, memchr3};
use std::io::{self, Read};
use std::sync::Arc;

/// Bytes of input in a block, unless one record is longer: as many as fit the
/// nearer caches of a processor, with their cells.
const BLOCK_BYTES: usize = 1 << 20;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Range of a cell in its block.
pub(crate) type Cell = (u32, u32);

/// A row with another number of cells than the header, or with text after a
/// closing quote.
#[derive(Debug)]
pub(crate) struct Ragged {
    /// Line where it starts.
    pub line: u64,
    /// Its cells.
    pub cells: Vec<Cell>,
    /// Cells it should have.
    pub expected: usize,
    /// Position of the first cell that goes on after its closing quote.
    pub after_quote: Option<usize>,
}

/// Whole records of one file.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The text; bytes from `used` on mean nothing.
    pub data: Vec<u8>,
    /// End of the text.
    pub used: usize,
    /// Cells of the rows that have as many as the header.
    pub cells: Vec<Cell>,
    /// Whether they lie column after column, and not row after row.
    pub by_column: bool,
    /// Line where each such row starts.
    pub lines: Vec<u64>,
    /// Rows that cannot be read as the header says.
    pub ragged: Vec<Ragged>,
    /// Cells of a row, without those that were kept.
    pub width: usize,
    /// Columns behind these that were kept as they are.
    pub kept: Option<Kept>,
    /// Whether cells of the same text often lie in the same place.
    pub shares: bool,
}

/// Columns of a block that a rewriter left alone.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Cells of the rows that were rewritten.
    pub cells: Vec<Cell>,
    /// Whether they lie column after column.
    pub by_column: bool,
    /// Columns of the rewritten rows, and how many they were.
    pub width: usize,
    pub rows: usize,
    /// The columns that are kept, of these.
    pub columns: Arc<[usize]>,
    /// Which row each row was made of; `None` where it keeps nothing of it.
    pub sources: Option<Vec<Option<u32>>>,
}

/// The cells of one column of a block.
#[derive(Clone, Copy)]
pub(crate) struct Column<'b> {
    cells: &'b [Cell],
    first: usize,
    step: usize,
    sources: Option<&'b [Option<u32>]>,
}

impl<'b> Column<'b> {
    fn new(cells: &'b [Cell], by_column: bool, at: usize, width: usize, rows: usize) -> Column<'b> {
        let (first, step) = if by_column { (at * rows, 1) } else { (at, width) };
        Column {
            cells,
            first,
            step,
            sources: None,
        }
    }

    /// The cell of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Cell {
        let row = match self.sources {
            None => row,
            Some(sources) => match sources[row] {
                Some(source) => source as usize,
                None => return (0, 0),
            },
        };
        self.cells[self.first + row * self.step]
    }
}

impl Block {
    /// A column.
    pub fn column(&self, at: usize) -> Column<'_> {
        match (at.checked_sub(self.width), &self.kept) {
            (Some(behind), Some(kept)) => Column {
                sources: kept.sources.as_deref(),
                ..Column::new(&kept.cells, kept.by_column, kept.columns[behind], kept.width, kept.rows)
            },
            _ => Column::new(&self.cells, self.by_column, at, self.width, self.rows()),
        }
    }

    /// All columns.
    pub fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        let kept = self.kept.as_ref().map_or(0, |kept| kept.columns.len());
        (0..self.width + kept).map(|at| self.column(at))
    }

    /// Rows that have as many cells as the header.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The bytes of a range.
    #[inline]
    pub fn bytes(&self, cell: Cell) -> &[u8] {
        &self.data[cell.0 as usize..cell.1 as usize]
    }

    /// Adds a cell to the row that is being made.
    pub fn push(&mut self, cell: &[u8]) {
        let start = self.data.len();
        self.data.extend_from_slice(cell);
        self.cells.push(range(start, self.data.len()));
    }

    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.used = 0;
        self.cells.clear();
        self.lines.clear();
        self.ragged.clear();
        self.kept = None;
        (self.by_column, self.shares) = (false, false);
    }
}

/// Why a file cannot be split.
#[derive(Debug)]
pub(crate) enum SplitError {
    /// Reading or unpacking failed.
    Io(io::Error),
    /// A record longer than allowed starts at this line.
    TooLong(u64),
    /// A quoted cell of the record that starts at this line never ends.
    UnclosedQuote(u64),
    /// A NUL byte in this line.
    Nul(u64),
    /// No header.
    Empty,
    /// The header, in this line, is not UTF-8.
    NotText(u64),
    /// A name of the header, in this line and at this position, goes on after
    /// its closing quote.
    AfterQuote(u64, usize),
}

impl From<io::Error> for SplitError {
    fn from(error: io::Error) -> SplitError {
        SplitError::Io(error)
    }
}

/// Splits one file.
pub(crate) struct Splitter<R> {
    input: R,
    data: Vec<u8>,
    filled: usize,
    at: usize,
    eof: bool,
    line: u64,
    width: usize,
    max_record: usize,
    delimiter: u8,
    escapes: Vec<(usize, usize)>,
}

/// One step of the scan.
enum Step {
    /// A record: where the next starts, newlines inside it, and its first cell
    /// that goes on after its closing quote.
    Record {
        next: usize,
        newlines: u64,
        after_quote: Option<usize>,
    },
    /// A blank line.
    Blank { next: usize },
    /// The block ends inside a record.
    More,
    /// The file ends inside quotes.
    Unclosed,
}

impl<R: Read> Splitter<R> {
    /// A splitter that takes records of at most `max_record` bytes.
    pub fn new(input: R, max_record: usize) -> Splitter<R> {
        // ranges are 32 bits wide
        let max_record = max_record.clamp(1, 1 << 30);
        Splitter {
            input,
            data: Vec::new(),
            filled: 0,
            at: 0,
            eof: false,
            line: 1,
            width: 0,
            max_record,
            delimiter: b',',
            escapes: Vec::new(),
        }
    }

    /// The same for cells that are separated by something else than commas.
    pub fn separated_by(mut self, delimiter: u8) -> Splitter<R> {
        self.delimiter = delimiter;
        self
    }

    /// Longest record taken, in bytes.
    pub fn max_record(&self) -> usize {
        self.max_record
    }

    /// Reads the header: the first line that is not blank.
    pub fn header(&mut self) -> Result<Vec<String>, SplitError> {
        let mut cells = Vec::new();
        self.fill(BLOCK_BYTES)?;
        if self.data[..self.filled].starts_with(BOM) {
            self.at = BOM.len();
        }
        loop {
            cells.clear();
            self.escapes.clear();
            match split(
                &self.data[..self.filled],
                self.delimiter,
                self.at,
                self.eof,
                &mut cells,
                &mut self.escapes,
            ) {
                Step::Blank { next } => {
                    self.at = next;
                    self.line += 1;
                }
                Step::Record {
                    next,
                    newlines,
                    after_quote,
                } => {
                    self.check_length(next - self.at)?;
                    if let Some(cell) = after_quote {
                        return Err(SplitError::AfterQuote(self.line, cell));
                    }
                    unescape(&mut self.data, &mut cells, &self.escapes);
                    let names = cells.iter().map(|cell| {
                        std::str::from_utf8(&self.data[cell.0 as usize..cell.1 as usize]).map(str::to_owned)
                    });
                    let names: Vec<String> = names
                        .collect::<Result<_, _>>()
                        .map_err(|_| SplitError::NotText(self.line))?;
                    self.at = next;
                    self.line += newlines + 1;
                    self.width = names.len();
                    return Ok(names);
                }
                Step::More => self.more()?,
                Step::Unclosed => return Err(SplitError::UnclosedQuote(self.line)),
            }
            if self.eof && self.at == self.filled {
                return Err(SplitError::Empty);
            }
        }
    }

    /// The next records, or `None` at the end. `block` gives its memory.
    pub fn next_block(&mut self, mut block: Block) -> Result<Option<Block>, SplitError> {
        block.clear();
        block.width = self.width;
        loop {
            if !self.eof && self.filled - self.at < BLOCK_BYTES / 2 {
                self.shift();
                self.fill(BLOCK_BYTES)?;
            }
            self.split_all(&mut block)?;
            if !block.lines.is_empty() || !block.ragged.is_empty() {
                break;
            }
            if self.eof {
                return Ok(None);
            }
            self.more()?;
        }
        // the block takes the text, what is left of it starts the next one
        let rest = self.data[self.at..self.filled].to_vec();
        block.used = self.at;
        std::mem::swap(&mut block.data, &mut self.data);
        if self.data.len() < rest.len() {
            self.data.resize(rest.len(), 0);
        }
        self.data[..rest.len()].copy_from_slice(&rest);
        self.filled = rest.len();
        self.at = 0;
        Ok(Some(block))
    }

    /// Splits every whole record that is in memory.
    fn split_all(&mut self, block: &mut Block) -> Result<(), SplitError> {
        loop {
            let first = block.cells.len();
            self.escapes.clear();
            match split(
                &self.data[..self.filled],
                self.delimiter,
                self.at,
                self.eof,
                &mut block.cells,
                &mut self.escapes,
            ) {
                Step::Blank { next } => {
                    if next == self.at {
                        return Ok(()); // end of file
                    }
                    self.at = next;
                    self.line += 1;
                }
                Step::Record {
                    next,
                    newlines,
                    after_quote,
                } => {
                    self.check_length(next - self.at)?;
                    if !self.escapes.is_empty() {
                        unescape(&mut self.data, &mut block.cells, &self.escapes);
                    }
                    let after_quote = after_quote.map(|cell| cell - first);
                    if block.cells.len() - first == self.width && after_quote.is_none() {
                        block.lines.push(self.line);
                    } else {
                        block.ragged.push(Ragged {
                            line: self.line,
                            expected: self.width,
                            cells: block.cells.split_off(first),
                            after_quote,
                        });
                    }
                    self.at = next;
                    self.line += newlines + 1;
                }
                Step::More => {
                    block.cells.truncate(first);
                    return self.check_length(self.filled - self.at);
                }
                Step::Unclosed => return Err(SplitError::UnclosedQuote(self.line)),
            }
        }
    }

    fn check_length(&self, bytes: usize) -> Result<(), SplitError> {
        if bytes > self.max_record {
            Err(SplitError::TooLong(self.line))
        } else {
            Ok(())
        }
    }

    /// More text for a record that is not whole yet: twice as much as there is.
    fn more(&mut self) -> Result<(), SplitError> {
        self.check_length(self.filled - self.at)?;
        self.shift();
        self.fill((self.filled * 2).min(self.max_record + 1).max(BLOCK_BYTES))
    }

    /// Drops what was split already.
    fn shift(&mut self) {
        self.data.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        self.at = 0;
    }

    /// Reads until `target` bytes are in memory or the file ends.
    fn fill(&mut self, target: usize) -> Result<(), SplitError> {
        if self.data.len() < target {
            self.data.resize(target, 0);
        }
        let before = self.filled;
        while self.filled < target && !self.eof {
            match self.input.read(&mut self.data[self.filled..target]) {
                Ok(0) => self.eof = true,
                Ok(count) => self.filled += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        if let Some(nul) = memchr(0, &self.data[before..self.filled]) {
            let newlines = memchr_iter(b'\n', &self.data[self.at..before + nul]).count();
            return Err(SplitError::Nul(self.line + newlines as u64));
        }
        Ok(())
    }
}

pub(crate) fn range(start: usize, end: usize) -> Cell {
    // blocks are at most 2^30 bytes and one block long, so this never saturates
    (
        u32::try_from(start).unwrap_or(u32::MAX),
        u32::try_from(end).unwrap_or(u32::MAX),
    )
}

/// Scans one record. Cells with quotes to undo are noted as (cell, closing quote).
#[inline]
fn split(
    text: &[u8],
    delimiter: u8,
    start: usize,
    eof: bool,
    cells: &mut Vec<Cell>,
    escapes: &mut Vec<(usize, usize)>,
) -> Step {
    let mut at = start;
    let mut newlines = 0u64;
    let mut after_quote = None;
    let record = |next, newlines, after_quote| Step::Record {
        next,
        newlines,
        after_quote,
    };
    match text.get(at) {
        None => return if eof { Step::Blank { next: at } } else { Step::More },
        Some(b'\n') => return Step::Blank { next: at + 1 },
        Some(b'\r') => match text.get(at + 1) {
            None if !eof => return Step::More,
            Some(b'\n') => return Step::Blank { next: at + 2 },
            _ => return Step::Blank { next: at + 1 },
        },
        Some(_) => {}
    }
    loop {
        let cell_start = at;
        let mut closing = None;
        if text.get(at) == Some(&b'"') {
            let mut from = at + 1;
            let mut doubled = false;
            loop {
                let Some(found) = memchr(b'"', &text[from..]) else {
                    return if eof { Step::Unclosed } else { Step::More };
                };
                let quote = from + found;
                match text.get(quote + 1) {
                    None if !eof => return Step::More,
                    Some(b'"') => {
                        doubled = true;
                        from = quote + 2;
                    }
                    _ => {
                        newlines += memchr_iter(b'\n', &text[at + 1..quote]).count() as u64;
                        closing = Some((quote, doubled));
                        at = quote + 1;
                        break;
                    }
                }
            }
        }
        let end = match memchr3(delimiter, b'\n', b'\r', &text[at..]) {
            Some(found) => at + found,
            None if eof => text.len(),
            None => return Step::More,
        };
        match closing {
            None => cells.push(range(cell_start, end)),
            // nothing to undo but the quotes around it
            Some((quote, false)) if quote + 1 == end => cells.push(range(cell_start + 1, quote)),
            // a parser that drops a quote, or what follows it, reads "10"5 as 105 or as 10
            Some((quote, _)) if quote + 1 != end => {
                after_quote.get_or_insert(cells.len());
                cells.push(range(cell_start, end));
            }
            Some((quote, _)) => {
                escapes.push((cells.len(), quote));
                cells.push(range(cell_start + 1, end));
            }
        }
        match text.get(end) {
            Some(found) if *found == delimiter => at = end + 1,
            Some(b'\r') => match text.get(end + 1) {
                None if !eof => return Step::More,
                Some(b'\n') => return record(end + 2, newlines, after_quote),
                _ => return record(end + 1, newlines, after_quote),
            },
            Some(_) => return record(end + 1, newlines, after_quote),
            None => return record(end, newlines, after_quote),
        }
    }
}

/// Undoes doubled quotes in place. What is left over is blanked, so that the
/// block stays UTF-8 if it was.
fn unescape(data: &mut [u8], cells: &mut [Cell], escapes: &[(usize, usize)]) {
    for &(index, closing) in escapes {
        let (start, end) = (cells[index].0 as usize, cells[index].1 as usize);
        let mut write = start;
        let mut read = start;
        while read < end {
            if read == closing {
                read += 1;
                continue;
            }
            data[write] = data[read];
            write += 1;
            // inside the quotes every quote is the first of two
            read += if data[read] == b'"' && read < closing { 2 } else { 1 };
        }
        data[write..end].fill(b' ');
        cells[index] = range(start, write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Row = (u64, Vec<String>);
    /// A text, and the line and cells of its records.
    type Shape = (&'static str, &'static [(u64, &'static [&'static str])]);

    fn all(text: &[u8], max: usize) -> Result<Vec<Row>, SplitError> {
        let mut splitter = Splitter::new(text, max);
        let mut rows = vec![(1, splitter.header()?)];
        let mut block = Block::default();
        while let Some(next) = splitter.next_block(block)? {
            let text = |cell: Cell| String::from_utf8_lossy(next.bytes(cell)).into_owned();
            let mut found: Vec<Row> = (0..next.rows())
                .map(|row| {
                    (
                        next.lines[row],
                        (0..next.width)
                            .map(|c| text(next.cells[row * next.width + c]))
                            .collect(),
                    )
                })
                .collect();
            found.extend(
                next.ragged
                    .iter()
                    .map(|row| (row.line, row.cells.iter().map(|c| text(*c)).collect())),
            );
            found.sort_by_key(|(line, _)| *line);
            rows.extend(found);
            block = next;
        }
        Ok(rows)
    }

    #[test]
    fn shapes_of_records() {
        let cases: &[Shape] = &[
            ("a,b\n1,2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]),
            (
                "\u{feff}a,b\r\n1,2\r\n\r\n3,4",
                &[(1, &["a", "b"]), (2, &["1", "2"]), (4, &["3", "4"])],
            ),
            (
                "a,b\n\n\n\"x\ny\",\"q \"\"z\"\"\"\n5,6\n",
                &[(1, &["a", "b"]), (4, &["x\ny", "q \"z\""]), (6, &["5", "6"])],
            ),
            (
                "a,b\n1\n1,2,3\n,\n",
                &[(1, &["a", "b"]), (2, &["1"]), (3, &["1", "2", "3"]), (4, &["", ""])],
            ),
            ("a,b\n\"é\"\"é\",\"\"\n", &[(1, &["a", "b"]), (2, &["é\"é", ""])]),
            ("a,b\n\"x\"y,p\"q\n", &[(1, &["a", "b"]), (2, &["\"x\"y", "p\"q"])]),
            ("a,b\r1,2\r", &[(1, &["a", "b"]), (2, &["1", "2"])]),
            ("a,b", &[(1, &["a", "b"])]),
            ("a,b\n1,", &[(1, &["a", "b"]), (2, &["1", ""])]),
        ];
        for (text, expect) in cases {
            let rows = all(text.as_bytes(), 1 << 20).expect(text);
            let expect: Vec<Row> = expect
                .iter()
                .map(|(line, cells)| (*line, cells.iter().map(|c| (*c).to_owned()).collect()))
                .collect();
            assert_eq!(rows, expect, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_split() {
        assert!(matches!(all(b"", 99), Err(SplitError::Empty)));
        assert!(matches!(all(b"\n\n", 99), Err(SplitError::Empty)));
        assert!(matches!(
            all(b"a,b\n1,2\n3,\"4\n", 99),
            Err(SplitError::UnclosedQuote(3))
        ));
        assert!(matches!(all(b"a,b\n1,2\n3,\0\n", 99), Err(SplitError::Nul(3))));
        assert!(matches!(all(b"\na,\xff\n1,2\n", 99), Err(SplitError::NotText(2))));
        assert!(matches!(all(b"a,\"b\"c\n1,2\n", 99), Err(SplitError::AfterQuote(1, 1))));
        let long = format!("a,b\n1,2\n3,{}\n", "x".repeat(200));
        assert!(matches!(all(long.as_bytes(), 100), Err(SplitError::TooLong(3))));
        assert!(all(long.as_bytes(), 300).is_ok());
    }

    #[test]
    fn text_after_a_closing_quote_is_told_by_row_and_cell() {
        let text = b"a,b\n1,2\n3,\"10\"5\n\"p\" ,\"q\"x\n\"y\",\"\"\"z\"\n1,2,\"3\"4\n5,6\" \"7\n";
        let mut splitter = Splitter::new(&text[..], 99);
        splitter.header().expect("header");
        let block = splitter.next_block(Block::default()).expect("splits").expect("rows");
        let found: Vec<_> = block.ragged.iter().map(|row| (row.line, row.after_quote)).collect();
        assert_eq!(found, [(3, Some(1)), (4, Some(0)), (6, Some(2))]);
        assert_eq!(block.lines, [2, 5, 7]);
    }

    #[test]
    fn memory_is_bounded_by_the_record_limit() {
        let endless = io::repeat(b'x').take(1 << 30);
        let mut splitter = Splitter::new(Read::chain(&b"a,b\n\""[..], endless), 1 << 16);
        splitter.header().expect("header");
        assert!(matches!(
            splitter.next_block(Block::default()),
            Err(SplitError::TooLong(2))
        ));
        assert!(splitter.data.len() <= BLOCK_BYTES);
    }

    /// Gives a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(into.len()).min(self.0.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn records_that_span_blocks() {
        let mut text = String::from("a,b\n");
        for n in 0..40_000 {
            text.push_str(&format!("{n},\"{}\n\"\"{n}\"\"\"\n", "x".repeat(n % 700)));
        }
        assert!(text.len() > BLOCK_BYTES);
        let mut splitter = Splitter::new(Trickle(text.as_bytes(), 65_537), 1 << 20);
        splitter.header().expect("header");
        let (mut row, mut block) = (0, Block::default());
        while let Some(next) = splitter.next_block(block).expect("splits") {
            for at in 0..next.rows() {
                assert_eq!(next.lines[at], 2 + 2 * row as u64);
                assert_eq!(next.bytes(next.column(0).get(at)), row.to_string().as_bytes());
                assert_eq!(
                    next.bytes(next.column(1).get(at)),
                    format!("{}\n\"{row}\"", "x".repeat(row % 700)).as_bytes()
                );
                row += 1;
            }
            block = next;
        }
        assert_eq!(row, 40_000);
    }

    proptest! {
        /// The same cells as the `csv` crate, for any text without NUL and lone quotes.
        #[test]
        fn splits_as_the_csv_crate_does(rows in prop::collection::vec(prop::collection::vec("[a-c,\"\n\r é]{0,6}", 3), 1..8), crlf: bool) {
            let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
            writer.write_record(["h1", "h2", "h3"]).expect("writes");
            for row in &rows {
                writer.write_record(row).expect("writes");
            }
            let text = writer.into_inner().expect("text");
            let cells: Vec<Vec<String>> = all(&text, 1 << 20).expect("splits").into_iter().skip(1).map(|(_, cells)| cells).collect();
            prop_assert_eq!(cells, rows);
        }
    }
}
