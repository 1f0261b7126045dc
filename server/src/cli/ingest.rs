//! `tonnage ingest billing` and `tonnage ingest usage`.

use super::output::{self, Table};
use super::{Outcome, progress};
use crate::app::App;
use crate::app::ingest::{IngestBilling, Ingested};
use crate::app::usage::IngestUsage;
use crate::error::AppError;
use clap::{Args, Subcommand, ValueEnum};
use domain::{BillingPeriod, Finding, Severity};
use lake::ingest::OnError;
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(super) enum Ingest {
    /// Take in a bill: FOCUS 1.0 to 1.4 as CSV, .csv.gz, .zip or Parquet
    Billing(Billing),
    /// Take in cluster usage: container hours and node hours as CSV, .csv.gz or Parquet
    Usage(Usage),
}

/// Facts of what ran where, hour by hour (docs/FORMATS.md, "Usage files").
/// Late and repeated hours converge: of two facts about an hour the better
/// observed one stays. Node costs are split by them from the next report on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage ingest usage containers-2026-10.csv.gz nodes-2026-10.csv.gz
  tonnage ingest usage usage/ --source core-eu
  tonnage ingest usage hours.parquet --on-error quarantine   keep the good rows")]
pub(super) struct Usage {
    /// Files, folders, or patterns in quotes
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Name of the source [default: usage-files]
    #[arg(long)]
    source: Option<String>,
    /// What to do with rows that cannot be taken
    #[arg(long, value_enum, default_value = "fail")]
    on_error: OnErrorArg,
}

/// All files of one call are one delivery: it replaces what its source
/// delivered before for the same billing periods, as one act. The same bytes
/// again change nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage ingest billing focus-2026-10.csv.gz
  tonnage ingest billing 'exports/2026-10/*.parquet' --source aws-payer
  zcat bill.csv.gz | tonnage ingest billing - --source aws-payer
  tonnage ingest billing other-export.csv --shadow        compare, never count
  tonnage ingest billing messy.csv --on-error quarantine  keep the good rows")]
pub(super) struct Billing {
    /// Files, folders, patterns in quotes, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Name of the source [default: made from the billing account]
    #[arg(long)]
    source: Option<String>,
    /// auto, focus, or a version such as focus-1.2
    #[arg(long, default_value = "auto")]
    format: String,
    /// What to do with rows that cannot be taken
    #[arg(long, value_enum, default_value = "fail")]
    on_error: OnErrorArg,
    /// Refuse rows of any other billing period
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<BillingPeriod>,
    /// Keep it beside the source that holds the bill and compare; never count it
    #[arg(long)]
    shadow: bool,
    /// The provider will not change it any more
    #[arg(long, conflicts_with = "open")]
    r#final: bool,
    /// The provider may still change it
    #[arg(long)]
    open: bool,
    /// Take several currencies in one billing account and period; they are kept apart
    #[arg(long)]
    allow_mixed_currencies: bool,
    /// Leave allocation to `tonnage allocate` or the next reader
    #[arg(long)]
    no_allocate: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnErrorArg {
    /// Refuse the whole delivery
    Fail,
    /// Keep the good rows, store the bad ones beside the delivery
    Quarantine,
}

#[derive(Serialize)]
struct Answer<'a> {
    deliveries: Vec<&'a Ingested>,
}

