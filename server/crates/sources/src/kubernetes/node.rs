//! Nodes: what they are, and when they were Ready.

use super::objects::{instant, kept_labels};
use super::quantity::QuantityError;
use super::request::{Request, Sharing};
use super::spans::Spans;
use domain::instant::{Instant, SECOND_US};
use domain::tags::Tags;
use domain::usage::{Capacity, HOUR_S, Hour, Node, NodeHour};
use k8s_openapi::api::core::v1 as core;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Labels that name the node's pool, the most telling first.
const POOL_LABELS: [&str; 9] = [
    "karpenter.sh/nodepool",
    "eks.amazonaws.com/nodegroup",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "doks.digitalocean.com/node-pool",
    "node.openshift.io/pool",
    "kops.k8s.io/instancegroup",
    "alpha.eksctl.io/nodegroup-name",
];

/// Labels that say how the machine is bought.
const CAPACITY_LABELS: [(&str, &str, &str); 9] = [
    ("karpenter.sh/capacity-type", "spot", "spot"),
    ("karpenter.sh/capacity-type", "reserved", "reserved"),
    ("karpenter.sh/capacity-type", "on-demand", "on-demand"),
    ("eks.amazonaws.com/capacityType", "SPOT", "spot"),
    ("eks.amazonaws.com/capacityType", "CAPACITY_BLOCK", "reserved"),
    ("eks.amazonaws.com/capacityType", "ON_DEMAND", "on-demand"),
    ("cloud.google.com/gke-spot", "true", "spot"),
    ("cloud.google.com/gke-preemptible", "true", "spot"),
    ("kubernetes.azure.com/scalesetpriority", "spot", "spot"),
];

/// A node as its object says it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFact {
    /// UID: names are reused (A37).
    #[serde(with = "super::resume::text")]
    pub uid: Arc<str>,
    /// What the facts carry.
    pub node: Node,
    /// How it hands out its devices.
    pub sharing: Sharing,
    /// What it has.
    pub capacity: Capacity,
    /// What pods may take; `None` when the object does not say.
    pub allocatable: Option<Capacity>,
    /// When it was made.
    pub created_at: Option<Instant>,
    /// Whether it is Ready.
    pub ready: bool,
    /// Since when it is, or is not.
    pub since: Option<Instant>,
}

impl NodeFact {
    /// Reads a node.
    ///
    /// # Errors
    /// A quantity that cannot be read.
    pub fn read(object: &core::Node) -> Result<NodeFact, QuantityError> {
        let labels = kept_labels(&object.metadata);
        let sharing = Sharing::of(&labels);
        let status = object.status.clone().unwrap_or_default();
        let read = |resources| Request::read(resources).map(|request| request.capacity(sharing));
        let conditions = status.conditions.iter().flatten();
        let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
        Ok(NodeFact {
            uid: object.metadata.uid.as_deref().unwrap_or_default().into(),
            node: Node {
                name: object.metadata.name.clone().unwrap_or_default(),
                provider_id: object
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.provider_id.clone())
                    .unwrap_or_default(),
                pool: pool_of(&labels),
                capacity_type: capacity_type_of(&labels),
                root_volume_id: String::new(),
                labels,
            },
            sharing,
            capacity: status.capacity.as_ref().map(read).transpose()?.unwrap_or_default(),
            allocatable: status.allocatable.as_ref().map(read).transpose()?,
            created_at: object.metadata.creation_timestamp.as_ref().map(instant),
            ready: ready.is_some_and(|condition| condition.status == "True"),
            since: ready
                .and_then(|condition| condition.last_transition_time.as_ref())
                .map(instant),
        })
    }

    /// What pods may take; all of it when the object does not say.
    fn allocatable(&self) -> Capacity {
        self.allocatable.unwrap_or(self.capacity)
    }
}

fn pool_of(labels: &Tags) -> String {
    let named = POOL_LABELS.iter().find_map(|key| labels.get(*key));
    named.cloned().unwrap_or_default()
}

fn capacity_type_of(labels: &Tags) -> String {
    let known = CAPACITY_LABELS
        .iter()
        .find(|(key, value, _)| labels.get(*key).is_some_and(|found| found == value));
    known.map_or_else(String::new, |(_, _, kind)| (*kind).to_owned())
}

/// A node over time: when it was Ready, and what it had.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeTrack {
    /// As last seen.
    pub fact: NodeFact,
    ready: Spans,
    open_since: Option<Instant>,
    seen_at: Instant,
    gone_at: Option<Instant>,
    sizes: Vec<(Instant, Capacity, Capacity)>,
    next_hour: Hour,
    unobserved: Spans,
}

