//! Days of usage: the last commit counts, and every file it names is kept.

use super::version;
use crate::databases::{Database, on_every_database};
use ::store::{NewUsage, StoreError, UsageDayRow};
use domain::Finding;
use domain::instant::Day;
use domain::usage::{Measure, PoolSums};

on_every_database!(
    a_day_of_usage_is_read_back,
    a_day_without_volumes_names_no_file,
    usage_of_a_stale_version_changes_nothing,
);

fn day(cluster: &str, at: i32, resources: bool) -> UsageDayRow {
    let path = |kind: &str| format!("usage/{cluster}/{at}/{kind}.parquet");
    let optional = |kind: &str| resources.then(|| path(kind));
    UsageDayRow {
        cluster_id: cluster.to_owned(),
        day: Day(at),
        nodes_path: path("nodes"),
        slots_path: path("slots"),
        hours_path: path("hours"),
        volumes_path: optional("volumes"),
        balancers_path: optional("balancers"),
        sizing_path: optional("sizing"),
        sha256: format!("hash of {cluster} {at} {resources}"),
        slot_hours: u64::from(u32::MAX),
        node_hours: 24,
        ready_s: 86_400,
        observed_s: 80_000,
        last_hour: at * 24 + 23,
        pools: vec![PoolSums {
            pool: "general".to_owned(),
            used: Measure {
                cpu_core_ms: u64::from(u32::MAX) * 1_000,
                ..Measure::ZERO
            },
            ..PoolSums::default()
        }],
    }
}

fn usage(id: &str, days: Vec<UsageDayRow>) -> NewUsage {
    NewUsage {
        delivery_id: id.to_owned(),
        source_id: "files".to_owned(),
        origin: "file".to_owned(),
        input_hash: format!("hash of {id}"),
        received_us: 1_700_000_000_000_000,
        rows: 10,
        rejected_rows: 1,
        findings: vec![Finding::warning("overlapping_hours", "some").times(2)],
        clusters: days
            .iter()
            .map(|day| (day.cluster_id.clone(), "named".to_owned()))
            .collect(),
        days,
    }
}

async fn a_day_of_usage_is_read_back(database: &Database) {
    let store = database.open().await;
    let days = vec![day("a", 10, true), day("a", 11, false), day("b", 10, true)];
    store.commit_usage(&usage("u1", days.clone()), 0).await.expect("usage");
    assert_eq!(store.usage_days(Day(0), Day(99)).await.expect("days"), days);
    assert_eq!(store.usage_days(Day(11), Day(99)).await.expect("days"), days[1..2]);
    let known = store.usage_delivery("files", "hash of u1").await.expect("the look-up");
    assert_eq!(
        known.map(|known| (known.delivery_id, known.rows)),
        Some(("u1".to_owned(), 10))
    );
    let named = store.named_paths().await.expect("paths");
    for kind in ["nodes", "slots", "hours", "volumes", "balancers", "sizing"] {
        assert!(
            named.contains(&format!("usage/b/10/{kind}.parquet")),
            "{kind}: {named:?}"
        );
    }
    assert_eq!(named.len(), 6 + 3 + 6, "and no file of a kind that a day has none of");
}

async fn a_day_without_volumes_names_no_file(database: &Database) {
    let store = database.open().await;
    for (version, resources) in [(0, true), (1, false), (2, true)] {
        let row = day("a", 10, resources);
        let new = usage(&format!("u{version}"), vec![row.clone()]);
        store.commit_usage(&new, version).await.expect("usage");
        assert_eq!(store.usage_days(Day(0), Day(99)).await.expect("days"), [row]);
    }
}

async fn usage_of_a_stale_version_changes_nothing(database: &Database) {
    let store = database.open().await;
    let row = day("a", 10, true);
    store
        .commit_usage(&usage("u1", vec![row.clone()]), 0)
        .await
        .expect("usage");
    for stale in [0, 2] {
        let result = store.commit_usage(&usage("u2", vec![day("a", 10, false)]), stale).await;
        assert!(matches!(result, Err(StoreError::Conflict { .. })), "{result:?}");
    }
    assert_eq!(version(&store).await, 1);
    assert_eq!(store.usage_days(Day(0), Day(99)).await.expect("days"), [row]);
}
