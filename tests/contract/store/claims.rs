//! Who holds a bill, and what replaces what (A25).

use super::{active_paths, currency, delivery, hold, money, period, total, version};
use crate::databases::{Database, on_every_database};
use ::store::{ClaimMode, DeliveryState, StoreError};
use domain::Money;

on_every_database!(
    a_period_is_replaced_as_one_act,
    another_source_is_refused,
    a_source_without_sub_accounts_holds_the_whole_account,
    a_shadow_is_compared_and_never_counted,
);

async fn a_period_is_replaced_as_one_act(database: &Database) {
    let store = database.open().await;
    let two_months = vec![
        total("2024-09", "acc", "a", "1.1"),
        total("2024-09", "acc", "b", "2.2"),
        total("2024-10", "acc", "a", "5"),
    ];
    hold(&store, &delivery("d1", "aws", two_months))
        .await
        .expect("both months");
    let commit = hold(&store, &delivery("d2", "aws", vec![total("2024-09", "acc", "a", "3")]))
        .await
        .expect("September again");

    let replaced = &commit.replaced[0];
    assert_eq!(
        (
            commit.replaced.len(),
            replaced.delivery_id.as_str(),
            replaced.period,
            replaced.was,
            replaced.rows
        ),
        (1, "d1", period("2024-09"), DeliveryState::Open, 20)
    );
    let dollars = replaced.money[&currency("USD")];
    assert_eq!((dollars.billed, dollars.effective), (money("3.3"), money("3.3")));
    assert_eq!(
        active_paths(&store, None).await,
        ["charges/d1/2024-10.parquet", "charges/d2/2024-09.parquet"]
    );
    assert_eq!(
        active_paths(&store, Some("2024-09")).await,
        ["charges/d2/2024-09.parquet"]
    );
    let first = store.delivery("d1").await.expect("read").expect("kept");
    assert_eq!(first.state, DeliveryState::Open);
    assert_eq!(
        first
            .periods
            .iter()
            .map(|p| (p.state, p.superseded_by.as_deref()))
            .collect::<Vec<_>>(),
        [(DeliveryState::Superseded, Some("d2")), (DeliveryState::Open, None)]
    );

    // sub-account b of September is no longer held by anybody
    hold(&store, &delivery("d3", "gcp", vec![total("2024-09", "acc", "b", "9")]))
        .await
        .expect("the released claim");
    hold(&store, &delivery("d4", "aws", vec![total("2024-10", "acc", "a", "6")]))
        .await
        .expect("October again");
    let first = store.delivery("d1").await.expect("read").expect("kept");
    assert_eq!(first.state, DeliveryState::Superseded);
    let billed = store
        .active_totals(None)
        .await
        .expect("totals")
        .into_iter()
        .map(|t| t.total.billed);
    assert_eq!(Money::sum(billed), Ok(money("18")));
    assert!(
        store
            .named_paths()
            .await
            .expect("paths")
            .contains("charges/d1/2024-09.parquet"),
        "history stays readable"
    );
}

async fn another_source_is_refused(database: &Database) {
    let store = database.open().await;
    hold(
        &store,
        &delivery(
            "d1",
            "payer",
            vec![total("2024-09", "acc", "a", "1"), total("2024-09", "acc", "b", "1")],
        ),
    )
    .await
    .expect("the holder");
    let before = version(&store).await;
    let member = delivery(
        "d2",
        "member",
        vec![
            total("2024-08", "acc", "a", "1"),
            total("2024-09", "acc", "b", "1"),
            total("2024-09", "acc", "c", "1"),
        ],
    );
    match hold(&store, &member).await {
        Err(StoreError::Claimed {
            holder,
            billing_account_id,
            period: month,
            sub_accounts,
        }) => {
            assert_eq!(
                (holder.as_str(), billing_account_id.as_str(), month, sub_accounts),
                ("payer", "acc", period("2024-09"), 1)
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(version(&store).await, before);
    assert_eq!(store.sources().await.expect("sources").len(), 1);
    for free in [
        total("2024-09", "acc", "c", "1"),
        total("2024-09", "acc2", "a", "1"),
        total("2024-08", "acc", "a", "1"),
    ] {
        let id = format!(
            "free {} {} {}",
            free.period, free.billing_account_id, free.sub_account_id
        );
        hold(&store, &delivery(&id, &id, vec![free])).await.expect(&id);
    }
}

async fn a_source_without_sub_accounts_holds_the_whole_account(database: &Database) {
    let store = database.open().await;
    hold(
        &store,
        &delivery("d1", "invoice", vec![total("2024-09", "acc", "", "1")]),
    )
    .await
    .expect("the holder");
    let result = hold(
        &store,
        &delivery(
            "d2",
            "export",
            vec![total("2024-09", "acc", "a", "1"), total("2024-09", "acc", "b", "1")],
        ),
    )
    .await;
    assert!(
        matches!(result, Err(StoreError::Claimed { sub_accounts: 2, .. })),
        "{result:?}"
    );
}

async fn a_shadow_is_compared_and_never_counted(database: &Database) {
    let store = database.open().await;
    hold(
        &store,
        &delivery("d1", "focus", vec![total("2024-09", "acc", "a", "1")]),
    )
    .await
    .expect("the holder");
    let shadow = |id: &str, billed: &str| delivery(id, "cur", vec![total("2024-09", "acc", "a", billed)]);
    let commit = store
        .commit_delivery(&shadow("s1", "2"), ClaimMode::Shadow, 1)
        .await
        .expect("the shadow");
    assert_eq!((commit.version, commit.claims, commit.replaced.len()), (2, 0, 0));
    let commit = store
        .commit_delivery(&shadow("s2", "3"), ClaimMode::Shadow, 2)
        .await
        .expect("its next version");
    assert_eq!(
        commit
            .replaced
            .iter()
            .map(|r| (r.delivery_id.as_str(), r.was))
            .collect::<Vec<_>>(),
        [("s1", DeliveryState::Shadow)]
    );
    // the holder's own shadow takes nothing from what counts
    store
        .commit_delivery(
            &delivery("s3", "focus", vec![total("2024-09", "acc", "a", "4")]),
            ClaimMode::Shadow,
            3,
        )
        .await
        .expect("own shadow");

    assert_eq!(active_paths(&store, None).await, ["charges/d1/2024-09.parquet"]);
    let counted = store.active_totals(None).await.expect("totals");
    assert_eq!(
        counted
            .iter()
            .map(|t| (t.delivery_id.as_str(), t.total.billed))
            .collect::<Vec<_>>(),
        [("d1", money("1"))]
    );
    let shadows = store.shadow_totals(Some(period("2024-09"))).await.expect("totals");
    assert_eq!(
        shadows
            .iter()
            .map(|t| (t.source_id.as_str(), t.delivery_id.as_str(), t.state))
            .collect::<Vec<_>>(),
        [
            ("cur", "s2", DeliveryState::Shadow),
            ("focus", "s3", DeliveryState::Shadow)
        ]
    );
    assert_eq!(
        store.delivery("s1").await.expect("read").expect("kept").state,
        DeliveryState::Superseded
    );
}
