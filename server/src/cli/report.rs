//! `tonnage report costs`; drivers have a file of their own.

use super::Outcome;
use super::output::{self, Table};
use super::{commitments, drivers};
use crate::app::App;
use crate::app::cube::MAX_KEYS;
use crate::app::rates::ConvertQuery;
use crate::app::reports::Rows;
use crate::error::AppError;
use crate::export;
use clap::{Args, Subcommand, ValueEnum};
use domain::fx::RateType;
use domain::{BillingPeriod, Money};
use frontend::query::PageQuery;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use wire::{Basis, CostsPage, CostsQuery, SortKey, SortOrder};

#[derive(Debug, Subcommand)]
pub(super) enum Report {
    /// Costs of a month, grouped by one or more keys
    Costs(Costs),
    /// Commitments of a month: what was used and not, coverage by service, when they end
    Commitments(commitments::Report),
    /// What is prepaid of commitments, month by month: opening, purchases, amortised, closing
    Prepaid(commitments::Prepaid),
    /// Drivers of a month: what each receiver had of orders, requests, database time
    Drivers(drivers::Report),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage report costs --period 2026-10 --by tenant,service
  tonnage report costs --period 2026-10 --by tier --filter tenant=acme --json
  tonnage report costs --period 2026-10 --by ServiceName --basis billed --format csv > october.csv
  tonnage report costs --period 2026-10 --by tenant --convert EUR        every bill in euros, with the amounts of the bills")]
pub(super) struct Costs {
    /// Month [default: the newest with a bill]
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<BillingPeriod>,
    /// Keys, comma-separated: owner dimensions or FOCUS columns
    #[arg(long, value_delimiter = ',', default_value = "tenant")]
    by: Vec<String>,
    /// Which cost
    #[arg(long, value_enum, default_value = "effective")]
    basis: BasisArg,
    /// All of it in this currency, each charge at a published rate (`tonnage rates import`)
    #[arg(long, value_name = "CURRENCY", conflicts_with = "currency")]
    convert: Option<String>,
    /// Which rate
    #[arg(long, value_enum, default_value = "month-average", requires = "convert")]
    rate: RateArg,
    /// Currency; needed when the month has several
    #[arg(long)]
    currency: Option<String>,
    /// key=value; values of one key are alternatives, keys are cumulative; an empty value means "without one"
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RateArg {
    /// Mean of the rates published in the month
    MonthAverage,
    /// The rate of the day a charge starts, or the last one of the week before
    ChargeDate,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BasisArg {
    /// EffectiveCost: commitments spread over the time they cover
    Effective,
    /// BilledCost: what the invoice charges
    Billed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
    Xlsx,
    Parquet,
}

#[derive(Serialize)]
struct Answer<'a> {
    period: &'a str,
    basis: Basis,
    currency: &'a str,
    by: &'a [String],
    rows: Vec<Row<'a>>,
    total: &'a str,
}

#[derive(Serialize)]
struct Row<'a> {
    keys: &'a BTreeMap<String, String>,
    cost: &'a str,
    explain_id: Option<&'a str>,
}

pub(super) async fn run(app: &App, args: Report, json: bool) -> Result<Outcome, AppError> {
    let args = match args {
        Report::Costs(args) => args,
        Report::Commitments(args) => return commitments::report(app, &args, json).await,
        Report::Prepaid(args) => return commitments::prepaid(app, &args, json).await,
        Report::Drivers(args) => return drivers::report(app, args, json).await,
    };
    let basis = match args.basis {
        BasisArg::Effective => Basis::Effective,
        BasisArg::Billed => Basis::Billed,
    };
    if let Some(to) = &args.convert {
        let query = convert_query(&args, basis, to)?;
        let (json, csv) = match args.format {
            _ if json => (true, false),
            Format::Json => (true, false),
            Format::Csv => (false, true),
            Format::Table => (false, false),
            Format::Xlsx | Format::Parquet => {
                return Err(AppError::usage(
                    "costs in another currency come as table, csv or json",
                    "choose one: --format csv",
                ));
            }
        };
        return super::rates::converted(app, &query, json, csv).await;
    }
    let period = args.period.map(|p| p.to_string());
    if args.currency.is_none() {
        one_currency(
            app,
            &PageQuery {
                period: period.clone(),
                basis,
                ..PageQuery::default()
            },
        )
        .await?;
    }
    if args.by.len() > MAX_KEYS {
        let what = format!("--by {} has {} keys", args.by.join(","), args.by.len());
        return Err(AppError::usage(what, format!("group by up to {MAX_KEYS} keys")));
    }
    let query = CostsQuery {
        period,
        by: args.by,
        basis,
        currency: args.currency,
        against: None,
        filters: args.filter.iter().map(|text| filter(text)).collect::<Result<_, _>>()?,
        sort: SortKey::Cost,
        dir: SortOrder::Desc,
        page: 1,
    };
    let page = app.costs(&query, Rows::All).await?;
    match if json { Format::Json } else { args.format } {
        Format::Json => output::json(&answer(&page))?,
        Format::Csv => output::bytes(export::csv::costs(&page.report, &page.options).as_bytes())?,
        Format::Xlsx | Format::Parquet if std::io::stdout().is_terminal() => {
            return Err(AppError::usage(
                "this format cannot be shown in a terminal",
                "redirect it: --format xlsx > costs.xlsx",
            ));
        }
        Format::Parquet => output::bytes(&parquet(&page)?)?,
        Format::Xlsx => output::bytes(&export::xlsx::costs(&page.report, &page.options)?)?,
        Format::Table => print(&page)?,
    }
    Ok(Outcome::Done)
}

fn convert_query(args: &Costs, basis: Basis, to: &str) -> Result<ConvertQuery, AppError> {
    let unknown = || {
        AppError::usage(
            format!("{to:?} is no currency"),
            "use a code of three letters, such as EUR",
        )
    };
    Ok(ConvertQuery {
        period: args.period,
        by: args.by.clone(),
        basis,
        filters: args.filter.iter().map(|text| filter(text)).collect::<Result<_, _>>()?,
        to: domain::Currency::parse(to).ok_or_else(unknown)?,
        rate_type: match args.rate {
            RateArg::MonthAverage => RateType::MonthAverage,
            RateArg::ChargeDate => RateType::ChargeDate,
        },
    })
}

/// Keys as text columns and the exact cost as `Decimal(38,24)`.
fn parquet(page: &CostsPage) -> Result<Vec<u8>, AppError> {
    let report = &page.report;
    let rows = report.rows.iter().filter(|row| row.explain_id.is_some());
    let keys = rows.clone().map(|row| {
        report
            .by
            .iter()
            .map(|key| row.keys.get(key).cloned().unwrap_or_default())
            .collect()
    });
    let costs: Vec<Money> = rows.map(|row| Money::parse(&row.cost).unwrap_or_default()).collect();
    Ok(lake::cube::report_parquet(
        &report.by,
        &keys.collect::<Vec<_>>(),
        &costs,
    )?)
}

/// Amounts of two currencies are never added, and none is picked in silence.
async fn one_currency(app: &App, query: &PageQuery) -> Result<(), AppError> {
    let context = app.page_context(query).await?;
    if context.currencies.len() > 1 {
        return Err(AppError::usage(
            format!("{} has costs in {}", context.period, context.currencies.join(" and ")),
            format!(
                "choose one: --currency {}; or all in one: --convert {}",
                context.currencies.join(" or --currency "),
                context.currency
            ),
        ));
    }
    Ok(())
}

fn filter(text: &str) -> Result<(String, String), AppError> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| AppError::usage(format!("--filter {text} has no key"), "write --filter tenant=acme"))
}

