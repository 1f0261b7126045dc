//! Commands around the figures: what they list, what they warn of, and what
//! they leave alone.

use crate::folder::Folder;
use serde_json::Value;
use tonnage_tests::bill::{Charge, charge, csv};

const OCTOBER: &str = "2026-10";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_makes_no_data_folder() {
    let folder = Folder::new();
    let rules = folder.write("rules.yaml", tonnage_tests::bill::RULES);
    for args in [
        &["report", "costs"][..],
        &["reconcile"],
        &["explain", "0123"],
        &["lake", "files", "--period", OCTOBER],
        &["rules", "check", &rules],
    ] {
        let refused = folder.run(args).exits(2);
        let name = folder.data().display().to_string();
        assert!(
            refused.err.contains(&name) && refused.err.contains("tonnage ingest"),
            "{args:?}: {}",
            refused.err
        );
        assert!(!folder.data().exists(), "{args:?} made the data folder");
    }
    let shown = folder.run(&["config", "show", "--json"]).exits(0).json();
    let data_dir = &shown["settings"][0];
    assert_eq!(
        (&data_dir["name"], &data_dir["origin"]),
        (&"data_dir".into(), &"flag".into())
    );
    assert!(!folder.data().exists(), "config show made the data folder");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_without_a_bill_is_told_with_those_that_have_one() {
    let folder = Folder::new();
    let path = folder.write(
        "bill.csv",
        csv(&[charge("2026-09", 1, "a", "1"), charge(OCTOBER, 1, "a", "1")]),
    );
    let _ = folder.run(&["ingest", "billing", &path]).exits(0);
    for args in [
        &["report", "costs", "--period", "2020-01"][..],
        &["reconcile", "--period", "2020-01"],
        &["lake", "files", "--period", "2020-01"],
    ] {
        let refused = folder.run(args).exits(2);
        assert!(refused.err.contains("2026-09 to 2026-10"), "{args:?}: {}", refused.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lists_of_the_lake_name_the_files_that_count() {
    let folder = Folder::new();
    let list = folder.data().join("lake/_current.json");
    for costs in ["1", "2"] {
        let path = folder.write(
            "bill.csv",
            csv(&[charge("2026-09", 1, "a", costs), charge(OCTOBER, 1, "a", costs)]),
        );
        let _ = folder.run(&["ingest", "billing", &path]).exits(0);
        let files = folder
            .run(&["lake", "files", "--period", OCTOBER, "--json"])
            .exits(0)
            .json();
        let text = std::fs::read_to_string(&list).expect("the lists");
        let current: Value = serde_json::from_str(&text).expect("JSON");
        let months: Vec<&String> = current["periods"].as_object().expect("months").keys().collect();
        assert_eq!(months, ["2026-09", OCTOBER]);
        let listed = &current["periods"][OCTOBER][0];
        assert_eq!(listed["sha256"], files["files"][0]["sha256"], "{current}");
        let path = folder
            .data()
            .join("lake")
            .join(listed["path"].as_str().expect("a path"));
        let size = std::fs::metadata(path).expect("a file of the lake").len();
        assert_eq!(listed["bytes"], size);
    }
    let _ = folder.run(&["lake", "tidy"]).exits(0);
    assert!(list.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_are_told_with_their_file_and_their_slips() {
    let folder = Folder::new();
    let path = folder.write("bill.csv", csv(&[charge(OCTOBER, 1, "a", "1")]));
    let _ = folder.run(&["ingest", "billing", &path]).exits(0);
    let broken = folder.write("broken.yaml", "format: 1\nrules:\n  - nome: x\n");
    for args in [
        &["rules", "check"][..],
        &["rules", "diff"],
        &["rules", "apply"],
        &["allocate", "--rules"],
    ] {
        let refused = folder
            .run(&[args, &[broken.as_str(), "--json"]].concat())
            .exits(2)
            .json();
        let file = refused["findings"][0]["file"].as_str();
        assert!(
            file.is_some_and(|file| file.ends_with("broken.yaml")),
            "{args:?}: {refused}"
        );
    }
    let slip = folder.write(
        "slip.yaml",
        "format: 1\nrules:\n  - name: r\n    when: {column: ServiceNmae, equals: Compute}\n    set: {tenant: t}\n",
    );
    let checked = folder.run(&["rules", "check", &slip, "--json"]).exits(0).json();
    let finding = &checked["findings"][0];
    assert_eq!(finding["code"], "unknown_column", "{checked}");
    assert!(
        finding["message"]
            .as_str()
            .is_some_and(|text| text.contains("ServiceName"))
    );
    let said = folder.run(&["rules", "check", &slip]).exits(0);
    assert!(said.out.contains("did you mean ServiceName?"), "{}", said.out);
    let _ = folder.run(&["rules", "apply", &slip, "--note", "why"]).exits(0);
    let shown = folder.run(&["rules", "show", "--json"]).exits(0).json();
    assert_eq!(
        (&shown["version"], &shown["note"]),
        (&1.into(), &"why".into()),
        "{shown}"
    );
    assert!(shown["yaml"].as_str().is_some_and(|yaml| yaml.contains("ServiceNmae")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bill_lines_are_listed_as_far_as_asked() {
    let folder = Folder::new();
    let costs: Vec<String> = (1..=205).map(|cost| cost.to_string()).collect();
    let charges: Vec<Charge<'_>> = costs
        .iter()
        .enumerate()
        .map(|(at, cost)| charge(OCTOBER, 1 + u32::try_from(at % 28).unwrap_or(0), "acme", cost))
        .collect();
    let path = folder.write("bill.csv", csv(&charges));
    let _ = folder.run(&["ingest", "billing", &path]).exits(0);
    let report = folder.run(&["report", "costs", "--json"]).exits(0).json();
    let id = report["rows"][0]["explain_id"].as_str().expect("an id");
    let explain = |more: &[&str]| folder.run(&[&["explain", id], more].concat()).exits(0);
    for (more, listed) in [(&[][..], 200), (&["--limit", "3"], 3), (&["--all"], 205)] {
        let answer = explain(&[more, &["--json"]].concat()).json();
        let lines = answer["lines"].as_array().expect("lines");
        assert_eq!(
            (lines.len(), &answer["rest_count"]),
            (listed, &(205 - listed).into()),
            "{more:?}"
        );
        assert_eq!(
            (&lines[0]["cost"], &answer["lines_total"]),
            (&"205".into(), &205.into())
        );
    }
    let file = explain(&["--format", "csv"]).out;
    assert_eq!(file.lines().count(), 1 + 205 + 1);
    let table = explain(&["--limit", "1"]).out;
    assert!(
        table.contains("2026-10-09") && table.contains("--all lists them"),
        "{table}"
    );
    assert!(folder.run(&["explain", id, "--all", "--limit", "3"]).code == Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_figure_is_walked_down_to_its_node_hours() {
    let folder = Folder::new();
    let bill = "BilledCost,EffectiveCost,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,\
                ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,ServiceCategory,ResourceId,ConsumedQuantity,\
                ConsumedUnit,Tags\n\
                5,5,4711,USD,2026-10-01,2026-11-01,2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,Usage,Cloud,Compute,i-1,1,\
                Hours,\"{\"\"kubernetes.io/cluster/core\"\": \"\"owned\"\"}\"\n";
    let nodes = "hour,cluster,node,provider_id,ready_seconds,observed_seconds,cpu_capacity_millicores,\
                 cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib\n\
                 2026-10-03T05:00:00Z,core,n1,aws:///eu-1a/i-1,3600,3600,4000,4000,16384,16384\n";
    let containers = "hour,cluster,node,namespace,pod,container,workload_kind,workload,seconds,cpu_request_core_ms,\
                      cpu_usage_core_ms,memory_request_mib_s,memory_usage_mib_s\n\
                      2026-10-03T05:00:00Z,core,n1,shop,web-0,web,Deployment,web,3600,7200000,0,29491200,0\n";
    let path = folder.write("bill.csv", bill);
    let _ = folder.run(&["ingest", "billing", &path]).exits(0);
    let usage = [
        folder.write("nodes.csv", nodes),
        folder.write("containers.csv", containers),
    ];
    let _ = folder.run(&["ingest", "usage", &usage[0], &usage[1]]).exits(0);
    let report = folder
        .run(&["report", "costs", "--by", "Workload", "--json"])
        .exits(0)
        .json();
    let rows = report["rows"].as_array().expect("rows");
    let web = rows.iter().find(|row| row["keys"]["Workload"] == "web").expect("web");
    let id = web["explain_id"].as_str().expect("an id");
    let explain = |more: &[&str]| folder.run(&[&["explain", id], more].concat());
    let day = ["--at", "node/core/n1", "--day", "2026-10-03"];
    for (more, row) in [
        (&[][..], "node/core/n1"),
        (&day[..2], "2026-10-03"),
        (&day, "Machine, 2026-10-03 05:00 UTC to 2026-10-03 06:00 UTC"),
    ] {
        let carried = explain(&[more, &["--json"]].concat()).exits(0).json()["carried"].clone();
        assert_eq!(
            (&carried["cost"], &carried["rows"][0]["cost"]),
            (&"2.5".into(), &"2.5".into()),
            "{more:?}"
        );
        let table = explain(more).exits(0).out;
        for words in [
            row,
            "Workloads 2.5",
            "2.00 core-h, 8.00 GiB-h",
            "4.00 core-h, 16.00 GiB-h",
        ] {
            assert!(table.contains(words), "{words} in {table}");
        }
    }
    assert!(explain(&day).exits(0).out.contains("bill.csv:2"));
    for (more, code) in [
        (&["--at", "node/core/n9"][..], 2),
        (&["--at", "n1"], 2),
        (&["--day", "2026-10-03"], 2),
    ] {
        assert_eq!(explain(more).code, Some(code), "{more:?}");
    }
}
