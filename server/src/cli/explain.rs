//! `tonnage explain`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::error::AppError;
use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "Example:
  tonnage report costs --period 2026-10          every row shows its explain id
  tonnage explain 1f3c9a0b7d2e4c5f6a7b")]
pub(super) struct Explain {
    /// An explain id, from a report or a page's address
    id: String,
}

pub(super) async fn run(app: &App, args: &Explain, json: bool) -> Result<Outcome, AppError> {
    let page = app.explain(&args.id).await?;
    let explain = &page.explain;
    if json {
        output::json(explain)?;
    } else {
        output::line(&format!("{} = {} {}", explain.title, explain.cost, explain.currency))?;
        for step in &explain.steps {
            output::line(&format!("  {}: {} ({})", step.label, step.cost, step.detail))?;
        }
        let mut table = Table::new(&[
            ("file", false),
            ("line", true),
            ("service", false),
            ("resource", false),
            ("part", true),
            ("line cost", true),
        ]);
        for line in &explain.lines {
            table.row([
                line.file.clone(),
                line.line.to_string(),
                line.service.clone(),
                line.resource.chars().take(48).collect(),
                line.cost.clone(),
                line.line_cost.clone(),
            ]);
        }
        table.print()?;
        if explain.rest_count > 0 {
            output::line(&format!("and {} more lines: {}", explain.rest_count, explain.rest_cost))?;
        }
    }
    Ok(if explain.residual == "0" {
        Outcome::Done
    } else {
        Outcome::CheckFailed
    })
}
