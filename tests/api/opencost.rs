//! The OpenCost-shaped routes: the figures of the bill, every parameter, what
//! does not fit, and the calls usual clients make.

use crate::document::check;
use crate::site::{Site, config};
use chrono::NaiveDate;
use demo::DemoConfig;
use domain::Money;
use domain::class::Class;
use serde_json::Value;
use std::sync::Arc;
use tonnage::app::App;
use tonnage::app::ingest::IngestBilling;
use tonnage::app::usage::IngestUsage;

/// The two days all tests of the small world ask for.
const DAYS: &str = "window=2026-11-03T00:00:00Z,2026-11-05T00:00:00Z";

/// Two nodes of two clusters, two days each: n1 has a shop and a job beside an
/// agent, n2 a shop of the same name; a database besides has no node.
fn bill() -> String {
    let head = "BilledCost,EffectiveCost,ListCost,BillingAccountId,SubAccountId,BillingCurrency,BillingPeriodStart,\
                BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,ServiceCategory,\
                ProviderName,RegionId,InvoiceId,ResourceId,ResourceType,ConsumedQuantity,ConsumedUnit,Tags\n";
    let mut text = head.to_owned();
    let owned = |cluster: &str| format!("{{\"\"kubernetes.io/cluster/{cluster}\"\": \"\"owned\"\"}}");
    for day in [3, 4] {
        for (cost, service, category, id, kind, quantity, tags) in [
            ("24", "Cloud", "Compute", "i-1", "instance", "24,Hours", owned("core")),
            ("3", "Disks", "Storage", "vol-1", "volume", "50,GB", owned("core")),
            ("7", "Cloud", "Compute", "i-2", "instance", "24,Hours", owned("edge")),
            (
                "11.000000000000000000000001",
                "DB",
                "Databases",
                "db-1",
                "db",
                "24,Hours",
                "{\"\"team\"\": \"\"data\"\"}".to_owned(),
            ),
        ] {
            let next = day + 1;
            text.push_str(&format!(
                "{cost},{cost},40,4711,sub-1,USD,2026-11-01,2026-12-01,2026-11-0{day},2026-11-0{next},Usage,{service},\
                 {category},AWS,eu-1,inv-1,{id},{kind},{quantity},\"{tags}\"\n"
            ));
        }
    }
    text
}

fn nodes() -> String {
    let mut text = "hour,cluster,node,provider_id,pool,root_volume_id,ready_seconds,observed_seconds,\
                    cpu_capacity_millicores,cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib\n"
        .to_owned();
    for (cluster, node, id, disk) in [("core", "n1", "i-1", "vol-1"), ("edge", "n2", "i-2", "")] {
        for hour in 0..48 {
            let (day, hour) = (3 + hour / 24, hour % 24);
            text.push_str(&format!(
                "2026-11-0{day}T{hour:02}:00:00Z,{cluster},{node},aws:///eu-1a/{id},general,{disk},3600,3600,4000,3800,16384,16000\n"
            ));
        }
    }
    text
}

fn containers() -> String {
    let mut text = "hour,cluster,node,namespace,pod,container,role,workload_kind,workload,labels,seconds,\
                    cpu_request_core_ms,cpu_usage_core_ms,memory_request_mib_s,memory_usage_mib_s\n"
        .to_owned();
    for hour in 0..48 {
        let (day, of_day) = (3 + hour / 24, hour % 24);
        let mut row = |place: &str, role: &str, labels: &str, cpu: [u32; 2], memory: [u32; 2]| {
            text.push_str(
                &format!(
                    "2026-11-0{day}T{of_day:02}:00:00Z,{place},{labels},3600,{},{},{},{}\n",
                    cpu[0], cpu[1], memory[0], memory[1]
                )
                .replace("ROLE", role),
            );
        };
        row(
            "core,n1,shop,web-0,web,ROLE,Deployment,web",
            "workload",
            "\"{\"\"app\"\":\"\"shop\"\",\"\"app.kubernetes.io/name\"\":\"\"web\"\"}\"",
            [3_600_000, 1_800_000],
            [7_372_800, 3_686_400],
        );
        row(
            "edge,n2,shop,web-0,web,ROLE,Deployment,web",
            "workload",
            "\"{\"\"app\"\":\"\"shop\"\"}\"",
            [1_800_000, 1_800_000],
            [3_686_400, 3_686_400],
        );
        row(
            "core,n1,kube-system,agent-x,agent,ROLE,DaemonSet,agent",
            "daemon_set",
            "{}",
            [360_000, 180_000],
            [460_800, 368_640],
        );
        // the job runs on the mornings only
        if of_day < 12 {
            row(
                "core,n1,batch,night-1,job,ROLE,CronJob,night",
                "workload",
                "\"{\"\"app\"\":\"\"reports\"\"}\"",
                [1_800_000, 2_400_000],
                [1_843_200, 0],
            );
        }
    }
    text
}

