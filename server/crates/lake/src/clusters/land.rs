//! Splits the charges of a group by the reference and lands the pieces on
//! their owners: groups of several days, and every group when a figure is
//! walked back to its bill lines.

use super::extra::{At, Extra, Extras};
use super::gather::{Amount, ChargeKind, Group, GroupKey};
use super::machine_day::{ClaimOf, GroupFacts};
use super::owners::Owners;
use crate::error::LakeError;
use crate::rows::Charges;
use domain::Money;
use domain::allocate::clusters::{MachineCost, disk_weight, own_money, split_disk, system_left};
use domain::allocate::{CubeValue, pieces, split_over};
use domain::apportion::{ApportionError, Splitter, apportion};
use domain::instant::{Day, Span};
use domain::money::MoneyOverflow;
use domain::split::{Claim, NodeWeights, ResourceSplit, Split, node_weights, split_node, split_resources};
use domain::usage::{Node, Part};
use std::collections::BTreeMap;

pub(super) struct Lander<'a, 'p> {
    split: Splitter,
    owners: Owners<'a, 'p>,
    sink: Sink<'a, 'p>,
    /// Of machines: position of the cluster. `None` = container-days are not asked for.
    clusters: Option<Vec<u32>>,
    pub extras: Extras,
}

/// Takes each piece: whose it is (group and kind), the position of its key, its
/// day and value.
pub(crate) type Sink<'a, 'p> =
    &'a mut dyn FnMut(&Charges<'p>, &GroupKey, &Amount, (u32, Day), CubeValue) -> Result<(), LakeError>;

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
        }
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
                MachineCost::RootDisk => self.disk(key, &amount, on, facts, &claims)?,
            }
        }
        Ok(())
    }

    fn compute(
        &mut self,
        key: &GroupKey,
        amount: &Amount,
        weights: &NodeWeights,
        on: On<'_>,
        facts: &GroupFacts,
        claims: &[Claim],
    ) -> Result<(), LakeError> {
        let refused = |source| refused(on, source);
        let divide = |cost| split_node(cost, weights, claims, self.split).map_err(refused);
        let effective = divide(amount.value.effective)?;
        let billed = if amount.value.billed == amount.value.effective {
            effective.clone()
        } else {
            divide(amount.value.billed)?
        };
        let resources = match self.clusters {
            Some(_) => split_resources(amount.value.effective, weights, claims, self.split).map_err(refused)?,
            None => Default::default(),
        };
        let charges = amount.value.charges;
        for (part, billed, effective, pick) in [
            (Part::IdleCapacity, billed.idle, effective.idle, IDLE),
            (Part::NotReady, billed.not_ready, effective.not_ready, NOT_READY),
            (Part::Unobserved, billed.unobserved, effective.unobserved, UNOBSERVED),
            (
                Part::SystemReserved,
                system_left(&billed),
                system_left(&effective),
                RESERVED,
            ),
        ] {
            let value = CubeValue {
                charges: if part == Part::IdleCapacity { charges } else { 0 },
                billed,
                effective,
            };
            self.on_node(key, amount, on, Some(part), value, &resources.each_ref().map(pick))?;
        }
        self.claims(key, amount, on, facts, claims, (&billed, &effective, &resources))
    }

    fn claims(
        &mut self,
        key: &GroupKey,
        amount: &Amount,
        on: On<'_>,
        facts: &GroupFacts,
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
            for (part, billed, effective) in parts {
                let value = CubeValue {
                    charges: 0,
                    billed,
                    effective,
                };
                if value != CubeValue::default() {
                    self.on_slot(key, amount, on, of, part, value)?;
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
            return self.on_node(key, amount, on, None, amount.value, &[Money::ZERO; 3]);
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
                self.on_slot(key, amount, on, of, Part::of(claim.role, of.filled), value)?;
            }
            let mut extra = Extra::new(key.machine, amount.kind, At::Slot(of.index, of.filled));
            (extra.disk, extra.billed) = (value.effective, value.billed);
            self.extra(key, of.day, extra);
        }
        Ok(())
    }

    fn extra(&mut self, key: &GroupKey, day: Day, extra: Extra) {
        if let Some(clusters) = &self.clusters {
            let cluster = clusters.get(key.machine as usize).copied().unwrap_or(0);
            self.extras.entry((cluster, day)).or_default().push(extra);
        }
    }

    fn on_slot(
        &mut self,
        key: &GroupKey,
        amount: &Amount,
        on: On<'_>,
        of: &ClaimOf,
        part: Part,
        value: CubeValue,
    ) -> Result<(), LakeError> {
        let slot = &of.slot;
        let labels = serde_json::to_string(&slot.labels).unwrap_or_default();
        let subject = [
            slot.namespace.as_str(),
            &slot.workload_kind,
            &slot.workload,
            &slot.container,
            &labels,
        ];
        let place = self.owners.place(on.cluster, &of.pool, Some(subject));
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
        let pieces = pieces(&self.owners.charges.program().rules, span);
        let split = |amount| split_over(amount, &pieces, self.split).map_err(|source| refused(on, source));
        let (billed, effective) = (split(value.billed)?, split(value.effective)?);
        let place = self.owners.place(on.cluster, &on.node.pool, None);
        for (at, ((piece, billed), effective)) in pieces.iter().zip(billed).zip(effective).enumerate() {
            let charges = if at == 0 { value.charges } else { 0 };
            let day = piece.first_day();
            let value = CubeValue {
                charges,
                billed,
                effective,
            };
            self.add(key, amount, place, part, day, value)?;
            let mut extra = Extra::new(key.machine, amount.kind, part.map_or(At::Disk, At::Node));
            match part {
                Some(_) => extra.cost = over(effective, resources.map(Money::abs)),
                None => extra.disk = effective,
            }
            extra.billed = billed;
            self.extra(key, day, extra);
        }
        Ok(())
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
        (self.sink)(self.owners.charges, group, amount, (key, day), value)
    }
}

const IDLE: fn(&ResourceSplit) -> Money = |split| split.idle;
const NOT_READY: fn(&ResourceSplit) -> Money = |split| split.not_ready;
const UNOBSERVED: fn(&ResourceSplit) -> Money = |split| split.unobserved;
const RESERVED: fn(&ResourceSplit) -> Money = |split| split.system_reserved;

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
