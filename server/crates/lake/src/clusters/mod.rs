//! The fast form of `domain::allocate::clusters`: charges of machines are
//! gathered in one pass over the bill, then each cluster's day of usage is read
//! once, in the order of node, pod and container, and its charges are split as
//! it goes. A property test holds it equal to the reference.
//!
//! Charges within a day, nearly all there are, go through [`day`] and its
//! [`kernel`], two days at a time; those of several days are split by the
//! reference first, and what of them falls on a day is added there.

mod account;
mod carry;
mod cells;
mod day;
mod extra;
mod gather;
mod hours;
pub(crate) mod join;
mod kernel;
mod land;
mod machine_day;
mod owners;
mod parts;
mod rows;
mod stretch;
#[cfg(test)]
mod tests;

pub(crate) use account::{Account, REMAINDERS};
pub(crate) use gather::{Amount, Gathered, GroupKey};
pub(crate) use hours::{HOURS, NodeBook};
pub(crate) use land::Sink;

use crate::container_days::ContainerDayFile;
use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::usage::{UsageFile, each_node, read_nodes, read_slot_hours};
use cells::Places;
use day::{Common, Done, Task, Worker};
use domain::allocate::CubeValue;
use domain::allocate::clusters::MachineCost;
use domain::apportion::{Splitter, apportion};
use domain::instant::Day;
use domain::usage::Hour;
use domain::{BillingPeriod, Currency};
use extra::Extras;
use gather::Group;
use join::Join;
use kernel::Arithmetic;
use land::{Lander, On};
use machine_day::{GroupFacts, MachineDay, node_ranges};
use owners::Owners;
use polars::prelude::PlHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Days that are done at a time: some 100 MB each.
const WORKERS: usize = 2;

/// The machines some days of usage know.
pub(crate) fn join_of(lake: &Lake, usage: &[UsageFile]) -> Result<Join, LakeError> {
    let mut join = Join::default();
    for file in usage {
        each_node(lake, file, |node| join.add(&file.cluster, node))?;
    }
    Ok(join)
}

/// Node hours of a cluster that no charge of the bill pays for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unbilled {
    /// Cluster id.
    pub cluster: String,
    /// Ready node hours without a bill line.
    pub node_hours: u64,
}

/// What an allocation says of clusters, beside the cube.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    pub unbilled: Vec<Unbilled>,
    pub files: Vec<ContainerDayFile>,
}

/// Splits every group by the reference and lands it, piece by piece: for
/// walking a figure back to its bill lines.
///
/// # Errors
/// When a file cannot be read, or an amount split or added exactly.
pub(crate) fn split<'p>(
    lake: &Lake,
    gathered: &Gathered,
    usage: &[UsageFile],
    join: &Join,
    charges: &mut Charges<'p>,
    splitter: Splitter,
    sink: Sink<'_, 'p>,
) -> Result<(), LakeError> {
    let groups = gathered.all()?;
    let mut lander = Lander::new(&gathered.kinds, splitter, charges, sink, None);
    split_groups(lake, &groups, usage, join, &mut lander)
}

fn split_groups(
    lake: &Lake,
    groups: &BTreeMap<GroupKey, Group>,
    usage: &[UsageFile],
    join: &Join,
    lander: &mut Lander<'_, '_>,
) -> Result<(), LakeError> {
    let mut by_day: BTreeMap<(u32, Day), Vec<&GroupKey>> = BTreeMap::new();
    for key in groups.keys() {
        for day in key.days() {
            by_day.entry((key.machine, day)).or_default().push(key);
        }
    }
    // facts of groups that span days wait until their last day was read
    let mut waiting: BTreeMap<GroupKey, GroupFacts> = BTreeMap::new();
    let mut done: BTreeSet<GroupKey> = BTreeSet::new();
    for file in usage.iter().filter(|_| !by_day.is_empty()) {
        let nodes = read_nodes(lake, file)?;
        let mut seen = BTreeSet::new();
        // of one machine under two names, the first one has its cost
        let machine = |node| join.id_of(&file.cluster, node).filter(|id| seen.insert(*id));
        let machines: Vec<Option<u32>> = nodes.iter().map(|(node, _)| node).map(machine).collect();
        let wanted = |machine: &Option<u32>| machine.is_some_and(|id| by_day.contains_key(&(id, file.day)));
        if !machines.iter().any(wanted) {
            continue;
        }
        let hours = read_slot_hours(lake, file)?;
        let ranges = node_ranges(&hours);
        for ((node, node_hours), machine) in nodes.iter().zip(&machines) {
            let Some(keys) = machine.and_then(|id| by_day.get(&(id, file.day))) else {
                continue;
            };
            let day = MachineDay::new(file, node, node_hours, &hours, ranges.get(node.name.as_str()));
            for key in keys {
                if key.within_one_day() {
                    let mut facts = GroupFacts::default();
                    facts.add(&day, key);
                    land(lander, groups, key, join, &facts)?;
                    done.insert(**key);
                } else {
                    waiting.entry(**key).or_default().add(&day, key);
                }
            }
        }
    }
    for (key, mut facts) in waiting {
        facts.sort();
        land(lander, groups, &key, join, &facts)?;
        done.insert(key);
    }
    // a machine known on other days only: nothing was observed
    for key in groups.keys().filter(|key| !done.contains(key)) {
        land(lander, groups, key, join, &GroupFacts::default())?;
    }
    Ok(())
}

