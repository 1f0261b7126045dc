//! Explain, from a workload's cost to the node, its days and its charges with their bill lines.

use crate::site::Site;
use serde_json::{Value, json};

/// The explain id of a workload's cost.
async fn id_of(site: &Site, workload: &str) -> String {
    let costs = site.get("/api/v1/costs?by=Workload").await.json();
    let rows = costs["rows"].as_array().expect("rows");
    let row = rows
        .iter()
        .find(|row| row["keys"]["Workload"] == workload)
        .expect("the workload");
    row["explain_id"].as_str().expect("an id").to_owned()
}

fn pick(row: &Value, names: &[&str]) -> Value {
    json!(names.iter().map(|name| row[*name].clone()).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_workload_leads_to_node_days_charges_and_bill_lines() {
    let site = crate::clusters::site().await;
    let id = id_of(&site, "web").await;
    let path = format!("/api/v1/explain/{id}");
    let all = site.get(&path).await.json();
    assert_eq!((&all["cost"], &all["residual"]), (&json!("15"), &json!("0")));
    let carried = &all["carried"];
    assert_eq!(
        pick(
            carried,
            &["at", "day", "cost", "of_clusters", "beside", "rest_count", "rest_cost"]
        ),
        json!([null, null, "15", "15", "0", 0, "0"])
    );
    let node = &carried["rows"][0];
    assert_eq!(carried["rows"].as_array().map(Vec::len), Some(1));
    // of the node's 24 and its disk's 3, half of the machine and all of the disk
    assert_eq!(
        pick(node, &["at", "kind", "cluster", "name", "charge_cost", "cost"]),
        json!(["node/core/n1", "node", "core", "n1", "27", "15"])
    );
    let held = |measure: &str| node[measure]["core_hours_milli"].clone();
    assert_eq!((held("effective"), held("shared")), (json!(48_000), json!(96_000)));
    let days = site.get(&format!("{path}?at=node/core/n1")).await.json()["carried"].clone();
    assert_eq!(pick(&days, &["at", "day", "cost"]), json!(["node/core/n1", null, "15"]));
    assert_eq!(
        pick(&days["rows"][0], &["day", "charge_cost", "cost"]),
        json!(["2026-11-03", "27", "15"])
    );
    let charges = site.get(&format!("{path}?at=node/core/n1&day=2026-11-03")).await.json()["carried"].clone();
    let rows = charges["rows"].as_array().expect("rows").iter();
    let found: Vec<Value> = rows
        .map(|row| {
            let lines = row["lines"].as_array().expect("lines").iter();
            let lines: Vec<Value> = lines
                .map(|line| pick(line, &["file", "line", "cost", "line_cost"]))
                .collect();
            json!([
                pick(row, &["what", "start", "end", "charge_cost", "cost"]),
                row["parts"],
                lines
            ])
        })
        .collect();
    let (start, end) = ("2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z");
    let part = |cost: &str| json!([{"part": "workload", "label": "Workloads", "cost": cost}]);
    let expect = json!([
        [
            ["machine", start, end, "24", "12"],
            part("12"),
            [["bill.csv", 2, "12", "24"]]
        ],
        [
            ["root_disk", start, end, "3", "3"],
            part("3"),
            [["bill.csv", 3, "3", "3"]]
        ],
    ]);
    assert_eq!(json!(found), expect);
}

#[tokio::test]
async fn what_carries_nothing_is_not_found_and_what_does_not_fit_is_named() {
    let site = crate::clusters::site().await;
    let id = id_of(&site, "web").await;
    for (query, status, words) in [
        ("at=node/core/n9", 404, "node/core/n9"),
        ("at=node/core/n1&day=2026-11-04", 404, "2026-11-04"),
        ("at=n1", 400, "at=n1"),
        ("at=node/core/n1&day=soon", 400, "day=soon"),
        ("day=2026-11-03", 400, "thing"),
    ] {
        for path in ["/api/v1/explain", "/explain"] {
            let answer = site.get(&format!("{path}/{id}?{query}")).await;
            assert_eq!(answer.status, status, "{path} {query}");
            assert!(answer.text().contains(words), "{words} in {}", answer.text());
        }
    }
}

#[tokio::test]
async fn the_page_walks_down_by_links() {
    let site = crate::clusters::site().await;
    let mut path = format!("/explain/{}", id_of(&site, "web").await);
    for words in ["Carried by clusters", "Days of n1", "bill.csv"] {
        let page = site.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        let html = page.text().replace("&amp;", "&");
        assert!(html.contains(words), "{words} in {html}");
        let below = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let mut below = below.filter(|href| href.starts_with("/explain/") && href.len() > path.len());
        path = below.next().unwrap_or_default().to_owned();
    }
    // a figure no cluster carries says nothing of clusters
    let site = Site::with_bill().await;
    let costs = site.get("/api/v1/costs?by=tenant").await.json();
    let id = costs["rows"][0]["explain_id"].as_str().expect("an id");
    let answer = site.get(&format!("/api/v1/explain/{id}")).await.json();
    assert_eq!(answer["carried"], Value::Null);
    let page = site.get(&format!("/explain/{id}")).await;
    assert!(!page.text().contains("Carried by clusters"));
}
