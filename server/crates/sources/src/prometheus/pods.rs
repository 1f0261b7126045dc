//! What the series of a window say about pods: what kube-state-metrics shows
//! and requests, beside what cAdvisor says is used.

use super::answer::Series;
use super::labels::Names;
use super::nodes::Nodes;
use super::series::{Incarnations, Scrapes, Timeline, label};
use super::spans::{Presence, stood};
use super::view::View;
use domain::tags::Tags;
use domain::usage::hourly::HourFacts;
use domain::usage::{Mount, MountHour, SizingHour};
use std::collections::{BTreeMap, BTreeSet};

/// (namespace, pod).
pub(super) type PodName = (String, String);

/// Everything about one pod name in a window.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Each pod that had this name, by (UID, node); an unbound pod has no node.
    pub lives: BTreeMap<(String, String), Life>,
    pub labels: Timeline<Tags>,
    /// Where `kube_pod_info` does not tell it.
    pub owner: (String, String),
    /// Scrapes at which its phase was Succeeded or Failed.
    pub ended: BTreeSet<i64>,
    /// When it was started on its node, seconds since the epoch, as reported.
    pub started: Timeline<i64>,
    pub completed: Timeline<i64>,
    /// By resource.
    pub overhead: BTreeMap<String, Timeline<i64>>,
    pub containers: BTreeMap<String, Container>,
    pub init: BTreeMap<String, Init>,
    /// Volume claims it mounts.
    pub claims: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub(super) struct Life {
    pub presence: Presence,
    pub owner: (String, String),
    pub priority_class: String,
}

#[derive(Debug, Default)]
pub(super) struct Container {
    /// By resource, thousandths.
    pub requests: BTreeMap<String, Timeline<i64>>,
    pub cpu: Incarnations,
    pub memory: BTreeMap<i64, i64>,
    pub periods: Incarnations,
    pub throttled: Incarnations,
    /// Milliseconds.
    pub throttled_ms: Incarnations,
    pub oom_events: Incarnations,
    /// By resource, thousandths.
    pub limits: BTreeMap<String, Timeline<i64>>,
    /// By pod UID.
    pub restarts: BTreeMap<String, Timeline<i64>>,
    /// Whether its last end was for want of memory.
    pub out_of_memory: Timeline<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Init {
    pub requests: BTreeMap<String, Timeline<i64>>,
    /// `restartPolicy: Always`: it stays beside the others.
    pub sidecar: bool,
}

/// Which series is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Info,
    Labels,
    Owner,
    /// Phases Succeeded and Failed.
    Ended,
    Started,
    Completed,
    Overhead(&'static str),
    Requests,
    InitRequests,
    InitInfo,
    ReplicaSetOwner,
    JobOwner,
    NamespaceLabels,
    Cpu,
    Memory,
    Periods,
    Throttled,
    ThrottledMs,
    OomEvents,
    Limits,
    Restarts,
    /// The last end was for want of memory.
    OutOfMemory,
    Mounts,
    /// Of a kind of workload, named by a label.
    Replicas(&'static str, &'static str),
}

/// What the series of a window say about the pods of some namespaces.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    pub pods: BTreeMap<PodName, Named>,
    /// (kind, namespace, name) to (kind, name) of the owner above.
    pub owners: BTreeMap<(&'static str, String, String), (String, String)>,
    pub namespaces: BTreeMap<String, Timeline<Tags>>,
    /// (kind, namespace, name) to the replicas it wants.
    pub replicas: BTreeMap<(&'static str, String, String), Timeline<i64>>,
    /// Scrapes of what tells of pods: with several kube-state-metrics not
    /// always what tells of nodes.
    scrapes: Scrapes,
}

/// What a container did in an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotFacts {
    /// What it held and used.
    pub facts: HourFacts,
    /// What else sizing needs to know; `None` for what a pod holds beyond its containers.
    pub sizing: Option<SizingHour>,
}

/// A claim that a pod mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// Name of the claim; it is in the pod's namespace.
    pub claim: String,
    pub mount: Mount,
    pub hours: Vec<MountHour>,
}

