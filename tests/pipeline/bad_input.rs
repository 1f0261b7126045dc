//! What must be refused: a clear error that names file, place and remedy, exit
//! code 2, and a data folder exactly as before. And what looks odd but is good.

use crate::folder::Folder;
use serde_json::Value;
use std::io::Write;
use tonnage_tests::bill::{Charge, HEADER, charge, csv, line};
use tonnage_tests::program::Ended;

const OCTOBER: &str = "2026-10";

fn good() -> String {
    csv(&[charge(OCTOBER, 1, "acme", "1.5"), charge(OCTOBER, 2, "globex", "2.25")])
}

/// A good bill with one more line.
fn with(line: &str) -> String {
    format!("{}{line}\n", good())
}

/// The usual third line, changed.
fn changed(from: &str, to: &str) -> String {
    let usual = line(&charge(OCTOBER, 3, "acme", "7.25"));
    assert!(usual.contains(from), "{from:?} is not in {usual}");
    with(&usual.replace(from, to))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn zip(entry: &str, text: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive
        .start_file(entry, zip::write::SimpleFileOptions::default())
        .expect("an entry");
    archive.write_all(text).expect("memory takes all");
    archive.finish().expect("memory takes all").into_inner()
}

/// Text that does not shrink, so that a cut archive is cut inside it.
fn long_bill() -> String {
    let mut text = format!("{HEADER}\n");
    for row in 0..20_000u64 {
        let cost = format!("0.{:012}", row.wrapping_mul(6_364_136_223_846_793_005) >> 25);
        text.push_str(&line(&charge(OCTOBER, 1 + (row % 28) as u32, "acme", &cost)));
        text.push('\n');
    }
    text
}

struct Bad {
    /// What is wrong with it.
    what: &'static str,
    /// File name and bytes.
    file: (&'static str, Vec<u8>),
    /// Further arguments.
    args: &'static [&'static str],
    /// Code of the first finding, and its line and column where it has one.
    finding: (&'static str, Option<u64>, Option<&'static str>),
}

impl Bad {
    /// Whether only a row is bad, which can be set aside.
    fn of_a_row(&self) -> bool {
        [
            "bad_decimal",
            "missing_value",
            "wrong_cell_count",
            "bad_quote",
            "bad_date",
            "wrong_period",
        ]
        .contains(&self.finding.0)
    }

    /// What is wrong with the answer to it, if anything.
    fn complaint(&self, ended: &Ended) -> Option<String> {
        if ended.code != Some(2) {
            return Some(format!("exit {:?}", ended.code));
        }
        let finding = &ended.json()["findings"][0];
        let (code, line, column) = self.finding;
        let said = |key: &str| finding[key].as_str().is_some_and(|text| !text.is_empty());
        let checks = [
            (finding["code"] == code, "another code"),
            (said("message"), "no message"),
            (said("remedy"), "no remedy"),
            (
                code == "unknown_format" || finding["file"].as_str().is_some_and(|f| f.ends_with(self.file.0)),
                "no file",
            ),
            (
                line.is_none_or(|line| finding["line"] == line && ended.err.contains(&line.to_string())),
                "no line",
            ),
            (
                column.is_none_or(|column| finding["column"] == column && ended.err.contains(column)),
                "no column",
            ),
        ];
        checks
            .into_iter()
            .find(|(good, _)| !good)
            .map(|(_, what)| format!("{what}, expected {:?}", self.finding))
    }
}

fn bad(what: &'static str, name: &'static str, bytes: impl Into<Vec<u8>>, code: &'static str) -> Bad {
    Bad {
        what,
        file: (name, bytes.into()),
        args: &[],
        finding: (code, None, None),
    }
}

fn at(mut bad: Bad, line: u64, column: Option<&'static str>) -> Bad {
    bad.finding.1 = Some(line);
    bad.finding.2 = column;
    bad
}

fn called(mut bad: Bad, args: &'static [&'static str]) -> Bad {
    bad.args = args;
    bad
}

