//! Nodes with their root disks, volumes and load balancers in the shape of `/assets`.

use super::answer::WindowJson;
use super::number::{byte_hours, core_hours, count, gpu_hours, minutes, money, over};
use super::row::sanitized;
use domain::Money;
use domain::instant::Span;
use domain::money::{MoneyOverflow, MoneySum};
use serde::Serialize;
use serde::ser::Serializer;
use std::collections::BTreeMap;

/// A node in `/assets`.
#[derive(Debug, Clone, Default)]
pub struct NodeAsset {
    /// Cluster.
    pub cluster: String,
    /// Name.
    pub name: String,
    /// Machine.
    pub provider_id: String,
    /// Pool.
    pub pool: String,
    /// `spot` and the like.
    pub capacity_type: String,
    /// Instance type, from its labels.
    pub node_type: String,
    /// Labels.
    pub labels: domain::tags::Tags,
    /// When it was there.
    pub span: Option<Span>,
    /// Capacity over its Ready seconds.
    pub capacity: domain::usage::Measure,
    /// Seconds it was Ready.
    pub ready_s: u64,
    /// CPU, memory, accelerators.
    pub costs: [Money; 3],
    /// Of these: idle capacity. The rest is the containers': system reserved follows them (A27).
    pub idle: [Money; 3],
    /// Its root disk.
    pub disk: Money,
    /// The bill's id of that disk.
    pub disk_id: String,
}

/// A volume or a load balancer in `/assets`.
#[derive(Debug, Clone, Default)]
pub struct ThingAsset {
    /// Cluster.
    pub cluster: String,
    /// What the bill calls it.
    pub id: String,
    /// What it is; `None` until a day of the window has facts of it.
    pub volume: Option<domain::usage::Volume>,
    /// The same of a load balancer.
    pub balancer: Option<domain::usage::Balancer>,
    /// When it was there.
    pub span: Option<Span>,
    /// Seconds it was there.
    pub seconds: u64,
    /// Integral of its size, MiB-s.
    pub capacity_mib_s: u64,
    /// Integral of the bytes in it, MiB-s; `None` when not measured.
    pub used_mib_s: Option<u64>,
    /// What it cost.
    pub cost: Money,
}

/// Which types of assets are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types {
    /// Nodes.
    pub nodes: bool,
    /// Root disks and volumes.
    pub disks: bool,
    /// Load balancers.
    pub balancers: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AssetProperties<'a> {
    category: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    provider: &'static str,
    service: &'static str,
    cluster: &'a str,
    name: std::borrow::Cow<'a, str>,
    #[serde(rename = "providerID", skip_serializing_if = "str::is_empty")]
    provider_id: &'a str,
}

#[derive(Debug, Serialize)]
struct Breakdown {
    idle: f64,
    other: f64,
    system: f64,
    user: f64,
}

