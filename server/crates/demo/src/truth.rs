//! The right answer: what each tenant, service and service tier owes, by billing period, and what
//! every node's cost is made of.

use std::collections::BTreeMap;
use std::io::Write;

use chrono::NaiveTime;

use crate::DemoError;
use crate::meter::{Owner, Provider};
use crate::money::{ONE, decimal};
use crate::owed::{Amounts, Share, Usage};
use crate::rows::Row;
use crate::split::{Called, GRAINS};

/// Billing period and currency.
type Period = (String, &'static str);
/// A node of a cluster, and what a part of its cost is called.
type NodePart = (&'static str, String, Called);
/// A cluster, the class of a charge and the name of what it pays for.
type Resource = (&'static str, &'static str, String);

/// Decimals of the truth files.
const DECIMALS: u32 = 18;

/// Adds up charges by what the generator knows about their owners; no rule is read here.
#[derive(Debug, Default)]
pub struct Truth {
    /// Every charge as billed to the owner of its resource, nodes undivided.
    bills: BTreeMap<Period, BTreeMap<Owner, Amounts>>,
    /// With the cost of clusters divided among whoever is there.
    totals: BTreeMap<Period, BTreeMap<Owner, Amounts>>,
    /// Effective cost of node machines by what it bought, before anything follows anything.
    split: BTreeMap<Period, BTreeMap<NodePart, i128>>,
    /// Effective cost of what clusters have beside their machines, by what it paid for and who owes it.
    resources: BTreeMap<Period, BTreeMap<Resource, BTreeMap<Share, i128>>>,
}

impl Truth {
    /// Counts the charges of one billing period.
    ///
    /// Fails if a charge that spans a takeover cannot be cut by seconds without a remainder: the
    /// truth would then depend on a way of rounding.
    pub fn add(&mut self, period: &str, rows: &[Row<'_>], usage: &Usage<'_>) -> Result<(), DemoError> {
        for row in rows {
            let key = (period.to_owned(), currency(row.meter.provider));
            let bills = self.bills.entry(key.clone()).or_default();
            // the bill as it is, and what is moved between its lines beside it
            let whole = parts(row)?;
            for (owner, amounts) in &whole {
                add(bills, owner, *amounts);
            }
            let totals = self.totals.entry(key.clone()).or_default();
            if let Some(node) = usage.machine(row) {
                let (owners, parts) = usage.divide_machine(row, node);
                for (owner, amounts) in &owners {
                    add(totals, owner, *amounts);
                }
                let split = self.split.entry(key).or_default();
                for (called, cost) in parts {
                    let part = (node.place.cluster, node.place.node.clone(), called);
                    *split.entry(part).or_default() += cost;
                }
            } else if let Some(divided) = usage.divide(row) {
                let resource = (divided.cluster, divided.kind, row.meter.name.clone());
                let resources = self.resources.entry(key).or_default();
                let shares = resources.entry(resource).or_default();
                for (share, amounts) in divided.shares {
                    add(totals, &share.owner, amounts);
                    *shares.entry(share).or_default() += amounts.1;
                }
            } else {
                for (owner, amounts) in &whole {
                    add(totals, owner, *amounts);
                }
                if let (true, Some((owner, _))) = (row.moved != 0, whole.first()) {
                    add(totals, owner, (0, row.moved));
                }
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

    /// Writes `truth_resources.csv`.
    pub fn write_resources(&self, into: impl Write) -> Result<(), csv::Error> {
        let mut csv = csv::Writer::from_writer(into);
        csv.write_record([
            "billing_period",
            "currency",
            "cluster",
            "class",
            "resource",
            "part",
            "tenant",
            "service",
            "tier",
            "effective_cost",
        ])?;
        for ((period, currency), resources) in &self.resources {
            for ((cluster, class, resource), shares) in resources {
                let costs = rounded(shares.values().copied());
                for (Share { part, owner }, cost) in shares.keys().zip(costs).filter(|(_, cost)| *cost != 0) {
                    csv.write_record([
                        period,
                        *currency,
                        *cluster,
                        *class,
                        resource,
                        *part,
                        &owner.tenant,
                        &owner.service,
                        &owner.tier,
                        &text(cost),
                    ])?;
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
        Provider::Aws | Provider::Cur => "USD",
        Provider::Eu | Provider::Azure => "EUR",
    }
}

/// The owners of a charge: one, or two when a takeover falls inside its charge period.
fn parts(row: &Row<'_>) -> Result<Vec<(Owner, Amounts)>, DemoError> {
    let whole = (row.billed * GRAINS, row.effective * GRAINS);
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
    if !exact(row.billed) || !exact(row.effective) || row.moved != 0 {
        return Err(DemoError::UnevenCut {
            resource: row.meter.resource_id.clone(),
        });
    }
    let cut = |amount: i128| amount * before / seconds * GRAINS;
    let first = (cut(row.billed), cut(row.effective));
    Ok(vec![(owner, first), (later, (whole.0 - first.0, whole.1 - first.1))])
}
