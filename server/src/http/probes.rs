//! For machines that watch: alive, ready, metrics.

use super::Web;
use super::api::Ask;
use super::error::ApiError;
use super::observe::RequestId;
use crate::app::App;
use crate::error::AppError;
use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::access::Scope;

/// The process is up.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// The database answers and the lake can be written.
pub(super) async fn ready(State(web): State<Web>, Extension(id): Extension<RequestId>) -> Response {
    match reachable(&web.house.acting(Scope::system("probe"))).await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => ApiError::of(&error, &id).plain(),
    }
}

async fn reachable(app: &App) -> Result<(), AppError> {
    app.store().manifest_version().await?;
    let lake = app.lake().clone();
    // a file begun and given up: the lake's folder is there and takes files
    let begin = move || Ok(lake.staging().map(|_given_up| ())?);
    app.heavy("cannot reach the lake", begin).await
}

/// Counts, durations, what is held, and costs of nodes and workloads, for
/// Prometheus.
pub(super) async fn metrics(State(web): State<Web>, ask: Ask) -> Response {
    match gauges(&ask.app).await {
        Ok(gauges) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            let mut text = web.metrics.print(&gauges);
            text.push_str(&String::from_utf8_lossy(&ask.app.cost_metrics().await));
            (kind, text).into_response()
        }
        Err(error) => ApiError::of(&error, &ask.request_id).plain(),
    }
}

async fn gauges(app: &App) -> Result<[(&'static str, &'static str, i64); 2], AppError> {
    let version = app.store().manifest_version().await?;
    let totals = app.store().active_totals(None).await?;
    let rows = totals
        .iter()
        .map(|held| held.total.rows)
        .fold(0, |sum: u64, rows| sum.saturating_add(rows));
    Ok([
        (
            "tonnage_manifest_version",
            "Version of what counts: moves on with every change.",
            version,
        ),
        (
            "tonnage_charge_rows",
            "Charge rows that count.",
            i64::try_from(rows).unwrap_or(i64::MAX),
        ),
    ])
}
