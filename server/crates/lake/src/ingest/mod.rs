//! One pass from a bill to the lake: a reader thread unpacks and splits
//! records, this thread checks and types them and keeps the control totals, a
//! writer thread encodes Parquet. Memory is bounded by the size of a block, not
//! of the file. What was written is read back before it counts.

mod coded;
mod columns;
mod convert;
mod explain;
mod feed;
mod json_in;
mod parquet_in;
mod quarantine;
mod reader;
mod records;
mod texts;
mod totals;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use parquet_in::text_of;

use crate::error::LakeError;
use crate::object::Lake;
use domain::dialect::{Container, Dialect};
use domain::instant::Instant;
use domain::{BillingPeriod, Currency, Finding, Money};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One file of a delivery.
#[derive(Debug, Clone)]
pub struct Part {
    /// As the user gave it, for messages.
    pub name: String,
    /// Where to read it.
    pub path: PathBuf,
    /// How its bytes are wrapped.
    pub container: Container,
    /// What its columns mean.
    pub dialect: Dialect,
}

/// What to do with a row that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Refuse the whole delivery, naming the bad rows.
    Fail,
    /// Keep the good rows, store the bad ones beside the delivery.
    Quarantine,
}

/// Default of [`Request::max_record_bytes`].
pub const MAX_RECORD_BYTES: usize = 16 << 20;
/// Default of [`Request::max_findings`].
pub const MAX_FINDINGS: usize = 100;

/// What to ingest.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Id of the delivery; part of the files' names.
    pub delivery_id: &'a str,
    /// Name of the source; part of the files' names.
    pub source: &'a str,
    /// Its files, in order.
    pub parts: &'a [Part],
    /// What to do with bad rows.
    pub on_error: OnError,
    /// Refuse rows of another billing period.
    pub expected_period: Option<BillingPeriod>,
    /// Take more than one currency in one billing account and period.
    pub allow_mixed_currencies: bool,
    /// Longest record taken, in bytes.
    pub max_record_bytes: usize,
    /// How many bad rows are listed; the rest is counted.
    pub max_findings: usize,
}

/// How far an ingest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Position of the file being read.
    pub part: usize,
    /// Bytes read of all files, as they lie on disk.
    pub bytes_read: u64,
    /// Bytes of all files.
    pub bytes_total: u64,
    /// Rows seen so far, refused ones included.
    pub rows: u64,
}

/// Sums of the accepted rows of one billing period, currency, billing account
/// and sub-account. Amounts are in `currency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlTotal {
    /// Billing period.
    pub period: BillingPeriod,
    /// Billing currency (`XXX`: the bill names none).
    pub currency: Currency,
    /// BillingAccountId, empty when unknown.
    pub billing_account_id: String,
    /// SubAccountId, empty when there is none.
    pub sub_account_id: String,
    /// Rows.
    pub rows: u64,
    /// Sum of BilledCost.
    pub billed: Money,
    /// Sum of EffectiveCost.
    pub effective: Money,
    /// Sum of ListCost; `None` when any row has none.
    pub list: Option<Money>,
    /// Sum of ContractedCost; `None` when any row has none.
    pub contracted: Option<Money>,
    /// Earliest ChargePeriodStart.
    pub first_charge: Instant,
    /// Latest ChargePeriodEnd of the Usage rows: data through here.
    pub last_usage_end: Option<Instant>,
    /// Rows that carry an InvoiceId.
    pub rows_with_invoice: u64,
    /// BilledCost of those rows.
    pub billed_with_invoice: Money,
}

/// A file of charges in the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeFile {
    /// Path inside the lake.
    pub path: String,
    /// The one billing period of its rows.
    pub period: BillingPeriod,
    /// Position of the delivery's file it was read from.
    pub part: u32,
    /// Rows.
    pub rows: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// Refused rows kept beside the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Path inside the lake: CSV in gzip with `file`, `line` and `reason` before the bill's own columns.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// BilledCost at stake, read leniently.
    pub money: BTreeMap<Currency, Money>,
    /// Rows whose BilledCost cannot be told.
    pub rows_without_money: u64,
}

/// A delivery in the lake, not yet named by the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Its files, by part and period.
    pub files: Vec<LakeFile>,
    /// Its control totals, by period, currency, account and sub-account.
    pub totals: Vec<ControlTotal>,
    /// Rows that were refused.
    pub rejected_rows: u64,
    /// Where the refused rows are.
    pub quarantine: Option<Quarantine>,
    /// What was remarkable.
    pub findings: Vec<Finding>,
}

/// Why nothing was ingested.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Bad input: the lake is as it was before.
    #[error("the delivery was refused: {}", first(.0))]
    Refused(Vec<Finding>),
    /// The machinery failed: run again.
    #[error(transparent)]
    Lake(#[from] LakeError),
}

fn first(findings: &[Finding]) -> String {
    let Some(finding) = findings.first() else {
        return "no reason was given".to_owned();
    };
    match findings.len() {
        1 => finding.to_string(),
        n => format!("{finding} (and {} more)", n - 1),
    }
}

impl IngestError {
    pub(crate) fn refused(finding: Finding) -> IngestError {
        IngestError::Refused(vec![finding])
    }
}

/// Reads a delivery into the lake.
///
/// # Errors
/// [`IngestError::Refused`] for bad input, [`IngestError::Lake`] when the
/// machinery failed. Either way nothing of it stays under a name in the lake.
pub fn ingest(lake: &Lake, request: &Request<'_>, progress: &dyn Fn(Progress)) -> Result<Staged, IngestError> {
    convert::run(lake, request, progress)
}

/// The column names of a Parquet file, for dialect detection.
///
/// # Errors
/// When it is no Parquet file.
pub fn parquet_columns(path: &Path) -> Result<Vec<String>, LakeError> {
    parquet_in::columns(path)
}
