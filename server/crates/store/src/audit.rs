//! Who did what: append-only, each entry with the hash of the one before.
//!
//! Whatever changes something ends its transaction by [`Store::commit`], which
//! appends its entry in the same transaction: neither is there without the
//! other. The head row is moved on first, which puts writers in order on either
//! database, and keeps the hash of the last entry, so that entries cut off the
//! end are missed too. Whoever can write both tables can rewrite all of it:
//! that is found by a number and hash that were kept elsewhere
//! ([`Store::verify_audit`]).

use crate::Store;
use crate::db::{Tx, execute, fetch_all, fetch_optional, statements};
use crate::error::{Cause, StoreError};
use domain::access::{Actor, Permission};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};

/// What is hashed first, so that the form of entries can change.
const FORM: &str = "tonnage audit entry 1";
/// Entries checked at a time.
const CHUNK: i64 = 1000;

/// What a transaction changes, for its entry.
pub(crate) struct Change {
    action: &'static str,
    object: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Change {
    /// `action` is a noun, a dot and a verb in the past; `object` is what was changed.
    pub(crate) fn new(action: &'static str, object: impl Into<String>) -> Change {
        Change {
            action,
            object: object.into(),
            before: None,
            after: None,
        }
    }

    pub(crate) fn before(mut self, value: Value) -> Change {
        self.before = Some(value);
        self
    }

    pub(crate) fn after(mut self, value: Value) -> Change {
        self.after = Some(value);
        self
    }
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditEntry {
    /// Number, from 1 without gaps.
    pub seq: i64,
    /// When, by the machine's clock, microseconds since the epoch, UTC.
    pub at_us: i64,
    /// What sort of actor, as [`Actor::kind`].
    pub actor_kind: String,
    /// Id of the actor.
    pub actor_id: String,
    /// Name of the actor at that time.
    pub actor_name: String,
    /// What was done: a noun, a dot, a verb in the past.
    pub action: String,
    /// What it was done to.
    pub object: String,
    /// How it was, as JSON text.
    pub before_json: Option<String>,
    /// How it is since, as JSON text.
    pub after_json: Option<String>,
    /// Address the request came from; empty for the shell and the machine.
    pub address: String,
    /// Id of the request; empty for the shell and the machine.
    pub request_id: String,
    /// Hash of the entry before; empty for the first.
    pub previous_sha256: String,
    /// Hash of this entry.
    pub sha256: String,
}

impl AuditEntry {
    /// The hash of everything else in it. Each part is preceded by its length,
    /// so that none can be moved into its neighbour.
    fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        let (seq, at_us) = (self.seq.to_string(), self.at_us.to_string());
        let optional = |text: &Option<String>| text.as_ref().map_or("-".to_owned(), |text| format!("+{text}"));
        let (before, after) = (optional(&self.before_json), optional(&self.after_json));
        let parts = [
            FORM,
            &self.previous_sha256,
            &seq,
            &at_us,
            &self.actor_kind,
            &self.actor_id,
            &self.actor_name,
            &self.action,
            &self.object,
            &before,
            &after,
            &self.address,
            &self.request_id,
        ];
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Which entries are asked for, the newest first. Empty texts ask for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Part of the actor's name or id, in any case.
    pub actor: String,
    /// Beginning of the action, such as `invoice.`.
    pub action: String,
    /// Part of the object or of what it was before or is since, in any case.
    pub text: String,
    /// From this instant on.
    pub from_us: Option<i64>,
    /// Up to, and without, this instant.
    pub to_us: Option<i64>,
    /// How many are passed over.
    pub skip: u64,
    /// How many are wanted.
    pub limit: u64,
}

/// What checking the log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many entries were checked.
    pub entries: i64,
    /// Hash of the last one: kept elsewhere, it shows a log that was rewritten.
    pub sha256: String,
    /// The verdict.
    pub verdict: Verdict,
}

/// Whether the log is as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Whole,
    /// It is not; entries before this one are.
    Broken {
        /// Number of the first entry that does not fit.
        seq: i64,
        /// What does not fit.
        what: &'static str,
    },
}

