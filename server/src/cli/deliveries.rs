//! `tonnage deliveries list | show | diff`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::app::reports::Rows;
use crate::error::AppError;
use clap::{Args, Subcommand};
use wire::{ChangeAmounts, Delivery, DeliveryChanges, Restated};

#[derive(Debug, Subcommand)]
pub(super) enum Deliveries {
    /// Every delivery of bills, the newest first
    List(List),
    /// One delivery: its files, and what it changed in each period
    Show(Show),
    /// What a delivery changed against the one it replaced, by account, service and day
    Diff(Diff),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage deliveries list
  tonnage deliveries list --source aws-payer --json")]
pub(super) struct List {
    /// Of one source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  tonnage deliveries show 4f1c9a")]
pub(super) struct Show {
    /// Id of the delivery, or how it begins
    id: String,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage deliveries diff 4f1c9a            against the delivery it replaced
  tonnage deliveries diff 4f1c9a 02bb71     against another one
  tonnage deliveries diff 4f1c9a --json     every change, exact")]
pub(super) struct Diff {
    /// Id of the later delivery, or how it begins
    id: String,
    /// Id of the earlier one [default: those of its source that it replaced]
    against: Option<String>,
}

pub(super) async fn run(app: &App, args: Deliveries, json: bool) -> Result<Outcome, AppError> {
    match args {
        Deliveries::List(args) => {
            let all = app.deliveries(args.source.as_deref()).await?;
            if json {
                output::json(&serde_json::json!({ "deliveries": all }))?;
            } else {
                list(&all)?;
            }
        }
        Deliveries::Show(args) => {
            let changes = app.delivery_changes(&args.id, None, Rows::Page).await?;
            if json {
                output::json(&changes)?;
            } else {
                show(&changes)?;
            }
        }
        Deliveries::Diff(args) => {
            let changes = app
                .delivery_changes(&args.id, args.against.as_deref(), Rows::All)
                .await?;
            if json {
                output::json(&changes)?;
            } else {
                output::line(&sentence(&changes))?;
                totals(&changes)?;
                diff(&changes)?;
            }
        }
    }
    Ok(Outcome::Done)
}

fn list(all: &[Delivery]) -> Result<(), AppError> {
    let columns = [
        ("delivery", false),
        ("source", false),
        ("format", false),
        ("received", false),
        ("state", false),
        ("period", false),
        ("rows", true),
        ("billed", true),
        ("currency", false),
    ];
    let mut table = Table::new(&columns);
    for one in all {
        for period in &one.periods {
            table.row([
                one.delivery_id.clone(),
                one.source.clone(),
                one.format.clone(),
                one.received_at.clone(),
                state(one),
                period.billing_period.clone(),
                period.rows.to_string(),
                period.billed_cost.clone(),
                period.currency.clone(),
            ]);
        }
    }
    table.print()
}

fn state(delivery: &Delivery) -> String {
    let word = serde_json::to_value(delivery.state).ok();
    word.and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn show(changes: &DeliveryChanges) -> Result<(), AppError> {
    let one = &changes.delivery;
    output::line(&format!(
        "delivery {} of {}: {}, received {}, {}",
        one.delivery_id,
        one.source,
        one.format,
        one.received_at,
        state(one)
    ))?;
    let mut files = Table::new(&[("file", false), ("bytes", true), ("sha256", false)]);
    for file in &changes.files {
        files.row([file.name.clone(), file.bytes.to_string(), file.sha256.clone()]);
    }
    files.print()?;
    output::line(&sentence(changes))?;
    totals(changes)
}

fn sentence(changes: &DeliveryChanges) -> String {
    let ids: Vec<&str> = changes.against.iter().map(|old| old.delivery_id.as_str()).collect();
    let olds = ids.join(", ");
    match changes.kind {
        Restated::First => "there was no delivery before it: nothing to compare with".to_owned(),
        Restated::Same => format!("nothing that counts differs from {olds}"),
        Restated::TagsOnly => format!("only tags differ from {olds}: costs by account, service and day are equal"),
        Restated::Money => format!("rows or money differ from {olds}"),
    }
}

const AMOUNTS: [(&str, bool); 6] = [
    ("rows before", true),
    ("after", true),
    ("billed before", true),
    ("change", true),
    ("effective before", true),
    ("change", true),
];

fn amounts(amounts: &ChangeAmounts) -> [String; 6] {
    [
        amounts.rows_before.to_string(),
        amounts.rows_after.to_string(),
        amounts.billed_before.clone(),
        amounts.billed_change.clone(),
        amounts.effective_before.clone(),
        amounts.effective_change.clone(),
    ]
}

fn totals(changes: &DeliveryChanges) -> Result<(), AppError> {
    let columns: Vec<_> = [("period", false), ("currency", false)]
        .into_iter()
        .chain(AMOUNTS)
        .collect();
    let mut table = Table::new(&columns);
    for total in &changes.totals {
        let keys = [total.name.clone(), total.currency.clone()];
        table.row(keys.into_iter().chain(amounts(&total.amounts)));
    }
    table.print()
}

fn diff(changes: &DeliveryChanges) -> Result<(), AppError> {
    if changes.changes.is_empty() {
        return Ok(());
    }
    let keys = ["period", "currency", "account", "service", "category", "day"];
    let columns: Vec<_> = keys.map(|key| (key, false)).into_iter().chain(AMOUNTS).collect();
    let mut table = Table::new(&columns);
    for row in &changes.changes {
        let keys = [
            row.billing_period.clone(),
            row.currency.clone(),
            row.account.clone(),
            row.service.clone(),
            row.category.clone(),
            row.day.clone(),
        ];
        table.row(keys.into_iter().chain(amounts(&row.amounts)));
    }
    table.print()
}
