use super::*;
use domain::instant::Day;
use domain::usage::{ClusterDay, Hour, Measure, Slot, SlotHour};
use tempfile::TempDir;

const ROOMY: u64 = 1 << 30;

fn day_of(hour: i32, containers: u32, seed: u64) -> ClusterDay {
    let slot = |number: u32| {
        // nothing a compressor could shorten
        let noise = (0..6u64).map(|part| {
            let mixed = (u64::from(number) + 1 + part * 1_000_003)
                .wrapping_mul(seed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!("{:x}", mixed ^ (mixed >> 29))
        });
        let slot = Slot {
            node: "n".to_owned(),
            pod_uid: format!("pod-{number:04}"),
            workload: noise.collect(),
            ..Slot::default()
        };
        let hour = SlotHour {
            hour: Hour(hour),
            seconds: 3_600,
            effective: Measure {
                cpu_core_ms: u64::from(number) + 1,
                ..Measure::ZERO
            },
            requested: Measure::ZERO,
            used: Measure::ZERO,
        };
        (slot, vec![hour])
    };
    ClusterDay {
        cluster: "c".to_owned(),
        day: Day(hour.div_euclid(24)),
        slots: (0..containers).map(slot).collect(),
        ..ClusterDay::default()
    }
}

fn push(hour: i32, containers: u32, seed: u64) -> Push {
    Push::new(("c", "prod"), "a", vec![day_of(hour, containers, seed)], Vec::new())
}

/// A server as far as a spool can tell: takes an id once, merges facts by rule.
#[derive(Default)]
struct Server {
    ids: BTreeSet<String>,
    days: BTreeMap<Day, ClusterDay>,
    words: Vec<Finding>,
    seconds: u64,
}

impl Server {
    fn take(&mut self, id: &str, gzip: &[u8]) {
        if !self.ids.insert(id.to_owned()) {
            return;
        }
        let push = Push::decode(&unpack(gzip, MAX_DOCUMENT_BYTES).expect("gzip")).expect("a push");
        self.seconds += push.seconds().1;
        self.words.extend(push.findings);
        for day in push.days {
            match self.days.get_mut(&day.day) {
                Some(known) => drop(lake::usage::merge(known, day)),
                None => drop(self.days.insert(day.day, day)),
            }
        }
    }

    /// Takes the oldest entry of a spool; whether there was one.
    fn fetch(&mut self, spool: &mut Spool) -> io::Result<bool> {
        let Some(entry) = spool.oldest() else { return Ok(false) };
        match spool.load(&entry)? {
            Some(gzip) => {
                self.take(&entry.id, &gzip);
                spool.remove(&entry)?;
            }
            None => drop(spool.set_aside(&entry)?),
        }
        Ok(true)
    }
}

fn open(folder: &TempDir) -> Spool {
    Spool::open(folder.path(), ROOMY).expect("a spool")
}

#[test]
fn entries_wait_in_order_and_survive() {
    let folder = TempDir::new().expect("a folder");
    let mut spool = open(&folder);
    let agent = spool.agent().to_owned();
    for hour in [5, 3, 4] {
        spool.put(&push(hour, 2, 1)).expect("room");
    }
    spool.put(&push(3, 2, 1)).expect("it is there already");
    assert!(matches!(Spool::open(folder.path(), ROOMY), Err(SpoolError::Held(_))));
    fs::write(folder.path().join(format!("x{UNFINISHED}")), "half").expect("writable");
    drop(spool);
    let mut spool = open(&folder);
    assert_eq!((spool.agent(), spool.waiting()), (agent.as_str(), 3));
    assert!(!folder.path().join(format!("x{UNFINISHED}")).exists());
    let order: Vec<u64> = std::iter::from_fn(|| {
        let entry = spool.oldest()?;
        assert!(spool.load(&entry).expect("readable").is_some());
        spool.remove(&entry).expect("removable");
        Some(entry.sequence)
    })
    .collect();
    assert_eq!(order, [1, 2, 3]);
    assert_eq!((spool.waiting(), spool.bytes()), (0, 0));
}

#[test]
fn a_damaged_entry_is_known_by_its_name() {
    let folder = TempDir::new().expect("a folder");
    let mut spool = open(&folder);
    spool.put(&push(1, 3, 1)).expect("room");
    let entry = spool.oldest().expect("one");
    let path = folder.path().join(entry.name());
    let good = fs::read(&path).expect("readable");
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        fs::write(&path, &good[..cut]).expect("writable");
        assert_eq!(spool.load(&entry).expect("readable"), None, "cut at {cut}");
    }
    let other = push(2, 3, 1).encode().expect("JSON").gzip;
    fs::write(&path, other).expect("writable");
    assert_eq!(spool.load(&entry).expect("readable"), None, "another push");
    let aside = spool.set_aside(&entry).expect("movable");
    assert!(aside.is_file() && spool.oldest().is_none());
    fs::rename(aside, &path).expect("movable");
    fs::write(&path, good).expect("writable");
    drop(spool);
    let spool = open(&folder);
    assert!(
        spool
            .load(&spool.oldest().expect("put back"))
            .expect("readable")
            .is_some()
    );
}

