//! `cargo xtask test`: every check in one command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::postgres::Cluster;
use crate::suites::{self, Counts, Suite};
use crate::workspace::{HOST_PACKAGES, Workspace};
use crate::{Verdict, browser, debian, islands, postgres, site, steps};

const POSTGRES_REMEDY: &str = "install PostgreSQL's server (Debian: apt-get install postgresql), \
     or set TEST_POSTGRES_URL to a server whose user may create databases";
const BROWSER_REMEDY: &str = "install chromium, its driver and npm \
     (Debian: apt-get install chromium chromium-driver nodejs npm), \
     or set TEST_CHROMIUM, TEST_CHROMEDRIVER and TEST_AXE_JS";
const PROMETHEUS_REMEDY: &str = "install Prometheus with promtool (Debian: apt-get install prometheus), \
     or set TEST_PROMETHEUS to its binary, with promtool beside it";

/// Options of `test`.
#[derive(Args, Clone)]
#[command(
    after_help = "Suites: fmt, lint, site, unit, contract, api, pipeline, prometheus, access, faults,
browser, xtask,
and every other tests/*.rs target by its name.

Examples:
  cargo xtask test                       everything; on Debian as root installs what is missing
  cargo xtask test --only unit,contract  two suites
  cargo xtask test --skip browser        all but one
  cargo xtask test --long                with the full counts of kills and cases"
)]
pub struct TestArgs {
    /// Full counts of kills and fuzz cases (sets TONNAGE_LONG=1)
    #[arg(long)]
    long: bool,
    /// Run these suites only
    #[arg(long, value_delimiter = ',', value_name = "SUITE,...")]
    only: Vec<String>,
    /// Leave these suites out
    #[arg(long, value_delimiter = ',', value_name = "SUITE,...")]
    skip: Vec<String>,
}

/// Options of `ci`.
#[derive(Args, Clone)]
#[command(after_help = "Examples:\n  cargo xtask ci\n  cargo xtask ci --long")]
pub struct CiArgs {
    /// Full counts of kills and fuzz cases (sets TONNAGE_LONG=1)
    #[arg(long)]
    long: bool,
}

impl From<CiArgs> for TestArgs {
    fn from(args: CiArgs) -> Self {
        Self {
            long: args.long,
            only: Vec::new(),
            skip: Vec::new(),
        }
    }
}

/// Runs the chosen suites. With `ci` nothing may be skipped.
///
/// # Errors
/// When the machinery fails; a failing suite is `Verdict::Missed`.
pub fn run(workspace: &Workspace, args: &TestArgs, ci: bool) -> Result<Verdict> {
    if ci && !(args.only.is_empty() && args.skip.is_empty()) {
        bail!("with CI=true every suite runs: --only and --skip are refused");
    }
    let chosen = suites::choose(&suites::all(workspace)?, &args.only, &args.skip)?;
    let mut session = Session {
        workspace,
        env: vec![("TEST_SITE_DIR", workspace.site().into())],
        report: Report::default(),
    };
    if ci {
        session.env.push(("CI", "true".into()));
    }
    if args.long {
        session.env.push(("TONNAGE_LONG", "1".into()));
    }
    session.run_all(&chosen)?;
    session.report.print();
    Ok(session.report.verdict(ci))
}

struct Session<'a> {
    workspace: &'a Workspace,
    /// What the tests are told about this machine.
    env: Vec<(&'static str, OsString)>,
    report: Report,
}

impl Session<'_> {
    fn run_all(&mut self, chosen: &[Suite]) -> Result<()> {
        let needs_build = chosen.iter().any(Suite::needs_build);
        let needs_browser = chosen.iter().any(Suite::is_browser);
        let mut cluster = None;
        if needs_build {
            install_missing(
                needs_browser,
                chosen.iter().any(Suite::is_prometheus),
                chosen.iter().any(Suite::is_access),
            );
        }
        for suite in chosen
            .iter()
            .filter(|suite| matches!(suite, Suite::Format | Suite::Lint))
        {
            self.run_suite(suite);
        }
        if needs_browser || chosen.contains(&Suite::Site) {
            self.run_suite(&Suite::Site);
        }
        let built = !needs_build || self.build();
        if needs_build && built {
            cluster = self.start_postgres();
        }
        for suite in chosen {
            match suite {
                Suite::Format | Suite::Lint | Suite::Site => {}
                Suite::Target { name, exists: false } => {
                    let reason = format!("no crate has a test target of this name: write tests/{name}.rs");
                    self.report.add(name, Duration::ZERO, Outcome::Skipped(reason));
                }
                suite if suite.needs_build() && !built => {
                    self.report.add(
                        suite.name(),
                        Duration::ZERO,
                        Outcome::Failed("not run: the build failed".into()),
                    );
                }
                suite if suite.is_browser() => self.run_browser(suite),
                suite if suite.is_prometheus() => self.run_prometheus(suite),
                suite => self.run_suite(suite),
            }
        }
        drop(cluster);
        Ok(())
    }

    /// Runs one suite and notes how it went.
    fn run_suite(&mut self, suite: &Suite) {
        let workspace = self.workspace;
        self.timed(suite.name(), |session| match suite {
            Suite::Format => quiet(workspace.cargo().args(["fmt", "--all", "--check"])),
            Suite::Lint => session.lint(),
            Suite::Site => {
                islands::ensure_target(workspace)?;
                site::build(workspace, &islands::build(workspace)?)?;
                Ok((Counts::default(), true))
            }
            Suite::Unit => session.unit(),
            Suite::Target { name, .. } => {
                suites::run_counted(session.cargo_test().args(["--no-fail-fast", "--test", name]))
            }
            Suite::Xtask => suites::run_counted(workspace.cargo().args(["test", "--package", "xtask"])),
        });
    }

    fn timed(&mut self, name: &str, work: impl FnOnce(&Self) -> Result<(Counts, bool)>) {
        println!("==> {name}");
        let started = Instant::now();
        let outcome = match work(self) {
            Ok((counts, true)) => Outcome::Passed(counts),
            Ok((counts, false)) => Outcome::Counted(counts),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        self.report.add(name, started.elapsed(), outcome);
    }

    fn lint(&self) -> Result<(Counts, bool)> {
        let deny = ["--all-targets", "--", "-D", "warnings"];
        let clippy = || {
            let mut command = self.workspace.cargo();
            command.arg("clippy");
            command
        };
        steps::run(clippy().args(HOST_PACKAGES).args(deny))?;
        quiet(clippy().args(["--package", "xtask"]).args(deny))
    }

    /// Everything the suites run, compiled once, with the server's binary.
    fn build(&mut self) -> bool {
        let binary = self.workspace.server_binary("debug");
        self.env.push(("TONNAGE_BIN", binary.into()));
        let workspace = self.workspace;
        self.timed("build", |_| {
            quiet(workspace.cargo().arg("build").args(HOST_PACKAGES).arg("--all-targets"))
        });
        self.report
            .rows
            .last()
            .is_some_and(|row| matches!(row.outcome, Outcome::Passed(_)))
    }

    /// `cargo test` over the host packages, told about this machine.
    fn cargo_test(&self) -> Command {
        let mut command = self.workspace.cargo();
        command.arg("test").args(HOST_PACKAGES);
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command
    }

    fn unit(&self) -> Result<(Counts, bool)> {
        let (mut counts, inside) = suites::run_counted(self.cargo_test().args(["--no-fail-fast", "--lib", "--bins"]))?;
        let (documented, examples) = suites::run_counted(self.cargo_test().args(["--no-fail-fast", "--doc"]))?;
        counts += documented;
        Ok((counts, inside && examples))
    }

    fn start_postgres(&mut self) -> Option<Cluster> {
        if std::env::var_os("TEST_POSTGRES_URL").is_some() {
            return None;
        }
        let started = Instant::now();
        match Cluster::start() {
            Ok(cluster) => {
                println!("    private PostgreSQL at {}", cluster.url());
                self.env.push(("TEST_POSTGRES_URL", cluster.url().into()));
                Some(cluster)
            }
            Err(error) => {
                let reason = format!("the suites run on SQLite only: {error:#}; {POSTGRES_REMEDY}");
                self.report.add("postgres", started.elapsed(), Outcome::Skipped(reason));
                None
            }
        }
    }

    fn run_prometheus(&mut self, suite: &Suite) {
        match prometheus() {
            Some(binary) => {
                self.env.push(("TEST_PROMETHEUS", binary.into()));
                self.run_suite(suite);
            }
            None => {
                let reason = format!("there is no Prometheus here; {PROMETHEUS_REMEDY}");
                self.report.add(suite.name(), Duration::ZERO, Outcome::Skipped(reason));
            }
        }
    }

    fn run_browser(&mut self, suite: &Suite) {
        match browser::prepare(self.workspace) {
            Ok(found) => {
                self.env.push(("TEST_CHROMIUM", found.chromium.into()));
                self.env.push(("TEST_CHROMEDRIVER", found.chromedriver.into()));
                self.env.push(("TEST_AXE_JS", found.axe.into()));
                self.run_suite(suite);
            }
            Err(error) => {
                let reason = format!("{error:#}; {BROWSER_REMEDY}");
                self.report.add(suite.name(), Duration::ZERO, Outcome::Skipped(reason));
            }
        }
    }
}

fn quiet(command: &mut Command) -> Result<(Counts, bool)> {
    steps::run(command)?;
    Ok((Counts::default(), true))
}

/// `TEST_PROMETHEUS`, or the server on PATH.
fn prometheus() -> Option<PathBuf> {
    let named = std::env::var_os("TEST_PROMETHEUS").map(PathBuf::from);
    named.or_else(|| steps::find_program(&["prometheus"]))
}

/// On Debian as root: installs what is missing. Elsewhere, or when that fails, the
/// suites that lack something say so themselves.
fn install_missing(needs_browser: bool, needs_prometheus: bool, needs_node: bool) {
    let mut packages = Vec::new();
    if std::env::var_os("TEST_POSTGRES_URL").is_none() && postgres::programs().is_none() {
        packages.push("postgresql");
    }
    if needs_browser {
        if browser::chromium().is_none() {
            packages.push("chromium");
        }
        if browser::chromedriver().is_none() {
            packages.push("chromium-driver");
        }
    }
    let fetches_axe = needs_browser && std::env::var_os("TEST_AXE_JS").is_none();
    let missing = |name: &str| steps::find_program(&[name]).is_none();
    if (fetches_axe && missing("npm")) || (needs_node && (missing("npm") || missing("node"))) {
        packages.extend(["nodejs", "npm"]);
    }
    if needs_prometheus && prometheus().is_none() {
        packages.push("prometheus");
    }
    if packages.is_empty() || !debian::can_install() {
        return;
    }
    println!("==> installing {}", packages.join(", "));
    if let Err(error) = debian::install(&packages).context("cannot install packages") {
        eprintln!("warning: {error:#}");
    }
}

enum Outcome {
    Passed(Counts),
    /// The run failed; the counts say how many tests did.
    Counted(Counts),
    /// Failed before or beside counting, and why.
    Failed(String),
    /// Not run, and how to enable it.
    Skipped(String),
}

struct Row {
    name: String,
    elapsed: Duration,
    outcome: Outcome,
}

#[derive(Default)]
struct Report {
    rows: Vec<Row>,
}

impl Report {
    fn add(&mut self, name: &str, elapsed: Duration, outcome: Outcome) {
        self.rows.push(Row {
            name: name.to_owned(),
            elapsed,
            outcome,
        });
    }

    /// Tests, plus one for each suite that failed or was skipped without a test to show for it.
    fn totals(&self) -> Counts {
        let mut totals = Counts::default();
        for row in &self.rows {
            match &row.outcome {
                Outcome::Passed(counts) => totals += *counts,
                Outcome::Counted(counts) => {
                    totals += Counts {
                        failed: counts.failed.max(1),
                        ..*counts
                    };
                }
                Outcome::Failed(_) => totals.failed += 1,
                Outcome::Skipped(_) => totals.ignored += 1,
            }
        }
        totals
    }

    fn verdict(&self, ci: bool) -> Verdict {
        let totals = self.totals();
        if ci && totals.ignored > 0 {
            eprintln!("error: with CI=true nothing may be skipped");
            return Verdict::Missed;
        }
        if totals.failed > 0 {
            Verdict::Missed
        } else {
            Verdict::Held
        }
    }

    fn print(&self) {
        println!("\n{:<20} {:<8} {:>8}", "suite", "result", "seconds");
        for row in &self.rows {
            let (result, why) = match &row.outcome {
                Outcome::Passed(_) => ("passed", ""),
                Outcome::Counted(_) => ("FAILED", ""),
                Outcome::Failed(why) => ("FAILED", why.as_str()),
                Outcome::Skipped(why) => ("skipped", why.as_str()),
            };
            let line = format!("{:<20} {result:<8} {:>8.1}  {why}", row.name, row.elapsed.as_secs_f64());
            println!("{}", line.trim_end());
        }
        let totals = self.totals();
        println!(
            "\n{} passed, {} failed, {} skipped",
            totals.passed, totals.failed, totals.ignored
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, ignored: u64) -> Counts {
        Counts {
            passed,
            failed,
            ignored,
        }
    }

    #[test]
    fn the_verdict_follows_the_rows() {
        let skipped = || Outcome::Skipped("no browser".to_owned());
        let cases: Vec<(Vec<Outcome>, Counts, bool, bool)> = vec![
            // outcomes, totals, holds, holds in CI
            (vec![Outcome::Passed(counts(3, 0, 0))], counts(3, 0, 0), true, true),
            (vec![Outcome::Passed(counts(3, 0, 1))], counts(3, 0, 1), true, false),
            (
                vec![Outcome::Passed(counts(3, 0, 0)), skipped()],
                counts(3, 0, 1),
                true,
                false,
            ),
            (vec![Outcome::Counted(counts(3, 2, 0))], counts(3, 2, 0), false, false),
            // a test binary that crashed has counted nothing
            (vec![Outcome::Counted(counts(0, 0, 0))], counts(0, 1, 0), false, false),
            (vec![Outcome::Failed("fmt".to_owned())], counts(0, 1, 0), false, false),
        ];
        for (outcomes, totals, holds, holds_in_ci) in cases {
            let mut report = Report::default();
            for outcome in outcomes {
                report.add("x", Duration::ZERO, outcome);
            }
            assert_eq!(report.totals(), totals);
            assert_eq!(report.verdict(false) == Verdict::Held, holds);
            assert_eq!(report.verdict(true) == Verdict::Held, holds_in_ci);
        }
    }
}
