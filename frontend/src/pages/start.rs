//! First run: nothing is in the lake yet.

use leptos::prelude::*;

use crate::components::bar::plain_bar;

/// What will be here, why it is not yet, and the commands that change it.
pub(crate) fn start(title: &'static str) -> AnyView {
    view! {
        {plain_bar(title)}
        <section class="content empty">
            <h2>"No bill has been taken in yet"</h2>
            <p>"Costs by tenant, service and tier will be here, adding up to the bill to the last digit."</p>
            <ol class="steps">
                <li>
                    <p>"Look around with a whole synthetic company:"</p>
                    <pre tabindex="0" role="group" aria-label="Command for the demo"><code>"cargo xtask demo"</code></pre>
                </li>
                <li>
                    <p>"Or take in your own bill: FOCUS 1.0 to 1.4, as CSV, CSV.gz, zip or Parquet."</p>
                    <pre tabindex="0" role="group" aria-label="Command to take in a bill"><code>"tonnage ingest billing PATH"</code></pre>
                </li>
                <li>
                    <p>"Then say who pays for what: rules give each line of the bill its tenant, service and tier."</p>
                    <pre tabindex="0" role="group" aria-label="Command to apply owner rules"><code>"tonnage rules apply RULES.yaml"</code></pre>
                </li>
            </ol>
            <p>"Then load this page again."</p>
            <p><a class="btn" href="">"Load again"</a></p>
        </section>
    }.into_any()
}
