//! From what the user typed to a list of files: a file, a folder, a glob.

use crate::SourceError;
use crate::manifest::ENDING;
use domain::Finding;
use std::path::{Path, PathBuf};

/// A file and the name the user knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// As typed, or below what was typed.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// What is looked for.
struct Kind {
    /// Taken from folders and globs; a file named outright may have any.
    endings: &'static [&'static str],
    files: &'static str,
    remedy: &'static str,
}

const BILLS: Kind = Kind {
    endings: &[
        ".csv", ".csv.gz", ".gz", ".zip", ".parquet", ".json", ".jsonl", ".ndjson",
    ],
    files: "bill files",
    remedy: "bill files end in .csv, .csv.gz, .zip, .parquet or .json",
};
const DRIVERS: Kind = Kind {
    endings: &[".csv", ".json", ".jsonl", ".ndjson", ".gz", ".parquet"],
    files: "files of drivers",
    remedy: "they end in .csv, .json, .jsonl, .ndjson, each also with .gz, or in .parquet",
};
const MANIFESTS: Kind = Kind {
    endings: &[ENDING],
    files: "manifests",
    remedy: "",
};

/// Resolves one argument. Folders are searched to any depth; hidden files,
/// manifests and other endings are passed over. The result is in name order.
///
/// # Errors
/// When nothing is there, naming what was looked for.
pub fn locate(argument: &str) -> Result<Vec<Located>, SourceError> {
    find(argument, &BILLS)
}

/// Whether a file of this name would be taken from a folder as a bill.
#[must_use]
pub fn is_bill(name: &str) -> bool {
    let name = name.to_lowercase();
    let hidden = name.rsplit('/').next().is_some_and(|file| file.starts_with(['.', '_']));
    !hidden && !name.ends_with(ENDING) && BILLS.endings.iter().any(|ending| name.ends_with(ending))
}

/// The bill files of a folder, without a look at manifests; there may be none.
pub(crate) fn bills_in(folder: &Path) -> Result<Vec<Located>, SourceError> {
    walk(folder, &BILLS, &|_| true)
}

/// The manifests of a folder; there may be none.
pub(crate) fn manifests(folder: &Path) -> Result<Vec<Located>, SourceError> {
    walk(folder, &MANIFESTS, &|_| true)
}

/// As [`locate`], for files of drivers, which may be JSON as well.
///
/// # Errors
/// When nothing is there, naming what was looked for.
pub fn locate_drivers(argument: &str) -> Result<Vec<Located>, SourceError> {
    find(argument, &DRIVERS)
}

fn find(argument: &str, kind: &Kind) -> Result<Vec<Located>, SourceError> {
    let path = Path::new(argument);
    let found = if path.is_file() {
        vec![Located {
            name: argument.to_owned(),
            path: path.to_owned(),
        }]
    } else if path.is_dir() {
        walk(path, kind, &|_| true)?
    } else if path.exists() {
        let finding = Finding::error("not_a_file", "is not a regular file, but a device, a pipe or a socket");
        return Err(SourceError::refused(
            finding
                .in_file(argument)
                .remedy("give a regular file, or pipe what it holds into - (standard input)"),
        ));
    } else if argument.contains(['*', '?', '[', '{']) {
        let glob = globset::GlobBuilder::new(argument)
            .literal_separator(true)
            .build()
            .map_err(|error| {
                let finding = Finding::error("bad_glob", format!("{argument:?} is not a pattern: {error}"));
                SourceError::refused(finding.remedy("give a file, a folder, or a pattern such as 'bills/*.csv.gz'"))
            })?;
        let matcher = glob.compile_matcher();
        walk(root_of(argument), kind, &|file| matcher.is_match(file))?
    } else {
        let finding = Finding::error("no_such_file", format!("{argument} does not exist"));
        return Err(SourceError::refused(
            finding.remedy("give a file, a folder, a pattern in quotes, or - for standard input"),
        ));
    };
    if found.is_empty() {
        let finding = Finding::error("no_files", format!("{argument} holds no {}", kind.files));
        return Err(SourceError::refused(finding.remedy(kind.remedy)));
    }
    Ok(found)
}

/// The folder before the first wildcard.
fn root_of(pattern: &str) -> &Path {
    let fixed = pattern.split(['*', '?', '[', '{']).next().unwrap_or("");
    let folder = fixed.rsplit_once('/').map_or("", |(folder, _)| folder);
    match (folder, fixed.starts_with('/')) {
        ("", true) => Path::new("/"),
        ("", false) => Path::new("."),
        (folder, _) => Path::new(folder),
    }
}

fn walk(root: &Path, kind: &Kind, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<Located>, SourceError> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|source| SourceError::Io {
            path: folder.clone(),
            source,
        })?;
        for entry in entries {
            let entry = entry.map_err(|source| SourceError::Io {
                path: folder.clone(),
                source,
            })?;
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().to_lowercase();
            if name.starts_with('.') || name.starts_with('_') {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file()
                && kind.endings.iter().any(|ending| name.ends_with(ending))
                && (kind.endings == MANIFESTS.endings || !name.ends_with(ENDING))
            {
                let shown = path.strip_prefix("./").unwrap_or(&path).to_owned();
                if wanted(&shown) || wanted(&path) {
                    found.push(Located {
                        name: shown.to_string_lossy().into_owned(),
                        path,
                    });
                }
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_folders_globs() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(dir.path().join("a/b")).expect("folders");
        for name in [
            "a/2.csv",
            "a/b/1.csv.gz",
            "a/_hidden.csv",
            "a/notes.txt",
            "a/Manifest.json",
            "x.parquet",
        ] {
            std::fs::write(dir.path().join(name), b"x").expect("a file");
        }
        let root = dir.path().to_string_lossy().into_owned();
        let names = |argument: String| -> Vec<String> {
            let found = locate(&argument).expect("found");
            found
                .into_iter()
                .map(|f| f.name.trim_start_matches(&format!("{root}/")).to_owned())
                .collect()
        };
        assert_eq!(names(root.clone()), ["a/2.csv", "a/b/1.csv.gz", "x.parquet"]);
        assert_eq!(names(format!("{root}/a/*.csv")), ["a/2.csv"]);
        assert_eq!(names(format!("{root}/**/*.csv*")), ["a/2.csv", "a/b/1.csv.gz"]);
        assert_eq!(names(format!("{root}/a/notes.txt")), ["a/notes.txt"]);
        for missing in [
            format!("{root}/none.csv"),
            format!("{root}/*.zip"),
            format!("{root}/a/["),
            "/dev/zero".to_owned(),
        ] {
            assert!(locate(&missing).is_err(), "{missing}");
        }
    }
}
