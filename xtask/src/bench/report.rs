//! What a bench found, for the terminal and for docs/BENCHMARKS.md.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::steps::capture;

/// The middle one; of an even number, the lower middle.
pub fn median<T: Ord + Copy>(values: &[T]) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// `1.234` for the display of seconds.
pub fn seconds(wall: Duration) -> String {
    format!("{:.2}", wall.as_secs_f64())
}

/// Whole MiB, rounded up: a budget is not met by rounding.
pub fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}

/// Cores, processor, memory and compiler of this machine.
///
/// # Errors
/// When `/proc` or rustc cannot be read.
pub fn machine(root: &Path) -> Result<String> {
    let field = |file: &str, name: &str| -> Result<String> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        Ok(line
            .split_once(':')
            .map_or("unknown", |(_, value)| value)
            .trim()
            .to_owned())
    };
    let memory_kib: u64 = field("/proc/meminfo", "MemTotal")?
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    let rustc = capture(Command::new("rustc").current_dir(root).arg("--version"))?;
    Ok(format!(
        "{} cores, {}, {} GiB RAM, {}",
        std::thread::available_parallelism()?,
        field("/proc/cpuinfo", "model name")?,
        (memory_kib + 512 * 1024) / (1024 * 1024),
        rustc.trim()
    ))
}

/// Puts a section between its markers in docs/BENCHMARKS.md, at the end when it is new.
///
/// # Errors
/// When the file cannot be read or written.
pub fn update_document(path: &Path, marker: &str, section: &str) -> Result<()> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "# Benchmarks\n\nEach section is written by the command it names.\n".to_owned()
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    std::fs::write(path, with_section(&text, marker, section))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn with_section(text: &str, marker: &str, section: &str) -> String {
    let (open, close) = (format!("<!-- bench:{marker} -->"), format!("<!-- /bench:{marker} -->"));
    let block = format!("{open}\n{}\n{close}", section.trim());
    let range = text
        .find(&open)
        .and_then(|start| Some((start, start + text[start..].find(&close)? + close.len())));
    match range {
        Some((start, end)) => format!("{}{block}{}", &text[..start], &text[end..]),
        None => format!("{}\n\n{block}\n", text.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(&[3, 1, 2]), Some(2));
        assert_eq!(median(&[4, 1]), Some(1));
        assert_eq!(median::<u64>(&[]), None);
    }

    #[test]
    fn memory_is_rounded_up() {
        assert_eq!(mib(400 * 1024 * 1024), 400);
        assert_eq!(mib(400 * 1024 * 1024 + 1), 401);
    }

    #[test]
    fn only_its_own_section_changes() {
        let first = with_section("# B\n\ntext\n", "ingest", "one\n");
        assert_eq!(
            first,
            "# B\n\ntext\n\n<!-- bench:ingest -->\none\n<!-- /bench:ingest -->\n"
        );
        let both = with_section(&first, "other", "x");
        let second = with_section(&both, "ingest", "two");
        assert_eq!(second, both.replace("one", "two"));
    }
}
