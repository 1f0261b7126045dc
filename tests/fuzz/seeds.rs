//! A small good bill of every dialect.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

fn table(header: &[&str], rows: &[&[&str]]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).expect("memory");
    for row in rows {
        writer.write_record(*row).expect("as wide as the header");
    }
    writer.into_inner().expect("memory")
}

pub fn focus() -> Vec<Vec<u8>> {
    let header = [
        "BilledCost",
        "EffectiveCost",
        "ListCost",
        "BillingPeriodStart",
        "BillingPeriodEnd",
        "ChargePeriodStart",
        "ChargePeriodEnd",
        "ChargeCategory",
        "BillingAccountId",
        "BillingCurrency",
        "ServiceName",
        "Tags",
        "x_Note",
    ];
    let row = |cost: &'static str, category: &'static str| {
        [
            cost,
            cost,
            "",
            "2024-09-01T00:00:00Z",
            "2024-10-01T00:00:00Z",
            "2024-09-02T00:00:00Z",
            "2024-09-02T01:00:00Z",
            category,
            "007",
            "USD",
            "S3",
            r#"{"a":"b, \"c\""}"#,
            "n",
        ]
    };
    vec![table(
        &header,
        &[
            &row("1.5", "Usage"),
            &row("-1.81E-8", "Credit"),
            &row("0.000000000000000000000001", "Tax"),
        ],
    )]
}

pub fn aws_legacy() -> Vec<Vec<u8>> {
    let header = [
        "identity/LineItemId",
        "bill/BillType",
        "bill/PayerAccountId",
        "bill/BillingPeriodStartDate",
        "bill/BillingPeriodEndDate",
        "lineItem/UsageAccountId",
        "lineItem/LineItemType",
        "lineItem/UsageStartDate",
        "lineItem/UsageEndDate",
        "lineItem/ProductCode",
        "lineItem/UsageType",
        "lineItem/UsageAmount",
        "lineItem/CurrencyCode",
        "lineItem/UnblendedCost",
        "savingsPlan/SavingsPlanARN",
        "savingsPlan/SavingsPlanEffectiveCost",
        "savingsPlan/TotalCommitmentToDate",
        "savingsPlan/UsedCommitment",
        "resourceTags/user:tenant",
    ];
    let row = |kind: &'static str, cost: &'static str, plan: &'static str| {
        [
            "l1",
            "Anniversary",
            "000000000001",
            "2024-09-01T00:00:00Z",
            "2024-10-01T00:00:00Z",
            "000000000002",
            kind,
            "2024-09-02T00:00:00Z",
            "2024-09-02T01:00:00Z",
            "AmazonEC2",
            "EUC1-BoxUsage:m5.large",
            "1",
            "USD",
            cost,
            plan,
            "0.7",
            "1",
            "0.7",
            "acme",
        ]
    };
    let rows = [
        row("Usage", "0.1150000000", ""),
        row("SavingsPlanCoveredUsage", "1", "arn:sp"),
        row("SavingsPlanNegation", "-1", "arn:sp"),
        row("SavingsPlanRecurringFee", "0.7", "arn:sp"),
        row("Tax", "0.02", ""),
    ];
    let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
    vec![table(&header, &rows)]
}

pub fn aws_2() -> Vec<Vec<u8>> {
    let header = [
        "identity_line_item_id",
        "bill_payer_account_id",
        "bill_billing_period_start_date",
        "bill_billing_period_end_date",
        "line_item_usage_account_id",
        "line_item_line_item_type",
        "line_item_usage_start_date",
        "line_item_usage_end_date",
        "line_item_product_code",
        "line_item_usage_type",
        "line_item_currency_code",
        "line_item_unblended_cost",
        "product",
        "resource_tags",
        "discount",
    ];
    let row = |kind: &'static str, cost: &'static str| {
        [
            "l1",
            "000000000001",
            "2024-09-01 00:00:00.000",
            "2024-10-01 00:00:00.000",
            "000000000002",
            kind,
            "2024-09-02 00:00:00.000",
            "2024-09-02 01:00:00.000",
            "AmazonS3",
            "EUC1-Requests-Tier1",
            "USD",
            cost,
            r#"{"product_name":"S3","region":"eu"}"#,
            r#"{"user_tenant":"acme"}"#,
            "{}",
        ]
    };
    vec![table(
        &header,
        &[
            &row("Usage", "5.0E-6"),
            &row("EdpDiscount", "-0.25"),
            &row("Credit", "-1"),
        ],
    )]
}

