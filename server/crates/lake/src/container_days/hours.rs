//! The hours of a day, derived again from usage and charges.

use super::{HourCosts, NodeCost, SlotCost};
use crate::clusters::{self, Account, Gathered, HOURS, NodeBook, REMAINDERS};
use crate::error::LakeError;
use crate::object::Lake;
use crate::prices;
use crate::rows::Charges;
use crate::schema::ChargeFile;
use crate::usage::{UsageFile, read_day};
use domain::allocate::Program;
use domain::apportion::apportion;
use domain::instant::Day;
use domain::usage::{Hour, Measure, Node, NodeHour, Part, Slot, SlotHour};
use domain::{Currency, Money};
use std::sync::Arc;

/// Derives the container-hours of a cluster's day from what its allocation was
/// made from: `files` and `usage` of the period, as for
/// [`crate::allocate_with_usage`]. Over the hours they add up to the day's rows.
/// Hourly charges are split hour by hour; of longer ones, a container's part is
/// spread by what it held in each hour, and what is with no container evenly.
///
/// # Errors
/// When a file cannot be read, or an amount split or added exactly.
pub fn hours_of_day(
    lake: &Lake,
    files: &[ChargeFile],
    usage: &[UsageFile],
    program: &Program,
    cluster: &str,
    day: Day,
) -> Result<Vec<HourCosts>, LakeError> {
    let mut usage = usage.to_vec();
    usage.sort_by(|a, b| (&a.cluster, a.day).cmp(&(&b.cluster, b.day)));
    let join = clusters::join_of(lake, &usage)?;
    let mut gathered = Gathered::new(&join);
    let mut charges = Charges::new(program).joining(&join);
    prices::read(lake, files, &mut charges, apportion, |charges, _, row| {
        gathered.take(charges, row).map(|_| ())
    })?;
    let (books, currencies) = clusters::day_by_hour(lake, gathered, &usage, &join, &mut charges, (cluster, day))?;
    let facts = usage.iter().find(|file| file.cluster == cluster && file.day == day);
    let slots = match facts {
        Some(file) => read_day(lake, file)?.slots,
        None => Vec::new(),
    };
    let slots: Vec<(Arc<Slot>, Vec<SlotHour>)> =
        slots.into_iter().map(|(slot, hours)| (Arc::new(slot), hours)).collect();
    let of_day = 0..i32::try_from(HOURS).unwrap_or(0);
    of_day
        .map(|of_day| {
            let hour = Hour(day.0 * 24 + of_day);
            let mut costs = HourCosts {
                hour,
                slots: Vec::new(),
                nodes: Vec::new(),
            };
            for book in &books {
                add(&mut costs, book, &slots, &currencies)?;
            }
            Ok(costs)
        })
        .collect()
}

fn money(units: i128) -> Result<Money, LakeError> {
    Money::from_units(units).ok_or_else(|| LakeError::Overflow {
        what: "the charges".to_owned(),
    })
}

fn money3(units: [i128; 3]) -> Result<[Money; 3], LakeError> {
    Ok([money(units[0])?, money(units[1])?, money(units[2])?])
}

