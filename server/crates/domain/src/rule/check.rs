//! What a rule set does to real charges: reach, overlaps, coverage in money.

use super::{RuleSet, resolve};
use crate::charge::Attributes;
use crate::instant::Span;
use crate::money::{Currency, Money, MoneyOverflow};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A distinct set of attributes with the money behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// What the rules look at.
    pub attributes: Attributes,
    /// When it was charged; rules are judged at its start.
    pub span: Span,
    /// Currency of `cost`.
    pub currency: Currency,
    /// Effective cost.
    pub cost: Money,
}

/// Money per currency.
pub type MoneyByCurrency = BTreeMap<Currency, Money>;

/// One rule under the microscope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRule {
    /// Position in the set.
    pub position: usize,
    /// Its name.
    pub name: String,
    /// Money its condition matched while in force.
    pub matched: MoneyByCurrency,
    /// Money on which it decided at least one dimension.
    pub won: MoneyByCurrency,
    /// Samples matched.
    pub matched_samples: u64,
    /// Samples decided.
    pub won_samples: u64,
    /// An earlier rule that catches everything makes this one unreachable.
    pub unreachable_because: Option<String>,
}

/// Two rules that both match and want different values for one dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The rule that wins.
    pub first: String,
    /// The rule that loses.
    pub second: String,
    /// Dimension key.
    pub dimension: String,
    /// Money under both.
    pub cost: MoneyByCurrency,
    /// Samples under both.
    pub samples: u64,
}

/// How much money has an owner on a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Dimension key.
    pub dimension: String,
    /// Money with an owner.
    pub owned: MoneyByCurrency,
    /// All money.
    pub total: MoneyByCurrency,
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleReport {
    /// Every rule, in order.
    pub rules: Vec<CheckedRule>,
    /// Pairs in conflict, most money first.
    pub overlaps: Vec<Overlap>,
    /// Per dimension.
    pub coverage: Vec<Coverage>,
}

fn add(map: &mut MoneyByCurrency, currency: &Currency, cost: Money) -> Result<(), MoneyOverflow> {
    let entry = map.entry(currency.clone()).or_default();
    *entry = entry.checked_add(cost)?;
    Ok(())
}

/// Runs every rule over every sample.
///
/// # Errors
/// When a sum of money overflows.
pub fn check(set: &RuleSet, samples: &[Sample]) -> Result<RuleReport, MoneyOverflow> {
    let mut rules: Vec<CheckedRule> = set
        .rules
        .iter()
        .enumerate()
        .map(|(position, _)| fresh(set, position))
        .collect();
    let mut overlaps: BTreeMap<(usize, usize, usize), (MoneyByCurrency, u64)> = BTreeMap::new();
    let keys = set.dimensions.keys();
    let mut coverage: Vec<Coverage> = keys
        .iter()
        .map(|key| Coverage {
            dimension: key.clone(),
            owned: BTreeMap::new(),
            total: BTreeMap::new(),
        })
        .collect();
    for sample in samples {
        let mut winners: Vec<Option<(usize, Arc<str>)>> = vec![None; keys.len()];
        for (position, rule) in set.rules.iter().enumerate() {
            let mut captures = Vec::new();
            if !rule.in_force(sample.span.start) || !rule.when.holds(&sample.attributes, &mut captures) {
                continue;
            }
            let checked = &mut rules[position];
            checked.matched_samples += 1;
            add(&mut checked.matched, &sample.currency, sample.cost)?;
            let mut decided = false;
            for (dimension, value) in &rule.set {
                let Some(text) = resolve(value, &sample.attributes, &captures) else {
                    continue;
                };
                match &winners[*dimension] {
                    None => {
                        winners[*dimension] = Some((position, text));
                        decided = true;
                    }
                    Some((winner, other)) if *other != text => {
                        let entry = overlaps.entry((*winner, position, *dimension)).or_default();
                        entry.1 += 1;
                        add(&mut entry.0, &sample.currency, sample.cost)?;
                    }
                    Some(_) => {}
                }
            }
            if decided {
                rules[position].won_samples += 1;
                add(&mut rules[position].won, &sample.currency, sample.cost)?;
            }
        }
        for (dimension, winner) in winners.iter().enumerate() {
            add(&mut coverage[dimension].total, &sample.currency, sample.cost)?;
            if winner.is_some() {
                add(&mut coverage[dimension].owned, &sample.currency, sample.cost)?;
            }
        }
    }
    let mut overlaps: Vec<Overlap> = overlaps
        .into_iter()
        .map(|((first, second, dimension), (cost, samples))| Overlap {
            first: set.rules[first].name.clone(),
            second: set.rules[second].name.clone(),
            dimension: keys[dimension].clone(),
            cost,
            samples,
        })
        .collect();
    overlaps.sort_by_key(|o| std::cmp::Reverse(o.cost.values().map(|m| m.abs()).max()));
    Ok(RuleReport {
        rules,
        overlaps,
        coverage,
    })
}

fn fresh(set: &RuleSet, position: usize) -> CheckedRule {
    let rule = &set.rules[position];
    // a rule without condition or dates that sets literals decides these dimensions for good
    let mut because = None;
    let closed = |dimension: usize| {
        set.rules[..position].iter().find(|earlier| {
            earlier.from.is_none()
                && earlier.to.is_none()
                && matches!(&earlier.when, super::Condition::All(parts) if parts.is_empty())
                && earlier
                    .set
                    .iter()
                    .any(|(d, v)| *d == dimension && matches!(v, super::Value::Literal(_)))
        })
    };
    if rule.set.iter().all(|(dimension, _)| closed(*dimension).is_some()) {
        because = rule
            .set
            .first()
            .and_then(|(d, _)| closed(*d))
            .map(|earlier| earlier.name.clone());
    }
    CheckedRule {
        position,
        name: rule.name.clone(),
        matched: BTreeMap::new(),
        won: BTreeMap::new(),
        matched_samples: 0,
        won_samples: 0,
        unreachable_because: because,
    }
}
