//! Splits the charges of a group by the reference and lands the pieces on
//! their owners: groups of several days, those of volumes, load balancers and
//! some control planes, and every group when a figure is walked back to its
//! bill lines.

use super::extra::{At, Extra, Extras};
use super::gather::{Amount, ChargeKind, Group, GroupKey};
use super::machine_day::{ClaimOf, GroupFacts};
use super::owners::Owners;
use crate::error::LakeError;
use crate::rows::Charges;
use domain::Money;
use domain::allocate::cluster_wide::{Users, is_cluster_service};
use domain::allocate::clusters::{MachineCost, Piece, disk_weight, left_alone, own_money, service_part, split_disk};
use domain::allocate::{CubeValue, pieces, split_over};
use domain::apportion::{ApportionError, Splitter, apportion};
use domain::instant::{Day, Span};
use domain::money::MoneyOverflow;
use domain::rule::RuleSet;
use domain::split::{Claim, NodeWeights, ResourceSplit, Split, node_weights, split_node, split_resources};
use domain::usage::{Hour, Measure, Node, Part, Role, Slot};
use polars::prelude::PlHashMap;
use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) struct Lander<'a, 'p> {
    split: Splitter,
    owners: Owners<'a, 'p>,
    sink: Sink<'a, 'p>,
    /// Of machines: position of the cluster. `None` = container-days are not asked for.
    clusters: Option<Vec<u32>>,
    pub extras: Extras,
    /// Who uses each cluster, on the days at hand.
    users: PlHashMap<(String, Day), Rc<Users>>,
    /// The places of the users last asked for: of a day and a pool.
    user_places: Option<(Rc<Users>, String, Rc<Vec<u32>>)>,
}

/// Takes each piece: whose it is (group and kind), the position of its key, its
/// day, value, and what was held for it.
pub(crate) type Sink<'a, 'p> =
    &'a mut dyn FnMut(&Charges<'p>, &GroupKey, &Amount, (u32, Day), CubeValue, Held) -> Result<(), LakeError>;

/// What a container's own piece of a machine's cost was split by; zero for
/// every other piece, which follows somebody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Its effective request over the charge.
    pub effective: Measure,
    /// What all shared: allocatable, or their effective requests where these are more (A29).
    pub shared: Measure,
}

/// A machine, for messages and places.
#[derive(Clone, Copy)]
pub(super) struct On<'n> {
    pub cluster: &'n str,
    pub node: &'n Node,
}

impl<'a, 'p> Lander<'a, 'p> {
    pub fn new(
        kinds: &'a [ChargeKind],
        split: Splitter,
        charges: &'a mut Charges<'p>,
        sink: Sink<'a, 'p>,
        clusters: Option<Vec<u32>>,
    ) -> Lander<'a, 'p> {
        Lander {
            split,
            owners: Owners::new(kinds, charges),
            sink,
            clusters,
            extras: Extras::new(),
            users: PlHashMap::default(),
            user_places: None,
        }
    }

