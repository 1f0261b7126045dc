//! What an agent hears when its facts are in.

use serde::{Deserialize, Serialize};

/// The answer to pushed facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactsReceipt {
    /// Id of the push: the SHA-256 of its document.
    pub id: String,
    /// It was in before: nothing was changed.
    pub already: bool,
    /// Node hours and container hours taken in by this call.
    pub rows: u64,
}
