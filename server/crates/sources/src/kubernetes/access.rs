//! What the collector reads, and nothing else: the table its watchers are
//! started from, and that `deploy/rbac.yaml` is compared with.

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, ResourceQuota, Service,
};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use std::fmt;

/// A permission the collector needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, plural.
    pub resource: &'static str,
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// Where a list of all of them is.
    pub path: &'static str,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            "" => f.write_str(self.resource),
            group => write!(f, "{}.{group}", self.resource),
        }
    }
}

const fn watched<K: Resource>(path: &'static str) -> Access {
    Access {
        group: K::GROUP,
        resource: K::URL_PATH_SEGMENT,
        verbs: &["list", "watch"],
        path,
    }
}

const fn metrics(resource: &'static str, path: &'static str) -> Access {
    Access {
        group: "metrics.k8s.io",
        resource,
        verbs: &["list"],
        path,
    }
}

/// Everything the collector reads. Secrets and config maps are not here.
pub const ACCESS: [Access; 20] = [
    watched::<Node>("/api/v1/nodes"),
    watched::<Pod>("/api/v1/pods"),
    watched::<Namespace>("/api/v1/namespaces"),
    watched::<ReplicaSet>("/apis/apps/v1/replicasets"),
    watched::<Deployment>("/apis/apps/v1/deployments"),
    watched::<StatefulSet>("/apis/apps/v1/statefulsets"),
    watched::<DaemonSet>("/apis/apps/v1/daemonsets"),
    watched::<Job>("/apis/batch/v1/jobs"),
    watched::<CronJob>("/apis/batch/v1/cronjobs"),
    watched::<PersistentVolume>("/api/v1/persistentvolumes"),
    watched::<PersistentVolumeClaim>("/api/v1/persistentvolumeclaims"),
    watched::<StorageClass>("/apis/storage.k8s.io/v1/storageclasses"),
    watched::<Service>("/api/v1/services"),
    watched::<Ingress>("/apis/networking.k8s.io/v1/ingresses"),
    watched::<HorizontalPodAutoscaler>("/apis/autoscaling/v2/horizontalpodautoscalers"),
    watched::<PodDisruptionBudget>("/apis/policy/v1/poddisruptionbudgets"),
    watched::<ResourceQuota>("/api/v1/resourcequotas"),
    watched::<PriorityClass>("/apis/scheduling.k8s.io/v1/priorityclasses"),
    metrics("nodes", "/apis/metrics.k8s.io/v1beta1/nodes"),
    metrics("pods", "/apis/metrics.k8s.io/v1beta1/pods"),
];

/// Those that are watched; the rest is listed with every sample.
pub const WATCHED: usize = 18;
/// Position of nodes in [`ACCESS`].
pub const NODES: usize = 0;
/// Position of pods in [`ACCESS`].
pub const PODS: usize = 1;
/// Position of namespaces in [`ACCESS`].
pub const NAMESPACES: usize = 2;
/// Position of node metrics in [`ACCESS`].
pub const NODE_METRICS: usize = 18;
/// Position of pod metrics in [`ACCESS`].
pub const POD_METRICS: usize = 19;
