//! Owners: who money lands on, one value per dimension.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The dimensions every rule set has, as (key, label), in page order.
pub const BUILT_IN_DIMENSIONS: &[(&str, &str)] = &[
    ("tenant", "Tenant"),
    ("service", "Service"),
    ("workflow", "Workflow"),
    ("tier", "Service tier"),
    ("environment", "Environment"),
    ("region", "Region"),
    ("site", "Site"),
    ("business_unit", "Business unit"),
    ("legal_entity", "Legal entity"),
    ("cost_centre", "Cost centre"),
];

/// The ordered keys of the dimensions of one rule set: built-in, then declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimensions(Vec<String>);

impl Dimensions {
    /// Built-in dimensions and these declared ones.
    #[must_use]
    pub fn with_declared<'a>(declared: impl IntoIterator<Item = &'a str>) -> Dimensions {
        let built_in = BUILT_IN_DIMENSIONS.iter().map(|(key, _)| *key);
        Dimensions(built_in.chain(declared).map(str::to_owned).collect())
    }

    /// All keys in order.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Position of a key.
    #[must_use]
    pub fn position(&self, key: &str) -> Option<usize> {
        self.0.iter().position(|k| k == key)
    }
}

impl Default for Dimensions {
    fn default() -> Self {
        Dimensions::with_declared([])
    }
}

/// One value per dimension of a rule set; `None` = no owner there.
pub type OwnerValues = Vec<Option<Arc<str>>>;

/// What the rules decided for one set of attributes during one stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assignment {
    /// Owner per dimension.
    pub values: OwnerValues,
    /// Per dimension: position of the rule that set it.
    pub rules: Vec<Option<u32>>,
}

impl Assignment {
    /// Nobody, on every dimension.
    #[must_use]
    pub fn nobody(dimensions: usize) -> Assignment {
        Assignment {
            values: vec![None; dimensions],
            rules: vec![None; dimensions],
        }
    }
}
