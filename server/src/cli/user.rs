//! `tonnage user`: who may sign in, what they may, and who is signed in.

use super::Outcome;
use super::output::{self, Table};
use crate::app::App;
use crate::app::access::NewPerson;
use crate::error::AppError;
use clap::{Args, Subcommand};
use domain::access::{Grant, Reach, Role};
use domain::instant::Instant;
use serde_json::json;
use std::io::Read as _;
use store::Account;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Let somebody in; prints a code for their first sign-in
    Add(Add),
    /// Everybody: roles, how they sign in, who is disabled
    List,
    /// Grant a role
    Grant(Change),
    /// Take a role back
    Revoke(Change),
    /// A new one-time code to sign in with
    Link(One),
    /// Set a password, read from standard input; ends the account's sessions
    Password(One),
    /// Who is signed in: since when, from where, how
    Sessions,
    /// End every session of an account
    SignOut(One),
    /// Let an account in no more; ends its sessions
    Disable(One),
    /// Let an account in again
    Enable(One),
}

const ROLES: &str = "Roles: viewer, finance_preparer, finance_approver, platform, planner, auditor, admin.
Reaches: all (the whole company), tenant:NAME, legal_entity:NAME, as the owner rules name them.";

#[derive(Debug, Args)]
#[command(after_help = format!("{ROLES}

Examples:
  tonnage user add maria@example.com --name 'Maria Roth' --role admin
  tonnage user add jo --name 'Jo Lind' --role viewer --reach tenant:acme
  tonnage user add ops --name Operations --role platform --role planner"))]
