//! `tonnage invoice add | import | list | remove`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::app::invoices::{InvoiceText, InvoicesTaken};
use crate::error::AppError;
use clap::{Args, Subcommand};
use domain::BillingPeriod;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Invoices {
    /// Enter an invoice
    Add(Box<Add>),
    /// Enter the invoices of a CSV file, all or none
    Import(Import),
    /// Every invoice, and how it compares with the bill's lines; exit 1 when one does not agree
    List(List),
    /// Take an invoice back
    Remove(Remove),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage invoice add --number EUINDE26-1043 --period 2026-10 --currency USD --net 18231.07 --tax 3463.90
  tonnage invoice add --number 7001 --issuer Microsoft --period 2026-10 --currency EUR --net 902.10 --document inv.pdf

The number is the InvoiceId of the bill's lines. BilledCost of these lines, taxes apart,
must be its net; one minor unit of the currency may be the provider's rounding.")]
pub(super) struct Add {
    /// Its number: InvoiceId in the bill
    #[arg(long)]
    number: String,
    /// Who issued it
    #[arg(long, default_value = "")]
    issuer: String,
    /// Billing account
    #[arg(long, default_value = "")]
    account: String,
    /// Whom it is addressed to
    #[arg(long, default_value = "")]
    entity: String,
    /// Billing period
    #[arg(long, value_name = "YYYY-MM")]
    period: String,
    /// Currency
    #[arg(long)]
    currency: String,
    /// Amount without tax; below zero for a credit memo
    #[arg(long, allow_hyphen_values = true)]
    net: String,
    /// Tax
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    tax: String,
    /// Amount with tax
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    gross: String,
    /// Its date
    #[arg(long, default_value = "")]
    date: String,
    /// When it is due
    #[arg(long, default_value = "")]
    due: String,
    /// The exchange rate it states
    #[arg(long, default_value = "")]
    rate: String,
    /// The document; its SHA-256 is kept
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  tonnage invoice import invoices.csv           number,period,currency,net and what else is known
  tonnage invoice import InvoiceDetail.csv      FOCUS 1.4: what is issued is entered, what is voided removed
  tonnage invoice import BillingPeriod.csv      FOCUS 1.4: what the issuer has closed becomes final

The header of our own: number,period,currency,net and, where known, issuer,account,entity,tax,gross,date,due,rate,document_sha256")]
pub(super) struct Import {
    /// CSV with one invoice a line, FOCUS InvoiceDetail, or FOCUS BillingPeriod; its columns tell
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// One month [default: all]
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<BillingPeriod>,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Its number
    number: String,
    /// Whose it is, when several issuers have the number
    #[arg(long)]
    issuer: Option<String>,
}

pub(super) async fn run(app: &App, args: Invoices, json: bool) -> Result<Outcome, AppError> {
    match args {
        Invoices::Add(args) => {
            let invoice = text(*args)?
                .parse()
                .map_err(|finding| AppError::Refused(vec![*finding]))?;
            entered(app.add_invoices(vec![invoice]).await?, 1, json)?;
        }
        Invoices::Import(args) => {
            let taken = app.take_in_invoices(&args.file).await?;
            if json {
                output::json(&taken)?;
            } else {
                say(&taken)?;
            }
        }
        Invoices::List(args) => return list(app, args.period, json).await,
        Invoices::Remove(args) => {
            let gone = app.remove_invoice(&args.number, args.issuer.as_deref()).await?;
            if json {
                output::json(&serde_json::json!({ "number": gone.number, "removed": true }))?;
            } else {
                output::line(&format!("invoice {} of {} is removed", gone.number, gone.period))?;
            }
        }
    }
    Ok(Outcome::Done)
}

fn say(taken: &InvoicesTaken) -> Result<(), AppError> {
    if taken.closed.is_empty() {
        entered(taken.entered, taken.entered + taken.unchanged, false)?;
    }
    if taken.not_issued > 0 {
        output::line(&format!("{} not issued yet, passed over", taken.not_issued))?;
    }
    if taken.voided > 0 {
        output::line(&format!("{} voided and removed", taken.voided))?;
    }
    for of in &taken.closed {
        let done = match of.finished.as_slice() {
            [] => "no open delivery of it".to_owned(),
            finished => format!("final now: {}", finished.join(", ")),
        };
        output::line(&format!("{} closed {}: {done}", of.issuer, of.billing_period))?;
    }
    Ok(())
}

fn text(args: Add) -> Result<InvoiceText, AppError> {
    let document_sha256 = match &args.document {
        Some(path) => sources::sha256(path).map_err(|error| AppError::broken("cannot read the document", error))?,
        None => String::new(),
    };
    Ok(InvoiceText {
        number: args.number,
        issuer: args.issuer,
        account: args.account,
        entity: args.entity,
        period: args.period,
        currency: args.currency,
        net: args.net,
        tax: args.tax,
        gross: args.gross,
        date: args.date,
        due: args.due,
        rate: args.rate,
        document_sha256,
    })
}

fn entered(new: usize, all: usize, json: bool) -> Result<(), AppError> {
    if json {
        return output::json(&serde_json::json!({ "entered": new, "unchanged": all - new }));
    }
    output::line(&match (new, all - new) {
        (new, 0) => format!("{new} entered"),
        (new, there) => format!("{new} entered, {there} were there already"),
    })
}

async fn list(app: &App, period: Option<BillingPeriod>, json: bool) -> Result<Outcome, AppError> {
    let checks = app.invoice_checks(period).await?;
    if json {
        output::json(&serde_json::json!({ "invoices": checks }))?;
    } else {
        let mut table = Table::new(&[
            ("invoice", false),
            ("issuer", false),
            ("period", false),
            ("net", true),
            ("its lines", true),
            ("tax", true),
            ("its lines", true),
            ("difference", true),
            ("currency", false),
            ("rows", true),
            ("state", false),
        ]);
        for one in &checks {
            let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            table.row([
                one.number.clone(),
                one.issuer.clone(),
                one.billing_period.clone(),
                known(&one.net),
                known(&one.lines_net),
                known(&one.tax),
                known(&one.lines_tax),
                known(&one.difference),
                one.currency.clone(),
                one.rows.to_string(),
                one.state.replace('_', " "),
            ]);
        }
        table.print()?;
    }
    let mismatch = checks.iter().any(|one| one.mismatch);
    Ok(if mismatch { Outcome::CheckFailed } else { Outcome::Done })
}
