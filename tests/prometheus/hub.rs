//! One cluster of the demo company, read from its usage files, and the series
//! its exporters would have shown: scraped at every interval, and at the
//! instant a node comes up or a container's use changes.

use domain::instant::parse;
use domain::tags;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// The cluster: three nodes that restart, a pod with overhead.
pub const CLUSTER: &str = "hub-rotterdam";
const HOUR_MS: i64 = 3_600_000;
const MIB: i64 = 1 << 20;

/// CPU in millicores and memory in MiB.
pub type Pair = [i64; 2];

/// What stays the same of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    pub node: String,
    pub namespace: String,
    pub pod: String,
    pub uid: String,
    pub container: String,
    pub role: String,
    pub kind: String,
    pub workload: String,
    pub labels: String,
}

/// An hour of a container: how long, and what it held on average.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub seconds: i64,
    pub request: Pair,
    pub used: Pair,
    pub effective: Pair,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub provider_id: String,
    pub pool: String,
    pub capacity_type: String,
    pub capacity: Pair,
    pub allocatable: Pair,
}

/// Hours since the epoch.
pub type Hour = i64;

/// The facts of the cluster.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    pub machines: BTreeMap<String, Machine>,
    /// Ready seconds, at the end of the hour.
    pub ready: BTreeMap<(String, Hour), i64>,
    pub uses: BTreeMap<(Slot, Hour), Use>,
    /// What the runtime class of a pod adds, by its UID.
    overheads: BTreeMap<String, Pair>,
}

fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let file = std::fs::File::open(path).expect("a file of the demo");
    let mut csv = csv::Reader::from_reader(flate2::read::MultiGzDecoder::new(file));
    csv.deserialize().map(|row| row.expect("a row")).collect()
}

impl Hub {
    /// Of the demo's files. Hours in which one node was Ready and nobody looked
    /// are left out: kube-state-metrics shows all nodes or none, so no
    /// Prometheus can tell such an hour.
    pub fn read(containers: &Path, nodes: &Path) -> Hub {
        let mut hub = Hub::default();
        let hour = |row: &BTreeMap<String, String>| {
            let at = parse(row["hour"].as_bytes()).expect("an hour").instant;
            at.0 / 3_600_000_000
        };
        let number = |row: &BTreeMap<String, String>, name: &str| row[name].parse::<i64>().expect("a number");
        let of_hub = |row: &BTreeMap<String, String>| row["cluster"] == CLUSTER;
        for row in rows(nodes).iter().filter(|row| of_hub(row)) {
            let (ready, observed) = (number(row, "ready_seconds"), number(row, "observed_seconds"));
            if ready != observed {
                continue;
            }
            hub.machines.entry(row["node"].clone()).or_insert_with(|| Machine {
                provider_id: row["provider_id"].clone(),
                pool: row["pool"].clone(),
                capacity_type: row["capacity_type"].clone(),
                capacity: ["cpu_capacity_millicores", "memory_capacity_mib"].map(|name| number(row, name)),
                allocatable: ["cpu_allocatable_millicores", "memory_allocatable_mib"].map(|name| number(row, name)),
            });
            hub.ready.insert((row["node"].clone(), hour(row)), ready);
        }
        for row in rows(containers).iter().filter(|row| of_hub(row)) {
            let text = |name: &str| row[name].clone();
            let seconds = number(row, "seconds");
            let mean = |names: [&str; 2]| names.map(|name| exactly(number(row, name), seconds));
            let slot = Slot {
                node: text("node"),
                namespace: text("namespace"),
                pod: text("pod"),
                uid: text("pod_uid"),
                container: text("container"),
                role: text("role"),
                kind: text("workload_kind"),
                workload: text("workload"),
                labels: text("labels"),
            };
            assert_eq!(
                hub.ready[&(slot.node.clone(), hour(row))],
                seconds,
                "pods run while their node is Ready"
            );
            let used = Use {
                seconds,
                request: mean(["cpu_request_core_ms", "memory_request_mib_s"]),
                used: mean(["cpu_usage_core_ms", "memory_usage_mib_s"]),
                effective: mean(["cpu_effective_core_ms", "memory_effective_mib_s"]),
            };
            hub.uses.insert((slot, hour(row)), used);
        }
        hub.settle_overhead();
        hub
    }

