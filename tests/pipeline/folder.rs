//! A data folder, used through the use cases and through the binary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use store::Store;
use tempfile::TempDir;
use tonnage::Config;
use tonnage::app::App;
use tonnage::config::Flags;
use tonnage_tests::program::{Ended, command, run};
use tonnage_tests::{NOW, listing};

/// A temporary folder with a data folder in it.
pub struct Folder {
    dir: TempDir,
}

/// What a refused call must leave as it was.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    lake: BTreeMap<PathBuf, u64>,
    manifest: i64,
    deliveries: String,
}

impl Folder {
    pub fn new() -> Folder {
        Folder {
            dir: TempDir::new().expect("a temporary folder"),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Writes a file beside the data folder and returns its path as an argument.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).expect("a writable folder");
        path.to_str().expect("a UTF-8 path").to_owned()
    }

    /// Runs the binary on the data folder.
    pub fn run(&self, args: &[&str]) -> Ended {
        run(&self.data(), args)
    }

    pub async fn app(&self) -> App {
        let flags = Flags {
            data_dir: Some(self.data()),
            ..Flags::default()
        };
        let env = |name: &str| (name == "TONNAGE_NOW").then(|| NOW.to_owned());
        App::open(&Config::load(flags, &env).expect("a valid configuration"))
            .await
            .expect("a data folder")
    }

    pub async fn store(&self) -> Store {
        let url = format!("sqlite://{}", self.data().join("tonnage.db").display());
        Store::open(&url, domain::access::Scope::shell("test"))
            .await
            .expect("a database")
    }

    /// As [`Folder::held`], on a folder that nothing was taken into yet.
    pub async fn held_after_opening(&self) -> Held {
        drop(self.app().await);
        self.held().await
    }

    /// What is in the lake and in the manifest.
    pub async fn held(&self) -> Held {
        let store = self.store().await;
        let held = Held {
            lake: listing(&self.data().join("lake")),
            manifest: store.manifest_version().await.expect("a manifest"),
            deliveries: format!("{:?}", store.deliveries(None).await.expect("deliveries")),
        };
        store.close().await;
        held
    }
}

/// Runs the binary, watching the peak of its anonymous memory in bytes, where
/// the operating system tells it.
pub fn run_measured(data_dir: &Path, args: &[&str]) -> (Ended, Option<u64>) {
    let mut child = command(data_dir, args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    while child.try_wait().expect("it can be asked").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kilobytes = text.lines().find_map(|line| {
            line.strip_prefix("RssAnon:")?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        });
        peak = peak.max(kilobytes.map(|kilobytes| kilobytes << 10));
        pause();
    }
    (Ended::of(&child.wait_with_output().expect("it ended"), args), peak)
}

/// Between two samples; nothing is waited for.
#[expect(
    clippy::disallowed_methods,
    reason = "the time between samples of memory, not a wait for a condition"
)]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(10));
}
