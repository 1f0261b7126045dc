//! Tokens of programs and of agents: on Access and on one's own page.

use leptos::prelude::*;
use wire::{AgentTokenInfo, ApiTokenInfo, FormAnswer, RoleInfo, TokenState};

use crate::components::figures::none;
use crate::components::forms::{Field, Form, button};
use crate::format;

/// Days until a token ends, when nobody says otherwise, and at most.
const DAYS: (&str, u32) = ("90", 365);

/// Tokens of programs. `whose` shows the account; `revoke` is where their
/// buttons lead, when the reader may press them.
pub(crate) fn api_tokens(tokens: &[ApiTokenInfo], whose: bool, revoke: Option<&'static str>) -> AnyView {
    let rows: Vec<_> = tokens.iter().map(|one| api_token(one, whose, revoke)).collect();
    let columns = if whose { "8" } else { "7" };
    let nothing = tokens.is_empty().then(|| {
        view! { <tr><td class="nothing" colspan=columns>"No program has a token."</td></tr> }
    });
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Tokens of programs">
            <table class="people">
                <caption>"Tokens of programs"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Token"</th>
                        {whose.then(|| view! { <th scope="col">"Account"</th> })}
                        <th scope="col">"Roles"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Made"</th>
                        <th scope="col">"Ends"</th>
                        <th scope="col">"Last used"</th>
                        <th scope="col"><span class="vh">"Revoke"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}{nothing}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn api_token(one: &ApiTokenInfo, whose: bool, revoke: Option<&'static str>) -> AnyView {
    let act = revoke.filter(|_| one.state == TokenState::Active).map(|path| {
        button(
            path,
            &[("token_id", &one.token_id)],
            "Revoke",
            &format!("token {}", one.name),
        )
    });
    view! {
        <tr>
            <th scope="row">{one.name.clone()}</th>
            {whose.then(|| view! { <td>{one.account.clone()}</td> })}
            <td>{one.roles.join(", ")}</td>
            <td>{state(one.state, one.revoked.as_deref())}</td>
            <td>{format::day(&one.created)}</td>
            <td>{format::day(&one.expires)}</td>
            <td>{used(one.last_used.as_deref())}</td>
            <td class="acts">{act}</td>
        </tr>
    }
    .into_any()
}

/// Tokens of agents.
pub(crate) fn agent_tokens(tokens: &[AgentTokenInfo], may_manage: bool) -> AnyView {
    let rows: Vec<_> = tokens.iter().map(|one| agent_token(one, may_manage)).collect();
    let nothing = tokens.is_empty().then(|| {
        view! { <tr><td class="nothing" colspan="7">"No agent has a token."</td></tr> }
    });
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Tokens of agents">
            <table class="people">
                <caption>"Tokens of agents"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Agent"</th>
                        <th scope="col">"Cluster"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Made"</th>
                        <th scope="col">"Ends"</th>
                        <th scope="col">"Last used"</th>
                        <th scope="col"><span class="vh">"Revoke"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}{nothing}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn agent_token(one: &AgentTokenInfo, may_manage: bool) -> AnyView {
    let act = (may_manage && one.state == TokenState::Active).then(|| {
        let whom = format!("the token of {}", one.agent);
        button(
            "/access/agent-tokens/revoke",
            &[("token_id", &one.token_id)],
            "Revoke",
            &whom,
        )
    });
    let end = match &one.expires {
        Some(at) => format::day(at),
        None => "never".to_owned(),
    };
    view! {
        <tr>
            <th scope="row">{one.agent.clone()}</th>
            <td>{one.cluster.clone().unwrap_or_else(|| "any cluster".to_owned())}</td>
            <td>{state(one.state, one.revoked.as_deref())}</td>
            <td>{format::day(&one.created)}</td>
            <td>{end}</td>
            <td>{used(one.last_used.as_deref())}</td>
            <td class="acts">{act}</td>
        </tr>
    }
    .into_any()
}

fn state(state: TokenState, revoked: Option<&str>) -> AnyView {
    match state {
        TokenState::Active => view! { <span class="badge ok">"active"</span> }.into_any(),
        TokenState::Expired => view! { <span class="badge">"ended"</span> }.into_any(),
        TokenState::Revoked => {
            let since = revoked.map(|at| view! { <span class="under">{format::instant(at)}</span> });
            view! { <span class="badge">"revoked"</span>{since} }.into_any()
        }
    }
}

fn used(at: Option<&str>) -> AnyView {
    match at {
        Some(at) => format::instant(at).into_any(),
        None => none("never used"),
    }
}

/// Makes a token for one's own programs.
pub(crate) fn new_api_token(action: &'static str, roles: &[&RoleInfo], answer: Option<&FormAnswer>) -> AnyView {
    if roles.is_empty() {
        return view! { <p class="sub">"A token carries roles of yours, and you hold none."</p> }.into_any();
    }
    let form = Form::new("new-token", action, answer, None);
    let fields = vec![
        form.field(Field {
            name: "name",
            label: "What it is for",
            hint: "Such as: month-end export",
            ..Field::default()
        }),
        days(&form),
        form.roles(roles),
    ];
    let open = form.is_refused();
    let form = form.view(&[], fields, "Make the token");
    view! { <details class="enter" open=open><summary>"Make a token for a program of yours"</summary>{form}</details> }
        .into_any()
}

/// Makes a token for an agent.
pub(crate) fn new_agent_token(clusters: &[String], answer: Option<&FormAnswer>) -> AnyView {
    let form = Form::new("new-agent", "/access/agent-tokens", answer, None);
    let mut options = vec![(String::new(), "any cluster".to_owned())];
    options.extend(clusters.iter().map(|id| (id.clone(), id.clone())));
    let fields = vec![
        form.field(Field {
            name: "agent",
            label: "Agent",
            hint: "A name to know it by, such as: core cluster",
            ..Field::default()
        }),
        form.choice("cluster", "Cluster", "The only one it may write about.", &options),
        days(&form),
    ];
    let open = form.is_refused();
    let form = form.view(&[], fields, "Make the token");
    view! { <details class="enter" open=open><summary>"Make a token for an agent"</summary>{form}</details> }.into_any()
}

fn days(form: &Form<'_>) -> AnyView {
    form.field(Field {
        name: "days",
        label: "Days until it ends",
        kind: "number",
        hint: "1 to 365",
        value: DAYS.0.to_owned(),
        limits: (Some(1), Some(DAYS.1)),
        ..Field::default()
    })
}
