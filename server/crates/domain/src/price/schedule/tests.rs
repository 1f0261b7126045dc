//! Shares of a term, refunds in the middle of it, and laws on random fees.

use super::*;
use crate::apportion::apportion;
use crate::class::ClassRules;
use crate::instant;
use proptest::prelude::*;

fn month(text: &str) -> BillingPeriod {
    text.parse().expect(text)
}

fn money(text: &str) -> Money {
    Money::parse(text).expect(text)
}

fn day(text: &str) -> Day {
    instant::parse(text.as_bytes()).expect(text).instant.day()
}

/// A line of a bill, charged on one day.
fn fee(period: &str, on: &str, amount: &str, end: Option<&str>) -> Fee {
    let first = day(on);
    Fee {
        attributes: Attributes::default().with_column("ServiceName", "Licences"),
        resource: String::new(),
        currency: Currency::parse("USD").expect("a code"),
        period: month(period),
        span: Span {
            start: first.start(),
            end: Day(first.0 + 1).start(),
        },
        effective: money(amount),
        end: end.map(day),
        origin: Origin::default(),
    }
}

/// Months as `opening + purchases - amortised - refunds = closing`.
fn rolls(fees: &[Fee], months: &[&str]) -> Vec<String> {
    let roll = |text: &&str| {
        let found = in_month(fees, month(text), apportion).expect("splits");
        let lines = found.iter().map(|of| {
            format!(
                "{text} {} + {} - {} - {} = {}",
                of.opening, of.purchases, of.amortised, of.refunds, of.closing
            )
        });
        lines.collect::<Vec<_>>()
    };
    months.iter().flat_map(roll).collect()
}

/// 365.00 a year: 1.00 a day.
#[test]
fn a_licence_bought_on_day_15() {
    let bought = || fee("2026-01", "2026-01-15", "365", Some("2027-01-15"));
    let refund = |period, on, amount| fee(period, on, amount, None);
    for (what, fees, months, expected) in [
        (
            "every day has its share, and the next January the rest",
            vec![bought()],
            vec!["2025-12", "2026-01", "2026-02", "2026-12", "2027-01", "2027-02"],
            vec![
                "2026-01 0 + 365 - 17 - 0 = 348",
                "2026-02 348 + 0 - 28 - 0 = 320",
                "2026-12 45 + 0 - 31 - 0 = 14",
                "2027-01 14 + 0 - 14 - 0 = 0",
            ],
        ),
        (
            "a refund of all that is left stops it",
            // 17 + 28 + 9 days are over on 10 March
            vec![bought(), refund("2026-03", "2026-03-10", "-311")],
            vec!["2026-01", "2026-02", "2026-03", "2026-04"],
            vec![
                "2026-01 0 + 365 - 17 - 0 = 348",
                "2026-02 348 + 0 - 28 - 0 = 320",
                "2026-03 320 + 0 - 9 - 311 = 0",
            ],
        ),
        (
            "a refund of a part lowers what is left: 311 - 155.5 over 311 days",
            vec![bought(), refund("2026-03", "2026-03-10", "-155.5")],
            vec!["2026-03", "2026-04", "2027-01", "2027-02"],
            vec![
                "2026-03 320 + 0 - 20 - 155.5 = 144.5",
                "2026-04 144.5 + 0 - 15 - 0 = 129.5",
                "2027-01 7 + 0 - 7 - 0 = 0",
            ],
        ),
        (
            "a refund of everything takes back what was charged, at once",
            vec![bought(), refund("2026-03", "2026-01-15", "-365")],
            vec!["2026-02", "2026-03", "2026-04"],
            vec!["2026-02 348 + 0 - 28 - 0 = 320", "2026-03 320 + 0 - -45 - 365 = 0"],
        ),
        (
            "a refund after the term is a cost of its month",
            vec![bought(), refund("2027-03", "2027-03-02", "-10")],
            vec!["2027-01", "2027-02", "2027-03", "2027-04"],
            vec!["2027-01 14 + 0 - 14 - 0 = 0", "2027-03 0 + 0 - -10 - 10 = 0"],
        ),
        (
            "two refunds, one after the other",
            vec![
                bought(),
                refund("2026-03", "2026-03-10", "-155.5"),
                refund("2026-04", "2026-04-01", "-144.5"),
            ],
            vec!["2026-03", "2026-04", "2026-05"],
            vec![
                "2026-03 320 + 0 - 20 - 155.5 = 144.5",
                // nothing is left but the days that are over
                "2026-04 144.5 + 0 - 0 - 144.5 = 0",
            ],
        ),
        (
            "billed late: the days before count in the month of the bill",
            vec![fee("2026-02", "2026-01-15", "365", Some("2027-01-15"))],
            vec!["2026-01", "2026-02", "2026-03"],
            vec!["2026-02 0 + 365 - 45 - 0 = 320", "2026-03 320 + 0 - 31 - 0 = 289"],
        ),
        (
            "billed ahead: nothing of it is a cost yet",
            vec![fee("2026-01", "2026-02-01", "28", Some("2026-03-01"))],
            vec!["2026-01", "2026-02", "2026-03"],
            vec!["2026-01 0 + 28 - 0 - 0 = 28", "2026-02 28 + 0 - 28 - 0 = 0"],
        ),
    ] {
        assert_eq!(rolls(&fees, &months), expected, "{what}");
    }
}

