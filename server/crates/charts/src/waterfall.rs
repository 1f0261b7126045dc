//! What leads from one total to the next, largest first.

use crate::canvas::{Anchor, Canvas, cut, draw};
use crate::scale::{Scale, short};
use crate::theme::Ink;
use crate::{ChartError, Drawing, Point, Table, coordinate};

const ROW: i32 = 26;
const NAMES: i32 = 150;
const VALUES: i32 = 84;

/// One cause of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaterfallStep {
    /// The cause.
    pub name: String,
    /// The amount it adds, negative for less spend.
    pub amount: String,
}

/// From a total over its causes to the next total.
///
/// The scale shows change: both totals are lines with their figures, not bars,
/// because a bar that does not start at zero would lie about its size.
#[derive(Clone, Debug)]
pub struct Waterfall<'a> {
    /// Unique on the page; prefix of the ids that label the drawing.
    pub id: &'a str,
    /// Name and amount of the first total.
    pub start: (&'a str, &'a str),
    /// The causes in drawing order; with the start they give the end.
    pub steps: &'a [WaterfallStep],
    /// Name and amount of the last total.
    pub end: (&'a str, &'a str),
    /// Heading of the amounts, for example `Change, USD`.
    pub amount_head: &'a str,
    /// Width of the view box; the height follows from the number of steps.
    pub width: u32,
}

impl Waterfall<'_> {
    /// Draws the causes as floating bars.
    ///
    /// # Errors
    /// [`ChartError`] when there is no step or an amount is not a decimal number.
    pub fn draw(&self) -> Result<Drawing, ChartError> {
        if self.steps.is_empty() {
            return Err(ChartError::Empty);
        }
        let start = coordinate(self.start.1)?;
        let end = coordinate(self.end.1)?;
        let mut edges = vec![0.0];
        for step in self.steps {
            let last = edges.last().copied().unwrap_or_default();
            edges.push(last + coordinate(&step.amount)?);
        }
        let width = i32::try_from(self.width).unwrap_or(i32::MAX);
        let reach = edges.iter().copied().chain([end - start]);
        let scale = Scale::with_zero(reach, NAMES + 8, width - VALUES);
        let rows = u32::try_from(self.steps.len() + 2).unwrap_or(u32::MAX);
        let size = (self.width, rows * ROW.unsigned_abs() + 8);
        let svg = draw(self.id, size, |canvas| {
            self.totals(canvas, &scale, (start, end))?;
            self.bars(canvas, &scale, &edges)
        })?;
        Ok(Drawing {
            svg,
            table: self.table(&scale, &edges, end - start),
        })
    }

    fn totals(&self, canvas: &Canvas<'_>, scale: &Scale, totals: (f64, f64)) -> Result<(), ChartError> {
        let last = middle(self.steps.len() + 1);
        let ends = [
            (self.start.0, totals.0, 0.0, middle(0)),
            (self.end.0, totals.1, totals.1 - totals.0, last),
        ];
        for (name, total, change, y) in ends {
            let x = scale.at(change);
            canvas.path(vec![(x, y - 9), (x, y + 9)], Ink::Text, 2)?;
            canvas.text(&cut(name, 24), (NAMES - 4, y), Ink::Text, Anchor::End)?;
            canvas.text(&short(total), (x + 8, y), Ink::Text, Anchor::Start)?;
        }
        let zero = scale.at(0.0);
        canvas.path(vec![(zero, middle(0) + 9), (zero, last)], Ink::Grid, 1)
    }

    fn bars(&self, canvas: &Canvas<'_>, scale: &Scale, edges: &[f64]) -> Result<(), ChartError> {
        for (at, (step, pair)) in self.steps.iter().zip(edges.windows(2)).enumerate() {
            let (from, to, y) = (scale.at(pair[0]), scale.at(pair[1]), middle(at + 1));
            let (ink, glyph, sign) = if pair[1] < pair[0] {
                (Ink::Save, '\u{25BC}', "")
            } else {
                (Ink::Over, '\u{25B2}', "+")
            };
            // a cause too small to see still leaves its mark
            let to_seen = if from == to { to + 1 } else { to };
            canvas.path(vec![(from, y - ROW), (from, y + 8)], Ink::Axis, 1)?;
            canvas.bar((from, y - 8), (to_seen, y + 8), ink)?;
            canvas.text(&cut(&step.name, 24), (NAMES - 4, y), Ink::Muted, Anchor::End)?;
            let words = format!("{glyph} {sign}{}", short(pair[1] - pair[0]));
            canvas.text(&words, (from.max(to) + 8, y), Ink::Text, Anchor::Start)?;
        }
        Ok(())
    }

    fn table(&self, scale: &Scale, edges: &[f64], change: f64) -> Table {
        let point = |name: &str, amount: &str, edge: f64, row: usize| Point {
            label: name.to_owned(),
            values: vec![Some(amount.to_owned())],
            x: scale.at(edge),
            ys: vec![Some(middle(row))],
        };
        let mut points = vec![point(self.start.0, self.start.1, 0.0, 0)];
        for (at, (step, edge)) in self.steps.iter().zip(edges.iter().skip(1)).enumerate() {
            points.push(point(&step.name, &step.amount, *edge, at + 1));
        }
        points.push(point(self.end.0, self.end.1, change, self.steps.len() + 1));
        Table {
            label_head: "Cause".to_owned(),
            heads: vec![self.amount_head.to_owned()],
            points,
        }
    }
}

/// The middle of a row.
fn middle(row: usize) -> i32 {
    i32::try_from(row).unwrap_or_default() * ROW + ROW / 2 + 4
}
