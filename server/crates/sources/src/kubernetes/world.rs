//! What the watches have brought: tables of compact facts, by UID.

use super::access::WATCHED;
use super::claims::Unknown;
use super::findings::Findings;
use super::inventory::{
    Autoscaler, Balancer, Budget, Claim, Class, Entry, Inventory, Priority, Quota, Signals, Volume,
};
use super::node::{NodeFact, NodeTrack};
use super::objects::{NamespaceFact, OwnerFact, OwnerRef, PodFact};
use super::quantity::QuantityError;
use domain::instant::Instant;
use domain::tags::Tags;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;

/// What happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// It came, or is different now.
    Applied(Arc<T>),
    /// It went; `lost` when nobody saw it go.
    Removed {
        /// As last seen.
        last: Arc<T>,
        /// Whether it was only missing from a later list.
        lost: bool,
    },
}

/// Whether a table's changes are kept until they are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Journal {
    /// They are not.
    #[default]
    Off,
    /// All of them.
    On,
}

/// Objects of one kind.
#[derive(Debug)]
pub struct Table<T> {
    live: HashMap<Arc<str>, Arc<T>>,
    incoming: HashMap<Arc<str>, Arc<T>>,
    /// Whether a complete list was received.
    pub synced: bool,
    /// Whether a list is on its way: until it is complete the old one stands.
    pub listing: bool,
    journal: Journal,
    changes: Vec<(Instant, Change<T>)>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table::new(Journal::Off)
    }
}

impl<T> Table<T> {
    /// An empty one.
    #[must_use]
    pub fn new(journal: Journal) -> Table<T> {
        Table {
            live: HashMap::new(),
            incoming: HashMap::new(),
            synced: false,
            listing: false,
            journal,
            changes: Vec::new(),
        }
    }

    /// The objects that are there.
    #[must_use]
    pub fn live(&self) -> &HashMap<Arc<str>, Arc<T>> {
        &self.live
    }

    /// What happened since this was last asked, and when it was noticed.
    pub fn changes(&mut self) -> Vec<(Instant, Change<T>)> {
        mem::take(&mut self.changes)
    }
}

impl<T: PartialEq> Table<T> {
    /// Takes an event of a watch, noticed at `at`. An object that cannot be
    /// read leaves its last version in place, with a finding.
    pub fn take<K: Resource<DynamicType = ()>>(
        &mut self,
        event: Event<K>,
        at: Instant,
        read: impl Fn(&K) -> Result<T, QuantityError>,
        findings: &mut Findings,
    ) {
        let mut understood = |object: &K| {
            let uid: Arc<str> = object.meta().uid.as_deref().unwrap_or_default().into();
            let fact = read(object).map_err(|error| {
                let place = format!("{} {}", K::plural(&()), object.name_any());
                findings.warn(
                    "kubernetes_unreadable",
                    &place,
                    &format!("{error}; what was known before stands"),
                );
            });
            (uid, fact.ok())
        };
        match event {
            Event::Init => {
                self.listing = true;
                self.incoming.clear();
            }
            Event::InitApply(object) => {
                let (uid, fact) = understood(&object);
                let fact = fact.map(Arc::new).or_else(|| self.live.get(&uid).cloned());
                self.incoming.extend(fact.map(|fact| (uid, fact)));
            }
            Event::InitDone => self.replace(at),
            Event::Apply(object) => {
                let (uid, fact) = understood(&object);
                if let Some(fact) = fact {
                    self.apply(uid, Arc::new(fact), at);
                }
            }
            Event::Delete(object) => {
                let (uid, fact) = understood(&object);
                let known = self.live.remove(&uid);
                if let Some(last) = fact.map(Arc::new).or(known) {
                    self.note(at, Change::Removed { last, lost: false });
                }
            }
        }
    }

    fn apply(&mut self, uid: Arc<str>, fact: Arc<T>, at: Instant) {
        if self.live.get(&uid).is_none_or(|known| *known != fact) {
            self.live.insert(uid, fact.clone());
            self.note(at, Change::Applied(fact));
        }
    }

