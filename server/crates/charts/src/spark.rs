//! A word-sized line beside a figure.

use std::fmt::Write as _;

use crate::scale::short;
use crate::{Amount, ChartError, coordinates};

const WIDTH: f64 = 96.0;
const HEIGHT: f64 = 20.0;
const EDGE: f64 = 3.0;

/// Draws a 96 x 20 line with an end dot and a band over the range of all but
/// the last value.
///
/// One scale for a whole column of rows: 70 % to 130 % of the row's
/// own mean, so equal slopes are equal relative changes. Values beyond
/// lie on the edge. Empty when there are fewer than two values.
///
/// # Errors
/// [`ChartError::Amount`] when an amount is not a decimal number.
pub fn sparkline(values: &[Amount]) -> Result<String, ChartError> {
    let values = coordinates(values)?;
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    let (Some(last), true) = (known.last(), known.len() > 1) else {
        return Ok(String::new());
    };
    let sum: f64 = known.iter().map(|value| value.abs()).sum();
    let total = f64::from(u32::try_from(known.len()).unwrap_or(u32::MAX));
    let mean = if sum > 0.0 { sum / total } else { 1.0 };
    let y = |value: f64| {
        let part = ((value / mean - 0.7) / 0.6).clamp(0.0, 1.0);
        HEIGHT - EDGE - part * (HEIGHT - 2.0 * EDGE)
    };
    let step = (WIDTH - 2.0 * EDGE) / f64::from(u32::try_from(values.len() - 1).unwrap_or(u32::MAX));
    let (mut path, mut end, mut x, mut pen) = (String::new(), (0.0, 0.0), EDGE, 'M');
    for value in &values {
        match value {
            Some(value) => {
                end = (x, y(*value));
                write_point(&mut path, pen, end);
                pen = 'L';
            }
            None => pen = 'M',
        }
        x += step;
    }
    let (low, high) = range(&known[..known.len() - 1]);
    let (lowest, highest) = range(&known);
    let mut svg = format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"lowest {}, \
         highest {}, last {}\">",
        short(lowest),
        short(highest),
        short(*last)
    );
    let band = (y(low) - y(high)).max(1.0);
    // writing to a String cannot fail
    let _ = write!(
        svg,
        "<rect class=\"f-band\" x=\"{EDGE}\" y=\"{:.1}\" width=\"{}\" height=\"{band:.1}\"/>\
         <path d=\"{path}\"/><circle class=\"f-c1\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.2\"/></svg>",
        y(high),
        WIDTH - 2.0 * EDGE,
        end.0,
        end.1
    );
    Ok(svg)
}

fn write_point(path: &mut String, pen: char, at: (f64, f64)) {
    // writing to a String cannot fail
    let _ = write!(path, "{pen}{:.1} {:.1}", at.0, at.1);
}

fn range(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(*value), high.max(*value))
        })
}
