//! Getting to a cluster, and the ways that can fail.

use super::access::{ACCESS, Access, NAMESPACES};
use super::pulse::{Clock, PulseLayer, Pulses};
use super::watch::words;
use domain::instant::Instant;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Config};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// Where the API server is and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterAccess {
    /// From a pod of the cluster, as its service account.
    InCluster,
    /// From a kubeconfig.
    Kubeconfig {
        /// The file; `None` for `$KUBECONFIG`, else `~/.kube/config`.
        path: Option<PathBuf>,
        /// The context; `None` for the current one.
        context: Option<String>,
    },
}

/// A cluster to collect from.
#[derive(Clone)]
pub struct ClusterConfig {
    /// How to get there.
    pub access: ClusterAccess,
    /// What to call it; `None` for the context, or the first part of its id.
    /// A name is an alias: identity is the UID of `kube-system` (A37).
    pub name: Option<String>,
    /// Seconds between samples, 15 to 300.
    pub interval_s: u32,
    /// Annotations of pods that are kept, by key; none unless named: they may
    /// hold anything.
    pub annotations: Vec<String>,
    /// Seconds after which a watch is started anew: how soon a connection that
    /// died in silence is noticed.
    pub watch_s: u32,
    /// Objects per page of a list.
    pub page_size: u32,
    /// Tells the time.
    pub clock: Clock,
}

impl ClusterConfig {
    /// With a sample every 60 s, a new watch every 2 min and pages of 500.
    #[must_use]
    pub fn new(access: ClusterAccess) -> ClusterConfig {
        ClusterConfig {
            access,
            name: None,
            interval_s: 60,
            annotations: Vec::new(),
            watch_s: 120,
            page_size: 500,
            clock: Arc::new(machine_time),
        }
    }
}

fn machine_time() -> Instant {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Why a cluster could not be collected from.
#[derive(Debug, Error)]
pub enum CollectError {
    /// The kubeconfig or service account is no good.
    #[error("cannot use this cluster configuration: {reason}")]
    Config {
        /// Why.
        reason: String,
    },
    /// The server does not accept these credentials.
    #[error("the API server does not accept these credentials: {reason}")]
    Unauthorized {
        /// What it said.
        reason: String,
    },
    /// Permissions are missing.
    #[error(
        "not allowed: {}; apply deploy/rbac.yaml, or grant these verbs",
        missing(permissions)
    )]
    Forbidden {
        /// Resource and verb.
        permissions: Vec<(Access, &'static str)>,
    },
    /// The server cannot be reached, or does not answer as one should.
    #[error("cannot read {resource}: {reason}")]
    Unreachable {
        /// What was asked for.
        resource: String,
        /// Why it failed.
        reason: String,
    },
}

fn missing(permissions: &[(Access, &'static str)]) -> String {
    let all: Vec<String> = permissions
        .iter()
        .map(|(access, verb)| format!("{verb} {access}"))
        .collect();
    all.join(", ")
}

impl CollectError {
    pub(super) fn of(access: Access, verb: &'static str, error: &kube::Error) -> CollectError {
        match error {
            kube::Error::Api(status) if status.code == 403 => CollectError::Forbidden {
                permissions: vec![(access, verb)],
            },
            kube::Error::Api(status) if status.code == 401 => CollectError::Unauthorized {
                reason: status.message.clone(),
            },
            error => CollectError::Unreachable {
                resource: access.to_string(),
                reason: words(error),
            },
        }
    }
}

/// A cluster that answers.
pub(super) struct Connection {
    /// Waits out throttling by itself.
    pub client: Client,
    /// Does not: for what is asked again soon anyway.
    pub impatient: Client,
    pub cluster_id: String,
    pub cluster_name: String,
}

pub(super) async fn connect(config: &ClusterConfig, pulses: &Arc<Pulses>) -> Result<Connection, CollectError> {
    let (mut kube, named) = configuration(&config.access).await?;
    // longer than a watch may be silent
    kube.read_timeout = Some(Duration::from_secs(u64::from(config.watch_s) + 30));
    kube.reset_reader_on_write = true;
    let build = |kube: Config| {
        let builder = ClientBuilder::try_from(kube).map_err(|error| CollectError::Config { reason: words(&error) })?;
        Ok(builder.with_layer(&PulseLayer(pulses.clone())).build())
    };
    let mut hasty = kube.clone();
    hasty.default_retry = false;
    let (client, impatient) = (build(kube)?, build(hasty)?);
    let cluster_id = cluster_id(&impatient).await?;
    let short = cluster_id.split('-').next().unwrap_or_default().to_owned();
    Ok(Connection {
        client,
        impatient,
        cluster_name: config.name.clone().or(named).unwrap_or(short),
        cluster_id,
    })
}

/// The configuration, and what it calls the cluster.
async fn configuration(access: &ClusterAccess) -> Result<(Config, Option<String>), CollectError> {
    let refuse = |error: &dyn std::error::Error| CollectError::Config { reason: words(error) };
    match access {
        ClusterAccess::InCluster => Ok((Config::incluster().map_err(|error| refuse(&error))?, None)),
        ClusterAccess::Kubeconfig { path, context } => {
            let file = match path {
                Some(path) => Kubeconfig::read_from(path),
                None => Kubeconfig::read(),
            };
            let file = file.map_err(|error| refuse(&error))?;
            let named = context.clone().or_else(|| file.current_context.clone());
            let options = KubeConfigOptions {
                context: context.clone(),
                ..KubeConfigOptions::default()
            };
            let config = Config::from_custom_kubeconfig(file, &options).await;
            Ok((config.map_err(|error| refuse(&error))?, named))
        }
    }
}

/// The UID of `kube-system`: a cluster keeps it for life (A37).
async fn cluster_id(client: &Client) -> Result<String, CollectError> {
    let access = ACCESS[NAMESPACES];
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    let only = ListParams::default().fields("metadata.name=kube-system");
    let found = namespaces
        .list(&only)
        .await
        .map_err(|error| CollectError::of(access, "list", &error))?;
    let system = found
        .items
        .into_iter()
        .find(|item| item.metadata.name.as_deref() == Some("kube-system"));
    system
        .and_then(|item| item.metadata.uid)
        .ok_or_else(|| CollectError::Unreachable {
            resource: access.to_string(),
            reason: "there is no namespace kube-system".to_owned(),
        })
}
