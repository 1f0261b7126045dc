//! One browser with a profile of its own: what tests ask of it.

use crate::stage::Stage;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::error::CmdError;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything on a page may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// How often a driver may lose the race for its port.
const DRIVER_TRIES: u32 = 10;

/// What the browser may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// It may do everything.
    Nothing,
    /// No WebAssembly: the islands stay asleep.
    Wasm,
    /// No scripts at all.
    Scripts,
}

/// A running chromedriver; stopped when dropped.
struct Driver {
    child: Child,
    address: String,
}

impl Driver {
    /// Starts a driver on a port of its own choice. It takes a free IPv4 port and then
    /// asks for the same one on IPv6, which another driver may have got meanwhile:
    /// then it ends, and the next one chooses again.
    fn start(program: &Path) -> Driver {
        let mut said = String::new();
        for _ in 0..DRIVER_TRIES {
            match Driver::try_start(program) {
                Ok(driver) => return driver,
                Err(words) => said = words,
            }
        }
        panic!(
            "{} ended {DRIVER_TRIES} times before it said its port; at last: {said}",
            program.display()
        );
    }

    /// One driver, or what it said before it ended.
    fn try_start(program: &Path) -> Result<Driver, String> {
        let mut child = Command::new(program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chromedriver starts");
        let mut errors = child.stderr.take().expect("standard error is piped");
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            // what is no text is of no use here
            let _ = errors.read_to_string(&mut text);
            text
        });
        let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let mut said = String::new();
        for line in lines.by_ref() {
            let line = line.expect("chromedriver writes text");
            let port: Option<u16> = line
                .split("on port ")
                .nth(1)
                .and_then(|rest| rest.trim_end_matches('.').parse().ok());
            if let (Some(port), true) = (port, line.contains("started successfully")) {
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Driver {
                    child,
                    address: format!("127.0.0.1:{port}"),
                });
            }
            said.push_str(&line);
            said.push('\n');
        }
        let status = child.wait().expect("an ended program can be waited for");
        said.push_str(&errors.join().unwrap_or_default());
        Err(format!("{status}\n{said}"))
    }

    /// A command fantoccini has no name for.
    fn post(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).expect("chromedriver listens");
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .expect("chromedriver reads");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline above zero");
        let mut answer = BufReader::new(stream);
        let mut head = String::new();
        // chromedriver keeps the connection open: the length says where the answer ends
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(
                answer.read_line(&mut head).expect("chromedriver answers"),
                0,
                "{path}: {head}"
            );
        }
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        });
        let mut body = vec![0; length.expect("an answer says its length")];
        answer.read_exact(&mut body).expect("a whole answer");
        let body = String::from_utf8_lossy(&body);
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}\n{body}");
        serde_json::from_str::<Value>(&body).expect("JSON")["value"].clone()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser window on the stage.
pub struct Page {
    pub client: Client,
    pub stage: Arc<Stage>,
    pub without: Without,
    driver: Driver,
    session: String,
    folder: TempDir,
    /// Messages a test provokes on purpose.
    expected: Mutex<Vec<&'static str>>,
}

