//! The fast form of `domain::allocate::clusters`: charges of machines are
//! gathered in one pass over the bill, then each cluster's day of usage is read
//! once, in the order of node, pod and container, and its charges are split as
//! it goes. A property test holds it equal to the reference.

mod cluster_wide;
pub(crate) mod join;
mod land;
mod machine_day;
mod provider;
#[cfg(test)]
mod tests;
mod things;
mod unbilled;

use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::{Charges, Row};
use crate::usage::{UsageFile, read_balancers, read_nodes, read_slot_hours, read_volumes};
use cluster_wide::{Planes, has_services, users_of};
use domain::allocate::CubeValue;
use domain::allocate::cluster_wide::{may_be_plane, plane_names};
use domain::allocate::clusters::{MachineCost, Thing, hours_of, is_provider_split};
use domain::apportion::Splitter;
use domain::charge::{Attributes, ChargeCategory};
use domain::class::Class;
use domain::instant::Day;
use domain::usage::{HOUR_S, Hour};
use domain::{BillingPeriod, Currency};
use join::Join;
use land::{Lander, Sink};
use machine_day::{GroupFacts, MachineDay, node_ranges};
use polars::prelude::PlHashMap;
pub use provider::ProviderRows;
pub(crate) use provider::provider_rows;
use std::collections::{BTreeMap, BTreeSet};
use things::ThingCharges;
pub use unbilled::Unbilled;
pub(crate) use unbilled::unbilled;

/// Charges of one thing and the same whole hours: split by the same weights (A2, A4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupKey {
    /// Position of the machine, or of what else `cost` is one of.
    pub machine: u32,
    pub cost: MachineCost,
    pub from: Hour,
    pub to: Hour,
}

impl GroupKey {
    fn days(&self) -> impl Iterator<Item = Day> {
        (self.from.day().0..=Hour(self.to.0 - 1).day().0).map(Day)
    }

    fn last_day(&self) -> Day {
        Hour(self.to.0 - 1).day()
    }

    fn within_one_day(&self) -> bool {
        self.from.day() == Hour(self.to.0 - 1).day()
    }
}

/// Charges of a group that rules cannot tell apart, added up before the split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub kind: u32,
    pub period: BillingPeriod,
    pub value: CubeValue,
}

#[derive(Default)]
struct Group {
    consumed_s: Option<u64>,
    amounts: BTreeMap<(u32, BillingPeriod), CubeValue>,
}

/// What rules see of a machine's charge, and its class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChargeKind {
    pub attributes: Attributes,
    pub currency: Currency,
    pub category: ChargeCategory,
    pub class: Class,
}

/// Charges of machines, gathered.
pub(crate) struct Gathered {
    groups: BTreeMap<GroupKey, Group>,
    things: ThingCharges,
    /// Rows of the provider's own split, by cluster and currency.
    provider: BTreeMap<(String, Currency), provider::Seen>,
    kinds: Vec<ChargeKind>,
    kind_ids: BTreeMap<ChargeKind, u32>,
    kind_of_set: PlHashMap<(u32, Class), u32>,
}

/// What some days of usage know.
pub(crate) fn join_of(lake: &Lake, usage: &[UsageFile]) -> Result<Join, LakeError> {
    let mut join = Join::default();
    for file in usage {
        join.add_cluster(&file.cluster);
        for day in read_volumes(lake, file)? {
            join.add_volume(&file.cluster, &day.volume.volume_id);
        }
        for day in read_balancers(lake, file)? {
            join.add_balancer(&file.cluster, &day.balancer.balancer_id);
        }
        for (node, _) in read_nodes(lake, file)? {
            join.add(&file.cluster, &node);
        }
    }
    Ok(join)
}

impl Gathered {
    pub fn new() -> Gathered {
        Gathered {
            groups: BTreeMap::new(),
            things: ThingCharges::default(),
            provider: BTreeMap::new(),
            kinds: Vec::new(),
            kind_ids: BTreeMap::new(),
            kind_of_set: PlHashMap::default(),
        }
    }

