//! Prices before owners: the fast form of `domain::price::moved`. The bill is
//! read once as it is; only when its kinds of lines say that money can move is
//! it read again, and then only lines that can take part are gathered.

use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::{Charges, Row};
use crate::schema::ChargeFile;
use domain::allocate::Program;
use domain::apportion::Splitter;
use domain::class::Class;
use domain::instant::Span;
use domain::price::schedule::{Fee, scheduled};
use domain::price::{Group, Kind, Live, Move, PRICE_RULE, PriceRule, Prices, attributes_of, day_of, moves};
use domain::split::balancer::Charged;
use domain::{BillingPeriod, Currency, Money};
use polars::prelude::PlHashMap;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Lines that nothing tells apart, as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    set: u32,
    /// Position of the ResourceId, from 1; 0 = none.
    resource: u32,
    period: BillingPeriod,
    span: Span,
}

/// What they add up to, and the first of them.
struct Sum {
    effective: Money,
    prices: Prices,
    file: usize,
    part: i32,
    line: i64,
}

/// The lines that can take part.
struct Gather<'p> {
    charges: Charges<'p>,
    /// By set.
    classes: Vec<Class>,
    resources: Vec<String>,
    sums: Vec<(Key, Sum)>,
}

/// Hands every row of the files to `each`, and after them every move of money
/// between their lines, as rows of their own.
///
/// # Errors
/// When a file cannot be read, an amount split or added exactly, or `each` fails.
pub(crate) fn read<'p>(
    lake: &Lake,
    files: &[ChargeFile],
    charges: &mut Charges<'p>,
    split: Splitter,
    mut each: impl FnMut(&mut Charges<'p>, &ChargeFile, &Row) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    let mut months = BTreeSet::new();
    for file in files {
        charges.read(lake, file, |charges, row| {
            // a file is of one month: nearly always the same as before
            if months.last() != Some(&row.period) {
                months.insert(row.period);
            }
            each(charges, file, row)
        })?;
    }
    schedule(charges, &months, split, &mut each)?;
    let live = Live::of(charges.kinds(), &charges.program().prices);
    if live.is_empty() {
        return Ok(());
    }
    let gathered = gather(lake, files, charges, &live)?;
    let groups: Vec<Group<'_>> = gathered.sums.iter().map(|of| gathered.group(of)).collect();
    let moves = moves(&groups, &charges.program().prices, split).map_err(|source| LakeError::Price { source })?;
    drop(groups);
    let mut sets: PlHashMap<(u32, PriceRule, bool), u32> = PlHashMap::default();
    for moved in &moves {
        let (key, sum) = &gathered.sums[moved.group];
        let of = (key.set, moved.rule, moved.central);
        let set = *sets
            .entry(of)
            .or_insert_with(|| charges.add_set(attributes_of(&gathered.charges.set(key.set).attributes, moved)));
        let row = gathered.row(charges, moved, set);
        each(charges, &files[sum.file], &row)?;
    }
    Ok(())
}

/// Hands out what schedules take off the lines of these months and add to the
/// days of their terms (A24). A fee is converted once, at the rate of its own
/// charge, then spread (A40).
fn schedule<'p>(
    charges: &mut Charges<'p>,
    months: &BTreeSet<BillingPeriod>,
    split: Splitter,
    each: &mut impl FnMut(&mut Charges<'p>, &ChargeFile, &Row) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    let fees = &charges.program().prices.fees;
    let converted = fees.iter().map(|fee| {
        let at = (fee.period, fee.span.first_day());
        Ok(Fee {
            effective: charges.converted(fee.effective, &fee.currency, at)?,
            ..fee.clone()
        })
    });
    let fees = converted.collect::<Result<Vec<Fee>, LakeError>>()?;
    for part in scheduled(&fees, months, split).map_err(|source| LakeError::Price { source })? {
        let set = charges.add_set(part.attributes());
        let origin = &part.line.origin;
        let file = ChargeFile {
            path: origin.path.clone(),
            delivery_id: origin.delivery_id.clone(),
        };
        let row = Row {
            set,
            part: origin.part,
            line: origin.line,
            period: part.period,
            span: part.span,
            billed: Money::ZERO,
            effective: part.effective,
            prices: Prices::default(),
            lines: 0,
            target: None,
            charged: Charged::Hours,
            consumed_s: None,
        };
        each(charges, &file, &row)?;
    }
    Ok(())
}

