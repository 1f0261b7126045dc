//! Usage facts in the lake: per cluster and UTC day one set of three Parquet
//! files (nodes, slots, hours), sorted by node, pod and container, merged so
//! that late and repeated data converge to the same facts.

mod columns;
mod file;
mod merge;
mod stage;
mod table;

pub use file::{read_day, read_nodes, write_day};
pub use merge::merge;
pub use stage::{StagedUsage, UsageError, UsageProgress, UsageRequest, ingest_usage, stage_days};
pub use table::UsageKind;

pub(crate) use columns::{HourRows, each_hours, each_node, each_slot};
pub(crate) use file::{SlotHours, read_slot_hours, read_slots};

use domain::instant::Day;
use domain::usage::PoolSums;

/// The files of a cluster's day, as the manifest names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageFile {
    /// Cluster id.
    pub cluster: String,
    /// The day.
    pub day: Day,
    /// One row per node-hour.
    pub nodes_path: String,
    /// One row per slot: its metadata.
    pub slots_path: String,
    /// One row per slot-hour.
    pub hours_path: String,
    /// SHA-256 over the three files' hashes.
    pub sha256: String,
    /// Rows of the hours file.
    pub slot_hours: u64,
    /// Rows of the nodes file.
    pub node_hours: u64,
    /// Seconds the nodes were Ready.
    pub ready_s: u64,
    /// Of these, seconds with facts.
    pub observed_s: u64,
    /// Last hour with facts, hours since the epoch.
    pub last_hour: i32,
    /// Sums by node pool.
    pub pools: Vec<PoolSums>,
}
