//! The fleet: every meter of the company, from three parts.

mod edge;
mod havenline;
mod platform;
mod tenants;
mod volumes;

pub use havenline::PAYER as HAVENLINE;
pub use tenants::sla as tenant_sla;

use crate::company::Company;
use crate::meter::{Commitment, Kind, Meter};
use crate::money;

/// The account that pays, and owns what is bought for everybody.
pub const PAYER: (&str, &str) = ("004211870000", "tidewater-payer");

/// Clusters and platform services.
const PLATFORM: (&str, &str) = ("004211870001", "tidewater-platform-prod");

/// The dedicated cluster of the Rotterdam hub.
const HUB: (&str, &str) = ("004211870003", "tidewater-hub-rotterdam");

/// Every meter of the company.
#[derive(Debug)]
pub struct Fleet {
    pub meters: Vec<Meter>,
}

impl Fleet {
    /// Builds the fleet of `company`.
    pub fn build(company: &Company) -> Self {
        let mut meters = platform::meters(company);
        meters.extend(tenants::meters(company));
        meters.extend(volumes::of_services(company));
        meters.extend(edge::meters(company));
        meters.extend(havenline::meters(company));
        Self { meters }
    }

    /// What a commitment costs a day: what its meters can use and a reserve that is too large.
    pub fn committed_per_day(&self, commitment: Commitment) -> i128 {
        let covered = |meter: &&Meter| meter.kind == Kind::Covered(commitment);
        let day = |meter: &Meter| money::cost(meter.per_day, committed_price(meter, commitment));
        let used: i128 = self.meters.iter().filter(covered).map(day).sum();
        let reserve = match commitment {
            Commitment::Plan => money::ppm(used, 65_317),
            // one instance more than there are databases
            Commitment::Databases => self.meters.iter().find(covered).map_or(0, day),
            Commitment::Caches => 0,
        };
        used + reserve
    }
}

/// The price per unit under a commitment, in pico units.
pub fn committed_price(meter: &Meter, commitment: Commitment) -> i128 {
    let parts = match commitment {
        Commitment::Plan => 721_739,
        Commitment::Databases => 653_345,
        Commitment::Caches => 618_219,
    };
    money::ppm(meter.sku.list, parts)
}

/// The platform service that a managed service of the provider stands for when nobody tagged it.
fn managed_service(meter: &Meter) -> &'static str {
    match meter.sku.service {
        "Amazon Relational Database Service" => "postgres",
        "Amazon ElastiCache" => "redis",
        "Elastic Load Balancing" | "AWS WAF" => "traefik",
        "Amazon Simple Storage Service" => "object-storage",
        "Amazon CloudWatch" | "Datapier Observability Cloud" => "observability",
        "AWS Backup" => "backup",
        _ => "",
    }
}

/// Availability zones in turn.
fn zone(index: usize) -> &'static str {
    ["eu-central-1a", "eu-central-1b", "eu-central-1c"][index % 3]
}