    /// While a container takes more than its request, its pod's overhead is what
    /// the pod requests beyond that (A26); the demo's files keep it whole.
    fn settle_overhead(&mut self) {
        let pods: BTreeMap<(String, Hour), Use> = self
            .uses
            .iter()
            .filter(|((slot, _), _)| slot.role != "pod_overhead")
            .map(|((slot, hour), used)| ((slot.uid.clone(), *hour), *used))
            .collect();
        for ((slot, hour), overhead) in &mut self.uses {
            if slot.role != "pod_overhead" {
                continue;
            }
            let of = pods[&(slot.uid.clone(), *hour)];
            self.overheads.insert(slot.uid.clone(), overhead.request);
            for at in 0..2 {
                let beyond = halves(&of, at).1 - of.request[at];
                let taken = beyond.clamp(0, overhead.request[at]);
                // for half of the hour
                overhead.effective[at] = exactly(2 * overhead.request[at] - taken, 2);
            }
            overhead.request = overhead.effective;
        }
    }

    /// These hours only.
    fn within(&self, hours: std::ops::Range<Hour>) -> Hub {
        let mut hub = self.clone();
        hub.ready.retain(|(_, hour), _| hours.contains(hour));
        hub.uses.retain(|(_, hour), _| hours.contains(hour));
        hub
    }

    /// The first day on which every node is Ready all day, from its first hour.
    pub fn whole_day(&self) -> std::ops::Range<Hour> {
        let days: BTreeSet<Hour> = self.ready.keys().map(|(_, hour)| hour.div_euclid(24) * 24).collect();
        let whole = |first: &Hour| {
            (*first..first + 24).all(|hour| {
                self.machines
                    .keys()
                    .all(|node| self.ready.get(&(node.clone(), hour)) == Some(&3_600))
            })
        };
        let first = days.into_iter().find(whole).expect("a day without a restart");
        first..first + 24
    }

    /// Every hour of a day as its hour so many hours in, and use as its mean.
    pub fn constant(&self, day: std::ops::Range<Hour>, like: i64) -> Hub {
        let mut hub = self.within(day.clone());
        hub.uses.clear();
        for ((slot, hour), used) in &self.uses {
            if *hour == day.start + like {
                let mut used = *used;
                used.effective = [0, 1].map(|at| used.request[at].max(used.used[at]));
                hub.uses.extend(day.clone().map(|hour| ((slot.clone(), hour), used)));
            }
        }
        hub
    }

