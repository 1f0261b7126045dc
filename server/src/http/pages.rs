//! Pages: rendered whole on the server, complete without scripts.

use super::backend::Answers;
use super::observe::RequestId;
use super::{Web, security, theme};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use frontend::backend::Backend;
use frontend::shell::{StatusSink, shell};
use leptos::nonce::use_nonce;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::ResponseOptions;
use std::sync::Arc;

/// The page of the request's path, the 404 page included.
pub(super) async fn page(
    State(web): State<Web>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Response {
    let theme = theme::chosen(request.headers());
    let backend: Arc<dyn Backend> = Arc::new(Answers {
        app: web.app.clone(),
        request_id,
    });
    let assets = web.files.urls().clone();
    let provide = move || {
        provide_context(Arc::clone(&backend));
        provide_context(assets.clone());
        provide_context(theme);
        let Some(response) = use_context::<ResponseOptions>() else {
            return;
        };
        let policy = use_nonce().map(|nonce| security::page_policy(&nonce));
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
