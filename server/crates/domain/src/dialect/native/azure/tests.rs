//! Rows of exports and what becomes of them.

use super::*;
use crate::dialect::native::{Native, Rows};

const HEADER: [&str; 14] = [
    "BillingAccountId",
    "BillingPeriodStartDate",
    "BillingPeriodEndDate",
    "SubscriptionId",
    "Date",
    "MeterCategory",
    "MeterId",
    "CostInBillingCurrency",
    "BillingCurrency",
    "ChargeType",
    "PricingModel",
    "benefitId",
    "ResourceId",
    "AdditionalInfo",
];

fn rewritten(rows: AzureRows, row: &[(&str, &str)], wanted: &[&str]) -> Vec<Vec<String>> {
    let headers: Vec<String> = HEADER.iter().map(|name| (*name).to_owned()).collect();
    let mut rewriter = Native::Azure(rows).rewriter(&headers).expect("binds");
    let cell = |name: &&str| {
        let base = [
            ("Date", "09/22/2023"),
            ("BillingPeriodStartDate", "09/01/2023"),
            ("BillingPeriodEndDate", "09/30/2023"),
            ("CostInBillingCurrency", "1.5"),
        ];
        let found = row.iter().chain(&base).find(|(given, _)| given == name);
        found.map_or(&b""[..], |(_, value)| value.as_bytes())
    };
    let cells: Vec<&[u8]> = HEADER.iter().map(cell).collect();
    let mut out = Rows::default();
    rewriter.row(&cells, &mut out);
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

#[test]
fn costs_by_charge_type_and_pricing_model() {
    const WANTED: [&str; 4] = [
        "ChargeCategory",
        "BilledCost",
        "EffectiveCost",
        "CommitmentDiscountStatus",
    ];
    for (kind, model, expect) in [
        ("Usage", "OnDemand", ["Usage", "1.5", "1.5", ""]),
        ("", "", ["Usage", "1.5", "1.5", ""]),
        ("Usage", "Spot", ["Usage", "1.5", "1.5", ""]),
        ("Usage", "Reservation", ["Usage", "0", "1.5", "Used"]),
        ("Usage", "SavingsPlan", ["Usage", "0", "1.5", "Used"]),
        ("UnusedReservation", "Reservation", ["Usage", "0", "1.5", "Unused"]),
        ("UnusedSavingsPlan", "SavingsPlan", ["Usage", "0", "1.5", "Unused"]),
        ("Purchase", "Reservation", ["Purchase", "1.5", "0", ""]),
        ("Purchase", "OnDemand", ["Purchase", "1.5", "1.5", ""]),
        ("Refund", "SavingsPlan", ["Purchase", "1.5", "0", ""]),
        ("Tax", "", ["Tax", "1.5", "1.5", ""]),
        ("RoundingAdjustment", "", ["Adjustment", "1.5", "1.5", ""]),
    ] {
        let row = [("ChargeType", kind), ("PricingModel", model), ("benefitId", "/b")];
        assert_eq!(rewritten(AzureRows::All, &row, &WANTED), [expect], "{kind} {model}");
    }
}

#[test]
fn beside_an_amortized_export_only_purchases_of_commitments_count() {
    for (kind, model, count) in [
        ("Usage", "OnDemand", 0),
        ("Usage", "Reservation", 0),
        ("Purchase", "OnDemand", 0),
        ("Purchase", "Reservation", 1),
        ("Refund", "SavingsPlan", 1),
    ] {
        let row = [("ChargeType", kind), ("PricingModel", model)];
        let found = rewritten(AzureRows::CommitmentPurchases, &row, &["BilledCost"]);
        assert_eq!(found.len(), count, "{kind} {model}");
    }
}

#[test]
fn ends_machines_and_types() {
    let set = "/subscriptions/S/resourceGroups/RG/providers/Microsoft.Compute/virtualMachineScaleSets/aks-vmss";
    let found = rewritten(
        AzureRows::All,
        &[
            ("ResourceId", set),
            ("AdditionalInfo", r#"{"VMName":"aks-vmss_7","VCPUs":2}"#),
        ],
        &["BillingPeriodEnd", "ChargePeriodEnd", "ResourceId", "ResourceType"],
    );
    let machine = format!("{set}/virtualMachines/7");
    assert_eq!(
        found,
        [[
            "2023-10-01T00:00:00Z",
            "2023-09-23T00:00:00Z",
            machine.as_str(),
            "microsoft.compute/virtualmachinescalesets"
        ]]
    );
}

#[test]
fn headers_of_every_agreement_and_language() {
    let german = "Abonnement-GUID (SubscriptionGuid),UsageDateTime (UsageDateTime),Kategorie der Verbrauchseinheit (MeterCategory),\
        ID der Verbrauchseinheit (MeterId),PreTaxCost (PreTaxCost),Currency";
    for (header, expect) in [
        (german, true),
        (
            "subscriptionId,date,meterCategory,meterId,costInBillingCurrency,billingCurrency",
            true,
        ),
        (
            "SubscriptionGuid,UsageDateTime,MeterCategory,MeterId,PreTaxCost,Currency",
            true,
        ),
        ("BilledCost,EffectiveCost,ChargePeriodStart", false),
    ] {
        let headers: Vec<String> = header.split(',').map(str::to_owned).collect();
        assert_eq!(recognises(&headers), expect, "{header}");
        if expect {
            assert!(rewriter(&headers, AzureRows::All).is_ok(), "{header}");
        }
    }
}

#[test]
fn actual_and_amortized_are_told_apart_by_their_rows() {
    let headers = ["ChargeType", "PricingModel", "Cost"].map(str::to_owned);
    for (rows, expect) in [
        (vec![["Usage", "OnDemand", "1"]], None),
        (
            vec![["Usage", "OnDemand", "1"], ["Usage", "Reservation", "0.5"]],
            Some(true),
        ),
        (
            vec![["Usage", "Reservation", "0"], ["Purchase", "Reservation", "3"]],
            Some(false),
        ),
        (vec![["UnusedReservation", "Reservation", "0"]], Some(true)),
    ] {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        assert_eq!(is_amortized(&headers, &rows), expect, "{rows:?}");
    }
}
