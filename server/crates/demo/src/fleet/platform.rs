//! What everybody shares: the clusters, the platform's data stores, non-production, fees.

use super::{HUB, PAYER, PLATFORM, managed_service, zone};
use crate::catalog as sku;
use crate::catalog::Sku;
use crate::company::Company;
use crate::meter::{Account, Behind, Commitment, Front, Kind, Meter, Owner, Part, Provider, Shape, json};

const DATA: Account<'_> = ("004211870002", "tidewater-data-prod");
const TEST: Account<'_> = ("004211870004", "tidewater-nonprod");
const SECURITY: Account<'_> = ("004211870005", "tidewater-security");

fn aws(account: Account<'_>, sku: &'static Sku, name: &str) -> Meter {
    Meter::new(Provider::Aws, account, sku, name)
}

pub fn meters(company: &Company) -> Vec<Meter> {
    let mut all = core_cluster(company);
    all.extend(data_stores(company));
    all.extend(hub_cluster());
    all.extend(non_production());
    all.extend(security_and_fees());
    all.extend(forgotten());
    all
}

/// A node, its disk, and the tags its cluster gives them.
fn node(node: Meter, cluster: &'static str, pool: &'static str, gigabytes: i128) -> [Meter; 2] {
    let name = node.name.clone();
    let owned = format!("kubernetes.io/cluster/{cluster}");
    let disk = aws(
        (&node.account.0, &node.account.1),
        &sku::DISK,
        &format!("{}-root", node.name),
    )
    .stored(gigabytes)
    .zone(node.zone)
    .tags(&[(&owned, "owned"), ("nodepool", pool)])
    .place(cluster, pool, &name, Part::RootDisk);
    let tags = [("aws:eks:cluster-name", cluster), ("nodepool", pool), ("env", "prod")];
    [node.tags(&tags).place(cluster, pool, &name, Part::Machine), disk]
}

/// The ingress controller asks for the load balancers in front of it.
fn ingress(cluster: &'static str, behind: Behind) -> Front {
    Front {
        cluster,
        service: "traefik",
        labels: json(&[("app", "traefik"), ("tier", "T0")]),
        behind,
        tier: "",
        owner: Owner::new("", "traefik", "T0"),
    }
}

/// Control plane, load balancers, NAT and addresses of a cluster.
fn around(account: Account<'_>, cluster: &'static str, fronts: &[Front]) -> Vec<Meter> {
    let tags = [("aws:eks:cluster-name", cluster), ("env", "prod")];
    let mut all = vec![
        plane(aws(account, &sku::CONTROL_PLANE, cluster), cluster).tags(&tags),
        aws(account, &sku::ZONE_TRAFFIC, &format!("{cluster}-zones"))
            .units(940)
            .shape(Shape::Orders)
            .tags(&tags),
    ];
    for (index, front) in fronts.iter().enumerate() {
        let name = format!("{cluster}-ingress-{index}");
        let ingress = [("aws:eks:cluster-name", cluster), ("app", "traefik"), ("tier", "T0")];
        for (sku, units, shape) in [(&sku::LB_HOURS, 24, Shape::Flat), (&sku::LB_UNITS, 190, Shape::Orders)] {
            all.push(
                aws(account, sku, &name)
                    .units(units)
                    .shape(shape)
                    .tags(&ingress)
                    .owner("", "traefik", "T0")
                    .front(front),
            );
        }
        let nat = format!("{cluster}-nat-{index}");
        all.push(
            aws(account, &sku::NAT_HOURS, &nat)
                .units(24)
                .zone(zone(index))
                .tags(&tags),
        );
        all.push(
            aws(account, &sku::NAT_BYTES, &nat)
                .units(310)
                .shape(Shape::Orders)
                .zone(zone(index))
                .tags(&tags),
        );
        all.push(aws(account, &sku::ADDRESS, &nat).units(24).tags(&tags));
    }
    all
}

