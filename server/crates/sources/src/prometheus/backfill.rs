//! Hourly facts out of a Prometheus, one chunk of hours at a time.
//!
//! The facts of an hour are a function of the samples in and around that hour
//! alone, so the size of the chunks, a restart in between, or loading an hour
//! twice changes nothing (rules A1, A2).

use super::balancers::fetch_balancers;
use super::client::Client;
use super::error::PrometheusError;
use super::fetch::{Namespaces, Scope, fetch_nodes, fetch_pods, interval_of, namespaces};
use super::labels::Names;
use super::nodes::{Nodes, SILENCE_MS, window};
use super::pods::{Doubts, Rules, SlotFacts};
use super::volumes::fetch_volumes;
use domain::Finding;
use domain::instant::Instant;
use domain::usage::{BalancerDay, Hour, Node, NodeHour, VolumeDay};
use std::ops::Range;

/// How far around its hours a chunk looks, in scrape intervals: what a sample
/// may stand for, and its neighbours' reach, on either side.
const MARGIN_INTERVALS: i64 = 6;

/// What to load and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Id of the cluster: the UID of its namespace `kube-system` (A37). No
    /// series tells it.
    pub cluster: String,
    /// Labels that select the cluster in a store that several share: `("cluster", "prod")`.
    pub matchers: Vec<(String, String)>,
    /// Scrape interval, seconds: a sample stands for at most twice that. See [`measured_interval`].
    pub interval_s: u32,
    /// Hours in a chunk.
    pub chunk_hours: u32,
    /// Samples of a metric held at once; namespaces are taken together up to
    /// this. Some 200 bytes of memory each, all metrics together.
    pub samples_max: u64,
    /// Names of the priority classes of placeholder pods (A28).
    pub placeholder_classes: Vec<String>,
    /// Label names in use, which kube-state-metrics writes mangled: `cost-center`.
    pub label_names: Vec<String>,
}

impl Options {
    /// The usual settings for a cluster.
    #[must_use]
    pub fn new(cluster: impl Into<String>) -> Options {
        Options {
            cluster: cluster.into(),
            matchers: Vec::new(),
            interval_s: 60,
            chunk_hours: 6,
            samples_max: 500_000,
            placeholder_classes: ["overprovisioning", "overprovisioner", "placeholder", "headroom"]
                .map(str::to_owned)
                .to_vec(),
            label_names: Vec::new(),
        }
    }
}

/// Facts of some hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Id of the cluster.
    pub cluster: String,
    /// The hours they are of.
    pub hours: Range<Hour>,
    /// Nodes with their hours.
    pub nodes: Vec<(Node, Vec<NodeHour>)>,
    /// Containers and pod overheads, by (slot, hour).
    pub slots: Vec<SlotFacts>,
    /// Volumes, who mounted them and when; one here may reach over several days.
    pub volumes: Vec<VolumeDay>,
    /// Load balancers and what is behind them; one here may reach over several days.
    pub balancers: Vec<BalancerDay>,
    /// The hour in which a silence began that had not ended six hours later or
    /// by now. While these hours are younger than that, load them again from
    /// here once kube-state-metrics answers: a node that is Ready on both sides
    /// was Ready in between (A5).
    pub silent_since: Option<Hour>,
    /// What is missing or was corrected.
    pub findings: Vec<Finding>,
}

/// Loads hours in chunks. Keep [`Backfill::cursor`] once a chunk is stored, and
/// begin there next time: whatever ended us, nothing is lost or doubled.
#[derive(Debug)]
pub struct Backfill<'a> {
    client: &'a Client,
    options: Options,
    names: Names,
    cursor: Hour,
    to: Hour,
}

/// The end of the hours that are complete: all their samples, and those around
/// them, have had `settle_s` seconds to arrive. Following is loading from the
/// cursor to here, again and again.
#[must_use]
pub fn settled(now: Instant, interval_s: u32, settle_s: u32) -> Hour {
    let margin_s = i64::from(interval_s) * MARGIN_INTERVALS + i64::from(settle_s);
    Hour::of(Instant(now.0 - margin_s * 1_000_000))
}

/// The usual time between two scrapes of kube-state-metrics in the hour before
/// `at`, seconds; `None` when it was not scraped. Keep it with the cursor: an
/// hour must always be loaded with the same one.
///
/// # Errors
/// See [`PrometheusError`].
pub async fn measured_interval(
    client: &Client,
    options: &Options,
    at: Instant,
) -> Result<Option<u32>, PrometheusError> {
    interval_of(client, &options.matchers, at.0 / 1_000).await
}