/// How samples become facts.
pub(crate) struct Rules<'a> {
    pub interval_s: u32,
    pub reach_ms: i64,
    pub names: &'a Names,
    pub placeholder_classes: &'a [String],
}

/// What was dropped or corrected, counted.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    /// Usage of containers whose pod kube-state-metrics does not show.
    pub unknown_pods: BTreeSet<PodName>,
    /// Usage above what the node has.
    pub absurd_usage: u64,
    /// Negative amounts.
    pub negative: u64,
    /// Whether any usage was seen.
    pub metered: bool,
    /// Whether any pod had labels.
    pub labelled: bool,
    /// Pods shown on two nodes at once.
    pub two_nodes: BTreeSet<PodName>,
}

impl Pods {
    /// Takes a series.
    pub(crate) fn see(&mut self, told: Told, series: Series, rules: &Rules<'_>) {
        let labels = &series.labels;
        let (namespace, reach) = (label(labels, "namespace").to_owned(), rules.reach_ms);
        if told == Told::Info {
            self.scrapes.see(&series);
        }
        match told {
            Told::ReplicaSetOwner => self.see_owner("ReplicaSet", "replicaset", namespace, &series),
            Told::JobOwner => self.see_owner("Job", "job_name", namespace, &series),
            Told::Replicas(kind, named) => {
                let key = (kind, namespace, label(labels, named).to_owned());
                see_all(self.replicas.entry(key).or_default(), &series, reach, |value| value);
            }
            Told::NamespaceLabels => {
                let tags = rules.names.read(labels);
                see_all(self.namespaces.entry(namespace).or_default(), &series, reach, |_| {
                    tags.clone()
                });
            }
            _ => {
                let pod = self
                    .pods
                    .entry((namespace, label(labels, "pod").to_owned()))
                    .or_default();
                pod.see(told, series, rules);
            }
        }
    }

    fn see_owner(&mut self, kind: &'static str, named: &str, namespace: String, series: &Series) {
        let above = (label(&series.labels, "owner_kind"), label(&series.labels, "owner_name"));
        if !above.1.is_empty() && above.1 != "<none>" {
            let key = (kind, namespace, label(&series.labels, named).to_owned());
            self.owners.insert(key, (above.0.to_owned(), above.1.to_owned()));
        }
    }

    /// The facts of the hours, in order of slot and hour, and the claims that are mounted.
    pub(crate) fn facts(
        &self,
        nodes: &Nodes,
        hours: &std::ops::Range<i32>,
        rules: &Rules<'_>,
        doubts: &mut Doubts,
    ) -> (Vec<SlotFacts>, Vec<Mounted>) {
        let mut mounted = Vec::new();
        let mut facts = Vec::new();
        let scrapes = nodes.scrapes.with(&self.scrapes);
        for (name, named) in &self.pods {
            doubts.labelled |= !named.labels.values().into_iter().all(Tags::is_empty);
            let mut known = false;
            let mut places: Vec<(i64, &str)> = Vec::new();
            for ((uid, node), life) in &named.lives {
                let ticks = life
                    .presence
                    .ticks(&scrapes, rules.reach_ms, |at| !named.ended.contains(&at));
                known = true;
                if node.is_empty() || ticks.is_empty() {
                    // an unbound pod holds nothing (A26)
                    continue;
                }
                places.extend(ticks.iter().map(|tick| (tick.at, node.as_str())));
                let view = View {
                    name,
                    uid,
                    node,
                    life,
                    named,
                    ticks: &ticks,
                    shown: &stood(&ticks),
                    pods: self,
                    nodes,
                    rules,
                };
                facts.extend(view.facts(hours, doubts));
                mounted.extend(view.mounted(hours));
            }
            if !known && !named.containers.is_empty() {
                doubts.unknown_pods.insert(name.clone());
            }
            places.sort_unstable();
            if places
                .windows(2)
                .any(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1)
            {
                doubts.two_nodes.insert(name.clone());
            }
        }
        facts.sort_by(|a, b| (&a.facts.slot, a.facts.hour.hour).cmp(&(&b.facts.slot, b.facts.hour.hour)));
        (facts, mounted)
    }
}

