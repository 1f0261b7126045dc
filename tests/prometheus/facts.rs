//! Hourly facts of a small known world, to the last integer.

use crate::server::Blocks;
use crate::world::{INTERVAL_S, Metrics, hour, world};
use domain::instant::Instant;
use domain::usage::{Hour, Measure, NodeHour, Role};
use sources::prometheus::{Backfill, Client, ClientConfig, Facts, Options, PrometheusError, SlotFacts};
use std::collections::BTreeMap;

/// The hours that are loaded: some before and after have samples too.
const HOURS: (i64, i64) = (6, 12);

fn both_clusters() -> String {
    Metrics::finish(vec![world("demo"), world("other")])
}

pub fn options(chunk_hours: u32) -> Options {
    Options {
        matchers: vec![("cluster".to_owned(), "demo".to_owned())],
        interval_s: u32::try_from(INTERVAL_S).expect("small"),
        chunk_hours,
        ..Options::new("uid-demo")
    }
}

pub fn client(url: &str) -> Client {
    let config = ClientConfig {
        attempts: 2,
        ..ClientConfig::new(url)
    };
    Client::new(&config).expect("a client")
}

pub async fn load(client: &Client, options: Options, from: Hour, to: Hour) -> Vec<Facts> {
    let mut backfill = Backfill::new(client, options, from, to).expect("options");
    let mut chunks = Vec::new();
    while let Some(facts) = backfill.next().await.expect("a chunk") {
        chunks.push(facts);
    }
    assert_eq!(backfill.cursor(), to);
    chunks
}

/// Everything that chunks hold, whatever their size.
#[derive(Debug, Clone, PartialEq)]
struct Whole {
    nodes: BTreeMap<String, Vec<NodeHour>>,
    slots: Vec<SlotFacts>,
}

fn whole(chunks: Vec<Facts>) -> Whole {
    let mut nodes: BTreeMap<String, Vec<NodeHour>> = BTreeMap::new();
    let mut slots = Vec::new();
    for chunk in chunks {
        assert_eq!(chunk.cluster, "uid-demo");
        for (node, hours) in chunk.nodes {
            let named = format!(
                "{} {} {} {}",
                node.name, node.provider_id, node.pool, node.capacity_type
            );
            nodes.entry(named).or_default().extend(hours);
        }
        slots.extend(chunk.slots);
    }
    slots.sort_by(|a, b| (&a.facts.slot, a.facts.hour.hour).cmp(&(&b.facts.slot, b.facts.hour.hour)));
    Whole { nodes, slots }
}

impl Whole {
    /// (seconds, requested, used, effective) of a container in an hour.
    fn at(&self, uid: &str, container: &str, number: i64) -> Option<(u32, Measure, Measure, Measure)> {
        let of = |slot: &&SlotFacts| {
            let facts = &slot.facts;
            facts.slot.pod_uid == uid && facts.slot.container == container && facts.hour.hour == hour(number)
        };
        let found: Vec<&SlotFacts> = self.slots.iter().filter(of).collect();
        assert!(found.len() <= 1, "{uid} {container} {number} comes twice");
        let hour = found.first()?.facts.hour;
        Some((hour.seconds, hour.requested, hour.used, hour.effective))
    }
}

fn measure(cpu_core_ms: u64, memory_mib_s: u64) -> Measure {
    Measure {
        cpu_core_ms,
        memory_mib_s,
        gpu_ms: 0,
    }
}

