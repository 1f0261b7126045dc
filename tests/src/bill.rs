//! Small FOCUS bills, written by hand.

use std::fmt::Write as _;

/// Header of the bills here; `x_Cost_Centre` is a column FOCUS does not know.
pub const HEADER: &str = "BilledCost,EffectiveCost,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,\
ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,Tags,x_Cost_Centre";

/// One charge of a day.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// Statement month, `2026-10`.
    pub month: &'a str,
    /// Day in that month.
    pub day: u32,
    /// BillingAccountId.
    pub account: &'a str,
    /// BillingCurrency.
    pub currency: &'a str,
    /// The tag `tenant`; empty for none.
    pub tenant: &'a str,
    /// BilledCost and EffectiveCost, in the currency.
    pub cost: &'a str,
}

/// The usual charge: account 4711 in USD.
#[must_use]
pub const fn charge<'a>(month: &'a str, day: u32, tenant: &'a str, cost: &'a str) -> Charge<'a> {
    Charge {
        month,
        day,
        account: "4711",
        currency: "USD",
        tenant,
        cost,
    }
}

/// The month after a month, both `YYYY-MM`.
#[must_use]
pub fn next_month(month: &str) -> String {
    let (year, number) = month.split_once('-').unwrap_or((month, "12"));
    let (year, number): (u32, u32) = (year.parse().unwrap_or(0), number.parse().unwrap_or(12));
    if number == 12 {
        format!("{:04}-01", year + 1)
    } else {
        format!("{year:04}-{:02}", number + 1)
    }
}

/// One line of CSV, without its end.
#[must_use]
pub fn line(charge: &Charge<'_>) -> String {
    let Charge {
        month,
        day,
        account,
        currency,
        tenant,
        cost,
    } = charge;
    let tags = if tenant.is_empty() {
        String::new()
    } else {
        format!("\"{{\"\"tenant\"\": \"\"{tenant}\"\"}}\"")
    };
    format!(
        "{cost},{cost},{account},{currency},{month}-01T00:00:00Z,{}-01T00:00:00Z,{month}-{day:02}T00:00:00Z,\
         {month}-{day:02}T01:00:00Z,Usage,Compute,{tags},cc-{day}",
        next_month(month)
    )
}

/// A whole bill.
#[must_use]
pub fn csv(charges: &[Charge<'_>]) -> String {
    let mut text = format!("{HEADER}\n");
    for charge in charges {
        // a String takes every write
        let _ = writeln!(text, "{}", line(charge));
    }
    text
}

/// Rules that take the tenant from its tag.
pub const RULES: &str = "format: 1\nrules:\n  - name: tenant tag\n    set:\n      tenant: {tag: tenant}\n      cost_centre: {column: x_Cost_Centre}\n";
