//! Where the lake's files lie: a folder, or memory. A file is written once:
//! staged, synced, put in place under its name, never changed (invariant 5).

use crate::error::LakeError;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, memory::InMemory};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::{NamedTempFile, TempPath};

/// Folder of files that are still being written.
const TMP: &str = "tmp";

/// A store of immutable files. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Lake {
    /// A folder of the file system.
    File(Arc<Path>),
    /// Memory of this process: for tests.
    Memory(Arc<InMemory>),
}

/// A file in the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Path inside the lake, with `/`.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, lower-case hex.
    pub sha256: String,
}

/// A file found by [`Lake::list`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Path inside the lake, with `/`.
    pub path: String,
    /// When it was last written.
    pub modified: SystemTime,
}

/// A file being written: hashed on the way, removed when dropped.
#[derive(Debug)]
pub struct Staging {
    file: BufWriter<NamedTempFile>,
    hasher: Sha256,
    bytes: u64,
}

/// A file of the lake as a local path; a temporary copy is removed when dropped.
#[derive(Debug)]
pub struct LocalCopy {
    path: PathBuf,
    copy: Option<TempPath>,
}

impl LocalCopy {
    /// The path, valid as long as this value lives.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.copy.as_deref().unwrap_or(&self.path)
    }
}

impl Write for Staging {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Staging {
    /// Syncs and closes the file; it keeps no file handle.
    ///
    /// # Errors
    /// When the operating system refuses, as on a full disk.
    pub fn close(self) -> Result<Closed, LakeError> {
        self.written()?.sync()
    }

    /// Ends the writing: the bytes are there to read, but not synced.
    pub(crate) fn written(self) -> Result<Written, LakeError> {
        let sha256 = hex(&self.hasher.finalize());
        let file = self
            .file
            .into_inner()
            .map_err(|e| LakeError::io("write", "a staged file")(e.into_error()))?;
        readable(file.as_file()).map_err(LakeError::io("set the permissions of", file.path()))?;
        Ok(Written {
            file,
            bytes: self.bytes,
            sha256,
        })
    }
}

/// A staged file that is whole: removed when dropped.
#[derive(Debug)]
pub(crate) struct Written {
    file: NamedTempFile,
    bytes: u64,
    sha256: String,
}

impl Written {
    /// Where its bytes can be read.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Syncs it; the file is closed.
    pub fn sync(self) -> Result<Closed, LakeError> {
        let file = self.file;
        file.as_file().sync_all().map_err(LakeError::io("sync", file.path()))?;
        Ok(Closed {
            file: file.into_temp_path(),
            bytes: self.bytes,
            sha256: self.sha256,
        })
    }
}

/// A staged file that is whole and synced, but has no name yet: removed when dropped.
#[derive(Debug)]
pub struct Closed {
    file: TempPath,
    bytes: u64,
    sha256: String,
}

impl Closed {
    /// SHA-256 of the content, lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl Lake {
    /// A lake in a folder, made when missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn file(root: &Path) -> Result<Lake, LakeError> {
        fs::create_dir_all(root.join(TMP)).map_err(LakeError::io("make the folder", root))?;
        let root = root.canonicalize().map_err(LakeError::io("open the folder", root))?;
        Ok(Lake::File(root.into()))
    }

    /// A lake in memory.
    #[must_use]
    pub fn memory() -> Lake {
        Lake::Memory(Arc::new(InMemory::new()))
    }

