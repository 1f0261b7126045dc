//! Examples of each rule, and laws on random bills.

use super::*;
use crate::apportion::apportion;
use crate::instant;
use proptest::prelude::*;

/// A line: id in ResourceId, columns as `Name=value`, effective, list, quantity.
#[derive(Debug, Clone)]
struct Line {
    id: &'static str,
    category: ChargeCategory,
    class: Class,
    columns: Vec<(&'static str, String)>,
    effective: Money,
    prices: Prices,
}

fn money(text: &str) -> Money {
    Money::parse(text).expect(text)
}

fn line(id: &'static str, class: Class, columns: &[(&'static str, &str)], effective: &str) -> Line {
    Line {
        id,
        category: ChargeCategory::Usage,
        class,
        columns: columns
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        effective: money(effective),
        prices: Prices::default(),
    }
}

impl Line {
    fn list(mut self, list: &str) -> Line {
        self.prices.list = Some(money(list));
        self
    }

    fn contracted(mut self, contracted: &str) -> Line {
        self.prices.contracted = Some(money(contracted));
        self
    }

    fn quantity(mut self, quantity: i128) -> Line {
        self.prices.quantity = Some(quantity * 1_000_000_000_000);
        self
    }

    fn category(mut self, category: ChargeCategory) -> Line {
        self.category = category;
        self
    }
}

/// What each line costs afterwards; what is central as `central`.
fn evened(lines: &[Line], policy: &str) -> BTreeMap<String, String> {
    let policy = Policy::parse(policy).expect("a policy");
    evened_by(lines, &policy)
}

fn evened_by(lines: &[Line], policy: &Policy) -> BTreeMap<String, String> {
    let attributes: Vec<Attributes> = lines
        .iter()
        .map(|line| {
            let all = line.columns.iter();
            all.fold(Attributes::default(), |of, (name, value)| of.with_column(name, value))
        })
        .collect();
    let usd = Currency::parse("USD").expect("a code");
    let groups: Vec<Group<'_>> = lines
        .iter()
        .zip(&attributes)
        .map(|(line, attributes)| Group {
            period: "2026-10".parse().expect("a month"),
            currency: &usd,
            category: line.category,
            class: line.class,
            attributes,
            span: Span {
                start: instant::Instant(0),
                end: instant::Instant(3_600_000_000),
            },
            effective: line.effective,
            prices: line.prices,
        })
        .collect();
    let moves = moves(&groups, policy, apportion).expect("moves");
    let mut after: BTreeMap<String, Money> = lines.iter().map(|line| (line.id.to_owned(), line.effective)).collect();
    for moved in moves {
        let id = if moved.central {
            "central"
        } else {
            lines[moved.group].id
        };
        let sum = after.entry(id.to_owned()).or_default();
        *sum = sum.checked_add(moved.effective).expect("small");
    }
    after.into_iter().map(|(id, sum)| (id, sum.to_string())).collect()
}

fn table(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(id, sum)| ((*id).to_owned(), (*sum).to_owned()))
        .collect()
}

const BILLED: &str = "format: 1\ndiscounts: as-billed\nvolume_tiers: as-billed\n";

