//! Bills in buckets are read from a copy beside the lake. Only what is new or
//! changed is fetched: first the manifests, then the files the newest of them
//! name. A copy that was cut off goes on where it ended; it can be deleted at
//! any time.

use super::OnProgress;
use crate::app::{App, hash_of};
use crate::error::AppError;
use domain::Finding;
use lake::bucket::{Bucket, BucketError, Found};
use lake::ingest::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What of a bucket is there, by key: length and tag.
type Index = BTreeMap<String, (u64, String)>;

/// Names the index in a copy; hidden, so that it is no bill.
const INDEX: &str = ".index.json";

/// Held while a copy is read or written; hidden as well.
const LOCK: &str = ".lock";

/// A copy of a bucket's bills; nobody else touches it as long as this lives.
#[derive(Debug)]
pub(super) struct Copy {
    /// What to read: the folder, or the one file.
    pub path: String,
    /// The folder, as it is written in names.
    pub folder: String,
    /// What stands for the folder where people read.
    pub shown: String,
    _lock: std::fs::File,
}

impl Copy {
    /// A text with the bucket's name where that of the copy is.
    pub(super) fn said(&self, text: &str) -> String {
        text.replace(&self.folder, &self.shown)
    }

    /// The same of a finding.
    pub(super) fn told(&self, mut finding: Finding) -> Finding {
        finding.message = self.said(&finding.message);
        finding.file = finding.file.map(|file| self.said(&file));
        finding
    }
}

impl App {
    /// Brings the copy of an address up to date.
    ///
    /// # Errors
    /// [`AppError::Refused`] when the address, the credentials or the path are
    /// wrong, [`AppError::Held`] while another ingest reads the same address;
    /// else the machinery failed and the next call goes on.
    pub(super) async fn copy_of(&self, address: &str, progress: &OnProgress) -> Result<Copy, AppError> {
        let bucket = Bucket::open(address, std::env::vars()).map_err(|error| refused(address, error))?;
        let name = &hash_of([bucket.root().as_bytes(), address.as_bytes()])[..16];
        let folder = self.scratch.with_file_name("bills").join(name);
        let keeping = |error| AppError::broken("cannot keep a copy of the bills", error);
        std::fs::create_dir_all(&folder).map_err(keeping)?;
        let lock = std::fs::File::create(folder.join(LOCK)).map_err(keeping)?;
        if lock.try_lock().is_err() {
            return Err(AppError::Held {
                what: format!("another ingest is reading {}", Bucket::shown(address)),
                remedy: "try again when it has ended".to_owned(),
            });
        }
        let listed = bucket.list().await.map_err(|error| refused(address, error))?;
        let mut copying = Copying {
            bucket: &bucket,
            index: read_index(&folder),
            folder: &folder,
        };
        let keys = |found: &[&Found]| found.iter().map(|found| found.key.clone()).collect::<BTreeSet<_>>();
        let (manifests, others): (Vec<&Found>, Vec<&Found>) =
            listed.iter().partition(|found| sources::is_manifest(&found.key));
        clean(&folder, "", &keys(&listed.iter().collect::<Vec<_>>())).map_err(keeping)?;
        for manifest in &manifests {
            copying.bring(manifest).await.map_err(|error| refused(address, error))?;
        }
        let named = sources::files_of_newest(&folder).map_err(super::refused)?;
        let wanted: Vec<&Found> = match &named {
            Some(named) => others
                .into_iter()
                .filter(|found| is_one_of(&found.key, named))
                .collect(),
            None => {
                let is_bill = |found: &&Found| sources::is_bill(&found.key) || listed.len() == 1;
                others.into_iter().filter(is_bill).collect()
            }
        };
        let bytes_total = wanted.iter().map(|found| found.bytes).sum();
        let mut bytes_read = 0;
        for (part, found) in wanted.iter().enumerate() {
            progress(Progress {
                part,
                bytes_read,
                bytes_total,
                rows: 0,
            });
            bytes_read += found.bytes;
            copying.bring(found).await.map_err(|error| refused(address, error))?;
        }
        clean(&folder, "", &(&keys(&wanted) | &keys(&manifests))).map_err(keeping)?;
        if wanted.is_empty() && named.is_none() {
            let finding = Finding::error("no_files", "holds no bill files").in_file(Bucket::shown(address));
            let remedy = "bill files end in .csv, .csv.gz, .zip, .parquet or .json; look for the path in the bucket";
            return Err(AppError::Refused(vec![finding.remedy(remedy)]));
        }
        let path = match (&named, wanted.as_slice(), listed.len()) {
            // an address of one object
            (None, [only], 1) => folder.join(&only.key),
            _ => folder.clone(),
        };
        Ok(Copy {
            path: path.display().to_string(),
            folder: folder.display().to_string(),
            shown: bucket.root().to_owned(),
            _lock: lock,
        })
    }
}

/// Removes what of a copy is not to be kept, so that nothing older counts.
fn clean(folder: &Path, below: &str, keep: &BTreeSet<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let key = if below.is_empty() {
            name.clone()
        } else {
            format!("{below}/{name}")
        };
        if entry.file_type()?.is_dir() {
            clean(&entry.path(), &key, keep)?;
            continue;
        }
        let own = below.is_empty() && [INDEX, LOCK].contains(&name.as_str());
        if !own && !keep.contains(&key) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a manifest names an object: by its key, or by the end of it.
fn is_one_of(key: &str, named: &BTreeSet<String>) -> bool {
    let ends = |whole: &str, end: &str| whole.strip_suffix(end).is_some_and(|rest| rest.ends_with('/'));
    named.contains(key) || named.iter().any(|name| ends(key, name))
}

/// A copy being brought up to date.
struct Copying<'b> {
    bucket: &'b Bucket,
    folder: &'b Path,
    index: Index,
}

impl Copying<'_> {
    async fn bring(&mut self, found: &Found) -> Result<(), BucketError> {
        let path = self.folder.join(&found.key);
        let now = (found.bytes, found.tag.clone());
        let there = std::fs::metadata(&path).is_ok_and(|file| file.len() == found.bytes);
        if there && self.index.get(&found.key) == Some(&now) {
            return Ok(());
        }
        self.bucket.fetch(found, &path).await?;
        self.index.insert(found.key.clone(), now);
        write_index(self.folder, &self.index).map_err(|source| BucketError::Copy {
            address: found.key.clone(),
            source,
        })
    }
}

/// A broken index is as none: everything is fetched again.
fn read_index(folder: &Path) -> Index {
    let bytes = std::fs::read(folder.join(INDEX)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn write_index(folder: &Path, index: &Index) -> std::io::Result<()> {
    let file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&file, index)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(INDEX))?;
    Ok(())
}

fn refused(address: &str, error: BucketError) -> AppError {
    match error.remedy() {
        Some(remedy) => {
            let finding = Finding::error("bucket_refused", error.to_string()).in_file(Bucket::shown(address));
            AppError::Refused(vec![finding.remedy(remedy)])
        }
        None => AppError::broken("cannot read the bucket", error),
    }
}
