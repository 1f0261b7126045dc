//! Does it add up? From the invoice to the owners, each step with its residual.

use super::sources::delivery;
use crate::app::App;
use crate::app::cube::PeriodCube;
use crate::app::explain::ExplainSeed;
use crate::app::view::{StoredTotals, View};
use crate::error::AppError;
use domain::allocate::CubeValue;
use domain::bridge::BridgeTerm;
use domain::class::Class;
use domain::{BillingPeriod, Currency, Money};
use frontend::query::PageQuery;
use std::collections::{BTreeMap, BTreeSet};
use store::{DeliveredTotal, DeliveryRecord, DeliveryState};
use wire::{
    Basis, Cause, ClassCost, CurrencyReconciliation, InvoiceCheck, Link, PrepaidFee, Quarantined, Reconciliation,
    ReconciliationPage, Terms,
};

/// Causes of unallocated cost shown.
const CAUSES: usize = 10;

impl App {
    /// The Reconciliation page.
    ///
    /// # Errors
    /// When there is no bill, or the machinery failed.
    pub async fn reconciliation(&self, query: &PageQuery) -> Result<ReconciliationPage, AppError> {
        self.reads_estate()?;
        self.steady(|| async {
            let ground = self.ground(query).await?;
            let report = self.reconcile_now(ground.period).await?;
            Ok(ReconciliationPage {
                context: ground.context,
                report,
            })
        })
        .await
    }

    /// Everything that must be equal, for every currency of a period.
    ///
    /// # Errors
    /// When there is no bill, or the machinery failed. A residual is no error:
    /// it is in the answer.
    pub async fn reconcile(&self, period: BillingPeriod) -> Result<Reconciliation, AppError> {
        self.reads_estate()?;
        self.steady(|| self.reconcile_now(period)).await
    }

    pub(super) async fn reconcile_now(&self, period: BillingPeriod) -> Result<Reconciliation, AppError> {
        let cube = crate::app::allocate::load(self, period).await?;
        let view = self.view().await?;
        let (totals, records): (Vec<&DeliveredTotal>, _) = (view.totals_of(period).collect(), &view.deliveries);
        let read_back = self.read_back(&view, period).await?;
        let mut currencies: Vec<Currency> = totals.iter().map(|t| t.total.currency.clone()).collect();
        currencies.extend(cube.currencies.iter().cloned());
        currencies.sort();
        currencies.dedup();
        let invoices = self.invoice_checks(Some(period)).await?;
        let prepaid = self.prepaid_fees(period).await?;
        currencies.extend(invoices.iter().filter_map(|check| Currency::parse(&check.currency)));
        currencies.sort();
        currencies.dedup();
        let mut answers = Vec::with_capacity(currencies.len());
        let mut seeds = Vec::new();
        for currency in &currencies {
            let held: Vec<&DeliveredTotal> = totals
                .iter()
                .copied()
                .filter(|t| t.total.currency == *currency)
                .collect();
            let lake = read_back.get(currency).copied().unwrap_or_default();
            let prepaid = prepaid.iter().filter(|fee| fee.currency == currency.as_str());
            let bill = Bill {
                held: &held,
                lake,
                records,
                prepaid: prepaid.cloned().collect(),
            };
            let mut answer = reconcile_currency(&cube, currency, bill, &mut seeds)?;
            let of_currency = |check: &&InvoiceCheck| check.currency == answer.currency;
            answer.invoices = invoices.iter().filter(of_currency).cloned().collect();
            answer.missing_accounts = missing_accounts(&view, period, currency);
            answers.push(answer);
        }
        self.remember(seeds).await?;
        Ok(Reconciliation {
            period: period.to_string(),
            currencies: answers,
        })
    }

