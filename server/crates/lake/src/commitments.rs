//! What a month's bill says of commitments, in one pass over its charges.

use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use domain::allocate::Program;
use domain::commitment::{Role, Terms, columns, role};
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

/// Reads the commitments of some charge files.
///
/// # Errors
/// When a file cannot be read or a sum overflows.
pub fn commitments(lake: &Lake, files: &[ChargeFile], program: &Program) -> Result<MonthCommitments, LakeError> {
    let names: Vec<&str> = columns().collect();
    let mut charges = Charges::with(program, &names).listing();
    let mut month = MonthCommitments::default();
    let overflow = |_| LakeError::Overflow {
        what: "the charges".to_owned(),
    };
    let add = |sum: &mut Money, amount: Money| -> Result<(), LakeError> {
        *sum = sum.checked_add(amount).map_err(overflow)?;
        Ok(())
    };
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
    month.coverage.retain(|_, of| of.covered_rows > 0);
    Ok(month)
}
