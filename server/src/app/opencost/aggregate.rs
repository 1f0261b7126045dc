//! Grouping: rows with the same values of some fields are one group.

use super::BadAsk;
use super::filter::{UNALLOCATED, alias};
use super::row::{Costs, Field, Row, Unused};
use domain::instant::Instant;
use domain::money::MoneyOverflow;
use domain::tags::Tags;
use domain::usage::Measure;
use std::collections::HashMap;
use std::fmt::Write;

/// What the original calls capacity nobody holds.
pub const IDLE: &str = "__idle__";
/// Fields a grouping may have.
const MAX_FIELDS: usize = 16;

/// How rows are grouped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grouping {
    /// In order; empty = cluster, node, namespace, pod, container.
    pub fields: Vec<Field>,
    /// Capacity nobody holds is apart by cluster or node.
    pub split_idle: bool,
    /// The rows of nobody are by node.
    pub idle_by_node: bool,
}

/// Parses `aggregate`: field names with commas between, `label:app`.
///
/// # Errors
/// Names the field that does not exist.
pub fn parse_fields(text: &str) -> Result<Vec<Field>, BadAsk> {
    let fields: Vec<Field> = super::filter::list(text).map(field).collect::<Result<_, _>>()?;
    if fields.len() > MAX_FIELDS {
        return Err(BadAsk::new(format!("aggregate has more than {MAX_FIELDS} fields")));
    }
    Ok(fields)
}

fn field(name: &str) -> Result<Field, BadAsk> {
    if let Some((kind, key)) = name.split_once(':') {
        return match (kind.to_ascii_lowercase().as_str(), key) {
            ("label", key) if !key.is_empty() => Ok(Field::Label(key.to_owned())),
            ("annotation", key) if !key.is_empty() => Ok(Field::Annotation(key.to_owned())),
            _ => Err(unknown(name)),
        };
    }
    let lower = name.to_ascii_lowercase();
    Ok(match lower.as_str() {
        "cluster" => Field::Cluster,
        "node" => Field::Node,
        "providerid" => Field::ProviderId,
        "namespace" => Field::Namespace,
        "controllerkind" => Field::ControllerKind,
        "controller" => Field::Controller,
        "deployment" => Field::ControllerOf("deployment"),
        "statefulset" => Field::ControllerOf("statefulset"),
        "daemonset" => Field::ControllerOf("daemonset"),
        "job" => Field::ControllerOf("job"),
        "pod" => Field::Pod,
        "container" => Field::Container,
        "service" => Field::Service,
        _ => Field::Label(alias(&lower).ok_or_else(|| unknown(name))?.to_owned()),
    })
}

fn unknown(name: &str) -> BadAsk {
    BadAsk::new(format!(
        "aggregate={name} does not fit; write cluster, node, namespace, controller, controllerKind, pod, container, \
         service, deployment, statefulset, daemonset, job, label:NAME or annotation:NAME, with commas between"
    ))
}

/// What all rows of a group have in common; `None` = they differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    /// Cluster.
    pub cluster: Option<String>,
    /// Node.
    pub node: Option<String>,
    /// Machine.
    pub provider_id: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Kind of the top owner, lower case.
    pub controller_kind: Option<String>,
    /// Name of the top owner.
    pub controller: Option<String>,
    /// Pod.
    pub pod: Option<String>,
    /// Container.
    pub container: Option<String>,
    /// Labels.
    pub labels: Option<Tags>,
    /// Services in front of the pods.
    pub services: Option<Vec<String>>,
    /// Annotations.
    pub annotations: Option<Tags>,
}

impl Properties {
    fn of(row: &Row<'_>) -> Properties {
        let text = |field: Field| Some(field.of(row).into_owned());
        Properties {
            cluster: text(Field::Cluster),
            node: text(Field::Node),
            provider_id: text(Field::ProviderId),
            namespace: text(Field::Namespace),
            controller_kind: text(Field::ControllerKind),
            controller: text(Field::Controller),
            pod: text(Field::Pod),
            container: text(Field::Container),
            labels: row.slot.map(|slot| slot.labels.clone()),
            services: row.slot.map(|slot| slot.services.clone()),
            annotations: row.slot.map(|slot| slot.annotations.clone()),
        }
    }

