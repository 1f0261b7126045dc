//! Objects and their changes in, hourly facts out.

use super::*;
use crate::kubernetes::inventory;
use crate::kubernetes::objects::{NamespaceFact, namespace_fact};
use crate::kubernetes::scaled::scaled;
use domain::instant::SECOND_US;
use domain::usage::{MountHour, Slot, SlotHour, VolumeHour};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1::Ingress;
use kube::runtime::watcher::Event;
use proptest::prelude::*;
use serde_json::{Value, json};

const START_S: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z
const FOR_EVER: Instant = Instant(i64::MAX);

fn at(seconds: i64) -> Instant {
    Instant((START_S + seconds) * SECOND_US)
}

fn text(seconds: i64) -> String {
    let at = k8s_openapi::jiff::Timestamp::from_second(START_S + seconds).expect("time");
    at.to_string()
}

fn hour(number: i32) -> Hour {
    Hour(Hour::of(at(0)).0 + number)
}

struct Scene {
    world: World,
    resources: Resources,
    last: Option<Instant>,
}

impl Scene {
    fn new(objects: &[Value]) -> Scene {
        let mut scene = Scene {
            world: World::default(),
            resources: Resources::default(),
            last: None,
        };
        objects.iter().for_each(|object| scene.put(0, object));
        scene.look(0);
        scene
    }

    fn put(&mut self, seconds: i64, object: &Value) {
        self.event(seconds, object, false);
    }

    fn delete(&mut self, seconds: i64, object: &Value) {
        self.event(seconds, object, true);
    }

    fn event(&mut self, seconds: i64, object: &Value, gone: bool) {
        macro_rules! take {
            ($kind:ty, $table:ident, $read:expr) => {{
                let object: $kind = serde_json::from_value(object.clone()).expect("object");
                let event = if gone {
                    Event::Delete(object)
                } else {
                    Event::Apply(object)
                };
                let World { $table, findings, .. } = &mut self.world;
                $table.take(event, at(seconds), $read, findings);
            }};
        }
        fn namespace(object: &core::Namespace) -> Result<NamespaceFact, crate::kubernetes::QuantityError> {
            Ok(namespace_fact(&object.metadata))
        }
        match object["kind"].as_str() {
            Some("PersistentVolume") => take!(core::PersistentVolume, volumes, inventory::volume),
            Some("PersistentVolumeClaim") => take!(core::PersistentVolumeClaim, claims, inventory::claim),
            Some("Pod") => take!(core::Pod, pods, |pod| PodFact::read(pod, &["note".to_owned()])),
            Some("Namespace") => take!(core::Namespace, namespaces, namespace),
            Some("Service") => take!(core::Service, services, inventory::service),
            Some("Ingress") => take!(Ingress, ingresses, inventory::ingress),
            Some("Deployment") => take!(super::super::scaled::Scaled<Deployment>, deployments, scaled),
            other => panic!("{other:?}"),
        }
    }

    fn look(&mut self, seconds: i64) {
        let pods = self.world.pods.changes();
        self.resources.follow(&mut self.world, &pods, self.last, at(seconds));
        self.last = Some(at(seconds));
    }

    fn drain(&mut self, before: i32) -> ResourceFacts {
        self.resources.drain(hour(before), FOR_EVER, &self.world, &[])
    }
}

fn volume(name: &str, claim: &str, phase: &str, size: &str) -> Value {
    json!({
        "kind": "PersistentVolume",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "creationTimestamp": text(-86_400)},
        "spec": {"capacity": {"storage": size}, "storageClassName": "gp3",
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": format!("vol-{name}")},
            "claimRef": {"namespace": "shop", "name": claim, "uid": format!("uid-{claim}")}},
        "status": {"phase": phase},
    })
}

fn claim(name: &str, volume: &str) -> Value {
    json!({
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "labels": {"tenant": "acme"}},
        "spec": {"volumeName": volume},
    })
}

/// A pod of a workload, bound at `seconds`, that mounts claims.
fn pod(name: &str, seconds: i64, claims: &[&str]) -> Value {
    let volumes: Vec<Value> = claims
        .iter()
        .map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}))
        .collect();
    let owner = name.split('-').next().expect("a name");
    json!({
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "creationTimestamp": text(seconds),
            "labels": {"app": owner},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Rollout", "name": owner, "uid": owner, "controller": true}]},
        "spec": {"nodeName": "n1", "volumes": volumes,
            "containers": [{"name": "c", "resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}]},
        "status": {"phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": text(seconds)}]},
    })
}

