//! The demo company through a real Prometheus costs what it costs through
//! files: facts and money are equal, to the last digit.

use crate::hub::{CLUSTER, Hour, Hub};
use crate::server::Blocks;
use chrono::NaiveDate;
use demo::{DemoConfig, DemoFiles};
use domain::allocate::{CUBE_COLUMNS, Cube, CubeKey};
use domain::instant::{Day, Instant};
use domain::usage::ClusterDay;
use domain::{BillingPeriod, Money};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tonnage::Config;
use tonnage::app::App;
use tonnage::app::collect::IngestPrometheus;
use tonnage::app::ingest::IngestBilling;
use tonnage::app::usage::IngestUsage;
use tonnage::config::Flags;
use tonnage_tests::{NOW, aloud};

/// Seconds between two scrapes. A pod that is missing for less than twice that
/// was there all along, and no restart of the month is that short.
const INTERVAL_S: i64 = 300;
const MONTH: &str = "2026-10";

/// The company in October, made once.
struct Company {
    folder: TempDir,
    files: DemoFiles,
    hub: Hub,
}

fn company() -> &'static Company {
    static COMPANY: OnceLock<Company> = OnceLock::new();
    COMPANY.get_or_init(|| {
        let folder = TempDir::new().expect("a temporary folder");
        let today = NaiveDate::from_ymd_opt(2026, 11, 1).expect("a date");
        let config = DemoConfig {
            seed: 1,
            months: 1,
            today,
        };
        let files = demo::write(folder.path(), &config, &mut |_| {}).expect("a writable folder");
        let hub = Hub::read(
            &folder.path().join(&files.usage[0]),
            &folder.path().join(&files.nodes[0]),
        );
        Company { folder, files, hub }
    })
}

/// A data folder with the bills and rules of the company.
struct Books {
    _folder: TempDir,
    app: App,
}

impl Books {
    async fn open() -> Books {
        let company = company();
        let folder = TempDir::new().expect("a temporary folder");
        let flags = Flags {
            data_dir: Some(folder.path().to_owned()),
            ..Flags::default()
        };
        let env = |name: &str| (name == "TONNAGE_NOW").then(|| NOW.to_owned());
        let app = App::open(
            &Config::load(flags, &env).expect("a valid configuration"),
            domain::access::Scope::shell("test"),
        )
        .await
        .expect("a data folder");
        let rules = std::fs::read_to_string(company.folder.path().join(&company.files.rules)).expect("rules");
        app.rules_apply(&rules, None, None).await.expect("good rules");
        for delivery in &company.files.deliveries {
            let path = company.folder.path().join(&delivery.path);
            let mut request = IngestBilling::of(vec![path.display().to_string()]);
            request.source = Some(delivery.source.clone());
            let taken = app.ingest_billing(&request, Arc::new(|_| {})).await;
            taken.unwrap_or_else(|error| panic!("{}", error.chain()));
        }
        Books { _folder: folder, app }
    }

