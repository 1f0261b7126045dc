//! `tonnage demo`: the synthetic company, through the same use cases as any
//! real bill.

use super::output;
use super::serve;
use super::{Outcome, progress};
use crate::app::App;
use crate::app::drivers::IngestDrivers;
use crate::app::ingest::IngestBilling;
use crate::app::usage::IngestUsage;
use crate::config::Config;
use crate::error::AppError;
use clap::Args;
use demo::DemoConfig;
use domain::BillingPeriod;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Name on every page.
const COMPANY: &str = "Tidewater Logistics";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage demo
  tonnage demo --seed 7 --months 6 --no-serve --data-dir ./demo

The same seed on the same day gives the same company. Running it again over the
same folder changes nothing but adds what is new since.")]
pub(super) struct Demo {
    /// Months up to today
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(3..=36))]
    months: u32,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the company and stop
    #[arg(long)]
    no_serve: bool,
    /// Address to serve at [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Folder of the built islands and styles [default: target/site]
    #[arg(long, value_name = "DIR")]
    pub(super) site_dir: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer {
    company: &'static str,
    synthetic: bool,
    data_dir: PathBuf,
    truth: PathBuf,
    rules: PathBuf,
    deliveries: usize,
    rows: u64,
    periods: Vec<BillingPeriod>,
}

pub(super) async fn run(app: &App, config: &Config, args: Demo, json: bool) -> Result<Outcome, AppError> {
    refuse_real_data(app).await?;
    let started = Instant::now();
    let files_dir = config.data_dir.value.join("demo-files");
    let today = config.clock.today();
    eprintln!(
        "writing {COMPANY}, a synthetic company of {} months up to {today} (seed {})",
        args.months, args.seed
    );
    let demo_config = DemoConfig {
        seed: args.seed,
        months: args.months,
        today,
    };
    let target = files_dir.clone();
    let files =
        tokio::task::spawn_blocking(move || demo::write(&target, &demo_config, &mut |step| eprintln!("  {step}")))
            .await
            .map_err(|error| AppError::broken("cannot write the demo company", error))?
            .map_err(|error| AppError::broken("cannot write the demo company", error))?;
    eprintln!(
        "  {} rows in {} deliveries, {:.1} s",
        files.rows,
        files.deliveries.len() + files.native.len(),
        started.elapsed().as_secs_f64()
    );
    app.set_company(COMPANY, true).await?;
    let rules = super::rules::read(&files_dir.join(&files.rules))?;
    app.rules_apply(&rules, Some("tonnage demo"), Some("the demo company's rules"))
        .await?;
    let loading = Instant::now();
    ingest(app, &files_dir, &files).await?;
    eprintln!("  ingested in {:.1} s", loading.elapsed().as_secs_f64());
    let loading = Instant::now();
    ingest_usage(app, &files_dir, &files).await?;
    eprintln!(
        "  {} hours of containers, nodes, volumes and load balancers ingested in {:.1} s",
        files.usage_rows,
        loading.elapsed().as_secs_f64()
    );
    let loading = Instant::now();
    let values = ingest_drivers(app, &files_dir, &files).await?;
    eprintln!(
        "  {values} driver values ingested in {:.1} s",
        loading.elapsed().as_secs_f64()
    );
    let allocating = Instant::now();
    let allocations = app.allocate(None).await?;
    eprintln!(
        "  allocated {} months in {:.1} s",
        allocations.len(),
        allocating.elapsed().as_secs_f64()
    );
    app.add_demo_accounts().await?;
    if json {
        output::json(&Answer {
            company: COMPANY,
            synthetic: true,
            data_dir: config.data_dir.value.clone(),
            truth: files_dir.join(&files.truth),
            rules: files_dir.join(&files.rules),
            deliveries: files.deliveries.len() + files.native.len(),
            rows: files.rows,
            periods: allocations.iter().map(|a| a.period).collect(),
        })?;
    } else {
        output::line(&format!(
            "{COMPANY} is ready in {} after {:.1} s",
            config.data_dir.value.display(),
            started.elapsed().as_secs_f64()
        ))?;
    }
    if args.no_serve {
        Ok(Outcome::Done)
    } else {
        serve::run(app, config).await
    }
}

async fn ingest(app: &App, dir: &Path, files: &demo::DemoFiles) -> Result<(), AppError> {
    let quiet: crate::app::ingest::OnProgress = Arc::new(|_| {});
    let show = progress::ingest();
    for (at, delivery) in files.deliveries.iter().chain(&files.native).enumerate() {
        let mut request = IngestBilling::of(vec![dir.join(&delivery.path).to_string_lossy().into_owned()]);
        request.source = Some(delivery.source.clone());
        request.is_final = Some(delivery.final_);
        request.period = delivery.billing_period.parse().ok();
        let progress = if at == 0 { show.clone() } else { quiet.clone() };
        app.ingest_billing(&request, progress).await?;
    }
    Ok(())
}

/// What ran where, month by month.
async fn ingest_usage(app: &App, dir: &Path, files: &demo::DemoFiles) -> Result<(), AppError> {
    let quiet: crate::app::usage::OnUsageProgress = Arc::new(|_| {});
    for month in files.usage_by_month() {
        let path = |file: &PathBuf| dir.join(file).to_string_lossy().into_owned();
        let request = IngestUsage {
            paths: month.into_iter().map(path).collect(),
            source: Some("kubernetes-facts".to_owned()),
            skip_bad_rows: false,
        };
        app.ingest_usage(&request, quiet.clone()).await?;
    }
    Ok(())
}

/// What each tenant's business did, day by day.
async fn ingest_drivers(app: &App, dir: &Path, files: &demo::DemoFiles) -> Result<u64, AppError> {
    let path = |file: &PathBuf| dir.join(file).to_string_lossy().into_owned();
    let request = IngestDrivers {
        paths: files.drivers.iter().map(path).collect(),
        source: Some("erp-drivers".to_owned()),
        skip_bad_rows: false,
    };
    Ok(app.ingest_drivers(&request, Arc::new(|_| {})).await?.rows)
}

/// The demo never mixes with bills that are real.
async fn refuse_real_data(app: &App) -> Result<(), AppError> {
    let site = app.site().await?;
    if !site.synthetic && !app.store().deliveries(None).await?.is_empty() {
        return Err(AppError::usage(
            "this data folder holds real bills",
            "give the demo its own: --data-dir ./tonnage-data/demo",
        ));
    }
    Ok(())
}
