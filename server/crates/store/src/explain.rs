//! What the ids of figures stand for, so that an id stays resolvable over the years.

use crate::Store;
use crate::db::{Statement, execute, fetch_optional, statements};
use crate::dialect::from_json_rows;
use crate::error::StoreError;
use crate::rows::{self, Place};
use domain::BillingPeriod;
use serde::Serialize;

/// What an explain id is the hash of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainKey {
    /// The id that is shown.
    pub explain_id: String,
    /// Kind of figure.
    pub kind: String,
    /// Billing period of the figure.
    pub period: BillingPeriod,
    /// Owner keys of the figure, as JSON text.
    pub keys_json: String,
    /// Version of the owner rules in force, or [`crate::NO_RULES`].
    pub rules_version: i64,
}

statements! {
    GET: "read what an explain id stands for" =>
        "SELECT kind, period, keys_json, rules_version FROM explain WHERE explain_id = $1";
}

/// All in one statement: a page shows hundreds of figures. An id is a hash of
/// the rest, so one that is there already is right already.
pub(crate) const PUT: Statement = from_json_rows! {
    "keep what explain ids stand for" =>
    "INSERT INTO explain (explain_id, kind, period, keys_json, rules_version)
     SELECT item.value ->> 'explain_id', item.value ->> 'kind', CAST(item.value ->> 'period' AS BIGINT),
            item.value ->> 'keys_json', CAST(item.value ->> 'rules_version' AS BIGINT) FROM",
    "WHERE TRUE ON CONFLICT (explain_id) DO NOTHING"
};

#[derive(Serialize)]
struct PutRow<'a> {
    explain_id: &'a str,
    kind: &'a str,
    period: i64,
    keys_json: &'a str,
    rules_version: i64,
}

impl<'a> From<&'a ExplainKey> for PutRow<'a> {
    fn from(key: &'a ExplainKey) -> PutRow<'a> {
        let ExplainKey {
            explain_id,
            kind,
            period,
            keys_json,
            rules_version,
        } = key;
        PutRow {
            explain_id,
            kind,
            period: rows::period_number(*period),
            keys_json,
            rules_version: *rules_version,
        }
    }
}

impl Store {
    /// Keeps what ids stand for; ids that are known already stay as they are.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn put_explain_keys(&self, keys: &[ExplainKey]) -> Result<(), StoreError> {
        let json = serde_json::to_string(&keys.iter().map(PutRow::from).collect::<Vec<_>>())
            .map_err(|error| StoreError::backend(PUT.what, error))?;
        let mut tx = self.derive().await?;
        execute!(&mut tx, PUT, json)?;
        // derived from figures: nobody decided it
        tx.commit_without_entry().await
    }

    /// What an id stands for; `None` when it was never shown.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn explain_key(&self, explain_id: &str) -> Result<Option<ExplainKey>, StoreError> {
        let mut tx = self.read_any().await?;
        let row: Option<(String, i64, String, i64)> = fetch_optional!(&mut tx, GET, explain_id)?;
        row.map(|(kind, period, keys_json, rules_version)| {
            let period = Place("explain").period(period)?;
            Ok(ExplainKey {
                explain_id: explain_id.to_owned(),
                kind,
                period,
                keys_json,
                rules_version,
            })
        })
        .transpose()
    }
}
