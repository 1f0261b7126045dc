//! What each volume and load balancer of clusters cost, day by day: the money
//! the cube has by who owns it.

use crate::clusters::{self, Gathered};
use crate::error::LakeError;
use crate::object::Lake;
use crate::prices;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use crate::usage::UsageFile;
use domain::allocate::Program;
use domain::allocate::clusters::{MachineCost, Thing};
use domain::apportion::apportion;
use domain::instant::Day;
use domain::{Currency, Money};
use std::collections::BTreeMap;

/// What a volume or load balancer cost on a day, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThingCost {
    /// Cluster id.
    pub cluster: String,
    /// [`Thing::Volume`] or [`Thing::Balancer`].
    pub thing: Thing,
    /// What the bill calls it, as [`domain::usage::key::resource_key`] writes it.
    pub id: String,
    /// The day.
    pub day: Day,
    /// Currency of the amount.
    pub currency: Currency,
    /// EffectiveCost, split or not.
    pub effective: Money,
}

/// The costs of volumes and load balancers in the bills of a period, in the
/// order of thing, cluster, id and day: `files` and `usage` as for
/// [`crate::allocate_with_usage`], whose cube has the same sums by day.
///
/// # Errors
/// When a file cannot be read, or an amount split or added exactly.
pub fn things_by_day(
    lake: &Lake,
    files: &[ChargeFile],
    usage: &[UsageFile],
    program: &Program,
) -> Result<Vec<ThingCost>, LakeError> {
    let mut usage = usage.to_vec();
    usage.sort_by(|a, b| (&a.cluster, a.day).cmp(&(&b.cluster, b.day)));
    let join = clusters::join_of(lake, &usage)?;
    let mut gathered = Gathered::new(&join);
    let mut charges = Charges::new(program).joining(&join);
    prices::read(lake, files, &mut charges, apportion, |charges, _, row| {
        gathered.take(charges, row).map(|_| ())
    })?;
    let mut sums: BTreeMap<(Thing, u32, Day, u32), Money> = BTreeMap::new();
    clusters::split_things(
        lake,
        &gathered,
        &usage,
        &join,
        &mut charges,
        &mut |_, group, amount, (_, day), value, _| {
            let thing = match group.cost {
                MachineCost::Volume => Thing::Volume,
                _ => Thing::Balancer,
            };
            let sum = sums.entry((thing, group.machine, day, amount.kind)).or_default();
            *sum = sum.checked_add(value.effective).map_err(|_| LakeError::Overflow {
                what: "the charges".to_owned(),
            })?;
            Ok(())
        },
    )?;
    let cost = |((thing, id, day, kind), effective): ((Thing, u32, Day, u32), Money)| {
        let of = join.thing(thing, id);
        ThingCost {
            cluster: of.cluster.clone(),
            thing,
            id: of.key.clone(),
            day,
            currency: gathered.currency(kind).clone(),
            effective,
        }
    };
    let mut costs: Vec<ThingCost> = sums.into_iter().map(cost).collect();
    costs.sort_by(|a, b| (a.thing, &a.cluster, &a.id, a.day).cmp(&(b.thing, &b.cluster, &b.id, b.day)));
    Ok(costs)
}
