//! Deliveries: the same again changes nothing, a corrected one replaces, a
//! second source is refused or kept as a shadow.

use crate::folder::Folder;
use std::io::Write;
use std::process::Stdio;
use tonnage_tests::bill::{RULES, charge, csv};
use tonnage_tests::program::{Ended, command};

const OCTOBER: &str = "2026-10";

fn first() -> String {
    csv(&[
        charge(OCTOBER, 1, "acme", "100.000000000000000000000001"),
        charge(OCTOBER, 2, "globex", "1.81E-8"),
        charge(OCTOBER, 3, "", "-20.5"),
    ])
}

/// Sum of [`first`], done by hand.
const FIRST: &str = "79.500000018100000000000001";

fn corrected() -> String {
    csv(&[charge(OCTOBER, 1, "acme", "90"), charge(OCTOBER, 2, "globex", "0.25")])
}

/// Total of a month's report.
fn total(folder: &Folder, month: &str) -> String {
    let report = folder
        .run(&["report", "costs", "--period", month, "--by", "tenant", "--json"])
        .exits(0)
        .json();
    report["total"].as_str().expect("an amount").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_again_change_nothing() {
    let folder = Folder::new();
    let bill = folder.write("bill.csv", first());
    let taken = folder.run(&["ingest", "billing", &bill, "--json"]).exits(0).json();
    assert_eq!(taken["deliveries"][0]["unchanged"], false);
    assert_eq!(taken["deliveries"][0]["periods"][0]["billed_cost"], FIRST);
    let held = folder.held().await;
    let copy = folder.write("copy.csv", first());
    for again in [
        &["ingest", "billing", &bill][..],
        &["ingest", "billing", &copy],
        &["ingest", "billing", &bill, "--source", "focus-4711"],
    ] {
        let mut args = again.to_vec();
        args.push("--json");
        let answer = folder.run(&args).exits(0).json();
        assert_eq!(answer["deliveries"][0]["unchanged"], true, "{answer}");
        assert!(folder.held().await == held, "{again:?} changed the data folder");
    }
    assert_eq!(total(&folder, OCTOBER), FIRST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrected_delivery_replaces_and_can_be_replaced_by_the_first() {
    let folder = Folder::new();
    let (one, two) = (folder.write("one.csv", first()), folder.write("two.csv", corrected()));
    let _ = folder.run(&["ingest", "billing", &one]).exits(0);
    let answer = folder.run(&["ingest", "billing", &two, "--json"]).exits(0).json();
    let findings = answer["deliveries"][0]["findings"].as_array().expect("findings");
    let replaced = findings.iter().find(|finding| finding["code"] == "period_replaced");
    assert!(
        replaced.is_some_and(|finding| finding["money"] == "10.749999981899999999999999 USD"),
        "{answer}"
    );
    assert_eq!(total(&folder, OCTOBER), "90.25");
    let _ = folder.run(&["ingest", "billing", &one]).exits(0);
    assert_eq!(total(&folder, OCTOBER), FIRST);
    let _ = folder.run(&["reconcile"]).exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_source_is_refused_or_kept_beside() {
    let folder = Folder::new();
    let (one, two) = (folder.write("one.csv", first()), folder.write("two.csv", corrected()));
    let _ = folder.run(&["ingest", "billing", &one, "--source", "payer"]).exits(0);
    let held = folder.held().await;
    let refused = folder.run(&["ingest", "billing", &two, "--source", "other"]).exits(4);
    for part in ["payer", "4711", OCTOBER, "--source payer", "--shadow"] {
        assert!(refused.err.contains(part), "{part:?} is not in: {}", refused.err);
    }
    assert!(folder.held().await == held, "a refused source changed the data folder");

    let shadow = folder
        .run(&["ingest", "billing", &two, "--source", "other", "--shadow", "--json"])
        .exits(1)
        .json();
    let comparison = &shadow["deliveries"][0]["comparison"][0];
    let amounts = [
        &comparison["counted_billed"],
        &comparison["shadow_billed"],
        &comparison["difference"],
    ];
    assert_eq!(amounts, [FIRST, "90.25", "10.749999981899999999999999"]);
    assert_eq!(total(&folder, OCTOBER), FIRST, "a shadow never counts");

    // a shadow that agrees: the same charges in another order
    let lines: Vec<String> = first().lines().map(str::to_owned).collect();
    let turned = format!("{}\n{}\n{}\n{}\n", lines[0], lines[3], lines[1], lines[2]);
    let agreeing = folder.write("turned.csv", turned);
    let shadow = folder
        .run(&[
            "ingest", "billing", &agreeing, "--source", "third", "--shadow", "--json",
        ])
        .exits(0)
        .json();
    assert_eq!(shadow["deliveries"][0]["comparison"][0]["difference"], "0");
    let _ = folder.run(&["reconcile"]).exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_of_several_parts_is_one_act() {
    let parts = ["export/a.csv", "export/b.csv.gz"];
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("export")).expect("a writable folder");
    folder.write(
        parts[0],
        csv(&[charge(OCTOBER, 1, "acme", "1.5"), charge("2026-09", 1, "acme", "8")]),
    );
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(csv(&[charge(OCTOBER, 2, "globex", "2.25")]).as_bytes())
        .expect("memory takes all");
    folder.write(parts[1], gz.finish().expect("memory takes all"));
    let export = folder.path().join("export");
    let pattern = export.join("*").display().to_string();
    let calls: [Vec<String>; 3] = [
        vec![export.display().to_string()],
        vec![pattern],
        vec![
            export.join("a.csv").display().to_string(),
            export.join("b.csv.gz").display().to_string(),
        ],
    ];
    for call in calls {
        let fresh = Folder::new();
        let mut args = vec!["ingest", "billing", "--json"];
        args.extend(call.iter().map(String::as_str));
        let answer = fresh.run(&args).exits(0).json();
        let periods = answer["deliveries"][0]["periods"].as_array().expect("periods");
        let sums: Vec<_> = periods
            .iter()
            .map(|period| (&period["rows"], &period["billed_cost"]))
            .collect();
        assert_eq!(
            sums,
            [(&1.into(), &"8".into()), (&2.into(), &"3.75".into())],
            "{call:?}"
        );
        let store = fresh.store().await;
        assert_eq!(store.deliveries(None).await.expect("deliveries").len(), 1);
        store.close().await;
    }
    // a delivery without a month it had: that month is left as it was, the other replaced
    let _ = folder
        .run(&["ingest", "billing", &export.display().to_string()])
        .exits(0);
    let later = folder.write("later.csv", csv(&[charge(OCTOBER, 1, "acme", "7")]));
    let _ = folder.run(&["ingest", "billing", &later]).exits(0);
    assert_eq!(
        (total(&folder, OCTOBER), total(&folder, "2026-09")),
        ("7".to_owned(), "8".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_input_is_a_bill_too_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let rules = folder.write("rules.yaml", RULES);
    let _ = folder.run(&["rules", "apply", &rules]).exits(0);
    let args = ["ingest", "billing", "-", "--source", "payer"];
    let mut child = command(&folder.data(), &args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut input = child.stdin.take().expect("standard input is piped");
    input.write_all(first().as_bytes()).expect("the binary reads");
    drop(input);
    let ended = Ended::of(&child.wait_with_output().expect("the binary ends"), &args);
    let _ = ended.exits(0);
    assert_eq!(total(&folder, OCTOBER), FIRST);
    let left = tonnage_tests::listing(&folder.data().join("scratch"));
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_input_is_usage_too_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let usage = "hour,cluster,node,namespace,pod,container,seconds,cpu_request_core_ms,cpu_usage_core_ms,\
                 memory_request_mib_s,memory_usage_mib_s\n\
                 2026-10-03T05:00:00Z,core,n1,shop,web-0,web,3600,3600000,0,0,0\n";
    let run = |text: &str| {
        let args = ["ingest", "usage", "-", "--source", "piped", "--json"];
        let mut child = command(&folder.data(), &args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut input = child.stdin.take().expect("standard input is piped");
        input.write_all(text.as_bytes()).expect("the binary reads");
        drop(input);
        Ended::of(&child.wait_with_output().expect("the binary ends"), &args)
    };
    let taken = run(usage).exits(0).json();
    assert_eq!((&taken["rows"], &taken["unchanged"]), (&1.into(), &false.into()));
    assert_eq!(taken["clusters"][0]["slot_hours"], 1);
    assert_eq!(
        run(usage).exits(0).json()["unchanged"],
        true,
        "the same bytes are there already"
    );
    // the same file by its name is the same input
    let path = folder.write("usage.csv", usage);
    let named = folder.run(&["ingest", "usage", &path, "--source", "piped", "--json"]);
    assert_eq!(named.exits(0).json()["unchanged"], true);
    let bad = run(&usage.replace(",3600,", ",many,"));
    let said = bad.exits(2).err;
    assert!(said.contains("standard input") && said.contains("line 2"), "{said}");
    let left = tonnage_tests::listing(&folder.data().join("scratch"));
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_delivery_can_be_compared_with_the_one_that_replaced_it() {
    let folder = Folder::new();
    let ingest = |name: &str, text: String| {
        let bill = folder.write(name, text);
        let answer = folder
            .run(&["ingest", "billing", &bill, "--source", "s", "--json"])
            .exits(0)
            .json();
        let delivery = &answer["deliveries"][0];
        let codes = delivery["findings"].as_array().expect("findings").iter();
        let codes: Vec<String> = codes
            .map(|finding| finding["code"].as_str().expect("a code").to_owned())
            .collect();
        (delivery["delivery_id"].as_str().expect("an id").to_owned(), codes)
    };
    let diff = |ids: &[&str]| {
        let args: Vec<&str> = ["deliveries", "diff"]
            .iter()
            .chain(ids)
            .chain(&["--json"])
            .copied()
            .collect();
        folder.run(&args).exits(0).json()
    };
    let (one, _) = ingest("one.csv", first());
    assert_eq!(diff(&[&one])["kind"], "first");
    let (two, codes) = ingest("two.csv", corrected());
    assert!(!codes.iter().any(|code| code == "metadata_restatement"));
    let changes = diff(&[&two]);
    assert_eq!(
        (changes["kind"].as_str(), changes["against"][0]["delivery_id"].as_str()),
        (Some("money"), Some(one.as_str()))
    );
    let total = &changes["totals"][0];
    assert_eq!(
        (&total["name"], &total["rows_before"], &total["rows_after"]),
        (&OCTOBER.into(), &3.into(), &2.into())
    );
    assert_eq!(
        (total["billed_before"].as_str(), total["billed_after"].as_str()),
        (Some(FIRST), Some("90.25"))
    );
    // day 1: 100.000000000000000000000001 -> 90, day 2: 1.81E-8 -> 0.25, day 3: -20.5 -> nothing; the largest first
    let rows = changes["changes"].as_array().expect("changes");
    let listed: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| {
            (
                row["day"].as_str().expect("a day"),
                row["effective_change"].as_str().expect("an amount"),
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("2026-10-03", "20.5"),
            ("2026-10-01", "-10.000000000000000000000001"),
            ("2026-10-02", "0.2499999819"),
        ]
    );
    assert_eq!(changes["changes_total"], 3);
    // the other way round, and by the beginning of an id
    let back = diff(&[&one, &two[..12]]);
    assert_eq!(back["changes"][0]["effective_change"], "-20.5");
    // A45: the same money with other tags
    let retagged = csv(&[
        charge(OCTOBER, 1, "initech", "90"),
        charge(OCTOBER, 2, "globex", "0.25"),
    ]);
    let (three, codes) = ingest("three.csv", retagged);
    assert!(codes.iter().any(|code| code == "metadata_restatement"), "{codes:?}");
    let changes = diff(&[&three]);
    assert_eq!(
        (changes["kind"].as_str(), changes["changes_total"].as_u64()),
        (Some("tags_only"), Some(1))
    );
    assert_eq!(changes["changes"][0]["tags_only"], true);
    // the order of lines is nothing that counts
    let turned = csv(&[
        charge(OCTOBER, 2, "globex", "0.25"),
        charge(OCTOBER, 1, "initech", "90"),
    ]);
    let (four, _) = ingest("four.csv", turned);
    assert_eq!(diff(&[&four])["kind"], "same");
    let list = folder.run(&["deliveries", "list", "--json"]).exits(0).json();
    assert_eq!(list["deliveries"].as_array().map(Vec::len), Some(4));
    for (args, words) in [
        (&["deliveries", "show", "nothing"][..], "there is no delivery nothing"),
        (&["deliveries", "list", "--source", "x"], "there is no source"),
    ] {
        let ended = folder.run(args).exits(2);
        assert!(ended.err.contains(words), "{}", ended.err);
    }
    assert!(
        folder
            .run(&["deliveries", "show", &two])
            .exits(0)
            .out
            .contains("two.csv")
    );
}
