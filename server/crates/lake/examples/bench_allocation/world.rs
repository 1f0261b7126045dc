//! A month of one cluster, from a seed: pods that come and go, nodes of four
//! sizes, noisy claims, over-commitment, node-hours that cost 24 digits.

use crate::Result;
use crate::manifest::Manifest;
use domain::Money;
use domain::dialect::{Container, focus};
use domain::instant::Day;
use domain::usage::{Capacity, ClusterDay, HOUR_S, Hour, Measure, Node, NodeHour, Role, Slot, SlotHour};
use lake::ingest::{MAX_FINDINGS, MAX_RECORD_BYTES, OnError, Part, Request};
use lake::usage::{UsageFile, write_day};
use lake::{ChargeFile, Lake, ingest};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// 2024-10-01: a month of 31 days.
const FIRST_DAY: i32 = 19_997;
const CLUSTER: &str = "bench";
/// Cores of the four sizes of nodes, and how many of ten nodes have each.
const SIZES: [(u64, usize); 4] = [(8, 4), (16, 3), (32, 2), (64, 1)];
const MEMORY_MIB_PER_CORE: u64 = 4_096;
/// Namespaces, and workloads in each.
const NAMESPACES: u64 = 400;
const WORKLOADS: u64 = 10;

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A day as it was written: its usage, its charges, what they add up to, and counts of it.
type WrittenDay = (UsageFile, ChargeFile, Money, [u64; 3]);

struct Random(u64);

impl Random {
    fn of(seed: u64, at: u64) -> Random {
        Random(mix(seed ^ mix(at)))
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0) % end
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }
}

/// What a place for a pod is part of.
fn workload(place: u64) -> u64 {
    mix(place) % (NAMESPACES * WORKLOADS)
}

/// What fills a place for a pod from one hour to another.
struct Pod {
    node: u32,
    place: u64,
    generation: u64,
    /// Hours of the month; the end is not one of them.
    from: i32,
    to: i32,
    noisy: bool,
    request: Capacity,
}

/// What is generated.
pub struct World {
    days: i32,
    seed: u64,
    /// Cores of every node.
    nodes: Vec<u64>,
    pods: Vec<Pod>,
}

impl World {
    /// So many pods at a time over so many days. One in twenty places is empty
    /// at any time, so there are more places than pods; a node for 25 pods.
    pub fn new(pods: u64, days: i32, seed: u64) -> World {
        let days = days.clamp(1, 31);
        let count = usize::try_from(pods.div_ceil(25)).unwrap_or(1).max(1);
        let size = |at: usize| {
            let mut left = at % 10;
            let found = SIZES.iter().find(|(_, of_ten)| {
                let here = left < *of_ten;
                left = left.saturating_sub(*of_ten);
                here
            });
            found.map_or(8, |(cores, _)| *cores)
        };
        let nodes: Vec<u64> = (0..count).map(size).collect();
        let pools: Vec<Vec<u32>> = SIZES
            .iter()
            .map(|(size, _)| {
                (0u32..)
                    .zip(&nodes)
                    .filter(|(_, cores)| *cores == size)
                    .map(|(at, _)| at)
                    .collect()
            })
            .collect();
        let mut world = World {
            days,
            seed,
            nodes,
            pods: Vec::new(),
        };
        for place in 0..pods * 105 / 100 {
            world.fill_place(place, &pools);
        }
        world
    }

