//! Machines outside Kubernetes, on the bill in euro: warehouse edge servers, racks, ERP instances.

use super::tenants::{settle, sla};
use crate::catalog as sku;
use crate::company::Company;
use crate::meter::{Kind, Meter, Provider, Shape};

const ACCOUNT: (&str, &str) = ("RW-88231", "Tidewater Logistics GmbH");
const ERP: (&str, &str) = ("rw-erp", "ERP instances");

pub fn meters(company: &Company) -> Vec<Meter> {
    let mut all = sites(company);
    all.extend(erp(company));
    for (sku, kind, name) in [
        (&sku::EU_SUPPORT, Kind::Monthly(None), "care"),
        (&sku::EU_TAX, Kind::Tax, "vat"),
    ] {
        all.push(Meter::new(Provider::Eu, ACCOUNT, sku, name).kind(kind));
    }
    all
}

/// The servers of a warehouse run its scanners and sorters, whoever the goods belong to.
fn sites(company: &Company) -> Vec<Meter> {
    let mut all = Vec::new();
    for site in &company.sites {
        let id = format!("rw-site-{}", site.id);
        let country = [("site", site.id.as_str()), ("country", site.country.as_str())];
        let meter = |sku, name: &str| {
            let meter = Meter::new(Provider::Eu, (&id, &site.name), sku, name).tags(&country);
            let meter = match site.country.as_str() {
                "NL" => meter.region("nl-rtm", "Rotterdam"),
                _ => meter,
            };
            meter.owner("", "edge-sync", "T1")
        };
        for index in 1..=site.servers {
            let name = format!("edge-{}-{index}", site.id);
            all.push(meter(&sku::EDGE_SERVER, &name));
            all.push(meter(&sku::EDGE_POWER, &name).micro(7_900_000).shape(Shape::Orders));
        }
        all.push(meter(&sku::RACK, &format!("rack-{}", site.id)).kind(Kind::Monthly(None)));
    }
    all
}

/// One ERP instance per tenant that has one; half of them are tagged, all are named by convention.
fn erp(company: &Company) -> Vec<Meter> {
    let mut all = Vec::new();
    for tenant in company.tenants.iter().filter(|tenant| tenant.erp) {
        let name = format!("erp-{}-01", tenant.id);
        let disk = i128::from(tenant.weight) * 6;
        for meter in [
            Meter::new(Provider::Eu, ERP, &sku::ERP_SERVER, &name).units(24),
            Meter::new(Provider::Eu, ERP, &sku::ERP_DISK, &name)
                .stored(disk)
                .shape(Shape::Stored),
        ] {
            let mut meter = if tenant.weight.is_multiple_of(2) {
                meter.tags(&[("tenant", &tenant.id), ("sla", sla(&tenant.tier))]).owner(
                    &tenant.id,
                    "erp-odoo",
                    &tenant.tier,
                )
            } else {
                meter.owner(&tenant.id, "erp-odoo", "T1")
            };
            settle(&mut meter, company, tenant, company.life(tenant));
            all.push(meter);
        }
    }
    all
}
