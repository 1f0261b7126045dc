//! What is around every page: skip link, navigation, who reads it, theme, banners.

use std::sync::Arc;

use leptos::prelude::*;
use leptos_router::hooks::use_url;
use wire::{Site, SwitchTo};

use crate::backend::Backend;
use crate::components::reader::opens;
use crate::islands::{AutoSubmit, ChartReader, Shortcuts, TableKeys};
use crate::query::{PageQuery, href, parse_page, print_page};
use crate::shell::Theme;
use crate::words;

/// Pages in the order of the navigation: path and name.
const MAIN: [(&str, &str); 5] = [
    ("/", "Overview"),
    ("/costs", "Costs"),
    ("/clusters", "Clusters"),
    ("/commitments", "Commitments"),
    ("/reconciliation", "Reconciliation"),
];
const SET_UP: [(&str, &str); 2] = [("/rules", "Rules"), ("/sources", "Sources")];
const PEOPLE: [(&str, &str); 2] = [("/access", "Access"), ("/audit", "Audit log")];
/// The one page that is for nobody in particular: without navigation.
const SIGN_IN: &str = "/sign-in";

/// Where the reader is, to come back to and to carry along.
#[derive(Clone)]
struct Here {
    path: String,
    /// The page's address.
    back: String,
    /// Period and basis, which links between pages keep.
    kept: String,
}

/// The frame around every page.
#[component]
pub(crate) fn Frame(children: Children) -> impl IntoView {
    let url = use_url().get_untracked();
    let kept = parse_page(url.search()).unwrap_or_default();
    let here = Here {
        path: url.path().to_owned(),
        back: href(url.path(), url.search()),
        kept: print_page(&PageQuery { against: None, ..kept }),
    };
    // asked for once, shown in three places and looked at by the page
    let backend = use_context::<Arc<dyn Backend>>();
    let site = AsyncDerived::new(move || {
        let backend = backend.clone();
        async move {
            match backend {
                Some(backend) => backend.site().await,
                None => Site::default(),
            }
        }
    });
    provide_context(site);
    if here.path == SIGN_IN {
        return gate(site, children);
    }
    let side = side(site, here);
    let content = children().into_any();
    view! {
        <a class="skip" href="#content">"Skip to content"</a>
        <div class="app">
            {side}
            <div class="page">
                {about(site)}
                <main id="content" tabindex="-1">{content}</main>
                <footer class="foot-note"><a href="/glossary">"What the words mean"</a></footer>
            </div>
        </div>
        {islands()}
    }
    .into_any()
}

fn side(site: AsyncDerived<Site>, here: Here) -> AnyView {
    let theme = theme_form(here.back.clone());
    let shortcuts = view! { <Shortcuts /> }.into_any();
    view! {
        <nav class="side" aria-label="Main">
            {brand()}
            {navigation(site, here.clone())}
            <div class="foot">
                {who(site, here)}
                {theme}
                {shortcuts}
            </div>
        </nav>
    }
    .into_any()
}

fn islands() -> AnyView {
    view! {
        <TableKeys />
        <ChartReader />
        <AutoSubmit />
    }
    .into_any()
}

/// Around the sign-in page: the mark, and nothing that leads elsewhere.
fn gate(site: AsyncDerived<Site>, children: Children) -> AnyView {
    view! {
        <div class="gate-page">
            {about(site)}
            <main id="content" class="gate" tabindex="-1">
                <p class="mark">{mark()}"Tonnage"</p>
                {children()}
            </main>
        </div>
    }
    .into_any()
}

fn brand() -> AnyView {
    view! { <a class="brand" href="/">{mark()}"Tonnage"</a> }.into_any()
}

fn mark() -> AnyView {
    view! {
        <svg class="mark" width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
            <path d="M2 13h18l-2.6 5.4a1 1 0 0 1-.9.6H5.5a1 1 0 0 1-.9-.6z" />
            <path d="M5 13V8h5v5M11 13V5h5v8" />
        </svg>
    }
    .into_any()
}

