//! A small cluster whose every second is known, as its exporters would have
//! been scraped: once a minute, kube-state-metrics 10 s and cAdvisor 20 s past.

use domain::instant::{Instant, parse};
use domain::usage::Hour;
use std::fmt::Write as _;
use std::ops::Range;

/// Seconds between two scrapes.
pub const INTERVAL_S: i64 = 60;

/// OpenMetrics text being written.
#[derive(Default)]
pub struct Metrics {
    text: String,
    cluster: &'static str,
}

/// Seconds since the epoch of a time on the day of the world.
pub fn clock(time: &str) -> i64 {
    let (mut hours, mut seconds) = (0, 0);
    for (index, part) in time.split(':').enumerate() {
        let number: i64 = part.parse().expect("a number");
        match index {
            0 => hours = number,
            1 => seconds += number * 60,
            _ => seconds += number,
        }
    }
    let midnight = parse(b"2026-10-05").expect("a date").instant;
    midnight.0 / 1_000_000 + hours * 3_600 + seconds
}

/// The hour of that day.
pub fn hour(number: i64) -> Hour {
    Hour::of(Instant(clock(&format!("{number}:00:00")) * 1_000_000))
}

/// Stretches in which nothing was scraped.
const SILENCES: [(&str, &str); 2] = [("08:20:00", "08:50:00"), ("10:40:00", "11:20:00")];

fn silent(at: i64) -> bool {
    SILENCES.iter().any(|(from, to)| (clock(from)..clock(to)).contains(&at))
}

impl Metrics {
    pub fn new(cluster: &'static str) -> Metrics {
        Metrics {
            text: String::new(),
            cluster,
        }
    }

    /// The whole file.
    pub fn finish(parts: Vec<Metrics>) -> String {
        let mut text: String = parts.into_iter().map(|part| part.text).collect();
        text.push_str("# EOF\n");
        text
    }

    /// A series with a value at each of some seconds.
    pub fn series(&mut self, name: &str, labels: &str, samples: impl IntoIterator<Item = (i64, String)>) {
        for (at, value) in samples {
            let cluster = self.cluster;
            // a String takes every write
            let _ = writeln!(self.text, "{name}{{cluster=\"{cluster}\",{labels}}} {value} {at}");
        }
    }

    /// A gauge of kube-state-metrics at every scrape of a stretch.
    pub fn ksm(&mut self, name: &str, labels: &str, (from, to): (&str, &str), value: impl Fn(i64) -> String) {
        let samples = scrapes(clock(from)..clock(to), 10).map(|at| (at, value(at)));
        self.series(name, &format!("job=\"ksm\",instance=\"ksm:8080\",{labels}"), samples);
    }

    /// A value at every scrape of a stretch, so many seconds past the minute.
    pub fn scraped(
        &mut self,
        name: &str,
        labels: &str,
        past: i64,
        (from, to): (&str, &str),
        value: impl Fn(i64) -> String,
    ) {
        let samples = scrapes(clock(from)..clock(to), past).map(|at| (at, value(at)));
        self.series(name, labels, samples);
    }

    /// Usage of a container: millicores and MiB from each instant on.
    pub fn usage(
        &mut self,
        (pod, container, id): (&str, &str, &str),
        (from, to): (&str, &str),
        start_core_s: f64,
        use_of: impl Fn(i64) -> (f64, f64),
    ) {
        let (namespace, pod) = pod.split_once('/').expect("namespace/pod");
        let labels =
            format!("job=\"kubelet\",namespace=\"{namespace}\",pod=\"{pod}\",container=\"{container}\",id=\"{id}\"");
        let mut counted = start_core_s;
        let mut cpu = Vec::new();
        let mut memory = Vec::new();
        let mut second = clock(from);
        for at in every(clock(from)..clock(to), 20) {
            while second < at {
                counted += use_of(second).0 / 1_000.0;
                second += 1;
            }
            if !silent(at) {
                cpu.push((at, format!("{counted:.6}")));
                memory.push((at, format!("{}", use_of(at).1 * 1_048_576.0)));
            }
        }
        self.series("container_cpu_usage_seconds_total", &labels, cpu);
        self.series("container_memory_working_set_bytes", &labels, memory);
    }
}

/// The instants of a stretch so many seconds past the minute.
fn every(stretch: Range<i64>, past: i64) -> impl Iterator<Item = i64> {
    let first = stretch.start.div_euclid(INTERVAL_S) * INTERVAL_S + past;
    (0..)
        .map(move |n| first + n * INTERVAL_S)
        .skip_while(move |at| *at < stretch.start)
        .take_while(move |at| *at < stretch.end)
}

