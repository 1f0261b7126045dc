//! Ingest as a whole: what must just work, what must be refused, and that it
//! does what the scalar reference does.

use super::*;
use crate::scan;
use domain::allocate::clusters::billed_seconds;
use domain::charge::{Attributes, Charge, ChargeCategory};
use domain::dialect::{Binding, focus};
use domain::instant::Span;
use domain::price::Prices;
use domain::tags;
use flate2::Compression;
use flate2::write::GzEncoder;
use polars::prelude::*;
use proptest::prelude::*;
use std::io::Write;

const HEADER: &str = "BilledCost,EffectiveCost,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,BillingAccountId,BillingCurrency,ServiceName,Tags,x_Note";
const GOOD: &str = "1.5,1.25,2024-09-01,2024-10-01,2024-09-02,2024-09-03,Usage,007,USD,S3,\"{\"\"a\"\":\"\"b\"\"}\",n";

/// The lakes every test runs on.
fn lakes() -> (tempfile::TempDir, [Lake; 2]) {
    let folder = tempfile::tempdir().expect("folder");
    let file = Lake::file(folder.path()).expect("opens");
    (folder, [file, Lake::memory()])
}

struct Input {
    _folder: tempfile::TempDir,
    parts: Vec<Part>,
}

/// What it is, its bytes, and the code, line and column of its first finding.
type Refusal = (
    &'static str,
    Container,
    Vec<u8>,
    &'static str,
    Option<u64>,
    Option<&'static str>,
);

fn input(files: &[(Container, &[u8])]) -> Input {
    let folder = tempfile::tempdir().expect("folder");
    let parts = files.iter().enumerate().map(|(at, (container, bytes))| {
        let path = folder.path().join(format!("{at}"));
        std::fs::write(&path, bytes).expect("writes");
        Part {
            name: format!("bill-{at}.csv"),
            path,
            container: container.clone(),
            dialect: focus("1.2").expect("known"),
        }
    });
    Input {
        parts: parts.collect(),
        _folder: folder,
    }
}

fn request(input: &Input, on_error: OnError) -> Request<'_> {
    Request {
        delivery_id: "d1",
        source: "test",
        parts: &input.parts,
        on_error,
        expected_period: None,
        allow_mixed_currencies: false,
        max_record_bytes: MAX_RECORD_BYTES,
        max_findings: MAX_FINDINGS,
    }
}

fn run(lake: &Lake, input: &Input, on_error: OnError) -> Result<Staged, IngestError> {
    ingest(lake, &request(input, on_error), &|_| {})
}

