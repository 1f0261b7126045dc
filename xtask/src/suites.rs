//! Which suites there are, and reading what their runs say.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::steps::{capture, shown};
use crate::workspace::Workspace;

/// The integration suites the design names, in the order they run. One that has no
/// test target is reported as skipped, so that it cannot go missing unnoticed.
const NAMED_TARGETS: [&str; 9] = [
    "contract",
    "api",
    "pipeline",
    "kubernetes",
    "prometheus",
    "agent",
    "access",
    "faults",
    "browser",
];

/// One row of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suite {
    /// `cargo fmt --check`.
    Format,
    /// clippy with warnings denied.
    Lint,
    /// Islands, stylesheet and assets within their budget.
    Site,
    /// Tests inside the crates, and documentation examples.
    Unit,
    /// A `tests/*.rs` target of this name, in whatever crate.
    Target {
        /// The name of the target.
        name: String,
        /// False for a suite of the design without a target.
        exists: bool,
    },
    /// xtask's own tests.
    Xtask,
}

impl Suite {
    /// The name in the report and in `--only` and `--skip`.
    pub fn name(&self) -> &str {
        match self {
            Self::Format => "fmt",
            Self::Lint => "lint",
            Self::Site => "site",
            Self::Unit => "unit",
            Self::Target { name, .. } => name,
            Self::Xtask => "xtask",
        }
    }

    /// Whether it runs against the built workspace.
    pub fn needs_build(&self) -> bool {
        matches!(self, Self::Unit | Self::Target { exists: true, .. })
    }

    /// Whether it is the browser suite.
    pub fn is_browser(&self) -> bool {
        self.is_target("browser")
    }

    /// Whether it is the suite that signs in at a real OpenID provider.
    pub fn is_access(&self) -> bool {
        self.is_target("access")
    }

    /// Whether it is the suite that asks a real Prometheus.
    pub fn is_prometheus(&self) -> bool {
        self.is_target("prometheus")
    }

    fn is_target(&self, wanted: &str) -> bool {
        matches!(self, Self::Target { name, exists: true } if name == wanted)
    }
}

/// Every suite of the workspace, in the order they run.
///
/// # Errors
/// When cargo cannot describe the workspace.
pub fn all(workspace: &Workspace) -> Result<Vec<Suite>> {
    let metadata = capture(
        workspace
            .cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"]),
    )?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
    Ok(ordered(test_targets(&metadata)))
}

fn test_targets(metadata: &Value) -> Vec<String> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    list(metadata, "packages")
        .iter()
        .filter(|package| package["name"] != "xtask")
        .flat_map(|package| list(package, "targets"))
        .filter(|target| list(target, "kind").iter().any(|kind| kind == "test"))
        .filter_map(|target| Some(target["name"].as_str()?.to_owned()))
        .collect()
}

/// Cheap suites first, the browser near the end; targets the design does not name
/// (such as `property`) stand between the unit tests and the named ones.
fn ordered(mut targets: Vec<String>) -> Vec<Suite> {
    targets.sort();
    targets.dedup();
    let (named, others): (Vec<_>, Vec<_>) = targets
        .into_iter()
        .partition(|name| NAMED_TARGETS.contains(&name.as_str()));
    let mut suites = vec![Suite::Format, Suite::Lint, Suite::Site, Suite::Unit];
    suites.extend(others.into_iter().map(|name| Suite::Target { name, exists: true }));
    suites.extend(NAMED_TARGETS.map(|name| Suite::Target {
        name: name.to_owned(),
        exists: named.iter().any(|found| found == name),
    }));
    suites.push(Suite::Xtask);
    suites
}

/// Keeps the suites of `only` (all when empty) without those of `skip`.
///
/// # Errors
/// When a name is not a suite.
pub fn choose(suites: &[Suite], only: &[String], skip: &[String]) -> Result<Vec<Suite>> {
    for name in only.iter().chain(skip) {
        if !suites.iter().any(|suite| suite.name() == name) {
            let known: Vec<&str> = suites.iter().map(Suite::name).collect();
            bail!("there is no suite `{name}`; the suites are {}", known.join(", "));
        }
    }
    let named = |list: &[String], suite: &Suite| list.iter().any(|name| name == suite.name());
    Ok(suites
        .iter()
        .filter(|suite| (only.is_empty() || named(only, suite)) && !named(skip, suite))
        .cloned()
        .collect())
}

