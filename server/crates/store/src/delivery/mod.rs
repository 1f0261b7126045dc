//! Deliveries: what a source handed in, what became of it, and what counts.

mod commit;
mod read;
mod rows;

use crate::error::StoreError;
use domain::instant::Instant;
use domain::{BillingPeriod, Currency, Finding, Money};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) use commit::STATEMENTS as COMMIT_STATEMENTS;
pub(crate) use read::STATEMENTS as READ_STATEMENTS;

/// Dataset of lake files that hold bill lines.
pub const CHARGES: &str = "charges";

/// What became of a delivery, or of one billing period in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Counts; the provider may still restate the period.
    Open,
    /// Counts; the provider calls the period final.
    Final,
    /// Replaced by a later delivery of the same source; kept, never counted.
    Superseded,
    /// Another source holds the period: compared, never counted (A25).
    Shadow,
}

impl DeliveryState {
    /// `open`, `final`, `superseded` or `shadow`, as the CLI and SQL write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Open => "open",
            DeliveryState::Final => "final",
            DeliveryState::Superseded => "superseded",
            DeliveryState::Shadow => "shadow",
        }
    }

    /// Back from [`DeliveryState::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<DeliveryState> {
        [Self::Open, Self::Final, Self::Superseded, Self::Shadow]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Whether its money is part of the figures.
    #[must_use]
    pub fn counts(self) -> bool {
        matches!(self, DeliveryState::Open | DeliveryState::Final)
    }
}

/// First and last export time of the rows of a delivery in a billing period,
/// both inclusive. A provider that appends (Google Cloud) writes each row once,
/// so these say which rows two deliveries share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportWindow {
    /// Earliest export time.
    pub first: Instant,
    /// Latest export time.
    pub last: Instant,
}

/// What becomes of an earlier delivery of the same source and period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The new delivery has all of its rows: replaced.
    Replaced,
    /// They share no row: both count.
    Kept,
    /// They share some rows, and each has rows of its own: refused.
    Torn,
}

impl Fate {
    /// Of a delivery exported in `earlier` under a new one exported in `new`:
    /// without both windows a delivery replaces its period.
    #[must_use]
    pub fn of(earlier: Option<ExportWindow>, new: Option<ExportWindow>) -> Fate {
        match (earlier, new) {
            (Some(earlier), Some(new)) if earlier.last < new.first || new.last < earlier.first => Fate::Kept,
            (Some(earlier), Some(new)) if earlier.first < new.first || new.last < earlier.last => Fate::Torn,
            _ => Fate::Replaced,
        }
    }
}

/// How a delivery enters: with the exclusive claim, or beside the holder (A25).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimMode {
    /// Takes the claim on its accounts and periods, or is refused.
    Hold,
    /// Takes no claim, is compared and never counted.
    Shadow,
}

/// One file as the source handed it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Name as the user gave it.
    pub name: String,
    /// Length in bytes, as read (compressed if it was).
    pub bytes: u64,
    /// SHA-256 of those bytes, lower-case hex.
    pub sha256: String,
}

/// One immutable file of the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeFileRow {
    /// Path inside the lake.
    pub path: String,
    /// What it holds: [`CHARGES`].
    pub dataset: String,
    /// Billing period of all its rows.
    pub period: BillingPeriod,
    /// Index of the input file it was made from.
    pub part: u32,
    /// Rows in it.
    pub rows: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// Version of the Parquet schema it was written with.
    pub schema_version: u32,
}

/// Control total of one (period, currency, billing account, sub-account) of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalRow {
    /// Billing period of the rows.
    pub period: BillingPeriod,
    /// Currency of every amount here.
    pub currency: Currency,
    /// FOCUS BillingAccountId, empty when the bill has none.
    pub billing_account_id: String,
    /// FOCUS SubAccountId, empty when the row has none.
    pub sub_account_id: String,
    /// Accepted rows.
    pub rows: u64,
    /// Sum of BilledCost.
    pub billed: Money,
    /// Sum of EffectiveCost.
    pub effective: Money,
    /// Sum of ListCost, unknown when any row lacks it.
    pub list: Option<Money>,
    /// Sum of ContractedCost, unknown when any row lacks it.
    pub contracted: Option<Money>,
    /// Earliest ChargePeriodStart, microseconds since the epoch, UTC.
    pub first_charge_us: i64,
    /// Latest ChargePeriodEnd of a usage row, microseconds since the epoch, UTC.
    pub last_usage_end_us: Option<i64>,
    /// Rows that name an invoice.
    pub rows_with_invoice: u64,
    /// Sum of BilledCost over those rows.
    pub billed_with_invoice: Money,
}

/// Rows that were refused and kept beside the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    /// Path inside the lake.
    pub path: String,
    /// Rows in it.
    pub rows: u64,
    /// BilledCost of those rows as far as it could be read, one amount per currency.
    pub money: Vec<(Currency, Money)>,
    /// Rows whose BilledCost could not be read.
    pub rows_without_money: u64,
}

/// A delivery to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Id, made by the caller; never used before.
    pub delivery_id: String,
    /// Source it came from.
    pub source_id: String,
    /// FOCUS ProviderName, when the bill says.
    pub provider: Option<String>,
    /// Format it was written in, such as `focus`.
    pub format: String,
    /// Version of that format, such as `1.0`, when it has versions.
    pub format_version: Option<String>,
    /// SHA-256 over the bytes of its files in order, lower-case hex.
    pub input_hash: String,
    /// When it was received, microseconds since the epoch, UTC.
    pub received_us: i64,
    /// The files as handed in, in order.
    pub files: Vec<InputFile>,
    /// Rows that were refused.
    pub rejected_rows: u64,
    /// [`DeliveryState::Open`] or [`DeliveryState::Final`]; a shadow is stored as such whatever is said here.
    pub state: DeliveryState,
    /// Lake files made from it.
    pub lake_files: Vec<LakeFileRow>,
    /// Its control totals.
    pub totals: Vec<TotalRow>,
    /// What was wrong or missing.
    pub findings: Vec<Finding>,
    /// Refused rows that were kept.
    pub quarantine: Option<QuarantineRow>,
    /// Of a provider that appends, when the rows of a period were exported.
    /// A period without one is replaced.
    pub exported: BTreeMap<BillingPeriod, ExportWindow>,
}

