//! Drivers: which file of a month counts, changed as one act.

use super::version;
use crate::databases::{Database, on_every_database};
use ::store::{DriverFileRow, NewDrivers, StoreError};
use domain::driver::{Summary, UnitDays};
use domain::instant::Day;
use domain::{BillingPeriod, Finding};

on_every_database!(
    a_month_of_a_driver_has_one_file,
    drivers_of_a_stale_version_change_nothing,
    deliveries_of_drivers_are_kept,
);

fn summary(values: u64) -> Summary {
    Summary {
        values,
        nonzero: values,
        receivers: 2,
        days: vec![Day(20_727), Day(20_729)],
        units: vec![UnitDays {
            unit: "orders \"big\"".to_owned(),
            first: Day(20_727),
            last: Day(20_729),
        }],
    }
}

fn file(source: &str, driver: &str, month: &str, path: &str) -> DriverFileRow {
    let period: BillingPeriod = month.parse().expect("a month");
    DriverFileRow {
        source_id: source.to_owned(),
        driver: driver.to_owned(),
        period,
        path: path.to_owned(),
        sha256: format!("hash of {path}"),
        summary: summary(7),
        delivery_id: String::new(),
    }
}

fn drivers(id: &str, source: &str, files: Vec<DriverFileRow>) -> NewDrivers {
    let own = |file: DriverFileRow| DriverFileRow {
        delivery_id: id.to_owned(),
        ..file
    };
    NewDrivers {
        delivery_id: id.to_owned(),
        source_id: source.to_owned(),
        origin: "file".to_owned(),
        input_hash: format!("input of {id}"),
        received_us: 1_727_740_800_000_000,
        rows: 7,
        rejected_rows: 1,
        findings: vec![Finding::warning("driver_gap", "a day is missing").times(2)],
        files: files.into_iter().map(own).collect(),
    }
}

fn paths(files: &[DriverFileRow]) -> Vec<(&str, &str)> {
    files
        .iter()
        .map(|file| (file.path.as_str(), file.delivery_id.as_str()))
        .collect()
}

async fn a_month_of_a_driver_has_one_file(database: &Database) {
    let store = database.open().await;
    let files = vec![
        file("erp", "orders", "2026-10", "d/1"),
        file("erp", "orders", "2026-11", "d/2"),
    ];
    let first = drivers("v1", "erp", files);
    assert_eq!(store.commit_drivers(&first, 0).await.expect("the first"), 1);
    let second = drivers("v2", "erp", vec![file("erp", "orders", "2026-10", "d/3")]);
    store.commit_drivers(&second, 1).await.expect("October again");
    let other = drivers("v3", "crm", vec![file("crm", "orders", "2026-10", "d/4")]);
    store.commit_drivers(&other, 2).await.expect("another source");
    let kept = store.driver_files().await.expect("files");
    assert_eq!(paths(&kept), [("d/4", "v3"), ("d/3", "v2"), ("d/2", "v1")]);
    assert_eq!(kept[1], second.files[0], "a row comes back as it went");
    let named = store.named_paths().await.expect("paths");
    assert!(["d/2", "d/3", "d/4"].iter().all(|path| named.contains(*path)) && !named.contains("d/1"));
}

async fn drivers_of_a_stale_version_change_nothing(database: &Database) {
    let store = database.open().await;
    let first = drivers("v1", "erp", vec![file("erp", "orders", "2026-10", "d/1")]);
    store.commit_drivers(&first, 0).await.expect("the first");
    let late = drivers("v2", "erp", vec![file("erp", "orders", "2026-10", "d/2")]);
    let refused = store.commit_drivers(&late, 0).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { expected: 0 })),
        "{refused:?}"
    );
    let broken = NewDrivers {
        rows: u64::MAX,
        ..late.clone()
    };
    let refused = store.commit_drivers(&broken, 1).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    assert_eq!(paths(&store.driver_files().await.expect("files")), [("d/1", "v1")]);
    assert_eq!(
        (
            store.driver_deliveries().await.expect("deliveries").len(),
            version(&store).await
        ),
        (1, 1)
    );
}

async fn deliveries_of_drivers_are_kept(database: &Database) {
    let store = database.open().await;
    for (at, id) in ["v1", "v2"].into_iter().enumerate() {
        let version = i64::try_from(at).expect("small");
        let new = drivers(id, "erp", vec![file("erp", "orders", "2026-10", id)]);
        store.commit_drivers(&new, version).await.expect("a delivery");
    }
    let kept = store.driver_deliveries().await.expect("deliveries");
    let ids: Vec<&str> = kept.iter().map(|delivery| delivery.delivery_id.as_str()).collect();
    assert_eq!(ids, ["v1", "v2"], "oldest first");
    let one = &kept[0];
    assert_eq!((one.origin.as_str(), one.rows, one.rejected_rows), ("file", 7, 1));
    assert_eq!(one.findings, drivers("v1", "erp", vec![]).findings);
}
