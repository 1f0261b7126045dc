use serde::{Deserialize, Serialize};

use crate::{Chart, Context, CostReport, Money};

/// The Overview page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverviewPage {
    /// Period, basis, currency and freshness.
    pub context: Context,
    /// The answer in one or two sentences, in parts that carry their tone.
    pub sentence: Vec<SentencePart>,
    /// About five figures.
    pub tiles: Vec<Tile>,
    /// Cumulative cost by day against the month before.
    pub month_to_date: Option<Chart>,
    /// Cost of the last 13 months.
    pub months: Option<Chart>,
    /// What changed most since the period compared with.
    pub causes: Option<Chart>,
    /// The largest tenants, the rest in one row, and what has no owner.
    pub tenants: CostReport,
}

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentencePart {
    /// The words, with the spaces and signs between the parts.
    pub text: String,
    /// How they are set.
    pub tone: Tone,
}

/// How words or a figure are set; colour never stands alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// As the text around.
    #[default]
    Plain,
    /// In bold.
    Strong,
    /// More spend.
    Over,
    /// Less spend.
    Save,
    /// Something is missing or open.
    Warn,
}

/// One figure with its label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// What the figure is.
    pub label: String,
    /// The figure.
    pub value: Figure,
    /// A few words under it.
    pub note: String,
    /// Tone of the note.
    pub tone: Tone,
    /// The page with the detail.
    pub href: Option<String>,
}

/// A figure, formatted by the reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub enum Figure {
    /// Shown in whole units, exact on demand.
    Money(Money),
    /// Shown to the currency's minor unit: residuals.
    MoneyExact(Money),
    /// A share.
    Permille(i64),
    /// A date, a count, a word.
    Text(String),
    /// Not known, which is not zero.
    Unknown,
}
