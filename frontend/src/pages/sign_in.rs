//! How can one sign in? Before there is an admin: who is the first?

use leptos::prelude::*;
use leptos_meta::Title;
use wire::{OneTimeLink, Provider, SignInPage, SignInRefused};

use crate::components::state::page;
use crate::query::{encode, parse_sign_in};
use crate::words;

/// Characters a new password has at least; the server holds to it.
pub(crate) const PASSWORD_LEAST: u32 = 12;

/// The sign-in page. The frame leaves its navigation out.
#[component]
pub(crate) fn SignIn() -> impl IntoView {
    page(
        "Sign in",
        |backend, search| {
            let query = parse_sign_in(&search);
            Ok(async move { backend.sign_in(query).await })
        },
        show,
    )
}

fn show(page: &SignInPage) -> AnyView {
    if page.first_run {
        return set_up(page);
    }
    if let Some(link) = &page.link {
        return by_link(link, page.next.as_deref());
    }
    let both = page.local && !page.providers.is_empty();
    let nothing = (!page.local && page.providers.is_empty()).then(|| {
        view! { <p>"Nobody can sign in: neither passwords nor a provider are set up. Whoever runs the server can mend it."</p> }
    });
    view! {
        <Title text="Sign in - Tonnage" />
        <h1>"Sign in"</h1>
        {page.refused.as_ref().map(refusal)}
        {providers(&page.providers, page.next.as_deref())}
        {both.then(|| view! { <p class="or"><span>"or with a password"</span></p> })}
        {page.local.then(|| local(page))}
        {nothing}
    }
    .into_any()
}

fn providers(providers: &[Provider], next: Option<&str>) -> Option<AnyView> {
    if providers.is_empty() {
        return None;
    }
    let next = next.map_or(String::new(), |next| format!("?next={}", encode(next)));
    let links: Vec<_> = providers
        .iter()
        .map(|one| {
            let to = format!("/sign-in/oidc/{}{next}", encode(&one.name));
            view! { <li><a class="btn wide" href=to>{format!("Sign in with {}", one.label)}</a></li> }
        })
        .collect();
    Some(view! { <ul class="providers">{links}</ul> }.into_any())
}

fn local(page: &SignInPage) -> AnyView {
    let wrong = matches!(page.refused, Some(SignInRefused::Wrong | SignInRefused::Wait { .. }));
    let invalid = matches!(page.refused, Some(SignInRefused::Wrong)).then_some("true");
    let described = wrong.then_some("refused");
    // whoever comes back has typed the login already
    let typed = !page.login.is_empty();
    view! {
        <form class="form gate-form" method="post" action="/sign-in">
            {next(page.next.as_deref())}
            <div class="entry">
                <label for="login">"Login"</label>
                <input id="login" name="login" type="text" value=page.login.clone() required autocomplete="username"
                    autocapitalize="none" spellcheck="false" autofocus=!typed aria-invalid=invalid aria-describedby=described />
            </div>
            <div class="entry">
                <label for="password">"Password"</label>
                <input id="password" name="password" type="password" required autocomplete="current-password"
                    autofocus=typed aria-invalid=invalid aria-describedby=described />
            </div>
            <div class="send"><button class="btn primary wide" type="submit">"Sign in"</button></div>
        </form>
        <p class="sub">"No password, or forgotten? An admin can give you a link that signs you in once."</p>
    }
    .into_any()
}

/// A link that was opened signs nobody in by itself: mail programs open links too.
fn by_link(link: &OneTimeLink, to: Option<&str>) -> AnyView {
    view! {
        <Title text="Sign in - Tonnage" />
        <h1>"Sign in by link"</h1>
        <p>"This link signs you in as "<b>{link.name.clone()}</b>". It works once."</p>
        <form class="form gate-form" method="post" action="/sign-in/link">
            {next(to)}
            <input type="hidden" name="code" value=link.code.clone() />
            <div class="send"><button class="btn primary wide" type="submit">{format!("Sign in as {}", link.name)}</button></div>
        </form>
        <p class="sub">"Not you? Close this page: the link stays unused."</p>
    }
    .into_any()
}