/// With a state of its container: restarts, running since, killed at.
fn state(mut pod: Value, restarts: u32, since: i64, killed: Option<i64>) -> Value {
    let mut status = json!({"name": "c", "image": "", "imageID": "", "ready": true, "restartCount": restarts,
        "state": {"running": {"startedAt": text(since)}}});
    if let Some(killed) = killed {
        status["lastState"] =
            json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": text(killed)}});
    }
    pod["status"]["containerStatuses"] = json!([status]);
    pod
}

/// (hour, seconds, MiB) of a volume.
fn sizes(day: &VolumeDay) -> Vec<(i32, u32, u64)> {
    let number = |fact: &VolumeHour| fact.hour.0 - hour(0).0;
    let all = day.hours.iter();
    all.map(|fact| (number(fact), fact.seconds, fact.capacity_mib))
        .collect()
}

/// (workload, hour, seconds) of a volume's mounts.
fn mounts(day: &VolumeDay) -> Vec<(String, i32, u32)> {
    let of = |mount: &domain::usage::Mount, fact: &MountHour| {
        (mount.workload.clone(), fact.hour.0 - hour(0).0, fact.seconds)
    };
    let all = day.mounts.iter();
    all.flat_map(|(mount, hours)| hours.iter().map(|fact| of(mount, fact)).collect::<Vec<_>>())
        .collect()
}

#[test]
fn two_owners_half_an_hour_each() {
    let first = pod("web-1", -7_200, &["data"]);
    let mut scene = Scene::new(&[volume("a", "data", "Bound", "100Gi"), claim("data", "a"), first.clone()]);
    scene.delete(1_800, &first);
    scene.put(1_800, &pod("batch-1", 1_800, &["data"]));
    scene.look(1_820);
    // grown in the second hour
    scene.put(4_000, &volume("a", "data", "Bound", "200Gi"));
    scene.look(7_200);
    let facts = scene.drain(2);
    let [day] = facts.volumes.as_slice() else {
        panic!("one volume: {:?}", facts.volumes)
    };
    assert_eq!(
        (
            day.volume.volume_id.as_str(),
            day.volume.namespace.as_str(),
            day.volume.claim.as_str()
        ),
        ("vol-a", "shop", "data")
    );
    assert_eq!(
        day.volume.labels,
        Tags::from([("tenant".to_owned(), "acme".to_owned())])
    );
    assert_eq!(
        (day.volume.provisioned, day.volume.claim_deleted),
        (Some(at(-86_400)), None)
    );
    assert_eq!(sizes(day), [(0, 3_600, 102_400), (1, 3_600, 204_800)]);
    let expect = [("batch", 0, 1_800), ("batch", 1, 3_600), ("web", 0, 1_800)];
    assert_eq!(
        mounts(day),
        expect.map(|(who, hour, seconds)| (who.to_owned(), hour, seconds))
    );
    assert!(
        day.hours.iter().all(|fact| fact.used_mib_s.is_none()),
        "unknown, not zero"
    );
}

#[test]
fn a_claim_that_goes_leaves_a_volume_that_stays() {
    let mut scene = Scene::new(&[volume("a", "data", "Bound", "1Gi"), claim("data", "a")]);
    scene.delete(600, &claim("data", "a"));
    let mut released = volume("a", "data", "Released", "1Gi");
    released["status"]["lastPhaseTransitionTime"] = json!(text(601));
    scene.put(602, &released);
    // the same name again, with a volume of its own, that goes at 01:30
    let mut again = volume("b", "data", "Bound", "2Gi");
    again["metadata"]["creationTimestamp"] = json!(text(700));
    again["spec"]["claimRef"]["uid"] = json!("uid-again");
    scene.put(701, &again);
    scene.put(710, &pod("web-1", 705, &["data"]));
    scene.look(720);
    scene.delete(5_400, &again);
    scene.look(7_200);
    let facts = scene.drain(2);
    let [old, new] = facts.volumes.as_slice() else {
        panic!("two volumes: {:?}", facts.volumes)
    };
    assert_eq!(old.volume.claim_deleted, Some(at(601)));
    assert_eq!(old.volume.labels.len(), 1, "labels outlive their claim");
    assert_eq!(
        (sizes(old), mounts(old)),
        (vec![(0, 3_600, 1_024), (1, 3_600, 1_024)], vec![])
    );
    assert_eq!(sizes(new), [(0, 2_900, 2_048), (1, 1_800, 2_048)]);
    assert_eq!(mounts(new)[0], ("web".to_owned(), 0, 2_895));
    assert!(scene.drain(3).volumes.iter().all(|day| day.volume.volume_id == "vol-a"));
}

