//! Which series are asked for, and how.

use super::answer::Series;
use super::client::Client;
use super::error::PrometheusError;
use super::nodes::{Amount, Nodes};
use super::pods::{Pods, Rules, Told};
use super::series::label;
use super::spans::Stretch;
use domain::Finding;
use std::collections::BTreeMap;

/// Containers of pods; the sandbox and the sums of cgroups have no name.
const CONTAINERS: (&str, &str, &str) = ("container", "!~", "|POD");

/// Series of pods: metric, matchers of its own, decimals, what it tells.
type PodMetric = (
    &'static str,
    &'static [(&'static str, &'static str, &'static str)],
    u32,
    Told,
);

/// From kube-state-metrics.
const KSM: [PodMetric; 21] = [
    ("kube_pod_info", &[], 0, Told::Info),
    (
        "kube_pod_owner",
        &[("owner_is_controller", "!=", "false")],
        0,
        Told::Owner,
    ),
    ("kube_pod_labels", &[], 0, Told::Labels),
    (
        "kube_pod_status_phase",
        &[("phase", "=~", "Succeeded|Failed")],
        0,
        Told::Ended,
    ),
    ("kube_pod_start_time", &[], 0, Told::Started),
    ("kube_pod_completion_time", &[], 0, Told::Completed),
    ("kube_pod_overhead_cpu_cores", &[], 3, Told::Overhead("cpu")),
    ("kube_pod_overhead_memory_bytes", &[], 3, Told::Overhead("memory")),
    ("kube_pod_container_resource_requests", &[], 3, Told::Requests),
    ("kube_pod_init_container_resource_requests", &[], 3, Told::InitRequests),
    (
        "kube_pod_init_container_info",
        &[("restart_policy", "=", "Always")],
        0,
        Told::InitInfo,
    ),
    (
        "kube_replicaset_owner",
        &[("owner_kind", "!~", "|<none>")],
        0,
        Told::ReplicaSetOwner,
    ),
    ("kube_job_owner", &[("owner_kind", "!~", "|<none>")], 0, Told::JobOwner),
    ("kube_namespace_labels", &[], 0, Told::NamespaceLabels),
    ("kube_pod_container_resource_limits", &[], 3, Told::Limits),
    ("kube_pod_container_status_restarts_total", &[], 0, Told::Restarts),
    (
        "kube_pod_container_status_last_terminated_reason",
        &[("reason", "=", "OOMKilled")],
        0,
        Told::OutOfMemory,
    ),
    (
        "kube_pod_spec_volumes_persistentvolumeclaims_info",
        &[],
        0,
        Told::Mounts,
    ),
    (
        "kube_deployment_spec_replicas",
        &[],
        0,
        Told::Replicas("Deployment", "deployment"),
    ),
    (
        "kube_statefulset_replicas",
        &[],
        0,
        Told::Replicas("StatefulSet", "statefulset"),
    ),
    (
        "kube_daemonset_status_desired_number_scheduled",
        &[],
        0,
        Told::Replicas("DaemonSet", "daemonset"),
    ),
];

/// From cAdvisor. CPU in core-ns.
const CADVISOR: [PodMetric; 6] = [
    ("container_cpu_usage_seconds_total", &[CONTAINERS], 9, Told::Cpu),
    ("container_memory_working_set_bytes", &[CONTAINERS], 0, Told::Memory),
    ("container_cpu_cfs_periods_total", &[CONTAINERS], 0, Told::Periods),
    (
        "container_cpu_cfs_throttled_periods_total",
        &[CONTAINERS],
        0,
        Told::Throttled,
    ),
    (
        "container_cpu_cfs_throttled_seconds_total",
        &[CONTAINERS],
        3,
        Told::ThrottledMs,
    ),
    ("container_oom_events_total", &[CONTAINERS], 0, Told::OomEvents),
];

/// What all queries of a chunk share.
pub(crate) struct Scope<'a> {
    pub client: &'a Client,
    pub matchers: &'a [(String, String)],
    pub rules: &'a Rules<'a>,
}

/// `metric{name="value",...}`.
pub(crate) fn selector(metric: &str, own: &[(&str, &str, &str)], matchers: &[(String, String)]) -> String {
    let own = own
        .iter()
        .map(|(name, op, value)| format!("{name}{op}{}", quoted(value)));
    let shared = matchers.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    let all: Vec<String> = own.chain(shared).collect();
    if all.is_empty() {
        metric.to_owned()
    } else {
        format!("{metric}{{{}}}", all.join(","))
    }
}