    /// A new file to write, outside the lake's names until [`Lake::put`].
    ///
    /// # Errors
    /// When no temporary file can be made.
    pub fn staging(&self) -> Result<Staging, LakeError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("staged-");
        let file = match self {
            Lake::File(root) => {
                let folder = root.join(TMP);
                fs::create_dir_all(&folder).map_err(LakeError::io("make the folder", &folder))?;
                builder
                    .tempfile_in(&folder)
                    .map_err(LakeError::io("write in", &folder))?
            }
            Lake::Memory(_) => builder
                .tempfile()
                .map_err(LakeError::io("write in", "the temporary folder"))?,
        };
        Ok(Staging {
            file: BufWriter::with_capacity(1 << 17, file),
            hasher: Sha256::new(),
            bytes: 0,
        })
    }

    /// Puts a staged file in place, durably. The same bytes again are fine.
    ///
    /// # Errors
    /// [`LakeError::Immutable`] when other bytes have that path.
    pub fn put(&self, staged: Staging, path: &str) -> Result<StoredFile, LakeError> {
        self.put_closed(staged.close()?, path).map(|(stored, _)| stored)
    }

    /// As [`Lake::put`]; also answers whether the file is new.
    ///
    /// # Errors
    /// As [`Lake::put`].
    pub fn put_closed(&self, closed: Closed, path: &str) -> Result<(StoredFile, bool), LakeError> {
        check_path(path)?;
        let stored = StoredFile {
            path: path.to_owned(),
            bytes: closed.bytes,
            sha256: closed.sha256,
        };
        let new = match self {
            Lake::File(root) => put_file(root, closed.file, &stored)?,
            Lake::Memory(store) => put_memory(store, &closed.file, &stored)?,
        };
        Ok((stored, new))
    }

    /// Writes the list of what counts, [`CURRENT`], in place of the one before:
    /// the one file of the lake that is not written once. Readers see the old
    /// bytes or the new ones, never a part.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_current(&self, content: &[u8]) -> Result<(), LakeError> {
        match self {
            Lake::File(root) => {
                let mut staged = self.staging()?;
                staged.write_all(content).map_err(LakeError::io("write", CURRENT))?;
                let closed = staged.close()?;
                closed
                    .file
                    .persist(root.join(CURRENT))
                    .map_err(|e| LakeError::io("write", CURRENT)(e.error))?;
                sync_folder(root)
            }
            Lake::Memory(store) => ready(store.put(&CURRENT.into(), content.to_vec().into()))
                .map(|_| ())
                .map_err(LakeError::object("write", CURRENT)),
        }
    }

    /// A file as a local path for the Parquet reader.
    ///
    /// # Errors
    /// [`LakeError::Missing`] when it is not there.
    pub fn local(&self, path: &str) -> Result<LocalCopy, LakeError> {
        check_path(path)?;
        match self {
            Lake::File(root) => {
                let path_there = root.join(path);
                match fs::metadata(&path_there) {
                    Ok(_) => Ok(LocalCopy {
                        path: path_there,
                        copy: None,
                    }),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => Err(LakeError::Missing { path: path.to_owned() }),
                    Err(e) => Err(LakeError::io("open", path)(e)),
                }
            }
            Lake::Memory(store) => {
                let content = get_memory(store, path)?;
                let mut file = NamedTempFile::new().map_err(LakeError::io("copy", path))?;
                file.write_all(&content)
                    .and_then(|()| file.flush())
                    .map_err(LakeError::io("copy", path))?;
                Ok(LocalCopy {
                    path: PathBuf::new(),
                    copy: Some(file.into_temp_path()),
                })
            }
        }
    }

    /// The whole content of a (small) file.
    ///
    /// # Errors
    /// [`LakeError::Missing`] when it is not there.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, LakeError> {
        let local = self.local(path)?;
        fs::read(local.path()).map_err(LakeError::io("read", path))
    }

    /// Whether a file is there.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub fn exists(&self, path: &str) -> Result<bool, LakeError> {
        check_path(path)?;
        match self {
            Lake::File(root) => root.join(path).try_exists().map_err(LakeError::io("look for", path)),
            Lake::Memory(store) => match ready(store.head(&path.into())) {
                Ok(_) => Ok(true),
                Err(object_store::Error::NotFound { .. }) => Ok(false),
                Err(e) => Err(LakeError::object("look for", path)(e)),
            },
        }
    }

    /// Removes a file; one that is not there is fine.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn remove(&self, path: &str) -> Result<(), LakeError> {
        check_path(path)?;
        match self {
            Lake::File(root) => match fs::remove_file(root.join(path)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(LakeError::io("remove", path)(e)),
                _ => Ok(()),
            },
            Lake::Memory(store) => match ready(store.delete(&path.into())) {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(e) => Err(LakeError::object("remove", path)(e)),
            },
        }
    }

    /// Every file whose path starts with `prefix` (`""`: all, those being
    /// written included), sorted by path.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub fn list(&self, prefix: &str) -> Result<Vec<Listed>, LakeError> {
        let mut found = Vec::new();
        match self {
            Lake::File(root) => walk(root, root, &mut found)?,
            Lake::Memory(store) => {
                let metas: Vec<_> =
                    ready(store.list(None).boxed().try_collect()).map_err(LakeError::object("list", prefix))?;
                found.extend(metas.into_iter().map(|meta: object_store::ObjectMeta| Listed {
                    path: meta.location.to_string(),
                    modified: meta.last_modified.into(),
                }));
            }
        }
        found.retain(|listed| listed.path.starts_with(prefix));
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// SHA-256 of a file's bytes as they are now, lower-case hex.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sha256(&self, path: &str) -> Result<String, LakeError> {
        let local = self.local(path)?;
        hash_file(local.path()).map_err(LakeError::io("read", path))
    }

    /// Where other programs find a file: a local path, or `memory:` for tests.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        match self {
            Lake::File(root) => root.join(path).display().to_string(),
            Lake::Memory(_) => format!("memory:{path}"),
        }
    }

    /// Removes every file that `named` does not name and that was last written
    /// before `before`: what killed runs left. Answers what was removed.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn remove_unnamed(
        &self,
        named: &std::collections::HashSet<String>,
        before: SystemTime,
    ) -> Result<Vec<String>, LakeError> {
        let mut removed = Vec::new();
        for listed in self.list("")? {
            if listed.path != CURRENT && !named.contains(&listed.path) && listed.modified < before {
                self.remove(&listed.path)?;
                removed.push(listed.path);
            }
        }
        Ok(removed)
    }
}

