//! Ingest: from files to a committed delivery.
//!
//! One call is one delivery: its files are the parts, and it replaces what its
//! source delivered for the same billing periods, as one act. Everything up to
//! the commit can be killed: files the manifest does not name count nothing,
//! and the same call again writes the same bytes under the same names.

mod bucket;
mod commit;
mod input;
mod record;
mod shadow;

use super::{App, hash_of};
use crate::error::AppError;
pub(in crate::app) use commit::Replaced;
use domain::dialect::native::Mapping;
use domain::{BillingPeriod, Currency, Finding, Money};
pub(in crate::app) use input::locate_drivers;
use input::{Input, look};
pub(crate) use input::{refused, spool};
use lake::ingest::{IngestError, MAX_FINDINGS, MAX_RECORD_BYTES, OnError, Progress, Request, Staged};
use record::default_source;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{DeliveryRecord, DeliveryState, NewDelivery, TotalRow};

/// How long after its month a bill is taken as final when no invoice id says so.
const FINAL_AFTER_DAYS: i64 = 15;

/// What to ingest and how.
#[derive(Debug, Clone)]
pub struct IngestBilling {
    /// Files, folders, patterns; `-` is standard input.
    pub paths: Vec<String>,
    /// Source name; made from the billing account when not given.
    pub source: Option<String>,
    /// `auto`, `focus`, `focus-1.2`.
    pub format: String,
    /// What to do with bad rows.
    pub on_error: OnError,
    /// Refuse rows of other billing periods.
    pub period: Option<BillingPeriod>,
    /// Keep beside the holder and compare, never count (A25).
    pub shadow: bool,
    /// `Some(true)` = the provider will not change it any more.
    pub is_final: Option<bool>,
    /// Take several currencies in one billing account and period.
    pub allow_mixed_currencies: bool,
    /// A mapping file for a table that is no known bill: its name and text.
    pub mapping: Option<(String, String)>,
    /// Read, check and count everything, and keep nothing.
    pub dry_run: bool,
}

impl IngestBilling {
    /// These paths, everything else as usual.
    #[must_use]
    pub fn of(paths: Vec<String>) -> IngestBilling {
        IngestBilling {
            paths,
            source: None,
            format: "auto".to_owned(),
            on_error: OnError::Fail,
            period: None,
            shadow: false,
            is_final: None,
            allow_mixed_currencies: false,
            mapping: None,
            dry_run: false,
        }
    }
}

/// What a delivery holds of one period and currency.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct IngestedPeriod {
    /// Month.
    pub billing_period: BillingPeriod,
    /// Currency of the sums.
    pub currency: Currency,
    /// Accepted rows.
    pub rows: u64,
    /// Sum of BilledCost.
    pub billed_cost: Money,
    /// Sum of EffectiveCost.
    pub effective_cost: Money,
}

/// What a shadow was compared with (A25).
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ShadowComparison {
    /// Month.
    pub billing_period: BillingPeriod,
    /// Currency.
    pub currency: Currency,
    /// BilledCost of the source that counts, for the same accounts.
    pub counted_billed: Money,
    /// BilledCost of the shadow.
    pub shadow_billed: Money,
    /// Their difference.
    pub difference: Money,
    /// EffectiveCost of the source that counts.
    pub counted_effective: Money,
    /// EffectiveCost of the shadow.
    pub shadow_effective: Money,
    /// Their difference.
    pub effective_difference: Money,
}

impl ShadowComparison {
    /// Whether both costs are equal.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.difference.is_zero() && self.effective_difference.is_zero()
    }
}

/// One ingested delivery: the answer of `ingest billing --json`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Ingested {
    /// Its id.
    pub delivery_id: String,
    /// Its source.
    pub source: String,
    /// `focus 1.2`.
    pub format: String,
    /// open, final, superseded, shadow.
    pub state: String,
    /// The same bytes were there already: nothing was changed.
    pub unchanged: bool,
    /// Rows refused.
    pub rejected_rows: u64,
    /// What was remarkable.
    pub findings: Vec<Finding>,
    /// What it holds.
    pub periods: Vec<IngestedPeriod>,
    /// For a shadow: how it compares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comparison: Vec<ShadowComparison>,
}

/// What is reported on the way.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

