//! No page has this address.

use leptos::prelude::*;
use leptos_router::hooks::use_url;
use wire::PageError;

use crate::components::state::failed;
use crate::shell::StatusSink;

/// The page for addresses without one.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    if let Some(StatusSink(set)) = use_context::<StatusSink>() {
        set(404);
    }
    let what = use_url().with_untracked(|url| format!("the page {}", url.path()));
    failed("Not found", PageError::NotFound { what })
}
