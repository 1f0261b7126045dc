//! `cargo xtask bench`: time and memory against a peer that does the same work in the same run.

mod allocation;
pub mod api;
mod decimal;
mod dialect;
mod duckdb;
mod fleet;
mod generate;
mod measure;
mod report;
mod rows;

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::Verdict;
use crate::steps::{Steps, run as run_program};
use crate::workspace::Workspace;
pub use allocation::{AllocationArgs, run as allocation};
use dialect::Dialect;
use duckdb::DuckDb;
use generate::Bill;
use measure::Measured;
use report::{median, mib, seconds};

/// Runs of each side, one after the other in turn.
const ROUNDS: usize = 3;
/// Our time over DuckDB's, at most.
const TIME_RATIO_BUDGET: f64 = 0.8;
/// Our anonymous memory, at most.
const MEMORY_BUDGET_BYTES: u64 = 400 * 1024 * 1024;

/// What can be measured.
#[derive(Subcommand)]
pub enum BenchCommand {
    /// Bill ingest against DuckDB's COPY of the same file to Parquet
    Ingest(IngestArgs),
    /// A month of a cluster to container-days and the cube, against DuckDB SQL with doubles
    Allocation(AllocationArgs),
    /// The OpenCost-shaped `/allocation` over a month, by many clients
    Api(api::ApiArgs),
}

/// Options of `bench ingest`.
#[derive(Args)]
#[command(
    after_help = "Budgets: 0.8 x DuckDB's time, 400 MiB anonymous memory; missing one is exit code 1.

Examples:
  cargo xtask bench ingest                   ten million rows, notes docs/BENCHMARKS.md
  cargo xtask bench ingest --bill cur2       AWS CUR 2.0 as Parquet; --bill azure: Azure as CSV
  cargo xtask bench ingest --rows 1000000    a quick look: the document stays as it is"
)]
pub struct IngestArgs {
    /// Which bill
    #[arg(long, value_enum, default_value = "focus")]
    bill: Dialect,
    /// Rows of the generated bill
    #[arg(long, value_name = "N", default_value_t = FULL_ROWS, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// Keep the lakes and Parquet files of the runs
    #[arg(long)]
    keep: bool,
}

/// The size the budget is for, and the only one that is noted in the document.
const FULL_ROWS: u64 = 10_000_000;

/// What a bill adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Totals {
    rows: u64,
    /// In units of 10^-24.
    billed_cost: i128,
}

struct Round {
    ours: Measured,
    peer: Measured,
}

/// Measures ingest and notes the result.
///
/// # Errors
/// When a step fails or the two sides disagree; a missed budget is `Verdict::Missed`.
pub fn ingest(workspace: &Workspace, args: &IngestArgs) -> Result<Verdict> {
    let folder = workspace.target.join("bench");
    std::fs::create_dir_all(&folder)?;
    let threads = std::thread::available_parallelism()?.get();
    let mut steps = Steps::new(4);
    steps.run("server, release", || {
        run_program(
            workspace
                .cargo()
                .args(["build", "--release", "--package", "tonnage", "--bin", "tonnage"]),
        )
    })?;
    let peer = steps.run("DuckDB", || DuckDb::ensure(&folder))?;
    let bill = steps.run("bill", || generate::ensure(&folder, args.bill, args.rows, &peer))?;
    let rounds = steps.run("rounds", || {
        let runs = tempfile::Builder::new().prefix("runs-").tempdir_in(&folder)?;
        // both sides find the file in the page cache
        std::io::copy(&mut File::open(&bill.path)?, &mut std::io::sink())?;
        let binary = workspace.server_binary("release");
        let rounds = (1..=ROUNDS)
            .map(|number| round(number, &binary, &peer, &bill, runs.path(), threads, args.keep))
            .collect::<Result<Vec<_>>>()?;
        if args.keep {
            println!("    kept {}", workspace.shown(&runs.keep()));
        }
        Ok(rounds)
    })?;
    steps.print_summary();
    let summary = Summary::of(&rounds)?;
    let section = summary.section(
        &bill,
        &peer.version,
        &report::machine(&workspace.root)?,
        threads,
        &rounds,
    )?;
    println!("{section}");
    if args.rows == FULL_ROWS {
        let marker = match args.bill {
            Dialect::Focus => "ingest".to_owned(),
            other => format!("ingest-{}", other.name()),
        };
        report::update_document(&workspace.root.join("docs/BENCHMARKS.md"), &marker, &section)?;
    }
    Ok(summary.verdict())
}

