//! Each rule with an example, as rows of a report and what becomes of them.

use super::*;
use crate::dialect::native::{Native, Rows};

/// Rewrites rows given as (column, value) pairs; answers the wanted columns of every row.
fn rewritten(rows: &[&[(&str, &str)]], wanted: &[&str]) -> Vec<Vec<String>> {
    let base = [
        ("lineItem/LineItemType", "Usage"),
        ("lineItem/UnblendedCost", "1"),
        ("lineItem/UsageStartDate", "2024-09-02T00:00:00Z"),
        ("lineItem/UsageEndDate", "2024-09-02T01:00:00Z"),
        ("bill/BillingPeriodStartDate", "2024-09-01T00:00:00Z"),
        ("bill/BillingPeriodEndDate", "2024-10-01T00:00:00Z"),
    ];
    let mut headers: Vec<String> = base.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (name, _) in rows.iter().flat_map(|row| row.iter()) {
        if !headers.iter().any(|header| header == name) {
            headers.push((*name).to_owned());
        }
    }
    let mut rewriter = Native::AwsCur.rewriter(&headers).expect("binds");
    let mut out = Rows::default();
    for row in rows {
        let cell = |header: &String| {
            let found = row.iter().chain(&base).find(|(name, _)| name == header);
            found.map_or(&b""[..], |(_, value)| value.as_bytes())
        };
        let cells: Vec<&[u8]> = headers.iter().map(cell).collect();
        rewriter.row(&cells, &mut out);
    }
    let at: Vec<usize> = wanted
        .iter()
        .map(|name| rewriter.headers().iter().position(|header| header == name).expect(name))
        .collect();
    let text = |row: usize| {
        at.iter()
            .map(|at| String::from_utf8_lossy(out.row(row)[*at]).into_owned())
            .collect()
    };
    (0..out.count).map(text).collect()
}

