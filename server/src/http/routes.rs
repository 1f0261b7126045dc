//! Every address, in one table: the router is built from it, the API document
//! and the list in `docs/ARCHITECTURE.md` are written from it, tests walk it.

use super::error::ApiError;
use super::observe::RequestId;
use super::{Web, api, assets, downloads, invoices, openapi, opencost, pages, probes, receive, theme};
use crate::app::push::MAX_BODY_BYTES;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};

/// What sort of answer an address gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HTML for people.
    Page,
    /// A form's target; answers with a redirect.
    Form,
    /// A file made of what a page shows.
    Download,
    /// JSON, described by `/api/openapi.json`.
    Api,
    /// JSON in the shape of OpenCost, for its clients.
    OpenCost,
    /// For machines that watch the server.
    Probe,
    /// A built file: script, style, font, icon.
    File,
}

/// Who answers; one arm in [`handler`] each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Page,
    Theme,
    EnterInvoice,
    RemoveInvoice,
    CostsCsv,
    CostsXlsx,
    Clusters,
    Commitments,
    Costs,
    Converted,
    ConvertedCsv,
    Overview,
    Reconciliation,
    Explain,
    Rules,
    Sources,
    Deliveries,
    Delivery,
    Periods,
    ReceiveFacts,
    OpenApi,
    Allocation,
    AllocationSummary,
    AllocationTopline,
    Assets,
    CloudCost,
    CloudCostGraph,
    CloudCostTotals,
    CloudCostTable,
    Health,
    Ready,
    Metrics,
    File,
}

/// One address.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET` (then `HEAD` too) or `POST`.
    pub method: &'static str,
    /// The path; `{name}` stands for one segment, `{*name}` for the rest.
    pub path: &'static str,
    /// What sort of answer it gives.
    pub kind: Kind,
    /// What it is for.
    pub summary: &'static str,
    pub(super) answer: Answer,
}

const fn gets(path: &'static str, kind: Kind, answer: Answer, summary: &'static str) -> Route {
    Route {
        method: "GET",
        path,
        kind,
        summary,
        answer,
    }
}

