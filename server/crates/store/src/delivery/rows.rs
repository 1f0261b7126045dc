//! Rows of the delivery tables, and their way back to the public types.

use super::{
    ActiveFile, DeliveredTotal, DeliveryPeriod, DeliveryRecord, DeliveryState, ExportWindow, InputFile, LakeFileRow,
    QuarantineRow, SourceRecord, TotalRow,
};
use crate::error::StoreError;
use crate::rows::Place;
use domain::instant::Instant;

fn state(place: Place, text: &str) -> Result<DeliveryState, StoreError> {
    DeliveryState::parse(text).ok_or_else(|| place.bad("state", text))
}

#[derive(sqlx::FromRow)]
pub(super) struct SourceSqlRow {
    source_id: String,
    provider: Option<String>,
    format: String,
    first_received_us: i64,
    last_received_us: i64,
    deliveries: i64,
}

impl SourceSqlRow {
    pub(super) fn into_record(self) -> Result<SourceRecord, StoreError> {
        Ok(SourceRecord {
            source_id: self.source_id,
            provider: self.provider,
            format: self.format,
            first_received_us: self.first_received_us,
            last_received_us: self.last_received_us,
            deliveries: Place("delivery").count(self.deliveries)?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct HeadRow {
    delivery_id: String,
    source_id: String,
    provider: Option<String>,
    format: String,
    format_version: Option<String>,
    input_hash: String,
    received_us: i64,
    manifest_version: i64,
    state: String,
    rejected_rows: i64,
}

impl HeadRow {
    pub(super) fn into_record(self) -> Result<DeliveryRecord, StoreError> {
        let place = Place("delivery");
        Ok(DeliveryRecord {
            state: state(place, &self.state)?,
            rejected_rows: place.count(self.rejected_rows)?,
            delivery_id: self.delivery_id,
            source_id: self.source_id,
            provider: self.provider,
            format: self.format,
            format_version: self.format_version,
            input_hash: self.input_hash,
            received_us: self.received_us,
            version: self.manifest_version,
            files: Vec::new(),
            periods: Vec::new(),
            lake_files: Vec::new(),
            totals: Vec::new(),
            findings: Vec::new(),
            quarantine: None,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct InputRow {
    pub(super) delivery_id: String,
    file_name: String,
    byte_count: i64,
    sha256: String,
}

impl InputRow {
    pub(super) fn into_file(self) -> Result<InputFile, StoreError> {
        Ok(InputFile {
            name: self.file_name,
            bytes: Place("input_file").count(self.byte_count)?,
            sha256: self.sha256,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct PeriodRow {
    pub(super) delivery_id: String,
    period: i64,
    state: String,
    superseded_by: Option<String>,
    first_export_us: Option<i64>,
    last_export_us: Option<i64>,
}

/// Both ends, or no window.
pub(super) fn export_window(first_us: Option<i64>, last_us: Option<i64>) -> Option<ExportWindow> {
    Some(ExportWindow {
        first: Instant(first_us?),
        last: Instant(last_us?),
    })
}

impl PeriodRow {
    pub(super) fn into_period(self) -> Result<DeliveryPeriod, StoreError> {
        let place = Place("delivery_period");
        Ok(DeliveryPeriod {
            period: place.period(self.period)?,
            state: state(place, &self.state)?,
            superseded_by: self.superseded_by,
            exported: export_window(self.first_export_us, self.last_export_us),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct FileRow {
    pub(super) delivery_id: String,
    source_id: String,
    state: String,
    path: String,
    dataset: String,
    period: i64,
    part: i64,
    row_count: i64,
    byte_count: i64,
    sha256: String,
    schema_version: i64,
}

impl FileRow {
    pub(super) fn into_lake_file(self) -> Result<LakeFileRow, StoreError> {
        let place = Place("lake_file");
        Ok(LakeFileRow {
            path: self.path,
            dataset: self.dataset,
            period: place.period(self.period)?,
            part: place.small(self.part)?,
            rows: place.count(self.row_count)?,
            bytes: place.count(self.byte_count)?,
            sha256: self.sha256,
            schema_version: place.small(self.schema_version)?,
        })
    }

    pub(super) fn into_active(self) -> Result<ActiveFile, StoreError> {
        let state = state(Place("delivery_period"), &self.state)?;
        let (delivery_id, source_id) = (self.delivery_id.clone(), self.source_id.clone());
        let LakeFileRow {
            path,
            dataset: _,
            period,
            part,
            rows,
            bytes,
            sha256,
            schema_version,
        } = self.into_lake_file()?;
        Ok(ActiveFile {
            path,
            delivery_id,
            source_id,
            period,
            part,
            rows,
            bytes,
            sha256,
            state,
            schema_version,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct TotalSqlRow {
    pub(super) delivery_id: String,
    source_id: String,
    state: String,
    period: i64,
    currency: String,
    billing_account_id: String,
    sub_account_id: String,
    row_count: i64,
    billed: String,
    effective: String,
    list: Option<String>,
    contracted: Option<String>,
    first_charge_us: i64,
    last_usage_end_us: Option<i64>,
    rows_with_invoice: i64,
    billed_with_invoice: String,
}

impl TotalSqlRow {
    pub(super) fn into_total(self) -> Result<TotalRow, StoreError> {
        let place = Place("charge_total");
        Ok(TotalRow {
            period: place.period(self.period)?,
            currency: place.currency(&self.currency)?,
            rows: place.count(self.row_count)?,
            billed: place.money(&self.billed)?,
            effective: place.money(&self.effective)?,
            list: self.list.as_deref().map(|list| place.money(list)).transpose()?,
            contracted: self
                .contracted
                .as_deref()
                .map(|contracted| place.money(contracted))
                .transpose()?,
            first_charge_us: self.first_charge_us,
            last_usage_end_us: self.last_usage_end_us,
            rows_with_invoice: place.count(self.rows_with_invoice)?,
            billed_with_invoice: place.money(&self.billed_with_invoice)?,
            billing_account_id: self.billing_account_id,
            sub_account_id: self.sub_account_id,
        })
    }

    pub(super) fn into_delivered(self) -> Result<DeliveredTotal, StoreError> {
        let state = state(Place("delivery_period"), &self.state)?;
        let (delivery_id, source_id) = (self.delivery_id.clone(), self.source_id.clone());
        Ok(DeliveredTotal {
            total: self.into_total()?,
            delivery_id,
            source_id,
            state,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct QuarantineSqlRow {
    pub(super) delivery_id: String,
    path: String,
    row_count: i64,
    rows_without_money: i64,
}

impl QuarantineSqlRow {
    pub(super) fn into_row(self) -> Result<QuarantineRow, StoreError> {
        let place = Place("quarantine");
        Ok(QuarantineRow {
            path: self.path,
            rows: place.count(self.row_count)?,
            money: Vec::new(),
            rows_without_money: place.count(self.rows_without_money)?,
        })
    }
}
