//! Drivers out of a Prometheus, up to the last complete UTC day, resuming where
//! the last load of the driver ended.

use super::App;
use super::collect::{OnCollected, prometheus};
use super::drivers::{DriverOrigin, DriverState};
use crate::error::AppError;
use domain::Finding;
use domain::driver::{Amount, Receiver, Value, check_dimension, check_name, check_unit};
use domain::instant::{DAY_US, Day, Instant, SECOND_US};
use lake::drivers::{DriverInput, DriverValues};
use serde::Serialize;
use sources::prometheus::{Auth, Client, ClientConfig, Driver, DriverValue, Reading};
use std::collections::BTreeMap;

/// Days loaded when nobody says from when.
const FIRST_LOAD_DAYS: i32 = 7;
/// Days loaded between two commits.
const CHUNK_DAYS: i32 = 7;
/// Seconds samples have to arrive before a day counts as complete.
const SETTLE_S: i64 = 600;
/// Days at the end that are asked for again because nothing was there.
const AGAIN_DAYS: i32 = 31;

/// A driver to load.
#[derive(Debug, Clone)]
pub struct IngestPrometheusDriver {
    /// Address before `/api/v1`.
    pub url: String,
    /// Bearer token.
    pub token: Option<String>,
    /// `X-Scope-OrgID`.
    pub tenant: Option<String>,
    /// The driver: a preset, or a query of the user.
    pub driver: Driver,
    /// Decimals of the driver that are fractions of its unit: 0 where the unit
    /// is that of the last decimal, as in the presets.
    pub places: u32,
    /// What the values of the driver's label are called [default: its label].
    pub dimension: Option<String>,
    /// Labels that select the series in a shared store.
    pub matchers: Vec<(String, String)>,
    /// First day; else where the last load ended.
    pub from: Option<Instant>,
    /// End; else the last complete day.
    pub to: Option<Instant>,
    /// Scrape interval, seconds.
    pub interval_s: u32,
    /// Source name [default: `prometheus-<host>` and the matchers].
    pub source: Option<String>,
}

/// What was committed: the answer of `ingest drivers --prometheus --json`.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub struct LoadedDriver {
    /// Source name.
    pub source: String,
    /// The driver.
    pub driver: String,
    /// First day asked for; `None` when there was nothing to load.
    pub from: Option<String>,
    /// Last day asked for.
    pub to: Option<String>,
    /// Values committed.
    pub rows: u64,
    /// What was remarkable.
    pub findings: Vec<Finding>,
    /// What the source has now of the driver.
    pub drivers: Vec<DriverState>,
}

impl App {
    /// Loads a driver from a Prometheus, a week at a time.
    ///
    /// # Errors
    /// A query that is refused or answered in part, an address that does not
    /// answer, named; [`AppError::Held`] when another source has the values.
    pub async fn ingest_prometheus_driver(
        &self,
        request: &IngestPrometheusDriver,
        say: OnCollected<'_>,
    ) -> Result<LoadedDriver, AppError> {
        check(request)?;
        let source = request.source.clone().unwrap_or_else(|| default_source(request));
        let mut config = ClientConfig::new(&request.url);
        if let Some(token) = &request.token {
            config.auth = Auth::Bearer(token.clone());
        }
        config.tenant.clone_from(&request.tenant);
        let client = Client::new(&config).map_err(prometheus)?;
        let cursor_key = format!("prometheus-driver-cursor/{source}/{}", request.driver.name);
        let cursor = self.store.get_setting(&cursor_key).await?;
        let cursor = cursor.and_then(|text| text.parse().ok().map(Day));
        let days = self.driver_days(request, cursor);
        let mut resume = days.start;
        let mut loaded = LoadedDriver {
            source: source.clone(),
            driver: request.driver.name.clone(),
            ..LoadedDriver::default()
        };
        let mut findings: BTreeMap<(String, String), Finding> = BTreeMap::new();
        let mut begin = days.start;
        while begin < days.end {
            let end = Day((begin.0 + CHUNK_DAYS).min(days.end.0));
            let mut found = Vec::new();
            let (driver, interval_s) = (&request.driver, request.interval_s);
            let values =
                sources::prometheus::daily(&client, driver, &request.matchers, begin..end, interval_s, &mut found)
                    .await
                    .map_err(prometheus)?;
            let last = values.iter().map(|value| value.day).max();
            self.commit_loaded(request, &source, (begin, end), values, &found, &mut loaded)
                .await?;
            count(found, &mut findings);
            // days at the end without samples may come late: they are asked for again
            resume = last.map_or(resume, |last| Day(last.0 + 1));
            let next = resume.max(Day(end.0 - AGAIN_DAYS)).max(cursor.unwrap_or(resume));
            self.store.set_setting(&cursor_key, &next.0.to_string()).await?;
            loaded.from.get_or_insert_with(|| begin.to_string());
            loaded.to = Some(Day(end.0 - 1).to_string());
            say(&format!(
                "{} from {begin} to {}: {} values so far",
                driver.name,
                Day(end.0 - 1),
                loaded.rows
            ));
            begin = end;
        }
        loaded.findings = findings
            .into_values()
            .chain(std::mem::take(&mut loaded.findings))
            .collect();
        Ok(loaded)
    }

