//! Volumes, load balancers and what sizing needs, of the same small world.

use crate::facts::{client, load, options};
use crate::resource_world::resources;
use crate::server::Blocks;
use crate::world::{ALWAYS, Metrics, clock, hour, world};
use domain::instant::{Day, Instant};
use domain::usage::profile::UsageProfile;
use domain::usage::{
    BackendHour, BalancerDay, ClusterDay, Hour, MountHour, SizingHour, SlotId, Throttling, VolumeDay, VolumeHour,
};
use lake::Lake;
use lake::usage::UsageFile;
use sources::prometheus::Facts;
use std::collections::BTreeMap;
use store::Store;
use tonnage::app::App;
use tonnage::app::collect::IngestPrometheus;
use tonnage::clock::Clock;

/// Everything that chunks hold, whatever their size.
#[derive(Debug, Default, PartialEq)]
struct Whole {
    volumes: BTreeMap<String, Vec<VolumeHour>>,
    mounts: BTreeMap<(String, String), Vec<MountHour>>,
    balancers: BTreeMap<String, Vec<(Hour, u32)>>,
    backends: BTreeMap<(String, String), Vec<BackendHour>>,
    sizing: BTreeMap<(String, String), Vec<SizingHour>>,
}

impl Whole {
    fn volumes(&mut self, days: &[VolumeDay]) {
        for day in days {
            let volume = format!("{} {}/{}", day.volume.volume_id, day.volume.namespace, day.volume.claim);
            self.volumes.entry(volume.clone()).or_default().extend(&day.hours);
            for (mount, hours) in &day.mounts {
                let key = (volume.clone(), mount.pod_uid.clone());
                self.mounts.entry(key).or_default().extend(hours);
            }
        }
    }

    fn balancers(&mut self, days: &[BalancerDay]) {
        for day in days {
            let id = &day.balancer.balancer_id;
            let hours = day.hours.iter().map(|hour| (hour.hour, hour.seconds));
            self.balancers.entry(id.clone()).or_default().extend(hours);
            for (backend, hours) in &day.backends {
                let key = (id.clone(), format!("{}/{}", backend.namespace, backend.service));
                self.backends.entry(key).or_default().extend(hours);
            }
        }
    }

    fn sizing(&mut self, slot: &SlotId, hours: impl IntoIterator<Item = SizingHour>) {
        let known = self
            .sizing
            .entry((slot.pod_uid.clone(), slot.container.clone()))
            .or_default();
        known.extend(hours);
        known.sort();
    }
}

fn whole(chunks: &[Facts]) -> Whole {
    let mut whole = Whole::default();
    for chunk in chunks {
        whole.volumes(&chunk.volumes);
        whole.balancers(&chunk.balancers);
        for slot in &chunk.slots {
            assert_eq!(slot.sizing.is_none(), slot.facts.slot.container.is_empty());
            if let Some(sizing) = &slot.sizing {
                whole.sizing(&slot.facts.slot.id(), [sizing.clone()]);
            }
        }
    }
    whole
}

/// The one day that is in the lake.
async fn stored(app: &App) -> (ClusterDay, String) {
    let all = (Day(i32::MIN), Day(i32::MAX));
    let rows = app.store().usage_days(all.0, all.1).await.expect("days");
    let [row] = <[_; 1]>::try_from(rows).expect("one day");
    let file = UsageFile {
        cluster: row.cluster_id,
        day: row.day,
        nodes_path: row.nodes_path,
        slots_path: row.slots_path,
        hours_path: row.hours_path,
        volumes_path: row.volumes_path,
        balancers_path: row.balancers_path,
        sizing_path: row.sizing_path,
        sha256: row.sha256.clone(),
        slot_hours: row.slot_hours,
        node_hours: row.node_hours,
        ready_s: row.ready_s,
        observed_s: row.observed_s,
        last_hour: row.last_hour,
        pools: row.pools,
    };
    (lake::usage::read_day(app.lake(), &file).expect("a day"), row.sha256)
}

