//! A whole server in a temporary folder, asked without a network.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use domain::access::{Grant, Reach, Role};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tonnage::Config;
use tonnage::app::App;
use tonnage::app::access::NewPerson;
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
    /// Of a reader with every role: sent with what `get` and `post` ask.
    token: String,
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
        let app = App::open(&config, domain::access::Scope::shell("test"))
            .await
            .expect("an empty lake");
        let files = SiteFiles::load(&config.site_dir.value).expect("no site is fine");
        Site::new(app, files, dir).await
    }

    /// The small bill and one rule.
    pub async fn with_bill() -> Site {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = config(dir.path());
        let app = take_in(&config, dir.path()).await;
        build_site(&config.site_dir.value);
        let files = SiteFiles::load(&config.site_dir.value).expect("a built site");
        Site::new(app, files, dir).await
    }

    /// A bill and usage files of your own, without rules.
    pub async fn with_usage(bill: &str, usage: &[&str]) -> Site {
        Site::with_usage_of(bill, None, usage).await
    }

    /// The same of a bill that is final, or open.
    pub async fn with_usage_of(bill: &str, is_final: Option<bool>, usage: &[&str]) -> Site {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = config(dir.path());
        let app = App::open(&config, domain::access::Scope::shell("test"))
            .await
            .expect("an empty lake");
        let write = |name: String, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("a writable folder");
            path.display().to_string()
        };
        let mut request = IngestBilling::of(vec![write("bill.csv".to_owned(), bill)]);
        request.is_final = is_final;
        let taken = app.ingest_billing(&request, Arc::new(|_| {})).await;
        taken.unwrap_or_else(|error| panic!("{}", error.chain()));
        if usage.is_empty() {
            return Site::of(app, dir).await;
        }
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
        Site::new(app, files, dir).await
    }

    /// A router over a folder that lives as long.
    pub async fn of(app: App, dir: tempfile::TempDir) -> Site {
        let files = SiteFiles::load(&config(dir.path()).site_dir.value).expect("no site is fine");
        Site::new(app, files, dir).await
    }

    async fn new(app: App, files: SiteFiles, dir: tempfile::TempDir) -> Site {
        let token = token_of_everything(&app).await;
        let router = router(app, files, &config(dir.path()).web);
        Site { router, dir, token }
    }

    /// The app behind it, for the command line's part.
    pub async fn app(&self) -> App {
        let scope = domain::access::Scope::shell("test");
        App::open(&config(self.dir.path()), scope)
            .await
            .expect("the same folder")
    }

    /// The token that is sent.
    pub fn token(&self) -> &str {
        &self.token
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

    /// Without anybody: neither data nor an account.
    pub async fn bare() -> Site {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = config(dir.path());
        let app = App::open(&config, domain::access::Scope::shell("test"))
            .await
            .expect("an empty lake");
        let files = SiteFiles::load(&config.site_dir.value).expect("no site is fine");
        let router = router(app, files, &config.web);
        Site {
            router,
            dir,
            token: String::new(),
        }
    }

    /// Sends a form with these headers and no others.
    pub async fn post_bare(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path)
            .header("host", "127.0.0.1:8080")
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).expect("a plain request"))
            .await
    }

    /// Asks with another token, or none.
    pub async fn get_as(&self, path: &str, token: Option<&str>) -> Answer {
        let mut request = Request::get(path).header("host", "127.0.0.1:8080");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(Body::empty()).expect("a plain request")).await
    }

    /// Sends a form with another token, or none.
    pub async fn post_as(&self, path: &str, body: &str, token: Option<&str>) -> Answer {
        let mut request = Request::post(path)
            .header("host", "127.0.0.1:8080")
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(Body::from(body.to_owned())).expect("a plain request"))
            .await
    }

    /// Sends a form as a browser with a session does.
    pub async fn post_with_session(&self, path: &str, body: &str, session: &str) -> Answer {
        let request = Request::post(path)
            .header("host", "127.0.0.1:8080")
            .header("origin", "http://127.0.0.1:8080")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", format!("tonnage_session={session}"));
        self.send(request.body(Body::from(body.to_owned())).expect("a plain request"))
            .await
    }

    /// A page as a browser with a session asks for it.
    pub async fn get_with_session(&self, path: &str, session: &str) -> Answer {
        let request = Request::get(path)
            .header("host", "127.0.0.1:8080")
            .header("cookie", format!("tonnage_session={session}"));
        self.send(request.body(Body::empty()).expect("a plain request")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path)
            .header("host", "127.0.0.1:8080")
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect("a plain request")).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Body>, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path)
            .header("host", "127.0.0.1:8080")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).expect("a plain request")).await
    }
}

/// A token of an account with every role, for the router itself.
///
/// # Panics
/// When none can be made.
pub async fn token_of_everything(app: &App) -> String {
    let grants = Role::ALL.map(|role| Grant {
        role,
        reach: Reach::All,
    });
    token_of(app, "suite", grants.to_vec()).await
}

/// A token of a new account with these grants.
///
/// # Panics
/// When none can be made.
pub async fn token_of(app: &App, login: &str, grants: Vec<Grant>) -> String {
    let roles: Vec<Role> = grants.iter().map(|grant| grant.role).collect();
    let new = NewPerson {
        login: login.to_owned(),
        name: format!("Reader {login}"),
        grants,
        password: None,
    };
    let invited = app.invite(&new).await.expect("a new account");
    let made = app.create_api_token(&invited.account, "suite", &roles, 30).await;
    made.expect("a token").token
}

/// Takes the small bill in, and applies the rule.
pub async fn take_in(config: &Config, dir: &Path) -> App {
    let app = App::open(config, domain::access::Scope::shell("test"))
        .await
        .expect("an empty lake");
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
