//! Ingest of usage files: rows to facts by cluster and day, written to the lake
//! merged with what it has of these days. Nothing counts before the manifest
//! names it.

use super::archive;
use super::merge::{Merged, merge};
use super::payload::Payloads;
use super::pending::{DayKey, Pending};
use super::remarks::{self, Remarks};
use super::samples::Samples;
use super::table::{BadCell, Fact, Table, UsageKind};
use super::{UsageFile, read_day, write_day};
use crate::error::LakeError;
use crate::object::Lake;
use crate::scan;
use domain::finding::{Finding, Severity};
use domain::instant::Day;
use domain::usage::ClusterDay;
use polars::prelude::DataType;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

mod input;
mod unpack;

use input::{csv_row, open, unreadable};

/// Rows held before the days touched so far are written.
const FLUSH_ROWS: usize = 2_000_000;
/// Days written at the same time.
const WRITERS: usize = 4;
/// The column of a bad cell that is a whole row.
const WHOLE_ROW: &str = "row";
/// Findings of single rows that are kept; the rest is counted.
const MAX_ROW_FINDINGS: usize = 20;

/// Usage files to take in.
pub struct UsageRequest<'a> {
    /// Files, by the name the user knows and by path: CSV (also gzipped) or Parquet.
    pub files: &'a [(String, PathBuf)],
    /// Keep the good rows of a file with bad ones.
    pub skip_bad_rows: bool,
    /// What the manifest has of a cluster's day.
    pub known: &'a dyn Fn(&str, Day) -> Option<UsageFile>,
}

/// How far an ingest is.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsageProgress {
    /// Rows read.
    pub rows: u64,
}

/// What an ingest wrote.
#[derive(Debug, Default)]
pub struct StagedUsage {
    /// Days, merged, in order.
    pub days: Vec<UsageFile>,
    /// Rows taken.
    pub rows: u64,
    /// Rows refused.
    pub rejected_rows: u64,
    /// What was remarkable.
    pub findings: Vec<Finding>,
}

/// Why usage was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// Bad input; each finding says where and what to do.
    #[error("{}", .0.first().map_or_else(String::new, ToString::to_string))]
    Refused(Vec<Finding>),
    /// The machinery.
    #[error(transparent)]
    Lake(#[from] LakeError),
}

/// Reads usage files and writes the days they touch, merged with the known ones.
///
/// # Errors
/// [`UsageError::Refused`] names file, line, column and remedy; nothing is named then.
pub fn ingest_usage(
    lake: &Lake,
    request: &UsageRequest<'_>,
    progress: &dyn Fn(UsageProgress),
) -> Result<StagedUsage, UsageError> {
    let mut stage = Stage {
        lake,
        request,
        progress,
        pending: BTreeMap::new(),
        pending_rows: 0,
        written: BTreeMap::new(),
        staged: StagedUsage::default(),
        row_findings: Vec::new(),
        samples: Samples::default(),
        payloads: Payloads::default(),
        merged: Merged::default(),
        remarks: BTreeMap::new(),
    };
    for (name, path) in request.files {
        let before = stage.staged.rows;
        let is_archive = stage.file(name, path)?;
        // some reports of an archive may well be empty
        if stage.staged.rows == before && stage.row_findings.is_empty() && !is_archive {
            return Err(UsageError::Refused(vec![
                Finding::error("no_rows", "the file has no rows")
                    .in_file(name)
                    .remedy("export it again, or leave it out"),
            ]));
        }
    }
    stage.settle_payloads()?;
    stage.settle_samples()?;
    stage.flush()?;
    stage.finish()
}

