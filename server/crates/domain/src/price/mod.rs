//! Prices before owners: phase P, per billing account and billing period.
//!
//! A bill prices by accident: a discount stands in a line of its own, the first
//! gigabyte is free for whoever used it first, and a savings plan lands on
//! whichever machine saved the most. Before anybody is charged, EffectiveCost
//! is moved between the lines of one billing account, month and currency so
//! that equal use costs the same (A16-A18, A23). BilledCost stays where the
//! invoice has it.
//!
//! A move is a charge of its own: BilledCost 0, EffectiveCost what is moved, the
//! attributes of the line it corrects and [`PRICE_RULE`] with the rule. So
//! owners, classes, clusters and Explain treat it as they treat its line, both
//! figures stay visible, and the moves of an account add up to nothing. What
//! commitments save is shared within a legal entity when the policy says which
//! accounts are of one: then the moves of the entity add up to nothing.
//!
//! The steps run in order and each sees what the one before left:
//! [`elapsed`], [`discount`], [`fee`], [`tier`], [`commitment`], [`unused`]. The
//! first takes money out of an open month, to come back as it elapses (A23).
//!
//! Fees on a schedule (A24) are apart: [`schedule`] moves them between months,
//! by what the bills up to now say ([`Policy::fees`]).

use crate::allocate::Program;
use crate::apportion::{ApportionError, Splitter};
use crate::charge::{Attributes, Charge, ChargeCategory};
use crate::class::Class;
use crate::commitment::ElapsedError;
use crate::instant::{Day, Span};
use crate::money::{Currency, Money, MoneyOverflow};
use crate::period::BillingPeriod;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use thiserror::Error;

mod commitment;
mod discount;
mod elapsed;
mod fee;
mod policy;
pub mod schedule;
mod tier;
mod unused;

pub use elapsed::Through;
pub use policy::{CommitmentMode, CommitmentScope, Entities, Policy, UnusedMode};

/// Column of a move that names its rule.
pub const PRICE_RULE: &str = "PriceRule";

/// Why money was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PriceRule {
    /// A discount to the lines it discounts (A17).
    Discount,
    /// The fee of a spend-based commitment to the lines it paid for (A16).
    SpendFee,
    /// Volume tiers and free tiers at the average net price (A18).
    Tier,
    /// What commitments saved, shared among those they could have covered (A16).
    Commitment,
    /// Capacity that was paid for and not used, by policy (A23).
    Unused,
    /// Fees over the days of their term (A24).
    Schedule,
    /// What is unused of an open month and not elapsed (A23).
    NotElapsed,
}

impl PriceRule {
    /// What [`PRICE_RULE`] says.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PriceRule::Discount => "A17 discount",
            PriceRule::SpendFee => "A16 spend commitment fee",
            PriceRule::Tier => "A18 volume tier",
            PriceRule::Commitment => "A16 commitment",
            PriceRule::Unused => "A23 unused",
            PriceRule::Schedule => "A24 schedule",
            PriceRule::NotElapsed => "A23 not elapsed",
        }
    }
}

/// Amounts beside the two costs that prices are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prices {
    /// ListCost.
    pub list: Option<Money>,
    /// ContractedCost.
    pub contracted: Option<Money>,
    /// PricingQuantity, else ConsumedQuantity, at scale 12.
    pub quantity: Option<i128>,
}

/// Lines that nothing tells apart: the same attributes and UTC day; of what the
/// usage of a cluster knows, the same resource and charge period, since its
/// hours are split by what ran then.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Billing month.
    pub period: BillingPeriod,
    /// Billing currency.
    pub currency: &'a Currency,
    /// FOCUS ChargeCategory.
    pub category: ChargeCategory,
    /// Class.
    pub class: Class,
    /// What rules see.
    pub attributes: &'a Attributes,
    /// Charge period.
    pub span: Span,
    /// Sum of EffectiveCost.
    pub effective: Money,
    /// Sums; unknown when one line lacks it.
    pub prices: Prices,
}

/// Money that is moved to, or from, a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Position of the group.
    pub group: usize,
    /// Why.
    pub rule: PriceRule,
    /// How much; below zero: from it.
    pub effective: Money,
    /// It is nobody's: owners are looked for without account, resource and tags.
    pub central: bool,
}

