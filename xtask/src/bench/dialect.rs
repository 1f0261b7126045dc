//! The bills that `bench ingest` generates: FOCUS as CSV, Azure as CSV, AWS
//! CUR 2.0 as Parquet. Each row is written once for both sides.

use std::io::Write;

use clap::ValueEnum;

use super::rows::{self, Amount, Hour, Random, write_row};

/// A generated bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// FOCUS 1.0, 40 columns, CSV.gz
    Focus,
    /// Azure amortized cost export, 40 columns, CSV.gz
    Azure,
    /// AWS CUR 2.0 as AWS delivers it: 42 columns, doubles and maps, Parquet
    Cur2,
}

/// What a column is to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// DECIMAL(38,24).
    Decimal,
    /// TIMESTAMP, or DATE where days are written.
    Time,
    /// VARCHAR.
    Text,
    /// VARCHAR, one value of the map in front of the dot.
    Entry,
}

impl Dialect {
    /// Stable name, part of files and markers.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Focus => "focus",
            Dialect::Azure => "azure",
            Dialect::Cur2 => "cur2",
        }
    }

    /// What the file is, for the document.
    pub fn described(self) -> &'static str {
        match self {
            Dialect::Focus => "FOCUS CSV.gz (40 columns, eight of them exact decimals)",
            Dialect::Azure => "Azure amortized cost export as CSV.gz (40 columns, five of them exact decimals)",
            Dialect::Cur2 => {
                "AWS CUR 2.0 Parquet as AWS delivers it (snappy, 42 columns, eight of them doubles, two maps)"
            }
        }
    }

    /// Columns of the CSV, in order.
    pub fn columns(self) -> Vec<(&'static str, Kind)> {
        match self {
            Dialect::Focus => rows::COLUMNS
                .iter()
                .map(|(name, decimal)| {
                    let time = name.ends_with("PeriodStart") || name.ends_with("PeriodEnd");
                    let kind = match (decimal, time) {
                        (true, _) => Decimal,
                        (_, true) => Time,
                        _ => Text,
                    };
                    (*name, kind)
                })
                .collect(),
            Dialect::Azure => AZURE.to_vec(),
            Dialect::Cur2 => CUR2.to_vec(),
        }
    }

    /// The column whose sum the peer is asked for.
    pub fn cost_column(self) -> &'static str {
        match self {
            Dialect::Focus => "BilledCost",
            Dialect::Azure => "CostInBillingCurrency",
            Dialect::Cur2 => "line_item_unblended_cost",
        }
    }

    /// Appends a row; what we must find billed, and what the peer must find in its column.
    ///
    /// # Errors
    /// Never in practice: a `Vec` takes all that is written.
    pub fn write_row(self, out: &mut Vec<u8>, random: &mut Random) -> std::io::Result<(i128, i128)> {
        match self {
            Dialect::Focus => write_row(out, random).map(|billed| (billed, billed)),
            Dialect::Azure => write_azure(out, random),
            Dialect::Cur2 => write_cur2(out, random),
        }
    }
}

use Kind::{Decimal, Entry, Text, Time};

const AZURE: [(&str, Kind); 40] = [
    ("BillingAccountId", Text),
    ("BillingAccountName", Text),
    ("BillingPeriodStartDate", Time),
    ("BillingPeriodEndDate", Time),
    ("BillingProfileId", Text),
    ("AccountOwnerId", Text),
    ("AccountName", Text),
    ("SubscriptionId", Text),
    ("SubscriptionName", Text),
    ("Date", Time),
    ("Product", Text),
    ("PartNumber", Text),
    ("MeterId", Text),
    ("ServiceFamily", Text),
    ("MeterCategory", Text),
    ("MeterSubCategory", Text),
    ("MeterRegion", Text),
    ("MeterName", Text),
    ("Quantity", Decimal),
    ("EffectivePrice", Decimal),
    ("CostInBillingCurrency", Decimal),
    ("CostCenter", Text),
    ("ConsumedService", Text),
    ("ResourceId", Text),
    ("Tags", Text),
    ("OfferId", Text),
    ("AdditionalInfo", Text),
    ("ServiceInfo1", Text),
    ("ServiceInfo2", Text),
    ("ResourceName", Text),
    ("ReservationId", Text),
    ("ReservationName", Text),
    ("UnitPrice", Decimal),
    ("PayGPrice", Decimal),
    ("Term", Text),
    ("PublisherType", Text),
    ("PublisherName", Text),
    ("ChargeType", Text),
    ("PricingModel", Text),
    ("BillingCurrencyCode", Text),
];

