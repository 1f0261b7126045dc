//! Providers' own exports against control totals somebody else calculated, and
//! the same month in several dialects.

use crate::folder::Folder;
use domain::Money;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tonnage_tests::{aloud, repository};

/// Month, currency, charge category -> rows, BilledCost, EffectiveCost.
type Sums = BTreeMap<(String, String, String), (u64, Money, Money)>;

struct Shared {
    folder: PathBuf,
    control: Value,
}

/// The shared samples, or `None`, said aloud, when they are not there.
fn shared() -> Option<Shared> {
    let data = std::env::var_os("TONNAGE_SHARED_DATA");
    let data = data.map_or_else(|| repository().join("../shared/data"), PathBuf::from);
    let folder = data.join("billing");
    let Ok(text) = std::fs::read_to_string(folder.join("control_totals.json")) else {
        aloud(
            "SKIPPED shared data: no billing/control_totals.json; set TONNAGE_SHARED_DATA to the folder that holds it",
        );
        return None;
    };
    let control = serde_json::from_str(&text).expect("control totals are JSON");
    Some(Shared { folder, control })
}

impl Shared {
    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn groups(&self, name: &str) -> Sums {
        let files = self.control["files"].as_array().expect("a list of files");
        let file = files.iter().find(|file| file["file"] == name).expect(name);
        let mut sums = Sums::new();
        for group in file["groups"].as_array().expect("groups") {
            let text = |key: &str| group[key].as_str().unwrap_or("XXX").to_owned();
            let money = |key: &str| Money::parse(group[key].as_str().expect("an amount")).expect("an amount");
            let key = (text("billing_period"), text("currency"), text("charge_category"));
            add(
                &mut sums,
                key,
                group["rows"].as_u64().expect("a count"),
                money("BilledCost"),
                money("EffectiveCost"),
            );
        }
        sums
    }
}

fn add(sums: &mut Sums, key: (String, String, String), rows: u64, billed: Money, effective: Money) {
    let sum = sums.entry(key).or_default();
    sum.0 += rows;
    sum.1 = sum.1.checked_add(billed).expect("small");
    sum.2 = sum.2.checked_add(effective).expect("small");
}

