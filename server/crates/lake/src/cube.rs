//! A cube as a Parquet file: one row per line, owners as columns.

use crate::error::LakeError;
use crate::object::{Lake, StoredFile};
use crate::scan;
use crate::schema::PRECISION;
use crate::write::ParquetFile;
use domain::allocate::{CUBE_COLUMNS, Cube, CubeKey, CubeValue};
use domain::bridge::BridgeTerm;
use domain::charge::ChargeCategory;
use domain::class::Class;
use domain::instant::Day;
use domain::money::MONEY_SCALE;
use domain::owner::{Assignment, BUILT_IN_DIMENSIONS, Dimensions};
use domain::{BillingPeriod, Currency, Money};
use polars::prelude::*;
use std::collections::HashMap;
use std::sync::Arc as StdArc;

const OWNER: &str = "owner.";
const RULE: &str = "rule.";
/// Lines of a row group.
const GROUP_LINES: usize = 65_536;

/// Writes a cube. Its lines are in order, so the same cube is the same bytes.
///
/// # Errors
/// When the file cannot be written, or the path has other bytes.
pub fn write_cube(lake: &Lake, cube: &Cube, path: &str) -> Result<StoredFile, LakeError> {
    let lines: Vec<(&CubeKey, &CubeValue)> = cube.lines.iter().collect();
    let empty = frame(&cube.dimensions, &[])?;
    let mut file = ParquetFile::create(lake, empty.schema(), "")?;
    for lines in lines.chunks(GROUP_LINES) {
        file.write(&frame(&cube.dimensions, lines)?)?;
    }
    let (_, closed) = file.finish()?;
    lake.put_closed(closed, path).map(|(stored, _)| stored)
}

/// A report as a Parquet file in memory: one text column per key (null = none)
/// and `cost`, exact. Each of `rows` has as many texts as there are `keys`.
///
/// # Errors
/// When rows and costs differ in number, or the file cannot be encoded.
pub fn report_parquet(keys: &[String], rows: &[Vec<String>], costs: &[Money]) -> Result<Vec<u8>, LakeError> {
    let mut columns: Vec<Column> = Vec::with_capacity(keys.len() + 1);
    for (at, key) in keys.iter().enumerate() {
        let texts = rows
            .iter()
            .map(|row| row.get(at).map(String::as_str).filter(|text| !text.is_empty()));
        columns.push(StringChunked::from_iter_options(key.as_str().into(), texts).into_column());
    }
    let units = Int128Chunked::from_iter_values("cost".into(), costs.iter().map(|cost| cost.units()));
    columns.push(
        units
            .into_decimal_unchecked(PRECISION, MONEY_SCALE as usize)
            .into_column(),
    );
    let encode = LakeError::parquet("encode", "report");
    let mut bytes = Vec::new();
    let written =
        DataFrame::new_infer_height(columns).and_then(|mut frame| ParquetWriter::new(&mut bytes).finish(&mut frame));
    written.map_err(encode)?;
    Ok(bytes)
}

/// Reads a cube back, exactly.
///
/// # Errors
/// When the file is missing, unreadable or no cube of ours.
pub fn read_cube(lake: &Lake, path: &str) -> Result<Cube, LakeError> {
    let local = lake.local(path)?;
    scan::check_version(local.path(), path)?;
    let names: Vec<String> = scan::schema(local.path(), path)?
        .iter_names()
        .map(ToString::to_string)
        .collect();
    let keys: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(OWNER)).collect();
    let dimensions = Dimensions::with_declared(keys.iter().skip(BUILT_IN_DIMENSIONS.len()).copied());
    if !dimensions.keys().iter().map(String::as_str).eq(keys.iter().copied()) {
        return Err(LakeError::Damaged {
            path: path.to_owned(),
            detail: "its owner columns are not those of a cube".to_owned(),
        });
    }
    let mut cube = Cube::new(dimensions);
    let mut texts = HashMap::new();
    scan::batches(local.path(), path, &names, |frame| {
        add(&mut cube, frame, path, &mut texts)
    })?;
    Ok(cube)
}

