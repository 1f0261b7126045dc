//! Owner rules: ordered, dated conditions on charge columns and tags that set
//! owners. First match wins per dimension.

use crate::charge::Attributes;
use crate::instant::{Instant, Span};
use crate::owner::{Assignment, Dimensions};
use chrono::NaiveDate;
use std::collections::BTreeSet;
use std::sync::Arc;
use thiserror::Error;

mod check;
mod parse;

pub use check::{CheckedRule, Coverage, Overlap, RuleReport, Sample, check};

/// A rule file that cannot be used, with the place when it is known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleError {
    /// Not the YAML we expect; the message carries line and column.
    #[error("the rules are not valid: {0}")]
    Syntax(String),
    /// A rule that says nothing, too much, or something impossible.
    #[error("rule {name:?}: {problem}")]
    Rule {
        /// Its name.
        name: String,
        /// What is wrong and what to write.
        problem: String,
    },
}

/// What a condition or value looks at.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A charge column by FOCUS name.
    Column(String),
    /// A tag by key.
    Tag(String),
    /// Every tag whose key is of this form (`kubernetes.io/cluster/*`).
    TagsLike(globset::GlobMatcher),
}

impl Subject {
    /// The tag with this key; a key with `*` looks at every key of that form.
    fn tag(key: &str) -> Result<Subject, String> {
        if !key.contains('*') {
            return Ok(Subject::Tag(key.to_owned()));
        }
        parse::reasonable("glob", key)?;
        let glob = globset::Glob::new(key).map_err(|error| format!("tag {key:?}: {error}"))?;
        Ok(Subject::TagsLike(glob.compile_matcher()))
    }

    fn values<'a>(&'a self, attributes: &'a Attributes) -> Vec<&'a str> {
        match self {
            Subject::Column(name) => attributes.column(name).into_iter().collect(),
            Subject::Tag(key) => attributes.tag(key).into_iter().collect(),
            Subject::TagsLike(keys) => {
                let found = attributes.tags.iter().filter(|(key, _)| keys.is_match(key));
                found.map(|(_, value)| value.as_str()).collect()
            }
        }
    }

    fn first<'a>(&'a self, attributes: &'a Attributes) -> Option<&'a str> {
        let texts = self.values(attributes).into_iter().map(str::trim);
        texts.into_iter().find(|value| !value.is_empty())
    }
}

/// How a subject is compared.
#[derive(Debug, Clone)]
pub enum Test {
    /// Exactly this text.
    Equals(String),
    /// One of these.
    In(BTreeSet<String>),
    /// Shell pattern; `*` also crosses slashes.
    Glob(globset::GlobMatcher),
    /// Regular expression, searched (anchor with `^` and `$`).
    Regex(regex::Regex),
    /// Present, or absent.
    Exists(bool),
}

/// When a rule applies.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Every one holds (an empty list holds always).
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A comparison.
    Is(Subject, Test),
}

impl Condition {
    /// Whether it holds; named capture groups of matching regexes are appended to `captures`.
    pub fn holds(&self, attributes: &Attributes, captures: &mut Vec<(String, String)>) -> bool {
        match self {
            Condition::All(parts) => parts.iter().all(|part| part.holds(attributes, captures)),
            Condition::Any(parts) => parts.iter().any(|part| part.holds(attributes, captures)),
            Condition::Not(part) => !part.holds(attributes, &mut Vec::new()),
            Condition::Is(subject, Test::Exists(wanted)) => subject.values(attributes).is_empty() != *wanted,
            Condition::Is(subject, test) => subject.values(attributes).into_iter().any(|value| match test {
                Test::Equals(text) => value == text,
                Test::In(set) => set.contains(value),
                Test::Glob(glob) => glob.is_match(value),
                Test::Regex(regex) => regex.captures(value).is_some_and(|found| {
                    let named = regex
                        .capture_names()
                        .flatten()
                        .filter_map(|name| found.name(name).map(|m| (name.to_owned(), m.as_str().to_owned())));
                    captures.extend(named);
                    true
                }),
                Test::Exists(_) => false,
            }),
        }
    }

    fn subjects<'a>(&'a self, into: &mut Vec<&'a Subject>) {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| part.subjects(into)),
            Condition::Not(part) => part.subjects(into),
            Condition::Is(subject, _) => into.push(subject),
        }
    }
}

/// Where a dimension's value comes from.
#[derive(Debug, Clone)]
pub enum Value {
    /// This text.
    Literal(Arc<str>),
    /// A tag's or column's value.
    From(Subject),
    /// A named group of a regex of this rule that matched.
    Capture(String),
}

/// One owner rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique name.
    pub name: String,
    /// First day in force, inclusive.
    pub from: Option<NaiveDate>,
    /// First day no longer in force.
    pub to: Option<NaiveDate>,
    /// When it applies.
    pub when: Condition,
    /// Dimension position and value.
    pub set: Vec<(usize, Value)>,
}

impl Rule {
    fn in_force(&self, at: Instant) -> bool {
        let start = |date: NaiveDate| crate::instant::Day::from_date(date).start();
        self.from.is_none_or(|from| start(from) <= at) && self.to.is_none_or(|to| at < start(to))
    }
}

/// How the cost of clusters is split: the `clusters` section of a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRules {
    /// Namespaces whose pods serve the whole cluster (A27): `kube-system`, and those declared.
    pub service_namespaces: BTreeSet<String>,
    /// Where the provider's own split counts instead of ours.
    pub provider_split: Vec<ProviderSplit>,
}

