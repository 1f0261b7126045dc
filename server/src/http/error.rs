//! The one place that knows which status an error has, and the one place that
//! logs what broke: once, with every cause, under the id the reader sees.

use crate::error::AppError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use store::StoreError;
use wire::PageError;

use super::observe::RequestId;

/// Why a request was not answered as asked.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    problems: Vec<Problem>,
    request_id: RequestId,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
struct Problem {
    code: String,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    errors: &'a [Problem],
    request_id: &'a RequestId,
}

impl ApiError {
    /// One problem with the request itself.
    pub(super) fn refused(
        status: StatusCode,
        code: &str,
        detail: impl Into<String>,
        request_id: &RequestId,
    ) -> ApiError {
        let problem = Problem {
            code: code.to_owned(),
            detail: detail.into(),
            field: None,
        };
        ApiError {
            status,
            problems: vec![problem],
            request_id: request_id.clone(),
        }
    }

    /// The machinery failed; the reader learns the id and nothing else.
    pub(super) fn broken(status: StatusCode, code: &str, request_id: &RequestId) -> ApiError {
        let detail = "the machinery failed; nothing was changed; look for the request id in the logs";
        ApiError::refused(status, code, detail, request_id)
    }

    /// A query string that does not fit.
    pub(super) fn of_query(error: &PageError, request_id: &RequestId) -> ApiError {
        let PageError::BadRequest { what, remedy } = error else {
            return ApiError::refused(StatusCode::BAD_REQUEST, "bad_request", format!("{error:?}"), request_id);
        };
        let mut answer = ApiError::refused(
            StatusCode::BAD_REQUEST,
            "bad_parameter",
            format!("{what}; {remedy}"),
            request_id,
        );
        let field = what.split_once('=').map(|(name, _)| name.to_owned());
        answer
            .problems
            .iter_mut()
            .for_each(|problem| problem.field.clone_from(&field));
        answer
    }

    /// What a use case ended in; logs it when the machinery is to blame.
    pub(super) fn of(error: &AppError, request_id: &RequestId) -> ApiError {
        let (status, code) = kind(error);
        if status.is_server_error() {
            log(error, request_id);
            return ApiError::broken(status, code, request_id);
        }
        let AppError::Refused(findings) = error else {
            return ApiError::refused(status, code, error.to_string(), request_id);
        };
        let problem = |finding: &domain::Finding| Problem {
            code: finding.code.clone(),
            detail: finding.to_string(),
            field: finding.column.clone(),
        };
        ApiError {
            status,
            problems: findings.iter().map(problem).collect(),
            request_id: request_id.clone(),
        }
    }

    /// The same as plain text, for people.
    pub(super) fn plain(&self) -> Response {
        let mut text: String = self
            .problems
            .iter()
            .map(|problem| format!("{}\n", problem.detail))
            .collect();
        text.push_str(&format!("request id {}\n", self.request_id.as_str()));
        self.finish((self.status, text).into_response())
    }

    /// Status and text, for answers with an envelope of their own.
    pub(super) fn in_short(&self) -> (StatusCode, String) {
        let mut text: Vec<&str> = self.problems.iter().map(|problem| problem.detail.as_str()).collect();
        let id = format!("request id {}", self.request_id.as_str());
        text.push(&id);
        (self.status, text.join("; "))
    }

    /// In the envelope of OpenCost's answers.
    pub(super) fn in_envelope(&self) -> Response {
        let (status, message) = self.in_short();
        let body = serde_json::json!({ "code": status.as_u16(), "message": message });
        self.finish((status, Json(body)).into_response())
    }

    /// JSON below `/api/`, else plain text.
    pub(super) fn for_path(&self, path: &str) -> Response {
        if path.starts_with("/api/") {
            self.json()
        } else {
            self.plain()
        }
    }

    /// What is wrong with the bytes that were sent, and where.
    pub(super) fn of_finding(status: StatusCode, finding: &domain::Finding, request_id: &RequestId) -> ApiError {
        let mut answer = ApiError::refused(status, &finding.code, finding.to_string(), request_id);
        for problem in &mut answer.problems {
            problem.field.clone_from(&finding.column);
        }
        answer
    }

    fn json(&self) -> Response {
        let body = Body {
            errors: &self.problems,
            request_id: &self.request_id,
        };
        self.finish((self.status, Json(body)).into_response())
    }

