//! `/cloudCost`: the bill by day and a few of its columns, list, net and
//! amortised, and the three views of it that front ends read.

mod ask;

pub use ask::Dimension;

use super::answer::{Envelope, WindowJson};
use super::ask::Params;
use super::number::money;
use super::{App, BadAsk, CurrencyLines, NoAnswer, around, choose, json};
use crate::app::allocate::charge_file;
use crate::error::AppError;
use ask::{CloudAsk, Metric, Sort};
use domain::instant::Span;
use domain::money::{MoneyOverflow, MoneySum};
use domain::{BillingPeriod, Money};
use lake::cloud::{CloudCosts, CloudKey, cloud_costs};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Items of a bar in a graph; the last stands for the rest.
const GRAPH_ITEMS: usize = 10;
/// Rows one answer may have, over all its sets.
const MAX_ROWS: usize = 200_000;

/// What of the bill is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Sets with every cost.
    Sets,
    /// Per set the largest items of one cost.
    Graph,
    /// One cost in one row.
    Totals,
    /// One cost, a row each.
    Table,
}

/// A month of the bill, added up by some columns and tags.
pub(super) type Month = BTreeMap<CloudKey, CloudCosts>;
/// What a month is kept under: its files, and the columns and tags.
pub(super) type MonthKey = (String, Vec<Dimension>);

/// Costs of a name: all, and those of machines that run Kubernetes.
#[derive(Debug, Clone, Default)]
struct Item {
    values: Vec<Option<String>>,
    all: CloudCosts,
    kubernetes: CloudCosts,
}

type Items = BTreeMap<String, Item>;

impl Item {
    fn add(&mut self, costs: &CloudCosts, kubernetes: bool) -> Result<(), MoneyOverflow> {
        self.all.add(costs)?;
        if kubernetes {
            self.kubernetes.add(costs)?;
        }
        Ok(())
    }

