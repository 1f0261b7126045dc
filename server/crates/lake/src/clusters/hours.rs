//! A node's day by hour: hourly charges as they were split; what was split over
//! longer stretches by what each container held in each hour.

use super::account::Account;
use super::parts::Parts;
use super::rows::NodeRows;
use domain::Money;
use domain::apportion::apportion;
use domain::split::UNIT_WEIGHTS;
use domain::usage::{Node, NodeHour, Resource};
use std::sync::Arc;

/// Hours of a day.
pub(crate) const HOURS: usize = 24;

/// A node's hours.
pub(crate) struct NodeBook {
    pub node: Arc<Node>,
    pub hours: Vec<NodeHour>,
    /// By currency, then hour of the day.
    pub accounts: Vec<Option<Account>>,
    /// First slot of the node.
    pub base: u32,
    /// Per entry (slot and whether filled), whether it is there.
    pub entries: Vec<bool>,
    /// (slot counted from `base`, hour of the day, effective request) of filled hours.
    pub filled: Vec<(u32, u8, [u64; 3])>,
    /// Whether its usage is with this node, not with another of its name.
    pub first: bool,
}

/// The parts of some bins by hour of the stretch they were split over.
pub(super) fn spread(
    accounts: &mut [Option<Account>],
    (from, to): (u8, u8),
    rows: &NodeRows,
    is_disk: bool,
    (effective, billed): (&Parts, &Parts),
) {
    let mut whole = Account::new(effective.own.len());
    whole.add(is_disk, effective, billed);
    spread_account(accounts, (from, to), rows, &whole);
}

/// The same of any sums; `accounts` are the hours of one currency.
pub(super) fn spread_account(accounts: &mut [Option<Account>], (from, to): (u8, u8), rows: &NodeRows, whole: &Account) {
    let parts = if to - from == 1 {
        vec![whole.clone()]
    } else {
        by_hour(whole, (from, to), rows)
    };
    for (into, part) in accounts[usize::from(from)..usize::from(to)].iter_mut().zip(&parts) {
        into.get_or_insert_with(|| Account::new(whole.entries.len()))
            .merge(part);
    }
}

fn by_hour(whole: &Account, (from, to): (u8, u8), rows: &NodeRows) -> Vec<Account> {
    let hours = usize::from(to - from);
    let mut parts = vec![Account::new(whole.entries.len()); hours];
    for (entry, sums) in whole.entries.iter().enumerate() {
        let held = rows.by_hour(u32::try_from(entry).unwrap_or(u32::MAX), from, to);
        let weights: Vec<i128> = held.iter().map(weight).collect();
        for (of, amount) in sums.iter().enumerate() {
            for (part, amount) in parts.iter_mut().zip(over(*amount, &weights)) {
                part.entries[entry][of] = amount;
            }
        }
    }
    let even = vec![0; hours];
    for (at, (cost, billed)) in whole.left.iter().enumerate() {
        for (resource, amount) in cost.iter().enumerate() {
            for (part, amount) in parts.iter_mut().zip(over(*amount, &even)) {
                part.left[at].0[resource] = amount;
            }
        }
        for (part, amount) in parts.iter_mut().zip(over(*billed, &even)) {
            part.left[at].1 = amount;
        }
    }
    for (part, amount) in parts.iter_mut().zip(over(whole.disk_left.0, &even)) {
        part.disk_left.0 = amount;
    }
    for (part, amount) in parts.iter_mut().zip(over(whole.disk_left.1, &even)) {
        part.disk_left.1 = amount;
    }
    let kept = whole.not_followed();
    let mut followed = [0, 1, 2].map(|at| whole.total[at] - kept[at]);
    for (at, part) in parts.iter_mut().enumerate() {
        // what followed the pods has no resource of its own in an hour: the
        // hours before the last take it where most is left
        let mut of_hour = [0; 3];
        if at + 1 == hours {
            of_hour = followed;
        } else {
            let largest = (0..3).max_by_key(|at| followed[*at].abs()).unwrap_or(0);
            of_hour[largest] = part.followed();
            followed[largest] -= of_hour[largest];
        }
        part.complete(of_hour);
    }
    parts
}

fn weight(held: &[u64; 3]) -> i128 {
    let of = |(resource, amount): (Resource, &u64)| i128::from(UNIT_WEIGHTS.get(resource)) * i128::from(*amount);
    Resource::ALL.into_iter().zip(held).map(of).sum()
}

/// An amount by weights, evenly where there are none.
fn over(amount: i128, weights: &[i128]) -> Vec<i128> {
    if amount == 0 {
        return vec![0; weights.len()];
    }
    let money = Money::from_units(amount).unwrap_or(Money::ZERO);
    let parts = apportion(money, weights).or_else(|_| apportion(money, &vec![1; weights.len()]));
    let mut parts: Vec<i128> = parts.unwrap_or_default().into_iter().map(Money::units).collect();
    parts.resize(weights.len(), 0);
    parts
}