pub(super) struct Add {
    /// What they type at sign-in
    login: String,
    /// Name to show
    #[arg(long)]
    name: String,
    /// A role; may be given several times
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// Whose figures the roles reach
    #[arg(long, value_name = "REACH", default_value = "all")]
    reach: Reach,
    /// Read a first password from standard input
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
#[command(after_help = format!("{ROLES}

Example:
  tonnage user grant maria@example.com viewer --reach tenant:acme"))]
pub(super) struct Change {
    /// Login or id
    user: String,
    /// The role
    role: String,
    /// Whose figures it reaches
    #[arg(long, value_name = "REACH", default_value = "all")]
    reach: Reach,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage user link maria@example.com
  tonnage user password maria@example.com < password.txt")]
pub(super) struct One {
    /// Login or id
    user: String,
}

pub(super) async fn run(app: &App, args: User, json: bool) -> Result<Outcome, AppError> {
    match args {
        User::Add(args) => add(app, args, json).await?,
        User::List => list(app, json).await?,
        User::Grant(args) => change(app, &args, true, json).await?,
        User::Revoke(args) => change(app, &args, false, json).await?,
        User::Link(args) => {
            let account = app.account_named(&args.user).await?;
            let code = app.link_code(&account.account_id).await?;
            code_of(&account, &code, json)?;
        }
        User::Password(args) => {
            let account = app.account_named(&args.user).await?;
            app.set_password(&account.account_id, &password_of_stdin()?).await?;
            told(&account, "has a new password; its sessions are ended", json)?;
        }
        User::Sessions => sessions(app, json).await?,
        User::SignOut(args) => {
            let account = app.account_named(&args.user).await?;
            let ended = app.end_sessions_of(&account).await?;
            told(&account, &format!("is signed out of {ended} sessions"), json)?;
        }
        User::Disable(args) => {
            let account = app.account_named(&args.user).await?;
            app.let_in(&account.account_id, false).await?;
            told(&account, "is disabled; its sessions are ended", json)?;
        }
        User::Enable(args) => {
            let account = app.account_named(&args.user).await?;
            app.let_in(&account.account_id, true).await?;
            told(&account, "may sign in again", json)?;
        }
    }
    Ok(Outcome::Done)
}

/// The role of its key.
pub(super) fn role(key: &str) -> Result<Role, AppError> {
    Role::from_key(key).ok_or_else(|| {
        let keys: Vec<&str> = Role::ALL.iter().map(|role| role.key()).collect();
        AppError::usage(
            format!("{key:?} is no role"),
            format!("write one of {}", keys.join(", ")),
        )
    })
}

fn password_of_stdin() -> Result<String, AppError> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| AppError::broken("cannot read the password from standard input", error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

async fn add(app: &App, args: Add, json: bool) -> Result<(), AppError> {
    let grants: Result<Vec<Grant>, AppError> = args
        .roles
        .iter()
        .map(|key| {
            Ok(Grant {
                role: role(key)?,
                reach: args.reach.clone(),
            })
        })
        .collect();
    let new = NewPerson {
        login: args.login,
        name: args.name,
        grants: grants?,
        password: args.password_stdin.then(password_of_stdin).transpose()?,
    };
    let invited = app.invite(&new).await?;
    code_of(&invited.account, &invited.code, json)
}

fn code_of(account: &Account, code: &str, json: bool) -> Result<(), AppError> {
    let path = format!("/sign-in?code={code}");
    if json {
        return output::json(&json!({ "id": account.account_id, "login": account.login, "path": path }));
    }
    eprintln!(
        "{} signs in once with this path on the server, within three days; it is shown this once:",
        account.login
    );
    output::line(&path)
}

fn told(account: &Account, what: &str, json: bool) -> Result<(), AppError> {
    if json {
        return output::json(&json!({ "id": account.account_id, "login": account.login, "done": what }));
    }
    output::line(&format!("{} {what}", account.login))
}

async fn change(app: &App, args: &Change, add: bool, json: bool) -> Result<(), AppError> {
    let account = app.account_named(&args.user).await?;
    let one = [Grant {
        role: role(&args.role)?,
        reach: args.reach.clone(),
    }];
    let account = if add {
        app.change_grants(&account.account_id, &one, &[]).await?
    } else {
        app.change_grants(&account.account_id, &[], &one).await?
    };
    if json {
        return output::json(&listed(&account));
    }
    output::line(&format!("{}: {}", account.login, grants(&account)))
}

async fn sessions(app: &App, json: bool) -> Result<(), AppError> {
    let accounts = app.accounts().await?;
    let at = |at_us: i64| Instant(at_us).to_string();
    let login = |id: &str| {
        let account = accounts.iter().find(|account| account.account_id == id);
        account.map(|account| account.login.clone()).unwrap_or_default()
    };
    let sessions = app.sessions().await?;
    if json {
        let all: Vec<serde_json::Value> = sessions
            .iter()
            .map(|session| {
                json!({
                    "id": session.session_id, "login": login(&session.account_id), "method": session.method,
                    "since": at(session.created_us), "last_seen": at(session.last_seen_us),
                    "address": session.address, "browser": session.user_agent,
                })
            })
            .collect();
        return output::json(&json!({ "sessions": all }));
    }
    let heads = ["login", "by", "since", "last seen", "from", "browser"];
    let mut table = Table::new(&heads.map(|head| (head, false)));
    for session in sessions {
        table.row([
            login(&session.account_id),
            session.method,
            at(session.created_us),
            at(session.last_seen_us),
            session.address,
            session.user_agent.chars().take(60).collect(),
        ]);
    }
    table.print()
}

fn grants(account: &Account) -> String {
    let one = |grant: &Grant| match &grant.reach {
        Reach::All => grant.role.key().to_owned(),
        named => format!("{} over {named}", grant.role.key()),
    };
    let all: Vec<String> = account.granted().iter().map(one).collect();
    if all.is_empty() {
        "nothing granted".to_owned()
    } else {
        all.join(", ")
    }
}

fn listed(account: &Account) -> serde_json::Value {
    json!({
        "id": account.account_id,
        "login": account.login,
        "name": account.display_name,
        "provider": (!account.issuer.is_empty()).then_some(&account.issuer),
        "disabled": account.disabled_us.is_some(),
        "grants": account.granted().iter().map(|grant| json!({
            "role": grant.role.key(), "reach": grant.reach.to_string(),
        })).collect::<Vec<_>>(),
    })
}

async fn list(app: &App, json: bool) -> Result<(), AppError> {
    let accounts = app.accounts().await?;
    if json {
        let all: Vec<serde_json::Value> = accounts.iter().map(listed).collect();
        return output::json(&json!({ "users": all }));
    }
    let mut table = Table::new(&["login", "name", "granted", "signs in by", "state"].map(|column| (column, false)));
    for account in accounts {
        let by = match (account.issuer.as_str(), account.has_password) {
            ("", true) => "password".to_owned(),
            ("", false) => "link".to_owned(),
            (issuer, _) => issuer.to_owned(),
        };
        let state = if account.disabled_us.is_some() { "disabled" } else { "" };
        let granted = grants(&account);
        table.row([account.login, account.display_name, granted, by, state.to_owned()]);
    }
    table.print()
}
