//! Reports: one set of numbers for pages, API, command line and exports.

mod change;
pub(crate) mod clusters;
mod commitments;
mod context;
mod converted;
mod costs;
pub mod drivers;
mod overview;
mod reconciliation;
mod rules;
mod sources;

pub(crate) use change::permille;
pub use costs::Rows;
pub(crate) use costs::basis_word;
pub(in crate::app) use sources::delivery;

use super::cube::{BILL_KEYS, PeriodCube};
use crate::error::AppError;
use domain::owner::BUILT_IN_DIMENSIONS;
use wire::GroupOption;

/// Every key a cube can be grouped by, owner dimensions first.
fn group_options(cube: &PeriodCube) -> Vec<GroupOption> {
    let label = |key: &str| {
        let built_in = BUILT_IN_DIMENSIONS.iter().chain(&BILL_KEYS).find(|(k, _)| *k == key);
        built_in.map_or_else(|| key.replace('_', " "), |(_, label)| (*label).to_owned())
    };
    let owner = |key: &str| !BILL_KEYS.iter().any(|(k, _)| *k == key);
    cube.columns
        .iter()
        .map(|column| GroupOption {
            key: column.key.clone(),
            label: label(&column.key),
            owner: owner(&column.key),
        })
        .collect()
}

/// Refuses keys no cube knows.
pub(super) fn check_keys<'a>(cube: &PeriodCube, keys: impl IntoIterator<Item = &'a String>) -> Result<(), AppError> {
    for key in keys {
        if cube.column(key).is_none() {
            let known: Vec<&str> = cube.columns.iter().map(|column| column.key.as_str()).collect();
            return Err(AppError::usage(
                format!("{key:?} is nothing costs can be grouped or filtered by"),
                format!("use one of {}", known.join(", ")),
            ));
        }
    }
    Ok(())
}

/// A finished drawing as it travels.
fn chart(id: &str, title: impl Into<String>, summary: impl Into<String>, drawing: charts::Drawing) -> wire::Chart {
    let point = |p: charts::Point| wire::ChartPoint {
        label: p.label,
        values: p.values,
        x: p.x,
        ys: p.ys,
    };
    wire::Chart {
        id: id.to_owned(),
        title: title.into(),
        summary: summary.into(),
        svg: drawing.svg,
        table: wire::ChartTable {
            label_head: drawing.table.label_head,
            heads: drawing.table.heads,
            points: drawing.table.points.into_iter().map(point).collect(),
        },
    }
}

/// A drawing that fails is no reason to withhold the figures: log it, leave it out.
fn drawn(drawing: Result<charts::Drawing, charts::ChartError>) -> Option<charts::Drawing> {
    match drawing {
        Ok(drawing) => Some(drawing),
        Err(charts::ChartError::Empty) => None,
        Err(error) => {
            tracing::warn!(%error, "a chart could not be drawn");
            None
        }
    }
}

pub(crate) fn finding(finding: &domain::Finding) -> wire::Finding {
    wire::Finding {
        code: finding.code.clone(),
        severity: match finding.severity {
            domain::Severity::Info => wire::Severity::Info,
            domain::Severity::Warning => wire::Severity::Warning,
            domain::Severity::Error => wire::Severity::Error,
        },
        message: finding.message.clone(),
        file: finding.file.clone(),
        line: finding.line,
        column: finding.column.clone(),
        remedy: finding.remedy.clone().unwrap_or_default(),
        count: finding.count,
        cost: finding.money.clone(),
    }
}
