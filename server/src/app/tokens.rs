//! Tokens of agents: made, listed, revoked, and checked when facts are pushed.
//!
//! A token is `tonnage_<id>_<secret>`, the secret 32 random bytes in hex. It is
//! shown once; what is kept is the SHA-256 of the whole of it. Its id finds the
//! row, then the hashes are compared in constant time.

use super::{App, hash_of};
use crate::error::AppError;
use domain::instant::{Instant, SECOND_US};
use serde::Serialize;
use store::AgentToken;
use subtle::ConstantTimeEq as _;

/// What every token begins with, so that scanners for secrets know one.
const PREFIX: &str = "tonnage";
/// A use is noted at most so often.
const USE_NOTED_US: i64 = 60 * SECOND_US;

/// A new token: the only time it is seen.
#[derive(Debug, Serialize)]
pub struct NewToken {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub agent: String,
    /// The one cluster it may write; `None` for any.
    pub cluster: Option<String>,
    /// The token itself.
    pub token: String,
}

/// A token as it is listed.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct ListedToken {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub agent: String,
    /// The one cluster it may write; `None` for any.
    pub cluster: Option<String>,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it was last used, to the minute.
    pub last_used_at: Option<String>,
    /// Since when it is no longer accepted.
    pub revoked_at: Option<String>,
}

impl App {
    /// Makes a token for an agent.
    ///
    /// # Errors
    /// An agent or cluster without a name; a database that cannot be written.
    pub async fn create_token(&self, agent: &str, cluster: Option<&str>) -> Result<NewToken, AppError> {
        for (flag, value) in [("--agent", Some(agent)), ("--cluster", cluster)] {
            if value.is_some_and(|value| value.trim().is_empty() || value.chars().any(char::is_control)) {
                return Err(AppError::usage(
                    format!("{flag} is empty or has control characters"),
                    "write a plain name, such as --agent prod-eu",
                ));
            }
        }
        let (id, secret) = (random_hex::<6>()?, random_hex::<32>()?);
        let token = format!("{PREFIX}_{id}_{secret}");
        self.store
            .add_agent_token(&AgentToken {
                token_id: id.clone(),
                agent: agent.to_owned(),
                sha256: hash_of([token.as_bytes()]),
                cluster_id: cluster.map(str::to_owned),
                created_us: self.clock.now().0,
                last_used_us: None,
                revoked_us: None,
                expires_us: None,
            })
            .await?;
        Ok(NewToken {
            id,
            agent: agent.to_owned(),
            cluster: cluster.map(str::to_owned),
            token,
        })
    }

    /// Every token, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tokens(&self) -> Result<Vec<ListedToken>, AppError> {
        let text = |at_us: i64| Instant(at_us).to_string();
        let listed = |token: AgentToken| ListedToken {
            id: token.token_id,
            agent: token.agent,
            cluster: token.cluster_id,
            created_at: text(token.created_us),
            last_used_at: token.last_used_us.map(text),
            revoked_at: token.revoked_us.map(text),
        };
        Ok(self.store.agent_tokens().await?.into_iter().map(listed).collect())
    }

    /// Revokes a token: the next push with it is refused.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for an id nobody has; a token that is revoked
    /// already stays so.
    pub async fn revoke_token(&self, id: &str) -> Result<(), AppError> {
        if self.store.revoke_agent_token(id, self.clock.now().0).await? || self.store.agent_token(id).await?.is_some() {
            return Ok(());
        }
        Err(AppError::NotFound {
            what: format!("token {id:?}; `tonnage token list` shows their ids"),
        })
    }

    /// The row of a token that is accepted; `None` when it is not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn accepted(&self, token: &str) -> Result<Option<AgentToken>, AppError> {
        let id = token.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_'));
        let Some((id, _)) = id.and_then(|rest| rest.split_once('_')) else {
            return Ok(None);
        };
        let known = self.store.agent_token(id).await?;
        let given = hash_of([token.as_bytes()]);
        // an unknown id takes the same way as a wrong secret
        let kept = known.as_ref().map_or("", |known| known.sha256.as_str());
        let same = bool::from(given.as_bytes().ct_eq(kept.as_bytes()));
        let Some(known) = known.filter(|known| same && known.revoked_us.is_none()) else {
            return Ok(None);
        };
        let now_us = self.clock.now().0;
        if known.last_used_us.is_none_or(|last| now_us - last >= USE_NOTED_US) {
            self.store.use_agent_token(&known.token_id, now_us).await?;
        }
        Ok(Some(known))
    }
}

/// Random bytes of the operating system, in hex.
pub(crate) fn random_hex<const N: usize>() -> Result<String, AppError> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| AppError::broken("the operating system gives no random bytes", error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
