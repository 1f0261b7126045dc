//! A large day that is the only one to do: its nodes in two halves, side by side.

use super::{Common, DayRows, DayRun, Done, Task, Worker, damaged, with_unknown};
use crate::clusters::Finished;
use crate::clusters::cells::{Cells, Places};
use crate::clusters::provider::{Twice, add_twice};
use crate::clusters::unbilled::Missing;
use crate::error::LakeError;
use polars::prelude::PlHashMap;
use std::sync::Arc;
use std::thread;

/// A day with fewer slot-hours is not worth a second thread. Tests do every day this way.
const LARGE: u64 = if cfg!(test) { 1 } else { 1 << 17 };

/// Where the second half begins.
struct Cut {
    /// The first slot of its first node.
    slot: i32,
    /// The first node.
    node: usize,
    /// Machines of the nodes before it.
    machines: Vec<u32>,
}

/// Does a day with all workers. What comes out is what one of them would bring,
/// container-days to the byte; cells by worker.
pub(in crate::clusters) fn only_day(common: &Common<'_>, task: Task) -> Result<(Finished, Vec<Places>), LakeError> {
    let mut worker = Worker::new(common);
    let mut run = DayRun::new(&mut worker, task)?;
    let Some(cut) = run.cut() else {
        run.nodes(&super::ALL_SLOTS, true)?;
        run.services()?;
        let done = run.finish(2)?;
        return Ok((vec![(0, done)], vec![worker.places]));
    };
    let mut other = Worker {
        places: run.worker.places.clone(),
        ..Worker::new(common)
    };
    let slot = cut.slot;
    let mut second = run.split_off(&mut other, cut);
    let counts = thread::scope(|scope| {
        let second = scope.spawn(|| second.nodes(&(slot..i32::MAX), true));
        let first = run.nodes(&(i32::MIN..slot), false);
        let second = second.join().unwrap_or(Err(LakeError::Stage { stage: "split" }));
        Ok::<_, LakeError>([first?, second?])
    })?;
    // of rows that are not in order, some could be in neither half
    let [[first, all], [last, _]] = counts;
    if first + last != all {
        let path = run.task.file.as_ref().map_or("", |file| file.hours_path.as_str());
        return Err(damaged(path, "the order"));
    }
    let cells: Cells = std::mem::take(&mut second.cells);
    run.take(second)?;
    let done = run.finish(2)?;
    let rest = Done {
        day: done.day,
        cells: cells.into_iter().collect(),
        file: None,
        missing: Missing::default(),
        twice: Twice::new(),
    };
    Ok((vec![(0, done), (1, rest)], vec![worker.places, other.places]))
}

impl<'c> DayRun<'_, 'c> {
    /// Where to cut the day, when its nodes do not depend on one another: what
    /// follows all pods of the cluster does, and so does a machine under two
    /// names, of which the first one has its cost.
    fn cut(&self) -> Option<Cut> {
        let large = self.task.file.as_ref().is_some_and(|file| file.slot_hours >= LARGE);
        if !large || self.services.is_some() {
            return None;
        }
        let names = &self.slots.names;
        let in_order = names.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && self.nodes.windows(2).all(|pair| pair[0].0.name <= pair[1].0.name);
        let half = self.slots.role.len() / 2;
        let at = names.partition_point(|(_, first)| (*first as usize) < half);
        let (name, slot) = names.get(at).filter(|_| in_order)?;
        let node = self.nodes.partition_point(|(node, _)| node.name < *name);
        let mut position = PlHashMap::default();
        for (at, (node, _)) in self.nodes.iter().enumerate() {
            if let Some(machine) = self.worker.common.join.id_of(&self.task.cluster, node)
                && position.insert(machine, at).is_some()
            {
                return None;
            }
        }
        Some(Cut {
            slot: i32::try_from(*slot).ok()?,
            node,
            machines: position
                .into_iter()
                .filter(|(_, at)| *at < node)
                .map(|(id, _)| id)
                .collect(),
        })
    }

    /// The second half, for another worker.
    fn split_off<'o>(&mut self, worker: &'o mut Worker<'c>, cut: Cut) -> DayRun<'o, 'c> {
        let common = worker.common;
        let count = self.slots.role.len() / 2 + self.nodes.len();
        DayRun {
            worker,
            task: Arc::clone(&self.task),
            first_hour: self.first_hour,
            nodes: self.nodes.split_off(cut.node),
            slots: Arc::clone(&self.slots),
            next: 0,
            // the other half does them: they are not absent
            done: cut.machines.into_iter().map(|machine| (machine, [false; 24])).collect(),
            cells: Cells::default(),
            services: None,
            missing: Missing::default(),
            twice: Twice::new(),
            rows: self
                .rows
                .is_some()
                .then(|| DayRows::new(with_unknown(&common.currencies), count)),
            book: None,
        }
    }

    /// Takes what came of the second half, but for its cells.
    fn take(&mut self, second: DayRun<'_, '_>) -> Result<(), LakeError> {
        self.missing.merge(second.missing)?;
        for ((cluster, currency), money) in second.twice {
            add_twice(&mut self.twice, cluster, &currency, money)?;
        }
        if let (Some(rows), Some(others)) = (&mut self.rows, second.rows) {
            rows.append(others);
        }
        Ok(())
    }
}
