//! A generated cluster: a bill of nodes, and the hours of nodes and containers,
//! as files Tonnage takes in.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Pods of a node.
const PODS_PER_NODE: u32 = 50;
/// Namespaces of the cluster.
const NAMESPACES: u32 = 200;
/// Pods of a workload.
const PODS_PER_WORKLOAD: u32 = 5;

/// The files of a fleet.
pub struct Fleet {
    /// A line per node and day.
    pub bill: PathBuf,
    /// A row per node and hour.
    pub nodes: PathBuf,
    /// A row per container and hour.
    pub containers: PathBuf,
}

/// The files of a fleet of this size in October 2026; written when they are not
/// there.
///
/// # Errors
/// When they cannot be written.
pub fn ensure(folder: &Path, pods: u32, days: u32) -> Result<Fleet> {
    let file = |name: &str| folder.join(format!("fleet-{pods}x{days}-{name}.csv.gz"));
    let fleet = Fleet {
        bill: file("bill"),
        nodes: file("nodes"),
        containers: file("containers"),
    };
    let nodes = pods.div_ceil(PODS_PER_NODE);
    write(&fleet.bill, |out| bill(out, nodes, days))?;
    write(&fleet.nodes, |out| node_hours(out, nodes, days))?;
    write(&fleet.containers, |out| container_hours(out, pods, days))?;
    Ok(fleet)
}

/// Under another name until it is whole.
fn write(path: &Path, rows: impl Fn(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let begun = path.with_extension("part");
    let mut out = GzEncoder::new(BufWriter::new(File::create(&begun)?), Compression::fast());
    rows(&mut out)?;
    out.finish()?.flush()?;
    std::fs::rename(&begun, path)?;
    Ok(())
}

fn bill(out: &mut dyn Write, nodes: u32, days: u32) -> std::io::Result<()> {
    writeln!(
        out,
        "BilledCost,EffectiveCost,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,\
         ChargePeriodEnd,ChargeCategory,ServiceName,ServiceCategory,ResourceId,ResourceType,ConsumedQuantity,\
         ConsumedUnit,Tags"
    )?;
    for day in 1..=days {
        let end = match day {
            31 => "2026-11-01".to_owned(),
            day => format!("2026-10-{:02}", day + 1),
        };
        for node in 0..nodes {
            let cost = format!("4.{:03}7", node % 997);
            writeln!(
                out,
                "{cost},{cost},4711,USD,2026-10-01,2026-11-01,2026-10-{day:02},{end},Usage,Cloud,Compute,i-{node},instance,\
                 24,Hours,\"{{\"\"kubernetes.io/cluster/bench\"\": \"\"owned\"\"}}\""
            )?;
        }
    }
    Ok(())
}

fn node_hours(out: &mut dyn Write, nodes: u32, days: u32) -> std::io::Result<()> {
    writeln!(
        out,
        "hour,cluster,node,provider_id,pool,ready_seconds,observed_seconds,cpu_capacity_millicores,\
         cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib"
    )?;
    for_hours(days, |hour| {
        for node in 0..nodes {
            writeln!(
                out,
                "{hour},bench,node-{node},aws:///eu-1a/i-{node},general,3600,3600,16000,15800,65536,63488"
            )?;
        }
        Ok(())
    })
}

fn container_hours(out: &mut dyn Write, pods: u32, days: u32) -> std::io::Result<()> {
    writeln!(
        out,
        "hour,cluster,node,namespace,pod,container,pod_uid,workload_kind,workload,seconds,cpu_request_core_ms,\
         cpu_usage_core_ms,memory_request_mib_s,memory_usage_mib_s"
    )?;
    for_hours(days, |hour| {
        for pod in 0..pods {
            let node = pod / PODS_PER_NODE;
            let workload = pod / PODS_PER_WORKLOAD;
            let namespace = workload % NAMESPACES;
            // usage swings about the request, the same in every run
            let cpu = 360_000 + u64::from(pod % 89) * 3_001;
            let used = cpu * u64::from(40 + (pod * 7) % 90) / 100;
            let memory = 1_843_200 + u64::from(pod % 61) * 4_096;
            writeln!(
                out,
                "{hour},bench,node-{node},ns-{namespace},pod-{pod},main,uid-{pod},Deployment,app-{workload},3600,{cpu},\
                 {used},{memory},{}",
                memory * 3 / 4
            )?;
        }
        Ok(())
    })
}

fn for_hours(days: u32, mut each: impl FnMut(&str) -> std::io::Result<()>) -> std::io::Result<()> {
    for day in 1..=days {
        for hour in 0..24 {
            each(&format!("2026-10-{day:02}T{hour:02}:00:00Z"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_has_its_rows() {
        let mut text = Vec::new();
        bill(&mut text, 3, 31).expect("memory");
        container_hours(&mut text, 7, 2).expect("memory");
        node_hours(&mut text, 3, 2).expect("memory");
        let text = String::from_utf8(text).expect("UTF-8");
        assert_eq!(text.lines().count(), 3 + 3 * 31 + 7 * 48 + 3 * 48);
        assert!(text.contains("2026-10-31,2026-11-01,Usage"), "{}", &text[..400]);
    }
}