fn refusal(result: Result<Staged, IngestError>) -> Vec<Finding> {
    match result {
        Err(IngestError::Refused(findings)) => findings,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("packs");
    encoder.finish().expect("packs")
}

fn zipped(entry: &str, text: &[u8]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer
        .start_file(entry, ::zip::write::SimpleFileOptions::default())
        .expect("entry");
    writer.write_all(text).expect("packs");
    writer.finish().expect("packs").into_inner()
}

fn bill(rows: &[&str]) -> String {
    let mut text = format!("{HEADER}\n");
    rows.iter().for_each(|row| text.push_str(&format!("{row}\n")));
    text
}

/// The charges of a lake file, by line.
fn charges(lake: &Lake, path: &str) -> Vec<(i64, Charge)> {
    let local = lake.local(path).expect("is there");
    let schema = scan::schema(local.path(), path).expect("schema");
    let names: Vec<String> = schema.iter_names().map(ToString::to_string).collect();
    let mut found = Vec::new();
    let read = scan::batches::<LakeError>(local.path(), path, &names, |frame| {
        for row in 0..frame.height() {
            let texts = names
                .iter()
                .filter_map(|name| Some((name.clone(), scan::text(frame, name)?.get(row)?.to_owned())));
            let mut columns: BTreeMap<String, String> = texts.collect();
            let tags = tags::parse(&columns.remove("Tags").unwrap_or_default()).expect("tags");
            let attributes = Attributes { columns, tags };
            let money = |name: &str| {
                scan::units(frame, name)
                    .and_then(|c| c.get(row))
                    .and_then(Money::from_units)
                    .expect(name)
            };
            let when = |name: &str| Instant(scan::instants(frame, name).and_then(|c| c.get(row)).expect(name));
            let line = frame
                .column("line")
                .expect("line")
                .i64()
                .expect("i64")
                .get(row)
                .expect("line");
            let period = frame
                .column("billing_period")
                .expect("period")
                .i32()
                .expect("i32")
                .get(row)
                .expect("period");
            let known = |name: &str| scan::units(frame, name)?.get(row).and_then(Money::from_units);
            let charge = Charge {
                id: line.to_string(),
                period: BillingPeriod::from_number(period).expect("period"),
                span: Span {
                    start: when("ChargePeriodStart"),
                    end: when("ChargePeriodEnd"),
                },
                currency: attributes
                    .column("BillingCurrency")
                    .and_then(Currency::parse)
                    .unwrap_or_else(Currency::unknown),
                category: attributes
                    .column("ChargeCategory")
                    .and_then(ChargeCategory::parse)
                    .expect("category"),
                billed: money("BilledCost"),
                effective: money("EffectiveCost"),
                consumed_s: billed_seconds(
                    attributes.column("ConsumedUnit"),
                    scan::units(frame, "ConsumedQuantity").and_then(|c| c.get(row)),
                ),
                prices: Prices {
                    list: known("ListCost"),
                    contracted: known("ContractedCost"),
                    quantity: ["PricingQuantity", "ConsumedQuantity"]
                        .iter()
                        .find_map(|name| scan::units(frame, name)?.get(row)),
                },
                attributes,
            };
            found.push((line, charge));
        }
        Ok(())
    });
    read.expect("reads");
    found
}

#[test]
fn what_must_just_work() {
    let crlf = bill(&[
        GOOD,
        "",
        "2e-24,-0.5 ,2024-09-01,2024-10-01,2024-09-02,2024-09-03,usage,007,usd,\"a, \"\"b\"\"\nc\",NULL,",
    ])
    .replace('\n', "\r\n");
    let text = format!("\u{feff}{crlf}");
    let halves = [gzip(&text.as_bytes()[..100]), gzip(&text.as_bytes()[100..])].concat();
    let (_folder, lakes) = lakes();
    for lake in &lakes {
        for (number, (container, bytes)) in [
            (Container::Plain, text.clone().into_bytes()),
            (Container::Gzip, halves.clone()),
            (
                Container::Zip {
                    entry: "in/bill.csv".to_owned(),
                },
                zipped("in/bill.csv", text.as_bytes()),
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let input = input(&[(container, &bytes)]);
            let delivery_id = format!("d{number}");
            let staged = ingest(
                lake,
                &Request {
                    delivery_id: &delivery_id,
                    ..request(&input, OnError::Fail)
                },
                &|_| {},
            )
            .expect("taken");
            assert_eq!(staged.rejected_rows, 0);
            let [total] = staged.totals.as_slice() else {
                panic!("{:?}", staged.totals)
            };
            assert_eq!(
                (
                    total.rows,
                    total.billed.to_string().as_str(),
                    total.effective.to_string().as_str()
                ),
                (2, "1.500000000000000000000002", "0.75")
            );
            assert_eq!(
                (total.billing_account_id.as_str(), total.currency.as_str(), total.list),
                ("007", "USD", None)
            );
            assert_eq!(
                total.last_usage_end.map(|end| end.to_string()).as_deref(),
                Some("2024-09-03T00:00:00Z")
            );
            let [file] = staged.files.as_slice() else {
                panic!("{:?}", staged.files)
            };
            assert_eq!((file.rows, file.period.to_string().as_str()), (2, "2024-09"));
            let rows = charges(lake, &file.path);
            assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
            assert_eq!(rows[1].1.attributes.column("ServiceName"), Some("a, \"b\"\r\nc"));
            assert_eq!(
                (rows[0].1.attributes.column("x_Note"), rows[0].1.attributes.tag("a")),
                (Some("n"), Some("b"))
            );
            assert_eq!(rows[1].1.attributes.column("x_Note"), None);
            // the same again changes nothing
            let before = lake.list("").expect("lists").len();
            let again = ingest(
                lake,
                &Request {
                    delivery_id: &delivery_id,
                    ..request(&input, OnError::Fail)
                },
                &|_| {},
            )
            .expect("taken");
            assert_eq!(again, staged);
            assert_eq!(lake.list("").expect("lists").len(), before);
        }
    }
}

#[test]
fn what_is_refused_and_why() {
    let row = |from: &str, to: &str| GOOD.replacen(from, to, 1);
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 9].to_vec();
    let good = bill(&[GOOD]);
    let mut flipped = gzip(good.as_bytes());
    let crc = flipped.len() - 6;
    flipped[crc] ^= 1;
    let zip = Container::Zip {
        entry: "b.csv".to_owned(),
    };
    let cases: Vec<Refusal> = vec![
        (
            "currency sign",
            Container::Plain,
            bill(&[GOOD, &row("1.5", "\"$10,000.00 \"")]).into(),
            "bad_decimal",
            Some(3),
            Some("BilledCost"),
        ),
        (
            "25 digits",
            Container::Plain,
            bill(&[&row("1.5", "1e-25")]).into(),
            "bad_decimal",
            Some(2),
            Some("BilledCost"),
        ),
        (
            "no value",
            Container::Plain,
            bill(&[&row("1.5", "NULL")]).into(),
            "missing_value",
            Some(2),
            Some("BilledCost"),
        ),
        (
            "ragged",
            Container::Plain,
            bill(&[GOOD, "1,2", GOOD]).into(),
            "wrong_cell_count",
            Some(3),
            None,
        ),
        (
            "bad date",
            Container::Plain,
            bill(&[&row("2024-09-02", "soon")]).into(),
            "bad_date",
            Some(2),
            Some("ChargePeriodStart"),
        ),
        (
            "backwards",
            Container::Plain,
            bill(&[&row("2024-09-03", "2024-09-01")]).into(),
            "wrong_period",
            Some(2),
            Some("ChargePeriodEnd"),
        ),
        (
            "bad category",
            Container::Plain,
            bill(&[&row("Usage", "Rebate")]).into(),
            "bad_value",
            Some(2),
            Some("ChargeCategory"),
        ),
        (
            "bad tags",
            Container::Plain,
            bill(&[&row("\"{\"\"a\"\":\"\"b\"\"}\"", "a=b")]).into(),
            "bad_tags",
            Some(2),
            Some("Tags"),
        ),
        (
            "mixed currencies",
            Container::Plain,
            bill(&[GOOD, &row("USD", "EUR")]).into(),
            "mixed_currencies",
            Some(3),
            Some("BillingCurrency"),
        ),
        (
            "missing column",
            Container::Plain,
            good.replace("BilledCost", "Billed").into(),
            "missing_column",
            Some(1),
            Some("BilledCost"),
        ),
        (
            "header only",
            Container::Plain,
            bill(&[]).into(),
            "no_rows",
            Some(1),
            None,
        ),
        ("empty", Container::Plain, Vec::new(), "no_header", Some(1), None),
        (
            "NUL",
            Container::Plain,
            bill(&[GOOD, &row("S3", "S\0")]).into(),
            "not_csv",
            Some(3),
            None,
        ),
        (
            "binary",
            Container::Plain,
            b"\x89PNG\r\n\x1a\n\xff\xfe\xfd".to_vec(),
            "not_csv",
            Some(1),
            None,
        ),
        (
            "open quote",
            Container::Plain,
            bill(&[
                GOOD,
                &GOOD
                    .split_once('"')
                    .map_or(GOOD, |(before, _)| before)
                    .replace("S3", "\"S3"),
            ])
            .into(),
            "unclosed_quote",
            Some(3),
            None,
        ),
        (
            "bad UTF-8",
            Container::Plain,
            [
                bill(&[GOOD]).as_bytes(),
                row("S3", "?").replace('?', "\u{1}").as_bytes(),
            ]
            .concat()
            .into_iter()
            .map(|b| if b == 1 { 0xff } else { b })
            .collect(),
            "bad_utf8",
            Some(3),
            Some("ServiceName"),
        ),
        (
            "cut gzip",
            Container::Gzip,
            cut(gzip(good.as_bytes())),
            "damaged_file",
            None,
            None,
        ),
        ("bad CRC", Container::Gzip, flipped, "damaged_file", None, None),
        (
            "no gzip",
            Container::Gzip,
            good.clone().into(),
            "damaged_file",
            None,
            None,
        ),
        (
            "cut zip",
            zip.clone(),
            cut(zipped("b.csv", good.as_bytes())),
            "damaged_file",
            None,
            None,
        ),
        (
            "other zip",
            zip,
            zipped("c.csv", good.as_bytes()),
            "damaged_file",
            None,
            None,
        ),
        (
            "no parquet",
            Container::Parquet,
            good.into(),
            "damaged_file",
            None,
            None,
        ),
    ];
    let (_folder, lakes) = lakes();
    for lake in &lakes {
        for (what, container, bytes, code, line, column) in &cases {
            let input = input(&[(container.clone(), bytes)]);
            let findings = refusal(run(lake, &input, OnError::Fail));
            let finding = findings.first().unwrap_or_else(|| panic!("{what}: no finding"));
            assert_eq!(
                (finding.code.as_str(), finding.line, finding.column.as_deref()),
                (*code, *line, *column),
                "{what}: {finding}"
            );
            assert_eq!(finding.file.as_deref(), Some("bill-0.csv"), "{what}");
            assert!(finding.remedy.is_some(), "{what}: {finding}");
            assert!(lake.list("").expect("lists").is_empty(), "{what} left something behind");
        }
    }
}

#[test]
fn refusals_that_depend_on_the_request() {
    let lake = Lake::memory();
    let text = bill(&[GOOD, &GOOD.replace("2024-09-01,2024-10-01", "2024-10-01,2024-11-01")]);
    let two_months = input(&[(Container::Plain, text.as_bytes())]);
    let wrong = Request {
        expected_period: "2024-09".parse().ok(),
        ..request(&two_months, OnError::Fail)
    };
    let findings = refusal(ingest(&lake, &wrong, &|_| {}));
    assert_eq!((findings[0].code.as_str(), findings[0].line), ("wrong_period", Some(3)));
    let long = bill(&[GOOD, &GOOD.replace("S3", &"S".repeat(2_000))]);
    let long_record = input(&[(Container::Plain, long.as_bytes())]);
    let findings = refusal(ingest(
        &lake,
        &Request {
            max_record_bytes: 1_000,
            ..request(&long_record, OnError::Fail)
        },
        &|_| {},
    ));
    assert_eq!(
        (findings[0].code.as_str(), findings[0].line),
        ("record_too_long", Some(3))
    );
    let mixed_text = bill(&[GOOD, &GOOD.replace("USD", "EUR")]);
    let mixed = input(&[(Container::Plain, mixed_text.as_bytes())]);
    let staged = ingest(
        &lake,
        &Request {
            allow_mixed_currencies: true,
            ..request(&mixed, OnError::Fail)
        },
        &|_| {},
    )
    .expect("allowed");
    assert_eq!(
        staged.totals.iter().map(|t| t.currency.as_str()).collect::<Vec<_>>(),
        ["EUR", "USD"]
    );
}

#[test]
fn several_bad_rows_are_listed_then_reading_stops() {
    let bad = GOOD.replacen("1.5", "x", 1);
    let rows: Vec<&str> = std::iter::repeat_n(bad.as_str(), 7).collect();
    let text = bill(&rows);
    let input = input(&[(Container::Plain, text.as_bytes())]);
    for (max_findings, expect) in [
        (3, vec![Some(2), Some(3), Some(4), None]),
        (100, (2..9).map(Some).collect()),
    ] {
        let findings = refusal(ingest(
            &Lake::memory(),
            &Request {
                max_findings,
                ..request(&input, OnError::Fail)
            },
            &|_| {},
        ));
        assert_eq!(findings.iter().map(|f| f.line).collect::<Vec<_>>(), expect);
    }
}

#[test]
fn quarantine_keeps_the_good_rows_and_shows_the_money_of_the_bad_ones() {
    let money = GOOD.replacen("1.5", "\"$10,000.00 \"", 1);
    let none = GOOD.replacen("1.5", "x", 1);
    let text = bill(&[GOOD, &money, &none, "only,two", GOOD]);
    let input = input(&[(Container::Plain, text.as_bytes())]);
    let (_folder, lakes) = lakes();
    for lake in &lakes {
        let staged = ingest(
            lake,
            &Request {
                max_findings: 2,
                ..request(&input, OnError::Quarantine)
            },
            &|_| {},
        )
        .expect("taken");
        assert_eq!(
            (
                staged.rejected_rows,
                staged.totals[0].rows,
                staged.totals[0].billed.to_string().as_str()
            ),
            (3, 2, "3")
        );
        let codes: Vec<(&str, u64)> = staged
            .findings
            .iter()
            .filter(|f| f.severity == domain::Severity::Error)
            .map(|f| (f.code.as_str(), f.count))
            .collect();
        assert_eq!(
            codes,
            [("bad_decimal", 1), ("bad_decimal", 1), ("more_refused_rows", 1)]
        );
        let kept = staged.quarantine.expect("kept");
        let usd = Currency::parse("USD").expect("code");
        assert_eq!(
            (
                kept.rows,
                kept.rows_without_money,
                kept.money[&usd].to_string().as_str()
            ),
            (3, 2, "10000")
        );
        let packed = lake.read(&kept.path).expect("is there");
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(flate2::read::GzDecoder::new(packed.as_slice()));
        assert_eq!(
            &reader.headers().expect("header").iter().take(4).collect::<Vec<_>>(),
            &["file", "line", "reason", "BilledCost"]
        );
        let rows: Vec<csv::StringRecord> = reader.records().map(|r| r.expect("row")).collect();
        assert_eq!(
            rows.iter().map(|r| r[1].to_owned()).collect::<Vec<_>>(),
            ["3", "4", "5"]
        );
        assert_eq!((&rows[0][3], rows[2].len()), ("$10,000.00 ", 5));
        assert!(
            rows[0][2].starts_with("BilledCost: \"$10,000.00 \" has a currency sign"),
            "{}",
            &rows[0][2]
        );
    }
    // what breaks the whole file is refused all the same
    let cut = gzip(text.as_bytes());
    let damaged = self::input(&[(Container::Gzip, &cut[..cut.len() - 5])]);
    assert_eq!(
        refusal(run(&lakes[1], &damaged, OnError::Quarantine))
            .last()
            .expect("finding")
            .code,
        "damaged_file"
    );
}

#[test]
fn parts_and_periods_have_their_own_files() {
    let october = GOOD.replace("2024-09-01,2024-10-01", "2024-10-01,2024-11-01");
    let one = bill(&[GOOD, &october, GOOD]);
    let second = format!("x_New,{HEADER}\nnew,{GOOD}\n");
    let input = input(&[
        (Container::Plain, one.as_bytes()),
        (Container::Gzip, &gzip(second.as_bytes())),
    ]);
    let last = std::cell::Cell::new(None);
    let lake = Lake::memory();
    let staged = ingest(&lake, &request(&input, OnError::Fail), &|progress| {
        last.set(Some(progress));
    })
    .expect("taken");
    let files: Vec<(u32, String, u64)> = staged
        .files
        .iter()
        .map(|f| (f.part, f.period.to_string(), f.rows))
        .collect();
    assert_eq!(
        files,
        [
            (0, "2024-09".to_owned(), 2),
            (0, "2024-10".to_owned(), 1),
            (1, "2024-09".to_owned(), 1)
        ]
    );
    assert_eq!(
        charges(&lake, &staged.files[2].path)[0].1.attributes.column("x_New"),
        Some("new")
    );
    let progress = last.get().expect("was told");
    assert_eq!(
        (progress.part, progress.rows, progress.bytes_read),
        (1, 4, progress.bytes_total)
    );
    let warnings: Vec<_> = staged.findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(warnings, Vec::<&str>::new());
}

#[test]
fn hours_that_ran_over_are_counted() {
    let text = bill(&[&GOOD.replace("2024-09-03", "2024-09-02T30:00:00Z"), GOOD]);
    let input = input(&[(Container::Plain, text.as_bytes())]);
    let staged = run(&Lake::memory(), &input, OnError::Fail).expect("taken");
    let finding = staged
        .findings
        .iter()
        .find(|f| f.code == "hour_ran_over")
        .expect("warned");
    assert_eq!(
        (finding.count, finding.line, finding.column.as_deref()),
        (1, Some(2), Some("ChargePeriodEnd"))
    );
}

#[test]
fn more_rows_than_a_row_group() {
    let rows = 150_000u64;
    let mut text = format!("{HEADER}\n");
    for n in 0..rows {
        text.push_str(&format!(
            "{n}.000000000000000000000001,0,2024-09-01,2024-10-01,2024-09-02,2024-09-03,Usage,a,USD,service-{},,\n",
            n % 97
        ));
    }
    let input = input(&[(Container::Gzip, &gzip(text.as_bytes()))]);
    let lake = Lake::memory();
    let staged = run(&lake, &input, OnError::Fail).expect("taken");
    assert_eq!((staged.files.len(), staged.files[0].rows), (1, rows));
    assert_eq!(staged.totals[0].billed.to_string(), "11249925000.00000000000000000015");
    let found = charges(&lake, &staged.files[0].path);
    assert!(
        found
            .iter()
            .enumerate()
            .all(|(at, (line, charge))| *line == at as i64 + 2
                && charge.billed.units() == at as i128 * 10i128.pow(24) + 1)
    );
}

#[test]
fn parquet_of_any_type() {
    let struct_tags = StructChunked::from_series(
        "Tags".into(),
        2,
        [Column::new("env".into(), ["prod", "dev"]).take_materialized_series()].iter(),
    )
    .expect("struct");
    let day = |text: &str| domain::instant::parse(text.as_bytes()).expect(text).instant.0;
    let millis = |name: &str, text: &str| {
        Int64Chunked::from_vec(name.into(), vec![day(text) / 1_000; 2])
            .into_datetime(TimeUnit::Milliseconds, None)
            .into_column()
    };
    let date = |name: &str, text: &str| {
        Int32Chunked::from_vec(name.into(), vec![(day(text) / 86_400_000_000) as i32; 2])
            .into_date()
            .into_column()
    };
    let decimals = Int128Chunked::from_vec("EffectiveCost".into(), vec![125, -5])
        .into_decimal_unchecked(10, 2)
        .into_column();
    let columns = vec![
        Column::new("BilledCost".into(), [0.1f64, 1e-7]),
        decimals,
        date("BillingPeriodStart", "2024-09-01"),
        date("BillingPeriodEnd", "2024-10-01"),
        millis("ChargePeriodStart", "2024-09-02"),
        millis("ChargePeriodEnd", "2024-09-03"),
        Column::new("ChargeCategory".into(), ["Usage", "Tax"]),
        Column::new("BillingAccountId".into(), [7i64, 7]),
        Column::new("BillingCurrency".into(), ["USD", "USD"]),
        Column::new("ServiceName".into(), [Some("S3"), None]),
        Column::new("PricingQuantity".into(), [1.0f64 / 3.0, 2.0]),
        struct_tags.into_column(),
    ];
    let mut frame = DataFrame::new(2, columns).expect("frame");
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).expect("writes");
    let input = input(&[(Container::Parquet, &bytes)]);
    assert_eq!(
        parquet_columns(&input.parts[0].path).expect("columns")[..2],
        ["BilledCost", "EffectiveCost"]
    );
    let lake = Lake::memory();
    let staged = run(&lake, &input, OnError::Fail).expect("taken");
    assert_eq!(
        (
            staged.totals[0].billed.to_string().as_str(),
            staged.totals[0].effective.to_string().as_str()
        ),
        ("0.1000001", "1.2")
    );
    let rows = charges(&lake, &staged.files[0].path);
    assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        (
            rows[0].1.attributes.tag("env"),
            rows[0].1.attributes.column("BillingAccountId"),
            rows[1].1.attributes.column("ServiceName")
        ),
        (Some("prod"), Some("7"), None)
    );
    assert_eq!(rows[0].1.span.start.to_string(), "2024-09-02T00:00:00Z");
}

