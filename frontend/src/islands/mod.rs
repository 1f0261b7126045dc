//! What scripts add to pages that are complete without them.
//!
//! Each island is a leaf that listens on the document, so the pages stay plain
//! HTML and nothing but these few functions is compiled for the browser.

#![allow(
    clippy::disallowed_methods,
    reason = "the island macro leaks its view to the browser, which owns it"
)]

#[cfg(feature = "hydrate")]
mod chart;
#[cfg(feature = "hydrate")]
mod dom;
#[cfg(feature = "hydrate")]
mod form;
#[cfg(feature = "hydrate")]
mod keys;
#[cfg(feature = "hydrate")]
mod table;

use leptos::prelude::*;

/// Runs once in the browser and never on the server.
macro_rules! start {
    ($behaviour:path) => {
        #[cfg(feature = "hydrate")]
        Effect::new(|_| $behaviour())
    };
}

/// `j` and `k` through rows; sorts without loading the page again.
#[island]
pub fn TableKeys() -> impl IntoView {
    start!(table::start);
}

/// Reads the figures of a chart by pointer or arrow keys.
#[island]
pub fn ChartReader() -> impl IntoView {
    start!(chart::start);
}

/// Applies a choice made with the pointer at once.
#[island]
pub fn AutoSubmit() -> impl IntoView {
    start!(form::start);
}

/// Single-key shortcuts, their list, and the switch that turns them off.
#[island]
pub fn Shortcuts() -> impl IntoView {
    start!(keys::start);
    let row = |keys: &'static str, what: &'static str| {
        view! { <div><dt><kbd>{keys}</kbd></dt><dd>{what}</dd></div> }
    };
    view! {
        <button class="keys-open" r#type="button" id="keys-open" popovertarget="keys">"Keyboard"</button>
        <div id="keys" popover="auto" role="dialog" aria-labelledby="keys-title">
            <h2 id="keys-title">"Keyboard"</h2>
            <dl>
                {row("/", "filter")}
                {row("g o", "overview")}
                {row("g c", "costs")}
                {row("g r", "reconciliation")}
                {row("[ ]", "earlier and later period")}
                {row("j k", "next and previous row")}
                {row("Enter", "open the row")}
                {row("← →", "read a chart")}
                {row("Esc", "close, leave a field")}
                {row("?", "this list")}
            </dl>
            <label class="check" id="keys-switch" hidden>
                <input r#type="checkbox" id="keys-on" checked />
                "Single-key shortcuts"
            </label>
            <button class="btn" r#type="button" popovertarget="keys" popovertargetaction="hide">"Close"</button>
        </div>
    }
}
