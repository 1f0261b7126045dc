//! `tonnage report commitments` and `tonnage report prepaid`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::error::AppError;
use crate::export::csv::harmless;
use clap::{Args, ValueEnum};
use domain::{BillingPeriod, Money};
use frontend::query::PageQuery;
use serde::Serialize;
use wire::CommitmentsPage;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage report commitments                        of the newest month with a bill
  tonnage report commitments --period 2026-10 --json
  tonnage report commitments --format csv > commitments.csv

Utilisation = used / (used + unused), by EffectiveCost. Coverage = covered / (covered +
on demand), by ListCost. What the bill does not say is empty, never zero.")]
pub(super) struct Report {
    /// Month [default: the newest with a bill]
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<BillingPeriod>,
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// Comma-separated, one commitment a line
    Csv,
    /// One JSON document
    Json,
}

const COLUMNS: [(&str, bool); 14] = [
    ("id", false),
    ("name", false),
    ("kind", false),
    ("provider", false),
    ("account", false),
    ("term", false),
    ("payment", false),
    ("start", false),
    ("end", false),
    ("used", true),
    ("unused", true),
    ("utilisation_permille", true),
    ("saving", true),
    ("currency", false),
];

pub(super) async fn report(app: &App, args: &Report, json: bool) -> Result<Outcome, AppError> {
    let query = PageQuery {
        period: args.period.map(|period| period.to_string()),
        ..PageQuery::default()
    };
    let page = app.commitments_page(&query).await?;
    match args.format {
        _ if json => output::json(&page)?,
        Format::Json => output::json(&page)?,
        Format::Csv => csv(&page)?,
        Format::Table => print(&page)?,
    }
    Ok(Outcome::Done)
}

fn rows(page: &CommitmentsPage) -> impl Iterator<Item = [String; 14]> {
    page.commitments.iter().map(|one| {
        let text = |known: &Option<String>| known.clone().unwrap_or_default();
        [
            one.id.clone(),
            one.name.clone(),
            one.kind.clone(),
            one.provider.clone(),
            one.account.clone(),
            text(&one.term),
            text(&one.payment),
            text(&one.start),
            text(&one.end),
            one.used.clone(),
            one.unused.clone(),
            one.utilisation_permille
                .map(|share| share.to_string())
                .unwrap_or_default(),
            text(&one.saving),
            one.currency.clone(),
        ]
    })
}

fn csv(page: &CommitmentsPage) -> Result<(), AppError> {
    write_csv(&COLUMNS.map(|(name, _)| name), rows(page))
}

fn write_csv<const N: usize>(header: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> Result<(), AppError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let broken = |error: csv::Error| AppError::broken("cannot write CSV", error);
    writer.write_record(header).map_err(broken)?;
    // an amount below zero is one; any other text that begins like a formula is none
    let cell = |cell: String| {
        if Money::parse(&cell).is_ok() {
            cell
        } else {
            harmless(&cell)
        }
    };
    for row in rows {
        writer.write_record(row.map(cell)).map_err(broken)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| AppError::broken("cannot write CSV", error.into_error()))?;
    output::line(String::from_utf8_lossy(&bytes).trim_end())
}

/// What is prepaid of every commitment and fee on a schedule, month by month:
/// opening, purchases, amortised, refunds, closing (A8, A24).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage report prepaid                       up to the newest month with a bill
  tonnage report prepaid --period 2026-10 --format csv > prepaid.csv

opening + purchases - amortised - refunds = closing, and each closing is the next opening. At
the end of its term a commitment or fee closes at 0. Opening and closing are empty when the purchase is in
no bill there is.")]
pub(super) struct Prepaid {
    /// Last month [default: the newest with a bill]
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<BillingPeriod>,
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

const PREPAID: [(&str, bool); 9] = [
    ("id", false),
    ("name", false),
    ("billing_period", false),
    ("opening", true),
    ("purchases", true),
    ("amortised", true),
    ("refunds", true),
    ("closing", true),
    ("currency", false),
];

#[derive(Serialize)]
struct PrepaidAnswer {
    prepaid: Vec<wire::Prepaid>,
}

pub(super) async fn prepaid(app: &App, args: &Prepaid, json: bool) -> Result<Outcome, AppError> {
    let prepaid = app.prepaid(args.period).await?;
    if json || args.format == Format::Json {
        output::json(&PrepaidAnswer { prepaid })?;
        return Ok(Outcome::Done);
    }
    let rows = prepaid.into_iter().map(|row| {
        let (opening, closing) = (row.opening.unwrap_or_default(), row.closing.unwrap_or_default());
        [
            row.id,
            row.name,
            row.billing_period,
            opening,
            row.purchases,
            row.amortised,
            row.refunds,
            closing,
            row.currency,
        ]
    });
    if args.format == Format::Csv {
        write_csv(&PREPAID.map(|(name, _)| name), rows)?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&PREPAID);
    let mut none = true;
    rows.for_each(|row| {
        none = false;
        table.row(row);
    });
    if none {
        output::line("no commitment or fee on a schedule is in any bill")?;
    } else {
        table.print()?;
    }
    Ok(Outcome::Done)
}

fn print(page: &CommitmentsPage) -> Result<(), AppError> {
    if page.commitments.is_empty() {
        return output::line(&format!("no commitment is in the bill of {}", page.context.period));
    }
    let mut table = Table::new(&COLUMNS);
    rows(page).for_each(|row| table.row(row));
    table.print()?;
    output::line("")?;
    let columns = ["service", "covered", "on demand", "coverage_permille", "currency"];
    let mut table = Table::new(&columns.map(|name| (name, !["service", "currency"].contains(&name))));
    for one in &page.coverage {
        table.row([
            one.service.clone(),
            one.covered.clone(),
            one.on_demand.clone(),
            one.coverage_permille.map(|share| share.to_string()).unwrap_or_default(),
            one.currency.clone(),
        ]);
    }
    table.print()?;
    output::line("")?;
    let mut table = Table::new(&[("ends", false), ("commitments", true)]);
    for step in &page.expiry {
        table.row([step.when.clone(), step.count.to_string()]);
    }
    table.print()
}
