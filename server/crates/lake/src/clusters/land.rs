//! Lands the pieces of a machine's cost on their owners. Owners are found once
//! per kind of charge, place and epoch of the rules.

use super::machine_day::{ClaimOf, GroupFacts};
use super::{Amount, ChargeKind, GroupKey};
use crate::error::LakeError;
use crate::rows::Charges;
use domain::BillingPeriod;
use domain::Money;
use domain::allocate::cluster_wide::{Users, is_cluster_service};
use domain::allocate::clusters::{
    MachineCost, Piece, disk_weight, left_alone, own_money, placed, service_part, split_disk,
};
use domain::allocate::{CubeKey, CubeValue, key_of, pieces, split_over};
use domain::apportion::{ApportionError, Splitter};
use domain::instant::{Day, Instant, Span};
use domain::rule::RuleSet;
use domain::split::{Claim, Split, node_weights, split_node};
use domain::usage::{Hour, Node, Part, Slot};
use polars::prelude::PlHashMap;
use std::rc::Rc;

pub(super) struct Lander<'a, 'p> {
    kinds: &'a [ChargeKind],
    split: Splitter,
    charges: &'a mut Charges<'p>,
    sink: Sink<'a, 'p>,
    places: PlHashMap<PlaceKey, u32>,
    keys: PlHashMap<(u32, u32, Option<Part>, usize), u32>,
    /// Who uses each cluster, on the days at hand.
    users: PlHashMap<(String, Day), Rc<Users>>,
    /// The places of the users last asked for: of a day and a pool.
    user_places: Option<(Rc<Users>, String, Rc<Vec<u32>>)>,
}

/// Takes each piece: whose it is (group and kind), the position of its key, its
/// day and value.
pub(crate) type Sink<'a, 'p> =
    &'a mut dyn FnMut(&Charges<'p>, &GroupKey, &Amount, (u32, Day), CubeValue) -> Result<(), LakeError>;

/// What of a slot and node owner rules see, as one text.
type PlaceKey = Box<[u8]>;

/// Where a piece lands.
struct Place<'f> {
    cluster: &'f str,
    node: &'f Node,
    slot: Option<&'f Slot>,
    part: Option<Part>,
    day: Day,
    id: u32,
}

impl<'a, 'p> Lander<'a, 'p> {
    pub fn new(
        kinds: &'a [ChargeKind],
        split: Splitter,
        charges: &'a mut Charges<'p>,
        sink: Sink<'a, 'p>,
    ) -> Lander<'a, 'p> {
        Lander {
            kinds,
            split,
            charges,
            sink,
            places: PlHashMap::default(),
            keys: PlHashMap::default(),
            users: PlHashMap::default(),
            user_places: None,
        }
    }

    /// The rules.
    pub fn rules(&self) -> &'p RuleSet {
        &self.charges.program().rules
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
    pub fn land(
        &mut self,
        key: &GroupKey,
        amounts: &[Amount],
        billed_s: Option<u64>,
        cluster: &str,
        node: &Node,
        facts: &GroupFacts,
    ) -> Result<(), LakeError> {
        let claims: Vec<Claim> = facts.claims.iter().map(|(_, claim)| *claim).collect();
        for amount in amounts {
            match key.cost {
                MachineCost::Compute => self.compute(key, amount, billed_s, (cluster, node), facts, &claims)?,
                _ => self.disk(key, amount, (cluster, node), facts, &claims)?,
            }
        }
        Ok(())
    }

