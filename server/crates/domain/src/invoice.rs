//! Invoices: what the issuer asks for, and whether the bill's lines are it (C1).
//!
//! The charges that name an invoice, those of category Tax apart, must add up to
//! its net. A provider rounds on the invoice and not in the lines, so one minor
//! unit of the currency may be between them (A42); more is a difference.

use crate::instant::Day;
use crate::money::{Currency, MONEY_SCALE, Money, MoneyOverflow};
use crate::period::BillingPeriod;

/// An invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Who issued it; empty when it does not matter.
    pub issuer: String,
    /// Its number: FOCUS InvoiceId of its charges.
    pub number: String,
    /// FOCUS BillingAccountId; empty for any.
    pub billing_account: String,
    /// Whom it is addressed to; empty when not said.
    pub legal_entity: String,
    /// The month it is for.
    pub period: BillingPeriod,
    /// Its currency.
    pub currency: Currency,
    /// Without tax. Below zero: a credit memo.
    pub net: Money,
    /// Tax.
    pub tax: Option<Money>,
    /// With tax.
    pub gross: Option<Money>,
    /// Its date.
    pub issued: Option<Day>,
    /// When it is due.
    pub due: Option<Day>,
    /// The rate it was converted with, as it says.
    pub exchange_rate: Option<String>,
    /// SHA-256 of the document, lower-case hex.
    pub document_sha256: Option<String>,
}

/// Charges that name an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InvoiceLines {
    /// Rows.
    pub rows: u64,
    /// BilledCost without taxes.
    pub net: Money,
    /// BilledCost of taxes.
    pub tax: Money,
}

/// How an invoice and its lines compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceState {
    /// To the last digit.
    Agrees,
    /// But for the provider's rounding.
    Rounded,
    /// They do not.
    Differs,
    /// No line of the bill names it.
    NoLines,
    /// The bill names it, and nobody has entered it.
    NotEntered,
}

impl InvoiceState {
    /// Stable key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            InvoiceState::Agrees => "agrees",
            InvoiceState::Rounded => "rounded",
            InvoiceState::Differs => "differs",
            InvoiceState::NoLines => "no_lines",
            InvoiceState::NotEntered => "not_entered",
        }
    }

    /// Whether a close must not go on with it.
    #[must_use]
    pub fn is_mismatch(self) -> bool {
        matches!(self, InvoiceState::Differs | InvoiceState::NoLines)
    }
}

/// Compares an invoice with its lines: the state, and lines less invoice, taxes
/// included where the invoice states them.
///
/// # Errors
/// When a difference overflows.
pub fn compare(invoice: &Invoice, lines: Option<InvoiceLines>) -> Result<(InvoiceState, Money), MoneyOverflow> {
    let Some(lines) = lines else {
        return Ok((InvoiceState::NoLines, -invoice.net));
    };
    let net = lines.net.checked_sub(invoice.net)?;
    let tax = invoice.tax.map_or(Ok(Money::ZERO), |tax| lines.tax.checked_sub(tax))?;
    let both = net.abs().checked_add(tax.abs())?;
    let state = if net.is_zero() && tax.is_zero() {
        InvoiceState::Agrees
    } else if both.units().unsigned_abs() <= minor_unit(&invoice.currency) {
        InvoiceState::Rounded
    } else {
        InvoiceState::Differs
    };
    Ok((state, net.checked_add(tax)?))
}

/// One minor unit of a currency, in units of money.
fn minor_unit(currency: &Currency) -> u128 {
    10u128.pow(MONEY_SCALE - currency.minor_digits())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text).expect(text)
    }

    #[test]
    fn an_invoice_and_its_lines() {
        let invoice = |currency: &str, net: &str, tax: Option<&str>| Invoice {
            issuer: "AWS".to_owned(),
            number: "1".to_owned(),
            billing_account: String::new(),
            legal_entity: String::new(),
            period: "2026-10".parse().expect("a month"),
            currency: Currency::parse(currency).expect("a code"),
            net: money(net),
            tax: tax.map(money),
            gross: None,
            issued: None,
            due: None,
            exchange_rate: None,
            document_sha256: None,
        };
        use InvoiceState::{Agrees, Differs, NoLines, Rounded};
        for (currency, net, tax, lines, state, difference) in [
            ("USD", "10", None, Some(("10", "0")), Agrees, "0"),
            ("USD", "10", None, Some(("10", "1.9")), Agrees, "0"),
            ("USD", "10", Some("1.9"), Some(("10", "1.9")), Agrees, "0"),
            ("USD", "10", None, Some(("10.004999", "0")), Rounded, "0.004999"),
            ("USD", "10", None, Some(("9.99", "0")), Rounded, "-0.01"),
            ("USD", "10", None, Some(("9.989", "0")), Differs, "-0.011"),
            ("USD", "10", Some("1.9"), Some(("10", "0")), Differs, "-1.9"),
            ("USD", "10", Some("1.9"), Some(("10.01", "1.91")), Differs, "0.02"),
            ("USD", "10", Some("1.9"), Some(("10.01", "1.89")), Differs, "0"),
            ("JPY", "1000", None, Some(("1000.9", "0")), Rounded, "0.9"),
            ("KWD", "10", None, Some(("10.002", "0")), Differs, "0.002"),
            ("USD", "-5", None, Some(("-5", "0")), Agrees, "0"),
            ("USD", "10", None, None, NoLines, "-10"),
        ] {
            let lines = lines.map(|(net, tax)| InvoiceLines {
                rows: 1,
                net: money(net),
                tax: money(tax),
            });
            let found = compare(&invoice(currency, net, tax), lines).expect("small");
            assert_eq!(found, (state, money(difference)), "{currency} {net} {tax:?} {lines:?}");
        }
    }
}
