//! What an agent needs for ten thousand containers.

use crate::cluster::Server;
use crate::counting::{PODS, kubeconfig, pod};
use crate::scene::{Scene, entries};
use serde_json::json;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tonnage_tests::{aloud, long};

const CONTAINERS: usize = 10_000;
/// What it may need, KiB.
const BUDGET_KIB: u64 = 150 * 1_024;
const POD_METRICS: &str = "/apis/metrics.k8s.io/v1beta1/pods";

fn status_kib(id: u32, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_containers() {
    let cluster = Server::start().await;
    for number in 0..CONTAINERS {
        let name = format!("web-{number:05}-5d8f7c9b6-x2k4p");
        let mut one = pod(&name, -3_600);
        one["metadata"]["labels"] = json!({
            "app": format!("web-{}", number % 200), "tenant": format!("tenant-{}", number % 1_000), "tier": "gold",
            "pod-template-hash": "5d8f7c9b6", "app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop",
        });
        cluster.put(PODS, one);
        let used = json!([{"name": "c", "usage": {"cpu": format!("{}m", number % 900), "memory": "123Mi"}}]);
        let metrics = json!({"metadata": {"name": name, "namespace": "shop"}, "containers": used});
        cluster.put(POD_METRICS, metrics);
    }
    let folder = TempDir::new().expect("a folder");
    let config = kubeconfig(&cluster, folder.path());
    let scene = Scene::new(None);
    let server = scene.serve();
    let spool = scene.folder("spool");
    // a whole hour of samples and its end, or the last quarter of one
    let (from, limit) = if long() { ("00:00:00", 110) } else { ("00:44:00", 60) };
    let clock = format!("2026-01-01T{from}Z*60");
    let config = config.to_str().expect("UTF-8");
    let env = [
        ("KUBECONFIG", config),
        ("TONNAGE_NOW", clock.as_str()),
        ("TONNAGE_LOG", "off"),
    ];
    let mut agent = scene.start(&server.url, &spool, &["--kube"], &env);
    let started = Instant::now();
    let mut peak_anonymous = 0;
    let rows = || {
        let page = server.get("/metrics");
        let count = page
            .lines()
            .find(|line| line.contains("usage/facts") && line.contains("2xx") && line.contains("count"));
        count.is_some()
    };
    // until the hour is in and two more samples were taken
    let mut delivered = None;
    while started.elapsed() < Duration::from_secs(limit) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        peak_anonymous = peak_anonymous.max(status_kib(agent.id(), "RssAnon:").unwrap_or(0));
        if delivered.is_none() && started.elapsed().as_millis() % 500 < 60 && rows() {
            delivered = Some(Instant::now());
        }
        if delivered.is_some_and(|at: Instant| at.elapsed() > Duration::from_secs(2)) {
            break;
        }
    }
    let peak = status_kib(agent.id(), "VmHWM:").expect("it runs");
    let state = std::fs::metadata(spool.join("running.json.gz")).map_or(0, |meta| meta.len());
    agent.kill().expect("it runs");
    agent.wait().expect("a child");
    aloud(&format!(
        "{CONTAINERS} containers, {} samples: peak anonymous memory {} MiB, peak resident {} MiB (mapped program included), running hour {} KiB on disk",
        if long() { "60" } else { "16" },
        peak_anonymous / 1_024,
        peak / 1_024,
        state / 1_024
    ));
    assert!(
        delivered.is_some(),
        "the hour came in within {limit} s; {:?} wait",
        entries(&spool).len()
    );
    assert!(peak_anonymous > 10 * 1_024, "this test measures the agent");
    assert!(
        peak_anonymous <= BUDGET_KIB,
        "{} MiB of anonymous memory",
        peak_anonymous / 1_024
    );
}