fn table() -> Vec<Bad> {
    let cut = |bytes: Vec<u8>, by: usize| bytes[..bytes.len() - by].to_vec();
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let euro = Charge {
        currency: "EUR",
        ..charge(OCTOBER, 3, "acme", "7.25")
    };
    vec![
        bad(
            "a picture",
            "bill.csv",
            *b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
            "wrong_file_type",
        ),
        bad(
            "a workbook",
            "bill.csv",
            zip("[Content_Types].xml", b"<Types/>"),
            "wrong_file_type",
        ),
        bad("JSON", "bill.csv", *b"[{\"BilledCost\": 1}]", "wrong_file_type"),
        bad("an empty file", "bill.csv", *b"", "empty_file"),
        bad(
            "a gzip cut in the middle",
            "bill.csv.gz",
            half(gzip(long_bill().as_bytes())),
            "damaged_file",
        ),
        bad(
            "a gzip without its end",
            "bill.csv.gz",
            cut(gzip(good().as_bytes()), 4),
            "broken_gzip",
        ),
        bad(
            "a zip cut in the middle",
            "bill.zip",
            half(zip("bill.csv", long_bill().as_bytes())),
            "broken_zip",
        ),
        bad("a zip of a broken entry", "bill.zip", flipped(), "broken_zip"),
        bad(
            "a Parquet file cut off",
            "bill.parquet",
            *b"PAR1\x15\x04\x15",
            "broken_parquet",
        ),
        at(
            bad(
                "no BilledCost",
                "bill.csv",
                good().replacen("BilledCost", "Cost", 1),
                "missing_column",
            ),
            1,
            Some("BilledCost"),
        ),
        at(
            bad(
                "a currency sign",
                "bill.csv",
                changed("7.25,7.25", "\"$10,000.00 \",7.25"),
                "bad_decimal",
            ),
            4,
            Some("BilledCost"),
        ),
        at(
            bad(
                "a comma as decimal point",
                "bill.csv",
                changed("7.25,7.25", "7.25,\"7,25\""),
                "bad_decimal",
            ),
            4,
            Some("EffectiveCost"),
        ),
        at(
            bad("no cost", "bill.csv", changed("7.25,7.25", ",7.25"), "missing_value"),
            4,
            Some("BilledCost"),
        ),
        at(
            bad("a cell too few", "bill.csv", changed(",cc-3", ""), "wrong_cell_count"),
            4,
            None,
        ),
        at(
            bad(
                "a date in words",
                "bill.csv",
                changed("2026-10-03T00:00:00Z", "Friday"),
                "bad_date",
            ),
            4,
            Some("ChargePeriodStart"),
        ),
        at(
            bad(
                "text after a closing quote",
                "bill.csv",
                changed("7.25,7.25", "\"10\"5,7.25"),
                "bad_quote",
            ),
            4,
            Some("BilledCost"),
        ),
        at(
            bad(
                "a header with text after a closing quote",
                "bill.csv",
                good().replacen("EffectiveCost", "\"Effective\"Cost", 1),
                "bad_quote",
            ),
            1,
            Some("2"),
        ),
        at(
            bad("a NUL byte", "bill.csv", changed("Compute", "Com\0pute"), "not_csv"),
            4,
            None,
        ),
        at(
            bad(
                "an offset no clock has",
                "bill.csv",
                changed("2026-10-03T00:00:00Z", "2026-10-03T00:00:00+99:00"),
                "bad_date",
            ),
            4,
            Some("ChargePeriodStart"),
        ),
        at(
            bad(
                "a year no bill is from",
                "bill.csv",
                changed("2026-10-03T01:00:00Z", "9999-12-31T00:00:00Z"),
                "bad_date",
            ),
            4,
            Some("ChargePeriodEnd"),
        ),
        at(
            bad(
                "an end before its start",
                "bill.csv",
                changed("2026-10-03T01:00:00Z", "2026-10-02T01:00:00Z"),
                "wrong_period",
            ),
            4,
            Some("ChargePeriodEnd"),
        ),
        at(
            bad(
                "two currencies in one account",
                "bill.csv",
                with(&line(&euro)),
                "mixed_currencies",
            ),
            4,
            Some("BillingCurrency"),
        ),
        at(bad("no rows", "bill.csv", format!("{HEADER}\n"), "no_rows"), 1, None),
        at(
            bad(
                "a quote that never ends",
                "bill.csv",
                with(&line(&charge(OCTOBER, 3, "", "7.25")).replace("Compute", "\"Compute")),
                "unclosed_quote",
            ),
            4,
            None,
        ),
        called(
            bad("an unknown version", "bill.csv", good(), "unknown_version"),
            &["--format", "focus-9.9"],
        ),
        called(
            bad("an unknown format", "bill.csv", good(), "unknown_format"),
            &["--format", "lotus"],
        ),
        at(
            called(
                bad("another month than said", "bill.csv", good(), "wrong_period"),
                &["--period", "2026-09"],
            ),
            2,
            Some("BillingPeriodStart"),
        ),
        bad("no bill at all", "bill.csv", "name,colour\nship,red\n", "not_a_bill"),
        at(
            bad(
                "a version of a later day",
                "bill.csv",
                declared("2.7"),
                "unknown_version",
            ),
            1,
            None,
        ),
    ]
}