/// A selector somebody wrote, with matchers added: `up`, `up{job="a"}`, `{job="a"}`.
pub(crate) fn selector_with(written: &str, matchers: &[(String, String)]) -> String {
    let written = written.trim();
    let (metric, own) = match written.strip_suffix('}').and_then(|rest| rest.split_once('{')) {
        Some((metric, own)) => (metric.trim(), own.trim().trim_end_matches(',')),
        None => (written, ""),
    };
    let shared = matchers.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    let all: Vec<String> = [own.to_owned()]
        .into_iter()
        .filter(|own| !own.is_empty())
        .chain(shared)
        .collect();
    if all.is_empty() {
        metric.to_owned()
    } else {
        format!("{metric}{{{}}}", all.join(","))
    }
}

/// A PromQL string.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// Matches any of some names literally.
fn any_of(names: &[String]) -> String {
    let literal = |name: &String| {
        name.chars().fold(String::new(), |mut text, c| {
            if !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_') {
                text.push('\\');
            }
            text.push(c);
            text
        })
    };
    names.iter().map(literal).collect::<Vec<_>>().join("|")
}

/// Everything about the nodes.
pub(crate) async fn fetch_nodes(
    scope: &Scope<'_>,
    window: Stretch,
    findings: &mut Vec<Finding>,
) -> Result<Nodes, PrometheusError> {
    let mut nodes = Nodes::default();
    let reach = scope.rules.reach_ms;
    let mut unreadable = Unreadable::default();
    let ready: &[(&str, &str, &str)] = &[("condition", "=", "Ready"), ("status", "=", "true")];
    for (metric, own, decimals) in [
        ("kube_node_info", &[][..], 0),
        ("kube_node_status_condition", ready, 0),
        ("kube_node_status_capacity", &[], 3),
        ("kube_node_status_allocatable", &[], 3),
        ("kube_node_labels", &[], 0),
        ("node_uname_info", &[], 0),
    ] {
        let query = selector(metric, own, scope.matchers);
        let each = |series: Series| {
            unreadable.count(metric, &series);
            match metric {
                "kube_node_info" => nodes.see_info(&series, reach),
                "kube_node_status_condition" => nodes.see_ready(&series, reach),
                "kube_node_status_capacity" => nodes.see_amount(Amount::Capacity, &series, reach),
                "kube_node_status_allocatable" => nodes.see_amount(Amount::Allocatable, &series, reach),
                "kube_node_labels" => nodes.see_labels(&series, scope.rules.names, reach),
                _ => nodes.see_exporter(&series),
            }
        };
        scope.client.samples(&query, window, decimals, findings, each).await?;
    }
    if nodes.lacks_capacity() {
        measure_nodes(scope, window, &mut nodes, &mut unreadable, findings).await?;
    }
    unreadable.report(findings);
    Ok(nodes)
}

/// The capacity of nodes from node-exporter, where kube-state-metrics lacks it.
async fn measure_nodes(
    scope: &Scope<'_>,
    window: Stretch,
    nodes: &mut Nodes,
    unreadable: &mut Unreadable,
    findings: &mut Vec<Finding>,
) -> Result<(), PrometheusError> {
    let reach = scope.rules.reach_ms;
    let idle: &[(&str, &str, &str)] = &[("mode", "=", "idle")];
    for (metric, own) in [
        ("node_cpu_seconds_total", idle),
        ("node_memory_MemTotal_bytes", &[][..]),
    ] {
        let query = selector(metric, own, scope.matchers);
        let each = |series: Series| {
            unreadable.count(metric, &series);
            match metric {
                "node_cpu_seconds_total" => nodes.see_cpu(&series),
                _ => nodes.see_memory(&series, reach),
            }
        };
        scope.client.samples(&query, window, 0, findings, each).await?;
    }
    let measured = nodes.measure(reach);
    if measured > 0 {
        let message = "nodes without kube_node_status_capacity have the CPUs and memory of their node-exporter, \
                       all of it allocatable";
        let finding = Finding::warning("capacity_from_node_exporter", message);
        findings.push(
            finding
                .remedy("let kube-state-metrics export kube_node_status_capacity and _allocatable")
                .times(measured),
        );
    }
    Ok(())
}