impl Breakdown {
    /// Shares of a cost; all zero without one.
    fn of(total: Money, idle: Money) -> Breakdown {
        let (idle, user) = if total.is_zero() {
            (0.0, 0.0)
        } else {
            let idle = money(idle) / money(total);
            (idle, 1.0 - idle)
        };
        Breakdown {
            idle,
            other: 0.0,
            // it has no cost of its own: it follows the containers
            system: 0.0,
            user,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeJson<'a> {
    r#type: &'static str,
    properties: AssetProperties<'a>,
    labels: BTreeMap<String, &'a str>,
    window: WindowJson,
    start: String,
    end: String,
    minutes: f64,
    node_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pool: &'a str,
    cpu_cores: f64,
    ram_bytes: f64,
    cpu_core_hours: f64,
    ram_byte_hours: f64,
    #[serde(rename = "GPUHours")]
    gpu_hours: f64,
    cpu_breakdown: Breakdown,
    ram_breakdown: Breakdown,
    preemptible: f64,
    discount: f64,
    cpu_cost: f64,
    gpu_cost: f64,
    gpu_count: f64,
    ram_cost: f64,
    adjustment: f64,
    total_cost: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DiskJson<'a> {
    r#type: &'static str,
    properties: AssetProperties<'a>,
    labels: BTreeMap<String, &'a str>,
    window: WindowJson,
    start: String,
    end: String,
    minutes: f64,
    byte_hours: f64,
    bytes: f64,
    byte_hours_used: Option<f64>,
    byte_usage_max: Option<f64>,
    breakdown: Breakdown,
    adjustment: f64,
    total_cost: f64,
    storage_class: &'a str,
    volume_name: &'a str,
    claim_name: &'a str,
    claim_namespace: &'a str,
    /// 1 for the root disk of a node.
    local: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BalancerJson<'a> {
    r#type: &'static str,
    properties: AssetProperties<'a>,
    labels: BTreeMap<String, &'a str>,
    window: WindowJson,
    start: String,
    end: String,
    minutes: f64,
    adjustment: f64,
    /// The address the bill knows it by.
    ip: &'a str,
    total_cost: f64,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum AssetJson<'a> {
    Node(Box<NodeJson<'a>>),
    Disk(Box<DiskJson<'a>>),
    Balancer(Box<BalancerJson<'a>>),
}

/// `/assets`: nodes, their root disks, volumes, load balancers, by name.
#[derive(Debug)]
pub struct Assets<'a> {
    /// The window.
    pub window: Span,
    /// The nodes.
    pub nodes: &'a [NodeAsset],
    /// Volumes.
    pub volumes: &'a [ThingAsset],
    /// Load balancers.
    pub balancers: &'a [ThingAsset],
    /// Which types are asked for.
    pub types: Types,
}

impl Serialize for Assets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nodes = self.nodes.iter().filter(|_| self.types.nodes);
        let disks = self
            .nodes
            .iter()
            .filter(|node| self.types.disks && !node.disk.is_zero());
        let volumes = self.volumes.iter().filter(|_| self.types.disks);
        let balancers = self.balancers.iter().filter(|_| self.types.balancers);
        let name = |node: &NodeAsset, kind: &str| format!("{}/{kind}/{}/{}", node.cluster, node.name, node.provider_id);
        let nodes = nodes.map(|node| (name(node, "Node"), AssetJson::Node(Box::new(self.node(node)))));
        let disks = disks.map(|node| (name(node, "Disk"), AssetJson::Disk(Box::new(self.disk(node)))));
        let thing = |of: &ThingAsset, kind: &str| format!("{}/{kind}/{}/{}", of.cluster, of.name(), of.id);
        let volumes = volumes.map(|of| (thing(of, "Disk"), AssetJson::Disk(Box::new(self.volume(of)))));
        let balancers = balancers.map(|of| {
            let asset = AssetJson::Balancer(Box::new(self.balancer(of)));
            (thing(of, "LoadBalancer"), asset)
        });
        serializer.collect_map(nodes.chain(disks).chain(volumes).chain(balancers))
    }
}

/// Cloud of a machine, as the original names it.
fn provider(provider_id: &str) -> &'static str {
    match provider_id.split_once("://").map(|(scheme, _)| scheme) {
        Some("aws") => "AWS",
        Some("gce") => "GCP",
        Some("azure") => "Azure",
        _ => "",
    }
}

impl<'a> Assets<'a> {
    /// The exact sum of the assets asked for.
    ///
    /// # Errors
    /// When it overflows.
    pub fn total(&self) -> Result<Money, MoneyOverflow> {
        let mut sum = MoneySum::default();
        for node in self.nodes {
            node.costs
                .iter()
                .filter(|_| self.types.nodes)
                .for_each(|part| sum.add(*part));
            if self.types.disks {
                sum.add(node.disk);
            }
        }
        let volumes = self.volumes.iter().filter(|_| self.types.disks);
        let balancers = self.balancers.iter().filter(|_| self.types.balancers);
        volumes.chain(balancers).for_each(|of| sum.add(of.cost));
        sum.total()
    }

