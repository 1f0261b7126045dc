//! What the first visit costs on the wire.

use crate::chrome::{Without, browse};
use crate::stage::stage;
use tonnage_tests::aloud;

/// All of the first page, in bytes on the wire.
const FIRST_PAGE: u64 = 300_000;
/// The WebAssembly, compressed.
const WASM: u64 = 200_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_visit_is_light() {
    let Some(stage) = stage() else { return };
    for path in ["/", "/costs"] {
        browse(stage.clone(), Without::Nothing, move |page| async move {
            page.goto(path).await;
            let loaded = page
                .js(
                    "return performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))
                     .map(entry => [new URL(entry.name).pathname, entry.transferSize, entry.encodedBodySize])",
                )
                .await;
            let loaded = loaded.as_array().expect("a list");
            let sum: u64 = loaded.iter().map(|entry| entry[1].as_u64().expect("bytes")).sum();
            let wasm = loaded
                .iter()
                .find(|entry| entry[0].as_str().is_some_and(|name| name.ends_with(".wasm")));
            let wasm = wasm
                .and_then(|entry| entry[2].as_u64())
                .expect("the islands were loaded");
            aloud(&format!("{path}: {sum} bytes in all, {wasm} of WebAssembly"));
            assert!(
                sum <= FIRST_PAGE && sum > wasm,
                "{path} weighs {sum} bytes: {loaded:#?}"
            );
            assert!(wasm <= WASM && wasm > 0, "the WebAssembly weighs {wasm} bytes");
        })
        .await;
    }
}