/// Of two that agree, a refund is of the one that still has so much, names the
/// same resource and time, and began last; of none that agree it is no refund.
#[test]
fn whose_refund_it_is() {
    let with = |mut fee: Fee, resource: &str| {
        resource.clone_into(&mut fee.resource);
        fee
    };
    let old = || with(fee("2026-01", "2026-01-01", "365", Some("2027-01-01")), "old");
    let new = || with(fee("2026-02", "2026-02-01", "36.5", Some("2027-02-01")), "new");
    let refund = |resource: &str, amount: &str| with(fee("2026-03", "2026-03-01", amount, None), resource);
    let other = |mut refund: Fee| {
        refund.attributes = Attributes::default().with_column("ServiceName", "Support");
        refund
    };
    for (what, refund, expected) in [
        ("the newest", refund("", "-30"), Some("36.5")),
        ("the one it names", refund("old", "-30"), Some("365")),
        ("the one with so much", refund("new", "-300"), Some("365")),
        ("none that agrees", other(refund("old", "-30")), None),
    ] {
        let fees = [old(), new(), refund];
        let months = in_month(&fees, month("2026-03"), apportion).expect("splits");
        let found = months.iter().find(|of| !of.refunds.is_zero());
        assert_eq!(found.map(|of| of.fee.effective), expected.map(money), "{what}");
    }
}

#[test]
fn which_lines_are_put_on_a_schedule() {
    let policy = "format: 1\nschedules:\n  - {above: \"1000\", term_months: 12, from: 2026-01-01, to: 2027-01-01, when: {column: PublisherName, equals: Acme}}\n  - {above: \"50\", term_months: 24, from: 2026-01-01, when: {column: ServiceName, equals: Domains}}\n";
    let policy = Policy::parse(policy).expect("a policy");
    let classes = ClassRules::preset();
    let acme = [("PublisherName", "Acme")];
    use ChargeCategory::{Purchase, Tax, Usage};
    for (what, category, columns, (from, to), amount, expected) in [
        (
            "large enough",
            Purchase,
            &acme[..],
            ("2026-01-15", "2026-01-16"),
            "1000",
            Some(Some("2027-01-15")),
        ),
        (
            "below",
            Purchase,
            &acme[..],
            ("2026-01-15", "2026-01-16"),
            "999.99",
            None,
        ),
        (
            "before it is in force",
            Purchase,
            &acme[..],
            ("2025-12-31", "2026-01-01"),
            "1000",
            None,
        ),
        (
            "no longer in force",
            Purchase,
            &acme[..],
            ("2027-01-01", "2027-01-02"),
            "1000",
            None,
        ),
        (
            "its own term",
            Purchase,
            &acme[..],
            ("2026-02-01", "2028-02-01"),
            "1000",
            Some(Some("2028-02-01")),
        ),
        (
            "the last of a month",
            Purchase,
            &acme[..],
            ("2026-02-28", "2026-03-01"),
            "1000",
            Some(Some("2027-02-28")),
        ),
        (
            "another entry",
            Purchase,
            &[("ServiceName", "Domains")],
            ("2026-01-01", "2026-01-02"),
            "50",
            Some(Some("2028-01-01")),
        ),
        (
            "nobody's",
            Purchase,
            &[("ServiceName", "Other")],
            ("2026-01-01", "2026-01-02"),
            "5000",
            None,
        ),
        (
            "paid back",
            Purchase,
            &[("ServiceName", "Other")],
            ("2026-01-01", "2026-01-02"),
            "-1",
            Some(None),
        ),
        (
            "a commitment",
            Purchase,
            &[("PublisherName", "Acme"), ("CommitmentDiscountId", "c")],
            ("2026-01-01", "2026-01-02"),
            "5000",
            None,
        ),
        ("usage", Usage, &acme[..], ("2026-01-01", "2026-01-02"), "5000", None),
        (
            "charged once",
            Usage,
            &[("PublisherName", "Acme"), ("ChargeFrequency", "One-time")],
            ("2026-01-01", "2026-01-02"),
            "5000",
            Some(Some("2027-01-01")),
        ),
        ("tax", Tax, &acme[..], ("2026-01-01", "2026-01-02"), "5000", None),
    ] {
        let attributes = columns
            .iter()
            .fold(Attributes::default(), |of, (name, value)| of.with_column(name, value));
        let attributes = attributes.with_column("ChargeCategory", category.as_str());
        let line = Kind {
            category,
            class: classes.class_of(&attributes),
            attributes: &attributes,
        };
        let span = Span {
            start: day(from).start(),
            end: day(to).start(),
        };
        let found = policy.term_of(&line, span, money(amount));
        assert_eq!(found, expected.map(|end| end.map(day)), "{what}");
    }
    for (wrong, problem) in [
        ("{above: \"x\", term_months: 12}", "not an amount"),
        ("{above: \"-1\", term_months: 12}", "0 or more"),
        ("{above: \"1\", term_months: 0}", "1 to 120"),
        (
            "{above: \"1\", term_months: 12, from: 2026-02-01, to: 2026-02-01}",
            "not after",
        ),
        ("{above: \"1\", term_months: 12, until: 2026-02-01}", "until"),
    ] {
        let refused = Policy::parse(&format!("format: 1\nschedules: [{wrong}]")).expect_err(wrong);
        assert!(refused.contains(problem), "{refused}");
    }
}

