//! What an agent pushes: facts of some hours of one cluster as one JSON
//! document. Its id is the SHA-256 of its bytes, and the bytes name cluster,
//! agent and hours: the same facts are the same push, whoever repeats it.

use domain::Finding;
use domain::instant::Day;
use domain::usage::{ClusterDay, HOUR_S, Hour};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};

/// Version of the document. A reader refuses what is newer; fields that are
/// added leave it as it is.
pub const FORMAT: u32 = 1;
/// Largest body taken, compressed, bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Largest document taken, bytes.
pub const MAX_DOCUMENT_BYTES: usize = 128 * 1024 * 1024;

/// Days a push may lie in: 1970 to 2199.
const DAYS: std::ops::Range<i32> = 0..84_006;

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// [`FORMAT`].
    pub format: u32,
    /// Cluster id: the UID of its namespace kube-system (A37).
    pub cluster: String,
    /// What it is called.
    pub cluster_name: String,
    /// The agent: a random text it keeps in its spool.
    pub agent: String,
    /// First hour with facts, hours since the epoch.
    pub from_hour: Hour,
    /// The hour after the last.
    pub to_hour: Hour,
    /// Facts by UTC day.
    #[serde(default)]
    pub days: Vec<ClusterDay>,
    /// What was wrong or is missing.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// A push in writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// SHA-256 of the document, lower-case hex.
    pub id: String,
    /// The document, gzip.
    pub gzip: Vec<u8>,
}

impl Push {
    /// Facts of a cluster; the hours are those of the facts.
    #[must_use]
    pub fn new((cluster, name): (&str, &str), agent: &str, days: Vec<ClusterDay>, findings: Vec<Finding>) -> Push {
        let hours = || days.iter().flat_map(hours_of);
        let from = hours().min().unwrap_or(Hour(0));
        let to = hours().max().map_or(from, |last| Hour(last.0 + 1));
        Push {
            format: FORMAT,
            cluster: cluster.to_owned(),
            cluster_name: name.to_owned(),
            agent: agent.to_owned(),
            from_hour: from,
            to_hour: to,
            days,
            findings,
        }
    }

    /// Its bytes and their id.
    ///
    /// # Errors
    /// Never in practice: everything in it has a JSON form.
    pub fn encode(&self) -> io::Result<Encoded> {
        let mut both = Both {
            hash: Sha256::new(),
            gzip: GzEncoder::new(Vec::new(), flate2::Compression::fast()),
        };
        {
            // serde writes in tiny pieces
            let mut buffered = io::BufWriter::with_capacity(1 << 16, &mut both);
            serde_json::to_writer(&mut buffered, self)?;
            buffered.flush()?;
        }
        Ok(Encoded {
            id: hex(&both.hash.finalize()),
            gzip: both.gzip.finish()?,
        })
    }

    /// Reads a document and checks that it makes sense.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn decode(document: &[u8]) -> Result<Push, Box<Finding>> {
        let bad = |code: &str, message: String| Box::new(Finding::error(code, message));
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let unreadable = |error: serde_json::Error| bad("bad_push", format!("is no document of facts: {error}"));
        let head: Head = serde_json::from_slice(document).map_err(unreadable)?;
        if head.format != FORMAT {
            let message = format!("has format {}; this server reads {FORMAT}", head.format);
            let finding = Finding::error("unknown_push_format", message)
                .in_column("format")
                .remedy("bring server and agents to the same release, the server first");
            return Err(Box::new(finding));
        }
        let push: Push = serde_json::from_slice(document).map_err(unreadable)?;
        match push.misfit() {
            None => Ok(push),
            Some((place, what)) => Err(Box::new(Finding::error("bad_facts", what).in_column(place))),
        }
    }

    /// Seconds of nodes and of containers it tells about.
    #[must_use]
    pub fn seconds(&self) -> (u64, u64) {
        let nodes = self.days.iter().flat_map(|day| &day.nodes).flat_map(|(_, hours)| hours);
        let slots = self.days.iter().flat_map(|day| &day.slots).flat_map(|(_, hours)| hours);
        (
            nodes.map(|hour| u64::from(hour.observed_s)).sum(),
            slots.map(|hour| u64::from(hour.seconds)).sum(),
        )
    }

    /// The first thing that cannot be: its place and what is wrong.
    fn misfit(&self) -> Option<(String, String)> {
        if self.cluster.trim().is_empty() {
            return Some(("cluster".to_owned(), "is empty".to_owned()));
        }
        self.days.iter().enumerate().find_map(|(at, day)| {
            let (place, what) = misfit_of(day, &self.cluster)?;
            Some((format!("days/{at}/{place}"), what))
        })
    }
}

