//! The fast form of `domain::allocate`: one pass over the files, owners and
//! classes once per distinct set of attributes, checked sums. A property test
//! holds it equal to the reference.

use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use domain::BillingPeriod;
use domain::allocate::{Cube, CubeKey, CubeValue, Program};
use domain::apportion::Splitter;
use domain::instant::Day;
use polars::prelude::PlHashMap;

/// Allocates the charges of some files. `split` is
/// [`domain::apportion::apportion`]; tests pass a wrong one.
///
/// # Errors
/// When a file cannot be read, or an amount split or added exactly.
pub fn allocate(lake: &Lake, files: &[ChargeFile], program: &Program, split: Splitter) -> Result<Cube, LakeError> {
    let overflow = |_| LakeError::Overflow {
        what: "the charges".to_owned(),
    };
    let mut charges = Charges::new(program);
    let mut sums: PlHashMap<(u32, BillingPeriod, Day), CubeValue> = PlHashMap::default();
    let mut landings = Vec::new();
    for file in files {
        charges.read(lake, file, |charges, row| {
            charges.landings(row, &file.path, split, &mut landings)?;
            for (at, landing) in landings.iter().enumerate() {
                let sum = sums.entry((landing.key, row.period, landing.start.day())).or_default();
                sum.add(CubeValue {
                    charges: u64::from(at == 0),
                    billed: landing.billed,
                    effective: landing.effective,
                })
                .map_err(overflow)?;
            }
            Ok(())
        })?;
    }
    let mut cube = Cube::new(program.rules.dimensions.clone());
    for ((key, period, day), value) in sums {
        let key = CubeKey {
            period,
            day: Some(day),
            ..charges.key(key).clone()
        };
        cube.add(key, value).map_err(overflow)?;
    }
    Ok(cube)
}
