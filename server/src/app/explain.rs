//! Explain: from a figure back to the lines of the bill.
//!
//! An explain id is a hash of what the figure is: kind, period, currency,
//! basis, keys, filters and rules version. It is kept when a figure is first
//! shown, so that it can be resolved for as long as the lake is kept.

mod carried;

use super::cube::value_of;
use super::{App, hash_of};
use crate::error::AppError;
use domain::access::{Permission, Reaches};
use domain::allocate::CubeKey;
use domain::price::PriceRule;
use domain::{BillingPeriod, Money};
use frontend::query::PageQuery;
use frontend::words;
use lake::query::Level;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use store::ExplainKey;
use wire::{Basis, BillLine, Explain, ExplainPage, ExplainStep, PageInfo, StepKind};

/// Lines on a page; the others are counted and added up.
const PAGE_LINES: usize = 200;

/// Which bill lines are listed, largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// A page of them, from 1; a page beyond the last is the last.
    Page(u32),
    /// This many.
    First(usize),
    /// All of them: memory grows with their number.
    All,
}

impl Lines {
    /// Their positions.
    fn range(self) -> Range<usize> {
        match self {
            Lines::Page(page) => {
                let start = (page.max(1) as usize - 1).saturating_mul(PAGE_LINES);
                start..start.saturating_add(PAGE_LINES)
            }
            Lines::First(count) => 0..count,
            Lines::All => 0..usize::MAX,
        }
    }

    /// The same of `count` lines: which page of how many.
    fn page(self, count: u64) -> PageInfo {
        let pages = match self {
            Lines::Page(_) => u32::try_from(count.div_ceil(PAGE_LINES as u64).max(1)).unwrap_or(u32::MAX),
            Lines::First(_) | Lines::All => 1,
        };
        let page = match self {
            Lines::Page(page) => page.clamp(1, pages),
            Lines::First(_) | Lines::All => 1,
        };
        PageInfo {
            page,
            pages,
            rows: count,
        }
    }
}

/// What of clusters is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Within<'t> {
    /// A thing that carries the figure, `KIND/CLUSTER/NAME`: its days.
    pub at: Option<&'t str>,
    /// A day of it, `YYYY-MM-DD`: its charges.
    pub day: Option<&'t str>,
}

impl<'t> Within<'t> {
    /// Of a request.
    #[must_use]
    pub fn of(query: &'t wire::ExplainQuery) -> Within<'t> {
        Within {
            at: query.at.as_deref(),
            day: query.day.as_deref(),
        }
    }
}

/// What an explain id is the hash of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainSeed {
    period: BillingPeriod,
    currency: String,
    basis: Basis,
    rules_version: i64,
    keys: Vec<(String, String)>,
    filters: Vec<(String, String)>,
}

impl ExplainSeed {
    /// The figure of one row of a report.
    #[must_use]
    pub fn new(
        period: BillingPeriod,
        currency: &str,
        basis: Basis,
        rules_version: i64,
        by: &[String],
        keys: &[Arc<str>],
        filters: &[(String, String)],
    ) -> ExplainSeed {
        let mut filters = filters.to_vec();
        filters.sort();
        filters.dedup();
        let keys = by.iter().cloned().zip(keys.iter().map(|k| k.to_string())).collect();
        ExplainSeed {
            period,
            currency: currency.to_owned(),
            basis,
            rules_version,
            keys,
            filters,
        }
    }

    /// The id: 20 hex digits.
    #[must_use]
    pub fn id(&self) -> String {
        let text = self.json();
        hash_of([b"cost".as_slice(), text.as_bytes()])[..20].to_owned()
    }

    fn json(&self) -> String {
        serde_json::to_string(self).expect("plain texts and numbers always serialise")
    }

    /// Whether a cube line belongs to the figure.
    fn covers(&self, key: &CubeKey, dimensions: &domain::owner::Dimensions) -> bool {
        let has = |name: &str| value_of(key, dimensions, name).unwrap_or("");
        if key.currency.as_str() != self.currency || self.keys.iter().any(|(name, value)| has(name) != value) {
            return false;
        }
        let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        self.filters
            .iter()
            .for_each(|(name, value)| wanted.entry(name).or_default().push(value));
        wanted.iter().all(|(name, values)| values.contains(&has(name)))
    }

    fn title(&self) -> String {
        let word = |(name, value): &(String, String)| match (value.as_str(), name.starts_with(char::is_uppercase)) {
            ("", true) => format!("no {name}"),
            ("", false) => format!("{} (no {name})", words::UNALLOCATED),
            (value, _) => format!("{name} {}", words::value(name, value)),
        };
        let mut words: Vec<String> = self.keys.iter().map(word).collect();
        if !self.filters.is_empty() {
            words.push(format!(
                "filtered by {}",
                self.filters.iter().map(word).collect::<Vec<_>>().join(", ")
            ));
        }
        words.join(", ")
    }
}

