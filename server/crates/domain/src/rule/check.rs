//! What a rule set does to real charges: reach, overlaps, coverage in money.

use super::{RuleSet, resolve};
use crate::charge::Attributes;
use crate::dialect::FOCUS_COLUMNS;
use crate::finding::Finding;
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
    /// What looks like a slip of the pen.
    pub findings: Vec<Finding>,
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
        findings: misspelled(set, samples),
    })
}

/// Columns that no charge has and whose name is nearly one of FOCUS: a rule
/// that looks at one never matches, and nothing else says why.
fn misspelled(set: &RuleSet, samples: &[Sample]) -> Vec<Finding> {
    let unknown = set.columns().into_iter().filter(|name| {
        !FOCUS_COLUMNS.iter().any(|column| column.name == name)
            && !samples.iter().any(|sample| sample.attributes.column(name).is_some())
    });
    let warned = unknown.filter_map(|name| {
        let (distance, near) = FOCUS_COLUMNS
            .iter()
            .map(|column| (edits(&name.to_lowercase(), &column.name.to_lowercase()), column.name))
            .min()?;
        let finding = Finding::warning(
            "unknown_column",
            format!("no charge has a column {name}; did you mean {near}?"),
        );
        (distance <= SLIPS).then(|| {
            finding
                .in_column(&name)
                .remedy("names of columns are written exactly as in the bill")
        })
    });
    warned.collect()
}

/// Letters that may be wrong in a name that is still recognised.
const SLIPS: usize = 2;

/// Letters to insert, remove or replace to make one text of the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (place, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[to.len()]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_between_words() {
        for (from, to, expect) in [
            ("", "", 0),
            ("abc", "", 3),
            ("servicename", "servicename", 0),
            ("servicname", "servicename", 1),
            ("servcieName", "servciename", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((edits(from, to), edits(to, from)), (expect, expect), "{from} {to}");
        }
    }

    #[test]
    fn a_misspelled_column_is_suggested() {
        let yaml = |column: &str| {
            format!(
                "format: 1\nrules:\n  - name: r\n    when: {{column: {column}, equals: x}}\n    set: {{tenant: t}}\n"
            )
        };
        let sample = |columns: &[&str]| {
            let mut attributes = Attributes::default();
            for name in columns {
                attributes.columns.insert((*name).to_owned(), "y".to_owned());
            }
            let instant = crate::instant::Instant(0);
            Sample {
                attributes,
                span: Span {
                    start: instant,
                    end: instant,
                },
                currency: Currency::unknown(),
                cost: Money::ZERO,
            }
        };
        for (column, there, near) in [
            ("ServiceNmae", &[][..], Some("ServiceName")),
            ("servicename", &[], Some("ServiceName")),
            ("SubAcountId", &["ServiceName"], Some("SubAccountId")),
            ("ServiceName", &[], None),
            ("SubAcountId", &["SubAcountId"], None),
            ("x_CostCentre", &[], None),
        ] {
            let set = RuleSet::parse(&yaml(column)).expect("rules");
            let report = check(&set, &[sample(there)]).expect("small");
            let said = report.findings.first().map(|finding| finding.message.as_str());
            assert_eq!(said.is_some(), near.is_some(), "{column}: {said:?}");
            assert!(
                said.zip(near).is_none_or(|(said, near)| said.contains(near)),
                "{said:?}"
            );
        }
    }
}
