//! Who a piece of a node's cost belongs to: found once per kind of charge,
//! place, part and epoch of the rules.

use super::gather::ChargeKind;
use crate::rows::Charges;
use domain::BillingPeriod;
use domain::allocate::clusters::placed;
use domain::allocate::{CubeKey, key_of};
use domain::instant::{Day, Instant};
use domain::tags;
use domain::usage::{Node, Part, Slot};
use polars::prelude::PlHashMap;

/// What owner rules see of a slot: namespace, kind and name of the workload,
/// container, labels as JSON.
pub(super) type Subject<'t> = [&'t str; 5];

pub(super) struct Owners<'a, 'p> {
    pub kinds: &'a [ChargeKind],
    pub charges: &'a mut Charges<'p>,
    ids: PlHashMap<Box<[u8]>, u32>,
    places: Vec<Place>,
    keys: PlHashMap<(u32, u32, Option<Part>, usize), u32>,
}

/// Where pieces land.
struct Place {
    cluster: String,
    node: Node,
    slot: Option<Slot>,
}

impl<'a, 'p> Owners<'a, 'p> {
    pub fn new(kinds: &'a [ChargeKind], charges: &'a mut Charges<'p>) -> Owners<'a, 'p> {
        Owners {
            kinds,
            charges,
            ids: PlHashMap::default(),
            places: Vec::new(),
            keys: PlHashMap::default(),
        }
    }

    /// The position of a place: a node pool, or a kind of container in it.
    pub fn place(&mut self, cluster: &str, pool: &str, subject: Option<Subject<'_>>) -> u32 {
        let mut key = Vec::new();
        push(&mut key, cluster);
        push(&mut key, pool);
        subject.iter().flatten().for_each(|text| push(&mut key, text));
        if let Some(id) = self.ids.get(key.as_slice()) {
            return *id;
        }
        let id = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.ids.insert(key.into(), id);
        let slot = subject.map(|[namespace, workload_kind, workload, container, labels]| Slot {
            namespace: namespace.to_owned(),
            workload_kind: workload_kind.to_owned(),
            workload: workload.to_owned(),
            container: container.to_owned(),
            labels: tags::parse(labels).unwrap_or_default(),
            ..Slot::default()
        });
        self.places.push(Place {
            cluster: cluster.to_owned(),
            node: Node {
                pool: pool.to_owned(),
                ..Node::default()
            },
            slot,
        });
        id
    }

    /// Position of the key of a piece.
    pub fn key(&mut self, kind: u32, place: u32, part: Option<Part>, day: Day) -> u32 {
        let at = day.start();
        let epoch = self.charges.program().rules.epoch(at);
        let known = (kind, place, part, epoch);
        if let Some(key) = self.keys.get(&known) {
            return *key;
        }
        let key = self.find(kind, place, part, at);
        self.keys.insert(known, key);
        key
    }

    fn find(&mut self, kind: u32, place: u32, part: Option<Part>, at: Instant) -> u32 {
        let kind = &self.kinds[kind as usize];
        let place = &self.places[place as usize];
        let attributes = placed(&kind.attributes, &place.cluster, &place.node, place.slot.as_ref(), part);
        let found = key_of(
            self.charges.program(),
            BillingPeriod::of(Instant(0)),
            &kind.currency,
            kind.category,
            &attributes,
            at,
        );
        self.charges.key_id(CubeKey {
            day: None,
            class: kind.class,
            ..found
        })
    }
}

/// Appends a text so that different texts cannot give the same bytes.
pub(super) fn push(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    key.extend_from_slice(text.as_bytes());
}
