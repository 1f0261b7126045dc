//! The fast form of `domain::allocate::clusters`: charges of machines are
//! gathered in one pass over the bill, then each cluster's day of usage is read
//! once, in the order of node, pod and container, and its charges are split as
//! it goes. A property test holds it equal to the reference.
//!
//! Charges of nodes within a day, nearly all there are, go through [`day`] and
//! its [`kernel`], two days at a time; those of several days are split by the
//! reference first, and what of them falls on a day is added there. Charges of
//! volumes and load balancers are gathered apart ([`things`]). What follows all
//! pods of a cluster waits until the day was read ([`services`]).

mod account;
mod carry;
mod cells;
mod cluster_wide;
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
mod provider;
mod rows;
mod services;
mod stretch;
#[cfg(test)]
mod tests;
mod things;
mod unbilled;

pub(crate) use account::{Account, REMAINDERS};
pub(crate) use day::DayFacts;
pub(crate) use gather::{Amount, Gathered, GroupKey};
pub(crate) use hours::{HOURS, NodeBook};
pub(crate) use land::{Held, Sink};
pub use provider::ProviderRows;
pub use unbilled::Unbilled;

use crate::container_days::ContainerDayFile;
use crate::error::LakeError;
use crate::object::Lake;
use crate::rows::Charges;
use crate::usage::{UsageFile, each_node, read_balancers, read_nodes, read_slot_hours, read_volumes};
use cells::Places;
use cluster_wide::{PlaneDays, Planes, has_services, users_of};
use day::{Common, Done, Task, Worker, only_day};
use domain::allocate::CubeValue;
use domain::allocate::clusters::{MachineCost, is_provider_split};
use domain::apportion::{Splitter, apportion};
use domain::instant::Day;
use domain::rule::RuleSet;
use domain::usage::{HOUR_S, Hour};
use domain::{BillingPeriod, Currency};
use extra::Extras;
use gather::{Group, Lane};
use join::Join;
use kernel::Arithmetic;
use land::{Lander, On};
use machine_day::{GroupFacts, MachineDay, node_ranges};
use owners::Owners;
use polars::prelude::PlHashMap;
use provider::{Twice, add_twice, provider_rows};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use unbilled::Missing;

/// Days that are done at a time: some 100 MB each.
const WORKERS: usize = 2;

/// What some days of usage know.
pub(crate) fn join_of(lake: &Lake, usage: &[UsageFile]) -> Result<Join, LakeError> {
    let mut join = Join::default();
    for file in usage {
        join.add_cluster(&file.cluster);
        for day in read_volumes(lake, file)? {
            join.add_volume(&file.cluster, &day.volume.volume_id);
        }
        for day in read_balancers(lake, file)? {
            join.add_balancer(&file.cluster, &day.balancer.balancer_id);
        }
        each_node(lake, file, |node| join.add(&file.cluster, node))?;
    }
    Ok(join)
}

/// What an allocation says of clusters, beside the cube.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    pub unbilled: Vec<Unbilled>,
    pub provider_rows: Vec<ProviderRows>,
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
    // a day's users are kept as long as some charge spans it
    let mut planes = planes(gathered, join)?;
    let mut lander = Lander::new(&gathered.kinds, splitter, charges, sink, None);
    things::land(lake, &gathered.things, usage, join, &mut lander)?;
    split_groups(lake, &groups, (usage, join), &mut planes, &mut lander)
}

/// The same of volumes and load balancers alone.
///
/// # Errors
/// As [`split`].
pub(crate) fn split_things<'p>(
    lake: &Lake,
    gathered: &Gathered,
    usage: &[UsageFile],
    join: &Join,
    charges: &mut Charges<'p>,
    sink: Sink<'_, 'p>,
) -> Result<(), LakeError> {
    let mut lander = Lander::new(&gathered.kinds, apportion, charges, sink, None);
    things::land(lake, &gathered.things, usage, join, &mut lander)
}

fn planes(gathered: &Gathered, join: &Join) -> Result<Planes, LakeError> {
    Planes::new(&gathered.things, join, || gathered.nodes(join), gathered.spanning(join))
}

