//! Facts of a cluster's day that are read and not yet written.

use super::table::Fact;
use domain::instant::Day;
use domain::usage::{
    Backend, BackendHour, Balancer, BalancerDay, BalancerHour, ClusterDay, Mount, MountHour, Node, NodeHour,
    SizingHour, Slot, SlotHour, SlotId, Volume, VolumeDay, VolumeHour,
};
use polars::prelude::PlHashMap;
use std::collections::BTreeMap;

/// Cluster and day.
pub(super) type DayKey = (String, Day);

/// Facts by subject, as they come: repeated, in no order.
#[derive(Default)]
pub(super) struct Pending {
    slot_ids: PlHashMap<Slot, usize>,
    pub slots: Vec<(Slot, Vec<SlotHour>)>,
    node_ids: PlHashMap<Node, usize>,
    pub nodes: Vec<(Node, Vec<NodeHour>)>,
    volumes: BTreeMap<Volume, (Vec<VolumeHour>, Shared<Mount, MountHour>)>,
    balancers: BTreeMap<Balancer, (Vec<BalancerHour>, Shared<Backend, BackendHour>)>,
    sizing: BTreeMap<SlotId, Vec<SizingHour>>,
}

type Shared<K, H> = BTreeMap<K, Vec<H>>;

impl Pending {
    /// Takes a fact; of a container or node its place among the others.
    pub fn add(&mut self, fact: Fact) -> Option<usize> {
        match fact {
            Fact::Container(slot, hour, sizing) => {
                let next = self.slots.len();
                let at = *self.slot_ids.entry(slot.clone()).or_insert(next);
                if at == next {
                    self.slots.push((slot, Vec::new()));
                }
                self.add_slot_hour(at, hour, sizing);
                return Some(at);
            }
            Fact::Node(node, hour) => {
                let next = self.nodes.len();
                let at = *self.node_ids.entry(node.clone()).or_insert(next);
                if at == next {
                    self.nodes.push((node, Vec::new()));
                }
                self.nodes[at].1.push(hour);
                return Some(at);
            }
            Fact::Volume(volume, hour, mount) => {
                let (hours, mounts) = self.volumes.entry(volume).or_default();
                hours.push(hour);
                if let Some((mount, hour)) = mount {
                    mounts.entry(mount).or_default().push(hour);
                }
            }
            Fact::Balancer(balancer, hour, backend) => {
                let (hours, backends) = self.balancers.entry(balancer).or_default();
                hours.push(hour);
                if let Some((backend, hour)) = backend {
                    backends.entry(backend).or_default().push(hour);
                }
            }
        }
        None
    }

    /// Takes another hour of a slot that is there.
    pub fn add_slot_hour(&mut self, at: usize, hour: SlotHour, sizing: Option<SizingHour>) {
        let (slot, hours) = &mut self.slots[at];
        hours.push(hour);
        if let Some(sizing) = sizing {
            self.sizing.entry(slot.id()).or_default().push(sizing);
        }
    }

    /// As facts of a day, to be merged: nothing is in order or once yet.
    pub fn into_day(self, (cluster, day): &DayKey) -> ClusterDay {
        let volume = |(volume, (hours, mounts)): (_, (_, Shared<_, _>))| VolumeDay {
            volume,
            hours,
            mounts: mounts.into_iter().collect(),
        };
        let balancer = |(balancer, (hours, backends)): (_, (_, Shared<_, _>))| BalancerDay {
            balancer,
            hours,
            backends: backends.into_iter().collect(),
        };
        ClusterDay {
            cluster: cluster.clone(),
            day: *day,
            nodes: self.nodes,
            slots: self.slots,
            volumes: self.volumes.into_iter().map(volume).collect(),
            balancers: self.balancers.into_iter().map(balancer).collect(),
            sizing: self.sizing.into_iter().collect(),
        }
    }
}
