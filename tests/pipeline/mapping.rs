//! Tables that are no known bill, by a mapping file.

use crate::folder::Folder;

const MAPPING: &str = r#"
format: 1
name: rheinwolke
provider: Rheinwolke Hosting
delimiter: ";"
decimal: ","
columns:
  BillingAccountId: {value: RW-88231}
  BilledCost: Betrag
  BillingCurrency: {value: EUR}
  ChargePeriodStart: {column: Von, date: "%d.%m.%Y"}
  ChargePeriodEnd: {column: Bis, date: "%d.%m.%Y", inclusive: true}
  ChargeCategory: {column: Art, values: {Steuer: Tax}, else: Usage}
  ServiceCategory: {value: Compute}
  ServiceName: Leistung
tags: {tenant: Kunde}
"#;

const TABLE: &str = "Betrag;Von;Bis;Art;Leistung;Kunde\n\
    1.234,50;01.10.2026;31.10.2026;Miete;Server;acme\n\
    0,5;01.10.2026;15.10.2026;Miete;\"Rack; halb\";globex\n\
    234,65;01.10.2026;31.10.2026;Steuer;USt.;\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_table_is_a_bill_by_its_mapping() {
    let folder = Folder::new();
    let table = folder.write("oktober.csv", TABLE);
    let mapping = folder.write("mapping.yaml", MAPPING);
    let ingest = |more: &[&str]| {
        let mut call = vec!["ingest", "billing", &table, "--mapping", &mapping, "--json"];
        call.extend(more);
        folder.run(&call)
    };
    // first to look, which keeps nothing
    let seen = ingest(&["--dry-run"]).exits(0).json();
    let seen = &seen["deliveries"][0];
    assert_eq!(
        (&seen["state"], &seen["format"]),
        (&"dry-run".into(), &"csv mapped".into())
    );
    assert_eq!(seen["periods"][0]["billed_cost"], "1469.65");
    assert!(
        folder
            .app()
            .await
            .store()
            .deliveries(None)
            .await
            .expect("deliveries")
            .is_empty()
    );
    assert!(folder.app().await.lake().list("charges").expect("a list").is_empty());

    let taken = ingest(&[]).exits(0).json();
    let taken = &taken["deliveries"][0];
    assert_eq!(taken["source"], "csv-rw-88231");
    assert_eq!(
        taken["periods"][0],
        serde_json::json!({"billing_period": "2026-10", "currency": "EUR", "rows": 3, "billed_cost": "1469.65", "effective_cost": "1469.65"})
    );
    let rules = folder.write(
        "rules.yaml",
        "format: 1\nrules:\n  - {name: t, when: {tag: tenant, exists: true}, set: {tenant: {tag: tenant}}}\n",
    );
    let _ = folder.run(&["rules", "apply", &rules]).exits(0);
    let report = folder
        .run(&[
            "report",
            "costs",
            "--period",
            "2026-10",
            "--by",
            "tenant,ServiceName",
            "--json",
        ])
        .exits(0)
        .json();
    let rows = report["rows"].as_array().expect("rows");
    let cost = |service: &str| {
        rows.iter()
            .find(|row| row["keys"]["ServiceName"] == service)
            .expect(service)["cost"]
            .clone()
    };
    assert_eq!(
        (cost("Server"), cost("Rack; halb"), cost("USt.")),
        ("1234.5".into(), "0.5".into(), "234.65".into())
    );
    let _ = folder.run(&["reconcile"]).exits(0);

    // the same again changes nothing; read in another way it is another delivery
    assert_eq!(ingest(&[]).exits(0).json()["deliveries"][0]["unchanged"], true);
    folder.write(
        "mapping.yaml",
        MAPPING.replace("ServiceName: Leistung", "ServiceName: Art"),
    );
    let again = ingest(&[]).exits(0).json();
    assert_eq!(again["deliveries"][0]["unchanged"], false, "{again}");
    let _ = folder.run(&["reconcile"]).exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_the_mapping_is_refused_with_the_reason() {
    let folder = Folder::new();
    let mapping = folder.write("mapping.yaml", MAPPING);
    for (table, expect) in [
        (
            TABLE.replace("1.234,50", "1234.50"),
            &["line 2", "1234.50 (the mapping says decimal comma)"][..],
        ),
        (
            TABLE.replace("15.10.2026", "10/15/2026"),
            &["line 3", "10/15/2026 (the mapping says %d.%m.%Y)"],
        ),
        (
            TABLE.replace("Betrag", "Summe"),
            &["\"Betrag\"", "columns are: Summe, Von"],
        ),
        (TABLE.replace(';', ","), &["correct the mapping, or its delimiter"]),
        (TABLE.replace("234,65;", ";"), &["line 4", "Betrag", "empty"]),
    ] {
        let file = folder.write("table.csv", &table);
        let refused = folder.run(&["ingest", "billing", &file, "--mapping", &mapping]);
        assert_eq!(refused.code, Some(2), "{table}");
        for part in expect {
            assert!(refused.err.contains(part), "{part}: {}", refused.err);
        }
    }
    let file = folder.write("table.csv", TABLE);
    let broken = folder.write("broken.yaml", "format: 1\nname: x\ncolumns: {BilledCost: c}\n");
    for (call, expect) in [
        (&["--format", "csv"][..], "--mapping FILE"),
        (&["--mapping", &broken], "no ChargePeriodStart"),
        (&["--mapping", &mapping, "--format", "focus"], "leave --format out"),
        (&["--mapping", "nowhere.yaml"], "nowhere.yaml"),
    ] {
        let mut all = vec!["ingest", "billing", &file];
        all.extend(call);
        let refused = folder.run(&all);
        assert_eq!(refused.code, Some(2), "{call:?}");
        assert!(refused.err.contains(expect), "{expect}: {}", refused.err);
    }
    assert!(
        folder
            .app()
            .await
            .store()
            .deliveries(None)
            .await
            .expect("deliveries")
            .is_empty()
    );
}
