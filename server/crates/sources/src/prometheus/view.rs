//! The samples of one pod on one node, fed to the hourly accumulator (A1, A26).

use super::labels::accelerator_milli;
use super::nodes::{Nodes, mib, window};
use super::pods::{Container, Doubts, Life, Mounted, Named, PodName, Pods, Rules, SlotFacts};
use super::series::{Incarnations, Timeline, millicores, rises};
use super::spans::{Stretch, Tick, covered_ms, union};
use domain::instant::{Instant, Span};
use domain::usage::hourly::{HourFacts, HourlyAccumulator, Sample, pod_overhead_at};
use domain::usage::{Capacity, HOUR_S, Hour, Mount, MountHour, Role, SizingHour, Slot, Throttling};
use std::collections::{BTreeMap, BTreeSet};

/// One pod on one node, with all it takes to make its facts.
pub(super) struct View<'a> {
    pub name: &'a PodName,
    pub uid: &'a str,
    pub node: &'a str,
    pub life: &'a Life,
    pub named: &'a Named,
    /// Scrapes that show it holding its node.
    pub ticks: &'a [Tick],
    /// The stretches they stand for.
    pub shown: &'a [Stretch],
    pub pods: &'a Pods,
    pub nodes: &'a Nodes,
    pub rules: &'a Rules<'a>,
}

