//! The document around every page, and what the server provides to it.

use std::sync::Arc;

use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_meta::MetaTags;

use crate::app::App;

/// URL paths of the built files; their names hold a hash of their content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteAssets {
    /// The stylesheet.
    pub css: String,
    /// The glue of the islands; empty when they were not built.
    pub js: String,
    /// The islands.
    pub wasm: String,
    /// The icon.
    pub favicon: String,
    /// The font of the first paint.
    pub font: String,
}

/// The colour theme a reader chose; kept in a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the operating system says.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// The word in the cookie and in the form; empty for the system's choice.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::System => "",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The theme a cookie or form value names; anything unknown is the system's.
    #[must_use]
    pub fn from_key(key: &str) -> Self {
        match key {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }
}

/// Sets the HTTP status of the response; the server provides it.
#[derive(Clone)]
pub struct StatusSink(pub Arc<dyn Fn(u16) + Send + Sync>);

/// The whole document. The server provides `Arc<dyn Backend>`, [`SiteAssets`],
/// [`Theme`] and [`StatusSink`] through context.
#[must_use]
pub fn shell() -> impl IntoView {
    let assets = use_context::<SiteAssets>().unwrap_or_default();
    let theme = use_context::<Theme>().unwrap_or_default();
    let scheme = match theme {
        Theme::System => "light dark",
        Theme::Light | Theme::Dark => theme.key(),
    };
    let chosen = (theme != Theme::System).then(|| theme.key());
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=chosen>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content=scheme />
                {built(&assets.font).map(|font| view! { <link rel="preload" href=font r#as="font" r#type="font/woff2" crossorigin="" /> })}
                {built(&assets.css).map(|css| view! { <link rel="stylesheet" href=css /> })}
                {built(&assets.favicon).map(|icon| view! { <link rel="icon" href=icon r#type="image/svg+xml" /> })}
                {islands_script(&assets)}
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// The address of a file, when the site was built: an empty one would load the
/// page itself once more.
fn built(path: &str) -> Option<String> {
    (!path.is_empty()).then(|| path.to_owned())
}

/// Starts the islands once the page is idle. A page is complete without them,
/// so a failure to load them is no more than a message in the console.
fn islands_script(assets: &SiteAssets) -> Option<impl IntoView + use<>> {
    if assets.js.is_empty() {
        return None;
    }
    // islands alone are hydrated, the rest of the page is plain HTML
    if let Some(shared) = Owner::current_shared_context() {
        shared.set_is_hydrating(false);
    }
    let script = format!(
        "const start=async()=>{{const m=await import({js:?});await m.default({{module_or_path:{wasm:?}}});\
         m.hydrate();for(const el of document.querySelectorAll('leptos-island'))m[el.dataset.component]?.(el)}};\
         const go=()=>start().catch(e=>console.warn('islands are off:',e.message));\
         'requestIdleCallback' in window?requestIdleCallback(go,{{timeout:1000}}):go()",
        js = assets.js,
        wasm = assets.wasm,
    );
    Some(view! { <script r#type="module" nonce=use_nonce()>{script}</script> })
}
