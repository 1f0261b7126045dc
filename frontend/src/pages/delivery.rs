//! What did this delivery change?

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use wire::{ChangeAmounts, ChangeRow, ChangeTotal, DeliveryChanges, Restated};

use crate::components::deliveries::deliveries;
use crate::components::figures::money;
use crate::format;

/// The page of one delivery.
#[component]
pub(crate) fn DeliveryPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    crate::components::state::page(
        "Delivery",
        |backend, _| Ok(async move { backend.delivery(id).await }),
        show,
    )
}

fn show(page: &DeliveryChanges) -> AnyView {
    let one = &page.delivery;
    let received = format::instant(&one.received_at);
    view! {
        <leptos_meta::Title text=format!("Delivery {} - Tonnage", one.delivery_id) />
        <header class="bar">
            <h1>"Delivery"</h1>
            <p class="asof">{format!("id {}", one.delivery_id)}</p>
        </header>
        <div class="content">
            <nav aria-label="Path">
                <ol class="crumbs">
                    <li><a href="/sources">"Sources"</a></li>
                    <li>{one.source.clone()}</li>
                </ol>
            </nav>
            <p class="lead"><b>{answer(page)}</b></p>
            <p class="sub">{format!("{} · {} · received {received}", one.source, one.format)}</p>
            {(page.kind != Restated::First).then(|| totals("By billing period", "Billing period", &page.totals))}
            {(!page.services.is_empty()).then(|| totals("By service", "Service", &page.services))}
            {changes(page)}
            {deliveries("This delivery".to_owned(), std::slice::from_ref(one))}
            {files(page)}
            {(!page.against.is_empty()).then(|| deliveries("Compared with".to_owned(), &page.against))}
        </div>
    }
    .into_any()
}

fn answer(page: &DeliveryChanges) -> String {
    match page.kind {
        Restated::First => "The first delivery of its source for these periods.".to_owned(),
        Restated::Same => "It changed nothing that counts.".to_owned(),
        Restated::TagsOnly => "Only tags changed: costs by account, service and day are equal.".to_owned(),
        Restated::Money => {
            let changed: Vec<String> = page
                .totals
                .iter()
                .filter(|total| !format::is_zero(&total.amounts.effective_change))
                .map(|total| {
                    let period = format::month_short(&total.name);
                    format!(
                        "{} {} in {period}",
                        format::signed(&total.amounts.effective_change),
                        total.currency
                    )
                })
                .collect();
            if changed.is_empty() {
                "Rows moved, the effective cost of each period is the same.".to_owned()
            } else {
                format!("Effective cost changed by {}.", changed.join(", "))
            }
        }
    }
}

fn totals(caption: &'static str, name: &'static str, totals: &[ChangeTotal]) -> AnyView {
    let rows: Vec<_> = totals
        .iter()
        .map(|total| {
            let shown = match (name, total.name.as_str()) {
                (_, "") => "(none)".to_owned(),
                ("Billing period", month) => format::month_short(month),
                (_, text) => text.to_owned(),
            };
            view! {
                <tr>
                    <th scope="row">{shown}" "<span class="unit">{total.currency.clone()}</span></th>
                    {amounts(&total.amounts)}
                </tr>
            }
        })
        .collect();
    table(caption, &[name], rows.into_any())
}

fn amounts(amounts: &ChangeAmounts) -> AnyView {
    let change = |exact: &str| {
        let full = format::exact(exact);
        view! { <td class="r num" title=full>{format::signed(exact)}</td> }
    };
    let rows = if amounts.rows_before == amounts.rows_after {
        format::count(amounts.rows_after)
    } else {
        format!(
            "{} → {}",
            format::count(amounts.rows_before),
            format::count(amounts.rows_after)
        )
    };
    view! {
        <td class="r num">{rows}</td>
        {change(&amounts.billed_change)}
        <td class="r num">{money(&amounts.effective_before)}</td>
        <td class="r num">{money(&amounts.effective_after)}</td>
        {change(&amounts.effective_change)}
    }
    .into_any()
}

fn table(caption: &str, keys: &[&'static str], rows: AnyView) -> AnyView {
    let head = |key: &&'static str| view! { <th scope="col" class:r=*key == "Day">{*key}</th> };
    let heads: Vec<_> = keys.iter().map(head).collect();
    let amounts: Vec<_> = ["Rows", "Billed, change", "Effective before", "after", "change"]
        .map(|name| view! { <th scope="col" class="r">{name}</th> })
        .into_iter()
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=caption.to_owned()>
            <table>
                <caption>{caption.to_owned()}</caption>
                <thead><tr>{heads}{amounts}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn changes(page: &DeliveryChanges) -> Option<AnyView> {
    if page.changes.is_empty() {
        return None;
    }
    let shown = u64::try_from(page.changes.len()).unwrap_or(u64::MAX);
    let caption = if shown < page.changes_total {
        format!(
            "The {} largest of {} changes by account, service and day",
            format::count(shown),
            format::count(page.changes_total)
        )
    } else {
        "Changes by account, service and day, the largest first".to_owned()
    };
    let rows: Vec<_> = page.changes.iter().map(change).collect();
    Some(table(&caption, &["Service", "Account", "Day"], rows.into_any()))
}

fn change(row: &ChangeRow) -> AnyView {
    let or_none = |text: &str| {
        if text.is_empty() {
            "(none)".to_owned()
        } else {
            text.to_owned()
        }
    };
    let tags = if row.tags_only { " · only tags" } else { "" };
    view! {
        <tr>
            <th scope="row">
                {or_none(&row.service)}" "<span class="unit">{row.currency.clone()}</span>
                <span class="note">{format!("{}{tags}", row.category)}</span>
            </th>
            <td>{or_none(&row.account)}</td>
            <td class="r num">{row.day.clone()}</td>
            {amounts(&row.amounts)}
        </tr>
    }
    .into_any()
}

fn files(page: &DeliveryChanges) -> AnyView {
    let rows: Vec<_> = page
        .files
        .iter()
        .map(|file| {
            view! {
                <tr>
                    <th scope="row">{file.name.clone()}</th>
                    <td class="r num">{format::count(file.bytes)}</td>
                    <td><code class="id">{file.sha256.clone()}</code></td>
                </tr>
            }
        })
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Files">
            <table>
                <caption>"Files"</caption>
                <thead>
                    <tr>
                        <th scope="col">"File"</th>
                        <th scope="col" class="r">"Bytes"</th>
                        <th scope="col">"SHA-256"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}
