//! Container-days as exact rows.

use super::assets::NodeAsset;
use super::row::{Costs, Row, Unused};
use domain::instant::Span;
use domain::money::MoneyOverflow;
use domain::usage::Measure;
use domain::{Currency, Money};
use lake::container_days::{NodeCost, SlotCost};
use std::collections::{BTreeMap, HashMap};

/// Costs of a cluster in a piece of time.
#[derive(Debug, Clone, Copy)]
pub struct Source<'d> {
    /// Cluster id.
    pub cluster: &'d str,
    /// Its containers.
    pub slots: &'d [SlotCost],
    /// Its nodes.
    pub nodes: &'d [NodeCost],
    /// Whether what they held and used counts: several bills may pay for one
    /// day, and its usage is there once.
    pub with_usage: bool,
}

/// The rows of some costs in one currency: containers, then nodes.
///
/// # Errors
/// When a sum overflows.
pub fn rows<'d>(source: &Source<'d>, currency: &Currency, into: &mut Vec<Row<'d>>) -> Result<(), MoneyOverflow> {
    let mut held: HashMap<&str, Measure> = HashMap::new();
    let used = |measure: Measure| if source.with_usage { measure } else { Measure::ZERO };
    for cost in source.slots {
        let sum = held.entry(cost.node.name.as_str()).or_default();
        *sum = sum.plus(cost.effective);
        let mut row = Row {
            start: cost.start,
            end: cost.end,
            held: used(cost.effective),
            requested: used(cost.requested),
            used: used(cost.used),
            ..Row::of(source.cluster, Some(&cost.node), Some(&cost.slot))
        };
        if cost.currency == *currency {
            [row.costs.cpu, row.costs.ram, row.costs.gpu] = cost.cost;
            row.costs.shared = Money::sum([cost.system_cost, cost.daemon_cost, cost.disk_cost])?;
        }
        into.push(row);
    }
    for cost in source.nodes {
        let mut row = Row {
            start: cost.start,
            end: cost.end,
            held: used(
                cost.allocatable
                    .less(held.get(cost.node.name.as_str()).copied().unwrap_or_default()),
            ),
            ..Row::of(source.cluster, Some(&cost.node), None)
        };
        if cost.currency == *currency {
            (row.costs, row.unused) = left_over(cost)?;
        }
        into.push(row);
    }
    Ok(())
}

/// What of a node is with no container.
fn left_over(cost: &NodeCost) -> Result<(Costs, Unused), MoneyOverflow> {
    let of = |resource: usize| Money::sum([cost.idle[resource], cost.not_ready[resource], cost.unobserved[resource]]);
    let costs = Costs {
        cpu: of(0)?,
        ram: of(1)?,
        gpu: of(2)?,
        shared: cost.disk_left,
        ..Costs::default()
    };
    let unused = Unused {
        idle_capacity: Money::sum(cost.idle)?,
        not_ready: Money::sum(cost.not_ready)?,
        unobserved: Money::sum(cost.unobserved)?,
        other: cost.disk_left,
    };
    Ok((costs, unused))
}

/// Nodes by cluster, name and machine, added up over the days they were there.
#[derive(Debug, Default)]
pub struct Nodes(BTreeMap<(String, String, String), NodeAsset>);

impl Nodes {
    /// Adds the nodes of some costs.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn add(&mut self, source: &Source<'_>, currency: &Currency) -> Result<(), MoneyOverflow> {
        for cost in source.nodes {
            let node = &cost.node;
            let key = (source.cluster.to_owned(), node.name.clone(), node.provider_id.clone());
            let asset = self.0.entry(key).or_insert_with(|| NodeAsset {
                cluster: source.cluster.to_owned(),
                name: node.name.clone(),
                provider_id: node.provider_id.clone(),
                pool: node.pool.clone(),
                capacity_type: node.capacity_type.clone(),
                node_type: node_type(&node.labels).to_owned(),
                labels: node.labels.clone(),
                disk_id: node.root_volume_id.clone(),
                ..NodeAsset::default()
            });
            let span = asset.span.get_or_insert(Span {
                start: cost.start,
                end: cost.end,
            });
            (span.start, span.end) = (span.start.min(cost.start), span.end.max(cost.end));
            if source.with_usage {
                asset.capacity = asset.capacity.plus(cost.capacity);
                asset.ready_s += cost.ready_s;
            }
            if cost.currency != *currency {
                continue;
            }
            for (sums, parts) in [(&mut asset.costs, &cost.total), (&mut asset.idle, &cost.idle)] {
                for (sum, part) in sums.iter_mut().zip(parts) {
                    *sum = sum.checked_add(*part)?;
                }
            }
            asset.disk = asset.disk.checked_add(cost.disk_total)?;
        }
        Ok(())
    }

    /// In the order of cluster, name and machine.
    #[must_use]
    pub fn finish(self) -> Vec<NodeAsset> {
        self.0.into_values().collect()
    }
}

fn node_type(labels: &domain::tags::Tags) -> &str {
    let keys = ["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"];
    let found = keys.iter().find_map(|key| labels.get(*key));
    found.map_or("", String::as_str)
}
