//! The OpenCost-shaped routes, with and without `/model` before them. Errors
//! come in their envelope: `{"code":400,"message":...}`.

use super::api::Ask;
use super::error::ApiError;
use crate::app::opencost::cloud::View;
use crate::app::opencost::{Form, NoAnswer};
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

type Answered = Result<Arc<Vec<u8>>, NoAnswer>;

pub(super) async fn allocation(ask: Ask) -> Response {
    respond(ask.app.opencost_allocation(&ask.query, Form::Full).await, &ask)
}

pub(super) async fn summary(ask: Ask) -> Response {
    respond(ask.app.opencost_allocation(&ask.query, Form::Summary).await, &ask)
}

pub(super) async fn topline(ask: Ask) -> Response {
    respond(ask.app.opencost_allocation(&ask.query, Form::Topline).await, &ask)
}

pub(super) async fn assets(ask: Ask) -> Response {
    respond(ask.app.opencost_assets(&ask.query).await, &ask)
}

pub(super) async fn cloud_cost(ask: Ask) -> Response {
    respond(ask.app.opencost_cloud(&ask.query, View::Sets).await, &ask)
}

pub(super) async fn cloud_cost_graph(ask: Ask) -> Response {
    respond(ask.app.opencost_cloud(&ask.query, View::Graph).await, &ask)
}

pub(super) async fn cloud_cost_totals(ask: Ask) -> Response {
    respond(ask.app.opencost_cloud(&ask.query, View::Totals).await, &ask)
}

pub(super) async fn cloud_cost_table(ask: Ask) -> Response {
    respond(ask.app.opencost_cloud(&ask.query, View::Table).await, &ask)
}

fn respond(answer: Answered, ask: &Ask) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    match answer {
        Ok(bytes) => (json, Body::from(Shared(bytes).into_bytes())).into_response(),
        Err(NoAnswer::Bad(error)) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(NoAnswer::App(error)) => {
            let (status, message) = ApiError::of(&error, &ask.request_id).in_short();
            refuse(status, &message)
        }
    }
}

/// An answer that is kept in memory and sent from there.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Shared {
    fn into_bytes(self) -> axum::body::Bytes {
        axum::body::Bytes::from_owner(self)
    }
}

/// Whether an address is one of clients of OpenCost: they read JSON, also of
/// what is not there. Below `/assets` are files of the site.
pub(super) fn is_theirs(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or("");
    ["model", "allocation", "cloudCost"].contains(&first) || path == "/assets"
}

/// Nothing of OpenCost is at this address, or not by this method.
pub(super) fn nothing_there(status: StatusCode, detail: &str) -> Response {
    refuse(status, detail)
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "code": status.as_u16(), "message": message });
    (status, axum::Json(body)).into_response()
}
