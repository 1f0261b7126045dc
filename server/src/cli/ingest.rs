//! `tonnage ingest billing` and `tonnage ingest usage`; drivers have a file of their own.

use super::drivers::{self, Drivers};
use super::output::{self, Table};
use super::{Outcome, progress};
use crate::app::App;
use crate::app::collect::{CollectKubernetes, Collected, IngestPrometheus};
use crate::app::ingest::{IngestBilling, Ingested};
use crate::app::usage::IngestUsage;
use crate::error::AppError;
use clap::{Args, Subcommand, ValueEnum};
use domain::{BillingPeriod, Finding, Severity};
use lake::ingest::OnError;
use serde::Serialize;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(super) enum Ingest {
    /// Take in a bill: FOCUS 1.0 to 1.4 or an AWS Cost and Usage Report, as CSV, .csv.gz, .zip or Parquet
    Billing(Billing),
    /// Take in cluster usage: from files, from a Prometheus, or by watching a cluster
    Usage(Box<Usage>),
    /// Take in drivers (allocation keys): from files or a Prometheus
    Drivers(Box<Drivers>),
}

/// Facts of what ran where, hour by hour (docs/FORMATS.md, "Usage files").
/// Late and repeated hours converge: of two facts about an hour the better
/// observed one stays. Node costs are split by them from the next report on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage ingest usage containers-2026-10.csv.gz nodes-2026-10.csv.gz
  tonnage ingest usage usage/ --source core-eu
  export-usage | tonnage ingest usage -                      standard input
  tonnage ingest usage cost-mgmt.tar.gz                      a payload of the OpenShift metrics operator
  tonnage ingest usage hours.parquet --on-error quarantine   keep the good rows
  tonnage ingest usage --prometheus http://prometheus:9090 --cluster UID   from where the last load ended
  tonnage ingest usage --prometheus http://mimir/prometheus --cluster UID --match cluster=prod --from 2026-10-01
  tonnage ingest usage --kube prod                           watch a context of the kubeconfig until Ctrl-C

UID is that of the namespace kube-system:
  kubectl get namespace kube-system -o jsonpath={.metadata.uid}")]
pub(super) struct Usage {
    /// Files, folders, patterns in quotes, or - for standard input
    #[arg(required_unless_present_any = ["prometheus", "kube", "in_cluster"], value_name = "PATH")]
    paths: Vec<String>,
    /// Load the series of a Prometheus (cAdvisor, kube-state-metrics) up to the last complete hour
    #[arg(long, value_name = "URL", requires = "cluster", conflicts_with_all = ["paths", "kube", "in_cluster"])]
    prometheus: Option<String>,
    /// Cluster id: the UID of its namespace kube-system
    #[arg(long, value_name = "UID")]
    cluster: Option<String>,
    /// Label that selects the cluster in a shared store; may be repeated
    #[arg(long = "match", value_name = "LABEL=VALUE")]
    matchers: Vec<String>,
    /// First hour to load [default: where the last load ended, else a day back]
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// End of the hours to load [default: the last complete hour]
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Hours loaded at once
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=744))]
    chunk_hours: u32,
    /// Bearer token for Prometheus
    #[arg(long, env = "TONNAGE_PROMETHEUS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// X-Scope-OrgID of a shared store
    #[arg(long)]
    tenant: Option<String>,
    /// Watch the cluster of a kubeconfig context (the current one when empty) until Ctrl-C
    #[arg(long, value_name = "CONTEXT", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["paths", "in_cluster"])]
    kube: Option<String>,
    /// Watch the cluster this runs in, by its service account
    #[arg(long, conflicts_with = "paths")]
    in_cluster: bool,
    /// Seconds between samples of a watched cluster
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(15..=300))]
    interval: u32,
    /// Keep this annotation of the pods of a watched cluster [default: none]; may be repeated
    #[arg(long = "annotation", value_name = "KEY")]
    annotations: Vec<String>,
    /// Name of the source [default: usage-files, prometheus-UID or kubernetes-UID]
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
  tonnage ingest billing s3://billing/exports/focus --source aws-payer   only what is new is fetched
  tonnage ingest billing gs://bucket/export az://container/costs --every 6h
  tonnage ingest billing other-export.csv --shadow        compare, never count
  tonnage ingest billing messy.csv --on-error quarantine  keep the good rows
  tonnage ingest billing colo.csv --mapping colo.yaml --dry-run   any table; see what it would give, keep nothing")]