#[tokio::test]
async fn the_commit_carries_them_into_the_day() {
    let Some(blocks) = Blocks::make("resources in the lake", &resources()) else {
        return;
    };
    let server = blocks.start("", &[]);
    let asked = client(&server.url());
    let expect = whole(&load(&asked, options(6), hour(6), hour(12)).await);
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("tonnage.db").display());
    let store = Store::open(&url, domain::access::Scope::shell("test"))
        .await
        .expect("a database");
    let lake = Lake::file(&folder.path().join("lake")).expect("a lake");
    let app = App::new(store, lake, Clock::Fixed(hour(20).start()), folder.path());
    let request = |from: i64| IngestPrometheus {
        url: server.url(),
        token: None,
        tenant: None,
        cluster: "uid-demo".to_owned(),
        matchers: options(1).matchers,
        from: Some(hour(from).start()),
        to: Some(hour(12).start()),
        chunk_hours: 2,
        source: None,
    };
    app.ingest_prometheus(&request(6), &|_| ()).await.expect("taken in");
    let (day, sha256) = stored(&app).await;
    let mut found = Whole::default();
    found.volumes(&day.volumes);
    found.balancers(&day.balancers);
    for (slot, hours) in &day.sizing {
        found.sizing(slot, hours.clone());
    }
    assert_eq!(found, expect, "three chunks, merged in the lake");
    // loaded once more, in part
    app.ingest_prometheus(&request(8), &|_| ()).await.expect("taken in");
    assert_eq!(stored(&app).await.1, sha256, "the same facts are the same files");
}

#[tokio::test]
async fn resources_of_a_known_world() {
    let Some(blocks) = Blocks::make("resources of a known world", &resources()) else {
        return;
    };
    let server = blocks.start("", &[]);
    let asked = client(&server.url());
    let chunks = load(&asked, options(6), hour(6), hour(12)).await;
    let codes: Vec<&str> = chunks
        .iter()
        .flat_map(|c| &c.findings)
        .map(|f| f.code.as_str())
        .collect();
    assert_eq!(codes, ["usage_of_unknown_pod"]);
    let found = whole(&chunks);
    assert_volumes(&chunks, &found);
    assert_balancers(&chunks, &found);
    assert_sizing(&found);
    for hours in [1, 4] {
        assert_eq!(
            whole(&load(&asked, options(hours), hour(6), hour(12)).await),
            found,
            "{hours} h at a time"
        );
    }
}

fn assert_volumes(chunks: &[Facts], found: &Whole) {
    let seconds = |hours: &[VolumeHour]| -> Vec<(u8, u32, u64, Option<u64>)> {
        let all = hours.iter();
        all.map(|h| (h.hour.of_day(), h.seconds, h.capacity_mib, h.used_mib_s))
            .collect()
    };
    // through both silences; used is known while the kubelet tells
    let used = |seconds: u64| Some(5_120 * seconds);
    let data = [
        (6, 3_600, 10_240, None),
        (7, 3_600, 10_240, used(1_420)),
        (8, 3_600, 10_240, used(1_280 + 580)),
        (9, 3_600, 20_480, used(3_600)),
        (10, 3_600, 20_480, used(2_480)),
        (11, 3_600, 20_480, used(2_380)),
    ];
    assert_eq!(seconds(&found.volumes["vol-data tnt-b/data-db-0"]), data);
    let old = &found.volumes["vol-old tnt-a/old"];
    let existed: Vec<u32> = old.iter().map(|hour| hour.seconds).collect();
    assert_eq!(
        existed,
        [3_600, 3_600, 3_600, 3_600, 3_600, 1_810],
        "its claim is gone, it is not (A31)"
    );
    let new = [
        (9, 2_700, 1_024, None),
        (10, 3_600, 1_024, None),
        (11, 3_600, 1_024, None),
    ];
    assert_eq!(seconds(&found.volumes["vol-new tnt-a/new"]), new, "from its making on");
    assert_eq!(found.volumes.len(), 3);

    let mounted: Vec<(&str, u8, u32)> = found
        .mounts
        .iter()
        .flat_map(|((_, pod), hours)| hours.iter().map(|h| (pod.as_str(), h.hour.of_day(), h.seconds)))
        .collect();
    let expect = [
        ("u-db-1", 7, 1_440),
        ("u-db-1", 8, 1_860),
        ("u-db-1", 9, 2_410),
        ("u-db-2", 9, 1_140),
        ("u-db-2", 10, 2_470),
        ("u-db-2", 11, 2_390),
    ];
    assert_eq!(mounted, expect);
    let of = |claim: &str| {
        let mut all = chunks[0].volumes.iter();
        all.find(|day| day.volume.claim == claim).expect("a volume")
    };
    let (data, old) = (of("data-db-0"), of("old"));
    let at = |time: &str| Some(Instant(clock(time) * 1_000_000));
    assert_eq!(
        (data.volume.provisioned, data.volume.claim_deleted),
        (at("01:00:00"), None)
    );
    assert_eq!(
        (
            data.volume.storage_class.as_str(),
            data.volume.labels["tenant"].as_str()
        ),
        ("gp3", "b")
    );
    assert_eq!(old.volume.claim_deleted, at("08:00:00"), "to the hour");
    let mount = &data.mounts[0].0;
    assert_eq!(
        (mount.workload_kind.as_str(), mount.workload.as_str()),
        ("StatefulSet", "db")
    );
    assert_eq!(
        (mount.labels["team"].as_str(), mount.labels["tenant"].as_str()),
        ("core", "b")
    );
}

