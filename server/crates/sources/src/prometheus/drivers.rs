//! Drivers: daily amounts by tenant, database, service or queue that shared
//! money follows (A34), out of the exporters' series or any PromQL.

use super::answer::{Labels, Series};
use super::client::Client;
use super::error::PrometheusError;
use super::fetch::selector_with;
use super::series::{Scrapes, one_of, rises, target};
use super::spans::Stretch;
use domain::Finding;
use domain::instant::Day;
use std::collections::BTreeMap;
use std::ops::Range;

/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// How far before a day the sample may lie that its first rise is counted from.
const LOOKBACK_MS: i64 = 6 * 3_600_000;
/// Distinct keys of one driver; more is a wrong label, such as a request id.
const KEYS_MAX: usize = 20_000;

/// What a series' samples mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A selector of counters: what they rose by in the day, resets taken into
    /// account, nothing extrapolated. A rise belongs to the day of the sample
    /// that shows it.
    Counter,
    /// A selector of gauges: the integral over the day, unit times seconds. A
    /// sample stands for the time to the next one, at most twice the interval.
    Gauge,
    /// Any PromQL, evaluated once at the end of each day.
    Daily,
}

/// A driver and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Its name: `postgres_active_time`.
    pub name: String,
    /// A selector, or for [`Reading::Daily`] any PromQL.
    pub query: String,
    /// The label whose values receive the money: `datname`.
    pub key_label: String,
    /// What the samples mean.
    pub reading: Reading,
    /// Unit of the values once scaled: `ms`.
    pub unit: String,
    /// Values are kept in units of `10^-decimals`: 3 turns seconds into ms.
    pub decimals: u32,
}

/// What a key had of a driver in a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverValue {
    /// The UTC day.
    pub day: Day,
    /// Value of the key label.
    pub key: String,
    /// Name of the driver.
    pub driver: String,
    /// Amount.
    pub value: u64,
    /// Unit of the amount.
    pub unit: String,
}

/// Name, query, key label, reading, unit, decimals.
type Preset = (&'static str, &'static str, &'static str, Reading, &'static str, u32);

const PRESETS: [Preset; 14] = [
    (
        "postgres_active_time",
        "pg_stat_database_active_time_seconds_total",
        "datname",
        Reading::Counter,
        "ms",
        3,
    ),
    (
        "postgres_blocks_read",
        "pg_stat_database_blks_read",
        "datname",
        Reading::Counter,
        "blocks",
        0,
    ),
    (
        "postgres_blocks_hit",
        "pg_stat_database_blks_hit",
        "datname",
        Reading::Counter,
        "blocks",
        0,
    ),
    (
        "postgres_transactions",
        "pg_stat_database_xact_commit",
        "datname",
        Reading::Counter,
        "transactions",
        0,
    ),
    (
        "postgres_size",
        "pg_database_size_bytes",
        "datname",
        Reading::Gauge,
        "byte-s",
        0,
    ),
    (
        "redis_commands",
        "redis_commands_processed_total",
        "instance",
        Reading::Counter,
        "commands",
        0,
    ),
    (
        "redis_network",
        "redis_net_output_bytes_total",
        "instance",
        Reading::Counter,
        "bytes",
        0,
    ),
    (
        "redis_memory",
        "redis_memory_used_bytes",
        "instance",
        Reading::Gauge,
        "byte-s",
        0,
    ),
    ("redis_keys", "redis_db_keys", "db", Reading::Gauge, "key-s", 0),
    (
        "traefik_requests",
        "traefik_service_requests_total",
        "service",
        Reading::Counter,
        "requests",
        0,
    ),
    (
        "traefik_bytes_in",
        "traefik_service_requests_bytes_total",
        "service",
        Reading::Counter,
        "bytes",
        0,
    ),
    (
        "traefik_bytes_out",
        "traefik_service_responses_bytes_total",
        "service",
        Reading::Counter,
        "bytes",
        0,
    ),
    (
        "rabbitmq_published",
        "rabbitmq_queue_messages_published_total",
        "vhost",
        Reading::Counter,
        "messages",
        0,
    ),
    (
        "rabbitmq_held",
        "rabbitmq_queue_messages",
        "vhost",
        Reading::Gauge,
        "message-s",
        0,
    ),
];

/// The names of the presets.
pub fn presets() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.0)
}