fn land(
    lander: &mut Lander<'_, '_>,
    groups: &BTreeMap<GroupKey, Group>,
    key: &GroupKey,
    join: &Join,
    facts: &GroupFacts,
) -> Result<(), LakeError> {
    let Some(group) = groups.get(key) else { return Ok(()) };
    let on = On {
        cluster: &join.machine(key.machine).cluster,
        node: join.node(key.machine),
    };
    lander.land(key, group, on, facts)
}

/// What the fast split adds to: the position of the key, the billing month, the day.
pub(crate) type DaySink<'a> = &'a mut dyn FnMut(u32, BillingPeriod, Day, CubeValue) -> Result<(), LakeError>;

/// Splits what was gathered by the days of usage, lands it, and writes the
/// container-days of `period`.
///
/// # Errors
/// When a file cannot be read or written, or an amount split or added exactly.
pub(crate) fn split_days<'p>(
    lake: &Lake,
    mut gathered: Gathered,
    (usage, join): (&[UsageFile], &Join),
    charges: &mut Charges<'p>,
    splitter: Splitter,
    period: Option<BillingPeriod>,
    sink: DaySink<'_>,
) -> Result<Clusters, LakeError> {
    let days = gathered.take_days();
    let mut by_piece =
        |_: &Charges<'p>, _: &GroupKey, amount: &Amount, (key, day), value| sink(key, amount.period, day, value);
    let extras = long_charges(
        lake,
        &gathered,
        (usage, join),
        charges,
        splitter,
        &mut by_piece,
        period.is_some(),
    )?;
    let common = common(lake, &gathered, join, splitter);
    let tasks = tasks(usage, join, days, extras, period);
    let (done, places) = run(&common, tasks)?;
    let mut owners = Owners::new(&gathered.kinds, charges);
    let places: Vec<Vec<u32>> = places
        .iter()
        .map(|places| {
            let all = places.all();
            all.map(|(cluster, pool, subject)| owners.place(cluster, pool, subject))
                .collect()
        })
        .collect();
    let mut clusters = Clusters::default();
    let mut unbilled: BTreeMap<String, u64> = BTreeMap::new();
    for (cluster, worker, done) in done {
        for ((lane, place, part), value) in done.cells {
            let lane = gathered.lanes[lane as usize];
            let place = places[worker][place as usize];
            let key = owners.key(lane.kind, place, part, done.day);
            sink(key, lane.period, done.day, value)?;
        }
        if period == Some(BillingPeriod::of(done.day.start())) && done.unbilled > 0 {
            *unbilled.entry(cluster).or_default() += done.unbilled;
        }
        clusters.files.extend(done.file);
    }
    clusters.unbilled = unbilled
        .into_iter()
        .map(|(cluster, node_hours)| Unbilled { cluster, node_hours })
        .collect();
    Ok(clusters)
}

/// Lands the charges of several days by the reference; answers what of them
/// falls on each day, when container-days are asked for.
fn long_charges<'p>(
    lake: &Lake,
    gathered: &Gathered,
    (usage, join): (&[UsageFile], &Join),
    charges: &mut Charges<'p>,
    splitter: Splitter,
    sink: Sink<'_, 'p>,
    costs: bool,
) -> Result<Extras, LakeError> {
    let clusters = costs.then(|| join.clusters_of_machines());
    let mut lander = Lander::new(&gathered.kinds, splitter, charges, sink, clusters);
    split_groups(lake, gathered.long(), usage, join, &mut lander)?;
    Ok(lander.extras)
}

fn common<'c>(lake: &'c Lake, gathered: &'c Gathered, join: &'c Join, splitter: Splitter) -> Common<'c> {
    let names: BTreeSet<&Currency> = gathered.kinds.iter().map(|kind| &kind.currency).collect();
    let currencies: Vec<Currency> = names.into_iter().cloned().collect();
    let position = |currency: &Currency| {
        let at = currencies.binary_search(currency).unwrap_or(0);
        u32::try_from(at).unwrap_or(0)
    };
    let mut covered: PlHashMap<u32, Vec<(Hour, Hour)>> = PlHashMap::default();
    for key in gathered.long().keys().filter(|key| key.cost == MachineCost::Compute) {
        covered.entry(key.machine).or_default().push((key.from, key.to));
    }
    Common {
        lake,
        join,
        lanes: &gathered.lanes,
        currency_of: gathered.kinds.iter().map(|kind| position(&kind.currency)).collect(),
        currencies,
        by: Arithmetic {
            split: splitter,
            exact: std::ptr::fn_addr_eq(splitter, apportion as Splitter),
        },
        covered,
    }
}

