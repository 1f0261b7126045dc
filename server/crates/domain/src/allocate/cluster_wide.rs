//! What the whole cluster uses (A27): its control plane, and the pods that
//! serve all others (name service, autoscaler, metrics). Both follow the
//! effective requests of the cluster's other pods, in money by unit weights
//! (core 9, GiB 1, GPU 90), so that no bill has to be there to say who uses the
//! cluster, and a refund cannot turn a weight around.
//!
//! The fee of a control plane goes to hours by time first, then each hour's to
//! who is there (A2). What cluster services cost on a node follows who is there
//! in the hours of that node's charge.

use super::clusters::{Piece, worth};
use crate::apportion::{ApportionError, Splitter};
use crate::charge::Attributes;
use crate::instant::{Day, Span};
use crate::money::Money;
use crate::rule::RuleSet;
use crate::usage::fill::fill;
use crate::usage::{ClusterDay, Hour, Part, Role, Slot};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Weights of a place in the 24 hours of a day.
pub type DayWeights = [i128; 24];

/// Who uses a cluster on a day, hour by hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    places: Vec<Slot>,
    weights: Vec<DayWeights>,
}

/// Whether a slot is one of a pod that serves the whole cluster: neither a
/// DaemonSet nor a placeholder, in a namespace the rules call one of services.
#[must_use]
pub fn is_cluster_service(slot: &Slot, rules: &RuleSet) -> bool {
    is_user_role(slot.role) && rules.clusters.service_namespaces.contains(&slot.namespace)
}

/// Whether a slot is one of a pod that pays for what the whole cluster uses.
#[must_use]
pub fn is_user(slot: &Slot, rules: &RuleSet) -> bool {
    is_user_role(slot.role) && !rules.clusters.service_namespaces.contains(&slot.namespace)
}

fn is_user_role(role: Role) -> bool {
    matches!(role, Role::Workload | Role::PodOverhead)
}

/// What owner rules see of a slot: slots that differ in nothing else are one place.
#[must_use]
pub fn place_of(slot: &Slot) -> Slot {
    Slot {
        container: slot.container.clone(),
        namespace: slot.namespace.clone(),
        workload_kind: slot.workload_kind.clone(),
        workload: slot.workload.clone(),
        labels: slot.labels.clone(),
        ..Slot::default()
    }
}

impl Users {
    /// Places with their weights, in canonical order.
    #[must_use]
    pub fn new(places: BTreeMap<Slot, DayWeights>) -> Users {
        let (places, weights) = places.into_iter().unzip();
        Users { places, weights }
    }

    /// The users of a day, observed and filled (A5).
    #[must_use]
    pub fn of(day: &ClusterDay, rules: &RuleSet) -> Users {
        let mut places: BTreeMap<Slot, DayWeights> = BTreeMap::new();
        let mut add = |slot: &Slot, hour: Hour, weight: i128| {
            if is_user(slot, rules) {
                places.entry(place_of(slot)).or_default()[usize::from(hour.of_day())] += weight;
            }
        };
        for (slot, hours) in &day.slots {
            hours
                .iter()
                .for_each(|hour| add(slot, hour.hour, worth(&hour.effective)));
        }
        for (node, hours) in &day.nodes {
            let slots: Vec<_> = day
                .slots
                .iter()
                .filter(|(slot, _)| slot.node == node.name)
                .cloned()
                .collect();
            for filled in fill(hours, &slots).filled {
                add(&slots[filled.slot].0, filled.hour, worth(&filled.effective));
            }
        }
        Users::new(places)
    }

    /// Who they are, in canonical order: only what owner rules see is set.
    #[must_use]
    pub fn places(&self) -> &[Slot] {
        &self.places
    }

    /// What each weighs in some hours of `day`.
    #[must_use]
    pub fn weights(&self, day: Day, hours: Range<Hour>) -> Vec<i128> {
        let first = Hour(day.0 * 24);
        let within = |hour: Hour| usize::try_from((hour.0 - first.0).clamp(0, 24)).unwrap_or(0);
        let range = within(hours.start)..within(hours.end).max(within(hours.start));
        let sum = |weights: &DayWeights| weights[range.clone()].iter().sum();
        self.weights.iter().map(sum).collect()
    }

    /// Splits what a cluster service cost among them; `None` when nobody is there.
    ///
    /// # Errors
    /// What the splitter refuses.
    pub fn split(&self, cost: Money, weights: &[i128], split: Splitter) -> Result<Option<Vec<Money>>, ApportionError> {
        if weights.iter().all(|weight| *weight == 0) {
            return Ok(None);
        }
        split(cost, weights).map(Some)
    }
}

