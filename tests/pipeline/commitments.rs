//! Commitments as a bill tells of them, against a reckoning by hand.

use crate::folder::Folder;
use std::fmt::Write as _;

const HEADER: &str = "BilledCost,EffectiveCost,ListCost,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,\
ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,SubAccountId,PricingCategory,CommitmentDiscountId,\
CommitmentDiscountName,CommitmentDiscountType,CommitmentDiscountStatus,savings_plan_end_time";

/// A row of an hour of October: billed, effective, list, category, service, account, pricing, id, status.
fn row(hour: u32, cells: [&str; 9]) -> String {
    let [billed, effective, list, category, service, account, pricing, id, status] = cells;
    let (name, kind, end) = match id {
        "sp-1" => ("plan", "Savings Plan", "2026-12-20T00:00:00Z"),
        "" => ("", "", ""),
        _ => ("", "Reserved Instance", ""),
    };
    format!(
        "{billed},{effective},{list},4711,USD,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,2026-10-01T{hour:02}:00:00Z,\
         2026-10-01T{:02}:00:00Z,{category},{service},{account},{pricing},{id},{name},{kind},{status},{end}",
        hour + 1
    )
}

fn bill() -> String {
    let rows = [
        // the plan: 1.00 an hour; hour 0 fully used, hour 1 to three quarters
        row(0, ["5", "0", "", "Purchase", "EC2", "payer", "", "sp-1", ""]),
        row(
            0,
            ["0", "1", "1.5", "Usage", "EC2", "shop", "Committed", "sp-1", "Used"],
        ),
        row(
            1,
            ["0", "0.75", "1.25", "Usage", "EC2", "shop", "Committed", "sp-1", "Used"],
        ),
        row(
            1,
            ["0", "0.25", "", "Usage", "EC2", "payer", "Committed", "sp-1", "Unused"],
        ),
        // a reservation without list prices
        row(0, ["0", "2", "", "Usage", "RDS", "shop", "Committed", "ri-1", "Used"]),
        // on demand, and spot, which no commitment could lower
        row(0, ["4.25", "4.25", "4.25", "Usage", "EC2", "shop", "Standard", "", ""]),
        row(0, ["9", "9", "30", "Usage", "EC2", "shop", "Dynamic", "", ""]),
        row(0, ["3", "3", "3", "Usage", "S3", "shop", "Standard", "", ""]),
    ];
    let mut text = format!("{HEADER}\n");
    for row in rows {
        let _ = writeln!(text, "{row}");
    }
    text
}

#[test]
fn a_months_commitments_are_those_reckoned_by_hand() {
    let folder = Folder::new();
    let bill = folder.write("bill.csv", bill());
    let _ = folder.run(&["ingest", "billing", &bill]).exits(0);
    let page = folder
        .run(&["report", "commitments", "--period", "2026-10", "--json"])
        .exits(0)
        .json();
    let all = page["commitments"].as_array().expect("a list");
    assert_eq!(all.len(), 2, "{page}");
    let plan = all.iter().find(|one| one["id"] == "sp-1").expect("the plan");
    for (field, expected) in [
        ("name", "plan"),
        ("kind", "Savings Plan"),
        ("account", "payer"),
        ("currency", "USD"),
        ("bought", "5"),
        ("used", "1.75"),
        ("unused", "0.25"),
        // list 2.75 less its cost of 2
        ("saving", "0.75"),
        ("end", "2026-12-20"),
    ] {
        assert_eq!(plan[field], expected, "{field} in {plan}");
    }
    for (field, expected) in [
        ("utilisation_permille", 875),
        ("hours", 2),
        ("hours_with_unused", 1),
        ("worst_hour_permille", 750),
    ] {
        assert_eq!(plan[field], expected, "{field} in {plan}");
    }
    let reservation = all.iter().find(|one| one["id"] == "ri-1").expect("the reservation");
    assert!(
        reservation["saving"].is_null() && reservation["end"].is_null(),
        "unknown is not zero: {reservation}"
    );
    assert_eq!(reservation["account"], "", "who used it need not have bought it");
    // 2.75 covered, 4.25 on demand: 39.2 %; storage has no commitment, the database no list price
    let coverage = page["coverage"].as_array().expect("a list");
    assert_eq!(coverage.len(), 2, "{page}");
    assert_eq!(coverage[1]["service"], "RDS");
    assert!(
        coverage[1]["coverage_permille"].is_null(),
        "without list prices nothing is known: {page}"
    );
    assert_eq!(
        (&coverage[0]["service"], &coverage[0]["coverage_permille"]),
        (&"EC2".into(), &392.into())
    );
    let steps: Vec<(&str, u64)> = page["expiry"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|step| {
            (
                step["when"].as_str().expect("words"),
                step["count"].as_u64().expect("a count"),
            )
        })
        .collect();
    assert_eq!(steps, [("within 30 days", 1), ("end unknown", 1)], "{page}");
    assert_eq!(page["context"]["data_through"], "2026-10-01", "from usage alone");
    let csv = folder.run(&["report", "commitments", "--format", "csv"]).exits(0);
    assert!(
        csv.out.starts_with("id,name,kind,") && csv.out.lines().count() == 3,
        "{}",
        csv.out
    );
}

