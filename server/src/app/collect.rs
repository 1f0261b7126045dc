//! Usage from where it arises: a Kubernetes API server watched by the hour, or
//! the series of a Prometheus, chunk by chunk. What is complete is committed at
//! once, so a kill loses at most the running hour or chunk, which is loaded again.

use super::App;
use super::usage::UsageInput;
use crate::error::AppError;
use domain::Finding;
use domain::instant::{Day, Instant};
use domain::usage::hourly::HourFacts;
use domain::usage::{ClusterDay, HOUR_S, Hour, Node, NodeHour, SizingHour, Slot, SlotHour, SlotId};
use sources::kubernetes::{ClusterAccess, ClusterConfig, CollectError, Collector};
use sources::prometheus::{Auth, Backfill, Client, ClientConfig, Options, PrometheusError, measured_interval, settled};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

mod resources;

use resources::{ResourceFacts, with_resources};

/// Hours loaded when nobody says from when.
const FIRST_LOAD_HOURS: i32 = 24;
/// Seconds samples have to arrive before an hour counts as complete.
const SETTLE_S: u32 = 300;
/// Longest wait for the first full picture of a cluster.
pub(super) const SYNC_LIMIT: Duration = Duration::from_secs(120);

/// A Prometheus to load from.
#[derive(Debug, Clone)]
pub struct IngestPrometheus {
    /// Address before `/api/v1`.
    pub url: String,
    /// Bearer token.
    pub token: Option<String>,
    /// `X-Scope-OrgID`.
    pub tenant: Option<String>,
    /// Cluster id: the UID of its namespace kube-system (A37).
    pub cluster: String,
    /// Labels that select the cluster in a shared store.
    pub matchers: Vec<(String, String)>,
    /// First hour; else where the last load ended.
    pub from: Option<Instant>,
    /// End; else the last complete hour.
    pub to: Option<Instant>,
    /// Hours per chunk.
    pub chunk_hours: u32,
    /// Source name [default: `prometheus-<cluster>`].
    pub source: Option<String>,
}

/// A cluster to watch.
#[derive(Debug, Clone)]
pub struct CollectKubernetes {
    /// Context of the kubeconfig; `None` for the current one.
    pub context: Option<String>,
    /// Inside the cluster, by its service account.
    pub in_cluster: bool,
    /// What to call it.
    pub name: Option<String>,
    /// Seconds between samples.
    pub interval_s: u32,
    /// Annotations of pods that are kept, by key.
    pub annotations: Vec<String>,
    /// Source name [default: `kubernetes-<cluster>`].
    pub source: Option<String>,
}

/// What was committed: the answer of `ingest usage --prometheus|--kube --json`.
#[derive(Debug, Clone, Default, serde::Serialize, PartialEq, Eq)]
pub struct Collected {
    /// Source name.
    pub source: String,
    /// Cluster id.
    pub cluster: String,
    /// First hour committed, RFC 3339; `None` when there was nothing to load.
    pub from: Option<String>,
    /// End of the last hour committed.
    pub to: Option<String>,
    /// Node hours and container hours committed.
    pub rows: u64,
    /// What was remarkable.
    pub findings: Vec<Finding>,
}

/// What is said on the way, in words.
pub type OnCollected<'a> = &'a (dyn Fn(&str) + Send + Sync);