fn split_groups(
    lake: &Lake,
    groups: &BTreeMap<GroupKey, Group>,
    (usage, join): (&[UsageFile], &Join),
    planes: &mut Planes,
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
    for file in usage {
        if by_day.is_empty() && !planes.need(file) {
            continue;
        }
        let nodes = read_nodes(lake, file)?;
        let mut seen = BTreeSet::new();
        // of one machine under two names, the first one has its cost
        let machine = |node| join.id_of(&file.cluster, node).filter(|id| seen.insert(*id));
        let machines: Vec<Option<u32>> = nodes.iter().map(|(node, _)| node).map(machine).collect();
        let wanted = |machine: &Option<u32>| machine.is_some_and(|id| by_day.contains_key(&(id, file.day)));
        if !machines.iter().any(wanted) && !planes.need(file) {
            continue;
        }
        let hours = read_slot_hours(lake, file)?;
        let ranges = node_ranges(&hours);
        if planes.need(file) || has_services(&hours, lander.rules()) {
            let users = users_of(&nodes, &hours, &ranges, lander.rules());
            lander.enter(&file.cluster, file.day, users);
            planes.land_day(file, lander)?;
        }
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
        if !planes.keep(file) {
            lander.leave(&file.cluster, file.day);
        }
    }
    planes.land_rest(lander)?;
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
/// container-days of `period`. `facts` may be there when `usage` is of one day.
///
/// # Errors
/// When a file cannot be read or written, or an amount split or added exactly.
pub(crate) fn split_days<'p>(
    lake: &Lake,
    mut gathered: Gathered,
    (usage, join, facts): (&[UsageFile], &Join, Option<DayFacts>),
    charges: &mut Charges<'p>,
    splitter: Splitter,
    period: Option<BillingPeriod>,
    sink: DaySink<'_>,
) -> Result<Clusters, LakeError> {
    let mut planes = planes(&gathered, join)?;
    let plane_days = planes.take_days(usage);
    let days = gathered.take_days();
    let mut by_piece =
        |_: &Charges<'p>, _: &GroupKey, amount: &Amount, (key, day), value, _| sink(key, amount.period, day, value);
    let clusters = period.map(|_| join.clusters_of_machines());
    let mut lander = Lander::new(&gathered.kinds, splitter, charges, &mut by_piece, clusters);
    things::land(lake, &gathered.things, usage, join, &mut lander)?;
    split_groups(lake, gathered.long(), (usage, join), &mut planes, &mut lander)?;
    let extras = lander.extras;
    let mut tasks = tasks(usage, join, days, extras, period);
    add_planes(&mut tasks, plane_days, &mut gathered, usage);
    let rules = &charges.program().rules;
    let common = Common {
        period,
        ..common(lake, &gathered, join, splitter, rules)
    };
    let mut tasks: Vec<Task> = tasks.into_values().collect();
    if let [task] = tasks.as_mut_slice() {
        task.facts = facts;
    }
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
    let (mut missing, mut twice) = (Missing::default(), Twice::new());
    for (worker, done) in done {
        for ((lane, place, part), value) in done.cells {
            let lane = gathered.lanes[lane as usize];
            let place = places[worker][place as usize];
            let key = owners.key(lane.kind, place, part, done.day);
            sink(key, lane.period, done.day, value)?;
        }
        missing.merge(done.missing)?;
        for ((cluster, currency), money) in done.twice {
            add_twice(&mut twice, cluster, &currency, money)?;
        }
        clusters.files.extend(done.file);
    }
    if let Some(period) = period {
        missing.long(&gathered, join, period)?;
        clusters.unbilled = missing.priced();
    }
    clusters.provider_rows = provider_rows(&gathered, join, twice)?;
    Ok(clusters)
}

