//! Google Cloud appends: rows exported at other times are added, a longer
//! export replaces, and one that shares some rows is refused.

use crate::folder::Folder;
use serde_json::json;

/// Rows of September by day of their export and cost.
fn export(rows: &[(u32, &str)]) -> String {
    let row = |(day, cost): &(u32, &str)| {
        let row = json!({
            "billing_account_id": "0A-1",
            "service": {"id": "6F81", "description": "Compute Engine"},
            "sku": {"id": "s", "description": "N1 Core"},
            "usage_start_time": format!("2024-09-{day:02} 00:00:00 UTC"),
            "usage_end_time": format!("2024-09-{day:02} 01:00:00 UTC"),
            "project": {"id": format!("p-{day}")},
            "export_time": format!("2024-09-{day:02} 07:10:11.123456 UTC"),
            "cost": cost,
            "currency": "EUR",
            "invoice": {"month": "202409"},
            "cost_type": "regular",
        });
        format!("{row}\n")
    };
    rows.iter().map(row).collect()
}

/// Billed cost of September, from the lake.
fn billed(folder: &Folder) -> String {
    let answer = folder
        .run(&["reconcile", "--period", "2024-09", "--json"])
        .exits(0)
        .json();
    let answer = answer.as_array().map_or(answer.clone(), |all| all[0].clone());
    answer["currencies"][0]["billed"]
        .as_str()
        .expect("an amount")
        .to_owned()
}

fn codes(answer: &serde_json::Value) -> Vec<String> {
    let findings = answer["deliveries"][0]["findings"].as_array().expect("findings");
    let code = |finding: &serde_json::Value| finding["code"].as_str().expect("a code").to_owned();
    findings.iter().map(code).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_exported_later_are_added_and_all_of_them_again_replace() {
    let folder = Folder::new();
    let deliver = |name: &str, rows: &[(u32, &str)]| {
        let file = folder.write(name, export(rows));
        folder.run(&["ingest", "billing", &file, "--json"])
    };
    let _ = deliver("1.json", &[(1, "1.5"), (2, "2")]).exits(0);
    let second = deliver("2.json", &[(3, "0.25"), (4, "4")]).exits(0).json();
    assert!(codes(&second).contains(&"period_appended".to_owned()), "{second}");
    assert_eq!(billed(&folder), "7.75");
    // the same bytes are no third part
    let _ = deliver("again.json", &[(3, "0.25"), (4, "4")]).exits(0);
    assert_eq!(billed(&folder), "7.75");

    // day 4 is there already, day 5 is not
    let torn = deliver("3.json", &[(4, "4"), (5, "8")]);
    assert_eq!(torn.code, Some(2));
    let said = format!("{}{}", torn.out, torn.err);
    for part in ["export_times_overlap", "2024-09-04T07:10:11.123456Z"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(billed(&folder), "7.75");

    // a part of what is there would lose the rest
    assert_eq!(deliver("4.json", &[(1, "1")]).code, Some(2));

    // everything, the rest included
    let whole = deliver("5.json", &[(1, "1.5"), (2, "2"), (3, "0.25"), (4, "4"), (5, "8")])
        .exits(0)
        .json();
    assert!(codes(&whole).contains(&"period_replaced".to_owned()), "{whole}");
    assert_eq!(billed(&folder), "15.75");
    let id = whole["deliveries"][0]["delivery_id"].as_str().expect("an id");
    let changes = folder.run(&["deliveries", "diff", id, "--json"]).exits(0).json();
    assert_eq!(changes["against"].as_array().expect("two").len(), 2, "{changes}");
    assert_eq!(changes["totals"][0]["billed_before"], "7.75", "{changes}");

    // another source may not take what the first part claims
    let other = folder.write("other.json", export(&[(1, "9")]));
    assert_eq!(
        folder.run(&["ingest", "billing", &other, "--source", "other"]).code,
        Some(4)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_without_an_export_time_replace() {
    let folder = Folder::new();
    let first = folder.write("1.json", export(&[(1, "1"), (2, "2")]));
    let _ = folder.run(&["ingest", "billing", &first]).exits(0);
    let bare = export(&[(3, "0.5")]).replace("export_time", "other_time");
    let second = folder.write("2.json", bare);
    let answer = folder.run(&["ingest", "billing", &second, "--json"]).exits(0).json();
    assert!(codes(&answer).contains(&"period_replaced".to_owned()), "{answer}");
    assert_eq!(billed(&folder), "0.5");
}
