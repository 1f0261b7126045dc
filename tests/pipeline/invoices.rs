//! Invoices beside the bill (C1, A42).

use crate::folder::Folder;
use serde_json::Value;

const HEADER: &str = "BilledCost,EffectiveCost,SubAccountId,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,\
ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,InvoiceId,InvoiceIssuerName";

/// A bill of a month: cost, category, account, invoice.
fn bill(month: &str, rows: &[(&str, &str, &str, &str)]) -> String {
    let next = tonnage_tests::bill::next_month(month);
    let mut text = format!("{HEADER}\n");
    for (cost, category, account, invoice) in rows {
        text.push_str(&format!(
            "{cost},{cost},{account},payer,USD,{month}-01T00:00:00Z,{next}-01T00:00:00Z,{month}-01T00:00:00Z,{month}-01T01:00:00Z,\
             {category},Compute,{invoice},AWS\n"
        ));
    }
    text
}

fn states(folder: &Folder, code: i32) -> Vec<(String, String, String)> {
    let answer = folder.run(&["invoice", "list", "--json"]).exits(code).json();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let all = answer["invoices"].as_array().expect("a list").iter();
    all.map(|one| (text(&one["number"]), text(&one["state"]), text(&one["difference"])))
        .collect()
}

fn expected(rows: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let own = |(number, state, difference): &(&str, &str, &str)| {
        ((*number).to_owned(), (*state).to_owned(), (*difference).to_owned())
    };
    rows.iter().map(own).collect()
}

#[test]
fn an_invoice_is_compared_with_the_lines_that_name_it() {
    let folder = Folder::new();
    let october = folder.write(
        "october.csv",
        bill(
            "2026-10",
            &[
                ("10.004", "Usage", "payer", "inv-1"),
                ("5", "Usage", "payer", "inv-1"),
                ("2.85", "Tax", "payer", "inv-1"),
                ("-3", "Credit", "payer", "memo-2"),
                ("7", "Usage", "payer", "market-3"),
                ("100", "Usage", "payer", ""),
            ],
        ),
    );
    let _ = folder.run(&["ingest", "billing", &october, "--source", "s"]).exits(0);
    assert_eq!(
        states(&folder, 0),
        expected(&[
            ("inv-1", "not_entered", "-"),
            ("market-3", "not_entered", "-"),
            ("memo-2", "not_entered", "-"),
        ]),
        "the bill names them, lines without a number stay unbilled"
    );
    let _ = folder.run(&["reconcile", "--period", "2026-10"]).exits(0);
    let add = |args: &[&str]| {
        let base = ["invoice", "add", "--period", "2026-10", "--currency", "USD"];
        let args: Vec<&str> = base.iter().chain(args).copied().collect();
        folder.run(&args)
    };
    // rounded by the provider, a credit memo, another issuer's invoice, one that is short by an account
    let _ = add(&[
        "--number", "inv-1", "--issuer", "AWS", "--net", "15.00", "--tax", "2.85", "--gross", "17.85",
    ])
    .exits(0);
    let _ = add(&["--number", "memo-2", "--issuer", "AWS", "--net", "-3"]).exits(0);
    let _ = add(&["--number", "market-3", "--issuer", "Vendor Ltd", "--net", "9"]).exits(0);
    assert_eq!(
        states(&folder, 1),
        expected(&[
            ("inv-1", "rounded", "0.004"),
            ("memo-2", "agrees", "0"),
            ("market-3", "differs", "-2"),
        ])
    );
    let ended = folder.run(&["reconcile", "--period", "2026-10"]).exits(1);
    assert!(
        ended
            .err
            .contains("invoice market-3 has 9 net, its 1 lines 7: difference -2"),
        "{}",
        ended.err
    );
    let report = folder
        .run(&["reconcile", "--period", "2026-10", "--json"])
        .exits(1)
        .json();
    assert_eq!(
        report["currencies"][0]["invoices"].as_array().map(Vec::len),
        Some(3),
        "{report}"
    );
    // the same again changes nothing, other figures are refused, and it can be taken back
    let again = add(&["--number", "memo-2", "--issuer", "AWS", "--net", "-3", "--json"])
        .exits(0)
        .json();
    assert_eq!((&again["entered"], &again["unchanged"]), (&0.into(), &1.into()));
    let other = add(&["--number", "memo-2", "--issuer", "AWS", "--net", "-4"]).exits(2);
    assert!(other.err.contains("with other figures"), "{}", other.err);
    let _ = folder.run(&["invoice", "remove", "market-3"]).exits(0);
    let _ = folder.run(&["invoice", "remove", "market-3"]).exits(2);
    let _ = folder.run(&["reconcile", "--period", "2026-10"]).exits(0);
    // an invoice nothing in the bill names
    let _ = add(&["--number", "lost-4", "--net", "1"]).exits(0);
    assert!(states(&folder, 1).contains(&("lost-4".to_owned(), "no_lines".to_owned(), "-".to_owned())));
}

