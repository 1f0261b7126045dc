//! Load balancers by hour out of kube-state-metrics, and what Traefik passed to
//! the services behind them (A32).
//!
//! No series tells which load balancer an ingress is behind. It is the one that
//! is called like the ingress class, or the one whose Traefik served the
//! service; otherwise it stays unknown.

use super::answer::Series;
use super::counters::{Counters, Traffic};
use super::error::PrometheusError;
use super::fetch::{Scope, Unreadable, selector};
use super::nodes::{SILENCE_MS, window};
use super::series::{Scrapes, Timeline, label};
use super::spans::{Presence, Stretch, covered_ms, through_silences};
use domain::Finding;
use domain::tags::Tags;
use domain::usage::{Backend, BackendHour, Balancer, BalancerDay, BalancerHour, HOUR_S, Hour};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Stands for the host of a path that is for any.
const ANY_HOST: &str = "*";

/// Namespace and name of a service.
pub(super) type ServiceName = (String, String);

/// What the series of a window say about services, ingresses and their traffic.
#[derive(Debug, Default)]
pub(crate) struct Balancers {
    scrapes: Scrapes,
    services: BTreeMap<ServiceName, Service>,
    namespaces: BTreeMap<String, Timeline<Tags>>,
    /// By (namespace, ingress).
    classes: BTreeMap<(String, String), String>,
    paths: BTreeMap<Path, Presence>,
    requests: Counters,
    bytes: Counters,
}

#[derive(Debug, Default)]
struct Service {
    /// While it is of type `LoadBalancer`.
    balances: Presence,
    addresses: BTreeSet<String>,
    labels: Timeline<Tags>,
}

/// A path of an ingress.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Path {
    ingress: (String, String),
    host: String,
    service: String,
}

/// Everything about load balancers.
pub(crate) async fn fetch_balancers(
    scope: &Scope<'_>,
    around: Stretch,
    findings: &mut Vec<Finding>,
) -> Result<Balancers, PrometheusError> {
    let mut balancers = Balancers::default();
    let mut unreadable = Unreadable::default();
    for metric in [
        "kube_service_spec_type",
        "kube_service_status_load_balancer_ingress",
        "kube_service_labels",
        "kube_namespace_labels",
        "kube_ingress_info",
        "kube_ingress_path",
        "traefik_service_requests_total",
        "traefik_service_requests_bytes_total",
        "traefik_service_responses_bytes_total",
    ] {
        let query = selector(metric, &[], scope.matchers);
        let each = |series: Series| {
            unreadable.count(metric, &series);
            balancers.see(metric, &series, scope);
        };
        scope.client.samples(&query, around, 0, findings, each).await?;
    }
    unreadable.report(findings);
    Ok(balancers)
}

impl Balancers {
    fn see(&mut self, metric: &str, series: &Series, scope: &Scope<'_>) {
        let (labels, reach) = (&series.labels, scope.rules.reach_ms);
        let namespace = label(labels, "namespace").to_owned();
        let service = (namespace.clone(), label(labels, "service").to_owned());
        let tags = |timeline: &mut Timeline<Tags>| {
            let tags = scope.rules.names.read(labels);
            for (at, _) in &series.samples {
                timeline.see(*at, tags.clone(), reach);
            }
            timeline.settle();
        };
        match metric {
            "kube_service_spec_type" => {
                let seen = self.services.entry(service).or_default();
                if label(labels, "type") == "LoadBalancer" {
                    seen.balances.see(series, reach);
                }
                self.scrapes.see(series);
            }
            "kube_service_status_load_balancer_ingress" => {
                let points = ["hostname", "ip"].iter().map(|name| label(labels, name));
                let point = points.into_iter().find(|point| !point.is_empty());
                self.services
                    .entry(service)
                    .or_default()
                    .addresses
                    .extend(point.map(str::to_owned));
            }
            "kube_service_labels" => tags(&mut self.services.entry(service).or_default().labels),
            "kube_namespace_labels" => tags(self.namespaces.entry(namespace).or_default()),
            "kube_ingress_info" => {
                let ingress = (namespace, label(labels, "ingress").to_owned());
                self.classes.insert(ingress, label(labels, "ingressclass").to_owned());
            }
            "kube_ingress_path" => {
                let path = Path {
                    ingress: (namespace, label(labels, "ingress").to_owned()),
                    host: label(labels, "host").to_owned(),
                    service: label(labels, "service_name").to_owned(),
                };
                self.paths.entry(path).or_default().see(series, reach);
            }
            "traefik_service_requests_total" => self.requests.see(series, reach),
            _ => self.bytes.see(series, reach),
        }
    }