/// Cells that are mostly fine.
fn cell(column: &str) -> BoxedStrategy<String> {
    let texts: &[&str] = match column {
        "BilledCost" | "EffectiveCost" => &[
            "1",
            "-0.25",
            "1.81E-8",
            "0.00 ",
            "+7",
            "123456789.000000000000000000000001",
            "",
            "$1",
            "1,5",
            "1e-25",
            "abc",
            "100000000000000",
            "9999999999999",
            "null",
        ],
        "ListCost" => &["1", "2", "", "NULL", "x"],
        "PricingQuantity" => &["1", "0.3333333333333333333333", "", "q"],
        "BillingPeriodStart" => &[
            "2024-09-01",
            "2024-09-01T00:00:00Z",
            "2024-10-01 00:00:00",
            "9/1/24",
            "",
            "2024-13-01",
        ],
        "BillingPeriodEnd" => &["2024-11-01", "2024-12-01T00:00:00Z", "2024-09-01"],
        "ChargePeriodStart" => &["2024-09-02", "2024-09-05T10:00Z", "2024-09-05T10:00:00+02:00", "never"],
        "ChargePeriodEnd" => &["2024-09-06", "2024-09-05T30:00:00Z", "2024-09-02", "2024-08-01"],
        "ChargeCategory" => &["Usage", "usage", "Tax", " Credit ", "Purchase", "", "Rebate"],
        "BillingCurrency" => &["USD", "usd", "", "NULL", "$"],
        "Tags" => &[
            "",
            "{}",
            r#"{"a":"b"}"#,
            r#"{"a": 1, "b": null}"#,
            r#""k": "v""#,
            "  ",
            "no",
            r#"{"a":"b"#,
            r#"[{"key":"a","value":"b"}]"#,
        ],
        _ => &["", "a", "NULL", "é\"x\"", "line\nbreak", "a,b", " pad ", "null "],
    };
    let odds = texts
        .iter()
        .map(|text| (if text.is_empty() { 1 } else { 3 }, Just((*text).to_owned()).boxed()))
        .collect::<Vec<_>>();
    let usual = Just(texts[0].to_owned()).boxed();
    prop_oneof![12 => usual, 4 => proptest::strategy::Union::new_weighted(odds)].boxed()
}

