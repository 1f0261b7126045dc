//! What belongs to one tenant: buckets, volumes, backups, logs, databases, dedicated clusters.

use chrono::NaiveDate;

use super::{PLATFORM, managed_service, volumes, zone};
use crate::catalog as sku;
use crate::catalog::Sku;
use crate::company::{Company, Style, Tenant};
use crate::meter::{Account, Kind, Meter, Provider, Shape};

/// Tenants that hold licences of the label studio: one of them is taken over within a month.
const LABEL_TENANTS: [&str; 3] = ["rheinhafen", "hanse-pharma", "brightcell"];

/// From this weight a tenant has a database of its own.
const OWN_DATABASE: u32 = 45;

pub fn meters(company: &Company) -> Vec<Meter> {
    let mut all = Vec::new();
    let mut dedicated = 10;
    for tenant in &company.tenants {
        let mut own = if tenant.style == Style::Dedicated {
            dedicated += 1;
            dedicated_cluster(tenant, dedicated)
        } else {
            shared_platform(tenant)
        };
        let life = company.life(tenant);
        for meter in &mut own {
            settle(meter, company, tenant, life);
        }
        all.extend(own);
        if tenant.style != Style::Dedicated {
            all.extend(volumes::of_tenant(tenant, company));
        }
    }
    all
}

/// Gives a meter its tenant's life, and the takeover if there is one.
pub fn settle(meter: &mut Meter, company: &Company, tenant: &Tenant, life: (NaiveDate, NaiveDate)) {
    (meter.from, meter.to) = life;
    if company.takeover.tenant == tenant.id {
        meter.takeover = Some(company.takeover.clone());
    }
}

fn shared_platform(tenant: &Tenant) -> Vec<Meter> {
    let id = &tenant.id;
    let size = i128::from(tenant.weight);
    let meter =
        |sku: &'static Sku, suffix: &str| Meter::new(Provider::Aws, PLATFORM, sku, &format!("tnt-{id}-{suffix}"));
    let mut all = vec![
        styled(
            meter(&sku::OBJECTS, "docs").stored(size * 61).shape(Shape::Stored),
            tenant,
            "object-storage",
        ),
        styled(
            meter(&sku::PUTS, "docs").units(size * 1_730).shape(Shape::Orders),
            tenant,
            "object-storage",
        ),
        styled(
            meter(&sku::GETS, "docs").units(size * 9_410).shape(Shape::Orders),
            tenant,
            "object-storage",
        ),
        // a few kilobytes of replication metadata: amounts that providers print with an exponent
        styled(
            meter(&sku::REGION_TRAFFIC, "docs")
                .micro(1 + size / 7)
                .shape(Shape::Orders),
            tenant,
            "object-storage",
        ),
        styled(
            meter(&sku::EGRESS, "net").micro(size * 83_000).shape(Shape::Orders),
            tenant,
            "carrier-gateway",
        ),
        styled(
            meter(&sku::VAULT, "vault").stored(size * 17).shape(Shape::Stored),
            tenant,
            "backup",
        ),
        styled(
            meter(&sku::LOG_INGEST, "logs")
                .micro(size * 29_000)
                .shape(Shape::Orders),
            tenant,
            "observability",
        ),
    ];
    if tenant.weight >= OWN_DATABASE {
        all.push(styled(meter(&sku::DATABASE_SMALL, "db").units(24), tenant, "postgres"));
        all.push(styled(
            meter(&sku::DATABASE_STORAGE, "db")
                .stored(size * 4)
                .shape(Shape::Stored),
            tenant,
            "postgres",
        ));
    }
    if LABEL_TENANTS.contains(&id.as_str()) {
        let seats = meter(&sku::LABEL_SEATS, "seats").kind(Kind::Monthly(Some("Parcelglyph SAS")));
        all.push(styled(seats, tenant, "label-print"));
    }
    all
}

