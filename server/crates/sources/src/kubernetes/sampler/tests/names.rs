//! What slots are called: owners, roles and labels.

use super::*;
use domain::usage::Role;

#[test]
fn names_roles_and_owners() {
    let owner = |kind: &str, name: &str, uid: &str| {
        json!([{
            "apiVersion": "v1", "kind": kind, "name": name, "uid": uid, "controller": true,
        }])
    };
    let of = |kind: &str, uid: &str, name: &str| OwnerRef {
        kind: kind.into(),
        name: name.into(),
        uid: uid.into(),
    };
    let link = |parent| OwnerFact {
        namespace: "shop".to_owned(),
        name: String::new(),
        parent,
        replicas: None,
    };
    let owners = HashMap::from([
        ("rs", link(Some(of("Deployment", "deploy", "web")))),
        ("deploy", link(None)),
        ("rollout-rs", link(Some(of("Rollout", "rollout", "web")))),
        ("job", link(Some(of("CronJob", "cron", "nightly")))),
        ("cron", link(None)),
    ]);
    let owned = |kind, name, uid| with(pod("p"), "metadata/ownerReferences", owner(kind, name, uid));
    let overhead = |pod| with(pod, "spec/overhead", json!({"cpu": "1"}));
    // (what, pod, kind, name, role of the container, role of the overhead)
    let cases = [
        ("bare", pod("p"), "Pod", "p", Role::Workload, Role::PodOverhead),
        (
            "deployment",
            owned("ReplicaSet", "web-1", "rs"),
            "Deployment",
            "web",
            Role::Workload,
            Role::PodOverhead,
        ),
        (
            "rollout",
            owned("ReplicaSet", "web-2", "rollout-rs"),
            "Rollout",
            "web",
            Role::Workload,
            Role::PodOverhead,
        ),
        (
            "cron job",
            owned("Job", "nightly-1", "job"),
            "CronJob",
            "nightly",
            Role::Workload,
            Role::PodOverhead,
        ),
        (
            "owner gone",
            owned("ReplicaSet", "web-9", "none"),
            "ReplicaSet",
            "web-9",
            Role::Workload,
            Role::PodOverhead,
        ),
        (
            "daemon set",
            owned("DaemonSet", "agent", "ds"),
            "DaemonSet",
            "agent",
            Role::DaemonSet,
            Role::DaemonSet,
        ),
        (
            "custom",
            owned("Cluster", "pg", "cr"),
            "Cluster",
            "pg",
            Role::Workload,
            Role::PodOverhead,
        ),
        (
            "placeholder",
            with(pod("p"), "spec/priority", json!(-10)),
            "Pod",
            "p",
            Role::Placeholder,
            Role::Placeholder,
        ),
        (
            "static pod",
            with(owned("Node", "n1", "uid-n1"), "metadata/name", json!("kube-proxy-n1")),
            "StaticPod",
            "kube-proxy",
            Role::DaemonSet,
            Role::DaemonSet,
        ),
    ];
    for (what, pod, kind, name, role, overhead_role) in cases {
        let mut scene = Scene::new(&[overhead(pod)]);
        scene.owners.clone_from(&owners);
        scene.tick(0, Vec::new(), None);
        let (_, slots) = scene.sampler.finish(at(60), &mut scene.nodes);
        let found: Vec<_> = slots
            .iter()
            .map(|facts| {
                (
                    facts.slot.workload_kind.as_str(),
                    facts.slot.workload.as_str(),
                    facts.slot.role,
                )
            })
            .collect();
        assert_eq!(found, [(kind, name, overhead_role), (kind, name, role)], "{what}");
    }
}

#[test]
fn an_owner_outlives_its_objects() {
    let owned = with(
        pod("p"),
        "metadata/ownerReferences",
        json!([{"apiVersion": "v1", "kind": "ReplicaSet", "name": "web-1", "uid": "rs", "controller": true}]),
    );
    let mut scene = Scene::new(&[owned]);
    let top = OwnerRef {
        kind: "Rollout".into(),
        name: "web".into(),
        uid: "r".into(),
    };
    let link = OwnerFact {
        namespace: "shop".to_owned(),
        name: "web-1".to_owned(),
        parent: Some(top),
        replicas: None,
    };
    scene.owners.insert("rs", link);
    scene.tick(0, Vec::new(), None);
    scene.owners.clear();
    scene.tick(60, Vec::new(), None);
    let (_, slots) = scene.sampler.finish(at(120), &mut scene.nodes);
    assert_eq!(slots.len(), 1);
    assert_eq!(slots[0].slot.workload, "web");
}

#[test]
fn labels_of_pod_and_namespace() {
    let labels = json!({"app": "web", "env": "test", "pod-template-hash": "5d8f"});
    let mut scene = Scene::new(&[with(pod("p"), "metadata/labels", labels)]);
    scene.tick(0, Vec::new(), None);
    let (_, slots) = scene.sampler.finish(at(60), &mut scene.nodes);
    let expect = [("app", "web"), ("env", "test"), ("tenant", "acme")];
    let found: Vec<(&str, &str)> = slots[0]
        .slot
        .labels
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(found, expect, "the pod's own beat those of its namespace");
}
