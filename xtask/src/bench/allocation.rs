//! `cargo xtask bench allocation`: a month of one cluster to container-days and
//! the cube, against the same arithmetic in DuckDB SQL with doubles.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use super::duckdb::DuckDb;
use super::measure::{self, Measured};
use super::report::{self, median, mib, seconds};
use super::{ROUNDS, decimal};
use crate::Verdict;
use crate::steps::{Steps, capture, run as run_program};
use crate::workspace::Workspace;

/// Our time over DuckDB's, at most.
const TIME_RATIO_BUDGET: f64 = 0.5;
/// Our anonymous memory, at most.
const MEMORY_BUDGET_BYTES: u64 = 400 * 1024 * 1024;
/// One more day, at most, with any history.
const DAY_BUDGET_S: f64 = 0.1;
/// Times the day is split in each process.
const DAY_ROUNDS: &str = "7";
/// How far the peer's doubles may be from the exact sums, relative.
const DOUBLES: f64 = 1e-9;
/// Part of the generated folder's name: raise it when the world changes.
const VERSION: u32 = 1;
/// The size the budget is for, and the only one that is noted in the document.
const FULL: (u64, u64) = (100_000, 31);
/// The peer's program.
const SCRIPT: &str = include_str!("allocation.py");

/// Options of `bench allocation`.
#[derive(Args)]
#[command(
    after_help = "Budgets: 0.5 x DuckDB's time, 400 MiB anonymous memory, 0.1 s for one more day;
missing one is exit code 1.

Examples:
  cargo xtask bench allocation                         100,000 pods, 31 days: notes docs/BENCHMARKS.md
  cargo xtask bench allocation --pods 5000 --days 3    a quick look: the document stays as it is"
)]
pub struct AllocationArgs {
    /// Pods that run at a time; a node for 25 of them
    #[arg(long, value_name = "N", default_value_t = FULL.0, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    pods: u64,
    /// Days of the month
    #[arg(long, value_name = "N", default_value_t = FULL.1, value_parser = clap::value_parser!(u64).range(1..=31))]
    days: u64,
    /// What the world is made from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// The files of a generated month, kept for the next run.
struct World {
    folder: PathBuf,
    manifest: Value,
}

/// What one side answered, and what it took.
struct Side {
    seconds: f64,
    peak_bytes: u64,
    answer: Value,
}

struct Round {
    ours: Side,
    peer: Side,
}

/// Splitting one day, by months of history.
struct Days {
    months: u32,
    listed_days: u64,
    container_hours: u64,
    /// Of one process.
    seconds: Vec<f64>,
}

/// Measures the allocation and notes the result.
///
/// # Errors
/// When a step fails or a sum is not exact; a missed budget is `Verdict::Missed`.
pub fn run(workspace: &Workspace, args: &AllocationArgs) -> Result<Verdict> {
    let bench = workspace.target.join("bench");
    std::fs::create_dir_all(&bench)?;
    let threads = std::thread::available_parallelism()?.get();
    let mut steps = Steps::new(6);
    steps.run("measured program, release", || {
        run_program(workspace.cargo().args([
            "build",
            "--release",
            "--package",
            "lake",
            "--example",
            "bench_allocation",
        ]))
    })?;
    let program = workspace
        .target
        .join("release/examples")
        .join(format!("bench_allocation{}", std::env::consts::EXE_SUFFIX));
    let duckdb = steps.run("DuckDB", || DuckDb::ensure(&bench))?;
    let world = steps.run("usage and bill", || World::ensure(&bench, &program, args))?;
    let rounds = steps.run("rounds", || {
        world.warm()?;
        (1..=ROUNDS)
            .map(|number| world.round(number, &program, &duckdb, threads))
            .collect::<Result<Vec<_>>>()
    })?;
    let answer = &rounds.last().context("no rounds")?.ours.answer;
    let checked = steps.run("read back by DuckDB", || world.check(answer, &rounds, &duckdb, threads))?;
    let days = steps.run("one more day", || {
        [1, 13]
            .into_iter()
            .map(|months| world.days(&program, months))
            .collect::<Result<Vec<_>>>()
    })?;
    world.clean()?;
    steps.print_summary();
    let summary = Summary::of(&rounds, &days)?;
    let machine = report::machine(&workspace.root)?;
    let section = summary.section(args, &world, &rounds, &checked, &days, &duckdb.version, threads)
        + &format!("\nMachine: {machine}.\n");
    println!("{section}");
    if (args.pods, args.days) == FULL {
        report::update_document(&workspace.root.join("docs/BENCHMARKS.md"), "allocation", &section)?;
    }
    Ok(summary.verdict())
}

fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str> {
    value[name]
        .as_str()
        .with_context(|| format!("there is no {name} in an answer"))
}

fn number(value: &Value, name: &str) -> Result<f64> {
    value[name]
        .as_f64()
        .with_context(|| format!("there is no {name} in an answer"))
}

fn count(value: &Value, name: &str) -> Result<u64> {
    value[name]
        .as_u64()
        .with_context(|| format!("there is no {name} in an answer"))
}

fn side(measured: &Measured) -> Result<Side> {
    let answer: Value = serde_json::from_str(&measured.stdout).context("an answer is not one JSON document")?;
    Ok(Side {
        seconds: number(&answer, "seconds")?,
        peak_bytes: measured.peak_anonymous_bytes,
        answer,
    })
}

impl World {
    fn ensure(bench: &Path, program: &Path, args: &AllocationArgs) -> Result<Self> {
        let folder = bench.join(format!(
            "allocation-v{VERSION}-{}-{}-{}",
            args.pods, args.days, args.seed
        ));
        let manifest = folder.join("manifest.json");
        if !manifest.is_file() {
            // what a killed run left is not complete
            if folder.is_dir() {
                std::fs::remove_dir_all(&folder)?;
            }
            std::fs::create_dir_all(&folder)?;
            let sizes = [args.pods, args.days, args.seed].map(|size| size.to_string());
            capture(Command::new(program).arg("generate").arg(&folder).args(sizes))?;
        }
        let manifest = serde_json::from_str(&std::fs::read_to_string(&manifest)?)?;
        Ok(World { folder, manifest })
    }

