//! Drivers: per source, driver and month, the lake file that counts.

use crate::Store;
use crate::audit::Change;
use crate::db::{execute, fetch_all, statements};
use crate::delivery::count;
use crate::error::{Cause, StoreError};
use crate::manifest;
use crate::rows::{Place, period_number};
use crate::usage::UsageDeliveryRow;
use domain::access::Permission;
use domain::driver::Summary;
use domain::{BillingPeriod, Finding};

/// What the lake has of a source's driver in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverFileRow {
    /// Source name.
    pub source_id: String,
    /// The driver.
    pub driver: String,
    /// The UTC month.
    pub period: BillingPeriod,
    /// Lake path of its values.
    pub path: String,
    /// Hash of the file.
    pub sha256: String,
    /// What is in it.
    pub summary: Summary,
    /// The delivery that changed it last.
    pub delivery_id: String,
}

/// Drivers that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDrivers {
    /// Id, made by the caller.
    pub delivery_id: String,
    /// Source name.
    pub source_id: String,
    /// `file` or `prometheus`.
    pub origin: String,
    /// Hash of the input.
    pub input_hash: String,
    /// When it came, microseconds since the epoch, UTC.
    pub received_us: i64,
    /// Rows taken.
    pub rows: u64,
    /// Rows refused.
    pub rejected_rows: u64,
    /// What was remarkable.
    pub findings: Vec<Finding>,
    /// The months it changes, joined with what counted at the expected version.
    pub files: Vec<DriverFileRow>,
}

statements! {
    INSERT: "add a delivery of drivers" =>
        "INSERT INTO driver_delivery (delivery_id, source_id, origin, input_hash, received_us, manifest_version, row_count, rejected_rows, findings_json)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    PUT: "put a month of a driver" =>
        "INSERT INTO driver_file (source_id, driver, period, path, sha256, summary_json, delivery_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (source_id, driver, period) DO UPDATE SET path = excluded.path, sha256 = excluded.sha256,
             summary_json = excluded.summary_json, delivery_id = excluded.delivery_id";
    FILES: "read the files of drivers" =>
        "SELECT source_id, driver, period, path, sha256, summary_json, delivery_id
         FROM driver_file ORDER BY driver, source_id, period";
    DELIVERIES: "read the deliveries of drivers" =>
        "SELECT delivery_id, source_id, origin, received_us, row_count, rejected_rows, findings_json
         FROM driver_delivery ORDER BY manifest_version";
}

impl Store {
    /// Commits drivers: their months become those that count. Returns the new manifest version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the manifest is not at `expected_version`:
    /// somebody else may hold the values by now.
    pub async fn commit_drivers(&self, new: &NewDrivers, expected_version: i64) -> Result<i64, StoreError> {
        let findings = json(&new.findings)?;
        let mut tx = self.write(Permission::Ingest).await?;
        let version = manifest::advance(&mut tx, expected_version).await?;
        execute!(
            &mut tx,
            INSERT,
            &new.delivery_id,
            &new.source_id,
            &new.origin,
            &new.input_hash,
            new.received_us,
            version,
            count(new.rows)?,
            count(new.rejected_rows)?,
            &findings
        )?;
        for file in &new.files {
            execute!(
                &mut tx,
                PUT,
                &new.source_id,
                &file.driver,
                period_number(file.period),
                &file.path,
                &file.sha256,
                json(&file.summary)?,
                &new.delivery_id
            )?;
        }
        let change = Change::new("drivers.ingested", &new.source_id).after(serde_json::json!({
            "delivery": new.delivery_id, "origin": new.origin, "rows": new.rows, "rejected_rows": new.rejected_rows,
        }));
        self.commit(tx, change).await?;
        Ok(version)
    }

    /// Every month of every driver that counts, by driver, source and month.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn driver_files(&self) -> Result<Vec<DriverFileRow>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<FileRow> = fetch_all!(&mut tx, FILES)?;
        rows.into_iter().map(FileRow::into_row).collect()
    }

    /// Every delivery of drivers, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn driver_deliveries(&self) -> Result<Vec<UsageDeliveryRow>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<crate::usage::DeliveryRow> = fetch_all!(&mut tx, DELIVERIES)?;
        rows.into_iter().map(crate::usage::DeliveryRow::into_row).collect()
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::backend("write drivers as JSON", Cause::from(error)))
}

#[derive(sqlx::FromRow)]
struct FileRow {
    source_id: String,
    driver: String,
    period: i64,
    path: String,
    sha256: String,
    summary_json: String,
    delivery_id: String,
}

impl FileRow {
    fn into_row(self) -> Result<DriverFileRow, StoreError> {
        let place = Place("driver_file");
        Ok(DriverFileRow {
            period: place.period(self.period)?,
            summary: serde_json::from_str(&self.summary_json).map_err(|_| place.bad("summary", &self.summary_json))?,
            source_id: self.source_id,
            driver: self.driver,
            path: self.path,
            sha256: self.sha256,
            delivery_id: self.delivery_id,
        })
    }
}
