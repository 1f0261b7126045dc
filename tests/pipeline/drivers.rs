//! Drivers from files to reports, through the binary.

use crate::folder::Folder;
use serde_json::{Value, json};
use tonnage_tests::bill::{charge, csv};
use tonnage_tests::listing;

const HEAD: &str = "day,tenant,driver,value,unit\n";

fn text(rows: &str) -> String {
    format!("{HEAD}{rows}")
}

fn codes(answer: &Value) -> Vec<&str> {
    let findings = answer["findings"].as_array().expect("findings");
    findings
        .iter()
        .map(|finding| finding["code"].as_str().expect("a code"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_replaces_its_days_and_the_same_again_nothing() {
    let folder = Folder::new();
    let first = folder.write(
        "a.csv",
        text(
            "2026-10-01,acme,orders,10.5,orders\n2026-10-01,globex,orders,0,orders\n2026-10-03,acme,orders,7,orders\n",
        ),
    );
    let answer = folder
        .run(&["ingest", "drivers", &first, "--source", "erp", "--json"])
        .exits(0)
        .json();
    assert_eq!((&answer["rows"], &answer["unchanged"]), (&json!(3), &json!(false)));
    assert_eq!(codes(&answer), ["driver_gap"], "the second of October is missing");
    let state = json!({"driver": "orders", "units": ["orders"], "from": "2026-10-01", "to": "2026-10-03",
        "days": 2, "missing_days": 1, "values": 3});
    assert_eq!(answer["drivers"], json!([state]));

    let before = listing(&folder.data().join("lake"));
    let again = folder
        .run(&["ingest", "drivers", &first, "--source", "erp", "--json"])
        .exits(0)
        .json();
    assert_eq!(again["unchanged"], json!(true));
    assert_eq!(again["delivery_id"], answer["delivery_id"]);
    assert_eq!(listing(&folder.data().join("lake")), before);

    // the first of October as a whole, as lines of JSON; the third stays
    let second = folder.write(
        "b.jsonl",
        r#"{"day":"2026-10-01","tenant":"acme","driver":"orders","value":3.000000000001,"unit":"orders"}"#,
    );
    let _ = folder.run(&["ingest", "drivers", &second, "--source", "erp"]).exits(0);
    let report = folder
        .run(&["report", "drivers", "--period", "2026-10", "--by", "tenant", "--json"])
        .exits(0)
        .json();
    let row = json!({"driver": "orders", "unit": "orders", "keys": {"tenant": "acme"}, "value": "10.000000000001", "days": 2});
    assert_eq!(report["rows"], json!([row]));
    assert_eq!(
        report["drivers"][0]["missing_days"].as_array().map(Vec::len),
        Some(29),
        "unknown is told, not zero"
    );

    // what was superseded and sent again counts again
    let back = folder
        .run(&["ingest", "drivers", &first, "--source", "erp", "--json"])
        .exits(0)
        .json();
    assert_eq!(back["unchanged"], json!(false));
    let csv = folder
        .run(&["report", "drivers", "--period", "2026-10", "--format", "csv"])
        .exits(0)
        .out;
    let expected = "driver,tenant,value,unit,days\r\norders,acme,17.5,orders,2\r\norders,globex,0,orders,1\r\n";
    assert_eq!(csv, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_has_one_source() {
    let folder = Folder::new();
    let erp = folder.write(
        "a.csv",
        text("2026-10-01,acme,orders,1,orders\n2026-10-02,acme,orders,1,orders\n"),
    );
    let _ = folder.run(&["ingest", "drivers", &erp, "--source", "erp"]).exits(0);
    let other = folder.write(
        "b.csv",
        text("2026-10-02,acme,orders,5,orders\n2026-10-02,globex,orders,5,orders\n"),
    );
    let refused = folder
        .run(&["ingest", "drivers", &other, "--source", "crm", "--json"])
        .exits(4);
    for part in ["\"erp\"", "orders", "tenant=acme", "2026-10-02", "--source erp"] {
        assert!(refused.err.contains(part), "{part} is not in {}", refused.err);
    }
    // what nobody has is free
    let free = folder.write("c.csv", text("2026-10-02,globex,orders,5,orders\n"));
    let _ = folder.run(&["ingest", "drivers", &free, "--source", "crm"]).exits(0);
    let report = folder.run(&["report", "drivers", "--json"]).exits(0).json();
    assert_eq!(report["rows"].as_array().map(Vec::len), Some(2), "{report}");
    assert_eq!(report["drivers"].as_array().map(Vec::len), Some(2), "a line a source");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_drivers_are_refused_whole_or_left_out() {
    let folder = Folder::new();
    let bad = folder.write(
        "bad.csv",
        text("2026-10-01,acme,orders,1,orders\n2026-10-02,acme,orders,-1,orders\n"),
    );
    let refused = folder.run(&["ingest", "drivers", &bad]).exits(2);
    for part in ["bad.csv", "line 3", "column value", "negative", "--on-error quarantine"] {
        assert!(refused.err.contains(part), "{part} is not in {}", refused.err);
    }
    let _ = folder.run(&["report", "drivers"]).exits(2);
    let kept = folder
        .run(&["ingest", "drivers", &bad, "--on-error", "quarantine", "--json"])
        .exits(0)
        .json();
    assert_eq!((&kept["rows"], &kept["rejected_rows"]), (&json!(1), &json!(1)));
    let units = folder.write(
        "units.csv",
        text("2026-11-01,acme,orders,0,k\n2026-11-01,acme,idle,0,x\n"),
    );
    let told = folder.run(&["ingest", "drivers", &units, "--json"]).exits(0).json();
    assert_eq!(codes(&told), ["driver_all_zero", "driver_gap", "driver_unit_change"]);
    for (args, says) in [
        (&["ingest", "drivers", "none.csv"][..], "does not exist"),
        (&["ingest", "drivers"], "PATH"),
        (&["ingest", "drivers", "--prometheus", "http://127.0.0.1:1"], "--preset"),
        (
            &[
                "ingest",
                "drivers",
                "--prometheus",
                "http://127.0.0.1:1",
                "--preset",
                "orders",
            ],
            "traefik-requests",
        ),
        (&["report", "drivers", "--period", "2020-01"], "tonnage ingest drivers"),
        (&["report", "drivers", "--by", "tenat"], "use one of tenant"),
    ] {
        let refused = folder.run(args).exits(2);
        assert!(refused.err.contains(says), "{args:?}: {}", refused.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sources_page_shows_how_far_drivers_reach() {
    let folder = Folder::new();
    let bill = folder.write("bill.csv", csv(&[charge("2026-11", 1, "acme", "1")]));
    let _ = folder.run(&["ingest", "billing", &bill]).exits(0);
    let rows: String = [1, 2, 4, 21]
        .map(|day| format!("2026-11-{day:02},acme,orders,5,orders\n"))
        .concat();
    let drivers = folder.write("d.csv", text(&format!("{rows}2026-10-05,acme,scans,1,scans\n")));
    let _ = folder.run(&["ingest", "drivers", &drivers, "--source", "erp"]).exits(0);
    let page = folder
        .app()
        .await
        .sources_page(&frontend::query::PageQuery::default())
        .await
        .expect("a page");
    let shown: Vec<_> = page
        .drivers
        .iter()
        .map(|d| {
            (
                d.driver.as_str(),
                d.source.as_str(),
                d.data_through.as_str(),
                d.fresh,
                d.days,
                d.gaps.len(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("orders", "erp", "2026-11-21", true, 4, 17),
            ("scans", "erp", "2026-10-05", false, 0, 0)
        ]
    );
    assert_eq!(page.driver_deliveries.len(), 1);
}
