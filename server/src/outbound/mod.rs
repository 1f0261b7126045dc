//! What this program sends out: one client, which checks where to and says who
//! it is. HTTPS is asked of every address but loopback; redirects are not
//! followed, since they could carry a token elsewhere.

pub mod oidc;

use crate::config::Secret;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use std::error::Error as _;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Longest time to reach a server.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Longest time for a whole request: the server gives one up after 60 s.
const REQUEST_LIMIT: Duration = Duration::from_secs(90);
/// Of an answer so much is read.
const ANSWER_BYTES: usize = 64 * 1024;
/// First wait before something is sent again; it doubles.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Longest wait of our own.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// Longest wait a server can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Why nothing can be sent at all.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The address makes no sense, or is not safe.
    #[error("{shown:?} {what}")]
    Address {
        /// The address, without secrets.
        shown: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The token has signs no header can carry.
    #[error("the token is empty, or has signs no token has")]
    Token,
    /// The certificates are no good.
    #[error("{0} holds no certificates in PEM form")]
    Certificates(String),
    /// The system's own TLS set-up is no good.
    #[error("cannot prepare TLS")]
    Tls(#[source] reqwest::Error),
}

/// What a server said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// After which time it wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The beginning of its answer.
    pub text: String,
}

/// No answer came.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct NoAnswer(String);

/// A server to send to.
#[derive(Debug, Clone)]
pub struct Outbound {
    http: reqwest::Client,
    base: Url,
}

impl Outbound {
    /// Prepares it; nothing is sent. `ca` are certificates to trust beside the
    /// system's, with the name of their file.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(address: &str, token: &Secret, ca: Option<(&str, &[u8])>) -> Result<Outbound, SetupError> {
        let base = checked(address)?;
        let trimmed = token.0.trim();
        let visible = !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_graphic());
        let mut value = HeaderValue::from_str(&format!("Bearer {trimmed}")).map_err(|_| SetupError::Token)?;
        if !visible {
            return Err(SetupError::Token);
        }
        value.set_sensitive(true);
        let builder = client(ca)?
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, value)]))
            .timeout(REQUEST_LIMIT);
        Ok(Outbound {
            http: builder.build().map_err(SetupError::Tls)?,
            base,
        })
    }

    /// The address, which has no secrets.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.as_str()
    }

    /// Posts bytes with these headers.
    ///
    /// # Errors
    /// When no answer comes: why, with every cause.
    pub async fn post(&self, path: &str, headers: &[(&'static str, &str)], body: Vec<u8>) -> Result<Answer, NoAnswer> {
        let address = format!("{}{}", self.base.as_str().trim_end_matches('/'), path);
        let mut request = self.http.post(address).body(body);
        for (name, value) in headers {
            request = request.header(HeaderName::from_static(name), *value);
        }
        let mut response = request.send().await.map_err(no_answer)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let mut text = Vec::new();
        while text.len() < ANSWER_BYTES {
            let Some(piece) = response.chunk().await.map_err(no_answer)? else {
                break;
            };
            text.extend(piece);
        }
        text.truncate(ANSWER_BYTES);
        Ok(Answer {
            status,
            retry_after,
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }
}

/// A client as every one here begins: it says who it is, follows no redirect,
/// and trusts `ca`, certificates with the name of their file, beside the system's.
fn client(ca: Option<(&str, &[u8])>) -> Result<reqwest::ClientBuilder, SetupError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // somebody else may install it at the same moment: then it is there
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("tonnage/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_LIMIT)
        // one connection now and then: an old one may have died in silence
        .pool_idle_timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::none());
    if let Some((name, pem)) = ca {
        let trusted = reqwest::Certificate::from_pem_bundle(pem)
            .ok()
            .filter(|all| !all.is_empty());
        builder = builder.tls_certs_merge(trusted.ok_or_else(|| SetupError::Certificates(name.to_owned()))?);
    }
    Ok(builder)
}

/// Whether an address stays on this machine; a name other than `localhost` does not.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    // the address of IPv6 stands in brackets
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    ip.map_or(host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
}

/// An address that may be sent to.
pub(crate) fn checked(address: &str) -> Result<Url, SetupError> {
    let refused = |what| SetupError::Address {
        shown: crate::config::without_secrets(address),
        what,
    };
    let url = Url::parse(address).map_err(|_| refused("is no address; write https://tonnage.example"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("has a user in it; the token alone says who asks"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("has more than a host, a port and a path"));
    }
    if url.host_str().is_none() {
        return Err(refused("has no host"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(refused(
            "would send the token in the clear; write https://, or reach the server by loopback",
        )),
        _ => Err(refused("is neither https nor http")),
    }
}

/// An error with its causes, and without the address, which may be long.
fn no_answer(error: reqwest::Error) -> NoAnswer {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    NoAnswer(text)
}

/// How long to wait after so many failures in a row: doubled each time, between
/// half and all of it so that many senders do not come at once, and never less
/// than the server asked for. `share` is a random number of 0 to 1,000.
#[must_use]
pub fn backoff(failures: u32, retry_after: Option<Duration>, share: u32) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let most = doubled.min(BACKOFF_MAX);
    let own = most / 2 + (most / 2) * share.min(1_000) / 1_000;
    own.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
}

/// A random number of 0 to 1,000, for [`backoff`].
#[must_use]
pub fn share() -> u32 {
    u32::try_from(RandomState::new().hash_one(Instant::now()) % 1_001).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_over_https_or_loopback_only() {
        for (address, good) in [
            ("https://cost.example", true),
            ("https://cost.example:8443/tonnage/", true),
            ("https://10.0.0.1", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.9.9.9:8080", true),
            ("http://localhost:8080", true),
            ("http://[::1]:8080", true),
            ("http://cost.example", false),
            ("http://10.0.0.1:8080", false),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://127.0.0.1@evil.example", false),
            ("https://me:secret@cost.example", false),
            ("https://cost.example?x=1", false),
            ("ftp://cost.example", false),
            ("cost.example", false),
            ("", false),
        ] {
            let found = checked(address);
            assert_eq!(found.is_ok(), good, "{address}: {found:?}");
            if let Err(error) = found {
                assert!(!error.to_string().contains("secret"), "{error}");
            }
        }
    }

    #[test]
    fn tokens_and_certificates_are_checked() {
        let token = |text: &str| Secret(text.to_owned());
        let new = |text: &str, ca| Outbound::new("http://127.0.0.1:1", &token(text), ca);
        assert!(new("tonnage_1_2\n", None).is_ok(), "a file ends with a line");
        for bad in ["", "  ", "a b", "a\nb", "ä"] {
            assert!(matches!(new(bad, None), Err(SetupError::Token)), "{bad:?}");
        }
        let error = new("x", Some(("ca.pem", b"nothing"))).expect_err("no certificates");
        assert!(error.to_string().contains("ca.pem"), "{error}");
        assert!(!format!("{:?}", new("hidden", None).expect("fine")).contains("hidden"));
    }

    #[test]
    fn waits_double_within_bounds() {
        for (failures, retry_after_s, share, expect_ms) in [
            (1, None, 1_000, 1_000),
            (1, None, 0, 500),
            (2, None, 1_000, 2_000),
            (5, None, 500, 12_000),
            (40, None, 1_000, 300_000),
            (1, Some(7), 1_000, 7_000),
            (9, Some(7), 1_000, 256_000),
            (1, Some(90_000), 0, 3_600_000),
        ] {
            let wait = backoff(failures, retry_after_s.map(Duration::from_secs), share);
            assert_eq!(wait.as_millis(), expect_ms, "{failures} {retry_after_s:?} {share}");
        }
    }
}
