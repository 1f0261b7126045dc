//! axe finds nothing, contrast included, on any page in light and dark; nothing
//! runs out of a narrow screen.

use crate::chrome::{Page, Without, browse};
use crate::stage::stage;
use serde_json::{Value, json};

/// The browser writes a line for the page that is not there.
const MISSING: &str = "404 (Not Found)";

/// Every page, one of them the explanation of a figure.
async fn pages(page: &Page) -> Vec<String> {
    page.goto("/costs?by=tenant").await;
    let explain = page
        .js("return document.querySelector('table.costs a.cell').getAttribute('href')")
        .await;
    let explain = explain.as_str().expect("a figure can be explained").to_owned();
    let costs = "/costs?by=tenant,service&period=2026-10";
    let fixed = [
        "/",
        "/costs",
        costs,
        "/clusters",
        "/commitments",
        "/reconciliation",
        "/rules",
        "/sources",
        "/glossary",
        "/access",
        "/account",
        "/audit",
        "/nowhere",
    ];
    fixed.iter().map(|path| (*path).to_owned()).chain([explain]).collect()
}

/// What axe has to say about the page, in few words.
pub async fn violations(page: &Page) -> Vec<String> {
    let axe = std::fs::read_to_string(&page.stage.tools.axe).expect("axe can be read");
    page.js(&axe).await;
    let run = "const done = arguments[arguments.length - 1];
        axe.run(document, {resultTypes: ['violations']}).then(
            found => done(found.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + ' ' + (n.any[0]?.message ?? n.all[0]?.message ?? '')).join(' | '))),
            error => done(['axe failed: ' + error.message]))";
    let found = page.client.execute_async(run, Vec::new()).await.expect("axe runs");
    found
        .as_array()
        .expect("a list")
        .iter()
        .map(|text| text.as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_in_light_and_dark() {
    let Some(stage) = stage() else { return };
    browse(stage, Without::Nothing, |page| async move {
        page.expect_in_console(MISSING);
        let pages = pages(&page).await;
        let mut found = Vec::new();
        let mut backgrounds = Vec::new();
        for theme in ["light", "dark"] {
            page.goto("/").await;
            page.click(&format!("button[name=theme][value={theme}]")).await;
            page.until(
                "the theme is chosen",
                &format!("return document.documentElement.dataset.theme === '{theme}'"),
            )
            .await;
            for path in &pages {
                page.goto(path).await;
                let bad = violations(&page).await;
                found.extend(
                    bad.into_iter()
                        .map(|violation| format!("{path} in {theme}: {violation}")),
                );
            }
            backgrounds.push(page.js("return getComputedStyle(document.body).backgroundColor").await);
        }
        assert!(found.is_empty(), "axe found {}:\n{}", found.len(), found.join("\n"));
        assert_ne!(backgrounds[0], backgrounds[1], "dark is another colour than light");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_scrolls_sideways_on_a_narrow_screen() {
    let Some(stage) = stage() else { return };
    browse(stage, Without::Nothing, |page| async move {
        page.expect_in_console(MISSING);
        let pages = pages(&page).await;
        let screen = json!({"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true});
        page.cdp("Emulation.setDeviceMetricsOverride", &screen);
        let mut wide = Vec::new();
        for path in &pages {
            page.goto(path).await;
            let widths = page.js("return [innerWidth, document.documentElement.scrollWidth]").await;
            if widths != json!([360, 360]) {
                let culprits = page
                    .js("return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 361 && !e.closest('.scroll, .plot')).slice(0, 8).map(e => Math.round(e.getBoundingClientRect().right) + ' ' + e.outerHTML.slice(0, 120))")
                    .await;
                wide.push((path.clone(), widths, culprits));
            }
        }
        assert!(wide.is_empty(), "{wide:#?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_s_dark_is_dark() {
    let Some(stage) = stage() else { return };
    browse(stage, Without::Nothing, |page| async move {
        let mut seen: Vec<Value> = Vec::new();
        for scheme in ["light", "dark"] {
            page.cdp(
                "Emulation.setEmulatedMedia",
                &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
            );
            page.goto("/costs").await;
            assert_eq!(violations(&page).await, Vec::<String>::new(), "{scheme}");
            seen.push(page.js("return getComputedStyle(document.body).backgroundColor").await);
        }
        assert_ne!(seen[0], seen[1]);
    })
    .await;
}
