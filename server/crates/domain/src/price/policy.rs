//! The policy of prices: what is evened out and how, as a file.

use super::Kind;
use super::schedule::{Entry, Fee};
use crate::money::Money;
use crate::rule::{Condition, RawCondition, condition_columns};
use chrono::NaiveDate;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The longest term of a schedule, in months.
const MAX_TERM_MONTHS: u32 = 120;

/// How what floating commitments save is shared (A16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommitmentMode {
    /// As the provider applied them.
    AsApplied,
    /// Shared among covered and eligible on-demand lines, by what they cost
    /// without commitments.
    Pooled,
    /// The buyer keeps its saving; others pay what they used and a margin.
    BuyerFirst,
}

/// Who pays for capacity that nobody used (A23).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnusedMode {
    /// Whoever owns its line: the account that bought it.
    Buyer,
    /// On-demand users of what the commitment could have covered.
    ProRata,
    /// Nobody in particular: unallocated cost of the billing account.
    Central,
}

/// Which billing accounts are of one legal entity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entities(BTreeMap<String, String>);

impl Entities {
    fn of(entities: BTreeMap<String, Vec<String>>) -> Result<Entities, String> {
        let mut by_account = BTreeMap::new();
        for (entity, accounts) in entities {
            if accounts.is_empty() {
                return Err(format!("legal_entities: {entity} has no billing account"));
            }
            for account in accounts {
                let account = account.trim().to_owned();
                if let Some(other) = by_account.insert(account.clone(), entity.clone()) {
                    return Err(format!("legal_entities: {account} is of {other} and of {entity}"));
                }
            }
        }
        Ok(Entities(by_account))
    }

    /// What commitments are shared within: the legal entity of a billing
    /// account, else the account itself (A16).
    #[must_use]
    pub fn scope<'a>(&'a self, account: &'a str) -> CommitmentScope<'a> {
        match self.0.get(account) {
            Some(entity) => CommitmentScope::Entity(entity),
            None => CommitmentScope::Account(account),
        }
    }
}

