//! Bills in a bucket, read from a server that speaks the protocol of S3.

use crate::folder::Folder;
use axum::http::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonnage_tests::bill::{charge, csv};
use tonnage_tests::program::{Ended, command};

const OCTOBER: &str = "2026-10";
const KEY: (&str, &str) = ("AKIDTEST", "secret");

/// A bucket `bills` on a free port. Requests that fetch an object are counted.
struct Server {
    root: TempDir,
    address: String,
    fetched: Arc<AtomicU64>,
}

impl Server {
    async fn start() -> Server {
        let root = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(root.path().join("bills")).expect("a bucket");
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).expect("a file system"));
        builder.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let fetched = Arc::new(AtomicU64::new(0));
        let count = fetched.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, count) = (service.clone(), count.clone());
                let counted = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                    let is_list = request.uri().query().is_some_and(|query| query.contains("list-type"));
                    let is_get = request.method() == Method::GET && !is_list;
                    count.fetch_add(u64::from(is_get), Ordering::Relaxed);
                    hyper::service::Service::call(&service, request)
                });
                tokio::spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    // a client that is killed breaks its connection
                    let _ = builder.serve_connection(TokioIo::new(socket), counted).await;
                });
            }
        });
        Server { root, address, fetched }
    }

    fn put(&self, key: &str, text: &str) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(path, text).expect("an object");
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.path().join("bills").join(key)
    }

    /// Objects fetched since the last call.
    fn fetched(&self) -> u64 {
        self.fetched.swap(0, Ordering::Relaxed)
    }

    /// Runs the binary with credentials for this server.
    async fn run(&self, folder: &Folder, secret: &str, args: &[&str]) -> Ended {
        let mut command = command(&folder.data(), args);
        command
            .env("AWS_ENDPOINT_URL", &self.address)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", KEY.0)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .stdin(Stdio::null());
        let run = tokio::task::spawn_blocking(move || command.output().expect("the binary runs"));
        Ended::of(&run.await.expect("no panic"), args)
    }

    async fn ingest(&self, folder: &Folder, address: &str) -> Value {
        let args = ["ingest", "billing", address, "--source", "s", "--json"];
        let answer = self.run(folder, KEY.1, &args).await.exits(0).json();
        answer["deliveries"][0].clone()
    }
}

fn bill(cost: &str) -> String {
    csv(&[charge(OCTOBER, 1, "acme", cost)])
}

fn billed(delivery: &Value) -> &str {
    delivery["periods"][0]["billed_cost"].as_str().expect("an amount")
}

