//! Is the data in, and whole?

use leptos::prelude::*;
use wire::{Source, SourcesPage};

use crate::components::bar::{Controls, bar};
use crate::components::deliveries::deliveries;
use crate::components::drivers::drivers;
use crate::components::figures::findings;
use crate::components::state::page;
use crate::components::usage::usage;
use crate::format;
use crate::query::parse_page;

/// The Sources page.
#[component]
pub(crate) fn Sources() -> impl IntoView {
    page(
        "Sources",
        |backend, search| {
            let query = parse_page(&search)?;
            Ok(async move { backend.sources(query).await })
        },
        show,
    )
}

fn show(page: &SourcesPage) -> AnyView {
    let context = &page.context;
    let failed = page.sources.iter().filter(|source| source.last_error.is_some()).count();
    let answer = match (context.sources_fresh == context.sources_total, failed) {
        (true, 0) => "Every source is in.".to_owned(),
        (_, 0) => format!("{} of {} sources are in.", context.sources_fresh, context.sources_total),
        (_, failed) => format!(
            "The last attempt failed for {failed} of {} sources.",
            context.sources_total
        ),
    };
    let controls = Controls {
        has_basis: false,
        has_currency: false,
        ..Controls::plain("/sources", context)
    };
    view! {
        {bar("Sources", context, controls)}
        <div class="content">
            <p class="lead"><b>{answer}</b></p>
            {findings(&page.findings)}
            {page.sources.iter().map(source).collect::<Vec<_>>()}
            {usage(page)}
            {drivers(page)}
        </div>
    }
    .into_any()
}

fn source(source: &Source) -> AnyView {
    let badge = if source.fresh {
        view! { <span class="badge ok">"fresh"</span> }
    } else {
        view! { <span class="badge est">"late"</span> }
    };
    let through = source.data_through.as_deref().unwrap_or("no day yet");
    let error = source.last_error.clone().map(|error| {
        view! { <p class="banner bad" role="note"><b>"The last attempt failed: "</b>{error}</p> }
    });
    let holds: Vec<_> = source
        .holds
        .iter()
        .map(|one| {
            let span = if one.first_period == one.last_period {
                format::month_short(&one.first_period)
            } else {
                format!(
                    "{} to {}",
                    format::month_short(&one.first_period),
                    format::month_short(&one.last_period)
                )
            };
            let periods = format::counted(u64::from(one.periods), "period", "periods");
            view! { <li>"account "<b>{one.account.clone()}</b>{format!(": {span}, {periods}")}</li> }
        })
        .collect();
    view! {
        <section class="source">
            <h2>{source.id.clone()}" "{badge}</h2>
            <p class="sub">
                {format!("{} · {} · data through {through}", source.provider, source.format)}
            </p>
            {error}
            <ul class="holds">{holds}</ul>
            {deliveries(format!("Deliveries of {}", source.id), &source.deliveries)}
        </section>
    }
    .into_any()
}
