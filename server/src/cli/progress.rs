//! Progress: a bar on a terminal, JSON lines elsewhere, both on stderr.

use crate::app::drivers::OnDriverProgress;
use crate::app::ingest::OnProgress;
use crate::app::usage::OnUsageProgress;
use indicatif::{ProgressBar, ProgressStyle};
use lake::usage::UsageProgress;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// JSON lines come at most this often.
const EVERY: Duration = Duration::from_millis(500);

/// Reports the progress of a usage ingest to whoever watches stderr.
pub(super) fn usage() -> OnUsageProgress {
    if std::io::stderr().is_terminal() {
        let bar = ProgressBar::new_spinner();
        return Arc::new(move |progress| {
            bar.set_message(format!("{} rows", progress.rows));
            bar.tick();
        });
    }
    let last = Mutex::new(None::<Instant>);
    Arc::new(move |progress| {
        let Ok(mut last) = last.lock() else { return };
        if last.is_none_or(|at| at.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            eprintln!("{{\"event\":\"progress\",\"rows\":{}}}", progress.rows);
        }
    })
}

/// Reports the rows of a drivers ingest.
pub(super) fn drivers() -> OnDriverProgress {
    let show = usage();
    Arc::new(move |rows| show(UsageProgress { rows }))
}

/// Reports ingest progress to whoever watches stderr.
pub(super) fn ingest() -> OnProgress {
    if std::io::stderr().is_terminal() {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {msg} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        return Arc::new(move |progress| {
            bar.set_length(progress.bytes_total);
            bar.set_position(progress.bytes_read);
            bar.set_message(format!("{} rows", progress.rows));
            if progress.bytes_read >= progress.bytes_total {
                bar.finish_and_clear();
            }
        });
    }
    let last = Mutex::new(None::<Instant>);
    Arc::new(move |progress| {
        let Ok(mut last) = last.lock() else { return };
        let done = progress.bytes_read >= progress.bytes_total;
        if done || last.is_none_or(|at| at.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            eprintln!(
                "{{\"event\":\"progress\",\"part\":{},\"bytes_read\":{},\"bytes_total\":{},\"rows\":{}}}",
                progress.part, progress.bytes_read, progress.bytes_total, progress.rows
            );
        }
    })
}