/// Ours, then the peer's, each into a fresh place, and whether they agree.
fn round(
    number: usize,
    binary: &Path,
    peer: &DuckDb,
    bill: &Bill,
    folder: &Path,
    threads: usize,
    keep: bool,
) -> Result<Round> {
    let lake = folder.join(format!("lake-{number}"));
    let parquet = folder.join(format!("duckdb-{number}.parquet"));
    let ours = measure::run(
        Command::new(binary)
            .args(["ingest", "billing"])
            .arg(&bill.path)
            .arg("--data-dir")
            .arg(&lake)
            .args(["--json", "--no-allocate"]),
    )?;
    let theirs = peer.copy(bill, &parquet, threads)?;
    println!(
        "    round {number}: tonnage {} s, {} MiB; DuckDB {} s, {} MiB",
        seconds(ours.wall),
        mib(ours.peak_anonymous_bytes),
        seconds(theirs.wall),
        mib(theirs.peak_anonymous_bytes)
    );
    for (side, totals, cost) in [
        ("tonnage", totals_of(&ours.stdout)?, bill.billed_cost),
        ("DuckDB", peer.totals(bill.dialect, &parquet, threads)?, bill.raw_cost),
    ] {
        let expected = Totals {
            rows: bill.rows,
            billed_cost: cost,
        };
        if totals != expected {
            bail!(
                "{side} found {} rows and {}, the bill has {} rows and {}",
                totals.rows,
                decimal::print(totals.billed_cost),
                expected.rows,
                decimal::print(expected.billed_cost)
            );
        }
    }
    if !keep {
        std::fs::remove_dir_all(&lake)?;
        std::fs::remove_file(&parquet)?;
    }
    Ok(Round { ours, peer: theirs })
}

/// Adds up the answer of `tonnage ingest billing --json`; a refused row is an error.
fn totals_of(answer: &str) -> Result<Totals> {
    let answer: Value = serde_json::from_str(answer).context("tonnage's answer is not one JSON document")?;
    let mut totals = Totals {
        rows: 0,
        billed_cost: 0,
    };
    for delivery in answer["deliveries"]
        .as_array()
        .context("the answer has no deliveries")?
    {
        if delivery["rejected_rows"].as_u64() != Some(0) {
            bail!(
                "the generated bill has no bad rows, but rejected_rows is {}",
                delivery["rejected_rows"]
            );
        }
        for period in delivery["periods"].as_array().context("a delivery has no periods")? {
            totals.rows += period["rows"].as_u64().context("a period has no rows")?;
            totals.billed_cost +=
                decimal::parse(period["billed_cost"].as_str().context("a period has no billed_cost")?)?;
        }
    }
    Ok(totals)
}

struct Summary {
    ours: Duration,
    peer: Duration,
    ours_bytes: u64,
    peer_bytes: u64,
}

impl Summary {
    fn of(rounds: &[Round]) -> Result<Self> {
        let middle = |side: fn(&Round) -> &Measured| -> Option<(Duration, u64)> {
            let walls: Vec<_> = rounds.iter().map(|round| side(round).wall).collect();
            let bytes: Vec<_> = rounds.iter().map(|round| side(round).peak_anonymous_bytes).collect();
            Some((median(&walls)?, median(&bytes)?))
        };
        let (ours, ours_bytes) = middle(|round| &round.ours).context("no rounds")?;
        let (peer, peer_bytes) = middle(|round| &round.peer).context("no rounds")?;
        Ok(Self {
            ours,
            peer,
            ours_bytes,
            peer_bytes,
        })
    }

