//! When the rows of a provider that appends were exported (Google Cloud writes
//! each row to its billing export once, with `export_time`).

use crate::error::LakeError;
use crate::ingest::LakeFile;
use crate::object::Lake;
use crate::scan::{batches, schema, text};
use domain::BillingPeriod;
use domain::instant::{Instant, parse};
use std::collections::BTreeMap;

/// The column of Google Cloud's exports, as kept with the charges.
const EXPORT_TIME: &str = "export_time";

/// First and last export time of the rows of each billing period, both
/// inclusive; a period with a row that names none, or none that can be read,
/// has no entry.
///
/// # Errors
/// When a file cannot be read.
pub fn exported(lake: &Lake, files: &[LakeFile]) -> Result<BTreeMap<BillingPeriod, (Instant, Instant)>, LakeError> {
    let mut windows: BTreeMap<BillingPeriod, Option<(Instant, Instant)>> = BTreeMap::new();
    for file in files {
        let found = window(lake, &file.path)?;
        let joined = match (windows.get(&file.period), found) {
            (None, found) => found,
            (Some(Some((first, last))), Some((from, to))) => Some((from.min(*first), to.max(*last))),
            (Some(_), _) => None,
        };
        windows.insert(file.period, joined);
    }
    let known = windows
        .into_iter()
        .filter_map(|(period, window)| Some((period, window?)));
    Ok(known.collect())
}

fn window(lake: &Lake, path: &str) -> Result<Option<(Instant, Instant)>, LakeError> {
    let local = lake.local(path)?;
    let there = schema(local.path(), path)?;
    // headers are kept as they were written
    let same = |name: &str| name.eq_ignore_ascii_case(EXPORT_TIME);
    let Some(column) = there.iter_names().find(|name| same(name.as_str())) else {
        return Ok(None);
    };
    let column = column.to_string();
    let mut window: Option<(Instant, Instant)> = None;
    let mut unknown = false;
    batches(local.path(), path, std::slice::from_ref(&column), |frame| {
        let Some(texts) = text(frame, &column) else {
            unknown = true;
            return Ok::<(), LakeError>(());
        };
        for cell in texts.iter() {
            let Some(at) = cell.and_then(|cell| parse(cell.as_bytes()).ok()) else {
                unknown = true;
                continue;
            };
            let at = at.instant;
            window = Some(window.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        }
        Ok(())
    })?;
    Ok(window.filter(|_| !unknown))
}