    /// The two usage files of these facts.
    pub fn files(&self) -> (String, String) {
        let mut containers = "hour,seconds,cpu_request_core_ms,cpu_usage_core_ms,cpu_effective_core_ms,memory_request_mib_s,memory_usage_mib_s,memory_effective_mib_s,cluster,node,namespace,pod,pod_uid,container,role,workload_kind,workload,labels\n".to_owned();
        for ((slot, hour), held) in &self.uses {
            let s = held.seconds;
            let labels = slot.labels.replace('"', "\"\"");
            // a String takes every write
            let _ = write!(containers, "{},{s}", said(*hour));
            for at in 0..2 {
                let _ = write!(
                    containers,
                    ",{},{},{}",
                    held.request[at] * s,
                    held.used[at] * s,
                    held.effective[at] * s
                );
            }
            let _ = writeln!(
                containers,
                ",{CLUSTER},{},{},{},{},{},{},{},{},\"{labels}\"",
                slot.node, slot.namespace, slot.pod, slot.uid, slot.container, slot.role, slot.kind, slot.workload
            );
        }
        let mut nodes = "hour,ready_seconds,observed_seconds,cluster,node,provider_id,pool,capacity_type,labels,cpu_capacity_millicores,cpu_allocatable_millicores,memory_capacity_mib,memory_allocatable_mib\n".to_owned();
        for ((node, hour), ready) in &self.ready {
            let machine = &self.machines[node];
            let (pool, bought) = (&machine.pool, &machine.capacity_type);
            let labels = format!(
                "\"{{\"\"karpenter.sh/nodepool\"\":\"\"{pool}\"\",\"\"karpenter.sh/capacity-type\"\":\"\"{bought}\"\"}}\""
            );
            let _ = writeln!(
                nodes,
                "{},{ready},{ready},{CLUSTER},{node},{},{pool},{bought},{labels},{},{},{},{}",
                said(*hour),
                machine.provider_id,
                machine.capacity[0],
                machine.allocatable[0],
                machine.capacity[1],
                machine.allocatable[1]
            );
        }
        (containers, nodes)
    }

