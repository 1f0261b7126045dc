//! For machines that watch: alive, ready, metrics.

use super::Web;
use super::api::Ask;
use super::error::ApiError;
use crate::error::AppError;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The process is up.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// The database answers and the lake can be written.
pub(super) async fn ready(State(web): State<Web>, ask: Ask) -> Response {
    match reachable(&web).await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => ApiError::of(&error, &ask.request_id).plain(),
    }
}

async fn reachable(web: &Web) -> Result<(), AppError> {
    web.app.store().manifest_version().await?;
    let lake = web.app.lake().clone();
    // a file begun and given up: the lake's folder is there and takes files
    let begin = move || Ok(lake.staging().map(|_given_up| ())?);
    web.app.heavy("cannot reach the lake", begin).await
}

/// Counts, durations, what is held, and costs of nodes and workloads, for
/// Prometheus.
pub(super) async fn metrics(State(web): State<Web>, ask: Ask) -> Response {
    match gauges(&web).await {
        Ok(gauges) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            let mut text = web.metrics.print(&gauges);
            text.push_str(&String::from_utf8_lossy(&web.app.cost_metrics().await));
            (kind, text).into_response()
        }
        Err(error) => ApiError::of(&error, &ask.request_id).plain(),
    }
}

async fn gauges(web: &Web) -> Result<[(&'static str, &'static str, i64); 2], AppError> {
    let version = web.app.store().manifest_version().await?;
    let totals = web.app.store().active_totals(None).await?;
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
