//! What a pod's containers claim at an instant, and what their slots are called.

use super::metrics::PodUsage;
use super::objects::{ContainerFact, NamespaceFact, OwnerRef, PodFact};
use super::request::{Kind, Sharing};
use domain::usage::hourly::pod_overhead_at;
use domain::usage::{Capacity, Role, Slot};
use std::sync::Arc;

/// The owner above an owner: `Err` when that owner should be known and is not.
pub type Parent<'a> = dyn Fn(&OwnerRef) -> Result<Option<OwnerRef>, Unknown> + 'a;

/// An owner that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

/// What of a pod is sampled together.
pub(super) struct Claim {
    /// Container; empty for the pod's overhead.
    pub container: String,
    /// What it requests.
    pub requested: Capacity,
    /// What it uses, when that is known.
    pub used: Option<Capacity>,
}

/// What a pod claims at an instant. Until its init containers are through,
/// its ordinary ones hold nothing of their own: the pod does (A26).
pub(super) fn claims(pod: &PodFact, usage: Option<&PodUsage>, sharing: Sharing) -> Vec<Claim> {
    let stands = |container: &&ContainerFact| match container.kind {
        Kind::App => pod.initialised,
        Kind::Init => container.running,
        Kind::Sidecar => pod.initialised || container.started,
    };
    let of = |container: &ContainerFact| Claim {
        container: container.name.clone(),
        requested: container.request.capacity(sharing),
        used: usage.and_then(|usage| usage.containers.get(&container.name).copied()),
    };
    with_overhead(pod, pod.containers.iter().filter(stands).map(of).collect(), sharing)
}

/// What a pod claims by its requests alone.
pub(super) fn whole(pod: &PodFact, sharing: Sharing) -> Vec<Claim> {
    let staying = pod.containers.iter().filter(|container| container.kind != Kind::Init);
    let claims = staying.map(|container| Claim {
        container: container.name.clone(),
        requested: container.request.capacity(sharing),
        used: None,
    });
    with_overhead(pod, claims.collect(), sharing)
}

fn with_overhead(pod: &PodFact, mut claims: Vec<Claim>, sharing: Sharing) -> Vec<Claim> {
    let held: Vec<Capacity> = claims
        .iter()
        .map(|claim| claim.used.map_or(claim.requested, |used| claim.requested.max(used)))
        .collect();
    let overhead = pod_overhead_at(pod.effective.capacity(sharing), &held);
    if overhead != Capacity::default() {
        claims.push(Claim {
            container: String::new(),
            requested: overhead,
            used: None,
        });
    }
    claims
}

/// The slot of a container; an empty name is the pod's overhead. What a
/// DaemonSet's or placeholder's pod holds beyond its containers goes where
/// those go (A27, A28).
pub(super) fn slot_of(
    pod: &PodFact,
    container: &str,
    top: Option<&(Arc<str>, Arc<str>)>,
    namespace: Option<&NamespaceFact>,
) -> Slot {
    let (kind, name) = top.map_or(("", ""), |(kind, name)| (&**kind, &**name));
    let role = if pod.priority < 0 {
        Role::Placeholder
    } else if kind == "DaemonSet" || kind == STATIC_POD {
        Role::DaemonSet
    } else if container.is_empty() {
        Role::PodOverhead
    } else {
        Role::Workload
    };
    let mut labels = namespace.map(|namespace| namespace.labels.clone()).unwrap_or_default();
    labels.extend(pod.labels.clone());
    Slot {
        node: pod.node.clone().unwrap_or_default(),
        pod_uid: pod.uid.to_string(),
        container: container.to_owned(),
        role,
        namespace: pod.namespace.clone(),
        pod: pod.name.clone(),
        workload_kind: kind.to_owned(),
        workload: name.to_owned(),
        labels,
        // known once the hour is told
        ..Slot::default()
    }
}

/// Kind of pods that a node's own files start: they come with the node, like
/// those of a DaemonSet.
const STATIC_POD: &str = "StaticPod";

/// The top owner of a pod, up the chain of controllers. A pod without an
/// owner is its own. Where the chain breaks, what was found before stands.
pub(super) fn top_of(
    pod: &PodFact,
    before: Option<(Arc<str>, Arc<str>)>,
    parent: &Parent<'_>,
) -> Option<(Arc<str>, Arc<str>)> {
    let Some(mut top) = pod.owner.clone() else {
        return Some(("Pod".into(), pod.name.as_str().into()));
    };
    if &*top.kind == "Node" {
        let node = pod.node.as_deref().unwrap_or_default();
        let name = pod.name.strip_suffix(node).and_then(|name| name.strip_suffix('-'));
        return Some((STATIC_POD.into(), name.unwrap_or(&pod.name).into()));
    }
    // no chain is longer; a loop would be
    for _ in 0..8 {
        match parent(&top) {
            Ok(Some(above)) => top = above,
            Ok(None) => break,
            Err(Unknown) => return before.or(Some((top.kind, top.name))),
        }
    }
    Some((top.kind, top.name))
}
