//! A private Prometheus on a free port of loopback; gone when dropped.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tonnage_tests::skip;

/// Longest time it may take until it answers.
const READY_S: u64 = 60;
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
        for _ in 0..START_ATTEMPTS {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let port = free.local_addr().expect("an address").port();
            drop(free);
            let log = std::fs::File::create(self.log()).expect("a log");
            let child = Command::new(&self.prometheus)
                .arg(format!("--config.file={}", file.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    self.folder.path().join("data").display()
                ))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .args(["--storage.tsdb.retention.time=10y", "--log.level=warn"])
                .args(flags)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("prometheus starts");
            let mut server = Prometheus { child, port };
            if server.wait() {
                return server;
            }
        }
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        panic!("prometheus does not start:\n{log}");
    }

    fn log(&self) -> PathBuf {
        Path::new(self.folder.path()).join("log")
    }
}

impl Prometheus {
    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Until it says it is ready; false when it ended or took too long.
    fn wait(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(READY_S) {
            if self.child.try_wait().expect("a child of ours").is_some() {
                return false;
            }
            if self.ready() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    fn ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else {
            return false;
        };
        let asked = stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n");
        let mut answer = String::new();
        asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