/// Every address the server answers; anything else is 404.
pub const ROUTES: &[Route] = &[
    gets("/", Kind::Page, Answer::Page, "Overview: how are we doing this month?"),
    gets(
        "/costs",
        Kind::Page,
        Answer::Page,
        "Costs: who and what costs how much?",
    ),
    gets(
        "/costs/converted",
        Kind::Page,
        Answer::Page,
        "Costs in one currency: each charge converted once",
    ),
    gets(
        "/clusters",
        Kind::Page,
        Answer::Page,
        "Clusters: how well do we use what we pay for?",
    ),
    gets(
        "/commitments",
        Kind::Page,
        Answer::Page,
        "Commitments: how well are they used, and when do they end?",
    ),
    gets(
        "/reconciliation",
        Kind::Page,
        Answer::Page,
        "Reconciliation: does it add up to the invoice?",
    ),
    gets(
        "/deliveries/{id}",
        Kind::Page,
        Answer::Page,
        "Delivery: what did it change?",
    ),
    gets(
        "/explain/{id}",
        Kind::Page,
        Answer::Page,
        "Explain: where does this figure come from?",
    ),
    gets(
        "/rules",
        Kind::Page,
        Answer::Page,
        "Rules: who pays for what, from when?",
    ),
    gets(
        "/sources",
        Kind::Page,
        Answer::Page,
        "Sources: is the data in, and whole?",
    ),
    gets(
        "/glossary",
        Kind::Page,
        Answer::Page,
        "Glossary: what do the words mean?",
    ),
    Route {
        method: "POST",
        path: "/invoices",
        kind: Kind::Form,
        summary: "Enters an invoice and goes back to its month",
        answer: Answer::EnterInvoice,
    },
    Route {
        method: "POST",
        path: "/invoices/remove",
        kind: Kind::Form,
        summary: "Takes an invoice back and goes back to its month",
        answer: Answer::RemoveInvoice,
    },
    Route {
        method: "POST",
        path: "/theme",
        kind: Kind::Form,
        summary: "Keeps the colour theme in a cookie and goes back",
        answer: Answer::Theme,
    },
    gets(
        "/costs/converted.csv",
        Kind::Download,
        Answer::ConvertedCsv,
        "Costs in one currency as CSV, every row, every digit",
    ),
    gets(
        "/costs.csv",
        Kind::Download,
        Answer::CostsCsv,
        "The Costs page as CSV, every row, every digit",
    ),
    gets(
        "/costs.xlsx",
        Kind::Download,
        Answer::CostsXlsx,
        "The Costs page as XLSX, every row",
    ),
    gets(
        "/api/v1/clusters",
        Kind::Api,
        Answer::Clusters,
        "Node cost of each cluster by what it paid for, and its pools",
    ),
    gets(
        "/api/v1/commitments",
        Kind::Api,
        Answer::Commitments,
        "Commitments: what is used and not, coverage, when they end",
    ),
    gets(
        "/api/v1/costs/converted",
        Kind::Api,
        Answer::Converted,
        "Costs in one currency: each charge converted once",
    ),
    gets(
        "/api/v1/costs",
        Kind::Api,
        Answer::Costs,
        "Costs grouped by one or two keys",
    ),
    gets(
        "/api/v1/deliveries",
        Kind::Api,
        Answer::Deliveries,
        "Deliveries of bills, the newest first",
    ),
    gets(
        "/api/v1/deliveries/{id}",
        Kind::Api,
        Answer::Delivery,
        "A delivery, and what it changed against the one it replaced",
    ),
    gets(
        "/api/v1/explain/{id}",
        Kind::Api,
        Answer::Explain,
        "From a figure to bill lines and rules",
    ),
    gets(
        "/api/v1/overview",
        Kind::Api,
        Answer::Overview,
        "The figures of the overview",
    ),
    gets(
        "/api/v1/periods",
        Kind::Api,
        Answer::Periods,
        "Billing periods with data",
    ),
    gets(
        "/api/v1/reconciliation",
        Kind::Api,
        Answer::Reconciliation,
        "From the invoice to the owners, with residuals",
    ),
    gets(
        "/api/v1/rules",
        Kind::Api,
        Answer::Rules,
        "Owner rules with the money each decides",
    ),
    gets(
        "/api/v1/sources",
        Kind::Api,
        Answer::Sources,
        "Sources and their deliveries",
    ),
    Route {
        method: "POST",
        path: "/api/v1/usage/facts",
        kind: Kind::Api,
        summary: "Takes in the usage facts an agent pushes, once",
        answer: Answer::ReceiveFacts,
    },
    gets(
        "/api/openapi.json",
        Kind::Api,
        Answer::OpenApi,
        "This API as an OpenAPI document",
    ),
    gets(
        "/allocation",
        Kind::OpenCost,
        Answer::Allocation,
        "OpenCost: cost of workloads",
    ),
    gets(
        "/allocation/compute",
        Kind::OpenCost,
        Answer::Allocation,
        "OpenCost: cost of workloads, the same",
    ),
    gets(
        "/allocation/summary",
        Kind::OpenCost,
        Answer::AllocationSummary,
        "OpenCost: cost of workloads, fewer fields",
    ),
    gets(
        "/allocation/compute/summary",
        Kind::OpenCost,
        Answer::AllocationSummary,
        "OpenCost: cost of workloads, fewer fields, the same",
    ),
    gets(
        "/allocation/summary/topline",
        Kind::OpenCost,
        Answer::AllocationTopline,
        "OpenCost: the summary in one row",
    ),
    gets(
        "/assets",
        Kind::OpenCost,
        Answer::Assets,
        "OpenCost: nodes, disks and load balancers",
    ),
    gets(
        "/cloudCost",
        Kind::OpenCost,
        Answer::CloudCost,
        "OpenCost: the bill by account, service and the like",
    ),
    gets(
        "/cloudCost/view/graph",
        Kind::OpenCost,
        Answer::CloudCostGraph,
        "OpenCost: the bill by day, for a chart",
    ),
    gets(
        "/cloudCost/view/totals",
        Kind::OpenCost,
        Answer::CloudCostTotals,
        "OpenCost: the bill in one row, and how many rows there are",
    ),
    gets(
        "/cloudCost/view/table",
        Kind::OpenCost,
        Answer::CloudCostTable,
        "OpenCost: the bill as a table",
    ),
    gets(
        "/model/allocation",
        Kind::OpenCost,
        Answer::Allocation,
        "As without /model",
    ),
    gets(
        "/model/allocation/compute",
        Kind::OpenCost,
        Answer::Allocation,
        "As without /model",
    ),
    gets(
        "/model/allocation/summary",
        Kind::OpenCost,
        Answer::AllocationSummary,
        "As without /model",
    ),
    gets(
        "/model/allocation/compute/summary",
        Kind::OpenCost,
        Answer::AllocationSummary,
        "As without /model",
    ),
    gets(
        "/model/allocation/summary/topline",
        Kind::OpenCost,
        Answer::AllocationTopline,
        "As without /model",
    ),
    gets("/model/assets", Kind::OpenCost, Answer::Assets, "As without /model"),
    gets(
        "/model/cloudCost",
        Kind::OpenCost,
        Answer::CloudCost,
        "As without /model",
    ),
    gets(
        "/model/cloudCost/view/graph",
        Kind::OpenCost,
        Answer::CloudCostGraph,
        "As without /model",
    ),
    gets(
        "/model/cloudCost/view/totals",
        Kind::OpenCost,
        Answer::CloudCostTotals,
        "As without /model",
    ),
    gets(
        "/model/cloudCost/view/table",
        Kind::OpenCost,
        Answer::CloudCostTable,
        "As without /model",
    ),
    gets("/healthz", Kind::Probe, Answer::Health, "The process is up"),
    gets(
        "/readyz",
        Kind::Probe,
        Answer::Ready,
        "Database and lake can be reached",
    ),
    gets(
        "/metrics",
        Kind::Probe,
        Answer::Metrics,
        "Counts and durations for Prometheus",
    ),
    gets(
        "/pkg/{*file}",
        Kind::File,
        Answer::File,
        "The islands: glue and WebAssembly",
    ),
    gets("/static/{*file}", Kind::File, Answer::File, "Style, fonts, icon"),
    gets(
        "/assets/{*file}",
        Kind::File,
        Answer::File,
        "Fonts and icon of a site built by `cargo leptos watch`",
    ),
];

