//! Sharing: idle capacity, namespaces, labels and fixed costs move onto the
//! rows that remain. Every share is an apportionment over rows in canonical
//! order (A12), so nothing is lost or made, and because it is made row by row
//! no figure depends on how rows are grouped or filtered afterwards.

use super::BadAsk;
use super::filter::Filter;
use super::row::{Costs, Field, Row, Unused};
use domain::Money;
use domain::apportion::{ApportionError, apportion};
use domain::instant::Span;
use domain::money::MoneyOverflow;
use std::collections::BTreeMap;

/// Weights are money in units of 1e-12, as elsewhere in the split.
const WEIGHT_UNITS: i128 = 1_000_000_000_000;
/// The cluster of what no row could take.
const SHARED: &str = "__shared__";

/// What becomes of capacity nobody holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Idle {
    /// Not in the answer.
    #[default]
    Hidden,
    /// A row of its own.
    Separate,
    /// Shared by the cost of each resource.
    Shared,
}

/// How shared costs are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Split {
    /// By cost.
    #[default]
    Weighted,
    /// Evenly over namespaces, and within each by cost.
    Even,
}

/// What is shared, and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sharing {
    /// Capacity nobody holds.
    pub idle: Idle,
    /// It stays within its node, not its cluster.
    pub idle_by_node: bool,
    /// Rows that are shared: of these namespaces or labels.
    pub rows: Option<Filter<Field>>,
    /// An amount a month, shared besides.
    pub monthly: Money,
    /// How.
    pub split: Split,
}

/// Why money could not be shared.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum ShareError {
    /// A split was refused.
    #[error("a cost could not be shared")]
    Split(#[from] ApportionError),
    /// A sum overflowed.
    #[error("the amounts are too large to add exactly")]
    Overflow(#[from] MoneyOverflow),
}

/// Shares what is to be shared among the rows of a piece of time, then keeps
/// those that pass the filter. Of capacity nobody holds that stays a row of its
/// own, a filter keeps what would have gone to the rows that pass: over filters
/// that part the rows it adds up, so no filter changes a total.
///
/// # Errors
/// When an amount cannot be split or added exactly.
pub fn share<'d>(
    mut rows: Vec<Row<'d>>,
    sharing: &Sharing,
    filter: Option<&Filter<Field>>,
    piece: Span,
) -> Result<Vec<Row<'d>>, ShareError> {
    let by_filter = sharing.idle == Idle::Separate && filter.is_some();
    let idle = match sharing.idle {
        Idle::Hidden => {
            rows.retain(|row| row.slot.is_some());
            Vec::new()
        }
        Idle::Separate if !by_filter => Vec::new(),
        Idle::Separate | Idle::Shared => idle_shares(&mut rows, sharing.idle_by_node)?,
    };
    if sharing.idle == Idle::Shared {
        for (row, share) in rows.iter_mut().zip(&idle) {
            row.costs.add(share)?;
        }
    }
    let mut kept = if by_filter {
        idle_of_passing(&rows, &idle, filter, sharing)?
    } else {
        Vec::new()
    };
    let rows = share_rows(rows, sharing, piece)?;
    kept.extend(
        rows.into_iter()
            .filter(|row| filter.is_none_or(|filter| filter.passes(row))),
    );
    kept.retain(|row| row.slot.is_some() || row.costs != Costs::default());
    Ok(kept)
}