fn frame(dimensions: &Dimensions, lines: &[(&CubeKey, &CubeValue)]) -> Result<DataFrame, LakeError> {
    let text = |name: &str, value: &dyn for<'k> Fn(&'k CubeKey) -> Option<&'k str>| {
        let mut builder = StringChunkedBuilder::new(name.into(), lines.len());
        lines.iter().for_each(|(key, _)| builder.append_option(value(key)));
        builder.finish().into_column()
    };
    let money = |name: &str, value: &dyn Fn(&CubeValue) -> Money| {
        let units = lines.iter().map(|(_, amounts)| value(amounts).units()).collect();
        Int128Chunked::from_vec(name.into(), units)
            .into_decimal_unchecked(PRECISION, MONEY_SCALE as usize)
            .into_column()
    };
    let periods = lines.iter().map(|(key, _)| key.period.number()).collect();
    let days: Int32Chunked = lines.iter().map(|(key, _)| key.day.map(|day| day.0)).collect();
    let invoiced: BooleanChunked = lines.iter().map(|(key, _)| Some(key.invoiced)).collect();
    let mut columns = vec![
        Int32Chunked::from_vec("billing_period".into(), periods).into_column(),
        text("currency", &|key| Some(key.currency.as_str())),
        days.with_name("day".into()).into_date().into_column(),
    ];
    for (at, name) in CUBE_COLUMNS.iter().enumerate() {
        columns.push(text(name, &|key| key.columns[at].as_deref()));
    }
    columns.push(text("category", &|key| Some(key.category.as_str())));
    columns.push(text("class", &|key| Some(key.class.as_str())));
    columns.push(text("term", &|key| Some(key.term.as_str())));
    columns.push(invoiced.with_name("invoiced".into()).into_column());
    for (at, name) in dimensions.keys().iter().enumerate() {
        columns.push(text(&format!("{OWNER}{name}"), &|key| {
            key.assignment.values.get(at)?.as_deref()
        }));
        let rules: Int64Chunked = lines
            .iter()
            .map(|(key, _)| key.assignment.rules.get(at).copied().flatten().map(i64::from))
            .collect();
        columns.push(rules.with_name(format!("{RULE}{name}").into()).into_column());
    }
    let charges = lines
        .iter()
        .map(|(_, value)| i64::try_from(value.charges).unwrap_or(i64::MAX))
        .collect();
    columns.push(Int64Chunked::from_vec("charges".into(), charges).into_column());
    columns.push(money("billed", &|value| value.billed));
    columns.push(money("effective", &|value| value.effective));
    DataFrame::new(lines.len(), columns).map_err(LakeError::parquet("write", "a cube"))
}

fn add(
    cube: &mut Cube,
    frame: &DataFrame,
    path: &str,
    texts: &mut HashMap<String, StdArc<str>>,
) -> Result<(), LakeError> {
    let damaged = |what: &str| LakeError::Damaged {
        path: path.to_owned(),
        detail: format!("{what} is not that of a cube"),
    };
    let text = |name: &str| scan::text(frame, name).ok_or_else(|| damaged(name));
    let (currency, category, class, term) = (text("currency")?, text("category")?, text("class")?, text("term")?);
    let columns = CUBE_COLUMNS
        .iter()
        .map(|name| text(name))
        .collect::<Result<Vec<_>, _>>()?;
    let keys = cube.dimensions.keys().to_vec();
    let owners = keys
        .iter()
        .map(|name| text(&format!("{OWNER}{name}")))
        .collect::<Result<Vec<_>, _>>()?;
    let rule = |name: &String| frame.column(&format!("{RULE}{name}")).and_then(|column| column.i64());
    let rules = keys
        .iter()
        .map(rule)
        .collect::<PolarsResult<Vec<_>>>()
        .map_err(|_| damaged("a rule column"))?;
    let period = frame
        .column("billing_period")
        .and_then(|column| column.i32())
        .map_err(|_| damaged("billing_period"))?;
    let day = frame
        .column("day")
        .and_then(|column| column.date())
        .map_err(|_| damaged("day"))?
        .physical();
    let invoiced = frame
        .column("invoiced")
        .and_then(|column| column.bool())
        .map_err(|_| damaged("invoiced"))?;
    let charges = frame
        .column("charges")
        .and_then(|column| column.i64())
        .map_err(|_| damaged("charges"))?;
    let amount = |name: &str| scan::units(frame, name).ok_or_else(|| damaged(name));
    let (billed, effective) = (amount("billed")?, amount("effective")?);
    for row in 0..frame.height() {
        let mut owner = |column: &StringChunked| -> Option<StdArc<str>> {
            column
                .get(row)
                .map(|text| StdArc::clone(texts.entry(text.to_owned()).or_insert_with(|| text.into())))
        };
        let mut values = [const { None }; CUBE_COLUMNS.len()];
        values
            .iter_mut()
            .zip(&columns)
            .for_each(|(value, column)| *value = owner(column));
        let key = CubeKey {
            period: period
                .get(row)
                .and_then(BillingPeriod::from_number)
                .ok_or_else(|| damaged("billing_period"))?,
            currency: currency
                .get(row)
                .and_then(Currency::parse)
                .ok_or_else(|| damaged("currency"))?,
            day: day.get(row).map(Day),
            columns: values,
            category: category
                .get(row)
                .and_then(ChargeCategory::parse)
                .ok_or_else(|| damaged("category"))?,
            class: class.get(row).and_then(Class::parse).ok_or_else(|| damaged("class"))?,
            term: term
                .get(row)
                .and_then(BridgeTerm::parse)
                .ok_or_else(|| damaged("term"))?,
            invoiced: invoiced.get(row).ok_or_else(|| damaged("invoiced"))?,
            assignment: StdArc::new(Assignment {
                values: owners.iter().map(|column| owner(column)).collect(),
                rules: rules
                    .iter()
                    .map(|column| column.get(row).and_then(|rule| u32::try_from(rule).ok()))
                    .collect(),
            }),
        };
        let charges = charges
            .get(row)
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| damaged("charges"))?;
        let money = |column: &Int128Chunked| {
            column
                .get(row)
                .and_then(Money::from_units)
                .ok_or_else(|| damaged("an amount"))
        };
        let value = CubeValue {
            charges,
            billed: money(billed)?,
            effective: money(effective)?,
        };
        cube.add(key, value)
            .map_err(|_| LakeError::Overflow { what: path.to_owned() })?;
    }
    Ok(())
}
