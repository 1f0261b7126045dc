//! Lands the pieces of a cluster's charges on their owners.

use super::super::cluster_wide::{Users, is_cluster_service};
use super::super::{AllocateError, Cube, CubeKey, CubeValue, Program, key_of, pieces, split_over};
use super::facts::MachineFacts;
use super::{MachineCost, Piece, disk_weight, left_alone, own_money, placed, service_part, split_disk};
use crate::apportion::{ApportionError, Splitter};
use crate::charge::{Attributes, Charge};
use crate::instant::{Day, Span};
use crate::money::Money;
use crate::split::{Claim, Split, node_weights, split_node};
use crate::usage::{Hour, Node, Part, Slot};
use std::collections::BTreeMap;

/// Lands the charges of one group.
pub(super) struct Lander<'a> {
    pub program: &'a Program,
    pub split: Splitter,
    pub cluster: &'a str,
    pub facts: &'a MachineFacts,
    pub users: &'a BTreeMap<(&'a str, Day), Users>,
    pub cost: MachineCost,
    pub from: Hour,
    pub to: Hour,
}

impl Lander<'_> {
    pub fn compute(
        &self,
        cube: &mut Cube,
        charge: &Charge,
        lines: u64,
        billed_s: Option<u64>,
    ) -> Result<(), AllocateError> {
        let weights = node_weights(&self.facts.hours, &self.facts.filled_s, billed_s);
        let claims: Vec<Claim> = self.facts.claims.values().copied().collect();
        let refused = |source| AllocateError::Split {
            id: charge.id.clone(),
            source,
        };
        let divide = |cost| split_node(cost, &weights, &claims, self.split).map_err(refused);
        let (billed, effective) = (divide(charge.billed)?, divide(charge.effective)?);
        let rest = |part: Part, pick: fn(&Split) -> Money| (part, pick(&billed), pick(&effective));
        let alone = |split: &Split| left_alone(split, &claims);
        // the bill line is counted once, where its idle capacity is
        for (part, billed, effective) in [
            (
                Part::IdleCapacity,
                billed.idle.checked_add(alone(&billed))?,
                effective.idle.checked_add(alone(&effective))?,
            ),
            rest(Part::NotReady, |split| split.not_ready),
            rest(Part::Unobserved, |split| split.unobserved),
        ] {
            let charges = if part == Part::IdleCapacity { lines } else { 0 };
            self.land_on_node(
                cube,
                charge,
                Some(part),
                CubeValue {
                    charges,
                    billed,
                    effective,
                },
            )?;
        }
        let (own_billed, own_effective) = (own_money(&billed, &claims), own_money(&effective, &claims));
        for (at, ((slot, filled, day), claim)) in self.facts.claims.iter().enumerate() {
            let own = (Part::of(claim.role, *filled), own_billed[at], own_effective[at]);
            let system = (
                Part::SystemReserved,
                billed.follow_system[at],
                effective.follow_system[at],
            );
            let daemon = (Part::DaemonSet, billed.follow_daemon[at], effective.follow_daemon[at]);
            for (part, billed, effective) in [own, system, daemon] {
                let value = CubeValue {
                    charges: 0,
                    billed,
                    effective,
                };
                self.land_on_slot(cube, charge, (slot, *day), part, value)?;
            }
        }
        Ok(())
    }

    /// Pieces that do not go by a node.
    pub fn pieces(
        &self,
        cube: &mut Cube,
        charge: &Charge,
        lines: u64,
        divide: impl Fn(Money) -> Result<Vec<Piece>, ApportionError>,
    ) -> Result<(), AllocateError> {
        let refused = |source| AllocateError::Split {
            id: charge.id.clone(),
            source,
        };
        let (billed, effective) = (
            divide(charge.billed).map_err(refused)?,
            divide(charge.effective).map_err(refused)?,
        );
        for (at, (billed, effective)) in billed.iter().zip(&effective).enumerate() {
            let value = CubeValue {
                charges: if at == 0 { lines } else { 0 },
                billed: billed.money,
                effective: effective.money,
            };
            // a control plane of no known cluster is split by time, as any charge
            let attributes = if self.cluster.is_empty() {
                charge.attributes.clone()
            } else {
                let (node, place) = (Node::default(), Some(&billed.place));
                placed(&charge.attributes, self.cluster, &node, place, Some(billed.part))
            };
            self.land_over(cube, charge, &attributes, billed.span, value)?;
        }
        Ok(())
    }

    pub fn disk(&self, cube: &mut Cube, charge: &Charge, lines: u64) -> Result<(), AllocateError> {
        let claims: Vec<Claim> = self.facts.claims.values().copied().collect();
        let refused = |source| AllocateError::Split {
            id: charge.id.clone(),
            source,
        };
        let billed = split_disk(charge.billed, &claims, self.split).map_err(refused)?;
        let effective = split_disk(charge.effective, &claims, self.split).map_err(refused)?;
        let (Some(billed), Some(effective)) = (billed, effective) else {
            let value = CubeValue {
                charges: lines,
                billed: charge.billed,
                effective: charge.effective,
            };
            let part = (self.cost == MachineCost::Network).then_some(Part::UnmeasuredNetwork);
            return self.land_on_node(cube, charge, part, value);
        };
        let mut lines = lines;
        for (at, ((slot, _, day), claim)) in self.facts.claims.iter().enumerate() {
            if disk_weight(claim) == 0 {
                continue;
            }
            let value = CubeValue {
                charges: lines,
                billed: billed[at],
                effective: effective[at],
            };
            lines = 0;
            self.land_on_slot(cube, charge, (slot, *day), self.cost.part_of(claim), value)?;
        }
        Ok(())
    }

    /// What a slot pays; what serves the whole cluster goes to the cluster's other pods (A27).
    fn land_on_slot(
        &self,
        cube: &mut Cube,
        charge: &Charge,
        (slot, day): (&Slot, Day),
        part: Part,
        value: CubeValue,
    ) -> Result<(), AllocateError> {
        let Some(node) = self.facts.nodes.get(&day) else {
            return Ok(());
        };
        let mut land = |slot: &Slot, part, value| {
            let attributes = placed(&charge.attributes, self.cluster, node, Some(slot), Some(part));
            add(cube, self.key(charge, &attributes, day), value)
        };
        if !is_cluster_service(slot, &self.program.rules) {
            return land(slot, part, value);
        }
        let part = service_part(part);
        let users = self.users.get(&(self.cluster, day));
        let weights = users.map_or_else(Vec::new, |users| users.weights(day, self.from..self.to));
        let divide = |money| {
            let shares = users.map(|users| users.split(money, &weights, self.split));
            shares
                .transpose()
                .map(Option::flatten)
                .map_err(|source| AllocateError::Split {
                    id: charge.id.clone(),
                    source,
                })
        };
        let (Some(users), Some(billed), Some(effective)) = (users, divide(value.billed)?, divide(value.effective)?)
        else {
            return land(slot, part, value);
        };
        // the bill line stays where it is counted
        let counted = CubeValue {
            charges: value.charges,
            ..CubeValue::default()
        };
        land(slot, part, counted)?;
        for ((place, billed), effective) in users.places().iter().zip(billed).zip(effective) {
            let value = CubeValue {
                charges: 0,
                billed,
                effective,
            };
            land(place, part, value)?;
        }
        Ok(())
    }

    fn land_on_node(
        &self,
        cube: &mut Cube,
        charge: &Charge,
        part: Option<Part>,
        value: CubeValue,
    ) -> Result<(), AllocateError> {
        let node = self.facts.node.clone().unwrap_or_default();
        let attributes = placed(&charge.attributes, self.cluster, &node, None, part);
        let span = Span {
            start: self.from.start(),
            end: self.to.start(),
        };
        self.land_over(cube, charge, &attributes, span, value)
    }

    /// Over the days of a span, by time.
    fn land_over(
        &self,
        cube: &mut Cube,
        charge: &Charge,
        attributes: &Attributes,
        span: Span,
        value: CubeValue,
    ) -> Result<(), AllocateError> {
        let pieces = pieces(&self.program.rules, span);
        let refused = |source| AllocateError::Split {
            id: charge.id.clone(),
            source,
        };
        let billed = split_over(value.billed, &pieces, self.split).map_err(refused)?;
        let effective = split_over(value.effective, &pieces, self.split).map_err(refused)?;
        for (at, ((piece, billed), effective)) in pieces.iter().zip(billed).zip(effective).enumerate() {
            let value = CubeValue {
                charges: if at == 0 { value.charges } else { 0 },
                billed,
                effective,
            };
            add(cube, self.key(charge, attributes, piece.first_day()), value)?;
        }
        Ok(())
    }

    fn key(&self, charge: &Charge, attributes: &Attributes, day: Day) -> CubeKey {
        let at = day.start();
        let mut key = key_of(
            self.program,
            charge.period,
            &charge.currency,
            charge.category,
            attributes,
            at,
        );
        // what the money is does not change with where it lands
        key.class = self.cost.class();
        key
    }
}

/// A line without lines of the bill and without money is no line.
fn add(cube: &mut Cube, key: CubeKey, value: CubeValue) -> Result<(), AllocateError> {
    if value == CubeValue::default() {
        return Ok(());
    }
    Ok(cube.add(key, value)?)
}
