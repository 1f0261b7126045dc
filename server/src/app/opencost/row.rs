//! Exact rows: what a slot cost and held in a piece of time, or what nobody
//! held of a node. Everything else here works on them.

use domain::Money;
use domain::instant::Instant;
use domain::money::MoneyOverflow;
use domain::tags::Tags;
use domain::usage::{Measure, Node, Slot};

/// The parts of a cost, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Costs {
    /// Cores; with its share of idle capacity, when that is shared.
    pub cpu: Money,
    /// Memory; as above.
    pub ram: Money,
    /// Accelerators; as above.
    pub gpu: Money,
    /// Volumes.
    pub volume: Money,
    /// Network.
    pub network: Money,
    /// Load balancers.
    pub balancer: Money,
    /// What follows others: system reserved, DaemonSets, and what was asked to
    /// be shared.
    pub shared: Money,
    /// Of `cpu`, the share of idle capacity.
    pub cpu_idle: Money,
    /// Of `ram`, the share of idle capacity.
    pub ram_idle: Money,
    /// Of `gpu`, the share of idle capacity.
    pub gpu_idle: Money,
}

impl Costs {
    /// Everything; the idle shares are in it already.
    ///
    /// # Errors
    /// When the sum overflows.
    pub fn total(&self) -> Result<Money, MoneyOverflow> {
        Money::sum([
            self.cpu,
            self.ram,
            self.gpu,
            self.volume,
            self.network,
            self.balancer,
            self.shared,
        ])
    }

    /// Adds part by part.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn add(&mut self, other: &Costs) -> Result<(), MoneyOverflow> {
        for (sum, part) in [
            (&mut self.cpu, other.cpu),
            (&mut self.ram, other.ram),
            (&mut self.gpu, other.gpu),
            (&mut self.volume, other.volume),
            (&mut self.network, other.network),
            (&mut self.balancer, other.balancer),
            (&mut self.shared, other.shared),
            (&mut self.cpu_idle, other.cpu_idle),
            (&mut self.ram_idle, other.ram_idle),
            (&mut self.gpu_idle, other.gpu_idle),
        ] {
            *sum = sum.checked_add(part)?;
        }
        Ok(())
    }
}

/// What capacity that nobody holds is called; its parts are the cost of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unused {
    /// Requested by nobody.
    pub idle_capacity: Money,
    /// Billed, not Ready (A3).
    pub not_ready: Money,
    /// Ready, without facts (A5).
    pub unobserved: Money,
    /// Any other cost of the node that nothing on it can take.
    pub other: Money,
}

impl Unused {
    /// Adds part by part.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn add(&mut self, other: &Unused) -> Result<(), MoneyOverflow> {
        for (sum, part) in [
            (&mut self.idle_capacity, other.idle_capacity),
            (&mut self.not_ready, other.not_ready),
            (&mut self.unobserved, other.unobserved),
            (&mut self.other, other.other),
        ] {
            *sum = sum.checked_add(part)?;
        }
        Ok(())
    }
}

/// A slot in a piece of time, or what nobody held of a node.
#[derive(Debug, Clone, Copy)]
pub struct Row<'d> {
    /// Cluster id.
    pub cluster: &'d str,
    /// The node; `None` when the cost has none.
    pub node: Option<&'d Node>,
    /// Who held it; `None` = nobody.
    pub slot: Option<&'d Slot>,
    /// First instant it was seen.
    pub start: Instant,
    /// First instant after it was seen.
    pub end: Instant,
    /// Integral of max(request, usage).
    pub held: Measure,
    /// Integral of the request.
    pub requested: Measure,
    /// Integral of the usage.
    pub used: Measure,
    /// Cost.
    pub costs: Costs,
    /// Of a row nobody held: what its cost is called.
    pub unused: Unused,
}

