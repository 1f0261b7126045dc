//! The collector of one cluster: watches, samples, facts.

use super::access::{ACCESS, NAMESPACES, NODE_METRICS, NODES, POD_METRICS, PODS};
use super::connect::{ClusterConfig, CollectError, Connection, connect};
use super::findings::Findings;
use super::inventory::Inventory;
use super::metrics::{MetricsList, NodeMetrics, PodMetrics, Usage};
use super::node::NodeTrack;
use super::pulse::{Pulses, lock};
use super::resources::{ResourceFacts, Resources, drop_profiles};
use super::resume::Kept;
use super::sampler::{Ended, FOR_EVER, SKEW_US, Sampler, Taken, View};
use super::watch::{Shared, Watches, start, words};
use super::world::World;
use domain::instant::{Instant, SECOND_US};
use domain::usage::hourly::HourFacts;
use domain::usage::{BalancerDay, Capacity, Hour, Node, NodeHour, SizingHour, SlotId, VolumeDay};
use domain::{Finding, Severity};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longest wait for metrics: after that a sample is taken from requests alone.
const METRICS_WAIT: Duration = Duration::from_secs(10);

/// Facts of complete hours, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// UID of the namespace `kube-system` (A37).
    pub cluster_id: String,
    /// What it is called.
    pub cluster_name: String,
    /// Nodes with their hours.
    pub nodes: Vec<(Node, Vec<NodeHour>)>,
    /// Containers and pod overheads, an hour each.
    pub slots: Vec<HourFacts>,
    /// Volumes, who mounted them and when; one here may reach over several days.
    pub volumes: Vec<VolumeDay>,
    /// Load balancers and what is behind them; one here may reach over several days.
    pub balancers: Vec<BalancerDay>,
    /// What is known of containers for sizing.
    pub sizing: Vec<(SlotId, Vec<SizingHour>)>,
    /// What is wrong or missing, since the last drain.
    pub findings: Vec<Finding>,
}

/// What a tick did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Whether a sample was taken: not while the cluster cannot be seen.
    pub sampled: bool,
    /// Pods that hold a node.
    pub pods: usize,
    /// Their containers and overheads.
    pub slots: usize,
    /// Of these, how many have a measured usage.
    pub measured: usize,
}

/// Collects from one cluster. Dropping it ends its watches.
pub struct Collector {
    config: ClusterConfig,
    connection: Connection,
    shared: Arc<Shared>,
    _watches: Watches,
    sampler: Sampler,
    resources: Resources,
    findings: Findings,
    nodes_used: BTreeMap<String, Capacity>,
    /// Nodes may have gone before this run began to watch.
    resumed: bool,
}

impl Collector {
    /// Connects to a cluster and starts its watches. Call inside a Tokio runtime.
    ///
    /// # Errors
    /// A configuration that is no good, credentials or permissions that are
    /// not accepted, a server that does not answer.
    pub async fn connect(config: ClusterConfig) -> Result<Collector, CollectError> {
        let pulses = Arc::new(Pulses::new(config.clock.clone()));
        let connection = connect(&config, &pulses).await?;
        let shared = Arc::new(Shared {
            world: Mutex::new(World::default()),
            pulses,
        });
        let watcher = watcher::Config::default()
            .page_size(config.page_size)
            .timeout(config.watch_s);
        let watches = start(&connection.client, &watcher, &shared, &config.annotations);
        Ok(Collector {
            sampler: Sampler::new(config.interval_s),
            resources: Resources::default(),
            config,
            connection,
            shared,
            _watches: watches,
            findings: Findings::default(),
            nodes_used: BTreeMap::new(),
            resumed: false,
        })
    }

    /// Goes on where another run ended: to be called before the first sample.
    /// The time in between counts as one in which the cluster could not be
    /// seen. What was kept has to be of this cluster.
    pub fn resume(&mut self, kept: Kept) {
        self.sampler = kept.sampler;
        self.sampler.every(self.config.interval_s);
        self.resources = kept.resources;
        lock(&self.shared.world).tracks = kept.tracks;
        self.resumed = true;
    }

