//! Load balancers by hour and what is behind them (A32): services of type
//! `LoadBalancer`, and ingresses whose controller makes one of its own. An
//! ingress that shows the address of a service is behind that service's. How
//! many requests each served is known to the controller alone.

use super::history::{Histories, whole_seconds};
use super::inventory::{Balancer, Entry};
use super::spans::Spans;
use super::volumes::Asked;
use domain::instant::Instant;
use domain::tags::Tags;
use domain::usage::{self, Backend, BackendHour, BalancerDay, BalancerHour, Hour};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Stands for the host of a rule that is for any.
const ANY_HOST: &str = "*";

/// What is known of services and ingresses over time.
#[derive(Debug, Default)]
pub struct Balancers {
    /// By UID.
    pub services: Histories<String, Entry<Balancer>>,
    /// By UID.
    pub ingresses: Histories<String, Entry<Balancer>>,
}

/// Kind and name of what serves the pods that a selector selects in a namespace.
pub type ServedBy<'a> = dyn Fn(&str, &Tags) -> Option<(String, String)> + 'a;

/// Labels of a namespace, by its name.
pub type NamespaceLabels<'a> = dyn Fn(&str) -> Option<Tags> + 'a;

/// A load balancer in an hour.
#[derive(Default)]
struct Seen {
    spans: Spans,
    /// Hosts by namespace and service.
    hosts: BTreeMap<(String, String), BTreeSet<String>>,
}

/// A service before an ingress, then by name: who asked for a load balancer.
type Asker = (bool, String, String, Tags);

impl Balancers {
    /// The load balancers that existed in some hours, in order.
    pub fn facts(&self, asked: &Asked, served_by: &ServedBy<'_>, labels_of: &NamespaceLabels<'_>) -> Vec<BalancerDay> {
        let mut askers: BTreeMap<String, Asker> = BTreeMap::new();
        let mut hours: BTreeMap<String, Vec<BalancerHour>> = BTreeMap::new();
        let mut behind: BTreeMap<(String, (String, String)), Vec<BackendHour>> = BTreeMap::new();
        for (hour, from, to) in asked.stretches() {
            for (id, seen) in self.seen(from, to, &mut askers) {
                let seconds = whole_seconds(seen.spans.duration_us());
                hours
                    .entry(id.clone())
                    .or_default()
                    .push(BalancerHour { hour, seconds });
                for (service, fact) in backends(hour, &askers[&id], seen) {
                    behind.entry((id.clone(), service)).or_default().push(fact);
                }
            }
        }
        let services = self.newest_services();
        let mut days: BTreeMap<String, BalancerDay> = BTreeMap::new();
        for (id, (_, namespace, service, labels)) in askers {
            let balancer = usage::Balancer {
                balancer_id: id.clone(),
                namespace,
                service,
                name: String::new(),
                labels,
            };
            let hours = hours.remove(&id).unwrap_or_default();
            let day = BalancerDay {
                balancer,
                hours,
                backends: Vec::new(),
            };
            days.insert(id, day);
        }
        for ((id, (namespace, service)), hours) in behind {
            let known = services.get(&(namespace.as_str(), service.as_str()));
            let by = known.and_then(|entry| served_by(&namespace, &entry.what.selector));
            let (workload_kind, workload) = by.unwrap_or_default();
            let mut labels = labels_of(&namespace).unwrap_or_default();
            labels.extend(known.map(|entry| entry.labels.clone()).unwrap_or_default());
            let backend = Backend {
                namespace,
                service,
                workload_kind,
                workload,
                labels,
            };
            if let Some(day) = days.get_mut(&id) {
                day.backends.push((backend, hours));
            }
        }
        days.into_values().collect()
    }

    /// The load balancers of a stretch, by id.
    fn seen(&self, from: Instant, to: Instant, askers: &mut BTreeMap<String, Asker>) -> BTreeMap<String, Seen> {
        let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
        let mut ask = |id: &str, ingress: bool, entry: &Entry<Balancer>| {
            let asker = (
                ingress,
                entry.namespace.clone(),
                entry.name.clone(),
                entry.labels.clone(),
            );
            let known = askers.entry(id.to_owned()).or_insert_with(|| asker.clone());
            if asker < *known {
                *known = asker;
            }
        };
        let mut by_address: BTreeMap<&str, &str> = BTreeMap::new();
        let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, to, entry) in self.services.values().flat_map(|history| history.within(from, to)) {
            let Some(id) = id_of(entry) else { continue };
            seen.entry(id.to_owned()).or_default().spans.add(from, to);
            ask(id, false, entry);
            by_address.extend(entry.what.addresses.iter().map(|address| (address.as_str(), id)));
            for part in entry.name.split('-').chain(entry.namespace.split('-')) {
                by_name.entry(part).or_default().insert(id);
            }
        }
        for (from, to, entry) in self.ingresses.values().flat_map(|history| history.within(from, to)) {
            let addresses = &entry.what.addresses;
            let shared = addresses.iter().find_map(|address| by_address.get(address.as_str()));
            let id = match (shared, addresses.as_slice()) {
                (Some(id), _) => (*id).to_owned(),
                (None, [own]) => {
                    ask(own, true, entry);
                    seen.entry(own.clone()).or_default().spans.add(from, to);
                    own.clone()
                }
                // a controller that tells no address, but whose class is called like one load balancer
                (None, []) => match by_name.get(entry.what.class.as_str()) {
                    Some(ids) if ids.len() == 1 => ids.iter().copied().collect(),
                    _ => continue,
                },
                (None, _) => continue,
            };
            let hosts = &mut seen.entry(id).or_default().hosts;
            for (host, service) in &entry.what.routes {
                let host = if host.is_empty() { ANY_HOST } else { host };
                let of = hosts.entry((entry.namespace.clone(), service.clone())).or_default();
                of.insert(host.to_owned());
            }
        }
        seen
    }

    fn newest_services(&self) -> BTreeMap<(&str, &str), &Arc<Entry<Balancer>>> {
        let newest = self.services.values().filter_map(|history| history.newest());
        newest
            .map(|entry| ((entry.namespace.as_str(), entry.name.as_str()), entry))
            .collect()
    }

    /// Drops what was over before an instant.
    pub fn forget(&mut self, before: Instant) {
        self.services.forget(before);
        self.ingresses.forget(before);
    }
}

/// What the bill calls the load balancer of a service: several addresses are
/// those of one.
fn id_of(entry: &Entry<Balancer>) -> Option<&str> {
    let addresses = Some(&entry.what.addresses).filter(|_| entry.what.kind == "LoadBalancer");
    addresses?.iter().min().map(String::as_str)
}

/// What is behind a load balancer in an hour: without an ingress, the service itself.
fn backends(hour: Hour, asker: &Asker, seen: Seen) -> Vec<((String, String), BackendHour)> {
    let fact = |hosts: usize| BackendHour {
        hour,
        requests: None,
        bytes: None,
        hosts: u64::try_from(hosts).unwrap_or(u64::MAX),
    };
    let (ingress, namespace, service, _) = asker;
    if seen.hosts.is_empty() && !ingress {
        return vec![((namespace.clone(), service.clone()), fact(0))];
    }
    let of = seen.hosts.into_iter();
    of.map(|(service, hosts)| (service, fact(hosts.len()))).collect()
}