impl Row<'_> {
    /// A row of a node without money or time, to fill in.
    #[must_use]
    pub fn of<'d>(cluster: &'d str, node: Option<&'d Node>, slot: Option<&'d Slot>) -> Row<'d> {
        Row {
            cluster,
            node,
            slot,
            start: Instant(0),
            end: Instant(0),
            held: Measure::ZERO,
            requested: Measure::ZERO,
            used: Measure::ZERO,
            costs: Costs::default(),
            unused: Unused::default(),
        }
    }
}

/// The value a row has for a field of a filter or grouping; empty = none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Cluster id.
    Cluster,
    /// Node name.
    Node,
    /// Machine, as the cluster calls it.
    ProviderId,
    /// Cloud of the machine: the scheme of its id.
    Provider,
    /// Namespace.
    Namespace,
    /// Kind of the top owner, in lower case as in the original.
    ControllerKind,
    /// Name of the top owner.
    Controller,
    /// Name of the top owner, when it is of this kind.
    ControllerOf(&'static str),
    /// Pod.
    Pod,
    /// Container.
    Container,
    /// Services in front of the pod, with commas between.
    Service,
    /// A label of the pod or namespace.
    Label(String),
    /// An annotation of the pod.
    Annotation(String),
}

impl Field {
    /// The value of a row.
    #[must_use]
    pub fn of<'r>(&self, row: &'r Row<'_>) -> std::borrow::Cow<'r, str> {
        use std::borrow::Cow;
        let slot = |get: fn(&Slot) -> &String| row.slot.map_or("", |slot| get(slot).as_str());
        match self {
            Field::Cluster => row.cluster.into(),
            Field::Node => row.node.map_or("", |node| node.name.as_str()).into(),
            Field::ProviderId => row.node.map_or("", |node| node.provider_id.as_str()).into(),
            Field::Provider => row.node.map_or("", |node| scheme(&node.provider_id)).into(),
            Field::Namespace => slot(|slot| &slot.namespace).into(),
            Field::ControllerKind => Cow::Owned(slot(|slot| &slot.workload_kind).to_ascii_lowercase()),
            Field::Controller => slot(|slot| &slot.workload).into(),
            Field::ControllerOf(kind) => {
                if slot(|slot| &slot.workload_kind).eq_ignore_ascii_case(kind) {
                    slot(|slot| &slot.workload).into()
                } else {
                    Cow::Borrowed("")
                }
            }
            Field::Pod => slot(|slot| &slot.pod).into(),
            Field::Container => slot(|slot| &slot.container).into(),
            Field::Label(key) => row.slot.and_then(|slot| named(&slot.labels, key)).unwrap_or("").into(),
            Field::Annotation(key) => row
                .slot
                .and_then(|slot| named(&slot.annotations, key))
                .unwrap_or("")
                .into(),
            // a pod of two services is one row, and its money is there once
            Field::Service => match row.slot.map_or(&[][..], |slot| &slot.services) {
                [one] => one.as_str().into(),
                all => all.join(",").into(),
            },
        }
    }

    /// Whether a value of a row fits: of services each by itself.
    pub fn fits(&self, row: &Row<'_>, fits: &dyn Fn(&str) -> bool) -> bool {
        match (self, row.slot) {
            (Field::Service, Some(slot)) if !slot.services.is_empty() => slot.services.iter().any(|one| fits(one)),
            _ => fits(&self.of(row)),
        }
    }
}

fn scheme(provider_id: &str) -> &str {
    provider_id.split_once("://").map_or("", |(scheme, _)| scheme)
}

/// A label or annotation by its key, or by the name Prometheus gives it (`app_kubernetes_io_name`).
fn named<'s>(all: &'s Tags, key: &str) -> Option<&'s str> {
    let exact = all.get(key);
    let named = || {
        let mut all = all.iter();
        all.find(|(name, _)| sanitized(name) == key).map(|(_, value)| value)
    };
    exact.or_else(named).map(String::as_str)
}

/// A label key as Prometheus writes it.
#[must_use]
pub fn sanitized(key: &str) -> String {
    let one = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    key.chars().map(one).collect()
}
