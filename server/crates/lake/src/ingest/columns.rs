//! Typing a block: every cell checked and parsed, column by column, and
//! appended to the columns of its billing period.

use super::coded::{InstantColumn, TextColumn, UnitsColumn, constant, growing};
use super::records::{Block, Cell};
use crate::error::LakeError;
use crate::schema::{BILLING_PERIOD, LINE, PART, PRECISION, stored_type};
use crate::write::Column;
use domain::dialect::{Binding, ColumnKind, ColumnSpec, Need, is_null, scale_of};
use domain::instant::{self, Instant};
use domain::number::parse_units;
use domain::{BillingPeriod, Currency, charge::ChargeCategory, tags};
use memchr::memchr2;
use polars::prelude::{DataType, Field, PolarsResult, Schema};
use std::sync::Arc;

/// A column that is stored.
struct Target {
    name: String,
    kind: ColumnKind,
    at: usize,
    /// What the dialect says of it; `None` for unknown columns.
    spec: Option<ColumnSpec>,
}

/// How the columns of one file become stored columns.
pub(crate) struct Plan {
    pub binding: Binding,
    targets: Vec<Target>,
    pub schema: Arc<Schema>,
    /// The header as it is in the file.
    in_file: Vec<String>,
    /// Native columns that FOCUS columns were made from.
    origins: Vec<(String, String)>,
}

impl Plan {
    /// The plan of a bound header.
    pub fn new(binding: Binding, in_file: Vec<String>, origins: Vec<(String, String)>) -> Plan {
        let known = binding
            .dialect
            .columns
            .iter()
            .zip(&binding.positions)
            .filter_map(|(spec, at)| {
                at.map(|at| Target {
                    name: spec.name.to_owned(),
                    kind: spec.kind,
                    at,
                    spec: Some(*spec),
                })
            });
        let unknown = binding.unknown.iter().map(|(name, at)| Target {
            name: name.clone(),
            kind: ColumnKind::Text,
            at: *at,
            spec: None,
        });
        let targets: Vec<Target> = known.chain(unknown).collect();
        let lake = [
            (LINE, DataType::Int64),
            (PART, DataType::Int32),
            (BILLING_PERIOD, DataType::Int32),
        ];
        let fields = lake.into_iter().map(|(name, kind)| Field::new(name.into(), kind));
        let fields = fields.chain(
            targets
                .iter()
                .map(|t| Field::new(t.name.as_str().into(), stored_type(t.kind))),
        );
        let schema = Arc::new(Schema::from_iter(fields));
        Plan {
            binding,
            targets,
            schema,
            in_file,
            origins,
        }
    }

    /// What the file calls a column, for messages.
    pub fn native<'n>(&'n self, name: &'n str) -> &'n str {
        let origin = self.origins.iter().find(|(focus, _)| focus == name);
        origin.map_or(name, |(_, native)| native)
    }

    /// The name of the file's column at a position.
    pub fn header(&self, at: usize) -> String {
        let name = self
            .in_file
            .get(at)
            .map(|name| name.trim())
            .filter(|name| !name.is_empty());
        name.map_or_else(|| format!("x_column_{}", at + 1), str::to_owned)
    }

    /// The column before an EffectiveCost that native exports often make of the same cell.
    fn twin(&self, target: &Target) -> Option<usize> {
        let is = |name: &str| target.spec.is_some_and(|spec| spec.name == name);
        is("EffectiveCost").then(|| self.slot("BilledCost")).flatten()
    }

    fn slot(&self, name: &str) -> Option<usize> {
        self.targets
            .iter()
            .position(|target| target.spec.is_some_and(|spec| spec.name == name))
    }
}

/// The typed values of one column of a block; text stays in the block.
enum Values {
    Units(Vec<Option<i128>>),
    Instants(Vec<Option<i64>>),
    Text,
}

/// A block after checking.
pub(crate) struct Checked {
    values: Vec<Values>,
    /// Rows that cannot be taken.
    pub bad: Vec<bool>,
    /// Billing period per row; means nothing for bad rows.
    pub periods: Vec<BillingPeriod>,
    usage: Vec<bool>,
    /// Row and column of instants whose hour ran over.
    pub ran_over: Vec<(usize, String)>,
    slots: Slots,
}

#[derive(Clone, Copy)]
struct Slots {
    billed: Option<usize>,
    effective: Option<usize>,
    list: Option<usize>,
    contracted: Option<usize>,
    charge_start: Option<usize>,
    charge_end: Option<usize>,
}