/// A year paid at once, an hour 1.00: every month's bridge is whole and the
/// roll-forward ends at zero.
#[test]
fn a_year_paid_at_once_rolls_forward_to_zero() {
    let folder = Folder::new();
    let mut text = "BilledCost,EffectiveCost,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,\
        ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,CommitmentDiscountId,CommitmentDiscountStatus\n"
        .to_owned();
    let hours = [744, 672, 744, 720, 744, 720, 744, 744, 720, 744, 720, 744];
    for (at, hours) in hours.iter().enumerate() {
        let month = |at: usize| format!("{:04}-{:02}-01", 2025 + at / 12, at % 12 + 1);
        let (from, to) = (month(at), month(at + 1));
        let unused = if at == 5 { 20 } else { 0 };
        let mut row = |billed: &str, effective: i32, category: &str, status: &str| {
            let _ = writeln!(
                text,
                "{billed},{effective},4711,USD,{from},{to},{from},{to},{category},EC2,plan,{status}"
            );
        };
        if at == 0 {
            row("8760.00", 0, "Purchase", "");
        }
        row("0", hours - unused, "Usage", "Used");
        if unused > 0 {
            row("0", unused, "Usage", "Unused");
        }
    }
    let bill = folder.write("year.csv", &text);
    let _ = folder.run(&["ingest", "billing", &bill]).exits(0);
    let _ = folder.run(&["reconcile"]).exits(0);
    let answer = folder.run(&["report", "prepaid", "--json"]).exits(0).json();
    let rows = answer["prepaid"].as_array().expect("rows");
    assert_eq!(rows.len(), 12);
    let text = |row: &serde_json::Value, field: &str| row[field].as_str().expect(field).to_owned();
    assert_eq!(text(&rows[0], "purchases"), "8760");
    assert_eq!(
        (text(&rows[5], "amortised"), text(&rows[5], "closing")),
        ("720".into(), "4416".into())
    );
    for pair in rows.windows(2) {
        assert_eq!(text(&pair[0], "closing"), text(&pair[1], "opening"));
    }
    assert_eq!(text(&rows[11], "closing"), "0");
    let formula = std::fs::read_to_string(&bill)
        .expect("the bill")
        .replace(",plan,", ",=plan,");
    let folder = Folder::new();
    let bill_of_formula = folder.write("formula.csv", formula);
    let _ = folder.run(&["ingest", "billing", &bill_of_formula]).exits(0);
    let csv = folder.run(&["report", "prepaid", "--format", "csv"]).exits(0).out;
    assert!(csv.contains("'=plan,") && csv.contains(",8760,"), "{csv}");

    // without the month it was bought in nothing is known of what is left
    let folder = Folder::new();
    let whole = std::fs::read_to_string(&bill).expect("the bill");
    let later = text_without_first_month(&whole);
    let bill = folder.write("later.csv", later.join("\n") + "\n");
    let _ = folder.run(&["ingest", "billing", &bill]).exits(0);
    let answer = folder.run(&["report", "prepaid", "--json"]).exits(0).json();
    assert_eq!(
        (&answer["prepaid"][0]["opening"], &answer["prepaid"][0]["amortised"]),
        (&serde_json::Value::Null, &"672".into())
    );
}

fn text_without_first_month(bill: &str) -> Vec<&str> {
    bill.lines()
        .filter(|line| !line.contains("2025-01-01,2025-02-01"))
        .collect()
}

