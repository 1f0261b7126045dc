//! The collector against a server that fails in every way.

use crate::scene::*;
use crate::server::{Cut, Fault, Server};
use serde_json::json;
use sources::kubernetes::{ClusterAccess, ClusterConfig, CollectError, Collector};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant as Wall};

#[tokio::test]
async fn a_page_that_expired_starts_the_list_anew() {
    let server = Server::start().await;
    server.fault(PODS, 1, Fault::Status(410, None));
    let mut scene = Scene::open(server).await;
    let asked = scene.server.asked();
    let pages = asked
        .iter()
        .filter(|asked| asked.path == PODS && !asked.query.contains_key("watch"));
    let tokens: Vec<_> = pages
        .map(|asked| asked.query.get("continue").map(String::as_str))
        .collect();
    assert_eq!(tokens, [None, Some("2"), None, Some("2"), Some("4"), Some("6")]);
    assert_eq!(scene.tick(0).await.pods, 5);
}

#[tokio::test]
async fn gone_is_listed_anew() {
    let mut scene = Scene::open(Server::start().await).await;
    scene.run(0, 120).await;
    until("a watch", || scene.server.count(PODS, true) > 0).await;
    let lists = scene.server.count(PODS, false);
    // seven pods less one and plus one: Init, seven objects, InitDone
    scene.set(130);
    scene
        .see(9, |server| {
            server.lose(PODS, "shop/db-0");
            server.put(PODS, two_cores("new", 125));
            server.compact(PODS);
            server.cut(PODS, Cut::Clean);
        })
        .await;
    assert_eq!(scene.server.count(PODS, false), lists + 4, "the list was read again");
    scene.run(180, 3_600).await;
    let facts = scene.first_hour(3_600);
    assert_eq!(
        core_s(&facts, "db-0/postgres"),
        130,
        "missing from the list: until that was seen"
    );
    assert_eq!(core_s(&facts, "new/c"), 2 * (3_600 - 125));
    assert!(
        facts.nodes.iter().all(|(_, hours)| hours[0].observed_s == 3_600),
        "no gap"
    );
}

#[tokio::test]
async fn a_bookmark_spares_the_list() {
    let mut scene = Scene::open(Server::start().await).await;
    let lists = scene.server.count(NODES, false);
    until("a watch", || scene.server.count(NODES, true) == 1).await;
    // a change, so that it is known that the watch has read on to the bookmark before it
    let node = scene.server.object(NODES, "/ip-10-0-1-11");
    scene
        .see(1, |server| {
            server.bookmark(NODES);
            server.put(NODES, node);
        })
        .await;
    scene.server.compact(NODES);
    scene.server.cut(NODES, Cut::Clean);
    until("another watch", || scene.server.count(NODES, true) == 2).await;
    assert_eq!(scene.server.count(NODES, false), lists);
    let versions: Vec<u64> = scene
        .server
        .asked()
        .iter()
        .filter(|asked| asked.path == NODES)
        .filter_map(|asked| {
            asked
                .query
                .get("watch")
                .and(asked.query.get("resourceVersion"))?
                .parse()
                .ok()
        })
        .collect();
    assert!(versions[1] > versions[0], "goes on from where it was: {versions:?}");
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let server = Server::start().await;
    server.fault(PODS, 0, Fault::Status(429, Some(1)));
    server.fault(PODS, 0, Fault::Status(429, Some(1)));
    let started = Wall::now();
    let mut scene = Scene::open(server).await;
    assert!(started.elapsed() >= Duration::from_secs(2), "Retry-After was kept");
    assert_eq!(scene.server.count(PODS, false), 2 + 4, "two refusals, four pages");
    assert_eq!(scene.tick(0).await.pods, 5);
}

#[tokio::test]
async fn slow_and_broken_streams_lose_nothing() {
    let server = Server::start().await;
    server.slow();
    let mut scene = Scene::open(server).await;
    scene.tick(0).await;
    scene.set(40);
    scene.see(1, |server| server.put(PODS, two_cores("slow", 30))).await;
    for round in 0..3 {
        let watches = scene.server.count(PODS, true);
        scene.server.cut(PODS, Cut::Broken);
        let server = scene.server.clone();
        until("a watch", || server.count(PODS, true) > watches).await;
        let name = format!("cut-{round}");
        scene.see(1, |server| server.put(PODS, two_cores(&name, 35))).await;
    }
    let lists = scene.server.count(PODS, false);
    scene.run(60, 3_600).await;
    let facts = scene.first_hour(3_600);
    assert_eq!(core_s(&facts, "slow/c"), 2 * 3_570);
    for round in 0..3 {
        assert_eq!(core_s(&facts, &format!("cut-{round}/c")), 2 * 3_565, "{round}");
    }
    assert_eq!(scene.server.count(PODS, false), lists, "nothing was listed again");
}

