//! Is the data in, and whole? Sources, deliveries, findings.

use super::context::{data_through, is_fresh};
use super::finding;
use crate::app::App;
use crate::app::ingest::by_period;
use crate::error::AppError;
use domain::BillingPeriod;
use domain::instant::{DAY_US, Day, Instant};
use domain::usage::Hour;
use frontend::query::PageQuery;
use std::collections::{BTreeMap, BTreeSet};
use store::{DeliveredTotal, DeliveryRecord, DeliveryState, UsageDayRow, UsageDeliveryRow};
use wire::{ClusterFacts, Delivery, DeliveryPeriod, FactsGap, Holding, Source, SourcesPage, UsageDelivery};

/// Facts of a cluster are fresh while they reach this close to now, or to the end of a period that has passed.
const FACTS_FRESH_DAYS: i64 = 3;

impl App {
    /// The Sources page.
    ///
    /// # Errors
    /// When there is no bill, or the machinery failed.
    pub async fn sources_page(&self, query: &PageQuery) -> Result<SourcesPage, AppError> {
        self.reads_estate()?;
        let ground = self.ground(query).await?;
        let view = self.view().await?;
        let (totals, records) = (&view.totals, &view.deliveries);
        let now = self.clock.now();
        let mut sources = Vec::new();
        for record in self.store.sources().await? {
            let id = record.source_id;
            let mut own: Vec<&DeliveryRecord> = records.iter().filter(|d| d.source_id == id).collect();
            own.sort_by_key(|d| std::cmp::Reverse(d.version));
            let held: Vec<&DeliveredTotal> = totals.iter().filter(|t| t.source_id == id).collect();
            let newest = own.first();
            sources.push(Source {
                provider: own.iter().find_map(|d| d.provider.clone()).unwrap_or_default(),
                format: newest.map(|d| format_of(d)).unwrap_or_default(),
                holds: holdings(&held),
                deliveries: own.iter().map(|d| delivery(d, None)).collect::<Result<_, _>>()?,
                data_through: data_through(held.iter().copied()),
                last_error: self.schedules.error_of(&id),
                fresh: is_fresh(&id, totals, records, now),
                id,
            });
        }
        let allocations = self.store.allocations().await?;
        let of_period = allocations.iter().filter(|a| a.period == ground.period);
        let findings = of_period.flat_map(|a| a.findings.iter().map(finding)).collect();
        let clusters = self.cluster_facts(ground.period).await?;
        let usage = self.store.usage_deliveries().await?;
        let drivers = self.driver_facts(ground.period).await?;
        let driver_deliveries = self.store.driver_deliveries().await?;
        Ok(SourcesPage {
            context: ground.context,
            sources,
            clusters,
            usage: usage.iter().rev().map(usage_delivery).collect(),
            drivers,
            driver_deliveries: driver_deliveries.iter().rev().map(usage_delivery).collect(),
            schedules: self.schedules.shown(),
            findings,
        })
    }

    /// How far the facts of each cluster reach in a period.
    async fn cluster_facts(&self, period: BillingPeriod) -> Result<Vec<ClusterFacts>, AppError> {
        let end = period.next().first_day();
        let days = self.store.usage_days(period.first_day(), end).await?;
        let names: BTreeMap<String, String> = self.store.clusters().await?.into_iter().collect();
        // what may be missing at the end: a period that has passed wants all of it
        let wanted = self.clock.now().min(end.start());
        let rows = days.chunk_by(|one, two| one.cluster_id == two.cluster_id);
        Ok(rows.filter_map(|rows| facts(&names, rows, wanted)).collect())
    }

    /// Files of the lake that hold a period's charges.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn lake_files(&self, period: BillingPeriod) -> Result<Vec<store::ActiveFile>, AppError> {
        self.reads_estate()?;
        Ok(self.store.active_files(Some(period)).await?)
    }

    /// Files of the lake that hold a period's container-days, of its last allocation.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn container_day_files(&self, period: BillingPeriod) -> Result<Vec<store::AllocationFile>, AppError> {
        self.reads_estate()?;
        let row = self.store.allocation(period).await?;
        Ok(row.map(|row| row.files).unwrap_or_default())
    }

    /// What a page is about, without its figures.
    pub(crate) async fn page_context(&self, query: &PageQuery) -> Result<wire::Context, AppError> {
        Ok(self.ground(query).await?.context)
    }
}

