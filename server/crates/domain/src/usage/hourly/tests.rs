use super::*;
use crate::tags::Tags;
use proptest::prelude::*;

const FOREVER: i64 = i64::MAX;

fn at(seconds: i64) -> Instant {
    Instant(seconds * 1_000_000)
}

/// Seconds; an end of [`FOREVER`] is "still running".
fn alive(start: i64, end: i64) -> Span {
    let end = if end == FOREVER { Instant(FOREVER) } else { at(end) };
    Span { start: at(start), end }
}

fn slot(container: &str) -> Slot {
    Slot {
        node: "n1".to_owned(),
        pod_uid: "p1".to_owned(),
        container: container.to_owned(),
        ..Slot::default()
    }
}

fn cpu(cpu_millicores: u64) -> Capacity {
    Capacity {
        cpu_millicores,
        memory_mib: 1_024,
        gpu_milli: 0,
    }
}

fn sample(second: i64, requested: u64, used: Option<u64>) -> Sample {
    Sample {
        at: at(second),
        requested: cpu(requested),
        used: used.map(cpu),
    }
}

/// (hour, seconds, effective core-ms, requested core-ms, used core-ms) of each fact.
fn figures(facts: &[HourFacts]) -> Vec<(i32, u32, u64, u64, u64)> {
    facts
        .iter()
        .map(|facts| {
            let hour = &facts.hour;
            let cpu = |measure: Measure| measure.cpu_core_ms;
            (
                hour.hour.0,
                hour.seconds,
                cpu(hour.effective),
                cpu(hour.requested),
                cpu(hour.used),
            )
        })
        .collect()
}

#[test]
fn a_sample_stands_to_the_next_one() {
    let minute = 60;
    for (what, samples, expect) in [
        (
            // A1: a 10-minute pod of 2 cores holds 1,200 core-s of its hour, never 2 cores of it
            "a 10-minute pod",
            (0..10)
                .map(|i| (alive(0, 600), sample(i * minute, 2_000, Some(500))))
                .collect(),
            vec![(0, 600, 1_200_000, 1_200_000, 300_000)],
        ),
        (
            "more used than requested, then less",
            vec![
                (alive(0, 120), sample(0, 1_000, Some(3_000))),
                (alive(0, 120), sample(60, 1_000, Some(200))),
            ],
            vec![(0, 120, 240_000, 120_000, 192_000)],
        ),
        (
            "without metrics the request is what is held",
            vec![(alive(0, 60), sample(0, 1_500, None))],
            vec![(0, 60, 90_000, 90_000, 0)],
        ),
        (
            "a gap is filled for twice the interval, no longer",
            vec![
                (alive(0, FOREVER), sample(0, 1_000, None)),
                (alive(0, FOREVER), sample(900, 1_000, None)),
                (alive(0, 930), sample(930, 1_000, None)),
            ],
            vec![(0, 150, 150_000, 150_000, 0)],
        ),
        (
            "cut at the hour",
            vec![
                (alive(3_570, FOREVER), sample(3_570, 1_000, None)),
                (alive(3_570, 3_650), sample(3_630, 1_000, None)),
            ],
            vec![(0, 30, 30_000, 30_000, 0), (1, 50, 50_000, 50_000, 0)],
        ),
        (
            "the first sample also stands for the time since the pod was bound",
            vec![
                (alive(20, FOREVER), sample(60, 1_000, None)),
                (alive(20, 90), sample(90, 1_000, None)),
            ],
            vec![(0, 70, 70_000, 70_000, 0)],
        ),
        (
            "but not for a life that began long before",
            vec![
                (alive(0, FOREVER), sample(600, 1_000, None)),
                (alive(0, 630), sample(630, 1_000, None)),
            ],
            vec![(0, 30, 30_000, 30_000, 0)],
        ),
        (
            "a pod between two samples, seen at its end only",
            vec![(alive(10, 40), sample(40, 1_000, None))],
            vec![(0, 30, 30_000, 30_000, 0)],
        ),
        (
            "a container that ran twice",
            vec![
                (alive(0, 70), sample(60, 1_000, None)),
                (alive(100, 150), sample(120, 1_000, None)),
            ],
            vec![(0, 120, 120_000, 120_000, 0)],
        ),
        (
            "resized in place: request per sample (A26)",
            vec![
                (alive(0, FOREVER), sample(0, 1_000, None)),
                (alive(0, 120), sample(60, 3_000, None)),
            ],
            vec![(0, 120, 240_000, 240_000, 0)],
        ),
        (
            "a sample outside the pod's life holds nothing",
            vec![(alive(100, 200), sample(300, 1_000, None))],
            vec![],
        ),
    ] {
        let mut accumulator = HourlyAccumulator::new(60);
        for (alive, sample) in samples {
            accumulator.observe(&slot("app"), alive, sample);
        }
        assert_eq!(figures(&accumulator.drain(Hour(10))), expect, "{what}");
        assert_eq!(accumulator.in_flight(), 0, "{what}");
    }
}

