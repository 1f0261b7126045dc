//! The demo company of three months behind a running server, made once and
//! shared by all tests that run at the same time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;
use tonnage_tests::program::{Server, run};
use tonnage_tests::skip;

/// The programs and files the suite needs.
#[derive(Clone)]
pub struct Tools {
    pub chromium: PathBuf,
    pub chromedriver: PathBuf,
    pub axe: PathBuf,
    pub site: PathBuf,
}

/// A server with the demo company.
pub struct Stage {
    pub server: Server,
    pub tools: Tools,
    dir: TempDir,
}

static RUNNING: Mutex<Weak<Stage>> = Mutex::new(Weak::new());

/// The shared stage; `None`, said aloud, when the browser or the site is not there.
pub fn stage() -> Option<Arc<Stage>> {
    let tools = tools()?;
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stage) = running.upgrade() {
        return Some(stage);
    }
    let stage = Arc::new(Stage::make(tools));
    *running = Arc::downgrade(&stage);
    Some(stage)
}

fn tools() -> Option<Tools> {
    let named = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        if path.is_none() {
            skip(&format!(
                "the browser suite: {name} is not set; `cargo xtask test --only browser` sets it"
            ));
        }
        path
    };
    Some(Tools {
        chromium: named("TEST_CHROMIUM")?,
        chromedriver: named("TEST_CHROMEDRIVER")?,
        axe: named("TEST_AXE_JS")?,
        site: named("TEST_SITE_DIR")?,
    })
}

impl Stage {
    fn make(tools: Tools) -> Stage {
        assert!(
            tools.site.join("manifest.json").is_file(),
            "{} holds no built site",
            tools.site.display()
        );
        let dir = TempDir::new().expect("a temporary folder");
        let data = dir.path().join("data");
        let _ = run(&data, &["demo", "--no-serve", "--months", "3"]).exits(0);
        let site = tools.site.display().to_string();
        let server = Server::start(&data, &["--site-dir", &site]);
        Stage { server, tools, dir }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    /// The answer of `tonnage report costs --json` on the same data.
    pub fn report(&self, period: &str, by: &str, currency: &str) -> serde_json::Value {
        let args = [
            "report",
            "costs",
            "--period",
            period,
            "--by",
            by,
            "--currency",
            currency,
            "--json",
        ];
        run(&self.dir.path().join("data"), &args).exits(0).json()
    }
}
