//! Volumes, load balancers and what sizing needs, of the same small world.

use crate::facts::{client, load, options};
use crate::server::Blocks;
use crate::world::{ALWAYS, Metrics, clock, hour, world};
use domain::instant::Instant;
use domain::usage::profile::UsageProfile;
use domain::usage::{BackendHour, Hour, MountHour, SizingHour, Throttling, VolumeHour};
use sources::prometheus::Facts;
use std::collections::BTreeMap;

const GIB: i64 = 1 << 30;

fn one(_: i64) -> String {
    "1".to_owned()
}

/// A volume of kube-state-metrics with the claim that has it.
fn volume(m: &mut Metrics, name: &str, (namespace, claim): (&str, &str), made: &str, shown: (&str, &str)) {
    let of = format!("persistentvolume=\"{name}\"");
    let info = format!("{of},storageclass=\"gp3\",csi_driver=\"ebs.csi.aws.com\",csi_volume_handle=\"vol-{name}\"");
    m.ksm("kube_persistentvolume_info", &info, shown, one);
    let claimed = format!("{of},name=\"{claim}\",claim_namespace=\"{namespace}\"");
    m.ksm("kube_persistentvolume_claim_ref", &claimed, shown, one);
    let made = clock(made);
    m.ksm("kube_persistentvolume_created", &of, shown, |_| made.to_string());
}

fn volumes(m: &mut Metrics) {
    // mounted by the database, grown at 09:00
    volume(m, "data", ("tnt-b", "data-db-0"), "01:00:00", ALWAYS);
    let grown = clock("09:00:00");
    m.ksm(
        "kube_persistentvolume_capacity_bytes",
        "persistentvolume=\"data\"",
        ALWAYS,
        |at| (if at < grown { 10 * GIB } else { 20 * GIB }).to_string(),
    );
    let claim = "namespace=\"tnt-b\",persistentvolumeclaim=\"data-db-0\"";
    let info = format!("{claim},storageclass=\"gp3\",volumename=\"data\"");
    m.ksm("kube_persistentvolumeclaim_info", &info, ALWAYS, one);
    m.ksm(
        "kube_persistentvolumeclaim_labels",
        &format!("{claim},label_tenant=\"b\""),
        ALWAYS,
        one,
    );
    for (uid, shown) in [
        ("u-db-1", ("07:36:00", "09:40:00")),
        ("u-db-2", ("09:41:00", "13:00:00")),
    ] {
        let mount = format!("{claim},pod=\"db-0\",uid=\"{uid}\",volume=\"data\"");
        m.ksm("kube_pod_spec_volumes_persistentvolumeclaims_info", &mount, shown, one);
        let kubelet = format!("job=\"kubelet\",{claim}");
        m.scraped("kubelet_volume_stats_used_bytes", &kubelet, 20, shown, |_| {
            (5 * GIB).to_string()
        });
    }
    // its claim went at 07:30, itself at 11:30
    volume(m, "old", ("tnt-a", "old"), "02:00:00", ("05:00:00", "11:30:00"));
    let released = clock("07:30:00");
    let phase = "persistentvolume=\"old\",phase=\"Released\"";
    m.ksm(
        "kube_persistentvolume_status_phase",
        phase,
        ("05:00:00", "11:30:00"),
        |at| u8::from(at >= released).to_string(),
    );
    let info = "namespace=\"tnt-a\",persistentvolumeclaim=\"old\",volumename=\"old\"";
    m.ksm("kube_persistentvolumeclaim_info", info, ("05:00:00", "07:30:00"), one);
    // made at 09:15, mounted by nobody; its size is told by its claim alone
    volume(m, "new", ("tnt-a", "new"), "09:15:00", ("09:15:00", "13:00:00"));
    let claim = "namespace=\"tnt-a\",persistentvolumeclaim=\"new\"";
    let requested = "kube_persistentvolumeclaim_resource_requests_storage_bytes";
    m.ksm(requested, claim, ("09:15:00", "13:00:00"), |_| GIB.to_string());
}

