//! The reference allocation of bills without usage: small, obvious, scalar.
//!
//! Every charge gets a class and a bridge term, and is owned over its own
//! charge period (A2): its cost is cut at the dates rules begin or end and at
//! UTC midnights, by microseconds, with cumulative apportionment in the order
//! of time. So the owner's share does not depend on the display days, and the
//! parts of every charge are the charge.
//!
//! `lake::allocate` is the fast form; a property test holds the two together.

use crate::apportion::{ApportionError, Splitter};
use crate::bridge::BridgeTerm;
use crate::charge::{Attributes, Charge, ChargeCategory};
use crate::class::{Class, ClassRules};
use crate::instant::{DAY_US, Day, Instant, Span};
use crate::money::{Currency, Money, MoneyOverflow};
use crate::owner::{Assignment, Dimensions};
use crate::period::BillingPeriod;
use crate::price::{self, Policy, PriceError};
use crate::rule::RuleSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use thiserror::Error;

pub mod balancers;
pub mod cluster_wide;
pub mod clusters;
pub mod estimate;
pub mod volumes;

/// Columns every cube keeps, so that pages can group by them: six of the bill,
/// then seven that say where in a cluster a piece of a node's cost landed.
pub const CUBE_COLUMNS: [&str; 13] = [
    "BillingAccountId",
    "SubAccountId",
    "ProviderName",
    "RegionId",
    "ServiceCategory",
    "ServiceName",
    "Cluster",
    "NodePool",
    "Namespace",
    "WorkloadKind",
    "Workload",
    "AllocationPart",
    "Container",
];

/// What an allocation is made with.
#[derive(Debug, Clone)]
pub struct Program {
    /// Who owns what.
    pub rules: RuleSet,
    /// What is what.
    pub classes: ClassRules,
    /// What prices are evened out before anybody is charged.
    pub prices: Policy,
}

impl Program {
    /// Every charge column the allocation looks at, besides the amounts,
    /// periods, BillingCurrency and Tags.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<String> {
        let mut columns = self.rules.columns();
        columns.extend(self.classes.columns());
        columns.extend(self.prices.columns());
        columns.extend(
            BridgeTerm::COLUMNS
                .iter()
                .chain(&CUBE_COLUMNS)
                .map(|name| (*name).to_owned()),
        );
        columns.insert("ServiceProviderName".to_owned());
        columns.insert("InvoiceId".to_owned());
        columns.insert(clusters::PROVIDER_SPLIT.to_owned());
        columns
    }
}

/// What one line of a cube stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CubeKey {
    /// Statement month.
    pub period: BillingPeriod,
    /// Currency of the amounts.
    pub currency: Currency,
    /// UTC day the cost is shown on; `None` in a cube by months.
    pub day: Option<Day>,
    /// The values of [`CUBE_COLUMNS`]; ProviderName falls back as [`Attributes::provider`] says.
    pub columns: [Option<Arc<str>>; CUBE_COLUMNS.len()],
    /// FOCUS ChargeCategory.
    pub category: ChargeCategory,
    /// Class.
    pub class: Class,
    /// Bridge term.
    pub term: BridgeTerm,
    /// Whether the lines carry an InvoiceId.
    pub invoiced: bool,
    /// Owners and the rules that set them.
    pub assignment: Arc<Assignment>,
}

/// Amounts of one cube line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CubeValue {
    /// Bill lines whose first piece is here: a line that is cut counts once.
    pub charges: u64,
    /// BilledCost.
    pub billed: Money,
    /// EffectiveCost.
    pub effective: Money,
}

impl CubeValue {
    /// Adds another line.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn add(&mut self, other: CubeValue) -> Result<(), MoneyOverflow> {
        self.charges += other.charges;
        self.billed = self.billed.checked_add(other.billed)?;
        self.effective = self.effective.checked_add(other.effective)?;
        Ok(())
    }
}

/// An allocation, added up: what pages read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cube {
    /// Dimension keys of every assignment in it.
    pub dimensions: Dimensions,
    /// Its lines.
    pub lines: BTreeMap<CubeKey, CubeValue>,
}

impl Cube {
    /// An empty cube.
    #[must_use]
    pub fn new(dimensions: Dimensions) -> Cube {
        Cube {
            dimensions,
            lines: BTreeMap::new(),
        }
    }

    /// Adds to a line.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn add(&mut self, key: CubeKey, value: CubeValue) -> Result<(), MoneyOverflow> {
        self.lines.entry(key).or_default().add(value)
    }

    /// The same cube without days.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn by_month(&self) -> Result<Cube, MoneyOverflow> {
        let mut cube = Cube::new(self.dimensions.clone());
        for (key, value) in &self.lines {
            cube.add(
                CubeKey {
                    day: None,
                    ..key.clone()
                },
                *value,
            )?;
        }
        Ok(cube)
    }

    /// Sum of all lines per currency.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn totals(&self) -> Result<BTreeMap<Currency, CubeValue>, MoneyOverflow> {
        let mut totals: BTreeMap<Currency, CubeValue> = BTreeMap::new();
        for (key, value) in &self.lines {
            totals.entry(key.currency.clone()).or_default().add(*value)?;
        }
        Ok(totals)
    }
}

