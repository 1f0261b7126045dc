//! Pages: rendered whole on the server, complete without scripts.

use super::backend::Answers;
use super::observe::RequestId;
use super::{Web, security, theme};
use crate::app::App;
use crate::app::access::Caller;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::access::Scope;
use frontend::backend::Backend;
use frontend::shell::{StatusSink, shell};
use leptos::nonce::use_nonce;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::ResponseOptions;
use std::sync::Arc;

/// What is shown instead of a page that its reader may not see.
#[derive(Debug, Clone)]
pub(super) struct Denied {
    /// What they may not do.
    pub(super) what: &'static str,
    /// Who can grant it.
    pub(super) who: Vec<String>,
}

/// The page of the request's path, the 404 page included.
pub(super) async fn page(State(web): State<Web>, request: Request) -> Response {
    let theme = theme::chosen(request.headers());
    let extensions = request.extensions();
    let id = extensions.get::<RequestId>().cloned();
    let request_id = id.unwrap_or_else(|| RequestId::new("none"));
    let app = extensions.get::<App>().cloned();
    let backend: Arc<dyn Backend> = Arc::new(Answers {
        // `admit` puts one there before any handler runs
        app: app.unwrap_or_else(|| web.house.acting(Scope::nobody())),
        caller: extensions.get::<Caller>().cloned(),
        denied: extensions.get::<Denied>().cloned(),
        request_id,
    });
    let providers = web.house.acting(Scope::nobody()).provider_origins();
    let assets = web.files.urls().clone();
    let provide = move || {
        provide_context(Arc::clone(&backend));
        provide_context(assets.clone());
        provide_context(theme);
        let Some(response) = use_context::<ResponseOptions>() else {
            return;
        };
        let policy = use_nonce().map(|nonce| security::page_policy(&nonce, &providers));
        if let Some(policy) = policy.and_then(|policy| HeaderValue::from_str(&policy).ok()) {
            response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
        }
        provide_context(StatusSink(Arc::new(move |status| {
            if let Ok(status) = StatusCode::from_u16(status) {
                response.set_status(status);
            }
        })));
    };
    leptos_axum::render_app_async_with_context(provide, shell)(request).await
}
