//! Samples of files, until they are facts about hours.

use super::table::{BadCell, Fact, Sampled, SampledOf};
use domain::usage::hourly::{HourFacts, HourlyAccumulator};
use domain::usage::profile::UsageProfile;
use domain::usage::{HOUR_S, Hour, Node, NodeSample, SizingHour, Slot, SlotHour, SlotId, node_hours};
use std::collections::BTreeMap;

/// What was sampled of a cluster. All samples of a call are held, since they
/// may come in any order: some 32 bytes each.
#[derive(Default)]
pub(super) struct Samples {
    clusters: BTreeMap<String, ClusterSamples>,
}

struct ClusterSamples {
    interval_s: u32,
    slots: HourlyAccumulator,
    nodes: BTreeMap<(String, String), (Node, Vec<NodeSample>)>,
}

impl Samples {
    /// Takes a sample.
    ///
    /// # Errors
    /// When others of its cluster were taken at another interval: how long a
    /// sample stands would depend on which came first.
    pub fn add(&mut self, cluster: &str, sampled: Sampled) -> Result<(), BadCell> {
        let interval_s = sampled.interval_s;
        if !self.clusters.contains_key(cluster) {
            let new = ClusterSamples {
                interval_s,
                slots: HourlyAccumulator::new(interval_s),
                nodes: BTreeMap::new(),
            };
            self.clusters.insert(cluster.to_owned(), new);
        }
        let Some(known) = self.clusters.get_mut(cluster) else {
            return Ok(());
        };
        if known.interval_s != interval_s {
            return Err((
                "interval_seconds",
                format!(
                    "is {interval_s}, but other samples of cluster {cluster} are taken every {} s; ingest them apart, \
                     cut at a full hour",
                    known.interval_s
                ),
            ));
        }
        match sampled.of {
            SampledOf::Slot(of) => known.slots.observe(&of.slot, of.alive, of.sample),
            SampledOf::Node(of) => {
                let key = (of.node.name.clone(), of.node.provider_id.clone());
                let (node, samples) = known.nodes.entry(key).or_default();
                // metadata that changes is the larger one, as in a merge
                *node = std::mem::take(node).max(of.node);
                samples.push(of.sample);
            }
        }
        Ok(())
    }

    /// The facts they are, by cluster.
    pub fn facts(self) -> Vec<(String, Vec<Fact>)> {
        let of_cluster = |(cluster, mut samples): (String, ClusterSamples)| {
            let mut facts = once(samples.slots.drain(Hour(i32::MAX)));
            for (node, taken) in samples.nodes.into_values() {
                let hours = node_hours(taken, samples.interval_s);
                facts.extend(hours.into_iter().map(|hour| Fact::Node(node.clone(), hour)));
            }
            (cluster, facts)
        };
        self.clusters.into_iter().map(of_cluster).collect()
    }
}

/// One fact per container and hour: labels that change within an hour do not
/// make two containers of one, and the larger metadata stays.
fn once(facts: Vec<HourFacts>) -> Vec<Fact> {
    let mut sums: BTreeMap<(SlotId, Hour), (Slot, SlotHour, u32, UsageProfile)> = BTreeMap::new();
    for HourFacts {
        slot,
        hour,
        metered_s,
        profile,
    } in facts
    {
        match sums.get_mut(&(slot.id(), hour.hour)) {
            None => {
                sums.insert((slot.id(), hour.hour), (slot, hour, metered_s, profile));
            }
            Some((known, sum, metered, spread)) => {
                *known = std::mem::take(known).max(slot);
                sum.seconds = (sum.seconds + hour.seconds).min(HOUR_S);
                sum.effective = sum.effective.plus(hour.effective);
                sum.requested = sum.requested.plus(hour.requested);
                sum.used = sum.used.plus(hour.used);
                *metered = (*metered + metered_s).min(HOUR_S);
                spread.merge(&profile);
            }
        }
    }
    let fact = |(slot, hour, metered_s, profile): (Slot, SlotHour, u32, UsageProfile)| {
        let sizing = (!profile.is_empty()).then(|| SizingHour::of(hour.hour, metered_s, &profile));
        Fact::Container(slot, hour, sizing)
    };
    sums.into_values().map(fact).collect()
}