    /// The rules.
    pub fn rules(&self) -> &'p RuleSet {
        &self.owners.charges.program().rules
    }

    /// How money is split.
    pub fn splitter(&self) -> Splitter {
        self.split
    }

    /// Who uses a cluster on a day.
    pub fn enter(&mut self, cluster: &str, day: Day, users: Users) {
        self.users.insert((cluster.to_owned(), day), Rc::new(users));
    }

    /// Nobody asks for the users of a day any more.
    pub fn leave(&mut self, cluster: &str, day: Day) {
        self.users.remove(&(cluster.to_owned(), day));
    }

    /// Splits and lands the amounts of a group.
    pub fn land(&mut self, key: &GroupKey, group: &Group, on: On<'_>, facts: &GroupFacts) -> Result<(), LakeError> {
        let claims: Vec<Claim> = facts.claims.iter().map(|(_, claim)| *claim).collect();
        for amount in group.amounts() {
            match key.cost {
                MachineCost::Compute => {
                    let weights = node_weights(&facts.hours, &facts.filled_s, group.billed_s(key));
                    self.compute(key, &amount, &weights, on, facts, &claims)?;
                }
                _ => self.disk(key, &amount, on, facts, &claims)?,
            }
        }
        Ok(())
    }

    fn compute(
        &mut self,
        key: &GroupKey,
        amount: &Amount,
        node: &NodeWeights,
        on: On<'_>,
        facts: &GroupFacts,
        claims: &[Claim],
    ) -> Result<(), LakeError> {
        let refused = |source| refused(on, source);
        let divide = |cost| split_node(cost, node, claims, self.split).map_err(refused);
        let effective = divide(amount.value.effective)?;
        let billed = if amount.value.billed == amount.value.effective {
            effective.clone()
        } else {
            divide(amount.value.billed)?
        };
        let resources = match self.clusters {
            Some(_) => split_resources(amount.value.effective, node, claims, self.split).map_err(refused)?,
            None => Default::default(),
        };
        let charges = amount.value.charges;
        let idle = |split: &Split| sum([split.idle, left_alone(split, claims)]);
        let alone = !left_alone(&effective, claims).is_zero();
        let idle_of = |split: &ResourceSplit| idle_of(split, claims, alone);
        let weights = [
            resources.each_ref().map(idle_of),
            resources.each_ref().map(|split| split.not_ready),
            resources.each_ref().map(|split| split.unobserved),
        ];
        for ((part, billed, effective), weights) in [
            (Part::IdleCapacity, idle(&billed)?, idle(&effective)?),
            (Part::NotReady, billed.not_ready, effective.not_ready),
            (Part::Unobserved, billed.unobserved, effective.unobserved),
        ]
        .into_iter()
        .zip(weights)
        {
            let value = CubeValue {
                charges: if part == Part::IdleCapacity { charges } else { 0 },
                billed,
                effective,
            };
            self.on_node(key, amount, on, Some(part), value, &weights)?;
        }
        let wanted = claims
            .iter()
            .fold(Measure::ZERO, |sum, claim| sum.plus(claim.effective));
        let shared = node.available.max(wanted);
        self.claims(
            key,
            amount,
            on,
            (facts, shared),
            claims,
            (&billed, &effective, &resources),
        )
    }

    fn claims(
        &mut self,
        key: &GroupKey,
        amount: &Amount,
        on: On<'_>,
        (facts, shared): (&GroupFacts, Measure),
        claims: &[Claim],
        (billed, effective, resources): (&Split, &Split, &[ResourceSplit; 3]),
    ) -> Result<(), LakeError> {
        let (own_billed, own_effective) = (own_money(billed, claims), own_money(effective, claims));
        let mut followed: BTreeMap<Day, Money> = BTreeMap::new();
        for (index, (of, claim)) in facts.claims.iter().enumerate() {
            let parts = [
                (Part::of(claim.role, of.filled), own_billed[index], own_effective[index]),
                (
                    Part::SystemReserved,
                    billed.follow_system[index],
                    effective.follow_system[index],
                ),
                (
                    Part::DaemonSet,
                    billed.follow_daemon[index],
                    effective.follow_daemon[index],
                ),
            ];
            let own = Held {
                effective: claim.effective,
                shared,
            };
            for ((part, billed, effective), held) in parts.into_iter().zip([own, Held::default(), Held::default()]) {
                let value = CubeValue {
                    charges: 0,
                    billed,
                    effective,
                };
                if value != CubeValue::default() {
                    self.on_slot((key, amount), on, of, (part, value), held)?;
                }
            }
            if self.clusters.is_some() {
                let [_, system, daemon] = parts.map(|(_, _, effective)| effective);
                let mut extra = Extra::new(key.machine, amount.kind, At::Slot(of.index, of.filled));
                if own_effective[index] == effective.claims[index] {
                    extra.cost = resources.each_ref().map(|resource| resource.claims[index]);
                }
                (extra.system, extra.daemon) = (system, daemon);
                extra.billed = sum(parts.map(|(_, billed, _)| billed))?;
                self.extra(key, of.day, extra);
                let so_far = followed.entry(of.day).or_default();
                *so_far = sum([*so_far, system, daemon])?;
            }
        }
        let weights = resources.each_ref().map(|resource| resource.system_reserved.abs());
        for (day, money) in followed {
            let mut extra = Extra::new(key.machine, amount.kind, At::Followed);
            extra.cost = over(money, weights);
            self.extra(key, day, extra);
        }
        Ok(())
    }

    fn disk(
        &mut self,
        key: &GroupKey,
        amount: &Amount,
        on: On<'_>,
        facts: &GroupFacts,
        claims: &[Claim],
    ) -> Result<(), LakeError> {
        let refused = |source| refused(on, source);
        let billed = split_disk(amount.value.billed, claims, self.split).map_err(refused)?;
        let effective = split_disk(amount.value.effective, claims, self.split).map_err(refused)?;
        let (Some(billed), Some(effective)) = (billed, effective) else {
            let part = (key.cost == MachineCost::Network).then_some(Part::UnmeasuredNetwork);
            return self.on_node(key, amount, on, part, amount.value, &[Money::ZERO; 3]);
        };
        let mut charges = amount.value.charges;
        for (index, (of, claim)) in facts.claims.iter().enumerate() {
            if disk_weight(claim) == 0 {
                continue;
            }
            let value = CubeValue {
                charges,
                billed: billed[index],
                effective: effective[index],
            };
            charges = 0;
            if value != CubeValue::default() {
                let part = key.cost.part_of(claim);
                self.on_slot((key, amount), on, of, (part, value), Held::default())?;
            }
            let mut extra = Extra::new(key.machine, amount.kind, At::Slot(of.index, of.filled));
            (extra.disk, extra.billed) = (value.effective, value.billed);
            self.extra(key, of.day, extra);
        }
        Ok(())
    }

    fn extra(&mut self, key: &GroupKey, day: Day, extra: Extra) {
        // traffic is no part of what a node costs
        if let Some(clusters) = &self.clusters
            && key.cost != MachineCost::Network
        {
            let cluster = clusters.get(key.machine as usize).copied().unwrap_or(0);
            self.extras.entry((cluster, day)).or_default().push(extra);
        }
    }

    /// Lands a charge that does not go by a node.
    pub fn pieces(
        &mut self,
        key: &GroupKey,
        amounts: &[Amount],
        (cluster, name): (&str, &str),
        divide: impl Fn(Money) -> Result<Vec<Piece>, ApportionError>,
    ) -> Result<(), LakeError> {
        for amount in amounts {
            let divide = |money| {
                divide(money).map_err(|source| LakeError::SplitNode {
                    cluster: cluster.to_owned(),
                    node: name.to_owned(),
                    source,
                })
            };
            let effective = divide(amount.value.effective)?;
            let billed = if amount.value.billed == amount.value.effective {
                effective.clone()
            } else {
                divide(amount.value.billed)?
            };
            for (at, (billed, piece)) in billed.iter().zip(&effective).enumerate() {
                let value = CubeValue {
                    charges: if at == 0 { amount.value.charges } else { 0 },
                    billed: billed.money,
                    effective: piece.money,
                };
                let place = self.place(cluster, "", &piece.place);
                let node = Node::default();
                let on = On { cluster, node: &node };
                for (day, value) in self.over(on, piece.span, value)? {
                    self.add(key, amount, place, Some(piece.part), day, value)?;
                }
            }
        }
        Ok(())
    }

    /// Lands charges of a control plane: evenly over its hours, then each
    /// hour's among who uses the cluster in it.
    pub fn control_plane(&mut self, key: &GroupKey, amounts: &[Amount], cluster: &str) -> Result<(), LakeError> {
        let hours = vec![1; usize::try_from(key.to.0 - key.from.0).unwrap_or(0)];
        let node = Node::default();
        let on = On { cluster, node: &node };
        for amount in amounts {
            let each = |money| (self.split)(money, &hours).map_err(|source| refused(on, source));
            let (billed, effective) = (each(amount.value.billed)?, each(amount.value.effective)?);
            let mut charges = amount.value.charges;
            for (hour, (billed, effective)) in (key.from.0..key.to.0).map(Hour).zip(billed.into_iter().zip(effective)) {
                let value = CubeValue {
                    charges,
                    billed,
                    effective,
                };
                charges = 0;
                let users = self.users.get(&(cluster.to_owned(), hour.day())).cloned();
                let when = (hour.day(), (hour, Hour(hour.0 + 1)));
                if let Some(users) = users
                    && self.on_users((key, amount), (cluster, ""), when, &users, (Part::ControlPlane, value))?
                {
                    continue;
                }
                let place = self.place(cluster, "", &Slot::default());
                self.add(key, amount, place, Some(Part::ControlPlane), hour.day(), value)?;
            }
        }
        Ok(())
    }

    /// Splits a value among the users of a cluster in some hours of a day; says
    /// whether there were any. The first of them has the bill line.
    fn on_users(
        &mut self,
        (key, amount): (&GroupKey, &Amount),
        (cluster, pool): (&str, &str),
        (day, (from, to)): (Day, (Hour, Hour)),
        users: &Rc<Users>,
        (part, value): (Part, CubeValue),
    ) -> Result<bool, LakeError> {
        let node = Node::default();
        let on = On { cluster, node: &node };
        let weights = users.weights(day, from..to);
        let split = self.split;
        let divide = |money| {
            users
                .split(money, &weights, split)
                .map_err(|source| refused(on, source))
        };
        let Some(effective) = divide(value.effective)? else {
            return Ok(false);
        };
        let billed = if value.billed == value.effective {
            effective.clone()
        } else {
            divide(value.billed)?.unwrap_or_default()
        };
        let places = self.places_of(cluster, pool, users);
        let mut charges = value.charges;
        for (at, _) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
            let value = CubeValue {
                charges,
                billed: billed[at],
                effective: effective[at],
            };
            charges = 0;
            self.add(key, amount, places[at], Some(part), day, value)?;
        }
        Ok(true)
    }

    /// The places of users in a pool, found once per day.
    fn places_of(&mut self, cluster: &str, pool: &str, users: &Rc<Users>) -> Rc<Vec<u32>> {
        if let Some((known, known_pool, places)) = &self.user_places
            && Rc::ptr_eq(known, users)
            && known_pool == pool
        {
            return places.clone();
        }
        let places = users.places().iter().map(|place| self.place(cluster, pool, place));
        let places: Rc<Vec<u32>> = Rc::new(places.collect());
        self.user_places = Some((users.clone(), pool.to_owned(), places.clone()));
        places
    }

    fn place(&mut self, cluster: &str, pool: &str, slot: &Slot) -> u32 {
        let labels = serde_json::to_string(&slot.labels).unwrap_or_default();
        let subject = [
            slot.namespace.as_str(),
            &slot.workload_kind,
            &slot.workload,
            &slot.container,
            &labels,
        ];
        self.owners.place(cluster, pool, Some(subject))
    }

    fn on_slot(
        &mut self,
        (key, amount): (&GroupKey, &Amount),
        on: On<'_>,
        of: &ClaimOf,
        (part, value): (Part, CubeValue),
        held: Held,
    ) -> Result<(), LakeError> {
        let place = self.place(on.cluster, &of.pool, &of.slot);
        if !is_cluster_service(&of.slot, self.rules()) {
            let key_id = self.owners.key(amount.kind, place, Some(part), of.day);
            return (self.sink)(self.owners.charges, key, amount, (key_id, of.day), value, held);
        }
        // what serves the whole cluster goes to the cluster's other pods (A27)
        let part = service_part(part);
        let Some(users) = self.users.get(&(on.cluster.to_owned(), of.day)).cloned() else {
            return self.add(key, amount, place, Some(part), of.day, value);
        };
        // the bill line stays where it is counted
        let counted = CubeValue {
            charges: value.charges,
            ..CubeValue::default()
        };
        let spread = CubeValue { charges: 0, ..value };
        let when = (of.day, (key.from, key.to));
        let found = self.on_users((key, amount), (on.cluster, &of.pool), when, &users, (part, spread))?;
        let value = if found { counted } else { value };
        self.add(key, amount, place, Some(part), of.day, value)
    }

    /// A piece nobody on the machine has: over the days of the charge, by time.
    fn on_node(
        &mut self,
        key: &GroupKey,
        amount: &Amount,
        on: On<'_>,
        part: Option<Part>,
        value: CubeValue,
        resources: &[Money; 3],
    ) -> Result<(), LakeError> {
        if value == CubeValue::default() {
            return Ok(());
        }
        let span = Span {
            start: key.from.start(),
            end: key.to.start(),
        };
        let place = self.owners.place(on.cluster, &on.node.pool, None);
        for (day, value) in self.over(on, span, value)? {
            self.add(key, amount, place, part, day, value)?;
            let mut extra = Extra::new(key.machine, amount.kind, part.map_or(At::Disk, At::Node));
            match part {
                Some(_) => extra.cost = over(value.effective, resources.map(Money::abs)),
                None => extra.disk = value.effective,
            }
            extra.billed = value.billed;
            self.extra(key, day, extra);
        }
        Ok(())
    }

    /// Over the days of a span, by time; the first has the bill lines.
    fn over(&self, on: On<'_>, span: Span, value: CubeValue) -> Result<Vec<(Day, CubeValue)>, LakeError> {
        let pieces = pieces(self.rules(), span);
        let split = |amount| split_over(amount, &pieces, self.split).map_err(|source| refused(on, source));
        let (billed, effective) = (split(value.billed)?, split(value.effective)?);
        let days = pieces.iter().zip(billed).zip(effective).enumerate();
        let of_day = |(at, ((piece, billed), effective)): (usize, ((&Span, Money), Money))| {
            let charges = if at == 0 { value.charges } else { 0 };
            let value = CubeValue {
                charges,
                billed,
                effective,
            };
            (piece.first_day(), value)
        };
        Ok(days.map(of_day).collect())
    }

    fn add(
        &mut self,
        group: &GroupKey,
        amount: &Amount,
        place: u32,
        part: Option<Part>,
        day: Day,
        value: CubeValue,
    ) -> Result<(), LakeError> {
        if value == CubeValue::default() {
            return Ok(());
        }
        let key = self.owners.key(amount.kind, place, part, day);
        (self.sink)(self.owners.charges, group, amount, (key, day), value, Held::default())
    }
}