    /// Takes a charge, if it is one of a known thing, or of a control plane.
    pub fn take(&mut self, charges: &mut Charges<'_>, row: &Row) -> Result<Option<(GroupKey, u32)>, LakeError> {
        let Some((machine, cost)) = self.find(charges, row)? else {
            return Ok(None);
        };
        let (from, to) = hours_of(row.span);
        let key = GroupKey {
            machine,
            cost,
            from,
            to,
        };
        let kind = self.kind(charges, row.set, cost.class());
        if !cost.follows_node() {
            let amount = Amount {
                kind,
                period: row.period,
                value: CubeValue {
                    charges: 1,
                    billed: row.billed,
                    effective: row.effective,
                },
            };
            self.things.push(key, amount);
            return Ok(Some((key, kind)));
        }
        let group = self.groups.entry(key).or_default();
        if let Some(seconds) = row.consumed_s
            && charges.set(row.set).category == ChargeCategory::Usage
        {
            group.consumed_s = Some(group.consumed_s.unwrap_or(0).saturating_add(seconds));
        }
        let value = CubeValue {
            charges: 1,
            billed: row.billed,
            effective: row.effective,
        };
        let sum = group.amounts.entry((kind, row.period)).or_default();
        sum.add(value).map_err(|_| LakeError::Overflow {
            what: "the charges".to_owned(),
        })?;
        Ok(Some((key, kind)))
    }

    /// What a charge pays for, and of what.
    fn find(&mut self, charges: &mut Charges<'_>, row: &Row) -> Result<Option<(u32, MachineCost)>, LakeError> {
        if !charges.joins() {
            return Ok(None);
        }
        let key = charges.key_at(row, row.span.start);
        let class = charges.key(key).class;
        let target = row.target.unwrap_or_default();
        let known = |(thing, cost): &(Thing, MachineCost)| Some((*thing, target.get(*thing)?, *cost));
        if let Some((thing, id, cost)) = MachineCost::of(class, row.charged).iter().find_map(known) {
            let set = charges.set(row.set);
            if !is_provider_split(&set.attributes) {
                return Ok(Some((id, cost)));
            }
            let cluster = charges.cluster(thing, id).unwrap_or("");
            let rules = &charges.program().rules.clusters;
            let theirs = rules.keeps_provider_split(cluster, row.span.start);
            self.saw_provider_row((cluster, &set.currency), row.effective, theirs)?;
            return Ok((!theirs).then_some((id, cost)));
        }
        if class != Class::ControlPlane || !may_be_plane(Some(charges.resource())) {
            return Ok(None);
        }
        let names = plane_names(Some(charges.resource()), &charges.set(row.set).attributes);
        Ok(Some((self.things.plane(names), MachineCost::ControlPlane)))
    }

    /// The days that charges of machines span when they are longer than one.
    fn spanning(&self, join: &Join) -> BTreeSet<(String, Day)> {
        let long = self.groups.keys().filter(|key| !key.within_one_day());
        let days = long.flat_map(|key| key.days().map(|day| (join.machine(key.machine).cluster.clone(), day)));
        days.collect()
    }

    /// The clusters of the charges of nodes.
    fn nodes<'g>(&'g self, join: &'g Join) -> impl Iterator<Item = (String, Attributes)> + 'g {
        let compute = self.groups.iter().filter(|(key, _)| key.cost == MachineCost::Compute);
        let kinds: BTreeSet<(&str, u32)> = compute
            .flat_map(|(key, group)| {
                let cluster = join.machine(key.machine).cluster.as_str();
                group.amounts.keys().map(move |(kind, _)| (cluster, *kind))
            })
            .collect();
        let of = |(cluster, kind): (&str, u32)| (cluster.to_owned(), self.kinds[kind as usize].attributes.clone());
        kinds.into_iter().map(of)
    }

    fn kind(&mut self, charges: &Charges<'_>, set: u32, class: Class) -> u32 {
        if let Some(kind) = self.kind_of_set.get(&(set, class)) {
            return *kind;
        }
        let known = charges.set(set);
        // columns that are read for show only must not keep charges apart
        let columns = charges.program().columns();
        let mut attributes = known.attributes.clone();
        attributes.columns.retain(|name, _| columns.contains(name));
        let kind = ChargeKind {
            attributes,
            currency: known.currency.clone(),
            category: known.category,
            class,
        };
        let next = u32::try_from(self.kinds.len()).unwrap_or(u32::MAX);
        let id = *self.kind_ids.entry(kind.clone()).or_insert(next);
        if id == next {
            self.kinds.push(kind);
        }
        self.kind_of_set.insert((set, class), id);
        id
    }
}