#[test]
fn discounts_follow_what_they_discount() {
    let of = |account: &'static str, service: &'static str, sku: &'static str| {
        [("SubAccountId", account), ("ServiceName", service), ("SkuId", sku)]
    };
    let bill = || {
        vec![
            line("a1", Class::Machine, &of("a", "ec2", "m5"), "60"),
            line("a2", Class::Machine, &of("a", "ec2", "c5"), "20"),
            line("a3", Class::Volume, &of("a", "ebs", "gp3"), "20"),
            line("b1", Class::Machine, &of("b", "ec2", "m5"), "100"),
            line("tax", Class::Tax, &of("a", "ec2", "m5"), "7").category(ChargeCategory::Tax),
            line("licence", Class::Licence, &of("a", "ec2", "m5"), "500"),
        ]
    };
    for (discount, expect) in [
        // the SKU, then the service, then the account, then the billing account
        (
            of("a", "ec2", "m5"),
            [("a1", "54"), ("a2", "20"), ("a3", "20"), ("b1", "100")],
        ),
        (
            of("a", "ec2", ""),
            [("a1", "55.5"), ("a2", "18.5"), ("a3", "20"), ("b1", "100")],
        ),
        (
            of("a", "plans", "x"),
            [("a1", "56.4"), ("a2", "18.8"), ("a3", "18.8"), ("b1", "100")],
        ),
        (
            of("payer", "", ""),
            [("a1", "58.2"), ("a2", "19.4"), ("a3", "19.4"), ("b1", "97")],
        ),
    ] {
        let mut lines = bill();
        lines.push(line("edp", Class::Discount, &discount, "-6"));
        let mut expect = table(&expect);
        expect.extend(table(&[("edp", "0"), ("tax", "7"), ("licence", "500")]));
        assert_eq!(evened(&lines, "format: 1"), expect, "{discount:?}");
        let as_billed = evened(&lines, BILLED);
        assert_eq!((as_billed["edp"].as_str(), as_billed["a1"].as_str()), ("-6", "60"));
    }
    // what somebody else sells, and a fee on a schedule, take none (A24); a provider has many names
    let sold_by = |id, publisher: &'static str, provider: &'static str| {
        let columns = [("PublisherName", publisher), ("ProviderName", provider)];
        line(id, Class::Other, &columns, "100").category(ChargeCategory::Purchase)
    };
    let lines = [
        line("edp", Class::Discount, &[], "-6"),
        sold_by("acme", "Acme", "AWS"),
        sold_by("own", "Amazon Web Services EMEA SARL", "AWS"),
        sold_by("nobody", "", "AWS"),
        sold_by("unknown", "Acme Inc.", "Acme"),
        sold_by("fee", "Amazon", "AWS"),
    ];
    let expect = [
        ("edp", "0"),
        ("acme", "100"),
        ("own", "98"),
        ("nobody", "98"),
        ("unknown", "98"),
        ("fee", "100"),
    ];
    let policy =
        "format: 1\nschedules: [{above: \"100\", term_months: 12, when: {column: PublisherName, equals: Amazon}}]";
    assert_eq!(evened(&lines, policy), table(&expect));
    // one that discounts nothing stays, whatever else there is
    let lines = [
        line("edp", Class::Discount, &[], "-6"),
        line("tax", Class::Tax, &[], "7").category(ChargeCategory::Tax),
    ];
    assert_eq!(evened(&lines, "format: 1"), table(&[("edp", "-6"), ("tax", "7")]));
}

/// A17: net columns and separate discount rows of a month give equal tenants.
#[test]
fn separate_discount_lines_cost_what_net_columns_say() {
    let of = |account: &'static str| [("SubAccountId", account), ("ServiceName", "ec2")];
    let gross = [
        line("a", Class::Machine, &of("a"), "80"),
        line("b", Class::Machine, &of("b"), "20"),
        line("edp a", Class::Discount, &of("a"), "-7.2"),
        line("edp b", Class::Discount, &of("b"), "-1.8"),
    ];
    let net = evened(&gross, "format: 1");
    assert_eq!((net["a"].as_str(), net["b"].as_str()), ("72.8", "18.2"));
}

