//! What the load balancers of the clusters passed on a day, by the metrics of the controller behind
//! them (A32).

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};

use crate::company::{Company, Month, Style, Tenant};
use crate::fleet::Fleet;
use crate::meter::{Behind, Front, Meter, Owner, json};
use crate::pods::{service_labels, tenant_labels};
use crate::{money, prng, shape};

/// Requests of an ordinary day for each point of a tenant's weight.
const PER_WEIGHT: u64 = 9_300;
/// Requests of an ordinary day of a service of the platform.
const OF_SERVICE: u64 = 410_000;

/// An hour of a backend.
#[derive(Clone, Copy, Debug)]
pub struct BackendHour {
    pub of_day: u8,
    pub requests: u64,
    pub bytes: u64,
}

/// Whom the controller passes requests to.
#[derive(Debug)]
pub struct Backend {
    pub namespace: String,
    pub service: String,
    pub kind: &'static str,
    pub labels: String,
    pub hosts: u64,
    /// As its pods'.
    pub owner: Owner,
    pub hours: Vec<BackendHour>,
}

/// A day of a load balancer.
#[derive(Debug)]
pub struct BalancerDay<'a> {
    pub meter: &'a Meter,
    pub front: &'a Front,
    pub day: NaiveDate,
    pub backends: Vec<Backend>,
}

/// By day and name.
pub type Balancers<'a> = BTreeMap<(NaiveDate, &'a str), BalancerDay<'a>>;

/// The load balancers of a month.
pub fn month<'a>(company: &Company, fleet: &'a Fleet, month: Month, seed: u64) -> Balancers<'a> {
    let mut balancers = Balancers::new();
    for meter in &fleet.meters {
        let Some(front) = meter.front.as_deref() else { continue };
        for day in month.days().filter(|day| meter.lives(*day)) {
            balancers
                .entry((day, meter.name.as_str()))
                .or_insert_with(|| BalancerDay {
                    meter,
                    front,
                    day,
                    backends: Routes {
                        company,
                        front,
                        day,
                        seed,
                    }
                    .backends(&meter.name),
                });
        }
    }
    balancers
}

/// What lies behind a load balancer on a day.
struct Routes<'a> {
    company: &'a Company,
    front: &'a Front,
    day: NaiveDate,
    seed: u64,
}

impl Routes<'_> {
    fn backends(&self, balancer: &str) -> Vec<Backend> {
        match self.front.behind {
            Behind::Tenants(from, services) => {
                let shared = self.company.tenants.iter().filter(|one| one.style != Style::Dedicated);
                let here = shared.skip(from).step_by(3).filter(|tenant| {
                    let (from, to) = self.company.life(tenant);
                    from <= self.day && self.day < to
                });
                let mut all: Vec<_> = here.map(|tenant| self.tenant(tenant, balancer)).collect();
                all.extend(self.services(services, balancer));
                all
            }
            Behind::Services(services) => self.services(services, balancer),
            Behind::Hosts(hosts) => hosts
                .iter()
                .map(|(service, hosts)| Backend {
                    hosts: *hosts,
                    hours: quiet(),
                    ..self.service(service)
                })
                .collect(),
            Behind::Nothing => Vec::new(),
        }
    }

    fn tenant(&self, tenant: &Tenant, balancer: &str) -> Backend {
        let (labels, tier) = tenant_labels(tenant);
        let takeover = Some(&self.company.takeover).filter(|takeover| takeover.tenant == tenant.id);
        let weight = u64::from(tenant.weight);
        Backend {
            namespace: format!("tnt-{}", tenant.id),
            service: "wms-core".to_owned(),
            kind: "StatefulSet",
            labels: json(&labels),
            hosts: 1 + weight / 40,
            owner: self.owner(&tenant.id, "wms-core", tier).on(self.day, takeover),
            hours: self.hours(&format!("{balancer}/{}", tenant.id), weight * PER_WEIGHT),
        }
    }

    fn services(&self, services: &[&str], balancer: &str) -> Vec<Backend> {
        let services = services.iter().map(|service| Backend {
            hours: self.hours(&format!("{balancer}/{service}"), OF_SERVICE),
            ..self.service(service)
        });
        services.collect()
    }

    /// A service of the platform, without traffic.
    fn service(&self, service: &str) -> Backend {
        Backend {
            namespace: "platform".to_owned(),
            service: service.to_owned(),
            kind: "Deployment",
            labels: json(&service_labels(self.company, service)),
            hosts: 1,
            owner: self.owner("", service, self.company.service_tier(service)),
            hours: Vec::new(),
        }
    }

    /// In an account of one service tier by that tier; who says none has the load balancer's.
    fn owner(&self, tenant: &str, service: &str, tier: &str) -> Owner {
        let tiers = [self.front.tier, tier, &self.front.owner.tier];
        let tier = tiers.into_iter().find(|tier| !tier.is_empty()).unwrap_or("");
        Owner::new(tenant, service, tier)
    }

    /// Requests with the waves before the dispatch cut-offs, and their bytes.
    fn hours(&self, name: &str, ordinary: u64) -> Vec<BackendHour> {
        let stream = prng::stream(name);
        let busy = money::ppm(i128::from(ordinary), shape::activity(self.day, self.company.first()));
        let day = u64::from(self.day.num_days_from_ce().unsigned_abs());
        // some are asked for forms, others for pictures
        let bytes = 4_000 + stream % 61_000;
        let hour = |of_day: u8| {
            let noise = |kind, spread| {
                let random = prng::bits(self.seed ^ kind, stream, day * 24 + u64::from(of_day));
                prng::around_one_ppm(random, spread)
            };
            let wave = busy * shape::HOURS[usize::from(of_day)] / 1_000;
            let requests = u64::try_from(money::ppm(wave, noise(0x1b, 180_000))).unwrap_or(0);
            let bytes = u64::try_from(money::ppm(i128::from(requests * bytes), noise(0x1c, 90_000))).unwrap_or(0);
            BackendHour {
                of_day,
                requests,
                bytes,
            }
        };
        (0..24).map(hour).collect()
    }
}

/// A day without traffic.
fn quiet() -> Vec<BackendHour> {
    let hour = |of_day| BackendHour {
        of_day,
        requests: 0,
        bytes: 0,
    };
    (0..24).map(hour).collect()
}
