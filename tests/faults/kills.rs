//! SIGKILL at seeded random points of the ingest of bills and usage, and of allocation.

use crate::scene::{Random, Scene, State, undisturbed};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tonnage_tests::program::{command, run};
use tonnage_tests::{aloud, long};

/// Starts a call and kills it after a while; whether it was still running.
pub async fn killed(data: &Path, args: &[&str], after: Duration) -> bool {
    let mut child = tokio::process::Command::from(command(data, args))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    if tokio::time::timeout(after, child.wait()).await.is_ok() {
        return false;
    }
    child.kill().await.expect("it can be killed");
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_moment_loses_and_doubles_nothing() {
    let kills: u32 = if long() { 204 } else { 24 };
    let seed = std::env::var("TONNAGE_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let scene = Scene::new();
    let (expected, took) = undisturbed(&scene).await;
    let [ingest, usage, allocate] = took;
    let mut random = Random(seed);
    let mut hits = 0;
    // six kills hit each folder: two in each step, one on what the other left
    let folders = kills / 6;
    for number in 0..folders {
        let data = scene.folder(&format!("killed-{number}"));
        if number % 4 != 0 {
            // every fourth starts without even a database
            let _ = run(&data, &["rules", "apply", &scene.rules]).exits(0);
        }
        let mut moments = Vec::new();
        let steps = [
            (&scene.ingest()[..], ingest),
            (&scene.ingest_usage()[..], usage),
            (&["allocate"], allocate),
        ];
        for (args, takes) in steps {
            for half in 0..2 {
                // spread over the whole run: a slice of its own for every kill
                let slice = f64::from(2 * number + half) + random.below(1000) as f64 / 1000.0;
                let after = takes.mul_f64(slice / f64::from(2 * folders));
                let hit = killed(&data, args, after).await;
                hits += u32::from(hit);
                moments.push(format!("{} {after:?} {hit}", args.join(" ")));
            }
            let _ = run(&data, args).exits(0);
        }
        if number % 4 == 0 {
            let _ = run(&data, &["rules", "apply", &scene.rules]).exits(0);
            let _ = run(&data, &["allocate"]).exits(0);
        }
        let state = State::of(&data).await;
        assert!(
            state == expected,
            "seed {seed}, {moments:?}:\n{state:?}\nundisturbed:\n{expected:?}"
        );
        std::fs::remove_dir_all(&data).expect("a folder of its own");
    }
    aloud(&format!(
        "{hits} of {kills} kills hit a running program (ingest {ingest:.1?}, usage {usage:.1?}, allocate {allocate:.1?}, seed {seed})"
    ));
    assert!(hits * 2 > kills, "only {hits} of {kills} kills hit a running program");
}