    /// Sums of the charge files themselves, read once per process and manifest version.
    async fn read_back(&self, view: &View, period: BillingPeriod) -> Result<StoredTotals, AppError> {
        if let Some(totals) = view.stored(period) {
            return Ok(totals);
        }
        let files = self.store.active_files(Some(period)).await?;
        let charges: Vec<lake::ChargeFile> = files.iter().map(crate::app::allocate::charge_file).collect();
        let lake = self.lake.clone();
        let hashes: Vec<(String, String)> = files.into_iter().map(|file| (file.path, file.sha256)).collect();
        let totals = self
            .heavy("cannot add up the charges", move || {
                for (path, written) in hashes {
                    let found = lake.sha256(&path)?;
                    if found != written {
                        return Err(AppError::DoesNotAddUp {
                            what: "a stored charge file",
                            period,
                            left: format!("{path} as written {written}"),
                            right: found,
                        });
                    }
                }
                Ok(lake::query::totals(&lake, &charges)?)
            })
            .await?;
        view.keep_stored(period, &totals);
        Ok(totals)
    }
}

/// What the bill of a month says in one currency.
struct Bill<'b> {
    held: &'b [&'b DeliveredTotal],
    /// Its charge files, added up.
    lake: CubeValue,
    records: &'b [DeliveryRecord],
    /// Fees on a schedule.
    prepaid: Vec<PrepaidFee>,
}

/// What schedules add to the month, as their roll-forward says: amortised, less
/// what was paid (A24).
fn by_schedule(prepaid: &[PrepaidFee]) -> Result<Money, AppError> {
    let mut sum = Money::ZERO;
    for fee in prepaid {
        let of = |text: &str| Money::parse(text).map_err(|error| AppError::broken("cannot add up fees", error));
        sum = sum.checked_add(of(&fee.amortised)?)?.checked_add(of(&fee.refunds)?)?;
        sum = sum.checked_sub(of(&fee.purchases)?)?;
    }
    Ok(sum)
}

