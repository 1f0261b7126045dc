//! Who and what costs how much: the Costs page, its API, CSV and command.

use super::change::{change, permille, shares};
use super::context::Ground;
use super::{chart, check_keys, drawn, group_options};
use crate::app::App;
use crate::app::cube::{Groups, PeriodCube};
use crate::app::explain::ExplainSeed;
use crate::error::AppError;
use domain::Money;
use frontend::query::PageQuery;
use frontend::words;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::{CostReport, CostRow, CostsPage, CostsQuery, PageInfo, ReconciliationLine, RowKind, SortKey, SortOrder};

/// Rows on a page; more are paged, not scrolled.
const PAGE_ROWS: usize = 200;
/// Bars in the chart before "Other".
const CHART_ROWS: usize = 9;

/// Which rows of a report are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// The page the query names.
    Page,
    /// All of them: exports.
    All,
}

type Keys = Vec<Arc<str>>;

impl App {
    /// Costs grouped by one or two keys.
    ///
    /// # Errors
    /// When the query names something unknown, there is no bill, or the machinery failed.
    pub async fn costs(&self, query: &CostsQuery, rows: Rows) -> Result<CostsPage, AppError> {
        self.steady(|| self.costs_now(query, rows)).await
    }

    async fn costs_now(&self, query: &CostsQuery, rows: Rows) -> Result<CostsPage, AppError> {
        let page_query = PageQuery {
            period: query.period.clone(),
            basis: query.basis,
            currency: query.currency.clone(),
            against: query.against.clone(),
        };
        let ground = self.ground(&page_query).await?;
        let mut query = query.clone();
        if query.by.is_empty() {
            query.by = vec!["tenant".to_owned()];
        }
        query.period = Some(ground.period.to_string());
        query.currency = Some(ground.currency.clone());
        query.against = ground.against.map(|p| p.to_string());
        let report = self.cost_report(&ground, &query, rows).await?;
        let chart = cost_chart(&report);
        Ok(CostsPage {
            options: group_options(&ground.cube),
            context: ground.context,
            query,
            report,
            chart,
        })
    }

    pub(super) async fn cost_report(
        &self,
        ground: &Ground,
        query: &CostsQuery,
        rows: Rows,
    ) -> Result<CostReport, AppError> {
        check_keys(
            &ground.cube,
            query.by.iter().chain(query.filters.iter().map(|(key, _)| key)),
        )?;
        let sum = |cube: &PeriodCube| -> Result<Groups, AppError> {
            cube.group(&cube.select(&ground.currency, &query.filters), &query.by, ground.basis)
        };
        let now = sum(&ground.cube)?;
        let before = ground.prior.as_deref().map(sum).transpose()?;
        let months = self.year_and_month(ground).await?;
        let trends: Vec<Option<Groups>> = months
            .iter()
            .map(|(_, cube)| cube.as_deref().map(sum).transpose())
            .collect::<Result<_, _>>()?;
        let total = Money::sum(now.values().map(|(cost, _)| *cost))?;
        let prior_total = before
            .as_ref()
            .map(|groups| Money::sum(groups.values().map(|(cost, _)| *cost)))
            .transpose()?;
        let ordered = order(&now, before.as_ref(), query);
        let largest = now.values().map(|(cost, _)| cost.abs()).max().unwrap_or_default();
        let costs: Vec<Money> = ordered
            .iter()
            .map(|keys| now.get(keys).map_or(Money::ZERO, |(cost, _)| *cost))
            .collect();
        let share = shares(&costs, total)?;
        let pages = ordered.len().div_ceil(PAGE_ROWS).max(1);
        let page = match rows {
            Rows::All => 1,
            Rows::Page => (query.page.max(1) as usize).min(pages),
        };
        let shown = match rows {
            Rows::All => 0..ordered.len(),
            Rows::Page => (page - 1) * PAGE_ROWS..(page * PAGE_ROWS).min(ordered.len()),
        };
        let mut seeds = Vec::new();
        let mut built = Vec::with_capacity(shown.len());
        for at in shown.clone() {
            let keys = &ordered[at];
            let known = now.get(keys).map(|(cost, _)| *cost);
            let prior = before
                .as_ref()
                .and_then(|groups| groups.get(keys))
                .map(|(cost, _)| *cost);
            let trend: Vec<Option<String>> = trends
                .iter()
                .map(|month| {
                    month
                        .as_ref()
                        .map(|groups| groups.get(keys).map_or(Money::ZERO, |(cost, _)| *cost).to_string())
                })
                .collect();
            let seed = ExplainSeed::new(
                ground.period,
                &ground.currency,
                ground.basis,
                ground.cube.rules_version,
                &query.by,
                keys,
                &query.filters,
            );
            built.push(CostRow {
                keys: query
                    .by
                    .iter()
                    .cloned()
                    .zip(keys.iter().map(|k| k.to_string()))
                    .collect(),
                cost: costs[at].to_string(),
                prior: before.as_ref().map(|_| prior.unwrap_or_default().to_string()),
                change: if before.is_some() { change(known, prior)? } else { None },
                share_permille: share[at],
                bar_permille: u32::try_from(permille(costs[at].abs(), largest)).unwrap_or(0),
                sparkline: charts::sparkline(&trend).ok().filter(|svg| !svg.is_empty()),
                trend,
                kind: if keys[0].is_empty() {
                    RowKind::Unallocated
                } else {
                    RowKind::Owner
                },
                note: None,
                explain_id: known.map(|_| seed.id()),
            });
            seeds.push(seed);
        }
        self.remember(seeds).await?;
        let unallocated = Money::sum(
            now.iter()
                .filter(|(keys, _)| keys[0].is_empty())
                .map(|(_, (cost, _))| *cost),
        )?;
        let other = other_row(&ordered, &costs, &shown, total)?;
        Ok(CostReport {
            period: ground.period.to_string(),
            basis: ground.basis,
            currency: ground.currency.clone(),
            by: query.by.clone(),
            rows: built,
            total: total.to_string(),
            against: ground.against.map(|p| p.to_string()),
            days: ground.days.and_then(|days| u32::try_from(days).ok()),
            against_days: ground.against_days.and_then(|days| u32::try_from(days).ok()),
            prior_total: prior_total.map(|t| t.to_string()),
            total_change: if prior_total.is_some() {
                change(Some(total), prior_total)?
            } else {
                None
            },
            unallocated: unallocated.to_string(),
            other,
            page: PageInfo {
                page: count(page),
                pages: if rows == Rows::All { 1 } else { count(pages) },
                rows: ordered.len() as u64,
            },
            reconciliation: self.line(ground, query, total, unallocated).await?,
            as_of: ground.context.as_of.clone(),
        })
    }

