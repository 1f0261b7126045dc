//! `tonnage commitments import | list | remove`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::error::AppError;
use clap::{Args, Subcommand};
use domain::contract::Contract;
use serde_json::json;
use std::path::PathBuf;

/// Commitments as the provider confirms them. They tell what a bill does not:
/// term, total, scope, and that one exists although nothing used it.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  tonnage commitments import ContractCommitment.csv    FOCUS 1.3 or 1.4
  tonnage commitments list
  tonnage report commitments                           with what the bill says: used, unused, saved")]
pub(super) enum Contracts {
    /// Take in a FOCUS ContractCommitment file, all or nothing; one of the same id is replaced
    Import(Import),
    /// Every one that was taken in
    List,
    /// Take one back
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// CSV with the columns of FOCUS ContractCommitment
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// ContractCommitmentId
    id: String,
}

pub(super) async fn run(app: &App, command: Contracts, json: bool) -> Result<Outcome, AppError> {
    match command {
        Contracts::Import(args) => {
            let (all, new) = app.import_contracts(&args.file).await?;
            if json {
                output::json(&json!({ "commitments": all, "new": new }))?;
            } else {
                output::line(&format!("{all} commitments, {new} new"))?;
            }
        }
        Contracts::List => list(&app.contracts().await?, json)?,
        Contracts::Remove(args) => {
            app.remove_contract(&args.id).await?;
            if json {
                output::json(&json!({ "id": args.id, "removed": true }))?;
            } else {
                output::line(&format!("{} is removed", args.id))?;
            }
        }
    }
    Ok(Outcome::Done)
}

fn list(contracts: &[Contract], json: bool) -> Result<(), AppError> {
    if json {
        let of = |one: &Contract| {
            json!({
                "id": one.id, "contract_id": one.contract_id, "kind": one.kind, "category": one.category,
                "description": one.description, "start": one.start.to_string(), "end": one.end.to_string(),
                "cost": one.cost.map(|cost| cost.to_string()), "currency": one.currency.as_ref().map(ToString::to_string),
                "quantity": one.quantity, "unit": one.unit, "payment": one.payment, "scope": one.scope_words(),
                "status": one.status, "provider": one.provider,
            })
        };
        let all: Vec<_> = contracts.iter().map(of).collect();
        return output::json(&json!({ "commitments": all }));
    }
    if contracts.is_empty() {
        return output::line("none was taken in; `tonnage commitments import FILE` takes some");
    }
    let mut table = Table::new(&[
        ("id", false),
        ("kind", false),
        ("from", false),
        ("until", false),
        ("committed", true),
        ("", false),
        ("payment", false),
        ("for", false),
    ]);
    for one in contracts {
        let (amount, unit) = match (&one.cost, &one.quantity) {
            (Some(cost), _) => (cost.to_fixed(2), one.currency.as_ref().map(ToString::to_string)),
            (None, Some(quantity)) => (quantity.clone(), Some(one.unit.clone())),
            (None, None) => ("unknown".to_owned(), None),
        };
        table.row([
            one.id.clone(),
            one.kind.clone(),
            one.start.to_string(),
            one.end.to_string(),
            amount,
            unit.unwrap_or_default(),
            one.payment.clone(),
            one.scope_words().unwrap_or_else(|| "unknown".to_owned()),
        ]);
    }
    table.print()
}
