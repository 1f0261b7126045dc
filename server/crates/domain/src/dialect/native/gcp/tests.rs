//! Exports of Google Cloud, rewritten.

use super::*;
use crate::dialect::native::{Native, Rows};

fn rewritten(columns: &[(&str, &str)], wanted: &[&str]) -> Vec<String> {
    let base = [
        ("billing_account_id", "01"),
        ("cost", "35.0"),
        ("usage_start_time", "2019-01-21 08:25:11.227 UTC"),
        ("usage_end_time", "2019-01-21 12:25:14.792 UTC"),
        ("invoice.month", "201901"),
    ];
    let rest = base
        .iter()
        .filter(|(name, _)| columns.iter().all(|(given, _)| given != name));
    let all: Vec<(&str, &str)> = columns.iter().chain(rest).copied().collect();
    let headers: Vec<String> = all.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert!(recognises(&headers), "{headers:?}");
    let mut rewriter = Native::Gcp.rewriter(&headers).expect("binds");
    let cells: Vec<&[u8]> = all.iter().map(|(_, cell)| cell.as_bytes()).collect();
    let mut rows = Rows::default();
    rewriter.row(&cells, &mut rows);
    let at = |name: &&str| rewriter.headers().iter().position(|header| header == name).expect(name);
    let row = rows.row(0);
    wanted
        .iter()
        .map(|name| String::from_utf8_lossy(row[at(name)]).into_owned())
        .collect()
}

#[test]
fn what_a_spend_commitment_paid_for_is_told() {
    let credit = r#"[{"type":"COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE","amount":"-5"}]"#;
    let resource = r#"[{"type":"COMMITTED_USAGE_DISCOUNT","amount":"-5"}]"#;
    for (columns, expect) in [
        (vec![("credits", credit)], ["Usage", "Committed", "30"]),
        (
            vec![
                ("credits.type", "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE"),
                ("credits.amount", "-5"),
            ],
            ["Usage", "Committed", "30"],
        ),
        // the credit of a resource-based one says all there is to say
        (vec![("credits", resource)], ["Usage", "Standard", "30"]),
        (
            vec![("sku.description", "Commitment - dollar based v1: Cloud SQL")],
            ["Purchase", "Committed", "35"],
        ),
        (
            vec![("sku.description", "Commitment v1: Cpu in Americas for 1 Year")],
            ["Purchase", "Standard", "35"],
        ),
        (vec![("cost_type", "tax")], ["Tax", "", "35"]),
    ] {
        let found = rewritten(&columns, &["ChargeCategory", "PricingCategory", "EffectiveCost"]);
        assert_eq!(found, expect, "{columns:?}");
    }
}

#[test]
fn costs_with_credits_of_every_shape() {
    for (what, columns, expect) in [
        ("none", vec![], "35"),
        ("an empty list", vec![("credits", "[]")], "35"),
        (
            "two, as strings",
            vec![(
                "credits",
                r#"[{"name":"a","amount":"-10.0"},{"name":"b","amount":"-0.5"}]"#,
            )],
            "24.5",
        ),
        (
            "numbers",
            vec![(
                "credits",
                r#"[{"name": "P", "amount": -2.4956, "full_name": "x: amount"}]"#,
            )],
            "32.5044",
        ),
        (
            "as Python writes them",
            vec![("credits", "[{'name': \"it's\", 'amount': -1.5, 'id': None}]")],
            "33.5",
        ),
        ("one, flattened", vec![("credits.amount", "-5")], "30"),
        (
            "nested beside flattened: counted once",
            vec![("credits", r#"[{"amount":"-5"}]"#), ("credits.amount", "-5")],
            "30",
        ),
        ("more than the cost", vec![("credits", r#"[{"amount":"-40"}]"#)], "-5"),
        ("not a list", vec![("credits", "lots")], "credits lots"),
        (
            "not a number",
            vec![("credits", r#"[{"amount":"much"}]"#)],
            "credit much",
        ),
    ] {
        let found = rewritten(&columns, &["BilledCost", "EffectiveCost"]);
        assert_eq!(found, [expect, expect], "{what}");
    }
}

#[test]
fn categories_periods_and_names() {
    for (columns, expect) in [
        (vec![("cost_type", "regular")], ["Usage", "2019-01-01T00:00:00Z", ""]),
        (vec![("cost_type", "tax")], ["Tax", "2019-01-01T00:00:00Z", ""]),
        (
            vec![("cost_type", "rounding_error")],
            ["Adjustment", "2019-01-01T00:00:00Z", ""],
        ),
        (
            vec![("sku.description", "Commitment v1: Cpu in Americas for 1 Year")],
            ["Purchase", "2019-01-01T00:00:00Z", ""],
        ),
        (
            vec![("adjustment_info", r#"{"id": "X1"}"#), ("invoice.month", "201902")],
            ["Usage", "2019-02-01T00:00:00Z", "Correction"],
        ),
    ] {
        let found = rewritten(&columns, &["ChargeCategory", "BillingPeriodStart", "ChargeClass"]);
        assert_eq!(found, expect, "{columns:?}");
    }
    let found = rewritten(
        &[
            ("service", r#"{"id": "6F81", "description": "Compute Engine"}"#),
            ("sku", r#"{"id": "D2", "description": "SSD backed PD Capacity"}"#),
            (
                "project",
                r#"{"id": "p-1", "labels": [{"key": "team", "value": "ops"}]}"#,
            ),
            ("labels", r#"[{"key": "tenant", "value": "acme"}]"#),
            (
                "resource",
                r#"{"global_name": "//compute.googleapis.com/projects/p-1/zones/z/disks/4"}"#,
            ),
            (
                "usage",
                r#"{"amount_in_pricing_units": "2.5", "pricing_unit": "gibibyte month"}"#,
            ),
        ],
        &[
            "ServiceCategory",
            "ResourceType",
            "SubAccountId",
            "Tags",
            "ResourceId",
            "ConsumedQuantity",
        ],
    );
    assert_eq!(
        found,
        [
            "Storage",
            "Disk",
            "p-1",
            r#"{"team":"ops","tenant":"acme"}"#,
            "//compute.googleapis.com/projects/p-1/zones/z/disks/4",
            "2.5"
        ]
    );
}
