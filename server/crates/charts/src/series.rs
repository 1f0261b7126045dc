//! Charts over time: lines and stacked bars.

use crate::canvas::{Anchor, Canvas, cut, draw};
use crate::scale::{Scale, place, short, spread};
use crate::theme::Ink;
use crate::{Amount, ChartError, Drawing, Point, Table, coordinates};

const TOP: i32 = 14;
const LEFT: i32 = 46;
const LABEL_GAP: i32 = 15;

/// A named run of amounts, one for each label of its chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The name, drawn beside its end.
    pub name: String,
    /// The amounts; `None` where there is no data.
    pub values: Vec<Amount>,
}

/// Lines over time; the first is the one that matters.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    /// Unique on the page; prefix of the ids that label the drawing.
    pub id: &'a str,
    /// Heading of the label column, for example `Day`.
    pub label_head: &'a str,
    /// One label for each point in time.
    pub labels: &'a [String],
    /// Up to six lines.
    pub series: &'a [Series],
    /// The second line is the period compared with: grey and dashed.
    pub second_is_prior: bool,
    /// Width and height of the view box.
    pub size: (u32, u32),
}

/// Bars over time, stacked when there are several series.
#[derive(Clone, Debug)]
pub struct Bars<'a> {
    /// Unique on the page; prefix of the ids that label the drawing.
    pub id: &'a str,
    /// Heading of the label column, for example `Month`.
    pub label_head: &'a str,
    /// One label for each bar.
    pub labels: &'a [String],
    /// From the axis outwards; from the seventh on all share one colour.
    pub series: &'a [Series],
    /// The last bar is of an unfinished period: hatched, with the words "so far".
    pub last_is_open: bool,
    /// Width and height of the view box.
    pub size: (u32, u32),
}

/// Everything both charts compute first.
struct Frame {
    values: Vec<Vec<Option<f64>>>,
    right: i32,
    bottom: i32,
}

impl Frame {
    fn new(labels: &[String], series: &[Series], size: (u32, u32), margin: i32) -> Result<Self, ChartError> {
        let mut values = Vec::with_capacity(series.len());
        for one in series {
            if one.values.len() != labels.len() {
                return Err(ChartError::Length {
                    series: one.name.clone(),
                    values: one.values.len(),
                    labels: labels.len(),
                });
            }
            values.push(coordinates(&one.values)?);
        }
        if labels.is_empty() || values.iter().flatten().all(Option::is_none) {
            return Err(ChartError::Empty);
        }
        let side = |length: u32| i32::try_from(length).unwrap_or(i32::MAX);
        Ok(Self {
            values,
            right: side(size.0) - margin,
            bottom: side(size.1) - 24,
        })
    }

    fn grid(&self, canvas: &Canvas<'_>, scale: &Scale) -> Result<(), ChartError> {
        for tick in scale.ticks() {
            let y = scale.at(tick);
            let ink = if tick.abs() < f64::EPSILON {
                Ink::Axis
            } else {
                Ink::Grid
            };
            canvas.path(vec![(LEFT, y), (self.right, y)], ink, 1)?;
            canvas.text(&short(tick), (LEFT - 8, y), Ink::Muted, Anchor::End)?;
        }
        Ok(())
    }

    /// Labels under the axis, as many as fit, the last one always.
    fn labels(&self, canvas: &Canvas<'_>, labels: &[String], xs: &[i32], width: i32) -> Result<(), ChartError> {
        let room = (self.right - LEFT) / width.max(1);
        let count = i32::try_from(labels.len()).unwrap_or(i32::MAX);
        let every = usize::try_from((count + room - 1) / room.max(1)).unwrap_or(1).max(1);
        for (at, (label, x)) in labels.iter().zip(xs).enumerate() {
            if (labels.len() - 1 - at).is_multiple_of(every) {
                canvas.text(label, (*x, self.bottom + 14), Ink::Muted, Anchor::Middle)?;
            }
        }
        Ok(())
    }
}

fn table(label_head: &str, labels: &[String], series: &[Series], xs: &[i32], ys: &[Vec<Option<i32>>]) -> Table {
    let points = labels.iter().enumerate().map(|(at, label)| Point {
        label: label.clone(),
        values: series.iter().map(|one| one.values.get(at).cloned().flatten()).collect(),
        x: xs.get(at).copied().unwrap_or(LEFT),
        ys: ys.iter().map(|one| one.get(at).copied().flatten()).collect(),
    });
    Table {
        label_head: label_head.to_owned(),
        heads: series.iter().map(|one| one.name.clone()).collect(),
        points: points.collect(),
    }
}