fn scrapes(stretch: Range<i64>, past: i64) -> impl Iterator<Item = i64> {
    every(stretch, past).filter(|at| !silent(*at))
}

/// A pod's series of kube-state-metrics.
struct Pod<'a> {
    name: &'a str,
    uid: &'a str,
    node: &'a str,
    owner: (&'a str, &'a str),
    labels: &'a str,
    priority: &'a str,
    /// (container, cores, MiB).
    requests: &'a [(&'a str, &'a str, i64)],
    started: &'a str,
    shown: (&'a str, &'a str),
}

fn pod(metrics: &mut Metrics, pod: &Pod<'_>) {
    let (namespace, name) = pod.name.split_once('/').expect("namespace/pod");
    let of = format!("namespace=\"{namespace}\",pod=\"{name}\",uid=\"{}\"", pod.uid);
    let one = |_| "1".to_owned();
    let info = format!(
        "{of},node=\"{}\",created_by_kind=\"{}\",created_by_name=\"{}\",priority_class=\"{}\"",
        pod.node, pod.owner.0, pod.owner.1, pod.priority
    );
    metrics.ksm("kube_pod_info", &info, pod.shown, one);
    metrics.ksm("kube_pod_labels", &format!("{of}{}", pod.labels), pod.shown, one);
    if !pod.started.is_empty() {
        metrics.ksm("kube_pod_start_time", &of, pod.shown, |_| {
            clock(pod.started).to_string()
        });
    }
    for (container, cores, mib) in pod.requests {
        let of = format!("{of},container=\"{container}\",node=\"{}\"", pod.node);
        let cpu = format!("{of},resource=\"cpu\",unit=\"core\"");
        metrics.ksm("kube_pod_container_resource_requests", &cpu, pod.shown, |_| {
            (*cores).to_owned()
        });
        let memory = format!("{of},resource=\"memory\",unit=\"byte\"");
        let bytes = |_| (mib * 1_048_576).to_string();
        metrics.ksm("kube_pod_container_resource_requests", &memory, pod.shown, bytes);
    }
}

pub const ALWAYS: (&str, &str) = ("05:00:00", "13:00:00");

fn node(metrics: &mut Metrics, name: &str, shown: (&str, &str), ready_from: &str, cores: i64, gib: i64) {
    let of = format!("node=\"{name}\"");
    let info = format!("{of},provider_id=\"aws:///eu-central-1a/i-{name}\",system_uuid=\"x\"");
    metrics.ksm("kube_node_info", &info, shown, |_| "1".to_owned());
    let ready = format!("{of},condition=\"Ready\",status=\"true\"");
    let from = clock(ready_from);
    metrics.ksm("kube_node_status_condition", &ready, shown, |at| {
        u8::from(at >= from).to_string()
    });
    let labels = format!("{of},label_karpenter_sh_nodepool=\"general\",label_karpenter_sh_capacity_type=\"spot\"");
    metrics.ksm("kube_node_labels", &labels, shown, |_| "1".to_owned());
    for (metric, millicores, mib) in [
        ("kube_node_status_capacity", cores * 1_000, gib * 1_024),
        ("kube_node_status_allocatable", cores * 1_000 - 100, gib * 1_024 - 1_024),
    ] {
        let cpu = format!("{of},resource=\"cpu\",unit=\"core\"");
        metrics.ksm(metric, &cpu, shown, |_| {
            format!("{}.{:03}", millicores / 1_000, millicores % 1_000)
        });
        let memory = format!("{of},resource=\"memory\",unit=\"byte\"");
        metrics.ksm(metric, &memory, shown, |_| (mib * 1_048_576).to_string());
    }
}

/// What `web-1` uses: millicores and MiB.
fn web(at: i64) -> (f64, f64) {
    if at < clock("07:00:20") {
        (250.0, 300.0)
    } else {
        (1_500.0, 600.0)
    }
}

