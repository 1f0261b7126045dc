use super::*;
use domain::usage::{Measure, Node, NodeHour, Slot, SlotHour};

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
    let other = Push {
        agent: "a2".to_owned(),
        ..push()
    };
    assert_ne!(other.encode().expect("JSON").id, encoded.id);
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    type Change = fn(&mut ClusterDay);
    let table: [(Change, &str, &str); 10] = [
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
