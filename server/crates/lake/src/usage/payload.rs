//! The payload of the OpenShift metrics operator: an archive of hourly reports
//! by pod, node, namespace and volume, with a manifest that names cluster and files.
//!
//! It knows pods, not containers, and no allocatable capacity: a pod is one
//! container `*`, and all of a node is taken as allocatable.

mod report;

pub(super) use report::Report;

use super::table::{BadCell, Fact};
use domain::finding::Finding;
use domain::tags::Tags;
use domain::usage::{
    Capacity, HOUR_S, Hour, Measure, Mount, MountHour, Node, NodeHour, Role, Slot, SlotHour, Volume, VolumeHour,
};
use report::{Kind, Row};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;
/// What the one container of a pod is called.
const ALL_CONTAINERS: &str = "*";

/// What the manifest says.
pub(super) struct Manifest {
    pub cluster: String,
    pub uuid: String,
    /// Reports, by file name.
    pub files: BTreeSet<String>,
}

impl Manifest {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, Box<Finding>> {
        let refuse = |what: &str| {
            let finding = Finding::error("bad_manifest", format!("manifest.json {what}"));
            Box::new(finding.remedy("have the metrics operator package its reports again"))
        };
        let manifest: Value = serde_json::from_slice(bytes).map_err(|error| refuse(&format!("is no JSON: {error}")))?;
        let text = |name: &str| manifest[name].as_str().unwrap_or("").trim().to_owned();
        let (cluster, files) = (text("cluster_id"), manifest["files"].as_array());
        match files {
            _ if cluster.is_empty() => Err(refuse("names no cluster_id")),
            None => Err(refuse("has no list `files`")),
            Some(files) => Ok(Manifest {
                cluster,
                uuid: text("uuid"),
                files: files.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            }),
        }
    }
}

/// What payloads say of a cluster, until all of them are read: labels and
/// quantities lie in different reports.
#[derive(Default)]
struct Cluster {
    nodes: BTreeMap<(String, String), BTreeMap<Hour, NodeHour>>,
    /// By node, namespace and pod.
    pods: BTreeMap<(String, String, String), (Tags, Vec<SlotHour>)>,
    volumes: BTreeMap<Volume, Vec<(VolumeHour, Option<String>)>>,
    node_labels: BTreeMap<String, Tags>,
    namespace_labels: BTreeMap<String, Tags>,
    unscheduled: u64,
}

/// What payloads say.
#[derive(Default)]
pub(super) struct Payloads {
    clusters: BTreeMap<String, Cluster>,
    /// Files that manifests name and nobody has seen, by cluster and uuid of the payload.
    missing: BTreeMap<(String, String), (String, BTreeSet<String>)>,
    seen: BTreeSet<(String, String, String)>,
    passed_over: u64,
}

impl Payloads {
    /// Takes a manifest. A payload may come in several archives, each with the
    /// whole manifest and some of its files.
    pub fn manifest(&mut self, archive: &str, manifest: &Manifest) {
        let key = (manifest.cluster.clone(), manifest.uuid.clone());
        let (_, missing) = self
            .missing
            .entry(key.clone())
            .or_insert_with(|| (archive.to_owned(), BTreeSet::new()));
        let unseen = |file: &&String| !self.seen.contains(&(key.0.clone(), key.1.clone(), (*file).clone()));
        missing.extend(manifest.files.iter().filter(unseen).cloned());
    }

    /// Tells that a file is there.
    pub fn seen(&mut self, manifest: &Manifest, file: &str) {
        let key = (manifest.cluster.clone(), manifest.uuid.clone());
        if let Some((_, missing)) = self.missing.get_mut(&key) {
            missing.remove(file);
        }
        self.seen.insert((key.0, key.1, file.to_owned()));
    }

    /// Takes a row.
    ///
    /// # Errors
    /// The cell that is wrong.
    pub fn row(&mut self, cluster: &str, report: &Report, cells: &[&str]) -> Result<(), BadCell> {
        let row = Row { report, cells };
        if report.kind == Kind::PassedOver {
            self.passed_over += 1;
            return Ok(());
        }
        let hour = row.hour()?;
        let cluster = self.clusters.entry(cluster.to_owned()).or_default();
        match report.kind {
            Kind::Pods => cluster.pod(&row, hour)?,
            Kind::Volumes => cluster.volume(&row, hour)?,
            Kind::Nodes => {
                let labels = row.labels("node_labels")?;
                cluster
                    .node_labels
                    .entry(row.text("node").to_owned())
                    .or_default()
                    .extend(labels);
            }
            Kind::Namespaces => {
                let labels = row.labels("namespace_labels")?;
                let namespace = row.text("namespace").to_owned();
                cluster.namespace_labels.entry(namespace).or_default().extend(labels);
            }
            Kind::PassedOver => {}
        }
        Ok(())
    }