    /// Half of the places have one pod all month; the others a new one every 6
    /// to 406 hours, on a new node, and one in ten of these is absent.
    fn fill_place(&mut self, place: u64, pools: &[Vec<u32>]) {
        // the workload says which pool: one with twice the cores has twice the workloads
        let mut random = Random::of(self.seed ^ 0x9001, workload(place));
        let cores = |at: usize| SIZES[at].0 * pools[at].len() as u64;
        let mut left = random.below((0..pools.len()).map(cores).sum::<u64>().max(1));
        let chosen = (0..pools.len()).find(|at| {
            let here = left < cores(*at);
            left = left.saturating_sub(cores(*at));
            here
        });
        let pool = &pools[chosen.unwrap_or(0)];
        let mut random = Random::of(self.seed, place);
        let end = self.days * 24;
        let churns = random.below(2) == 0;
        let noisy = random.below(10) < 7;
        let request = Capacity {
            cpu_millicores: 10 * random.between(10, 136),
            memory_mib: 8 * random.between(32, 670),
            gpu_milli: 0,
        };
        let length = |random: &mut Random| i32::try_from(random.between(6, 406)).unwrap_or(6);
        let mut from = if churns { -length(&mut random) / 2 } else { 0 };
        let mut generation = 0;
        while from < end {
            let to = if churns { from + length(&mut random) } else { end };
            let node = pool[usize::try_from(random.below(pool.len() as u64)).unwrap_or(0)];
            let absent = churns && random.below(10) == 0;
            if !absent && to > 0 {
                self.pods.push(Pod {
                    node,
                    place,
                    generation,
                    from: from.max(0),
                    to: to.min(end),
                    noisy,
                    request,
                });
            }
            generation += 1;
            from = to;
        }
    }

    fn node(&self, at: u32) -> Node {
        let cores = self.nodes[at as usize];
        Node {
            name: format!("ip-10-{}-{}.internal", at / 250, at % 250),
            provider_id: format!("aws:///eu-central-1a/i-{:017x}", mix(u64::from(at)) >> 2),
            pool: format!("general-{cores}"),
            capacity_type: "on-demand".to_owned(),
            ..Node::default()
        }
    }

    /// What an instance of a node is called in the bill.
    fn instance(&self, at: u32) -> String {
        let id = self.node(at).provider_id;
        id.rsplit('/').next().unwrap_or_default().to_owned()
    }

    fn capacity(&self, at: u32) -> (Capacity, Capacity) {
        let cores = self.nodes[at as usize];
        let capacity = Capacity {
            cpu_millicores: cores * 1_000,
            memory_mib: cores * MEMORY_MIB_PER_CORE,
            gpu_milli: 0,
        };
        let reserved = Capacity {
            cpu_millicores: 80 + cores * 5,
            memory_mib: 700 + cores * 64,
            gpu_milli: 0,
        };
        (capacity, capacity.less(&reserved))
    }

    /// An hour of a pod.
    fn claim(&self, pod: &Pod, hour: i32) -> SlotHour {
        let at = pod.place << 24 ^ u64::try_from(hour).unwrap_or(0);
        let mut random = Random::of(self.seed ^ 0xC1A1, at);
        let seconds = if hour == pod.from && pod.generation > 0 {
            random.between(600, 3_599)
        } else {
            u64::from(HOUR_S)
        };
        let requested = pod.request.over(seconds);
        // percent of the request, and then the low digits
        let (from, to) = if pod.noisy { (20, 140) } else { (20, 90) };
        let mut used = |requested: u64| requested * random.between(from, to) / 100 + random.below(1_000);
        let used = Measure {
            cpu_core_ms: used(requested.cpu_core_ms),
            memory_mib_s: used(requested.memory_mib_s),
            gpu_ms: 0,
        };
        let mut effective = requested.max(used);
        if pod.noisy {
            // within the hour it was above its request for a while
            effective.cpu_core_ms += random.below(requested.cpu_core_ms / 50 + 1);
            effective.memory_mib_s += random.below(requested.memory_mib_s / 50 + 1);
        }
        SlotHour {
            hour: Hour(FIRST_DAY * 24 + hour),
            seconds: u32::try_from(seconds).unwrap_or(HOUR_S),
            effective,
            requested,
            used,
        }
    }