#[test]
fn a_sku_with_tiers_has_one_price() {
    let tier = |price: &'static str| [("SkuId", "gb-out"), ("SkuPriceId", price), ("PricingUnit", "GB")];
    let first_free = [
        line("a", Class::Network, &tier("free"), "0").quantity(100),
        line("b", Class::Network, &tier("paid"), "9").quantity(100),
        line("c", Class::Network, &tier("paid"), "18").quantity(200),
    ];
    let expect = table(&[("a", "6.75"), ("b", "6.75"), ("c", "13.5")]);
    assert_eq!(evened(&first_free, "format: 1"), expect);
    // whoever came first: nothing changes
    let other_order = [
        line("a", Class::Network, &tier("paid"), "9").quantity(100),
        line("b", Class::Network, &tier("free"), "0").quantity(100),
        line("c", Class::Network, &tier("paid"), "18").quantity(200),
    ];
    assert_eq!(evened(&other_order, "format: 1"), expect);
    // one price, another unit, no quantity, a spot price: as billed
    let apart = [
        line("a", Class::Network, &tier("paid"), "9").quantity(100),
        line("b", Class::Network, &tier("paid"), "1").quantity(100),
        line("c", Class::Network, &tier("free"), "5"),
        line(
            "d",
            Class::Network,
            &[("SkuId", "gb-out"), ("SkuPriceId", "x"), ("PricingUnit", "Requests")],
            "3",
        )
        .quantity(3),
        line(
            "e",
            Class::Network,
            &[
                ("SkuId", "gb-out"),
                ("SkuPriceId", "y"),
                ("PricingUnit", "GB"),
                ("PricingCategory", "Dynamic"),
            ],
            "4",
        )
        .quantity(3),
    ];
    let expect = table(&[("a", "9"), ("b", "1"), ("c", "5"), ("d", "3"), ("e", "4")]);
    assert_eq!(evened(&apart, "format: 1"), expect);
}

fn node(id: &'static str, account: &'static str, more: &[(&'static str, &'static str)], effective: &str) -> Line {
    let mut columns = vec![
        ("SubAccountId", account),
        ("ServiceName", "ec2"),
        ("RegionId", "eu-central-1"),
        ("PricingUnit", "Hrs"),
    ];
    columns.extend(more);
    line(id, Class::NodeCompute, &columns, effective).list("1")
}

const COVERED: [(&str, &str); 3] = [
    ("CommitmentDiscountId", "plan"),
    ("CommitmentDiscountStatus", "Used"),
    ("PricingCategory", "Committed"),
];

/// A16: two equal nodes, one plan: 0.80 each, whoever the provider gave it to.
#[test]
fn a_pooled_plan_costs_equal_nodes_the_same() {
    let to_a = [node("a", "a", &COVERED, "0.60"), node("b", "b", &[], "1.00")];
    let to_b = [node("a", "a", &[], "1.00"), node("b", "b", &COVERED, "0.60")];
    let expect = table(&[("a", "0.8"), ("b", "0.8")]);
    assert_eq!(evened_by(&to_a, &Policy::preset()), expect);
    assert_eq!(evened_by(&to_b, &Policy::preset()), expect);
    let applied = table(&[("a", "0.6"), ("b", "1")]);
    assert_eq!(evened(&to_a, "format: 1"), applied);
}

#[test]
fn what_is_not_pooled_keeps_its_price() {
    let spot = [("PricingCategory", "Dynamic")];
    let lines = [
        node("covered", "a", &COVERED, "0.60"),
        node("on demand", "b", &[], "1.00"),
        node("spot", "c", &spot, "0.25"),
        line(
            "gigabytes",
            Class::NodeCompute,
            &[
                ("ServiceName", "ec2"),
                ("RegionId", "eu-central-1"),
                ("PricingUnit", "GB"),
            ],
            "3",
        )
        .list("3"),
        node("elsewhere", "b", &[("RegionId", "us-east-1")], "1.00"),
        node("paid back", "b", &[], "-0.10"),
    ];
    let expect = table(&[
        ("covered", "0.8"),
        ("on demand", "0.8"),
        ("spot", "0.25"),
        ("gigabytes", "3"),
        ("elsewhere", "1"),
        ("paid back", "-0.1"),
    ]);
    assert_eq!(evened_by(&lines, &Policy::preset()), expect);
    // without a price to compare by, a pool stays as applied
    let mut unpriced = node("on demand", "b", &[], "1.00");
    unpriced.prices = Prices::default();
    let lines = [node("covered", "a", &COVERED, "0.60"), unpriced];
    let expect = table(&[("covered", "0.6"), ("on demand", "1")]);
    assert_eq!(evened_by(&lines, &Policy::preset()), expect);
}

