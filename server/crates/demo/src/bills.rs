//! Writes deliveries: FOCUS 1.2 CSV with all 57 columns and two of the company's own.

use std::io::Write;

use chrono::NaiveDateTime;
use flate2::{Compression, write::GzEncoder};

use crate::company::{Company, Month};
use crate::meter::{Commitment, Kind, Provider};
use crate::money::{bill_text, quantity};
use crate::rows::Row;
use crate::truth::currency;

/// The 57 columns of FOCUS 1.2, then two that FOCUS does not know.
#[rustfmt::skip]
pub const HEADER: [&str; 59] = [
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType",
    "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "CapacityReservationId",
    "CapacityReservationStatus", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory", "CommitmentDiscountId",
    "CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus",
    "CommitmentDiscountType", "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit",
    "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost",
    "ListUnitPrice", "PricingCategory", "PricingCurrency", "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType",
    "ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails",
    "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags", "x_CostCentreHint",
    "x_Synthetic",
];

/// What is the same in every line of a delivery.
struct Sheet<'a> {
    account: (&'static str, &'a str),
    currency: &'static str,
    period: (String, String),
    issuer: &'static str,
    provider: &'static str,
    invoice: String,
}

/// Writes one gzipped delivery; `invoiced` = the provider has closed the month.
pub fn write<'a>(
    into: impl Write,
    company: &Company,
    month: Month,
    provider: Provider,
    invoiced: bool,
    rows: impl Iterator<Item = &'a Row<'a>>,
) -> Result<u64, csv::Error> {
    let aws = provider == Provider::Aws;
    let invoice = match (invoiced, aws) {
        (false, _) => String::new(),
        (true, true) => format!("EUINNL{}", month.start.format("%y-%m0417")),
        (true, false) => format!("RW-{}-0881", month.key()),
    };
    let midnight = |day: chrono::NaiveDate| stamp(day.into());
    let sheet = Sheet {
        account: if aws {
            (crate::fleet::PAYER.0, &company.name)
        } else {
            ("RW-88231", &company.name)
        },
        currency: currency(provider),
        period: (midnight(month.start), midnight(month.end)),
        issuer: if aws {
            "Amazon Web Services EMEA SARL"
        } else {
            "Rheinwolke Hosting GmbH"
        },
        provider: if aws {
            "Amazon Web Services"
        } else {
            "Rheinwolke Hosting"
        },
        invoice,
    };
    let mut csv = csv::Writer::from_writer(GzEncoder::new(into, Compression::fast()));
    csv.write_record(HEADER)?;
    let mut count = 0;
    for row in rows {
        line(&mut csv, &sheet, row)?;
        count += 1;
    }
    let encoder = csv.into_inner().map_err(csv::IntoInnerError::into_error)?;
    encoder.finish()?.flush()?;
    Ok(count)
}

/// `2026-11-01T00:00:00Z`.
fn stamp(time: NaiveDateTime) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Category, id, name, type and unit of a commitment.
fn commitment_columns(commitment: Commitment) -> [&'static str; 5] {
    match commitment {
        Commitment::Plan => [
            "Spend",
            "arn:aws:savingsplans::004211870000:savingsplan/5f1c7a",
            "compute-sp-1y",
            "ComputeSavingsPlans",
            "USD",
        ],
        Commitment::Databases => [
            "Usage",
            "arn:aws:rds:eu-central-1:004211870000:ri:ri-pg-1y",
            "ri-pg-1y",
            "Reserved DB Instance",
            "Hours",
        ],
        Commitment::Caches => [
            "Usage",
            "arn:aws:elasticache:eu-central-1:004211870000:reserved-instance:ri-redis-1y",
            "ri-redis-1y",
            "Reserved Cache Node",
            "Hours",
        ],
    }
}

/// A hint that the company's export adds; some accounts have none.
fn cost_centre_hint(account: &str) -> &'static str {
    match account {
        "004211870000" => "CC-9000",
        "004211870001" | "004211870002" => "CC-4100",
        "004211870003" => "CC-4300",
        "004211870004" => "CC-4900",
        _ => "",
    }
}

