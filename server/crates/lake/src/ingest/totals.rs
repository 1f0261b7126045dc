//! Control totals, kept row by row: while converting, and again from what was
//! written. The same groups with the same sums, or the files do not count.

use super::ControlTotal;
use domain::instant::Instant;
use domain::money::MoneyOverflow;
use domain::{BillingPeriod, Currency, Finding, Money};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// What a row adds.
pub(crate) struct RowFacts<'a> {
    pub period: BillingPeriod,
    /// As in the bill; empty when it names none.
    pub currency: &'a str,
    pub account: &'a str,
    pub sub_account: &'a str,
    pub billed: i128,
    pub effective: i128,
    pub list: Option<i128>,
    pub contracted: Option<i128>,
    pub start: i64,
    /// ChargePeriodEnd of a Usage row.
    pub usage_end: Option<i64>,
    pub invoiced: bool,
}

/// Where a group was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub part: usize,
    pub line: u64,
}

/// The texts a group is found by, as in the bill.
#[derive(PartialEq, Eq)]
struct RawKey {
    period: BillingPeriod,
    currency: String,
    account: String,
    sub_account: String,
    group: usize,
}

impl RawKey {
    fn is(&self, facts: &RowFacts<'_>) -> bool {
        self.sub_account == facts.sub_account
            && self.account == facts.account
            && self.currency == facts.currency
            && self.period == facts.period
    }
}

fn empty(facts: &RowFacts<'_>, currency: Currency) -> ControlTotal {
    ControlTotal {
        period: facts.period,
        currency,
        billing_account_id: facts.account.to_owned(),
        sub_account_id: facts.sub_account.to_owned(),
        rows: 0,
        billed: Money::ZERO,
        effective: Money::ZERO,
        list: Some(Money::ZERO),
        contracted: Some(Money::ZERO),
        first_charge: Instant(i64::MAX),
        last_usage_end: None,
        rows_with_invoice: 0,
        billed_with_invoice: Money::ZERO,
    }
}

/// Sums by period, currency, account and sub-account.
#[derive(Default)]
pub(crate) struct Totals {
    groups: Vec<ControlTotal>,
    places: Vec<Place>,
    keys: Vec<RawKey>,
    by_hash: HashMap<u64, Vec<usize>, RandomState>,
    by_group: HashMap<(BillingPeriod, Currency, String, String), usize>,
    // the first group of a billing account and period: its currency is the rule
    by_account: HashMap<(BillingPeriod, String), usize>,
    // rows of a key come in runs
    last: usize,
}

impl Totals {
    /// Adds a row; answers the group's position when it is a new one.
    pub fn add(&mut self, facts: &RowFacts<'_>, place: Place) -> Result<Option<usize>, MoneyOverflow> {
        let mut new = None;
        if !self.keys.get(self.last).is_some_and(|key| key.is(facts)) {
            let groups = self.groups.len();
            self.last = self.key(facts, place);
            new = (self.groups.len() > groups).then_some(groups);
        }
        let group = &mut self.groups[self.keys[self.last].group];
        // cells hold at most 38 digits, so a value is always representable
        let value = |units: i128| Money::from_units(units).ok_or(MoneyOverflow);
        let sum = |total: Option<Money>, units: Option<i128>| match (total, units) {
            (Some(total), Some(units)) => total.checked_add(value(units)?).map(Some),
            _ => Ok(None),
        };
        group.rows += 1;
        group.billed = group.billed.checked_add(value(facts.billed)?)?;
        group.effective = group.effective.checked_add(value(facts.effective)?)?;
        group.list = sum(group.list, facts.list)?;
        group.contracted = sum(group.contracted, facts.contracted)?;
        group.first_charge = group.first_charge.min(Instant(facts.start));
        group.last_usage_end = group.last_usage_end.max(facts.usage_end.map(Instant));
        if facts.invoiced {
            group.rows_with_invoice += 1;
            group.billed_with_invoice = group.billed_with_invoice.checked_add(value(facts.billed)?)?;
        }
        Ok(new)
    }

