//! The price policy: what is evened out between the lines of a bill before
//! anybody is charged (A16-A18, A23, A24).

use super::rules::RuleChange;
use super::{App, hash_of};
use crate::error::AppError;
use domain::allocate::Program;
use domain::price::Policy;
use domain::{BillingPeriod, Currency, Finding, Money};
use serde::Serialize;
use store::{RulesKind, RulesVersion};

/// Money a rule moves between the lines of a month.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Evened {
    /// Month.
    pub period: BillingPeriod,
    /// `A16 commitment`, `A17 discount`, ...
    pub rule: String,
    /// Currency.
    pub currency: Currency,
    /// Moves: a line, or lines that nothing tells apart, that money goes to or comes from.
    pub moves: u64,
    /// Sum of what goes to lines, which is what comes from others.
    pub moved: Money,
}

/// Parses a policy, turning what is wrong into a refusal.
fn parse(yaml: &str) -> Result<Policy, AppError> {
    Policy::parse(yaml).map_err(|problem| {
        let finding = Finding::error("bad_prices", problem);
        AppError::Refused(vec![finding.remedy(
            "`tonnage rules show --kind prices` prints one to begin with; docs/RULES.md explains it",
        )])
    })
}

impl App {
    /// The policy in force, and the hash of its text.
    pub(super) async fn active_prices(&self) -> Result<(Policy, String), AppError> {
        let yaml = self.prices_text().await?.1;
        Ok((parse(&yaml)?, hash_of([yaml.as_bytes()])))
    }

    /// The text of the policy in force, and its version when it is not the one we ship.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn prices_text(&self) -> Result<(Option<RulesVersion>, String), AppError> {
        self.reads_estate()?;
        let active = self.store.active_rules(RulesKind::Prices).await?;
        let yaml = active.as_ref().map(|active| active.yaml.clone());
        Ok((active, yaml.unwrap_or_else(|| Policy::PRESET.to_owned())))
    }

    /// The policy in force, for people.
    pub(super) async fn price_policy(&self) -> Result<wire::PricePolicy, AppError> {
        let (active, yaml) = self.prices_text().await?;
        let steps = parse(&yaml)?.summary();
        Ok(wire::PricePolicy {
            version: active.map(|active| active.version.to_string()),
            steps: steps.into_iter().map(|(what, how)| (what.to_owned(), how)).collect(),
            yaml,
        })
    }

    /// Puts a policy in force, as a new version; allocations follow.
    ///
    /// # Errors
    /// When the policy is not valid.
    pub async fn prices_apply(
        &self,
        yaml: &str,
        author: Option<&str>,
        note: Option<&str>,
    ) -> Result<RulesVersion, AppError> {
        parse(yaml)?;
        self.put_in_force(RulesKind::Prices, yaml, author, note).await
    }

    /// The change per tenant if this policy were put in force: nothing is saved.
    ///
    /// # Errors
    /// When the policy is not valid, or an allocation fails.
    pub async fn prices_diff(&self, yaml: &str, period: Option<BillingPeriod>) -> Result<Vec<RuleChange>, AppError> {
        self.reads_estate()?;
        let (old, _) = self.active_program().await?;
        let new = Program {
            prices: parse(yaml)?,
            ..old.clone()
        };
        self.changes_by_tenant(old, new, period).await
    }

    /// What a policy, or the one in force, moves in a month.
    ///
    /// # Errors
    /// When the policy is not valid, or there is no bill.
    pub async fn prices_check(
        &self,
        yaml: Option<&str>,
        period: Option<BillingPeriod>,
    ) -> Result<(BillingPeriod, Vec<Evened>), AppError> {
        self.reads_estate()?;
        let (mut program, _) = self.active_program().await?;
        if let Some(yaml) = yaml {
            program.prices = parse(yaml)?;
        }
        let period = self.period_or_newest(period).await?;
        let program = self.for_month(program, period).await?;
        let files = self.store.active_files(Some(period)).await?;
        let charges: Vec<lake::ChargeFile> = files.iter().map(super::allocate::charge_file).collect();
        let lake = self.lake.clone();
        let sums = self
            .heavy("cannot even out prices", move || {
                Ok(lake::evened(&lake, &charges, &program, domain::apportion::apportion)?)
            })
            .await?;
        let evened = |((rule, currency), (moves, moved))| Evened {
            period,
            rule,
            currency,
            moves,
            moved,
        };
        Ok((period, sums.into_iter().map(evened).collect()))
    }
}
