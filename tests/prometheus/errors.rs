//! What cannot be had is named: the query, the address, what is missing.

use crate::facts::{client, options};
use crate::server::Blocks;
use crate::world::{Metrics, clock, hour, world};
use sources::prometheus::{Backfill, Client, ClientConfig, PrometheusError};

const DEAD_STORE: &str = "remote_read:\n- url: http://127.0.0.1:1/read\n  read_recent: true\n";

#[tokio::test]
async fn errors_name_the_query_and_the_remedy() {
    let Some(blocks) = Blocks::make("errors", &Metrics::finish(vec![world("demo")])) else {
        return;
    };
    let server = blocks.start("", &[]);
    let whole = server.url();
    let nowhere = "http://user:secret@127.0.0.1:1".to_owned();
    let no_api = format!("{whole}/nothing/here");
    // (what, address, query, parts of the message)
    for (what, url, query, says) in [
        (
            "a wrong query",
            &whole,
            "sum(",
            vec!["`sum(`", "bad_data", "unclosed left parenthesis"],
        ),
        (
            "an unknown function",
            &whole,
            "share(up)",
            vec!["`share(up)`", "unknown function"],
        ),
        (
            "nobody there",
            &nowhere,
            "up",
            vec!["http://127.0.0.1:1 ", "`up`", "2 attempts"],
        ),
        (
            "another path",
            &no_api,
            "up",
            vec!["/nothing/here", "404", "before /api/v1"],
        ),
    ] {
        let asked = client(url)
            .query(query, clock("09:00:00") * 1_000, 0, &mut Vec::new())
            .await;
        let message = asked.expect_err(what).to_string();
        for part in says {
            assert!(message.contains(part), "{what}: {part:?} is not in {message:?}");
        }
        assert!(!message.contains("secret"), "{what}: {message}");
    }
    for url in ["", "prometheus:9090", "ftp://x", "http://"] {
        let refused = Client::new(&ClientConfig::new(url)).expect_err(url);
        assert!(matches!(refused, PrometheusError::Setup { .. }), "{url}: {refused}");
    }
}

#[tokio::test]
async fn a_partial_answer_is_refused_or_reported() {
    let Some(blocks) = Blocks::make("partial answers", &Metrics::finish(vec![world("demo")])) else {
        return;
    };
    // a store behind it that does not answer: Prometheus answers with what it has, and a warning
    let server = blocks.start(DEAD_STORE, &[]);
    let strict = client(&server.url());
    let mut backfill = Backfill::new(&strict, options(1), hour(6), hour(7)).expect("options");
    let error = backfill.next().await.expect_err("a partial answer");
    assert!(matches!(error, PrometheusError::Partial { .. }), "{error}");
    assert!(error.to_string().contains("kube_node_info"), "{error}");
    assert_eq!(backfill.cursor(), hour(6));

    let lenient = Client::new(&ClientConfig {
        accept_partial: true,
        ..ClientConfig::new(server.url())
    });
    let lenient = lenient.expect("a client");
    let mut backfill = Backfill::new(&lenient, options(1), hour(6), hour(7)).expect("options");
    let facts = backfill.next().await.expect("an answer").expect("a chunk");
    assert!(!facts.slots.is_empty());
    let partial = facts
        .findings
        .iter()
        .filter(|finding| finding.code == "prometheus_partial")
        .count();
    assert!(partial > 0, "{:?}", facts.findings);
}

#[tokio::test]
async fn what_is_not_there_is_a_finding_or_says_how_to_go_on() {
    let Some(blocks) = Blocks::make("missing series", &Metrics::finish(vec![world("demo")])) else {
        return;
    };
    let server = blocks.start("", &["--query.max-samples=1"]);
    let asked = client(&server.url());
    let mut backfill = Backfill::new(&asked, options(1), hour(6), hour(7)).expect("options");
    let error = backfill.next().await.expect_err("one sample is too few");
    assert!(matches!(error, PrometheusError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("--query.max-samples"), "{error}");
    drop(server);

    let server = blocks.start("", &[]);
    let asked = client(&server.url());
    let mut elsewhere = options(1);
    elsewhere.matchers = vec![("cluster".to_owned(), "no such".to_owned())];
    let mut backfill = Backfill::new(&asked, elsewhere, hour(6), hour(7)).expect("options");
    let facts = backfill.next().await.expect("an answer").expect("a chunk");
    assert!(facts.slots.is_empty() && facts.nodes.is_empty());
    assert_eq!(facts.findings[0].code, "no_kube_state_metrics");
}

#[tokio::test]
async fn long_ranges_are_asked_for_in_pieces() {
    let Some(blocks) = Blocks::make("long ranges", &Metrics::finish(vec![world("demo")])) else {
        return;
    };
    let server = blocks.start("", &[]);
    let asked = client(&server.url());
    let window = (clock("07:00:00") * 1_000, clock("11:00:00") * 1_000);
    let mut instants = Vec::new();
    let query = "vector(1)";
    let each = |series: sources::prometheus::Series| instants.extend(series.samples);
    asked
        .query_range(query, window, 1_000, 0, &mut Vec::new(), each)
        .await
        .expect("14,400 points");
    let expect: Vec<(i64, i64)> = (window.0..window.1).step_by(1_000).map(|at| (at, 1)).collect();
    assert_eq!(instants, expect);
}