impl NodeTrack {
    /// Starts to follow a node that is first seen at `seen_at`. Its hours
    /// begin with the one that holds its making, or `known_from` if that is
    /// later: what was before, this collector cannot know.
    #[must_use]
    pub fn new(fact: &NodeFact, seen_at: Instant, known_from: Instant) -> NodeTrack {
        let born = fact.created_at.map_or(seen_at, |at| at.min(seen_at));
        let mut track = NodeTrack {
            ready: Spans::default(),
            open_since: None,
            seen_at,
            gone_at: None,
            sizes: vec![(born, fact.capacity, fact.allocatable())],
            next_hour: Hour::of(born.max(known_from)),
            unobserved: Spans::default(),
            fact: fact.clone(),
        };
        track.follow(fact, seen_at);
        track
    }

    /// Takes a newer version of the node, seen at `seen_at`. A node that was
    /// Ready, and is Ready since later than that, was away in between: it
    /// counts as Ready up to when it was last seen.
    pub fn update(&mut self, fact: NodeFact, seen_at: Instant) {
        let size = (fact.capacity, fact.allocatable());
        if self
            .sizes
            .last()
            .is_none_or(|(_, capacity, allocatable)| (*capacity, *allocatable) != size)
        {
            self.sizes.push((seen_at, size.0, size.1));
        }
        self.follow(&fact, seen_at);
        self.fact = fact;
    }

    fn follow(&mut self, fact: &NodeFact, seen_at: Instant) {
        // an instant after it was seen is a clock that is ahead: clipped
        let since = fact.since.or(fact.created_at).unwrap_or(seen_at).min(seen_at);
        match (self.open_since, fact.ready) {
            (None, true) => self.open_since = Some(since.max(self.ready.end().unwrap_or(since))),
            (Some(open), true) if since > open => {
                self.ready.add(open, self.seen_at.min(since));
                self.open_since = Some(since);
            }
            (Some(open), false) => {
                self.ready.add(open, since.max(open));
                self.open_since = None;
            }
            _ => {}
        }
        self.seen_at = seen_at;
        self.gone_at = None;
    }

    /// The node was deleted, as seen at `at`.
    pub fn gone(&mut self, at: Instant) {
        if let Some(open) = self.open_since.take() {
            self.ready.add(open, at);
        }
        self.gone_at.get_or_insert(at);
    }

    /// It is still there: called with every sample.
    pub fn seen(&mut self, at: Instant) {
        if self.gone_at.is_none() {
            self.seen_at = self.seen_at.max(at);
        }
    }

    /// What happened on it in `[from, to)` cannot be told any more (A5).
    pub fn lose(&mut self, from: Instant, to: Instant) {
        self.unobserved.add(from, to);
    }

    /// The hours before `before` that were not drained yet. `observed` is when
    /// the cluster as a whole was sampled.
    pub fn drain(&mut self, before: Hour, observed: &Spans) -> Vec<NodeHour> {
        let mut hours = Vec::new();
        while self.next_hour < before {
            let hour = self.next_hour;
            self.next_hour = Hour(hour.0 + 1);
            if let Some(facts) = self.hour(hour, observed) {
                hours.push(facts);
            }
        }
        self.forget(before.start());
        hours
    }

    fn hour(&self, hour: Hour, observed: &Spans) -> Option<NodeHour> {
        let (start, end) = (hour.start(), Hour(hour.0 + 1).start());
        let born = self.sizes.first().map_or(start, |(born, ..)| *born);
        if born >= end || self.gone_at.is_some_and(|gone| gone <= start) {
            return None;
        }
        let mut ready = self.ready.clone();
        if let Some(open) = self.open_since {
            ready.add(open, end);
        }
        let ready = ready.within(start, end);
        let seen = ready.both(observed).without(&self.unobserved);
        let (_, capacity, allocatable) = self.sizes.iter().rev().find(|(at, ..)| *at < end)?;
        let ready_s = seconds(&ready);
        Some(NodeHour {
            hour,
            ready_s,
            observed_s: seconds(&seen).min(ready_s),
            capacity: *capacity,
            allocatable: *allocatable,
        })
    }

    /// Drops what lies before an instant.
    fn forget(&mut self, before: Instant) {
        self.ready.forget(before);
        self.unobserved.forget(before);
        let keep_from = self.sizes.iter().rposition(|(at, ..)| *at <= before).unwrap_or(0);
        self.sizes.drain(..keep_from);
    }

