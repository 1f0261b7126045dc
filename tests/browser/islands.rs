//! What the islands add: sorting in place, rows by `j` and `k`, charts read by keys.

use crate::chrome::{Without, browse};
use crate::stage::stage;

const RIGHT: char = '\u{e014}';
const LEFT: char = '\u{e012}';

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sorting_rows_and_charts_answer_without_a_new_page() {
    let Some(stage) = stage() else { return };
    browse(stage, Without::Nothing, |page| async move {
        page.goto("/costs?by=tenant").await;
        page.js("window.marked = true").await;
        page.click("#sort-name").await;
        page.until("sorted by name", "return location.search.includes('sort=name') && document.querySelector('#sort-name')?.closest('th').getAttribute('aria-sort') === 'ascending'").await;
        assert_eq!(page.js("return window.marked === true").await, true, "the page was loaded again");
        assert_eq!(page.js("return document.activeElement.id").await, "sort-name", "the focus stays");
        let sorted = page
            .js("const names = [...document.querySelectorAll('table.costs tbody th')].map(th => th.textContent).filter(name => name !== 'Unallocated cost');
                 return names.length > 5 && names.every((name, at) => at === 0 || names[at - 1] <= name)")
            .await;
        assert_eq!(sorted, true);
        let downloads = page.js("return document.querySelector(\"a[href^='/costs.csv']\").href.includes('sort=name')").await;
        assert_eq!(downloads, true, "the download follows");

        let row = "[...document.querySelectorAll('table[data-rows] tbody th a')].indexOf(document.activeElement)";
        for (key, expected) in [('j', 0), ('j', 1), ('j', 2), ('k', 1)] {
            page.press(&[key]).await;
            page.until(&format!("{key} leads to row {expected}"), &format!("return {row} === {expected}")).await;
        }

        page.goto("/").await;
        page.tab_to("a chart", "at.matches('figure[data-reads] .plot')").await;
        let readout = "document.activeElement.closest('figure').querySelector('.readout').textContent";
        page.press(&[RIGHT]).await;
        page.until("the chart is read", &format!("return {readout}.trim() !== ''")).await;
        let first = page.js(&format!("return {readout}")).await;
        page.press(&[RIGHT]).await;
        page.until("the next point is read", &format!("return {readout} !== {first}")).await;
        page.press(&[LEFT]).await;
        page.until("the point before is read", &format!("return {readout} === {first}")).await;
    })
    .await;
}