/// Takes each row's share of capacity nobody holds out of the rows of nobody;
/// what no row of a node or cluster uses stays there. One share per row.
fn idle_shares(rows: &mut [Row<'_>], by_node: bool) -> Result<Vec<Costs>, ShareError> {
    let mut shares = vec![Costs::default(); rows.len()];
    for scope in scopes(rows, by_node).into_values() {
        let (nobody, holders): (Vec<usize>, Vec<usize>) = scope.into_iter().partition(|at| rows[*at].slot.is_none());
        let own: Vec<Costs> = holders.iter().map(|at| rows[*at].costs).collect();
        for (part, weight) in IDLE_PARTS {
            let weights: Vec<i128> = own.iter().map(|costs| weight_of(weight(costs))).collect();
            if weights.iter().all(|weight| *weight == 0) {
                continue;
            }
            for at in &nobody {
                let amount = std::mem::take(part(&mut rows[*at].costs));
                for (holder, money) in holders.iter().zip(apportion(amount, &weights)?) {
                    let sum = part(&mut shares[*holder]);
                    *sum = sum.checked_add(money)?;
                }
            }
        }
        for at in nobody {
            let row = &mut rows[at];
            // the names of what is left are not known any more
            let left = row.costs.total()?;
            row.unused = Unused {
                idle_capacity: left,
                ..Unused::default()
            };
        }
    }
    for share in &mut shares {
        (share.cpu_idle, share.ram_idle, share.gpu_idle) = (share.cpu, share.ram, share.gpu);
    }
    Ok(shares)
}

type Part = fn(&mut Costs) -> &mut Money;
type Weight = fn(&Costs) -> Money;

/// What is shared of a node, and by whose cost of what: each resource by
/// itself, the disk of a node without pods by all of them.
const IDLE_PARTS: [(Part, Weight); 4] = [
    (|costs| &mut costs.cpu, |costs| costs.cpu),
    (|costs| &mut costs.ram, |costs| costs.ram),
    (|costs| &mut costs.gpu, |costs| costs.gpu),
    (|costs| &mut costs.shared, |costs| costs.total().unwrap_or_default()),
];

fn scopes(rows: &[Row<'_>], by_node: bool) -> BTreeMap<(String, String), Vec<usize>> {
    let mut scopes: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    let mut last: Option<((&str, &str), Vec<usize>)> = None;
    let mut put = |(cluster, node): (&str, &str), list: Vec<usize>| {
        let key = (cluster.to_owned(), node.to_owned());
        scopes.entry(key).or_default().extend(list);
    };
    for (at, row) in rows.iter().enumerate() {
        let node = row.node.filter(|_| by_node).map_or("", |node| node.name.as_str());
        match &mut last {
            Some((key, list)) if *key == (row.cluster, node) => list.push(at),
            _ => {
                if let Some((key, list)) = last.replace(((row.cluster, node), vec![at])) {
                    put(key, list);
                }
            }
        }
    }
    if let Some((key, list)) = last {
        put(key, list);
    }
    for list in scopes.values_mut() {
        list.sort_unstable();
    }
    scopes
}

/// Money as a weight; a credit weighs nothing.
fn weight_of(money: Money) -> i128 {
    (money.units() / WEIGHT_UNITS).max(0)
}

/// The rows of nobody under a filter: per node what would have gone to rows
/// that pass, and what nobody could take when the filter takes it.
fn idle_of_passing<'d>(
    rows: &[Row<'d>],
    idle: &[Costs],
    filter: Option<&Filter<Field>>,
    sharing: &Sharing,
) -> Result<Vec<Row<'d>>, ShareError> {
    let mut sums: BTreeMap<(&str, &str), Row<'d>> = BTreeMap::new();
    for (row, share) in rows.iter().zip(idle) {
        if row.slot.is_none() || !filter.is_none_or(|filter| filter.passes(row)) {
            continue;
        }
        let node = row.node.filter(|_| sharing.idle_by_node);
        let key = (row.cluster, node.map_or("", |node| node.name.as_str()));
        let sum = sums.entry(key).or_insert_with(|| Row {
            start: row.start,
            end: row.end,
            ..Row::of(row.cluster, node, None)
        });
        sum.costs.add(&Costs {
            cpu_idle: Money::ZERO,
            ram_idle: Money::ZERO,
            gpu_idle: Money::ZERO,
            ..*share
        })?;
        (sum.start, sum.end) = (sum.start.min(row.start), sum.end.max(row.end));
    }
    let mut kept: Vec<Row<'d>> = sums.into_values().collect();
    for row in &mut kept {
        row.unused.idle_capacity = row.costs.total()?;
    }
    Ok(kept)
}

/// Moves the rows that are shared, and the monthly amount, onto the others.
fn share_rows<'d>(rows: Vec<Row<'d>>, sharing: &Sharing, piece: Span) -> Result<Vec<Row<'d>>, ShareError> {
    let monthly = monthly_part(sharing.monthly, piece)?;
    if sharing.rows.is_none() && monthly.is_zero() {
        return Ok(rows);
    }
    let is_shared = |row: &Row<'_>| row.slot.is_some() && sharing.rows.as_ref().is_some_and(|rows| rows.passes(row));
    let (shared, mut rest): (Vec<Row<'d>>, Vec<Row<'d>>) = rows.into_iter().partition(|row| is_shared(row));
    let mut sum = domain::money::MoneySum::default();
    sum.add(monthly);
    for row in &shared {
        sum.add(row.costs.total()?);
    }
    let amount = sum.total()?;
    let receivers: Vec<usize> = (0..rest.len()).filter(|at| rest[*at].slot.is_some()).collect();
    if receivers.is_empty() {
        // nobody to share with: the rows stay what they are
        rest.extend(shared);
        rest.extend(nobody_to_pay(monthly, piece));
        return Ok(rest);
    }
    let shares = match sharing.split {
        Split::Weighted => by_cost(amount, &receivers, &rest)?,
        Split::Even => evenly(amount, &receivers, &rest)?,
    };
    for (at, share) in receivers.iter().zip(shares) {
        let sum = &mut rest[*at].costs.shared;
        *sum = sum.checked_add(share)?;
    }
    Ok(rest)
}