fn export(files: &[&str]) -> String {
    let files: Vec<String> = files.iter().map(|file| format!("s3://bills/{file}")).collect();
    json!({"exportArn": "arn:x", "dataFiles": files}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_the_newest_manifest_names_and_is_new_is_fetched() {
    let (server, folder) = (Server::start().await, Folder::new());
    let data = |file: &str| format!("exports/x/data/BILLING_PERIOD=2026-10/{file}");
    let manifest = "exports/x/metadata/BILLING_PERIOD=2026-10/x-Manifest.json";
    server.put(&data("x-1.csv"), &bill("1"));
    server.put(&data("x-2.csv"), &bill("2.5"));
    server.put(&data("stray.csv"), &bill("1000"));
    server.put(manifest, &export(&[&data("x-1.csv"), &data("x-2.csv")]));
    let first = server.ingest(&folder, "s3://bills/exports/x").await;
    assert_eq!(
        (billed(&first), server.fetched()),
        ("3.5", 3),
        "a manifest and two parts: {first}"
    );
    let again = server.ingest(&folder, "s3://bills/exports/x").await;
    assert_eq!((&again["unchanged"], server.fetched()), (&true.into(), 0), "{again}");
    // one part is written again, and the manifest with it
    server.put(&data("x-2.csv"), &bill("20.5"));
    server.put(manifest, &export(&[&data("x-1.csv"), &data("x-2.csv")]));
    let second = server.ingest(&folder, "s3://bills/exports/x").await;
    assert_eq!(billed(&second), "21.5", "{second}");
    assert!(server.fetched() <= 2, "the part that is as it was stays");
    // a part that went: refused, and what counts stays
    std::fs::remove_file(server.path(&data("x-1.csv"))).expect("an object");
    let held = folder.held().await;
    let args = ["ingest", "billing", "s3://bills/exports/x", "--source", "s", "--json"];
    let refused = server.run(&folder, KEY.1, &args).await.exits(2).json();
    let finding = &refused["findings"][0];
    assert_eq!(finding["code"], "missing_part", "{refused}");
    assert_eq!(
        finding["file"],
        format!("s3://bills/{manifest}"),
        "by the name in the bucket"
    );
    assert!(folder.held().await == held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_without_manifests_and_a_single_object() {
    let (server, folder) = (Server::start().await, Folder::new());
    server.put("plain/a.csv", &bill("1"));
    server.put("plain/deep/b.csv", &bill("2"));
    server.put("plain/notes.txt", "no bill");
    let all = server.ingest(&folder, "s3://bills/plain/").await;
    assert_eq!(billed(&all), "3", "{all}");
    let findings = all["findings"].to_string();
    assert!(findings.contains("s3://bills/plain/deep/b.csv"), "{findings}");
    // what is gone from the bucket is gone from the copy
    std::fs::remove_file(server.path("plain/a.csv")).expect("an object");
    let fewer = server.ingest(&folder, "s3://bills/plain").await;
    assert_eq!(billed(&fewer), "2", "{fewer}");
    let one = server.ingest(&folder, "s3://bills/plain/deep/b.csv").await;
    assert_eq!((billed(&one), &one["unchanged"]), ("2", &true.into()), "{one}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_and_nothing_stays() {
    let (server, folder) = (Server::start().await, Folder::new());
    server.put("plain/a.csv", &bill("1"));
    server.put("empty/notes.txt", "no bill");
    server.put("empty/more.txt", "no bill");
    let held = folder.held_after_opening().await;
    for (address, secret, words) in [
        ("s3://bills/plain", "wrong", "credentials"),
        ("s3://nothing/plain", KEY.1, "nothing is there"),
        ("s3://bills/empty", KEY.1, "holds no bill files"),
        ("s3://bills/none", KEY.1, "holds no bill files"),
        ("s3://", KEY.1, "write s3://BUCKET/PREFIX"),
        ("https://127.0.0.1:1/x.csv?signature=abc", KEY.1, "no query"),
    ] {
        let ended = server
            .run(&folder, secret, &["ingest", "billing", address])
            .await
            .exits(2);
        assert!(ended.err.contains(words), "{address}: {}", ended.err);
        assert!(!ended.err.contains("abc"), "a secret is shown: {}", ended.err);
        assert!(folder.held().await == held, "{address}");
    }
}

/// A file at an address of the web; a web server has no lists.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_a_web_server() {
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!(
        "http://{}/bills/october.csv",
        listener.local_addr().expect("an address")
    );
    let serve = axum::routing::get(|| async { ([("last-modified", "Sun, 01 Nov 2026 05:00:00 GMT")], bill("7.25")) });
    let router = axum::Router::new().route("/bills/october.csv", serve);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let run = |secure: bool, address: String| {
        let mut command = command(&folder.data(), &["ingest", "billing", &address, "--json"]);
        if !secure {
            command.env("ALLOW_HTTP", "true");
        }
        tokio::task::spawn_blocking(move || Ended::of(&command.output().expect("the binary runs"), &[]))
    };
    let answer = run(false, address.clone()).await.expect("no panic").exits(0).json();
    assert_eq!(billed(&answer["deliveries"][0]), "7.25", "{answer}");
    let plain = run(true, address.clone()).await.expect("no panic");
    assert_ne!(plain.code, Some(0), "not without encryption, unless it was asked for");
    let missing = run(false, address.replace("october", "may"))
        .await
        .expect("no panic")
        .exits(2);
    assert!(missing.err.contains("nothing is there"), "{}", missing.err);
}

/// Killed while it fetches, it goes on with what it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_was_cut_off_goes_on() {
    let (server, folder) = (Server::start().await, Folder::new());
    for part in 0..12 {
        server.put(&format!("plain/{part:02}.csv"), &bill(&format!("{part}.5")));
    }
    let first = server.ingest(&folder, "s3://bills/plain").await;
    assert_eq!((billed(&first), server.fetched()), ("72", 12));
    // as a kill leaves it: the index and some files are there, one is cut off
    let copies = folder.data().join("bills");
    let copy = std::fs::read_dir(&copies)
        .expect("copies")
        .next()
        .expect("one")
        .expect("an entry")
        .path();
    std::fs::remove_file(copy.join("plain/03.csv")).expect("a copy");
    std::fs::write(copy.join("plain/.part-x"), "half").expect("a copy");
    std::fs::write(copy.join("plain/04.csv"), "BilledCost").expect("a copy");
    let again = server.ingest(&folder, "s3://bills/plain").await;
    assert_eq!((&again["unchanged"], server.fetched()), (&true.into(), 2), "{again}");
    assert!(!Path::new(&copy.join("plain/.part-x")).exists());
    // without its index nothing is trusted
    std::fs::remove_file(copy.join(".index.json")).expect("an index");
    let again = server.ingest(&folder, "s3://bills/plain").await;
    assert_eq!((&again["unchanged"], server.fetched()), (&true.into(), 12), "{again}");
}
