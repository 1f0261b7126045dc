//! Manifests as the commit record: what they name counts, whole or not at all.

use crate::folder::Folder;
use serde_json::{Value, json};
use tonnage_tests::bill::{charge, csv};

const OCTOBER: &str = "2026-10";

/// Writes a file below the folder.
fn put(folder: &Folder, name: &str, bytes: &str) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    std::fs::write(path, bytes).expect("a file");
}

fn bill(cost: &str) -> String {
    csv(&[charge(OCTOBER, 1, "acme", cost)])
}

fn bucket(folder: &Folder) -> String {
    folder.path().join("bucket").display().to_string()
}

/// A manifest of AWS Data Exports.
fn export(files: &[&str]) -> String {
    let files: Vec<String> = files.iter().map(|file| format!("s3://b/some/prefix/{file}")).collect();
    json!({"exportArn": "arn:x", "dataFiles": files}).to_string()
}

/// A manifest of an Azure export.
fn azure(month: &str, submitted: &str, blobs: &[(&str, usize, u64)]) -> String {
    let blobs: Vec<Value> = blobs
        .iter()
        .map(
            |(name, bytes, rows)| json!({"blobName": format!("root/{name}"), "byteCount": bytes, "dataRowCount": rows}),
        )
        .collect();
    json!({
        "exportConfig": {"exportName": "costs", "type": "FocusCost"},
        "runInfo": {"startDate": format!("{month}-01T00:00:00"), "submittedTime": submitted},
        "blobs": blobs,
    })
    .to_string()
}

/// What was taken in: rows and BilledCost of October, and the codes of the findings.
fn taken(folder: &Folder, path: &str) -> (u64, String, Vec<String>) {
    let answer = folder
        .run(&["ingest", "billing", path, "--source", "s", "--json"])
        .exits(0)
        .json();
    let delivery = &answer["deliveries"][0];
    let periods = delivery["periods"].as_array().expect("periods");
    assert_eq!(periods.len(), 1, "{answer}");
    let codes = delivery["findings"].as_array().expect("findings").iter();
    let codes = codes.map(|finding| finding["code"].as_str().expect("a code").to_owned());
    (
        periods[0]["rows"].as_u64().expect("a number"),
        periods[0]["billed_cost"].as_str().expect("an amount").to_owned(),
        codes.filter(|code| code != "format_detected").collect(),
    )
}