fn hours_of(day: &ClusterDay) -> impl Iterator<Item = Hour> {
    let nodes = day.nodes.iter().flat_map(|(_, hours)| hours).map(|hour| hour.hour);
    let slots = day.slots.iter().flat_map(|(_, hours)| hours).map(|hour| hour.hour);
    nodes.chain(slots)
}

fn misfit_of(day: &ClusterDay, cluster: &str) -> Option<(String, String)> {
    if day.cluster != cluster {
        return Some(("cluster".to_owned(), format!("is {:?}, not {cluster:?}", day.cluster)));
    }
    if !DAYS.contains(&day.day.0) {
        return Some(("day".to_owned(), "is not in the years 1970 to 2199".to_owned()));
    }
    let nodes = day.nodes.iter().enumerate().find_map(|(at, (node, hours))| {
        let long = |hour: &domain::usage::NodeHour| hour.ready_s > HOUR_S || hour.observed_s > hour.ready_s;
        let what = if node.name.is_empty() {
            Some("the node has no name")
        } else if hours.iter().any(long) {
            Some("more seconds than the hour, or the node's Ready time, has")
        } else {
            misplaced(hours.iter().map(|hour| hour.hour), day.day)
        };
        what.map(|what| (format!("nodes/{at}"), what.to_owned()))
    });
    let slots = day.slots.iter().enumerate().find_map(|(at, (slot, hours))| {
        let what = if slot.node.is_empty() || slot.pod_uid.is_empty() {
            Some("the container has no node or no pod")
        } else if hours.iter().any(|hour| hour.seconds > HOUR_S) {
            Some("more seconds than an hour has")
        } else {
            misplaced(hours.iter().map(|hour| hour.hour), day.day)
        };
        what.map(|what| (format!("slots/{at}"), what.to_owned()))
    });
    let ordered = |kept: bool, place: &str| {
        (!kept).then(|| (place.to_owned(), "are not in order, or one is there twice".to_owned()))
    };
    nodes
        .or(slots)
        .or_else(|| ordered(day.nodes.windows(2).all(|pair| pair[0].0 < pair[1].0), "nodes"))
        .or_else(|| ordered(day.slots.windows(2).all(|pair| pair[0].0 < pair[1].0), "slots"))
}

/// Hours have to be of the day, in order, each once.
fn misplaced(hours: impl Iterator<Item = Hour> + Clone, day: Day) -> Option<&'static str> {
    if hours.clone().any(|hour| hour.day() != day) {
        return Some("an hour is of another day");
    }
    let ordered = hours.clone().zip(hours.skip(1)).all(|(a, b)| a < b);
    (!ordered).then_some("its hours are not in order, or one is there twice")
}

/// Unpacks a gzip of at most `limit` bytes.
///
/// # Errors
/// `InvalidData` for what is no gzip, `FileTooLarge` for what is longer.
pub fn unpack(gzip: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(gzip)
        .take(most)
        .read_to_end(&mut document)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    if document.len() > limit {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(document)
}

/// The id of a document.
#[must_use]
pub fn id_of(document: &[u8]) -> String {
    hex(&Sha256::digest(document))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes what is compressed.
struct Both {
    hash: Sha256,
    gzip: GzEncoder<Vec<u8>>,
}

impl Write for Both {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.gzip.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "push_tests.rs"]
mod tests;
