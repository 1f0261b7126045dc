//! The collector against recorded objects.

use crate::scene::*;
use crate::server::Server;
use domain::usage::{Capacity, Hour, Measure, Role};
use serde_json::json;
use sources::kubernetes::{ACCESS, ClusterAccess};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn an_hour_of_a_cluster() {
    let mut scene = Scene::open(Server::start().await).await;
    assert_eq!(
        scene.collector.cluster_id(),
        "7a1f0c5e-3b52-4c1e-9d0a-2f6f5d1c9b11",
        "UID of kube-system (A37)"
    );
    assert_eq!(
        scene.collector.cluster_name(),
        "blue",
        "the context, until it is given a name"
    );
    scene.run(0, 3_600).await;
    let facts = scene.first_hour(3_600);
    // core-s, MiB-s, GPU-ms of an hour
    let expect = [
        // uses 750m of a request of 500m; an init container of 2 cores stays kept
        ("web-5d8f-a/web", 750 * 3_600, 512 * 3_600, 0),
        ("web-5d8f-a/", 1_250 * 3_600, 0, 0),
        // uses 5 GiB of a request of 4
        ("db-0/postgres", 1_000 * 3_600, 5_120 * 3_600, 0),
        ("agent-x1/agent", 100 * 3_600, 100 * 3_600, 0),
        // two quarters of a device
        ("train-0/train", 2_000 * 3_600, 8_192 * 3_600, 500 * 3_600),
        ("headroom-0/pause", 1_000 * 3_600, 1_024 * 3_600, 0),
    ];
    let expect = expect.map(|(name, cpu_core_ms, memory_mib_s, gpu_ms)| {
        let measure = Measure {
            cpu_core_ms,
            memory_mib_s,
            gpu_ms,
        };
        (name.to_owned(), measure)
    });
    assert_eq!(effective(&facts), BTreeMap::from(expect));

    let of = |pod: &str| &facts.slots.iter().find(|facts| facts.slot.pod == pod).expect(pod).slot;
    let web = of("web-5d8f-a");
    assert_eq!(
        (web.workload_kind.as_str(), web.workload.as_str()),
        ("Deployment", "web")
    );
    assert_eq!((web.pod_uid.as_str(), web.node.as_str()), ("pod-web-a", "ip-10-0-1-11"));
    assert_eq!(
        web.labels,
        BTreeMap::from(
            [("app", "web"), ("tenant", "acme"), ("tier", "gold")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
        )
    );
    let roles = ["db-0", "agent-x1", "headroom-0"].map(|pod| of(pod).role);
    assert_eq!(roles, [Role::Workload, Role::DaemonSet, Role::Placeholder]);

    let capacity = |cpu_millicores, memory_mib, gpu_milli| Capacity {
        cpu_millicores,
        memory_mib,
        gpu_milli,
    };
    let nodes: Vec<_> = facts
        .nodes
        .iter()
        .map(|(node, hours)| (node.provider_id.as_str(), hours[0]))
        .collect();
    assert_eq!(nodes.len(), 2);
    for ((provider_id, hour), (expect, size, allocatable)) in nodes.iter().zip([
        (
            "aws:///eu-central-1a/i-0aaaaaaaaaaaaaa11",
            capacity(4_000, 16_384, 0),
            capacity(3_920, 15_360, 0),
        ),
        (
            "aws:///eu-central-1b/i-0bbbbbbbbbbbbbb22",
            capacity(8_000, 32_768, 1_000),
            capacity(7_910, 31_744, 1_000),
        ),
    ]) {
        assert_eq!(*provider_id, expect);
        assert_eq!(
            (hour.hour, hour.ready_s, hour.observed_s),
            (Hour::of(at(0)), 3_600, 3_600)
        );
        assert_eq!((hour.capacity, hour.allocatable), (size, allocatable));
    }
    let bought: Vec<_> = facts
        .nodes
        .iter()
        .map(|(node, _)| (node.pool.as_str(), node.capacity_type.as_str()))
        .collect();
    assert_eq!(bought, [("general", "on-demand"), ("gpu", "spot")]);
    assert_eq!(facts.findings, []);
}

#[tokio::test]
async fn volumes_balancers_and_sizing_of_an_hour() {
    let mut scene = Scene::open(Server::start().await).await;
    scene.run(0, 1_200).await;
    // killed for want of memory and started again
    scene.set(1_210);
    scene
        .see(1, |server| {
            let mut web = server.object(PODS, "shop/web-5d8f-a");
            web["status"]["containerStatuses"][0]["restartCount"] = json!(4);
            web["status"]["containerStatuses"][0]["state"] = json!({"running": {"startedAt": text(1_208)}});
            web["status"]["containerStatuses"][0]["lastState"] =
                json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": text(1_205)}});
            server.put(PODS, web);
        })
        .await;
    scene.run(1_260, 1_800).await;
    // the database is scaled to nothing and its claim deleted: the volume stays
    scene.set(1_810);
    scene
        .see(3, |server| {
            let db = server.object(PODS, "shop/db-0");
            server.delete(PODS, over(db, 1_805));
            let claim = server.object(CLAIMS, "shop/data-db-0");
            server.delete(CLAIMS, claim);
            let mut volume = server.object(VOLUMES, "/pvc-1");
            volume["status"] = json!({"phase": "Released", "lastPhaseTransitionTime": text(1_807)});
            server.put(VOLUMES, volume);
        })
        .await;
    scene.run(1_860, 3_600).await;
    let facts = scene.first_hour(3_600);
    let first = Hour::of(at(0));

    let [day] = facts.volumes.as_slice() else {
        panic!("one volume: {:?}", facts.volumes)
    };
    let volume = &day.volume;
    assert_eq!(
        (
            volume.volume_id.as_str(),
            volume.namespace.as_str(),
            volume.claim.as_str()
        ),
        ("vol-0123456789abcdef0", "shop", "data-db-0")
    );
    assert_eq!((volume.storage_class.as_str(), volume.name.as_str()), ("gp3", "pvc-1"));
    assert_eq!(volume.labels["app"], "db");
    assert_eq!(volume.claim_deleted, Some(at(1_807)));
    let held: Vec<_> = day
        .hours
        .iter()
        .map(|hour| (hour.hour, hour.seconds, hour.capacity_mib))
        .collect();
    assert_eq!(held, [(first, 3_600, 102_400)], "mounted or not (A31)");
    let [(mount, hours)] = day.mounts.as_slice() else {
        panic!("one mount: {:?}", day.mounts)
    };
    assert_eq!((mount.pod_uid.as_str(), mount.workload.as_str()), ("pod-db-0", "db"));
    assert_eq!(mount.labels["tenant"], "acme");
    assert_eq!((hours[0].hour, hours[0].seconds), (first, 1_805));

    let [day] = facts.balancers.as_slice() else {
        panic!("one load balancer: {:?}", facts.balancers)
    };
    assert_eq!(day.balancer.balancer_id, "a1b2.elb.eu-central-1.amazonaws.com");
    assert_eq!((day.hours[0].hour, day.hours[0].seconds), (first, 3_600));
    let (backend, hours) = &day.backends[0];
    assert_eq!((backend.namespace.as_str(), backend.service.as_str()), ("shop", "web"));
    assert_eq!(
        (hours[0].hosts, hours[0].requests),
        (1, None),
        "requests are not known here"
    );

    let web = facts.sizing.iter().find(|(slot, _)| slot.pod_uid == "pod-web-a");
    let (slot, hours) = web.expect("the web container");
    assert_eq!(slot.container, "web", "what the pod holds beyond it is not sized");
    let hour = &hours[0];
    assert_eq!(
        (hour.hour, hour.metered_s, hour.memory_peak_mib),
        (first, 3_600, Some(256))
    );
    assert_eq!(
        (hour.cpu_limit_millicores, hour.memory_limit_mib),
        (Some(1_000), Some(1_024))
    );
    assert_eq!(
        (hour.restarts, hour.oom_kills, hour.replicas),
        (Some(1), Some(1), Some(2))
    );
    assert_eq!(hour.cpu.map(|cpu| (cpu.p50, cpu.max)), Some((750, 750)));
    assert_eq!(hour.throttling, None, "not told by this API");
    let db = facts.sizing.iter().find(|(slot, _)| slot.pod_uid == "pod-db-0");
    let hour = &db.expect("the database").1[0];
    assert_eq!((hour.cpu_limit_millicores, hour.memory_limit_mib), (None, None));
    assert_eq!((hour.restarts, hour.replicas), (Some(0), Some(1)));
}

#[tokio::test]
async fn the_inventory() {
    let mut scene = Scene::open(Server::start().await).await;
    scene.tick(0).await;
    let found = scene.collector.inventory();
    let volume = &found.volumes[0].what;
    assert_eq!(
        (volume.handle.as_str(), volume.size_mib),
        ("vol-0123456789abcdef0", 102_400)
    );
    assert_eq!(volume.claim, Some(("shop".to_owned(), "data-db-0".to_owned())));
    assert_eq!((volume.phase.as_str(), volume.reclaim.as_str()), ("Bound", "Retain"));
    assert_eq!(found.claims[0].what.volume, "pvc-1");
    assert_eq!(found.classes[0].what.provisioner, "ebs.csi.aws.com");
    assert_eq!(
        found.balancers[0].what.addresses,
        ["a1b2.elb.eu-central-1.amazonaws.com"]
    );
    assert_eq!(
        (&found.balancers[1].what.hosts[0], &found.balancers[1].what.backends[0]),
        (&"shop.example.com".to_owned(), &"web".to_owned())
    );
    let scaler = &found.autoscalers[0].what;
    assert_eq!(
        (scaler.target.as_str(), scaler.min_replicas, scaler.max_replicas),
        ("web", 2, 10)
    );
    assert_eq!(found.budgets[0].what.max_unavailable, "25%");
    assert_eq!(found.quotas[0].what.hard["requests.cpu"], "20");
    assert_eq!(found.priorities[0].what.value, -10);
    let web = found
        .signals
        .iter()
        .find(|signals| signals.pod_uid == "pod-web-a" && signals.container == "web");
    let web = web.expect("the web container");
    assert_eq!(
        (web.memory_limit_mib, web.restarts, web.oom_killed),
        (Some(1_024), 3, true)
    );
    assert_eq!(found.nodes_used["ip-10-0-1-11"].cpu_millicores, 1_835);
}

#[tokio::test]
async fn asks_for_what_the_table_names_and_nothing_else() {
    let mut scene = Scene::open(Server::start().await).await;
    scene.run(0, 120).await;
    let server = scene.server.clone();
    until("all watches", || {
        ACCESS
            .iter()
            .filter(|access| access.verbs.contains(&"watch"))
            .all(|a| server.count(a.path, true) > 0)
    })
    .await;
    let mut found = BTreeSet::new();
    for asked in scene.server.asked() {
        assert_eq!(asked.method, "GET", "{asked:?}");
        let verb = if asked.query.contains_key("watch") {
            "watch"
        } else {
            "list"
        };
        found.insert((asked.path.clone(), verb));
        if asked.path.ends_with("replicasets") || asked.path.ends_with("jobs") {
            assert!(
                asked.accept.contains("PartialObjectMetadata"),
                "only metadata of {}",
                asked.path
            );
        }
        if verb == "watch" {
            assert_eq!(
                asked.query.get("allowWatchBookmarks").map(String::as_str),
                Some("true"),
                "{asked:?}"
            );
        }
    }
    let table = ACCESS
        .iter()
        .flat_map(|access| access.verbs.iter().map(|verb| (access.path.to_owned(), *verb)));
    assert_eq!(found, table.collect());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let scene = Scene::open(Server::start().await).await;
    let asked = scene.server.asked();
    let pages = asked
        .iter()
        .filter(|asked| asked.path == PODS && !asked.query.contains_key("watch"));
    let tokens: Vec<_> = pages
        .map(|asked| asked.query.get("continue").map(String::as_str))
        .collect();
    assert_eq!(
        tokens,
        [None, Some("2"), Some("4"), Some("6")],
        "seven pods, two a page"
    );
}

#[tokio::test]
async fn short_lived_pods_between_two_samples_are_counted() {
    let mut scene = Scene::open(Server::start().await).await;
    scene.tick(0).await;
    scene.set(40);
    let mut short = two_cores("short", 10);
    short["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "batch/v1", "kind": "Job", "name": "nightly-29", "uid": "job-nightly-29", "controller": true},
    ]);
    scene
        .see(3, |server| {
            server.put(PODS, short.clone());
            server.put(PODS, over(short.clone(), 30));
            server.delete(PODS, over(short, 30));
        })
        .await;
    scene.run(60, 3_600).await;
    let facts = scene.first_hour(3_600);
    assert_eq!(core_s(&facts, "short/c"), 40, "twenty seconds of two cores");
    let slot = facts
        .slots
        .iter()
        .find(|facts| facts.slot.pod == "short")
        .map(|facts| &facts.slot);
    let slot = slot.expect("a slot");
    assert_eq!(
        (slot.workload_kind.as_str(), slot.workload.as_str()),
        ("CronJob", "nightly")
    );
}

