//! The slow path: says what is wrong with a row.

use super::columns::Plan;
use super::records::{Block, Cell};
use domain::dialect::{CellError, check_cell, check_spans};
use domain::instant::{self, Instant};
use domain::{BillingPeriod, Finding};

/// A refused row of a block.
pub(crate) struct BadRow<'b> {
    pub line: u64,
    pub cells: Vec<&'b [u8]>,
    pub errors: Vec<CellError>,
    /// Whether the cells stand under the header's names.
    pub aligned: bool,
}

/// Every refused row of a block, by line, at most `limit` of them.
pub(crate) fn bad_rows<'b>(
    plan: &Plan,
    block: &'b Block,
    bad: &[bool],
    expected: Option<BillingPeriod>,
    limit: usize,
) -> Vec<BadRow<'b>> {
    let cells = |range: &[Cell]| -> Vec<&'b [u8]> { range.iter().map(|cell| block.bytes(*cell)).collect() };
    let marked = bad
        .iter()
        .enumerate()
        .filter(|(_, bad)| **bad)
        .map(|(row, _)| (block.lines[row], Some(row), 0));
    let ragged = block.ragged.iter().enumerate().map(|(at, row)| (row.line, None, at));
    let mut places: Vec<(u64, Option<usize>, usize)> = marked.chain(ragged).collect();
    places.sort_unstable();
    let explained = places.into_iter().take(limit).map(|(line, row, at)| match row {
        Some(row) => {
            let cells: Vec<&[u8]> = block.columns().map(|column| block.bytes(column.get(row))).collect();
            let errors = errors(plan, &cells, expected);
            BadRow {
                line,
                cells,
                errors,
                aligned: true,
            }
        }
        None => {
            let row = &block.ragged[at];
            let cells = cells(&row.cells);
            let error = match row.after_quote {
                Some(cell) => CellError {
                    code: "bad_quote",
                    column: plan.header(cell),
                    message: "goes on after its closing quote".to_owned(),
                },
                None => {
                    let message = format!("has {} cells where the header has {}", cells.len(), row.expected);
                    CellError::row("wrong_cell_count", message)
                }
            };
            BadRow {
                line,
                cells,
                errors: vec![error],
                // after a stray quote no cell is surely where it should be
                aligned: false,
            }
        }
    });
    explained.collect()
}

/// What is wrong with a row that has as many cells as the header.
fn errors(plan: &Plan, cells: &[&[u8]], expected: Option<BillingPeriod>) -> Vec<CellError> {
    let binding = &plan.binding;
    let columns = binding.dialect.columns.iter().zip(&binding.positions);
    let mut errors: Vec<CellError> = columns
        .filter_map(|(column, at)| check_cell(column, cells[(*at)?]))
        .collect();
    for (name, at) in &binding.unknown {
        if std::str::from_utf8(cells[*at]).is_err() {
            errors.push(CellError {
                code: "bad_utf8",
                column: name.clone(),
                message: "is not UTF-8".to_owned(),
            });
        }
    }
    let when = |name: &str| {
        let cell = binding.position(name).map(|at| cells[at]);
        cell.and_then(|cell| instant::parse(cell).ok())
            .map_or(Instant(0), |parsed| parsed.instant)
    };
    if errors.is_empty() {
        errors.extend(check_spans(
            when("BillingPeriodStart"),
            when("BillingPeriodEnd"),
            when("ChargePeriodStart"),
            when("ChargePeriodEnd"),
        ));
    }
    let period = BillingPeriod::of(when("BillingPeriodStart"));
    if let Some(expected) = expected.filter(|expected| errors.is_empty() && *expected != period) {
        let message = format!("is in the billing period {period} where {expected} was asked for");
        errors.push(CellError {
            code: "wrong_period",
            column: "BillingPeriodStart".to_owned(),
            message,
        });
    }
    if errors.is_empty() {
        // the fast check refused what the slow one takes: never drop it silently
        errors.push(CellError::row("refused", "could not be taken"));
    }
    for error in &mut errors {
        plan.native(&error.column).to_owned().clone_into(&mut error.column);
    }
    errors
}

/// An error of a row as a finding.
pub(crate) fn finding(error: &CellError, file: &str, line: u64) -> Finding {
    let remedy = match error.code {
        "wrong_cell_count" => "put quotes around cells that hold commas, quotes or newlines",
        "bad_quote" => "close the quote at the end of the cell, and write quotes inside it twice",
        "wrong_period" => "deliver it with its own period, or correct the dates",
        "missing_value" => "export the row with a value",
        _ => "correct the export, or keep the other rows with --on-error quarantine",
    };
    let finding = Finding::error(error.code, &error.message)
        .in_file(file)
        .at_line(line)
        .remedy(remedy);
    if error.column.is_empty() {
        finding
    } else {
        finding.in_column(&error.column)
    }
}
