//! What floating commitments save (A16). The provider applies a plan to
//! whichever machine saves the most that hour; of two equal machines one is
//! cheap by luck.

use super::{Book, CommitmentMode, Entities, Kind, Policy, PriceError, PriceRule, Scope, scope_of, text, unit};
use crate::class::Class;
use crate::commitment::{Role, role};
use crate::money::Money;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Columns with the instance type, as providers' exports call it.
pub(super) const INSTANCE_TYPE: [&str; 6] = [
    "product/instanceType",
    "product_instance_type",
    "x_InstanceType",
    "x_SkuInstanceType",
    "InstanceType",
    "x_SkuInstanceFamily",
];

/// Lines among which a saving is shared: the same kind of capacity, in one
/// region, in one unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pool {
    /// Legal entity, else billing account.
    scope: String,
    capacity: Capacity,
    service: String,
    region: String,
    family: String,
    unit: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Capacity {
    /// Machines, whether of a cluster or not.
    Compute,
    Other(Class),
}

fn pool(line: &Kind<'_>, entities: &Entities) -> Pool {
    let of = |column: &str| text(line.attributes, column).to_owned();
    let types = INSTANCE_TYPE.iter().map(|column| text(line.attributes, column));
    // m5.large and m5.xlarge are of one family; without types a SKU is one
    let families = types.map(|of| of.split('.').next().unwrap_or(""));
    let sku = [text(line.attributes, "SkuId")];
    let family = families.chain(sku).find(|of| !of.is_empty());
    Pool {
        scope: scope_of(entities, line.attributes),
        capacity: match line.class {
            Class::NodeCompute | Class::Machine => Capacity::Compute,
            other => Capacity::Other(other),
        },
        service: of("ServiceName"),
        region: of("RegionId"),
        family: family.unwrap_or("").to_ascii_lowercase(),
        unit: unit(line.attributes),
    }
}

/// What a line is to commitments; moves, corrections and what is no capacity are nothing.
pub(super) fn part(line: &Kind<'_>) -> Option<Role> {
    let correction = text(line.attributes, "ChargeClass").eq_ignore_ascii_case("Correction");
    let kept_out = [
        Class::Discount,
        Class::Licence,
        Class::Support,
        Class::ReservationUnused,
    ];
    let role = role(line.category, line.attributes)?;
    (!correction && !kept_out.contains(&line.class)).then_some(role)
}

fn pooled(line: &Kind<'_>, policy: &Policy) -> Option<(Role, Pool)> {
    let role = part(line).filter(|role| matches!(role, Role::Used | Role::OnDemand))?;
    (policy.commitment(line).0 == CommitmentMode::Pooled).then(|| (role, pool(line, &policy.entities)))
}

pub(super) fn step(book: &mut Book<'_, '_>) -> Result<(), PriceError> {
    share_pools(book)?;
    buyer_first(book)
}

/// Shares what covered and on-demand lines of a pool cost together by what they
/// would cost without commitments: ContractedCost, else ListCost. A pool in
/// which a line with a cost has neither stays as applied.
fn share_pools(book: &mut Book<'_, '_>) -> Result<(), PriceError> {
    let mut pools: BTreeMap<(Scope, Pool), (Vec<usize>, bool)> = BTreeMap::new();
    // what is paid back keeps its price: it is no use of capacity
    for at in (0..book.groups.len()).filter(|at| book.running[*at].units() >= 0) {
        if let Some((role, pool)) = pooled(&book.groups[at].kind(), book.policy) {
            let of = pools.entry((book.commitment_scope(at), pool)).or_default();
            of.0.push(at);
            of.1 |= role == Role::Used;
        }
    }
    for (lines, _) in pools.into_values().filter(|(_, has_used)| *has_used) {
        let Some(weights) = without_commitments(book, &lines) else {
            continue;
        };
        let before: Vec<Money> = lines.iter().map(|at| book.running[*at]).collect();
        let money = Money::sum(before.iter().copied())?;
        if book.share(money, &lines, &weights, PriceRule::Commitment)? {
            for (at, before) in lines.iter().zip(before) {
                book.give(*at, PriceRule::Commitment, -before)?;
            }
        }
    }
    Ok(())
}

