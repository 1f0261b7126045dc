//! Who pays for what, from when? The Rules page.

use super::change::permille;
use super::finding;
use crate::app::App;
use crate::error::AppError;
use domain::instant::Instant;
use domain::owner::BUILT_IN_DIMENSIONS;
use domain::rule::{Condition, Rule, RuleReport, RuleSet, Subject, Test, Value};
use domain::tier::{SpotPolicy, Tier};
use domain::{Currency, Finding, Money};
use frontend::backend::RulesQuery;
use std::collections::BTreeMap;
use store::{RulesKind, RulesVersion};
use wire::{Coverage, OwnerRule, RuleVersion, RulesPage, TierPreset};

impl App {
    /// The Rules page: rules with what they do to the period's money.
    ///
    /// # Errors
    /// When there is no bill, the version is unknown, or the machinery failed.
    pub async fn rules_page(&self, query: &RulesQuery) -> Result<RulesPage, AppError> {
        self.reads_estate()?;
        let ground = self.ground(&query.page).await?;
        let active = self.store.active_rules(RulesKind::Owner).await?;
        let history = self.store.rules_history(RulesKind::Owner).await?;
        let shown = match &query.version {
            Some(wanted) => {
                let found = history.iter().find(|v| v.version.to_string() == *wanted).cloned();
                Some(found.ok_or_else(|| AppError::NotFound {
                    what: format!("version {wanted} of the owner rules"),
                })?)
            }
            None => active.clone(),
        };
        let current = active.as_ref().map(|v| v.version);
        let (set, report, _) = self
            .rules_check(shown.as_ref().map(|v| v.yaml.as_str()), Some(ground.period))
            .await?;
        let currency = Currency::parse(&ground.currency).unwrap_or_else(Currency::unknown);
        let rules = match &shown {
            Some(version) => Some(wire::RuleSet {
                version: version_of(version, current)?,
                yaml: version.yaml.clone(),
                rules: set
                    .rules
                    .iter()
                    .enumerate()
                    .map(|(at, rule)| owner_rule(at, rule, &set, &report, &currency))
                    .collect(),
            }),
            None => None,
        };
        Ok(RulesPage {
            context: ground.context,
            rules,
            versions: history
                .iter()
                .rev()
                .map(|v| version_of(v, current))
                .collect::<Result<_, _>>()?,
            coverage: report
                .coverage
                .iter()
                .map(|c| coverage(c, &currency))
                .collect::<Result<_, _>>()?,
            findings: rule_findings(&report, &currency).iter().map(finding).collect(),
            tiers: domain::tier::presets().iter().map(tier).collect(),
            prices: self.price_policy().await?,
        })
    }
}

/// What a check of rules found, as findings.
#[must_use]
pub(crate) fn rule_findings(report: &RuleReport, currency: &Currency) -> Vec<Finding> {
    let mut findings = report.findings.clone();
    for rule in &report.rules {
        if let Some(because) = &rule.unreachable_because {
            let finding = Finding::warning(
                "unreachable_rule",
                format!(
                    "rule {:?} can never decide anything: {because:?} before it takes everything",
                    rule.name
                ),
            );
            findings.push(finding.remedy("move it up, or remove it"));
        } else if rule.matched_samples == 0 {
            findings.push(Finding::info(
                "unused_rule",
                format!("rule {:?} matches no charge of the period", rule.name),
            ));
        } else if rule.won_samples == 0 {
            let finding = Finding::warning(
                "shadowed_rule",
                format!(
                    "rule {:?} matches, but rules before it decide everything it would set",
                    rule.name
                ),
            );
            findings.push(finding.remedy("move it up, or remove it"));
        }
    }
    let touching = report
        .overlaps
        .iter()
        .filter(|overlap| overlap.cost.contains_key(currency));
    for overlap in touching {
        let money = overlap.cost.get(currency).copied().unwrap_or_default();
        let message = format!(
            "rules {:?} and {:?} want different values of {}; the first wins",
            overlap.first, overlap.second, overlap.dimension
        );
        findings.push(
            Finding::info("overlapping_rules", message)
                .times(overlap.samples)
                .money(format!("{money} {currency}")),
        );
    }
    findings
}

fn version_of(version: &RulesVersion, current: Option<i64>) -> Result<RuleVersion, AppError> {
    let rules = crate::app::rules::parse(&version.yaml)?.rules.len();
    Ok(RuleVersion {
        version: version.version.to_string(),
        created_at: Instant(version.created_us).to_string(),
        author: version.author.clone().unwrap_or_default(),
        rules: u32::try_from(rules).unwrap_or(u32::MAX),
        current: current == Some(version.version),
    })
}

