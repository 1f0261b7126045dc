//! Load balancers and ingress: fixed hours and usage apart (A32).

use crate::apportion::{ApportionError, apportion_or};
use crate::money::Money;

/// What one service had of a load balancer over a charge, from the metrics of
/// the controller behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backend {
    /// Requests served.
    pub requests: u64,
    /// Bytes passed.
    pub bytes: u64,
    /// Host names configured.
    pub hosts: u64,
}

/// What a charge of a load balancer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// Time it was there.
    Hours,
    /// What passed through it: capacity units, bytes, requests.
    Usage,
}

impl Charged {
    /// Read from a charge: by its ConsumedUnit (bytes, requests and capacity
    /// units are usage), else by its ChargeDescription. What says neither is
    /// hours.
    #[must_use]
    pub fn of(consumed_unit: Option<&str>, description: Option<&str>) -> Charged {
        let has = |text: Option<&str>, marks: &[&str]| {
            let text = text.unwrap_or("").to_ascii_lowercase();
            marks.iter().any(|mark| text.contains(mark))
        };
        let unit = consumed_unit.unwrap_or("").trim().to_ascii_lowercase();
        let bytes = ["b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib"].contains(&unit.as_str());
        let usage = bytes
            || has(
                consumed_unit,
                &["lcu", "capacity unit", "byte", "request", "gib", "quer"],
            )
            || has(
                description,
                &["lcu", "capacity unit", "data process", "processed", "per gb"],
            );
        if usage { Charged::Usage } else { Charged::Hours }
    }
}

/// Which level of the fallbacks decided (A11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalancerBasis {
    /// Requests or bytes.
    Traffic,
    /// No traffic: even over the configured hosts.
    Hosts,
    /// No hosts either: the balancer's owner.
    Owner,
}

/// A charge of a load balancer, split. The parts add up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerPart {
    /// Of each backend, in the order given.
    pub backends: Vec<Money>,
    /// What stays with the balancer's owner.
    pub owner: Money,
    /// What decided.
    pub basis: BalancerBasis,
}

/// Both kinds of charges of a load balancer, split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerSplit {
    /// Fixed hours.
    pub fixed: BalancerPart,
    /// Usage units.
    pub usage: BalancerPart,
}

/// Splits fixed hours by requests and usage units by bytes; without traffic
/// even over the configured hosts; without hosts the owner keeps it, so a
/// balancer without backends appears once.
///
/// # Errors
/// None today: the weights cannot be negative.
pub fn split_balancer(fixed: Money, usage: Money, backends: &[Backend]) -> Result<BalancerSplit, ApportionError> {
    Ok(BalancerSplit {
        fixed: split_charge(fixed, Charged::Hours, backends)?,
        usage: split_charge(usage, Charged::Usage, backends)?,
    })
}

/// Splits one charge: as [`split_balancer`] says of its kind.
///
/// # Errors
/// None today: the weights cannot be negative.
pub fn split_charge(cost: Money, charged: Charged, backends: &[Backend]) -> Result<BalancerPart, ApportionError> {
    let traffic: fn(&Backend) -> u64 = match charged {
        Charged::Hours => |backend| backend.requests,
        Charged::Usage => |backend| backend.bytes,
    };
    // the owner comes last, with no weight: it is the terminal
    let weights = |of: fn(&Backend) -> u64| -> Vec<i128> {
        let backends = backends.iter().map(|backend| i128::from(of(backend)));
        backends.chain([0]).collect()
    };
    let (traffic, hosts) = (weights(traffic), weights(|backend| backend.hosts));
    let (mut parts, level) = apportion_or(cost, &[&traffic, &hosts], backends.len() + 1, backends.len())?;
    Ok(BalancerPart {
        owner: parts.pop().unwrap_or(Money::ZERO),
        backends: parts,
        basis: match level {
            0 => BalancerBasis::Traffic,
            1 => BalancerBasis::Hosts,
            _ => BalancerBasis::Owner,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::BalancerBasis::{Hosts, Owner, Traffic};
    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text).expect(text)
    }

    fn backend(requests: u64, bytes: u64, hosts: u64) -> Backend {
        Backend { requests, bytes, hosts }
    }

    #[test]
    fn who_pays_for_a_balancer() {
        for (what, backends, fixed, usage) in [
            (
                "hours by requests, usage by bytes",
                vec![backend(3, 10, 1), backend(1, 90, 1)],
                (vec!["6", "2"], "0", Traffic),
                (vec!["0.2", "1.8"], "0", Traffic),
            ),
            (
                "zero traffic: even over the hosts",
                vec![backend(0, 0, 1), backend(0, 0, 3)],
                (vec!["2", "6"], "0", Hosts),
                (vec!["0.5", "1.5"], "0", Hosts),
            ),
            (
                "requests without bytes",
                vec![backend(1, 0, 1), backend(0, 0, 1)],
                (vec!["8", "0"], "0", Traffic),
                (vec!["1", "1"], "0", Hosts),
            ),
            (
                "no hosts: the owner",
                vec![backend(0, 0, 0)],
                (vec!["0"], "8", Owner),
                (vec!["0"], "2", Owner),
            ),
            (
                "no backends: the owner, once",
                vec![],
                (vec![], "8", Owner),
                (vec![], "2", Owner),
            ),
        ] {
            let split = split_balancer(money("8"), money("2"), &backends).expect(what);
            for (part, (parts, owner, basis)) in [(split.fixed, fixed), (split.usage, usage)] {
                assert_eq!(
                    part.backends,
                    parts.into_iter().map(money).collect::<Vec<_>>(),
                    "{what}"
                );
                assert_eq!((part.owner, part.basis), (money(owner), basis), "{what}");
            }
        }
    }

    #[test]
    fn hours_and_usage_are_told_apart() {
        for (unit, description, expect) in [
            (
                "Hours",
                "$0.027 per Network LoadBalancer-hour (or partial hour)",
                Charged::Hours,
            ),
            (
                "LCU-Hrs",
                "$0.008 per used Application load balancer capacity unit-hour",
                Charged::Usage,
            ),
            ("Hours", "$0.006 per NLCU-hour", Charged::Usage),
            ("GB", "Data processed by the load balancer", Charged::Usage),
            ("GiBy", "Network load balancing: inbound", Charged::Usage),
            ("1M Requests", "", Charged::Usage),
            ("", "Forwarding rule", Charged::Hours),
        ] {
            assert_eq!(
                Charged::of(Some(unit), Some(description)),
                expect,
                "{unit} {description}"
            );
        }
        assert_eq!(Charged::of(None, None), Charged::Hours);
    }

    #[test]
    fn three_balancers_of_one_service() {
        // each is a charge of its own; together they are what was paid
        let backends = [backend(7, 11, 1), backend(2, 1, 2)];
        let mut total = Money::ZERO;
        for cost in ["1", "0.1", "-0.000000000000000000000007"] {
            let split = split_balancer(money(cost), money(cost), &backends).expect(cost);
            for part in [split.fixed, split.usage] {
                let parts = part.backends.into_iter().chain([part.owner, total]);
                total = Money::sum(parts).expect("small");
            }
        }
        assert_eq!(total, money("2.199999999999999999999986"));
    }
}
