//! The reference allocation of bills with usage: a node's cost lands on what
//! ran on it (A1-A5, A26-A29), its root disk follows (A27), and everything
//! else lands as without usage.
//!
//! Charges of one machine and the same whole hours are split by the same
//! weights, integrated over these hours (A2, A4); a machine the facts do not
//! know keeps its charge as it is. `lake::allocate` is the fast form.

use super::{AllocateError, Cube, CubeKey, CubeValue, Program, key_of, land, pieces, split_over};
use crate::apportion::Splitter;
use crate::charge::{Attributes, Charge, ChargeCategory};
use crate::class::Class;
use crate::instant::{Day, SECOND_US, Span};
use crate::money::Money;
use crate::split::{Claim, Split, UNIT_WEIGHTS, node_weights, split_node};
use crate::usage::fill::fill;
use crate::usage::key::resource_key;
use crate::usage::{ClusterDay, HOUR_S, Hour, Measure, Node, NodeHour, Part, Resource, Role, Slot};
use std::collections::BTreeMap;

/// What of a machine a charge pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MachineCost {
    /// The machine itself: split among what ran on it.
    Compute,
    /// Its root disk: follows the pods of the node (A27).
    RootDisk,
}

impl MachineCost {
    /// What charges of a class may pay for of a machine. The facts decide
    /// whether they do: tags need not say that a machine is a node.
    #[must_use]
    pub fn of(class: Class) -> Option<MachineCost> {
        match class {
            Class::NodeCompute | Class::Machine => Some(MachineCost::Compute),
            Class::NodeDisk | Class::Volume => Some(MachineCost::RootDisk),
            _ => None,
        }
    }

    /// The class of the charge, now that it is known to be one of a node.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            MachineCost::Compute => Class::NodeCompute,
            MachineCost::RootDisk => Class::NodeDisk,
        }
    }
}

/// Whole hours a charge period touches: its first, and the one after its last.
#[must_use]
pub fn hours_of(span: Span) -> (Hour, Hour) {
    let first = Hour::of(span.start);
    let hour_us = i64::from(HOUR_S) * SECOND_US;
    let last = i32::try_from((span.end.0 + hour_us - 1).div_euclid(hour_us)).unwrap_or(i32::MAX);
    (first, Hour(last.max(first.0 + 1)))
}

/// Seconds of a ConsumedQuantity (at scale 12) in a unit of time (A3); `None`
/// for other units, and for corrections with a negative quantity.
#[must_use]
pub fn billed_seconds(unit: Option<&str>, quantity: Option<i128>) -> Option<u64> {
    let seconds: i128 = match unit?.trim().to_ascii_lowercase().as_str() {
        "hours" | "hour" | "hrs" | "hr" | "h" => 3_600,
        "minutes" | "minute" | "min" => 60,
        "seconds" | "second" | "sec" | "s" => 1,
        _ => return None,
    };
    let whole = quantity?.checked_mul(seconds)? / 1_000_000_000_000;
    u64::try_from(whole).ok()
}

/// The columns and labels of a piece of a node's cost, beside those of its
/// charge: what owner rules see (docs/RULES.md).
#[must_use]
pub fn placed(charge: &Attributes, cluster: &str, node: &Node, slot: Option<&Slot>, part: Option<Part>) -> Attributes {
    let mut placed = charge.clone();
    let mut set = |name: &str, value: &str| {
        if value.is_empty() {
            placed.columns.remove(name);
        } else {
            placed.columns.insert(name.to_owned(), value.to_owned());
        }
    };
    set("Cluster", cluster);
    set("NodePool", &node.pool);
    set("AllocationPart", part.map_or("", Part::as_str));
    if let Some(slot) = slot {
        set("Namespace", &slot.namespace);
        set("WorkloadKind", &slot.workload_kind);
        set("Workload", &slot.workload);
        set("Container", &slot.container);
        for (key, value) in &slot.labels {
            placed.tags.insert(format!("label:{key}"), value.clone());
        }
    }
    placed
}

/// Splits a root disk among the pods of its node (A27): by their effective
/// requests. `None` when no pod ran.
///
/// # Errors
/// What the splitter refuses.
pub fn split_disk(
    cost: Money,
    claims: &[Claim],
    split: Splitter,
) -> Result<Option<Vec<Money>>, crate::apportion::ApportionError> {
    let weights: Vec<i128> = claims.iter().map(disk_weight).collect();
    if weights.iter().all(|weight| *weight == 0) {
        return Ok(None);
    }
    split(cost, &weights).map(Some)
}

