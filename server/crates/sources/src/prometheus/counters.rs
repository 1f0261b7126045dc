//! Counters of Traefik as what they rose by in each hour, a series at a time:
//! a busy ingress has thousands of them.

use super::answer::{Labels, Series};
use super::balancers::ServiceName;
use super::series::{Scrapes, label, target};
use std::collections::BTreeMap;
use std::ops::Range;

/// Labels that differ between copies of one counter.
const REPLICAS: [&str; 3] = ["prometheus_replica", "replica", "__replica__"];

/// Counters by what was scraped, as what they rose by in each hour.
#[derive(Debug, Default)]
pub(super) struct Counters {
    scrapes: Scrapes,
    series: BTreeMap<Labels, Counter>,
}

#[derive(Debug)]
struct Counter {
    first: (i64, i64),
    last: (i64, i64),
    risen: BTreeMap<i32, u64>,
}

/// What a service had of a Traefik: by (target, service of the target, Traefik's service), by hour.
pub(super) type Traffic = BTreeMap<(ServiceName, String), BTreeMap<i32, u64>>;

/// Longest time between two samples across which a counter's rise is known.
fn across(reach: i64) -> i64 {
    // no further than a chunk looks around its hours
    reach * 3
}

impl Counters {
    /// Adds a piece of a series; the pieces of one come in order.
    pub(super) fn see(&mut self, series: &Series, reach: i64) {
        self.scrapes.see(series);
        for &(at, value) in &series.samples {
            let counter = self.series.entry(series.labels.clone()).or_insert_with(|| Counter {
                first: (at, value),
                last: (at, value),
                risen: BTreeMap::new(),
            });
            let (last, known) = counter.last;
            if at <= last {
                continue;
            }
            if at - last <= across(reach) {
                // after a reset it has counted from zero
                let rise = if value < known { value } else { value - known };
                counter.rise(at, rise);
            }
            counter.last = (at, value);
        }
    }

    /// What each service had of each Traefik, by hour.
    pub(super) fn by_service(&self, hours: &Range<i32>, reach: i64) -> Traffic {
        let mut copies: BTreeMap<Labels, BTreeMap<i32, u64>> = BTreeMap::new();
        for (labels, counter) in &self.series {
            let mut risen = counter.risen.clone();
            let (at, value) = counter.first;
            let scraped = self.scrapes.between(&target(labels), at - across(reach), at - 1).next();
            if scraped.is_some() {
                // a counter that appears between scrapes of its target began at zero
                *risen.entry(hour_of(at)).or_default() += value.max(0).unsigned_abs();
            }
            let mut own = labels.clone();
            own.retain(|name, _| !REPLICAS.contains(&name.as_str()));
            let known = copies.entry(own).or_default();
            for (hour, rise) in risen {
                let of = known.entry(hour).or_default();
                *of = rise.max(*of);
            }
        }
        let mut traffic = Traffic::new();
        for (labels, risen) in copies {
            let plain = |name: &str| labels.get(name).cloned().unwrap_or_default();
            let through = match labels.contains_key("exported_service") {
                true => plain("service"),
                false => String::new(),
            };
            let key = ((plain("namespace"), through), label(&labels, "service").to_owned());
            let sums = traffic.entry(key).or_default();
            for (hour, rise) in risen.into_iter().filter(|(hour, _)| hours.contains(hour)) {
                *sums.entry(hour).or_default() += rise;
            }
        }
        traffic
    }
}

impl Counter {
    /// A rise belongs to the hour of the sample that shows it.
    fn rise(&mut self, at: i64, rise: i64) {
        *self.risen.entry(hour_of(at)).or_default() += rise.max(0).unsigned_abs();
    }
}

fn hour_of(ms: i64) -> i32 {
    i32::try_from(ms.div_euclid(3_600_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(code: &str, replica: &str, samples: &[(i64, i64)]) -> Series {
        let labels = [
            ("namespace", "edge"),
            ("instance", "t-1"),
            ("service", "shop-web-80@kubernetes"),
            ("code", code),
            ("prometheus_replica", replica),
        ];
        Series {
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            samples: samples.to_vec(),
            unreadable: 0,
        }
    }

    #[test]
    fn rises_by_hour() {
        const HOUR: i64 = 3_600_000;
        let at = |hour: i64, minutes: i64| hour * HOUR + minutes * 60_000;
        // (what, series, rises of hours 1 and 2)
        let cases = [
            (
                "a rise belongs to the sample that shows it",
                vec![series(
                    "200",
                    "",
                    &[(at(0, 59), 100), (at(1, 0), 160), (at(1, 1), 200), (at(2, 0), 999)],
                )],
                [Some(100), None],
            ),
            (
                "after a fall it has counted from zero",
                vec![series("200", "", &[(at(1, 0), 100), (at(1, 1), 7), (at(1, 2), 9)])],
                [Some(9), None],
            ),
            (
                "one that appears beside others began at zero",
                vec![
                    series("200", "", &[(at(1, 0), 100), (at(1, 1), 100), (at(2, 1), 100)]),
                    series("500", "", &[(at(1, 1), 3), (at(1, 2), 4)]),
                ],
                [Some(4), None],
            ),
            (
                "one that appears with its target may be old",
                vec![series("200", "", &[(at(1, 1), 100), (at(1, 2), 103)])],
                [Some(3), None],
            ),
            (
                "copies count once, the fuller one",
                vec![
                    series("200", "a", &[(at(1, 0), 0), (at(1, 1), 50)]),
                    series("200", "b", &[(at(1, 0), 0), (at(1, 1), 50), (at(1, 2), 60)]),
                ],
                [Some(60), None],
            ),
            (
                "a piece at a time",
                vec![
                    series("200", "", &[(at(1, 59), 5)]),
                    series("200", "", &[(at(2, 0), 8), (at(3, 0), 9)]),
                ],
                [None, Some(3)],
            ),
        ];
        for (what, pieces, expect) in cases {
            let mut counters = Counters::default();
            pieces.iter().for_each(|piece| counters.see(piece, 120_000));
            let traffic = counters.by_service(&(1..3), 120_000);
            let place = (("edge".to_owned(), String::new()), "shop-web-80@kubernetes".to_owned());
            let found = [1, 2].map(|hour| traffic[&place].get(&hour).copied().filter(|rise| *rise > 0));
            assert_eq!(found, expect, "{what}");
        }
    }
}
