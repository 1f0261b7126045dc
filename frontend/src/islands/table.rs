//! Sort links answered in place: the same page from the server, without losing
//! scroll position and focus. The URL and the downloads follow.

use leptos::ev;
use leptos::prelude::window_event_listener;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{HtmlAnchorElement, HtmlElement, MouseEvent, XmlHttpRequest, XmlHttpRequestResponseType};

use super::dom::{element, find};

pub(super) fn start() {
    window_event_listener(ev::click, |event| {
        if let Some(link) = sort_link(&event)
            && load(&link.href(), &link.id()).is_some()
        {
            event.prevent_default();
        }
    });
    window_event_listener(ev::popstate, |_| {
        if let Some(window) = web_sys::window() {
            // the page of that URL, whole: the part in place may belong to another
            let _ = window.location().reload();
        }
    });
}

/// The sort link under a plain click.
fn sort_link(event: &MouseEvent) -> Option<HtmlAnchorElement> {
    let plain = event.button() == 0 && !event.ctrl_key() && !event.meta_key() && !event.shift_key() && !event.alt_key();
    let at = element(event.target()).filter(|_| plain && !event.default_prevented())?;
    at.closest("a[data-swap]").ok()??.dyn_into().ok()
}

/// Starts loading; `None` leaves the link to the browser.
fn load(href: &str, focus: &str) -> Option<()> {
    let content = find("#content")?;
    let request = XmlHttpRequest::new().ok()?;
    request.open("GET", href).ok()?;
    request.set_response_type(XmlHttpRequestResponseType::Document);
    content.set_attribute("aria-busy", "true").ok()?;
    let (answer, href, focus) = (request.clone(), href.to_owned(), focus.to_owned());
    let done = Closure::once_into_js(move || {
        if answer.status() != Ok(200) || swap(&answer, &href, &focus).is_none() {
            go(&href);
        }
    });
    request.set_onloadend(Some(done.unchecked_ref()));
    request.send().ok()
}

/// Puts the new content in place, then the URL, in one step.
fn swap(answer: &XmlHttpRequest, href: &str, focus: &str) -> Option<()> {
    let fresh = answer.response_xml().ok()??.query_selector("#content").ok()??;
    let content = find("#content")?;
    content.set_inner_html(&fresh.inner_html());
    content.remove_attribute("aria-busy").ok()?;
    let history = web_sys::window()?.history().ok()?;
    history.push_state_with_url(&JsValue::NULL, "", Some(href)).ok()?;
    let link = find(&format!("#{focus}"))?.dyn_into::<HtmlElement>().ok()?;
    link.focus().ok()
}

fn go(href: &str) {
    if let Some(window) = web_sys::window() {
        // the browser says what is wrong with the address, if anything
        let _ = window.location().assign(href);
    }
}