    /// Reports that are named and not there: a finding for each payload.
    pub fn missing(&self) -> Vec<Finding> {
        let lacking = self.missing.values().filter(|(_, files)| !files.is_empty());
        let finding = |(archive, files): &(String, BTreeSet<String>)| {
            let first = files.first().map_or("", String::as_str);
            Finding::error(
                "missing_report",
                format!("the manifest names {first}, which no archive has"),
            )
            .in_file(archive)
            .times(files.len() as u64)
            .remedy("give all archives of the payload in one call, or keep what there is with --on-error quarantine")
        };
        lacking.map(finding).collect()
    }

    /// The facts they are, by cluster, and what is remarkable.
    pub fn facts(self) -> (Vec<(String, Vec<Fact>)>, Vec<Finding>) {
        let mut findings = Vec::new();
        if self.passed_over > 0 {
            findings.push(
                Finding::info(
                    "reports_passed_over",
                    "rows of virtual machines and accelerators are passed over; their pods count",
                )
                .times(self.passed_over),
            );
        }
        for (name, cluster) in &self.clusters {
            let hours: usize = cluster.nodes.values().map(BTreeMap::len).sum();
            if hours > 0 {
                findings.push(
                    Finding::info(
                        "allocatable_is_capacity",
                        format!(
                            "cluster {name}: the payload does not say what is allocatable; all of a node is taken, so \
                             what is reserved for the system shows as idle capacity"
                        ),
                    )
                    .times(hours as u64),
                );
            }
            if cluster.unscheduled > 0 {
                findings.push(
                    Finding::info(
                        "unscheduled_pods",
                        format!("cluster {name}: hours of pods on no node; they held nothing"),
                    )
                    .times(cluster.unscheduled),
                );
            }
        }
        let facts = self.clusters.into_iter().map(|(name, cluster)| (name, cluster.facts()));
        (facts.collect(), findings)
    }
}

impl Cluster {
    fn pod(&mut self, row: &Row<'_>, hour: Hour) -> Result<(), BadCell> {
        let (node, namespace, pod) = (row.text("node"), row.text("namespace"), row.text("pod"));
        for (name, text) in [("namespace", namespace), ("pod", pod)] {
            if text.is_empty() {
                return Err((name, "is empty".to_owned()));
            }
        }
        let requested = Measure {
            cpu_core_ms: row.core_ms("pod_request_cpu_core_seconds")?,
            memory_mib_s: row.mib_s("pod_request_memory_byte_seconds")?,
            gpu_ms: 0,
        };
        let used = Measure {
            cpu_core_ms: row.core_ms("pod_usage_cpu_core_seconds")?,
            memory_mib_s: row.mib_s("pod_usage_memory_byte_seconds")?,
            gpu_ms: 0,
        };
        let labels = row.labels("pod_labels")?;
        let node_hour = node_hour(row, hour)?;
        if node.is_empty() {
            self.unscheduled += 1;
            return Ok(());
        }
        let nodes = self
            .nodes
            .entry((node.to_owned(), row.text("resource_id").to_owned()))
            .or_default();
        let known = nodes.entry(hour).or_insert(node_hour);
        // each pod of a node says the same of it, if it was there for as long
        *known = (*known).max(node_hour);
        let key = (node.to_owned(), namespace.to_owned(), pod.to_owned());
        let (known, hours) = self.pods.entry(key).or_default();
        known.extend(labels);
        hours.push(SlotHour {
            hour,
            seconds: node_hour.ready_s,
            effective: requested.max(used),
            requested,
            used,
        });
        Ok(())
    }

