use serde::{Deserialize, Serialize};

use crate::{Context, Delivery, Money, Terms};

/// The Reconciliation page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciliationPage {
    /// Period, basis, currency and freshness.
    pub context: Context,
    /// The figures.
    pub report: Reconciliation,
}

/// From the invoice to the owners, each step with its residual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// Billing period, `YYYY-MM`.
    pub period: String,
    /// One entry for each currency; amounts of two currencies are never added.
    pub currencies: Vec<CurrencyReconciliation>,
}

/// The reconciliation of one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencyReconciliation {
    /// Currency code.
    pub currency: String,
    /// Sum of the charges that name an invoice; `None` when no invoice is known.
    pub invoiced: Option<Money>,
    /// Sum of the charges without an invoice yet; `None` when no invoice is known.
    pub not_invoiced: Option<Money>,
    /// Sum of `BilledCost`.
    pub billed: Money,
    /// Sum of `EffectiveCost`.
    pub effective: Money,
    /// Terms that lead from billed to effective, by key.
    pub bridge: Terms,
    /// Effective cost with an owner.
    pub allocated: Money,
    /// Effective cost without one.
    pub unallocated: Money,
    /// What sharing left over, by receiver; zero entries are left out.
    pub remainders: Terms,
    /// Billed less everything it should equal; `0` or the check has failed.
    pub residual: Money,
    /// Effective cost in deliveries that are still open.
    pub estimated: Money,
    /// Effective cost in final deliveries.
    pub actual: Money,
    /// Effective cost by charge class, largest first.
    pub classes: Vec<ClassCost>,
    /// The largest reasons why cost has no owner.
    pub unallocated_causes: Vec<Cause>,
    /// Rows set aside because they could not be read.
    pub quarantined: Quarantined,
    /// Each equation that must hold, with its two sides.
    pub links: Vec<Link>,
    /// The deliveries the figures come from.
    pub deliveries: Vec<Delivery>,
    /// Invoices of the period, entered or only named by the bill.
    pub invoices: Vec<InvoiceCheck>,
    /// Billing accounts that were in the bill of the month before and are not in this one.
    pub missing_accounts: Vec<String>,
    /// Fees on an amortisation schedule that begin, run or are paid back in the period.
    pub prepaid: Vec<PrepaidFee>,
}

/// A month of a fee on an amortisation schedule (A24, A8): opening + purchases -
/// amortised - refunds = closing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepaidFee {
    /// Stable over the months.
    pub id: String,
    /// What the bill calls it.
    pub name: String,
    /// FOCUS `ServiceName`; empty when the bill has none.
    pub service: String,
    /// FOCUS `SubAccountId`; empty when the bill has none.
    pub account: String,
    /// Currency of the amounts.
    pub currency: String,
    /// First day of its term, `YYYY-MM-DD`.
    pub start: String,
    /// First day after it.
    pub end: String,
    /// Prepaid before the month.
    pub opening: Money,
    /// `EffectiveCost` on the month's bill.
    pub purchases: Money,
    /// What of it is a cost of the month; below zero when what was charged is taken back.
    pub amortised: Money,
    /// What the month's bill pays back.
    pub refunds: Money,
    /// Prepaid after the month; `0` once the term is over.
    pub closing: Money,
}

/// An invoice beside the charges that name it (C1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceCheck {
    /// Its number: FOCUS `InvoiceId`.
    pub number: String,
    /// Who issued it; empty when unknown.
    pub issuer: String,
    /// FOCUS `BillingAccountId`; empty when unknown.
    pub account: String,
    /// Billing period, `YYYY-MM`.
    pub billing_period: String,
    /// Currency code.
    pub currency: String,
    /// `agrees`, `rounded` (by the provider, at most a minor unit), `differs`, `no_lines`, `not_entered`.
    pub state: String,
    /// Whether it must be cleared up before the books are closed.
    pub mismatch: bool,
    /// Amount without tax; `None` when nobody has entered it.
    pub net: Option<Money>,
    /// Tax, where it states it.
    pub tax: Option<Money>,
    /// Its date.
    pub date: Option<String>,
    /// When it is due.
    pub due: Option<String>,
    /// Charges that name it.
    pub rows: u64,
    /// Their `BilledCost`, taxes apart; `None` when there are none.
    pub lines_net: Option<Money>,
    /// `BilledCost` of the taxes among them.
    pub lines_tax: Option<Money>,
    /// Lines less invoice; `None` when nobody has entered it.
    pub difference: Option<Money>,
}

/// Cost of one charge class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCost {
    /// The class key.
    pub class: String,
    /// The class as people read it.
    pub label: String,
    /// Charge rows in it.
    pub rows: u64,
    /// Their effective cost.
    pub cost: Money,
}

/// A reason why cost has no owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// What the charges have in common, for example `AmazonEC2, no tenant tag`.
    pub label: String,
    /// Charge rows in it.
    pub rows: u64,
    /// Their effective cost.
    pub cost: Money,
    /// Opens `/explain/{id}`.
    pub explain_id: Option<String>,
}

/// Rows set aside because they could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Number of rows.
    pub rows: u64,
    /// Their billed cost; `None` when it could not be read either.
    pub billed: Option<Money>,
}

/// One equation of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Name of the left side.
    pub from: String,
    /// Name of the right side.
    pub to: String,
    /// Left side.
    pub left: Money,
    /// Right side.
    pub right: Money,
    /// Left less right.
    pub residual: Money,
}
