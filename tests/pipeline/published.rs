//! The public FOCUS samples against control totals somebody else calculated.

use crate::folder::Folder;
use domain::Money;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tonnage_tests::{aloud, repository, skip};

/// Month, currency, provider, service category, charge category.
type Group = (String, String, Option<String>, Option<String>, String);
/// Rows, BilledCost, EffectiveCost.
type Sums = BTreeMap<Group, (u64, Money, Money)>;

/// The sample whose costs are written `$10,000.00 `.
const REFUSED: &str = "simple_saas_agreements_a1.csv";

struct Sample {
    path: String,
    name: String,
    control: Value,
}

/// Where published files are, if anywhere.
pub fn shared_data() -> PathBuf {
    match std::env::var_os("TONNAGE_SHARED_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => repository().join("../shared/data"),
    }
}

/// The samples, or `None`, said aloud, when they are not there.
fn samples() -> Option<Vec<Sample>> {
    let billing = shared_data().join("billing");
    let Ok(text) = std::fs::read_to_string(billing.join("control_totals.json")) else {
        // not a part of the repository: a clean checkout has none
        aloud(
            "SKIPPED shared data: no billing/control_totals.json; set TONNAGE_SHARED_DATA to the folder that holds it",
        );
        return None;
    };
    let control: Value = serde_json::from_str(&text).expect("control totals are JSON");
    let files = control["files"].as_array().expect("a list of files").iter();
    let samples: Vec<Sample> = files
        .filter(|file| file["kind"] == "focus")
        .map(|file| {
            let name = file["file"].as_str().expect("a name").to_owned();
            Sample {
                path: billing.join(&name).display().to_string(),
                name,
                control: file.clone(),
            }
        })
        .collect();
    if samples.is_empty() {
        skip("shared data: the control totals name no FOCUS file");
    }
    Some(samples)
}

impl Sample {
    fn refused(&self) -> bool {
        self.name.ends_with(REFUSED)
    }

    fn groups(&self) -> Sums {
        let mut sums = Sums::new();
        for group in self.control["groups"].as_array().expect("groups") {
            let text = |key: &str| group[key].as_str().map(str::to_owned);
            let money = |key: &str| Money::parse(group[key].as_str().expect("an amount")).expect("an amount");
            let key = (
                month(group["billing_period"].as_str().expect("a month")),
                text("currency").unwrap_or_else(|| "XXX".to_owned()),
                text("provider"),
                text("service"),
                text("charge_category").expect("a category"),
            );
            let before = sums.insert(
                key,
                (
                    group["rows"].as_u64().expect("a count"),
                    money("BilledCost"),
                    money("EffectiveCost"),
                ),
            );
            assert_eq!(before, None, "{}: a group twice", self.name);
        }
        sums
    }
}

/// `2025-05` of `5/1/25`, which some samples write.
fn month(text: &str) -> String {
    match text.split('/').collect::<Vec<_>>()[..] {
        [month, _, year] => format!("20{year}-{month:0>2}"),
        _ => text.to_owned(),
    }
}

/// What the data folder's cubes say, by the same groups.
async fn found(folder: &Folder) -> Sums {
    let app = folder.app().await;
    let mut sums = Sums::new();
    for allocation in app.store().allocations().await.expect("allocations") {
        let cube = lake::read_cube(app.lake(), &allocation.cube_path).expect("a cube");
        for (key, value) in cube.lines {
            let [_, _, provider, _, category, ..] = key.columns;
            let group = (
                key.period.to_string(),
                key.currency.to_string(),
                provider.as_deref().map(str::to_owned),
                category.as_deref().map(str::to_owned),
                key.category.to_string(),
            );
            let sum = sums.entry(group).or_default();
            sum.0 += value.charges;
            sum.1 = sum.1.checked_add(value.billed).expect("small");
            sum.2 = sum.2.checked_add(value.effective).expect("small");
        }
    }
    sums
}

/// Sums of all control totals the manifest holds: rows, billed, effective, and
/// list and contracted cost when they are known.
async fn manifest(folder: &Folder) -> (u64, Money, Money, Option<Money>, Option<Money>) {
    let store = folder.store().await;
    let totals = store.active_totals(None).await.expect("totals");
    let sum = |pick: &dyn Fn(&store::TotalRow) -> Money| {
        Money::sum(totals.iter().map(|held| pick(&held.total))).expect("small")
    };
    let maybe = |pick: &dyn Fn(&store::TotalRow) -> Option<Money>| {
        let known: Option<Vec<Money>> = totals.iter().map(|held| pick(&held.total)).collect();
        known.map(|amounts| Money::sum(amounts).expect("small"))
    };
    let answer = (
        totals.iter().map(|held| held.total.rows).sum(),
        sum(&|t| t.billed),
        sum(&|t| t.effective),
        maybe(&|t| t.list),
        maybe(&|t| t.contracted),
    );
    store.close().await;
    answer
}