/// What the `test result:` lines of a run add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests marked `#[ignore]`.
    pub ignored: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl Counts {
    /// Reads `test result: ok. 12 passed; 0 failed; 1 ignored; ...`; none when it is another line.
    fn read(line: &str) -> Option<Self> {
        let (_, numbers) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
        let mut counts = Self::default();
        for part in numbers.split(';') {
            let Some((number, word)) = part.trim().split_once(' ') else {
                continue;
            };
            match word {
                "passed" => counts.passed = number.parse().ok()?,
                "failed" => counts.failed = number.parse().ok()?,
                "ignored" => counts.ignored = number.parse().ok()?,
                _ => {}
            }
        }
        Some(counts)
    }
}

/// Runs `cargo test ...`, passing its output through while counting.
/// Returns the counts and whether it succeeded.
///
/// # Errors
/// When it cannot be started or its output cannot be read.
pub fn run_counted(command: &mut Command) -> Result<(Counts, bool)> {
    println!("    $ {}", shown(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let output = child.stdout.take().context("the output was not piped")?;
    let counts = pass_through(BufReader::new(output), std::io::stdout());
    let status = child.wait()?;
    Ok((counts?, status.success()))
}

fn pass_through(mut from: impl BufRead, mut to: impl Write) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        if let Some(read) = Counts::read(&String::from_utf8_lossy(&line)) {
            counts += read;
        }
        line.clear();
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RUN: &str = "\nrunning 2 tests\ntest a ... ok\n\
        test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s\n\
        test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.0s";

    #[test]
    fn results_are_added_and_output_is_passed_on() {
        let mut out = Vec::new();
        let counts = pass_through(RUN.as_bytes(), &mut out).unwrap();
        assert_eq!(
            counts,
            Counts {
                passed: 15,
                failed: 2,
                ignored: 1
            }
        );
        assert_eq!(out, RUN.as_bytes());
    }

    fn names(suites: &[Suite]) -> Vec<&str> {
        suites.iter().map(Suite::name).collect()
    }

    #[test]
    fn targets_become_suites() {
        let target = |name: &str, kind: &str| json!({"name": name, "kind": [kind]});
        let metadata = json!({"packages": [
            {"name": "tonnage-tests", "targets": [target("browser", "test"), target("contract", "test"), target("x", "lib")]},
            {"name": "domain", "targets": [target("property", "test")]},
            {"name": "xtask", "targets": [target("hidden", "test")]},
        ]});
        let suites = ordered(test_targets(&metadata));
        assert_eq!(
            names(&suites),
            [
                "fmt",
                "lint",
                "site",
                "unit",
                "property",
                "contract",
                "api",
                "pipeline",
                "kubernetes",
                "prometheus",
                "agent",
                "access",
                "faults",
                "browser",
                "xtask"
            ]
        );
        let absent: Vec<_> = suites
            .iter()
            .filter(|s| matches!(s, Suite::Target { exists: false, .. }))
            .cloned()
            .collect();
        assert_eq!(
            names(&absent),
            [
                "api",
                "pipeline",
                "kubernetes",
                "prometheus",
                "agent",
                "access",
                "faults"
            ]
        );
    }

    #[test]
    fn suites_are_chosen_by_name() {
        let suites = ordered(vec!["contract".to_owned()]);
        let choose = |only: &[&str], skip: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
            choose(&suites, &owned(only), &owned(skip))
        };
        assert_eq!(names(&choose(&["unit", "fmt"], &[]).unwrap()), ["fmt", "unit"]);
        assert_eq!(names(&choose(&["unit", "fmt"], &["fmt"]).unwrap()), ["unit"]);
        assert_eq!(choose(&[], &[]).unwrap().len(), suites.len());
        assert!(choose(&["units"], &[]).unwrap_err().to_string().contains("contract"));
    }
}