/// Links to the pages the reader may open; none for nobody.
fn navigation(site: AsyncDerived<Site>, here: Here) -> AnyView {
    Suspend::new(async move {
        let reader = site.await.reader?;
        let links = |pages: &[(&'static str, &'static str)]| -> Vec<_> {
            let open = pages.iter().filter(|(path, _)| opens(&reader, path));
            let link = |(path, name): &(&'static str, &'static str)| {
                let current = (here.path == *path).then_some("page");
                view! { <li><a href=href(path, &here.kept) aria-current=current>{*name}</a></li> }
            };
            open.map(link).collect()
        };
        let group = |id: &'static str, name: &'static str, pages: &[(&'static str, &'static str)]| {
            let links = links(pages);
            (!links.is_empty()).then(|| view! { <h2 id=id>{name}</h2><ul aria-labelledby=id>{links}</ul> })
        };
        Some(
            view! {
                <ul>{links(&MAIN)}</ul>
                {group("nav-set-up", "Set up", &SET_UP)}
                {group("nav-people", "People", &PEOPLE)}
            }
            .into_any(),
        )
    })
    .into_any()
}

/// Who is signed in, and the way out.
fn who(site: AsyncDerived<Site>, here: Here) -> AnyView {
    Suspend::new(async move {
        let reader = site.await.reader?;
        let current = (here.path == "/account").then_some("page");
        let roles = if reader.roles.is_empty() {
            "no role".to_owned()
        } else {
            reader.roles.join(", ")
        };
        let title = format!("Your account: {roles}");
        Some(view! {
            <div class="who">
                <a href="/account" aria-current=current title=title>
                    <b>{reader.name.clone()}</b>
                    <span class="roles">{roles}</span>
                </a>
                <form method="post" action="/sign-out"><button class="btn small" type="submit">"Sign out"</button></form>
            </div>
            {switch(&reader.switch, &here.back)}
        }
        .into_any())
    })
    .into_any()
}

/// In the demo one can be anybody: an account of each role.
fn switch(accounts: &[SwitchTo], back: &str) -> Option<AnyView> {
    let buttons: Vec<_> = accounts
        .iter()
        .map(|one| {
            let current = one.current.then_some("true");
            view! {
                <li>
                    <button type="submit" name="account_id" value=one.account_id.clone() aria-current=current disabled=one.current>
                        <b>{one.role.clone()}</b><span>{one.name.clone()}</span>
                    </button>
                </li>
            }
        })
        .collect();
    (!buttons.is_empty()).then(|| {
        view! {
            <details class="switch">
                <summary>"Switch to"</summary>
                <form method="post" action="/switch">
                    <input type="hidden" name="back" value=back.to_owned() />
                    <ul>{buttons}</ul>
                </form>
            </details>
        }
        .into_any()
    })
}

/// Says on every page, error pages too, that the data is invented, and when
/// the costs are not the whole company's.
fn about(site: AsyncDerived<Site>) -> AnyView {
    Suspend::new(async move {
        let site = site.await;
        let company = site.company.unwrap_or_else(|| "a company".to_owned());
        let only = site.reader.map(|reader| reader.only).unwrap_or_default();
        let synthetic = site.synthetic.then(|| {
            view! {
                <aside class="banner synthetic" aria-label="About the data">
                    <b>"Synthetic demo company"</b>
                    {format!("{company} and all its figures are invented")}
                </aside>
            }
        });
        let only = (!only.is_empty()).then(|| {
            view! {
                <aside class="banner only" aria-label="Whose costs">
                    <b>{format!("Only costs of {}", words::all_of(&only))}</b>
                    "Totals and shares are of these alone."
                </aside>
            }
        });
        view! { {synthetic}{only} }.into_any()
    })
    .into_any()
}

/// A plain form: works without scripts, and the server renders the choice, so
/// nothing flashes.
fn theme_form(back: String) -> AnyView {
    let chosen = use_context::<Theme>().unwrap_or_default();
    let button = |theme: Theme, name: &'static str| {
        let pressed = if theme == chosen { "true" } else { "false" };
        view! { <button r#type="submit" name="theme" value=theme.key() aria-pressed=pressed>{name}</button> }
    };
    view! {
        <form method="post" action="/theme">
            <input r#type="hidden" name="back" value=back />
            <div class="theme" role="group" aria-label="Theme">
                {button(Theme::System, "Auto")}
                {button(Theme::Light, "Light")}
                {button(Theme::Dark, "Dark")}
            </div>
        </form>
    }
    .into_any()
}
