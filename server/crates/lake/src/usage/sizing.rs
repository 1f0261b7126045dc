//! What is known of a day for sizing: one row per slot-hour that has any.

use super::UsageFile;
use super::columns::{Numbers, Texts, damaged, each_batch, hours, options, texts};
use crate::error::LakeError;
use crate::object::Lake;
use domain::usage::{ClusterDay, CpuSpread, SizingHour, SlotId, Throttling};
use polars::prelude::*;

const TEXTS: [&str; 3] = ["node", "pod_uid", "container"];
const NUMBERS: [&str; 16] = [
    "hour",
    "metered_s",
    "cpu_p50_millicores",
    "cpu_p90_millicores",
    "cpu_p95_millicores",
    "cpu_p99_millicores",
    "cpu_max_millicores",
    "memory_peak_mib",
    "cpu_limit_millicores",
    "memory_limit_mib",
    "cfs_periods",
    "cfs_throttled_periods",
    "cfs_throttled_ms",
    "oom_kills",
    "restarts",
    "replicas",
];
const PROFILE: &str = "usage_profile";

pub(super) fn sizing_frame(day: &ClusterDay) -> Result<DataFrame, LakeError> {
    let rows: Vec<(&SlotId, &SizingHour)> = day
        .sizing
        .iter()
        .flat_map(|(slot, hours)| hours.iter().map(move |hour| (slot, hour)))
        .collect();
    let text = |at: usize, pick: fn(&SlotId) -> &str| texts(TEXTS[at], rows.iter().map(|(slot, _)| pick(slot)));
    let number =
        |at: usize, pick: fn(&SizingHour) -> Option<u64>| options(NUMBERS[at], rows.iter().map(|(_, hour)| pick(hour)));
    let cpu = |at: usize, pick: fn(&CpuSpread) -> u32| {
        let values = rows
            .iter()
            .map(|(_, hour)| hour.cpu.as_ref().map(|cpu| u64::from(pick(cpu))));
        options(NUMBERS[at], values)
    };
    let throttling = |at: usize, pick: fn(&Throttling) -> Option<u64>| {
        options(
            NUMBERS[at],
            rows.iter().map(|(_, hour)| hour.throttling.as_ref().and_then(pick)),
        )
    };
    let profiles = rows.iter().map(|(_, hour)| hour.profile.as_slice());
    let columns = vec![
        text(0, |slot| &slot.node),
        text(1, |slot| &slot.pod_uid),
        text(2, |slot| &slot.container),
        hours(NUMBERS[0], rows.iter().map(|(_, hour)| hour.hour)),
        number(1, |hour| Some(u64::from(hour.metered_s))),
        cpu(2, |cpu| cpu.p50),
        cpu(3, |cpu| cpu.p90),
        cpu(4, |cpu| cpu.p95),
        cpu(5, |cpu| cpu.p99),
        cpu(6, |cpu| cpu.max),
        number(7, |hour| hour.memory_peak_mib),
        number(8, |hour| hour.cpu_limit_millicores),
        number(9, |hour| hour.memory_limit_mib),
        throttling(10, |throttling| Some(throttling.periods)),
        throttling(11, |throttling| Some(throttling.throttled_periods)),
        throttling(12, |throttling| throttling.throttled_ms),
        number(13, |hour| hour.oom_kills.map(u64::from)),
        number(14, |hour| hour.restarts.map(u64::from)),
        number(15, |hour| hour.replicas.map(u64::from)),
        BinaryChunked::from_iter_values(PROFILE.into(), profiles).into_column(),
    ];
    DataFrame::new(rows.len(), columns).map_err(LakeError::parquet("write", "sizing"))
}

/// What is known of a day for sizing, by slot; none when it has no such file.
///
/// # Errors
/// When the file is missing, unreadable or not of ours.
pub fn read_sizing(lake: &Lake, file: &UsageFile) -> Result<Vec<(SlotId, Vec<SizingHour>)>, LakeError> {
    let mut slots: Vec<(SlotId, Vec<SizingHour>)> = Vec::new();
    let Some(path) = &file.sizing_path else {
        return Ok(slots);
    };
    let names: Vec<&str> = TEXTS.iter().chain(&NUMBERS).chain([&PROFILE]).copied().collect();
    each_batch(lake, path, &names, |frame, path| {
        let texts = Texts::of(frame, path, &TEXTS)?;
        let numbers = Numbers::of(frame, path, &NUMBERS)?;
        let profiles = frame.column(PROFILE).ok().and_then(|column| column.binary().ok());
        let profiles = profiles.ok_or_else(|| damaged(path, PROFILE))?;
        for row in 0..frame.height() {
            let same = |slot: &SlotId| {
                (slot.node.as_str(), slot.pod_uid.as_str(), slot.container.as_str())
                    == (texts.at(0, row), texts.at(1, row), texts.at(2, row))
            };
            if !slots.last().is_some_and(|(slot, _)| same(slot)) {
                let slot = SlotId {
                    node: texts.at(0, row).to_owned(),
                    pod_uid: texts.at(1, row).to_owned(),
                    container: texts.at(2, row).to_owned(),
                };
                slots.push((slot, Vec::new()));
            }
            let profile = profiles.get(row).unwrap_or_default().to_vec();
            if let Some((_, hours)) = slots.last_mut() {
                hours.push(sizing_hour(&numbers, row, profile)?);
            }
        }
        Ok(())
    })?;
    Ok(slots)
}

fn sizing_hour(numbers: &Numbers<'_>, row: usize, profile: Vec<u8>) -> Result<SizingHour, LakeError> {
    let cpu = match numbers.get(2, row)? {
        None => None,
        Some(p50) => Some(CpuSpread {
            p50,
            p90: numbers.need(3, row)?,
            p95: numbers.need(4, row)?,
            p99: numbers.need(5, row)?,
            max: numbers.need(6, row)?,
        }),
    };
    let throttling = match numbers.get(10, row)? {
        None => None,
        Some(periods) => Some(Throttling {
            periods,
            throttled_periods: numbers.need(11, row)?,
            throttled_ms: numbers.get(12, row)?,
        }),
    };
    Ok(SizingHour {
        hour: numbers.hour(0, row)?,
        metered_s: numbers.need(1, row)?,
        cpu,
        memory_peak_mib: numbers.get(7, row)?,
        cpu_limit_millicores: numbers.get(8, row)?,
        memory_limit_mib: numbers.get(9, row)?,
        throttling,
        oom_kills: numbers.get(13, row)?,
        restarts: numbers.get(14, row)?,
        replicas: numbers.get(15, row)?,
        profile,
    })
}
