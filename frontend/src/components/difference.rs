//! What an entry of the audit log changed, as people read it: only what differs.

use serde_json::Value;

/// A value that differs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Where it is; empty for a value that stands alone.
    pub(crate) name: String,
    /// How it was; `None` when it was not there.
    pub(crate) before: Option<String>,
    /// How it is since; `None` when it is there no more.
    pub(crate) after: Option<String>,
}

/// What differs between two JSON texts, in their order. Text that is no JSON is
/// a value that stands alone.
pub(crate) fn differences(before: Option<&str>, after: Option<&str>) -> Vec<Difference> {
    let (before, after) = (values(before), values(after));
    let value =
        |of: &[(String, String)], name: &str| of.iter().find(|(at, _)| at == name).map(|(_, value)| value.clone());
    let mut found: Vec<Difference> = before
        .iter()
        .map(|(name, was)| Difference {
            name: name.clone(),
            before: Some(was.clone()),
            after: value(&after, name),
        })
        .collect();
    let new = after.iter().filter(|(name, _)| value(&before, name).is_none());
    found.extend(new.map(|(name, is)| Difference {
        name: name.clone(),
        before: None,
        after: Some(is.clone()),
    }));
    found.retain(|one| one.before != one.after);
    found
}

/// Names and values; what is within others is named after them: `grant.role`.
fn values(json: Option<&str>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    match json.map(|text| (text, serde_json::from_str::<Value>(text))) {
        None => {}
        Some((_, Ok(value))) => flatten("", &value, &mut found),
        Some((text, Err(_))) => found.push((String::new(), text.to_owned())),
    }
    found
}

fn flatten(name: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = key.replace('_', " ");
                let name = if name.is_empty() { key } else { format!("{name}.{key}") };
                flatten(&name, value, found);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (at, item) in items.iter().enumerate() {
                flatten(&format!("{name} {}", at + 1), item, found);
            }
        }
        Value::Array(items) if items.is_empty() => found.push((name.to_owned(), "none".to_owned())),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            found.push((name.to_owned(), items.join(", ")));
        }
        one => found.push((name.to_owned(), scalar(one))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        type Shown = (&'static str, Option<&'static str>, Option<&'static str>);
        let table: [(Option<&str>, Option<&str>, &[Shown]); 9] = [
            (None, None, &[]),
            (
                None,
                Some(r#"{"net":"12.50","tax":null}"#),
                &[("net", None, Some("12.50")), ("tax", None, Some("none"))],
            ),
            (
                Some(r#"{"net":"1","tax":"2"}"#),
                Some(r#"{"net":"1","tax":"3"}"#),
                &[("tax", Some("2"), Some("3"))],
            ),
            (
                Some(r#"{"b":1,"a":true}"#),
                None,
                &[("b", Some("1"), None), ("a", Some("yes"), None)],
            ),
            (
                Some(r#"{"grants":["viewer over all"]}"#),
                Some(r#"{"grants":[]}"#),
                &[("grants", Some("viewer over all"), Some("none"))],
            ),
            (
                None,
                Some(r#"{"new_grant":{"role":"viewer","owner":""}}"#),
                &[
                    ("new grant.role", None, Some("viewer")),
                    ("new grant.owner", None, Some("(empty)")),
                ],
            ),
            (
                None,
                Some(r#"{"rates":[{"rate":"0.5"}]}"#),
                &[("rates 1.rate", None, Some("0.5"))],
            ),
            (Some("\"a\""), Some("\"b\""), &[("", Some("a"), Some("b"))]),
            // hashed as it is, shown as it is
            (None, Some("{not json"), &[("", None, Some("{not json"))]),
        ];
        for (before, after, expected) in table {
            let found = differences(before, after);
            let found: Vec<_> = found
                .iter()
                .map(|one| (one.name.as_str(), one.before.as_deref(), one.after.as_deref()))
                .collect();
            assert_eq!(found, expected, "{before:?} {after:?}");
        }
    }
}