fn core_cluster(company: &Company) -> Vec<Meter> {
    let tenants = |from, services| ingress("core-eu", Behind::Tenants(from, services));
    let fronts = [
        tenants(0, &["order-intake", "identity"]),
        tenants(1, &["tracking", "notifications"]),
        tenants(2, &["carrier-gateway", "edi-gateway"]),
    ];
    let mut all = around(PLATFORM, "core-eu", &fronts);
    // scanners speak another protocol, past the controller: nobody measures what is behind it
    let gateway = Front {
        service: "scanner-gateway",
        labels: json(&[("app", "edge-sync"), ("tier", "T1")]),
        owner: Owner::new("", "edge-sync", "T1"),
        ..ingress("core-eu", Behind::Nothing)
    };
    let tags = [("aws:eks:cluster-name", "core-eu"), ("env", "prod")];
    for (sku, units, shape) in [(&sku::LB_HOURS, 24, Shape::Flat), (&sku::LB_UNITS, 41, Shape::Orders)] {
        let meter = aws(PLATFORM, sku, "core-eu-scanners").units(units).shape(shape);
        all.push(meter.tags(&tags).owner("", "traefik", "").front(&gateway));
    }
    for index in 0..12 {
        let meter = aws(PLATFORM, &sku::NODE, &format!("core-eu-general-{index:02}"))
            .units(24)
            .kind(Kind::Covered(Commitment::Plan))
            .zone(zone(index));
        all.extend(node(meter, "core-eu", "general", 120));
    }
    for index in 0..10_u8 {
        let meter = aws(PLATFORM, &sku::NODE, &format!("core-eu-burst-{index:02}"))
            .units(24)
            .shape(Shape::Burst(900_000 + 110_000 * i128::from(index)))
            .zone(zone(usize::from(index)));
        all.extend(node(meter, "core-eu", "burst", 120));
    }
    for index in 0..4 {
        let meter = aws(PLATFORM, &sku::NODE_LARGE, &format!("core-eu-memory-{index:02}"))
            .units(24)
            .kind(Kind::Covered(Commitment::Plan))
            .zone(zone(index));
        all.extend(node(meter, "core-eu", "memory", 200));
    }
    for index in 0..5_u8 {
        let meter = aws(PLATFORM, &sku::NODE_SPOT, &format!("core-eu-spot-{index:02}"))
            .units(24)
            .kind(Kind::Spot)
            .shape(Shape::Burst(400_000 + 350_000 * i128::from(index)))
            .zone(zone(usize::from(index)));
        let [machine, disk] = node(meter, "core-eu", "spot", 80);
        // the pool is there for the reports
        let spare = Owner::new("", "reporting", company.service_tier("reporting"));
        all.extend([machine.spare(spare), disk]);
    }
    all
}

/// Databases, caches, brokers and logs of the services, tagged as agreed.
fn data_stores(company: &Company) -> Vec<Meter> {
    let mut all = Vec::new();
    let mut add = |meter: Meter, service: &str| {
        let tier = company.service_tier(service);
        let tags = [
            ("app", service),
            ("tier", tier),
            ("env", "prod"),
            ("cost-centre", "CC-4100"),
        ];
        all.push(meter.tags(&tags).owner("", service, tier));
    };
    let databases = [
        "order-intake",
        "wms-core",
        "tms-routing",
        "tracking",
        "billing",
        "customs",
        "returns",
        "identity",
    ];
    for (index, service) in databases.into_iter().enumerate() {
        let name = format!("{service}-pg");
        let kind = if index < 5 {
            Kind::Covered(Commitment::Databases)
        } else {
            Kind::Daily
        };
        add(
            aws(DATA, &sku::DATABASE, &name).units(24).kind(kind).zone(zone(index)),
            service,
        );
        add(
            aws(DATA, &sku::DATABASE_STORAGE, &name)
                .stored(900)
                .shape(Shape::Stored),
            service,
        );
        add(
            aws(DATA, &sku::DATABASE_BACKUP, &name).stored(650).shape(Shape::Stored),
            service,
        );
    }
    for service in ["order-intake", "tracking", "tms-routing", "carrier-gateway"] {
        let meter = aws(DATA, &sku::CACHE_NODE, &format!("{service}-redis")).units(24);
        add(meter.kind(Kind::Covered(Commitment::Caches)), service);
    }
    add(aws(DATA, &sku::CACHE_NODE, "sessions-redis").units(24), "redis");
    for name in ["events-mq", "edi-mq"] {
        add(aws(DATA, &sku::QUEUE, name).units(24), "rabbitmq");
    }
    for service in &company.services {
        let meter = aws(PLATFORM, &sku::LOG_INGEST, &format!("app-{}", service.id));
        add(meter.micro(4_370_000).shape(Shape::Orders), &service.id);
    }
    add(
        aws(PLATFORM, &sku::REGISTRY, "tidewater/images")
            .stored(1_850)
            .shape(Shape::Stored),
        "ci",
    );
    all
}

/// The dedicated cluster of the Rotterdam hub: all of its account is service tier T0.
fn hub_cluster() -> Vec<Meter> {
    let services = Behind::Services(&["wms-core", "edge-sync", "label-print", "yard"]);
    // the second one waits for the day the first one fails
    let spare = Behind::Hosts(&[("wms-core", 2), ("edge-sync", 1)]);
    let fronts = [services, spare].map(|behind| Front {
        tier: "T0",
        ..ingress("hub-rotterdam", behind)
    });
    let mut all = around(HUB, "hub-rotterdam", &fronts);
    for index in 0..6 {
        let meter = aws(HUB, &sku::NODE, &format!("hub-rotterdam-{index:02}"))
            .units(24)
            .kind(Kind::Covered(Commitment::Plan))
            .zone(zone(index));
        all.extend(node(meter, "hub-rotterdam", "hub", 150));
    }
    let tags = [("app", "wms-core"), ("env", "prod")];
    for (sku, gigabytes) in [(&sku::DATABASE_STORAGE, 700), (&sku::DATABASE_BACKUP, 420)] {
        all.push(
            aws(HUB, sku, "hub-wms-pg")
                .stored(gigabytes)
                .tags(&tags)
                .owner("", "wms-core", ""),
        );
    }
    all.push(
        aws(HUB, &sku::DATABASE, "hub-wms-pg")
            .units(24)
            .tags(&tags)
            .owner("", "wms-core", ""),
    );
    for meter in &mut all {
        meter.owner.tier = "T0".to_owned();
    }
    all
}