impl App {
    /// Keeps what ids stand for.
    pub(crate) async fn remember(&self, seeds: Vec<ExplainSeed>) -> Result<(), AppError> {
        let fresh: Vec<ExplainKey> = seeds
            .iter()
            .filter(|seed| self.cubes.unseen(&seed.id()))
            .map(|seed| ExplainKey {
                explain_id: seed.id(),
                kind: "cost".to_owned(),
                period: seed.period,
                keys_json: seed.json(),
                rules_version: seed.rules_version,
            })
            .collect();
        if !fresh.is_empty() {
            self.store.put_explain_keys(&fresh).await?;
            self.cubes.saw(fresh.into_iter().map(|key| key.explain_id));
        }
        Ok(())
    }

    /// Where the figure with this id comes from.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for an unknown id, and for a thing or day that
    /// carries nothing of the figure.
    pub async fn explain(&self, id: &str, lines: Lines, within: &Within<'_>) -> Result<ExplainPage, AppError> {
        let level = carried::level(within.at, within.day)?;
        let answer = self.steady(|| self.explain_now(id, lines, &level)).await?;
        let Lines::Page(asked) = lines else { return Ok(answer) };
        if asked <= answer.explain.page.pages {
            return Ok(answer);
        }
        let last = Lines::Page(answer.explain.page.pages);
        self.steady(|| self.explain_now(id, last, &level)).await
    }

    async fn explain_now(&self, id: &str, listed: Lines, level: &Level) -> Result<ExplainPage, AppError> {
        let unknown = || AppError::NotFound {
            what: format!("figure with the explain id {id:?}"),
        };
        let reaches = self.scope().require_some(Permission::ReadCosts)?;
        // whoever may not see everything waits as long for an id of others as for one nobody has
        let Some(key) = self.store.explain_key(id).await? else {
            if reaches != Reaches::All {
                super::allocate::load(self, self.period_or_newest(None).await?).await?;
            }
            return Err(unknown());
        };
        let seed: ExplainSeed = serde_json::from_str(&key.keys_json)
            .map_err(|error| AppError::broken("cannot read what the explain id stands for", error))?;
        let query = PageQuery {
            period: Some(seed.period.to_string()),
            basis: seed.basis,
            currency: Some(seed.currency.clone()),
            against: None,
        };
        let whole = reaches == Reaches::All;
        let cost = match self.figure(&seed).await {
            // what is not within reach is not there
            Err(AppError::NotFound { .. }) if !whole => return Err(unknown()),
            Ok(None) if !whole => return Err(unknown()),
            cost => cost?.unwrap_or_default(),
        };
        let context = self.page_context(&query).await?;
        let inner = self.inner();
        let (program, active) = inner.program_for(seed.period).await?;
        let files = inner.store.active_files(Some(seed.period)).await?;
        let charges: Vec<lake::ChargeFile> = files.iter().map(super::allocate::charge_file).collect();
        let usage = inner.usage_for(seed.period).await?;
        let (lake, wanted, dimensions) = (self.lake.clone(), seed.clone(), program.rules.dimensions.clone());
        let (task_program, task_level) = (program.clone(), level.clone());
        let basis = match seed.basis {
            Basis::Billed => lake::query::Basis::Billed,
            Basis::Effective => lake::query::Basis::Effective,
        };
        let found = self
            .heavy("cannot read the bill lines", move || {
                let covers =
                    |key: &CubeKey| wanted.covers(key, &dimensions) && super::cube::covers(&reaches, key, &dimensions);
                Ok(lake::query::bill_lines(
                    &lake,
                    &charges,
                    &usage,
                    &task_program,
                    &covers,
                    basis,
                    (listed.range(), &task_level),
                )?)
            })
            .await?;
        let view = self.view().await?;
        let records = &view.deliveries;
        let lines: Vec<BillLine> = found
            .lines
            .iter()
            .map(|line| bill_line(line, &seed, &program, records, whole))
            .collect();
        let shown = Money::sum(found.lines.iter().map(|line| line.share))?;
        let rest_cost = found.total.checked_sub(shown)?;
        let mut steps = vec![step(
            StepKind::Figure,
            seed.title(),
            format!(
                "{} cost of {} in {}",
                super::reports::basis_word(seed.basis),
                seed.period,
                seed.currency
            ),
            cost,
            None,
        )];
        if active.version != seed.rules_version {
            let detail = format!(
                "the id was made under rules version {}; the figure is shown under version {}, now in force",
                seed.rules_version, active.version
            );
            steps.push(step(
                StepKind::Rule,
                "Rules have changed since".to_owned(),
                detail,
                cost,
                Some("/rules".to_owned()),
            ));
        }
        // whole nodes and what all of them requested together are not for a reader of some owners (A43)
        let carried = match whole {
            true => carried::carried(&found, level, (cost, seed.basis), |delivery, part| {
                file_of(records.iter().find(|d| d.delivery_id == delivery), part)
            })?,
            false => None,
        };
        steps.extend(price_steps(&found)?);
        steps.extend(rule_steps(&found, &program)?);
        steps.extend(class_steps(&found)?);
        steps.extend(delivery_steps(&found, records)?);
        Ok(ExplainPage {
            context,
            explain: Explain {
                id: id.to_owned(),
                title: seed.title(),
                period: seed.period.to_string(),
                currency: seed.currency.clone(),
                basis: seed.basis,
                cost: cost.to_string(),
                rules_version: (active.version != store::NO_RULES).then(|| active.version.to_string()),
                keys: seed.keys.clone(),
                steps,
                lines_total: found.count,
                page: listed.page(found.count),
                rest_count: found.count - lines.len() as u64,
                lines,
                rest_cost: rest_cost.to_string(),
                residual: cost.checked_sub(found.total)?.to_string(),
                carried,
            },
        })
    }

