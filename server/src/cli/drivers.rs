//! `tonnage ingest drivers` and `tonnage report drivers`.

use super::ingest::{OnErrorArg, instant, matcher, remarks, say};
use super::output::{self, Table};
use super::{Outcome, progress};
use crate::app::App;
use crate::app::drivers::{DriverState, IngestDrivers};
use crate::app::drivers_prometheus::IngestPrometheusDriver;
use crate::app::reports::drivers::{DriverReport, DriverRow};
use crate::error::AppError;
use crate::export;
use clap::{Args, ValueEnum};
use domain::BillingPeriod;
use sources::prometheus::{Driver, Reading, preset, presets};
use std::collections::BTreeSet;

/// Allocation keys: what each receiver had of a business or telemetry series on
/// each UTC day (docs/FORMATS.md, "Driver files"). A delivery replaces what its
/// source had on the days it holds, as one act; the same values again change
/// nothing. A day that is missing is unknown, never zero.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage ingest drivers orders-2026-10.csv
  tonnage ingest drivers 'erp/*.parquet' --source erp
  zcat orders.jsonl.gz | tonnage ingest drivers - --source shop
  tonnage ingest drivers messy.csv --on-error quarantine   keep the good rows
  tonnage ingest drivers --prometheus http://prometheus:9090 --preset traefik-requests
  tonnage ingest drivers --prometheus http://mimir/prometheus --preset postgres-active-time --match cluster=prod --as database
  tonnage ingest drivers --prometheus http://prometheus:9090 --name orders --unit orders --by tenant \\
      --query 'sum by (tenant) (increase(shop_orders_total[1d]))' --from 2026-10-01

Files have the columns day, driver, value, unit and at least one that says who:
  day,tenant,driver,value,unit
  2026-10-21,acme,orders,1250,orders")]
pub(super) struct Drivers {
    /// Files, folders, patterns in quotes, or - for standard input: CSV, JSON (array or lines), also gzipped, or Parquet
    #[arg(required_unless_present = "prometheus", value_name = "PATH")]
    paths: Vec<String>,
    /// Load a driver from a Prometheus up to the last complete UTC day
    #[arg(long, value_name = "URL", conflicts_with_all = ["paths", "on_error"])]
    prometheus: Option<String>,
    /// A driver of a known exporter; an unknown name lists them
    #[arg(long, value_name = "PRESET", requires = "prometheus", conflicts_with_all = ["query", "name", "unit", "by", "reading", "decimals"])]
    preset: Option<String>,
    /// PromQL, evaluated at the end of each day; with --reading counter or gauge a selector
    #[arg(long, value_name = "PROMQL", requires_all = ["prometheus", "name", "unit", "by"])]
    query: Option<String>,
    /// Name of the driver that --query gives
    #[arg(long, requires = "query")]
    name: Option<String>,
    /// Unit of its values
    #[arg(long, requires = "query")]
    unit: Option<String>,
    /// Label whose values receive
    #[arg(long, value_name = "LABEL", requires = "query")]
    by: Option<String>,
    /// What the samples of --query mean
    #[arg(long, value_enum, default_value = "daily")]
    reading: ReadingArg,
    /// Decimals kept of the values of --query; what is beyond is rounded
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=9))]
    decimals: u32,
    /// Dimension that the label's values are of [default: the label]
    #[arg(long = "as", value_name = "DIMENSION", requires = "prometheus")]
    dimension: Option<String>,
    /// Label that selects the series in a shared store; may be repeated
    #[arg(long = "match", value_name = "LABEL=VALUE", requires = "prometheus")]
    matchers: Vec<String>,
    /// First day to load [default: where the last load ended, else a week back]
    #[arg(long, value_name = "DATE", requires = "prometheus")]
    from: Option<String>,
    /// End of the days to load [default: the last complete day]
    #[arg(long, value_name = "DATE", requires = "prometheus")]
    to: Option<String>,
    /// Seconds between two scrapes of the exporter
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=900))]
    interval: u32,
    /// Bearer token for Prometheus
    #[arg(long, env = "TONNAGE_PROMETHEUS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// X-Scope-OrgID of a shared store
    #[arg(long, requires = "prometheus")]
    tenant: Option<String>,
    /// Name of the source [default: driver-files, or prometheus-HOST]
    #[arg(long)]
    source: Option<String>,
    /// What to do with rows that cannot be taken
    #[arg(long, value_enum, default_value = "fail")]
    on_error: OnErrorArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ReadingArg {
    /// Any PromQL: its value at the end of the day
    Daily,
    /// A selector of counters: what they rose by in the day
    Counter,
    /// A selector of gauges: the integral over the day, unit times seconds
    Gauge,
}

