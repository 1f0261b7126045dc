//! Where does this figure come from?

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use wire::{BillLine, Explain as Figures, ExplainPage, ExplainQuery, ExplainStep, StepKind};

use crate::components::bar::page_query;
use crate::components::carried::carried;
use crate::components::deliveries::short_id;
use crate::components::figures::{cost, money, reconciled};
use crate::components::pager::pages;
use crate::components::reader::link;
use crate::components::state::page;
use crate::query::{encode, href, parse_explain, print_costs, print_explain, print_page};
use crate::{format, words};

/// The Explain page.
#[component]
pub(crate) fn Explain() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    page(
        "Explain",
        |backend, search| {
            let query = parse_explain(&search)?;
            Ok(async move { backend.explain(id, query).await })
        },
        show,
    )
}

fn show(page: &ExplainPage) -> AnyView {
    let figures = &page.explain;
    let period = format::month_year(&figures.period);
    let basis = words::basis(figures.basis);
    let clean = format::is_zero(&figures.residual);
    let rules = figures.rules_version.clone().map(|version| {
        let to = href("/rules", &format!("version={}", encode(&version)));
        view! { " · rules "{link(to, version)} }
    });
    view! {
        <leptos_meta::Title text=format!("Explain {}, {period} - Tonnage", figures.title) />
        <header class="bar">
            <h1>"Explain"</h1>
            <p class="asof">{format!("id {}", figures.id)}</p>
        </header>
        <div class="content">
            {crumbs(page)}
            <p class="lead">
                <b>{figures.title.clone()}</b>
                {format!(" cost {} {}", format::money(&figures.cost), figures.currency)}
            </p>
            <p class="sub">
                {format!("{basis}, {period} · exactly {} {}", format::exact(&figures.cost), figures.currency)}
                {rules}
            </p>
            <h2>"The chain"</h2>
            <ol class="chain">{figures.steps.iter().map(step).collect::<Vec<_>>()}</ol>
            {carried(figures)}
            {lines(figures)}
            {pager(figures)}
            <div class="recon" role="group" aria-label="Reconciliation">
                {reconciled(clean)}
                <span class="term">"Figure"<b>{money(&figures.cost)}</b></span>
                <span class="term">
                    <span class="op">"="</span>
                    {format!("all {} bill lines", format::count(figures.lines_total))}
                </span>
                <span class="term"><span class="op">"·"</span>"residual"<b>{money(&figures.residual)}</b></span>
            </div>
        </div>
    }
    .into_any()
}

/// Back to the rows this figure was one of.
fn crumbs(page: &ExplainPage) -> AnyView {
    let query = page_query(&page.context);
    let costs = href("/costs", &print_page(&query));
    let mut path = wire::CostsQuery {
        period: query.period,
        basis: query.basis,
        currency: query.currency,
        page: 1,
        ..wire::CostsQuery::default()
    };
    let steps: Vec<_> = page
        .explain
        .keys
        .iter()
        .map(|(key, value)| {
            path.filters.push((key.clone(), value.clone()));
            let name = format!("{} {}", words::key(key), words::value(key, value));
            view! { <li><a href=href("/costs", &print_costs(&path))>{name}</a></li> }
        })
        .collect();
    view! { <nav aria-label="Path"><ol class="crumbs"><li><a href=costs>"Costs"</a></li>{steps}</ol></nav> }.into_any()
}

fn step(step: &ExplainStep) -> AnyView {
    let word = match step.kind {
        StepKind::Figure => "figure",
        StepKind::Rule => "rule",
        StepKind::Unallocated => "unallocated",
        StepKind::Class => "class",
        StepKind::Delivery => "delivery",
    };
    let label = match step.href.clone() {
        Some(href) => link(href, step.label.clone()),
        None => step.label.clone().into_any(),
    };
    view! {
        <li>
            <span class="kind">{word}</span>
            <div class="what"><b>{label}</b><span class="sub">{step.detail.clone()}</span></div>
            <span class="num">{money(&step.cost)}</span>
        </li>
    }
    .into_any()
}

