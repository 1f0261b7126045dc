//! The right answer: what each tenant, service and service tier owes, by billing period, and what
//! every node's cost is made of.

use std::collections::BTreeMap;
use std::io::Write;

use chrono::{NaiveTime, Timelike};

use crate::DemoError;
use crate::catalog;
use crate::facts::{Facts, NodeDay};
use crate::meter::{Owner, Part, Provider};
use crate::money::{ONE, decimal};
use crate::pods::Role;
use crate::rows::Row;
use crate::split::{self, Called, Claim, Division, GRAINS, share};

/// Billed and effective cost, in grains of 1e-30.
type Amounts = (i128, i128);
/// Billing period and currency.
type Period = (String, &'static str);
/// A node of a cluster, and what a part of its cost is called.
type NodePart = (&'static str, String, Called);

/// Decimals of the truth files.
const DECIMALS: u32 = 18;

/// Adds up charges by what the generator knows about their owners; no rule is read here.
#[derive(Debug, Default)]
pub struct Truth {
    /// Every charge to the owner of its resource, nodes undivided.
    bills: BTreeMap<Period, BTreeMap<Owner, Amounts>>,
    /// With the cost of nodes and their disks divided among their pods.
    totals: BTreeMap<Period, BTreeMap<Owner, Amounts>>,
    /// Effective cost of node machines by what it bought, before anything follows anything.
    split: BTreeMap<Period, BTreeMap<NodePart, i128>>,
}

impl Truth {
    /// Counts the charges of one billing period.
    ///
    /// Fails if a charge that spans a takeover cannot be cut by seconds without a remainder: the
    /// truth would then depend on a way of rounding.
    pub fn add(&mut self, period: &str, rows: &[Row<'_>], facts: &Facts<'_>) -> Result<(), DemoError> {
        for row in rows {
            let key = (period.to_owned(), currency(row.meter.provider));
            let bills = self.bills.entry(key.clone()).or_default();
            let whole = parts(row)?;
            for (owner, amounts) in &whole {
                add(bills, owner, *amounts);
            }
            let totals = self.totals.entry(key.clone()).or_default();
            let place = row.meter.place.as_ref().filter(|_| !row.correction);
            let node = place.and_then(|place| facts.get(&(row.start.date(), place.node.as_str())));
            match (place.map(|place| place.part), node) {
                (Some(Part::Machine), Some(node)) => {
                    let split = self.split.entry(key).or_default();
                    machine(row, node, totals, split);
                }
                (Some(Part::RootDisk), Some(node)) => disk(row, node, totals),
                _ if std::ptr::eq(row.meter.sku, &catalog::CONTROL_PLANE) && !row.correction => {
                    control_plane(row, facts, totals);
                }
                _ => whole
                    .into_iter()
                    .for_each(|(owner, amounts)| add(totals, &owner, amounts)),
            }
        }
        Ok(())
    }

    /// Writes `truth.csv`.
    pub fn write(&self, into: impl Write) -> Result<(), csv::Error> {
        write(into, &self.totals)
    }

    /// Writes `truth_bills.csv`.
    pub fn write_bills(&self, into: impl Write) -> Result<(), csv::Error> {
        write(into, &self.bills)
    }

    /// Writes `truth_split.csv`.
    pub fn write_split(&self, into: impl Write) -> Result<(), csv::Error> {
        let mut csv = csv::Writer::from_writer(into);
        csv.write_record([
            "billing_period",
            "currency",
            "cluster",
            "node",
            "part",
            "effective_cost",
        ])?;
        for ((period, currency), parts) in &self.split {
            let mut by_node: BTreeMap<(&str, &str), Vec<(Called, i128)>> = BTreeMap::new();
            for ((cluster, node, called), cost) in parts {
                by_node.entry((*cluster, node)).or_default().push((*called, *cost));
            }
            for ((cluster, node), parts) in by_node {
                let costs = rounded(parts.iter().map(|(_, cost)| *cost));
                for ((called, _), cost) in parts.iter().zip(costs) {
                    if cost != 0 {
                        csv.write_record([period, *currency, cluster, node, called.key(), &text(cost)])?;
                    }
                }
            }
        }
        csv.flush()?;
        Ok(())
    }
}

fn add(into: &mut BTreeMap<Owner, Amounts>, owner: &Owner, (billed, effective): Amounts) {
    if let Some(total) = into.get_mut(owner) {
        *total = (total.0 + billed, total.1 + effective);
    } else {
        into.insert(owner.clone(), (billed, effective));
    }
}

fn write(into: impl Write, periods: &BTreeMap<Period, BTreeMap<Owner, Amounts>>) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(into);
    csv.write_record([
        "billing_period",
        "currency",
        "tenant",
        "service",
        "tier",
        "billed_cost",
        "effective_cost",
    ])?;
    for ((period, currency), totals) in periods {
        let billed = rounded(totals.values().map(|(billed, _)| *billed));
        let effective = rounded(totals.values().map(|(_, effective)| *effective));
        for ((owner, billed), effective) in totals.keys().zip(billed).zip(effective) {
            csv.write_record([
                period,
                *currency,
                &owner.tenant,
                &owner.service,
                &owner.tier,
                &text(billed),
                &text(effective),
            ])?;
        }
    }
    csv.flush()?;
    Ok(())
}

/// Grains to 18 decimals: each rounded half away from zero, and the largest takes what is then
/// missing, so that the sum stays what it was.
fn rounded(grains: impl Iterator<Item = i128>) -> Vec<i128> {
    let unit = ONE * GRAINS / 10_i128.pow(DECIMALS);
    let grains: Vec<i128> = grains.collect();
    let mut units: Vec<i128> = grains
        .iter()
        .map(|grain| (grain + grain.signum() * (unit / 2)) / unit)
        .collect();
    let missing = grains.iter().sum::<i128>() / unit - units.iter().sum::<i128>();
    if let Some(largest) = units.iter_mut().max_by_key(|value| value.unsigned_abs()) {
        *largest += missing;
    }
    units
}

fn text(units: i128) -> String {
    decimal(units, DECIMALS as usize)
}

/// The billing currency of a provider.
pub const fn currency(provider: Provider) -> &'static str {
    match provider {
        Provider::Aws => "USD",
        Provider::Eu => "EUR",
    }
}

/// The owners of a charge: one, or two when a takeover falls inside its charge period.
fn parts(row: &Row<'_>) -> Result<Vec<(Owner, Amounts)>, DemoError> {
    let whole = grains(row);
    let owner = row.meter.owner.clone();
    let Some(takeover) = &row.meter.takeover else {
        return Ok(vec![(owner, whole)]);
    };
    let later = Owner {
        tenant: takeover.to.clone(),
        ..owner.clone()
    };
    let on = takeover.on.and_time(NaiveTime::MIN).clamp(row.start, row.end);
    let seconds = i128::from((row.end - row.start).num_seconds());
    let before = i128::from((on - row.start).num_seconds());
    if before == 0 {
        return Ok(vec![(later, whole)]);
    }
    if before == seconds {
        return Ok(vec![(owner, whole)]);
    }
    let exact = |amount: i128| amount * before % seconds == 0;
    if !exact(row.billed) || !exact(row.effective) {
        return Err(DemoError::UnevenCut {
            resource: row.meter.resource_id.clone(),
        });
    }
    let cut = |amount: i128| amount * before / seconds * GRAINS;
    let first = (cut(row.billed), cut(row.effective));
    Ok(vec![(owner, first), (later, (whole.0 - first.0, whole.1 - first.1))])
}

fn grains(row: &Row<'_>) -> Amounts {
    (row.billed * GRAINS, row.effective * GRAINS)
}

/// Divides a charge of a node's machine among its pods' owners and its own.
fn machine(
    row: &Row<'_>,
    node: &NodeDay<'_>,
    totals: &mut BTreeMap<Owner, Amounts>,
    split: &mut BTreeMap<NodePart, i128>,
) {
    let hour = |hour: u32| u8::try_from(hour).unwrap_or(0);
    let hours = match row.end.date() == row.start.date() {
        true => (hour(row.start.hour()), hour(row.end.hour())),
        false => (hour(row.start.hour()), 24),
    };
    let billed_s = u32::try_from(row.quantity * 9 / 2_500).unwrap_or(0);
    let (billed, effective) = grains(row);
    let divide = |amount: i128| split::divide(node, hours, billed_s, amount);
    let parts = divide(effective);
    for (called, cost) in called(&parts) {
        let key = (node.place.cluster, node.place.node.clone(), called);
        *split.entry(key).or_default() += cost;
    }
    owners(node, &parts, |owner, cost| {
        if cost != 0 {
            add(totals, owner, (0, cost));
        }
    });
    if billed != 0 {
        owners(node, &divide(billed), |owner, cost| {
            if cost != 0 {
                add(totals, owner, (cost, 0));
            }
        });
    }
}

/// A division by what its parts are called. What finds nobody to follow is idle capacity (A27).
fn called(parts: &Division<'_>) -> Vec<(Called, i128)> {
    let alone = !parts
        .claims
        .iter()
        .any(|claim| claim.ordinary() && claim.held / GRAINS != 0);
    let follower = |called: Called| match called {
        Called::SystemReserved | Called::DaemonSet if alone => Called::IdleCapacity,
        called => called,
    };
    let mut all = vec![
        (follower(Called::SystemReserved), parts.system),
        (Called::NotReady, parts.not_ready),
        (Called::Unobserved, parts.unobserved),
        (Called::IdleCapacity, parts.idle),
    ];
    all.extend(parts.claims.iter().map(|claim| (follower(claim.called()), claim.held)));
    all
}

/// Tells `give` who owns how much of a division: pods what they hold and, by their cost, the
/// system's and the DaemonSets' part (A27); the node's own owner what nobody holds.
fn owners(node: &NodeDay<'_>, parts: &Division<'_>, mut give: impl FnMut(&Owner, i128)) {
    let own = &node.machine.owner;
    let spare = node.place.spare.as_ref().unwrap_or(own);
    let agent = |claim: &&Claim<'_, i128>| claim.slot.pod.role == Role::DaemonSet;
    let agents: i128 = parts.claims.iter().filter(agent).map(|claim| claim.held).sum();
    // the weights are whole pico units
    let weight = |claim: &Claim<'_, i128>| match claim.ordinary() {
        true => (claim.held / GRAINS).unsigned_abs(),
        false => 0,
    };
    let all: u128 = parts.claims.iter().map(weight).sum();
    let shared = parts.system + agents;
    if all == 0 {
        // nobody to follow: idle capacity (A27)
        for claim in parts.claims.iter().filter(|claim| !agent(claim)) {
            give(&claim.slot.pod.owner, claim.held);
        }
        return give(spare, shared + parts.not_ready + parts.unobserved + parts.idle);
    }
    let mut left = shared;
    for claim in parts.claims.iter().filter(|claim| !agent(claim)) {
        let follows = share(shared, weight(claim), all);
        left -= follows;
        give(&claim.slot.pod.owner, claim.held + follows);
    }
    // the cuts below 1e-30
    give(own, left);
    give(spare, parts.not_ready + parts.unobserved + parts.idle);
}

