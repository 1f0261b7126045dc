//! Routes: one page for each question.

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::{ParamSegment, SsrMode, StaticSegment};

use crate::components::frame::Frame;
use crate::pages::access::Access;
use crate::pages::account::Account;
use crate::pages::audit::Audit;
use crate::pages::clusters::Clusters;
use crate::pages::commitments::Commitments;
use crate::pages::converted::Converted;
use crate::pages::costs::Costs;
use crate::pages::delivery::DeliveryPage;
use crate::pages::explain::Explain;
use crate::pages::glossary::Glossary;
use crate::pages::not_found::NotFound;
use crate::pages::overview::Overview;
use crate::pages::reconciliation::Reconciliation;
use crate::pages::rules::Rules;
use crate::pages::sign_in::SignIn;
use crate::pages::sources::Sources;

/// The application: frame and routes. Every page is rendered whole before its
/// first byte is sent, so it is complete without scripts.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Router>
            <Frame>
                <Routes fallback=NotFound>
                    <Route path=StaticSegment("") view=Overview ssr=SsrMode::Async />
                    <Route path=StaticSegment("costs") view=Costs ssr=SsrMode::Async />
                    <Route path=(StaticSegment("costs"), StaticSegment("converted")) view=Converted ssr=SsrMode::Async />
                    <Route path=StaticSegment("clusters") view=Clusters ssr=SsrMode::Async />
                    <Route path=StaticSegment("commitments") view=Commitments ssr=SsrMode::Async />
                    <Route path=StaticSegment("reconciliation") view=Reconciliation ssr=SsrMode::Async />
                    <Route path=(StaticSegment("explain"), ParamSegment("id")) view=Explain ssr=SsrMode::Async />
                    <Route path=StaticSegment("rules") view=Rules ssr=SsrMode::Async />
                    <Route path=StaticSegment("sources") view=Sources ssr=SsrMode::Async />
                    <Route path=(StaticSegment("deliveries"), ParamSegment("id")) view=DeliveryPage ssr=SsrMode::Async />
                    <Route path=StaticSegment("access") view=Access ssr=SsrMode::Async />
                    <Route path=StaticSegment("audit") view=Audit ssr=SsrMode::Async />
                    <Route path=StaticSegment("account") view=Account ssr=SsrMode::Async />
                    <Route path=StaticSegment("sign-in") view=SignIn ssr=SsrMode::Async />
                    <Route path=StaticSegment("glossary") view=Glossary ssr=SsrMode::Async />
                </Routes>
            </Frame>
        </Router>
    }
}
