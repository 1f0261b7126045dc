//! Volumes that claims asked for, in the clusters whose usage is known (A31): most are mounted by
//! one workload all the time, the others are what people leave behind or share.

use chrono::{Days, Months, NaiveDate, NaiveDateTime, NaiveTime};

use super::tenants::settle;
use super::{HUB, PLATFORM, zone};
use crate::catalog as sku;
use crate::catalog::Sku;
use crate::company::{Company, Tenant};
use crate::meter::{Account, Claim, Meter, Mounter, Owner, Provider, Shape, json};
use crate::pods::{service_labels, tenant_labels};

const NAMESPACE_TAG: &str = "kubernetes.io/created-for/pvc/namespace";
const CLAIM_TAG: &str = "kubernetes.io/created-for/pvc/name";

/// Tenants that scaled a second replica away and left its volume.
const SCALED_DOWN: [&str; 3] = ["velo-point", "tulip-kids", "bremen-tea"];

/// The tenant that moved its search elsewhere.
const MOVED: &str = "oranje-sport";

/// A volume made for the claim of a tenant's instance: the driver writes the tags, in every style.
pub fn of_tenant(tenant: &Tenant, company: &Company) -> Vec<Meter> {
    let namespace = format!("tnt-{}", tenant.id);
    let life = company.life(tenant);
    let name = format!("pvc-{:016x}", crate::prng::stream(&namespace));
    let size = i128::from(tenant.weight);
    let claim = "data-wms-core-0";
    let (labels, tier) = tenant_labels(tenant);
    let wms = Owner::new(&tenant.id, "wms-core", &tenant.tier);
    let made = |claim: &str, mounters: Vec<Mounter>| Claim {
        cluster: "core-eu",
        namespace: namespace.clone(),
        name: claim.to_owned(),
        storage_class: "gp3",
        labels: json(&labels),
        provisioned: opened(company, life.0),
        deleted: None,
        owner: wms.clone(),
        mounters,
    };
    let mut all = vec![
        disk(PLATFORM, &name, 40 + size * 3, name.len() + tenant.id.len())
            .tags(&[
                (NAMESPACE_TAG, &namespace),
                (CLAIM_TAG, claim),
                ("app.kubernetes.io/name", "wms-core"),
                ("tier", &tenant.tier),
            ])
            .owner(&tenant.id, "wms-core", &tenant.tier)
            .claim(made(claim, vec![always("wms-core", &wms)])),
    ];
    if SCALED_DOWN.contains(&tenant.id.as_str()) {
        // a driver that tags nothing but its cluster: the bill knows nobody, the cluster does
        let owner = Owner::new(&tenant.id, "wms-core", tier);
        let claim = Claim {
            owner,
            ..made("data-wms-core-1", Vec::new())
        };
        all.push(
            disk(PLATFORM, &format!("{name}-1"), 30 + size * 2, tenant.id.len())
                .tags(&[("kubernetes.io/cluster/core-eu", "owned")])
                .claim(claim),
        );
    }
    if tenant.id == MOVED {
        // the tags of a deleted claim stay on the bill for ever
        let claim = Claim {
            deleted: Some(retired(company, 1, 11, (9, 30))),
            owner: Owner::new(&tenant.id, "wms-core", tier),
            ..made("search-index", Vec::new())
        };
        all.push(
            disk(PLATFORM, &format!("{name}-search"), 350, 1)
                .tags(&[(NAMESPACE_TAG, &namespace), (CLAIM_TAG, "search-index")])
                .owner(&tenant.id, "", "")
                .claim(claim),
        );
    }
    for meter in &mut all {
        settle(meter, company, tenant, life);
    }
    all
}

