//! Asking a Prometheus, or whatever speaks its query API (Thanos, Mimir,
//! VictoriaMetrics), over HTTP: headers, retries, and answers read as they arrive.

use super::answer::{Frame, Labels, Series, SplitError, Splitter};
use super::error::{PrometheusError, shown};
use domain::Finding;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Prometheus answers at most so many points of a series to a range query.
pub const POINTS_MAX: i64 = 11_000;
/// First wait before a query is asked again; it doubles.
const RETRY_FIRST_MS: u64 = 250;
/// Longest wait, also when the server asks for more.
const RETRY_MAX_MS: u64 = 30_000;
/// Windows are not halved below this.
const PIECE_MIN_MS: i64 = 60_000;

/// How we say who we are. Never shown by `Debug`.
#[derive(Clone, Default)]
pub enum Auth {
    /// We do not.
    #[default]
    None,
    /// `Authorization: Bearer ...`.
    Bearer(String),
    /// `Authorization: Basic ...`.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
}

/// Where a Prometheus is and how to speak to it.
#[derive(Clone)]
pub struct ClientConfig {
    /// Address before `/api/v1`, with any path prefix: `https://mimir.example/prometheus`.
    pub base_url: String,
    /// Who we are.
    pub auth: Auth,
    /// `X-Scope-OrgID`, the tenant of a shared store.
    pub tenant: Option<String>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Longest time for one query, answer included, seconds.
    pub timeout_s: u64,
    /// How often a query is asked before we give up, at least once.
    pub attempts: u32,
    /// Certificates to trust beside the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Samples held of one answer; a larger one is asked for in pieces.
    pub samples_max: usize,
    /// Take answers with warnings as whole and report them, instead of refusing them.
    pub accept_partial: bool,
}

impl ClientConfig {
    /// The usual settings for an address.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> ClientConfig {
        ClientConfig {
            base_url: base_url.into(),
            auth: Auth::None,
            tenant: None,
            headers: Vec::new(),
            timeout_s: 120,
            attempts: 5,
            ca_pem: None,
            samples_max: 4_000_000,
            accept_partial: false,
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // headers, user and password are secrets, also inside the address
        f.debug_struct("ClientConfig")
            .field("base_url", &without_secrets(&self.base_url))
            .field("tenant", &self.tenant)
            .field("timeout_s", &self.timeout_s)
            .finish_non_exhaustive()
    }
}

/// A connection to a Prometheus.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: reqwest::Url,
    /// For messages.
    shown_url: String,
    attempts: u32,
    samples_max: usize,
    accept_partial: bool,
    queries: AtomicU64,
}

/// What was asked: one of the two query endpoints with its parameters.
struct Ask<'a> {
    endpoint: &'static str,
    query: &'a str,
    times: Vec<(&'static str, String)>,
    decimals: u32,
}

