//! Commitments as the bill tells of them: what was bought, what of it was used
//! and not, and how much of what it could cover it covered.
//!
//! Utilisation = used / (used + unused), coverage = covered / (covered + on
//! demand), as the FinOps Framework has them. Money is what is counted: used and
//! unused by EffectiveCost, covered and on demand by ListCost, so that a discount
//! does not make a commitment look small.

use crate::apportion::{ApportionError, Splitter};
use crate::charge::{Attributes, ChargeCategory};
use crate::instant::{DAY_US, Instant, Span};
use crate::money::{Money, MoneyOverflow};
use thiserror::Error;

/// What a row is to a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It buys one: billed now, effective as it is used.
    Bought,
    /// It uses one.
    Used,
    /// Nobody used it.
    Unused,
    /// It used none, though it might have: usage at the standard price.
    OnDemand,
}

/// FOCUS columns [`role`] looks at.
pub const ROLE_COLUMNS: [&str; 3] = ["CommitmentDiscountId", "CommitmentDiscountStatus", "PricingCategory"];

/// What a row is to a commitment; `None` = nothing: another category, or a
/// price that no commitment could lower, such as that of spot capacity.
#[must_use]
pub fn role(category: ChargeCategory, attributes: &Attributes) -> Option<Role> {
    let is = |column: &str, value: &str| {
        let text = attributes.column(column);
        text.is_some_and(|text| text.trim().eq_ignore_ascii_case(value))
    };
    let committed = attributes.column("CommitmentDiscountId").is_some();
    match category {
        ChargeCategory::Purchase if committed => Some(Role::Bought),
        ChargeCategory::Usage if committed && is("CommitmentDiscountStatus", "Unused") => Some(Role::Unused),
        ChargeCategory::Usage if committed => Some(Role::Used),
        ChargeCategory::Usage
            if attributes.column("PricingCategory").is_none() || is("PricingCategory", "Standard") =>
        {
            Some(Role::OnDemand)
        }
        _ => None,
    }
}

/// What a commitment is, as far as its rows say; `None` = unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// CommitmentDiscountName.
    pub name: Option<String>,
    /// CommitmentDiscountType, such as `Savings Plan`; else its category.
    pub kind: Option<String>,
    /// Who sells it.
    pub provider: Option<String>,
    /// The sub-account that bought it: of its purchase, else of its unused part.
    pub account: Option<String>,
    /// How long it runs, as the provider writes it.
    pub term: Option<String>,
    /// How it is paid, as the provider writes it.
    pub payment: Option<String>,
    /// First instant, as the provider writes it.
    pub start: Option<String>,
    /// First instant after it, as the provider writes it.
    pub end: Option<String>,
    /// Whether `account` is that of a purchase.
    is_buyer: bool,
}

/// Columns [`Terms::learn`] looks at beside FOCUS's: those of AWS Cost and
/// Usage Reports, legacy and 2.0, and of Azure exports.
pub const TERM_COLUMNS: [(&str, &[&str]); 4] = [
    (
        "term",
        &[
            "savingsPlan/PurchaseTerm",
            "savings_plan_purchase_term",
            "pricing/LeaseContractLength",
            "pricing_lease_contract_length",
            "Term",
        ],
    ),
    (
        "payment",
        &[
            "savingsPlan/PaymentOption",
            "savings_plan_payment_option",
            "pricing/PurchaseOption",
            "pricing_purchase_option",
        ],
    ),
    (
        "start",
        &[
            "savingsPlan/StartTime",
            "savings_plan_start_time",
            "reservation/StartTime",
            "reservation_start_time",
        ],
    ),
    (
        "end",
        &[
            "savingsPlan/EndTime",
            "savings_plan_end_time",
            "reservation/EndTime",
            "reservation_end_time",
        ],
    ),
];

/// Every column that says something about a commitment.
pub fn columns() -> impl Iterator<Item = &'static str> {
    let focus = [
        "CommitmentDiscountName",
        "CommitmentDiscountCategory",
        "CommitmentDiscountType",
        "ProviderName",
        "ServiceProviderName",
        "SubAccountId",
        "ServiceName",
    ];
    let terms = TERM_COLUMNS.iter().flat_map(|(_, names)| names.iter().copied());
    ROLE_COLUMNS.into_iter().chain(focus).chain(terms)
}