/// Why prices could not be evened out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PriceError {
    /// A split was refused.
    #[error("prices could not be evened out")]
    Split(#[from] ApportionError),
    /// A sum overflowed.
    #[error("the amounts are too large to add exactly")]
    Overflow(#[from] MoneyOverflow),
}

impl From<ElapsedError> for PriceError {
    fn from(error: ElapsedError) -> PriceError {
        match error {
            ElapsedError::Split(source) => PriceError::Split(source),
            ElapsedError::Overflow(source) => PriceError::Overflow(source),
        }
    }
}

/// Columns the decisions look at.
pub const COLUMNS: [&str; 18] = [
    "BillingAccountId",
    "ProviderName",
    "ServiceProviderName",
    "SubAccountId",
    "ServiceName",
    "RegionId",
    "SkuId",
    "SkuPriceId",
    "PricingCategory",
    "PricingUnit",
    "ConsumedUnit",
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "CapacityReservationStatus",
    "ChargeClass",
    "ChargeFrequency",
    "PublisherName",
    PRICE_RULE,
];

/// Whether a line is a move, not one of the bill.
#[must_use]
pub fn is_move(attributes: &Attributes) -> bool {
    attributes.column(PRICE_RULE).is_some()
}

/// The attributes of a move of a line.
#[must_use]
pub fn attributes_of(line: &Attributes, moved: &Move) -> Attributes {
    const CENTRAL: [&str; 10] = [
        "BillingAccountId",
        "ProviderName",
        "ServiceProviderName",
        "ServiceCategory",
        "ServiceName",
        "RegionId",
        "ChargeCategory",
        "CommitmentDiscountId",
        "CommitmentDiscountStatus",
        "CapacityReservationStatus",
    ];
    let mut attributes = line.clone();
    if moved.central {
        attributes
            .columns
            .retain(|name, _| CENTRAL.contains(&name.as_str()) || name == "BillingCurrency");
        attributes.tags.clear();
    }
    attributes.with_column(PRICE_RULE, moved.rule.as_str())
}

/// A bill's groups while money is moved between them.
struct Book<'g, 'a> {
    groups: &'g [Group<'a>],
    policy: &'g Policy,
    split: Splitter,
    /// EffectiveCost by group, as the steps so far left it.
    running: Vec<Money>,
    moves: BTreeMap<(usize, PriceRule, bool), Money>,
}

impl Book<'_, '_> {
    fn give(&mut self, group: usize, rule: PriceRule, amount: Money) -> Result<(), PriceError> {
        self.running[group] = self.running[group].checked_add(amount)?;
        self.note(group, rule, false, amount)
    }

    fn note(&mut self, group: usize, rule: PriceRule, central: bool, amount: Money) -> Result<(), PriceError> {
        let sum = self.moves.entry((group, rule, central)).or_default();
        *sum = sum.checked_add(amount)?;
        Ok(())
    }

    /// Shares money out by weights; `false` when nobody has one.
    fn share(&mut self, money: Money, to: &[usize], weights: &[i128], rule: PriceRule) -> Result<bool, PriceError> {
        let weights = addable(weights);
        if weights.iter().all(|weight| *weight == 0) {
            return Ok(false);
        }
        for (group, part) in to.iter().zip((self.split)(money, &weights)?) {
            self.give(*group, rule, part)?;
        }
        Ok(true)
    }

    fn text(&self, group: usize, column: &str) -> String {
        text(self.groups[group].attributes, column).to_owned()
    }

    /// What commitments are shared within: a legal entity, else the account.
    fn commitment_scope(&self, group: usize) -> Scope {
        let of = &self.groups[group];
        Scope {
            account: scope_of(&self.policy.entities, of.attributes),
            period: of.period,
            currency: of.currency.clone(),
        }
    }

    fn scope(&self, group: usize) -> Scope {
        let of = &self.groups[group];
        Scope {
            account: self.text(group, "BillingAccountId"),
            period: of.period,
            currency: of.currency.clone(),
        }
    }
}

/// What money is never moved out of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    account: String,
    period: BillingPeriod,
    currency: Currency,
}

fn text<'a>(attributes: &'a Attributes, column: &str) -> &'a str {
    attributes.column(column).map_or("", str::trim)
}