    fn volume(&mut self, row: &Row<'_>, hour: Hour) -> Result<(), BadCell> {
        let (handle, name) = (row.text("csi_volume_handle"), row.text("persistentvolume"));
        let volume_id = if handle.is_empty() { name } else { handle };
        if volume_id.is_empty() {
            return Err(("persistentvolume", "is empty, and so is csi_volume_handle".to_owned()));
        }
        let mut labels = row.labels("persistentvolume_labels")?;
        labels.extend(row.labels("persistentvolumeclaim_labels")?);
        let volume = Volume {
            volume_id: volume_id.to_owned(),
            namespace: row.text("namespace").to_owned(),
            claim: row.text("persistentvolumeclaim").to_owned(),
            name: name.to_owned(),
            storage_class: row.text("storageclass").to_owned(),
            labels,
            ..Volume::default()
        };
        let bytes = row.quantity("persistentvolumeclaim_capacity_bytes", 1, 1)?.unwrap_or(0);
        let byte_s = row
            .quantity("persistentvolumeclaim_capacity_byte_seconds", 1, 1)?
            .unwrap_or(0);
        let facts = VolumeHour {
            hour,
            seconds: stood(byte_s, bytes),
            capacity_mib: bytes / MIB,
            used_mib_s: row.quantity("persistentvolumeclaim_usage_byte_seconds", 1, MIB)?,
        };
        let pod = Some(row.text("pod")).filter(|pod| !pod.is_empty()).map(str::to_owned);
        self.volumes.entry(volume).or_default().push((facts, pod));
        Ok(())
    }

    fn facts(self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for ((name, provider_id), hours) in self.nodes {
            let node = Node {
                labels: self.node_labels.get(&name).cloned().unwrap_or_default(),
                name,
                provider_id,
                ..Node::default()
            };
            facts.extend(hours.into_values().map(|hour| Fact::Node(node.clone(), hour)));
        }
        // labels of the namespace, those of the pod before them
        let labelled = |namespace: &str, own: &Tags| {
            let mut labels = self.namespace_labels.get(namespace).cloned().unwrap_or_default();
            labels.extend(own.clone());
            labels
        };
        let mut of_pods: BTreeMap<(String, String), Tags> = BTreeMap::new();
        for ((node, namespace, pod), (labels, hours)) in self.pods {
            let labels = labelled(&namespace, &labels);
            of_pods.insert((namespace.clone(), pod.clone()), labels.clone());
            let slot = Slot {
                node,
                pod_uid: format!("{namespace}/{pod}"),
                container: ALL_CONTAINERS.to_owned(),
                role: Role::Workload,
                namespace,
                pod,
                labels,
                ..Slot::default()
            };
            facts.extend(hours.into_iter().map(|hour| Fact::Container(slot.clone(), hour, None)));
        }
        for (volume, hours) in self.volumes {
            for (hour, pod) in hours {
                let mount = pod.map(|pod| {
                    let namespace = volume.namespace.clone();
                    let labels = of_pods.get(&(namespace.clone(), pod.clone())).cloned();
                    let mount = Mount {
                        pod_uid: format!("{namespace}/{pod}"),
                        labels: labels.unwrap_or_default(),
                        namespace,
                        pod,
                        ..Mount::default()
                    };
                    let mounted = MountHour {
                        hour: hour.hour,
                        seconds: hour.seconds,
                        used_mib_s: None,
                    };
                    (mount, mounted)
                });
                facts.push(Fact::Volume(volume.clone(), hour, mount));
            }
        }
        facts
    }
}

fn node_hour(row: &Row<'_>, hour: Hour) -> Result<NodeHour, BadCell> {
    let millicores = row.quantity("node_capacity_cpu_cores", 1_000, 1)?.unwrap_or(0);
    let core_ms = row.core_ms("node_capacity_cpu_core_seconds")?;
    let memory_mib = row.quantity("node_capacity_memory_bytes", 1, MIB)?.unwrap_or(0);
    let ready_s = stood(core_ms, millicores);
    let capacity = Capacity {
        cpu_millicores: millicores,
        memory_mib,
        gpu_milli: 0,
    };
    Ok(NodeHour {
        hour,
        ready_s,
        observed_s: ready_s,
        capacity,
        allocatable: capacity,
    })
}

/// Seconds for which something stood, at most an hour: its integral by its size.
fn stood(integral: u64, size: u64) -> u32 {
    let seconds = integral.checked_div(size).unwrap_or(0).min(u64::from(HOUR_S));
    u32::try_from(seconds).unwrap_or(HOUR_S)
}
