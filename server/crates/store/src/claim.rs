//! Claims: one source holds (billing account, sub-account, billing period), so
//! that two exports of one bill are never both counted (A25).

use crate::db::{Tx, execute, fetch_all, statements};
use crate::delivery::NewDelivery;
use crate::error::StoreError;
use crate::rows;
use domain::BillingPeriod;
use std::collections::{BTreeMap, BTreeSet};

statements! {
    FOREIGN: "look for claims of other sources" =>
        "SELECT source_id, billing_account_id, sub_account_id FROM claim WHERE period = $1 AND source_id <> $2";
    RELEASE: "release the earlier claims of the source" => "DELETE FROM claim WHERE period = $1 AND source_id = $2";
    TAKE: "take a claim" =>
        "INSERT INTO claim (billing_account_id, sub_account_id, period, source_id, delivery_id) VALUES ($1, $2, $3, $4, $5)";
    KEEP: "keep the claims of the source's other deliveries" =>
        "INSERT INTO claim (billing_account_id, sub_account_id, period, source_id, delivery_id)
         SELECT t.billing_account_id, t.sub_account_id, t.period, d.source_id, MIN(t.delivery_id)
         FROM charge_total t JOIN delivery d ON d.delivery_id = t.delivery_id
         JOIN delivery_period p ON p.delivery_id = t.delivery_id AND p.period = t.period
         WHERE t.period = $1 AND d.source_id = $2 AND t.delivery_id <> $3 AND p.state IN ('open', 'final')
         GROUP BY t.billing_account_id, t.sub_account_id, t.period, d.source_id
         ON CONFLICT (billing_account_id, sub_account_id, period) DO NOTHING";
}

/// Sub-accounts by billing account, of one period and source.
type Accounts = BTreeMap<String, BTreeSet<String>>;

fn wanted(new: &NewDelivery, period: BillingPeriod) -> Accounts {
    let mut accounts = Accounts::new();
    for total in new.totals.iter().filter(|total| total.period == period) {
        accounts
            .entry(total.billing_account_id.clone())
            .or_default()
            .insert(total.sub_account_id.clone());
    }
    accounts
}

/// A source that names no sub-account at all delivers the whole account.
fn whole_account(sub_accounts: &BTreeSet<String>) -> bool {
    sub_accounts.iter().all(String::is_empty)
}

/// How many of the sub-accounts wanted are held already.
fn overlap(wanted: &BTreeSet<String>, held: &BTreeSet<String>) -> usize {
    if whole_account(held) || whole_account(wanted) {
        wanted.len()
    } else {
        wanted.intersection(held).count()
    }
}

/// Refuses the delivery when another source holds part of it.
pub(crate) async fn refuse_foreign(tx: &mut Tx, new: &NewDelivery, period: BillingPeriod) -> Result<(), StoreError> {
    let rows: Vec<(String, String, String)> = fetch_all!(tx, FOREIGN, rows::period_number(period), &new.source_id)?;
    let mut held: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (source, account, sub_account) in rows {
        held.entry((source, account)).or_default().insert(sub_account);
    }
    let wanted = wanted(new, period);
    for ((holder, billing_account_id), held) in held {
        let taken = wanted
            .get(&billing_account_id)
            .map_or(0, |wanted| overlap(wanted, &held));
        if taken > 0 {
            return Err(StoreError::Claimed {
                holder,
                billing_account_id,
                period,
                sub_accounts: taken as u64,
            });
        }
    }
    Ok(())
}

/// Takes the claims of one period for the delivery in place of those of the
/// deliveries it replaced, and gives their number.
pub(crate) async fn take(tx: &mut Tx, new: &NewDelivery, period: BillingPeriod) -> Result<u64, StoreError> {
    let number = rows::period_number(period);
    execute!(&mut *tx, RELEASE, number, &new.source_id)?;
    let mut claims = 0;
    for (account, sub_accounts) in wanted(new, period) {
        for sub_account in &sub_accounts {
            claims += execute!(
                &mut *tx,
                TAKE,
                &account,
                sub_account,
                number,
                &new.source_id,
                &new.delivery_id
            )?;
        }
    }
    execute!(&mut *tx, KEEP, number, &new.source_id, &new.delivery_id)?;
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_sources_share() {
        for (wanted, held, expect) in [
            (&["a", "b"][..], &["b", "c"][..], 1),
            (&["a"], &["b"], 0),
            (&["a", ""], &["b", ""], 1),
            (&["a", "b"], &[""], 2),
            (&[""], &["a", "b"], 1),
        ] {
            let set = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<BTreeSet<_>>();
            assert_eq!(overlap(&set(wanted), &set(held)), expect, "{wanted:?} {held:?}");
        }
    }
}