fn set_up(page: &SignInPage) -> AnyView {
    let wrong = |field: &str| refused_field(page.refused.as_ref()) == Some(field);
    let invalid = |field: &str| wrong(field).then_some("true");
    let described = |field: &str, hint: Option<&str>| {
        let parts = [wrong(field).then_some("refused"), hint];
        let ids: Vec<&str> = parts.into_iter().flatten().collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    };
    view! {
        <Title text="Set up - Tonnage" />
        <h1>"Set up Tonnage"</h1>
        <p>"Nobody can sign in yet. Make the first admin: they give everybody else access."</p>
        {page.refused.as_ref().map(refusal)}
        <form class="form gate-form" method="post" action="/set-up">
            {next(page.next.as_deref())}
            <div class="entry">
                <label for="code">"Set-up code"</label>
                <input id="code" name="code" type="text" value=page.code.clone() required autocomplete="one-time-code"
                    autocapitalize="none" spellcheck="false" aria-invalid=invalid("code") aria-describedby=described("code", Some("code-hint")) />
                <p class="hint" id="code-hint">"The server printed it where it was started: in the terminal, or in its log. It works once."</p>
            </div>
            <div class="entry">
                <label for="login">"Login"</label>
                <input id="login" name="login" type="text" value=page.login.clone() required autocomplete="username"
                    autocapitalize="none" spellcheck="false" aria-invalid=invalid("login") aria-describedby=described("login", None) />
            </div>
            <div class="entry">
                <label for="name">"Your name"</label>
                <input id="name" name="name" type="text" value=page.name.clone() required autocomplete="name"
                    aria-invalid=invalid("name") aria-describedby=described("name", Some("name-hint")) />
                <p class="hint" id="name-hint">"As others see it, in the audit log too."</p>
            </div>
            <div class="entry">
                <label for="new">"Password"</label>
                <input id="new" name="new" type="password" required minlength=PASSWORD_LEAST autocomplete="new-password"
                    aria-invalid=invalid("new") aria-describedby=described("new", Some("new-hint")) />
                <p class="hint" id="new-hint">"At least 12 characters. Longer is better than odd."</p>
            </div>
            <div class="entry">
                <label for="again">"Password again"</label>
                <input id="again" name="again" type="password" required minlength=PASSWORD_LEAST autocomplete="new-password"
                    aria-invalid=invalid("again") aria-describedby=described("again", None) />
            </div>
            <div class="send"><button class="btn primary wide" type="submit">"Make the first admin"</button></div>
        </form>
    }
    .into_any()
}

fn next(path: Option<&str>) -> Option<AnyView> {
    path.map(|path| view! { <input type="hidden" name="next" value=path.to_owned() /> }.into_any())
}

/// The field of the first set-up that does not fit.
fn refused_field(refused: Option<&SignInRefused>) -> Option<&'static str> {
    match refused? {
        SignInRefused::Code | SignInRefused::Wait { .. } => Some("code"),
        SignInRefused::Login => Some("login"),
        SignInRefused::Name => Some("name"),
        SignInRefused::Short | SignInRefused::Long => Some("new"),
        SignInRefused::Differ => Some("again"),
        _ => None,
    }
}

fn refusal(refused: &SignInRefused) -> AnyView {
    let short = match refused {
        SignInRefused::Code
        | SignInRefused::Login
        | SignInRefused::Name
        | SignInRefused::Short
        | SignInRefused::Long
        | SignInRefused::Differ => "Nothing was made. ",
        _ => "Not signed in. ",
    };
    let words = match refused {
        SignInRefused::Wrong => "Login and password do not fit together. Check both and try again.".to_owned(),
        SignInRefused::Wait { wait_s } => {
            format!(
                "Too many attempts were wrong. Wait {}, then try again.",
                words::wait(*wait_s)
            )
        }
        SignInRefused::Link => {
            "This link was used already, or its time is over. Ask an admin for a new one.".to_owned()
        }
        SignInRefused::Ended => "You were signed out: the session has ended. Sign in again.".to_owned(),
        SignInRefused::Provider { label, request_id } => format!(
            "The answer of {label} is not what was asked for, so nobody was signed in. Start again here; if it \
             stays so, tell an admin this request id: {request_id}."
        ),
        SignInRefused::NoRole { name, who } => {
            let ask = if who.is_empty() {
                "an admin".to_owned()
            } else {
                words::any_of(who)
            };
            format!(
                "{name}, you are known, but nothing is granted to you here. Ask {ask} for a role, then sign in again."
            )
        }
        SignInRefused::Code => {
            "The set-up code is not the one the server printed last, or its time is over.".to_owned()
        }
        SignInRefused::Login => {
            "The login does not fit: write letters, digits, and . _ - @ between them, without spaces.".to_owned()
        }
        SignInRefused::Name => "The name is missing: write the one others are to see.".to_owned(),
        SignInRefused::Short => format!("The password is too short: it needs at least {PASSWORD_LEAST} characters."),
        SignInRefused::Long => "The password is too long: a thousand characters are enough.".to_owned(),
        SignInRefused::Differ => "The two passwords differ: write the same one twice.".to_owned(),
    };
    view! { <p class="banner bad" id="refused" role="alert"><b>{short}</b>{words}</p> }.into_any()
}
