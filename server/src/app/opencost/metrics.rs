//! Costs for Prometheus: nodes and workloads of the newest day that is over,
//! bounded in series. Numbers are rounded from exact sums.

use super::aggregate::{Group, Grouping, parse_fields};
use super::ask::Shape;
use super::assets::NodeAsset;
use super::facts::Nodes;
use super::number::{byte_hours, core_hours, count, gpu_hours, money};
use super::share::{Idle, Sharing};
use super::window::Piece;
use super::{App, NoAnswer};
use crate::error::AppError;
use domain::instant::{Day, Span};
use domain::money::MoneyOverflow;
use domain::usage::Hour;
use domain::{BillingPeriod, Currency, Money};
use std::fmt::Write;
use std::sync::Arc;

/// Workloads by name at most, the dearest; the others are one series per
/// cluster, named `other`.
const MAX_WORKLOADS: usize = 1_000;
/// Nodes at most, the dearest.
const MAX_NODES: usize = 1_000;
/// Bytes in a GiB.
const GIB: f64 = 1_073_741_824.0;

/// Every metric written here: name and what it says.
pub const METRICS: [(&str, &str); 9] = [
    (
        "node_cpu_hourly_cost",
        "Cost of a core for an hour of the node, newest day that is over.",
    ),
    (
        "node_ram_hourly_cost",
        "Cost of a GiB of memory for an hour of the node.",
    ),
    (
        "node_gpu_hourly_cost",
        "Cost of an accelerator for an hour of the node.",
    ),
    ("node_total_hourly_cost", "Cost of the node for an hour."),
    (
        "tonnage_workload_cost_total",
        "EffectiveCost of a workload on the newest day that is over; the largest, the rest as other.",
    ),
    (
        "tonnage_namespace_cost_total",
        "EffectiveCost of a namespace on the newest day that is over; the largest, the rest as other.",
    ),
    (
        "tonnage_unused_cost_total",
        "EffectiveCost of capacity nobody held, by kind, on the newest day that is over.",
    ),
    (
        "tonnage_cost_day_start_seconds",
        "Start of the day the costs are of, Unix time; absent without any.",
    ),
    ("tonnage_cost_metrics_up", "Whether costs could be read: 1 or 0."),
];

/// A metric's head and lines, in the order of [`METRICS`].
struct Text([String; METRICS.len()]);