#[test]
fn file_systems_are_billed_as_such_and_claims_of_ephemeral_volumes_are_found() {
    let mut efs = volume("e", "web-1-scratch", "Bound", "5Gi");
    efs["spec"]["csi"] = json!({"driver": "efs.csi.aws.com", "volumeHandle": "fs-1::fsap-2"});
    let mut pod = pod("web-1", -60, &[]);
    pod["spec"]["volumes"] = json!([{"name": "scratch", "ephemeral": {}}]);
    // reserved for a claim by name, as long as nothing binds them
    let mut reserved = volume("r", "later", "Pending", "1Gi");
    reserved["spec"]["claimRef"] = json!({"namespace": "shop", "name": "later"});
    let mut scene = Scene::new(&[efs, pod, reserved, claim("later", "r")]);
    scene.look(3_600);
    let facts = scene.drain(1);
    assert_eq!(facts.volumes[0].volume.volume_id, "fs-1");
    let later = &facts.volumes[1].volume;
    assert_eq!((later.claim_uid.as_str(), later.labels.len()), ("uid-later", 1));
    assert_eq!(mounts(&facts.volumes[0]), [("web".to_owned(), 0, 3_600)]);
}

fn service(name: &str, kind: &str, addresses: &[&str]) -> Value {
    let points: Vec<Value> = addresses.iter().map(|address| json!({"hostname": address})).collect();
    json!({
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("svc-{name}"), "creationTimestamp": text(-9_000),
            "labels": {"of": name}},
        "spec": {"type": kind, "selector": {"app": name}},
        "status": {"loadBalancer": {"ingress": points}},
    })
}

