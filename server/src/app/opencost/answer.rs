//! Groups in the shape OpenCost answers with.

use super::aggregate::{Group, Properties};
use super::ask::AllocationAsk;
use super::number::{byte_hours, core_hours, efficiency, gpu_hours, minutes, money, over};
use super::row::sanitized;
use domain::Money;
use domain::instant::Span;
use domain::money::MoneyOverflow;
use domain::tags::Tags;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::collections::BTreeMap;

/// The envelope of every answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    /// 200.
    pub code: u16,
    /// The answer.
    pub data: T,
    /// Why there is none, or what must be known beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What must be told, as one text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// The same, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Currency of every amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The sum of all amounts, exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_total: Option<String>,
}

impl<T> Envelope<T> {
    /// An answer with what must be told.
    #[must_use]
    pub fn new(data: T, warnings: Vec<String>, currency: Option<&str>, total: Option<Money>) -> Envelope<T> {
        Envelope {
            code: 200,
            data,
            message: None,
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
            warnings,
            currency: currency.map(str::to_owned),
            exact_total: total.map(|total| total.to_string()),
        }
    }
}

/// A window.
#[derive(Debug, Serialize)]
pub struct WindowJson {
    start: String,
    end: String,
}

impl WindowJson {
    /// Of a stretch of time.
    #[must_use]
    pub fn of(span: Span) -> WindowJson {
        WindowJson {
            start: span.start.to_string(),
            end: span.end.to_string(),
        }
    }
}

/// A set of groups with its window.
#[derive(Debug)]
pub struct Set {
    /// Its window.
    pub window: Span,
    /// Its groups, by name.
    pub groups: Vec<Group>,
}

/// The exact sum of some sets.
///
/// # Errors
/// When it overflows.
pub fn total(sets: &[Set]) -> Result<Money, MoneyOverflow> {
    let mut sum = domain::money::MoneySum::default();
    for group in sets.iter().flat_map(|set| &set.groups) {
        sum.add(group.costs.total()?);
    }
    sum.total()
}

/// `/allocation`: one object per set, each with its groups by name.
#[derive(Debug)]
pub struct Allocations<'a> {
    /// What was asked.
    pub ask: &'a AllocationAsk,
    /// The sets.
    pub sets: &'a [Set],
}

impl Serialize for Allocations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.sets
                .iter()
                .map(|set| Named(set, |group| allocation(group, set.window, self.ask.metadata))),
        )
    }
}

/// `/allocation/summary`: sets with fewer fields.
#[derive(Debug)]
pub struct Summary<'a> {
    /// What was asked.
    pub ask: &'a AllocationAsk,
    /// The sets.
    pub sets: &'a [Set],
}

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct One<N> {
            allocations: N,
            window: WindowJson,
        }
        let one = |set| One {
            allocations: Named(set, summary),
            window: WindowJson::of(set.window),
        };
        let sets: Vec<_> = self.sets.iter().map(one).collect();
        let mut map = serializer.serialize_map(Some(3))?;
        // a duration in nanoseconds, as the original writes it
        map.serialize_entry("step", &(self.ask.step_us * 1_000))?;
        map.serialize_entry("sets", &sets)?;
        map.serialize_entry("window", &WindowJson::of(self.ask.window.hours))?;
        map.end()
    }
}

/// The groups of a set by name, each made when it is written.
/// `/allocation/summary/topline`: how many rows the summary has, and their sum.
#[derive(Debug)]
pub struct Topline<'a> {
    /// Distinct names over all sets.
    pub count: usize,
    /// All of them as one; `None` when there are none.
    pub combined: Option<&'a Group>,
}

impl Serialize for Topline<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("numResults", &self.count)?;
        map.serialize_entry("combined", &self.combined.map(summary))?;
        map.end()
    }
}

struct Named<'s, F>(&'s Set, F);

impl<'s, T: Serialize, F: Fn(&'s Group) -> T> Serialize for Named<'s, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.groups.iter().map(|group| (&group.name, (self.1)(group))))
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PropertiesJson<'g> {
    #[serde(skip_serializing_if = "str::is_empty")]
    cluster: &'g str,
    #[serde(skip_serializing_if = "str::is_empty")]
    node: &'g str,
    #[serde(skip_serializing_if = "str::is_empty")]
    container: &'g str,
    #[serde(skip_serializing_if = "str::is_empty")]
    controller: &'g str,
    #[serde(skip_serializing_if = "str::is_empty")]
    controller_kind: &'g str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'g str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pod: &'g str,
    #[serde(rename = "providerID", skip_serializing_if = "str::is_empty")]
    provider_id: &'g str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    services: &'g [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, &'g str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, &'g str>,
}

