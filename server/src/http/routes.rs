//! Every address, in one table: the router is built from it, the API document
//! and the list in `docs/ARCHITECTURE.md` are written from it, tests walk it.

use super::error::ApiError;
use super::observe::RequestId;
use super::{Web, access, api, assets, downloads, invoices, oidc, openapi, opencost, pages, probes, receive, theme};
use crate::app::push::MAX_BODY_BYTES;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use domain::access::Permission;

/// What sort of answer an address gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HTML for people.
    Page,
    /// A form's target; answers with a redirect.
    Form,
    /// A step of signing in elsewhere; answers with a redirect.
    Step,
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
    SignIn,
    SignInLink,
    ToProvider,
    FromProvider,
    SetUp,
    SignOut,
    Switch,
    Password,
    NewApiToken,
    RevokeOwnToken,
    EndOwnSession,
    Invite,
    Grant,
    RevokeGrant,
    Disable,
    Enable,
    NewLink,
    EndSession,
    NewApiTokenHere,
    RevokeToken,
    NewAgentToken,
    RevokeAgentToken,
    AuditCsv,
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
    /// Who may ask.
    pub need: Need,
    pub(super) answer: Answer,
}

/// What somebody needs to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: probes, built files, the way in.
    Nothing,
    /// An agent's token, which the handler itself asks for.
    AgentToken,
    /// To be signed in.
    SignedIn,
    /// A permission over something; the answer is cut to its reach.
    Some(Permission),
    /// A permission over the whole company.
    All(Permission),
    /// To see who may do what: to manage access or to audit it.
    SeeAccess,
}

impl Need {
    /// As the documentation has it.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Need::Nothing => "nobody in particular".to_owned(),
            Need::AgentToken => "an agent's token".to_owned(),
            Need::SignedIn => "anybody signed in".to_owned(),
            Need::Some(permission) => format!("may {}, cut to reach", permission.what()),
            Need::All(permission) => format!("may {}", permission.what()),
            Need::SeeAccess => "may manage access or read the audit log".to_owned(),
        }
    }
}

const fn gets(path: &'static str, kind: Kind, need: Need, answer: Answer, summary: &'static str) -> Route {
    Route {
        method: "GET",
        path,
        kind,
        summary,
        need,
        answer,
    }
}

const fn posts(path: &'static str, kind: Kind, need: Need, answer: Answer, summary: &'static str) -> Route {
    Route {
        method: "POST",
        path,
        kind,
        summary,
        need,
        answer,
    }
}

const COSTS: Need = Need::Some(Permission::ReadCosts);
const ESTATE: Need = Need::All(Permission::ReadEstate);
const INVOICES: Need = Need::All(Permission::EnterInvoices);
const ACCESS: Need = Need::All(Permission::ManageAccess);
const AUDIT: Need = Need::All(Permission::ReadAudit);

