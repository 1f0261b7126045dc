//! Clusters: paid, requested, used.

use super::change::shares;
use super::{finding, permille};
use crate::app::App;
use crate::app::clusters::estimate_of;
use crate::app::cube::amount;
use crate::error::AppError;
use domain::Money;
use domain::class::Class;
use domain::usage::{Hour, Measure, Part, PoolSums};
use frontend::query::PageQuery;
use std::collections::BTreeMap;
use store::UsageDayRow;
use wire::{Cluster, ClustersPage, Measured, NodePool, PartCost, PeriodState};

/// Findings shown on this page.
const CODES: [&str; 4] = [
    "node_cost_without_usage",
    "unobserved_node_cost",
    "nodes_without_bill",
    "nodes_without_price",
];

#[derive(Default)]
struct Costs {
    cost: Money,
    /// Root disks, beside the node cost.
    disks: Money,
    /// Some line pays for its nodes.
    billed: bool,
    parts: BTreeMap<String, Money>,
    pools: BTreeMap<String, (Money, Money)>,
}

impl App {
    /// The Clusters page.
    ///
    /// # Errors
    /// When there is no bill, or the machinery failed.
    pub async fn clusters_page(&self, query: &PageQuery) -> Result<ClustersPage, AppError> {
        self.reads_estate()?;
        let ground = self.ground(query).await?;
        let cube = &ground.cube;
        let lines = cube.select(&ground.currency, &[]);
        let value = |key: &str, line: usize| {
            let column = cube.column(key);
            column.map_or("", |column| &column.values[column.codes[line] as usize])
        };
        let mut costs: BTreeMap<String, Costs> = BTreeMap::new();
        let (mut whole, mut unjoined) = (Costs::default(), Money::ZERO);
        for line in lines {
            let money = amount(&cube.values[line], ground.basis);
            let (cluster, class) = (value("Cluster", line), cube.classes[line]);
            match (class, cluster) {
                (Class::NodeCompute, "") => unjoined = unjoined.checked_add(money)?,
                (Class::NodeCompute, cluster) => {
                    let (part, pool) = (value("AllocationPart", line), value("NodePool", line));
                    whole.add(part, pool, money)?;
                    costs.entry(cluster.to_owned()).or_default().add(part, pool, money)?;
                }
                (Class::NodeDisk, cluster) if !cluster.is_empty() => {
                    let costs = costs.entry(cluster.to_owned()).or_default();
                    costs.disks = costs.disks.checked_add(money)?;
                }
                _ => {}
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
        let allocation = self.store.allocation(ground.period).await?;
        let findings = allocation.as_ref().map_or(&[][..], |allocation| &allocation.findings);
        let clusters = ids
            .into_iter()
            .map(|id| {
                let own: Vec<&UsageDayRow> = days.iter().filter(|day| day.cluster_id == id).collect();
                let name = names.get(&id).unwrap_or(&id);
                let mut one = cluster(&id, name, &costs.remove(&id).unwrap_or_default(), &own)?;
                let estimate = estimate_of(findings, &id, &ground.currency)?;
                one.estimate = estimate.map(|money| money.to_string());
                one.state = match estimate {
                    Some(_) => PeriodState::Estimated,
                    None => ground.context.state,
                };
                Ok(one)
            })
            .collect::<Result<_, AppError>>()?;
        Ok(ClustersPage {
            context: ground.context,
            clusters,
            parts: whole.parts()?,
            joined: whole.cost.to_string(),
            unjoined: unjoined.to_string(),
            findings: findings
                .iter()
                .filter(|f| CODES.contains(&f.code.as_str()))
                .map(finding)
                .collect(),
        })
    }
}

impl Costs {
    /// A piece of node cost.
    fn add(&mut self, part: &str, pool: &str, money: Money) -> Result<(), AppError> {
        self.billed = true;
        self.cost = self.cost.checked_add(money)?;
        let sum = self.parts.entry(part.to_owned()).or_default();
        *sum = sum.checked_add(money)?;
        let (cost, idle) = self.pools.entry(pool.to_owned()).or_default();
        *cost = cost.checked_add(money)?;
        if part == Part::IdleCapacity.as_str() {
            *idle = idle.checked_add(money)?;
        }
        Ok(())
    }

    /// The parts in the order they are shown; what has no part is a part of its own, so that they add up.
    fn parts(&self) -> Result<Vec<PartCost>, AppError> {
        let place = |key: &str| Part::ALL.iter().position(|part| part.as_str() == key);
        let mut parts: Vec<(&String, Money)> = self.parts.iter().map(|(key, cost)| (key, *cost)).collect();
        parts.sort_by_key(|(key, _)| place(key).unwrap_or(usize::MAX));
        let costs: Vec<Money> = parts.iter().map(|(_, cost)| *cost).collect();
        let largest = costs.iter().map(|cost| cost.abs()).max().unwrap_or_default();
        let parts = parts.into_iter().zip(shares(&costs, self.cost)?);
        Ok(parts
            .map(|((key, cost), share)| PartCost {
                label: Part::parse(key).map_or("Not split", Part::label).to_owned(),
                part: key.clone(),
                cost: cost.to_string(),
                share_permille: share,
                bar_permille: u32::try_from(permille(cost.abs(), largest)).unwrap_or(0),
            })
            .collect())
    }
}

fn cluster(id: &str, name: &str, costs: &Costs, days: &[&UsageDayRow]) -> Result<Cluster, AppError> {
    let ready_s: u64 = days.iter().map(|day| day.ready_s).sum();
    let observed_s: u64 = days.iter().map(|day| day.observed_s).sum();
    let last = days.iter().map(|day| day.last_hour).max();
    Ok(Cluster {
        id: id.to_owned(),
        name: name.to_owned(),
        state: PeriodState::Actual,
        estimate: None,
        cost: costs.billed.then(|| costs.cost.to_string()),
        parts: costs.parts()?,
        disk_cost: costs.disks.to_string(),
        pools: pools(costs, days),
        // a day of a cluster is one row
        days: u32::try_from(days.len()).unwrap_or(u32::MAX),
        facts_through: last.map(|hour| Hour(hour + 1).start().to_string()),
        unobserved_s: ready_s.saturating_sub(observed_s),
        ready_s,
    })
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
pub(crate) fn measured(measure: &Measure) -> Measured {
    let rounded = |amount: u64, per_milli: u64| (amount + per_milli / 2) / per_milli;
    Measured {
        core_hours_milli: rounded(measure.cpu_core_ms, 3_600),
        // 1 GiB-h = 1,024 x 3,600 MiB-s
        gib_hours_milli: rounded(measure.memory_mib_s.saturating_mul(1_000), 1_024 * 3_600),
        gpu_hours_milli: rounded(measure.gpu_ms, 3_600),
    }
}
