//! `tonnage rules check | diff | apply | show`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::app::prices::Evened;
use crate::app::rules::RuleChange;
use crate::error::AppError;
use clap::{Args, Subcommand};
use domain::rule::RuleReport;
use domain::{BillingPeriod, Currency, Finding, Money};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Rules {
    /// Unreachable rules, overlaps and coverage in money; exit 1 when a rule can never decide anything
    Check(Check),
    /// What these rules would change per tenant; nothing is saved
    Diff(Diff),
    /// Make these rules the ones in force, as a new version
    Apply(Apply),
    /// Print the rules in force
    Show(Show),
}

/// Which rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Who owns a charge
    Owner,
    /// What prices are evened out before anybody is charged: discounts, volume tiers, commitments, unused capacity
    Prices,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Which rules
    #[arg(long, value_enum, default_value = "owner")]
    kind: Kind,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Rule file; without it the rules in force
    file: Option<PathBuf>,
    /// Month whose charges are looked at [default: the newest]
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<BillingPeriod>,
    /// Which rules
    #[arg(long, value_enum, default_value = "owner")]
    kind: Kind,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// Rule file
    file: PathBuf,
    /// One month; without it every month
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<BillingPeriod>,
    /// Which rules
    #[arg(long, value_enum, default_value = "owner")]
    kind: Kind,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Rule file
    file: PathBuf,
    /// Why
    #[arg(long)]
    note: Option<String>,
    /// Which rules
    #[arg(long, value_enum, default_value = "owner")]
    kind: Kind,
}

/// Reads a rule file.
pub(super) fn read(path: &Path) -> Result<String, AppError> {
    std::fs::read_to_string(path)
        .map_err(|error| AppError::usage(format!("cannot read {}: {error}", path.display()), "check the path"))
}

/// What is wrong with rules, with the file they came from.
pub(super) fn in_file<T>(answer: Result<T, AppError>, path: Option<&Path>) -> Result<T, AppError> {
    let (Err(AppError::Refused(findings)), Some(path)) = (&answer, path) else {
        return answer;
    };
    let named = |finding: &Finding| match finding.file {
        Some(_) => finding.clone(),
        None => finding.clone().in_file(path.display().to_string()),
    };
    Err(AppError::Refused(findings.iter().map(named).collect()))
}

/// Whoever runs the command, as the operating system names them.
pub(super) fn author() -> Option<String> {
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .ok()
        .filter(|name| !name.is_empty())
}

pub(super) async fn run(app: &App, args: Rules, json: bool) -> Result<Outcome, AppError> {
    match args {
        Rules::Check(args) => check(app, args, json).await,
        Rules::Diff(args) => diff(app, args, json).await,
        Rules::Apply(args) => apply(app, args, json).await,
        Rules::Show(args) => show(app, args.kind, json).await,
    }
}

