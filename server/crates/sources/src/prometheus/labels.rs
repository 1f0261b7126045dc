//! kube-state-metrics writes labels as `label_app_kubernetes_io_name`: back to
//! the names Kubernetes knows, and what they say about nodes and devices.

use super::answer::Labels;
use domain::tags::Tags;
use domain::usage::Node;

/// Names that cannot be told from their mangled form, most used first.
const KNOWN: [&str; 29] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
    "k8s-app",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "kubernetes.io/hostname",
    "karpenter.sh/nodepool",
    "karpenter.sh/capacity-type",
    "eks.amazonaws.com/nodegroup",
    "eks.amazonaws.com/capacityType",
    "cloud.google.com/gke-nodepool",
    "cloud.google.com/gke-spot",
    "cloud.google.com/gke-preemptible",
    "kubernetes.azure.com/agentpool",
    "kubernetes.azure.com/scalesetpriority",
    "doks.digitalocean.com/node-pool",
    "node.openshift.io/pool",
    "kops.k8s.io/instancegroup",
    "alpha.eksctl.io/nodegroup-name",
    "nvidia.com/gpu.replicas",
    "nvidia.com/gpu.product",
];

/// Labels that change with every roll-out or pod: they tell nobody apart.
const CHURNING: [&str; 8] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "kubernetes.io/metadata.name",
];

/// Labels that name the node's pool, the most telling first.
const POOL: [&str; 9] = [
    "karpenter.sh/nodepool",
    "eks.amazonaws.com/nodegroup",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "doks.digitalocean.com/node-pool",
    "node.openshift.io/pool",
    "kops.k8s.io/instancegroup",
    "alpha.eksctl.io/nodegroup-name",
];

/// Labels that say how the machine is bought.
const BOUGHT: [(&str, &str, &str); 9] = [
    ("karpenter.sh/capacity-type", "spot", "spot"),
    ("karpenter.sh/capacity-type", "reserved", "reserved"),
    ("karpenter.sh/capacity-type", "on-demand", "on-demand"),
    ("eks.amazonaws.com/capacityType", "SPOT", "spot"),
    ("eks.amazonaws.com/capacityType", "CAPACITY_BLOCK", "reserved"),
    ("eks.amazonaws.com/capacityType", "ON_DEMAND", "on-demand"),
    ("cloud.google.com/gke-spot", "true", "spot"),
    ("cloud.google.com/gke-preemptible", "true", "spot"),
    ("kubernetes.azure.com/scalesetpriority", "spot", "spot"),
];

/// Gives mangled label names their own back.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// (as kube-state-metrics writes it, as Kubernetes does).
    known: Vec<(String, String)>,
}

impl Names {
    /// `more` are names in use here, which beat those known to everybody.
    pub(crate) fn new(more: &[String]) -> Names {
        let names = more.iter().map(String::as_str).chain(KNOWN);
        Names {
            known: names.map(|name| (mangled(name), name.to_owned())).collect(),
        }
    }

    /// The Kubernetes labels of a `kube_..._labels` series, less those that only churn.
    pub(crate) fn read(&self, labels: &Labels) -> Tags {
        let churning: Vec<String> = CHURNING.iter().map(|name| mangled(name)).collect();
        labels
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("label_")?, value)))
            .filter(|(key, value)| !value.is_empty() && !churning.iter().any(|name| name == key))
            .map(|(key, value)| {
                let known = self.known.iter().find(|(written, _)| written == key);
                (known.map_or(key, |(_, name)| name).to_owned(), value.clone())
            })
            .collect()
    }
}

/// As kube-state-metrics writes a label name (2.x: camelCase becomes snake_case).
fn mangled(name: &str) -> String {
    let mut written = String::with_capacity(name.len());
    let mut last_is_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && last_is_lower {
            written.push('_');
        }
        last_is_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        if c.is_ascii_alphanumeric() {
            written.push(c.to_ascii_lowercase());
        } else {
            written.push('_');
        }
    }
    written
}

/// A node with what its labels say.
pub(crate) fn node(name: &str, provider_id: &str, labels: Tags) -> Node {
    let pool = POOL.iter().find_map(|key| labels.get(*key)).cloned();
    let bought = BOUGHT
        .iter()
        .find(|(key, value, _)| labels.get(*key).is_some_and(|found| found == value));
    Node {
        name: name.to_owned(),
        provider_id: provider_id.to_owned(),
        pool: pool.unwrap_or_default(),
        capacity_type: bought.map_or_else(String::new, |(_, _, kind)| (*kind).to_owned()),
        root_volume_id: String::new(),
        labels,
    }
}

/// Thousandths of a device that one of a resource is, as kube-state-metrics
/// names it; `None` when it is no accelerator. A MIG slice is so many of the
/// seven compute slices of its device; a shared device 1 / replicas (A30).
pub(crate) fn accelerator_milli(resource: &str, replicas: u64) -> Option<u64> {
    if let Some(profile) = resource.strip_prefix("nvidia_com_mig_") {
        let slices: u64 = profile.split_once('g')?.0.parse().ok()?;
        return (1..=7).contains(&slices).then(|| slices * 1_000 / 7);
    }
    match resource {
        "nvidia_com_gpu" | "nvidia_com_gpu_shared" => Some(1_000 / replicas.max(1)),
        "amd_com_gpu" | "aws_amazon_com_neuron" | "google_com_tpu" | "habana_ai_gaudi" => Some(1_000),
        other => other.starts_with("gpu_intel_com_i915").then_some(1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn names_come_back() {
        let names = Names::new(&["cost-center".to_owned()]);
        let found = names.read(&labels(&[
            ("namespace", "tnt-a"),
            ("label_app_kubernetes_io_part_of", "erp"),
            ("label_cost_center", "4711"),
            ("label_tenant", "a"),
            ("label_own_thing", "x"),
            ("label_empty", ""),
            ("label_pod_template_hash", "6f7c"),
        ]));
        let expect = [
            ("app.kubernetes.io/part-of", "erp"),
            ("cost-center", "4711"),
            ("own_thing", "x"),
            ("tenant", "a"),
        ];
        assert_eq!(found, labels(&expect));
    }

    #[test]
    fn what_labels_say_of_nodes() {
        for (written, value, pool, bought) in [
            ("label_karpenter_sh_nodepool", "general", "general", ""),
            ("label_agentpool", "burst", "burst", ""),
            ("label_eks_amazonaws_com_capacity_type", "SPOT", "", "spot"),
            ("label_cloud_google_com_gke_spot", "true", "", "spot"),
            ("label_karpenter_sh_capacity_type", "on-demand", "", "on-demand"),
        ] {
            let found = node("n", "", Names::new(&[]).read(&labels(&[(written, value)])));
            assert_eq!(
                (found.pool.as_str(), found.capacity_type.as_str()),
                (pool, bought),
                "{written}"
            );
        }
    }

    #[test]
    fn devices() {
        for (resource, replicas, expect) in [
            ("nvidia_com_gpu", 1, Some(1_000)),
            ("nvidia_com_gpu", 4, Some(250)),
            ("nvidia_com_mig_3g_20gb", 1, Some(428)),
            ("amd_com_gpu", 4, Some(1_000)),
            ("ephemeral_storage", 1, None),
            ("nvidia_com_mig_all_disabled", 1, None),
        ] {
            assert_eq!(accelerator_milli(resource, replicas), expect, "{resource}");
        }
    }
}