const RANDOM_COLUMNS: [&str; 14] = [
    "ServiceName",
    "BilledCost",
    "Tags",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "x_Mine",
    "ChargeCategory",
    "EffectiveCost",
    "BillingCurrency",
    "ListCost",
    "PricingQuantity",
    "SubAccountId",
];

fn row() -> impl Strategy<Value = Vec<String>> {
    let cells: Vec<BoxedStrategy<String>> = RANDOM_COLUMNS.iter().map(|column| cell(column)).collect();
    (cells, 0..20u8).prop_map(|(mut cells, ragged)| {
        if ragged == 0 {
            cells.pop();
        }
        cells
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The same rows with the same amounts and attributes, and the same lines
    /// refused, as the scalar reference.
    #[test]
    fn ingest_is_the_reference(rows in prop::collection::vec(row(), 1..12)) {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        writer.write_record(RANDOM_COLUMNS).expect("writes");
        for row in &rows {
            writer.write_record(row).expect("writes");
        }
        let text = writer.into_inner().expect("text");
        let headers: Vec<String> = RANDOM_COLUMNS.iter().map(|name| (*name).to_owned()).collect();
        let binding = Binding::new(&focus("1.2").expect("known"), &headers).expect("binds");
        let (mut line, mut taken, mut refused) = (2i64, Vec::new(), Vec::new());
        for row in &rows {
            let cells: Vec<&[u8]> = row.iter().map(String::as_bytes).collect();
            match binding.read(&line.to_string(), &cells) {
                Ok(charge) => taken.push((line, charge)),
                Err(errors) => refused.push((line as u64, errors[0].code)),
            }
            line += 1 + row.iter().map(|cell| cell.matches('\n').count() as i64).sum::<i64>();
        }
        let input = input(&[(Container::Plain, &text)]);
        let lake = Lake::memory();
        let quarantine = Request { allow_mixed_currencies: true, ..request(&input, OnError::Quarantine) };
        let staged = ingest(&lake, &quarantine, &|_| {}).expect("taken");
        let mut found: Vec<(i64, Charge)> = staged.files.iter().flat_map(|file| charges(&lake, &file.path)).collect();
        found.sort_by_key(|(line, _)| *line);
        prop_assert_eq!(&found, &taken);
        let mut lines: Vec<(u64, &str)> = staged.findings.iter().filter(|f| f.severity == domain::Severity::Error).filter_map(|f| Some((f.line?, f.code.as_str()))).collect();
        lines.dedup_by_key(|(line, _)| *line);
        prop_assert_eq!(lines, refused.clone());
        prop_assert_eq!(staged.rejected_rows, refused.len() as u64);
        let billed = Money::sum(taken.iter().map(|(_, charge)| charge.billed)).expect("small");
        prop_assert_eq!(Money::sum(staged.totals.iter().map(|total| total.billed)).expect("small"), billed);
        // and without quarantine: all or nothing
        let failing = ingest(&Lake::memory(), &Request { on_error: OnError::Fail, ..quarantine }, &|_| {});
        prop_assert_eq!(failing.is_ok(), refused.is_empty());
    }
}
