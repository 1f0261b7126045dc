//! Tokens of agents: who may push usage facts. Kept as hashes.

use crate::Store;
use crate::audit::Change;
use crate::db::{execute, fetch_all, fetch_optional, statements};
use crate::error::StoreError;
use domain::access::Permission;

/// A token as it is kept: its hash, never itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentToken {
    /// Id, which is part of the token.
    pub token_id: String,
    /// Whose it is.
    pub agent: String,
    /// SHA-256 of the token, lower-case hex.
    pub sha256: String,
    /// The one cluster it may write; `None` for any.
    pub cluster_id: Option<String>,
    /// When it was made, microseconds since the epoch, UTC.
    pub created_us: i64,
    /// When it was last used.
    pub last_used_us: Option<i64>,
    /// Since when it is no longer accepted.
    pub revoked_us: Option<i64>,
    /// From when on it is no longer accepted; `None` for one that has no end.
    pub expires_us: Option<i64>,
}

statements! {
    INSERT: "add an agent's token" =>
        "INSERT INTO agent_token (token_id, agent_name, sha256, cluster_id, created_us, expires_us)
         VALUES ($1, $2, $3, $4, $5, $6)";
    ONE: "read an agent's token" =>
        "SELECT token_id, agent_name, sha256, cluster_id, created_us, last_used_us, revoked_us, expires_us
         FROM agent_token WHERE token_id = $1";
    ALL: "read the agents' tokens" =>
        "SELECT token_id, agent_name, sha256, cluster_id, created_us, last_used_us, revoked_us, expires_us FROM agent_token";
    USED: "note the use of an agent's token" =>
        "UPDATE agent_token SET last_used_us = $2
         WHERE token_id = $1 AND (last_used_us IS NULL OR last_used_us < $2)";
    REVOKE: "revoke an agent's token" =>
        "UPDATE agent_token SET revoked_us = $2 WHERE token_id = $1 AND revoked_us IS NULL";
}

impl Store {
    /// Adds a token. `last_used_us` and `revoked_us` are not looked at: it is new.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add_agent_token(&self, token: &AgentToken) -> Result<(), StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        execute!(
            &mut tx,
            INSERT,
            &token.token_id,
            &token.agent,
            &token.sha256,
            token.cluster_id.as_deref().unwrap_or_default(),
            token.created_us,
            token.expires_us
        )?;
        let change = Change::new("agent_token.created", &token.agent).after(serde_json::json!({
            "id": token.token_id, "cluster": token.cluster_id, "expires_us": token.expires_us,
        }));
        self.commit(tx, change).await
    }

    /// A token by its id, also a revoked one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn agent_token(&self, token_id: &str) -> Result<Option<AgentToken>, StoreError> {
        let mut tx = self.read().await?;
        let row: Option<TokenRow> = fetch_optional!(&mut tx, ONE, token_id)?;
        Ok(row.map(TokenRow::into_token))
    }

    /// Every token, oldest first, revoked ones too.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn agent_tokens(&self) -> Result<Vec<AgentToken>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<TokenRow> = fetch_all!(&mut tx, ALL)?;
        let mut tokens: Vec<AgentToken> = rows.into_iter().map(TokenRow::into_token).collect();
        tokens.sort_by(|a, b| (a.created_us, &a.token_id).cmp(&(b.created_us, &b.token_id)));
        Ok(tokens)
    }

    /// Notes that a token was used; an older use changes nothing.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn use_agent_token(&self, token_id: &str, at_us: i64) -> Result<(), StoreError> {
        let mut tx = self.derive().await?;
        execute!(&mut tx, USED, token_id, at_us)?;
        // what was pushed has an entry of its own
        tx.commit_without_entry().await
    }

    /// Revokes a token; whether there was one that was still accepted.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn revoke_agent_token(&self, token_id: &str, at_us: i64) -> Result<bool, StoreError> {
        let mut tx = self.write(Permission::ManageAccess).await?;
        let revoked = execute!(&mut tx, REVOKE, token_id, at_us)?;
        if revoked == 1 {
            self.commit(tx, Change::new("agent_token.revoked", token_id)).await?;
        }
        Ok(revoked == 1)
    }
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    token_id: String,
    agent_name: String,
    sha256: String,
    cluster_id: String,
    created_us: i64,
    last_used_us: Option<i64>,
    revoked_us: Option<i64>,
    expires_us: Option<i64>,
}

impl TokenRow {
    fn into_token(self) -> AgentToken {
        AgentToken {
            token_id: self.token_id,
            agent: self.agent_name,
            sha256: self.sha256,
            cluster_id: Some(self.cluster_id).filter(|cluster| !cluster.is_empty()),
            created_us: self.created_us,
            last_used_us: self.last_used_us,
            revoked_us: self.revoked_us,
            expires_us: self.expires_us,
        }
    }
}