    async fn by_files(hub: &Hub) -> Books {
        let books = Books::open().await;
        let folder = TempDir::new().expect("a temporary folder");
        let (containers, nodes) = hub.files();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("a writable folder");
            folder.path().join(name).display().to_string()
        };
        let request = IngestUsage {
            paths: vec![write("nodes.csv", &nodes), write("containers.csv", &containers)],
            source: None,
            skip_bad_rows: false,
        };
        let taken = books.app.ingest_usage(&request, Arc::new(|_| {})).await;
        let taken = taken.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert!(taken.findings.is_empty(), "{:?}", taken.findings);
        books
    }

    /// Through a server that is started on the series; `None` without one.
    async fn by_prometheus(test: &str, series: &str, hours: std::ops::Range<Hour>) -> Option<Books> {
        let blocks = Blocks::make(test, series)?;
        let server = blocks.start("", &[]);
        let books = Books::open().await;
        let at = |hour: Hour| Some(Instant(hour * 3_600_000_000));
        let request = IngestPrometheus {
            url: server.url(),
            token: None,
            tenant: None,
            cluster: CLUSTER.to_owned(),
            matchers: Vec::new(),
            from: at(hours.start),
            to: at(hours.end),
            chunk_hours: 24,
            source: None,
        };
        let loaded = books.app.ingest_prometheus(&request, &|_| {}).await;
        let loaded = loaded.unwrap_or_else(|error| panic!("{}", error.chain()));
        // a silence is told; nothing else is remarkable
        let others = loaded.findings.iter().filter(|f| f.code != "unobserved_node_hours");
        assert_eq!(others.count(), 0, "{:?}", loaded.findings);
        Some(books)
    }

    /// The facts of every day.
    async fn facts(&self) -> Vec<ClusterDay> {
        let days = self.app.store().usage_days(Day(i32::MIN), Day(i32::MAX)).await;
        let read = days.expect("days").into_iter().map(|row| {
            let file = tonnage::app::usage::usage_file(row);
            lake::usage::read_day(self.app.lake(), &file).expect("a day")
        });
        read.collect()
    }

    async fn cube(&self) -> Cube {
        let period: BillingPeriod = MONTH.parse().expect("a month");
        let allocated = self.app.allocate(Some(period)).await;
        allocated.unwrap_or_else(|error| panic!("{}", error.chain()));
        let allocations = self.app.store().allocations().await.expect("allocations");
        let of_month = allocations.iter().find(|allocation| allocation.period == period);
        lake::read_cube(self.app.lake(), &of_month.expect("October").cube_path).expect("a cube")
    }
}

/// Days that differ, hour by hour, so that a failure can be read.
fn same_facts(found: &[ClusterDay], expected: &[ClusterDay]) {
    let days = |facts: &[ClusterDay]| facts.iter().map(|day| day.day).collect::<Vec<_>>();
    assert_eq!(days(found), days(expected));
    for (found, expected) in found.iter().zip(expected) {
        for (found, expected) in found.nodes.iter().zip(&expected.nodes) {
            assert_eq!(found, expected, "a node");
        }
        for ((slot, found), (other, expected)) in found.slots.iter().zip(&expected.slots) {
            assert_eq!(slot, other, "a container");
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(found, expected, "{slot:?} at {}", found.hour);
            }
        }
        // what sizing needs is spread over samples there and made up in the files: money does not see it
        let money = |day: &ClusterDay| ClusterDay {
            sizing: Vec::new(),
            ..day.clone()
        };
        assert_eq!(money(found), money(expected));
    }
}

fn column<'k>(key: &'k CubeKey, name: &str) -> &'k str {
    let at = CUBE_COLUMNS
        .iter()
        .position(|column| *column == name)
        .expect("a column");
    key.columns[at].as_deref().unwrap_or("")
}

/// Effective cost of the cluster by currency and some keys.
fn cost(cube: &Cube, keys: impl Fn(&CubeKey) -> String) -> BTreeMap<(String, String), Money> {
    let mut sums: BTreeMap<(String, String), Money> = BTreeMap::new();
    for (key, value) in &cube.lines {
        if column(key, "Cluster") == CLUSTER {
            let sum = sums.entry((key.currency.to_string(), keys(key))).or_default();
            *sum = sum.checked_add(value.effective).expect("small");
        }
    }
    sums
}

fn by_part(cube: &Cube) -> BTreeMap<(String, String), Money> {
    cost(cube, |key| column(key, "AllocationPart").to_owned())
}

/// By tenant, service and part.
fn by_owner(cube: &Cube) -> BTreeMap<(String, String), Money> {
    cost(cube, |key| {
        let owner = |name: &str| {
            let at = cube.dimensions.position(name).expect("a dimension");
            key.assignment.values[at].as_deref().unwrap_or("")
        };
        format!(
            "{}/{}/{}",
            owner("tenant"),
            owner("service"),
            column(key, "AllocationPart")
        )
    })
}

fn milliseconds(hour: Hour) -> i64 {
    hour * 3_600_000
}

