//! From a figure back to the lines of the bill.

mod carried;

pub use carried::{Carried, CarriedRow, Carrier, Level, ThingKind};

use crate::clusters::{self, Gathered, GroupKey};
use crate::error::LakeError;
use crate::object::Lake;
use crate::prices;
use crate::rows::{Charges, Row};
use crate::schema::ChargeFile;
use crate::usage::UsageFile;
use carried::Carriers;
use domain::allocate::{CUBE_COLUMNS, CubeKey, CubeValue, Program};
use domain::apportion::apportion;
use domain::charge::{Attributes, ChargeCategory};
use domain::class::{Class, ClassRules};
use domain::instant::Span;
use domain::invoice::InvoiceLines;
use domain::money::MoneySum;
use domain::owner::Assignment;
use domain::price::PRICE_RULE;
use domain::rule::{RuleSet, Sample};
use domain::usage::Part;
use domain::{BillingPeriod, Currency, Money};
use std::collections::{BTreeMap, BTreeSet};
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
    /// What of clusters carries the figure, at the level asked for.
    pub carried: Carried,
    /// What of the figure clusters carry: all things together.
    pub of_clusters: Money,
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
    /// The rule by which prices were evened out, when they are moves of money.
    pub price_rule: Option<String>,
    /// How many lines.
    pub count: u64,
    /// Sum of their shares.
    pub total: Money,
}

/// Columns shown beside a line that no rule needs to look at.
const SHOWN: [&str; 3] = ["ResourceId", "ChargeDescription", "ServiceName"];

/// Finds the bill lines whose money, or part of it, is under the keys `wanted`
/// accepts, one currency at a time. Of all of them, largest first, the ones at
/// `listed` are kept as lines; memory grows with its end, not with the bill,
/// but for the charges of things in clusters, which are kept to be split.
///
/// # Errors
/// When a file cannot be read or the shares cannot be added exactly.
pub fn bill_lines(
    lake: &Lake,
    files: &[ChargeFile],
    usage: &[UsageFile],
    program: &Program,
    wanted: &dyn Fn(&CubeKey) -> bool,
    basis: Basis,
    (listed, level): (Range<usize>, &Level),
) -> Result<BillLines, LakeError> {
    let mut usage = usage.to_vec();
    usage.sort_by(|a, b| (&a.cluster, a.day).cmp(&(&b.cluster, b.day)));
    let join = clusters::join_of(lake, &usage)?;
    let mut charges = Charges::with(program, &SHOWN).joining(&join);
    let mut gathered = Gathered::new(&join);
    let mut found = Found::new(listed);
    let mut landings = Vec::new();
    let mut machines: BTreeMap<AmountKey, Vec<BillLine>> = BTreeMap::new();
    prices::read(lake, files, &mut charges, apportion, |charges, file, row| {
        if row.lines == 0 && basis == Basis::Billed {
            return Ok(()); // nothing billed is ever moved
        }
        if let Some((group, kind)) = gathered.take(charges, row)? {
            let lines = machines.entry((group, kind, row.period)).or_default();
            lines.push(bill_line(charges, file, row));
            return Ok(());
        }
        charges.landings(row, &file.path, apportion, &mut landings)?;
        let mut share = None;
        for landing in &landings {
            let key = CubeKey {
                period: row.period,
                day: Some(landing.start.day()),
                ..charges.key(landing.key).clone()
            };
            if wanted(&key) {
                let value = (landing.billed, landing.effective);
                add_share(&mut share, picked(basis, value), &key)?;
            }
        }
        match share {
            Some(share) => found.push(bill_line(charges, file, row), share),
            None => Ok(()),
        }
    })?;
    let mut shares: BTreeMap<AmountKey, Share> = BTreeMap::new();
    let mut carriers = Carriers::default();
    clusters::split(
        lake,
        &gathered,
        &usage,
        &join,
        &mut charges,
        apportion,
        &mut |charges, group, amount, (key, day), value, held| {
            let key = CubeKey {
                period: amount.period,
                day: Some(day),
                ..charges.key(key).clone()
            };
            let money = picked(basis, (value.billed, value.effective));
            let in_figure = wanted(&key);
            if in_figure {
                let at = (*group, amount.kind, amount.period);
                let mut share = shares.remove(&at);
                add_share(&mut share, money, &key)?;
                shares.extend(share.map(|share| (at, share)));
            }
            let part = in_figure.then(|| part_of(&key));
            carriers.add((group, amount), day, money, held, part)
        },
    )?;
    let carried = carriers.finish((&gathered, &join), &machines, basis, level)?;
    let of_clusters = Money::sum(shares.values().map(|(share, _)| *share)).map_err(overflow)?;
    for (at, (share, of)) in shares {
        let lines = machines.remove(&at).unwrap_or_default();
        for (share, line) in over_lines(share, &lines, basis).into_iter().zip(lines) {
            found.push(line, (share, of.clone()))?;
        }
    }
    found.finish(carried, of_clusters)
}

