//! The usage files: hourly facts of nodes and containers, a file of each a month.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use crate::balancers::{BalancerDay, Balancers};
use crate::facts::{Facts, NodeDay, SlotHour};
use crate::meter::{Kind, Meter};
use crate::pods::Pod;
use crate::volumes::{Mount, VolumeDay, Volumes};
use crate::{prng, sizing};

/// Columns that change with the hour first, then what stays the same for a container.
const CONTAINERS: &str = "hour,seconds,\
    cpu_request_core_ms,cpu_usage_core_ms,cpu_effective_core_ms,\
    memory_request_mib_s,memory_usage_mib_s,memory_effective_mib_s,\
    gpu_request_ms,gpu_usage_ms,gpu_effective_ms,\
    metered_seconds,cpu_p50_millicores,cpu_p90_millicores,cpu_p95_millicores,cpu_p99_millicores,cpu_max_millicores,\
    memory_peak_mib,cfs_periods,cfs_throttled_periods,cfs_throttled_ms,oom_kills,restarts,\
    cpu_limit_millicores,memory_limit_mib,replicas,cluster,node,namespace,pod,pod_uid,container,role,workload_kind,workload,labels\n";

const NODES: &str = "hour,ready_seconds,observed_seconds,\
    cluster,node,provider_id,pool,capacity_type,root_volume_id,\
    cpu_capacity_millicores,cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib,\
    gpu_capacity_milli,gpu_allocatable_milli\n";

/// A row is an hour of a volume and, if there is one, of a pod that has it mounted.
const VOLUMES: &str = "hour,mounted_seconds,mounted_used_mib_s,seconds,capacity_mib,used_mib_s,\
    cluster,volume_id,namespace,claim,claim_uid,name,storage_class,labels,provisioned,claim_deleted,\
    pod_namespace,pod,pod_uid,workload_kind,workload,pod_labels\n";

/// A row is an hour of a load balancer and, if there is one, of what is behind it.
const BALANCERS: &str = "hour,requests,bytes,hosts,seconds,\
    cluster,balancer_id,namespace,service,name,labels,\
    backend_namespace,backend_service,backend_workload_kind,backend_workload,backend_labels\n";

