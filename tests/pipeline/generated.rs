//! Two years of generated bills with known answers, in the dialect of every
//! provider: reservations, a savings plan, credits, a refund, discounts, tax,
//! and a month that is delivered twice.

use crate::folder::Folder;
use domain::Money;
use domain::instant::Day;
use std::collections::BTreeMap;
use tonnage_tests::generator::{
    self, Answers, Grains, Kind, Line, TERM, answers, azure, cur2, focus, google, legacy, oracle,
};

const AS_BILLED: &str = "format: 1\ndiscounts: as-billed\nvolume_tiers: as-billed\n";
/// Writes lines as a provider would.
type Render = fn(&[Line]) -> String;

/// The month that is delivered twice.
const RESTATED: u32 = 7;

fn months() -> Vec<Vec<Line>> {
    (0..TERM).map(|month| generator::month(month, 1)).collect()
}

/// A data folder in which nothing is moved between lines.
fn folder() -> Folder {
    let folder = Folder::new();
    let policy = folder.write("prices.yaml", AS_BILLED);
    let _ = folder.run(&["rules", "apply", "--kind", "prices", &policy]).exits(0);
    folder
}

fn ingest(folder: &Folder, files: &[String]) {
    let mut call = vec!["ingest", "billing", "--source", "bills", "--json"];
    call.extend(files.iter().map(String::as_str));
    let answer = folder.run(&call).exits(0).json();
    assert_eq!(answer["deliveries"][0]["rejected_rows"], 0);
}

/// Month, account, service, day -> billed, effective.
type Found = BTreeMap<(String, String, String, Day), (Money, Money)>;

async fn found(folder: &Folder) -> Found {
    let app = folder.app().await;
    let mut sums = Found::new();
    for allocation in app.store().allocations().await.expect("allocations") {
        let cube = lake::read_cube(app.lake(), &allocation.cube_path).expect("a cube");
        for (key, value) in cube.lines {
            let text = |at: usize| key.columns[at].as_deref().unwrap_or("").to_owned();
            let at = (key.period.to_string(), text(1), text(5), key.day.expect("a day"));
            let sum = sums.entry(at).or_default();
            sum.0 = sum.0.checked_add(value.billed).expect("small");
            sum.1 = sum.1.checked_add(value.effective).expect("small");
        }
    }
    sums
}

/// The same by month and account, and by service where services keep their names.
fn summed(found: &Found, by_service: bool) -> BTreeMap<(String, String, String), (Money, Money)> {
    let mut sums = BTreeMap::new();
    for ((month, account, service, _), (billed, effective)) in found {
        let service = if by_service { service.clone() } else { String::new() };
        let sum: &mut (Money, Money) = sums.entry((month.clone(), account.clone(), service)).or_default();
        sum.0 = sum.0.checked_add(*billed).expect("small");
        sum.1 = sum.1.checked_add(*effective).expect("small");
    }
    sums
}

fn money(grains: Grains) -> Money {
    Money::from_units(i128::from(grains) * 100_000_000_000_000).expect("small")
}

fn known(answers: Answers<(String, String, String)>) -> BTreeMap<(String, String, String), (Money, Money)> {
    let pair = |(key, (billed, effective))| (key, (money(billed), money(effective)));
    answers.into_iter().map(pair).collect()
}

fn by_account_and_service(line: &Line) -> Option<(String, String, String)> {
    Some((line.period(), line.account.to_owned(), line.service.to_owned()))
}

fn by_account(line: &Line) -> Option<(String, String, String)> {
    Some((line.period(), line.account.to_owned(), String::new()))
}