    fn key(&mut self, facts: &RowFacts<'_>, place: Place) -> usize {
        let hash = self
            .by_hash
            .hasher()
            .hash_one((facts.period, facts.currency, facts.account, facts.sub_account));
        let same_hash = self.by_hash.entry(hash).or_default();
        if let Some(found) = same_hash.iter().find(|at| self.keys[**at].is(facts)) {
            return *found;
        }
        same_hash.push(self.keys.len());
        let currency = Currency::parse(facts.currency).unwrap_or_else(Currency::unknown);
        let name = (
            facts.period,
            currency.clone(),
            facts.account.to_owned(),
            facts.sub_account.to_owned(),
        );
        let group = self.by_group.get(&name).copied().unwrap_or_else(|| {
            let group = self.groups.len();
            self.by_group.insert(name, group);
            self.by_account
                .entry((facts.period, facts.account.to_owned()))
                .or_insert(group);
            self.groups.push(empty(facts, currency));
            self.places.push(place);
            group
        });
        self.keys.push(RawKey {
            period: facts.period,
            currency: facts.currency.to_owned(),
            account: facts.account.to_owned(),
            sub_account: facts.sub_account.to_owned(),
            group,
        });
        self.keys.len() - 1
    }

    /// Adds what was counted elsewhere, of other rows; places are not kept.
    pub fn merge(&mut self, other: Totals) -> Result<(), MoneyOverflow> {
        for more in other.groups {
            let name = (
                more.period,
                more.currency.clone(),
                more.billing_account_id.clone(),
                more.sub_account_id.clone(),
            );
            let Some(group) = self.by_group.get(&name).and_then(|at| self.groups.get_mut(*at)) else {
                self.by_group.insert(name, self.groups.len());
                self.groups.push(more);
                continue;
            };
            let sum = |total: Option<Money>, more: Option<Money>| match (total, more) {
                (Some(total), Some(more)) => total.checked_add(more).map(Some),
                _ => Ok(None),
            };
            group.rows += more.rows;
            group.billed = group.billed.checked_add(more.billed)?;
            group.effective = group.effective.checked_add(more.effective)?;
            group.list = sum(group.list, more.list)?;
            group.contracted = sum(group.contracted, more.contracted)?;
            group.first_charge = group.first_charge.min(more.first_charge);
            group.last_usage_end = group.last_usage_end.max(more.last_usage_end);
            group.rows_with_invoice += more.rows_with_invoice;
            group.billed_with_invoice = group.billed_with_invoice.checked_add(more.billed_with_invoice)?;
        }
        Ok(())
    }

    /// The finding when a new group brings a second currency into its billing
    /// account and period.
    pub fn mixed_currencies(&self, new: usize, names: &dyn Fn(usize) -> String) -> Option<Finding> {
        let group = &self.groups[new];
        let other = *self.by_account.get(&(group.period, group.billing_account_id.clone()))?;
        if self.groups[other].currency == group.currency {
            return None;
        }
        let (here, there) = (self.places[new], self.places[other]);
        let account = if group.billing_account_id.is_empty() {
            "without an id".to_owned()
        } else {
            format!("{:?}", group.billing_account_id)
        };
        let elsewhere = if here.part == there.part {
            format!("line {}", there.line)
        } else {
            format!("{} line {}", names(there.part), there.line)
        };
        let message = format!(
            "the billing account {account} has {} here and {} in {elsewhere}, in the billing period {}",
            group.currency, self.groups[other].currency, group.period
        );
        let finding = Finding::error("mixed_currencies", message)
            .in_file(names(here.part))
            .at_line(here.line)
            .in_column("BillingCurrency");
        Some(finding.remedy("deliver each currency by itself, or pass --allow-mixed-currencies"))
    }

    /// The totals in a stable order.
    pub fn into_sorted(self) -> Vec<ControlTotal> {
        let mut groups = self.groups;
        groups.sort_by(|a, b| {
            (a.period, &a.currency, &a.billing_account_id, &a.sub_account_id).cmp(&(
                b.period,
                &b.currency,
                &b.billing_account_id,
                &b.sub_account_id,
            ))
        });
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(period: &str, currency: &'a str, sub_account: &'a str, billed: i128) -> RowFacts<'a> {
        let period = period.parse().expect(period);
        RowFacts {
            period,
            currency,
            account: "a",
            sub_account,
            billed,
            effective: 1,
            list: Some(2),
            contracted: None,
            start: billed as i64,
            usage_end: None,
            invoiced: billed > 2,
        }
    }