impl Terms {
    /// Takes what a row says and is not known yet.
    pub fn learn(&mut self, role: Role, attributes: &Attributes) {
        let text = |name: &str| attributes.column(name).map(str::trim).filter(|text| !text.is_empty());
        let first = |names: &[&str]| names.iter().find_map(|name| text(name)).map(str::to_owned);
        let learn = |known: &mut Option<String>, found: Option<String>| {
            if known.is_none() {
                *known = found;
            }
        };
        learn(&mut self.name, first(&["CommitmentDiscountName"]));
        learn(
            &mut self.kind,
            first(&["CommitmentDiscountType", "CommitmentDiscountCategory"]),
        );
        learn(&mut self.provider, attributes.provider().map(str::to_owned));
        let account = first(&["SubAccountId"]).filter(|_| role != Role::Used);
        if role == Role::Bought && !self.is_buyer && account.is_some() {
            // whoever pays for what is unused need not have bought it
            (self.account, self.is_buyer) = (account, true);
        } else {
            learn(&mut self.account, account);
        }
        let places = [&mut self.term, &mut self.payment, &mut self.start, &mut self.end];
        for (known, (_, names)) in places.into_iter().zip(TERM_COLUMNS) {
            learn(known, first(names));
        }
    }
}

/// A share in thousandths of two amounts, the rest being the second; `None`
/// when there is nothing, or one of them is below zero.
///
/// # Errors
/// When their sum overflows.
pub fn share_permille(part: Money, rest: Money) -> Result<Option<u32>, MoneyOverflow> {
    let whole = part.checked_add(rest)?;
    if part.units() < 0 || rest.units() < 0 || whole.is_zero() {
        return Ok(None);
    }
    // dividing first keeps it in range; what is lost is far below a thousandth
    let whole_units = whole.units();
    let permille = if whole_units >= 1_000_000 {
        part.units() / (whole_units / 1_000).max(1)
    } else {
        part.units() * 1_000 / whole_units
    };
    Ok(u32::try_from(permille.min(1_000)).ok())
}

/// A month of the prepaid roll-forward of a commitment (A8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roll {
    /// Prepaid before the month.
    pub opening: Money,
    /// BilledCost of purchases in it.
    pub purchases: Money,
    /// EffectiveCost of what used it and of what nobody used.
    pub amortised: Money,
    /// opening + purchases - amortised.
    pub closing: Money,
}

/// Rolls purchases and amortisation forward, month by month from the first: each
/// opening is the closing before it, and the last closing of a term is zero.
///
/// # Errors
/// When a sum overflows.
pub fn roll_forward(months: impl IntoIterator<Item = (Money, Money)>) -> Result<Vec<Roll>, MoneyOverflow> {
    let mut opening = Money::ZERO;
    let mut rolls = Vec::new();
    for (purchases, amortised) in months {
        let closing = opening.checked_add(purchases)?.checked_sub(amortised)?;
        rolls.push(Roll {
            opening,
            purchases,
            amortised,
            closing,
        });
        opening = closing;
    }
    Ok(rolls)
}

/// Why the elapsed part of what is unused is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ElapsedError {
    /// A split was refused.
    #[error(transparent)]
    Split(#[from] ApportionError),
    /// A sum overflowed.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
}

