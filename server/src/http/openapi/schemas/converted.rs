//! Costs in one currency as JSON Schema.

use super::{Named, count, flag, list, maybe, money, object, pair, text, to, words};
use serde_json::Value;

pub(super) fn converted() -> Named {
    vec![
        (
            "Converted",
            object([
                ("context", to("Context")),
                (
                    "query",
                    object([("costs", costs_query()), ("to", maybe(text())), ("charge_date", flag())]),
                ),
                ("currencies", list(text())),
                ("costs", maybe(to("ConvertedCosts"))),
            ]),
        ),
        (
            "ConvertedCosts",
            object([
                ("currency", text()),
                ("rates", list(pair(text(), maybe(money())))),
                (
                    "rows",
                    list(object([
                        ("keys", list(text())),
                        ("cost", money()),
                        ("origin", list(maybe(money()))),
                    ])),
                ),
                ("total", money()),
                ("origin", list(pair(text(), money()))),
            ]),
        ),
    ]
}

fn costs_query() -> Value {
    object([
        ("period", maybe(text())),
        ("by", list(text())),
        ("basis", words(&["effective", "billed"])),
        ("currency", maybe(text())),
        ("against", maybe(text())),
        ("filters", list(pair(text(), text()))),
        ("sort", words(&["cost", "prior", "change", "name"])),
        ("dir", words(&["asc", "desc"])),
        ("page", count()),
    ])
}
