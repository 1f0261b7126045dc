//! Writing answers: one JSON document, or tables for people.

use crate::error::AppError;
use domain::Finding;
use serde::Serialize;
use std::io::Write;

/// Prints one JSON document on stdout.
pub(super) fn json(value: &impl Serialize) -> Result<(), AppError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| AppError::broken("cannot write the answer as JSON", error))?;
    line(&text)
}

/// Prints a line on stdout; a reader that went away is no error.
pub(super) fn line(text: &str) -> Result<(), AppError> {
    bytes(text.as_bytes())?;
    bytes(b"\n")
}

/// Writes bytes to stdout.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), AppError> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(AppError::broken("cannot write to standard output", error))
        }
        _ => Ok(()),
    }
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    error: String,
    exit_code: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<&'a Finding>,
}

/// Says on stderr why a command failed, every cause once; with `--json` also
/// as one document on stdout.
pub(super) fn error(error: &AppError, as_json: bool) {
    eprintln!("error: {}", error.chain());
    if as_json {
        let findings = match error {
            AppError::Refused(findings) => findings.iter().collect(),
            _ => Vec::new(),
        };
        let _ = json(&ErrorDocument {
            error: error.chain(),
            exit_code: error.exit_code(),
            findings,
        });
    }
}

/// A table for terminals: first column left, the others as said.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// Columns as (heading, right-aligned).
    pub(super) fn new(columns: &[(&str, bool)]) -> Table {
        Table {
            rows: vec![columns.iter().map(|(name, _)| (*name).to_owned()).collect()],
            right: columns.iter().map(|(_, right)| *right).collect(),
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints it, with a rule under the heading.
    pub(super) fn print(&self) -> Result<(), AppError> {
        let width = |at: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(at))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let mut text = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(&self.right) {
                let pad = " ".repeat(width - cell.chars().count());
                text.push_str(&if *right {
                    format!("{pad}{cell}  ")
                } else {
                    format!("{cell}{pad}  ")
                });
            }
            line(text.trim_end())?;
            if number == 0 {
                line(&widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>().join("  "))?;
            }
        }
        Ok(())
    }
}
