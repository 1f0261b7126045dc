//! How are we doing this month? The Overview page, first form.

use super::change::permille;
use super::context::Ground;
use super::costs::{Rows, basis_word, months_until};
use super::{chart, drawn};
use crate::app::App;
use crate::app::cube::{Groups, PeriodCube, amount};
use crate::error::AppError;
use domain::{BillingPeriod, Money};
use frontend::query::PageQuery;
use std::collections::BTreeMap;
use wire::{
    CostReport, CostsQuery, Figure, OverviewPage, PeriodState, RowKind, SentencePart, SortKey, SortOrder, Tile, Tone,
};

/// Tenants in the table and causes in the waterfall before "Other".
const TOP: usize = 9;
const CAUSES: usize = 6;

impl App {
    /// The Overview page.
    ///
    /// # Errors
    /// When there is no bill, or the machinery failed.
    pub async fn overview(&self, query: &PageQuery) -> Result<OverviewPage, AppError> {
        self.steady(|| self.overview_now(query)).await
    }

    async fn overview_now(&self, query: &PageQuery) -> Result<OverviewPage, AppError> {
        let ground = self.ground(query).await?;
        let costs = CostsQuery {
            period: Some(ground.period.to_string()),
            by: vec!["tenant".to_owned()],
            basis: ground.basis,
            currency: Some(ground.currency.clone()),
            against: ground.against.map(|p| p.to_string()),
            filters: Vec::new(),
            sort: SortKey::Cost,
            dir: SortOrder::Desc,
            page: 1,
        };
        let all = self.cost_report(&ground, &costs, Rows::All).await?;
        let pace = Pace::of(&ground)?;
        // the proof against the bill is of the whole company
        let reconciled = match self.reads_estate() {
            Ok(()) => Some(self.reconcile_now(ground.period).await?),
            Err(_) => None,
        };
        let residual = reconciled.map(|proof| {
            let mut currencies = proof.currencies.iter();
            let of = currencies.find(|of| of.currency == ground.currency);
            of.map(|of| of.residual.clone())
        });
        let months = self.months_chart(&ground).await?;
        let causes = causes(&ground)?;
        Ok(OverviewPage {
            sentence: sentence(&ground, &pace, &causes)?,
            tiles: tiles(&ground, &pace, &all, residual),
            month_to_date: month_to_date(&ground, &pace),
            months,
            causes: waterfall(&ground, &pace, &causes)?,
            tenants: top(all)?,
            context: ground.context,
        })
    }

    async fn months_chart(&self, ground: &Ground) -> Result<Option<wire::Chart>, AppError> {
        let mut values = Vec::with_capacity(13);
        for (_, cube) in self.year_and_month(ground).await? {
            let total = cube
                .map(|cube| cube.total(&cube.select(&ground.currency, &[]), ground.basis))
                .transpose()?;
            values.push(total.map(|t| t.to_string()));
        }
        let Some(labels) = months_until(&ground.context.period) else {
            return Ok(None);
        };
        let series = [charts::Series {
            name: format!("{} cost, {}", basis_word(ground.basis), ground.currency),
            values,
        }];
        let open = ground.context.state == PeriodState::Estimated;
        let bars = charts::Bars {
            id: "months",
            label_head: "Month",
            labels: &labels,
            series: &series,
            last_is_open: open,
            size: (560, 240),
        };
        let summary = format!(
            "{} cost by billing month, {}.",
            basis_word(ground.basis),
            ground.currency
        );
        Ok(drawn(bars.draw()).map(|drawing| chart("months", "Thirteen months", summary, drawing)))
    }
}

/// Two periods over the same number of days: an unfinished month is compared
/// with the same days of the other, never with the whole of it.
struct Pace {
    /// Days compared, from 1.
    days: i32,
    /// Whether the month is complete.
    complete: bool,
    now: Vec<Money>,
    total: Money,
    total_before: Option<Money>,
}

