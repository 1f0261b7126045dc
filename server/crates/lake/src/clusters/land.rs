//! Lands the pieces of a machine's cost on their owners. Owners are found once
//! per kind of charge, place and epoch of the rules.

use super::machine_day::{ClaimOf, GroupFacts};
use super::{Amount, ChargeKind, GroupKey};
use crate::error::LakeError;
use crate::rows::Charges;
use domain::BillingPeriod;
use domain::allocate::clusters::{MachineCost, disk_weight, own_money, placed, split_disk, system_left};
use domain::allocate::{CubeKey, CubeValue, key_of, pieces, split_over};
use domain::apportion::{ApportionError, Splitter};
use domain::instant::{Day, Instant, Span};
use domain::split::{Claim, node_weights, split_node};
use domain::usage::{Node, Part, Slot};
use polars::prelude::PlHashMap;

pub(super) struct Lander<'a, 'p> {
    kinds: &'a [ChargeKind],
    split: Splitter,
    charges: &'a mut Charges<'p>,
    sink: Sink<'a, 'p>,
    places: PlHashMap<PlaceKey, u32>,
    keys: PlHashMap<(u32, u32, Option<Part>, usize), u32>,
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
        }
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
                MachineCost::RootDisk => self.disk(key, amount, (cluster, node), facts, &claims)?,
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
        for (part, billed, effective) in [
            (Part::IdleCapacity, billed.idle, effective.idle),
            (Part::NotReady, billed.not_ready, effective.not_ready),
            (Part::Unobserved, billed.unobserved, effective.unobserved),
            (Part::SystemReserved, system_left(&billed), system_left(&effective)),
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
            return self.on_node(key, amount, (cluster, node), None, amount.value);
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
                self.on_slot(
                    (key, amount),
                    (cluster, node),
                    of,
                    (Part::of(claim.role, of.filled), id),
                    value,
                )?;
            }
        }
        Ok(())
    }

    fn on_slot(
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
        let pieces = pieces(&self.charges.program().rules, span);
        let split = |amount| split_over(amount, &pieces, self.split).map_err(|source| refused(cluster, node, source));
        let (billed, effective) = (split(value.billed)?, split(value.effective)?);
        let id = self.place_of(&[cluster, &node.pool, "node"]);
        for (at, ((piece, billed), effective)) in pieces.iter().zip(billed).zip(effective).enumerate() {
            let charges = if at == 0 { value.charges } else { 0 };
            let place = Place {
                cluster,
                node,
                slot: None,
                part,
                day: piece.first_day(),
                id,
            };
            self.add(
                (key, amount),
                &place,
                CubeValue {
                    charges,
                    billed,
                    effective,
                },
            )?;
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
        let attributes = placed(&kind.attributes, place.cluster, place.node, place.slot, place.part);
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
        let slot = &of.slot;
        let mut texts = vec![
            cluster,
            &of.pool,
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