#[test]
fn an_hour_is_truncated_once() {
    // 1 millicore for 999 ms, then 2 for 1,501: 4.001 core-ms, of which 0.999 and 3.002
    let mut accumulator = HourlyAccumulator::new(60);
    let end = Instant(2_500_000);
    for (at_ms, millicores) in [(0, 1), (999, 2)] {
        let sample = Sample {
            at: Instant(at_ms * 1_000),
            requested: cpu(millicores),
            used: None,
        };
        accumulator.observe(&slot("app"), Span { start: at(0), end }, sample);
    }
    // 2.5 s of 1,024 MiB
    let facts = accumulator.drain(Hour(1));
    assert_eq!(figures(&facts), [(0, 2, 4, 4, 0)]);
    assert_eq!(facts[0].hour.effective.memory_mib_s, 2_560);
}

#[test]
fn reports_of_one_instant_are_joined() {
    let plain = (alive(0, FOREVER), sample(0, 1_000, Some(500)));
    for (what, other, expect) in [
        ("the same", plain, (120, 120_000, 120_000, 60_000)),
        (
            "without metrics",
            (plain.0, sample(0, 1_000, None)),
            (120, 120_000, 120_000, 60_000),
        ),
        ("its end known", (alive(0, 90), plain.1), (90, 90_000, 90_000, 45_000)),
        (
            "bound later",
            (alive(-5, FOREVER), plain.1),
            (120, 120_000, 120_000, 60_000),
        ),
        (
            "more of both",
            (plain.0, sample(0, 2_000, Some(3_000))),
            (120, 360_000, 240_000, 360_000),
        ),
    ] {
        for reports in [[plain, other], [other, plain]] {
            let mut accumulator = HourlyAccumulator::new(60);
            for (alive, sample) in reports {
                accumulator.observe(&slot("app"), alive, sample);
            }
            let (seconds, effective, requested, used) = expect;
            assert_eq!(accumulator.in_flight(), 1, "{what}");
            assert_eq!(
                figures(&accumulator.drain(Hour(1))),
                [(0, seconds, effective, requested, used)],
                "{what}"
            );
        }
    }
}

#[test]
fn a_sample_is_small() {
    // 10,000 containers sampled every minute are 20 MB an hour
    assert!(size_of::<Held>() <= 32);
}

