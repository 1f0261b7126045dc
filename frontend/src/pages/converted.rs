//! Who and what costs how much, in one currency?

use leptos::prelude::*;
use wire::{ConvertedCosts, ConvertedPage, ConvertedQuery};

use crate::components::bar::{Controls, bar};
use crate::components::figures::{maybe_money, money};
use crate::components::state::page;
use crate::query::{href, parse_converted, print_converted, print_costs};
use crate::{format, words};

/// The page of costs in one currency.
#[component]
pub(crate) fn Converted() -> impl IntoView {
    page(
        "Costs in one currency",
        |backend, search| {
            let query = parse_converted(&search)?;
            Ok(async move { backend.converted(query).await })
        },
        show,
    )
}

fn show(page: &ConvertedPage) -> AnyView {
    let query = &page.query;
    let base = query.clone();
    let mut hidden: Vec<(&'static str, String)> = query.costs.by.iter().map(|key| ("by", key.clone())).collect();
    hidden.extend(
        query
            .costs
            .filters
            .iter()
            .map(|(key, value)| ("f", format!("{key}:{value}"))),
    );
    let controls = Controls {
        path: "/costs/converted",
        hidden,
        at_period: Box::new(move |period| {
            let mut at = base.clone();
            at.costs.period = Some(period.to_owned());
            print_converted(&at)
        }),
        compares: false,
        has_basis: true,
        has_currency: false,
    };
    let back = href("/costs", &print_costs(&query.costs));
    let body = match &page.costs {
        None => view! {
            <p class="lead"><b>"There are no exchange rates yet."</b></p>
            <p class="sub">
                "Take some in, for example the history of the European Central Bank: "
                <code>"tonnage rates import eurofxref-hist.csv"</code>
                ". What has no rate is never guessed."
            </p>
        }
        .into_any(),
        Some(costs) => view! {
            <p class="lead"><b>{answer(page, costs)}</b></p>
            {rates(query, costs)}
            {tools(page)}
            {table(query, costs)}
        }
        .into_any(),
    };
    view! {
        {bar("Costs in one currency", &page.context, controls)}
        <div class="content">
            {body}
            <p class="sub"><a href=back>"Costs in the currencies of the bills"</a></p>
        </div>
    }
    .into_any()
}

fn answer(page: &ConvertedPage, costs: &ConvertedCosts) -> String {
    format!(
        "{} {} in {}.",
        format::money(&costs.total),
        costs.currency,
        format::month_year(&page.context.period)
    )
}

/// At which rates, in words.
fn rates(query: &ConvertedQuery, costs: &ConvertedCosts) -> AnyView {
    let how = if query.charge_date {
        "Each charge at the rate of its day, or the last one before."
    } else {
        "Each charge at the month's average rate."
    };
    let rates: Vec<String> = costs
        .rates
        .iter()
        .filter_map(|(currency, rate)| {
            let rate = rate.as_ref()?;
            Some(format!("1 {currency} = {} {}", shortened(rate), costs.currency))
        })
        .collect();
    let rates = if rates.is_empty() {
        String::new()
    } else {
        format!(" {}.", rates.join(", "))
    };
    view! { <p class="sub">{how}{rates}" Converted once, before it is split; the parts follow."</p> }.into_any()
}

/// Six digits behind the point: a rate is read, not added up.
fn shortened(rate: &str) -> String {
    match rate.split_once('.') {
        Some((whole, digits)) => format!("{whole}.{}", digits.chars().take(6).collect::<String>()),
        None => rate.to_owned(),
    }
}

/// Which currency, which rate; the fields belong to the form in the bar.
fn tools(page: &ConvertedPage) -> AnyView {
    let query = &page.query;
    let to = query.to.clone().unwrap_or_default();
    let currencies: Vec<_> = page
        .currencies
        .iter()
        .map(|code| {
            let chosen = *code == to;
            view! { <option value=code.clone() selected=chosen>{code.clone()}</option> }
        })
        .collect();
    let csv = href("/costs/converted.csv", &print_converted(query));
    view! {
        <div class="tools">
            <div class="group" role="group" aria-label="Conversion">
                <label class="ctl"><span>"in"</span><select name="to" form="q">{currencies}</select></label>
                <label class="ctl">
                    <span>"rate"</span>
                    <select name="rate" form="q">
                        <option value="month-average" selected=!query.charge_date>"month average"</option>
                        <option value="charge-date" selected=query.charge_date>"day of the charge"</option>
                    </select>
                </label>
            </div>
            <div class="exports"><a class="btn" data-export="" href=csv download="">"Download CSV"</a></div>
        </div>
    }
    .into_any()
}

fn table(query: &ConvertedQuery, costs: &ConvertedCosts) -> AnyView {
    let by = &query.costs.by;
    let keys: Vec<_> = by
        .iter()
        .map(|key| view! { <th scope="col">{words::key(key)}</th> })
        .collect();
    let currencies: Vec<_> = costs
        .origin
        .iter()
        .map(|(currency, _)| view! { <th scope="col" class="r">"of it in "{currency.clone()}</th> })
        .collect();
    let rows: Vec<_> = costs
        .rows
        .iter()
        .map(|row| {
            let names: Vec<_> = by
                .iter()
                .zip(&row.keys)
                .enumerate()
                .map(|(at, (key, value))| {
                    let name = words::value(key, value);
                    match at {
                        0 => view! { <th scope="row">{name}</th> }.into_any(),
                        _ => view! { <td>{name}</td> }.into_any(),
                    }
                })
                .collect();
            let origin: Vec<_> = row
                .origin
                .iter()
                .map(|amount| view! { <td class="r num muted">{maybe_money(amount.as_deref())}</td> })
                .collect();
            view! { <tr>{names}<td class="r num">{money(&row.cost)}</td>{origin}</tr> }
        })
        .collect();
    let origin: Vec<_> = costs
        .origin
        .iter()
        .map(|(_, amount)| view! { <td class="r num">{money(amount)}</td> })
        .collect();
    let span = by.len().to_string();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Costs in one currency">
            <table data-rows="">
                <caption>"Costs "<span class="unit">{costs.currency.clone()}</span></caption>
                <thead>
                    <tr>
                        {keys}
                        <th scope="col" class="r">"Cost in "{costs.currency.clone()}</th>
                        {currencies}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
                <tfoot>
                    <tr>
                        <th scope="row" colspan=span>"Total"</th>
                        <td class="r num">{money(&costs.total)}</td>
                        {origin}
                    </tr>
                </tfoot>
            </table>
        </div>
    }
    .into_any()
}
