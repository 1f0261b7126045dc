//! Around every request: an id, a time limit, a net under panics, one log line,
//! one count.

use super::Web;
use super::error::ApiError;
use super::routes;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use serde::Serialize;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request that takes longer is given up.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// An id given by a proxy may be this long.
const MAX_ID_CHARS: usize = 64;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request in the answer and in the logs: visible ASCII.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(super) struct RequestId(Arc<str>);

impl RequestId {
    pub(super) fn new(text: &str) -> RequestId {
        RequestId(text.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The one that came with the request, else a new one.
    fn of(headers: &HeaderMap) -> RequestId {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let fits = |text: &&str| {
            (1..=MAX_ID_CHARS).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        match given.filter(fits) {
            Some(text) => RequestId::new(text),
            // random keys make the ids of two processes differ
            None => RequestId(format!("{:016x}", RandomState::new().hash_one(Instant::now())).into()),
        }
    }
}

pub(super) async fn observe(
    State(web): State<Web>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = tokio::time::timeout(TIME_LIMIT, AssertUnwindSafe(next.run(request)).catch_unwind());
    let mut response = match answered.await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let said = said
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            tracing::error!(request_id = id.as_str(), error = said, "a handler panicked");
            ApiError::broken(StatusCode::INTERNAL_SERVER_ERROR, "broken", &id).for_path(&path)
        }
        Err(_) => {
            tracing::error!(
                request_id = id.as_str(),
                limit_s = TIME_LIMIT.as_secs(),
                "a request took too long"
            );
            ApiError::broken(StatusCode::SERVICE_UNAVAILABLE, "too_slow", &id).for_path(&path)
        }
    };
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let duration = started.elapsed();
    let status = response.status().as_u16();
    let route = routes::label(matched.as_ref().map(MatchedPath::as_str));
    web.metrics.count(route, status, duration);
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%method, path, status, duration_ms, request_id = id.as_str(), "request");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_when_it_is_harmless() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("req-17_a.b"));
        assert_eq!(RequestId::of(&headers).as_str(), "req-17_a.b");
        for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
            headers.insert(REQUEST_ID, HeaderValue::from_str(bad).expect("a header"));
            let made = RequestId::of(&headers);
            assert_ne!(made.as_str(), bad);
            assert_eq!(made.as_str().len(), 16);
        }
        assert_ne!(
            RequestId::of(&HeaderMap::new()).as_str(),
            RequestId::of(&HeaderMap::new()).as_str()
        );
    }
}