fn cumulative(cube: &PeriodCube, ground: &Ground, days: i32) -> Result<Vec<Money>, AppError> {
    let first = cube.period.first_day();
    let mut by_day: BTreeMap<i32, Money> = BTreeMap::new();
    for ((currency, day), value) in &cube.days {
        if currency.as_str() == ground.currency {
            // a correction of an earlier month counts from day 1, a fee that runs on counts on the last
            let at = (day.0 - first.0).clamp(0, cube.period.days() - 1);
            let sum = by_day.entry(at).or_default();
            *sum = sum.checked_add(amount(value, ground.basis))?;
        }
    }
    let mut running = Money::ZERO;
    let mut values = Vec::new();
    for at in 0..days.min(cube.period.days()) {
        running = running.checked_add(by_day.get(&at).copied().unwrap_or_default())?;
        values.push(running);
    }
    Ok(values)
}

impl Pace {
    fn of(ground: &Ground) -> Result<Pace, AppError> {
        let period = ground.period;
        let complete = ground.days.is_none();
        let days = ground.days.unwrap_or_else(|| period.days());
        let now = cumulative(&ground.cube, ground, days)?;
        let before = match &ground.prior_whole {
            Some(prior) => Some(cumulative(
                prior,
                ground,
                if complete { prior.period.days() } else { days },
            )?),
            None => None,
        };
        let total = now.last().copied().unwrap_or_default();
        let total_before = before.as_ref().and_then(|values| values.last().copied());
        Ok(Pace {
            days,
            complete,
            now,
            total,
            total_before,
        })
    }
}

fn month_name(period: BillingPeriod) -> &'static str {
    wire::month_name(&period.to_string()).unwrap_or("The month")
}

/// The name of the month compared with; with its year when that is another one.
fn prior_name(ground: &Ground) -> String {
    let Some(against) = ground.against else {
        return String::new();
    };
    let year = against.number() / 100;
    if year == ground.period.number() / 100 || against == ground.period.previous() {
        return month_name(against).to_owned();
    }
    format!("{} {year}", month_name(against))
}

fn grouped(amount: Money) -> String {
    let text = amount.to_fixed(0);
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", text.as_str()), |digits| ("\u{2212}", digits));
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}")
}

fn part(text: impl Into<String>, tone: Tone) -> SentencePart {
    SentencePart {
        text: text.into(),
        tone,
    }
}

fn sentence(ground: &Ground, pace: &Pace, causes: &[(String, Money)]) -> Result<Vec<SentencePart>, AppError> {
    let name = month_name(ground.period);
    let figure = format!("{} {}", grouped(pace.total), ground.currency);
    let mut parts = if pace.complete {
        vec![
            part(format!("{name} came to "), Tone::Plain),
            part(figure, Tone::Strong),
        ]
    } else {
        vec![
            part(format!("{name} stands at "), Tone::Plain),
            part(figure, Tone::Strong),
            part(format!(" after {} days", pace.days), Tone::Plain),
        ]
    };
    let Some(before) = pace.total_before else {
        parts.push(part(". There is no earlier month to compare with.", Tone::Plain));
        return Ok(parts);
    };
    let change = pace.total.checked_sub(before)?;
    let percent = permille(change.abs(), before.abs());
    let base = match (pace.complete, ground.against_days) {
        (true, None) => prior_name(ground),
        (false, None) => format!("the same days of {}", prior_name(ground)),
        (_, Some(days)) => format!("the first {days} days of {}, all there is of it", prior_name(ground)),
    };
    if percent == 0 {
        parts.push(part(format!(", unchanged from {base}."), Tone::Plain));
        return Ok(parts);
    }
    let (word, tone) = if change > Money::ZERO {
        ("more", Tone::Over)
    } else {
        ("less", Tone::Save)
    };
    parts.push(part(", ", Tone::Plain));
    parts.push(part(
        format!("{}.{} % {word} than {base}", percent / 10, percent % 10),
        tone,
    ));
    let same_way: Vec<&(String, Money)> = causes
        .iter()
        .filter(|(_, amount)| (*amount > Money::ZERO) == (change > Money::ZERO))
        .take(2)
        .collect();
    match same_way.as_slice() {
        [] => parts.push(part(".", Tone::Plain)),
        [one] => parts.push(part(format!(". Largest cause: {}.", one.0), Tone::Plain)),
        many => parts.push(part(
            format!(". Largest causes: {} and {}.", many[0].0, many[1].0),
            Tone::Plain,
        )),
    }
    Ok(parts)
}

