//! Clusters: what the page says, the JSON says, and Costs says when one follows its links.

use crate::site::Site;
use serde_json::{Value, json};

/// A node that is half used for a day, its root disk, and a node nobody watched.
fn bill() -> String {
    let head = "BilledCost,EffectiveCost,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,\
                ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,ServiceCategory,ResourceId,ResourceType,\
                ConsumedQuantity,ConsumedUnit,Tags\n";
    let mut text = head.to_owned();
    for (cost, category, id, kind, quantity) in [
        ("24", "Compute", "i-1", "instance", "24,Hours"),
        ("3", "Storage", "vol-1", "volume", "50,GB"),
        ("7", "Compute", "i-2", "instance", "24,Hours"),
    ] {
        text.push_str(&format!(
            "{cost},{cost},4711,USD,2026-11-01,2026-12-01,2026-11-03,2026-11-04,Usage,Cloud,{category},{id},{kind},\
             {quantity},\"{{\"\"kubernetes.io/cluster/core\"\": \"\"owned\"\"}}\"\n"
        ));
    }
    text
}

/// Node hours of the whole 3rd, and of one half-watched hour of the 5th.
fn nodes() -> String {
    let mut text = "hour,cluster,node,provider_id,pool,root_volume_id,ready_seconds,observed_seconds,\
                    cpu_capacity_millicores,cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib\n"
        .to_owned();
    let mut row = |hour: &str, observed: u32| {
        text.push_str(&format!(
            "{hour},core,n1,aws:///eu-1a/i-1,general,vol-1,3600,{observed},4000,4000,16384,16384\n"
        ));
    };
    for hour in 0..24 {
        row(&format!("2026-11-03T{hour:02}:00:00Z"), 3600);
    }
    row("2026-11-05T00:00:00Z", 1800);
    text
}

/// Two of four cores and half of the memory, requested and used.
fn containers() -> String {
    let mut text = "hour,cluster,node,namespace,pod,container,workload_kind,workload,seconds,cpu_request_core_ms,\
                    cpu_usage_core_ms,memory_request_mib_s,memory_usage_mib_s\n"
        .to_owned();
    for hour in 0..24 {
        text.push_str(&format!(
            "2026-11-03T{hour:02}:00:00Z,core,n1,shop,web-0,web,Deployment,web,3600,7200000,7200000,29491200,29491200\n"
        ));
    }
    text
}

pub async fn site() -> Site {
    Site::with_usage(&bill(), &[&nodes(), &containers()]).await
}

#[tokio::test]
async fn parts_are_the_cluster_and_clusters_are_the_node_cost() {
    let site = site().await;
    let page = site.get("/api/v1/clusters").await.json();
    let part = |part: &str, label: &str| json!({"part": part, "label": label, "cost": "12", "share_permille": 500, "bar_permille": 1000});
    let parts = json!([part("workload", "Workloads"), part("idle_capacity", "Idle capacity")]);
    assert_eq!(
        (&page["joined"], &page["unjoined"], &page["parts"]),
        (&json!("24"), &json!("7"), &parts)
    );
    let cluster = &page["clusters"][0];
    assert_eq!(page["clusters"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&cluster["cost"], &cluster["parts"], &cluster["disk_cost"]),
        (&json!("24"), &parts, &json!("3"))
    );
    assert_eq!(
        (&cluster["days"], &cluster["unobserved_s"], &cluster["ready_s"]),
        (&json!(2), &json!(1800), &json!(25 * 3600))
    );
    let pool = &cluster["pools"][0];
    assert_eq!(
        (&pool["pool"], &pool["nodes"], &pool["cost"], &pool["idle_cost"]),
        (&json!("general"), &json!(1), &json!("24"), &json!("12"))
    );
    for (measure, cores, gib) in [
        ("capacity", 100_000, 400_000),
        ("requested", 48_000, 192_000),
        ("overcommitted", 0, 0),
    ] {
        assert_eq!(
            (&pool[measure]["core_hours_milli"], &pool[measure]["gib_hours_milli"]),
            (&json!(cores), &json!(gib)),
            "{measure}"
        );
    }
}

