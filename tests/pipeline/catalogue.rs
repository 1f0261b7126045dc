//! Prices of machines: taken in, and what they are for (A6): an estimate of node
//! hours no line of an open bill pays for.

use crate::folder::Folder;
use serde_json::{Value, json};
use tonnage_tests::bill::{charge, csv};

const TABLE: &str = "provider,region,resource_type,purchase_option,term_months,payment_option,unit,currency,price,valid_from,source\n\
    aws,eu-central-1,m6i.2xlarge,on-demand,,,hour,USD,0.46,2026-01-01,AWS Price List\n\
    aws,eu-central-1,m6i.2xlarge,reserved,12,no-upfront,hour,USD,0.3,2026-01-01,AWS Price List\n\
    own,,*,on-demand,,,core-hour,EUR,0.02,2026-01-01,depreciation plan 2026\n\
    own,,*,on-demand,,,gib-hour,EUR,0.005,2026-01-01,depreciation plan 2026\n";

const NODES: &str = "hour,cluster,node,provider_id,pool,capacity_type,labels,ready_seconds,observed_seconds,cpu_capacity_millicores,cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib\n\
    2026-10-03T09:00:00Z,core,n1,aws:///eu-central-1a/i-1,general,on-demand,\"{\"\"node.kubernetes.io/instance-type\"\":\"\"m6i.2xlarge\"\",\"\"topology.kubernetes.io/zone\"\":\"\"eu-central-1a\"\"}\",3600,3600,8000,7900,32768,30000\n\
    2026-10-03T10:00:00Z,core,n1,aws:///eu-central-1a/i-1,general,on-demand,\"{\"\"node.kubernetes.io/instance-type\"\":\"\"m6i.2xlarge\"\",\"\"topology.kubernetes.io/zone\"\":\"\"eu-central-1a\"\"}\",900,900,8000,7900,32768,30000\n\
    2026-10-03T09:00:00Z,core,rack-7,rack-7,edge,,,3600,3600,4000,3900,16384,15000\n\
    2026-10-03T09:00:00Z,core,n2,aws:///eu-central-1a/i-2,burst,spot,\"{\"\"node.kubernetes.io/instance-type\"\":\"\"m6i.2xlarge\"\",\"\"topology.kubernetes.io/zone\"\":\"\"eu-central-1a\"\"}\",3600,3600,8000,7900,32768,30000\n";

fn without_bill(folder: &Folder) -> Vec<(String, Option<String>)> {
    let answer = folder.run(&["allocate", "--period", "2026-10", "--json"]).json();
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    collect(&answer, &mut found);
    found.sort();
    found.dedup();
    found
}

/// Findings about nodes, wherever in the answer they are.
fn collect(value: &Value, into: &mut Vec<(String, Option<String>)>) {
    match value {
        Value::Object(map) => {
            let code = map.get("code").and_then(Value::as_str).unwrap_or("");
            if code.starts_with("nodes_without") {
                let money = map.get("money").and_then(Value::as_str).map(str::to_owned);
                let message = map["message"].as_str().unwrap_or("").to_owned();
                into.push((format!("{code}: {message}"), money));
            }
            map.values().for_each(|value| collect(value, into));
        }
        Value::Array(all) => all.iter().for_each(|value| collect(value, into)),
        _ => {}
    }
}

#[test]
fn an_open_month_is_estimated_at_list_prices_and_a_final_one_is_not() {
    let folder = Folder::new();
    let bill = folder.write("bill.csv", csv(&[charge("2026-10", 3, "acme", "5")]));
    let _ = folder.run(&["ingest", "billing", &bill, "--open"]).exits(0);
    let nodes = folder.write("nodes.csv", NODES);
    let _ = folder.run(&["ingest", "usage", &nodes]).exits(0);
    let unknown = without_bill(&folder);
    assert_eq!(unknown.len(), 3, "{unknown:#?}");
    for (text, money) in &unknown {
        assert!(text.starts_with("nodes_without_price"), "{text}");
        assert_eq!(*money, None, "unknown is never a figure");
    }
    let table = folder.write("ours.csv", TABLE);
    let done = folder.run(&["prices", "import", &table, "--json"]).exits(0).json();
    assert_eq!(
        done,
        json!({"formats": {&table: "table"}, "prices": 4, "new": 4, "changed": 0, "spot_bands": 0, "passed_over": 0})
    );
    let estimated = without_bill(&folder);
    let figures: Vec<(&str, Option<&str>)> = estimated
        .iter()
        .map(|(text, money)| (text.split(':').next().unwrap_or(""), money.as_deref()))
        .collect();
    // 0.46 for an hour and a quarter; 4 cores and 16 GiB; no spot price is known
    assert_eq!(
        figures,
        [
            ("nodes_without_bill", Some("0.16 EUR")),
            ("nodes_without_bill", Some("0.575 USD")),
            ("nodes_without_price", None),
        ],
        "{estimated:#?}"
    );
    assert!(
        estimated[1].0.contains("at list prices (AWS Price List)"),
        "{estimated:#?}"
    );
    assert!(
        estimated[2].0.contains("aws m6i.2xlarge in eu-central-1, spot"),
        "{estimated:#?}"
    );
    let total = folder.run(&["report", "costs", "--period", "2026-10", "--by", "tenant", "--json"]);
    assert_eq!(total.exits(0).json()["total"], "5", "an estimate is in no total");
    let late = folder.write("late.csv", csv(&[charge("2026-10", 3, "acme", "6")]));
    let _ = folder.run(&["ingest", "billing", &late, "--final"]).exits(0);
    for (text, money) in without_bill(&folder) {
        assert!(text.contains("final bill") && text.contains("cost nothing"), "{text}");
        assert_eq!(money, None);
    }
}