/// What changed most by tenant, over the days compared.
fn causes(ground: &Ground) -> Result<Vec<(String, Money)>, AppError> {
    let Some(prior) = &ground.prior else {
        return Ok(Vec::new());
    };
    let by = ["tenant".to_owned()];
    let now = ground
        .cube
        .group(&ground.cube.select(&ground.currency, &[]), &by, ground.basis)?;
    let before = prior.group(&prior.select(&ground.currency, &[]), &by, ground.basis)?;
    let keys: std::collections::BTreeSet<_> = now.keys().chain(before.keys()).collect();
    let mut causes = Vec::new();
    for key in keys {
        let of = |groups: &Groups| groups.get(key).map_or(Money::ZERO, |(cost, _)| *cost);
        let change = of(&now).checked_sub(of(&before))?;
        let name = frontend::words::value("tenant", &key[0]);
        causes.push((name, change));
    }
    causes.sort_by_key(|(name, change)| (std::cmp::Reverse(change.abs()), name.clone()));
    causes.retain(|(_, change)| !change.is_zero());
    Ok(causes)
}

/// `residual`: `None` for a reader of some owners only, whose figures have none.
fn tiles(ground: &Ground, pace: &Pace, all: &CostReport, residual: Option<Option<String>>) -> Vec<Tile> {
    let total = Money::parse(&all.total).unwrap_or_default();
    let unallocated = Money::parse(&all.unallocated).unwrap_or_default();
    let owned = total.checked_sub(unallocated).unwrap_or_default();
    let costs = |extra: &str| {
        Some(format!(
            "/costs?period={}&currency={}&basis={}{extra}",
            ground.period,
            ground.currency,
            ground.basis.key()
        ))
    };
    let day = if pace.complete {
        format!("{} days", pace.days)
    } else {
        format!("day {} of {}", pace.days, ground.period.days())
    };
    let attributed = if total.is_zero() {
        Figure::Unknown
    } else {
        Figure::Permille(permille(owned, total))
    };
    let estate = residual.is_some();
    let residual = residual.flatten();
    let residual_tone = if residual.as_deref() == Some("0") {
        Tone::Plain
    } else {
        Tone::Warn
    };
    let open = ground.context.state == PeriodState::Estimated;
    let mut tiles = vec![
        Tile {
            label: if open { "To date" } else { "Total" }.to_owned(),
            value: Figure::Money(all.total.clone()),
            note: day,
            tone: Tone::Plain,
            href: costs("&by=tenant"),
        },
        Tile {
            label: "With a tenant".to_owned(),
            value: attributed,
            note: format!("{} {} without", grouped(unallocated), ground.currency),
            tone: Tone::Plain,
            href: costs("&by=tenant,service"),
        },
        Tile {
            label: "Residual to the bill".to_owned(),
            value: residual.map_or(Figure::Unknown, Figure::MoneyExact),
            note: if open { "open, may change" } else { "final" }.to_owned(),
            tone: residual_tone,
            href: Some(format!("/reconciliation?period={}", ground.period)),
        },
        Tile {
            label: "Data through".to_owned(),
            value: ground
                .context
                .data_through
                .clone()
                .map_or(Figure::Unknown, Figure::Text),
            note: format!(
                "{} of {} sources fresh",
                ground.context.sources_fresh, ground.context.sources_total
            ),
            tone: if ground.context.stale { Tone::Warn } else { Tone::Plain },
            href: estate.then(|| format!("/sources?period={}", ground.period)),
        },
    ];
    if !estate {
        tiles.remove(2);
    }
    tiles
}

fn month_to_date(ground: &Ground, pace: &Pace) -> Option<wire::Chart> {
    // the longer of the two months, so that each line ends where its month does
    let days = ground.against.map_or(0, BillingPeriod::days).max(ground.period.days());
    let labels: Vec<String> = (1..=days).map(|day| day.to_string()).collect();
    let padded = |values: &[Money]| -> Vec<Option<String>> {
        (0..days as usize)
            .map(|at| values.get(at).map(ToString::to_string))
            .collect()
    };
    let mut series = vec![charts::Series {
        name: month_name(ground.period).to_owned(),
        values: padded(&pace.now),
    }];
    if let Some(prior) = &ground.prior_whole {
        let whole = cumulative(prior, ground, prior.period.days()).ok()?;
        series.push(charts::Series {
            name: prior_name(ground),
            values: padded(&whole),
        });
    }
    let lines = charts::Lines {
        id: "month-to-date",
        label_head: "Day of the month",
        labels: &labels,
        second_is_prior: series.len() > 1,
        series: &series,
        size: (640, 260),
    };
    let title = match pace.total_before {
        Some(_) if ground.against_days.is_some() => format!("Beside {}, which is not complete", prior_name(ground)),
        Some(before) if pace.total > before => format!("Ahead of {}", prior_name(ground)),
        Some(_) => format!("Not above {}", prior_name(ground)),
        None => "Spend so far".to_owned(),
    };
    let summary = format!(
        "Cumulative {} cost by day, {}, as allocated over the charge periods.",
        basis_word(ground.basis).to_lowercase(),
        ground.currency
    );
    drawn(lines.draw()).map(|drawing| chart("month-to-date", title, summary, drawing))
}