    /// `bill = owned + unallocated + filtered out`, against the control totals.
    async fn line(
        &self,
        ground: &Ground,
        query: &CostsQuery,
        total: Money,
        unallocated: Money,
    ) -> Result<ReconciliationLine, AppError> {
        let view = self.view().await?;
        let in_currency = view
            .totals_of(ground.period)
            .filter(|t| t.total.currency.as_str() == ground.currency);
        let bill = Money::sum(in_currency.map(|t| match ground.basis {
            wire::Basis::Effective => t.total.effective,
            wire::Basis::Billed => t.total.billed,
        }))?;
        // a share of an earlier month's fee is in no line of this bill (A24), and
        // what is not elapsed is in one already (A23)
        let bill = bill.checked_add(ground.cube.beside_bill(&ground.currency, ground.basis)?)?;
        let all = ground
            .cube
            .total(&ground.cube.select(&ground.currency, &[]), ground.basis)?;
        // the bill is of everybody: a reader of some owners is shown the whole of theirs
        let whole = self.reads_estate().is_ok();
        let bill = if whole { bill } else { all };
        let filtered = all.checked_sub(total)?;
        let label = group_options(&ground.cube)
            .into_iter()
            .find(|o| Some(&o.key) == query.by.first())
            .map_or_else(String::new, |o| o.label);
        let owner = query.by.first().is_some_and(|key| !key.starts_with(char::is_uppercase));
        let without = if owner {
            words::UNALLOCATED.to_lowercase()
        } else {
            format!("without {}", label.to_lowercase())
        };
        let mut parts = vec![
            (
                format!("with {}", label.to_lowercase()),
                total.checked_sub(unallocated)?.to_string(),
            ),
            (without, unallocated.to_string()),
        ];
        if !query.filters.is_empty() {
            parts.push(("filtered out".to_owned(), filtered.to_string()));
        }
        Ok(ReconciliationLine {
            label: match (whole, ground.context.state) {
                (false, _) => "Within your reach",
                (true, wire::PeriodState::Estimated) => "Bill to date",
                (true, _) => "Bill",
            }
            .to_owned(),
            bill: bill.to_string(),
            parts,
            residual: bill.checked_sub(total)?.checked_sub(filtered)?.to_string(),
        })
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Group keys in the order asked for; keys that only the compared period has come along.
fn order(now: &Groups, before: Option<&Groups>, query: &CostsQuery) -> Vec<Keys> {
    let all: BTreeSet<&Keys> = now.keys().chain(before.into_iter().flat_map(BTreeMap::keys)).collect();
    let mut keys: Vec<Keys> = all.into_iter().cloned().collect();
    let of = |groups: Option<&Groups>, key: &Keys| groups.and_then(|g| g.get(key)).map_or(0, |(cost, _)| cost.units());
    match query.sort {
        SortKey::Name => {
            // without a value comes last, whichever way names run
            keys.sort_by(|a, b| (a[0].is_empty(), a).cmp(&(b[0].is_empty(), b)));
            if query.dir == SortOrder::Desc {
                keys.reverse();
            }
        }
        sort => {
            keys.sort_by_key(|key| {
                let amount = match sort {
                    SortKey::Prior => of(before, key).abs(),
                    SortKey::Change => of(Some(now), key) - of(before, key),
                    _ => of(Some(now), key).abs(),
                };
                if query.dir == SortOrder::Desc { -amount } else { amount }
            });
        }
    }
    keys
}

/// Everything on other pages in one row.
fn other_row(
    ordered: &[Keys],
    costs: &[Money],
    shown: &std::ops::Range<usize>,
    total: Money,
) -> Result<Option<CostRow>, AppError> {
    let rest: Vec<Money> = costs
        .iter()
        .enumerate()
        .filter(|(at, _)| !shown.contains(at))
        .map(|(_, cost)| *cost)
        .collect();
    if rest.is_empty() {
        return Ok(None);
    }
    let cost = Money::sum(rest.iter().copied())?;
    Ok(Some(CostRow {
        keys: BTreeMap::new(),
        cost: cost.to_string(),
        prior: None,
        change: None,
        share_permille: i32::try_from(permille(cost, total)).ok(),
        bar_permille: 0,
        trend: Vec::new(),
        sparkline: None,
        kind: RowKind::Other,
        note: Some(format!("{} rows on other pages", ordered.len() - shown.len())),
        explain_id: None,
    }))
}

/// The last 13 months by the first key: the largest, and "Other".
fn cost_chart(report: &CostReport) -> Option<wire::Chart> {
    let first = report.by.first()?;
    let mut by_first: BTreeMap<&str, Vec<Option<Money>>> = BTreeMap::new();
    for row in &report.rows {
        let values: Vec<Option<Money>> = row
            .trend
            .iter()
            .map(|v| v.as_deref().and_then(|t| Money::parse(t).ok()))
            .collect();
        let name = row.keys.get(first).map_or("", String::as_str);
        match by_first.get_mut(name) {
            Some(sums) => add_months(sums, &values),
            None => {
                by_first.insert(name, values);
            }
        }
    }
    let mut ranked: Vec<(&str, Vec<Option<Money>>)> = by_first.into_iter().collect();
    ranked.sort_by_key(|(_, values)| std::cmp::Reverse(values.last().copied().flatten().unwrap_or_default().abs()));
    let rest = if ranked.len() > CHART_ROWS {
        ranked.split_off(5)
    } else {
        ranked.split_off(ranked.len().min(6))
    };
    let mut series: Vec<charts::Series> = ranked
        .into_iter()
        .map(|(name, values)| one_series(&words::value(first, name), &values))
        .collect();
    if !rest.is_empty() {
        let mut sums = vec![None; 13];
        rest.iter().for_each(|(_, values)| add_months(&mut sums, values));
        series.push(one_series(&format!("Other ({})", rest.len()), &sums));
    }
    let labels = months_until(&report.period)?;
    let bars = charts::Bars {
        id: "costs-by-month",
        label_head: "Month",
        labels: &labels,
        series: &series,
        last_is_open: false,
        size: (1160, 260),
    };
    let title = format!("Thirteen months by {first}");
    let summary = format!(
        "{} cost by month and {first}, {}. The table below the drawing holds the exact figures.",
        basis_word(report.basis),
        report.currency
    );
    drawn(bars.draw()).map(|drawing| chart("costs-by-month", title, summary, drawing))
}

pub(crate) fn basis_word(basis: wire::Basis) -> &'static str {
    match basis {
        wire::Basis::Effective => "Effective",
        wire::Basis::Billed => "Billed",
    }
}

fn one_series(name: &str, values: &[Option<Money>]) -> charts::Series {
    charts::Series {
        name: name.to_owned(),
        values: values.iter().map(|v| v.map(|m| m.to_string())).collect(),
    }
}

fn add_months(sums: &mut [Option<Money>], values: &[Option<Money>]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        if let Some(value) = value {
            *sum = sum.unwrap_or_default().checked_add(*value).ok();
        }
    }
}

/// Labels of the 13 months that end with `period`.
pub(super) fn months_until(period: &str) -> Option<Vec<String>> {
    let mut period: domain::BillingPeriod = period.parse().ok()?;
    let mut labels = Vec::with_capacity(13);
    for _ in 0..13 {
        labels.push(period.to_string());
        period = period.previous();
    }
    labels.reverse();
    Some(labels)
}