/// Volumes of the services.
pub fn of_services(company: &Company) -> Vec<Meter> {
    let mut all = Vec::new();
    for service in ["slotting", "yard", "notifications", "reporting", "edi-gateway"] {
        let owner = Owner::new("", service, company.service_tier(service));
        let claim = Claim {
            mounters: vec![Mounter {
                // reports are made in office hours
                weekdays: service == "reporting",
                hours: if service == "reporting" { 7..17 } else { 0..24 },
                ..always(service, &owner)
            }],
            ..platform(company, "core-eu", &format!("{service}-data"), service)
        };
        // the label of the pod template instead of the agreed key
        let tags = [("app.kubernetes.io/name", service), ("tier", owner.tier.as_str())];
        let meter = disk(PLATFORM, &format!("{service}-data"), 220, 0).zone("").tags(&tags);
        all.push(meter.owner("", service, &owner.tier).claim(claim));
    }
    let made_for = |claim: &str| json(&[(NAMESPACE_TAG, "platform"), (CLAIM_TAG, claim)]);
    let mut untagged = |name: &str, gigabytes: i128, claim: Claim| {
        let mut meter = disk(PLATFORM, name, gigabytes, name.len());
        meter.tags = made_for(&claim.name);
        all.push(meter.claim(claim));
    };
    untagged("pvc-returns-archive", 800, {
        // nobody has mounted it for years
        platform(company, "core-eu", "returns-archive", "returns")
    });
    untagged("pvc-migration-scratch", 1_200, {
        let claim = platform(company, "core-eu", "migration-scratch", "ci");
        Claim {
            deleted: Some(retired(company, 0, 19, (14, 10))),
            mounters: vec![always("ci", &claim.owner)],
            ..claim
        }
    });
    all.extend(shared(company));
    all
}

/// File systems that two services mount.
fn shared(company: &Company) -> Vec<Meter> {
    let own = |service: &str, tier: &str| Owner::new("", service, tier);
    let part = |service: &str, tier: &str| always(service, &own(service, tier));
    let measured = |service: &str, fills: u64| Mounter {
        fills: Some(fills),
        ..part(service, company.service_tier(service))
    };
    let in_hours = |service: &str, hours| Mounter {
        hours,
        ..part(service, company.service_tier(service))
    };
    let (yard, edge) = (part("yard", "T0"), part("edge-sync", "T0"));
    let table = [
        // by what each has in it
        (
            PLATFORM,
            "core-eu",
            "label-forms",
            180,
            vec![measured("label-print", 640), measured("carrier-gateway", 210)],
        ),
        // by the time each has it
        (
            PLATFORM,
            "core-eu",
            "customs-papers",
            260,
            vec![in_hours("customs", 0..24), in_hours("tracking", 6..20)],
        ),
        (
            HUB,
            "hub-rotterdam",
            "sorter-spool",
            90,
            vec![Mounter { hours: 5..23, ..yard }, edge],
        ),
    ];
    let meter = |(account, cluster, name, gigabytes, mounters): (_, _, &str, _, Vec<Mounter>)| {
        // of the same service tier, both
        let tier = mounters
            .first()
            .map_or("", |mounter| mounter.owner.tier.as_str())
            .to_owned();
        let claim = Claim {
            storage_class: "efs",
            labels: json(&[("tier", &tier)]),
            owner: Owner::default(),
            mounters,
            ..platform(company, cluster, name, "")
        };
        let meter = stored(account, &sku::FILES, name, gigabytes).shape(Shape::Stored);
        let tags = [("aws:eks:cluster-name", cluster), ("env", "prod")];
        let tier = if account == HUB { "T0" } else { "" };
        meter.tags(&tags).owner("", "", tier).claim(claim)
    };
    table.into_iter().map(meter).collect()
}

fn stored(account: Account<'_>, sku: &'static Sku, name: &str, gigabytes: i128) -> Meter {
    Meter::new(Provider::Aws, account, sku, name).stored(gigabytes)
}

fn disk(account: Account<'_>, name: &str, gigabytes: i128, index: usize) -> Meter {
    stored(account, &sku::DISK, name, gigabytes).zone(zone(index))
}

/// A claim of a service, in the namespace of the platform.
fn platform(company: &Company, cluster: &'static str, name: &str, service: &str) -> Claim {
    Claim {
        cluster,
        namespace: "platform".to_owned(),
        name: name.to_owned(),
        storage_class: "gp3",
        labels: json(&service_labels(company, service)),
        provisioned: opened(company, NaiveDate::MIN),
        deleted: None,
        owner: Owner::new("", service, company.service_tier(service)),
        mounters: Vec::new(),
    }
}

fn always(workload: &str, owner: &Owner) -> Mounter {
    Mounter {
        workload: workload.to_owned(),
        owner: owner.clone(),
        hours: 0..24,
        weekdays: false,
        fills: None,
    }
}

/// When a volume was provisioned: at the start, or long before the demo.
fn opened(company: &Company, from: NaiveDate) -> NaiveDateTime {
    from.max(company.first() - Months::new(9)).and_time(NaiveTime::MIN)
}

/// A time of day so many months and days after the start.
fn retired(company: &Company, months: u32, days: u64, (hour, minute): (u32, u32)) -> NaiveDateTime {
    let day = company.first() + Months::new(months) + Days::new(days);
    day.and_time(NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or(NaiveTime::MIN))
}
