//! The measured side of `cargo xtask bench allocation`: makes a lake of a month
//! of one cluster and its bill, and allocates it, each in a process of its own.
//!
//! ```text
//! bench_allocation generate FOLDER PODS DAYS SEED   the lake and its list of files
//! bench_allocation allocate FOLDER                  the period: container-days and cube
//! bench_allocation day FOLDER MONTHS ROUNDS         one day, among so many months of files
//! ```
//!
//! Each prints one JSON document.
#![expect(clippy::print_stdout, reason = "its answers go to standard output")]

mod manifest;
mod world;

use domain::allocate::{Cube, Program};
use domain::apportion::apportion;
use domain::class::ClassRules;
use domain::instant::Instant;
use domain::rule::RuleSet;
use domain::{BillingPeriod, Money};
use lake::{Lake, allocate_with_usage, split_day, write_cube};
use manifest::Manifest;
use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant as Clock;
use world::World;

/// The tenant is the namespace, the service the workload.
const RULES: &str = "
format: 1
rules:
  - {name: owners, when: {column: Namespace, exists: true}, set: {tenant: {column: Namespace}, service: {column: Workload}}}
";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<Value> {
    match words {
        ["generate", folder, pods, days, seed] => {
            let world = World::new(pods.parse()?, days.parse()?, seed.parse()?);
            let manifest = world.write(Path::new(folder))?;
            Ok(manifest.summary())
        }
        ["allocate", folder] => allocate(Path::new(folder)),
        ["day", folder, months, rounds] => day(Path::new(folder), months.parse()?, rounds.parse()?),
        _ => Err(
            "usage: bench_allocation generate FOLDER PODS DAYS SEED | allocate FOLDER | day FOLDER MONTHS ROUNDS"
                .into(),
        ),
    }
}

fn program() -> Result<Program> {
    Ok(Program {
        rules: RuleSet::parse(RULES).map_err(|findings| format!("{findings:?}"))?,
        classes: ClassRules::preset(),
        prices: domain::price::Policy::preset(),
    })
}

/// Effective cost of a cube, and how many bill lines are in it.
fn sums(cube: &Cube) -> Result<(Money, u64)> {
    let total = Money::sum(cube.lines.values().map(|value| value.effective))?;
    Ok((total, cube.lines.values().map(|value| value.charges).sum()))
}

fn allocate(folder: &Path) -> Result<Value> {
    let manifest = Manifest::read(folder)?;
    let lake = Lake::file(&folder.join("lake"))?;
    let program = program()?;
    let period = BillingPeriod::of(Instant(manifest.first_day()?.start().0));
    let started = Clock::now();
    let found = allocate_with_usage(
        &lake,
        &manifest.charges,
        &manifest.usage,
        Some(period),
        &program,
        apportion,
    )?;
    let cube = write_cube(&lake, &found.cube, "cubes/bench.parquet")?;
    let wall = started.elapsed();
    let (total, lines) = sums(&found.cube)?;
    if total != manifest.total || lines != manifest.node_hours {
        return Err(format!("the cube has {total} of {lines} lines, the bill {}", manifest.total).into());
    }
    if !found.unbilled.is_empty() {
        return Err("every node hour has a charge, but some are called unbilled".into());
    }
    let files = &found.container_days;
    Ok(json!({
        "seconds": wall.as_secs_f64(),
        "total": total.to_string(),
        "container_day_rows": files.iter().map(|file| file.rows).sum::<u64>(),
        "bytes": files.iter().map(|file| file.bytes).sum::<u64>() + cube.bytes,
        "cube_lines": found.cube.lines.len(),
        "cube": cube.path,
        "container_days": files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
    }))
}

/// Splits the newest day again and again. With more months than one, the lake
/// lists as many, the older ones as further names of the files of this one.
fn day(folder: &Path, months: i32, rounds: usize) -> Result<Value> {
    let mut manifest = Manifest::read(folder)?;
    manifest.add_history(folder, months)?;
    let lake = Lake::file(&folder.join("lake"))?;
    let program = program()?;
    let mut seconds = Vec::new();
    let mut days = 0;
    let mut rows = 0;
    for _ in 0..rounds {
        let started = Clock::now();
        let (usage, charges) = manifest.newest().ok_or("no day")?;
        let found = split_day(&lake, charges, usage, &program, apportion)?;
        seconds.push(started.elapsed().as_secs_f64());
        let (total, _) = sums(&found.cube)?;
        let file = found.container_days.ok_or("no container-days were written")?;
        if found.left_out != 0 || found.unbilled_node_hours != 0 || total != manifest.newest_total {
            return Err(format!("the day has {total}, its bill {}", manifest.newest_total).into());
        }
        (days, rows) = (manifest.usage.len(), usage.slot_hours);
        // the next round writes it anew
        lake.remove(&file.path)?;
    }
    Ok(json!({"seconds": seconds, "days": days, "container_hours": rows}))
}
