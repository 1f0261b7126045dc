//! SIGKILL at seeded random points of the ingest of drivers.

use crate::kills::killed;
use crate::scene::Random;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;
use store::Store;
use tempfile::TempDir;
use tonnage_tests::program::run;
use tonnage_tests::{aloud, long};

/// Ten months of two drivers of forty tenants.
fn drivers() -> String {
    let mut text = "day,tenant,driver,value,unit\n".to_owned();
    let mut random = Random(5);
    for month in 1..=10 {
        for day in 1..=28 {
            for tenant in 0..40 {
                for driver in ["orders", "scans"] {
                    let value = random.below(100_000);
                    // a String takes every write
                    let _ = writeln!(text, "2026-{month:02}-{day:02},t{tenant},{driver},{value}.25,n");
                }
            }
        }
    }
    text
}

/// Deliveries, and the path and hash of every month that counts, each of them read again.
async fn counted(data: &Path) -> (usize, BTreeMap<String, String>) {
    let url = format!("sqlite://{}", data.join("tonnage.db").display());
    let store = Store::open(&url, domain::access::Scope::shell("test"))
        .await
        .expect("a database");
    let lake = lake::Lake::file(&data.join("lake")).expect("a lake");
    let files = store.driver_files().await.expect("files");
    for file in &files {
        assert_eq!(lake.sha256(&file.path).expect("a file"), file.sha256);
    }
    let deliveries = store.driver_deliveries().await.expect("deliveries").len();
    (
        deliveries,
        files.into_iter().map(|file| (file.path, file.sha256)).collect(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_leaves_all_drivers_of_a_delivery_or_none() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("drivers.csv");
    std::fs::write(&path, drivers()).expect("a writable folder");
    let path = path.display().to_string();
    let args = ["ingest", "drivers", path.as_str(), "--source", "erp"];
    let whole = folder.path().join("undisturbed");
    let started = Instant::now();
    let _ = run(&whole, &args).exits(0);
    let took = started.elapsed();
    let expected = counted(&whole).await;
    assert_eq!((expected.0, expected.1.len()), (1, 20));
    let kills: u32 = if long() { 60 } else { 8 };
    let (mut random, mut hits) = (Random(3), 0);
    for number in 0..kills {
        let data = folder.path().join(format!("killed-{number}"));
        let slice = f64::from(number) + random.below(1000) as f64 / 1000.0;
        hits += u32::from(killed(&data, &args, took.mul_f64(slice / f64::from(kills))).await);
        if data.join("tonnage.db").exists() {
            let (deliveries, files) = counted(&data).await;
            assert!(
                (deliveries, files.len()) == (0, 0) || (deliveries, &files) == (1, &expected.1),
                "kill {number}"
            );
        }
        let _ = run(&data, &args).exits(0);
        assert!(counted(&data).await == expected, "kill {number}");
    }
    aloud(&format!(
        "{hits} of {kills} kills hit a running ingest of drivers ({took:.1?})"
    ));
    // a busy machine is slower at first than later, so fewer hit than should
    assert!(hits * 4 > kills, "only {hits} of {kills} kills hit a running program");
}
