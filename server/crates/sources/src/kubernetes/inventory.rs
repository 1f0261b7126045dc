//! What a cluster has beside pods and nodes: volumes, load balancers,
//! autoscalers, budgets, quotas and classes, as they are now.

use super::objects::{instant, kept_labels};
use super::quantity::{Quantity, QuantityError};
use super::request::Resources;
use domain::instant::Instant;
use domain::tags::Tags;
use domain::usage::Capacity;
use k8s_openapi::api::autoscaling::v2 as autoscaling;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::api::policy::v1 as policy;
use k8s_openapi::api::scheduling::v1 as scheduling;
use k8s_openapi::api::storage::v1 as storage;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// An object with its name and the part of it that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// UID.
    pub uid: String,
    /// Namespace; empty for what has none.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels that are kept.
    pub labels: Tags,
    /// When it was made.
    pub created_at: Option<Instant>,
    /// What it is.
    pub what: T,
}

/// A persistent volume (A31).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    /// The bill's id of the disk: `vol-...`, a CSI handle; empty when unknown.
    pub handle: String,
    /// CSI driver; empty for the volumes built into Kubernetes.
    pub driver: String,
    /// Size, MiB.
    pub size_mib: u64,
    /// Storage class.
    pub class: String,
    /// `Bound`, `Released`, `Available`, `Failed`, `Pending`.
    pub phase: String,
    /// Since when, where the server says so.
    pub phase_since: Option<Instant>,
    /// Namespace and name of the claim that has it, or last had it.
    pub claim: Option<(String, String)>,
    /// UID of that claim; empty when unknown.
    pub claim_uid: String,
    /// `Retain` or `Delete`.
    pub reclaim: String,
}

/// A claim to a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Name of the volume it is bound to; empty while pending.
    pub volume: String,
    /// Storage class.
    pub class: String,
    /// What it asks for, MiB.
    pub requested_mib: u64,
}

/// A storage class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Class {
    /// Who makes its volumes.
    pub provisioner: String,
    /// `Retain` or `Delete`.
    pub reclaim: String,
}

/// A service or ingress, with the addresses of its load balancer (A32).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balancer {
    /// `LoadBalancer`, `ClusterIP`, ...; `Ingress` for an ingress.
    pub kind: String,
    /// Host names and addresses the provider gave it.
    pub addresses: Vec<String>,
    /// Hosts an ingress is for.
    pub hosts: Vec<String>,
    /// Ingress class or load balancer class; empty for the default.
    pub class: String,
    /// Services an ingress leads to.
    pub backends: Vec<String>,
    /// Host and service of each path of an ingress; no host is any.
    pub routes: Vec<(String, String)>,
    /// Labels of the pods a service leads to.
    pub selector: Tags,
}

/// A horizontal autoscaler.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Autoscaler {
    /// Kind of what it scales.
    pub target_kind: String,
    /// Its name.
    pub target: String,
    /// Least replicas.
    pub min_replicas: u32,
    /// Most replicas.
    pub max_replicas: u32,
    /// Replicas now.
    pub current_replicas: u32,
    /// Replicas it wants.
    pub desired_replicas: u32,
    /// Kinds of metrics it follows, `Resource`, `External`, ...
    pub metrics: Vec<String>,
}

/// A disruption budget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budget {
    /// `2` or `50%`; empty when not set.
    pub min_available: String,
    /// `1` or `25%`; empty when not set.
    pub max_unavailable: String,
    /// Labels of the pods it is for.
    pub selector: Tags,
}

/// A quota.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quota {
    /// Limits by resource, as written.
    pub hard: BTreeMap<String, String>,
}

/// A priority class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Priority {
    /// Its value; below 0 its pods are placeholders (A28).
    pub value: i32,
}

/// A container as recommendations need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signals {
    /// Pod UID.
    pub pod_uid: String,
    /// Container.
    pub container: String,
    /// CPU limit, thousandths of a core; `None` when there is none.
    pub cpu_limit_millicores: Option<u64>,
    /// Memory limit, MiB; `None` when there is none.
    pub memory_limit_mib: Option<u64>,
    /// Restarts so far.
    pub restarts: u32,
    /// Whether its last end was for lack of memory.
    pub oom_killed: bool,
}

