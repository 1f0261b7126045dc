//! Driver files to values: CSV (also gzipped), Parquet, JSON as lines or as an
//! array. What is wrong is named by file, line and column.

use super::DriversError;
use super::json::{self, JsonError, Objects};
use super::table::{BadCell, Table};
use crate::error::LakeError;
use crate::ingest::text_of;
use crate::scan;
use domain::driver::{Receiver, Value};
use domain::finding::Finding;
use domain::instant::Day;
use polars::prelude::{AnyValue, DataType};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Values of one call; more are too many to hold at once.
const MAX_VALUES: u64 = 20_000_000;
/// Findings of single rows that are kept; the rest is counted.
const MAX_ROW_FINDINGS: usize = 20;
/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 100_000;

/// Values by driver, in order of day and receiver.
pub type DriverValues = BTreeMap<String, Vec<Value>>;

/// What driver files hold.
#[derive(Debug, Default)]
pub struct DriverInput {
    /// The values.
    pub values: DriverValues,
    /// Rows taken.
    pub rows: u64,
    /// Rows refused.
    pub rejected_rows: u64,
    /// What was remarkable.
    pub findings: Vec<Finding>,
}

/// Reads driver files, given by the name the user knows and by path.
///
/// # Errors
/// [`DriversError::Refused`] names file, line, column and remedy.
pub fn read_files(
    files: &[(String, PathBuf)],
    skip_bad_rows: bool,
    progress: &dyn Fn(u64),
) -> Result<DriverInput, DriversError> {
    let mut reading = Reading {
        skip_bad_rows,
        progress,
        values: BTreeMap::new(),
        unclear: BTreeSet::new(),
        repeated: 0,
        input: DriverInput::default(),
        row_findings: Vec::new(),
    };
    for (at, (name, path)) in files.iter().enumerate() {
        let before = reading.input.rows + reading.input.rejected_rows;
        reading.file(Place { files, at }, path)?;
        if reading.input.rows + reading.input.rejected_rows == before {
            let finding = Finding::error("no_rows", "the file has no rows").in_file(name);
            return Err(refused(finding.remedy("export it again, or leave it out")));
        }
    }
    reading.finish()
}

fn refused(finding: Finding) -> DriversError {
    DriversError::Refused(vec![finding])
}

/// A file of the call.
#[derive(Clone, Copy)]
struct Place<'f> {
    files: &'f [(String, PathBuf)],
    at: usize,
}

impl<'f> Place<'f> {
    fn name(self) -> &'f str {
        &self.files[self.at].0
    }

    fn unreadable(self, line: u64, what: String) -> DriversError {
        let finding = Finding::error("unreadable_driver_file", what).in_file(self.name());
        let finding = if line > 0 { finding.at_line(line) } else { finding };
        refused(finding.remedy("export the file again: it must be CSV, JSON or Parquet, and whole"))
    }
}

/// A value with the place it was read from: file and line.
struct Seen {
    unit: String,
    amount: domain::driver::Amount,
    file: usize,
    line: u64,
}

type Key = (Day, Receiver);

struct Reading<'a> {
    skip_bad_rows: bool,
    progress: &'a dyn Fn(u64),
    values: BTreeMap<String, BTreeMap<Key, Seen>>,
    /// Keys with two different values: which is right cannot be told.
    unclear: BTreeSet<(String, Key)>,
    repeated: u64,
    input: DriverInput,
    row_findings: Vec<Finding>,
}

