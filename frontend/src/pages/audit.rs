//! Who did what?

use leptos::prelude::*;
use wire::{AuditChain, AuditLine, AuditPage, AuditSearch};

use crate::components::bar::plain_bar;
use crate::components::difference::{Difference, differences};
use crate::components::figures::none;
use crate::components::pager::pages;
use crate::components::state::page;
use crate::format;
use crate::query::{href, parse_audit, print_audit};

/// The Audit page.
#[component]
pub(crate) fn Audit() -> impl IntoView {
    page(
        "Audit log",
        |backend, search| {
            let search = parse_audit(&search)?;
            Ok(async move { backend.audit(search.clone()).await.map(|page| (search, page)) })
        },
        |(search, page)| show(search, page),
    )
}

fn show(search: &AuditSearch, page: &AuditPage) -> AnyView {
    let at = |number: u32| {
        let search = AuditSearch {
            page: number,
            ..search.clone()
        };
        href("/audit", &print_audit(&search))
    };
    let all = AuditSearch {
        page: 1,
        ..search.clone()
    };
    let found = match (page.page.rows, is_all(search)) {
        (0, _) => None,
        (rows, true) => Some(format::counted(rows, "entry", "entries")),
        (rows, false) => Some(format::counted(rows, "entry fits", "entries fit")),
    };
    view! {
        {plain_bar("Audit log")}
        <div class="content">
            {chain(&page.chain)}
            {form(search)}
            <div class="tools">
                <p class="sub" role="status">{found}</p>
                <div class="exports"><a class="btn" href=href("/audit.csv", &print_audit(&all))>"CSV"</a></div>
            </div>
            {if page.entries.is_empty() { empty(search) } else { table(&page.entries) }}
            {pages("Pages of the log", "page", page.page, at)}
        </div>
    }
    .into_any()
}

fn is_all(search: &AuditSearch) -> bool {
    let AuditSearch {
        actor,
        action,
        text,
        from,
        to,
        page: _,
    } = search;
    actor.is_empty() && action.is_empty() && text.is_empty() && from.is_none() && to.is_none()
}

/// Whether the log is as it was written, before anything that is in it.
fn chain(chain: &AuditChain) -> AnyView {
    match chain {
        AuditChain::Whole { entries: 0, .. } => {
            view! { <p class="recon"><span class="badge ok">"whole"</span>"No entry yet."</p> }.into_any()
        }
        AuditChain::Whole { entries, sha256 } => view! {
            <p class="recon">
                <span class="badge ok">"whole"</span>
                <span>{format!("{}, none changed or missing.", format::counted(*entries, "entry", "entries"))}</span>
                <span class="hash">"Hash of the last: "<code class="id">{sha256.clone()}</code></span>
            </p>
        }
        .into_any(),
        AuditChain::Broken { seq, what } => view! {
            <p class="banner bad" role="alert">
                <b>{format!("The log is not whole at entry {}. ", format::count(*seq))}</b>
                {format!("Of this entry: {what}. Those before it are as they were written. Keep a copy of the database, and run ")}
                <code>"tonnage audit verify"</code>"."
            </p>
        }
        .into_any(),
    }
}

fn form(search: &AuditSearch) -> AnyView {
    let field = |name: &'static str, label: &'static str, kind: &'static str, value: &str, proposed: &'static str| {
        let id = format!("audit-{name}");
        let proposed = (!proposed.is_empty()).then_some(proposed);
        view! {
            <div class="entry">
                <label for=id.clone()>{label}</label>
                <input id=id name=name type=kind value=value.to_owned() autocomplete="off" placeholder=proposed />
            </div>
        }
    };
    let clear = (!is_all(search)).then(|| view! { <a class="btn" href="/audit">"Show all"</a> });
    view! {
        <form class="form search" method="get" action="/audit" role="search" aria-label="Audit log">
            {field("actor", "Who", "search", &search.actor, "part of a name")}
            {field("action", "Action begins with", "search", &search.action, "invoice.")}
            {field("text", "In object or change", "search", &search.text, "")}
            {field("from", "From day", "date", search.from.as_deref().unwrap_or_default(), "")}
            {field("to", "To day", "date", search.to.as_deref().unwrap_or_default(), "")}
            <div class="send row"><button class="btn primary" type="submit">"Search"</button>{clear}</div>
        </form>
    }
    .into_any()
}

