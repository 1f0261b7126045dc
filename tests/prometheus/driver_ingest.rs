//! Drivers out of a Prometheus into the lake: resumed, replaced, exact, and
//! what is wrong named.

use crate::server::Blocks;
use crate::world::{Metrics, clock};
use domain::driver::Value;
use domain::instant::Instant;
use sources::prometheus::{Driver, Reading, preset};
use std::path::Path;
use store::Store;
use tempfile::TempDir;
use tonnage::Config;
use tonnage::app::App;
use tonnage::app::drivers_prometheus::IngestPrometheusDriver;
use tonnage::config::Flags;
use tonnage::error::AppError;

/// Four requests a minute of one service over three days, three of another on the first.
fn metrics() -> String {
    let mut m = Metrics::new("demo");
    for (service, step, days) in [("shop@docker", 4, 3), ("crm@docker", 3, 1)] {
        let samples = (0..days * 24 * 60).map(|n| (clock("00:00:00") + n * 60, (n * step).to_string()));
        let labels = format!("job=\"exporter\",instance=\"x:1\",service=\"{service}\"");
        m.series("traefik_service_requests_total", &labels, samples);
    }
    Metrics::finish(vec![m])
}

async fn app(folder: &Path) -> App {
    let flags = Flags {
        data_dir: Some(folder.to_owned()),
        ..Flags::default()
    };
    let env = |name: &str| (name == "TONNAGE_NOW").then(|| tonnage_tests::NOW.to_owned());
    App::open(
        &Config::load(flags, &env).expect("a valid configuration"),
        domain::access::Scope::shell("test"),
    )
    .await
    .expect("a data folder")
}

fn request(url: &str, days: (i64, i64)) -> IngestPrometheusDriver {
    let at = |day: i64| Some(Instant((clock("00:00:00") + day * 86_400) * 1_000_000));
    IngestPrometheusDriver {
        url: url.to_owned(),
        token: None,
        tenant: None,
        driver: preset("traefik_requests").expect("a preset"),
        places: 0,
        dimension: None,
        matchers: vec![("cluster".to_owned(), "demo".to_owned())],
        from: at(days.0),
        to: at(days.1),
        interval_s: 60,
        source: None,
    }
}

/// (day of October, service, value) of every value.
async fn stored(app: &App, store: &Store) -> Vec<(String, String, String)> {
    let files = store.driver_files().await.expect("files");
    let mut all: Vec<Value> = Vec::new();
    for file in files {
        all.extend(lake::drivers::read_month(app.lake(), &file.path).expect("a month"));
    }
    let said = |value: Value| {
        (
            value.day.to_string(),
            value.receiver.to_string(),
            value.amount.to_string(),
        )
    };
    all.into_iter().map(said).collect()
}