#[test]
fn facts_come_by_slot_and_hour_once() {
    let mut accumulator = HourlyAccumulator::new(60);
    for second in (0..7_200).step_by(60) {
        for container in ["b", "a"] {
            accumulator.observe(&slot(container), alive(0, FOREVER), sample(second, 1_000, Some(2_000)));
        }
    }
    let names = |facts: &[HourFacts]| -> Vec<(String, i32)> {
        facts
            .iter()
            .map(|facts| (facts.slot.container.clone(), facts.hour.hour.0))
            .collect()
    };
    let first = accumulator.drain(Hour(1));
    assert_eq!(names(&first), [("a".to_owned(), 0), ("b".to_owned(), 0)]);
    assert_eq!((first[0].hour.seconds, first[0].metered_s), (3_600, 3_600));
    assert_eq!(first[0].profile.cpu_max, 2_000);
    assert_eq!(accumulator.in_flight(), 120, "an hour of two containers");
    let second = accumulator.drain(Hour(2));
    assert_eq!(names(&second), [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    assert_eq!(accumulator.drain(Hour(2)), []);
    // the last sample stands a minute into the third hour
    assert_eq!(
        figures(&accumulator.drain(Hour(3)))[0],
        (2, 60, 120_000, 60_000, 120_000)
    );
}

#[test]
fn late_samples_add_facts_and_never_time() {
    let mut accumulator = HourlyAccumulator::new(60);
    let observe = |accumulator: &mut HourlyAccumulator, second| {
        accumulator.observe(&slot("app"), alive(0, FOREVER), sample(second, 1_000, None));
    };
    for second in [0, 60, 120, 600, 660] {
        observe(&mut accumulator, second);
    }
    assert_eq!(figures(&accumulator.drain(Hour(1))), [(0, 420, 420_000, 420_000, 0)]);
    for repeated in [0, 60, 120] {
        observe(&mut accumulator, repeated);
    }
    assert_eq!(accumulator.drain(Hour(1)), [], "the same samples again");
    for late in [180, 240, 300] {
        observe(&mut accumulator, late);
    }
    // 240 to 420: what nothing stood for yet
    assert_eq!(figures(&accumulator.drain(Hour(1))), [(0, 180, 180_000, 180_000, 0)]);
    accumulator.drain(Hour(60));
    assert_eq!(accumulator.too_late(), 0);
    observe(&mut accumulator, 360);
    assert_eq!((accumulator.too_late(), accumulator.in_flight()), (1, 0));
}

#[test]
fn a_new_label_ends_the_old_slot() {
    let mut accumulator = HourlyAccumulator::new(60);
    let labelled = Slot {
        labels: Tags::from([("team".to_owned(), "b".to_owned())]),
        ..slot("app")
    };
    accumulator.observe(&slot("app"), alive(0, FOREVER), sample(0, 1_000, None));
    accumulator.observe(&labelled, alive(0, 90), sample(60, 1_000, None));
    let facts = accumulator.drain(Hour(1));
    assert_eq!(
        figures(&facts),
        [(0, 60, 60_000, 60_000, 0), (0, 30, 30_000, 30_000, 0)]
    );
    assert_eq!((&facts[0].slot, &facts[1].slot), (&slot("app"), &labelled));
}

#[test]
fn pods_hold_more_than_their_containers() {
    for (what, pod, containers, expect) in [
        ("init container four times the app (A26)", 4_000, vec![1_000], 3_000),
        ("runtime overhead", 2_250, vec![1_000, 1_000], 250),
        ("containers use more than the pod requests", 2_000, vec![3_000, 500], 0),
        ("no request at all", 0, vec![0], 0),
    ] {
        let containers: Vec<Capacity> = containers.into_iter().map(cpu).collect();
        let overhead = pod_overhead_at(cpu(pod), &containers);
        assert_eq!(overhead.cpu_millicores, expect, "{what}");
        let hours: Vec<Measure> = containers.iter().map(|held| held.over(3_600)).collect();
        assert_eq!(
            pod_overhead(cpu(pod).over(3_600), &hours).cpu_core_ms,
            expect * 3_600,
            "{what}, by the hour"
        );
    }
}

fn accumulate(interval_s: u32, samples: &[(Slot, Span, Sample)]) -> Vec<HourFacts> {
    let mut accumulator = HourlyAccumulator::new(interval_s);
    for (slot, alive, sample) in samples {
        accumulator.observe(slot, *alive, *sample);
    }
    accumulator.drain(Hour(100))
}

/// Samples of two containers over three hours, some of them at odd milliseconds.
fn samples() -> impl Strategy<Value = Vec<(Slot, Span, Sample)>> {
    let one = (
        0i64..10_800_000,
        0usize..2,
        0u64..5,
        prop::option::of(0u64..4_000),
        0i64..3,
        0i64..3,
    );
    prop::collection::vec(one, 0..30).prop_map(|many| {
        many.into_iter()
            .map(|(at_ms, container, requested, used, start, end)| {
                let requested = cpu(requested * 333);
                let sample = Sample {
                    at: Instant(at_ms * 1_000),
                    requested,
                    used: used.map(cpu),
                };
                (
                    slot(["a", "b"][container]),
                    alive(start * 1_800, 9_000 + end * 900),
                    sample,
                )
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repetition_change_nothing(samples in samples(), seed in any::<u64>()) {
        let expect = accumulate(300, &samples);
        let mut shuffled: Vec<_> = samples.iter().chain(&samples).cloned().collect();
        let mut state = seed | 1;
        for i in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            shuffled.swap(i, (state >> 33) as usize % (i + 1));
        }
        prop_assert_eq!(accumulate(300, &shuffled), expect);
    }

    #[test]
    fn draining_hour_by_hour_changes_nothing(mut samples in samples()) {
        samples.sort_by_key(|(_, _, sample)| sample.at);
        // one life per container: a pod's binding is known with its first sample
        for (_, alive, _) in &mut samples {
            *alive = Span { start: at(0), end: at(10_000) };
        }
        let expect = accumulate(300, &samples);
        let mut accumulator = HourlyAccumulator::new(300);
        let mut facts = Vec::new();
        for (slot, alive, sample) in &samples {
            facts.extend(accumulator.drain(Hour::of(sample.at)));
            accumulator.observe(slot, *alive, *sample);
        }
        facts.extend(accumulator.drain(Hour(100)));
        facts.sort_by(|a, b| (&a.slot, a.hour.hour).cmp(&(&b.slot, b.hour.hour)));
        prop_assert_eq!(facts, expect);
    }

    #[test]
    fn late_samples_never_double_time(samples in samples(), drains in prop::collection::vec((0usize..30, 0i32..4), 0..4)) {
        let mut accumulator = HourlyAccumulator::new(300);
        let mut facts = Vec::new();
        for (index, (slot, _, sample)) in samples.iter().enumerate() {
            for (_, before) in drains.iter().filter(|(when, _)| *when == index) {
                facts.extend(accumulator.drain(Hour(*before)));
            }
            accumulator.observe(slot, alive(0, 9_000), *sample);
        }
        facts.extend(accumulator.drain(Hour(100)));
        let seconds = |facts: &[HourFacts], container: &str, hour| -> u32 {
            let own = facts.iter().filter(|facts| facts.slot.container == container && facts.hour.hour == Hour(hour));
            own.map(|facts| facts.hour.seconds).sum()
        };
        let in_time = accumulate(300, &samples.iter().map(|(s, _, x)| (s.clone(), alive(0, 9_000), *x)).collect::<Vec<_>>());
        for (container, hour) in ["a", "b"].into_iter().flat_map(|name| (0..3).map(move |hour| (name, hour))) {
            let (late, in_time) = (seconds(&facts, container, hour), seconds(&in_time, container, hour));
            // whatever came late stood for the same time, but for seconds cut in two
            prop_assert!(late <= in_time && in_time - late <= 30, "{container} {hour}: {late} s, {in_time} s");
        }
    }

    #[test]
    fn halving_the_interval_of_constant_usage_changes_nothing(
        interval_s in 1i64..120, requested in 0u64..10_000, used in prop::option::of(0u64..10_000),
        start_ms in 0i64..3_600_000, life_ms in 0i64..7_200_000,
    ) {
        let alive = Span { start: Instant(start_ms * 1_000), end: Instant((start_ms + life_ms) * 1_000) };
        let every = |step_ms: i64| -> Vec<(Slot, Span, Sample)> {
            (0..=10_800_000 / step_ms)
                .map(|i| i * step_ms)
                .filter(|at_ms| (start_ms..start_ms + life_ms).contains(at_ms))
                .map(|at_ms| {
                    let at = Instant(at_ms * 1_000);
                    (slot("app"), alive, Sample { at, requested: cpu(requested), used: used.map(cpu) })
                })
                .collect()
        };
        // a pod between two samples is seen at its end, whatever the interval
        let ended = (slot("app"), alive, Sample { at: alive.end, requested: cpu(requested), used: used.map(cpu) });
        let both = [interval_s * 1_000, interval_s * 500].map(|step_ms| {
            let mut samples = every(step_ms);
            samples.push(ended.clone());
            accumulate(u32::try_from((step_ms + 999) / 1_000).expect("small"), &samples)
        });
        prop_assert_eq!(&both[0], &both[1]);
        let stood_ms: u64 = both[0].iter().map(|facts| u64::from(facts.hour.seconds)).sum();
        prop_assert!((stood_ms as i64 - life_ms / 1_000).abs() <= 3, "the whole life");
    }
}

/// Writes down and reads back.
fn again(accumulator: &HourlyAccumulator) -> HourlyAccumulator {
    let text = serde_json::to_string(accumulator).expect("JSON");
    let read: HourlyAccumulator = serde_json::from_str(&text).expect("the same");
    assert!(read.is_sound());
    read
}

proptest! {
    #[test]
    fn writing_down_in_between_changes_nothing(
        samples in prop::collection::vec((0u8..3, 0i64..10_800, 0u64..4_000, prop::option::of(0u64..4_000)), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut samples = samples;
        samples.sort_by_key(|(_, second, ..)| *second);
        let (mut whole, mut written) = (HourlyAccumulator::new(60), HourlyAccumulator::new(60));
        let (mut expect, mut found) = (Vec::new(), Vec::new());
        let at_cut = cut.index(samples.len());
        let mut hour = 0;
        for (index, (container, second, requested, used)) in samples.iter().enumerate() {
            let now = i32::try_from(second / 3_600).expect("small");
            if now > hour {
                hour = now;
                expect.extend(whole.drain(Hour(hour)));
                found.extend(written.drain(Hour(hour)));
            }
            if index == at_cut {
                written = again(&written);
            }
            let slot = slot(&container.to_string());
            whole.observe(&slot, alive(0, FOREVER), sample(*second, *requested, *used));
            written.observe(&slot, alive(0, FOREVER), sample(*second, *requested, *used));
        }
        expect.extend(whole.drain(Hour(4)));
        found.extend(again(&written).drain(Hour(4)));
        prop_assert_eq!(found, expect);
    }
}

#[test]
fn what_does_not_hang_together_is_not_sound() {
    let mut accumulator = HourlyAccumulator::new(60);
    for second in [0, 60] {
        accumulator.observe(&slot("c"), alive(0, FOREVER), sample(second, 1_000, Some(5)));
    }
    let good = serde_json::to_value(&accumulator).expect("JSON");
    for (pointer, bad) in [
        ("/reach_ms", serde_json::json!(0)),
        ("/pods/p1/0/held/0", serde_json::json!([0, 7, null])),
        ("/pods/p1/0/held/1/0", serde_json::json!(0)),
        ("/pods/p1/0/contexts", serde_json::json!([])),
        ("/pods/p1/0/covered", serde_json::json!([[5, 9], [7, 12]])),
    ] {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).expect(pointer) = bad;
        let read: HourlyAccumulator = serde_json::from_value(changed).expect("the shape is right");
        assert!(!read.is_sound(), "{pointer}");
    }
}