    /// A list is complete: it replaces what was there.
    fn replace(&mut self, at: Instant) {
        let incoming = mem::take(&mut self.incoming);
        let missing: Vec<Arc<str>> = self
            .live
            .keys()
            .filter(|uid| !incoming.contains_key(*uid))
            .cloned()
            .collect();
        for uid in missing {
            if let Some(last) = self.live.remove(&uid) {
                self.note(at, Change::Removed { last, lost: true });
            }
        }
        for (uid, fact) in incoming {
            self.apply(uid, fact, at);
        }
        self.synced = true;
        self.listing = false;
    }

    fn note(&mut self, at: Instant, change: Change<T>) {
        if self.journal == Journal::On {
            self.changes.push((at, change));
        }
    }
}

/// All tables.
#[derive(Debug)]
pub struct World {
    /// Pods.
    pub pods: Table<PodFact>,
    /// Nodes as objects.
    pub nodes: Table<NodeFact>,
    /// Nodes over time.
    pub tracks: HashMap<Arc<str>, NodeTrack>,
    /// Namespaces.
    pub namespaces: Table<NamespaceFact>,
    /// ReplicaSets.
    pub replica_sets: Table<OwnerFact>,
    /// Deployments.
    pub deployments: Table<OwnerFact>,
    /// StatefulSets.
    pub stateful_sets: Table<OwnerFact>,
    /// DaemonSets.
    pub daemon_sets: Table<OwnerFact>,
    /// Jobs.
    pub jobs: Table<OwnerFact>,
    /// CronJobs.
    pub cron_jobs: Table<OwnerFact>,
    /// Persistent volumes.
    pub volumes: Table<Entry<Volume>>,
    /// Claims to them.
    pub claims: Table<Entry<Claim>>,
    /// Storage classes.
    pub classes: Table<Entry<Class>>,
    /// Services.
    pub services: Table<Entry<Balancer>>,
    /// Ingresses.
    pub ingresses: Table<Entry<Balancer>>,
    /// Horizontal autoscalers.
    pub autoscalers: Table<Entry<Autoscaler>>,
    /// Disruption budgets.
    pub budgets: Table<Entry<Budget>>,
    /// Quotas.
    pub quotas: Table<Entry<Quota>>,
    /// Priority classes.
    pub priorities: Table<Entry<Priority>>,
    /// What could not be read.
    pub findings: Findings,
    /// Events taken so far.
    pub events: u64,
}

impl Default for World {
    fn default() -> World {
        World {
            pods: Table::new(Journal::On),
            nodes: Table::new(Journal::On),
            tracks: HashMap::new(),
            namespaces: Table::default(),
            replica_sets: Table::default(),
            deployments: Table::new(Journal::On),
            stateful_sets: Table::new(Journal::On),
            daemon_sets: Table::new(Journal::On),
            jobs: Table::default(),
            cron_jobs: Table::default(),
            volumes: Table::new(Journal::On),
            claims: Table::new(Journal::On),
            classes: Table::default(),
            services: Table::new(Journal::On),
            ingresses: Table::new(Journal::On),
            autoscalers: Table::new(Journal::On),
            budgets: Table::default(),
            quotas: Table::default(),
            priorities: Table::default(),
            findings: Findings::default(),
            events: 0,
        }
    }
}

impl World {
    /// Brings the nodes' tracks up to date with the watch. `last` is when the
    /// cluster was last sampled: a node that nobody saw come or go did not do
    /// so before.
    pub fn follow_nodes(&mut self, last: Option<Instant>) {
        for (at, change) in self.nodes.changes() {
            let known_from = last.unwrap_or(at).min(at);
            match change {
                Change::Applied(fact) => match self.tracks.get_mut(&fact.uid) {
                    Some(track) => track.update((*fact).clone(), at),
                    None => drop(
                        self.tracks
                            .insert(fact.uid.clone(), NodeTrack::new(&fact, at, known_from)),
                    ),
                },
                Change::Removed { last: fact, lost } => {
                    if let Some(track) = self.tracks.get_mut(&fact.uid) {
                        track.gone(if lost { known_from } else { at });
                    }
                }
            }
        }
    }

