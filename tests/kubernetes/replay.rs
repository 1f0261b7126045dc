//! The collector against recorded objects.

use crate::server::{Cut, Fault, Server};
use domain::instant::{Instant, SECOND_US};
use domain::usage::{Capacity, Hour, Measure, Role};
use serde_json::{Value, json};
use sources::kubernetes::{ACCESS, ClusterAccess, ClusterConfig, CollectError, Collector, Facts, Tick};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant as Wall};
use tempfile::TempDir;

const START_S: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z
const PODS: &str = "/api/v1/pods";
const NODES: &str = "/api/v1/nodes";
const POD_METRICS: &str = "/apis/metrics.k8s.io/v1beta1/pods";
const NODE_METRICS: &str = "/apis/metrics.k8s.io/v1beta1/nodes";
const PATIENCE: Duration = Duration::from_secs(20);

fn at(seconds: i64) -> Instant {
    Instant((START_S + seconds) * SECOND_US)
}

fn text(seconds: i64) -> String {
    let at = chrono::DateTime::from_timestamp(START_S + seconds, 0).expect("time");
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A server, a collector of it, and the time both go by.
struct Scene {
    server: Server,
    collector: Collector,
    clock: Arc<AtomicI64>,
    _home: TempDir,
}

fn config(server: &Server, clock: &Arc<AtomicI64>) -> (ClusterConfig, TempDir) {
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

fn clock() -> Arc<AtomicI64> {
    Arc::new(AtomicI64::new(at(0).0))
}

impl Scene {
    async fn open(server: Server) -> Scene {
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

    fn set(&self, seconds: i64) {
        self.clock.store(at(seconds).0, Ordering::SeqCst);
        self.server.date(START_S + seconds);
    }

    async fn tick(&mut self, seconds: i64) -> Tick {
        self.set(seconds);
        self.collector.tick(at(seconds)).await.expect("allowed")
    }

    /// Samples every 60 s from `from` up to and with `to`.
    async fn run(&mut self, from: i64, to: i64) {
        for seconds in (from..=to).step_by(60) {
            assert!(self.tick(seconds).await.sampled, "at {seconds} s");
        }
    }

    /// Does something on the server and waits for the watches to see it.
    async fn see(&mut self, events: u64, act: impl FnOnce(&Server)) {
        let before = self.collector.events();
        act(&self.server);
        let collector = &self.collector;
        until("events", || collector.events() >= before + events).await;
    }

    fn first_hour(&mut self, seconds: i64) -> Facts {
        self.collector.drain(Hour(Hour::of(at(0)).0 + 1), at(seconds))
    }
}

/// Waits for a condition, with a deadline.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Wall::now() + PATIENCE;
    while !condition() {
        assert!(Wall::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Effective requests by pod and container.
fn effective(facts: &Facts) -> BTreeMap<String, Measure> {
    let mut by_name = BTreeMap::new();
    for slot in &facts.slots {
        let name = format!("{}/{}", slot.slot.pod, slot.slot.container);
        let sum: &mut Measure = by_name.entry(name).or_default();
        *sum = sum.plus(slot.hour.effective);
    }
    by_name
}

fn core_s(facts: &Facts, name: &str) -> u64 {
    effective(facts)
        .get(name)
        .map_or(0, |measure| measure.cpu_core_ms / 1_000)
}

fn codes(facts: &Facts) -> BTreeSet<&str> {
    facts.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// A pod of two cores on the first node, bound at `seconds`.
fn two_cores(name: &str, seconds: i64) -> Value {
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
fn over(mut pod: Value, seconds: i64) -> Value {
    pod["status"]["phase"] = json!("Succeeded");
    pod["status"]["containerStatuses"][0]["state"] =
        json!({"terminated": {"exitCode": 0, "finishedAt": text(seconds)}});
    pod
}

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
        if asked.path.ends_with("sets") || asked.path.ends_with("deployments") || asked.path.ends_with("jobs") {
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
async fn a_page_that_expired_starts_the_list_anew() {
    let server = Server::start().await;
    server.stand(PODS, Some(Fault::Expired));
    let clock = clock();
    let (config, _home) = config(&server, &clock);
    let mut collector = Collector::connect(config).await.expect("connected");
    until("a refusal", || server.count(PODS, false) > 0).await;
    server.stand(PODS, None);
    collector.synced(PATIENCE).await.expect("synced");
    assert_eq!(collector.tick(at(0)).await.expect("allowed").pods, 5);
}

#[tokio::test]
async fn short_lived_pods_between_two_samples_are_counted() {
    let mut scene = Scene::open(Server::start().await).await;
    scene.tick(0).await;
    scene.set(40);
    scene
        .see(3, |server| {
            server.put(PODS, two_cores("short", 10));
            server.put(PODS, over(two_cores("short", 10), 30));
            server.delete(PODS, over(two_cores("short", 10), 30));
        })
        .await;
    scene.run(60, 3_600).await;
    // twenty seconds of two cores
    assert_eq!(core_s(&scene.first_hour(3_600), "short/c"), 40);
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
    server.fault(PODS, Fault::Status(429, Some(1)));
    server.fault(PODS, Fault::Status(429, Some(1)));
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
    server.fault(POD_METRICS, Fault::Silent);
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
            held <= 2 * 3_600 && held >= 2 * 3_480,
            "{ahead_s} s: {held} core-s, never more than there was"
        );
    }
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

#[tokio::test]
async fn a_second_collector_goes_on() {
    let server = Server::start().await;
    let mut first = Scene::open(server.clone()).await;
    first.run(0, 1_800).await;
    let mut facts = vec![first.collector.finish(at(1_800))];
    drop(first);
    let mut second = Scene::open(server).await;
    second.run(1_800, 3_600).await;
    facts.push(second.first_hour(3_600));
    let held: u64 = facts.iter().map(|facts| core_s(facts, "db-0/postgres")).sum();
    assert_eq!(held, 3_600, "nothing lost, nothing doubled");
    let observed: u32 = facts.iter().map(|facts| facts.nodes[0].1[0].observed_s).sum();
    assert_eq!(observed, 3_600);
}