/// The list of the files that count, by month: for programs that read the lake
/// and cannot ask the manifest.
pub const CURRENT: &str = "_current.json";

/// How old an unnamed file must be before a clean-up may remove it: a run that
/// is still writing it has named it by then (invariant 5).
pub const UNNAMED_FOR: Duration = Duration::from_secs(86_400);

fn put_file(root: &Path, file: TempPath, stored: &StoredFile) -> Result<bool, LakeError> {
    let path = &stored.path;
    let target = root.join(path);
    let folder = target.parent().unwrap_or(root);
    make_folders(root, folder)?;
    let new = match file.persist_noclobber(&target) {
        Ok(()) => true,
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {
            // it becomes young again, so that a clean-up running now leaves it alone
            let touch = || {
                fs::File::options()
                    .append(true)
                    .open(&target)?
                    .set_modified(SystemTime::now())
            };
            touch().map_err(LakeError::io("touch", path))?;
            if hash_file(&target).map_err(LakeError::io("read", path))? != stored.sha256 {
                return Err(LakeError::Immutable { path: path.clone() });
            }
            false
        }
        Err(e) => return Err(LakeError::io("write", path)(e.error)),
    };
    sync_folder(folder)?;
    Ok(new)
}

/// Temporary files are private to their owner; files of the lake are for other tools too.
fn readable(file: &fs::File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// Makes the folders between root and `folder`, each synced into its parent.
fn make_folders(root: &Path, folder: &Path) -> Result<(), LakeError> {
    if folder == root || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(root);
    make_folders(root, parent)?;
    match fs::create_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(LakeError::io("make the folder", folder)(e)),
        _ => sync_folder(parent),
    }
}

fn sync_folder(folder: &Path) -> Result<(), LakeError> {
    if cfg!(unix) {
        fs::File::open(folder)
            .and_then(|handle| handle.sync_all())
            .map_err(LakeError::io("sync the folder", folder))?;
    }
    Ok(())
}

fn put_memory(store: &InMemory, file: &Path, stored: &StoredFile) -> Result<bool, LakeError> {
    let path = &stored.path;
    let content = fs::read(file).map_err(LakeError::io("read", path))?;
    let create = PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    match ready(store.put_opts(&path.as_str().into(), content.into(), create)) {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => {
            let there = hex(&Sha256::digest(get_memory(store, path)?));
            if there == stored.sha256 {
                Ok(false)
            } else {
                Err(LakeError::Immutable { path: path.clone() })
            }
        }
        Err(e) => Err(LakeError::object("write", path)(e)),
    }
}