    /// Both sides find the files in the page cache.
    fn warm(&self) -> Result<()> {
        for day in self.manifest["days"].as_array().context("no days in the manifest")? {
            for kind in ["charges", "nodes", "slots", "hours"] {
                let mut file = std::fs::File::open(self.folder.join("lake").join(text(day, kind)?))?;
                std::io::copy(&mut file, &mut std::io::sink())?;
            }
        }
        Ok(())
    }

    /// Removes what a round wrote.
    fn clean(&self) -> Result<()> {
        for made in ["lake/container_days", "lake/cubes", "lake/history", "peer"] {
            let made = self.folder.join(made);
            if made.is_dir() {
                std::fs::remove_dir_all(&made)?;
            }
        }
        Ok(())
    }

    /// Ours, then the peer's.
    fn round(&self, number: usize, program: &Path, duckdb: &DuckDb, threads: usize) -> Result<Round> {
        self.clean()?;
        let output = self.folder.join("peer");
        std::fs::create_dir_all(&output)?;
        let ours = side(&measure::run(Command::new(program).arg("allocate").arg(&self.folder))?)?;
        let mut peer = duckdb.script(SCRIPT);
        peer.arg("split")
            .arg(&self.folder)
            .arg(&output)
            .arg(threads.to_string());
        let peer = side(&measure::run(&mut peer)?)?;
        println!(
            "    round {number}: tonnage {:.2} s, {} MiB; DuckDB {:.2} s, {} MiB",
            ours.seconds,
            mib(ours.peak_bytes),
            peer.seconds,
            mib(peer.peak_bytes)
        );
        let bill = decimal::parse(text(&self.manifest, "total")?)?;
        if decimal::parse(text(&ours.answer, "total")?)? != bill {
            bail!("the parts are not the bill");
        }
        Ok(Round { ours, peer })
    }