#[test]
fn what_the_provider_confirms_stands_beside_the_bill() {
    let folder = Folder::new();
    let bill = folder.write("bill.csv", bill());
    let _ = folder.run(&["ingest", "billing", &bill]).exits(0);
    let head = "ContractCommitmentId,ContractId,ContractCommitmentType,ContractCommitmentCategory,ContractCommitmentDescription,\
        ContractCommitmentPeriodStart,ContractCommitmentPeriodEnd,ContractCommitmentCost,ContractCommitmentQuantity,\
        ContractCommitmentUnit,BillingCurrency,ContractCommitmentPaymentModel,ContractCommitmentApplicability";
    let row = |id: &str, from: &str, until: &str, cost: &str| {
        format!(
            "{id},c-7,Savings Plan,Spend,our plan,{from},{until},{cost},,,USD,No Upfront,\"{{\"\"IsGlobalScope\"\":true}}\""
        )
    };
    let rows = [
        row("SP-1", "2025-12-20T00:00:00Z", "2026-12-20T00:00:00Z", "8760"),
        row("idle", "2026-10-15T00:00:00Z", "2027-10-15T00:00:00Z", "12000.50"),
        row("over", "2024-10-01T00:00:00Z", "2026-10-01T00:00:00Z", "1"),
    ];
    let file = folder.write("ContractCommitment.csv", format!("{head}\n{}\n", rows.join("\n")));
    let taken = folder.run(&["commitments", "import", &file, "--json"]).exits(0).json();
    assert_eq!(taken, serde_json::json!({"commitments": 3, "new": 3}));
    let page = folder.run(&["report", "commitments", "--period", "2026-10", "--json"]);
    let page = page.exits(0).json();
    let shown = page["commitments"].as_array().expect("commitments").iter().map(|one| {
        let text = |key: &str| one[key].as_str().unwrap_or("-").to_owned();
        let keys = ["id", "start", "end", "total", "hourly", "scope", "payment"];
        (keys.map(text).join(" "), one["in_bill"] == true)
    });
    let shown: Vec<(String, bool)> = shown.collect();
    let shown: Vec<(&str, bool)> = shown.iter().map(|(text, there)| (text.as_str(), *there)).collect();
    assert_eq!(
        shown,
        [
            // what the bill says of its end agrees; id and case are the bill's
            ("ri-1 - - - 2 - -", true),
            ("sp-1 2025-12-20 2026-12-20 8760 1 everything No Upfront", true),
            ("idle 2026-10-15 2027-10-15 12000.5 - everything No Upfront", false),
        ]
    );
    let removed = folder.run(&["commitments", "remove", "idle", "--json"]).exits(0);
    assert_eq!(removed.json()["removed"], true);
    let _ = folder.run(&["commitments", "remove", "idle"]).exits(2);
    for (broken, place) in [
        (rows[0].replace("8760", "much"), "ContractCommitmentCost"),
        (
            rows[0].replace("2026-12-20", "2020-12-20"),
            "ContractCommitmentPeriodEnd",
        ),
        (rows[0].replace("SP-1", ""), "ContractCommitmentId"),
    ] {
        let file = folder.write("broken.csv", format!("{head}\n{broken}\n"));
        let ended = folder.run(&["commitments", "import", &file]).exits(2);
        assert!(ended.err.contains(place), "{place}: {}", ended.err);
    }
}

/// A reservation of 720.00 in November, of which 8 hours in 10 are used. The
/// provider's figure of the unused part begins at the whole month and shrinks:
/// while the month is open only what has elapsed counts (A23).
#[test]
fn what_is_unused_of_an_open_month_is_what_has_elapsed() {
    let header = "BilledCost,EffectiveCost,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,\
        ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,CommitmentDiscountId,CommitmentDiscountStatus\n";
    let folder = Folder::new();
    for (days, unused, elapsed, state) in [
        (10, 528, "48", "--open"),
        (20, 336, "96", "--open"),
        (30, 144, "144", "--final"),
    ] {
        let mut text = header.to_owned();
        let mut row = |effective: i32, (from, to): (String, String), what: &str| {
            let _ = writeln!(
                text,
                "0,{effective},payer,USD,2026-11-01,2026-12-01,{from},{to},Usage,EC2,ri,{what}"
            );
        };
        for day in 0..days {
            let at = |hour: i32| format!("2026-11-{:02}T{hour:02}:00:00Z", day + 1);
            row(19, (at(0), at(23)), "Used");
        }
        // the 0.2 a day that is more than nineteen
        let spare = 192 * days / 10 - 19 * days;
        row(spare, ("2026-11-01".into(), "2026-11-02".into()), "Used");
        let end = if days == 30 {
            "2026-12-01".to_owned()
        } else {
            format!("2026-11-{:02}", days + 1)
        };
        row(0, (format!("2026-11-{days:02}"), end), "Used");
        row(unused, ("2026-11-01".into(), "2026-12-01".into()), "Unused");
        let bill = folder.write(&format!("{days}.csv"), &text);
        let _ = folder
            .run(&["ingest", "billing", &bill, "--source", "aws", state])
            .exits(0);
        let answer = folder
            .run(&["reconcile", "--period", "2026-11", "--json"])
            .exits(0)
            .json();
        let sums = &answer["currencies"][0];
        let used: i32 = 192 * days / 10;
        let elapsed_cost: i32 = elapsed.parse().expect("a number");
        assert_eq!(
            sums["effective"],
            (used + elapsed_cost).to_string(),
            "{days} days: {sums}"
        );
        assert_eq!(sums["residual"], "0");
        let term = &sums["bridge"]["not_elapsed"];
        match unused - elapsed_cost {
            0 => assert!(term.is_null(), "{sums}"),
            later => assert_eq!(*term, (-later).to_string(), "{sums}"),
        }
        let page = folder
            .run(&["report", "commitments", "--period", "2026-11", "--json"])
            .exits(0)
            .json();
        let shown = &page["commitments"][0];
        assert_eq!(
            (&shown["unused"], &shown["utilisation_permille"]),
            (&elapsed.into(), &800.into())
        );
    }
}
