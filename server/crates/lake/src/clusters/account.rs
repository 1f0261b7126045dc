//! What a node's day (or each of its hours) costs in one currency, while it is
//! being added up.

use super::extra::{At, Extra};
use super::parts::Parts;
use domain::Money;
use domain::usage::Part;

/// The remainders of a node, in the order they are kept.
pub(crate) const REMAINDERS: [Part; 4] = [
    Part::IdleCapacity,
    Part::SystemReserved,
    Part::NotReady,
    Part::Unobserved,
];

/// Sums in units of money.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    /// Per entry: CPU, memory, accelerators, system, DaemonSets, disk, billed.
    pub entries: Vec<[i128; 7]>,
    pub total: [i128; 3],
    pub disk: i128,
    pub billed: i128,
    /// By [`REMAINDERS`] and resource, and billed.
    pub left: [([i128; 3], i128); 4],
    /// Root disk nobody pays for, and billed.
    pub disk_left: (i128, i128),
}

fn add3(sum: &mut [i128; 3], of: [i128; 3]) {
    for (sum, of) in sum.iter_mut().zip(of) {
        *sum += of;
    }
}

impl Account {
    pub fn new(entries: usize) -> Account {
        Account {
            entries: vec![[0; 7]; entries],
            ..Account::default()
        }
    }

    /// Adds the parts of a machine's cost, or of its root disk.
    pub(super) fn add(&mut self, disk: bool, effective: &Parts, billed: &Parts) {
        for (entry, sums) in self.entries.iter_mut().enumerate() {
            if (effective.touched[entry] | billed.touched[entry]) == 0 {
                continue;
            }
            let own = effective.own[entry];
            if disk {
                sums[5] += own[0];
            } else {
                (sums[0], sums[1], sums[2]) = (sums[0] + own[0], sums[1] + own[1], sums[2] + own[2]);
            }
            sums[3] += effective.system[entry];
            sums[4] += effective.daemon[entry];
            sums[6] += billed.own[entry].iter().sum::<i128>() + billed.system[entry] + billed.daemon[entry];
        }
        add3(&mut self.total, effective.total);
        let lefts = |parts: &Parts| [parts.idle, parts.system_left, parts.not_ready, parts.unobserved];
        for (sum, (cost, of)) in self
            .left
            .iter_mut()
            .zip(lefts(effective).into_iter().zip(lefts(billed)))
        {
            add3(&mut sum.0, cost);
            sum.1 += of.iter().sum::<i128>();
        }
        self.disk_left.0 += effective.disk_left;
        self.disk_left.1 += billed.disk_left;
        if disk {
            self.disk += effective.sum();
        }
        self.billed += billed.sum();
    }

    /// Adds what a charge of several days costs here; `base` is the first slot of the node.
    pub(super) fn extra(&mut self, base: u32, extra: &Extra) {
        let cost = extra.cost.map(Money::units);
        let (system, daemon, disk) = (extra.system.units(), extra.daemon.units(), extra.disk.units());
        let billed = extra.billed.units();
        self.billed += billed;
        self.disk += disk;
        add3(&mut self.total, cost);
        match extra.at {
            At::Slot(slot, filled) => {
                let entry = (slot.wrapping_sub(base) as usize) * 2 + usize::from(filled);
                let Some(sums) = self.entries.get_mut(entry) else {
                    return;
                };
                let of = [cost[0], cost[1], cost[2], system, daemon, disk, billed];
                for (sum, of) in sums.iter_mut().zip(of) {
                    *sum += of;
                }
            }
            At::Node(part) => {
                let at = REMAINDERS.iter().position(|of| *of == part).unwrap_or(0);
                add3(&mut self.left[at].0, cost);
                self.left[at].1 += billed;
            }
            At::Disk => {
                self.disk_left.0 += disk;
                self.disk_left.1 += billed;
            }
            At::Followed => {}
        }
    }

    /// Adds another one of the same node.
    pub fn merge(&mut self, other: &Account) {
        for (sums, of) in self.entries.iter_mut().zip(&other.entries) {
            sums.iter_mut().zip(of).for_each(|(sum, of)| *sum += of);
        }
        add3(&mut self.total, other.total);
        self.disk += other.disk;
        self.billed += other.billed;
        for (sum, of) in self.left.iter_mut().zip(other.left) {
            add3(&mut sum.0, of.0);
            sum.1 += of.1;
        }
        self.disk_left.0 += other.disk_left.0;
        self.disk_left.1 += other.disk_left.1;
    }

    /// Sets the totals to what the parts add up to; `followed` is by resource
    /// what followed the pods.
    pub fn complete(&mut self, followed: [i128; 3]) {
        self.total = self.not_followed();
        add3(&mut self.total, followed);
        self.disk = self.entries.iter().map(|entry| entry[5]).sum::<i128>() + self.disk_left.0;
        let billed: i128 = self.entries.iter().map(|entry| entry[6]).sum();
        let left: i128 = self.left.iter().map(|(_, billed)| billed).sum();
        self.billed = billed + left + self.disk_left.1;
    }

    /// By resource, what is with a container of its own or with the node: all
    /// of `total` but what followed the pods.
    pub fn not_followed(&self) -> [i128; 3] {
        let mut sum = [0; 3];
        for entry in &self.entries {
            add3(&mut sum, [entry[0], entry[1], entry[2]]);
        }
        self.left.iter().for_each(|(cost, _)| add3(&mut sum, *cost));
        sum
    }

    /// What followed the pods.
    pub fn followed(&self) -> i128 {
        self.entries.iter().map(|entry| entry[3] + entry[4]).sum()
    }

    /// Whether the parts are the cost, effective and billed.
    pub fn balances(&self) -> bool {
        let parts: i128 = self.not_followed().iter().sum::<i128>() + self.followed();
        let disk: i128 = self.entries.iter().map(|entry| entry[5]).sum();
        let billed: i128 = self.entries.iter().map(|entry| entry[6]).sum();
        let billed_left: i128 = self.left.iter().map(|(_, billed)| billed).sum();
        self.total.iter().sum::<i128>() == parts
            && self.disk == disk + self.disk_left.0
            && self.billed == billed + billed_left + self.disk_left.1
    }
}
