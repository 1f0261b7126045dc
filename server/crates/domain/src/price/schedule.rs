//! Annual and other fees on an amortisation schedule (A24): what is paid once
//! costs a part of it on every day of its term, also in months whose bill does
//! not name it any more.
//!
//! A fee that the policy names leaves the month it is billed in, and every day
//! of its term gets a share by cumulative apportionment over days, so that the
//! shares of a term are the fee to the digit. A refund lowers what is left: the
//! rest runs on over the rest of the term, a rest of nothing stops it, and what
//! is paid back beyond the rest is taken off the cost at once. Days before the
//! month of the bill that brought the fee count in that month: a month depends
//! on its own bill and on those before it, on none after it.

use super::{Kind, PRICE_RULE, Policy, PriceError, PriceRule, text};
use crate::apportion::Splitter;
use crate::charge::{Attributes, Charge, ChargeCategory};
use crate::class::Class;
use crate::instant::{DAY_US, Day, Span};
use crate::money::{Currency, Money};
use crate::period::BillingPeriod;
use crate::rule::Condition;
use chrono::{Months, NaiveDate};
use std::collections::BTreeSet;

/// A charge period of more days than this is the term of a fee.
const MONTH_DAYS: i64 = 31;

/// One entry of the policy for schedules.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The least EffectiveCost, in the currency of the bill; below it a fee is expensed.
    pub above: Money,
    /// Term of a fee whose charge period is no longer than a month.
    pub term_months: u32,
    /// First day of a charge period it is for.
    pub from: Option<NaiveDate>,
    /// First day it is no longer for.
    pub to: Option<NaiveDate>,
    pub when: Option<Condition>,
}

/// Where a fee stands in the bills.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Origin {
    /// The file with its charge.
    pub path: String,
    /// The delivery it came with.
    pub delivery_id: String,
    /// Position of its file in the delivery.
    pub part: i32,
    /// Its line in that file.
    pub line: i64,
}

/// A line that is on a schedule, or pays back one that may be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fee {
    /// What rules see.
    pub attributes: Attributes,
    /// ResourceId; empty for none.
    pub resource: String,
    /// Currency of the amount.
    pub currency: Currency,
    /// Month of the bill that has it.
    pub period: BillingPeriod,
    /// Charge period.
    pub span: Span,
    /// EffectiveCost on the bill.
    pub effective: Money,
    /// First day after its term; `None` = it pays back.
    pub end: Option<Day>,
    /// Where it is.
    pub origin: Origin,
}

/// Whether a line can be on a schedule, or pay back what is: a purchase, or
/// usage charged once or by the month or year, without a commitment, of nothing
/// that follows a cluster.
#[must_use]
pub fn is_fee(line: &Kind<'_>) -> bool {
    const KEPT_OUT: [Class; 11] = [
        Class::Tax,
        Class::Discount,
        Class::Credit,
        Class::CommitmentPurchase,
        Class::NodeCompute,
        Class::Machine,
        Class::NodeDisk,
        Class::Volume,
        Class::Network,
        Class::LoadBalancer,
        Class::ControlPlane,
    ];
    let frequency = text(line.attributes, "ChargeFrequency");
    let is = |value: &str| frequency.eq_ignore_ascii_case(value);
    let once = match line.category {
        ChargeCategory::Purchase => !is("Usage-Based"),
        ChargeCategory::Usage => is("One-Time") || is("Recurring"),
        _ => false,
    };
    once && !KEPT_OUT.contains(&line.class)
        && text(line.attributes, "CommitmentDiscountId").is_empty()
        && text(line.attributes, PRICE_RULE).is_empty()
}

impl Policy {
    /// Whether any fee is put on a schedule.
    #[must_use]
    pub fn has_schedules(&self) -> bool {
        !self.schedules.is_empty()
    }

    /// What of the policy says which lines are fees: equal texts, equal fees of a bill.
    #[must_use]
    pub fn schedules_text(&self) -> String {
        format!("{:?}", self.schedules)
    }

