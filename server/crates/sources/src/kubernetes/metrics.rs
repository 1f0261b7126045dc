//! `metrics.k8s.io`: what containers and nodes use now. Listed, never watched:
//! the API keeps no history and offers no watch.

use super::quantity::Quantity;
use domain::instant::{Instant, SECOND_US};
use domain::usage::Capacity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// The list of `nodes` or `pods` of `metrics.k8s.io/v1beta1`.
#[derive(Debug, Deserialize)]
pub struct MetricsList<T> {
    /// The rows.
    #[serde(default = "Vec::new")]
    pub items: Vec<T>,
}

/// Name of what is measured.
#[derive(Debug, Default, Deserialize)]
pub struct Meta {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Namespace, of pods.
    #[serde(default)]
    pub namespace: String,
}

/// Usage of a pod.
#[derive(Debug, Deserialize)]
pub struct PodMetrics {
    /// Which pod.
    #[serde(default)]
    pub metadata: Meta,
    /// End of the window the usage is the mean of.
    #[serde(default)]
    pub timestamp: Option<Time>,
    /// By container.
    #[serde(default)]
    pub containers: Vec<ContainerMetrics>,
}

/// Usage of a container.
#[derive(Debug, Deserialize)]
pub struct ContainerMetrics {
    /// Which.
    #[serde(default)]
    pub name: String,
    /// Quantities by resource.
    #[serde(default)]
    pub usage: BTreeMap<String, String>,
}

/// Usage of a node, its own processes included.
#[derive(Debug, Deserialize)]
pub struct NodeMetrics {
    /// Which node.
    #[serde(default)]
    pub metadata: Meta,
    /// Quantities by resource.
    #[serde(default)]
    pub usage: BTreeMap<String, String>,
}

/// Usage of one pod, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodUsage {
    /// End of the window; `None` when the server does not say.
    pub at: Option<Instant>,
    /// By container name.
    pub containers: HashMap<String, Capacity>,
}

/// What is used at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// By namespace and pod name.
    pub pods: HashMap<(String, String), PodUsage>,
    /// By node name.
    pub nodes: BTreeMap<String, Capacity>,
    /// Values that could not be read; their containers count as unmeasured.
    pub unreadable: u64,
}

impl Usage {
    /// Reads what the server answered.
    #[must_use]
    pub fn read(pods: MetricsList<PodMetrics>, nodes: MetricsList<NodeMetrics>) -> Usage {
        let mut usage = Usage::default();
        for pod in pods.items {
            let mut read = PodUsage {
                at: pod.timestamp.as_ref().map(super::objects::instant),
                containers: HashMap::new(),
            };
            for container in pod.containers {
                match capacity(&container.usage) {
                    Some(used) => drop(read.containers.insert(container.name, used)),
                    None => usage.unreadable += 1,
                }
            }
            usage.pods.insert((pod.metadata.namespace, pod.metadata.name), read);
        }
        for node in nodes.items {
            match capacity(&node.usage) {
                Some(used) => drop(usage.nodes.insert(node.metadata.name, used)),
                None => usage.unreadable += 1,
            }
        }
        usage
    }

    /// What a pod uses, when that was measured in its own life and not more
    /// than `max_age_us` ago: pods of a StatefulSet reuse names.
    #[must_use]
    pub fn of(&self, namespace: &str, pod: &str, born: Instant, now: Instant, max_age_us: i64) -> Option<&PodUsage> {
        let usage = self.pods.get(&(namespace.to_owned(), pod.to_owned()))?;
        // metrics carry whole seconds
        let fresh = usage
            .at
            .is_none_or(|at| at.0 + SECOND_US > born.0 && now.0 - at.0 <= max_age_us);
        fresh.then_some(usage)
    }
}

/// Usage to the nearest millicore and MiB. A GPU's use is not in this API.
fn capacity(usage: &BTreeMap<String, String>) -> Option<Capacity> {
    let read = |name: &str| usage.get(name).map(|text| Quantity::parse(text)).transpose().ok();
    Some(Capacity {
        cpu_millicores: read("cpu")?.unwrap_or_default().millis_nearest(),
        memory_mib: read("memory")?.unwrap_or_default().mib_nearest(),
        gpu_milli: 0,
    })
}
