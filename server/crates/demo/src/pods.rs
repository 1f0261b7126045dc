//! Which pods run on a node on a day, what they ask for, and who owns them.

use chrono::{Datelike, NaiveDate};

use crate::company::{Company, Style, Tenant};
use crate::fleet::tenant_sla;
use crate::meter::{Meter, Owner, Place, json};
use crate::prng;

/// What the money of a container is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Workload,
    /// What a sandboxed pod holds beyond its containers.
    PodOverhead,
    DaemonSet,
    /// A pod that only holds room: planned headroom.
    Placeholder,
}

impl Role {
    pub const fn key(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::PodOverhead => "pod_overhead",
            Self::DaemonSet => "daemon_set",
            Self::Placeholder => "placeholder",
        }
    }
}

/// How use follows the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// With the orders of the hour.
    Orders,
    /// The same all day.
    Steady,
    /// None: the pod only reserves.
    Idle,
}

/// A container of a pod.
#[derive(Clone, Debug)]
pub struct Pod {
    pub namespace: String,
    pub kind: &'static str,
    pub workload: String,
    pub pod: String,
    pub uid: String,
    /// Empty for the overhead of the pod.
    pub container: String,
    pub role: Role,
    /// A JSON object.
    pub labels: String,
    /// The right answer.
    pub owner: Owner,
    /// Requested thousandths of a core and MiB.
    pub request: (u64, u64),
    /// Ordinary use in thousandths of a core and MiB.
    pub demand: (u64, u64),
    pub load: Load,
    /// Only in this hour of the day, for this many seconds.
    pub run: Option<(u8, u32)>,
    /// Random stream.
    pub stream: u64,
}

impl Pod {
    /// Whether it serves the whole cluster, so that the cluster's other pods pay for it (A27).
    pub fn serves_all(&self) -> bool {
        self.namespace == "kube-system" && matches!(self.role, Role::Workload | Role::PodOverhead)
    }
}

/// The pods of one node on one day.
#[derive(Debug)]
pub struct Roster<'a> {
    company: &'a Company,
    machine: &'a Meter,
    place: &'a Place,
    day: NaiveDate,
    /// Pods are new with every value of it.
    incarnation: String,
    pods: Vec<Pod>,
}

/// The pods of the node of `machine` on `day`, in an order that does not change.
pub fn on<'a>(company: &'a Company, machine: &'a Meter, place: &'a Place, day: NaiveDate) -> Vec<Pod> {
    let lasting = matches!(place.pool, "general" | "memory" | "hub");
    let mut roster = Roster {
        company,
        machine,
        place,
        day,
        incarnation: day.format(if lasting { "%Y-%m" } else { "%Y-%m-%d" }).to_string(),
        pods: Vec::new(),
    };
    let number = place.node.rsplit('-').next().and_then(|digits| digits.parse().ok());
    roster.fill(number.unwrap_or(0));
    roster.pods
}