/// `part` of `parts` equal steps between two places.
fn between(from: i32, to: i32, part: f64, parts: f64) -> i32 {
    place(f64::from(from) + f64::from(to - from) * part / parts)
}

/// A count as a coordinate.
fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

impl Lines<'_> {
    /// Draws the lines, each labelled at its end.
    ///
    /// # Errors
    /// [`ChartError`] when there is no point, a length does not fit, or an
    /// amount is not a decimal number.
    pub fn draw(&self) -> Result<Drawing, ChartError> {
        let frame = Frame::new(self.labels, self.series, self.size, 118)?;
        let scale = Scale::with_zero(frame.values.iter().flatten().flatten().copied(), frame.bottom, TOP);
        let steps = count(self.labels.len().saturating_sub(1).max(1));
        let xs: Vec<i32> = (0..self.labels.len())
            .map(|at| between(LEFT + 6, frame.right - 6, count(at), steps))
            .collect();
        let ys: Vec<Vec<Option<i32>>> = frame
            .values
            .iter()
            .map(|one| one.iter().map(|value| value.map(|value| scale.at(value))).collect())
            .collect();
        let svg = draw(self.id, self.size, |canvas| {
            frame.grid(canvas, &scale)?;
            frame.labels(canvas, self.labels, &xs, 44)?;
            self.lines(canvas, &xs, &ys, scale.at(0.0))?;
            self.ends(canvas, &xs, &ys, &frame)
        })?;
        Ok(Drawing {
            svg,
            table: table(self.label_head, self.labels, self.series, &xs, &ys),
        })
    }

    fn ink(&self, index: usize) -> Ink {
        if self.second_is_prior && index == 1 {
            Ink::Prior
        } else {
            Ink::series(index)
        }
    }

    /// Each unbroken run of values is one path: a gap stays a gap.
    fn lines(&self, canvas: &Canvas<'_>, xs: &[i32], ys: &[Vec<Option<i32>>], zero: i32) -> Result<(), ChartError> {
        // the one that matters is drawn last, on top
        for (index, line) in ys.iter().enumerate().rev() {
            let mut run = Vec::new();
            let places = xs.iter().zip(line).map(|(x, y)| y.map(|y| (*x, y))).chain([None]);
            for spot in places {
                match spot {
                    Some(spot) => run.push(spot),
                    None if run.len() > 1 => {
                        let run = std::mem::take(&mut run);
                        if index == 0 && self.second_is_prior {
                            let mut shape = run.clone();
                            shape.push((run[run.len() - 1].0, zero));
                            shape.push((run[0].0, zero));
                            canvas.area(shape, self.ink(0))?;
                        }
                        canvas.path(run, self.ink(index), if index == 0 { 2 } else { 1 })?;
                    }
                    None => {
                        for spot in run.drain(..) {
                            canvas.dot(spot, self.ink(index))?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn ends(&self, canvas: &Canvas<'_>, xs: &[i32], ys: &[Vec<Option<i32>>], frame: &Frame) -> Result<(), ChartError> {
        let mut ends = Vec::new();
        for (index, line) in ys.iter().enumerate() {
            let last = line.iter().rposition(Option::is_some);
            if let Some((at, y)) = last.and_then(|at| line[at].map(|y| (at, y))) {
                canvas.dot((xs[at], y), self.ink(index))?;
                ends.push((y, index));
            }
        }
        spread(&mut ends, LABEL_GAP, frame.bottom);
        for (y, index) in ends {
            let last = frame.values[index]
                .iter()
                .rev()
                .flatten()
                .next()
                .copied()
                .unwrap_or_default();
            let words = format!("{} {}", cut(&self.series[index].name, 12), short(last));
            let ink = if index == 0 { Ink::Text } else { Ink::Muted };
            canvas.text(&words, (frame.right + 8, y), ink, Anchor::Start)?;
        }
        Ok(())
    }
}

impl Bars<'_> {
    /// Draws the bars from zero, parts stacked, the last bar's parts labelled.
    ///
    /// # Errors
    /// [`ChartError`] when there is no bar, a length does not fit, or an
    /// amount is not a decimal number.
    pub fn draw(&self) -> Result<Drawing, ChartError> {
        let margin = if self.series.len() > 1 { 150 } else { 16 };
        let frame = Frame::new(self.labels, self.series, self.size, margin)?;
        let stacks = self.stacks(&frame);
        let ends = stacks.iter().flatten().flatten().flat_map(|(low, high)| [*low, *high]);
        let scale = Scale::with_zero(ends, frame.bottom, TOP);
        let slots = count(self.labels.len());
        let xs: Vec<i32> = (0..self.labels.len())
            .map(|at| between(LEFT, frame.right, count(at) + 0.5, slots))
            .collect();
        let half = place(f64::from(frame.right - LEFT) / slots * 0.34).clamp(2, 28);
        let ys: Vec<Vec<Option<i32>>> = stacks
            .iter()
            .map(|one| one.iter().map(|part| part.map(|(_, end)| scale.at(end))).collect())
            .collect();
        let svg = draw(self.id, self.size, |canvas| {
            frame.grid(canvas, &scale)?;
            frame.labels(canvas, self.labels, &xs, 58)?;
            self.bars(canvas, &scale, &stacks, &xs, half)?;
            self.names(canvas, &scale, &stacks, &frame)
        })?;
        Ok(Drawing {
            svg,
            table: table(self.label_head, self.labels, self.series, &xs, &ys),
        })
    }

    /// Start and end of each part: positive ones upwards, negative downwards.
    fn stacks(&self, frame: &Frame) -> Vec<Vec<Option<(f64, f64)>>> {
        let mut tops = vec![(0.0, 0.0); self.labels.len()];
        let stack = |(value, top): (&Option<f64>, &mut (f64, f64))| {
            value.map(|value| {
                let edge = if value < 0.0 { &mut top.0 } else { &mut top.1 };
                let start = *edge;
                *edge += value;
                (start, *edge)
            })
        };
        frame
            .values
            .iter()
            .map(|one| one.iter().zip(tops.iter_mut()).map(stack).collect())
            .collect()
    }

    fn bars(
        &self,
        canvas: &Canvas<'_>,
        scale: &Scale,
        stacks: &[Vec<Option<(f64, f64)>>],
        xs: &[i32],
        half: i32,
    ) -> Result<(), ChartError> {
        for (index, parts) in stacks.iter().enumerate() {
            for (at, part) in parts.iter().enumerate() {
                let Some((start, end)) = part else { continue };
                let (from, to) = (scale.at(*start), scale.at(*end));
                canvas.bar((xs[at] - half, from), (xs[at] + half, to), Ink::series(index))?;
            }
        }
        self.so_far(canvas, scale, stacks, xs.last().map(|x| (x - half, x + half)))
    }

    /// Stripes over the bar of an unfinished period, and the words.
    fn so_far(
        &self,
        canvas: &Canvas<'_>,
        scale: &Scale,
        stacks: &[Vec<Option<(f64, f64)>>],
        bar: Option<(i32, i32)>,
    ) -> Result<(), ChartError> {
        let (true, Some((left, right))) = (self.last_is_open, bar) else {
            return Ok(());
        };
        let ends = stacks
            .iter()
            .filter_map(|one| one.last().copied().flatten())
            .map(|(_, end)| end);
        let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
        let (bottom, top) = (scale.at(low), scale.at(high));
        canvas.bar((left, bottom), (right, top), Ink::Veil)?;
        canvas.text(
            "so far",
            (i32::midpoint(left, right), top - 8),
            Ink::Muted,
            Anchor::Middle,
        )
    }

    /// Names beside the last bar's parts, with a swatch in their colour.
    fn names(
        &self,
        canvas: &Canvas<'_>,
        scale: &Scale,
        stacks: &[Vec<Option<(f64, f64)>>],
        frame: &Frame,
    ) -> Result<(), ChartError> {
        if self.series.len() < 2 {
            return Ok(());
        }
        let mut names: Vec<(i32, usize)> = stacks
            .iter()
            .enumerate()
            .map(|(index, one)| {
                let middle = one.last().copied().flatten().map_or(0.0, |(a, b)| f64::midpoint(a, b));
                (scale.at(middle), index)
            })
            .collect();
        spread(&mut names, LABEL_GAP, frame.bottom);
        for (y, index) in names {
            let x = frame.right + 8;
            canvas.bar((x, y - 4), (x + 8, y + 4), Ink::series(index))?;
            let words = cut(&self.series[index].name, 20);
            canvas.text(&words, (x + 14, y), Ink::Text, Anchor::Start)?;
        }
        Ok(())
    }
}