pub fn azure() -> Vec<Vec<u8>> {
    let header = [
        "BillingAccountId",
        "BillingPeriodStartDate",
        "BillingPeriodEndDate",
        "SubscriptionId",
        "Date",
        "MeterCategory",
        "MeterId",
        "Quantity",
        "CostInBillingCurrency",
        "BillingCurrency",
        "ChargeType",
        "PricingModel",
        "ResourceId",
        "Tags",
        "AdditionalInfo",
    ];
    let row = |date: &'static str, cost: &'static str, kind: &'static str| {
        [
            "1",
            "09/01/2023",
            "09/30/2023",
            "sub",
            date,
            "Virtual Machines",
            "m",
            "1",
            cost,
            "EUR",
            kind,
            "OnDemand",
            "/subscriptions/S/resourceGroups/R/providers/Microsoft.Compute/virtualMachines/V",
            "\"tenant\": \"acme\"",
            r#"{"VMName":"V"}"#,
        ]
    };
    vec![table(
        &header,
        &[
            &row("09/22/2023", "1.50000000000000001", "Usage"),
            &row("09/23/2023", "-0.5", "Refund"),
        ],
    )]
}

pub fn gcp_csv() -> Vec<Vec<u8>> {
    let header = [
        "billing_account_id",
        "service.id",
        "service.description",
        "sku.id",
        "sku.description",
        "usage_start_time",
        "usage_end_time",
        "project.id",
        "labels",
        "export_time",
        "cost",
        "currency",
        "credits",
        "invoice.month",
        "cost_type",
    ];
    let row = |cost: &'static str, credits: &'static str| {
        [
            "0A-1",
            "6F81",
            "Compute Engine",
            "s",
            "N1 Core",
            "2019-01-02 00:00:00 UTC",
            "2019-01-02 01:00:00 UTC",
            "p",
            r#"[{"key":"tenant","value":"acme"}]"#,
            "2019-01-03 00:00:00 UTC",
            cost,
            "USD",
            credits,
            "201901",
            "regular",
        ]
    };
    vec![table(
        &header,
        &[
            &row("35", r#"[{"name":"a","amount":"-10.0"},{"name":"b","amount":-0.5}]"#),
            &row("0.1", "[{'name': 'x', 'amount': -1.5}]"),
        ],
    )]
}

pub fn gcp_json() -> Vec<Vec<u8>> {
    let line = |cost: &str| {
        format!(
            r#"{{"billing_account_id":"0A-1","service":{{"id":"6F81","description":"Compute Engine"}},"sku":{{"id":"s","description":"N1 Core"}},"usage_start_time":"2019-01-02 00:00:00 UTC","usage_end_time":"2019-01-02 01:00:00 UTC","project":{{"id":"p"}},"labels":[{{"key":"tenant","value":"acme"}}],"export_time":"2019-01-03 00:00:00 UTC","cost":{cost},"currency":"USD","credits":[{{"name":"a","amount":-0.5}}],"invoice":{{"month":"201901"}},"cost_type":"regular"}}"#
        )
    };
    vec![format!("{}\n{}\n", line("1.25"), line("\"5e-06\"")).into_bytes()]
}

pub fn oci() -> Vec<Vec<u8>> {
    let header = [
        "lineItem/referenceNo",
        "lineItem/tenantId",
        "lineItem/intervalUsageStart",
        "lineItem/intervalUsageEnd",
        "product/service",
        "product/compartmentId",
        "usage/billedQuantity",
        "cost/currencyCode",
        "cost/myCost",
        "cost/myCostOverage",
        "lineItem/isCorrection",
        "tags/Ops.Tenant",
    ];
    let row = |cost: &'static str| {
        [
            "r",
            "ocid1.tenancy",
            "2023-11-13T10:00Z",
            "2023-11-13T11:00:00Z",
            "DATABASE",
            "c",
            "1",
            "EUR",
            cost,
            "",
            "false",
            "acme",
        ]
    };
    vec![table(&header, &[&row("2.323760000E-9"), &row("1")])]
}

pub fn gzip() -> Vec<Vec<u8>> {
    let pack = |bytes: &Vec<u8>| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    focus().iter().map(pack).collect()
}

pub fn zip() -> Vec<Vec<u8>> {
    let pack = |bytes: &Vec<u8>| {
        let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default();
        writer.start_file("bill.csv", options).expect("memory");
        writer.write_all(bytes).expect("memory");
        writer.finish().expect("memory").into_inner()
    };
    focus().iter().map(pack).collect()
}

/// A mapping with everything one can say.
pub const MAPPING: &str = r#"
format: 1
name: hoster
provider: Hoster
delimiter: ";"
decimal: ","
columns:
  BilledCost: Betrag
  BillingCurrency: {column: Waehrung, else: EUR}
  ChargePeriodStart: {column: Von, date: "%d.%m.%Y"}
  ChargePeriodEnd: {column: Bis, date: "%d.%m.%Y", inclusive: true}
  ChargeCategory: {column: Art, values: {Steuer: Tax}, else: Usage}
  ConsumedQuantity: Menge
  ServiceName: [Produkt, Leistung]
tags: {tenant: Kunde}
"#;

/// A table that [`MAPPING`] reads.
pub fn mapped() -> Vec<Vec<u8>> {
    let text = "Betrag;Von;Bis;Art;Leistung;Kunde;Menge;Waehrung\n\
        1.234,50;01.10.2026;31.10.2026;Miete;Server;acme;1,5;EUR\n\
        -0,5;01.10.2026;15.10.2026;Steuer;\"Rack; halb\";;;\n";
    vec![text.as_bytes().to_vec()]
}
