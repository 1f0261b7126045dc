//! Signing in and out as people do, and what the way in looks like.

use crate::accessibility::violations;
use crate::chrome::{Page, Without, browse};
use crate::stage::stage;
use fantoccini::Locator;
use std::sync::Arc;

const PASSWORD: &str = "a sentence long enough";

async fn fill(page: &Page, css: &str, text: &str) {
    let field = page.client.find(Locator::Css(css)).await.expect(css);
    field.send_keys(text).await.expect("the field takes keys");
}

/// Waits for the sign-in page, which has no frame and so none of its islands.
async fn at_the_door(page: &Page, and_back: bool) {
    let script = format!(
        "return document.readyState === 'complete' && location.pathname === '/sign-in'
         && location.search.includes('next=') === {and_back}"
    );
    page.until("the sign-in page", &script).await;
}

/// Asked for a page, signed in on the way, there at last, and out again.
async fn by_form(page: Arc<Page>) {
    page.stage.server.add_person("bo", PASSWORD);
    page.be("");
    page.client
        .goto(&page.url("/costs?by=service"))
        .await
        .expect("the page loads");
    at_the_door(&page, true).await;
    fill(&page, "#login", "bo").await;
    fill(&page, "#password", "something else").await;
    page.click("form.gate-form button[type=submit]").await;
    page.until(
        "it is refused, and the login stays",
        "return document.querySelector('#refused') !== null && document.querySelector('#login').value === 'bo'",
    )
    .await;
    fill(&page, "#password", PASSWORD).await;
    page.click("form.gate-form button[type=submit]").await;
    page.until_address("/costs", &["by=service"]).await;
    page.click("form[action='/sign-out'] button").await;
    at_the_door(&page, false).await;
    page.client.goto(&page.url("/costs")).await.expect("the page loads");
    at_the_door(&page, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_signs_in_and_out() {
    let Some(stage) = stage() else { return };
    for without in [Without::Nothing, Without::Scripts] {
        browse(stage.clone(), without, by_form).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_on_the_way_in() {
    let Some(stage) = stage() else { return };
    browse(stage, Without::Nothing, |page| async move {
        page.be("");
        page.client.goto(&page.url("/sign-in")).await.expect("the page loads");
        page.until("it is whole", "return document.readyState === 'complete'").await;
        assert_eq!(violations(&page).await, Vec::<String>::new());
        let autofill = page
            .js("return [...document.querySelectorAll('form.gate-form input:not([type=hidden])')].map(e => e.autocomplete)")
            .await;
        assert_eq!(autofill, serde_json::json!(["username", "current-password"]));
    })
    .await;
}
