//! Counting: a cluster is watched, what is counted is written down after every
//! sample, and each complete hour goes into the spool.

use super::Shared;
use super::spool::dropped;
use crate::app::collect::{SYNC_LIMIT, kubernetes, kubernetes_days};
use crate::app::push::Push;
use crate::error::AppError;
use domain::Finding;
use domain::instant::{Instant, SECOND_US};
use domain::usage::{ClusterDay, Hour};
use sources::kubernetes::{ClusterConfig, CollectError, Collector, Facts, Kept, Tick};
use std::collections::VecDeque;
use std::sync::Arc;

/// After a longer pause of the agent the hours in between are unobserved
/// instead of counted by requests alone.
const PAUSE_MAX_US: i64 = 3_600 * SECOND_US;
/// A push has at most so many containers; a larger hour is several pushes.
const CONTAINERS_PER_PUSH: usize = 40_000;
/// Pushes that wait in memory while the spool cannot be written.
const PENDING_MAX: usize = 48;

/// A cluster that is being counted.
pub struct Counting {
    collector: Collector,
    shared: Arc<Shared>,
    /// Hours before this one were asked for.
    drained: Hour,
    pending: VecDeque<Push>,
    missing: Option<String>,
}

impl Counting {
    /// Connects, and goes on with the hour another run of the agent counted.
    ///
    /// # Errors
    /// A configuration or permission that does not allow it, named; a spool of
    /// another cluster.
    pub async fn open(config: ClusterConfig, shared: Arc<Shared>, now: Instant) -> Result<Counting, AppError> {
        let mut collector = Collector::connect(config).await.map_err(kubernetes)?;
        collector.synced(SYNC_LIMIT).await.map_err(kubernetes)?;
        let mut counting = Counting {
            collector,
            shared,
            drained: Hour::of(now),
            pending: VecDeque::new(),
            missing: None,
        };
        counting.go_on(now)?;
        Ok(counting)
    }

    fn go_on(&mut self, now: Instant) -> Result<(), AppError> {
        let running = self.shared.spool().running();
        let kept = match running {
            Ok(None) => return Ok(()),
            Ok(Some(bytes)) => Kept::read(&bytes).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(error.to_string()),
            Err(error) => return Err(AppError::broken("cannot read the spool", error)),
        };
        let kept = match kept {
            Ok(kept) => kept,
            Err(why) => {
                let spool = self.shared.spool();
                spool
                    .set_running_aside()
                    .map_err(|error| AppError::broken("cannot clear the spool", error))?;
                drop(spool);
                let finding = Finding::warning(
                    "agent_hour_unreadable",
                    format!("what was counted of the running hour {why}; the hour is unobserved up to {now}"),
                );
                self.add(
                    Vec::new(),
                    vec![finding.remedy("it lies in the folder aside of the agent's spool")],
                );
                return Ok(());
            }
        };
        if kept.cluster_id() != self.collector.cluster_id() {
            return Err(AppError::usage(
                format!(
                    "the spool {} is of cluster {}, not {}",
                    self.shared.spool().folder().display(),
                    kept.cluster_id(),
                    self.collector.cluster_id()
                ),
                "give every cluster a spool of its own",
            ));
        }
        let Some(last) = kept.last() else { return Ok(()) };
        if (0..=PAUSE_MAX_US).contains(&(now.0 - last.0)) {
            self.drained = Hour::of(last);
            self.collector.resume(kept);
        } else {
            let facts = kept.finish();
            self.hand_over(facts);
        }
        Ok(())
    }

    /// The collector, for what it can tell.
    #[must_use]
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// Takes a sample, spools the hours that are complete, and writes down
    /// what is not. A permission that is missing is told, and the sample taken
    /// of what is allowed.
    ///
    /// # Errors
    /// When the cluster's credentials are no longer any good.
    pub async fn tick(&mut self, now: Instant) -> Result<Option<Tick>, AppError> {
        let tick = match self.collector.tick(now).await {
            Ok(tick) => {
                self.missing = None;
                Some(tick)
            }
            Err(error @ CollectError::Forbidden { .. }) => {
                let words = error.to_string();
                if self.missing.as_ref() != Some(&words) {
                    tracing::error!("{words}");
                    self.missing = Some(words);
                }
                None
            }
            Err(error) => return Err(kubernetes(error)),
        };
        if Hour::of(now) > self.drained {
            self.drained = Hour::of(now);
            let facts = self.collector.drain(self.drained, now);
            self.hand_over(facts);
        }
        self.settle();
        Ok(tick)
    }