/// The router of the table, and what answers everything else. Pages come from
/// the frontend's own list (reading it also gives rendering its runtime); a
/// test holds the two together.
pub(super) fn mount() -> Router<Web> {
    let pages = leptos_axum::generate_route_list(frontend::app::App);
    let router = pages.iter().fold(Router::new(), |router, page| {
        router.route(page.path(), handler(Answer::Page))
    });
    let others = ROUTES.iter().filter(|route| route.kind != Kind::Page);
    let router = others.fold(router, |router, route| router.route(route.path, handler(route.answer)));
    router.method_not_allowed_fallback(wrong_method).fallback(nothing_there)
}

fn handler(answer: Answer) -> MethodRouter<Web> {
    match answer {
        Answer::Page => get(pages::page),
        Answer::Theme => post(theme::choose),
        Answer::EnterInvoice => post(invoices::enter),
        Answer::RemoveInvoice => post(invoices::remove),
        Answer::CostsCsv => get(downloads::csv),
        Answer::CostsXlsx => get(downloads::xlsx),
        Answer::Clusters => get(api::clusters),
        Answer::Commitments => get(api::commitments),
        Answer::Costs => get(api::costs),
        Answer::Converted => get(api::converted),
        Answer::ConvertedCsv => get(downloads::converted),
        Answer::Overview => get(api::overview),
        Answer::Reconciliation => get(api::reconciliation),
        Answer::Explain => get(api::explain),
        Answer::Rules => get(api::rules),
        Answer::Sources => get(api::sources),
        Answer::Deliveries => get(api::deliveries),
        Answer::Delivery => get(api::delivery),
        Answer::Periods => get(api::periods),
        Answer::ReceiveFacts => post(receive::facts).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)),
        Answer::OpenApi => get(openapi::document),
        Answer::Allocation => get(opencost::allocation),
        Answer::AllocationSummary => get(opencost::summary),
        Answer::AllocationTopline => get(opencost::topline),
        Answer::Assets => get(opencost::assets),
        Answer::CloudCost => get(opencost::cloud_cost),
        Answer::CloudCostGraph => get(opencost::cloud_cost_graph),
        Answer::CloudCostTotals => get(opencost::cloud_cost_totals),
        Answer::CloudCostTable => get(opencost::cloud_cost_table),
        Answer::Health => get(probes::health),
        Answer::Ready => get(probes::ready),
        Answer::Metrics => get(probes::metrics),
        Answer::File => get(assets::file),
    }
}

