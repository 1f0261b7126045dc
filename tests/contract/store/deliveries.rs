//! Deliveries are read back as they were written.

use super::{PRECISE, active_paths, currency, delivery, hold, lake_file, money, period, total, version};
use crate::databases::{Database, on_every_database};
use ::store::{DeliveryState, NewDelivery, QuarantineRow, TotalRow};
use domain::Finding;

on_every_database!(
    a_delivery_is_read_back_as_it_was_written,
    the_same_bytes_are_found_again,
    order_does_not_depend_on_the_database,
);

async fn a_delivery_is_read_back_as_it_was_written(database: &Database) {
    let store = database.open().await;
    let mut new = delivery(
        "d1",
        "aws",
        vec![
            total("2024-09", "acc", "sub", PRECISE),
            total("2024-10", "acc", "", "0.000000000000000000000001"),
        ],
    );
    new.provider = Some("AWS".to_owned());
    new.rejected_rows = 3;
    new.state = DeliveryState::Final;
    new.totals[0] = TotalRow {
        list: Some(money("20.5")),
        contracted: Some(money("-1")),
        last_usage_end_us: Some(1_727_740_800_000_000),
        rows_with_invoice: 4,
        billed_with_invoice: money("2.25"),
        ..new.totals[0].clone()
    };
    new.findings = vec![
        Finding::error("bad_decimal", "\"$1\" is no decimal")
            .in_file("d1.csv")
            .at_line(7)
            .in_column("BilledCost")
            .remedy("write 1")
            .times(2)
            .money("1 USD"),
        Finding::info("note", "Grüße, 'quoted'"),
    ];
    new.quarantine = Some(QuarantineRow {
        path: "quarantine/d1.csv.gz".to_owned(),
        rows: 3,
        money: vec![(currency("EUR"), money("1")), (currency("USD"), money(PRECISE))],
        rows_without_money: 1,
    });
    let commit = hold(&store, &new).await.expect("the commit");
    assert_eq!((commit.version, commit.replaced.len(), commit.claims), (1, 0, 2));
    store.close().await;

    let store = database.open().await;
    assert_eq!(version(&store).await, 1);
    let record = store.delivery("d1").await.expect("the delivery").expect("it is there");
    assert_eq!(
        (
            record.delivery_id.as_str(),
            record.source_id.as_str(),
            record.provider.as_deref()
        ),
        ("d1", "aws", Some("AWS"))
    );
    assert_eq!(
        (
            record.format.as_str(),
            record.format_version.as_deref(),
            record.input_hash.as_str()
        ),
        ("focus", Some("1.0"), "hash of d1")
    );
    assert_eq!(
        (record.received_us, record.version, record.state, record.rejected_rows),
        (new.received_us, 1, DeliveryState::Final, 3)
    );
    assert_eq!(
        record.periods.iter().map(|p| (p.period, p.state)).collect::<Vec<_>>(),
        [
            (period("2024-09"), DeliveryState::Final),
            (period("2024-10"), DeliveryState::Final)
        ]
    );
    assert_eq!(
        (&record.files, &record.lake_files, &record.totals),
        (&new.files, &new.lake_files, &new.totals)
    );
    assert_eq!((&record.findings, &record.quarantine), (&new.findings, &new.quarantine));
    assert_eq!(store.deliveries(Some("aws")).await.expect("deliveries"), [record]);
    assert_eq!(store.deliveries(Some("gcp")).await.expect("deliveries"), []);
    assert_eq!(store.delivery("d2").await.expect("deliveries"), None);

    let sources = store.sources().await.expect("sources");
    assert_eq!(
        sources
            .iter()
            .map(|s| (s.source_id.as_str(), s.provider.as_deref(), s.deliveries))
            .collect::<Vec<_>>(),
        [("aws", Some("AWS"), 1)]
    );
    assert_eq!(
        store.periods().await.expect("periods"),
        [period("2024-09"), period("2024-10")]
    );
    let october = store.active_totals(Some(period("2024-10"))).await.expect("totals");
    assert_eq!(
        october.iter().map(|t| (&t.total, t.state)).collect::<Vec<_>>(),
        [(&new.totals[1], DeliveryState::Final)]
    );
    let mut named: Vec<String> = store.named_paths().await.expect("paths").into_iter().collect();
    named.sort();
    assert_eq!(
        named,
        [
            "charges/d1/2024-09.parquet",
            "charges/d1/2024-10.parquet",
            "quarantine/d1.csv.gz"
        ]
    );
}

async fn the_same_bytes_are_found_again(database: &Database) {
    let store = database.open().await;
    let bytes = |id: &str, hash: &str| NewDelivery {
        input_hash: hash.to_owned(),
        ..delivery(id, "aws", vec![total("2024-09", "acc", "a", "1")])
    };
    let found = async |source: &str, hash: &str| {
        let found = store.find_delivery_by_input(source, hash).await.expect("the look-up");
        found.map(|record| (record.delivery_id, record.state))
    };
    assert_eq!(found("aws", "old").await, None);
    hold(&store, &bytes("d1", "old")).await.expect("old");
    assert_eq!(found("aws", "old").await, Some(("d1".to_owned(), DeliveryState::Open)));
    assert_eq!(found("gcp", "old").await, None);
    hold(&store, &bytes("d2", "new")).await.expect("new");
    assert_eq!(
        found("aws", "old").await,
        Some(("d1".to_owned(), DeliveryState::Superseded))
    );
    hold(&store, &bytes("d3", "old")).await.expect("old again");
    assert_eq!(found("aws", "old").await, Some(("d3".to_owned(), DeliveryState::Open)));
    assert_eq!(
        found("aws", "new").await,
        Some(("d2".to_owned(), DeliveryState::Superseded))
    );
}

async fn order_does_not_depend_on_the_database(database: &Database) {
    let store = database.open().await;
    for (at, source) in ["b", "A", "a-1", "a1", "B", "ä"].into_iter().enumerate() {
        let mut new = delivery(&format!("d{at}"), source, vec![total("2024-09", source, "", "1")]);
        new.lake_files = [(1, "x"), (0, "y"), (0, "Z")]
            .iter()
            .map(|(part, name)| lake_file(&format!("{at}/{name}"), period("2024-09"), *part))
            .collect();
        hold(&store, &new).await.expect(source);
    }
    let in_order = [
        "1/Z", "1/y", "1/x", "4/Z", "4/y", "4/x", "2/Z", "2/y", "2/x", "3/Z", "3/y", "3/x", "0/Z", "0/y", "0/x", "5/Z",
        "5/y", "5/x",
    ];
    assert_eq!(active_paths(&store, None).await, in_order);
    let totals = store.active_totals(None).await.expect("totals");
    assert_eq!(
        totals.iter().map(|t| t.source_id.as_str()).collect::<Vec<_>>(),
        ["A", "B", "a-1", "a1", "b", "ä"]
    );
    let sources = store.sources().await.expect("sources");
    assert_eq!(
        sources.iter().map(|s| s.source_id.as_str()).collect::<Vec<_>>(),
        ["A", "B", "a-1", "a1", "b", "ä"]
    );
}