    fn finish(&self, mut response: Response) -> Response {
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.json()
    }
}

/// What pages say; logs what broke.
pub(super) fn page_error(error: &AppError, request_id: &RequestId) -> PageError {
    match error {
        AppError::NoData => PageError::NoData,
        AppError::NotFound { what } => PageError::NotFound { what: what.clone() },
        AppError::Forbidden(forbidden) => PageError::Forbidden {
            what: forbidden.0.what().to_owned(),
            who: Vec::new(),
        },
        AppError::Usage { what, remedy } => PageError::BadRequest {
            what: what.clone(),
            remedy: remedy.clone(),
        },
        AppError::Refused(_) | AppError::Held { .. } => PageError::BadRequest {
            what: error.to_string(),
            remedy: "correct it and load the page again".to_owned(),
        },
        AppError::DoesNotAddUp { .. }
        | AppError::Store(_)
        | AppError::Lake(_)
        | AppError::Overflow(_)
        | AppError::Broken { .. } => {
            log(error, request_id);
            PageError::Unavailable {
                request_id: request_id.as_str().to_owned(),
            }
        }
    }
}

fn log(error: &AppError, request_id: &RequestId) {
    tracing::error!(request_id = request_id.as_str(), error = %error.chain(), "a request failed");
}

/// Status and code of an error.
fn kind(error: &AppError) -> (StatusCode, &'static str) {
    match error {
        AppError::Usage { .. } => (StatusCode::BAD_REQUEST, "bad_request"),
        AppError::Refused(_) => (StatusCode::BAD_REQUEST, "refused"),
        AppError::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
        AppError::NoData => (StatusCode::NOT_FOUND, "no_data"),
        AppError::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
        AppError::Held { .. } => (StatusCode::CONFLICT, "held"),
        AppError::Store(StoreError::Busy { .. }) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        AppError::DoesNotAddUp { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "does_not_add_up"),
        AppError::Store(_) | AppError::Lake(_) | AppError::Overflow(_) | AppError::Broken { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "broken")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use domain::Finding;

    async fn text(response: Response) -> (u16, String) {
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body in memory");
        (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    }

    #[tokio::test]
    async fn every_error_has_its_status_and_only_the_harmless_say_why() {
        let id = RequestId::new("r-1");
        let busy = StoreError::Busy {
            context: "commit",
            source: "secret".into(),
        };
        let table = [
            (
                AppError::usage("period=x does not fit", "write YYYY-MM"),
                400,
                "write YYYY-MM",
            ),
            (
                AppError::Refused(vec![Finding::error("bad_decimal", "no").in_column("BilledCost")]),
                400,
                "\"field\":\"BilledCost\"",
            ),
            (AppError::NoData, 404, "tonnage ingest billing FILE"),
            (
                AppError::NotFound {
                    what: "explain id 1".into(),
                },
                404,
                "there is no explain id 1",
            ),
            (
                AppError::Held {
                    what: "a".into(),
                    remedy: "b".into(),
                },
                409,
                "a; b",
            ),
            (AppError::Store(busy), 503, "\"busy\""),
            (AppError::broken("secret", "secret"), 500, "look for the request id"),
        ];
        for (error, status, part) in table {
            let (got, body) = text(ApiError::of(&error, &id).into_response()).await;
            assert_eq!(got, status, "{error}");
            assert!(body.contains(part) && body.contains("\"request_id\":\"r-1\""), "{body}");
            assert!(!body.contains("secret"), "{body}");
        }
    }

    #[tokio::test]
    async fn a_bad_parameter_is_named_and_pages_say_the_same() {
        let id = RequestId::new("r-2");
        let error = frontend::query::parse_page("period=2026-13").expect_err("no thirteenth month");
        let (status, body) = text(ApiError::of_query(&error, &id).into_response()).await;
        assert_eq!(status, 400);
        assert!(
            body.contains("\"field\":\"period\"") && body.contains("YYYY-MM"),
            "{body}"
        );
        let broken = page_error(&AppError::broken("x", "y"), &id);
        assert_eq!(
            broken,
            PageError::Unavailable {
                request_id: "r-2".into()
            }
        );
        assert_eq!(page_error(&AppError::NoData, &id), PageError::NoData);
    }
}
