//! From SQL's integers and texts back to the domain's types.

use crate::error::{Cause, StoreError};
use domain::instant::Day;
use domain::{BillingPeriod, Currency, Money};

/// A period as SQL keeps it: `202611`.
pub(crate) fn period_number(period: BillingPeriod) -> i64 {
    i64::from(period.number())
}

/// The table a value was read from, for the message when it makes no sense.
#[derive(Clone, Copy)]
pub(crate) struct Place(pub(crate) &'static str);

impl Place {
    pub(crate) fn period(self, number: i64) -> Result<BillingPeriod, StoreError> {
        let period = i32::try_from(number).ok().and_then(BillingPeriod::from_number);
        period.ok_or_else(|| self.bad("billing period", number))
    }

    pub(crate) fn count(self, value: i64) -> Result<u64, StoreError> {
        u64::try_from(value).map_err(|_| self.bad("count", value))
    }

    pub(crate) fn small(self, value: i64) -> Result<u32, StoreError> {
        u32::try_from(value).map_err(|_| self.bad("count", value))
    }

    pub(crate) fn day(self, value: i64) -> Result<Day, StoreError> {
        i32::try_from(value).map(Day).map_err(|_| self.bad("day", value))
    }

    pub(crate) fn money(self, text: &str) -> Result<Money, StoreError> {
        Money::parse(text).map_err(|_| self.bad("amount", text))
    }

    pub(crate) fn currency(self, text: &str) -> Result<Currency, StoreError> {
        Currency::parse(text).ok_or_else(|| self.bad("currency", text))
    }

    pub(crate) fn bad(self, what: &str, value: impl std::fmt::Debug) -> StoreError {
        let Place(table) = self;
        StoreError::backend(
            "read back what was stored",
            Cause::from(format!("table {table} holds {value:?}, which is no {what}")),
        )
    }
}