    /// Our files as DuckDB reads them: to the digit. The peer's sums: near.
    fn check(&self, ours: &Value, rounds: &[Round], duckdb: &DuckDb, threads: usize) -> Result<Value> {
        let answer = self.folder.join("ours.json");
        std::fs::write(&answer, ours.to_string())?;
        let mut command = duckdb.script(SCRIPT);
        command
            .arg("check")
            .arg(&self.folder)
            .arg(&answer)
            .arg(threads.to_string());
        let found: Value = serde_json::from_str(&capture(&mut command)?)?;
        let bill = decimal::parse(text(&self.manifest, "total")?)?;
        let kinds = &found["kinds"];
        let sum = |kind: &str, basis: &str| decimal::parse(text(&kinds[kind], basis)?);
        for basis in ["effective", "billed"] {
            let parts = sum("container", basis)? + sum("remainder", basis)?;
            if sum("node", basis)? != bill || parts != bill {
                bail!(
                    "DuckDB adds the {basis} costs of the container-days up to something else than the bill: {found}"
                );
            }
        }
        let types = &found["types"];
        if count(&found, "unequal_node_days")? != 0
            || decimal::parse(text(&found, "cube")?)? != bill
            || types != &serde_json::json!(["DECIMAL(38,24)"])
        {
            bail!("DuckDB does not find what was written: {found}");
        }
        let near = |what: &str, exact: f64, doubles: f64| {
            if (exact - doubles).abs() > DOUBLES * exact.abs() {
                bail!("the two sides do not do the same: {what} {exact} and {doubles}");
            }
            Ok(())
        };
        let exact: f64 = text(&self.manifest, "total")?.parse()?;
        let containers: f64 = text(&kinds["container"], "effective")?.parse()?;
        for round in rounds {
            near("in all", exact, number(&round.peer.answer, "total")?)?;
            near("with containers", containers, number(&round.peer.answer, "containers")?)?;
        }
        Ok(found)
    }

    fn days(&self, program: &Path, months: u32) -> Result<Days> {
        let mut command = Command::new(program);
        command
            .arg("day")
            .arg(&self.folder)
            .args([&months.to_string(), DAY_ROUNDS]);
        let answer: Value = serde_json::from_str(&capture(&mut command)?)?;
        let seconds: Vec<f64> = serde_json::from_value(answer["seconds"].clone())?;
        let days = Days {
            months,
            listed_days: count(&answer, "days")?,
            container_hours: count(&answer, "container_hours")?,
            seconds,
        };
        println!("    {months} months, {} days: {:.3} s", days.listed_days, days.median());
        Ok(days)
    }
}

impl Days {
    fn median(&self) -> f64 {
        middle(self.seconds.iter().copied())
    }
}

fn middle(seconds: impl Iterator<Item = f64>) -> f64 {
    let all: Vec<Duration> = seconds.map(Duration::from_secs_f64).collect();
    median(&all).unwrap_or_default().as_secs_f64()
}

struct Summary {
    ours: f64,
    peer: f64,
    ours_bytes: u64,
    peer_bytes: u64,
    /// The slower of the histories.
    day: f64,
}

impl Summary {
    fn of(rounds: &[Round], days: &[Days]) -> Result<Self> {
        let peak = |of: fn(&Round) -> &Side| {
            let bytes: Vec<u64> = rounds.iter().map(|round| of(round).peak_bytes).collect();
            median(&bytes).context("no rounds")
        };
        Ok(Self {
            ours: middle(rounds.iter().map(|round| round.ours.seconds)),
            peer: middle(rounds.iter().map(|round| round.peer.seconds)),
            ours_bytes: peak(|round| &round.ours)?,
            peer_bytes: peak(|round| &round.peer)?,
            day: days.iter().map(Days::median).fold(0.0, f64::max),
        })
    }

    fn ratio(&self) -> f64 {
        self.ours / self.peer
    }

    /// Time, memory, one more day.
    fn held(&self) -> [bool; 3] {
        [
            self.ratio() <= TIME_RATIO_BUDGET,
            self.ours_bytes <= MEMORY_BUDGET_BYTES,
            self.day <= DAY_BUDGET_S,
        ]
    }

    fn verdict(&self) -> Verdict {
        if self.held() == [true; 3] {
            Verdict::Held
        } else {
            Verdict::Missed
        }
    }

