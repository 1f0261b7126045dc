//! Prices evened out before anybody is charged, by the commands people use.

use crate::folder::Folder;
use serde_json::Value;

const HEADER: &str = "BilledCost,EffectiveCost,ListCost,BillingAccountId,SubAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceCategory,ServiceName,SkuId,PricingUnit,PricingCategory,CommitmentDiscountId,CommitmentDiscountStatus,ChargeDescription,ResourceId";

const RULES: &str = "format: 1\nrules:\n  - {name: account, when: {column: SubAccountId, exists: true}, set: {tenant: {column: SubAccountId}}}\n";

/// An hour of a machine at 1.00 that a plan of 0.60 covers or not.
fn machine(account: &str, covered: bool) -> String {
    let (billed, effective, commitment) = if covered {
        ("0", "0.60", "Committed,plan,Used")
    } else {
        ("1.00", "1.00", "Standard,,")
    };
    format!(
        "{billed},{effective},1.00,payer,{account},USD,2026-10-01,2026-11-01,2026-10-05T10:00:00Z,2026-10-05T11:00:00Z,Usage,Compute,Amazon Elastic Compute Cloud,m5,Hrs,{commitment},,i-{account}"
    )
}

fn plan() -> String {
    "0.60,0,0.60,payer,payer,USD,2026-10-01,2026-11-01,2026-10-05T10:00:00Z,2026-10-05T11:00:00Z,Purchase,Compute,Savings Plans,,,Committed,plan,,,".to_owned()
}

fn discount(cost: &str) -> String {
    format!(
        "{cost},{cost},,payer,payer,USD,2026-10-01,2026-11-01,2026-10-01,2026-11-01,Credit,Other,Discounts,,,,,,Enterprise Discount Program,"
    )
}

fn bill(lines: &[String]) -> String {
    format!("{HEADER}\n{}\n", lines.join("\n"))
}

