//! What a month's allocation must know beside its bill and the rules: the fees
//! on an amortisation schedule of the bills up to it (A24), with the
//! roll-forward of what is prepaid, and by when usage is known while it is open
//! (A23).

use super::allocate::{ActiveRules, charge_file};
use super::{App, hash_of};
use crate::error::AppError;
use domain::allocate::Program;
use domain::apportion::apportion;
use domain::instant::Instant;
use domain::price::schedule::{Fee, ScheduleMonth, in_month};
use domain::price::{Policy, Through};
use domain::{BillingPeriod, Currency, Money};
use lake::ChargeFile;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use store::{DeliveredTotal, DeliveryState};
use wire::PrepaidFee;

/// Files whose fees are kept: a few years of several sources.
const KEPT_FILES: usize = 4_096;

/// The fees of charge files, by path and by what was looked for: a file is
/// written once, so what was read of it stays true.
#[derive(Default)]
pub(super) struct FeeCache(Mutex<HashMap<Looked, Arc<[Fee]>>>);

/// Path of a file, and what was looked for in it.
type Looked = (String, String);

impl FeeCache {
    fn get(&self, key: &(String, String)) -> Option<Arc<[Fee]>> {
        self.0.lock().ok()?.get(key).cloned()
    }

    fn put(&self, key: (String, String), fees: Arc<[Fee]>) {
        if let Ok(mut known) = self.0.lock() {
            if known.len() >= KEPT_FILES {
                known.clear();
            }
            known.insert(key, fees);
        }
    }
}

impl App {
    /// The rules in force, ready to run for a month.
    pub(crate) async fn program_for(&self, period: BillingPeriod) -> Result<(Program, ActiveRules), AppError> {
        let (program, rules) = self.active_program().await?;
        Ok((self.for_month(program, period).await?, rules))
    }

    /// A program that knows of a month by when usage is known, while it is open,
    /// and the fees that its policy finds in the bills up to it.
    pub(crate) async fn for_month(&self, mut program: Program, period: BillingPeriod) -> Result<Program, AppError> {
        program.prices.through = Arc::new(self.through(period).await?);
        if !program.prices.has_schedules() {
            return Ok(program);
        }
        let files = self.store.active_files(None).await?;
        let wanted = looked_for(&program);
        let mut fees: Vec<Fee> = Vec::new();
        let mut unread: Vec<ChargeFile> = Vec::new();
        for file in files.iter().filter(|file| file.period <= period) {
            match self.fees.get(&(file.path.clone(), wanted.clone())) {
                Some(known) => fees.extend(known.iter().cloned()),
                None => unread.push(charge_file(file)),
            }
        }
        if !unread.is_empty() {
            let (lake, task_program) = (self.lake.clone(), program.clone());
            let read = self.heavy("cannot look for fees", move || {
                let read = unread.into_iter().map(|file| {
                    let fees = lake::fees(&lake, std::slice::from_ref(&file), &task_program)?;
                    Ok((file.path, Arc::<[Fee]>::from(fees)))
                });
                read.collect::<Result<Vec<_>, AppError>>()
            });
            for (path, found) in read.await? {
                fees.extend(found.iter().cloned());
                self.fees.put((path, wanted.clone()), found);
            }
        }
        fees.sort();
        program.prices.fees = fees.into();
        Ok(program)
    }

    /// End of the last usage of billing accounts of which a delivery of the
    /// month is still open.
    async fn through(&self, period: BillingPeriod) -> Result<Through, AppError> {
        let held = self.store.active_totals(Some(period)).await?;
        let account = |total: &DeliveredTotal| total.total.billing_account_id.trim().to_owned();
        let of_state = held.iter().filter(|total| total.state == DeliveryState::Open);
        let open: BTreeSet<String> = of_state.map(account).collect();
        let mut through = Through::new();
        for total in &held {
            let account = account(total);
            if let (true, Some(end_us)) = (open.contains(&account), total.total.last_usage_end_us) {
                let known: &mut Instant = through.entry((account, period)).or_insert(Instant(end_us));
                *known = (*known).max(Instant(end_us));
            }
        }
        Ok(through)
    }