async fn show(app: &App, kind: Kind, json: bool) -> Result<Outcome, AppError> {
    let (active, yaml) = match kind {
        Kind::Owner => {
            let active = app.store().active_rules(store::RulesKind::Owner).await?;
            let active = active.ok_or_else(|| AppError::NotFound {
                what: "rule in force; run `tonnage rules apply FILE`".to_owned(),
            })?;
            let yaml = active.yaml.clone();
            (Some(active), yaml)
        }
        Kind::Prices => app.prices_text().await?,
    };
    if !json {
        output::bytes(yaml.as_bytes())?;
        return Ok(Outcome::Done);
    }
    let active = active.as_ref();
    output::json(&ShowAnswer {
        // 0: the policy we ship
        version: active.map_or(0, |active| active.version),
        created_at: active.map(|active| domain::instant::Instant(active.created_us).to_string()),
        author: active.and_then(|active| active.author.clone()),
        note: active.and_then(|active| active.note.clone()),
        sha256: active.map(|active| active.sha256.clone()),
        yaml,
    })?;
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct ShowAnswer {
    version: i64,
    created_at: Option<String>,
    author: Option<String>,
    note: Option<String>,
    sha256: Option<String>,
    yaml: String,
}

#[derive(Serialize)]
struct CheckAnswer {
    period: BillingPeriod,
    rules: Vec<CheckedAnswer>,
    overlaps: Vec<OverlapAnswer>,
    coverage: Vec<CoverageAnswer>,
    findings: Vec<Finding>,
}

type MoneyByCurrency = BTreeMap<String, Money>;

#[derive(Serialize)]
struct CheckedAnswer {
    position: usize,
    name: String,
    matched: MoneyByCurrency,
    decided: MoneyByCurrency,
    reachable: bool,
    unreachable_because: Option<String>,
}

#[derive(Serialize)]
struct OverlapAnswer {
    first: String,
    second: String,
    dimension: String,
    cost: MoneyByCurrency,
}

#[derive(Serialize)]
struct CoverageAnswer {
    dimension: String,
    owned: MoneyByCurrency,
    total: MoneyByCurrency,
}

fn named(map: &BTreeMap<Currency, Money>) -> MoneyByCurrency {
    map.iter()
        .map(|(currency, money)| (currency.to_string(), *money))
        .collect()
}

fn text(map: &MoneyByCurrency) -> String {
    if map.is_empty() {
        "-".to_owned()
    } else {
        map.iter()
            .map(|(c, m)| format!("{} {c}", m.to_fixed(2)))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn check_answer(report: &RuleReport, period: BillingPeriod) -> CheckAnswer {
    let shadowed = |rule: &domain::rule::CheckedRule| rule.matched_samples > 0 && rule.won_samples == 0;
    CheckAnswer {
        period,
        findings: report.findings.clone(),
        rules: report
            .rules
            .iter()
            .map(|rule| CheckedAnswer {
                position: rule.position + 1,
                name: rule.name.clone(),
                matched: named(&rule.matched),
                decided: named(&rule.won),
                reachable: rule.unreachable_because.is_none() && !shadowed(rule),
                unreachable_because: rule.unreachable_because.clone(),
            })
            .collect(),
        overlaps: report
            .overlaps
            .iter()
            .map(|o| OverlapAnswer {
                first: o.first.clone(),
                second: o.second.clone(),
                dimension: o.dimension.clone(),
                cost: named(&o.cost),
            })
            .collect(),
        coverage: report
            .coverage
            .iter()
            .map(|c| CoverageAnswer {
                dimension: c.dimension.clone(),
                owned: named(&c.owned),
                total: named(&c.total),
            })
            .collect(),
    }
}

#[derive(Serialize)]
struct EvenedAnswer {
    period: BillingPeriod,
    moves: Vec<Evened>,
}

async fn check_prices(app: &App, args: &Check, json: bool) -> Result<Outcome, AppError> {
    let yaml = args.file.as_deref().map(read).transpose()?;
    let checked = app.prices_check(yaml.as_deref(), args.period).await;
    let (period, moves) = in_file(checked, args.file.as_deref())?;
    if json {
        output::json(&EvenedAnswer { period, moves })?;
        return Ok(Outcome::Done);
    }
    if moves.is_empty() {
        output::line(&format!(
            "{period}: nothing is moved, every line costs what the bill says"
        ))?;
        return Ok(Outcome::Done);
    }
    output::line(&format!(
        "{period}: effective cost moved between lines of a billing account"
    ))?;
    let mut table = Table::new(&[("rule", false), ("moves", true), ("moved", true), ("currency", false)]);
    for of in moves {
        let moved = of.moved.to_fixed(2);
        table.row([of.rule, of.moves.to_string(), moved, of.currency.to_string()]);
    }
    table.print()?;
    Ok(Outcome::Done)
}

async fn check(app: &App, args: Check, json: bool) -> Result<Outcome, AppError> {
    if args.kind == Kind::Prices {
        return check_prices(app, &args, json).await;
    }
    let yaml = args.file.as_deref().map(read).transpose()?;
    let checked = app.rules_check(yaml.as_deref(), args.period).await;
    let (_, report, period) = in_file(checked, args.file.as_deref())?;
    let answer = check_answer(&report, period);
    let dead = answer.rules.iter().any(|rule| rule.unreachable_because.is_some());
    if json {
        output::json(&answer)?;
        return Ok(if dead { Outcome::CheckFailed } else { Outcome::Done });
    }
    let mut table = Table::new(&[
        ("#", true),
        ("rule", false),
        ("matched", true),
        ("decided", true),
        ("", false),
    ]);
    for rule in &answer.rules {
        let note = match (&rule.unreachable_because, rule.reachable, rule.matched.is_empty()) {
            (Some(because), _, _) => format!("UNREACHABLE behind {because:?}"),
            (None, false, _) => "shadowed: earlier rules decide all of it".to_owned(),
            (None, true, true) => format!("matches nothing in {period}"),
            _ => String::new(),
        };
        table.row([
            rule.position.to_string(),
            rule.name.clone(),
            text(&rule.matched),
            text(&rule.decided),
            note,
        ]);
    }
    table.print()?;
    output::line("")?;
    let mut table = Table::new(&[("dimension", false), ("with owner", true), ("of", true)]);
    for row in &answer.coverage {
        table.row([row.dimension.clone(), text(&row.owned), text(&row.total)]);
    }
    table.print()?;
    for overlap in &answer.overlaps {
        output::line(&format!(
            "overlap: {:?} wins over {:?} on {}: {}",
            overlap.first,
            overlap.second,
            overlap.dimension,
            text(&overlap.cost)
        ))?;
    }
    for finding in &answer.findings {
        output::line(&format!("warning: {finding}"))?;
    }
    Ok(if dead { Outcome::CheckFailed } else { Outcome::Done })
}

#[derive(Serialize)]
struct DiffAnswer {
    changes: Vec<RuleChange>,
}

async fn diff(app: &App, args: Diff, json: bool) -> Result<Outcome, AppError> {
    let yaml = read(&args.file)?;
    let changes = match args.kind {
        Kind::Owner => app.rules_diff(&yaml, args.period).await,
        Kind::Prices => app.prices_diff(&yaml, args.period).await,
    };
    let changes = in_file(changes, Some(&args.file))?;
    if json {
        output::json(&DiffAnswer { changes })?;
        return Ok(Outcome::Done);
    }
    if changes.is_empty() {
        output::line("no tenant's cost would change")?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("period", false),
        ("tenant", false),
        ("before", true),
        ("after", true),
        ("change", true),
        ("currency", false),
    ]);
    for change in changes {
        let tenant = frontend::words::value("tenant", &change.tenant);
        table.row([
            change.period.to_string(),
            tenant,
            change.before.to_fixed(2),
            change.after.to_fixed(2),
            change.change.to_fixed(2),
            change.currency.to_string(),
        ]);
    }
    table.print()?;
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct ApplyAnswer {
    version: i64,
    sha256: String,
}

async fn apply(app: &App, args: Apply, json: bool) -> Result<Outcome, AppError> {
    let (yaml, author) = (read(&args.file)?, author());
    let version = match args.kind {
        Kind::Owner => app.rules_apply(&yaml, author.as_deref(), args.note.as_deref()).await,
        Kind::Prices => app.prices_apply(&yaml, author.as_deref(), args.note.as_deref()).await,
    };
    let version = in_file(version, Some(&args.file))?;
    if !app.store().periods().await?.is_empty() {
        app.allocate(None).await?;
    }
    if json {
        output::json(&ApplyAnswer {
            version: version.version,
            sha256: version.sha256,
        })?;
    } else {
        let what = match args.kind {
            Kind::Owner => "rules",
            Kind::Prices => "price policy",
        };
        output::line(&format!("{what} version {} is in force", version.version))?;
    }
    Ok(Outcome::Done)
}