    /// Writes down what was counted and not drained, for [`Kept::read`].
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, to: impl std::io::Write) -> std::io::Result<()> {
        let world = lock(&self.shared.world);
        let tracks: Vec<NodeTrack> = world.tracks.values().cloned().collect();
        let labels = world.namespace_labels().into_iter();
        let namespaces = labels.map(|(name, labels)| (name.to_owned(), labels.clone())).collect();
        drop(world);
        let names = (self.cluster_id(), self.cluster_name());
        super::resume::write(to, names, tracks, (&self.sampler, &self.resources, &namespaces))
    }

    /// When the last sample was taken.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        self.sampler.last()
    }

    /// UID of the namespace `kube-system` (A37).
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.connection.cluster_id
    }

    /// What the cluster is called.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        &self.connection.cluster_name
    }

    /// Seconds between samples.
    #[must_use]
    pub fn interval_s(&self) -> u32 {
        self.config.interval_s
    }

    /// Samples held in memory.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.sampler.in_flight()
    }

    /// Waits until every watch has its first complete list. A resource the
    /// server does not know is left out with a finding, but for nodes, pods
    /// and namespaces.
    ///
    /// # Errors
    /// All permissions that are missing, or what is not there after `limit`.
    pub async fn synced(&mut self, limit: Duration) -> Result<(), CollectError> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let shared = self.shared.clone();
            let changed = shared.pulses.changed.notified();
            let waiting = self.waiting();
            if waiting.is_empty() {
                return self.forbidden();
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                self.forbidden()?;
                let first = waiting[0];
                let reason = shared
                    .pulses
                    .of(first)
                    .failing
                    .unwrap_or_else(|| "no complete list in time".to_owned());
                return Err(CollectError::Unreachable {
                    resource: ACCESS[first].to_string(),
                    reason,
                });
            }
        }
    }

    /// Watches that have no list yet, and may still get one.
    fn waiting(&mut self) -> Vec<usize> {
        let synced = lock(&self.shared.world).synced();
        let mut waiting = Vec::new();
        for (index, synced) in synced.into_iter().enumerate() {
            let pulse = self.shared.pulses.of(index);
            if pulse.missing && ![NODES, PODS, NAMESPACES].contains(&index) {
                self.findings.add(
                    Severity::Info,
                    "kubernetes_resource_missing",
                    &ACCESS[index].to_string(),
                    "the API server does not know this resource",
                    None,
                );
            } else if !synced && pulse.forbidden.is_none() {
                waiting.push(index);
            }
        }
        waiting
    }

    fn forbidden(&self) -> Result<(), CollectError> {
        let permissions = self.shared.pulses.forbidden();
        if permissions.is_empty() {
            return Ok(());
        }
        Err(CollectError::Forbidden { permissions })
    }

    /// Takes a sample at `now`. While pods or nodes cannot be seen none is
    /// taken; what happened meanwhile is counted from the objects' own times
    /// as soon as they can be seen again, from requests alone (A5).
    ///
    /// # Errors
    /// A permission is missing. The sample is taken all the same, of what is allowed.
    pub async fn tick(&mut self, now: Instant) -> Result<Tick, CollectError> {
        let usage = self.usage().await;
        self.skew();
        let fresh = self.is_fresh(now);
        if !fresh {
            let failing = [PODS, NODES]
                .into_iter()
                .find_map(|index| self.shared.pulses.of(index).failing);
            let reason = failing.map_or_else(String::new, |reason| format!(" ({reason})"));
            self.findings.warn(
                "kubernetes_out_of_sight",
                "",
                &format!(
                    "the cluster could not be seen{reason}; containers are counted by their requests once it can be"
                ),
            );
        }
        let taken = if fresh {
            self.sample(now, usage.as_ref())
        } else {
            Taken::default()
        };
        self.forbidden()?;
        Ok(Tick {
            sampled: fresh,
            pods: taken.pods,
            slots: taken.slots,
            measured: taken.measured,
        })
    }

    fn sample(&mut self, now: Instant, usage: Option<&Usage>) -> Taken {
        let mut world = lock(&self.shared.world);
        let last = self.sampler.last();
        world.follow_nodes(last);
        if std::mem::take(&mut self.resumed) {
            world.miss_nodes(last.unwrap_or(now));
        }
        let pods = world.pods.changes();
        self.resources.follow(&mut world, &pods, last, now);
        let ended = Ended::of(&pods);
        let mut tracks = std::mem::take(&mut world.tracks);
        let mut view = View {
            pods: world.pods.live(),
            ended,
            nodes: &mut tracks,
            namespaces: world.namespaces.live(),
            parent: &|owner| world.parent(owner),
        };
        let taken = self.sampler.tick(now, &mut view, usage, &mut self.findings);
        for track in tracks
            .values()
            .filter(|track| track.gone_at().is_none() && track.fact.allocatable.is_none())
        {
            self.findings.warn(
                "kubernetes_no_allocatable",
                &track.fact.node.name,
                "the node does not say what pods may take; its whole capacity is taken for it",
            );
        }
        world.tracks = tracks;
        taken
    }

    /// Whether pods and nodes are known as they are at `now`, but for what
    /// happened within two intervals.
    #[must_use]
    pub fn is_fresh(&self, now: Instant) -> bool {
        let patience_us = 2 * i64::from(self.config.interval_s) * SECOND_US;
        let silence_us = i64::from(self.config.watch_s + 60) * SECOND_US;
        let listed = {
            let world = lock(&self.shared.world);
            let ready = |synced: bool, listing: bool| synced && !listing;
            ready(world.pods.synced, world.pods.listing) && ready(world.nodes.synced, world.nodes.listing)
        };
        listed
            && [PODS, NODES].into_iter().all(|index| {
                let pulse = self.shared.pulses.of(index);
                let limit_us = if pulse.failing.is_some() {
                    patience_us
                } else {
                    silence_us
                };
                pulse.last_good.is_some_and(|good| now.0 - good.0 <= limit_us)
            })
    }

    fn skew(&mut self) {
        if let Some(skew_us) = self.shared.pulses.skew_us().filter(|skew_us| skew_us.abs() > SKEW_US) {
            let (seconds, side) = (
                skew_us.abs() / SECOND_US,
                if skew_us > 0 { "ahead of" } else { "behind" },
            );
            self.findings.add(
                Severity::Warning,
                "kubernetes_clock_skew",
                "API server",
                &format!("its clock is {seconds} s {side} this machine's; times of objects are clipped"),
                Some("synchronise this machine's clock"),
            );
        }
    }

    /// What is used now; `None` without metrics.
    async fn usage(&mut self) -> Option<Usage> {
        let (pods, nodes) = futures::join!(
            self.list::<PodMetrics>(POD_METRICS),
            self.list::<NodeMetrics>(NODE_METRICS)
        );
        let pods = self.metrics_or_finding(POD_METRICS, pods)?;
        let nodes = self
            .metrics_or_finding(NODE_METRICS, nodes)
            .unwrap_or(MetricsList { items: Vec::new() });
        let mut usage = Usage::read(pods, nodes);
        self.nodes_used = std::mem::take(&mut usage.nodes);
        if usage.unreadable > 0 {
            self.findings.warn(
                "kubernetes_metrics_unreadable",
                "",
                "some usage values could not be read; their containers are counted by their requests",
            );
        }
        Some(usage)
    }

    async fn list<T: DeserializeOwned>(&self, index: usize) -> Result<MetricsList<T>, kube::Error> {
        let request = http::Request::get(ACCESS[index].path)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        let limit = METRICS_WAIT.min(Duration::from_secs(u64::from(self.config.interval_s)));
        match tokio::time::timeout(limit, self.connection.impatient.request(request)).await {
            Ok(answer) => answer,
            Err(late) => Err(kube::Error::Service(late.into())),
        }
    }

    fn metrics_or_finding<T>(&mut self, index: usize, answer: Result<T, kube::Error>) -> Option<T> {
        let error = match answer {
            Ok(found) => return Some(found),
            Err(error) => error,
        };
        let status = match &error {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        };
        self.shared.pulses.failed(index, "list", status, words(&error));
        let resource = ACCESS[index].to_string();
        match status {
            Some(403) => {}
            Some(404 | 503) => self.findings.add(
                Severity::Warning,
                "kubernetes_no_metrics",
                &resource,
                "metrics-server is not there; containers are counted by their requests alone",
                Some("install metrics-server"),
            ),
            _ => self.findings.add(
                Severity::Warning,
                "kubernetes_metrics_failed",
                &resource,
                &format!(
                    "{}; containers are counted by their requests for this sample",
                    words(&error)
                ),
                None,
            ),
        }
        None
    }

    /// The facts of the hours before `before` that are complete and were not
    /// drained yet. An hour is complete once a sample was taken after it; while
    /// the cluster cannot be seen hours wait, six at most.
    pub fn drain(&mut self, before: Hour, now: Instant) -> Facts {
        let shared = self.shared.clone();
        let mut world = lock(&shared.world);
        let complete = self.sampler.complete(before, now);
        let (nodes, mut slots) = self.sampler.drain(before, now, &mut world.tracks);
        self.resources.name_services(&mut slots);
        let resources = self.resources.drain(complete, FOR_EVER, &world, &slots);
        drop_profiles(&mut slots);
        drop(world);
        self.facts(nodes, slots, resources)
    }

    /// Ends the count at `now` and gives what is left, the running hour
    /// included. A collector that takes over counts on from its first sample.
    #[must_use]
    pub fn finish(mut self, now: Instant) -> Facts {
        let sampler = std::mem::replace(&mut self.sampler, Sampler::new(self.config.interval_s));
        let shared = self.shared.clone();
        let mut world = lock(&shared.world);
        let (nodes, mut slots) = sampler.finish(now, &mut world.tracks);
        self.resources.name_services(&mut slots);
        let running = Hour(Hour::of(now).0 + 1);
        let resources = self.resources.drain(running, now, &world, &slots);
        drop(world);
        self.facts(nodes, slots, resources)
    }

    fn facts(&mut self, nodes: Vec<(Node, Vec<NodeHour>)>, slots: Vec<HourFacts>, resources: ResourceFacts) -> Facts {
        let mut findings = lock(&self.shared.world).findings.take();
        findings.extend(self.findings.take());
        Facts {
            cluster_id: self.connection.cluster_id.clone(),
            cluster_name: self.connection.cluster_name.clone(),
            nodes,
            slots,
            volumes: resources.volumes,
            balancers: resources.balancers,
            sizing: resources.sizing,
            findings,
        }
    }

    /// What the cluster has beside pods and nodes, as it is now.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let mut inventory = lock(&self.shared.world).inventory();
        inventory.nodes_used.clone_from(&self.nodes_used);
        inventory
    }

    /// Events the watches have taken in since the start.
    #[must_use]
    pub fn events(&self) -> u64 {
        lock(&self.shared.world).events
    }
}
