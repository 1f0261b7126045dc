//! The fast allocation against the reference, cubes and bill lines.

use crate::ingest::{MAX_FINDINGS, MAX_RECORD_BYTES, OnError, Part, Request};
use crate::query::{Basis, Level, bill_lines};
use crate::{ChargeFile, Lake, LakeError, allocate, ingest, read_cube, write_cube};
use domain::Money;
use domain::allocate::{self as reference, Cube, Program};
use domain::apportion::{ApportionError, apportion};
use domain::charge::Charge;
use domain::class::ClassRules;
use domain::dialect::{Binding, Container, focus};
use domain::price::Policy;
use domain::price::schedule::{self, Fee, Origin};
use domain::rule::RuleSet;
use proptest::prelude::*;

const COLUMNS: [&str; 11] = [
    "BilledCost",
    "EffectiveCost",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "BillingCurrency",
    "SubAccountId",
    "ServiceName",
    "Tags",
];

const RULES: &str = r#"
format: 1
dimensions: [programme]
rules:
  - {name: moved, from: 2024-09-11, when: {column: SubAccountId, equals: a}, set: {tenant: new, programme: p}}
  - {name: a, when: {column: SubAccountId, equals: a}, set: {tenant: old}}
  - {name: tagged, when: {tag: tenant, exists: true}, set: {tenant: {tag: tenant}}}
  - {name: mine, when: {column: x_Mine, exists: true}, set: {service: {column: x_Mine}}}
"#;

fn program() -> Program {
    Program {
        rules: RuleSet::parse(RULES).expect("valid"),
        classes: ClassRules::preset(),
        prices: Policy::preset(),
    }
}

/// Ingests rows as one file per list, and reads them by the reference as well.
pub(crate) fn deliver(lake: &Lake, files: &[(Vec<&str>, Vec<Vec<String>>)]) -> (Vec<ChargeFile>, Vec<Charge>) {
    let folder = tempfile::tempdir().expect("folder");
    let (mut parts, mut charges) = (Vec::new(), Vec::new());
    for (at, (columns, rows)) in files.iter().enumerate() {
        let path = folder.path().join(at.to_string());
        let mut writer = csv::Writer::from_path(&path).expect("opens");
        writer.write_record(columns).expect("writes");
        let headers: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let binding = Binding::new(&focus("1.0").expect("known"), &headers).expect("binds");
        for (line, row) in rows.iter().enumerate() {
            writer.write_record(row).expect("writes");
            let cells: Vec<&[u8]> = row.iter().map(String::as_bytes).collect();
            charges.push(binding.read(&format!("{at}:{line}"), &cells).expect("valid"));
        }
        writer.flush().expect("writes");
        parts.push(Part {
            name: format!("{at}.csv"),
            path,
            container: Container::Plain,
            dialect: focus("1.0").expect("known"),
        });
    }
    let request = Request {
        delivery_id: "d",
        source: "s",
        parts: &parts,
        on_error: OnError::Fail,
        expected_period: None,
        allow_mixed_currencies: true,
        max_record_bytes: MAX_RECORD_BYTES,
        max_findings: MAX_FINDINGS,
    };
    let staged = ingest(lake, &request, &|_| {}).expect("taken");
    let files = staged.files.into_iter().map(|file| ChargeFile {
        path: file.path,
        delivery_id: "d".to_owned(),
    });
    (files.collect(), charges)
}