fn reconcile_currency(
    cube: &PeriodCube,
    currency: &Currency,
    bill: Bill<'_>,
    seeds: &mut Vec<ExplainSeed>,
) -> Result<CurrencyReconciliation, AppError> {
    let Bill {
        held,
        lake,
        records,
        prepaid,
    } = bill;
    let sum = |of: &dyn Fn(&DeliveredTotal) -> Money| Money::sum(held.iter().map(|t| of(t)));
    let billed = sum(&|t| t.total.billed)?;
    let ingested = sum(&|t| t.total.effective)?;
    let scheduled = by_schedule(&prepaid)?;
    let mut beside = cube.select(currency.as_str(), &[]);
    beside.retain(|line| cube.terms[*line] == BridgeTerm::NotElapsed);
    let not_elapsed = cube.total(&beside, Basis::Effective)?;
    let effective = ingested.checked_add(scheduled)?.checked_add(not_elapsed)?;
    let invoiced = sum(&|t| t.total.billed_with_invoice)?;
    let any_invoice = held.iter().any(|t| t.total.rows_with_invoice > 0);
    let estimated = Money::sum(
        held.iter()
            .filter(|t| t.state == DeliveryState::Open)
            .map(|t| t.total.effective),
    )?;
    let lines = cube.select(currency.as_str(), &[]);
    let bridge = bridge(cube, &lines)?;
    let bridged = Money::sum(bridge.iter().map(|(_, amount)| *amount))?.checked_add(billed)?;
    let by_tenant = cube.group(&lines, &["tenant".to_owned()], Basis::Effective)?;
    let unallocated = by_tenant
        .iter()
        .filter(|(keys, _)| keys[0].is_empty())
        .map(|(_, (cost, _))| *cost);
    let unallocated = Money::sum(unallocated)?;
    let allocated = Money::sum(
        by_tenant
            .iter()
            .filter(|(keys, _)| !keys[0].is_empty())
            .map(|(_, (cost, _))| *cost),
    )?;
    let classes = classes(cube, &lines)?;
    let class_sum = Money::sum(classes.iter().map(|(_, cost, _)| *cost))?;
    let links = vec![
        link("Billed, as ingested", "Billed, as stored", billed, lake.billed)?,
        link(
            "Effective, as ingested",
            "Effective, as stored",
            ingested,
            lake.effective,
        )?,
        link(
            "Billed, as stored",
            "Billed, as allocated",
            lake.billed,
            cube.total(&lines, Basis::Billed)?,
        )?,
        link(
            "Effective, as stored, by schedule and as elapsed",
            "Effective, as allocated",
            lake.effective.checked_add(scheduled)?.checked_add(not_elapsed)?,
            cube.total(&lines, Basis::Effective)?,
        )?,
        link("Billed and its bridge", "Effective", bridged, effective)?,
        link("Effective", "Classes", effective, class_sum)?,
        link(
            "Effective",
            "Owners and unallocated cost",
            effective,
            allocated.checked_add(unallocated)?,
        )?,
    ];
    let residual = Money::sum(
        links
            .iter()
            .map(|link| Money::parse(&link.residual).unwrap_or_default().abs()),
    )?;
    let used: Vec<&str> = held.iter().map(|t| t.delivery_id.as_str()).collect();
    let in_use: Vec<&DeliveryRecord> = records
        .iter()
        .filter(|d| used.contains(&d.delivery_id.as_str()))
        .collect();
    Ok(CurrencyReconciliation {
        currency: currency.to_string(),
        invoiced: any_invoice.then(|| invoiced.to_string()),
        not_invoiced: if any_invoice {
            Some(billed.checked_sub(invoiced)?.to_string())
        } else {
            None
        },
        billed: billed.to_string(),
        effective: effective.to_string(),
        bridge: Terms(
            bridge
                .into_iter()
                .map(|(term, amount)| (term.as_str().to_owned(), amount.to_string()))
                .collect(),
        ),
        allocated: allocated.to_string(),
        unallocated: unallocated.to_string(),
        remainders: Terms::default(),
        residual: residual.to_string(),
        estimated: estimated.to_string(),
        actual: effective.checked_sub(estimated)?.to_string(),
        classes: classes
            .into_iter()
            .map(|(class, cost, rows)| ClassCost {
                class: class.to_string(),
                label: class.label().to_owned(),
                rows,
                cost: cost.to_string(),
            })
            .collect(),
        unallocated_causes: causes(cube, currency, seeds)?,
        quarantined: quarantined(currency, &in_use)?,
        links,
        deliveries: in_use
            .into_iter()
            .map(|record| delivery(record, Some(cube.period)))
            .collect::<Result<_, _>>()?,
        invoices: Vec::new(),
        missing_accounts: Vec::new(),
        prepaid,
    })
}

/// Accounts of the month before that this month's bill does not have: billing
/// accounts, and sub-accounts of those it still has.
fn missing_accounts(view: &View, period: BillingPeriod, currency: &Currency) -> Vec<String> {
    let of = |period| -> BTreeSet<(&str, &str)> {
        let totals = view.totals_of(period).map(|held| &held.total);
        let totals = totals.filter(|total| total.currency == *currency && !total.billing_account_id.is_empty());
        totals
            .map(|total| (total.billing_account_id.as_str(), total.sub_account_id.as_str()))
            .collect()
    };
    let (before, now) = (of(period.previous()), of(period));
    let billing: BTreeSet<&str> = now.iter().map(|(account, _)| *account).collect();
    let gone = before.difference(&now);
    let named: BTreeSet<String> = gone
        .filter_map(
            |(account, sub_account)| match (billing.contains(account), *sub_account) {
                (false, _) => Some((*account).to_owned()),
                (true, "") => None,
                (true, sub_account) => Some(format!("{sub_account} of {account}")),
            },
        )
        .collect();
    named.into_iter().collect()
}

fn link(from: &str, to: &str, left: Money, right: Money) -> Result<Link, AppError> {
    Ok(Link {
        from: from.to_owned(),
        to: to.to_owned(),
        left: left.to_string(),
        right: right.to_string(),
        residual: left.checked_sub(right)?.to_string(),
    })
}

