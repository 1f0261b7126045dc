//! A data folder with a server and a token, spools with hours to push, and
//! what a lake holds in the end.

use domain::Finding;
use domain::instant::Day;
use domain::usage::{Capacity, ClusterDay, Hour, Measure, Node, NodeHour, Slot, SlotHour};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use store::Store;
use tempfile::TempDir;
use tonnage::app::agent::Spool;
use tonnage::app::push::Push;
use tonnage_tests::program::{self, Ended, command, run};

/// Cluster of the hours that are made here.
pub const CLUSTER: &str = "c-1";
/// First hour of 2026-11-01.
pub const START: i32 = 20_758 * 24;
/// A spool that is never full.
pub const ROOMY: u64 = 1 << 30;

/// Folders of a test.
pub struct Scene {
    dir: TempDir,
    pub data: PathBuf,
    pub token_file: PathBuf,
    pub token_id: String,
}

impl Scene {
    /// A data folder with a token for `cluster`, or for any.
    pub fn new(cluster: Option<&str>) -> Scene {
        let dir = TempDir::new().expect("a folder");
        let data = dir.path().join("data");
        let mut args = vec!["token", "create", "--agent", "test", "--json"];
        args.extend(cluster.into_iter().flat_map(|cluster| ["--cluster", cluster]));
        let made = run(&data, &args).exits(0).json();
        let token_file = dir.path().join("token");
        let text = |name: &str| made[name].as_str().expect("a text").to_owned();
        std::fs::write(&token_file, format!("{}\n", text("token"))).expect("writable");
        Scene {
            data,
            token_file,
            token_id: text("id"),
            dir,
        }
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A spool with these pushes.
    pub fn spool(&self, name: &str, pushes: &[Push]) -> PathBuf {
        let folder = self.folder(name);
        let mut spool = Spool::open(&folder, ROOMY).expect("a spool");
        pushes.iter().for_each(|push| spool.put(push).expect("room"));
        folder
    }

    fn args<'a>(&'a self, url: &'a str, spool: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let text = |path: &'a Path| path.to_str().expect("UTF-8");
        let mut args = vec!["agent", "--server", url, "--token-file", text(&self.token_file)];
        args.extend(["--spool", text(spool), "--json"]);
        args.extend(more);
        args
    }

    /// Delivers a spool, to its end.
    pub fn drain(&self, url: &str, spool: &Path, more: &[&str]) -> Ended {
        let mut all = vec!["--drain"];
        all.extend(more);
        run(&self.data, &self.args(url, spool, &all))
    }

    /// Starts an agent.
    pub fn start(&self, url: &str, spool: &Path, more: &[&str], env: &[(&str, &str)]) -> Child {
        command(&self.data, &self.args(url, spool, more))
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts")
    }

    pub fn serve(&self) -> program::Server {
        program::Server::start(&self.data, &[])
    }
}

/// A container's hour: full when `seconds` are all of it.
fn slot_hour(hour: i32, number: i32, seconds: u32) -> SlotHour {
    let cpu = u64::from(seconds) * u64::try_from(number * 7 + hour.rem_euclid(11) + 1).expect("positive");
    let measure = |cpu_core_ms| Measure {
        cpu_core_ms,
        memory_mib_s: cpu_core_ms * 3 + 1,
        gpu_ms: 0,
    };
    SlotHour {
        hour: Hour(hour),
        seconds,
        effective: measure(cpu),
        requested: measure(cpu / 2),
        used: measure(cpu - cpu / 3),
    }
}

/// Facts of one hour: two nodes, `containers` containers, each seen for so many seconds.
#[allow(clippy::needless_update, reason = "a day may get more fields")]
pub fn day_of(cluster: &str, hour: i32, containers: i32, seconds: u32) -> ClusterDay {
    let capacity = Capacity {
        cpu_millicores: 4_000,
        memory_mib: 16_384,
        gpu_milli: 0,
    };
    let node = |name: &str| Node {
        name: name.to_owned(),
        provider_id: format!("aws:///eu/i-{name}"),
        ..Node::default()
    };
    let node_hour = NodeHour {
        hour: Hour(hour),
        ready_s: 3_600,
        observed_s: seconds,
        capacity,
        allocatable: capacity,
    };
    let slot = |number: i32| Slot {
        node: format!("n{}", 1 + number % 2),
        pod_uid: format!("pod-{number:03}"),
        container: "app".to_owned(),
        namespace: format!("tenant-{}", number % 5),
        pod: format!("web-{number}"),
        ..Slot::default()
    };
    let mut slots: Vec<_> = (0..containers)
        .map(|number| (slot(number), vec![slot_hour(hour, number, seconds)]))
        .collect();
    slots.sort_by(|(a, _), (b, _)| a.cmp(b));
    ClusterDay {
        cluster: cluster.to_owned(),
        day: Day(hour.div_euclid(24)),
        nodes: ["n1", "n2"].map(|name| (node(name), vec![node_hour])).into(),
        slots,
        ..ClusterDay::default()
    }
}

