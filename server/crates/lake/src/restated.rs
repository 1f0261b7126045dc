//! What a delivery changes against the one it replaces: by account, service,
//! category and day, exact. Order, file names and ids of lines do not matter.

use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use domain::allocate::Program;
use domain::charge::ChargeCategory;
use domain::instant::Day;
use domain::{BillingPeriod, Currency, Money};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

const BILLING_ACCOUNT: &str = "BillingAccountId";
const ACCOUNT: &str = "SubAccountId";
const SERVICE: &str = "ServiceName";

/// What is compared. The day is that of ChargePeriodStart: a charge is in one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeKey {
    /// Billing period.
    pub period: BillingPeriod,
    /// Currency of the amounts.
    pub currency: Currency,
    /// BillingAccountId; `None` = none.
    pub billing_account: Option<String>,
    /// SubAccountId; `None` = none.
    pub account: Option<String>,
    /// ServiceName; `None` = none.
    pub service: Option<String>,
    /// ChargeCategory.
    pub category: ChargeCategory,
    /// UTC day.
    pub day: Day,
}

/// Rows of one key in one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeSide {
    /// Rows.
    pub rows: u64,
    /// BilledCost.
    pub billed: Money,
    /// EffectiveCost.
    pub effective: Money,
}

/// A key the two deliveries differ in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub key: ChangeKey,
    /// In the earlier delivery.
    pub before: ChangeSide,
    /// In the later one.
    pub after: ChangeSide,
}

impl Change {
    /// Whether rows and money are the same: only tags differ (A45).
    #[must_use]
    pub fn is_tags_only(&self) -> bool {
        self.before == self.after
    }
}

/// How two deliveries differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// The keys they differ in, in order.
    pub changes: Vec<Change>,
    /// All rows of the services they differ in, by service and currency: before, after.
    pub services: BTreeMap<(Option<String>, Currency), [ChangeSide; 2]>,
}

/// A side, and a sum of the hashes of its rows' tags, which no order changes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Seen {
    side: ChangeSide,
    tags: u64,
}

/// Compares two deliveries.
///
/// # Errors
/// When a file cannot be read or a sum overflows.
pub fn restated(
    lake: &Lake,
    before: &[ChargeFile],
    after: &[ChargeFile],
    program: &Program,
) -> Result<Comparison, LakeError> {
    let mut charges = Charges::with(program, &[BILLING_ACCOUNT, ACCOUNT, SERVICE]);
    let mut seen: BTreeMap<ChangeKey, [Seen; 2]> = BTreeMap::new();
    // by set of attributes: its part of the key, and the hash of its tags
    let mut sets: Vec<Option<u64>> = Vec::new();
    for (at, files) in [before, after].into_iter().enumerate() {
        for file in files {
            charges.read(lake, file, |charges, row| {
                let set = charges.set(row.set);
                let id = row.set as usize;
                if sets.len() <= id {
                    sets.resize(id + 1, None);
                }
                let tags = *sets[id].get_or_insert_with(|| hash(&set.attributes.tags));
                let key = ChangeKey {
                    period: row.period,
                    currency: set.currency.clone(),
                    billing_account: set.attributes.column(BILLING_ACCOUNT).map(str::to_owned),
                    account: set.attributes.column(ACCOUNT).map(str::to_owned),
                    service: set.attributes.column(SERVICE).map(str::to_owned),
                    category: set.category,
                    day: row.span.start.day(),
                };
                let seen = &mut seen.entry(key).or_default()[at];
                seen.side.add(row.billed, row.effective)?;
                seen.tags = seen.tags.wrapping_add(tags);
                Ok(())
            })?;
        }
    }
    let mut found = Comparison::default();
    let mut services: BTreeMap<(Option<String>, Currency), ([ChangeSide; 2], bool)> = BTreeMap::new();
    for (key, [before, after]) in seen {
        let service = services.entry((key.service.clone(), key.currency.clone())).or_default();
        service.0[0].merge(&before.side)?;
        service.0[1].merge(&after.side)?;
        service.1 |= before != after;
        if before != after {
            found.changes.push(Change {
                key,
                before: before.side,
                after: after.side,
            });
        }
    }
    let differing = services.into_iter().filter(|(_, (_, differs))| *differs);
    found.services = differing.map(|(key, (sides, _))| (key, sides)).collect();
    Ok(found)
}

fn hash(tags: &domain::tags::Tags) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(tags)
}

impl ChangeSide {
    fn add(&mut self, billed: Money, effective: Money) -> Result<(), LakeError> {
        self.merge(&ChangeSide {
            rows: 1,
            billed,
            effective,
        })
    }

    /// Adds the rows of another side.
    ///
    /// # Errors
    /// When a sum overflows.
    pub fn merge(&mut self, other: &ChangeSide) -> Result<(), LakeError> {
        let overflow = |_| LakeError::Overflow {
            what: "the charges".to_owned(),
        };
        self.rows += other.rows;
        self.billed = self.billed.checked_add(other.billed).map_err(overflow)?;
        self.effective = self.effective.checked_add(other.effective).map_err(overflow)?;
        Ok(())
    }
}
