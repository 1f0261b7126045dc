//! One row of a usage file (docs/FORMATS.md): text cells to facts, and what is
//! wrong with a cell. A module per table.

mod container;
mod node;
mod resource;
mod sample;

pub(super) use sample::{Sampled, SampledOf};

use domain::finding::Finding;
use domain::instant::{self, Day, Instant, SECOND_US};
use domain::tags::{self, Tags};
use domain::usage::{
    Backend, BackendHour, Balancer, BalancerHour, HOUR_S, Hour, Mount, MountHour, Node, NodeHour, SizingHour, Slot,
    SlotHour, Volume, VolumeHour,
};

/// Which table a usage file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageKind {
    /// One row per container-hour.
    Containers,
    /// One row per node-hour.
    Nodes,
    /// One row per volume-hour and pod that mounted it.
    Volumes,
    /// One row per load-balancer-hour and backend.
    Balancers,
    /// One row per container and instant.
    ContainerSamples,
    /// One row per node and instant.
    NodeSamples,
}

/// A thousand cores for an hour: more in one container is a wrong unit.
const MOST_MILLICORES: u64 = 4_096_000;
/// 64 TiB.
const MOST_MIB: u64 = 64 << 20;
/// 1,024 devices.
const MOST_GPU_MILLI: u64 = 1_024_000;
/// 64 PiB.
const MOST_VOLUME_MIB: u64 = 64 << 30;