impl Text {
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let Some(at) = METRICS.iter().position(|(known, _)| *known == name) else {
            return;
        };
        let out = &mut self.0[at];
        let written: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        let labels = if written.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", written.join(","))
        };
        // writing to a string does not fail
        writeln!(out, "{name}{labels} {value}").unwrap_or_default();
    }

    fn finish(self) -> String {
        let mut all = String::new();
        for ((name, help), lines) in METRICS.iter().zip(self.0) {
            if !lines.is_empty() {
                write!(all, "# HELP {name} {help}\n# TYPE {name} gauge\n{lines}").unwrap_or_default();
            }
        }
        all
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl App {
    /// Costs of nodes and workloads as Prometheus text. A failure is said in
    /// `tonnage_cost_metrics_up` and logged: a scrape must not lose the rest.
    pub async fn cost_metrics(&self) -> Arc<Vec<u8>> {
        let today = self.clock.now().day();
        let made = self
            .kept_answer(format!("metrics {today}"), || self.make_metrics(today))
            .await;
        made.unwrap_or_else(|error| {
            if let NoAnswer::App(error) = &error {
                tracing::warn!(error = %error.chain(), "costs could not be read for /metrics");
            }
            let mut text = Text(Default::default());
            text.line("tonnage_cost_metrics_up", &[], 0.0);
            Arc::new(text.finish().into_bytes())
        })
    }

    async fn make_metrics(&self, today: Day) -> Result<Vec<u8>, NoAnswer> {
        let mut text = Text(Default::default());
        text.line("tonnage_cost_metrics_up", &[], 1.0);
        let view = self.view().await?;
        let newest = view.periods.iter().rev().find(|period| period.first_day() < today);
        let Some(newest) = newest else {
            return Ok(text.finish().into_bytes());
        };
        let window = Span {
            start: newest.first_day().start(),
            end: newest.next().first_day().min(today).start(),
        };
        let Some(days) = self.days(window).await? else {
            return Ok(text.finish().into_bytes());
        };
        let Some(day) = days.newest_before(today) else {
            return Ok(text.finish().into_bytes());
        };
        text.line("tonnage_cost_day_start_seconds", &[], day_start_s(day));
        let month = BillingPeriod::of(day.start()).span();
        for (currency, _) in days.currencies(month) {
            let piece = whole(day);
            let (days, lake, wanted) = (days.clone(), self.lake.clone(), currency.clone());
            let (groups, nodes) = self
                .heavy("cannot read the container-days", move || {
                    let groups = days.groups(&lake, &by_workload()?, &wanted, &[piece])?;
                    let mut nodes = Nodes::default();
                    days.nodes(&lake, &wanted, piece, &mut nodes)?;
                    Ok((groups.into_iter().next().unwrap_or_default(), nodes.finish()))
                })
                .await?;
            workloads(&mut text, &groups, &currency)?;
            hourly(&mut text, nodes, &currency)?;
        }
        Ok(text.finish().into_bytes())
    }
}

fn whole(day: Day) -> Piece {
    Piece {
        day,
        from: Hour(day.0 * 24),
        to: Hour((day.0 + 1) * 24),
    }
}

fn day_start_s(day: Day) -> f64 {
    count(u64::try_from(i64::from(day.0) * 86_400).unwrap_or(0))
}

fn by_workload() -> Result<Shape, AppError> {
    let fields = parse_fields("cluster,namespace,controllerKind,controller");
    Ok(Shape {
        grouping: Grouping {
            fields: fields.map_err(|error| AppError::broken("the grouping of workloads", error))?,
            split_idle: true,
            idle_by_node: false,
        },
        sharing: Sharing {
            idle: Idle::Separate,
            ..Sharing::default()
        },
        filter: None,
    })
}

/// The dearest by name, the rest of each cluster as `other`.
fn dearest<K: Ord + Clone>(
    mut all: Vec<(K, Money)>,
    most: usize,
    other: impl Fn(&K) -> K,
) -> Result<Vec<(K, Money)>, MoneyOverflow> {
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let rest = if all.len() > most {
        all.split_off(most)
    } else {
        Vec::new()
    };
    let mut sums: std::collections::BTreeMap<K, Money> = std::collections::BTreeMap::new();
    for (key, cost) in rest {
        let sum = sums.entry(other(&key)).or_default();
        *sum = sum.checked_add(cost)?;
    }
    all.extend(sums);
    Ok(all)
}

fn workloads(text: &mut Text, groups: &[Group], currency: &Currency) -> Result<(), MoneyOverflow> {
    let currency = ("currency", currency.as_str());
    let (idle, held): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| group.is_idle());
    let value = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut all = Vec::with_capacity(held.len());
    let mut namespaces: std::collections::BTreeMap<[String; 2], Money> = std::collections::BTreeMap::new();
    for group in held {
        let of = &group.properties;
        let cost = group.costs.total()?;
        let names = [
            value(&of.cluster),
            value(&of.namespace),
            value(&of.controller_kind),
            value(&of.controller),
        ];
        let sum = namespaces.entry([names[0].clone(), names[1].clone()]).or_default();
        *sum = sum.checked_add(cost)?;
        all.push((names, cost));
    }
    let other = |names: &[String; 4]| [names[0].clone(), "other".to_owned(), String::new(), "other".to_owned()];
    for ([cluster, namespace, kind, workload], cost) in dearest(all, MAX_WORKLOADS, other)? {
        let labels = [
            ("cluster", cluster.as_str()),
            ("namespace", &namespace),
            ("workload_kind", &kind),
            ("workload", &workload),
            currency,
        ];
        text.line("tonnage_workload_cost_total", &labels, money(cost));
    }
    let other = |names: &[String; 2]| [names[0].clone(), "other".to_owned()];
    for ([cluster, namespace], cost) in dearest(namespaces.into_iter().collect(), MAX_WORKLOADS, other)? {
        let labels = [("cluster", cluster.as_str()), ("namespace", &namespace), currency];
        text.line("tonnage_namespace_cost_total", &labels, money(cost));
    }
    for group in idle {
        let cluster = value(&group.properties.cluster);
        for (part, cost) in [
            ("idle_capacity", group.unused.idle_capacity),
            ("not_ready", group.unused.not_ready),
            ("unobserved", group.unused.unobserved),
            ("node_disk", group.unused.other),
        ] {
            if !cost.is_zero() {
                let labels = [("cluster", cluster.as_str()), ("part", part), currency];
                text.line("tonnage_unused_cost_total", &labels, money(cost));
            }
        }
    }
    Ok(())
}

