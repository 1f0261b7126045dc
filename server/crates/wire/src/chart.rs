use serde::{Deserialize, Serialize};

use crate::Money;

/// A finished drawing with the table that holds the same facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    /// Unique on its page; also the prefix of ids inside the SVG.
    pub id: String,
    /// The finding in a few words.
    pub title: String,
    /// One sentence: what is drawn, in which unit.
    pub summary: String,
    /// A themed SVG element, drawn on the server, safe to insert as it is.
    pub svg: String,
    /// The figures of the drawing.
    pub table: ChartTable,
}

/// The figures of a drawing, in drawing order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartTable {
    /// Heading of the first column, for example `Day`.
    pub label_head: String,
    /// Headings of the value columns, each with its unit.
    pub heads: Vec<String>,
    /// One entry for each point in time or bar.
    pub points: Vec<ChartPoint>,
}

/// One row of a chart's table, with its place in the drawing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartPoint {
    /// The row's label, for example `2026-11-21`.
    pub label: String,
    /// One exact amount for each value column; `None` when there is no data.
    pub values: Vec<Option<Money>>,
    /// Horizontal place in units of the SVG's view box.
    pub x: i32,
    /// Vertical place of each value in units of the SVG's view box.
    pub ys: Vec<Option<i32>>,
}
