//! XLSX. A number there is a binary float, so a money cell holds the amount
//! rounded to the currency's minor unit, at most 15 digits of it, and a text
//! column at the end of the row holds every digit (A41).

use super::{Cell, Table, costs_table, percent};
use crate::error::AppError;
use domain::{Currency, Money};
use rust_xlsxwriter::{Format, FormatAlign, Workbook, Worksheet, XlsxError};
use wire::{CostReport, GroupOption};

/// Digits that a float keeps exactly.
const EXACT_DIGITS: usize = 15;
/// Excel takes 32,767 UTF-16 units in one cell; a character is one or two.
const CELL_CHARS: usize = 16_383;

/// A cost report: header row frozen, one line for each row, then the row named
/// Total. The total is written, not a formula: it is rounded once, not the sum
/// of rounded rows.
///
/// # Errors
/// When an amount is no exact decimal, or the workbook cannot be put together.
pub fn costs(report: &CostReport, options: &[GroupOption]) -> Result<Vec<u8>, AppError> {
    let digits = Currency::parse(&report.currency)
        .unwrap_or_else(Currency::unknown)
        .minor_digits();
    let sheet = Sheet {
        table: costs_table(report, options),
        digits,
    };
    sheet.write(&format!("Costs {}", report.period))
}

struct Sheet {
    table: Table,
    digits: u32,
}

struct Formats {
    head: Format,
    money: Format,
    share: Format,
    exact: Format,
}

impl Sheet {
    fn write(&self, name: &str) -> Result<Vec<u8>, AppError> {
        let mut book = Workbook::new();
        let broken = |error: XlsxError| AppError::broken("cannot write the workbook", error);
        let sheet = book.add_worksheet_with_constant_memory().map_err(broken)?;
        let formats = self.formats();
        sheet.set_name(name).map_err(broken)?;
        sheet.set_freeze_panes(1, 0).map_err(broken)?;
        for column in 0..self.width() {
            sheet.set_column_width(column, 24).map_err(broken)?;
        }
        self.head(sheet, &formats).map_err(broken)?;
        for (at, row) in self.table.rows.iter().enumerate() {
            let at = u32::try_from(at + 1).map_err(|error| AppError::broken("cannot number the rows", error))?;
            let cells = self.rounded(row)?;
            write_row(sheet, at, row, &cells, &formats).map_err(broken)?;
        }
        book.save_to_buffer().map_err(broken)
    }

    fn formats(&self) -> Formats {
        let places = match self.digits {
            0 => "#,##0".to_owned(),
            digits => format!("#,##0.{}", "0".repeat(digits as usize)),
        };
        Formats {
            head: Format::new().set_bold(),
            money: Format::new().set_num_format(places),
            share: Format::new().set_num_format("0.0"),
            exact: Format::new().set_align(FormatAlign::Right),
        }
    }

    /// Places of the money columns.
    fn money_columns(&self) -> impl Iterator<Item = usize> {
        let first = self.table.rows.first().map_or(&[][..], Vec::as_slice);
        first
            .iter()
            .enumerate()
            .filter(|(_, cell)| matches!(cell, Cell::Money(_)))
            .map(|(at, _)| at)
    }

    fn width(&self) -> u16 {
        u16::try_from(self.table.heads.len() + self.money_columns().count()).unwrap_or(u16::MAX)
    }

    fn head(&self, sheet: &mut Worksheet, formats: &Formats) -> Result<(), XlsxError> {
        let exact = self
            .money_columns()
            .map(|at| format!("{}, exact", self.table.heads[at]));
        for (column, head) in (0..).zip(self.table.heads.iter().cloned().chain(exact)) {
            sheet.write_string_with_format(0, column, head, &formats.head)?;
        }
        Ok(())
    }

    /// The amounts of a row to the minor unit, in column order.
    fn rounded(&self, row: &[Cell]) -> Result<Vec<Option<String>>, AppError> {
        let amount = |cell: &Cell| match cell {
            Cell::Money(Some(exact)) => match Money::parse(exact) {
                Ok(money) => Ok(Some(money.to_fixed(self.digits))),
                Err(error) => Err(AppError::broken(format!("cannot read the amount {exact:?}"), error)),
            },
            Cell::Text(_) | Cell::Money(None) | Cell::Permille(_) => Ok(None),
        };
        row.iter().map(amount).collect()
    }
}

fn write_row(
    sheet: &mut Worksheet,
    at: u32,
    row: &[Cell],
    rounded: &[Option<String>],
    formats: &Formats,
) -> Result<(), XlsxError> {
    for (column, (cell, rounded)) in (0..).zip(row.iter().zip(rounded)) {
        match (cell, rounded) {
            (Cell::Text(text), _) => {
                sheet.write_string(at, column, text.chars().take(CELL_CHARS).collect::<String>())?;
            }
            (Cell::Money(_), Some(amount)) => {
                write_number(sheet, at, column, amount, &formats.money)?;
            }
            (Cell::Permille(Some(share)), _) => {
                write_number(sheet, at, column, &percent(*share), &formats.share)?;
            }
            (Cell::Money(_) | Cell::Permille(None), _) => {}
        }
    }
    // every money column has its text, also where this row has no amount
    let exact = row.iter().filter_map(|cell| match cell {
        Cell::Money(amount) => Some(amount.as_deref().unwrap_or("")),
        Cell::Text(_) | Cell::Permille(_) => None,
    });
    for (offset, amount) in exact.enumerate() {
        let column = u16::try_from(row.len() + offset).unwrap_or(u16::MAX);
        sheet.write_string_with_format(at, column, amount, &formats.exact)?;
    }
    Ok(())
}

/// A decimal as a number, or as text when a float would change its digits.
fn write_number(sheet: &mut Worksheet, at: u32, column: u16, decimal: &str, format: &Format) -> Result<(), XlsxError> {
    let digits = decimal.bytes().filter(u8::is_ascii_digit).count();
    match decimal.parse::<f64>() {
        Ok(number) if digits <= EXACT_DIGITS => sheet.write_number_with_format(at, column, number, format)?,
        _ => sheet.write_string_with_format(at, column, decimal, format)?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{options, report};
    use super::*;

    #[test]
    fn amounts_are_rounded_once_and_kept_exactly() {
        let sheet = Sheet {
            table: costs_table(&report(), &options()),
            digits: 2,
        };
        let rounded: Vec<Option<String>> = sheet
            .table
            .rows
            .iter()
            .map(|row| sheet.rounded(row).expect("decimals")[3].clone())
            .collect();
        let expected = ["61894.64", "-0.01", "0.00", "61894.64"].map(|amount| Some(amount.to_owned()));
        assert_eq!(rounded, expected);
        assert_eq!(sheet.money_columns().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(sheet.width(), 12);
    }

    #[test]
    fn a_workbook_is_written_and_a_bad_amount_is_not() {
        let book = costs(&report(), &options()).expect("a workbook");
        assert!(book.starts_with(b"PK\x03\x04"), "a zip file");
        let mut broken = report();
        broken.rows[0].cost = "1e5x".into();
        assert!(costs(&broken, &options()).is_err());
    }
}