fn see_all<T: Clone + Ord>(timeline: &mut Timeline<T>, series: &Series, reach_ms: i64, value: impl Fn(i64) -> T) {
    for (at, sample) in &series.samples {
        timeline.see(*at, value(*sample), reach_ms);
    }
    timeline.settle();
}

impl Named {
    fn see(&mut self, told: Told, series: Series, rules: &Rules<'_>) {
        let reach = rules.reach_ms;
        let labels = &series.labels;
        let container = || label(labels, "container").to_owned();
        let resource = || label(labels, "resource").to_owned();
        match told {
            Told::Info => self.see_info(&series, reach),
            Told::Labels => {
                let tags = rules.names.read(labels);
                see_all(&mut self.labels, &series, reach, |_| tags.clone());
            }
            Told::Owner => self.owner = controller(label(labels, "owner_kind"), label(labels, "owner_name")),
            Told::Ended => {
                self.ended
                    .extend(series.samples.iter().filter(|(_, value)| *value > 0).map(|(at, _)| *at));
            }
            Told::Started => see_all(&mut self.started, &series, reach, |value| value),
            Told::Completed => see_all(&mut self.completed, &series, reach, |value| value),
            Told::Overhead(resource) => {
                see_all(
                    self.overhead.entry(resource.to_owned()).or_default(),
                    &series,
                    reach,
                    |value| value,
                );
            }
            Told::Requests => {
                let requests = &mut self.containers.entry(container()).or_default().requests;
                see_all(requests.entry(resource()).or_default(), &series, reach, |value| value);
            }
            Told::InitRequests => {
                let requests = &mut self.init.entry(container()).or_default().requests;
                see_all(requests.entry(resource()).or_default(), &series, reach, |value| value);
            }
            Told::InitInfo => {
                let init = self.init.entry(container()).or_default();
                init.sidecar |= label(labels, "restart_policy") == "Always";
            }
            Told::Cpu => self.containers.entry(container()).or_default().cpu.see(series),
            Told::Memory => {
                let memory = &mut self.containers.entry(container()).or_default().memory;
                for (at, value) in series.samples {
                    // of copies and of a container that lingers beside the new one, the larger
                    memory
                        .entry(at)
                        .and_modify(|known| *known = value.max(*known))
                        .or_insert(value);
                }
            }
            Told::Periods => self.containers.entry(container()).or_default().periods.see(series),
            Told::Throttled => self.containers.entry(container()).or_default().throttled.see(series),
            Told::ThrottledMs => self.containers.entry(container()).or_default().throttled_ms.see(series),
            Told::OomEvents => self.containers.entry(container()).or_default().oom_events.see(series),
            Told::Limits => {
                let limits = &mut self.containers.entry(container()).or_default().limits;
                see_all(limits.entry(resource()).or_default(), &series, reach, |value| value);
            }
            Told::Restarts => {
                let uid = label(labels, "uid").to_owned();
                let restarts = &mut self.containers.entry(container()).or_default().restarts;
                see_all(restarts.entry(uid).or_default(), &series, reach, |value| value);
            }
            Told::OutOfMemory => {
                let container = self.containers.entry(container()).or_default();
                see_all(&mut container.out_of_memory, &series, reach, |value| value);
            }
            Told::Mounts => drop(self.claims.insert(label(labels, "persistentvolumeclaim").to_owned())),
            Told::ReplicaSetOwner | Told::JobOwner | Told::NamespaceLabels | Told::Replicas(..) => {}
        }
    }

    fn see_info(&mut self, series: &Series, reach_ms: i64) {
        let labels = &series.labels;
        let uid = match label(labels, "uid") {
            "" => format!("{}/{}", label(labels, "namespace"), label(labels, "pod")),
            uid => uid.to_owned(),
        };
        let life = self.lives.entry((uid, label(labels, "node").to_owned())).or_default();
        life.presence.see(series, reach_ms);
        life.owner = controller(label(labels, "created_by_kind"), label(labels, "created_by_name"));
        life.priority_class = label(labels, "priority_class").to_owned();
    }
}

/// Kind and name of a controller, both empty where there is none.
fn controller(kind: &str, name: &str) -> (String, String) {
    match kind {
        "" | "<none>" => Default::default(),
        kind => (kind.to_owned(), name.to_owned()),
    }
}