/// Writes the containers of a month, gzipped, by day, node, pod and hour; returns the rows.
pub fn containers(into: impl Write, facts: &Facts<'_>) -> Result<u64, csv::Error> {
    let mut gzip = GzEncoder::new(into, Compression::fast());
    gzip.write_all(CONTAINERS.as_bytes())?;
    let replicas = sizing::replicas(facts);
    let mut rows = 0;
    let mut text = Vec::new();
    for node in facts.values() {
        for slot in &node.slots {
            let mut same = sizing::limits(&slot.pod, replicas.get(&sizing::workload(node, &slot.pod)).copied());
            same.extend(identity(node, &slot.pod)?);
            text.clear();
            for hour in &slot.hours {
                row(&mut text, node, hour)?;
                sizing::row(&mut text, node.day, &slot.pod, hour)?;
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
    let mut gzip = GzEncoder::new(into, Compression::fast());
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

/// Writes the volumes of a month, gzipped, by day, volume, pod and hour; returns the rows.
pub fn volumes(into: impl Write, volumes: &Volumes<'_>) -> Result<u64, csv::Error> {
    let mut gzip = GzEncoder::new(into, Compression::fast());
    gzip.write_all(VOLUMES.as_bytes())?;
    let mut rows = 0;
    let mut text = Vec::new();
    for volume in volumes.values() {
        let facts = format!(",3600,{},{},", volume.capacity_mib, volume.used_mib * 3_600);
        text.clear();
        let mut row = |hour: u8, mounted: &str, same: &[u8]| -> std::io::Result<()> {
            write!(text, "{}T{hour:02}:00:00Z,{mounted}{facts}", volume.day)?;
            rows += 1;
            text.write_all(same)
        };
        for mount in &volume.mounts {
            let same = claim(volume, Some(mount))?;
            for (hour, seconds) in &mount.hours {
                let used = mount.used_mib.map(|used_mib| used_mib * u64::from(*seconds));
                let used = used.map_or_else(String::new, |used| used.to_string());
                row(*hour, &format!("{seconds},{used}"), &same)?;
            }
        }
        let same = claim(volume, None)?;
        let mounted = |hour: &u8| {
            volume
                .mounts
                .iter()
                .any(|mount| mount.hours.iter().any(|(at, _)| at == hour))
        };
        for hour in (0..24).filter(|hour| !mounted(hour)) {
            row(hour, ",", &same)?;
        }
        gzip.write_all(&text)?;
    }
    gzip.finish()?.flush()?;
    Ok(rows)
}

/// Who has a volume; of a pod's hours, with the pod.
fn claim(volume: &VolumeDay<'_>, mount: Option<&Mount<'_>>) -> Result<Vec<u8>, csv::Error> {
    let (meter, claim) = (volume.meter, volume.claim);
    let stamp = |time: chrono::NaiveDateTime| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    // as long as it is there, nobody knows when it will be deleted
    let deleted = claim.deleted.filter(|at| at.date() <= volume.day).map(stamp);
    let pod = mount.map(|mount| &mount.pod);
    let of_pod = |text: fn(&Pod) -> &str| pod.map_or("", text);
    let uid = prng::uid(prng::stream(&format!("{}/{}", claim.namespace, claim.name)));
    line(&[
        claim.cluster,
        volume_handle(meter),
        &claim.namespace,
        &claim.name,
        &uid,
        &format!("pvc-{uid}"),
        claim.storage_class,
        &claim.labels,
        &stamp(claim.provisioned),
        &deleted.unwrap_or_default(),
        of_pod(|pod| &pod.namespace),
        of_pod(|pod| &pod.pod),
        of_pod(|pod| &pod.uid),
        of_pod(|pod| pod.kind),
        of_pod(|pod| &pod.workload),
        of_pod(|pod| &pod.labels),
    ])
}

/// As the driver reports it: the last segment of what the bill calls it.
fn volume_handle(meter: &Meter) -> &str {
    meter.resource_id.rsplit('/').next().unwrap_or(&meter.resource_id)
}

/// Writes the load balancers of a month, gzipped, by day, balancer, backend and hour; returns the rows.
pub fn balancers(into: impl Write, balancers: &Balancers<'_>) -> Result<u64, csv::Error> {
    let mut gzip = GzEncoder::new(into, Compression::fast());
    gzip.write_all(BALANCERS.as_bytes())?;
    let mut rows = 0;
    let mut text = Vec::new();
    for balancer in balancers.values() {
        let day = balancer.day;
        text.clear();
        for backend in &balancer.backends {
            let cells = [
                &backend.namespace,
                &backend.service,
                backend.kind,
                &backend.service,
                &backend.labels,
            ];
            let same = front(balancer, cells)?;
            for hour in &backend.hours {
                let (of_day, requests, bytes) = (hour.of_day, hour.requests, hour.bytes);
                write!(
                    text,
                    "{day}T{of_day:02}:00:00Z,{requests},{bytes},{},3600,",
                    backend.hosts
                )?;
                text.extend(&same);
                rows += 1;
            }
        }
        if balancer.backends.is_empty() {
            let same = front(balancer, [""; 5])?;
            for hour in 0..24 {
                write!(text, "{day}T{hour:02}:00:00Z,,,,3600,")?;
                text.extend(&same);
                rows += 1;
            }
        }
        gzip.write_all(&text)?;
    }
    gzip.finish()?.flush()?;
    Ok(rows)
}

/// Which load balancer, and which of its backends.
fn front(balancer: &BalancerDay<'_>, backend: [&str; 5]) -> Result<Vec<u8>, csv::Error> {
    let (meter, front) = (balancer.meter, balancer.front);
    // the controller knows it by its host name
    let hash = meter.resource_id.rsplit('/').next().unwrap_or_default();
    let host = format!("{}-{hash}.elb.{}.amazonaws.com", meter.name, meter.region.0);
    let namespace = "platform";
    let mut cells = vec![
        front.cluster,
        &host,
        namespace,
        front.service,
        &meter.name,
        &front.labels,
    ];
    cells.extend(backend);
    line(&cells)
}

fn line(cells: &[&str]) -> Result<Vec<u8>, csv::Error> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(cells)?;
    Ok(csv.into_inner().map_err(csv::IntoInnerError::into_error)?)
}