/// Everything about the pods of some namespaces.
pub(crate) async fn fetch_pods(
    scope: &Scope<'_>,
    namespaces: &Namespaces,
    window: Stretch,
    findings: &mut Vec<Finding>,
) -> Result<Pods, PrometheusError> {
    let mut pods = Pods::default();
    let mut unreadable = Unreadable::default();
    let names = any_of(&namespaces.names);
    let plain = ("namespace", "=~", names.as_str());
    // where the scrape's own namespace came first, the pod's has another name
    let pods_own = if namespaces.exported {
        ("exported_namespace", "=~", names.as_str())
    } else {
        plain
    };
    let asked = KSM
        .iter()
        .map(|metric| (metric, pods_own))
        .chain(CADVISOR.iter().map(|metric| (metric, plain)));
    for ((metric, own, decimals, told), namespace) in asked {
        let all: Vec<(&str, &str, &str)> = own.iter().copied().chain([namespace]).collect();
        let query = selector(metric, &all, scope.matchers);
        let each = |series: Series| {
            unreadable.count(metric, &series);
            pods.see(*told, series, scope.rules);
        };
        scope.client.samples(&query, window, *decimals, findings, each).await?;
    }
    unreadable.report(findings);
    Ok(pods)
}

/// Some namespaces, and how kube-state-metrics' series name them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Namespaces {
    pub names: Vec<String>,
    pub exported: bool,
}

/// Every namespace with pods or usage in a window, with its number of series, and whether
/// kube-state-metrics' series call it `exported_namespace`.
pub(crate) async fn namespaces(
    scope: &Scope<'_>,
    (from, to): Stretch,
    findings: &mut Vec<Finding>,
) -> Result<(BTreeMap<String, u64>, bool), PrometheusError> {
    let mut found = BTreeMap::new();
    let mut exported = false;
    for (metric, own) in [
        ("kube_pod_info", &[][..]),
        ("container_memory_working_set_bytes", &[CONTAINERS][..]),
    ] {
        let selected = selector(metric, own, scope.matchers);
        let query = format!(
            "count by (namespace, exported_namespace) (present_over_time({selected}[{}ms]))",
            to - from
        );
        for (labels, count) in scope.client.query(&query, to, 0, findings).await? {
            exported |= labels.contains_key("exported_namespace");
            let held = found.entry(label(&labels, "namespace").to_owned()).or_insert(0);
            // the widest metrics decide: requests have a series for each resource
            *held = (*held).max(count.unsigned_abs().saturating_mul(2));
        }
    }
    Ok((found, exported))
}

/// The median time between scrapes of `kube_node_info`, seconds.
pub(crate) async fn interval_of(
    client: &Client,
    matchers: &[(String, String)],
    at: i64,
) -> Result<Option<u32>, PrometheusError> {
    let mut gaps = Vec::new();
    let query = selector("kube_node_info", &[], matchers);
    let each = |series: Series| gaps.extend(series.samples.windows(2).map(|pair| pair[1].0 - pair[0].0));
    client
        .samples(&query, (at - 3_600_000, at), 0, &mut Vec::new(), each)
        .await?;
    gaps.sort_unstable();
    let median = gaps.get(gaps.len() / 2);
    Ok(median
        .and_then(|ms| u32::try_from((ms + 500) / 1_000).ok())
        .map(|s| s.max(1)))
}

/// Values that are no numbers, by metric.
#[derive(Default)]
pub(crate) struct Unreadable(BTreeMap<String, u64>);

impl Unreadable {
    pub(crate) fn count(&mut self, metric: &str, series: &Series) {
        if series.unreadable > 0 {
            *self.0.entry(metric.to_owned()).or_default() += series.unreadable;
        }
    }

    pub(crate) fn report(self, findings: &mut Vec<Finding>) {
        for (metric, count) in self.0 {
            let message = format!("values of {metric} that are no finite number are left out");
            findings.push(Finding::warning("no_number", message).times(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors() {
        let cluster = [("cluster".to_owned(), "a\"b\\".to_owned())];
        for (metric, own, matchers, expect) in [
            ("up", &[][..], &[][..], "up"),
            ("up", &[("x", "=~", "a|b")], &[], r#"up{x=~"a|b"}"#),
            ("up", &[("x", "!=", "")], &cluster, r#"up{x!="",cluster="a\"b\\"}"#),
        ] {
            assert_eq!(selector(metric, own, matchers), expect);
        }
        for (written, expect) in [
            ("up", r#"up{cluster="a\"b\\"}"#),
            (" up { job=\"}\", } ", r#"up{job="}",cluster="a\"b\\"}"#),
            (r#"{job="a"}"#, r#"{job="a",cluster="a\"b\\"}"#),
        ] {
            assert_eq!(selector_with(written, &cluster), expect, "{written}");
        }
        assert_eq!(any_of(&["tnt-a".to_owned(), "x.y".to_owned()]), r"tnt-a|x\.y");
    }
}
