//! Who is signed in, from where: on Access and on one's own page.

use leptos::prelude::*;
use wire::SessionInfo;

use crate::components::forms::button;
use crate::{format, words};

/// Sessions. `whose` shows the account; `end` is where their buttons lead, when
/// the reader may press them.
pub(crate) fn sessions(sessions: &[SessionInfo], whose: bool, end: Option<&'static str>) -> AnyView {
    let rows: Vec<_> = sessions.iter().map(|one| session(one, whose, end)).collect();
    let columns = if whose { "7" } else { "6" };
    let nothing = sessions
        .is_empty()
        .then(|| view! { <tr><td class="nothing" colspan=columns>"Nobody is signed in."</td></tr> });
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Sessions">
            <table class="people">
                <caption>"Sessions"</caption>
                <thead>
                    <tr>
                        {whose.then(|| view! { <th scope="col">"Who"</th> })}
                        <th scope="col">"Browser"</th>
                        <th scope="col">"From"</th>
                        <th scope="col">"Signed in by"</th>
                        <th scope="col">"Since"</th>
                        <th scope="col">"Last seen"</th>
                        <th scope="col"><span class="vh">"End"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}{nothing}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn session(one: &SessionInfo, whose: bool, end: Option<&'static str>) -> AnyView {
    let from = if one.address.is_empty() {
        "unknown"
    } else {
        &one.address
    };
    let act = end.map(|path| {
        let whom = format!("the session of {} from {from}", one.name);
        button(path, &[("session_id", &one.session_id)], "End", &whom)
    });
    let current = one.current.then(|| view! { <span class="badge ok">"this one"</span> });
    let agent = if one.browser.is_empty() {
        "unknown"
    } else {
        &one.browser
    };
    let head = if whose {
        view! { <th scope="row">{one.name.clone()}" "{current}</th><td>{browser(agent)}</td> }.into_any()
    } else {
        view! { <th scope="row">{browser(agent)}" "{current}</th> }.into_any()
    };
    view! {
        <tr>
            {head}
            <td>{from.to_owned()}</td>
            <td>{words::method(&one.method)}</td>
            <td>{format::instant(&one.since)}</td>
            <td>{format::instant(&one.last_seen)}<span class="under">{format!("ends {}", format::instant(&one.expires))}</span></td>
            <td class="acts">{act}</td>
        </tr>
    }
    .into_any()
}

/// A browser by its name, and what it calls itself in full.
fn browser(agent: &str) -> AnyView {
    match words::browser(agent) {
        Some(name) => view! { <span title=agent.to_owned()>{name}</span> }.into_any(),
        None => agent.chars().take(60).collect::<String>().into_any(),
    }
}
