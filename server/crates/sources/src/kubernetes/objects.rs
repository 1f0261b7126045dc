//! Compact facts of Kubernetes objects: what allocation needs and nothing else.
//! Environment variables, arguments and volumes' contents are dropped as soon
//! as an object arrives, and so are annotations nobody asked for.

use super::quantity::QuantityError;
use super::request::{Kind, PodLevel, Request, effective};
use domain::instant::Instant;
use domain::tags::Tags;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The label that a StatefulSet gives each pod.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// Labels that change with every roll-out or pod: they tell nobody apart.
const CHURNING: [&str; 8] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    POD_NAME,
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "kubernetes.io/metadata.name",
];

/// The controlling owner of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OwnerRef {
    /// `ReplicaSet`.
    #[serde(with = "super::resume::text")]
    pub kind: Arc<str>,
    /// Its name.
    #[serde(with = "super::resume::text")]
    pub name: Arc<str>,
    /// Its UID.
    #[serde(with = "super::resume::text")]
    pub uid: Arc<str>,
}

/// A workload controller, as a link to the one above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerFact {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The owner above, when there is one.
    pub parent: Option<OwnerRef>,
    /// Replicas it wants; `None` where that was not asked for.
    pub replicas: Option<u32>,
}

/// A namespace: names are reused, UIDs are not (A37).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceFact {
    /// Name.
    pub name: String,
    /// Labels that are kept.
    pub labels: Tags,
}

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// On no node yet, or scheduled and not started; with a node it holds.
    Pending,
    /// Started.
    Running,
    /// `Succeeded` or `Failed`: it holds nothing any more.
    Ended,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerFact {
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// What it asks for now: after a resize in place the larger of wanted and given.
    pub request: Request,
    /// Limit, where one is set.
    pub limit: Request,
    /// Whether it has been started and has not ended.
    pub running: bool,
    /// Whether it was ever started.
    pub started: bool,
    /// Restarts so far.
    pub restarts: u32,
    /// Whether the last end was for lack of memory.
    pub oom_killed: bool,
    /// When it was last killed for lack of memory, as far as its status says.
    pub oom_at: Option<Instant>,
    /// Since when it is running.
    pub started_at: Option<Instant>,
    /// When it ended for good.
    pub finished_at: Option<Instant>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodFact {
    /// UID.
    #[serde(with = "super::resume::text")]
    pub uid: Arc<str>,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels that are kept.
    pub labels: Tags,
    /// Annotations that are kept.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub annotations: Tags,
    /// Name of its node; `None` while unbound.
    pub node: Option<String>,
    /// Controlling owner.
    pub owner: Option<OwnerRef>,
    /// Priority; below 0 it is a placeholder (A28).
    pub priority: i32,
    /// Containers in start order: init containers, then the others.
    pub containers: Vec<ContainerFact>,
    /// What the scheduler keeps for it (A26).
    pub effective: Request,
    /// Phase.
    pub phase: Phase,
    /// Whether the init containers are through.
    pub initialised: bool,
    /// When it was made.
    pub created_at: Option<Instant>,
    /// When it was bound to its node.
    pub bound_at: Option<Instant>,
    /// When its containers ended, once all have.
    pub finished_at: Option<Instant>,
    /// By when it is to be gone, once deletion was asked for.
    pub deletion_at: Option<Instant>,
    /// Names of the volume claims it mounts.
    pub claims: Box<[Box<str>]>,
}

/// Instant of a Kubernetes time: the border between its clock type and ours.
pub fn instant(time: &Time) -> Instant {
    Instant(time.0.as_microsecond())
}

/// Labels without those that only churn.
pub fn kept_labels(meta: &ObjectMeta) -> Tags {
    let labels = meta.labels.iter().flatten();
    labels
        .filter(|(key, _)| !CHURNING.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The annotations of these keys.
pub fn kept_annotations(meta: &ObjectMeta, keys: &[String]) -> Tags {
    let annotations = meta.annotations.iter().flatten();
    annotations
        .filter(|(key, _)| keys.contains(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The controlling owner; without one marked as such, the first.
pub fn owner_of(meta: &ObjectMeta) -> Option<OwnerRef> {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let owner = owners
        .iter()
        .find(|owner| owner.controller == Some(true))
        .or_else(|| owners.first())?;
    Some(OwnerRef {
        kind: owner.kind.as_str().into(),
        name: owner.name.as_str().into(),
        uid: owner.uid.as_str().into(),
    })
}

/// The link of a workload controller.
pub fn owner_fact(meta: &ObjectMeta) -> OwnerFact {
    OwnerFact {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        parent: owner_of(meta),
        replicas: None,
    }
}

/// The volume claims of a pod; an ephemeral volume's claim is called after both.
fn claims(spec: &core::PodSpec, pod: &str) -> Box<[Box<str>]> {
    let volumes = spec.volumes.iter().flatten();
    let mut claims: Vec<Box<str>> = volumes
        .filter_map(|volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(claim), _) => Some(claim.claim_name.as_str().into()),
            (None, Some(_)) => Some(format!("{pod}-{}", volume.name).into()),
            (None, None) => None,
        })
        .collect();
    claims.sort();
    claims.dedup();
    claims.into()
}

/// A namespace.
pub fn namespace_fact(meta: &ObjectMeta) -> NamespaceFact {
    NamespaceFact {
        name: meta.name.clone().unwrap_or_default(),
        labels: kept_labels(meta),
    }
}

impl PodFact {
    /// Reads a pod, with its annotations of these keys.
    ///
    /// # Errors
    /// A quantity that cannot be read.
    pub fn read(pod: &core::Pod, annotations: &[String]) -> Result<PodFact, QuantityError> {
        let spec = pod.spec.clone().unwrap_or_default();
        let status = pod.status.clone().unwrap_or_default();
        let condition = |kind: &str| {
            let conditions = status.conditions.iter().flatten();
            conditions.into_iter().find(|condition| condition.type_ == kind)
        };
        let infeasible = status.resize.as_deref() == Some("Infeasible")
            || condition("PodResizePending").is_some_and(|c| c.reason.as_deref() == Some("Infeasible"));
        let containers = containers(&spec, &status, infeasible)?;
        let overhead = spec
            .overhead
            .as_ref()
            .map(Request::read)
            .transpose()?
            .unwrap_or_default();
        let level = spec.resources.as_ref().map(PodLevel::of).transpose()?;
        let phase = match status.phase.as_deref() {
            Some("Succeeded" | "Failed") => Phase::Ended,
            Some("Running") => Phase::Running,
            _ => Phase::Pending,
        };
        let scheduled = condition("PodScheduled").filter(|condition| condition.status == "True");
        let bound_at = scheduled
            .and_then(|condition| condition.last_transition_time.as_ref())
            .or(status.start_time.as_ref())
            .map(instant);
        let created_at = pod.metadata.creation_timestamp.as_ref().map(instant);
        let initialised = condition("Initialized").is_some_and(|condition| condition.status == "True")
            || containers
                .iter()
                .any(|container| container.kind == Kind::App && container.started)
            || containers.iter().all(|container| container.kind == Kind::App);
        let ended_at = || {
            let conditions = ["DisruptionTarget", "Ready"].into_iter().find_map(condition)?;
            conditions.last_transition_time.as_ref().map(instant)
        };
        let finished_at = finished(&containers).or_else(|| (phase == Phase::Ended).then(ended_at).flatten());
        Ok(PodFact {
            uid: pod.metadata.uid.as_deref().unwrap_or_default().into(),
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            name: pod.metadata.name.clone().unwrap_or_default(),
            labels: kept_labels(&pod.metadata),
            annotations: kept_annotations(&pod.metadata, annotations),
            node: spec.node_name.clone().filter(|name| !name.is_empty()),
            owner: owner_of(&pod.metadata),
            priority: spec.priority.unwrap_or(0),
            effective: effective(
                containers.iter().map(|c| (c.kind, &c.request)),
                level.as_ref(),
                &overhead,
            ),
            containers,
            phase,
            initialised,
            created_at,
            bound_at,
            finished_at,
            deletion_at: pod.metadata.deletion_timestamp.as_ref().map(instant),
            claims: claims(&spec, pod.metadata.name.as_deref().unwrap_or_default()),
        })
    }

    /// Whether a service with this selector leads to it. One without a selector
    /// leads to no pod by itself.
    #[must_use]
    pub fn is_selected(&self, selector: &Tags) -> bool {
        // the name of a pod is not kept twice, and a service may select one pod by it
        let own = |key: &str| (key == POD_NAME).then_some(&self.name);
        let has = |(key, value): (&String, &String)| self.labels.get(key).or(own(key)) == Some(value);
        !selector.is_empty() && selector.iter().all(has)
    }

    /// Whether it holds its requests on a node: from bind to termination,
    /// grace included, whatever keeps its containers from running (A26).
    #[must_use]
    pub fn holds(&self) -> bool {
        self.node.is_some() && self.phase != Phase::Ended
    }

    /// When it was bound, or the nearest the object says.
    #[must_use]
    pub fn starts_at(&self) -> Option<Instant> {
        self.bound_at.or(self.created_at)
    }
}

/// When the last container ended; `None` while one may still run.
fn finished(containers: &[ContainerFact]) -> Option<Instant> {
    let ends = containers.iter().filter(|container| container.kind != Kind::Init);
    let ends: Option<Vec<Instant>> = ends.map(|container| container.finished_at).collect();
    ends?.into_iter().max()
}

fn containers(
    spec: &core::PodSpec,
    status: &core::PodStatus,
    infeasible: bool,
) -> Result<Vec<ContainerFact>, QuantityError> {
    let init = spec.init_containers.iter().flatten().map(|container| {
        let stays = container.restart_policy.as_deref() == Some("Always");
        (container, if stays { Kind::Sidecar } else { Kind::Init })
    });
    let app = spec.containers.iter().map(|container| (container, Kind::App));
    let statuses = || {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    };
    init.chain(app)
        .map(|(container, kind)| {
            let status = statuses().find(|status| status.name == container.name);
            container_fact(container, kind, status, infeasible)
        })
        .collect()
}

fn container_fact(
    container: &core::Container,
    kind: Kind,
    status: Option<&core::ContainerStatus>,
    infeasible: bool,
) -> Result<ContainerFact, QuantityError> {
    let mut request = Request::of(container.resources.as_ref())?;
    if let Some(given) = status.and_then(|status| status.resources.as_ref()) {
        let given = Request::of(Some(given))?;
        request = if infeasible { given } else { request.max(&given) };
    }
    let limits = container
        .resources
        .as_ref()
        .and_then(|resources| resources.limits.as_ref());
    let state = status.and_then(|status| status.state.as_ref());
    let ended = state.and_then(|state| state.terminated.as_ref());
    let last = status
        .and_then(|status| status.last_state.as_ref())
        .and_then(|state| state.terminated.as_ref());
    let running = state.and_then(|state| state.running.as_ref());
    let killed = |end: &&core::ContainerStateTerminated| end.reason.as_deref() == Some("OOMKilled");
    Ok(ContainerFact {
        name: container.name.clone(),
        kind,
        request,
        limit: limits.map(Request::read).transpose()?.unwrap_or_default(),
        running: running.is_some(),
        started: running.is_some() || ended.is_some() || last.is_some(),
        restarts: status.map_or(0, |status| u32::try_from(status.restart_count).unwrap_or(0)),
        oom_killed: ended.or(last).is_some_and(|end| killed(&end)),
        oom_at: [ended, last]
            .into_iter()
            .flatten()
            .filter(killed)
            .filter_map(|end| end.finished_at.as_ref().map(instant))
            .max(),
        started_at: running.and_then(|running| running.started_at.as_ref()).map(instant),
        finished_at: ended.and_then(|end| end.finished_at.as_ref()).map(instant),
    })
}
