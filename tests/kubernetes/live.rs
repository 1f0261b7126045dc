//! Against a live API server, named by `TONNAGE_TEST_KUBECONFIG`.
//!
//! A cluster with nodes of its own is only read. One without any (a bare
//! kube-apiserver with etcd) is given simulated nodes and pods, and the role of
//! `deploy/rbac.yaml`, in which the collector then works.

use domain::instant::{Instant, SECOND_US};
use domain::usage::HOUR_S;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sources::kubernetes::{ClusterAccess, ClusterConfig, Collector};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

const PATIENCE: Duration = Duration::from_secs(60);
const ACCOUNT: &str = "system:serviceaccount:tonnage:tonnage-collector";

fn machine_time() -> Instant {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    Instant(i64::try_from(since.as_micros()).expect("micros"))
}

fn text(at: Instant) -> String {
    let at = chrono::DateTime::from_timestamp_micros(at.0).expect("time");
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn later(at: Instant, seconds: i64) -> Instant {
    Instant(at.0 + seconds * SECOND_US)
}

#[tokio::test]
async fn a_live_cluster() {
    let Some(path) = std::env::var_os("TONNAGE_TEST_KUBECONFIG").map(PathBuf::from) else {
        eprintln!("SKIPPED: a_live_cluster needs TONNAGE_TEST_KUBECONFIG, a kubeconfig of a cluster");
        return;
    };
    let kubeconfig = Kubeconfig::read_from(&path).expect("TONNAGE_TEST_KUBECONFIG is a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("usable");
    let client = Client::try_from(config).expect("client");
    let nodes = Api::<Node>::all(client.clone())
        .list(&ListParams::default())
        .await
        .expect("nodes");
    let simulated = |node: &Node| {
        node.metadata
            .name
            .as_deref()
            .is_some_and(|name| name.starts_with("tonnage-"))
    };
    if nodes.items.iter().all(simulated) {
        eprintln!("a bare API server: with simulated nodes and pods");
        bare(&client, &path).await;
    } else {
        eprintln!("a cluster with {} nodes: it is only read", nodes.items.len());
        real(&path, nodes.items.len()).await;
    }
}

async fn open(path: &Path, offset_us: &Arc<AtomicI64>) -> Collector {
    let mut config = ClusterConfig::new(ClusterAccess::Kubeconfig {
        path: Some(path.to_owned()),
        context: None,
    });
    let offset_us = offset_us.clone();
    config.interval_s = 15;
    config.clock = Arc::new(move || Instant(machine_time().0 + offset_us.load(Ordering::SeqCst)));
    let mut collector = Collector::connect(config).await.expect("connected");
    collector.synced(PATIENCE).await.expect("synced");
    collector
}

/// Two samples of a cluster that is in use.
pub async fn real(path: &Path, nodes: usize) {
    let mut collector = open(path, &Arc::default()).await;
    let start = machine_time();
    let first = collector.tick(start).await.expect("allowed");
    let second = collector.tick(later(start, 15)).await.expect("allowed");
    assert!(first.sampled && second.sampled);
    let facts = collector.finish(later(start, 30));
    eprintln!(
        "{} pods, {} slots, {} measured",
        second.pods, second.slots, second.measured
    );
    facts.findings.iter().for_each(|finding| eprintln!("{finding}"));
    assert!(!facts.cluster_id.is_empty());
    let named: std::collections::BTreeSet<_> = facts.nodes.iter().map(|(node, _)| &node.name).collect();
    assert!(named.len() >= nodes, "every node has an hour");
    assert!(
        facts
            .slots
            .iter()
            .all(|slot| slot.hour.seconds <= HOUR_S && slot.hour.effective.cpu_core_ms < 1 << 60)
    );
    assert!(first.pods == 0 || !facts.slots.is_empty());
}

async fn apply<K>(api: &Api<K>, name: &str, object: Value)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let as_us = PatchParams::apply("tonnage-test").force();
    api.patch(name, &as_us, &Patch::Apply(object)).await.expect(name);
}

fn node(name: &str) -> (Value, Value) {
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"agentpool": "sim"}},
        "spec": {"providerID": format!("sim://{name}")},
    });
    let size = |cpu: &str| json!({"cpu": cpu, "memory": "16Gi", "pods": "110"});
    let ready = json!({"type": "Ready", "status": "True", "reason": "Simulated", "message": "",
        "lastHeartbeatTime": text(machine_time()), "lastTransitionTime": text(machine_time())});
    (
        node,
        json!({"status": {"capacity": size("4"), "allocatable": size("3920m"), "conditions": [ready]}}),
    )
}

fn pod(name: &str, bound: Instant) -> (Value, Value) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": "tonnage-a", "automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": "none", "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}]},
    });
    let status = json!({"status": {
        "phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": text(bound)}],
        "containerStatuses": [{"name": "c", "image": "none", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": text(bound)}}}],
    }});
    (pod, status)
}

async fn put_pod(pods: &Api<Pod>, name: &str, bound: Instant) {
    let (object, status) = pod(name, bound);
    apply(pods, name, object).await;
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .expect("status");
}