pub(super) async fn run(app: &App, args: Ingest, json: bool) -> Result<Outcome, AppError> {
    let args = match args {
        Ingest::Billing(args) => args,
        Ingest::Usage(args) => return usage(app, args, json).await,
    };
    let request = IngestBilling {
        paths: args.paths,
        source: args.source,
        format: args.format,
        on_error: match args.on_error {
            OnErrorArg::Fail => OnError::Fail,
            OnErrorArg::Quarantine => OnError::Quarantine,
        },
        period: args.period,
        shadow: args.shadow,
        is_final: if args.r#final {
            Some(true)
        } else if args.open {
            Some(false)
        } else {
            None
        },
        allow_mixed_currencies: args.allow_mixed_currencies,
    };
    let ingested = app.ingest_billing(&request, progress::ingest()).await?;
    if !args.no_allocate && !args.shadow {
        let mut periods: Vec<BillingPeriod> = ingested.periods.iter().map(|p| p.billing_period).collect();
        periods.dedup();
        let counted = app.store().periods().await?;
        for period in periods.into_iter().filter(|period| counted.contains(period)) {
            app.allocate(Some(period)).await?;
        }
    }
    if json {
        output::json(&Answer {
            deliveries: vec![&ingested],
        })?;
    } else {
        print(&ingested)?;
    }
    let differs = ingested.comparison.iter().any(|c| !c.agrees());
    Ok(if differs { Outcome::CheckFailed } else { Outcome::Done })
}

async fn usage(app: &App, args: Usage, json: bool) -> Result<Outcome, AppError> {
    let request = IngestUsage {
        paths: args.paths,
        source: args.source,
        skip_bad_rows: matches!(args.on_error, OnErrorArg::Quarantine),
    };
    let ingested = app.ingest_usage(&request, progress::usage()).await?;
    if json {
        output::json(&ingested)?;
        return Ok(Outcome::Done);
    }
    let verb = if ingested.unchanged {
        "was there already"
    } else {
        "is in"
    };
    output::line(&format!(
        "usage {} of source {} {verb} ({} rows)",
        ingested.delivery_id, ingested.source, ingested.rows
    ))?;
    let mut table = Table::new(&[
        ("cluster", false),
        ("from", false),
        ("to", false),
        ("days", true),
        ("node hours", true),
        ("container hours", true),
        ("unobserved node hours", true),
    ]);
    for cluster in &ingested.clusters {
        table.row([
            cluster.cluster.clone(),
            cluster.from.clone(),
            cluster.to.clone(),
            cluster.days.to_string(),
            cluster.node_hours.to_string(),
            cluster.slot_hours.to_string(),
            format!(
                "{}.{:02}",
                cluster.unobserved_s / 3_600,
                cluster.unobserved_s % 3_600 / 36
            ),
        ]);
    }
    table.print()?;
    remarks(&ingested.findings);
    Ok(Outcome::Done)
}

fn print(ingested: &Ingested) -> Result<(), AppError> {
    let verb = if ingested.unchanged {
        "was there already"
    } else {
        "is in"
    };
    output::line(&format!(
        "delivery {} of source {} {verb} ({}, {})",
        ingested.delivery_id, ingested.source, ingested.format, ingested.state
    ))?;
    let mut table = Table::new(&[
        ("period", false),
        ("currency", false),
        ("rows", true),
        ("billed", true),
        ("effective", true),
    ]);
    for p in &ingested.periods {
        table.row([
            p.billing_period.to_string(),
            p.currency.to_string(),
            p.rows.to_string(),
            p.billed_cost.to_string(),
            p.effective_cost.to_string(),
        ]);
    }
    table.print()?;
    for row in &ingested.comparison {
        output::line(&format!(
            "shadow {} {}: billed {} counted, {} here, difference {}; effective {} counted, {} here, difference {}",
            row.billing_period,
            row.currency,
            row.counted_billed,
            row.shadow_billed,
            row.difference,
            row.counted_effective,
            row.shadow_effective,
            row.effective_difference
        ))?;
    }
    if ingested.rejected_rows > 0 {
        output::line(&format!(
            "{} rows were set aside; `tonnage reconcile` shows their money",
            ingested.rejected_rows
        ))?;
    }
    remarks(&ingested.findings);
    Ok(())
}

fn remarks(findings: &[Finding]) {
    for finding in findings {
        let sign = match finding.severity {
            Severity::Info => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        eprintln!("{sign}: {finding}");
    }
}
