//! What a store promises, on SQLite and on PostgreSQL alike: first, that a
//! change is made wholly or not at all.

mod access;
mod claims;
mod contracts;
mod deliveries;
mod drivers;
mod invoices;
mod prices;
mod tokens;
mod usage;
mod versions;

use crate::databases::{Database, on_every_database};
use ::store::{
    AllocationFile, AllocationRow, AllocationTotal, CHARGES, ClaimMode, Commit, DeliveryState, InputFile, LakeFileRow,
    NO_RULES, NewDelivery, NewRules, QuarantineRow, RulesKind, Store, StoreError, TotalRow,
};
use domain::instant::Day;
use domain::{BillingPeriod, Currency, Finding, Money};
use std::collections::BTreeMap;

on_every_database!(
    every_statement_is_accepted,
    a_stale_version_is_a_conflict_and_changes_nothing,
    of_two_writers_exactly_one_succeeds,
    a_commit_that_fails_late_changes_nothing,
    what_can_never_be_stored_is_refused,
    a_new_database_may_be_opened_by_many_at_once,
);

const PRECISE: &str = "-99999999999999.123456789012345678901234";

fn period(text: &str) -> BillingPeriod {
    text.parse().expect(text)
}

fn money(text: &str) -> Money {
    Money::parse(text).expect(text)
}

fn currency(text: &str) -> Currency {
    Currency::parse(text).expect(text)
}

fn total(month: &str, account: &str, sub_account: &str, billed: &str) -> TotalRow {
    TotalRow {
        period: period(month),
        currency: currency("USD"),
        billing_account_id: account.to_owned(),
        sub_account_id: sub_account.to_owned(),
        rows: 10,
        billed: money(billed),
        effective: money(billed),
        list: None,
        contracted: None,
        first_charge_us: 1_000_000,
        last_usage_end_us: None,
        rows_with_invoice: 0,
        billed_with_invoice: Money::ZERO,
    }
}

/// A delivery with one charges file per period of its totals.
fn delivery(id: &str, source: &str, totals: Vec<TotalRow>) -> NewDelivery {
    let mut new = NewDelivery {
        delivery_id: id.to_owned(),
        source_id: source.to_owned(),
        provider: None,
        format: "focus".to_owned(),
        format_version: Some("1.0".to_owned()),
        input_hash: format!("hash of {id}"),
        received_us: 1_700_000_000_000_000,
        files: vec![InputFile {
            name: format!("{id}.csv"),
            bytes: 100,
            sha256: "ab".to_owned(),
        }],
        rejected_rows: 0,
        state: DeliveryState::Open,
        lake_files: Vec::new(),
        totals,
        findings: Vec::new(),
        quarantine: None,
        exported: BTreeMap::new(),
    };
    new.lake_files = new
        .periods()
        .into_iter()
        .map(|period| lake_file(&format!("charges/{id}/{period}.parquet"), period, 0))
        .collect();
    new
}

fn lake_file(path: &str, period: BillingPeriod, part: u32) -> LakeFileRow {
    LakeFileRow {
        path: path.to_owned(),
        dataset: CHARGES.to_owned(),
        period,
        part,
        rows: 10,
        bytes: 1_000,
        sha256: "cd".to_owned(),
        schema_version: 1,
    }
}

fn rules(yaml: &str) -> NewRules {
    NewRules {
        kind: RulesKind::Owner,
        yaml: yaml.to_owned(),
        sha256: format!("hash of {yaml}"),
        author: Some("ops".to_owned()),
        note: None,
        created_us: 42,
    }
}

fn allocation(id: &str, month: &str, rules_version: i64) -> AllocationRow {
    AllocationRow {
        allocation_id: id.to_owned(),
        period: period(month),
        rules_version,
        inputs_hash: format!("inputs of {id}"),
        cube_path: format!("cubes/{id}.parquet"),
        rows: 7,
        totals: vec![AllocationTotal {
            currency: currency("EUR"),
            billed: money(PRECISE),
            effective: money("1.5"),
            unallocated_billed: money("0.1"),
            unallocated_effective: Money::ZERO,
        }],
        files: vec![AllocationFile {
            cluster_id: "c".to_owned(),
            day: Day(19_967),
            path: format!("container_days/{id}.parquet"),
            slots_path: format!("usage/slots-{id}.parquet"),
            sha256: "ab".to_owned(),
            bytes: 9,
            rows: 3,
        }],
        findings: vec![
            Finding::warning("unmapped_service", "a service has no class")
                .times(3)
                .money("0.1 EUR"),
        ],
        created_us: 5,
    }
}

async fn version(store: &Store) -> i64 {
    store.manifest_version().await.expect("the manifest version")
}

/// Commits with the claim, at the version in force.
async fn hold(store: &Store, new: &NewDelivery) -> Result<Commit, StoreError> {
    store.commit_delivery(new, ClaimMode::Hold, version(store).await).await
}

async fn active_paths(store: &Store, month: Option<&str>) -> Vec<String> {
    let files = store.active_files(month.map(period)).await.expect("the active files");
    files.into_iter().map(|file| file.path).collect()
}