    fn meet_row(&mut self, row: &Row<'_>) {
        let keep = |mine: &mut Option<String>, field: Field| {
            if mine.as_deref().is_some_and(|mine| mine != &*field.of(row)) {
                *mine = None;
            }
        };
        keep(&mut self.cluster, Field::Cluster);
        keep(&mut self.node, Field::Node);
        keep(&mut self.provider_id, Field::ProviderId);
        keep(&mut self.namespace, Field::Namespace);
        keep(&mut self.controller_kind, Field::ControllerKind);
        keep(&mut self.controller, Field::Controller);
        keep(&mut self.pod, Field::Pod);
        keep(&mut self.container, Field::Container);
        if self.labels.as_ref() != row.slot.map(|slot| &slot.labels) {
            self.labels = None;
        }
        if self.services.as_ref() != row.slot.map(|slot| &slot.services) {
            self.services = None;
        }
        if self.annotations.as_ref() != row.slot.map(|slot| &slot.annotations) {
            self.annotations = None;
        }
    }

    fn meet(&mut self, other: &Properties) {
        let keep = |mine: &mut Option<String>, other: &Option<String>| {
            if mine != other {
                *mine = None;
            }
        };
        keep(&mut self.cluster, &other.cluster);
        keep(&mut self.node, &other.node);
        keep(&mut self.provider_id, &other.provider_id);
        keep(&mut self.namespace, &other.namespace);
        keep(&mut self.controller_kind, &other.controller_kind);
        keep(&mut self.controller, &other.controller);
        keep(&mut self.pod, &other.pod);
        keep(&mut self.container, &other.container);
        if self.labels != other.labels {
            self.labels = None;
        }
        if self.services != other.services {
            self.services = None;
        }
        if self.annotations != other.annotations {
            self.annotations = None;
        }
    }
}

/// Rows added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name: the values of the fields, with slashes between.
    pub name: String,
    /// What its rows have in common.
    pub properties: Properties,
    /// First instant one was seen.
    pub start: Instant,
    /// First instant after one was seen.
    pub end: Instant,
    /// Integral of max(request, usage).
    pub held: Measure,
    /// Integral of the request.
    pub requested: Measure,
    /// Integral of the usage.
    pub used: Measure,
    /// Cost.
    pub costs: Costs,
    /// What the cost of capacity nobody holds is called; zero in other groups.
    pub unused: Unused,
    /// Whether any row has a service, and whether any has an annotation.
    pub knows: (bool, bool),
}

fn knows(row: &Row<'_>) -> (bool, bool) {
    let of = |slot: &domain::usage::Slot| (!slot.services.is_empty(), !slot.annotations.is_empty());
    row.slot.map_or((false, false), of)
}

impl Group {
    fn of(name: String, row: &Row<'_>) -> Group {
        Group {
            name,
            properties: Properties::of(row),
            start: row.start,
            end: row.end,
            held: row.held,
            requested: row.requested,
            used: row.used,
            costs: row.costs,
            unused: row.unused,
            knows: knows(row),
        }
    }

    fn add_row(&mut self, row: &Row<'_>) -> Result<(), MoneyOverflow> {
        self.properties.meet_row(row);
        let more = knows(row);
        self.knows = (self.knows.0 || more.0, self.knows.1 || more.1);
        (self.start, self.end) = (self.start.min(row.start), self.end.max(row.end));
        self.held = self.held.plus(row.held);
        self.requested = self.requested.plus(row.requested);
        self.used = self.used.plus(row.used);
        self.costs.add(&row.costs)?;
        self.unused.add(&row.unused)
    }

