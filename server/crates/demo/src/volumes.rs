//! What the volumes of claims were on a day: how large, how full, and who mounted them.

use std::collections::{BTreeMap, HashMap};

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};

use crate::facts::{Facts, SlotHour};
use crate::fleet::Fleet;
use crate::meter::{Claim, Meter, Mounter};
use crate::money::MICRO;
use crate::pods::{Pod, Role};
use crate::{company::Month, prng};

/// A workload that mounted a volume on a day.
#[derive(Debug)]
pub struct Mount<'a> {
    pub mounter: &'a Mounter,
    pub pod: Pod,
    /// Hour of the day and seconds in it.
    pub hours: Vec<(u8, u32)>,
    /// MiB in its own folder, if somebody measures them.
    pub used_mib: Option<u64>,
}

/// A day of a volume.
#[derive(Debug)]
pub struct VolumeDay<'a> {
    pub meter: &'a Meter,
    pub claim: &'a Claim,
    pub day: NaiveDate,
    pub capacity_mib: u64,
    pub used_mib: u64,
    pub mounts: Vec<Mount<'a>>,
}

/// By day and ResourceId.
pub type Volumes<'a> = BTreeMap<(NaiveDate, &'a str), VolumeDay<'a>>;

/// The pods that lasting nodes of a cluster run, by cluster, namespace, workload and day.
type Running<'f> = HashMap<(&'f str, &'f str, &'f str, NaiveDate), (&'f Pod, &'f [SlotHour])>;

/// The volumes of a month.
pub fn month<'a>(fleet: &'a Fleet, month: Month, facts: &Facts<'_>, seed: u64) -> Volumes<'a> {
    let mut running = Running::new();
    for node in facts.values() {
        if !matches!(node.place.pool, "general" | "memory" | "hub") {
            continue;
        }
        let slots = node.slots.iter().filter(|slot| slot.pod.role == Role::Workload);
        for slot in slots.filter(|slot| slot.pod.run.is_none()) {
            let pod = &slot.pod;
            let key = (node.place.cluster, &*pod.namespace, &*pod.workload, node.day);
            running.entry(key).or_insert((pod, &slot.hours));
        }
    }
    let mut volumes = Volumes::new();
    for meter in &fleet.meters {
        let Some(claim) = meter.claim.as_deref() else { continue };
        for day in month.days().filter(|day| meter.lives(*day)) {
            let volume = volume(meter, claim, day, &running, seed);
            volumes.insert((day, meter.resource_id.as_str()), volume);
        }
    }
    volumes
}

fn volume<'a>(meter: &'a Meter, claim: &'a Claim, day: NaiveDate, running: &Running<'_>, seed: u64) -> VolumeDay<'a> {
    let capacity_mib = u64::try_from(meter.per_day * 30 / MICRO).unwrap_or(0) * 1_024;
    let number = u64::from(day.num_days_from_ce().unsigned_abs());
    let noise = prng::bits(seed ^ 0x0701, meter.stream, number) % 9;
    // fuller from day to day, until somebody cleans up
    let used_mib = capacity_mib * (520 + (number / 3 + meter.stream % 40) % 290 + noise) / 1_000;
    let mounts = claim.mounters.iter().filter_map(|mounter| {
        let key = (claim.cluster, &*claim.namespace, &*mounter.workload, day);
        let (pod, slot_hours) = running.get(&key)?;
        let hours: Vec<(u8, u32)> = slot_hours
            .iter()
            .map(|hour| (hour.of_day, hour.seconds))
            .filter(|(hour, _)| mounts(claim, mounter, day, *hour))
            .collect();
        let used_mib = mounter.fills.map(|fills| used_mib * fills / 1_000);
        (!hours.is_empty()).then(|| Mount {
            mounter,
            pod: (*pod).clone(),
            hours,
            used_mib,
        })
    });
    VolumeDay {
        meter,
        claim,
        day,
        capacity_mib,
        used_mib,
        mounts: mounts.collect(),
    }
}

/// Whether a workload has the volume in an hour: a claim is deleted once nothing mounts it.
fn mounts(claim: &Claim, mounter: &Mounter, day: NaiveDate, hour: u8) -> bool {
    let weekday = day.weekday().number_from_monday() <= 5;
    let claimed = claim.deleted.is_none_or(|at| {
        let last = NaiveTime::from_hms_opt(at.hour(), 0, 0).unwrap_or(NaiveTime::MIN);
        let hour = NaiveTime::from_hms_opt(u32::from(hour), 0, 0).unwrap_or(NaiveTime::MIN);
        day.and_time(hour) < at.date().and_time(last)
    });
    mounter.hours.contains(&hour) && (weekday || !mounter.weekdays) && claimed
}
