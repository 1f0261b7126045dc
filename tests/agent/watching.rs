//! The real binary beside a replaying API server, on a clock that runs faster:
//! killed and started again, without a server for a day.

use crate::cluster::Server;
use crate::counting::kubeconfig;
use crate::scene::{Random, Scene, State, counts, entries, seed};
use domain::usage::{ClusterDay, Hour};
use std::path::Path;
use std::process::Child;
use std::time::Duration;
use tempfile::TempDir;
use tonnage_tests::aloud;

/// Effective CPU of the database's hours, and observed seconds of its node's.
fn hours(days: &[ClusterDay]) -> Vec<(Hour, u64, u32)> {
    let slots = days
        .iter()
        .flat_map(|day| &day.slots)
        .filter(|(slot, _)| slot.pod == "db-0");
    let nodes = days
        .iter()
        .flat_map(|day| &day.nodes)
        .filter(|(node, _)| node.name == "ip-10-0-1-11");
    let observed: Vec<_> = nodes.flat_map(|(_, hours)| hours).collect();
    let held = slots.flat_map(|(_, hours)| hours);
    held.map(|hour| {
        let observed = observed.iter().find(|node| node.hour == hour.hour);
        (
            hour.hour,
            hour.effective.cpu_core_ms,
            observed.map_or(0, |node| node.observed_s),
        )
    })
    .collect()
}

async fn ended(child: &mut Child) {
    for _ in 0..1_500 {
        if child.try_wait().expect("a child").is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = child.kill();
    panic!("the agent does not end");
}

fn terminate(child: &Child) {
    let id = child.id().to_string();
    let told = std::process::Command::new("kill").args(["-TERM", &id]).status();
    assert!(told.expect("kill is there").success());
}

fn start(scene: &Scene, url: &str, spool: &Path, config: &Path, (now, rate): (i64, i64)) -> Child {
    let at = chrono::DateTime::from_timestamp(now, 0).expect("a time");
    let clock = format!("{}*{rate}", at.format("%Y-%m-%dT%H:%M:%SZ"));
    let interval = if rate > 1_000 { "300" } else { "60" };
    let more = ["--kube", "--interval", interval];
    let config = config.to_str().expect("UTF-8");
    scene.start(
        url,
        spool,
        &more,
        &[("KUBECONFIG", config), ("TONNAGE_NOW", &clock), ("TONNAGE_LOG", "off")],
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_watches() {
    const RATE: i64 = 240;
    let cluster = Server::start().await;
    let folder = TempDir::new().expect("a folder");
    let config = kubeconfig(&cluster, folder.path());
    let scene = Scene::new(None);
    let server = scene.serve();
    let spool = scene.folder("spool");
    let mut random = Random(seed());
    let begun = std::time::Instant::now();
    // its clock begins where ours is
    let now = || crate::counting::START_S + i64::try_from(begun.elapsed().as_millis()).expect("short") * RATE / 1_000;
    let mut kills = 0;
    let mut agent = start(&scene, &server.url, &spool, &config, (now(), RATE));
    while now() < crate::counting::START_S + 2 * 3_600 + 900 {
        tokio::time::sleep(Duration::from_millis(2_500 + random.below(2_500))).await;
        if kills % 3 == 2 {
            terminate(&agent);
            ended(&mut agent).await;
        } else {
            agent.kill().expect("it runs");
            agent.wait().expect("a child");
        }
        kills += 1;
        agent = start(&scene, &server.url, &spool, &config, (now(), RATE));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    terminate(&agent);
    ended(&mut agent).await;
    let _ = scene.drain(&server.url, &spool, &[]).exits(0);
    drop(server);
    let state = State::of(&scene.data).await;
    let found = hours(&state.days);
    aloud(&format!("{kills} ends of a watching agent: {found:?}"));
    assert!(found.len() >= 3 && kills >= 5, "{found:?}");
    // the first hour lacks what was before the first sample
    for (hour, cpu_core_ms, observed_s) in &found[1..found.len() - 1] {
        assert_eq!(
            (*cpu_core_ms, *observed_s),
            (3_600_000, 3_600),
            "{hour}: nothing lost, nothing doubled"
        );
    }
    for (hour, cpu_core_ms, observed_s) in &found {
        assert!(*cpu_core_ms <= 3_600_000 && *observed_s <= 3_600, "{hour}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_without_a_server() {
    const RATE: i64 = 3_600;
    let cluster = Server::start().await;
    let folder = TempDir::new().expect("a folder");
    let config = kubeconfig(&cluster, folder.path());
    let scene = Scene::new(None);
    let spool = scene.folder("spool");
    let mut agent = start(
        &scene,
        "http://127.0.0.1:1",
        &spool,
        &config,
        (crate::counting::START_S, RATE),
    );
    tokio::time::sleep(Duration::from_secs(26)).await;
    terminate(&agent);
    ended(&mut agent).await;
    let waiting = entries(&spool).len();
    assert!(waiting >= 20, "{waiting} entries wait");
    let server = scene.serve();
    let done = scene.drain(&server.url, &spool, &[]).exits(0).json();
    assert_eq!(counts(&done)[0], waiting as u64, "{done}");
    drop(server);
    let found = hours(&State::of(&scene.data).await.days);
    aloud(&format!(
        "{waiting} entries waited for a server that was away for {} hours",
        found.len()
    ));
    assert!(found.len() >= 20, "{found:?}");
    for (hour, cpu_core_ms, observed_s) in &found[1..found.len() - 1] {
        assert_eq!((*cpu_core_ms, *observed_s), (3_600_000, 3_600), "{hour}");
    }
}