/// Opens a browser, does something with it, and closes it whatever happened.
/// At the end the console must be clean.
pub async fn browse<F>(stage: Arc<Stage>, without: Without, work: impl FnOnce(Arc<Page>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let page = Arc::new(Page::open(stage, without).await);
    let done = tokio::spawn(work(page.clone())).await;
    if done.is_ok() {
        page.console_is_clean();
    }
    // the browser itself ends with its session
    let closed = page.client.clone().close().await;
    match done {
        Ok(()) => closed.expect("the session closes"),
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

impl Page {
    async fn open(stage: Arc<Stage>, without: Without) -> Page {
        let folder = TempDir::new().expect("a temporary folder");
        let driver = Driver::start(&stage.tools.chromedriver);
        let mut args: Vec<String> = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
        ]
        .map(str::to_owned)
        .to_vec();
        args.push(format!("--user-data-dir={}", folder.path().join("profile").display()));
        let mut prefs = json!({
            "download.default_directory": folder.path().join("downloads"),
            "download.prompt_for_download": false,
        });
        if without == Without::Scripts {
            prefs["profile.managed_default_content_settings.javascript"] = json!(2);
        }
        let capabilities = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": stage.tools.chromium, "args": args, "prefs": prefs},
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!("an object is written above")
        };
        let capabilities: Capabilities = capabilities;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://{}", driver.address))
            .await
            .expect("a browser session");
        let session = client
            .session_id()
            .await
            .expect("a session")
            .expect("a session has an id");
        let page = Page {
            client,
            stage,
            without,
            driver,
            session,
            folder,
            expected: Mutex::default(),
        };
        if without == Without::Wasm {
            let source = json!({"source": "delete globalThis.WebAssembly"});
            page.cdp("Page.addScriptToEvaluateOnNewDocument", &source);
        }
        page.be(&page.stage.server.session());
        page
    }

    /// From now on the browser has this session; an empty one is none.
    pub fn be(&self, session: &str) {
        let url = self.stage.url("/");
        if session.is_empty() {
            self.cdp("Network.clearBrowserCookies", &json!({}));
            return;
        }
        let cookie = json!({
            "name": "tonnage_session", "value": session, "url": url, "httpOnly": true, "sameSite": "Lax",
        });
        self.cdp("Network.setCookie", &cookie);
    }

    pub fn url(&self, path: &str) -> String {
        self.stage.url(path)
    }

    /// Goes to a page and waits for its islands, where there are any.
    pub async fn goto(&self, path: &str) {
        self.client.goto(&self.url(path)).await.expect("the page loads");
        self.ready().await;
    }

    /// Waits until the page is whole, and its islands are awake or known to stay asleep.
    pub async fn ready(&self) {
        let script = if self.without == Without::Nothing {
            "return document.readyState === 'complete' && document.querySelector('#keys-switch')?.hidden === false"
        } else {
            "return document.readyState === 'complete'"
        };
        self.until("the page is ready", script).await;
    }

    pub async fn js(&self, script: &str) -> Value {
        match self.client.execute(script, Vec::new()).await {
            Ok(value) => value,
            Err(error) => panic!("{error}\nin {script}"),
        }
    }

    /// Waits until a script answers true.
    pub async fn until(&self, what: &str, script: &str) {
        let started = Instant::now();
        loop {
            // while a page is being left there is nothing to ask
            let answer = self.client.execute(script, Vec::new()).await;
            if matches!(answer, Ok(Value::Bool(true))) {
                return;
            }
            if started.elapsed() > DEADLINE {
                let at = self
                    .client
                    .current_url()
                    .await
                    .map(|url| url.to_string())
                    .unwrap_or_default();
                panic!("{what}: not within {DEADLINE:?} at {at}; last answer {answer:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for an address with all these words in its query.
    pub async fn until_address(&self, path: &str, words: &[&str]) {
        let words = json!(words);
        let script = format!(
            "const words = {words}; const query = decodeURIComponent(location.search).slice(1).split('&');
             return location.pathname === {path:?} && words.every(word => query.includes(word))"
        );
        self.until(&format!("{path} with {words}"), &script).await;
        self.ready().await;
    }

    pub async fn click(&self, css: &str) {
        let element = self
            .client
            .find(Locator::Css(css))
            .await
            .unwrap_or_else(|error| panic!("{css}: {error}"));
        element.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Presses and releases keys, one after the other.
    pub async fn press(&self, keys: &[char]) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for value in keys.iter().copied() {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        let pressed: Result<(), CmdError> = self.client.perform_actions(actions).await;
        pressed.expect("keys can be pressed");
    }

    /// Presses Tab until a script on `at`, the focused element, answers true.
    pub async fn tab_to(&self, what: &str, script: &str) {
        let asks = format!("const at = document.activeElement; return Boolean({script})");
        let mut passed = Vec::new();
        for _ in 0..400 {
            self.press(&['\u{e004}']).await;
            if self.js(&asks).await == Value::Bool(true) {
                return;
            }
            passed.push(self.js("const at = document.activeElement; return at.tagName + (at.id || at.name || at.textContent.slice(0, 12))").await);
        }
        panic!("no Tab leads to {what}; passed {passed:?}");
    }

    /// A command of the browser's own protocol.
    pub fn cdp(&self, command: &str, params: &Value) -> Value {
        let path = format!("/session/{}/goog/cdp/execute", self.session);
        self.driver.post(&path, &json!({"cmd": command, "params": params}))
    }

    /// A message with these words is meant to be in the console.
    pub fn expect_in_console(&self, words: &'static str) {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).push(words);
    }

    /// Nothing worse than a remark was written to the console since the last call.
    pub fn console_is_clean(&self) {
        let path = format!("/session/{}/se/log", self.session);
        let log = self.driver.post(&path, &json!({"type": "browser"}));
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.without == Without::Wasm {
            // the page says so, and works
            expected.push("islands are off");
        }
        let bad: Vec<&Value> = log
            .as_array()
            .expect("a list of entries")
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .filter(|entry| {
                !expected
                    .iter()
                    .any(|words| entry["message"].as_str().is_some_and(|text| text.contains(words)))
            })
            .collect();
        assert!(bad.is_empty(), "the console says {bad:#?}");
    }

    /// Waits for the one file that was downloaded, and moves it out of the way.
    pub async fn downloaded(&self) -> String {
        let folder = self.folder.path().join("downloads");
        let started = Instant::now();
        loop {
            let files: Vec<PathBuf> = std::fs::read_dir(&folder)
                .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
                .unwrap_or_default();
            if let [file] = files.as_slice()
                && file.extension().is_some_and(|ending| ending == "csv")
            {
                let text = std::fs::read_to_string(file).expect("a CSV in UTF-8");
                std::fs::remove_file(file).expect("a file of this test");
                return text;
            }
            assert!(started.elapsed() < DEADLINE, "nothing was downloaded: {files:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