/// What a cluster has now, each kind by namespace and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Persistent volumes.
    pub volumes: Vec<Entry<Volume>>,
    /// Claims.
    pub claims: Vec<Entry<Claim>>,
    /// Storage classes.
    pub classes: Vec<Entry<Class>>,
    /// Services and ingresses.
    pub balancers: Vec<Entry<Balancer>>,
    /// Autoscalers.
    pub autoscalers: Vec<Entry<Autoscaler>>,
    /// Disruption budgets.
    pub budgets: Vec<Entry<Budget>>,
    /// Quotas.
    pub quotas: Vec<Entry<Quota>>,
    /// Priority classes.
    pub priorities: Vec<Entry<Priority>>,
    /// Limits, restarts and memory kills of the pods that are there.
    pub signals: Vec<Signals>,
    /// What nodes use, their own processes included, by name; empty without metrics.
    pub nodes_used: BTreeMap<String, Capacity>,
}

fn entry<T>(meta: &ObjectMeta, what: T) -> Entry<T> {
    Entry {
        uid: meta.uid.clone().unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        labels: kept_labels(meta),
        created_at: meta.creation_timestamp.as_ref().map(instant),
        what,
    }
}

fn storage_mib(resources: Option<&Resources>) -> Result<u64, QuantityError> {
    let text = resources.and_then(|resources| resources.get("storage"));
    let size = text.map(|text| Quantity::parse(&text.0)).transpose()?;
    Ok(size.unwrap_or_default().mib_held())
}

/// Reads a volume; its handle is what the bill calls the disk.
pub(super) fn volume(object: &core::PersistentVolume) -> Result<Entry<Volume>, QuantityError> {
    let spec = object.spec.clone().unwrap_or_default();
    let driver = spec.csi.as_ref().map(|csi| csi.driver.clone());
    let handle = (spec.csi.map(|csi| csi.volume_handle))
        .or_else(|| spec.aws_elastic_block_store.map(|disk| disk.volume_id))
        .or_else(|| spec.gce_persistent_disk.map(|disk| disk.pd_name))
        .or_else(|| spec.azure_disk.map(|disk| disk.disk_uri));
    let claim_uid = spec.claim_ref.as_ref().and_then(|claim| claim.uid.clone());
    let claim = spec.claim_ref.and_then(|claim| Some((claim.namespace?, claim.name?)));
    let status = object.status.clone().unwrap_or_default();
    let what = Volume {
        handle: handle.unwrap_or_default(),
        driver: driver.unwrap_or_default(),
        size_mib: storage_mib(spec.capacity.as_ref())?,
        class: spec.storage_class_name.unwrap_or_default(),
        phase: status.phase.unwrap_or_default(),
        phase_since: status.last_phase_transition_time.as_ref().map(instant),
        claim,
        claim_uid: claim_uid.unwrap_or_default(),
        reclaim: spec.persistent_volume_reclaim_policy.unwrap_or_default(),
    };
    Ok(entry(&object.metadata, what))
}

/// Reads a claim.
pub(super) fn claim(object: &core::PersistentVolumeClaim) -> Result<Entry<Claim>, QuantityError> {
    let spec = object.spec.clone().unwrap_or_default();
    let what = Claim {
        volume: spec.volume_name.unwrap_or_default(),
        class: spec.storage_class_name.unwrap_or_default(),
        requested_mib: storage_mib(spec.resources.and_then(|resources| resources.requests).as_ref())?,
    };
    Ok(entry(&object.metadata, what))
}

/// Reads a storage class.
pub(super) fn class(object: &storage::StorageClass) -> Result<Entry<Class>, QuantityError> {
    let what = Class {
        provisioner: object.provisioner.clone(),
        reclaim: object.reclaim_policy.clone().unwrap_or_default(),
    };
    Ok(entry(&object.metadata, what))
}

