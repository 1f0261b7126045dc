//! Single-key shortcuts, off by a switch that the browser remembers.

use std::cell::Cell;

use leptos::ev;
use leptos::prelude::window_event_listener;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, HtmlInputElement, KeyboardEvent, Storage};

use super::dom::{document, element, find, follow};

const STORED: &str = "tonnage.keys";

pub(super) fn start() {
    let stored = storage().and_then(|storage| storage.get_item(STORED).ok().flatten());
    if let Some(switch) = switch() {
        switch.set_checked(stored.as_deref() != Some("off"));
    }
    if let Some(label) = find("#keys-switch") {
        // the switch does nothing before this runs, so it was not shown
        let _ = label.remove_attribute("hidden");
    }
    let going = Cell::new(false);
    window_event_listener(ev::keydown, move |event| {
        let was_going = going.replace(false);
        if applies(&event) && press(&event.key(), was_going, &going) {
            event.prevent_default();
        }
    });
    window_event_listener(ev::change, |event| {
        if let (Some(switch), Some(target)) = (switch(), element(event.target()))
            && target.id() == switch.id()
        {
            let word = if switch.checked() { "on" } else { "off" };
            // without storage the choice lasts as long as the page
            let _ = storage().map(|storage| storage.set_item(STORED, word));
        }
    });
}

fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

fn switch() -> Option<HtmlInputElement> {
    find("#keys-on")?.dyn_into().ok()
}

/// Not while typing, not with a modifier, not when turned off.
fn applies(event: &KeyboardEvent) -> bool {
    if event.ctrl_key() || event.alt_key() || event.meta_key() || event.default_prevented() {
        return false;
    }
    let typing = element(event.target()).is_some_and(|at| at.closest("input,select,textarea").ok().flatten().is_some());
    !typing && switch().is_none_or(|switch| switch.checked())
}

/// Does what the key stands for; says whether it stands for anything.
fn press(key: &str, was_going: bool, going: &Cell<bool>) -> bool {
    match (was_going, key) {
        (true, "o") => follow("nav.side a[href='/'],nav.side li a[href^='/?']"),
        (true, "c") => follow("nav.side a[href^='/costs']"),
        (true, "r") => follow("nav.side a[href^='/reconciliation']"),
        (_, "g") => going.set(true),
        (_, "/") => match find("#filter-value").and_then(|field| field.dyn_into::<HtmlElement>().ok()) {
            Some(field) => drop(field.focus()),
            None => return false,
        },
        (_, "[") => follow("a[rel=prev]"),
        (_, "]") => follow("a[rel=next]"),
        (_, "?") => follow("#keys-open"),
        (_, "j") => row(1),
        (_, "k") => row(-1),
        _ => return false,
    }
    true
}

/// Moves the focus to the link of the next or previous row of a table.
fn row(step: i32) {
    let links = super::dom::all("table[data-rows] tbody th a");
    let active = document().and_then(|document| document.active_element());
    let at = active.and_then(|active| links.iter().position(|link| link.is_same_node(Some(&active))));
    let next = match at.map(i32::try_from) {
        Some(Ok(at)) => at + step,
        _ if step > 0 => 0,
        _ => return,
    };
    if let Some(link) = usize::try_from(next).ok().and_then(|next| links.get(next)) {
        // an element of the page can always take the focus
        let _ = link.focus();
    }
}
