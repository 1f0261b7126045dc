//! SIGKILL at seeded random points of the ingest of bills and usage, and of allocation.

use crate::scene::{MONTHS, Random, Scene, State, undisturbed};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tonnage_tests::bill::{HEADER, charge, line};
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
    let [mut ingest, mut usage, mut allocate] = took;
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
            (&scene.ingest()[..], &mut ingest),
            (&scene.ingest_usage()[..], &mut usage),
            (&["allocate"], &mut allocate),
        ];
        for (args, takes) in steps {
            for half in 0..2 {
                // spread over the whole run: a slice of its own for every kill
                let slice = f64::from(2 * number + half) + random.below(1000) as f64 / 1000.0;
                let after = takes.mul_f64(slice / f64::from(2 * folders));
                let hit = killed(&data, args, after).await;
                hits += u32::from(hit);
                if !hit {
                    // it took less than when it was timed: the machine was busier then
                    *takes = takes.mul_f64(0.85);
                }
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

/// Rows of each part of a delivery.
const PART_ROWS: u32 = 6_000;

/// A delivery of parts; every row of it costs the same, so that any mixture of
/// two shows in the total.
fn parts(folder: &Path, count: u32, cost: &str) -> Vec<String> {
    let name = |part: u32| folder.join(format!("{cost}-{part}.csv"));
    (0..count)
        .map(|part| {
            let mut text = format!("{HEADER}\n");
            for row in 0..PART_ROWS {
                let tenant = format!("p{part}-{}", row % 7);
                text.push_str(&line(&charge(MONTHS[1], 1 + row % 28, &tenant, cost)));
                text.push('\n');
            }
            std::fs::write(name(part), text).expect("a writable folder");
            name(part).display().to_string()
        })
        .collect()
}

/// Of a delivery in parts that replaces another, all or nothing is visible,
/// wherever its ingest was killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_delivery_of_parts_is_never_half_there() {
    let kills: u32 = if long() { 200 } else { 12 };
    let scene = Scene::new();
    let data = scene.prepared("parts");
    let files = scene.folder("parts-files");
    std::fs::create_dir_all(&files).expect("a writable folder");
    // 2 parts at 1 = 12000; 3 parts at 2.5 = 45000
    let [old, new] = [parts(&files, 2, "1"), parts(&files, 3, "2.5")].map(|paths| {
        let mut call: Vec<String> = ["ingest", "billing", "--source", "payer", "--no-allocate"]
            .map(str::to_owned)
            .into();
        call.extend(paths);
        call
    });
    fn call(of: &[String]) -> Vec<&str> {
        of.iter().map(String::as_str).collect()
    }
    let _ = run(&data, &call(&old)).exits(0);
    let timed = || {
        let started = std::time::Instant::now();
        let _ = run(&data, &call(&new)).exits(0);
        started.elapsed()
    };
    let mut takes = timed();
    let (mut hits, mut seen) = (0, [0, 0]);
    for number in 0..kills {
        let _ = run(&data, &call(&old)).exits(0);
        // beyond its end too: then it may have been committed already
        let after = takes.mul_f64(1.2 * (f64::from(number) + 0.5) / f64::from(kills));
        hits += u32::from(killed(&data, &call(&new), after).await);
        let report = run(
            &data,
            &["report", "costs", "--period", MONTHS[1], "--basis", "billed", "--json"],
        )
        .exits(0)
        .json();
        match report["total"].as_str() {
            Some("12000") => seen[0] += 1,
            Some("45000") => seen[1] += 1,
            other => panic!("killed after {after:?}, {other:?} is visible: neither delivery"),
        }
        let _ = run(&data, &["reconcile"]).exits(0);
        // taken up again, it ends as if nothing had happened
        takes = timed();
    }
    aloud(&format!(
        "{hits} of {kills} kills hit a running ingest of parts ({takes:.1?}); the old delivery was seen {} times, the new one {}",
        seen[0], seen[1]
    ));
    assert!(hits * 2 > kills, "only {hits} of {kills} kills hit a running program");
}