/// A monthly amount no row can take, as a row of its own.
fn nobody_to_pay(amount: Money, piece: Span) -> Option<Row<'static>> {
    let mut row = Row {
        start: piece.start,
        end: piece.end,
        ..Row::of(SHARED, None, None)
    };
    row.costs.shared = amount;
    row.unused.other = amount;
    (!amount.is_zero()).then_some(row)
}

/// By cost; evenly over the rows when none has any.
fn by_cost(amount: Money, receivers: &[usize], rows: &[Row<'_>]) -> Result<Vec<Money>, ShareError> {
    let weights = receivers
        .iter()
        .map(|at| rows[*at].costs.total().map(weight_of))
        .collect::<Result<Vec<_>, _>>()?;
    if weights.iter().all(|weight| *weight == 0) {
        return Ok(apportion(amount, &vec![1; receivers.len()])?);
    }
    Ok(apportion(amount, &weights)?)
}

/// Evenly over the namespaces of each cluster, within each by cost: a set of
/// receivers that no grouping changes.
fn evenly(amount: Money, receivers: &[usize], rows: &[Row<'_>]) -> Result<Vec<Money>, ShareError> {
    let mut namespaces: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (position, at) in receivers.iter().enumerate() {
        let row = &rows[*at];
        let namespace = row.slot.map_or("", |slot| slot.namespace.as_str());
        namespaces.entry((row.cluster, namespace)).or_default().push(position);
    }
    let each = apportion(amount, &vec![1; namespaces.len()])?;
    let mut shares = vec![Money::ZERO; receivers.len()];
    for (positions, amount) in namespaces.into_values().zip(each) {
        let inside: Vec<usize> = positions.iter().map(|position| receivers[*position]).collect();
        for (position, share) in positions.iter().zip(by_cost(amount, &inside, rows)?) {
            shares[*position] = share;
        }
    }
    Ok(shares)
}

/// The part of a monthly amount that falls on a piece of time, by the hours of
/// each real month: the pieces of a month add up to the amount.
fn monthly_part(amount: Money, piece: Span) -> Result<Money, ShareError> {
    let mut sum = Money::ZERO;
    let mut month = domain::BillingPeriod::of(piece.start);
    while !amount.is_zero() && month.span().start < piece.end {
        let span = month.span();
        let (from, to) = (piece.start.max(span.start), piece.end.min(span.end));
        let cuts = [
            i128::from(from.0 - span.start.0),
            i128::from(to.0 - from.0),
            i128::from(span.end.0 - to.0),
        ];
        let parts = apportion(amount, &cuts)?;
        sum = sum.checked_add(parts[1])?;
        month = month.next();
    }
    Ok(sum)
}

/// Rows of these namespaces, or with one of these labels (key and value), are shared.
#[must_use]
pub fn shared_rows(namespaces: &[String], labels: &[(String, String)]) -> Option<Filter<Field>> {
    let is = |field: Field, values: Vec<String>| Filter::Is {
        field,
        compare: super::filter::Compare::Equals,
        values,
    };
    let mut any = Vec::new();
    if !namespaces.is_empty() {
        any.push(is(Field::Namespace, namespaces.to_vec()));
    }
    for (key, value) in labels {
        any.push(is(Field::Label(key.clone()), vec![value.clone()]));
    }
    (!any.is_empty()).then_some(Filter::Or(any))
}

/// Parses an amount a month, not negative, in the currency of the answer.
///
/// # Errors
/// Says what would fit.
pub fn parse_monthly(text: &str) -> Result<Money, BadAsk> {
    let amount = Money::parse(text).ok().filter(|amount| amount.units() >= 0);
    let bad = || {
        BadAsk::new(format!(
            "shareCost={text} does not fit; write an amount a month, such as 100.00"
        ))
    };
    amount.ok_or_else(bad)
}