/// Writes days of facts from a collector, merged with the known ones.
///
/// # Errors
/// When a file cannot be read or written.
pub fn stage_days(
    lake: &Lake,
    days: Vec<ClusterDay>,
    known: &dyn Fn(&str, Day) -> Option<UsageFile>,
) -> Result<StagedUsage, LakeError> {
    let mut staged = StagedUsage::default();
    let mut remarks: BTreeMap<String, Remarks> = BTreeMap::new();
    for day in days {
        let key = (day.cluster.clone(), day.day);
        staged.rows += day.slots.iter().map(|(_, hours)| hours.len() as u64).sum::<u64>();
        staged.rows += day.nodes.iter().map(|(_, hours)| hours.len() as u64).sum::<u64>();
        staged.rows += day.volumes.iter().map(|day| day.hours.len() as u64).sum::<u64>();
        staged.rows += day.balancers.iter().map(|day| day.hours.len() as u64).sum::<u64>();
        let written = merge_and_write(lake, day, known(&key.0, key.1))?;
        staged.days.push(written.file);
        remarks::plus(remarks.entry(key.0).or_default(), &written.remarks);
    }
    for (cluster, remarks) in &remarks {
        staged.findings.extend(remarks::findings(cluster, remarks));
    }
    Ok(staged)
}

struct Stage<'a> {
    lake: &'a Lake,
    request: &'a UsageRequest<'a>,
    progress: &'a dyn Fn(UsageProgress),
    pending: BTreeMap<DayKey, Pending>,
    pending_rows: usize,
    written: BTreeMap<DayKey, UsageFile>,
    staged: StagedUsage,
    row_findings: Vec<Finding>,
    samples: Samples,
    payloads: Payloads,
    merged: Merged,
    /// Of each day as it was last written.
    remarks: BTreeMap<DayKey, Remarks>,
}

/// The subject of the row before, so that its texts are read once.
struct Last {
    cells: Vec<String>,
    key: DayKey,
    at: usize,
}