/// Why an allocation could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AllocateError {
    /// A split was refused.
    #[error("charge {id} could not be split")]
    Split {
        /// The charge.
        id: String,
        /// Why.
        #[source]
        source: ApportionError,
    },
    /// Prices could not be evened out.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// A sum overflowed.
    #[error("the amounts are too large to add exactly")]
    Overflow(#[from] MoneyOverflow),
}

/// The pieces a charge period is cut into: at rule dates and UTC midnights.
/// A charge without duration is one piece.
#[must_use]
pub fn pieces(rules: &RuleSet, span: Span) -> Vec<Span> {
    let mut cuts: BTreeSet<Instant> = rules.cuts_inside(span).collect();
    let mut midnight = (i64::from(span.first_day().0) + 1) * DAY_US;
    while midnight < span.end.0 {
        cuts.insert(Instant(midnight));
        midnight += DAY_US;
    }
    let mut pieces = Vec::with_capacity(cuts.len() + 1);
    let mut start = span.start;
    for cut in cuts {
        pieces.push(Span { start, end: cut });
        start = cut;
    }
    pieces.push(Span { start, end: span.end });
    pieces
}

/// Splits an amount over pieces by their length.
///
/// # Errors
/// What the splitter refuses.
pub fn split_over(amount: Money, pieces: &[Span], split: Splitter) -> Result<Vec<Money>, ApportionError> {
    if let [_] = pieces {
        return Ok(vec![amount]);
    }
    let weights: Vec<i128> = pieces.iter().map(|piece| i128::from(piece.duration_us())).collect();
    split(amount, &weights)
}

/// The key of a charge's cost on one day, for the owner it has then.
#[must_use]
pub fn key_of(
    program: &Program,
    period: BillingPeriod,
    currency: &Currency,
    category: ChargeCategory,
    attributes: &Attributes,
    at: Instant,
) -> CubeKey {
    let class = program.classes.class_of(attributes);
    key_of_class(program, period, currency, (category, class), attributes, at)
}

/// The same of a charge whose class is known.
#[must_use]
pub fn key_of_class(
    program: &Program,
    period: BillingPeriod,
    currency: &Currency,
    (category, class): (ChargeCategory, Class),
    attributes: &Attributes,
    at: Instant,
) -> CubeKey {
    let column = |name: &str| attributes.column(name).map(Arc::from);
    let columns = CUBE_COLUMNS.map(|name| {
        if name == "ProviderName" {
            attributes.provider().map(Arc::from)
        } else {
            column(name)
        }
    });
    CubeKey {
        period,
        currency: currency.clone(),
        day: Some(at.day()),
        columns,
        category,
        class,
        term: BridgeTerm::of(category, attributes),
        invoiced: attributes.column("InvoiceId").is_some(),
        assignment: Arc::new(program.rules.assign(attributes, at)),
    }
}

/// Bill lines a charge counts as: a move of money between lines is none.
#[must_use]
pub fn bill_lines(charge: &Charge) -> u64 {
    u64::from(!price::is_move(&charge.attributes))
}

/// Allocates every charge, after prices are evened out. `split` is [`crate::apportion::apportion`]; tests
/// pass a wrong one to prove that they would notice.
///
/// # Errors
/// When an amount cannot be split or added exactly.
pub fn allocate(charges: &[Charge], program: &Program, split: Splitter) -> Result<Cube, AllocateError> {
    let mut cube = Cube::new(program.rules.dimensions.clone());
    let moved = price::moved(charges, program, split, |_| false)?;
    for charge in charges.iter().chain(&moved) {
        land(&mut cube, charge, &charge.attributes, program, split)?;
    }
    Ok(cube)
}

