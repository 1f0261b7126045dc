//! Who owes what of a charge of a cluster, by the rules and by nothing else: nodes by what ran on
//! them and their disks after them (A27), control planes by who uses the cluster (A27), volumes by
//! their claims (A31), load balancers by what they pass (A32).
//!
//! Every part is a fraction of the charge, cut off below 1e-30 of the currency; what the cuts leave
//! goes to one of the parts.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta, Timelike};

use crate::balancers::{BackendHour, Balancers};
use crate::facts::{Facts, NodeDay};
use crate::meter::{Claim as VolumeClaim, Owner, Part};
use crate::pods::Role;
use crate::rows::Row;
use crate::split::{self, Called, Claim, Division, GRAINS, share};
use crate::users::{self, Clusters, Users};
use crate::volumes::{VolumeDay, Volumes};

/// Billed and effective cost, in grains of 1e-30.
pub type Amounts = (i128, i128);

/// Days a volume that outlived its claim stays with its last owner (A31).
const RETAINED_DAYS: i64 = 30;
const DAY_S: i64 = 86_400;

/// What the clusters reported of a month.
#[derive(Clone, Copy, Debug)]
pub struct Usage<'a> {
    pub facts: &'a Facts<'a>,
    pub users: &'a Clusters,
    pub volumes: &'a Volumes<'a>,
    pub balancers: &'a Balancers<'a>,
    /// Of the month before: refunds go back to it.
    pub volumes_before: Option<&'a Volumes<'a>>,
}

/// A part of a charge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    pub part: &'static str,
    pub owner: Owner,
}

/// A charge of a cluster, divided.
#[derive(Debug)]
pub struct Divided {
    pub cluster: &'static str,
    /// A class of charges.
    pub kind: &'static str,
    pub shares: BTreeMap<Share, Amounts>,
}

impl Divided {
    fn new(cluster: &'static str, kind: &'static str) -> Self {
        Self {
            cluster,
            kind,
            shares: BTreeMap::new(),
        }
    }

    fn give(&mut self, owner: &Owner, part: &'static str, (billed, effective): Amounts) {
        if (billed, effective) == (0, 0) {
            return;
        }
        let share = Share {
            part,
            owner: owner.clone(),
        };
        let sum = self.shares.entry(share).or_default();
        *sum = (sum.0 + billed, sum.1 + effective);
    }

    /// Gives a part by weights; what the cuts leave goes to the last with a weight. Gives nothing and
    /// says so if there is no weight.
    fn weighted<'o>(
        &mut self,
        part: &'static str,
        whole: Amounts,
        weights: impl IntoIterator<Item = (&'o Owner, u128)>,
    ) -> bool {
        let weights: Vec<(&Owner, u128)> = weights.into_iter().filter(|(_, weight)| *weight > 0).collect();
        let all: u128 = weights.iter().map(|(_, weight)| weight).sum();
        let mut rest = whole;
        for (owner, weight) in &weights {
            let cut = portion(whole, *weight, all);
            rest = (rest.0 - cut.0, rest.1 - cut.1);
            self.give(owner, part, cut);
        }
        if let Some((owner, _)) = weights.last() {
            self.give(owner, part, rest);
        }
        !weights.is_empty()
    }
}

fn portion((billed, effective): Amounts, weight: u128, all: u128) -> Amounts {
    (share(billed, weight, all), share(effective, weight, all))
}

/// The cost of a charge, prices evened out.
pub fn grains(row: &Row<'_>) -> Amounts {
    (row.billed * GRAINS, row.effective * GRAINS + row.moved)
}

