//! The pure part as tables: objects and metrics in, hourly facts out.

use super::*;
use crate::kubernetes::claims::Unknown;
use crate::kubernetes::metrics::{MetricsList, NodeMetrics, PodMetrics};
use crate::kubernetes::node::NodeFact;
use crate::kubernetes::objects::OwnerFact;
use crate::kubernetes::objects::OwnerRef;
use domain::usage::{Measure, SlotHour};
use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod names;

const START_S: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

fn at(seconds: i64) -> Instant {
    Instant((START_S + seconds) * SECOND_US)
}

fn text(seconds: i64) -> String {
    let at = k8s_openapi::jiff::Timestamp::from_second(START_S + seconds).expect("time");
    at.to_string()
}

/// A pod bound at 0 with one container `app` of one core and 1 GiB, running.
fn pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "creationTimestamp": text(0)},
        "spec": {"nodeName": "n1", "containers": [container("app", "1", "1Gi")]},
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": text(0)},
                {"type": "Initialized", "status": "True", "lastTransitionTime": text(0)},
            ],
            "containerStatuses": [status("app", &json!({"running": {"startedAt": text(1)}}))],
        },
    })
}

fn container(name: &str, cpu: &str, memory: &str) -> Value {
    json!({"name": name, "resources": {"requests": {"cpu": cpu, "memory": memory}}})
}

