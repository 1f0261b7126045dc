use serde::{Deserialize, Serialize};

use crate::{Context, Money};

/// The Sources page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcesPage {
    /// Period, basis, currency and freshness.
    pub context: Context,
    /// Every source.
    pub sources: Vec<Source>,
    /// Every cluster with usage facts in the period, by id.
    pub clusters: Vec<ClusterFacts>,
    /// Deliveries of usage, newest first.
    pub usage: Vec<UsageDelivery>,
    /// Every driver of every source with values up to the period, by name.
    pub drivers: Vec<DriverFacts>,
    /// Deliveries of drivers, newest first.
    pub driver_deliveries: Vec<UsageDelivery>,
    /// What this server takes in by itself.
    pub schedules: Vec<Schedule>,
    /// Findings that belong to no single delivery.
    pub findings: Vec<Finding>,
}

/// Bills that are taken in again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Folders, files and addresses; without passwords.
    pub paths: Vec<String>,
    /// Name of the source, when it is given.
    pub source: Option<String>,
    /// How often, as written: `6h`.
    pub every: String,
    /// When the last attempt ended, RFC 3339 UTC; `None` before the first.
    pub last_run: Option<String>,
    /// When the next one begins.
    pub next_run: Option<String>,
    /// What came of the last attempt, or why it failed.
    pub result: Option<String>,
    /// The last attempt failed.
    pub failed: bool,
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

/// How far the usage facts of a cluster reach in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFacts {
    /// The cluster's id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The end of the last hour with facts within the period, RFC 3339 UTC.
    pub facts_through: String,
    /// The facts reach the end of the period, or came lately.
    pub fresh: bool,
    /// Days of the period with facts.
    pub days: u32,
    /// Days between the first and the last with facts on which some are missing, in order.
    pub gaps: Vec<FactsGap>,
    /// Seconds in which its nodes were Ready, within the period.
    pub ready_s: u64,
    /// Of these, seconds without facts.
    pub unobserved_s: u64,
}

/// A day on which usage facts are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactsGap {
    /// The day, `YYYY-MM-DD`.
    pub day: String,
    /// Seconds in which nodes were Ready without facts; `None` when nothing is known of the day.
    pub unobserved_s: Option<u64>,
}

/// How far a driver of a source reaches in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverFacts {
    /// The driver's name.
    pub driver: String,
    /// The source its values come from.
    pub source: String,
    /// Its units within the period, in order of time; one is usual.
    pub units: Vec<String>,
    /// The last day with values up to the end of the period, `YYYY-MM-DD`.
    pub data_through: String,
    /// The values reach the end of the period, or came lately.
    pub fresh: bool,
    /// Days of the period with values.
    pub days: u32,
    /// Days without any between the first and the last of the period, in order.
    pub gaps: Vec<String>,
    /// Different receivers within the period.
    pub receivers: u64,
    /// Values within the period.
    pub values: u64,
}

/// One delivery of usage or of drivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageDelivery {
    /// The delivery's id.
    pub delivery_id: String,
    /// The source it belongs to.
    pub source: String,
    /// Where it came from, for example `file`.
    pub origin: String,
    /// When it was taken in, RFC 3339 UTC.
    pub received_at: String,
    /// Rows taken.
    pub rows: u64,
    /// Rows that could not be read.
    pub rejected_rows: u64,
    /// What was noticed while reading it.
    pub findings: Vec<Finding>,
}