/// A zip whose entry has another checksum than it says.
fn flipped() -> Vec<u8> {
    let mut bytes = zip("bill.csv", good().as_bytes());
    let entry = bytes
        .windows(4)
        .position(|four| four == b"PK\x01\x02")
        .expect("a directory");
    // the checksum in the directory of the archive
    bytes[entry + 16] ^= 1;
    bytes
}

/// A bill that says which version of FOCUS it is.
fn declared(version: &str) -> String {
    let lines: Vec<String> = good().lines().map(str::to_owned).collect();
    format!(
        "{},x_FocusVersion\n{},{version}\n{},{version}\n",
        lines[0], lines[1], lines[2]
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_and_changes_nothing() {
    let folder = Folder::new();
    let before = folder.write("before.csv", csv(&[charge("2026-08", 1, "acme", "5")]));
    let _ = folder.run(&["ingest", "billing", &before]).exits(0);
    let held = folder.held().await;
    let mut wrong = Vec::new();
    for case in table() {
        let path = folder.write(case.file.0, &case.file.1);
        for mode in ["fail", "quarantine"] {
            if mode == "quarantine" && case.of_a_row() {
                // a bad row alone is set aside: another test
                continue;
            }
            let args = [&["ingest", "billing", &path, "--on-error", mode, "--json"], case.args].concat();
            let ended = folder.run(&args);
            wrong.extend(
                case.complaint(&ended)
                    .map(|what| format!("{} under {mode}: {what}: {ended:?}", case.what)),
            );
            if folder.held().await != held {
                wrong.push(format!("{} under {mode} changed the data folder", case.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of the table:\n{}", wrong.len(), wrong.join("\n"));
    let scratch = tonnage_tests::listing(&folder.data().join("scratch"));
    assert!(scratch.is_empty(), "{scratch:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_file_twice_in_one_call_is_refused() {
    let folder = Folder::new();
    let (one, two) = (folder.write("a.csv", good()), folder.write("b.csv", good()));
    let answer = folder.run(&["ingest", "billing", &one, &two, "--json"]).exits(2).json();
    let finding = &answer["findings"][0];
    assert_eq!(finding["code"], "duplicate_delivery", "{answer}");
    assert!(
        finding["file"].as_str().is_some_and(|file| file.ends_with("b.csv")),
        "{answer}"
    );
    assert!(
        finding["message"].as_str().is_some_and(|text| text.contains("a.csv")),
        "{answer}"
    );
    let twice = folder.run(&["ingest", "billing", &one, &one, "--json"]).exits(2).json();
    assert_eq!(twice["findings"][0]["code"], "duplicate_delivery", "{twice}");
    assert!(tonnage_tests::listing(&folder.data().join("lake")).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_month_than_said_is_refused_also_for_bytes_that_are_there() {
    let folder = Folder::new();
    let path = folder.write("bill.csv", good());
    let _ = folder.run(&["ingest", "billing", &path]).exits(0);
    let held = folder.held().await;
    let again = |period: &str| folder.run(&["ingest", "billing", &path, "--period", period, "--json"]);
    let refused = again("2026-09").exits(2).json();
    assert_eq!(refused["findings"][0]["code"], "wrong_period", "{refused}");
    let unchanged = again(OCTOBER).exits(0).json();
    assert_eq!(unchanged["deliveries"][0]["unchanged"], true, "{unchanged}");
    assert_eq!(folder.held().await, held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_needs_a_good_row_and_a_file() {
    let folder = Folder::new();
    let text = format!("{HEADER}\n{}\n", line(&charge(OCTOBER, 3, "acme", "much")));
    let path = folder.write("bad.csv", text);
    let answer = folder
        .run(&["ingest", "billing", &path, "--on-error", "quarantine", "--json"])
        .exits(2)
        .json();
    let finding = &answer["findings"][0];
    assert_eq!(finding["code"], "no_good_rows", "{answer}");
    assert!(finding["file"].as_str().is_some_and(|file| file.ends_with("bad.csv")) && finding["remedy"].is_string());
    #[cfg(unix)]
    {
        let device = folder
            .run(&["ingest", "billing", "/dev/zero", "--json"])
            .exits(2)
            .json();
        let finding = &device["findings"][0];
        assert_eq!(
            (&finding["code"], &finding["file"]),
            (&"not_a_file".into(), &"/dev/zero".into())
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_but_good_input_is_taken() {
    let folder = Folder::new();
    let odd = changed("Compute", "\"Com\"\"pute\"\"\r\nand more\"")
        .replace("\r\n", "\n")
        .replace('\n', "\r\n");
    let text = format!("\u{feff}{odd}");
    let halves = [gzip(&text.as_bytes()[..90]), gzip(&text.as_bytes()[90..])].concat();
    for (name, bytes) in [
        ("bill.csv", text.clone().into_bytes()),
        ("bill.csv.gz", halves),
        ("bill.zip", zip("deep/bill.csv", text.as_bytes())),
    ] {
        let fresh = Folder::new();
        let path = fresh.write(name, bytes);
        let answer = fresh.run(&["ingest", "billing", &path, "--json"]).exits(0).json();
        let period = &answer["deliveries"][0]["periods"][0];
        assert_eq!(
            (&period["rows"], &period["billed_cost"]),
            (&3.into(), &"11".into()),
            "{name}: {answer}"
        );
        let report = fresh
            .run(&["report", "costs", "--by", "ServiceName", "--json"])
            .exits(0)
            .json();
        let names: Vec<&str> = report["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| row["keys"]["ServiceName"].as_str().expect("a name"))
            .collect();
        assert!(names.contains(&"Com\"pute\"\r\nand more"), "{name}: {names:?}");
    }
    // columns FOCUS does not know are kept: rules can look at them
    let rules = folder.write("rules.yaml", tonnage_tests::bill::RULES);
    let path = folder.write("bill.csv", good());
    let _ = folder.run(&["rules", "apply", &rules]).exits(0);
    let _ = folder.run(&["ingest", "billing", &path]).exits(0);
    let report = folder
        .run(&["report", "costs", "--by", "cost_centre", "--json"])
        .exits(0)
        .json();
    let centres: Vec<(&Value, &Value)> = report["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (&row["keys"]["cost_centre"], &row["cost"]))
        .collect();
    assert_eq!(
        centres,
        [(&"cc-2".into(), &"2.25".into()), (&"cc-1".into(), &"1.5".into())]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_rows_can_be_set_aside_and_their_money_shows() {
    let folder = Folder::new();
    let text = format!(
        "{}{}\n",
        changed("7.25,7.25", "\"$10,000.00 \",7.25"),
        line(&charge(OCTOBER, 4, "acme", "4"))
    );
    let path = folder.write("bill.csv", text);
    let answer = folder
        .run(&["ingest", "billing", &path, "--on-error", "quarantine", "--json"])
        .exits(0)
        .json();
    let delivery = &answer["deliveries"][0];
    assert_eq!(
        (&delivery["rejected_rows"], &delivery["periods"][0]["rows"]),
        (&1.into(), &3.into()),
        "{answer}"
    );
    assert_eq!(delivery["periods"][0]["billed_cost"], "7.75", "{answer}");
    let report = folder
        .run(&["reconcile", "--period", OCTOBER, "--json"])
        .exits(0)
        .json();
    let currency = &report["currencies"][0];
    assert_eq!(
        (&currency["quarantined"]["rows"], &currency["quarantined"]["billed"]),
        (&1.into(), &"10000".into()),
        "{report}"
    );
    assert_eq!(
        (&currency["billed"], &currency["residual"]),
        (&"7.75".into(), &"0".into())
    );
    // the bad row itself lies beside the delivery, word for word
    let aside = tonnage_tests::listing(&folder.data().join("lake"))
        .into_keys()
        .find(|path| path.starts_with("quarantine"));
    let aside =
        std::fs::File::open(folder.data().join("lake").join(aside.expect("a file of bad rows"))).expect("it opens");
    let mut rows = csv::Reader::from_reader(flate2::read::MultiGzDecoder::new(aside));
    let row = rows.records().next().expect("a row").expect("RFC 4180");
    assert!(
        row.iter().any(|cell| cell == "$10,000.00 ") && row.iter().any(|cell| cell == "4"),
        "{row:?}"
    );
}

/// A line without end must neither be taken nor fill the memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_of_many_megabytes_is_refused_in_little_memory() {
    let megabytes: usize = if tonnage_tests::long() { 1024 } else { 40 };
    let folder = Folder::new();
    let path = folder.path().join("long.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a writable folder"));
    write!(file, "{}\"", good()).expect("a writable folder");
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..megabytes {
        file.write_all(&megabyte).expect("a writable folder");
    }
    writeln!(file, "\",{}", line(&charge(OCTOBER, 3, "acme", "1"))).expect("a writable folder");
    file.into_inner()
        .expect("a writable folder")
        .sync_all()
        .expect("a writable folder");
    let path = path.display().to_string();
    let before = folder.held_after_opening().await;
    let (ended, peak_bytes) = crate::folder::run_measured(&folder.data(), &["ingest", "billing", &path, "--json"]);
    let answer = ended.exits(2).json();
    let finding = &answer["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["line"]),
        (&"record_too_long".into(), &4.into()),
        "{answer}"
    );
    assert!(
        finding["remedy"].is_string() && finding["file"].as_str().is_some_and(|file| file.ends_with("long.csv")),
        "{answer}"
    );
    assert!(folder.held().await == before, "a refused bill changed the data folder");
    if let Some(peak) = peak_bytes {
        tonnage_tests::aloud(&format!(
            "a line of {megabytes} MiB: peak of anonymous memory {} MiB",
            peak >> 20
        ));
        assert!(peak < 200 << 20, "{} MiB of anonymous memory", peak >> 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_of_days_to_come_is_refused() {
    let folder = Folder::new();
    let header = "hour,cluster,node,provider_id,ready_seconds,observed_seconds,cpu_capacity_millicores,cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib\n";
    let row = |hour: &str| format!("{header}{hour},c,n1,i-1,3600,3600,4000,3900,16384,15000\n");
    // the day all suites live in is 2026-11-22
    for (hour, code) in [
        ("2027-11-22T10:00:00Z", 2),
        ("2026-11-24T00:00:00Z", 2),
        ("2026-11-23T10:00:00Z", 0),
    ] {
        let file = folder.write("nodes.csv", row(hour));
        let ended = folder.run(&["ingest", "usage", &file]);
        assert_eq!(ended.code, Some(code), "{hour}: {}", ended.err);
        if code == 2 {
            assert!(
                ended.err.contains(&hour[..10]) && ended.err.contains("still to come"),
                "{}",
                ended.err
            );
        }
    }
}
