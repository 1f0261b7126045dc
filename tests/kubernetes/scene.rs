//! A server, a collector of it, and the time both go by.

use crate::server::Server;
use domain::instant::{Instant, SECOND_US};
use domain::usage::{Hour, Measure};
use serde_json::{Value, json};
use sources::kubernetes::{ClusterAccess, ClusterConfig, Collector, Facts, Tick};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant as Wall};
use tempfile::TempDir;

pub const START_S: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z
pub const PODS: &str = "/api/v1/pods";
pub const VOLUMES: &str = "/api/v1/persistentvolumes";
pub const CLAIMS: &str = "/api/v1/persistentvolumeclaims";
pub const NODES: &str = "/api/v1/nodes";
pub const POD_METRICS: &str = "/apis/metrics.k8s.io/v1beta1/pods";
pub const NODE_METRICS: &str = "/apis/metrics.k8s.io/v1beta1/nodes";
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn at(seconds: i64) -> Instant {
    Instant((START_S + seconds) * SECOND_US)
}

pub fn text(seconds: i64) -> String {
    let at = chrono::DateTime::from_timestamp(START_S + seconds, 0).expect("time");
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A server, a collector of it, and the time both go by.
pub struct Scene {
    pub server: Server,
    pub collector: Collector,
    pub clock: Arc<AtomicI64>,
    _home: TempDir,
}

pub fn config(server: &Server, clock: &Arc<AtomicI64>) -> (ClusterConfig, TempDir) {
    let home = tempfile::tempdir().expect("folder");
    let path = home.path().join("kubeconfig");
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: blue\n\
         clusters: [{{name: c, cluster: {{server: \"http://{}\"}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n\
         contexts: [{{name: blue, context: {{cluster: c, user: u}}}}]\n",
        server.address
    );
    std::fs::write(&path, kubeconfig).expect("kubeconfig");
    let clock = clock.clone();
    let mut config = ClusterConfig::new(ClusterAccess::Kubeconfig {
        path: Some(path),
        context: None,
    });
    // time jumps here: a watch may seem to last for hours
    config.watch_s = 7_200;
    config.page_size = 2;
    config.clock = Arc::new(move || Instant(clock.load(Ordering::SeqCst)));
    (config, home)
}

pub fn clock() -> Arc<AtomicI64> {
    Arc::new(AtomicI64::new(at(0).0))
}

impl Scene {
    pub async fn open(server: Server) -> Scene {
        let clock = clock();
        server.date(START_S);
        let (config, home) = config(&server, &clock);
        let mut collector = Collector::connect(config).await.expect("connected");
        collector.synced(PATIENCE).await.expect("synced");
        Scene {
            server,
            collector,
            clock,
            _home: home,
        }
    }

    pub fn set(&self, seconds: i64) {
        self.clock.store(at(seconds).0, Ordering::SeqCst);
        self.server.date(START_S + seconds);
    }

    pub async fn tick(&mut self, seconds: i64) -> Tick {
        self.set(seconds);
        self.collector.tick(at(seconds)).await.expect("allowed")
    }

    /// Samples every 60 s from `from` up to and with `to`.
    pub async fn run(&mut self, from: i64, to: i64) {
        for seconds in (from..=to).step_by(60) {
            assert!(self.tick(seconds).await.sampled, "at {seconds} s");
        }
    }

    /// Does something on the server and waits for the watches to see it.
    pub async fn see(&mut self, events: u64, act: impl FnOnce(&Server)) {
        let before = self.collector.events();
        act(&self.server);
        let collector = &self.collector;
        until("events", || collector.events() >= before + events).await;
    }

    pub fn first_hour(&mut self, seconds: i64) -> Facts {
        self.collector.drain(Hour(Hour::of(at(0)).0 + 1), at(seconds))
    }
}

/// Waits for a condition, with a deadline.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Wall::now() + PATIENCE;
    while !condition() {
        assert!(Wall::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Effective requests by pod and container.
pub fn effective(facts: &Facts) -> BTreeMap<String, Measure> {
    let mut by_name = BTreeMap::new();
    for slot in &facts.slots {
        let name = format!("{}/{}", slot.slot.pod, slot.slot.container);
        let sum: &mut Measure = by_name.entry(name).or_default();
        *sum = sum.plus(slot.hour.effective);
    }
    by_name
}

pub fn core_s(facts: &Facts, name: &str) -> u64 {
    effective(facts)
        .get(name)
        .map_or(0, |measure| measure.cpu_core_ms / 1_000)
}

pub fn codes(facts: &Facts) -> BTreeSet<&str> {
    facts.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// A pod of two cores on the first node, bound at `seconds`.
pub fn two_cores(name: &str, seconds: i64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("pod-{name}"), "creationTimestamp": text(seconds)},
        "spec": {"nodeName": "ip-10-0-1-11", "containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": text(seconds)}],
            "containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": text(seconds)}}}],
        },
    })
}

/// The same, succeeded.
pub fn over(mut pod: Value, seconds: i64) -> Value {
    pod["status"]["phase"] = json!("Succeeded");
    pod["status"]["containerStatuses"][0]["state"] =
        json!({"terminated": {"exitCode": 0, "finishedAt": text(seconds)}});
    pod
}