/// A cluster and a time in which the provider's own split counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSplit {
    /// Cluster id.
    pub cluster: String,
    /// First day, inclusive.
    pub from: Option<NaiveDate>,
    /// First day on which ours counts again.
    pub to: Option<NaiveDate>,
}

impl ClusterRules {
    /// Whether the provider's own split of a cluster counts at an instant.
    #[must_use]
    pub fn keeps_provider_split(&self, cluster: &str, at: Instant) -> bool {
        let start = |date: NaiveDate| crate::instant::Day::from_date(date).start();
        self.provider_split.iter().any(|split| {
            split.cluster == cluster
                && split.from.is_none_or(|from| start(from) <= at)
                && split.to.is_none_or(|to| at < start(to))
        })
    }
}

impl Default for ClusterRules {
    fn default() -> ClusterRules {
        ClusterRules {
            service_namespaces: BTreeSet::from(["kube-system".to_owned()]),
            provider_split: Vec::new(),
        }
    }
}

/// An ordered, validated set of owner rules.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// Dimension keys.
    pub dimensions: Dimensions,
    /// Rules in order.
    pub rules: Vec<Rule>,
    /// How clusters are split.
    pub clusters: ClusterRules,
    cuts: Vec<Instant>,
}

impl RuleSet {
    /// Parses the YAML described in `docs/RULES.md`.
    ///
    /// # Errors
    /// Says which rule, or which line, and what to write.
    pub fn parse(yaml: &str) -> Result<RuleSet, RuleError> {
        let (dimensions, rules, clusters) = parse::rules(yaml)?;
        Ok(RuleSet {
            clusters,
            ..RuleSet::new(dimensions, rules)
        })
    }

    /// No rules: everything is unallocated cost.
    #[must_use]
    pub fn empty() -> RuleSet {
        RuleSet::new(Dimensions::default(), Vec::new())
    }

    fn new(dimensions: Dimensions, rules: Vec<Rule>) -> RuleSet {
        let dates: BTreeSet<NaiveDate> = rules.iter().flat_map(|rule| [rule.from, rule.to]).flatten().collect();
        let cuts = dates
            .into_iter()
            .map(|date| crate::instant::Day::from_date(date).start())
            .collect();
        RuleSet {
            dimensions,
            rules,
            clusters: ClusterRules::default(),
            cuts,
        }
    }

    /// Instants strictly inside a span at which some rule starts or ends.
    pub fn cuts_inside(&self, span: Span) -> impl Iterator<Item = Instant> + '_ {
        self.cuts
            .iter()
            .copied()
            .filter(move |cut| *cut > span.start && *cut < span.end)
    }

    /// The stretch between rule dates that holds an instant: attributes have
    /// one owner throughout it.
    #[must_use]
    pub fn epoch(&self, at: Instant) -> usize {
        self.cuts.partition_point(|cut| *cut <= at)
    }

    /// Who owns something with these attributes at an instant.
    #[must_use]
    pub fn assign(&self, attributes: &Attributes, at: Instant) -> Assignment {
        let mut assignment = Assignment::nobody(self.dimensions.keys().len());
        for (position, rule) in self.rules.iter().enumerate() {
            let open = rule
                .set
                .iter()
                .any(|(dimension, _)| assignment.values[*dimension].is_none());
            if !open || !rule.in_force(at) {
                continue;
            }
            let mut captures = Vec::new();
            if !rule.when.holds(attributes, &mut captures) {
                continue;
            }
            for (dimension, value) in &rule.set {
                if assignment.values[*dimension].is_some() {
                    continue;
                }
                if let Some(text) = resolve(value, attributes, &captures) {
                    assignment.values[*dimension] = Some(text);
                    assignment.rules[*dimension] = u32::try_from(position).ok();
                }
            }
        }
        assignment
    }

    /// Charge columns the rules look at (without tags).
    #[must_use]
    pub fn columns(&self) -> BTreeSet<String> {
        let mut subjects = Vec::new();
        for rule in &self.rules {
            rule.when.subjects(&mut subjects);
            for (_, value) in &rule.set {
                if let Value::From(subject) = value {
                    subjects.push(subject);
                }
            }
        }
        columns_of(subjects)
    }
}

/// The column names among some subjects.
pub(crate) fn columns_of(subjects: Vec<&Subject>) -> BTreeSet<String> {
    subjects
        .into_iter()
        .filter_map(|subject| match subject {
            Subject::Column(name) => Some(name.clone()),
            Subject::Tag(_) | Subject::TagsLike(_) => None,
        })
        .collect()
}

/// The columns of a list of conditions.
pub(crate) fn condition_columns<'a>(conditions: impl IntoIterator<Item = &'a Condition>) -> BTreeSet<String> {
    let mut subjects = Vec::new();
    conditions
        .into_iter()
        .for_each(|condition| condition.subjects(&mut subjects));
    columns_of(subjects)
}

pub(crate) use parse::RawCondition;

fn resolve(value: &Value, attributes: &Attributes, captures: &[(String, String)]) -> Option<Arc<str>> {
    match value {
        Value::Literal(text) => Some(text.clone()),
        Value::From(subject) => subject.first(attributes).map(Arc::from),
        Value::Capture(name) => {
            let (_, text) = captures.iter().find(|(group, _)| group == name)?;
            (!text.trim().is_empty()).then(|| Arc::from(text.trim()))
        }
    }
}

#[cfg(test)]
mod tests;
