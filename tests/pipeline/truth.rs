//! The demo company against the truth its generator wrote without any code of
//! `domain` or `lake` (A44), and wrong ways to split, which the truth must notice.

mod usage;

use crate::folder::Folder;
use chrono::NaiveDate;
use demo::{DemoConfig, DemoFiles};
use domain::allocate::{Cube, Program};
use domain::apportion::{ApportionError, Splitter, apportion};
use domain::charge::Charge;
use domain::class::ClassRules;
use domain::dialect::Binding;
use domain::dialect::native::Rows as Rewritten;
use domain::price::Policy;
use domain::rule::RuleSet;
use domain::{BillingPeriod, Money};
use lake::ChargeFile;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use tonnage::app::App;
use tonnage::app::ingest::IngestBilling;
use tonnage::app::reports::Rows;
use tonnage_tests::{aloud, long};
use wire::{Basis, CostsQuery, SortKey, SortOrder};

const AS_BILLED: &str = "format: 1\ndiscounts: as-billed\nvolume_tiers: as-billed\n";

/// Tenant, service, service tier; empty = no owner.
type Owner = (String, String, String);
/// BilledCost and EffectiveCost by statement month, currency and owner.
type Costs = BTreeMap<(String, String, Owner), (Money, Money)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_company_costs_what_its_truth_says() {
    let folder = Folder::new();
    // the eighth month is the one with the change of owner, the fifth of eight is restated
    let months = if long() { 14 } else { 8 };
    let today = NaiveDate::from_ymd_opt(2026, 11, 22).expect("a date");
    let started = Instant::now();
    let config = DemoConfig { seed: 1, months, today };
    let files = demo::write(folder.path(), &config, &mut |_| {}).expect("a writable folder");
    let truth = read_truth(&folder, &files.truth_bills);
    let rules = std::fs::read_to_string(folder.path().join(&files.rules)).expect("rules");
    let app = folder.app().await;
    app.rules_apply(&rules, None, None).await.expect("good rules");
    // to the last digit as billed; prices evened out are in the truth with usage
    app.prices_apply(AS_BILLED, None, None).await.expect("a policy");
    let written = started.elapsed();
    ingest(&app, &folder, &files).await;
    let taken = started.elapsed();
    let allocated = app
        .allocate(None)
        .await
        .unwrap_or_else(|error| panic!("{}", error.chain()));
    let done = started.elapsed();
    assert_eq!(allocated.len(), months as usize);

    let mut cubes = Costs::new();
    for allocation in app.store().allocations().await.expect("allocations") {
        add(
            &mut cubes,
            &lake::read_cube(app.lake(), &allocation.cube_path).expect("a cube"),
        );
    }
    same(&cubes, &truth, "the cubes");
    reports(&app, &truth).await;
    let reported = started.elapsed();
    mutations(&app, &folder, &files, &rules, &truth).await;
    let mutated = started.elapsed();
    app.prices_apply(Policy::PRESET, None, None)
        .await
        .expect("the policy we ship");
    usage::check(&app, &folder, &files, &rules).await;
    aloud(&format!(
        "demo company: {} rows of {months} months; written {:.1} s, ingested {:.1} s, allocated {:.1} s, reported {:.1} s, mutated {:.1} s; {} hours of usage taken and split {:.1} s",
        files.rows,
        written.as_secs_f64(),
        (taken - written).as_secs_f64(),
        (done - taken).as_secs_f64(),
        (reported - done).as_secs_f64(),
        (mutated - reported).as_secs_f64(),
        files.usage_rows,
        (started.elapsed() - mutated).as_secs_f64()
    ));
}

async fn ingest(app: &App, folder: &Folder, files: &DemoFiles) {
    for delivery in files.deliveries.iter().chain(&files.native) {
        let path = folder.path().join(&delivery.path);
        let mut request = IngestBilling::of(vec![path.display().to_string()]);
        request.source = Some(delivery.source.clone());
        request.is_final = Some(delivery.final_);
        request.period = Some(delivery.billing_period.parse().expect("a month"));
        let taken = app.ingest_billing(&request, Arc::new(|_| {})).await;
        let taken = taken.unwrap_or_else(|error| panic!("{}: {}", path.display(), error.chain()));
        assert_eq!((taken.rejected_rows, taken.unchanged), (0, false), "{}", path.display());
    }
}

fn read_truth(folder: &Folder, file: &std::path::Path) -> Costs {
    let mut reader = csv::Reader::from_path(folder.path().join(file)).expect("a truth file");
    let mut truth = Costs::new();
    for row in reader.records().map(|row| row.expect("RFC 4180")) {
        let text = |at: usize| row[at].to_owned();
        let money = |at: usize| Money::parse(&row[at]).expect("an amount");
        let before = truth.insert((text(0), text(1), (text(2), text(3), text(4))), (money(5), money(6)));
        assert_eq!(before, None, "the truth names every combination once");
    }
    assert!(
        truth.len() > 100,
        "the truth has something to say: {} rows",
        truth.len()
    );
    truth
}