/// The table's word for a matched path: a closed set, so that metrics cannot
/// be flooded with names.
pub(super) fn label(matched: Option<&str>) -> &'static str {
    let known = matched.and_then(|path| ROUTES.iter().find(|route| route.path == path));
    known.map_or("other", |route| route.path)
}

async fn wrong_method(Extension(id): Extension<RequestId>, request: Request) -> Response {
    let detail = format!("{} is not answered here", request.method());
    if opencost::is_theirs(request.uri().path()) {
        return opencost::nothing_there(StatusCode::METHOD_NOT_ALLOWED, &detail);
    }
    ApiError::refused(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", detail, &id).for_path(request.uri().path())
}

/// A page for people, JSON for programs.
async fn nothing_there(
    web: axum::extract::State<Web>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    if request.uri().path().starts_with("/api/") {
        let detail = "there is nothing here; /api/openapi.json lists what there is";
        return ApiError::refused(StatusCode::NOT_FOUND, "not_found", detail, &id).for_path("/api/");
    }
    if opencost::is_theirs(request.uri().path()) {
        let detail = format!(
            "there is no {}; /api/openapi.json lists what there is",
            request.uri().path()
        );
        return opencost::nothing_there(StatusCode::NOT_FOUND, &detail);
    }
    if let Some(address) = one_spelling(request.uri()) {
        return Redirect::permanent(&address).into_response();
    }
    pages::page(web, Extension(id), request).await
}

/// The address without empty segments, when it has some: the frontend's router
/// ignores them, and one page has one address.
fn one_spelling(uri: &Uri) -> Option<String> {
    let segments: Vec<&str> = uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let path = format!("/{}", segments.join("/"));
    if path == uri.path() || !theme::is_local(&path) {
        return None;
    }
    Some(uri.query().map_or(path.clone(), |query| format!("{path}?{query}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_has_every_page_and_nothing_twice() {
        let listed = leptos_axum::generate_route_list(frontend::app::App);
        let pages: BTreeSet<String> = listed.iter().map(|page| page.path().to_owned()).collect();
        let table: BTreeSet<String> = ROUTES
            .iter()
            .filter(|route| route.kind == Kind::Page)
            .map(|route| route.path.to_owned())
            .collect();
        assert_eq!(pages, table);
        let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
        assert_eq!(paths.len(), ROUTES.len());
        assert!(ROUTES.iter().all(|route| !route.summary.is_empty()));
    }

    #[test]
    fn the_documentation_lists_every_address() {
        let text = include_str!("../../../docs/ARCHITECTURE.md");
        let table = text
            .split("<!-- routes -->")
            .nth(1)
            .and_then(|rest| rest.split("<!-- /routes -->").next());
        let listed: Vec<&str> = table
            .expect("the marks around the table")
            .lines()
            .filter(|line| line.starts_with("| GET") || line.starts_with("| POST"))
            .collect();
        let kind = |kind: Kind| match kind {
            Kind::Page => "page",
            Kind::Form => "form",
            Kind::Download => "download",
            Kind::Api => "api",
            Kind::OpenCost => "opencost",
            Kind::Probe => "probe",
            Kind::File => "file",
        };
        let expected: Vec<String> = ROUTES
            .iter()
            .map(|r| format!("| {} | `{}` | {} | {} |", r.method, r.path, kind(r.kind), r.summary))
            .collect();
        assert_eq!(listed, expected, "docs/ARCHITECTURE.md and the table differ");
    }

    #[test]
    fn one_page_has_one_address() {
        let table = [
            ("/costs/?by=tenant", Some("/costs?by=tenant")),
            ("//costs", Some("/costs")),
            ("/explain/1//", Some("/explain/1")),
            ("//evil.example/", Some("/evil.example")),
            ("/costs", None),
            ("/", None),
        ];
        for (given, expected) in table {
            let uri = Uri::builder().path_and_query(given).build().expect("an address");
            assert_eq!(one_spelling(&uri).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn a_label_is_from_the_table() {
        assert_eq!(label(Some("/explain/{id}")), "/explain/{id}");
        assert_eq!(label(Some("/nowhere")), "other");
        assert_eq!(label(None), "other");
    }
}
