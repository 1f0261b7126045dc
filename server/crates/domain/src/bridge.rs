//! The bridge from billed to effective cost (rule A8): per billing account,
//! period and currency, `billed + sum of terms = effective`, residual zero.
//!
//! Every row belongs to exactly one term, and the term's amount is the sum of
//! `effective - billed` over its rows. So the identity holds by construction,
//! and what a bill got wrong shows as a named term instead of a residual.

use crate::charge::{Attributes, ChargeCategory};
use crate::price;
use serde::{Deserialize, Serialize};

/// Why a row's effective cost differs from its billed cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeTerm {
    /// It should not: neither commitment nor prepayment. A non-zero sum here is a finding.
    None,
    /// Purchase of a commitment: billed now, effective as it is used.
    CommitmentPurchase,
    /// Commitment used: amortised, billed earlier.
    AmortisedUsed,
    /// Commitment unused: amortised, billed earlier.
    AmortisedUnused,
    /// A purchase that is prepaid without a commitment id (tokens, annual fees).
    Prepaid,
    /// A correction or other row outside its own period's books.
    Correction,
    /// Fees over the days of their term: off the month of their bill, on to every
    /// month of the term (A24). Over a term nothing in all.
    Scheduled,
    /// What is unused of a commitment in an open month and not elapsed yet (A23).
    NotElapsed,
    /// Money moved between lines when prices are evened out (A16-A18, A23):
    /// nothing in all, per billing account, period and currency.
    Evened,
}

impl BridgeTerm {
    /// Every term, in the order shown.
    pub const ALL: [BridgeTerm; 9] = [
        Self::CommitmentPurchase,
        Self::AmortisedUsed,
        Self::AmortisedUnused,
        Self::Prepaid,
        Self::Scheduled,
        Self::NotElapsed,
        Self::Correction,
        Self::Evened,
        Self::None,
    ];

    /// Stable key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "unexplained",
            Self::CommitmentPurchase => "commitment_purchases",
            Self::AmortisedUsed => "amortised_used",
            Self::AmortisedUnused => "amortised_unused",
            Self::Prepaid => "prepaid_purchases",
            Self::Scheduled => "scheduled_fees",
            Self::NotElapsed => "not_elapsed",
            Self::Correction => "corrections",
            Self::Evened => "evened_prices",
        }
    }

    /// Back from [`BridgeTerm::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<BridgeTerm> {
        Self::ALL.into_iter().find(|term| term.as_str() == text)
    }

    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "Difference the bill does not explain",
            Self::CommitmentPurchase => "Commitment purchases",
            Self::AmortisedUsed => "Amortised, used",
            Self::AmortisedUnused => "Amortised, unused",
            Self::Prepaid => "Prepaid purchases",
            Self::Scheduled => "Fees on a schedule",
            Self::NotElapsed => "Unused, not elapsed yet",
            Self::Correction => "Corrections",
            Self::Evened => "Prices evened out",
        }
    }

    /// The term of a row.
    #[must_use]
    pub fn of(category: ChargeCategory, attributes: &Attributes) -> BridgeTerm {
        let is = |column: &str, value: &str| {
            attributes
                .column(column)
                .is_some_and(|text| text.trim().eq_ignore_ascii_case(value))
        };
        let committed = attributes.column("CommitmentDiscountId").is_some();
        match category {
            _ if is(price::PRICE_RULE, price::PriceRule::Schedule.as_str()) => Self::Scheduled,
            _ if is(price::PRICE_RULE, price::PriceRule::NotElapsed.as_str()) => Self::NotElapsed,
            _ if price::is_move(attributes) => Self::Evened,
            ChargeCategory::Purchase if committed => Self::CommitmentPurchase,
            _ if is("CommitmentDiscountStatus", "Unused") => Self::AmortisedUnused,
            _ if is("CommitmentDiscountStatus", "Used") || (committed && category == ChargeCategory::Usage) => {
                Self::AmortisedUsed
            }
            ChargeCategory::Purchase => Self::Prepaid,
            _ if is("ChargeClass", "Correction") => Self::Correction,
            _ => Self::None,
        }
    }

    /// Charge columns the decision looks at.
    pub const COLUMNS: [&'static str; 4] = [
        "ChargeCategory",
        "CommitmentDiscountId",
        "CommitmentDiscountStatus",
        "ChargeClass",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_one_term() {
        let row = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .fold(Attributes::default(), |a, (k, v)| a.with_column(k, v))
        };
        for (category, attributes, expect) in [
            (
                ChargeCategory::Purchase,
                row(&[("CommitmentDiscountId", "c")]),
                BridgeTerm::CommitmentPurchase,
            ),
            (ChargeCategory::Purchase, row(&[]), BridgeTerm::Prepaid),
            (
                ChargeCategory::Purchase,
                row(&[("PriceRule", "A24 schedule")]),
                BridgeTerm::Scheduled,
            ),
            (
                ChargeCategory::Usage,
                row(&[("PriceRule", "A23 not elapsed"), ("CommitmentDiscountStatus", "Unused")]),
                BridgeTerm::NotElapsed,
            ),
            (
                ChargeCategory::Purchase,
                row(&[("PriceRule", "A17 discount")]),
                BridgeTerm::Evened,
            ),
            (
                ChargeCategory::Usage,
                row(&[("CommitmentDiscountStatus", "Used"), ("CommitmentDiscountId", "c")]),
                BridgeTerm::AmortisedUsed,
            ),
            (
                ChargeCategory::Usage,
                row(&[("CommitmentDiscountStatus", "unused"), ("CommitmentDiscountId", "c")]),
                BridgeTerm::AmortisedUnused,
            ),
            (
                ChargeCategory::Usage,
                row(&[("ChargeClass", "Correction")]),
                BridgeTerm::Correction,
            ),
            (ChargeCategory::Usage, row(&[]), BridgeTerm::None),
            (ChargeCategory::Tax, row(&[]), BridgeTerm::None),
        ] {
            assert_eq!(BridgeTerm::of(category, &attributes), expect);
        }
        for term in BridgeTerm::ALL {
            assert_eq!(BridgeTerm::parse(term.as_str()), Some(term));
        }
    }
}
