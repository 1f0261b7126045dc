//! Which files of a folder are the bill: those of the newest manifest of each
//! export and month, all of them or nothing.

use super::{ENDING, Manifest, PartRef, read};
use crate::SourceError;
use crate::locate::{self, Located};
use domain::{BillingPeriod, Finding};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folders above a manifest in which its files are looked for.
const LEVELS: usize = 12;
/// Files named in a finding; more are counted.
const NAMED: usize = 3;

/// The bill files of an argument.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bills {
    /// The files, in name order.
    pub files: Vec<Located>,
    /// What was passed over, and why.
    pub findings: Vec<Finding>,
    /// The months the manifests are for; `None` without manifest, or when one does not say.
    pub periods: Option<BTreeSet<BillingPeriod>>,
    /// Data rows of all files, when the manifests have them.
    pub rows: Option<u64>,
    /// Whether every manifest says that its month will not change any more.
    pub is_final: bool,
}

/// Resolves one argument as [`crate::locate`] does. In a folder with manifests
/// the newest manifest of each export and month decides what counts; a manifest
/// that is named outright stands for its files.
///
/// # Errors
/// When nothing is there, a manifest is broken or names files that are not
/// there or are of another length, or the newest of several cannot be told.
pub fn locate_bills(argument: &str) -> Result<Bills, SourceError> {
    let path = Path::new(argument);
    if path.is_file() && is_manifest(argument) {
        let file = Located {
            name: argument.to_owned(),
            path: path.to_owned(),
        };
        let Some(manifest) = read::read(&file)? else {
            let finding =
                Finding::error("unknown_manifest", "is no manifest of a kind that is known").in_file(argument);
            return Err(SourceError::refused(
                finding.remedy("name the bill files; manifests of AWS and Azure exports are known"),
            ));
        };
        return bills(&[manifest]);
    }
    if !path.is_dir() {
        return Ok(Bills {
            files: locate::locate(argument)?,
            ..Bills::default()
        });
    }
    let mut manifests = Vec::new();
    for file in locate::manifests(path)? {
        manifests.extend(read::read(&file)?);
    }
    if manifests.is_empty() {
        return Ok(Bills {
            files: locate::locate(argument)?,
            ..Bills::default()
        });
    }
    let all = manifests.clone();
    let chosen = newest(manifests)?;
    let mut bills = bills(&chosen)?;
    bills.findings = passed_over(&locate::bills_in(path)?, &bills.files, &all);
    Ok(bills)
}

/// The keys of the files that the newest manifests of a folder name; `None`
/// when there is no manifest. The files need not be there.
///
/// # Errors
/// When a manifest is broken, or the newest of several cannot be told.
pub fn files_of_newest(folder: &Path) -> Result<Option<BTreeSet<String>>, SourceError> {
    let mut manifests = Vec::new();
    for file in locate::manifests(folder)? {
        manifests.extend(read::read(&file)?);
    }
    if manifests.is_empty() {
        return Ok(None);
    }
    let parts = newest(manifests)?.into_iter().flat_map(|manifest| manifest.parts);
    Ok(Some(parts.map(|part| part.key).collect()))
}

/// Whether a file goes by the name of a manifest.
#[must_use]
pub fn is_manifest(name: &str) -> bool {
    name.to_lowercase().ends_with(ENDING)
}

/// Of each export and month the newest manifest.
fn newest(manifests: Vec<Manifest>) -> Result<Vec<Manifest>, SourceError> {
    let mut runs: BTreeMap<(String, Option<BillingPeriod>), Vec<Manifest>> = BTreeMap::new();
    for manifest in manifests {
        let key = (manifest.export.clone(), manifest.period);
        runs.entry(key).or_default().push(manifest);
    }
    runs.into_values().map(newest_of).collect()
}

fn newest_of(mut runs: Vec<Manifest>) -> Result<Manifest, SourceError> {
    // AWS keeps the manifest of the current report above those of all reports
    let above = |a: &Manifest, b: &Manifest| match (a.path.parent(), b.path.parent()) {
        (Some(a), Some(b)) => a != b && b.starts_with(a),
        _ => false,
    };
    let current = runs
        .iter()
        .position(|run| runs.iter().all(|other| run == other || above(run, other)));
    if let Some(at) = current {
        return Ok(runs.swap_remove(at));
    }
    runs.sort_by(|a, b| (&a.submitted, &a.name).cmp(&(&b.submitted, &b.name)));
    let times: BTreeSet<&Option<String>> = runs.iter().map(|run| &run.submitted).collect();
    if times.contains(&None) || times.len() < runs.len() {
        let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        let message = format!(
            "of these manifests of one export and month none is the newest: {}",
            names.join(", ")
        );
        let finding = Finding::error("several_deliveries", message);
        return Err(SourceError::refused(finding.remedy(
            "name the manifest that counts; deliveries of one month are never added up",
        )));
    }
    // there is at least one: it made the group
    runs.pop().ok_or_else(|| SourceError::Refused { findings: Vec::new() })
}