fn line(csv: &mut csv::Writer<impl Write>, sheet: &Sheet<'_>, row: &Row<'_>) -> Result<(), csv::Error> {
    let (meter, sku) = (row.meter, row.meter.sku);
    let [
        discount_category,
        discount_id,
        discount_name,
        discount_type,
        discount_unit,
    ] = row.commitment.map_or([""; 5], commitment_columns);
    let (billed, effective) = (bill_text(row.billed), bill_text(row.effective));
    let (list, contracted) = (bill_text(row.list), bill_text(row.contracted));
    let (start, end) = (stamp(row.start), stamp(row.end));
    let (list_price, price) = row.unit_prices.map_or_else(Default::default, |(list, contracted)| {
        (bill_text(list), bill_text(contracted))
    });
    let amount = quantity(row.quantity);
    let consumed = if row.unit_prices.is_some() && row.category == "Usage" {
        (amount.as_str(), sku.unit)
    } else {
        ("", "")
    };
    let priced = if matches!(meter.kind, Kind::Tax | Kind::Credit) {
        ("", "")
    } else {
        (amount.as_str(), sku.unit)
    };
    let discount_quantity = if row.commitment.is_none() {
        String::new()
    } else if row.status == "Unused" {
        effective.clone()
    } else {
        amount.clone()
    };
    let description = match (row.correction, row.status) {
        (true, _) => format!("Refund: {}", sku.description),
        (_, "Unused") => format!("{} (unused)", sku.description),
        (_, "Used") => format!("{}, covered by {discount_name}", sku.description),
        _ => sku.description.to_owned(),
    };
    let publisher = match meter.kind {
        Kind::Monthly(Some(publisher)) => publisher,
        _ => sheet.provider,
    };
    let sub_account_type = if meter.provider == Provider::Aws {
        "Account"
    } else {
        "Project"
    };
    let sku_id = format!("{:016X}", crate::prng::stream(sku.meter));
    let sku_price = format!("{sku_id}.{}", if row.commitment.is_some() { "COMMIT" } else { "STD" });
    // in the order of the header, so that the two can be read side by side
    #[rustfmt::skip]
    let cells = [
        meter.zone, &billed, sheet.account.0, sheet.account.1, "Organisation",
        sheet.currency, &sheet.period.1, &sheet.period.0, "",
        "", row.category, if row.correction { "Correction" } else { "" }, &description, row.frequency,
        &end, &start, discount_category, discount_id,
        discount_name, &discount_quantity, row.status,
        discount_type, discount_unit, consumed.0, consumed.1,
        &contracted, &price, &effective, &sheet.invoice, sheet.issuer, &list,
        &list_price, row.pricing, sheet.currency, "",
        "", "", priced.0, priced.1,
        sheet.provider, publisher, meter.region.0, meter.region.1, &meter.resource_id,
        if sku.resource_type.is_empty() { "" } else { &meter.name }, sku.resource_type,
        sku.category, sku.service, sku.subcategory, &sku_id, sku.meter, "",
        &sku_price, &meter.account.0, &meter.account.1, sub_account_type, &meter.tags,
        cost_centre_hint(&meter.account.0), "true",
    ];
    csv.write_record(cells)
}

/// The first, incomplete delivery of a month that is delivered again: the last days and the tax
/// are missing, and load balancers are estimated too low.
pub fn preliminary<'a>(month: Month, row: &Row<'a>) -> Option<Row<'a>> {
    let late = month.until - chrono::Days::new(5);
    let seen = row.start.date() < late.max(month.start.succ_opt()?) && row.category != "Tax";
    seen.then(|| {
        let mut row = row.clone();
        if row.meter.sku.service == "Elastic Load Balancing" {
            for amount in [&mut row.list, &mut row.contracted, &mut row.billed, &mut row.effective] {
                *amount = *amount * 9 / 10;
            }
        }
        row
    })
}