fn by_tenant(folder: &Folder, basis: &str) -> Vec<(String, String)> {
    let report = folder
        .run(&[
            "report", "costs", "--period", "2026-10", "--by", "tenant", "--basis", basis, "--json",
        ])
        .exits(0)
        .json();
    let rows = report["rows"].as_array().expect("rows");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut rows: Vec<_> = rows
        .iter()
        .map(|row| (text(&row["keys"]["tenant"]), text(&row["cost"])))
        .collect();
    rows.sort();
    rows
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn folder(lines: &[String]) -> Folder {
    let folder = Folder::new();
    let rules = folder.write("rules.yaml", RULES);
    let _ = folder.run(&["rules", "apply", &rules]).exits(0);
    let path = folder.write("bill.csv", bill(lines));
    let _ = folder.run(&["ingest", "billing", &path]).exits(0);
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_equal_machines_and_one_plan_cost_the_same_whoever_it_was_applied_to() {
    for covered in ["a", "b"] {
        let folder = folder(&[machine("a", covered == "a"), machine("b", covered == "b"), plan()]);
        let even = pairs(&[("a", "0.8"), ("b", "0.8"), ("payer", "0")]);
        assert_eq!(by_tenant(&folder, "effective"), even);
        // the invoice is what it was
        let billed = [("a", "0"), ("b", "1"), ("payer", "0.6")];
        let billed = if covered == "a" {
            billed
        } else {
            [("a", "1"), ("b", "0"), ("payer", "0.6")]
        };
        assert_eq!(by_tenant(&folder, "billed"), pairs(&billed));

        let answer = folder
            .run(&["reconcile", "--period", "2026-10", "--json"])
            .exits(0)
            .json();
        let answer = answer.as_array().map_or(answer.clone(), |all| all[0].clone());
        let sums = &answer["currencies"][0];
        assert_eq!(
            (&sums["billed"], &sums["effective"], &sums["residual"]),
            (&"1.6".into(), &"1.6".into(), &"0".into())
        );
        assert!(sums["bridge"]["evened_prices"].is_null(), "nothing in all: {sums}");

        // every figure is walked back, moves and all
        let report = folder
            .run(&["report", "costs", "--period", "2026-10", "--by", "tenant", "--json"])
            .exits(0)
            .json();
        let row = report["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .find(|row| row["keys"]["tenant"] == "a");
        let id = row.expect("a")["explain_id"].as_str().expect("an id").to_owned();
        let explain = folder.run(&["explain", &id, "--json"]).exits(0).json();
        assert_eq!(
            (&explain["residual"], &explain["lines_total"]),
            (&"0".into(), &2.into())
        );
        let steps = explain["steps"].to_string();
        assert!(
            steps.contains("Prices evened out: A16 commitment") && steps.contains("As billed"),
            "{steps}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_tried_before_it_is_in_force() {
    let folder = folder(&[machine("a", true), machine("b", false), plan(), discount("-0.16")]);
    // the discount takes a tenth off what 1.60 cost, then the plan is shared
    assert_eq!(
        by_tenant(&folder, "effective"),
        pairs(&[("a", "0.72"), ("b", "0.72"), ("payer", "0")])
    );
    let check = folder
        .run(&["rules", "check", "--kind", "prices", "--json"])
        .exits(0)
        .json();
    let moves = check["moves"].as_array().expect("moves");
    let rules: Vec<&str> = moves.iter().map(|of| of["rule"].as_str().expect("a rule")).collect();
    assert_eq!(rules, ["A16 commitment", "A17 discount"]);
    assert_eq!(moves[1]["moved"], "0.16");

    let policy = "format: 1\ndiscounts: as-billed\ncommitments: [{mode: as-applied}]\n";
    let file = folder.write("prices.yaml", policy);
    let diff = folder
        .run(&["rules", "diff", "--kind", "prices", &file, "--json"])
        .exits(0)
        .json();
    assert_eq!(diff["changes"].as_array().expect("changes").len(), 3, "{diff}");
    assert_eq!(by_tenant(&folder, "effective")[0].1, "0.72", "nothing is saved");
    let _ = folder
        .run(&["rules", "apply", "--kind", "prices", &file, "--note", "as before"])
        .exits(0);
    assert_eq!(
        by_tenant(&folder, "effective"),
        pairs(&[("a", "0.6"), ("b", "1"), ("payer", "-0.16")])
    );
    let show = folder
        .run(&["rules", "show", "--kind", "prices", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&show["version"], &show["note"], &show["yaml"]),
        (&1.into(), &"as before".into(), &policy.into())
    );

    let bad = folder.write(
        "bad.yaml",
        "format: 1\ncommitments: [{mode: pooled}, {mode: as-applied}]\n",
    );
    let refused = folder.run(&["rules", "apply", "--kind", "prices", &bad]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.err.contains("never reached") && refused.err.contains("bad.yaml"),
        "{}",
        refused.err
    );
    assert_eq!(by_tenant(&folder, "effective")[0].1, "0.6");
}

/// A plan of one billing account of a legal entity, used in either of two.
#[test]
fn a_legal_entity_shares_a_plan_over_its_billing_accounts() {
    let of = |payer: &str, line: String| line.replace(",payer,", &format!(",{payer},"));
    let policy = "format: 1\ncommitments: [{mode: pooled}]\nlegal_entities: {acme: [one, two]}\n";
    for covered in ["a", "b"] {
        let lines = [
            of("one", machine("a", covered == "a")),
            of("two", machine("b", covered == "b")),
        ];
        let folder = folder(&lines);
        let by_account = if covered == "a" { ["0.6", "1"] } else { ["1", "0.6"] };
        assert_eq!(
            by_tenant(&folder, "effective"),
            pairs(&[("a", by_account[0]), ("b", by_account[1])])
        );
        let file = folder.write("prices.yaml", policy);
        let _ = folder.run(&["rules", "apply", "--kind", "prices", &file]).exits(0);
        assert_eq!(by_tenant(&folder, "effective"), pairs(&[("a", "0.8"), ("b", "0.8")]));
        let answer = folder
            .run(&["reconcile", "--period", "2026-10", "--json"])
            .exits(0)
            .json();
        let sums = &answer["currencies"][0];
        assert_eq!((&sums["effective"], &sums["residual"]), (&"1.6".into(), &"0".into()));
    }
}