async fn site() -> Site {
    Site::with_usage(&bill(), &[&nodes(), &containers()]).await
}

async fn json(site: &Site, path: &str) -> Value {
    let answer = site.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let json = answer.json();
    assert_eq!(json["code"], 200, "{path}");
    json
}

fn exact(answer: &Value) -> Money {
    let text = answer["exactTotal"].as_str().expect("a total");
    Money::parse(text).expect("money")
}

/// The sum of the numbers is that of the exact figure, as far as numbers go.
fn sum_of(answer: &Value) -> f64 {
    let sets = answer["data"].as_array().expect("sets");
    let groups = sets.iter().filter_map(Value::as_object).flat_map(|set| set.values());
    groups.map(|group| group["totalCost"].as_f64().expect("a number")).sum()
}

fn names(set: &Value) -> Vec<&str> {
    set.as_object().expect("a set").keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_grouping_filter_or_step_changes_a_sum() {
    let site = site().await;
    // two days of 24 + 3 and 7; the database has no node
    let whole = Money::parse("68").expect("money");
    for (query, sets) in [
        ("", 1),
        ("&aggregate=cluster", 1),
        ("&aggregate=namespace", 1),
        ("&aggregate=node,pod,container", 1),
        ("&aggregate=controller,controllerKind", 1),
        ("&aggregate=label:app&step=1d", 2),
        ("&aggregate=service,annotation:x&step=1h", 48),
        ("&aggregate=namespace&step=1h&accumulate=true", 1),
        ("&aggregate=namespace&step=7h", 7),
        ("&aggregate=namespace&accumulate=day", 2),
        ("&aggregate=namespace&shareNamespaces=kube-system,batch", 1),
        ("&aggregate=namespace&shareLabels=app:reports&shareSplit=even", 1),
        ("&aggregate=cluster&shareIdle=true", 1),
        ("&aggregate=namespace&shareIdle=true&idleByNode=true&step=1h", 48),
    ] {
        let answer = json(&site, &format!("/allocation?{DAYS}&includeIdle=true{query}")).await;
        assert_eq!(exact(&answer), whole, "{query}");
        assert!((sum_of(&answer) - 68.0).abs() < 1e-6, "{query}: {}", sum_of(&answer));
        assert_eq!(answer["data"].as_array().map(Vec::len), Some(sets), "{query}");
        assert_eq!(answer["currency"], "USD");
    }
    for sharing in ["&includeIdle=true", "&shareIdle=true", "&shareNamespaces=batch", ""] {
        let all = exact(&json(&site, &format!("/allocation?{DAYS}{sharing}")).await);
        let mut parts = Money::ZERO;
        for filter in ["namespace:\"shop\"", "namespace!:\"shop\""] {
            let filter: String = filter.replace('"', "%22");
            let part = json(&site, &format!("/allocation?{DAYS}{sharing}&filter={filter}")).await;
            parts = parts.checked_add(exact(&part)).expect("small");
        }
        assert_eq!(parts, all, "{sharing}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_within_a_day_part_the_day() {
    let site = site().await;
    let mut sum = Money::ZERO;
    for window in [
        "2026-11-03T00:00:00Z,2026-11-03T05:00:00Z",
        "2026-11-03T05:00:00Z,2026-11-04T12:00:00Z",
        "2026-11-04T12:00:00Z,2026-11-05T00:00:00Z",
    ] {
        let answer = json(
            &site,
            &format!("/allocation/compute?window={window}&aggregate=namespace&includeIdle=true"),
        )
        .await;
        sum = sum.checked_add(exact(&answer)).expect("small");
    }
    assert_eq!(sum.to_string(), "68");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_has_the_fields_of_the_original() {
    let site = site().await;
    let answer = json(
        &site,
        &format!("/allocation?{DAYS}&aggregate=namespace&includeIdle=true"),
    )
    .await;
    let set = &answer["data"][0];
    assert_eq!(names(set), ["__idle__", "batch", "kube-system", "shop"]);
    let batch = &set["batch"];
    assert_eq!(batch["name"], "batch");
    assert_eq!(
        batch["properties"],
        serde_json::json!({"cluster": "core", "node": "n1", "container": "job", "controller": "night",
            "controllerKind": "cronjob", "namespace": "batch", "pod": "night-1", "providerID": "aws:///eu-1a/i-1"}),
        "one pod: everything is common"
    );
    let near = |field: &str, expect: f64| {
        let value = batch[field].as_f64().expect(field);
        assert!((value - expect).abs() < 1e-6, "{field}: {value}");
    };
    // twelve hours on each of two days, seen from the first to the last of them
    near("minutes", 36.0 * 60.0);
    near("cpuCoreHours", 24.0 * 2.4 / 3.6);
    near("cpuCoreRequestAverage", 24.0 * 0.5 / 36.0);
    near("cpuEfficiency", 2.4 / 1.8);
    near("ramEfficiency", 0.0);
    near("pvCost", 0.0);
    let shop = &set["shop"];
    assert_eq!(
        shop["properties"],
        serde_json::json!({"container": "web", "controller": "web", "controllerKind": "deployment",
            "namespace": "shop", "pod": "web-0"}),
        "two clusters: what differs is left out"
    );
    assert_eq!(shop["start"], "2026-11-03T00:00:00Z");
    assert_eq!(
        shop["window"],
        serde_json::json!({"start": "2026-11-03T00:00:00Z", "end": "2026-11-05T00:00:00Z"})
    );
    let idle = &set["__idle__"];
    assert!(
        idle["unused"]["idleCapacity"].as_f64().expect("a number") > 0.0,
        "{idle}"
    );
    assert!(idle["totalCost"].as_f64().expect("a number") > 0.0);
    assert!(
        answer["warning"]
            .as_str()
            .expect("a warning")
            .contains("0 stands for unknown"),
        "{}",
        answer["warning"]
    );
    // money of DaemonSets and system reserved follows the pods of the node
    assert_eq!(set["kube-system"]["totalCost"], 0.0);
    assert!(shop["sharedCost"].as_f64().expect("a number") > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_parameter_is_taken_and_what_does_not_fit_is_named() {
    let site = site().await;
    for query in [
        "window=7d&resolution=10m",
        "window=today&aggregate=deployment",
        "window=lastweek&aggregate=team",
        "window=1793664000,1793836800&accumulateBy=week",
        "window=month&splitIdle=true&includeIdle=true",
        "window=month&shareCost=100&shareSplit=weighted",
        "window=month&includeAggregatedMetadata=true&aggregate=pod",
        "window=month&filterNamespaces=sh*&filterLabels=app:shop",
        "window=month&sharelb=true&includeProportionalAssetResourceCosts=true&shareTenancyCosts=true",
        "window=month&currency=USD",
        "window=month&filter=label%5Bapp_kubernetes_io_name%5D:%22web%22",
    ] {
        json(&site, &format!("/allocation?{query}")).await;
        json(&site, &format!("/allocation/summary?{query}")).await;
    }
    for (path, part) in [
        ("/allocation", "window is missing"),
        ("/allocation?window=x", "window=x"),
        ("/allocation/compute?window=7d&step=5m", "whole hours"),
        ("/allocation?window=7d&aggregate=colour", "aggregate=colour"),
        ("/allocation?window=7d&filter=namespace", "filter at character 10"),
        ("/allocation?window=500d", "400 days"),
        ("/allocation?window=300d&step=1h", "more than 1000 sets"),
        ("/assets", "window is missing"),
        ("/assets?window=7d&filter=colour:red", "no field colour"),
        ("/cloudCost?window=7d&aggregate=colour", "aggregate=colour"),
        ("/cloudCost?window=7d&filter=service", "filter at character 8"),
        ("/cloudCost/view/table?window=7d&costMetric=x", "costMetric=x"),
        ("/cloudCost/view/table?window=7d&limit=-1", "limit=-1"),
        ("/cloudCost/view/table?window=7d&sortBy=size", "sortBy=size"),
    ] {
        for path in [path.to_owned(), format!("/model{path}")] {
            let answer = site.get(&path).await;
            assert_eq!(answer.status, 400, "{path}");
            let json = answer.json();
            assert_eq!(json["code"], 400, "{path}");
            assert!(
                json["message"].as_str().is_some_and(|text| text.contains(part)),
                "{path}: {json}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_original_gets_wrong_is_said() {
    let site = site().await;
    for (query, part) in [
        ("shareNamespaces=batch&shareSplit=even", "evenly over the namespaces"),
        ("includeIdle=true&filter=namespace:shop", "would bear"),
        ("aggregate=service", "no row of this answer has a service"),
        ("filter=annotation[a]:b", "no row of this answer has an annotation"),
        ("step=7h&shareIdle=true", "shared by hour"),
        ("colour=red", "colour is not known"),
    ] {
        let answer = json(&site, &format!("/allocation?{DAYS}&{query}")).await;
        assert!(
            answer["warning"].as_str().is_some_and(|text| text.contains(part)),
            "{query}: {}",
            answer["warning"]
        );
    }
    let empty = json(&site, "/allocation?window=2026-10-01,2026-10-03").await;
    assert_eq!(empty["data"], serde_json::json!([{}]));
    assert!(
        empty["warning"]
            .as_str()
            .is_some_and(|text| text.contains("2 of 2 days")),
        "{empty}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usual_clients_are_served() {
    let site = site().await;
    // kubectl-cost, opencost-ui and the Backstage plugin ask like this
    for path in [
        "/model/allocation?window=7d&aggregate=namespace&accumulate=true&includeIdle=true",
        "/model/allocation?window=2d&aggregate=cluster,namespace,controller&accumulate=true&filterClusters=core",
        "/allocation/compute?window=14d&aggregate=namespace&includeIdle=true&step=1d&accumulate=false",
        "/allocation?window=lastmonth&aggregate=controllerKind,pod&resolution=10m",
    ] {
        json(&site, path).await;
    }
    let assets = json(&site, &format!("/model/assets?{DAYS}")).await;
    assert_eq!(
        names(&assets["data"]),
        [
            "core/Node/n1/aws:///eu-1a/i-1",
            "edge/Node/n2/aws:///eu-1a/i-2",
            "core/Disk/n1/aws:///eu-1a/i-1"
        ]
    );
    assert_eq!(exact(&assets).to_string(), "68");
    let node = &assets["data"]["core/Node/n1/aws:///eu-1a/i-1"];
    assert_eq!(
        (&node["type"], &node["totalCost"], &node["minutes"]),
        (&"Node".into(), &48.0.into(), &2880.0.into())
    );
    assert_eq!(
        (&node["cpuCores"], &node["properties"]["provider"]),
        (&4.0.into(), &"AWS".into())
    );
    let disks = json(&site, &format!("/assets?{DAYS}&filter=assetType:%22disk%22")).await;
    assert_eq!(exact(&disks).to_string(), "6");
}

/// The containers with what clusters tell beside labels: the shop's pod of core
/// is behind two services.
fn containers_with_services() -> String {
    let plain = containers();
    let mut lines = plain.lines();
    let mut text = format!("{},services,annotations\n", lines.next().expect("a header"));
    for line in lines {
        let more = match line {
            line if line.contains(",core,n1,shop,") => "\"web,api\",\"{\"\"example.com/owner\"\":\"\"jo\"\"}\"",
            line if line.contains(",edge,n2,shop,") => "web,",
            _ => ",",
        };
        text.push_str(&format!("{line},{more}\n"));
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_and_annotations_are_grouped_and_filtered() {
    let (plain, told) = (
        site().await,
        Site::with_usage(&bill(), &[&nodes(), &containers_with_services()]).await,
    );
    // who is in front of a pod moves no money
    let by_pod = format!("/allocation?{DAYS}&aggregate=cluster,namespace,pod&includeIdle=true");
    let (without, with) = (json(&plain, &by_pod).await, json(&told, &by_pod).await);
    assert_eq!(names(&without["data"][0]), names(&with["data"][0]));
    assert_eq!(without["exactTotal"], with["exactTotal"]);
    let cost = |answer: &Value, name: &str| answer["data"][0][name]["totalCost"].as_f64().expect("a number");
    let (core, edge) = (cost(&with, "core/shop/web-0"), cost(&with, "edge/shop/web-0"));
    let by_service = json(&told, &format!("/allocation?{DAYS}&aggregate=service&includeIdle=true")).await;
    assert_eq!(exact(&by_service).to_string(), "68");
    assert_eq!(
        names(&by_service["data"][0]),
        ["__idle__", "__unallocated__", "api,web", "web"]
    );
    assert_eq!((cost(&by_service, "api,web"), cost(&by_service, "web")), (core, edge));
    let properties = &by_service["data"][0]["api,web"]["properties"];
    assert_eq!(properties["services"], serde_json::json!(["api", "web"]));
    let by_note = json(
        &told,
        &format!("/allocation?{DAYS}&aggregate=annotation:example.com/owner"),
    )
    .await;
    assert_eq!(
        (names(&by_note["data"][0]), cost(&by_note, "jo")),
        (vec!["__unallocated__", "jo"], core)
    );
    let every = json(
        &told,
        &format!("/allocation?{DAYS}&filter=annotation[example_com_owner]:jo"),
    )
    .await;
    let groups = every["data"][0].as_object().expect("a set");
    let shown: Vec<&Value> = groups
        .values()
        .map(|group| &group["properties"]["annotations"])
        .collect();
    assert_eq!(shown, [&serde_json::json!({"example_com_owner": "jo"})]);
    // a pod of two services passes for each of them, and once for both
    for (filter, expect) in [
        ("services:\"web\"", core + edge),
        ("services:\"api\"", core),
        ("services:\"api\",\"web\"", core + edge),
        ("services:\"web\"+services!:\"api\"", edge),
        ("annotation[example.com/owner]:\"jo\"", core),
    ] {
        let encoded = filter.replace('"', "%22").replace('+', "%2B");
        let answer = json(
            &told,
            &format!("/allocation?{DAYS}&filter={encoded}&aggregate=namespace"),
        )
        .await;
        assert!((sum_of(&answer) - expect).abs() < 1e-6, "{filter}: {}", sum_of(&answer));
        let said = answer["warning"].as_str().unwrap_or_default();
        assert!(!said.contains("no row of this answer"), "{filter}: {said}");
        let rest = json(&told, &format!("/allocation?{DAYS}&filter={encoded}&aggregate=service")).await;
        assert_eq!(rest["exactTotal"], answer["exactTotal"], "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topline_is_the_summary_in_one_row() {
    let site = site().await;
    for query in [
        "aggregate=namespace&includeIdle=true",
        "aggregate=namespace&includeIdle=true&step=1d",
        "aggregate=pod&filter=namespace:shop",
        "aggregate=pod&filter=namespace:nobody",
    ] {
        let summary = json(&site, &format!("/allocation/summary?{DAYS}&{query}")).await;
        let sets = summary["data"]["sets"].as_array().expect("sets").iter();
        let rows: Vec<(String, f64)> = sets
            .flat_map(|set| set["allocations"].as_object().expect("groups"))
            .map(|(name, group)| (name.clone(), group["totalCost"].as_f64().expect("a number")))
            .collect();
        let different: std::collections::BTreeSet<&String> = rows.iter().map(|(name, _)| name).collect();
        for path in ["/allocation/summary/topline", "/model/allocation/summary/topline"] {
            let topline = json(&site, &format!("{path}?{DAYS}&{query}")).await;
            assert_eq!(topline["exactTotal"], summary["exactTotal"], "{query}");
            assert_eq!(topline["data"]["numResults"], different.len(), "{query}");
            let combined = &topline["data"]["combined"];
            if rows.is_empty() {
                assert!(combined.is_null(), "{combined}");
                continue;
            }
            let sum: f64 = rows.iter().map(|(_, cost)| cost).sum();
            let total = combined["totalCost"].as_f64().expect("a number");
            assert!((total - sum).abs() < 1e-9, "{query}: {total} {sum}");
            assert_eq!(combined["name"], "combined");
        }
    }
}

/// Volumes with and without a claim and a bill line, and a load balancer.
fn things() -> [String; 3] {
    let mut bill = bill();
    for (cost, day, service, id, kind, quantity) in [
        ("2.4", 3, "Disks", "vol-data", "volume", "100,GB"),
        ("2.400000000000000000000001", 4, "Disks", "vol-data", "volume", "100,GB"),
        ("4.8", 3, "LB", "lb-shop.example", "loadbalancer", "24,Hours"),
    ] {
        let category = if service == "LB" { "Networking" } else { "Storage" };
        bill.push_str(&format!(
            "{cost},{cost},40,4711,sub-1,USD,2026-11-01,2026-12-01,2026-11-0{day},2026-11-0{},Usage,{service},\
             {category},AWS,eu-1,inv-1,{id},{kind},{quantity},\n",
            day + 1
        ));
    }
    let mut volumes =
        "hour,cluster,volume_id,namespace,claim,name,storage_class,seconds,capacity_mib,used_mib_s\n".to_owned();
    let mut balancers = "hour,cluster,balancer_id,namespace,service,seconds\n".to_owned();
    for hour in 0..48 {
        let at = format!("2026-11-0{}T{:02}:00:00Z", 3 + hour / 24, hour % 24);
        volumes.push_str(&format!("{at},core,vol-data,shop,data,pv-1,fast,3600,10240,18432000\n"));
        volumes.push_str(&format!("{at},core,nfs-1,batch,share,pv-2,nfs,3600,1024,\n"));
        if hour < 24 {
            balancers.push_str(&format!("{at},core,lb-shop.example,shop,web,3600\n"));
        }
    }
    [bill, volumes, balancers]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn assets_are_nodes_disks_and_load_balancers_one_by_one() {
    let [bill, volumes, balancers] = things();
    let site = Site::with_usage(&bill, &[&nodes(), &containers(), &volumes, &balancers]).await;
    let assets = json(&site, &format!("/assets?{DAYS}")).await;
    let volume = &assets["data"]["core/Disk/pv-1/vol-data"];
    let pick = |asset: &Value, fields: &[&str]| {
        serde_json::json!(fields.iter().map(|name| asset[*name].clone()).collect::<Vec<_>>())
    };
    let fields = [
        "type",
        "claimName",
        "claimNamespace",
        "storageClass",
        "volumeName",
        "bytes",
        "byteHours",
        "byteHoursUsed",
        "minutes",
        "totalCost",
        "local",
    ];
    let gib = 1_073_741_824.0;
    assert_eq!(
        pick(volume, &fields),
        serde_json::json!([
            "Disk",
            "data",
            "shop",
            "fast",
            "pv-1",
            10.0 * gib,
            480.0 * gib,
            240.0 * gib,
            2880.0,
            4.8,
            0.0
        ])
    );
    assert_eq!(volume["properties"]["category"], "Storage");
    let unbilled = &assets["data"]["core/Disk/pv-2/nfs-1"];
    assert_eq!(
        pick(unbilled, &["claimName", "bytes", "byteHoursUsed", "totalCost"]),
        serde_json::json!(["share", gib, null, 0.0])
    );
    let told = assets["warning"].as_str().expect("a warning");
    assert!(told.contains("1 volumes or load balancers have no bill line"), "{told}");
    let balancer = &assets["data"]["core/LoadBalancer/shop/web/lb-shop.example"];
    assert_eq!(
        pick(balancer, &["type", "minutes", "ip", "totalCost"]),
        serde_json::json!(["LoadBalancer", 1440.0, "lb-shop.example", 4.8])
    );
    assert_eq!(balancer["properties"]["category"], "Network");
    assert_eq!(assets["data"]["core/Disk/n1/aws:///eu-1a/i-1"]["local"], 1.0);
    // nodes 62, root disks 6, the volume and the load balancer
    let whole = "77.600000000000000000000001";
    assert_eq!(exact(&assets).to_string(), whole);
    // no type and no cut of the window changes a sum, and workloads bear the same
    let sums = |paths: Vec<String>| async {
        let mut sum = Money::ZERO;
        for path in paths {
            sum = sum.checked_add(exact(&json(&site, &path).await)).expect("small");
        }
        sum.to_string()
    };
    let types = ["Node", "Disk", "LoadBalancer"].map(|of| format!("/assets?{DAYS}&filterTypes={of}"));
    assert_eq!(sums(types.to_vec()).await, whole);
    let not = ["", "!"].map(|not| format!("/assets?{DAYS}&filter=assetType{not}:%22loadbalancer%22"));
    assert_eq!(sums(not.to_vec()).await, whole);
    let cuts = [
        "03T00:00:00Z,2026-11-03T07:00:00Z",
        "03T07:00:00Z,2026-11-04T23:00:00Z",
        "04T23:00:00Z,2026-11-05T00:00:00Z",
    ];
    let cuts = cuts.map(|cut| format!("/assets?window=2026-11-{cut}"));
    assert_eq!(sums(cuts.to_vec()).await, whole);
    assert_eq!(
        sums(vec![format!("/allocation?{DAYS}&includeIdle=true&aggregate=namespace")]).await,
        whole
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloud_costs_are_the_bill() {
    let site = site().await;
    let whole = "90.000000000000000000000002";
    for query in [
        "",
        "&aggregate=service",
        "&aggregate=provider,accountID,label:team",
        "&accumulate=true",
        "&accumulate=week",
    ] {
        let answer = json(&site, &format!("/cloudCost?window=2026-11-01,2026-12-01{query}")).await;
        assert_eq!(exact(&answer).to_string(), whole, "{query}");
    }
    let answer = json(&site, "/cloudCost?window=month&aggregate=service&accumulate=true").await;
    let services = &answer["data"]["sets"][0]["cloudCosts"];
    assert_eq!(names(services), ["Cloud", "DB", "Disks"]);
    let cloud = &services["Cloud"];
    assert_eq!(cloud["properties"], serde_json::json!({"service": "Cloud"}));
    assert_eq!(
        cloud["netCost"],
        serde_json::json!({"cost": 62.0, "kubernetesPercent": 1.0})
    );
    assert_eq!(
        (&cloud["listCost"]["cost"], &cloud["invoicedCost"]["cost"]),
        (&160.0.into(), &62.0.into())
    );
    assert_eq!(services["DB"]["amortizedNetCost"]["kubernetesPercent"], 0.0);
    let filtered = json(
        &site,
        "/cloudCost?window=month&aggregate=category&filter=label%5Bteam%5D:%22data%22",
    )
    .await;
    assert_eq!(exact(&filtered).to_string(), "22.000000000000000000000002");
    let graph = json(
        &site,
        "/cloudCost/view/graph?window=2026-11-03,2026-11-05&aggregate=service",
    )
    .await;
    assert_eq!(graph["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        graph["data"][0]["items"][0],
        serde_json::json!({"name": "Cloud", "value": 31.0})
    );
    let totals = json(
        &site,
        "/cloudCost/view/totals?window=month&aggregate=service&costMetric=listCost",
    )
    .await;
    assert_eq!(
        (&totals["data"]["numResults"], &totals["data"]["combined"]["cost"]),
        (&3.into(), &320.0.into())
    );
    let table = json(
        &site,
        "/cloudCost/view/table?window=month&aggregate=service&sortBy=name&sortByOrder=asc&offset=1&limit=1",
    )
    .await;
    assert_eq!(table["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(table["data"][0]["name"], "DB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_fit_their_schemas_and_metrics_have_the_costs() {
    let site = site().await;
    let document = site.get("/api/openapi.json").await.json();
    for (route, query) in [
        ("/allocation", "&includeIdle=true"),
        ("/allocation", "&aggregate=namespace&shareIdle=true"),
        ("/model/allocation/summary", "&aggregate=pod"),
        ("/assets", ""),
        ("/cloudCost", "&aggregate=service,label:team"),
        ("/cloudCost/view/graph", ""),
        ("/cloudCost/view/totals", ""),
        ("/cloudCost/view/table", "&aggregate=label:team"),
    ] {
        check(&site, &document, route, &format!("{route}?{DAYS}{query}"), 200).await;
    }
    check(&site, &document, "/allocation", "/allocation?window=x", 400).await;
    let metrics = site.get("/metrics").await;
    for line in [
        "node_total_hourly_cost{cluster=\"core\",node=\"n1\",instance=\"n1\",instance_type=\"\",provider_id=\"aws:///eu-1a/i-1\",currency=\"USD\"} 1\n",
        "tonnage_workload_cost_total{cluster=\"core\",namespace=\"batch\",workload_kind=\"cronjob\",workload=\"night\",currency=\"USD\"} ",
        "tonnage_unused_cost_total{cluster=\"edge\",part=\"idle_capacity\",currency=\"USD\"} ",
        // 2026-11-04
        "tonnage_cost_day_start_seconds 1793750400\n",
        "tonnage_cost_metrics_up 1\n",
    ] {
        assert!(metrics.text().contains(line), "{line} in {}", metrics.text());
    }
    let empty = Site::empty().await;
    assert!(
        empty
            .get("/metrics")
            .await
            .text()
            .contains("tonnage_cost_metrics_up 1\n")
    );
}

/// The demo company: clusters of a whole month are what `report costs` says of
/// them, by namespace too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_company_is_the_same_here_as_in_its_reports() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = config(dir.path());
    let today = NaiveDate::from_ymd_opt(2026, 11, 22).expect("a date");
    let asked = DemoConfig {
        seed: 1,
        months: 1,
        today,
    };
    let files = demo::write(dir.path(), &asked, &mut |_| {}).expect("a writable folder");
    let app = App::open(&config, domain::access::Scope::shell("test"))
        .await
        .expect("an empty lake");
    let path = |file: &std::path::Path| dir.path().join(file).display().to_string();
    for delivery in &files.deliveries {
        let mut request = IngestBilling::of(vec![path(&delivery.path)]);
        request.source = Some(delivery.source.clone());
        request.is_final = Some(delivery.final_);
        request.period = Some(delivery.billing_period.parse().expect("a month"));
        let taken = app.ingest_billing(&request, Arc::new(|_| {})).await;
        taken.unwrap_or_else(|error| panic!("{}", error.chain()));
    }
    let request = IngestUsage {
        paths: files.nodes.iter().chain(&files.usage).map(|file| path(file)).collect(),
        source: None,
        skip_bad_rows: false,
    };
    let taken = app.ingest_usage(&request, Arc::new(|_| {})).await;
    taken.unwrap_or_else(|error| panic!("{}", error.chain()));
    let allocated = app.allocate(None).await;
    allocated.unwrap_or_else(|error| panic!("{}", error.chain()));
    let site = Site::of(app.clone(), dir).await;
    let mut compared = 0;
    for allocation in app.store().allocations().await.expect("allocations") {
        let cube = lake::read_cube(app.lake(), &allocation.cube_path).expect("a cube");
        let days: Vec<i32> = cube.lines.keys().filter_map(|key| key.day).map(|day| day.0).collect();
        let (first, last) = (days.iter().min().expect("days"), days.iter().max().expect("days"));
        let window = format!("{},{}", i64::from(*first) * 86_400, (i64::from(*last) + 1) * 86_400);
        for total in &allocation.totals {
            let currency = total.currency.as_str();
            let mut whole = Money::ZERO;
            for (key, value) in cube.lines.iter().filter(|(key, _)| key.currency.as_str() == currency) {
                // control planes are in /cloudCost alone
                let of_workloads = matches!(
                    key.class,
                    Class::NodeCompute | Class::NodeDisk | Class::Volume | Class::LoadBalancer | Class::Network
                );
                // the cluster
                if key.columns[6].is_some() && of_workloads {
                    whole = whole.checked_add(value.effective).expect("small");
                }
            }
            // by namespace they differ on purpose: here the pods that serve the cluster pay for
            // themselves, in reports the cluster's other pods do (A27)
            let base = format!("/allocation?window={window}&currency={currency}&includeIdle=true");
            for aggregate in ["cluster", "namespace", "controller", "cluster&step=1d"] {
                let answer = json(&site, &format!("{base}&aggregate={aggregate}")).await;
                assert_eq!(exact(&answer), whole, "{} {currency} by {aggregate}", allocation.period);
            }
            compared += 1;
        }
    }
    assert!(compared > 0, "the demo has clusters");
}