const METERS: [(&str, &str, &str); 6] = [
    ("Virtual Machines", "Compute", "D8s v5"),
    ("Storage", "Storage", "P30 LRS Disk"),
    ("Load Balancer", "Networking", "Standard Included LB Rules"),
    ("Azure Database for PostgreSQL", "Databases", "vCore"),
    ("Bandwidth", "Networking", "Standard Data Transfer Out"),
    (
        "Log Analytics",
        "Management and Governance",
        "Analytics Logs Data Ingestion",
    ),
];
const WORKLOADS: [&str; 5] = [
    "order-intake",
    "wms-core",
    "tms-routing",
    "carrier-gateway",
    "label-print",
];

fn write_azure(out: &mut Vec<u8>, random: &mut Random) -> std::io::Result<(i128, i128)> {
    let (category, family, meter) = random.of(&METERS);
    let workload = random.of(&WORKLOADS);
    let (tenant, resource, subscription) = (random.below(1_000), random.below(50_000), random.below(40));
    let day = random.below(31) + 1;
    let reserved = random.below(10) == 0;
    let (quantity, price, cost) = (Amount::draw(random), Amount::draw(random), Amount::draw(random));
    write!(
        out,
        "0099999999999,\"Tidewater Logistics, Azure\",10/01/2026,10/31/2026,0099999999999,ops@example.com,Tidewater,\
         {subscription:08}-0000-4000-8000-000000000000,subscription-{subscription:02},10/{day:02}/2026,\
         \"{category} - {meter} - EU West\",AAA-{:05},{:08x}-1111-4222-8333-444444444444,{family},{category},{category} Series,EU West,{meter},",
        resource % 400,
        resource % 400 * 7,
    )?;
    for amount in [quantity, price, cost] {
        amount.write(out)?;
        out.push(b',');
    }
    write!(
        out,
        "cc-{},Microsoft.Compute,/subscriptions/{subscription:08}-0000-4000-8000-000000000000/resourceGroups/RG-{workload}/providers/Microsoft.Compute/virtualMachines/vm-{resource},\
         \"\"\"tenant\"\": \"\"tenant-{tenant:04}\"\",\"\"service\"\": \"\"{workload}\"\"\",MS-AZR-0017P,\
         \"{{\"\"ServiceType\"\":\"\"Standard_D8s_v5\"\",\"\"VCPUs\"\":8}}\",,Canonical,vm-{resource},",
        resource % 90,
    )?;
    if reserved {
        write!(
            out,
            "aaaaaaaa-{:04x}-4000-8000-000000000000,reservation-{},",
            resource % 60,
            resource % 60
        )?;
    } else {
        out.extend_from_slice(b",,");
    }
    price.write(out)?;
    out.push(b',');
    price.write(out)?;
    let (term, model) = if reserved {
        ("1 Year", "Reservation")
    } else {
        ("", "OnDemand")
    };
    writeln!(out, ",{term},Azure,Microsoft,Usage,{model},EUR")?;
    let raw = cost.units();
    Ok((if reserved { 0 } else { raw }, raw))
}

const CUR2: [(&str, Kind); 44] = [
    ("bill_bill_type", Text),
    ("bill_billing_entity", Text),
    ("bill_billing_period_end_date", Time),
    ("bill_billing_period_start_date", Time),
    ("bill_invoice_id", Text),
    ("bill_invoicing_entity", Text),
    ("bill_payer_account_id", Text),
    ("bill_payer_account_name", Text),
    ("identity_line_item_id", Text),
    ("identity_time_interval", Text),
    ("line_item_availability_zone", Text),
    ("line_item_currency_code", Text),
    ("line_item_legal_entity", Text),
    ("line_item_line_item_description", Text),
    ("line_item_line_item_type", Text),
    ("line_item_operation", Text),
    ("line_item_product_code", Text),
    ("line_item_resource_id", Text),
    ("line_item_unblended_cost", Decimal),
    ("line_item_unblended_rate", Text),
    ("line_item_usage_account_id", Text),
    ("line_item_usage_account_name", Text),
    ("line_item_usage_amount", Decimal),
    ("line_item_usage_end_date", Time),
    ("line_item_usage_start_date", Time),
    ("line_item_usage_type", Text),
    ("line_item_blended_cost", Decimal),
    ("line_item_normalization_factor", Decimal),
    ("pricing_public_on_demand_cost", Decimal),
    ("pricing_public_on_demand_rate", Text),
    ("pricing_unit", Text),
    ("pricing_rate_id", Text),
    ("product_sku", Text),
    ("product_region_code", Text),
    ("product_instance_type", Text),
    ("reservation_effective_cost", Decimal),
    ("reservation_reservation_a_r_n", Text),
    ("savings_plan_savings_plan_a_r_n", Text),
    ("savings_plan_savings_plan_effective_cost", Decimal),
    ("savings_plan_used_commitment", Decimal),
    ("product.product_name", Entry),
    ("product.servicecode", Entry),
    ("resource_tags.user_tenant", Entry),
    ("resource_tags.user_service", Entry),
];