#[test]
fn a_buyer_is_paid_the_margin_by_others() {
    let policy = "format: 1\ncommitments: [{mode: buyer-first, margin_permille: 50}]";
    let unused = [("CommitmentDiscountId", "plan"), ("CommitmentDiscountStatus", "Unused")];
    let lines = [
        node("own", "buyer", &COVERED, "0.60"),
        node("other", "b", &COVERED, "0.60"),
        node("on demand", "c", &[], "1"),
        line(
            "rest",
            Class::CommitmentUnused,
            &[("SubAccountId", "buyer"), unused[0], unused[1]],
            "0.2",
        ),
    ];
    let expect = table(&[("own", "0.6"), ("other", "0.63"), ("on demand", "1"), ("rest", "0.17")]);
    assert_eq!(evened(&lines, policy), expect);
    // nobody known to have bought it
    let expect = table(&[("own", "0.6"), ("other", "0.6"), ("on demand", "1")]);
    assert_eq!(evened(&lines[..3], policy), expect);
}

#[test]
fn what_is_unused_goes_by_policy() {
    let unused = [
        ("CommitmentDiscountId", "plan"),
        ("CommitmentDiscountStatus", "Unused"),
        ("ServiceName", "plans"),
    ];
    let lines = || {
        [
            line("rest", Class::CommitmentUnused, &unused, "0.4"),
            node("covered", "a", &COVERED, "0.60"),
            node("b", "b", &[], "1"),
            node("c", "c", &[], "3"),
        ]
    };
    let pro_rata = "format: 1\ncommitment_unused: pro-rata";
    let expect = table(&[("rest", "0"), ("covered", "0.6"), ("b", "1.1"), ("c", "3.3")]);
    assert_eq!(evened(&lines(), pro_rata), expect);
    let central = evened(&lines(), "format: 1\ncommitment_unused: central");
    assert_eq!((central["rest"].as_str(), central["central"].as_str()), ("0", "0.4"));
    // nobody to share it: central as well
    assert_eq!(evened(&lines()[..2], pro_rata)["central"], "0.4");
    let buyer = evened(&lines(), "format: 1");
    assert_eq!((buyer["rest"].as_str(), buyer["b"].as_str()), ("0.4", "1"));
}

/// A16: within a legal entity it does not matter which of its billing accounts
/// the float landed in; what is unused is shared there too, and A18 stays by account.
#[test]
fn a_legal_entity_shares_its_commitments() {
    let of = |id, payer: &'static str, account: &'static str, commitment: &[(&'static str, &'static str)], cost| {
        let mut node = node(id, account, commitment, cost).list("1");
        node.columns.push(("BillingAccountId", payer.to_owned()));
        node
    };
    let bill = |float: &str| {
        let part = |id, payer, account| {
            if id == float {
                of(id, payer, account, &COVERED, "0.60")
            } else {
                of(id, payer, account, &[], "1")
            }
        };
        [part("a", "p", "a"), part("b", "q", "b"), part("c", "other", "c")]
    };
    let one = "format: 1\ncommitments: [{mode: pooled}]\nlegal_entities: {acme: [p, q]}";
    let even = table(&[("a", "0.8"), ("b", "0.8"), ("c", "1")]);
    assert_eq!(evened(&bill("a"), one), even);
    assert_eq!(evened(&bill("b"), one), even);
    // each account for itself: whoever has the float has the saving
    let none = "format: 1\ncommitments: [{mode: pooled}]";
    assert_eq!(evened(&bill("a"), none), table(&[("a", "0.6"), ("b", "1"), ("c", "1")]));
    // an account that is named like the entity is not of it
    let named = "format: 1\ncommitments: [{mode: pooled}]\nlegal_entities: {other: [p, q]}";
    assert_eq!(evened(&bill("b"), named), even);

    let unused = [
        ("CommitmentDiscountId", "plan"),
        ("CommitmentDiscountStatus", "Unused"),
        ("BillingAccountId", "p"),
        ("ServiceName", "plans"),
    ];
    let mut lines = bill("a").to_vec();
    lines.push(line("rest", Class::CommitmentUnused, &unused, "0.4"));
    let pro_rata = "format: 1\ncommitment_unused: pro-rata\nlegal_entities: {acme: [p, q]}";
    let expect = table(&[("a", "0.6"), ("b", "1.4"), ("c", "1"), ("rest", "0")]);
    assert_eq!(evened(&lines, pro_rata), expect);
}