    fn entry(&self, line: &Kind<'_>, first: Day) -> Option<&Entry> {
        let day = first.date();
        self.schedules.iter().find(|entry| {
            let in_force = entry.from.is_none_or(|from| from <= day) && entry.to.is_none_or(|to| day < to);
            let when = entry.when.as_ref();
            in_force && when.is_none_or(|when| when.holds(line.attributes, &mut Vec::new()))
        })
    }

    /// Whether a line is of those that are put on schedules when they are large
    /// enough: no discount is theirs.
    pub(super) fn names_fee(&self, line: &Kind<'_>, first: Day) -> bool {
        self.has_schedules() && is_fee(line) && self.entry(line, first).is_some()
    }

    /// What a line is to schedules: on one up to a day, or paying back; `None` = nothing.
    #[must_use]
    pub fn term_of(&self, line: &Kind<'_>, span: Span, effective: Money) -> Option<Option<Day>> {
        if !self.has_schedules() || !is_fee(line) || effective.is_zero() {
            return None;
        }
        if effective.units() < 0 {
            return Some(None);
        }
        let first = span.first_day();
        let entry = self.entry(line, first).filter(|entry| effective >= entry.above)?;
        let end = if span.duration_us() > MONTH_DAYS * DAY_US {
            // a day that is begun is one
            Day(i32::try_from((span.end.0 + DAY_US - 1).div_euclid(DAY_US)).unwrap_or(i32::MAX))
        } else {
            let end = first.date().checked_add_months(Months::new(entry.term_months));
            end.map_or(Day(first.0 + 1), Day::from_date)
        };
        Some(Some(end.max(Day(first.0 + 1))))
    }
}

/// The fees of a bill, in canonical order (A12): the reference of `lake::fees`.
#[must_use]
pub fn fees(charges: &[Charge], program: &crate::allocate::Program) -> Vec<Fee> {
    let columns = program.columns();
    let kept = |name: &String| columns.contains(name) || name == "BillingCurrency" || name == "ChargeCategory";
    let mut fees: Vec<Fee> = charges
        .iter()
        .filter_map(|charge| {
            let mut attributes = charge.attributes.clone();
            attributes.columns.retain(|name, _| kept(name));
            let line = Kind {
                category: charge.category,
                class: program.classes.class_of(&attributes),
                attributes: &attributes,
            };
            let end = program.prices.term_of(&line, charge.span, charge.effective)?;
            Some(Fee {
                resource: charge.attributes.column("ResourceId").unwrap_or("").to_owned(),
                attributes,
                currency: charge.currency.clone(),
                period: charge.period,
                span: charge.span,
                effective: charge.effective,
                end,
                origin: Origin {
                    delivery_id: charge.id.clone(),
                    ..Origin::default()
                },
            })
        })
        .collect();
    fees.sort();
    fees
}

/// An amount over the days of a term, of which those before `until` count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    amount: Money,
    from: Day,
    to: Day,
    until: Day,
}

impl Stretch {
    /// The share of the days in a stretch of time, and those of them that count.
    fn share(&self, first: Day, next: Day, split: Splitter) -> Result<Option<(Day, Day, Money)>, PriceError> {
        let (from, to) = (first.max(self.from), next.min(self.until));
        if from >= to {
            return Ok(None);
        }
        let days = [from.0 - self.from.0, to.0 - from.0, self.to.0 - to.0];
        let share = split(self.amount, &days.map(i128::from))?[1];
        Ok(Some((from, to, share)))
    }
}

/// A fee, what of it was paid back, and when which part of it is a cost.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Schedule<'f> {
    fee: &'f Fee,
    end: Day,
    refunds: Vec<&'f Fee>,
    stretches: Vec<Stretch>,
}

/// A month of a schedule: opening + purchases - amortised - refunds = closing (A8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleMonth<'f> {
    /// The fee.
    pub fee: &'f Fee,
    /// First day after its term.
    pub end: Day,
    /// Prepaid before the month.
    pub opening: Money,
    /// What the month's bill charges.
    pub purchases: Money,
    /// What of it is a cost of the month.
    pub amortised: Money,
    /// What the month's bill pays back, above zero.
    pub refunds: Money,
    /// Prepaid after the month.
    pub closing: Money,
    /// What is amortised by stretch of days, the end exclusive.
    pieces: Vec<(Day, Day, Money)>,
    /// What paid back in the month.
    refunded: Vec<&'f Fee>,
}

