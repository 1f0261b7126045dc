//! The manifest as pages see it, read once per manifest version: whatever
//! counts can only change together with that number.

use super::App;
use super::cube::PeriodCube;
use crate::error::AppError;
use domain::allocate::CubeValue;
use domain::{BillingPeriod, Currency};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use store::{DeliveredTotal, DeliveryRecord};

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
    cubes: Mutex<HashMap<BillingPeriod, Arc<PeriodCube>>>,
    /// Sums of the charge files, read once per process and version.
    stored: Mutex<HashMap<BillingPeriod, StoredTotals>>,
}

/// What the charge files of a month add up to.
pub(crate) type StoredTotals = BTreeMap<Currency, CubeValue>;

impl View {
    pub(super) fn cube(&self, period: BillingPeriod) -> Option<Arc<PeriodCube>> {
        self.cubes.lock().ok()?.get(&period).cloned()
    }

    pub(super) fn keep(&self, cube: &Arc<PeriodCube>) {
        if let Ok(mut cubes) = self.cubes.lock() {
            cubes.insert(cube.period, cube.clone());
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
        loop {
            let version = self.store.manifest_version().await?;
            if let Some(view) = self.cubes.view(version) {
                return Ok(view);
            }
            let view = View {
                version,
                periods: self.store.periods().await?,
                totals: self.store.active_totals(None).await?,
                deliveries: self.store.deliveries(None).await?,
                cubes: Mutex::default(),
                stored: Mutex::default(),
            };
            // three reads are one picture only if nobody committed meanwhile
            if self.store.manifest_version().await? == version {
                return Ok(self.cubes.keep_view(view));
            }
        }
    }
}
