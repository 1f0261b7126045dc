//! What can go wrong between us and a Prometheus, always naming the query.

use thiserror::Error;

/// Characters of a query or an answer that an error shows.
const SHOWN_CHARS: usize = 300;

/// Why a Prometheus could not be asked or did not answer whole.
#[derive(Debug, Error)]
pub enum PrometheusError {
    /// The settings make no sense: an address, a header, a certificate, a bound.
    #[error("{what}")]
    Setup {
        /// What is wrong and what to write instead.
        what: String,
    },
    /// No answer came, however often we asked.
    #[error("no answer from {url} to `{query}` after {attempts} attempts")]
    Unreachable {
        /// Address without secrets.
        url: String,
        /// The query.
        query: String,
        /// How often it was asked.
        attempts: u32,
        /// The last failure.
        #[source]
        source: reqwest::Error,
    },
    /// Wrong or missing token, password or tenant.
    #[error("{url} refuses us (HTTP {status}) for `{query}`: check the token, the password and the tenant")]
    Denied {
        /// Address without secrets.
        url: String,
        /// HTTP status.
        status: u16,
        /// The query.
        query: String,
    },
    /// The server understood us and refuses the query.
    #[error("the query `{query}` was refused ({kind}): {message}")]
    Refused {
        /// The query.
        query: String,
        /// Prometheus' `errorType`, or the HTTP status.
        kind: String,
        /// Its words.
        message: String,
    },
    /// Even the smallest piece of the query is too large for the server.
    #[error(
        "the query `{query}` is too large for the server even in small pieces: {message}; \
             raise its --query.max-samples or query fewer namespaces"
    )]
    TooLarge {
        /// The query.
        query: String,
        /// Its words.
        message: String,
    },
    /// The server is there and keeps failing.
    #[error("{url} keeps failing (HTTP {status}) on `{query}` after {attempts} attempts: {message}")]
    Failing {
        /// Address without secrets.
        url: String,
        /// HTTP status.
        status: u16,
        /// The query.
        query: String,
        /// How often it was asked.
        attempts: u32,
        /// Beginning of its words.
        message: String,
    },
    /// Whatever answered is no Prometheus.
    #[error(
        "{url} does not answer like a Prometheus (HTTP {status}): {excerpt}; \
             give the address before /api/v1, with any path prefix"
    )]
    NotPrometheus {
        /// Address without secrets.
        url: String,
        /// HTTP status.
        status: u16,
        /// Beginning of the answer.
        excerpt: String,
    },
    /// The answer says itself that it is not whole, or ends early.
    #[error("the answer to `{query}` is partial: {message}")]
    Partial {
        /// The query.
        query: String,
        /// The server's warnings, or where the answer broke off.
        message: String,
    },
    /// The answer holds more than the bounds allow.
    #[error("the answer to `{query}` goes beyond the bound of {bound} {unit}: {remedy}")]
    Bound {
        /// The query.
        query: String,
        /// The bound.
        bound: u64,
        /// Of what.
        unit: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}

impl PrometheusError {
    pub(crate) fn setup(what: impl Into<String>) -> PrometheusError {
        PrometheusError::Setup { what: what.into() }
    }
}

/// The beginning of a text, on one line.
pub(crate) fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