impl App {
    /// Ingests bill files as one delivery.
    ///
    /// # Errors
    /// [`AppError::Refused`] for bad input, [`AppError::Held`] when another
    /// source holds the bill; the lake and the manifest are then as before.
    pub async fn ingest_billing(&self, request: &IngestBilling, progress: OnProgress) -> Result<Ingested, AppError> {
        let mut copies = Vec::new();
        let mut paths = Vec::with_capacity(request.paths.len());
        for path in &request.paths {
            if lake::bucket::Bucket::is_address(path) {
                let copy = self.copy_of(path, &progress).await?;
                paths.push(copy.path.clone());
                copies.push(copy);
            } else {
                paths.push(path.clone());
            }
        }
        let (scratch, format) = (self.scratch.clone(), request.format.clone());
        let mapping = mapping(request)?;
        let looked = self
            .heavy("cannot look at the files", move || {
                look(&paths, &format, mapping.as_ref(), &scratch)
            })
            .await;
        let mut input = copies.iter().fold(looked, input::as_from)?;
        if let Some((_, yaml)) = &request.mapping {
            // the same bytes read in another way are another delivery
            input.hash = hash_of([input.hash.as_bytes(), yaml.as_bytes()]);
        }
        let input = Arc::new(input);
        if request.dry_run {
            return self.rehearse(request, &input, progress).await;
        }
        let named = request.source.clone().filter(|name| !name.trim().is_empty());
        if let Some(source) = &named {
            check_name(source)?;
            if let Some(same) = self.already_there(source, &input, request.shadow).await? {
                return self.unchanged(&same, &input, request).await;
            }
        } else if let Some(same) = self.same_bytes_anywhere(&input, request.shadow).await? {
            return self.unchanged(&same, &input, request).await;
        }
        // the id also names the files, so the same call after a kill finds its own bytes
        let label = named.clone().unwrap_or_else(|| "auto".to_owned());
        let again = self.times_delivered(&label, &input.hash).await?;
        let delivery_id = hash_of([label.as_bytes(), input.hash.as_bytes(), &again.to_le_bytes()])[..16].to_owned();
        let staged = self.stage(request, &input, &label, &delivery_id, progress).await?;
        if staged.totals.is_empty() {
            self.forget(&staged).await;
            let mut findings = vec![no_good_rows(&input, staged.rejected_rows)];
            findings.extend(staged.findings);
            return Err(AppError::Refused(findings));
        }
        let periods: BTreeSet<BillingPeriod> = staged.totals.iter().map(|total| total.period).collect();
        let rows = staged.totals.iter().map(|total| total.rows).sum::<u64>() + staged.rejected_rows;
        if let Some(broken) = input.promised.broken(&periods, rows) {
            self.forget(&staged).await;
            return Err(AppError::Refused(vec![broken]));
        }
        let source = named.unwrap_or_else(|| default_source(&staged, &input));
        let ingested = self.commit(request, &input, &source, &delivery_id, &staged).await;
        if ingested.is_err() {
            self.forget(&staged).await;
        }
        ingested
    }

    /// Everything up to the commit, and nothing stays of it.
    async fn rehearse(
        &self,
        request: &IngestBilling,
        input: &Arc<Input>,
        progress: OnProgress,
    ) -> Result<Ingested, AppError> {
        let label = request.source.clone().unwrap_or_else(|| "auto".to_owned());
        check_name(&label)?;
        let id = hash_of([b"dry run".as_slice(), input.hash.as_bytes()])[..16].to_owned();
        let staged = self.stage(request, input, &label, &id, progress).await?;
        let source = match &request.source {
            Some(source) => source.clone(),
            None => default_source(&staged, input),
        };
        let told = self.told(request, input, &source, &id, &staged).await;
        self.forget(&staged).await;
        let mut told = told?;
        "dry-run".clone_into(&mut told.state);
        Ok(told)
    }

