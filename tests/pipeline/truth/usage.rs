//! The demo company with usage: who pays for nodes and their disks, volumes,
//! load balancers and control planes, and what each of them is made of.

use super::{Costs, add, first_takes_all, last_month, month_of, program, read_truth};
use crate::folder::Folder;
use demo::DemoFiles;
use domain::Money;
use domain::allocate::{CUBE_COLUMNS, Cube, CubeKey};
use domain::apportion::{ApportionError, Splitter, apportion};
use domain::class::Class;
use domain::finding::Severity;
use domain::price::Policy;
use lake::usage::UsageFile;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tonnage::app::App;
use tonnage::app::usage::{IngestUsage, usage_file};

/// What a truth of 18 decimals and a program of 24 may differ by in a line.
const CLOSE: &str = "0.000000001";

/// With usage: node costs by owner and by part, as the generator worked them
/// out in fractions of its own; months and currencies add up exactly.
pub(super) async fn check(app: &App, folder: &Folder, files: &DemoFiles, rules: &str) {
    for month in files.usage_by_month() {
        let request = IngestUsage {
            paths: month
                .map(|file| folder.path().join(file).display().to_string())
                .to_vec(),
            source: None,
            skip_bad_rows: false,
        };
        let taken = app.ingest_usage(&request, Arc::new(|_| {})).await;
        let taken = taken.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!((taken.rejected_rows, taken.unchanged), (0, false));
        let remarkable = taken.findings.iter().find(|finding| finding.severity > Severity::Info);
        assert!(remarkable.is_none(), "{remarkable:?}");
        let again = app
            .ingest_usage(&request, Arc::new(|_| {}))
            .await
            .expect("the same bytes");
        assert!(again.unchanged);
    }
    let allocated = app
        .allocate(None)
        .await
        .unwrap_or_else(|error| panic!("{}", error.chain()));
    for finding in allocated.iter().flat_map(|allocated| &allocated.findings) {
        // the clusters of dedicated tenants and forgotten machines have no usage
        let meant = finding.severity == Severity::Info || finding.code == "node_cost_without_usage";
        assert!(meant, "{finding:?}");
    }
    let (mut owners, mut parts, mut resources) = (Costs::new(), Parts::new(), Resources::new());
    for allocation in app.store().allocations().await.expect("allocations") {
        let cube = lake::read_cube(app.lake(), &allocation.cube_path).expect("a cube");
        add(&mut owners, &cube);
        add_parts(&mut parts, &cube);
        add_resources(&mut resources, &cube);
    }
    let truth = read_truth(folder, &files.truth);
    close(&owners, &truth);
    let months = |costs: &Costs| {
        let mut sums: BTreeMap<(String, String), (Money, Money)> = BTreeMap::new();
        for ((month, currency, _), (billed, effective)) in costs {
            let sum = sums.entry((month.clone(), currency.clone())).or_default();
            sum.0 = sum.0.checked_add(*billed).expect("small");
            sum.1 = sum.1.checked_add(*effective).expect("small");
        }
        sums
    };
    assert_eq!(months(&owners), months(&truth), "months and currencies add up exactly");
    wrong_usage(app, rules, &truth).await;
    let truth = read_parts(folder, files);
    close_sums(&parts, &truth);
    let kinds: BTreeSet<&str> = truth.keys().map(|(_, _, part)| part.as_str()).collect();
    assert_eq!(kinds.len(), 9, "the demo has every part: {kinds:?}");
    let truth = read_resources(folder, files);
    close_sums(&resources, &truth);
    let kinds: BTreeSet<_> = truth.keys().map(|key| (&key[2], &key[3])).collect();
    assert_eq!(kinds.len(), 9, "the demo has every part: {kinds:?}");
}

/// Effective cost by month, cluster and part of the node.
type Parts = BTreeMap<(String, String, String), Money>;
/// Effective cost by month, cluster, class, part, tenant, service and tier.
type Resources = BTreeMap<[String; 7], Money>;

fn column(key: &CubeKey, name: &str) -> String {
    let at = CUBE_COLUMNS
        .iter()
        .position(|column| *column == name)
        .expect("a column");
    key.columns[at].as_deref().unwrap_or_default().to_owned()
}

fn add_parts(parts: &mut Parts, cube: &Cube) {
    for (key, value) in &cube.lines {
        let cluster = column(key, "Cluster");
        if key.class == Class::NodeCompute && !cluster.is_empty() {
            let sum = parts
                .entry((key.period.to_string(), cluster, column(key, "AllocationPart")))
                .or_default();
            *sum = sum.checked_add(value.effective).expect("small");
        }
    }
}

/// What clusters have beside their machines, and the disks of these.
fn add_resources(resources: &mut Resources, cube: &Cube) {
    let at = |name: &str| cube.dimensions.position(name).expect("a dimension every cube has");
    let owner = ["tenant", "service", "tier"].map(at);
    for (key, value) in &cube.lines {
        let (cluster, part) = (column(key, "Cluster"), column(key, "AllocationPart"));
        if key.class == Class::NodeCompute || cluster.is_empty() || part.is_empty() {
            continue;
        }
        let [tenant, service, tier] = owner.map(|at| key.assignment.values[at].as_deref().unwrap_or("").to_owned());
        let class = key.class.as_str().to_owned();
        let key = [key.period.to_string(), cluster, class, part, tenant, service, tier];
        let sum = resources.entry(key).or_default();
        *sum = sum.checked_add(value.effective).expect("small");
    }
}

