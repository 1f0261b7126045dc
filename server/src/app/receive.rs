//! Pushed facts come in. An agent repeats a push until it hears that it is in;
//! here it counts once: its id is recorded in the transaction that names its
//! facts in the manifest, and looked for before.

use super::App;
use super::push::{MAX_DOCUMENT_BYTES, Push, id_of, unpack};
use super::usage::UsageInput;
use crate::error::AppError;
use domain::Finding;
use domain::access::Scope;
use std::io::ErrorKind;
use store::AgentToken;
use thiserror::Error;
use wire::FactsReceipt;

/// A push as it came.
#[derive(Debug)]
pub struct Pushed {
    /// The id the agent gave it.
    pub id: String,
    /// Its bytes are gzip.
    pub gzip: bool,
    /// Its bytes.
    pub body: Vec<u8>,
    /// Address it came from.
    pub address: String,
    /// Id of the request.
    pub request_id: String,
}

/// Why a push was not taken in; nothing was changed.
#[derive(Debug, Error)]
pub enum PushError {
    /// It makes no sense; pushing it again cannot help.
    #[error("{0}")]
    Bad(Box<Finding>),
    /// It is larger than is taken.
    #[error("the document has more than {} MiB", MAX_DOCUMENT_BYTES >> 20)]
    TooLarge,
    /// The token does not allow it.
    #[error("this token may write cluster {allowed:?}, not {asked:?}")]
    ForeignCluster {
        /// The one cluster of the token.
        allowed: String,
        /// The cluster of the facts.
        asked: String,
    },
    /// Anything else.
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<Finding> for PushError {
    fn from(finding: Finding) -> PushError {
        PushError::Bad(Box::new(finding))
    }
}

impl App {
    /// Takes pushed facts in, once.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn receive(&self, token: &AgentToken, pushed: Pushed) -> Result<FactsReceipt, PushError> {
        let id = pushed.id.clone();
        let pushed_from = (pushed.address.clone(), pushed.request_id.clone());
        let push = tokio::task::spawn_blocking(move || read(&pushed))
            .await
            .map_err(|error| AppError::broken("cannot read the pushed facts", error))??;
        if let Some(allowed) = token.cluster_id.as_ref().filter(|allowed| **allowed != push.cluster) {
            return Err(PushError::ForeignCluster {
                allowed: allowed.clone(),
                asked: push.cluster,
            });
        }
        let input = UsageInput {
            source: format!("agent-{}", push.cluster),
            origin: "agent",
            hash: id.clone(),
            clusters: vec![(push.cluster.clone(), push.cluster_name.clone())],
            findings: push.findings,
        };
        let (lake, days) = (self.lake.clone(), push.days);
        let committed = self
            .acting(Scope::agent(&token.token_id, &token.agent).at(&pushed_from.0, &pushed_from.1))
            .commit_usage_once(&input, move |known| {
                Ok(lake::usage::stage_days(&lake, days.clone(), known)?)
            })
            .await?;
        Ok(FactsReceipt {
            id,
            already: committed.is_none(),
            rows: committed.map_or(0, |(_, staged)| staged.rows),
        })
    }
}

/// Unpacks, compares with the id, reads and checks.
fn read(pushed: &Pushed) -> Result<Push, PushError> {
    let unpacked;
    let document = if pushed.gzip {
        unpacked = unpack(&pushed.body, MAX_DOCUMENT_BYTES).map_err(|error| match error.kind() {
            ErrorKind::FileTooLarge => PushError::TooLarge,
            _ => Finding::error("bad_push", format!("is no gzip that can be read: {error}")).into(),
        })?;
        &unpacked
    } else {
        &pushed.body
    };
    let id = id_of(document);
    if id != pushed.id {
        let message = format!("is the id of other bytes; the SHA-256 of the document is {id}");
        return Err(Finding::error("wrong_id", message).in_column("idempotency-key").into());
    }
    Push::decode(document).map_err(PushError::Bad)
}
