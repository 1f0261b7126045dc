//! Annual fees on an amortisation schedule (A24), by the commands people use.

use crate::folder::Folder;
use serde_json::Value;

const HEADER: &str = "BilledCost,EffectiveCost,BillingAccountId,SubAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeFrequency,ServiceName,PublisherName,ProviderName,ChargeDescription,CommitmentDiscountId";
const RULES: &str = "format: 1\nrules:\n  - {name: account, when: {column: SubAccountId, exists: true}, set: {tenant: {column: SubAccountId}}}\n";
const POLICY: &str = "format: 1\nschedules:\n  - {above: \"100\", term_months: 12, from: 2026-01-01, when: {column: PublisherName, equals: Acme}}\n";

fn following(month: &str) -> String {
    let period: domain::BillingPeriod = month.parse().expect("a month");
    period.next().to_string()
}

/// A row of a month's bill, charged on one day.
fn row(month: &str, day: &str, cost: &str, account: &str, (category, what): (&str, &str)) -> String {
    let next = following(month);
    let (service, publisher) = if what.is_empty() {
        ("S3", "")
    } else {
        ("Acme Search", "Acme")
    };
    format!(
        "{cost},{cost},payer,{account},USD,{month}-01,{next}-01,{day},{day}T12:00:00Z,{category},,{service},{publisher},AWS,{what},"
    )
}

fn ingest(folder: &Folder, month: &str, rows: &[String]) {
    let path = folder.write(&format!("{month}.csv"), format!("{HEADER}\n{}\n", rows.join("\n")));
    let _ = folder.run(&["ingest", "billing", &path, "--source", "aws"]).exits(0);
}

fn usage(month: &str) -> String {
    row(month, &format!("{month}-03"), "10", "b", ("Usage", ""))
}

/// 365.00 on 15 January: 1.00 a day, until what is left of it is paid back.
fn folder() -> Folder {
    let folder = Folder::new();
    let rules = folder.write("rules.yaml", RULES);
    let _ = folder.run(&["rules", "apply", &rules]).exits(0);
    let policy = folder.write("prices.yaml", POLICY);
    let _ = folder.run(&["rules", "apply", "--kind", "prices", &policy]).exits(0);
    let fee = row("2026-01", "2026-01-15", "365", "a", ("Purchase", "Licence for a year"));
    let small = row("2026-01", "2026-01-20", "99.99", "a", ("Purchase", "Small licence"));
    ingest(&folder, "2026-01", &[fee, small, usage("2026-01")]);
    for month in ["2026-02", "2026-03"] {
        ingest(&folder, month, &[usage(month)]);
    }
    folder
}

fn cost(folder: &Folder, month: &str, tenant: &str) -> String {
    let report = folder.run(&["report", "costs", "--period", month, "--by", "tenant", "--json"]);
    let report = report.exits(0).json();
    let rows = report["rows"].as_array().expect("rows").iter();
    let found = rows.clone().find(|row| row["keys"]["tenant"] == tenant);
    found.map_or("0".to_owned(), |row| {
        row["cost"].as_str().expect("an amount").to_owned()
    })
}

fn sums(folder: &Folder, month: &str) -> Value {
    let answer = folder.run(&["reconcile", "--period", month, "--json"]).exits(0).json();
    answer["currencies"][0].clone()
}

/// Opening, purchases, amortised, refunds, closing.
fn roll(sums: &Value) -> Vec<[String; 5]> {
    let fees = sums["prepaid"].as_array().expect("fees").iter();
    let amounts = |fee: &Value| {
        ["opening", "purchases", "amortised", "refunds", "closing"]
            .map(|name| fee[name].as_str().expect(name).to_owned())
    };
    fees.map(amounts).collect()
}