    /// The days to load.
    fn driver_days(&self, request: &IngestPrometheusDriver, cursor: Option<Day>) -> std::ops::Range<Day> {
        let now = self.clock.now();
        // a day is complete when all its samples had time to arrive
        let settled = Instant(now.0 - SETTLE_S * SECOND_US).day();
        let to = request.to.map_or(settled, |end| Day(end.day().0.min(settled.0)));
        let from = request.from.map(|from| Instant(from.0 + DAY_US - 1).day());
        let from = from.or(cursor).unwrap_or(Day(to.0 - FIRST_LOAD_DAYS));
        from..to
    }

    async fn commit_loaded(
        &self,
        request: &IngestPrometheusDriver,
        source: &str,
        (begin, end): (Day, Day),
        values: Vec<DriverValue>,
        findings: &[Finding],
        loaded: &mut LoadedDriver,
    ) -> Result<(), AppError> {
        if values.is_empty() {
            return Ok(());
        }
        let rows = values.len() as u64;
        let values: Vec<Value> = values
            .into_iter()
            .map(|value| value_of(request, value))
            .collect::<Result<_, _>>()?;
        let values = joined(values)?;
        let origin = DriverOrigin {
            source: source.to_owned(),
            origin: "prometheus",
            hash: format!("{} days {begin} to {end}", request.driver.name),
        };
        let input = DriverInput {
            values: DriverValues::from([(request.driver.name.clone(), values)]),
            rows,
            rejected_rows: 0,
            findings: findings.to_vec(),
        };
        let answer = self.commit_drivers(&origin, input).await?;
        loaded.rows += rows;
        // what the driver as a whole is like, after the last chunk
        loaded.findings = answer.findings.into_iter().skip(findings.len()).collect();
        loaded.drivers = answer.drivers;
        Ok(())
    }
}

fn check(request: &IngestPrometheusDriver) -> Result<(), AppError> {
    let wrong = |error: domain::driver::DriverError| AppError::usage(error.to_string(), "nothing was asked for");
    check_name(&request.driver.name).map_err(wrong)?;
    check_unit(&request.driver.unit).map_err(wrong)?;
    check_dimension(request.dimension.as_ref().unwrap_or(&request.driver.key_label)).map_err(wrong)?;
    if request.driver.reading == Reading::Daily && !request.matchers.is_empty() {
        return Err(AppError::usage(
            "--match cannot be put into a query of your own",
            "write the label into the query, or say --reading counter or gauge and give a selector",
        ));
    }
    Ok(())
}

fn value_of(request: &IngestPrometheusDriver, value: DriverValue) -> Result<Value, AppError> {
    let wrong = |what: String| AppError::usage(what, "nothing of these days was taken in");
    let dimension = request.dimension.as_ref().unwrap_or(&request.driver.key_label);
    let receiver = Receiver::new([(dimension.as_str(), value.key.as_str())])
        .map_err(|error| wrong(format!("{} {:?} {error}", request.driver.key_label, value.key)))?;
    let amount = Amount::from_scaled(value.value, request.places).ok_or_else(|| {
        wrong(format!(
            "{} {} is too large to be kept exactly",
            value.value, value.unit
        ))
    })?;
    Ok(Value {
        day: value.day,
        receiver,
        unit: value.unit,
        amount,
    })
}

/// Label values that differ in blanks alone are one receiver.
fn joined(values: Vec<Value>) -> Result<Vec<Value>, AppError> {
    let mut sums: BTreeMap<(Day, Receiver), Value> = BTreeMap::new();
    for value in values {
        match sums.get_mut(&(value.day, value.receiver.clone())) {
            None => {
                sums.insert((value.day, value.receiver.clone()), value);
            }
            Some(sum) => {
                sum.amount = sum.amount.checked_add(value.amount).ok_or_else(|| {
                    let what = format!("the sum of {} cannot be kept exactly", sum.receiver);
                    AppError::usage(what, "nothing of these days was taken in")
                })?;
            }
        }
    }
    Ok(sums.into_values().collect())
}

/// Findings of many days, alike ones counted.
fn count(found: Vec<Finding>, findings: &mut BTreeMap<(String, String), Finding>) {
    for finding in found {
        let times = finding.count;
        findings
            .entry((finding.code.clone(), finding.message.clone()))
            .and_modify(|known| known.count += times)
            .or_insert(finding);
    }
}

/// The host, and what selects a part of it: two clusters of one store are two sources.
fn default_source(request: &IngestPrometheusDriver) -> String {
    let rest = request
        .url
        .split_once("://")
        .map_or(request.url.as_str(), |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let parts = request.matchers.iter().map(|(label, value)| format!("{label}={value}"));
    let parts: Vec<String> = [format!("prometheus-{host}")]
        .into_iter()
        .chain(request.tenant.clone())
        .chain(parts)
        .collect();
    parts.join("-")
}