/// What the data folder's cubes say.
async fn found(folder: &Folder) -> Sums {
    let app = folder.app().await;
    let mut sums = Sums::new();
    for allocation in app.store().allocations().await.expect("allocations") {
        let cube = lake::read_cube(app.lake(), &allocation.cube_path).expect("a cube");
        for (key, value) in cube.lines {
            let group = (
                key.period.to_string(),
                key.currency.to_string(),
                key.category.to_string(),
            );
            add(&mut sums, group, value.charges, value.billed, value.effective);
        }
    }
    sums
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_report_alone_has_its_control_totals() {
    let Some(shared) = shared() else { return };
    for name in [
        "aws_cur_legacy/sample-anonymous-aws-export-dataset.csv",
        "aws_cur_legacy/derived/full.csv.zip",
        "aws_cur_legacy/derived/full.parquet",
        "aws_cur_legacy/derived/delivery1/report-00001.csv.gz",
        "aws_cur_legacy/derived/delivery2/report-00001.csv.gz",
        "aws_cur_legacy/derived/delivery2/report-00002.csv.gz",
        "aws_cur_legacy/s3/20240101-20240131/MockTestReport-00001.csv.zip",
        "aws_cur2/s3/data/BILLING_PERIOD=2024-09/MockTestReportV2-00001.csv.gz",
    ] {
        let folder = Folder::new();
        let answer = folder
            .run(&["ingest", "billing", &shared.path(name), "--json"])
            .exits(0)
            .json();
        assert_eq!(answer["deliveries"][0]["rejected_rows"], 0, "{name}");
        assert_eq!(found(&folder).await, shared.groups(name), "{name}");
        assert_eq!(folder.run(&["reconcile"]).code, Some(0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_delivery_of_several_parts_replaces_the_first() {
    let Some(shared) = shared() else { return };
    let folder = Folder::new();
    let first = shared.path("aws_cur_legacy/derived/delivery1/report-00001.csv.gz");
    let second =
        ["1", "2"].map(|part| shared.path(&format!("aws_cur_legacy/derived/delivery2/report-0000{part}.csv.gz")));
    let deliver = |files: &[&str]| {
        let mut call = vec!["ingest", "billing", "--source", "payer"];
        call.extend(files);
        assert_eq!(folder.run(&call).code, Some(0), "{files:?}");
    };
    deliver(&[&first]);
    deliver(&[&second[0], &second[1]]);
    let whole = shared.groups("aws_cur_legacy/sample-anonymous-aws-export-dataset.csv");
    assert_eq!(found(&folder).await, whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_google_and_oracle_exports_alone_have_their_control_totals() {
    let Some(shared) = shared() else { return };
    let google = shared.control["files"].as_array().expect("files").iter();
    let google: Vec<String> = google
        .filter(|file| file["kind"] == "gcp_json")
        .map(|file| file["file"].as_str().expect("a name").to_owned())
        .collect();
    assert!(!google.is_empty());
    let mut names: Vec<String> = [
        "azure/ea_actualcost_small.csv",
        "azure/ea_amortizedcost_small.csv",
        "azure/sample-anonymous-ea-export-dataset.csv",
        "oci/reports_cost-csv_0000000030000269.csv",
        "gcp/sample_billing_data_synthetic.csv",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(google);
    for name in &names {
        let folder = Folder::new();
        let mut call = vec!["ingest", "billing", "--json", "--allow-mixed-currencies"];
        let path = shared.path(name);
        call.push(&path);
        let answer = folder.run(&call).exits(0).json();
        assert_eq!(answer["deliveries"][0]["rejected_rows"], 0, "{name}");
        // the control totals know no purchases of Google's
        let merged = |sums: Sums| {
            let mut merged = Sums::new();
            for ((month, currency, category), (rows, billed, effective)) in sums {
                let category = if category == "Purchase" && name.starts_with("gcp/") {
                    "Usage".to_owned()
                } else {
                    category
                };
                add(&mut merged, (month, currency, category), rows, billed, effective);
            }
            merged
        };
        assert_eq!(merged(found(&folder).await), merged(shared.groups(name)), "{name}");
        assert_eq!(folder.run(&["reconcile"]).code, Some(0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actual_and_an_amortized_export_make_one_bill() {
    let Some(shared) = shared() else { return };
    let combined = &shared.control["combined"]["azure_ea_actual_plus_amortized_merged_to_FOCUS"];
    let total = |key: &str| Money::parse(combined["totals"][key].as_str().expect("an amount")).expect("an amount");
    let folder = Folder::new();
    let (actual, amortized) = (
        shared.path("azure/ea_actualcost_small.csv"),
        shared.path("azure/ea_amortizedcost_small.csv"),
    );
    let ended = folder.run(&["ingest", "billing", &actual, &amortized]);
    assert_eq!(ended.code, Some(0));
    let mut rows = 0;
    let mut sums = (Money::ZERO, Money::ZERO);
    for (count, billed, effective) in found(&folder).await.into_values() {
        rows += count;
        sums.0 = sums.0.checked_add(billed).expect("small");
        sums.1 = sums.1.checked_add(effective).expect("small");
    }
    assert_eq!(Some(rows), combined["rows"].as_u64());
    assert_eq!(sums, (total("BilledCost"), total("EffectiveCost")));
}

/// Two samples come as their buckets have them, with manifests.
#[test]
fn the_samples_with_manifests_are_read_by_them() {
    let Some(shared) = shared() else { return };
    for sample in ["aws_cur_legacy/s3", "aws_cur2/s3"] {
        let folder = Folder::new();
        let answer = folder
            .run(&["ingest", "billing", &shared.path(sample), "--json"])
            .exits(0)
            .json();
        let delivery = &answer["deliveries"][0];
        assert_eq!(delivery["state"], "final", "the manifest says so: {answer}");
        assert_eq!(delivery["periods"].as_array().map(Vec::len), Some(1), "{answer}");
    }
}