/// Container seconds that notices tell to be lost.
fn told_s(words: &[Finding]) -> u64 {
    let number = |finding: &Finding| -> u64 {
        assert_eq!(finding.code, "agent_spool_full");
        let text = finding.message.split(" container seconds").next().unwrap_or_default();
        text.rsplit(' ').next().unwrap_or_default().parse().expect("a number")
    };
    words.iter().map(number).sum()
}

#[test]
fn a_full_spool_merges_first_and_then_says_what_it_drops() {
    let folder = TempDir::new().expect("a folder");
    let one = push(0, 50, 1).encode().expect("JSON").gzip.len() as u64;
    // hours of the same containers: together they take less
    let mut spool = Spool::open(folder.path(), 12 * one).expect("a spool");
    for hour in 0..24 {
        spool.put(&push(hour, 50, 1)).expect("room");
    }
    assert!(spool.bytes() <= 12 * one);
    let mut server = Server::default();
    while server.fetch(&mut spool).expect("readable") {}
    assert_eq!(server.words, []);
    assert_eq!(server.days[&Day(0)].slots.len(), 50);
    assert!(server.days[&Day(0)].slots.iter().all(|(_, hours)| hours.len() == 24));
    // other containers every day: some give way, and it is said how much
    let mut spool = Spool::open(&folder.path().join("days"), 4 * one).expect("a spool");
    let mut server = Server::default();
    for hour in 0..12 {
        let push = push(hour * 24, 50, 7 + u64::try_from(hour).expect("small"));
        spool.put(&push).expect("room");
        assert!(spool.bytes() <= 6 * one, "{} of {one}", spool.bytes());
    }
    while server.fetch(&mut spool).expect("readable") {}
    assert!(!server.words.is_empty() && server.days.len() >= 2);
    assert_eq!(
        server.seconds + told_s(&server.words),
        12 * 180_000,
        "there, or told to be lost"
    );
    assert!(server.days.contains_key(&Day(11)), "the newest are kept");
    // one that is larger than the whole spool
    let mut spool = Spool::open(&folder.path().join("small"), 100).expect("a spool");
    spool.put(&push(1, 50, 1)).expect("a notice instead");
    let mut server = Server::default();
    while server.fetch(&mut spool).expect("readable") {}
    assert_eq!((told_s(&server.words), server.days.len()), (180_000, 0));
}

/// Puts nine hours, fetches some in between and all in the end, from a spool of
/// this size that is killed after so many steps, opened again, and so on; what
/// was being done is done once more. How often it was killed.
fn disturbed(steps: &[i64], max_bytes: u64, server: &mut Server) -> usize {
    let folder = TempDir::new().expect("a folder");
    let mut killed = 0;
    let disk = |killed: usize| {
        steps
            .get(killed)
            .map_or_else(Disk::default, |steps| Disk::ending_after(*steps))
    };
    let mut spool = Spool::open_on(folder.path(), max_bytes, disk(0)).ok();
    let mut hour = 0;
    while hour < 10 {
        let done = match &mut spool {
            None => Err(io::Error::other("killed while it was opened")),
            Some(spool) if hour == 9 => loop {
                match server.fetch(spool) {
                    Ok(true) => {}
                    end => break end,
                }
            },
            Some(spool) => {
                let push = push(hour, 20, 1 + u64::try_from(hour / 3).expect("small"));
                let put = spool.put(&push);
                match put {
                    Ok(()) if hour % 3 == 2 => server.fetch(spool),
                    put => put.map(|()| true),
                }
            }
        };
        if done.is_ok() {
            hour += 1;
            continue;
        }
        killed += 1;
        assert!(killed <= steps.len(), "it is killed no more often");
        // the lock goes with the process
        drop(spool.take());
        spool = Spool::open_on(folder.path(), max_bytes, disk(killed)).ok();
    }
    drop(spool);
    let left = fs::read_dir(folder.path()).expect("readable").flatten();
    let left: Vec<String> = left
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    let ended = |name: &String| !name.ends_with(UNFINISHED) && !name.ends_with(ENDING);
    assert!(left.iter().all(ended), "{left:?}");
    killed
}