#[test]
fn invoices_come_from_a_file_all_or_none() {
    let folder = Folder::new();
    let bill = folder.write(
        "bill.csv",
        bill(
            "2026-10",
            &[("10", "Usage", "payer", "a"), ("5", "Usage", "payer", "b")],
        ),
    );
    let _ = folder.run(&["ingest", "billing", &bill, "--source", "s"]).exits(0);
    let good = "number,period,currency,net,date,issuer\na,2026-10,USD,10.00,2026-11-03,AWS\nb,2026-10,USD,5,,AWS\n";
    let bad = "number,period,currency,net\nc,2026-10,USD,ten\nd,October,USD,1\n";
    let (good, bad) = (folder.write("good.csv", good), folder.write("bad.csv", bad));
    let refused = folder.run(&["invoice", "import", &bad, "--json"]).exits(2).json();
    let places: Vec<(u64, &str)> = refused["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| {
            (
                finding["line"].as_u64().expect("a line"),
                finding["column"].as_str().expect("a column"),
            )
        })
        .collect();
    assert_eq!(places, [(2, "net"), (3, "period")], "{refused}");
    let unknown = folder.write("unknown.csv", "number,colour\n1,red\n");
    let _ = folder.run(&["invoice", "import", &unknown]).exits(2);
    assert_eq!(
        states(&folder, 0)
            .iter()
            .filter(|(_, state, _)| state != "not_entered")
            .count(),
        0
    );
    let answer = folder.run(&["invoice", "import", &good, "--json"]).exits(0).json();
    assert_eq!(answer["entered"], 2);
    assert_eq!(
        states(&folder, 0),
        expected(&[("a", "agrees", "0"), ("b", "agrees", "0")])
    );
}

#[test]
fn an_account_that_is_gone_is_named() {
    let folder = Folder::new();
    for (month, rows) in [
        (
            "2026-09",
            &[("1", "Usage", "payer", ""), ("2", "Usage", "linked", "")][..],
        ),
        ("2026-10", &[("1", "Usage", "payer", "")]),
    ] {
        let bill = folder.write(&format!("{month}.csv"), bill(month, rows));
        let _ = folder.run(&["ingest", "billing", &bill, "--source", "s"]).exits(0);
    }
    let ended = folder.run(&["reconcile", "--period", "2026-10"]).exits(0);
    assert!(
        ended
            .err
            .contains("account linked of payer was in the bill of the month before"),
        "{}",
        ended.err
    );
}

#[test]
fn two_issuers_may_use_one_number() {
    let folder = Folder::new();
    let text = bill(
        "2026-10",
        &[("10", "Usage", "payer", "77"), ("4", "Usage", "payer", "77")],
    );
    let text = text.replacen("77,AWS", "77,Vendor Ltd", 1);
    let bill = folder.write("bill.csv", text);
    let _ = folder.run(&["ingest", "billing", &bill, "--source", "s"]).exits(0);
    let add = |issuer: &str, net: &str, period: &str| {
        let args = [
            "--number",
            "77",
            "--currency",
            "USD",
            "--issuer",
            issuer,
            "--net",
            net,
            "--period",
            period,
        ];
        let args: Vec<&str> = ["invoice", "add"].into_iter().chain(args).collect();
        folder.run(&args).exits(0)
    };
    let _ = (add("aws", "4", "2026-10"), add("Vendor Ltd", "10", "2026-10"));
    assert_eq!(
        states(&folder, 0),
        expected(&[("77", "agrees", "0"), ("77", "agrees", "0")])
    );
    // entered once more, under another name: no lines are left for it
    let _ = add("Vendor Limited", "10", "2026-10");
    assert!(states(&folder, 1).contains(&("77".to_owned(), "no_lines".to_owned(), "-".to_owned())));
    let _ = folder
        .run(&["invoice", "remove", "77", "--issuer", "Vendor Limited"])
        .exits(0);
    // an invoice for a month without a bill
    let args = [
        "invoice",
        "add",
        "--number",
        "9",
        "--currency",
        "USD",
        "--net",
        "500",
        "--period",
        "2026-09",
    ];
    let _ = folder.run(&args).exits(0);
    let ended = folder.run(&["reconcile"]).exits(1);
    assert!(
        ended.err.contains("there is no bill for invoice 9 of 500 net"),
        "{}",
        ended.err
    );
    let _ = folder.run(&["reconcile", "--period", "2026-10"]).exits(0);
}

const DETAIL: &str = "InvoiceId,InvoiceDetailId,InvoiceIssuerName,InvoiceIssueStatus,InvoiceIssueDate,PaymentDueDate,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargeCategory,BilledCost\n";

fn detail(rows: &[&str]) -> String {
    let mut text = DETAIL.to_owned();
    for row in rows {
        text.push_str(row);
        text.push('\n');
    }
    text
}

