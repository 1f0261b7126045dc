//! Usage: per cluster and UTC day, the lake files that count.

use crate::Store;
use crate::audit::Change;
use crate::db::{execute, fetch_all, fetch_optional, statements};
use crate::delivery::count;
use crate::error::{Cause, StoreError};
use crate::manifest;
use crate::rows::Place;
use domain::Finding;
use domain::access::Permission;
use domain::instant::Day;
use domain::usage::PoolSums;

/// What the lake has of a cluster's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageDayRow {
    /// Cluster id.
    pub cluster_id: String,
    /// The day.
    pub day: Day,
    /// Lake path of the node hours.
    pub nodes_path: String,
    /// Lake path of the slots.
    pub slots_path: String,
    /// Lake path of the slot hours.
    pub hours_path: String,
    /// Lake path of the volumes, where there are any.
    pub volumes_path: Option<String>,
    /// Lake path of the load balancers, where there are any.
    pub balancers_path: Option<String>,
    /// Lake path of what is known for sizing, where there is any.
    pub sizing_path: Option<String>,
    /// Over these files.
    pub sha256: String,
    /// Slot hours in it.
    pub slot_hours: u64,
    /// Node hours in it.
    pub node_hours: u64,
    /// Seconds its nodes were Ready.
    pub ready_s: u64,
    /// Of these, seconds with facts.
    pub observed_s: u64,
    /// Last hour with facts, hours since the epoch.
    pub last_hour: i32,
    /// Sums by node pool.
    pub pools: Vec<PoolSums>,
}

/// Usage that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUsage {
    /// Id, made by the caller.
    pub delivery_id: String,
    /// Source name.
    pub source_id: String,
    /// `file`, `kubernetes`, `prometheus` or `agent`.
    pub origin: String,
    /// Hash of the input.
    pub input_hash: String,
    /// When it came, microseconds since the epoch, UTC.
    pub received_us: i64,
    /// Rows taken.
    pub rows: u64,
    /// Rows refused.
    pub rejected_rows: u64,
    /// What was remarkable.
    pub findings: Vec<Finding>,
    /// The days it touched, merged with what was known at the expected version.
    pub days: Vec<UsageDayRow>,
    /// Names of the clusters in it, by id.
    pub clusters: Vec<(String, String)>,
}

/// A delivery of usage or of drivers as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageDeliveryRow {
    /// Id.
    pub delivery_id: String,
    /// Source name.
    pub source_id: String,
    /// Where it came from.
    pub origin: String,
    /// When it came, microseconds since the epoch, UTC.
    pub received_us: i64,
    /// Rows taken.
    pub rows: u64,
    /// Rows refused.
    pub rejected_rows: u64,
    /// What was remarkable.
    pub findings: Vec<Finding>,
}

statements! {
    PUT_CLUSTER: "name a cluster" =>
        "INSERT INTO cluster (cluster_id, cluster_name) VALUES ($1, $2)
         ON CONFLICT (cluster_id) DO UPDATE SET cluster_name = excluded.cluster_name";
    CLUSTERS: "read the clusters" => "SELECT cluster_id, cluster_name FROM cluster ORDER BY cluster_id";
    INSERT: "add a usage delivery" =>
        "INSERT INTO usage_delivery (delivery_id, source_id, origin, input_hash, received_us, manifest_version, row_count, rejected_rows, findings_json)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    PUT_DAY: "put a cluster's day" =>
        "INSERT INTO usage_day (cluster_id, day, nodes_path, slots_path, hours_path, sha256, slot_hours, node_hours, ready_s, observed_s, last_hour, pools_json, delivery_id, volumes_path, balancers_path, sizing_path)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (cluster_id, day) DO UPDATE SET nodes_path = excluded.nodes_path, slots_path = excluded.slots_path,
             hours_path = excluded.hours_path, sha256 = excluded.sha256, slot_hours = excluded.slot_hours,
             node_hours = excluded.node_hours, ready_s = excluded.ready_s, observed_s = excluded.observed_s,
             last_hour = excluded.last_hour, pools_json = excluded.pools_json, delivery_id = excluded.delivery_id,
             volumes_path = excluded.volumes_path, balancers_path = excluded.balancers_path, sizing_path = excluded.sizing_path";
    DAYS: "read the days of usage" =>
        "SELECT cluster_id, day, nodes_path, slots_path, hours_path, sha256, slot_hours, node_hours, ready_s, observed_s, last_hour, pools_json,
             volumes_path, balancers_path, sizing_path
         FROM usage_day WHERE day >= $1 AND day < $2 ORDER BY cluster_id, day";
    KNOWN: "look for a usage delivery" =>
        "SELECT delivery_id, source_id, origin, received_us, row_count, rejected_rows, findings_json
         FROM usage_delivery WHERE source_id = $1 AND input_hash = $2 ORDER BY manifest_version";
    DELIVERIES: "read the usage deliveries" =>
        "SELECT delivery_id, source_id, origin, received_us, row_count, rejected_rows, findings_json
         FROM usage_delivery ORDER BY manifest_version";
}

