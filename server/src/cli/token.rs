//! `tonnage token create | list | revoke`.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::error::AppError;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token for an agent; it is shown once
    Create(Create),
    /// Every token: whose, for which cluster, when last used; never the token itself
    List,
    /// Accept a token no longer
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage token create --agent prod-eu > token
  tonnage token create --agent prod-eu --cluster $(kubectl get namespace kube-system -o jsonpath={.metadata.uid})")]
pub(super) struct Create {
    /// Whose it is
    #[arg(long, value_name = "NAME")]
    agent: String,
    /// The one cluster it may write [default: any]
    #[arg(long, value_name = "UID")]
    cluster: Option<String>,
    /// Days until it ends [default: never]
    #[arg(long, value_name = "N")]
    days: Option<i64>,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Id of the token, as `list` shows it
    id: String,
}

pub(super) async fn run(app: &App, args: Token, json: bool) -> Result<Outcome, AppError> {
    match args {
        Token::Create(args) => create(app, &args, json).await?,
        Token::List => list(app, json).await?,
        Token::Revoke(args) => {
            app.revoke_token(&args.id).await?;
            if json {
                output::json(&serde_json::json!({ "id": args.id, "revoked": true }))?;
            } else {
                output::line(&format!("token {} is revoked", args.id))?;
            }
        }
    }
    Ok(Outcome::Done)
}

async fn create(app: &App, args: &Create, json: bool) -> Result<(), AppError> {
    let made = app
        .create_token(&args.agent, args.cluster.as_deref(), args.days)
        .await?;
    if json {
        return output::json(&made);
    }
    eprintln!("token {} of agent {}; it is shown this once:", made.id, made.agent);
    output::line(&made.token)
}

async fn list(app: &App, json: bool) -> Result<(), AppError> {
    let tokens = app.tokens().await?;
    if json {
        return output::json(&serde_json::json!({ "tokens": tokens }));
    }
    let columns = ["id", "agent", "cluster", "created", "last used", "revoked"];
    let mut table = Table::new(&columns.map(|column| (column, false)));
    for token in tokens {
        table.row([
            token.id,
            token.agent,
            token.cluster.unwrap_or_else(|| "any".to_owned()),
            token.created_at,
            token.last_used_at.unwrap_or_else(|| "never".to_owned()),
            token.revoked_at.unwrap_or_default(),
        ]);
    }
    table.print()
}
