//! Who is let in, what every answer carries, and what is there when there is
//! no data.

use crate::site::{Site, config};
use axum::body::Body;
use axum::http::Request;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonnage::app::App;
use tonnage::http::routes::{Kind, ROUTES};

/// A path of a route with its parameters filled in.
fn sample(path: &str) -> String {
    path.replace("{id}", "0123")
        .replace("{*file}", "none.js")
        .replace("{provider}", "none")
}

/// What a form of this path sends.
fn body(path: &str) -> &'static str {
    match path {
        "/invoices" => "number=7&period=2026-10&currency=USD&net=1.5",
        "/invoices/remove" => "number=7",
        _ => "theme=dark",
    }
}

#[tokio::test]
async fn every_route_of_the_table_answers_with_the_headers() {
    let site = Site::empty().await;
    for route in ROUTES {
        let path = sample(route.path);
        let answer = match route.method {
            "POST" => site.post(&path, body(&path), &[]).await,
            _ => site.get(&path).await,
        };
        let expected: &[u16] = match route.kind {
            // what manages access asks for a session, which a token is not
            Kind::Form if crate::access::needs_session(route) => &[403],
            Kind::Form | Kind::Step => &[303],
            Kind::Probe => &[200],
            // no window
            Kind::OpenCost => &[400],
            // an empty lake: the guide to the first steps, or no such figure
            Kind::Page => &[200, 404],
            // who pushes facts needs a token
            Kind::Api if route.method == "POST" => &[401],
            Kind::Api => &[200, 404],
            // who was let in stands in the log already
            Kind::Download if route.path == "/audit.csv" => &[200],
            Kind::Download | Kind::File => &[404],
        };
        assert!(
            expected.contains(&answer.status),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        for (name, part) in [
            ("x-request-id", ""),
            ("content-security-policy", "default-src 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("permissions-policy", "camera=()"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "private, no-store"),
        ] {
            let value = answer.header(name);
            assert!(!value.is_empty() && value.contains(part), "{path}: {name}: {value}");
        }
        if route.kind == Kind::Api && answer.status == 404 {
            assert!(
                answer.json()["errors"][0]["detail"]
                    .as_str()
                    .is_some_and(|detail| !detail.is_empty()),
                "{path}"
            );
            assert_eq!(answer.json()["request_id"], answer.header("x-request-id"), "{path}");
        }
    }
}

#[tokio::test]
async fn nothing_but_the_table_answers() {
    let site = Site::empty().await;
    for path in [
        "/nowhere",
        "/api",
        "/api/v1",
        "/api/v1/nothing",
        "/static",
        "/manifest.json",
        "/theme/x",
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let spelled = site.get("/costs/?by=tenant").await;
    assert_eq!((spelled.status, spelled.header("location")), (308, "/costs?by=tenant"));
    assert!(site.get("/nowhere").await.text().contains("<h1>"), "people get a page");
    assert_eq!(
        site.get("/api/v1/nothing").await.json()["errors"][0]["code"],
        "not_found"
    );
    for path in [
        "/model",
        "/model/x",
        "/allocation/x",
        "/allocation/compute/x",
        "/model/allocation/x",
        "/cloudCost/view",
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        let json = answer.json();
        assert_eq!(json["code"], 404, "{path}");
        assert!(
            json["message"].as_str().is_some_and(|text| text.contains(path)),
            "{json}"
        );
    }
    for path in ["/allocation", "/model/assets", "/assets", "/cloudCost"] {
        let answer = site.post(path, "", &[]).await;
        assert_eq!((answer.status, &answer.json()["code"]), (405, &405.into()), "{path}");
    }
    for (method, path) in [("POST", "/costs"), ("GET", "/theme"), ("DELETE", "/api/v1/costs")] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", site.token()));
        let answer = site.send(request.body(Body::empty()).expect("a plain request")).await;
        assert_eq!(answer.status, 405, "{method} {path}");
    }
}

#[tokio::test]
async fn an_empty_lake_guides_to_the_first_steps() {
    let site = Site::empty().await;
    let page = site.get("/costs").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("tonnage ingest billing"), "{}", page.text());
    let csv = site.get("/costs.csv").await;
    assert!(csv.text().contains("tonnage ingest billing"), "{}", csv.text());
    assert_eq!(
        site.get("/api/v1/periods").await.json(),
        serde_json::json!({ "periods": [], "newest": null })
    );
    assert_eq!(site.get("/api/v1/costs").await.json()["errors"][0]["code"], "no_data");
}

#[tokio::test]
async fn other_names_and_other_sites_stay_out() {
    let site = Site::empty().await;
    for host in ["evil.example", "127.0.0.1.evil.example:8080", "10.0.0.1"] {
        let request = Request::get("/api/v1/periods").header("host", host).body(Body::empty());
        let answer = site.send(request.expect("a plain request")).await;
        assert_eq!(answer.status, 421, "{host}");
        assert!(answer.text().contains("localhost"), "{}", answer.text());
    }
    let nameless = site
        .send(Request::get("/").body(Body::empty()).expect("a plain request"))
        .await;
    assert_eq!(nameless.status, 421);
    for headers in [
        [("origin", "https://evil.example")],
        [("sec-fetch-site", "cross-site")],
        [("origin", "null")],
    ] {
        let answer = site.post("/theme", "theme=dark", &headers).await;
        assert_eq!(answer.status, 403, "{headers:?}");
        assert!(answer.header("set-cookie").is_empty());
    }
}

#[tokio::test]
async fn a_theme_is_kept_and_no_other_site_is_gone_to() {
    let site = Site::empty().await;
    let own = [("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")];
    let answer = site
        .post("/theme", "theme=dark&back=%2Fcosts%3Fby%3Dtenant", &own)
        .await;
    assert_eq!((answer.status, answer.header("location")), (303, "/costs?by=tenant"));
    let cookie = answer.header("set-cookie");
    for part in ["theme=dark", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=31536000"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let page = site.get_with("/", &[("cookie", "theme=dark")]).await;
    assert!(page.text().contains("data-theme=\"dark\""));
    for next in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%2F%09%2Fevil.example",
        "costs",
    ] {
        let answer = site.post("/theme", format!("theme=dark&next={next}"), &own).await;
        assert_eq!(answer.status, 400, "{next}");
        assert!(
            answer.header("location").is_empty() && answer.header("set-cookie").is_empty(),
            "{next}"
        );
    }
    assert_eq!(site.post("/theme", "x".repeat(100_000), &own).await.status, 413);
    assert_eq!(site.post("/theme", "next=%2F", &own).await.status, 422);
}

#[tokio::test]
async fn a_query_that_does_not_fit_says_what_would() {
    let site = Site::with_bill().await;
    let table = [
        ("period=2026-13", "period", "YYYY-MM"),
        ("basis=list", "basis", "effective or billed"),
        ("sort=size", "sort", "cost, prior, change or name"),
        ("f=tenant", "f", "key:value"),
        ("by=nothing", "", "tenant"),
    ];
    for (query, field, remedy) in table {
        let answer = site.get(&format!("/api/v1/costs?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        let problem = &answer.json()["errors"][0];
        assert_eq!(problem["field"].as_str().unwrap_or_default(), field, "{problem}");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains(remedy)),
            "{problem}"
        );
        for path in ["/costs", "/costs.csv", "/costs.xlsx"] {
            let answer = site.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status, 400, "{path}?{query}");
            assert!(answer.text().contains(remedy), "{}", answer.text());
        }
    }
    assert_eq!(site.get(&format!("/costs?f=a:{}", "x".repeat(9000))).await.status, 414);
}