const PRODUCTS: [(&str, &str, &str); 5] = [
    ("AmazonEC2", "Amazon Elastic Compute Cloud", "EUC1-BoxUsage:m6i.2xlarge"),
    (
        "AmazonRDS",
        "Amazon Relational Database Service",
        "EUC1-InstanceUsage:db.r6g.xl",
    ),
    ("AmazonS3", "Amazon Simple Storage Service", "EUC1-TimedStorage-ByteHrs"),
    ("AWSELB", "Elastic Load Balancing", "EUC1-LoadBalancerUsage"),
    ("AmazonCloudWatch", "AmazonCloudWatch", "EUC1-DataProcessing-Bytes"),
];

fn write_cur2(out: &mut Vec<u8>, random: &mut Random) -> std::io::Result<(i128, i128)> {
    let (code, product, usage_type) = random.of(&PRODUCTS);
    let workload = random.of(&WORKLOADS);
    let (tenant, resource, account) = (random.below(1_000), random.below(50_000), random.below(40));
    let hour = random.below(31 * 24);
    // doubles: at most fifteen digits are read back as they were written
    let (cost, amount, list) = (Amount::double(random), Amount::double(random), Amount::double(random));
    let covered = random.below(10) == 0;
    let (start, end) = (Hour(hour), Hour(hour + 1));
    let kind = if covered { "SavingsPlanCoveredUsage" } else { "Usage" };
    write!(
        out,
        "Anniversary,AWS,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,,\"Amazon Web Services EMEA SARL\",000000000001,Tidewater,\
         item{:08x},{start}/{end},eu-central-1a,USD,\"Amazon Web Services, Inc.\",\"{product}, {usage_type}\",{kind},RunInstances,{code},\
         arn:aws:svc:eu-central-1:{account:012}:r/{resource:08x},",
        resource * 977
    )?;
    cost.write(out)?;
    write!(out, ",0.0460000000,{account:012},account-{account:02},")?;
    amount.write(out)?;
    write!(out, ",{end},{start},{usage_type},")?;
    cost.write(out)?;
    out.extend_from_slice(b",4,");
    list.write(out)?;
    write!(
        out,
        ",0.0460000000,Hrs,{:06},SKU{:06},eu-central-1,m6i.2xlarge,,,",
        resource % 400,
        resource % 400
    )?;
    if covered {
        write!(
            out,
            "arn:aws:savingsplans::000000000001:savingsplan/{:08x},",
            resource % 60
        )?;
        list.write(out)?;
        out.push(b',');
        list.write(out)?;
    } else {
        out.extend_from_slice(b",,");
    }
    writeln!(out, ",{product},{code},tenant-{tenant:04},{workload}")?;
    let raw = cost.units();
    Ok((if covered { 0 } else { raw }, raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_their_columns_and_the_seed_decides() {
        for dialect in [Dialect::Focus, Dialect::Azure, Dialect::Cur2] {
            let rows = |seed| {
                let mut out = Vec::new();
                let mut random = Random::new(seed);
                for _ in 0..200 {
                    dialect.write_row(&mut out, &mut random).unwrap();
                }
                String::from_utf8(out).unwrap()
            };
            assert_eq!(rows(1), rows(1));
            assert_ne!(rows(1), rows(2));
            for line in rows(1).lines() {
                // commas outside quotes
                let outside: String = line.split('"').step_by(2).collect();
                let commas = outside.matches(',').count();
                assert_eq!(commas, dialect.columns().len() - 1, "{dialect:?}: {line}");
            }
        }
    }

    #[test]
    fn doubles_are_read_back_as_they_were_written() {
        let mut random = Random::new(7);
        for _ in 0..10_000 {
            let amount = Amount::double(&mut random);
            let mut out = Vec::new();
            amount.write(&mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let double: f64 = text.parse().unwrap();
            let back: f64 = format!("{double}").parse().unwrap();
            assert!((double - back).abs() == 0.0 && text.len() < 19, "{text}");
        }
    }
}
