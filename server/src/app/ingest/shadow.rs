//! Shadows: deliveries that are compared and never counted (A25).

use super::{ShadowComparison, by_period, unknown_account};
use crate::app::App;
use crate::error::AppError;
use domain::{BillingPeriod, Currency, Money};
use std::collections::BTreeMap;
use store::TotalRow;

impl App {
    /// A shadow against what counts (A25), by billing account: the one who
    /// holds a bill may name sub-accounts that the shadow does not, or the
    /// other way round. A shadow without an account is compared with everything.
    pub(super) async fn compare_shadow(
        &self,
        source: &str,
        shadow: &[TotalRow],
    ) -> Result<Vec<ShadowComparison>, AppError> {
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
}
