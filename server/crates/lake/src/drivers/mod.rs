//! Drivers in the lake: per source, driver and month one Parquet file of values,
//! written once. A delivery replaces its days and leaves the others; the file
//! that holds the result takes the place of the one before.

mod file;
mod json;
mod read;
mod stage;
mod table;

#[cfg(test)]
mod tests;

pub use file::{read_month, write_month};
pub use read::{DriverInput, DriverValues, read_files};
pub use stage::stage;

use crate::error::LakeError;
use domain::driver::Summary;
use domain::instant::Day;
use domain::{BillingPeriod, Finding};

/// A file of a driver's values, as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverFile {
    /// The source whose values these are.
    pub source: String,
    /// The driver.
    pub driver: String,
    /// The UTC month.
    pub period: BillingPeriod,
    /// Path inside the lake.
    pub path: String,
    /// Hash of its bytes.
    pub sha256: String,
    /// What is in it.
    pub summary: Summary,
}

/// Why drivers were not taken.
#[derive(Debug, thiserror::Error)]
pub enum DriversError {
    /// Bad input; each finding says where and what to do.
    #[error("{}", .0.first().map_or_else(String::new, ToString::to_string))]
    Refused(Vec<Finding>),
    /// Another source has values of the same driver, day and receiver.
    #[error("source {holder:?} already has driver {driver} of {receiver} on {day} ({values} values in all)")]
    Held {
        /// The source that has them.
        holder: String,
        /// The driver.
        driver: String,
        /// First receiver both have.
        receiver: String,
        /// Its day.
        day: Day,
        /// How many values both have in that month.
        values: u64,
    },
    /// The machinery.
    #[error(transparent)]
    Lake(#[from] LakeError),
}