fn assert_balancers(chunks: &[Facts], found: &Whole) {
    let existed = |id: &str| -> Vec<(u8, u32)> {
        let hours = found.balancers[id].iter();
        hours.map(|(hour, seconds)| (hour.of_day(), *seconds)).collect()
    };
    let always = [6, 7, 8, 9, 10, 11].map(|hour| (hour, 3_600));
    assert_eq!(existed("edge.elb"), always, "through both silences");
    assert_eq!(existed("203.0.113.7"), [(9, 2_690), (10, 910)]);
    let served = |id: &str, service: &str| -> Vec<(u8, Option<u64>, Option<u64>, u64)> {
        let hours = found.backends[&(id.to_owned(), service.to_owned())].iter();
        hours.map(|h| (h.hour.of_day(), h.requests, h.bytes, h.hosts)).collect()
    };
    // 600 requests and 60,000 bytes a minute; what was counted across a long silence is nobody's
    let web = [
        (6, Some(36_000), Some(3_600_000), 2),
        (7, Some(36_000), Some(3_600_000), 2),
        (8, Some(29 * 600), Some(29 * 60_000), 2),
        (9, Some(150 + 59 * 600 + 3), Some(3_600_000), 2),
        (10, Some(40 * 600), Some(40 * 60_000), 2),
        (11, Some(39 * 600), Some(39 * 60_000), 2),
    ];
    assert_eq!(served("edge.elb", "tnt-a/web"), web);
    let api: Vec<_> = served("edge.elb", "tnt-a/api")
        .into_iter()
        .map(|(_, requests, _, hosts)| (requests, hosts))
        .collect();
    assert_eq!(api, [(Some(0), 1); 3], "measured, and none for it");
    assert_eq!(
        served("203.0.113.7", "tnt-b/direct"),
        [(9, None, None, 0), (10, None, None, 0)],
        "nobody measures it"
    );
    let edge = chunks[0]
        .balancers
        .iter()
        .find(|day| day.balancer.balancer_id == "edge.elb");
    let edge = &edge.expect("the load balancer").balancer;
    assert_eq!(
        (edge.namespace.as_str(), edge.service.as_str()),
        ("kube-system", "traefik")
    );
    assert_eq!(edge.labels["app"], "traefik");
}

