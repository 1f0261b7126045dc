//! Ingest: from files to a committed delivery.
//!
//! One call is one delivery: its files are the parts, and it replaces what its
//! source delivered for the same billing periods, as one act. Everything up to
//! the commit can be killed: files the manifest does not name count nothing,
//! and the same call again writes the same bytes under the same names.

use super::{App, hash_of};
use crate::error::AppError;
use domain::dialect::Container;
use domain::instant::{DAY_US, Instant};
use domain::{BillingPeriod, Currency, Finding, Money};
use lake::ingest::{IngestError, MAX_FINDINGS, MAX_RECORD_BYTES, OnError, Part, Progress, Request, Staged};
use serde::Serialize;
use sources::{Located, Sighted, SourceError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{
    ClaimMode, DeliveryRecord, DeliveryState, InputFile, LakeFileRow, NewDelivery, QuarantineRow, StoreError, TotalRow,
};

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

struct Input {
    parts: Vec<Part>,
    files: Vec<InputFile>,
    hash: String,
    format_version: String,
    provider: Option<String>,
    findings: Vec<Finding>,
    /// What standard input was kept in; removed with this, however the call ends.
    _spooled: Vec<tempfile::TempPath>,
}

impl App {
    /// Ingests bill files as one delivery.
    ///
    /// # Errors
    /// [`AppError::Refused`] for bad input, [`AppError::Held`] when another
    /// source holds the bill; the lake and the manifest are then as before.
    pub async fn ingest_billing(&self, request: &IngestBilling, progress: OnProgress) -> Result<Ingested, AppError> {
        let scratch = self.scratch.clone();
        let (paths, format) = (request.paths.clone(), request.format.clone());
        let input = Arc::new(
            self.heavy("cannot look at the files", move || look(&paths, &format, &scratch))
                .await?,
        );
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
        let source = named.unwrap_or_else(|| default_source(&staged, &input));
        let ingested = self.commit(request, &input, &source, &delivery_id, &staged).await;
        if ingested.is_err() {
            self.forget(&staged).await;
        }
        ingested
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
        let (on_error, period, mixed) = (request.on_error, request.period, request.allow_mixed_currencies);
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

    /// Names the files in the manifest: from here on the delivery counts.
    async fn commit(
        &self,
        request: &IngestBilling,
        input: &Input,
        source: &str,
        delivery_id: &str,
        staged: &Staged,
    ) -> Result<Ingested, AppError> {
        let now = self.clock.now();
        let mode = if request.shadow {
            ClaimMode::Shadow
        } else {
            ClaimMode::Hold
        };
        loop {
            let version = self.store.manifest_version().await?;
            if let Some(same) = self.already_there(source, input, request.shadow).await? {
                return self.unchanged(&same, input, request).await;
            }
            let mut new = new_delivery(request, input, source, delivery_id, staged, now);
            if !request.shadow {
                new.findings.extend(self.changes(source, &new).await?);
            }
            self.check_addable(source, &new).await?;
            match self.store.commit_delivery(&new, mode, version).await {
                Ok(_) => {
                    let comparison = if request.shadow {
                        self.compare_shadow(source, &new.totals).await?
                    } else {
                        Vec::new()
                    };
                    return Ok(answer(&new, request.shadow, comparison));
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(StoreError::Claimed {
                    holder,
                    billing_account_id,
                    period,
                    ..
                }) => {
                    return Err(AppError::Held {
                        what: format!(
                            "source {holder:?} already holds billing account {billing_account_id} for {period}, and a bill counts once"
                        ),
                        remedy: format!(
                            "pass --source {holder} to replace its delivery, or --shadow to keep this one beside it and compare"
                        ),
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Findings that say what a new delivery changes against the one it replaces.
    async fn changes(&self, source: &str, new: &NewDelivery) -> Result<Vec<Finding>, AppError> {
        let mut findings = Vec::new();
        let periods = new.periods();
        let mut before: BTreeMap<(BillingPeriod, Currency), (u64, Money, BTreeSet<String>)> = BTreeMap::new();
        for held in self.store.active_totals(None).await? {
            if held.source_id == source && periods.contains(&held.total.period) {
                let entry = before
                    .entry((held.total.period, held.total.currency.clone()))
                    .or_default();
                entry.0 += held.total.rows;
                entry.1 = entry.1.checked_add(held.total.billed)?;
                entry.2.insert(held.total.billing_account_id.clone());
            }
        }
        let now = by_period(&new.totals)?;
        for ((period, currency), (rows, billed, accounts)) in before {
            let (new_rows, new_billed) = now
                .iter()
                .find(|p| p.billing_period == period && p.currency == currency)
                .map_or((0, Money::ZERO), |p| (p.rows, p.billed_cost));
            let difference = new_billed.checked_sub(billed)?;
            findings.push(
                Finding::info("period_replaced", format!("{period} was delivered before: {rows} rows and {billed} {currency} billed are replaced by {new_rows} rows and {new_billed}"))
                    .money(format!("{difference} {currency}")),
            );
            let gone: Vec<String> = accounts
                .into_iter()
                .filter(|a| {
                    !new.totals
                        .iter()
                        .any(|t| t.period == period && t.billing_account_id == *a)
                })
                .collect();
            if !gone.is_empty() {
                findings.push(
                    Finding::warning(
                        "account_gone",
                        format!("{period}: billing account {} is no longer in the bill", gone.join(", ")),
                    )
                    .remedy("if that is wrong, deliver all accounts of the source together"),
                );
            }
        }
        Ok(findings)
    }

    /// Amounts that each fit may not fit together: billed, effective and their
    /// difference must be addable with everything else of their month.
    async fn check_addable(&self, source: &str, new: &NewDelivery) -> Result<(), AppError> {
        let periods = new.periods();
        let held = self.store.active_totals(None).await?.into_iter();
        let others = held
            .filter(|t| t.source_id != source && periods.contains(&t.total.period))
            .map(|t| t.total);
        let mut sums: BTreeMap<(BillingPeriod, Currency), Money> = BTreeMap::new();
        for total in new.totals.iter().cloned().chain(others) {
            let sum = sums.entry((total.period, total.currency.clone())).or_default();
            let added = total
                .billed
                .abs()
                .checked_add(total.effective.abs())
                .and_then(|both| sum.checked_add(both));
            *sum = added.map_err(|_| {
                let message = format!(
                    "the amounts of {} in {} are too large to be added exactly",
                    total.period, total.currency
                );
                AppError::Refused(vec![
                    Finding::error("amount_overflow", message)
                        .in_column("BilledCost, EffectiveCost")
                        .remedy("amounts of a month must stay below 10^14 in all; look for rows in the wrong unit"),
                ])
            })?;
        }
        Ok(())
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

    /// A shadow against what counts (A25), by billing account: the one who
    /// holds a bill may name sub-accounts that the shadow does not, or the
    /// other way round. A shadow without an account is compared with everything.
    async fn compare_shadow(&self, source: &str, shadow: &[TotalRow]) -> Result<Vec<ShadowComparison>, AppError> {
        let unknown = unknown_account(source);
        let covers = |total: &TotalRow| {
            let account =
                |t: &TotalRow| t.billing_account_id == unknown || t.billing_account_id == total.billing_account_id;
            shadow.iter().any(|t| t.period == total.period && account(t))
        };
        let held = self.store.active_totals(None).await?;
        let others = held.into_iter().filter(|t| t.source_id != source).map(|t| t.total);
        let counted: Vec<TotalRow> = others.filter(covers).collect();
        let mut sums: BTreeMap<(BillingPeriod, Currency), [Money; 4]> = BTreeMap::new();
        for (rows, at) in [(by_period(&counted)?, 0), (by_period(shadow)?, 2)] {
            for row in rows {
                let sum = sums.entry((row.billing_period, row.currency)).or_default();
                (sum[at], sum[at + 1]) = (row.billed_cost, row.effective_cost);
            }
        }
        let mut rows = Vec::with_capacity(sums.len());
        for ((billing_period, currency), [counted_billed, counted_effective, shadow_billed, shadow_effective]) in sums {
            rows.push(ShadowComparison {
                billing_period,
                currency,
                counted_billed,
                shadow_billed,
                difference: shadow_billed.checked_sub(counted_billed)?,
                counted_effective,
                shadow_effective,
                effective_difference: shadow_effective.checked_sub(counted_effective)?,
            });
        }
        Ok(rows)
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

/// Finds, hashes and recognises the files.
fn look(paths: &[String], format: &str, scratch: &std::path::Path) -> Result<Input, AppError> {
    let mut located = Vec::new();
    let mut spooled = Vec::new();
    for path in paths {
        if path == "-" {
            let path = spool(scratch)?;
            located.push(Located {
                name: "standard input".to_owned(),
                path: path.to_path_buf(),
            });
            spooled.push(path);
        } else {
            located.extend(sources::locate(path).map_err(refused)?);
        }
    }
    located.sort_by(|a, b| a.name.cmp(&b.name));
    let mut input = Input {
        parts: Vec::new(),
        files: Vec::new(),
        hash: String::new(),
        format_version: String::new(),
        provider: None,
        findings: Vec::new(),
        _spooled: spooled,
    };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for file in &located {
        let sighted = sources::sight(file).map_err(refused)?;
        if let Some(first) = sighted.first()
            && let Some(other) = seen.insert(first.sha256.clone(), file.name.clone())
        {
            let message = if other == file.name {
                "is named twice in this call".to_owned()
            } else {
                format!("has the same bytes as {other}")
            };
            let finding = Finding::error("duplicate_delivery", message).in_file(&file.name);
            return Err(AppError::Refused(vec![
                finding.remedy("give each file once; its rows would count twice"),
            ]));
        }
        // a zip with several tables is as many parts, each with a name of its own
        let several = sighted.len() > 1;
        for mut table in sighted {
            if let (true, Container::Zip { entry }) = (several, &table.container) {
                table.located.name = format!("{}/{entry}", table.located.name);
            }
            input.files.push(InputFile {
                name: table.located.name.clone(),
                bytes: table.bytes,
                sha256: table.sha256.clone(),
            });
            recognise(table, format, &mut input)?;
        }
    }
    input.hash = hash_of(input.files.iter().map(|file| file.sha256.as_bytes()));
    Ok(input)
}

fn recognise(table: Sighted, format: &str, input: &mut Input) -> Result<(), AppError> {
    let name = &table.located.name;
    let (headers, declared) = if table.container == Container::Parquet {
        let columns = lake::ingest::parquet_columns(&table.located.path).map_err(|error| {
            let finding =
                Finding::error("broken_parquet", format!("is not a readable Parquet file: {error}")).in_file(name);
            AppError::Refused(vec![finding.remedy("export or copy it again")])
        })?;
        (columns, None)
    } else {
        let (headers, first) = sources::header_row(&table).map_err(refused)?;
        let named = |name: &str| {
            headers
                .iter()
                .position(|h| h.trim().trim_start_matches("x_").eq_ignore_ascii_case(name))
        };
        let cell = |name: &str| {
            let text = first.as_ref()?.get(named(name)?)?;
            (!domain::dialect::is_null(text.trim().as_bytes())).then(|| text.clone())
        };
        if input.provider.is_none() {
            input.provider = cell("ServiceProviderName").or_else(|| cell("ProviderName"));
        }
        let declared = cell("FocusVersion");
        (headers, declared)
    };
    let detected = sources::detect(&headers, format, declared.as_deref())
        .map_err(|finding| AppError::Refused(vec![(*finding).in_file(name)]))?;
    input.findings.push(
        Finding::info(
            "format_detected",
            format!("read as FOCUS {}: {}", detected.dialect.version, detected.why),
        )
        .in_file(name),
    );
    let version = detected.dialect.version;
    if input.format_version.is_empty() {
        version.clone_into(&mut input.format_version);
    } else if input.format_version != version && !input.format_version.contains(version) {
        input.format_version = format!("{}, {version}", input.format_version);
    }
    input.parts.push(Part {
        name: name.clone(),
        path: table.located.path,
        container: table.container,
        dialect: detected.dialect,
    });
    Ok(())
}

/// Standard input can be read once; the file it becomes can be looked at twice.
fn spool(scratch: &std::path::Path) -> Result<tempfile::TempPath, AppError> {
    let doing = "cannot keep standard input in the data folder";
    let mut file = tempfile::Builder::new()
        .prefix("stdin-")
        .tempfile_in(scratch)
        .map_err(|e| AppError::broken(doing, e))?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(|e| AppError::broken(doing, e))?;
    Ok(file.into_temp_path())
}

fn refused(error: SourceError) -> AppError {
    match error {
        SourceError::Refused { findings } => AppError::Refused(findings),
        error @ SourceError::Io { .. } => AppError::broken("cannot read the input", error),
    }
}

/// The billing account names the source; without one, the file does.
fn default_source(staged: &Staged, input: &Input) -> String {
    let slug = |text: &str| -> String {
        let plain = text.chars().map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        });
        plain.take(60).collect::<String>().trim_matches('-').to_owned()
    };
    let accounts: BTreeSet<&str> = staged
        .totals
        .iter()
        .map(|t| t.billing_account_id.as_str())
        .filter(|a| !a.is_empty())
        .collect();
    match accounts.iter().next() {
        Some(first) if accounts.len() == 1 => format!("focus-{}", slug(first)),
        Some(first) => format!("focus-{}-and-{}-more", slug(first), accounts.len() - 1),
        None => {
            let name = input.files.first().map_or("unnamed", |file| file.name.as_str());
            let stem = name.rsplit('/').next().unwrap_or(name);
            format!("focus-file-{}", slug(stem.split('.').next().unwrap_or(stem)))
        }
    }
}

fn new_delivery(
    request: &IngestBilling,
    input: &Input,
    source: &str,
    delivery_id: &str,
    staged: &Staged,
    now: Instant,
) -> NewDelivery {
    let totals: Vec<TotalRow> = staged.totals.iter().map(|total| total_row(total, source)).collect();
    let is_final = request.is_final.unwrap_or_else(|| looks_final(staged, now));
    NewDelivery {
        delivery_id: delivery_id.to_owned(),
        source_id: source.to_owned(),
        provider: input.provider.clone(),
        format: "focus".to_owned(),
        format_version: Some(input.format_version.clone()),
        input_hash: input.hash.clone(),
        received_us: now.0,
        files: input.files.clone(),
        rejected_rows: staged.rejected_rows,
        state: if is_final {
            DeliveryState::Final
        } else {
            DeliveryState::Open
        },
        lake_files: staged.files.iter().map(lake_row).collect(),
        totals,
        findings: input.findings.iter().chain(&staged.findings).cloned().collect(),
        quarantine: staged.quarantine.as_ref().map(|q| QuarantineRow {
            path: q.path.clone(),
            rows: q.rows,
            money: q
                .money
                .iter()
                .map(|(currency, money)| (currency.clone(), *money))
                .collect(),
            rows_without_money: q.rows_without_money,
        }),
    }
}

/// Final: every billed amount carries an invoice id, or the month is long over.
fn looks_final(staged: &Staged, now: Instant) -> bool {
    let last = staged.totals.iter().map(|t| t.period).max();
    let over = last.is_some_and(|period| now.0 >= period.span().end.0 + FINAL_AFTER_DAYS * DAY_US);
    let invoiced = staged
        .totals
        .iter()
        .all(|t| t.billed_with_invoice == t.billed && t.rows_with_invoice > 0);
    over || (invoiced && !staged.totals.is_empty())
}

fn lake_row(file: &lake::ingest::LakeFile) -> LakeFileRow {
    LakeFileRow {
        path: file.path.clone(),
        dataset: store::CHARGES.to_owned(),
        period: file.period,
        part: file.part,
        rows: file.rows,
        bytes: file.bytes,
        sha256: file.sha256.clone(),
        schema_version: lake::SCHEMA_VERSION,
    }
}

fn total_row(total: &lake::ingest::ControlTotal, source: &str) -> TotalRow {
    let account = if total.billing_account_id.is_empty() {
        unknown_account(source)
    } else {
        total.billing_account_id.clone()
    };
    TotalRow {
        period: total.period,
        currency: total.currency.clone(),
        billing_account_id: account,
        sub_account_id: total.sub_account_id.clone(),
        rows: total.rows,
        billed: total.billed,
        effective: total.effective,
        list: total.list,
        contracted: total.contracted,
        first_charge_us: total.first_charge.0,
        last_usage_end_us: total.last_usage_end.map(|i| i.0),
        rows_with_invoice: total.rows_with_invoice,
        billed_with_invoice: total.billed_with_invoice,
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