    fn ratio(&self) -> f64 {
        self.ours.as_secs_f64() / self.peer.as_secs_f64()
    }

    fn verdict(&self) -> Verdict {
        if self.ratio() <= TIME_RATIO_BUDGET && self.ours_bytes <= MEMORY_BUDGET_BYTES {
            Verdict::Held
        } else {
            Verdict::Missed
        }
    }

    fn section(&self, bill: &Bill, duckdb: &str, machine: &str, threads: usize, rounds: &[Round]) -> Result<String> {
        let walls = |side: fn(&Round) -> &Measured| {
            let walls: Vec<_> = rounds.iter().map(|round| seconds(side(round).wall)).collect();
            walls.join(", ")
        };
        let verdict = match self.verdict() {
            Verdict::Held => "held",
            Verdict::Missed => "MISSED",
        };
        Ok(format!(
            "## Bill ingest: {name}\n\n\
             `cargo xtask bench ingest --bill {name} --rows {rows}`: a generated {what}, {size} MiB, \
             into the lake, against DuckDB {duckdb} `COPY` of the same file to Parquet \
             (DECIMAL(38,24){way}, zstd 1, {threads} threads). {count} rounds in turn, medians; memory is the peak of RssAnon, \
             sampled every 20 ms. Both sides' row counts and sums of costs equal the generator's, digit for digit.\n\n\
             | | median s | rounds s | anonymous MiB |\n|---|---|---|---|\n\
             | tonnage ingest | {ours} | {ours_all} | {ours_mib} |\n\
             | DuckDB COPY | {peer} | {peer_all} | {peer_mib} |\n\n\
             Ratio of time {ratio:.3} (budget {TIME_RATIO_BUDGET}), memory {ours_mib} MiB (budget {budget_mib} MiB): {verdict}.\n\n\
             Machine: {machine}.\n",
            name = bill.dialect.name(),
            what = bill.dialect.described(),
            way = if bill.dialect == Dialect::Cur2 {
                ", doubles by way of their text, as exact sums need"
            } else {
                ""
            },
            rows = bill.rows,
            size = mib(std::fs::metadata(&bill.path)?.len()),
            count = rounds.len(),
            ours = seconds(self.ours),
            ours_all = walls(|round| &round.ours),
            ours_mib = mib(self.ours_bytes),
            peer = seconds(self.peer),
            peer_all = walls(|round| &round.peer),
            peer_mib = mib(self.peer_bytes),
            ratio = self.ratio(),
            budget_mib = mib(MEMORY_BUDGET_BYTES),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(ours_ms: u64, ours_bytes: u64) -> Summary {
        Summary {
            ours: Duration::from_millis(ours_ms),
            peer: Duration::from_secs(10),
            ours_bytes,
            peer_bytes: 1,
        }
    }

    #[test]
    fn both_budgets_count() {
        for (ours_ms, ours_bytes, held) in [
            (8_000, MEMORY_BUDGET_BYTES, true),
            (8_001, MEMORY_BUDGET_BYTES, false),
            (8_000, MEMORY_BUDGET_BYTES + 1, false),
        ] {
            assert_eq!(summary(ours_ms, ours_bytes).verdict() == Verdict::Held, held);
        }
    }

    #[test]
    fn answers_are_added_up() {
        let answer = r#"{"deliveries":[{"rejected_rows":0,"periods":[
            {"rows":2,"billed_cost":"1.5"},{"rows":3,"billed_cost":"-0.25"}]}]}"#;
        let expected = Totals {
            rows: 5,
            billed_cost: 125 * 10_i128.pow(22),
        };
        assert_eq!(totals_of(answer).unwrap(), expected);
        assert!(totals_of(&answer.replace("\"rejected_rows\":0", "\"rejected_rows\":1")).is_err());
        assert!(totals_of("{}").is_err());
    }
}
