//! Reading deliveries back: what counts, what was compared, and the history.

use super::rows::{FileRow, HeadRow, InputRow, PeriodRow, QuarantineSqlRow, SourceSqlRow, TotalSqlRow};
use super::{ActiveFile, CHARGES, DeliveredTotal, DeliveryRecord, SourceRecord};
use crate::Store;
use crate::db::{Tx, fetch_all, fetch_optional, statements};
use crate::error::StoreError;
use crate::finding::FindingRow;
use crate::rows::{Place, period_number};
use domain::BillingPeriod;
use std::collections::HashMap;

/// $1 a source or NULL, $2 a delivery or NULL: the deliveries a reader wants.
macro_rules! of_wanted {
    ($select:literal, $order:literal) => {
        concat!(
            $select,
            " WHERE (CAST($1 AS TEXT) IS NULL OR d.source_id = $1) AND (CAST($2 AS TEXT) IS NULL OR d.delivery_id = $2) ORDER BY d.manifest_version",
            $order
        )
    };
}

statements! {
    PERIODS: "read the billing periods" => "SELECT DISTINCT period FROM delivery_period WHERE state IN ('open', 'final')";
    SOURCES: "read the sources" =>
        "SELECT s.source_id, s.provider, s.format, s.first_received_us, s.last_received_us,
             (SELECT CAST(COUNT(*) AS BIGINT) FROM delivery d WHERE d.source_id = s.source_id) AS deliveries FROM source s";
    BY_INPUT: "look for an earlier delivery of the same bytes" =>
        "SELECT delivery_id FROM delivery WHERE source_id = $1 AND input_hash = $2 ORDER BY manifest_version DESC LIMIT 1";
    ACTIVE_FILES: "read the lake files that count" =>
        "SELECT f.delivery_id, d.source_id, p.state, f.path, f.dataset, f.period, f.part, f.row_count, f.byte_count, f.sha256,
             f.schema_version
         FROM lake_file f JOIN delivery d ON d.delivery_id = f.delivery_id
         JOIN delivery_period p ON p.delivery_id = f.delivery_id AND p.period = f.period
         WHERE f.dataset = $1 AND p.state IN ('open', 'final') AND (CAST($2 AS BIGINT) IS NULL OR f.period = $2)";
    TOTALS_BY_STATE: "read the control totals" =>
        "SELECT t.delivery_id, d.source_id, p.state, t.period, t.currency, t.billing_account_id, t.sub_account_id, t.row_count,
             t.billed, t.effective, t.list, t.contracted, t.first_charge_us, t.last_usage_end_us, t.rows_with_invoice,
             t.billed_with_invoice
         FROM charge_total t JOIN delivery d ON d.delivery_id = t.delivery_id
         JOIN delivery_period p ON p.delivery_id = t.delivery_id AND p.period = t.period
         WHERE p.state IN ($1, $2) AND (CAST($3 AS BIGINT) IS NULL OR t.period = $3)";
    HEADS: "read the deliveries" => of_wanted!(
        "SELECT d.delivery_id, d.source_id, d.provider, d.format, d.format_version, d.input_hash, d.received_us,
             d.manifest_version, d.state, d.rejected_rows FROM delivery d", "");
    INPUTS: "read the input files of the deliveries" => of_wanted!(
        "SELECT f.delivery_id, f.file_name, f.byte_count, f.sha256
         FROM input_file f JOIN delivery d ON d.delivery_id = f.delivery_id", ", f.position");
    DELIVERY_PERIODS: "read the periods of the deliveries" => of_wanted!(
        "SELECT p.delivery_id, p.period, p.state, p.superseded_by, p.first_export_us, p.last_export_us
         FROM delivery_period p JOIN delivery d ON d.delivery_id = p.delivery_id", ", p.period");
    LAKE_FILES: "read the lake files of the deliveries" => of_wanted!(
        "SELECT f.delivery_id, d.source_id, d.state, f.path, f.dataset, f.period, f.part, f.row_count, f.byte_count, f.sha256,
             f.schema_version
         FROM lake_file f JOIN delivery d ON d.delivery_id = f.delivery_id", ", f.period, f.part");
    TOTALS: "read the control totals of the deliveries" => of_wanted!(
        "SELECT t.delivery_id, d.source_id, d.state, t.period, t.currency, t.billing_account_id, t.sub_account_id, t.row_count,
             t.billed, t.effective, t.list, t.contracted, t.first_charge_us, t.last_usage_end_us, t.rows_with_invoice,
             t.billed_with_invoice
         FROM charge_total t JOIN delivery d ON d.delivery_id = t.delivery_id", ", t.position");
    FINDINGS: "read the findings of the deliveries" => of_wanted!(
        "SELECT f.subject_id, f.severity, f.code, f.message, f.remedy, f.file_name, f.line, f.column_name, f.occurrences, f.money
         FROM finding f JOIN delivery d ON f.subject = 'delivery' AND d.delivery_id = f.subject_id", ", f.position");
    QUARANTINES: "read the refused rows of the deliveries" => of_wanted!(
        "SELECT q.delivery_id, q.path, q.row_count, q.rows_without_money
         FROM quarantine q JOIN delivery d ON d.delivery_id = q.delivery_id", "");
    QUARANTINE_MONEY: "read the money of refused rows" => of_wanted!(
        "SELECT q.delivery_id, q.currency, q.billed
         FROM quarantine_money q JOIN delivery d ON d.delivery_id = q.delivery_id", "");
}

impl Store {
    /// Billing periods that have charges that count, earliest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn periods(&self) -> Result<Vec<BillingPeriod>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<(i64,)> = fetch_all!(&mut tx, PERIODS)?;
        let mut periods = rows
            .into_iter()
            .map(|(number,)| Place("delivery_period").period(number))
            .collect::<Result<Vec<_>, _>>()?;
        periods.sort_unstable();
        Ok(periods)
    }

    /// All sources, by id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sources(&self) -> Result<Vec<SourceRecord>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<SourceSqlRow> = fetch_all!(&mut tx, SOURCES)?;
        let mut sources = rows
            .into_iter()
            .map(SourceSqlRow::into_record)
            .collect::<Result<Vec<_>, _>>()?;
        sources.sort_unstable_by(|a, b| a.source_id.cmp(&b.source_id));
        Ok(sources)
    }

    /// Lake files of the charges that count, of one period or of all, by
    /// (source, delivery, part, path): the same order on every database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn active_files(&self, period: Option<BillingPeriod>) -> Result<Vec<ActiveFile>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<FileRow> = fetch_all!(&mut tx, ACTIVE_FILES, CHARGES, period.map(period_number))?;
        let mut files = rows
            .into_iter()
            .map(FileRow::into_active)
            .collect::<Result<Vec<_>, _>>()?;
        files.sort_unstable_by(|a, b| {
            (&a.source_id, &a.delivery_id, a.part, &a.path).cmp(&(&b.source_id, &b.delivery_id, b.part, &b.path))
        });
        Ok(files)
    }

    /// Control totals of the charges that count, of one period or of all, by
    /// (period, source, delivery, currency, billing account, sub-account).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn active_totals(&self, period: Option<BillingPeriod>) -> Result<Vec<DeliveredTotal>, StoreError> {
        self.totals_in(["open", "final"], period).await
    }

    /// Control totals of shadows, ordered as those that count.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn shadow_totals(&self, period: Option<BillingPeriod>) -> Result<Vec<DeliveredTotal>, StoreError> {
        self.totals_in(["shadow", "shadow"], period).await
    }

    async fn totals_in(
        &self,
        states: [&'static str; 2],
        period: Option<BillingPeriod>,
    ) -> Result<Vec<DeliveredTotal>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<TotalSqlRow> = fetch_all!(
            &mut tx,
            TOTALS_BY_STATE,
            states[0],
            states[1],
            period.map(period_number)
        )?;
        let mut totals = rows
            .into_iter()
            .map(TotalSqlRow::into_delivered)
            .collect::<Result<Vec<_>, _>>()?;
        totals.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        Ok(totals)
    }

    /// The last delivery of exactly these bytes by this source, whatever became
    /// of it. Delivering them again changes nothing only while it still counts
    /// for all its periods.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_delivery_by_input(
        &self,
        source_id: &str,
        input_hash: &str,
    ) -> Result<Option<DeliveryRecord>, StoreError> {
        let mut tx = self.read().await?;
        let found: Option<(String,)> = fetch_optional!(&mut tx, BY_INPUT, source_id, input_hash)?;
        match found {
            Some((delivery_id,)) => Ok(read_records(&mut tx, None, Some(&delivery_id)).await?.pop()),
            None => Ok(None),
        }
    }

    /// All deliveries, of one source or of all, in the order they came in.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deliveries(&self, source: Option<&str>) -> Result<Vec<DeliveryRecord>, StoreError> {
        let mut tx = self.read().await?;
        read_records(&mut tx, source, None).await
    }

    /// One delivery; `None` when there is none of that id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn delivery(&self, delivery_id: &str) -> Result<Option<DeliveryRecord>, StoreError> {
        let mut tx = self.read().await?;
        Ok(read_records(&mut tx, None, Some(delivery_id)).await?.pop())
    }
}

