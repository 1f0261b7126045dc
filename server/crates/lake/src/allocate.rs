//! The fast form of `domain::allocate`: one pass over the files, owners and
//! classes once per distinct set of attributes, checked sums; then the charges
//! of machines by what ran on them. A property test holds it equal to the
//! reference.

use crate::clusters::{self, Gathered, Unbilled};
use crate::container_days::ContainerDayFile;
use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use crate::usage::UsageFile;
use domain::BillingPeriod;
use domain::allocate::{Cube, CubeKey, CubeValue, Program};
use domain::apportion::Splitter;
use domain::instant::Day;
use polars::prelude::PlHashMap;

/// Allocates the charges of some files, without usage. `split` is
/// [`domain::apportion::apportion`]; tests pass a wrong one.
///
/// # Errors
/// When a file cannot be read, or an amount split or added exactly.
pub fn allocate(lake: &Lake, files: &[ChargeFile], program: &Program, split: Splitter) -> Result<Cube, LakeError> {
    allocate_with_usage(lake, files, &[], None, program, split).map(|allocation| allocation.cube)
}

/// An allocation of bills with usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Its cube.
    pub cube: Cube,
    /// Node hours of the period no charge pays for.
    pub unbilled: Vec<Unbilled>,
    /// What containers cost, by cluster and day; written when a period was given.
    pub container_days: Vec<ContainerDayFile>,
}

/// The same, node costs by usage: days in any order, one file per cluster and
/// day. With a `period`, container-days are written to the lake.
///
/// # Errors
/// As [`allocate`].
pub fn allocate_with_usage(
    lake: &Lake,
    files: &[ChargeFile],
    usage: &[UsageFile],
    period: Option<BillingPeriod>,
    program: &Program,
    split: Splitter,
) -> Result<Allocation, LakeError> {
    let overflow = |_| LakeError::Overflow {
        what: "the charges".to_owned(),
    };
    let mut usage = usage.to_vec();
    usage.sort_by(|a, b| (&a.cluster, a.day).cmp(&(&b.cluster, b.day)));
    let join = clusters::join_of(lake, &usage)?;
    let mut gathered = Gathered::new(&join);
    let mut charges = Charges::new(program).joining(&join);
    let mut sums: PlHashMap<(u32, BillingPeriod, Day), CubeValue> = PlHashMap::default();
    let mut landings = Vec::new();
    for file in files {
        charges.read(lake, file, |charges, row| {
            if gathered.take(charges, row)?.is_some() {
                return Ok(());
            }
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
    let clusters = clusters::split_days(
        lake,
        gathered,
        (&usage, &join),
        &mut charges,
        split,
        period,
        &mut |key, period, day, value| sums.entry((key, period, day)).or_default().add(value).map_err(overflow),
    )?;
    let mut cube = Cube::new(program.rules.dimensions.clone());
    for ((key, period, day), value) in sums {
        let key = CubeKey {
            period,
            day: Some(day),
            ..charges.key(key).clone()
        };
        cube.add(key, value).map_err(overflow)?;
    }
    Ok(Allocation {
        cube,
        unbilled: clusters.unbilled,
        container_days: clusters.files,
    })
}