pub(super) async fn ingest(app: &App, args: Drivers, json: bool) -> Result<Outcome, AppError> {
    if args.prometheus.is_some() {
        return load(app, args, json).await;
    }
    let request = IngestDrivers {
        paths: args.paths,
        source: args.source,
        skip_bad_rows: matches!(args.on_error, OnErrorArg::Quarantine),
    };
    let ingested = app.ingest_drivers(&request, progress::drivers()).await?;
    if json {
        output::json(&ingested)?;
        return Ok(Outcome::Done);
    }
    let verb = if ingested.unchanged {
        "were there already"
    } else {
        "are in"
    };
    let refused = match ingested.rejected_rows {
        0 => String::new(),
        rows => format!(", {rows} refused"),
    };
    output::line(&format!(
        "drivers of delivery {}, source {}, {verb} ({} rows{refused})",
        ingested.delivery_id, ingested.source, ingested.rows
    ))?;
    states(&ingested.drivers)?;
    remarks(&ingested.findings);
    Ok(Outcome::Done)
}

async fn load(app: &App, args: Drivers, json: bool) -> Result<Outcome, AppError> {
    let (driver, places) = driver(&args)?;
    let request = IngestPrometheusDriver {
        url: args.prometheus.unwrap_or_default(),
        token: args.token,
        tenant: args.tenant,
        driver,
        places,
        dimension: args.dimension,
        matchers: args.matchers.iter().map(matcher).collect::<Result<_, _>>()?,
        from: args.from.as_ref().map(instant).transpose()?,
        to: args.to.as_ref().map(instant).transpose()?,
        interval_s: args.interval,
        source: args.source,
    };
    let loaded = app.ingest_prometheus_driver(&request, &say).await?;
    if json {
        output::json(&loaded)?;
        return Ok(Outcome::Done);
    }
    match (&loaded.from, &loaded.to) {
        (Some(from), Some(to)) => output::line(&format!(
            "driver {} from {from} to {to} is in as source {}: {} values",
            loaded.driver, loaded.source, loaded.rows
        ))?,
        _ => output::line(&format!(
            "driver {} of source {} is up to date: no complete day is new",
            loaded.driver, loaded.source
        ))?,
    }
    states(&loaded.drivers)?;
    remarks(&loaded.findings);
    Ok(Outcome::Done)
}

/// The driver to load, and how many of its decimals are fractions of its unit.
fn driver(args: &Drivers) -> Result<(Driver, u32), AppError> {
    if let Some(name) = &args.preset {
        // `traefik-requests` and `traefik_requests` are one preset
        let found = preset(&name.replace('-', "_"));
        let driver = found.ok_or_else(|| {
            let known: Vec<String> = presets().map(|preset| preset.replace('_', "-")).collect();
            AppError::usage(
                format!("there is no preset {name}"),
                format!("take one of {}, or write a --query", known.join(", ")),
            )
        })?;
        return Ok((driver, 0));
    }
    let (Some(query), Some(name), Some(unit), Some(by)) = (&args.query, &args.name, &args.unit, &args.by) else {
        return Err(AppError::usage(
            "--prometheus needs to know which driver",
            "add --preset, or --query with --name, --unit and --by",
        ));
    };
    let driver = Driver {
        name: name.clone(),
        query: query.clone(),
        key_label: by.clone(),
        reading: match args.reading {
            ReadingArg::Daily => Reading::Daily,
            ReadingArg::Counter => Reading::Counter,
            ReadingArg::Gauge => Reading::Gauge,
        },
        unit: unit.clone(),
        decimals: args.decimals,
    };
    Ok((driver, args.decimals))
}