/// [`Entities::scope`] of a line, as text that no two scopes share.
fn scope_of(entities: &Entities, attributes: &Attributes) -> String {
    match entities.scope(text(attributes, "BillingAccountId")) {
        CommitmentScope::Account(account) => account.to_owned(),
        // no account has a line feed in its id
        CommitmentScope::Entity(entity) => format!("\n{entity}"),
    }
}

/// PricingUnit, else ConsumedUnit.
fn unit(attributes: &Attributes) -> String {
    let pricing = text(attributes, "PricingUnit");
    let unit = if pricing.is_empty() {
        text(attributes, "ConsumedUnit")
    } else {
        pricing
    };
    unit.to_ascii_lowercase()
}

/// Weights whose sum fits: all are divided by the same power of two when it does not.
fn addable(weights: &[i128]) -> Vec<i128> {
    let mut shift = 0;
    while weights
        .iter()
        .try_fold(0i128, |sum, weight| sum.checked_add(*weight >> shift))
        .is_none()
    {
        shift += 8;
    }
    weights.iter().map(|weight| weight >> shift).collect()
}

/// Evens prices out: what to move between groups, which are in canonical order
/// (A12) and of any number of accounts, months and currencies. Sums over the
/// moves of an account, month and currency are zero, but for what is not elapsed
/// of an open month.
///
/// # Errors
/// When an amount cannot be split or added exactly.
pub fn moves(groups: &[Group<'_>], policy: &Policy, split: Splitter) -> Result<Vec<Move>, PriceError> {
    let mut book = Book {
        groups,
        policy,
        split,
        running: groups.iter().map(|group| group.effective).collect(),
        moves: BTreeMap::new(),
    };
    elapsed::step(&mut book)?;
    discount::step(&mut book)?;
    fee::step(&mut book)?;
    tier::step(&mut book)?;
    commitment::step(&mut book)?;
    unused::step(&mut book)?;
    let moves = book.moves.into_iter().filter(|(_, amount)| !amount.is_zero());
    Ok(moves
        .map(|((group, rule, central), effective)| Move {
            group,
            rule,
            effective,
            central,
        })
        .collect())
}

/// Which lines of a bill can take part in a move, by the distinct sets of
/// attributes it has: what no step can touch need not be gathered.
#[derive(Debug, Clone, Default)]
pub struct Live {
    elapsed: elapsed::Live,
    discount: discount::Live,
    fee: fee::Live,
    tier: tier::Live,
    commitment: commitment::Live,
    unused: unused::Live,
}

/// What tells lines apart for [`Live`].
#[derive(Debug, Clone, Copy)]
pub struct Kind<'a> {
    /// FOCUS ChargeCategory.
    pub category: ChargeCategory,
    /// Class.
    pub class: Class,
    /// What rules see.
    pub attributes: &'a Attributes,
}

impl Live {
    /// Looks at the kinds of lines of a bill.
    #[must_use]
    pub fn of<'a>(kinds: impl Iterator<Item = Kind<'a>> + Clone, policy: &Policy) -> Live {
        Live {
            elapsed: elapsed::Live::of(kinds.clone(), policy),
            discount: discount::Live::of(kinds.clone(), policy),
            fee: fee::Live::of(kinds.clone(), policy),
            tier: tier::Live::of(kinds.clone(), policy),
            commitment: commitment::Live::of(kinds.clone(), policy),
            unused: unused::Live::of(kinds, policy),
        }
    }

    /// Whether nothing can be moved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elapsed.is_empty()
            && self.discount.is_empty()
            && self.fee.is_empty()
            && self.tier.is_empty()
            && self.commitment.is_empty()
            && self.unused.is_empty()
    }

    /// Whether lines of this kind can take part.
    #[must_use]
    pub fn wants(&self, kind: &Kind<'_>) -> bool {
        self.elapsed.wants(kind)
            || self.discount.wants(kind)
            || self.fee.wants(kind)
            || self.tier.wants(kind)
            || self.commitment.wants(kind)
            || self.unused.wants(kind)
    }
}

impl Group<'_> {
    fn kind(&self) -> Kind<'_> {
        Kind {
            category: self.category,
            class: self.class,
            attributes: self.attributes,
        }
    }
}

