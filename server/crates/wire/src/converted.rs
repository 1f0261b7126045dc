use serde::{Deserialize, Serialize};

use crate::{Context, CostsQuery, Money};

/// Costs of all currencies in one (A40): each charge converted once, before it is split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvertedPage {
    /// Period, basis and freshness.
    pub context: Context,
    /// What was asked for, filled in.
    pub query: ConvertedQuery,
    /// Currencies the charges can be converted to, as far as there are rates.
    pub currencies: Vec<String>,
    /// `None` while there are no rates at all.
    pub costs: Option<ConvertedCosts>,
}

/// What costs in one currency are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvertedQuery {
    /// Period, keys, basis and filters.
    pub costs: CostsQuery,
    /// Currency asked for.
    pub to: Option<String>,
    /// At the rate of each charge's day instead of the month's average.
    pub charge_date: bool,
}

/// Costs in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvertedCosts {
    /// The currency of `cost` and `total`.
    pub currency: String,
    /// By currency of the bills: what one of it is on average over the month;
    /// at the rates of single days there is no such figure.
    pub rates: Vec<(String, Option<Money>)>,
    /// Largest first.
    pub rows: Vec<ConvertedRow>,
    /// Sum of the rows.
    pub total: Money,
    /// The same in the currencies of the bills.
    pub origin: Vec<(String, Money)>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvertedRow {
    /// Value of each key, in their order; empty for none.
    pub keys: Vec<String>,
    /// In the currency asked for.
    pub cost: Money,
    /// In the currencies of the bills, in the order of `origin`; `None` where there is nothing.
    pub origin: Vec<Option<Money>>,
}