fn waterfall(ground: &Ground, pace: &Pace, causes: &[(String, Money)]) -> Result<Option<wire::Chart>, AppError> {
    let (Some(before), false) = (pace.total_before, causes.is_empty()) else {
        return Ok(None);
    };
    let mut steps: Vec<charts::WaterfallStep> = Vec::new();
    for (name, change) in causes.iter().take(CAUSES) {
        steps.push(charts::WaterfallStep {
            name: name.clone(),
            amount: change.to_string(),
        });
    }
    let rest = Money::sum(causes.iter().skip(CAUSES).map(|(_, change)| *change))?;
    if causes.len() > CAUSES {
        steps.push(charts::WaterfallStep {
            name: format!("Other ({})", causes.len() - CAUSES),
            amount: rest.to_string(),
        });
    }
    let (from, to) = (before.to_string(), pace.total.to_string());
    let span = |days: Option<i32>| days.map_or_else(String::new, |days| format!(" 1\u{2013}{days}"));
    let (start, end) = (
        format!("{}{}", prior_name(ground), span(ground.against_days.or(ground.days))),
        format!("{}{}", month_name(ground.period), span(ground.days)),
    );
    let head = format!("Change, {}", ground.currency);
    let drawing = charts::Waterfall {
        id: "causes",
        start: (&start, &from),
        steps: &steps,
        end: (&end, &to),
        amount_head: &head,
        width: 480,
    };
    let title = format!("From {} to {}", prior_name(ground), month_name(ground.period));
    let summary = format!("What changed most by tenant, {}.", ground.currency);
    Ok(drawn(drawing.draw()).map(|d| chart("causes", title, summary, d)))
}

/// The largest tenants, "Other" with what is left, unallocated cost as its own row.
fn top(mut report: CostReport) -> Result<CostReport, AppError> {
    let unallocated: Vec<_> = report
        .rows
        .iter()
        .filter(|row| row.kind == RowKind::Unallocated)
        .cloned()
        .collect();
    report.rows.retain(|row| row.kind != RowKind::Unallocated);
    let rest = report.rows.split_off(report.rows.len().min(TOP));
    let sum = |of: &dyn Fn(&wire::CostRow) -> Option<String>| {
        Money::sum(
            rest.iter()
                .map(|row| of(row).and_then(|t| Money::parse(&t).ok()).unwrap_or_default()),
        )
    };
    if let Some(first) = rest.first() {
        let cost = sum(&|row| Some(row.cost.clone()))?;
        let prior = sum(&|row| row.prior.clone())?;
        report.other = Some(wire::CostRow {
            keys: BTreeMap::new(),
            cost: cost.to_string(),
            prior: first.prior.as_ref().map(|_| prior.to_string()),
            change: if first.prior.is_some() {
                super::change::change(Some(cost), Some(prior))?
            } else {
                None
            },
            share_permille: Some(rest.iter().filter_map(|row| row.share_permille).sum()),
            bar_permille: 0,
            trend: Vec::new(),
            sparkline: None,
            kind: RowKind::Other,
            note: Some(format!("{} tenants", rest.len())),
            explain_id: None,
        });
    }
    report.rows.extend(unallocated);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_amounts_are_grouped() {
        for (amount, expect) in [
            ("412300.4", "412,300"),
            ("-1240", "\u{2212}1,240"),
            ("999.5", "1,000"),
            ("0", "0"),
        ] {
            assert_eq!(grouped(Money::parse(amount).expect(amount)), expect);
        }
    }
}
