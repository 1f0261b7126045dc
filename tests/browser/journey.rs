//! Open Costs, group by tenant then service, change the month, download the
//! CSV: the page's total, the file's and the command's are one.

use crate::chrome::{Page, Without, browse};
use crate::stage::stage;
use domain::Money;
use std::sync::Arc;

const ENTER: char = '\u{e007}';
const DOWN: char = '\u{e015}';

/// Every digit of the amount in a cell of the table's foot: its title, or its text when there are no more.
const TOTAL: &str =
    "const cell = document.querySelectorAll('table.costs tfoot td.num')[1].querySelector('span[title]') ??
     document.querySelectorAll('table.costs tfoot td.num')[1];
     return (cell.title || cell.textContent).trim()";

/// The amount a page shows, as `domain` writes it.
fn amount(shown: &str) -> Money {
    let plain = shown.replace(',', "").replace('\u{2212}', "-");
    Money::parse(&plain).unwrap_or_else(|error| panic!("{shown:?} is no amount: {error}"))
}

/// The last row's amount and the sum of the rows above it.
fn file_totals(text: &str) -> (Money, Money) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let mut rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("RFC 4180")).collect();
    let total = rows.pop().expect("a total row");
    assert_eq!((&total[0], &total[1]), ("total", "Total"));
    assert!(rows.iter().all(|row| &row[0] == "group"));
    let costs = rows.iter().map(|row| Money::parse(&row[3]).expect("an exact amount"));
    (
        Money::parse(&total[3]).expect("an exact amount"),
        Money::sum(costs).expect("small"),
    )
}

/// Compares page, file and command for what the page shows now.
async fn one_total(page: &Page, month: &str, text: &str) {
    let currency = page.js("return new URLSearchParams(location.search).get('currency') ?? document.querySelector('select[name=currency]').value").await;
    let currency = currency.as_str().expect("a currency");
    let shown = amount(page.js(TOTAL).await.as_str().expect("an amount"));
    let (total, sum) = file_totals(text);
    assert_eq!((shown, total), (sum, sum), "page and rows, file and rows");
    let report = page.stage.report(month, "tenant,service", currency);
    assert_eq!(report["total"], sum.to_string().as_str());
    assert!(!sum.is_zero());
}

async fn by_pointer(page: Arc<Page>) {
    page.goto("/").await;
    page.click("nav.side a[href^='/costs']").await;
    page.until_address("/costs", &[]).await;
    page.click("select[name=by] option[value=tenant]").await;
    page.ready().await;
    page.until(
        "the second key can be chosen",
        "return document.querySelectorAll('select[name=by]').length === 2",
    )
    .await;
    page.js("document.querySelectorAll('select[name=by]')[1].id = 'then'")
        .await;
    page.click("#then option[value=service]").await;
    if page
        .js("return !decodeURIComponent(location.search).includes('service')")
        .await
        == true
    {
        page.click("#q button[type=submit]").await;
    }
    page.until(
        "grouped by tenant and service",
        "return document.querySelectorAll('table.costs thead th').length === 7",
    )
    .await;
    page.ready().await;
    let before = page.js(TOTAL).await;
    page.click("a.step[rel=prev]").await;
    page.until_address("/costs", &["period=2026-10"]).await;
    assert_ne!(page.js(TOTAL).await, before, "another month has another total");
    page.click("a[href^='/costs.csv']").await;
    let text = page.downloaded().await;
    one_total(&page, "2026-10", &text).await;
}

async fn by_keyboard(page: Arc<Page>) {
    page.goto("/").await;
    page.tab_to("the skip link", "at.classList.contains('skip')").await;
    page.tab_to("Costs", "at.matches(\"nav.side a[href^='/costs']\")").await;
    page.press(&[ENTER]).await;
    page.until_address("/costs", &[]).await;
    page.tab_to(
        "the second key",
        "at === document.querySelectorAll('select[name=by]')[1]",
    )
    .await;
    // down to Service, however many keys come before it
    for _ in 0..40 {
        if page.js("return document.activeElement.value === 'service'").await == true {
            break;
        }
        page.press(&[DOWN]).await;
    }
    assert_eq!(
        page.js("return document.activeElement.value").await,
        "service",
        "arrow keys choose"
    );
    page.tab_to("Apply", "at.matches('#q button[type=submit]')").await;
    page.press(&[ENTER]).await;
    page.until(
        "grouped by tenant and service",
        "return document.querySelectorAll('table.costs thead th').length === 7",
    )
    .await;
    page.ready().await;
    page.tab_to("the month before", "at.matches('a.step[rel=prev]')").await;
    page.press(&[ENTER]).await;
    page.until_address("/costs", &["period=2026-10"]).await;
    page.tab_to("Download CSV", "at.matches(\"a[href^='/costs.csv']\")")
        .await;
    page.press(&[ENTER]).await;
    let text = page.downloaded().await;
    one_total(&page, "2026-10", &text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journey_by_pointer() {
    let Some(stage) = stage() else { return };
    browse(stage, Without::Nothing, by_pointer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journey_by_keyboard() {
    let Some(stage) = stage() else { return };
    browse(stage, Without::Nothing, by_keyboard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journey_without_webassembly() {
    let Some(stage) = stage() else { return };
    browse(stage.clone(), Without::Wasm, |page| async move {
        page.goto("/costs").await;
        assert_eq!(page.js("return typeof WebAssembly").await, "undefined");
        by_pointer(page.clone()).await;
        by_keyboard(page).await;
    })
    .await;
    browse(stage, Without::Scripts, |page| async move {
        by_pointer(page).await;
    })
    .await;
}