/// Tags as this tenant's people write them, and the owner they mean.
fn styled(meter: Meter, tenant: &Tenant, service: &str) -> Meter {
    let id = tenant.id.as_str();
    let tier = tenant.tier.as_str();
    let customer = format!("TNT-{id}");
    let meter = match tenant.style {
        Style::Dedicated => meter.tags(&[("app", service), ("tier", tier)]),
        Style::Clean => meter.tags(&[("tenant", id), ("app", service), ("tier", tier), ("env", "prod")]),
        Style::Capital => meter.tags(&[("Tenant", id), ("app", service), ("tier", tier)]),
        Style::Customer => meter.tags(&[("customer", &customer), ("app", service), ("sla", sla(tier))]),
        Style::Alias => meter.tags(&[("tenant", &tenant.alias), ("app", service), ("tier", tier)]),
        Style::Name => {
            let known = managed_service(&meter);
            return meter.owner(id, known, "");
        }
    };
    meter.owner(id, service, tier)
}

/// The service tier in the words of the earlier contracts.
pub fn sla(tier: &str) -> &'static str {
    match tier {
        "T0" => "gold",
        "T1" => "silver",
        "T2" => "bronze",
        _ => "economy",
    }
}

/// A tenant in its own sub-account, with a cluster and data stores of its own.
fn dedicated_cluster(tenant: &Tenant, number: u32) -> Vec<Meter> {
    let id = &tenant.id;
    let account_id = format!("0042118700{number:02}");
    let account_name = format!("tidewater-tenant-{id}");
    let account: Account<'_> = (&account_id, &account_name);
    let cluster = format!("ded-{id}");
    let meter = |sku: &'static Sku, name: String| Meter::new(Provider::Aws, account, sku, &name);
    let tier = tenant.tier.as_str();
    let mut all = Vec::new();
    for index in 0..5 {
        let name = format!("{cluster}-{index:02}");
        let tags = [("aws:eks:cluster-name", cluster.as_str()), ("tier", tier)];
        let node = meter(&sku::NODE_LARGE, name.clone())
            .units(24)
            .zone(zone(index))
            .tags(&tags);
        let disk = meter(&sku::DISK, format!("{name}-root")).stored(160).zone(zone(index));
        all.extend([node.owner(id, "", tier), disk.owner(id, "", "")]);
    }
    let plain = [
        (&sku::CONTROL_PLANE, 24),
        (&sku::NAT_HOURS, 48),
        (&sku::NAT_BYTES, 260),
        (&sku::ZONE_TRAFFIC, 410),
    ];
    for (sku, units) in plain {
        all.push(meter(sku, cluster.clone()).units(units).owner(id, "", ""));
    }
    let stored = [
        (&sku::DATABASE_STORAGE, "pg", 1_400, "postgres"),
        (&sku::DATABASE_BACKUP, "pg", 900, "postgres"),
        (&sku::OBJECTS, "docs", 5_200, "object-storage"),
        (&sku::VAULT, "vault", 2_100, "backup"),
    ];
    for (sku, suffix, gigabytes, service) in stored {
        all.push(styled(
            meter(sku, format!("{cluster}-{suffix}"))
                .stored(gigabytes)
                .shape(Shape::Stored),
            tenant,
            service,
        ));
    }
    let hours = [
        (&sku::DATABASE, "pg", 24, Shape::Flat, "postgres"),
        (&sku::CACHE_NODE, "redis", 48, Shape::Flat, "redis"),
        (&sku::LB_HOURS, "ingress", 24, Shape::Flat, "traefik"),
        (&sku::LB_UNITS, "ingress", 150, Shape::Orders, "traefik"),
        (&sku::LOG_INGEST, "logs", 14, Shape::Orders, "observability"),
        (&sku::EGRESS, "net", 21, Shape::Orders, "carrier-gateway"),
    ];
    for (sku, suffix, units, shape, service) in hours {
        all.push(styled(
            meter(sku, format!("{cluster}-{suffix}")).units(units).shape(shape),
            tenant,
            service,
        ));
    }
    all
}
