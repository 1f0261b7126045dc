//! Which files of a folder are the bill: those of the newest manifest of each
//! export and month, all of them or nothing.

use super::{ENDING, Manifest, PartRef, read};
use crate::SourceError;
use crate::locate::{self, Located};
use domain::{BillingPeriod, Finding};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folders above a manifest in which its files are looked for; never above the folder that was given.
const LEVELS: usize = 6;
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
        // it may lie deep in a copy of a bucket
        let within = path.ancestors().skip(1).take(LEVELS).last().unwrap_or(path);
        let Some(manifest) = read::read(&file, within)? else {
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
    let (mut manifests, mut unknown) = (Vec::new(), Vec::new());
    for file in locate::manifests(path)? {
        match read::read(&file, path)? {
            Some(manifest) => manifests.push(manifest),
            None => {
                let finding = Finding::warning(
                    "unknown_manifest",
                    "is no manifest of a kind that is known, and decides nothing",
                );
                unknown.push(finding.in_file(&file.name));
            }
        }
    }
    if manifests.is_empty() {
        return Ok(Bills {
            files: locate::locate(argument)?,
            findings: unknown,
            ..Bills::default()
        });
    }
    let all = manifests.clone();
    let chosen = newest(manifests)?;
    let mut bills = bills(&chosen)?;
    bills.findings = passed_over(&locate::bills_in(path)?, &bills.files, &all);
    bills.findings.extend(unknown);
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
        manifests.extend(read::read(&file, folder)?);
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
        let anchor = anchor(manifest);
        for part in &manifest.parts {
            rows = rows
                .zip(part.rows)
                .map(|(sum, rows): (u64, u64)| sum.saturating_add(rows));
            match checked(manifest, part, anchor.path(part)) {
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

/// Where a copy of a bucket begins: a folder, and how many folders of the keys
/// lie above it.
struct Anchor {
    root: PathBuf,
    above: usize,
}

impl Anchor {
    fn path(&self, part: &PartRef) -> PathBuf {
        part.key
            .split('/')
            .skip(self.above)
            .fold(self.root.clone(), |path, piece| path.join(piece))
    }
}

/// Finds where the copy begins, one place for all parts of a manifest: the
/// longest end of their keys that is there, below one of the folders above the
/// manifest. A bare file name never stands for a key with folders, since a file
/// of another delivery may have it. Where not all parts are there, the place
/// that has most of them.
fn anchor(manifest: &Manifest) -> Anchor {
    let keys: Vec<Vec<&str>> = manifest
        .parts
        .iter()
        .map(|part| part.key.split('/').collect())
        .collect();
    let shortest = keys.iter().map(Vec::len).min().unwrap_or(0);
    let same = |above: usize| keys.windows(2).all(|pair| pair[0][..above] == pair[1][..above]);
    let mut best: Option<(usize, Anchor)> = None;
    for above in (0..=shortest.saturating_sub(2)).take_while(|above| same(*above)) {
        let inside = |root: &&Path| root.starts_with(&manifest.within);
        for root in manifest.path.ancestors().skip(1).take(LEVELS).filter(inside) {
            let anchor = Anchor {
                root: root.to_owned(),
                above,
            };
            let there = manifest.parts.iter().filter(|part| anchor.path(part).is_file()).count();
            if best.as_ref().is_none_or(|(most, _)| there > *most) {
                best = Some((there, anchor));
            }
        }
    }
    best.map_or_else(
        || Anchor {
            root: manifest.path.with_file_name(""),
            above: 0,
        },
        |(_, anchor)| anchor,
    )
}

/// A part, if it is there and of the length the manifest says.
fn checked(manifest: &Manifest, part: &PartRef, path: PathBuf) -> Result<Located, Box<Finding>> {
    let remedy = "fetch the delivery again, whole and with its folders; nothing of it was taken in";
    let mut pieces = part.key.split('/');
    let inside = pieces.all(|piece| !piece.is_empty() && piece != ".." && piece != ".");
    if !inside || !path.is_file() {
        let message = format!("names {}, which is not there", part.key);
        let finding = Finding::error("missing_part", message).in_file(&manifest.name);
        return Err(Box::new(finding.remedy(remedy)));
    }
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
        .flat_map(|manifest| {
            let anchor = anchor(manifest);
            manifest.parts.iter().map(move |part| anchor.path(part))
        })
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
