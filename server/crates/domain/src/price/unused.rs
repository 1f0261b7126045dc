//! Capacity that was paid for and not used (A23): with its buyer, pro rata to
//! on-demand users of the same kind, or central.

use super::commitment::part;
use super::{Book, Entities, Kind, Policy, PriceError, PriceRule, Scope, UnusedMode, scope_of};
use crate::class::Class;
use crate::commitment::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn mode(line: &Kind<'_>, policy: &Policy) -> Option<UnusedMode> {
    match line.class {
        Class::CommitmentUnused => Some(policy.commitment_unused),
        Class::ReservationUnused => Some(policy.reservation_unused),
        _ => None,
    }
    .filter(|mode| *mode != UnusedMode::Buyer)
}

/// Pro rata: to on-demand lines of the services the commitment was used for,
/// else of the line's own service, in proportion to what they cost; when there
/// are none it is central.
pub(super) fn step(book: &mut Book<'_, '_>) -> Result<(), PriceError> {
    let unused: Vec<(usize, UnusedMode)> = (0..book.groups.len())
        .filter_map(|at| Some((at, mode(&book.groups[at].kind(), book.policy)?)))
        .collect();
    if unused.is_empty() {
        return Ok(());
    }
    let mut covers: BTreeMap<(Scope, String), BTreeSet<String>> = BTreeMap::new();
    let mut on_demand: BTreeMap<(Scope, String), Vec<usize>> = BTreeMap::new();
    for at in 0..book.groups.len() {
        let service = book.text(at, "ServiceName");
        match part(&book.groups[at].kind()) {
            Some(Role::Used) => {
                let id = book.text(at, "CommitmentDiscountId");
                covers
                    .entry((book.commitment_scope(at), id))
                    .or_default()
                    .insert(service);
            }
            Some(Role::OnDemand) => on_demand
                .entry((book.commitment_scope(at), service))
                .or_default()
                .push(at),
            _ => {}
        }
    }
    for (at, mode) in unused {
        let money = book.running[at];
        let scope = book.commitment_scope(at);
        let id = book.text(at, "CommitmentDiscountId");
        let own = BTreeSet::from([book.text(at, "ServiceName")]);
        let services = covers.get(&(scope.clone(), id)).unwrap_or(&own);
        let to: Vec<usize> = if mode == UnusedMode::ProRata {
            let lines = services
                .iter()
                .filter_map(|service| on_demand.get(&(scope.clone(), service.clone())));
            lines.flatten().copied().collect()
        } else {
            Vec::new()
        };
        let mut to = to;
        to.sort_unstable();
        let weights: Vec<i128> = to.iter().map(|at| book.running[*at].units().max(0)).collect();
        if !book.share(money, &to, &weights, PriceRule::Unused)? {
            book.note(at, PriceRule::Unused, true, money)?;
        }
        book.give(at, PriceRule::Unused, -money)?;
    }
    Ok(())
}

/// Whether anything unused is not with its buyer.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    /// Legal entities, else billing accounts, that have some.
    scopes: BTreeSet<String>,
    entities: Arc<Entities>,
}

impl Live {
    pub fn of<'a>(kinds: impl Iterator<Item = Kind<'a>>, policy: &Policy) -> Live {
        let with = kinds.filter(|line| mode(line, policy).is_some());
        Live {
            scopes: with.map(|line| scope_of(&policy.entities, line.attributes)).collect(),
            entities: policy.entities.clone(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    pub fn wants(&self, line: &Kind<'_>) -> bool {
        let takes_part = || {
            let role = part(line);
            matches!(line.class, Class::CommitmentUnused | Class::ReservationUnused)
                || matches!(role, Some(Role::Used | Role::OnDemand))
        };
        !self.is_empty() && takes_part() && self.scopes.contains(&scope_of(&self.entities, line.attributes))
    }
}
