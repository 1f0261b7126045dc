//! Small helpers over the document.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element, EventTarget, HtmlElement};

pub(super) fn document() -> Option<Document> {
    web_sys::window()?.document()
}

/// The first element that fits.
pub(super) fn find(selector: &str) -> Option<Element> {
    document()?.query_selector(selector).ok()?
}

/// Every element under `root` that fits, in document order.
pub(super) fn all(selector: &str) -> Vec<HtmlElement> {
    let list = document().and_then(|document| document.query_selector_all(selector).ok());
    let Some(list) = list else { return Vec::new() };
    (0..list.length())
        .filter_map(|at| list.get(at)?.dyn_into().ok())
        .collect()
}

/// The element an event came from.
pub(super) fn element(target: Option<EventTarget>) -> Option<Element> {
    target?.dyn_into().ok()
}

/// Goes to where the first fitting link leads.
pub(super) fn follow(selector: &str) {
    if let Some(link) = find(selector).and_then(|link| link.dyn_into::<HtmlElement>().ok()) {
        link.click();
    }
}