    /// The load balancers that existed in some hours, in order.
    pub(crate) fn days(&self, hours: &Range<i32>, reach: i64, findings: &mut Vec<Finding>) -> Vec<BalancerDay> {
        let ids: BTreeMap<&ServiceName, &str> = self
            .services
            .iter()
            .filter(|(_, service)| !service.balances.is_empty())
            .filter_map(|(name, service)| Some((name, service.addresses.first()?.as_str())))
            .collect();
        let mut behind = Behind::default();
        let requests = self.requests.by_service(hours, reach);
        let bytes = self.bytes.by_service(hours, reach);
        self.serve(&ids, &requests, &mut behind, findings, |fact| &mut fact.requests);
        self.serve(&ids, &bytes, &mut behind, &mut Vec::new(), |fact| &mut fact.bytes);
        self.host(&ids, hours, reach, &mut behind);
        let mut days: BTreeMap<String, BalancerDay> = BTreeMap::new();
        for (name, id) in &ids {
            let facts = self.hours_of(name, hours, reach);
            if facts.is_empty() {
                continue;
            }
            let day = days.entry((*id).to_owned()).or_insert_with(|| BalancerDay {
                balancer: self.balancer(id, name, hours),
                ..BalancerDay::default()
            });
            for fact in facts {
                match day.hours.iter_mut().find(|known| known.hour == fact.hour) {
                    Some(known) => known.seconds = known.seconds.max(fact.seconds),
                    None => day.hours.push(fact),
                }
            }
            day.hours.sort();
        }
        for (name, id) in &ids {
            if let Some(day) = days.get_mut(*id) {
                self.lead(name, day, &behind, hours);
            }
        }
        days.into_values().collect()
    }

    /// Adds what a service of a load balancer leads to; in an hour in which
    /// that is nothing, itself.
    fn lead(&self, name: &ServiceName, day: &mut BalancerDay, behind: &Behind, hours: &Range<i32>) {
        let services = behind.services(name);
        let mut led: BTreeMap<ServiceName, Vec<BackendHour>> = BTreeMap::new();
        for hour in day.hours.iter().map(|fact| fact.hour) {
            let facts = services
                .iter()
                .map(|service| (service, behind.fact(name, service, hour)));
            let mut facts: Vec<_> = facts.filter(|(_, fact)| is_something(fact)).collect();
            if facts.is_empty() {
                facts.push((name, behind.fact(name, name, hour)));
            }
            for (service, fact) in facts {
                led.entry(service.clone()).or_default().push(fact);
            }
        }
        for (service, facts) in led {
            let known = day.backends.iter_mut().find(|(known, _)| same(known, &service));
            // two services of one load balancer may lead to the same
            let known = known.map(|(_, known)| known);
            match known {
                Some(known) => {
                    known.retain(|old| facts.iter().all(|fact| fact.hour != old.hour || *fact < *old));
                    let old: BTreeSet<Hour> = known.iter().map(|old| old.hour).collect();
                    known.extend(facts.iter().filter(|fact| !old.contains(&fact.hour)));
                    known.sort();
                }
                None => day.backends.push((self.backend(&service, hours), facts)),
            }
        }
        day.backends.sort();
    }

    fn hours_of(&self, name: &ServiceName, hours: &Range<i32>, reach: i64) -> Vec<BalancerHour> {
        let Some(service) = self.services.get(name) else {
            return Vec::new();
        };
        let ticks = service.balances.ticks(&self.scrapes, reach, |_| true);
        let lived = through_silences(&ticks, &self.scrapes);
        let fact = |hour: Hour| {
            let seconds = u32::try_from(covered_ms(&lived, window(hour)) / 1_000).unwrap_or(HOUR_S);
            (seconds > 0).then_some(BalancerHour { hour, seconds })
        };
        hours.clone().map(Hour).filter_map(fact).collect()
    }