/// What of a charge's time matters when nothing is known of what ran then: the
/// day it is within, else all of it.
#[must_use]
pub fn day_of(span: Span) -> Span {
    if !span.within_one_day() {
        return span;
    }
    let day = span.first_day();
    Span {
        start: day.start(),
        end: Day(day.0 + 1).start(),
    }
}

/// The moves of a bill as charges, to be allocated after it: the reference.
/// Schedules are those of [`Policy::fees`].
/// `is_known` says whether the usage knows what a charge is of.
///
/// # Errors
/// As [`moves`].
pub fn moved(
    charges: &[Charge],
    program: &Program,
    split: Splitter,
    is_known: impl Fn(&Charge) -> bool,
) -> Result<Vec<Charge>, PriceError> {
    let columns = program.columns();
    let kept = |name: &String| columns.contains(name) || name == "BillingCurrency" || name == "ChargeCategory";
    let mut sums: BTreeMap<(Attributes, Option<String>, BillingPeriod, Span), Charge> = BTreeMap::new();
    for charge in charges {
        let known = is_known(charge);
        let resource = charge.attributes.columns.get("ResourceId").filter(|_| known).cloned();
        let mut attributes = charge.attributes.clone();
        attributes.columns.retain(|name, _| kept(name));
        let line = Kind {
            category: charge.category,
            class: program.classes.class_of(&attributes),
            attributes: &attributes,
        };
        let exact = known || program.prices.keeps_span(&line, charge.period, charge.span);
        let span = if exact { charge.span } else { day_of(charge.span) };
        match sums.entry((attributes.clone(), resource, charge.period, span)) {
            Entry::Vacant(empty) => {
                let line = Charge {
                    attributes,
                    span,
                    ..charge.clone()
                };
                empty.insert(line);
            }
            Entry::Occupied(mut known) => {
                let sum = known.get_mut();
                sum.effective = sum.effective.checked_add(charge.effective)?;
                sum.prices = sum.prices.plus(&charge.prices)?;
            }
        }
    }
    let resources: Vec<Option<String>> = sums.keys().map(|(_, resource, _, _)| resource.clone()).collect();
    let lines: Vec<Charge> = sums.into_values().collect();
    let groups: Vec<Group<'_>> = lines
        .iter()
        .map(|line| Group {
            period: line.period,
            currency: &line.currency,
            category: line.category,
            class: program.classes.class_of(&line.attributes),
            attributes: &line.attributes,
            span: line.span,
            effective: line.effective,
            prices: line.prices,
        })
        .collect();
    let moves = moves(&groups, &program.prices, split)?;
    let charge = |moved: &Move| {
        let line = &lines[moved.group];
        let mut attributes = line.attributes.clone();
        if let Some(resource) = &resources[moved.group] {
            attributes.columns.insert("ResourceId".to_owned(), resource.clone());
        }
        Charge {
            id: format!("{} {}", line.id, moved.rule.as_str()),
            billed: Money::ZERO,
            effective: moved.effective,
            consumed_s: None,
            prices: Prices::default(),
            attributes: attributes_of(&attributes, moved),
            ..line.clone()
        }
    };
    let mut moved: Vec<Charge> = moves.iter().map(charge).collect();
    let months = charges.iter().map(|charge| charge.period).collect();
    let scheduled = schedule::scheduled(&program.prices.fees, &months, split)?;
    moved.extend(scheduled.iter().map(schedule::Scheduled::charge));
    Ok(moved)
}

impl Prices {
    /// The sums of two lines: unknown when one of them is.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn plus(&self, other: &Prices) -> Result<Prices, MoneyOverflow> {
        let add = |a: Option<Money>, b: Option<Money>| match (a, b) {
            (Some(a), Some(b)) => a.checked_add(b).map(Some),
            _ => Ok(None),
        };
        Ok(Prices {
            list: add(self.list, other.list)?,
            contracted: add(self.contracted, other.contracted)?,
            quantity: match (self.quantity, other.quantity) {
                (Some(a), Some(b)) => Some(a.checked_add(b).ok_or(MoneyOverflow)?),
                _ => None,
            },
        })
    }
}

#[cfg(test)]
mod tests;
