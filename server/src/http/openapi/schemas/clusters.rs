//! Clusters, and where the data of bills and of clusters comes from.

use super::{Named, count, flag, list, maybe, money, month, number, object, text, to, words};

pub(super) fn clusters() -> Named {
    vec![
        (
            "Clusters",
            object([
                ("context", to("Context")),
                ("clusters", list(to("Cluster"))),
                ("parts", list(to("PartCost"))),
                ("joined", money()),
                ("unjoined", money()),
                ("findings", list(to("Finding"))),
            ]),
        ),
        (
            "Cluster",
            object([
                ("id", text()),
                ("name", text()),
                ("state", words(&["estimated", "actual"])),
                ("estimate", maybe(money())),
                ("cost", maybe(money())),
                ("parts", list(to("PartCost"))),
                ("disk_cost", money()),
                ("pools", list(to("NodePool"))),
                ("days", count()),
                ("facts_through", maybe(text())),
                ("unobserved_s", count()),
                ("ready_s", count()),
            ]),
        ),
        (
            "PartCost",
            object([
                ("part", text()),
                ("label", text()),
                ("cost", money()),
                ("share_permille", maybe(number())),
                ("bar_permille", count()),
            ]),
        ),
        (
            "NodePool",
            object([
                ("pool", text()),
                ("nodes", count()),
                ("cost", money()),
                ("idle_cost", money()),
                ("capacity", to("Measured")),
                ("allocatable", to("Measured")),
                ("requested", to("Measured")),
                ("used", to("Measured")),
                ("effective", to("Measured")),
                ("overcommitted", to("Measured")),
            ]),
        ),
        (
            "Measured",
            object([
                ("core_hours_milli", count()),
                ("gib_hours_milli", count()),
                ("gpu_hours_milli", count()),
            ]),
        ),
    ]
}

pub(super) fn sources() -> Named {
    vec![
        (
            "Sources",
            object([
                ("context", to("Context")),
                ("sources", list(to("Source"))),
                ("clusters", list(to("ClusterFacts"))),
                ("usage", list(to("UsageDelivery"))),
                ("drivers", list(to("DriverFacts"))),
                ("driver_deliveries", list(to("UsageDelivery"))),
                (
                    "schedules",
                    list(object([
                        ("paths", list(text())),
                        ("source", maybe(text())),
                        ("every", text()),
                        ("last_run", maybe(text())),
                        ("next_run", maybe(text())),
                        ("result", maybe(text())),
                        ("failed", flag()),
                    ])),
                ),
                ("findings", list(to("Finding"))),
            ]),
        ),
        (
            "ClusterFacts",
            object([
                ("id", text()),
                ("name", text()),
                ("facts_through", text()),
                ("fresh", flag()),
                ("days", count()),
                (
                    "gaps",
                    list(object([("day", text()), ("unobserved_s", maybe(count()))])),
                ),
                ("ready_s", count()),
                ("unobserved_s", count()),
            ]),
        ),
        (
            "DriverFacts",
            object([
                ("driver", text()),
                ("source", text()),
                ("units", list(text())),
                ("data_through", text()),
                ("fresh", flag()),
                ("days", count()),
                ("gaps", list(text())),
                ("receivers", count()),
                ("values", count()),
            ]),
        ),
        (
            "UsageDelivery",
            object([
                ("delivery_id", text()),
                ("source", text()),
                ("origin", text()),
                ("received_at", text()),
                ("rows", count()),
                ("rejected_rows", count()),
                ("findings", list(to("Finding"))),
            ]),
        ),
        (
            "Source",
            object([
                ("id", text()),
                ("provider", text()),
                ("format", text()),
                (
                    "holds",
                    list(object([
                        ("account", text()),
                        ("first_period", month()),
                        ("last_period", month()),
                        ("periods", count()),
                    ])),
                ),
                ("deliveries", list(to("Delivery"))),
                ("data_through", maybe(text())),
                ("last_error", maybe(text())),
                ("fresh", flag()),
            ]),
        ),
    ]
}