impl Usage<'_> {
    /// Divides a charge; `None` for one of no cluster whose usage is known.
    pub fn divide(&self, row: &Row<'_>) -> Option<Divided> {
        let day = row.start.date();
        if let Some(volume) = self.volume(day, &row.meter.resource_id) {
            return Some(of_volume(row, volume));
        }
        // refunds are for volumes alone
        if row.correction {
            return None;
        }
        if let Some(cluster) = row.meter.plane_of {
            return Some(self.plane(row, cluster));
        }
        if row.meter.front.is_some() {
            return self.balancer(row);
        }
        let place = row.meter.place.as_ref()?;
        let node = self.facts.get(&(day, place.node.as_str()))?;
        match place.part {
            Part::Machine => None,
            Part::RootDisk => Some(self.disk(row, node)),
        }
    }

    /// The node whose machine a charge is for.
    pub fn machine<'r>(&'r self, row: &'r Row<'_>) -> Option<&'r NodeDay<'r>> {
        let place = row.meter.machine_of().filter(|_| !row.correction)?;
        self.facts.get(&(row.start.date(), place.node.as_str()))
    }

    fn volume<'r>(&'r self, day: NaiveDate, id: &'r str) -> Option<&'r VolumeDay<'r>> {
        let key = (day, id);
        let before = || self.volumes_before.and_then(|volumes| volumes.get(&key));
        self.volumes.get(&key).or_else(before)
    }

    fn users(&self, node: &NodeDay<'_>) -> Option<&Users> {
        self.users.get(&(node.day, node.place.cluster))
    }

    /// A control plane: each hour costs the same, and is paid by who is there in it.
    fn plane(&self, row: &Row<'_>, cluster: &'static str) -> Divided {
        let mut divided = Divided::new(cluster, "control_plane");
        let part = "control_plane";
        let nobody = Users::new();
        let users = self.users.get(&(row.start.date(), cluster)).unwrap_or(&nobody);
        let whole = grains(row);
        let mut left = whole;
        let mut sums = vec![(0, 0); users.len()];
        for hour in 0..24 {
            let all: u128 = users.values().map(|weights| weights[hour]).sum();
            if all == 0 {
                let cost = portion(whole, 1, 24);
                left = (left.0 - cost.0, left.1 - cost.1);
                divided.give(&row.meter.owner, part, cost);
                continue;
            }
            for (sum, weights) in sums
                .iter_mut()
                .zip(users.values())
                .filter(|(_, weights)| weights[hour] > 0)
            {
                let cost = portion(whole, weights[hour], 24 * all);
                left = (left.0 - cost.0, left.1 - cost.1);
                *sum = (sum.0 + cost.0, sum.1 + cost.1);
            }
        }
        for (owner, sum) in users.keys().zip(sums) {
            divided.give(owner, part, sum);
        }
        // what the cuts leave
        divided.give(users.keys().next().unwrap_or(&row.meter.owner), part, left);
        divided
    }

    /// A load balancer: its hours by requests, what passed through it by bytes; without either even
    /// over the host names; without those it stays with whoever asked for it.
    fn balancer(&self, row: &Row<'_>) -> Option<Divided> {
        let balancer = self.balancers.get(&(row.start.date(), row.meter.name.as_str()))?;
        let mut divided = Divided::new(balancer.front.cluster, "load_balancer");
        let part = "load_balancer";
        let traffic: fn(&BackendHour) -> u64 = match row.meter.sku.unit {
            "Hours" => |hour| hour.requests,
            _ => |hour| hour.bytes,
        };
        let backends = || balancer.backends.iter();
        let passed = backends().map(|backend| {
            let sum: u64 = backend.hours.iter().map(traffic).sum();
            (&backend.owner, u128::from(sum))
        });
        let hosts = backends().map(|backend| (&backend.owner, u128::from(backend.hosts)));
        let whole = grains(row);
        if !divided.weighted(part, whole, passed) && !divided.weighted(part, whole, hosts) {
            divided.give(&balancer.front.owner, part, whole);
        }
        Some(divided)
    }

    /// A charge of a node's root disk: to the owners of the node's pods, by what they held in the
    /// time of the charge.
    fn disk(&self, row: &Row<'_>, node: &NodeDay<'_>) -> Divided {
        let mut divided = Divided::new(node.place.cluster, "node_disk");
        let claims = split::followed(node);
        let all: u128 = claims.iter().map(|claim| claim.held).sum();
        let whole = grains(row);
        let mut rest = whole;
        let mut services = (0, 0);
        for claim in claims.iter().filter(|claim| claim.held > 0) {
            let cut = portion(whole, claim.held, all);
            rest = (rest.0 - cut.0, rest.1 - cut.1);
            let (pod, called) = (&claim.slot.pod, claim.called());
            if called == Called::ClusterServices {
                services = (services.0 + cut.0, services.1 + cut.1);
            } else if pod.serves_all() {
                self.serve(&mut divided, node, (0, 24), called.key(), cut);
            } else {
                divided.give(&pod.owner, called.key(), cut);
            }
        }
        self.serve(&mut divided, node, (0, 24), Called::ClusterServices.key(), services);
        divided.give(&row.meter.owner, "", rest);
        divided
    }

    /// What serves the whole cluster is paid by who is there in the hours of the charge.
    fn serve(&self, divided: &mut Divided, node: &NodeDay<'_>, hours: (u8, u8), part: &'static str, whole: Amounts) {
        let there = self
            .users(node)
            .into_iter()
            .flat_map(|users| users::between(users, hours));
        if !divided.weighted(part, whole, there) {
            divided.give(&node.machine.owner, part, whole);
        }
    }

    /// Divides a charge of a node's machine: among its owners, and by what its parts are called
    /// before anything follows anything.
    pub fn divide_machine(&self, row: &Row<'_>, node: &NodeDay<'_>) -> (BTreeMap<Owner, Amounts>, Vec<(Called, i128)>) {
        let hour = |hour: u32| u8::try_from(hour).unwrap_or(0);
        let hours = match row.end.date() == row.start.date() {
            true => (hour(row.start.hour()), hour(row.end.hour())),
            false => (hour(row.start.hour()), 24),
        };
        let billed_s = u32::try_from(row.quantity * 9 / 2_500).unwrap_or(0);
        let (billed, effective) = grains(row);
        let divide = |amount: i128| split::divide(node, hours, billed_s, amount);
        let parts = divide(effective);
        let mut divided = Divided::new(node.place.cluster, "node_compute");
        self.owners(&mut divided, node, hours, &parts, |cost| (0, cost));
        if billed != 0 {
            self.owners(&mut divided, node, hours, &divide(billed), |cost| (cost, 0));
        }
        let mut owners = BTreeMap::new();
        for (share, (billed, effective)) in divided.shares {
            let sum: &mut Amounts = owners.entry(share.owner).or_default();
            *sum = (sum.0 + billed, sum.1 + effective);
        }
        (owners, called(&parts))
    }

    /// Who owns how much of a division: pods what they hold and, by their cost, the system's and the
    /// DaemonSets' part (A27); the node's own owner what nobody holds.
    fn owners(
        &self,
        divided: &mut Divided,
        node: &NodeDay<'_>,
        hours: (u8, u8),
        parts: &Division<'_>,
        amounts: impl Fn(i128) -> Amounts,
    ) {
        let spare = node.place.spare.as_ref().unwrap_or(&node.machine.owner);
        let shared = parts.system + agents(parts);
        let all: u128 = parts.claims.iter().map(following).sum();
        let (mut left, mut services) = (shared, 0);
        for claim in parts
            .claims
            .iter()
            .filter(|claim| claim.slot.pod.role != Role::DaemonSet)
        {
            let follows = match all {
                0 => 0,
                _ => share(shared, following(claim), all),
            };
            left -= follows;
            if claim.slot.pod.serves_all() {
                services += claim.held + follows;
            } else {
                divided.give(&claim.slot.pod.owner, "", amounts(claim.held + follows));
            }
        }
        if services != 0 {
            self.serve(divided, node, hours, "", amounts(services));
        }
        // nobody to follow, or the cuts below 1e-30
        divided.give(
            spare,
            "",
            amounts(parts.not_ready + parts.unobserved + parts.idle + left),
        );
    }
}

