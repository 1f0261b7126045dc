//! The manifest as pages see it, read once per manifest version: whatever
//! counts can only change together with that number.

use super::App;
use super::cube::PeriodCube;
use super::invoices::Lines as InvoiceLines;
use crate::error::AppError;
use domain::allocate::CubeValue;
use domain::{BillingPeriod, Currency};
use lake::commitments::MonthCommitments;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use store::{DeliveredTotal, DeliveryRecord};

/// How often a report is made again because somebody committed meanwhile.
const STEADY_TRIES: u32 = 20;

/// What was read of a month's charges, once per manifest version.
pub(crate) struct ByMonth<T>(Mutex<HashMap<BillingPeriod, Arc<T>>>);

impl<T> Default for ByMonth<T> {
    fn default() -> ByMonth<T> {
        ByMonth(Mutex::default())
    }
}

impl<T> ByMonth<T> {
    pub(crate) fn get(&self, period: BillingPeriod) -> Option<Arc<T>> {
        self.0.lock().ok()?.get(&period).cloned()
    }

    pub(crate) fn keep(&self, period: BillingPeriod, read: &Arc<T>) {
        if let Ok(mut known) = self.0.lock() {
            known.insert(period, read.clone());
        }
    }
}

/// What was read of the database, kept until the manifest moves on.
pub(crate) struct AtVersion<T>(Mutex<Option<(i64, Arc<T>)>>);

impl<T> Default for AtVersion<T> {
    fn default() -> AtVersion<T> {
        AtVersion(Mutex::default())
    }
}

impl<T> AtVersion<T> {
    /// What was read at this version; else what `read` reads now. `version`
    /// must have been read before.
    pub(crate) async fn get<F>(&self, version: i64, read: F) -> Result<Arc<T>, AppError>
    where
        F: Future<Output = Result<T, AppError>>,
    {
        let known = self.0.lock().ok().and_then(|known| known.clone());
        if let Some((_, value)) = known.filter(|(at, _)| *at == version) {
            return Ok(value);
        }
        let value = Arc::new(read.await?);
        if let Ok(mut known) = self.0.lock() {
            *known = Some((version, value.clone()));
        }
        Ok(value)
    }
}

/// What the manifest said at a version.
pub(crate) struct View {
    /// The version.
    pub(crate) version: i64,
    /// Months with a bill that counts, oldest first.
    pub(crate) periods: Vec<BillingPeriod>,
    /// Control totals that count.
    pub(crate) totals: Vec<DeliveredTotal>,
    /// Every delivery ever.
    pub(crate) deliveries: Vec<DeliveryRecord>,
    /// Cubes known to be up to date at this version.
    cubes: Mutex<CubesByDays>,
    /// Sums of the charge files, read once per process and version.
    stored: Mutex<HashMap<BillingPeriod, StoredTotals>>,
    /// What the bills of months say of commitments.
    pub(crate) commitments: ByMonth<MonthCommitments>,
    /// Charges of months by the invoice they name.
    pub(crate) invoice_lines: ByMonth<InvoiceLines>,
}

/// Cubes by month, and by the number of its first days.
type CubesByDays = HashMap<(BillingPeriod, Option<i32>), Arc<PeriodCube>>;

/// What the charge files of a month add up to.
pub(crate) type StoredTotals = BTreeMap<Currency, CubeValue>;

impl View {
    pub(super) fn cube(&self, period: BillingPeriod, days: Option<i32>) -> Option<Arc<PeriodCube>> {
        self.cubes.lock().ok()?.get(&(period, days)).cloned()
    }

    pub(super) fn keep(&self, cube: &Arc<PeriodCube>) {
        if let Ok(mut cubes) = self.cubes.lock() {
            cubes.insert((cube.period, cube.days_cut), cube.clone());
        }
    }

    pub(crate) fn stored(&self, period: BillingPeriod) -> Option<StoredTotals> {
        self.stored.lock().ok()?.get(&period).cloned()
    }

    pub(crate) fn keep_stored(&self, period: BillingPeriod, totals: &StoredTotals) {
        if let Ok(mut stored) = self.stored.lock() {
            stored.insert(period, totals.clone());
        }
    }

    /// The control totals of a month.
    pub(crate) fn totals_of(&self, period: BillingPeriod) -> impl Iterator<Item = &DeliveredTotal> {
        self.totals.iter().filter(move |held| held.total.period == period)
    }
}

impl App {
    /// The manifest as of now.
    pub(crate) async fn view(&self) -> Result<Arc<View>, AppError> {
        let store = self.inner().store;
        loop {
            let version = store.manifest_version().await?;
            if let Some(view) = self.cubes.view(version) {
                return Ok(view);
            }
            let view = View {
                version,
                periods: store.periods().await?,
                totals: store.active_totals(None).await?,
                deliveries: store.deliveries(None).await?,
                cubes: Mutex::default(),
                stored: Mutex::default(),
                commitments: ByMonth::default(),
                invoice_lines: ByMonth::default(),
            };
            // three reads are one picture only if nobody committed meanwhile
            if store.manifest_version().await? == version {
                return Ok(self.cubes.keep_view(view));
            }
        }
    }

    /// Makes a report again until nobody committed meanwhile, so that bill,
    /// cube and context in it are of one manifest. Allocations that the report
    /// itself had to make count as commits: it is made once more, from memory.
    ///
    /// # Errors
    /// What the report ends in; [`AppError::Held`] when commits never pause.
    pub(crate) async fn steady<T, F>(&self, report: impl Fn() -> F) -> Result<T, AppError>
    where
        F: Future<Output = Result<T, AppError>>,
    {
        for _ in 0..STEADY_TRIES {
            let version = self.store.manifest_version().await?;
            let answer = report().await;
            if self.store.manifest_version().await? == version {
                return answer;
            }
        }
        Err(AppError::Held {
            what: "the bills change faster than a report can be made".to_owned(),
            remedy: "try again when the running ingest is done".to_owned(),
        })
    }
}
