//! `/api/openapi.json`: the API as an OpenAPI 3.1 document, written from the
//! table of routes, so a route cannot be missing. Tests hold answers against it.

mod schemas;

use super::routes::{Answer, Kind, ROUTES, Route};
use axum::Json;
use schemas::opencost;
use serde_json::{Map, Value, json};

/// The document.
pub(super) async fn document() -> Json<Value> {
    Json(build())
}

fn build() -> Value {
    let mut paths = Map::new();
    for route in ROUTES.iter().filter(|route| is_documented(route)) {
        paths.insert(
            route.path.to_owned(),
            json!({ route.method.to_ascii_lowercase(): operation(route) }),
        );
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tonnage",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Costs by owner that add up to the bill. Money is an exact decimal string: no exponent, \
                            no trailing zeros, never a float; only the OpenCost-shaped routes write numbers, rounded from \
                            the exact figure. Periods are billing months, YYYY-MM; instants are \
                            RFC 3339 in UTC; shares are permille. Fields may be added; none is changed or removed.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "apiToken": { "type": "http", "scheme": "bearer", "description": "`tonnage token create --user`, or the Account page" },
                "agentToken": { "type": "http", "scheme": "bearer", "description": "`tonnage token create --agent`" },
            },
        },
        "security": [{ "apiToken": [] }],
    })
}

fn is_documented(route: &Route) -> bool {
    matches!(route.kind, Kind::Api | Kind::OpenCost)
}

fn operation(route: &Route) -> Value {
    let (schema, parameters) = shape(route.answer);
    let id = route
        .path
        .trim_start_matches("/api/")
        .trim_start_matches('/')
        .replace(['/', '.'], "_")
        .replace(['{', '}'], "");
    let problem = |description: &str| {
        let schema = match route.kind {
            Kind::OpenCost => schemas::to("OpenCostError"),
            _ => schemas::to("Errors"),
        };
        problem(description, &schema)
    };
    let mut operation = json!({
        "operationId": id,
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "The answer", "content": { "application/json": { "schema": schema } } },
            "400": problem("A parameter does not fit; the detail says what would"),
            "401": problem("No token, or one that is unknown, revoked or over"),
            "403": problem("The token may not; the detail says what is missing and who can grant it"),
            "404": problem("There is no data yet, or no such thing"),
            "429": problem("Too many requests of this caller; Retry-After says when to come again"),
            "500": problem("The machinery failed, or figures that must be equal are not; the log has the request id"),
            "503": problem("Busy or too slow; the same request may work later"),
        },
    });
    if route.answer == Answer::ReceiveFacts {
        operation["security"] = json!([{ "agentToken": [] }]);
        operation["requestBody"] = json!({
            "required": true,
            "description": "The document of docs/FORMATS.md, \"Pushed facts\"; Content-Encoding gzip or none",
            "content": { "application/json": { "schema": schemas::to("PushedFacts") } },
        });
        let responses = &mut operation["responses"];
        responses["400"] = problem("The document does not fit; `field` says where");
        responses["401"] = problem("The token is missing, unknown or revoked");
        responses["403"] = problem("The token may not write this cluster");
        responses["413"] = problem("The body or the document is larger than is taken");
        if let Some(responses) = responses.as_object_mut() {
            // it needs no bill, and looks nothing up
            responses.shift_remove("404");
        }
    }
    operation
}

