//! What can go wrong with the lake's machinery; bad input is a finding instead.

use std::io;
use thiserror::Error;

/// The lake could not be read or written.
#[derive(Debug, Error)]
pub enum LakeError {
    /// The operating system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// An object store refused.
    #[error("cannot {action} the object {path}")]
    Object {
        /// What was tried, as a verb.
        action: &'static str,
        /// Which object.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// A Parquet file could not be written, read or queried.
    #[error("cannot {action} {path}")]
    Parquet {
        /// What was tried, as a verb.
        action: &'static str,
        /// Which file.
        path: String,
        /// Why.
        source: polars::prelude::PolarsError,
    },
    /// A path that does not stay inside the lake.
    #[error("{path:?} is not a path inside the lake")]
    BadPath {
        /// The path.
        path: String,
    },
    /// Files of the lake are written once.
    #[error("{path} is there already with other bytes")]
    Immutable {
        /// Which file.
        path: String,
    },
    /// A named file is not there.
    #[error("{path} is missing from the lake")]
    Missing {
        /// Which file.
        path: String,
    },
    /// What was read back is not what was written, or a file is not ours.
    #[error("{path} is damaged: {detail}")]
    Damaged {
        /// Which file.
        path: String,
        /// What differs.
        detail: String,
    },
    /// A sum left the 38 digits that can be kept exactly.
    #[error("the sum of {what} exceeds what can be kept exactly")]
    Overflow {
        /// Of what.
        what: String,
    },
    /// A charge's amount could not be split over its days.
    #[error("the charge in line {line} of {path} could not be split")]
    Split {
        /// File in the lake.
        path: String,
        /// Line of the bill.
        line: i64,
        /// Why.
        source: domain::apportion::ApportionError,
    },
    /// A charge could not be converted to another currency.
    #[error("{source}")]
    Fx {
        /// Why.
        source: domain::fx::FxError,
    },
    /// Prices could not be evened out between the lines of a bill.
    #[error("prices of the bill could not be evened out")]
    Price {
        /// Why.
        source: domain::price::PriceError,
    },
    /// The cost of a node could not be split among what ran on it.
    #[error("the cost of node {node} of cluster {cluster} could not be split")]
    SplitNode {
        /// Cluster id.
        cluster: String,
        /// Its name.
        node: String,
        /// Why.
        source: domain::apportion::ApportionError,
    },
    /// The parts of a node's cost are not the cost: nothing was kept.
    #[error("the parts of node {node} of cluster {cluster} do not add up to its cost on {day}; please report this")]
    Unbalanced {
        /// Cluster id.
        cluster: String,
        /// Its name.
        node: String,
        /// The day.
        day: domain::instant::Day,
    },
    /// The file was written by a later release.
    #[error("{path} has schema version {found}, this release reads up to {known}")]
    NewerSchema {
        /// Which file.
        path: String,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A thread of the pipeline ended without an answer.
    #[error("the {stage} stage ended without an answer")]
    Stage {
        /// Which stage.
        stage: &'static str,
    },
}

impl LakeError {
    pub(crate) fn io(action: &'static str, path: impl AsRef<std::path::Path>) -> impl FnOnce(io::Error) -> LakeError {
        let path = path.as_ref().display().to_string();
        move |source| LakeError::Io { action, path, source }
    }

    pub(crate) fn parquet(
        action: &'static str,
        path: impl Into<String>,
    ) -> impl FnOnce(polars::prelude::PolarsError) -> LakeError {
        let path = path.into();
        move |source| LakeError::Parquet { action, path, source }
    }

    pub(crate) fn object(
        action: &'static str,
        path: impl Into<String>,
    ) -> impl FnOnce(object_store::Error) -> LakeError {
        let path = path.into();
        move |source| LakeError::Object { action, path, source }
    }
}
