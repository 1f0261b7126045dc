//! What did we commit to, how well is it used, and when does it end?

use crate::app::App;
use crate::app::allocate::charge_file;
use crate::error::AppError;
use domain::commitment::{roll_forward, share_permille};
use domain::contract::Contract;
use domain::instant::{DAY_US, Day, Instant};
use domain::{BillingPeriod, Currency, Money};
use frontend::query::PageQuery;
use lake::ChargeFile;
use lake::commitments::{CommitmentMonth, MonthCommitments};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::{Commitment, CommitmentsPage, ExpiryStep, Prepaid, ServiceCoverage};

/// Months of a trend, the one shown included.
const TREND_MONTHS: usize = 6;
/// Steps of the expiry ladder: days from now, and in words.
const STEPS: [(i64, &str); 5] = [
    (0, "ended"),
    (30, "within 30 days"),
    (60, "in 31 to 60 days"),
    (90, "in 61 to 90 days"),
    (365, "in 91 to 365 days"),
];
const LATER: &str = "in more than a year";
const UNKNOWN: &str = "end unknown";

impl App {
    /// The Commitments page.
    ///
    /// # Errors
    /// When there is no bill, or the lake cannot be read.
    pub async fn commitments_page(&self, query: &PageQuery) -> Result<CommitmentsPage, AppError> {
        self.reads_estate()?;
        let ground = self.ground(query).await?;
        let mut months: Vec<(BillingPeriod, Option<Arc<MonthCommitments>>)> = Vec::with_capacity(TREND_MONTHS);
        let mut period = ground.period;
        for _ in 0..TREND_MONTHS {
            let there = ground.periods.contains(&period);
            months.push((
                period,
                if there {
                    Some(self.month_commitments(period).await?)
                } else {
                    None
                },
            ));
            period = period.previous();
        }
        months.reverse();
        let Some((_, Some(month))) = months.last() else {
            return Err(AppError::NoData);
        };
        let now = self.clock.now();
        let contracts = self.store.contracts().await?;
        let mut sized = Vec::with_capacity(month.commitments.len());
        for ((id, currency), of) in &month.commitments {
            let size = of.used.checked_add(of.unused)?;
            let trend = months.iter().map(|(period, month)| {
                let key = (id.clone(), currency.clone());
                let then = month.as_ref().and_then(|month| month.commitments.get(&key));
                let share = then.map_or(Ok(None), |then| share_permille(then.used, then.unused))?;
                Ok((period.to_string(), share))
            });
            let trend = trend.collect::<Result<Vec<_>, AppError>>()?;
            let contract = contracts.iter().find(|one| one.id.eq_ignore_ascii_case(id));
            sized.push((size, commitment(id, currency, of, contract, (trend, now))?));
        }
        for contract in unbilled(&contracts, month, ground.period) {
            let currency = contract.currency.clone().unwrap_or_else(Currency::unknown);
            let nothing = CommitmentMonth::default();
            let trend = months.iter().map(|(period, _)| (period.to_string(), None)).collect();
            let shown = commitment(&contract.id, &currency, &nothing, Some(contract), (trend, now))?;
            let shown = Commitment {
                in_bill: false,
                ..shown
            };
            sized.push((Money::ZERO, shown));
        }
        sized.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        let coverage = month.coverage.iter().map(|((service, currency), of)| {
            Ok(ServiceCoverage {
                service: service.clone(),
                currency: currency.to_string(),
                covered: of.covered.to_string(),
                on_demand: of.on_demand.to_string(),
                // all that was covered may lack a list price: then nothing is known
                coverage_permille: if of.covered.is_zero() && of.unlisted > 0 {
                    None
                } else {
                    share_permille(of.covered, of.on_demand)?
                },
                unlisted: of.unlisted,
            })
        });
        Ok(CommitmentsPage {
            context: ground.context,
            coverage: coverage.collect::<Result<_, AppError>>()?,
            expiry: ladder(&sized)?,
            commitments: sized.into_iter().map(|(_, commitment)| commitment).collect(),
        })
    }

