use serde::{Deserialize, Serialize};

use crate::{Context, Money};

/// The Commitments page: a month's commitments, in every currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitmentsPage {
    /// Period and freshness.
    pub context: Context,
    /// Every commitment that the bill of the month names, or whose contract runs in it, the largest first.
    pub commitments: Vec<Commitment>,
    /// What commitments covered, by service.
    pub coverage: Vec<ServiceCoverage>,
    /// When they end, in order; the last step is those whose end is unknown.
    pub expiry: Vec<ExpiryStep>,
}

/// A commitment in the month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// FOCUS `CommitmentDiscountId`.
    pub id: String,
    /// Its name; empty when the bill has none.
    pub name: String,
    /// `Savings Plan`, `Reserved Instance`; empty when unknown.
    pub kind: String,
    /// Who sells it; empty when unknown.
    pub provider: String,
    /// The sub-account that bought it; empty when unknown.
    pub account: String,
    /// Currency of the amounts.
    pub currency: String,
    /// How long it runs, as the provider writes it.
    pub term: Option<String>,
    /// How it is paid, as the provider writes it.
    pub payment: Option<String>,
    /// First day, `YYYY-MM-DD`.
    pub start: Option<String>,
    /// First day after it.
    pub end: Option<String>,
    /// Days from now until it ends; below zero when it has.
    pub days_left: Option<i64>,
    /// What is committed in all, as its contract says.
    pub total: Option<Money>,
    /// What is committed by the hour: `EffectiveCost` of the fullest hour, used and unused.
    pub hourly: Option<Money>,
    /// What it may be used for, as its contract says.
    pub scope: Option<String>,
    /// Whether the bill of the month names it; else only its contract does.
    pub in_bill: bool,
    /// `BilledCost` of its purchases in the month.
    pub bought: Money,
    /// `EffectiveCost` of what used it.
    pub used: Money,
    /// `EffectiveCost` of what nobody used.
    pub unused: Money,
    /// used / (used + unused), in thousandths.
    pub utilisation_permille: Option<u32>,
    /// `ListCost` of what used it, less its cost, unused part included; `None` when a row has no `ListCost`.
    pub saving: Option<Money>,
    /// Hours with rows of an hour.
    pub hours: u32,
    /// Of these, hours in which some of it was unused.
    pub hours_with_unused: u32,
    /// Utilisation of the worst of them, in thousandths.
    pub worst_hour_permille: Option<u32>,
    /// Utilisation of the months before and this one, the oldest first; `None` where it was not there.
    pub trend: Vec<(String, Option<u32>)>,
}

/// What commitments covered of a service's usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceCoverage {
    /// FOCUS `ServiceName`; empty for none.
    pub service: String,
    /// Currency of the amounts.
    pub currency: String,
    /// `ListCost` of usage that used a commitment.
    pub covered: Money,
    /// `ListCost` of usage at the standard price.
    pub on_demand: Money,
    /// covered / (covered + on demand), in thousandths.
    pub coverage_permille: Option<u32>,
    /// Rows without `ListCost`: they are in neither.
    pub unlisted: u64,
}

/// Commitments that end in a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryStep {
    /// In words: `within 30 days`.
    pub when: String,
    /// How many end then.
    pub count: u32,
    /// What they cost in the month, used and unused, by currency.
    pub cost: Vec<(String, Money)>,
    /// Their ids.
    pub ids: Vec<String>,
}

/// A month of the prepaid roll-forward of a commitment, or of a fee on a schedule (A8, A24).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepaid {
    /// FOCUS `CommitmentDiscountId`; of a fee on a schedule an id of ours.
    pub id: String,
    /// Its name; empty when the bill has none.
    pub name: String,
    /// Currency of the amounts.
    pub currency: String,
    /// Month, `YYYY-MM`.
    pub billing_period: String,
    /// Prepaid before the month; unknown when more was amortised than the bills
    /// there are bought.
    pub opening: Option<Money>,
    /// `BilledCost` of purchases in it.
    pub purchases: Money,
    /// `EffectiveCost` of what used it and of what nobody used.
    pub amortised: Money,
    /// What was paid back of a fee on a schedule; purchases of commitments are net of it.
    pub refunds: Money,
    /// opening + purchases - amortised - refunds.
    pub closing: Option<Money>,
}