/// Reads the lines that can take part, in canonical order (A12).
fn gather<'p>(lake: &Lake, files: &[ChargeFile], seen: &Charges<'p>, live: &Live) -> Result<Gather<'p>, LakeError> {
    let program = seen.program();
    let mut charges = Charges::new(program).pricing().like(seen);
    let mut sums: PlHashMap<Key, Sum> = PlHashMap::default();
    let mut ids: PlHashMap<String, u32> = PlHashMap::default();
    // by set, once seen: whether it can take part, and its class
    let mut known: Vec<Option<(bool, Class)>> = Vec::new();
    for (at, file) in files.iter().enumerate() {
        charges.read(lake, file, |charges, row| {
            let set = row.set as usize;
            if known.len() <= set {
                known.resize(set + 1, None);
            }
            let (wanted, class) = *known[set].get_or_insert_with(|| {
                let kind = kind(charges, row.set);
                (live.wants(&kind), kind.class)
            });
            if !wanted {
                return Ok(());
            }
            // what usage knows is split by what ran at the time; of all else the day matters
            let by_usage = charges.joins() && (row.target.is_some() || class == Class::ControlPlane);
            let set = charges.set(row.set);
            let line = Kind {
                category: set.category,
                class,
                attributes: &set.attributes,
            };
            let key = Key {
                set: row.set,
                resource: if by_usage {
                    resource_id(&mut ids, charges.resource())
                } else {
                    0
                },
                period: row.period,
                span: if by_usage || program.prices.keeps_span(&line, row.period, row.span) {
                    row.span
                } else {
                    day_of(row.span)
                },
            };
            match sums.get_mut(&key) {
                Some(sum) => sum.add(row),
                None => {
                    sums.insert(key, Sum::of(at, row));
                    Ok(())
                }
            }
        })?;
    }
    let mut resources = vec![String::new(); ids.len()];
    for (resource, id) in ids {
        resources[id as usize - 1] = resource;
    }
    let class = |known: Option<(bool, Class)>| known.map_or(Class::Other, |(_, class)| class);
    let mut gathered = Gather {
        classes: known.into_iter().map(class).collect(),
        charges,
        resources,
        sums: sums.into_iter().collect(),
    };
    gathered.put_in_order()?;
    Ok(gathered)
}

fn resource_id(ids: &mut PlHashMap<String, u32>, resource: &str) -> u32 {
    if resource.is_empty() {
        return 0;
    }
    if let Some(id) = ids.get(resource) {
        return *id;
    }
    let next = u32::try_from(ids.len() + 1).unwrap_or(u32::MAX);
    ids.insert(resource.to_owned(), next);
    next
}

fn kind<'c>(charges: &'c Charges<'_>, set: u32) -> Kind<'c> {
    let of = charges.set(set);
    Kind {
        category: of.category,
        class: charges.program().classes.class_of(&of.attributes),
        attributes: &of.attributes,
    }
}

fn overflow<E>(_: E) -> LakeError {
    LakeError::Overflow {
        what: "the charges".to_owned(),
    }
}

impl Sum {
    fn of(file: usize, row: &Row) -> Sum {
        Sum {
            effective: row.effective,
            prices: row.prices,
            file,
            part: row.part,
            line: row.line,
        }
    }

    fn add(&mut self, row: &Row) -> Result<(), LakeError> {
        self.effective = self.effective.checked_add(row.effective).map_err(overflow)?;
        self.prices = self.prices.plus(&row.prices).map_err(overflow)?;
        Ok(())
    }
}

