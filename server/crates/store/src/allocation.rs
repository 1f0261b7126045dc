//! Allocations: per billing period, the cube that pages read and what it was made from.

use crate::Store;
use crate::audit::Change;
use crate::db::{execute, fetch_all, fetch_optional, statements};
use crate::delivery::count;
use crate::error::StoreError;
use crate::rows::{self, Place};
use crate::rules::{NO_RULES, RulesKind};
use crate::{finding, manifest};
use domain::instant::Day;
use domain::{BillingPeriod, Currency, Finding, Money};
use std::collections::HashMap;

/// Control total of an allocation in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationTotal {
    /// Currency of every amount here.
    pub currency: Currency,
    /// Sum of BilledCost.
    pub billed: Money,
    /// Sum of EffectiveCost.
    pub effective: Money,
    /// BilledCost that found no owner.
    pub unallocated_billed: Money,
    /// EffectiveCost that found no owner.
    pub unallocated_effective: Money,
}

/// A file of container-days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationFile {
    /// Cluster id.
    pub cluster_id: String,
    /// The day.
    pub day: Day,
    /// Path inside the lake.
    pub path: String,
    /// The usage file whose slots its rows count; empty when the day has no facts.
    pub slots_path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
}

/// The allocation of one billing period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRow {
    /// Id, made by the caller.
    pub allocation_id: String,
    /// Billing period it covers.
    pub period: BillingPeriod,
    /// Version of the owner rules it was made with, or [`NO_RULES`].
    pub rules_version: i64,
    /// Hash of everything it was made from: the same inputs need no new allocation.
    pub inputs_hash: String,
    /// Path of the cube inside the lake.
    pub cube_path: String,
    /// Rows of the cube.
    pub rows: u64,
    /// Its totals, one per currency.
    pub totals: Vec<AllocationTotal>,
    /// Its container-days, by cluster and day.
    pub files: Vec<AllocationFile>,
    /// What was wrong or missing.
    pub findings: Vec<Finding>,
    /// When it was made, microseconds since the epoch, UTC.
    pub created_us: i64,
}

statements! {
    FORGET_FINDINGS: "forget the findings of the allocation that is replaced" =>
        "DELETE FROM finding WHERE subject = 'allocation'
         AND subject_id IN (SELECT allocation_id FROM allocation WHERE period = $1)";
    FORGET_TOTALS: "forget the totals of the allocation that is replaced" =>
        "DELETE FROM allocation_total WHERE allocation_id IN (SELECT allocation_id FROM allocation WHERE period = $1)";
    FORGET_FILES: "forget the files of the allocation that is replaced" =>
        "DELETE FROM allocation_file WHERE allocation_id IN (SELECT allocation_id FROM allocation WHERE period = $1)";
    FORGET: "forget the allocation that is replaced" => "DELETE FROM allocation WHERE period = $1";
    INSERT: "add an allocation" =>
        "INSERT INTO allocation (allocation_id, period, rules_version, inputs_hash, cube_path, row_count, created_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7)";
    INSERT_TOTAL: "add a total of an allocation" =>
        "INSERT INTO allocation_total (allocation_id, position, currency, billed, effective, unallocated_billed, unallocated_effective)
         VALUES ($1, $2, $3, $4, $5, $6, $7)";
    INSERT_FILE: "add a file of an allocation" =>
        "INSERT INTO allocation_file (allocation_id, position, cluster_id, day, path, slots_path, sha256, byte_count, row_count)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    SELECT: "read the allocations" =>
        "SELECT allocation_id, period, rules_version, inputs_hash, cube_path, row_count, created_us FROM allocation
         WHERE (CAST($1 AS BIGINT) IS NULL OR period = $1) ORDER BY period";
    SELECT_TOTALS: "read the totals of the allocations" =>
        "SELECT t.allocation_id, t.currency, t.billed, t.effective, t.unallocated_billed, t.unallocated_effective
         FROM allocation_total t JOIN allocation a ON a.allocation_id = t.allocation_id
         WHERE (CAST($1 AS BIGINT) IS NULL OR a.period = $1) ORDER BY a.period, t.position";
    SELECT_FILES: "read the files of the allocations" =>
        "SELECT f.allocation_id, f.cluster_id, f.day, f.path, f.slots_path, f.sha256, f.byte_count, f.row_count
         FROM allocation_file f JOIN allocation a ON a.allocation_id = f.allocation_id
         WHERE (CAST($1 AS BIGINT) IS NULL OR a.period = $1) ORDER BY a.period, f.position";
    SELECT_FINDINGS: "read the findings of the allocations" =>
        "SELECT f.subject_id, f.severity, f.code, f.message, f.remedy, f.file_name, f.line, f.column_name, f.occurrences, f.money
         FROM finding f JOIN allocation a ON a.allocation_id = f.subject_id
         WHERE f.subject = 'allocation' AND (CAST($1 AS BIGINT) IS NULL OR a.period = $1) ORDER BY a.period, f.position";
    RULES: "look for the rules of an allocation" =>
        "SELECT version FROM rules_version WHERE kind = $1 AND version = $2";
}

