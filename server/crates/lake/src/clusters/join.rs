//! Which machine of which cluster a charge names.

use domain::allocate::clusters::machine_key;
use domain::usage::Node;
use domain::usage::key::resource_key;
use polars::prelude::PlHashMap;
use std::sync::{Mutex, PoisonError};

/// What a charge's ResourceId stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    /// A machine: position in [`Join::machine`].
    Machine(u32),
    /// The root disk of a machine.
    RootDisk(u32),
    /// A machine and a root disk have the same id: the class of the charge tells.
    Either(u32, u32),
}

/// A machine the usage knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Machine {
    pub cluster: String,
    pub key: String,
}

/// Machines by what bills call them.
#[derive(Default)]
pub(crate) struct Join {
    machines: Vec<Machine>,
    first_seen: Vec<Node>,
    clusters: Vec<String>,
    /// Of machines: position of the cluster.
    cluster_of: Vec<u32>,
    ids: PlHashMap<Machine, u32>,
    compute: PlHashMap<String, u32>,
    disks: PlHashMap<String, u32>,
    /// ResourceIds as bills write them, looked up once each.
    seen: Mutex<PlHashMap<String, Option<Target>>>,
}

impl Join {
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
                let position = self.cluster_position(cluster);
                self.cluster_of.push(position);
                id
            }
        };
        if !node.root_volume_id.is_empty() {
            self.disks.entry(resource_key(&node.root_volume_id)).or_insert(id);
        }
        self.compute.entry(machine.key).or_insert(id);
    }

    fn cluster_position(&mut self, cluster: &str) -> u32 {
        // days come by cluster
        let known = self.clusters.iter().rposition(|known| known == cluster);
        let position = known.unwrap_or_else(|| {
            self.clusters.push(cluster.to_owned());
            self.clusters.len() - 1
        });
        u32::try_from(position).unwrap_or(u32::MAX)
    }

    /// Clusters with machines, by position.
    pub fn clusters(&self) -> &[String] {
        &self.clusters
    }

    /// Of every machine, the position of its cluster.
    pub fn clusters_of_machines(&self) -> Vec<u32> {
        self.cluster_of.clone()
    }

    /// Whether no machine is known.
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
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
        let found = match (self.compute.get(&key), self.disks.get(&key)) {
            (Some(machine), Some(disk)) => Some(Target::Either(*machine, *disk)),
            (Some(machine), None) => Some(Target::Machine(*machine)),
            (None, Some(disk)) => Some(Target::RootDisk(*disk)),
            (None, None) => None,
        };
        seen.insert(resource_id.to_owned(), found);
        found
    }
}
