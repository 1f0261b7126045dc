use serde::{Deserialize, Serialize};

use crate::{Delivery, Money};

/// A delivery, and what it changed against the ones it replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryChanges {
    /// The delivery.
    pub delivery: Delivery,
    /// Its files, as they were handed in.
    pub files: Vec<DeliveryFile>,
    /// What it is compared with, by billing period; empty for the first of a source.
    pub against: Vec<Delivery>,
    /// How far they differ.
    pub kind: Restated,
    /// By billing period and currency: every period it holds.
    pub totals: Vec<ChangeTotal>,
    /// By service, the largest change of effective cost first.
    pub services: Vec<ChangeTotal>,
    /// By account, service, category and day, the largest first; a page has the first ones.
    pub changes: Vec<ChangeRow>,
    /// How many there are in all.
    pub changes_total: u64,
}

/// A file of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryFile {
    /// Its name, as it was given.
    pub name: String,
    /// Its length as read.
    pub bytes: u64,
    /// SHA-256 of those bytes.
    pub sha256: String,
}

/// How far two deliveries differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restated {
    /// There was none before it.
    First,
    /// Not in anything that counts.
    Same,
    /// Only in tags: costs by account, service and day are equal (A45).
    TagsOnly,
    /// In rows or money.
    Money,
}

/// Rows and money before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeAmounts {
    /// Rows before.
    pub rows_before: u64,
    /// Rows after.
    pub rows_after: u64,
    /// `BilledCost` before.
    pub billed_before: Money,
    /// `BilledCost` after.
    pub billed_after: Money,
    /// After less before.
    pub billed_change: Money,
    /// `EffectiveCost` before.
    pub effective_before: Money,
    /// `EffectiveCost` after.
    pub effective_after: Money,
    /// After less before.
    pub effective_change: Money,
}

/// A change of a period or service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeTotal {
    /// The billing period, or the service; empty for charges without one.
    pub name: String,
    /// Currency code.
    pub currency: String,
    /// How much.
    #[serde(flatten)]
    pub amounts: ChangeAmounts,
}

/// A change of an account's service on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// Billing period, `YYYY-MM`.
    pub billing_period: String,
    /// Currency code.
    pub currency: String,
    /// FOCUS `SubAccountId`, else `BillingAccountId`; empty for none.
    pub account: String,
    /// FOCUS `ServiceName`; empty for none.
    pub service: String,
    /// FOCUS `ChargeCategory`.
    pub category: String,
    /// UTC day of `ChargePeriodStart`.
    pub day: String,
    /// Rows and money are the same, tags are not.
    pub tags_only: bool,
    /// How much.
    #[serde(flatten)]
    pub amounts: ChangeAmounts,
}