fn row() -> impl Strategy<Value = Vec<String>> {
    let pick = |texts: &'static [&'static str]| prop::sample::select(texts).prop_map(str::to_owned);
    let cost = || (-2_000_000i64..2_000_000).prop_map(|units| format!("{units}e-7"));
    (
        (cost(), cost()),
        0i64..40 * 24,
        prop_oneof![4 => 1i64..3, 1 => 0i64..24 * 40],
        pick(&["Usage", "usage", "Tax", "Purchase", "Credit"]),
        pick(&["USD", "EUR", ""]),
        pick(&["a", "b", ""]),
        pick(&["Amazon RDS", "AWS Lambda", ""]),
        pick(&["", r#"{"tenant":"t1"}"#, r#"{"tenant":"t2","x":"y"}"#]),
        prop::bool::ANY,
    )
        .prop_map(
            |((billed, effective), start, hours, category, currency, account, service, tags, next_month)| {
                let at = |hour: i64| {
                    domain::instant::Instant(
                        domain::instant::parse(b"2024-08-20").expect("date").instant.0 + hour * 3_600_000_000,
                    )
                    .to_string()
                };
                let (from, to) = if next_month {
                    ("2024-10-01", "2024-11-01")
                } else {
                    ("2024-09-01", "2024-10-01")
                };
                vec![
                    billed,
                    effective,
                    from.to_owned(),
                    to.to_owned(),
                    at(start),
                    at(start + hours),
                    category,
                    currency,
                    account,
                    service,
                    tags,
                ]
            },
        )
}

/// Columns prices are evened out by.
const PRICES: [&str; 10] = [
    "BillingAccountId",
    "SkuId",
    "SkuPriceId",
    "PricingQuantity",
    "ListCost",
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "ChargeDescription",
    "ResourceId",
    "PricingUnit",
];

fn priced_row() -> impl Strategy<Value = Vec<String>> {
    let pick = |texts: &'static [&'static str]| prop::sample::select(texts).prop_map(str::to_owned);
    let prices = (
        (pick(&["p", "q", ""]), pick(&["s", "t", ""]), pick(&["1", "2", ""])),
        (pick(&["1", "0.5", "3", "", "-1"]), pick(&["1", "2.5", "0", ""])),
        (pick(&["", "", "plan"]), pick(&["", "Used", "Unused"])),
        (
            pick(&["", "", "Enterprise Discount Program"]),
            pick(&["", "r1", "r2"]),
            pick(&["Hrs", ""]),
        ),
    );
    (row(), prices).prop_map(
        |(mut row, ((payer, sku, price), (quantity, list), (plan, status), (description, resource, unit)))| {
            row.extend([
                payer,
                sku,
                price,
                quantity,
                list,
                plan,
                status,
                description,
                resource,
                unit,
            ]);
            row
        },
    )
}

const POLICIES: [&str; 5] = [
    Policy::PRESET,
    "format: 1\ncommitments: [{mode: buyer-first, margin_permille: 70}]\ncommitment_unused: pro-rata",
    "format: 1\ncommitments: [{mode: pooled}]\ncommitment_unused: central",
    "format: 1\nlegal_entities: {e: [p, q]}\ncommitments: [{mode: pooled}]\ncommitment_unused: pro-rata",
    "format: 1\nschedules: [{above: \"0.1\", term_months: 3, to: 2024-09-10, when: {column: SubAccountId, equals: a}}, {above: \"0\", term_months: 1}]",
];

