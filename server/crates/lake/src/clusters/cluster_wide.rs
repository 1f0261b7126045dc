//! The fast form of what a whole cluster uses (A27): who its users are is found
//! once per day, from the columns of its hours, and only when a control plane's
//! charge or a pod that serves the cluster asks for it.

use super::gather::{Amount, GroupKey};
use super::join::Join;
use super::land::Lander;
use super::machine_day::node_rows;
use super::things::ThingCharges;
use crate::error::LakeError;
use crate::usage::{SlotHours, UsageFile};
use domain::allocate::cluster_wide::{ClusterNames, DayWeights, Users, is_cluster_service, is_user, place_of};
use domain::allocate::clusters::{MachineCost, worth};
use domain::charge::Attributes;
use domain::instant::Day;
use domain::rule::RuleSet;
use domain::usage::fill::fill;
use domain::usage::{Hour, Measure, Node, NodeHour, Slot};
use polars::prelude::PlHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Charges of control planes within a day, by cluster and day.
pub(super) type PlaneDays = BTreeMap<(String, Day), Vec<(GroupKey, Vec<Amount>)>>;

/// Charges of control planes, by cluster, and which days' users are still needed.
#[derive(Default)]
pub(super) struct Planes {
    groups: BTreeMap<GroupKey, (Option<String>, Vec<Amount>)>,
    /// Charges within a day, by cluster and day.
    by_day: BTreeMap<(String, Day), Vec<GroupKey>>,
    /// Days of those that span days.
    spanned: BTreeSet<(String, Day)>,
    /// Days of charges of machines that span days.
    spanning: BTreeSet<(String, Day)>,
    landed: BTreeSet<GroupKey>,
}

impl Planes {
    /// Finds the cluster of every control plane. `nodes` are the clusters of the
    /// charges of nodes, which teach its names; `spanning` are days that charges
    /// of machines span.
    pub fn new(
        charges: &ThingCharges,
        join: &Join,
        nodes: impl FnOnce() -> Vec<(String, Attributes)>,
        spanning: BTreeSet<(String, Day)>,
    ) -> Result<Planes, LakeError> {
        let groups = charges.groups(&[MachineCost::ControlPlane])?;
        let mut planes = Planes {
            spanning,
            ..Planes::default()
        };
        if groups.is_empty() {
            return Ok(planes);
        }
        let mut names = ClusterNames::default();
        join.clusters().iter().for_each(|cluster| names.add(cluster));
        nodes()
            .iter()
            .for_each(|(cluster, attributes)| names.learn(cluster, attributes));
        for (key, amounts) in groups {
            let cluster = names.find(charges.names(key.machine)).map(str::to_owned);
            if let Some(cluster) = &cluster {
                if key.within_one_day() {
                    let day = (cluster.clone(), key.last_day());
                    planes.by_day.entry(day).or_default().push(key);
                } else {
                    planes.spanned.extend(key.days().map(|day| (cluster.clone(), day)));
                }
            }
            planes.groups.insert(key, (cluster, amounts));
        }
        Ok(planes)
    }

    /// Takes the charges within a day of usage out, by cluster and day.
    pub fn take_days(&mut self, usage: &[UsageFile]) -> PlaneDays {
        let mut days = PlaneDays::new();
        for file in usage {
            let day = (file.cluster.clone(), file.day);
            for key in self.by_day.remove(&day).unwrap_or_default() {
                if let Some((_, amounts)) = self.groups.remove(&key) {
                    days.entry(day.clone()).or_default().push((key, amounts));
                }
            }
        }
        days
    }

    /// Whether a control plane's charge needs the users of a day.
    pub fn need(&self, file: &UsageFile) -> bool {
        let day = (file.cluster.clone(), file.day);
        self.by_day.contains_key(&day) || self.spanned.contains(&day)
    }

    /// Whether charges that are split later need the users of a day.
    pub fn keep(&self, file: &UsageFile) -> bool {
        let day = (file.cluster.clone(), file.day);
        self.spanned.contains(&day) || self.spanning.contains(&day)
    }

    /// Lands the charges that are within a day.
    pub fn land_day(&mut self, file: &UsageFile, lander: &mut Lander<'_, '_>) -> Result<(), LakeError> {
        for key in self
            .by_day
            .remove(&(file.cluster.clone(), file.day))
            .unwrap_or_default()
        {
            self.land(&key, lander)?;
        }
        Ok(())
    }

    /// Lands the others: those that span days, of days without usage, of no known cluster.
    pub fn land_rest(&mut self, lander: &mut Lander<'_, '_>) -> Result<(), LakeError> {
        let rest: Vec<GroupKey> = self
            .groups
            .keys()
            .filter(|key| !self.landed.contains(key))
            .copied()
            .collect();
        rest.iter().try_for_each(|key| self.land(key, lander))
    }

    fn land(&mut self, key: &GroupKey, lander: &mut Lander<'_, '_>) -> Result<(), LakeError> {
        self.landed.insert(*key);
        let Some((cluster, amounts)) = self.groups.get(key) else {
            return Ok(());
        };
        lander.control_plane(key, amounts, cluster.as_deref().unwrap_or(""))
    }
}

/// Whether some pod of a day serves the whole cluster.
pub(super) fn has_services(hours: &SlotHours, rules: &RuleSet) -> bool {
    hours.slots.iter().any(|slot| is_cluster_service(slot, rules))
}

/// The users of a day: each slot's place is found once, its hours are added by column.
pub(super) fn users_of(
    nodes: &[(Node, Vec<NodeHour>)],
    hours: &SlotHours,
    ranges: &PlHashMap<&str, Range<usize>>,
    rules: &RuleSet,
) -> Users {
    let mut ids: PlHashMap<Slot, u32> = PlHashMap::default();
    let mut weights: Vec<DayWeights> = Vec::new();
    let places: Vec<Option<u32>> = hours
        .slots
        .iter()
        .map(|slot| {
            is_user(slot, rules).then(|| {
                *ids.entry(place_of(slot)).or_insert_with(|| {
                    weights.push([0; 24]);
                    u32::try_from(weights.len() - 1).unwrap_or(u32::MAX)
                })
            })
        })
        .collect();
    let mut add = |slot: u32, hour: Hour, held: &Measure| {
        if let Some(place) = places[slot as usize] {
            weights[place as usize][usize::from(hour.of_day())] += worth(held);
        }
    };
    for (at, slot) in hours.slot.iter().enumerate() {
        add(*slot, Hour(hours.hour[at]), &hours.effective[at]);
    }
    for (node, node_hours) in nodes {
        if node_hours.iter().all(|hour| hour.observed_s >= hour.ready_s) {
            continue;
        }
        let (ids, slots) = node_rows(hours, ranges.get(node.name.as_str()).cloned().unwrap_or(0..0));
        for filled in fill(node_hours, &slots).filled {
            add(ids[filled.slot], filled.hour, &filled.effective);
        }
    }
    let of_place = ids.into_iter().map(|(place, id)| (place, weights[id as usize]));
    Users::new(of_place.collect())
}