#[tokio::test]
async fn a_lost_connection_is_made_up_for() {
    let mut scene = Scene::open(Server::start().await).await;
    until("all watches", || {
        scene.server.count(PODS, true) > 0 && scene.server.count(NODES, true) > 0
    })
    .await;
    scene.run(0, 600).await;
    scene.server.reachable(false);
    // the loss is noticed at once, but a view of two intervals ago is still good
    let collector = &mut scene.collector;
    scene.clock.store(at(900).0, Ordering::SeqCst);
    until("trouble", || !collector.is_fresh(at(900))).await;
    assert!(!scene.tick(900).await.sampled, "nothing can be seen");
    // meanwhile: one ends, one comes and goes, one comes and stays
    let db = scene.server.object(PODS, "shop/db-0");
    scene.server.delete(PODS, over(db, 1_000));
    scene.server.put(PODS, two_cores("brief", 1_100));
    scene.server.delete(PODS, over(two_cores("brief", 1_100), 1_160));
    scene.server.put(PODS, two_cores("stays", 1_200));
    let before = scene.collector.events();
    scene.set(1_500);
    scene.server.reachable(true);
    let collector = &scene.collector;
    until("events", || {
        collector.events() >= before + 4 && collector.is_fresh(at(1_500))
    })
    .await;
    scene.run(1_500, 3_600).await;
    let facts = scene.first_hour(3_600);
    assert!(
        codes(&facts).contains("kubernetes_out_of_sight"),
        "{:?}",
        facts.findings
    );
    let node = facts.nodes[0].1[0];
    assert_eq!(
        (node.ready_s, node.observed_s),
        (3_600, 3_600),
        "requests of the objects fill the gap (A5)"
    );
    assert_eq!(core_s(&facts, "db-0/postgres"), 1_000);
    assert_eq!(core_s(&facts, "brief/c"), 120);
    assert_eq!(core_s(&facts, "stays/c"), 2 * 2_400);
    // usage is not known for the gap: 750m used for the hour but 500m from 720 to 1,500
    assert_eq!(core_s(&facts, "web-5d8f-a/web"), (750 * 3_600 - 250 * 780) / 1_000);
    assert_eq!(core_s(&facts, "agent-x1/agent"), 360);
}

#[tokio::test]
async fn without_metrics_requests_alone() {
    for status in [404, 503] {
        let server = Server::start().await;
        server.stand(POD_METRICS, Some(Fault::Status(status, None)));
        server.stand(NODE_METRICS, Some(Fault::Status(status, None)));
        let mut scene = Scene::open(server).await;
        scene.run(0, 3_600).await;
        let facts = scene.first_hour(3_600);
        assert_eq!(core_s(&facts, "web-5d8f-a/web"), 1_800, "{status}");
        assert!(facts.slots.iter().all(|slot| slot.metered_s == 0), "{status}");
        assert_eq!(codes(&facts), BTreeSet::from(["kubernetes_no_metrics"]), "{status}");
        assert_eq!(
            facts.nodes[0].1[0].observed_s, 3_600,
            "{status}: observed by its requests"
        );
        assert_eq!(
            scene.server.count(POD_METRICS, false),
            61,
            "{status}: asked once a sample, not hammered"
        );
    }
}

#[tokio::test]
async fn metrics_that_hang_do_not_hold_up_a_sample() {
    let server = Server::start().await;
    server.fault(POD_METRICS, 0, Fault::Silent);
    let mut scene = Scene::open(server).await;
    let tick = scene.tick(0).await;
    assert_eq!((tick.sampled, tick.pods, tick.measured), (true, 5, 0));
    assert_eq!(scene.tick(60).await.measured, 3, "the next sample has them");
}

