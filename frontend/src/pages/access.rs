//! Who may see and do what?

use leptos::prelude::*;
use wire::{AccessPage, AccountInfo, DutyConflict, FormAnswer, RoleGrant, RoleInfo};

use crate::components::bar::plain_bar;
use crate::components::figures::none;
use crate::components::forms::{Field, Form, answer, button, reach_options, role_options};
use crate::components::sessions::sessions;
use crate::components::state::page;
use crate::components::tokens::{agent_tokens, api_tokens, new_agent_token, new_api_token};
use crate::query::parse_note;
use crate::{format, words};

/// Paths of the two forms that ask for a role.
const NEW_ACCOUNT: &str = "/access/accounts";
const GRANT: &str = "/access/grants";

/// The Access page.
#[component]
pub(crate) fn Access() -> impl IntoView {
    page(
        "Access",
        |backend, search| {
            let note = parse_note(&search);
            Ok(async move { backend.access(note).await })
        },
        show,
    )
}

fn show(page: &AccessPage) -> AnyView {
    let sent = page.answer.as_ref();
    let own: Vec<&RoleInfo> = page
        .roles
        .iter()
        .filter(|role| page.own_roles.contains(&role.key))
        .collect();
    let act = |path: &'static str| page.may_manage.then_some(path);
    let looks = (!page.may_manage).then(|| view! { <p class="sub">"You see access and cannot change it."</p> });
    view! {
        {plain_bar("Access")}
        <div class="content">
            {answer(sent, refused_form(page).as_deref())}
            {lead(page)}
            {looks}
            {conflicts(&page.conflicts)}
            {owners(page)}
            <section class="source" id="accounts">
                {accounts(page)}
                {page.may_manage.then(|| new_account(page))}
                {what_roles_permit(&page.roles)}
            </section>
            <section class="source" id="sessions">
                {sessions(&page.sessions, true, act("/access/sessions/end"))}
            </section>
            <section class="source" id="tokens">
                {api_tokens(&page.api_tokens, true, act("/access/tokens/revoke"))}
                {page.may_manage.then(|| new_api_token("/access/tokens", &own, sent))}
            </section>
            <section class="source" id="agents">
                {agent_tokens(&page.agent_tokens, page.may_manage)}
                {page.may_manage.then(|| new_agent_token(&page.clusters, sent))}
            </section>
        </div>
    }
    .into_any()
}

/// Id of the form that came back, to lead there from the top of the page.
fn refused_form(page: &AccessPage) -> Option<String> {
    let Some(FormAnswer::Refused { form, written, .. }) = &page.answer else {
        return None;
    };
    let id = match form.as_str() {
        NEW_ACCOUNT => "new-account",
        "/access/tokens" if !page.own_roles.is_empty() => "new-token",
        "/access/agent-tokens" => "new-agent",
        GRANT => {
            let of = |account: &AccountInfo| {
                written
                    .iter()
                    .any(|(name, value)| name == "account_id" && *value == account.account_id)
            };
            return page.accounts.iter().position(of).map(grant_id);
        }
        _ => return None,
    };
    Some(id.to_owned())
}

/// Id of the form that grants a role to the account in this place.
fn grant_id(at: usize) -> String {
    format!("grant-{at}")
}

fn lead(page: &AccessPage) -> AnyView {
    let disabled = page.accounts.iter().filter(|one| one.disabled.is_some()).count();
    let may = page.accounts.len() - disabled;
    let mut words = vec![format!("{} may sign in", counted(may, "person", "people"))];
    words.extend((disabled > 0).then(|| format!("{disabled} no longer")));
    let duties = match page.conflicts.len() {
        0 => "No one holds duties that should be apart.".to_owned(),
        many => format!(
            "{} should be apart.",
            counted(many, "pair of duties", "pairs of duties")
        ),
    };
    view! { <p class="lead"><b>{words.join(", ")}</b>{format!(". {duties}")}</p> }.into_any()
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format::counted(u64::try_from(number).unwrap_or(u64::MAX), one, many)
}

/// Duties that one person should not hold together (C7): told, not forbidden,
/// since a small company may have nobody else.
fn conflicts(conflicts: &[DutyConflict]) -> Option<AnyView> {
    let items: Vec<_> = conflicts
        .iter()
        .map(|one| {
            view! {
                <li>
                    <span class="badge est">"Duties"</span>
                    <span><b>{one.name.clone()}</b>{format!(" is {} and {}: {}.", one.first, one.second, one.why)}</span>
                </li>
            }
        })
        .collect();
    (!items.is_empty()).then(|| view! { <ul class="findings" id="duties">{items}</ul> }.into_any())
}

/// Names to propose where a reach is asked for.
fn owners(page: &AccessPage) -> Option<AnyView> {
    let option = |kind: &'static str| {
        move |name: &String| view! { <option value=name.clone()>{words::reach_kind(kind)}</option> }.into_any()
    };
    let mut options: Vec<AnyView> = page.tenants.iter().map(option("tenant")).collect();
    options.extend(page.legal_entities.iter().map(option("legal_entity")));
    page.may_manage
        .then(|| view! { <datalist id="owners">{options}</datalist> }.into_any())
}

