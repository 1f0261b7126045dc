//! One row of a usage file (docs/FORMATS.md): text cells to facts, and what is
//! wrong with a cell.

use domain::finding::Finding;
use domain::instant::{self, Day, SECOND_US};
use domain::tags::{self, Tags};
use domain::usage::{Capacity, HOUR_S, Hour, Measure, Node, NodeHour, Role, Slot, SlotHour};

/// Which table a usage file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageKind {
    /// One row per container-hour.
    Containers,
    /// One row per node-hour.
    Nodes,
}

/// A thousand cores for an hour: more in one container is a wrong unit.
const MOST_MILLICORES: u64 = 4_096_000;
/// 64 TiB.
const MOST_MIB: u64 = 64 << 20;
/// 1,024 devices.
const MOST_GPU_MILLI: u64 = 1_024_000;

const CONTAINER_TEXTS: [(&str, bool); 10] = [
    ("cluster", true),
    ("node", true),
    ("namespace", true),
    ("pod", true),
    ("container", false),
    ("pod_uid", false),
    ("role", false),
    ("workload_kind", false),
    ("workload", false),
    ("labels", false),
];
const CONTAINER_INTS: [(&str, bool); 10] = [
    ("seconds", true),
    ("cpu_request_core_ms", true),
    ("cpu_usage_core_ms", true),
    ("cpu_effective_core_ms", false),
    ("memory_request_mib_s", true),
    ("memory_usage_mib_s", true),
    ("memory_effective_mib_s", false),
    ("gpu_request_ms", false),
    ("gpu_usage_ms", false),
    ("gpu_effective_ms", false),
];
const NODE_TEXTS: [(&str, bool); 7] = [
    ("cluster", true),
    ("node", true),
    ("provider_id", true),
    ("pool", false),
    ("capacity_type", false),
    ("root_volume_id", false),
    ("labels", false),
];
const NODE_INTS: [(&str, bool); 8] = [
    ("ready_seconds", true),
    ("observed_seconds", true),
    ("cpu_capacity_millicores", true),
    ("cpu_allocatable_millicores", true),
    ("memory_capacity_mib", true),
    ("memory_allocatable_mib", true),
    ("gpu_capacity_milli", false),
    ("gpu_allocatable_milli", false),
];

/// Where the columns of a file lie.
pub(super) struct Table {
    pub kind: UsageKind,
    hour: usize,
    texts: Vec<Option<usize>>,
    ints: Vec<Option<usize>>,
    /// Cells a row must have.
    pub width: usize,
}

/// A fact with its place.
pub(super) enum Fact {
    Container(Slot, SlotHour),
    Node(Node, NodeHour),
}