    /// Ends the tracks of nodes that went while no program watched: they were
    /// last seen with the last sample.
    pub fn miss_nodes(&mut self, last: Instant) {
        let live = self.nodes.live();
        let missing = self.tracks.iter_mut().filter(|(uid, _)| !live.contains_key(*uid));
        missing.for_each(|(_, track)| track.gone(last));
    }

    /// The owner above an owner. Kinds that are not watched (a Rollout, a
    /// custom resource) end the chain.
    ///
    /// # Errors
    /// [`Unknown`] when the owner is of a watched kind and is not there.
    pub fn parent(&self, owner: &OwnerRef) -> Result<Option<OwnerRef>, Unknown> {
        let table = match &*owner.kind {
            "ReplicaSet" => &self.replica_sets,
            "Deployment" => &self.deployments,
            "StatefulSet" => &self.stateful_sets,
            "DaemonSet" => &self.daemon_sets,
            "Job" => &self.jobs,
            "CronJob" => &self.cron_jobs,
            _ => return Ok(None),
        };
        let fact = table.live().get(&owner.uid).ok_or(Unknown)?;
        Ok(fact.parent.clone())
    }
}

/// The facts of a table, by namespace, name and UID.
fn sorted<T: Clone>(table: &Table<Entry<T>>) -> Vec<Entry<T>> {
    let mut all: Vec<Entry<T>> = table.live().values().map(|entry| (**entry).clone()).collect();
    all.sort_by(|a, b| (&a.namespace, &a.name, &a.uid).cmp(&(&b.namespace, &b.name, &b.uid)));
    all
}

impl World {
    /// Whether each watched resource has been listed, in the order of
    /// [`super::ACCESS`].
    #[must_use]
    pub fn synced(&self) -> [bool; WATCHED] {
        [
            self.nodes.synced,
            self.pods.synced,
            self.namespaces.synced,
            self.replica_sets.synced,
            self.deployments.synced,
            self.stateful_sets.synced,
            self.daemon_sets.synced,
            self.jobs.synced,
            self.cron_jobs.synced,
            self.volumes.synced,
            self.claims.synced,
            self.classes.synced,
            self.services.synced,
            self.ingresses.synced,
            self.autoscalers.synced,
            self.budgets.synced,
            self.quotas.synced,
            self.priorities.synced,
        ]
    }

    /// Labels of the namespaces, by name.
    #[must_use]
    pub fn namespace_labels(&self) -> HashMap<&str, &Tags> {
        let namespaces = self.namespaces.live().values();
        namespaces
            .map(|namespace| (namespace.name.as_str(), &namespace.labels))
            .collect()
    }

    /// What the cluster has beside pods and nodes.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let mut balancers = sorted(&self.services);
        balancers.extend(sorted(&self.ingresses));
        Inventory {
            volumes: sorted(&self.volumes),
            claims: sorted(&self.claims),
            classes: sorted(&self.classes),
            balancers,
            autoscalers: sorted(&self.autoscalers),
            budgets: sorted(&self.budgets),
            quotas: sorted(&self.quotas),
            priorities: sorted(&self.priorities),
            signals: self.signals(),
            nodes_used: BTreeMap::new(),
        }
    }

    fn signals(&self) -> Vec<Signals> {
        let pods = self.pods.live().values().filter(|pod| pod.holds());
        let mut signals: Vec<Signals> = pods
            .flat_map(|pod| {
                pod.containers.iter().map(|container| Signals {
                    pod_uid: pod.uid.to_string(),
                    container: container.name.clone(),
                    cpu_limit_millicores: Some(container.limit.cpu_millicores).filter(|limit| *limit > 0),
                    memory_limit_mib: Some(container.limit.memory_mib).filter(|limit| *limit > 0),
                    restarts: container.restarts,
                    oom_killed: container.oom_killed,
                })
            })
            .collect();
        signals.sort_by(|a, b| (&a.pod_uid, &a.container).cmp(&(&b.pod_uid, &b.container)));
        signals
    }
}
