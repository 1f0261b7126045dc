//! Pages that are not as hoped: empty, missing, forbidden, failed. Also the one
//! way every page gets its data.

use std::future::Future;
use std::sync::Arc;

use leptos::prelude::*;
use leptos_router::hooks::use_url;
use wire::{PageError, Site};

use crate::backend::Backend;
use crate::components::bar::plain_bar;
use crate::components::reader::ReadBy;
use crate::pages::start;
use crate::shell::StatusSink;
use crate::{format, words};

/// Asks the backend for a page's DTO and shows it, or says why it cannot.
pub(crate) fn page<T, Answer>(
    title: &'static str,
    ask: impl FnOnce(Arc<dyn Backend>, String) -> Result<Answer, PageError>,
    show: impl FnOnce(&T) -> AnyView + Send + 'static,
) -> impl IntoView
where
    T: Send + 'static,
    Answer: Future<Output = Result<T, PageError>> + Send + 'static,
{
    let search = use_url().with_untracked(|url| url.search().to_owned());
    let sink = use_context::<StatusSink>();
    let site = use_context::<AsyncDerived<Site>>();
    let unavailable = PageError::Unavailable {
        request_id: "none".to_owned(),
    };
    let asked = use_context::<Arc<dyn Backend>>()
        .ok_or(unavailable)
        .and_then(|backend| ask(backend, search));
    Suspend::new(async move {
        let answer = match asked {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        let reader = match site {
            Some(site) => site.await.reader,
            None => None,
        };
        provide_context(ReadBy(reader));
        match answer {
            Ok(dto) => show(&dto),
            Err(error) => {
                if let Some(StatusSink(set)) = sink {
                    set(error.status());
                }
                failed(title, error)
            }
        }
    })
}

/// Says what failed, what is still right, and what to do.
pub(crate) fn failed(title: &'static str, error: PageError) -> AnyView {
    let overview = || view! { <a class="btn" href="/">"Back to the overview"</a> }.into_any();
    let retry = || view! { <a class="btn" href="">"Try again"</a> }.into_any();
    let (what, detail, action) = match error {
        PageError::NoData => return start::start(title),
        PageError::Forbidden { what, who } => return forbidden(title, &what, &who),
        PageError::NotFound { what } => (
            "There is no such thing here",
            format!("Looked for: {what}."),
            overview(),
        ),
        PageError::Stale { as_of } => {
            let as_of = format::instant(&as_of);
            (
                "These figures are too old to show",
                format!("The last good ones are as of {as_of}."),
                retry(),
            )
        }
        PageError::Unavailable { request_id } => (
            "This page could not be put together",
            format!("Nothing was changed and no figure is lost. Request id for the logs: {request_id}."),
            retry(),
        ),
        PageError::BadRequest { what, remedy } => {
            ("This address does not fit", format!("{what}: {remedy}."), overview())
        }
    };
    view! {
        {plain_bar(title)}
        <section class="content empty">
            <h2>{what}</h2>
            <p>{detail}</p>
            <p>{action}</p>
        </section>
    }
    .into_any()
}

/// Says what is missing, and who can grant it.
fn forbidden(title: &'static str, what: &str, who: &[String]) -> AnyView {
    let ask = if who.is_empty() {
        "Nobody here can grant it: there is no admin. Whoever runs the server can make one.".to_owned()
    } else {
        format!("Ask {} to grant it: they manage access.", words::any_of(who))
    };
    view! {
        {plain_bar(title)}
        <section class="content empty">
            <h2>{format!("You may not {what}")}</h2>
            <p>"None of your roles permits it, or not as far as this page reaches."</p>
            <p>{ask}</p>
            <p class="row">
                <a class="btn" href="/">"Back to the overview"</a>
                <a class="btn" href="/account">"See your roles"</a>
            </p>
        </section>
    }
    .into_any()
}