fn add(costs: &mut Costs, cube: &Cube) {
    let at = |name: &str| cube.dimensions.position(name).expect("a dimension every cube has");
    let (tenant, service, tier) = (at("tenant"), at("service"), at("tier"));
    for (key, value) in &cube.lines {
        let owner = |at: usize| key.assignment.values[at].as_deref().unwrap_or("").to_owned();
        let owner = (owner(tenant), owner(service), owner(tier));
        let sum = costs
            .entry((key.period.to_string(), key.currency.to_string(), owner))
            .or_default();
        sum.0 = sum.0.checked_add(value.billed).expect("small");
        sum.1 = sum.1.checked_add(value.effective).expect("small");
    }
}

/// Every row equal, none missing, none extra; says which are not.
#[track_caller]
fn same(found: &Costs, truth: &Costs, what: &str) {
    let keys: BTreeSet<_> = found.keys().chain(truth.keys()).collect();
    let wrong: Vec<String> = keys
        .into_iter()
        .filter(|key| found.get(key) != truth.get(key))
        .map(|key| format!("{key:?}: {:?}, in truth {:?}", found.get(key), truth.get(key)))
        .collect();
    let shown = &wrong[..wrong.len().min(20)];
    assert!(
        wrong.is_empty(),
        "{what}: {} rows of {} differ\n{}",
        wrong.len(),
        truth.len(),
        shown.join("\n")
    );
}

/// The same through the report people use: by tenant and service within each
/// tier, then by tenant alone, and the total.
async fn reports(app: &App, truth: &Costs) {
    let months: BTreeSet<(&str, &str)> = truth
        .keys()
        .map(|(month, currency, _)| (&**month, &**currency))
        .collect();
    let tiers: BTreeSet<&str> = truth.keys().map(|(_, _, (_, _, tier))| &**tier).collect();
    for (month, currency) in months {
        for basis in [Basis::Billed, Basis::Effective] {
            let mut expected: BTreeMap<(&str, &str, &str), Money> = BTreeMap::new();
            for ((at, of, (tenant, service, tier)), (billed, effective)) in truth {
                if at == month && of == currency {
                    let cost = if basis == Basis::Billed { billed } else { effective };
                    expected.insert((tenant, service, tier), *cost);
                }
            }
            let mut found = BTreeMap::new();
            for tier in &tiers {
                let query = CostsQuery {
                    period: Some(month.to_owned()),
                    by: vec!["tenant".to_owned(), "service".to_owned()],
                    basis,
                    currency: Some(currency.to_owned()),
                    against: None,
                    filters: vec![("tier".to_owned(), (*tier).to_owned())],
                    sort: SortKey::Name,
                    dir: SortOrder::Asc,
                    page: 1,
                };
                let report = app
                    .costs(&query, Rows::All)
                    .await
                    .unwrap_or_else(|error| panic!("{}", error.chain()))
                    .report;
                assert_eq!(report.reconciliation.residual, "0", "{month} {currency} {tier}");
                for row in report.rows.iter().filter(|row| row.explain_id.is_some()) {
                    let key = (
                        row.keys["tenant"].clone(),
                        row.keys["service"].clone(),
                        (*tier).to_owned(),
                    );
                    let cost = Money::parse(&row.cost).expect("an amount");
                    assert_eq!(found.insert(key, cost), None, "one row for each combination");
                }
            }
            let found: BTreeMap<(&str, &str, &str), Money> = found
                .iter()
                .map(|((tenant, service, tier), cost)| ((&**tenant, &**service, &**tier), *cost))
                .collect();
            assert!(
                found == expected,
                "{month} {currency} {basis:?}: {found:?}\nin truth {expected:?}"
            );
        }
    }
}

/// Each part cut off on its own: what does not divide is lost.
fn cut_each(total: Money, weights: &[i128]) -> Result<Vec<Money>, ApportionError> {
    let sum: i128 = weights.iter().sum();
    if sum == 0 {
        return Err(ApportionError::ZeroWeights);
    }
    let part = |weight: &i128| {
        let (whole, rest) = (total.units() / sum, total.units() % sum);
        Money::from_units(whole * weight + rest * weight / sum).expect("a part fits its whole")
    };
    Ok(weights.iter().map(part).collect())
}

/// The whole to the first owner in time.
fn first_takes_all(total: Money, weights: &[i128]) -> Result<Vec<Money>, ApportionError> {
    let mut parts = vec![Money::ZERO; weights.len()];
    parts[0] = total;
    Ok(parts)
}

