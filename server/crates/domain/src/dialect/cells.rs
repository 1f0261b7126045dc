//! What is wrong with a cell or a row: the slow path that explains.

use super::ColumnKind::{Instant as When, Money as Cost, Quantity, Tags as TagSet, Text, UnitPrice};
use super::Need::Mandatory;
use super::{ColumnKind, ColumnSpec, QUANTITY_SCALE, is_null};
use crate::charge::ChargeCategory;
use crate::instant::{self, Instant};
use crate::money::{Currency, MONEY_SCALE};
use crate::number::{self, Excess};
use crate::tags;

/// A cell, or with an empty column a whole row, that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellError {
    /// Stable code of the finding.
    pub code: &'static str,
    /// Column name; empty for the whole row.
    pub column: String,
    /// What is wrong with it.
    pub message: String,
}

impl CellError {
    pub(super) fn new(code: &'static str, column: &str, message: impl Into<String>) -> CellError {
        CellError {
            code,
            column: column.to_owned(),
            message: message.into(),
        }
    }

    /// An error of the whole row.
    #[must_use]
    pub fn row(code: &'static str, message: impl Into<String>) -> CellError {
        CellError::new(code, "", message)
    }
}

/// Checks one cell against its column, without keeping the value: the slow
/// path that explains why a row was refused.
#[must_use]
pub fn check_cell(column: &ColumnSpec, cell: &[u8]) -> Option<CellError> {
    let shown = || {
        let text = String::from_utf8_lossy(cell);
        let cut: String = text.chars().take(60).collect();
        if cut.len() < text.len() {
            format!("{cut:?}...")
        } else {
            format!("{cut:?}")
        }
    };
    let blank = is_null(cell) || (column.kind != Text && cell.trim_ascii().is_empty());
    if blank {
        return (column.need == Mandatory)
            .then(|| CellError::new("missing_value", column.name, "is empty where a value is required"));
    }
    match column.kind {
        Cost | UnitPrice | Quantity => {
            let (scale, excess) = scale_of(column.kind);
            let error = number::parse_units(cell, scale, excess).err()?;
            Some(CellError::new(
                "bad_decimal",
                column.name,
                format!("{} {error}", shown()),
            ))
        }
        When => instant::parse(cell)
            .err()
            .map(|error| CellError::new("bad_date", column.name, format!("{} {error}", shown()))),
        TagSet => match std::str::from_utf8(cell) {
            Ok(text) => tags::parse(text)
                .err()
                .map(|error| CellError::new("bad_tags", column.name, format!("{} {error}", shown()))),
            Err(_) => Some(CellError::new("bad_utf8", column.name, "is not UTF-8")),
        },
        Text => match std::str::from_utf8(cell) {
            Err(_) => Some(CellError::new("bad_utf8", column.name, "is not UTF-8")),
            Ok(text) if column.name == "ChargeCategory" && ChargeCategory::parse(text).is_none() => {
                Some(CellError::new(
                    "bad_value",
                    column.name,
                    format!("{} is none of Usage, Purchase, Tax, Credit, Adjustment", shown()),
                ))
            }
            Ok(text) if column.name == "BillingCurrency" && Currency::parse(text).is_none() => Some(CellError::new(
                "bad_value",
                column.name,
                format!("{} is no currency code such as USD", shown()),
            )),
            Ok(_) => None,
        },
    }
}

/// Scale, and what to do with digits beyond it, of a numeric kind.
#[must_use]
pub fn scale_of(kind: ColumnKind) -> (u32, Excess) {
    match kind {
        Quantity => (QUANTITY_SCALE, Excess::Round),
        UnitPrice => (MONEY_SCALE, Excess::Round),
        _ => (MONEY_SCALE, Excess::Refuse),
    }
}

/// Checks that periods run forward.
#[must_use]
pub fn check_spans(
    billing_start: Instant,
    billing_end: Instant,
    charge_start: Instant,
    charge_end: Instant,
) -> Option<CellError> {
    if billing_end <= billing_start {
        return Some(CellError::new(
            "wrong_period",
            "BillingPeriodEnd",
            format!("{billing_end} is not after BillingPeriodStart {billing_start}; ends are exclusive"),
        ));
    }
    if charge_end < charge_start {
        return Some(CellError::new(
            "wrong_period",
            "ChargePeriodEnd",
            format!("{charge_end} is before ChargePeriodStart {charge_start}; ends are exclusive"),
        ));
    }
    None
}
