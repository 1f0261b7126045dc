//! Deliveries of bills: what there is, and what one changed against the ones
//! it replaced. A delivery that was replaced stays in the lake, so any two of
//! a source can be compared.

use super::App;
use super::ingest::Replaced;
use super::reports::{Rows, delivery};
use crate::error::AppError;
use domain::{BillingPeriod, Currency, Finding, Money};
use lake::ChargeFile;
use lake::restated::{Change, ChangeSide, Comparison, restated};
use std::collections::{BTreeMap, BTreeSet};
use store::{DeliveryRecord, LakeFileRow, NewDelivery, TotalRow};
use wire::{ChangeAmounts, ChangeRow, ChangeTotal, Delivery, DeliveryChanges, DeliveryFile, Restated};

/// Changes a page lists.
const LISTED: usize = 200;

impl App {
    /// Every delivery, the newest first, of one source or of all.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deliveries(&self, source: Option<&str>) -> Result<Vec<Delivery>, AppError> {
        self.reads_estate()?;
        let mut records = self.store.deliveries(source).await?;
        if let (Some(source), true) = (source, records.is_empty()) {
            let known: Vec<String> = self.store.sources().await?.into_iter().map(|of| of.source_id).collect();
            return Err(AppError::usage(
                format!("there is no source {source:?}"),
                format!(
                    "sources are: {}",
                    if known.is_empty() {
                        "none yet".to_owned()
                    } else {
                        known.join(", ")
                    }
                ),
            ));
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.version));
        records.iter().map(|record| delivery(record, None)).collect()
    }

    /// A delivery, and what it changed against `against`, or else against the
    /// deliveries of its source that it replaced, period by period.
    ///
    /// # Errors
    /// When there is no such delivery, or the lake cannot be read.
    pub async fn delivery_changes(
        &self,
        id: &str,
        against: Option<&str>,
        rows: Rows,
    ) -> Result<DeliveryChanges, AppError> {
        self.reads_estate()?;
        let all = self.store.deliveries(None).await?;
        let record = find(&all, id)?;
        let other = against.map(|id| find(&all, id)).transpose()?;
        let earlier = earlier(&all, record, other);
        if let (Some(other), true) = (other, earlier.is_empty()) {
            return Err(AppError::usage(
                format!(
                    "{} and {} have no month in common",
                    record.delivery_id, other.delivery_id
                ),
                "compare two deliveries of one month, as `tonnage deliveries list` shows them",
            ));
        }
        let before = earlier
            .iter()
            .flat_map(|(period, old)| files(&old.lake_files, *period, &old.delivery_id));
        let periods: BTreeSet<BillingPeriod> = earlier.iter().map(|(period, _)| *period).collect();
        let after = periods
            .iter()
            .flat_map(|period| files(&record.lake_files, *period, &record.delivery_id));
        let Comparison { changes, services } = self.compare(before.collect(), after.collect()).await?;
        let olds: BTreeSet<&str> = earlier.iter().map(|(_, old)| old.delivery_id.as_str()).collect();
        let olds: Vec<&DeliveryRecord> = all
            .iter()
            .filter(|old| olds.contains(old.delivery_id.as_str()))
            .collect();
        let mut shown = changes.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        shown.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        let listed = if rows == Rows::All { shown.len() } else { LISTED };
        Ok(DeliveryChanges {
            delivery: delivery(record, None)?,
            files: record.files.iter().map(file).collect(),
            against: olds
                .into_iter()
                .map(|old| delivery(old, None))
                .collect::<Result<_, _>>()?,
            kind: kind(&earlier, &changes),
            totals: totals(record, &earlier)?,
            services: by_size(services)?,
            changes_total: shown.len() as u64,
            changes: shown.into_iter().take(listed).map(|(_, row)| row).collect(),
        })
    }

    /// Months of a new delivery in which nothing but tags changes (A45): found
    /// where rows and money are as before, so that others cost no time.
    pub(in crate::app) async fn only_tags(
        &self,
        new: &NewDelivery,
        replaced: &Replaced,
    ) -> Result<Vec<Finding>, AppError> {
        let sums = |totals: &[TotalRow], period: BillingPeriod| {
            let mut sums: Vec<_> = totals.iter().filter(|total| total.period == period).cloned().collect();
            let place = |t: &TotalRow| {
                (
                    t.currency.clone(),
                    t.billing_account_id.clone(),
                    t.sub_account_id.clone(),
                )
            };
            sums.sort_by_key(place);
            let key = |t: TotalRow| {
                (
                    t.currency,
                    t.billing_account_id,
                    t.sub_account_id,
                    t.rows,
                    t.billed,
                    t.effective,
                )
            };
            sums.into_iter().map(key).collect::<Vec<_>>()
        };
        let all = self.store.deliveries(Some(&new.source_id)).await?;
        let mut findings = Vec::new();
        for period in new.periods() {
            let is_replaced = |old: &&DeliveryRecord| replaced.contains(&(old.delivery_id.clone(), period));
            let olds: Vec<&DeliveryRecord> = all.iter().filter(is_replaced).collect();
            // several that were appended have sums of their own each
            let [old] = olds.as_slice() else { continue };
            if sums(&old.totals, period) != sums(&new.totals, period) {
                continue;
            }
            let before = files(&old.lake_files, period, &old.delivery_id);
            let after = files(&new.lake_files, period, &new.delivery_id);
            let changes = self.compare(before, after).await?.changes;
            if !changes.is_empty() && changes.iter().all(Change::is_tags_only) {
                let message = format!(
                    "{period}: only tags changed, in {} of account, service and day; costs of each are as before",
                    changes.len()
                );
                findings.push(Finding::info("metadata_restatement", message));
            }
        }
        Ok(findings)
    }

    async fn compare(&self, before: Vec<ChargeFile>, after: Vec<ChargeFile>) -> Result<Comparison, AppError> {
        let (program, _) = self.active_program().await?;
        let lake = self.lake.clone();
        self.heavy("cannot compare deliveries", move || {
            Ok(restated(&lake, &before, &after, &program)?)
        })
        .await
    }
}

