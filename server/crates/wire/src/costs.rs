use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Basis, Chart, Context, Money};

/// What the Costs page is asked for; its whole state, kept in the URL.
///
/// `None` leaves the choice to the server: the newest period, the only or the
/// largest currency, the period before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostsQuery {
    /// Billing period, `YYYY-MM`.
    pub period: Option<String>,
    /// One or two group-by keys: owner dimensions or FOCUS columns.
    pub by: Vec<String>,
    /// Cost basis.
    pub basis: Basis,
    /// Currency code.
    pub currency: Option<String>,
    /// Period to compare with, `YYYY-MM`.
    pub against: Option<String>,
    /// Conditions in the order given: values of one key are alternatives,
    /// keys are cumulative. An empty value means "without one".
    pub filters: Vec<(String, String)>,
    /// What the rows are ordered by.
    pub sort: SortKey,
    /// Direction of the order.
    pub dir: SortOrder,
    /// Page of rows, from 1.
    pub page: u32,
}

/// What rows can be ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortKey {
    /// By the absolute cost of the period.
    #[default]
    Cost,
    /// By the absolute cost of the period compared with.
    Prior,
    /// By the signed change between the two.
    Change,
    /// By the group-by keys, in their order.
    Name,
}

/// Direction of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortOrder {
    /// Smallest or `a` first.
    Asc,
    /// Largest or `z` first.
    #[default]
    Desc,
}

/// The Costs page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostsPage {
    /// Period, basis, currency and freshness.
    pub context: Context,
    /// The query as understood, with every choice filled in.
    pub query: CostsQuery,
    /// The figures.
    pub report: CostReport,
    /// The same rows drawn, when there is something to draw.
    pub chart: Option<Chart>,
    /// Keys that can be grouped by and filtered on.
    pub options: Vec<GroupOption>,
}

/// A key that costs can be grouped by or filtered on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOption {
    /// The key in URLs and JSON, for example `tenant` or `ServiceName`.
    pub key: String,
    /// The key as people read it, for example `Tenant`.
    pub label: String,
    /// An owner dimension; else a column of the bill.
    pub owner: bool,
}

/// Costs grouped by keys; adds up to the bill of its period and filters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostReport {
    /// Billing period, `YYYY-MM`.
    pub period: String,
    /// Cost basis.
    pub basis: Basis,
    /// Currency code.
    pub currency: String,
    /// Group-by keys in order.
    pub by: Vec<String>,
    /// The rows of this page of the report.
    pub rows: Vec<CostRow>,
    /// Cost of all rows on all pages.
    pub total: Money,
    /// Period compared with.
    pub against: Option<String>,
    /// While the period is unfinished: the days compared, from the first.
    #[serde(default)]
    pub days: Option<u32>,
    /// While the period compared with is unfinished: the days of it there are.
    #[serde(default)]
    pub against_days: Option<u32>,
    /// Cost of all rows in the period compared with.
    pub prior_total: Option<Money>,
    /// Change of the total.
    pub total_change: Option<Change>,
    /// The part of the total without a value in the first group-by key.
    pub unallocated: Money,
    /// The rows of all other pages in one, when there are any.
    pub other: Option<CostRow>,
    /// Which rows these are of how many.
    pub page: PageInfo,
    /// How the total comes out of the bill.
    pub reconciliation: ReconciliationLine,
    /// When the newest delivery in it was taken in, RFC 3339 UTC.
    pub as_of: Option<String>,
}

/// One row of a cost report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostRow {
    /// Value of each group-by key; an empty value means none was found.
    pub keys: BTreeMap<String, String>,
    /// Cost in the period.
    pub cost: Money,
    /// Cost in the period compared with; `None` without such a period.
    pub prior: Option<Money>,
    /// Change between the two.
    pub change: Option<Change>,
    /// Part of the total; parts sum to 1000. `None` when the total is zero.
    pub share_permille: Option<i32>,
    /// Length of the bar: absolute cost against the largest row, 0 to 1000.
    pub bar_permille: u32,
    /// Cost of the last 13 months, oldest first; `None` where there is no data.
    pub trend: Vec<Option<Money>>,
    /// The trend drawn as a small SVG element.
    pub sparkline: Option<String>,
    /// What sort of row it is.
    pub kind: RowKind,
    /// A few words beside the name, for example `T0 · dedicated cluster`.
    pub note: Option<String>,
    /// Opens `/explain/{id}`.
    pub explain_id: Option<String>,
}

/// What sort of row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// An owner or a value of a bill column.
    Owner,
    /// Cost without an owner in the first group-by key.
    Unallocated,
    /// Several rows in one.
    Other,
    /// Cost of deliveries that are still open, where shown apart.
    Estimate,
}

/// A change between two periods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// This period less the one compared with.
    pub amount: Money,
    /// Change in permille of the base; `None` when the base is too small to say.
    pub permille: Option<i64>,
    /// Whether the row existed in both periods.
    pub kind: ChangeKind,
}

/// Whether a row existed in both periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// In both.
    Moved,
    /// Only in this period.
    New,
    /// Only in the period compared with.
    Ended,
}

/// Which rows are shown of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageInfo {
    /// This page, from 1.
    pub page: u32,
    /// Number of pages, at least 1.
    pub pages: u32,
    /// Number of rows on all pages.
    pub rows: u64,
}

/// `bill = part + part + ... , residual`: the figures under every cost table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciliationLine {
    /// Name of the left side, for example `Bill to date`.
    pub label: String,
    /// The left side.
    pub bill: Money,
    /// Names and amounts on the right side.
    pub parts: Vec<(String, Money)>,
    /// Left less right; zero or the page says so loudly.
    pub residual: Money,
}
