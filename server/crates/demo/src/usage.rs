//! The usage files: hourly facts of nodes and containers, a file of each a month.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use crate::facts::{Facts, NodeDay, SlotHour};
use crate::meter::Kind;
use crate::pods::Pod;

/// Columns that change with the hour first, then what stays the same for a container.
const CONTAINERS: &str = "hour,seconds,\
    cpu_request_core_ms,cpu_usage_core_ms,cpu_effective_core_ms,\
    memory_request_mib_s,memory_usage_mib_s,memory_effective_mib_s,\
    gpu_request_ms,gpu_usage_ms,gpu_effective_ms,\
    cluster,node,namespace,pod,pod_uid,container,role,workload_kind,workload,labels\n";

const NODES: &str = "hour,ready_seconds,observed_seconds,\
    cluster,node,provider_id,pool,capacity_type,root_volume_id,\
    cpu_capacity_millicores,cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib,\
    gpu_capacity_milli,gpu_allocatable_milli\n";

/// Writes the containers of a month, gzipped, by day, node, pod and hour; returns the rows.
pub fn containers(into: impl Write, facts: &Facts<'_>) -> Result<u64, csv::Error> {
    let mut gzip = GzEncoder::new(into, Compression::new(3));
    gzip.write_all(CONTAINERS.as_bytes())?;
    let mut rows = 0;
    let mut text = Vec::new();
    for node in facts.values() {
        for slot in &node.slots {
            let same = identity(node, &slot.pod)?;
            text.clear();
            for hour in &slot.hours {
                row(&mut text, node, hour)?;
                text.extend(&same);
                rows += 1;
            }
            gzip.write_all(&text)?;
        }
    }
    gzip.finish()?.flush()?;
    Ok(rows)
}

/// The cells that change with the hour, with a comma after each.
fn row(text: &mut Vec<u8>, node: &NodeDay<'_>, hour: &SlotHour) -> Result<(), csv::Error> {
    let SlotHour {
        of_day,
        seconds,
        request,
        usage,
        effective,
    } = hour;
    write!(
        text,
        "{}T{of_day:02}:00:00Z,{seconds},{},{},{},{},{},{},0,0,0,",
        node.day, request.cpu, usage.cpu, effective.cpu, request.memory, usage.memory, effective.memory
    )?;
    Ok(())
}

/// The other cells, quoted where they must be, with the end of the line.
fn identity(node: &NodeDay<'_>, pod: &Pod) -> Result<Vec<u8>, csv::Error> {
    line(&[
        node.place.cluster,
        &node.place.node,
        &pod.namespace,
        &pod.pod,
        &pod.uid,
        &pod.container,
        pod.role.key(),
        pod.kind,
        &pod.workload,
        &pod.labels,
    ])
}

/// Writes the nodes of a month, gzipped, by day, node and hour; returns the rows.
pub fn nodes(into: impl Write, facts: &Facts<'_>) -> Result<u64, csv::Error> {
    let mut gzip = GzEncoder::new(into, Compression::new(3));
    gzip.write_all(NODES.as_bytes())?;
    let mut rows = 0;
    for node in facts.values() {
        let same = machine(node)?;
        for hour in &node.hours {
            write!(
                gzip,
                "{}T{:02}:00:00Z,{},{},",
                node.day, hour.of_day, hour.ready_s, hour.observed_s
            )?;
            gzip.write_all(&same)?;
            rows += 1;
        }
    }
    gzip.finish()?.flush()?;
    Ok(rows)
}

fn machine(node: &NodeDay<'_>) -> Result<Vec<u8>, csv::Error> {
    let (machine, capacity, allocatable) = (node.machine, node.capacity, node.allocatable);
    let spot = machine.kind == Kind::Spot;
    line(&[
        node.place.cluster,
        &node.place.node,
        &format!("aws:///{}/{}", machine.zone, machine.resource_id),
        node.place.pool,
        if spot { "spot" } else { "on-demand" },
        node.disk,
        &capacity.cpu.to_string(),
        &allocatable.cpu.to_string(),
        &capacity.memory.to_string(),
        &allocatable.memory.to_string(),
        "0",
        "0",
    ])
}

fn line(cells: &[&str]) -> Result<Vec<u8>, csv::Error> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(cells)?;
    Ok(csv.into_inner().map_err(csv::IntoInnerError::into_error)?)
}