    async fn stage(
        &self,
        request: &IngestBilling,
        input: &Arc<Input>,
        label: &str,
        delivery_id: &str,
        progress: OnProgress,
    ) -> Result<Staged, AppError> {
        let (lake, input) = (self.lake.clone(), input.clone());
        let (label, delivery_id) = (label.to_owned(), delivery_id.to_owned());
        let period = request.period.or_else(|| input.promised.period());
        let (on_error, mixed) = (request.on_error, request.allow_mixed_currencies);
        self.heavy("cannot ingest", move || {
            let request = Request {
                delivery_id: &delivery_id,
                source: &label,
                parts: &input.parts,
                on_error,
                expected_period: period,
                allow_mixed_currencies: mixed,
                max_record_bytes: MAX_RECORD_BYTES,
                max_findings: MAX_FINDINGS,
            };
            lake::ingest(&lake, &request, &*progress).map_err(|error| match error {
                IngestError::Refused(findings) => AppError::Refused(findings),
                IngestError::Lake(error) => AppError::Lake(error),
            })
        })
        .await
    }

    async fn already_there(
        &self,
        source: &str,
        input: &Input,
        shadow: bool,
    ) -> Result<Option<DeliveryRecord>, AppError> {
        let found = self.store.find_delivery_by_input(source, &input.hash).await?;
        self.whole(found.filter(|delivery| stands(delivery, shadow)))
    }

    /// Without a source name the account decides, which is known after reading;
    /// the same bytes need no reading.
    async fn same_bytes_anywhere(&self, input: &Input, shadow: bool) -> Result<Option<DeliveryRecord>, AppError> {
        let all = self.store.deliveries(None).await?;
        let same = |delivery: &DeliveryRecord| delivery.input_hash == input.hash && stands(delivery, shadow);
        self.whole(all.into_iter().find(same))
    }

    /// A delivery whose lake files were lost can be taken in again.
    fn whole(&self, delivery: Option<DeliveryRecord>) -> Result<Option<DeliveryRecord>, AppError> {
        let Some(delivery) = delivery else { return Ok(None) };
        for file in &delivery.lake_files {
            if !self.lake.exists(&file.path)? {
                return Ok(None);
            }
        }
        Ok(Some(delivery))
    }

    /// The same bytes again: nothing to do; a shadow is compared anew, since
    /// what counts may have changed.
    async fn unchanged(
        &self,
        record: &DeliveryRecord,
        input: &Input,
        request: &IngestBilling,
    ) -> Result<Ingested, AppError> {
        expected_period(record, input, request.period)?;
        let shadow = record.state == DeliveryState::Shadow;
        let comparison = if shadow {
            self.compare_shadow(&record.source_id, &record.totals).await?
        } else {
            Vec::new()
        };
        Ok(Ingested {
            comparison,
            ..unchanged(record, input.findings.clone())
        })
    }

    async fn times_delivered(&self, label: &str, hash: &str) -> Result<u64, AppError> {
        let all = self.store.deliveries(None).await?;
        let same = all
            .iter()
            .filter(|d| d.input_hash == hash && (d.source_id == label || label == "auto"));
        Ok(same.count() as u64)
    }

    /// Removes files that were written for a delivery that did not come to be,
    /// unless another process committed the very same ones meanwhile.
    async fn forget(&self, staged: &Staged) {
        let Ok(named) = self.store.named_paths().await else {
            return;
        };
        let paths = staged
            .files
            .iter()
            .map(|f| f.path.clone())
            .chain(staged.quarantine.iter().map(|q| q.path.clone()));
        for path in paths.filter(|path| !named.contains(path)) {
            if let Err(error) = self.lake.remove(&path) {
                tracing::warn!(%path, %error, "an unused lake file stays behind until the next tidy");
            }
        }
    }
}

/// The mapping of a request, checked.
fn mapping(request: &IngestBilling) -> Result<Option<Arc<Mapping>>, AppError> {
    let Some((name, yaml)) = &request.mapping else {
        return Ok(None);
    };
    if !matches!(request.format.as_str(), "auto" | "csv") {
        return Err(AppError::usage(
            format!(
                "--mapping and --format {} say two things of the same table",
                request.format
            ),
            "leave --format out",
        ));
    }
    let refused = |problem| {
        let finding = Finding::error("bad_mapping", problem).in_file(name);
        AppError::Refused(vec![
            finding.remedy("docs/FORMATS.md shows a mapping and all it can say"),
        ])
    };
    Mapping::parse(yaml).map(Arc::new).map(Some).map_err(refused)
}

