//! What a page's figures are about: period, currency, basis, freshness.

use crate::app::App;
use crate::app::cube::{PeriodCube, amount};
use crate::app::view::View;
use crate::error::AppError;
use domain::instant::{DAY_US, Instant};
use domain::{BillingPeriod, Money};
use frontend::query::PageQuery;
use std::sync::Arc;
use store::{DeliveredTotal, DeliveryState};
use wire::{Basis, Context, PeriodState};

/// A source is fresh while its last delivery of the open month is younger.
const FRESH_DAYS: i64 = 3;

/// The figures of a page and what they are about.
pub(super) struct Ground {
    pub(super) period: BillingPeriod,
    pub(super) against: Option<BillingPeriod>,
    /// Days of an unfinished month with data; `None` when it is complete.
    pub(super) days: Option<i32>,
    /// Days of the period compared with, when it is the one that is unfinished.
    pub(super) against_days: Option<i32>,
    pub(super) currency: String,
    pub(super) basis: Basis,
    pub(super) cube: Arc<PeriodCube>,
    /// The period compared with: its first `days` while this one is unfinished.
    pub(super) prior: Option<Arc<PeriodCube>>,
    /// All of it.
    pub(super) prior_whole: Option<Arc<PeriodCube>>,
    pub(super) context: Context,
    pub(super) periods: Vec<BillingPeriod>,
}

fn month(text: &str) -> Result<BillingPeriod, AppError> {
    text.parse()
        .map_err(|error: domain::period::PeriodError| AppError::usage(error.to_string(), "periods are months"))
}

impl App {
    /// Fills in what a query leaves open: the newest period, the largest
    /// currency, the period before.
    pub(super) async fn ground(&self, query: &PageQuery) -> Result<Ground, AppError> {
        let view = self.view().await?;
        let periods = view.periods.clone();
        let asked = query.period.as_deref().map(month).transpose()?;
        let period = self.period_or_newest(asked).await?;
        let cube = crate::app::allocate::load(self, period).await?;
        let currency = pick_currency(&cube, query)?;
        let against = match query.against.as_deref().map(month).transpose()? {
            Some(wanted) => periods.contains(&wanted).then_some(wanted),
            None => periods.contains(&period.previous()).then(|| period.previous()),
        };
        let (totals, received) = (&view.totals, &view.deliveries);
        let now = self.clock.now();
        let sources: std::collections::BTreeSet<&str> = totals.iter().map(|t| t.source_id.as_str()).collect();
        let fresh = sources
            .iter()
            .filter(|source| is_fresh(source, totals, received, now))
            .count();
        let state = state_of(&view, period);
        let through = data_through(view.totals_of(period));
        let days = unfinished(period, state, through.as_deref());
        let against_days = against
            .and_then(|against| {
                let through = data_through(view.totals_of(against));
                unfinished(against, state_of(&view, against), through.as_deref())
            })
            .filter(|seen| days.is_none_or(|days| *seen < days));
        let (mut prior, mut prior_whole) = (None, None);
        if let Some(against) = against {
            prior_whole = Some(crate::app::allocate::load(self, against).await?);
            prior = Some(crate::app::allocate::load_days(self, against, days).await?);
        }
        let counts = |id: &str| totals.iter().any(|t| t.delivery_id == id && t.total.period == period);
        let as_of = received
            .iter()
            .filter(|d| counts(&d.delivery_id))
            .map(|d| Instant(d.received_us))
            .max();
        let context = Context {
            period: period.to_string(),
            periods: periods.iter().map(ToString::to_string).collect(),
            currency: currency.clone(),
            currencies: cube.currencies.iter().map(ToString::to_string).collect(),
            basis: query.basis,
            against: against.map(|p| p.to_string()),
            as_of: as_of.map(|i| i.to_string()),
            data_through: through,
            state,
            sources_fresh: u32::try_from(fresh).unwrap_or(u32::MAX),
            sources_total: u32::try_from(sources.len()).unwrap_or(u32::MAX),
            stale: fresh < sources.len(),
        };
        Ok(Ground {
            period,
            against,
            days,
            against_days,
            currency,
            basis: query.basis,
            cube,
            prior,
            prior_whole,
            context,
            periods,
        })
    }

