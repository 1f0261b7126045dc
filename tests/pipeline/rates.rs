//! Costs of bills in several currencies, in one (A40).

use crate::folder::Folder;
use domain::Money;
use serde_json::{Value, json};
use tonnage_tests::bill::{Charge, charge, csv};

/// Friday the 2nd, then the week-end; the bank writes N/A for what is no more.
const BANK: &str = "Date,USD,JPY,BGN,\n\
    2026-10-05,1.25,160,N/A,\n\
    2026-10-02,1.20,150,N/A,\n\
    2026-10-01,1.15,155,N/A,\n";

fn folder() -> Folder {
    let folder = Folder::new();
    let of = |currency, account, day, tenant, cost| Charge {
        account,
        currency,
        ..charge("2026-10", day, tenant, cost)
    };
    let bill = folder.write(
        "bill.csv",
        csv(&[
            of("USD", "us", 1, "acme", "115"),
            of("USD", "us", 4, "globex", "12"),
            of("EUR", "eu", 2, "acme", "7.5"),
            of("EUR", "eu", 2, "", "-1"),
        ]),
    );
    let _ = folder.run(&["ingest", "billing", &bill]).exits(0);
    let rules = folder.write(
        "rules.yaml",
        "format: 1\nrules:\n  - {name: t, when: {tag: tenant, exists: true}, set: {tenant: {tag: tenant}}}\n",
    );
    let _ = folder.run(&["rules", "apply", &rules]).exits(0);
    folder
}

fn report(folder: &Folder, more: &[&str]) -> Value {
    let mut call = vec!["report", "costs", "--period", "2026-10", "--by", "tenant", "--json"];
    call.extend(more);
    folder.run(&call).exits(0).json()
}

