//! Hours of nodes: what they had, when they were Ready, and when facts say so.

use super::answer::Series;
use super::labels::{Names, accelerator_milli, node};
use super::series::{Scrapes, Timeline, label, target};
use super::spans::{Presence, Stretch, Tick, covered_ms, stood, through_silences, union};
use domain::tags::Tags;
use domain::usage::{Capacity, Hour, Node, NodeHour};
use std::collections::{BTreeMap, BTreeSet};

/// Longest silence of all scrapes that a node is taken to have lived through
/// when it was Ready on both sides (A5: at most six hours each side).
pub(crate) const SILENCE_MS: i64 = 6 * 3_600_000;

const MIB: i64 = 1 << 20;

/// What the series of a window say about the nodes of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    /// Scrapes of kube-state-metrics.
    pub scrapes: Scrapes,
    /// By name and provider id: names are reused (A37).
    seen: BTreeMap<(String, String), Presence>,
    ready: BTreeMap<String, Presence>,
    /// By name and resource as kube-state-metrics names it.
    capacity: BTreeMap<String, BTreeMap<String, Timeline<i64>>>,
    allocatable: BTreeMap<String, BTreeMap<String, Timeline<i64>>>,
    labels: BTreeMap<String, Timeline<Tags>>,
    /// Instants at which a node's own exporter answered.
    exporter: BTreeMap<String, Vec<i64>>,
    /// Names of nodes by what was scraped there.
    scraped: BTreeMap<String, String>,
    hosts: BTreeMap<String, Host>,
}

/// A machine as its own exporter sees it.
#[derive(Debug, Default)]
struct Host {
    cpus: BTreeSet<String>,
    memory: Timeline<i64>,
}

/// Which amount of a node a series tells.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Amount {
    Capacity,
    Allocatable,
}

impl Nodes {
    /// `kube_node_info`.
    pub(crate) fn see_info(&mut self, series: &Series, reach_ms: i64) {
        self.scrapes.see(series);
        let key = (label(&series.labels, "node"), label(&series.labels, "provider_id"));
        let key = (key.0.to_owned(), key.1.to_owned());
        self.seen.entry(key).or_default().see(series, reach_ms);
    }

    /// `kube_node_status_condition{condition="Ready",status="true"}`.
    pub(crate) fn see_ready(&mut self, series: &Series, reach_ms: i64) {
        self.scrapes.see(series);
        let name = label(&series.labels, "node").to_owned();
        self.ready.entry(name).or_default().see(series, reach_ms);
    }

    /// `kube_node_status_capacity` or `_allocatable`, in thousandths.
    pub(crate) fn see_amount(&mut self, which: Amount, series: &Series, reach_ms: i64) {
        let amounts = match which {
            Amount::Capacity => &mut self.capacity,
            Amount::Allocatable => &mut self.allocatable,
        };
        let of_node = amounts.entry(label(&series.labels, "node").to_owned()).or_default();
        let timeline = of_node.entry(label(&series.labels, "resource").to_owned()).or_default();
        for (at, value) in &series.samples {
            timeline.see(*at, (*value).max(0), reach_ms);
        }
        timeline.settle();
    }

    /// `kube_node_labels`.
    pub(crate) fn see_labels(&mut self, series: &Series, names: &Names, reach_ms: i64) {
        let timeline = self.labels.entry(label(&series.labels, "node").to_owned()).or_default();
        let tags = names.read(&series.labels);
        for (at, _) in &series.samples {
            timeline.see(*at, tags.clone(), reach_ms);
        }
        timeline.settle();
    }

    /// `node_uname_info` of node-exporter.
    pub(crate) fn see_exporter(&mut self, series: &Series) {
        let named = label(&series.labels, "node");
        let name = if named.is_empty() {
            label(&series.labels, "nodename")
        } else {
            named
        };
        let instants = self.exporter.entry(name.to_owned()).or_default();
        instants.extend(series.samples.iter().map(|(at, _)| *at));
        self.scraped.insert(target(&series.labels), name.to_owned());
    }

    /// `node_cpu_seconds_total{mode="idle"}` of node-exporter: a series for each CPU.
    pub(crate) fn see_cpu(&mut self, series: &Series) {
        let host = self.hosts.entry(target(&series.labels)).or_default();
        host.cpus.insert(label(&series.labels, "cpu").to_owned());
    }

    /// `node_memory_MemTotal_bytes` of node-exporter.
    pub(crate) fn see_memory(&mut self, series: &Series, reach_ms: i64) {
        let host = self.hosts.entry(target(&series.labels)).or_default();
        for (at, bytes) in &series.samples {
            // in thousandths, as kube-state-metrics' amounts are kept
            host.memory.see(*at, bytes.max(&0).saturating_mul(1_000), reach_ms);
        }
        host.memory.settle();
    }

    /// Whether the capacity of some node is not told by kube-state-metrics.
    pub(crate) fn lacks_capacity(&self) -> bool {
        self.seen.keys().any(|(name, _)| !self.capacity.contains_key(name))
    }

