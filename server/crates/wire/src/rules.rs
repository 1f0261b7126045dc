use serde::{Deserialize, Serialize};

use crate::{Context, Finding, Money};

/// The Rules page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesPage {
    /// Period, basis, currency and freshness the money is about.
    pub context: Context,
    /// The version shown; `None` when no rules were applied yet.
    pub rules: Option<RuleSet>,
    /// Every version, newest first.
    pub versions: Vec<RuleVersion>,
    /// Money with an owner, by dimension.
    pub coverage: Vec<Coverage>,
    /// Unreachable rules, overlaps, and what else the check found.
    pub findings: Vec<Finding>,
    /// The service tiers in use.
    pub tiers: Vec<TierPreset>,
    /// What is evened out before anybody is charged.
    pub prices: PricePolicy,
}

/// The price policy in force (A16-A18, A23).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricePolicy {
    /// Its version; `None` is the policy Tonnage comes with.
    pub version: Option<String>,
    /// Steps in order: what, and what happens to it.
    pub steps: Vec<(String, String)>,
    /// As written.
    pub yaml: String,
}

/// One version of the owner rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSet {
    /// The version's facts.
    pub version: RuleVersion,
    /// The rules as written.
    pub yaml: String,
    /// The rules in order.
    pub rules: Vec<OwnerRule>,
}

/// Facts of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVersion {
    /// The version's name.
    pub version: String,
    /// When it was applied, RFC 3339 UTC.
    pub created_at: String,
    /// Who applied it.
    pub author: String,
    /// Number of rules in it.
    pub rules: u32,
    /// The version in force.
    pub current: bool,
}

/// One rule with what it did to the period's money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRule {
    /// Place in the order, from 1.
    pub position: u32,
    /// Its name.
    pub name: String,
    /// First day in force, `YYYY-MM-DD`, inclusive.
    pub from: Option<String>,
    /// First day no longer in force, `YYYY-MM-DD`.
    pub to: Option<String>,
    /// The condition in words; `always` when there is none.
    pub when: String,
    /// The owners it sets: dimension and value in words.
    pub sets: Vec<(String, String)>,
    /// Cost in the period for which it decided at least one dimension.
    pub cost: Money,
    /// Charge rows for which it did.
    pub rows: u64,
    /// False when earlier rules leave nothing for it.
    pub reachable: bool,
    /// Names of earlier rules that match some of the same charges.
    pub overlaps: Vec<String>,
}

/// How much money has an owner in a dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The dimension's key.
    pub dimension: String,
    /// The dimension as people read it.
    pub label: String,
    /// Cost with a value.
    pub allocated: Money,
    /// Cost without one.
    pub unallocated: Money,
    /// Absolute cost with a value in permille of all; `None` when there is none.
    pub permille: Option<u32>,
}

/// What a service tier promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierPreset {
    /// `T0` to `T3`.
    pub tier: String,
    /// What it is for.
    pub name: String,
    /// The promises and limits: name and value in words.
    pub promises: Vec<(String, String)>,
}
