//! Charges of volumes, load balancers and control planes: gathered beside those
//! of machines, kept small, and split by the days that know their things.

use super::gather::{Amount, GroupKey};
use super::join::Join;
use super::land::Lander;
use crate::error::LakeError;
use crate::object::Lake;
use crate::usage::{UsageFile, read_balancers, read_volumes};
use domain::Money;
use domain::allocate::balancers::BalancerFacts;
use domain::allocate::clusters::{MachineCost, Piece, Thing};
use domain::allocate::volumes::VolumeFacts;
use domain::apportion::{ApportionError, Splitter};
use domain::instant::Day;
use domain::usage::{Balancer, BalancerDay, Hour, Volume, VolumeDay};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Charges of things, by what they are split with. They are many: an hour of a
/// volume is a line of its own.
#[derive(Default)]
pub(super) struct ThingCharges {
    entries: Vec<(GroupKey, Amount)>,
    /// What control planes call their cluster; their keys are positions here.
    planes: Vec<Vec<String>>,
    plane_ids: BTreeMap<Vec<String>, u32>,
}

impl ThingCharges {
    pub fn push(&mut self, key: GroupKey, amount: Amount) {
        self.entries.push((key, amount));
    }

    /// The position of a control plane that is called so.
    pub fn plane(&mut self, names: Vec<String>) -> u32 {
        let next = u32::try_from(self.planes.len()).unwrap_or(u32::MAX);
        let id = *self.plane_ids.entry(names.clone()).or_insert(next);
        if id == next {
            self.planes.push(names);
        }
        id
    }

    /// What a control plane calls its cluster.
    pub fn names(&self, plane: u32) -> &[String] {
        &self.planes[plane as usize]
    }

    /// Groups of a kind in order; charges that rules cannot tell apart are added up.
    pub fn groups(&self, kinds: &[MachineCost]) -> Result<BTreeMap<GroupKey, Vec<Amount>>, LakeError> {
        let mut groups: BTreeMap<GroupKey, Vec<Amount>> = BTreeMap::new();
        for (key, amount) in self.entries.iter().filter(|(key, _)| kinds.contains(&key.cost)) {
            let amounts = groups.entry(*key).or_default();
            let same = |known: &&mut Amount| (known.kind, known.period) == (amount.kind, amount.period);
            match amounts.iter_mut().find(same) {
                Some(known) => known.value.add(amount.value).map_err(|_| LakeError::Overflow {
                    what: "the charges".to_owned(),
                })?,
                None => amounts.push(*amount),
            }
        }
        Ok(groups)
    }
}

/// What is known of one kind of thing over the hours of a charge.
trait Facts: Sized {
    /// What the usage says of it on a day.
    type Known;
    /// What it is, apart from its hours.
    type Identity: Clone + PartialEq;

    const THING: Thing;
    const COSTS: &'static [MachineCost];

    fn read(lake: &Lake, file: &UsageFile) -> Result<Vec<Self::Known>, LakeError>;
    fn id(known: &Self::Known) -> &str;
    fn identity(known: &Self::Known) -> &Self::Identity;
    fn unseen(nearest: Self::Identity) -> Self;
    fn empty() -> Self;
    fn add(&mut self, day: Day, known: &Self::Known, hours: &Range<Hour>);
    fn divide(
        &self,
        cost: Money,
        kind: MachineCost,
        hours: &Range<Hour>,
        split: Splitter,
    ) -> Result<Vec<Piece>, ApportionError>;
}

impl Facts for VolumeFacts {
    type Known = VolumeDay;
    type Identity = Volume;

    const THING: Thing = Thing::Volume;
    const COSTS: &'static [MachineCost] = &[MachineCost::Volume];

    fn read(lake: &Lake, file: &UsageFile) -> Result<Vec<VolumeDay>, LakeError> {
        read_volumes(lake, file)
    }
    fn id(known: &VolumeDay) -> &str {
        &known.volume.volume_id
    }
    fn identity(known: &VolumeDay) -> &Volume {
        &known.volume
    }
    fn unseen(nearest: Volume) -> VolumeFacts {
        VolumeFacts::unseen(nearest)
    }
    fn empty() -> VolumeFacts {
        VolumeFacts::default()
    }
    fn add(&mut self, day: Day, known: &VolumeDay, hours: &Range<Hour>) {
        VolumeFacts::add(self, day, known, hours);
    }
    fn divide(
        &self,
        cost: Money,
        _: MachineCost,
        hours: &Range<Hour>,
        split: Splitter,
    ) -> Result<Vec<Piece>, ApportionError> {
        VolumeFacts::divide(self, cost, hours, split)
    }
}

impl Facts for BalancerFacts {
    type Known = BalancerDay;
    type Identity = Balancer;