impl Reading<'_> {
    fn file(&mut self, place: Place<'_>, path: &Path) -> Result<(), DriversError> {
        let open = || File::open(path).map_err(LakeError::io("open", path));
        let mut magic = Vec::new();
        open()?
            .take(4)
            .read_to_end(&mut magic)
            .map_err(LakeError::io("read", path))?;
        if magic == *b"PAR1" {
            return self.parquet(place, path);
        }
        if magic.starts_with(b"PK") {
            return Err(place.unreadable(0, "is a zip archive, or a workbook".to_owned()));
        }
        let mut reader: Box<dyn BufRead> = if magic.starts_with(&[0x1f, 0x8b]) {
            let unzipped = flate2::read::MultiGzDecoder::new(open()?);
            Box::new(BufReader::with_capacity(1 << 18, unzipped))
        } else {
            Box::new(BufReader::with_capacity(1 << 18, open()?))
        };
        let start = reader
            .fill_buf()
            .map_err(|error| place.unreadable(0, error.to_string()))?;
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
        match first {
            Some(b'{' | b'[') => self.json(place, reader),
            _ => self.csv(place, reader),
        }
    }

    fn csv(&mut self, place: Place<'_>, reader: impl Read) -> Result<(), DriversError> {
        let mut csv = csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .from_reader(reader);
        let mut record = csv::StringRecord::new();
        let mut table = None;
        loop {
            let more = csv.read_record(&mut record).map_err(|error| {
                let line = error.position().map_or(0, csv::Position::line);
                place.unreadable(line, error.to_string())
            })?;
            if !more {
                return Ok(());
            }
            let cells: Vec<&str> = record.iter().collect();
            match &table {
                None => table = Some(bind(place, &cells, 1)?),
                Some(table) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    self.row(place, line, table.read(&cells))?;
                }
            }
        }
    }

    fn json(&mut self, place: Place<'_>, reader: impl BufRead) -> Result<(), DriversError> {
        let mut objects = Objects::new(reader);
        let mut bound: Option<(Vec<String>, Table)> = None;
        loop {
            let next = objects.next().map_err(|error| match error {
                JsonError::Io(error) => place.unreadable(0, error.to_string()),
                JsonError::Text { line, what } => place.unreadable(line, what),
            })?;
            let Some((line, object)) = next else { return Ok(()) };
            let record = json::record(&object).map_err(|what| place.unreadable(line, what))?;
            let (names, cells): (Vec<String>, Vec<String>) = record.into_iter().unzip();
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            // records of one kind are bound once
            let table = match &mut bound {
                Some((known, table)) if *known == names => table,
                other => {
                    let header: Vec<&str> = names.iter().map(String::as_str).collect();
                    let table = bind(place, &header, line)?;
                    &mut other.insert((names, table)).1
                }
            };
            self.row(place, line, table.read(&cells))?;
        }
    }

    fn parquet(&mut self, place: Place<'_>, path: &Path) -> Result<(), DriversError> {
        let name = place.name();
        let broken = |error: LakeError| match error {
            LakeError::Parquet { source, .. } => {
                place.unreadable(0, format!("is no Parquet file that can be read: {source}"))
            }
            error => error.into(),
        };
        let schema = scan::schema(path, name).map_err(broken)?;
        let header: Vec<String> = schema.iter_names().map(ToString::to_string).collect();
        let names: Vec<&str> = header.iter().map(String::as_str).collect();
        let table = bind(place, &names, 1)?;
        if matches!(schema.get("value"), Some(DataType::Float32 | DataType::Float64)) {
            let what = "the values are binary floats; the shortest decimal of each is taken";
            let finding = Finding::info("driver_values_are_floats", what).in_file(name);
            self.input
                .findings
                .push(finding.in_column("value").remedy("export them as decimals to be exact"));
        }
        let mut line = 0;
        let read = scan::batches(path, name, &header, |frame| {
            let columns: Vec<_> = frame
                .columns()
                .iter()
                .map(|column| column.as_materialized_series())
                .collect();
            for row in 0..frame.height() {
                line += 1;
                let cell = |value: Result<AnyValue<'_>, _>| value.map_or_else(|_| String::new(), |v| text_of(&v));
                let cells: Vec<String> = columns.iter().map(|column| cell(column.get(row))).collect();
                let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
                self.row(place, line, table.read(&cells))?;
            }
            Ok::<(), DriversError>(())
        });
        read.map_err(|error| match error {
            DriversError::Lake(error) => broken(error),
            error => error,
        })
    }

    fn row(&mut self, place: Place<'_>, line: u64, read: Result<(&str, Value), BadCell>) -> Result<(), DriversError> {
        match read {
            Ok((driver, value)) => self.keep(place, line, driver, value),
            Err(bad) => self.reject(place, line, bad),
        }
        let rows = self.input.rows + self.input.rejected_rows;
        if rows.is_multiple_of(PROGRESS_ROWS) {
            (self.progress)(rows);
        }
        if rows > MAX_VALUES {
            let finding = Finding::error("too_many_rows", format!("the call has more than {MAX_VALUES} rows"));
            return Err(refused(finding.in_file(place.name()).remedy(
                "deliver a month at a time; a driver has one value a day and receiver",
            )));
        }
        Ok(())
    }

    fn keep(&mut self, place: Place<'_>, line: u64, driver: &str, value: Value) {
        let key = (value.day, value.receiver);
        if !self.values.contains_key(driver) {
            self.values.insert(driver.to_owned(), BTreeMap::new());
        }
        let Some(values) = self.values.get_mut(driver) else {
            return;
        };
        let unclear = !self.unclear.is_empty() && self.unclear.contains(&(driver.to_owned(), key.clone()));
        match values.get(&key) {
            None => {
                let (unit, amount, file) = (value.unit, value.amount, place.at);
                values.insert(
                    key,
                    Seen {
                        unit,
                        amount,
                        file,
                        line,
                    },
                );
                self.input.rows += 1;
            }
            Some(seen) if seen.unit == value.unit && seen.amount == value.amount && !unclear => {
                self.repeated += 1;
                self.input.rows += 1;
            }
            Some(seen) => {
                let first = format!("{} line {}", place.files[seen.file].0, seen.line);
                let what = format!(
                    "driver {driver} of {} on {} has another value in {first}: {} {}",
                    key.1, key.0, seen.amount, seen.unit
                );
                self.unclear.insert((driver.to_owned(), key));
                self.reject(place, line, ("value".to_owned(), what));
            }
        }
    }

    fn reject(&mut self, place: Place<'_>, line: u64, (column, message): BadCell) {
        self.input.rejected_rows += 1;
        if self.row_findings.len() >= MAX_ROW_FINDINGS {
            return;
        }
        let finding = if self.skip_bad_rows {
            Finding::warning("bad_driver_row", message).remedy("the row was left out; correct it and ingest it again")
        } else {
            Finding::error("bad_driver_row", message)
                .remedy("correct the export, or keep the other rows with --on-error quarantine")
        };
        let finding = finding.in_file(place.name()).at_line(line);
        self.row_findings.push(if column.is_empty() {
            finding
        } else {
            finding.in_column(column)
        });
    }

    fn finish(mut self) -> Result<DriverInput, DriversError> {
        if !self.row_findings.is_empty() && !self.skip_bad_rows {
            return Err(DriversError::Refused(self.row_findings));
        }
        for (driver, key) in std::mem::take(&mut self.unclear) {
            // neither of two values is known to be right, so there is none
            if let Some(values) = self.values.get_mut(&driver)
                && values.remove(&key).is_some()
            {
                self.input.rows -= 1;
                self.input.rejected_rows += 1;
            }
        }
        let mut input = self.input;
        let value = |((day, receiver), seen): (Key, Seen)| Value {
            day,
            receiver,
            unit: seen.unit,
            amount: seen.amount,
        };
        for (driver, values) in self.values {
            if !values.is_empty() {
                input.values.insert(driver, values.into_iter().map(value).collect());
            }
        }
        if input.values.is_empty() {
            let nothing = Finding::error("no_good_rows", "no row could be taken");
            return Err(DriversError::Refused(
                self.row_findings.into_iter().chain([nothing]).collect(),
            ));
        }
        input.findings.extend(self.row_findings);
        if self.repeated > 0 {
            let what = "values that are there twice, alike, count once";
            input
                .findings
                .push(Finding::info("repeated_driver_values", what).times(self.repeated));
        }
        Ok(input)
    }
}

fn bind(place: Place<'_>, header: &[&str], line: u64) -> Result<Table, DriversError> {
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    Table::bind(&header).map_err(|finding| refused((*finding).in_file(place.name()).at_line(line)))
}
