//! Charges of load balancers (A32): hours by requests, usage units by bytes of
//! what is behind them; without traffic by hosts, without hosts their owner's.

use super::clusters::{MachineCost, Piece};
use crate::apportion::ApportionError;
use crate::instant::{Day, Span};
use crate::money::Money;
use crate::split::balancer::{Backend as Weights, Charged, split_charge};
use crate::usage::{Backend, Balancer, BalancerDay, Hour, Part, Slot};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is known of a load balancer over the hours of a charge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BalancerFacts {
    /// As it was on the last day that is not after the charge, else on the first after it.
    balancer: Option<Balancer>,
    /// By namespace and service.
    backends: BTreeMap<(String, String), (Backend, Weights)>,
}

impl BalancerFacts {
    /// A load balancer of which nothing is known in the hours of a charge.
    #[must_use]
    pub fn unseen(nearest: Balancer) -> BalancerFacts {
        BalancerFacts {
            balancer: Some(nearest),
            ..BalancerFacts::default()
        }
    }

    /// Adds what is known of it on a day, days in order.
    pub fn add(&mut self, day: Day, known: &BalancerDay, hours: &Range<Hour>) {
        if self.balancer.is_none() || day <= Hour(hours.end.0 - 1).day() {
            self.balancer = Some(known.balancer.clone());
        }
        for (backend, backend_hours) in &known.backends {
            for hour in backend_hours.iter().filter(|hour| hours.contains(&hour.hour)) {
                let key = (backend.namespace.clone(), backend.service.clone());
                let (known, weights) = self.backends.entry(key).or_default();
                *known = backend.clone();
                weights.requests = weights.requests.saturating_add(hour.requests.unwrap_or(0));
                weights.bytes = weights.bytes.saturating_add(hour.bytes.unwrap_or(0));
                weights.hosts = weights.hosts.max(hour.hosts);
            }
        }
    }

    /// Splits a charge of the load balancer. The pieces are the same for any
    /// cost of one kind.
    ///
    /// # Errors
    /// None today: the weights cannot be negative.
    pub fn divide(&self, cost: Money, kind: MachineCost, hours: &Range<Hour>) -> Result<Vec<Piece>, ApportionError> {
        let charged = match kind {
            MachineCost::BalancerUsage => Charged::Usage,
            _ => Charged::Hours,
        };
        let weights: Vec<Weights> = self.backends.values().map(|(_, weights)| *weights).collect();
        let parts = split_charge(cost, charged, &weights)?;
        let span = Span {
            start: hours.start.start(),
            end: hours.end.start(),
        };
        let piece = |place, money| Piece {
            place,
            part: Part::LoadBalancer,
            span,
            money,
        };
        let mut pieces = Vec::new();
        if parts.basis == crate::split::balancer::BalancerBasis::Owner {
            pieces.push(piece(self.owner(), parts.owner));
            return Ok(pieces);
        }
        for ((backend, _), money) in self.backends.values().zip(parts.backends) {
            pieces.push(piece(served(backend), money));
        }
        Ok(pieces)
    }

    fn owner(&self) -> Slot {
        let balancer = self.balancer.clone().unwrap_or_default();
        Slot {
            namespace: balancer.namespace,
            labels: balancer.labels,
            ..Slot::default()
        }
    }
}

/// What serves a backend; its service where that is not known.
fn served(backend: &Backend) -> Slot {
    let (workload_kind, workload) = if backend.workload.is_empty() {
        ("Service".to_owned(), backend.service.clone())
    } else {
        (backend.workload_kind.clone(), backend.workload.clone())
    };
    Slot {
        namespace: backend.namespace.clone(),
        workload_kind,
        workload,
        labels: backend.labels.clone(),
        ..Slot::default()
    }
}