/// Makes a meter the control plane of a cluster.
fn plane(meter: Meter, cluster: &'static str) -> Meter {
    Meter {
        plane_of: Some(cluster),
        ..meter.units(24)
    }
}

/// Non-production runs in office hours, is tier T3, and its tags are careless.
fn non_production() -> Vec<Meter> {
    let mut all = Vec::new();
    for index in 0..8 {
        let name = format!("test-eu-{index:02}");
        let meter = aws(TEST, &sku::NODE_SMALL, &name)
            .units(24)
            .place("test-eu", "test", &name, Part::Machine)
            .shape(Shape::Office)
            .zone(zone(index))
            .tags(&[("aws:eks:cluster-name", "test-eu"), ("tenant", "shared")]);
        let disk = aws(TEST, &sku::DISK, &format!("{name}-root"))
            .stored(80)
            .tags(&[("kubernetes.io/cluster/test-eu", "owned")])
            .place("test-eu", "test", &name, Part::RootDisk);
        all.extend([meter.owner("", "", "T3"), disk.owner("", "", "T3")]);
    }
    let databases = [
        ("order-intake", "app", "order-intake"),
        ("wms-core", "Service", "WMS"),
        ("tms-routing", "Service", "TMS"),
    ];
    for (service, key, value) in databases {
        let tags = [(key, value), ("tenant", "shared"), ("env", "test")];
        let meter = aws(TEST, &sku::DATABASE_SMALL, &format!("test-{service}-pg")).units(24);
        all.push(meter.shape(Shape::Office).tags(&tags).owner("", service, "T3"));
    }
    let runners = aws(TEST, &sku::NODE, "ci-runners").units(60).shape(Shape::Office);
    all.push(runners.tags(&[("app", "ci"), ("env", "ci")]).owner("", "ci", "T3"));
    all.push(plane(aws(TEST, &sku::CONTROL_PLANE, "test-eu"), "test-eu").owner("", "", "T3"));
    all
}

fn security_and_fees() -> Vec<Meter> {
    let central = |sku: &'static Sku, name: &str| {
        let meter = aws(SECURITY, sku, name);
        let service = managed_service(&meter);
        meter.owner("", service, "")
    };
    let payer = |sku: &'static Sku, kind: Kind, name: &str| {
        let meter = aws(PAYER, sku, name).kind(kind);
        let service = managed_service(&meter);
        meter.owner("", service, "")
    };
    let orders = |meter: Meter, units: i128| meter.units(units).shape(Shape::Orders);
    vec![
        orders(central(&sku::WEB_ACL, "edge-acl"), 9_400_000),
        orders(central(&sku::KEY_REQUESTS, "platform-key"), 610_000),
        orders(central(&sku::THREATS, "detector"), 1_900_000),
        orders(central(&sku::ZONE_QUERIES, "tidewater.example"), 14_000_000).region("global", "Global"),
        central(&sku::METRICS, "platform-metrics").micro(96_000_000),
        central(&sku::VAULT, "platform-vault")
            .stored(5_400)
            .shape(Shape::Stored),
        payer(
            &sku::MARKETPLACE,
            Kind::Monthly(Some("Datapier B.V.")),
            "datapier-contract",
        ),
        payer(&sku::PLAN_FEE, Kind::Purchase(Commitment::Plan), "compute-sp-1y"),
        payer(&sku::PLAN_FEE, Kind::Unused(Commitment::Plan), "compute-sp-1y"),
        payer(&sku::RESERVED_DB_FEE, Kind::Purchase(Commitment::Databases), "ri-pg-1y"),
        payer(&sku::RESERVED_DB_FEE, Kind::Unused(Commitment::Databases), "ri-pg-1y"),
        payer(
            &sku::RESERVED_CACHE_FEE,
            Kind::Purchase(Commitment::Caches),
            "ri-redis-1y",
        ),
        payer(&sku::SUPPORT_FEE, Kind::Support, "support"),
        payer(&sku::TAX, Kind::Tax, "tax"),
        payer(&sku::CREDIT, Kind::Credit, "migration-credit"),
    ]
}

/// What nobody tagged: instances of an old project, volumes and snapshots left behind.
fn forgotten() -> Vec<Meter> {
    let mut all = Vec::new();
    for index in 0..5 {
        let meter = aws(PLATFORM, &sku::NODE, &format!("ip-10-3-7-{}", 20 + index)).units(24);
        all.push(meter.zone(zone(index)));
    }
    for index in 0..7 {
        let name = format!("restored-{index}");
        all.push(aws(PLATFORM, &sku::DISK, &name).stored(500).zone(zone(index)));
        all.push(aws(PLATFORM, &sku::SNAPSHOT, &name).stored(340).shape(Shape::Stored));
    }
    all
}