impl<'a> Backfill<'a> {
    /// From one hour to another, which is not loaded.
    ///
    /// # Errors
    /// Options that make no sense.
    pub fn new(client: &'a Client, options: Options, from: Hour, to: Hour) -> Result<Backfill<'a>, PrometheusError> {
        if options.cluster.is_empty() {
            return Err(PrometheusError::setup(
                "name the cluster by the UID of its namespace kube-system: kubectl get namespace kube-system -o jsonpath={.metadata.uid}",
            ));
        }
        if !(1..=900).contains(&options.interval_s) {
            return Err(PrometheusError::setup(
                "the scrape interval is between 1 and 900 seconds",
            ));
        }
        if !(1..=744).contains(&options.chunk_hours) || options.samples_max == 0 {
            return Err(PrometheusError::setup(
                "a chunk has 1 to 744 hours and at least one sample",
            ));
        }
        Ok(Backfill {
            client,
            names: Names::new(&options.label_names),
            options,
            cursor: from,
            to,
        })
    }

    /// The first hour that is not loaded yet.
    #[must_use]
    pub fn cursor(&self) -> Hour {
        self.cursor
    }

    /// The next chunk; `None` when all hours are loaded. After an error the
    /// cursor stands where it stood: calling again asks again.
    ///
    /// # Errors
    /// See [`PrometheusError`].
    pub async fn next(&mut self) -> Result<Option<Facts>, PrometheusError> {
        let mut slots = Vec::new();
        let facts = self.next_by(|piece| slots.extend(piece)).await?;
        slots.sort_by(|a: &SlotFacts, b| (&a.facts.slot, a.facts.hour.hour).cmp(&(&b.facts.slot, b.facts.hour.hour)));
        Ok(facts.map(|facts| Facts { slots, ..facts }))
    }

    /// As [`Backfill::next`], with the containers' facts handed out piece by
    /// piece, some namespaces at a time, and none in the answer: for clusters
    /// whose chunk is too large to hold. After an error, forget the pieces.
    ///
    /// # Errors
    /// See [`PrometheusError`].
    pub async fn next_by(&mut self, each: impl FnMut(Vec<SlotFacts>)) -> Result<Option<Facts>, PrometheusError> {
        let chunk = i32::try_from(self.options.chunk_hours).unwrap_or(1);
        let end = self.cursor.0.saturating_add(chunk).min(self.to.0);
        if self.cursor.0 >= end {
            return Ok(None);
        }
        let facts = self.load(self.cursor.0..end, each).await?;
        self.cursor = Hour(end);
        Ok(Some(facts))
    }

    async fn load(&self, hours: Range<i32>, mut each: impl FnMut(Vec<SlotFacts>)) -> Result<Facts, PrometheusError> {
        let reach_ms = i64::from(self.options.interval_s) * 2_000;
        let rules = Rules {
            interval_s: self.options.interval_s,
            reach_ms,
            names: &self.names,
            placeholder_classes: &self.options.placeholder_classes,
        };
        let mut findings = Vec::new();
        let scope = Scope {
            client: self.client,
            matchers: &self.options.matchers,
            rules: &rules,
        };
        let around = self.around(&hours);
        let mut nodes = fetch_nodes(&scope, around, &mut findings).await?;
        let mut seen = around;
        if nodes.scrapes.has_gap(around, reach_ms) {
            // what was on both sides of a silence
            seen = (around.0 - SILENCE_MS, around.1 + SILENCE_MS);
            nodes = fetch_nodes(&scope, seen, &mut findings).await?;
        }
        doubt_nodes(&nodes, &mut findings);
        let (mut volumes, mut balancers) = (Vec::new(), Vec::new());
        if !nodes.is_empty() {
            let mut doubts = Doubts::default();
            let mut mounted = Vec::new();
            for (piece, names) in self.shards(&scope, &hours, &mut findings).await? {
                let pods = fetch_pods(&scope, &names, self.around(&piece), &mut findings).await?;
                let (slots, mounts) = pods.facts(&nodes, &piece, &rules, &mut doubts);
                mounted.extend(mounts);
                each(slots);
            }
            doubt_pods(&doubts, &mut findings);
            let found = fetch_volumes(&scope, &hours, seen, &mut findings).await?;
            volumes = found.days(&hours, mounted, reach_ms);
            let found = fetch_balancers(&scope, seen, &mut findings).await?;
            balancers = found.days(&hours, reach_ms, &mut findings);
        }
        findings.dedup();
        Ok(Facts {
            cluster: self.options.cluster.clone(),
            nodes: nodes.hours(hours.clone(), reach_ms),
            hours: Hour(hours.start)..Hour(hours.end),
            slots: Vec::new(),
            volumes,
            balancers,
            silent_since: nodes
                .scrapes
                .last()
                .filter(|last| *last < window(Hour(hours.end)).0 - reach_ms)
                .map(|last| Hour::of(Instant(last * 1_000))),
            findings,
        })
    }

    /// The hours with the margin that their samples' neighbours may lie in.
    fn around(&self, hours: &Range<i32>) -> (i64, i64) {
        let margin_ms = i64::from(self.options.interval_s) * 1_000 * MARGIN_INTERVALS;
        (
            window(Hour(hours.start)).0 - margin_ms,
            window(Hour(hours.end)).0 + margin_ms,
        )
    }

    /// Pieces of work that stay below the bound of samples: namespaces taken
    /// together, and a namespace too large for that hour by hour.
    async fn shards(
        &self,
        scope: &Scope<'_>,
        hours: &Range<i32>,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<(Range<i32>, Namespaces)>, PrometheusError> {
        let (from, to) = self.around(hours);
        let per_series = (to - from) / (i64::from(self.options.interval_s) * 1_000) + 1;
        let mut shards = Vec::new();
        let (mut together, mut held) = (Vec::new(), 0);
        let (sizes, exported) = namespaces(scope, (from, to), findings).await?;
        let shard = |names: Vec<String>| Namespaces { names, exported };
        for (namespace, series) in sizes {
            let samples = series.saturating_mul(per_series.unsigned_abs());
            if samples > self.options.samples_max {
                shards.extend(
                    hours
                        .clone()
                        .map(|hour| (hour..hour + 1, shard(vec![namespace.clone()]))),
                );
                continue;
            }
            if held + samples > self.options.samples_max {
                shards.push((hours.clone(), shard(std::mem::take(&mut together))));
                held = 0;
            }
            held += samples;
            together.push(namespace);
        }
        if !together.is_empty() {
            shards.push((hours.clone(), shard(together)));
        }
        Ok(shards)
    }
}

fn doubt_nodes(nodes: &Nodes, findings: &mut Vec<Finding>) {
    if nodes.is_empty() {
        findings.push(
            Finding::warning(
                "no_kube_state_metrics",
                "kube_node_info has no samples in these hours: all their nodes stay unobserved",
            )
            .remedy("scrape kube-state-metrics, or check the labels that select the cluster"),
        );
    } else if !nodes.has_conditions() {
        findings.push(
            Finding::warning(
                "no_node_conditions",
                "kube_node_status_condition has no samples: a node that is shown counts as Ready",
            )
            .remedy("let kube-state-metrics export kube_node_status_condition"),
        );
    }
}

fn doubt_pods(doubts: &Doubts, findings: &mut Vec<Finding>) {
    if !doubts.metered {
        findings.push(
            Finding::warning(
                "no_usage_metrics",
                "container_cpu_usage_seconds_total and container_memory_working_set_bytes have no samples of pods: \
                 requests only",
            )
            .remedy("scrape cAdvisor, /metrics/cadvisor of each kubelet"),
        );
    }
    if !doubts.labelled {
        findings.push(
            Finding::info(
                "no_pod_labels",
                "kube_pod_labels shows no labels: owners cannot be told from them",
            )
            .remedy("start kube-state-metrics with --metric-labels-allowlist=pods=[*],namespaces=[*],nodes=[*]"),
        );
    }
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    if let Some((namespace, pod)) = doubts.unknown_pods.first() {
        let message =
            format!("usage of pods that kube-state-metrics does not show, such as {namespace}/{pod}, is left out");
        findings.push(
            Finding::warning("usage_of_unknown_pod", message)
                .remedy("let kube-state-metrics export kube_pod_info of all namespaces")
                .times(count(doubts.unknown_pods.len())),
        );
    }
    if let Some((namespace, pod)) = doubts.two_nodes.first() {
        let message = format!("pods shown on two nodes at once, such as {namespace}/{pod}: both nodes carry them");
        findings.push(Finding::warning("pod_on_two_nodes", message).times(count(doubts.two_nodes.len())));
    }
    if doubts.absurd_usage > 0 {
        findings.push(
            Finding::warning(
                "absurd_usage",
                "usage above twice what the node has was cut to what it has",
            )
            .times(doubts.absurd_usage),
        );
    }
    if doubts.negative > 0 {
        findings.push(Finding::warning("negative_usage", "negative usage counts as none").times(doubts.negative));
    }
}