impl App {
    /// Loads usage from a Prometheus up to the last complete hour, resuming
    /// where the last load of this source ended.
    ///
    /// # Errors
    /// A query that is refused or an address that does not answer, named.
    pub async fn ingest_prometheus(
        &self,
        request: &IngestPrometheus,
        say: OnCollected<'_>,
    ) -> Result<Collected, AppError> {
        let source = request
            .source
            .clone()
            .unwrap_or_else(|| format!("prometheus-{}", request.cluster));
        let mut config = ClientConfig::new(&request.url);
        if let Some(token) = &request.token {
            config.auth = Auth::Bearer(token.clone());
        }
        config.tenant.clone_from(&request.tenant);
        let client = Client::new(&config).map_err(prometheus)?;
        let mut options = Options::new(&request.cluster);
        options.matchers.clone_from(&request.matchers);
        options.chunk_hours = request.chunk_hours;
        let now = self.clock.now();
        let last = request.to.unwrap_or(now).0.min(now.0);
        options.interval_s = self.interval(&client, &options, &source, Instant(last)).await?;
        let to = settled(Instant(last), options.interval_s, SETTLE_S);
        let to = request
            .to
            .map_or(to, |end| Hour(to.0.max(Hour::of(end).0).min(Hour::of(Instant(last)).0)));
        let cursor_key = format!("prometheus-cursor/{source}");
        let cursor = self
            .store
            .get_setting(&cursor_key)
            .await?
            .and_then(|text| text.parse().ok().map(Hour));
        let from = request
            .from
            .map(Hour::of)
            .or(cursor)
            .unwrap_or(Hour(to.0 - FIRST_LOAD_HOURS));
        let mut done = Collected {
            source: source.clone(),
            cluster: request.cluster.clone(),
            ..Collected::default()
        };
        let mut backfill = Backfill::new(&client, options, from, to).map_err(prometheus)?;
        loop {
            let begun = backfill.cursor();
            let Some(facts) = backfill.next().await.map_err(prometheus)? else {
                break;
            };
            let ended = backfill.cursor();
            let mut sizing: BTreeMap<SlotId, Vec<SizingHour>> = BTreeMap::new();
            let slots = facts.slots.into_iter().map(|slot| {
                if let Some(hour) = slot.sizing {
                    sizing.entry(slot.facts.slot.id()).or_default().push(hour);
                }
                slot.facts
            });
            let days = cluster_days(&facts.cluster, facts.nodes, slots);
            let resources = ResourceFacts {
                volumes: facts.volumes,
                balancers: facts.balancers,
                sizing: sizing.into_iter().collect(),
            };
            let days = with_resources(&facts.cluster, days, resources);
            let input = UsageInput {
                source: source.clone(),
                origin: "prometheus",
                hash: format!("hours {} to {}", begun.0, ended.0),
                clusters: Vec::new(),
                findings: facts.findings,
            };
            self.commit_facts(input, days, &mut done).await?;
            // a gap at the end may be filled by series that come late: begin there again
            let next = facts.silent_since.map_or(ended, |silent| Hour(silent.0.min(ended.0)));
            self.store.set_setting(&cursor_key, &next.0.to_string()).await?;
            done.from.get_or_insert_with(|| begun.start().to_string());
            done.to = Some(ended.start().to_string());
            say(&format!("hours {} to {}: {} facts so far", begun, ended, done.rows));
        }
        Ok(done)
    }

    /// The scrape interval, measured once per source: an hour must always be
    /// loaded with the same one.
    async fn interval(&self, client: &Client, options: &Options, source: &str, at: Instant) -> Result<u32, AppError> {
        let key = format!("prometheus-interval/{source}");
        if let Some(known) = self.store.get_setting(&key).await?.and_then(|text| text.parse().ok()) {
            return Ok(known);
        }
        let measured = measured_interval(client, options, at).await.map_err(prometheus)?;
        let Some(interval_s) = measured else {
            return Err(AppError::usage(
                format!(
                    "{} has no series of kube-state-metrics in the hour before {at}",
                    client.url()
                ),
                "check the address, --match and --to; kube-state-metrics must be scraped",
            ));
        };
        self.store.set_setting(&key, &interval_s.to_string()).await?;
        Ok(interval_s)
    }

