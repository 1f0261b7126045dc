//! What of a commitment is unused in a month that is still open (A23): only
//! what has elapsed can be. Providers write the unused part of the whole month
//! first and lower it with every delivery, and bill hours that are still to
//! come; what is not elapsed is taken off, and comes back as it elapses.

use super::commitment::part;
use super::{Book, Kind, Policy, PriceError, PriceRule, Scope, text};
use crate::commitment::{Role, elapsed_unused};
use crate::instant::{Instant, Span};
use crate::money::Money;
use crate::period::BillingPeriod;
use std::collections::{BTreeMap, BTreeSet};

/// End of the last usage, by billing account and month that is still open.
pub type Through = BTreeMap<(String, BillingPeriod), Instant>;

impl Policy {
    fn through(&self, line: &Kind<'_>, period: BillingPeriod) -> Option<Instant> {
        if self.through.is_empty() {
            return None;
        }
        self.through.get(&(account(line), period)).copied()
    }

    /// Whether the time of a line matters within its day: it is unused capacity
    /// that is not all elapsed.
    #[must_use]
    pub fn keeps_span(&self, line: &Kind<'_>, period: BillingPeriod, span: Span) -> bool {
        let open = self.through(line, period);
        open.is_some_and(|through| span.end > through) && part(line) == Some(Role::Unused)
    }
}

/// Takes what is not elapsed off unused lines, in proportion to what they cost.
pub(super) fn step(book: &mut Book<'_, '_>) -> Result<(), PriceError> {
    if book.policy.through.is_empty() {
        return Ok(());
    }
    let mut unused: BTreeMap<(Scope, String, Span), (Instant, Vec<usize>)> = BTreeMap::new();
    let mut used: BTreeMap<(Scope, String), Vec<usize>> = BTreeMap::new();
    for at in 0..book.groups.len() {
        let group = &book.groups[at];
        let line = group.kind();
        let Some(through) = book.policy.through(&line, group.period) else {
            continue;
        };
        let id = || (book.scope(at), book.text(at, "CommitmentDiscountId"));
        match part(&line) {
            Some(Role::Used) => used.entry(id()).or_default().push(at),
            Some(Role::Unused) if group.span.end > through && group.effective.units() > 0 => {
                let (scope, id) = id();
                let of = unused.entry((scope, id, group.span)).or_insert((through, Vec::new()));
                of.1.push(at);
            }
            _ => {}
        }
    }
    for ((scope, id, span), (through, lines)) in unused {
        let of = |at: &usize| book.groups[*at].effective;
        let whole = Money::sum(lines.iter().map(of))?;
        let of_id = used.get(&(scope, id)).map_or(&[][..], Vec::as_slice);
        let within = of_id.iter().filter(|at| {
            let start = book.groups[**at].span.start;
            span.start <= start && start < span.end
        });
        let used = Money::sum(within.map(of))?;
        let elapsed = elapsed_unused(whole, used, span, through, book.split)?;
        let weights: Vec<i128> = lines.iter().map(|at| of(at).units()).collect();
        book.share(elapsed.checked_sub(whole)?, &lines, &weights, PriceRule::NotElapsed)?;
    }
    Ok(())
}

/// Open billing accounts with something unused.
#[derive(Debug, Clone, Default)]
pub(super) struct Live(BTreeSet<String>);

impl Live {
    pub fn of<'a>(kinds: impl Iterator<Item = Kind<'a>>, policy: &Policy) -> Live {
        let open: BTreeSet<&str> = policy.through.keys().map(|(account, _)| account.as_str()).collect();
        if open.is_empty() {
            return Live::default();
        }
        let with = kinds.filter(|line| part(line) == Some(Role::Unused));
        let accounts = with.map(|line| account(&line));
        Live(accounts.filter(|account| open.contains(account.as_str())).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn wants(&self, line: &Kind<'_>) -> bool {
        !self.is_empty() && matches!(part(line), Some(Role::Used | Role::Unused)) && self.0.contains(&account(line))
    }
}

fn account(line: &Kind<'_>) -> String {
    text(line.attributes, "BillingAccountId").to_owned()
}