fn owner_rule(at: usize, rule: &Rule, set: &RuleSet, report: &RuleReport, currency: &Currency) -> OwnerRule {
    let checked = &report.rules[at];
    let overlaps = report
        .overlaps
        .iter()
        .filter(|o| o.second == rule.name)
        .map(|o| o.first.clone());
    let mut overlaps: Vec<String> = overlaps.collect();
    overlaps.dedup();
    OwnerRule {
        position: u32::try_from(at + 1).unwrap_or(u32::MAX),
        name: rule.name.clone(),
        from: rule.from.map(|d| d.to_string()),
        to: rule.to.map(|d| d.to_string()),
        when: words(&rule.when, true),
        sets: rule
            .set
            .iter()
            .map(|(d, value)| (set.dimensions.keys()[*d].clone(), value_words(value)))
            .collect(),
        cost: checked.won.get(currency).copied().unwrap_or_default().to_string(),
        rows: checked.won_samples,
        reachable: checked.unreachable_because.is_none() && (checked.matched_samples == 0 || checked.won_samples > 0),
        overlaps,
    }
}

fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Column(name) => name.clone(),
        Subject::Tag(key) => format!("tag {key}"),
        Subject::TagsLike(keys) => format!("a tag like {}", keys.glob()),
    }
}

/// A condition in words.
fn words(condition: &Condition, top: bool) -> String {
    let join = |parts: &[Condition], word: &str| {
        let text = parts
            .iter()
            .map(|part| words(part, false))
            .collect::<Vec<_>>()
            .join(word);
        if top || parts.len() < 2 {
            text
        } else {
            format!("({text})")
        }
    };
    match condition {
        Condition::All(parts) if parts.is_empty() => "always".to_owned(),
        Condition::All(parts) => join(parts, " and "),
        Condition::Any(parts) => join(parts, " or "),
        Condition::Not(part) => format!("not {}", words(part, false)),
        Condition::Is(what, test) => match test {
            Test::Equals(text) => format!("{} is {text}", subject(what)),
            Test::In(set) => format!(
                "{} is one of {}",
                subject(what),
                set.iter().cloned().collect::<Vec<_>>().join(", ")
            ),
            Test::Glob(glob) => format!("{} looks like {}", subject(what), glob.glob()),
            Test::Regex(regex) => format!("{} matches {}", subject(what), regex.as_str()),
            Test::Exists(true) => format!("{} is there", subject(what)),
            Test::Exists(false) => format!("{} is not there", subject(what)),
        },
    }
}

fn value_words(value: &Value) -> String {
    match value {
        Value::Literal(text) => text.to_string(),
        Value::From(what) => format!("from {}", subject(what)),
        Value::Capture(group) => format!("from the pattern's <{group}>"),
    }
}

fn coverage(coverage: &domain::rule::Coverage, currency: &Currency) -> Result<Coverage, AppError> {
    let of = |map: &BTreeMap<Currency, Money>| map.get(currency).copied().unwrap_or_default();
    let (owned, total) = (of(&coverage.owned), of(&coverage.total));
    let label = BUILT_IN_DIMENSIONS.iter().find(|(key, _)| *key == coverage.dimension);
    Ok(Coverage {
        dimension: coverage.dimension.clone(),
        label: label.map_or_else(
            || coverage.dimension.replace('_', " "),
            |(_, label)| (*label).to_owned(),
        ),
        allocated: owned.to_string(),
        unallocated: total.checked_sub(owned)?.to_string(),
        permille: (!total.is_zero()).then(|| u32::try_from(permille(owned.abs(), total.abs())).unwrap_or(0)),
    })
}

fn duration(seconds: u32) -> String {
    match seconds {
        0 => "none".to_owned(),
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s => format!("{} min", s / 60),
    }
}

fn tier(tier: &Tier) -> TierPreset {
    let spot = match tier.spot {
        SpotPolicy::Never => "never",
        SpotPolicy::NeverByDefault => "never by default",
        SpotPolicy::IfEligible => "if eligible",
        SpotPolicy::Allowed => "yes",
    };
    let effort = || "best effort".to_owned();
    let promises = [
        ("For", tier.example.clone()),
        (
            "Recovery time",
            tier.rto_s.map_or_else(effort, |s| format!("up to {}", duration(s))),
        ),
        (
            "Recovery point",
            tier.rpo_s.map_or_else(effort, |s| {
                if s == 0 {
                    "no loss".to_owned()
                } else {
                    format!("up to {}", duration(s))
                }
            }),
        ),
        (
            "CPU above request",
            format!(
                "at most {}.{} % of windows",
                tier.cpu_risk_ppm / 10_000,
                tier.cpu_risk_ppm % 10_000 / 1000
            ),
        ),
        (
            "Memory overflows a year",
            tier.memory_overflows_per_year
                .map_or_else(|| "restartable".to_owned(), |n| n.to_string()),
        ),
        ("Headroom", format!("{} %", tier.headroom_percent)),
        ("Spot", spot.to_owned()),
        (
            "Evidence before downsizing",
            format!(
                "{} days{}",
                tier.window_days,
                if tier.include_last_peak {
                    " and the last peak"
                } else {
                    ""
                }
            ),
        ),
    ];
    TierPreset {
        tier: tier.key.clone(),
        name: tier.name.clone(),
        promises: promises.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
    }
}
