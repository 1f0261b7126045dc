//! Who uses a cluster, hour by hour: its control plane and what serves all of it are paid by the
//! effective requests of everybody else's pods (A27).

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use crate::facts::Facts;
use crate::meter::Owner;
use crate::split;

/// What each owner's pods held in the hours of a day, in the unit weights of nodes.
pub type Users = BTreeMap<Owner, [u128; 24]>;

/// By day and cluster.
pub type Clusters = HashMap<(NaiveDate, &'static str), Users>;

/// The users of every cluster in a month.
pub fn month(facts: &Facts<'_>) -> Clusters {
    let mut clusters = Clusters::new();
    for node in facts.values() {
        let users = clusters.entry((node.day, node.place.cluster)).or_default();
        split::hourly(node, |pod, held| {
            if !users.contains_key(&pod.owner) {
                users.insert(pod.owner.clone(), [0; 24]);
            }
            let weights = users.get_mut(&pod.owner).into_iter().flatten();
            weights.zip(held).for_each(|(sum, weight)| *sum += weight);
        });
    }
    clusters
}

/// Weights of the owners in the hours `from..to`.
pub fn between(users: &Users, (from, to): (u8, u8)) -> impl Iterator<Item = (&Owner, u128)> {
    let range = usize::from(from)..usize::from(to);
    users
        .iter()
        .map(move |(owner, weights)| (owner, weights[range.clone()].iter().sum()))
}
