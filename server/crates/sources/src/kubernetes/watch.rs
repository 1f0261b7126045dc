//! The watches: each lists its resource page by page, then follows it, and
//! starts over by itself after 410 Gone, throttling, lost connections and
//! streams that were cut.

use super::access::ACCESS;
use super::findings::Findings;
use super::inventory;
use super::node::NodeFact;
use super::objects::{PodFact, namespace_fact, owner_fact};
use super::pulse::{Pulses, lock};
use super::quantity::QuantityError;
use super::scaled::scaled;
use super::world::{Table, World};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Config, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// First wait after a failure; doubled with each, up to [`MAX_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait, also when the server asks for more.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// What the watches share.
pub struct Shared {
    /// What they have brought.
    pub world: Mutex<World>,
    /// How they are doing.
    pub pulses: Arc<Pulses>,
}

/// The running watches; dropping this ends them.
pub struct Watches(Vec<JoinHandle<()>>);

impl Drop for Watches {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// A table of the world, and its findings.
type Select<T> = fn(&mut World) -> (&mut Table<T>, &mut Findings);

macro_rules! table {
    ($name:ident) => {
        |world| (&mut world.$name, &mut world.findings)
    };
}

/// Starts the watches of all that [`ACCESS`] names as watched; of pods these
/// annotations are kept.
pub fn start(client: &Client, config: &Config, shared: &Arc<Shared>, annotations: &[String]) -> Watches {
    let starter = Starter { client, config, shared };
    let annotations = annotations.to_vec();
    Watches(vec![
        starter.watch(NodeFact::read, table!(nodes)),
        starter.watch(move |pod| PodFact::read(pod, &annotations), table!(pods)),
        starter.watch(
            |object: &PartialObjectMeta<Namespace>| Ok(namespace_fact(&object.metadata)),
            table!(namespaces),
        ),
        starter.owners::<ReplicaSet>(table!(replica_sets)),
        starter.watch(scaled::<Deployment>, table!(deployments)),
        starter.watch(scaled::<StatefulSet>, table!(stateful_sets)),
        starter.watch(scaled::<DaemonSet>, table!(daemon_sets)),
        starter.owners::<Job>(table!(jobs)),
        starter.owners::<CronJob>(table!(cron_jobs)),
        starter.watch(inventory::volume, table!(volumes)),
        starter.watch(inventory::claim, table!(claims)),
        starter.watch(inventory::class, table!(classes)),
        starter.watch(inventory::service, table!(services)),
        starter.watch(inventory::ingress, table!(ingresses)),
        starter.watch(inventory::autoscaler, table!(autoscalers)),
        starter.watch(inventory::budget, table!(budgets)),
        starter.watch(inventory::quota, table!(quotas)),
        starter.watch(inventory::priority, table!(priorities)),
    ])
}

struct Starter<'a> {
    client: &'a Client,
    config: &'a Config,
    shared: &'a Arc<Shared>,
}

impl Starter<'_> {
    /// Of workload controllers that are only links the metadata is asked for.
    fn owners<K>(&self, select: Select<super::objects::OwnerFact>) -> JoinHandle<()>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
        PartialObjectMeta<K>: Resource<DynamicType = ()> + DeserializeOwned,
    {
        self.watch(|object: &PartialObjectMeta<K>| Ok(owner_fact(&object.metadata)), select)
    }

    fn watch<K, T>(
        &self,
        read: impl Fn(&K) -> Result<T, QuantityError> + Send + 'static,
        select: Select<T>,
    ) -> JoinHandle<()>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
        T: PartialEq + Send + Sync + 'static,
    {
        let path = K::url_path(&(), None);
        let index = ACCESS.iter().position(|access| access.path == path);
        let api = Api::<K>::all(self.client.clone());
        let events = watcher(api, self.config.clone());
        let shared = self.shared.clone();
        tokio::spawn(async move {
            // nothing is read that the table does not name
            let Some(index) = index else { return };
            let mut events = pin!(events);
            let mut failures = 0;
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => {
                        if !matches!(event, watcher::Event::Init) {
                            failures = 0;
                            shared.pulses.good(index);
                        }
                        let at = shared.pulses.now();
                        let mut world = lock(&shared.world);
                        world.events += 1;
                        let (table, findings) = select(&mut world);
                        table.take(event, at, &read, findings);
                    }
                    Err(error) => {
                        let (verb, status, asked) = reason(&error);
                        shared.pulses.failed(index, verb, status, words(&error));
                        tokio::time::sleep(wait(failures, asked)).await;
                        failures += 1;
                    }
                }
            }
        })
    }
}

/// Verb, status and the wait the server asked for.
fn reason(error: &watcher::Error) -> (&'static str, Option<u16>, Option<Duration>) {
    let (verb, status) = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => ("list", Some(status)),
        watcher::Error::InitialListFailed(_) | watcher::Error::NoResourceVersion => ("list", None),
        watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => ("watch", Some(status)),
        watcher::Error::WatchStartFailed(_) | watcher::Error::WatchFailed(_) => ("watch", None),
    };
    let details = status.and_then(|status| status.details.as_ref());
    let asked = details
        .map(|details| u64::from(details.retry_after_seconds))
        .filter(|seconds| *seconds > 0);
    (verb, status.map(|status| status.code), asked.map(Duration::from_secs))
}

/// An error with its causes, in one line.
pub fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

fn wait(failures: u32, asked: Option<Duration>) -> Duration {
    let own = FIRST_WAIT.saturating_mul(1 << failures.min(10));
    own.max(asked.unwrap_or_default()).min(MAX_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit() {
        for (failures, asked_s, expect_ms) in [
            (0, 0, 500),
            (1, 0, 1_000),
            (5, 0, 16_000),
            (6, 0, 30_000),
            (u32::MAX, 0, 30_000),
            (0, 7, 7_000),
            (0, 3_600, 30_000),
        ] {
            let found = wait(failures, Some(Duration::from_secs(asked_s)));
            assert_eq!(found.as_millis(), expect_ms, "{failures} failures, {asked_s} s asked");
        }
    }
}
