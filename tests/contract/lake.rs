//! What every lake keeps: files are immutable and durable, a bill can be read
//! back as it was taken in, a cube comes back as it went.

use domain::Money;
use domain::allocate::Program;
use domain::apportion::apportion;
use domain::class::ClassRules;
use domain::dialect::{Container, focus};
use domain::rule::RuleSet;
use lake::ingest::{IngestError, MAX_FINDINGS, MAX_RECORD_BYTES, OnError, Part, Request, Staged};
use lake::{ChargeFile, Lake, LakeError, StoredFile, read_cube, write_cube};
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tonnage_tests::bill::{Charge, RULES, charge, csv};

/// Runs a case on a lake of every kind.
fn on_every_lake(case: impl Fn(&Lake, &Path)) {
    let folder = TempDir::new().expect("a temporary folder");
    let inputs = folder.path().join("inputs");
    std::fs::create_dir(&inputs).expect("a writable folder");
    case(&Lake::file(&folder.path().join("lake")).expect("a folder"), &inputs);
    case(&Lake::memory(), &inputs);
}

fn put(lake: &Lake, path: &str, text: &str) -> Result<StoredFile, LakeError> {
    let mut staged = lake.staging().expect("a staging file");
    staged.write_all(text.as_bytes()).expect("room for it");
    lake.put(staged, path)
}

fn paths(lake: &Lake, prefix: &str) -> Vec<String> {
    lake.list(prefix)
        .expect("a listing")
        .into_iter()
        .map(|listed| listed.path)
        .collect()
}

#[test]
fn a_file_is_there_whole_or_not_at_all() {
    on_every_lake(|lake, _| {
        let staged = lake.staging().expect("a staging file");
        assert!(!lake.exists("a/one").expect("an answer"));
        drop(staged);
        let stored = put(lake, "a/one", "first").expect("stored");
        assert_eq!((stored.path.as_str(), stored.bytes), ("a/one", 5));
        assert!(lake.exists("a/one").expect("an answer"));
        assert_eq!(lake.read("a/one").expect("content"), b"first");
        let local = lake.local("a/one").expect("a local path");
        assert_eq!(std::fs::read(local.path()).expect("content"), b"first");
        assert!(matches!(lake.read("a/none"), Err(LakeError::Missing { .. })));
        assert!(matches!(lake.local("a/none"), Err(LakeError::Missing { .. })));
    });
}

#[test]
fn a_file_never_changes() {
    on_every_lake(|lake, _| {
        let stored = put(lake, "a/one", "first").expect("stored");
        assert_eq!(put(lake, "a/one", "first").expect("the same again"), stored);
        assert!(matches!(put(lake, "a/one", "other"), Err(LakeError::Immutable { .. })));
        assert_eq!(lake.read("a/one").expect("content"), b"first");
        assert_eq!(paths(lake, ""), ["a/one"], "a refused write leaves nothing");
    });
}

#[test]
fn no_path_leads_out_of_the_lake() {
    on_every_lake(|lake, _| {
        for bad in ["", "/etc/passwd", "../up", "a/../../up", "a//b", "a\\b"] {
            assert!(matches!(put(lake, bad, "x"), Err(LakeError::BadPath { .. })), "{bad:?}");
        }
        assert!(paths(lake, "").is_empty());
    });
}

#[test]
fn a_clean_up_removes_what_is_old_and_unnamed() {
    on_every_lake(|lake, _| {
        for path in ["a/named", "a/stray", "b/stray"] {
            put(lake, path, path).expect("stored");
        }
        assert_eq!(paths(lake, "a"), ["a/named", "a/stray"]);
        let named = HashSet::from(["a/named".to_owned()]);
        let young = SystemTime::now() - Duration::from_secs(3600);
        assert!(
            lake.remove_unnamed(&named, young).expect("a clean-up").is_empty(),
            "a writer may still need them"
        );
        let old = SystemTime::now() + Duration::from_secs(3600);
        assert_eq!(
            lake.remove_unnamed(&named, old).expect("a clean-up"),
            ["a/stray", "b/stray"]
        );
        assert_eq!(paths(lake, ""), ["a/named"]);
        lake.remove("a/named").expect("removed");
        lake.remove("a/named").expect("not there is fine");
    });
}

/// Two months, two currencies, 24 digits.
fn charges() -> [Charge<'static>; 4] {
    [
        charge("2026-10", 1, "acme", "1.000000000000000000000001"),
        charge("2026-10", 2, "", "-0.5"),
        charge("2026-11", 3, "globex", "1.81E-8"),
        Charge {
            account: "0815",
            currency: "EUR",
            ..charge("2026-11", 4, "acme", "7")
        },
    ]
}

fn take(lake: &Lake, inputs: &Path, delivery_id: &str, text: &str, on_error: OnError) -> Result<Staged, IngestError> {
    let path = inputs.join(format!("{delivery_id}.csv"));
    std::fs::write(&path, text).expect("a writable folder");
    let dialect = focus("1.0").expect("known");
    let parts = [Part {
        name: "bill.csv".to_owned(),
        path,
        container: Container::Plain,
        dialect,
    }];
    let request = Request {
        delivery_id,
        source: "payer",
        parts: &parts,
        on_error,
        expected_period: None,
        allow_mixed_currencies: false,
        max_record_bytes: MAX_RECORD_BYTES,
        max_findings: MAX_FINDINGS,
    };
    lake::ingest(lake, &request, &|_| {})
}

