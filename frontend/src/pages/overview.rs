//! How are we doing this month?

use leptos::prelude::*;
use wire::{Chart, OverviewPage, SentencePart, Tile};

use crate::components::bar::{Controls, bar, page_query};
use crate::components::chart::chart;
use crate::components::cost_table::{CostTable, caveat, cost_table};
use crate::components::figures::{figure, reconciliation, tone};
use crate::components::reader::link;
use crate::components::state::page;
use crate::query::{PageQuery, href, parse_page, print_page};

/// The Overview page.
#[component]
pub(crate) fn Overview() -> impl IntoView {
    page(
        "Overview",
        |backend, search| {
            let query = parse_page(&search)?;
            Ok(async move { backend.overview(query).await })
        },
        show,
    )
}

fn show(page: &OverviewPage) -> AnyView {
    let context = &page.context;
    let query = page_query(context);
    let kept = query.clone();
    let controls = Controls {
        at_period: Box::new(move |period| {
            print_page(&PageQuery {
                period: Some(period.to_owned()),
                against: None,
                ..kept.clone()
            })
        }),
        compares: true,
        ..Controls::plain("/", context)
    };
    let table = CostTable {
        report: &page.tenants,
        query: None,
    };
    let check = href("/reconciliation", &print_page(&query));
    let tiles: Vec<_> = page.tiles.iter().map(tile).collect();
    view! {
        {bar("Overview", context, controls)}
        <div class="content">
            <p class="lead">{page.sentence.iter().map(part).collect::<Vec<_>>()}</p>
            <dl class="facts">{tiles}</dl>
            <div class="two">
                {page.month_to_date.as_ref().map(chart)}
                {page.causes.as_ref().map(chart)}
            </div>
            {caveat(&page.tenants)}
            {cost_table(&table)}
            {reconciliation(&page.tenants.reconciliation, check)}
            {page.months.as_ref().map(months)}
        </div>
    }
    .into_any()
}

fn months(drawing: &Chart) -> AnyView {
    view! { <div class="one">{chart(drawing)}</div> }.into_any()
}

fn part(part: &SentencePart) -> AnyView {
    view! { <span class=tone(part.tone)>{part.text.clone()}</span> }.into_any()
}

fn tile(tile: &Tile) -> AnyView {
    let label = match tile.href.clone() {
        Some(href) => link(href, tile.label.clone()),
        None => tile.label.clone().into_any(),
    };
    view! {
        <div class="fact">
            <dt>{label}</dt>
            <dd>{figure(&tile.value)}</dd>
            <dd class=format!("note {}", tone(tile.tone))>{tile.note.clone()}</dd>
        </div>
    }
    .into_any()
}