fn answer(page: &CostsPage) -> Answer<'_> {
    let report = &page.report;
    Answer {
        period: &report.period,
        basis: report.basis,
        currency: &report.currency,
        by: &report.by,
        rows: report
            .rows
            .iter()
            .filter(|row| row.explain_id.is_some())
            .map(|row| Row {
                keys: &row.keys,
                cost: &row.cost,
                explain_id: row.explain_id.as_deref(),
            })
            .collect(),
        total: &report.total,
    }
}

fn print(page: &CostsPage) -> Result<(), AppError> {
    let report = &page.report;
    let label = |key: &String| {
        page.options
            .iter()
            .find(|o| o.key == *key)
            .map_or(key.clone(), |o| o.label.clone())
    };
    let heads: Vec<String> = report.by.iter().map(label).collect();
    let cost = format!("cost, {}", report.currency);
    let mut columns: Vec<(&str, bool)> = heads.iter().map(|head| (head.as_str(), false)).collect();
    columns.extend([(cost.as_str(), true), ("share", true), ("explain id", false)]);
    let mut table = Table::new(&columns);
    for row in &report.rows {
        let mut cells: Vec<String> = report
            .by
            .iter()
            .map(|key| frontend::words::value(key, row.keys.get(key).map_or("", String::as_str)))
            .collect();
        let share = row.share_permille.map_or_else(
            || "-".to_owned(),
            |p| format!("{}{}.{} %", if p < 0 { "-" } else { "" }, p.abs() / 10, p.abs() % 10),
        );
        cells.extend([row.cost.clone(), share, row.explain_id.clone().unwrap_or_default()]);
        table.row(cells);
    }
    let mut total = vec!["Total".to_owned()];
    total.resize(report.by.len(), String::new());
    total.extend([report.total.clone(), String::new(), String::new()]);
    table.row(total);
    table.print()?;
    let basis = crate::app::reports::basis_word(report.basis).to_lowercase();
    eprintln!(
        "{basis} cost of {}, {}; residual to the bill {}",
        report.period, report.currency, report.reconciliation.residual
    );
    Ok(())
}
