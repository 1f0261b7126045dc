//! One row of a driver file (docs/FORMATS.md): text cells to a value, and what
//! is wrong with a cell.

use domain::driver::{self, Amount, Receiver, Value};
use domain::finding::Finding;
use domain::instant::{self, DAY_US};

/// Where the columns of a file lie.
pub(super) struct Table {
    day: usize,
    driver: usize,
    value: usize,
    unit: usize,
    /// Every other column that does not begin with `x_`: position and name.
    dimensions: Vec<(usize, String)>,
    /// Cells a row must have.
    width: usize,
}

/// Why a cell was refused: its column, empty for the whole row, and the message.
pub(super) type BadCell = (String, String);

impl Table {
    /// Finds the columns of a header.
    pub fn bind(header: &[String]) -> Result<Table, Box<Finding>> {
        let names: Vec<&str> = header
            .iter()
            .map(|cell| cell.trim().trim_start_matches('\u{feff}'))
            .collect();
        let find = |name: &str| {
            let at = names
                .iter()
                .position(|cell| *cell == name)
                .ok_or_else(|| missing(name))?;
            if names[at + 1..].contains(&name) {
                return Err(complaint("duplicate_column", "is there twice", name));
            }
            Ok(at)
        };
        let (day, driver, value, unit) = (find("day")?, find("driver")?, find("value")?, find("unit")?);
        let mut dimensions = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if [day, driver, value, unit].contains(&at) || name.starts_with("x_") {
                continue;
            }
            driver::check_dimension(name).map_err(|error| {
                let what = format!("{error}; or begin it with x_, and it is passed over");
                complaint("bad_dimension", &what, name)
            })?;
            find(name)?;
            dimensions.push((at, (*name).to_owned()));
        }
        if dimensions.is_empty() {
            let finding = Finding::error("missing_column", "no column says who has the values");
            return Err(Box::new(
                finding
                    .at_line(1)
                    .remedy("add an owner dimension such as tenant, or a label such as database"),
            ));
        }
        Ok(Table {
            day,
            driver,
            value,
            unit,
            dimensions,
            width: header.len(),
        })
    }

    /// What a row says: the driver and its value.
    pub fn read<'r>(&self, cells: &[&'r str]) -> Result<(&'r str, Value), BadCell> {
        if cells.len() != self.width {
            let what = format!("has {} cells where the header has {}", cells.len(), self.width);
            return Err((String::new(), what));
        }
        let cell = |at: usize| cells.get(at).copied().unwrap_or("").trim();
        let bad = |column: &str| {
            let column = column.to_owned();
            move |error: driver::DriverError| (column, error.to_string())
        };
        let name = cell(self.driver);
        driver::check_name(name).map_err(bad("driver"))?;
        let unit = cell(self.unit);
        driver::check_unit(unit).map_err(bad("unit"))?;
        let text = cell(self.value);
        if text.is_empty() {
            let what = "is empty; leave the row out where the value is unknown, write 0 where it was zero";
            return Err(("value".to_owned(), what.to_owned()));
        }
        let amount = Amount::parse(text).map_err(|error| ("value".to_owned(), format!("{text:?} {error}")))?;
        let pairs = self.dimensions.iter().map(|(at, name)| (name.as_str(), cell(*at)));
        let receiver = Receiver::new(pairs).map_err(|error| {
            let column = self.dimensions.first().map_or("", |(_, name)| name);
            (column.to_owned(), error.to_string())
        })?;
        if receiver.is_nobody() {
            let names: Vec<&str> = self.dimensions.iter().map(|(_, name)| name.as_str()).collect();
            let what = format!("names nobody: {} is empty", names.join(" and "));
            return Err((names.first().map_or("", |name| name).to_owned(), what));
        }
        let value = Value {
            day: day(cell(self.day))?,
            receiver,
            unit: unit.to_owned(),
            amount,
        };
        Ok((name, value))
    }
}

fn day(text: &str) -> Result<instant::Day, BadCell> {
    let parsed = instant::parse(text.as_bytes()).map_err(|error| ("day".to_owned(), format!("{text:?} {error}")))?;
    if parsed.instant.0 % DAY_US != 0 {
        let what = format!("{text:?} is not a UTC day; add the hours of a day up and write 2026-11-21");
        return Err(("day".to_owned(), what));
    }
    Ok(parsed.instant.day())
}

fn missing(name: &str) -> Box<Finding> {
    complaint("missing_column", "the column is missing", name)
}

fn complaint(code: &str, what: &str, column: &str) -> Box<Finding> {
    Box::new(
        Finding::error(code, what)
            .at_line(1)
            .in_column(column)
            .remedy("see \"Driver files\" in docs/FORMATS.md"),
    )
}