fn problem(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

/// The schema of an answer and the parameters that lead to it.
fn shape(answer: Answer) -> (Value, Vec<Value>) {
    let page = || vec![period(), basis(), currency(), against()];
    match answer {
        Answer::Costs => (schemas::to("CostReport"), [page(), grouping()].concat()),
        Answer::Converted => (schemas::to("Converted"), [page(), grouping(), conversion()].concat()),
        Answer::Clusters => (schemas::to("Clusters"), page()),
        Answer::Commitments => (schemas::to("Commitments"), page()),
        Answer::Overview => (schemas::to("Overview"), page()),
        Answer::Reconciliation => (schemas::to("Reconciliation"), page()),
        Answer::Explain => {
            let parameters = [vec![explain_id(), lines_page()], carrier()].concat();
            (schemas::to("Explain"), parameters)
        }
        Answer::Rules => (schemas::to("Rules"), [page(), vec![version()]].concat()),
        Answer::Deliveries => (schemas::to("Deliveries"), Vec::new()),
        Answer::Delivery => (schemas::to("DeliveryChanges"), vec![delivery_id()]),
        Answer::Sources => (schemas::to("Sources"), page()),
        Answer::Periods => (schemas::to("Periods"), Vec::new()),
        Answer::ReceiveFacts => (schemas::to("FactsReceipt"), vec![push_id()]),
        Answer::Allocation => (schemas::to("Allocations"), opencost::allocation_parameters()),
        Answer::AllocationSummary => (schemas::to("AllocationSummary"), opencost::allocation_parameters()),
        Answer::AllocationTopline => (schemas::to("AllocationTopline"), opencost::allocation_parameters()),
        Answer::Assets => (schemas::to("Assets"), opencost::asset_parameters()),
        Answer::CloudCost => (schemas::to("CloudCosts"), opencost::cloud_parameters(false)),
        Answer::CloudCostGraph => (schemas::to("CloudCostGraph"), opencost::cloud_parameters(true)),
        Answer::CloudCostTotals => (schemas::to("CloudCostTotals"), opencost::cloud_parameters(true)),
        Answer::CloudCostTable => (schemas::to("CloudCostTable"), opencost::cloud_parameters(true)),
        // the document itself, and answers that are no API
        _ => (json!({ "type": "object" }), Vec::new()),
    }
}

fn parameter(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

fn period() -> Value {
    parameter("period", "Billing period; the newest when left out", &schemas::month())
}

fn against() -> Value {
    parameter(
        "against",
        "Period compared with; the one before when left out",
        &schemas::month(),
    )
}

fn basis() -> Value {
    parameter(
        "basis",
        "Cost basis",
        &json!({ "type": "string", "enum": ["effective", "billed"], "default": "effective" }),
    )
}

fn currency() -> Value {
    parameter(
        "currency",
        "Currency code; the only or the largest one when left out",
        &json!({ "type": "string" }),
    )
}

fn version() -> Value {
    parameter(
        "version",
        "Version of the rules; the one in force when left out",
        &json!({ "type": "string" }),
    )
}

fn explain_id() -> Value {
    json!({
        "name": "id", "in": "path", "required": true,
        "description": "An explain_id of another answer; stable over the years",
        "schema": { "type": "string" },
    })
}

fn delivery_id() -> Value {
    json!({
        "name": "id", "in": "path", "required": true,
        "description": "A delivery_id of another answer, or how it begins",
        "schema": { "type": "string" },
    })
}

fn push_id() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": true,
        "description": "Id of the push: the SHA-256 of its document, lower-case hex",
        "schema": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
    })
}

fn lines_page() -> Value {
    parameter(
        "page",
        "A page of 200 bill lines, largest first; the others are summed in `rest_cost`",
        &json!({ "type": "integer", "minimum": 1, "default": 1 }),
    )
}

fn carrier() -> Vec<Value> {
    vec![
        parameter(
            "at",
            "A node, volume, load balancer or control plane that carries the figure, as `at` of a row of `carried`: \
             `carried` is its days. 404 when it carries nothing of the figure",
            &json!({ "type": "string", "pattern": "^[a-z_]+/[^/]*/.*$" }),
        ),
        parameter(
            "day",
            "A day of it: `carried` is its charge periods with their bill lines",
            &json!({ "type": "string", "format": "date" }),
        ),
    ]
}

fn conversion() -> Vec<Value> {
    let code = json!({ "type": "string", "pattern": "^[A-Z]{3}$" });
    let rates = json!({ "type": "string", "enum": ["month-average", "charge-date"], "default": "month-average" });
    vec![
        parameter("to", "Currency asked for; EUR when there is a rate of it", &code),
        parameter("rate", "Which rate a charge is converted at", &rates),
    ]
}

fn grouping() -> Vec<Value> {
    let words = |words: &[&str], default: &str| json!({ "type": "string", "enum": words, "default": default });
    let list = json!({ "type": "array", "items": { "type": "string" }, "maxItems": 2 });
    let mut by = parameter(
        "by",
        "One or two owner dimensions or FOCUS columns, separated by a comma",
        &list,
    );
    by["style"] = json!("form");
    by["explode"] = json!(false);
    let many = json!({ "type": "array", "items": { "type": "string", "pattern": "^[^:]+:" } });
    let page = json!({ "type": "integer", "minimum": 1 });
    vec![
        by,
        parameter(
            "f",
            "Filter key:value, repeatable; values of one key are alternatives, an empty value means without one",
            &many,
        ),
        parameter(
            "sort",
            "Order of the rows",
            &words(&["cost", "prior", "change", "name"], "cost"),
        ),
        parameter("dir", "Direction of the order", &words(&["asc", "desc"], "desc")),
        parameter(
            "page",
            "A page of the rows, the others summed in `other`; every row when left out",
            &page,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` in the document.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(to)) = map.get("$ref") {
                    found.push(to.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = build();
        let mut found = Vec::new();
        references(&document, &mut found);
        for to in &found {
            let pointer = to.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{to}");
        }
        for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
            assert!(
                found.iter().any(|to| to.ends_with(&format!("/{name}"))),
                "{name} is not used"
            );
        }
    }

    #[test]
    fn every_api_route_is_described_with_its_path_parameters() {
        let document = build();
        for route in ROUTES.iter().filter(|route| is_documented(route)) {
            let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
            assert_eq!(operation["summary"], route.summary);
            let named = operation["parameters"].as_array().expect("a list");
            let in_path = named.iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(in_path, route.path.matches('{').count(), "{}", route.path);
        }
    }
}
