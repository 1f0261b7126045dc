//! Rows of node hours.

use super::{BadCell, Hour, MOST_GPU_MILLI, MOST_MIB, MOST_MILLICORES, Named, Node, NodeHour, Table, labels, seconds};
use domain::usage::Capacity;

pub(super) const TEXTS: [Named; 7] = [
    ("cluster", true),
    ("node", true),
    ("provider_id", true),
    ("pool", false),
    ("capacity_type", false),
    ("root_volume_id", false),
    ("labels", false),
];
pub(super) const INTS: [Named; 8] = [
    ("ready_seconds", true),
    ("observed_seconds", true),
    ("cpu_capacity_millicores", true),
    ("cpu_allocatable_millicores", true),
    ("memory_capacity_mib", true),
    ("memory_allocatable_mib", true),
    ("gpu_capacity_milli", false),
    ("gpu_allocatable_milli", false),
];

impl Table {
    /// The identity of a node row.
    pub fn node(&self, cells: &[&str]) -> Result<Node, BadCell> {
        let text = |at: usize| self.text(cells, at).to_owned();
        for (at, name) in [(0, "cluster"), (1, "node")] {
            if text(at).is_empty() {
                return Err((name, "is empty".to_owned()));
            }
        }
        Ok(Node {
            name: text(1),
            provider_id: text(2),
            pool: text(3),
            capacity_type: text(4),
            root_volume_id: text(5),
            labels: labels(self.text(cells, 6))?,
        })
    }

    /// The numbers of a node row.
    pub fn node_hour(&self, cells: &[&str], hour: Hour) -> Result<NodeHour, BadCell> {
        let int = |at: usize| self.int(cells, at);
        let ready_s = seconds(int(0)?, "ready_seconds")?;
        let observed_s = seconds(int(1)?, "observed_seconds")?;
        if observed_s > ready_s {
            return Err((
                "observed_seconds",
                format!("is {observed_s}, but the node was ready for {ready_s} s only"),
            ));
        }
        let (capacity, allocatable) = self.capacities(cells, 2)?;
        Ok(NodeHour {
            hour,
            ready_s,
            observed_s,
            capacity,
            allocatable,
        })
    }

    /// Capacity and allocatable, in six columns from `first`.
    pub fn capacities(&self, cells: &[&str], first: usize) -> Result<(Capacity, Capacity), BadCell> {
        let amount =
            |at: usize, most: u64| -> Result<u64, BadCell> { Ok(self.at_most(cells, first + at, most)?.unwrap_or(0)) };
        let of = |at: usize| -> Result<Capacity, BadCell> {
            Ok(Capacity {
                cpu_millicores: amount(at, MOST_MILLICORES)?,
                memory_mib: amount(at + 2, MOST_MIB)?,
                gpu_milli: amount(at + 4, MOST_GPU_MILLI)?,
            })
        };
        let (capacity, allocatable) = (of(0)?, of(1)?);
        if allocatable.less(&capacity) != Capacity::default() {
            return Err((
                "cpu_allocatable_millicores",
                "allocatable exceeds the capacity".to_owned(),
            ));
        }
        Ok((capacity, allocatable))
    }
}
