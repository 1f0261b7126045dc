//! Drivers come in: from files or a Prometheus to months that count, each
//! delivery as one act. A kill before the commit leaves files nobody names; the
//! same call again writes the same.

use super::{App, hash_of};
use crate::error::AppError;
use domain::Finding;
use domain::driver::{Summary, missing_days, remarks};
use domain::instant::Day;
use lake::drivers::{DriverFile, DriverInput, DriverValues, DriversError};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{DriverFileRow, NewDrivers, StoreError};

/// How often months are joined again because somebody committed meanwhile.
const TRIES: u32 = 20;

/// Driver files to take in.
#[derive(Debug, Clone)]
pub struct IngestDrivers {
    /// Files, folders, patterns, `-`.
    pub paths: Vec<String>,
    /// Source name [default: `driver-files`].
    pub source: Option<String>,
    /// Keep the good rows of files with bad ones.
    pub skip_bad_rows: bool,
}

/// What an ingest of drivers did: the answer of `ingest drivers --json`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct IngestedDrivers {
    /// The delivery that the months it touched come from.
    pub delivery_id: String,
    /// Its source.
    pub source: String,
    /// All of it was there already: nothing was changed.
    pub unchanged: bool,
    /// Rows taken.
    pub rows: u64,
    /// Rows refused.
    pub rejected_rows: u64,
    /// What was remarkable.
    pub findings: Vec<Finding>,
    /// What the source has now of each driver that was delivered.
    pub drivers: Vec<DriverState>,
}

/// What a source has of a driver.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct DriverState {
    /// The driver.
    pub driver: String,
    /// Its units, in order of time; one is usual.
    pub units: Vec<String>,
    /// First day with values.
    pub from: String,
    /// Last day with values.
    pub to: String,
    /// Days with values.
    pub days: u64,
    /// Days without any between the first and the last.
    pub missing_days: u64,
    /// Values.
    pub values: u64,
}

/// Where drivers that are committed came from.
pub(super) struct DriverOrigin {
    /// Source name.
    pub source: String,
    /// `file` or `prometheus`.
    pub origin: &'static str,
    /// Hash of the input.
    pub hash: String,
}

/// Rows read so far.
pub type OnDriverProgress = Arc<dyn Fn(u64) + Send + Sync>;

impl App {
    /// Takes driver files in, as one act.
    ///
    /// # Errors
    /// Bad input with its place; [`AppError::Held`] when another source has one
    /// of the values.
    pub async fn ingest_drivers(
        &self,
        request: &IngestDrivers,
        progress: OnDriverProgress,
    ) -> Result<IngestedDrivers, AppError> {
        let source = request.source.clone().unwrap_or_else(|| "driver-files".to_owned());
        let (paths, skip, scratch) = (request.paths.clone(), request.skip_bad_rows, self.scratch.clone());
        let (input, hash) = self
            .heavy("cannot read the drivers", move || {
                let located = super::ingest::locate_drivers(&paths, &scratch)?;
                let hashes: Vec<String> = located
                    .files
                    .iter()
                    .map(|(_, path)| sources::sha256(path).map_err(super::ingest::refused))
                    .collect::<Result<_, _>>()?;
                let input = lake::drivers::read_files(&located.files, skip, &*progress).map_err(refused)?;
                Ok((input, hash_of(hashes.iter().map(String::as_bytes))))
            })
            .await?;
        let origin = DriverOrigin {
            source,
            origin: "file",
            hash,
        };
        self.commit_drivers(&origin, input).await
    }

