//! The command line: one file per sub-command. Answers go to stdout, progress
//! and errors to stderr; exit 0 done, 1 the check failed, 2 bad input or
//! usage, 3 the machinery failed (run again), 4 somebody else holds it.

mod agent;
mod allocate;
mod audit;
mod commitments;
mod config;
mod contracts;
mod deliveries;
mod demo;
mod drivers;
mod explain;
mod ingest;
mod invoice;
mod lake_files;
mod output;
mod prices;
mod progress;
mod rates;
mod reconcile;
mod report;
mod rules;
mod serve;
mod token;
mod user;

use crate::app::App;
use crate::config::{Config, Flags};
use crate::error::AppError;
use clap::{Parser, Subcommand};
use domain::access::Scope;
use std::path::PathBuf;

/// Cost allocation and capacity planning for shared clusters: a bill in, an
/// exact chargeback out.
#[derive(Debug, Parser)]
#[command(name = "tonnage", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// Folder of the database, the lake and scratch files [default: ./tonnage-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file (YAML)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  tonnage demo                                   a whole synthetic company, then its pages
  tonnage ingest billing export.csv.gz           your own FOCUS bill
  tonnage rules apply rules.yaml                 who owns what
  tonnage report costs --period 2026-10 --by tenant,service
  tonnage reconcile                              does everything add up?
  tonnage serve                                  the pages at http://127.0.0.1:8080";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a whole synthetic company, clearly labelled, then serve it
    Demo(demo::Demo),
    /// Serve the pages and the API
    Serve(serve::Serve),
    /// Watch a cluster and push its usage facts to a server
    Agent(agent::AgentArgs),
    /// Who may sign in, and what they may
    #[command(subcommand)]
    User(user::User),
    /// Tokens of programs and of agents: make, list, revoke
    #[command(subcommand)]
    Token(token::Token),
    /// Who did what: check the log, list it
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Take in bills
    #[command(subcommand)]
    Ingest(ingest::Ingest),
    /// Deliveries of bills, and what each changed
    #[command(subcommand)]
    Deliveries(deliveries::Deliveries),
    /// Invoices: enter, compare with the bill, take back
    #[command(subcommand)]
    Invoice(invoice::Invoices),
    /// Commitments as the provider confirms them (FOCUS ContractCommitment): take in, list, take back
    #[command(subcommand)]
    Commitments(contracts::Contracts),
    /// Exchange rates: take in, list
    #[command(subcommand)]
    Rates(rates::RatesCommand),
    /// Prices of machines: take in, list, spot bands
    #[command(subcommand)]
    Prices(prices::PricesCommand),
    /// Bring every period's allocation up to date
    Allocate(allocate::Allocate),
    /// Prove that invoice, bill, allocation and owners add up; exit 1 if not
    Reconcile(reconcile::Reconcile),
    /// Reports
    #[command(subcommand)]
    Report(report::Report),
    /// From a figure back to bill lines and rules
    Explain(explain::Explain),
    /// Check, compare and apply owner rules
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Look into the lake
    #[command(subcommand)]
    Lake(lake_files::Lake),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::Config),
}

/// What a command leaves behind besides its output.
enum Outcome {
    Done,
    CheckFailed,
}

/// Parses the arguments, runs the command and returns the exit code.
pub async fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap writes help to stdout and complaints to stderr, as people expect
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return code;
        }
    };
    let json = cli.json;
    match run(cli).await {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::CheckFailed) => 1,
        Err(error) => {
            output::error(&error, json);
            error.exit_code()
        }
    }
}

