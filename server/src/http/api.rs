//! `/api/v1`: the figures of the pages as JSON, from the same use cases and
//! the same query strings.

use super::error::ApiError;
use super::observe::RequestId;
use crate::app::App;
use crate::app::explain::{Lines, Within};
use crate::app::reports::Rows;
use crate::error::AppError;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use frontend::query::{parse_converted, parse_costs, parse_explain, parse_page, parse_rules};
use serde::Serialize;
use wire::{
    ClustersPage, CommitmentsPage, Context, ConvertedPage, CostReport, Delivery, DeliveryChanges, Explain,
    OverviewPage, PageError, Reconciliation, RulesPage, SourcesPage,
};

/// What a handler needs to know of its request.
pub(super) struct Ask {
    /// The use cases, for whoever asks.
    pub(super) app: App,
    pub(super) request_id: RequestId,
    /// The query string, as sent.
    pub(super) query: String,
}

impl<S: Sync> FromRequestParts<S> for Ask {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Ask, ApiError> {
        let request_id = parts
            .extensions
            .get::<RequestId>()
            .cloned()
            .unwrap_or_else(|| RequestId::new("none"));
        let Some(app) = parts.extensions.get::<App>().cloned() else {
            // `admit` puts it there before any handler runs
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(ApiError::broken(status, "broken", &request_id));
        };
        Ok(Ask {
            app,
            request_id,
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

impl Ask {
    fn parse<T>(&self, parse: fn(&str) -> Result<T, PageError>) -> Result<T, ApiError> {
        parse(&self.query).map_err(|error| ApiError::of_query(&error, &self.request_id))
    }

    fn answer<T>(&self, answer: Result<T, AppError>) -> Result<T, ApiError> {
        answer.map_err(|error| ApiError::of(&error, &self.request_id))
    }

    fn unreadable(&self, error: &PathRejection) -> ApiError {
        let detail = error.body_text();
        ApiError::refused(StatusCode::BAD_REQUEST, "bad_parameter", detail, &self.request_id)
    }

    /// Every row, unless a page of them is asked for.
    fn rows(&self) -> Rows {
        let paged = self.query.split('&').any(|pair| pair.starts_with("page="));
        if paged { Rows::Page } else { Rows::All }
    }
}

/// A report with what its figures are about.
#[derive(Serialize)]
pub(super) struct Report<T> {
    #[serde(flatten)]
    report: T,
    context: Context,
}

type Answer<T> = Result<Json<T>, ApiError>;

pub(super) async fn costs(ask: Ask) -> Answer<Report<CostReport>> {
    let query = ask.parse(parse_costs)?;
    let mut page = ask.answer(ask.app.costs(&query, ask.rows()).await)?;
    // drawings are for the pages; the trend's figures are here
    page.report
        .rows
        .iter_mut()
        .chain(&mut page.report.other)
        .for_each(|row| row.sparkline = None);
    Ok(Json(Report {
        report: page.report,
        context: page.context,
    }))
}

pub(super) async fn converted(ask: Ask) -> Answer<ConvertedPage> {
    let query = ask.parse(parse_converted)?;
    Ok(Json(ask.answer(ask.app.converted_page(&query).await)?))
}

pub(super) async fn overview(ask: Ask) -> Answer<OverviewPage> {
    let query = ask.parse(parse_page)?;
    Ok(Json(ask.answer(ask.app.overview(&query).await)?))
}

pub(super) async fn clusters(ask: Ask) -> Answer<ClustersPage> {
    let query = ask.parse(parse_page)?;
    Ok(Json(ask.answer(ask.app.clusters_page(&query).await)?))
}

pub(super) async fn commitments(ask: Ask) -> Answer<CommitmentsPage> {
    let query = ask.parse(parse_page)?;
    Ok(Json(ask.answer(ask.app.commitments_page(&query).await)?))
}

pub(super) async fn reconciliation(ask: Ask) -> Answer<Report<Reconciliation>> {
    let query = ask.parse(parse_page)?;
    let page = ask.answer(ask.app.reconciliation(&query).await)?;
    Ok(Json(Report {
        report: page.report,
        context: page.context,
    }))
}

pub(super) async fn explain(id: Result<Path<String>, PathRejection>, ask: Ask) -> Answer<Report<Explain>> {
    let Path(id) = id.map_err(|error| ask.unreadable(&error))?;
    let query = ask.parse(parse_explain)?;
    let listed = Lines::Page(query.page);
    let page = ask.answer(ask.app.explain(&id, listed, &Within::of(&query)).await)?;
    Ok(Json(Report {
        report: page.explain,
        context: page.context,
    }))
}

pub(super) async fn rules(ask: Ask) -> Answer<RulesPage> {
    let query = ask.parse(parse_rules)?;
    Ok(Json(ask.answer(ask.app.rules_page(&query).await)?))
}

pub(super) async fn sources(ask: Ask) -> Answer<SourcesPage> {
    let query = ask.parse(parse_page)?;
    Ok(Json(ask.answer(ask.app.sources_page(&query).await)?))
}

/// Deliveries of bills.
#[derive(Serialize)]
pub(super) struct Deliveries {
    deliveries: Vec<Delivery>,
}

pub(super) async fn deliveries(ask: Ask) -> Answer<Deliveries> {
    let deliveries = ask.answer(ask.app.deliveries(None).await)?;
    Ok(Json(Deliveries { deliveries }))
}

pub(super) async fn delivery(id: Result<Path<String>, PathRejection>, ask: Ask) -> Answer<DeliveryChanges> {
    let Path(id) = id.map_err(|error| ask.unreadable(&error))?;
    Ok(Json(ask.answer(ask.app.delivery_changes(&id, None, ask.rows()).await)?))
}

/// Billing periods with data, oldest first.
#[derive(Serialize)]
pub(super) struct Periods {
    periods: Vec<String>,
    /// The period shown when none is asked for.
    newest: Option<String>,
}

pub(super) async fn periods(ask: Ask) -> Answer<Periods> {
    let periods = ask.answer(ask.app.billing_periods().await)?;
    let periods: Vec<String> = periods.iter().map(ToString::to_string).collect();
    Ok(Json(Periods {
        newest: periods.last().cloned(),
        periods,
    }))
}
