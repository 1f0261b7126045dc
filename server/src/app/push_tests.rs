use super::*;
use domain::instant::Day;
use domain::usage::profile::UsageProfile;
use domain::usage::{
    Backend, BackendHour, Balancer, BalancerDay, BalancerHour, CpuSpread, Measure, Mount, MountHour, Node, NodeHour,
    SizingHour, Slot, SlotHour, Throttling, Volume, VolumeDay, VolumeHour,
};

const DAY: i32 = 20_454;

fn node_hour(hour: i32) -> NodeHour {
    NodeHour {
        hour: Hour(hour),
        ready_s: 3_600,
        observed_s: 3_000,
        capacity: domain::usage::Capacity::default(),
        allocatable: domain::usage::Capacity::default(),
    }
}

fn slot_hour(hour: i32) -> SlotHour {
    SlotHour {
        hour: Hour(hour),
        seconds: 1_800,
        effective: Measure::ZERO,
        requested: Measure::ZERO,
        used: Measure::ZERO,
    }
}

fn volume_day() -> VolumeDay {
    let hour = |hour: i32| VolumeHour {
        hour: Hour(hour),
        seconds: 3_600,
        capacity_mib: 10_240,
        used_mib_s: None,
    };
    let mount = |pod: &str| Mount {
        namespace: "shop".to_owned(),
        pod_uid: pod.to_owned(),
        ..Mount::default()
    };
    let mounted = MountHour {
        hour: Hour(DAY * 24),
        seconds: 60,
        used_mib_s: None,
    };
    VolumeDay {
        volume: Volume {
            volume_id: "vol-1".to_owned(),
            ..Volume::default()
        },
        hours: vec![hour(DAY * 24), hour(DAY * 24 + 1)],
        mounts: vec![(mount("a"), vec![mounted]), (mount("b"), vec![mounted])],
    }
}

fn balancer_day() -> BalancerDay {
    let backend = |service: &str| Backend {
        namespace: "shop".to_owned(),
        service: service.to_owned(),
        ..Backend::default()
    };
    let served = BackendHour {
        hour: Hour(DAY * 24),
        requests: None,
        bytes: None,
        hosts: 1,
    };
    BalancerDay {
        balancer: Balancer {
            balancer_id: "edge.elb".to_owned(),
            ..Balancer::default()
        },
        hours: vec![BalancerHour {
            hour: Hour(DAY * 24),
            seconds: 3_600,
        }],
        backends: vec![(backend("a"), vec![served]), (backend("b"), vec![served])],
    }
}

fn sizing_hour(hour: i32) -> SizingHour {
    let mut profile = UsageProfile::default();
    profile.record(100, 512, 1_800_000);
    SizingHour::of(Hour(hour), 1_800, &profile)
}

#[allow(clippy::needless_update, reason = "a day may get more fields")]
fn day() -> ClusterDay {
    let node = Node {
        name: "n1".to_owned(),
        ..Node::default()
    };
    let slot = |pod: &str| Slot {
        node: "n1".to_owned(),
        pod_uid: pod.to_owned(),
        ..Slot::default()
    };
    ClusterDay {
        cluster: "c".to_owned(),
        day: Day(DAY),
        nodes: vec![(node, vec![node_hour(DAY * 24), node_hour(DAY * 24 + 1)])],
        slots: vec![
            (slot("a"), vec![slot_hour(DAY * 24)]),
            (slot("b"), vec![slot_hour(DAY * 24 + 1)]),
        ],
        volumes: vec![volume_day()],
        balancers: vec![balancer_day()],
        sizing: vec![
            (slot("a").id(), vec![sizing_hour(DAY * 24)]),
            (slot("b").id(), vec![sizing_hour(DAY * 24 + 1)]),
        ],
        ..ClusterDay::default()
    }
}

fn push() -> Push {
    Push::new(("c", "prod"), "a1", vec![day()], vec![Finding::warning("x", "y")])
}