pub(super) struct Billing {
    /// Files, folders, patterns in quotes, addresses (s3:// gs:// az:// https://), or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Name of the source [default: made from the billing account]
    #[arg(long)]
    source: Option<String>,
    /// auto, focus, a version such as focus-1.2, aws-cur, azure, gcp, oci, or csv with --mapping
    #[arg(long, default_value = "auto")]
    format: String,
    /// Mapping file (docs/FORMATS.md) for a table that is no known bill: which column holds what
    #[arg(long, value_name = "FILE")]
    mapping: Option<std::path::PathBuf>,
    /// Read, check and count everything, and keep nothing
    #[arg(long, conflicts_with = "every")]
    dry_run: bool,
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
    /// Do it again and again, until Ctrl-C: what is new at the path is taken in
    #[arg(long, value_name = "TIME", value_parser = crate::config::every)]
    every: Option<Duration>,
    /// Leave allocation to `tonnage allocate` or the next reader
    #[arg(long)]
    no_allocate: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum OnErrorArg {
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
    match args {
        Ingest::Billing(args) => billing(app, args, json).await,
        Ingest::Usage(args) if args.prometheus.is_some() => from_prometheus(app, *args, json).await,
        Ingest::Usage(args) if args.kube.is_some() || args.in_cluster => from_kubernetes(app, *args, json).await,
        Ingest::Usage(args) => usage(app, *args, json).await,
        Ingest::Drivers(args) => drivers::ingest(app, *args, json).await,
    }
}

/// Takes in once, or again and again: then a failure is told and does not end it.
async fn billing(app: &App, args: Billing, json: bool) -> Result<Outcome, AppError> {
    let (every, allocates) = (args.every, !args.no_allocate && !args.shadow && !args.dry_run);
    let mapping = args
        .mapping
        .as_deref()
        .map(|path| -> Result<(String, String), AppError> {
            let yaml = super::rules::read(path)?;
            Ok((path.display().to_string(), yaml))
        });
    if every.is_some() && args.paths.iter().any(|path| path == "-") {
        return Err(AppError::usage(
            "standard input can be read once, and --every reads again and again",
            "name a folder or an address, or leave out --every",
        ));
    }
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
        mapping: mapping.transpose()?,
        dry_run: args.dry_run,
    };
    let Some(every) = every else {
        return once(app, &request, allocates, json).await;
    };
    loop {
        if let Err(error) = once(app, &request, allocates, json).await {
            output::error(&error, json);
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Outcome::Done),
        }
    }
}

async fn once(app: &App, request: &IngestBilling, allocates: bool, json: bool) -> Result<Outcome, AppError> {
    let ingested = if allocates {
        app.take_in(request, progress::ingest()).await?
    } else {
        app.ingest_billing(request, progress::ingest()).await?
    };
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

/// What is said on the way.
pub(super) fn say(line: &str) {
    eprintln!("{line}");
}

async fn from_prometheus(app: &App, args: Usage, json: bool) -> Result<Outcome, AppError> {
    let request = IngestPrometheus {
        url: args.prometheus.unwrap_or_default(),
        token: args.token,
        tenant: args.tenant,
        cluster: args.cluster.unwrap_or_default(),
        matchers: args.matchers.iter().map(matcher).collect::<Result<_, _>>()?,
        from: args.from.as_ref().map(instant).transpose()?,
        to: args.to.as_ref().map(instant).transpose()?,
        chunk_hours: args.chunk_hours,
        source: args.source,
    };
    let done = app.ingest_prometheus(&request, &say).await?;
    collected(&done, json)
}

/// A date of the command line.
pub(super) fn instant(text: &String) -> Result<domain::instant::Instant, AppError> {
    domain::instant::parse(text.as_bytes())
        .map(|parsed| parsed.instant)
        .map_err(|error| AppError::usage(format!("{text:?} {error}"), "write 2026-10-01 or 2026-10-01T06:00:00Z"))
}

/// A label and its value.
pub(super) fn matcher(text: &String) -> Result<(String, String), AppError> {
    let pair = text.split_once('=').filter(|(label, _)| !label.is_empty());
    pair.map(|(label, value)| (label.to_owned(), value.to_owned()))
        .ok_or_else(|| AppError::usage(format!("{text:?} is no label and value"), "write --match cluster=prod"))
}

async fn from_kubernetes(app: &App, args: Usage, json: bool) -> Result<Outcome, AppError> {
    let request = CollectKubernetes {
        context: args.kube.filter(|context| !context.is_empty()),
        in_cluster: args.in_cluster,
        name: None,
        interval_s: args.interval,
        annotations: args.annotations,
        source: args.source,
    };
    let stop = async {
        // without a signal handler the process ends by itself, and loses the running hour only
        let _ = tokio::signal::ctrl_c().await;
    };
    let done = app.collect_kubernetes(&request, stop, &say).await?;
    collected(&done, json)
}

fn collected(done: &Collected, json: bool) -> Result<Outcome, AppError> {
    if json {
        output::json(done)?;
        return Ok(Outcome::Done);
    }
    match (&done.from, &done.to) {
        (Some(from), Some(to)) => output::line(&format!(
            "usage of cluster {} from {from} to {to} is in as source {}: {} facts",
            done.cluster, done.source, done.rows
        ))?,
        _ => output::line(&format!(
            "source {} is up to date: no complete hour is new",
            done.source
        ))?,
    }
    remarks(&done.findings);
    Ok(Outcome::Done)
}

fn print(ingested: &Ingested) -> Result<(), AppError> {
    let verb = if ingested.unchanged {
        "was there already"
    } else if ingested.state == "dry-run" {
        "would be taken in, nothing was kept"
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

/// Findings, on standard error.
pub(super) fn remarks(findings: &[Finding]) {
    for finding in findings {
        let sign = match finding.severity {
            Severity::Info => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        eprintln!("{sign}: {finding}");
    }
}