#[tokio::test]
async fn an_open_delivery_makes_clusters_estimated() {
    // the hours of the 5th have no bill line: estimated at the price of the 3rd, 1 an hour
    for (open, state, estimate) in [(true, "estimated", json!("1")), (false, "actual", Value::Null)] {
        let site = Site::with_usage_of(&bill(), Some(!open), &[&nodes(), &containers()]).await;
        let page = site.get("/api/v1/clusters").await.json();
        assert_eq!(page["context"]["state"], state);
        let cluster = &page["clusters"][0];
        assert_eq!((&cluster["state"], &cluster["estimate"]), (&json!(state), &estimate));
        assert_eq!(
            (&cluster["cost"], &page["joined"]),
            (&json!("24"), &json!("24")),
            "in no total"
        );
        let html = site.get("/clusters").await;
        let badge = format!(">{state}</span></h2>");
        assert!(html.text().contains(&badge), "{badge} in {}", html.text());
        assert_eq!(html.text().contains("Estimated beside the node cost"), open);
    }
}

#[tokio::test]
async fn a_part_leads_to_the_same_money_by_owner() {
    let site = site().await;
    let html = site.get("/clusters").await.text().replace("&amp;", "&");
    let links: Vec<&str> = html
        .split("href=\"/costs?")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    for (filters, total, rows) in [
        (
            "&f=Cluster:core&f=AllocationPart:workload&f=class:node_compute",
            "12",
            json!([["shop", "web"]]),
        ),
        (
            "&f=Cluster:core&f=AllocationPart:idle_capacity&f=class:node_compute",
            "12",
            json!([["", ""]]),
        ),
        (
            "&f=Cluster:core&f=class:node_compute",
            "24",
            json!([["", ""], ["shop", "web"]]),
        ),
        (
            "&f=Cluster:core&f=NodePool:general&f=AllocationPart:idle_capacity&f=class:node_compute",
            "12",
            json!([["", ""]]),
        ),
        ("&f=Cluster:core&f=class:node_disk", "3", json!([["shop", "web"]])),
        ("&f=class:node_compute&f=Cluster:", "7", json!([["", ""]])),
        ("&f=Cluster:core", "27", json!([["shop", "web"], ["", ""]])),
    ] {
        let query = format!("period=2026-11&by=Namespace,Workload{filters}");
        assert!(links.contains(&query.as_str()), "{query} in {links:?}");
        let costs = site.get(&format!("/api/v1/costs?{query}")).await.json();
        assert_eq!(costs["total"], total, "{query}");
        let keys = |row: &Value| json!([row["keys"]["Namespace"], row["keys"]["Workload"]]);
        let found: Vec<Value> = costs["rows"].as_array().expect("rows").iter().map(keys).collect();
        assert_eq!(json!(found), rows, "{query}");
    }
    let page = site.get("/costs?by=Cluster,AllocationPart").await;
    for words in ["(not in a cluster)", "Idle capacity", "Workloads"] {
        assert!(page.text().contains(words), "{words} in {}", page.text());
    }
}

#[tokio::test]
async fn sources_name_the_gaps_of_usage() {
    let site = site().await;
    let page = site.get("/api/v1/sources").await.json();
    let facts = json!([{
        "id": "core", "name": "core", "facts_through": "2026-11-05T01:00:00Z", "fresh": false, "days": 2,
        "gaps": [{"day": "2026-11-04", "unobserved_s": null}, {"day": "2026-11-05", "unobserved_s": 1800}],
        "ready_s": 90_000, "unobserved_s": 1800,
    }]);
    assert_eq!(page["clusters"], facts);
    let delivery = &page["usage"][0];
    assert_eq!(
        (
            &delivery["source"],
            &delivery["origin"],
            &delivery["rows"],
            &delivery["rejected_rows"]
        ),
        (&json!("usage-files"), &json!("file"), &json!(49), &json!(0))
    );
}

#[tokio::test]
async fn without_usage_the_page_says_what_to_run() {
    let site = Site::with_bill().await;
    let page = site.get("/clusters").await;
    assert_eq!(page.status, 200);
    for words in ["tonnage ingest usage", "docs/FORMATS.md"] {
        assert!(page.text().contains(words), "{words} in {}", page.text());
    }
    let json = site.get("/api/v1/clusters").await.json();
    assert_eq!((&json["clusters"], &json["joined"]), (&json!([]), &json!("0")));
}