#[test]
fn what_is_written_is_read_and_the_id_is_that_of_the_bytes() {
    let encoded = push().encode().expect("JSON");
    let document = unpack(&encoded.gzip, 1 << 20).expect("gzip");
    assert_eq!(id_of(&document), encoded.id);
    assert_eq!(Push::decode(&document), Ok(push()));
    assert_eq!(
        push().encode().expect("JSON"),
        encoded,
        "the same facts are the same push"
    );
    assert_eq!((push().from_hour.0, push().to_hour.0), (DAY * 24, DAY * 24 + 2));
    assert_eq!(push().seconds(), (6_000, 3_600));
    let alone = ClusterDay {
        nodes: Vec::new(),
        slots: Vec::new(),
        balancers: Vec::new(),
        sizing: Vec::new(),
        ..day()
    };
    let alone = Push::new(("c", "prod"), "a1", vec![alone], Vec::new());
    assert_eq!(
        (alone.from_hour.0, alone.to_hour.0),
        (DAY * 24, DAY * 24 + 2),
        "hours of a volume"
    );
    let other = Push {
        agent: "a2".to_owned(),
        ..push()
    };
    assert_ne!(other.encode().expect("JSON").id, encoded.id);
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    type Change = fn(&mut ClusterDay);
    let table: [(Change, &str, &str); 28] = [
        (|day| day.cluster = "d".to_owned(), "days/0/cluster", "not \"c\""),
        (|day| day.day = Day(90_000), "days/0/day", "2199"),
        (|day| day.nodes[0].0.name.clear(), "days/0/nodes/0", "no name"),
        (
            |day| day.nodes[0].1[1].ready_s = 3_601,
            "days/0/nodes/0",
            "more seconds",
        ),
        (
            |day| day.nodes[0].1[1].observed_s = 3_601,
            "days/0/nodes/0",
            "more seconds",
        ),
        (|day| day.nodes[0].1.swap(0, 1), "days/0/nodes/0", "not in order"),
        (
            |day| day.slots[1].1[0].seconds = 3_601,
            "days/0/slots/1",
            "more seconds",
        ),
        (|day| day.slots[1].1[0].hour.0 += 24, "days/0/slots/1", "another day"),
        (|day| day.slots.swap(0, 1), "days/0/slots", "not in order"),
        (|day| day.slots[1].0.pod_uid.clear(), "days/0/slots/1", "no pod"),
        (
            |day| day.volumes[0].volume.volume_id.clear(),
            "days/0/volumes/0",
            "no id",
        ),
        (
            |day| day.volumes[0].hours[1].seconds = 3_601,
            "days/0/volumes/0",
            "more seconds",
        ),
        (
            |day| day.volumes[0].hours[1].hour.0 += 24,
            "days/0/volumes/0",
            "another day",
        ),
        (
            |day| day.volumes[0].mounts[1].1[0].seconds = 3_601,
            "days/0/volumes/0",
            "more seconds",
        ),
        (
            |day| day.volumes[0].mounts[1].1[0].hour.0 -= 1,
            "days/0/volumes/0",
            "another day",
        ),
        (
            |day| day.volumes[0].mounts[1].0.pod_uid.clear(),
            "days/0/volumes/0",
            "no pod",
        ),
        (
            |day| day.volumes[0].mounts.swap(0, 1),
            "days/0/volumes/0",
            "not in order",
        ),
        (|day| day.volumes.push(volume_day()), "days/0/volumes", "there twice"),
        (
            |day| day.balancers[0].balancer.balancer_id.clear(),
            "days/0/balancers/0",
            "no id",
        ),
        (
            |day| day.balancers[0].hours[0].seconds = 3_601,
            "days/0/balancers/0",
            "more seconds",
        ),
        (
            |day| day.balancers[0].backends[1].1[0].hour.0 += 24,
            "days/0/balancers/0",
            "another day",
        ),
        (
            |day| day.balancers[0].backends.swap(0, 1),
            "days/0/balancers/0",
            "not in order",
        ),
        (
            |day| day.balancers.push(balancer_day()),
            "days/0/balancers",
            "there twice",
        ),
        (
            |day| day.sizing[0].1[0].metered_s = 3_601,
            "days/0/sizing/0",
            "more seconds",
        ),
        (|day| day.sizing[0].1[0].profile = vec![9], "days/0/sizing/0", "profile"),
        (
            |day| {
                day.sizing[0].1[0].cpu = Some(CpuSpread {
                    p50: 2,
                    p90: 1,
                    ..CpuSpread::default()
                });
            },
            "days/0/sizing/0",
            "percentiles",
        ),
        (
            |day| {
                day.sizing[0].1[0].throttling = Some(Throttling {
                    periods: 1,
                    throttled_periods: 2,
                    throttled_ms: None,
                });
            },
            "days/0/sizing/0",
            "throttled",
        ),
        (|day| day.sizing.swap(0, 1), "days/0/sizing", "not in order"),
    ];
    for (change, place, what) in table {
        let mut changed = day();
        change(&mut changed);
        let push = Push {
            days: vec![changed],
            ..push()
        };
        let bytes = serde_json::to_vec(&push).expect("JSON");
        let finding = Push::decode(&bytes).expect_err(place);
        assert_eq!(finding.column.as_deref(), Some(place), "{finding}");
        assert!(finding.message.contains(what), "{finding}");
    }
}

#[test]
fn other_formats_and_other_bytes_are_refused() {
    for (bytes, code) in [
        (&b""[..], "bad_push"),
        (b"[]", "bad_push"),
        (b"{\"format\":1}", "bad_push"),
        (b"{\"format\":2}", "unknown_push_format"),
    ] {
        assert_eq!(Push::decode(bytes).expect_err("refused").code, code);
    }
    let mut newer = serde_json::to_value(push()).expect("JSON");
    newer["days"][0]["added_later"] = serde_json::json!([1]);
    let read = Push::decode(&serde_json::to_vec(&newer).expect("JSON")).expect("fields may be added");
    assert_eq!(read, push());
}

#[test]
fn a_bomb_is_not_unpacked() {
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![b' '; 1 << 20]).expect("memory");
    let gzip = gzip.finish().expect("memory");
    assert!(gzip.len() < 4_096);
    assert_eq!(unpack(&gzip, 1 << 20).expect("as long as allowed").len(), 1 << 20);
    let error = unpack(&gzip, (1 << 20) - 1).expect_err("longer");
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(
        unpack(b"plain", 10).expect_err("no gzip").kind(),
        io::ErrorKind::InvalidData
    );
    assert!(unpack(&gzip[..gzip.len() - 1], 1 << 20).is_err(), "cut off");
}
