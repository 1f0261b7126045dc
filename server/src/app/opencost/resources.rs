//! What workloads pay for besides nodes: volumes, load balancers and traffic,
//! by day, as the cube has them. The cube knows them down to the workload, so
//! these rows have no node, pod or label.

use super::row::{Costs, Row};
use super::window::Piece;
use crate::error::AppError;
use domain::allocate::{CUBE_COLUMNS, CubeKey};
use domain::apportion::{ApportionError, apportion};
use domain::class::Class;
use domain::instant::Day;
use domain::usage::Slot;
use domain::{Currency, Money};
use lake::Lake;
use std::collections::BTreeMap;

/// The namespace of a volume or load balancer that no workload has.
const UNMOUNTED: &str = "__unmounted__";
/// Hours of a day.
const HOURS: i32 = 24;

/// What a workload's volumes, load balancers and traffic cost on a day.
#[derive(Debug, Clone)]
pub(super) struct ResourceCost {
    cluster: String,
    currency: Currency,
    slot: Slot,
    volume: Money,
    balancer: Money,
    network: Money,
}

/// By day, in the order of cluster, namespace and workload.
pub(super) type ResourceDays = BTreeMap<Day, Vec<ResourceCost>>;

/// Reads them from the cube of a period.
///
/// # Errors
/// When the cube cannot be read, or a sum overflows.
pub(super) fn read(lake: &Lake, cube_path: &str) -> Result<ResourceDays, AppError> {
    let at = |name: &str| CUBE_COLUMNS.iter().position(|column| *column == name).unwrap_or(0);
    let (cluster_at, places) = (
        at("Cluster"),
        [at("Namespace"), at("WorkloadKind"), at("Workload"), at("Container")],
    );
    let cube = lake::read_cube(lake, cube_path)?;
    let mut sums: BTreeMap<(Day, String, Slot, Currency), [Money; 3]> = BTreeMap::new();
    for (key, value) in &cube.lines {
        let (Some(day), Some(cluster), Some(part)) = (key.day, &key.columns[cluster_at], part_of(key.class)) else {
            continue;
        };
        let slot = slot_of(key, places);
        let sum = sums
            .entry((day, cluster.to_string(), slot, key.currency.clone()))
            .or_default();
        sum[part] = sum[part].checked_add(value.effective)?;
    }
    let mut days = ResourceDays::new();
    for ((day, cluster, slot, currency), [volume, balancer, network]) in sums {
        days.entry(day).or_default().push(ResourceCost {
            cluster,
            currency,
            slot,
            volume,
            balancer,
            network,
        });
    }
    Ok(days)
}

fn part_of(class: Class) -> Option<usize> {
    match class {
        Class::Volume => Some(0),
        Class::LoadBalancer => Some(1),
        Class::Network => Some(2),
        _ => None,
    }
}

fn slot_of(key: &CubeKey, [namespace, kind, workload, container]: [usize; 4]) -> Slot {
    let text = |at: usize| key.columns[at].as_deref().unwrap_or_default().to_owned();
    Slot {
        namespace: match text(namespace) {
            none if none.is_empty() => UNMOUNTED.to_owned(),
            known => known,
        },
        workload_kind: text(kind),
        workload: text(workload),
        container: text(container),
        ..Slot::default()
    }
}

/// What of a day's money is in a piece of it: it runs evenly, so that pieces
/// add up to the day.
///
/// # Errors
/// When the amount cannot be split.
pub(super) fn within(piece: &Piece, money: Money) -> Result<Money, ApportionError> {
    let first = i32::from(piece.from.of_day());
    let cuts = [
        first,
        piece.to.0 - piece.from.0,
        HOURS - first - (piece.to.0 - piece.from.0),
    ]
    .map(i128::from);
    apportion(money, &cuts).map(|parts| parts[1])
}

impl ResourceCost {
    /// Its row in a piece of its day. Within a day the cost runs evenly, so
    /// that pieces add up to the day.
    ///
    /// # Errors
    /// When an amount cannot be split.
    pub(super) fn row<'d>(&'d self, piece: &Piece, currency: &Currency) -> Result<Option<Row<'d>>, ApportionError> {
        if self.currency != *currency {
            return Ok(None);
        }
        let part = |money: Money| within(piece, money);
        let span = piece.span();
        Ok(Some(Row {
            start: span.start,
            end: span.end,
            costs: Costs {
                volume: part(self.volume)?,
                balancer: part(self.balancer)?,
                network: part(self.network)?,
                ..Costs::default()
            },
            ..Row::of(&self.cluster, None, Some(&self.slot))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::usage::Hour;

    #[test]
    fn the_pieces_of_a_day_are_the_day() {
        let usd = Currency::parse("USD").expect("a code");
        let money = |text: &str| Money::parse(text).expect(text);
        let cost = ResourceCost {
            cluster: "core".to_owned(),
            currency: usd.clone(),
            slot: Slot::default(),
            volume: money("1.000000000000000000000001"),
            balancer: money("-0.1"),
            network: Money::ZERO,
        };
        let day = Day(20_000);
        for cuts in [&[0, 24][..], &[0, 7, 24], &[0, 1, 2, 3, 23, 24]] {
            let mut sums = [Money::ZERO; 2];
            for pair in cuts.windows(2) {
                let hour = |at: i32| Hour(day.0 * HOURS + at);
                let piece = Piece {
                    day,
                    from: hour(pair[0]),
                    to: hour(pair[1]),
                };
                let row = cost.row(&piece, &usd).expect("splits").expect("this currency");
                sums[0] = sums[0].checked_add(row.costs.volume).expect("small");
                sums[1] = sums[1].checked_add(row.costs.balancer).expect("small");
            }
            assert_eq!(sums, [cost.volume, cost.balancer], "{cuts:?}");
        }
        let other = Currency::parse("EUR").expect("a code");
        let piece = Piece {
            day,
            from: Hour(day.0 * HOURS),
            to: Hour(day.0 * HOURS + HOURS),
        };
        assert!(cost.row(&piece, &other).expect("splits").is_none());
    }
}