fn cost(report: &Value, tenant: &str) -> (Value, Value) {
    let rows = report["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["keys"]["tenant"] == tenant).expect(tenant);
    (row["cost"].clone(), row["origin"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_charge_is_converted_once_and_keeps_its_own_amount() {
    let folder = folder();
    let rates = folder.write("eurofxref-hist.csv", BANK);
    let done = folder.run(&["rates", "import", &rates, "--json"]).exits(0).json();
    assert_eq!(
        done,
        json!({"rates": 6, "new": 6, "changed": 0, "first_day": "2026-10-01", "last_day": "2026-10-05"})
    );
    // at the mean of the month, 1.20
    let average = report(&folder, &["--convert", "EUR"]);
    assert_eq!(
        (&average["currency"], &average["rate_type"]),
        (&"EUR".into(), &"month-average".into())
    );
    assert_eq!(
        average["rates"],
        json!({"EUR": "1", "USD": "0.833333333333333333333333"})
    );
    assert_eq!(average["origin"], json!({"EUR": "6.5", "USD": "127"}));
    let (acme, origin) = cost(&average, "acme");
    assert_eq!(
        (acme, origin),
        (
            "103.333333333333333333333333".into(),
            json!({"EUR": "7.5", "USD": "115"})
        )
    );
    assert_eq!(cost(&average, "globex"), ("10".into(), json!({"USD": "12"})));
    assert_eq!(cost(&average, ""), ("-1".into(), json!({"EUR": "-1"})));
    // converted parts are the converted total
    let rows = average["rows"].as_array().expect("rows");
    let sum = Money::sum(
        rows.iter()
            .map(|row| Money::parse(row["cost"].as_str().expect("text")).expect("an amount")),
    );
    assert_eq!(
        sum.expect("small").to_string(),
        average["total"].as_str().expect("text")
    );
    let by_service = folder
        .run(&[
            "report",
            "costs",
            "--period",
            "2026-10",
            "--by",
            "ServiceName",
            "--convert",
            "EUR",
            "--json",
        ])
        .exits(0)
        .json();
    assert_eq!(by_service["total"], average["total"]);

    // at the rate of the day: of a Sunday that of the Friday before
    let daily = report(&folder, &["--convert", "EUR", "--rate", "charge-date"]);
    assert_eq!(
        (cost(&daily, "acme").0, cost(&daily, "globex").0),
        ("107.5".into(), "10".into())
    );
    assert_eq!(daily["rates"], json!({"EUR": Value::Null, "USD": Value::Null}));
    // through the euro
    let yen = report(
        &folder,
        &["--convert", "JPY", "--rate", "charge-date", "--filter", "tenant=globex"],
    );
    assert_eq!(yen["total"], "1500");

    // nothing of it is in what the bills say
    assert_eq!(report(&folder, &["--currency", "USD"])["total"], "127");
    let _ = folder.run(&["reconcile"]).exits(0);
    // a rate that changes changes the report
    let later = folder.write("later.csv", "date,base,quote,rate\n2026-10-05,EUR,USD,1.30\n");
    let done = folder.run(&["rates", "import", &later, "--json"]).exits(0).json();
    assert_eq!((&done["new"], &done["changed"]), (&0.into(), &1.into()));
    assert_ne!(report(&folder, &["--convert", "EUR"])["total"], average["total"]);
    let csv = folder
        .run(&[
            "report",
            "costs",
            "--period",
            "2026-10",
            "--convert",
            "USD",
            "--format",
            "csv",
        ])
        .exits(0)
        .out;
    assert!(csv.starts_with("tenant,cost USD,origin EUR,origin USD\n"), "{csv}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_rate_is_never_guessed() {
    let folder = folder();
    // two currencies and no choice: told how to choose
    let undecided = folder.run(&["report", "costs", "--period", "2026-10"]);
    assert_eq!(undecided.code, Some(2));
    assert!(undecided.err.contains("--convert"), "{}", undecided.err);
    let none = folder.run(&["report", "costs", "--period", "2026-10", "--convert", "EUR"]);
    assert_eq!(none.code, Some(2));
    assert!(
        none.err.contains("no rate from USD to EUR for 2026-10") && none.err.contains("rates import"),
        "{}",
        none.err
    );
    for (text, expect) in [
        ("date,base,quote,rate\n2026-10-05,EUR,USD,-1\n", &["line 2", "-1"][..]),
        ("date,base,quote,rate\nsoon,EUR,USD,1\n", &["line 2", "soon"]),
        ("date,base,quote,rate\n2026-10-05,EUR,EUR,1\n", &["line 2"]),
        ("date,base,quote,rate\n2026-10-05,EUR,,1\n", &["line 2", "EUR and USD"]),
        ("name,age\nx,1\n", &["eurofxref-hist.csv"]),
        ("Date,USD\n", &["no rate"]),
    ] {
        let file = folder.write("rates.csv", text);
        let refused = folder.run(&["rates", "import", &file]);
        assert_eq!(refused.code, Some(2), "{text}");
        for part in expect {
            assert!(refused.err.contains(part), "{part}: {}", refused.err);
        }
    }
    assert_eq!(
        folder.run(&["rates", "list", "--json"]).exits(0).json(),
        json!({"rates": []})
    );
}

#[test]
fn the_banks_xml_is_its_csv() {
    let xml = r#"<?xml version="1.0" encoding="UTF-8"?><gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><gesmes:subject>Reference rates</gesmes:subject><Cube>
        <Cube time="2026-10-05"><Cube currency="USD" rate="1.25"/><Cube currency="JPY" rate="160"/></Cube>
        <Cube time='2026-10-02'><Cube currency='USD' rate='1.20'/><Cube currency='JPY' rate='150'/></Cube>
        <Cube time="2026-10-01"><Cube currency="USD" rate="1.15"/><Cube currency="JPY" rate="155"/></Cube></Cube></gesmes:Envelope>"#;
    let folder = Folder::new();
    let import = |name: &str, text: &str| {
        let file = folder.write(name, text);
        folder.run(&["rates", "import", &file, "--json"])
    };
    let first = import("bank.csv", BANK).exits(0).json();
    assert_eq!(first["new"], 6);
    let same = import("bank.xml", xml).exits(0).json();
    assert_eq!(
        (&same["rates"], &same["new"], &same["changed"]),
        (&json!(6), &json!(0), &json!(0))
    );
    for (broken, part) in [
        (xml.replace("1.25", "dear"), "no rate of a day"),
        (xml.replace("2026-10-05", "Monday"), "no date"),
        (xml.replace("</gesmes:Envelope>", "</other>"), "no whole XML"),
        ("<html></html>".to_owned(), "no rate"),
    ] {
        let ended = import("broken.xml", &broken).exits(2);
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
}