/// A preset for postgres_exporter, redis_exporter, Traefik or RabbitMQ.
#[must_use]
pub fn preset(name: &str) -> Option<Driver> {
    let (name, query, key_label, reading, unit, decimals) = PRESETS.iter().find(|preset| preset.0 == name)?;
    Some(Driver {
        name: (*name).to_owned(),
        query: (*query).to_owned(),
        key_label: (*key_label).to_owned(),
        reading: *reading,
        unit: (*unit).to_owned(),
        decimals: *decimals,
    })
}

/// The values of a driver for some days, one day at a time in memory. A key
/// without series has no row: that is no zero.
///
/// # Errors
/// See [`PrometheusError`].
pub async fn daily(
    client: &Client,
    driver: &Driver,
    matchers: &[(String, String)],
    days: Range<Day>,
    interval_s: u32,
    findings: &mut Vec<Finding>,
) -> Result<Vec<DriverValue>, PrometheusError> {
    let mut values = Vec::new();
    for day in (days.start.0..days.end.0).map(Day) {
        let mut amounts = Amounts::default();
        match driver.reading {
            Reading::Daily => evaluated(client, driver, day, &mut amounts, findings).await?,
            Reading::Counter | Reading::Gauge => {
                sampled(client, driver, matchers, day, interval_s, &mut amounts, findings).await?;
            }
        }
        values.extend(amounts.finish(driver, day, findings)?);
    }
    Ok(values)
}

/// Amounts of a day by key.
#[derive(Default)]
struct Amounts {
    by_key: BTreeMap<String, i128>,
    negative: u64,
    unreadable: u64,
    unnamed: u64,
}

impl Amounts {
    fn add(&mut self, labels: &Labels, driver: &Driver, amount: i128) {
        let key = labels.get(&driver.key_label).filter(|key| !key.is_empty());
        self.unnamed += u64::from(key.is_none());
        self.negative += u64::from(amount < 0);
        *self.by_key.entry(key.cloned().unwrap_or_default()).or_default() += amount.max(0);
    }