fn program() -> Program {
    Program {
        rules: RuleSet::parse(RULES).expect("good rules"),
        classes: ClassRules::preset(),
        prices: domain::price::Policy::preset(),
    }
}

fn charged(staged: &Staged, delivery_id: &str) -> Vec<ChargeFile> {
    staged
        .files
        .iter()
        .map(|file| ChargeFile {
            path: file.path.clone(),
            delivery_id: delivery_id.to_owned(),
        })
        .collect()
}

#[test]
fn a_bill_reads_back_as_it_was_taken_in() {
    on_every_lake(|lake, inputs| {
        let staged = take(lake, inputs, "d1", &csv(&charges()), OnError::Fail).expect("a good bill");
        assert_eq!(staged.files.iter().map(|file| file.rows).sum::<u64>(), 4);
        let totals: Vec<(String, String, u64, String)> = staged
            .totals
            .iter()
            .map(|total| {
                (
                    total.period.to_string(),
                    total.currency.to_string(),
                    total.rows,
                    total.billed.to_string(),
                )
            })
            .collect();
        let expected = [
            ("2026-10", "USD", 2, "0.500000000000000000000001"),
            ("2026-11", "EUR", 1, "7"),
            ("2026-11", "USD", 1, "0.0000000181"),
        ]
        .map(|(period, currency, rows, billed)| (period.to_owned(), currency.to_owned(), rows, billed.to_owned()));
        assert_eq!(totals, expected);
        for file in &staged.files {
            assert!(lake.exists(&file.path).expect("an answer"), "{}", file.path);
        }
        let covers = |_: &domain::allocate::CubeKey| true;
        let files = charged(&staged, "d1");
        let lines = lake::query::bill_lines(
            lake,
            &files,
            &[],
            &program(),
            &covers,
            lake::query::Basis::Billed,
            (0..10, &lake::query::Level::Things),
        )
        .expect("lines");
        let mut costs: Vec<(u64, String)> = lines
            .lines
            .iter()
            .map(|line| (line.line, line.billed.to_string()))
            .collect();
        costs.sort();
        let expected = [
            (2, "1.000000000000000000000001"),
            (3, "-0.5"),
            (4, "0.0000000181"),
            (5, "7"),
        ];
        assert_eq!(costs, expected.map(|(line, cost)| (line, cost.to_owned())));
        // the same delivery again writes the same bytes under the same names
        let before = paths(lake, "");
        assert_eq!(
            take(lake, inputs, "d1", &csv(&charges()), OnError::Fail).expect("the same again"),
            staged
        );
        assert_eq!(paths(lake, ""), before);
    });
}

#[test]
fn a_refused_bill_leaves_nothing_and_a_quarantined_one_its_bad_rows() {
    on_every_lake(|lake, inputs| {
        let bad = [charges()[0], charge("2026-10", 5, "acme", "much")];
        match take(lake, inputs, "d2", &csv(&bad), OnError::Fail) {
            Err(IngestError::Refused(findings)) => assert_eq!(findings[0].line, Some(3), "{findings:?}"),
            other => panic!("a bad bill was taken: {other:?}"),
        }
        assert!(paths(lake, "").is_empty(), "{:?}", paths(lake, ""));
        let staged = take(lake, inputs, "d3", &csv(&bad), OnError::Quarantine).expect("its good rows");
        let aside = staged.quarantine.expect("its bad rows");
        assert_eq!((staged.rejected_rows, aside.rows, aside.rows_without_money), (1, 1, 1));
        assert!(lake.exists(&aside.path).expect("an answer"));
    });
}

#[test]
fn drivers_come_back_as_they_went() {
    on_every_lake(|lake, inputs| {
        let path = inputs.join("drivers.csv");
        let text = "day,tenant,driver,value,unit\n2026-10-02,b,orders,0.000000000001,k\n2026-10-01,a,orders,7,k\n";
        std::fs::write(&path, text).expect("a writable folder");
        let files = [("drivers.csv".to_owned(), path)];
        let read = lake::drivers::read_files(&files, false, &|_| {}).expect("good drivers");
        let expected = read.values["orders"].clone();
        let staged = lake::drivers::stage(lake, "erp", read.values.clone(), &[]).expect("staged");
        assert_eq!(staged.len(), 1);
        let back = lake::drivers::read_month(lake, &staged[0].path).expect("reads");
        assert_eq!(back, expected);
        let again = lake::drivers::stage(lake, "erp", read.values, &staged).expect("the same again");
        assert_eq!(again, staged);
        assert_eq!(paths(lake, "drivers/"), [staged[0].path.clone()]);
    });
}

#[test]
fn a_cube_comes_back_as_it_went() {
    on_every_lake(|lake, inputs| {
        let staged = take(lake, inputs, "d4", &csv(&charges()), OnError::Fail).expect("a good bill");
        let cube = lake::allocate(lake, &charged(&staged, "d4"), &program(), apportion).expect("allocates");
        let total = cube
            .totals()
            .expect("small")
            .values()
            .map(|value| value.billed)
            .try_fold(Money::ZERO, Money::checked_add);
        assert_eq!(total.expect("small").to_string(), "7.500000018100000000000001");
        for (cube, path) in [
            (cube.clone(), "cube/days.parquet"),
            (cube.by_month().expect("small"), "cube/months.parquet"),
        ] {
            let stored = write_cube(lake, &cube, path).expect("stored");
            assert_eq!(stored.path, path);
            assert!(
                read_cube(lake, path).expect("it reads") == cube,
                "{path} reads back differently"
            );
        }
    });
}
