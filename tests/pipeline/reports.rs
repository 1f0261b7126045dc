//! One figure, however it is asked for; explained down to the lines of the bill.

use crate::folder::Folder;
use domain::Money;
use serde_json::Value;
use tonnage_tests::bill::{Charge, RULES, charge, csv};
use tonnage_tests::program::Server;

/// Two months, two currencies, tenants without and with a name that needs quotes.
fn two_currencies() -> String {
    let euro = |day, tenant, cost| Charge {
        account: "0815",
        currency: "EUR",
        ..charge("2026-11", day, tenant, cost)
    };
    csv(&[
        charge("2026-10", 1, "acme", "10"),
        charge("2026-11", 1, "acme", "120.250000000000000000000007"),
        charge("2026-11", 2, "globex, inc", "0.005"),
        charge("2026-11", 3, "", "7.125"),
        charge("2026-11", 4, "acme", "-20.000000000000000000000003"),
        euro(1, "acme", "3.3"),
        euro(2, "", "0.000000000000000000000001"),
    ])
}

/// November by currency, done by hand.
const TOTALS: [(&str, &str); 2] = [
    ("USD", "107.380000000000000000000004"),
    ("EUR", "3.300000000000000000000001"),
];

fn folder() -> Folder {
    let folder = Folder::new();
    let (rules, bill) = (
        folder.write("rules.yaml", RULES),
        folder.write("bill.csv", two_currencies()),
    );
    let _ = folder.run(&["rules", "apply", &rules]).exits(0);
    let _ = folder.run(&["ingest", "billing", &bill]).exits(0);
    folder
}

/// The last row of a CSV, and the sum of the rows before it, in a column.
fn total_and_sum(text: &str, column: usize) -> (String, String) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let mut rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("RFC 4180")).collect();
    let total = rows.pop().expect("a total row");
    assert_eq!((&total[0], &total[1]), ("total", "Total"));
    let amounts = rows
        .iter()
        .map(|row| Money::parse(&row[column]).expect("an exact amount"));
    (
        total[column].to_owned(),
        Money::sum(amounts).expect("small").to_string(),
    )
}

/// The same of a file of bill lines, whose amounts have a column of that name.
fn total_and_sum_of_lines(text: &str) -> (String, String) {
    let head = text.lines().next().expect("a header");
    let cost = csv::Reader::from_reader(head.as_bytes())
        .headers()
        .expect("RFC 4180")
        .iter()
        .position(|name| name.starts_with("Cost ("))
        .expect("a column of amounts");
    total_and_sum(text, cost)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_file_api_and_page_say_the_same() {
    let folder = folder();
    let server = Server::start(&folder.data(), &[]);
    for (currency, total) in TOTALS {
        for by in ["tenant", "tenant,service", "ServiceName,tenant"] {
            let levels = by.split(',').count();
            let args = [
                "report",
                "costs",
                "--period",
                "2026-11",
                "--by",
                by,
                "--currency",
                currency,
            ];
            let report = folder.run(&[&args[..], &["--json"]].concat()).exits(0).json();
            assert_eq!(report["total"], total, "{currency} by {by}");
            let rows = report["rows"].as_array().expect("rows").iter();
            let sum = Money::sum(rows.map(|row| Money::parse(row["cost"].as_str().expect("money")).expect("money")));
            assert_eq!(sum.expect("small").to_string(), total);

            let file = folder.run(&[&args[..], &["--format", "csv"]].concat()).exits(0);
            assert_eq!(
                total_and_sum(&file.out, levels + 1),
                (total.to_owned(), total.to_owned()),
                "{}",
                file.out
            );

            let query = format!("period=2026-11&by={}&currency={currency}", by.replace(',', "&by="));
            let answer: Value = serde_json::from_str(&server.get(&format!("/api/v1/costs?{query}"))).expect("JSON");
            assert_eq!(answer["total"], total, "{query}");
            let download = server.get(&format!("/costs.csv?{query}"));
            assert_eq!(
                total_and_sum(&download, levels + 1),
                (total.to_owned(), total.to_owned()),
                "{download}"
            );
            let page = server.get(&format!("/costs?{query}"));
            assert!(
                page.contains(&format!("title=\"{total}\"")),
                "{query}: the page has no {total}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_currencies_are_never_added_nor_picked_in_silence() {
    let folder = folder();
    let refused = folder.run(&["report", "costs", "--period", "2026-11"]).exits(2);
    assert!(
        refused.err.contains("EUR") && refused.err.contains("USD") && refused.err.contains("--currency"),
        "{}",
        refused.err
    );
    let one = folder
        .run(&["report", "costs", "--period", "2026-10", "--json"])
        .exits(0)
        .json();
    assert_eq!((&one["currency"], &one["total"]), (&"USD".into(), &"10".into()));
    let answer = folder
        .run(&["reconcile", "--period", "2026-11", "--json"])
        .exits(0)
        .json();
    let currencies: Vec<_> = answer["currencies"]
        .as_array()
        .expect("currencies")
        .iter()
        .map(|c| (&c["currency"], &c["residual"]))
        .collect();
    assert_eq!(currencies.len(), 2);
    assert!(currencies.iter().all(|(_, residual)| **residual == "0"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_is_explained_to_the_last_digit() {
    let folder = folder();
    let args = [
        "report",
        "costs",
        "--period",
        "2026-11",
        "--by",
        "tenant,ServiceName",
        "--currency",
        "USD",
        "--json",
    ];
    let report = folder.run(&args).exits(0).json();
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 3);
    for row in rows {
        let id = row["explain_id"].as_str().expect("an id");
        let explained = folder.run(&["explain", id, "--json"]).exits(0).json();
        assert_eq!(explained["residual"], "0", "{explained}");
        assert_eq!(explained["cost"], row["cost"], "{explained}");
        let lines = explained["lines"].as_array().expect("lines").iter();
        let sum = Money::sum(lines.map(|line| Money::parse(line["cost"].as_str().expect("money")).expect("money")));
        assert_eq!(row["cost"], sum.expect("small").to_string().as_str());
        // the file of the lines adds up too; with a limit the rest is a row of its own
        for limit in [&[][..], &["--limit", "0"]] {
            let args = [&["explain", id, "--format", "csv"], limit].concat();
            let (total, sum) = total_and_sum_of_lines(&folder.run(&args).exits(0).out);
            assert_eq!(
                (row["cost"].as_str(), &total),
                (Some(total.as_str()), &sum),
                "{limit:?}"
            );
        }
    }
    // down to the line of the file: the charge without an owner stands in the fifth
    let orphan = rows
        .iter()
        .find(|row| row["keys"]["tenant"] == "")
        .expect("a row without a tenant");
    let explained = folder
        .run(&["explain", orphan["explain_id"].as_str().expect("an id"), "--json"])
        .exits(0)
        .json();
    let line = &explained["lines"][0];
    assert_eq!(
        (&line["file"], &line["line"], &line["cost"]),
        (&"bill.csv".into(), &5.into(), &"7.125".into())
    );
}