/// The days there is anything to do for, in order.
fn tasks(
    usage: &[UsageFile],
    join: &Join,
    days: BTreeMap<(u32, Day), Vec<gather::Piece>>,
    extras: Extras,
    period: Option<BillingPeriod>,
) -> Vec<Task> {
    let mut tasks: BTreeMap<(String, Day), Task> = BTreeMap::new();
    let empty = |cluster: &str, day: Day| Task {
        cluster: cluster.to_owned(),
        day,
        file: None,
        pieces: Vec::new(),
        extra: Vec::new(),
        write: period.is_some(),
    };
    for file in usage {
        // another month's day without a charge of this one has no cost here
        let own = period == Some(BillingPeriod::of(file.day.start()));
        let position = join.clusters().iter().position(|cluster| *cluster == file.cluster);
        let at = position.map(|at| (u32::try_from(at).unwrap_or(u32::MAX), file.day));
        if own || at.is_some_and(|at| days.contains_key(&at) || extras.contains_key(&at)) {
            let task = tasks
                .entry((file.cluster.clone(), file.day))
                .or_insert_with(|| empty(&file.cluster, file.day));
            task.file = Some(file.clone());
        }
    }
    let name = |at: u32| join.clusters()[at as usize].as_str();
    for ((cluster, day), pieces) in days {
        let key = (name(cluster).to_owned(), day);
        tasks.entry(key).or_insert_with(|| empty(name(cluster), day)).pieces = pieces;
    }
    for ((cluster, day), extra) in extras {
        let key = (name(cluster).to_owned(), day);
        tasks.entry(key).or_insert_with(|| empty(name(cluster), day)).extra = extra;
    }
    tasks.into_values().collect()
}

/// What came of each day, in the order of the tasks: cluster, who did it, what.
type Finished = Vec<(String, usize, Done)>;

/// Does the days, [`WORKERS`] at a time. What comes out does not depend on who did what.
fn run(common: &Common<'_>, tasks: Vec<Task>) -> Result<(Finished, Vec<Places>), LakeError> {
    let clusters: Vec<String> = tasks.iter().map(|task| task.cluster.clone()).collect();
    let tasks: Vec<Mutex<Option<Task>>> = tasks.into_iter().map(|task| Mutex::new(Some(task))).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<(Vec<(usize, Done)>, Places), LakeError> {
        let mut worker = Worker::new(common);
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(at) else { break };
            let task = task.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(task) = task {
                match worker.day(task) {
                    Ok(day) => done.push((at, day)),
                    Err(error) => {
                        // nobody begins another one
                        next.fetch_add(tasks.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        }
        Ok((done, worker.places))
    };
    let results: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (1..WORKERS.min(tasks.len())).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = running
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err(LakeError::Stage { stage: "split" })));
        [own].into_iter().chain(joined).collect()
    });
    let mut places = Vec::new();
    let mut all: Vec<(usize, usize, Done)> = Vec::new();
    for (worker, result) in results.into_iter().enumerate() {
        let (done, of_worker) = result?;
        places.push(of_worker);
        all.extend(done.into_iter().map(|(at, done)| (at, worker, done)));
    }
    all.sort_by_key(|(at, _, _)| *at);
    let finished = all
        .into_iter()
        .map(|(at, worker, done)| (clusters[at].clone(), worker, done));
    Ok((finished.collect(), places))
}

/// One day of a cluster by hour, from what was gathered of its period.
///
/// # Errors
/// As [`split_days`].
pub(crate) fn day_by_hour(
    lake: &Lake,
    mut gathered: Gathered,
    usage: &[UsageFile],
    join: &Join,
    charges: &mut Charges<'_>,
    (cluster, day): (&str, Day),
) -> Result<(Vec<NodeBook>, Vec<Currency>), LakeError> {
    let mut days = gathered.take_days();
    let mut nothing = |_: &Charges<'_>, _: &GroupKey, _: &Amount, _: (u32, Day), _| Ok(());
    let mut extras = long_charges(lake, &gathered, (usage, join), charges, apportion, &mut nothing, true)?;
    let position = join.clusters().iter().position(|known| known == cluster);
    let at = (u32::try_from(position.unwrap_or(usize::MAX)).unwrap_or(u32::MAX), day);
    let task = Task {
        cluster: cluster.to_owned(),
        day,
        file: usage
            .iter()
            .find(|file| file.cluster == cluster && file.day == day)
            .cloned(),
        pieces: days.remove(&at).unwrap_or_default(),
        extra: extras.remove(&at).unwrap_or_default(),
        write: false,
    };
    let common = common(lake, &gathered, join, apportion);
    let books = Worker::new(&common).hours(task)?;
    Ok((books, day::with_unknown(&common.currencies)))
}