fn part_of(key: &CubeKey) -> Option<Part> {
    let at = CUBE_COLUMNS.iter().position(|column| *column == "AllocationPart")?;
    Part::parse(key.columns[at].as_deref()?)
}

/// Charges that are split together, of one kind and month.
type AmountKey = (GroupKey, u32, BillingPeriod);
/// Money in a figure, and whose it is (the first piece, when rules changed meanwhile).
type Share = (Money, (Class, Assignment));

fn picked(basis: Basis, (billed, effective): (Money, Money)) -> Money {
    match basis {
        Basis::Billed => billed,
        Basis::Effective => effective,
    }
}

fn overflow(_: domain::money::MoneyOverflow) -> LakeError {
    LakeError::Overflow {
        what: "the shares".to_owned(),
    }
}

fn add_share(share: &mut Option<Share>, part: Money, key: &CubeKey) -> Result<(), LakeError> {
    let first = || (Money::ZERO, (key.class, Assignment::clone(&key.assignment)));
    let (sum, of) = share.take().unwrap_or_else(first);
    *share = Some((sum.checked_add(part).map_err(overflow)?, of));
    Ok(())
}

/// Charges by the invoice they name, their currency and InvoiceIssuerName (empty for none).
///
/// # Errors
/// When a file cannot be read or a sum overflows.
pub fn invoice_lines(
    lake: &Lake,
    files: &[ChargeFile],
    program: &Program,
) -> Result<BTreeMap<(String, Currency, String), InvoiceLines>, LakeError> {
    let mut charges = Charges::with(program, &["InvoiceId", "InvoiceIssuerName"]);
    let mut sums: BTreeMap<(String, Currency, String), InvoiceLines> = BTreeMap::new();
    for file in files {
        charges.read(lake, file, |charges, row| {
            let set = charges.set(row.set);
            let Some(number) = set.attributes.column("InvoiceId") else {
                return Ok(());
            };
            let issuer = set.attributes.column("InvoiceIssuerName").unwrap_or_default();
            let key = (number.to_owned(), set.currency.clone(), issuer.to_owned());
            let lines = sums.entry(key).or_default();
            let sum = if set.category == ChargeCategory::Tax {
                &mut lines.tax
            } else {
                &mut lines.net
            };
            *sum = sum.checked_add(row.billed).map_err(overflow)?;
            lines.rows += 1;
            Ok(())
        })?;
    }
    Ok(sums)
}

/// InvoiceIssuerName of the charges of a file; rows without one say nothing.
///
/// # Errors
/// When the file cannot be read.
pub fn issuers(lake: &Lake, file: &ChargeFile, program: &Program) -> Result<BTreeSet<String>, LakeError> {
    let mut charges = Charges::with(program, &["InvoiceIssuerName"]);
    let mut issuers = BTreeSet::new();
    charges.read(lake, file, |charges, row| {
        if let Some(issuer) = charges.set(row.set).attributes.column("InvoiceIssuerName")
            && !issuers.contains(issuer)
        {
            issuers.insert(issuer.to_owned());
        }
        Ok(())
    })?;
    Ok(issuers)
}

