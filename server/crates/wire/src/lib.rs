//! What crosses the network: plain DTOs.
//!
//! Money is a [`Money`]: a canonical decimal string without exponent or
//! trailing zeros, exact to the last digit; the reader formats it. Shares and
//! bar lengths are integer permille, so no float carries money. Counts are
//! `u64` or `u32`, never `usize`, so the shapes are the same on wasm32.
//! Periods are billing months, `YYYY-MM`; dates are `YYYY-MM-DD`; instants are
//! RFC 3339 in UTC.

mod access;
mod chart;
mod clusters;
mod commitments;
mod context;
mod converted;
mod costs;
mod deliveries;
mod error;
mod explain;
mod month;
mod overview;
mod receipt;
mod reconciliation;
mod rules;
mod sources;
mod terms;

pub use access::{
    AccessPage, AccountInfo, AccountPage, AgentTokenInfo, ApiTokenInfo, AuditChain, AuditLine, AuditPage, AuditSearch,
    DutyConflict, FormAnswer, OneTimeLink, Provider, Reader, RoleGrant, RoleInfo, SecretKind, SessionInfo, SignInPage,
    SignInQuery, SignInRefused, SwitchTo, TokenState,
};
pub use chart::{Chart, ChartPoint, ChartTable};
pub use clusters::{Cluster, ClustersPage, Measured, NodePool, PartCost};
pub use commitments::{Commitment, CommitmentsPage, ExpiryStep, Prepaid, ServiceCoverage};
pub use context::{Basis, Context, PeriodState, Site};
pub use converted::{ConvertedCosts, ConvertedPage, ConvertedQuery, ConvertedRow};
pub use costs::{
    Change, ChangeKind, CostReport, CostRow, CostsPage, CostsQuery, GroupOption, PageInfo, ReconciliationLine, RowKind,
    SortKey, SortOrder,
};
pub use deliveries::{ChangeAmounts, ChangeRow, ChangeTotal, DeliveryChanges, DeliveryFile, Restated};
pub use error::PageError;
pub use explain::{
    BillLine, Carried, CarriedLine, CarriedPart, CarriedRow, CarrierKind, Explain, ExplainPage, ExplainQuery,
    ExplainStep, StepKind,
};
pub use month::month_name;
pub use overview::{Figure, OverviewPage, SentencePart, Tile, Tone};
pub use receipt::FactsReceipt;
pub use reconciliation::{
    Cause, ClassCost, CurrencyReconciliation, InvoiceCheck, Link, PrepaidFee, Quarantined, Reconciliation,
    ReconciliationPage,
};
pub use rules::{Coverage, OwnerRule, PricePolicy, RuleSet, RuleVersion, RulesPage, TierPreset};
pub use sources::{
    ClusterFacts, Delivery, DeliveryPeriod, DeliveryState, DriverFacts, FactsGap, Finding, Holding, Schedule, Severity,
    Source, SourcesPage, UsageDelivery,
};
pub use terms::Terms;

/// An exact amount: a canonical decimal such as `-12.5`, never an exponent.
pub type Money = String;

#[cfg(test)]
mod tests;