fn any_fee() -> impl Strategy<Value = Fee> {
    (0i32..500, 1i64..1_000_000_000, 1i32..800, -20i32..20).prop_map(|(on, units, days, late)| {
        let first = Day(day("2026-01-01").0 + on);
        let mut fee = fee("2026-01", "2026-01-01", "0", None);
        fee.span = Span {
            start: first.start(),
            end: Day(first.0 + 1).start(),
        };
        fee.period = BillingPeriod::of(Day(first.0 + late).start());
        fee.effective = Money::from_units(i128::from(units) * 1_000_000_000_039).expect("small");
        fee.end = Some(Day(first.0 + days));
        fee
    })
}

fn any_refund() -> impl Strategy<Value = Fee> {
    any_fee().prop_map(|fee| Fee {
        effective: -fee.effective,
        end: None,
        ..fee
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Months chain, the term ends at nothing, all that was paid is charged to
    /// the digit, and what comes later changes no month before it.
    #[test]
    fn a_term_adds_up(
        fees in prop::collection::vec(any_fee(), 1..4),
        refunds in prop::collection::vec(any_refund(), 0..4),
    ) {
        let mut months = vec![month("2025-11")];
        while months.len() < 60 {
            months.push(months[months.len() - 1].next());
        }
        let all: Vec<Fee> = fees.iter().chain(&refunds).cloned().collect();
        let mut closing: std::collections::BTreeMap<&Fee, Money> = std::collections::BTreeMap::new();
        let (mut bought, mut back, mut charged) = (Money::ZERO, Money::ZERO, Money::ZERO);
        for period in &months {
            for of in in_month(&all, *period, apportion).expect("splits") {
                let before = closing.insert(of.fee, of.closing).unwrap_or_default();
                // equal fees share a key of this map
                if fees.iter().filter(|fee| *fee == of.fee).count() == 1 {
                    prop_assert_eq!(before, of.opening);
                }
                bought = bought.checked_add(of.purchases).expect("small");
                back = back.checked_add(of.refunds).expect("small");
                charged = charged.checked_add(of.amortised).expect("small");
            }
            let known: Vec<Fee> = all.iter().filter(|fee| fee.period <= *period).cloned().collect();
            prop_assert_eq!(
                in_month(&known, *period, apportion).expect("splits"),
                in_month(&all, *period, apportion).expect("splits")
            );
            let one = scheduled(&all, &BTreeSet::from([*period]), apportion).expect("splits");
            let net = Money::sum(one.iter().map(|of| of.effective)).expect("small");
            let parts = in_month(&all, *period, apportion).expect("splits");
            let roll = Money::sum(parts.iter().map(|of| {
                let kept = of.purchases.checked_sub(of.refunds).expect("small");
                of.amortised.checked_sub(kept).expect("small")
            })).expect("small");
            prop_assert_eq!(net, roll);
        }
        prop_assert!(closing.values().all(|of| of.is_zero()), "{:?}", closing);
        prop_assert_eq!(charged, bought.checked_sub(back).expect("small"));
        prop_assert_eq!(bought, Money::sum(fees.iter().map(|fee| fee.effective)).expect("small"));
    }
}
