//! What the lake's files hold, and under which names.

use domain::BillingPeriod;
use domain::dialect::{ColumnKind, QUANTITY_SCALE};
use domain::instant::Day;
use domain::money::MONEY_SCALE;
use polars::prelude::{DataType, TimeUnit, TimeZone};

/// Version of the layout below; written into every file. A reader that finds a
/// higher one must refuse the file.
pub const SCHEMA_VERSION: u32 = 1;

/// Digits of every decimal in the lake.
pub const PRECISION: usize = 38;

/// Line of the file where the record starts (header: line 1). For Parquet
/// input: the number of the row, from 1.
pub const LINE: &str = "line";
/// Position of the file in its delivery, from 0.
pub const PART: &str = "part";
/// Billing period as `202409`.
pub const BILLING_PERIOD: &str = "billing_period";

/// Key of the schema version in a file's own metadata.
pub const META_SCHEMA_VERSION: &str = "tonnage.schema_version";
/// Key of the delivery id in a file's own metadata.
pub const META_DELIVERY: &str = "tonnage.delivery_id";

/// A file of charges to read, with the delivery it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeFile {
    /// Path inside the lake.
    pub path: String,
    /// The delivery that wrote it.
    pub delivery_id: String,
}

/// How a kind of column is stored.
#[must_use]
pub fn stored_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Money | ColumnKind::UnitPrice => DataType::Decimal(PRECISION, MONEY_SCALE as usize),
        ColumnKind::Quantity => DataType::Decimal(PRECISION, QUANTITY_SCALE as usize),
        ColumnKind::Instant => instant_type(),
        ColumnKind::Text | ColumnKind::Tags => DataType::String,
    }
}

/// Instants: microseconds, UTC.
#[must_use]
pub fn instant_type() -> DataType {
    DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
}

/// Path of a charge file: one per delivery, part and billing period. The hash
/// in the name makes a file that was cut off, or written by another release,
/// unable to stand in the way of a second run.
#[must_use]
pub fn charge_path(source: &str, period: BillingPeriod, delivery_id: &str, part: u32, sha256: &str) -> String {
    let hash: String = sha256.chars().take(12).collect();
    format!(
        "charges/{}/{period}/{}-{part:04}-{hash}.parquet",
        plain(source),
        plain(delivery_id)
    )
}

/// Path of a file of usage facts: one per cluster, day and kind. The hash in
/// the name makes every version of a day a file of its own.
#[must_use]
pub fn usage_path(cluster: &str, day: Day, kind: &str, sha256: &str) -> String {
    let hash: String = sha256.chars().take(16).collect();
    format!("usage/{}/{day}/{kind}-{hash}.parquet", plain(cluster))
}

/// Path of a file of container-days: one per allocation, cluster and day; the
/// hash in the name is that of its bytes.
#[must_use]
pub fn container_days_path(cluster: &str, day: Day, sha256: &str) -> String {
    let hash: String = sha256.chars().take(32).collect();
    format!("container_days/{}/{day}/{hash}.parquet", plain(cluster))
}

/// Path of a delivery's refused rows.
#[must_use]
pub fn quarantine_path(delivery_id: &str, sha256: &str) -> String {
    let hash: String = sha256.chars().take(12).collect();
    format!("quarantine/{}-{hash}.csv.gz", plain(delivery_id))
}

/// Text as one portable path segment.
fn plain(text: &str) -> String {
    let kept: String = text
        .chars()
        .take(96)
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect();
    if kept.is_empty() { "_".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain_whatever_the_names() {
        let period: BillingPeriod = "2024-09".parse().expect("valid");
        assert_eq!(
            charge_path("AWS prod/../x", period, "d-1", 3, "0123456789abcdef"),
            "charges/AWS_prod____x/2024-09/d-1-0003-0123456789ab.parquet"
        );
        assert_eq!(quarantine_path("", "ff"), "quarantine/_-ff.csv.gz");
    }
}
