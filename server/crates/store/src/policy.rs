//! Policies beside owner rules: immutable versions, the newest in force.

use crate::Store;
use crate::db::{execute, fetch_all, statements};
use crate::error::StoreError;
use crate::manifest;
use crate::rules::RulesVersion;

/// What a policy decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// What prices are evened out before anybody is charged.
    Prices,
}

impl PolicyKind {
    /// `prices`, as SQL writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PolicyKind::Prices => "prices",
        }
    }
}

/// A policy to be put in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPolicy {
    /// What it decides.
    pub kind: PolicyKind,
    /// The text, already checked.
    pub yaml: String,
    /// SHA-256 of the text, lower-case hex.
    pub sha256: String,
    /// Who wrote it, when known.
    pub author: Option<String>,
    /// Why.
    pub note: Option<String>,
    /// When, microseconds since the epoch, UTC.
    pub created_us: i64,
}

statements! {
    HISTORY: "read the history of a policy" =>
        "SELECT version, yaml, sha256, author, note, created_us FROM policy WHERE kind = $1 ORDER BY version";
    INSERT: "add a version of a policy" =>
        "INSERT INTO policy (kind, version, yaml, sha256, author, note, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7)";
}

impl Store {
    /// Puts a policy in force, as a new version. The text that is in force
    /// already makes no new version and leaves the manifest as it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the manifest is not at `expected_version`.
    pub async fn add_policy(&self, new: &NewPolicy, expected_version: i64) -> Result<RulesVersion, StoreError> {
        let mut tx = self.db.write().await?;
        // first, so that on PostgreSQL too nobody else is between here and the commit
        manifest::advance(&mut tx, expected_version).await?;
        let kind = new.kind.as_str();
        let history: Vec<RulesVersion> = fetch_all!(&mut tx, HISTORY, kind)?;
        let last = history.into_iter().last();
        if let Some(active) = last.as_ref().filter(|active| active.yaml == new.yaml) {
            return Ok(active.clone()); // the dropped transaction undoes the step of the manifest
        }
        let added = RulesVersion {
            version: last.map_or(1, |last| last.version + 1),
            yaml: new.yaml.clone(),
            sha256: new.sha256.clone(),
            author: new.author.clone(),
            note: new.note.clone(),
            created_us: new.created_us,
        };
        execute!(
            &mut tx,
            INSERT,
            kind,
            added.version,
            &added.yaml,
            &added.sha256,
            &added.author,
            &added.note,
            added.created_us
        )?;
        tx.commit().await?;
        Ok(added)
    }

    /// The policy in force; `None` = the one we ship.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn policy(&self, kind: PolicyKind) -> Result<Option<RulesVersion>, StoreError> {
        Ok(self.policy_history(kind).await?.pop())
    }

    /// All versions of a policy, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn policy_history(&self, kind: PolicyKind) -> Result<Vec<RulesVersion>, StoreError> {
        let mut tx = self.db.read().await?;
        fetch_all!(&mut tx, HISTORY, kind.as_str())
    }
}
