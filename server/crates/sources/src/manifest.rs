//! Manifests: the provider's own list of the files of a delivery, written after
//! the last of them. It is the commit record: the parts it names count, all of
//! them or none, and a folder that holds several deliveries of a month is never
//! added up (`billing.md` 5, pitfall 1: a published project did, 3.19 times the truth).
//!
//! Known are those of AWS Cost and Usage Reports (`reportKeys`), AWS Data
//! Exports, which CUR 2.0 and the FOCUS export are (`dataFiles`), and Azure Cost
//! Management exports (`blobs`).

mod choose;
mod read;

pub use choose::{Bills, files_of_newest, is_manifest, locate_bills};

use domain::BillingPeriod;
use std::path::PathBuf;

/// How the names of manifests end, in lower case.
pub(crate) const ENDING: &str = "manifest.json";

/// A file of a delivery, as its manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PartRef {
    /// Path inside the bucket or container; its end is the path inside a copy of it.
    key: String,
    /// Length, where the manifest has it.
    bytes: Option<u64>,
    /// Data rows, where the manifest has them.
    rows: Option<u64>,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Manifest {
    /// As the user knows it.
    name: String,
    path: PathBuf,
    /// Its files are looked for nowhere else.
    within: PathBuf,
    /// Which export: deliveries of one export and month replace one another.
    export: String,
    /// The month of its rows, where it says so.
    period: Option<BillingPeriod>,
    /// Orders the runs of one export and month; texts of one kind of manifest compare as times.
    submitted: Option<String>,
    parts: Vec<PartRef>,
    /// The provider says that it will not change this month any more.
    is_final: bool,
}
