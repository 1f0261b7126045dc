//! What no healthy Prometheus does: too many requests, failures, answers that
//! break off. A listener answers from a script, one connection an answer.

use crate::world::clock;
use sources::prometheus::{Auth, Client, ClientConfig, Labels, PrometheusError};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const ONE: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"7"]}]}}"#;

/// Status, further headers, body.
type Answer = (u16, &'static str, String);

/// Answers connections in order; sends what was asked.
fn scripted(answers: Vec<Answer>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (asked, questions) = channel();
    std::thread::spawn(move || {
        for (status, headers, body) in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = String::new();
            let mut bytes = [0; 4_096];
            while !whole(&request) {
                let read = stream.read(&mut bytes).expect("a request");
                request.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}\r\n");
            // the client may have given up already
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
            let _ = asked.send(request);
        }
    });
    (url, questions)
}

/// Whether a request is there with its body.
fn whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

async fn ask(url: &str, attempts: u32) -> (Result<Vec<(Labels, i64)>, PrometheusError>, u64) {
    let config = ClientConfig {
        attempts,
        timeout_s: 1,
        auth: Auth::Bearer("t0ken".to_owned()),
        tenant: Some("team-a".to_owned()),
        ..ClientConfig::new(url)
    };
    let client = Client::new(&config).expect("a client");
    let answer = client.query("up", clock("09:00:00") * 1_000, 0, &mut Vec::new()).await;
    (answer, client.requests())
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    let cut = format!("{}...", &ONE[..60]);
    let error = r#"{"status":"error","errorType":"unavailable","error":"starting"}"#;
    // (what, answers before the good one)
    for (what, before) in [
        ("too many requests", vec![(429, "retry-after: 0\r\n", String::new())]),
        (
            "failures",
            vec![(500, "", "oops".to_owned()), (503, "", error.to_owned())],
        ),
        (
            "an answer that breaks off",
            vec![(200, "content-length: 500\r\n", cut.clone())],
        ),
        (
            "an answer that breaks off in good order",
            vec![(200, "", ONE[..60].to_owned())],
        ),
    ] {
        let tries = u64::try_from(before.len()).expect("few") + 1;
        let answers = before.into_iter().chain([(200, "", ONE.to_owned())]).collect();
        let (url, questions) = scripted(answers);
        let (answer, requests) = ask(&url, 3).await;
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            answer,
            [(Labels::from([("a".to_owned(), "b".to_owned())]), 7)],
            "{what}"
        );
        assert_eq!(requests, tries, "{what}");
        let request = questions.recv().expect("a request").to_ascii_lowercase();
        for part in [
            "post /api/v1/query ",
            "authorization: bearer t0ken",
            "x-scope-orgid: team-a",
            "query=up",
        ] {
            assert!(request.contains(part), "{what}: {part:?} is not in {request:?}");
        }
    }
}

#[tokio::test]
async fn what_does_not_pass_is_an_error() {
    let page = || "<html>hello</html>".to_owned();
    let refused = r#"{"status":"error","errorType":"bad_data","error":"no"}"#;
    let much = r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples"}"#;
    let fails = || vec![(502, "", page()), (502, "", page())];
    type Is = fn(&PrometheusError) -> bool;
    // (what, answers, attempts made, the error)
    let cases: [(&str, Vec<Answer>, u64, Is); 6] = [
        ("fails for ever", fails(), 2, |e| {
            matches!(e, PrometheusError::Failing { status: 502, .. })
        }),
        ("a wrong token", vec![(401, "", page())], 1, |e| {
            matches!(e, PrometheusError::Denied { status: 401, .. })
        }),
        ("a page", vec![(200, "", page())], 1, |e| {
            matches!(e, PrometheusError::NotPrometheus { .. })
        }),
        ("elsewhere", vec![(302, "location: /login\r\n", page())], 1, |e| {
            matches!(e, PrometheusError::NotPrometheus { status: 302, .. })
        }),
        ("refused", vec![(400, "", refused.to_owned())], 1, |e| {
            matches!(e, PrometheusError::Refused { .. })
        }),
        ("too much", vec![(422, "", much.to_owned())], 1, |e| {
            matches!(e, PrometheusError::TooLarge { .. })
        }),
    ];
    for (what, answers, tries, expect) in cases {
        let (url, _questions) = scripted(answers);
        let (answer, requests) = ask(&url, 2).await;
        let error = answer.expect_err(what);
        assert!(expect(&error), "{what}: {error:?}");
        assert!(
            error.to_string().contains(if what == "a page" || what == "elsewhere" {
                &url
            } else {
                "`up`"
            }),
            "{error}"
        );
        assert!(!error.to_string().contains("t0ken"), "{what}: {error}");
        assert_eq!(requests, tries, "{what}");
    }
}

#[tokio::test]
async fn silence_ends_in_time() {
    // accepted by the system, never answered
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let began = Instant::now();
    let (answer, requests) = ask(&url, 2).await;
    let error = answer.expect_err("silence");
    assert!(matches!(error, PrometheusError::Unreachable { .. }), "{error}");
    assert_eq!(requests, 2);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
