//! A choice made with the pointer applies at once. One made by keys waits for
//! Apply or Enter, so that nobody is carried away while moving through options.

use std::cell::Cell;
use std::rc::Rc;

use leptos::ev;
use leptos::prelude::window_event_listener;
use wasm_bindgen::JsCast;
use web_sys::HtmlSelectElement;

use super::dom::element;

pub(super) fn start() {
    let pointed = Rc::new(Cell::new(false));
    let seen = Rc::clone(&pointed);
    window_event_listener(ev::pointerdown, move |_| seen.set(true));
    let seen = Rc::clone(&pointed);
    window_event_listener(ev::keydown, move |_| seen.set(false));
    window_event_listener(ev::change, move |event| {
        let select = element(event.target()).and_then(|at| at.dyn_into::<HtmlSelectElement>().ok());
        let Some(select) = select.filter(|select| !select.has_attribute("data-manual")) else {
            return;
        };
        let form = select.form().filter(|form| form.has_attribute("data-auto"));
        if let (true, Some(form)) = (pointed.get(), form) {
            // submits as the button would, or leaves it to the button
            let _ = form.request_submit();
        }
    });
}
