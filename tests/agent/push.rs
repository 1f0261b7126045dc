//! From a spool to a server, with the real binary: kills, damage, tokens.

use crate::scene::{CLUSTER, Random, START, Scene, State, counts, entries, hours, push_of, seed, undisturbed};
use std::time::{Duration, Instant};
use tonnage_tests::program::{command, run};
use tonnage_tests::{aloud, long};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_hours_is_pushed_once() {
    let pushes = hours(26);
    let expected = undisturbed(&pushes).await;
    assert_eq!(
        expected.container_s(),
        26 * 20 * 3_600,
        "part hours are replaced by whole ones"
    );
    assert_eq!(expected.words, ["kubernetes_no_metrics"]);
    // the same again changes nothing
    let scene = Scene::new(Some(CLUSTER));
    let server = scene.serve();
    for (name, expect) in [("first", [31, 0]), ("second", [0, 31])] {
        let spool = scene.spool(name, &pushes);
        let done = scene.drain(&server.url, &spool, &[]).exits(0).json();
        assert_eq!(counts(&done)[..2], expect, "{done}");
        assert!(entries(&spool).is_empty());
    }
    let listed = run(&scene.data, &["token", "list", "--json"]).exits(0).json();
    assert_eq!(listed["tokens"][0]["last_used_at"], tonnage_tests::NOW);
    drop(server);
    assert_eq!(State::of(&scene.data).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_agent_and_server_lose_and_double_nothing() {
    let kills: i32 = if long() { 200 } else { 20 };
    let (seed, batch) = (seed(), 3);
    let all = hours(kills * batch);
    let expected = undisturbed(&all).await;
    let scene = Scene::new(Some(CLUSTER));
    let mut server = scene.serve();
    // how long a batch takes when nobody disturbs it
    let spool = scene.spool("timed", &hours(batch));
    let started = Instant::now();
    let _ = scene.drain(&server.url, &spool, &[]).exits(0);
    let mut took = started.elapsed();
    let mut random = Random(seed);
    let (mut hits, mut falls) = (0, 0);
    for (number, pushes) in all
        .chunks(all.len().div_ceil(usize::try_from(kills).expect("positive")))
        .enumerate()
    {
        let spool = scene.spool("spool", pushes);
        let after = took.mul_f64(random.below(1_000) as f64 / 1_000.0);
        let mut agent = scene.start(&server.url, &spool, &["--drain"], &[]);
        tokio::time::sleep(after).await;
        let alive = agent.try_wait().expect("a child").is_none();
        if number % 3 == 1 {
            // the server falls first, in the middle of what it does
            server = {
                drop(server);
                falls += 1;
                scene.serve()
            };
        }
        // a child that has ended cannot be killed
        let _ = agent.kill();
        agent.wait().expect("a child");
        hits += i32::from(alive);
        // the machine is shared: kills follow how long it takes now
        took = took.mul_f64(if alive { 1.05 } else { 0.7 });
    }
    let left = entries(&scene.folder("spool")).len();
    let done = scene.drain(&server.url, &scene.folder("spool"), &[]).exits(0).json();
    aloud(&format!(
        "{hits} kills hit a running agent, {falls} the server; {left} entries were left, the last run said {done} (a batch takes {took:.1?}, seed {seed})"
    ));
    drop(server);
    let state = State::of(&scene.data).await;
    assert!(
        state.days == expected.days && state.hashes == expected.hashes && state.words == expected.words,
        "seed {seed}: {} container seconds instead of {}, {:?} instead of {:?}",
        state.container_s(),
        expected.container_s(),
        state.words,
        expected.words
    );
    assert!(hits * 3 > kills, "only {hits} of {kills} kills hit a running agent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_agents_with_the_same_entries_at_once() {
    let pushes = hours(12);
    let expected = undisturbed(&pushes).await;
    let scene = Scene::new(Some(CLUSTER));
    let server = scene.serve();
    let spools = ["one", "two", "three"].map(|name| scene.spool(name, &pushes));
    let agents = spools
        .each_ref()
        .map(|spool| scene.start(&server.url, spool, &["--drain"], &[]));
    for mut agent in agents {
        assert!(agent.wait().expect("a child").success());
    }
    for spool in &spools {
        assert!(entries(spool).is_empty());
    }
    drop(server);
    assert_eq!(State::of(&scene.data).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_and_senseless_entries_are_set_aside_and_told() {
    let scene = Scene::new(Some(CLUSTER));
    let mut senseless = push_of(CLUSTER, START + 2, 3_600);
    senseless.days[0].nodes[0].1[0].observed_s = 4_000;
    let pushes = [
        push_of(CLUSTER, START, 3_600),
        push_of(CLUSTER, START + 1, 3_600),
        senseless,
        push_of(CLUSTER, START + 3, 3_600),
    ];
    let spool = scene.spool("spool", &pushes);
    let names = entries(&spool);
    let path = spool.join(&names[1]);
    let bytes = std::fs::read(&path).expect("readable");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("writable");
    std::fs::write(spool.join("notes.txt"), "somebody's").expect("writable");
    let server = scene.serve();
    let ended = scene.drain(&server.url, &spool, &[]).exits(0);
    assert_eq!(counts(&ended.json()), [2, 0, 2, 0], "{}", ended.err);
    assert_eq!(entries(&spool.join("aside")), names[1..3]);
    for part in [
        names[1].as_str(),
        "its bytes are damaged",
        names[2].as_str(),
        "more seconds",
    ] {
        assert!(ended.err.contains(part), "{part} in {}", ended.err);
    }
    assert!(spool.join("notes.txt").is_file());
    // mended and put back, it goes its way
    std::fs::write(&path, bytes).expect("writable");
    let done = scene.drain(&server.url, &spool, &[]).exits(0).json();
    assert_eq!(counts(&done)[0], 1);
    drop(server);
    assert_eq!(State::of(&scene.data).await.container_s(), 3 * 20 * 3_600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_keeps_the_entries() {
    let scene = Scene::new(Some("another-cluster"));
    let spool = scene.spool("spool", &hours(2));
    let server = scene.serve();
    let refused = |scene: &Scene, part: &str| {
        let ended = scene.drain(&server.url, &spool, &[]).exits(3);
        assert!(ended.err.contains(part), "{part} in {}", ended.err);
        assert_eq!(entries(&spool).len(), 2, "nothing is lost");
    };
    refused(
        &scene,
        "403: this token may write cluster \"another-cluster\", not \"c-1\"",
    );
    let _ = run(&scene.data, &["token", "revoke", &scene.token_id]).exits(0);
    refused(&scene, "401: the token is missing, unknown or revoked");
    let secret = std::fs::read_to_string(&scene.token_file).expect("readable");
    std::fs::write(&scene.token_file, "tonnage_0_0\n").expect("writable");
    refused(&scene, "401");
    let _ = run(&scene.data, &["token", "revoke", "nobody"]).exits(2);
    // a new token, from the environment
    let made = run(&scene.data, &["token", "create", "--agent", "new"]).exits(0);
    let token = made.out.trim();
    let args = [
        "agent",
        "--drain",
        "--server",
        &server.url,
        "--spool",
        spool.to_str().expect("UTF-8"),
    ];
    let output = command(&scene.data, &args).env("TONNAGE_AGENT_TOKEN", token).output();
    let output = output.expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // no secret is anywhere in what it says or keeps
    let shown = command(&scene.data, &["config", "show"])
        .env("TONNAGE_AGENT_TOKEN", token)
        .output();
    let shown = String::from_utf8_lossy(&shown.expect("the binary starts").stdout).into_owned();
    assert!(
        shown.contains("agent_token") && shown.contains("***") && !shown.contains(token),
        "{shown}"
    );
    let listed = run(&scene.data, &["token", "list"]).exits(0).out;
    assert!(
        listed.contains("new") && !listed.contains(token) && !listed.contains(secret.trim()),
        "{listed}"
    );
    let database = std::fs::read(scene.data.join("tonnage.db")).expect("readable");
    let log = std::fs::read(scene.data.join("tonnage.db-wal")).unwrap_or_default();
    let kept = [database, log].concat();
    assert!(
        !kept.windows(token.len()).any(|bytes| bytes == token.as_bytes()),
        "only a hash is kept"
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_done() {
    let scene = Scene::new(None);
    let spool = scene.folder("spool");
    let (spool, token) = (
        spool.to_str().expect("UTF-8"),
        scene.token_file.to_str().expect("UTF-8"),
    );
    let table: [(&[&str], i32, &str); 7] = [
        (&["--token-file", token, "--spool", spool], 2, "--server"),
        (
            &["--server", "http://10.0.0.1", "--token-file", token, "--spool", spool],
            2,
            "in the clear",
        ),
        (
            &[
                "--server",
                "https://me:secret@cost.example",
                "--token-file",
                token,
                "--spool",
                spool,
            ],
            2,
            "has a user",
        ),
        (
            &["--server", "http://127.0.0.1:1", "--spool", spool],
            2,
            "TONNAGE_AGENT_TOKEN",
        ),
        (
            &[
                "--server",
                "http://127.0.0.1:1",
                "--token-file",
                "/nowhere",
                "--spool",
                spool,
            ],
            2,
            "/nowhere",
        ),
        (&["--server", "http://127.0.0.1:1", "--token-file", token], 2, "--spool"),
        (
            &[
                "--server",
                "https://127.0.0.1:1",
                "--token-file",
                token,
                "--spool",
                spool,
                "--ca-file",
                token,
            ],
            2,
            "PEM",
        ),
    ];
    for (args, code, part) in table {
        let args = [&["agent", "--drain"], args].concat();
        let ended = run(&scene.folder("none"), &args).exits(code);
        assert!(ended.err.contains(part), "{part} in {}", ended.err);
        assert!(!ended.err.contains("secret"), "{}", ended.err);
    }
    assert!(
        !scene.folder("none").exists(),
        "the agent opens neither lake nor database"
    );
    // an empty spool needs no server
    let _ = scene.drain("http://127.0.0.1:1", &scene.folder("spool"), &[]).exits(0);
    // two agents on one spool
    let held = tonnage::app::agent::Spool::open(&scene.folder("spool"), 1).expect("a spool");
    let ended = scene.drain("http://127.0.0.1:1", &scene.folder("spool"), &[]).exits(4);
    assert!(ended.err.contains("another agent"), "{}", ended.err);
    drop(held);
    // a server that is not there: exit 3, run again
    let spool = scene.spool("spool", &hours(1));
    let started = Instant::now();
    let _ = scene.drain("http://127.0.0.1:1", &spool, &[]).exits(3);
    assert!(
        started.elapsed() > Duration::from_secs(5),
        "it tries several times, with pauses"
    );
    assert_eq!(entries(&spool).len(), 1);
}