fn lines(figures: &Figures) -> AnyView {
    let shown = u64::try_from(figures.lines.len()).unwrap_or(u64::MAX);
    let caption = if figures.rest_count == 0 {
        format!("{} of the bill", format::counted(shown, "line", "lines"))
    } else {
        // pages before the last are full, so its lines end the list
        let before = match figures.page {
            page if page.page < page.pages => u64::from(page.page - 1) * shown,
            page if page.pages > 1 => figures.lines_total.saturating_sub(shown),
            _ => 0,
        };
        format!(
            "Lines {} to {} of {}, largest first",
            format::count(before + 1),
            format::count(before + shown),
            format::count(figures.lines_total)
        )
    };
    let rest = (figures.rest_count > 0).then(|| {
        view! {
            <tr class="special">
                <th scope="row" colspan="4">{format!("Other ({})", format::count(figures.rest_count))}</th>
                <td></td>
                <td class="r num">{money(&figures.rest_cost)}</td>
            </tr>
        }
    });
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=caption>
            <table class="lines" data-rows="">
                <caption>{caption.clone()}" "<span class="unit">{figures.currency.clone()}</span></caption>
                <thead>
                    <tr>
                        <th scope="col">"File and line"</th>
                        <th scope="col">"Charge"</th>
                        <th scope="col">"Day"</th>
                        <th scope="col">"Owner set by"</th>
                        <th scope="col" class="r">"Part"</th>
                        <th scope="col" class="r">"Cost"</th>
                    </tr>
                </thead>
                <tbody>{figures.lines.iter().map(line).collect::<Vec<_>>()}{rest}</tbody>
                <tfoot>
                    <tr>
                        <th scope="row" colspan="5">"Total"</th>
                        <td class="r num">{money(&figures.cost)}</td>
                    </tr>
                </tfoot>
            </table>
        </div>
    }
    .into_any()
}

fn pager(figures: &Figures) -> Option<AnyView> {
    let info = figures.page;
    let path = format!("/explain/{}", encode(&figures.id));
    let place = figures.carried.as_ref();
    let to = |number: u32| {
        let query = ExplainQuery {
            page: number,
            at: place.and_then(|carried| carried.at.clone()),
            day: place.and_then(|carried| carried.day.clone()),
        };
        href(&path, &print_explain(&query))
    };
    pages("Pages of bill lines", "lines", info, to)
}

fn line(line: &BillLine) -> AnyView {
    let rules: Vec<_> = line
        .rules
        .iter()
        .map(|(rule, dimension)| view! { <span class="by"><span class="faint">{words::key(dimension)}</span>" "{rule.clone()}</span> })
        .collect();
    let rules = if rules.is_empty() {
        "no rule".into_any()
    } else {
        rules.into_any()
    };
    let resource = (!line.resource.is_empty()).then(|| view! { <code>{line.resource.clone()}</code> });
    view! {
        <tr>
            <th scope="row">
                <span class="file">{line.file.clone()}":"<b>{line.line.to_string()}</b></span>
                <span class="under">
                    {line.source.clone()}" · "
                    <span title=line.delivery_id.clone()>{short_id(&line.delivery_id)}</span>
                </span>
            </th>
            <td class="wrap">
                {line.service.clone()}" "<span class="faint">{line.class.clone()}</span>
                <span class="under">{line.description.clone()}" "{resource}</span>
            </td>
            <td class="muted">{format::day(&line.charge_start)}</td>
            <td class="wrap">{rules}</td>
            {match &line.line_cost {
                Some(whole) => view! {
                    <td class="r num" title=format!("of {}", format::exact(whole))>
                        {format::share(i64::from(line.share_permille))}
                    </td>
                }
                .into_any(),
                None => view! { <td class="r muted" title="Others share this line">"shared"</td> }.into_any(),
            }}
            <td class="r num">{cost(&line.cost)}</td>
        </tr>
    }
    .into_any()
}