    /// Whether everything about it was drained.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.gone_at.is_some_and(|gone| gone <= self.next_hour.start())
    }

    /// Since when it is gone; `None` while it is there.
    #[must_use]
    pub fn gone_at(&self) -> Option<Instant> {
        self.gone_at
    }
}

/// Whole seconds, an hour at most.
fn seconds(spans: &Spans) -> u32 {
    u32::try_from(spans.duration_us() / SECOND_US)
        .unwrap_or(HOUR_S)
        .min(HOUR_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant(seconds * SECOND_US)
    }

    fn fact(ready: bool, since: i64) -> NodeFact {
        let mut object = core::Node::default();
        object.metadata.name = Some("a".to_owned());
        let mut fact = NodeFact::read(&object).expect("node");
        fact.created_at = Some(at(0));
        fact.ready = ready;
        fact.since = Some(at(since));
        fact
    }

    /// An update: when it is seen, whether Ready, since when; or the deletion.
    enum Seen {
        As(i64, bool, i64),
        Gone(i64),
    }

    #[test]
    fn ready_seconds() {
        use Seen::{As, Gone};
        // (what, first seen, updates, Ready seconds of hours 0 and 1)
        let cases = [
            ("always", As(10, true, 0), vec![], [Some(3_600), Some(3_600)]),
            (
                "five minutes of boot",
                As(10, false, 0),
                vec![As(301, true, 300)],
                [Some(3_300), Some(3_600)],
            ),
            ("never joined", As(10, false, 0), vec![], [Some(0), Some(0)]),
            (
                "drained at 20 min",
                As(10, true, 0),
                vec![Gone(1_200)],
                [Some(1_200), None],
            ),
            (
                "not ready 10 min",
                As(10, true, 0),
                vec![As(1_201, false, 1_200), As(1_801, true, 1_800)],
                [Some(3_000), Some(3_600)],
            ),
            // seen at 1,000 as Ready, seen at 1,801 as Ready since 1,800
            (
                "a gap nobody saw",
                As(10, true, 0),
                vec![As(1_000, true, 0), As(1_801, true, 1_800)],
                [Some(2_800), Some(3_600)],
            ),
            (
                "a clock ahead is clipped",
                As(600, true, 900),
                vec![],
                [Some(3_000), Some(3_600)],
            ),
            (
                "gone in the second hour",
                As(10, true, 0),
                vec![Gone(5_400)],
                [Some(3_600), Some(1_800)],
            ),
            (
                "the same again",
                As(10, true, 0),
                vec![As(50, true, 0), As(90, true, 0)],
                [Some(3_600), Some(3_600)],
            ),
        ];
        for (what, first, updates, expect) in cases {
            let As(seen, ready, since) = first else {
                panic!("{what}: starts with a sight")
            };
            let mut track = NodeTrack::new(&fact(ready, since), at(seen), at(0));
            for update in updates {
                match update {
                    As(seen, ready, since) => track.update(fact(ready, since), at(seen)),
                    Gone(seen) => track.gone(at(seen)),
                }
            }
            let hours = track.drain(Hour(2), &Spans::default());
            let found = [0, 1].map(|hour| hours.iter().find(|h| h.hour == Hour(hour)).map(|h| h.ready_s));
            assert_eq!(found, expect, "{what}");
        }
    }

    #[test]
    fn observed_is_part_of_ready() {
        let mut track = NodeTrack::new(&fact(true, 600), at(610), at(610));
        let mut observed = Spans::default();
        observed.add(at(300), at(1_600));
        track.lose(at(1_000), at(1_100));
        let hours = track.drain(Hour(1), &observed);
        assert_eq!((hours[0].ready_s, hours[0].observed_s), (3_000, 900));
    }

    #[test]
    fn pools_and_purchase() {
        for (key, value, pool, capacity) in [
            ("eks.amazonaws.com/nodegroup", "blue", "blue", ""),
            ("eks.amazonaws.com/capacityType", "SPOT", "", "spot"),
            ("karpenter.sh/capacity-type", "on-demand", "", "on-demand"),
            ("cloud.google.com/gke-spot", "false", "", ""),
            ("agentpool", "np1", "np1", ""),
        ] {
            let labels = Tags::from([(key.to_owned(), value.to_owned())]);
            assert_eq!(
                (pool_of(&labels).as_str(), capacity_type_of(&labels).as_str()),
                (pool, capacity),
                "{key}"
            );
        }
    }
}
