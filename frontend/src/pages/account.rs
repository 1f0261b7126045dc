//! Who am I here?

use leptos::prelude::*;
use wire::{AccountPage, FormAnswer, RoleGrant, RoleInfo};

use crate::components::bar::plain_bar;
use crate::components::forms::{Field, Form, answer};
use crate::components::sessions::sessions;
use crate::components::state::page;
use crate::components::tokens::{api_tokens, new_api_token};
use crate::pages::sign_in::PASSWORD_LEAST;
use crate::query::parse_note;
use crate::words;

const PASSWORD: &str = "/account/password";
const TOKENS: &str = "/account/tokens";

/// One's own account.
#[component]
pub(crate) fn Account() -> impl IntoView {
    page(
        "Your account",
        |backend, search| {
            let note = parse_note(&search);
            Ok(async move { backend.account(note).await })
        },
        show,
    )
}

fn show(page: &AccountPage) -> AnyView {
    let sent = page.answer.as_ref();
    let own: Vec<&RoleInfo> = page.roles.iter().collect();
    let at = match sent {
        Some(FormAnswer::Refused { form, .. }) if form == PASSWORD && page.provider.is_none() => Some("password"),
        Some(FormAnswer::Refused { form, .. }) if form == TOKENS && !own.is_empty() => Some("new-token"),
        _ => None,
    };
    view! {
        {plain_bar("Your account")}
        <div class="content">
            {answer(sent, at)}
            <p class="lead"><b>{page.name.clone()}</b>{format!(", signed in as {}", page.login)}</p>
            {roles(page)}
            <section class="source" id="own-password">{password(page)}</section>
            <section class="source" id="sessions">{sessions(&page.sessions, false, Some("/account/sessions/end"))}</section>
            <section class="source" id="tokens">
                {api_tokens(&page.tokens, false, Some("/account/tokens/revoke"))}
                {new_api_token(TOKENS, &own, sent)}
            </section>
        </div>
    }
    .into_any()
}

fn roles(page: &AccountPage) -> AnyView {
    if page.grants.is_empty() {
        return view! { <p class="sub">"You hold no role, so nothing is open to you. An admin can grant one."</p> }
            .into_any();
    }
    let item = |grant: &RoleGrant| {
        let purpose = page
            .roles
            .iter()
            .find(|role| role.key == grant.role)
            .map(|role| role.purpose.clone());
        let given = grant.given_by.as_ref().map(|by| format!(", given by a group of {by}"));
        view! {
            <li>
                <b>{grant.label.clone()}</b>
                {format!(" of {}{}", words::reach(&grant.reach, &grant.owner), given.unwrap_or_default())}
                {purpose.map(|purpose| view! { <span class="under">{purpose}</span> })}
            </li>
        }
    };
    let items: Vec<_> = page.grants.iter().map(item).collect();
    view! { <h2>"Your roles"</h2><ul class="own-roles">{items}</ul> }.into_any()
}

fn password(page: &AccountPage) -> AnyView {
    if let Some(provider) = &page.provider {
        return view! {
            <h2>"Password"</h2>
            <p class="sub">{format!("You sign in with {provider}: your password is kept and changed there.")}</p>
        }
        .into_any();
    }
    let form = Form::new("password", PASSWORD, page.answer.as_ref(), None);
    let field = |name, label, autocomplete, hint, least| {
        form.field(Field {
            name,
            label,
            kind: "password",
            autocomplete,
            hint,
            limits: (least, None),
            ..Field::default()
        })
    };
    let (title, lead, send) = if page.has_password {
        (
            "Password",
            "Changing it ends your other sessions.",
            "Change the password",
        )
    } else {
        (
            "Set a password",
            "You came by a link that worked once. With a password you can come back.",
            "Set the password",
        )
    };
    let mut fields = vec![user(page)];
    fields.extend(
        page.has_password
            .then(|| field("current", "Current password", "current-password", "", None)),
    );
    let least = Some(PASSWORD_LEAST);
    fields.push(field(
        "new",
        "New password",
        "new-password",
        "At least 12 characters. Longer is better than odd.",
        least,
    ));
    fields.push(field("again", "New password again", "new-password", "", least));
    view! { <h2>{title}</h2><p class="sub">{lead}</p>{form.view(&[], fields, send)} }.into_any()
}

/// Tells a password manager whose password it is.
fn user(page: &AccountPage) -> AnyView {
    view! { <input class="vh" type="text" value=page.login.clone() autocomplete="username" readonly tabindex="-1" aria-hidden="true" /> }
        .into_any()
}