#[tokio::test]
async fn a_known_world_gives_the_expected_integers() {
    let Some(blocks) = Blocks::make("facts of a known world", &both_clusters()) else {
        return;
    };
    let server = blocks.start("", &[]);
    let client = client(&server.url());
    let chunks = load(&client, options(6), hour(HOURS.0), hour(HOURS.1)).await;
    let findings: Vec<&str> = chunks
        .iter()
        .flat_map(|c| &c.findings)
        .map(|f| f.code.as_str())
        .collect();
    assert_eq!(findings, ["usage_of_unknown_pod"]);
    let whole = whole(chunks);

    // node a lives through both silences; node b boots, and is gone at 10:15:10
    let seconds = |hours: &Vec<NodeHour>| -> Vec<(u8, u32, u32)> {
        hours
            .iter()
            .map(|h| (h.hour.of_day(), h.ready_s, h.observed_s))
            .collect()
    };
    let names: Vec<&String> = whole.nodes.keys().collect();
    assert_eq!(
        names,
        [
            "a aws:///eu-central-1a/i-a general spot",
            "b aws:///eu-central-1a/i-b general spot"
        ]
    );
    let gap = 1_740;
    let a = [
        (6, 3_600, 3_600),
        (7, 3_600, 3_600),
        (8, 3_600, 3_600 - gap),
        (9, 3_600, 3_600),
        (10, 3_600, 2_470),
        (11, 3_600, 2_390),
    ];
    assert_eq!(seconds(&whole.nodes[names[0]]), a);
    let b = [
        (7, 1_490, 1_490),
        (8, 3_600, 3_600 - gap),
        (9, 3_600, 3_600),
        (10, 910, 910),
    ];
    assert_eq!(seconds(&whole.nodes[names[1]]), b);
    let of_b = whole.nodes[names[1]][0];
    assert_eq!(
        (of_b.capacity.cpu_millicores, of_b.capacity.memory_mib),
        (4_000, 16_384)
    );
    assert_eq!(
        (of_b.allocatable.cpu_millicores, of_b.allocatable.memory_mib),
        (3_900, 15_360)
    );

    let hour_8_s = 3_600 - gap as u64;
    // (pod, container, hour, seconds, requested, used, effective)
    let expected = [
        (
            "u-web",
            "app",
            6,
            3_600,
            measure(1_800_000, 1_843_200),
            measure(900_000, 1_080_000),
            measure(1_800_000, 1_843_200),
        ),
        (
            // from 250 to 1,500 millicores and 300 to 600 MiB at 07:00:20
            "u-web",
            "app",
            7,
            3_600,
            measure(1_800_000, 1_843_200),
            measure(20 * 250 + 3_580 * 1_500, 20 * 300 + 3_580 * 600),
            measure(20 * 500 + 3_580 * 1_500, 20 * 512 + 3_580 * 600),
        ),
        (
            // silent from 08:21:10 to 08:50:10, without usage for 10 s more; the restart at 09:00:20 shows
            // 45 core-s of the minute before
            "u-web",
            "app",
            8,
            1_860,
            measure(500 * hour_8_s, 512 * hour_8_s),
            measure((1_270 + 540) * 1_500 + 40 * 750, 1_850 * 600),
            measure((1_270 + 540) * 1_500 + 40 * 750 + 10 * 500, 1_850 * 600 + 10 * 512),
        ),
        (
            "u-web",
            "app",
            9,
            3_600,
            measure(1_800_000, 1_843_200),
            measure(20 * 750 + 3_580 * 1_500, 3_600 * 600),
            measure(20 * 750 + 3_580 * 1_500, 3_600 * 600),
        ),
        (
            "u-web",
            "side",
            6,
            3_600,
            Measure::ZERO,
            measure(360_000, 230_400),
            measure(360_000, 230_400),
        ),
        // A1: ten minutes of two cores are 1,200 core-s
        (
            "u-job",
            "run",
            9,
            600,
            measure(1_200_000, 153_600),
            Measure::ZERO,
            measure(1_200_000, 153_600),
        ),
        // on b from 07:36:00, on a from 09:41:00; usage is known 20 s later
        (
            "u-db-1",
            "db",
            7,
            1_440,
            measure(720_000, 1_440 * 1_024),
            measure(200 * 1_420, 900 * 1_420),
            measure(720_000, 1_440 * 1_024),
        ),
        (
            "u-db-1",
            "db",
            9,
            2_410,
            measure(500 * 2_410, 1_024 * 2_410),
            measure(200 * 2_410, 900 * 2_410),
            measure(500 * 2_410, 1_024 * 2_410),
        ),
        (
            "u-db-2",
            "db",
            9,
            1_140,
            measure(500 * 1_140, 1_024 * 1_140),
            measure(200 * 1_120, 900 * 1_120),
            measure(500 * 1_140, 1_024 * 1_140),
        ),
        // the init container's two cores are kept: 1.5 more than the container requests (A26)
        (
            "u-db-1",
            "",
            9,
            2_410,
            measure(1_500 * 2_410, 0),
            Measure::ZERO,
            measure(1_500 * 2_410, 0),
        ),
        (
            "u-agent",
            "agent",
            6,
            3_600,
            measure(360_000, 460_800),
            Measure::ZERO,
            measure(360_000, 460_800),
        ),
        (
            "u-spare",
            "pause",
            11,
            2_390,
            measure(2_390_000, 2_390 * 1_024),
            Measure::ZERO,
            measure(2_390_000, 2_390 * 1_024),
        ),
    ];
    for (uid, container, number, seconds, requested, used, effective) in expected {
        assert_eq!(
            whole.at(uid, container, number),
            Some((seconds, requested, used, effective)),
            "{uid} {container} in hour {number}"
        );
    }
    for (uid, container, number) in [
        ("u-db-1", "db", 10),
        ("u-db-2", "db", 8),
        ("u-job", "run", 10),
        ("u-waiting", "app", 9),
    ] {
        assert_eq!(
            whole.at(uid, container, number),
            None,
            "{uid} {container} in hour {number}"
        );
    }

    // (pod, role, workload, labels)
    let known: BTreeMap<&str, (Role, String, String)> = whole
        .slots
        .iter()
        .filter(|slot| !slot.facts.slot.container.is_empty())
        .map(|slot| {
            let slot = &slot.facts.slot;
            let labels: Vec<String> = slot
                .labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            let workload = format!("{} {}", slot.workload_kind, slot.workload);
            (slot.pod_uid.as_str(), (slot.role, workload, labels.join(",")))
        })
        .collect();
    for (uid, role, workload, labels) in [
        (
            "u-web",
            Role::Workload,
            "Deployment web",
            "app.kubernetes.io/name=web,tenant=a",
        ),
        ("u-job", Role::Workload, "CronJob nightly", "team=core,tenant=b"),
        ("u-db-2", Role::Workload, "StatefulSet db", "team=core,tenant=b"),
        ("u-agent", Role::DaemonSet, "DaemonSet agent", ""),
        ("u-spare", Role::Placeholder, "ReplicaSet spare-1", ""),
    ] {
        assert_eq!(known[uid], (role, workload.to_owned(), labels.to_owned()), "{uid}");
    }
}

