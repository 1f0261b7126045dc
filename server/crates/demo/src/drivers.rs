//! Drivers: what each tenant's business did in a day.

use std::io::Write;

use chrono::Datelike;

use crate::company::{Company, Month};
use crate::{money, prng, shape};

/// Driver, unit, and how many an ordinary day has per point of a tenant's weight.
const DRIVERS: [(&str, &str, i128); 3] = [
    ("orders", "orders", 61),
    ("shipments", "shipments", 54),
    ("scans", "scans", 812),
];

/// Writes the drivers of a month.
pub fn write(into: impl Write, company: &Company, month: Month, seed: u64) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(into);
    csv.write_record(["day", "tenant", "driver", "value", "unit"])?;
    for day in month.days() {
        let busy = shape::activity(day, company.first());
        for tenant in &company.tenants {
            let (from, to) = company.life(tenant);
            if day < from || to <= day {
                continue;
            }
            for (driver, unit, per_weight) in DRIVERS {
                let stream = prng::stream(&format!("{driver}/{}", tenant.id));
                let random = prng::bits(seed, stream, u64::from(day.num_days_from_ce().unsigned_abs()));
                let ordinary = money::ppm(per_weight * i128::from(tenant.weight), busy);
                let value = money::ppm(ordinary, prng::around_one_ppm(random, 120_000));
                csv.write_record([&day.to_string(), &tenant.id, driver, &value.to_string(), unit])?;
            }
        }
    }
    csv.flush()?;
    Ok(())
}