#[test]
fn policies_say_what_is_wrong_with_them() {
    assert!(Policy::preset().discounts);
    for (yaml, expect) in [
        ("format: 2", "format 2"),
        ("format: 1\ndiscounts: maybe", "maybe"),
        (
            "format: 1\ncommitments: [{mode: pooled, margin_permille: 5}]",
            "buyer-first alone",
        ),
        (
            "format: 1\ncommitments: [{mode: buyer-first, margin_permille: 5000}]",
            "at most 1000",
        ),
        (
            "format: 1\ncommitments: [{mode: pooled}, {mode: as-applied}]",
            "never reached",
        ),
        ("format: 1\ncommitments: [{mode: pooled, when: {column: A}}]", "entry 1"),
        ("format: 1\ntiers: average", "tiers"),
        ("format: 1\nlegal_entities: {a: [x], b: [x]}", "x is of a and of b"),
        ("format: 1\nlegal_entities: {a: []}", "no billing account"),
    ] {
        let problem = Policy::parse(yaml).expect_err(yaml);
        assert!(problem.contains(expect), "{yaml}: {problem}");
    }
}

#[test]
fn weights_too_large_to_add_keep_their_shares() {
    let large = i128::MAX / 3;
    assert_eq!(addable(&[1, 2]), [1, 2]);
    let shrunk = addable(&[large, large, large, large]);
    assert!(shrunk.iter().all(|weight| *weight == large >> 8));
}

fn any_line() -> impl Strategy<Value = Line> {
    let pick = |texts: &'static [&'static str]| prop::sample::select(texts).prop_map(str::to_owned);
    let classes = vec![
        (Class::Discount, ChargeCategory::Usage),
        (Class::Credit, ChargeCategory::Credit),
        (Class::Machine, ChargeCategory::Usage),
        (Class::Machine, ChargeCategory::Purchase),
        (Class::NodeCompute, ChargeCategory::Usage),
        (Class::Database, ChargeCategory::Usage),
        (Class::CommitmentUnused, ChargeCategory::Usage),
        (Class::CommitmentPurchase, ChargeCategory::Purchase),
        (Class::Tax, ChargeCategory::Tax),
    ];
    let prices = (
        prop::option::of(0i64..1_000_000),
        prop::option::of(0i64..1_000_000),
        prop::option::of(-5i64..1_000),
    );
    (
        prop::sample::select(classes),
        (
            pick(&["p", "q"]),
            pick(&["a", "b"]),
            pick(&["ec2", "rds"]),
            pick(&["s", "t", ""]),
        ),
        (
            pick(&["1", "2"]),
            pick(&["", "Standard", "Dynamic", "Committed"]),
            pick(&["", "plan", "other"]),
            pick(&["", "Used", "Unused"]),
        ),
        (-1_000_000i64..10_000_000, 0u32..20),
        prices,
    )
        .prop_map(
            |(
                (class, category),
                (payer, account, service, sku),
                (price, pricing, plan, status),
                (cost, zero),
                prices,
            )| {
                let cost = if zero == 0 { 0 } else { cost };
                let provider = if account == "a" { "Google Cloud" } else { "AWS" };
                let columns = [
                    ("ProviderName", provider.to_owned()),
                    ("BillingAccountId", payer),
                    ("SubAccountId", account),
                    ("ServiceName", service),
                    ("SkuId", sku),
                    ("SkuPriceId", price),
                    ("PricingCategory", pricing),
                    ("CommitmentDiscountId", plan),
                    ("CommitmentDiscountStatus", status),
                ];
                let units = |units: i64| Money::from_units(i128::from(units) * 1_000_000_007).expect("small");
                Line {
                    id: "",
                    category,
                    class,
                    columns: columns.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
                    effective: units(cost),
                    prices: Prices {
                        list: prices.0.map(units),
                        contracted: prices.1.map(units),
                        quantity: prices.2.map(i128::from),
                    },
                }
            },
        )
}

const POLICIES: [&str; 4] = [
    Policy::PRESET,
    "format: 1\ncommitments: [{mode: buyer-first, margin_permille: 333}]\ncommitment_unused: pro-rata",
    "format: 1\ncommitments: [{mode: as-applied, when: {column: SubAccountId, equals: a}}, {mode: pooled}]\ncommitment_unused: central",
    BILLED,
];