/// Checks every row of a block, without explaining (see `explain`).
/// `whole` is its text if all of it is UTF-8.
pub(crate) fn check(plan: &Plan, block: &Block, whole: Option<&str>, expected: Option<BillingPeriod>) -> Checked {
    let rows = block.rows();
    let mut checked = Checked {
        values: Vec::with_capacity(plan.targets.len()),
        bad: vec![false; rows],
        periods: Vec::with_capacity(rows),
        usage: Vec::new(),
        ran_over: Vec::new(),
        slots: Slots {
            billed: plan.slot("BilledCost"),
            effective: plan.slot("EffectiveCost"),
            list: plan.slot("ListCost"),
            contracted: plan.slot("ContractedCost"),
            charge_start: plan.slot("ChargePeriodStart"),
            charge_end: plan.slot("ChargePeriodEnd"),
        },
    };
    for target in &plan.targets {
        let values = match target.kind {
            ColumnKind::Money | ColumnKind::UnitPrice | ColumnKind::Quantity => {
                let twin = plan.twin(target).and_then(|twin| match checked.values.get(twin)? {
                    Values::Units(values) => Some((plan.targets[twin].at, values.as_slice())),
                    _ => None,
                });
                Values::Units(units(target, block, twin, &mut checked.bad))
            }
            ColumnKind::Instant => Values::Instants(instants(target, block, &mut checked.bad, &mut checked.ran_over)),
            ColumnKind::Text | ColumnKind::Tags => {
                text(target, block, whole.is_some(), &mut checked.bad);
                Values::Text
            }
        };
        checked.values.push(values);
    }
    if let Some(at) = plan.binding.position("ChargeCategory") {
        checked.usage = usage(block, at);
    }
    periods(plan, &mut checked, expected);
    checked
}

fn mandatory(target: &Target) -> bool {
    target.spec.is_some_and(|spec| spec.need == Need::Mandatory)
}

/// Calls `parse` for every cell that differs from the one above it.
fn each<'b, T: Copy>(block: &'b Block, at: usize, mut parse: impl FnMut(usize, &'b [u8]) -> T) -> Vec<T> {
    let mut values = Vec::with_capacity(block.rows());
    let mut last: Option<(Cell, &[u8], T)> = None;
    let column = block.column(at);
    for row in 0..block.rows() {
        let place = column.get(row);
        let (cell, value) = match last {
            Some((above, cell, value)) if above == place => (cell, value),
            _ => {
                let cell = block.bytes(place);
                match last {
                    Some((_, above, value)) if !block.shares && above == cell => (cell, value),
                    _ => (cell, parse(row, cell)),
                }
            }
        };
        last = Some((place, cell, value));
        values.push(value);
    }
    values
}

/// `twin` is a column before it of the same kind: its position and values.
fn units(
    target: &Target,
    block: &Block,
    twin: Option<(usize, &[Option<i128>])>,
    bad: &mut [bool],
) -> Vec<Option<i128>> {
    let (scale, excess) = scale_of(target.kind);
    let needed = mandatory(target);
    let parsed = each(block, target.at, |row, cell| {
        // the same place has the same value; what was refused or null there is looked at here
        let same = |at: usize| block.column(at).get(row) == block.column(target.at).get(row);
        if let Some((at, values)) = twin
            && same(at)
            && let Some(units) = values[row]
        {
            return (Some(units), false);
        }
        if is_null(cell) || cell.trim_ascii().is_empty() {
            return (None, needed);
        }
        match parse_units(cell, scale, excess) {
            Ok(units) => (Some(units), false),
            Err(_) => (None, true),
        }
    });
    mark(bad, parsed)
}

/// Takes the verdict of each cell out of its value.
fn mark<T>(bad: &mut [bool], parsed: Vec<(Option<T>, bool)>) -> Vec<Option<T>> {
    parsed
        .into_iter()
        .zip(bad)
        .map(|((value, refused), bad)| {
            *bad |= refused;
            value
        })
        .collect()
}

