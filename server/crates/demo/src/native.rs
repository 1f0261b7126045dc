//! Bills as AWS and Azure really deliver them: a Cost and Usage Report 2.0, and an Azure cost export.

use std::io::Write;

use chrono::{Days, NaiveDate, NaiveDateTime};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value};

use crate::company::Month;
use crate::fleet::HAVENLINE;
use crate::meter::Provider;
use crate::money::{bill_text, quantity};
use crate::rows::Row;

const CUR2: [&str; 25] = [
    "identity_line_item_id",
    "bill_bill_type",
    "bill_invoice_id",
    "bill_invoicing_entity",
    "bill_payer_account_id",
    "bill_payer_account_name",
    "bill_billing_period_start_date",
    "bill_billing_period_end_date",
    "line_item_usage_account_id",
    "line_item_usage_account_name",
    "line_item_line_item_type",
    "line_item_usage_start_date",
    "line_item_usage_end_date",
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_resource_id",
    "line_item_usage_amount",
    "line_item_currency_code",
    "line_item_unblended_cost",
    "line_item_line_item_description",
    "pricing_unit",
    "pricing_public_on_demand_cost",
    "product_region_code",
    "product",
    "resource_tags",
];

const AZURE: [&str; 24] = [
    "BillingAccountId",
    "BillingAccountName",
    "BillingPeriodStartDate",
    "BillingPeriodEndDate",
    "SubscriptionId",
    "SubscriptionName",
    "Date",
    "MeterCategory",
    "MeterSubCategory",
    "MeterId",
    "MeterName",
    "UnitOfMeasure",
    "Quantity",
    "EffectivePrice",
    "CostInBillingCurrency",
    "BillingCurrencyCode",
    "ConsumedService",
    "ResourceId",
    "ResourceName",
    "ResourceLocation",
    "Tags",
    "PublisherType",
    "ChargeType",
    "PricingModel",
];

/// Writes one gzipped delivery of a provider that is not FOCUS; `invoiced` = it has closed the month.
pub fn write<'a>(
    into: impl Write,
    month: Month,
    provider: Provider,
    invoiced: bool,
    rows: impl Iterator<Item = &'a Row<'a>>,
) -> Result<u64, csv::Error> {
    let mut csv = csv::Writer::from_writer(GzEncoder::new(into, Compression::fast()));
    let azure = provider == Provider::Azure;
    if azure {
        csv.write_record(AZURE)?;
    } else {
        csv.write_record(CUR2)?;
    }
    let mut count = 0;
    for row in rows {
        if azure {
            csv.write_record(azure_line(month, row))?;
        } else {
            csv.write_record(cur2_line(month, invoiced, row))?;
        }
        count += 1;
    }
    let encoder = csv.into_inner().map_err(csv::IntoInnerError::into_error)?;
    encoder.finish()?.flush()?;
    Ok(count)
}

fn stamp(time: NaiveDateTime) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn midnight(day: NaiveDate) -> String {
    stamp(day.into())
}

/// The code of a service, as AWS has it.
fn product_code(service: &str) -> &'static str {
    match service {
        "Amazon Relational Database Service" => "AmazonRDS",
        "Amazon Simple Storage Service" => "AmazonS3",
        _ => "AmazonEC2",
    }
}

fn cur2_line(month: Month, invoiced: bool, row: &Row<'_>) -> [String; 25] {
    let (meter, sku) = (row.meter, row.meter.sku);
    let tags: Map<String, Value> = serde_json::from_str(&meter.tags).unwrap_or_default();
    let tags: Map<String, Value> = tags
        .into_iter()
        .map(|(key, value)| (format!("user_{key}"), value))
        .collect();
    let product = serde_json::json!({ "product_name": sku.service });
    let invoice = if invoiced {
        format!("EUINIE{}", month.start.format("%y-%m2210"))
    } else {
        String::new()
    };
    [
        // not a key: AWS makes it anew for every report
        format!("{:016x}", crate::prng::stream(&meter.name)),
        "Anniversary".to_owned(),
        invoice,
        "Amazon Web Services EMEA SARL".to_owned(),
        HAVENLINE.to_owned(),
        "havenline-payer".to_owned(),
        midnight(month.start),
        midnight(month.end),
        meter.account.0.clone(),
        meter.account.1.clone(),
        "Usage".to_owned(),
        stamp(row.start),
        stamp(row.end),
        product_code(sku.service).to_owned(),
        sku.meter.to_owned(),
        meter.resource_id.clone(),
        quantity(row.quantity),
        "USD".to_owned(),
        bill_text(row.billed),
        sku.description.to_owned(),
        sku.unit.to_owned(),
        bill_text(row.list),
        meter.region.0.to_owned(),
        product.to_string(),
        Value::Object(tags).to_string(),
    ]
}

fn azure_line(month: Month, row: &Row<'_>) -> [String; 24] {
    let (meter, sku) = (row.meter, row.meter.sku);
    // month first, days inclusive, tags without their braces: as the export of an enrolment has them
    let day = |day: NaiveDate| day.format("%m/%d/%Y").to_string();
    let tags = meter.tags.trim_start_matches('{').trim_end_matches('}').to_owned();
    [
        "0098765432".to_owned(),
        "Havenline Depot".to_owned(),
        day(month.start),
        day(month.end - Days::new(1)),
        meter.account.0.clone(),
        meter.account.1.clone(),
        day(row.start.date()),
        sku.service.to_owned(),
        sku.subcategory.to_owned(),
        format!("{:016x}", crate::prng::stream(sku.meter)),
        sku.meter.to_owned(),
        sku.unit.to_owned(),
        quantity(row.quantity),
        row.unit_prices.map(|(_, price)| bill_text(price)).unwrap_or_default(),
        bill_text(row.billed),
        "EUR".to_owned(),
        sku.resource_type.to_owned(),
        meter.resource_id.clone(),
        meter.name.clone(),
        meter.region.0.to_owned(),
        tags,
        "Azure".to_owned(),
        "Usage".to_owned(),
        "OnDemand".to_owned(),
    ]
}
