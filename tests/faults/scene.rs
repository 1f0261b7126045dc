//! A bill whose ingest takes long enough to be interrupted, and the state a
//! data folder must end in.

use domain::BillingPeriod;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::Store;
use tempfile::TempDir;
use tonnage_tests::bill::{Charge, HEADER, charge, line};
use tonnage_tests::program::run;

pub const MONTHS: [&str; 2] = ["2026-09", "2026-10"];
pub const ROWS: u64 = 40_000;

/// One tenant changes hands inside a month, so that charges are cut.
const RULES: &str = "format: 1
rules:
  - {name: moved, from: 2026-10-11, when: {tag: tenant, equals: t3}, set: {tenant: t4}}
  - name: tenant tag
    set:
      tenant: {tag: tenant}
      cost_centre: {column: x_Cost_Centre}
";

/// Files shared by all data folders of a test.
pub struct Scene {
    dir: TempDir,
    pub bill: String,
    pub usage: String,
    pub rules: String,
}

impl Scene {
    pub fn new() -> Scene {
        let dir = TempDir::new().expect("a temporary folder");
        let bill = write(dir.path(), "bill.csv.gz", &big_bill("4711"));
        let usage = dir.path().join("usage");
        std::fs::create_dir(&usage).expect("a writable folder");
        let (nodes, containers) = facts();
        let _ = write(&usage, "nodes.csv.gz", &nodes);
        let _ = write(&usage, "containers.csv.gz", &containers);
        let usage = usage.display().to_string();
        let rules = dir.path().join("rules.yaml");
        std::fs::write(&rules, RULES).expect("a writable folder");
        let rules = rules.display().to_string();
        Scene {
            dir,
            bill,
            usage,
            rules,
        }
    }