fn read_resources(folder: &Folder, files: &DemoFiles) -> Resources {
    let mut reader = csv::Reader::from_path(folder.path().join(&files.truth_resources)).expect("a truth file");
    let mut resources = Resources::new();
    for row in reader.records().map(|row| row.expect("RFC 4180")) {
        // what nothing was there to follow has no part
        if !row[5].is_empty() {
            let sum = resources
                .entry([0, 2, 3, 5, 6, 7, 8].map(|at| row[at].to_owned()))
                .or_default();
            let cost = Money::parse(&row[9]).expect("an amount");
            *sum = sum.checked_add(cost).expect("small");
        }
    }
    resources
}

/// Says which sums are not close, most of them at once.
#[track_caller]
fn close_sums<K: Ord + std::fmt::Debug>(found: &BTreeMap<K, Money>, truth: &BTreeMap<K, Money>) {
    let keys: BTreeSet<_> = found.keys().chain(truth.keys()).collect();
    let of = |sums: &BTreeMap<K, Money>, key| sums.get(key).copied().unwrap_or_default();
    let wrong: Vec<String> = keys
        .into_iter()
        .map(|key| (key, of(found, key), of(truth, key)))
        .filter(|(_, found, expected)| !is_close(*found, *expected))
        .map(|(key, found, expected)| format!("{key:?}: {found}, in truth {expected}"))
        .collect();
    let shown = &wrong[..wrong.len().min(20)];
    assert!(wrong.is_empty(), "{} sums differ\n{}", wrong.len(), shown.join("\n"));
}

fn read_parts(folder: &Folder, files: &DemoFiles) -> Parts {
    let mut reader = csv::Reader::from_path(folder.path().join(&files.truth_split)).expect("a truth file");
    let mut parts = Parts::new();
    for row in reader.records().map(|row| row.expect("RFC 4180")) {
        let sum = parts
            .entry((row[0].to_owned(), row[2].to_owned(), row[4].to_owned()))
            .or_default();
        *sum = sum
            .checked_add(Money::parse(&row[5]).expect("an amount"))
            .expect("small");
    }
    parts
}

fn is_close(one: Money, two: Money) -> bool {
    one.checked_sub(two).expect("small").abs() <= Money::parse(CLOSE).expect("an amount")
}

#[track_caller]
fn close(found: &Costs, truth: &Costs) {
    let sums = |costs: &Costs, pick: fn(&(Money, Money)) -> Money| -> BTreeMap<_, Money> {
        costs.iter().map(|(key, cost)| (key.clone(), pick(cost))).collect()
    };
    for pick in [|cost: &(Money, Money)| cost.0, |cost: &(Money, Money)| cost.1] {
        close_sums(&sums(found, pick), &sums(truth, pick));
    }
}

/// With usage, the truth notices who takes it apart wrongly or not at all.
async fn wrong_usage(app: &App, rules: &str, truth: &Costs) {
    let (period, program) = (last_month(), program(rules, Policy::preset()));
    let (truth, charged) = month_of(app, truth).await;
    let days = (period.first_day(), period.next().first_day());
    let rows = app.store().usage_days(days.0, days.1).await.expect("usage");
    let right: Vec<UsageFile> = rows.into_iter().map(usage_file).collect();
    let without = |forget: fn(&mut UsageFile)| {
        let mut usage = right.clone();
        usage.iter_mut().for_each(forget);
        usage
    };
    let noticed = |usage: &[UsageFile], split: Splitter| {
        let allocation = lake::allocate_with_usage(app.lake(), &charged, usage, Some(period), &program, split);
        let allocation = match allocation {
            Ok(allocation) => allocation,
            // the pass itself noticed that the parts are not the node
            Err(lake::LakeError::Unbalanced { .. }) => return true,
            Err(error) => panic!("allocates: {error}"),
        };
        let mut costs = Costs::new();
        add(&mut costs, &allocation.cube);
        let keys: BTreeSet<_> = costs.keys().chain(truth.keys()).collect();
        let of = |costs: &Costs, key| costs.get(key).copied().unwrap_or_default();
        keys.into_iter()
            .any(|key| !is_close(of(&costs, key).1, of(&truth, key).1))
    };
    assert!(!noticed(&right, apportion));
    for (what, usage, split) in [
        (
            "volumes by their tags",
            without(|day| day.volumes_path = None),
            apportion as Splitter,
        ),
        (
            "balancers by their tags",
            without(|day| day.balancers_path = None),
            apportion,
        ),
        ("all to the first", right.clone(), first_takes_all),
        ("all alike", right.clone(), all_alike),
    ] {
        assert!(noticed(&usage, split), "the truth does not notice {what}");
    }
}

/// Everybody the same, whatever he holds.
fn all_alike(total: Money, weights: &[i128]) -> Result<Vec<Money>, ApportionError> {
    apportion(total, &vec![1; weights.len()])
}
