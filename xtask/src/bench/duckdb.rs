//! The peer: DuckDB from PyPI in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::dialect::{Dialect, Kind};
use super::generate::Bill;
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
    pub fn copy(&self, bill: &Bill, parquet: &Path, threads: usize) -> Result<measure::Measured> {
        measure::run(&mut self.command(&copy_statement(bill.dialect, &bill.path, parquet), threads))
    }

    /// Makes Parquet of a CSV, as the provider would deliver it: doubles, timestamps, maps.
    ///
    /// # Errors
    /// When DuckDB refuses.
    pub fn make_parquet(&self, csv: &Path, dialect: Dialect, parquet: &Path) -> Result<()> {
        run(&mut self.command(&delivery_statement(dialect, csv, parquet), 2))
    }

    /// Rows and sum of the cost column of a Parquet file it wrote.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn totals(&self, dialect: Dialect, parquet: &Path, threads: usize) -> Result<Totals> {
        let statement = format!(
            "SELECT count(*), CAST(sum({}) AS VARCHAR) FROM read_parquet('{}')",
            dialect.cost_column(),
            quoted(parquet)
        );
        let answer: Value = serde_json::from_str(&capture(&mut self.command(&statement, threads))?)?;
        Ok(Totals {
            rows: answer[0][0].as_u64().context("DuckDB returned no count")?,
            billed_cost: decimal::parse(answer[0][1].as_str().context("DuckDB returned no sum")?)?,
        })
    }
}

fn read_csv(dialect: Dialect, bill: &Path, decimal: &str) -> String {
    let columns = dialect.columns().into_iter().map(|(name, kind)| {
        let kind = match (kind, dialect) {
            (Kind::Decimal, _) => decimal,
            (Kind::Time, Dialect::Azure) => "DATE",
            (Kind::Time, _) => "TIMESTAMP",
            (Kind::Text | Kind::Entry, _) => "VARCHAR",
        };
        format!("'{name}': '{kind}'")
    });
    let dates = if dialect == Dialect::Azure {
        ", dateformat = '%m/%d/%Y'"
    } else {
        ""
    };
    format!(
        "read_csv('{}', header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', \
         compression = 'gzip'{dates}, columns = {{{}}})",
        quoted(bill),
        columns.collect::<Vec<_>>().join(", ")
    )
}

fn copy_statement(dialect: Dialect, bill: &Path, parquet: &Path) -> String {
    let from = match dialect {
        Dialect::Focus | Dialect::Azure => format!("SELECT * FROM {}", read_csv(dialect, bill, "DECIMAL(38,24)")),
        // by way of text: a double cast to a decimal gains digits it never had
        Dialect::Cur2 => {
            let columns = dialect.columns();
            let exact = columns
                .iter()
                .filter(|(_, kind)| *kind == Kind::Decimal)
                .map(|(name, _)| format!("CAST(CAST({name} AS VARCHAR) AS DECIMAL(38,24)) AS {name}"));
            format!(
                "SELECT * REPLACE ({}) FROM read_parquet('{}')",
                exact.collect::<Vec<_>>().join(", "),
                quoted(bill)
            )
        }
    };
    format!(
        "COPY ({from}) TO '{}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)",
        quoted(parquet)
    )
}

fn delivery_statement(dialect: Dialect, csv: &Path, parquet: &Path) -> String {
    let columns = dialect.columns();
    let plain = columns
        .iter()
        .filter(|(_, kind)| *kind != Kind::Entry)
        .map(|(name, _)| (*name).to_owned());
    let mut maps: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, _) in columns.iter().filter(|(_, kind)| *kind == Kind::Entry) {
        let (map, key) = name.split_once('.').unwrap_or((name, name));
        let entry = format!("'{key}': \"{name}\"");
        match maps.iter_mut().find(|(known, _)| *known == map) {
            Some((_, entries)) => entries.push(entry),
            None => maps.push((map, vec![entry])),
        }
    }
    let maps = maps
        .into_iter()
        .map(|(map, entries)| format!("MAP {{{}}} AS {map}", entries.join(", ")));
    format!(
        "COPY (SELECT {} FROM {}) TO '{}' (FORMAT parquet, COMPRESSION snappy)",
        plain.chain(maps).collect::<Vec<_>>().join(", "),
        read_csv(dialect, csv, "DOUBLE"),
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
        let parquet = Path::new("x.parquet");
        let statement = copy_statement(Dialect::Focus, Path::new("it's.csv.gz"), parquet);
        assert_eq!(statement.matches("DECIMAL(38,24)").count(), 8);
        assert_eq!(statement.matches("TIMESTAMP").count(), 4);
        assert!(statement.contains("'it''s.csv.gz'"));
        let azure = copy_statement(Dialect::Azure, Path::new("a.csv.gz"), parquet);
        assert_eq!(azure.matches("DECIMAL(38,24)").count(), 5);
        assert_eq!(azure.matches("'DATE'").count(), 3);
        let cur2 = copy_statement(Dialect::Cur2, Path::new("c.parquet"), parquet);
        assert_eq!(cur2.matches("DECIMAL(38,24)").count(), 8);
        let made = delivery_statement(Dialect::Cur2, Path::new("c.csv.gz"), parquet);
        assert!(
            made.contains("MAP {'user_tenant': \"resource_tags.user_tenant\""),
            "{made}"
        );
    }
}