fn row(day: &str, service: &str, value: &str) -> (String, String, String) {
    (
        format!("2026-10-{day}"),
        format!("service={service}@docker"),
        value.to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_is_loaded_by_days_and_resumed() {
    let Some(blocks) = Blocks::make("ingest of drivers", &metrics()) else {
        return;
    };
    let server = blocks.start("", &[]);
    let folder = TempDir::new().expect("a temporary folder");
    let app = app(folder.path()).await;
    let first = app
        .ingest_prometheus_driver(&request(&server.url(), (0, 1)), &|_| {})
        .await
        .expect("a day");
    assert_eq!((first.rows, first.from.as_deref()), (2, Some("2026-10-05")));
    assert!(first.source.starts_with("prometheus-127.0.0.1:") && first.source.ends_with("-cluster=demo"));
    // nobody says from when: where the last load ended
    let next = IngestPrometheusDriver {
        from: None,
        ..request(&server.url(), (0, 3))
    };
    let second = app.ingest_prometheus_driver(&next, &|_| {}).await.expect("two days");
    assert_eq!(
        (second.from.as_deref(), second.to.as_deref()),
        (Some("2026-10-06"), Some("2026-10-07"))
    );
    let expected = [
        row("05", "crm", "4317"),
        row("05", "shop", "5756"),
        row("06", "shop", "5760"),
        row("07", "shop", "5760"),
    ];
    assert_eq!(stored(&app, app.store()).await, expected);
    // all of it again changes nothing
    let version = app.store().manifest_version().await.expect("a version");
    app.ingest_prometheus_driver(&request(&server.url(), (0, 3)), &|_| {})
        .await
        .expect("again");
    assert_eq!(app.store().manifest_version().await.expect("a version"), version);
    let none = app.ingest_prometheus_driver(&next, &|_| {}).await.expect("nothing new");
    assert_eq!((none.from, none.rows), (None, 0));
    // another source may not have the same
    let other = IngestPrometheusDriver {
        source: Some("another".to_owned()),
        ..request(&server.url(), (0, 1))
    };
    let refused = app.ingest_prometheus_driver(&other, &|_| {}).await.expect_err("held");
    assert!(matches!(refused, AppError::Held { .. }), "{refused}");
    assert!(refused.to_string().contains(&first.source), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_loaded_names_the_query() {
    let Some(blocks) = Blocks::make("errors of drivers", &metrics()) else {
        return;
    };
    let server = blocks.start("", &[]);
    // a store behind it that does not answer: the answer is partial
    let partial = blocks.start(
        "remote_read:\n- url: http://127.0.0.1:1/read\n  read_recent: true\n",
        &[],
    );
    let own = |query: &str| Driver {
        name: "orders".to_owned(),
        query: query.to_owned(),
        key_label: "service".to_owned(),
        reading: Reading::Daily,
        unit: "orders".to_owned(),
        decimals: 3,
    };
    let plain = |url: &str, driver: Driver| IngestPrometheusDriver {
        driver,
        places: 3,
        matchers: Vec::new(),
        ..request(url, (0, 1))
    };
    let whole = server.url();
    let traefik = preset("traefik_requests").expect("a preset");
    // (what, request, exit code, parts of the message)
    for (what, request, code, says) in [
        (
            "a wrong query",
            plain(&whole, own("sum(")),
            2,
            vec!["`sum(`", "unclosed left parenthesis"],
        ),
        (
            "nobody there",
            plain("http://127.0.0.1:1", traefik.clone()),
            3,
            vec!["http://127.0.0.1:1", "traefik_service_requests_total"],
        ),
        (
            "another path",
            plain(&format!("{whole}/no"), own("up")),
            2,
            vec!["before /api/v1"],
        ),
        (
            "a partial answer",
            plain(&partial.url(), traefik.clone()),
            2,
            vec!["traefik_service_requests_total", "partial"],
        ),
        (
            "labels beside a query",
            IngestPrometheusDriver {
                matchers: vec![("a".to_owned(), "b".to_owned())],
                ..plain(&whole, own("up"))
            },
            2,
            vec!["--match", "--reading"],
        ),
        (
            "a bad name",
            plain(
                &whole,
                Driver {
                    name: "My Orders".to_owned(),
                    ..own("up")
                },
            ),
            2,
            vec!["\"My Orders\"", "lower-case"],
        ),
    ] {
        let folder = TempDir::new().expect("a temporary folder");
        let app = app(folder.path()).await;
        let refused = app.ingest_prometheus_driver(&request, &|_| {}).await.expect_err(what);
        let message = refused.chain();
        assert_eq!(refused.exit_code(), code, "{what}: {message}");
        for part in says {
            assert!(message.contains(part), "{what}: {part:?} is not in {message:?}");
        }
        assert!(app.store().driver_files().await.expect("files").is_empty(), "{what}");
    }
    // no samples is no zero, and is told
    let folder = TempDir::new().expect("a temporary folder");
    let app = app(folder.path()).await;
    let nothing = app
        .ingest_prometheus_driver(&plain(&whole, own("absent_orders")), &|_| {})
        .await
        .expect("an answer");
    assert_eq!(nothing.rows, 0);
    assert_eq!(nothing.findings[0].code, "driver_without_samples");
    // fractions of a query of one's own
    let third = own("sum by (service) (traefik_service_requests_total{service=\"crm@docker\"}) / 3000");
    let third = Driver {
        query: third
            .query
            .replace(
                "traefik_service_requests_total{",
                "max_over_time(traefik_service_requests_total{",
            )
            .replace("})", "}[1d]))"),
        ..third
    };
    app.ingest_prometheus_driver(&plain(&whole, third), &|_| {})
        .await
        .expect("a day");
    // 4,317 / 3,000 = 1.439
    assert_eq!(stored(&app, app.store()).await, [row("05", "crm", "1.439")]);
}
