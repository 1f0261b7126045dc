//! `POST /api/v1/usage/facts`: the one door for agents. It asks for a token,
//! not for a cookie, so no other site's page can use it.

use super::Web;
use super::admit::{Address, bearer};
use super::error::ApiError;
use super::observe::RequestId;
use crate::app::push::MAX_BODY_BYTES;
use crate::app::receive::{PushError, Pushed};
use crate::error::AppError;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::access::Scope;
use wire::FactsReceipt;

/// Pushes taken in at once; more are asked to come again.
pub(super) const AT_ONCE: usize = 2;
/// Seconds after which a push that found no place should come again.
const RETRY_AFTER_S: &str = "5";

/// Takes a push in.
pub(super) async fn facts(
    State(web): State<Web>,
    Extension(address): Extension<Address>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<Json<FactsReceipt>, Response> {
    let refused = |status, code: &str, detail: &str| ApiError::refused(status, code, detail, &id);
    let app = web.house.acting(Scope::system("agents"));
    // who asks is settled before a byte of the body is read
    let token = match bearer(request.headers()) {
        Some(token) => app.accepted(token).await,
        None => Ok(None),
    };
    let token = token
        .map_err(|error| ApiError::of(&error, &id).into_response())?
        .ok_or_else(|| {
            let detail = "the token is missing, unknown or revoked; `tonnage token create` makes one";
            let mut answer = refused(StatusCode::UNAUTHORIZED, "bad_token", detail).into_response();
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            answer
        })?;
    let pushed = head(request.headers()).map_err(|(status, code, detail)| {
        let answer = refused(status, code, detail);
        answer.into_response()
    })?;
    let Ok(_place) = web.pushes.clone().try_acquire_owned() else {
        return Err(busy(&id));
    };
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| {
        let detail = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => format!("the body has more than {} MiB", MAX_BODY_BYTES >> 20),
            _ => rejection.body_text(),
        };
        refused(rejection.status(), "bad_body", &detail).into_response()
    })?;
    let pushed = Pushed {
        body: body.into(),
        address: address.0,
        request_id: id.as_str().to_owned(),
        ..pushed
    };
    match app.receive(&token, pushed).await {
        Ok(receipt) => {
            if !receipt.already {
                tracing::info!(
                    agent = token.agent,
                    id = receipt.id,
                    rows = receipt.rows,
                    "facts are in"
                );
            }
            Ok(Json(receipt))
        }
        Err(error) => Err(answer(&error, &id)),
    }
}

fn answer(error: &PushError, id: &RequestId) -> Response {
    match error {
        PushError::Bad(finding) => ApiError::of_finding(StatusCode::BAD_REQUEST, finding, id).into_response(),
        PushError::TooLarge => {
            ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string(), id).into_response()
        }
        PushError::ForeignCluster { .. } => {
            ApiError::refused(StatusCode::FORBIDDEN, "foreign_cluster", error.to_string(), id).into_response()
        }
        // somebody else commits all the time: that passes
        PushError::App(AppError::Held { .. }) => busy(id),
        PushError::App(error) => ApiError::of(error, id).into_response(),
    }
}

fn busy(id: &RequestId) -> Response {
    let detail = "other pushes are being taken in; nothing was changed, push it again";
    let mut answer = ApiError::refused(StatusCode::SERVICE_UNAVAILABLE, "busy", detail, id).into_response();
    let seconds = HeaderValue::from_static(RETRY_AFTER_S);
    answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    answer
}

type Refusal = (StatusCode, &'static str, &'static str);

/// What the headers say about the body.
fn head(headers: &HeaderMap) -> Result<Pushed, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let id = text("idempotency-key");
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if id.len() != 64 || !id.bytes().all(hex) {
        return Err((
            StatusCode::BAD_REQUEST,
            "bad_id",
            "Idempotency-Key has to be the SHA-256 of the document in lower-case hex",
        ));
    }
    let gzip = match text("content-encoding") {
        "" | "identity" => false,
        "gzip" => true,
        _ => {
            return Err((
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "bad_encoding",
                "Content-Encoding is gzip or nothing",
            ));
        }
    };
    Ok(Pushed {
        id: id.to_owned(),
        gzip,
        body: Vec::new(),
        address: String::new(),
        request_id: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn tokens_are_read_from_bearer_only() {
        for (value, token) in [
            ("Bearer tonnage_a_b", Some("tonnage_a_b")),
            ("bearer  x ", Some("x")),
            ("Basic x", None),
            ("Bearer", None),
            ("", None),
        ] {
            assert_eq!(bearer(&headers(&[("authorization", value)])), token, "{value}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn a_push_says_what_it_is() {
        const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for (encoding, gzip) in [
            ("", Some(false)),
            ("identity", Some(false)),
            ("gzip", Some(true)),
            ("br", None),
        ] {
            let head = head(&headers(&[("idempotency-key", ID), ("content-encoding", encoding)]));
            assert_eq!(head.ok().map(|head| head.gzip), gzip, "{encoding}");
        }
        for id in [
            "",
            "x",
            "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(
                head(&headers(&[("idempotency-key", id)])).expect_err(id).0,
                StatusCode::BAD_REQUEST
            );
        }
    }
}