/// Bytes that are there already were read without a period in mind.
fn expected_period(record: &DeliveryRecord, input: &Input, expected: Option<BillingPeriod>) -> Result<(), AppError> {
    let Some(expected) = expected else { return Ok(()) };
    let others: BTreeSet<BillingPeriod> = record
        .totals
        .iter()
        .map(|total| total.period)
        .filter(|period| *period != expected)
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let others: Vec<String> = others.iter().map(ToString::to_string).collect();
    let message = format!(
        "has rows of the billing period {} where {expected} was asked for; delivery {} holds these bytes already",
        others.join(", "),
        record.delivery_id
    );
    let finding = Finding::error("wrong_period", message)
        .in_file(input.files.first().map_or("", |file| file.name.as_str()))
        .in_column("BillingPeriodStart")
        .remedy("deliver it with its own period, or correct the dates");
    Err(AppError::Refused(vec![finding]))
}

fn no_good_rows(input: &Input, rejected_rows: u64) -> Finding {
    let finding = Finding::error("no_good_rows", format!("none of the {rejected_rows} rows can be taken"));
    let finding = match input.files.as_slice() {
        [file] => finding.in_file(&file.name),
        [file, more @ ..] => finding.in_file(format!("{} and {} more", file.name, more.len())),
        [] => finding,
    };
    finding.remedy("the findings after this one say why; correct the export and try again")
}

/// Whether a delivery is still all there: counting, or as a shadow.
fn stands(delivery: &DeliveryRecord, shadow: bool) -> bool {
    let fits = |state: DeliveryState| {
        if shadow {
            state == DeliveryState::Shadow
        } else {
            state.counts()
        }
    };
    !delivery.periods.is_empty() && delivery.periods.iter().all(|p| fits(p.state))
}

/// The account of bills that name none: it cannot clash with another source's.
fn unknown_account(source: &str) -> String {
    format!("unknown:{source}")
}

fn check_name(source: &str) -> Result<(), AppError> {
    let plain = source.len() <= 100
        && source
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.:@+".contains(c))
        && !source.starts_with('.');
    if plain {
        Ok(())
    } else {
        Err(AppError::usage(
            format!("{source:?} is no source name"),
            "use up to 100 letters, digits and - _ . : @ +",
        ))
    }
}

/// Control totals by period and currency.
///
/// # Errors
/// When a sum overflows.
pub(crate) fn by_period(totals: &[TotalRow]) -> Result<Vec<IngestedPeriod>, AppError> {
    let mut sums: BTreeMap<(BillingPeriod, Currency), (u64, Money, Money)> = BTreeMap::new();
    for total in totals {
        let entry = sums.entry((total.period, total.currency.clone())).or_default();
        entry.0 += total.rows;
        entry.1 = entry.1.checked_add(total.billed)?;
        entry.2 = entry.2.checked_add(total.effective)?;
    }
    let period = |((billing_period, currency), (rows, billed_cost, effective_cost))| IngestedPeriod {
        billing_period,
        currency,
        rows,
        billed_cost,
        effective_cost,
    };
    Ok(sums.into_iter().map(period).collect())
}

fn answer(new: &NewDelivery, shadow: bool, comparison: Vec<ShadowComparison>) -> Ingested {
    let state = if shadow { DeliveryState::Shadow } else { new.state };
    Ingested {
        delivery_id: new.delivery_id.clone(),
        source: new.source_id.clone(),
        format: format!("{} {}", new.format, new.format_version.as_deref().unwrap_or(""))
            .trim()
            .to_owned(),
        state: state.as_str().to_owned(),
        unchanged: false,
        rejected_rows: new.rejected_rows,
        findings: new.findings.clone(),
        periods: by_period(&new.totals).unwrap_or_default(),
        comparison,
    }
}

fn unchanged(record: &DeliveryRecord, mut findings: Vec<Finding>) -> Ingested {
    findings.push(Finding::info(
        "already_ingested",
        format!(
            "delivery {} holds exactly these bytes; nothing was changed",
            record.delivery_id
        ),
    ));
    Ingested {
        delivery_id: record.delivery_id.clone(),
        source: record.source_id.clone(),
        format: format!("{} {}", record.format, record.format_version.as_deref().unwrap_or(""))
            .trim()
            .to_owned(),
        state: record.state.as_str().to_owned(),
        unchanged: true,
        rejected_rows: record.rejected_rows,
        findings,
        periods: by_period(&record.totals).unwrap_or_default(),
        comparison: Vec::new(),
    }
}
