use serde::{Deserialize, Serialize};

use crate::Reader;

/// Which price a cost is taken at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Commitments spread over the time they cover (FOCUS `EffectiveCost`).
    #[default]
    Effective,
    /// What the invoice charges (FOCUS `BilledCost`).
    Billed,
}

impl Basis {
    /// The word used in URLs and in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Effective => "effective",
            Self::Billed => "billed",
        }
    }

    /// The basis a word from a URL names.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        match key {
            "effective" => Some(Self::Effective),
            "billed" => Some(Self::Billed),
            _ => None,
        }
    }
}

/// Whether the figures of a period can still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodState {
    /// At least one delivery of the period is still open.
    Estimated,
    /// Every delivery of the period is final.
    Actual,
}

/// Whose costs these are: shown on every page, also on error pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The company's name, when known.
    pub company: Option<String>,
    /// The data is invented; every page says so.
    pub synthetic: bool,
    /// The version of the program.
    pub version: String,
    /// Who is signed in; `None` when nobody is, or nobody can tell.
    pub reader: Option<Reader>,
}

/// What a page's figures are about and how fresh they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The billing period shown, `YYYY-MM`.
    pub period: String,
    /// Every period with data, oldest first.
    pub periods: Vec<String>,
    /// The currency shown, an ISO 4217 code or the bill's own unit.
    pub currency: String,
    /// Every currency with data in the period.
    pub currencies: Vec<String>,
    /// The cost basis shown.
    pub basis: Basis,
    /// The period compared against, when there is one with data.
    pub against: Option<String>,
    /// When the newest delivery shown was taken in, RFC 3339 UTC.
    pub as_of: Option<String>,
    /// The last day with charges in the period, `YYYY-MM-DD`, inclusive.
    pub data_through: Option<String>,
    /// Estimated while a delivery is open, else actual.
    pub state: PeriodState,
    /// Sources whose last delivery came in time.
    pub sources_fresh: u32,
    /// Sources expected.
    pub sources_total: u32,
    /// The figures may be behind: the page carries a banner with `as_of`.
    pub stale: bool,
}