    /// What of every commitment and of every fee on a schedule is prepaid, month by month from the first bill to
    /// the given month, else the newest (A8, A24):
    /// opening + purchases - amortised - refunds = closing.
    ///
    /// # Errors
    /// When there is no bill, or the lake cannot be read.
    pub async fn prepaid(&self, last: Option<BillingPeriod>) -> Result<Vec<Prepaid>, AppError> {
        self.reads_estate()?;
        let last = self.period_or_newest(last).await?;
        let periods: Vec<BillingPeriod> = self
            .store
            .periods()
            .await?
            .into_iter()
            .filter(|of| *of <= last)
            .collect();
        let mut months = Vec::with_capacity(periods.len());
        for period in &periods {
            months.push(self.month_commitments(*period).await?);
        }
        let ids: BTreeSet<&(String, Currency)> = months.iter().flat_map(|month| month.commitments.keys()).collect();
        let mut rows = Vec::new();
        for key in ids {
            let of = |month: &Arc<MonthCommitments>| month.commitments.get(key).cloned();
            let movements = months.iter().map(|month| {
                let month = of(month).unwrap_or_default();
                Ok((month.bought, month.used.checked_add(month.unused)?))
            });
            let movements = movements.collect::<Result<Vec<_>, AppError>>()?;
            let name = months.iter().filter_map(of).find_map(|month| month.terms.name);
            let rolls = roll_forward(movements)?;
            let first = rolls
                .iter()
                .position(|roll| !roll.purchases.is_zero() || !roll.amortised.is_zero());
            // bought before the first bill there is, or on another bill
            let known = rolls.iter().all(|roll| roll.closing.units() >= 0);
            let balance = |money: Money| known.then(|| money.to_string());
            for (period, roll) in periods.iter().zip(&rolls).skip(first.unwrap_or(0)) {
                rows.push(Prepaid {
                    id: key.0.clone(),
                    name: name.clone().unwrap_or_default(),
                    currency: key.1.to_string(),
                    billing_period: period.to_string(),
                    opening: balance(roll.opening),
                    purchases: roll.purchases.to_string(),
                    amortised: roll.amortised.to_string(),
                    refunds: Money::ZERO.to_string(),
                    closing: balance(roll.closing),
                });
            }
        }
        let mut fees = Vec::new();
        for period in &periods {
            fees.extend(self.prepaid_fees(*period).await?.into_iter().map(|fee| Prepaid {
                id: fee.id,
                name: fee.name,
                currency: fee.currency,
                billing_period: period.to_string(),
                opening: Some(fee.opening),
                purchases: fee.purchases,
                amortised: fee.amortised,
                refunds: fee.refunds,
                closing: Some(fee.closing),
            }));
        }
        // a stable order: of each the months in order
        fees.sort_by(|a, b| a.id.cmp(&b.id));
        rows.extend(fees);
        Ok(rows)
    }

    /// What a month's bill says, read once per manifest version.
    async fn month_commitments(&self, period: BillingPeriod) -> Result<Arc<MonthCommitments>, AppError> {
        let view = self.view().await?;
        if let Some(known) = view.commitments.get(period) {
            return Ok(known);
        }
        let files = self.store.active_files(Some(period)).await?;
        let files: Vec<ChargeFile> = files.iter().map(charge_file).collect();
        let (program, _) = self.program_for(period).await?;
        let lake = self.lake.clone();
        let found = self
            .heavy("cannot read the charges", move || {
                Ok(lake::commitments::commitments(&lake, &files, &program)?)
            })
            .await?;
        let found = Arc::new(found);
        // what was read may belong to a later version: then the next reader asks again
        if self.store.manifest_version().await? == view.version {
            view.commitments.keep(period, &found);
        }
        Ok(found)
    }
}

/// Contracts that run in a month whose bill does not name them.
fn unbilled<'c>(
    contracts: &'c [Contract],
    month: &MonthCommitments,
    period: BillingPeriod,
) -> impl Iterator<Item = &'c Contract> {
    let named: BTreeSet<String> = month
        .commitments
        .keys()
        .map(|(id, _)| id.to_ascii_lowercase())
        .collect();
    let (first, next) = (period.first_day(), period.next().first_day());
    contracts
        .iter()
        .filter(move |one| one.start < next && one.end > first && !named.contains(&one.id.to_ascii_lowercase()))
}

