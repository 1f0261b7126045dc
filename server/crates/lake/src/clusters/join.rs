//! Which machine, disk, volume or load balancer of which cluster a charge names.

use domain::allocate::clusters::{Thing, machine_key};
use domain::usage::Node;
use domain::usage::key::resource_key;
use polars::prelude::PlHashMap;
use std::sync::{Mutex, PoisonError};

/// What a charge's ResourceId stands for: positions in the lists of [`Join`].
/// It may be several things; the class of the charge tells which.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Target {
    machine: Option<u32>,
    /// The machine whose root disk it is.
    disk: Option<u32>,
    volume: Option<u32>,
    balancer: Option<u32>,
}

impl Target {
    /// The thing of a kind.
    pub fn get(&self, thing: Thing) -> Option<u32> {
        match thing {
            Thing::Machine => self.machine,
            Thing::RootDisk => self.disk,
            Thing::Volume => self.volume,
            Thing::Balancer => self.balancer,
        }
    }
}

/// A machine, volume or load balancer the usage knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Machine {
    pub cluster: String,
    pub key: String,
}

/// Things by what bills call them.
#[derive(Default)]
pub(crate) struct Join {
    clusters: Vec<String>,
    machines: Vec<Machine>,
    first_seen: Vec<Node>,
    /// Of machines: position of the cluster.
    cluster_of: Vec<u32>,
    ids: PlHashMap<Machine, u32>,
    compute: PlHashMap<String, u32>,
    disks: PlHashMap<String, u32>,
    volumes: Things,
    balancers: Things,
    /// ResourceIds as bills write them, looked up once each.
    seen: Mutex<PlHashMap<String, Option<Target>>>,
}

/// Things of one kind, by their name on both sides of the join.
#[derive(Default)]
struct Things {
    all: Vec<Machine>,
    ids: PlHashMap<String, u32>,
}

impl Things {
    fn add(&mut self, cluster: &str, id: &str) {
        let key = resource_key(id);
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        if !self.ids.contains_key(&key) {
            self.ids.insert(key.clone(), next);
            self.all.push(Machine {
                cluster: cluster.to_owned(),
                key,
            });
        }
    }
}

impl Join {
    /// Adds a cluster; answers its position.
    pub fn add_cluster(&mut self, cluster: &str) -> u32 {
        // days come by cluster
        let known = self.clusters.iter().rposition(|known| known == cluster);
        let position = known.unwrap_or_else(|| {
            self.clusters.push(cluster.to_owned());
            self.clusters.len() - 1
        });
        u32::try_from(position).unwrap_or(u32::MAX)
    }

    /// Adds a volume of a day; what came first stays.
    pub fn add_volume(&mut self, cluster: &str, id: &str) {
        self.volumes.add(cluster, id);
    }

    /// Adds a load balancer of a day; what came first stays.
    pub fn add_balancer(&mut self, cluster: &str, id: &str) {
        self.balancers.add(cluster, id);
    }

    /// The clusters, by position.
    pub fn clusters(&self) -> &[String] {
        &self.clusters
    }

    /// The position of a cluster.
    pub fn position(&self, cluster: &str) -> Option<u32> {
        let position = self.clusters.iter().position(|known| known == cluster);
        position.and_then(|position| u32::try_from(position).ok())
    }

    /// Of every machine, the position of its cluster.
    pub fn clusters_of_machines(&self) -> Vec<u32> {
        self.cluster_of.clone()
    }

    /// A volume or a load balancer.
    pub fn thing(&self, thing: Thing, id: u32) -> &Machine {
        match thing {
            Thing::Volume => &self.volumes.all[id as usize],
            Thing::Balancer => &self.balancers.all[id as usize],
            Thing::Machine | Thing::RootDisk => self.machine(id),
        }
    }

    /// The position of a volume or load balancer that this cluster has.
    pub fn thing_of(&self, thing: Thing, cluster: &str, id: &str) -> Option<u32> {
        let things = match thing {
            Thing::Balancer => &self.balancers,
            _ => &self.volumes,
        };
        let found = *things.ids.get(&resource_key(id))?;
        (things.all[found as usize].cluster == cluster).then_some(found)
    }

    /// Adds a node of a day; days come in order, and what came first stays.
    pub fn add(&mut self, cluster: &str, node: &Node) {
        let machine = Machine {
            cluster: cluster.to_owned(),
            key: machine_key(node),
        };
        let id = match self.ids.get(&machine) {
            Some(id) => *id,
            None => {
                let id = u32::try_from(self.machines.len()).unwrap_or(u32::MAX);
                self.ids.insert(machine.clone(), id);
                self.machines.push(machine.clone());
                self.first_seen.push(node.clone());
                let position = self.add_cluster(cluster);
                self.cluster_of.push(position);
                id
            }
        };
        if !node.root_volume_id.is_empty() {
            self.disks.entry(resource_key(&node.root_volume_id)).or_insert(id);
        }
        self.compute.entry(machine.key).or_insert(id);
    }

    /// Whether no cluster is known.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }

    /// A machine.
    pub fn machine(&self, id: u32) -> &Machine {
        &self.machines[id as usize]
    }

    /// A machine's node as it was first seen.
    pub fn node(&self, id: u32) -> &Node {
        &self.first_seen[id as usize]
    }

    /// The id of a node of a cluster.
    pub fn id_of(&self, cluster: &str, node: &Node) -> Option<u32> {
        let machine = Machine {
            cluster: cluster.to_owned(),
            key: machine_key(node),
        };
        self.ids.get(&machine).copied()
    }

    /// What a ResourceId stands for.
    pub fn find(&self, resource_id: &str) -> Option<Target> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get(resource_id) {
            return *known;
        }
        let key = resource_key(resource_id);
        let target = Target {
            machine: self.compute.get(&key).copied(),
            disk: self.disks.get(&key).copied(),
            volume: self.volumes.ids.get(&key).copied(),
            balancer: self.balancers.ids.get(&key).copied(),
        };
        let found = (target != Target::default()).then_some(target);
        seen.insert(resource_id.to_owned(), found);
        found
    }
}
