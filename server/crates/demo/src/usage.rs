//! Hourly container facts of the shared cluster, for the last days.

use std::io::Write;

use chrono::{Datelike, NaiveDate};
use flate2::{Compression, write::GzEncoder};

use crate::company::{Company, Style};
use crate::{money, prng, shape};

/// Days of usage that are written, the last ones before today.
pub const DAYS: u64 = 3;

const HEADER: [&str; 13] = [
    "hour",
    "cluster",
    "node",
    "namespace",
    "pod",
    "container",
    "seconds",
    "cpu_request_core_ms",
    "cpu_usage_core_ms",
    "cpu_effective_core_ms",
    "memory_request_mib_s",
    "memory_usage_mib_s",
    "memory_effective_mib_s",
];

/// Nodes of the shared cluster that take pods.
const NODES: u64 = 12;
const SECONDS: i128 = 3_600;

/// A container that runs all hour, every hour.
struct Container {
    namespace: String,
    name: String,
    replica: u32,
    /// Requested thousandths of a core.
    millicores: i128,
    /// Requested MiB.
    mebibytes: i128,
}

fn containers(company: &Company, day: NaiveDate) -> Vec<Container> {
    let mut all = Vec::new();
    for service in &company.services {
        let replicas = match service.tier.as_str() {
            "T0" => 4,
            "T1" => 2,
            _ => 1,
        };
        for replica in 0..replicas {
            let namespace = "platform".to_owned();
            all.push(Container {
                namespace,
                name: service.id.clone(),
                replica,
                millicores: 750,
                mebibytes: 1_536,
            });
        }
    }
    for tenant in &company.tenants {
        let (from, to) = company.life(tenant);
        if tenant.style == Style::Dedicated || day < from || to <= day {
            continue;
        }
        let size = i128::from(tenant.weight);
        let (namespace, name) = (format!("tnt-{}", tenant.id), "wms-core".to_owned());
        all.push(Container {
            namespace,
            name,
            replica: 0,
            millicores: 100 + size * 9,
            mebibytes: 512 + size * 24,
        });
    }
    all
}

/// Writes the usage of `days`, gzipped, sorted by node, pod, hour within the day.
pub fn write(into: impl Write, company: &Company, days: &[NaiveDate], seed: u64) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(GzEncoder::new(into, Compression::fast()));
    csv.write_record(HEADER)?;
    for day in days {
        let mut placed: Vec<_> = containers(company, *day)
            .into_iter()
            .map(|container| {
                let pod = format!("{}-{}", container.name, container.replica);
                let stream = prng::stream(&format!("{}/{pod}", container.namespace));
                (format!("core-eu-general-{:02}", stream % NODES), pod, stream, container)
            })
            .collect();
        placed.sort_by(|left, right| {
            (&left.0, &left.1, &left.3.namespace).cmp(&(&right.0, &right.1, &right.3.namespace))
        });
        for (node, pod, stream, container) in &placed {
            for hour in 0_u8..24 {
                let facts = facts(container, *stream, *day, hour, company.first(), seed);
                let hour = format!("{day}T{hour:02}:00:00Z");
                let mut record = vec![&hour, "core-eu", node, &container.namespace, pod, &container.name];
                record.extend(facts.iter().map(String::as_str));
                csv.write_record(record)?;
            }
        }
    }
    let encoder = csv.into_inner().map_err(csv::IntoInnerError::into_error)?;
    encoder.finish()?.flush()?;
    Ok(())
}

/// Seconds, then request, usage and effective request of CPU (core-ms) and memory (MiB-s).
fn facts(container: &Container, stream: u64, day: NaiveDate, hour: u8, first: NaiveDate, seed: u64) -> [String; 7] {
    let index = u64::from(day.num_days_from_ce().unsigned_abs()) * 24 + u64::from(hour);
    let noise = |kind| prng::around_one_ppm(prng::bits(seed ^ kind, stream, index), 250_000);
    // a request covers the ordinary peak hour, so most hours use less and the cut-offs use more
    let load = shape::activity(day, first) * shape::HOURS[usize::from(hour)] / 75;
    let cpu_request = container.millicores * SECONDS;
    let cpu_usage = money::ppm(money::ppm(cpu_request, load), noise(1));
    let memory_request = container.mebibytes * SECONDS;
    let memory_usage = money::ppm(memory_request * 7 / 10, noise(2));
    // within the hour some minutes are above the request even if the mean is not
    let effective = |request: i128, usage: i128| request.max(usage) + (usage - request * 8 / 10).max(0) / 20;
    [
        SECONDS,
        cpu_request,
        cpu_usage,
        effective(cpu_request, cpu_usage),
        memory_request,
        memory_usage,
        effective(memory_request, memory_usage),
    ]
    .map(|value| value.to_string())
}
