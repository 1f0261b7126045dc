//! Usage comes in: from files (and later from collectors) to days of facts
//! that count. A kill before the commit leaves files nobody names; the same
//! call again writes the same.

use super::{App, hash_of};
use crate::error::AppError;
use domain::instant::Day;
use domain::{BillingPeriod, Finding};
use lake::usage::{StagedUsage, UsageError, UsageFile, UsageProgress, UsageRequest};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{NewUsage, StoreError, UsageDayRow};

/// How often days are merged again because somebody committed meanwhile.
const TRIES: u32 = 20;

/// Usage files to take in.
#[derive(Debug, Clone)]
pub struct IngestUsage {
    /// Files, folders, patterns; `-` for standard input.
    pub paths: Vec<String>,
    /// Source name [default: `usage-files`].
    pub source: Option<String>,
    /// Keep the good rows of files with bad ones.
    pub skip_bad_rows: bool,
}

/// What an ingest of usage did: the answer of `ingest usage --json`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct IngestedUsage {
    /// Its id.
    pub delivery_id: String,
    /// Its source.
    pub source: String,
    /// The same bytes were there already: nothing was changed.
    pub unchanged: bool,
    /// Rows taken.
    pub rows: u64,
    /// Rows refused.
    pub rejected_rows: u64,
    /// What was remarkable.
    pub findings: Vec<Finding>,
    /// What is there now of each cluster it touched.
    pub clusters: Vec<IngestedCluster>,
}

/// What an ingest touched of a cluster.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct IngestedCluster {
    /// Cluster id.
    pub cluster: String,
    /// Days touched.
    pub days: u64,
    /// First day touched.
    pub from: String,
    /// Last day touched.
    pub to: String,
    /// Container hours of these days, as they now count.
    pub slot_hours: u64,
    /// Node hours of these days, as they now count.
    pub node_hours: u64,
    /// Seconds the nodes were Ready without facts.
    pub unobserved_s: u64,
}

/// Where usage that is committed came from.
pub(super) struct UsageInput {
    /// Source name.
    pub source: String,
    /// `file`, `kubernetes`, `prometheus`, `agent`.
    pub origin: &'static str,
    /// Hash of the input.
    pub hash: String,
    /// Names of clusters, by id, where they are not the id.
    pub clusters: Vec<(String, String)>,
    /// Findings beside those of staging.
    pub findings: Vec<Finding>,
}

/// What an input means that its source delivered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeated {
    /// It is merged again.
    Counts,
    /// It is there already.
    IsLeftOut,
}

/// What is reported on the way.
pub type OnUsageProgress = Arc<dyn Fn(UsageProgress) + Send + Sync>;

impl App {
    /// Takes usage files in, as one act.
    ///
    /// # Errors
    /// Bad input with its place; [`AppError::Held`] when commits never pause.
    pub async fn ingest_usage(
        &self,
        request: &IngestUsage,
        progress: OnUsageProgress,
    ) -> Result<IngestedUsage, AppError> {
        let source = request.source.clone().unwrap_or_else(|| "usage-files".to_owned());
        let paths = request.paths.clone();
        let scratch = self.scratch.clone();
        let looking = move || locate(&paths, &scratch);
        // what standard input was kept in is removed with this, however the call ends
        let (files, _spooled) = self.heavy("cannot look for the files", looking).await?;
        let hash = hash_of(files.iter().map(|file| file.sha256.as_bytes()));
        if let Some(known) = self.store.usage_delivery(&source, &hash).await? {
            return Ok(IngestedUsage {
                delivery_id: known.delivery_id,
                source,
                unchanged: true,
                rows: known.rows,
                rejected_rows: known.rejected_rows,
                findings: known.findings,
                clusters: Vec::new(),
            });
        }
        let files: Arc<Vec<(String, std::path::PathBuf)>> =
            Arc::new(files.into_iter().map(|file| (file.name, file.path)).collect());
        let input = UsageInput {
            source: source.clone(),
            origin: "file",
            hash: hash.clone(),
            clusters: Vec::new(),
            findings: Vec::new(),
        };
        let skip_bad_rows = request.skip_bad_rows;
        let lake = self.lake.clone();
        // a day ahead allows for clocks and zones, not for wrong dates
        let latest = Day(self.clock.now().day().0 + 1);
        let (delivery_id, staged) = self
            .commit_usage(&input, move |known| {
                let request = UsageRequest {
                    files: &files,
                    skip_bad_rows,
                    known,
                };
                let staged = lake::usage::ingest_usage(&lake, &request, &*progress).map_err(|error| match error {
                    UsageError::Refused(findings) => AppError::Refused(findings),
                    UsageError::Lake(error) => error.into(),
                })?;
                match staged.days.iter().find(|of| of.day > latest) {
                    None => Ok(staged),
                    Some(of) => Err(AppError::Refused(vec![in_the_future(&of.cluster, of.day)])),
                }
            })
            .await?;
        Ok(IngestedUsage {
            delivery_id,
            source,
            unchanged: false,
            rows: staged.rows,
            rejected_rows: staged.rejected_rows,
            clusters: touched(&staged.days),
            findings: staged.findings,
        })
    }