fn without_commitments(book: &Book<'_, '_>, lines: &[usize]) -> Option<Vec<i128>> {
    let by = |price: fn(&super::Prices) -> Option<Money>| -> Option<Vec<i128>> {
        let weight = |at: &usize| {
            let units = price(&book.groups[*at].prices).map_or(0, Money::units);
            // a line that costs something and would cost nothing cannot be compared
            (units > 0 || (units == 0 && book.running[*at].is_zero())).then_some(units)
        };
        lines.iter().map(weight).collect()
    };
    by(|prices| prices.contracted).or_else(|| by(|prices| prices.list))
}

/// Charges what others used of a commitment with the margin, to the good of the
/// account that bought it, or of whoever pays for its unused part.
fn buyer_first(book: &mut Book<'_, '_>) -> Result<(), PriceError> {
    let mut buyers: BTreeMap<(Scope, String), (bool, usize)> = BTreeMap::new();
    let mut used: Vec<(usize, u32)> = Vec::new();
    for at in 0..book.groups.len() {
        let line = book.groups[at].kind();
        let id = || (book.scope(at), book.text(at, "CommitmentDiscountId"));
        match part(&line) {
            Some(role @ (Role::Bought | Role::Unused)) => {
                let of = buyers.entry(id()).or_insert((role == Role::Bought, at));
                if role == Role::Bought && !of.0 {
                    *of = (true, at);
                }
            }
            Some(Role::Used) => {
                let (mode, margin_permille) = book.policy.commitment(&line);
                if mode == CommitmentMode::BuyerFirst && margin_permille > 0 {
                    used.push((at, margin_permille));
                }
            }
            _ => {}
        }
    }
    for (at, margin_permille) in used {
        let id = (book.scope(at), book.text(at, "CommitmentDiscountId"));
        let Some((_, buyer)) = buyers.get(&id).copied() else {
            continue;
        };
        if book.text(buyer, "SubAccountId") == book.text(at, "SubAccountId") {
            continue;
        }
        let parts = [i128::from(margin_permille), 1_000 - i128::from(margin_permille)];
        let margin = (book.split)(book.groups[at].effective, &parts)?[0];
        book.give(at, PriceRule::Commitment, margin)?;
        book.give(buyer, PriceRule::Commitment, -margin)?;
    }
    Ok(())
}

/// Pools that a commitment was used in, and whether margins are charged.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    pools: BTreeSet<Pool>,
    margins: bool,
    entities: Arc<Entities>,
}

impl Live {
    pub fn of<'a>(kinds: impl Iterator<Item = Kind<'a>>, policy: &Policy) -> Live {
        let mut live = Live {
            entities: policy.entities.clone(),
            ..Live::default()
        };
        for line in kinds {
            match pooled(&line, policy) {
                Some((Role::Used, pool)) => {
                    live.pools.insert(pool);
                }
                Some(_) => {}
                None => {
                    let used = part(&line) == Some(Role::Used);
                    live.margins |= used && matches!(policy.commitment(&line), (CommitmentMode::BuyerFirst, 1..));
                }
            }
        }
        live
    }

    pub fn is_empty(&self) -> bool {
        self.pools.is_empty() && !self.margins
    }

    pub fn wants(&self, line: &Kind<'_>) -> bool {
        if self.is_empty() {
            return false;
        }
        match part(line) {
            Some(Role::Bought | Role::Unused) => self.margins,
            Some(Role::Used) if self.margins => true,
            Some(_) => self.pools.contains(&pool(line, &self.entities)),
            None => false,
        }
    }
}
