//! An API server that replays recorded objects: lists in pages, watches with
//! bookmarks, and every way it can fail.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

/// How the next answer to a list, or start of a watch, goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A status, with seconds for `Retry-After`.
    Status(u16, Option<u64>),
    /// Nothing is answered, ever.
    Silent,
}

/// How a watch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// As the server does after its time.
    Clean,
    /// In the middle of an event.
    Broken,
}

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET`.
    pub method: String,
    /// Path.
    pub path: String,
    /// Query.
    pub query: HashMap<String, String>,
    /// What the client accepts.
    pub accept: String,
}

/// Objects of one resource.
#[derive(Default)]
struct Resource {
    objects: BTreeMap<String, Value>,
    /// Version, type and object of what happened.
    log: Vec<(u64, &'static str, Value)>,
    /// Versions before this one are forgotten.
    oldest: u64,
    faults: VecDeque<Option<Fault>>,
    /// For as long as it is set.
    standing: Option<Fault>,
    cuts: u64,
    cut: Option<Cut>,
}

#[derive(Default)]
struct Records {
    resources: BTreeMap<String, Resource>,
    version: u64,
    asked: Vec<Asked>,
    date_s: Option<i64>,
    slow: bool,
}

/// The server; it ends with the test.
#[derive(Clone)]
pub struct Server {
    records: Arc<Mutex<Records>>,
    changed: Arc<Notify>,
    gate: Arc<watch::Sender<bool>>,
    /// Where it listens.
    pub address: SocketAddr,
    _tasks: Arc<Vec<OnDrop>>,
}

struct OnDrop(AbortHandle);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn key(object: &Value) -> String {
    let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", part("namespace"), part("name"))
}

impl Server {
    /// Starts one with the recorded cluster.
    pub async fn start() -> Server {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FIXTURE);
        let recorded = std::fs::read(&file).expect("recorded objects");
        let recorded: BTreeMap<String, Vec<Value>> = serde_json::from_slice(&recorded).expect("JSON");
        let inner = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let outer = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let target = inner.local_addr().expect("address");
        let gate = Arc::new(watch::Sender::new(true));
        let address = outer.local_addr().expect("address");
        let door = tokio::spawn(keep_door(outer, target, gate.subscribe()));
        let records = Arc::new(Mutex::new(Records::default()));
        let changed = Arc::new(Notify::new());
        let mut server = Server {
            records,
            changed,
            gate,
            address,
            _tasks: Arc::new(Vec::new()),
        };
        let app = Router::new().fallback(answer).with_state(server.clone());
        let serving = tokio::spawn(async move { axum::serve(inner, app).await });
        server._tasks = Arc::new(vec![OnDrop(door.abort_handle()), OnDrop(serving.abort_handle())]);
        for (path, objects) in recorded {
            server.lock().resources.entry(path.clone()).or_default();
            for object in objects {
                server.put(&path, object);
            }
        }
        server
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().expect("no panic while locked")
    }

    fn change(&self, path: &str, kind: &'static str, mut object: Value) {
        let mut records = self.lock();
        records.version += 1;
        let version = records.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let resource = records.resources.entry(path.to_owned()).or_default();
        match kind {
            "DELETED" => drop(resource.objects.remove(&key(&object))),
            "BOOKMARK" => {}
            _ => drop(resource.objects.insert(key(&object), object.clone())),
        }
        resource.log.push((version, kind, object));
        drop(records);
        self.changed.notify_waiters();
    }

    /// Adds or changes an object.
    pub fn put(&self, path: &str, object: Value) {
        let known = self
            .lock()
            .resources
            .get(path)
            .is_some_and(|r| r.objects.contains_key(&key(&object)));
        self.change(path, if known { "MODIFIED" } else { "ADDED" }, object);
    }

    /// Deletes an object, its last state given.
    pub fn delete(&self, path: &str, object: Value) {
        self.change(path, "DELETED", object);
    }

    /// Deletes an object and tells no watch.
    pub fn lose(&self, path: &str, name: &str) {
        let mut records = self.lock();
        records.version += 1;
        let resource = records.resources.entry(path.to_owned()).or_default();
        resource.objects.remove(name).expect("an object of that name");
    }

    /// Sends a bookmark.
    pub fn bookmark(&self, path: &str) {
        let kind = self.lock().resources[path]
            .objects
            .values()
            .next()
            .map(|object| object["kind"].clone());
        self.change(
            path,
            "BOOKMARK",
            json!({"kind": kind, "apiVersion": "v1", "metadata": {}}),
        );
    }

    /// An object as it is now.
    pub fn object(&self, path: &str, name: &str) -> Value {
        self.lock().resources[path].objects[name].clone()
    }

    /// Forgets what happened so far: watches from before are gone.
    pub fn compact(&self, path: &str) {
        let mut records = self.lock();
        let version = records.version;
        let resource = records.resources.entry(path.to_owned()).or_default();
        resource.oldest = version;
        resource.log.clear();
    }

    /// An answer goes wrong, after so many that go right.
    pub fn fault(&self, path: &str, after: usize, fault: Fault) {
        let mut records = self.lock();
        let faults = &mut records.resources.entry(path.to_owned()).or_default().faults;
        faults.extend(std::iter::repeat_n(None, after));
        faults.push_back(Some(fault));
    }

    /// All answers go wrong, or none any more.
    pub fn stand(&self, path: &str, fault: Option<Fault>) {
        self.lock().resources.entry(path.to_owned()).or_default().standing = fault;
    }

    /// Ends the watches of a resource.
    pub fn cut(&self, path: &str, cut: Cut) {
        let mut records = self.lock();
        let resource = records.resources.entry(path.to_owned()).or_default();
        resource.cuts += 1;
        resource.cut = Some(cut);
        drop(records);
        self.changed.notify_waiters();
    }

    /// Lets events trickle.
    pub fn slow(&self) {
        self.lock().slow = true;
    }

    /// Sets the server's clock, seconds since 1970.
    pub fn date(&self, seconds: i64) {
        self.lock().date_s = Some(seconds);
    }

    /// Takes the server off the network, or back.
    pub fn reachable(&self, reachable: bool) {
        self.gate.send_replace(reachable);
    }

    /// What came in so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// How often a list, or a watch, of a path was asked for.
    pub fn count(&self, path: &str, watch: bool) -> usize {
        let all = self.asked();
        all.iter()
            .filter(|asked| asked.path == path && asked.query.contains_key("watch") == watch)
            .count()
    }
}

/// Where the recorded objects lie, seen from the crate of the tests.
const FIXTURE: &str = "fixtures/kubernetes/cluster.json";

/// Passes connections on while the gate is open; closing it breaks them.
async fn keep_door(outer: TcpListener, target: SocketAddr, mut gate: watch::Receiver<bool>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            changed = gate.changed() => {
                if changed.is_err() {
                    return;
                }
                if !*gate.borrow() {
                    open.abort_all();
                }
            }
            Ok((mut from, _)) = outer.accept() => {
                if *gate.borrow() {
                    open.spawn(async move {
                        let mut to = TcpStream::connect(target).await?;
                        tokio::io::copy_bidirectional(&mut from, &mut to).await
                    });
                }
            }
        }
    }
}

fn query_of(request: &Request) -> HashMap<String, String> {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.replace("%3D", "=")))
        .collect()
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let (path, query) = (request.uri().path().to_owned(), query_of(&request));
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let asked = Asked {
        method: request.method().to_string(),
        path: path.clone(),
        query: query.clone(),
        accept: accept.unwrap_or_default().to_owned(),
    };
    let fault = {
        let mut records = server.lock();
        records.asked.push(asked);
        match records.resources.get_mut(&path) {
            Some(resource) => resource.faults.pop_front().unwrap_or_else(|| resource.standing.clone()),
            None => Some(Fault::Status(404, None)),
        }
    };
    let mut response = match fault {
        Some(Fault::Status(code, retry_after)) => refusal(code, retry_after),
        Some(Fault::Silent) => std::future::pending().await,
        None if query.contains_key("watch") => follow(&server, &path, &query),
        None => list(&server.lock(), &path, &query),
    };
    if let Some(seconds) = server.lock().date_s {
        let date = chrono::DateTime::from_timestamp(seconds, 0).expect("date");
        let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response
            .headers_mut()
            .insert(header::DATE, HeaderValue::from_str(&date).expect("header"));
    }
    response
}

fn refusal(code: u16, retry_after: Option<u64>) -> Response {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "ServiceUnavailable",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("refused as {reason}"), "reason": reason, "code": code,
    });
    let mut response = Response::new(Body::from(status.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).expect("status");
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn list(records: &Records, path: &str, query: &HashMap<String, String>) -> Response {
    let resource = &records.resources[path];
    let only = query
        .get("fieldSelector")
        .and_then(|selector| selector.strip_prefix("metadata.name="));
    let matching = resource
        .objects
        .values()
        .filter(|object| only.is_none_or(|name| object["metadata"]["name"] == *name));
    let matching: Vec<&Value> = matching.collect();
    let from: usize = query.get("continue").and_then(|token| token.parse().ok()).unwrap_or(0);
    let limit = query
        .get("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(usize::MAX);
    let page: Vec<&Value> = matching.iter().skip(from).take(limit).copied().collect();
    let next = from + page.len();
    let mut metadata = json!({"resourceVersion": records.version.to_string()});
    if next < matching.len() {
        metadata["continue"] = json!(next.to_string());
    }
    let body = json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": page});
    Response::new(Body::from(body.to_string()))
}

/// A watch: what happened after a version, then what happens.
fn follow(server: &Server, path: &str, query: &HashMap<String, String>) -> Response {
    let since: u64 = query
        .get("resourceVersion")
        .and_then(|version| version.parse().ok())
        .unwrap_or(0);
    let cuts = server.lock().resources[path].cuts;
    let following = Following {
        server: server.clone(),
        path: path.to_owned(),
        since,
        cuts,
        pending: VecDeque::new(),
        over: false,
    };
    Response::new(Body::from_stream(stream::unfold(following, Following::next)))
}

struct Following {
    server: Server,
    path: String,
    since: u64,
    cuts: u64,
    pending: VecDeque<Bytes>,
    over: bool,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Bytes, io::Error>, Following)> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                tokio::task::yield_now().await;
                return Some((Ok(bytes), self));
            }
            if self.over {
                return None;
            }
            let server = self.server.clone();
            let changed = server.changed.notified();
            match self.step() {
                Step::Wait => changed.await,
                Step::More => {}
                Step::Break => return Some((Err(io::Error::other("cut")), self)),
            }
        }
    }

    fn step(&mut self) -> Step {
        let server = self.server.clone();
        let records = server.lock();
        let resource = &records.resources[&self.path];
        if resource.cuts > self.cuts {
            self.over = true;
            if resource.cut == Some(Cut::Clean) {
                return Step::More;
            }
            if self.cuts < u64::MAX {
                // half an event, then nothing
                self.cuts = u64::MAX;
                self.over = false;
                self.pending
                    .push_back(Bytes::from_static(b"{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"P"));
                return Step::More;
            }
        }
        if self.cuts == u64::MAX {
            return Step::Break;
        }
        if self.since < resource.oldest {
            let gone = json!({"type": "ERROR", "object": {
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
                "message": format!("too old resource version: {}", self.since),
            }});
            self.push(&gone, false);
            self.over = true;
            return Step::More;
        }
        let news: Vec<_> = resource
            .log
            .iter()
            .filter(|(version, ..)| *version > self.since)
            .cloned()
            .collect();
        for (version, kind, object) in news {
            self.since = version;
            self.push(&json!({"type": kind, "object": object}), records.slow);
        }
        if self.pending.is_empty() {
            Step::Wait
        } else {
            Step::More
        }
    }

    fn push(&mut self, event: &Value, slow: bool) {
        let line = Bytes::from(format!("{event}\n"));
        let piece = if slow { 7 } else { line.len() };
        for start in (0..line.len()).step_by(piece) {
            self.pending.push_back(line.slice(start..line.len().min(start + piece)));
        }
    }
}

enum Step {
    Wait,
    More,
    Break,
}
