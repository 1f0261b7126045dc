//! From a figure back to the lines of the bill.

use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use domain::Money;
use domain::allocate::{CubeKey, Program};
use domain::apportion::apportion;
use domain::charge::Attributes;
use domain::instant::Span;
use domain::owner::Assignment;

/// Which cost a figure shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// BilledCost.
    Billed,
    /// EffectiveCost.
    Effective,
}

/// A line of a bill behind a figure. Amounts are in the bill's currency.
#[derive(Debug, Clone, PartialEq)]
pub struct BillLine {
    /// The delivery it came with.
    pub delivery_id: String,
    /// Position of its file in the delivery.
    pub part: u32,
    /// Its line in that file.
    pub line: u64,
    /// Its charge period.
    pub span: Span,
    /// The columns the rules look at, and its tags.
    pub attributes: Attributes,
    /// Its BilledCost.
    pub billed: Money,
    /// Its EffectiveCost.
    pub effective: Money,
    /// The part of it that is in the figure.
    pub share: Money,
    /// Who has that part, and by which rules (the first piece, when rules changed meanwhile).
    pub assignment: Assignment,
}

/// The lines behind a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct BillLines {
    /// The largest by share, at most as many as asked for.
    pub lines: Vec<BillLine>,
    /// How many there are.
    pub count: u64,
    /// Sum of all their shares: the figure.
    pub total: Money,
}

/// Finds the bill lines whose money, or part of it, is under the keys `wanted`
/// accepts, one currency at a time.
///
/// # Errors
/// When a file cannot be read or the shares cannot be added exactly.
pub fn bill_lines(lake: &Lake, files: &[ChargeFile], program: &Program, wanted: &dyn Fn(&CubeKey) -> bool, basis: Basis, limit: usize) -> Result<BillLines, LakeError> {
    let overflow = |_| LakeError::Overflow { what: "the shares".to_owned() };
    let mut charges = Charges::new(program);
    let mut found = BillLines { lines: Vec::new(), count: 0, total: Money::ZERO };
    let mut landings = Vec::new();
    for file in files {
        charges.read(lake, file, |charges, row| {
            charges.landings(row, &file.path, apportion, &mut landings)?;
            let mut share = None;
            for landing in &landings {
                let key = CubeKey { period: row.period, day: Some(landing.start.day()), ..charges.key(landing.key).clone() };
                if wanted(&key) {
                    let part = if basis == Basis::Billed { landing.billed } else { landing.effective };
                    let (sum, assignment) = share.take().unwrap_or((Money::ZERO, key.assignment));
                    share = Some((sum.checked_add(part).map_err(overflow)?, assignment));
                }
            }
            let Some((share, assignment)) = share else { return Ok(()) };
            found.count += 1;
            found.total = found.total.checked_add(share).map_err(overflow)?;
            found.lines.push(BillLine {
                delivery_id: file.delivery_id.clone(),
                part: u32::try_from(row.part).unwrap_or(0),
                line: u64::try_from(row.line).unwrap_or(0),
                span: row.span,
                attributes: charges.set(row.set).attributes.clone(),
                billed: row.billed,
                effective: row.effective,
                share,
                assignment,
            });
            if found.lines.len() > limit.saturating_mul(2).max(1_000) {
                keep_largest(&mut found.lines, limit);
            }
            Ok(())
        })?;
    }
    keep_largest(&mut found.lines, limit);
    Ok(found)
}

fn keep_largest(lines: &mut Vec<BillLine>, limit: usize) {
    lines.sort_by(|a, b| b.share.abs().cmp(&a.share.abs()).then_with(|| (&a.delivery_id, a.part, a.line).cmp(&(&b.delivery_id, b.part, b.line))));
    lines.truncate(limit);
}
