//! The agent: watches the cluster it runs in and pushes its facts to a server.
//! It has a spool and nothing else: neither lake nor database.
//!
//! Nothing is lost: what is counted is written down after every sample, a
//! complete hour becomes an entry of the spool, and an entry stays until the
//! server says that it has it. Nothing is doubled: the server takes an entry
//! once by its id, and facts that come in two entries merge to one by rule.

mod count;
mod deliver;
mod disk;
mod spool;

pub use count::Counting;
pub use deliver::Delivered;
pub use spool::{Entry, Kind, Spool, SpoolError};

use crate::clock::Clock;
use crate::error::AppError;
use crate::outbound::Outbound;
use serde::Serialize;
use sources::kubernetes::{ClusterAccess, ClusterConfig};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// At its end the agent tries so long to deliver what it has.
const FAREWELL: Duration = Duration::from_secs(5);
/// Failures in a row after which `--drain` gives up.
const DRAIN_TRIES: u32 = 5;

/// What its two halves, counting and delivering, share.
#[derive(Debug)]
pub struct Shared {
    spool: Mutex<Spool>,
    /// Woken when an entry comes.
    wake: Notify,
    cluster: Mutex<Option<(String, String)>>,
}

impl Shared {
    /// Around a spool.
    #[must_use]
    pub fn new(spool: Spool) -> Arc<Shared> {
        Arc::new(Shared {
            spool: Mutex::new(spool),
            wake: Notify::new(),
            cluster: Mutex::new(None),
        })
    }

    /// The spool; never to be held while something is waited for.
    pub fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn oldest(&self) -> Option<Entry> {
        self.spool().oldest()
    }

    /// Entries and bytes that wait.
    fn load(&self) -> (usize, u64) {
        let spool = self.spool();
        (spool.waiting(), spool.bytes())
    }

    fn cluster(&self) -> Option<(String, String)> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn name_cluster(&self, id: &str, name: &str) {
        let named = Some((id.to_owned(), name.to_owned()));
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = named;
    }
}

/// What an agent is to do.
pub struct Agent {
    /// Its spool.
    pub spool: Spool,
    /// Where to push.
    pub to: Outbound,
    /// What to watch; `None` to deliver what the spool holds, and end.
    pub watch: Option<Watch>,
    /// The clock.
    pub clock: Clock,
}

/// A cluster to watch.
#[derive(Debug, Clone)]
pub struct Watch {
    /// How to get there.
    pub access: ClusterAccess,
    /// What to call it.
    pub name: Option<String>,
    /// Seconds between samples.
    pub interval_s: u32,
    /// Annotations of pods that are kept, by key.
    pub annotations: Vec<String>,
}

/// What an agent did: the answer of `tonnage agent --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentDone {
    /// Entries the server took.
    pub pushed: u64,
    /// Entries it had already.
    pub already: u64,
    /// Entries set aside.
    pub set_aside: u64,
    /// Entries that still wait.
    pub waiting: u64,
}

impl Agent {
    /// Runs until `stop`; without a cluster to watch, until the spool is empty.
    ///
    /// # Errors
    /// A cluster that cannot be watched; without one, a server that does not
    /// take what the spool holds.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send,
        say: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<AgentDone, AppError> {
        let shared = Shared::new(self.spool);
        let mut done = Delivered::default();
        let Some(watch) = self.watch else {
            let drained = shared.drain(&self.to, DRAIN_TRIES, &mut done).await;
            drained.map_err(|why| {
                let what = format!("cannot deliver the spool to {}", self.to.address());
                AppError::broken(what, why)
            })?;
            return Ok(answer(&shared, done));
        };
        // what waits is delivered also while the cluster cannot be reached
        let counted = {
            let delivering = shared.deliver(&self.to, &mut done);
            tokio::select! {
                counted = count(&shared, &watch, self.clock, stop, say) => counted,
                () = delivering => Ok(()),
            }
        };
        // a server that is there gets the rest now, else the next run delivers it
        let farewell = shared.drain(&self.to, 1, &mut done);
        if !matches!(tokio::time::timeout(FAREWELL, farewell).await, Ok(Ok(()))) {
            let (waiting, bytes) = shared.load();
            tracing::info!(waiting, bytes, "entries stay in the spool for the next run");
        }
        counted.map(|()| answer(&shared, done))
    }
}

fn answer(shared: &Shared, done: Delivered) -> AgentDone {
    AgentDone {
        pushed: done.pushed,
        already: done.already,
        set_aside: done.set_aside,
        waiting: shared.load().0 as u64,
    }
}

/// Watches the cluster until told to stop.
async fn count(
    shared: &Arc<Shared>,
    watch: &Watch,
    clock: Clock,
    stop: impl Future<Output = ()> + Send,
    say: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), AppError> {
    let mut config = ClusterConfig::new(watch.access.clone());
    config.name.clone_from(&watch.name);
    config.interval_s = watch.interval_s;
    config.annotations.clone_from(&watch.annotations);
    config.clock = Arc::new(move || clock.now());
    // a clock that runs faster makes every silence longer
    config.watch_s = config.watch_s.saturating_mul(clock.rate());
    let mut stop = std::pin::pin!(stop);
    let opened = tokio::select! {
        opened = Counting::open(config, shared.clone(), clock.now()) => opened,
        () = &mut stop => return Ok(()),
    };
    let mut counting = opened?;
    let collector = counting.collector();
    shared.name_cluster(collector.cluster_id(), collector.cluster_name());
    say(&format!(
        "watching cluster {} ({})",
        collector.cluster_name(),
        collector.cluster_id()
    ));
    let interval = Duration::from_secs(u64::from(watch.interval_s)) / clock.rate();
    let mut every = tokio::time::interval(interval);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = every.tick() => {}
        }
        let now = clock.now();
        if let Some(tick) = counting.tick(now).await? {
            tracing::debug!(
                pods = tick.pods,
                slots = tick.slots,
                measured = tick.measured,
                "sampled"
            );
        }
    }
    counting.finish();
    Ok(())
}