async fn run(cli: Cli) -> Result<Outcome, AppError> {
    let mut flags = Flags {
        config: cli.config,
        data_dir: cli.data_dir,
        ..Flags::default()
    };
    match &cli.command {
        Command::Serve(args) => {
            flags.listen.clone_from(&args.listen);
            flags.site_dir.clone_from(&args.site_dir);
        }
        Command::Demo(args) => {
            flags.listen.clone_from(&args.listen);
            flags.site_dir.clone_from(&args.site_dir);
            flags.default_data_dir = Some(PathBuf::from("./tonnage-data/demo"));
        }
        Command::Agent(args) => {
            flags.agent_server.clone_from(&args.server);
            flags.agent_token_file.clone_from(&args.token_file);
            flags.agent_spool.clone_from(&args.spool);
            flags.agent_ca_file.clone_from(&args.ca_file);
        }
        _ => {}
    }
    let config = Config::load(flags, &|key| std::env::var(key).ok())?;
    if let Command::Config(args) = &cli.command {
        // nothing is opened: this must also answer when the database cannot be reached
        return config::run(&config, args, cli.json);
    }
    start_log(matches!(
        cli.command,
        Command::Serve(_) | Command::Demo(_) | Command::Agent(_)
    ));
    if let Command::Agent(args) = cli.command {
        // it has a spool, and neither lake nor database
        return agent::run(&config, args, cli.json).await;
    }
    if reads_only(&cli.command) && !config.data_dir.value.is_dir() {
        return Err(AppError::usage(
            format!("there is no data folder {}", config.data_dir.value.display()),
            "name the right one with --data-dir, or make it by `tonnage ingest billing FILE`",
        ));
    }
    let app = App::open(&config, Scope::shell(&user())).await?;
    match cli.command {
        Command::Demo(args) => demo::run(&app, &config, args, cli.json).await,
        Command::Serve(_) => serve::run(&app, &config).await,
        // has run above
        Command::Agent(args) => agent::run(&config, args, cli.json).await,
        Command::User(args) => user::run(&app, args, cli.json).await,
        Command::Token(args) => token::run(&app, args, cli.json).await,
        Command::Audit(args) => audit::run(&app, args, cli.json).await,
        Command::Ingest(args) => ingest::run(&app, args, cli.json).await,
        Command::Deliveries(args) => deliveries::run(&app, args, cli.json).await,
        Command::Invoice(args) => invoice::run(&app, args, cli.json).await,
        Command::Commitments(args) => contracts::run(&app, args, cli.json).await,
        Command::Rates(args) => rates::run(&app, args, cli.json).await,
        Command::Prices(args) => prices::run(&app, args, cli.json).await,
        Command::Allocate(args) => allocate::run(&app, args, cli.json).await,
        Command::Reconcile(args) => reconcile::run(&app, args, cli.json).await,
        Command::Report(args) => report::run(&app, args, cli.json).await,
        Command::Explain(args) => explain::run(&app, &args, cli.json).await,
        Command::Rules(args) => rules::run(&app, args, cli.json).await,
        Command::Lake(args) => lake_files::run(&app, args, cli.json).await,
        Command::Config(args) => config::run(&config, &args, cli.json),
    }
}

/// Commands that need data and must not leave an empty data folder behind when
/// its name was misspelled.
fn reads_only(command: &Command) -> bool {
    match command {
        Command::Deliveries(_)
        | Command::Allocate(_)
        | Command::Reconcile(_)
        | Command::Report(_)
        | Command::Explain(_)
        | Command::Lake(_) => true,
        Command::Rules(rules) => !matches!(rules, rules::Rules::Apply(_)),
        Command::Token(token) => !matches!(token, token::Token::Create(_)),
        Command::Invoice(_) | Command::Commitments(_) | Command::Audit(_) => true,
        Command::User(user) => !matches!(user, user::User::Add(_)),
        Command::Rates(rates) => !matches!(rates, rates::RatesCommand::Import(_)),
        Command::Prices(prices) => !matches!(prices, prices::PricesCommand::Import(_)),
        Command::Demo(_) | Command::Serve(_) | Command::Agent(_) | Command::Ingest(_) | Command::Config(_) => false,
    }
}

/// Who runs the command, as the audit log names them.
fn user() -> String {
    let named = |key: &str| std::env::var(key).ok().filter(|name| !name.is_empty());
    named("USER")
        .or_else(|| named("LOGNAME"))
        .or_else(|| named("USERNAME"))
        .unwrap_or_else(|| "shell".to_owned())
}

/// Logs go to stderr: one line per event, `TONNAGE_LOG` filters.
fn start_log(server: bool) {
    let default = if server { "info" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("TONNAGE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // a second start (tests in one process) keeps the first
    let _ = log.try_init();
}
