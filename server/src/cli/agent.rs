//! `tonnage agent`.

use super::output;
use super::{Outcome, serve};
use crate::app::agent::{Agent, Spool, SpoolError, Watch};
use crate::config::{Config, Secret, Setting};
use crate::error::AppError;
use crate::outbound::{Outbound, SetupError};
use clap::Args;
use sources::kubernetes::ClusterAccess;
use std::path::{Path, PathBuf};

/// Watches a cluster and pushes its usage facts to a Tonnage server. It needs
/// a folder for its spool, neither lake nor database. Whatever happens to it,
/// or to the server, nothing is lost and nothing counts twice.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tonnage agent --in-cluster --server https://tonnage.example --token-file /etc/tonnage/token --spool /var/spool/tonnage
  tonnage agent --kube prod --server http://127.0.0.1:8080 --token-file token --spool ./spool
  tonnage agent --drain --server https://tonnage.example --token-file token --spool ./spool   deliver what waits, and end

`tonnage token create --agent NAME`, beside the server, makes the token.")]
pub(super) struct AgentArgs {
    /// Address of the server: https, or http to this machine
    #[arg(long, value_name = "URL")]
    pub(super) server: Option<String>,
    /// File with the token [else TONNAGE_AGENT_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Folder of what waits to be pushed
    #[arg(long, value_name = "DIR")]
    pub(super) spool: Option<PathBuf>,
    /// Certificates to trust beside the system's, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// What may wait at most, MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    spool_max_mib: u64,
    /// Watch the cluster of a kubeconfig context (the current one when empty)
    #[arg(long, value_name = "CONTEXT", num_args = 0..=1, default_missing_value = "", conflicts_with = "in_cluster", required_unless_present_any = ["in_cluster", "drain"])]
    kube: Option<String>,
    /// Watch the cluster this runs in, by its service account
    #[arg(long)]
    in_cluster: bool,
    /// Watch nothing: deliver what the spool holds, and end
    #[arg(long, conflicts_with_all = ["kube", "in_cluster"])]
    drain: bool,
    /// What to call the cluster [default: the context, or the start of its id]
    #[arg(long)]
    name: Option<String>,
    /// Seconds between samples
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(15..=300))]
    interval: u32,
    /// Keep this annotation of pods [default: none]; may be repeated
    #[arg(long = "annotation", value_name = "KEY")]
    annotations: Vec<String>,
}

pub(super) async fn run(config: &Config, args: AgentArgs, json: bool) -> Result<Outcome, AppError> {
    let settings = &config.agent;
    let server = needed(settings.server.as_ref(), "server", "--server https://tonnage.example")?;
    let folder = needed(settings.spool.as_ref(), "spool", "--spool /var/spool/tonnage")?;
    let token = token(config)?;
    let ca = settings.ca_file.as_ref().map(|file| read(&file.value)).transpose()?;
    let ca = ca.as_ref().map(|(name, pem)| (name.as_str(), pem.as_slice()));
    let to = Outbound::new(server, &token, ca).map_err(|error| match error {
        SetupError::Tls(_) => AppError::broken("cannot prepare TLS", error),
        error => AppError::usage(error.to_string(), "correct it and start the agent again"),
    })?;
    let spool = Spool::open(folder, args.spool_max_mib << 20).map_err(|error| match error {
        SpoolError::Held(_) => AppError::Held {
            what: error.to_string(),
            remedy: "give every agent a spool of its own".to_owned(),
        },
        SpoolError::Io { doing, folder, source } => {
            AppError::broken(format!("cannot {doing} the spool {}", folder.display()), source)
        }
    })?;
    let access = match args.kube {
        Some(context) => ClusterAccess::Kubeconfig {
            path: None,
            context: Some(context).filter(|context| !context.is_empty()),
        },
        None => ClusterAccess::InCluster,
    };
    let watch = Watch {
        access,
        name: args.name,
        interval_s: args.interval,
        annotations: args.annotations,
    };
    let agent = Agent {
        spool,
        to,
        watch: (!args.drain).then_some(watch),
        clock: config.clock,
    };
    let done = agent.run(serve::stop(), &|line| eprintln!("{line}")).await?;
    if json {
        output::json(&done)?;
    } else {
        output::line(&format!(
            "{} entries pushed, {} were there already, {} set aside, {} wait in the spool",
            done.pushed, done.already, done.set_aside, done.waiting
        ))?;
    }
    Ok(Outcome::Done)
}

fn needed<'a, T>(setting: Option<&'a Setting<T>>, what: &str, example: &str) -> Result<&'a T, AppError> {
    setting
        .map(|setting| &setting.value)
        .ok_or_else(|| AppError::usage(format!("the agent has no {what}"), format!("write {example}")))
}

/// The token: of a file that is named on the command line, else of the
/// environment, else of a file that is named elsewhere.
fn token(config: &Config) -> Result<Secret, AppError> {
    let settings = &config.agent;
    let flagged = settings
        .token_file
        .as_ref()
        .filter(|file| file.origin == crate::config::Origin::Flag);
    if let (None, Some(token)) = (flagged, &settings.token) {
        return Ok(token.value.clone());
    }
    let file = needed(
        settings.token_file.as_ref(),
        "token",
        "--token-file FILE, or set TONNAGE_AGENT_TOKEN",
    )?;
    let (name, bytes) = read(file)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| AppError::usage(format!("{name} is no token"), "write the token alone into it"))?;
    Ok(Secret(text.trim().to_owned()))
}

fn read(file: &Path) -> Result<(String, Vec<u8>), AppError> {
    let name = file.display().to_string();
    match std::fs::read(file) {
        Ok(bytes) => Ok((name, bytes)),
        Err(error) => Err(AppError::usage(
            format!("cannot read {name}: {error}"),
            "check the path",
        )),
    }
}