fn balancers(m: &mut Metrics) {
    for (namespace, service, kind, shown) in [
        ("kube-system", "traefik", "LoadBalancer", ALWAYS),
        ("tnt-a", "web", "ClusterIP", ALWAYS),
        ("tnt-a", "api", "ClusterIP", ALWAYS),
        ("tnt-b", "direct", "LoadBalancer", ("09:15:00", "10:15:00")),
    ] {
        let of = format!("namespace=\"{namespace}\",service=\"{service}\"");
        m.ksm("kube_service_spec_type", &format!("{of},type=\"{kind}\""), shown, one);
        m.ksm(
            "kube_service_labels",
            &format!("{of},label_app=\"{service}\""),
            shown,
            one,
        );
        let point = match service {
            "traefik" => "hostname=\"edge.elb\",ip=\"\"",
            _ => "hostname=\"\",ip=\"203.0.113.7\"",
        };
        if kind == "LoadBalancer" {
            let status = format!("{of},{point}");
            m.ksm("kube_service_status_load_balancer_ingress", &status, shown, one);
        }
    }
    let ingress = "namespace=\"tnt-a\",ingress=\"web\"";
    m.ksm(
        "kube_ingress_info",
        &format!("{ingress},ingressclass=\"traefik\""),
        ALWAYS,
        one,
    );
    for (host, service, shown) in [
        ("a.example", "web", ALWAYS),
        ("b.example", "web", ALWAYS),
        ("", "api", ("09:00:00", "13:00:00")),
    ] {
        let path = format!("{ingress},host=\"{host}\",path=\"/\",service_name=\"{service}\",service_port=\"80\"");
        m.ksm("kube_ingress_path", &path, shown, one);
    }
    let traefik = "job=\"traefik\",instance=\"t-1\",namespace=\"kube-system\",service=\"tnt-a-web-80@kubernetes\"";
    // ten a second; it starts anew at 09:00, and the first errors are counted at 09:30:15
    let (begun, anew) = (clock("05:00:00"), clock("09:00:00"));
    let requests = "traefik_service_requests_total";
    m.scraped(requests, &format!("{traefik},code=\"200\""), 15, ALWAYS, |at| {
        (10 * (at - if at < anew { begun } else { anew })).to_string()
    });
    let errors = format!("{traefik},code=\"500\"");
    m.scraped(requests, &errors, 15, ("09:30:00", "13:00:00"), |_| "3".to_owned());
    for (metric, each_s) in [
        ("traefik_service_requests_bytes_total", 100),
        ("traefik_service_responses_bytes_total", 900),
    ] {
        let of = format!("{traefik},code=\"200\"");
        m.scraped(metric, &of, 15, ALWAYS, |at| (each_s * (at - begun)).to_string());
    }
    let own = "job=\"traefik\",instance=\"t-1\",namespace=\"kube-system\",service=\"dashboard@internal\",code=\"200\"";
    m.scraped(requests, own, 15, ALWAYS, |at| at.to_string());
}