    /// The figure as the cube has it; `None` when no line of the cube belongs to it.
    async fn figure(&self, seed: &ExplainSeed) -> Result<Option<Money>, AppError> {
        let cube = super::allocate::load(self, seed.period).await?;
        let mut filters = seed.filters.clone();
        // a key narrows further; as an alternative beside a filter of the same key it would widen
        filters.retain(|(name, _)| !seed.keys.iter().any(|(key, _)| key == name));
        filters.extend(seed.keys.iter().cloned());
        let lines = cube.select(&seed.currency, &filters);
        if lines.is_empty() {
            return Ok(None);
        }
        cube.total(&lines, seed.basis).map(Some)
    }
}

fn step(kind: StepKind, label: String, detail: String, cost: Money, href: Option<String>) -> ExplainStep {
    ExplainStep {
        kind,
        label,
        detail,
        cost: cost.to_string(),
        href,
    }
}

/// Sums of the found lines by some text, largest first.
fn sums(parts: impl Iterator<Item = (String, Money, u64)>) -> Result<Vec<(String, Money, u64)>, AppError> {
    let mut sums: BTreeMap<String, (Money, u64)> = BTreeMap::new();
    for (label, cost, count) in parts {
        let sum = sums.entry(label).or_default();
        *sum = (sum.0.checked_add(cost)?, sum.1 + count);
    }
    let mut sums: Vec<(String, Money, u64)> = sums
        .into_iter()
        .map(|(label, (cost, count))| (label, cost, count))
        .collect();
    sums.sort_by_key(|(_, cost, _)| std::cmp::Reverse(cost.abs()));
    Ok(sums)
}

fn rule_steps(
    found: &lake::query::BillLines,
    program: &domain::allocate::Program,
) -> Result<Vec<ExplainStep>, AppError> {
    let tenant = program.rules.dimensions.position("tenant");
    let name = |assignment: &domain::owner::Assignment| {
        let rule = tenant
            .and_then(|at| assignment.rules[at])
            .and_then(|rule| program.rules.rules.get(rule as usize));
        rule.map(|rule| rule.name.clone()).unwrap_or_default()
    };
    let grouped = sums(
        found
            .groups
            .iter()
            .map(|group| (name(&group.assignment), group.total, group.count)),
    )?;
    Ok(grouped
        .into_iter()
        .map(|(rule, cost, count)| {
            if rule.is_empty() {
                step(
                    StepKind::Unallocated,
                    "No rule names a tenant".to_owned(),
                    format!("{count} lines stay unallocated cost"),
                    cost,
                    Some("/rules".to_owned()),
                )
            } else {
                step(
                    StepKind::Rule,
                    rule,
                    format!("sets the tenant of {count} lines"),
                    cost,
                    Some("/rules".to_owned()),
                )
            }
        })
        .collect())
}

/// What of the figure was moved to it, or from it, when prices were evened out.
fn price_steps(found: &lake::query::BillLines) -> Result<Vec<ExplainStep>, AppError> {
    if found.groups.iter().all(|group| group.price_rule.is_none()) {
        return Ok(Vec::new());
    }
    let of = |group: &lake::query::LineGroup| group.price_rule.clone().unwrap_or_default();
    let grouped = sums(found.groups.iter().map(|group| (of(group), group.total, group.count)))?;
    let one = |(rule, cost, count): (String, Money, u64)| {
        if rule.is_empty() {
            let detail = format!("{count} lines as the bill prices them");
            return step(StepKind::Rule, "As billed".to_owned(), detail, cost, None);
        }
        let (what, detail) = match rule.as_str() {
            rule if rule == PriceRule::Schedule.as_str() => (
                "Fees over their term",
                "parts taken off the month of their bill, or added to the days of their term",
            ),
            rule if rule == PriceRule::NotElapsed.as_str() => {
                ("Unused, not elapsed yet", "parts taken off while the month is open")
            }
            _ => (
                "Prices evened out",
                "moves from or to other lines of the billing account, or of its legal entity",
            ),
        };
        let detail = format!("{count} {detail}; invoices do not change");
        let label = format!("{what}: {rule}");
        step(StepKind::Rule, label, detail, cost, Some("/rules".to_owned()))
    };
    Ok(grouped.into_iter().map(one).collect())
}