impl Store {
    /// Makes `row` the allocation of its period and returns the new manifest
    /// version. The cube and container-days it replaces are no longer named.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the manifest is not at `expected_version`;
    /// [`StoreError::NotFound`] when its rules version does not exist.
    pub async fn commit_allocation(&self, row: &AllocationRow, expected_version: i64) -> Result<i64, StoreError> {
        let mut tx = self.derive().await?;
        let version = manifest::advance(&mut tx, expected_version).await?;
        let rules: Option<(i64,)> = fetch_optional!(&mut tx, RULES, RulesKind::Owner.as_str(), row.rules_version)?;
        if row.rules_version != NO_RULES && rules.is_none() {
            return Err(StoreError::NotFound {
                what: format!("version {} of the owner rules", row.rules_version),
            });
        }
        let period = rows::period_number(row.period);
        execute!(&mut tx, FORGET_FINDINGS, period)?;
        execute!(&mut tx, FORGET_TOTALS, period)?;
        execute!(&mut tx, FORGET_FILES, period)?;
        execute!(&mut tx, FORGET, period)?;
        execute!(
            &mut tx,
            INSERT,
            &row.allocation_id,
            period,
            row.rules_version,
            &row.inputs_hash,
            &row.cube_path,
            count(row.rows)?,
            row.created_us
        )?;
        for (position, total) in (0_i64..).zip(&row.totals) {
            execute!(
                &mut tx,
                INSERT_TOTAL,
                &row.allocation_id,
                position,
                total.currency.as_str(),
                total.billed.to_string(),
                total.effective.to_string(),
                total.unallocated_billed.to_string(),
                total.unallocated_effective.to_string()
            )?;
        }
        for (position, file) in (0_i64..).zip(&row.files) {
            execute!(
                &mut tx,
                INSERT_FILE,
                &row.allocation_id,
                position,
                &file.cluster_id,
                i64::from(file.day.0),
                &file.path,
                &file.slots_path,
                &file.sha256,
                count(file.bytes)?,
                count(file.rows)?
            )?;
        }
        finding::insert(&mut tx, finding::ALLOCATION, &row.allocation_id, &row.findings).await?;
        let change = Change::new("period.allocated", row.period.to_string()).after(serde_json::json!({
            "allocation": row.allocation_id, "inputs": row.inputs_hash, "rules_version": row.rules_version, "rows": row.rows,
        }));
        self.commit(tx, change).await?;
        Ok(version)
    }

    /// The allocations of all periods, earliest period first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn allocations(&self) -> Result<Vec<AllocationRow>, StoreError> {
        self.read_allocations(None).await
    }

    /// The allocation of one period; `None` before it was made.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn allocation(&self, period: BillingPeriod) -> Result<Option<AllocationRow>, StoreError> {
        Ok(self.read_allocations(Some(period)).await?.pop())
    }

    async fn read_allocations(&self, period: Option<BillingPeriod>) -> Result<Vec<AllocationRow>, StoreError> {
        let period = period.map(rows::period_number);
        let mut tx = self.read().await?;
        let heads: Vec<HeadRow> = fetch_all!(&mut tx, SELECT, period)?;
        let totals: Vec<AllocationTotalRow> = fetch_all!(&mut tx, SELECT_TOTALS, period)?;
        let files: Vec<AllocationFileRow> = fetch_all!(&mut tx, SELECT_FILES, period)?;
        let findings: Vec<finding::FindingRow> = fetch_all!(&mut tx, SELECT_FINDINGS, period)?;
        let mut rows = heads
            .into_iter()
            .map(HeadRow::into_row)
            .collect::<Result<Vec<_>, _>>()?;
        let index: HashMap<String, usize> = rows
            .iter()
            .enumerate()
            .map(|(at, row)| (row.allocation_id.clone(), at))
            .collect();
        for total in totals {
            if let Some(&at) = index.get(&total.allocation_id) {
                rows[at].totals.push(total.into_total()?);
            }
        }
        for file in files {
            if let Some(&at) = index.get(&file.allocation_id) {
                rows[at].files.push(file.into_file()?);
            }
        }
        for finding in findings {
            if let Some(&at) = index.get(&finding.subject_id) {
                rows[at].findings.push(finding.into_finding()?);
            }
        }
        Ok(rows)
    }
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    allocation_id: String,
    period: i64,
    rules_version: i64,
    inputs_hash: String,
    cube_path: String,
    row_count: i64,
    created_us: i64,
}

impl HeadRow {
    fn into_row(self) -> Result<AllocationRow, StoreError> {
        let place = Place("allocation");
        Ok(AllocationRow {
            period: place.period(self.period)?,
            rows: place.count(self.row_count)?,
            allocation_id: self.allocation_id,
            rules_version: self.rules_version,
            inputs_hash: self.inputs_hash,
            cube_path: self.cube_path,
            totals: Vec::new(),
            files: Vec::new(),
            findings: Vec::new(),
            created_us: self.created_us,
        })
    }
}

#[derive(sqlx::FromRow)]
struct AllocationTotalRow {
    allocation_id: String,
    currency: String,
    billed: String,
    effective: String,
    unallocated_billed: String,
    unallocated_effective: String,
}

impl AllocationTotalRow {
    fn into_total(self) -> Result<AllocationTotal, StoreError> {
        let place = Place("allocation_total");
        Ok(AllocationTotal {
            currency: place.currency(&self.currency)?,
            billed: place.money(&self.billed)?,
            effective: place.money(&self.effective)?,
            unallocated_billed: place.money(&self.unallocated_billed)?,
            unallocated_effective: place.money(&self.unallocated_effective)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct AllocationFileRow {
    allocation_id: String,
    cluster_id: String,
    day: i64,
    path: String,
    slots_path: String,
    sha256: String,
    byte_count: i64,
    row_count: i64,
}

impl AllocationFileRow {
    fn into_file(self) -> Result<AllocationFile, StoreError> {
        let place = Place("allocation_file");
        Ok(AllocationFile {
            day: place.day(self.day)?,
            bytes: place.count(self.byte_count)?,
            rows: place.count(self.row_count)?,
            cluster_id: self.cluster_id,
            path: self.path,
            slots_path: self.slots_path,
            sha256: self.sha256,
        })
    }
}
