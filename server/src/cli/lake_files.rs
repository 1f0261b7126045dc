//! `tonnage lake files | tidy`.

use super::Outcome;
use super::output;
use crate::app::App;
use crate::error::AppError;
use clap::{Args, Subcommand, ValueEnum};
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
    /// Only these [default: all]
    #[arg(long, value_enum, value_name = "DATASET")]
    dataset: Option<Dataset>,
}

/// What a file of the lake holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum Dataset {
    /// Charges of the bill
    Charges,
    /// What containers and nodes cost on each day
    ContainerDays,
}

#[derive(Serialize)]
struct Answer {
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    dataset: Dataset,
    path: String,
    #[serde(flatten)]
    of: Of,
    rows: u64,
    bytes: u64,
    sha256: String,
}

/// What a file belongs to.
#[derive(Serialize)]
#[serde(untagged)]
enum Of {
    Delivery {
        delivery_id: String,
        source: String,
    },
    Day {
        cluster: String,
        day: String,
        /// The usage file whose slots its rows count; absent when the day has no facts.
        #[serde(skip_serializing_if = "Option::is_none")]
        slots_path: Option<String>,
    },
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
    let mut listed: Vec<File> = files.into_iter().map(|file| charge_file(app, file)).collect();
    let days = app.container_day_files(args.period).await?;
    listed.extend(days.into_iter().map(|file| day_file(app, file)));
    listed.retain(|file| args.dataset.is_none_or(|wanted| file.dataset == wanted));
    if json {
        output::json(&Answer { files: listed })?;
    } else {
        for file in listed {
            output::line(&file.path)?;
        }
    }
    Ok(Outcome::Done)
}

fn charge_file(app: &App, file: store::ActiveFile) -> File {
    File {
        dataset: Dataset::Charges,
        path: app.lake().url(&file.path),
        of: Of::Delivery {
            delivery_id: file.delivery_id,
            source: file.source_id,
        },
        rows: file.rows,
        bytes: file.bytes,
        sha256: file.sha256,
    }
}

fn day_file(app: &App, file: store::AllocationFile) -> File {
    let slots_path = Some(file.slots_path).filter(|path| !path.is_empty());
    File {
        dataset: Dataset::ContainerDays,
        path: app.lake().url(&file.path),
        of: Of::Day {
            cluster: file.cluster_id,
            day: file.day.to_string(),
            slots_path: slots_path.map(|path| app.lake().url(&path)),
        },
        rows: file.rows,
        bytes: file.bytes,
        sha256: file.sha256,
    }
}