    /// The 13 months that end with this one; `None` where there is no bill.
    pub(super) async fn year_and_month(
        &self,
        ground: &Ground,
    ) -> Result<Vec<(BillingPeriod, Option<Arc<PeriodCube>>)>, AppError> {
        let mut months = Vec::with_capacity(13);
        let mut period = ground.period;
        for _ in 0..13 {
            let cube = if ground.periods.contains(&period) {
                Some(crate::app::allocate::load(self, period).await?)
            } else {
                None
            };
            months.push((period, cube));
            period = period.previous();
        }
        months.reverse();
        Ok(months)
    }
}

/// Estimated while a delivery of the month is still open.
fn state_of(view: &View, period: BillingPeriod) -> PeriodState {
    let open = view.totals_of(period).any(|t| t.state == DeliveryState::Open);
    if open {
        PeriodState::Estimated
    } else {
        PeriodState::Actual
    }
}

/// Days of a month that are there while it is unfinished: it is compared with
/// the same days of another, never with the whole of it.
fn unfinished(period: BillingPeriod, state: PeriodState, through: Option<&str>) -> Option<i32> {
    let date: chrono::NaiveDate = through?.parse().ok()?;
    let seen = domain::instant::Day::from_date(date).0 - period.first_day().0 + 1;
    (state == PeriodState::Estimated && (1..period.days()).contains(&seen)).then_some(seen)
}

/// Last day with usage: from usage rows only, since fees and commitments are
/// also billed for days to come.
pub(super) fn data_through<'a>(totals: impl Iterator<Item = &'a DeliveredTotal>) -> Option<String> {
    let end = totals.filter_map(|t| t.total.last_usage_end_us).max()?;
    Some(Instant(end - 1).day().to_string())
}

/// Whether a source delivered lately, if anything is still to come from it.
pub(super) fn is_fresh(
    source: &str,
    totals: &[DeliveredTotal],
    received: &[store::DeliveryRecord],
    now: Instant,
) -> bool {
    let newest = totals
        .iter()
        .filter(|t| t.source_id == source)
        .map(|t| t.total.period)
        .max();
    // a source without a bill for this or the last month has simply ended or stopped
    let last = received
        .iter()
        .filter(|d| d.source_id == source)
        .map(|d| d.received_us)
        .max()
        .unwrap_or(0);
    let current = BillingPeriod::of(now);
    newest.is_some_and(|period| period >= current.previous()) && now.0 - last <= FRESH_DAYS * DAY_US
}

fn pick_currency(cube: &PeriodCube, query: &PageQuery) -> Result<String, AppError> {
    let known: Vec<&str> = cube.currencies.iter().map(domain::Currency::as_str).collect();
    if let Some(wanted) = &query.currency {
        let wanted = wanted.to_ascii_uppercase();
        return if known.contains(&wanted.as_str()) {
            Ok(wanted)
        } else {
            Err(AppError::usage(
                format!("{} has no cost in {wanted}", cube.period),
                format!("use one of {}", known.join(", ")),
            ))
        };
    }
    let mut best: Option<(Money, &str)> = None;
    for (code, currency) in cube.currencies.iter().enumerate() {
        let lines = (0..cube.values.len()).filter(|line| cube.currency[*line] as usize == code);
        let total = Money::sum(lines.map(|line| amount(&cube.values[line], query.basis)))?.abs();
        if best.is_none_or(|(most, _)| total > most) {
            best = Some((total, currency.as_str()));
        }
    }
    best.map(|(_, code)| code.to_owned()).ok_or(AppError::NoData)
}
