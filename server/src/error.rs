//! What a use case can end in, and what that means to a shell and a browser.

use domain::{BillingPeriod, Finding};
use thiserror::Error;

/// Why a use case did not do what was asked.
#[derive(Debug, Error)]
pub enum AppError {
    /// The input is bad; nothing was changed. Each finding has place and remedy.
    #[error("{}", findings_text(.0))]
    Refused(Vec<Finding>),
    /// The request itself makes no sense.
    #[error("{what}; {remedy}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What would be right.
        remedy: String,
    },
    /// There is nothing in the lake yet.
    #[error("there is no data yet; run `tonnage demo`, or `tonnage ingest billing FILE`")]
    NoData,
    /// No such thing.
    #[error("there is no {what}")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// Somebody else holds it, or did it first.
    #[error("{what}; {remedy}")]
    Held {
        /// Who holds what.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// Figures that must be equal are not.
    #[error("{what} of {period} does not add up: {left} against {right}")]
    DoesNotAddUp {
        /// The equation.
        what: &'static str,
        /// The period.
        period: BillingPeriod,
        /// Left side.
        left: String,
        /// Right side.
        right: String,
    },
    /// The caller may not.
    #[error(transparent)]
    Forbidden(#[from] domain::access::Forbidden),
    /// The database failed.
    #[error("the store failed")]
    Store(#[source] store::StoreError),
    /// The lake failed.
    #[error("the lake failed")]
    Lake(#[from] lake::LakeError),
    /// Amounts too large to add.
    #[error("a sum of money failed")]
    Overflow(#[from] domain::money::MoneyOverflow),
    /// Anything else that broke, with what was being done.
    #[error("{doing}")]
    Broken {
        /// What was being done.
        doing: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<store::StoreError> for AppError {
    fn from(error: store::StoreError) -> AppError {
        match error {
            store::StoreError::Forbidden(forbidden) => forbidden.into(),
            other => AppError::Store(other),
        }
    }
}

/// Months in order, stretches without a gap in one: `2025-10 to 2026-02, 2026-04`.
fn months(known: &[BillingPeriod]) -> String {
    let mut stretches: Vec<(BillingPeriod, BillingPeriod)> = Vec::new();
    for &month in known {
        match stretches.last_mut() {
            Some((_, last)) if month.previous() == *last => *last = month,
            _ => stretches.push((month, month)),
        }
    }
    let words = stretches.iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first} to {last}")
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

fn findings_text(findings: &[Finding]) -> String {
    let mut lines: Vec<String> = findings.iter().take(20).map(ToString::to_string).collect();
    if findings.len() > lines.len() {
        lines.push(format!("and {} more", findings.len() - lines.len()));
    }
    lines.join("\n")
}

impl AppError {
    /// Something broke while doing this.
    pub fn broken(doing: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AppError {
        AppError::Broken {
            doing: doing.into(),
            source: source.into(),
        }
    }

    /// A request that makes no sense.
    pub fn usage(what: impl Into<String>, remedy: impl Into<String>) -> AppError {
        AppError::Usage {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// No bill for a month; says for which months there are bills.
    #[must_use]
    pub fn no_bill(period: BillingPeriod, known: &[BillingPeriod]) -> AppError {
        if known.is_empty() {
            return AppError::NoData;
        }
        AppError::NotFound {
            what: format!("bill for {period}; there are bills for {}", months(known)),
        }
    }

    /// The exit code of the command line: 2 bad input, 3 broken machinery, 4 held by somebody else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            AppError::Refused(_)
            | AppError::Usage { .. }
            | AppError::NoData
            | AppError::NotFound { .. }
            | AppError::Forbidden(_) => 2,
            AppError::DoesNotAddUp { .. } => 1,
            // another database or release is needed: running again cannot help
            AppError::Store(store::StoreError::Unsupported { .. }) => 2,
            AppError::Held { .. } => 4,
            AppError::Store(_) | AppError::Lake(_) | AppError::Overflow(_) | AppError::Broken { .. } => 3,
        }
    }

    /// The message with every cause behind it, for the one place that logs it.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_month_comes_with_those_there_are() {
        let month = |text: &str| -> BillingPeriod { text.parse().expect(text) };
        for (known, said) in [
            (
                &["2026-10"][..],
                "there is no bill for 2026-05; there are bills for 2026-10",
            ),
            (
                &["2025-11", "2025-12", "2026-01", "2026-03"],
                "there is no bill for 2026-05; there are bills for 2025-11 to 2026-01, 2026-03",
            ),
            (
                &[],
                "there is no data yet; run `tonnage demo`, or `tonnage ingest billing FILE`",
            ),
        ] {
            let known: Vec<BillingPeriod> = known.iter().map(|text| month(text)).collect();
            let error = AppError::no_bill(month("2026-05"), &known);
            assert_eq!((error.to_string().as_str(), error.exit_code()), (said, 2));
        }
    }
}