impl Gather<'_> {
    fn resource(&self, key: &Key) -> &str {
        key.resource
            .checked_sub(1)
            .map_or("", |at| self.resources[at as usize].as_str())
    }

    /// Sorts by attributes, resource, month and charge period, and joins what
    /// was spelt differently and reads the same.
    fn put_in_order(&mut self) -> Result<(), LakeError> {
        let mut sums = std::mem::take(&mut self.sums);
        let mut sets: Vec<u32> = sums.iter().map(|(key, _)| key.set).collect();
        sets.sort_unstable();
        sets.dedup();
        sets.sort_by(|a, b| self.charges.set(*a).attributes.cmp(&self.charges.set(*b).attributes));
        let mut ranks: PlHashMap<u32, u32> = PlHashMap::default();
        let mut rank = 0;
        for (at, set) in sets.iter().enumerate() {
            if at > 0 && self.charges.set(sets[at - 1]).attributes != self.charges.set(*set).attributes {
                rank += 1;
            }
            ranks.insert(*set, rank);
        }
        let order = |a: &Key, b: &Key| -> Ordering {
            let by = (ranks[&a.set], self.resource(a), a.period, a.span);
            by.cmp(&(ranks[&b.set], self.resource(b), b.period, b.span))
        };
        sums.sort_by(|(a, _), (b, _)| order(a, b));
        let mut joined: Vec<(Key, Sum)> = Vec::with_capacity(sums.len());
        for (key, sum) in sums {
            match joined.last_mut() {
                Some((last, into)) if order(last, &key) == Ordering::Equal => {
                    into.effective = into.effective.checked_add(sum.effective).map_err(overflow)?;
                    into.prices = into.prices.plus(&sum.prices).map_err(overflow)?;
                }
                _ => joined.push((key, sum)),
            }
        }
        self.sums = joined;
        Ok(())
    }

    fn group(&self, (key, sum): &(Key, Sum)) -> Group<'_> {
        let set = self.charges.set(key.set);
        Group {
            period: key.period,
            currency: &set.currency,
            category: set.category,
            class: self.classes[key.set as usize],
            attributes: &set.attributes,
            span: key.span,
            effective: sum.effective,
            prices: sum.prices,
        }
    }

    /// A move as a row of `charges`.
    fn row(&self, charges: &mut Charges<'_>, moved: &Move, set: u32) -> Row {
        let (key, sum) = &self.sums[moved.group];
        let resource = if moved.central { "" } else { self.resource(key) };
        let (target, charged) = charges.join_to(resource, set);
        Row {
            set,
            part: sum.part,
            line: sum.line,
            period: key.period,
            span: key.span,
            billed: Money::ZERO,
            effective: moved.effective,
            prices: Prices::default(),
            lines: 0,
            target,
            charged,
            consumed_s: None,
        }
    }
}

/// Moves by rule and currency, and the sum of what goes to lines.
pub type EvenedSums = BTreeMap<(String, Currency), (u64, Money)>;

/// What is moved between the lines of some files, by rule and currency: how
/// many moves, and the sum of what goes to lines (of what is not elapsed: of
/// what is taken off).
///
/// # Errors
/// When a file cannot be read, or an amount split or added exactly.
pub fn evened(lake: &Lake, files: &[ChargeFile], program: &Program, split: Splitter) -> Result<EvenedSums, LakeError> {
    let mut charges = Charges::new(program);
    let mut sums = EvenedSums::new();
    read(lake, files, &mut charges, split, |charges, _, row| {
        let set = charges.set(row.set);
        if let (0, Some(rule)) = (row.lines, set.attributes.column(PRICE_RULE)) {
            let sum = sums.entry((rule.to_owned(), set.currency.clone())).or_default();
            sum.0 += 1;
            // what is not elapsed is only ever taken off
            let off = rule == PriceRule::NotElapsed.as_str();
            let moved = if off { -row.effective } else { row.effective };
            if moved.units() > 0 {
                sum.1 = sum.1.checked_add(moved).map_err(overflow)?;
            }
        }
        Ok(())
    })?;
    Ok(sums)
}
