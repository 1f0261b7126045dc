//! Who and what costs how much?

use leptos::prelude::*;
use wire::{CostsPage, CostsQuery, GroupOption, SortOrder};

use crate::components::bar::{Controls, bar, fold, page_query};
use crate::components::chart::chart;
use crate::components::cost_table::{CostTable, caveat, cost_table};
use crate::components::figures::reconciliation;
use crate::components::pager::pages;
use crate::components::state::page;
use crate::query::{href, parse_costs, print_costs, print_page, sort_word};
use crate::{format, words};

/// The Costs page.
#[component]
pub(crate) fn Costs() -> impl IntoView {
    page(
        "Costs",
        |backend, search| {
            let query = parse_costs(&search)?;
            Ok(async move { backend.costs(query).await })
        },
        show,
    )
}

fn show(page: &CostsPage) -> AnyView {
    let query = &page.query;
    let report = &page.report;
    let table = CostTable {
        report,
        query: Some(query),
    };
    let check = href("/reconciliation", &print_page(&page_query(&page.context)));
    let status = format!(
        "{}, total {} {}",
        format::counted(report.page.rows, "row", "rows"),
        format::money(&report.total),
        report.currency
    );
    view! {
        {bar("Costs", &page.context, controls(query))}
        <div class="content">
            {tools(page)}
            <p class="vh" role="status">{status}</p>
            {caveat(report)}
            {cost_table(&table)}
            {pager(page)}
            {reconciliation(&report.reconciliation, check)}
            {page.chart.as_ref().map(|drawing| view! { <div class="one">{chart(drawing)}</div> })}
        </div>
    }
    .into_any()
}

fn controls(query: &CostsQuery) -> Controls {
    let mut hidden: Vec<(&'static str, String)> = query
        .filters
        .iter()
        .map(|(key, value)| ("f", format!("{key}:{value}")))
        .collect();
    hidden.push(("sort", sort_word(query.sort).to_owned()));
    hidden.push((
        "dir",
        if query.dir == SortOrder::Asc { "asc" } else { "desc" }.to_owned(),
    ));
    let base = query.clone();
    Controls {
        path: "/costs",
        hidden,
        at_period: Box::new(move |period| {
            // the period compared with follows, so that it stays the one before
            print_costs(&CostsQuery {
                period: Some(period.to_owned()),
                against: None,
                page: 1,
                ..base.clone()
            })
        }),
        compares: true,
        has_basis: true,
        has_currency: true,
    }
}

/// Group by, filters and downloads. The fields belong to the form in the bar.
fn tools(page: &CostsPage) -> AnyView {
    let query = &page.query;
    let level = |at: usize| query.by.get(at).map_or("", String::as_str);
    let chips: Vec<_> = (0..query.filters.len()).map(|at| chip(query, at)).collect();
    let export = |path: &str| {
        href(
            path,
            &print_costs(&CostsQuery {
                page: 1,
                ..query.clone()
            }),
        )
    };
    let grouped: Vec<String> = query.by.iter().map(|key| words::key(key)).collect();
    let mut chosen = format!("By {}", grouped.join(", ").to_lowercase());
    if !query.filters.is_empty() {
        chosen += &format!(
            " · {}",
            format::counted(query.filters.len() as u64, "filter", "filters")
        );
    }
    view! {
        {fold(chosen)}
        <div class="tools">
            <div class="group" role="group" aria-label="Group by">
                <label class="ctl">
                    <span>"group by"</span>
                    <select name="by" form="q">{options(&page.options, level(0), None)}</select>
                </label>
                <label class="ctl">
                    <span>"then"</span>
                    <select name="by" form="q">{options(&page.options, level(1), Some("nothing"))}</select>
                </label>
            </div>
            {(!chips.is_empty()).then(|| view! { <ul class="chips" aria-label="Filters">{chips}</ul> })}
            <div class="group" role="group" aria-label="Add a filter">
                <label class="ctl">
                    <span>"filter"</span>
                    <select name="fk" form="q" data-manual="">{options(&page.options, "", Some("choose a key"))}</select>
                </label>
                <input class="field" id="filter-value" name="fv" form="q" r#type="text" autocomplete="off"
                    aria-label="Filter value, empty for without one" placeholder="value" />
                <button class="btn" r#type="submit" form="q">"Add"</button>
            </div>
            <div class="exports">
                {(page.context.currencies.len() > 1).then(|| {
                    view! { <a class="btn" href=export("/costs/converted")>"In one currency"</a> }
                })}
                <a class="btn" data-export="" href=export("/costs.csv") download="">"Download CSV"</a>
                <a class="btn" data-export="" href=export("/costs.xlsx") download="">"XLSX"</a>
            </div>
        </div>
    }.into_any()
}

fn chip(query: &CostsQuery, at: usize) -> AnyView {
    let (key, value) = &query.filters[at];
    let mut without = query.clone();
    without.filters.remove(at);
    without.page = 1;
    let (key, value) = (words::key(key), words::value(key, value));
    let label = format!("Remove the filter {key} {value}");
    view! {
        <li>
            <a class="chip" href=href("/costs", &print_costs(&without)) aria-label=label>
                {key}" "<b>{value}</b>" "<span aria-hidden="true">"×"</span>
            </a>
        </li>
    }
    .into_any()
}

/// Owner dimensions first, then columns of the bill.
fn options(all: &[GroupOption], chosen: &str, nothing: Option<&'static str>) -> AnyView {
    let some = |owner: bool| -> Vec<_> {
        all.iter()
            .filter(|option| option.owner == owner)
            .map(|option| {
                let selected = option.key == chosen;
                view! { <option value=option.key.clone() selected=selected>{option.label.clone()}</option> }
            })
            .collect()
    };
    view! {
        {nothing.map(|word| view! { <option value="" selected=chosen.is_empty()>{word}</option> })}
        <optgroup label="Owners">{some(true)}</optgroup>
        <optgroup label="Bill">{some(false)}</optgroup>
    }
    .into_any()
}

fn pager(page: &CostsPage) -> Option<AnyView> {
    let info = page.report.page;
    let to = |number: u32| {
        href(
            "/costs",
            &print_costs(&CostsQuery {
                page: number,
                ..page.query.clone()
            }),
        )
    };
    pages("Pages of rows", "rows", info, to)
}