fn hourly(text: &mut Text, nodes: Vec<NodeAsset>, currency: &Currency) -> Result<(), MoneyOverflow> {
    let mut by_cost = nodes
        .into_iter()
        // another currency's bill pays for it: here its rate is unknown, not zero
        .filter(|node| node.costs.iter().any(|cost| !cost.is_zero()))
        .map(|node| Ok((Money::sum(node.costs)?, node)))
        .collect::<Result<Vec<_>, MoneyOverflow>>()?;
    by_cost.sort_by(|a, b| {
        b.0.cmp(&a.0)
            .then_with(|| (&a.1.cluster, &a.1.name).cmp(&(&b.1.cluster, &b.1.name)))
    });
    for (total, node) in by_cost.iter().take(MAX_NODES) {
        let labels = [
            ("cluster", node.cluster.as_str()),
            ("node", &node.name),
            ("instance", &node.name),
            ("instance_type", &node.node_type),
            ("provider_id", &node.provider_id),
            ("currency", currency.as_str()),
        ];
        let hours = count(node.ready_s) / 3_600.0;
        for (name, cost, amount) in [
            ("node_cpu_hourly_cost", node.costs[0], core_hours(&node.capacity)),
            ("node_ram_hourly_cost", node.costs[1], byte_hours(&node.capacity) / GIB),
            ("node_gpu_hourly_cost", node.costs[2], gpu_hours(&node.capacity)),
            ("node_total_hourly_cost", *total, hours),
        ] {
            // a node that was never Ready has no rate: that is not a rate of zero
            if amount > 0.0 {
                text.line(name, &labels, money(cost) / amount);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    const DASHBOARD: &str = include_str!("../../../../deploy/grafana-dashboard.json");
    /// What `/metrics` has besides.
    const OTHERS: [&str; 5] = [
        "tonnage_http_request_duration_seconds_bucket",
        "tonnage_http_request_duration_seconds_sum",
        "tonnage_http_request_duration_seconds_count",
        "tonnage_manifest_version",
        "tonnage_charge_rows",
    ];

    fn expressions(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(text)) = map.get("expr") {
                    found.push(text.clone());
                }
                map.values().for_each(|value| expressions(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| expressions(value, found)),
            _ => {}
        }
    }

    #[test]
    fn the_dashboard_asks_for_metrics_there_are() {
        let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
        let mut found = Vec::new();
        expressions(&dashboard, &mut found);
        assert!(found.len() >= 8, "{found:?}");
        let known: BTreeSet<&str> = METRICS.iter().map(|(name, _)| *name).chain(OTHERS).collect();
        let mut used = BTreeSet::new();
        for text in &found {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let metrics: Vec<&str> = words
                .filter(|word| word.starts_with("node_") || word.starts_with("tonnage_"))
                .collect();
            assert!(!metrics.is_empty(), "{text}");
            for metric in metrics {
                assert!(known.contains(metric), "{metric} in {text}");
                used.insert(metric.to_owned());
            }
        }
        assert!(used.contains("tonnage_workload_cost_total") && used.contains("node_total_hourly_cost"));
    }

    #[test]
    fn the_dearest_stay_and_the_rest_is_one() {
        let cost = |text: &str| Money::parse(text).expect(text);
        let all = [("a", "1"), ("b", "3"), ("c", "2"), ("d", "0.5")].map(|(name, text)| (name, cost(text)));
        let kept = dearest(all.to_vec(), 2, |_| "other").expect("sums");
        assert_eq!(kept, [("b", cost("3")), ("c", cost("2")), ("other", cost("1.5"))]);
    }

    #[test]
    fn label_values_are_escaped() {
        let mut text = Text(Default::default());
        text.line("tonnage_namespace_cost_total", &[("namespace", "a\"b\\c\nd")], 1.5);
        let text = text.finish();
        assert!(
            text.contains("tonnage_namespace_cost_total{namespace=\"a\\\"b\\\\c\\nd\"} 1.5\n"),
            "{text}"
        );
        assert!(text.starts_with("# HELP tonnage_namespace_cost_total "), "{text}");
    }
}
