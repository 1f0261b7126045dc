//! A charge: one line of a bill in FOCUS terms.

use crate::instant::Span;
use crate::money::{Currency, Money};
use crate::period::BillingPeriod;
use crate::price::Prices;
use crate::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// FOCUS ChargeCategory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChargeCategory {
    /// Consumption, refunds of it included.
    Usage,
    /// Purchases, commitments among them.
    Purchase,
    /// Taxes.
    Tax,
    /// Credits granted by the provider.
    Credit,
    /// Everything applied after the fact.
    Adjustment,
}

impl ChargeCategory {
    /// All values, in FOCUS's order.
    pub const ALL: [ChargeCategory; 5] = [Self::Usage, Self::Purchase, Self::Tax, Self::Credit, Self::Adjustment];

    /// FOCUS spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "Usage",
            Self::Purchase => "Purchase",
            Self::Tax => "Tax",
            Self::Credit => "Credit",
            Self::Adjustment => "Adjustment",
        }
    }

    /// Compared without case: the official sample has both spellings of many values.
    #[must_use]
    pub fn parse(text: &str) -> Option<ChargeCategory> {
        Self::ALL
            .into_iter()
            .find(|category| category.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

impl fmt::Display for ChargeCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What rules look at: the text columns of a charge and its tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attributes {
    /// FOCUS and unknown columns by name; absent when null.
    pub columns: BTreeMap<String, String>,
    /// The parsed `Tags` column.
    pub tags: Tags,
}

impl Attributes {
    /// A column's text, if it is not null.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&str> {
        self.columns.get(name).map(String::as_str)
    }

    /// A tag's value, if the tag is there.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name).map(String::as_str)
    }

    /// Sets a column (for tests and readers).
    #[must_use]
    pub fn with_column(mut self, name: &str, value: &str) -> Attributes {
        self.columns.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a tag (for tests and readers).
    #[must_use]
    pub fn with_tag(mut self, name: &str, value: &str) -> Attributes {
        self.tags.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Who provides the service: FOCUS 1.3's ServiceProviderName, else ProviderName.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.column("ServiceProviderName")
            .or_else(|| self.column("ProviderName"))
    }
}

/// One line of a bill. Amounts are in `currency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Stable id: delivery, file and line. Its bytes are the canonical order (A12).
    pub id: String,
    /// The month of its invoice: decides which statement takes it.
    pub period: BillingPeriod,
    /// When it was incurred: decides owners and display days.
    pub span: Span,
    /// Billing currency.
    pub currency: Currency,
    /// FOCUS ChargeCategory.
    pub category: ChargeCategory,
    /// What the invoice says.
    pub billed: Money,
    /// Amortised cost: the chargeback basis.
    pub effective: Money,
    /// Seconds of ConsumedQuantity, when its unit is one of time (A3).
    pub consumed_s: Option<u64>,
    /// What it would cost at other prices, and how much was used.
    pub prices: Prices,
    /// Everything rules look at.
    pub attributes: Attributes,
}
