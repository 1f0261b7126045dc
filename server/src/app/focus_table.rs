//! FOCUS datasets that have a line an invoice, month or commitment: read whole,
//! cells by column.

use crate::error::AppError;
use csv::StringRecord;
use domain::Finding;
use std::path::Path;

/// A FOCUS dataset, wholly in memory.
pub(super) struct FocusTable {
    name: String,
    /// Of the findings about its cells.
    code: &'static str,
    columns: Vec<String>,
    /// With their line in the file.
    pub(super) rows: Vec<(u64, StringRecord)>,
}

impl FocusTable {
    /// Reads CSV; `code` is that of the findings about this kind of dataset.
    ///
    /// # Errors
    /// When it is no CSV, with the line and `remedy`.
    pub(super) fn read(path: &Path, code: &'static str, remedy: &str) -> Result<FocusTable, AppError> {
        let name = path.display().to_string();
        let broken = |error: csv::Error| {
            let line = error.position().map(csv::Position::line);
            let finding = Finding::error(code, format!("cannot be read: {error}")).in_file(&name);
            let finding = finding.remedy(remedy);
            AppError::Refused(vec![match line {
                Some(line) => finding.at_line(line),
                None => finding,
            }])
        };
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(broken)?;
        let header = reader.headers().map_err(broken)?;
        let columns = header
            .iter()
            .map(|column| column.trim_start_matches('\u{feff}').to_owned())
            .collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            rows.push((record.position().map_or(0, csv::Position::line), record));
        }
        Ok(FocusTable {
            name,
            code,
            columns,
            rows,
        })
    }

    fn at(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| name.eq_ignore_ascii_case(column))
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.at(column).is_some()
    }

    /// A cell; empty for NULL, as FOCUS files write absence.
    pub(super) fn cell<'r>(&self, record: &'r StringRecord, column: &str) -> &'r str {
        let cell = self.at(column).and_then(|at| record.get(at)).unwrap_or("");
        if cell.eq_ignore_ascii_case("null") { "" } else { cell }
    }

    /// A cell that does not fit, and what would.
    pub(super) fn bad(&self, line: u64, column: &str, text: &str, fits: &str) -> Finding {
        Finding::error(self.code, format!("{column} {text:?} does not fit"))
            .in_file(&self.name)
            .at_line(line)
            .in_column(column)
            .remedy(format!("it should be {fits}; nothing was taken in"))
    }

    /// # Errors
    /// When one of the columns is missing.
    pub(super) fn needs(&self, columns: &[&str], remedy: &str) -> Result<(), AppError> {
        let missing = columns.iter().find(|column| !self.has(column));
        missing.map_or(Ok(()), |missing| {
            let finding = Finding::error(self.code, format!("has no column {missing}")).in_file(&self.name);
            Err(AppError::Refused(vec![finding.remedy(remedy)]))
        })
    }

    /// It holds none of `what`.
    pub(super) fn holds_no(&self, what: &str) -> Finding {
        Finding::error("no_rows", format!("holds no {what}"))
            .in_file(&self.name)
            .remedy("export it again")
    }
}