/// The store in memory never waits: its futures are ready at once.
fn ready<T>(future: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
    future
        .now_or_never()
        .unwrap_or(Err(object_store::Error::NotImplemented {
            operation: "waiting".to_owned(),
            implementer: "memory".to_owned(),
        }))
}

fn get_memory(store: &InMemory, path: &str) -> Result<bytes::Bytes, LakeError> {
    let got = ready(async { store.get(&path.into()).await?.bytes().await });
    got.map_err(|e| match e {
        object_store::Error::NotFound { .. } => LakeError::Missing { path: path.to_owned() },
        other => LakeError::object("read", path)(other),
    })
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Listed>) -> Result<(), LakeError> {
    for entry in fs::read_dir(folder).map_err(LakeError::io("list", folder))? {
        let entry = entry.map_err(LakeError::io("list", folder))?;
        let path = entry.path();
        // a file may vanish between listing and looking: another run removed it
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(LakeError::io("look at", &path)(e)),
        };
        if meta.is_dir() {
            walk(root, &path, found)?;
        } else if let Ok(inside) = path.strip_prefix(root) {
            let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
            let modified = meta.modified().map_err(LakeError::io("look at", &path))?;
            found.push(Listed {
                path: parts.join("/"),
                modified,
            });
        }
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), LakeError> {
    let plain = !path.is_empty()
        && path
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains(['\\', ':', '\0']));
    if plain {
        Ok(())
    } else {
        Err(LakeError::BadPath { path: path.to_owned() })
    }
}

fn hash_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // writing to a String cannot fail
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn write(lake: &Lake, path: &str, text: &str) -> Result<StoredFile, LakeError> {
        let mut staged = lake.staging().expect("stages");
        staged.write_all(text.as_bytes()).expect("writes");
        lake.put(staged, path)
    }

    /// The same contract for every kind of lake.
    fn contract(lake: &Lake) {
        let stored = write(lake, "a/b/one.txt", "hello").expect("stored");
        assert_eq!(stored.bytes, 5);
        assert_eq!(
            stored.sha256,
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert_eq!(lake.read("a/b/one.txt").expect("reads"), b"hello");
        assert!(lake.exists("a/b/one.txt").expect("asks"));
        assert_eq!(write(lake, "a/b/one.txt", "hello").expect("same bytes again"), stored);
        assert!(matches!(
            write(lake, "a/b/one.txt", "other"),
            Err(LakeError::Immutable { .. })
        ));
        assert_eq!(lake.read("a/b/one.txt").expect("unchanged"), b"hello");
        assert!(matches!(lake.local("a/none"), Err(LakeError::Missing { .. })));
        for bad in ["", "/etc/x", "../x", "a//b", "a/../b", "a\\b"] {
            assert!(matches!(write(lake, bad, "x"), Err(LakeError::BadPath { .. })), "{bad}");
        }
        write(lake, "a/two.txt", "2").expect("stored");
        let paths = |prefix: &str| {
            lake.list(prefix)
                .expect("lists")
                .into_iter()
                .map(|l| l.path)
                .collect::<Vec<_>>()
        };
        assert_eq!(paths(""), ["a/b/one.txt", "a/two.txt"]);
        assert_eq!(paths("a/b"), ["a/b/one.txt"]);
        let named = HashSet::from(["a/two.txt".to_owned()]);
        let none = lake.remove_unnamed(&named, SystemTime::UNIX_EPOCH).expect("cleans");
        assert!(none.is_empty(), "young files stay");
        let later = SystemTime::now() + Duration::from_secs(60);
        assert_eq!(lake.remove_unnamed(&named, later).expect("cleans"), ["a/b/one.txt"]);
        assert_eq!(paths(""), ["a/two.txt"]);
        lake.remove("a/two.txt").expect("removes");
        lake.remove("a/two.txt").expect("removing twice is fine");
        drop(lake.staging().expect("stages"));
        assert!(paths("").is_empty(), "a dropped staging file leaves nothing");
    }

    #[test]
    fn file_lake() {
        let folder = tempfile::tempdir().expect("folder");
        contract(&Lake::file(folder.path()).expect("opens"));
    }

    #[test]
    fn memory_lake() {
        contract(&Lake::memory());
    }
}