/// What commitments are shared within, and money never leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommitmentScope<'a> {
    /// A billing account of no known legal entity.
    Account(&'a str),
    /// A legal entity.
    Entity(&'a str),
}

/// One entry of the policy for commitments.
#[derive(Debug, Clone)]
struct CommitmentEntry {
    mode: CommitmentMode,
    margin_permille: u32,
    when: Option<Condition>,
}

/// What is evened out, and how.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Discounts go to the lines they discount (A17).
    pub discounts: bool,
    /// Fees of spend-based commitments go to the lines they paid for (A16).
    pub spend_fees: bool,
    /// One average net price by SKU (A18).
    pub tiers: bool,
    /// Unused commitments (A23).
    pub commitment_unused: UnusedMode,
    /// Unused capacity reservations (A23).
    pub reservation_unused: UnusedMode,
    commitments: Vec<CommitmentEntry>,
    /// Fees over their term (A24).
    pub(super) schedules: Vec<Entry>,
    /// Legal entity by billing account, where it is known.
    pub(super) entities: Arc<Entities>,
    /// The fees of the bills up to now that this policy puts on a schedule, and
    /// what may pay them back; whoever allocates looks for them first.
    pub fees: Arc<[Fee]>,
    /// Of months that are still open: by when usage is known (A23).
    pub through: Arc<super::Through>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    format: u32,
    #[serde(default = "follow")]
    discounts: RawDiscounts,
    #[serde(default = "follow")]
    spend_commitment_fees: RawDiscounts,
    #[serde(default = "average")]
    volume_tiers: RawTiers,
    #[serde(default)]
    commitments: Vec<RawCommitment>,
    #[serde(default = "buyer")]
    commitment_unused: UnusedMode,
    #[serde(default = "buyer")]
    reservation_unused: UnusedMode,
    #[serde(default)]
    schedules: Vec<RawSchedule>,
    /// Billing accounts of each.
    #[serde(default)]
    legal_entities: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSchedule {
    /// A decimal, as text so that no digit is lost.
    above: String,
    term_months: u32,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    when: Option<RawCondition>,
}

impl RawSchedule {
    fn compile(self) -> Result<Entry, String> {
        let above = Money::parse(&self.above).map_err(|_| format!("above: {:?} is not an amount", self.above))?;
        if above.units() < 0 {
            return Err("above: write 0 or more".to_owned());
        }
        if !(1..=MAX_TERM_MONTHS).contains(&self.term_months) {
            return Err(format!("term_months: write 1 to {MAX_TERM_MONTHS}"));
        }
        if self.from.zip(self.to).is_some_and(|(from, to)| from >= to) {
            return Err("`to` is not after `from`".to_owned());
        }
        Ok(Entry {
            above,
            term_months: self.term_months,
            from: self.from,
            to: self.to,
            when: self.when.map(RawCondition::compile).transpose()?,
        })
    }
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum RawDiscounts {
    Follow,
    AsBilled,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum RawTiers {
    Average,
    AsBilled,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCommitment {
    mode: CommitmentMode,
    #[serde(default)]
    margin_permille: u32,
    when: Option<RawCondition>,
}

fn follow() -> RawDiscounts {
    RawDiscounts::Follow
}

fn average() -> RawTiers {
    RawTiers::Average
}

fn buyer() -> UnusedMode {
    UnusedMode::Buyer
}

impl Policy {
    /// The text of the policy we ship, `assets/presets/prices.yaml`.
    pub const PRESET: &'static str = include_str!("../../../../../assets/presets/prices.yaml");

    /// The policy we ship.
    #[must_use]
    pub fn preset() -> Policy {
        static PRESET: std::sync::LazyLock<Policy> = std::sync::LazyLock::new(|| {
            Policy::parse(Policy::PRESET).expect("the shipped preset parses: a test of this module says so")
        });
        PRESET.clone()
    }

    /// Everything as the bill has it.
    #[must_use]
    pub fn as_billed() -> Policy {
        Policy {
            discounts: false,
            spend_fees: false,
            tiers: false,
            commitment_unused: UnusedMode::Buyer,
            reservation_unused: UnusedMode::Buyer,
            commitments: Vec::new(),
            schedules: Vec::new(),
            entities: Arc::default(),
            fees: Arc::default(),
            through: Arc::default(),
        }
    }

    /// Parses a policy file.
    ///
    /// # Errors
    /// Text that names the place and what is wrong.
    pub fn parse(yaml: &str) -> Result<Policy, String> {
        let raw: RawPolicy = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        if raw.format != 1 {
            return Err(format!("format {} is not known; write `format: 1`", raw.format));
        }
        let last = raw.commitments.len().saturating_sub(1);
        let mut commitments = Vec::with_capacity(raw.commitments.len());
        for (at, entry) in raw.commitments.into_iter().enumerate() {
            let place = format!("commitments, entry {}", at + 1);
            if entry.margin_permille > 0 && entry.mode != CommitmentMode::BuyerFirst {
                return Err(format!("{place}: margin_permille is for mode buyer-first alone"));
            }
            if entry.margin_permille > 1_000 {
                return Err(format!("{place}: margin_permille is at most 1000, which is 100 %"));
            }
            if entry.when.is_none() && at < last {
                return Err(format!(
                    "{place}: it has no `when`, so entries after it are never reached"
                ));
            }
            let when = entry.when.map(RawCondition::compile).transpose();
            commitments.push(CommitmentEntry {
                mode: entry.mode,
                margin_permille: entry.margin_permille,
                when: when.map_err(|problem| format!("{place}: {problem}"))?,
            });
        }
        let schedules = raw.schedules.into_iter().enumerate().map(|(at, entry)| {
            let place = format!("schedules, entry {}", at + 1);
            entry.compile().map_err(|problem| format!("{place}: {problem}"))
        });
        Ok(Policy {
            schedules: schedules.collect::<Result<_, _>>()?,
            entities: Arc::new(Entities::of(raw.legal_entities)?),
            fees: Arc::default(),
            through: Arc::default(),
            discounts: raw.discounts == RawDiscounts::Follow,
            spend_fees: raw.spend_commitment_fees == RawDiscounts::Follow,
            tiers: raw.volume_tiers == RawTiers::Average,
            commitment_unused: raw.commitment_unused,
            reservation_unused: raw.reservation_unused,
            commitments,
        })
    }

    /// How commitments are shared for a line, and the margin on what is used of
    /// others' in thousandths: the first entry that holds decides, else as applied.
    #[must_use]
    pub fn commitment(&self, line: &Kind<'_>) -> (CommitmentMode, u32) {
        let holds = |entry: &&CommitmentEntry| {
            let when = entry.when.as_ref();
            when.is_none_or(|when| when.holds(line.attributes, &mut Vec::new()))
        };
        let found = self.commitments.iter().find(holds);
        found.map_or((CommitmentMode::AsApplied, 0), |entry| {
            (entry.mode, entry.margin_permille)
        })
    }

    /// The steps in order, in words: what, and what happens to it.
    #[must_use]
    pub fn summary(&self) -> Vec<(&'static str, String)> {
        let unused = |mode: UnusedMode| match mode {
            UnusedMode::Buyer => "stay with their buyer",
            UnusedMode::ProRata => "are shared by on-demand users of what they could have covered",
            UnusedMode::Central => "are unallocated cost of the billing account",
        };
        let commitments: Vec<String> = self
            .commitments
            .iter()
            .map(|entry| {
                let mode = match entry.mode {
                    CommitmentMode::AsApplied => "as the provider applied them".to_owned(),
                    CommitmentMode::Pooled => {
                        "covered and on-demand use of the same capacity costs the same".to_owned()
                    }
                    CommitmentMode::BuyerFirst => format!(
                        "the buyer keeps its saving, others pay {} ‰ more than they used",
                        entry.margin_permille
                    ),
                };
                if entry.when.is_some() {
                    format!("{mode}, where its condition holds")
                } else {
                    mode
                }
            })
            .collect();
        let applied = || "as the provider applied them".to_owned();
        let discounts = if self.discounts {
            "go to the lines they discount"
        } else {
            "stay lines of their own"
        };
        let tiers = if self.tiers {
            "one average net price by SKU and month"
        } else {
            "as billed"
        };
        vec![
            ("Discounts", discounts.to_owned()),
            (
                "Spend commitment fees",
                if self.spend_fees {
                    "go to the lines they paid for"
                } else {
                    "stay lines of their own"
                }
                .to_owned(),
            ),
            ("Volume tiers", tiers.to_owned()),
            (
                "Commitments",
                commitments
                    .into_iter()
                    .reduce(|a, b| format!("{a}; else {b}"))
                    .unwrap_or_else(applied),
            ),
            ("Unused commitments", unused(self.commitment_unused).to_owned()),
            (
                "Unused capacity reservations",
                unused(self.reservation_unused).to_owned(),
            ),
            ("Fees", self.schedules_in_words()),
            (
                "Commitments are shared within",
                if self.entities.0.is_empty() {
                    "a billing account"
                } else {
                    "a legal entity, where it is known, else a billing account"
                }
                .to_owned(),
            ),
        ]
    }

    fn schedules_in_words(&self) -> String {
        let entry = |entry: &Entry| {
            let date =
                |word: &str, day: Option<NaiveDate>| day.map_or_else(String::new, |day| format!(" {word} {day}"));
            format!(
                "of {} and more over {} months{}{}{}",
                entry.above,
                entry.term_months,
                date("from", entry.from),
                date("before", entry.to),
                if entry.when.is_some() {
                    ", where its condition holds"
                } else {
                    ""
                }
            )
        };
        let entries = self.schedules.iter().map(entry).reduce(|a, b| format!("{a}; else {b}"));
        entries.unwrap_or_else(|| "cost of the month they are billed in".to_owned())
    }

    /// Which billing accounts are of one legal entity.
    #[must_use]
    pub fn entities(&self) -> &Arc<Entities> {
        &self.entities
    }

    /// Charge columns the policy looks at.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<String> {
        let conditions = self.commitments.iter().filter_map(|entry| entry.when.as_ref());
        let schedules = self.schedules.iter().filter_map(|entry| entry.when.as_ref());
        let mut columns = condition_columns(conditions.chain(schedules));
        columns.extend(
            super::COLUMNS
                .iter()
                .chain(&super::commitment::INSTANCE_TYPE)
                .map(|name| (*name).to_owned()),
        );
        columns
    }
}