#[test]
fn a_spend_commitment_fee_goes_to_what_it_paid_for() {
    let google = |id, more: &[(&'static str, &'static str)], effective| {
        let columns = [("ProviderName", "Google Cloud"), ("PricingCategory", "Committed")];
        line(id, Class::Machine, &[&columns, more].concat(), effective)
    };
    let fee = || google("fee", &[], "10").category(ChargeCategory::Purchase);
    let used = || {
        [
            google("a", &[], "1").contracted("6"),
            google("b", &[("SubAccountId", "p-2")], "5").contracted("20"),
            line("on demand", Class::Machine, &[("ProviderName", "Google Cloud")], "7").contracted("7"),
        ]
    };
    let all = |lines: Vec<Line>, policy: &str| evened(&lines, policy);
    let with = |fees: Vec<Line>| fees.into_iter().chain(used()).collect::<Vec<_>>();
    let expect = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(id, cost)| ((*id).to_owned(), (*cost).to_owned()))
            .collect()
    };
    assert_eq!(
        all(with(vec![fee()]), "format: 1\n"),
        expect(&[("a", "3.5"), ("b", "12.5"), ("fee", "0"), ("on demand", "7")])
    );
    assert_eq!(
        all(with(vec![fee()]), "format: 1\nspend_commitment_fees: as-billed\n"),
        expect(&[("a", "1"), ("b", "5"), ("fee", "10"), ("on demand", "7")])
    );
    // nothing was covered: the fee stays, and is not lost
    assert_eq!(all(vec![fee()], "format: 1\n"), expect(&[("fee", "10")]));
    // another provider's lines without an id are left as they are
    let other = line("x", Class::Machine, &[("PricingCategory", "Committed")], "3").category(ChargeCategory::Purchase);
    assert_eq!(
        all(with(vec![other]), "format: 1\n"),
        expect(&[("a", "1"), ("b", "5"), ("on demand", "7"), ("x", "3")])
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn money_stays_in_its_account_and_is_only_moved_where_live_says(
        lines in prop::collection::vec(any_line(), 0..14),
        policy in prop::sample::select(POLICIES.to_vec()),
    ) {
        let policy = Policy::parse(policy).expect("a policy");
        let attributes: Vec<Attributes> = lines.iter().map(|line| {
            line.columns.iter().fold(Attributes::default(), |of, (name, value)| of.with_column(name, value))
        }).collect();
        let usd = Currency::parse("USD").expect("a code");
        let at = |line: &Line, attributes| Group {
            period: "2026-10".parse().expect("a month"),
            currency: &usd,
            category: line.category,
            class: line.class,
            attributes,
            span: Span { start: instant::Instant(0), end: instant::Instant(1) },
            effective: line.effective,
            prices: line.prices,
        };
        let groups: Vec<Group<'_>> = lines.iter().zip(&attributes).map(|(line, attributes)| at(line, attributes)).collect();
        let all = moves(&groups, &policy, apportion).expect("moves");
        let mut sums: BTreeMap<&str, Money> = BTreeMap::new();
        for moved in &all {
            let account = attributes[moved.group].column("BillingAccountId").unwrap_or("");
            let sum = sums.entry(account).or_default();
            *sum = sum.checked_add(moved.effective).expect("small");
        }
        prop_assert!(sums.values().all(|sum| sum.is_zero()), "{sums:?}");

        let live = Live::of(groups.iter().map(Group::kind), &policy);
        prop_assert!(!live.is_empty() || all.is_empty());
        let wanted: Vec<usize> = (0..groups.len()).filter(|at| live.wants(&groups[*at].kind())).collect();
        let some: Vec<Group<'_>> = wanted.iter().map(|at| groups[*at].clone()).collect();
        let some = moves(&some, &policy, apportion).expect("moves");
        let back: Vec<Move> = some.into_iter().map(|moved| Move { group: wanted[moved.group], ..moved }).collect();
        prop_assert_eq!(back, all);
    }
}
