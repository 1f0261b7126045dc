//! The commit: claims and sums are checked, then one transaction makes the
//! delivery count.

use super::input::Input;
use super::record::new_delivery;
use super::{IngestBilling, Ingested, answer, by_period};
use crate::app::App;
use crate::error::AppError;
use domain::{BillingPeriod, Currency, Finding, Money};
use lake::ingest::Staged;
use std::collections::{BTreeMap, BTreeSet};
use store::{ClaimMode, DeliveryPeriod, ExportWindow, Fate, NewDelivery, StoreError};

/// Deliveries and their periods that a new delivery replaces.
pub(in crate::app) type Replaced = BTreeSet<(String, BillingPeriod)>;

impl App {
    /// Names the files in the manifest: from here on the delivery counts.
    pub(super) async fn commit(
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
        let exported = self.exported(input, staged).await?;
        loop {
            let version = self.store.manifest_version().await?;
            if let Some(same) = self.already_there(source, input, request.shadow).await? {
                return self.unchanged(&same, input, request).await;
            }
            let mut new = new_delivery(request, input, source, delivery_id, staged, exported.clone(), now);
            self.remark(&mut new, request.shadow).await?;
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

    /// What a commit would do, without one.
    pub(super) async fn told(
        &self,
        request: &IngestBilling,
        input: &Input,
        source: &str,
        delivery_id: &str,
        staged: &Staged,
    ) -> Result<Ingested, AppError> {
        let exported = self.exported(input, staged).await?;
        let mut new = new_delivery(request, input, source, delivery_id, staged, exported, self.clock.now());
        self.remark(&mut new, request.shadow).await?;
        Ok(answer(&new, request.shadow, Vec::new()))
    }

    /// Adds to a delivery what it changes, and refuses one that cannot be added.
    async fn remark(&self, new: &mut NewDelivery, shadow: bool) -> Result<(), AppError> {
        let (replaced, added) = self.replaced(new, shadow).await?;
        if !shadow {
            new.findings.extend(added);
            let changes = self.changes(new, &replaced).await?;
            new.findings.extend(changes);
            let only_tags = self.only_tags(new, &replaced).await?;
            new.findings.extend(only_tags);
        }
        self.check_addable(new, &replaced).await
    }

    /// When the rows of a provider that appends were exported, by period.
    async fn exported(
        &self,
        input: &Input,
        staged: &Staged,
    ) -> Result<BTreeMap<BillingPeriod, ExportWindow>, AppError> {
        if input.format != "gcp" {
            return Ok(BTreeMap::new());
        }
        let (lake, files) = (self.lake.clone(), staged.files.clone());
        let found = self.heavy("cannot read export times", move || Ok(lake::exported(&lake, &files)?));
        let window = |(period, (first, last))| (period, ExportWindow { first, last });
        Ok(found.await?.into_iter().map(window).collect())
    }

    /// Deliveries of the source and their periods that a new one replaces; what
    /// it is added to is a finding of its own. A shadow stands for all its source has.
    ///
    /// # Errors
    /// When it shares some rows with an earlier delivery and each has others.
    async fn replaced(&self, new: &NewDelivery, shadow: bool) -> Result<(Replaced, Vec<Finding>), AppError> {
        let mut replaced = BTreeSet::new();
        let (mut added, mut torn) = (Vec::new(), Vec::new());
        for old in self.store.deliveries(Some(&new.source_id)).await? {
            let periods = old.periods.iter().filter(|of| of.state.counts());
            for of in periods.filter(|of| new.periods().contains(&of.period)) {
                let window = new.exported.get(&of.period).copied();
                match Fate::of(of.exported, window.filter(|_| !shadow)) {
                    Fate::Replaced => {
                        replaced.insert((old.delivery_id.clone(), of.period));
                    }
                    Fate::Kept => added.push(beside(&old.delivery_id, of)),
                    Fate::Torn => torn.push(torn_apart(&old.delivery_id, of, new)),
                }
            }
        }
        if torn.is_empty() {
            Ok((replaced, added))
        } else {
            Err(AppError::Refused(torn))
        }
    }

    /// Findings that say what a new delivery changes against the ones it replaces.
    async fn changes(&self, new: &NewDelivery, replaced: &Replaced) -> Result<Vec<Finding>, AppError> {
        let mut findings = Vec::new();
        let mut before: BTreeMap<(BillingPeriod, Currency), (u64, Money, BTreeSet<String>)> = BTreeMap::new();
        for held in self.store.active_totals(None).await? {
            if replaced.contains(&(held.delivery_id.clone(), held.total.period)) {
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
    async fn check_addable(&self, new: &NewDelivery, replaced: &Replaced) -> Result<(), AppError> {
        let periods = new.periods();
        let held = self.store.active_totals(None).await?.into_iter();
        let others = held
            .filter(|t| periods.contains(&t.total.period))
            .filter(|t| !replaced.contains(&(t.delivery_id.clone(), t.total.period)))
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
}

fn beside(old: &str, of: &DeliveryPeriod) -> Finding {
    let until = of
        .exported
        .map_or_else(String::new, |window| format!(", exported until {}", window.last));
    let message = format!("{}: added to delivery {old}{until}; both count", of.period);
    Finding::info("period_appended", message)
}

fn torn_apart(old: &str, of: &DeliveryPeriod, new: &NewDelivery) -> Finding {
    let text = |window: Option<&ExportWindow>| {
        window.map_or_else(String::new, |window| format!("{} to {}", window.first, window.last))
    };
    let message = format!(
        "{}: rows were exported from {}, and those of delivery {old} from {}: some rows are in both, and adding them would count them twice",
        of.period,
        text(new.exported.get(&of.period)),
        text(of.exported.as_ref())
    );
    let after = of
        .exported
        .map_or_else(String::new, |window| format!(" after {}", window.last));
    Finding::error("export_times_overlap", message).in_column("export_time").remedy(format!(
        "deliver all rows of the invoice month, which replaces what is there, or only rows with an export_time{after}"
    ))
}