fn tags(tags: &Option<Tags>, shown: bool) -> BTreeMap<String, &str> {
    let tags = tags.iter().filter(|_| shown).flatten();
    tags.map(|(key, value)| (sanitized(key), value.as_str())).collect()
}

fn properties(of: &Properties, metadata: bool) -> PropertiesJson<'_> {
    fn text(value: &Option<String>) -> &str {
        value.as_deref().unwrap_or("")
    }
    PropertiesJson {
        cluster: text(&of.cluster),
        node: text(&of.node),
        container: text(&of.container),
        controller: text(&of.controller),
        controller_kind: text(&of.controller_kind),
        namespace: text(&of.namespace),
        pod: text(&of.pod),
        provider_id: text(&of.provider_id),
        services: of.services.as_deref().unwrap_or_default(),
        labels: tags(&of.labels, metadata),
        annotations: tags(&of.annotations, metadata),
    }
}

/// What capacity nobody holds is called, beside the original's one word.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UnusedJson {
    idle_capacity: f64,
    not_ready: f64,
    unobserved: f64,
    other: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AllocationJson<'g> {
    name: &'g str,
    properties: PropertiesJson<'g>,
    window: WindowJson,
    start: String,
    end: String,
    minutes: f64,
    cpu_cores: f64,
    cpu_core_request_average: f64,
    cpu_core_usage_average: f64,
    cpu_core_hours: f64,
    cpu_cost: f64,
    cpu_cost_adjustment: f64,
    cpu_cost_idle: f64,
    cpu_efficiency: f64,
    gpu_count: f64,
    gpu_request_average: f64,
    gpu_usage_average: f64,
    gpu_hours: f64,
    gpu_cost: f64,
    gpu_cost_adjustment: f64,
    gpu_cost_idle: f64,
    gpu_efficiency: f64,
    network_transfer_bytes: f64,
    network_receive_bytes: f64,
    network_cost: f64,
    network_cross_zone_cost: f64,
    network_cross_region_cost: f64,
    network_internet_cost: f64,
    network_cost_adjustment: f64,
    load_balancer_cost: f64,
    load_balancer_cost_adjustment: f64,
    pv_bytes: f64,
    pv_byte_hours: f64,
    pv_cost: f64,
    pvs: Option<()>,
    pv_cost_adjustment: f64,
    ram_bytes: f64,
    ram_byte_request_average: f64,
    ram_byte_usage_average: f64,
    ram_byte_hours: f64,
    ram_cost: f64,
    ram_cost_adjustment: f64,
    ram_cost_idle: f64,
    ram_efficiency: f64,
    external_cost: f64,
    shared_cost: f64,
    total_cost: f64,
    total_efficiency: f64,
    lb_allocations: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unused: Option<UnusedJson>,
}

/// Averages and efficiencies of a group.
struct Rates {
    minutes: f64,
    cpu_requested: f64,
    cpu_used: f64,
    ram_requested: f64,
    ram_used: f64,
    gpu_requested: f64,
    gpu_used: f64,
    cpu_efficiency: f64,
    ram_efficiency: f64,
    gpu_efficiency: f64,
    total_efficiency: f64,
}

fn rates(group: &Group) -> Rates {
    let minutes = minutes(group.start, group.end);
    let mean = |hours: f64| over(hours, minutes);
    let (requested, used) = (&group.requested, &group.used);
    let (cpu_requested, cpu_used) = (mean(core_hours(requested)), mean(core_hours(used)));
    let (ram_requested, ram_used) = (mean(byte_hours(requested)), mean(byte_hours(used)));
    let (gpu_requested, gpu_used) = (mean(gpu_hours(requested)), mean(gpu_hours(used)));
    let (cpu, ram, gpu) = (money(group.costs.cpu), money(group.costs.ram), money(group.costs.gpu));
    let cpu_efficiency = efficiency(cpu_used, cpu_requested, cpu);
    let ram_efficiency = efficiency(ram_used, ram_requested, ram);
    let total_efficiency = if cpu + ram > 0.0 {
        (cpu_efficiency * cpu + ram_efficiency * ram) / (cpu + ram)
    } else {
        0.0
    };
    Rates {
        minutes,
        cpu_requested,
        cpu_used,
        ram_requested,
        ram_used,
        gpu_requested,
        gpu_used,
        cpu_efficiency,
        ram_efficiency,
        gpu_efficiency: efficiency(gpu_used, gpu_requested, gpu),
        total_efficiency,
    }
}