impl Roster<'_> {
    fn fill(&mut self, number: usize) {
        self.agent();
        self.cluster_services(number);
        match self.place.pool {
            "general" => self.general(number),
            "burst" => self.burst(number),
            "memory" => {
                self.service("tms-routing", (3_500, 49_152));
                self.service("slotting", (1_500, 20_480));
                let second = if number.is_multiple_of(2) {
                    "wms-core"
                } else {
                    "reporting"
                };
                self.service(second, (2_200, 16_384));
            }
            "spot" => self.spot(),
            "hub" => {
                self.service("wms-core", (1_800, 6_144));
                self.service("edge-sync", (900, 2_048));
                self.service(["label-print", "yard", "traefik"][number % 3], (700, 1_024));
                if number == 2 {
                    self.service("customs", (600, 1_536));
                    self.overhead((250, 160));
                }
            }
            _ => self.test(number),
        }
    }

    /// Tenants and services in turn over the nodes of the reserved pool.
    fn general(&mut self, number: usize) {
        let company = self.company;
        let shared = company.tenants.iter().filter(|tenant| tenant.style != Style::Dedicated);
        for (at, tenant) in shared.enumerate() {
            let (from, to) = company.life(tenant);
            if at % 12 == number && from <= self.day && self.day < to {
                self.tenant(tenant);
            }
        }
        for service in company.services.iter().skip(number).step_by(12) {
            let size = match service.tier.as_str() {
                "T0" => (1_400, 2_048),
                "T1" => (900, 1_536),
                "T2" => (500, 1_024),
                _ => (300, 512),
            };
            self.service(&service.id, size);
        }
        match number {
            0 => {
                self.service("billing", (1_000, 1_024));
                self.job("billing-close", 1, 1_500);
            }
            // reserved to the brim beside a pod that asks for nothing and takes a lot: more is
            // held than there is
            3 => {
                self.service("wms-core", (2_600, 6_144));
                self.service("reporting", (0, 0));
                self.takes((3_600, 4_096), Load::Steady);
            }
            // nobody's
            7 => {
                let pod = self.pod("default", "Deployment", "debug-toolbox", &[]);
                self.pods.push(Pod {
                    owner: self.machine.owner.clone(),
                    ..pod
                });
                self.takes((350, 512), Load::Steady);
            }
            1 | 5 | 9 => {
                for hour in (0..24).step_by(3) {
                    self.service("customs", (800, 768));
                    self.job("customs-sync", hour, 600);
                }
            }
            _ => {}
        }
    }

    /// Replicas for the busy hours, and room for the next ones.
    fn burst(&mut self, number: usize) {
        self.service("order-intake", (1_600, 3_072));
        self.service("carrier-gateway", (1_300, 2_048));
        let third = if number.is_multiple_of(2) {
            "tracking"
        } else {
            "label-print"
        };
        self.service(third, (1_200, 2_048));
        if number.is_multiple_of(3) {
            let labels = [("app", "order-intake"), ("purpose", "headroom"), ("tier", "T0")];
            let pod = self.pod("platform-headroom", "Deployment", "headroom", &labels);
            let owner = self.owned("order-intake", "T0");
            self.pods.push(Pod {
                owner,
                role: Role::Placeholder,
                request: (1_500, 3_072),
                load: Load::Idle,
                ..pod
            });
        }
    }

    /// Work that may be interrupted.
    fn spot(&mut self) {
        self.service("ci", (3_000, 6_144));
        self.overhead((250, 160));
        self.service("returns", (1_800, 2_048));
        self.service("notifications", (0, 0));
        self.takes((2_400, 1_024), Load::Orders);
        self.service("reporting", (900, 2_048));
        self.job("reporting-export", 13, 1_200);
    }

    /// Services in non-production, where labels are careless.
    fn test(&mut self, number: usize) {
        let services = &self.company.services;
        for at in 0..2 {
            let service = &services[(number * 3 + at) % services.len()].id;
            let labels = [("app", service.as_str()), ("tenant", "shared")];
            let pod = self.pod("platform", "Deployment", service, &labels);
            let owner = self.owned(service, "");
            self.pods.push(sized(Pod { owner, ..pod }, (700, 1_536)));
        }
        if number.is_multiple_of(2) {
            let pod = self.pod("sandbox", "Deployment", "playground", &[]);
            let owner = self.machine.owner.clone();
            self.pods.push(sized(Pod { owner, ..pod }, (500, 1_024)));
        }
    }

    /// The agent that every node has.
    fn agent(&mut self) {
        let pod = self.pod("kube-system", "DaemonSet", "node-agent", &[("k8s-app", "node-agent")]);
        let owner = self.machine.owner.clone();
        self.pods.push(Pod {
            owner,
            role: Role::DaemonSet,
            request: (120, 256),
            demand: (80, 190),
            load: Load::Steady,
            ..pod
        });
    }

    /// What the cluster itself runs in kube-system: it serves whoever is there.
    fn cluster_services(&mut self, number: usize) {
        let names: &[&str] = match (self.place.pool, number) {
            ("general", 0 | 6) | ("hub", 0 | 3) => &["coredns"],
            ("general", 2) | ("hub", 1) => &["metrics-server"],
            ("general", 4) => &["cluster-autoscaler"],
            ("test", 0) => &["coredns", "metrics-server"],
            _ => &[],
        };
        for name in names {
            let pod = self.pod("kube-system", "Deployment", name, &[("k8s-app", name)]);
            let owner = self.machine.owner.clone();
            let load = if *name == "coredns" { Load::Orders } else { Load::Steady };
            self.pods.push(Pod {
                load,
                ..sized(Pod { owner, ..pod }, (150, 192))
            });
        }
    }

    fn service(&mut self, service: &str, request: (u64, u64)) {
        let labels = service_labels(self.company, service);
        let pod = self.pod("platform", "Deployment", service, &labels);
        let owner = self.owned(service, self.company.service_tier(service));
        self.pods.push(sized(Pod { owner, ..pod }, request));
    }

    /// A tenant's own instance: its people label it as they tag their bills.
    fn tenant(&mut self, tenant: &Tenant) {
        let (labels, tier) = tenant_labels(tenant);
        let pod = self.pod(&format!("tnt-{}", tenant.id), "StatefulSet", "wms-core", &labels);
        let takeover = Some(&self.company.takeover).filter(|takeover| takeover.tenant == tenant.id);
        let owner = Owner::new(&tenant.id, "wms-core", tier).on(self.day, takeover);
        let size = u64::from(tenant.weight);
        self.pods
            .push(sized(Pod { owner, ..pod }, (150 + size * 12, 512 + size * 24)));
    }

    /// What the last pod's sandbox holds beside its container; the pod keeps its place in front.
    fn overhead(&mut self, request: (u64, u64)) {
        let Some(pod) = self.pods.last() else { return };
        let overhead = Pod {
            container: String::new(),
            role: Role::PodOverhead,
            request,
            demand: (0, 0),
            load: Load::Idle,
            ..pod.clone()
        };
        self.pods.push(overhead);
    }

    /// Makes the last pod use this much whatever it requests.
    fn takes(&mut self, demand: (u64, u64), load: Load) {
        if let Some(pod) = self.pods.last_mut() {
            (pod.demand, pod.load) = (demand, load);
        }
    }

    /// Makes the last pod a run of a CronJob.
    fn job(&mut self, name: &str, hour: u8, seconds: u32) {
        let run = format!("{name}-{}", self.day.num_days_from_ce() * 24 + i32::from(hour));
        let Some(pod) = self.pods.last_mut() else { return };
        pod.stream = prng::stream(&format!("{}/{run}", self.place.node));
        (pod.pod, pod.uid) = (run, prng::uid(pod.stream));
        (pod.kind, pod.workload) = ("CronJob", name.to_owned());
        (pod.load, pod.run) = (Load::Steady, Some((hour, seconds)));
    }

    /// Owned by a service; in an account that has one service tier, by that tier.
    fn owned(&self, service: &str, tier: &str) -> Owner {
        let account = self.machine.owner.tier.as_str();
        Owner::new("", service, if account.is_empty() { tier } else { account })
    }

    /// A container without an owner, requests or use.
    fn pod(&self, namespace: &str, kind: &'static str, workload: &str, labels: &[(&str, &str)]) -> Pod {
        let Place { cluster, node, .. } = self.place;
        let stream = prng::stream(&format!("{cluster}/{node}/{namespace}/{workload}"));
        let now = prng::stream(&format!("{stream}/{}", self.incarnation));
        let pod = match kind {
            "StatefulSet" => format!("{workload}-0"),
            "DaemonSet" => format!("{workload}-{:05x}", now & 0xf_ffff),
            _ => {
                // all replicas of a rollout share a template
                let template = prng::stream(&format!("{cluster}/{workload}/{}", self.day.format("%Y-%m")));
                format!("{workload}-{:08x}-{:05x}", template >> 32, now & 0xf_ffff)
            }
        };
        Pod {
            namespace: namespace.to_owned(),
            kind,
            workload: workload.to_owned(),
            pod,
            uid: prng::uid(now),
            container: workload.to_owned(),
            role: Role::Workload,
            labels: json(labels),
            owner: Owner::default(),
            request: (0, 0),
            demand: (0, 0),
            load: Load::Orders,
            run: None,
            stream,
        }
    }
}