/// A file a month, one month in two parts; one month first without its end.
fn deliver(folder: &Folder, months: &[Vec<Line>], render: impl Fn(&[Line]) -> String) {
    let mut files = Vec::new();
    for (at, lines) in months.iter().enumerate() {
        if at == 3 {
            let (first, second) = lines.split_at(lines.len() / 2);
            files.push(folder.write("03-1.csv", render(first)));
            files.push(folder.write("03-2.csv", render(second)));
        } else {
            files.push(folder.write(&format!("{at:02}.csv"), render(lines)));
        }
    }
    let restated = &months[RESTATED as usize];
    let early: Vec<Line> = restated
        .iter()
        .filter(|line| (1..20).contains(&line.day))
        .copied()
        .collect();
    let early = folder.write("early.csv", render(&early));
    ingest(folder, &[early]);
    ingest(folder, &files);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aws_bills_have_their_known_answers_in_every_dialect() {
    let months = months();
    let all: Vec<Line> = months.iter().flatten().copied().collect();
    let expect = known(answers(&all, by_account_and_service));
    let renderings: [(&str, Render); 3] = [("legacy", legacy), ("cur 2.0", cur2), ("focus", focus)];
    let mut first: Option<Found> = None;
    for (name, render) in renderings {
        let folder = folder();
        deliver(&folder, &months, render);
        let _ = folder.run(&["reconcile"]).exits(0);
        let found = found(&folder).await;
        let sums = summed(&found, true);
        let wrong: Vec<_> = expect
            .iter()
            .filter(|(key, value)| sums.get(*key) != Some(*value))
            .take(5)
            .collect();
        assert!(
            wrong.is_empty() && sums.len() == expect.len(),
            "{name}: {wrong:?} in {} of {}",
            sums.len(),
            expect.len()
        );
        // by account, service and day the dialects are one
        match &first {
            None => first = Some(found),
            Some(first) => assert!(*first == found, "{name} is another bill by account, service and day"),
        }
        // over its term every commitment is used up to the last digit (billing 2.1 b)
        let prepaid = folder.run(&["report", "prepaid", "--json"]).exits(0).json();
        let rows = prepaid["prepaid"].as_array().expect("rows");
        let last = format!("{:04}-{:02}", 2024 + (TERM - 1) / 12, (TERM - 1) % 12 + 1);
        let closings: Vec<_> = rows
            .iter()
            .filter(|row| row["billing_period"] == last.as_str())
            .map(|row| row["closing"].clone())
            .collect();
        assert_eq!(closings, ["0", "0", "0"], "{name}");
    }
}

/// A second dialect of the same bill is compared, never counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_dialects_of_a_bill_one_counts_and_the_other_agrees() {
    let lines = generator::month(5, 2);
    let folder = folder();
    let counted = folder.write("legacy.csv", legacy(&lines));
    let other = folder.write("focus.csv", focus(&lines));
    ingest(&folder, &[counted]);
    let before = found(&folder).await;
    assert_eq!(
        folder.run(&["ingest", "billing", &other, "--source", "other"]).code,
        Some(4)
    );
    let shadow = folder
        .run(&["ingest", "billing", &other, "--source", "other", "--shadow", "--json"])
        .exits(0)
        .json();
    let comparison = &shadow["deliveries"][0]["comparison"][0];
    assert_eq!(
        (&comparison["difference"], &comparison["effective_difference"]),
        (&"0".into(), &"0".into())
    );
    assert!(found(&folder).await == before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_azure_pair_has_its_known_answers() {
    let months = months();
    let folder = folder();
    let mut files = Vec::new();
    for (at, lines) in months.iter().enumerate() {
        let (actual, amortized) = azure(lines);
        files.push(folder.write(&format!("actual-{at:02}.csv"), actual));
        files.push(folder.write(&format!("amortized-{at:02}.csv"), amortized));
    }
    ingest(&folder, &files);
    let _ = folder.run(&["reconcile"]).exits(0);
    let all: Vec<Line> = months
        .into_iter()
        .flatten()
        .filter(|line| line.kind != Kind::Discount)
        .collect();
    assert_eq!(summed(&found(&folder).await, false), known(answers(&all, by_account)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_bills_that_arrive_bit_by_bit_have_their_known_answers() {
    let months = months();
    let folder = folder();
    // what was exported a day later is another delivery, of the same months
    let half = |late: bool| -> Vec<String> {
        let part = |lines: &Vec<Line>| {
            lines
                .iter()
                .filter(|line| (line.day > 13) == late)
                .copied()
                .collect::<Vec<_>>()
        };
        let file = |(at, lines): (usize, &Vec<Line>)| {
            folder.write(
                &format!("{at:02}-{late}.json"),
                google(&part(lines), 1 + u32::from(late)),
            )
        };
        months.iter().enumerate().map(file).collect()
    };
    ingest(&folder, &half(false));
    ingest(&folder, &half(true));
    let _ = folder.run(&["reconcile"]).exits(0);
    // a fee is effective as billed, and what credits pay for costs nothing
    let as_billed = months.iter().flatten().map(|line| {
        let effective = line.billed;
        let kind = Kind::Usage;
        Line {
            effective,
            kind,
            ..*line
        }
    });
    let all: Vec<Line> = as_billed.collect();
    assert_eq!(summed(&found(&folder).await, false), known(answers(&all, by_account)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oracle_report_has_its_known_answers() {
    let months = months();
    let folder = folder();
    deliver(&folder, &months, oracle);
    let _ = folder.run(&["reconcile"]).exits(0);
    let usage: Vec<Line> = months
        .into_iter()
        .flatten()
        .filter(|line| line.kind == Kind::Usage)
        .collect();
    assert_eq!(summed(&found(&folder).await, false), known(answers(&usage, by_account)));
}
