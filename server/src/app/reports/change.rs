//! Changes between periods, shares that add up.

use crate::error::AppError;
use domain::Money;
use domain::money::MoneyOverflow;
use wire::{Change, ChangeKind};

/// Below this base a percentage says nothing.
const SMALLEST_BASE: &str = "100";

/// This period against the one compared with.
pub(super) fn change(now: Option<Money>, before: Option<Money>) -> Result<Option<Change>, MoneyOverflow> {
    let kind = match (now, before) {
        (Some(_), Some(_)) => ChangeKind::Moved,
        (Some(_), None) => ChangeKind::New,
        (None, Some(_)) => ChangeKind::Ended,
        (None, None) => return Ok(None),
    };
    let (now, before) = (now.unwrap_or_default(), before.unwrap_or_default());
    let amount = now.checked_sub(before)?;
    let base = Money::parse(SMALLEST_BASE).unwrap_or_default();
    let permille = (kind == ChangeKind::Moved && before.abs() >= base).then(|| permille(amount, before.abs()));
    Ok(Some(Change {
        amount: amount.to_string(),
        permille,
        kind,
    }))
}

/// part / whole in permille, half away from zero; zero for an empty whole.
pub(crate) fn permille(part: Money, whole: Money) -> i64 {
    // both cut alike to 1e-12, so that a thousand times a part fits
    let (part, whole) = (part.units() / 1_000_000_000_000, whole.units() / 1_000_000_000_000);
    if whole == 0 {
        return 0;
    }
    let doubled = part * 2000 / whole;
    i64::try_from((doubled + doubled.signum()) / 2).unwrap_or(0)
}

/// Shares of a total in permille that add up to 1000 (largest remainder).
pub(super) fn shares(parts: &[Money], total: Money) -> Result<Vec<Option<i32>>, AppError> {
    if total.is_zero() {
        return Ok(vec![None; parts.len()]);
    }
    let (scale, whole) = (1_000_000_000_000, total.units() / 1_000_000_000_000);
    if whole == 0 {
        return Ok(vec![None; parts.len()]);
    }
    let exact: Vec<i128> = parts.iter().map(|part| part.units() / scale * 1000).collect();
    let mut floors: Vec<i128> = exact
        .iter()
        .map(|e| (e * whole.signum()).div_euclid(whole.abs()))
        .collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&i| {
        (
            std::cmp::Reverse((exact[i] * whole.signum()).rem_euclid(whole.abs())),
            i,
        )
    });
    let missing = 1000 - floors.iter().sum::<i128>();
    let steps = usize::try_from(missing).unwrap_or(0).min(order.len());
    for &i in &order[..steps] {
        floors[i] += 1;
    }
    Ok(floors.into_iter().map(|f| i32::try_from(f).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text).expect(text)
    }

    #[test]
    fn changes() {
        for (now, before, expect) in [
            (Some("220"), Some("200"), Some(("20", Some(100), ChangeKind::Moved))),
            (Some("2"), Some("1"), Some(("1", None, ChangeKind::Moved))),
            (Some("5"), None, Some(("5", None, ChangeKind::New))),
            (None, Some("5"), Some(("-5", None, ChangeKind::Ended))),
            (Some("-100"), Some("-200"), Some(("100", Some(500), ChangeKind::Moved))),
            (None, None, None),
        ] {
            let found = change(now.map(money), before.map(money)).expect("small");
            let found = found.as_ref().map(|c| (c.amount.as_str(), c.permille, c.kind));
            assert_eq!(found, expect, "{now:?} {before:?}");
        }
    }

    #[test]
    fn shares_add_up() {
        for parts in [
            vec!["1", "1", "1"],
            vec!["5", "-1", "2"],
            vec!["-1", "-2", "-4"],
            vec!["0.1", "99.9"],
        ] {
            let parts: Vec<Money> = parts.into_iter().map(money).collect();
            let total = Money::sum(parts.iter().copied()).expect("small");
            let sum: i32 = shares(&parts, total).expect("small").into_iter().flatten().sum();
            assert_eq!(sum, 1000, "{parts:?}");
        }
        assert_eq!(
            shares(&[money("1"), money("-1")], Money::ZERO).expect("small"),
            [None, None]
        );
    }
}