/// A charge of a node's root disk: to the owners of the node's pods, by what they held in the time
/// of the charge.
fn disk(row: &Row<'_>, node: &NodeDay<'_>, totals: &mut BTreeMap<Owner, Amounts>) {
    let weights = split::followed(node);
    let all: u128 = weights.iter().map(|(_, weight)| weight).sum();
    let mut rest = grains(row);
    if all > 0 {
        let (billed, effective) = rest;
        for (slot, weight) in weights {
            let part = (share(billed, weight, all), share(effective, weight, all));
            rest = (rest.0 - part.0, rest.1 - part.1);
            add(totals, &slot.pod.owner, part);
        }
    }
    if rest != (0, 0) {
        add(totals, &row.meter.owner, rest);
    }
}

/// Divides a day's fee of a control plane: each hour's by what the pods of its cluster hold in it
/// (A2, A27). Nobody's hours, and clusters without usage, are its own owner's. What a pod does not
/// say about its owner, the control plane says.
fn control_plane(row: &Row<'_>, facts: &Facts<'_>, totals: &mut BTreeMap<Owner, Amounts>) {
    let own = &row.meter.owner;
    let nodes: Vec<&NodeDay<'_>> = facts
        .values()
        .filter(|node| node.day == row.start.date() && node.place.cluster == row.meter.name)
        .collect();
    let mut left = grains(row);
    for hour in 0..24u8 {
        let hours_left = u128::from(24 - hour);
        let fee = (share(left.0, 1, hours_left), share(left.1, 1, hours_left));
        left = (left.0 - fee.0, left.1 - fee.1);
        let weights: Vec<(&Owner, u128)> = nodes
            .iter()
            .flat_map(|node| split::followed_in(node, (hour, hour + 1)))
            .map(|(slot, weight)| (if slot.pod.labels == "{}" { own } else { &slot.pod.owner }, weight))
            .filter(|(_, weight)| *weight > 0)
            .collect();
        let all: u128 = weights.iter().map(|(_, weight)| weight).sum();
        let mut rest = fee;
        for (owner, weight) in &weights {
            let part = (share(fee.0, *weight, all), share(fee.1, *weight, all));
            rest = (rest.0 - part.0, rest.1 - part.1);
            add(totals, owner, part);
        }
        if rest != (0, 0) {
            // nobody there, or the cuts below 1e-30
            let receiver = weights.last().map_or(own, |(owner, _)| *owner);
            add(totals, receiver, rest);
        }
    }
}
