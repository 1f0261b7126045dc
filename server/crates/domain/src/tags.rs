//! The `Tags` column: a JSON object, or one of the shapes exports ship instead.

use std::collections::BTreeMap;

/// Tag keys and values; a tag without a value has the value `true`, as FOCUS says.
pub type Tags = BTreeMap<String, String>;

/// Text that is no set of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a JSON object of tags; write {{\"key\": \"value\"}}")]
pub struct TagsError;

/// Parses a Tags cell: a JSON object, the bare inside of one (`"a": "b"`), or
/// an array of `{"key":..,"value":..}` (maps written as lists by Parquet tools).
///
/// # Errors
/// When it is none of these.
pub fn parse(text: &str) -> Result<Tags, TagsError> {
    let text = text.trim();
    if text.is_empty() || text == "{}" {
        return Ok(Tags::new());
    }
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) => serde_json::from_str(&format!("{{{text}}}")).map_err(|_| TagsError)?,
    };
    match value {
        serde_json::Value::Object(map) => Ok(map.into_iter().map(|(key, value)| (key, scalar(&value))).collect()),
        serde_json::Value::Array(items) => items.iter().map(pair).collect(),
        serde_json::Value::Null => Ok(Tags::new()),
        _ => Err(TagsError),
    }
}

fn pair(item: &serde_json::Value) -> Result<(String, String), TagsError> {
    let get = |names: [&str; 2]| names.iter().find_map(|name| item.get(name));
    let key = get(["key", "Key"])
        .and_then(serde_json::Value::as_str)
        .ok_or(TagsError)?;
    Ok((
        key.to_owned(),
        get(["value", "Value"]).map(scalar).unwrap_or_else(|| "true".to_owned()),
    ))
}

fn scalar(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "true".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_seen() {
        for (text, expect) in [
            ("", vec![]),
            ("{}", vec![]),
            (
                r#"{"application": "Bright", "n": 3}"#,
                vec![("application", "Bright"), ("n", "3")],
            ),
            (r#""a": "b","c": "d""#, vec![("a", "b"), ("c", "d")]),
            (
                r#"[{"key":"a","value":"b"},{"key":"flag"}]"#,
                vec![("a", "b"), ("flag", "true")],
            ),
            (
                r#"{"flag": true, "empty": null}"#,
                vec![("empty", "true"), ("flag", "true")],
            ),
        ] {
            let tags = parse(text).expect(text);
            let pairs: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(pairs, expect, "{text}");
        }
        assert_eq!(parse("tenant=a"), Err(TagsError));
        assert_eq!(parse("3"), Err(TagsError));
    }
}