    fn properties(node: &'a NodeAsset, category: &'static str, id: &'a str) -> AssetProperties<'a> {
        AssetProperties {
            category,
            provider: provider(&node.provider_id),
            service: "Kubernetes",
            cluster: &node.cluster,
            name: node.name.as_str().into(),
            provider_id: id,
        }
    }

    fn node(&self, node: &'a NodeAsset) -> NodeJson<'a> {
        let span = node.span.unwrap_or(self.window);
        let minutes = minutes(span.start, span.end);
        let hours = count(node.ready_s) / 3_600.0;
        let mean = |amount: f64| if hours > 0.0 { amount / hours } else { 0.0 };
        let (cores, bytes, gpus) = (
            core_hours(&node.capacity),
            byte_hours(&node.capacity),
            gpu_hours(&node.capacity),
        );
        let total = Money::sum(node.costs).unwrap_or_default();
        NodeJson {
            r#type: "Node",
            properties: Assets::properties(node, "Compute", &node.provider_id),
            labels: labels(&node.labels),
            window: WindowJson::of(self.window),
            start: span.start.to_string(),
            end: span.end.to_string(),
            minutes,
            node_type: &node.node_type,
            pool: &node.pool,
            cpu_cores: mean(cores),
            ram_bytes: mean(bytes),
            cpu_core_hours: cores,
            ram_byte_hours: bytes,
            gpu_hours: gpus,
            cpu_breakdown: Breakdown::of(node.costs[0], node.idle[0]),
            ram_breakdown: Breakdown::of(node.costs[1], node.idle[1]),
            preemptible: if node.capacity_type.eq_ignore_ascii_case("spot") {
                1.0
            } else {
                0.0
            },
            discount: 0.0,
            cpu_cost: money(node.costs[0]),
            gpu_cost: money(node.costs[2]),
            gpu_count: mean(gpus),
            ram_cost: money(node.costs[1]),
            adjustment: 0.0,
            total_cost: money(total),
        }
    }

    fn disk(&self, node: &'a NodeAsset) -> DiskJson<'a> {
        let span = node.span.unwrap_or(self.window);
        DiskJson {
            r#type: "Disk",
            properties: Assets::properties(node, "Storage", &node.disk_id),
            labels: labels(&node.labels),
            window: WindowJson::of(self.window),
            start: span.start.to_string(),
            end: span.end.to_string(),
            minutes: minutes(span.start, span.end),
            byte_hours: 0.0,
            bytes: 0.0,
            byte_hours_used: None,
            byte_usage_max: None,
            breakdown: Breakdown::of(Money::ZERO, Money::ZERO),
            adjustment: 0.0,
            total_cost: money(node.disk),
            storage_class: "",
            volume_name: &node.disk_id,
            claim_name: "",
            claim_namespace: "",
            local: 1.0,
        }
    }

    fn volume(&self, of: &'a ThingAsset) -> DiskJson<'a> {
        let span = of.span.unwrap_or(self.window);
        let text = |pick: fn(&domain::usage::Volume) -> &String| of.volume.as_ref().map_or("", |known| pick(known));
        let byte_hours = mib_hours(of.capacity_mib_s);
        let mean = |amount: f64| over(amount, count(of.seconds) / 60.0);
        let idle = of.used_mib_s.map_or(0.0, |used| {
            let empty = of.capacity_mib_s.saturating_sub(used);
            if of.capacity_mib_s == 0 {
                0.0
            } else {
                count(empty) / count(of.capacity_mib_s)
            }
        });
        DiskJson {
            r#type: "Disk",
            properties: of.properties("Storage"),
            labels: labels(of.volume.as_ref().map_or(&NO_LABELS, |volume| &volume.labels)),
            window: WindowJson::of(self.window),
            start: span.start.to_string(),
            end: span.end.to_string(),
            minutes: minutes(span.start, span.end),
            byte_hours,
            bytes: mean(byte_hours),
            byte_hours_used: of.used_mib_s.map(mib_hours),
            byte_usage_max: None,
            breakdown: Breakdown {
                idle,
                other: 0.0,
                system: 0.0,
                user: if of.used_mib_s.is_some() { 1.0 - idle } else { 0.0 },
            },
            adjustment: 0.0,
            total_cost: money(of.cost),
            storage_class: text(|volume| &volume.storage_class),
            volume_name: match text(|volume| &volume.name) {
                "" => &of.id,
                name => name,
            },
            claim_name: text(|volume| &volume.claim),
            claim_namespace: text(|volume| &volume.namespace),
            local: 0.0,
        }
    }

    fn balancer(&self, of: &'a ThingAsset) -> BalancerJson<'a> {
        let span = of.span.unwrap_or(self.window);
        BalancerJson {
            r#type: "LoadBalancer",
            properties: of.properties("Network"),
            labels: labels(of.balancer.as_ref().map_or(&NO_LABELS, |balancer| &balancer.labels)),
            window: WindowJson::of(self.window),
            start: span.start.to_string(),
            end: span.end.to_string(),
            minutes: minutes(span.start, span.end),
            adjustment: 0.0,
            ip: &of.id,
            total_cost: money(of.cost),
        }
    }
}

impl ThingAsset {
    /// What people call it: of a load balancer namespace and service, as in the original.
    fn name(&self) -> String {
        match (&self.volume, &self.balancer) {
            (Some(volume), _) if !volume.name.is_empty() => volume.name.clone(),
            (_, Some(balancer)) => format!("{}/{}", balancer.namespace, balancer.service),
            _ => self.id.clone(),
        }
    }

    fn properties(&self, category: &'static str) -> AssetProperties<'_> {
        AssetProperties {
            category,
            provider: "",
            service: "Kubernetes",
            cluster: &self.cluster,
            name: self.name().into(),
            provider_id: &self.id,
        }
    }
}

/// Of a thing no day of the window has facts of.
static NO_LABELS: domain::tags::Tags = domain::tags::Tags::new();

fn mib_hours(mib_s: u64) -> f64 {
    count(mib_s) * 1_048_576.0 / 3_600.0
}

fn labels(labels: &domain::tags::Tags) -> BTreeMap<String, &str> {
    labels
        .iter()
        .map(|(key, value)| (format!("label_{}", sanitized(key)), value.as_str()))
        .collect()
}