/// Two nodes; pods that start, stop, restart and move; two silences.
pub fn world(cluster: &'static str) -> Metrics {
    let mut metrics = Metrics::new(cluster);
    let m = &mut metrics;
    node(m, "a", ALWAYS, "05:00:00", 8, 32);
    // shown from 07:30:10, Ready from 07:35:10, last shown at 10:14:10
    node(m, "b", ("07:30:00", "10:15:00"), "07:35:00", 4, 16);
    m.ksm(
        "kube_namespace_labels",
        "namespace=\"tnt-b\",label_team=\"core\"",
        ALWAYS,
        |_| "1".to_owned(),
    );
    let set = "namespace=\"tnt-a\",replicaset=\"web-5d\",owner_kind=\"Deployment\",owner_name=\"web\"";
    m.ksm("kube_replicaset_owner", set, ALWAYS, |_| "1".to_owned());
    let job = "namespace=\"tnt-b\",job_name=\"nightly-29\",owner_kind=\"CronJob\",owner_name=\"nightly\"";
    m.ksm("kube_job_owner", job, ALWAYS, |_| "1".to_owned());

    let plain = Pod {
        name: "tnt-a/web-1",
        uid: "u-web",
        node: "a",
        owner: ("ReplicaSet", "web-5d"),
        labels: ",label_tenant=\"a\",label_app_kubernetes_io_name=\"web\",label_pod_template_hash=\"5d\"",
        priority: "",
        requests: &[("app", "0.5", 512)],
        started: "04:00:00",
        shown: ALWAYS,
    };
    pod(m, &plain);
    // the first container until 08:59:20; the second has counted 45 core-s at 09:00:20
    m.usage(("tnt-a/web-1", "app", "c1"), ("05:00:00", "09:00:00"), 1_000.0, web);
    m.usage(("tnt-a/web-1", "app", "c2"), ("09:00:20", "13:00:00"), 45.0, web);
    m.usage(("tnt-a/web-1", "side", "s1"), ("05:00:00", "13:00:00"), 0.0, |_| {
        (100.0, 64.0)
    });

    // ten minutes of two cores, ended at 09:20:00, shown as Succeeded for a while
    let nightly = Pod {
        name: "tnt-b/nightly-29-x",
        uid: "u-job",
        node: "b",
        owner: ("Job", "nightly-29"),
        labels: ",label_tenant=\"b\"",
        requests: &[("run", "2", 256)],
        started: "09:10:00",
        shown: ("09:10:00", "09:40:00"),
        ..plain
    };
    pod(m, &nightly);
    let of = "namespace=\"tnt-b\",pod=\"nightly-29-x\",uid=\"u-job\"";
    let ended = |at| u8::from(at >= clock("09:20:00")).to_string();
    m.ksm(
        "kube_pod_status_phase",
        &format!("{of},phase=\"Succeeded\""),
        nightly.shown,
        ended,
    );
    m.ksm(
        "kube_pod_status_phase",
        &format!("{of},phase=\"Failed\""),
        nightly.shown,
        |_| "0".to_owned(),
    );
    let completed = |_| clock("09:20:00").to_string();
    m.ksm("kube_pod_completion_time", of, ("09:20:00", "09:40:00"), completed);

    // a stateful pod that moves: last shown on b at 09:39:10, on a from 09:41:10
    let first = Pod {
        name: "tnt-b/db-0",
        uid: "u-db-1",
        node: "b",
        owner: ("StatefulSet", "db"),
        labels: ",label_tenant=\"b\"",
        requests: &[("db", "0.5", 1_024)],
        started: "07:36:00",
        shown: ("07:36:00", "09:40:00"),
        ..plain
    };
    let second = Pod {
        uid: "u-db-2",
        node: "a",
        started: "09:41:00",
        shown: ("09:41:00", "13:00:00"),
        ..first
    };
    for life in [&first, &second] {
        pod(m, life);
        let init = format!(
            "namespace=\"tnt-b\",pod=\"db-0\",uid=\"{}\",container=\"prepare\",resource=\"cpu\"",
            life.uid
        );
        m.ksm("kube_pod_init_container_resource_requests", &init, life.shown, |_| {
            "2".to_owned()
        });
    }
    m.usage(("tnt-b/db-0", "db", "d1"), ("07:36:00", "09:40:00"), 0.0, |_| {
        (200.0, 900.0)
    });
    m.usage(("tnt-b/db-0", "db", "d2"), ("09:41:00", "13:00:00"), 0.0, |_| {
        (200.0, 900.0)
    });

    // one container of a DaemonSet, a placeholder, a pod on no node, usage without a pod
    let agent = Pod {
        name: "kube-system/agent-a",
        uid: "u-agent",
        owner: ("DaemonSet", "agent"),
        labels: "",
        requests: &[("agent", "0.1", 128)],
        ..plain
    };
    pod(m, &agent);
    let spare = Pod {
        name: "kube-system/spare-0",
        uid: "u-spare",
        owner: ("ReplicaSet", "spare-1"),
        labels: "",
        priority: "overprovisioning",
        requests: &[("pause", "1", 1_024)],
        ..plain
    };
    pod(m, &spare);
    let waiting = Pod {
        name: "tnt-a/web-2",
        uid: "u-waiting",
        node: "",
        started: "",
        ..plain
    };
    pod(m, &waiting);
    m.usage(("tnt-a/ghost", "app", "g1"), ("06:00:00", "07:00:00"), 0.0, |_| {
        (100.0, 64.0)
    });
    metrics
}
