//! What machines, databases and caches cost when nobody pays by luck for what a commitment happened
//! to cover (A16): the covered and the on-demand use of a SKU in a region cost, together, what they
//! cost, and each its part of that by the contracted price. Spot prices and refunds stay.

use std::collections::BTreeMap;

use crate::rows::Row;
use crate::split::{GRAINS, share};

/// Notes in every charge what moves to it; all of it adds up to nothing. The bill does not change.
pub fn note(rows: &mut [Row<'_>]) {
    let mut pools: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let covered = row.status == "Used";
        let on_demand = row.commitment.is_none() && row.pricing == "Standard";
        if row.category == "Usage" && !row.correction && (covered || on_demand) {
            let pool = (row.meter.sku.meter, row.meter.region.0);
            pools.entry(pool).or_default().push(at);
        }
    }
    pools.retain(|_, lines| lines.iter().any(|at| rows[*at].status == "Used"));
    for lines in pools.into_values() {
        let money: i128 = lines.iter().map(|at| rows[*at].effective * GRAINS).sum();
        let whole: u128 = lines.iter().map(|at| rows[*at].contracted.unsigned_abs()).sum();
        let mut left = money;
        for (nth, at) in lines.iter().enumerate() {
            let part = if nth + 1 == lines.len() {
                left
            } else {
                share(money, rows[*at].contracted.unsigned_abs(), whole)
            };
            left -= part;
            rows[*at].moved = part - rows[*at].effective * GRAINS;
        }
    }
}
