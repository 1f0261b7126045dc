//! Volumes, load balancers and sizing facts, brought to the days they are of.

use domain::instant::Day;
use domain::usage::{
    Backend, BackendHour, BalancerDay, ClusterDay, Hour, Mount, MountHour, SizingHour, SlotId, VolumeDay,
};
use std::collections::BTreeMap;

/// What a cluster holds beside nodes and containers; its parts may reach over several days.
#[derive(Debug, Default)]
pub(super) struct ResourceFacts {
    pub volumes: Vec<VolumeDay>,
    pub balancers: Vec<BalancerDay>,
    pub sizing: Vec<(SlotId, Vec<SizingHour>)>,
}

/// Adds volumes, load balancers and what sizing needs to the days they are of.
pub(super) fn with_resources(cluster: &str, days: Vec<ClusterDay>, facts: ResourceFacts) -> Vec<ClusterDay> {
    let mut days: BTreeMap<Day, ClusterDay> = days.into_iter().map(|day| (day.day, day)).collect();
    for VolumeDay { volume, hours, mounts } in facts.volumes {
        let mut mounted: BTreeMap<Day, Vec<(Mount, Vec<MountHour>)>> = BTreeMap::new();
        for (mount, hours) in mounts {
            for (at, hours) in by_day(hours, |hour| hour.hour) {
                mounted.entry(at).or_default().push((mount.clone(), hours));
            }
        }
        for (at, hours) in by_day(hours, |hour| hour.hour) {
            day_of(&mut days, cluster, at).volumes.push(VolumeDay {
                volume: volume.clone(),
                hours,
                mounts: mounted.remove(&at).unwrap_or_default(),
            });
        }
    }
    for day in facts.balancers {
        let mut behind: BTreeMap<Day, Vec<(Backend, Vec<BackendHour>)>> = BTreeMap::new();
        for (backend, hours) in day.backends {
            for (at, hours) in by_day(hours, |hour| hour.hour) {
                behind.entry(at).or_default().push((backend.clone(), hours));
            }
        }
        for (at, hours) in by_day(day.hours, |hour| hour.hour) {
            day_of(&mut days, cluster, at).balancers.push(BalancerDay {
                balancer: day.balancer.clone(),
                hours,
                backends: behind.remove(&at).unwrap_or_default(),
            });
        }
    }
    for (slot, hours) in facts.sizing {
        for (at, hours) in by_day(hours, |hour| hour.hour) {
            day_of(&mut days, cluster, at).sizing.push((slot.clone(), hours));
        }
    }
    days.into_values().collect()
}

fn day_of<'d>(days: &'d mut BTreeMap<Day, ClusterDay>, cluster: &str, at: Day) -> &'d mut ClusterDay {
    days.entry(at).or_insert_with(|| ClusterDay {
        cluster: cluster.to_owned(),
        day: at,
        ..ClusterDay::default()
    })
}

fn by_day<T>(hours: Vec<T>, hour: impl Fn(&T) -> Hour) -> BTreeMap<Day, Vec<T>> {
    let mut days: BTreeMap<Day, Vec<T>> = BTreeMap::new();
    for fact in hours {
        days.entry(hour(&fact).day()).or_default().push(fact);
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::usage::{BalancerHour, VolumeHour};

    #[test]
    fn facts_go_to_their_days() {
        // hours 23 and 24 of 1970
        let volume = |hours: &[i32], mounted: &[i32]| VolumeDay {
            hours: hours
                .iter()
                .map(|hour| VolumeHour {
                    hour: Hour(*hour),
                    seconds: 3_600,
                    capacity_mib: 1,
                    used_mib_s: None,
                })
                .collect(),
            mounts: vec![(
                Mount::default(),
                mounted
                    .iter()
                    .map(|hour| MountHour {
                        hour: Hour(*hour),
                        seconds: 60,
                        used_mib_s: None,
                    })
                    .collect(),
            )],
            ..VolumeDay::default()
        };
        let balancer = |hours: &[i32]| BalancerDay {
            hours: hours
                .iter()
                .map(|hour| BalancerHour {
                    hour: Hour(*hour),
                    seconds: 3_600,
                })
                .collect(),
            ..BalancerDay::default()
        };
        let facts = ResourceFacts {
            volumes: vec![volume(&[23, 24], &[24])],
            balancers: vec![balancer(&[23, 24])],
            sizing: vec![(
                SlotId::default(),
                vec![SizingHour::unknown(Hour(23)), SizingHour::unknown(Hour(24))],
            )],
        };
        let first = ClusterDay {
            cluster: "c".to_owned(),
            ..ClusterDay::default()
        };
        let days = with_resources("c", vec![first], facts);
        let [first, second] = days.as_slice() else {
            panic!("two days: {days:?}")
        };
        assert_eq!((first.day, second.day), (Day(0), Day(1)));
        let unmounted = VolumeDay {
            mounts: Vec::new(),
            ..volume(&[23], &[])
        };
        assert_eq!(first.volumes, [unmounted], "a day without a mount");
        assert_eq!(second.volumes, [volume(&[24], &[24])]);
        assert_eq!(
            (&first.balancers[..], &second.balancers[..]),
            (&[balancer(&[23])][..], &[balancer(&[24])][..])
        );
        assert_eq!(
            second.sizing,
            [(SlotId::default(), vec![SizingHour::unknown(Hour(24))])]
        );
        assert_eq!(second.cluster, "c");
    }
}