/// What DaemonSets hold.
fn agents(parts: &Division<'_>) -> i128 {
    let agents = parts
        .claims
        .iter()
        .filter(|claim| claim.slot.pod.role == Role::DaemonSet);
    agents.map(|claim| claim.held).sum()
}

/// What a claim weighs when something follows it: whole pico units.
fn following(claim: &Claim<'_, i128>) -> u128 {
    match claim.ordinary() {
        true => (claim.held / GRAINS).unsigned_abs(),
        false => 0,
    }
}

/// A division by what its parts are called. With nobody to follow, system and agents are idle.
fn called(parts: &Division<'_>) -> Vec<(Called, i128)> {
    let alone = parts.claims.iter().all(|claim| following(claim) == 0);
    let name = |called| if alone { Called::IdleCapacity } else { called };
    let mut all = vec![
        (name(Called::SystemReserved), parts.system),
        (Called::NotReady, parts.not_ready),
        (Called::Unobserved, parts.unobserved),
        (Called::IdleCapacity, parts.idle),
    ];
    all.extend(parts.claims.iter().map(|claim| match claim.called() {
        Called::DaemonSet => (name(Called::DaemonSet), claim.held),
        called => (called, claim.held),
    }));
    all
}

/// A volume: to whoever claims it, mounted or not, until thirty days after the claim is deleted;
/// among those who mount it if they are several.
fn of_volume(row: &Row<'_>, volume: &VolumeDay<'_>) -> Divided {
    let mut divided = Divided::new(volume.claim.cluster, "volume");
    let whole = grains(row);
    let orphaned = portion(
        whole,
        orphaned_s(row, volume.claim).into(),
        u128::from(DAY_S.unsigned_abs()),
    );
    divided.give(&Owner::default(), "orphaned_volume", orphaned);
    let held = (whole.0 - orphaned.0, whole.1 - orphaned.1);
    let part = if volume.mounts.is_empty() {
        "unmounted_volume"
    } else {
        "volume"
    };
    if volume.mounts.len() > 1 {
        let seconds = |at: usize| -> u64 {
            volume.mounts[at]
                .hours
                .iter()
                .map(|(_, seconds)| u64::from(*seconds))
                .sum()
        };
        let owners = || volume.mounts.iter().map(|mount| &mount.mounter.owner).enumerate();
        let bytes: Option<Vec<u64>> = (0..volume.mounts.len())
            .map(|at| Some(volume.mounts[at].used_mib? * seconds(at)))
            .collect();
        let bytes = bytes.unwrap_or_else(|| vec![0; volume.mounts.len()]);
        let by_bytes = owners().map(|(at, owner)| (owner, u128::from(bytes[at])));
        if divided.weighted(part, held, by_bytes)
            || divided.weighted(part, held, owners().map(|(at, owner)| (owner, u128::from(seconds(at)))))
        {
            return divided;
        }
    }
    let owner = volume.claim.owner.on(volume.day, row.meter.takeover.as_ref());
    divided.give(&owner, part, held);
    divided
}

/// Seconds of a day's charge in which the volume is nobody's any more.
fn orphaned_s(row: &Row<'_>, claim: &VolumeClaim) -> u32 {
    let Some(deleted) = claim.deleted else { return 0 };
    let released = deleted + TimeDelta::days(RETAINED_DAYS);
    let seconds = (row.end - released.clamp(row.start, row.end)).num_seconds();
    u32::try_from(seconds).unwrap_or(0)
}
