//! The right answer: what each tenant, service and service tier owes, by billing period.

use std::collections::BTreeMap;
use std::io::Write;

use chrono::NaiveTime;

use crate::DemoError;
use crate::meter::{Owner, Provider};
use crate::money::canonical;
use crate::rows::Row;

/// Billed and effective cost, in pico units.
type Amounts = (i128, i128);

/// Adds up charges by what the generator knows about their owners; no rule is read here.
#[derive(Debug, Default)]
pub struct Truth {
    totals: BTreeMap<(String, &'static str, Owner), Amounts>,
}

impl Truth {
    /// Counts the charges of one billing period.
    ///
    /// Fails if a charge that spans a takeover cannot be cut by seconds without a remainder: the
    /// truth would then depend on a way of rounding.
    pub fn add(&mut self, period: &str, rows: &[Row<'_>]) -> Result<(), DemoError> {
        for row in rows {
            let currency = currency(row.meter.provider);
            for (owner, (billed, effective)) in parts(row)? {
                let total = self.totals.entry((period.to_owned(), currency, owner)).or_default();
                total.0 += billed;
                total.1 += effective;
            }
        }
        Ok(())
    }

    /// Writes `truth.csv`.
    pub fn write(&self, into: impl Write) -> Result<(), csv::Error> {
        let mut csv = csv::Writer::from_writer(into);
        csv.write_record([
            "billing_period",
            "currency",
            "tenant",
            "service",
            "tier",
            "billed_cost",
            "effective_cost",
        ])?;
        for ((period, currency, owner), (billed, effective)) in &self.totals {
            let (billed, effective) = (canonical(*billed), canonical(*effective));
            csv.write_record([
                period,
                *currency,
                &owner.tenant,
                &owner.service,
                &owner.tier,
                &billed,
                &effective,
            ])?;
        }
        csv.flush()?;
        Ok(())
    }
}

/// The billing currency of a provider.
pub const fn currency(provider: Provider) -> &'static str {
    match provider {
        Provider::Aws => "USD",
        Provider::Eu => "EUR",
    }
}

/// The owners of a charge: one, or two when a takeover falls inside its charge period.
fn parts(row: &Row<'_>) -> Result<Vec<(Owner, Amounts)>, DemoError> {
    let whole = (row.billed, row.effective);
    let owner = row.meter.owner.clone();
    let Some(takeover) = &row.meter.takeover else {
        return Ok(vec![(owner, whole)]);
    };
    let later = Owner {
        tenant: takeover.to.clone(),
        ..owner.clone()
    };
    let on = takeover.on.and_time(NaiveTime::MIN).clamp(row.start, row.end);
    let seconds = i128::from((row.end - row.start).num_seconds());
    let before = i128::from((on - row.start).num_seconds());
    if before == 0 {
        return Ok(vec![(later, whole)]);
    }
    if before == seconds {
        return Ok(vec![(owner, whole)]);
    }
    let exact = |amount: i128| amount * before % seconds == 0;
    if !exact(row.billed) || !exact(row.effective) {
        return Err(DemoError::UnevenCut {
            resource: row.meter.resource_id.clone(),
        });
    }
    let first = (row.billed * before / seconds, row.effective * before / seconds);
    Ok(vec![(owner, first), (later, (whole.0 - first.0, whole.1 - first.1))])
}
