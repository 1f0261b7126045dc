//! What a cluster holds beside its nodes: volumes (A31) and load balancers
//! (A32), each by the name the bill has for it, with who had it when.
//!
//! The join to the bill is by [`resource_key`](super::key::resource_key) and
//! time, as for nodes (A37). What was not measured is `None`, never zero.

use super::Hour;
use crate::instant::Instant;
use crate::tags::Tags;
use serde::{Deserialize, Serialize};

/// A volume while one claim holds it. Its order is canonical; the first three
/// fields say which one it is, the rest may change.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Volume {
    /// What the bill calls it: the CSI volume handle or disk id; where none is
    /// known, `name`.
    pub volume_id: String,
    /// Namespace of the claim, also after its deletion; empty when there never was one.
    pub namespace: String,
    /// Name of the claim, also after its deletion.
    pub claim: String,
    /// UID of the claim; empty when unknown.
    pub claim_uid: String,
    /// Name of the PersistentVolume.
    pub name: String,
    /// Storage class; empty when unknown.
    pub storage_class: String,
    /// Labels of the claim that are kept.
    pub labels: Tags,
    /// When it was provisioned; `None` when unknown: then it is as old as its hours.
    pub provisioned: Option<Instant>,
    /// When its claim was deleted, while the volume stayed (Retain).
    pub claim_deleted: Option<Instant>,
}

/// What a volume was in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VolumeHour {
    /// The hour.
    pub hour: Hour,
    /// Seconds it existed, mounted or not.
    pub seconds: u32,
    /// Its size, MiB.
    pub capacity_mib: u64,
    /// Integral of the bytes in it, MiB-s; `None` when not measured.
    pub used_mib_s: Option<u64>,
}

/// A pod that mounts a volume. The first two fields say which one it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mount {
    /// Namespace of the pod.
    pub namespace: String,
    /// Pod UID; where none is known, `namespace/pod`, as in [`Slot`](super::Slot).
    pub pod_uid: String,
    /// Pod name.
    pub pod: String,
    /// Kind of the top owner; empty when unknown.
    pub workload_kind: String,
    /// Name of the top owner; empty when unknown.
    pub workload: String,
    /// Pod and namespace labels that are kept.
    pub labels: Tags,
}

/// What a pod had of a volume in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MountHour {
    /// The hour.
    pub hour: Hour,
    /// Seconds it had the volume mounted.
    pub seconds: u32,
    /// Integral of the bytes in its own sub-path, MiB-s; `None` when not measured.
    pub used_mib_s: Option<u64>,
}

/// A volume on a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeDay {
    /// Which.
    pub volume: Volume,
    /// Its hours, in order.
    pub hours: Vec<VolumeHour>,
    /// Who mounted it, in order, each with its hours in order.
    pub mounts: Vec<(Mount, Vec<MountHour>)>,
}

/// A load balancer. Several services behind one are its backends. The first
/// field says which one it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Balancer {
    /// What the bill calls it: host name, address or ARN.
    pub balancer_id: String,
    /// Namespace of the Service, Ingress or Gateway that asked for it.
    pub namespace: String,
    /// Name of that object.
    pub service: String,
    /// What people call it; empty when it has no other name.
    pub name: String,
    /// Labels of that object that are kept.
    pub labels: Tags,
}

/// What a load balancer was in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BalancerHour {
    /// The hour.
    pub hour: Hour,
    /// Seconds it existed.
    pub seconds: u32,
}

/// What a load balancer, or the controller behind it, passes requests to. The
/// first two fields say which one it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Backend {
    /// Namespace.
    pub namespace: String,
    /// Service.
    pub service: String,
    /// Kind of what serves it; empty when unknown.
    pub workload_kind: String,
    /// Name of what serves it; empty when unknown.
    pub workload: String,
    /// Labels of the service and its namespace that are kept.
    pub labels: Tags,
}

/// What a backend had of a load balancer in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BackendHour {
    /// The hour.
    pub hour: Hour,
    /// Requests served; `None` when not measured.
    pub requests: Option<u64>,
    /// Bytes passed, both ways; `None` when not measured.
    pub bytes: Option<u64>,
    /// Host names configured for it.
    pub hosts: u64,
}

/// A load balancer on a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerDay {
    /// Which.
    pub balancer: Balancer,
    /// Its hours, in order.
    pub hours: Vec<BalancerHour>,
    /// What is behind it, in order, each with its hours in order.
    pub backends: Vec<(Backend, Vec<BackendHour>)>,
}
