//! What a month's bill says of commitments, in one pass over its charges.

use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use domain::allocate::Program;
use domain::apportion::apportion;
use domain::commitment::{ElapsedError, Role, Terms, columns, elapsed_unused, role};
use domain::instant::{Instant, Span};
use domain::money::MoneyOverflow;
use domain::usage::Hour;
use domain::{Currency, Money};
use std::collections::BTreeMap;

const HOUR_US: i64 = 3_600_000_000;

/// A commitment in a month.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitmentMonth {
    /// What it is.
    pub terms: Terms,
    /// BilledCost of its purchases.
    pub bought: Money,
    /// EffectiveCost of what used it.
    pub used: Money,
    /// EffectiveCost of what nobody used.
    pub unused: Money,
    /// ListCost of what used it; rows without one are in `unlisted`.
    pub covered: Money,
    /// Rows that used it and have no ListCost.
    pub unlisted: u64,
    /// By hour, where rows are of an hour: used, unused.
    pub hours: BTreeMap<Hour, (Money, Money)>,
}

/// What of a service commitments covered in a month, by ListCost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// By commitments.
    pub covered: Money,
    /// At the standard price.
    pub on_demand: Money,
    /// Rows without ListCost: they are in neither.
    pub unlisted: u64,
    /// Rows that used a commitment.
    pub covered_rows: u64,
}

/// A month: commitments by id and currency, coverage by service and currency
/// of the services that any commitment was used for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MonthCommitments {
    /// Commitments.
    pub commitments: BTreeMap<(String, Currency), CommitmentMonth>,
    /// Coverage.
    pub coverage: BTreeMap<(String, Currency), Coverage>,
}

/// What is unused and not all elapsed of a commitment in an open month (A23).
#[derive(Default)]
struct Open {
    /// By charge period: by when usage is known, and how much is unused.
    unused: BTreeMap<Span, (Instant, Money)>,
    /// What was used, by when it began.
    used: BTreeMap<Instant, Money>,
}

impl Open {
    /// What of the unused part has elapsed.
    fn elapsed(&self) -> Result<Money, LakeError> {
        let refused = |error| match error {
            ElapsedError::Split(source) => LakeError::Price { source: source.into() },
            ElapsedError::Overflow(source) => LakeError::Price { source: source.into() },
        };
        let mut sum = Money::ZERO;
        for (span, (through, unused)) in &self.unused {
            let within = self.used.range(span.start..span.end).map(|(_, used)| *used);
            let used = Money::sum(within).map_err(overflow)?;
            let elapsed = elapsed_unused(*unused, used, *span, *through, apportion).map_err(refused)?;
            sum = sum.checked_add(elapsed).map_err(overflow)?;
        }
        Ok(sum)
    }
}

fn overflow(_: MoneyOverflow) -> LakeError {
    LakeError::Overflow {
        what: "the charges".to_owned(),
    }
}

/// Reads the commitments of some charge files. Of an open month only what has
/// elapsed is unused.
///
/// # Errors
/// When a file cannot be read or a sum overflows.
pub fn commitments(lake: &Lake, files: &[ChargeFile], program: &Program) -> Result<MonthCommitments, LakeError> {
    let names: Vec<&str> = columns().collect();
    let mut charges = Charges::with(program, &names).listing();
    let mut month = MonthCommitments::default();
    let add = |sum: &mut Money, amount: Money| -> Result<(), LakeError> {
        *sum = sum.checked_add(amount).map_err(overflow)?;
        Ok(())
    };
    let mut open: BTreeMap<(String, Currency), Open> = BTreeMap::new();
    for file in files {
        charges.read(lake, file, |charges, row| {
            let set = charges.set(row.set);
            let Some(role) = role(set.category, &set.attributes) else {
                return Ok(());
            };
            let service = set.attributes.column("ServiceName").unwrap_or_default();
            if matches!(role, Role::Used | Role::OnDemand) {
                let of = (service.to_owned(), set.currency.clone());
                let coverage = month.coverage.entry(of).or_default();
                coverage.covered_rows += u64::from(role == Role::Used);
                match (row.prices.list, role) {
                    (Some(list), Role::Used) => add(&mut coverage.covered, list)?,
                    (Some(list), _) => add(&mut coverage.on_demand, list)?,
                    (None, _) => coverage.unlisted += 1,
                }
            }
            let Some(id) = set.attributes.column("CommitmentDiscountId") else {
                return Ok(());
            };
            let of = month
                .commitments
                .entry((id.to_owned(), set.currency.clone()))
                .or_default();
            of.terms.learn(role, &set.attributes);
            let account = set.attributes.column("BillingAccountId").map_or("", str::trim);
            let through = program.prices.through.get(&(account.to_owned(), row.period));
            if let Some(through) = through {
                let of = open.entry((id.to_owned(), set.currency.clone())).or_default();
                match role {
                    Role::Used => add(of.used.entry(row.span.start).or_default(), row.effective)?,
                    Role::Unused if row.span.end > *through && row.effective.units() > 0 => {
                        let unused = of.unused.entry(row.span).or_insert((*through, Money::ZERO));
                        return add(&mut unused.1, row.effective);
                    }
                    _ => {}
                }
            }
            let hour = (row.span.duration_us() == HOUR_US).then(|| Hour::of(row.span.start));
            match role {
                Role::Bought => add(&mut of.bought, row.billed)?,
                Role::Used => {
                    add(&mut of.used, row.effective)?;
                    match row.prices.list {
                        Some(list) => add(&mut of.covered, list)?,
                        None => of.unlisted += 1,
                    }
                    if let Some(hour) = hour {
                        add(&mut of.hours.entry(hour).or_default().0, row.effective)?;
                    }
                }
                Role::Unused => {
                    add(&mut of.unused, row.effective)?;
                    if let Some(hour) = hour {
                        add(&mut of.hours.entry(hour).or_default().1, row.effective)?;
                    }
                }
                Role::OnDemand => {}
            }
            Ok(())
        })?;
    }
    for (key, open) in open {
        if let Some(of) = month.commitments.get_mut(&key) {
            add(&mut of.unused, open.elapsed()?)?;
        }
    }
    month.coverage.retain(|_, of| of.covered_rows > 0);
    Ok(month)
}