/// Made in Rust: databases differ in how they order text.
fn order(row: &DeliveredTotal) -> impl Ord + '_ {
    let total = &row.total;
    (
        total.period,
        &row.source_id,
        &row.delivery_id,
        &total.currency,
        &total.billing_account_id,
        &total.sub_account_id,
    )
}

async fn read_records(
    tx: &mut Tx,
    source: Option<&str>,
    delivery: Option<&str>,
) -> Result<Vec<DeliveryRecord>, StoreError> {
    let heads: Vec<HeadRow> = fetch_all!(&mut *tx, HEADS, source, delivery)?;
    let mut records = Records::new(heads)?;
    let inputs: Vec<InputRow> = fetch_all!(&mut *tx, INPUTS, source, delivery)?;
    for row in inputs {
        let id = row.delivery_id.clone();
        records.of(&id)?.files.push(row.into_file()?);
    }
    let periods: Vec<PeriodRow> = fetch_all!(&mut *tx, DELIVERY_PERIODS, source, delivery)?;
    for row in periods {
        let id = row.delivery_id.clone();
        records.of(&id)?.periods.push(row.into_period()?);
    }
    let files: Vec<FileRow> = fetch_all!(&mut *tx, LAKE_FILES, source, delivery)?;
    for row in files {
        let id = row.delivery_id.clone();
        records.of(&id)?.lake_files.push(row.into_lake_file()?);
    }
    let totals: Vec<TotalSqlRow> = fetch_all!(&mut *tx, TOTALS, source, delivery)?;
    for row in totals {
        let id = row.delivery_id.clone();
        records.of(&id)?.totals.push(row.into_total()?);
    }
    let findings: Vec<FindingRow> = fetch_all!(&mut *tx, FINDINGS, source, delivery)?;
    for row in findings {
        let id = row.subject_id.clone();
        records.of(&id)?.findings.push(row.into_finding()?);
    }
    read_quarantines(tx, &mut records, source, delivery).await?;
    Ok(records.finish())
}