/// The days of one cluster in order, as facts and gaps.
fn facts(names: &BTreeMap<String, String>, rows: &[UsageDayRow], wanted: Instant) -> Option<ClusterFacts> {
    let (first, last) = (rows.first()?, rows.last()?);
    let through = Hour(rows.iter().map(|row| row.last_hour).max()?.checked_add(1)?).start();
    let by_day: BTreeMap<Day, &UsageDayRow> = rows.iter().map(|row| (row.day, row)).collect();
    let missing = |row: &UsageDayRow| row.ready_s.saturating_sub(row.observed_s);
    let gap = |day: Day| {
        let unobserved_s = by_day.get(&day).map(|row| missing(row));
        (unobserved_s != Some(0)).then(|| FactsGap {
            day: day.to_string(),
            unobserved_s,
        })
    };
    Some(ClusterFacts {
        id: first.cluster_id.clone(),
        name: names.get(&first.cluster_id).unwrap_or(&first.cluster_id).clone(),
        facts_through: through.to_string(),
        fresh: wanted.0 - through.0 <= FACTS_FRESH_DAYS * DAY_US,
        days: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        gaps: (first.day.0..=last.day.0).filter_map(|day| gap(Day(day))).collect(),
        ready_s: rows.iter().map(|row| row.ready_s).sum(),
        unobserved_s: rows.iter().map(missing).sum(),
    })
}

fn usage_delivery(row: &UsageDeliveryRow) -> UsageDelivery {
    UsageDelivery {
        delivery_id: row.delivery_id.clone(),
        source: row.source_id.clone(),
        origin: row.origin.clone(),
        received_at: Instant(row.received_us).to_string(),
        rows: row.rows,
        rejected_rows: row.rejected_rows,
        findings: row.findings.iter().map(finding).collect(),
    }
}

fn format_of(record: &DeliveryRecord) -> String {
    format!("{} {}", record.format, record.format_version.as_deref().unwrap_or(""))
        .trim()
        .to_owned()
}

fn holdings(held: &[&DeliveredTotal]) -> Vec<Holding> {
    let mut periods: BTreeMap<&str, BTreeSet<BillingPeriod>> = BTreeMap::new();
    for total in held {
        periods
            .entry(&total.total.billing_account_id)
            .or_default()
            .insert(total.total.period);
    }
    let holding = |(account, periods): (&str, BTreeSet<BillingPeriod>)| {
        let (first, last) = (periods.first()?, periods.last()?);
        Some(Holding {
            account: account.to_owned(),
            first_period: first.to_string(),
            last_period: last.to_string(),
            periods: u32::try_from(periods.len()).unwrap_or(u32::MAX),
        })
    };
    periods.into_iter().filter_map(holding).collect()
}

/// A delivery as it travels; with a period, as it stands there.
pub(in crate::app) fn delivery(record: &DeliveryRecord, period: Option<BillingPeriod>) -> Result<Delivery, AppError> {
    let here = period.and_then(|period| record.periods.iter().find(|p| p.period == period));
    let state = match here.map_or(record.state, |p| p.state) {
        DeliveryState::Open => wire::DeliveryState::Open,
        DeliveryState::Final => wire::DeliveryState::Final,
        DeliveryState::Superseded => wire::DeliveryState::Superseded,
        DeliveryState::Shadow => wire::DeliveryState::Shadow,
    };
    let periods = by_period(&record.totals)?
        .into_iter()
        .filter(|p| period.is_none_or(|wanted| p.billing_period == wanted));
    Ok(Delivery {
        delivery_id: record.delivery_id.clone(),
        source: record.source_id.clone(),
        format: format_of(record),
        received_at: Instant(record.received_us).to_string(),
        state,
        periods: periods
            .map(|p| DeliveryPeriod {
                billing_period: p.billing_period.to_string(),
                currency: p.currency.to_string(),
                rows: p.rows,
                billed_cost: p.billed_cost.to_string(),
                effective_cost: p.effective_cost.to_string(),
            })
            .collect(),
        rejected_rows: record.rejected_rows,
        findings: record.findings.iter().map(finding).collect(),
    })
}