/// How an attempt failed.
enum Failure {
    /// Asking again may help, after this time if the server said one.
    Again(PrometheusError, Option<Duration>),
    /// It will not.
    Final(PrometheusError),
    /// Fewer samples at a time may help; the server's words.
    TooMany(String),
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// An address, header or certificate that makes no sense.
    pub fn new(config: &ClientConfig) -> Result<Client, PrometheusError> {
        let shown_url = without_secrets(&config.base_url);
        let mut base = api(&config.base_url)
            .ok_or_else(|| PrometheusError::setup(format!("`{shown_url}` is no http or https address")))?;
        if base.username().contains('%') || base.password().is_some_and(|password| password.contains('%')) {
            return Err(PrometheusError::setup(
                "a user or password with special signs cannot stand in the address; set them apart from it",
            ));
        }
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str| -> Result<(), PrometheusError> {
            let wrong = || PrometheusError::setup(format!("`{name}` and its value make no HTTP header"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(key, value);
            Ok(())
        };
        match &config.auth {
            Auth::None => {
                // user:password@host is Basic too; it must not stay in the address
                if !base.username().is_empty() {
                    set("authorization", &basic(base.username(), base.password().unwrap_or("")))?;
                }
            }
            Auth::Bearer(token) => set("authorization", &format!("Bearer {}", token.trim()))?,
            Auth::Basic { user, password } => set("authorization", &basic(user, password))?,
        }
        let cleared = base.set_username("").and_then(|()| base.set_password(None));
        cleared.map_err(|()| PrometheusError::setup(format!("`{shown_url}` is no http or https address")))?;
        if let Some(tenant) = &config.tenant {
            set("x-scope-orgid", tenant)?;
        }
        for (name, value) in &config.headers {
            set(name, value)?;
        }
        Ok(Client {
            http: http_client(config, headers)?,
            base,
            shown_url,
            attempts: config.attempts.max(1),
            samples_max: config.samples_max.max(1),
            accept_partial: config.accept_partial,
            queries: AtomicU64::new(0),
        })
    }

    /// Address without secrets, for messages.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shown_url
    }

    /// Requests sent so far, repeated ones included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// An instant query, for small answers. Values in units of `10^-decimals`.
    ///
    /// # Errors
    /// See [`PrometheusError`]; the query is always named.
    pub async fn query(
        &self,
        query: &str,
        at_ms: i64,
        decimals: u32,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<(Labels, i64)>, PrometheusError> {
        let mut found = Vec::new();
        let ask = Ask {
            endpoint: "query",
            query,
            times: vec![("time", seconds(at_ms))],
            decimals,
        };
        let each = |series: Series| found.extend(series.samples.first().map(|(_, value)| (series.labels, *value)));
        match self.ask(&ask, findings, each).await? {
            None => Ok(found),
            Some(message) => Err(too_large(query, &message)),
        }
    }

    /// The raw samples of a selector within `[from_ms, to_ms)`, with the
    /// instants they were scraped at: no look-back, no steps, no extrapolation.
    /// A series may come in several pieces, in order of time. A window the
    /// server finds too large is halved.
    ///
    /// # Errors
    /// See [`PrometheusError`]; the query is always named.
    pub async fn samples(
        &self,
        selector: &str,
        (from_ms, to_ms): (i64, i64),
        decimals: u32,
        findings: &mut Vec<Finding>,
        mut each: impl FnMut(Series),
    ) -> Result<(), PrometheusError> {
        let mut windows = vec![(from_ms, to_ms)];
        while let Some((from, to)) = windows.pop() {
            if to <= from {
                continue;
            }
            // whether a range holds its left end depends on the version: ask for one more and cut
            let query = format!("{selector}[{}ms]", to - from + 1);
            let ask = Ask {
                endpoint: "query",
                query: &query,
                times: vec![("time", seconds(to))],
                decimals,
            };
            let cut = |mut series: Series| {
                series.samples.retain(|(at, _)| (from..to).contains(at));
                if !series.samples.is_empty() || series.unreadable > 0 {
                    each(series);
                }
            };
            if let Some(message) = self.ask(&ask, findings, cut).await? {
                let middle = from + (to - from) / 2;
                if to - from <= PIECE_MIN_MS {
                    return Err(too_large(&query, &message));
                }
                windows.push((middle, to));
                windows.push((from, middle));
            }
        }
        Ok(())
    }

    /// A range query evaluated at `from_ms`, `from_ms + step_ms`, ... before
    /// `to_ms`, in pieces of at most 11,000 points a series; pieces the server
    /// finds too large are halved. A series comes in several pieces.
    ///
    /// # Errors
    /// See [`PrometheusError`]; the query is always named.
    pub async fn query_range(
        &self,
        query: &str,
        (from_ms, to_ms): (i64, i64),
        step_ms: i64,
        decimals: u32,
        findings: &mut Vec<Finding>,
        mut each: impl FnMut(Series),
    ) -> Result<(), PrometheusError> {
        if step_ms <= 0 {
            return Err(PrometheusError::setup("the step of a range query must be positive"));
        }
        let mut from = from_ms;
        let mut points = POINTS_MAX;
        while from < to_ms {
            let left = (to_ms - from - 1) / step_ms + 1;
            let taken = left.min(points);
            let last = from + (taken - 1) * step_ms;
            let ask = Ask {
                endpoint: "query_range",
                query,
                times: vec![
                    ("start", seconds(from)),
                    ("end", seconds(last)),
                    ("step", seconds(step_ms)),
                ],
                decimals,
            };
            match self.ask(&ask, findings, &mut each).await? {
                None => from = last + step_ms,
                Some(message) if taken == 1 => return Err(too_large(query, &message)),
                Some(_) => points = (taken / 2).max(1),
            }
        }
        Ok(())
    }

    /// Asks until there is an answer; the server's words when it wants fewer samples.
    async fn ask(
        &self,
        ask: &Ask<'_>,
        findings: &mut Vec<Finding>,
        mut each: impl FnMut(Series),
    ) -> Result<Option<String>, PrometheusError> {
        let mut wait_ms = RETRY_FIRST_MS;
        for attempt in 1.. {
            // series are handed on only once the answer is whole: a repeated attempt must not double them
            let mut whole = Vec::new();
            match self.attempt(ask, &mut whole).await {
                Ok(frame) => {
                    self.warn(ask.query, &frame, findings)?;
                    whole.into_iter().for_each(&mut each);
                    return Ok(None);
                }
                Err(Failure::TooMany(message)) => return Ok(Some(message)),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again(error, _)) if attempt >= self.attempts => return Err(error),
                Err(Failure::Again(_, asked)) => {
                    let own = Duration::from_millis(wait_ms);
                    let wait = asked.unwrap_or(own).min(Duration::from_millis(RETRY_MAX_MS));
                    tokio::time::sleep(wait).await;
                    wait_ms = (wait_ms * 2).min(RETRY_MAX_MS);
                }
            }
        }
        Ok(None)
    }

    async fn attempt(&self, ask: &Ask<'_>, whole: &mut Vec<Series>) -> Result<Frame, Failure> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let url = self
            .base
            .join(ask.endpoint)
            .map_err(|error| Failure::Final(PrometheusError::setup(error.to_string())))?;
        let mut form = vec![("query", ask.query.to_owned())];
        form.extend(ask.times.iter().cloned());
        let lost = |source| {
            Failure::Again(
                PrometheusError::Unreachable {
                    url: self.shown_url.clone(),
                    query: shown(ask.query),
                    attempts: self.attempts,
                    source,
                },
                None,
            )
        };
        let mut response = self.http.post(url).form(&form).send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let mut splitter = Splitter::default();
        let mut held = 0;
        while let Some(bytes) = response.chunk().await.map_err(lost)? {
            let hold = |series: Series| {
                held += series.samples.len();
                whole.push(series);
            };
            splitter
                .push(&bytes, ask.decimals, hold)
                .map_err(|error| Failure::Final(self.broken(ask, error)))?;
            if held > self.samples_max {
                let message = format!("the answer holds more than {} samples", self.samples_max);
                return Err(Failure::TooMany(message));
            }
        }
        self.judge(ask, status, retry_after, splitter)
    }

    /// What an answer that arrived means.
    fn judge(
        &self,
        ask: &Ask<'_>,
        status: u16,
        retry_after: Option<Duration>,
        splitter: Splitter,
    ) -> Result<Frame, Failure> {
        let excerpt = splitter.excerpt();
        let frame = splitter.finish();
        if matches!(status, 401 | 403) {
            return Err(Failure::Final(PrometheusError::Denied {
                url: self.shown_url.clone(),
                status,
                query: shown(ask.query),
            }));
        }
        if status == 429 || (status >= 500 && !frame.as_ref().is_ok_and(wants_less)) {
            let error = PrometheusError::Failing {
                url: self.shown_url.clone(),
                status,
                query: shown(ask.query),
                attempts: self.attempts,
                message: frame.map_or(excerpt, |frame| shown(&frame.error)),
            };
            return Err(Failure::Again(error, retry_after));
        }
        match frame {
            Ok(frame) if frame.status == "success" && frame.data.is_some() => Ok(frame),
            Ok(frame) if frame.status == "error" && wants_less(&frame) => Err(Failure::TooMany(shown(&frame.error))),
            Ok(frame) if frame.status == "error" => Err(Failure::Final(frame.refusal(ask.query))),
            Err(_) if status == 200 && excerpt.starts_with(r#"{"status":"success""#) => {
                let error = PrometheusError::Partial {
                    query: shown(ask.query),
                    message: "it breaks off in the middle".to_owned(),
                };
                Err(Failure::Again(error, None))
            }
            _ => Err(Failure::Final(PrometheusError::NotPrometheus {
                url: self.shown_url.clone(),
                status,
                excerpt,
            })),
        }
    }

    fn broken(&self, ask: &Ask<'_>, error: SplitError) -> PrometheusError {
        match error {
            SplitError::TooLong => PrometheusError::Bound {
                query: shown(ask.query),
                bound: 64 << 20,
                unit: "bytes in one series",
                remedy: "choose shorter chunks",
            },
            SplitError::Malformed(message) => PrometheusError::Partial {
                query: shown(ask.query),
                message,
            },
        }
    }

    /// A warning means that something is missing, unless it is about the query's style.
    fn warn(&self, query: &str, frame: &Frame, findings: &mut Vec<Finding>) -> Result<(), PrometheusError> {
        let (style, missing): (Vec<&String>, Vec<&String>) = frame
            .warnings
            .iter()
            .partition(|warning| warning.starts_with("PromQL "));
        let words = |list: &[&String]| shown(&list.iter().map(|w| w.as_str()).collect::<Vec<_>>().join("; "));
        if !missing.is_empty() {
            if !self.accept_partial {
                return Err(PrometheusError::Partial {
                    query: shown(query),
                    message: words(&missing),
                });
            }
            let message = format!("the answer to `{}` is partial: {}", shown(query), words(&missing));
            findings.push(
                Finding::warning("prometheus_partial", message)
                    .remedy("bring the missing store back and load the hours again"),
            );
        }
        if !style.is_empty() {
            let message = format!("Prometheus doubts `{}`: {}", shown(query), words(&style));
            findings.push(Finding::info("prometheus_doubts", message));
        }
        Ok(())
    }
}

/// Whether an error says that the query touches too much at once.
fn wants_less(frame: &Frame) -> bool {
    let text = frame.error.to_ascii_lowercase();
    let says = |markers: &[&str]| markers.iter().any(|marker| text.contains(marker));
    match frame.error_type.as_str() {
        // the query ran out of the server's own time
        "timeout" => true,
        "bad_data" => says(&["maximum resolution", "too many points"]),
        _ => says(&["too many samples", "max-samples", "limit", "too many"]),
    }
}

fn too_large(query: &str, message: &str) -> PrometheusError {
    PrometheusError::TooLarge {
        query: shown(query),
        message: message.to_owned(),
    }
}

fn http_client(config: &ClientConfig, headers: HeaderMap) -> Result<reqwest::Client, PrometheusError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // somebody else may install it at the same moment: then it is there
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = reqwest::Client::builder()
        .default_headers(headers)
        .user_agent(concat!("tonnage/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(config.timeout_s.max(1)))
        // a redirect could carry the token elsewhere
        .redirect(reqwest::redirect::Policy::none());
    if let Some(pem) = &config.ca_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|_| PrometheusError::setup("the certificates to trust are no PEM"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder
        .build()
        .map_err(|error| PrometheusError::setup(format!("cannot prepare TLS: {error}")))
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {pair}")
}

/// Where the API of a Prometheus begins.
fn api(base_url: &str) -> Option<reqwest::Url> {
    let url = reqwest::Url::parse(base_url).ok()?;
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
    let base = format!("{}/api/v1/", url.as_str().trim_end_matches('/'));
    reqwest::Url::parse(&base).ok().filter(|_| usable)
}

/// An address without user and password.
fn without_secrets(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or(rest);
            match host.rfind('@') {
                Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
                None => url.to_owned(),
            }
        }
        None => url.to_owned(),
    }
}

/// Milliseconds as the decimal seconds of the API.
fn seconds(ms: i64) -> String {
    domain::number::format_units(i128::from(ms), 3)
}
