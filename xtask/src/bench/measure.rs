//! Wall time and the peak of anonymous memory of one child process.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::steps::shown;

/// Between two looks at the memory.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(20);

/// What one run took.
pub struct Measured {
    /// From start to end.
    pub wall: Duration,
    /// The largest RssAnon seen, in bytes. Mapped input is not counted: the kernel
    /// may drop those pages at any time.
    pub peak_anonymous_bytes: u64,
    /// Its standard output.
    pub stdout: String,
}

/// Runs a program to its end, looking at its memory all the while.
///
/// # Errors
/// When it cannot be started or fails, or where there is no `/proc`.
pub fn run(command: &mut Command) -> Result<Measured> {
    let started = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let (ended, watch) = mpsc::channel::<()>();
    let sampler = thread::spawn(move || {
        let mut peak = 0;
        loop {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            peak = peak.max(anonymous_bytes(&text).unwrap_or(0));
            if watch.recv_timeout(SAMPLE_INTERVAL) != Err(RecvTimeoutError::Timeout) {
                return peak;
            }
        }
    });
    let output = child.wait_with_output();
    let wall = started.elapsed();
    drop(ended);
    let peak_anonymous_bytes = sampler.join().map_err(|_| anyhow!("the sampler panicked"))?;
    let output = output?;
    if !output.status.success() {
        bail!(
            "`{}` ended with {}: {}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    if peak_anonymous_bytes == 0 {
        bail!("no RssAnon could be read from /proc: this measure needs Linux");
    }
    Ok(Measured {
        wall,
        peak_anonymous_bytes,
        stdout: String::from_utf8(output.stdout).context("the output is not UTF-8")?,
    })
}

/// RssAnon of a `/proc/PID/status`, in bytes; none once the process has ended.
fn anonymous_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status() {
        let status = "Name:\tx\nVmRSS:\t  900 kB\nRssAnon:\t     640 kB\nRssFile:\t 260 kB\n";
        assert_eq!(anonymous_bytes(status), Some(640 * 1024));
        assert_eq!(anonymous_bytes("Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn a_run_is_timed_and_its_memory_seen() {
        // eight MB in a shell variable
        let script = "x=$(head -c 8000000 /dev/zero | tr '\\0' a); cat /dev/null; echo ${#x}";
        let measured = run(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!(measured.stdout, "8000000\n");
        assert!(measured.peak_anonymous_bytes > 0 && measured.wall > Duration::ZERO);
        let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 1"]))
            .err()
            .unwrap();
        assert!(error.to_string().contains("why"));
    }
}
