use serde::{Deserialize, Serialize};

use crate::{Context, Money};

/// The Sources page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcesPage {
    /// Period, basis, currency and freshness.
    pub context: Context,
    /// Every source.
    pub sources: Vec<Source>,
    /// Findings that belong to no single delivery.
    pub findings: Vec<Finding>,
}

/// Where bills come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The source's name.
    pub id: String,
    /// The provider, for example `AWS`.
    pub provider: String,
    /// The format of the last delivery, for example `focus 1.2`.
    pub format: String,
    /// The billing accounts and periods it holds.
    pub holds: Vec<Holding>,
    /// Its deliveries, newest first.
    pub deliveries: Vec<Delivery>,
    /// Last day with charges, `YYYY-MM-DD`, inclusive.
    pub data_through: Option<String>,
    /// Why the last attempt failed; `None` when it did not.
    pub last_error: Option<String>,
    /// The last delivery came in time.
    pub fresh: bool,
}

/// A billing account a source holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// FOCUS `BillingAccountId`.
    pub account: String,
    /// First period held, `YYYY-MM`.
    pub first_period: String,
    /// Last period held, `YYYY-MM`.
    pub last_period: String,
    /// Number of periods held.
    pub periods: u32,
}

/// One delivery of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The delivery's id.
    pub delivery_id: String,
    /// The source it belongs to.
    pub source: String,
    /// Its format, for example `focus 1.2`.
    pub format: String,
    /// When it was taken in, RFC 3339 UTC.
    pub received_at: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// What it holds.
    pub periods: Vec<DeliveryPeriod>,
    /// Rows that could not be read.
    pub rejected_rows: u64,
    /// What was noticed while reading it.
    pub findings: Vec<Finding>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Its period can still change.
    Open,
    /// The period is final.
    Final,
    /// A later delivery took its place.
    Superseded,
    /// Kept beside the source that holds the account, and compared with it.
    Shadow,
}

/// What a delivery holds for a period and currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryPeriod {
    /// Billing period, `YYYY-MM`.
    pub billing_period: String,
    /// Currency code.
    pub currency: String,
    /// Accepted rows.
    pub rows: u64,
    /// Sum of `BilledCost`.
    pub billed_cost: Money,
    /// Sum of `EffectiveCost`.
    pub effective_cost: Money,
}

/// Something noticed that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable code, for example `unmapped_service`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, in words, without its place.
    pub message: String,
    /// The file it is about, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line of that file, the header being 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What to do about it; empty when nothing needs doing.
    pub remedy: String,
    /// How often it was found.
    pub count: u64,
    /// The money it is about, when known.
    pub cost: Option<Money>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// The figures may be read wrongly.
    Warning,
    /// The figures are wrong or missing.
    Error,
}