/// Reads a service.
pub(super) fn service(object: &core::Service) -> Result<Entry<Balancer>, QuantityError> {
    let spec = object.spec.clone().unwrap_or_default();
    let balancer = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let points = balancer
        .and_then(|balancer| balancer.ingress.as_ref())
        .into_iter()
        .flatten();
    let what = Balancer {
        kind: spec.type_.unwrap_or_default(),
        addresses: points
            .filter_map(|point| point.hostname.clone().or_else(|| point.ip.clone()))
            .collect(),
        hosts: Vec::new(),
        class: spec.load_balancer_class.unwrap_or_default(),
        backends: Vec::new(),
        routes: Vec::new(),
        selector: spec.selector.unwrap_or_default(),
    };
    Ok(entry(&object.metadata, what))
}

/// Reads an ingress.
pub(super) fn ingress(object: &networking::Ingress) -> Result<Entry<Balancer>, QuantityError> {
    let spec = object.spec.clone().unwrap_or_default();
    let balancer = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let points = balancer
        .and_then(|balancer| balancer.ingress.as_ref())
        .into_iter()
        .flatten();
    let rules = spec.rules.unwrap_or_default();
    let paths = rules.iter().flat_map(|rule| {
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        paths.map(|path| (rule.host.as_deref().unwrap_or_default(), &path.backend))
    });
    let any_other = spec.default_backend.iter().map(|backend| ("", backend));
    let mut routes: Vec<(String, String)> = paths
        .chain(any_other)
        .filter_map(|(host, backend)| Some((host.to_owned(), backend.service.as_ref()?.name.clone())))
        .collect();
    routes.sort();
    routes.dedup();
    let mut names: Vec<String> = routes.iter().map(|(_, service)| service.clone()).collect();
    names.sort();
    names.dedup();
    let what = Balancer {
        kind: "Ingress".to_owned(),
        addresses: points
            .filter_map(|point| point.hostname.clone().or_else(|| point.ip.clone()))
            .collect(),
        hosts: rules.iter().filter_map(|rule| rule.host.clone()).collect(),
        class: spec.ingress_class_name.unwrap_or_default(),
        backends: names,
        routes,
        selector: Tags::new(),
    };
    Ok(entry(&object.metadata, what))
}

/// Reads an autoscaler.
pub(super) fn autoscaler(object: &autoscaling::HorizontalPodAutoscaler) -> Result<Entry<Autoscaler>, QuantityError> {
    let count = |replicas: i32| u32::try_from(replicas).unwrap_or(0);
    let spec = object.spec.clone().unwrap_or_default();
    let status = object.status.clone().unwrap_or_default();
    let what = Autoscaler {
        target_kind: spec.scale_target_ref.kind,
        target: spec.scale_target_ref.name,
        min_replicas: count(spec.min_replicas.unwrap_or(1)),
        max_replicas: count(spec.max_replicas),
        current_replicas: count(status.current_replicas.unwrap_or(0)),
        desired_replicas: count(status.desired_replicas),
        metrics: spec.metrics.into_iter().flatten().map(|metric| metric.type_).collect(),
    };
    Ok(entry(&object.metadata, what))
}

/// Reads a disruption budget.
pub(super) fn budget(object: &policy::PodDisruptionBudget) -> Result<Entry<Budget>, QuantityError> {
    let text = |value: Option<IntOrString>| match value {
        Some(IntOrString::Int(count)) => count.to_string(),
        Some(IntOrString::String(share)) => share,
        None => String::new(),
    };
    let spec = object.spec.clone().unwrap_or_default();
    let what = Budget {
        min_available: text(spec.min_available),
        max_unavailable: text(spec.max_unavailable),
        selector: spec
            .selector
            .and_then(|selector| selector.match_labels)
            .unwrap_or_default(),
    };
    Ok(entry(&object.metadata, what))
}

/// Reads a quota.
pub(super) fn quota(object: &core::ResourceQuota) -> Result<Entry<Quota>, QuantityError> {
    let hard = object
        .spec
        .as_ref()
        .and_then(|spec| spec.hard.clone())
        .unwrap_or_default();
    let what = Quota {
        hard: hard.into_iter().map(|(name, quantity)| (name, quantity.0)).collect(),
    };
    Ok(entry(&object.metadata, what))
}

/// Reads a priority class.
pub(super) fn priority(object: &scheduling::PriorityClass) -> Result<Entry<Priority>, QuantityError> {
    Ok(entry(&object.metadata, Priority { value: object.value }))
}