impl NewDelivery {
    /// Billing periods it delivers, from its totals and files.
    #[must_use]
    pub fn periods(&self) -> BTreeSet<BillingPeriod> {
        let totals = self.totals.iter().map(|total| total.period);
        totals.chain(self.lake_files.iter().map(|file| file.period)).collect()
    }
}

/// What a commit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Manifest version after it.
    pub version: i64,
    /// Periods of earlier deliveries of the same source that it replaced.
    pub replaced: Vec<Replaced>,
    /// (Billing account, sub-account, period) combinations the source now holds through it.
    pub claims: u64,
}

/// A billing period of an earlier delivery that was replaced wholly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The earlier delivery.
    pub delivery_id: String,
    /// The period replaced in it.
    pub period: BillingPeriod,
    /// Its state until then.
    pub was: DeliveryState,
    /// Its rows in that period.
    pub rows: u64,
    /// Its money in that period.
    pub money: BTreeMap<Currency, ReplacedMoney>,
}

/// Money of one currency that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplacedMoney {
    /// Sum of BilledCost.
    pub billed: Money,
    /// Sum of EffectiveCost.
    pub effective: Money,
}

/// One billing period of a stored delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPeriod {
    /// The period.
    pub period: BillingPeriod,
    /// What became of it.
    pub state: DeliveryState,
    /// Delivery that replaced it.
    pub superseded_by: Option<String>,
    /// When its rows were exported, where the provider appends.
    pub exported: Option<ExportWindow>,
}

/// A stored delivery with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Its id.
    pub delivery_id: String,
    /// Source it came from.
    pub source_id: String,
    /// FOCUS ProviderName, when the bill said.
    pub provider: Option<String>,
    /// Format it was written in.
    pub format: String,
    /// Version of that format.
    pub format_version: Option<String>,
    /// SHA-256 over the bytes of its files, lower-case hex.
    pub input_hash: String,
    /// When it was received, microseconds since the epoch, UTC.
    pub received_us: i64,
    /// Manifest version that brought it in: later deliveries have larger ones.
    pub version: i64,
    /// Superseded once all its periods are.
    pub state: DeliveryState,
    /// Rows that were refused.
    pub rejected_rows: u64,
    /// The files as handed in, in order.
    pub files: Vec<InputFile>,
    /// Its periods, earliest first.
    pub periods: Vec<DeliveryPeriod>,
    /// Lake files made from it, by period, part and path.
    pub lake_files: Vec<LakeFileRow>,
    /// Its control totals, in the order they were given.
    pub totals: Vec<TotalRow>,
    /// What was wrong or missing, in the order it was given.
    pub findings: Vec<Finding>,
    /// Refused rows that were kept.
    pub quarantine: Option<QuarantineRow>,
}

/// A lake file of charges that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveFile {
    /// Path inside the lake.
    pub path: String,
    /// Delivery it belongs to.
    pub delivery_id: String,
    /// Source of that delivery.
    pub source_id: String,
    /// Billing period of all its rows.
    pub period: BillingPeriod,
    /// Index of the input file it was made from.
    pub part: u32,
    /// Rows in it.
    pub rows: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// State of its period: open or final.
    pub state: DeliveryState,
    /// Version of the Parquet schema it was written with.
    pub schema_version: u32,
}

/// A control total with the delivery it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredTotal {
    /// The total.
    pub total: TotalRow,
    /// Delivery it belongs to.
    pub delivery_id: String,
    /// Source of that delivery.
    pub source_id: String,
    /// State of its period.
    pub state: DeliveryState,
}

/// A place deliveries come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
    /// Its id.
    pub source_id: String,
    /// FOCUS ProviderName, from the last bill that said.
    pub provider: Option<String>,
    /// Format of its last delivery.
    pub format: String,
    /// First delivery, microseconds since the epoch, UTC.
    pub first_received_us: i64,
    /// Last delivery, microseconds since the epoch, UTC.
    pub last_received_us: i64,
    /// Deliveries so far, superseded ones and shadows included.
    pub deliveries: u64,
}

/// A count as SQL keeps it.
pub(crate) fn count(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::invalid(format!("{value} is too large to be counted")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_an_earlier_delivery() {
        let window = |(first, last): (i64, i64)| ExportWindow {
            first: Instant(first),
            last: Instant(last),
        };
        for (earlier, new, expect) in [
            (None, None, Fate::Replaced),
            (Some((1, 5)), None, Fate::Replaced),
            (None, Some((1, 5)), Fate::Replaced),
            (Some((1, 5)), Some((6, 9)), Fate::Kept),
            (Some((6, 9)), Some((1, 5)), Fate::Kept),
            (Some((1, 5)), Some((1, 9)), Fate::Replaced),
            (Some((1, 5)), Some((1, 5)), Fate::Replaced),
            (Some((1, 5)), Some((5, 9)), Fate::Torn),
            (Some((1, 9)), Some((2, 5)), Fate::Torn),
        ] {
            assert_eq!(
                Fate::of(earlier.map(window), new.map(window)),
                expect,
                "{earlier:?} {new:?}"
            );
        }
    }
}