fn empty(search: &AuditSearch) -> AnyView {
    if is_all(search) {
        return view! {
            <section class="empty">
                <h2>"Nothing was done yet"</h2>
                <p>"Every change will be here: who made it, what was before and is since, and from where."</p>
            </section>
        }
        .into_any();
    }
    view! {
        <section class="empty">
            <h2>"No entry fits"</h2>
            <p>"Ask for less, or for other days. An action is its beginning, such as "<code>"invoice."</code>"; days are in UTC."</p>
            <p><a class="btn" href="/audit">"Show all"</a></p>
        </section>
    }
    .into_any()
}

fn table(entries: &[AuditLine]) -> AnyView {
    let rows: Vec<_> = entries.iter().map(row).collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Entries">
            <table class="people audit">
                <caption class="vh">"Entries, the newest first"</caption>
                <thead>
                    <tr>
                        <th scope="col">"When"</th>
                        <th scope="col">"Who"</th>
                        <th scope="col">"What"</th>
                        <th scope="col">"Object"</th>
                        <th scope="col">"Before → since"</th>
                        <th scope="col">"From"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(one: &AuditLine) -> AnyView {
    let kind = (one.actor_kind != "account").then(|| view! { <span class="under">{one.actor_kind.clone()}</span> });
    let like = AuditSearch {
        action: one.action.clone(),
        page: 1,
        ..AuditSearch::default()
    };
    let from = if one.address.is_empty() {
        none("from the machine itself")
    } else {
        one.address.clone().into_any()
    };
    let request = (!one.request_id.is_empty())
        .then(|| view! { <span class="under">"request "<code>{one.request_id.clone()}</code></span> });
    let object = if one.object.is_empty() {
        none("no object")
    } else {
        one.object.clone().into_any()
    };
    view! {
        <tr>
            <th scope="row" class="num">{second(&one.at)}<span class="under">{format!("entry {}", format::count(one.seq))}</span></th>
            <td>{one.actor.clone()}{kind}</td>
            <td><a class="cell" href=href("/audit", &print_audit(&like))><code>{one.action.clone()}</code></a></td>
            <td class="wrap">{object}</td>
            <td class="wrap">{change(one)}</td>
            <td>{from}{request}</td>
        </tr>
    }
    .into_any()
}

/// An instant to the second: entries follow one another closely.
fn second(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => rfc3339.to_owned(),
    }
}

fn change(one: &AuditLine) -> AnyView {
    let found = differences(one.before_json.as_deref(), one.after_json.as_deref());
    if found.is_empty() {
        return none("no values");
    }
    let items: Vec<_> = found.iter().map(difference).collect();
    view! { <ul class="diff">{items}</ul> }.into_any()
}

fn difference(one: &Difference) -> AnyView {
    let name = (!one.name.is_empty()).then(|| view! { <span class="key">{format!("{}: ", one.name)}</span> });
    let value = match (&one.before, &one.after) {
        (Some(before), Some(after)) => view! {
            <span class="was">{before.clone()}</span>" "<span aria-hidden="true">"→"</span><span class="vh">"became"</span>" "{after.clone()}
        }
        .into_any(),
        (Some(before), None) => view! { <span class="was">{before.clone()}</span>" (taken away)" }.into_any(),
        (None, after) => after.clone().unwrap_or_default().into_any(),
    };
    view! { <li>{name}{value}</li> }.into_any()
}