/// Splits what was gathered by the days of usage, and lands it.
///
/// # Errors
/// When a file cannot be read, or an amount split or added exactly.
pub(crate) fn split<'p>(
    lake: &Lake,
    gathered: &Gathered,
    usage: &[UsageFile],
    join: &Join,
    charges: &mut Charges<'p>,
    split: Splitter,
    sink: Sink<'_, 'p>,
) -> Result<(), LakeError> {
    let mut by_day: BTreeMap<(u32, Day), Vec<&GroupKey>> = BTreeMap::new();
    for key in gathered.groups.keys() {
        for day in key.days() {
            by_day.entry((key.machine, day)).or_default().push(key);
        }
    }
    let mut planes = Planes::new(&gathered.things, join, gathered.nodes(join), gathered.spanning(join))?;
    let mut lander = Lander::new(&gathered.kinds, split, charges, sink);
    things::land(lake, &gathered.things, usage, join, &mut lander)?;
    // facts of groups that span days wait until their last day was read
    let mut waiting: BTreeMap<GroupKey, GroupFacts> = BTreeMap::new();
    let mut done: BTreeSet<GroupKey> = BTreeSet::new();
    for file in usage {
        let nodes = read_nodes(lake, file)?;
        let machines: Vec<Option<u32>> = nodes.iter().map(|(node, _)| join.id_of(&file.cluster, node)).collect();
        let wanted = |machine: &Option<u32>| machine.is_some_and(|id| by_day.contains_key(&(id, file.day)));
        if !machines.iter().any(wanted) && !planes.need(file) {
            continue;
        }
        let hours = read_slot_hours(lake, file)?;
        let ranges = node_ranges(&hours);
        if planes.need(file) || has_services(&hours, lander.rules()) {
            let users = users_of(&nodes, &hours, &ranges, lander.rules());
            lander.enter(&file.cluster, file.day, users);
            planes.land_day(file, &mut lander)?;
        }
        for ((node, node_hours), machine) in nodes.iter().zip(&machines) {
            let Some(groups) = machine.and_then(|id| by_day.get(&(id, file.day))) else {
                continue;
            };
            let day = MachineDay::new(file, node, node_hours, &hours, ranges.get(node.name.as_str()));
            for key in groups {
                if key.within_one_day() {
                    let mut facts = GroupFacts::default();
                    facts.add(&day, key);
                    lander.land(
                        key,
                        &amounts(gathered, key),
                        billed_s(gathered, key),
                        &file.cluster,
                        node,
                        &facts,
                    )?;
                    done.insert(**key);
                } else {
                    waiting.entry(**key).or_default().add(&day, key);
                }
            }
        }
        if !planes.keep(file) {
            lander.leave(&file.cluster, file.day);
        }
    }
    planes.land_rest(&mut lander)?;
    for (key, mut facts) in waiting {
        facts.sort();
        let machine = join.machine(key.machine);
        lander.land(
            &key,
            &amounts(gathered, &key),
            billed_s(gathered, &key),
            &machine.cluster,
            join.node(key.machine),
            &facts,
        )?;
        done.insert(key);
    }
    // a machine known on other days only: nothing was observed
    for key in gathered.groups.keys().filter(|key| !done.contains(key)) {
        let machine = join.machine(key.machine);
        let facts = GroupFacts::default();
        lander.land(
            key,
            &amounts(gathered, key),
            billed_s(gathered, key),
            &machine.cluster,
            join.node(key.machine),
            &facts,
        )?;
    }
    Ok(())
}

fn amounts(gathered: &Gathered, key: &GroupKey) -> Vec<Amount> {
    let group = gathered.groups.get(key);
    let amounts = group.iter().flat_map(|group| &group.amounts);
    amounts
        .map(|((kind, period), value)| Amount {
            kind: *kind,
            period: *period,
            value: *value,
        })
        .collect()
}

/// Billed seconds of a group: halves of one instance add up (A4), to its hours at most.
fn billed_s(gathered: &Gathered, key: &GroupKey) -> Option<u64> {
    let most = u64::from(key.to.0.abs_diff(key.from.0)) * u64::from(HOUR_S);
    gathered.groups.get(key)?.consumed_s.map(|seconds| seconds.min(most))
}