/// Splits a control plane's fee: evenly over the hours, then each hour's among
/// who uses the cluster in it; in an hour without anybody it stays on the cluster.
///
/// # Errors
/// What the splitter refuses.
pub fn split_control_plane<'u>(
    cost: Money,
    hours: Range<Hour>,
    users: impl Fn(Day) -> Option<&'u Users>,
    split: Splitter,
) -> Result<Vec<Piece>, ApportionError> {
    let count = usize::try_from(hours.end.0 - hours.start.0).unwrap_or(0);
    let parts = split(cost, &vec![1; count])?;
    let mut pieces = Vec::new();
    for (at, money) in (hours.start.0..hours.end.0).map(Hour).zip(parts) {
        let span = Span {
            start: at.start(),
            end: Hour(at.0 + 1).start(),
        };
        let mut push = |place: Slot, money| {
            pieces.push(Piece {
                place,
                part: Part::ControlPlane,
                span,
                money,
            });
        };
        let users = users(at.day());
        let weights = users.map_or_else(Vec::new, |users| users.weights(at.day(), at..Hour(at.0 + 1)));
        let Some((users, shares)) =
            users.and_then(|users| Some((users, users.split(money, &weights, split).transpose()?)))
        else {
            push(Slot::default(), money);
            continue;
        };
        for ((place, weight), share) in users.places().iter().zip(weights).zip(shares?) {
            if weight > 0 {
                push(place.clone(), share);
            }
        }
    }
    Ok(pieces)
}

/// Tags that name the cluster of what they are on.
const NAME_TAGS: [&str; 7] = [
    "aws:eks:cluster-name",
    "eks:cluster-name",
    "alpha.eksctl.io/cluster-name",
    "goog-k8s-cluster-name",
    "aks-managed-cluster-name",
    "kubernetes.azure.com/cluster",
    "cluster",
];
/// The prefix of a tag whose key names the cluster.
const NAME_PREFIX: &str = "kubernetes.io/cluster/";

/// Names of the cluster in the tags of a charge, in lower case.
#[must_use]
pub fn tagged_names(attributes: &Attributes) -> Vec<String> {
    let values = NAME_TAGS.iter().filter_map(|key| attributes.tag(key));
    let keys = attributes.tags.keys().filter_map(|key| key.strip_prefix(NAME_PREFIX));
    let names = values.chain(keys).map(|name| name.trim().to_lowercase());
    names.filter(|name| !name.is_empty()).collect()
}

/// Whether a charge of a Kubernetes service may be the fee of a control plane:
/// pods have lines of their own there, those of virtual nodes and of the
/// provider's split.
#[must_use]
pub fn may_be_plane(resource_id: Option<&str>) -> bool {
    let id = resource_id.unwrap_or("");
    ![":pod/", "/pods/"].iter().any(|mark| id.contains(mark))
}