    fn metric(&self, metric: Metric) -> MetricJson {
        let (all, kubernetes) = (metric.of(&self.all), metric.of(&self.kubernetes));
        MetricJson {
            cost: money(all),
            kubernetes_percent: if all.is_zero() {
                0.0
            } else {
                money(kubernetes) / money(all)
            },
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricJson {
    cost: f64,
    kubernetes_percent: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CostJson<'a> {
    properties: BTreeMap<&'a str, serde_json::Value>,
    window: WindowJson,
    list_cost: MetricJson,
    net_cost: MetricJson,
    amortized_net_cost: MetricJson,
    invoiced_cost: MetricJson,
    amortized_cost: MetricJson,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SetJson<'a> {
    cloud_costs: BTreeMap<&'a str, CostJson<'a>>,
    window: WindowJson,
    aggregation_properties: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SetsJson<'a> {
    sets: Vec<SetJson<'a>>,
    window: WindowJson,
}

#[derive(Debug, Serialize)]
struct GraphJson {
    start: String,
    end: String,
    items: Vec<GraphItem>,
}

#[derive(Debug, Serialize)]
struct GraphItem {
    name: String,
    value: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TableRow {
    name: String,
    labels: Option<BTreeMap<String, String>>,
    kubernetes_percent: f64,
    cost: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TotalsJson {
    num_results: usize,
    combined: TableRow,
}

impl App {
    /// `/cloudCost` and its views, as JSON.
    ///
    /// # Errors
    /// What does not fit in the request, and what the use case ends in.
    pub async fn opencost_cloud(&self, query: &str, view: View) -> Result<Arc<Vec<u8>>, NoAnswer> {
        self.reads_estate()?;
        let ask = CloudAsk::parse(&Params::parse(query), self.clock.now())?;
        let key = format!("cloud {view:?} {ask:?}");
        self.kept_answer(key, || self.make_cloud(&ask, view)).await
    }

    async fn make_cloud(&self, ask: &CloudAsk, view: View) -> Result<Vec<u8>, NoAnswer> {
        let window = ask.base.window.hours;
        let mut warnings = ask.base.warnings.clone();
        let months = self.months(ask).await?;
        let mut lines = CurrencyLines::new();
        let keys = months.iter().flat_map(|month| month.keys());
        for key in keys.filter(|key| (window.start..window.end).contains(&key.day.start())) {
            *lines.entry(key.currency.clone()).or_default() += 1;
        }
        let currency = choose(&ask.base.currency, &lines, &mut warnings)?;
        let mut sets: Vec<Items> = ask.sets.iter().map(|_| Items::new()).collect();
        let mut count = 0;
        for (key, costs) in months.iter().flat_map(|month| month.iter()) {
            let at = ask.sets.partition_point(|set| set.end <= key.day.start());
            let inside = ask.sets.get(at).is_some_and(|set| set.start <= key.day.start());
            if !inside || key.currency != currency || !ask.passes(key) {
                continue;
            }
            let item = sets[at].entry(ask.name(key)).or_insert_with(|| {
                count += 1;
                Item {
                    values: key.values.clone(),
                    ..Item::default()
                }
            });
            item.add(costs, key.kubernetes)?;
            if count > MAX_ROWS {
                return Err(BadAsk::new(format!(
                    "the answer would have more than {MAX_ROWS} rows; aggregate by fewer fields, filter, or accumulate"
                ))
                .into());
            }
        }
        let total = told(&sets, ask.metric, view, &mut warnings)?;
        let code = Some(currency.as_str()).filter(|_| !lines.is_empty());
        match view {
            View::Sets => json(&Envelope::new(sets_json(ask, &sets), warnings, code, Some(total))),
            View::Graph => json(&Envelope::new(graph(ask, &sets)?, warnings, code, Some(total))),
            View::Totals => json(&Envelope::new(totals(ask, &sets)?, warnings, code, Some(total))),
            View::Table => json(&Envelope::new(table(ask, &sets)?, warnings, code, Some(total))),
        }
    }

    /// The months whose bills may hold charges of the window.
    async fn months(&self, ask: &CloudAsk) -> Result<Vec<Arc<Month>>, AppError> {
        let (first, last) = around(ask.base.window.hours);
        let view = self.view().await?;
        let mut months = Vec::new();
        for period in view.periods.iter().filter(|period| (first..=last).contains(*period)) {
            months.push(self.month(*period, &ask.dimensions).await?);
        }
        Ok(months)
    }

    async fn month(&self, period: BillingPeriod, dimensions: &[Dimension]) -> Result<Arc<Month>, AppError> {
        let (row, _) = self.fresh_allocation(period).await?;
        let key: MonthKey = (row.inputs_hash.clone(), dimensions.to_vec());
        if let Some(month) = self.opencost.months.get(&key) {
            return Ok(month);
        }
        let files = self.store.active_files(Some(period)).await?;
        let files: Vec<lake::ChargeFile> = files.iter().map(charge_file).collect();
        let usage = self.usage_for(period).await?;
        let (program, _) = self.active_program().await?;
        let (lake, wanted) = (self.lake.clone(), dimensions.to_vec());
        let month = self
            .heavy("cannot read the bill", move || {
                let columns: Vec<&str> = wanted.iter().filter_map(Dimension::column).collect();
                let tags: Vec<String> = wanted.iter().filter_map(Dimension::tag).collect();
                Ok(cloud_costs(&lake, &files, &usage, &program, &columns, &tags)?)
            })
            .await?;
        let bytes = month.len() * (size_of::<(CloudKey, CloudCosts)>() + dimensions.len() * 48);
        Ok(self.opencost.months.put(key, month, bytes))
    }
}

/// The exact sum of the cost shown, and what must be told about the costs.
fn told(sets: &[Items], metric: Metric, view: View, warnings: &mut Vec<String>) -> Result<Money, MoneyOverflow> {
    let mut sum = MoneySum::default();
    let mut unlisted = 0;
    for item in sets.iter().flat_map(BTreeMap::values) {
        sum.add(metric.of(&item.all));
        unlisted += item.all.unlisted;
    }
    if unlisted > 0 && (view == View::Sets || metric == Metric::List) {
        warnings.push(format!(
            "{unlisted} charges state no list cost: they are missing from listCost"
        ));
    }
    if view == View::Sets || metric == Metric::Amortized {
        warnings.push(
            "amortizedCost is EffectiveCost, as amortizedNetCost: bills in FOCUS state no amortised cost before discounts"
                .to_owned(),
        );
    }
    sum.total()
}

fn sets_json<'a>(ask: &'a CloudAsk, sets: &'a [Items]) -> SetsJson<'a> {
    let one = |(window, items): (&Span, &'a Items)| SetJson {
        cloud_costs: items
            .iter()
            .map(|(name, item)| (name.as_str(), cost(ask, *window, item)))
            .collect(),
        window: WindowJson::of(*window),
        aggregation_properties: ask.by.iter().map(Dimension::text).collect(),
    };
    SetsJson {
        sets: ask.sets.iter().zip(sets).map(one).collect(),
        window: WindowJson::of(ask.base.window.hours),
    }
}

fn cost<'a>(ask: &'a CloudAsk, window: Span, item: &Item) -> CostJson<'a> {
    let mut properties: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
    let mut labels = serde_json::Map::new();
    for (wanted, value) in ask.dimensions.iter().zip(&item.values) {
        let Some(value) = value.as_ref().filter(|_| ask.by.contains(wanted)) else {
            continue;
        };
        match wanted {
            Dimension::Column(name, _) => {
                properties.insert(name, value.clone().into());
            }
            Dimension::Label(key) => {
                labels.insert(key.clone(), value.clone().into());
            }
        }
    }
    if !labels.is_empty() {
        properties.insert("labels", labels.into());
    }
    CostJson {
        properties,
        window: WindowJson::of(window),
        list_cost: item.metric(Metric::List),
        net_cost: item.metric(Metric::Net),
        amortized_net_cost: item.metric(Metric::AmortizedNet),
        invoiced_cost: item.metric(Metric::Invoiced),
        amortized_cost: item.metric(Metric::Amortized),
    }
}

fn graph(ask: &CloudAsk, sets: &[Items]) -> Result<Vec<GraphJson>, MoneyOverflow> {
    let mut graph = Vec::with_capacity(sets.len());
    for (window, items) in ask.sets.iter().zip(sets) {
        let mut by_cost: Vec<(Money, &String)> = items
            .iter()
            .map(|(name, item)| (ask.metric.of(&item.all), name))
            .collect();
        by_cost.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        let rest = if by_cost.len() > GRAPH_ITEMS {
            by_cost.split_off(GRAPH_ITEMS - 1)
        } else {
            Vec::new()
        };
        let item = |(cost, name): (Money, &String)| GraphItem {
            name: name.clone(),
            value: money(cost),
        };
        let mut items: Vec<GraphItem> = by_cost.into_iter().map(item).collect();
        if !rest.is_empty() {
            items.push(GraphItem {
                name: "Other".to_owned(),
                value: money(Money::sum(rest.iter().map(|(cost, _)| *cost))?),
            });
        }
        graph.push(GraphJson {
            start: window.start.to_string(),
            end: window.end.to_string(),
            items,
        });
    }
    Ok(graph)
}

/// All sets as one.
fn joined(sets: &[Items]) -> Result<Items, MoneyOverflow> {
    let mut all = Items::new();
    for (name, item) in sets.iter().flatten() {
        let sum = all.entry(name.clone()).or_insert_with(|| Item {
            values: item.values.clone(),
            ..Item::default()
        });
        sum.all.add(&item.all)?;
        sum.kubernetes.add(&item.kubernetes)?;
    }
    Ok(all)
}

fn totals(ask: &CloudAsk, sets: &[Items]) -> Result<TotalsJson, MoneyOverflow> {
    let all = joined(sets)?;
    let mut sum = Item::default();
    for item in all.values() {
        sum.all.add(&item.all)?;
        sum.kubernetes.add(&item.kubernetes)?;
    }
    let metric = sum.metric(ask.metric);
    Ok(TotalsJson {
        num_results: all.len(),
        combined: TableRow {
            name: "Totals".to_owned(),
            labels: None,
            kubernetes_percent: metric.kubernetes_percent,
            cost: metric.cost,
        },
    })
}

fn table(ask: &CloudAsk, sets: &[Items]) -> Result<Vec<TableRow>, MoneyOverflow> {
    let all = joined(sets)?;
    let mut rows: Vec<(&String, &Item, MetricJson)> = all
        .iter()
        .map(|(name, item)| (name, item, item.metric(ask.metric)))
        .collect();
    rows.sort_by(|a, b| {
        let order = match ask.sort {
            Sort::Name => a.0.cmp(b.0),
            Sort::Cost => ask.metric.of(&a.1.all).cmp(&ask.metric.of(&b.1.all)),
            Sort::Kubernetes => a.2.kubernetes_percent.total_cmp(&b.2.kubernetes_percent),
        };
        let order = if ask.ascending { order } else { order.reverse() };
        order.then(a.0.cmp(b.0))
    });
    let row = |(name, item, metric): (&String, &Item, MetricJson)| TableRow {
        name: name.clone(),
        labels: Some(labels_of(ask, item)).filter(|labels| !labels.is_empty()),
        kubernetes_percent: metric.kubernetes_percent,
        cost: metric.cost,
    };
    Ok(rows.into_iter().skip(ask.offset).take(ask.limit).map(row).collect())
}

fn labels_of(ask: &CloudAsk, item: &Item) -> BTreeMap<String, String> {
    let pairs = ask.dimensions.iter().zip(&item.values);
    pairs
        .filter(|(wanted, _)| ask.by.contains(wanted))
        .filter_map(|(wanted, value)| Some((wanted.tag()?, value.clone()?)))
        .collect()
}
