//! Bills of every dialect with bytes changed at random: taken in or refused,
//! never a panic, never memory without end. The targets are plain functions of
//! bytes; the changes follow from a seed, so that a case can be made again.

mod change;
mod seeds;

use change::Changes;
use domain::dialect::native::gcp::JSON_FIELDS;
use domain::dialect::native::{Mapping, Native};
use domain::dialect::{Container, of_native};
use domain::price::Policy;
use lake::Lake;
use lake::ingest::{IngestError, OnError, Part, Request};
use sources::Located;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonnage_tests::{aloud, long};

/// Longest record taken here: a changed quote may swallow the rest of a file.
const MAX_RECORD_BYTES: usize = 1 << 20;
/// More anonymous memory than this is memory without end: seeds have a few kilobytes.
const MAX_ANONYMOUS_KIB: u64 = 1 << 20;

fn duration() -> Duration {
    let ci = std::env::var("CI").as_deref() == Ok("true");
    Duration::from_secs(if long() { 600 } else { if ci { 30 } else { 3 } })
}

/// Takes bytes in as the program does: looks, recognises, reads into a lake.
/// Answers whether they were taken.
fn target(folder: &Path, name: &str, bytes: &[u8], on_error: OnError) -> bool {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a writable folder");
    let located = Located {
        name: name.to_owned(),
        path,
    };
    let Ok(tables) = sources::sight(&located) else {
        return false;
    };
    let mapping = name
        .starts_with("mapped")
        .then(|| Arc::new(Mapping::parse(seeds::MAPPING).expect("a mapping")));
    let mut parts = Vec::new();
    for table in tables {
        let headers = if matches!(table.container, Container::Json { .. }) {
            JSON_FIELDS.iter().map(|field| (*field).to_owned()).collect()
        } else {
            let delimiter = mapping.as_ref().map_or(b',', |mapping| mapping.delimiter);
            let Ok((headers, _)) = sources::header_row(&table, delimiter) else {
                return false;
            };
            let _ = sources::first_rows(&table);
            headers
        };
        let dialect = match &mapping {
            Some(mapping) => of_native(Native::Mapped(Arc::clone(mapping)), &headers),
            None => match sources::detect(&headers, "auto", None) {
                Ok(detected) => detected.dialect,
                Err(_) => return false,
            },
        };
        parts.push(Part {
            name: table.located.name,
            path: table.located.path,
            container: table.container,
            dialect,
        });
    }
    let request = Request {
        delivery_id: "d1",
        source: "fuzz",
        parts: &parts,
        on_error,
        expected_period: None,
        allow_mixed_currencies: true,
        max_record_bytes: MAX_RECORD_BYTES,
        max_findings: 10,
    };
    match lake::ingest(&Lake::memory(), &request, &|_| {}) {
        Ok(_) => true,
        Err(IngestError::Refused(findings)) => {
            assert!(!findings.is_empty(), "refused without a reason");
            false
        }
        Err(IngestError::Lake(error)) => panic!("bad input broke the machinery: {error:?}"),
    }
}

/// Says which case it was when it panics.
struct Case<'c> {
    target: &'c str,
    number: u64,
    bytes: &'c [u8],
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = String::from_utf8_lossy(self.bytes);
            aloud(&format!("fuzz target {}, case {}:\n{text}", self.target, self.number));
        }
    }
}

fn run(name: &str, seeds: &[Vec<u8>]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (started, limit) = (Instant::now(), duration());
    for seed in seeds {
        assert!(
            target(folder.path(), name, seed, OnError::Fail),
            "the seed of {name} is a good bill"
        );
    }
    let (mut cases, mut taken) = (0, 0);
    while started.elapsed() < limit {
        let mut changes = Changes::of(cases);
        let bytes = changes.apply(&seeds[usize::try_from(cases).unwrap_or(0) % seeds.len()]);
        let case = Case {
            target: name,
            number: cases,
            bytes: &bytes,
        };
        let on_error = if cases % 2 == 0 {
            OnError::Fail
        } else {
            OnError::Quarantine
        };
        taken += u64::from(target(folder.path(), name, &bytes, on_error));
        drop(case);
        cases += 1;
    }
    assert!(
        taken > 0 && taken < cases,
        "changes must break some bills and leave some: {taken} of {cases}"
    );
    let kib = anonymous_kib();
    assert!(
        kib.is_none_or(|kib| kib < MAX_ANONYMOUS_KIB),
        "{name} holds {kib:?} KiB"
    );
    aloud(&format!(
        "fuzz {name}: {cases} cases in {:?}, {taken} taken",
        started.elapsed()
    ));
}

/// Anonymous memory of this process, where the system tells.
fn anonymous_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

macro_rules! targets {
    ($($test:ident: $file:literal, $seeds:expr;)*) => {
        $(
            #[test]
            fn $test() {
                run($file, &$seeds);
            }
        )*
    };
}

targets! {
    focus: "focus.csv", seeds::focus();
    aws_cur_legacy: "cur.csv", seeds::aws_legacy();
    aws_cur_2: "cur2.csv", seeds::aws_2();
    azure: "azure.csv", seeds::azure();
    gcp_csv: "gcp.csv", seeds::gcp_csv();
    gcp_json: "gcp.json", seeds::gcp_json();
    oci: "oci.csv", seeds::oci();
    gzip: "focus.csv.gz", seeds::gzip();
    zip: "focus.zip", seeds::zip();
    mapped: "mapped.csv", seeds::mapped();
}

/// Files that people write: read or refused with words, never a panic.
#[test]
fn mappings_and_policies() {
    let (started, limit) = (Instant::now(), duration() / 10);
    let (mut cases, mut taken) = (0, 0);
    while started.elapsed() < limit {
        let mut changes = Changes::of(cases);
        for seed in [seeds::MAPPING, Policy::PRESET] {
            let bytes = changes.apply(seed.as_bytes());
            let case = Case {
                target: "mapping or policy",
                number: cases,
                bytes: &bytes,
            };
            let text = String::from_utf8_lossy(&bytes);
            for problem in [Mapping::parse(&text).err(), Policy::parse(&text).err()] {
                assert!(problem.as_deref() != Some(""), "refused without a reason");
                taken += u64::from(problem.is_none());
            }
            drop(case);
        }
        cases += 1;
    }
    assert!(taken > 0 && taken < cases * 4, "{taken} of {cases} pairs");
}