    /// The series of these facts as OpenMetrics, scraped every `interval_s`
    /// seconds but not within `silence` (milliseconds), up to half an hour after
    /// the last hour.
    pub fn series(&self, interval_s: i64, silence: std::ops::Range<i64>) -> String {
        let hours: BTreeSet<Hour> = self.ready.keys().map(|(_, hour)| *hour).collect();
        let (Some(first), Some(last)) = (hours.first(), hours.last()) else {
            return "# EOF\n".to_owned();
        };
        let mut scraped = Scraped {
            text: String::new(),
            step: interval_s * 1_000,
            window: (first * HOUR_MS, (last + 1) * HOUR_MS + HOUR_MS / 2),
            silence,
            owners: BTreeSet::new(),
        };
        for (node, machine) in &self.machines {
            self.node(&mut scraped, node, machine);
        }
        let slots: BTreeSet<&Slot> = self.uses.keys().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.slot(&mut scraped, slot);
        }
        scraped.text.push_str("# EOF\n");
        scraped.text
    }

    /// When a node is Ready: from an instant to another, with no hour missing.
    fn lives(&self, node: &str, end: i64) -> Vec<(i64, i64)> {
        let mut lives: Vec<(i64, i64)> = Vec::new();
        for ((of, hour), ready) in &self.ready {
            if of != node || *ready == 0 {
                continue;
            }
            let until = (hour + 1) * HOUR_MS;
            match lives.last_mut() {
                Some(life) if life.1 == until - ready * 1_000 => life.1 = until,
                _ => lives.push((until - ready * 1_000, until)),
            }
        }
        // whoever is there at the end stays a while
        if let Some(life) = lives.last_mut().filter(|life| life.1 == end - HOUR_MS / 2) {
            life.1 = end;
        }
        lives
    }

    fn node(&self, scraped: &mut Scraped, node: &str, machine: &Machine) {
        let lives = self.lives(node, scraped.window.1);
        let there: BTreeSet<i64> = lives.iter().flat_map(|life| scraped.instants(*life)).collect();
        let one = |at: &i64| (*at, "1".to_owned());
        let info = format!("node=\"{node}\",provider_id=\"{}\"", machine.provider_id);
        scraped.ksm("kube_node_info", &info, there.iter().map(one));
        let mut ready: BTreeMap<i64, String> = scraped
            .instants(scraped.window)
            .map(|at| (at, "0".to_owned()))
            .collect();
        ready.extend(there.iter().map(one));
        let condition = format!("node=\"{node}\",condition=\"Ready\",status=\"true\"");
        scraped.ksm("kube_node_status_condition", &condition, ready);
        let labels = format!(
            "node=\"{node}\",label_karpenter_sh_nodepool=\"{}\",label_karpenter_sh_capacity_type=\"{}\"",
            machine.pool, machine.capacity_type
        );
        scraped.ksm("kube_node_labels", &labels, there.iter().map(one));
        for (metric, amount) in [
            ("kube_node_status_capacity", machine.capacity),
            ("kube_node_status_allocatable", machine.allocatable),
        ] {
            for (resource, value) in resources(amount) {
                let of = format!("node=\"{node}\",{resource}");
                scraped.ksm(metric, &of, there.iter().map(|at| (*at, value.clone())));
            }
        }
    }

    fn slot(&self, scraped: &mut Scraped, slot: &Slot) {
        let lives = self.lives(&slot.node, scraped.window.1);
        let there: BTreeSet<i64> = lives.iter().flat_map(|life| scraped.instants(*life)).collect();
        let held: BTreeMap<Hour, Use> = self
            .uses
            .iter()
            .filter(|((of, _), _)| of == slot)
            .map(|((_, hour), used)| (*hour, *used))
            .collect();
        let of = format!(
            "namespace=\"{}\",pod=\"{}\",uid=\"{}\"",
            slot.namespace, slot.pod, slot.uid
        );
        let same = |value: &str| {
            let value = value.to_owned();
            there.iter().map(move |at| (*at, value.clone()))
        };
        if slot.role == "pod_overhead" {
            let overhead = self.overheads[&slot.uid];
            for (metric, (_, value)) in ["kube_pod_overhead_cpu_cores", "kube_pod_overhead_memory_bytes"]
                .into_iter()
                .zip(resources(overhead))
            {
                scraped.ksm(metric, &of, same(&value));
            }
            return;
        }
        let (kind, name) = match slot.kind.as_str() {
            "Deployment" => ("ReplicaSet", slot.pod.rsplit_once('-').expect("a template").0),
            kind => (kind, slot.workload.as_str()),
        };
        if kind == "ReplicaSet" {
            let owner = format!(
                "namespace=\"{}\",replicaset=\"{name}\",owner_kind=\"Deployment\",owner_name=\"{}\"",
                slot.namespace, slot.workload
            );
            // replicas on several nodes have one owner
            if scraped.owners.insert(owner.clone()) {
                let always: Vec<i64> = scraped.instants(scraped.window).collect();
                scraped.ksm(
                    "kube_replicaset_owner",
                    &owner,
                    always.iter().map(|at| (*at, "1".to_owned())),
                );
            }
        }
        let info = format!(
            "{of},node=\"{}\",created_by_kind=\"{kind}\",created_by_name=\"{name}\",priority_class=\"\"",
            slot.node
        );
        scraped.ksm("kube_pod_info", &info, same("1"));
        let mut labels = of.clone();
        for (key, value) in tags::parse(&slot.labels).expect("labels") {
            let written: String = key
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                .collect();
            let _ = write!(labels, ",label_{written}=\"{value}\"");
        }
        scraped.ksm("kube_pod_labels", &labels, same("1"));
        let request = held.values().next().expect("an hour").request;
        for (resource, value) in resources(request) {
            let of = format!(
                "{of},container=\"{}\",node=\"{}\",{resource}",
                slot.container, slot.node
            );
            scraped.ksm("kube_pod_container_resource_requests", &of, same(&value));
        }
        cadvisor(scraped, slot, &lives, &held);
    }
}