    /// Watches a cluster until `stop`, committing each hour once it is complete.
    ///
    /// # Errors
    /// A configuration or permission that does not allow it, named.
    pub async fn collect_kubernetes(
        &self,
        request: &CollectKubernetes,
        stop: impl Future<Output = ()> + Send,
        say: OnCollected<'_>,
    ) -> Result<Collected, AppError> {
        let access = match (request.in_cluster, &request.context) {
            (true, _) => ClusterAccess::InCluster,
            (false, context) => ClusterAccess::Kubeconfig {
                path: None,
                context: context.clone(),
            },
        };
        let mut config = ClusterConfig::new(access);
        config.name.clone_from(&request.name);
        config.interval_s = request.interval_s;
        config.annotations.clone_from(&request.annotations);
        let mut collector = Collector::connect(config).await.map_err(kubernetes)?;
        collector.synced(SYNC_LIMIT).await.map_err(kubernetes)?;
        let cluster = collector.cluster_id().to_owned();
        let source = request
            .source
            .clone()
            .unwrap_or_else(|| format!("kubernetes-{cluster}"));
        let mut done = Collected {
            source,
            cluster,
            ..Collected::default()
        };
        say(&format!(
            "watching cluster {} ({})",
            collector.cluster_name(),
            collector.cluster_id()
        ));
        let mut every = tokio::time::interval(Duration::from_secs(u64::from(collector.interval_s())));
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut drained = Hour::of(self.clock.now());
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = every.tick() => {}
            }
            let now = self.clock.now();
            let tick = match collector.tick(now).await {
                Ok(tick) => tick,
                Err(error) => {
                    // a permission that was taken away loses nothing of what was seen with it
                    self.commit_kubernetes(collector.finish(now), &mut done).await?;
                    return Err(kubernetes(error));
                }
            };
            tracing::debug!(
                pods = tick.pods,
                slots = tick.slots,
                measured = tick.measured,
                "sampled"
            );
            if Hour::of(now) > drained {
                drained = Hour::of(now);
                let facts = collector.drain(drained, now);
                self.commit_kubernetes(facts, &mut done).await?;
                say(&format!("hours before {drained} are in: {} facts so far", done.rows));
            }
        }
        let facts = collector.finish(self.clock.now());
        self.commit_kubernetes(facts, &mut done).await?;
        Ok(done)
    }

    async fn commit_kubernetes(
        &self,
        mut facts: sources::kubernetes::Facts,
        done: &mut Collected,
    ) -> Result<(), AppError> {
        let days = kubernetes_days(&mut facts);
        let hours = || {
            days.iter()
                .flat_map(|day| &day.nodes)
                .flat_map(|(_, hours)| hours)
                .map(|hour| hour.hour)
        };
        let (first, last) = (hours().min(), hours().max());
        let input = UsageInput {
            source: done.source.clone(),
            origin: "kubernetes",
            hash: format!("hours {first:?} to {last:?}"),
            clusters: vec![(facts.cluster_id.clone(), facts.cluster_name.clone())],
            findings: facts.findings,
        };
        if let (Some(first), Some(last)) = (first, last) {
            done.from.get_or_insert_with(|| first.start().to_string());
            done.to = Some(Hour(last.0 + 1).start().to_string());
        }
        self.commit_facts(input, days, done).await
    }

    async fn commit_facts(
        &self,
        input: UsageInput,
        days: Vec<ClusterDay>,
        done: &mut Collected,
    ) -> Result<(), AppError> {
        if days.is_empty() {
            done.findings.extend(input.findings);
            return Ok(());
        }
        let lake = self.lake.clone();
        let (_, staged) = self
            .commit_usage(&input, move |known| {
                Ok(lake::usage::stage_days(&lake, days.clone(), known)?)
            })
            .await?;
        done.rows += staged.rows;
        done.findings.extend(staged.findings);
        Ok(())
    }
}

/// The facts of a watched cluster by day; they are taken out of `facts`.
pub(super) fn kubernetes_days(facts: &mut sources::kubernetes::Facts) -> Vec<ClusterDay> {
    let slots = std::mem::take(&mut facts.slots).into_iter();
    let days = cluster_days(&facts.cluster_id, std::mem::take(&mut facts.nodes), slots);
    let resources = ResourceFacts {
        volumes: std::mem::take(&mut facts.volumes),
        balancers: std::mem::take(&mut facts.balancers),
        sizing: std::mem::take(&mut facts.sizing),
    };
    with_resources(&facts.cluster_id, days, resources)
}

