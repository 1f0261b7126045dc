//! Refused rows, kept verbatim beside the delivery, with the money at stake.

use super::Quarantine;
use crate::error::LakeError;
use crate::object::{Lake, Staging};
use crate::schema::quarantine_path;
use domain::money::MONEY_SCALE;
use domain::number::parse_lenient_units;
use domain::{Currency, Money};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;

type Rows = csv::Writer<GzEncoder<Staging>>;

/// Writes refused rows; the file is made with the first one.
#[derive(Default)]
pub(crate) struct Bin {
    writer: Option<Rows>,
    part: Option<usize>,
    rows: u64,
    money: BTreeMap<Currency, Money>,
    rows_without_money: u64,
}

/// A refused row.
pub(crate) struct Refused<'a> {
    pub part: usize,
    pub file: &'a str,
    pub headers: &'a [String],
    pub line: u64,
    pub reason: &'a str,
    pub cells: &'a [&'a [u8]],
    /// BilledCost and BillingCurrency, when the row has as many cells as the header.
    pub billed: Option<&'a [u8]>,
    pub currency: Option<&'a [u8]>,
}

impl Bin {
    /// Keeps a row.
    pub fn keep(&mut self, lake: &Lake, row: &Refused<'_>) -> Result<(), LakeError> {
        let write_error = |e: csv::Error| LakeError::io("write", "the quarantine")(e.into());
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let packed = GzEncoder::new(lake.staging()?, Compression::new(6));
                self.writer
                    .insert(csv::WriterBuilder::new().flexible(true).from_writer(packed))
            }
        };
        if self.part != Some(row.part) {
            self.part = Some(row.part);
            let header = ["file", "line", "reason"]
                .into_iter()
                .chain(row.headers.iter().map(String::as_str));
            writer.write_record(header).map_err(write_error)?;
        }
        let line = row.line.to_string();
        let before = [row.file.as_bytes(), line.as_bytes(), row.reason.as_bytes()];
        writer
            .write_record(before.into_iter().chain(row.cells.iter().copied()))
            .map_err(write_error)?;
        self.rows += 1;
        self.count_money(row);
        Ok(())
    }

    fn count_money(&mut self, row: &Refused<'_>) {
        let units = row.billed.and_then(|cell| parse_lenient_units(cell, MONEY_SCALE));
        let Some(money) = units.and_then(Money::from_units) else {
            self.rows_without_money += 1;
            return;
        };
        let text = row.currency.and_then(|cell| std::str::from_utf8(cell).ok());
        let currency = text.and_then(Currency::parse).unwrap_or_else(Currency::unknown);
        let sum = self.money.entry(currency).or_default();
        match sum.checked_add(money) {
            Ok(total) => *sum = total,
            Err(_) => self.rows_without_money += 1,
        }
    }

    /// Puts the file in place, if there was a row.
    pub fn finish(self, lake: &Lake, delivery_id: &str) -> Result<Option<Quarantine>, LakeError> {
        let Some(writer) = self.writer else { return Ok(None) };
        let write_error = |e| LakeError::io("write", "the quarantine")(e);
        let packed = match writer.into_inner() {
            Ok(packed) => packed,
            Err(e) => return Err(write_error(e.into_error())),
        };
        let closed = packed.finish().map_err(write_error)?.close()?;
        let path = quarantine_path(delivery_id, closed.sha256());
        let (stored, _) = lake.put_closed(closed, &path)?;
        Ok(Some(Quarantine {
            path: stored.path,
            rows: self.rows,
            money: self.money,
            rows_without_money: self.rows_without_money,
        }))
    }
}