/// Every address the server answers; anything else is 404.
pub const ROUTES: &[Route] = &[
    gets(
        "/",
        Kind::Page,
        COSTS,
        Answer::Page,
        "Overview: how are we doing this month?",
    ),
    gets(
        "/costs",
        Kind::Page,
        COSTS,
        Answer::Page,
        "Costs: who and what costs how much?",
    ),
    gets(
        "/costs/converted",
        Kind::Page,
        COSTS,
        Answer::Page,
        "Costs in one currency: each charge converted once",
    ),
    gets(
        "/clusters",
        Kind::Page,
        ESTATE,
        Answer::Page,
        "Clusters: how well do we use what we pay for?",
    ),
    gets(
        "/commitments",
        Kind::Page,
        ESTATE,
        Answer::Page,
        "Commitments: how well are they used, and when do they end?",
    ),
    gets(
        "/reconciliation",
        Kind::Page,
        ESTATE,
        Answer::Page,
        "Reconciliation: does it add up to the invoice?",
    ),
    gets(
        "/deliveries/{id}",
        Kind::Page,
        ESTATE,
        Answer::Page,
        "Delivery: what did it change?",
    ),
    gets(
        "/explain/{id}",
        Kind::Page,
        COSTS,
        Answer::Page,
        "Explain: where does this figure come from?",
    ),
    gets(
        "/rules",
        Kind::Page,
        ESTATE,
        Answer::Page,
        "Rules: who pays for what, from when?",
    ),
    gets(
        "/sources",
        Kind::Page,
        ESTATE,
        Answer::Page,
        "Sources: is the data in, and whole?",
    ),
    gets(
        "/glossary",
        Kind::Page,
        Need::SignedIn,
        Answer::Page,
        "Glossary: what do the words mean?",
    ),
    gets(
        "/sign-in",
        Kind::Page,
        Need::Nothing,
        Answer::Page,
        "Sign in: who are you?",
    ),
    gets(
        "/access",
        Kind::Page,
        Need::SeeAccess,
        Answer::Page,
        "Access: who may see and do what?",
    ),
    gets(
        "/account",
        Kind::Page,
        Need::SignedIn,
        Answer::Page,
        "Account: who am I here?",
    ),
    gets("/audit", Kind::Page, AUDIT, Answer::Page, "Audit: who did what?"),
    posts(
        "/invoices",
        Kind::Form,
        INVOICES,
        Answer::EnterInvoice,
        "Enters an invoice and goes back to its month",
    ),
    posts(
        "/invoices/remove",
        Kind::Form,
        INVOICES,
        Answer::RemoveInvoice,
        "Takes an invoice back and goes back to its month",
    ),
    posts(
        "/theme",
        Kind::Form,
        Need::Nothing,
        Answer::Theme,
        "Keeps the colour theme in a cookie and goes back",
    ),
    posts(
        "/sign-in",
        Kind::Form,
        Need::Nothing,
        Answer::SignIn,
        "Signs somebody in by password",
    ),
    gets(
        "/sign-in/oidc/{provider}",
        Kind::Step,
        Need::Nothing,
        Answer::ToProvider,
        "To an OpenID provider, to sign in there",
    ),
    gets(
        "/sign-in/oidc/{provider}/callback",
        Kind::Step,
        Need::Nothing,
        Answer::FromProvider,
        "Back from an OpenID provider",
    ),
    posts(
        "/sign-in/link",
        Kind::Form,
        Need::Nothing,
        Answer::SignInLink,
        "Signs in whoever has a one-time link",
    ),
    posts(
        "/set-up",
        Kind::Form,
        Need::Nothing,
        Answer::SetUp,
        "Makes the first admin",
    ),
    posts(
        "/sign-out",
        Kind::Form,
        Need::SignedIn,
        Answer::SignOut,
        "Ends the session",
    ),
    posts(
        "/switch",
        Kind::Form,
        Need::SignedIn,
        Answer::Switch,
        "Another account, in a demo",
    ),
    posts(
        "/account/password",
        Kind::Form,
        Need::SignedIn,
        Answer::Password,
        "Changes one's own password",
    ),
    posts(
        "/account/tokens",
        Kind::Form,
        Need::SignedIn,
        Answer::NewApiToken,
        "Makes a token for a program of one's own",
    ),
    posts(
        "/account/tokens/revoke",
        Kind::Form,
        Need::SignedIn,
        Answer::RevokeOwnToken,
        "Revokes a token of one's own",
    ),
    posts(
        "/account/sessions/end",
        Kind::Form,
        Need::SignedIn,
        Answer::EndOwnSession,
        "Ends a session of one's own",
    ),
    posts(
        "/access/accounts",
        Kind::Form,
        ACCESS,
        Answer::Invite,
        "Lets somebody in",
    ),
    posts("/access/grants", Kind::Form, ACCESS, Answer::Grant, "Grants a role"),
    posts(
        "/access/revoke-grant",
        Kind::Form,
        ACCESS,
        Answer::RevokeGrant,
        "Takes a role back",
    ),
    posts(
        "/access/disable",
        Kind::Form,
        ACCESS,
        Answer::Disable,
        "Lets an account in no more",
    ),
    posts(
        "/access/enable",
        Kind::Form,
        ACCESS,
        Answer::Enable,
        "Lets an account in again",
    ),
    posts(
        "/access/link",
        Kind::Form,
        ACCESS,
        Answer::NewLink,
        "Makes a one-time link for an account",
    ),
    posts(
        "/access/sessions/end",
        Kind::Form,
        ACCESS,
        Answer::EndSession,
        "Ends anybody's session",
    ),
    posts(
        "/access/tokens",
        Kind::Form,
        Need::SignedIn,
        Answer::NewApiTokenHere,
        "Makes a token for a program of one's own",
    ),
    posts(
        "/access/tokens/revoke",
        Kind::Form,
        ACCESS,
        Answer::RevokeToken,
        "Revokes anybody's token",
    ),
    posts(
        "/access/agent-tokens",
        Kind::Form,
        ACCESS,
        Answer::NewAgentToken,
        "Makes a token for an agent",
    ),
    posts(
        "/access/agent-tokens/revoke",
        Kind::Form,
        ACCESS,
        Answer::RevokeAgentToken,
        "Revokes an agent's token",
    ),
    gets(
        "/costs/converted.csv",
        Kind::Download,
        COSTS,
        Answer::ConvertedCsv,
        "Costs in one currency as CSV, every row, every digit",
    ),
    gets(
        "/audit.csv",
        Kind::Download,
        AUDIT,
        Answer::AuditCsv,
        "The audit log as CSV",
    ),
    gets(
        "/costs.csv",
        Kind::Download,
        COSTS,
        Answer::CostsCsv,
        "The Costs page as CSV, every row, every digit",
    ),
    gets(
        "/costs.xlsx",
        Kind::Download,
        COSTS,
        Answer::CostsXlsx,
        "The Costs page as XLSX, every row",
    ),
    gets(
        "/api/v1/clusters",
        Kind::Api,
        ESTATE,
        Answer::Clusters,
        "Node cost of each cluster by what it paid for, and its pools",
    ),
    gets(
        "/api/v1/commitments",
        Kind::Api,
        ESTATE,
        Answer::Commitments,
        "Commitments: what is used and not, coverage, when they end",
    ),
    gets(
        "/api/v1/costs/converted",
        Kind::Api,
        COSTS,
        Answer::Converted,
        "Costs in one currency: each charge converted once",
    ),
    gets(
        "/api/v1/costs",
        Kind::Api,
        COSTS,
        Answer::Costs,
        "Costs grouped by one or two keys",
    ),
    gets(
        "/api/v1/deliveries",
        Kind::Api,
        ESTATE,
        Answer::Deliveries,
        "Deliveries of bills, the newest first",
    ),
    gets(
        "/api/v1/deliveries/{id}",
        Kind::Api,
        ESTATE,
        Answer::Delivery,
        "A delivery, and what it changed against the one it replaced",
    ),
    gets(
        "/api/v1/explain/{id}",
        Kind::Api,
        COSTS,
        Answer::Explain,
        "From a figure to bill lines and rules",
    ),
    gets(
        "/api/v1/overview",
        Kind::Api,
        COSTS,
        Answer::Overview,
        "The figures of the overview",
    ),
    gets(
        "/api/v1/periods",
        Kind::Api,
        COSTS,
        Answer::Periods,
        "Billing periods with data",
    ),
    gets(
        "/api/v1/reconciliation",
        Kind::Api,
        ESTATE,
        Answer::Reconciliation,
        "From the invoice to the owners, with residuals",
    ),
    gets(
        "/api/v1/rules",
        Kind::Api,
        ESTATE,
        Answer::Rules,
        "Owner rules with the money each decides",
    ),
    gets(
        "/api/v1/sources",
        Kind::Api,
        ESTATE,
        Answer::Sources,
        "Sources and their deliveries",
    ),
    posts(
        "/api/v1/usage/facts",
        Kind::Api,
        Need::AgentToken,
        Answer::ReceiveFacts,
        "Takes in the usage facts an agent pushes, once",
    ),
    gets(
        "/api/openapi.json",
        Kind::Api,
        Need::SignedIn,
        Answer::OpenApi,
        "This API as an OpenAPI document",
    ),
    gets(
        "/allocation",
        Kind::OpenCost,
        ESTATE,
        Answer::Allocation,
        "OpenCost: cost of workloads",
    ),
    gets(
        "/allocation/compute",
        Kind::OpenCost,
        ESTATE,
        Answer::Allocation,
        "OpenCost: cost of workloads, the same",
    ),
    gets(
        "/allocation/summary",
        Kind::OpenCost,
        ESTATE,
        Answer::AllocationSummary,
        "OpenCost: cost of workloads, fewer fields",
    ),
    gets(
        "/allocation/compute/summary",
        Kind::OpenCost,
        ESTATE,
        Answer::AllocationSummary,
        "OpenCost: cost of workloads, fewer fields, the same",
    ),
    gets(
        "/allocation/summary/topline",
        Kind::OpenCost,
        ESTATE,
        Answer::AllocationTopline,
        "OpenCost: the summary in one row",
    ),
    gets(
        "/assets",
        Kind::OpenCost,
        ESTATE,
        Answer::Assets,
        "OpenCost: nodes, disks and load balancers",
    ),
    gets(
        "/cloudCost",
        Kind::OpenCost,
        ESTATE,
        Answer::CloudCost,
        "OpenCost: the bill by account, service and the like",
    ),
    gets(
        "/cloudCost/view/graph",
        Kind::OpenCost,
        ESTATE,
        Answer::CloudCostGraph,
        "OpenCost: the bill by day, for a chart",
    ),
    gets(
        "/cloudCost/view/totals",
        Kind::OpenCost,
        ESTATE,
        Answer::CloudCostTotals,
        "OpenCost: the bill in one row, and how many rows there are",
    ),
    gets(
        "/cloudCost/view/table",
        Kind::OpenCost,
        ESTATE,
        Answer::CloudCostTable,
        "OpenCost: the bill as a table",
    ),
    gets(
        "/model/allocation",
        Kind::OpenCost,
        ESTATE,
        Answer::Allocation,
        "As without /model",
    ),
    gets(
        "/model/allocation/compute",
        Kind::OpenCost,
        ESTATE,
        Answer::Allocation,
        "As without /model",
    ),
    gets(
        "/model/allocation/summary",
        Kind::OpenCost,
        ESTATE,
        Answer::AllocationSummary,
        "As without /model",
    ),
    gets(
        "/model/allocation/compute/summary",
        Kind::OpenCost,
        ESTATE,
        Answer::AllocationSummary,
        "As without /model",
    ),
    gets(
        "/model/allocation/summary/topline",
        Kind::OpenCost,
        ESTATE,
        Answer::AllocationTopline,
        "As without /model",
    ),
    gets(
        "/model/assets",
        Kind::OpenCost,
        ESTATE,
        Answer::Assets,
        "As without /model",
    ),
    gets(
        "/model/cloudCost",
        Kind::OpenCost,
        ESTATE,
        Answer::CloudCost,
        "As without /model",
    ),
    gets(
        "/model/cloudCost/view/graph",
        Kind::OpenCost,
        ESTATE,
        Answer::CloudCostGraph,
        "As without /model",
    ),
    gets(
        "/model/cloudCost/view/totals",
        Kind::OpenCost,
        ESTATE,
        Answer::CloudCostTotals,
        "As without /model",
    ),
    gets(
        "/model/cloudCost/view/table",
        Kind::OpenCost,
        ESTATE,
        Answer::CloudCostTable,
        "As without /model",
    ),
    gets(
        "/healthz",
        Kind::Probe,
        Need::Nothing,
        Answer::Health,
        "The process is up",
    ),
    gets(
        "/readyz",
        Kind::Probe,
        Need::Nothing,
        Answer::Ready,
        "Database and lake can be reached",
    ),
    gets(
        "/metrics",
        Kind::Probe,
        ESTATE,
        Answer::Metrics,
        "Counts and durations for Prometheus",
    ),
    gets(
        "/pkg/{*file}",
        Kind::File,
        Need::Nothing,
        Answer::File,
        "The islands: glue and WebAssembly",
    ),
    gets(
        "/static/{*file}",
        Kind::File,
        Need::Nothing,
        Answer::File,
        "Style, fonts, icon",
    ),
    gets(
        "/assets/{*file}",
        Kind::File,
        Need::Nothing,
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
        Answer::SignIn => post(access::sign_in),
        Answer::SignInLink => post(access::link),
        Answer::ToProvider => get(oidc::begin),
        Answer::FromProvider => get(oidc::callback),
        Answer::SetUp => post(access::set_up),
        Answer::SignOut => post(access::sign_out),
        Answer::Switch => post(access::switch),
        Answer::Password => post(access::password),
        Answer::NewApiToken => post(access::new_api_token),
        Answer::RevokeOwnToken => post(access::revoke_own_token),
        Answer::EndOwnSession => post(access::end_own_session),
        Answer::Invite => post(access::invite),
        Answer::Grant => post(access::grant),
        Answer::RevokeGrant => post(access::revoke_grant),
        Answer::Disable => post(access::disable),
        Answer::Enable => post(access::enable),
        Answer::NewLink => post(access::new_link),
        Answer::EndSession => post(access::end_session),
        Answer::NewApiTokenHere => post(access::new_api_token_here),
        Answer::RevokeToken => post(access::revoke_token),
        Answer::NewAgentToken => post(access::new_agent_token),
        Answer::RevokeAgentToken => post(access::revoke_agent_token),
        Answer::AuditCsv => get(downloads::audit),
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

/// What a request needs; of an address that is not in the table, to be signed
/// in: what there is and is not, nobody else learns.
pub(super) fn need(method: &Method, matched: Option<&str>) -> Need {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let known = matched.and_then(|path| {
        let mut routes = ROUTES.iter().filter(|route| route.path == path);
        routes.find(|route| route.method == method)
    });
    known.map_or(Need::SignedIn, |route| route.need)
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
    pages::page(web, request).await
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

    #[tokio::test]
    async fn the_table_has_every_page_and_nothing_twice() {
        let listed = leptos_axum::generate_route_list(frontend::app::App);
        let pages: BTreeSet<String> = listed.iter().map(|page| page.path().to_owned()).collect();
        let table: BTreeSet<String> = ROUTES
            .iter()
            .filter(|route| route.kind == Kind::Page)
            .map(|route| route.path.to_owned())
            .collect();
        assert_eq!(pages, table);
        let asked: BTreeSet<(&str, &str)> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
        assert_eq!(asked.len(), ROUTES.len());
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
            Kind::Step => "step",
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
