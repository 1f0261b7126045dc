//! How well do we use what we pay for?

use leptos::prelude::*;
use wire::{Cluster, ClustersPage, Context, PartCost, PeriodState};

use crate::components::bar::{Controls, bar, state};
use crate::components::figures::{bar as share_bar, cost, findings, money, none};
use crate::components::pools::{costs, pools};
use crate::components::state::page;
use crate::format;
use crate::query::parse_page;

/// The finding this page words itself, with the figure it is about.
const SAID_HERE: &str = "node_cost_without_usage";

/// The Clusters page.
#[component]
pub(crate) fn Clusters() -> impl IntoView {
    page(
        "Clusters",
        |backend, search| {
            let query = parse_page(&search)?;
            Ok(async move { backend.clusters(query).await })
        },
        show,
    )
}

fn show(page: &ClustersPage) -> AnyView {
    let context = &page.context;
    let noticed = page.findings.iter().filter(|finding| finding.code != SAID_HERE);
    let body = if page.clusters.is_empty() {
        empty(page)
    } else {
        let sections: Vec<_> = page.clusters.iter().map(|one| section(context, one)).collect();
        view! {
            <p class="lead"><b>{answer(page)}</b></p>
            {unjoined(page)}
            {findings(noticed)}
            {sections}
        }
        .into_any()
    };
    view! {
        {bar("Clusters", context, Controls::plain("/clusters", context))}
        <div class="content">{body}</div>
    }
    .into_any()
}

fn answer(page: &ClustersPage) -> String {
    let clusters = format::counted(
        u64::try_from(page.clusters.len()).unwrap_or(u64::MAX),
        "cluster",
        "clusters",
    );
    let share = |key: &str| page.parts.iter().find(|part| part.part == key)?.share_permille;
    if page.parts.is_empty() {
        return format!(
            "{clusters} with usage facts, and no line of the bill in {} that pays for their nodes.",
            page.context.currency
        );
    }
    let mut text = format!(
        "The nodes of {clusters} cost {} {}{}",
        format::whole(&page.joined),
        page.context.currency,
        match page.context.state {
            PeriodState::Estimated => " so far",
            PeriodState::Actual => "",
        }
    );
    if let Some(workloads) = share("workload") {
        text += &format!(": {} for workloads", format::share(i64::from(workloads)));
        let idle = share("idle_capacity").unwrap_or(0);
        text += &format!(", {} idle capacity", format::share(i64::from(idle)));
    }
    text + "."
}

/// Cost of nodes that no usage was found for: never spread in silence.
fn unjoined(page: &ClustersPage) -> Option<AnyView> {
    (!format::is_zero(&page.unjoined)).then(|| {
        let to = costs(&page.context, &[("class", "node_compute"), ("Cluster", "")]);
        view! {
            <p class="banner warn" role="note">
                <b>
                    <a href=to>{money(&page.unjoined)}" "{page.context.currency.clone()}</a>
                    " of node cost have no usage facts. "
                </b>
                "They stay whole, with the owner of their charge. Take in the node hours of these machines; "
                "their " <code>"provider_id"</code> " has to be the " <code>"ResourceId"</code> " of the bill."
            </p>
        }
        .into_any()
    })
}

/// What will be here, why it is not, and what to run.
fn empty(page: &ClustersPage) -> AnyView {
    let month = format::month_year(&page.context.period);
    view! {
        <section class="empty">
            <h2>{format!("No usage facts for {month}")}</h2>
            <p>
                "With them the cost of every node is split among what ran on it, and this page shows what was paid "
                "for, requested and used. Until then "
                <b>{money(&page.unjoined)}" "{page.context.currency.clone()}</b>
                " of node cost stay whole, with the owner of their charge."
            </p>
            <p>"Take in container hours and node hours, as CSV, CSV.gz or Parquet:"</p>
            <pre tabindex="0" role="group" aria-label="Command to take in usage">
                <code>"tonnage ingest usage containers.csv.gz nodes.csv.gz"</code>
            </pre>
            <p>"The columns of both files are in " <b>"docs/FORMATS.md"</b> ", section \u{201c}Usage files\u{201d}."</p>
            {findings(&page.findings)}
        </section>
    }
    .into_any()
}