#[test]
fn invoices_of_focus_are_added_up_from_their_lines() {
    let folder = Folder::new();
    let october = folder.write(
        "october.csv",
        bill(
            "2026-10",
            &[
                ("10.004", "Usage", "payer", "inv-1"),
                ("5", "Usage", "payer", "inv-1"),
                ("2.85", "Tax", "payer", "inv-1"),
                ("7", "Usage", "payer", "inv-2"),
            ],
        ),
    );
    let _ = folder.run(&["ingest", "billing", &october, "--open"]).exits(0);
    let rest = "2026-10-01T00:00:00Z,2026-11-01T00:00:00Z";
    let rows = [
        format!("inv-1,1,AWS,Issued,2026-11-03T00:00:00Z,2026-12-03T00:00:00Z,payer,USD,{rest},Usage,10"),
        format!("inv-1,2,AWS,Issued,2026-11-03T00:00:00Z,NULL,payer,USD,{rest},Purchase,5"),
        format!("inv-1,3,AWS,Issued,2026-11-03T00:00:00Z,,payer,USD,{rest},Tax,2.85"),
        format!("inv-2,1,AWS,Open,,,payer,USD,{rest},Usage,7"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let file = folder.write("InvoiceDetail.csv", detail(&rows));
    let import = |file: &str| folder.run(&["invoice", "import", file, "--json"]).exits(0).json();
    let taken = import(&file);
    assert_eq!((&taken["entered"], &taken["not_issued"]), (&1.into(), &1.into()));
    assert_eq!(import(&file)["unchanged"], 1, "the same again changes nothing");
    assert_eq!(
        states(&folder, 0),
        expected(&[("inv-1", "rounded", "0.004"), ("inv-2", "not_entered", "-")])
    );
    let listed = folder.run(&["invoice", "list", "--json"]).exits(0).json();
    let first = &listed["invoices"][0];
    assert_eq!(
        [&first["net"], &first["tax"], &first["date"], &first["due"]].map(|value| value.as_str().unwrap_or("-")),
        ["15", "2.85", "2026-11-03", "2026-12-03"]
    );
    let void = rows[0].replace("Issued", "Voided");
    let void = folder.write("void.csv", detail(&[&void]));
    assert_eq!(import(&void)["voided"], 1);
    for (broken, place) in [
        (rows[0].replace("Issued", "Paid"), "InvoiceIssueStatus"),
        (rows[0].replace(",10", ",ten"), "BilledCost"),
        (rows[0].replace("inv-1", ""), "InvoiceId"),
        (rows[0].replace("2026-10-01T00:00:00Z", "October"), "BillingPeriodStart"),
        (
            format!("{}\n{}", rows[0], rows[1].replace("USD", "EUR")),
            "BillingCurrency",
        ),
    ] {
        let file = folder.write("broken.csv", detail(&[&broken]));
        let ended = folder.run(&["invoice", "import", &file]).exits(2);
        assert!(ended.err.contains(place), "{place}: {}", ended.err);
    }
}

#[test]
fn a_month_its_issuer_closed_is_final() {
    let folder = Folder::new();
    let month = |month: &str| bill(month, &[("10", "Usage", "payer", "inv-1")]);
    for name in ["2026-10", "2026-11"] {
        let file = folder.write(&format!("{name}.csv"), month(name));
        let _ = folder
            .run(&["ingest", "billing", &file, "--open", "--source", "s"])
            .exits(0);
    }
    let state = |period: &str| -> Value {
        let answer = folder.run(&["deliveries", "list", "--json"]).exits(0).json();
        let mut all = answer["deliveries"].as_array().expect("deliveries").iter();
        let of = all.find(|one| one["periods"][0]["billing_period"] == period);
        of.expect(period)["state"].clone()
    };
    let before = [state("2026-10"), state("2026-11")];
    let head = "InvoiceIssuerName,BillingPeriodStart,BillingPeriodEnd,BillingPeriodStatus\n";
    let rows = [
        "aws,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,Closed",
        "AWS,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,Open",
        "Microsoft,2026-11-01T00:00:00Z,2026-12-01T00:00:00Z,Closed",
    ];
    let file = folder.write("BillingPeriod.csv", format!("{head}{}\n", rows.join("\n")));
    let taken = folder.run(&["invoice", "import", &file, "--json"]).exits(0).json();
    let finished = |at: usize| taken["closed"][at]["finished"].as_array().map(Vec::len);
    assert_eq!((finished(0), finished(1)), (Some(0), Some(1)), "{taken}");
    assert_eq!(before, ["open", "open"]);
    assert_eq!(state("2026-10"), "final");
    assert_eq!(state("2026-11"), "open", "its issuer has not closed November");
    let again = folder.run(&["invoice", "import", &file, "--json"]).exits(0).json();
    assert_eq!(again["closed"][1]["finished"].as_array().map(Vec::len), Some(0));
    let bad = folder.write("bad.csv", format!("{head}AWS,2026-10-01,2026-11-01,Done\n"));
    let ended = folder.run(&["invoice", "import", &bad]).exits(2);
    assert!(ended.err.contains("BillingPeriodStatus"), "{}", ended.err);
}
