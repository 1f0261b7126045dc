//! What a pod asks for, and what the scheduler keeps for it (A26, A30).

use super::quantity::{Quantity, QuantityError};
use domain::usage::Capacity;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use std::collections::BTreeMap;

/// A map of resource names to quantities, as in every Kubernetes object.
pub type Resources = BTreeMap<String, Text>;

/// Units: thousandths of a core, MiB, and thousandths of each device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Thousandths of a core, rounded up as Kubernetes does.
    pub cpu_millicores: u64,
    /// MiB, to the nearest.
    pub memory_mib: u64,
    /// Accelerators by resource name, thousandths of what the name counts.
    pub devices: BTreeMap<Box<str>, u64>,
}

impl Request {
    /// Reads the resources Tonnage knows; others (disk, pods, huge pages) are left out.
    ///
    /// # Errors
    /// The first quantity that cannot be read.
    pub fn read(resources: &Resources) -> Result<Request, QuantityError> {
        let mut request = Request::default();
        for (name, text) in resources {
            match name.as_str() {
                "cpu" => request.cpu_millicores = Quantity::parse(&text.0)?.millis_up(),
                "memory" => request.memory_mib = Quantity::parse(&text.0)?.mib_held(),
                device if is_accelerator(device) => {
                    let count = Quantity::parse(&text.0)?.millis_up();
                    request.devices.insert(device.into(), count);
                }
                _ => {}
            }
        }
        Ok(request)
    }

    /// Requests of a container; a resource with a limit and no request has the limit.
    ///
    /// # Errors
    /// The first quantity that cannot be read.
    pub fn of(requirements: Option<&core::ResourceRequirements>) -> Result<Request, QuantityError> {
        let Some(requirements) = requirements else {
            return Ok(Request::default());
        };
        let mut merged = requirements.limits.clone().unwrap_or_default();
        merged.extend(requirements.requests.clone().unwrap_or_default());
        Request::read(&merged)
    }

    /// Both, resource by resource.
    #[must_use]
    pub fn plus(&self, other: &Request) -> Request {
        self.zip(other, u64::saturating_add)
    }

    /// The larger, resource by resource.
    #[must_use]
    pub fn max(&self, other: &Request) -> Request {
        self.zip(other, u64::max)
    }

    fn zip(&self, other: &Request, op: fn(u64, u64) -> u64) -> Request {
        let mut devices = self.devices.clone();
        for (name, count) in &other.devices {
            let held = devices.entry(name.clone()).or_default();
            *held = op(*held, *count);
        }
        Request {
            cpu_millicores: op(self.cpu_millicores, other.cpu_millicores),
            memory_mib: op(self.memory_mib, other.memory_mib),
            devices,
        }
    }

    /// As capacity, devices weighed by what one of them is on this node.
    #[must_use]
    pub fn capacity(&self, sharing: Sharing) -> Capacity {
        Capacity {
            cpu_millicores: self.cpu_millicores,
            memory_mib: self.memory_mib,
            gpu_milli: self
                .devices
                .iter()
                .map(|(name, count)| sharing.milli(name, *count))
                .fold(0, u64::saturating_add),
        }
    }
}

/// How a node hands out its devices (A30): with time-slicing one device is
/// announced as several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sharing {
    /// What is announced for one device; 1 when devices are not shared.
    pub replicas: u64,
}

impl Default for Sharing {
    fn default() -> Sharing {
        Sharing { replicas: 1 }
    }
}

impl Sharing {
    /// From the labels that NVIDIA's feature discovery puts on a node.
    #[must_use]
    pub fn of(labels: &BTreeMap<String, String>) -> Sharing {
        let replicas = labels
            .get("nvidia.com/gpu.replicas")
            .and_then(|text| text.parse().ok())
            .filter(|replicas| (1..=1_000).contains(replicas));
        Sharing {
            replicas: replicas.unwrap_or(1),
        }
    }

    /// Thousandths of a device. A MIG slice `mig-3g.20gb` is three of the
    /// seven compute slices of its device; a time-slice is 1 / replicas.
    fn milli(self, name: &str, count: u64) -> u64 {
        if let Some(slices) = mig_slices(name) {
            return count.saturating_mul(slices) / 7;
        }
        if name.starts_with("nvidia.com/") {
            return count / self.replicas;
        }
        count
    }
}

/// Compute slices, 1 to 7, of a MIG resource name.
fn mig_slices(name: &str) -> Option<u64> {
    let profile = name.strip_prefix("nvidia.com/mig-")?;
    profile
        .split_once('g')?
        .0
        .parse()
        .ok()
        .filter(|slices| (1..=7).contains(slices))
}

fn is_accelerator(name: &str) -> bool {
    const EXACT: [&str; 6] = [
        "nvidia.com/gpu",
        "nvidia.com/gpu.shared",
        "amd.com/gpu",
        "aws.amazon.com/neuron",
        "google.com/tpu",
        "habana.ai/gaudi",
    ];
    EXACT.contains(&name) || name.starts_with("nvidia.com/mig-") || name.starts_with("gpu.intel.com/i915")
}

/// What a container of a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary one.
    App,
    /// An init container that ends before the next starts.
    Init,
    /// An init container that stays (`restartPolicy: Always`).
    Sidecar,
}

