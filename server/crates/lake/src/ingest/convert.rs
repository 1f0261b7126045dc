//! The ingest itself: ties the reader, the checks and the writer together.

use super::columns::{Checked, Group, Plan, check};
use super::explain::{self, bad_rows};
use super::feed::Header;
use super::quarantine::{Bin, Refused};
use super::reader::{self, BLOCKS_UNDER_WAY, Message};
use super::records::Block;
use super::totals::{Place, RowFacts, Totals};
use super::{IngestError, LakeFile, OnError, Part, Progress, Request, Staged, verify};
use crate::error::LakeError;
use crate::object::{Closed, Lake};
use crate::schema::charge_path;
use crate::write::{Column, ParquetFile};
use domain::dialect::{Binding, is_null};
use domain::{BillingPeriod, Finding};
use polars::prelude::Schema;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Rows and bytes of a row group, whichever is reached first.
const GROUP_ROWS: usize = 32_768;
const GROUP_BYTES: usize = 32 << 20;
/// Billing periods one file may hold: each has a file open while it is written.
const MAX_PERIODS: usize = 240;

/// What goes to the writer thread.
enum Frame {
    Rows(u32, BillingPeriod, Arc<Schema>, usize, Vec<Column>),
    EndOfPart,
}

/// A file that is written but has no name yet.
struct Written {
    part: u32,
    period: BillingPeriod,
    rows: u64,
    closed: Closed,
}

/// See [`super::ingest`].
pub(crate) fn run(lake: &Lake, request: &Request<'_>, progress: &dyn Fn(Progress)) -> Result<Staged, IngestError> {
    let bytes_total = request
        .parts
        .iter()
        .filter_map(|part| std::fs::metadata(&part.path).ok())
        .map(|meta| meta.len())
        .sum();
    let counter = Arc::new(AtomicU64::new(0));
    let mut converter = Converter {
        lake,
        request,
        file: None,
        groups: BTreeMap::new(),
        totals: Totals::default(),
        bin: Bin::default(),
        findings: Vec::new(),
        listed: 0,
        refused: 0,
        rows: 0,
    };
    let written = thread::scope(|scope| {
        let (block_to, blocks) = sync_channel(BLOCKS_UNDER_WAY);
        // what nobody takes back is let go: readers of Parquet and JSON have memory of their own
        let (used_to, used) = sync_channel(BLOCKS_UNDER_WAY);
        let (frame_to, frames) = sync_channel(1);
        let counting = &counter;
        scope.spawn(move || reader::run(request.parts, request.max_record_bytes, counting, &block_to, &used));
        let writer = scope.spawn(move || write_all(lake, request.delivery_id, &frames));
        let report = |part: usize, rows: u64| {
            progress(Progress {
                part,
                bytes_read: counter.load(Ordering::Relaxed).min(bytes_total),
                bytes_total,
                rows,
            });
        };
        let converted = converter.consume(blocks, &used_to, frame_to, &report);
        let written = writer.join().map_err(|_| LakeError::Stage { stage: "write" })?;
        // a full disk ends the writer first: its reason is the one to tell
        let written = written?;
        converted.map(|()| written)
    })?;
    converter.finish(written)
}

/// The writer thread: encodes row groups, closes files at the end of each part.
fn write_all(lake: &Lake, delivery_id: &str, frames: &Receiver<Frame>) -> Result<Vec<Written>, LakeError> {
    let mut open: BTreeMap<(u32, BillingPeriod), ParquetFile> = BTreeMap::new();
    let mut written = Vec::new();
    for frame in frames {
        match frame {
            Frame::Rows(part, period, schema, rows, columns) => {
                let file = match open.entry((part, period)) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(ParquetFile::create(lake, &schema, delivery_id)?)
                    }
                };
                file.write_columns(rows, &columns)?;
            }
            Frame::EndOfPart => {
                for ((part, period), file) in std::mem::take(&mut open) {
                    let (rows, closed) = file.finish()?;
                    written.push(Written {
                        part,
                        period,
                        rows,
                        closed,
                    });
                }
            }
        }
    }
    Ok(written)
}