/// Money that a schedule takes off a line, or adds for some days of its term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled<'f> {
    /// The line.
    pub line: &'f Fee,
    /// The month it is a cost of.
    pub period: BillingPeriod,
    /// The days it is for.
    pub span: Span,
    /// How much.
    pub effective: Money,
}

impl Fee {
    /// The day a refund counts from: within the month of its bill, since what
    /// was charged before is not charged anew.
    fn day(&self) -> Day {
        let last = Day(self.period.next().first_day().0 - 1);
        self.span.first_day().clamp(self.period.first_day(), last)
    }

    /// What a refund must have in common with its fee.
    fn names(&self) -> [&str; 5] {
        let of = |column| text(&self.attributes, column);
        [
            of("BillingAccountId"),
            of("SubAccountId"),
            of("ServiceName"),
            of("SkuId"),
            self.currency.as_str(),
        ]
    }
}

impl<'f> Schedule<'f> {
    fn new(fee: &'f Fee, end: Day) -> Schedule<'f> {
        let from = fee.span.first_day();
        let whole = Stretch {
            amount: fee.effective,
            from,
            to: end,
            until: end,
        };
        Schedule {
            fee,
            end,
            refunds: Vec::new(),
            stretches: vec![whole],
        }
    }

    /// How well a refund fits: `None` = it is of another fee.
    fn fit(&self, refund: &Fee) -> Result<Option<impl Ord + use<>>, PriceError> {
        let begun = self.fee.period <= refund.period && self.fee.names() == refund.names();
        let paid = Money::sum(self.refunds.iter().map(|of| of.effective))?.checked_add(self.fee.effective)?;
        let left = paid.checked_add(refund.effective)?.units() >= 0;
        let resource = self.fee.resource == refund.resource;
        let span = self.fee.span == refund.span;
        Ok(begun.then(|| (left, resource, span, self.fee.span.first_day())))
    }

    /// Takes a refund off what is left on its day.
    fn refund(&mut self, refund: &'f Fee, split: Splitter) -> Result<(), PriceError> {
        self.refunds.push(refund);
        let Some(last) = self.stretches.last_mut() else {
            return Ok(());
        };
        let day = refund.day().max(last.from);
        let rest = last
            .share(day, last.to, split)?
            .map_or(Money::ZERO, |(_, _, rest)| rest);
        last.until = day.min(last.to);
        let amount = rest.checked_add(refund.effective)?;
        let runs_on = amount.units() >= 0 && day < self.end;
        let to = if runs_on { self.end } else { Day(day.0 + 1) };
        self.stretches.push(Stretch {
            amount,
            from: day,
            to,
            until: to,
        });
        Ok(())
    }

    /// A month; `None` before it begins and when it is over.
    fn month(&self, period: BillingPeriod, split: Splitter) -> Result<Option<ScheduleMonth<'f>>, PriceError> {
        if period < self.fee.period {
            return Ok(None);
        }
        let begins = period == self.fee.period;
        let first = if begins { Day(i32::MIN) } else { period.first_day() };
        let next = period.next().first_day();
        let paid = |lines: &[&Fee]| Money::sum(lines.iter().map(|of| of.effective));
        let (refunded, before): (Vec<&Fee>, Vec<&Fee>) = {
            let known = self.refunds.iter().copied().filter(|of| of.period <= period);
            known.partition(|of| of.period == period)
        };
        let (mut pieces, mut amortised_before) = (Vec::new(), Money::ZERO);
        for stretch in &self.stretches {
            pieces.extend(stretch.share(first, next, split)?);
            if let Some((_, _, share)) = stretch.share(Day(i32::MIN), first, split)? {
                amortised_before = amortised_before.checked_add(share)?;
            }
        }
        let opening = if begins {
            Money::ZERO
        } else {
            let paid_before = self.fee.effective.checked_add(paid(&before)?)?;
            paid_before.checked_sub(amortised_before)?
        };
        let purchases = if begins { self.fee.effective } else { Money::ZERO };
        let amortised = Money::sum(pieces.iter().map(|(_, _, share)| *share))?;
        let refunds = -paid(&refunded)?;
        let closing = opening
            .checked_add(purchases)?
            .checked_sub(amortised)?
            .checked_sub(refunds)?;
        let over = !begins && opening.is_zero() && amortised.is_zero() && refunds.is_zero();
        Ok((!over).then_some(ScheduleMonth {
            fee: self.fee,
            end: self.end,
            opening,
            purchases,
            amortised,
            refunds,
            closing,
            pieces,
            refunded,
        }))
    }
}

