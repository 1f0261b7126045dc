//! The bill by day and a few of its columns, with every cost it states: what
//! `/cloudCost` reads. Charges are spread over their charge period by time.

use crate::clusters;
use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use crate::usage::UsageFile;
use domain::allocate::{Program, pieces, split_over};
use domain::apportion::apportion;
use domain::instant::Day;
use domain::money::MoneyOverflow;
use domain::{Currency, Money};
use std::collections::BTreeMap;

/// Costs as the bill states them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CloudCosts {
    /// ListCost; charges without one are missing here and counted in `unlisted`.
    pub list: Money,
    /// BilledCost.
    pub billed: Money,
    /// EffectiveCost.
    pub effective: Money,
    /// BilledCost of charges that name an invoice.
    pub invoiced: Money,
    /// Charges that have no ListCost.
    pub unlisted: u64,
}

impl CloudCosts {
    /// Adds cost by cost.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn add(&mut self, other: &CloudCosts) -> Result<(), MoneyOverflow> {
        self.list = self.list.checked_add(other.list)?;
        self.billed = self.billed.checked_add(other.billed)?;
        self.effective = self.effective.checked_add(other.effective)?;
        self.invoiced = self.invoiced.checked_add(other.invoiced)?;
        self.unlisted += other.unlisted;
        Ok(())
    }
}

/// What a line of the answer stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CloudKey {
    /// UTC day.
    pub day: Day,
    /// Currency.
    pub currency: Currency,
    /// The values of the columns, then of the tags asked for.
    pub values: Vec<Option<String>>,
    /// The machine or disk of a node that the usage knows.
    pub kubernetes: bool,
}

/// The bill by day, currency, these columns and these tags.
///
/// # Errors
/// When a file cannot be read, or an amount split or added exactly.
pub fn cloud_costs(
    lake: &Lake,
    files: &[ChargeFile],
    usage: &[UsageFile],
    program: &Program,
    columns: &[&str],
    tags: &[String],
) -> Result<BTreeMap<CloudKey, CloudCosts>, LakeError> {
    let join = clusters::join_of(lake, usage)?;
    let mut charges = Charges::with(program, columns).joining(&join).listing();
    let mut sums: BTreeMap<CloudKey, CloudCosts> = BTreeMap::new();
    let overflow = |_| LakeError::Overflow {
        what: "the charges".to_owned(),
    };
    for file in files {
        charges.read(lake, file, |charges, row| {
            let set = charges.set(row.set);
            let attributes = &set.attributes;
            let column = |name: &&str| match *name {
                "ProviderName" => attributes.provider().map(str::to_owned),
                name => attributes.column(name).map(str::to_owned),
            };
            let tag = |name: &String| attributes.tags.get(name).cloned();
            let values: Vec<Option<String>> = columns.iter().map(column).chain(tags.iter().map(tag)).collect();
            let invoiced = attributes.column("InvoiceId").is_some();
            let pieces = pieces(&program.rules, row.span);
            let split = |amount| {
                split_over(amount, &pieces, apportion).map_err(|source| LakeError::Split {
                    path: file.path.clone(),
                    line: row.line,
                    source,
                })
            };
            let (billed, effective) = (split(row.billed)?, split(row.effective)?);
            let list = split(row.prices.list.unwrap_or_default())?;
            for (at, piece) in pieces.iter().enumerate() {
                let key = CloudKey {
                    day: piece.first_day(),
                    currency: set.currency.clone(),
                    values: values.clone(),
                    kubernetes: row.target.is_some(),
                };
                let costs = CloudCosts {
                    list: list[at],
                    billed: billed[at],
                    effective: effective[at],
                    invoiced: if invoiced { billed[at] } else { Money::ZERO },
                    unlisted: u64::from(at == 0 && row.prices.list.is_none()),
                };
                sums.entry(key).or_default().add(&costs).map_err(overflow)?;
            }
            Ok(())
        })?;
    }
    Ok(sums)
}