fn accounts(page: &AccessPage) -> AnyView {
    let rows: Vec<_> = page
        .accounts
        .iter()
        .enumerate()
        .map(|(at, one)| account(page, at, one))
        .collect();
    view! {
        <div class="scroll" tabindex="0" role="group" aria-label="Accounts">
            <table class="people accounts">
                <caption>"Accounts"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Who"</th>
                        <th scope="col">"Roles"</th>
                        <th scope="col">"Signs in by"</th>
                        <th scope="col">"Last seen"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn account(page: &AccessPage, at: usize, one: &AccountInfo) -> AnyView {
    let disabled = one.disabled.as_deref().map(|since| {
        view! { <span class="badge bad" title=format!("since {}", format::instant(since))>"disabled"</span> }
    });
    let own = one.own.then(|| view! { <span class="badge ok">"you"</span> });
    let roles = if one.grants.is_empty() {
        none("no role")
    } else {
        let items: Vec<_> = one
            .grants
            .iter()
            .map(|grant| granted(one, grant, page.may_manage))
            .collect();
        view! { <ul class="grants">{items}</ul> }.into_any()
    };
    let seen = match &one.last_seen {
        Some(at) => format::instant(at).into_any(),
        None => none("not signed in"),
    };
    view! {
        <tr>
            <th scope="row">{one.name.clone()}" "{own}{disabled}<span class="under">{one.login.clone()}</span></th>
            <td>{roles}{page.may_manage.then(|| change(page, at, one))}</td>
            <td>{signs_in(one)}</td>
            <td>{seen}</td>
        </tr>
    }
    .into_any()
}

fn signs_in(one: &AccountInfo) -> String {
    match (&one.provider, one.has_password) {
        (Some(provider), _) => provider.clone(),
        (None, true) => "password".to_owned(),
        (None, false) => "one-time link; no password yet".to_owned(),
    }
}

/// A role as it is held, and the button that takes it back.
fn granted(account: &AccountInfo, grant: &RoleGrant, may_manage: bool) -> AnyView {
    let over = format!(" of {}", words::reach(&grant.reach, &grant.owner));
    let given = grant
        .given_by
        .as_ref()
        .map(|by| view! { <span class="under">{format!("given by a group of {by}")}</span> });
    let back = (may_manage && grant.given_by.is_none()).then(|| {
        let hidden = [
            ("account_id", account.account_id.as_str()),
            ("role", &grant.role),
            ("reach", &grant.reach),
            ("owner", &grant.owner),
        ];
        let whom = format!("{}{over} from {}", grant.label, account.name);
        button("/access/revoke-grant", &hidden, "Take back", &whom)
    });
    view! { <li><span><b>{grant.label.clone()}</b>{over}{given}</span>{back}</li> }.into_any()
}

/// What an admin can do to an account, folded so that the list stays one.
fn change(page: &AccessPage, at: usize, one: &AccountInfo) -> AnyView {
    let id = one.account_id.as_str();
    let form = Form::new(grant_id(at), GRANT, page.answer.as_ref(), Some(("account_id", id)));
    let fields = reach_fields(&form, page);
    let open = form.is_refused();
    let local = one.provider.is_none() && one.disabled.is_none();
    let link = local.then(|| {
        button(
            "/access/link",
            &[("account_id", id)],
            "New one-time link",
            &format!("for {}", one.name),
        )
    });
    let turn = match (&one.disabled, one.own) {
        (Some(_), _) => Some(button("/access/enable", &[("account_id", id)], "Enable", &one.name)),
        // whoever disables themselves finds out too late
        (None, true) => None,
        (None, false) => Some(button("/access/disable", &[("account_id", id)], "Disable", &one.name)),
    };
    view! {
        <details class="more" open=open>
            <summary>"Change"<span class="vh">{format!(" {}", one.name)}</span></summary>
            {form.view(&[("account_id", id)], fields, "Add the role")}
            <div class="row">{link}{turn}</div>
        </details>
    }
    .into_any()
}

fn reach_fields(form: &Form<'_>, page: &AccessPage) -> Vec<AnyView> {
    vec![
        form.choice("role", "Role", "", &role_options(&page.roles)),
        form.choice("reach", "Over the costs of", "", &reach_options()),
        form.field(Field {
            name: "owner",
            label: "Its name",
            hint: "Of the tenant or legal entity; empty for the whole company.",
            optional: true,
            list: Some("owners"),
            ..Field::default()
        }),
    ]
}

fn new_account(page: &AccessPage) -> AnyView {
    let form = Form::new("new-account", NEW_ACCOUNT, page.answer.as_ref(), None);
    let mut fields = vec![
        form.field(Field {
            name: "login",
            label: "Login",
            hint: "What they type to sign in.",
            ..Field::default()
        }),
        form.field(Field {
            name: "name",
            label: "Name",
            hint: "As others see it.",
            ..Field::default()
        }),
    ];
    fields.extend(reach_fields(&form, page));
    let open = form.is_refused();
    view! {
        <details class="enter" open=open>
            <summary>"Add somebody"</summary>
            <p class="sub">"You get a link to hand over: it signs them in once, and they set a password."</p>
            {form.view(&[], fields, "Add and make the link")}
        </details>
    }
    .into_any()
}

fn what_roles_permit(roles: &[RoleInfo]) -> AnyView {
    let rows: Vec<_> = roles
        .iter()
        .map(|role| {
            view! {
                <tr>
                    <th scope="row">{role.label.clone()}</th>
                    <td class="wrap">{role.purpose.clone()}</td>
                    <td class="wrap">{role.permits.join("; ")}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <details class="enter">
            <summary>"What each role permits"</summary>
            <div class="scroll" tabindex="0" role="group" aria-label="Roles">
                <table class="people">
                    <caption class="vh">"Roles"</caption>
                    <thead>
                        <tr><th scope="col">"Role"</th><th scope="col">"It"</th><th scope="col">"May"</th></tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
    .into_any()
}
