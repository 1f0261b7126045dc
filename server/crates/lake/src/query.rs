//! From a figure back to the lines of the bill.

use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use domain::allocate::{CubeKey, CubeValue, Program};
use domain::apportion::apportion;
use domain::charge::Attributes;
use domain::class::{Class, ClassRules};
use domain::instant::Span;
use domain::money::MoneySum;
use domain::owner::Assignment;
use domain::rule::{RuleSet, Sample};
use domain::{Currency, Money};
use std::collections::BTreeMap;
use std::ops::Range;

/// Which cost a figure shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// BilledCost.
    Billed,
    /// EffectiveCost.
    Effective,
}

/// A line of a bill behind a figure. Amounts are in the bill's currency.
#[derive(Debug, Clone, PartialEq)]
pub struct BillLine {
    /// The delivery it came with.
    pub delivery_id: String,
    /// Position of its file in the delivery.
    pub part: u32,
    /// Its line in that file.
    pub line: u64,
    /// Its charge period.
    pub span: Span,
    /// The columns the rules look at, and its tags.
    pub attributes: Attributes,
    /// Its BilledCost.
    pub billed: Money,
    /// Its EffectiveCost.
    pub effective: Money,
    /// The part of it that is in the figure.
    pub share: Money,
    /// Who has that part, and by which rules (the first piece, when rules changed meanwhile).
    pub assignment: Assignment,
}

/// The lines behind a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct BillLines {
    /// The largest by share, without those skipped, at most as many as asked for.
    pub lines: Vec<BillLine>,
    /// How many there are.
    pub count: u64,
    /// Sum of all their shares: the figure.
    pub total: Money,
    /// All of them by delivery, class and owner.
    pub groups: Vec<LineGroup>,
}

/// Lines behind a figure that came with one delivery and have one owner.
#[derive(Debug, Clone, PartialEq)]
pub struct LineGroup {
    /// The delivery.
    pub delivery_id: String,
    /// Their class.
    pub class: Class,
    /// Their owner, and by which rules.
    pub assignment: Assignment,
    /// How many lines.
    pub count: u64,
    /// Sum of their shares.
    pub total: Money,
}

/// Columns shown beside a line that no rule needs to look at.
const SHOWN: [&str; 3] = ["ResourceId", "ChargeDescription", "ServiceName"];

/// Finds the bill lines whose money, or part of it, is under the keys `wanted`
/// accepts, one currency at a time. Of all of them, largest first, the ones at
/// `listed` are kept as lines; memory grows with its end, not with the bill.
///
/// # Errors
/// When a file cannot be read or the shares cannot be added exactly.
pub fn bill_lines(
    lake: &Lake,
    files: &[ChargeFile],
    program: &Program,
    wanted: &dyn Fn(&CubeKey) -> bool,
    basis: Basis,
    listed: Range<usize>,
) -> Result<BillLines, LakeError> {
    let overflow = |_| LakeError::Overflow {
        what: "the shares".to_owned(),
    };
    let mut charges = Charges::with(program, &SHOWN);
    let mut found = BillLines {
        lines: Vec::new(),
        count: 0,
        total: Money::ZERO,
        groups: Vec::new(),
    };
    let mut groups: BTreeMap<(String, Class, Assignment), (u64, Money)> = BTreeMap::new();
    let mut landings = Vec::new();
    for file in files {
        charges.read(lake, file, |charges, row| {
            charges.landings(row, &file.path, apportion, &mut landings)?;
            let mut share = None;
            for landing in &landings {
                let key = CubeKey {
                    period: row.period,
                    day: Some(landing.start.day()),
                    ..charges.key(landing.key).clone()
                };
                if wanted(&key) {
                    let part = if basis == Basis::Billed {
                        landing.billed
                    } else {
                        landing.effective
                    };
                    let (sum, first) = share.take().unwrap_or((Money::ZERO, (key.class, key.assignment)));
                    share = Some((sum.checked_add(part).map_err(overflow)?, first));
                }
            }
            let Some((share, (class, assignment))) = share else {
                return Ok(());
            };
            let group = groups
                .entry((file.delivery_id.clone(), class, assignment.clone()))
                .or_default();
            *group = (group.0 + 1, group.1.checked_add(share).map_err(overflow)?);
            found.count += 1;
            found.total = found.total.checked_add(share).map_err(overflow)?;
            found.lines.push(BillLine {
                delivery_id: file.delivery_id.clone(),
                part: u32::try_from(row.part).unwrap_or(0),
                line: u64::try_from(row.line).unwrap_or(0),
                span: row.span,
                attributes: charges.set(row.set).attributes.clone(),
                billed: row.billed,
                effective: row.effective,
                share,
                assignment,
            });
            if found.lines.len() > listed.end.saturating_mul(2).max(1_000) {
                keep_largest(&mut found.lines, listed.end);
            }
            Ok(())
        })?;
    }
    keep_largest(&mut found.lines, listed.end);
    found.lines.drain(..listed.start.min(found.lines.len()));
    let group = |((delivery_id, class, assignment), (count, total))| LineGroup {
        delivery_id,
        class,
        assignment,
        count,
        total,
    };
    found.groups = groups.into_iter().map(group).collect();
    Ok(found)
}