    fn balancer(&self, id: &str, (namespace, service): &ServiceName, hours: &Range<i32>) -> Balancer {
        Balancer {
            balancer_id: id.to_owned(),
            namespace: namespace.clone(),
            service: service.clone(),
            name: String::new(),
            labels: self.labels(&(namespace.clone(), service.clone()), hours),
        }
    }

    fn backend(&self, name: &ServiceName, hours: &Range<i32>) -> Backend {
        let of_namespace = self.namespaces.get(&name.0);
        let mut labels = of_namespace
            .and_then(|labels| labels.latest(span(hours), SILENCE_MS))
            .cloned()
            .unwrap_or_default();
        labels.extend(self.labels(name, hours));
        Backend {
            namespace: name.0.clone(),
            service: name.1.clone(),
            // no series tells which pods a service selects
            workload_kind: String::new(),
            workload: String::new(),
            labels,
        }
    }

    fn labels(&self, name: &ServiceName, hours: &Range<i32>) -> Tags {
        let labels = self.services.get(name).map(|service| &service.labels);
        let labels = labels.and_then(|labels| labels.latest(span(hours), SILENCE_MS));
        labels.cloned().unwrap_or_default()
    }

    /// Gives the traffic of Traefik to the load balancer it stands behind.
    fn serve(
        &self,
        ids: &BTreeMap<&ServiceName, &str>,
        traffic: &Traffic,
        behind: &mut Behind,
        findings: &mut Vec<Finding>,
        field: fn(&mut Fact) -> &mut Option<u64>,
    ) {
        let (mut homeless, mut unknown): (BTreeSet<&str>, BTreeSet<&str>) = Default::default();
        for ((place, named), risen) in traffic {
            let Some(service) = self.named(named) else {
                // its own dashboard and the like are nobody's
                if !named.ends_with("@internal") {
                    unknown.insert(named);
                }
                continue;
            };
            let Some(balancer) = balancer_of(ids, place) else {
                homeless.insert(named);
                continue;
            };
            for (hour, rise) in risen {
                let facts = behind.0.entry((balancer.clone(), service.clone())).or_default();
                *field(facts.entry(Hour(*hour)).or_default()).get_or_insert(0) += rise;
                let metered = behind.1.entry((balancer.clone(), Hour(*hour))).or_default();
                *field(metered) = Some(0);
            }
        }
        let mut tell = |code: &str, what: &str, remedy: &str, all: &BTreeSet<&str>| {
            if let Some(first) = all.first() {
                let count = u64::try_from(all.len()).unwrap_or(u64::MAX);
                let finding = Finding::warning(code, format!("{what}, such as {first}: their traffic is left out"));
                findings.push(finding.remedy(remedy).times(count));
            }
        };
        tell(
            "traefik_without_balancer",
            "services of a Traefik that is behind no known load balancer",
            "let kube-state-metrics export kube_service_status_load_balancer_ingress, and the scrape set `namespace`",
            &homeless,
        );
        tell(
            "traefik_unknown_service",
            "services of Traefik that kube-state-metrics does not show",
            "let kube-state-metrics export kube_service_spec_type of all namespaces",
            &unknown,
        );
    }

