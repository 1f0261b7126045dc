//! What the usage knows of the things that charges name.

use super::super::Program;
use super::super::balancers::BalancerFacts;
use super::super::cluster_wide::{ClusterNames, Users, may_be_plane, plane_names, split_control_plane};
use super::super::volumes::VolumeFacts;
use super::{MachineCost, Piece, Thing, is_provider_split, machine_key};
use crate::apportion::{ApportionError, Splitter};
use crate::charge::Charge;
use crate::class::Class;
use crate::instant::Day;
use crate::money::Money;
use crate::split::Claim;
use crate::split::balancer::Charged;
use crate::usage::fill::fill;
use crate::usage::key::resource_key;
use crate::usage::{BalancerDay, ClusterDay, Hour, Measure, Node, NodeHour, Slot, VolumeDay};
use std::collections::BTreeMap;
use std::ops::Range;

/// A thing: its cluster, and its name on both sides of the join.
pub(super) type Machine = (String, String);
/// Charges that are split by the same weights.
pub(super) type GroupKey = (Machine, MachineCost, Hour, Hour);
type ClaimKey = (Slot, bool, Day);

/// What is known of the things charges name.
pub(super) struct Facts<'a> {
    days: BTreeMap<(&'a str, Day), &'a ClusterDay>,
    things: BTreeMap<(Thing, String), Machine>,
    /// Who uses each cluster, by day.
    pub users: BTreeMap<(&'a str, Day), Users>,
    names: ClusterNames,
}

impl<'a> Facts<'a> {
    pub fn new(days: &'a [ClusterDay], program: &Program) -> Facts<'a> {
        let mut facts = Facts {
            days: days.iter().map(|day| ((day.cluster.as_str(), day.day), day)).collect(),
            things: BTreeMap::new(),
            users: BTreeMap::new(),
            names: ClusterNames::default(),
        };
        for (key, day) in &facts.days {
            let cluster = &day.cluster;
            facts.names.add(cluster);
            facts.users.insert(*key, Users::of(day, &program.rules));
            let mut add = |thing, id: String, key: String| {
                facts.things.entry((thing, id)).or_insert((cluster.clone(), key));
            };
            for (node, _) in &day.nodes {
                let key = machine_key(node);
                if !node.root_volume_id.is_empty() {
                    add(Thing::RootDisk, resource_key(&node.root_volume_id), key.clone());
                }
                add(Thing::Machine, key.clone(), key);
            }
            for day in &day.volumes {
                let key = resource_key(&day.volume.volume_id);
                add(Thing::Volume, key.clone(), key);
            }
            for day in &day.balancers {
                let key = resource_key(&day.balancer.balancer_id);
                add(Thing::Balancer, key.clone(), key);
            }
        }
        facts
    }

    /// What a charge pays for, and of what.
    pub fn find(&self, charge: &Charge, program: &Program) -> Option<(Machine, MachineCost)> {
        let text = |name| charge.attributes.column(name);
        let class = program.classes.class_of(&charge.attributes);
        let id = text("ResourceId");
        let key = id.map(resource_key);
        let charged = Charged::of(text("ConsumedUnit"), text("ChargeDescription"));
        let known = |(thing, cost): &(Thing, MachineCost)| {
            let machine = self.things.get(&(*thing, key.clone()?))?;
            Some((machine.clone(), *cost))
        };
        let found = MachineCost::of(class, charged).iter().find_map(known);
        if class != Class::ControlPlane || found.is_some() {
            return found.filter(|((cluster, _), _)| !keeps_provider_split(charge, cluster, program));
        }
        if self.days.is_empty() || !may_be_plane(id) {
            return None;
        }
        // one the facts do not know is split by time, on no cluster
        let names = plane_names(id, &charge.attributes);
        let cluster = self.names.find(&names).unwrap_or("");
        Some(((cluster.to_owned(), names.join("\n")), MachineCost::ControlPlane))
    }

    /// Whether a charge is of a thing the usage knows, or of a control plane that
    /// follows it.
    pub fn knows(&self, charge: &Charge, program: &Program) -> bool {
        let named = charge
            .attributes
            .column("ResourceId")
            .map(resource_key)
            .is_some_and(|key| {
                let all = [Thing::Machine, Thing::RootDisk, Thing::Volume, Thing::Balancer];
                all.into_iter()
                    .any(|thing| self.things.contains_key(&(thing, key.clone())))
            });
        let plane = || program.classes.class_of(&charge.attributes) == Class::ControlPlane;
        !self.days.is_empty() && (named || plane())
    }

    /// Learns the names of clusters from the charges of their nodes.
    pub fn learn(&mut self, charges: &[Charge], program: &Program) {
        for charge in charges {
            if let Some(((cluster, _), MachineCost::Compute)) = self.find(charge, program) {
                self.names.learn(&cluster, &charge.attributes);
            }
        }
    }

    /// The days of a cluster.
    fn days_of(&self, cluster: &str) -> impl Iterator<Item = &'a ClusterDay> {
        let days = self.days.iter().filter(move |((of, _), _)| *of == cluster);
        days.map(|(_, day)| *day).collect::<Vec<_>>().into_iter()
    }

    /// Splits a charge of something that is not a node.
    pub fn pieces_of(
        &self,
        (machine, cost): (&Machine, MachineCost),
        hours: Range<Hour>,
        money: Money,
        split: Splitter,
    ) -> Result<Vec<Piece>, ApportionError> {
        let (cluster, key) = machine;
        if cost == MachineCost::ControlPlane {
            let users = |day| self.users.get(&(cluster.as_str(), day));
            return split_control_plane(money, hours, users, split);
        }
        if cost == MachineCost::Volume {
            let mut facts = VolumeFacts::default();
            for day in self.days_of(cluster) {
                let own = |known: &&VolumeDay| resource_key(&known.volume.volume_id) == *key;
                let known = day.volumes.iter().filter(own);
                known.for_each(|known| facts.add(day.day, known, &hours));
            }
            return facts.divide(money, &hours, split);
        }
        let mut facts = BalancerFacts::default();
        for day in self.days_of(cluster) {
            let own = |known: &&BalancerDay| resource_key(&known.balancer.balancer_id) == *key;
            let known = day.balancers.iter().filter(own);
            known.for_each(|known| facts.add(day.day, known, &hours));
        }
        facts.divide(money, cost, &hours)
    }

    /// The facts of a machine in some hours, and its first known identity.
    pub fn of(&self, machine: &Machine, from: Hour, to: Hour) -> MachineFacts {
        let mut facts = MachineFacts::default();
        for ((cluster, day), facts_of_day) in &self.days {
            if **cluster != *machine.0 {
                continue;
            }
            let Some((node, hours)) = facts_of_day
                .nodes
                .iter()
                .find(|(node, _)| machine_key(node) == machine.1)
            else {
                continue;
            };
            facts.node.get_or_insert_with(|| node.clone());
            if *day < from.day() || *day > Hour(to.0 - 1).day() {
                continue;
            }
            facts.add_day(*day, node, hours, facts_of_day, from..to);
        }
        facts
    }
}

/// The facts of a machine in the hours of some charges.
#[derive(Default)]
pub(super) struct MachineFacts {
    pub node: Option<Node>,
    pub nodes: BTreeMap<Day, Node>,
    pub hours: Vec<NodeHour>,
    pub filled_s: Vec<u32>,
    pub claims: BTreeMap<ClaimKey, Claim>,
}

impl MachineFacts {
    fn add_day(&mut self, day: Day, node: &Node, hours: &[NodeHour], facts: &ClusterDay, range: Range<Hour>) {
        self.nodes.insert(day, node.clone());
        let slots: Vec<_> = facts
            .slots
            .iter()
            .filter(|(slot, _)| slot.node == node.name)
            .cloned()
            .collect();
        let fill = fill(hours, &slots);
        for (hour, filled_s) in hours
            .iter()
            .zip(&fill.filled_s)
            .filter(|(hour, _)| range.contains(&hour.hour))
        {
            self.hours.push(*hour);
            self.filled_s.push(*filled_s);
        }
        for (slot, slot_hours) in &slots {
            for hour in slot_hours.iter().filter(|hour| range.contains(&hour.hour)) {
                let claim = self.claim(slot, false, day);
                claim.effective = claim.effective.plus(hour.effective);
                claim.requested = claim.requested.plus(hour.requested);
                claim.used = claim.used.plus(hour.used);
            }
        }
        for piece in fill.filled.iter().filter(|piece| range.contains(&piece.hour)) {
            let claim = self.claim(&slots[piece.slot].0, true, day);
            claim.effective = claim.effective.plus(piece.effective);
        }
    }

    fn claim(&mut self, slot: &Slot, filled: bool, day: Day) -> &mut Claim {
        self.claims.entry((slot.clone(), filled, day)).or_insert_with(|| Claim {
            role: slot.role,
            filled,
            effective: Measure::ZERO,
            requested: Measure::ZERO,
            used: Measure::ZERO,
        })
    }
}

/// Whether a charge is a row of the provider's own split that counts instead of ours.
fn keeps_provider_split(charge: &Charge, cluster: &str, program: &Program) -> bool {
    is_provider_split(&charge.attributes) && program.rules.clusters.keeps_provider_split(cluster, charge.span.start)
}