impl Stage<'_> {
    /// Takes a file; tells whether it was an archive.
    fn file(&mut self, name: &str, path: &Path) -> Result<bool, UsageError> {
        let mut magic = [0u8; 4];
        let mut file = File::open(path).map_err(LakeError::io("open", path))?;
        let read = file.read(&mut magic).map_err(LakeError::io("read", path))?;
        if magic[..read] == *b"PAR1" {
            return self.parquet(name, path).map(|()| false);
        }
        let mut reader = open(path)?;
        let mut head = Vec::new();
        let begin = reader.by_ref().take(512).read_to_end(&mut head);
        begin.map_err(|error| unreadable(name, &error))?;
        if archive::is_tar(&head) {
            return self.payload(name, path).map(|()| true);
        }
        self.csv(name, head.as_slice().chain(reader)).map(|()| false)
    }

    fn csv(&mut self, name: &str, reader: impl Read) -> Result<(), UsageError> {
        let mut csv = csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .from_reader(reader);
        let mut record = csv::StringRecord::new();
        let mut rows = csv_row(&mut csv, &mut record, name)?
            .then(|| Rows::bind(name, &record))
            .transpose()?;
        let Some(rows) = &mut rows else {
            return Ok(());
        };
        while csv_row(&mut csv, &mut record, name)? {
            let line = record.position().map_or(0, csv::Position::line);
            let cells: Vec<&str> = record.iter().collect();
            self.row(rows, line, &cells)?;
        }
        Ok(())
    }

    fn parquet(&mut self, name: &str, path: &Path) -> Result<(), UsageError> {
        self.parquet_rows(name, path).map_err(|error| match error {
            // a file of the user that is no Parquet is bad input, not a broken machine
            UsageError::Lake(LakeError::Parquet { source, .. }) => {
                let finding = Finding::error(
                    "unreadable_usage_file",
                    format!("is no Parquet file that can be read: {source}"),
                );
                UsageError::Refused(vec![finding.in_file(name).remedy("export the file again")])
            }
            error => error,
        })
    }

    fn parquet_rows(&mut self, name: &str, path: &Path) -> Result<(), UsageError> {
        let schema = scan::schema(path, name)?;
        let header: Vec<String> = schema.iter_names().map(ToString::to_string).collect();
        let table = Table::bind(&header).map_err(|finding| UsageError::Refused(vec![(*finding).in_file(name)]))?;
        let mut rows = Rows {
            name,
            table,
            last: None,
        };
        let mut line = 0;
        scan::batches(path, name, &header, |frame| {
            let texts = frame.columns().iter().map(|column| column.cast(&DataType::String));
            let texts: Vec<_> = texts
                .collect::<Result<_, _>>()
                .map_err(LakeError::parquet("read", name))?;
            let columns: Vec<_> = texts.iter().map(|column| column.str().ok()).collect();
            for row in 0..frame.height() {
                line += 1;
                let cells: Vec<&str> = columns
                    .iter()
                    .map(|column| column.and_then(|column| column.get(row)).unwrap_or(""))
                    .collect();
                self.row(&mut rows, line, &cells)?;
            }
            Ok(())
        })
    }

    fn row(&mut self, rows: &mut Rows<'_>, line: u64, cells: &[&str]) -> Result<(), UsageError> {
        match self.take(rows, cells) {
            Ok(()) => self.took(),
            Err(bad) => self.refuse(rows.name, line, bad),
        }
        if self.pending_rows >= FLUSH_ROWS {
            rows.last = None;
            self.flush()?;
        }
        Ok(())
    }

    fn took(&mut self) {
        self.staged.rows += 1;
        self.pending_rows += 1;
        if self.staged.rows.is_multiple_of(100_000) {
            (self.progress)(UsageProgress { rows: self.staged.rows });
        }
    }

    fn refuse(&mut self, name: &str, line: u64, (column, message): BadCell) {
        self.staged.rejected_rows += 1;
        if self.row_findings.len() >= MAX_ROW_FINDINGS {
            return;
        }
        let finding = if self.request.skip_bad_rows {
            Finding::warning("bad_usage_row", message).remedy("the row was left out; correct it and ingest it again")
        } else {
            Finding::error("bad_usage_row", message)
                .remedy("correct the export, or keep the other rows with --on-error quarantine")
        };
        let finding = finding.in_file(name).at_line(line);
        self.row_findings.push(if column == WHOLE_ROW {
            finding
        } else {
            finding.in_column(column)
        });
    }

    fn take(&mut self, rows: &mut Rows<'_>, cells: &[&str]) -> Result<(), BadCell> {
        let table = &rows.table;
        if cells.len() != table.width {
            return Err((
                WHOLE_ROW,
                format!("has {} cells where the header has {}", cells.len(), table.width),
            ));
        }
        if table.kind.is_samples() {
            let sampled = table.sample(cells)?;
            return self.samples.add(table.cluster(cells), sampled);
        }
        let (hour, day) = table.hour(cells)?;
        if let Some(last) = &rows.last
            && last.key.1 == day
            && table.same_subject(&last.cells, cells)
            && let Some(pending) = self.pending.get_mut(&last.key)
        {
            if table.kind == UsageKind::Nodes {
                pending.nodes[last.at].1.push(table.node_hour(cells, hour)?);
            } else {
                let hours = table.slot_hour(cells, hour)?;
                let sizing = table.sizing_hour(cells, &hours)?;
                pending.add_slot_hour(last.at, hours, sizing);
            }
            return Ok(());
        }
        let fact = table.read(cells, hour)?;
        let key = (table.cluster(cells).to_owned(), day);
        let at = self.pending.entry(key.clone()).or_default().add(fact);
        rows.last = at.map(|at| Last {
            cells: cells.iter().map(|cell| (*cell).to_owned()).collect(),
            key,
            at,
        });
        Ok(())
    }

    /// Makes facts of the payloads, now that all are in.
    fn settle_payloads(&mut self) -> Result<(), UsageError> {
        let payloads = std::mem::take(&mut self.payloads);
        let missing = payloads.missing();
        if !missing.is_empty() && !self.request.skip_bad_rows {
            return Err(UsageError::Refused(missing));
        }
        let known = |finding| Finding {
            severity: Severity::Warning,
            ..finding
        };
        self.staged.findings.extend(missing.into_iter().map(known));
        let (facts, findings) = payloads.facts();
        self.staged.findings.extend(findings);
        Ok(self.settle(facts)?)
    }

    /// Makes facts of the samples, now that all are in.
    fn settle_samples(&mut self) -> Result<(), LakeError> {
        let facts = std::mem::take(&mut self.samples).facts();
        self.settle(facts)
    }

    fn settle(&mut self, facts: Vec<(String, Vec<Fact>)>) -> Result<(), LakeError> {
        for (cluster, facts) in facts {
            for fact in facts {
                let day = fact.hour().day();
                self.pending.entry((cluster.clone(), day)).or_default().add(fact);
                self.pending_rows += 1;
            }
            if self.pending_rows >= FLUSH_ROWS {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what is pending, merged with what was written or known before;
    /// several days at once, since most of the time goes into syncing files.
    fn flush(&mut self) -> Result<(), LakeError> {
        let mut days = Vec::new();
        for (key, pending) in std::mem::take(&mut self.pending) {
            let written = self.written.get(&key).cloned();
            let known = written.or_else(|| (self.request.known)(&key.0, key.1));
            days.push((key, pending, known));
        }
        let queue = Mutex::new(days);
        let done = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let writer = || -> Result<(), LakeError> {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let Some((key, pending, known)) = next else {
                        return Ok(());
                    };
                    let written = merge_and_write(self.lake, pending.into_day(&key), known)?;
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((key, written));
                }
            };
            let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(writer)).collect();
            for writer in writers {
                writer.join().map_err(|_| LakeError::Stage { stage: "usage" })??;
            }
            Ok::<(), LakeError>(())
        })?;
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (key, written) in done {
            self.merged = self.merged.plus(written.merged);
            self.remarks.insert(key.clone(), written.remarks);
            self.written.insert(key, written.file);
        }
        self.pending_rows = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<StagedUsage, UsageError> {
        if !self.row_findings.is_empty() && !self.request.skip_bad_rows {
            return Err(UsageError::Refused(self.row_findings));
        }
        if self.staged.rows == 0 {
            return Err(UsageError::Refused(
                self.row_findings
                    .into_iter()
                    .chain([Finding::error("no_good_rows", "no row could be taken")])
                    .collect(),
            ));
        }
        self.staged.findings.splice(0..0, self.row_findings);
        let mut clusters: BTreeMap<&str, Remarks> = BTreeMap::new();
        for ((cluster, _), of_day) in &self.remarks {
            remarks::plus(clusters.entry(cluster).or_default(), of_day);
        }
        for (cluster, remarks) in clusters {
            self.staged.findings.extend(remarks::findings(cluster, &remarks));
        }
        self.staged.findings.extend(remarks::overlap(&self.merged));
        self.staged.days = self.written.into_values().collect();
        Ok(self.staged)
    }
}