/// What of an unused part has elapsed at an instant (A23): all of it when its
/// charge period is over by then, nothing when that has not begun. A part of
/// more than a day is the provider's figure for all of it: elapsed is the
/// commitment's share of the time, less what was used of it in that time, which
/// is not below zero and not above the figure. Within a day the figure stands.
///
/// # Errors
/// When an amount cannot be split or added exactly.
pub fn elapsed_unused(
    unused: Money,
    used: Money,
    span: Span,
    through: Instant,
    split: Splitter,
) -> Result<Money, ElapsedError> {
    if span.start >= through {
        return Ok(Money::ZERO);
    }
    if span.end <= through || span.duration_us() <= DAY_US {
        return Ok(unused);
    }
    let time = [through.0 - span.start.0, span.end.0 - through.0].map(i128::from);
    let committed = split(used.checked_add(unused)?, &time)?[0];
    let elapsed = committed.checked_sub(used)?;
    Ok(elapsed.max(Money::ZERO).min(unused.max(Money::ZERO)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apportion::apportion;
    use crate::instant;

    /// A reservation of 720.00 a month of 30 days, of which 8 in 10 hours are used:
    /// 144.00 are unused in the end, and never more than the elapsed share of it.
    #[test]
    fn what_has_elapsed_of_what_is_unused() {
        let at = |text: &str| instant::parse(text.as_bytes()).expect(text).instant;
        let money = |text: &str| Money::parse(text).expect(text);
        let month = ("2026-11-01", "2026-12-01");
        for (what, unused, used, (from, to), through, expected) in [
            ("day 10: the provider says 528", "528", "192", month, "2026-11-11", "48"),
            ("day 20: it says 336", "336", "384", month, "2026-11-21", "96"),
            ("the end", "144", "576", month, "2026-12-01", "144"),
            ("all used so far", "480", "240", month, "2026-11-11", "0"),
            ("more used than elapsed", "470", "250", month, "2026-11-11", "0"),
            (
                "an hour to come",
                "1",
                "0",
                ("2026-11-11T05:00:00Z", "2026-11-11T06:00:00Z"),
                "2026-11-11",
                "0",
            ),
            (
                "an hour begun",
                "1",
                "0",
                ("2026-11-11T05:00:00Z", "2026-11-11T06:00:00Z"),
                "2026-11-11T05:30:00Z",
                "1",
            ),
            (
                "a day begun",
                "24",
                "0",
                ("2026-11-11", "2026-11-12"),
                "2026-11-11T12:00:00Z",
                "24",
            ),
            ("nothing", "0", "5", month, "2026-11-11", "0"),
        ] {
            let span = Span {
                start: at(from),
                end: at(to),
            };
            let found = elapsed_unused(money(unused), money(used), span, at(through), apportion);
            assert_eq!(found, Ok(money(expected)), "{what}");
        }
    }

    fn row(columns: &[(&str, &str)]) -> Attributes {
        Attributes {
            columns: columns
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Attributes::default()
        }
    }

    #[test]
    fn what_a_row_is_to_a_commitment() {
        use ChargeCategory::{Purchase, Tax, Usage};
        for (category, columns, expected) in [
            (Purchase, &[("CommitmentDiscountId", "c")][..], Some(Role::Bought)),
            (Purchase, &[], None),
            (
                Usage,
                &[("CommitmentDiscountId", "c"), ("CommitmentDiscountStatus", "Used")],
                Some(Role::Used),
            ),
            (
                Usage,
                &[("CommitmentDiscountId", "c"), ("CommitmentDiscountStatus", "unused")],
                Some(Role::Unused),
            ),
            (Usage, &[], Some(Role::OnDemand)),
            (Usage, &[("PricingCategory", "Standard")], Some(Role::OnDemand)),
            (Usage, &[("PricingCategory", "Dynamic")], None),
            (Tax, &[], None),
        ] {
            assert_eq!(role(category, &row(columns)), expected, "{category} {columns:?}");
        }
    }

    #[test]
    fn terms_are_learnt_from_whatever_row_has_them() {
        let mut terms = Terms::default();
        terms.learn(
            Role::Used,
            &row(&[("SubAccountId", "user"), ("CommitmentDiscountType", "Savings Plan")]),
        );
        terms.learn(Role::Unused, &row(&[("SubAccountId", "payer of the rest")]));
        terms.learn(
            Role::Bought,
            &row(&[
                ("SubAccountId", "buyer"),
                ("savings_plan_end_time", "2027-01-01T00:00:00Z"),
            ]),
        );
        terms.learn(
            Role::Bought,
            &row(&[("SubAccountId", "other"), ("CommitmentDiscountType", "x")]),
        );
        assert_eq!(terms.account.as_deref(), Some("buyer"));
        assert_eq!(terms.kind.as_deref(), Some("Savings Plan"));
        assert_eq!(terms.end.as_deref(), Some("2027-01-01T00:00:00Z"));
        assert_eq!((terms.term, terms.start), (None, None));
    }

    #[test]
    fn shares() {
        let money = |text: &str| Money::parse(text).expect(text);
        for (part, rest, expected) in [
            ("0", "0", None),
            ("1", "-2", None),
            ("1", "0", Some(1000)),
            ("1", "2", Some(333)),
            ("0.000000000000000000000001", "0.000000000000000000000001", Some(500)),
            ("99999999999999", "0.01", Some(999)),
            ("0", "5", Some(0)),
        ] {
            assert_eq!(share_permille(money(part), money(rest)), Ok(expected), "{part} {rest}");
        }
        assert!(share_permille(money("99999999999999"), money("99999999999999")).is_err());
    }
}
