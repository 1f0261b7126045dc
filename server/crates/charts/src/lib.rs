//! Points to themed SVG with its data table: the only crate with plotters.
//!
//! Amounts come in as exact decimal strings and leave unchanged in the table;
//! only their places in the drawing are computed in floating point. The output
//! depends on the input alone. Colours are classes (`f-c1` fills, `s-c1`
//! strokes) that the stylesheet resolves, so one drawing serves both themes.

mod canvas;
mod scale;
mod series;
mod spark;
mod theme;
mod waterfall;

pub use series::{Bars, Lines, Series};
pub use spark::sparkline;
pub use waterfall::{Waterfall, WaterfallStep};

/// An exact amount as a decimal string, or no data.
pub type Amount = Option<String>;

/// Why a chart could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// There is no point to draw.
    #[error("nothing to draw")]
    Empty,
    /// A series does not have one value for each label.
    #[error("series {series} has {values} values for {labels} labels")]
    Length {
        /// The series.
        series: String,
        /// Its number of values.
        values: usize,
        /// The number of labels.
        labels: usize,
    },
    /// An amount is not a decimal number.
    #[error("amount {0:?} is not a decimal number")]
    Amount(String),
    /// The drawing library refused.
    #[error("drawing failed: {0}")]
    Draw(String),
}

/// A finished drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// An SVG element with `role="img"`, labelled by the elements
    /// `{id}-title` and `{id}-summary` of the page.
    pub svg: String,
    /// The same facts as a table.
    pub table: Table,
}

/// The figures of a drawing, in drawing order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Heading of the label column.
    pub label_head: String,
    /// Headings of the value columns.
    pub heads: Vec<String>,
    /// One entry for each label.
    pub points: Vec<Point>,
}

/// One row of the table, with its place in the drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The row's label.
    pub label: String,
    /// One amount for each value column.
    pub values: Vec<Amount>,
    /// Horizontal place in units of the view box.
    pub x: i32,
    /// Vertical place of each value in units of the view box.
    pub ys: Vec<Option<i32>>,
}

/// An amount as a coordinate; money itself never becomes a float.
fn coordinate(amount: &str) -> Result<f64, ChartError> {
    amount
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .ok_or_else(|| ChartError::Amount(amount.to_owned()))
}

fn coordinates(amounts: &[Amount]) -> Result<Vec<Option<f64>>, ChartError> {
    amounts
        .iter()
        .map(|amount| amount.as_deref().map(coordinate).transpose())
        .collect()
}

#[cfg(test)]
mod tests;