/// A day that was written.
struct Written {
    file: UsageFile,
    merged: Merged,
    remarks: Remarks,
}

/// Merges a day's facts with the known ones and writes them.
fn merge_and_write(lake: &Lake, new: ClusterDay, known: Option<UsageFile>) -> Result<Written, LakeError> {
    let empty = ClusterDay {
        cluster: new.cluster.clone(),
        day: new.day,
        ..ClusterDay::default()
    };
    let mut facts = known.map_or_else(|| Ok(empty), |file| read_day(lake, &file))?;
    // merged with itself too, so that facts twice in one file meet the same rule
    let merged = merge(&mut facts, new);
    Ok(Written {
        file: write_day(lake, &facts)?,
        merged,
        remarks: remarks::remarks(&facts),
    })
}

/// A file being read.
struct Rows<'f> {
    name: &'f str,
    table: Table,
    last: Option<Last>,
}

impl<'f> Rows<'f> {
    fn bind(name: &'f str, record: &csv::StringRecord) -> Result<Rows<'f>, UsageError> {
        let header: Vec<String> = record.iter().map(str::to_owned).collect();
        let table = Table::bind(&header).map_err(|finding| UsageError::Refused(vec![(*finding).in_file(name)]))?;
        Ok(Rows {
            name,
            table,
            last: None,
        })
    }
}

#[cfg(test)]
mod tests;
