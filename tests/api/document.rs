//! The API does what its document says: every answer is held against its schema.

use crate::site::Site;
use serde_json::Value;
use std::collections::BTreeSet;
use tonnage::http::routes::{Kind, ROUTES};

/// What in `value` does not fit `schema`, as paths. Knows the part of JSON
/// Schema the document uses; an undocumented field does not fit either.
fn misfits(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(to) = schema["$ref"].as_str() {
        let target = document
            .pointer(to.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{to} leads nowhere"));
        return misfits(document, target, value, at, found);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = |schema: &Value| {
            let mut inner = Vec::new();
            misfits(document, schema, value, at, &mut inner);
            inner
        };
        let tried: Vec<Vec<String>> = any.iter().map(fits).collect();
        if tried.iter().all(|inner| !inner.is_empty()) {
            found.extend(tried.into_iter().next().unwrap_or_default());
        }
        return;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => panic!("no type at {at}: {schema}"),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.contains(&kind) {
        found.push(format!("{at} is {value}, not {kinds:?}"));
        return;
    }
    match value {
        Value::String(text) => misfit_text(schema, text, at, found),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                let schema = schema["prefixItems"].get(place).unwrap_or(&schema["items"]);
                misfits(document, schema, item, &format!("{at}/{place}"), found);
            }
        }
        Value::Object(fields) => {
            for name in schema["required"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                if !fields.contains_key(name) {
                    found.push(format!("{at}/{name} is missing"));
                }
            }
            for (name, field) in fields {
                match schema["properties"]
                    .get(name)
                    .or_else(|| schema.get("additionalProperties"))
                {
                    Some(schema) => misfits(document, schema, field, &format!("{at}/{name}"), found),
                    None => found.push(format!("{at}/{name} is not documented")),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn misfit_text(schema: &Value, text: &str, at: &str, found: &mut Vec<String>) {
    if let Some(words) = schema["enum"].as_array()
        && !words.iter().any(|word| word == text)
    {
        found.push(format!("{at} is {text:?}, none of {words:?}"));
    }
    let money = schema["pattern"]
        .as_str()
        .is_some_and(|pattern| pattern.starts_with("^-?[0-9]+"));
    let canonical = domain::Money::parse(text).is_ok_and(|money| money.to_string() == text);
    if money && !canonical {
        found.push(format!("{at} is {text:?}, no canonical decimal"));
    }
}

pub async fn check(site: &Site, document: &Value, route: &str, path: &str, status: u16) -> Value {
    let answer = site.get(path).await;
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    let responses = &document["paths"][route]["get"]["responses"];
    let schema = &responses[status.to_string()]["content"]["application/json"]["schema"];
    let (value, mut found) = (answer.json(), Vec::new());
    misfits(document, schema, &value, "", &mut found);
    assert!(found.is_empty(), "{path}: {found:#?}");
    value
}

#[tokio::test]
async fn the_document_has_every_api_route_and_no_other() {
    let site = Site::empty().await;
    let document = site.get("/api/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let documented: BTreeSet<&str> = document["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .map(String::as_str)
        .collect();
    let table: BTreeSet<&str> = ROUTES
        .iter()
        .filter(|route| matches!(route.kind, Kind::Api | Kind::OpenCost))
        .map(|route| route.path)
        .collect();
    assert_eq!(documented, table);
}

#[tokio::test]
async fn every_answer_fits_its_schema() {
    let site = Site::with_bill().await;
    let document = site.get("/api/openapi.json").await.json();
    let costs = check(
        &site,
        &document,
        "/api/v1/costs",
        "/api/v1/costs?by=tenant,ServiceName&against=2026-10",
        200,
    )
    .await;
    check(
        &site,
        &document,
        "/api/v1/costs",
        "/api/v1/costs?page=1&period=2026-10",
        200,
    )
    .await;
    check(&site, &document, "/api/v1/overview", "/api/v1/overview", 200).await;
    check(&site, &document, "/api/v1/clusters", "/api/v1/clusters", 200).await;
    let used = crate::clusters::site().await;
    for path in ["/api/v1/clusters", "/api/v1/sources"] {
        check(&used, &document, path, path, 200).await;
    }
    check(
        &site,
        &document,
        "/api/v1/reconciliation",
        "/api/v1/reconciliation",
        200,
    )
    .await;
    check(&site, &document, "/api/v1/rules", "/api/v1/rules", 200).await;
    check(&site, &document, "/api/v1/sources", "/api/v1/sources", 200).await;
    check(&site, &document, "/api/v1/periods", "/api/v1/periods", 200).await;
    let of_nodes = used.get("/api/v1/costs?by=Workload&f=Workload:web").await.json();
    let id = of_nodes["rows"][0]["explain_id"].as_str().expect("an id");
    for query in ["", "?at=node/core/n1", "?at=node/core/n1&day=2026-11-03"] {
        let path = format!("/api/v1/explain/{id}{query}");
        let answer = check(&used, &document, "/api/v1/explain/{id}", &path, 200).await;
        assert!(answer["carried"].is_object(), "{path}");
    }
    let id = costs["rows"][0]["explain_id"].as_str().expect("an id");
    check(
        &site,
        &document,
        "/api/v1/explain/{id}",
        &format!("/api/v1/explain/{id}"),
        200,
    )
    .await;
    check(&site, &document, "/api/v1/explain/{id}", "/api/v1/explain/none", 404).await;
    check(&site, &document, "/api/v1/costs", "/api/v1/costs?dir=up", 400).await;
}