/// Why a cell was refused: column and message.
pub(super) type BadCell = (&'static str, String);

impl Table {
    /// Finds the columns of a header.
    pub fn bind(header: &[String]) -> Result<Table, Box<Finding>> {
        let position = |name: &str| {
            header
                .iter()
                .position(|cell| cell.trim().trim_start_matches('\u{feff}') == name)
        };
        let kind = if position("container").is_some() || position("pod").is_some() {
            UsageKind::Containers
        } else if position("ready_seconds").is_some() {
            UsageKind::Nodes
        } else {
            return Err(Box::new(Finding::error("unknown_usage_table", "the header is neither that of container hours (column `pod`) nor of node hours (column `ready_seconds`)")
                .at_line(1)
                .remedy("see \"Usage files\" in docs/FORMATS.md")));
        };
        let (texts, ints): (&[_], &[_]) = match kind {
            UsageKind::Containers => (&CONTAINER_TEXTS, &CONTAINER_INTS),
            UsageKind::Nodes => (&NODE_TEXTS, &NODE_INTS),
        };
        let find = |(name, needed): &(&str, bool)| match position(name) {
            None if *needed => Err(missing(name)),
            found => Ok(found),
        };
        Ok(Table {
            kind,
            hour: position("hour").ok_or_else(|| missing("hour"))?,
            texts: texts.iter().map(find).collect::<Result<_, _>>()?,
            ints: ints.iter().map(find).collect::<Result<_, _>>()?,
            width: header.len(),
        })
    }

    /// The cluster of a row.
    pub fn cluster<'r>(&self, cells: &[&'r str]) -> &'r str {
        self.texts[0].and_then(|at| cells.get(at)).copied().unwrap_or("").trim()
    }

    /// Whether two rows differ in their numbers and hour alone.
    pub fn same_subject(&self, one: &[String], two: &[&str]) -> bool {
        let same = |at: &usize| one.get(*at).map(String::as_str) == two.get(*at).copied();
        self.texts.iter().flatten().all(same)
    }

    /// The hour and day of a row.
    pub fn hour(&self, cells: &[&str]) -> Result<(Hour, Day), BadCell> {
        let text = cells.get(self.hour).copied().unwrap_or("");
        let parsed = instant::parse(text.as_bytes()).map_err(|error| ("hour", format!("{text:?} {error}")))?;
        if parsed.instant.0 % (i64::from(HOUR_S) * SECOND_US) != 0 {
            return Err((
                "hour",
                format!("{text:?} is not the start of an hour; write 2026-11-21T09:00:00Z"),
            ));
        }
        let hour = Hour::of(parsed.instant);
        Ok((hour, hour.day()))
    }

    /// What a row says; `known` = the subject of the row before, when it is the same.
    pub fn read(&self, cells: &[&str], hour: Hour) -> Result<Fact, BadCell> {
        match self.kind {
            UsageKind::Containers => Ok(Fact::Container(self.slot(cells)?, self.slot_hour(cells, hour)?)),
            UsageKind::Nodes => Ok(Fact::Node(self.node(cells)?, self.node_hour(cells, hour)?)),
        }
    }

    /// The numbers of a container row.
    pub fn slot_hour(&self, cells: &[&str], hour: Hour) -> Result<SlotHour, BadCell> {
        let int = |at: usize| self.int(cells, &CONTAINER_INTS, at);
        let seconds = seconds(int(0)?, "seconds")?;
        let measure = |cpu: usize, memory: usize, gpu: usize| -> Result<Measure, BadCell> {
            Ok(Measure {
                cpu_core_ms: int(cpu)?.unwrap_or(0),
                memory_mib_s: int(memory)?.unwrap_or(0),
                gpu_ms: int(gpu)?.unwrap_or(0),
            })
        };
        let (requested, used) = (measure(1, 4, 7)?, measure(2, 5, 8)?);
        // an effective request is at least the larger of the two (A1)
        let effective = measure(3, 6, 9)?.max(requested).max(used);
        let most = Capacity {
            cpu_millicores: MOST_MILLICORES,
            memory_mib: MOST_MIB,
            gpu_milli: MOST_GPU_MILLI,
        }
        .over(u64::from(HOUR_S));
        if effective.max(most) != most {
            return Err((
                "cpu_effective_core_ms",
                "is more than any machine has; check the units (core-ms, MiB-s, GPU-ms)".to_owned(),
            ));
        }
        Ok(SlotHour {
            hour,
            seconds,
            effective,
            requested,
            used,
        })
    }

    /// The identity of a container row.
    pub fn slot(&self, cells: &[&str]) -> Result<Slot, BadCell> {
        let text = |at: usize| self.text(cells, at);
        let role = match text(6) {
            "" => Role::Workload,
            role => Role::parse(role).ok_or_else(|| {
                (
                    "role",
                    format!("{role:?} is none of workload, pod_overhead, daemon_set, placeholder"),
                )
            })?,
        };
        for (at, (name, needed)) in CONTAINER_TEXTS.iter().enumerate() {
            if *needed && text(at).is_empty() {
                return Err((name, "is empty".to_owned()));
            }
        }
        let container = text(4).to_owned();
        if container.is_empty() && role != Role::PodOverhead {
            return Err((
                "container",
                "is empty; only rows of role pod_overhead have none".to_owned(),
            ));
        }
        let pod_uid = match text(5) {
            "" => format!("{}/{}", text(2), text(3)),
            uid => uid.to_owned(),
        };
        Ok(Slot {
            node: text(1).to_owned(),
            pod_uid,
            container,
            role,
            namespace: text(2).to_owned(),
            pod: text(3).to_owned(),
            workload_kind: text(7).to_owned(),
            workload: text(8).to_owned(),
            labels: labels(text(9))?,
        })
    }

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
        let int = |at: usize| self.int(cells, &NODE_INTS, at);
        let ready_s = seconds(int(0)?, "ready_seconds")?;
        let observed_s = seconds(int(1)?, "observed_seconds")?;
        if observed_s > ready_s {
            return Err((
                "observed_seconds",
                format!("is {observed_s}, but the node was ready for {ready_s} s only"),
            ));
        }
        let capacity = |cpu: usize, memory: usize, gpu: usize| -> Result<Capacity, BadCell> {
            Ok(Capacity {
                cpu_millicores: int(cpu)?.unwrap_or(0),
                memory_mib: int(memory)?.unwrap_or(0),
                gpu_milli: int(gpu)?.unwrap_or(0),
            })
        };
        let (capacity, allocatable) = (capacity(2, 4, 6)?, capacity(3, 5, 7)?);
        let absurd = capacity.cpu_millicores > MOST_MILLICORES
            || capacity.memory_mib > MOST_MIB
            || capacity.gpu_milli > MOST_GPU_MILLI;
        if absurd {
            return Err((
                "cpu_capacity_millicores",
                "is more than any machine has; check the units (millicores, MiB)".to_owned(),
            ));
        }
        if allocatable.less(&capacity) != Capacity::default() {
            return Err((
                "cpu_allocatable_millicores",
                "allocatable exceeds the capacity".to_owned(),
            ));
        }
        Ok(NodeHour {
            hour,
            ready_s,
            observed_s,
            capacity,
            allocatable,
        })
    }

    fn text<'r>(&self, cells: &[&'r str], at: usize) -> &'r str {
        self.texts[at]
            .and_then(|at| cells.get(at))
            .copied()
            .unwrap_or("")
            .trim()
    }

    fn int(&self, cells: &[&str], names: &[(&'static str, bool)], at: usize) -> Result<Option<u64>, BadCell> {
        let (name, needed) = names[at];
        let text = self.ints[at].and_then(|at| cells.get(at)).copied().unwrap_or("").trim();
        match text {
            "" if needed => Err((name, "is empty where a whole number is required".to_owned())),
            "" => Ok(None),
            text => text
                .parse::<u64>()
                .ok()
                .filter(|value| *value <= u64::try_from(i64::MAX).unwrap_or(0))
                .map(Some)
                .ok_or_else(|| (name, format!("{text:?} is not a whole number of zero or more"))),
        }
    }
}

fn missing(name: &str) -> Box<Finding> {
    Box::new(
        Finding::error("missing_column", format!("the column {name} is missing"))
            .at_line(1)
            .in_column(name)
            .remedy("see \"Usage files\" in docs/FORMATS.md"),
    )
}

fn seconds(value: Option<u64>, name: &'static str) -> Result<u32, BadCell> {
    let value = value.unwrap_or(0);
    u32::try_from(value)
        .ok()
        .filter(|value| *value <= HOUR_S)
        .ok_or_else(|| (name, format!("is {value}; an hour has {HOUR_S}")))
}

fn labels(text: &str) -> Result<Tags, BadCell> {
    tags::parse(text).map_err(|error| ("labels", error.to_string()))
}
