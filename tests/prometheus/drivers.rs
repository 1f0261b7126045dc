//! Daily drivers: exact rises of counters, integrals of gauges, any PromQL.

use crate::facts::client;
use crate::server::Blocks;
use crate::world::{Metrics, clock};
use domain::instant::{Day, Instant};
use sources::prometheus::{Driver, DriverValue, Reading, daily, preset};

fn minutes(from: &str, minutes: i64) -> impl Iterator<Item = i64> {
    let from = clock(from);
    (0..minutes).map(move |n| from + n * 60)
}

/// Two days from midnight: counters that are reset, born and silent.
fn metrics() -> String {
    let mut m = Metrics::new("demo");
    let exporter = |labels: &str| format!("job=\"exporter\",instance=\"x:1\",{labels}");
    // half a second of database time a minute from two hours before midnight; reset at noon
    let noon = clock("12:00:00");
    let shop = minutes("-02:00:00", 50 * 60).map(|at| {
        let begin = if at < noon { clock("-02:00:00") } else { noon };
        (
            at,
            format!("{}", f64::from(u32::try_from((at - begin) / 60).expect("small")) * 0.5),
        )
    });
    m.series(
        "pg_stat_database_active_time_seconds_total",
        &exporter("datname=\"shop\""),
        shop,
    );
    // made at 06:00, with 3 s counted by the first scrape
    let crm = minutes("06:00:00", 60).map(|at| (at, "3.25".to_owned()));
    m.series(
        "pg_stat_database_active_time_seconds_total",
        &exporter("datname=\"crm\""),
        crm,
    );
    // 1,000 bytes for ten minutes
    let size = minutes("10:00:00", 10).map(|at| (at, "1000".to_owned()));
    m.series("pg_database_size_bytes", &exporter("datname=\"shop\""), size);
    // two series of one service
    for (code, step) in [("200", 3), ("500", 1)] {
        let requests = minutes("00:00:00", 24 * 60).map(|at| (at, format!("{}", (at - clock("00:00:00")) / 60 * step)));
        m.series(
            "traefik_service_requests_total",
            &exporter(&format!("service=\"shop@docker\",code=\"{code}\"")),
            requests,
        );
    }
    Metrics::finish(vec![m])
}

#[tokio::test]
async fn drivers_are_daily_and_exact() {
    let Some(blocks) = Blocks::make("drivers", &metrics()) else {
        return;
    };
    let server = blocks.start("", &[]);
    let asked = client(&server.url());
    let first = Instant(clock("00:00:00") * 1_000_000).day();
    let days = first..Day(first.0 + 2);
    let own = Driver {
        name: "orders".to_owned(),
        query: "sum by (service) (max_over_time(traefik_service_requests_total{code=\"200\"}[1d])) / 8".to_owned(),
        key_label: "service".to_owned(),
        reading: Reading::Daily,
        unit: "orders".to_owned(),
        decimals: 1,
    };
    let named = |name: &str| preset(name).expect("a preset");
    // (driver, (day, key, value)...)
    for (driver, expect) in [
        (
            named("postgres_active_time"),
            // 1,439 rises of 0.5 s from before midnight on, of which the reset one shows 0
            vec![(0, "crm", 3_250), (0, "shop", 1_439 * 500), (1, "shop", 1_440 * 500)],
        ),
        (named("postgres_size"), vec![(0, "shop", 1_000 * 660)]),
        (named("traefik_requests"), vec![(0, "shop@docker", 4 * 1_439)]),
        (own, vec![(0, "shop@docker", 1_439 * 3 * 10 / 8)]),
    ] {
        let mut findings = Vec::new();
        let cluster = [("cluster".to_owned(), "demo".to_owned())];
        let values = daily(&asked, &driver, &cluster, days.clone(), 60, &mut findings)
            .await
            .expect("values");
        let row = |(day, key, value): &(i32, &str, u64)| DriverValue {
            day: Day(first.0 + day),
            key: (*key).to_owned(),
            driver: driver.name.clone(),
            value: *value,
            unit: driver.unit.clone(),
        };
        assert_eq!(values, expect.iter().map(row).collect::<Vec<_>>(), "{}", driver.name);
        let days_with: std::collections::BTreeSet<i32> = expect.iter().map(|(day, _, _)| *day).collect();
        let missing = findings.iter().filter(|f| f.code == "driver_without_samples").count();
        assert_eq!(missing, 2 - days_with.len(), "{}: {findings:?}", driver.name);
    }
}