statements! {
    NEXT: "take the next number of the audit log" =>
        "UPDATE audit_head SET seq = seq + 1 WHERE one = 1 RETURNING seq, sha256";
    HOLD: "hold the audit log" => "UPDATE audit_head SET seq = seq WHERE one = 1";
    HEAD: "read the head of the audit log" => "SELECT seq, sha256 FROM audit_head WHERE one = 1";
    SET_HEAD: "write the head of the audit log" => "UPDATE audit_head SET sha256 = $1 WHERE one = 1";
    APPEND: "append to the audit log" =>
        "INSERT INTO audit_entry (seq, at_us, actor_kind, actor_id, actor_name, action, object, before_json, after_json,
           address, request_id, previous_sha256, sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    CHAIN: "read the audit log in order" =>
        "SELECT seq, at_us, actor_kind, actor_id, actor_name, action, object, before_json, after_json, address,
           request_id, previous_sha256, sha256
         FROM audit_entry WHERE seq > $1 ORDER BY seq LIMIT $2";
    FIND: "search the audit log" =>
        "SELECT seq, at_us, actor_kind, actor_id, actor_name, action, object, before_json, after_json, address,
           request_id, previous_sha256, sha256
         FROM audit_entry
         WHERE at_us >= $1 AND at_us < $2
           AND (lower(actor_name) LIKE lower($3) ESCAPE '!' OR lower(actor_id) LIKE lower($3) ESCAPE '!')
           AND action LIKE $4 ESCAPE '!'
           AND (lower(object) LIKE lower($5) ESCAPE '!' OR lower(COALESCE(before_json, '')) LIKE lower($5) ESCAPE '!'
             OR lower(COALESCE(after_json, '')) LIKE lower($5) ESCAPE '!')
         ORDER BY seq DESC LIMIT $6 OFFSET $7";
    COUNT: "count entries of the audit log" =>
        "SELECT COUNT(*) FROM audit_entry
         WHERE at_us >= $1 AND at_us < $2
           AND (lower(actor_name) LIKE lower($3) ESCAPE '!' OR lower(actor_id) LIKE lower($3) ESCAPE '!')
           AND action LIKE $4 ESCAPE '!'
           AND (lower(object) LIKE lower($5) ESCAPE '!' OR lower(COALESCE(before_json, '')) LIKE lower($5) ESCAPE '!'
             OR lower(COALESCE(after_json, '')) LIKE lower($5) ESCAPE '!')";
}

/// Takes the log's row, so that of two who change access one waits for the other.
pub(crate) async fn hold(tx: &mut Tx) -> Result<(), StoreError> {
    execute!(tx, HOLD)?;
    Ok(())
}