fn class_steps(found: &lake::query::BillLines) -> Result<Vec<ExplainStep>, AppError> {
    let grouped = sums(
        found
            .groups
            .iter()
            .map(|group| (group.class.label().to_owned(), group.total, group.count)),
    )?;
    Ok(grouped
        .into_iter()
        .map(|(class, cost, count)| step(StepKind::Class, class, format!("{count} lines"), cost, None))
        .collect())
}

fn delivery_steps(
    found: &lake::query::BillLines,
    records: &[store::DeliveryRecord],
) -> Result<Vec<ExplainStep>, AppError> {
    let grouped = sums(
        found
            .groups
            .iter()
            .map(|group| (group.delivery_id.clone(), group.total, group.count)),
    )?;
    Ok(grouped
        .into_iter()
        .map(|(id, cost, count)| {
            let source = records
                .iter()
                .find(|d| d.delivery_id == id)
                .map_or("", |d| d.source_id.as_str());
            step(
                StepKind::Delivery,
                format!("Delivery {id}"),
                format!("{count} lines of source {source}"),
                cost,
                Some("/sources".to_owned()),
            )
        })
        .collect())
}

/// The name of a file of a delivery, without folders.
fn file_of(record: Option<&store::DeliveryRecord>, part: u32) -> String {
    let file = record.and_then(|d| d.files.get(part as usize));
    let name = file.map_or("", |file| file.name.as_str());
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

fn bill_line(
    line: &lake::query::BillLine,
    seed: &ExplainSeed,
    program: &domain::allocate::Program,
    records: &[store::DeliveryRecord],
    show_whole: bool,
) -> BillLine {
    let record = records.iter().find(|d| d.delivery_id == line.delivery_id);
    let whole = match seed.basis {
        Basis::Effective => line.effective,
        Basis::Billed => line.billed,
    };
    // the whole of a shared line less one's own part is what others pay (A43)
    let show_whole = show_whole || line.share == whole;
    let column = |name: &str| line.attributes.column(name).unwrap_or_default().to_owned();
    let dimensions = program.rules.dimensions.keys();
    let rules = line
        .assignment
        .rules
        .iter()
        .zip(dimensions)
        .filter_map(|(rule, dimension)| {
            let rule = program.rules.rules.get((*rule)? as usize)?;
            Some((rule.name.clone(), dimension.clone()))
        });
    BillLine {
        delivery_id: line.delivery_id.clone(),
        source: record.map(|d| d.source_id.clone()).unwrap_or_default(),
        file: file_of(record, line.part),
        line: line.line,
        charge_start: line.span.start.to_string(),
        charge_end: line.span.end.to_string(),
        service: column("ServiceName"),
        resource: column("ResourceId"),
        description: match line.attributes.column(domain::price::PRICE_RULE) {
            // a month that does not have the fee has its share: it is told by its name
            Some(rule) if rule == PriceRule::Schedule.as_str() => format!("{} ({rule})", column("ChargeDescription"))
                .trim_start()
                .to_owned(),
            Some(rule) => format!("Prices evened out ({rule})"),
            None => column("ChargeDescription"),
        },
        class: program.classes.class_of(&line.attributes).label().to_owned(),
        cost: line.share.to_string(),
        line_cost: show_whole.then(|| whole.to_string()),
        share_permille: if show_whole {
            u32::try_from(super::reports::permille(line.share, whole)).unwrap_or(0)
        } else {
            0
        },
        rules: rules.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_lines() {
        for (lines, count, range, page, pages) in [
            (Lines::Page(1), 0, 0..200, 1, 1),
            (Lines::Page(1), 200, 0..200, 1, 1),
            (Lines::Page(2), 201, 200..400, 2, 2),
            (Lines::Page(9), 201, 1600..1800, 2, 2),
            (Lines::Page(0), 5, 0..200, 1, 1),
            (Lines::First(7), 900, 0..7, 1, 1),
            (Lines::All, 900, 0..usize::MAX, 1, 1),
        ] {
            let info = lines.page(count);
            assert_eq!(
                (info.page, info.pages, info.rows),
                (page, pages, count),
                "{lines:?} of {count}"
            );
            assert_eq!(lines.range(), range, "{lines:?}");
        }
    }
}
