//! Commitments as JSON Schema.

use super::{Named, count, flag, list, maybe, money, number, object, pair, text, to};

pub(super) fn commitments() -> Named {
    vec![
        (
            "Commitments",
            object([
                ("context", to("Context")),
                ("commitments", list(to("Commitment"))),
                (
                    "coverage",
                    list(object([
                        ("service", text()),
                        ("currency", text()),
                        ("covered", money()),
                        ("on_demand", money()),
                        ("coverage_permille", maybe(count())),
                        ("unlisted", count()),
                    ])),
                ),
                (
                    "expiry",
                    list(object([
                        ("when", text()),
                        ("count", count()),
                        ("cost", list(pair(text(), money()))),
                        ("ids", list(text())),
                    ])),
                ),
            ]),
        ),
        (
            "Commitment",
            object([
                ("id", text()),
                ("name", text()),
                ("kind", text()),
                ("provider", text()),
                ("account", text()),
                ("currency", text()),
                ("term", maybe(text())),
                ("payment", maybe(text())),
                ("start", maybe(text())),
                ("end", maybe(text())),
                ("days_left", maybe(number())),
                ("total", maybe(money())),
                ("hourly", maybe(money())),
                ("scope", maybe(text())),
                ("in_bill", flag()),
                ("bought", money()),
                ("used", money()),
                ("unused", money()),
                ("utilisation_permille", maybe(count())),
                ("saving", maybe(money())),
                ("hours", count()),
                ("hours_with_unused", count()),
                ("worst_hour_permille", maybe(count())),
                ("trend", list(pair(text(), maybe(count())))),
            ]),
        ),
    ]
}
