//! One synthetic FOCUS 1.0 charge after another: 40 columns, eight of them exact decimals.

use std::fmt;
use std::io::Write;

/// Digits after the point that the lake and DuckDB keep.
pub const SCALE: u32 = 24;

/// FOCUS 1.0 without AvailabilityZone and two names of commitments: 40 columns.
/// The flag tells the eight decimal columns; the timestamps end in Start and End.
pub const COLUMNS: [(&str, bool); 40] = [
    ("BilledCost", true),
    ("BillingAccountId", false),
    ("BillingAccountName", false),
    ("BillingCurrency", false),
    ("BillingPeriodEnd", false),
    ("BillingPeriodStart", false),
    ("ChargeCategory", false),
    ("ChargeClass", false),
    ("ChargeDescription", false),
    ("ChargeFrequency", false),
    ("ChargePeriodEnd", false),
    ("ChargePeriodStart", false),
    ("CommitmentDiscountId", false),
    ("CommitmentDiscountStatus", false),
    ("CommitmentDiscountType", false),
    ("ConsumedQuantity", true),
    ("ConsumedUnit", false),
    ("ContractedCost", true),
    ("ContractedUnitPrice", true),
    ("EffectiveCost", true),
    ("InvoiceIssuerName", false),
    ("ListCost", true),
    ("ListUnitPrice", true),
    ("PricingCategory", false),
    ("PricingQuantity", true),
    ("PricingUnit", false),
    ("ProviderName", false),
    ("PublisherName", false),
    ("RegionId", false),
    ("RegionName", false),
    ("ResourceId", false),
    ("ResourceName", false),
    ("ResourceType", false),
    ("ServiceCategory", false),
    ("ServiceName", false),
    ("SkuId", false),
    ("SkuPriceId", false),
    ("SubAccountId", false),
    ("SubAccountName", false),
    ("Tags", false),
];

/// (ServiceName, ServiceCategory, ResourceType, unit)
const SERVICES: [(&str, &str, &str, &str); 8] = [
    ("Amazon Elastic Compute Cloud", "Compute", "Instance", "Hours"),
    ("Amazon Relational Database Service", "Databases", "Database", "Hours"),
    ("Amazon Simple Storage Service", "Storage", "Bucket", "GB-Months"),
    ("Amazon ElastiCache", "Databases", "Cache Cluster", "Hours"),
    ("Elastic Load Balancing", "Networking", "Load Balancer", "Hours"),
    ("Amazon Virtual Private Cloud", "Networking", "NAT Gateway", "GB"),
    ("Amazon CloudWatch", "Management and Governance", "Log Group", "GB"),
    ("Amazon MQ", "Integration", "Broker", "Hours"),
];
const REGIONS: [(&str, &str); 3] = [
    ("eu-west-1", "EU (Ireland)"),
    ("eu-central-1", "EU (Frankfurt)"),
    ("us-east-1", "US East (N. Virginia)"),
];
const WORKLOADS: [&str; 8] = [
    "order-intake",
    "wms-core",
    "tms-routing",
    "carrier-gateway",
    "label-print",
    "tracking",
    "customs",
    "billing",
];
const DAYS_IN_MONTH: u64 = 31;

/// SplitMix64: small, fast, the same everywhere.
pub struct Random(u64);

impl Random {
    /// A stream of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly from `0..bound`, near enough for `bound` far below 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// One of a list.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        // the remainder is smaller than the length
        list[(self.next() % list.len() as u64) as usize]
    }
}

/// A decimal as it is written: `mantissa * 10^-scale`, plain or with an exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    mantissa: i128,
    scale: u32,
    exponent: bool,
}

impl Amount {
    const ZERO: Self = Self {
        mantissa: 0,
        scale: 0,
        exponent: false,
    };

    /// The mixture of a real bill: mostly ten digits, cents, exponents, a few with all 24.
    pub fn draw(random: &mut Random) -> Self {
        let (bound, scale, exponent) = match random.below(100) {
            0..40 => (1_000_000_000_000, 10, false),
            40..60 => (100_000, 2, false),
            60..75 => (90_000_000, 6, false),
            75..85 => (900, 10 + u32::try_from(random.below(5)).unwrap_or(0), true),
            85..90 => (1_000_000_000_000_000_000, 24, false),
            90..96 => return Self::ZERO,
            _ => (1_000_000, 4, false),
        };
        // three digits make `d.ddE-x`
        let mantissa = i128::from(random.below(bound)) + if exponent { 100 } else { 1 };
        Self {
            mantissa,
            scale,
            exponent,
        }
    }

    /// At most fifteen digits, ten behind the point: a double holds it.
    pub fn double(random: &mut Random) -> Self {
        Self {
            mantissa: i128::from(random.below(1_000_000_000_000)) + 1,
            scale: 10,
            exponent: false,
        }
    }

    fn negated(self) -> Self {
        Self {
            mantissa: -self.mantissa,
            ..self
        }
    }

    /// In units of 10^-24, exactly: no scale is above 24.
    pub fn units(self) -> i128 {
        self.mantissa * 10_i128.pow(SCALE - self.scale)
    }

