//! Reads back what was written: the same rows and sums, or it does not count.

use super::totals::{Place, RowFacts, Totals};
use super::{ControlTotal, LakeFile};
use crate::error::LakeError;
use crate::object::Lake;
use crate::scan;
use crate::schema::BILLING_PERIOD;
use domain::BillingPeriod;
use domain::charge::ChargeCategory;
use polars::prelude::*;
use std::thread;

/// Threads that read a file back.
const WORKERS: usize = 2;

const COLUMNS: [&str; 13] = [
    BILLING_PERIOD,
    "BillingCurrency",
    "BillingAccountId",
    "SubAccountId",
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "ContractedCost",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "InvoiceId",
    "CommitmentDiscountStatus",
];

/// Compares the control totals of the files, added up with checks, with those
/// kept while they were written.
pub(crate) fn read_back(lake: &Lake, files: &[LakeFile], expect: &[ControlTotal]) -> Result<(), LakeError> {
    let totals = match totals_of(lake, files, WORKERS) {
        // shares of the rows may run over where all of them in order do not
        Err(LakeError::Overflow { .. }) => totals_of(lake, files, 1)?,
        other => other?,
    };
    let found = totals.into_sorted();
    if let Some((found, expect)) = found.iter().zip(expect).find(|(found, expect)| found != expect) {
        let path = files.first().map_or_else(String::new, |file| file.path.clone());
        return Err(LakeError::Damaged {
            path,
            detail: format!("control totals {found:?} where {expect:?} were written"),
        });
    }
    if found.len() != expect.len() {
        let path = files.first().map_or_else(String::new, |file| file.path.clone());
        return Err(LakeError::Damaged {
            path,
            detail: format!("{} control totals where {} were written", found.len(), expect.len()),
        });
    }
    Ok(())
}

/// The totals of the files, each read by so many threads.
fn totals_of(lake: &Lake, files: &[LakeFile], workers: usize) -> Result<Totals, LakeError> {
    let mut shares: Vec<Totals> = (0..workers).map(|_| Totals::default()).collect();
    for file in files {
        let local = lake.local(&file.path)?;
        let schema = scan::schema(local.path(), &file.path)?;
        let columns: Vec<String> = COLUMNS
            .iter()
            .filter(|name| schema.contains(name))
            .map(|name| (*name).to_owned())
            .collect();
        let read = |share: usize, totals: &mut Totals| {
            let mut rows = 0;
            let share = (share, workers);
            scan::one_by_one(local.path(), &file.path, &columns, scan::BATCH_ROWS, share, |frame| {
                rows += frame.height() as u64;
                add(&frame, &file.path, totals)
            })?;
            Ok(rows)
        };
        let rows: Result<u64, LakeError> = thread::scope(|scope| {
            let shares = shares.iter_mut().enumerate();
            let running: Vec<_> = shares
                .map(|(share, totals)| scope.spawn(move || read(share, totals)))
                .collect();
            let ended = running
                .into_iter()
                .map(|one| one.join().map_err(|_| LakeError::Stage { stage: "read back" })?);
            ended.sum()
        });
        let rows = rows?;
        if rows != file.rows {
            return Err(LakeError::Damaged {
                path: file.path.clone(),
                detail: format!("{rows} rows where {} were written", file.rows),
            });
        }
    }
    let path = || files.first().map_or_else(String::new, |file| file.path.clone());
    let mut shares = shares.into_iter();
    let first = shares.next().unwrap_or_default();
    let all = shares.try_fold(first, |mut all, share| all.merge(share).map(|()| all));
    all.map_err(|_| LakeError::Overflow { what: path() })
}

fn cell(column: Option<&StringChunked>, row: usize) -> &str {
    column.and_then(|column| column.get(row)).unwrap_or("")
}

fn add(frame: &DataFrame, path: &str, totals: &mut Totals) -> Result<(), LakeError> {
    let damaged = |what: &str| LakeError::Damaged {
        path: path.to_owned(),
        detail: format!("{what} is not as it was written"),
    };
    let text = |name: &str| scan::text(frame, name);
    let (currency, account, sub_account, invoice) = (
        text("BillingCurrency"),
        text("BillingAccountId"),
        text("SubAccountId"),
        text("InvoiceId"),
    );
    let status = text("CommitmentDiscountStatus");
    let category = text("ChargeCategory").ok_or_else(|| damaged("ChargeCategory"))?;
    let needed = |name: &'static str| scan::units(frame, name).ok_or_else(|| damaged(name));
    let (billed, effective) = (needed("BilledCost")?, needed("EffectiveCost")?);
    let (list, contracted) = (scan::units(frame, "ListCost"), scan::units(frame, "ContractedCost"));
    let when = |name: &'static str| scan::instants(frame, name).ok_or_else(|| damaged(name));
    let (start, end) = (when("ChargePeriodStart")?, when("ChargePeriodEnd")?);
    let periods = frame
        .column(BILLING_PERIOD)
        .and_then(|column| column.i32())
        .map_err(|_| damaged(BILLING_PERIOD))?;
    for row in 0..frame.height() {
        let is_usage = category.get(row).and_then(ChargeCategory::parse) == Some(ChargeCategory::Usage);
        // what nobody used is no usage: it reaches to the end of a fee's period
        let usage = is_usage && !cell(status, row).trim().eq_ignore_ascii_case("unused");
        let facts = RowFacts {
            period: periods
                .get(row)
                .and_then(BillingPeriod::from_number)
                .ok_or_else(|| damaged(BILLING_PERIOD))?,
            currency: cell(currency, row),
            account: cell(account, row),
            sub_account: cell(sub_account, row),
            billed: billed.get(row).ok_or_else(|| damaged("BilledCost"))?,
            effective: effective.get(row).ok_or_else(|| damaged("EffectiveCost"))?,
            list: list.and_then(|column| column.get(row)),
            contracted: contracted.and_then(|column| column.get(row)),
            start: start.get(row).ok_or_else(|| damaged("ChargePeriodStart"))?,
            usage_end: end.get(row).filter(|_| usage),
            invoiced: !cell(invoice, row).is_empty(),
        };
        totals
            .add(&facts, Place { part: 0, line: 0 })
            .map_err(|_| LakeError::Overflow { what: path.to_owned() })?;
    }
    Ok(())
}
