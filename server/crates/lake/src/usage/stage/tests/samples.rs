//! Samples become hours, however often they are taken and however they come.

use super::{NODE_SAMPLES, SAMPLES, Scene, csv};
use domain::instant::Instant;
use domain::usage::{ClusterDay, Hour, Measure};

/// Samples of two hours of constant usage, and of the node, every so many seconds.
fn sampled(interval_s: i64, relabelled: bool) -> Vec<Vec<u8>> {
    let start = domain::instant::parse(b"2026-10-21T09:00:00Z")
        .expect("an instant")
        .instant;
    let (mut containers, mut nodes) = (Vec::new(), Vec::new());
    for second in (0..=3 * 3_600).step_by(usize::try_from(interval_s).expect("positive")) {
        let at = Instant(start.0 + second * 1_000_000);
        let labels = if relabelled && second > 4_000 {
            r#""{""v"":""2""}""#
        } else {
            ""
        };
        containers.push(format!(
            "{at},c,n1,shop,web-0,web,{labels},{interval_s},500,1024,750,512"
        ));
        nodes.push(format!("{at},c,n1,i-1,true,{interval_s},4000,3900,16384,15000"));
    }
    let texts = |rows: &[String], header| csv(header, &rows.iter().map(String::as_str).collect::<Vec<_>>());
    vec![texts(&containers, SAMPLES), texts(&nodes, NODE_SAMPLES)]
}

/// The facts of the first three hours: how long the last sample stands is another matter.
fn hours(day: &ClusterDay) -> Vec<(Hour, u32, Measure, Measure, u32)> {
    let first = day.slots[0].1[0].hour.0;
    let slots = day
        .slots
        .iter()
        .flat_map(|(_, hours)| hours)
        .filter(|hour| hour.hour.0 < first + 3);
    slots
        .map(|hour| {
            let node = day.nodes[0].1.iter().find(|node| node.hour == hour.hour).expect("seen");
            (hour.hour, hour.seconds, hour.effective, hour.used, node.observed_s)
        })
        .collect()
}

#[test]
fn samples_become_hours() {
    let mut scene = Scene::new();
    scene.taken(&sampled(60, false));
    let day = scene.day();
    let facts = hours(&day);
    let hour = |at: i32| Hour(facts[0].0.0 + at);
    let effective = Measure {
        cpu_core_ms: 750 * 3_600,
        memory_mib_s: 1_024 * 3_600,
        gpu_ms: 0,
    };
    let used = Measure {
        memory_mib_s: 512 * 3_600,
        ..effective
    };
    let expect: Vec<_> = (0..3).map(|at| (hour(at), 3_600, effective, used, 3_600)).collect();
    assert_eq!(facts, expect);
    let (_, sizing) = &day.sizing[0];
    assert_eq!(sizing[0].cpu.map(|cpu| (cpu.p50, cpu.max)), Some((750, 750)));
    assert_eq!((sizing[0].metered_s, sizing[0].memory_peak_mib), (3_600, Some(512)));

    for (what, interval_s, relabelled) in [
        ("half the interval", 30, false),
        ("a quarter of it", 15, false),
        ("a label that changes within an hour", 60, true),
    ] {
        let mut other = Scene::new();
        other.taken(&sampled(interval_s, relabelled));
        assert_eq!(hours(&other.day()), expect, "{what}");
    }
    // in any order, and again
    let mut turned = Vec::new();
    for file in sampled(60, false).iter().rev() {
        let text = String::from_utf8(file.clone()).expect("text");
        let (header, rows) = text.split_once('\n').expect("a header");
        let mut rows: Vec<&str> = rows.lines().rev().collect();
        rows.push(rows[7]);
        turned.push(csv(header, &rows));
    }
    let mut other = Scene::new();
    other.taken(&turned);
    assert_eq!(other.hashes(), scene.hashes());
    other.taken(&sampled(60, false));
    assert_eq!(other.hashes(), scene.hashes());
    // two intervals in one call
    let both: Vec<Vec<u8>> = sampled(60, false).into_iter().chain(sampled(30, false)).collect();
    let findings = Scene::new().refused(&both);
    assert_eq!(findings[0].column.as_deref(), Some("interval_seconds"));
}