#[test]
fn a_kill_at_any_step_loses_and_doubles_nothing() {
    let one = push(0, 20, 1).encode().expect("JSON").gzip.len() as u64;
    for max_bytes in [ROOMY, one * 5, one * 3] {
        let mut undisturbed = Server::default();
        assert_eq!(disturbed(&[], max_bytes, &mut undisturbed), 0);
        let mut steps = 0;
        loop {
            let mut server = Server::default();
            let killed = disturbed(&[steps], max_bytes, &mut server);
            let hours = server
                .days
                .values()
                .flat_map(|day| &day.slots)
                .flat_map(|(_, hours)| hours);
            let held: u64 = hours.map(|hour| u64::from(hour.seconds)).sum();
            if max_bytes == ROOMY {
                assert_eq!(server.days, undisturbed.days, "killed at step {steps}");
            }
            // a merge never doubles, and what is not there was told
            assert!(held <= 9 * 20 * 3_600, "killed at step {steps}");
            assert!(held + told_s(&server.words) >= 9 * 20 * 3_600, "killed at step {steps}");
            if killed == 0 {
                break;
            }
            steps += 1;
        }
        assert!(steps > 50, "{steps} steps only");
    }
}

#[test]
fn two_kills_in_a_row_lose_nothing_silently() {
    let one = push(0, 20, 1).encode().expect("JSON").gzip.len() as u64;
    let mut twice = 0;
    // in strides that share no factor: over all pairs that are near each other
    for (first, second) in (0..150).map(|first: i64| (first, (first * 7) % 31)) {
        let mut server = Server::default();
        let killed = disturbed(&[first, second], one * 3, &mut server);
        twice += usize::from(killed == 2);
        let hours = server
            .days
            .values()
            .flat_map(|day| &day.slots)
            .flat_map(|(_, hours)| hours);
        let held: u64 = hours.map(|hour| u64::from(hour.seconds)).sum();
        assert!(held <= 9 * 20 * 3_600, "killed after {first} and {second} steps");
        assert!(
            held + told_s(&server.words) >= 9 * 20 * 3_600,
            "killed after {first} and {second} steps"
        );
    }
    assert!(twice > 50, "{twice} only were killed twice");
}

/// The first kill leaves two entries of one number: what a merge made, and the
/// second of the two it was made of. The second one is while that is dropped.
#[test]
fn a_drop_takes_nothing_along_that_a_merge_left() {
    let entry = |sequence: u64, kind: Kind, push: &Push| {
        let encoded = push.encode().expect("JSON");
        let id = encoded.id;
        (Entry { sequence, kind, id }, encoded.gzip)
    };
    let (first, second) = (push(0, 20, 1), push(1, 20, 1));
    let whole = entry(2, Kind::Facts, &merged(first, second.clone()));
    let left = entry(2, Kind::Facts, &second);
    let told = entry(2, Kind::Notice, &dropped(&second));
    let folder = TempDir::new().expect("a folder");
    drop(open(&folder));
    for (entry, gzip) in [&whole, &left, &told] {
        fs::write(folder.path().join(entry.name()), gzip).expect("writable");
    }
    let mut spool = open(&folder);
    assert!(!folder.path().join(left.0.name()).exists(), "it was being dropped");
    let mut server = Server::default();
    while server.fetch(&mut spool).expect("readable") {}
    assert_eq!(server.seconds, 2 * 20 * 3_600, "the merged hours are there");
    assert_eq!(told_s(&server.words), 20 * 3_600);
}

#[test]
fn what_is_written_down_is_the_last_that_was_whole() {
    let folder = TempDir::new().expect("a folder");
    let spool = open(&folder);
    assert_eq!(spool.running().expect("none"), None);
    spool.save_running(|to| to.write_all(b"one")).expect("writable");
    let failed = spool.save_running(|to| {
        to.write_all(b"tw")?;
        Err(io::Error::other("power cut"))
    });
    assert!(failed.is_err());
    assert_eq!(spool.running().expect("readable").as_deref(), Some(&b"one"[..]));
    fs::write(folder.path().join(RUNNING), b"damaged").expect("writable");
    assert_eq!(spool.running().expect_err("damaged").kind(), io::ErrorKind::InvalidData);
    spool.set_running_aside().expect("movable");
    spool.save_running(|to| to.write_all(b"two")).expect("writable");
    spool.set_running_aside().expect("movable");
    assert_eq!(spool.running().expect("none"), None);
    let aside = fs::read_dir(folder.path().join(ASIDE)).expect("readable").count();
    assert_eq!(aside, 2);
}