/// Idle capacity of a resource, with what nobody is there to pay for when the
/// node is `alone`.
fn idle_of(split: &ResourceSplit, claims: &[Claim], alone: bool) -> Money {
    if !alone {
        return split.idle;
    }
    let daemons = claims.iter().zip(&split.claims);
    let daemons = daemons.filter(|(claim, _)| claim.role == Role::DaemonSet);
    let all = daemons
        .map(|(_, money)| *money)
        .chain([split.idle, split.system_reserved]);
    // parts of one cost: their sum is never larger than it
    Money::sum(all).unwrap_or(Money::ZERO)
}

/// Money by resource, for display: in the ratio of `weights`, else all of it CPU.
fn over(money: Money, weights: [Money; 3]) -> [Money; 3] {
    match apportion(money, &weights.map(Money::units)).as_deref() {
        Ok([cpu, memory, gpu]) => [*cpu, *memory, *gpu],
        _ => [money, Money::ZERO, Money::ZERO],
    }
}

fn sum<const N: usize>(amounts: [Money; N]) -> Result<Money, LakeError> {
    Money::sum(amounts).map_err(|_: MoneyOverflow| LakeError::Overflow {
        what: "the charges".to_owned(),
    })
}

fn refused(on: On<'_>, source: ApportionError) -> LakeError {
    LakeError::SplitNode {
        cluster: on.cluster.to_owned(),
        node: on.node.name.clone(),
        source,
    }
}
