//! Usage facts: how far they reach, and how they came in. On Sources.

use leptos::prelude::*;
use wire::{ClusterFacts, FactsGap, SourcesPage, UsageDelivery};

use crate::components::deliveries::short_id;
use crate::components::figures::findings;
use crate::format;

/// The clusters with facts in the period, and every delivery of usage.
pub(crate) fn usage(page: &SourcesPage) -> AnyView {
    let month = format::month_year(&page.context.period);
    let clusters = if page.clusters.is_empty() {
        view! {
            <p class="sub">
                {format!("No usage facts for {month}. ")}<code>"tonnage ingest usage PATH"</code>
                " takes them in; docs/FORMATS.md has the columns under \u{201c}Usage files\u{201d}."
            </p>
        }
        .into_any()
    } else {
        facts(format!("Usage facts of clusters, {month}"), &page.clusters)
    };
    let taken = (!page.usage.is_empty()).then(|| deliveries("Deliveries of usage", &page.usage));
    view! {
        <section class="source">
            <h2>"Clusters"</h2>
            {clusters}
            {taken}
        </section>
    }
    .into_any()
}

fn facts(caption: String, clusters: &[ClusterFacts]) -> AnyView {
    let rows: Vec<_> = clusters.iter().map(cluster).collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=caption>
            <table>
                <caption>{caption.clone()}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Cluster"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Facts through"</th>
                        <th scope="col" class="r">"Days"</th>
                        <th scope="col" class="r">"Unobserved"</th>
                        <th scope="col">"Days with gaps"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn cluster(facts: &ClusterFacts) -> AnyView {
    let (badge, word) = if facts.fresh {
        ("badge ok", "fresh")
    } else {
        ("badge est", "late")
    };
    let id = (facts.name != facts.id).then(|| view! { <span class="note">{facts.id.clone()}</span> });
    let hours = format::hours(facts.unobserved_s);
    let unobserved = match format::share_of(facts.unobserved_s, facts.ready_s) {
        Some(share) => format!("{hours} ({share})"),
        None => hours,
    };
    view! {
        <tr>
            <th scope="row">{facts.name.clone()}{id}</th>
            <td><span class=badge>{word}</span></td>
            <td>{format::instant(&facts.facts_through)}</td>
            <td class="r num">{format::count(u64::from(facts.days))}</td>
            <td class="r num">{unobserved}</td>
            <td class="wrap">{gaps(&facts.gaps)}</td>
        </tr>
    }
    .into_any()
}

/// Each day with what is missing of it, in node hours.
fn gaps(gaps: &[FactsGap]) -> AnyView {
    if gaps.is_empty() {
        return "none".into_any();
    }
    let words: Vec<String> = gaps
        .iter()
        .map(|gap| match gap.unobserved_s {
            Some(seconds) => format!("{}: {}", gap.day, format::hours(seconds)),
            None => format!("{}: no facts", gap.day),
        })
        .collect();
    let summary = format::counted(u64::try_from(gaps.len()).unwrap_or(u64::MAX), "day", "days");
    view! { <details><summary>{summary}</summary><p class="sub">{words.join("; ")}</p></details> }.into_any()
}

/// Deliveries of usage or of drivers.
pub(crate) fn deliveries(caption: &'static str, all: &[UsageDelivery]) -> AnyView {
    let rows: Vec<_> = all.iter().map(delivery).collect();
    let notes = findings(all.iter().flat_map(|one| &one.findings));
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=caption>
            <table>
                <caption>{caption}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Delivery"</th>
                        <th scope="col">"Received"</th>
                        <th scope="col">"From"</th>
                        <th scope="col" class="r">"Rows"</th>
                        <th scope="col" class="r">"Set aside"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {notes}
    }
    .into_any()
}

fn delivery(one: &UsageDelivery) -> AnyView {
    view! {
        <tr>
            <th scope="row">
                <code class="id" title=one.delivery_id.clone()>{short_id(&one.delivery_id)}</code>
                <span class="note">{one.source.clone()}</span>
            </th>
            <td class="muted">{format::instant(&one.received_at)}</td>
            <td>{one.origin.clone()}</td>
            <td class="r num">{format::count(one.rows)}</td>
            <td class="r num">{format::count(one.rejected_rows)}</td>
        </tr>
    }
    .into_any()
}
