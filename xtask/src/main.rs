//! `cargo xtask`: everything that is done to this repository, in one command each.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool: its steps and results go to standard output"
)]

mod bench;
mod browser;
mod css;
mod debian;
mod demo;
mod dist;
mod islands;
mod postgres;
mod site;
mod steps;
mod suites;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Workspace;

/// Builds, shows, tests, measures and packs Tonnage.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything, write the synthetic demo company and serve it
    Demo(demo::DemoArgs),
    /// Format check, lints and every test suite
    Test(test::TestArgs),
    /// `test` with CI=true: nothing may be skipped
    Ci(test::CiArgs),
    /// Measure against a peer in the same run and note the result in docs/BENCHMARKS.md
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Release build: target/dist/tonnage-VERSION-TARGET.tar.gz
    #[command(after_help = "Example:\n  cargo xtask dist")]
    Dist,
}

/// What a sub-command found out, apart from the machinery failing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Everything that was asked holds.
    Held,
    /// A test failed or a budget was missed; the output has said which.
    Missed,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(Verdict::Held) => ExitCode::SUCCESS,
        Ok(Verdict::Missed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<Verdict> {
    let workspace = Workspace::find()?;
    match &cli.command {
        Command::Demo(args) => demo::run(&workspace, args),
        Command::Test(args) => test::run(&workspace, args, std::env::var_os("CI").is_some_and(|v| v == "true")),
        Command::Ci(args) => test::run(&workspace, &args.clone().into(), true),
        Command::Bench(bench::BenchCommand::Ingest(args)) => bench::ingest(&workspace, args),
        Command::Bench(bench::BenchCommand::Allocation(args)) => bench::allocation(&workspace, args),
        Command::Bench(bench::BenchCommand::Api(args)) => bench::api::run(&workspace, args),
        Command::Dist => dist::run(&workspace),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
