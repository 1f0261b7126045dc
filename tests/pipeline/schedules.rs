//! Bills that `tonnage serve` takes in by itself.

use crate::folder::Folder;
use serde_json::Value;
use std::time::{Duration, Instant};
use tonnage_tests::bill::{charge, csv};
use tonnage_tests::program::Server;

/// Asks until an answer fits, at most a minute.
async fn until(server: &Server, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        // before the first bill there is nothing to show
        let answer = server.ask("/api/v1/sources").unwrap_or_default();
        let answer = serde_json::from_str(&answer).unwrap_or(Value::Null);
        if fits(&answer) {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{what}: {answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_takes_in_what_is_new_and_says_why_it_could_not() {
    let folder = Folder::new();
    let inbox = folder.path().join("inbox");
    std::fs::create_dir(&inbox).expect("an inbox");
    let put = |name: &str, text: String| std::fs::write(inbox.join(name), text).expect("to write");
    put("2026-10.csv", csv(&[charge("2026-10", 1, "acme", "5")]));
    let config = folder.write(
        "tonnage.yaml",
        format!(
            "schedules:\n  - {{bills: ['{}'], source: payer, every: 1s}}\n",
            inbox.display()
        ),
    );
    let server = Server::start(&folder.data(), &["--config", &config]);
    let rows = |answer: &Value| answer["sources"][0]["deliveries"][0]["periods"][0]["rows"].as_u64();
    let first = until(&server, "the first bill", |answer| rows(answer) == Some(1)).await;
    assert_eq!(first["sources"][0]["id"], "payer");
    assert_eq!(first["schedules"][0]["every"], "1s");
    put(
        "2026-10.csv",
        csv(&[charge("2026-10", 1, "acme", "5"), charge("2026-10", 2, "acme", "6")]),
    );
    let _ = until(&server, "the second bill", |answer| rows(answer) == Some(2)).await;
    put("2026-10.csv", "this,is\nno,bill\n".to_owned());
    let failed = until(&server, "a failure", |answer| answer["schedules"][0]["failed"] == true).await;
    assert!(failed["sources"][0]["last_error"].is_string(), "{failed}");
    assert_eq!(rows(&failed), Some(2), "what was in stays in");
    put("2026-10.csv", csv(&[charge("2026-10", 1, "acme", "7")]));
    let mended = until(&server, "the mended bill", |answer| rows(answer) == Some(1)).await;
    assert!(mended["sources"][0]["last_error"].is_null(), "{mended}");
}

#[test]
fn a_schedule_that_cannot_be_is_refused_before_a_socket_opens() {
    let folder = Folder::new();
    for (entry, part) in [
        ("{bills: [x], every: often}", "often"),
        ("{bills: [], every: 1h}", "bills"),
        ("{bills: ['-'], every: 1h}", "bills"),
        ("{bills: [x], every: 1h, mapping: nowhere.yaml}", "nowhere.yaml"),
        ("{bills: [x], every: 1h, sauce: y}", "sauce"),
    ] {
        let config = folder.write("bad.yaml", format!("schedules:\n  - {entry}\n"));
        let ended = folder.run(&["serve", "--config", &config]).exits(2);
        assert!(ended.err.contains(part), "{entry}: {}", ended.err);
    }
}