async fn append(tx: &mut Tx, actor: &Actor, change: Change) -> Result<(), StoreError> {
    let head: Option<(i64, String)> = fetch_optional!(&mut *tx, NEXT)?;
    let (seq, previous_sha256) =
        head.ok_or_else(|| StoreError::backend(NEXT.what, Cause::from("table audit_head is empty")))?;
    let mut entry = AuditEntry {
        seq,
        at_us: now_us(),
        actor_kind: actor.kind.to_owned(),
        actor_id: actor.id.clone(),
        actor_name: actor.name.clone(),
        action: change.action.to_owned(),
        object: change.object,
        before_json: change.before.map(|value| value.to_string()),
        after_json: change.after.map(|value| value.to_string()),
        address: actor.address.clone(),
        request_id: actor.request_id.clone(),
        previous_sha256,
        sha256: String::new(),
    };
    // PostgreSQL keeps no NUL in a text; nothing that was typed may stop an entry
    for text in [&mut entry.object, &mut entry.actor_name, &mut entry.address] {
        if text.contains('\0') {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
    entry.sha256 = entry.hash();
    execute!(
        &mut *tx,
        APPEND,
        entry.seq,
        entry.at_us,
        &entry.actor_kind,
        &entry.actor_id,
        &entry.actor_name,
        &entry.action,
        &entry.object,
        entry.before_json.clone(),
        entry.after_json.clone(),
        &entry.address,
        &entry.request_id,
        &entry.previous_sha256,
        &entry.sha256
    )?;
    execute!(tx, SET_HEAD, &entry.sha256)?;
    Ok(())
}

/// The machine's clock: the log says when something was done, whatever the
/// clock of the figures is set to.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A part of a text for LIKE.
fn part(text: &str) -> String {
    format!("%{}%", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

impl Store {
    /// Ends a transaction with the entry that says what it changed.
    pub(crate) async fn commit(&self, mut tx: Tx, change: Change) -> Result<(), StoreError> {
        append(&mut tx, self.scope.actor(), change).await?;
        tx.commit_without_entry().await
    }

    /// Appends what happened without anything being changed, such as a refused
    /// sign-in. `action` as of [`AuditEntry::action`].
    ///
    /// # Errors
    /// When the database cannot be written, or nobody asks for it.
    pub async fn note(&self, action: &'static str, object: &str, what: Value) -> Result<(), StoreError> {
        let tx = self.derive().await?;
        self.commit(tx, Change::new(action, object).after(what)).await
    }

    /// Entries that fit, the newest first, and how many fit in all.
    ///
    /// # Errors
    /// Without permission to read the log; when the database cannot be read.
    pub async fn audit(&self, query: &AuditQuery) -> Result<(Vec<AuditEntry>, u64), StoreError> {
        self.scope.require(Permission::ReadAudit)?;
        let mut tx = self.read().await?;
        let (from_us, to_us) = (query.from_us.unwrap_or(i64::MIN), query.to_us.unwrap_or(i64::MAX));
        let (actor, action) = (part(&query.actor), format!("{}%", escaped(&query.action)));
        let text = part(&query.text);
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let skip = i64::try_from(query.skip).unwrap_or(i64::MAX);
        let entries: Vec<AuditEntry> = fetch_all!(&mut tx, FIND, from_us, to_us, &actor, &action, &text, limit, skip)?;
        let count: Option<(i64,)> = fetch_optional!(&mut tx, COUNT, from_us, to_us, &actor, &action, &text)?;
        let count = count.map_or(0, |(count,)| count);
        Ok((entries, u64::try_from(count).unwrap_or_default()))
    }

    /// Checks the whole log, and that entry `expected.0` still has the hash
    /// `expected.1` that was kept elsewhere.
    ///
    /// # Errors
    /// Without permission to read the log; when the database cannot be read.
    pub async fn verify_audit(&self, expected: Option<(i64, &str)>) -> Result<Verified, StoreError> {
        self.scope.require(Permission::ReadAudit)?;
        let mut tx = self.read().await?;
        let (mut seq, mut sha256) = (0, String::new());
        let broken = |entries: i64, sha256: &str, seq: i64, what: &'static str| Verified {
            entries,
            sha256: sha256.to_owned(),
            verdict: Verdict::Broken { seq, what },
        };
        loop {
            let entries: Vec<AuditEntry> = fetch_all!(&mut tx, CHAIN, seq, CHUNK)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                let what = match &entry {
                    entry if entry.seq != seq + 1 => Some("entries before it are missing"),
                    entry if entry.previous_sha256 != sha256 => Some("it does not follow the entry before it"),
                    entry if entry.hash() != entry.sha256 => Some("it was changed after it was written"),
                    entry if expected.is_some_and(|(at, hash)| at == entry.seq && hash != entry.sha256) => {
                        Some("it is not the entry whose hash was kept: the log was rewritten")
                    }
                    _ => None,
                };
                if let Some(what) = what {
                    return Ok(broken(seq, &sha256, entry.seq.min(seq + 1), what));
                }
                (seq, sha256) = (entry.seq, entry.sha256);
            }
        }
        let head: Option<(i64, String)> = fetch_optional!(&mut tx, HEAD)?;
        if head.is_none_or(|head| head != (seq, sha256.clone())) || expected.is_some_and(|(at, _)| at > seq) {
            return Ok(broken(seq, &sha256, seq + 1, "entries were cut off the end"));
        }
        Ok(Verified {
            entries: seq,
            sha256,
            verdict: Verdict::Whole,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;
    use domain::access::Scope;

    async fn with_entries() -> (tempfile::TempDir, Store) {
        let folder = tempfile::TempDir::new().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("tonnage.db").display());
        let store = Store::open(&url, Scope::shell("test")).await.expect("a database");
        for number in 1..=5 {
            let name = format!("setting {number}");
            store.set_setting(&name, "before").await.expect("written");
            store.set_setting(&name, "after").await.expect("written");
        }
        (folder, store)
    }

    async fn by_hand(store: &Store, statement: &'static str) {
        let Db::Sqlite(pool) = &store.db else {
            panic!("a SQLite file");
        };
        let done = sqlx::query(statement).execute(pool).await.expect(statement);
        assert!(done.rows_affected() > 0, "{statement}");
    }

    #[tokio::test]
    async fn whatever_is_changed_by_hand_is_found() {
        let edits = [
            ("UPDATE audit_entry SET at_us = at_us - 1 WHERE seq = 4", 4),
            ("UPDATE audit_entry SET actor_kind = 'system' WHERE seq = 4", 4),
            ("UPDATE audit_entry SET actor_id = 'x' WHERE seq = 4", 4),
            ("UPDATE audit_entry SET actor_name = 'x' WHERE seq = 4", 4),
            ("UPDATE audit_entry SET action = 'x.y' WHERE seq = 4", 4),
            ("UPDATE audit_entry SET object = 'x' WHERE seq = 4", 4),
            ("UPDATE audit_entry SET before_json = NULL WHERE seq = 4", 4),
            ("UPDATE audit_entry SET before_json = after_json, after_json = before_json WHERE seq = 4", 4),
            ("UPDATE audit_entry SET after_json = '1' WHERE seq = 4", 4),
            ("UPDATE audit_entry SET address = 'x' WHERE seq = 4", 4),
            ("UPDATE audit_entry SET request_id = 'x' WHERE seq = 4", 4),
            ("UPDATE audit_entry SET previous_sha256 = 'x' WHERE seq = 4", 4),
            ("UPDATE audit_entry SET sha256 = 'x' WHERE seq = 4", 4),
            ("UPDATE audit_entry SET seq = 40 WHERE seq = 4", 4),
            // a part moved into its neighbour
            ("UPDATE audit_entry SET action = action || object, object = '' WHERE seq = 4", 4),
            ("DELETE FROM audit_entry WHERE seq = 1", 1),
            ("DELETE FROM audit_entry WHERE seq = 4", 4),
            ("DELETE FROM audit_entry WHERE seq = 10", 10),
            ("DELETE FROM audit_entry", 1),
            ("UPDATE audit_head SET sha256 = 'x'", 11),
            ("UPDATE audit_head SET seq = 9", 11),
            ("DELETE FROM audit_head", 11),
            (
                "INSERT INTO audit_entry SELECT 11, at_us, actor_kind, actor_id, actor_name, action, object, before_json,
                   after_json, address, request_id, sha256, 'x' FROM audit_entry WHERE seq = 10",
                11,
            ),
        ];
        for (statement, expected) in edits {
            let (_folder, store) = with_entries().await;
            assert_eq!(store.verify_audit(None).await.expect("read").verdict, Verdict::Whole);
            by_hand(&store, statement).await;
            let found = store.verify_audit(None).await.expect("read");
            assert!(
                matches!(found.verdict, Verdict::Broken { seq, .. } if seq == expected),
                "{statement}: {found:?}"
            );
        }
    }
}