    #[expect(clippy::too_many_arguments, reason = "everything the section tells")]
    fn section(
        &self,
        args: &AllocationArgs,
        world: &World,
        rounds: &[Round],
        checked: &Value,
        days: &[Days],
        duckdb: &str,
        threads: usize,
    ) -> String {
        let walls = |of: fn(&Round) -> &Side| {
            let walls = rounds.iter().map(|round| format!("{:.2}", of(round).seconds));
            walls.collect::<Vec<_>>().join(", ")
        };
        let size = |of: &Side| mib(of.answer["bytes"].as_u64().unwrap_or(0));
        let last = &rounds[rounds.len() - 1];
        let facts = &world.manifest["facts"];
        let mut lines = vec![format!(
            "## Allocation\n\n\
             `cargo xtask bench allocation --pods {pods} --days {days} --seed {seed}`: {nodes} nodes, {all_pods} pods of which \
             {pods} run at a time, {hours} container-hours, {node_hours} node-hours with one charge each; {cpu} % of the \
             node-hours are over-committed on CPU, {memory} % on memory. Usage and charges in the lake's own Parquet, in the page \
             cache, to container-days and the daily cube by pool, namespace, workload and part, against the same arithmetic in \
             DuckDB {duckdb} SQL with doubles over the same files ({threads} threads, day by day, zstd 1, one file a day). \
             {count} rounds in turn, medians; time is that of the work without the start of the process, memory the peak of \
             RssAnon, sampled every 20 ms. Ours also writes what DuckDB was not asked for: every amount in DECIMAL(38,24), the \
             hash of every file, each file synced and read back.\n",
            pods = args.pods,
            days = args.days,
            seed = args.seed,
            nodes = facts["nodes"],
            all_pods = facts["pods"],
            hours = world.manifest["container_hours"],
            node_hours = world.manifest["node_hours"],
            cpu = facts["overcommitted_cpu_percent"],
            memory = facts["overcommitted_memory_percent"],
            count = rounds.len(),
        )];
        lines.push("| | median s | rounds s | anonymous MiB | written MiB |\n|---|---|---|---|---|".to_owned());
        for (name, of, median, bytes) in [
            (
                "tonnage, exact",
                (|round| &round.ours) as fn(&Round) -> &Side,
                self.ours,
                self.ours_bytes,
            ),
            ("DuckDB, doubles", |round| &round.peer, self.peer, self.peer_bytes),
        ] {
            lines.push(format!(
                "| {name} | {} | {} | {} | {} |",
                seconds(Duration::from_secs_f64(median)),
                walls(of),
                mib(bytes),
                size(of(last))
            ));
        }
        lines.push(format!(
            "\nEvery node-hour is asserted in the pass. DuckDB read our files back: {} of {} node-days are the sum of their \
             containers and remainders, and nodes, parts and the cube's {} lines each add up to the bill, {}, to the last digit. \
             The peer's sums are within 1e-9 of ours.\n",
            checked["node_days"].as_u64().unwrap_or(0) - checked["unequal_node_days"].as_u64().unwrap_or(0),
            checked["node_days"],
            last.ours.answer["cube_lines"],
            world.manifest["total"].as_str().unwrap_or_default(),
        ));
        lines.push("| one more day, `lake::split_day` | median s | fastest s |\n|---|---|---|".to_owned());
        for of in days {
            lines.push(format!(
                "| {} container-hours, {} months of history ({} days listed) | {:.3} | {:.3} |",
                of.container_hours,
                of.months,
                of.listed_days,
                of.median(),
                of.seconds.iter().copied().fold(f64::INFINITY, f64::min)
            ));
        }
        lines.push(
            "\nA day is read, split, written, synced and read back, its nodes in two halves by two threads. The older months are \
             this month's files under further names. The application itself allocates a whole period when one of its days has changed.\n"
                .to_owned(),
        );
        let word = |held: bool| if held { "held" } else { "MISSED" };
        let [time, memory, day] = self.held();
        lines.push(format!(
            "Ratio of time {:.3} (budget {TIME_RATIO_BUDGET}): {}. Memory {} MiB (budget {} MiB): {}. One more day {:.3} s \
             (budget {DAY_BUDGET_S} s): {}.",
            self.ratio(),
            word(time),
            mib(self.ours_bytes),
            mib(MEMORY_BUDGET_BYTES),
            word(memory),
            self.day,
            word(day)
        ));
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_budget_counts() {
        for (ours, ours_bytes, day, held) in [
            (5.0, MEMORY_BUDGET_BYTES, DAY_BUDGET_S, [true, true, true]),
            (5.1, MEMORY_BUDGET_BYTES, DAY_BUDGET_S, [false, true, true]),
            (5.0, MEMORY_BUDGET_BYTES + 1, DAY_BUDGET_S, [true, false, true]),
            (5.0, MEMORY_BUDGET_BYTES, 0.11, [true, true, false]),
        ] {
            let summary = Summary {
                ours,
                peer: 10.0,
                ours_bytes,
                peer_bytes: 1,
                day,
            };
            assert_eq!(summary.held(), held);
            assert_eq!(summary.verdict() == Verdict::Held, held == [true; 3]);
        }
    }

    #[test]
    fn the_middle_is_one_of_them() {
        assert!((middle([0.3, 0.1, 0.2].into_iter()) - 0.2).abs() < 1e-9);
    }
}