fn commitment(
    id: &str,
    currency: &Currency,
    of: &CommitmentMonth,
    contract: Option<&Contract>,
    (trend, now): (Vec<(String, Option<u32>)>, Instant),
) -> Result<Commitment, AppError> {
    let terms = &of.terms;
    // the bill first: it is of this month; then what the provider confirms
    let confirmed = |of: &dyn Fn(&Contract) -> String| contract.map(of).filter(|text| !text.is_empty());
    let or = |known: &Option<String>, of: &dyn Fn(&Contract) -> String| known.clone().or_else(|| confirmed(of));
    let text = |known: &Option<String>, of: &dyn Fn(&Contract) -> String| or(known, of).unwrap_or_default();
    let cost = of.used.checked_add(of.unused)?;
    let saving = if of.unlisted == 0 && !of.covered.is_zero() {
        Some(of.covered.checked_sub(cost)?.to_string())
    } else {
        None
    };
    let mut worst: Option<u32> = None;
    for (used, unused) in of.hours.values() {
        if let Some(share) = share_permille(*used, *unused)? {
            worst = Some(worst.map_or(share, |least| least.min(share)));
        }
    }
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let end = terms.end.as_deref().and_then(day).or(contract.map(|one| one.end));
    let start = terms.start.as_deref().and_then(day).or(contract.map(|one| one.start));
    let mut hourly: Option<Money> = None;
    for (used, unused) in of.hours.values() {
        hourly = hourly.max(Some(used.checked_add(*unused)?));
    }
    Ok(Commitment {
        id: id.to_owned(),
        name: text(&terms.name, &|one| one.description.clone()),
        kind: text(&terms.kind, &|one| one.kind.clone()),
        provider: text(&terms.provider, &|one| one.provider.clone()),
        account: terms.account.clone().unwrap_or_default(),
        currency: currency.to_string(),
        term: terms.term.clone(),
        payment: or(&terms.payment, &|one| one.payment.clone()),
        start: start.map(|day| day.to_string()),
        end: end.map(|day| day.to_string()),
        days_left: end.map(|end| (end.start().0 - now.0).div_euclid(DAY_US)),
        total: contract.and_then(|one| one.cost).map(|cost| cost.to_string()),
        hourly: hourly.map(|hourly| hourly.to_string()),
        scope: contract.and_then(Contract::scope_words),
        in_bill: true,
        bought: of.bought.to_string(),
        used: of.used.to_string(),
        unused: of.unused.to_string(),
        utilisation_permille: share_permille(of.used, of.unused)?,
        saving,
        hours: count(of.hours.len()),
        hours_with_unused: count(of.hours.values().filter(|(_, unused)| unused.units() > 0).count()),
        worst_hour_permille: worst,
        trend,
    })
}

/// The UTC day of a date as providers write it; `None` when it is none.
fn day(text: &str) -> Option<Day> {
    domain::instant::parse(text.as_bytes())
        .ok()
        .map(|parsed| parsed.instant.day())
}

fn ladder(sized: &[(Money, Commitment)]) -> Result<Vec<ExpiryStep>, AppError> {
    let step_of = |commitment: &Commitment| match commitment.days_left {
        None => UNKNOWN,
        Some(left) if left < 0 => STEPS[0].1,
        Some(left) => STEPS[1..]
            .iter()
            .find(|(days, _)| left <= *days)
            .map_or(LATER, |(_, word)| word),
    };
    let mut steps = Vec::new();
    for when in STEPS.iter().map(|(_, word)| *word).chain([LATER, UNKNOWN]) {
        let mut step = ExpiryStep {
            when: when.to_owned(),
            count: 0,
            cost: Vec::new(),
            ids: Vec::new(),
        };
        let mut costs: BTreeMap<&str, Money> = BTreeMap::new();
        for (cost, commitment) in sized.iter().filter(|(_, commitment)| step_of(commitment) == when) {
            step.count += 1;
            step.ids.push(commitment.id.clone());
            let sum = costs.entry(&commitment.currency).or_default();
            *sum = sum.checked_add(*cost)?;
        }
        step.cost = costs
            .into_iter()
            .map(|(currency, cost)| (currency.to_owned(), cost.to_string()))
            .collect();
        if step.count > 0 {
            steps.push(step);
        }
    }
    Ok(steps)
}