    /// Appends it as it is written.
    ///
    /// # Errors
    /// Never in practice: a `Vec` takes all that is written.
    pub fn write(self, out: &mut Vec<u8>) -> std::io::Result<()> {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let magnitude = self.mantissa.unsigned_abs();
        if self.exponent {
            let power = self.scale - 2;
            write!(out, "{sign}{}.{:02}E-{power}", magnitude / 100, magnitude % 100)
        } else if self.scale == 0 {
            write!(out, "{sign}{magnitude}")
        } else {
            let one = 10_u128.pow(self.scale);
            let width = self.scale as usize;
            write!(out, "{sign}{}.{:0width$}", magnitude / one, magnitude % one)
        }
    }
}

/// Appends one charge of October 2026 and returns its BilledCost in units of 10^-24.
///
/// # Errors
/// Never in practice: a `Vec` takes all that is written.
pub fn write_row(out: &mut Vec<u8>, random: &mut Random) -> std::io::Result<i128> {
    let (service, category, resource_type, unit) = random.of(&SERVICES);
    let (region_id, region_name) = random.of(&REGIONS);
    let workload = random.of(&WORKLOADS);
    let (tenant, resource, sku) = (random.below(1_000), random.below(50_000), random.below(400));
    let (account, hour) = (random.below(40), random.below(DAYS_IN_MONTH * 24));
    let credit = random.below(100) == 0;
    let committed = !credit && random.below(10) == 0;
    let drawn = Amount::draw(random);
    let effective = if credit { drawn.negated() } else { drawn };
    let billed = if committed { Amount::ZERO } else { effective };
    let (list, price, list_price, quantity) = (
        Amount::draw(random),
        Amount::draw(random),
        Amount::draw(random),
        Amount::draw(random),
    );

    billed.write(out)?;
    out.extend_from_slice(
        b",100000000001,\"Tidewater Logistics, Payer\",USD,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,",
    );
    let frequency = if credit { "One-Time" } else { "Usage-Based" };
    write!(
        out,
        "{},,\"{service}, {resource_type} in {region_id}\",{frequency},",
        if credit { "Credit" } else { "Usage" }
    )?;
    write!(out, "{},{},", Hour(hour + 1), Hour(hour))?;
    if committed {
        write!(
            out,
            "arn:aws:savingsplans::100000000001:savingsplan/{:08x},Used,Savings Plan,",
            sku * 7
        )?;
    } else {
        out.extend_from_slice(b",,,");
    }
    quantity.write(out)?;
    write!(out, ",{unit},")?;
    for (amount, after) in [
        (effective, ","),
        (price, ","),
        (effective, ",AWS,"),
        (list, ","),
        (list_price, ","),
    ] {
        amount.write(out)?;
        out.extend_from_slice(after.as_bytes());
    }
    write!(out, "{},", if committed { "Committed" } else { "Standard" })?;
    quantity.write(out)?;
    write!(out, ",{unit},AWS,AWS,{region_id},{region_name},")?;
    write!(
        out,
        "arn:aws:svc:{region_id}:{:012}:r/{resource:08x},{workload}-{resource},{resource_type},{category},{service},",
        200_000_000_000 + account
    )?;
    write!(
        out,
        "SKU{sku:06},SKU{sku:06}.P1,{:012},account-{account:02},",
        200_000_000_000 + account
    )?;
    writeln!(
        out,
        "\"{{\"\"tenant\"\":\"\"tenant-{tenant:04}\"\",\"\"service\"\":\"\"{workload}\"\",\"\"environment\"\":\"\"production\"\",\"\"note\"\":\"\"a, b\"\"}}\""
    )?;
    Ok(billed.units())
}

/// `2026-10-05T13:00:00Z` for the hours since the month began; hour 744 is November's first.
pub struct Hour(pub u64);

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hour = self.0;
        let (month, day) = if hour < DAYS_IN_MONTH * 24 {
            (10, hour / 24 + 1)
        } else {
            (11, 1)
        };
        write!(f, "2026-{month:02}-{day:02}T{:02}:00:00Z", hour % 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn amounts_are_written_as_they_are_counted() {
        for (mantissa, scale, exponent, expected, units) in [
            (181, 10, true, "1.81E-8", "18100000000000000"),
            (-100, 12, true, "-1.00E-10", "-100000000000000"),
            (5, 2, false, "0.05", "50000000000000000000000"),
            (-1250, 2, false, "-12.50", "-12500000000000000000000000"),
            (7, 24, false, "0.000000000000000000000007", "7"),
            (0, 0, false, "0", "0"),
        ] {
            let amount = Amount {
                mantissa,
                scale,
                exponent,
            };
            assert_eq!(text(|out| amount.write(out).unwrap()), expected);
            assert_eq!(amount.units().to_string(), units);
        }
    }

    #[test]
    fn hours_end_with_the_month() {
        for (hour, expected) in [
            (0, "2026-10-01T00:00:00Z"),
            (37, "2026-10-02T13:00:00Z"),
            (744, "2026-11-01T00:00:00Z"),
        ] {
            assert_eq!(Hour(hour).to_string(), expected);
        }
    }

    #[test]
    fn rows_have_forty_fields_and_the_seed_decides() {
        let rows = |seed| {
            text(|out| {
                let mut random = Random::new(seed);
                for _ in 0..200 {
                    write_row(out, &mut random).unwrap();
                }
            })
        };
        assert_eq!(rows(1), rows(1));
        assert_ne!(rows(1), rows(2));
        for line in rows(1).lines() {
            // commas outside quotes
            let outside: String = line.split('"').step_by(2).collect();
            assert_eq!(outside.matches(',').count(), COLUMNS.len() - 1, "{line}");
        }
        assert_eq!(COLUMNS.iter().filter(|(_, decimal)| *decimal).count(), 8);
    }
}