fn assert_sizing(found: &Whole) {
    let of = |container: &str, number: i64| {
        let hours = &found.sizing[&("u-web".to_owned(), container.to_owned())];
        hours.iter().find(|fact| fact.hour == hour(number)).expect("an hour")
    };
    let throttling = |periods, throttled_periods, throttled_ms| {
        Some(Throttling {
            periods,
            throttled_periods,
            throttled_ms: Some(throttled_ms),
        })
    };
    // (hour, peak and limit of memory MiB, throttling, restarts, kills, replicas)
    for (number, peak, limit, held_back, restarts, kills, replicas) in [
        (6, 300, 1_024, throttling(36_000, 3_600, 180_000), 0, 0, 2),
        (7, 600, 1_024, throttling(36_000, 3_600, 180_000), 0, 0, 2),
        (9, 600, 2_048, throttling(35_600, 3_560, 178_000), 1, 1, 5),
        (10, 600, 2_048, throttling(23_400 + 600, 2_400, 120_000), 1, 0, 5),
    ] {
        let fact = of("app", number);
        assert_eq!(
            (fact.memory_peak_mib, fact.memory_limit_mib),
            (Some(peak), Some(limit)),
            "hour {number}"
        );
        assert_eq!(fact.cpu_limit_millicores, Some(1_000));
        assert_eq!(fact.throttling, held_back, "hour {number}");
        assert_eq!(
            (fact.restarts, fact.oom_kills),
            (Some(restarts), Some(kills)),
            "hour {number}"
        );
        assert_eq!(fact.replicas, Some(replicas), "hour {number}");
    }
    let fact = of("app", 6);
    assert_eq!(fact.metered_s, 3_600);
    assert_eq!(fact.cpu.map(|cpu| (cpu.p50, cpu.p99, cpu.max)), Some((250, 250, 250)));
    assert!(UsageProfile::from_bytes(&fact.profile).is_ok_and(|profile| !profile.is_empty()));
    let side = of("side", 6);
    assert_eq!(
        (side.restarts, side.oom_kills),
        (None, Some(0)),
        "what nobody tells is unknown"
    );
    assert_eq!((side.cpu_limit_millicores, side.throttling), (None, None));
}

#[tokio::test]
async fn the_exporter_of_a_node_tells_its_capacity_where_nobody_else_does() {
    let mut own = Metrics::new("demo");
    let job = "job=\"node\",instance=\"10.0.0.1:9100\"";
    let one = |_| "1".to_owned();
    own.scraped("node_uname_info", &format!("{job},nodename=\"a\""), 40, ALWAYS, one);
    for cpu in 0..8 {
        let idle = format!("{job},cpu=\"{cpu}\",mode=\"idle\"");
        own.scraped("node_cpu_seconds_total", &idle, 40, ALWAYS, |at| at.to_string());
    }
    own.scraped("node_memory_MemTotal_bytes", job, 40, ALWAYS, |_| {
        (32_i64 << 30).to_string()
    });
    let all = Metrics::finish(vec![world("demo"), own]);
    let lost = |line: &&str| {
        line.starts_with("kube_node_status_") && line.contains("resource=") && line.contains("node=\"a\"")
    };
    let metrics: String = all
        .lines()
        .filter(|line| !lost(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let Some(blocks) = Blocks::make("capacity of a node's own exporter", &metrics) else {
        return;
    };
    let server = blocks.start("", &[]);
    let chunks = load(&client(&server.url()), options(2), hour(6), hour(8)).await;
    let codes: Vec<&str> = chunks[0].findings.iter().map(|finding| finding.code.as_str()).collect();
    assert!(codes.contains(&"capacity_from_node_exporter"), "{codes:?}");
    let of = |name: &str| {
        let mut nodes = chunks[0].nodes.iter();
        nodes
            .find(|(node, _)| node.name == name)
            .expect("a node")
            .1
            .last()
            .copied()
            .expect("an hour")
    };
    // all of it allocatable; what kube-state-metrics tells of the other stands
    for (name, cores, allocatable, gib) in [("a", 8_000, 8_000, 32), ("b", 4_000, 3_900, 16)] {
        let hour = of(name);
        assert_eq!(
            (hour.capacity.cpu_millicores, hour.capacity.memory_mib),
            (cores, gib * 1_024),
            "{name}"
        );
        assert_eq!(hour.allocatable.cpu_millicores, allocatable, "{name}");
    }
}
