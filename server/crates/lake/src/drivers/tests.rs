//! Files of every kind to values, values to the lake and back.

use super::*;
use crate::object::Lake;
use domain::driver::{Amount, Receiver, Value};
use polars::prelude::*;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const CSV: &str = "\u{feff}day,tenant,driver,value,unit,x_note,service
2026-10-31,acme,orders,12345678901234567890.000000000001,orders,n,
2026-10-31,globex,orders,0,orders,,shop
2026-11-01T00:00:00Z, acme ,scans,1e3,scans,,
";

fn write(folder: &Path, name: &str, bytes: &[u8]) -> (String, PathBuf) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a writable folder");
    (name.to_owned(), path)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(3));
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

fn value(day: &str, pairs: &[(&str, &str)], amount: &str, unit: &str) -> Value {
    Value {
        day: domain::instant::parse(day.as_bytes()).expect("a day").instant.day(),
        receiver: Receiver::new(pairs.iter().copied()).expect("a receiver"),
        unit: unit.to_owned(),
        amount: Amount::parse(amount).expect("an amount"),
    }
}

fn expected() -> DriverValues {
    let orders = vec![
        value(
            "2026-10-31",
            &[("service", "shop"), ("tenant", "globex")],
            "0",
            "orders",
        ),
        value(
            "2026-10-31",
            &[("tenant", "acme")],
            "12345678901234567890.000000000001",
            "orders",
        ),
    ];
    let scans = vec![value("2026-11-01", &[("tenant", "acme")], "1000", "scans")];
    DriverValues::from([("orders".to_owned(), orders), ("scans".to_owned(), scans)])
}

fn parquet() -> Vec<u8> {
    let days = Int32Chunked::from_vec("day".into(), vec![20_757, 20_757, 20_758])
        .cast(&DataType::Date)
        .expect("dates");
    let text =
        |name: &str, cells: [&str; 3]| StringChunked::from_iter_values(name.into(), cells.into_iter()).into_column();
    let amounts = vec![12_345_678_901_234_567_890_000_000_000_001i128, 0, 1_000_000_000_000_000];
    let columns = vec![
        days.into_column(),
        text("tenant", ["acme", "globex", "acme"]),
        text("service", ["", "shop", ""]),
        text("driver", ["orders", "orders", "scans"]),
        Int128Chunked::from_vec("value".into(), amounts)
            .into_decimal_unchecked(38, 12)
            .into_column(),
        text("unit", ["orders", "orders", "scans"]),
    ];
    let mut frame = DataFrame::new(3, columns).expect("a frame");
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).expect("memory");
    bytes
}

#[test]
fn every_kind_of_file_gives_the_same_values() {
    let folder = TempDir::new().expect("a folder");
    let lines = r#"{"day":"2026-10-31","tenant":"acme","driver":"orders","value":12345678901234567890.000000000001,"unit":"orders"}
{"day":"2026-10-31","tenant":"globex","service":"shop","driver":"orders","value":"0","unit":"orders"}
{"day":"2026-11-01","tenant":"acme","service":null,"driver":"scans","value":1e3,"unit":"scans"}"#;
    let array = format!("[\n{}\n]", lines.replace('\n', ",\n"));
    for (name, bytes) in [
        ("a.csv", CSV.as_bytes().to_vec()),
        ("a.csv.gz", gzip(CSV.as_bytes())),
        ("a.jsonl", lines.as_bytes().to_vec()),
        ("a.json", array.as_bytes().to_vec()),
        ("a.json.gz", gzip(array.as_bytes())),
        ("a.parquet", parquet()),
    ] {
        let read = read_files(&[write(folder.path(), name, &bytes)], false, &|_| {}).expect(name);
        assert_eq!(read.values, expected(), "{name}");
        assert_eq!((read.rows, read.rejected_rows), (3, 0), "{name}");
        assert!(read.findings.is_empty(), "{name}: {:?}", read.findings);
    }
}

