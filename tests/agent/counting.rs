//! Counting a cluster while the agent is killed: every sample that was taken is
//! kept, so the facts in the end are those of a run nobody disturbed.

use crate::cluster::Server;
use crate::scene::{ROOMY, Random, seed};
use domain::instant::{Day, Instant, SECOND_US};
use domain::usage::{ClusterDay, Hour};
use serde_json::{Value, json};
use sources::kubernetes::{ClusterAccess, ClusterConfig};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tonnage::app::agent::{Counting, Shared, Spool};
use tonnage::app::push::{MAX_DOCUMENT_BYTES, Push, unpack};
use tonnage_tests::{aloud, long};

pub const START_S: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z
pub const PODS: &str = "/api/v1/pods";
const NODES: &str = "/api/v1/nodes";

pub fn at(seconds: i64) -> Instant {
    Instant((START_S + seconds) * SECOND_US)
}

fn text(seconds: i64) -> String {
    let at = chrono::DateTime::from_timestamp(START_S + seconds, 0).expect("time");
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A kubeconfig for a replaying server.
pub fn kubeconfig(server: &Server, folder: &Path) -> std::path::PathBuf {
    let path = folder.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: blue\n\
         clusters: [{{name: c, cluster: {{server: \"http://{}\"}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n\
         contexts: [{{name: blue, context: {{cluster: c, user: u}}}}]\n",
        server.address
    );
    std::fs::write(&path, text).expect("writable");
    path
}

/// A pod on the first node, bound at `seconds`.
pub fn pod(name: &str, seconds: i64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("pod-{name}"), "creationTimestamp": text(seconds)},
        "spec": {"nodeName": "ip-10-0-1-11", "containers": [{"name": "c", "resources": {"requests": {"cpu": "333m", "memory": "100Mi"}}}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": text(seconds)}],
            "containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": text(seconds)}}}],
        },
    })
}

/// An agent's counting half on a spool, in a time of its own.
struct Scene {
    server: Server,
    clock: Arc<AtomicI64>,
    config: ClusterConfig,
    folder: TempDir,
    counting: Option<Counting>,
}

impl Scene {
    async fn open() -> Scene {
        let server = Server::start().await;
        server.date(START_S);
        let folder = TempDir::new().expect("a folder");
        let clock = Arc::new(AtomicI64::new(at(0).0));
        let mut config = ClusterConfig::new(ClusterAccess::Kubeconfig {
            path: Some(kubeconfig(&server, folder.path())),
            context: None,
        });
        // time jumps here: a watch may seem to last for days
        config.watch_s = 200_000;
        let time = clock.clone();
        config.clock = Arc::new(move || Instant(time.load(Ordering::SeqCst)));
        let mut scene = Scene {
            server,
            clock,
            config,
            folder,
            counting: None,
        };
        scene.start(0).await;
        scene
    }

    fn set(&self, seconds: i64) {
        self.clock.store(at(seconds).0, Ordering::SeqCst);
        self.server.date(START_S + seconds);
    }

    fn spool(&self) -> Spool {
        Spool::open(&self.folder.path().join("spool"), ROOMY).expect("a spool")
    }

    async fn start(&mut self, seconds: i64) {
        self.set(seconds);
        let shared = Shared::new(self.spool());
        let opened = Counting::open(self.config.clone(), shared, at(seconds)).await;
        self.counting = Some(opened.expect("it can watch"));
    }

    /// As `kill -9`: nothing is said, nothing is written.
    fn kill(&mut self) {
        drop(self.counting.take());
    }

    fn counting(&mut self) -> &mut Counting {
        self.counting.as_mut().expect("running")
    }

    async fn tick(&mut self, seconds: i64) {
        self.set(seconds);
        let tick = self.counting().tick(at(seconds)).await.expect("allowed");
        assert!(tick.is_some_and(|tick| tick.sampled), "at {seconds} s");
    }

    /// Begins a sample and is killed after so many turns of it; whether it was too late.
    async fn die_in_tick(&mut self, seconds: i64, turns: u64) -> bool {
        self.set(seconds);
        let counting = self.counting.as_mut().expect("running");
        let late = tokio::select! {
            biased;
            () = turn(turns) => false,
            done = counting.tick(at(seconds)) => { done.expect("allowed"); true }
        };
        self.kill();
        late
    }

