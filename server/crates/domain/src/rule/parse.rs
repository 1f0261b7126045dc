//! The YAML of owner rules, read strictly: unknown keys are errors.

use super::{ClusterRules, Condition, ProviderSplit, Rule, RuleError, Subject, Test, Value};
use crate::owner::{BUILT_IN_DIMENSIONS, Dimensions};
use chrono::NaiveDate;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    format: u32,
    #[serde(default)]
    dimensions: Vec<String>,
    #[serde(default)]
    rules: Vec<RawRule>,
    #[serde(default)]
    clusters: RawClusters,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawClusters {
    #[serde(default)]
    service_namespaces: Vec<String>,
    #[serde(default)]
    provider_split: Vec<RawProviderSplit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProviderSplit {
    cluster: String,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: String,
    from: Option<String>,
    to: Option<String>,
    when: Option<RawCondition>,
    set: BTreeMap<String, RawValue>,
}

/// A condition as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCondition {
    all: Option<Vec<RawCondition>>,
    any: Option<Vec<RawCondition>>,
    not: Option<Box<RawCondition>>,
    column: Option<String>,
    tag: Option<String>,
    equals: Option<String>,
    r#in: Option<Vec<String>>,
    glob: Option<String>,
    regex: Option<String>,
    exists: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawValue {
    Literal(String),
    From(RawFrom),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFrom {
    tag: Option<String>,
    column: Option<String>,
    capture: Option<String>,
}

pub(super) fn rules(yaml: &str) -> Result<(Dimensions, Vec<Rule>, ClusterRules), RuleError> {
    let file: RawFile = serde_saphyr::from_str(yaml).map_err(|error| RuleError::Syntax(error.to_string()))?;
    if file.format != 1 {
        return Err(RuleError::Syntax(format!(
            "format {} is not known; write `format: 1`",
            file.format
        )));
    }
    let mut seen = BTreeSet::new();
    for key in &file.dimensions {
        let plain = !key.is_empty()
            && key
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !plain || BUILT_IN_DIMENSIONS.iter().any(|(k, _)| k == key) || !seen.insert(key.as_str()) {
            return Err(RuleError::Syntax(format!(
                "dimension {key:?} is built in, doubled, or not of the form a-z, 0-9 and _"
            )));
        }
    }
    let dimensions = Dimensions::with_declared(file.dimensions.iter().map(String::as_str));
    let mut names = BTreeSet::new();
    let mut rules = Vec::with_capacity(file.rules.len());
    for raw in file.rules {
        if !names.insert(raw.name.clone()) {
            return Err(problem(&raw.name, "the name is used twice; names are unique"));
        }
        rules.push(rule(raw, &dimensions)?);
    }
    let clusters = clusters(file.clusters)?;
    Ok((dimensions, rules, clusters))
}

fn clusters(raw: RawClusters) -> Result<ClusterRules, RuleError> {
    let mut clusters = ClusterRules::default();
    for namespace in raw.service_namespaces {
        if namespace.trim().is_empty() || namespace != namespace.trim() {
            return Err(RuleError::Syntax(format!(
                "clusters: service_namespaces: {namespace:?} is no name of a namespace"
            )));
        }
        clusters.service_namespaces.insert(namespace);
    }
    for raw in raw.provider_split {
        let name = format!("clusters: provider_split: {}", raw.cluster);
        let from = date(&name, "from", raw.from.as_deref())?;
        let to = date(&name, "to", raw.to.as_deref())?;
        if let (Some(from), Some(to)) = (from, to)
            && to <= from
        {
            return Err(problem(&name, format!("`to` {to} is not after `from` {from}")));
        }
        clusters.provider_split.push(ProviderSplit {
            cluster: raw.cluster,
            from,
            to,
        });
    }
    Ok(clusters)
}

fn problem(name: &str, problem: impl Into<String>) -> RuleError {
    RuleError::Rule {
        name: name.to_owned(),
        problem: problem.into(),
    }
}

fn rule(raw: RawRule, dimensions: &Dimensions) -> Result<Rule, RuleError> {
    let name = raw.name;
    let from = date(&name, "from", raw.from.as_deref())?;
    let to = date(&name, "to", raw.to.as_deref())?;
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        return Err(problem(
            &name,
            format!("`to` {to} is not after `from` {from}; `to` is the first day no longer in force"),
        ));
    }
    let when = raw.when.map_or(Ok(Condition::All(Vec::new())), |c| {
        c.compile().map_err(|text| problem(&name, text))
    })?;
    let mut groups = BTreeSet::new();
    capture_names(&when, &mut groups);
    let mut set = Vec::new();
    for (key, value) in raw.set {
        let dimension = dimensions.position(&key).ok_or_else(|| {
            problem(
                &name,
                format!(
                    "{key:?} is no dimension; known are {}; declare others under `dimensions:`",
                    dimensions.keys().join(", ")
                ),
            )
        })?;
        set.push((dimension, value_of(&name, &key, value, &groups)?));
    }
    if set.is_empty() {
        return Err(problem(&name, "`set` sets nothing"));
    }
    Ok(Rule {
        name,
        from,
        to,
        when,
        set,
    })
}

fn date(name: &str, key: &str, text: Option<&str>) -> Result<Option<NaiveDate>, RuleError> {
    text.map(|text| {
        text.parse()
            .map_err(|_| problem(name, format!("`{key}: {text}` is not a date; write 2026-11-01")))
    })
    .transpose()
}

fn value_of(name: &str, key: &str, raw: RawValue, groups: &BTreeSet<String>) -> Result<Value, RuleError> {
    match raw {
        RawValue::Literal(text) if text.trim().is_empty() => Err(problem(name, format!("`{key}` is set to nothing"))),
        RawValue::Literal(text) if text.len() > MAX_TEXT_BYTES => {
            Err(problem(name, format!("`{key}` is over {MAX_TEXT_BYTES} bytes long")))
        }
        RawValue::Other(_) => Err(problem(
            name,
            format!(
                "`{key}` is neither a text nor {{tag: ..}}, {{column: ..}}, {{capture: ..}}; put quotes around numbers, yes and no"
            ),
        )),
        RawValue::Literal(text) => Ok(Value::Literal(Arc::from(text.trim()))),
        RawValue::From(RawFrom {
            tag: Some(tag),
            column: None,
            capture: None,
        }) => Ok(Value::From(Subject::tag(&tag).map_err(|text| problem(name, text))?)),
        RawValue::From(RawFrom {
            tag: None,
            column: Some(column),
            capture: None,
        }) => Ok(Value::From(Subject::Column(column))),
        RawValue::From(RawFrom {
            tag: None,
            column: None,
            capture: Some(group),
        }) => {
            if groups.contains(&group) {
                Ok(Value::Capture(group))
            } else {
                Err(problem(
                    name,
                    format!("no regex of this rule has a group named {group:?}; write (?P<{group}>...)"),
                ))
            }
        }
        RawValue::From(_) => Err(problem(
            name,
            format!("`{key}` takes one of a text, {{tag: ..}}, {{column: ..}}, {{capture: ..}}"),
        )),
    }
}

fn capture_names(condition: &Condition, into: &mut BTreeSet<String>) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| capture_names(part, into)),
        Condition::Not(_) => {}
        Condition::Is(_, Test::Regex(regex)) => into.extend(regex.capture_names().flatten().map(str::to_owned)),
        Condition::Is(..) => {}
    }
}

