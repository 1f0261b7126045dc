//! Clusters: paid, requested, used.

use super::{finding, permille};
use crate::app::App;
use crate::app::cube::amount;
use crate::error::AppError;
use domain::Money;
use domain::class::Class;
use domain::instant::Day;
use domain::usage::{Hour, Measure, Part, PoolSums};
use frontend::query::PageQuery;
use std::collections::BTreeMap;
use store::UsageDayRow;
use wire::{Cluster, ClustersPage, Measured, NodePool, PartCost};

/// Findings shown on this page.
const CODES: [&str; 3] = ["node_cost_without_usage", "unobserved_node_cost", "nodes_without_bill"];

#[derive(Default)]
struct Costs {
    cost: Money,
    parts: BTreeMap<String, Money>,
    pools: BTreeMap<String, (Money, Money)>,
}

impl App {
    /// The Clusters page.
    ///
    /// # Errors
    /// When there is no bill, or the machinery failed.
    pub async fn clusters_page(&self, query: &PageQuery) -> Result<ClustersPage, AppError> {
        let ground = self.ground(query).await?;
        let cube = &ground.cube;
        let lines = cube.select(&ground.currency, &[]);
        let value = |key: &str, line: usize| {
            let column = cube.column(key);
            column.map_or("", |column| &column.values[column.codes[line] as usize])
        };
        let mut costs: BTreeMap<String, Costs> = BTreeMap::new();
        let (mut joined, mut unjoined) = (Money::ZERO, Money::ZERO);
        for line in lines {
            let money = amount(&cube.values[line], ground.basis);
            let cluster = value("Cluster", line);
            if cluster.is_empty() {
                if cube.classes[line] == Class::NodeCompute {
                    unjoined = unjoined.checked_add(money)?;
                }
                continue;
            }
            if cube.classes[line] != Class::NodeCompute {
                continue;
            }
            joined = joined.checked_add(money)?;
            let costs = costs.entry(cluster.to_owned()).or_default();
            costs.cost = costs.cost.checked_add(money)?;
            let part = value("AllocationPart", line);
            let sum = costs.parts.entry(part.to_owned()).or_default();
            *sum = sum.checked_add(money)?;
            let pool = costs.pools.entry(value("NodePool", line).to_owned()).or_default();
            pool.0 = pool.0.checked_add(money)?;
            if part == Part::IdleCapacity.as_str() {
                pool.1 = pool.1.checked_add(money)?;
            }
        }
        let days = self
            .store
            .usage_days(ground.period.first_day(), ground.period.next().first_day())
            .await?;
        let names: BTreeMap<String, String> = self.store.clusters().await?.into_iter().collect();
        let ids: std::collections::BTreeSet<String> = costs
            .keys()
            .cloned()
            .chain(days.iter().map(|day| day.cluster_id.clone()))
            .collect();
        let clusters = ids
            .into_iter()
            .map(|id| {
                let own: Vec<&UsageDayRow> = days.iter().filter(|day| day.cluster_id == id).collect();
                let costs = costs.remove(&id).unwrap_or_default();
                cluster(&id, names.get(&id).unwrap_or(&id), &costs, &own)
            })
            .collect();
        let allocation = self.store.allocation(ground.period).await?;
        let findings = allocation.iter().flat_map(|allocation| &allocation.findings);
        Ok(ClustersPage {
            context: ground.context,
            clusters,
            joined: joined.to_string(),
            unjoined: unjoined.to_string(),
            findings: findings
                .filter(|f| CODES.contains(&f.code.as_str()))
                .map(finding)
                .collect(),
        })
    }
}

fn cluster(id: &str, name: &str, costs: &Costs, days: &[&UsageDayRow]) -> Cluster {
    let parts = Part::ALL.iter().filter_map(|part| {
        let cost = costs.parts.get(part.as_str())?;
        Some(PartCost {
            part: part.as_str().to_owned(),
            label: part.label().to_owned(),
            cost: cost.to_string(),
            share_permille: permille(*cost, costs.cost),
        })
    });
    let ready_s: u64 = days.iter().map(|day| day.ready_s).sum();
    let observed_s: u64 = days.iter().map(|day| day.observed_s).sum();
    let last = days.iter().map(|day| day.last_hour).max();
    Cluster {
        id: id.to_owned(),
        name: name.to_owned(),
        cost: costs.cost.to_string(),
        parts: parts.collect(),
        pools: pools(costs, days),
        days: u32::try_from(
            days.iter()
                .map(|day| day.day)
                .collect::<std::collections::BTreeSet<Day>>()
                .len(),
        )
        .unwrap_or(0),
        facts_through: last.map(|hour| Hour(hour + 1).start().to_string()),
        unobserved_s: ready_s.saturating_sub(observed_s),
        ready_s,
    }
}

fn pools(costs: &Costs, days: &[&UsageDayRow]) -> Vec<NodePool> {
    let mut sums: BTreeMap<&str, PoolSums> = BTreeMap::new();
    for pool in days.iter().flat_map(|day| &day.pools) {
        let sum = sums.entry(&pool.pool).or_default();
        sum.nodes = sum.nodes.max(pool.nodes);
        sum.capacity = sum.capacity.plus(pool.capacity);
        sum.allocatable = sum.allocatable.plus(pool.allocatable);
        sum.requested = sum.requested.plus(pool.requested);
        sum.used = sum.used.plus(pool.used);
        sum.effective = sum.effective.plus(pool.effective);
        sum.overcommitted = sum.overcommitted.plus(pool.overcommitted);
    }
    for pool in costs.pools.keys() {
        sums.entry(pool).or_default();
    }
    let of = |(pool, sums): (&str, PoolSums)| {
        let (cost, idle) = costs.pools.get(pool).copied().unwrap_or_default();
        NodePool {
            pool: pool.to_owned(),
            nodes: sums.nodes,
            cost: cost.to_string(),
            idle_cost: idle.to_string(),
            capacity: measured(&sums.capacity),
            allocatable: measured(&sums.allocatable),
            requested: measured(&sums.requested),
            used: measured(&sums.used),
            effective: measured(&sums.effective),
            overcommitted: measured(&sums.overcommitted),
        }
    };
    sums.into_iter().map(of).collect()
}

/// Core-ms, MiB-s and GPU-ms as thousandths of hours, to the nearest.
fn measured(measure: &Measure) -> Measured {
    let rounded = |amount: u64, per_milli: u64| (amount + per_milli / 2) / per_milli;
    Measured {
        core_hours_milli: rounded(measure.cpu_core_ms, 3_600),
        // 1 GiB-h = 1,024 x 3,600 MiB-s
        gib_hours_milli: rounded(measure.memory_mib_s.saturating_mul(1_000), 1_024 * 3_600),
        gpu_hours_milli: rounded(measure.gpu_ms, 3_600),
    }
}
