//! What can go wrong in the store, by what the caller can do about it.

use domain::BillingPeriod;
use thiserror::Error;

/// What a driver or decoder reported.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the store refused or failed. Whatever the kind, nothing was changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Somebody else committed first: read again, and try again.
    #[error("the manifest is no longer at version {expected}: something else was committed first")]
    Conflict {
        /// Version the caller had read.
        expected: i64,
    },
    /// Another source holds the bill (A25).
    #[error(
        "source {holder:?} already holds billing account {billing_account_id:?} for {period} ({sub_accounts} of these sub-accounts)"
    )]
    Claimed {
        /// Source that holds it.
        holder: String,
        /// Billing account both sources deliver.
        billing_account_id: String,
        /// Billing period both sources deliver.
        period: BillingPeriod,
        /// How many sub-accounts of the new delivery the holder has already.
        sub_accounts: u64,
    },
    /// A provider that appends: some of the rows are in an earlier delivery
    /// already, and some of that delivery's are not in this one.
    #[error("delivery {delivery_id} of {period} was exported in part at the same times")]
    Torn {
        /// The earlier delivery.
        delivery_id: String,
        /// The period of both.
        period: BillingPeriod,
    },
    /// Something that was named does not exist.
    #[error("there is no {what}")]
    NotFound {
        /// What was looked for, with its id.
        what: String,
    },
    /// The database is locked or overloaded: the same call may work later.
    #[error("the database is busy: {context}")]
    Busy {
        /// What was being done.
        context: &'static str,
        /// What the driver reported.
        #[source]
        source: Cause,
    },
    /// This database, or this address of one, cannot be used.
    #[error("{reason}")]
    Unsupported {
        /// What is wrong, and what would do.
        reason: String,
    },
    /// The caller passed something that can never be stored.
    #[error("{reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// The caller has no permission for it.
    #[error(transparent)]
    Forbidden(#[from] domain::access::Forbidden),
    /// The database failed, or holds something that cannot be read back.
    #[error("cannot {context}")]
    Backend {
        /// What was being done, in the imperative.
        context: &'static str,
        /// What the driver or decoder reported.
        #[source]
        source: Cause,
    },
}

impl StoreError {
    pub(crate) fn backend(context: &'static str, source: impl Into<Cause>) -> StoreError {
        StoreError::Backend {
            context,
            source: source.into(),
        }
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> StoreError {
        StoreError::Invalid { reason: reason.into() }
    }
}
