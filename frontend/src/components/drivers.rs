//! Drivers: how far they reach, and how they came in. On Sources.

use leptos::prelude::*;
use wire::{DriverFacts, SourcesPage};

use crate::components::usage::deliveries;
use crate::format;

/// Every driver by source within the period, and every delivery of drivers.
pub(crate) fn drivers(page: &SourcesPage) -> AnyView {
    let month = format::month_year(&page.context.period);
    let facts = if page.drivers.is_empty() {
        view! {
            <p class="sub">
                {format!("No drivers up to {month}. ")}<code>"tonnage ingest drivers PATH"</code>
                " takes them in; docs/FORMATS.md has the columns under \u{201c}Driver files\u{201d}."
            </p>
        }
        .into_any()
    } else {
        table(format!("Drivers, {month}"), &page.drivers)
    };
    let taken =
        (!page.driver_deliveries.is_empty()).then(|| deliveries("Deliveries of drivers", &page.driver_deliveries));
    view! {
        <section class="source">
            <h2>"Drivers"</h2>
            {facts}
            {taken}
        </section>
    }
    .into_any()
}

fn table(caption: String, drivers: &[DriverFacts]) -> AnyView {
    let rows: Vec<_> = drivers.iter().map(driver).collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=caption>
            <table>
                <caption>{caption.clone()}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Driver"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Data through"</th>
                        <th scope="col">"Unit"</th>
                        <th scope="col" class="r">"Days"</th>
                        <th scope="col" class="r">"Receivers"</th>
                        <th scope="col" class="r">"Values"</th>
                        <th scope="col">"Days missing"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn driver(facts: &DriverFacts) -> AnyView {
    let (badge, word) = if facts.fresh {
        ("badge ok", "fresh")
    } else {
        ("badge est", "late")
    };
    let gaps = if facts.gaps.is_empty() {
        "none".into_any()
    } else {
        let summary = format::counted(u64::try_from(facts.gaps.len()).unwrap_or(u64::MAX), "day", "days");
        let days = facts.gaps.join("; ");
        view! { <details><summary>{summary}</summary><p class="sub">{days}</p></details> }.into_any()
    };
    view! {
        <tr>
            <th scope="row">{facts.driver.clone()}<span class="note">{facts.source.clone()}</span></th>
            <td><span class=badge>{word}</span></td>
            <td>{facts.data_through.clone()}</td>
            <td>{facts.units.join(", ")}</td>
            <td class="r num">{format::count(u64::from(facts.days))}</td>
            <td class="r num">{format::count(facts.receivers)}</td>
            <td class="r num">{format::count(facts.values)}</td>
            <td class="wrap">{gaps}</td>
        </tr>
    }
    .into_any()
}