/// What the scheduler keeps for a pod: per resource the larger of all that
/// stay together, and each init container beside the sidecars started before
/// it; a pod-level request instead where there is one; plus the overhead of
/// its runtime class (A26). Containers in the order they are started.
#[must_use]
pub fn effective<'a>(
    containers: impl Iterator<Item = (Kind, &'a Request)>,
    pod_level: Option<&PodLevel>,
    overhead: &Request,
) -> Request {
    let mut staying = Request::default();
    let mut peak = Request::default();
    for (kind, request) in containers {
        match kind {
            Kind::Init => peak = peak.max(&staying.plus(request)),
            Kind::App | Kind::Sidecar => staying = staying.plus(request),
        }
        peak = peak.max(&staying);
    }
    if let Some(level) = pod_level {
        peak.cpu_millicores = level.cpu_millicores.unwrap_or(peak.cpu_millicores);
        peak.memory_mib = level.memory_mib.unwrap_or(peak.memory_mib);
    }
    peak.plus(overhead)
}

/// Requests stated for the pod as a whole; they replace those of its containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PodLevel {
    /// Thousandths of a core.
    pub cpu_millicores: Option<u64>,
    /// MiB.
    pub memory_mib: Option<u64>,
}

impl PodLevel {
    /// Reads `spec.resources` of a pod.
    ///
    /// # Errors
    /// The first quantity that cannot be read.
    pub fn of(requirements: &core::ResourceRequirements) -> Result<PodLevel, QuantityError> {
        let mut merged = requirements.limits.clone().unwrap_or_default();
        merged.extend(requirements.requests.clone().unwrap_or_default());
        let request = Request::read(&merged)?;
        Ok(PodLevel {
            cpu_millicores: merged.contains_key("cpu").then_some(request.cpu_millicores),
            memory_mib: merged.contains_key("memory").then_some(request.memory_mib),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(millis: u64) -> Request {
        Request {
            cpu_millicores: millis,
            memory_mib: millis / 10,
            ..Request::default()
        }
    }

    #[test]
    fn effective_requests() {
        use Kind::{App, Init, Sidecar};
        // (what, containers in start order, runtime overhead, expected)
        let cases = [
            ("containers add up", vec![(App, 100), (App, 200)], 0, 300),
            (
                "init container four times the app",
                vec![(Init, 400), (App, 100)],
                0,
                400,
            ),
            ("small init container", vec![(Init, 50), (App, 100)], 0, 100),
            (
                "init containers do not add up",
                vec![(Init, 300), (Init, 350), (App, 100)],
                0,
                350,
            ),
            ("a sidecar stays", vec![(Sidecar, 50), (App, 100)], 0, 150),
            (
                "an init container beside the sidecar before it",
                vec![(Sidecar, 50), (Init, 400), (App, 100)],
                0,
                450,
            ),
            (
                "a sidecar after the init container",
                vec![(Init, 400), (Sidecar, 50), (App, 100)],
                0,
                400,
            ),
            ("overhead comes on top", vec![(Init, 400), (App, 100)], 250, 650),
        ];
        for (what, containers, overhead, expect) in cases {
            let requests: Vec<(Kind, Request)> = containers.iter().map(|(kind, n)| (*kind, cpu(*n))).collect();
            let found = effective(requests.iter().map(|(kind, r)| (*kind, r)), None, &cpu(overhead));
            assert_eq!(found.cpu_millicores, expect, "{what}");
        }
        let level = PodLevel {
            cpu_millicores: Some(1_000),
            memory_mib: None,
        };
        let found = effective([(App, &cpu(100))].into_iter(), Some(&level), &cpu(10));
        assert_eq!(
            (found.cpu_millicores, found.memory_mib),
            (1_010, 11),
            "pod-level request"
        );
    }

    #[test]
    fn devices() {
        // (resource, count, replicas announced for a device, thousandths of a device)
        for (name, count, replicas, expect) in [
            ("nvidia.com/gpu", "2", "", 2_000),
            ("nvidia.com/gpu", "1", "4", 250),
            ("nvidia.com/gpu.shared", "2", "4", 500),
            ("nvidia.com/gpu", "1", "0", 1_000),
            ("nvidia.com/mig-1g.5gb", "1", "", 142),
            ("nvidia.com/mig-1g.5gb", "7", "", 1_000),
            ("nvidia.com/mig-3g.20gb", "2", "", 857),
            ("amd.com/gpu", "1", "4", 1_000),
            ("example.com/fpga", "1", "", 0),
        ] {
            let request = Request::read(&Resources::from([(name.to_owned(), Text(count.to_owned()))])).expect(name);
            let labels = BTreeMap::from([("nvidia.com/gpu.replicas".to_owned(), replicas.to_owned())]);
            let found = request.capacity(Sharing::of(&labels)).gpu_milli;
            assert_eq!(found, expect, "{count} {name} / {replicas}");
        }
    }

    #[test]
    fn limits_stand_in_for_requests() {
        let text = |text: &str| Text(text.to_owned());
        let requirements = core::ResourceRequirements {
            limits: Some(BTreeMap::from([
                ("cpu".to_owned(), text("2")),
                ("memory".to_owned(), text("1Gi")),
            ])),
            requests: Some(BTreeMap::from([("cpu".to_owned(), text("500m"))])),
            ..Default::default()
        };
        let found = Request::of(Some(&requirements)).expect("request");
        assert_eq!((found.cpu_millicores, found.memory_mib), (500, 1_024));
    }
}