fn instants(target: &Target, block: &Block, bad: &mut [bool], ran_over: &mut Vec<(usize, String)>) -> Vec<Option<i64>> {
    let needed = mandatory(target);
    let parsed = each(block, target.at, |_, cell| {
        if is_null(cell) || cell.trim_ascii().is_empty() {
            return (None, needed, false);
        }
        match instant::parse(cell) {
            Ok(parsed) => (Some(parsed.instant.0), false, parsed.hour_ran_over),
            Err(_) => (None, true, false),
        }
    });
    let over = parsed.iter().enumerate().filter(|(_, (_, _, over))| *over);
    ran_over.extend(over.map(|(row, _)| (row, target.name.clone())));
    mark(
        bad,
        parsed.into_iter().map(|(value, refused, _)| (value, refused)).collect(),
    )
}

fn text(target: &Target, block: &Block, whole_is_text: bool, bad: &mut [bool]) {
    let name = target.spec.map_or("", |spec| spec.name);
    let tags = target.kind == ColumnKind::Tags;
    let needed = mandatory(target);
    if whole_is_text && !tags && !needed && name != "BillingCurrency" {
        return;
    }
    let refused = each(block, target.at, |_, cell| {
        if is_null(cell) || (tags && cell.trim_ascii().is_empty()) {
            return needed;
        }
        let Ok(text) = std::str::from_utf8(cell) else {
            return true;
        };
        match name {
            "ChargeCategory" => ChargeCategory::parse(text).is_none(),
            "BillingCurrency" => Currency::parse(text).is_none(),
            _ if tags => !plain_tags(cell) && tags::parse(text).is_err(),
            _ => false,
        }
    });
    refused.into_iter().zip(bad).for_each(|(refused, bad)| *bad |= refused);
}

/// Whether this surely is a flat JSON object of plain strings: nearly every
/// Tags cell is. Anything else goes to the parser.
fn plain_tags(cell: &[u8]) -> bool {
    fn string(rest: &[u8]) -> Option<&[u8]> {
        let rest = rest.strip_prefix(b"\"")?;
        let end = memchr2(b'"', b'\\', rest)?;
        (rest[end] == b'"').then(|| rest[end + 1..].trim_ascii_start())
    }
    fn body(cell: &[u8]) -> Option<()> {
        let mut rest = cell.strip_prefix(b"{")?.trim_ascii_start();
        loop {
            rest = string(rest)?.strip_prefix(b":")?.trim_ascii_start();
            rest = string(rest)?;
            match rest.split_first()? {
                (b',', more) => rest = more.trim_ascii_start(),
                (b'}', []) => return Some(()),
                _ => return None,
            }
        }
    }
    // of control characters JSON knows some outside of texts: the parser tells
    !cell.iter().fold(false, |any, byte| any | (*byte < 0x20)) && body(cell).is_some()
}

fn usage(block: &Block, at: usize) -> Vec<bool> {
    each(block, at, |_, cell| {
        std::str::from_utf8(cell).ok().and_then(ChargeCategory::parse) == Some(ChargeCategory::Usage)
    })
}

/// Periods must run forward; the billing period is the month of its start.
fn periods(plan: &Plan, checked: &mut Checked, expected: Option<BillingPeriod>) {
    let Checked {
        values,
        bad,
        periods,
        slots,
        ..
    } = checked;
    let column = |slot: Option<usize>| match slot.map(|slot| &values[slot]) {
        Some(Values::Instants(values)) => values.as_slice(),
        _ => &[],
    };
    let (start, end) = (
        column(plan.slot("BillingPeriodStart")),
        column(plan.slot("BillingPeriodEnd")),
    );
    let (charge_start, charge_end) = (column(slots.charge_start), column(slots.charge_end));
    let at = |values: &[Option<i64>], row: usize| values.get(row).copied().flatten();
    let mut last = (None, BillingPeriod::of(Instant(0)));
    for (row, bad) in bad.iter_mut().enumerate() {
        let billing_start = at(start, row);
        if billing_start != last.0 {
            last = (billing_start, BillingPeriod::of(Instant(billing_start.unwrap_or(0))));
        }
        periods.push(last.1);
        *bad |= at(end, row) <= billing_start
            || at(charge_end, row) < at(charge_start, row)
            || expected.is_some_and(|period| period != last.1);
    }
}

impl Checked {
    fn units(&self, slot: Option<usize>, row: usize) -> Option<i128> {
        match &self.values[slot?] {
            Values::Units(values) => values[row],
            _ => None,
        }
    }

    fn instant(&self, slot: Option<usize>, row: usize) -> Option<i64> {
        match &self.values[slot?] {
            Values::Instants(values) => values[row],
            _ => None,
        }
    }