fn add(
    costs: &mut HourCosts,
    book: &NodeBook,
    slots: &[(Arc<Slot>, Vec<SlotHour>)],
    currencies: &[Currency],
) -> Result<(), LakeError> {
    let of_day = usize::from(costs.hour.of_day());
    let of: Vec<(usize, &Account)> = book
        .accounts
        .iter()
        .enumerate()
        .filter(|(at, _)| at % HOURS == of_day)
        .filter_map(|(at, account)| Some((at / HOURS, account.as_ref()?)))
        .collect();
    let known = book.hours.iter().find(|hour| hour.hour == costs.hour);
    let empty = Account::new(book.entries.len());
    // without a charge: of the only currency there is, else of an unknown one
    let charged = currencies.len() - 1;
    let nobody = [(if charged == 1 { 0 } else { charged }, &empty)];
    let of = if of.is_empty() { &nobody[..] } else { &of };
    let mut first = true;
    for (currency, account) in of {
        let currency = &currencies[*currency];
        let before = costs.slots.len();
        for entry in (0..book.entries.len()).filter(|entry| book.entries[*entry]) {
            let at = book.base as usize + entry / 2;
            let Some((slot, hours)) = slots.get(at) else { continue };
            let extent = extent(book, entry, hours, costs.hour);
            let sums = account.entries[entry];
            if extent.is_none() && sums == [0; 7] {
                continue;
            }
            let [cpu, memory, gpu, system, daemon, disk, billed] = sums;
            let held = extent.filter(|_| first && book.first);
            costs.slots.push(SlotCost {
                slot: Arc::clone(slot),
                node: Arc::clone(&book.node),
                part: Part::of(slot.role, entry % 2 == 1),
                currency: currency.clone(),
                start: costs.hour.start(),
                end: Hour(costs.hour.0 + 1).start(),
                seconds: held.map_or(0, |held| u64::from(held.seconds)),
                requested: held.map_or(Measure::ZERO, |held| held.requested),
                used: held.map_or(Measure::ZERO, |held| held.used),
                effective: held.map_or(Measure::ZERO, |held| held.effective),
                cost: money3([cpu, memory, gpu])?,
                system_cost: money(system)?,
                daemon_cost: money(daemon)?,
                disk_cost: money(disk)?,
                billed: money(billed)?,
            });
        }
        let paid = account.billed != 0 || account.disk != 0 || account.total != [0; 3];
        if known.is_some() || paid || costs.slots.len() > before {
            let known = known.filter(|_| first);
            costs
                .nodes
                .push(node_cost(&book.node, currency, costs.hour, known, account)?);
        }
        first = false;
    }
    Ok(())
}

/// What an entry held in an hour.
fn extent(book: &NodeBook, entry: usize, hours: &[SlotHour], hour: Hour) -> Option<SlotHour> {
    if entry.is_multiple_of(2) {
        return hours.iter().find(|of| of.hour == hour).copied();
    }
    let filled = book
        .filled
        .iter()
        .find(|(slot, of_day, _)| *slot as usize == entry / 2 && *of_day == hour.of_day());
    filled.map(|(_, _, [cpu_core_ms, memory_mib_s, gpu_ms])| SlotHour {
        hour,
        seconds: 0,
        effective: Measure {
            cpu_core_ms: *cpu_core_ms,
            memory_mib_s: *memory_mib_s,
            gpu_ms: *gpu_ms,
        },
        requested: Measure::ZERO,
        used: Measure::ZERO,
    })
}

fn node_cost(
    node: &Arc<Node>,
    currency: &Currency,
    hour: Hour,
    known: Option<&NodeHour>,
    account: &Account,
) -> Result<NodeCost, LakeError> {
    let left = |part: Part| -> Result<[Money; 3], LakeError> {
        let at = REMAINDERS.iter().position(|of| *of == part).unwrap_or(0);
        money3(account.left[at].0)
    };
    let billed_left: i128 = account.left.iter().map(|(_, billed)| billed).sum();
    let ready_s = known.map_or(0, |known| u64::from(known.ready_s));
    Ok(NodeCost {
        node: Arc::clone(node),
        currency: currency.clone(),
        start: hour.start(),
        end: Hour(hour.0 + 1).start(),
        capacity: known.map_or(Measure::ZERO, |known| known.capacity.over(ready_s)),
        allocatable: known.map_or(Measure::ZERO, |known| known.allocatable.over(ready_s)),
        ready_s,
        total: money3(account.total)?,
        idle: left(Part::IdleCapacity)?,
        not_ready: left(Part::NotReady)?,
        unobserved: left(Part::Unobserved)?,
        disk_total: money(account.disk)?,
        disk_left: money(account.disk_left.0)?,
        billed_total: money(account.billed)?,
        billed_left: money(billed_left + account.disk_left.1)?,
    })
}