/// The codes a call is refused with; nothing of it may stay.
async fn refused(folder: &Folder, path: &str) -> Vec<String> {
    let held = folder.held_after_opening().await;
    let ended = folder.run(&["ingest", "billing", path, "--source", "s", "--json"]);
    let answer = ended.exits(2).json();
    assert!(folder.held().await == held, "something stayed of {path}");
    let findings = answer["findings"].as_array().expect("findings").iter();
    findings
        .map(|finding| finding["code"].as_str().expect("a code").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_of_the_newest_manifest_count() {
    let folder = Folder::new();
    let data = "bucket/data/BILLING_PERIOD=2026-10";
    put(&folder, &format!("{data}/old/x-1.csv"), &bill("1"));
    put(&folder, &format!("{data}/new/x-1.csv"), &bill("2"));
    put(&folder, &format!("{data}/new/x-2.csv"), &bill("0.5"));
    put(&folder, &format!("{data}/next/x-1.csv"), &bill("100"));
    let manifest = |time: &str| format!("bucket/metadata/BILLING_PERIOD=2026-10/{time}/x-Manifest.json");
    let key = |file: &str| format!("data/BILLING_PERIOD=2026-10/{file}");
    put(
        &folder,
        &manifest("2026-11-01T05:00:00.000Z-a"),
        &export(&[&key("old/x-1.csv")]),
    );
    put(
        &folder,
        &manifest("2026-11-02T05:00:00.000Z-b"),
        &export(&[&key("new/x-1.csv"), &key("new/x-2.csv")]),
    );
    let (rows, billed, codes) = taken(&folder, &bucket(&folder));
    assert_eq!((rows, billed.as_str()), (2, "2.5"), "one delivery, not the sum of all");
    assert_eq!(codes, ["older_delivery", "not_in_manifest"]);
    // a manifest that is named outright stands for its files
    let old = folder
        .path()
        .join(manifest("2026-11-01T05:00:00.000Z-a"))
        .display()
        .to_string();
    let (rows, billed, _) = taken(&folder, &old);
    assert_eq!((rows, billed.as_str()), (1, "1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manifest_above_the_assemblies_is_the_current_one() {
    let folder = Folder::new();
    let report = |assembly: &str| {
        json!({
            "account": "1", "reportName": "r", "assemblyId": assembly,
            "billingPeriod": {"start": "20261001T000000.000Z", "end": "20261101T000000.000Z"},
            "reportKeys": [format!("p/r/20261001-20261101/{assembly}/r-1.csv")],
        })
        .to_string()
    };
    let month = "bucket/p/r/20261001-20261101";
    for (assembly, cost) in [("aa", "7"), ("bb", "8")] {
        put(&folder, &format!("{month}/{assembly}/r-1.csv"), &bill(cost));
        put(
            &folder,
            &format!("{month}/{assembly}/r-Manifest.json"),
            &report(assembly),
        );
    }
    // which of two came later nothing tells
    assert_eq!(refused(&folder, &bucket(&folder)).await, ["several_deliveries"]);
    put(&folder, &format!("{month}/r-Manifest.json"), &report("aa"));
    let (rows, billed, codes) = taken(&folder, &bucket(&folder));
    assert_eq!(
        (rows, billed.as_str(), codes),
        (1, "7", vec!["older_delivery".to_owned()])
    );
}

/// Every way a delivery can be incomplete or changed is refused, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_is_not_as_its_manifest_says_is_refused() {
    let one = bill("3");
    let length = one.len();
    let september = csv(&[charge("2026-09", 30, "acme", "4")]);
    for (what, files, manifest, code) in [
        (
            "a missing part",
            vec![("r/p0.csv", one.clone())],
            azure(
                OCTOBER,
                "2026-11-02",
                &[("r/p0.csv", length, 1), ("r/p1.csv", length, 1)],
            ),
            "missing_part",
        ),
        (
            "a cut part",
            vec![("r/p0.csv", one[..length - 1].to_owned())],
            azure(OCTOBER, "2026-11-02", &[("r/p0.csv", length, 1)]),
            "changed_part",
        ),
        (
            "fewer rows than promised",
            vec![("r/p0.csv", one.clone())],
            azure(OCTOBER, "2026-11-02", &[("r/p0.csv", length, 2)]),
            "changed_part",
        ),
        (
            "rows of another month",
            vec![("r/p0.csv", september.clone())],
            azure(OCTOBER, "2026-11-02", &[("r/p0.csv", september.len(), 1)]),
            "wrong_period",
        ),
        (
            "no files",
            vec![("r/p0.csv", one.clone())],
            azure(OCTOBER, "2026-11-02", &[]),
            "bad_manifest",
        ),
        (
            "half a manifest",
            vec![("r/p0.csv", one.clone())],
            "{\"blobs\": [".to_owned(),
            "bad_manifest",
        ),
        (
            "a part of another delivery that lies beside the manifest",
            vec![("r/p0.csv", one.clone())],
            azure(OCTOBER, "2026-11-02", &[("run-2/p0.csv", length, 1)]),
            "missing_part",
        ),
        (
            "two parts of which one file is there",
            vec![("r/p0.csv", one.clone())],
            azure(
                OCTOBER,
                "2026-11-02",
                &[("a/p0.csv", length, 1), ("b/p0.csv", length, 1)],
            ),
            "missing_part",
        ),
        (
            "a way out of the folder",
            vec![("p0.csv", one.clone())],
            azure(OCTOBER, "2026-11-02", &[("../../p0.csv", length, 1)]),
            "missing_part",
        ),
    ] {
        let folder = Folder::new();
        for (name, bytes) in &files {
            put(&folder, &format!("bucket/{name}"), bytes);
        }
        put(&folder, "bucket/r/manifest.json", &manifest);
        let codes = refused(&folder, &bucket(&folder)).await;
        assert_eq!(codes.first().map(String::as_str), Some(code), "{what}: {codes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_run_replaces_and_the_same_one_changes_nothing() {
    let folder = Folder::new();
    let run = |run: &str, cost: &str, submitted: &str| {
        let text = bill(cost);
        put(&folder, &format!("bucket/{run}/p0.csv"), &text);
        let manifest = azure(OCTOBER, submitted, &[(&format!("{run}/p0.csv"), text.len(), 1)]);
        put(&folder, &format!("bucket/{run}/manifest.json"), &manifest);
    };
    run("one", "10", "2026-11-02T00:00:00Z");
    assert_eq!(taken(&folder, &bucket(&folder)).1, "10");
    run("two", "11", "2026-11-03T00:00:00Z");
    assert_eq!(taken(&folder, &bucket(&folder)).1, "11");
    let answer = folder.run(&["ingest", "billing", &bucket(&folder), "--source", "s", "--json"]);
    assert_eq!(answer.exits(0).json()["deliveries"][0]["unchanged"], true);
}