async fn every_statement_is_accepted(database: &Database) {
    let checked = database.open().await.check_statements().await;
    assert!(checked.as_ref().is_ok_and(|checked| *checked > 40), "{checked:?}");
}

async fn a_stale_version_is_a_conflict_and_changes_nothing(database: &Database) {
    let store = database.open().await;
    hold(
        &store,
        &delivery("d1", "aws", vec![total("2024-09", "acc", "sub", "1")]),
    )
    .await
    .expect("the first");
    let late = delivery("d2", "gcp", vec![total("2024-09", "other", "sub", "1")]);
    for stale in [0, 2, -1] {
        let result = store.commit_delivery(&late, ClaimMode::Hold, stale).await;
        assert!(
            matches!(result, Err(StoreError::Conflict { expected }) if expected == stale),
            "{result:?}"
        );
        let result = store
            .commit_allocation(&allocation("a1", "2024-09", NO_RULES), stale)
            .await;
        assert!(matches!(result, Err(StoreError::Conflict { .. })), "{result:?}");
        let result = store.add_rules(&rules("format: 1"), stale).await;
        assert!(matches!(result, Err(StoreError::Conflict { .. })), "{result:?}");
    }
    assert_eq!(version(&store).await, 1);
    assert_eq!(store.deliveries(None).await.expect("deliveries").len(), 1);
    assert_eq!(store.sources().await.expect("sources").len(), 1);
    assert_eq!(store.allocations().await.expect("allocations"), []);
    assert_eq!(store.active_rules(RulesKind::Owner).await.expect("rules"), None);
}

async fn of_two_writers_exactly_one_succeeds(database: &Database) {
    let (left, right) = (database.open().await, database.open().await);
    for round in 0..10_i64 {
        let one = delivery(&format!("l{round}"), "left", vec![total("2024-09", "left", "sub", "1")]);
        let other = delivery(
            &format!("r{round}"),
            "right",
            vec![total("2024-09", "right", "sub", "1")],
        );
        let (a, b) = tokio::join!(
            tokio::spawn({
                let left = left.clone();
                async move { left.commit_delivery(&one, ClaimMode::Hold, round).await }
            }),
            tokio::spawn({
                let right = right.clone();
                async move { right.commit_delivery(&other, ClaimMode::Hold, round).await }
            }),
        );
        match (a.expect("left"), b.expect("right")) {
            (Ok(won), Err(StoreError::Conflict { expected })) | (Err(StoreError::Conflict { expected }), Ok(won)) => {
                assert_eq!((won.version, expected), (round + 1, round));
            }
            both => panic!("round {round}: {both:?}"),
        }
        assert_eq!(version(&left).await, round + 1);
    }
    assert_eq!(right.deliveries(None).await.expect("deliveries").len(), 10);
}

async fn a_commit_that_fails_late_changes_nothing(database: &Database) {
    let store = database.open().await;
    let first = delivery("d1", "aws", vec![total("2024-09", "acc", "sub", "1")]);
    hold(&store, &first).await.expect("the first");
    let before = store.deliveries(None).await.expect("deliveries");
    let mut second = delivery("d2", "aws", vec![total("2024-09", "acc", "new", "1")]);
    second.quarantine = Some(QuarantineRow {
        path: "q".to_owned(),
        rows: 1,
        money: vec![(currency("USD"), money("1")), (currency("USD"), money("1"))],
        rows_without_money: 0,
    });
    let result = hold(&store, &second).await;
    assert!(matches!(result, Err(StoreError::Backend { .. })), "{result:?}");
    assert_eq!(store.deliveries(None).await.expect("deliveries"), before);
    assert_eq!(version(&store).await, 1);
    // the claims are as before too: "new" is free, "sub" is not
    hold(
        &store,
        &delivery("d3", "gcp", vec![total("2024-09", "acc", "new", "1")]),
    )
    .await
    .expect("a free sub-account");
    let result = hold(
        &store,
        &delivery("d4", "gcp", vec![total("2024-09", "acc", "sub", "1")]),
    )
    .await;
    assert!(matches!(result, Err(StoreError::Claimed { .. })), "{result:?}");
}

async fn what_can_never_be_stored_is_refused(database: &Database) {
    let store = database.open().await;
    let good = delivery("d1", "aws", vec![total("2024-09", "acc", "a", "1")]);
    for bad in [
        NewDelivery {
            totals: Vec::new(),
            lake_files: Vec::new(),
            ..good.clone()
        },
        NewDelivery {
            state: DeliveryState::Shadow,
            ..good.clone()
        },
        NewDelivery {
            state: DeliveryState::Superseded,
            ..good.clone()
        },
        NewDelivery {
            rejected_rows: u64::MAX,
            ..good.clone()
        },
    ] {
        let result = hold(&store, &bad).await;
        assert!(matches!(result, Err(StoreError::Invalid { .. })), "{result:?}");
    }
    assert_eq!(version(&store).await, 0);
    assert_eq!(store.deliveries(None).await.expect("deliveries"), []);
}

async fn a_new_database_may_be_opened_by_many_at_once(database: &Database) {
    let stores = tokio::join!(database.open(), database.open(), database.open(), database.open());
    for store in [stores.0, stores.1, stores.2, stores.3] {
        assert_eq!(version(&store).await, 0);
    }
}
