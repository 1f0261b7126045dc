//! `tonnage explain`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::app::explain::{Lines, Within};
use crate::error::AppError;
use crate::export;
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage report costs --period 2026-10          every row shows its explain id
  tonnage explain 1f3c9a0b7d2e4c5f6a7b
  tonnage explain 1f3c9a0b7d2e4c5f6a7b --limit 20
  tonnage explain 1f3c9a0b7d2e4c5f6a7b --format csv > lines.csv
  tonnage explain 1f3c9a0b7d2e4c5f6a7b --at node/core/ip-10-0-1-7
  tonnage explain 1f3c9a0b7d2e4c5f6a7b --at node/core/ip-10-0-1-7 --day 2026-10-03

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
    /// Show the days of this node, volume, load balancer or control plane
    #[arg(long, value_name = "KIND/CLUSTER/NAME")]
    at: Option<String>,
    /// Show its charges on this day
    #[arg(long, value_name = "YYYY-MM-DD", requires = "at")]
    day: Option<String>,
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
    let within = Within {
        at: args.at.as_deref(),
        day: args.day.as_deref(),
    };
    let page = app.explain(&args.id, lines, &within).await?;
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
    if let Some(carried) = &explain.carried {
        print_carried(carried)?;
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
            line.line_cost.clone().unwrap_or_default(),
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

/// What of clusters carries the figure.
fn print_carried(carried: &wire::Carried) -> Result<(), AppError> {
    output::line(&match (&carried.at, &carried.day) {
        (None, _) => format!(
            "carried by clusters: {}; by bill lines with an owner of their own: {}",
            carried.of_clusters, carried.beside
        ),
        (Some(at), None) => format!("carried by {at}: {}", carried.cost),
        (Some(at), Some(day)) => format!("carried by {at} on {day}: {}", carried.cost),
    })?;
    let head = match (&carried.at, &carried.day) {
        (None, _) => "thing",
        (Some(_), None) => "day",
        (Some(_), Some(_)) => "charge",
    };
    let mut table = Table::new(&[
        (head, false),
        ("paid for", false),
        ("effective request", false),
        ("of shared", false),
        ("charges", true),
        ("in the figure", true),
        ("bill lines", false),
    ]);
    for row in &carried.rows {
        let parts: Vec<String> = row
            .parts
            .iter()
            .map(|part| format!("{} {}", part.label, part.cost))
            .collect();
        let lines: Vec<String> = row
            .lines
            .iter()
            .map(|line| format!("{}:{}", line.file, line.line))
            .collect();
        let more = (row.more_lines > 0).then(|| format!(" and {} more: {}", row.more_lines, row.more_cost));
        table.row([
            // as --at takes it
            if row.day.is_none() {
                row.at.clone()
            } else {
                frontend::words::carried_name(row)
            },
            parts.join(", "),
            row.effective
                .as_ref()
                .map_or_else(String::new, frontend::words::amounts),
            row.shared.as_ref().map_or_else(String::new, frontend::words::amounts),
            row.charge_cost.clone(),
            row.cost.clone(),
            lines.join(" ") + &more.unwrap_or_default(),
        ]);
    }
    table.print()?;
    if carried.rest_count > 0 {
        output::line(&format!("and {} more: {}", carried.rest_count, carried.rest_cost))?;
    }
    Ok(())
}
