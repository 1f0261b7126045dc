//! The spool: pushes that wait for their acknowledgement, in a folder.
//!
//! ```text
//! spool/
//!   agent                                    who this agent is: a random text, for life
//!   lock                                     held by the running agent
//!   running.json.gz                          what is counted of the running hour
//!   000000000042-facts-<id>.json.gz          an entry; the oldest has the lowest number
//!   000000000043-notice-<id>.json.gz         words without facts: something was lost, or set aside
//!   aside/                                   entries that cannot be read, or that the server refused
//! ```
//!
//! An entry is written once, under a name that has the hash of its document,
//! and removed when the server has it. Every step can be the last one: what is
//! there twice then is pushed twice, and the server takes it once or merges it
//! to the same facts.

use super::disk::{Disk, UNFINISHED};
use crate::app::push::{Encoded, MAX_DOCUMENT_BYTES, Push, unpack};
use domain::Finding;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

const RUNNING: &str = "running.json.gz";
const ASIDE: &str = "aside";
const AGENT: &str = "agent";
const LOCK: &str = "lock";
const ENDING: &str = ".json.gz";
/// Largest state of a running hour, unpacked, bytes: some 4 KiB a container.
const RUNNING_BYTES: usize = 1 << 30;
/// Entries are merged up to this size, bytes, and to a quarter of the spool:
/// what is dropped is dropped whole.
const MERGED_BYTES: u64 = 4 * 1024 * 1024;

/// Why a spool does not work.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// Another agent has it.
    #[error("another agent uses the spool {}", .0.display())]
    Held(PathBuf),
    /// The file system failed.
    #[error("cannot {doing} the spool {}", folder.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The spool.
        folder: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It has facts.
    Facts,
    /// It has words only.
    Notice,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Facts => "facts",
            Kind::Notice => "notice",
        }
    }
}

/// A push that waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its place in the order.
    pub sequence: u64,
    /// What it is.
    pub kind: Kind,
    /// Id of the push.
    pub id: String,
}

impl Entry {
    /// Its file.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:012}-{}-{}{ENDING}", self.sequence, self.kind.word(), self.id)
    }

    fn parse(name: &str) -> Option<Entry> {
        let mut parts = name.strip_suffix(ENDING)?.splitn(3, '-');
        let (sequence, kind, id) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = [Kind::Facts, Kind::Notice].into_iter().find(|k| k.word() == kind)?;
        let entry = Entry {
            sequence: sequence.parse().ok()?,
            kind,
            id: id.to_owned(),
        };
        (entry.name() == name && id.len() == 64).then_some(entry)
    }
}

/// The spool of a running agent.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    max_bytes: u64,
    agent: String,
    /// With their sizes.
    entries: BTreeMap<Entry, u64>,
    next: u64,
    disk: Disk,
    /// Neighbours, by their ids, that were no smaller merged.
    fruitless: BTreeSet<(String, String)>,
    _lock: File,
}

impl Spool {
    /// Opens a spool, making it when it is not there. Files that were not
    /// finished are removed; `max_bytes` bounds what waits.
    ///
    /// # Errors
    /// [`SpoolError::Held`] when another agent runs on it.
    pub fn open(folder: &Path, max_bytes: u64) -> Result<Spool, SpoolError> {
        Spool::open_on(folder, max_bytes, Disk::default())
    }

