//! A thin layer over plotters: marks in units of the view box.

use plotters::coord::Shift;
use plotters::prelude::{Circle, DrawingArea, IntoDrawingArea, PathElement, Polygon, Rectangle, SVGBackend, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, ShapeStyle, TextStyle};

use crate::ChartError;
use crate::theme::{Ink, themed};

/// Where text stands relative to its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Draws marks and gives the themed SVG.
pub(crate) struct Canvas<'a>(DrawingArea<SVGBackend<'a>, Shift>);

/// Runs `marks` on a canvas of `size` and themes the result.
pub(crate) fn draw(
    id: &str,
    size: (u32, u32),
    marks: impl FnOnce(&Canvas<'_>) -> Result<(), ChartError>,
) -> Result<String, ChartError> {
    let mut raw = String::new();
    {
        let canvas = Canvas(SVGBackend::with_string(&mut raw, size).into_drawing_area());
        marks(&canvas)?;
        canvas.0.present().map_err(refused)?;
    }
    Ok(themed(&raw, id, size))
}

fn refused(error: impl std::fmt::Display) -> ChartError {
    ChartError::Draw(error.to_string())
}

fn style(ink: Ink, width: u32) -> ShapeStyle {
    ink.colour().stroke_width(width)
}

impl Canvas<'_> {
    /// A line through points.
    pub(crate) fn path(&self, points: Vec<(i32, i32)>, ink: Ink, width: u32) -> Result<(), ChartError> {
        self.0
            .draw(&PathElement::new(points, style(ink, width)))
            .map_err(refused)
    }

    /// A filled box between two corners.
    pub(crate) fn bar(&self, a: (i32, i32), b: (i32, i32), ink: Ink) -> Result<(), ChartError> {
        let corners = [(a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1))];
        self.0
            .draw(&Rectangle::new(corners, ink.colour().filled()))
            .map_err(refused)
    }

    /// A faint filled shape.
    pub(crate) fn area(&self, points: Vec<(i32, i32)>, ink: Ink) -> Result<(), ChartError> {
        self.0
            .draw(&Polygon::new(points, ink.colour().mix(0.12).filled()))
            .map_err(refused)
    }

    /// A filled dot.
    pub(crate) fn dot(&self, at: (i32, i32), ink: Ink) -> Result<(), ChartError> {
        self.0.draw(&Circle::new(at, 3, ink.colour().filled())).map_err(refused)
    }

    /// Words, vertically centred on their point.
    pub(crate) fn text(&self, words: &str, at: (i32, i32), ink: Ink, anchor: Anchor) -> Result<(), ChartError> {
        let side = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        // the backend divides by 1.24, so this is written as 11
        let font = ("ui", 13.64).into_font();
        let colour = ink.colour();
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(side, VPos::Center));
        self.0.draw(&Text::new(words.to_owned(), at, style)).map_err(refused)
    }
}

/// At most `most` characters, the last an ellipsis when something was cut.
pub(crate) fn cut(words: &str, most: usize) -> String {
    if words.chars().count() <= most {
        return words.to_owned();
    }
    let kept: String = words.chars().take(most.saturating_sub(1)).collect();
    format!("{}\u{2026}", kept.trim_end())
}