/// Files of a delivery with a period's charges.
fn files(files: &[LakeFileRow], period: BillingPeriod, delivery_id: &str) -> Vec<ChargeFile> {
    let of_period = files.iter().filter(|file| file.period == period);
    of_period
        .map(|file| ChargeFile {
            path: file.path.clone(),
            delivery_id: delivery_id.to_owned(),
        })
        .collect()
}

/// By id, or the beginning of one that only one delivery has.
fn find<'d>(all: &'d [DeliveryRecord], id: &str) -> Result<&'d DeliveryRecord, AppError> {
    let mut hits = all
        .iter()
        .filter(|record| !id.is_empty() && record.delivery_id.starts_with(id));
    match (hits.next(), hits.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(AppError::usage(
            format!("several deliveries begin with {id}"),
            "write more of the id, as `tonnage deliveries list` shows it",
        )),
        _ => Err(AppError::NotFound {
            what: format!("delivery {id}"),
        }),
    }
}

/// By period of a delivery: what to compare it with, else what it replaced.
fn earlier<'d>(
    all: &'d [DeliveryRecord],
    record: &DeliveryRecord,
    other: Option<&'d DeliveryRecord>,
) -> Vec<(BillingPeriod, &'d DeliveryRecord)> {
    let id = record.delivery_id.as_str();
    let mut found = Vec::new();
    for period in record.periods.iter().map(|of| of.period) {
        for old in all {
            let mut of_period = old.periods.iter().filter(|of| of.period == period);
            let wanted = of_period.any(|of| match other {
                Some(other) => old.delivery_id == other.delivery_id,
                None => of.superseded_by.as_deref() == Some(id),
            });
            if wanted {
                found.push((period, old));
            }
        }
    }
    found
}