fn status(name: &str, state: &Value) -> Value {
    json!({"name": name, "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state})
}

fn ended(at: i64) -> Value {
    json!({"terminated": {"exitCode": 0, "finishedAt": text(at)}})
}

/// Changes a pod at a JSON pointer, making the way there.
fn with(mut pod: Value, pointer: &str, value: Value) -> Value {
    let mut place = &mut pod;
    for key in pointer.split('/') {
        place = match key.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[key],
        };
    }
    *place = value;
    pod
}

fn read(pod: &Value) -> Arc<PodFact> {
    let pod: core::Pod = serde_json::from_value(pod.clone()).expect("pod");
    Arc::new(PodFact::read(&pod, &[]).expect("quantities"))
}

fn node() -> NodeTrack {
    let node = json!({
        "metadata": {"name": "n1", "uid": "uid-n1", "creationTimestamp": text(-9_000)},
        "spec": {"providerID": "aws:///eu-central-1a/i-0a"},
        "status": {
            "capacity": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"},
            "allocatable": {"cpu": "3920m", "memory": "15Gi", "nvidia.com/gpu": "1"},
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": text(-9_000)}],
        },
    });
    let node: core::Node = serde_json::from_value(node).expect("node");
    NodeTrack::new(&NodeFact::read(&node).expect("quantities"), at(0), at(0))
}

/// A cluster of one node whose pods a test changes between samples.
struct Scene {
    sampler: Sampler,
    pods: HashMap<Arc<str>, Arc<PodFact>>,
    nodes: HashMap<Arc<str>, NodeTrack>,
    owners: HashMap<&'static str, OwnerFact>,
    findings: Findings,
}

impl Scene {
    /// Samples every 60 s.
    fn new(pods: &[Value]) -> Scene {
        let pods = pods.iter().map(read).map(|pod| (pod.uid.clone(), pod));
        Scene {
            sampler: Sampler::new(60),
            pods: pods.collect(),
            nodes: HashMap::from([("uid-n1".into(), node())]),
            owners: HashMap::new(),
            findings: Findings::default(),
        }
    }

    fn put(&mut self, pod: &Value) {
        let pod = read(pod);
        self.pods.insert(pod.uid.clone(), pod);
    }

    fn tick(&mut self, seconds: i64, ended: Vec<Ended>, usage: Option<&Usage>) -> Taken {
        let namespace = NamespaceFact {
            name: "shop".to_owned(),
            labels: BTreeMap::from([
                ("tenant".to_owned(), "acme".to_owned()),
                ("env".to_owned(), "prod".to_owned()),
            ]),
        };
        let namespaces = HashMap::from([("uid-shop".into(), Arc::new(namespace))]);
        for ended in &ended {
            self.pods.remove(&ended.pod.uid);
        }
        let owners = &self.owners;
        let parent = |owner: &OwnerRef| match &*owner.kind {
            "ReplicaSet" | "Deployment" | "Job" | "CronJob" => {
                owners.get(&*owner.uid).map(|fact| fact.parent.clone()).ok_or(Unknown)
            }
            _ => Ok(None),
        };
        let mut view = View {
            pods: &self.pods,
            ended,
            nodes: &mut self.nodes,
            namespaces: &namespaces,
            parent: &parent,
        };
        self.sampler.tick(at(seconds), &mut view, usage, &mut self.findings)
    }

    /// Samples from `from` up to and with `to`.
    fn run(&mut self, from: i64, to: i64) {
        for seconds in (from..=to).step_by(60) {
            self.tick(seconds, Vec::new(), None);
        }
    }

    /// Effective core-seconds by pod and container, and the node's first hour.
    fn finish(mut self, seconds: i64) -> (BTreeMap<String, u64>, NodeHour) {
        let (nodes, slots) = self.sampler.finish(at(seconds), &mut self.nodes);
        let mut cpu = BTreeMap::new();
        for facts in slots {
            let name = format!("{}/{}", facts.slot.pod, facts.slot.container);
            *cpu.entry(name).or_default() += facts.hour.effective.cpu_core_ms / 1_000;
        }
        cpu.retain(|_, seconds| *seconds > 0);
        (cpu, nodes[0].1[0])
    }
}

fn usage(pod: &str, measured_at: i64, containers: &[(&str, &str)]) -> Usage {
    let containers: Vec<Value> = containers
        .iter()
        .map(|(name, cpu)| json!({"name": name, "usage": {"cpu": cpu, "memory": "2Gi"}}))
        .collect();
    let list = json!({"items": [
        {"metadata": {"name": pod, "namespace": "shop"}, "timestamp": text(measured_at), "containers": containers},
    ]});
    let pods: MetricsList<PodMetrics> = serde_json::from_value(list).expect("metrics");
    Usage::read(pods, MetricsList::<NodeMetrics> { items: Vec::new() })
}

fn expect(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs
        .iter()
        .map(|(name, seconds)| ((*name).to_owned(), *seconds))
        .collect()
}

#[test]
fn what_a_pod_holds_in_ten_minutes() {
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff"}});
    let init = |cpu: &str| json!([container("init", cpu, "1Gi")]);
    let sidecar = || json!([{"name": "proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "250m"}}}]);
    let not_initialised = json!([{"type": "PodScheduled", "status": "True", "lastTransitionTime": text(0)}]);
    let initialising = |pod| {
        let pod = with(pod, "status/conditions", not_initialised.clone());
        let pod = with(pod, "status/containerStatuses/0/state", waiting.clone());
        with(
            pod,
            "status/initContainerStatuses",
            json!([status("init", &json!({"running": {"startedAt": text(1)}}))]),
        )
    };
    // (A26, what; the pod; core-seconds after 600 s)
    let cases = vec![
        ("a running pod", pod("p"), vec![("p/app", 600)]),
        ("unbound", with(pod("p"), "spec/nodeName", Value::Null), vec![]),
        (
            "pending on a node",
            with(pod("p"), "status/phase", json!("Pending")),
            vec![("p/app", 600)],
        ),
        (
            "an image that cannot be pulled",
            with(
                with(pod("p"), "status/phase", json!("Pending")),
                "status/containerStatuses/0/state",
                waiting.clone(),
            ),
            vec![("p/app", 600)],
        ),
        (
            "terminating, within its grace",
            with(pod("p"), "metadata/deletionTimestamp", json!(text(900))),
            vec![("p/app", 600)],
        ),
        ("succeeded", with(pod("p"), "status/phase", json!("Succeeded")), vec![]),
        ("failed", with(pod("p"), "status/phase", json!("Failed")), vec![]),
        (
            "an init container of four times the app, through",
            with(pod("p"), "spec/initContainers", init("4")),
            vec![("p/", 1_800), ("p/app", 600)],
        ),
        (
            "the same, while it runs",
            initialising(with(pod("p"), "spec/initContainers", init("4"))),
            vec![("p/init", 2_400)],
        ),
        (
            "a sidecar",
            with(pod("p"), "spec/initContainers", sidecar()),
            vec![("p/app", 600), ("p/proxy", 150)],
        ),
        (
            "overhead of a runtime class",
            with(pod("p"), "spec/overhead", json!({"cpu": "500m"})),
            vec![("p/", 300), ("p/app", 600)],
        ),
        (
            "a request for the pod as a whole",
            with(pod("p"), "spec/resources", json!({"requests": {"cpu": "3"}})),
            vec![("p/", 1_200), ("p/app", 600)],
        ),
        (
            "resized in place, not given back yet",
            with(
                pod("p"),
                "status/containerStatuses/0/resources",
                json!({"requests": {"cpu": "2"}}),
            ),
            vec![("p/app", 1_200)],
        ),
        (
            "a resize that cannot be done",
            with(
                with(
                    pod("p"),
                    "status/containerStatuses/0/resources",
                    json!({"requests": {"cpu": "500m"}}),
                ),
                "status/resize",
                json!("Infeasible"),
            ),
            vec![("p/app", 300)],
        ),
    ];
    for (what, pod, core_s) in cases {
        let mut scene = Scene::new(&[pod]);
        scene.run(0, 540);
        let (found, _) = scene.finish(600);
        assert_eq!(found, expect(&core_s), "{what}");
    }
}

#[test]
fn from_binding_to_end() {
    let gone = |pod: &Value, seen_at| Ended {
        pod: read(pod),
        seen_at: at(seen_at),
        lost: false,
    };
    let bound = |name, seconds| {
        with(
            pod(name),
            "status/conditions/0/lastTransitionTime",
            json!(text(seconds)),
        )
    };
    let over = |pod, seconds| {
        let pod = with(pod, "status/phase", json!("Succeeded"));
        with(pod, "status/containerStatuses/0/state", ended(seconds))
    };
    let killed = with(pod("p"), "metadata/deletionTimestamp", json!(text(700)));

    // (what, pods at the start, what is put or gone before which sample, core-seconds at 600 s)
    let cases = vec![
        (
            "deleted at 90 s",
            vec![pod("p")],
            vec![(120, None, Some(gone(&pod("p"), 90)))],
            vec![("p/app", 90)],
        ),
        (
            "killed within its grace",
            vec![pod("p")],
            vec![(120, None, Some(gone(&killed, 95)))],
            vec![("p/app", 95)],
        ),
        (
            "bound at 95 s",
            vec![],
            vec![(120, Some(bound("p", 95)), None)],
            vec![("p/app", 505)],
        ),
        (
            "over at 95 s",
            vec![pod("p")],
            vec![(120, Some(over(pod("p"), 95)), None)],
            vec![("p/app", 95)],
        ),
        (
            "over, and said late",
            vec![pod("p")],
            vec![(180, Some(over(pod("p"), 95)), None)],
            vec![("p/app", 95)],
        ),
        (
            "over, then deleted: counted once",
            vec![pod("p")],
            vec![
                (120, Some(over(pod("p"), 95)), None),
                (300, None, Some(gone(&over(pod("p"), 95), 290))),
            ],
            vec![("p/app", 95)],
        ),
        (
            "between two samples",
            vec![],
            vec![(120, None, Some(gone(&over(bound("p", 70), 90), 91)))],
            vec![("p/app", 20)],
        ),
        (
            "between two samples, still listed",
            vec![],
            vec![(120, Some(over(bound("p", 70), 90)), None)],
            vec![("p/app", 20)],
        ),
        (
            "over before the first sample",
            vec![over(bound("p", -500), -400)],
            vec![],
            vec![],
        ),
        (
            "a clock ahead: bound in the future",
            vec![],
            vec![(120, Some(bound("p", 400)), None)],
            vec![("p/app", 480)],
        ),
        // 30 s before the last sample at the earliest
        (
            "a clock behind: bound long ago",
            vec![],
            vec![(120, Some(bound("p", -900)), None)],
            vec![("p/app", 570)],
        ),
        (
            "a clock behind: over long ago",
            vec![pod("p")],
            vec![(120, Some(over(pod("p"), -900)), None)],
            vec![("p/app", 30)],
        ),
    ];
    for (what, pods, steps, core_s) in cases {
        let mut scene = Scene::new(&pods);
        for seconds in (0..600).step_by(60) {
            let mut gone = Vec::new();
            for (_, put, ended) in steps.iter().filter(|(when, ..)| *when == seconds) {
                put.iter().for_each(|pod| scene.put(pod));
                gone.extend(ended.clone());
            }
            scene.tick(seconds, gone, None);
        }
        let (found, node) = scene.finish(600);
        assert_eq!(found, expect(&core_s), "{what}");
        assert_eq!((node.ready_s, node.observed_s), (600, 600), "{what}");
    }
}

#[test]
fn ten_minutes_of_two_cores_are_1200_core_seconds() {
    let mut scene = Scene::new(&[with(pod("p"), "spec/containers/0/resources/requests/cpu", json!("2"))]);
    scene.run(0, 540);
    let (found, node) = scene.finish(600);
    assert_eq!(found, expect(&[("p/app", 1_200)]));
    assert_eq!(node.capacity.over(3_600).cpu_core_ms, 14_400_000);
}

#[test]
fn usage_above_the_request() {
    // (what, measured at, usage of the app, core-seconds after 60 s of a request of 1 core)
    for (what, measured_at, cpu, core_s) in [
        ("above", 0, "1500m", 90),
        ("below", 0, "20m", 60),
        ("nano-cores", 0, "1250000000n", 75),
        ("of an earlier pod of that name", -2, "3", 60),
        ("too old", -200, "3", 60),
    ] {
        let mut scene = Scene::new(&[pod("p")]);
        let taken = scene.tick(0, Vec::new(), Some(&usage("p", measured_at, &[("app", cpu)])));
        assert_eq!(taken.measured, usize::from(measured_at >= 0), "{what}");
        let (found, _) = scene.finish(60);
        assert_eq!(found, expect(&[("p/app", core_s)]), "{what}");
    }
    // usage eats the overhead before it adds to the pod
    let mut scene = Scene::new(&[with(
        pod("p"),
        "spec/initContainers",
        json!([container("init", "4", "1Gi")]),
    )]);
    scene.tick(0, Vec::new(), Some(&usage("p", 0, &[("app", "3")])));
    assert_eq!(scene.finish(60).0, expect(&[("p/", 60), ("p/app", 180)]));
}

#[test]
fn all_measures() {
    let gpu = with(
        pod("p"),
        "spec/containers/0/resources/limits",
        json!({"nvidia.com/gpu": "1"}),
    );
    let mut scene = Scene::new(&[gpu]);
    scene.tick(0, Vec::new(), Some(&usage("p", 0, &[("app", "500m")])));
    let (_, slots) = scene.sampler.finish(at(100), &mut scene.nodes);
    let measure = |cpu_core_ms, memory_mib_s, gpu_ms| Measure {
        cpu_core_ms,
        memory_mib_s,
        gpu_ms,
    };
    assert_eq!(
        slots[0].hour,
        SlotHour {
            hour: Hour::of(at(0)),
            seconds: 100,
            effective: measure(100_000, 204_800, 100_000),
            requested: measure(100_000, 102_400, 100_000),
            used: measure(50_000, 204_800, 0),
        }
    );
}

#[test]
fn a_gap_is_counted_by_requests() {
    let lost = |pod: &Value| Ended {
        pod: read(pod),
        seen_at: at(540),
        lost: true,
    };
    // samples at 0 and 60, then nothing until 540; (what, gone at 540, core-seconds, observed seconds at 600)
    for (what, gone, core_s, observed_s) in [
        ("all pods stay", vec![], vec![("p/app", 600), ("q/app", 600)], 600),
        // what held the node between 180 and 540 cannot be told
        (
            "one is lost",
            vec![lost(&pod("q"))],
            vec![("p/app", 240), ("q/app", 180)],
            240,
        ),
    ] {
        let mut scene = Scene::new(&[pod("p"), pod("q")]);
        scene.run(0, 60);
        scene.tick(540, gone, None);
        let (found, node) = scene.finish(600);
        assert_eq!(found, expect(&core_s), "{what}");
        assert_eq!((node.ready_s, node.observed_s), (600, observed_s), "{what}");
    }
}

#[test]
fn an_init_container_hands_over() {
    let init = with(pod("p"), "spec/initContainers", json!([container("init", "4", "1Gi")]));
    let running = status("init", &json!({"running": {"startedAt": text(1)}}));
    let early = with(init.clone(), "status/conditions/1/status", json!("False"));
    let early = with(early, "status/containerStatuses/0/state", json!({"waiting": {}}));
    let early = with(early, "status/initContainerStatuses", json!([running]));
    let mut scene = Scene::new(&[early]);
    scene.run(0, 120);
    scene.put(&with(
        init,
        "status/initContainerStatuses",
        json!([status("init", &ended(170))]),
    ));
    scene.run(180, 540);
    let (found, _) = scene.finish(600);
    // 4 cores held throughout: by the init container first, then by app and pod
    assert_eq!(found, expect(&[("p/", 420 * 3), ("p/app", 420), ("p/init", 720)]));
}

#[test]
fn a_clock_that_goes_back_counts_nothing_twice() {
    let mut scene = Scene::new(&[pod("p")]);
    scene.run(0, 300);
    scene.run(120, 540);
    let (found, node) = scene.finish(600);
    assert_eq!((found, node.observed_s), (expect(&[("p/app", 600)]), 600));
}

#[test]
fn hours_wait_until_they_are_complete() {
    let mut scene = Scene::new(&[pod("p")]);
    scene.run(0, 3_540);
    // (what, now, asked for hours before, drained)
    let hour = Hour::of(at(0)).0;
    let (nodes, slots) = scene.sampler.drain(Hour(hour + 1), at(3_599), &mut scene.nodes);
    assert_eq!((nodes.len(), slots.len()), (0, 0), "no sample after the hour yet");
    scene.tick(3_600, Vec::new(), None);
    let (nodes, slots) = scene.sampler.drain(Hour(hour + 1), at(3_600), &mut scene.nodes);
    assert_eq!((nodes[0].1[0].ready_s, nodes[0].1[0].observed_s), (3_600, 3_600));
    assert_eq!(
        (slots[0].hour.seconds, slots[0].hour.effective.cpu_core_ms),
        (3_600, 3_600_000)
    );
    let (nodes, _) = scene.sampler.drain(Hour(hour + 1), at(3_660), &mut scene.nodes);
    assert!(nodes.is_empty(), "drained once");
    // not seen for seven hours: the first of them is given up
    let (nodes, _) = scene
        .sampler
        .drain(Hour(hour + 9), at(8 * 3_600 + 10), &mut scene.nodes);
    assert_eq!(nodes[0].1.len(), 1);
    assert_eq!((nodes[0].1[0].ready_s, nodes[0].1[0].observed_s), (3_600, 0));
}

#[test]
fn a_pod_that_outlives_its_node_holds_nothing() {
    let mut scene = Scene::new(&[pod("p")]);
    scene.run(0, 120);
    scene.nodes.get_mut("uid-n1").expect("the node").gone(at(150));
    scene.run(180, 540);
    let (found, node) = scene.finish(600);
    assert_eq!(
        (found, node.ready_s, node.observed_s),
        (expect(&[("p/app", 150)]), 150, 150)
    );
    assert_eq!(
        scene_findings(&[pod("p")]),
        ["kubernetes_unknown_node"],
        "a node that was never listed"
    );
}

fn scene_findings(pods: &[Value]) -> Vec<String> {
    let mut scene = Scene::new(pods);
    scene.nodes.clear();
    scene.tick(0, Vec::new(), None);
    scene.findings.take().into_iter().map(|finding| finding.code).collect()
}
