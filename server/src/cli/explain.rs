//! `tonnage explain`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::app::explain::Lines;
use crate::error::AppError;
use crate::export;
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage report costs --period 2026-10          every row shows its explain id
  tonnage explain 1f3c9a0b7d2e4c5f6a7b
  tonnage explain 1f3c9a0b7d2e4c5f6a7b --limit 20
  tonnage explain 1f3c9a0b7d2e4c5f6a7b --format csv > lines.csv

Exit 1 when the lines do not add up to the figure.")]
pub(super) struct Explain {
    /// An explain id, from a report or a page's address
    id: String,
    /// List this many bill lines, largest first [default: 200; csv: all]
    #[arg(long, value_name = "N", conflicts_with = "all")]
    limit: Option<usize>,
    /// List every bill line
    #[arg(long)]
    all: bool,
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

pub(super) async fn run(app: &App, args: &Explain, json: bool) -> Result<Outcome, AppError> {
    let format = if json { Format::Json } else { args.format };
    let lines = match (args.limit, args.all) {
        (Some(limit), _) => Lines::First(limit),
        // a file that silently holds a part of the lines would be taken for all of them
        (None, all) if all || format == Format::Csv => Lines::All,
        _ => Lines::Page(1),
    };
    let page = app.explain(&args.id, lines).await?;
    let explain = &page.explain;
    match format {
        Format::Json => output::json(explain)?,
        Format::Csv => output::bytes(export::csv::explain(explain).as_bytes())?,
        Format::Table => print(explain)?,
    }
    Ok(if explain.residual == "0" {
        Outcome::Done
    } else {
        Outcome::CheckFailed
    })
}

fn print(explain: &wire::Explain) -> Result<(), AppError> {
    output::line(&format!("{} = {} {}", explain.title, explain.cost, explain.currency))?;
    for step in &explain.steps {
        output::line(&format!("  {}: {} ({})", step.label, step.cost, step.detail))?;
    }
    let mut table = Table::new(&[
        ("file", false),
        ("line", true),
        ("day", false),
        ("service", false),
        ("resource", false),
        ("part", true),
        ("line cost", true),
    ]);
    for line in &explain.lines {
        table.row([
            line.file.clone(),
            line.line.to_string(),
            frontend::format::day(&line.charge_start),
            line.service.clone(),
            line.resource.chars().take(48).collect(),
            line.cost.clone(),
            line.line_cost.clone(),
        ]);
    }
    table.print()?;
    if explain.rest_count > 0 {
        output::line(&format!(
            "and {} more lines: {}; --all lists them",
            explain.rest_count, explain.rest_cost
        ))?;
    }
    Ok(())
}
