//! Reports of the metrics operator: their columns and the cells of a row.

use super::MIB;
use crate::usage::table::BadCell;
use domain::finding::Finding;
use domain::instant::{self, SECOND_US};
use domain::tags::Tags;
use domain::usage::{HOUR_S, Hour};
use std::collections::BTreeMap;

/// Which report a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::usage) enum Kind {
    Pods,
    Volumes,
    Nodes,
    Namespaces,
    /// Of virtual machines or accelerators: their pods are in the report of pods.
    PassedOver,
}

/// Where the columns of a report lie.
pub(in crate::usage) struct Report {
    pub kind: Kind,
    columns: BTreeMap<String, usize>,
    pub width: usize,
}

impl Report {
    /// Finds the columns of a header.
    ///
    /// # Errors
    /// A report that is not known, or a column that is missing.
    pub fn bind(header: &csv::StringRecord) -> Result<Report, Box<Finding>> {
        let named = |(at, name): (usize, &str)| (name.trim().trim_start_matches('\u{feff}').to_owned(), at);
        let columns: BTreeMap<String, usize> = header.iter().enumerate().map(named).collect();
        let has = |name: &str| columns.contains_key(name);
        let (kind, needed): (Kind, &[&str]) = if has("pod_usage_cpu_core_seconds") {
            (Kind::Pods, &POD_COLUMNS)
        } else if has("persistentvolumeclaim_capacity_bytes") {
            (Kind::Volumes, &VOLUME_COLUMNS)
        } else if has("node_labels") {
            (Kind::Nodes, &["interval_start", "node"])
        } else if has("namespace_labels") {
            (Kind::Namespaces, &["interval_start", "namespace"])
        } else if has("vm_name") || has("gpu_uuid") {
            (Kind::PassedOver, &[])
        } else {
            let names: Vec<&str> = header.iter().take(8).collect();
            let begins = names.join(",");
            let finding = Finding::error(
                "unknown_report",
                format!("is no report of pods, volumes, nodes or namespaces; it begins {begins}"),
            );
            return Err(Box::new(finding.at_line(1).remedy(
                "check the version of the metrics operator; other reports do not belong into `files`",
            )));
        };
        match needed.iter().find(|name| !has(name)) {
            Some(name) => {
                let finding = Finding::error("missing_column", format!("the column {name} is missing"));
                let finding = finding.at_line(1).in_column(*name);
                Err(Box::new(finding.remedy("check the version of the metrics operator")))
            }
            None => Ok(Report {
                kind,
                width: header.len(),
                columns,
            }),
        }
    }
}

const POD_COLUMNS: [&str; 11] = [
    "interval_start",
    "node",
    "namespace",
    "pod",
    "pod_request_cpu_core_seconds",
    "pod_usage_memory_byte_seconds",
    "pod_request_memory_byte_seconds",
    "node_capacity_cpu_cores",
    "node_capacity_cpu_core_seconds",
    "node_capacity_memory_bytes",
    "pod_labels",
];
const VOLUME_COLUMNS: [&str; 6] = [
    "interval_start",
    "namespace",
    "persistentvolumeclaim",
    "persistentvolume",
    "persistentvolumeclaim_capacity_byte_seconds",
    "persistentvolumeclaim_usage_byte_seconds",
];

/// A row of a report.
pub(super) struct Row<'r> {
    pub report: &'r Report,
    pub cells: &'r [&'r str],
}

impl<'r> Row<'r> {
    pub fn text(&self, name: &str) -> &'r str {
        let at = self.report.columns.get(name);
        at.and_then(|at| self.cells.get(*at)).copied().unwrap_or("").trim()
    }

    /// A quantity times `times / per`, cut off; empty is none.
    pub fn quantity(&self, name: &'static str, times: u64, per: u64) -> Result<Option<u64>, BadCell> {
        match self.text(name) {
            "" => Ok(None),
            text => scaled(text, times, per)
                .map(Some)
                .ok_or_else(|| (name, format!("{text:?} is not a quantity of zero or more"))),
        }
    }

    pub fn core_ms(&self, name: &'static str) -> Result<u64, BadCell> {
        Ok(self.quantity(name, 1_000, 1)?.unwrap_or(0))
    }

    pub fn mib_s(&self, name: &'static str) -> Result<u64, BadCell> {
        Ok(self.quantity(name, 1, MIB)?.unwrap_or(0))
    }

    pub fn hour(&self) -> Result<Hour, BadCell> {
        let text = self.text("interval_start");
        // as Go writes instants
        let instant = text.strip_suffix(" +0000 UTC").unwrap_or(text);
        let parsed = instant::parse(instant.as_bytes());
        let at = parsed
            .map_err(|error| ("interval_start", format!("{text:?} {error}")))?
            .instant;
        if at.0 % (i64::from(HOUR_S) * SECOND_US) != 0 {
            return Err(("interval_start", format!("{text:?} is not the start of an hour in UTC")));
        }
        Ok(Hour::of(at))
    }

    /// `label_a:b|label_c:d`.
    pub fn labels(&self, name: &'static str) -> Result<Tags, BadCell> {
        let label = |text: &str| {
            let (key, value) = text.split_once(':')?;
            Some((key.strip_prefix("label_").unwrap_or(key).to_owned(), value.to_owned()))
        };
        let parts = self.text(name).split('|').filter(|part| !part.is_empty());
        parts
            .map(|part| label(part).ok_or_else(|| (name, format!("{part:?} is no label_name:value"))))
            .collect()
    }
}

/// `text * times / per`, cut off, exactly; a decimal number with or without exponent.
fn scaled(text: &str, times: u64, per: u64) -> Option<u64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 27 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let (mut over, mut under) = (
        digits.parse::<u128>().ok()?.checked_mul(u128::from(times))?,
        u128::from(per),
    );
    let power = 10u128.checked_pow(shift.unsigned_abs())?;
    if shift >= 0 {
        over = over.checked_mul(power)?;
    } else {
        under = under.checked_mul(power)?;
    }
    u64::try_from(over / under)
        .ok()
        .filter(|value| i64::try_from(*value).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_cut_once() {
        for (text, times, per, expect) in [
            ("3600", 1_000, 1, Some(3_600_000)),
            ("0.0015", 1_000, 1, Some(1)),
            ("21474836480.0", 1, MIB, Some(20_480)),
            ("3865470566399.999999", 1, MIB, Some(3_686_399)),
            ("7.7309411328e+13", 1, MIB, Some(73_728_000)),
            ("1e-9", 1_000, 1, Some(0)),
            ("", 1, 1, None),
            ("-1", 1, 1, None),
            ("NaN", 1, 1, None),
            ("1e99", 1, 1, None),
            ("9223372036854775808", 1, 1, None),
        ] {
            assert_eq!(scaled(text, times, per), expect, "{text} * {times} / {per}");
        }
    }
}
