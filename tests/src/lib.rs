//! Shared helpers of the suites: the real binary, small bills, and what a data
//! folder holds.

pub mod bill;
pub mod generator;
pub mod program;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The day all suites live in: the clock of every program they start.
pub const NOW: &str = "2026-11-22T12:00:00Z";

/// Whether the full counts of kills, months and bytes are asked for.
#[must_use]
pub fn long() -> bool {
    std::env::var("TONNAGE_LONG").is_ok_and(|value| value == "1")
}

/// Says aloud that a part is not tested.
///
/// # Panics
/// With `CI=true`, where nothing may be skipped.
pub fn skip(reason: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "with CI=true nothing may be skipped: {reason}"
    );
    aloud(&format!("SKIPPED {reason}"));
}

/// Writes a line past the test harness, which swallows what `println!` and `eprintln!` write.
pub fn aloud(line: &str) {
    let mut stderr = std::io::stderr();
    // a closed standard error has no reader to miss the line
    let _ = stderr.write_all(format!("{line}\n").as_bytes());
}

/// The folder of the workspace.
#[must_use]
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Every file under a folder, by relative path, with a hash of its bytes.
/// A folder that is not there holds nothing.
#[must_use]
pub fn listing(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&at) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                let mut hasher = DefaultHasher::new();
                bytes.hash(&mut hasher);
                let name = path.strip_prefix(folder).unwrap_or(&path).to_owned();
                files.insert(name, hasher.finish());
            }
        }
    }
    files
}
