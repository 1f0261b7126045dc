//! A whole server in a temporary folder, asked without a network.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tonnage::Config;
use tonnage::app::App;
use tonnage::app::ingest::IngestBilling;
use tonnage::app::usage::IngestUsage;
use tonnage::config::Flags;
use tonnage::http::{SiteFiles, router};
use tower::ServiceExt;

/// Two tenants, one of them with a name a spreadsheet would run, one refund
/// and one charge without a tenant, in two months.
const CHARGES: [(&str, &str, &str, &str); 6] = [
    ("2026-10", "Compute", "acme", "100.000000000000000000000001"),
    ("2026-10", "Database", "=cmd()", "50.5"),
    ("2026-11", "Compute", "acme", "120.25"),
    ("2026-11", "Database", "acme", "-20.000000000000000000000003"),
    ("2026-11", "Database", "=cmd()", "0.005"),
    ("2026-11", "Storage", "", "7.125"),
];

/// Sum of November, done by hand.
pub const NOVEMBER: &str = "107.379999999999999999999997";

const RULES: &str = "format: 1\nrules:\n  - name: tenant tag\n    set:\n      tenant: {tag: tenant}\n";

pub struct Site {
    router: Router,
    dir: tempfile::TempDir,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("visible ASCII"))
    }
}

pub fn config(dir: &Path) -> Config {
    let flags = Flags {
        data_dir: Some(dir.join("data")),
        site_dir: Some(dir.join("site")),
        listen: Some("127.0.0.1:0".to_owned()),
        ..Flags::default()
    };
    let env = |name: &str| (name == "TONNAGE_NOW").then(|| "2026-11-20T12:00:00Z".to_owned());
    Config::load(flags, &env).expect("a valid configuration")
}

pub fn bill() -> String {
    let head = "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingAccountId,BillingCurrency,BillingPeriodStart,\
                BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeDescription,ProviderName,\
                PublisherName,InvoiceIssuerName,ServiceName,ServiceCategory,Tags\n";
    let mut text = head.to_owned();
    for (month, service, tenant, cost) in CHARGES {
        let (start, end) = match month {
            "2026-10" => ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
            _ => ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        };
        let day = format!("{month}-03T00:00:00Z,{month}-04T00:00:00Z");
        let category = if cost.starts_with('-') { "Credit" } else { "Usage" };
        let tags = if tenant.is_empty() {
            "{}".to_owned()
        } else {
            format!("{{\"\"tenant\"\": \"\"{tenant}\"\"}}")
        };
        text.push_str(&format!(
            "{cost},{cost},{cost},{cost},4711,USD,{start},{end},{day},{category},a charge,AWS,AWS,AWS,{service},{service},\"{tags}\"\n"
        ));
    }
    text
}

impl Site {
    /// Nothing was taken in yet.
    pub async fn empty() -> Site {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = config(dir.path());
        let app = App::open(&config).await.expect("an empty lake");
        let files = SiteFiles::load(&config.site_dir.value).expect("no site is fine");
        Site {
            router: router(app, files),
            dir,
        }
    }

    /// The small bill and one rule.
    pub async fn with_bill() -> Site {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = config(dir.path());
        let app = take_in(&config, dir.path()).await;
        build_site(&config.site_dir.value);
        let files = SiteFiles::load(&config.site_dir.value).expect("a built site");
        Site {
            router: router(app, files),
            dir,
        }
    }

    /// A bill and usage files of your own, without rules.
    pub async fn with_usage(bill: &str, usage: &[&str]) -> Site {
        Site::with_usage_of(bill, None, usage).await
    }

    /// The same of a bill that is final, or open.
    pub async fn with_usage_of(bill: &str, is_final: Option<bool>, usage: &[&str]) -> Site {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = config(dir.path());
        let app = App::open(&config).await.expect("an empty lake");
        let write = |name: String, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("a writable folder");
            path.display().to_string()
        };
        let mut request = IngestBilling::of(vec![write("bill.csv".to_owned(), bill)]);
        request.is_final = is_final;
        let taken = app.ingest_billing(&request, Arc::new(|_| {})).await;
        taken.unwrap_or_else(|error| panic!("{}", error.chain()));
        let request = IngestUsage {
            paths: usage
                .iter()
                .enumerate()
                .map(|(at, text)| write(format!("usage-{at}.csv"), text))
                .collect(),
            source: None,
            skip_bad_rows: false,
        };
        let taken = app.ingest_usage(&request, Arc::new(|_| {})).await;
        taken.unwrap_or_else(|error| panic!("{}", error.chain()));
        let files = SiteFiles::load(&config.site_dir.value).expect("no site is fine");
        Site {
            router: router(app, files),
            dir,
        }
    }

    /// A router over a folder that lives as long.
    pub fn of(router: Router, dir: tempfile::TempDir) -> Site {
        Site { router, dir }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a whole body").to_vec();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path).header("host", "127.0.0.1:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect("a plain request")).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Body>, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path)
            .header("host", "127.0.0.1:8080")
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).expect("a plain request")).await
    }
}

/// Takes the small bill in, and applies the rule.
pub async fn take_in(config: &Config, dir: &Path) -> App {
    let app = App::open(config).await.expect("an empty lake");
    let path = dir.join("bill.csv");
    std::fs::write(&path, bill()).expect("a writable folder");
    let request = IngestBilling::of(vec![path.display().to_string()]);
    let taken = app
        .ingest_billing(&request, Arc::new(|_| {}))
        .await
        .unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(taken.rejected_rows, 0, "{:?}", taken.findings);
    app.rules_apply(RULES, None, None).await.expect("good rules");
    app
}

/// A site as a build leaves it: hashed names, a manifest, precompressed files.
fn build_site(dir: &Path) {
    let manifest = r#"{"css":"/static/0a/main.css","js":"/pkg/frontend.0b.js","wasm":"/pkg/frontend.0c.wasm",
        "favicon":"/static/0d/favicon.svg","fonts":{"inter-latin.woff2":"/static/0e/inter-latin.woff2"}}"#;
    let files = [
        ("manifest.json", manifest),
        ("static/0a/main.css", "plain"),
        ("static/0a/main.css.br", "brotli"),
        ("static/0a/main.css.gz", "gzip"),
        ("static/0e/inter-latin.woff2", "font"),
        ("pkg/frontend.0b.js", "script"),
    ];
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        std::fs::write(path, text).expect("a writable folder");
    }
}