    fn finish(
        self,
        driver: &Driver,
        day: Day,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<DriverValue>, PrometheusError> {
        if self.by_key.len() > KEYS_MAX {
            return Err(PrometheusError::Bound {
                query: driver.query.clone(),
                bound: 20_000,
                unit: "keys a day",
                remedy: "choose a label with fewer values, or sum the series in PromQL",
            });
        }
        let mut doubt = |count: u64, code: &str, what: String| {
            if count > 0 {
                findings.push(Finding::warning(code, what).times(count));
            }
        };
        let named = format!("driver {} on {day}", driver.name);
        doubt(
            self.negative,
            "negative_driver",
            format!("{named}: negative values count as none"),
        );
        doubt(
            self.unreadable,
            "no_number",
            format!("{named}: values that are no finite number are left out"),
        );
        doubt(
            self.unnamed,
            "driver_without_key",
            format!(
                "{named}: series without the label `{}` are kept under an empty key",
                driver.key_label
            ),
        );
        if self.by_key.is_empty() {
            let what = format!("{named}: `{}` has no samples", driver.query);
            findings
                .push(Finding::warning("driver_without_samples", what).remedy("check that the exporter is scraped"));
        }
        let row = |(key, amount): (String, i128)| {
            Ok(DriverValue {
                day,
                key,
                driver: driver.name.clone(),
                value: u64::try_from(amount).map_err(|_| PrometheusError::Bound {
                    query: driver.query.clone(),
                    bound: u64::MAX,
                    unit: "units a day",
                    remedy: "keep fewer decimals",
                })?,
                unit: driver.unit.clone(),
            })
        };
        self.by_key.into_iter().map(row).collect()
    }
}

async fn evaluated(
    client: &Client,
    driver: &Driver,
    day: Day,
    amounts: &mut Amounts,
    findings: &mut Vec<Finding>,
) -> Result<(), PrometheusError> {
    let end = Day(day.0 + 1).start().0 / 1_000;
    let each = |series: Series| {
        amounts.unreadable += series.unreadable;
        for (_, value) in &series.samples {
            amounts.add(&series.labels, driver, i128::from(*value));
        }
    };
    client
        .query_range(&driver.query, (end, end + 1), DAY_MS, driver.decimals, findings, each)
        .await
}

async fn sampled(
    client: &Client,
    driver: &Driver,
    matchers: &[(String, String)],
    day: Day,
    interval_s: u32,
    amounts: &mut Amounts,
    findings: &mut Vec<Finding>,
) -> Result<(), PrometheusError> {
    let start = day.start().0 / 1_000;
    let window = (start, start + DAY_MS);
    let reach_ms = i64::from(interval_s) * 2_000;
    let mut scrapes = Scrapes::default();
    let mut copies: BTreeMap<Labels, BTreeMap<Labels, BTreeMap<i64, i64>>> = BTreeMap::new();
    let query = selector_with(&driver.query, matchers);
    let each = |series: Series| {
        amounts.unreadable += series.unreadable;
        scrapes.see(&series);
        let samples = copies.entry(without_replicas(&series.labels)).or_default();
        samples.entry(series.labels).or_default().extend(series.samples);
    };
    // one more sample after the day is not needed: a gauge's last one stands to midnight
    client
        .samples(
            &query,
            (window.0 - LOOKBACK_MS, window.1),
            driver.decimals,
            findings,
            each,
        )
        .await?;
    for (labels, copies) in copies {
        let samples = one_of(&copies, reach_ms);
        let Some((&first, _)) = samples.first_key_value() else {
            continue;
        };
        if samples.range(window.0..).next().is_none() {
            continue;
        }
        let born = copies
            .keys()
            .any(|labels| scrapes.between(&target(labels), i64::MIN, first - 1).next().is_some());
        let amount = match driver.reading {
            Reading::Gauge => integral(&samples, window, reach_ms),
            _ => risen(&samples, window, born),
        };
        amounts.add(&labels, driver, amount);
    }
    Ok(())
}

/// What a counter rose by in a window; one that was born in it counts from zero.
fn risen(samples: &BTreeMap<i64, i64>, (from, to): Stretch, born: bool) -> i128 {
    let joined: Vec<(i64, i64, bool)> = samples.iter().map(|(at, value)| (*at, *value, false)).collect();
    let first = joined
        .first()
        .filter(|(at, _, _)| born && *at >= from)
        .map_or(0, |(_, value, _)| *value);
    let within = rises(&joined)
        .into_iter()
        .filter(|(_, next, _)| (from..to).contains(next));
    within.map(|(_, _, rise)| i128::from(rise)).sum::<i128>() + i128::from(first)
}

/// Value times seconds within a window, truncated once.
fn integral(samples: &BTreeMap<i64, i64>, (from, to): Stretch, reach_ms: i64) -> i128 {
    let nexts = samples.keys().skip(1).copied().chain([i64::MAX]);
    let stood = samples.iter().zip(nexts).map(|((at, value), next)| {
        let end = next.min(at + reach_ms).min(to);
        i128::from(*value) * i128::from((end - (*at).max(from)).max(0))
    });
    stood.sum::<i128>() / 1_000
}

/// Labels without those that tell copies of one scrape apart.
fn without_replicas(labels: &Labels) -> Labels {
    let mut labels = labels.clone();
    labels.retain(|name, _| !matches!(name.as_str(), "prometheus_replica" | "replica" | "__replica__"));
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_of_a_day() {
        // (what, samples before and in the day that begins at 1000, born, rise)
        for (what, samples, born, expect) in [
            (
                "from the sample before midnight",
                vec![(900, 5), (1_100, 9), (1_900, 20)],
                false,
                15,
            ),
            (
                "a reset counts from zero",
                vec![(900, 5), (1_100, 9), (1_900, 3)],
                false,
                7,
            ),
            ("born in the day", vec![(1_100, 9), (1_900, 20)], true, 20),
            ("unknown before", vec![(1_100, 9), (1_900, 20)], false, 11),
            ("the next day is another", vec![(1_100, 9), (2_000, 20)], false, 0),
        ] {
            let samples: BTreeMap<i64, i64> = samples.into_iter().collect();
            assert_eq!(risen(&samples, (1_000, 2_000), born), expect, "{what}");
        }
    }

    #[test]
    fn integrals_of_a_day() {
        // (what, samples, value times seconds within 100 s to 200 s, reach 20 s)
        for (what, samples, expect) in [
            ("whole", (0..30).map(|i| (i * 10_000, 7)).collect::<Vec<_>>(), 700),
            ("a gap counts for reach only", vec![(100_000, 5), (150_000, 5)], 200),
            ("cut at midnight", vec![(95_000, 2), (195_000, 4)], 2 * 15 + 4 * 5),
        ] {
            let samples: BTreeMap<i64, i64> = samples.into_iter().collect();
            assert_eq!(integral(&samples, (100_000, 200_000), 20_000), expect, "{what}");
        }
    }

    #[test]
    fn presets_are_found_by_name() {
        for name in presets() {
            assert_eq!(preset(name).map(|driver| driver.name).as_deref(), Some(name));
        }
        assert_eq!(preset("nothing"), None);
    }
}