#[tokio::test]
async fn neither_chunks_nor_limits_nor_kills_change_a_fact() {
    let Some(blocks) = Blocks::make("facts by chunks", &both_clusters()) else {
        return;
    };
    let server = blocks.start("", &[]);
    let asked = client(&server.url());
    let (from, to) = (hour(HOURS.0), hour(HOURS.1));
    let expect = whole(load(&asked, options(6), from, to).await);
    assert_eq!(
        whole(load(&asked, options(1), from, to).await),
        expect,
        "an hour at a time"
    );
    assert_eq!(
        whole(load(&asked, options(4), from, to).await),
        expect,
        "chunks that do not fit"
    );
    let bounded = Options {
        samples_max: 400,
        ..options(6)
    };
    let before = asked.requests();
    assert_eq!(
        whole(load(&asked, bounded, from, to).await),
        expect,
        "namespaces apart, hour by hour"
    );
    assert!(asked.requests() - before > 100, "the bound was not felt");

    // killed after the second chunk, in the middle of the third
    let mut backfill = Backfill::new(&asked, options(2), from, to).expect("options");
    let mut chunks = Vec::new();
    for _ in 0..2 {
        chunks.extend(backfill.next().await.expect("a chunk"));
    }
    drop(server);
    let error = backfill.next().await.expect_err("nobody answers");
    assert!(matches!(error, PrometheusError::Unreachable { .. }), "{error}");
    let cursor = backfill.cursor();
    assert_eq!(cursor, Hour(from.0 + 4));

    // a server that loads few samples at once: windows are halved
    let small = blocks.start("", &["--query.max-samples=600"]);
    let asked = client(&small.url());
    chunks.extend(load(&asked, options(2), cursor, to).await);
    assert_eq!(whole(chunks), expect, "resumed at the cursor, in smaller pieces");
}