/// The whole month: restarts, boots, bursts and a pod with overhead in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_through_prometheus_is_the_month_through_files() {
    let started = std::time::Instant::now();
    let hub = &company().hub;
    let first: Hour = i64::from(MONTH.parse::<BillingPeriod>().expect("a month").first_day().0) * 24;
    let series = hub.series(INTERVAL_S, 0..0);
    let samples = series.lines().count();
    let Some(loaded) = Books::by_prometheus("the demo's month", &series, first..first + 31 * 24).await else {
        return;
    };
    let filed = Books::by_files(hub).await;
    let (facts, expected) = (loaded.facts().await, filed.facts().await);
    assert_eq!(expected.len(), 31);
    same_facts(&facts, &expected);
    let (cube, other) = (loaded.cube().await, filed.cube().await);
    let owners = by_owner(&cube);
    assert!(owners.len() > 10, "{owners:?}");
    assert_eq!(owners, by_owner(&other));
    assert!(cube == other, "whole cubes");
    aloud(&format!(
        "{CLUSTER} in {MONTH} through Prometheus: {samples} samples, {} container hours, {} figures equal to the digit, {:.1} s",
        hub.uses.len(),
        owners.len(),
        started.elapsed().as_secs_f64()
    ));
}

/// Scraped twice as often, constant usage is the same facts and the same money.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_the_scrape_interval_changes_nothing() {
    let hub = &company().hub;
    let day = hub.whole_day();
    let hub = hub.constant(day.clone(), 10);
    let mut seen: Option<(Vec<ClusterDay>, Cube)> = None;
    for interval_s in [INTERVAL_S, INTERVAL_S / 2] {
        let series = hub.series(interval_s, 0..0);
        let Some(books) = Books::by_prometheus("half the interval", &series, day.clone()).await else {
            return;
        };
        let (facts, cube) = (books.facts().await, books.cube().await);
        if let Some((before, money)) = &seen {
            same_facts(&facts, before);
            assert!(cube == *money, "half the interval costs otherwise");
        }
        seen = Some((facts, cube));
    }
}

/// Three hours in which nothing was scraped: no total and no idle capacity changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hours_without_samples_change_no_total_and_no_idle_capacity() {
    let hub = &company().hub;
    let day = hub.whole_day();
    let hub = hub.constant(day.clone(), 10);
    let silence = milliseconds(day.start + 13)..milliseconds(day.start + 16);
    let mut costs = Vec::new();
    for silence in [0..0, silence] {
        let series = hub.series(INTERVAL_S, silence);
        let Some(books) = Books::by_prometheus("three hours of silence", &series, day.clone()).await else {
            return;
        };
        costs.push(by_part(&books.cube().await));
    }
    let total = |costs: &BTreeMap<(String, String), Money>| {
        costs
            .values()
            .try_fold(Money::ZERO, |sum, part| sum.checked_add(*part))
            .expect("small")
    };
    assert_eq!(total(&costs[0]), total(&costs[1]));
    let part = |costs: &BTreeMap<(String, String), Money>, name: &str| {
        let of = costs
            .iter()
            .filter(|((_, part), _)| part == name)
            .map(|(_, cost)| *cost);
        of.fold(Money::ZERO, |sum, cost| sum.checked_add(cost).expect("small"))
    };
    for name in ["idle_capacity", "system_reserved", "not_ready"] {
        assert_eq!(part(&costs[0], name), part(&costs[1], name), "{name}");
    }
    let unobserved = part(&costs[1], "unobserved");
    assert_ne!(unobserved, part(&costs[0], "unobserved"), "the silence is told");
    assert_ne!(part(&costs[0], "idle_capacity"), Money::ZERO);
}

/// Restarts, bursts and overheads are in it: equality would else be cheap.
#[test]
fn the_hub_is_worth_the_comparison() {
    let hub = &company().hub;
    let restarts = hub.ready.values().filter(|ready| **ready < 3_600).count();
    let bursts = hub
        .uses
        .values()
        .filter(|used| used.effective[0] > used.request[0].max(used.used[0]));
    let overhead = hub.uses.keys().filter(|(slot, _)| slot.role == "pod_overhead");
    assert!(restarts > 10 && bursts.count() > 1_000 && overhead.count() > 100);
}