#[tokio::test]
async fn a_page_has_a_fresh_nonce_in_policy_and_script() {
    let site = Site::with_bill().await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let page = site.get("/costs").await;
        let policy = page.header("content-security-policy").to_owned();
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next())
            .expect("a nonce")
            .to_owned();
        assert!(nonce.len() >= 16, "{policy}");
        assert!(page.text().contains(&format!("nonce=\"{nonce}\"")));
        for part in [
            "script-src 'self'",
            "'wasm-unsafe-eval'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe-inline"));
        seen.push(nonce);
    }
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test]
async fn built_files_are_precompressed_and_kept_for_ever() {
    let site = Site::with_bill().await;
    for (encoding, body) in [("", "plain"), ("gzip", "gzip"), ("gzip, br", "brotli")] {
        let answer = site
            .get_with("/static/0a/main.css", &[("accept-encoding", encoding)])
            .await;
        assert_eq!((answer.status, answer.text()), (200, body), "{encoding}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        assert!(answer.header("content-type").starts_with("text/css"));
    }
    assert!(site.get("/").await.text().contains("/static/0a/main.css"));
    std::fs::write(site.dir().join("secret"), "secret").expect("a writable folder");
    for path in [
        "/static/../../secret",
        "/static/%2e%2e/%2e%2e/secret",
        "/pkg/..%2f..%2fsecret",
        "/assets/manifest.json",
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    let page = site.get_with("/costs", &[("accept-encoding", "br")]).await;
    assert_eq!(
        (page.header("content-encoding"), page.header("cache-control")),
        ("br", "private, no-store")
    );
}

#[tokio::test]
async fn an_id_comes_back_and_requests_are_counted() {
    let site = Site::with_bill().await;
    let answer = site.get_with("/healthz", &[("x-request-id", "from-outside-1")]).await;
    assert_eq!(answer.header("x-request-id"), "from-outside-1");
    site.get("/explain/nothing-has-this-id").await;
    site.get("/flood/1").await;
    let metrics = site.get("/metrics").await;
    for line in [
        "tonnage_http_request_duration_seconds_count{route=\"/healthz\",status=\"2xx\"} 1\n",
        "tonnage_http_request_duration_seconds_count{route=\"/explain/{id}\",status=\"4xx\"} 1\n",
        "tonnage_http_request_duration_seconds_count{route=\"other\",status=\"4xx\"} 1\n",
        "tonnage_charge_rows 6\n",
        "# TYPE tonnage_manifest_version gauge\n",
    ] {
        assert!(metrics.text().contains(line), "{line} in {}", metrics.text());
    }
}

#[tokio::test]
async fn it_serves_on_a_free_port_until_told_to_stop() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = config(dir.path());
    let app = App::open(&config, domain::access::Scope::shell("test"))
        .await
        .expect("an empty lake");
    let (ready, at) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let told = |address| ready.send(address).expect("the test waits");
        tonnage::http::serve(app, &config, told, async move { drop(stopped.await) }).await
    });
    let address = at.await.expect("an address");
    assert_ne!(address.port(), 0);
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a sent request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"),
        "{answer}"
    );
    stop.send(()).expect("the server listens");
    let ended = tokio::time::timeout(Duration::from_secs(10), server)
        .await
        .expect("a prompt end");
    ended.expect("no panic").expect("no error");
}

