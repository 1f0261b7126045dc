//! The door for agents, asked without a network: who is let in, what is
//! refused and where it is wrong, and that a push counts once.

use crate::scene::{CLUSTER, START, day_of, push_of};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request};
use domain::usage::{
    Backend, BackendHour, Balancer, BalancerDay, BalancerHour, ClusterDay, CpuSpread, Hour, Mount, MountHour,
    SizingHour, SlotId, Throttling, Volume, VolumeDay, VolumeHour,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use tempfile::TempDir;
use tonnage::Config;
use tonnage::app::App;
use tonnage::app::push::{MAX_DOCUMENT_BYTES, Push, id_of};
use tonnage::config::Flags;
use tonnage::http::{SiteFiles, router};
use tower::ServiceExt as _;

const PATH: &str = "/api/v1/usage/facts";

struct Door {
    app: App,
    router: Router,
    _dir: TempDir,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.json["errors"][0]["code"].as_str().unwrap_or_default()
    }
}

impl Door {
    async fn open() -> Door {
        let dir = TempDir::new().expect("a folder");
        let flags = Flags {
            data_dir: Some(dir.path().join("data")),
            ..Flags::default()
        };
        let env = |name: &str| (name == "TONNAGE_NOW").then(|| tonnage_tests::NOW.to_owned());
        let config = Config::load(flags, &env).expect("a valid configuration");
        let app = App::open(&config, domain::access::Scope::shell("test"))
            .await
            .expect("an empty lake");
        let files = SiteFiles::load(dir.path()).expect("no site is fine");
        Door {
            router: router(app.clone(), files, &config.web),
            app,
            _dir: dir,
        }
    }

    async fn token(&self, cluster: Option<&str>) -> String {
        self.app
            .create_token("test", cluster, None)
            .await
            .expect("a token")
            .token
    }

    async fn send(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::post(PATH).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a plain request");
        let answer = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body in memory");
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json: serde_json::from_slice(&bytes).expect("JSON"),
        }
    }

    /// Sends a document as an agent does.
    async fn push(&self, token: &str, document: &[u8]) -> Answer {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(document).expect("memory");
        let authorization = format!("Bearer {token}");
        let id = id_of(document);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
            ("idempotency-key", id.as_str()),
        ];
        self.send(&headers, gzip.finish().expect("memory")).await
    }
}

fn document(push: &Push) -> Vec<u8> {
    serde_json::to_vec(push).expect("JSON")
}

