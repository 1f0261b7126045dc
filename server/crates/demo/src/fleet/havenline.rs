//! Havenline, a parcel depot the company took over: its own AWS organisation, billed as a Cost and
//! Usage Report 2.0 in dollars, and an Azure subscription for partner messages, billed in euro as
//! Azure exports it. All of it is tagged.

use super::tenants::{settle, sla};
use crate::catalog as sku;
use crate::catalog::Sku;
use crate::company::Company;
use crate::meter::{Meter, Provider, Shape};

/// The account that pays for the AWS organisation.
pub const PAYER: &str = "004655120000";
const PROD: (&str, &str) = ("004655120001", "havenline-prod");
/// The Azure subscription.
const MESSAGES: (&str, &str) = ("5d1c7a04-0b52-4c1e-9d0a-2f6f5d1c9b11", "havenline-messages");

/// Tenants that ship through the depot.
const TENANTS: usize = 4;

pub fn meters(company: &Company) -> Vec<Meter> {
    let mut all = Vec::new();
    for (provider, account, sku, name, service, tier) in [
        (Provider::Cur, PROD, &sku::HAVEN_SERVER, "tracking-1", "tracking", "T1"),
        (Provider::Cur, PROD, &sku::HAVEN_SERVER, "tracking-2", "tracking", "T1"),
        (Provider::Cur, PROD, &sku::HAVEN_DATABASE, "depot-db", "tracking", "T1"),
        (
            Provider::Azure,
            MESSAGES,
            &sku::AZURE_SERVER,
            "edi-gateway-1",
            "carrier-gateway",
            "T0",
        ),
        (
            Provider::Azure,
            MESSAGES,
            &sku::AZURE_SERVER,
            "edi-gateway-2",
            "carrier-gateway",
            "T0",
        ),
        (
            Provider::Azure,
            MESSAGES,
            &sku::AZURE_DATABASE,
            "edi-archive",
            "carrier-gateway",
            "T0",
        ),
    ] {
        let meter = shared(provider, account, sku, name, service, tier);
        all.push(meter.units(24));
    }
    let images = shared(
        Provider::Cur,
        PROD,
        &sku::HAVEN_BUCKET,
        "havenline-scans",
        "tracking",
        "T1",
    );
    all.push(images.stored(5_400).shape(Shape::Stored));
    let moved = |id: &str| company.takeover.tenant == id || company.takeover.to == id;
    let tenants = company.tenants.iter().filter(|tenant| !moved(&tenant.id));
    for tenant in tenants.take(TENANTS) {
        let tags = [
            ("tenant", tenant.id.as_str()),
            ("app", "label-print"),
            ("sla", sla(&tenant.tier)),
        ];
        let owned = |provider, account, sku, name: &str| {
            let meter = Meter::new(provider, account, sku, name).tags(&tags);
            let mut meter = meter.owner(&tenant.id, "label-print", &tenant.tier);
            settle(&mut meter, company, tenant, company.life(tenant));
            meter
        };
        let name = format!("labels-{}", tenant.id);
        all.push(
            owned(Provider::Cur, PROD, &sku::HAVEN_SERVER, &name)
                .units(24)
                .shape(Shape::Office),
        );
        let messages = owned(
            Provider::Azure,
            MESSAGES,
            &sku::AZURE_MESSAGES,
            &format!("edi-{}", tenant.id),
        );
        all.push(messages.units(i128::from(tenant.weight) * 90).shape(Shape::Orders));
    }
    all
}

fn shared(
    provider: Provider,
    account: (&str, &str),
    sku: &'static Sku,
    name: &str,
    service: &str,
    tier: &str,
) -> Meter {
    Meter::new(provider, account, sku, name)
        .tags(&[("app", service), ("tier", tier)])
        .owner("", service, tier)
}