/// Gives everything to the first part.
fn wrong(total: Money, weights: &[i128]) -> Result<Vec<Money>, ApportionError> {
    Ok(weights
        .iter()
        .enumerate()
        .map(|(at, _)| if at == 0 { total } else { Money::ZERO })
        .collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_form_is_the_reference(
        first in prop::collection::vec(priced_row(), 1..14),
        second in prop::collection::vec((priced_row(), "[mn]?"), 0..8),
        policy in prop::sample::select(POLICIES.to_vec()),
        through in prop::option::of(0i64..40 * 24),
    ) {
        let lake = Lake::memory();
        let columns = COLUMNS.iter().chain(&PRICES).copied();
        let mut files = vec![(columns.clone().collect(), first)];
        if !second.is_empty() {
            let columns = columns.chain(["x_Mine"]).collect();
            files.push((columns, second.into_iter().map(|(mut row, mine)| { row.push(mine); row }).collect()));
        }
        let (files, charges) = deliver(&lake, &files);
        let mut program = Program { prices: Policy::parse(policy).expect("a policy"), ..program() };
        let fees = crate::fees(&lake, &files, &program).expect("reads");
        let found: Vec<_> = fees.iter().map(|fee| Fee { origin: Origin::default(), ..fee.clone() }).collect();
        let of_charges = schedule::fees(&charges, &program).into_iter();
        let expect: Vec<_> = of_charges.map(|fee| Fee { origin: Origin::default(), ..fee }).collect();
        prop_assert_eq!(found, expect);
        program.prices.fees = fees.into();
        if let Some(hours) = through {
            let start = domain::instant::parse(b"2024-08-20").expect("date").instant.0;
            let open = ("p".to_owned(), "2024-09".parse().expect("a month"));
            let through = domain::instant::Instant(start + hours * 3_600_000_000);
            program.prices.through = [(open, through)].into_iter().collect::<domain::price::Through>().into();
        }
        let expect = reference::allocate(&charges, &program, apportion).expect("allocates");
        let cube = allocate(&lake, &files, &program, apportion).expect("allocates");
        prop_assert_eq!(&cube, &expect);
        write_cube(&lake, &cube, "cubes/c.parquet").expect("writes");
        prop_assert_eq!(&read_cube(&lake, "cubes/c.parquet").expect("reads"), &expect);
        let months = expect.by_month().expect("small");
        write_cube(&lake, &months, "cubes/m.parquet").expect("writes");
        prop_assert_eq!(&read_cube(&lake, "cubes/m.parquet").expect("reads"), &months);
        // every line of the cube is walked back to its bill lines
        for (key, value) in expect.lines.iter().take(3) {
            let found = bill_lines(&lake, &files, &[], &program, &|k| k == key, Basis::Effective, (0..2, &Level::Things)).expect("finds");
            prop_assert_eq!(found.total, value.effective);
            prop_assert!(found.count >= 1 && found.lines.len() <= 2);
            prop_assert!(found.lines.iter().all(|line| line.assignment == *key.assignment));
        }
        let billed = bill_lines(&lake, &files, &[], &program, &|_| true, Basis::Billed, (0..1_000, &Level::Things)).expect("finds");
        // a page is a stretch of all of them, whatever it leaves out
        let page = bill_lines(&lake, &files, &[], &program, &|_| true, Basis::Billed, (1..3, &Level::Things)).expect("finds");
        prop_assert_eq!(&page.lines[..], &billed.lines[1.min(billed.lines.len())..3.min(billed.lines.len())]);
        prop_assert_eq!((page.count, page.total, &page.groups), (billed.count, billed.total, &billed.groups));
        prop_assert_eq!(billed.count, charges.len() as u64);
        prop_assert!(billed.lines.iter().all(|line| line.share == line.billed && line.delivery_id == "d"));
    }
}

#[test]
fn a_wrong_splitter_is_noticed() {
    let texts = [
        "10",
        "10",
        "2024-09-01",
        "2024-10-01",
        "2024-09-10",
        "2024-09-13",
        "Usage",
        "USD",
        "a",
        "S3",
        "",
    ];
    let rows = vec![texts.iter().map(|text| (*text).to_owned()).collect()];
    let lake = Lake::memory();
    let (files, charges) = deliver(&lake, &[(COLUMNS.to_vec(), rows)]);
    let expect = reference::allocate(&charges, &program(), apportion).expect("allocates");
    assert_eq!(
        allocate(&lake, &files, &program(), apportion).expect("allocates"),
        expect
    );
    assert_ne!(allocate(&lake, &files, &program(), wrong).expect("allocates"), expect);
    let old = bill_lines(
        &lake,
        &files,
        &[],
        &program(),
        &|key| key.assignment.values[0].as_deref() == Some("old"),
        Basis::Effective,
        (0..10, &Level::Things),
    )
    .expect("finds");
    assert_eq!(
        (old.count, old.total.to_string().as_str()),
        (1, "3.333333333333333333333333")
    );
    assert_eq!((old.lines[0].part, old.lines[0].line), (0, 2));
}

/// What is in between may leave 38 digits, in one order of the rows or another.
#[test]
fn totals_need_only_fit_in_the_end() {
    let row = |cost: &str, account: &str| -> Vec<String> {
        let texts = [
            cost,
            cost,
            "2024-09-01",
            "2024-10-01",
            "2024-09-10",
            "2024-09-13",
            "Usage",
            "USD",
            account,
            "S3",
            "",
        ];
        texts.iter().map(|text| (*text).to_owned()).collect()
    };
    let (large, minus) = ("60000000000000", "-60000000000000");
    let rows = vec![
        row(large, "a"),
        row(large, "b"),
        row(minus, "a"),
        row(minus, "b"),
        row("0.5", "a"),
    ];
    let lake = Lake::memory();
    let (files, _) = deliver(&lake, &[(COLUMNS.to_vec(), rows)]);
    let totals = crate::query::totals(&lake, &files).expect("fits");
    let (currency, value) = totals.first_key_value().expect("a currency");
    assert_eq!(
        (
            totals.len(),
            currency.as_str(),
            value.charges,
            value.billed.to_string().as_str()
        ),
        (1, "USD", 5, "0.5")
    );
}

#[test]
fn files_that_are_not_ours_are_refused() {
    let lake = Lake::memory();
    assert!(matches!(
        read_cube(&lake, "cubes/none.parquet"),
        Err(LakeError::Missing { .. })
    ));
    write_cube(&lake, &Cube::default(), "cubes/empty.parquet").expect("writes");
    assert_eq!(read_cube(&lake, "cubes/empty.parquet").expect("reads"), Cube::default());
    let file = ChargeFile {
        path: "cubes/empty.parquet".to_owned(),
        delivery_id: "d".to_owned(),
    };
    assert!(allocate(&lake, &[file], &program(), apportion).is_err());
}