/// A [`CubeValue`] that is still being added up.
#[derive(Default)]
struct WideValue {
    charges: u64,
    billed: MoneySum,
    effective: MoneySum,
}

/// Sums of the charges themselves, by currency: what a reconciliation compares
/// the manifest and the cube with. Only the totals must fit 38 digits, not what
/// is in between: whether a bill can be added does not depend on its order.
///
/// # Errors
/// When a file cannot be read or a total overflows.
pub fn totals(lake: &Lake, files: &[ChargeFile]) -> Result<BTreeMap<Currency, CubeValue>, LakeError> {
    let overflow = |_| LakeError::Overflow {
        what: "the charges".to_owned(),
    };
    // no rules and no classes: currency alone tells charges apart
    let program = Program {
        rules: RuleSet::empty(),
        classes: ClassRules::none(),
    };
    let mut charges = Charges::bare(&program);
    let mut currencies: BTreeMap<u32, Currency> = BTreeMap::new();
    let mut sums: BTreeMap<Currency, WideValue> = BTreeMap::new();
    for file in files {
        charges.read(lake, file, |charges, row| {
            // sets are few, rows are many: the name is copied once per set
            let currency = currencies
                .entry(row.set)
                .or_insert_with(|| charges.set(row.set).currency.clone());
            let sum = match sums.get_mut(currency) {
                Some(sum) => sum,
                None => sums.entry(currency.clone()).or_default(),
            };
            sum.charges += 1;
            sum.billed.add(row.billed);
            sum.effective.add(row.effective);
            Ok(())
        })?;
    }
    let total = |(currency, sum): (Currency, WideValue)| {
        let value = CubeValue {
            charges: sum.charges,
            billed: sum.billed.total().map_err(overflow)?,
            effective: sum.effective.total().map_err(overflow)?,
        };
        Ok((currency, value))
    };
    sums.into_iter().map(total).collect()
}

/// The distinct sets of attributes these rules look at, with the effective
/// cost behind each, apart by the dates at which rules begin and end.
///
/// # Errors
/// When a file cannot be read or a sum overflows.
pub fn samples(lake: &Lake, files: &[ChargeFile], rules: &RuleSet) -> Result<Vec<Sample>, LakeError> {
    let overflow = |_| LakeError::Overflow {
        what: "the samples".to_owned(),
    };
    let program = Program {
        rules: rules.clone(),
        classes: ClassRules::none(),
    };
    let mut charges = Charges::new(&program);
    let mut sums: BTreeMap<(u32, usize), (Span, Money)> = BTreeMap::new();
    for file in files {
        charges.read(lake, file, |_, row| {
            let sum = sums
                .entry((row.set, rules.epoch(row.span.start)))
                .or_insert((row.span, Money::ZERO));
            sum.1 = sum.1.checked_add(row.effective).map_err(overflow)?;
            Ok(())
        })?;
    }
    let sample = |((set, _), (span, cost))| {
        let set = charges.set(set);
        Sample {
            attributes: set.attributes.clone(),
            span,
            currency: set.currency.clone(),
            cost,
        }
    };
    Ok(sums.into_iter().map(sample).collect())
}

fn keep_largest(lines: &mut Vec<BillLine>, limit: usize) {
    lines.sort_by(|a, b| {
        b.share
            .abs()
            .cmp(&a.share.abs())
            .then_with(|| (&a.delivery_id, a.part, a.line).cmp(&(&b.delivery_id, b.part, b.line)))
    });
    lines.truncate(limit);
}
