//! Committing a delivery: all of it or nothing, in one transaction.

use super::rows::export_window;
use super::{ClaimMode, Commit, DeliveryState, Fate, NewDelivery, Replaced, ReplacedMoney, count};
use crate::Store;
use crate::audit::Change;
use crate::db::{Tx, execute, fetch_all, statements};
use crate::error::StoreError;
use crate::rows::{Place, period_number};
use crate::{claim, finding, manifest};
use domain::access::Permission;
use domain::{BillingPeriod, Money};
use std::collections::BTreeMap;

statements! {
    UPSERT_SOURCE: "note the source of a delivery" =>
        "INSERT INTO source (source_id, provider, format, first_received_us, last_received_us) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (source_id) DO UPDATE SET provider = COALESCE(excluded.provider, source.provider),
             format = excluded.format, last_received_us = excluded.last_received_us";
    INSERT: "add a delivery" =>
        "INSERT INTO delivery (delivery_id, source_id, provider, format, format_version, input_hash, received_us,
             manifest_version, state, rejected_rows) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    INSERT_INPUT: "add an input file of a delivery" =>
        "INSERT INTO input_file (delivery_id, position, file_name, byte_count, sha256) VALUES ($1, $2, $3, $4, $5)";
    INSERT_PERIOD: "add a period of a delivery" =>
        "INSERT INTO delivery_period (delivery_id, period, state, first_export_us, last_export_us) VALUES ($1, $2, $3, $4, $5)";
    INSERT_FILE: "add a lake file of a delivery" =>
        "INSERT INTO lake_file (path, delivery_id, dataset, period, part, row_count, byte_count, sha256, schema_version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    INSERT_TOTAL: "add a control total of a delivery" =>
        "INSERT INTO charge_total (delivery_id, position, period, currency, billing_account_id, sub_account_id, row_count,
             billed, effective, list, contracted, first_charge_us, last_usage_end_us, rows_with_invoice, billed_with_invoice)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    INSERT_QUARANTINE: "add the refused rows of a delivery" =>
        "INSERT INTO quarantine (delivery_id, path, row_count, rows_without_money) VALUES ($1, $2, $3, $4)";
    INSERT_QUARANTINE_MONEY: "add the money of refused rows" =>
        "INSERT INTO quarantine_money (delivery_id, currency, billed) VALUES ($1, $2, $3)";
    EARLIER: "look for earlier deliveries of the source" =>
        "SELECT p.delivery_id, p.state, p.first_export_us, p.last_export_us FROM delivery_period p JOIN delivery d ON d.delivery_id = p.delivery_id
         WHERE d.source_id = $1 AND p.period = $2 AND p.delivery_id <> $3 AND p.state <> 'superseded'
         ORDER BY d.manifest_version";
    SUPERSEDE: "supersede a period of a delivery" =>
        "UPDATE delivery_period SET state = 'superseded', superseded_by = $3 WHERE delivery_id = $1 AND period = $2";
    SUPERSEDE_WHOLE: "supersede a delivery" =>
        "UPDATE delivery SET state = 'superseded' WHERE delivery_id = $1
         AND NOT EXISTS (SELECT 1 FROM delivery_period p WHERE p.delivery_id = delivery.delivery_id AND p.state <> 'superseded')";
    FINISH: "make a period of a delivery final" =>
        "UPDATE delivery_period SET state = 'final' WHERE delivery_id = $1 AND period = $2 AND state = 'open'";
    FINISH_WHOLE: "make a delivery final" =>
        "UPDATE delivery SET state = 'final' WHERE delivery_id = $1 AND state = 'open'
         AND NOT EXISTS (SELECT 1 FROM delivery_period p WHERE p.delivery_id = delivery.delivery_id AND p.state = 'open')";
    REPLACED_TOTALS: "add up what was replaced" =>
        "SELECT currency, row_count, billed, effective FROM charge_total WHERE delivery_id = $1 AND period = $2 ORDER BY position";
}

