use serde::{Deserialize, Serialize};

/// Why a page cannot be shown as asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "error")]
pub enum PageError {
    /// There is nothing in the lake yet: the page guides to the first steps.
    NoData,
    /// No such thing, or none that the reader may know of.
    NotFound {
        /// What was looked for, for example `explain id 1f3c`.
        what: String,
    },
    /// The reader may not see this.
    Forbidden {
        /// What, to follow "you may not".
        what: String,
        /// Names of those who can grant it; empty when nobody is known.
        who: Vec<String>,
    },
    /// Only figures older than the page may show are at hand.
    Stale {
        /// Time of the last good figures, RFC 3339 UTC.
        as_of: String,
    },
    /// The machinery failed; asking again may help.
    Unavailable {
        /// The id to look for in the logs.
        request_id: String,
    },
    /// The address asks for something that does not exist or does not fit.
    BadRequest {
        /// What is wrong, naming the parameter and its value.
        what: String,
        /// What would be right.
        remedy: String,
    },
}

impl PageError {
    /// The HTTP status that says the same.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NoData => 200,
            Self::BadRequest { .. } => 400,
            Self::Forbidden { .. } => 403,
            Self::NotFound { .. } => 404,
            Self::Stale { .. } | Self::Unavailable { .. } => 503,
        }
    }
}
