//! Owner rules: checked against the bills, applied as a new version, compared.

use super::{App, hash_of};
use crate::error::AppError;
use domain::allocate::Program;
use domain::rule::{self, RuleReport, RuleSet, Sample};
use domain::{BillingPeriod, Currency, Finding, Money};
use serde::Serialize;
use std::collections::BTreeMap;
use store::{NewRules, RulesKind, RulesVersion, StoreError};

/// Parses rules, turning what is wrong into a refusal.
pub(crate) fn parse(yaml: &str) -> Result<RuleSet, AppError> {
    RuleSet::parse(yaml).map_err(|error| {
        AppError::Refused(vec![
            Finding::error("bad_rules", error.to_string()).remedy("docs/RULES.md shows the form with examples"),
        ])
    })
}

/// What a change of rules does to one tenant in one period.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct RuleChange {
    /// Month.
    pub period: BillingPeriod,
    /// Currency.
    pub currency: Currency,
    /// Tenant, empty = without owner.
    pub tenant: String,
    /// Effective cost under the rules in force.
    pub before: Money,
    /// Effective cost under the new ones.
    pub after: Money,
    /// after - before.
    pub change: Money,
}

impl App {
    /// What rules do to a period's charges: reach, overlaps, coverage in money.
    /// `yaml` = `None` checks the rules in force.
    ///
    /// # Errors
    /// When the rules are not valid, or there is no bill.
    pub async fn rules_check(
        &self,
        yaml: Option<&str>,
        period: Option<BillingPeriod>,
    ) -> Result<(RuleSet, RuleReport, BillingPeriod), AppError> {
        self.reads_estate()?;
        let set = match yaml {
            Some(yaml) => parse(yaml)?,
            None => self.active_program().await?.0.rules,
        };
        let period = self.period_or_newest(period).await?;
        let samples = self.samples(period, &set).await?;
        let report = rule::check(&set, &samples)?;
        Ok((set, report, period))
    }

    /// Makes rules the ones in force, as a new version; allocations follow.
    ///
    /// # Errors
    /// When the rules are not valid.
    pub async fn rules_apply(
        &self,
        yaml: &str,
        author: Option<&str>,
        note: Option<&str>,
    ) -> Result<RulesVersion, AppError> {
        parse(yaml)?;
        self.put_in_force(RulesKind::Owner, yaml, author, note).await
    }

    /// Makes a checked text the version of its kind in force.
    pub(super) async fn put_in_force(
        &self,
        kind: RulesKind,
        yaml: &str,
        author: Option<&str>,
        note: Option<&str>,
    ) -> Result<RulesVersion, AppError> {
        let new = NewRules {
            kind,
            yaml: yaml.to_owned(),
            sha256: hash_of([yaml.as_bytes()]),
            author: author.map(str::to_owned),
            note: note.map(str::to_owned),
            created_us: self.clock.now().0,
        };
        loop {
            let version = self.store.manifest_version().await?;
            match self.store.add_rules(&new, version).await {
                Ok(version) => return Ok(version),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The change per tenant if these rules were applied: nothing is saved.
    ///
    /// # Errors
    /// When the rules are not valid, or an allocation fails.
    pub async fn rules_diff(&self, yaml: &str, period: Option<BillingPeriod>) -> Result<Vec<RuleChange>, AppError> {
        self.reads_estate()?;
        let (old, _) = self.active_program().await?;
        let new = Program {
            rules: parse(yaml)?,
            ..old.clone()
        };
        self.changes_by_tenant(old, new, period).await
    }

    /// The change per tenant between two programs: nothing is saved.
    pub(super) async fn changes_by_tenant(
        &self,
        old: Program,
        new: Program,
        period: Option<BillingPeriod>,
    ) -> Result<Vec<RuleChange>, AppError> {
        let periods = match period {
            Some(period) => vec![self.period_or_newest(Some(period)).await?],
            None => self.store.periods().await?,
        };
        let mut changes = Vec::new();
        for period in periods {
            let before = self.by_tenant(period, old.clone()).await?;
            let after = self.by_tenant(period, new.clone()).await?;
            let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
            for key in keys {
                let (was, is) = (
                    before.get(&key).copied().unwrap_or_default(),
                    after.get(&key).copied().unwrap_or_default(),
                );
                if was != is {
                    let (currency, tenant) = key;
                    changes.push(RuleChange {
                        period,
                        currency,
                        tenant,
                        before: was,
                        after: is,
                        change: is.checked_sub(was)?,
                    });
                }
            }
        }
        Ok(changes)
    }

    async fn by_tenant(
        &self,
        period: BillingPeriod,
        program: Program,
    ) -> Result<BTreeMap<(Currency, String), Money>, AppError> {
        let cube = self.dry_run(period, program).await?;
        let mut sums = BTreeMap::new();
        for (key, value) in &cube.lines {
            let tenant = super::cube::value_of(key, &cube.dimensions, "tenant")
                .unwrap_or("")
                .to_owned();
            let sum: &mut Money = sums.entry((key.currency.clone(), tenant)).or_default();
            *sum = sum.checked_add(value.effective)?;
        }
        Ok(sums)
    }

    async fn dry_run(&self, period: BillingPeriod, program: Program) -> Result<domain::allocate::Cube, AppError> {
        let program = self.for_month(program, period).await?;
        let files = self.store.active_files(Some(period)).await?;
        let charges: Vec<lake::ChargeFile> = files.iter().map(super::allocate::charge_file).collect();
        let (lake, usage) = (self.lake.clone(), self.usage_for(period).await?);
        let split = domain::apportion::apportion;
        self.heavy("cannot try the rules", move || {
            let tried = lake::allocate_with_usage(&lake, &charges, &usage, None, &program, split)?;
            Ok(tried.cube)
        })
        .await
    }

    /// Distinct sets of what these rules look at, with the money behind them.
    async fn samples(&self, period: BillingPeriod, set: &RuleSet) -> Result<Vec<Sample>, AppError> {
        let files = self.store.active_files(Some(period)).await?;
        let charges: Vec<lake::ChargeFile> = files.iter().map(super::allocate::charge_file).collect();
        let (lake, set) = (self.lake.clone(), set.clone());
        self.heavy("cannot read the charges", move || {
            Ok(lake::query::samples(&lake, &charges, &set)?)
        })
        .await
    }

    /// Months with a bill, oldest first.
    ///
    /// # Errors
    /// Without permission to see costs; when the database cannot be read.
    pub async fn billing_periods(&self) -> Result<Vec<BillingPeriod>, AppError> {
        self.scope().require_some(domain::access::Permission::ReadCosts)?;
        Ok(self.view().await?.periods.clone())
    }

    /// The given period, else the newest with a bill.
    pub(crate) async fn period_or_newest(&self, period: Option<BillingPeriod>) -> Result<BillingPeriod, AppError> {
        let periods = self.view().await?.periods.clone();
        match period {
            Some(period) if periods.contains(&period) => Ok(period),
            Some(period) => Err(AppError::no_bill(period, &periods)),
            None => periods.last().copied().ok_or(AppError::NoData),
        }
    }
}