fn common<'c>(
    lake: &'c Lake,
    gathered: &'c Gathered,
    join: &'c Join,
    splitter: Splitter,
    rules: &'c RuleSet,
) -> Common<'c> {
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
        has_method: kinds_with_method(gathered),
        rules,
        period: None,
        by: Arithmetic {
            split: splitter,
            exact: std::ptr::fn_addr_eq(splitter, apportion as Splitter),
        },
        covered,
    }
}

/// Of kinds, whether they are of the provider's own split; nothing when none is.
fn kinds_with_method(gathered: &Gathered) -> Vec<bool> {
    if gathered.provider.is_empty() {
        return Vec::new();
    }
    let kinds = gathered.kinds.iter();
    kinds.map(|kind| is_provider_split(&kind.attributes)).collect()
}

fn empty_task(cluster: &str, day: Day, write: bool) -> Task {
    Task {
        cluster: cluster.to_owned(),
        day,
        file: None,
        pieces: Vec::new(),
        extra: Vec::new(),
        planes: Vec::new(),
        write,
        facts: None,
    }
}

type Tasks = BTreeMap<(String, Day), Task>;

/// The days there is anything to do for, in order.
fn tasks(
    usage: &[UsageFile],
    join: &Join,
    days: BTreeMap<(u32, Day), Vec<gather::Piece>>,
    extras: Extras,
    period: Option<BillingPeriod>,
) -> Tasks {
    let mut tasks = Tasks::new();
    let empty = |cluster: &str, day: Day| empty_task(cluster, day, period.is_some());
    for file in usage {
        // another month's day without a charge of this one has no cost here
        let own = period == Some(BillingPeriod::of(file.day.start()));
        let at = join.position(&file.cluster).map(|at| (at, file.day));
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
    tasks
}

/// Adds the charges of control planes within a day to the days.
fn add_planes(tasks: &mut Tasks, planes: PlaneDays, gathered: &mut Gathered, usage: &[UsageFile]) {
    for ((cluster, day), groups) in planes {
        let file = usage.iter().find(|file| file.cluster == cluster && file.day == day);
        let task = tasks
            .entry((cluster.clone(), day))
            .or_insert_with(|| empty_task(&cluster, day, false));
        task.file = file.cloned();
        for (key, amounts) in groups {
            let hours = key.seconds() / u64::from(HOUR_S);
            let from = key.from.of_day();
            let to = from + u8::try_from(hours).unwrap_or(0);
            for Amount { kind, period, value } in amounts {
                task.planes
                    .push(((from, to), gathered.lane(Lane { kind, period }), value));
            }
        }
    }
}

/// What came of each day, in the order of the tasks: who did it, what.
type Finished = Vec<(usize, Done)>;

/// Does the days, [`WORKERS`] at a time. What comes out does not depend on who did what.
fn run(common: &Common<'_>, mut tasks: Vec<Task>) -> Result<(Finished, Vec<Places>), LakeError> {
    if tasks.len() == 1
        && let Some(task) = tasks.pop()
    {
        return only_day(common, task);
    }
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
    let finished = all.into_iter().map(|(_, worker, done)| (worker, done));
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
    let mut nothing = |_: &Charges<'_>, _: &GroupKey, _: &Amount, _: (u32, Day), _, _| Ok(());
    let clusters = Some(join.clusters_of_machines());
    let mut lander = Lander::new(&gathered.kinds, apportion, charges, &mut nothing, clusters);
    // only what nodes cost is asked for
    let mut planes = Planes::default();
    split_groups(lake, gathered.long(), (usage, join), &mut planes, &mut lander)?;
    let mut extras = lander.extras;
    let at = (join.position(cluster).unwrap_or(u32::MAX), day);
    let task = Task {
        file: usage
            .iter()
            .find(|file| file.cluster == cluster && file.day == day)
            .cloned(),
        pieces: days.remove(&at).unwrap_or_default(),
        extra: extras.remove(&at).unwrap_or_default(),
        ..empty_task(cluster, day, false)
    };
    let rules = &charges.program().rules;
    let common = common(lake, &gathered, join, apportion, rules);
    let books = Worker::new(&common).hours(task)?;
    Ok((books, day::with_unknown(&common.currencies)))
}