#[track_caller]
fn reconciles(folder: &Folder, periods: usize) {
    let answer = folder.run(&["reconcile", "--json"]).exits(0).json();
    let reports = answer["periods"].as_array().expect("periods");
    assert_eq!(reports.len(), periods, "{answer}");
    for report in reports {
        for currency in report["currencies"].as_array().expect("currencies") {
            assert_eq!(currency["residual"], "0", "{report}");
            for link in currency["links"].as_array().expect("links") {
                assert_eq!(link["residual"], "0", "{report}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sample_alone_has_its_control_totals() {
    let Some(samples) = samples() else { return };
    for sample in samples.iter().filter(|sample| !sample.refused()) {
        let folder = Folder::new();
        let answer = folder
            .run(&["ingest", "billing", &sample.path, "--json"])
            .exits(0)
            .json();
        assert_eq!(answer["deliveries"][0]["rejected_rows"], 0, "{}", sample.name);
        let groups = sample.groups();
        assert_eq!(found(&folder).await, groups, "{}", sample.name);
        let (rows, billed, effective, list, contracted) = manifest(&folder).await;
        assert_eq!(Some(rows), sample.control["rows"].as_u64(), "{}", sample.name);
        let total =
            |key: &str| Money::parse(sample.control["totals"][key].as_str().expect("an amount")).expect("an amount");
        assert_eq!(
            (billed, effective),
            (total("BilledCost"), total("EffectiveCost")),
            "{}",
            sample.name
        );
        // unknown is not zero: compared where every row has one
        assert!(
            list.is_none_or(|list| list == total("ListCost")),
            "{}: list {list:?}",
            sample.name
        );
        assert!(
            contracted.is_none_or(|c| c == total("ContractedCost")),
            "{}: contracted {contracted:?}",
            sample.name
        );
        let mut months: Vec<&String> = groups.keys().map(|group| &group.0).collect();
        months.dedup();
        reconciles(&folder, months.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_samples_in_one_data_folder_keep_their_totals() {
    let Some(samples) = samples() else { return };
    let folder = Folder::new();
    let mut expected = Sums::new();
    for sample in samples.iter().filter(|sample| !sample.refused()) {
        assert_eq!(folder.run(&["ingest", "billing", &sample.path]).exits(0).code, Some(0));
        for (group, (rows, billed, effective)) in sample.groups() {
            let sum = expected.entry(group).or_default();
            sum.0 += rows;
            sum.1 = sum.1.checked_add(billed).expect("small");
            sum.2 = sum.2.checked_add(effective).expect("small");
        }
    }
    let mut months: Vec<&String> = expected.keys().map(|group| &group.0).collect();
    months.dedup();
    reconciles(&folder, months.len());
    assert_eq!(found(&folder).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_with_currency_signs_is_refused_or_set_aside_with_its_money() {
    let Some(samples) = samples() else { return };
    let bad = samples.iter().find(|sample| sample.refused()).expect("the bad sample");
    let good = samples
        .iter()
        .find(|sample| sample.name.ends_with("virtual_currency_pricing_model_b1.csv"))
        .expect("a good sample");
    let folder = Folder::new();
    let before = folder.run(&["ingest", "billing", &good.path]).exits(0);
    assert_eq!(before.code, Some(0));
    let held = folder.held().await;
    let answer = folder.run(&["ingest", "billing", &bad.path, "--json"]).exits(2).json();
    let findings = answer["findings"].as_array().expect("findings");
    for column in ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"] {
        let finding = findings
            .iter()
            .find(|finding| finding["column"] == column)
            .unwrap_or_else(|| panic!("{column} in {answer}"));
        assert_eq!(finding["line"], 2, "{finding}");
        assert!(
            finding["file"].as_str().is_some_and(|file| file.ends_with(REFUSED)),
            "{finding}"
        );
        assert!(finding["remedy"].is_string(), "{finding}");
    }
    assert!(folder.held().await == held, "a refused bill changed the data folder");

    let fresh = Folder::new();
    let both = [good.path.as_str(), bad.path.as_str()];
    let taken = fresh
        .run(&[
            "ingest",
            "billing",
            both[0],
            both[1],
            "--on-error",
            "quarantine",
            "--json",
        ])
        .exits(0)
        .json();
    assert_eq!(taken["deliveries"][0]["rejected_rows"], 1, "{taken}");
    let report = fresh
        .run(&["reconcile", "--period", "2025-04", "--json"])
        .exits(0)
        .json();
    let quarantined = &report["currencies"][0]["quarantined"];
    assert_eq!(
        (&quarantined["rows"], &quarantined["billed"]),
        (&Value::from(1), &Value::from("10000")),
        "{report}"
    );
    assert_eq!(report["currencies"][0]["billed"], "100000", "{report}");
}
