//! `tonnage lake files | tidy`.

use super::Outcome;
use super::output;
use crate::app::App;
use crate::error::AppError;
use clap::{Args, Subcommand};
use domain::BillingPeriod;
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(super) enum Lake {
    /// List the Parquet files that count, for DuckDB or Spark; never use a glob.
    /// Also writes the lists of all months to _current.json in the lake
    Files(Files),
    /// Remove files nothing names that are older than a day
    Tidy,
}

#[derive(Debug, Args)]
pub(super) struct Files {
    /// Month
    #[arg(long, value_name = "YYYY-MM")]
    period: BillingPeriod,
}

#[derive(Serialize)]
struct Answer {
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    path: String,
    delivery_id: String,
    source: String,
    rows: u64,
    bytes: u64,
    sha256: String,
}

#[derive(Serialize)]
struct Removed {
    removed: Vec<String>,
}

pub(super) async fn run(app: &App, args: Lake, json: bool) -> Result<Outcome, AppError> {
    let args = match args {
        Lake::Files(args) => args,
        Lake::Tidy => {
            let removed = app.tidy().await?;
            if json {
                output::json(&Removed { removed })?;
            } else {
                output::line(&format!("{} files removed", removed.len()))?;
            }
            return Ok(Outcome::Done);
        }
    };
    app.write_current().await?;
    let files = app.lake_files(args.period).await?;
    if files.is_empty() {
        return Err(AppError::no_bill(args.period, &app.store().periods().await?));
    }
    let place = |path: String| app.lake().url(&path);
    if json {
        let file = |f: store::ActiveFile| File {
            path: place(f.path),
            delivery_id: f.delivery_id,
            source: f.source_id,
            rows: f.rows,
            bytes: f.bytes,
            sha256: f.sha256,
        };
        output::json(&Answer {
            files: files.into_iter().map(file).collect(),
        })?;
    } else {
        for file in files {
            output::line(&place(file.path))?;
        }
    }
    Ok(Outcome::Done)
}