/// The schedules of some fees, in any order, with what was paid back of each:
/// of those that agree in account, service, SKU and currency the one that
/// still has so much, names the same resource and the same time, and began last.
fn schedules(fees: &[Fee], split: Splitter) -> Result<Vec<Schedule<'_>>, PriceError> {
    let mut ordered: Vec<&Fee> = fees.iter().collect();
    ordered.sort();
    let begun = ordered.iter().filter_map(|fee| Some(Schedule::new(fee, fee.end?)));
    let mut schedules: Vec<Schedule<'_>> = begun.collect();
    let mut refunds: Vec<&Fee> = ordered.into_iter().filter(|fee| fee.end.is_none()).collect();
    // a stable order: by day, then as above
    refunds.sort_by_key(|refund| (refund.period, refund.day()));
    for refund in refunds {
        let mut best = None;
        for (at, schedule) in schedules.iter().enumerate() {
            if let Some(fit) = schedule.fit(refund)? {
                best = best.max(Some((fit, at)));
            }
        }
        if let Some((_, at)) = best {
            schedules[at].refund(refund, split)?;
        }
    }
    Ok(schedules)
}

/// The schedules that run in a month, or begin or are paid back in it.
///
/// # Errors
/// When an amount cannot be split or added exactly.
pub fn in_month(fees: &[Fee], period: BillingPeriod, split: Splitter) -> Result<Vec<ScheduleMonth<'_>>, PriceError> {
    let mut months = Vec::new();
    for schedule in schedules(fees, split)? {
        months.extend(schedule.month(period, split)?);
    }
    Ok(months)
}

/// What schedules take off lines of these months' bills and add to their days.
///
/// # Errors
/// When an amount cannot be split or added exactly.
pub fn scheduled<'f>(
    fees: &'f [Fee],
    months: &BTreeSet<BillingPeriod>,
    split: Splitter,
) -> Result<Vec<Scheduled<'f>>, PriceError> {
    let mut all = Vec::new();
    for schedule in schedules(fees, split)? {
        for period in months {
            let Some(month) = schedule.month(*period, split)? else {
                continue;
            };
            let off = [month.fee].into_iter().filter(|_| !month.purchases.is_zero());
            all.extend(off.chain(month.refunded).map(|line| Scheduled {
                line,
                period: *period,
                span: line.span,
                effective: -line.effective,
            }));
            let shares = month.pieces.into_iter().filter(|(_, _, share)| !share.is_zero());
            all.extend(shares.map(|(from, to, share)| Scheduled {
                line: schedule.fee,
                period: *period,
                span: Span {
                    start: from.start(),
                    end: to.start(),
                },
                effective: share,
            }));
        }
    }
    Ok(all)
}

impl Scheduled<'_> {
    /// What rules see of it: its line, and the rule.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let rule = PriceRule::Schedule.as_str();
        self.line.attributes.clone().with_column(PRICE_RULE, rule)
    }

    /// It as a charge, to be allocated after the bill: the reference.
    pub(super) fn charge(&self) -> Charge {
        Charge {
            id: format!("{} {}", self.line.origin.delivery_id, PriceRule::Schedule.as_str()),
            period: self.period,
            span: self.span,
            currency: self.line.currency.clone(),
            category: self
                .line
                .attributes
                .column("ChargeCategory")
                .and_then(ChargeCategory::parse)
                .unwrap_or(ChargeCategory::Purchase),
            billed: Money::ZERO,
            effective: self.effective,
            consumed_s: None,
            prices: super::Prices::default(),
            attributes: self.attributes(),
        }
    }
}

#[cfg(test)]
mod tests;