impl Store {
    /// Makes periods of deliveries final that are open, all or none: their issuer
    /// has closed them. How many were open.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the manifest is not at `expected_version`.
    pub async fn finish_periods(
        &self,
        periods: &[(String, BillingPeriod)],
        expected_version: i64,
    ) -> Result<u64, StoreError> {
        let mut tx = self.write(Permission::Ingest).await?;
        manifest::advance(&mut tx, expected_version).await?;
        let mut finished = 0;
        for (delivery_id, period) in periods {
            finished += execute!(&mut tx, FINISH, delivery_id, period_number(*period))?;
            execute!(&mut tx, FINISH_WHOLE, delivery_id)?;
        }
        let periods: Vec<String> = periods.iter().map(|(id, period)| format!("{id} {period}")).collect();
        let change = Change::new("deliveries.finished", periods.join(", "));
        self.commit(tx, change).await?;
        Ok(finished)
    }

    /// Commits a delivery: its files, totals, claims and findings, and the
    /// replacement of what its source had delivered for its periods before.
    /// Under [`ClaimMode::Shadow`] only an earlier shadow of the source is replaced.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the manifest is not at `expected_version`;
    /// [`StoreError::Claimed`] when another source holds part of it;
    /// [`StoreError::Torn`] when it shares some export times with an earlier delivery, but not all;
    /// [`StoreError::Invalid`] when it has no period, or a state that is not its own to choose.
    pub async fn commit_delivery(
        &self,
        new: &NewDelivery,
        mode: ClaimMode,
        expected_version: i64,
    ) -> Result<Commit, StoreError> {
        let state = entry_state(new, mode)?;
        let periods = new.periods();
        if periods.is_empty() {
            return Err(StoreError::invalid(format!(
                "delivery {:?} has no billing period",
                new.delivery_id
            )));
        }
        let mut tx = self.write(Permission::Ingest).await?;
        let version = manifest::advance(&mut tx, expected_version).await?;
        if mode == ClaimMode::Hold {
            for period in &periods {
                claim::refuse_foreign(&mut tx, new, *period).await?;
            }
        }
        insert_head(&mut tx, new, state, version).await?;
        let mut commit = Commit {
            version,
            replaced: Vec::new(),
            claims: 0,
        };
        for period in periods {
            let exported = new.exported.get(&period);
            execute!(
                &mut tx,
                INSERT_PERIOD,
                &new.delivery_id,
                period_number(period),
                state.as_str(),
                exported.map(|window| window.first.0),
                exported.map(|window| window.last.0)
            )?;
            commit.replaced.extend(supersede(&mut tx, new, period, mode).await?);
            if mode == ClaimMode::Hold {
                commit.claims += claim::take(&mut tx, new, period).await?;
            }
        }
        insert_lake_files(&mut tx, new).await?;
        insert_totals(&mut tx, new).await?;
        insert_quarantine(&mut tx, new).await?;
        finding::insert(&mut tx, finding::DELIVERY, &new.delivery_id, &new.findings).await?;
        let replaced: Vec<&str> = commit.replaced.iter().map(|of| of.delivery_id.as_str()).collect();
        let periods: Vec<String> = new.periods().into_iter().map(|period| period.to_string()).collect();
        let change = Change::new("bill.ingested", &new.source_id).after(serde_json::json!({
            "delivery": new.delivery_id, "state": state.as_str(), "periods": periods, "replaced": replaced,
        }));
        self.commit(tx, change).await?;
        Ok(commit)
    }
}

fn entry_state(new: &NewDelivery, mode: ClaimMode) -> Result<DeliveryState, StoreError> {
    match mode {
        ClaimMode::Shadow => Ok(DeliveryState::Shadow),
        ClaimMode::Hold if new.state.counts() => Ok(new.state),
        ClaimMode::Hold => Err(StoreError::invalid(format!(
            "delivery {:?} takes a claim, so it cannot enter as {}",
            new.delivery_id,
            new.state.as_str()
        ))),
    }
}

async fn insert_head(tx: &mut Tx, new: &NewDelivery, state: DeliveryState, version: i64) -> Result<(), StoreError> {
    execute!(
        &mut *tx,
        UPSERT_SOURCE,
        &new.source_id,
        &new.provider,
        &new.format,
        new.received_us
    )?;
    execute!(
        &mut *tx,
        INSERT,
        &new.delivery_id,
        &new.source_id,
        &new.provider,
        &new.format,
        &new.format_version,
        &new.input_hash,
        new.received_us,
        version,
        state.as_str(),
        count(new.rejected_rows)?
    )?;
    for (position, file) in (0_i64..).zip(&new.files) {
        execute!(
            &mut *tx,
            INSERT_INPUT,
            &new.delivery_id,
            position,
            &file.name,
            count(file.bytes)?,
            &file.sha256
        )?;
    }
    Ok(())
}

