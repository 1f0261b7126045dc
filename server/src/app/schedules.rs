//! What `tonnage serve` takes in by itself, again and again, and how the last
//! attempt went. Every attempt is an ordinary ingest: what is there already
//! changes nothing, so several servers may run the same schedules.

use super::App;
use super::ingest::{IngestBilling, Ingested};
use crate::error::AppError;
use domain::BillingPeriod;
use domain::instant::Instant;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A bill that is taken in again and again.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// What to take in, and how.
    pub request: IngestBilling,
    /// From the end of an attempt to the next.
    pub every: Duration,
    /// The same as it was written: `6h`.
    pub written: String,
}

impl Schedule {
    /// What is taken in, without the secrets of an address.
    pub(crate) fn shown_paths(&self) -> Vec<String> {
        let paths = self.request.paths.iter();
        paths.map(|path| crate::config::without_secrets(path)).collect()
    }
}

/// How the last attempt of a schedule went.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastRun {
    /// When it ended.
    at: Option<Instant>,
    /// What came of it, in words; an error when it failed.
    result: Option<Result<String, String>>,
}

/// The schedules of this server.
#[derive(Debug, Default)]
pub(crate) struct Schedules(Mutex<Vec<(Schedule, LastRun)>>);

impl Schedules {
    fn each<T>(&self, mut of: impl FnMut(&mut (Schedule, LastRun)) -> T) -> Vec<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut().map(&mut of).collect()
    }

    /// Why the last attempt for a source failed.
    pub(crate) fn error_of(&self, source: &str) -> Option<String> {
        let of = |(schedule, last): &mut (Schedule, LastRun)| match &last.result {
            Some(Err(error)) if schedule.request.source.as_deref() == Some(source) => Some(error.clone()),
            _ => None,
        };
        self.each(of).into_iter().flatten().next()
    }

    /// All, for people.
    pub(crate) fn shown(&self) -> Vec<wire::Schedule> {
        self.each(|(schedule, last)| {
            let next = last
                .at
                .map(|at| Instant(at.0 + i64::try_from(schedule.every.as_micros()).unwrap_or(i64::MAX - at.0)));
            wire::Schedule {
                paths: schedule.shown_paths(),
                source: schedule.request.source.clone(),
                every: schedule.written.clone(),
                last_run: last.at.map(|at| at.to_string()),
                next_run: next.map(|at| at.to_string()),
                failed: matches!(last.result, Some(Err(_))),
                result: last.result.clone().map(|result| match result {
                    Ok(text) | Err(text) => text,
                }),
            }
        })
    }
}

impl App {
    /// Names what this server takes in by itself.
    pub(crate) fn set_schedules(&self, schedules: &[Schedule]) {
        let mut all = self.schedules.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all = schedules.iter().map(|one| (one.clone(), LastRun::default())).collect();
    }

    /// Takes a bill in and brings the allocations of its periods up to date.
    ///
    /// # Errors
    /// As ingest and allocation do.
    pub async fn take_in(
        &self,
        request: &IngestBilling,
        progress: Arc<dyn Fn(lake::ingest::Progress) + Send + Sync>,
    ) -> Result<Ingested, AppError> {
        let ingested = self.ingest_billing(request, progress).await?;
        if request.shadow || request.dry_run {
            return Ok(ingested);
        }
        let mut periods: Vec<BillingPeriod> = ingested.periods.iter().map(|p| p.billing_period).collect();
        periods.dedup();
        let counted = self.store.periods().await?;
        for period in periods.into_iter().filter(|period| counted.contains(period)) {
            self.allocate(Some(period)).await?;
        }
        Ok(ingested)
    }

    /// One attempt of a schedule, kept for the Sources page and told in the log.
    pub(crate) async fn run_schedule(&self, number: usize, schedule: &Schedule) {
        let paths = schedule.shown_paths().join(" ");
        let result = match self.take_in(&schedule.request, Arc::new(|_| {})).await {
            Ok(ingested) if ingested.unchanged => Ok("nothing new".to_owned()),
            Ok(ingested) => {
                let rows: u64 = ingested.periods.iter().map(|period| period.rows).sum();
                tracing::info!(%paths, delivery = %ingested.delivery_id, rows, "a bill is in");
                Ok(format!("delivery {} with {rows} rows", ingested.delivery_id))
            }
            Err(error) => {
                tracing::warn!(%paths, error = %error.chain(), "a bill could not be taken in");
                Err(error.chain())
            }
        };
        let at = self.clock.now();
        let mut all = self.schedules.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, last)) = all.get_mut(number) {
            *last = LastRun {
                at: Some(at),
                result: Some(result),
            };
        }
    }
}
