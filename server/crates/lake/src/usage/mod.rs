//! Usage facts in the lake: per cluster and UTC day one set of Parquet files
//! (nodes, slots, hours; volumes, balancers and sizing where there are any), in
//! canonical order, merged so that late and repeated data converge to the same
//! facts.

mod archive;
mod columns;
mod file;
mod merge;
mod passes;
mod payload;
mod pending;
mod remarks;
mod resource;
mod samples;
mod sizing;
mod stage;
mod table;

pub use file::{read_day, read_nodes, write_day};
pub use merge::{Merged, merge};
pub use resource::{read_balancers, read_volumes};
pub use sizing::read_sizing;
pub use stage::{StagedUsage, UsageError, UsageProgress, UsageRequest, ingest_usage, stage_days};
pub use table::UsageKind;

pub(crate) use file::{SlotHours, read_slot_hours, read_slots};
pub(crate) use passes::{ALL_SLOTS, HourRows, each_hours, each_node, each_slot};

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
    /// One row per volume-hour, and per hour of a pod that mounted it; `None`
    /// without volumes.
    pub volumes_path: Option<String>,
    /// One row per load-balancer-hour, and per hour of a backend; `None` without any.
    pub balancers_path: Option<String>,
    /// One row per slot-hour of which something is known for sizing; `None` without any.
    pub sizing_path: Option<String>,
    /// SHA-256 over the files' hashes.
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