/// Lands a charge on its owners over its own charge period (A2).
fn land(
    cube: &mut Cube,
    charge: &Charge,
    attributes: &Attributes,
    program: &Program,
    split: Splitter,
) -> Result<(), AllocateError> {
    let pieces = pieces(&program.rules, charge.span);
    let refused = |source| AllocateError::Split {
        id: charge.id.clone(),
        source,
    };
    let billed = split_over(charge.billed, &pieces, split).map_err(refused)?;
    let effective = split_over(charge.effective, &pieces, split).map_err(refused)?;
    for (at, ((piece, billed), effective)) in pieces.iter().zip(billed).zip(effective).enumerate() {
        let key = key_of(
            program,
            charge.period,
            &charge.currency,
            charge.category,
            attributes,
            piece.start,
        );
        cube.add(
            key,
            CubeValue {
                charges: if at == 0 { bill_lines(charge) } else { 0 },
                billed,
                effective,
            },
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apportion::apportion;
    use crate::instant;
    use crate::price::Prices;
    use proptest::prelude::*;

    fn at(text: &str) -> Instant {
        instant::parse(text.as_bytes()).expect(text).instant
    }

    fn charge(id: &str, start: &str, end: &str, cost: &str, tenant: &str) -> Charge {
        Charge {
            id: id.to_owned(),
            period: "2026-01".parse().expect("month"),
            span: Span {
                start: at(start),
                end: at(end),
            },
            currency: Currency::parse("USD").expect("code"),
            category: ChargeCategory::Usage,
            billed: Money::parse(cost).expect(cost),
            effective: Money::parse(cost).expect(cost),
            consumed_s: None,
            prices: Prices::default(),
            attributes: Attributes::default().with_column("SubAccountId", tenant),
        }
    }

    fn program() -> Program {
        let rules = RuleSet::parse(
            "format: 1\nrules:\n  - {name: moved, from: 2026-01-11, when: {column: SubAccountId, equals: a}, set: {tenant: new}}\n  - {name: a, when: {column: SubAccountId, equals: a}, set: {tenant: old}}",
        );
        Program {
            rules: rules.expect("valid"),
            classes: ClassRules::preset(),
            prices: Policy::preset(),
        }
    }

    fn by_tenant(cube: &Cube) -> Vec<(String, String)> {
        let mut sums: BTreeMap<String, Money> = BTreeMap::new();
        for (key, value) in &cube.lines {
            let tenant = key.assignment.values[0].as_deref().unwrap_or("").to_owned();
            let sum = sums.entry(tenant).or_default();
            *sum = sum.checked_add(value.effective).expect("small");
        }
        sums.into_iter()
            .map(|(tenant, sum)| (tenant, sum.to_string()))
            .collect()
    }

    #[test]
    fn owned_over_the_charge_period() {
        // 10 of 31 days belong to the old tenant (A2, A14)
        let month = charge("c1", "2026-01-01", "2026-02-01", "31", "a");
        let cube = allocate(std::slice::from_ref(&month), &program(), apportion).expect("allocates");
        assert_eq!(
            by_tenant(&cube),
            [("new".to_owned(), "21".to_owned()), ("old".to_owned(), "10".to_owned())]
        );
        assert_eq!(cube.lines.len(), 31);
        // a charge without duration, and one without an owner
        let once = charge("c2", "2026-01-20", "2026-01-20", "5", "a");
        let orphan = charge("c3", "2026-01-20", "2026-01-21", "0.7", "b");
        let cube = allocate(&[once, orphan], &program(), apportion).expect("allocates");
        assert_eq!(
            by_tenant(&cube),
            [(String::new(), "0.7".to_owned()), ("new".to_owned(), "5".to_owned())]
        );
    }

    fn any_charge() -> impl Strategy<Value = Charge> {
        (
            0i64..40 * 24,
            0i64..24 * 45,
            -1_000_000i64..1_000_000,
            prop::sample::select(vec!["a", "b", "c"]),
            0u32..1000,
        )
            .prop_map(|(start, hours, cost, tenant, id)| {
                let first = at("2025-12-20").0 + start * 3_600_000_000;
                let mut charge = charge(&format!("c{id}"), "2026-01-01", "2026-01-01", "0", tenant);
                charge.span = Span {
                    start: Instant(first),
                    end: Instant(first + hours * 3_600_000_000),
                };
                charge.billed = Money::from_units(i128::from(cost) * 1_000_000_007).expect("small");
                charge.effective = Money::from_units(i128::from(cost) * 998_244_353 + 1).expect("small");
                charge
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

        #[test]
        fn parts_are_the_bill_and_order_is_irrelevant(mut charges in prop::collection::vec(any_charge(), 0..8)) {
            let program = program();
            let cube = allocate(&charges, &program, apportion).expect("allocates");
            let effective = Money::sum(charges.iter().map(|c| c.effective)).expect("small");
            let total = Money::sum(cube.lines.values().map(|v| v.effective)).expect("small");
            prop_assert_eq!(effective, total);
            charges.reverse();
            prop_assert_eq!(allocate(&charges, &program, apportion).expect("allocates"), cube);
        }

        #[test]
        fn a_refund_cancels_everywhere(charge in any_charge()) {
            let mut refund = charge.clone();
            refund.billed = -charge.billed;
            refund.effective = -charge.effective;
            let cube = allocate(&[charge, refund], &program(), apportion).expect("allocates");
            for value in cube.lines.values() {
                prop_assert_eq!((value.billed, value.effective), (Money::ZERO, Money::ZERO));
            }
        }
    }
}