    /// What is prepaid of every fee on a schedule in a month, by currency.
    pub(super) async fn prepaid_fees(&self, period: BillingPeriod) -> Result<Vec<PrepaidFee>, AppError> {
        let (program, _) = self.program_for(period).await?;
        let mut rows: BTreeMap<(String, String), [Money; 5]> = BTreeMap::new();
        let mut shown: BTreeMap<(String, String), PrepaidFee> = BTreeMap::new();
        for month in months_of(&program.prices.fees, period)? {
            let key = (month.fee.currency.to_string(), id_of(month.fee));
            let amounts = [
                month.opening,
                month.purchases,
                month.amortised,
                month.refunds,
                month.closing,
            ];
            // lines that nothing tells apart are one fee
            let sums = rows.entry(key.clone()).or_default();
            for (sum, amount) in sums.iter_mut().zip(amounts) {
                *sum = sum.checked_add(amount)?;
            }
            let _ = shown.entry(key).or_insert_with_key(|(_, id)| row(id, &month));
        }
        let rows = rows.into_iter().filter_map(|(key, sums)| {
            let [opening, purchases, amortised, refunds, closing] = sums.map(|sum| sum.to_string());
            Some(PrepaidFee {
                opening,
                purchases,
                amortised,
                refunds,
                closing,
                ..shown.remove(&key)?
            })
        });
        Ok(rows.collect())
    }
}

/// The schedules that matter to a month.
fn months_of(fees: &[Fee], period: BillingPeriod) -> Result<Vec<ScheduleMonth<'_>>, AppError> {
    in_month(fees, period, apportion).map_err(|error| AppError::broken("cannot spread fees over their terms", error))
}

/// What decides which lines of a file are fees, and what is kept of them.
fn looked_for(program: &Program) -> String {
    let columns = program.columns().into_iter().collect::<Vec<_>>().join("\n");
    hash_of([
        program.prices.schedules_text().as_bytes(),
        columns.as_bytes(),
        include_str!("../../../assets/presets/classes.yaml").as_bytes(),
    ])
}

/// Everything of them that an allocation depends on.
pub(super) fn known_hash(prices: &Policy) -> String {
    let (fees, through) = (&prices.fees, &prices.through);
    if fees.is_empty() && through.is_empty() {
        return String::new();
    }
    let fees = fees.iter().map(|fee| format!("{fee:?}"));
    let texts: Vec<String> = fees.chain([format!("{through:?}")]).collect();
    hash_of(texts.iter().map(String::as_bytes))
}

/// What schedules add to a month's effective cost, by currency, as their
/// roll-forward says: amortised, less what was paid.
pub(super) fn moved_between_months(fees: &[Fee], period: BillingPeriod) -> Result<BTreeMap<Currency, Money>, AppError> {
    let mut sums: BTreeMap<Currency, Money> = BTreeMap::new();
    for month in months_of(fees, period)? {
        let paid = month.purchases.checked_sub(month.refunds)?;
        let sum = sums.entry(month.fee.currency.clone()).or_default();
        *sum = sum.checked_add(month.amortised)?.checked_sub(paid)?;
    }
    Ok(sums)
}

/// The same over the years: what the bill says of a fee, not where it says it.
fn id_of(fee: &Fee) -> String {
    let text = format!(
        "{:?}",
        (
            &fee.attributes,
            &fee.resource,
            &fee.currency,
            fee.period,
            fee.span,
            fee.effective
        )
    );
    format!("fee-{}", &hash_of([text.as_bytes()])[..12])
}

fn row(id: &str, month: &ScheduleMonth<'_>) -> PrepaidFee {
    let of = |column| month.fee.attributes.column(column).unwrap_or("").to_owned();
    let service = of("ServiceName");
    let name = Some(of("ChargeDescription")).filter(|text| !text.trim().is_empty());
    PrepaidFee {
        id: id.to_owned(),
        name: name.unwrap_or_else(|| service.clone()),
        service,
        account: of("SubAccountId"),
        currency: month.fee.currency.to_string(),
        start: month.fee.span.first_day().to_string(),
        end: month.end.to_string(),
        opening: String::new(),
        purchases: String::new(),
        amortised: String::new(),
        refunds: String::new(),
        closing: String::new(),
    }
}