fn section(context: &Context, one: &Cluster) -> AnyView {
    let id = (one.name != one.id).then(|| view! { <span class="note">{one.id.clone()}</span> });
    let everything = costs(context, &[("Cluster", &one.id)]);
    let disks = (!format::is_zero(&one.disk_cost)).then(|| {
        let to = costs(context, &[("Cluster", &one.id), ("class", "node_disk")]);
        view! {
            <p class="sub">
                "Beside the nodes: their root disks, " <a href=to>{money(&one.disk_cost)}</a>
                " " {context.currency.clone()} ", which follow the pods."
            </p>
        }
    });
    view! {
        <section class="source cluster" aria-label=format!("Cluster {}", one.name)>
            <h2>{one.name.clone()}" "{id}" "{state(one.state)}</h2>
            {facts(context, one)}
            {estimate(context, one)}
            <p class="sub"><a href=everything>"Cost by namespace and workload"</a></p>
            {parts(context, one)}
            {disks}
            {pools(context, one)}
        </section>
    }
    .into_any()
}

/// What is estimated stands beside the actuals, never in them.
fn estimate(context: &Context, one: &Cluster) -> Option<AnyView> {
    let estimate = one.estimate.as_deref()?;
    Some(
        view! {
            <p class="sub">
                "Estimated beside the node cost: "<b>{money(estimate)}</b>" "{context.currency.clone()}
                " for node hours no line of the bill pays for yet; it is in no total."
            </p>
        }
        .into_any(),
    )
}

/// How far the facts reach, and how much is missing, in words.
fn facts(context: &Context, one: &Cluster) -> AnyView {
    let Some(through) = one.facts_through.as_deref() else {
        return view! {
            <p class="sub">
                {format!("No usage facts in {}: its cost is of charges that began earlier.", format::month_year(&context.period))}
            </p>
        }
        .into_any();
    };
    let days = format::counted(u64::from(one.days), "day", "days");
    let missing = match format::share_of(one.unobserved_s, one.ready_s) {
        Some(_) if one.unobserved_s == 0 => "all node time observed".to_owned(),
        Some(share) => format!(
            "{share} of node time unobserved ({} of {})",
            format::hours(one.unobserved_s),
            format::hours(one.ready_s)
        ),
        None => "no node was ready".to_owned(),
    };
    let through = format::instant(through);
    view! { <p class="sub">{format!("Facts through {through} · {days} with facts · {missing}")}</p> }.into_any()
}

/// What the nodes' cost paid for, adding up to it.
fn parts(context: &Context, one: &Cluster) -> AnyView {
    let Some(total) = one.cost.as_deref() else {
        let others = (context.currencies.len() > 1).then_some("It may be in another currency. ");
        return view! {
            <p class="banner warn" role="note">
                <b>{format!("No line of the bill in {} pays for these nodes. ", context.currency)}</b>
                {others}
                "What they cost is not known here. Check that the bill of their account is in, and that "
                <code>"provider_id"</code> " is the " <code>"ResourceId"</code> " of the bill."
            </p>
        }
        .into_any();
    };
    let caption = format!("What the nodes of {} paid for", one.name);
    let rows: Vec<_> = one.parts.iter().map(|part| part_row(context, &one.id, part)).collect();
    let whole = costs(context, &[("Cluster", &one.id), ("class", "node_compute")]);
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=caption>
            <table class="parts" data-rows="">
                <caption>{caption.clone()}" "<span class="unit">{context.currency.clone()}</span></caption>
                <thead>
                    <tr>
                        <th scope="col">"Part"</th>
                        <th scope="col" class="r">"Cost"</th>
                        <th scope="col" class="r">"Share"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
                <tfoot>
                    <tr>
                        <th scope="row">{match one.state {
                            PeriodState::Estimated => "Node cost to date",
                            PeriodState::Actual => "Node cost",
                        }}</th>
                        <td class="r num"><a class="cell" href=whole>{money(total)}</a></td>
                        <td class="r num">{(!format::is_zero(total)).then(|| format::share(1000))}</td>
                    </tr>
                </tfoot>
            </table>
        </div>
    }
    .into_any()
}

fn part_row(context: &Context, cluster: &str, part: &PartCost) -> AnyView {
    let filters = [
        ("Cluster", cluster),
        ("AllocationPart", &part.part),
        ("class", "node_compute"),
    ];
    let to = costs(context, &filters);
    let share = match part.share_permille {
        Some(share) => format::share(i64::from(share)).into_any(),
        None => none("no share of nothing").into_any(),
    };
    view! {
        <tr>
            <th scope="row"><a class="open" href=to>{part.label.clone()}</a></th>
            <td class="r num barred">{share_bar(part.bar_permille)}{cost(&part.cost)}</td>
            <td class="r num">{share}</td>
        </tr>
    }
    .into_any()
}