impl Store {
    /// Commits usage: its days become those that count. Returns the new manifest version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the manifest is not at `expected_version`:
    /// the days may have been merged with facts that no longer count.
    pub async fn commit_usage(&self, new: &NewUsage, expected_version: i64) -> Result<i64, StoreError> {
        let findings = json(&new.findings)?;
        let mut tx = self.write(Permission::Ingest).await?;
        let version = manifest::advance(&mut tx, expected_version).await?;
        execute!(
            &mut tx,
            INSERT,
            &new.delivery_id,
            &new.source_id,
            &new.origin,
            &new.input_hash,
            new.received_us,
            version,
            count(new.rows)?,
            count(new.rejected_rows)?,
            &findings
        )?;
        for (id, name) in &new.clusters {
            execute!(&mut tx, PUT_CLUSTER, id, name)?;
        }
        for day in &new.days {
            execute!(
                &mut tx,
                PUT_DAY,
                &day.cluster_id,
                i64::from(day.day.0),
                &day.nodes_path,
                &day.slots_path,
                &day.hours_path,
                &day.sha256,
                count(day.slot_hours)?,
                count(day.node_hours)?,
                count(day.ready_s)?,
                count(day.observed_s)?,
                i64::from(day.last_hour),
                json(&day.pools)?,
                &new.delivery_id,
                &day.volumes_path,
                &day.balancers_path,
                &day.sizing_path
            )?;
        }
        let change = Change::new("usage.ingested", &new.source_id).after(serde_json::json!({
            "delivery": new.delivery_id, "origin": new.origin, "rows": new.rows, "rejected_rows": new.rejected_rows,
        }));
        self.commit(tx, change).await?;
        Ok(version)
    }

    /// The days of usage from one day up to, and without, another.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn usage_days(&self, from: Day, to: Day) -> Result<Vec<UsageDayRow>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<DayRow> = fetch_all!(&mut tx, DAYS, i64::from(from.0), i64::from(to.0))?;
        rows.into_iter().map(DayRow::into_row).collect()
    }

    /// A delivery of the same bytes by the same source, if there was one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn usage_delivery(&self, source: &str, hash: &str) -> Result<Option<UsageDeliveryRow>, StoreError> {
        let mut tx = self.read().await?;
        let row: Option<DeliveryRow> = fetch_optional!(&mut tx, KNOWN, source, hash)?;
        row.map(DeliveryRow::into_row).transpose()
    }

    /// Every usage delivery, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn usage_deliveries(&self) -> Result<Vec<UsageDeliveryRow>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<DeliveryRow> = fetch_all!(&mut tx, DELIVERIES)?;
        rows.into_iter().map(DeliveryRow::into_row).collect()
    }

    /// Clusters: id and name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn clusters(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut tx = self.read().await?;
        fetch_all!(&mut tx, CLUSTERS)
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::backend("write usage as JSON", Cause::from(error)))
}

#[derive(sqlx::FromRow)]
struct DayRow {
    cluster_id: String,
    day: i64,
    nodes_path: String,
    slots_path: String,
    hours_path: String,
    sha256: String,
    slot_hours: i64,
    node_hours: i64,
    ready_s: i64,
    observed_s: i64,
    last_hour: i64,
    pools_json: String,
    volumes_path: Option<String>,
    balancers_path: Option<String>,
    sizing_path: Option<String>,
}

impl DayRow {
    fn into_row(self) -> Result<UsageDayRow, StoreError> {
        let place = Place("usage_day");
        let number = |value: i64| i32::try_from(value).map_err(|_| place.bad("day", value));
        Ok(UsageDayRow {
            day: Day(number(self.day)?),
            slot_hours: place.count(self.slot_hours)?,
            node_hours: place.count(self.node_hours)?,
            ready_s: place.count(self.ready_s)?,
            observed_s: place.count(self.observed_s)?,
            last_hour: number(self.last_hour)?,
            pools: serde_json::from_str(&self.pools_json).map_err(|_| place.bad("list of pools", &self.pools_json))?,
            cluster_id: self.cluster_id,
            nodes_path: self.nodes_path,
            slots_path: self.slots_path,
            hours_path: self.hours_path,
            volumes_path: self.volumes_path,
            balancers_path: self.balancers_path,
            sizing_path: self.sizing_path,
            sha256: self.sha256,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct DeliveryRow {
    delivery_id: String,
    source_id: String,
    origin: String,
    received_us: i64,
    row_count: i64,
    rejected_rows: i64,
    findings_json: String,
}

impl DeliveryRow {
    pub(crate) fn into_row(self) -> Result<UsageDeliveryRow, StoreError> {
        let place = Place("usage_delivery");
        Ok(UsageDeliveryRow {
            rows: place.count(self.row_count)?,
            rejected_rows: place.count(self.rejected_rows)?,
            findings: serde_json::from_str(&self.findings_json)
                .map_err(|_| place.bad("list of findings", &self.findings_json))?,
            delivery_id: self.delivery_id,
            source_id: self.source_id,
            origin: self.origin,
            received_us: self.received_us,
        })
    }
}