impl View<'_> {
    /// Its facts in some hours.
    pub(super) fn facts(&self, hours: &std::ops::Range<i32>, doubts: &mut Doubts) -> Vec<SlotFacts> {
        let role = self.role();
        let mut accumulator = HourlyAccumulator::new(self.rules.interval_s);
        let names: BTreeSet<&String> = self.named.containers.keys().chain(self.sidecars()).collect();
        let mut held: Vec<Vec<(i64, Capacity)>> = Vec::new();
        for container in &names {
            let samples = self.samples(container, doubts);
            held.push(samples.iter().map(|s| (s.at.0 / 1_000, larger(s))).collect());
            for sample in samples {
                let slot = self.slot(container, role, sample.at.0 / 1_000);
                accumulator.observe(&slot, self.alive(sample.at.0 / 1_000), sample);
            }
        }
        self.observe_overhead(&held, &mut accumulator);
        let wanted = |facts: &HourFacts| {
            hours.contains(&facts.hour.hour.0)
                // an overhead of nothing is no fact; the container's own facts stay
                && !(facts.slot.role == Role::PodOverhead && facts.hour.effective.is_zero())
        };
        accumulator
            .drain(Hour(hours.end))
            .into_iter()
            .filter(wanted)
            .map(|facts| SlotFacts {
                sizing: (!facts.slot.container.is_empty()).then(|| self.sizing(&facts)),
                facts,
            })
            .collect()
    }

    /// The claims it mounts, for as long as it holds its node.
    pub(super) fn mounted(&self, hours: &std::ops::Range<i32>) -> Vec<Mounted> {
        let Some(last) = self.ticks.last().filter(|_| !self.named.claims.is_empty()) else {
            return Vec::new();
        };
        let first = self.ticks.first().map_or(last.at, |tick| tick.at);
        let held = self.ticks.iter().map(|tick| {
            let alive = self.alive(tick.at);
            let start = alive.start.0 / 1_000;
            // shown for the first time soon after its start
            let near = tick.at == first && (tick.at - self.rules.reach_ms..tick.at).contains(&start);
            (if near { start } else { tick.at }, tick.until.min(alive.end.0 / 1_000))
        });
        let held = union(held.collect());
        let fact = |hour: Hour| {
            let seconds = u32::try_from(covered_ms(&held, window(hour)) / 1_000).unwrap_or(HOUR_S);
            (seconds > 0).then_some(MountHour {
                hour,
                seconds,
                used_mib_s: None,
            })
        };
        let hours: Vec<MountHour> = hours.clone().map(Hour).filter_map(fact).collect();
        if hours.is_empty() {
            return Vec::new();
        }
        let slot = self.slot("", Role::PodOverhead, last.at);
        let mount = Mount {
            namespace: slot.namespace,
            pod_uid: slot.pod_uid,
            pod: slot.pod,
            workload_kind: slot.workload_kind,
            workload: slot.workload,
            labels: slot.labels,
        };
        let mounted = self.named.claims.iter().map(|claim| Mounted {
            claim: claim.clone(),
            mount: mount.clone(),
            hours: hours.clone(),
        });
        mounted.collect()
    }

    fn role(&self) -> Role {
        if self.rules.placeholder_classes.contains(&self.life.priority_class) {
            Role::Placeholder
        } else if self.controller().0 == "DaemonSet" {
            Role::DaemonSet
        } else {
            Role::Workload
        }
    }

    fn sidecars(&self) -> impl Iterator<Item = &String> {
        self.named
            .init
            .iter()
            .filter(|(_, init)| init.sidecar)
            .map(|(name, _)| name)
    }

    fn slot(&self, container: &str, role: Role, at: i64) -> Slot {
        let (namespace, pod) = self.name;
        let (kind, name) = self.top_owner();
        let reach = self.rules.reach_ms;
        let of_namespace = self
            .pods
            .namespaces
            .get(namespace)
            .and_then(|labels| labels.at(at, reach));
        let mut labels = of_namespace.cloned().unwrap_or_default();
        labels.extend(self.named.labels.at(at, reach).cloned().unwrap_or_default());
        Slot {
            node: self.node.to_owned(),
            pod_uid: self.uid.to_owned(),
            container: container.to_owned(),
            role,
            namespace: namespace.clone(),
            pod: pod.clone(),
            workload_kind: kind,
            workload: name,
            labels,
            ..Slot::default()
        }
    }

    fn controller(&self) -> &(String, String) {
        if self.life.owner.0.is_empty() {
            &self.named.owner
        } else {
            &self.life.owner
        }
    }

    /// Up the owners: ReplicaSet to Deployment, Job to CronJob.
    fn top_owner(&self) -> (String, String) {
        let (mut kind, mut name) = self.controller().clone();
        for known in ["ReplicaSet", "Job"] {
            let key = (known, self.name.0.clone(), name.clone());
            if kind == known
                && let Some(above) = self.pods.owners.get(&key)
            {
                (kind, name) = above.clone();
            }
        }
        (kind, name)
    }

    /// From the start of the pod on its node to its end, as far as a sample at
    /// this instant has to know them.
    fn alive(&self, at: i64) -> Span {
        let reach = self.rules.reach_ms;
        let since = self
            .named
            .started
            .at(at, reach)
            .map_or(0, |seconds| seconds.saturating_mul(1_000));
        let completed = self
            .named
            .completed
            .at(at, reach)
            .map(|seconds| seconds.saturating_mul(1_000));
        // the last scrape that shows it stands to the first that does not, and into a silence no further
        // than the node's own hours do
        let after = self.shown.partition_point(|(from, _)| *from <= at);
        let shown = self.shown[..after].last().filter(|(_, to)| at < *to).map(|(_, to)| *to);
        let end = [completed.filter(|end| *end > since), shown]
            .into_iter()
            .flatten()
            .min();
        Span {
            start: Instant(since.saturating_mul(1_000)),
            end: Instant(end.map_or(i64::MAX, |end| end.saturating_mul(1_000))),
        }
    }

    /// The scrape that shows the pod at an instant.
    fn tick(&self, at: i64) -> Option<&Tick> {
        let after = self.ticks.partition_point(|tick| tick.at <= at);
        self.ticks[..after].last().filter(|tick| at < tick.until)
    }

    /// Whether the pod holds its node at the instant of a usage sample: a
    /// scrape shows it, or the first one to do so is near.
    fn holds(&self, at: i64) -> bool {
        let first = self.ticks.first().map_or(i64::MAX, |tick| tick.at);
        let early = || (first - self.rules.reach_ms..first).contains(&at);
        // the name may have belonged to another pod: only since this one is known to have started
        let started = || {
            self.named
                .started
                .at(first, 0)
                .is_some_and(|seconds| at >= seconds.saturating_mul(1_000))
        };
        self.tick(at).is_some() || (early() && started())
    }

    /// Samples of a container: where cAdvisor has one, its own; else those of
    /// kube-state-metrics, whose requests the node keeps whatever runs.
    fn samples(&self, name: &str, doubts: &mut Doubts) -> Vec<Sample> {
        let reach = self.rules.reach_ms;
        let used = self
            .named
            .containers
            .get(name)
            .map(|c| self.used(c, doubts))
            .unwrap_or_default();
        let mut samples: BTreeMap<i64, Option<Capacity>> = self
            .ticks
            .iter()
            .filter(|tick| used.range(tick.at - reach + 1..=tick.at).next().is_none())
            .map(|tick| (tick.at, None))
            .collect();
        samples.extend(used.into_iter().map(|(at, used)| (at, Some(used))));
        samples
            .into_iter()
            .map(|(at, used)| Sample {
                at: Instant(at * 1_000),
                requested: self.requested(name, at),
                used,
            })
            .collect()
    }

    /// A counter's samples while the pod holds its node: the next pod of the
    /// name has a counter of its own.
    fn own(&self, counter: &Incarnations) -> Vec<(i64, i64, bool)> {
        let mut joined = counter.joined(self.rules.reach_ms);
        joined.retain(|(at, _, _)| self.holds(*at));
        joined
    }

    /// Usage by instant, while the pod holds its node.
    fn used(&self, container: &Container, doubts: &mut Doubts) -> BTreeMap<i64, Capacity> {
        let reach = self.rules.reach_ms;
        let cpu: BTreeMap<i64, Option<u64>> = millicores(&self.own(&container.cpu), reach).into_iter().collect();
        let limit = self.nodes.largest(self.node);
        let instants: BTreeSet<i64> = if cpu.is_empty() {
            container.memory.keys().copied().collect()
        } else {
            cpu.keys().copied().collect()
        };
        let mut used = BTreeMap::new();
        for at in instants.into_iter().filter(|at| self.holds(*at)) {
            let near = container.memory.range(at - reach..=at).next_back();
            let near = near.or_else(|| container.memory.range(at..at + reach).next());
            let memory_bytes = near.map_or(0, |(_, bytes)| *bytes);
            doubts.negative += u64::from(memory_bytes < 0);
            let cpu_millicores = cpu.get(&at).copied().flatten();
            if cpu_millicores.is_none() && near.is_none() {
                continue;
            }
            let seen = Capacity {
                cpu_millicores: cpu_millicores.unwrap_or(0),
                memory_mib: mib(memory_bytes),
                gpu_milli: 0,
            };
            let kept = limit.map_or(seen, |limit| Capacity {
                cpu_millicores: believable(seen.cpu_millicores, limit.cpu_millicores),
                memory_mib: believable(seen.memory_mib, limit.memory_mib),
                gpu_milli: 0,
            });
            doubts.absurd_usage += u64::from(kept != seen);
            doubts.metered = true;
            used.insert(at, kept);
        }
        used
    }

    /// What a container requests at an instant; an init container that ends
    /// requests nothing of its own: it counts in what the pod holds.
    fn requested(&self, name: &str, at: i64) -> Capacity {
        let own = self.named.containers.get(name).map(|container| &container.requests);
        let sidecar = self
            .named
            .init
            .get(name)
            .filter(|init| init.sidecar)
            .map(|init| &init.requests);
        let own = own.filter(|requests| !requests.is_empty()).or(sidecar);
        own.map_or_else(Capacity::default, |requests| self.amount(requests, at))
    }

    /// Requests by resource as a capacity: CPU rounded up as Kubernetes does,
    /// memory to the nearest MiB but never to nothing.
    fn amount(&self, requests: &BTreeMap<String, Timeline<i64>>, at: i64) -> Capacity {
        let reach = self.rules.reach_ms;
        let mut amount = Capacity::default();
        for (resource, timeline) in requests {
            let Some(&thousandths) = timeline.at(at, reach).filter(|value| **value > 0) else {
                continue;
            };
            match resource.as_str() {
                "cpu" => amount.cpu_millicores = u64::try_from(thousandths).unwrap_or(0),
                "memory" => amount.memory_mib = mib(thousandths / 1_000).max(1),
                device => {
                    let each = accelerator_milli(device, self.nodes.replicas(self.node, at, reach)).unwrap_or(0);
                    amount.gpu_milli += each.saturating_mul(u64::try_from(thousandths / 1_000).unwrap_or(0));
                }
            }
        }
        amount
    }

    /// What the node keeps for the pod: its containers and sidecars together,
    /// or its largest init container beside the sidecars, and the overhead of
    /// its runtime class (A26).
    fn pod_requested(&self, at: i64) -> Capacity {
        let sum = |total: Capacity, requests: &BTreeMap<String, Timeline<i64>>| total.plus(&self.amount(requests, at));
        let sidecars = self.named.init.values().filter(|init| init.sidecar);
        let beside = sidecars.fold(Capacity::default(), |total, init| sum(total, &init.requests));
        let staying = self
            .named
            .containers
            .iter()
            .filter(|(name, _)| !self.named.init.contains_key(*name));
        let staying = staying.fold(beside, |total, (_, container)| sum(total, &container.requests));
        let init = self.named.init.values().filter(|init| !init.sidecar);
        let peak = init
            .map(|init| sum(beside, &init.requests))
            .fold(staying, |peak, one| peak.max(one));
        sum(peak, &self.named.overhead)
    }

    /// Samples the pod's overhead wherever one of its containers was sampled.
    fn observe_overhead(&self, held: &[Vec<(i64, Capacity)>], accumulator: &mut HourlyAccumulator) {
        if self.named.init.is_empty() && self.named.overhead.is_empty() {
            return;
        }
        let mut instants: BTreeSet<i64> = held.iter().flatten().map(|(at, _)| *at).collect();
        instants.extend(self.ticks.iter().map(|tick| tick.at));
        for at in instants {
            let now: Vec<Capacity> = held
                .iter()
                .filter_map(|samples| {
                    let after = samples.partition_point(|(begin, _)| *begin <= at);
                    let governing = samples[..after]
                        .last()
                        .filter(|(begin, _)| at - begin < self.rules.reach_ms);
                    // the first sample of a life stands for the time since its start as well
                    governing
                        .or_else(|| samples.first().filter(|_| after == 0))
                        .map(|(_, held)| *held)
                })
                .collect();
            let sample = Sample {
                at: Instant(at * 1_000),
                requested: pod_overhead_at(self.pod_requested(at), &now),
                used: None,
            };
            accumulator.observe(&self.slot("", Role::PodOverhead, at), self.alive(at), sample);
        }
    }

    /// What is known of an hour beside the integrals.
    fn sizing(&self, facts: &HourFacts) -> SizingHour {
        let (slot, hour) = (&facts.slot, facts.hour.hour);
        let span = window(hour);
        let sizing = SizingHour::of(hour, facts.metered_s, &facts.profile);
        let replicas = ["Deployment", "StatefulSet", "DaemonSet"]
            .into_iter()
            .find(|kind| *kind == slot.workload_kind)
            .and_then(|kind| {
                let key = (kind, slot.namespace.clone(), slot.workload.clone());
                self.pods.replicas.get(&key)?.largest(span)
            })
            .and_then(|replicas| u32::try_from(*replicas).ok());
        let Some(container) = self.named.containers.get(&slot.container) else {
            return SizingHour { replicas, ..sizing };
        };
        let limit = |resource: &str| {
            let latest = container.limits.get(resource)?.latest(span, self.rules.reach_ms)?;
            u64::try_from(*latest).ok().filter(|limit| *limit > 0)
        };
        let (restarts, killed) = self.restarts(container, span);
        let oom_events = self.risen(&container.oom_events, span);
        let oom_events = oom_events.map(|kills| u32::try_from(kills).unwrap_or(u32::MAX));
        SizingHour {
            memory_peak_mib: sizing.memory_peak_mib.max(self.memory_peak(container, span)),
            cpu_limit_millicores: limit("cpu"),
            memory_limit_mib: limit("memory")
                .map(|thousandths| mib(i64::try_from(thousandths / 1_000).unwrap_or(i64::MAX))),
            throttling: self.throttling(container, span),
            oom_kills: killed.max(oom_events),
            restarts,
            replicas,
            ..sizing
        }
    }

    /// The largest memory sample; one that no sample of CPU is near counts as well.
    fn memory_peak(&self, container: &Container, (from, to): Stretch) -> Option<u64> {
        let held = container.memory.range(from..to).filter(|(at, _)| self.holds(**at));
        let peak = held.map(|(_, bytes)| mib(*bytes)).max()?;
        let limit = self.nodes.largest(self.node);
        Some(limit.map_or(peak, |limit| believable(peak, limit.memory_mib)))
    }

    /// Restarts in a stretch, and how many of the ends before them were for
    /// want of memory, at least: of several between two scrapes the last is told.
    fn restarts(&self, container: &Container, (from, to): Stretch) -> (Option<u32>, Option<u32>) {
        let counted = container.restarts.get(self.uid).or_else(|| container.restarts.get(""));
        let Some(counted) = counted else {
            return (None, None);
        };
        let (mut restarts, mut killed) = (0u32, 0u32);
        for (at, rise) in counted.rises().into_iter().filter(|(at, _)| (from..to).contains(at)) {
            restarts = restarts.saturating_add(u32::try_from(rise).unwrap_or(u32::MAX));
            // told by the same scrape, or it was the reason of an end before
            let reason = container.out_of_memory.at(at, 0);
            killed += u32::from(reason.is_some_and(|value| *value > 0));
        }
        (Some(restarts), Some(killed))
    }

    /// What a counter rose by in a stretch; a rise belongs to the sample that shows it.
    fn risen(&self, counter: &Incarnations, (from, to): Stretch) -> Option<u64> {
        let joined = self.own(counter);
        if joined.is_empty() {
            return None;
        }
        let within = rises(&joined)
            .into_iter()
            .filter(|(at, next, _)| (from..to).contains(next) && next - at <= self.rules.reach_ms);
        Some(within.map(|(_, _, rise)| rise.unsigned_abs()).sum())
    }

    fn throttling(&self, container: &Container, span: Stretch) -> Option<Throttling> {
        Some(Throttling {
            periods: self.risen(&container.periods, span)?,
            throttled_periods: self.risen(&container.throttled, span).unwrap_or(0),
            throttled_ms: self.risen(&container.throttled_ms, span),
        })
    }
}

/// Usage, or what the node has where it is more than twice that: the clocks of
/// two samples are not exact, but they are not that wrong.
fn believable(used: u64, has: u64) -> u64 {
    if used > has.saturating_mul(2) { has } else { used }
}

/// max(request, usage), resource by resource.
fn larger(sample: &Sample) -> Capacity {
    sample.used.map_or(sample.requested, |used| used.max(sample.requested))
}