    /// The service that Traefik calls `<namespace>-<service>-<port>@<provider>`.
    fn named(&self, traefik: &str) -> Option<ServiceName> {
        let (name, _) = traefik.split_once('@')?;
        let fits = |(namespace, service): &&ServiceName| {
            let rest = name
                .strip_prefix(namespace.as_str())
                .and_then(|rest| rest.strip_prefix('-'))
                .and_then(|rest| rest.strip_prefix(service.as_str()));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let longest = self
            .services
            .keys()
            .filter(fits)
            .max_by_key(|(_, service)| service.len());
        longest.cloned()
    }

    /// Gives the hosts of ingresses to the load balancers they are behind.
    fn host(&self, ids: &BTreeMap<&ServiceName, &str>, hours: &Range<i32>, reach: i64, behind: &mut Behind) {
        let mut hosts: BTreeMap<(ServiceName, ServiceName, Hour), BTreeSet<&str>> = BTreeMap::new();
        for (path, presence) in &self.paths {
            let service = (path.ingress.0.clone(), path.service.clone());
            let class = self.classes.get(&path.ingress).map_or("", String::as_str);
            let served = || {
                let all = behind.0.keys().filter(|(_, known)| *known == service);
                only(all.map(|(balancer, _)| balancer))
            };
            let Some(balancer) = called_like(ids, class).or_else(served) else {
                continue;
            };
            let lived = through_silences(&presence.ticks(&self.scrapes, reach, |_| true), &self.scrapes);
            let host = if path.host.is_empty() { ANY_HOST } else { &path.host };
            for hour in hours
                .clone()
                .map(Hour)
                .filter(|hour| covered_ms(&lived, window(*hour)) > 0)
            {
                let key = (balancer.clone(), service.clone(), hour);
                hosts.entry(key).or_default().insert(host);
            }
        }
        for ((balancer, service, hour), hosts) in hosts {
            let facts = behind.0.entry((balancer, service)).or_default();
            facts.entry(hour).or_default().hosts = u64::try_from(hosts.len()).unwrap_or(u64::MAX);
        }
    }
}

/// What a backend had in an hour.
#[derive(Debug, Clone, Copy, Default)]
struct Fact {
    requests: Option<u64>,
    bytes: Option<u64>,
    hosts: u64,
}

/// What is behind which load balancer, and what was measured at all in each
/// hour: a service without a counter beside others that have one had no traffic.
#[derive(Debug, Default)]
struct Behind(
    BTreeMap<(ServiceName, ServiceName), BTreeMap<Hour, Fact>>,
    BTreeMap<(ServiceName, Hour), Fact>,
);

impl Behind {
    fn services(&self, balancer: &ServiceName) -> Vec<ServiceName> {
        let of = self.0.keys().filter(|(known, _)| known == balancer);
        of.map(|(_, service)| service.clone()).collect()
    }

    fn fact(&self, balancer: &ServiceName, service: &ServiceName, hour: Hour) -> BackendHour {
        let facts = self.0.get(&(balancer.clone(), service.clone()));
        let fact = facts.and_then(|facts| facts.get(&hour)).copied().unwrap_or_default();
        let metered = self.1.get(&(balancer.clone(), hour)).copied().unwrap_or_default();
        BackendHour {
            hour,
            requests: fact.requests.or(metered.requests),
            bytes: fact.bytes.or(metered.bytes),
            hosts: fact.hosts,
        }
    }
}

fn same(backend: &Backend, (namespace, service): &ServiceName) -> bool {
    (&backend.namespace, &backend.service) == (namespace, service)
}

fn span(hours: &Range<i32>) -> Stretch {
    (window(Hour(hours.start)).0, window(Hour(hours.end)).0)
}

/// Whether a service is led to at all.
fn is_something(fact: &BackendHour) -> bool {
    fact.hosts > 0 || fact.requests.is_some_and(|count| count > 0) || fact.bytes.is_some_and(|count| count > 0)
}

/// The one there is.
fn only<'a>(mut all: impl Iterator<Item = &'a ServiceName>) -> Option<ServiceName> {
    let first = all.next()?;
    all.all(|other| other == first).then(|| first.clone())
}

/// The load balancer whose service, or its namespace, is called like an ingress class.
fn called_like(ids: &BTreeMap<&ServiceName, &str>, class: &str) -> Option<ServiceName> {
    let has = |name: &str| name.split('-').any(|part| part == class);
    let alike = ids.keys().filter(|(namespace, service)| has(service) || has(namespace));
    only(alike.copied()).filter(|_| !class.is_empty())
}

/// The load balancer of a Traefik that was scraped in a namespace, perhaps
/// through a service: that service, else the only one of the namespace, else
/// the only one called like it.
fn balancer_of(ids: &BTreeMap<&ServiceName, &str>, place: &ServiceName) -> Option<ServiceName> {
    if ids.contains_key(place) {
        return Some(place.clone());
    }
    let beside = ids.keys().copied().filter(|(namespace, _)| *namespace == place.0);
    only(beside).or_else(|| called_like(ids, "traefik"))
}