    /// Adds another group of the same name.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn add(&mut self, other: &Group) -> Result<(), MoneyOverflow> {
        self.properties.meet(&other.properties);
        self.knows = (self.knows.0 || other.knows.0, self.knows.1 || other.knows.1);
        (self.start, self.end) = (self.start.min(other.start), self.end.max(other.end));
        self.held = self.held.plus(other.held);
        self.requested = self.requested.plus(other.requested);
        self.used = self.used.plus(other.used);
        self.costs.add(&other.costs)?;
        self.unused.add(&other.unused)
    }

    /// Whether it is capacity nobody holds.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.name == IDLE || self.name.ends_with("/__idle__")
    }

    /// Rough size in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let tags = |tags: &Option<Tags>| tags.as_ref().map_or(0, |tags| tags.len() * 96);
        let services = self
            .properties
            .services
            .as_ref()
            .map_or(0, |services| services.len() * 48);
        let tags = tags(&self.properties.labels) + tags(&self.properties.annotations);
        size_of::<Group>() + 8 * self.name.len() + tags + services
    }
}

/// Groups being added up, by name.
#[derive(Debug, Default)]
pub struct Groups {
    groups: Vec<Group>,
    known: HashMap<String, usize>,
}

impl Groups {
    /// How many there are so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.groups.len()
    }

    /// Adds a row to the group of its name.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn add_row(&mut self, row: &Row<'_>, name: &str) -> Result<(), MoneyOverflow> {
        match self.known.get(name) {
            Some(at) => self.groups[*at].add_row(row),
            None => {
                self.known.insert(name.to_owned(), self.groups.len());
                self.groups.push(Group::of(name.to_owned(), row));
                Ok(())
            }
        }
    }

    /// Adds the groups of another piece of time.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn add(&mut self, other: &[Group]) -> Result<(), MoneyOverflow> {
        for group in other {
            match self.known.get(group.name.as_str()) {
                Some(at) => self.groups[*at].add(group)?,
                None => {
                    self.known.insert(group.name.clone(), self.groups.len());
                    self.groups.push(group.clone());
                }
            }
        }
        Ok(())
    }

    /// In the order of names.
    #[must_use]
    pub fn finish(mut self) -> Vec<Group> {
        self.groups.sort_by(|a, b| a.name.cmp(&b.name));
        self.groups
    }
}

/// Adds rows up, in the order of names.
///
/// # Errors
/// When a sum overflows.
pub fn group(rows: &[Row<'_>], grouping: &Grouping) -> Result<Vec<Group>, MoneyOverflow> {
    let mut groups = Groups::default();
    let mut name = String::new();
    for row in rows {
        name.clear();
        write_name(&mut name, row, grouping);
        groups.add_row(row, &name)?;
    }
    Ok(groups.finish())
}

/// The name of a row's group. A value that is not there is `__unallocated__`.
fn write_name(out: &mut String, row: &Row<'_>, grouping: &Grouping) {
    if row.slot.is_none() {
        if grouping.split_idle {
            let node = row.node.filter(|_| grouping.idle_by_node);
            let scope = node.map_or(row.cluster, |node| node.name.as_str());
            out.push_str(scope);
            out.push('/');
        }
        out.push_str(IDLE);
        return;
    }
    const ALL: [Field; 5] = [
        Field::Cluster,
        Field::Node,
        Field::Namespace,
        Field::Pod,
        Field::Container,
    ];
    let fields = if grouping.fields.is_empty() {
        &ALL
    } else {
        grouping.fields.as_slice()
    };
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.push('/');
        }
        let value = field.of(row);
        if value.is_empty() {
            out.push_str(UNALLOCATED);
            continue;
        }
        if *field == Field::Controller {
            let kind = Field::ControllerKind.of(row);
            if !kind.is_empty() {
                write!(out, "{kind}:").unwrap_or_default();
            }
        }
        out.push_str(&value);
    }
}