/// What is left with the node of its system-reserved money once pods pay for it (A27).
#[must_use]
pub fn system_left(split: &Split) -> Money {
    if split.follow_system.iter().all(|money| money.is_zero()) {
        split.system_reserved
    } else {
        Money::ZERO
    }
}

/// What is left with each claim: the money of DaemonSets moves to the pods that pay for it (A27).
#[must_use]
pub fn own_money(split: &Split, claims: &[Claim]) -> Vec<Money> {
    let moved = !split.follow_daemon.iter().all(|money| money.is_zero());
    let own = |(claim, money): (&Claim, &Money)| {
        if moved && claim.role == Role::DaemonSet {
            Money::ZERO
        } else {
            *money
        }
    };
    claims.iter().zip(&split.claims).map(own).collect()
}

/// What a claim weighs when a root disk is split: DaemonSets and placeholders do not pay for it.
#[must_use]
pub fn disk_weight(claim: &Claim) -> i128 {
    match claim.role {
        Role::Workload | Role::PodOverhead => Resource::ALL
            .map(|resource| i128::from(UNIT_WEIGHTS.get(resource)) * i128::from(claim.effective.get(resource)))
            .iter()
            .sum(),
        Role::DaemonSet | Role::Placeholder => 0,
    }
}

type Machine = (String, String);
type GroupKey = (Machine, MachineCost, Hour, Hour);
type ClaimKey = (Slot, bool, Day);

struct Facts<'a> {
    days: BTreeMap<(&'a str, Day), &'a ClusterDay>,
    compute: BTreeMap<String, Machine>,
    disks: BTreeMap<String, Machine>,
}