/// Each part rounded to the nearest unit on its own.
fn round_each(total: Money, weights: &[i128]) -> Result<Vec<Money>, ApportionError> {
    let sum: i128 = weights.iter().sum();
    let mut parts = cut_each(total, weights)?;
    for (part, weight) in parts.iter_mut().zip(weights) {
        let left = (total.units() % sum * weight) % sum;
        if 2 * left.abs() >= sum {
            *part = Money::from_units(part.units() + left.signum()).expect("small");
        }
    }
    Ok(parts)
}

/// The last month of eight, where a tenant changes hands.
fn last_month() -> BillingPeriod {
    if long() { "2026-05" } else { "2026-11" }.parse().expect("a month")
}

/// What a month costs and the bills of it that count.
async fn month_of(app: &App, truth: &Costs) -> (Costs, Vec<ChargeFile>) {
    let period = last_month();
    let of_month = truth.iter().filter(|((month, _, _), _)| *month == period.to_string());
    let truth = of_month.map(|(key, cost)| (key.clone(), *cost)).collect();
    let active = app.store().active_files(Some(period)).await.expect("files");
    let charged = active.into_iter().map(|file| ChargeFile {
        path: file.path,
        delivery_id: file.delivery_id,
    });
    (truth, charged.collect())
}

fn program(rules: &str, prices: Policy) -> Program {
    Program {
        rules: RuleSet::parse(rules).expect("good rules"),
        classes: ClassRules::preset(),
        prices,
    }
}

async fn mutations(app: &App, folder: &Folder, files: &DemoFiles, rules: &str, truth: &Costs) {
    let (period, program) = (last_month(), program(rules, Policy::as_billed()));
    let (truth, charged) = month_of(app, truth).await;
    let charges = read_charges(folder, files, period);
    let fast = |split: Splitter| lake::allocate(app.lake(), &charged, &program, split).expect("allocates");
    let reference = |split: Splitter| domain::allocate::allocate(&charges, &program, split).expect("allocates");
    let costs = |cube: &Cube| {
        let mut costs = Costs::new();
        add(&mut costs, cube);
        costs
    };

    let (right, by_reference) = (fast(apportion), reference(apportion));
    same(&costs(&right), &truth, "the fast form");
    same(&costs(&by_reference), &truth, "the reference");
    assert!(
        right == by_reference,
        "the fast form is not the reference on {} charges",
        charges.len()
    );

    let wrong: [(&str, Splitter); 3] = [
        ("each part cut off", cut_each),
        ("the first takes all", first_takes_all),
        ("each part rounded", round_each),
    ];
    for (name, split) in wrong {
        assert!(
            costs(&fast(split)) != truth,
            "the truth does not notice a fast form with {name}"
        );
        assert!(
            costs(&reference(split)) != truth,
            "the truth does not notice a reference with {name}"
        );
    }
}

/// The charges that count in a month, by the scalar reader, from the files themselves.
fn read_charges(folder: &Folder, files: &DemoFiles, period: BillingPeriod) -> Vec<Charge> {
    let month = period.to_string();
    let mut last: BTreeMap<&str, &std::path::Path> = BTreeMap::new();
    let all = files.deliveries.iter().chain(&files.native);
    for delivery in all.filter(|delivery| delivery.billing_period == month) {
        // a later delivery of a source replaces the earlier
        last.insert(&delivery.source, &delivery.path);
    }
    let mut charges = Vec::new();
    for (source, path) in last {
        let file = std::fs::File::open(folder.path().join(path)).expect("a bill");
        let mut reader = csv::Reader::from_reader(flate2::read::MultiGzDecoder::new(file));
        let headers: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
        let dialect = sources::detect(&headers, "auto", None).expect("a known bill").dialect;
        let mut rewriter = dialect
            .native
            .as_ref()
            .map(|native| native.rewriter(&headers).expect("a native bill"));
        let bound = rewriter
            .as_ref()
            .map_or(headers, |rewriter| rewriter.headers().to_vec());
        let binding = Binding::new(&dialect, &bound).expect("a bill");
        for (line, row) in reader.byte_records().enumerate() {
            let row = row.expect("RFC 4180");
            let cells: Vec<&[u8]> = row.iter().collect();
            let mut read = |cells: &[&[u8]]| {
                charges.push(binding.read(&format!("{source}:{line}"), cells).expect("a good row"));
            };
            let Some(rewriter) = &mut rewriter else {
                read(&cells);
                continue;
            };
            let mut rows = Rewritten::default();
            rewriter.row(&cells, &mut rows);
            let cells: Vec<&[u8]> = rows
                .cells
                .iter()
                .map(|(start, end)| &rows.data[*start as usize..*end as usize])
                .collect();
            cells.chunks(bound.len()).for_each(read);
        }
    }
    charges
}
