//! Where bills and usage come from. Bills: finding files, looking into their
//! first bytes, and telling dialects apart by content; nothing here reads a
//! bill whole except to hash it, the lake does that. Usage: [`kubernetes`].

mod detect;
pub mod dlt;
pub mod kubernetes;
mod locate;
mod manifest;
pub mod prices;
pub mod prometheus;
mod sight;

pub use detect::{Detected, detect, known_formats};
pub use locate::{Located, is_bill, locate, locate_drivers};
pub use manifest::{Bills, files_of_newest, is_manifest, locate_bills};
pub use sight::{Sighted, first_rows, header_row, sha256, sight};

use domain::Finding;
use std::path::PathBuf;
use thiserror::Error;

/// Why files could not be found or looked into.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The input is not what it should be; each finding says where and what to do.
    #[error("{}", findings.first().map_or_else(|| "the input cannot be read".to_owned(), ToString::to_string))]
    Refused {
        /// What is wrong.
        findings: Vec<Finding>,
    },
    /// The operating system failed us.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl SourceError {
    pub(crate) fn refused(finding: Finding) -> SourceError {
        SourceError::Refused {
            findings: vec![finding],
        }
    }
}