/// A column and whether a file needs it; in a column of numbers, whether a row does.
type Named = (&'static str, bool);

/// Where the columns of a file lie.
pub(super) struct Table {
    pub kind: UsageKind,
    /// Of the column `hour`, or `at`.
    time: usize,
    names: &'static [Named],
    texts: Vec<Option<usize>>,
    ints: Vec<Option<usize>>,
    /// Whether it has any column that is for sizing alone.
    sizing: bool,
    /// Cells a row must have.
    pub width: usize,
}

/// A fact with its place.
pub(super) enum Fact {
    Container(Slot, SlotHour, Option<SizingHour>),
    Node(Node, NodeHour),
    Volume(Volume, VolumeHour, Option<(Mount, MountHour)>),
    Balancer(Balancer, BalancerHour, Option<(Backend, BackendHour)>),
}

impl Fact {
    /// The hour it is about.
    pub fn hour(&self) -> Hour {
        match self {
            Fact::Container(_, hour, _) => hour.hour,
            Fact::Node(_, hour) => hour.hour,
            Fact::Volume(_, hour, _) => hour.hour,
            Fact::Balancer(_, hour, _) => hour.hour,
        }
    }
}

/// Why a cell was refused: column and message.
pub(super) type BadCell = (&'static str, String);

impl UsageKind {
    /// Told by the columns that only one table has.
    fn of(has: impl Fn(&str) -> bool) -> Option<UsageKind> {
        let kinds = [
            (has("volume_id"), UsageKind::Volumes),
            (has("balancer_id"), UsageKind::Balancers),
            (has("at") && has("pod"), UsageKind::ContainerSamples),
            (has("at") && has("ready"), UsageKind::NodeSamples),
            (has("container") || has("pod"), UsageKind::Containers),
            (has("ready_seconds"), UsageKind::Nodes),
        ];
        kinds.into_iter().find_map(|(found, kind)| found.then_some(kind))
    }

    /// The columns of texts and of whole numbers.
    fn columns(self) -> (&'static [Named], &'static [Named]) {
        match self {
            UsageKind::Containers => (&container::TEXTS, &container::INTS),
            UsageKind::Nodes => (&node::TEXTS, &node::INTS),
            UsageKind::Volumes => (&resource::VOLUME_TEXTS, &resource::VOLUME_INTS),
            UsageKind::Balancers => (&resource::BALANCER_TEXTS, &resource::BALANCER_INTS),
            UsageKind::ContainerSamples => (&sample::CONTAINER_TEXTS, &sample::CONTAINER_INTS),
            UsageKind::NodeSamples => (&sample::NODE_TEXTS, &sample::NODE_INTS),
        }
    }

    /// Whether its rows are samples, not facts about an hour.
    pub fn is_samples(self) -> bool {
        matches!(self, UsageKind::ContainerSamples | UsageKind::NodeSamples)
    }
}

impl Table {
    /// Finds the columns of a header.
    pub fn bind(header: &[String]) -> Result<Table, Box<Finding>> {
        let position = |name: &str| {
            header
                .iter()
                .position(|cell| cell.trim().trim_start_matches('\u{feff}') == name)
        };
        let kind = UsageKind::of(|name| position(name).is_some()).ok_or_else(|| {
            Box::new(
                Finding::error(
                    "unknown_usage_table",
                    "the header is none of a usage table: container hours have a column `pod`, node hours \
                     `ready_seconds`, volume hours `volume_id`, load balancer hours `balancer_id`, samples `at`",
                )
                .at_line(1)
                .remedy("see \"Usage files\" in docs/FORMATS.md"),
            )
        })?;
        let (texts, names) = kind.columns();
        let find = |(name, needed): &Named| match position(name) {
            None if *needed => Err(missing(name)),
            found => Ok(found),
        };
        let time = if kind.is_samples() { "at" } else { "hour" };
        let ints: Vec<Option<usize>> = names.iter().map(find).collect::<Result<_, _>>()?;
        Ok(Table {
            kind,
            time: position(time).ok_or_else(|| missing(time))?,
            names,
            texts: texts.iter().map(find).collect::<Result<_, _>>()?,
            sizing: kind == UsageKind::Containers && ints[container::FIRST_SIZING..].iter().any(Option::is_some),
            ints,
            width: header.len(),
        })
    }

    /// The cluster of a row.
    pub fn cluster<'r>(&self, cells: &[&'r str]) -> &'r str {
        self.text(cells, 0)
    }

    /// Whether two rows differ in their numbers and hour alone.
    pub fn same_subject(&self, one: &[String], two: &[&str]) -> bool {
        let same = |at: &usize| one.get(*at).map(String::as_str) == two.get(*at).copied();
        self.texts.iter().flatten().all(same)
    }

    /// The hour and day of a row.
    pub fn hour(&self, cells: &[&str]) -> Result<(Hour, Day), BadCell> {
        let text = cells.get(self.time).copied().unwrap_or("");
        let at = instant("hour", text)?;
        if at.0 % (i64::from(HOUR_S) * SECOND_US) != 0 {
            return Err((
                "hour",
                format!("{text:?} is not the start of an hour; write 2026-11-21T09:00:00Z"),
            ));
        }
        let hour = Hour::of(at);
        Ok((hour, hour.day()))
    }

    /// What a row of hours says.
    pub fn read(&self, cells: &[&str], hour: Hour) -> Result<Fact, BadCell> {
        Ok(match self.kind {
            UsageKind::Containers | UsageKind::ContainerSamples => {
                let hours = self.slot_hour(cells, hour)?;
                let sizing = self.sizing_hour(cells, &hours)?;
                Fact::Container(self.slot(cells)?, hours, sizing)
            }
            UsageKind::Nodes | UsageKind::NodeSamples => Fact::Node(self.node(cells)?, self.node_hour(cells, hour)?),
            UsageKind::Volumes => self.volume(cells, hour)?,
            UsageKind::Balancers => self.balancer(cells, hour)?,
        })
    }

    fn text<'r>(&self, cells: &[&'r str], at: usize) -> &'r str {
        self.texts[at]
            .and_then(|at| cells.get(at))
            .copied()
            .unwrap_or("")
            .trim()
    }

    fn int(&self, cells: &[&str], at: usize) -> Result<Option<u64>, BadCell> {
        let (name, needed) = self.names[at];
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

    /// As [`Table::int`], for what fits 32 bits.
    fn small(&self, cells: &[&str], at: usize) -> Result<Option<u32>, BadCell> {
        let name = self.names[at].0;
        let small = |value: u64| u32::try_from(value).map_err(|_| (name, format!("is {value}; nothing has so many")));
        self.int(cells, at)?.map(small).transpose()
    }

    /// As [`Table::int`], at most `most`.
    fn at_most(&self, cells: &[&str], at: usize, most: u64) -> Result<Option<u64>, BadCell> {
        match self.int(cells, at)? {
            Some(value) if value > most => {
                Err((self.names[at].0, format!("is {value}, which is absurd; check its unit")))
            }
            value => Ok(value),
        }
    }

    /// As [`Table::int`], seconds within an hour.
    fn seconds(&self, cells: &[&str], at: usize) -> Result<Option<u32>, BadCell> {
        let name = self.names[at].0;
        self.int(cells, at)?.map(|value| seconds(Some(value), name)).transpose()
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

fn instant(name: &'static str, text: &str) -> Result<Instant, BadCell> {
    let parsed = instant::parse(text.as_bytes()).map_err(|error| (name, format!("{text:?} {error}")))?;
    Ok(parsed.instant)
}

/// An instant that may be unknown.
fn some_instant(name: &'static str, text: &str) -> Result<Option<Instant>, BadCell> {
    (!text.is_empty()).then(|| instant(name, text)).transpose()
}

fn labels(text: &str) -> Result<Tags, BadCell> {
    labels_of("labels", text)
}

fn labels_of(name: &'static str, text: &str) -> Result<Tags, BadCell> {
    tags::parse(text).map_err(|error| (name, error.to_string()))
}
