//! Is the data in, and whole?

use leptos::prelude::*;
use wire::{Schedule, Source, SourcesPage};

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
            {schedules(&page.schedules)}
            {page.sources.iter().map(source).collect::<Vec<_>>()}
            {usage(page)}
            {drivers(page)}
        </div>
    }
    .into_any()
}

/// What the server takes in by itself; nothing when it does not.
fn schedules(all: &[Schedule]) -> Option<AnyView> {
    if all.is_empty() {
        return None;
    }
    let rows: Vec<_> = all
        .iter()
        .map(|one| {
            let last = match (&one.last_run, &one.result) {
                (Some(at), Some(result)) => {
                    let badge = one.failed.then(|| view! { <span class="badge bad">"failed"</span>" " });
                    view! { <div class="when">{format::instant(at)}" "{badge}</div><div class="why">{result.clone()}</div> }
                        .into_any()
                }
                _ => view! { <span class="muted">"not yet"</span> }.into_any(),
            };
            let next = one.next_run.as_deref().map_or("now".to_owned(), format::instant);
            view! {
                <tr>
                    <th scope="row">
                        {one.paths.join(", ")}
                        <div class="why">{one.source.clone().unwrap_or_default()}</div>
                    </th>
                    <td>{one.every.clone()}</td>
                    <td>{last}</td>
                    <td class="when">{next}</td>
                </tr>
            }
        })
        .collect();
    let table = view! {
        <section class="source">
        <div class="scroll" tabindex="0" role="group" aria-label="Taken in by schedule">
            <table class="schedules">
                <caption>"Taken in by schedule"</caption>
                <thead>
                    <tr>
                        <th scope="col">"From"</th>
                        <th scope="col">"Every"</th>
                        <th scope="col">"Last attempt"</th>
                        <th scope="col">"Next"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        </section>
    };
    Some(table.into_any())
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
