//! Hourly facts of the nodes and containers of a month: what the clusters would have reported.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use chrono::{Datelike, NaiveDate};

use crate::company::{Company, Month};
use crate::fleet::Fleet;
use crate::machine::{self, MachineHour};
use crate::meter::{Meter, Part, Place};
use crate::money;
use crate::pods::{self, Load, Pod};
use crate::{prng, shape};

/// MiB that a kubelet and the system keep, and thousandths of a core.
const SYSTEM: (u64, u64) = (90, 993);

/// CPU in core-ms and memory in MiB-s; as a capacity in thousandths of a core and MiB, since one of
/// them held for a second is one of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    pub cpu: u64,
    pub memory: u64,
}

impl Measure {
    /// Held for some seconds.
    pub fn over(self, seconds: u32) -> Self {
        let seconds = u64::from(seconds);
        Self {
            cpu: self.cpu * seconds,
            memory: self.memory * seconds,
        }
    }

    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            memory: self.memory + other.memory,
        }
    }

    pub fn less(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(other.cpu),
            memory: self.memory.saturating_sub(other.memory),
        }
    }
}

/// An hour of a node: `observed_s` is `ready_s`, or 0 when nobody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeHour {
    pub of_day: u8,
    pub ready_s: u32,
    pub observed_s: u32,
}

/// An hour of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotHour {
    pub of_day: u8,
    pub seconds: u32,
    pub request: Measure,
    pub usage: Measure,
    pub effective: Measure,
}

/// A container and its hours of a day, in order.
#[derive(Debug)]
pub struct Slot {
    pub pod: Pod,
    pub hours: Vec<SlotHour>,
}

/// A day of a node on which it was billed.
#[derive(Debug)]
pub struct NodeDay<'a> {
    pub machine: &'a Meter,
    pub place: &'a Place,
    /// The bill's id of its root disk.
    pub disk: &'a str,
    pub day: NaiveDate,
    pub capacity: Measure,
    pub allocatable: Measure,
    pub hours: Vec<NodeHour>,
    pub slots: Vec<Slot>,
}

/// The facts of a month by day and node.
pub type Facts<'a> = BTreeMap<(NaiveDate, &'a str), NodeDay<'a>>;

/// What the clusters would have reported in the month at `index`.
pub fn month<'a>(company: &'a Company, fleet: &'a Fleet, index: usize, seed: u64) -> Facts<'a> {
    let month = company.months[index];
    let disks: HashMap<&str, &str> = fleet
        .meters
        .iter()
        .filter_map(|meter| {
            let place = meter.place.as_ref().filter(|place| place.part == Part::RootDisk)?;
            Some((place.node.as_str(), meter.resource_id.as_str()))
        })
        .collect();
    let gaps = gaps(company, fleet, index, seed);
    let mut facts = Facts::new();
    for meter in &fleet.meters {
        let Some(place) = meter.machine_of() else { continue };
        for day in month.days().filter(|day| meter.lives(*day)) {
            let billed = machine::day(meter, day, company.first(), seed);
            if billed.is_empty() {
                continue;
            }
            let key = (day, place.node.as_str());
            let disk = disks.get(place.node.as_str()).copied().unwrap_or("");
            let gap = gaps.get(&key).cloned().unwrap_or(0..0);
            let pods = pods::on(company, meter, place, day);
            let mut node = NodeDay::new(meter, place, disk, day, &billed, &gap);
            node.slots = pods.into_iter().map(|pod| Slot { pod, hours: Vec::new() }).collect();
            node.observe(company.first(), seed);
            facts.insert(key, node);
        }
    }
    facts
}

/// Once a month a node of each lasting pool is not seen for three hours; in the second month, and
/// every fifth after it, a node of the reserved pool for so long that its neighbours cannot tell.
fn gaps<'a>(company: &Company, fleet: &'a Fleet, index: usize, seed: u64) -> HashMap<(NaiveDate, &'a str), Range<u8>> {
    let month = company.months[index];
    let mut gaps = HashMap::new();
    for (number, pool) in (0_u64..).zip(["general", "memory", "hub"]) {
        let nodes: Vec<_> = fleet
            .meters
            .iter()
            .filter_map(|meter| Some((meter, meter.machine_of().filter(|place| place.pool == pool)?)))
            .collect();
        let random = prng::bits(seed ^ 0x6a9, number, index as u64);
        let range = if pool == "general" && index % 5 == 1 {
            5..20
        } else {
            9..12
        };
        let (meter, place) = nodes[usize::try_from(random % nodes.len() as u64).unwrap_or(0)];
        // a day without a restart, so that it is clear what the hours around it say
        let whole = |day: &NaiveDate| machine::spans(meter, *day, company.first(), seed).len() == 1;
        if let Some(day) = pick(month, random >> 32, whole) {
            gaps.insert((day, place.node.as_str()), range);
        }
    }
    gaps
}