pub fn push_of(cluster: &str, hour: i32, seconds: u32) -> Push {
    let findings = if hour % 24 == 5 {
        vec![Finding::warning("kubernetes_no_metrics", "no metrics")]
    } else {
        Vec::new()
    };
    Push::new(
        (cluster, "prod"),
        "a",
        vec![day_of(cluster, hour, 20, seconds)],
        findings,
    )
}

/// So many hours; every fifth came in part first, as from an agent that was stopped.
pub fn hours(count: i32) -> Vec<Push> {
    let hour = |number: i32| {
        let part = (number % 5 == 4).then(|| push_of(CLUSTER, START + number, 1_000));
        part.into_iter().chain([push_of(CLUSTER, START + number, 3_600)])
    };
    (0..count).flat_map(hour).collect()
}

/// What the lake holds: every cluster's days as they count, and the ids of what came in.
#[derive(Debug, PartialEq)]
pub struct State {
    pub days: Vec<ClusterDay>,
    /// Hashes of the days' files.
    pub hashes: Vec<String>,
    /// Findings of all deliveries, in order of their words.
    pub words: Vec<String>,
}

impl State {
    pub async fn of(data: &Path) -> State {
        let store = Store::open(
            &format!("sqlite://{}", data.join("tonnage.db").display()),
            domain::access::Scope::shell("test"),
        )
        .await
        .expect("a database");
        let lake = lake::Lake::file(&data.join("lake")).expect("a lake");
        let rows = store.usage_days(Day(i32::MIN), Day(i32::MAX)).await.expect("days");
        let hashes = rows.iter().map(|row| row.sha256.clone()).collect();
        let read = |row: store::UsageDayRow| {
            let file = tonnage::app::usage::usage_file(row);
            lake::usage::read_day(&lake, &file).expect("a day")
        };
        let days = rows.into_iter().map(read).collect();
        let deliveries = store.usage_deliveries().await.expect("deliveries");
        let mut words: Vec<String> = deliveries
            .iter()
            .flat_map(|delivery| &delivery.findings)
            .map(|finding| finding.code.clone())
            .filter(|code| code.starts_with("agent_") || code.starts_with("kubernetes_"))
            .collect();
        words.sort();
        store.close().await;
        State { days, hashes, words }
    }

    /// Container-seconds of all hours.
    pub fn container_s(&self) -> u64 {
        let slots = self.days.iter().flat_map(|day| &day.slots);
        slots
            .flat_map(|(_, hours)| hours)
            .map(|hour| u64::from(hour.seconds))
            .sum()
    }
}

/// What an undisturbed delivery of these pushes ends in.
pub async fn undisturbed(pushes: &[Push]) -> State {
    let scene = Scene::new(None);
    let spool = scene.spool("spool", pushes);
    let server = scene.serve();
    let done = scene.drain(&server.url, &spool, &[]).exits(0).json();
    assert_eq!(counts(&done), [pushes.len() as u64, 0, 0, 0], "{done}");
    drop(server);
    State::of(&scene.data).await
}

/// Pushed, already there, set aside, waiting.
pub fn counts(done: &Value) -> [u64; 4] {
    ["pushed", "already", "set_aside", "waiting"].map(|name| done[name].as_u64().expect("a count"))
}

/// Names of the entries in a spool, or in its folder `aside`.
pub fn entries(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<String> = files
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".json.gz") && !name.starts_with("running"))
        .collect();
    names.sort();
    names
}

/// A small generator, so that a run can be repeated.
pub struct Random(pub u64);

impl Random {
    /// Splitmix64.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

pub fn seed() -> u64 {
    let seed = std::env::var("TONNAGE_TEST_SEED").ok();
    seed.and_then(|text| text.parse().ok()).unwrap_or(1)
}
