//! A private Prometheus on a free port of loopback; gone when dropped.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tonnage_tests::skip;

/// What it says once it answers.
const READY: &str = "Server is ready to receive web requests";
/// How often another port is tried when somebody took the free one first.
const START_ATTEMPTS: u32 = 3;

/// Blocks on disk that a server can be started on, again and again.
pub struct Blocks {
    folder: TempDir,
    prometheus: PathBuf,
}

/// A running server.
pub struct Prometheus {
    child: Child,
    port: u16,
}

impl Blocks {
    /// Makes blocks from OpenMetrics text; `None`, said aloud, without a Prometheus.
    pub fn make(test: &str, metrics: &str) -> Option<Blocks> {
        let Some(prometheus) = std::env::var_os("TEST_PROMETHEUS").map(PathBuf::from) else {
            skip(&format!(
                "{test}: TEST_PROMETHEUS is not set; `cargo xtask test --only prometheus` sets it"
            ));
            return None;
        };
        let folder = TempDir::new().expect("a temporary folder");
        let input = folder.path().join("metrics.txt");
        std::fs::write(&input, metrics).expect("the metrics are written");
        let made = Command::new(prometheus.with_file_name("promtool"))
            .args(["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=744h"])
            .arg(&input)
            .arg(folder.path().join("data"))
            .output()
            .expect("promtool starts");
        assert!(
            made.status.success(),
            "promtool: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        Some(Blocks { folder, prometheus })
    }

    /// Starts a server on them, with lines of configuration and flags.
    pub fn start(&self, config: &str, flags: &[&str]) -> Prometheus {
        let file = self.folder.path().join("prometheus.yml");
        std::fs::write(&file, format!("global: {{}}\n{config}")).expect("the configuration is written");
        let mut said = Vec::new();
        for _ in 0..START_ATTEMPTS {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let port = free.local_addr().expect("an address").port();
            drop(free);
            let mut child = Command::new(&self.prometheus)
                .arg(format!("--config.file={}", file.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    self.folder.path().join("data").display()
                ))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .arg("--storage.tsdb.retention.time=10y")
                .args(flags)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("prometheus starts");
            let mut lines = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
            let server = Prometheus { child, port };
            said.clear();
            while let Some(Ok(line)) = lines.next() {
                if line.contains(READY) {
                    // keeps the pipe empty, so that the server never waits for a reader of its log
                    std::thread::spawn(move || lines.for_each(drop));
                    return server;
                }
                said.push(line);
            }
        }
        panic!("prometheus does not start:\n{}", said.join("\n"));
    }
}

impl Prometheus {
    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
