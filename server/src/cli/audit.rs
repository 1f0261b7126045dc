//! `tonnage audit verify | list`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::error::AppError;
use crate::export;
use clap::{Args, Subcommand};
use serde_json::json;
use store::Verdict;
use wire::AuditSearch;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Check that the log is as it was written; exit 1 if not
    Verify(Verify),
    /// Entries, the newest first
    List(List),
}

#[derive(Debug, Args)]
#[command(
    after_help = "The hash of the last entry covers all before it. Keep it elsewhere, and a log that was
rewritten as a whole is found too.

Examples:
  tonnage audit verify
  tonnage audit verify --expect 1207:9f86d081884c7d65..."
)]
pub(super) struct Verify {
    /// Number and hash of an entry, as an earlier `verify` printed them
    #[arg(long, value_name = "SEQ:SHA256")]
    expect: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage audit list --action invoice.
  tonnage audit list --actor maria --from 2026-11-01 --format csv > audit.csv")]
pub(super) struct List {
    /// Part of the actor's name or id
    #[arg(long, value_name = "TEXT", default_value = "")]
    actor: String,
    /// Beginning of the action, such as `invoice.`
    #[arg(long, value_name = "TEXT", default_value = "")]
    action: String,
    /// Part of the object, or of what it was before or is since
    #[arg(long, value_name = "TEXT", default_value = "")]
    text: String,
    /// From this day on, UTC
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Up to and including this day, UTC
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// table, csv or json
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: String,
}

pub(super) async fn run(app: &App, args: Audit, json: bool) -> Result<Outcome, AppError> {
    match args {
        Audit::Verify(args) => verify(app, &args, json).await,
        Audit::List(args) => list(app, args, json).await,
    }
}

async fn verify(app: &App, args: &Verify, json: bool) -> Result<Outcome, AppError> {
    let expected = args.expect.as_deref().map(anchor).transpose()?;
    let verified = app
        .verify_audit(expected.as_ref().map(|(seq, hash)| (*seq, hash.as_str())))
        .await?;
    let (outcome, words, broken) = match &verified.verdict {
        Verdict::Whole => {
            let words = format!(
                "{} entries, whole; the last is {}:{}",
                verified.entries, verified.entries, verified.sha256
            );
            (Outcome::Done, words, None)
        }
        Verdict::Broken { seq, what } => {
            let words = format!(
                "broken at entry {seq}: {what}; {} entries before it are whole",
                verified.entries
            );
            (Outcome::CheckFailed, words, Some(json!({ "seq": seq, "what": what })))
        }
    };
    if json {
        output::json(&json!({
            "entries": verified.entries, "sha256": verified.sha256, "whole": broken.is_none(), "broken": broken,
        }))?;
    } else {
        output::line(&words)?;
    }
    Ok(outcome)
}

fn anchor(text: &str) -> Result<(i64, String), AppError> {
    let parts = text
        .split_once(':')
        .and_then(|(seq, hash)| Some((seq.parse().ok()?, hash)));
    let (seq, hash) = parts.ok_or_else(|| {
        AppError::usage(
            format!("{text:?} is no entry"),
            "write SEQ:SHA256 as `tonnage audit verify` prints them",
        )
    })?;
    Ok((seq, hash.to_lowercase()))
}

async fn list(app: &App, args: List, json: bool) -> Result<Outcome, AppError> {
    let format = if json { "json" } else { args.format.as_str() };
    let search = AuditSearch {
        actor: args.actor,
        action: args.action,
        text: args.text,
        from: args.from,
        to: args.to,
        page: 1,
    };
    let lines = app.audit_lines(&search).await?;
    match format {
        "json" => output::json(&json!({ "entries": lines }))?,
        "csv" => output::bytes(export::csv::audit(&lines).as_bytes())?,
        "table" => {
            let heads = ["seq", "at", "who", "what", "object", "from"];
            let mut table = Table::new(&heads.map(|head| (head, false)));
            for line in lines {
                table.row([
                    line.seq.to_string(),
                    line.at,
                    line.actor,
                    line.action,
                    line.object,
                    line.address,
                ]);
            }
            table.print()?;
        }
        other => {
            return Err(AppError::usage(
                format!("{other:?} is no format"),
                "write table, csv or json",
            ));
        }
    }
    Ok(Outcome::Done)
}