    pub(super) fn open_on(folder: &Path, max_bytes: u64, disk: Disk) -> Result<Spool, SpoolError> {
        let failed = |doing| {
            move |source| SpoolError::Io {
                doing,
                folder: folder.to_owned(),
                source,
            }
        };
        fs::create_dir_all(folder.join(ASIDE)).map_err(failed("make"))?;
        let lock = File::create(folder.join(LOCK)).map_err(failed("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::Held(folder.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        let agent = identity(&disk, folder).map_err(failed("read"))?;
        let mut entries = BTreeMap::new();
        for file in fs::read_dir(folder).map_err(failed("read"))? {
            let file = file.map_err(failed("read"))?;
            let name = file.file_name().to_string_lossy().into_owned();
            if name.ends_with(UNFINISHED) {
                fs::remove_file(file.path()).map_err(failed("clear"))?;
            } else if let Some(entry) = Entry::parse(&name) {
                entries.insert(entry, file.metadata().map_err(failed("read"))?.len());
            }
        }
        let mut spool = Spool {
            folder: folder.to_owned(),
            max_bytes,
            agent,
            next: entries.last_key_value().map_or(1, |(last, _)| last.sequence + 1),
            entries,
            disk,
            fruitless: BTreeSet::new(),
            _lock: lock,
        };
        spool.complete_drops().map_err(failed("clear"))?;
        Ok(spool)
    }

    /// Where a notice has the number of facts, these were being dropped.
    fn complete_drops(&mut self) -> io::Result<()> {
        let notices: Vec<u64> = self
            .entries
            .keys()
            .filter(|entry| entry.kind == Kind::Notice)
            .map(|entry| entry.sequence)
            .collect();
        let dropped = |entry: &&Entry| entry.kind == Kind::Facts && notices.contains(&entry.sequence);
        let dropped: Vec<Entry> = self.entries.keys().filter(dropped).cloned().collect();
        dropped.iter().try_for_each(|entry| self.remove(entry))
    }

    /// Who this agent is.
    #[must_use]
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Entries that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.values().sum()
    }

    /// The entry that has waited longest.
    #[must_use]
    pub fn oldest(&self) -> Option<Entry> {
        self.entries.keys().next().cloned()
    }

    /// Adds a push. When there is no room, hours that wait are merged; when
    /// that is not enough the oldest are dropped, each with a notice in its
    /// place that the server is told.
    ///
    /// # Errors
    /// When it cannot be written; then it is not there.
    pub fn put(&mut self, push: &Push) -> io::Result<()> {
        let encoded = push.encode()?;
        if self.entries.keys().any(|entry| entry.id == encoded.id) {
            return Ok(());
        }
        let size = u64::try_from(encoded.gzip.len()).unwrap_or(u64::MAX);
        let sequence = self.next;
        if push.days.is_empty() {
            return self.write(sequence, Kind::Notice, encoded);
        }
        if !self.make_room(size)? {
            return self.write(sequence, Kind::Notice, dropped(push).encode()?);
        }
        self.write(sequence, Kind::Facts, encoded)
    }

    fn write(&mut self, sequence: u64, kind: Kind, encoded: Encoded) -> io::Result<()> {
        let entry = Entry {
            sequence,
            kind,
            id: encoded.id,
        };
        let content = |to: &mut dyn Write| to.write_all(&encoded.gzip);
        let bytes = self.disk.write(&self.folder, &entry.name(), content)?;
        self.entries.insert(entry, bytes);
        self.next = self.next.max(sequence + 1);
        Ok(())
    }

    /// The bytes of an entry, to be pushed; `Ok(None)` when they are not what
    /// its name says.
    ///
    /// # Errors
    /// When the file cannot be read for now.
    pub fn load(&self, entry: &Entry) -> io::Result<Option<Vec<u8>>> {
        let gzip = match fs::read(self.folder.join(entry.name())) {
            Ok(gzip) => gzip,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut hash = Hashed(Sha256::new());
        let whole = io::copy(&mut GzDecoder::new(gzip.as_slice()), &mut hash).is_ok();
        let id: String = hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((whole && id == entry.id).then_some(gzip))
    }

    /// Removes an entry: the server has it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&mut self, entry: &Entry) -> io::Result<()> {
        self.disk.remove(&self.folder, &entry.name())?;
        self.entries.remove(entry);
        Ok(())
    }

    /// Moves an entry that cannot be pushed out of the way, where people find
    /// it, and gives its new place.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn set_aside(&mut self, entry: &Entry) -> io::Result<PathBuf> {
        let to = self.folder.join(ASIDE).join(entry.name());
        match self.disk.rename(&self.folder.join(entry.name()), &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.disk.last(&self.folder)?;
        self.entries.remove(entry);
        Ok(to)
    }

    /// Writes down what is counted of the running hour.
    ///
    /// # Errors
    /// When it cannot be written; then what was written before stands.
    pub fn save_running(&self, save: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        self.disk.write(&self.folder, RUNNING, |to| {
            let mut gzip = GzEncoder::new(to, flate2::Compression::fast());
            let mut buffered = io::BufWriter::with_capacity(1 << 16, &mut gzip);
            save(&mut buffered)?;
            buffered.flush()?;
            drop(buffered);
            gzip.finish().map(drop)
        })?;
        Ok(())
    }

    /// What was written down last; `None` when nothing was.
    ///
    /// # Errors
    /// `InvalidData` when it is damaged.
    pub fn running(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(RUNNING)) {
            Ok(gzip) => unpack(&gzip, RUNNING_BYTES).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves what was written down out of the way.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn set_running_aside(&self) -> io::Result<()> {
        let aside = self.folder.join(ASIDE);
        // several may gather there
        let name = (1..)
            .map(|n| format!("running-{n}.json.gz"))
            .find(|name| !aside.join(name).exists());
        self.disk
            .rename(&self.folder.join(RUNNING), &aside.join(name.unwrap_or_default()))?;
        self.disk.last(&self.folder)
    }

    /// Makes room for so many bytes; whether it could.
    fn make_room(&mut self, size: u64) -> io::Result<bool> {
        if size > self.max_bytes {
            return Ok(false);
        }
        while self.bytes() + size > self.max_bytes {
            if self.merge_some()? {
                continue;
            }
            let Some(oldest) = self.entries.keys().find(|entry| entry.kind == Kind::Facts).cloned() else {
                // words alone never fill it
                return Ok(true);
            };
            let notice = match self.read(&oldest)? {
                Some(push) => dropped(&push),
                None => {
                    self.set_aside(&oldest)?;
                    continue;
                }
            };
            self.write(oldest.sequence, Kind::Notice, notice.encode()?)?;
            self.remove(&oldest)?;
        }
        Ok(true)
    }

    /// Merges the first two neighbours of a kind that become a tenth smaller by it.
    fn merge_some(&mut self) -> io::Result<bool> {
        let most = MERGED_BYTES.min(self.max_bytes / 4);
        let all: Vec<(Entry, u64)> = self
            .entries
            .iter()
            .map(|(entry, bytes)| (entry.clone(), *bytes))
            .collect();
        for pair in all.windows(2) {
            let [(first, first_bytes), (second, second_bytes)] = pair else {
                continue;
            };
            let (apart, ids) = (first_bytes + second_bytes, (first.id.clone(), second.id.clone()));
            if first.kind != second.kind || apart > 2 * most || self.fruitless.contains(&ids) {
                continue;
            }
            let (Some(one), Some(two)) = (self.read(first)?, self.read(second)?) else {
                continue;
            };
            let merged = merged(one, two).encode()?;
            let together = merged.gzip.len() as u64;
            if together > most || together * 10 > apart * 9 {
                self.fruitless.insert(ids);
                continue;
            }
            // a kill in the middle of this leaves one that has the other in it
            match [second, first].into_iter().find(|entry| entry.id == merged.id) {
                Some(whole) => self.remove(if whole == second { first } else { second })?,
                None => {
                    self.write(second.sequence, first.kind, merged)?;
                    self.remove(first)?;
                    self.remove(second)?;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn read(&self, entry: &Entry) -> io::Result<Option<Push>> {
        let Some(gzip) = self.load(entry)? else { return Ok(None) };
        let document = unpack(&gzip, MAX_DOCUMENT_BYTES)?;
        Ok(Push::decode(&document).ok())
    }
}

struct Hashed(Sha256);

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Who the agent of this folder is; made up the first time.
fn identity(disk: &Disk, folder: &Path) -> io::Result<String> {
    let known = fs::read_to_string(folder.join(AGENT)).unwrap_or_default();
    if !known.trim().is_empty() {
        return Ok(known.trim().to_owned());
    }
    let made = crate::app::tokens::random_hex::<8>().map_err(|error| io::Error::other(error.chain()))?;
    disk.write(folder, AGENT, |to| to.write_all(made.as_bytes()))?;
    Ok(made)
}

/// Two pushes of one agent as one, facts merged by rule.
fn merged(one: Push, two: Push) -> Push {
    let mut days: BTreeMap<_, domain::usage::ClusterDay> = BTreeMap::new();
    for day in one.days.into_iter().chain(two.days) {
        match days.get_mut(&day.day) {
            Some(known) => drop(lake::usage::merge(known, day)),
            None => drop(days.insert(day.day, day)),
        }
    }
    Push {
        from_hour: one.from_hour.min(two.from_hour),
        to_hour: one.to_hour.max(two.to_hour),
        days: days.into_values().collect(),
        findings: one.findings.into_iter().chain(two.findings).collect(),
        ..two
    }
}

/// What is said in the place of facts that found no room: they are unobserved.
pub(super) fn dropped(push: &Push) -> Push {
    let (node_s, container_s) = push.seconds();
    let message = format!(
        "the agent's spool was full: facts of {node_s} node seconds and {container_s} container seconds from {} to {} \
         were dropped; they are unobserved, and what they cost cannot be told",
        push.from_hour, push.to_hour
    );
    let finding = Finding::warning("agent_spool_full", message)
        .remedy("let the agent reach the server, or give its spool more room with --spool-max-mib");
    let mut findings = push.findings.clone();
    findings.push(finding);
    Push {
        days: Vec::new(),
        findings,
        ..push.clone()
    }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
