use serde::{Deserialize, Serialize};

use crate::{Basis, Context, Measured, Money, PageInfo};

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
    /// The things of clusters that carry the figure; `None` when none do.
    pub carried: Option<Carried>,
}

/// What Explain is asked for beside the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainQuery {
    /// Page of bill lines, from 1.
    pub page: u32,
    /// A thing that carries the figure, as [`CarriedRow::at`] names it; `None` for all.
    pub at: Option<String>,
    /// A day of that thing, `YYYY-MM-DD`; `None` for all.
    pub day: Option<String>,
}

impl Default for ExplainQuery {
    fn default() -> ExplainQuery {
        ExplainQuery {
            page: 1,
            at: None,
            day: None,
        }
    }
}

/// Things of clusters that carry a figure, the days of one of them, or the
/// charge periods (the node-hours) of one of them on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The thing whose days or charges these are; `None` for the things.
    pub at: Option<String>,
    /// The day whose charges these are, `YYYY-MM-DD`.
    pub day: Option<String>,
    /// What the rows and the rest add up to: what the row above has of the figure.
    pub cost: Money,
    /// What clusters carry of the figure; all things add up to it.
    pub of_clusters: Money,
    /// The rest of the figure: bill lines with an owner of their own. With
    /// `of_clusters` it is the figure.
    pub beside: Money,
    /// Things largest first, days and charges in the order of time.
    pub rows: Vec<CarriedRow>,
    /// Rows that are not listed.
    pub rest_count: u64,
    /// What they have of the figure.
    pub rest_cost: Money,
}

/// A thing that carries a figure, a day of it, or one of its charge periods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedRow {
    /// How to ask for the thing.
    pub at: String,
    /// What sort of thing it is.
    pub kind: CarrierKind,
    /// Its cluster; empty for a control plane.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// The day, `YYYY-MM-DD`; `None` for a thing.
    pub day: Option<String>,
    /// Start of the charge period, RFC 3339 UTC; `None` for a thing or a day.
    pub start: Option<String>,
    /// End of it, exclusive.
    pub end: Option<String>,
    /// What was paid for: `machine`, `root_disk`, `traffic`, ...; `None` for a thing or a day.
    pub what: Option<String>,
    /// What its charges cost, all owners together; of a row with a day, on that day.
    pub charge_cost: Money,
    /// What of it is in the figure.
    pub cost: Money,
    /// The same by what it paid for; adds up to `cost`.
    pub parts: Vec<CarriedPart>,
    /// Effective request of the figure's containers; `None` where cost does not go by requests on a node.
    pub effective: Option<Measured>,
    /// What all containers of the node shared meanwhile: allocatable, or their effective requests where these are more.
    pub shared: Option<Measured>,
    /// Bill lines of a charge period, largest first.
    pub lines: Vec<CarriedLine>,
    /// Its bill lines that are not listed.
    pub more_lines: u64,
    /// What they have of the figure; with `lines` it is `cost`.
    pub more_cost: Money,
}

/// What a piece of a row paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedPart {
    /// Allocation part, `workload`, `system_reserved`, ...; empty when the cost has none.
    pub part: String,
    /// What people read.
    pub label: String,
    /// What of it is in the figure.
    pub cost: Money,
}

/// A bill line behind a charge period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedLine {
    /// The delivery it came in.
    pub delivery_id: String,
    /// The file's name inside the delivery.
    pub file: String,
    /// Line in that file.
    pub line: u64,
    /// What of it is in the row.
    pub cost: Money,
    /// The whole line.
    pub line_cost: Money,
}

/// What sort of thing carries cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarrierKind {
    /// A node: machine, root disk and traffic.
    Node,
    /// A volume.
    Volume,
    /// A load balancer.
    LoadBalancer,
    /// A control plane.
    ControlPlane,
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
    /// The whole line; `None` where others have a part of it that the reader may
    /// not work out.
    pub line_cost: Option<Money>,
    /// Part of the line in permille; 1000 is all of it.
    pub share_permille: u32,
    /// Names of the rules that set its owners, with the dimension.
    pub rules: Vec<(String, String)>,
}