/// The same scrapes as other set-ups store them.
fn other_setups() -> Vec<(&'static str, String)> {
    let plain = Metrics::finish(vec![world("demo")]);
    let each_line = |change: &dyn Fn(&str) -> String| plain.lines().map(|line| change(line) + "\n").collect::<String>();
    let sharded = each_line(&|line| {
        let of_pods = line.starts_with("kube_pod_");
        if of_pods {
            line.replace("ksm:8080", "ksm-1:8080")
        } else {
            line.to_owned()
        }
    });
    let renamed = each_line(&|line| {
        if !line.starts_with("kube_") {
            return line.to_owned();
        }
        let own = ["namespace", "pod", "container", "node", "uid"];
        let renamed = own.iter().fold(line.to_owned(), |line, name| {
            line.replace(&format!(",{name}=\""), &format!(",exported_{name}=\""))
        });
        renamed.replace(
            "job=\"ksm\"",
            "job=\"ksm\",namespace=\"monitoring\",pod=\"ksm-0\",container=\"ksm\"",
        )
    });
    let twice = each_line(&|line| match line.strip_prefix('#') {
        Some(_) => line.to_owned(),
        None => {
            let of = |replica: &str| line.replacen('{', &format!("{{prometheus_replica=\"{replica}\","), 1);
            format!("{}\n{}", of("0"), of("1"))
        }
    });
    vec![
        ("several kube-state-metrics", sharded),
        ("labels of the scrape before those of the metric", renamed),
        ("two replicas of Prometheus", twice),
    ]
}

#[tokio::test]
async fn the_same_facts_however_they_were_scraped() {
    let plain = Metrics::finish(vec![world("demo")]);
    let mut expect = None;
    let (from, to) = (hour(HOURS.0), hour(HOURS.1));
    for (what, metrics) in [("plain", plain)].into_iter().chain(other_setups()) {
        let Some(blocks) = Blocks::make(what, &metrics) else {
            return;
        };
        let server = blocks.start("", &[]);
        let found = whole(load(&client(&server.url()), options(3), from, to).await);
        assert!(found.slots.len() > 30, "{what}: {} facts", found.slots.len());
        assert_eq!(&found, expect.get_or_insert_with(|| found.clone()), "{what}");
    }
}

#[tokio::test]
async fn without_metrics_the_requests_count() {
    let plain = Metrics::finish(vec![world("demo")]);
    let kept = |line: &&str| !line.starts_with("container_") && !line.starts_with("kube_pod_labels");
    let metrics: String = plain.lines().filter(kept).map(|line| format!("{line}\n")).collect();
    let Some(blocks) = Blocks::make("requests only", &metrics) else {
        return;
    };
    let server = blocks.start("", &[]);
    let chunks = load(&client(&server.url()), options(1), hour(6), hour(7)).await;
    let findings: Vec<&str> = chunks[0].findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(findings, ["no_usage_metrics", "no_pod_labels"]);
    let (seconds, requested, used, effective) = whole(chunks).at("u-web", "app", 6).expect("a fact");
    assert_eq!((seconds, used), (3_600, Measure::ZERO));
    assert_eq!(
        (requested, effective),
        (measure(1_800_000, 1_843_200), measure(1_800_000, 1_843_200))
    );
}

#[tokio::test]
async fn a_silence_without_end_is_told() {
    let Some(blocks) = Blocks::make("a silence", &both_clusters()) else {
        return;
    };
    let server = blocks.start("", &[]);
    let asked = client(&server.url());
    // the last scrape is at 12:59:10; the silence from 10:40 on ended at 11:20
    for (from, to, expect) in [
        (10, 11, None),
        (11, 13, None),
        (12, 14, Some(12)),
        (13, 14, Some(12)),
        (20, 21, None),
    ] {
        let chunks = load(&asked, options(6), hour(from), hour(to)).await;
        assert_eq!(chunks[0].silent_since, expect.map(hour), "from {from} to {to}");
    }
}

#[tokio::test]
async fn following_ends_where_samples_have_settled() {
    // 6 intervals of a minute and 4 minutes more
    for (now, expect) in [("12:09:59", 11), ("12:10:00", 12), ("12:59:00", 12)] {
        let now = Instant(crate::world::clock(now) * 1_000_000);
        assert_eq!(sources::prometheus::settled(now, 60, 240), hour(expect));
    }
    let Some(blocks) = Blocks::make("the measured interval", &both_clusters()) else {
        return;
    };
    let server = blocks.start("", &[]);
    let asked = client(&server.url());
    let at = |number| hour(number).start();
    let measured = sources::prometheus::measured_interval;
    assert_eq!(measured(&asked, &options(1), at(7)).await.expect("an answer"), Some(60));
    assert_eq!(measured(&asked, &options(1), at(3)).await.expect("an answer"), None);
}