/// Usage: a counter that follows the levels of each half of an hour, a gauge.
fn cadvisor(scraped: &mut Scraped, slot: &Slot, lives: &[(i64, i64)], held: &BTreeMap<Hour, Use>) {
    // what is used from each instant on
    let mut levels: BTreeMap<i64, Pair> = BTreeMap::new();
    for (hour, used) in held {
        let end = (hour + 1) * HOUR_MS;
        let (cpu, memory) = (halves(used, 0), halves(used, 1));
        levels.insert(end - used.seconds * 1_000, [cpu.0, memory.0]);
        levels.insert(end - used.seconds * 500, [cpu.1, memory.1]);
    }
    let mut instants: BTreeSet<i64> = lives.iter().flat_map(|life| scraped.instants(*life)).collect();
    instants.extend(levels.keys().filter(|at| !scraped.silence.contains(at)));
    let (mut counted, mut before, mut cpu, mut memory) = (0, None, Vec::new(), Vec::new());
    for at in instants {
        // a counter goes on at its last level while nobody looks
        if let Some((then, level)) = before {
            let stretch = levels.range(then..at).map(|(from, [level, _])| (*from, *level));
            let mut from = then;
            let mut now: i64 = level;
            for (change, next) in stretch {
                counted += now * (change - from);
                (from, now) = (change, next);
            }
            counted += now * (at - from);
        }
        let level = levels.range(..=at).next_back().expect("a level").1;
        before = Some((at, level[0]));
        cpu.push((at, decimal(counted, 6)));
        memory.push((at, (level[1] * MIB).to_string()));
    }
    let labels = format!(
        "job=\"kubelet\",namespace=\"{}\",pod=\"{}\",container=\"{}\",id=\"/{}\"",
        slot.namespace, slot.pod, slot.container, slot.uid
    );
    scraped.write("container_cpu_usage_seconds_total", &labels, cpu);
    scraped.write("container_memory_working_set_bytes", &labels, memory);
}

/// The levels of the two halves of an hour whose mean is the use, and whose
/// larger of request and use is the effective request, on average.
fn halves(used: &Use, at: usize) -> (i64, i64) {
    let (request, mean, effective) = (used.request[at], used.used[at], used.effective[at]);
    if effective == request.max(mean) {
        return (mean, mean);
    }
    let high = request + 2 * (effective - request);
    let low = 2 * mean - high;
    assert!((0..=request).contains(&low), "no use gives {used:?}");
    (low, high)
}

struct Scraped {
    text: String,
    step: i64,
    window: (i64, i64),
    silence: std::ops::Range<i64>,
    /// ReplicaSets that were written.
    owners: BTreeSet<String>,
}

impl Scraped {
    /// The scrapes of a stretch, and its beginning.
    fn instants(&self, (from, to): (i64, i64)) -> impl Iterator<Item = i64> + use<> {
        let (step, silence) = (self.step, self.silence.clone());
        let grid = (from.div_euclid(step) + 1..)
            .map(move |n| n * step)
            .take_while(move |at| *at < to);
        [from].into_iter().chain(grid).filter(move |at| !silence.contains(at))
    }

    fn ksm(&mut self, metric: &str, labels: &str, samples: impl IntoIterator<Item = (i64, String)>) {
        self.write(metric, &format!("job=\"ksm\",instance=\"ksm:8080\",{labels}"), samples);
    }

    fn write(&mut self, metric: &str, labels: &str, samples: impl IntoIterator<Item = (i64, String)>) {
        for (at, value) in samples {
            // a String takes every write
            let _ = writeln!(self.text, "{metric}{{{labels}}} {value} {}", decimal(at, 3));
        }
    }
}

/// CPU and memory as kube-state-metrics labels and writes them.
fn resources([cpu, memory]: Pair) -> [(String, String); 2] {
    [
        ("resource=\"cpu\",unit=\"core\"".to_owned(), decimal(cpu, 3)),
        (
            "resource=\"memory\",unit=\"byte\"".to_owned(),
            (memory * MIB).to_string(),
        ),
    ]
}

fn decimal(units: i64, places: u32) -> String {
    domain::number::format_units(i128::from(units), places)
}

fn said(hour: Hour) -> String {
    domain::instant::Instant(hour * 3_600_000_000).to_string()
}

fn exactly(sum: i64, by: i64) -> i64 {
    assert_eq!(sum % by, 0, "{sum} over {by} is no whole number");
    sum / by
}
