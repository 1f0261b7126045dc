//! Two programs on one data folder at the same moment.

use crate::scene::{MONTHS, ROWS, Scene, State, open, undisturbed};
use domain::Money;
use serde_json::Value;
use std::process::Stdio;
use tonnage_tests::bill::{charge, csv};
use tonnage_tests::program::{Ended, Server, command, run};

/// Runs calls at the same moment; their ends in the same order.
fn at_once(data: &std::path::Path, calls: &[Vec<&str>]) -> Vec<Ended> {
    let start = |args: &Vec<&str>| {
        command(data, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts")
    };
    let running: Vec<_> = calls.iter().map(start).collect();
    let ends = running.into_iter().zip(calls);
    ends.map(|(child, args)| Ended::of(&child.wait_with_output().expect("it ends"), args))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sources_at_the_same_moment_both_count() {
    let scene = Scene::new();
    let other = scene.other_bill();
    for round in 0..3 {
        let data = scene.prepared(&format!("two-{round}"));
        let calls = [
            vec!["ingest", "billing", &*scene.bill, "--source", "one"],
            vec!["ingest", "billing", &*other, "--source", "two"],
        ];
        for ended in at_once(&data, &calls) {
            let _ = ended.exits(0);
        }
        let state = State::of(&data).await;
        assert_eq!(state.rows(), 2 * ROWS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_file_at_the_same_moment_counts_once() {
    let scene = Scene::new();
    let (expected, _) = undisturbed(&scene).await;
    for round in 0..3 {
        let data = scene.prepared(&format!("same-{round}"));
        let call = [&scene.ingest()[..], &["--json"]].concat();
        let ends = at_once(&data, &[call.clone(), call]);
        let fresh = ends
            .into_iter()
            .map(|ended| ended.exits(0).json())
            .filter(|answer| answer["deliveries"][0]["unchanged"] == false);
        assert_eq!(fresh.count(), 1, "one of the two took it in");
        let usage = scene.ingest_usage().to_vec();
        for ended in at_once(&data, &[usage.clone(), usage]) {
            let _ = ended.exits(0);
        }
        let _ = run(&data, &["allocate"]).exits(0);
        assert_eq!(State::of(&data).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_shows_an_ingest_at_the_next_request() {
    let scene = Scene::new();
    let data = scene.prepared("served");
    let _ = run(&data, &scene.ingest()).exits(0);
    let server = Server::start(&data, &[]);
    let month = MONTHS[1];
    let total = || -> Money {
        let answer: Value =
            serde_json::from_str(&server.get(&format!("/api/v1/costs?period={month}&by=tenant"))).expect("JSON");
        assert_eq!(answer["reconciliation"]["residual"], "0");
        Money::parse(answer["total"].as_str().expect("money")).expect("money")
    };
    let before = total();
    // another account, and then its correction
    for cost in ["12.5", "13.000000000000000000000001"] {
        let other = [tonnage_tests::bill::Charge {
            account: "0815",
            ..charge(month, 5, "acme", cost)
        }];
        let path = scene.folder("small.csv");
        std::fs::write(&path, csv(&other)).expect("a writable folder");
        let path = path.display().to_string();
        let _ = run(&data, &["ingest", "billing", &path, "--source", "other"]).exits(0);
        assert_eq!(
            total(),
            before.checked_add(Money::parse(cost).expect("money")).expect("small")
        );
        let page = server.get(&format!("/costs?period={month}&by=tenant"));
        let page = page.replace(',', "");
        assert!(
            page.contains(&format!("title=\"{}\"", total())),
            "the page has another total than {}",
            total()
        );
    }
    // requests while an ingest of the whole bill runs: each answer adds up
    let again = scene.other_bill();
    let mut ingest = command(&data, &["ingest", "billing", &again, "--source", "other"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut seen = vec![total()];
    while ingest.try_wait().expect("it can be asked").is_none() {
        let now = total();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    assert!(ingest.wait().expect("it ended").success());
    let after = total();
    assert!(seen.len() <= 2, "a half-taken bill was shown: {seen:?}");
    assert_ne!(after, seen[0]);
    let store = open(&data).await;
    assert_eq!(
        store
            .active_files(None)
            .await
            .expect("files")
            .iter()
            .map(|file| file.rows)
            .sum::<u64>(),
        2 * ROWS
    );
    store.close().await;
}