#[tokio::test]
async fn clocks_that_differ() {
    // (how far the server is ahead, a finding)
    for (ahead_s, expect) in [(0, false), (20, false), (-20, false), (95, true), (-95, true)] {
        let mut scene = Scene::open(Server::start().await).await;
        scene.run(0, 60).await;
        let server_time = |seconds| seconds + ahead_s;
        scene.clock.store(at(100).0, Ordering::SeqCst);
        scene
            .see(1, |server| server.put(PODS, two_cores("late", server_time(90))))
            .await;
        for seconds in (120..=3_600).step_by(60) {
            scene.clock.store(at(seconds).0, Ordering::SeqCst);
            scene.server.date(START_S + server_time(seconds));
            scene.collector.tick(at(seconds)).await.expect("allowed");
        }
        let facts = scene.first_hour(3_600);
        assert_eq!(
            codes(&facts).contains("kubernetes_clock_skew"),
            expect,
            "{ahead_s} s: {:?}",
            facts.findings
        );
        let held = core_s(&facts, "late/c");
        assert!(
            (2 * 3_480..=2 * 3_600).contains(&held),
            "{ahead_s} s: {held} core-s, never more than there was"
        );
    }
}

#[tokio::test]
async fn a_second_collector_goes_on() {
    let server = Server::start().await;
    let mut first = Scene::open(server.clone()).await;
    first.run(0, 1_800).await;
    let mut facts = vec![first.collector.finish(at(1_800))];
    let mut second = Scene::open(server).await;
    second.run(1_800, 3_600).await;
    facts.push(second.first_hour(3_600));
    let held: u64 = facts.iter().map(|facts| core_s(facts, "db-0/postgres")).sum();
    assert_eq!(held, 3_600, "nothing lost, nothing doubled");
    let observed: u32 = facts.iter().map(|facts| facts.nodes[0].1[0].observed_s).sum();
    assert_eq!(observed, 3_600);
}

#[tokio::test]
async fn the_live_suite_passes_on_a_recorded_cluster() {
    let server = Server::start().await;
    let (config, _home) = config(&server, &clock());
    let ClusterAccess::Kubeconfig { path: Some(path), .. } = config.access else {
        panic!("a kubeconfig")
    };
    crate::live::real(&path, 2).await;
}