#[test]
fn prices_are_listed_replaced_and_removed() {
    let folder = Folder::new();
    let table = folder.write("ours.csv", TABLE);
    let _ = folder.run(&["prices", "import", &table]).exits(0);
    let dearer = folder.write("dearer.csv", TABLE.replace("0.46", "0.5"));
    let done = folder.run(&["prices", "import", &dearer, "--json"]).exits(0).json();
    assert_eq!((&done["new"], &done["changed"]), (&json!(0), &json!(1)));
    let list = |args: &[&str]| -> Vec<(String, String, bool)> {
        let mut call = vec!["prices", "list", "--json"];
        call.extend(args);
        let answer = folder.run(&call).exits(0).json();
        let of = |price: &Value| {
            let text = |key: &str| price[key].as_str().unwrap_or("").to_owned();
            (text("resource_type"), text("price"), price["built_in"] == true)
        };
        answer["prices"].as_array().expect("prices").iter().map(of).collect()
    };
    assert_eq!(
        list(&["--region", "eu-central-1"]),
        [
            ("m6i.2xlarge".to_owned(), "0.5".to_owned(), false),
            ("m6i.2xlarge".to_owned(), "0.3".to_owned(), false),
        ]
    );
    // the one we ship, with its source
    assert_eq!(
        list(&["--provider", "AWS", "--region", "us-east-1", "--type", "m6i.2x"]),
        [("m6i.2xlarge".to_owned(), "0.384".to_owned(), true)]
    );
    let advisor = folder.write(
        "advisor.json",
        r#"{"ranges":[{"index":0,"label":"<5%"},{"index":1,"label":">20%"}],"spot_advisor":{"eu-central-1":{"Linux":{"m6a.large":{"s":57,"r":1},"m6i.large":{"s":66,"r":0}}}}}"#,
    );
    let _ = folder.run(&["prices", "import", &advisor]).exits(0);
    let spot = folder
        .run(&["prices", "spot", "--type", "m6a", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        spot["spot"],
        json!([{"region": "eu-central-1", "os": "Linux", "resource_type": "m6a.large", "saving_percent": 57, "interrupted": ">20 %"}])
    );
    assert_eq!(
        folder.run(&["prices", "remove", "own", "--json"]).exits(0).json(),
        json!({"removed": 2})
    );
    let _ = folder.run(&["prices", "remove", "own"]).exits(2);
    let bad = folder.write("bad.csv", TABLE.replace("0.005", "five"));
    let refused = folder.run(&["prices", "import", &bad, &table]).exits(2);
    assert!(
        refused.err.contains("bad.csv:5") || refused.err.contains("line 5"),
        "{}",
        refused.err
    );
    assert!(list(&["--provider", "own"]).is_empty(), "all files or none");
}

#[test]
fn the_published_bands_are_read_whole() {
    let path = crate::published::shared_data().join("usage/spot/spot-advisor-data.json.gz");
    if !path.exists() {
        tonnage_tests::aloud("SKIPPED shared data: no usage/spot/spot-advisor-data.json.gz");
        return;
    }
    let folder = Folder::new();
    let done = folder
        .run(&["prices", "import", &path.display().to_string(), "--json"])
        .exits(0)
        .json();
    let spot = folder.run(&["prices", "spot", "--json"]).exits(0).json();
    let linux = |band: &str| {
        let all = spot["spot"].as_array().expect("bands").iter();
        all.filter(|of| of["os"] == "Linux" && of["interrupted"] == band)
            .count()
    };
    // counted in research/recommendations.md 1.8
    let counts = ["<5 %", "5-10 %", "10-15 %", "15-20 %", ">20 %"].map(linux);
    assert_eq!(counts, [3_239, 2_894, 2_025, 1_874, 4_930]);
    assert_eq!(
        done["spot_bands"].as_u64(),
        spot["spot"].as_array().map(|all| all.len() as u64)
    );
}
