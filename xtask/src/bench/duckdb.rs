//! The peer: DuckDB from PyPI in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::rows::COLUMNS;
use super::{Totals, decimal, measure};
use crate::steps::{capture, find_program, run};

/// Runs the statement of its first argument with the threads of its second.
const RUN_SCRIPT: &str = "import duckdb, sys\n\
    connection = duckdb.connect()\n\
    connection.execute(f'SET threads = {int(sys.argv[2])}')\n\
    connection.execute('SET enable_progress_bar = false')\n\
    rows = connection.execute(sys.argv[1]).fetchall()\n\
    import json\n\
    print(json.dumps(rows))\n";

/// DuckDB's Python and version.
pub struct DuckDb {
    python: PathBuf,
    /// Such as `1.5.0`.
    pub version: String,
}

impl DuckDb {
    /// Makes the environment where it is missing.
    ///
    /// # Errors
    /// When there is no python3 with venv, or pip cannot fetch DuckDB.
    pub fn ensure(folder: &Path) -> Result<Self> {
        let venv = folder.join("venv");
        let python = venv.join("bin/python");
        let version = || capture(Command::new(&python).args(["-c", "import duckdb; print(duckdb.__version__)"]));
        if version().is_err() {
            let python3 = find_program(&["python3"]).context("python3 is not installed")?;
            run(Command::new(python3).args(["-m", "venv", "--clear"]).arg(&venv))
                .context("python3 cannot make an environment (Debian: apt-get install python3-venv)")?;
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "duckdb"]))?;
        }
        let version = version()?.trim().to_owned();
        Ok(Self { python, version })
    }

    fn command(&self, statement: &str, threads: usize) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-c", RUN_SCRIPT, statement]).arg(threads.to_string());
        command
    }

    /// A program in its Python; arguments may be added.
    pub fn script(&self, text: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-c", text]);
        command
    }

    /// Copies the bill to Parquet, measured.
    ///
    /// # Errors
    /// When DuckDB refuses.
    pub fn copy(&self, bill: &Path, parquet: &Path, threads: usize) -> Result<measure::Measured> {
        measure::run(&mut self.command(&copy_statement(bill, parquet), threads))
    }

    /// Rows and sum of BilledCost of a Parquet file it wrote.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn totals(&self, parquet: &Path, threads: usize) -> Result<Totals> {
        let statement = format!(
            "SELECT count(*), CAST(sum(BilledCost) AS VARCHAR) FROM read_parquet('{}')",
            quoted(parquet)
        );
        let answer: Value = serde_json::from_str(&capture(&mut self.command(&statement, threads))?)?;
        Ok(Totals {
            rows: answer[0][0].as_u64().context("DuckDB returned no count")?,
            billed_cost: decimal::parse(answer[0][1].as_str().context("DuckDB returned no sum")?)?,
        })
    }
}

fn copy_statement(bill: &Path, parquet: &Path) -> String {
    let columns = COLUMNS.map(|(name, decimal)| {
        let kind = if decimal {
            "DECIMAL(38,24)"
        } else if name.ends_with("PeriodStart") || name.ends_with("PeriodEnd") {
            "TIMESTAMP"
        } else {
            "VARCHAR"
        };
        format!("'{name}': '{kind}'")
    });
    format!(
        "COPY (SELECT * FROM read_csv('{}', header = true, auto_detect = false, delim = ',', quote = '\"', \
         escape = '\"', compression = 'gzip', columns = {{{}}})) TO '{}' \
         (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)",
        quoted(bill),
        columns.join(", "),
        quoted(parquet)
    )
}

fn quoted(path: &Path) -> String {
    path.display().to_string().replace('\'', "''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_reads_the_same_types() {
        let statement = copy_statement(Path::new("it's.csv.gz"), Path::new("x.parquet"));
        assert_eq!(statement.matches("DECIMAL(38,24)").count(), 8);
        assert_eq!(statement.matches("TIMESTAMP").count(), 4);
        assert!(statement.contains("'it''s.csv.gz'"));
    }
}