#[test]
fn bad_input_names_file_line_column_and_remedy() {
    let folder = TempDir::new().expect("a folder");
    let head = "day,tenant,driver,value,unit\n";
    // (what, text, code, line, column, part of the message)
    for (what, text, code, line, column, says) in [
        (
            "negative",
            "2026-10-01,a,orders,-1,orders\n",
            "bad_driver_row",
            2,
            "value",
            "negative",
        ),
        (
            "unknown",
            "2026-10-01,a,orders,,orders\n",
            "bad_driver_row",
            2,
            "value",
            "leave the row out",
        ),
        (
            "separator",
            "2026-10-01,a,orders,\"1,5\",o\n",
            "bad_driver_row",
            2,
            "value",
            "thousands",
        ),
        (
            "too fine",
            "2026-10-01,a,o,0.0000000000001,o\n",
            "bad_driver_row",
            2,
            "value",
            "fractional",
        ),
        (
            "an hour",
            "2026-10-01T06:00:00Z,a,o,1,o\n",
            "bad_driver_row",
            2,
            "day",
            "add the hours",
        ),
        ("no date", "soon,a,o,1,o\n", "bad_driver_row", 2, "day", "not a date"),
        (
            "nobody",
            "2026-10-01, ,o,1,o\n",
            "bad_driver_row",
            2,
            "tenant",
            "names nobody",
        ),
        (
            "a name",
            "2026-10-01,a,Orders,1,o\n",
            "bad_driver_row",
            2,
            "driver",
            "lower-case",
        ),
        (
            "no unit",
            "2026-10-01,a,o,1,\n",
            "bad_driver_row",
            2,
            "unit",
            "short word",
        ),
        ("ragged", "2026-10-01,a,o,1\n", "bad_driver_row", 2, "", "4 cells"),
        (
            "twice, differently",
            "2026-10-01,a,o,1,o\n2026-10-01,a,o,2,o\n",
            "bad_driver_row",
            3,
            "value",
            "bad.csv line 2: 1 o",
        ),
        ("no rows", "", "no_rows", 0, "", "no rows"),
    ] {
        let file = write(folder.path(), "bad.csv", format!("{head}{text}").as_bytes());
        let Err(DriversError::Refused(findings)) = read_files(&[file], false, &|_| {}) else {
            panic!("{what} was taken");
        };
        let first = &findings[0];
        assert_eq!(first.code, code, "{what}");
        assert_eq!(
            (first.line.unwrap_or(0), first.column.as_deref().unwrap_or("")),
            (line, column),
            "{what}"
        );
        assert!(first.message.contains(says), "{what}: {}", first.message);
        assert_eq!(first.file.as_deref(), Some("bad.csv"), "{what}");
        assert!(first.remedy.is_some(), "{what}");
    }
    for (what, name, text, code, says) in [
        (
            "no value",
            "x.csv",
            "day,tenant,driver,unit\n",
            "missing_column",
            "missing",
        ),
        (
            "nobody",
            "x.csv",
            "day,driver,value,unit\n",
            "missing_column",
            "who has the values",
        ),
        (
            "spaces",
            "x.csv",
            "day,driver,value,unit,my note\n",
            "bad_dimension",
            "x_",
        ),
        (
            "twice",
            "x.csv",
            "day,driver,value,unit,a,a\n",
            "duplicate_column",
            "twice",
        ),
        ("cut off", "x.json", "[{\"day\":", "unreadable_driver_file", "cut off"),
        ("nested", "x.json", "{\"day\":{}}", "unreadable_driver_file", "neither"),
        (
            "a workbook",
            "x.csv",
            "PK\u{3}\u{4}",
            "unreadable_driver_file",
            "workbook",
        ),
    ] {
        let file = write(folder.path(), name, text.as_bytes());
        let Err(DriversError::Refused(findings)) = read_files(&[file], false, &|_| {}) else {
            panic!("{what} was taken");
        };
        assert_eq!(findings[0].code, code, "{what}: {:?}", findings[0]);
        assert!(findings[0].message.contains(says), "{what}: {}", findings[0].message);
    }
}

#[test]
fn quarantine_keeps_what_is_clear() {
    let folder = TempDir::new().expect("a folder");
    let text = "day,tenant,driver,value,unit
2026-10-01,a,o,1,o
2026-10-01,b,o,1,o
2026-10-01,b,o,2,o
2026-10-01,a,o,1,o
2026-10-01,c,o,-3,o
2026-10-01,b,o,1,o
";
    let read = read_files(&[write(folder.path(), "a.csv", text.as_bytes())], true, &|_| {}).expect("its good rows");
    // of two values of b neither is known to be right
    let expect = vec![value("2026-10-01", &[("tenant", "a")], "1", "o")];
    assert_eq!(read.values, DriverValues::from([("o".to_owned(), expect)]));
    assert_eq!((read.rows, read.rejected_rows), (2, 4));
    let codes: Vec<&str> = read.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(
        codes,
        [
            "bad_driver_row",
            "bad_driver_row",
            "bad_driver_row",
            "repeated_driver_values"
        ]
    );
}

fn values(rows: &[(&str, &str, &str)]) -> DriverValues {
    let rows = rows
        .iter()
        .map(|(day, tenant, n)| value(day, &[("tenant", tenant)], n, "o"));
    DriverValues::from([("orders".to_owned(), rows.collect())])
}

#[test]
fn a_month_is_replaced_by_days_and_held_by_one_source() {
    let folder = TempDir::new().expect("a folder");
    for lake in [Lake::memory(), Lake::file(folder.path()).expect("a folder")] {
        let first = values(&[
            ("2026-10-01", "a", "1"),
            ("2026-10-02", "a", "2"),
            ("2026-11-01", "a", "3"),
        ]);
        let known = stage(&lake, "erp", first.clone(), &[]).expect("staged");
        assert_eq!(known.len(), 2);
        assert!(
            known[0].path.starts_with("drivers/orders/2026-10/"),
            "{}",
            known[0].path
        );
        let back = read_month(&lake, &known[0].path).expect("reads");
        assert_eq!(back, first["orders"][..2]);
        // the same again is the same file
        assert_eq!(stage(&lake, "erp", first, &known).expect("staged"), known);
        // a day is replaced as a whole, the others stay
        let later = stage(&lake, "erp", values(&[("2026-10-01", "b", "7")]), &known).expect("staged");
        let expect = values(&[("2026-10-01", "b", "7"), ("2026-10-02", "a", "2")]);
        assert_eq!(read_month(&lake, &later[0].path).expect("reads"), expect["orders"]);
        // another source may have other receivers of the day, not the same
        stage(&lake, "crm", values(&[("2026-10-01", "c", "1")]), &known).expect("nobody has it");
        match stage(
            &lake,
            "crm",
            values(&[("2026-10-03", "a", "1"), ("2026-10-02", "a", "1")]),
            &known,
        ) {
            Err(DriversError::Held {
                holder,
                receiver,
                day,
                values,
                ..
            }) => {
                assert_eq!((holder.as_str(), receiver.as_str(), values), ("erp", "tenant=a", 1));
                assert_eq!(day.to_string(), "2026-10-02");
            }
            other => panic!("two sources hold one value: {other:?}"),
        }
    }
}