impl RawCondition {
    /// Validates and compiles patterns.
    pub(crate) fn compile(self) -> Result<Condition, String> {
        let subject = match (self.column, self.tag) {
            (Some(column), None) => Some(Subject::Column(column)),
            (None, Some(tag)) => Some(Subject::tag(&tag)?),
            (None, None) => None,
            (Some(_), Some(_)) => return Err("a condition looks at a column or a tag, not both".into()),
        };
        let mut tests = Vec::new();
        tests.extend(self.equals.map(|text| Ok(Test::Equals(text))));
        tests.extend(self.r#in.map(|list| Ok(Test::In(list.into_iter().collect()))));
        tests.extend(self.glob.map(|pattern| glob(&pattern)));
        tests.extend(self.regex.map(|pattern| regex(&pattern)));
        tests.extend(self.exists.map(|wanted| Ok(Test::Exists(wanted))));
        match (subject, self.all, self.any, self.not) {
            (None, Some(parts), None, None) if tests.is_empty() => Ok(Condition::All(compile_all(parts)?)),
            (None, None, Some(parts), None) if tests.is_empty() => Ok(Condition::Any(compile_all(parts)?)),
            (None, None, None, Some(part)) if tests.is_empty() => Ok(Condition::Not(Box::new(part.compile()?))),
            (Some(subject), None, None, None) if tests.len() == 1 => Ok(Condition::Is(subject, tests.remove(0)?)),
            (Some(_), None, None, None) => {
                Err("a condition needs exactly one of equals, in, glob, regex, exists".into())
            }
            _ => Err("a condition is one of all, any, not, or a column or tag with one comparison".into()),
        }
    }
}

fn compile_all(parts: Vec<RawCondition>) -> Result<Vec<Condition>, String> {
    parts.into_iter().map(RawCondition::compile).collect()
}

/// Longest pattern, name or value of a rule, in bytes.
const MAX_TEXT_BYTES: usize = 1_000;
/// Deepest nesting of `{a,b}` in a glob.
const MAX_NESTING: usize = 8;

/// Refuses patterns no person writes: compiling them can take for ever.
pub(super) fn reasonable(what: &str, pattern: &str) -> Result<(), String> {
    let nesting = pattern.matches('{').count();
    if pattern.len() > MAX_TEXT_BYTES || (what == "glob" && nesting > MAX_NESTING) {
        let shown: String = pattern.chars().take(40).collect();
        return Err(format!(
            "{what} {shown:?}... is too long or too deep; at most {MAX_TEXT_BYTES} bytes and {MAX_NESTING} braces"
        ));
    }
    Ok(())
}

fn regex(pattern: &str) -> Result<Test, String> {
    reasonable("regex", pattern)?;
    regex::Regex::new(pattern)
        .map(Test::Regex)
        .map_err(|e| format!("regex {pattern:?}: {e}"))
}

fn glob(pattern: &str) -> Result<Test, String> {
    reasonable("glob", pattern)?;
    globset::Glob::new(pattern)
        .map(|glob| Test::Glob(glob.compile_matcher()))
        .map_err(|e| format!("glob {pattern:?}: {e}"))
}