    /// Stages usage against what the manifest knows and commits it; staged
    /// anew when somebody committed meanwhile.
    ///
    /// # Errors
    /// What staging ends in; [`AppError::Held`] when commits never pause.
    pub(super) async fn commit_usage(
        &self,
        input: &UsageInput,
        stage: impl Fn(&dyn Fn(&str, Day) -> Option<UsageFile>) -> Result<StagedUsage, AppError> + Send + Sync + 'static,
    ) -> Result<(String, StagedUsage), AppError> {
        let staged = self.commit_staged(input, Repeated::Counts, stage).await?;
        staged.ok_or_else(|| AppError::broken("cannot take the usage in", "it was taken for a repetition"))
    }

    /// As [`App::commit_usage`], unless its source delivered an input of this
    /// hash before: then nothing is changed, and `None`.
    ///
    /// The hash is looked for after the manifest's version is read, and that
    /// version is what the commit compares and swaps: of two that bring the
    /// same input at once, the second finds the first.
    ///
    /// # Errors
    /// As [`App::commit_usage`].
    pub(super) async fn commit_usage_once(
        &self,
        input: &UsageInput,
        stage: impl Fn(&dyn Fn(&str, Day) -> Option<UsageFile>) -> Result<StagedUsage, AppError> + Send + Sync + 'static,
    ) -> Result<Option<(String, StagedUsage)>, AppError> {
        self.commit_staged(input, Repeated::IsLeftOut, stage).await
    }