fn allocation(group: &Group, window: Span, metadata: bool) -> AllocationJson<'_> {
    let rates = rates(group);
    let (cores, bytes, gpus) = (core_hours(&group.held), byte_hours(&group.held), gpu_hours(&group.held));
    let costs = &group.costs;
    let unused = group.is_idle().then_some(&group.unused);
    AllocationJson {
        name: &group.name,
        properties: properties(&group.properties, metadata),
        window: WindowJson::of(window),
        start: group.start.to_string(),
        end: group.end.to_string(),
        minutes: rates.minutes,
        cpu_cores: over(cores, rates.minutes),
        cpu_core_request_average: rates.cpu_requested,
        cpu_core_usage_average: rates.cpu_used,
        cpu_core_hours: cores,
        cpu_cost: money(costs.cpu),
        cpu_cost_adjustment: 0.0,
        cpu_cost_idle: money(costs.cpu_idle),
        cpu_efficiency: rates.cpu_efficiency,
        gpu_count: over(gpus, rates.minutes),
        gpu_request_average: rates.gpu_requested,
        gpu_usage_average: rates.gpu_used,
        gpu_hours: gpus,
        gpu_cost: money(costs.gpu),
        gpu_cost_adjustment: 0.0,
        gpu_cost_idle: money(costs.gpu_idle),
        gpu_efficiency: rates.gpu_efficiency,
        network_transfer_bytes: 0.0,
        network_receive_bytes: 0.0,
        network_cost: money(costs.network),
        network_cross_zone_cost: 0.0,
        network_cross_region_cost: 0.0,
        network_internet_cost: 0.0,
        network_cost_adjustment: 0.0,
        load_balancer_cost: money(costs.balancer),
        load_balancer_cost_adjustment: 0.0,
        pv_bytes: 0.0,
        pv_byte_hours: 0.0,
        pv_cost: money(costs.volume),
        pvs: None,
        pv_cost_adjustment: 0.0,
        ram_bytes: over(bytes, rates.minutes),
        ram_byte_request_average: rates.ram_requested,
        ram_byte_usage_average: rates.ram_used,
        ram_byte_hours: bytes,
        ram_cost: money(costs.ram),
        ram_cost_adjustment: 0.0,
        ram_cost_idle: money(costs.ram_idle),
        ram_efficiency: rates.ram_efficiency,
        external_cost: 0.0,
        shared_cost: money(costs.shared),
        total_cost: money(costs.total().unwrap_or_default()),
        total_efficiency: rates.total_efficiency,
        lb_allocations: None,
        unused: unused.map(|unused| UnusedJson {
            idle_capacity: money(unused.idle_capacity),
            not_ready: money(unused.not_ready),
            unobserved: money(unused.unobserved),
            other: money(unused.other),
        }),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryJson<'g> {
    name: &'g str,
    start: String,
    end: String,
    cpu_core_request_average: f64,
    cpu_core_usage_average: f64,
    cpu_cost: f64,
    cpu_cost_idle: f64,
    gpu_request_average: f64,
    gpu_usage_average: f64,
    gpu_cost: f64,
    gpu_cost_idle: f64,
    network_cost: f64,
    load_balancer_cost: f64,
    pv_cost: f64,
    ram_byte_request_average: f64,
    ram_byte_usage_average: f64,
    ram_cost: f64,
    ram_cost_idle: f64,
    shared_cost: f64,
    external_cost: f64,
    total_efficiency: f64,
    total_cost: f64,
}

fn summary(group: &Group) -> SummaryJson<'_> {
    let rates = rates(group);
    let costs = &group.costs;
    SummaryJson {
        name: &group.name,
        start: group.start.to_string(),
        end: group.end.to_string(),
        cpu_core_request_average: rates.cpu_requested,
        cpu_core_usage_average: rates.cpu_used,
        cpu_cost: money(costs.cpu),
        cpu_cost_idle: money(costs.cpu_idle),
        gpu_request_average: rates.gpu_requested,
        gpu_usage_average: rates.gpu_used,
        gpu_cost: money(costs.gpu),
        gpu_cost_idle: money(costs.gpu_idle),
        network_cost: money(costs.network),
        load_balancer_cost: money(costs.balancer),
        pv_cost: money(costs.volume),
        ram_byte_request_average: rates.ram_requested,
        ram_byte_usage_average: rates.ram_used,
        ram_cost: money(costs.ram),
        ram_cost_idle: money(costs.ram_idle),
        shared_cost: money(costs.shared),
        external_cost: 0.0,
        total_efficiency: rates.total_efficiency,
        total_cost: money(costs.total().unwrap_or_default()),
    }
}
