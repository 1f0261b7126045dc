//! `tonnage rates import | list`, and costs in one currency.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::app::rates::{ConvertQuery, ConvertedCosts, RatesOfPair};
use crate::error::AppError;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

/// Exchange rates as published, for reports in one currency.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  tonnage rates import eurofxref-hist.csv        the history of the European Central Bank
  tonnage rates import eurofxref-hist.xml        the same as XML
  tonnage rates import ours.csv                  columns date,base,quote,rate
  tonnage rates list
  tonnage report costs --period 2026-10 --convert EUR")]
pub(super) enum RatesCommand {
    /// Take in a file of rates; rates that are there are replaced
    Import(Import),
    /// Which rates there are
    List,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// That of the European Central Bank, CSV (Date,USD,JPY,...) or XML; or CSV of date,base,quote,rate
    file: PathBuf,
}

#[derive(Serialize)]
struct ListAnswer {
    rates: Vec<RatesOfPair>,
}

pub(super) async fn run(app: &App, command: RatesCommand, json: bool) -> Result<Outcome, AppError> {
    match command {
        RatesCommand::Import(args) => {
            let text = super::rules::read(&args.file)?;
            let done = app.rates_import(&args.file.display().to_string(), &text).await?;
            if json {
                output::json(&done)?;
            } else {
                output::line(&format!(
                    "{} rates from {} to {}: {} new, {} changed",
                    done.rates, done.first_day, done.last_day, done.new, done.changed
                ))?;
            }
        }
        RatesCommand::List => {
            let rates = app.rates().await?;
            if json {
                output::json(&ListAnswer { rates })?;
            } else if rates.is_empty() {
                output::line("there are no rates; `tonnage rates import FILE` takes some in")?;
            } else {
                let mut table = Table::new(&[
                    ("1", false),
                    ("in", false),
                    ("from", false),
                    ("to", false),
                    ("days", true),
                ]);
                for of in rates {
                    let (base, quote) = (of.base.to_string(), of.quote.to_string());
                    table.row([base, quote, of.first_day, of.last_day, of.days.to_string()]);
                }
                table.print()?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// `report costs --convert`.
pub(super) async fn converted(app: &App, query: &ConvertQuery, json: bool, csv: bool) -> Result<Outcome, AppError> {
    let costs = app.costs_converted(query).await?;
    if json {
        output::json(&costs)?;
    } else if csv {
        write_csv(&costs)?;
    } else {
        print(&costs)?;
    }
    Ok(Outcome::Done)
}

fn columns(costs: &ConvertedCosts) -> Vec<String> {
    let own = [format!("cost {}", costs.currency)];
    let origin = costs.origin.keys().map(|currency| format!("origin {currency}"));
    costs.by.iter().cloned().chain(own).chain(origin).collect()
}

fn write_csv(costs: &ConvertedCosts) -> Result<(), AppError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let broken = |error: csv::Error| AppError::broken("cannot write CSV", error);
    writer.write_record(columns(costs)).map_err(broken)?;
    for row in &costs.rows {
        let keys = costs
            .by
            .iter()
            .map(|key| crate::export::csv::harmless(row.keys.get(key).map_or("", String::as_str)));
        let origin = costs
            .origin
            .keys()
            .map(|currency| row.origin.get(currency).map(ToString::to_string).unwrap_or_default());
        let cells = keys.chain([row.cost.to_string()]).chain(origin);
        writer.write_record(cells).map_err(broken)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| AppError::broken("cannot write CSV", error.into_error()))?;
    output::bytes(&bytes)
}

fn print(costs: &ConvertedCosts) -> Result<(), AppError> {
    output::line(&format!(
        "{}, {} cost in {} at {}",
        costs.period,
        crate::app::reports::basis_word(costs.basis),
        costs.currency,
        costs.rate_type
    ))?;
    for (currency, rate) in costs
        .rates
        .iter()
        .filter(|(currency, _)| currency.as_str() != costs.currency.as_str())
    {
        match rate {
            Some(rate) => output::line(&format!("  1 {currency} = {} {}", rate.to_fixed(8), costs.currency))?,
            None => output::line(&format!("  {currency} at the rate of each charge's day"))?,
        }
    }
    let names = columns(costs);
    let table_columns: Vec<(&str, bool)> = names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), at >= costs.by.len()))
        .collect();
    let mut table = Table::new(&table_columns);
    for row in &costs.rows {
        let keys = costs.by.iter().map(|key| {
            let value = row.keys.get(key).map_or("", String::as_str);
            frontend::words::value(key, value)
        });
        let origin = costs.origin.keys().map(|currency| {
            row.origin
                .get(currency)
                .map(|money| money.to_fixed(2))
                .unwrap_or_default()
        });
        table.row(keys.chain([row.cost.to_fixed(2)]).chain(origin));
    }
    let origin = costs.origin.values().map(|money| money.to_fixed(2));
    let blank = costs
        .by
        .iter()
        .enumerate()
        .map(|(at, _)| if at == 0 { "total".to_owned() } else { String::new() });
    table.row(blank.chain([costs.total.to_fixed(2)]).chain(origin));
    table.print()
}
