//! `tonnage allocate`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::app::allocate::Allocated;
use crate::error::AppError;
use clap::Args;
use domain::BillingPeriod;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage allocate
  tonnage allocate --period 2026-10
  tonnage allocate --rules rules.yaml      apply these rules first")]
pub(super) struct Allocate {
    /// One month; without it every month
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<BillingPeriod>,
    /// Apply this rule file first, as a new version
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer {
    allocations: Vec<Allocated>,
}

pub(super) async fn run(app: &App, args: Allocate, json: bool) -> Result<Outcome, AppError> {
    if let Some(path) = &args.rules {
        let applied = app
            .rules_apply(&super::rules::read(path)?, super::rules::author().as_deref(), None)
            .await;
        super::rules::in_file(applied, Some(path))?;
    }
    let allocations = app.allocate(args.period).await?;
    if json {
        output::json(&Answer { allocations })?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("period", false),
        ("currency", false),
        ("effective", true),
        ("without tenant", true),
        ("rules", true),
        ("state", false),
    ]);
    for allocation in &allocations {
        for total in &allocation.totals {
            let state = if allocation.unchanged {
                "up to date"
            } else {
                "allocated"
            };
            table.row([
                allocation.period.to_string(),
                total.currency.to_string(),
                total.effective.to_string(),
                total.unallocated.to_string(),
                allocation.rules_version.to_string(),
                state.to_owned(),
            ]);
        }
        allocation
            .findings
            .iter()
            .for_each(|finding| eprintln!("{}: {finding}", allocation.period));
    }
    table.print()?;
    Ok(Outcome::Done)
}