/// Facts by day, in canonical order. Two facts about one hour of one slot, as
/// late samples give, are added up.
pub(super) fn cluster_days(
    cluster: &str,
    nodes: Vec<(Node, Vec<NodeHour>)>,
    slots: impl Iterator<Item = HourFacts>,
) -> Vec<ClusterDay> {
    let mut days: BTreeMap<Day, ClusterDay> = BTreeMap::new();
    let empty = |day: Day| ClusterDay {
        cluster: cluster.to_owned(),
        day,
        ..ClusterDay::default()
    };
    for (node, hours) in nodes {
        let mut by_day: BTreeMap<Day, Vec<NodeHour>> = BTreeMap::new();
        for hour in hours {
            by_day.entry(hour.hour.day()).or_default().push(hour);
        }
        for (day, hours) in by_day {
            days.entry(day)
                .or_insert_with(|| empty(day))
                .nodes
                .push((node.clone(), hours));
        }
    }
    let mut facts: BTreeMap<(Day, Slot), BTreeMap<Hour, SlotHour>> = BTreeMap::new();
    for fact in one_name(slots.collect()) {
        let hour = fact.hour;
        let hours = facts.entry((hour.hour.day(), fact.slot)).or_default();
        let sum = hours.entry(hour.hour);
        sum.and_modify(|sum| {
            sum.seconds = (sum.seconds + hour.seconds).min(HOUR_S);
            sum.effective = sum.effective.plus(hour.effective);
            sum.requested = sum.requested.plus(hour.requested);
            sum.used = sum.used.plus(hour.used);
        })
        .or_insert(hour);
    }
    for ((day, slot), hours) in facts {
        let hours = hours.into_values().collect();
        days.entry(day).or_insert_with(|| empty(day)).slots.push((slot, hours));
    }
    days.into_values()
        .map(|mut day| {
            day.nodes.sort_by(|(a, _), (b, _)| a.cmp(b));
            day
        })
        .collect()
}

/// Facts of one container on one day under one name, the larger: metadata may
/// change within an hour, and parts of an hour under two names would be taken
/// for two accounts of the same time.
fn one_name(mut slots: Vec<HourFacts>) -> Vec<HourFacts> {
    fn identity(fact: &HourFacts) -> (&str, &str, &str, Day) {
        let slot = &fact.slot;
        (&slot.node, &slot.pod_uid, &slot.container, fact.hour.hour.day())
    }
    slots.sort_by(|a, b| identity(a).cmp(&identity(b)).then_with(|| a.slot.cmp(&b.slot)));
    for at in (1..slots.len()).rev() {
        if slots[at - 1].slot != slots[at].slot && identity(&slots[at - 1]) == identity(&slots[at]) {
            slots[at - 1].slot = slots[at].slot.clone();
        }
    }
    slots
}

pub(super) fn prometheus(error: PrometheusError) -> AppError {
    match error {
        PrometheusError::Unreachable { .. } => AppError::broken("Prometheus does not answer", error),
        error => AppError::usage(error.to_string(), "nothing of this chunk was taken in"),
    }
}

pub(super) fn kubernetes(error: CollectError) -> AppError {
    match error {
        CollectError::Unreachable { .. } => AppError::broken("the Kubernetes API server does not answer", error),
        CollectError::Config { .. } => {
            AppError::usage(error.to_string(), "set KUBECONFIG, or name a context with --kube")
        }
        error => AppError::usage(error.to_string(), "what was seen until now is in"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::usage::Measure;
    use domain::usage::profile::UsageProfile;

    fn fact(label: &str, hour: i32, seconds: u32) -> HourFacts {
        let measure = Measure {
            cpu_core_ms: u64::from(seconds) * 1_000,
            ..Measure::ZERO
        };
        HourFacts {
            slot: Slot {
                node: "n".to_owned(),
                pod_uid: "p".to_owned(),
                workload: label.to_owned(),
                ..Slot::default()
            },
            hour: SlotHour {
                hour: Hour(hour),
                seconds,
                effective: measure,
                requested: measure,
                used: Measure::ZERO,
            },
            metered_s: 0,
            profile: UsageProfile::default(),
        }
    }

    #[test]
    fn metadata_that_changes_within_an_hour_loses_no_time() {
        // labels change in hour 1, and once more on the next day
        let facts = [
            fact("b", 0, 3_600),
            fact("b", 1, 600),
            fact("a", 1, 3_000),
            fact("c", 24, 60),
        ];
        let days = cluster_days("c", Vec::new(), facts.into_iter());
        let found: Vec<_> = days
            .iter()
            .flat_map(|day| &day.slots)
            .map(|(slot, hours)| {
                let hours = hours
                    .iter()
                    .map(|hour| (hour.hour.0, hour.seconds, hour.effective.cpu_core_ms));
                (slot.workload.as_str(), hours.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("b", vec![(0, 3_600, 3_600_000), (1, 3_600, 3_600_000)]),
                ("c", vec![(24, 60, 60_000)])
            ]
        );
    }
}