/// The file being read.
struct Current {
    position: usize,
    plan: Plan,
    headers: Vec<String>,
    rows: u64,
    ran_over: u64,
    first_ran_over: Option<(u64, String)>,
    account: Option<usize>,
    sub_account: Option<usize>,
    currency: Option<usize>,
    invoice: Option<usize>,
    /// CommitmentDiscountStatus.
    status: Option<usize>,
    billed: Option<usize>,
}

struct Converter<'a> {
    lake: &'a Lake,
    request: &'a Request<'a>,
    file: Option<Current>,
    groups: BTreeMap<BillingPeriod, Group>,
    totals: Totals,
    bin: Bin,
    findings: Vec<Finding>,
    listed: usize,
    refused: u64,
    rows: u64,
}

impl Converter<'_> {
    fn part(&self, position: usize) -> &Part {
        &self.request.parts[position]
    }

    /// Takes everything the reader sends. Owns the channels, so that the other
    /// threads end when it does.
    fn consume(
        &mut self,
        blocks: Receiver<Message>,
        used: &SyncSender<Block>,
        to: SyncSender<Frame>,
        report: &dyn Fn(usize, u64),
    ) -> Result<(), IngestError> {
        let mut ended = 0;
        for message in &blocks {
            match message {
                Message::Begin(position, header) => self.begin(position, header)?,
                Message::Block(block) => {
                    self.block(&block, &to)?;
                    // the reader may have ended already
                    let _ = used.try_send(block);
                    report(ended, self.rows);
                }
                Message::End(findings) => {
                    self.note(ended, findings);
                    self.end(&to)?;
                    ended += 1;
                }
                Message::Failed(error) => return Err(self.with_rows(error)),
            }
        }
        drop((blocks, to));
        if ended != self.request.parts.len() {
            return Err(LakeError::Stage { stage: "read" }.into());
        }
        if self.request.on_error == OnError::Fail && self.refused > 0 {
            return Err(self.with_rows(IngestError::Refused(Vec::new())));
        }
        if self.rows == 0 {
            let empty = std::mem::take(&mut self.findings)
                .into_iter()
                .filter(|finding| finding.code == "no_rows");
            return Err(IngestError::Refused(
                empty
                    .map(|finding| Finding {
                        severity: domain::Severity::Error,
                        ..finding
                    })
                    .collect(),
            ));
        }
        Ok(())
    }

    /// A refusal, with the rows that were refused before it.
    fn with_rows(&mut self, error: IngestError) -> IngestError {
        match error {
            IngestError::Refused(more) => {
                self.count_unlisted();
                let rows = std::mem::take(&mut self.findings);
                let mut findings: Vec<Finding> = rows
                    .into_iter()
                    .filter(|finding| finding.severity == domain::Severity::Error)
                    .collect();
                findings.extend(more);
                IngestError::Refused(findings)
            }
            machinery @ IngestError::Lake(_) => machinery,
        }
    }

    /// Keeps what was remarkable about a file.
    fn note(&mut self, position: usize, findings: Vec<Finding>) {
        let name = &self.request.parts[position].name;
        self.findings
            .extend(findings.into_iter().map(|finding| finding.in_file(name)));
    }

    fn begin(&mut self, position: usize, header: Header) -> Result<(), IngestError> {
        let part = self.part(position);
        let name = part.name.clone();
        let binding = Binding::new(&part.dialect, &header.names).map_err(|findings| {
            IngestError::Refused(findings.into_iter().map(|finding| finding.in_file(&name)).collect())
        })?;
        self.findings
            .extend(binding.findings.iter().cloned().map(|finding| finding.in_file(&name)));
        let at = |column: &str| binding.position(column);
        let places = (
            at("BillingAccountId"),
            at("SubAccountId"),
            at("BillingCurrency"),
            at("InvoiceId"),
            at("BilledCost"),
            at("CommitmentDiscountStatus"),
        );
        self.file = Some(Current {
            position,
            plan: Plan::new(binding, header.in_file, header.origins),
            headers: header.names,
            rows: 0,
            ran_over: 0,
            first_ran_over: None,
            account: places.0,
            sub_account: places.1,
            currency: places.2,
            invoice: places.3,
            status: places.5,
            billed: places.4,
        });
        Ok(())
    }

    fn block(&mut self, block: &Block, to: &SyncSender<Frame>) -> Result<(), IngestError> {
        let Some(mut file) = self.file.take() else {
            return Err(LakeError::Stage { stage: "read" }.into());
        };
        let result = self.block_of(&mut file, block, to);
        self.file = Some(file);
        result
    }

    fn block_of(&mut self, file: &mut Current, block: &Block, to: &SyncSender<Frame>) -> Result<(), IngestError> {
        let seen = (block.rows() + block.ragged.len()) as u64;
        self.rows += seen;
        file.rows += seen;
        let whole = std::str::from_utf8(&block.data[..block.used]).ok();
        let checked = check(&file.plan, block, whole, self.request.expected_period);
        if !block.ragged.is_empty() || checked.bad.contains(&true) {
            self.refuse_rows(file, block, &checked)?;
        }
        for (row, column) in checked.ran_over.iter().filter(|(row, _)| !checked.bad[*row]) {
            file.ran_over += 1;
            file.first_ran_over
                .get_or_insert_with(|| (block.lines[*row], column.clone()));
        }
        if self.request.on_error == OnError::Fail && self.refused > 0 {
            return Ok(()); // nothing is kept any more: only more bad rows are looked for
        }
        let mut by_period: BTreeMap<BillingPeriod, Vec<u32>> = BTreeMap::new();
        let mut run: Option<(BillingPeriod, Vec<u32>)> = None;
        for row in (0..block.rows()).filter(|row| !checked.bad[*row]) {
            self.count(file, block, whole, &checked, row)?;
            let period = checked.periods[row];
            // rows fit: a block has fewer than 2^30 bytes
            let index = u32::try_from(row).unwrap_or(u32::MAX);
            match &mut run {
                Some((same, rows)) if *same == period => rows.push(index),
                _ => {
                    if let Some((other, rows)) = run.replace((period, vec![index])) {
                        by_period.entry(other).or_default().extend(rows);
                    }
                }
            }
        }
        if let Some((period, rows)) = run {
            by_period.entry(period).or_default().extend(rows);
        }
        self.append(file, (block, whole), &checked, &by_period, to)
    }

    fn append(
        &mut self,
        file: &Current,
        (block, whole): (&Block, Option<&str>),
        checked: &Checked,
        by_period: &BTreeMap<BillingPeriod, Vec<u32>>,
        to: &SyncSender<Frame>,
    ) -> Result<(), IngestError> {
        let part = part_number(file.position);
        for (period, rows) in by_period {
            if self.groups.len() >= MAX_PERIODS && !self.groups.contains_key(period) {
                return Err(self.too_many_periods(file, rows.first().map(|row| block.lines[*row as usize])));
            }
            // as many rows at a time as still fit the row group
            let mut rows = rows.as_slice();
            while !rows.is_empty() {
                let number = i32::try_from(part).unwrap_or(i32::MAX);
                let group = self
                    .groups
                    .entry(*period)
                    .or_insert_with(|| Group::new(&file.plan, number, *period));
                let (now, later) = rows.split_at(rows.len().min(GROUP_ROWS - group.rows()));
                group.append(&file.plan, block, whole, checked, now);
                rows = later;
                if group.rows() >= GROUP_ROWS || group.bytes >= GROUP_BYTES {
                    self.flush(file, *period, to)?;
                }
            }
        }
        // many small periods together are bounded like one large
        while self.groups.values().map(|group| group.bytes).sum::<usize>() > GROUP_BYTES {
            let Some(largest) = self
                .groups
                .iter()
                .max_by_key(|(_, group)| group.bytes)
                .map(|(period, _)| *period)
            else {
                break;
            };
            self.flush(file, largest, to)?;
        }
        Ok(())
    }

    fn too_many_periods(&self, file: &Current, line: Option<u64>) -> IngestError {
        let finding = Finding::error(
            "too_many_periods",
            format!("with this row the file has more than {MAX_PERIODS} billing periods"),
        )
        .in_file(&self.part(file.position).name)
        .in_column("BillingPeriodStart")
        .remedy("correct the dates, or deliver fewer periods at a time");
        IngestError::refused(match line {
            Some(line) => finding.at_line(line),
            None => finding,
        })
    }

    /// Sends a period's rows to the writer; an empty group remembers that the period has a file.
    fn flush(&mut self, file: &Current, period: BillingPeriod, to: &SyncSender<Frame>) -> Result<(), IngestError> {
        let Some(group) = self.groups.get_mut(&period).filter(|group| group.rows() > 0) else {
            return Ok(());
        };
        let (part, rows) = (part_number(file.position), group.rows());
        let frame = Frame::Rows(part, period, Arc::clone(&file.plan.schema), rows, group.take()?);
        to.send(frame).map_err(|_| LakeError::Stage { stage: "write" }.into())
    }

    /// Adds a good row to the control totals.
    fn count(
        &mut self,
        file: &Current,
        block: &Block,
        whole: Option<&str>,
        checked: &Checked,
        row: usize,
    ) -> Result<(), IngestError> {
        let text = |at: Option<usize>| {
            let cell = at.map_or((0, 0), |at| block.column(at).get(row));
            let text = match whole {
                Some(whole) => whole.get(cell.0 as usize..cell.1 as usize),
                None => std::str::from_utf8(block.bytes(cell)).ok(),
            };
            text.filter(|text| !is_null(text.as_bytes())).unwrap_or("")
        };
        let (billed, effective) = checked.costs(row);
        let (list, contracted) = checked.references(row);
        let (start, usage_end) = checked.charge_period(row);
        let facts = RowFacts {
            period: checked.periods[row],
            currency: text(file.currency),
            account: text(file.account),
            sub_account: text(file.sub_account),
            billed,
            effective,
            list,
            contracted,
            start,
            // what nobody used is no usage: it reaches to the end of a fee's period
            usage_end: usage_end.filter(|_| !text(file.status).trim().eq_ignore_ascii_case("unused")),
            invoiced: !text(file.invoice).is_empty(),
        };
        let place = Place {
            part: file.position,
            line: block.lines[row],
        };
        let new = self.totals.add(&facts, place).map_err(|error| {
            let finding = Finding::error(
                "amount_overflow",
                format!("with this row the sum of its billing account is wrong: {error}"),
            );
            IngestError::refused(
                finding
                    .in_file(&self.part(place.part).name)
                    .at_line(place.line)
                    .remedy("correct the amounts"),
            )
        })?;
        match new {
            Some(group) if !self.request.allow_mixed_currencies => {
                let name = |part: usize| self.part(part).name.clone();
                self.totals
                    .mixed_currencies(group, &name)
                    .map_or(Ok(()), |finding| Err(IngestError::refused(finding)))
            }
            _ => Ok(()),
        }
    }

    fn refuse_rows(&mut self, file: &Current, block: &Block, checked: &Checked) -> Result<(), IngestError> {
        let name = self.part(file.position).name.clone();
        let quarantine = self.request.on_error == OnError::Quarantine;
        let limit = if quarantine {
            usize::MAX
        } else {
            self.request.max_findings.max(1).saturating_sub(self.listed)
        };
        for bad in bad_rows(&file.plan, block, &checked.bad, self.request.expected_period, limit) {
            self.refused += 1;
            if self.listed < self.request.max_findings.max(1) {
                self.listed += 1;
                self.findings
                    .extend(bad.errors.iter().map(|error| explain::finding(error, &name, bad.line)));
            }
            if quarantine {
                let reasons = bad.errors.iter().map(|error| {
                    if error.column.is_empty() {
                        error.message.clone()
                    } else {
                        format!("{}: {}", error.column, error.message)
                    }
                });
                let cell = |at: Option<usize>| at.filter(|_| bad.aligned).map(|at| bad.cells[at]);
                let reason = reasons.collect::<Vec<_>>().join("; ");
                self.bin.keep(
                    self.lake,
                    &Refused {
                        part: file.position,
                        file: &name,
                        headers: &file.headers,
                        line: bad.line,
                        reason: &reason,
                        cells: &bad.cells,
                        billed: cell(file.billed),
                        currency: cell(file.currency),
                    },
                )?;
            }
        }
        if !quarantine && self.listed >= self.request.max_findings.max(1) {
            let finding = Finding::error("stopped", "there may be more: reading stopped here")
                .in_file(&name)
                .remedy("correct these rows and try again");
            return Err(self.with_rows(IngestError::refused(finding)));
        }
        Ok(())
    }

    fn end(&mut self, to: &SyncSender<Frame>) -> Result<(), IngestError> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let name = self.part(file.position).name.clone();
        if file.rows == 0 {
            let finding = Finding::warning("no_rows", "has a header but no rows")
                .in_file(&name)
                .at_line(1);
            self.findings
                .push(finding.remedy("export the period again, or leave the file out"));
        }
        if let Some((line, column)) = &file.first_ran_over {
            let finding = Finding::warning(
                "hour_ran_over",
                "says hour 24 or later; it was counted into the next day",
            )
            .in_file(&name)
            .at_line(*line);
            self.findings.push(finding.in_column(column).times(file.ran_over));
        }
        let periods: Vec<BillingPeriod> = self.groups.keys().copied().collect();
        for period in periods {
            self.flush(&file, period, to)?;
        }
        self.groups.clear();
        to.send(Frame::EndOfPart)
            .map_err(|_| LakeError::Stage { stage: "write" }.into())
    }

    fn count_unlisted(&mut self) {
        let more = self.refused.saturating_sub(self.listed as u64);
        if more > 0 {
            self.findings
                .push(Finding::error("more_refused_rows", "more rows were refused than are listed").times(more));
        }
    }

    /// Puts the files in place and reads them back; removes them if that fails.
    fn finish(mut self, written: Vec<Written>) -> Result<Staged, IngestError> {
        self.count_unlisted();
        let totals = std::mem::take(&mut self.totals).into_sorted();
        let mut files = Vec::with_capacity(written.len());
        let mut new = Vec::new();
        let result = self
            .put(written, &mut files, &mut new)
            .and_then(|()| verify::read_back(self.lake, &files, &totals));
        if let Err(error) = result {
            for path in new {
                // what cannot be removed is unnamed, and the clean-up takes it
                let _ = self.lake.remove(&path);
            }
            return Err(error.into());
        }
        let quarantine = self.bin.finish(self.lake, self.request.delivery_id)?;
        Ok(Staged {
            files,
            totals,
            rejected_rows: self.refused,
            quarantine,
            findings: self.findings,
        })
    }

    fn put(&self, written: Vec<Written>, files: &mut Vec<LakeFile>, new: &mut Vec<String>) -> Result<(), LakeError> {
        for Written {
            part,
            period,
            rows,
            closed,
        } in written
        {
            let path = charge_path(
                self.request.source,
                period,
                self.request.delivery_id,
                part,
                closed.sha256(),
            );
            let (stored, is_new) = self.lake.put_closed(closed, &path)?;
            if is_new {
                new.push(stored.path.clone());
            }
            files.push(LakeFile {
                path: stored.path,
                period,
                part,
                rows,
                bytes: stored.bytes,
                sha256: stored.sha256,
            });
        }
        Ok(())
    }
}

fn part_number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