#[tokio::test]
async fn who_is_let_in() {
    let door = Door::open().await;
    let (any, one) = (door.token(None).await, door.token(Some(CLUSTER)).await);
    let revoked = door.app.create_token("old", None, None).await.expect("a token");
    door.app.revoke_token(&revoked.id).await.expect("revoked");
    let own = document(&push_of(CLUSTER, START, 3_600));
    let foreign = document(&push_of("c-2", START, 3_600));
    let (id, secret) = any.rsplit_once('_').expect("a secret at the end");
    let wrong = format!("{id}_{}", secret.chars().rev().collect::<String>());
    for (token, document, status, code) in [
        (any.as_str(), &own, 200, ""),
        (&any, &foreign, 200, ""),
        (&one, &own, 200, ""),
        (&one, &foreign, 403, "foreign_cluster"),
        (&revoked.token, &own, 401, "bad_token"),
        (&wrong, &own, 401, "bad_token"),
        (id, &own, 401, "bad_token"),
        ("tonnage_nobody_x", &own, 401, "bad_token"),
        ("", &own, 401, "bad_token"),
    ] {
        let answer = door.push(token, document).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.json);
        if status == 401 {
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    let nobody = door.send(&[], own.clone()).await;
    assert_eq!(nobody.status, 401);
    // pages of other sites cannot even try, and another name is not answered
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("x-forwarded-for", "203.0.113.7", 401),
    ] {
        assert_eq!(
            door.send(&[(name, value)], Body::empty()).await.status,
            status,
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_is_refused_and_where() {
    let door = Door::open().await;
    let token = door.token(None).await;
    let mut long = push_of(CLUSTER, START, 3_600);
    long.days[0].slots[3].1[0].seconds = 3_601;
    let newer = br#"{"format": 2}"#.to_vec();
    let table = [
        (document(&long), 400, "bad_facts", "days/0/slots/3", "more seconds"),
        (newer, 400, "unknown_push_format", "format", "this server reads 1"),
        (b"{\"format\": 1,".to_vec(), 400, "bad_push", "", "line 1"),
        (vec![b' '; MAX_DOCUMENT_BYTES + 1], 413, "too_large", "", "128 MiB"),
    ];
    for (document, status, code, field, part) in table {
        let answer = door.push(&token, &document).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.json);
        let problem = &answer.json["errors"][0];
        assert_eq!(problem["field"].as_str().unwrap_or_default(), field, "{problem}");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains(part)),
            "{problem}"
        );
    }
    let authorization = format!("Bearer {token}");
    let own = document(&push_of(CLUSTER, START, 3_600));
    let (id, other) = (id_of(&own), id_of(b"other"));
    let with = |id: &str, encoding: &str| {
        [
            ("authorization", authorization.clone()),
            ("idempotency-key", id.to_owned()),
            ("content-encoding", encoding.to_owned()),
        ]
    };
    for (headers, body, status, code) in [
        (with(&id, "identity"), own.clone(), 200, ""),
        (with(&other, "identity"), own.clone(), 400, "wrong_id"),
        (with("", "identity"), own.clone(), 400, "bad_id"),
        (with(&id, "gzip"), own.clone(), 400, "bad_push"),
        (with(&id, "br"), own.clone(), 415, "bad_encoding"),
        (with(&id, "identity"), vec![b' '; 17 << 20], 413, "bad_body"),
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = door.send(&headers, body).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.json);
    }
    let deliveries = door.app.store().usage_deliveries().await.expect("deliveries");
    assert_eq!(deliveries.len(), 1, "what is refused changes nothing");
    assert_eq!(
        (deliveries[0].source_id.as_str(), deliveries[0].origin.as_str()),
        ("agent-c-1", "agent")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_push_the_same_at_once_one_counts() {
    let door = Door::open().await;
    let token = door.token(None).await;
    let documents: Vec<Vec<u8>> = (0..3)
        .map(|hour| document(&push_of(CLUSTER, START + hour, 3_600)))
        .collect();
    let mut taken = Vec::new();
    let mut busy = 0;
    // more at once than there are places: who finds none comes again
    let mut waiting: Vec<usize> = (0..24).map(|number| number % 3).collect();
    while !waiting.is_empty() {
        let pushes = waiting.iter().map(|number| door.push(&token, &documents[*number]));
        let answers = futures::future::join_all(pushes).await;
        let mut again = Vec::new();
        for (number, answer) in waiting.into_iter().zip(answers) {
            match answer.status {
                200 => taken.push((number, answer.json["already"] == false)),
                503 => {
                    assert_eq!(
                        (answer.code(), &answer.headers["retry-after"]),
                        ("busy", &"5".parse().expect("text"))
                    );
                    busy += 1;
                    again.push(number);
                }
                status => panic!("{status}: {}", answer.json),
            }
        }
        waiting = again;
    }
    let mut new: Vec<usize> = taken
        .iter()
        .filter(|(_, new)| *new)
        .map(|(number, _)| *number)
        .collect();
    new.sort_unstable();
    assert_eq!(
        (new.as_slice(), taken.len()),
        (&[0, 1, 2][..], 24),
        "{busy} found no place"
    );
    assert_eq!(door.app.store().usage_deliveries().await.expect("deliveries").len(), 3);
}

#[tokio::test]
async fn pushes_that_find_no_place_come_again() {
    let door = Door::open().await;
    let token = door.token(None).await;
    let authorization = format!("Bearer {token}");
    let own = document(&push_of(CLUSTER, START, 3_600));
    let id = id_of(&own);
    let headers = [
        ("authorization", authorization.as_str()),
        ("idempotency-key", id.as_str()),
    ];
    // two that never end to send, and that say when they are asked for their bytes
    let asked = Arc::new(AtomicUsize::new(0));
    let endless = || {
        let (asked, mut first) = (asked.clone(), true);
        Body::from_stream(futures::stream::poll_fn(
            move |_| -> Poll<Option<Result<Bytes, io::Error>>> {
                asked.fetch_add(usize::from(std::mem::take(&mut first)), Ordering::SeqCst);
                Poll::Pending
            },
        ))
    };
    let slow = futures::future::join(door.send(&headers, endless()), door.send(&headers, endless()));
    let third = async {
        while asked.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        door.send(&headers, own.clone()).await
    };
    let answer = tokio::select! {
        _ = slow => panic!("they never end"),
        answer = third => answer,
    };
    assert_eq!(answer.status, 503, "{}", answer.json);
    assert_eq!(
        (answer.code(), &answer.headers["retry-after"]),
        ("busy", &"5".parse().expect("text"))
    );
    // they gave up: there is room again
    assert_eq!(door.push(&token, &own).await.status, 200);
}

/// Adds a volume, a load balancer and what sizing needs to a day.
fn with_resources(day: &mut ClusterDay) {
    let hour = Hour(START);
    day.volumes.push(VolumeDay {
        volume: Volume::default(),
        hours: vec![VolumeHour {
            hour,
            seconds: 1,
            capacity_mib: 1,
            used_mib_s: None,
        }],
        mounts: vec![(
            Mount::default(),
            vec![MountHour {
                hour,
                seconds: 1,
                used_mib_s: None,
            }],
        )],
    });
    let served = BackendHour {
        hour,
        requests: None,
        bytes: None,
        hosts: 1,
    };
    day.balancers.push(BalancerDay {
        balancer: Balancer::default(),
        hours: vec![BalancerHour { hour, seconds: 1 }],
        backends: vec![(Backend::default(), vec![served])],
    });
    let sizing = SizingHour {
        cpu: Some(CpuSpread::default()),
        throttling: Some(Throttling::default()),
        ..SizingHour::unknown(hour)
    };
    day.sizing.push((SlotId::default(), vec![sizing]));
}

#[tokio::test]
async fn the_documented_example_is_taken() {
    let text = std::fs::read_to_string(tonnage_tests::repository().join("docs/FORMATS.md")).expect("readable");
    let example = text
        .split("<!-- pushed -->")
        .nth(1)
        .and_then(|rest| rest.split("```json").nth(1)?.split("```").next())
        .expect("the example of a push");
    let door = Door::open().await;
    let token = door.token(None).await;
    let answer = door.push(&token, example.as_bytes()).await;
    assert_eq!(
        (answer.status, &answer.json["rows"]),
        (200, &Value::from(4)),
        "{}",
        answer.json
    );
    // every field the code writes is in it
    let mut push = push_of(CLUSTER, START, 1);
    with_resources(&mut push.days[0]);
    let written = serde_json::to_value(push).expect("JSON");
    let shown: Value = serde_json::from_str(example).expect("JSON");
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().expect("an object").keys().cloned().collect() };
    for pointer in [
        "",
        "/days/0",
        "/days/0/nodes/0/0",
        "/days/0/nodes/0/1/0",
        "/days/0/slots/0/0",
        "/days/0/slots/0/1/0",
        "/days/0/volumes/0",
        "/days/0/volumes/0/volume",
        "/days/0/volumes/0/hours/0",
        "/days/0/volumes/0/mounts/0/0",
        "/days/0/volumes/0/mounts/0/1/0",
        "/days/0/balancers/0",
        "/days/0/balancers/0/balancer",
        "/days/0/balancers/0/hours/0",
        "/days/0/balancers/0/backends/0/0",
        "/days/0/balancers/0/backends/0/1/0",
        "/days/0/sizing/0/0",
        "/days/0/sizing/0/1/0",
        "/days/0/sizing/0/1/0/cpu",
        "/days/0/sizing/0/1/0/throttling",
    ] {
        let at = |value: &Value| keys(value.pointer(pointer).expect(pointer));
        assert_eq!(at(&shown), at(&written), "{pointer}");
    }
    assert_eq!(day_of(CLUSTER, START, 1, 1).slots.len(), 1);
}