/// The role, two nodes and a namespace.
async fn furnish(client: &Client, namespace: &str) {
    let named = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let namespaces = Api::<Namespace>::all(client.clone());
    apply(&namespaces, "tonnage", named("tonnage")).await;
    apply(&namespaces, namespace, named(namespace)).await;
    // what a controller does elsewhere
    let default = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    apply(
        &Api::<ServiceAccount>::namespaced(client.clone(), namespace),
        "default",
        default,
    )
    .await;
    for document in super::rbac::documents() {
        let name = document["metadata"]["name"].as_str().expect("name").to_owned();
        match document["kind"].as_str() {
            Some("ServiceAccount") => {
                apply(
                    &Api::<ServiceAccount>::namespaced(client.clone(), "tonnage"),
                    &name,
                    document,
                )
                .await;
            }
            Some("ClusterRole") => apply(&Api::<ClusterRole>::all(client.clone()), &name, document).await,
            Some("ClusterRoleBinding") => apply(&Api::<ClusterRoleBinding>::all(client.clone()), &name, document).await,
            other => panic!("{other:?} in deploy/rbac.yaml"),
        }
    }
    let nodes = Api::<Node>::all(client.clone());
    for name in ["tonnage-a", "tonnage-b"] {
        let (object, status) = node(name);
        apply(&nodes, name, object).await;
        nodes
            .patch_status(name, &PatchParams::default(), &Patch::Merge(status))
            .await
            .expect("status");
    }
}

/// A kubeconfig that acts as the collector's service account.
fn as_collector(path: &Path, home: &Path) -> PathBuf {
    let text = std::fs::read_to_string(path).expect("kubeconfig");
    let mut kubeconfig: Value = serde_saphyr::from_str(&text).expect("YAML");
    for user in kubeconfig["users"].as_array_mut().expect("users") {
        user["user"]["as"] = json!(ACCOUNT);
    }
    let to = home.join("kubeconfig");
    std::fs::write(&to, kubeconfig.to_string()).expect("kubeconfig");
    to
}

async fn bare(client: &Client, path: &Path) {
    let namespace = format!("tonnage-live-{}", machine_time().0);
    furnish(client, &namespace).await;
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    put_pod(&pods, "stays", machine_time()).await;
    put_pod(&pods, "goes", machine_time()).await;

    let home = tempfile::tempdir().expect("folder");
    let offset_us = Arc::new(AtomicI64::new(0));
    let mut collector = open(&as_collector(path, home.path()), &offset_us).await;
    let start = machine_time();
    collector.tick(start).await.expect("allowed");
    // twenty seconds later one goes, and another comes and goes
    offset_us.store(20 * SECOND_US, Ordering::SeqCst);
    let before = collector.events();
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete("goes", &at_once).await.expect("deleted");
    put_pod(&pods, "brief", later(start, 5)).await;
    let ended = json!({"status": {"phase": "Succeeded", "containerStatuses": [{"name": "c", "image": "none", "imageID": "",
        "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 0, "finishedAt": text(later(start, 9))}}}]}});
    pods.patch_status("brief", &PatchParams::default(), &Patch::Merge(ended))
        .await
        .expect("status");
    pods.delete("brief", &at_once).await.expect("deleted");
    let deadline = std::time::Instant::now() + PATIENCE;
    while collector.events() < before + 5 {
        assert!(std::time::Instant::now() < deadline, "the watch is slow");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for seconds in [30, 45, 60] {
        collector.tick(later(start, seconds)).await.expect("allowed");
    }
    let facts = collector.finish(later(start, 60));
    facts.findings.iter().for_each(|finding| eprintln!("{finding}"));
    let core_s = |pod: &str| {
        let of = facts
            .slots
            .iter()
            .filter(|slot| slot.slot.pod == pod && slot.slot.namespace == namespace);
        of.map(|slot| slot.hour.effective.cpu_core_ms).sum::<u64>() / 1_000
    };
    assert_eq!(core_s("stays"), 120, "two cores for a minute");
    assert!(
        (40..=46).contains(&core_s("goes")),
        "{} core-s until it was deleted",
        core_s("goes")
    );
    assert!(
        (6..=10).contains(&core_s("brief")),
        "{} core-s of four seconds",
        core_s("brief")
    );
    let names: Vec<&str> = facts.nodes.iter().map(|(node, _)| node.name.as_str()).collect();
    assert!(
        names.starts_with(&["tonnage-a"]) && names.contains(&"tonnage-b"),
        "{names:?}"
    );
    assert_eq!(facts.nodes[0].0.provider_id, "sim://tonnage-a");
    assert!(
        facts
            .nodes
            .iter()
            .all(|(_, hours)| hours.iter().all(|hour| hour.observed_s <= hour.ready_s))
    );

    let nodes = Api::<Node>::all(client.clone());
    pods.delete("stays", &at_once).await.expect("deleted");
    for name in ["tonnage-a", "tonnage-b"] {
        nodes.delete(name, &DeleteParams::default()).await.expect("deleted");
    }
}