    async fn commit_staged(
        &self,
        input: &UsageInput,
        repeated: Repeated,
        stage: impl Fn(&dyn Fn(&str, Day) -> Option<UsageFile>) -> Result<StagedUsage, AppError> + Send + Sync + 'static,
    ) -> Result<Option<(String, StagedUsage)>, AppError> {
        let stage = Arc::new(stage);
        for _ in 0..TRIES {
            let version = self.store.manifest_version().await?;
            if repeated == Repeated::IsLeftOut && self.store.usage_delivery(&input.source, &input.hash).await?.is_some()
            {
                return Ok(None);
            }
            let known: BTreeMap<(String, Day), UsageFile> = self
                .store
                .usage_days(Day(i32::MIN), Day(i32::MAX))
                .await?
                .into_iter()
                .map(|row| ((row.cluster_id.clone(), row.day), usage_file(row)))
                .collect();
            let stage = stage.clone();
            let mut staged = self
                .heavy("cannot take the usage in", move || {
                    stage(&|cluster, day| known.get(&(cluster.to_owned(), day)).cloned())
                })
                .await?;
            staged.findings.extend(input.findings.iter().cloned());
            let new = self.new_usage(input, &staged, version);
            match self.store.commit_usage(&new, version).await {
                Ok(_) => return Ok(Some((new.delivery_id, staged))),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(AppError::Held {
            what: "the manifest changes faster than usage can be merged".to_owned(),
            remedy: "try again when the running ingest is done".to_owned(),
        })
    }

    fn new_usage(&self, input: &UsageInput, staged: &StagedUsage, version: i64) -> NewUsage {
        let ids: BTreeSet<&str> = staged.days.iter().map(|day| day.cluster.as_str()).collect();
        let name = |id: &str| {
            let named = input.clusters.iter().find(|(known, _)| known == id);
            named.map_or_else(|| id.to_owned(), |(_, name)| name.clone())
        };
        let unique = format!("{version}");
        let hash = hash_of([input.source.as_bytes(), input.hash.as_bytes(), unique.as_bytes()]);
        NewUsage {
            delivery_id: format!("u-{}", &hash[..24]),
            source_id: input.source.clone(),
            origin: input.origin.to_owned(),
            input_hash: input.hash.clone(),
            received_us: self.clock.now().0,
            rows: staged.rows,
            rejected_rows: staged.rejected_rows,
            findings: staged.findings.clone(),
            clusters: ids.iter().map(|id| ((*id).to_owned(), name(id))).collect(),
            days: staged.days.iter().cloned().map(day_row).collect(),
        }
    }

    /// The usage an allocation of a period looks at: its days, and those of the
    /// months before that late charges reach back to.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn usage_for(&self, period: BillingPeriod) -> Result<Vec<UsageFile>, AppError> {
        let first = period.first_day();
        let rows = self
            .store
            .usage_days(Day(first.0 - REACH_BACK_DAYS), period.next().first_day())
            .await?;
        Ok(rows.into_iter().map(usage_file).collect())
    }
}

/// Charges of a period whose charge period began up to this long before it are
/// split by the usage of that time; older ones stay whole.
const REACH_BACK_DAYS: i32 = 31;

struct Found {
    name: String,
    path: std::path::PathBuf,
    sha256: String,
}

type Located = (Vec<Found>, Vec<tempfile::TempPath>);

fn locate(paths: &[String], scratch: &std::path::Path) -> Result<Located, AppError> {
    let (mut found, mut spooled) = (Vec::new(), Vec::new());
    let mut add = |name: String, path: std::path::PathBuf| {
        let sha256 = sources::sha256(&path).map_err(super::ingest::refused)?;
        found.push(Found { name, path, sha256 });
        Ok::<(), AppError>(())
    };
    for path in paths {
        if path == "-" {
            let kept = super::ingest::spool(scratch)?;
            add("standard input".to_owned(), kept.to_path_buf())?;
            spooled.push(kept);
            continue;
        }
        for file in sources::locate(path).map_err(super::ingest::refused)? {
            add(file.name, file.path)?;
        }
    }
    Ok((found, spooled))
}

fn touched(days: &[UsageFile]) -> Vec<IngestedCluster> {
    let mut clusters: BTreeMap<&str, Vec<&UsageFile>> = BTreeMap::new();
    for day in days {
        clusters.entry(&day.cluster).or_default().push(day);
    }
    let sum = |days: &[&UsageFile], pick: fn(&UsageFile) -> u64| days.iter().map(|day| pick(day)).sum();
    clusters
        .into_iter()
        .map(|(cluster, days)| IngestedCluster {
            cluster: cluster.to_owned(),
            days: days.len() as u64,
            from: days.first().map_or_else(String::new, |day| day.day.to_string()),
            to: days.last().map_or_else(String::new, |day| day.day.to_string()),
            slot_hours: sum(&days, |day| day.slot_hours),
            node_hours: sum(&days, |day| day.node_hours),
            unobserved_s: sum(&days, |day| day.ready_s - day.observed_s.min(day.ready_s)),
        })
        .collect()
}

fn day_row(file: UsageFile) -> UsageDayRow {
    UsageDayRow {
        cluster_id: file.cluster,
        day: file.day,
        nodes_path: file.nodes_path,
        slots_path: file.slots_path,
        hours_path: file.hours_path,
        volumes_path: file.volumes_path,
        balancers_path: file.balancers_path,
        sizing_path: file.sizing_path,
        sha256: file.sha256,
        slot_hours: file.slot_hours,
        node_hours: file.node_hours,
        ready_s: file.ready_s,
        observed_s: file.observed_s,
        last_hour: file.last_hour,
        pools: file.pools,
    }
}

/// A day as the lake reads it.
#[must_use]
pub fn usage_file(row: UsageDayRow) -> UsageFile {
    UsageFile {
        cluster: row.cluster_id,
        day: row.day,
        nodes_path: row.nodes_path,
        slots_path: row.slots_path,
        hours_path: row.hours_path,
        volumes_path: row.volumes_path,
        balancers_path: row.balancers_path,
        sizing_path: row.sizing_path,
        sha256: row.sha256,
        slot_hours: row.slot_hours,
        node_hours: row.node_hours,
        ready_s: row.ready_s,
        observed_s: row.observed_s,
        last_hour: row.last_hour,
        pools: row.pools,
    }
}

/// Hours that have not been cannot have been observed.
fn in_the_future(cluster: &str, day: Day) -> Finding {
    let message = format!("cluster {cluster} has hours of {day}, which is still to come");
    let finding = Finding::error("hours_in_the_future", message).in_column("hour");
    finding.remedy("check year and month of the export; nothing of it was taken in")
}