/// The share of charges that were split together, over their bill lines: all of
/// it is each line's own amount; a part goes by their amounts, or to the first
/// line when these are of both signs or nothing.
fn over_lines(share: Money, lines: &[BillLine], basis: Basis) -> Vec<Money> {
    let amounts: Vec<Money> = lines
        .iter()
        .map(|line| picked(basis, (line.billed, line.effective)))
        .collect();
    if Money::sum(amounts.iter().copied()) == Ok(share) {
        return amounts;
    }
    let units = || amounts.iter().map(|amount| amount.units());
    let same_sign = units().all(|units| units >= 0) || units().all(|units| units <= 0);
    let weights: Vec<i128> = units().map(i128::abs).collect();
    let split = if same_sign {
        apportion(share, &weights).ok()
    } else {
        None
    };
    split.unwrap_or_else(|| {
        let first = |at| if at == 0 { share } else { Money::ZERO };
        (0..lines.len()).map(first).collect()
    })
}

fn bill_line(charges: &Charges<'_>, file: &ChargeFile, row: &Row) -> BillLine {
    let mut attributes = charges.set(row.set).attributes.clone();
    if row.lines == 0 && !charges.resource().is_empty() {
        // moves are gathered without the columns that are for show
        attributes
            .columns
            .insert("ResourceId".to_owned(), charges.resource().to_owned());
    }
    BillLine {
        delivery_id: file.delivery_id.clone(),
        part: u32::try_from(row.part).unwrap_or(0),
        line: u64::try_from(row.line).unwrap_or(0),
        span: row.span,
        attributes,
        billed: row.billed,
        effective: row.effective,
        share: Money::ZERO,
        assignment: Assignment::nobody(0),
    }
}

/// Delivery, class, owner and price rule of lines.
type GroupOf = (String, Class, Assignment, Option<String>);

/// Lines found so far: the largest ones, and sums of all.
struct Found {
    listed: Range<usize>,
    lines: Vec<BillLine>,
    count: u64,
    total: MoneySum,
    groups: BTreeMap<GroupOf, (u64, Money)>,
}

impl Found {
    fn new(listed: Range<usize>) -> Found {
        Found {
            listed,
            lines: Vec::new(),
            count: 0,
            total: MoneySum::default(),
            groups: BTreeMap::new(),
        }
    }

    fn push(&mut self, line: BillLine, (share, (class, assignment)): Share) -> Result<(), LakeError> {
        let price_rule = line.attributes.column(PRICE_RULE).map(str::to_owned);
        let key = (line.delivery_id.clone(), class, assignment.clone(), price_rule);
        let group = self.groups.entry(key).or_default();
        *group = (group.0 + 1, group.1.checked_add(share).map_err(overflow)?);
        self.count += 1;
        self.total.add(share);
        self.lines.push(BillLine {
            share,
            assignment,
            ..line
        });
        if self.lines.len() > self.listed.end.saturating_mul(2).max(1_000) {
            keep_largest(&mut self.lines, self.listed.end);
        }
        Ok(())
    }

    fn finish(mut self, carried: Carried, of_clusters: Money) -> Result<BillLines, LakeError> {
        keep_largest(&mut self.lines, self.listed.end);
        self.lines.drain(..self.listed.start.min(self.lines.len()));
        let group = |((delivery_id, class, assignment, price_rule), (count, total))| LineGroup {
            delivery_id,
            class,
            assignment,
            price_rule,
            count,
            total,
        };
        Ok(BillLines {
            lines: self.lines,
            count: self.count,
            total: self.total.total().map_err(overflow)?,
            groups: self.groups.into_iter().map(group).collect(),
            carried,
            of_clusters,
        })
    }
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
        prices: domain::price::Policy::as_billed(),
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
        prices: domain::price::Policy::as_billed(),
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
