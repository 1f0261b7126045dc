//! `tonnage prices import | list | spot | remove`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::app::catalogue::{ListedAdvice, ListedPrice, PriceQuery};
use crate::error::AppError;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

/// Prices of machines: for estimates of what no bill line pays for yet, and for
/// machines outside the cloud. Bills always win over them.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  tonnage prices import index.csv                 AWS price list of EC2 (CSV), a region or all
  tonnage prices import retail-*.json             pages of the Azure Retail Prices API
  tonnage prices import skus.json                 Google Cloud Billing Catalog, Compute Engine
  tonnage prices import spot-advisor-data.json    bands of the AWS Spot Instance Advisor
  tonnage prices import ours.csv                  your own machines: docs/FORMATS.md, \"Prices\"
  tonnage prices list --provider aws --type m6i.
  tonnage prices spot --region eu-central-1 --type m6a.")]
pub(super) enum PricesCommand {
    /// Take in price lists: all files or none; a price for the same machine and day is replaced
    Import(Import),
    /// Which prices there are, the built-in ones too
    List(Filter),
    /// How often AWS took spot capacity back over the trailing month, and what it saves
    Spot(Filter),
    /// Remove the prices of a provider that were taken in
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// Price lists; what each is shows in its content
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// aws, azure, gcp, own, ...
    #[arg(long)]
    provider: Option<String>,
    /// Region, as the provider writes it
    #[arg(long)]
    region: Option<String>,
    /// Machine type, or its beginning
    #[arg(long = "type", value_name = "TYPE")]
    resource_type: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// aws, azure, gcp, own, ...
    provider: String,
}

#[derive(Serialize)]
struct ListAnswer {
    prices: Vec<ListedPrice>,
}

#[derive(Serialize)]
struct SpotAnswer {
    spot: Vec<ListedAdvice>,
}

#[derive(Serialize)]
struct RemoveAnswer {
    removed: u64,
}

impl From<Filter> for PriceQuery {
    fn from(filter: Filter) -> PriceQuery {
        PriceQuery {
            provider: filter.provider,
            region: filter.region,
            resource_type: filter.resource_type,
        }
    }
}

pub(super) async fn run(app: &App, command: PricesCommand, json: bool) -> Result<Outcome, AppError> {
    match command {
        PricesCommand::Import(args) => {
            let done = app.prices_import(args.files).await?;
            if json {
                output::json(&done)?;
            } else {
                for (file, format) in &done.formats {
                    output::line(&format!("{file}: {format}"))?;
                }
                output::line(&format!(
                    "{} prices, {} new, {} changed; {} spot bands; {} entries that are no price of a Linux machine",
                    done.prices, done.new, done.changed, done.spot_bands, done.passed_over
                ))?;
            }
        }
        PricesCommand::List(filter) => list(app, filter.into(), json).await?,
        PricesCommand::Spot(filter) => spot(app, filter.into(), json).await?,
        PricesCommand::Remove(args) => {
            let removed = app.prices_remove(&args.provider).await?;
            if json {
                output::json(&RemoveAnswer { removed })?;
            } else {
                output::line(&format!("{removed} prices of {} removed", args.provider))?;
            }
        }
    }
    Ok(Outcome::Done)
}

async fn list(app: &App, query: PriceQuery, json: bool) -> Result<(), AppError> {
    let prices = app.prices_list(&query).await?;
    if json {
        return output::json(&ListAnswer { prices });
    }
    if prices.is_empty() {
        return output::line("no price matches; `tonnage prices import FILE` takes some in");
    }
    let mut table = Table::new(&[
        ("provider", false),
        ("region", false),
        ("type", false),
        ("bought", false),
        ("price", true),
        ("per", false),
        ("from", false),
        ("source", false),
    ]);
    for of in prices {
        let term = of
            .term_months
            .map(|months| format!(" {months} months {}", of.payment_option));
        table.row([
            of.provider,
            if of.region.is_empty() {
                "any".to_owned()
            } else {
                of.region
            },
            of.resource_type,
            format!("{}{}", of.purchase_option, term.unwrap_or_default()),
            format!("{} {}", of.price, of.currency),
            of.unit,
            of.valid_from,
            if of.built_in {
                format!("built in: {}", of.source)
            } else {
                of.source
            },
        ]);
    }
    table.print()
}

async fn spot(app: &App, query: PriceQuery, json: bool) -> Result<(), AppError> {
    let spot = app.spot_bands(&query).await?;
    if json {
        return output::json(&SpotAnswer { spot });
    }
    if spot.is_empty() {
        return output::line(
            "nothing is known of spot capacity there; `tonnage prices import spot-advisor-data.json` takes it in",
        );
    }
    let mut table = Table::new(&[
        ("region", false),
        ("system", false),
        ("type", false),
        ("saves", true),
        ("taken back in a month", true),
    ]);
    for of in spot {
        let saves = format!("{} %", of.saving_percent);
        table.row([of.region, of.os, of.resource_type, saves, of.interrupted]);
    }
    table.print()
}