async fn insert_lake_files(tx: &mut Tx, new: &NewDelivery) -> Result<(), StoreError> {
    for file in &new.lake_files {
        execute!(
            &mut *tx,
            INSERT_FILE,
            &file.path,
            &new.delivery_id,
            &file.dataset,
            period_number(file.period),
            i64::from(file.part),
            count(file.rows)?,
            count(file.bytes)?,
            &file.sha256,
            i64::from(file.schema_version)
        )?;
    }
    Ok(())
}

async fn insert_totals(tx: &mut Tx, new: &NewDelivery) -> Result<(), StoreError> {
    for (position, total) in (0_i64..).zip(&new.totals) {
        execute!(
            &mut *tx,
            INSERT_TOTAL,
            &new.delivery_id,
            position,
            period_number(total.period),
            total.currency.as_str(),
            &total.billing_account_id,
            &total.sub_account_id,
            count(total.rows)?,
            total.billed.to_string(),
            total.effective.to_string(),
            total.list.map(|list| list.to_string()),
            total.contracted.map(|contracted| contracted.to_string()),
            total.first_charge_us,
            total.last_usage_end_us,
            count(total.rows_with_invoice)?,
            total.billed_with_invoice.to_string()
        )?;
    }
    Ok(())
}

async fn insert_quarantine(tx: &mut Tx, new: &NewDelivery) -> Result<(), StoreError> {
    let Some(kept) = &new.quarantine else { return Ok(()) };
    execute!(
        &mut *tx,
        INSERT_QUARANTINE,
        &new.delivery_id,
        &kept.path,
        count(kept.rows)?,
        count(kept.rows_without_money)?
    )?;
    for (currency, money) in &kept.money {
        execute!(
            &mut *tx,
            INSERT_QUARANTINE_MONEY,
            &new.delivery_id,
            currency.as_str(),
            money.to_string()
        )?;
    }
    Ok(())
}

/// Supersedes what the source delivered for the period before: wholly, and only
/// it; what a provider that appends exported at other times stays.
async fn supersede(
    tx: &mut Tx,
    new: &NewDelivery,
    period: BillingPeriod,
    mode: ClaimMode,
) -> Result<Vec<Replaced>, StoreError> {
    let number = period_number(period);
    let new_window = new.exported.get(&period).copied();
    let earlier: Vec<(String, String, Option<i64>, Option<i64>)> =
        fetch_all!(&mut *tx, EARLIER, &new.source_id, number, &new.delivery_id)?;
    let mut replaced = Vec::new();
    for (delivery_id, state, first, last) in earlier {
        let was = DeliveryState::parse(&state).ok_or_else(|| Place("delivery_period").bad("state", &state))?;
        if mode == ClaimMode::Shadow && was.counts() {
            continue; // a shadow takes nothing from what counts
        }
        match Fate::of(export_window(first, last), new_window) {
            Fate::Replaced => {}
            Fate::Kept => continue,
            Fate::Torn => return Err(StoreError::Torn { delivery_id, period }),
        }
        execute!(&mut *tx, SUPERSEDE, &delivery_id, number, &new.delivery_id)?;
        execute!(&mut *tx, SUPERSEDE_WHOLE, &delivery_id)?;
        replaced.push(add_up(tx, delivery_id, period, was).await?);
    }
    Ok(replaced)
}

async fn add_up(
    tx: &mut Tx,
    delivery_id: String,
    period: BillingPeriod,
    was: DeliveryState,
) -> Result<Replaced, StoreError> {
    let totals: Vec<(String, i64, String, String)> =
        fetch_all!(tx, REPLACED_TOTALS, &delivery_id, period_number(period))?;
    let place = Place("charge_total");
    let mut replaced = Replaced {
        delivery_id,
        period,
        was,
        rows: 0,
        money: BTreeMap::new(),
    };
    for (currency, rows, billed, effective) in totals {
        replaced.rows += place.count(rows)?;
        let sum: &mut ReplacedMoney = replaced.money.entry(place.currency(&currency)?).or_default();
        sum.billed = add(sum.billed, place.money(&billed)?)?;
        sum.effective = add(sum.effective, place.money(&effective)?)?;
    }
    Ok(replaced)
}

fn add(sum: Money, amount: Money) -> Result<Money, StoreError> {
    sum.checked_add(amount)
        .map_err(|error| StoreError::backend(REPLACED_TOTALS.what, error))
}