/// Terms of the bridge that are not zero (A8).
fn bridge(cube: &PeriodCube, lines: &[usize]) -> Result<Vec<(BridgeTerm, Money)>, AppError> {
    let mut sums: BTreeMap<BridgeTerm, Money> = BTreeMap::new();
    for line in lines {
        let value = &cube.values[*line];
        let sum = sums.entry(cube.terms[*line]).or_default();
        *sum = sum.checked_add(value.effective.checked_sub(value.billed)?)?;
    }
    Ok(BridgeTerm::ALL
        .into_iter()
        .filter_map(|term| sums.get(&term).filter(|sum| !sum.is_zero()).map(|sum| (term, *sum)))
        .collect())
}

fn classes(cube: &PeriodCube, lines: &[usize]) -> Result<Vec<(Class, Money, u64)>, AppError> {
    let mut sums: BTreeMap<Class, (Money, u64)> = BTreeMap::new();
    for line in lines {
        let value = &cube.values[*line];
        let sum = sums.entry(cube.classes[*line]).or_default();
        *sum = (sum.0.checked_add(value.effective)?, sum.1 + value.charges);
    }
    let mut sums: Vec<(Class, Money, u64)> = sums
        .into_iter()
        .map(|(class, (cost, rows))| (class, cost, rows))
        .collect();
    sums.sort_by_key(|(class, cost, _)| (std::cmp::Reverse(cost.abs()), *class));
    Ok(sums)
}

/// What unallocated cost has in common: the provider's service and the class.
fn causes(cube: &PeriodCube, currency: &Currency, seeds: &mut Vec<ExplainSeed>) -> Result<Vec<Cause>, AppError> {
    let filters = vec![("tenant".to_owned(), String::new())];
    let lines = cube.select(currency.as_str(), &filters);
    let by = vec!["class".to_owned(), "ServiceName".to_owned()];
    let mut groups: Vec<_> = cube.group(&lines, &by, Basis::Effective)?.into_iter().collect();
    groups.sort_by_key(|(keys, (cost, _))| (std::cmp::Reverse(cost.abs()), keys.clone()));
    let mut causes = Vec::new();
    groups.retain(|(_, (cost, _))| !cost.is_zero());
    for (keys, (cost, rows)) in groups.iter().take(CAUSES) {
        let seed = ExplainSeed::new(
            cube.period,
            currency.as_str(),
            Basis::Effective,
            cube.rules_version,
            &by,
            keys,
            &filters,
        );
        let class = Class::parse(&keys[0]).map_or_else(|| keys[0].to_string(), |class| class.label().to_owned());
        let service = if keys[1].is_empty() {
            "no service name"
        } else {
            &keys[1]
        };
        causes.push(Cause {
            label: format!("{class}: {service}"),
            rows: *rows,
            cost: cost.to_string(),
            explain_id: Some(seed.id()),
        });
        seeds.push(seed);
    }
    Ok(causes)
}

/// Rows of the deliveries in use that were set aside. They belong to no
/// period that can be trusted, so each delivery's show wherever it counts.
fn quarantined(currency: &Currency, records: &[&DeliveryRecord]) -> Result<Quarantined, AppError> {
    let mut rows = 0;
    let mut unknown = 0;
    let mut money = Money::ZERO;
    for quarantine in records.iter().filter_map(|record| record.quarantine.as_ref()) {
        rows += quarantine.rows;
        unknown += quarantine.rows_without_money;
        for (_, amount) in quarantine.money.iter().filter(|(c, _)| c == currency) {
            money = money.checked_add(*amount)?;
        }
    }
    // a sum without the rows that cannot be read would look like the whole
    let known = unknown == 0;
    Ok(Quarantined {
        rows,
        billed: known.then(|| money.to_string()),
    })
}