/// What a source has of each driver.
fn states(drivers: &[DriverState]) -> Result<(), AppError> {
    let mut table = Table::new(&[
        ("driver", false),
        ("unit", false),
        ("from", false),
        ("to", false),
        ("days", true),
        ("missing", true),
        ("values", true),
    ]);
    for state in drivers {
        table.row([
            state.driver.clone(),
            state.units.join(", "),
            state.from.clone(),
            state.to.clone(),
            state.days.to_string(),
            state.missing_days.to_string(),
            state.values.to_string(),
        ]);
    }
    table.print()
}

/// What receivers had of each driver in a month. Days that are missing are named;
/// sums are of the days that are there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage report drivers --period 2026-10
  tonnage report drivers --period 2026-10 --by tenant --json
  tonnage report drivers --driver orders --by tenant --format csv > orders.csv")]
pub(super) struct Report {
    /// Month [default: the newest with values]
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<BillingPeriod>,
    /// Dimensions, comma-separated [default: receivers as they were delivered]
    #[arg(long, value_delimiter = ',')]
    by: Vec<String>,
    /// This driver only
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

pub(super) async fn report(app: &App, args: Report, json: bool) -> Result<Outcome, AppError> {
    let report = app.driver_report(args.period, &args.by, args.driver.as_deref()).await?;
    match if json { Format::Json } else { args.format } {
        Format::Json => output::json(&report)?,
        Format::Csv => output::bytes(csv(&report).as_bytes())?,
        Format::Table => print(&report)?,
    }
    Ok(Outcome::Done)
}

/// The dimensions that rows have, by name.
fn dimensions(report: &DriverReport) -> Vec<&str> {
    if !report.by.is_empty() {
        return report.by.iter().map(String::as_str).collect();
    }
    let all: BTreeSet<&str> = report
        .rows
        .iter()
        .flat_map(|row| row.keys.keys().map(String::as_str))
        .collect();
    all.into_iter().collect()
}

fn cells(row: &DriverRow, dimensions: &[&str], nobody: &str) -> Vec<String> {
    let keys = dimensions
        .iter()
        .map(|key| row.keys.get(*key).map_or(nobody, String::as_str));
    let cells = [row.driver.as_str()].into_iter().chain(keys);
    let days = row.days.to_string();
    let cells = cells.chain([row.value.as_str(), row.unit.as_str(), &days]);
    cells.map(str::to_owned).collect()
}

fn csv(report: &DriverReport) -> String {
    let dimensions = dimensions(report);
    let head = ["driver"].into_iter().chain(dimensions.iter().copied());
    let head: Vec<String> = head.chain(["value", "unit", "days"]).map(str::to_owned).collect();
    let rows = report.rows.iter().map(|row| cells(row, &dimensions, ""));
    export::csv::lines([head].into_iter().chain(rows))
}

fn print(report: &DriverReport) -> Result<(), AppError> {
    let dimensions = dimensions(report);
    let mut columns = vec![("driver", false)];
    columns.extend(dimensions.iter().map(|key| (*key, false)));
    columns.extend([("value", true), ("unit", false), ("days", true)]);
    let mut table = Table::new(&columns);
    for row in &report.rows {
        table.row(cells(row, &dimensions, "-"));
    }
    table.print()?;
    for driver in &report.drivers {
        let missing = match driver.missing_days.len() {
            0 => "no day is missing".to_owned(),
            count => format!("{count} days are missing: {}", driver.missing_days.join(", ")),
        };
        eprintln!("{} of {}, {}: {missing}", driver.driver, driver.source, report.period);
    }
    remarks(&report.findings);
    Ok(())
}
