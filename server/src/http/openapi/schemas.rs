//! The shapes of `wire` as JSON Schema, by name.
#![expect(clippy::needless_pass_by_value, reason = "schemas are put together once, inside out")]

mod clusters;
mod commitments;
mod converted;
mod deliveries;
pub(super) mod opencost;
mod push;

use serde_json::{Map, Value, json};

/// A reference to a named schema.
pub(super) fn to(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A billing month.
pub(super) fn month() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$" })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn number() -> Value {
    json!({ "type": "integer" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn money() -> Value {
    to("Money")
}

fn maybe(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn map(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// Two values in a row, such as a name and an amount.
fn pair(first: Value, second: Value) -> Value {
    json!({ "type": "array", "prefixItems": [first, second], "minItems": 2, "maxItems": 2 })
}

/// An object whose fields are all there, in this order.
fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let fields: Vec<(&str, Value)> = fields.into_iter().collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let mut object = json!({ "type": "object", "required": required });
    object["properties"] = fields
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    object
}

/// Every named schema.
pub(super) fn all() -> Value {
    let groups = [
        shared(),
        costs(),
        clusters::clusters(),
        commitments::commitments(),
        overview(),
        reconciliation(),
        explain(),
        carried(),
        rules(),
        clusters::sources(),
        converted::converted(),
        deliveries::deliveries(),
        push::push(),
        push::pushed_resources(),
        opencost::opencost(),
    ];
    let named = groups
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.to_owned(), schema));
    Value::Object(named.collect::<Map<String, Value>>())
}

type Named = Vec<(&'static str, Value)>;

fn shared() -> Named {
    let mut problem = object([("code", text()), ("detail", text()), ("field", text())]);
    // the parameter or column it is about, when there is one
    problem["required"] = json!(["code", "detail"]);
    let mut finding = object([
        ("code", text()),
        ("severity", words(&["info", "warning", "error"])),
        ("message", text()),
        ("file", text()),
        ("line", count()),
        ("column", text()),
        ("remedy", text()),
        ("count", count()),
        // with its currency
        ("cost", maybe(text())),
    ]);
    // a finding has the place that is known
    finding["required"] = json!(["code", "severity", "message", "remedy", "count"]);
    vec![
        (
            "Money",
            json!({ "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]*[1-9])?$", "examples": ["61894.640000000000000001"] }),
        ),
        (
            "Errors",
            object([("errors", list(to("Problem"))), ("request_id", text())]),
        ),
        ("Problem", problem),
        (
            "Periods",
            object([("periods", list(month())), ("newest", maybe(month()))]),
        ),
        (
            "Context",
            object([
                ("period", month()),
                ("periods", list(month())),
                ("currency", text()),
                ("currencies", list(text())),
                ("basis", words(&["effective", "billed"])),
                ("against", maybe(month())),
                ("as_of", maybe(text())),
                ("data_through", maybe(text())),
                ("state", words(&["estimated", "actual"])),
                ("sources_fresh", count()),
                ("sources_total", count()),
                ("stale", flag()),
            ]),
        ),
        ("Finding", finding),
        (
            "Delivery",
            object([
                ("delivery_id", text()),
                ("source", text()),
                ("format", text()),
                ("received_at", text()),
                ("state", words(&["open", "final", "superseded", "shadow"])),
                ("periods", list(to("DeliveryPeriod"))),
                ("rejected_rows", count()),
                ("findings", list(to("Finding"))),
            ]),
        ),
        (
            "DeliveryPeriod",
            object([
                ("billing_period", month()),
                ("currency", text()),
                ("rows", count()),
                ("billed_cost", money()),
                ("effective_cost", money()),
            ]),
        ),
    ]
}

fn report_fields() -> [(&'static str, Value); 16] {
    [
        ("period", month()),
        ("basis", words(&["effective", "billed"])),
        ("currency", text()),
        ("by", list(text())),
        ("rows", list(to("CostRow"))),
        ("total", money()),
        ("against", maybe(month())),
        ("days", maybe(count())),
        ("against_days", maybe(count())),
        ("prior_total", maybe(money())),
        ("total_change", maybe(to("Change"))),
        ("unallocated", money()),
        ("other", maybe(to("CostRow"))),
        ("page", to("PageInfo")),
        ("reconciliation", to("ReconciliationLine")),
        ("as_of", maybe(text())),
    ]
}

/// `report` with the context its figures are about.
fn with_context(mut report: Value) -> Value {
    report["properties"]["context"] = to("Context");
    if let Some(required) = report["required"].as_array_mut() {
        required.push(json!("context"));
    }
    report
}

fn costs() -> Named {
    vec![
        ("CostReport", with_context(object(report_fields()))),
        ("TenantCosts", object(report_fields())),
        (
            "CostRow",
            object([
                ("keys", map(text())),
                ("cost", money()),
                ("prior", maybe(money())),
                ("change", maybe(to("Change"))),
                ("share_permille", maybe(number())),
                ("bar_permille", count()),
                ("trend", list(maybe(money()))),
                ("sparkline", maybe(text())),
                ("kind", words(&["owner", "unallocated", "other", "estimate"])),
                ("note", maybe(text())),
                ("explain_id", maybe(text())),
            ]),
        ),
        (
            "Change",
            object([
                ("amount", money()),
                ("permille", maybe(number())),
                ("kind", words(&["moved", "new", "ended"])),
            ]),
        ),
        (
            "PageInfo",
            object([("page", count()), ("pages", count()), ("rows", count())]),
        ),
        (
            "ReconciliationLine",
            object([
                ("label", text()),
                ("bill", money()),
                ("parts", list(pair(text(), money()))),
                ("residual", money()),
            ]),
        ),
    ]
}

fn overview() -> Named {
    let tone = || words(&["plain", "strong", "over", "save", "warn"]);
    let kinds = words(&["money", "money_exact", "permille", "text", "unknown"]);
    let mut figure = object([("kind", kinds), ("value", json!({ "type": ["string", "integer"] }))]);
    // what is unknown has no value
    figure["required"] = json!(["kind"]);
    vec![
        (
            "Overview",
            object([
                ("context", to("Context")),
                ("sentence", list(object([("text", text()), ("tone", tone())]))),
                ("tiles", list(to("Tile"))),
                ("month_to_date", maybe(to("Chart"))),
                ("months", maybe(to("Chart"))),
                ("causes", maybe(to("Chart"))),
                ("tenants", to("TenantCosts")),
            ]),
        ),
        (
            "Tile",
            object([
                ("label", text()),
                ("value", figure),
                ("note", text()),
                ("tone", tone()),
                ("href", maybe(text())),
            ]),
        ),
        (
            "Chart",
            object([
                ("id", text()),
                ("title", text()),
                ("summary", text()),
                ("svg", text()),
                (
                    "table",
                    object([
                        ("label_head", text()),
                        ("heads", list(text())),
                        (
                            "points",
                            list(object([
                                ("label", text()),
                                ("values", list(maybe(money()))),
                                ("x", number()),
                                ("ys", list(maybe(number()))),
                            ])),
                        ),
                    ]),
                ),
            ]),
        ),
    ]
}

fn reconciliation() -> Named {
    vec![
        (
            "Reconciliation",
            with_context(object([
                ("period", month()),
                ("currencies", list(to("CurrencyReconciliation"))),
            ])),
        ),
        (
            "CurrencyReconciliation",
            object([
                ("currency", text()),
                ("invoiced", maybe(money())),
                ("not_invoiced", maybe(money())),
                ("billed", money()),
                ("effective", money()),
                ("bridge", map(money())),
                ("allocated", money()),
                ("unallocated", money()),
                ("remainders", map(money())),
                ("residual", money()),
                ("estimated", money()),
                ("actual", money()),
                (
                    "classes",
                    list(object([
                        ("class", text()),
                        ("label", text()),
                        ("rows", count()),
                        ("cost", money()),
                    ])),
                ),
                (
                    "unallocated_causes",
                    list(object([
                        ("label", text()),
                        ("rows", count()),
                        ("cost", money()),
                        ("explain_id", maybe(text())),
                    ])),
                ),
                ("quarantined", object([("rows", count()), ("billed", maybe(money()))])),
                (
                    "links",
                    list(object([
                        ("from", text()),
                        ("to", text()),
                        ("left", money()),
                        ("right", money()),
                        ("residual", money()),
                    ])),
                ),
                ("deliveries", list(to("Delivery"))),
                ("invoices", list(to("InvoiceCheck"))),
                ("missing_accounts", list(text())),
                ("prepaid", list(to("PrepaidFee"))),
            ]),
        ),
        (
            "PrepaidFee",
            object([
                ("id", text()),
                ("name", text()),
                ("service", text()),
                ("account", text()),
                ("currency", text()),
                ("start", text()),
                ("end", text()),
                ("opening", money()),
                ("purchases", money()),
                ("amortised", money()),
                ("refunds", money()),
                ("closing", money()),
            ]),
        ),
        (
            "InvoiceCheck",
            object([
                ("number", text()),
                ("issuer", text()),
                ("account", text()),
                ("billing_period", month()),
                ("currency", text()),
                (
                    "state",
                    words(&["agrees", "rounded", "differs", "no_lines", "not_entered"]),
                ),
                ("mismatch", flag()),
                ("net", maybe(money())),
                ("tax", maybe(money())),
                ("date", maybe(text())),
                ("due", maybe(text())),
                ("rows", count()),
                ("lines_net", maybe(money())),
                ("lines_tax", maybe(money())),
                ("difference", maybe(money())),
            ]),
        ),
    ]
}

fn explain() -> Named {
    let steps = words(&["figure", "rule", "unallocated", "class", "delivery"]);
    vec![
        (
            "Explain",
            with_context(object([
                ("id", text()),
                ("title", text()),
                ("period", month()),
                ("currency", text()),
                ("basis", words(&["effective", "billed"])),
                ("cost", money()),
                ("rules_version", maybe(text())),
                ("keys", list(pair(text(), text()))),
                (
                    "steps",
                    list(object([
                        ("kind", steps),
                        ("label", text()),
                        ("detail", text()),
                        ("cost", money()),
                        ("href", maybe(text())),
                    ])),
                ),
                ("lines", list(to("BillLine"))),
                ("lines_total", count()),
                ("page", to("PageInfo")),
                ("rest_count", count()),
                ("rest_cost", money()),
                ("residual", money()),
                ("carried", maybe(to("Carried"))),
            ])),
        ),
        (
            "BillLine",
            object([
                ("delivery_id", text()),
                ("source", text()),
                ("file", text()),
                ("line", count()),
                ("charge_start", text()),
                ("charge_end", text()),
                ("service", text()),
                ("resource", text()),
                ("description", text()),
                ("class", text()),
                ("cost", money()),
                ("line_cost", maybe(money())),
                ("share_permille", count()),
                ("rules", list(pair(text(), text()))),
            ]),
        ),
    ]
}

fn carried() -> Named {
    let things = words(&["node", "volume", "load_balancer", "control_plane"]);
    let part = object([("part", text()), ("label", text()), ("cost", money())]);
    let line = object([
        ("delivery_id", text()),
        ("file", text()),
        ("line", count()),
        ("cost", money()),
        ("line_cost", money()),
    ]);
    vec![
        (
            "Carried",
            object([
                ("at", maybe(text())),
                ("day", maybe(text())),
                ("cost", money()),
                ("of_clusters", money()),
                ("beside", money()),
                ("rows", list(to("CarriedRow"))),
                ("rest_count", count()),
                ("rest_cost", money()),
            ]),
        ),
        (
            "CarriedRow",
            object([
                ("at", text()),
                ("kind", things),
                ("cluster", text()),
                ("name", text()),
                ("day", maybe(text())),
                ("start", maybe(text())),
                ("end", maybe(text())),
                ("what", maybe(text())),
                ("charge_cost", money()),
                ("cost", money()),
                ("parts", list(part)),
                ("effective", maybe(to("Measured"))),
                ("shared", maybe(to("Measured"))),
                ("lines", list(line)),
                ("more_lines", count()),
                ("more_cost", money()),
            ]),
        ),
    ]
}

fn rules() -> Named {
    vec![
        (
            "Rules",
            object([
                ("context", to("Context")),
                ("rules", maybe(to("RuleSet"))),
                ("versions", list(to("RuleVersion"))),
                (
                    "coverage",
                    list(object([
                        ("dimension", text()),
                        ("label", text()),
                        ("allocated", money()),
                        ("unallocated", money()),
                        ("permille", maybe(count())),
                    ])),
                ),
                ("findings", list(to("Finding"))),
                (
                    "tiers",
                    list(object([
                        ("tier", text()),
                        ("name", text()),
                        ("promises", list(pair(text(), text()))),
                    ])),
                ),
                (
                    "prices",
                    object([
                        ("version", maybe(text())),
                        ("steps", list(pair(text(), text()))),
                        ("yaml", text()),
                    ]),
                ),
            ]),
        ),
        (
            "RuleSet",
            object([
                ("version", to("RuleVersion")),
                ("yaml", text()),
                ("rules", list(to("OwnerRule"))),
            ]),
        ),
        (
            "RuleVersion",
            object([
                ("version", text()),
                ("created_at", text()),
                ("author", text()),
                ("rules", count()),
                ("current", flag()),
            ]),
        ),
        (
            "OwnerRule",
            object([
                ("position", count()),
                ("name", text()),
                ("from", maybe(text())),
                ("to", maybe(text())),
                ("when", text()),
                ("sets", list(pair(text(), text()))),
                ("cost", money()),
                ("rows", count()),
                ("reachable", flag()),
                ("overlaps", list(text())),
            ]),
        ),
    ]
}