    fn cluster_day(&self, day: i32) -> ClusterDay {
        let (first, end) = (day * 24, day * 24 + 24);
        let of_day = |pod: &&Pod| pod.from < end && pod.to > first;
        let mut slots: Vec<(Slot, Vec<SlotHour>)> = self
            .pods
            .iter()
            .filter(of_day)
            .map(|pod| {
                let hours = (pod.from.max(first)..pod.to.min(end)).map(|hour| self.claim(pod, hour));
                (self.slot(pod), hours.collect())
            })
            .collect();
        slots.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut nodes: Vec<(Node, Vec<NodeHour>)> = (0u32..)
            .take(self.nodes.len())
            .map(|at| {
                let (capacity, allocatable) = self.capacity(at);
                let hour = |hour: i32| NodeHour {
                    hour: Hour(FIRST_DAY * 24 + hour),
                    ready_s: HOUR_S,
                    observed_s: HOUR_S,
                    capacity,
                    allocatable,
                };
                (self.node(at), (first..end).map(hour).collect())
            })
            .collect();
        nodes.sort_by(|(a, _), (b, _)| a.cmp(b));
        ClusterDay {
            cluster: CLUSTER.to_owned(),
            day: Day(FIRST_DAY + day),
            nodes,
            slots,
            ..ClusterDay::default()
        }
    }

    fn slot(&self, pod: &Pod) -> Slot {
        let workload = workload(pod.place);
        let uid = mix(mix(pod.place) ^ pod.generation);
        Slot {
            node: self.node(pod.node).name,
            pod_uid: format!(
                "{:08x}-{:04x}-4{:03x}-{:012x}",
                uid >> 32,
                uid >> 16 & 0xFFFF,
                uid & 0xFFF,
                pod.place
            ),
            container: "app".to_owned(),
            role: Role::Workload,
            namespace: format!("team-{:03}", workload / WORKLOADS),
            pod: format!("service-{}-{:x}", workload % WORKLOADS, uid >> 24),
            workload_kind: "Deployment".to_owned(),
            workload: format!("service-{}", workload % WORKLOADS),
            ..Slot::default()
        }
    }