fn ingress(name: &str, class: &str, addresses: &[&str], routes: &[(&str, &str)]) -> Value {
    let rule = |(host, service): &(&str, &str)| {
        let backend = json!({"service": {"name": service, "port": {"number": 80}}});
        json!({"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}})
    };
    let points: Vec<Value> = addresses.iter().map(|address| json!({"hostname": address})).collect();
    json!({
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("ing-{name}"), "creationTimestamp": text(-9_000)},
        "spec": {"ingressClassName": class, "rules": routes.iter().map(rule).collect::<Vec<_>>()},
        "status": {"loadBalancer": {"ingress": points}},
    })
}

/// Service, workload, hosts.
type Behind = (String, String, u64);

/// (balancer, asked for by, seconds, what is behind it) of the first hour.
fn balancers(facts: &ResourceFacts) -> Vec<(String, String, u32, Vec<Behind>)> {
    let of = |day: &BalancerDay| {
        let backends = day.backends.iter();
        let behind = backends.map(|(backend, hours)| {
            assert!(hours.iter().all(|fact| (fact.requests, fact.bytes) == (None, None)));
            (backend.service.clone(), backend.workload.clone(), hours[0].hosts)
        });
        let balancer = &day.balancer;
        let (id, asker) = (balancer.balancer_id.clone(), balancer.service.clone());
        (id, asker, day.hours[0].seconds, behind.collect())
    };
    facts.balancers.iter().map(of).collect()
}

#[test]
fn balancers_and_what_is_behind_them() {
    let mut scene = Scene::new(&[
        pod("web-1", -60, &[]),
        service("web", "ClusterIP", &[]),
        service("api", "ClusterIP", &[]),
        service("ssh", "LoadBalancer", &["ssh.elb", "also.ssh"]),
        service("traefik", "LoadBalancer", &["edge.elb"]),
        service("pending", "LoadBalancer", &[]),
        // told by the address, told by the class alone, two that share one of their own, and one of no controller here
        ingress(
            "a",
            "other",
            &["edge.elb"],
            &[("a.example", "web"), ("b.example", "web"), ("b.example", "api")],
        ),
        ingress("b", "traefik", &[], &[("", "api")]),
        ingress("d", "alb", &["alb.elb"], &[("d.example", "web")]),
        ingress("c", "alb", &["alb.elb"], &[("c.example", "web")]),
        ingress("x", "nobody", &[], &[("x.example", "web")]),
    ]);
    scene.delete(1_800, &service("ssh", "LoadBalancer", &["ssh.elb", "also.ssh"]));
    scene.look(3_600);
    let behind = |all: &[(&str, &str, u64)]| -> Vec<Behind> {
        let owned = |(service, workload, hosts): &(&str, &str, u64)| ((*service).into(), (*workload).into(), *hosts);
        all.iter().map(owned).collect()
    };
    let expect = [
        ("alb.elb", "c", 3_600, behind(&[("web", "web", 2)])),
        ("also.ssh", "ssh", 1_800, behind(&[("ssh", "", 0)])),
        (
            "edge.elb",
            "traefik",
            3_600,
            behind(&[("api", "", 2), ("web", "web", 2)]),
        ),
    ];
    let facts = scene.drain(1);
    let expect = expect.map(|(id, asker, seconds, behind)| (id.to_owned(), asker.to_owned(), seconds, behind));
    assert_eq!(balancers(&facts), expect);
    let (web, _) = &facts.balancers[0].backends[0];
    assert_eq!(web.labels, Tags::from([("of".to_owned(), "web".to_owned())]));
}

fn hour_facts(pod: &str, number: i32, label: &str) -> HourFacts {
    let mut profile = UsageProfile::default();
    profile.record(100, 50, 600_000);
    HourFacts {
        slot: Slot {
            node: "n1".to_owned(),
            pod_uid: format!("uid-{pod}"),
            container: "c".to_owned(),
            namespace: "shop".to_owned(),
            workload_kind: "Deployment".to_owned(),
            workload: "web".to_owned(),
            labels: Tags::from([("v".to_owned(), label.to_owned())]),
            ..Slot::default()
        },
        hour: SlotHour {
            hour: hour(number),
            seconds: 600,
            effective: Default::default(),
            requested: Default::default(),
            used: Default::default(),
        },
        metered_s: 600,
        profile,
    }
}

#[test]
fn hours_know_the_services_and_annotations_of_their_pods() {
    let selecting = |name: &str, selector: Value| {
        let mut service = service(name, "ClusterIP", &[]);
        service["spec"]["selector"] = selector;
        service
    };
    let mut web = pod("web-1", -7_200, &[]);
    web["metadata"]["annotations"] = json!({"note": "kept", "secret": "dropped"});
    let mut other = pod("web-1", -7_200, &[]);
    other["metadata"]["namespace"] = json!("elsewhere");
    other["metadata"]["uid"] = json!("uid-elsewhere");
    let mut late = selecting("late", json!({"app": "web"}));
    late["metadata"]["creationTimestamp"] = json!(text(5_000));
    let mut scene = Scene::new(&[
        web,
        other,
        pod("batch-1", -7_200, &[]),
        selecting("web", json!({"app": "web"})),
        selecting("first", json!({"statefulset.kubernetes.io/pod-name": "web-1"})),
        selecting("strict", json!({"app": "web", "tier": "front"})),
        selecting("by-hand", json!({})),
    ]);
    scene.put(5_000, &late);
    scene.look(5_000);
    scene.delete(7_300, &late);
    scene.look(7_400);
    let mut slots: Vec<HourFacts> = [
        ("web-1", 0),
        ("web-1", 1),
        ("web-1", 3),
        ("batch-1", 0),
        ("elsewhere", 0),
        ("gone", 0),
    ]
    .map(|(pod, number)| hour_facts(pod, number, "x"))
    .into();
    scene.resources.name_services(&mut slots);
    let services: Vec<Vec<&str>> = slots
        .iter()
        .map(|facts| facts.slot.services.iter().map(String::as_str).collect())
        .collect();
    let expect: [&[&str]; 6] = [
        &["first", "web"],
        &["first", "late", "web"],
        &["first", "web"],
        &[],
        &[],
        &[],
    ];
    assert_eq!(services, expect);
    let note = Tags::from([("note".to_owned(), "kept".to_owned())]);
    let notes: Vec<bool> = slots.iter().map(|facts| facts.slot.annotations == note).collect();
    assert_eq!(notes, [true, true, true, false, false, false]);
}

fn deployment(replicas: u32) -> Value {
    json!({"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "deploy-web"},
        "spec": {"replicas": replicas}})
}

#[test]
fn limits_restarts_kills_and_replicas() {
    let web = pod("web-1", -60, &[]);
    let mut scene = Scene::new(&[state(web.clone(), 3, -40, Some(-50)), deployment(2)]);
    // restarted after a kill at 00:10, and again at 00:59:50, seen after the hour
    scene.put(610, &state(web.clone(), 4, 605, Some(600)));
    scene.put(1_200, &deployment(7));
    scene.put(1_300, &deployment(5));
    scene.look(3_580);
    let mut resized = state(web, 5, 3_590, Some(600));
    resized["spec"]["containers"][0]["resources"]["limits"] = json!({"memory": "2Gi"});
    scene.put(3_605, &resized);
    // one that came and was killed between two looks
    scene.put(3_610, &state(pod("web-2", 3_585, &[]), 1, 3_608, Some(3_606)));
    scene.look(3_640);
    let slots = [
        hour_facts("web-1", 0, "1"),
        hour_facts("web-1", 1, "1"),
        hour_facts("web-1", 1, "2"),
        hour_facts("web-2", 1, "1"),
        hour_facts("gone", 1, "1"),
    ];
    let facts = scene.resources.drain(hour(2), FOR_EVER, &scene.world, &slots);
    let found: Vec<_> = facts
        .sizing
        .iter()
        .flat_map(|(slot, hours)| hours.iter().map(|fact| (slot.pod_uid.as_str(), fact)))
        .map(|(pod, fact)| {
            let limits = (fact.cpu_limit_millicores, fact.memory_limit_mib);
            (
                pod,
                fact.hour.0 - hour(0).0,
                fact.metered_s,
                limits,
                fact.restarts,
                fact.oom_kills,
                fact.replicas,
            )
        })
        .collect();
    let expect = [
        ("uid-gone", 1, 600, (None, None), None, None, Some(5)),
        (
            "uid-web-1",
            0,
            600,
            (Some(2_000), Some(1_024)),
            Some(2),
            Some(1),
            Some(7),
        ),
        ("uid-web-1", 1, 1_200, (None, Some(2_048)), Some(0), Some(0), Some(5)),
        (
            "uid-web-2",
            1,
            600,
            (Some(2_000), Some(1_024)),
            Some(1),
            Some(1),
            Some(5),
        ),
    ];
    assert_eq!(found, expect);
    let (_, hours) = &facts.sizing[1];
    let profile = UsageProfile::from_bytes(&hours[1].profile).expect("a profile");
    assert_eq!(profile.cpu.recorded_ms(), 1_200_000, "two facts of one hour are one");
    assert!(
        hours.iter().all(|fact| fact.throttling.is_none()),
        "the API does not tell"
    );
}

/// Ends the program and starts it again: what is known is what was written
/// down, and what the watches list.
fn restart(scene: &mut Scene, seconds: i64, objects: &[Value]) {
    let written = serde_json::to_vec(&scene.resources).expect("JSON");
    scene.resources = serde_json::from_slice(&written).expect("what was written");
    scene.world = World::default();
    objects.iter().for_each(|object| scene.put(seconds, object));
    let World {
        pods,
        volumes,
        claims,
        services,
        ingresses,
        deployments,
        stateful_sets,
        daemon_sets,
        ..
    } = &mut scene.world;
    pods.synced = true;
    volumes.synced = true;
    claims.synced = true;
    services.synced = true;
    ingresses.synced = true;
    for table in [deployments, stateful_sets, daemon_sets] {
        table.synced = true;
    }
}

/// Objects that are there, a change a step: (seconds, object, whether it goes).
fn story() -> (Vec<Value>, Vec<(i64, Value, bool)>) {
    let web = pod("web-1", -60, &["data"]);
    let mut ssh = service("ssh", "LoadBalancer", &["ssh.elb"]);
    ssh["metadata"]["creationTimestamp"] = json!(text(1_800));
    let begin = vec![
        json!({"kind": "Namespace", "metadata": {"name": "shop", "uid": "ns-shop", "labels": {"team": "shop"}}}),
        volume("a", "data", "Bound", "1Gi"),
        claim("data", "a"),
        state(web.clone(), 3, -40, Some(-50)),
        deployment(2),
        service("web", "ClusterIP", &[]),
        service("traefik", "LoadBalancer", &["edge.elb"]),
        ingress("i", "traefik", &["edge.elb"], &[("a.example", "web")]),
    ];
    let steps = vec![
        (605, state(web.clone(), 4, 601, Some(600)), false),
        (905, deployment(7), false),
        (1_205, volume("a", "data", "Bound", "2Gi"), false),
        (1_505, pod("db-1", 1_500, &["data"]), false),
        (1_805, ssh.clone(), false),
        (
            2_105,
            ingress(
                "i",
                "traefik",
                &["edge.elb"],
                &[("a.example", "web"), ("b.example", "web")],
            ),
            false,
        ),
        (2_405, ssh, true),
        (2_705, pod("db-1", 1_500, &["data"]), true),
        (3_005, claim("data", "a"), true),
        (3_305, volume("a", "data", "Released", "2Gi"), false),
        (3_905, state(web, 5, 3_901, Some(600)), false),
        (4_205, volume("a", "data", "Released", "2Gi"), true),
    ];
    (begin, steps)
}

/// The facts of two hours of the story with the program ended after these steps.
fn told(restarts: &[bool]) -> ResourceFacts {
    let (mut objects, steps) = story();
    let uid = |object: &Value| object["metadata"]["uid"].clone();
    let mut scene = Scene::new(&objects);
    for (step, (seconds, object, gone)) in steps.iter().enumerate() {
        scene.event(*seconds, object, *gone);
        objects.retain(|known| uid(known) != uid(object));
        objects.extend((!gone).then(|| object.clone()));
        scene.look(seconds + 55);
        if restarts.get(step).copied().unwrap_or(false) {
            restart(&mut scene, seconds + 100, &objects);
            scene.look(seconds + 115);
        }
    }
    let slots = [hour_facts("web-1", 0, "1"), hour_facts("web-1", 1, "1")];
    scene.look(7_300);
    scene.resources.drain(hour(2), FOR_EVER, &scene.world, &slots)
}

#[test]
fn what_went_while_no_program_watched_went_after_its_last_look() {
    let (objects, _) = story();
    let mut scene = Scene::new(&objects);
    scene.look(600);
    let left: Vec<Value> = objects
        .into_iter()
        .filter(|object| object["kind"] == "Namespace")
        .collect();
    restart(&mut scene, 1_200, &left);
    scene.look(1_260);
    let facts = scene.drain(1);
    assert_eq!(facts.volumes[0].hours[0].seconds, 600);
    assert_eq!(facts.volumes[0].mounts[0].1[0].seconds, 600);
    assert_eq!(facts.balancers[0].hours[0].seconds, 600);
    scene.look(3_700);
    let next = scene.drain(2);
    assert!(next.volumes.is_empty() && next.balancers.is_empty());
}

proptest! {
    /// A program that is ended between two looks counts as if it went on.
    #[test]
    fn restarts_change_nothing(restarts in prop::collection::vec(any::<bool>(), 12)) {
        let (found, expect) = (told(&restarts), told(&[]));
        prop_assert_eq!(expect.volumes[0].mounts.len(), 2);
        prop_assert_eq!(expect.balancers.len(), 2);
        prop_assert_eq!(expect.sizing[0].1.iter().map(|hour| hour.restarts).collect::<Vec<_>>(), [Some(1), Some(1)]);
        prop_assert_eq!(found.volumes, expect.volumes);
        prop_assert_eq!(found.balancers, expect.balancers);
        prop_assert_eq!(found.sizing, expect.sizing);
    }

    /// Watches run beside each other: what they bring between two looks comes in any order.
    #[test]
    fn the_order_of_the_watches_changes_nothing(order in Just((0..9).collect::<Vec<usize>>()).prop_shuffle()) {
        let objects = [
            volume("a", "data", "Bound", "1Gi"),
            claim("data", "a"),
            pod("web-1", 100, &["data"]),
            pod("db-1", 200, &["data"]),
            service("web", "ClusterIP", &[]),
            service("traefik", "LoadBalancer", &["edge.elb"]),
            ingress("a", "traefik", &["edge.elb"], &[("a.example", "web")]),
            ingress("b", "traefik", &[], &[("b.example", "web")]),
            json!({"kind": "Namespace", "metadata": {"name": "shop", "uid": "ns-shop", "labels": {"team": "shop"}}}),
        ];
        let facts = |order: &[usize]| {
            let mut scene = Scene::new(&[]);
            scene.look(600);
            order.iter().for_each(|index| scene.put(620, &objects[*index]));
            scene.look(660);
            let facts = scene.drain(1);
            (facts.volumes, facts.balancers)
        };
        prop_assert_eq!(facts(&order), facts(&[0, 1, 2, 3, 4, 5, 6, 7, 8]));
    }
}