/// The files of the manifests, each of which must be there as it is named.
fn bills(manifests: &[Manifest]) -> Result<Bills, SourceError> {
    let mut wrong = Vec::new();
    let mut files: BTreeMap<PathBuf, Located> = BTreeMap::new();
    let mut rows = Some(0);
    for manifest in manifests {
        for part in &manifest.parts {
            rows = rows
                .zip(part.rows)
                .map(|(sum, rows): (u64, u64)| sum.saturating_add(rows));
            match found(manifest, part) {
                Ok(file) => {
                    files.insert(file.path.clone(), file);
                }
                Err(finding) => wrong.push(*finding),
            }
        }
    }
    if !wrong.is_empty() {
        return Err(SourceError::Refused { findings: wrong });
    }
    let periods: Option<BTreeSet<BillingPeriod>> = manifests.iter().map(|manifest| manifest.period).collect();
    let mut files: Vec<Located> = files.into_values().collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Bills {
        files,
        findings: Vec::new(),
        periods,
        rows,
        is_final: manifests.iter().all(|manifest| manifest.is_final),
    })
}

/// A part, below one of the folders above its manifest: a copy of a bucket may
/// begin anywhere in it.
fn found(manifest: &Manifest, part: &PartRef) -> Result<Located, Box<Finding>> {
    let folders: Vec<&Path> = manifest.path.ancestors().skip(1).take(LEVELS).collect();
    let pieces: Vec<&str> = part.key.split('/').collect();
    let inside = pieces
        .iter()
        .all(|piece| !piece.is_empty() && *piece != ".." && *piece != ".");
    let candidates = (0..pieces.len()).flat_map(|from| {
        let end: PathBuf = pieces[from..].iter().collect();
        folders.iter().map(move |folder| folder.join(&end))
    });
    let path = candidates.into_iter().filter(|_| inside).find(|path| path.is_file());
    let remedy = "fetch the delivery again, whole; nothing of it was taken in";
    let Some(path) = path else {
        let message = format!("names {}, which is not there", part.key);
        let finding = Finding::error("missing_part", message).in_file(&manifest.name);
        return Err(Box::new(finding.remedy(remedy)));
    };
    let length = std::fs::metadata(&path).map(|found| found.len()).ok();
    if let (Some(expected), Some(length)) = (part.bytes, length)
        && expected != length
    {
        let message = format!("has {length} bytes, its manifest {} says {expected}", manifest.name);
        let finding = Finding::error("changed_part", message).in_file(path.display().to_string());
        return Err(Box::new(finding.remedy(remedy)));
    }
    Ok(Located {
        name: path.display().to_string(),
        path,
    })
}

/// What of the folder is not the bill: files of older deliveries, and files no
/// manifest names.
fn passed_over(there: &[Located], taken: &[Located], manifests: &[Manifest]) -> Vec<Finding> {
    let taken: BTreeSet<&Path> = taken.iter().map(|file| file.path.as_path()).collect();
    let older: BTreeSet<PathBuf> = manifests
        .iter()
        .flat_map(|manifest| manifest.parts.iter().filter_map(|part| found(manifest, part).ok()))
        .map(|file| file.path)
        .collect();
    let rest = there.iter().filter(|file| !taken.contains(file.path.as_path()));
    let (old, stray): (Vec<&Located>, Vec<&Located>) = rest.partition(|file| older.contains(&file.path));
    let mut findings = Vec::new();
    if !old.is_empty() {
        let message = format!("{} of earlier deliveries of the same month do not count", listed(&old));
        findings.push(Finding::info("older_delivery", message).times(old.len() as u64));
    }
    if !stray.is_empty() {
        let message = format!("{} are named by no manifest and do not count", listed(&stray));
        let finding = Finding::warning("not_in_manifest", message).times(stray.len() as u64);
        findings
            .push(finding.remedy("a delivery counts once its manifest is there; name files that have none outright"));
    }
    findings
}

fn listed(files: &[&Located]) -> String {
    let names: Vec<&str> = files.iter().take(NAMED).map(|file| file.name.as_str()).collect();
    match files.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