    /// The day's bill, one line per node and hour, as CSV; answers the sum.
    fn bill(&self, day: i32, to: &Path) -> Result<Money> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(to)?);
        writeln!(
            file,
            "BilledCost,EffectiveCost,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,\
             ChargeCategory,BillingCurrency,ServiceCategory,ServiceName,ResourceId,ConsumedQuantity,ConsumedUnit,Tags"
        )?;
        let mut total = Money::ZERO;
        let instances: Vec<String> = (0u32..).take(self.nodes.len()).map(|at| self.instance(at)).collect();
        for hour in day * 24..day * 24 + 24 {
            let hour = Hour(FIRST_DAY * 24 + hour);
            let (start, end) = (hour.start(), Hour(hour.0 + 1).start());
            for (at, cores) in (0u64..).zip(&self.nodes) {
                let mut random = Random::of(self.seed ^ 0xB111, at << 24 ^ u64::try_from(hour.0).unwrap_or(0));
                let millionths = cores * random.between(40_000, 60_000);
                let cost = format!(
                    "{}.{:06}{:018}",
                    millionths / 1_000_000,
                    millionths % 1_000_000,
                    random.below(1_000_000_000_000_000_000)
                );
                total = total.checked_add(Money::parse(&cost)?)?;
                let instance = &instances[usize::try_from(at)?];
                writeln!(
                    file,
                    "{cost},{cost},2024-10-01,2024-11-01,{start},{end},Usage,USD,Compute,Amazon Elastic Compute Cloud,\
                     {instance},1,Hours,\"{{\"\"aws:eks:cluster-name\"\":\"\"{CLUSTER}\"\"}}\""
                )?;
            }
        }
        file.flush()?;
        Ok(total)
    }

    fn charges(&self, lake: &Lake, folder: &Path, day: i32) -> Result<(ChargeFile, Money)> {
        let path = folder.join(format!("bill-{day}.csv"));
        let total = self.bill(day, &path)?;
        let dialect = focus("1.0").ok_or("FOCUS 1.0 is unknown")?;
        let part = Part {
            name: format!("bill-{day}.csv"),
            path: path.clone(),
            container: Container::Plain,
            dialect,
        };
        let delivery_id = format!("day-{day:02}");
        let request = Request {
            delivery_id: &delivery_id,
            source: CLUSTER,
            parts: &[part],
            on_error: OnError::Fail,
            expected_period: None,
            allow_mixed_currencies: false,
            max_record_bytes: MAX_RECORD_BYTES,
            max_findings: MAX_FINDINGS,
        };
        let staged = ingest(lake, &request, &|_| {}).map_err(|error| format!("{error:?}"))?;
        std::fs::remove_file(&path)?;
        let [file] = staged.files.as_slice() else {
            return Err("a day of bill did not become one file".into());
        };
        let file = ChargeFile {
            path: file.path.clone(),
            delivery_id,
        };
        Ok((file, total))
    }

    /// Writes usage and charges, two days at a time, then the manifest.
    pub fn write(&self, folder: &Path) -> Result<Manifest> {
        let lake = Lake::file(&folder.join("lake"))?;
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<WrittenDay>> = Mutex::new(Vec::new());
        let days = usize::try_from(self.days)?;
        let work = || -> std::result::Result<(), String> {
            loop {
                let day = next.fetch_add(1, Ordering::Relaxed);
                if day >= days {
                    return Ok(());
                }
                let day = i32::try_from(day).unwrap_or(0);
                let of_day = self.cluster_day(day);
                let overcommitted = overcommitted(&of_day);
                let usage = write_day(&lake, &of_day).map_err(|error| error.to_string())?;
                drop(of_day);
                let (charges, total) = self.charges(&lake, folder, day).map_err(|error| error.to_string())?;
                if let Ok(mut done) = done.lock() {
                    done.push((usage, charges, total, overcommitted));
                }
            }
        };
        thread::scope(|scope| {
            let other = scope.spawn(work);
            let own = work();
            own.and(other.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
        })?;
        let mut done = done.into_inner().map_err(|_| "a thread panicked")?;
        done.sort_by_key(|(usage, ..)| usage.day);
        let sum = |at: usize| done.iter().map(|(.., counts)| counts[at]).sum::<u64>();
        let facts = json!({
            "nodes": self.nodes.len(),
            "pods": self.pods.len(),
            "overcommitted_cpu_percent": 100 * sum(0) / sum(2).max(1),
            "overcommitted_memory_percent": 100 * sum(1) / sum(2).max(1),
        });
        let manifest = Manifest {
            total: Money::sum(done.iter().map(|(_, _, total, _)| *total))?,
            newest_total: done.last().map_or(Money::ZERO, |(_, _, total, _)| *total),
            node_hours: done.iter().map(|(usage, ..)| usage.node_hours).sum(),
            usage: done.iter().map(|(usage, ..)| usage.clone()).collect(),
            charges: done.into_iter().map(|(_, charges, ..)| charges).collect(),
            facts,
        };
        manifest.write(folder)?;
        Ok(manifest)
    }
}

/// Node hours whose pods claim more CPU, and memory, than there is; and all of them.
fn overcommitted(day: &ClusterDay) -> [u64; 3] {
    let mut claimed: std::collections::HashMap<(&str, Hour), Measure> = std::collections::HashMap::new();
    for (slot, hours) in &day.slots {
        for hour in hours {
            let sum = claimed.entry((slot.node.as_str(), hour.hour)).or_default();
            *sum = sum.plus(hour.effective);
        }
    }
    let mut counts = [0; 3];
    for (node, hours) in &day.nodes {
        for hour in hours {
            let claimed = claimed
                .get(&(node.name.as_str(), hour.hour))
                .copied()
                .unwrap_or_default();
            let there = hour.allocatable.over(u64::from(HOUR_S));
            counts[0] += u64::from(claimed.cpu_core_ms > there.cpu_core_ms);
            counts[1] += u64::from(claimed.memory_mib_s > there.memory_mib_s);
            counts[2] += 1;
        }
    }
    counts
}