fn kind(earlier: &[(BillingPeriod, &DeliveryRecord)], changes: &[Change]) -> Restated {
    match (earlier.is_empty(), changes.is_empty()) {
        (true, _) => Restated::First,
        (_, true) => Restated::Same,
        _ if changes.iter().all(Change::is_tags_only) => Restated::TagsOnly,
        _ => Restated::Money,
    }
}

fn file(file: &store::InputFile) -> DeliveryFile {
    DeliveryFile {
        name: file.name.clone(),
        bytes: file.bytes,
        sha256: file.sha256.clone(),
    }
}

fn amounts(before: &ChangeSide, after: &ChangeSide) -> Result<ChangeAmounts, AppError> {
    Ok(ChangeAmounts {
        rows_before: before.rows,
        rows_after: after.rows,
        billed_before: before.billed.to_string(),
        billed_after: after.billed.to_string(),
        billed_change: after.billed.checked_sub(before.billed)?.to_string(),
        effective_before: before.effective.to_string(),
        effective_after: after.effective.to_string(),
        effective_change: after.effective.checked_sub(before.effective)?.to_string(),
    })
}

/// A row, and how large its change is.
fn row(change: &Change) -> Result<(Money, ChangeRow), AppError> {
    let size = change.after.effective.checked_sub(change.before.effective)?.abs();
    let key = &change.key;
    let row = ChangeRow {
        billing_period: key.period.to_string(),
        currency: key.currency.to_string(),
        account: key
            .account
            .clone()
            .or_else(|| key.billing_account.clone())
            .unwrap_or_default(),
        service: key.service.clone().unwrap_or_default(),
        category: key.category.to_string(),
        day: key.day.to_string(),
        tags_only: change.is_tags_only(),
        amounts: amounts(&change.before, &change.after)?,
    };
    Ok((size, row))
}

/// Services, the largest change of effective cost first.
fn by_size(services: BTreeMap<(Option<String>, Currency), [ChangeSide; 2]>) -> Result<Vec<ChangeTotal>, AppError> {
    let mut sized = Vec::new();
    for ((name, currency), [before, after]) in services {
        let size = after.effective.checked_sub(before.effective)?.abs();
        sized.push((
            size,
            change_total(name.unwrap_or_default(), &currency, &before, &after)?,
        ));
    }
    sized.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    Ok(sized.into_iter().map(|(_, total)| total).collect())
}

fn change_total(
    name: String,
    currency: &Currency,
    before: &ChangeSide,
    after: &ChangeSide,
) -> Result<ChangeTotal, AppError> {
    Ok(ChangeTotal {
        name,
        currency: currency.to_string(),
        amounts: amounts(before, after)?,
    })
}

/// From the control totals, so that periods without a change are there too.
fn totals(record: &DeliveryRecord, earlier: &[(BillingPeriod, &DeliveryRecord)]) -> Result<Vec<ChangeTotal>, AppError> {
    let mut sums: BTreeMap<(BillingPeriod, Currency), [ChangeSide; 2]> = BTreeMap::new();
    let olds = earlier.iter().flat_map(|(period, old)| {
        let of_period = old.totals.iter().filter(move |total| total.period == *period);
        of_period.map(|total| (0, total))
    });
    for (at, total) in olds.chain(record.totals.iter().map(|total| (1, total))) {
        let sides = sums.entry((total.period, total.currency.clone())).or_default();
        let side = ChangeSide {
            rows: total.rows,
            billed: total.billed,
            effective: total.effective,
        };
        sides[at].merge(&side)?;
    }
    let total = |((period, currency), [before, after]): ((BillingPeriod, Currency), [ChangeSide; 2])| {
        change_total(period.to_string(), &currency, &before, &after)
    };
    sums.into_iter().map(total).collect()
}
