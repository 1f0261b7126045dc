//! `tonnage token create | list | revoke`: of programs, which act for an account,
//! and of agents, which push facts.

use super::Outcome;
use super::output::{self, Table};
use super::user::role;
use crate::app::App;
use crate::error::AppError;
use clap::{Args, Subcommand};
use domain::access::Role;
use domain::instant::Instant;

/// How long a token of a program lives unless told otherwise.
const DAYS: i64 = 90;

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token for a program of somebody, or for an agent; it is shown once
    Create(Create),
    /// Every token: whose, for what, when last used; never the token itself
    List,
    /// Accept a token no longer
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage token create --agent prod-eu > token
  tonnage token create --agent prod-eu --cluster $(kubectl get namespace kube-system -o jsonpath={.metadata.uid})
  tonnage token create --user maria@example.com --name 'BI export' --role viewer --days 365 > token")]
pub(super) struct Create {
    /// For an agent: whose it is
    #[arg(long, value_name = "NAME", required_unless_present = "user", conflicts_with = "user")]
    agent: Option<String>,
    /// For an agent: the one cluster it may write [default: any]
    #[arg(long, value_name = "UID", requires = "agent")]
    cluster: Option<String>,
    /// For a program: login of the account it acts for
    #[arg(long, value_name = "LOGIN")]
    user: Option<String>,
    /// For a program: what it is for
    #[arg(long, requires = "user", default_value = "command line")]
    name: String,
    /// For a program: roles of the account it carries; several times [default: all of them]
    #[arg(long = "role", value_name = "ROLE", requires = "user")]
    roles: Vec<String>,
    /// Days until it ends [default: 90 for a program, never for an agent]
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
            revoke(app, &args.id).await?;
            if json {
                output::json(&serde_json::json!({ "id": args.id, "revoked": true }))?;
            } else {
                output::line(&format!("token {} is revoked", args.id))?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// Ids are random: one is of a program or of an agent.
async fn revoke(app: &App, id: &str) -> Result<(), AppError> {
    match app.revoke_api_token(id).await {
        Err(AppError::NotFound { .. }) => app.revoke_token(id).await,
        done => done,
    }
}

async fn create(app: &App, args: &Create, json: bool) -> Result<(), AppError> {
    if let Some(user) = &args.user {
        return create_for_program(app, user, args, json).await;
    }
    let agent = args.agent.as_deref().unwrap_or_default();
    let made = app.create_token(agent, args.cluster.as_deref(), args.days).await?;
    if json {
        return output::json(&made);
    }
    eprintln!("token {} of agent {}; it is shown this once:", made.id, made.agent);
    output::line(&made.token)
}

async fn create_for_program(app: &App, user: &str, args: &Create, json: bool) -> Result<(), AppError> {
    let account = app.account_named(user).await?;
    let mut roles: Vec<Role> = args.roles.iter().map(|key| role(key)).collect::<Result<_, _>>()?;
    if roles.is_empty() {
        roles = account.granted().iter().map(|grant| grant.role).collect();
    }
    let made = app
        .create_api_token(&account, &args.name, &roles, args.days.unwrap_or(DAYS))
        .await?;
    let ends = Instant(made.kept.expires_us).to_string();
    if json {
        return output::json(&serde_json::json!({
            "id": made.kept.token_id, "user": account.login, "roles": made.kept.roles, "expires_at": ends,
            "token": made.token,
        }));
    }
    eprintln!(
        "token {} of {}, until {ends}; it is shown this once:",
        made.kept.token_id, account.login
    );
    output::line(&made.token)
}

async fn list(app: &App, json: bool) -> Result<(), AppError> {
    let tokens = app.tokens().await?;
    let programs = app.api_tokens().await?;
    let accounts = app.accounts().await?;
    let login = |id: &str| {
        let account = accounts.iter().find(|account| account.account_id == id);
        account.map(|account| account.login.clone()).unwrap_or_default()
    };
    let at = |at_us: i64| Instant(at_us).to_string();
    if json {
        let programs: Vec<serde_json::Value> = programs
            .iter()
            .map(|token| {
                serde_json::json!({
                    "id": token.token_id, "user": login(&token.account_id), "name": token.name, "roles": token.roles,
                    "created_at": at(token.created_us), "expires_at": at(token.expires_us),
                    "last_used_at": token.last_used_us.map(at), "revoked_at": token.revoked_us.map(at),
                })
            })
            .collect();
        return output::json(&serde_json::json!({ "tokens": tokens, "programs": programs }));
    }
    let columns = ["id", "whose", "for", "created", "ends", "last used", "revoked"];
    let mut table = Table::new(&columns.map(|column| (column, false)));
    for token in tokens {
        table.row([
            token.id,
            format!("agent {}", token.agent),
            token
                .cluster
                .map_or_else(|| "any cluster".to_owned(), |cluster| format!("cluster {cluster}")),
            token.created_at,
            token.expires_at.unwrap_or_else(|| "never".to_owned()),
            token.last_used_at.unwrap_or_else(|| "never".to_owned()),
            token.revoked_at.unwrap_or_default(),
        ]);
    }
    for token in programs {
        let roles: Vec<&str> = token.roles.iter().map(|role| role.key()).collect();
        table.row([
            token.token_id.clone(),
            login(&token.account_id),
            format!("{} ({})", token.name, roles.join(", ")),
            at(token.created_us),
            at(token.expires_us),
            token.last_used_us.map_or_else(|| "never".to_owned(), at),
            token.revoked_us.map(at).unwrap_or_default(),
        ]);
    }
    table.print()
}