/// Labels of what a tenant's people run, and the service tier that they say.
pub fn tenant_labels(tenant: &Tenant) -> (Vec<(&str, &str)>, &str) {
    let (id, tier) = (tenant.id.as_str(), tenant.tier.as_str());
    match tenant.style {
        Style::Customer => (vec![("app", "wms-core"), ("sla", tenant_sla(tier))], tier),
        Style::Name => (vec![("app.kubernetes.io/name", "wms-core")], ""),
        _ => (vec![("app", "wms-core"), ("tenant", id), ("tier", tier)], tier),
    }
}

/// Labels of a service of the platform.
pub fn service_labels<'a>(company: &'a Company, service: &'a str) -> [(&'static str, &'a str); 2] {
    // these carry the label of the pod template instead of the agreed key
    let old = ["slotting", "yard", "notifications", "reporting", "edi-gateway"].contains(&service);
    let key = if old { "app.kubernetes.io/name" } else { "app" };
    [(key, service), ("tier", company.service_tier(service))]
}

/// An ordinary container: at an ordinary peak it uses what it requests, and 70 % of the memory.
fn sized(pod: Pod, request: (u64, u64)) -> Pod {
    Pod {
        request,
        demand: (request.0, request.1 * 7 / 10),
        ..pod
    }
}
