//! The fees of a bill that are put on an amortisation schedule (A24), and what
//! may pay them back: the fast form of `domain::price::schedule::fees`.

use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use domain::allocate::Program;
use domain::price::Kind;
use domain::price::schedule::{Fee, Origin, is_fee};

/// The fees in some charge files, in canonical order, as the policy of the
/// program has them; nothing is read when it has none.
///
/// # Errors
/// When a file cannot be read.
pub fn fees(lake: &Lake, files: &[ChargeFile], program: &Program) -> Result<Vec<Fee>, LakeError> {
    let policy = &program.prices;
    let mut fees = Vec::new();
    if !policy.has_schedules() {
        return Ok(fees);
    }
    let mut charges = Charges::new(program).naming();
    // by set, once seen: its class when it can be a fee
    let mut known = Vec::new();
    for file in files {
        charges.read(lake, file, |charges, row| {
            let set = charges.set(row.set);
            while known.len() <= row.set as usize {
                known.push(None);
            }
            let class = *known[row.set as usize].get_or_insert_with(|| {
                let line = Kind {
                    category: set.category,
                    class: program.classes.class_of(&set.attributes),
                    attributes: &set.attributes,
                };
                is_fee(&line).then_some(line.class)
            });
            let Some(class) = class else { return Ok(()) };
            let line = Kind {
                category: set.category,
                class,
                attributes: &set.attributes,
            };
            if let Some(end) = policy.term_of(&line, row.span, row.effective) {
                fees.push(Fee {
                    attributes: set.attributes.clone(),
                    resource: charges.resource().to_owned(),
                    currency: set.currency.clone(),
                    period: row.period,
                    span: row.span,
                    effective: row.effective,
                    end,
                    origin: Origin {
                        path: file.path.clone(),
                        delivery_id: file.delivery_id.clone(),
                        part: row.part,
                        line: row.line,
                    },
                });
            }
            Ok(())
        })?;
    }
    fees.sort();
    Ok(fees)
}
