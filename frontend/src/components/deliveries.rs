//! Deliveries of bills: on Reconciliation and Sources.

use leptos::prelude::*;
use wire::{Delivery, DeliveryPeriod, DeliveryState};

use crate::components::figures::{findings, money};
use crate::query::encode;
use crate::{format, words};

/// Deliveries, a row for each period and currency they hold.
pub(crate) fn deliveries(caption: String, deliveries: &[Delivery]) -> AnyView {
    let rows: Vec<_> = deliveries.iter().map(delivery).collect();
    let notes = findings(deliveries.iter().flat_map(|one| &one.findings));
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label=caption>
            <table>
                <caption>{caption.clone()}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Delivery"</th>
                        <th scope="col">"Received"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Period"</th>
                        <th scope="col" class="r">"Rows"</th>
                        <th scope="col" class="r">"Set aside"</th>
                        <th scope="col" class="r">"Billed"</th>
                        <th scope="col" class="r">"Effective"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {notes}
    }
    .into_any()
}

fn delivery(delivery: &Delivery) -> Vec<AnyView> {
    if delivery.periods.is_empty() {
        return vec![row(delivery, 0, None)];
    }
    delivery
        .periods
        .iter()
        .enumerate()
        .map(|(at, period)| row(delivery, at, Some(period)))
        .collect()
}

fn row(delivery: &Delivery, at: usize, period: Option<&DeliveryPeriod>) -> AnyView {
    let (badge, word) = match delivery.state {
        DeliveryState::Open => ("badge est", words::delivery_state(delivery.state)),
        DeliveryState::Final => ("badge ok", words::delivery_state(delivery.state)),
        DeliveryState::Superseded | DeliveryState::Shadow => ("badge", words::delivery_state(delivery.state)),
    };
    let figures = period.map(|period| {
        view! {
            <td>{format::month_short(&period.billing_period)}</td>
            <td class="r num">{format::count(period.rows)}</td>
            <td class="r num">{(at == 0).then(|| format::count(delivery.rejected_rows))}</td>
            <td class="r num">{money(&period.billed_cost)}" "<span class="unit">{period.currency.clone()}</span></td>
            <td class="r num">{money(&period.effective_cost)}" "<span class="unit">{period.currency.clone()}</span></td>
        }
    });
    let name = if at == 0 {
        let received = format::instant(&delivery.received_at);
        view! {
            <th scope="row">
                <a href=format!("/deliveries/{}", encode(&delivery.delivery_id))>
                    <code class="id" title=delivery.delivery_id.clone()>{short_id(&delivery.delivery_id)}</code>
                </a>
                <span class="note">{delivery.source.clone()}" · "{delivery.format.clone()}</span>
            </th>
            <td class="muted">{received}</td>
            <td><span class=badge>{word}</span></td>
        }
        .into_any()
    } else {
        view! { <td></td><td></td><td></td> }.into_any()
    };
    view! { <tr class:special=delivery.state == DeliveryState::Superseded>{name}{figures}</tr> }.into_any()
}

/// Enough of an id to tell it from others on the page.
pub(crate) fn short_id(id: &str) -> String {
    let short: String = id.chars().take(10).collect();
    if short.len() < id.len() {
        format!("{short}…")
    } else {
        short
    }
}