    #[test]
    fn groups_runs_and_spellings() {
        let mut totals = Totals::default();
        let rows = [
            ("2024-09", "USD", "x", 1),
            ("2024-09", "USD", "x", 2),
            ("2024-09", "usd", "x", 3),
            ("2024-09", "USD", "y", 4),
            ("2024-09", "USD", "x", 5),
        ];
        let new: Vec<Option<usize>> = rows
            .iter()
            .map(|(p, c, s, b)| {
                totals
                    .add(&facts(p, c, s, *b), Place { part: 0, line: 2 })
                    .expect("fits")
            })
            .collect();
        assert_eq!(new, [Some(0), None, None, Some(1), None]);
        assert!(totals.mixed_currencies(1, &|_| "f".to_owned()).is_none());
        let sorted = totals.into_sorted();
        let brief: Vec<_> = sorted
            .iter()
            .map(|g| {
                (
                    g.sub_account_id.as_str(),
                    g.rows,
                    g.billed.units(),
                    g.rows_with_invoice,
                    g.billed_with_invoice.units(),
                    g.first_charge.0,
                )
            })
            .collect();
        assert_eq!(brief, [("x", 4, 11, 2, 8, 1), ("y", 1, 4, 1, 4, 4)]);
        assert_eq!(
            (sorted[0].list.map(Money::units), sorted[0].contracted),
            (Some(8), None)
        );
    }

    #[test]
    fn a_second_currency_names_both_lines() {
        let mut totals = Totals::default();
        let add = |totals: &mut Totals, c: &'static str, p, line| {
            totals.add(&facts(p, c, "x", 1), Place { part: 0, line }).expect("fits")
        };
        add(&mut totals, "USD", "2024-09", 2);
        let other_month = add(&mut totals, "EUR", "2024-10", 3).expect("new");
        assert!(totals.mixed_currencies(other_month, &|_| "f".to_owned()).is_none());
        let second = add(&mut totals, "EUR", "2024-09", 7).expect("new");
        let finding = totals.mixed_currencies(second, &|_| "f.csv".to_owned()).expect("mixed");
        let text = finding.to_string();
        assert!(
            text.contains("f.csv: line 7") && text.contains("USD in line 2"),
            "{text}"
        );
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        let rows = [
            ("2024-09", "USD", "x", 1),
            ("2024-09", "usd", "x", 3),
            ("2024-10", "USD", "y", 4),
            ("2024-09", "USD", "z", 5),
            ("2024-10", "USD", "y", -7),
        ];
        let sum = |wanted: &dyn Fn(usize) -> bool| {
            let mut totals = Totals::default();
            for (at, (period, currency, sub_account, billed)) in rows.iter().enumerate().filter(|(at, _)| wanted(*at)) {
                let facts = RowFacts {
                    list: (at != 3).then_some(2),
                    usage_end: (at % 2 == 1).then_some(at as i64),
                    ..facts(period, currency, sub_account, *billed)
                };
                totals.add(&facts, Place { part: 0, line: 2 }).expect("fits");
            }
            totals
        };
        for split in 0..=rows.len() {
            let mut totals = sum(&|at| at < split);
            totals.merge(sum(&|at| at >= split)).expect("fits");
            assert_eq!(totals.into_sorted(), sum(&|_| true).into_sorted(), "{split}");
        }
    }

    #[test]
    fn overflow_is_an_error() {
        let mut totals = Totals::default();
        let most = 10i128.pow(38) - 1;
        let at = Place { part: 0, line: 2 };
        let row = |billed| RowFacts {
            start: 0,
            ..facts("2024-09", "USD", "x", billed)
        };
        totals.add(&RowFacts { billed: most, ..row(0) }, at).expect("fits");
        assert!(totals.add(&row(1), at).is_err());
    }
}