/// The first fitting day at or after a random one, around the end of the month.
fn pick(month: Month, random: u64, fits: impl Fn(&NaiveDate) -> bool) -> Option<NaiveDate> {
    let days: Vec<_> = month.days().collect();
    let from = usize::try_from(random % days.len().max(1) as u64).unwrap_or(0);
    days.iter().cycle().skip(from).take(days.len()).copied().find(fits)
}

impl<'a> NodeDay<'a> {
    fn new(
        machine: &'a Meter,
        place: &'a Place,
        disk: &'a str,
        day: NaiveDate,
        billed: &[MachineHour],
        gap: &Range<u8>,
    ) -> Self {
        let capacity = Measure {
            cpu: machine.sku.cores * 1_000,
            memory: machine.sku.gibibytes * 1_024,
        };
        let (cpu, memory) = SYSTEM;
        let hour = |hour: &MachineHour| NodeHour {
            of_day: hour.of_day,
            ready_s: hour.ready_s,
            observed_s: if gap.contains(&hour.of_day) { 0 } else { hour.ready_s },
        };
        Self {
            machine,
            place,
            disk,
            day,
            capacity,
            allocatable: capacity.less(Measure { cpu, memory }),
            hours: billed.iter().map(hour).collect(),
            slots: Vec::new(),
        }
    }

    /// Fills the hours of the containers.
    fn observe(&mut self, first: NaiveDate, seed: u64) {
        let busy = shape::activity(self.day, first);
        let day = u64::from(self.day.num_days_from_ce().unsigned_abs());
        for hour in self.hours.iter().filter(|hour| hour.observed_s > 0) {
            let load = busy * shape::HOURS[usize::from(hour.of_day)] / 75;
            let index = day * 24 + u64::from(hour.of_day);
            let mut drawn: Vec<_> = self
                .slots
                .iter_mut()
                .filter_map(|slot| {
                    let seconds = match slot.pod.run {
                        Some((of_day, seconds)) if of_day == hour.of_day => seconds.min(hour.observed_s),
                        Some(_) => return None,
                        None => hour.observed_s,
                    };
                    let used = used(&slot.pod, load, seed, index);
                    Some((slot, seconds, used))
                })
                .collect();
            // all together cannot use more than the machine has
            let wanted: u64 = drawn
                .iter()
                .map(|(_, seconds, used)| used.cpu * u64::from(*seconds))
                .sum();
            let most = self.capacity.over(hour.observed_s).cpu * 97 / 100;
            for (slot, seconds, used) in &mut drawn {
                if wanted > most {
                    used.cpu = used.cpu * most / wanted;
                }
                slot.hours.push(slot_hour(&slot.pod, hour.of_day, *seconds, *used));
            }
        }
        self.slots.retain(|slot| !slot.hours.is_empty());
    }
}

/// Mean use within an hour, in thousandths of a core and MiB.
fn used(pod: &Pod, orders: i128, seed: u64, index: u64) -> Measure {
    let noise = |kind, spread| prng::around_one_ppm(prng::bits(seed ^ kind, pod.stream, index), spread);
    let load = match pod.load {
        Load::Orders => orders,
        Load::Steady => 1_000_000,
        Load::Idle => 0,
    };
    let scaled = |value: u64, parts| u64::try_from(money::ppm(i128::from(value), parts)).unwrap_or(0);
    let held = if pod.load == Load::Idle { 0 } else { pod.demand.1 };
    Measure {
        cpu: scaled(pod.demand.0, money::ppm(load, noise(1, 250_000))),
        // memory moves in pages of the allocator
        memory: scaled(held, noise(2, 60_000)) / 16 * 16,
    }
}

fn slot_hour(pod: &Pod, of_day: u8, seconds: u32, used: Measure) -> SlotHour {
    let (cpu, memory) = pod.request;
    // within the hour some minutes are above the request even if the mean is not
    let held = |request: u64, used: u64| request.max(used) + used.saturating_sub(request * 8 / 10) / 20;
    let effective = Measure {
        cpu: held(cpu, used.cpu),
        memory: held(memory, used.memory),
    };
    SlotHour {
        of_day,
        seconds,
        request: Measure { cpu, memory }.over(seconds),
        usage: used.over(seconds),
        effective: effective.over(seconds),
    }
}