    /// BilledCost and EffectiveCost of a good row.
    pub fn costs(&self, row: usize) -> (i128, i128) {
        // mandatory: a row without them is bad
        (
            self.units(self.slots.billed, row).unwrap_or(0),
            self.units(self.slots.effective, row).unwrap_or(0),
        )
    }

    /// ListCost and ContractedCost.
    pub fn references(&self, row: usize) -> (Option<i128>, Option<i128>) {
        (self.units(self.slots.list, row), self.units(self.slots.contracted, row))
    }

    /// ChargePeriodStart, and ChargePeriodEnd if this is a Usage row.
    pub fn charge_period(&self, row: usize) -> (i64, Option<i64>) {
        let usage = self.usage.get(row).copied().unwrap_or(false);
        let end = self.instant(self.slots.charge_end, row).filter(|_| usage);
        (self.instant(self.slots.charge_start, row).unwrap_or(0), end)
    }
}

enum Builder {
    Units(UnitsColumn),
    Instants(InstantColumn),
    Text(TextColumn),
}

/// Rows of one billing period that wait for their row group.
pub(crate) struct Group {
    columns: Vec<Builder>,
    lines: Vec<i64>,
    part: i32,
    period: BillingPeriod,
    /// Roughly what it holds in memory.
    pub bytes: usize,
}

impl Group {
    /// An empty group.
    pub fn new(plan: &Plan, part: i32, period: BillingPeriod) -> Group {
        let columns = plan.targets.iter().map(|target| match target.kind {
            ColumnKind::Text | ColumnKind::Tags => Builder::Text(TextColumn::default()),
            ColumnKind::Instant => Builder::Instants(InstantColumn::default()),
            kind => Builder::Units(UnitsColumn::new(PRECISION, scale_of(kind).0 as usize)),
        });
        Group {
            columns: columns.collect(),
            lines: Vec::new(),
            part,
            period,
            bytes: 0,
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Appends good rows of a checked block; `whole` is its text if all of it is UTF-8.
    pub fn append(&mut self, plan: &Plan, block: &Block, whole: Option<&str>, checked: &Checked, rows: &[u32]) {
        for ((builder, target), values) in self.columns.iter_mut().zip(&plan.targets).zip(&checked.values) {
            self.bytes += match (builder, values) {
                (Builder::Units(builder), Values::Units(values)) => {
                    rows.iter().for_each(|row| builder.push(values[*row as usize]));
                    rows.len() * 16
                }
                (Builder::Instants(builder), Values::Instants(values)) => {
                    rows.iter().for_each(|row| builder.push(values[*row as usize]));
                    rows.len() * 4
                }
                (Builder::Text(builder), _) => builder.append(block, whole, target.at, rows),
                _ => 0,
            };
        }
        self.lines.extend(
            rows.iter()
                .map(|row| i64::try_from(block.lines[*row as usize]).unwrap_or(i64::MAX)),
        );
    }

    /// Takes the rows, column by column in the order of the schema.
    pub fn take(&mut self) -> Result<Vec<Column>, LakeError> {
        let rows = self.lines.len();
        self.bytes = 0;
        let mut columns = Vec::with_capacity(self.columns.len() + 3);
        let lines = std::mem::take(&mut self.lines);
        columns.push(Ok(growing(lines)));
        columns.push(constant(self.part, rows));
        columns.push(constant(self.period.number(), rows));
        columns.extend(self.columns.iter_mut().map(|builder| match builder {
            Builder::Units(builder) => builder.take(),
            Builder::Instants(builder) => builder.take(),
            Builder::Text(builder) => builder.take(),
        }));
        let columns: PolarsResult<Vec<Column>> = columns.into_iter().collect();
        columns.map_err(LakeError::parquet("write", "a staged file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The short cut never takes what the parser refuses.
        #[test]
        fn plain_tags_are_tags(text in r#"[{}\[\]":,a \\1]{0,14}|\{( ?"[a\\]?" ?: ?"[a{]*" ?,?){0,3}\}"#) {
            if plain_tags(text.as_bytes()) {
                prop_assert!(tags::parse(&text).is_ok(), "{}", text);
            }
        }
    }

    #[test]
    fn plain_tags_take_what_bills_hold() {
        assert!(plain_tags(br#"{"application": "Bright", "env":"p"}"#));
        assert!(!plain_tags(br#"{"n": 3}"#));
        assert!(!plain_tags(br#"{"a":"b"} "#));
    }
}
