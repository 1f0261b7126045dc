//! Reads a chart from its table: a line at the nearest point in time and its
//! figures in words, by pointer or by arrow keys.

use std::cell::Cell;
use std::rc::Rc;

use leptos::ev;
use leptos::prelude::window_event_listener;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlTableRowElement};

use super::dom::{document, element};

const SVG: &str = "http://www.w3.org/2000/svg";

pub(super) fn start() {
    let place = Rc::new(Cell::new(None::<u32>));
    let at = Rc::clone(&place);
    window_event_listener(ev::pointermove, move |event| {
        let Some(figure) = element(event.target()).and_then(|from| figure(&from)) else {
            return;
        };
        let Some(x) = view_x(&figure, event.client_x()) else {
            return;
        };
        at.set(nearest(&figure, x));
        if let Some(index) = at.get() {
            let _ = show(&figure, index);
        }
    });
    window_event_listener(ev::keydown, move |event| {
        let step = match event.key().as_str() {
            "ArrowRight" => 1,
            "ArrowLeft" => -1,
            _ => return,
        };
        let on_plot = element(event.target()).filter(|at| at.class_list().contains("plot"));
        let Some(figure) = on_plot.and_then(|plot| figure(&plot)) else {
            return;
        };
        let last = rows(&figure).len().saturating_sub(1);
        let last = u32::try_from(last).unwrap_or(u32::MAX);
        let next = match place.get() {
            Some(index) => index.saturating_add_signed(step).min(last),
            None if step > 0 => 0,
            None => last,
        };
        place.set(Some(next));
        if show(&figure, next).is_some() {
            event.prevent_default();
        }
    });
}

/// The chart around an element, when it can be read by position.
fn figure(from: &Element) -> Option<Element> {
    from.closest(".plot").ok()??.closest("figure[data-reads]").ok()?
}

fn rows(figure: &Element) -> Vec<HtmlTableRowElement> {
    let Ok(list) = figure.query_selector_all("tr[data-x]") else {
        return Vec::new();
    };
    (0..list.length())
        .filter_map(|at| list.get(at)?.dyn_into().ok())
        .collect()
}

fn row_x(row: &Element) -> Option<f64> {
    row.get_attribute("data-x")?.parse().ok()
}

/// A place on the screen in units of the drawing.
fn view_x(figure: &Element, client_x: i32) -> Option<f64> {
    let svg = figure.query_selector("svg.chart").ok()??;
    let frame = svg.get_bounding_client_rect();
    let width: f64 = view_box(&svg)?.0;
    (frame.width() > 0.0).then(|| (f64::from(client_x) - frame.left()) / frame.width() * width)
}

/// Width and height of the drawing's own units.
fn view_box(svg: &Element) -> Option<(f64, f64)> {
    let text = svg.get_attribute("viewBox")?;
    let mut sides = text.split(' ').skip(2).map(str::parse);
    Some((sides.next()?.ok()?, sides.next()?.ok()?))
}

fn nearest(figure: &Element, x: f64) -> Option<u32> {
    let mut best: Option<(f64, usize)> = None;
    for (index, row) in rows(figure).iter().enumerate() {
        let far = (row_x(row)? - x).abs();
        if best.is_none_or(|(least, _)| far < least) {
            best = Some((far, index));
        }
    }
    u32::try_from(best?.1).ok()
}

/// Moves the line and says the figures of one point.
fn show(figure: &Element, index: u32) -> Option<()> {
    let rows = rows(figure);
    let row = rows.get(usize::try_from(index).ok()?)?;
    let svg = figure.query_selector("svg.chart").ok()??;
    let line = match svg.query_selector("line.cross").ok()? {
        Some(line) => line,
        None => {
            let line = document()?.create_element_ns(Some(SVG), "line").ok()?;
            line.set_attribute("class", "cross").ok()?;
            svg.append_child(&line).ok()?;
            line
        }
    };
    let x = row.get_attribute("data-x")?;
    let bottom = (view_box(&svg)?.1 - 24.0).to_string();
    for (name, value) in [("x1", x.as_str()), ("x2", &x), ("y1", "10"), ("y2", &bottom)] {
        line.set_attribute(name, value).ok()?;
    }
    let heads = figure.query_selector_all("thead th").ok()?;
    let cells = row.cells();
    let text = |cell: Option<Element>| cell.and_then(|cell| cell.text_content()).unwrap_or_default();
    let mut words = text(cells.item(0));
    for at in 1..cells.length() {
        let head = heads.get(at).and_then(|head| head.text_content()).unwrap_or_default();
        words.push_str(&format!(" · {head} {}", text(cells.item(at))));
    }
    let readout = figure.query_selector(".readout").ok()??;
    readout.set_text_content(Some(&words));
    Some(())
}
