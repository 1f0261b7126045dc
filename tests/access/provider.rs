//! The provider as a process of its own; stopped when dropped.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// What the process is given.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Port; 0 for any.
    pub port: u16,
    /// Whether the groups stand in the id token.
    pub in_token: bool,
    /// Client ids with their callbacks.
    pub clients: Vec<(&'static str, String)>,
}

pub struct Provider {
    child: Child,
    accounts: tempfile::TempDir,
    wanted: Wanted,
    pub issuer: String,
}

/// Where the provider is installed; `None`, said aloud, where there is no node.
pub fn installed() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(install).as_deref()
}

fn install() -> Option<PathBuf> {
    for program in ["node", "npm"] {
        let answers = Command::new(program).arg("--version").output();
        if !answers.is_ok_and(|answer| answer.status.success()) {
            tonnage_tests::skip(&format!(
                "sign-in by OpenID Connect: {program} is not installed (Debian: apt-get install nodejs npm)"
            ));
            return None;
        }
    }
    let suite = std::env::current_exe().expect("a running test has a path");
    let target = suite
        .ancestors()
        .nth(3)
        .expect("test binaries lie in target/<profile>/deps");
    let folder = target.join("oidc-provider");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let source = tonnage_tests::repository().join("tests/access/provider");
    let lock = |folder: &Path| std::fs::read(folder.join("package-lock.json")).ok();
    // npm writes this file when all is there
    let done = folder.join("node_modules/.package-lock.json").is_file() && lock(&folder) == lock(&source);
    for name in ["package.json", "package-lock.json", "provider.mjs"] {
        std::fs::copy(source.join(name), folder.join(name)).expect("the provider's files are there");
    }
    if !done {
        let npm = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder)
            .output()
            .expect("npm starts");
        let said = String::from_utf8_lossy(&npm.stderr).into_owned();
        assert!(npm.status.success(), "npm cannot fetch oidc-provider:\n{said}");
    }
    Some(folder)
}

impl Provider {
    /// Starts it and waits for the issuer it prints.
    pub fn start(folder: &Path, wanted: Wanted) -> Provider {
        let accounts = tempfile::tempdir().expect("a folder");
        write_accounts(accounts.path(), &json!({}));
        let (child, issuer) = spawn(folder, &wanted, accounts.path());
        Provider {
            child,
            accounts,
            wanted,
            issuer,
        }
    }

    /// Stops it and starts it again on the same port, with other keys.
    pub fn rotate_keys(&mut self, folder: &Path) {
        self.stop();
        let port = self.issuer.rsplit(':').next().and_then(|port| port.parse().ok());
        self.wanted.port = port.expect("the issuer has a port");
        let (child, issuer) = spawn(folder, &self.wanted, self.accounts.path());
        assert_eq!(issuer, self.issuer);
        self.child = child;
    }

    /// Says who there is.
    pub fn accounts(&self, all: &Value) {
        write_accounts(self.accounts.path(), all);
    }

    /// Stops it.
    pub fn stop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop();
    }
}

fn write_accounts(folder: &Path, all: &Value) {
    std::fs::write(folder.join("accounts.json"), all.to_string()).expect("written");
}

fn spawn(folder: &Path, wanted: &Wanted, accounts: &Path) -> (Child, String) {
    let callbacks: Value = wanted
        .clients
        .iter()
        .map(|(id, callback)| ((*id).to_owned(), json!(callback)))
        .collect();
    let mut child = Command::new("node")
        .arg("provider.mjs")
        .current_dir(folder)
        .env("PORT", wanted.port.to_string())
        .env("ACCOUNTS", accounts.join("accounts.json"))
        .env("CALLBACKS", callbacks.to_string())
        .env("IN_TOKEN", if wanted.in_token { "yes" } else { "no" })
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("node starts");
    let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
    let issuer = loop {
        let line = lines
            .next()
            .and_then(Result::ok)
            .expect("the provider ended before it listened");
        if let Some(issuer) = line.strip_prefix("issuer ") {
            break issuer.to_owned();
        }
    };
    // keeps the pipe empty
    std::thread::spawn(move || lines.for_each(drop));
    (child, issuer)
}
