//! `tonnage reconcile`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::error::AppError;
use clap::Args;
use domain::BillingPeriod;
use serde::Serialize;
use wire::Reconciliation;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage reconcile
  tonnage reconcile --period 2026-10 --json

Exit 1 when any residual is not zero, or an invoice is not what the bill's lines are.")]
pub(super) struct Reconcile {
    /// One month; without it every month
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<BillingPeriod>,
}

#[derive(Serialize)]
struct Answer {
    periods: Vec<Reconciliation>,
}

pub(super) async fn run(app: &App, args: Reconcile, json: bool) -> Result<Outcome, AppError> {
    let known = app.store().periods().await?;
    let periods = match args.period {
        Some(period) if !known.contains(&period) => {
            return Err(AppError::no_bill(period, &known));
        }
        Some(period) => vec![period],
        None if known.is_empty() => return Err(AppError::NoData),
        None => known,
    };
    let mut reports = Vec::with_capacity(periods.len());
    for period in periods {
        reports.push(app.reconcile(period).await?);
    }
    // an invoice for a month without a bill has no report to stand in
    let unbilled = app.invoice_checks(args.period).await?;
    let unbilled: Vec<_> = unbilled
        .into_iter()
        .filter(|invoice| invoice.mismatch && !reports.iter().any(|report| report.period == invoice.billing_period))
        .collect();
    for one in &unbilled {
        let net = one.net.as_deref().unwrap_or("unknown");
        eprintln!(
            "{} {}: there is no bill for invoice {} of {net} net",
            one.billing_period, one.currency, one.number
        );
    }
    let whole = unbilled.is_empty()
        && reports
            .iter()
            .flat_map(|report| &report.currencies)
            .all(|currency| currency.residual == "0" && !currency.invoices.iter().any(|invoice| invoice.mismatch));
    if !json {
        print(&reports)?;
    } else if let (Some(_), [report]) = (args.period, reports.as_slice()) {
        output::json(report)?;
    } else {
        output::json(&Answer { periods: reports })?;
    }
    Ok(if whole { Outcome::Done } else { Outcome::CheckFailed })
}

fn print(reports: &[Reconciliation]) -> Result<(), AppError> {
    let mut table = Table::new(&[
        ("period", false),
        ("currency", false),
        ("invoiced", true),
        ("billed", true),
        ("effective", true),
        ("allocated", true),
        ("unallocated", true),
        ("quarantined", true),
        ("residual", true),
    ]);
    for report in reports {
        for c in &report.currencies {
            let aside = match &c.quarantined.billed {
                _ if c.quarantined.rows == 0 => "-".to_owned(),
                Some(money) => format!("{} rows, {money}", c.quarantined.rows),
                None => format!("{} rows, unknown", c.quarantined.rows),
            };
            table.row([
                report.period.clone(),
                c.currency.clone(),
                c.invoiced.clone().unwrap_or_else(|| "unknown".to_owned()),
                c.billed.clone(),
                c.effective.clone(),
                c.allocated.clone(),
                c.unallocated.clone(),
                aside,
                c.residual.clone(),
            ]);
        }
    }
    table.print()?;
    for report in reports {
        for c in &report.currencies {
            for one in c.invoices.iter().filter(|invoice| invoice.mismatch) {
                eprintln!(
                    "{} {}: invoice {} has {} net, its {} lines {}: difference {}",
                    report.period,
                    c.currency,
                    one.number,
                    one.net.as_deref().unwrap_or("unknown"),
                    one.rows,
                    one.lines_net.as_deref().unwrap_or("nothing"),
                    one.difference.as_deref().unwrap_or("unknown"),
                );
            }
            if !c.missing_accounts.is_empty() {
                eprintln!(
                    "{} {}: account {} was in the bill of the month before and is not in this one",
                    report.period,
                    c.currency,
                    c.missing_accounts.join(", ")
                );
            }
        }
        for c in report.currencies.iter().filter(|c| c.residual != "0") {
            for link in c.links.iter().filter(|link| link.residual != "0") {
                eprintln!(
                    "{} {}: {} {} is not {} {}: residual {}",
                    report.period, c.currency, link.from, link.left, link.to, link.right, link.residual
                );
            }
        }
    }
    Ok(())
}