    /// Another account's bill of the same size.
    pub fn other_bill(&self) -> String {
        write(self.dir.path(), "other.csv.gz", &big_bill("0815"))
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Applies the rules in a new data folder, which also makes the database.
    pub fn prepared(&self, name: &str) -> PathBuf {
        let data = self.folder(name);
        let _ = run(&data, &["rules", "apply", &self.rules]).exits(0);
        data
    }

    pub fn ingest_usage(&self) -> [&str; 3] {
        ["ingest", "usage", &self.usage]
    }

    pub fn ingest(&self) -> [&str; 6] {
        ["ingest", "billing", &self.bill, "--source", "payer", "--no-allocate"]
    }
}

/// Hours of two nodes and their containers over both months.
fn facts() -> (String, String) {
    let mut nodes = "hour,cluster,node,provider_id,ready_seconds,observed_seconds,cpu_capacity_millicores,cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib\n".to_owned();
    let mut containers = "hour,cluster,node,namespace,pod,container,seconds,cpu_request_core_ms,cpu_usage_core_ms,memory_request_mib_s,memory_usage_mib_s\n".to_owned();
    let mut random = Random(11);
    for month in MONTHS {
        for day in 1..=28 {
            for node in ["n1", "n2"] {
                for hour in 0..24 {
                    let at = format!("{month}-{day:02}T{hour:02}:00:00Z");
                    nodes.push_str(&format!("{at},c,{node},{node},3600,3600,4000,3900,16384,15000\n"));
                    for tenant in 0..6 {
                        let used = random.below(3_600_000);
                        containers.push_str(&format!(
                            "{at},c,{node},t{tenant},p{tenant},app,3600,1800000,{used},3600000,{used}\n"
                        ));
                    }
                }
            }
        }
    }
    (nodes, containers)
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    let file = std::fs::File::create(&path).expect("a writable folder");
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("a writable folder");
    encoder
        .finish()
        .expect("a writable folder")
        .sync_all()
        .expect("a writable folder");
    path.display().to_string()
}

fn big_bill(account: &str) -> String {
    let mut text = format!("{HEADER}\n");
    let mut random = Random(7);
    for row in 0..ROWS {
        let month = MONTHS[usize::from(row % 3 == 0)];
        let tenant = format!("t{}", random.below(40));
        let tenant = if random.below(20) == 0 { "" } else { &tenant };
        let cost = format!("{}.{:012}", random.below(9), random.below(1_000_000_000_000));
        let day = 1 + random.below(28) as u32;
        text.push_str(&line(&Charge {
            account,
            ..charge(month, day, tenant, &cost)
        }));
        text.push('\n');
    }
    text
}

/// A small generator, so that a run can be repeated.
pub struct Random(pub u64);

impl Random {
    /// Splitmix64.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Everything that must not depend on what happened on the way.
#[derive(Debug, PartialEq)]
pub struct State {
    reconcile: Value,
    reports: Vec<Value>,
    /// Files the manifest names, with their hashes: all are there, and no other counts.
    named: BTreeMap<PathBuf, u64>,
    deliveries: Vec<String>,
    rows: u64,
}

impl State {
    pub async fn of(data: &Path) -> State {
        let reconcile = run(data, &["reconcile", "--json"]).exits(0).json();
        let mut reports = Vec::new();
        for month in MONTHS {
            for basis in ["billed", "effective"] {
                let by = [
                    "report",
                    "costs",
                    "--period",
                    month,
                    "--by",
                    "tenant,cost_centre",
                    "--basis",
                    basis,
                    "--json",
                ];
                reports.push(run(data, &by).exits(0).json());
            }
        }
        let store = open(data).await;
        let mut named = BTreeMap::new();
        let files = tonnage_tests::listing(&data.join("lake"));
        for path in store.named_paths().await.expect("named files") {
            let hash = files
                .get(Path::new(&path))
                .unwrap_or_else(|| panic!("{path} is named but not there"));
            named.insert(PathBuf::from(path), *hash);
        }
        let deliveries = store.deliveries(None).await.expect("deliveries");
        let deliveries = deliveries
            .iter()
            .map(|d| format!("{} {} {:?}", d.delivery_id, d.source_id, d.periods))
            .collect();
        let mut rows = 0;
        for month in MONTHS {
            let period: BillingPeriod = month.parse().expect("a month");
            rows += store
                .active_files(Some(period))
                .await
                .expect("files")
                .iter()
                .map(|file| file.rows)
                .sum::<u64>();
        }
        store.close().await;
        State {
            reconcile: timeless(reconcile),
            reports,
            named,
            deliveries,
            rows,
        }
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Equal but for the names of cubes and explain ids: they hold the number of
    /// the rules, which differs where the same rules had to be applied again.
    pub fn same_figures(&self, other: &State) -> bool {
        let costs = |state: &State| -> Vec<Value> {
            let rows = state
                .reports
                .iter()
                .flat_map(|report| report["rows"].as_array().cloned().unwrap_or_default());
            rows.map(|row| serde_json::json!([row["keys"], row["cost"]])).collect()
        };
        self.rows == other.rows
            && self.deliveries == other.deliveries
            && costs(self) == costs(other)
            && self.named.len() == other.named.len()
    }
}

pub async fn open(data: &Path) -> Store {
    Store::open(
        &format!("sqlite://{}", data.join("tonnage.db").display()),
        domain::access::Scope::shell("test"),
    )
    .await
    .expect("a database")
}

/// Without the moments things happened at; the clock is fixed, but not all is the clock's.
fn timeless(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|key, _| !key.ends_with("_at") && key != "as_of");
                map.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}

/// What an undisturbed run ends in, and how long its steps take: bill, usage, allocation.
pub async fn undisturbed(scene: &Scene) -> (State, [Duration; 3]) {
    let data = scene.prepared("undisturbed");
    let timed = |args: &[&str]| {
        let started = Instant::now();
        let _ = run(&data, args).exits(0);
        started.elapsed()
    };
    let took = [
        timed(&scene.ingest()),
        timed(&scene.ingest_usage()),
        timed(&["allocate"]),
    ];
    let state = State::of(&data).await;
    assert_eq!(state.rows(), ROWS);
    (state, took)
}