/// What a control plane's charge calls its cluster, best first: the name in its
/// ResourceId (`arn:aws:eks:...:cluster/shop`, `.../managedClusters/shop`,
/// `.../clusters/shop`, or all of it), then its tags.
#[must_use]
pub fn plane_names(resource_id: Option<&str>, attributes: &Attributes) -> Vec<String> {
    let id = resource_id.unwrap_or("").trim().to_lowercase();
    let last = ["cluster/", "clusters/"].iter().find_map(|kind| {
        let (_, name) = id.rsplit_once(kind)?;
        (!name.contains('/')).then(|| name.to_owned())
    });
    let own = last.or(Some(id)).filter(|name| !name.is_empty());
    let mut names: Vec<String> = own.into_iter().chain(tagged_names(attributes)).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// Clusters of the usage by what bills call them: by their id, and by the tags
/// of the charges of their nodes. A name of two clusters is none.
#[derive(Debug, Clone, Default)]
pub struct ClusterNames {
    ids: BTreeMap<String, String>,
    tagged: BTreeMap<String, Option<String>>,
}

impl ClusterNames {
    /// A cluster of the usage.
    pub fn add(&mut self, cluster: &str) {
        self.ids.insert(cluster.to_lowercase(), cluster.to_owned());
    }

    /// A charge of one of its nodes.
    pub fn learn(&mut self, cluster: &str, node_charge: &Attributes) {
        for name in tagged_names(node_charge) {
            let known = self.tagged.entry(name).or_insert_with(|| Some(cluster.to_owned()));
            if known.as_deref() != Some(cluster) {
                *known = None;
            }
        }
    }

    /// The cluster somebody calls by these names.
    #[must_use]
    pub fn find(&self, names: &[String]) -> Option<&str> {
        names.iter().find_map(|name| {
            let tagged = || self.tagged.get(name)?.as_deref();
            self.ids.get(name).map(String::as_str).or_else(tagged)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apportion::apportion;
    use crate::usage::{Capacity, SlotHour};

    fn money(text: &str) -> Money {
        Money::parse(text).expect(text)
    }

    /// A pod of a namespace that holds a core from one hour of day 0 up to another.
    fn pod(namespace: &str, role: Role, hours: Range<i32>) -> (Slot, Vec<SlotHour>) {
        let held = Capacity {
            cpu_millicores: 1_000,
            memory_mib: 0,
            gpu_milli: 0,
        };
        let hour = |hour| SlotHour {
            hour: Hour(hour),
            seconds: 3_600,
            effective: held.over(3_600),
            requested: held.over(3_600),
            used: held.over(0),
        };
        let slot = Slot {
            pod_uid: format!("{namespace} {}", role.as_str()),
            namespace: namespace.to_owned(),
            role,
            ..Slot::default()
        };
        (slot, hours.map(hour).collect())
    }

    fn users(slots: Vec<(Slot, Vec<SlotHour>)>) -> Users {
        let day = ClusterDay {
            slots,
            ..ClusterDay::default()
        };
        Users::of(&day, &RuleSet::empty())
    }

    #[test]
    fn who_uses_a_cluster() {
        let users = users(vec![
            pod("a", Role::Workload, 0..2),
            pod("a", Role::PodOverhead, 0..1),
            pod("agents", Role::DaemonSet, 0..24),
            pod("b", Role::Workload, 1..2),
            pod("kube-system", Role::Workload, 0..24),
            pod("room", Role::Placeholder, 0..24),
        ]);
        let names: Vec<&str> = users.places().iter().map(|place| place.namespace.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let core_hour = 9_216 * 3_600_000;
        let weights = |from, to| users.weights(Day(0), Hour(from)..Hour(to));
        assert_eq!(weights(0, 1), [2 * core_hour, 0]);
        assert_eq!(weights(-5, 2), [3 * core_hour, core_hour]);
        assert_eq!(weights(2, 90), [0, 0]);
        assert_eq!(users.weights(Day(1), Hour(0)..Hour(24)), [0, 0]);
    }

    #[test]
    fn a_control_plane_goes_by_time_then_by_who_is_there() {
        // A2: alive 1 of 4 hours beside one that is always there: an eighth, not a fifth
        let users = users(vec![pod("a", Role::Workload, 0..1), pod("b", Role::Workload, 0..4)]);
        let pieces = split_control_plane(money("0.80"), Hour(0)..Hour(4), |_| Some(&users), apportion).expect("splits");
        let of = |name: &str| {
            let own = pieces.iter().filter(|piece| piece.place.namespace == name);
            Money::sum(own.map(|piece| piece.money)).expect("small")
        };
        assert_eq!((of("a"), of("b")), (money("0.10"), money("0.70")));
        assert!(pieces.iter().all(|piece| piece.part == Part::ControlPlane));

        // an hour without anybody, and a cluster without facts: its owner's
        let pieces = split_control_plane(money("0.80"), Hour(3)..Hour(5), |_| Some(&users), apportion).expect("splits");
        let found: Vec<(&str, Money)> = pieces.iter().map(|p| (p.place.namespace.as_str(), p.money)).collect();
        assert_eq!(found, [("b", money("0.40")), ("", money("0.40"))]);
        let pieces = split_control_plane(money("0.10"), Hour(0)..Hour(1), |_| None, apportion).expect("splits");
        assert_eq!((pieces.len(), pieces[0].money), (1, money("0.10")));
    }

    #[test]
    fn pods_are_no_control_planes() {
        assert!(may_be_plane(None) && may_be_plane(Some("arn:aws:eks:eu:1:cluster/shop")));
        assert!(!may_be_plane(Some("arn:aws:eks:eu:1:pod/shop/default/web-1/0a1b")));
    }

    #[test]
    fn control_planes_find_their_cluster() {
        let tags = |tags: &[(&str, &str)]| {
            tags.iter()
                .fold(Attributes::default(), |all, (key, value)| all.with_tag(key, value))
        };
        let mut names = ClusterNames::default();
        names.add("UID-1");
        names.add("uid-2");
        names.learn(
            "UID-1",
            &tags(&[("aws:eks:cluster-name", "Shop"), ("cluster", "production")]),
        );
        names.learn(
            "uid-2",
            &tags(&[("kubernetes.io/cluster/erp", "owned"), ("cluster", "production")]),
        );
        for (id, tagged, expect) in [
            (
                Some("arn:aws:eks:eu-central-1:1:cluster/shop"),
                tags(&[]),
                Some("UID-1"),
            ),
            (
                Some("/subscriptions/S/resourceGroups/r/providers/Microsoft.ContainerService/managedClusters/ERP"),
                tags(&[]),
                Some("uid-2"),
            ),
            (
                Some("//container.googleapis.com/projects/p/locations/l/clusters/erp"),
                tags(&[]),
                Some("uid-2"),
            ),
            (Some("uid-1"), tags(&[]), Some("UID-1")),
            (Some("shop"), tags(&[]), Some("UID-1")),
            (None, tags(&[("eks:cluster-name", "erp")]), Some("uid-2")),
            (
                Some("something else"),
                tags(&[("eks:cluster-name", "erp")]),
                Some("uid-2"),
            ),
            // the name of two clusters, and of none
            (None, tags(&[("cluster", "production")]), None),
            (
                Some("arn:aws:eks:eu-central-1:1:nodegroup/shop/general/1"),
                tags(&[]),
                None,
            ),
            (None, tags(&[]), None),
        ] {
            assert_eq!(names.find(&plane_names(id, &tagged)), expect, "{id:?} {tagged:?}");
        }
    }
}
