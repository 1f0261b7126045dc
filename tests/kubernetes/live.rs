//! Against a live API server, named by `TONNAGE_TEST_KUBECONFIG`.
//!
//! A cluster with nodes of its own is only read. One without any (a bare
//! kube-apiserver with etcd) is given simulated nodes and pods, and the role of
//! `deploy/rbac.yaml`, in which the collector then works.

use domain::instant::{Instant, SECOND_US};
use domain::usage::HOUR_S;
use k8s_openapi::api::core::v1::{
    Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sources::kubernetes::{ClusterAccess, ClusterConfig, Collector, Facts};
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
    let sized = facts
        .slots
        .iter()
        .filter(|slot| !slot.slot.container.is_empty())
        .count();
    assert!(sized == 0 || !facts.sizing.is_empty(), "containers are sized");
    assert!(facts.volumes.iter().all(|day| {
        let mounts = day.mounts.iter().flat_map(|(_, hours)| hours);
        !day.volume.volume_id.is_empty()
            && day.hours.iter().all(|hour| (1..=HOUR_S).contains(&hour.seconds))
            && mounts
                .map(|hour| hour.seconds)
                .all(|seconds| (1..=HOUR_S).contains(&seconds))
    }));
    assert!(facts.balancers.iter().all(|day| {
        !day.balancer.balancer_id.is_empty() && day.hours.iter().all(|hour| (1..=HOUR_S).contains(&hour.seconds))
    }));
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

/// A volume of its own for a namespace, a load balancer, a Deployment and an ingress behind the load balancer.
async fn put_resources(client: &Client, namespace: &str) {
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace},
        "spec": {"capacity": {"storage": "8Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "sim",
            "persistentVolumeReclaimPolicy": "Retain", "csi": {"driver": "sim", "volumeHandle": format!("vol-{namespace}")},
            "claimRef": {"namespace": namespace, "name": "data"}},
    });
    apply(&Api::<PersistentVolume>::all(client.clone()), namespace, volume).await;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "labels": {"app": "stays"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "sim", "volumeName": namespace,
            "resources": {"requests": {"storage": "8Gi"}}},
    });
    apply(
        &Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace),
        "data",
        claim,
    )
    .await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "edge"},
        "spec": {"type": "LoadBalancer", "selector": {"app": "stays"}, "ports": [{"port": 80}]},
    });
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    apply(&services, "edge", service).await;
    let told = json!({"status": {"loadBalancer": {"ingress": [{"hostname": format!("{namespace}.elb")}]}}});
    let as_us = PatchParams::default();
    services
        .patch_status("edge", &as_us, &Patch::Merge(&told))
        .await
        .expect("status");
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"rules": [{"host": "web.example", "http": {"paths": [{"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]},
    });
    let ingresses = Api::<Ingress>::namespaced(client.clone(), namespace);
    apply(&ingresses, "web", ingress).await;
    ingresses
        .patch_status("web", &as_us, &Patch::Merge(&told))
        .await
        .expect("status");
}

/// What is left of them is removed.
async fn take_resources(client: &Client, namespace: &str) {
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    services
        .delete("edge", &DeleteParams::default())
        .await
        .expect("deleted");
    let ingresses = Api::<Ingress>::namespaced(client.clone(), namespace);
    ingresses
        .delete("web", &DeleteParams::default())
        .await
        .expect("deleted");
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace);
    claims.delete("data", &DeleteParams::default()).await.expect("deleted");
    let volumes = Api::<PersistentVolume>::all(client.clone());
    volumes
        .delete(namespace, &DeleteParams::default())
        .await
        .expect("deleted");
    // no controller is there to lift what protects them
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let as_us = PatchParams::default();
    // without a finalizer they are gone already
    let _ = claims.patch("data", &as_us, &free).await;
    let _ = volumes.patch(namespace, &as_us, &free).await;
}

/// The facts of [`put_resources`], a minute after their making.
fn assert_resources(facts: &Facts, namespace: &str) {
    let volume = facts.volumes.iter().find(|day| day.volume.namespace == namespace);
    let volume = volume.expect("the volume of the namespace");
    assert_eq!(volume.volume.volume_id, format!("vol-{namespace}"));
    assert_eq!(
        (volume.volume.claim.as_str(), volume.volume.labels["app"].as_str()),
        ("data", "stays")
    );
    let sums = |seconds: &mut dyn Iterator<Item = u32>| seconds.sum::<u32>();
    let existed = sums(&mut volume.hours.iter().map(|hour| hour.seconds));
    assert!((60..=150).contains(&existed), "{existed} s");
    assert!(volume.hours.iter().all(|hour| hour.capacity_mib == 8_192));
    let [(mount, hours)] = volume.mounts.as_slice() else {
        panic!("one mount: {:?}", volume.mounts)
    };
    let mounted = sums(&mut hours.iter().map(|hour| hour.seconds));
    assert_eq!(mount.pod, "stays");
    assert!((59..=150).contains(&mounted), "{mounted} s");
    let balancer = facts.balancers.iter().find(|day| day.balancer.namespace == namespace);
    let balancer = balancer.expect("the load balancer of the namespace");
    assert_eq!(balancer.balancer.balancer_id, format!("{namespace}.elb"));
    let [(backend, hours)] = balancer.backends.as_slice() else {
        panic!("one backend: {:?}", balancer.backends)
    };
    assert_eq!(
        (backend.service.as_str(), hours[0].hosts, hours[0].requests),
        ("web", 1, None)
    );
    let stays = facts
        .slots
        .iter()
        .find(|slot| slot.slot.pod == "stays" && slot.slot.namespace == namespace);
    let stays = stays.expect("the pod").slot.id();
    let sized = facts.sizing.iter().find(|(slot, _)| *slot == stays);
    let hour = &sized.expect("its container").1[0];
    assert_eq!(
        (hour.restarts, hour.oom_kills, hour.memory_limit_mib),
        (Some(0), Some(0), Some(2_048))
    );
}

fn pod(name: &str, bound: Instant) -> (Value, Value) {
    let volumes = match name {
        "stays" => json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]),
        _ => json!([]),
    };
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": "tonnage-a", "automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": "none",
                "resources": {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}}],
            "volumes": volumes},
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
    put_resources(client, &namespace).await;
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

    assert_resources(&facts, &namespace);

    let nodes = Api::<Node>::all(client.clone());
    pods.delete("stays", &at_once).await.expect("deleted");
    take_resources(client, &namespace).await;
    for name in ["tonnage-a", "tonnage-b"] {
        nodes.delete(name, &DeleteParams::default()).await.expect("deleted");
    }
}