    const THING: Thing = Thing::Balancer;
    const COSTS: &'static [MachineCost] = &[MachineCost::BalancerHours, MachineCost::BalancerUsage];

    fn read(lake: &Lake, file: &UsageFile) -> Result<Vec<BalancerDay>, LakeError> {
        read_balancers(lake, file)
    }
    fn id(known: &BalancerDay) -> &str {
        &known.balancer.balancer_id
    }
    fn identity(known: &BalancerDay) -> &Balancer {
        &known.balancer
    }
    fn unseen(nearest: Balancer) -> BalancerFacts {
        BalancerFacts::unseen(nearest)
    }
    fn empty() -> BalancerFacts {
        BalancerFacts::default()
    }
    fn add(&mut self, day: Day, known: &BalancerDay, hours: &Range<Hour>) {
        BalancerFacts::add(self, day, known, hours);
    }
    fn divide(
        &self,
        cost: Money,
        kind: MachineCost,
        hours: &Range<Hour>,
        _: Splitter,
    ) -> Result<Vec<Piece>, ApportionError> {
        BalancerFacts::divide(self, cost, kind, hours)
    }
}

/// Splits and lands the charges of volumes (A31) and load balancers (A32).
pub(super) fn land(
    lake: &Lake,
    charges: &ThingCharges,
    usage: &[UsageFile],
    join: &Join,
    lander: &mut Lander<'_, '_>,
) -> Result<(), LakeError> {
    land_kind::<VolumeFacts>(lake, charges, usage, join, lander)?;
    land_kind::<BalancerFacts>(lake, charges, usage, join, lander)
}

fn land_kind<F: Facts>(
    lake: &Lake,
    charges: &ThingCharges,
    usage: &[UsageFile],
    join: &Join,
    lander: &mut Lander<'_, '_>,
) -> Result<(), LakeError> {
    let groups = charges.groups(F::COSTS)?;
    if groups.is_empty() {
        return Ok(());
    }
    let mut by_day: BTreeMap<(u32, Day), Vec<&GroupKey>> = BTreeMap::new();
    for key in groups.keys() {
        key.days()
            .for_each(|day| by_day.entry((key.machine, day)).or_default().push(key));
    }
    let mut waiting: BTreeMap<GroupKey, F> = BTreeMap::new();
    let mut done: BTreeSet<GroupKey> = BTreeSet::new();
    // what each thing was, from which day on
    let mut history: BTreeMap<u32, Vec<(Day, F::Identity)>> = BTreeMap::new();
    for file in usage {
        for known in F::read(lake, file)? {
            let Some(id) = join.thing_of(F::THING, &file.cluster, F::id(&known)) else {
                continue;
            };
            let history = history.entry(id).or_default();
            if history.last().is_none_or(|(_, last)| last != F::identity(&known)) {
                history.push((file.day, F::identity(&known).clone()));
            }
            for key in by_day.get(&(id, file.day)).into_iter().flatten() {
                let facts = waiting.entry(**key).or_insert_with(F::empty);
                facts.add(file.day, &known, &(key.from..key.to));
            }
        }
        // what ends on this day is complete
        let ended =
            |key: &GroupKey| key.last_day() <= file.day && join.thing(F::THING, key.machine).cluster == file.cluster;
        let complete: Vec<GroupKey> = waiting.keys().filter(|key| ended(key)).copied().collect();
        for key in complete {
            if let Some(facts) = waiting.remove(&key) {
                land_group(&key, &facts, &groups, join, lander)?;
                done.insert(key);
            }
        }
    }
    for key in groups.keys().filter(|key| !done.contains(key)) {
        let facts = waiting.remove(key).unwrap_or_else(|| {
            let history = history.get(&key.machine).map_or(&[][..], Vec::as_slice);
            let before = history.iter().take_while(|(day, _)| *day <= key.last_day()).last();
            let nearest = before.or(history.first());
            nearest.map_or_else(F::empty, |(_, identity)| F::unseen(identity.clone()))
        });
        land_group(key, &facts, &groups, join, lander)?;
    }
    Ok(())
}

fn land_group<F: Facts>(
    key: &GroupKey,
    facts: &F,
    groups: &BTreeMap<GroupKey, Vec<Amount>>,
    join: &Join,
    lander: &mut Lander<'_, '_>,
) -> Result<(), LakeError> {
    let thing = join.thing(F::THING, key.machine);
    let split = lander.splitter();
    let amounts = groups.get(key).map_or(&[][..], Vec::as_slice);
    lander.pieces(key, amounts, (&thing.cluster, &thing.key), |money| {
        facts.divide(money, key.cost, &(key.from..key.to), split)
    })
}