fn sizing(m: &mut Metrics) {
    let app = "namespace=\"tnt-a\",pod=\"web-1\",container=\"app\"";
    let of = format!("{app},uid=\"u-web\"");
    let resized = clock("08:00:00");
    m.ksm(
        "kube_pod_container_resource_limits",
        &format!("{of},resource=\"cpu\",unit=\"core\""),
        ALWAYS,
        one,
    );
    m.ksm(
        "kube_pod_container_resource_limits",
        &format!("{of},resource=\"memory\",unit=\"byte\""),
        ALWAYS,
        |at| (if at < resized { GIB } else { 2 * GIB }).to_string(),
    );
    // killed for want of memory at 09:00, ended by itself at 10:05
    let (killed, ended) = (clock("09:00:00"), clock("10:05:00"));
    m.ksm("kube_pod_container_status_restarts_total", &of, ALWAYS, |at| {
        (2 + u8::from(at >= killed) + u8::from(at >= ended)).to_string()
    });
    let reason = format!("{of},reason=\"OOMKilled\"");
    m.ksm(
        "kube_pod_container_status_last_terminated_reason",
        &reason,
        ("09:00:00", "10:05:00"),
        one,
    );
    let scaled = clock("08:30:00");
    m.ksm(
        "kube_deployment_spec_replicas",
        "namespace=\"tnt-a\",deployment=\"web\"",
        ALWAYS,
        |at| (if at < scaled { 2 } else { 5 }).to_string(),
    );
    for (id, shown, since) in [
        ("c1", ("05:00:00", "09:00:00"), "05:00:00"),
        ("c2", ("09:00:00", "13:00:00"), "09:00:00"),
    ] {
        let since = clock(since);
        let of = format!("job=\"kubelet\",{app},id=\"{id}\"");
        for (metric, each_s) in [
            ("container_cpu_cfs_periods_total", 10.0),
            ("container_cpu_cfs_throttled_periods_total", 1.0),
            ("container_cpu_cfs_throttled_seconds_total", 0.05),
        ] {
            m.scraped(metric, &of, 20, shown, |at| {
                format!("{:.3}", each_s * (at - since) as f64)
            });
        }
    }
    let side = "job=\"kubelet\",namespace=\"tnt-a\",pod=\"web-1\",container=\"side\",id=\"s1\"";
    m.scraped("container_oom_events_total", side, 20, ALWAYS, |_| "0".to_owned());
}

fn resources() -> String {
    let mut metrics = Metrics::new("demo");
    volumes(&mut metrics);
    balancers(&mut metrics);
    sizing(&mut metrics);
    Metrics::finish(vec![world("demo"), metrics, world("other")])
}

/// Everything that chunks hold, whatever their size.
#[derive(Debug, Default, PartialEq)]
struct Whole {
    volumes: BTreeMap<String, Vec<VolumeHour>>,
    mounts: BTreeMap<(String, String), Vec<MountHour>>,
    balancers: BTreeMap<String, Vec<(Hour, u32)>>,
    backends: BTreeMap<(String, String), Vec<BackendHour>>,
    sizing: BTreeMap<(String, String), Vec<SizingHour>>,
}

fn whole(chunks: &[Facts]) -> Whole {
    let mut whole = Whole::default();
    for chunk in chunks {
        for day in &chunk.volumes {
            let volume = format!("{} {}/{}", day.volume.volume_id, day.volume.namespace, day.volume.claim);
            whole.volumes.entry(volume.clone()).or_default().extend(&day.hours);
            for (mount, hours) in &day.mounts {
                let key = (volume.clone(), mount.pod_uid.clone());
                whole.mounts.entry(key).or_default().extend(hours);
            }
        }
        for day in &chunk.balancers {
            let id = &day.balancer.balancer_id;
            let hours = day.hours.iter().map(|hour| (hour.hour, hour.seconds));
            whole.balancers.entry(id.clone()).or_default().extend(hours);
            for (backend, hours) in &day.backends {
                let key = (id.clone(), format!("{}/{}", backend.namespace, backend.service));
                whole.backends.entry(key).or_default().extend(hours);
            }
        }
        for slot in &chunk.slots {
            let of = &slot.facts.slot;
            assert_eq!(slot.sizing.is_none(), of.container.is_empty());
            let key = (of.pod_uid.clone(), of.container.clone());
            whole.sizing.entry(key).or_default().extend(slot.sizing.clone());
        }
    }
    whole.sizing.values_mut().for_each(|hours| hours.sort());
    whole
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
    assert_eq!(
        api,
        [0, 0, 0, 1, 1, 1].map(|hosts| (Some(0), hosts)),
        "measured, and none for it"
    );
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
