//! A day's costs as a Parquet file.

use super::{ContainerDayFile, DayCosts};
use crate::error::LakeError;
use crate::object::Lake;

/// Reads a day back, exactly.
///
/// # Errors
/// When a file is missing, unreadable or not of ours.
pub fn read_day(lake: &Lake, file: &ContainerDayFile) -> Result<DayCosts, LakeError> {
    if !lake.exists(&file.path)? {
        return Err(LakeError::Missing {
            path: file.path.clone(),
        });
    }
    Err(LakeError::Stage { stage: "container-days" })
}