/// What it is, the cells of its row, and the costs of each row that comes of it.
type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c [[&'c str; 4]]);

const COSTS: [&str; 4] = [
    "ChargeCategory",
    "BilledCost",
    "EffectiveCost",
    "CommitmentDiscountStatus",
];

#[test]
fn costs_by_line_item_type() {
    const PLAN: (&str, &str) = ("savingsPlan/SavingsPlanARN", "arn:sp");
    const RESERVATION: (&str, &str) = ("reservation/ReservationARN", "arn:ri");
    let kind = |name: &'static str| ("lineItem/LineItemType", name);
    let cases: &[Case<'_>] = &[
        ("usage", &[kind("Usage")], &[["Usage", "1", "1", ""]]),
        (
            "usage at net cost",
            &[("lineItem/NetUnblendedCost", "0.9")],
            &[["Usage", "0.9", "0.9", ""]],
        ),
        (
            "covered by a plan",
            &[
                kind("SavingsPlanCoveredUsage"),
                PLAN,
                ("savingsPlan/SavingsPlanEffectiveCost", "0.6"),
            ],
            &[["Usage", "0", "0.6", "Used"]],
        ),
        (
            "covered by a plan, at net cost",
            &[
                kind("SavingsPlanCoveredUsage"),
                PLAN,
                ("savingsPlan/SavingsPlanEffectiveCost", "0.6"),
                ("savingsPlan/NetSavingsPlanEffectiveCost", "0.5"),
            ],
            &[["Usage", "0", "0.5", "Used"]],
        ),
        (
            "negation",
            &[kind("SavingsPlanNegation"), PLAN, ("lineItem/UnblendedCost", "-1")],
            &[["Usage", "0", "0", ""]],
        ),
        (
            "monthly fee of a plan with a quarter unused",
            &[
                kind("SavingsPlanRecurringFee"),
                PLAN,
                ("lineItem/UnblendedCost", "4"),
                ("savingsPlan/TotalCommitmentToDate", "4"),
                ("savingsPlan/UsedCommitment", "3"),
            ],
            &[["Purchase", "4", "0", ""], ["Usage", "0", "1", "Unused"]],
        ),
        (
            "the same at net: unused in proportion",
            &[
                kind("SavingsPlanRecurringFee"),
                PLAN,
                ("lineItem/UnblendedCost", "4"),
                ("lineItem/NetUnblendedCost", "3.6"),
                ("savingsPlan/TotalCommitmentToDate", "4"),
                ("savingsPlan/UsedCommitment", "3"),
                ("savingsPlan/RecurringCommitmentForBillingPeriod", "4"),
                ("savingsPlan/NetRecurringCommitmentForBillingPeriod", "3.6"),
            ],
            &[["Purchase", "3.6", "0", ""], ["Usage", "0", "0.9", "Unused"]],
        ),
        (
            "upfront fee of a plan",
            &[kind("SavingsPlanUpfrontFee"), PLAN, ("lineItem/UnblendedCost", "8760")],
            &[["Purchase", "8760", "0", ""]],
        ),
        (
            "reserved instance used",
            &[
                kind("DiscountedUsage"),
                RESERVATION,
                ("lineItem/UnblendedCost", "0"),
                ("reservation/EffectiveCost", "0.55"),
            ],
            &[["Usage", "0", "0.55", "Used"]],
        ),
        (
            "fee of a reservation with unused hours",
            &[
                kind("RIFee"),
                RESERVATION,
                ("lineItem/UnblendedCost", "744"),
                ("reservation/UnusedAmortizedUpfrontFeeForBillingPeriod", "2.5"),
                ("reservation/UnusedRecurringFee", "10"),
            ],
            &[["Purchase", "744", "0", ""], ["Usage", "0", "12.5", "Unused"]],
        ),
        (
            "upfront fee of a reservation",
            &[kind("Fee"), RESERVATION, ("lineItem/UnblendedCost", "100")],
            &[["Purchase", "100", "0", ""]],
        ),
        ("support", &[kind("Fee")], &[["Purchase", "1", "1", ""]]),
        (
            "discount as a row",
            &[kind("EdpDiscount"), ("lineItem/UnblendedCost", "-0.25")],
            &[["Usage", "-0.25", "-0.25", ""]],
        ),
        (
            "credit",
            &[kind("Credit"), ("lineItem/UnblendedCost", "-5")],
            &[["Credit", "-5", "-5", ""]],
        ),
        (
            "refund",
            &[kind("Refund"), ("lineItem/UnblendedCost", "-5")],
            &[["Usage", "-5", "-5", ""]],
        ),
        ("tax", &[kind("Tax")], &[["Tax", "1", "1", ""]]),
        ("new kind", &[kind("Something")], &[["Usage", "1", "1", ""]]),
    ];
    for (what, row, expect) in cases {
        let found = rewritten(&[row], &COSTS[..]);
        assert_eq!(found, *expect, "{what}");
    }
}

#[test]
fn a_discount_that_is_in_net_costs_counts_once() {
    let rows: [&[(&str, &str)]; 2] = [
        &[("lineItem/NetUnblendedCost", "0.75")],
        &[
            ("lineItem/LineItemType", "EdpDiscount"),
            ("lineItem/UnblendedCost", "-0.25"),
        ],
    ];
    let found = rewritten(&rows, &["BilledCost"]);
    assert_eq!(found, [["0.75"], ["0"]]);
}

#[test]
fn spellings_of_headers() {
    for (unblended, plan, expect) in [
        ("lineItem/UnblendedCost", "savingsPlan/SavingsPlanARN", "legacy"),
        ("line_item_unblended_cost", "savings_plan_savings_plan_a_r_n", "legacy"),
        ("line_item_unblended_cost", "savings_plan_savings_plan_arn", "legacy"),
    ] {
        let snake = unblended.contains('_');
        let headers: Vec<String> = MANDATORY
            .iter()
            .map(|(name, _)| {
                if snake {
                    let mut text = String::new();
                    for letter in name.chars() {
                        match letter {
                            '/' => text.push('_'),
                            c if c.is_ascii_uppercase() => {
                                if !text.ends_with('_') {
                                    text.push('_');
                                }
                                text.push(c.to_ascii_lowercase());
                            }
                            c => text.push(c),
                        }
                    }
                    text
                } else {
                    (*name).to_owned()
                }
            })
            .chain([plan.to_owned()])
            .collect();
        assert!(headers.iter().any(|header| header == unblended), "{headers:?}");
        assert!(recognises(&headers), "{headers:?}");
        assert_eq!(version(&headers), expect);
        let names = Names::new(&headers, letters).expect("no column twice");
        assert!(names.find("savingsplansavingsplanarn").is_some(), "{plan}");
    }
    assert_eq!(version(&["resource_tags".to_owned()]), "2.0");
}

#[test]
fn tags_of_every_shape() {
    for (what, row, expect) in [
        (
            "a column per tag",
            vec![
                ("resourceTags/user:tenant", "acme"),
                ("resourceTags/aws:eks:cluster-name", "core"),
            ],
            r#"{"aws:eks:cluster-name":"core","tenant":"acme"}"#,
        ),
        (
            "as Athena writes them",
            vec![
                ("resource_tags_user_tenant", "acme"),
                ("resource_tags_aws_eks_cluster_name", "core"),
            ],
            r#"{"aws:eks:cluster-name":"core","tenant":"acme"}"#,
        ),
        (
            "a map",
            vec![(
                "resource_tags",
                r#"{"user_tenant":"acme","user_kubernetes_io_cluster_core":"owned"}"#,
            )],
            r#"{"kubernetes.io/cluster/core":"owned","tenant":"acme"}"#,
        ),
        (
            "a map as a list of pairs",
            vec![("resource_tags", r#"[{"key":"user_tenant","value":"acme"}]"#)],
            r#"{"tenant":"acme"}"#,
        ),
        ("none", vec![("resource_tags", "")], ""),
    ] {
        let found = rewritten(&[&row], &["Tags"]);
        assert_eq!(found, [[expect]], "{what}");
    }
}

#[test]
fn kinds_of_usage() {
    for (code, usage, category, resource, unit) in [
        ("AmazonEC2", "EUC1-BoxUsage:m5.large", "Compute", "Instance", "Hours"),
        ("AmazonEC2", "EUC1-EBS:VolumeUsage.gp3", "Storage", "Volume", ""),
        ("AmazonEC2", "EUC1-EBS:SnapshotUsage", "Storage", "Snapshot", ""),
        ("AmazonEC2", "EUC1-NatGateway-Hours", "Networking", "NAT Gateway", ""),
        ("AWSELB", "EUC1-LCUUsage", "Networking", "Load Balancer", ""),
        ("AmazonRDS", "EUC1-InstanceUsage:db.r6g.large", "Databases", "", ""),
        ("Marketplace4711", "x", "", "", ""),
    ] {
        let row: &[(&str, &str)] = &[
            ("lineItem/ProductCode", code),
            ("lineItem/UsageType", usage),
            ("lineItem/UsageAmount", "1"),
        ];
        let found = rewritten(&[row], &["ServiceCategory", "ResourceType", "ConsumedUnit"]);
        assert_eq!(found, [[category, resource, unit]], "{code} {usage}");
    }
}

#[test]
fn covered_usage_and_its_negation_cancel() {
    let headers: Vec<String> = MANDATORY
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(["savingsPlan/SavingsPlanARN".to_owned()])
        .collect();
    for (negated, expect) in [("-1.5", 0), ("-1.4", 1)] {
        let mut rewriter = Native::AwsCur.rewriter(&headers).expect("binds");
        let mut rows = Rows::default();
        for (kind, cost) in [("SavingsPlanCoveredUsage", "1.5"), ("SavingsPlanNegation", negated)] {
            let cells = [kind, cost, "a", "b", "c", "d", "arn:sp"].map(str::as_bytes);
            rewriter.row(&cells, &mut rows);
        }
        assert_eq!(rewriter.findings().len(), expect, "{negated}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let headers = vec!["lineItem/LineItemType".to_owned(), "lineItem/LineItemType".to_owned()];
    let errors = Native::AwsCur.rewriter(&headers).err().expect("refused");
    assert_eq!(errors[0].code, "duplicate_column");
    let errors = Native::AwsCur.rewriter(&headers[..1]).err().expect("refused");
    let columns: Vec<_> = errors.iter().filter_map(|error| error.column.clone()).collect();
    assert_eq!(columns.len(), 5, "{columns:?}");
}