#[test]
fn an_annual_licence_is_a_cost_of_every_day_of_its_term() {
    let folder = folder();
    for (month, tenant, roll_of_month, (billed, effective, bridge)) in [
        // 17 days of the licence, and the small one at once
        (
            "2026-01",
            "116.99",
            ["0", "365", "17", "0", "348"],
            ("474.99", "126.99", "-348"),
        ),
        // no later bill names it
        ("2026-02", "28", ["348", "0", "28", "0", "320"], ("10", "38", "28")),
        ("2026-03", "31", ["320", "0", "31", "0", "289"], ("10", "41", "31")),
    ] {
        assert_eq!(cost(&folder, month, "a"), tenant, "{month}");
        assert_eq!(cost(&folder, month, "b"), "10", "{month}");
        let sums = sums(&folder, month);
        assert_eq!(roll(&sums), [roll_of_month.map(str::to_owned)], "{month}");
        assert_eq!(
            (
                &sums["billed"],
                &sums["effective"],
                &sums["bridge"]["scheduled_fees"],
                &sums["residual"]
            ),
            (&billed.into(), &effective.into(), &bridge.into(), &"0".into()),
            "{sums}"
        );
    }
    // what a later month has of it is walked back to the line of January
    let report = folder.run(&["report", "costs", "--period", "2026-03", "--by", "tenant", "--json"]);
    let report = report.exits(0).json();
    let rows = report["rows"].as_array().expect("rows").iter();
    let id = rows.clone().find(|row| row["keys"]["tenant"] == "a").expect("a")["explain_id"].clone();
    let explain = folder
        .run(&["explain", id.as_str().expect("an id"), "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&explain["residual"], &explain["lines_total"]),
        (&"0".into(), &1.into())
    );
    let line = &explain["lines"][0];
    assert_eq!(
        (&line["file"], &line["line"]),
        (&"2026-01.csv".into(), &2.into()),
        "{explain}"
    );
    assert_eq!(line["description"], "Licence for a year (A24 schedule)");

    // the roll-forward over the months, and as a page
    let answer = folder.run(&["report", "prepaid", "--json"]).exits(0).json();
    let closing: Vec<&str> = answer["prepaid"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["closing"].as_str().expect("known"))
        .collect();
    assert_eq!(closing, ["348", "320", "289"]);
}

#[test]
fn a_licence_that_is_given_back_stops() {
    for (what, day, amount, tenant, roll_of_march) in [
        // 17 + 28 + 9 days are over
        (
            "what is left on 10 March",
            "2026-03-10",
            "-311",
            "9",
            ["320", "0", "9", "311", "0"],
        ),
        (
            "all of it",
            "2026-01-15",
            "-365",
            "-45",
            ["320", "0", "-45", "365", "0"],
        ),
    ] {
        let folder = folder();
        let before = [cost(&folder, "2026-01", "a"), cost(&folder, "2026-02", "a")];
        let refund = row("2026-03", day, amount, "a", ("Purchase", "Licence given back"));
        ingest(&folder, "2026-03", &[usage("2026-03"), refund]);
        ingest(&folder, "2026-04", &[usage("2026-04")]);
        assert_eq!(cost(&folder, "2026-03", "a"), tenant, "{what}");
        let sums_of_march = sums(&folder, "2026-03");
        assert_eq!(roll(&sums_of_march), [roll_of_march.map(str::to_owned)], "{what}");
        assert_eq!(cost(&folder, "2026-04", "a"), "0", "{what}");
        assert_eq!(roll(&sums(&folder, "2026-04")), Vec::<[String; 5]>::new());
        // what was charged before stays charged
        assert_eq!(
            [cost(&folder, "2026-01", "a"), cost(&folder, "2026-02", "a")],
            before,
            "{what}"
        );
    }
}

/// A month is allocated anew when a bill before it changes in its fees.
#[test]
fn a_month_knows_the_schedules_of_the_bills_before_it() {
    let folder = folder();
    assert_eq!(cost(&folder, "2026-03", "a"), "31");
    let answer = folder
        .run(&["allocate", "--period", "2026-03", "--json"])
        .exits(0)
        .json();
    assert_eq!(answer["allocations"][0]["unchanged"], true, "{answer}");
    // January again, the licence for twice as much
    let fee = row("2026-01", "2026-01-15", "730", "a", ("Purchase", "Licence for a year"));
    ingest(&folder, "2026-01", &[fee, usage("2026-01")]);
    assert_eq!(cost(&folder, "2026-03", "a"), "62");
    // a policy that ends before it puts nothing on a schedule
    let policy = POLICY.replace("from: 2026-01-01", "to: 2026-01-15");
    let policy = folder.write("ended.yaml", policy);
    let diff = folder
        .run(&[
            "rules", "diff", "--kind", "prices", &policy, "--period", "2026-03", "--json",
        ])
        .exits(0)
        .json();
    let change = &diff["changes"][0];
    assert_eq!(
        (&change["before"], &change["after"]),
        (&"62".into(), &"0".into()),
        "{diff}"
    );
    let _ = folder.run(&["rules", "apply", "--kind", "prices", &policy]).exits(0);
    assert_eq!(cost(&folder, "2026-03", "a"), "0");
    assert_eq!(cost(&folder, "2026-01", "a"), "730");
}