async fn read_quarantines(
    tx: &mut Tx,
    records: &mut Records,
    source: Option<&str>,
    delivery: Option<&str>,
) -> Result<(), StoreError> {
    let rows: Vec<QuarantineSqlRow> = fetch_all!(&mut *tx, QUARANTINES, source, delivery)?;
    for row in rows {
        let id = row.delivery_id.clone();
        records.of(&id)?.quarantine = Some(row.into_row()?);
    }
    let money: Vec<(String, String, String)> = fetch_all!(tx, QUARANTINE_MONEY, source, delivery)?;
    let place = Place("quarantine_money");
    for (id, currency, billed) in money {
        let amount = (place.currency(&currency)?, place.money(&billed)?);
        if let Some(kept) = &mut records.of(&id)?.quarantine {
            kept.money.push(amount);
        }
    }
    Ok(())
}

/// Deliveries that are being put together, in the order they came in.
struct Records {
    list: Vec<DeliveryRecord>,
    at: HashMap<String, usize>,
}

impl Records {
    fn new(heads: Vec<HeadRow>) -> Result<Records, StoreError> {
        let list = heads
            .into_iter()
            .map(HeadRow::into_record)
            .collect::<Result<Vec<_>, _>>()?;
        let at = list
            .iter()
            .enumerate()
            .map(|(at, record)| (record.delivery_id.clone(), at))
            .collect();
        Ok(Records { list, at })
    }

    fn of(&mut self, delivery_id: &str) -> Result<&mut DeliveryRecord, StoreError> {
        match self.at.get(delivery_id) {
            Some(&at) => Ok(&mut self.list[at]),
            None => Err(Place("delivery").bad("known delivery", delivery_id)),
        }
    }

    fn finish(mut self) -> Vec<DeliveryRecord> {
        for record in &mut self.list {
            record
                .lake_files
                .sort_unstable_by(|a, b| (a.period, a.part, &a.path).cmp(&(b.period, b.part, &b.path)));
            if let Some(kept) = &mut record.quarantine {
                kept.money.sort_unstable();
            }
        }
        self.list
    }
}
