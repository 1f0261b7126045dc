//! What is around every page: skip link, navigation, theme, the banner.

use std::sync::Arc;

use leptos::prelude::*;
use leptos_router::hooks::use_url;

use crate::backend::Backend;
use crate::islands::{AutoSubmit, ChartReader, Shortcuts, TableKeys};
use crate::query::{PageQuery, href, parse_page, print_page};
use crate::shell::Theme;

/// Pages in the order of the navigation: path, name, and whether period and
/// basis are carried over.
const MAIN: [(&str, &str); 5] = [
    ("/", "Overview"),
    ("/costs", "Costs"),
    ("/clusters", "Clusters"),
    ("/commitments", "Commitments"),
    ("/reconciliation", "Reconciliation"),
];
const SET_UP: [(&str, &str); 2] = [("/rules", "Rules"), ("/sources", "Sources")];

/// The frame around every page.
#[component]
pub(crate) fn Frame(children: Children) -> impl IntoView {
    let url = use_url().get_untracked();
    let back = href(url.path(), url.search());
    let kept = parse_page(url.search()).unwrap_or_default();
    let kept = print_page(&PageQuery { against: None, ..kept });
    let here = url.path().to_owned();
    let links = |pages: &[(&'static str, &'static str)]| -> Vec<_> {
        let link = |(path, name): &(&'static str, &'static str)| {
            let current = (here == *path).then_some("page");
            view! { <li><a href=href(path, &kept) aria-current=current>{*name}</a></li> }
        };
        pages.iter().map(link).collect()
    };
    view! {
        <a class="skip" href="#content">"Skip to content"</a>
        <div class="app">
            <nav class="side" aria-label="Main">
                <a class="brand" href="/">
                    <svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
                        <path d="M2 13h18l-2.6 5.4a1 1 0 0 1-.9.6H5.5a1 1 0 0 1-.9-.6z" />
                        <path d="M5 13V8h5v5M11 13V5h5v8" />
                    </svg>
                    "Tonnage"
                </a>
                <ul>{links(&MAIN)}</ul>
                <h2 id="nav-set-up">"Set up"</h2>
                <ul aria-labelledby="nav-set-up">{links(&SET_UP)}</ul>
                <div class="foot">
                    {theme_form(back)}
                    <Shortcuts />
                </div>
            </nav>
            <div class="page">
                {synthetic()}
                <main id="content" tabindex="-1">{children()}</main>
                <footer class="foot-note"><a href="/glossary">"What the words mean"</a></footer>
            </div>
        </div>
        <TableKeys />
        <ChartReader />
        <AutoSubmit />
    }
}

/// Says on every page, error pages too, that the data is invented.
fn synthetic() -> impl IntoView {
    let backend = use_context::<Arc<dyn Backend>>();
    Suspend::new(async move {
        let site = backend?.site().await;
        let company = site.company.unwrap_or_else(|| "a company".to_owned());
        site.synthetic.then(|| {
            view! {
                <aside class="banner synthetic" aria-label="About the data">
                    <b>"Synthetic demo company"</b>
                    {format!("{company} and all its figures are invented")}
                </aside>
            }
        })
    })
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