#[tokio::test]
async fn missing_permissions_are_named() {
    // (what is forbidden, what the error says)
    for (path, expect) in [
        (
            "/apis/autoscaling/v2/horizontalpodautoscalers",
            "list horizontalpodautoscalers.autoscaling",
        ),
        (PODS, "list pods"),
        ("/api/v1/namespaces", "list namespaces"),
    ] {
        let server = Server::start().await;
        server.stand(path, Some(Fault::Status(403, None)));
        let (config, _home) = config(&server, &clock());
        let error = match Collector::connect(config).await {
            Err(error) => error,
            Ok(mut collector) => collector.synced(PATIENCE).await.expect_err(path),
        };
        assert!(matches!(error, CollectError::Forbidden { .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("not allowed: {expect}; apply deploy/rbac.yaml, or grant these verbs")
        );
    }
    // a list without the watch: what was listed counts on, and the verb is named
    let mut scene = Scene::open(Server::start().await).await;
    until("a watch", || scene.server.count(VOLUMES, true) > 0).await;
    let watches = scene.server.count(VOLUMES, true);
    scene.server.stand(VOLUMES, Some(Fault::Status(403, None)));
    scene.server.cut(VOLUMES, Cut::Clean);
    let server = scene.server.clone();
    until("a refusal", || server.count(VOLUMES, true) > watches + 1).await;
    let error = scene.collector.tick(at(0)).await.expect_err("forbidden");
    assert_eq!(
        error.to_string(),
        "not allowed: watch persistentvolumes; apply deploy/rbac.yaml, or grant these verbs"
    );
    // metrics: the sample is taken all the same
    let server = Server::start().await;
    server.stand(POD_METRICS, Some(Fault::Status(403, None)));
    let mut scene = Scene::open(server).await;
    let error = scene.collector.tick(at(0)).await.expect_err("forbidden");
    assert!(error.to_string().contains("list pods.metrics.k8s.io"), "{error}");
    scene.server.stand(POD_METRICS, None);
    scene.run(60, 3_600).await;
    assert_eq!(core_s(&scene.first_hour(3_600), "db-0/postgres"), 3_600);
}

#[tokio::test]
async fn no_way_in() {
    let server = Server::start().await;
    let clock = clock();
    let open = async |change: &dyn Fn(&mut ClusterConfig)| {
        let (mut config, _home) = config(&server, &clock);
        change(&mut config);
        Collector::connect(config).await.err().expect("no way in").to_string()
    };
    let context = open(&|config| {
        if let ClusterAccess::Kubeconfig { context, .. } = &mut config.access {
            *context = Some("green".to_owned());
        }
    });
    let context = context.await;
    assert!(
        context.starts_with("cannot use this cluster configuration") && context.contains("green"),
        "{context}"
    );
    let file = open(&|config| {
        config.access = ClusterAccess::Kubeconfig {
            path: Some("/nowhere/kubeconfig".into()),
            context: None,
        };
    });
    let file = file.await;
    assert!(file.contains("/nowhere/kubeconfig"), "{file}");
    server.stand("/api/v1/namespaces", Some(Fault::Status(401, None)));
    let stranger = open(&|_| {}).await;
    assert!(
        stranger.starts_with("the API server does not accept these credentials"),
        "{stranger}"
    );
    server.reachable(false);
    let away = open(&|_| {}).await;
    assert!(away.starts_with("cannot read namespaces"), "{away}");
}

#[tokio::test]
async fn a_resource_the_server_does_not_know_is_left_out() {
    let server = Server::start().await;
    server.stand("/apis/policy/v1/poddisruptionbudgets", Some(Fault::Status(404, None)));
    let mut scene = Scene::open(server).await;
    assert_eq!(scene.tick(0).await.pods, 5);
    let facts = scene.collector.finish(at(60));
    let found = facts
        .findings
        .iter()
        .find(|finding| finding.code == "kubernetes_resource_missing");
    assert!(
        found
            .expect("a finding")
            .message
            .starts_with("poddisruptionbudgets.policy")
    );
}

#[tokio::test]
async fn what_cannot_be_read_leaves_what_was_known() {
    let mut scene = Scene::open(Server::start().await).await;
    scene.tick(0).await;
    scene
        .see(1, |server| {
            let mut pod = server.object(PODS, "shop/db-0");
            pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("-4");
            server.put(PODS, pod);
        })
        .await;
    scene.run(60, 3_600).await;
    let facts = scene.first_hour(3_600);
    assert_eq!(core_s(&facts, "db-0/postgres"), 3_600);
    let found = facts
        .findings
        .iter()
        .find(|finding| finding.code == "kubernetes_unreadable")
        .expect("a finding");
    assert_eq!(
        found.message,
        "pods db-0: `-4` is negative; what was known before stands"
    );
}