impl<'a> Facts<'a> {
    fn new(days: &'a [ClusterDay]) -> Facts<'a> {
        let mut facts = Facts {
            days: days.iter().map(|day| ((day.cluster.as_str(), day.day), day)).collect(),
            compute: BTreeMap::new(),
            disks: BTreeMap::new(),
        };
        for day in days {
            for (node, _) in &day.nodes {
                let machine = (day.cluster.clone(), machine_key(node));
                if !node.root_volume_id.is_empty() {
                    facts
                        .disks
                        .entry(resource_key(&node.root_volume_id))
                        .or_insert_with(|| machine.clone());
                }
                facts.compute.entry(machine.1.clone()).or_insert(machine);
            }
        }
        facts
    }

    fn machine(&self, charge: &Charge, cost: MachineCost) -> Option<&Machine> {
        let key = resource_key(charge.attributes.column("ResourceId")?);
        match cost {
            MachineCost::Compute => self.compute.get(&key),
            MachineCost::RootDisk => self.disks.get(&key),
        }
    }

    /// The facts of a machine in some hours, and its first known identity.
    fn of(&self, machine: &Machine, from: Hour, to: Hour) -> MachineFacts {
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

/// How machines are joined: by what the bill calls them, else by name.
#[must_use]
pub fn machine_key(node: &Node) -> String {
    if node.provider_id.is_empty() {
        node.name.clone()
    } else {
        resource_key(&node.provider_id)
    }
}

#[derive(Default)]
struct MachineFacts {
    node: Option<Node>,
    nodes: BTreeMap<Day, Node>,
    hours: Vec<NodeHour>,
    filled_s: Vec<u32>,
    claims: BTreeMap<ClaimKey, Claim>,
}

impl MachineFacts {
    fn add_day(&mut self, day: Day, node: &Node, hours: &[NodeHour], facts: &ClusterDay, range: std::ops::Range<Hour>) {
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

/// Allocates every charge, node costs by usage. `days` are in any order, one
/// per cluster and day; `split` as in [`super::allocate`].
///
/// # Errors
/// When an amount cannot be split or added exactly.
pub fn allocate_with_usage(
    charges: &[Charge],
    days: &[ClusterDay],
    program: &Program,
    split: Splitter,
) -> Result<Cube, AllocateError> {
    let facts = Facts::new(days);
    let mut cube = Cube::new(program.rules.dimensions.clone());
    let mut groups: BTreeMap<GroupKey, Vec<&Charge>> = BTreeMap::new();
    for charge in charges {
        let cost = MachineCost::of(program.classes.class_of(&charge.attributes));
        let machine = cost.and_then(|cost| Some((facts.machine(charge, cost)?.clone(), cost)));
        match machine {
            Some((machine, cost)) => {
                let (from, to) = hours_of(charge.span);
                groups.entry((machine, cost, from, to)).or_default().push(charge);
            }
            None => land(&mut cube, charge, &charge.attributes, program, split)?,
        }
    }
    for ((machine, cost, from, to), charges) in groups {
        let facts = facts.of(&machine, from, to);
        let lander = Lander {
            program,
            split,
            cluster: &machine.0,
            facts: &facts,
            from,
            to,
            cost,
        };
        for (charge, lines) in summed(&charges, program)? {
            match cost {
                MachineCost::Compute => lander.compute(&mut cube, &charge, lines, billed_s(&charges, from, to))?,
                MachineCost::RootDisk => lander.disk(&mut cube, &charge, lines)?,
            }
        }
    }
    Ok(cube)
}

/// Charges of a group that neither rules nor pages can tell apart are added up
/// before they are split (A4), with the number of bill lines.
fn summed(charges: &[&Charge], program: &Program) -> Result<Vec<(Charge, u64)>, AllocateError> {
    let columns = program.columns();
    let mut sums: BTreeMap<(crate::period::BillingPeriod, Attributes, String), (Charge, u64)> = BTreeMap::new();
    for charge in charges {
        let mut attributes = charge.attributes.clone();
        attributes.columns.retain(|name, _| columns.contains(name));
        let key = (
            charge.period,
            attributes.clone(),
            format!("{} {}", charge.currency, charge.category),
        );
        let empty = || {
            let money = Money::ZERO;
            let charge = Charge {
                attributes,
                billed: money,
                effective: money,
                ..(*charge).clone()
            };
            (charge, 0)
        };
        let (sum, lines) = sums.entry(key).or_insert_with(empty);
        sum.billed = sum.billed.checked_add(charge.billed)?;
        sum.effective = sum.effective.checked_add(charge.effective)?;
        *lines += 1;
    }
    Ok(sums.into_values().collect())
}

/// Billed seconds of a group: halves of one instance add up (A4), to its hours at most.
fn billed_s(charges: &[&Charge], from: Hour, to: Hour) -> Option<u64> {
    let usage = charges.iter().filter(|charge| charge.category == ChargeCategory::Usage);
    let seconds: Vec<u64> = usage.filter_map(|charge| charge.consumed_s).collect();
    let most = u64::from(to.0.abs_diff(from.0)) * u64::from(HOUR_S);
    (!seconds.is_empty()).then(|| seconds.iter().copied().fold(0, u64::saturating_add).min(most))
}

struct Lander<'a> {
    program: &'a Program,
    split: Splitter,
    cluster: &'a str,
    facts: &'a MachineFacts,
    cost: MachineCost,
    from: Hour,
    to: Hour,
}

impl Lander<'_> {
    fn compute(
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
        // the bill line is counted once, where its idle capacity is
        for (part, billed, effective) in [
            rest(Part::IdleCapacity, |split| split.idle),
            rest(Part::NotReady, |split| split.not_ready),
            rest(Part::Unobserved, |split| split.unobserved),
            rest(Part::SystemReserved, system_left),
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
                self.land_on_slot(
                    cube,
                    charge,
                    (slot, *day),
                    part,
                    CubeValue {
                        charges: 0,
                        billed,
                        effective,
                    },
                )?;
            }
        }
        Ok(())
    }

    fn disk(&self, cube: &mut Cube, charge: &Charge, lines: u64) -> Result<(), AllocateError> {
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
            return self.land_on_node(cube, charge, None, value);
        };
        let mut lines = lines;
        for (at, ((slot, filled, day), claim)) in self.facts.claims.iter().enumerate() {
            if disk_weight(claim) == 0 {
                continue;
            }
            let value = CubeValue {
                charges: lines,
                billed: billed[at],
                effective: effective[at],
            };
            lines = 0;
            self.land_on_slot(cube, charge, (slot, *day), Part::of(claim.role, *filled), value)?;
        }
        Ok(())
    }

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
        let attributes = placed(&charge.attributes, self.cluster, node, Some(slot), Some(part));
        add(cube, self.key(charge, &attributes, day), value)
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
        let pieces = pieces(&self.program.rules, span);
        let refused = |source| AllocateError::Split {
            id: charge.id.clone(),
            source,
        };
        let billed = split_over(value.billed, &pieces, self.split).map_err(refused)?;
        let effective = split_over(value.effective, &pieces, self.split).map_err(refused)?;
        for (at, ((piece, billed), effective)) in pieces.iter().zip(billed).zip(effective).enumerate() {
            let charges = if at == 0 { value.charges } else { 0 };
            let key = self.key(charge, &attributes, piece.first_day());
            add(
                cube,
                key,
                CubeValue {
                    charges,
                    billed,
                    effective,
                },
            )?;
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