    /// Ends: what there is of the running hour is spooled too, up to the last
    /// sample. If the agent comes back it counts on, and the whole hour, which
    /// is better observed, takes the place of this part.
    pub fn finish(mut self) {
        self.settle();
        if let Some(last) = self.collector.last() {
            let Counting {
                collector,
                shared,
                pending,
                ..
            } = self;
            let names = (collector.cluster_id().to_owned(), collector.cluster_name().to_owned());
            let facts = collector.finish(last);
            let agent = shared.spool().agent().to_owned();
            let mut pending = pending;
            pending.extend(pushes((&names.0, &names.1), &agent, facts));
            flush(&mut pending, &shared);
        }
    }

    fn hand_over(&mut self, facts: Facts) {
        let agent = self.shared.spool().agent().to_owned();
        let names = (facts.cluster_id.clone(), facts.cluster_name.clone());
        self.pending.extend(pushes((&names.0, &names.1), &agent, facts));
        flush(&mut self.pending, &self.shared);
    }

    fn add(&mut self, days: Vec<ClusterDay>, findings: Vec<Finding>) {
        let names = (self.collector.cluster_id(), self.collector.cluster_name());
        let agent = self.shared.spool().agent().to_owned();
        self.pending.push_back(Push::new(names, &agent, days, findings));
        flush(&mut self.pending, &self.shared);
    }

    /// Facts first, then what is left in the collector: a kill in between
    /// leaves the older state, and its facts are spooled once more.
    fn settle(&mut self) {
        flush(&mut self.pending, &self.shared);
        if !self.pending.is_empty() {
            return;
        }
        let saved = self.shared.spool().save_running(|to| self.collector.save(to));
        if let Err(error) = saved {
            tracing::error!(%error, "the running hour cannot be written down; a kill would lose it");
        }
    }
}

/// Spools what is pending. What cannot be written waits in memory.
fn flush(pending: &mut VecDeque<Push>, shared: &Shared) {
    while let Some(push) = pending.front() {
        let put = shared.spool().put(push);
        match put {
            Ok(()) => {
                pending.pop_front();
                shared.wake.notify_one();
            }
            Err(error) => {
                tracing::error!(%error, waiting = pending.len(), "the spool cannot be written; facts wait in memory");
                break;
            }
        }
    }
    if pending.len() > PENDING_MAX {
        // the oldest give way, and say so
        if let Some(oldest) = pending.iter_mut().find(|push| !push.days.is_empty()) {
            *oldest = dropped(oldest);
        }
    }
}

/// The facts as pushes, none of them too large to be taken.
fn pushes((cluster, name): (&str, &str), agent: &str, mut facts: Facts) -> Vec<Push> {
    let days = kubernetes_days(&mut facts);
    if days.is_empty() && facts.findings.is_empty() {
        return Vec::new();
    }
    let mut pushes = Vec::new();
    let mut rest = days;
    let mut findings = facts.findings;
    loop {
        let mut room = CONTAINERS_PER_PUSH;
        let mut left = Vec::new();
        for day in &mut rest {
            if day.slots.len() > room {
                left.push(ClusterDay {
                    cluster: day.cluster.clone(),
                    day: day.day,
                    slots: day.slots.split_off(room),
                    ..ClusterDay::default()
                });
            }
            room -= day.slots.len();
        }
        pushes.push(Push::new((cluster, name), agent, rest, std::mem::take(&mut findings)));
        if left.is_empty() {
            return pushes;
        }
        rest = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::instant::Day;
    use domain::usage::hourly::HourFacts;
    use domain::usage::{Measure, Slot, SlotHour};

    #[test]
    fn a_large_hour_is_several_pushes() {
        let slot = |number: usize| HourFacts {
            slot: Slot {
                node: "n".to_owned(),
                pod_uid: format!("{number:06}"),
                ..Slot::default()
            },
            hour: SlotHour {
                hour: Hour(24),
                seconds: 3_600,
                effective: Measure::ZERO,
                requested: Measure::ZERO,
                used: Measure::ZERO,
            },
            metered_s: 0,
            profile: domain::usage::profile::UsageProfile::default(),
        };
        for (containers, expect) in [
            (1, vec![1]),
            (40_000, vec![40_000]),
            (90_001, vec![40_000, 40_000, 10_001]),
        ] {
            let facts = Facts {
                cluster_id: "c".to_owned(),
                cluster_name: "c".to_owned(),
                nodes: Vec::new(),
                slots: (0..containers).map(slot).collect(),
                volumes: Vec::new(),
                balancers: Vec::new(),
                sizing: Vec::new(),
                findings: vec![Finding::info("x", "y")],
            };
            let pushes = pushes(("c", "c"), "a", facts);
            let sizes: Vec<usize> = pushes.iter().map(|push| push.days[0].slots.len()).collect();
            assert_eq!(sizes, expect);
            assert!(
                pushes
                    .iter()
                    .all(|push| push.days[0].day == Day(1) && push.from_hour == Hour(24))
            );
            assert_eq!(pushes.iter().map(|push| push.findings.len()).sum::<usize>(), 1);
        }
    }
}
