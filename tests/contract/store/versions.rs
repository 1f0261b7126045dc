//! Rules keep their versions, allocations replace their period, ids stay.

use super::{allocation, period, rules, version};
use crate::databases::{Database, on_every_database};
use ::store::{ExplainKey, NO_RULES, NewRules, RulesKind, RulesVersion, StoreError};
use domain::Currency;
use domain::fx::Published;
use domain::instant::Day;

on_every_database!(
    rules_keep_their_versions,
    policies_keep_their_versions,
    rates_are_read_back_and_replaced,
    an_allocation_replaces_its_period,
    ids_and_settings_stay,
);

async fn rules_keep_their_versions(database: &Database) {
    let store = database.open().await;
    let text = |rules: Option<RulesVersion>| rules.map(|rules| (rules.version, rules.yaml));
    assert_eq!(text(store.active_rules(RulesKind::Owner).await.expect("rules")), None);
    for (yaml, expect_version, expect_manifest) in [("one", 1, 1), ("one", 1, 1), ("two", 2, 2), ("one", 3, 3)] {
        let added = store.add_rules(&rules(yaml), version(&store).await).await.expect(yaml);
        assert_eq!(
            (added.version, version(&store).await),
            (expect_version, expect_manifest),
            "{yaml}"
        );
        assert_eq!(store.active_rules(RulesKind::Owner).await.expect("rules"), Some(added));
    }
    let history = store.rules_history(RulesKind::Owner).await.expect("history");
    assert_eq!(
        history
            .iter()
            .map(|r| (r.version, r.yaml.as_str(), r.author.as_deref(), r.created_us))
            .collect::<Vec<_>>(),
        [
            (1, "one", Some("ops"), 42),
            (2, "two", Some("ops"), 42),
            (3, "one", Some("ops"), 42)
        ]
    );
    assert_eq!(
        text(store.rules_version(RulesKind::Owner, 2).await.expect("rules")),
        Some((2, "two".to_owned()))
    );
    assert_eq!(
        text(store.rules_version(RulesKind::Owner, 4).await.expect("rules")),
        None
    );
}

async fn policies_keep_their_versions(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.active_rules(RulesKind::Prices).await.expect("a policy"), None);
    let new = |yaml: &str| NewRules {
        kind: RulesKind::Prices,
        yaml: yaml.to_owned(),
        sha256: format!("hash of {yaml}"),
        author: Some("ops".to_owned()),
        note: None,
        created_us: 42,
    };
    for (yaml, at, expect_version, expect_manifest) in
        [("one", 0, 1, 1), ("one", 1, 1, 1), ("two", 1, 2, 2), ("one", 2, 3, 3)]
    {
        let added = store.add_rules(&new(yaml), at).await.expect(yaml);
        assert_eq!(
            (added.version, version(&store).await),
            (expect_version, expect_manifest),
            "{yaml}"
        );
        assert_eq!(
            store.active_rules(RulesKind::Prices).await.expect("a policy"),
            Some(added)
        );
    }
    let stale = store.add_rules(&new("three"), 1).await;
    assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
    let history = store.rules_history(RulesKind::Prices).await.expect("history");
    let texts: Vec<_> = history.iter().map(|of| (of.version, of.yaml.as_str())).collect();
    assert_eq!(texts, [(1, "one"), (2, "two"), (3, "one")]);
}

async fn an_allocation_replaces_its_period(database: &Database) {
    let store = database.open().await;
    let result = store.commit_allocation(&allocation("a0", "2024-09", 1), 0).await;
    assert!(matches!(result, Err(StoreError::NotFound { .. })), "{result:?}");
    store.add_rules(&rules("one"), 0).await.expect("rules");
    for (id, month, at) in [("a1", "2024-09", 1), ("a2", "2024-08", 2), ("a3", "2024-09", 3)] {
        let committed = store
            .commit_allocation(&allocation(id, month, if at == 2 { NO_RULES } else { 1 }), at)
            .await
            .expect(id);
        assert_eq!(committed, at + 1);
    }
    assert_eq!(
        store.allocation(period("2024-09")).await.expect("read"),
        Some(allocation("a3", "2024-09", 1))
    );
    assert_eq!(store.allocation(period("2024-07")).await.expect("read"), None);
    assert_eq!(
        store.allocations().await.expect("read"),
        [allocation("a2", "2024-08", NO_RULES), allocation("a3", "2024-09", 1)]
    );
    let mut named: Vec<String> = store.named_paths().await.expect("paths").into_iter().collect();
    named.sort();
    // what a replaced allocation wrote is no longer named, nor the usage it refers to
    assert_eq!(
        named,
        [
            "container_days/a2.parquet",
            "container_days/a3.parquet",
            "cubes/a2.parquet",
            "cubes/a3.parquet",
            "usage/slots-a2.parquet",
            "usage/slots-a3.parquet",
        ]
    );
}

async fn ids_and_settings_stay(database: &Database) {
    let store = database.open().await;
    let key = |id: &str, rules_version: i64| ExplainKey {
        explain_id: id.to_owned(),
        kind: "cost".to_owned(),
        period: period("2024-09"),
        keys_json: r#"{"tenant":"Übersee \"Nord\"","service":null}"#.to_owned(),
        rules_version,
    };
    store.put_explain_keys(&[]).await.expect("nothing");
    store
        .put_explain_keys(&[key("e1", 1), key("e2", 2)])
        .await
        .expect("two");
    store
        .put_explain_keys(&[key("e2", 2), key("e3", 3)])
        .await
        .expect("one known, one new");
    for (id, rules_version) in [("e1", 1), ("e2", 2), ("e3", 3)] {
        assert_eq!(store.explain_key(id).await.expect(id), Some(key(id, rules_version)));
    }
    assert_eq!(store.explain_key("e4").await.expect("e4"), None);

    assert_eq!(store.get_setting("label").await.expect("label"), None);
    for value in ["synthetic", ""] {
        store.set_setting("label", value).await.expect(value);
        assert_eq!(store.get_setting("label").await.expect("label").as_deref(), Some(value));
    }
    assert_eq!(version(&store).await, 0);
}

async fn rates_are_read_back_and_replaced(database: &Database) {
    let store = database.open().await;
    let rate = |quote: &str, day: i32, rate: i128| Published {
        base: Currency::parse("EUR").expect("a code"),
        quote: Currency::parse(quote).expect("a code"),
        day: Day(day),
        rate,
    };
    let precise = 10i128.pow(38) - 1;
    let first = [rate("USD", 20_000, 1), rate("JPY", -1, precise)];
    let before = version(&store).await;
    store.set_fx_rates(&first).await.expect("rates");
    assert_eq!(
        version(&store).await,
        before + 1,
        "what was made with earlier rates is old"
    );
    store
        .set_fx_rates(&[rate("USD", 20_000, 2)])
        .await
        .expect("a rate again");
    let expect = [rate("JPY", -1, precise), rate("USD", 20_000, 2)];
    assert_eq!(store.fx_rates().await.expect("rates"), expect);
}