    /// Stages values against what the manifest knows and commits them; staged
    /// anew when somebody committed meanwhile.
    pub(super) async fn commit_drivers(
        &self,
        origin: &DriverOrigin,
        input: DriverInput,
    ) -> Result<IngestedDrivers, AppError> {
        let values = Arc::new(input.values);
        for _ in 0..TRIES {
            let version = self.store.manifest_version().await?;
            let known = self.store.driver_files().await?;
            let staged = self.stage_drivers(&origin.source, values.clone(), &known).await?;
            let changed: Vec<DriverFile> = staged
                .iter()
                .filter(|file| row_of(&known, file).is_none())
                .cloned()
                .collect();
            let mut answer = IngestedDrivers {
                delivery_id: String::new(),
                source: origin.source.clone(),
                unchanged: changed.is_empty(),
                rows: input.rows,
                rejected_rows: input.rejected_rows,
                findings: input.findings.clone(),
                drivers: Vec::new(),
            };
            for (driver, months) in owned(&origin.source, &known, &staged) {
                answer.findings.extend(remarks(&driver, &months));
                answer.drivers.push(state(driver, &months));
            }
            if changed.is_empty() {
                let last = staged.iter().filter_map(|file| row_of(&known, file)).next_back();
                answer.delivery_id = last.map(|row| row.delivery_id.clone()).unwrap_or_default();
                return Ok(answer);
            }
            let new = self.new_drivers(origin, &answer, changed, version);
            answer.delivery_id.clone_from(&new.delivery_id);
            match self.store.commit_drivers(&new, version).await {
                Ok(_) => return Ok(answer),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(AppError::Held {
            what: "the manifest changes faster than drivers can be joined".to_owned(),
            remedy: "try again when the running ingest is done".to_owned(),
        })
    }

    async fn stage_drivers(
        &self,
        source: &str,
        values: Arc<DriverValues>,
        known: &[DriverFileRow],
    ) -> Result<Vec<DriverFile>, AppError> {
        let known: Vec<DriverFile> = known
            .iter()
            .filter(|row| values.contains_key(&row.driver))
            .cloned()
            .map(driver_file)
            .collect();
        let (lake, source) = (self.lake.clone(), source.to_owned());
        self.heavy("cannot take the drivers in", move || {
            lake::drivers::stage(&lake, &source, (*values).clone(), &known).map_err(refused)
        })
        .await
    }

    fn new_drivers(
        &self,
        origin: &DriverOrigin,
        answer: &IngestedDrivers,
        changed: Vec<DriverFile>,
        version: i64,
    ) -> NewDrivers {
        let unique = version.to_string();
        let hash = hash_of([origin.source.as_bytes(), origin.hash.as_bytes(), unique.as_bytes()]);
        let delivery_id = format!("v-{}", &hash[..24]);
        let row = |file: DriverFile| DriverFileRow {
            source_id: file.source,
            driver: file.driver,
            period: file.period,
            path: file.path,
            sha256: file.sha256,
            summary: file.summary,
            delivery_id: delivery_id.clone(),
        };
        NewDrivers {
            source_id: origin.source.clone(),
            origin: origin.origin.to_owned(),
            input_hash: origin.hash.clone(),
            received_us: self.clock.now().0,
            rows: answer.rows,
            rejected_rows: answer.rejected_rows,
            findings: answer.findings.clone(),
            files: changed.into_iter().map(row).collect(),
            delivery_id: delivery_id.clone(),
        }
    }
}

/// The row that names this very file for its month already.
fn row_of<'k>(known: &'k [DriverFileRow], file: &DriverFile) -> Option<&'k DriverFileRow> {
    known.iter().find(|row| {
        (&row.source_id, &row.driver, row.period) == (&file.source, &file.driver, file.period) && row.path == file.path
    })
}

/// What the source has of the staged drivers once they count, by month.
fn owned(source: &str, known: &[DriverFileRow], staged: &[DriverFile]) -> BTreeMap<String, Vec<Summary>> {
    let mut months: BTreeMap<(String, domain::BillingPeriod), Summary> = BTreeMap::new();
    let delivered = |row: &&DriverFileRow| staged.iter().any(|file| file.driver == row.driver);
    for row in known.iter().filter(|row| row.source_id == source).filter(delivered) {
        months.insert((row.driver.clone(), row.period), row.summary.clone());
    }
    for file in staged {
        months.insert((file.driver.clone(), file.period), file.summary.clone());
    }
    let mut drivers: BTreeMap<String, Vec<Summary>> = BTreeMap::new();
    for ((driver, _), summary) in months {
        drivers.entry(driver).or_default().push(summary);
    }
    drivers
}

fn state(driver: String, months: &[Summary]) -> DriverState {
    let days: BTreeSet<Day> = months.iter().flat_map(|month| month.days.iter().copied()).collect();
    let said = |day: Option<&Day>| day.map_or_else(String::new, ToString::to_string);
    DriverState {
        driver,
        units: units(months),
        from: said(days.first()),
        to: said(days.last()),
        missing_days: missing_days(&days).len() as u64,
        days: days.len() as u64,
        values: months.iter().map(|month| month.values).sum(),
    }
}

/// The units of some months, once each, in order of time.
pub(super) fn units(months: &[Summary]) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    for unit in months.iter().flat_map(|month| &month.units) {
        if !units.contains(&unit.unit) {
            units.push(unit.unit.clone());
        }
    }
    units
}

pub(super) fn driver_file(row: DriverFileRow) -> DriverFile {
    DriverFile {
        source: row.source_id,
        driver: row.driver,
        period: row.period,
        path: row.path,
        sha256: row.sha256,
        summary: row.summary,
    }
}

fn refused(error: DriversError) -> AppError {
    match error {
        DriversError::Refused(findings) => AppError::Refused(findings),
        DriversError::Lake(error) => error.into(),
        DriversError::Held { ref holder, .. } => AppError::Held {
            remedy: format!(
                "deliver other days or receivers, or replace its values with --source {holder}; nothing was taken"
            ),
            what: error.to_string(),
        },
    }
}