#[tokio::test]
async fn an_invoice_is_entered_by_a_form_and_what_does_not_fit_comes_back() {
    let site = Site::with_bill().await;
    let ask = |body: &'static str| site.post("/invoices", body, &[]);
    for (form, place) in [
        (
            "number=inv-7&period=2026-10&currency=USD&net=12.50&tax=",
            "/reconciliation?period=2026-10#invoice",
        ),
        // the same again changes nothing, another amount is refused
        (
            "number=inv-7&period=2026-10&currency=USD&net=12.50",
            "/reconciliation?period=2026-10#invoice",
        ),
        (
            "number=inv-7&period=2026-10&currency=USD&net=13",
            "&invoice_wrong=exists#invoice",
        ),
        (
            "number=inv-8&period=October&currency=USD&net=1",
            "&invoice_wrong=period#invoice",
        ),
        (
            "number=inv-8&period=2026-10&currency=USD&net=1%2C5",
            "&invoice_wrong=net#invoice",
        ),
        (
            "number=inv-8&period=2026-10&currency=USD&net=1&date=soon",
            "&invoice_wrong=date#invoice",
        ),
    ] {
        let answer = ask(form).await;
        assert_eq!(answer.status, 303, "{form}");
        let to = answer.header("location");
        assert!(to.ends_with(place), "{form}: {to}");
        if place.contains("wrong") {
            assert!(to.contains("&invoice_number=inv-"), "what was written comes back: {to}");
        }
    }
    let page = site.get("/reconciliation?period=2026-10").await.text().to_owned();
    assert!(page.contains("inv-7") && page.contains("Take back"), "{page}");
    let wrong = "/reconciliation?period=2026-10&invoice_number=%3Cb%3E8&invoice_net=1%2C5&invoice_wrong=net";
    let page = site.get(wrong).await.text().to_owned();
    assert!(
        page.contains("Net does not fit") && page.contains("value=\"1,5\""),
        "{page}"
    );
    assert!(!page.contains("<b>8"), "what was written is text");
    let removed = site.post("/invoices/remove", "number=inv-7&period=2026-10", &[]).await;
    assert_eq!(removed.header("location"), "/reconciliation?period=2026-10#invoice");
    let page = site.get("/reconciliation?period=2026-10").await.text().to_owned();
    assert!(!page.contains("inv-7"), "{page}");
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(site.post("/invoices", "number=1", &foreign).await.status, 403);
}