    /// Takes the capacity of nodes without one from their own exporters;
    /// returns how many nodes that were.
    pub(crate) fn measure(&mut self, reach_ms: i64) -> u64 {
        let mut measured = BTreeSet::new();
        for (place, host) in &self.hosts {
            let Some(name) = self.scraped.get(place) else { continue };
            let known = self.capacity.contains_key(name) && !measured.contains(name);
            if known || !self.seen.keys().any(|(seen, _)| seen == name) {
                continue;
            }
            let cpus = i64::try_from(host.cpus.len()).unwrap_or(i64::MAX).saturating_mul(1_000);
            let mut cpu = Timeline::default();
            for at in self.exporter.get(name).into_iter().flatten() {
                cpu.see(*at, cpus, reach_ms);
            }
            cpu.settle();
            let amounts = [("cpu", cpu), ("memory", host.memory.clone())];
            let amounts = amounts.map(|(resource, timeline)| (resource.to_owned(), timeline));
            self.capacity.insert(name.clone(), amounts.into());
            measured.insert(name.clone());
        }
        u64::try_from(measured.len()).unwrap_or(u64::MAX)
    }

    /// Whether kube-state-metrics showed any node.
    pub(crate) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Whether nodes have a Ready condition at all.
    pub(crate) fn has_conditions(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many shares a node announces for one of its devices (A30).
    pub(crate) fn replicas(&self, name: &str, at: i64, reach_ms: i64) -> u64 {
        let labels = self.labels.get(name).and_then(|timeline| timeline.at(at, reach_ms));
        let announced = labels.and_then(|labels| labels.get("nvidia.com/gpu.replicas")?.parse().ok());
        announced.filter(|replicas| (1..=1_000).contains(replicas)).unwrap_or(1)
    }

    /// The most a node of this name had: no container uses more.
    pub(crate) fn largest(&self, name: &str) -> Option<Capacity> {
        let of_node = self.capacity.get(name)?;
        let most = |resource: &str| of_node.get(resource)?.values().into_iter().next_back().copied();
        Some(Capacity {
            cpu_millicores: most("cpu").map_or(u64::MAX, i64::unsigned_abs),
            memory_mib: most("memory").map_or(u64::MAX, |thousandths| mib(thousandths / 1_000)),
            gpu_milli: u64::MAX,
        })
    }

    /// The hours of every node from one hour to another.
    pub(crate) fn hours(&self, hours: std::ops::Range<i32>, reach_ms: i64) -> Vec<(Node, Vec<NodeHour>)> {
        let mut found: BTreeMap<Node, Vec<NodeHour>> = BTreeMap::new();
        for ((name, provider_id), seen) in &self.seen {
            let shown = seen.ticks(&self.scrapes, reach_ms, |_| true);
            let there = stood(&shown);
            let ticks = match self.ready.get(name) {
                Some(ready) => ready.ticks(&self.scrapes, reach_ms, |at| seen.near(at, reach_ms)),
                // without conditions, to be shown is to be Ready
                None => shown,
            };
            let observed = stood(&ticks);
            let ready = self.lived(name, &ticks, reach_ms);
            for hour in hours.clone().map(Hour) {
                let window = window(hour);
                let ready_ms = covered_ms(&ready, window);
                if ready_ms == 0 && covered_ms(&there, window) == 0 {
                    continue;
                }
                let labels = self
                    .labels
                    .get(name)
                    .and_then(|labels| labels.during(window, reach_ms, SILENCE_MS));
                let capacity = self.amount(&self.capacity, name, window, reach_ms);
                let allocatable = self.amount(&self.allocatable, name, window, reach_ms);
                let known = node(name, provider_id, labels.cloned().unwrap_or_default());
                found.entry(known).or_default().push(NodeHour {
                    hour,
                    ready_s: seconds(ready_ms),
                    observed_s: seconds(covered_ms(&observed, window)),
                    capacity: capacity.unwrap_or_default(),
                    allocatable: allocatable.or(capacity).unwrap_or_default(),
                });
            }
        }
        found.into_iter().collect()
    }

    /// When it was Ready, with the silences it lived through.
    fn lived(&self, name: &str, ticks: &[Tick], reach_ms: i64) -> Vec<Stretch> {
        let mut ready = through_silences(ticks, &self.scrapes);
        // its own exporter speaks for it while kube-state-metrics is silent
        for &at in self.exporter.get(name).into_iter().flatten() {
            if !self.scrapes.any_between(at - reach_ms, at + reach_ms) {
                ready.push((at, at + reach_ms));
            }
        }
        union(ready)
    }

    fn amount(
        &self,
        amounts: &BTreeMap<String, BTreeMap<String, Timeline<i64>>>,
        name: &str,
        window: Stretch,
        reach_ms: i64,
    ) -> Option<Capacity> {
        let of_node = amounts.get(name)?;
        let mut capacity = Capacity::default();
        for (resource, timeline) in of_node {
            let Some(&thousandths) = timeline.during(window, reach_ms, SILENCE_MS) else {
                continue;
            };
            let amount = thousandths.unsigned_abs();
            match resource.as_str() {
                "cpu" => capacity.cpu_millicores = amount,
                "memory" => capacity.memory_mib = mib(thousandths / 1_000),
                device => {
                    let each = accelerator_milli(device, self.replicas(name, window.0, SILENCE_MS));
                    capacity.gpu_milli += each.map_or(0, |each| each.saturating_mul(amount / 1_000));
                }
            }
        }
        Some(capacity)
    }
}

/// Bytes as MiB, to the nearest, half up.
pub(crate) fn mib(bytes: i64) -> u64 {
    let bytes = bytes.max(0);
    u64::try_from(bytes / MIB + i64::from(bytes % MIB >= MIB / 2)).unwrap_or(0)
}

/// An hour in milliseconds.
pub(crate) fn window(hour: Hour) -> Stretch {
    let start = hour.start().0 / 1_000;
    (start, start + 3_600_000)
}

fn seconds(ms: i64) -> u32 {
    u32::try_from(ms / 1_000).unwrap_or(0)
}
