//! Deliveries and their changes as JSON Schema.

use super::{Named, count, flag, list, money, month, object, text, to, words};
use serde_json::Value;

/// Rows and money before and after, beside what they are of.
fn with_amounts<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    let amounts = [
        ("rows_before", count()),
        ("rows_after", count()),
        ("billed_before", money()),
        ("billed_after", money()),
        ("billed_change", money()),
        ("effective_before", money()),
        ("effective_after", money()),
        ("effective_change", money()),
    ];
    object(fields.into_iter().chain(amounts))
}

pub(super) fn deliveries() -> Named {
    vec![
        ("Deliveries", object([("deliveries", list(to("Delivery")))])),
        (
            "DeliveryChanges",
            object([
                ("delivery", to("Delivery")),
                (
                    "files",
                    list(object([("name", text()), ("bytes", count()), ("sha256", text())])),
                ),
                ("against", list(to("Delivery"))),
                ("kind", words(&["first", "same", "tags_only", "money"])),
                ("totals", list(to("ChangeTotal"))),
                ("services", list(to("ChangeTotal"))),
                ("changes", list(to("ChangeRow"))),
                ("changes_total", count()),
            ]),
        ),
        ("ChangeTotal", with_amounts([("name", text()), ("currency", text())])),
        (
            "ChangeRow",
            with_amounts([
                ("billing_period", month()),
                ("currency", text()),
                ("account", text()),
                ("service", text()),
                ("category", text()),
                ("day", text()),
                ("tags_only", flag()),
            ]),
        ),
    ]
}