    fn compute(
        &mut self,
        key: &GroupKey,
        amount: &Amount,
        billed_s: Option<u64>,
        (cluster, node): (&str, &Node),
        facts: &GroupFacts,
        claims: &[Claim],
    ) -> Result<(), LakeError> {
        let weights = node_weights(&facts.hours, &facts.filled_s, billed_s);
        let divide =
            |cost| split_node(cost, &weights, claims, self.split).map_err(|source| refused(cluster, node, source));
        let effective = divide(amount.value.effective)?;
        let billed = if amount.value.billed == amount.value.effective {
            effective.clone()
        } else {
            divide(amount.value.billed)?
        };
        let at = (cluster, node);
        let charges = amount.value.charges;
        let idle = |split: &Split| {
            split
                .idle
                .checked_add(left_alone(split, claims))
                .map_err(|_| LakeError::Overflow {
                    what: "the cost of a node".to_owned(),
                })
        };
        for (part, billed, effective) in [
            (Part::IdleCapacity, idle(&billed)?, idle(&effective)?),
            (Part::NotReady, billed.not_ready, effective.not_ready),
            (Part::Unobserved, billed.unobserved, effective.unobserved),
        ] {
            let charges = if part == Part::IdleCapacity { charges } else { 0 };
            self.on_node(
                key,
                amount,
                at,
                Some(part),
                CubeValue {
                    charges,
                    billed,
                    effective,
                },
            )?;
        }
        let (own_billed, own_effective) = (own_money(&billed, claims), own_money(&effective, claims));
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
            let mut place = None;
            for (part, billed, effective) in parts {
                let value = CubeValue {
                    charges: 0,
                    billed,
                    effective,
                };
                if value != CubeValue::default() {
                    let id = *place.get_or_insert_with(|| self.place(cluster, of));
                    self.on_slot((key, amount), (cluster, node), of, (part, id), value)?;
                }
            }
        }
        Ok(())
    }

    fn disk(
        &mut self,
        key: &GroupKey,
        amount: &Amount,
        (cluster, node): (&str, &Node),
        facts: &GroupFacts,
        claims: &[Claim],
    ) -> Result<(), LakeError> {
        let refused = |source| refused(cluster, node, source);
        let billed = split_disk(amount.value.billed, claims, self.split).map_err(refused)?;
        let effective = split_disk(amount.value.effective, claims, self.split).map_err(refused)?;
        let (Some(billed), Some(effective)) = (billed, effective) else {
            let part = (key.cost == MachineCost::Network).then_some(Part::UnmeasuredNetwork);
            return self.on_node(key, amount, (cluster, node), part, amount.value);
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
                let id = self.place(cluster, of);
                self.on_slot((key, amount), (cluster, node), of, (key.cost.part_of(claim), id), value)?;
            }
        }
        Ok(())
    }

    /// Lands a charge that does not go by a node.
    pub fn pieces(
        &mut self,
        key: &GroupKey,
        amounts: &[Amount],
        (cluster, name): (&str, &str),
        divide: impl Fn(Money) -> Result<Vec<Piece>, ApportionError>,
    ) -> Result<(), LakeError> {
        let node = Node::default();
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
                let place = Place {
                    cluster,
                    node: &node,
                    slot: Some(&piece.place),
                    part: Some(piece.part),
                    day: piece.span.first_day(),
                    id: self.place_in(cluster, "", &piece.place),
                };
                self.over((key, amount), &place, piece.span, value)?;
            }
        }
        Ok(())
    }

    /// Lands charges of a control plane: evenly over its hours, then each
    /// hour's among who uses the cluster in it.
    pub fn control_plane(&mut self, key: &GroupKey, amounts: &[Amount], cluster: &str) -> Result<(), LakeError> {
        let hours = vec![1; usize::try_from(key.to.0 - key.from.0).unwrap_or(0)];
        let (node, nobody) = (Node::default(), Slot::default());
        for amount in amounts {
            let each = |money| (self.split)(money, &hours).map_err(|source| refused(cluster, &node, source));
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
                let range = (hour, Hour(hour.0 + 1));
                if let Some(users) = users
                    && self.on_users(
                        (key, amount),
                        (cluster, ""),
                        (hour.day(), range),
                        &users,
                        (Part::ControlPlane, value),
                    )?
                {
                    continue;
                }
                let place = Place {
                    cluster,
                    node: &node,
                    slot: Some(&nobody),
                    part: Some(Part::ControlPlane),
                    day: hour.day(),
                    id: self.place_in(cluster, "", &nobody),
                };
                self.add((key, amount), &place, value)?;
            }
        }
        Ok(())
    }

    /// Splits a value among the users of a cluster in some hours of a day; says
    /// whether there were any. The first of them has the bill line.
    fn on_users(
        &mut self,
        charge: (&GroupKey, &Amount),
        (cluster, pool): (&str, &str),
        (day, (from, to)): (Day, (Hour, Hour)),
        users: &Rc<Users>,
        (part, value): (Part, CubeValue),
    ) -> Result<bool, LakeError> {
        let node = Node {
            pool: pool.to_owned(),
            ..Node::default()
        };
        let weights = users.weights(day, from..to);
        let split = self.split;
        let divide = |money| {
            users
                .split(money, &weights, split)
                .map_err(|source| refused(cluster, &node, source))
        };
        let Some(effective) = divide(value.effective)? else {
            return Ok(false);
        };
        let billed = if value.billed == value.effective {
            effective.clone()
        } else {
            divide(value.billed)?.unwrap_or_default()
        };
        let ids = self.places_of(cluster, pool, users);
        let mut charges = value.charges;
        for (at, _) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
            let place = Place {
                cluster,
                node: &node,
                slot: Some(&users.places()[at]),
                part: Some(part),
                day,
                id: ids[at],
            };
            let value = CubeValue {
                charges,
                billed: billed[at],
                effective: effective[at],
            };
            charges = 0;
            self.add(charge, &place, value)?;
        }
        Ok(true)
    }

    /// The places of users in a pool, found once per day.
    fn places_of(&mut self, cluster: &str, pool: &str, users: &Rc<Users>) -> Rc<Vec<u32>> {
        if let Some((known, known_pool, ids)) = &self.user_places
            && Rc::ptr_eq(known, users)
            && known_pool == pool
        {
            return ids.clone();
        }
        let ids: Rc<Vec<u32>> = Rc::new(
            users
                .places()
                .iter()
                .map(|place| self.place_in(cluster, pool, place))
                .collect(),
        );
        self.user_places = Some((users.clone(), pool.to_owned(), ids.clone()));
        ids
    }

    fn on_slot(
        &mut self,
        charge: (&GroupKey, &Amount),
        (cluster, node): (&str, &Node),
        of: &ClaimOf,
        (part, id): (Part, u32),
        value: CubeValue,
    ) -> Result<(), LakeError> {
        if is_cluster_service(&of.slot, self.rules()) {
            return self.service(charge, (cluster, node), of, (part, id), value);
        }
        self.on_place(charge, (cluster, node), of, (part, id), value)
    }

    /// What serves the whole cluster goes to the cluster's other pods (A27).
    fn service(
        &mut self,
        charge: (&GroupKey, &Amount),
        (cluster, node): (&str, &Node),
        of: &ClaimOf,
        (part, id): (Part, u32),
        value: CubeValue,
    ) -> Result<(), LakeError> {
        let part = service_part(part);
        let range = (charge.0.from, charge.0.to);
        let Some(users) = self.users.get(&(cluster.to_owned(), of.day)).cloned() else {
            return self.on_place(charge, (cluster, node), of, (part, id), value);
        };
        // the bill line stays where it is counted
        let counted = CubeValue {
            charges: value.charges,
            ..CubeValue::default()
        };
        let spread = CubeValue { charges: 0, ..value };
        if self.on_users(charge, (cluster, &of.pool), (of.day, range), &users, (part, spread))? {
            return self.on_place(charge, (cluster, node), of, (part, id), counted);
        }
        self.on_place(charge, (cluster, node), of, (part, id), value)
    }

    fn on_place(
        &mut self,
        charge: (&GroupKey, &Amount),
        (cluster, node): (&str, &Node),
        of: &ClaimOf,
        (part, id): (Part, u32),
        value: CubeValue,
    ) -> Result<(), LakeError> {
        let node = if node.pool == of.pool {
            node.clone()
        } else {
            Node {
                pool: of.pool.clone(),
                ..node.clone()
            }
        };
        let place = Place {
            cluster,
            node: &node,
            slot: Some(&of.slot),
            part: Some(part),
            day: of.day,
            id,
        };
        self.add(charge, &place, value)
    }

    /// A piece nobody on the machine has: over the days of the charge, by time.
    fn on_node(
        &mut self,
        key: &GroupKey,
        amount: &Amount,
        (cluster, node): (&str, &Node),
        part: Option<Part>,
        value: CubeValue,
    ) -> Result<(), LakeError> {
        if value == CubeValue::default() {
            return Ok(());
        }
        let span = Span {
            start: key.from.start(),
            end: key.to.start(),
        };
        let place = Place {
            cluster,
            node,
            slot: None,
            part,
            day: span.first_day(),
            id: self.place_of(&[cluster, &node.pool, "node"]),
        };
        self.over((key, amount), &place, span, value)
    }

    /// Over the days of a span, by time.
    fn over(
        &mut self,
        charge: (&GroupKey, &Amount),
        place: &Place<'_>,
        span: Span,
        value: CubeValue,
    ) -> Result<(), LakeError> {
        let pieces = pieces(self.rules(), span);
        let split = |amount| {
            split_over(amount, &pieces, self.split).map_err(|source| refused(place.cluster, place.node, source))
        };
        let (billed, effective) = (split(value.billed)?, split(value.effective)?);
        for (at, ((piece, billed), effective)) in pieces.iter().zip(billed).zip(effective).enumerate() {
            let value = CubeValue {
                charges: if at == 0 { value.charges } else { 0 },
                billed,
                effective,
            };
            let place = Place {
                day: piece.first_day(),
                ..*place
            };
            self.add(charge, &place, value)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        (group, amount): (&GroupKey, &Amount),
        place: &Place<'_>,
        value: CubeValue,
    ) -> Result<(), LakeError> {
        if value == CubeValue::default() {
            return Ok(());
        }
        let at = place.day.start();
        let epoch = self.charges.program().rules.epoch(at);
        let known = (amount.kind, place.id, place.part, epoch);
        let key = match self.keys.get(&known) {
            Some(key) => *key,
            None => {
                let key = self.find(amount, place, at);
                self.keys.insert(known, key);
                key
            }
        };
        (self.sink)(self.charges, group, amount, (key, place.day), value)
    }

    fn find(&mut self, amount: &Amount, place: &Place<'_>, at: Instant) -> u32 {
        let kind = &self.kinds[amount.kind as usize];
        let attributes = if place.cluster.is_empty() {
            kind.attributes.clone()
        } else {
            placed(&kind.attributes, place.cluster, place.node, place.slot, place.part)
        };
        let program = self.charges.program();
        let found = key_of(
            program,
            BillingPeriod::of(Instant(0)),
            &kind.currency,
            kind.category,
            &attributes,
            at,
        );
        self.charges.key_id(CubeKey {
            day: None,
            class: kind.class,
            ..found
        })
    }

    fn place(&mut self, cluster: &str, of: &ClaimOf) -> u32 {
        self.place_in(cluster, &of.pool, &of.slot)
    }

    fn place_in(&mut self, cluster: &str, pool: &str, slot: &Slot) -> u32 {
        let mut texts = vec![
            cluster,
            pool,
            "slot",
            &slot.namespace,
            &slot.workload_kind,
            &slot.workload,
            &slot.container,
        ];
        texts.extend(
            slot.labels
                .iter()
                .flat_map(|(key, value)| [key.as_str(), value.as_str()]),
        );
        self.place_of(&texts)
    }

    fn place_of(&mut self, texts: &[&str]) -> u32 {
        let mut key = Vec::with_capacity(texts.iter().map(|text| text.len() + 4).sum());
        for text in texts {
            key.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            key.extend_from_slice(text.as_bytes());
        }
        if let Some(id) = self.places.get(key.as_slice()) {
            return *id;
        }
        let id = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.insert(key.into(), id);
        id
    }
}

fn refused(cluster: &str, node: &Node, source: ApportionError) -> LakeError {
    LakeError::SplitNode {
        cluster: cluster.to_owned(),
        node: node.name.clone(),
        source,
    }
}
