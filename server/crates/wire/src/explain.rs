use serde::{Deserialize, Serialize};

use crate::{Basis, Context, Money, PageInfo};

/// The Explain page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainPage {
    /// Period, basis, currency and freshness.
    pub context: Context,
    /// The figures.
    pub explain: Explain,
}

/// Where a figure comes from, down to lines of bill files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explain {
    /// The explain id.
    pub id: String,
    /// What the figure is, for example `tenant acme`.
    pub title: String,
    /// Billing period, `YYYY-MM`.
    pub period: String,
    /// Currency code.
    pub currency: String,
    /// Cost basis.
    pub basis: Basis,
    /// The figure.
    pub cost: Money,
    /// Version of the owner rules applied; `None` when there are none.
    pub rules_version: Option<String>,
    /// The figure's owner keys in order; an empty value means without one.
    pub keys: Vec<(String, String)>,
    /// From the figure down to the bill.
    pub steps: Vec<ExplainStep>,
    /// The bill lines of this page, largest first by absolute amount.
    pub lines: Vec<BillLine>,
    /// Number of all bill lines.
    pub lines_total: u64,
    /// Which page of the lines this is.
    pub page: PageInfo,
    /// Number of lines not listed here.
    pub rest_count: u64,
    /// Amount of the lines not listed.
    pub rest_cost: Money,
    /// Figure less the sum of listed lines and the rest; `0` or something is wrong.
    pub residual: Money,
}

/// One step of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainStep {
    /// What sort of step it is.
    pub kind: StepKind,
    /// What it is called.
    pub label: String,
    /// How the figure comes out of it, in words.
    pub detail: String,
    /// Amount that passes through it.
    pub cost: Money,
    /// The page with more, when there is one.
    pub href: Option<String>,
}

/// What sort of step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// The figure itself.
    Figure,
    /// An owner rule that gave the cost its owner.
    Rule,
    /// No rule matched.
    Unallocated,
    /// A charge class.
    Class,
    /// A delivery of a bill.
    Delivery,
}

/// One line of a bill, or the part of it that belongs to the figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillLine {
    /// The delivery it came in.
    pub delivery_id: String,
    /// The source of the delivery.
    pub source: String,
    /// The file's name inside the delivery.
    pub file: String,
    /// Line in that file, the header being 1; in Parquet the row, the first being 1.
    pub line: u64,
    /// Start of the charge, RFC 3339 UTC, inclusive.
    pub charge_start: String,
    /// End of the charge, RFC 3339 UTC, exclusive.
    pub charge_end: String,
    /// FOCUS `ServiceName`.
    pub service: String,
    /// FOCUS `ResourceId`; empty when the line names none.
    pub resource: String,
    /// FOCUS `ChargeDescription`.
    pub description: String,
    /// The charge class.
    pub class: String,
    /// The part of the line that belongs to the figure.
    pub cost: Money,
    /// The whole line.
    pub line_cost: Money,
    /// Part of the line in permille; 1000 is all of it.
    pub share_permille: u32,
    /// Names of the rules that set its owners, with the dimension.
    pub rules: Vec<(String, String)>,
}