    /// Does something in the cluster and waits for the watches to see it.
    async fn see(&mut self, act: impl FnOnce(&Server)) {
        let before = self.counting().collector().events();
        act(&self.server);
        for _ in 0..5_000 {
            if self.counting().collector().events() > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("the watches saw nothing");
    }

    /// What the spool would have a server hold.
    fn facts(&self) -> (Vec<ClusterDay>, Vec<String>) {
        facts(&self.spool())
    }
}

/// Gives way so many times.
async fn turn(times: u64) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

/// What a spool would have a server hold, and the words in it.
fn facts(spool: &Spool) -> (Vec<ClusterDay>, Vec<String>) {
    let mut days: BTreeMap<Day, ClusterDay> = BTreeMap::new();
    let mut words = Vec::new();
    let names = crate::scene::entries(spool.folder());
    for name in names {
        let gzip = std::fs::read(spool.folder().join(name)).expect("readable");
        let push = Push::decode(&unpack(&gzip, MAX_DOCUMENT_BYTES).expect("gzip")).expect("a push");
        words.extend(push.findings.into_iter().map(|finding| finding.code));
        for day in push.days {
            match days.get_mut(&day.day) {
                Some(known) => drop(lake::usage::merge(known, day)),
                None => drop(days.insert(day.day, day)),
            }
        }
    }
    (days.into_values().collect(), words)
}

/// Two hours and a half of a cluster in which pods come and go, with the agent
/// killed around these minutes: just before a sample, or so many turns into it.
async fn run(kills: &BTreeMap<i64, Option<u64>>) -> Vec<ClusterDay> {
    let mut scene = Scene::open().await;
    for minute in 0..=150 {
        let seconds = minute * 60;
        match minute {
            20 => {
                scene.set(seconds - 25);
                scene.see(|server| server.put(PODS, pod("late", seconds - 30))).await;
            }
            75 => {
                scene.set(seconds - 10);
                let gone = pod("late", 20 * 60 - 30);
                scene.see(|server| server.delete(PODS, gone)).await;
            }
            90 => {
                scene.set(seconds - 10);
                let mut node = scene.server.object(NODES, "/ip-10-0-2-22");
                node["status"]["conditions"][0]["status"] = json!("False");
                node["status"]["conditions"][0]["lastTransitionTime"] = json!(text(seconds - 20));
                scene.see(|server| server.put(NODES, node)).await;
            }
            _ => {}
        }
        match kills.get(&minute) {
            // what is seen between two samples is in memory only: it is killed after the sample
            None => scene.tick(seconds).await,
            Some(None) => {
                scene.tick(seconds).await;
                scene.kill();
                scene.start(seconds + 20).await;
            }
            Some(Some(turns)) => {
                scene.die_in_tick(seconds, *turns).await;
                scene.start(seconds + 10).await;
                // the sample once more, if it did not come to its end
                scene.set(seconds);
                scene.counting().tick(at(seconds)).await.expect("allowed");
            }
        }
    }
    scene.counting.take().expect("running").finish();
    scene.facts().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_counting_lose_and_double_nothing() {
    let runs = if long() { 20 } else { 2 };
    let expected = run(&BTreeMap::new()).await;
    let hours = |days: &[ClusterDay]| -> BTreeMap<(String, i32), u64> {
        let slots = days.iter().flat_map(|day| &day.slots);
        let each = slots.flat_map(|(slot, hours)| hours.iter().map(move |hour| (slot, hour)));
        each.map(|(slot, hour)| ((slot.pod.clone(), hour.hour.0), hour.effective.cpu_core_ms))
            .collect()
    };
    let first = Hour::of(at(0)).0;
    let found = hours(&expected);
    // by hand: 40 min 30 s of the first hour, 74 min 50 s in all, at 333 millicores
    assert_eq!(found[&("late".to_owned(), first)], 2_430 * 333);
    assert_eq!(found[&("late".to_owned(), first + 1)], (15 * 60 - 10) * 333);
    assert_eq!(found[&("db-0".to_owned(), first + 1)], 3_600_000);
    let mut random = Random(seed());
    for number in 0..runs {
        let mut kills = BTreeMap::new();
        while kills.len() < 10 {
            // not where the cluster changes right before the sample: that is seen once
            let minute = 1 + i64::try_from(random.below(149)).expect("small");
            let turns = (random.below(2) == 0).then(|| random.below(200));
            if ![20, 75, 90].contains(&minute) {
                kills.insert(minute, turns);
            }
        }
        let days = run(&kills).await;
        assert!(
            days == expected,
            "seed {}, run {number}, kills {kills:?}:\n{:?}\nundisturbed:\n{:?}",
            seed(),
            hours(&days),
            hours(&expected)
        );
    }
    aloud(&format!("{} kills of the counting changed nothing", runs * 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_while_nobody_watched() {
    let mut scene = Scene::open().await;
    scene.see(|server| server.put(PODS, pod("gone", -3_600))).await;
    for minute in 0..=10 {
        scene.tick(minute * 60).await;
    }
    scene.kill();
    // ten minutes without an agent; a pod and a node go meanwhile
    scene.server.lose(PODS, "shop/gone");
    scene.start(1_200).await;
    for minute in 20..=60 {
        scene.tick(minute * 60).await;
    }
    let (days, words) = scene
        .counting
        .take()
        .map(Counting::finish)
        .map(|()| scene.facts())
        .expect("running");
    let held = |pod: &str| -> u64 {
        let slots = days[0]
            .slots
            .iter()
            .filter(|(slot, _)| slot.pod == pod && !slot.container.is_empty());
        slots
            .flat_map(|(_, hours)| hours)
            .map(|hour| u64::from(hour.seconds))
            .sum()
    };
    assert_eq!(held("gone"), 600 + 120, "its last sample stands for two intervals");
    assert_eq!(held("train-0"), 3_600, "who is still there counts by requests");
    assert_eq!(
        held("db-0"),
        3_600 - 480,
        "but for nodes where pods were lost: what was there cannot be told"
    );
    assert!(words.contains(&"kubernetes_pods_lost".to_owned()), "{words:?}");
    let observed: Vec<(String, u32)> = days[0]
        .nodes
        .iter()
        .map(|(node, hours)| (node.name.clone(), hours[0].observed_s))
        .collect();
    assert_eq!(
        observed,
        [
            ("ip-10-0-1-11".to_owned(), 3_600 - 480),
            ("ip-10-0-2-22".to_owned(), 3_600)
        ],
        "where pods were lost, the time since is unobserved"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_long_pause_the_time_in_between_is_unobserved() {
    let mut scene = Scene::open().await;
    for minute in 0..=30 {
        scene.tick(minute * 60).await;
    }
    scene.kill();
    scene.start(5 * 3_600 + 600).await;
    for minute in 310..=360 {
        scene.tick(minute * 60).await;
    }
    scene.kill();
    let (days, _) = scene.facts();
    let observed: Vec<(i32, u32)> = days[0].nodes[0]
        .1
        .iter()
        .map(|hour| (hour.hour.0, hour.observed_s))
        .collect();
    let first = Hour::of(at(0)).0;
    assert_eq!(observed, [(first, 1_800), (first + 5, 3_000)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_state_and_a_foreign_spool_are_told() {
    let mut scene = Scene::open().await;
    for minute in 0..=5 {
        scene.tick(minute * 60).await;
    }
    scene.kill();
    let running = scene.folder.path().join("spool/running.json.gz");
    let good = std::fs::read(&running).expect("readable");
    for bad in [&good[..good.len() / 2], b"nothing"] {
        std::fs::write(&running, bad).expect("writable");
        scene.start(600).await;
        scene.kill();
        let (_, words) = scene.facts();
        assert!(words.contains(&"agent_hour_unreadable".to_owned()), "{words:?}");
        assert!(!running.exists(), "it is kept aside");
    }
    std::fs::write(&running, good).expect("writable");
    let mut system = scene.server.object("/api/v1/namespaces", "/kube-system");
    system["metadata"]["uid"] = json!("another-cluster");
    scene.server.put("/api/v1/namespaces", system);
    let opened = Counting::open(scene.config.clone(), Shared::new(scene.spool()), at(660)).await;
    let error = opened.err().expect("another cluster");
    assert!(error.to_string().contains("a spool of its own"), "{error}");
    assert!(running.exists(), "it belongs to somebody");
}
