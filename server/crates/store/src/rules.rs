//! Rule texts: immutable versions, one of them active.

use crate::Store;
use crate::audit::Change;
use crate::db::{Statement, execute, fetch_all, fetch_optional, statements};
use crate::error::StoreError;
use crate::manifest;
use domain::access::Permission;

/// Version that stands for "there were no rules".
pub const NO_RULES: i64 = 0;

/// What a rule text decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RulesKind {
    /// Who owns a charge.
    Owner,
    /// What prices are evened out before anybody is charged.
    Prices,
}

impl RulesKind {
    /// `owner`, as SQL writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RulesKind::Owner => "owner",
            RulesKind::Prices => "prices",
        }
    }

    /// Owner rules name the version in force; of a policy the newest is.
    fn statements(self) -> (Statement, Statement) {
        match self {
            RulesKind::Owner => (HISTORY, INSERT),
            RulesKind::Prices => (POLICY_HISTORY, POLICY_INSERT),
        }
    }
}

/// A rule text to be made the active one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRules {
    /// What it decides.
    pub kind: RulesKind,
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

/// A stored rule text. Versions are never changed and never removed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RulesVersion {
    /// 1 for the first text of its kind, one more for each after it.
    pub version: i64,
    /// The text.
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
    ACTIVE: "read the active rules" =>
        "SELECT r.version, r.yaml, r.sha256, r.author, r.note, r.created_us FROM rules_version r
         JOIN rules_active a ON a.kind = r.kind AND a.version = r.version WHERE r.kind = $1";
    HISTORY: "read the history of the rules" =>
        "SELECT version, yaml, sha256, author, note, created_us FROM rules_version WHERE kind = $1 ORDER BY version";
    EXISTS: "look for a version of the rules" =>
        "SELECT version, yaml, sha256, author, note, created_us FROM rules_version WHERE kind = $1 AND version = $2";
    INSERT: "add a version of the rules" =>
        "INSERT INTO rules_version (kind, version, yaml, sha256, author, note, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    POLICY_HISTORY: "read the history of a policy" =>
        "SELECT version, yaml, sha256, author, note, created_us FROM policy WHERE kind = $1 ORDER BY version";
    POLICY_INSERT: "add a version of a policy" =>
        "INSERT INTO policy (kind, version, yaml, sha256, author, note, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    ACTIVATE: "activate a version of the rules" =>
        "INSERT INTO rules_active (kind, version) VALUES ($1, $2) ON CONFLICT (kind) DO UPDATE SET version = excluded.version";
}

impl Store {
    /// Makes a rule text the active one of its kind. The text that is active
    /// already makes no new version and leaves the manifest as it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the manifest is not at `expected_version`.
    pub async fn add_rules(&self, new: &NewRules, expected_version: i64) -> Result<RulesVersion, StoreError> {
        let mut tx = self.write(Permission::ChangeRules).await?;
        // first, so that on PostgreSQL too nobody else is between here and the commit
        manifest::advance(&mut tx, expected_version).await?;
        let kind = new.kind.as_str();
        let (all, insert) = new.kind.statements();
        let history: Vec<RulesVersion> = fetch_all!(&mut tx, all, kind)?;
        let active: Option<RulesVersion> = match new.kind {
            RulesKind::Owner => fetch_optional!(&mut tx, ACTIVE, kind)?,
            RulesKind::Prices => history.last().cloned(),
        };
        let replaced = match active {
            // the dropped transaction undoes the step of the manifest
            Some(active) if active.yaml == new.yaml => return Ok(active),
            other => other,
        };
        let added = RulesVersion {
            version: history.last().map_or(1, |last| last.version + 1),
            yaml: new.yaml.clone(),
            sha256: new.sha256.clone(),
            author: new.author.clone(),
            note: new.note.clone(),
            created_us: new.created_us,
        };
        execute!(
            &mut tx,
            insert,
            kind,
            added.version,
            &added.yaml,
            &added.sha256,
            &added.author,
            &added.note,
            added.created_us
        )?;
        if new.kind == RulesKind::Owner {
            execute!(&mut tx, ACTIVATE, kind, added.version)?;
        }
        let summary = |rules: &RulesVersion| serde_json::json!({ "version": rules.version, "sha256": rules.sha256, "author": rules.author, "note": rules.note });
        let mut change = Change::new("rules.applied", kind).after(summary(&added));
        if let Some(replaced) = &replaced {
            change = change.before(summary(replaced));
        }
        self.commit(tx, change).await?;
        Ok(added)
    }

    /// The active rules of a kind; `None` before the first were added.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn active_rules(&self, kind: RulesKind) -> Result<Option<RulesVersion>, StoreError> {
        if kind == RulesKind::Prices {
            return Ok(self.rules_history(kind).await?.pop());
        }
        let mut tx = self.read().await?;
        fetch_optional!(&mut tx, ACTIVE, kind.as_str())
    }

    /// One version of the rules of a kind.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn rules_version(&self, kind: RulesKind, version: i64) -> Result<Option<RulesVersion>, StoreError> {
        if kind == RulesKind::Prices {
            let history = self.rules_history(kind).await?;
            return Ok(history.into_iter().find(|of| of.version == version));
        }
        let mut tx = self.read().await?;
        fetch_optional!(&mut tx, EXISTS, kind.as_str(), version)
    }

    /// All versions of the rules of a kind, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn rules_history(&self, kind: RulesKind) -> Result<Vec<RulesVersion>, StoreError> {
        let mut tx = self.read().await?;
        let (all, _) = kind.statements();
        fetch_all!(&mut tx, all, kind.as_str())
    }
}
