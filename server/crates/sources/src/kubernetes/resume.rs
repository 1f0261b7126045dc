//! The hour that is being counted, in writing: a program that ends, however,
//! loses nothing of what it has seen.

use super::claims::Unknown;
use super::collector::Facts;
use super::node::NodeTrack;
use super::resources::{Around, Resources};
use super::sampler::{Read, Sampler};
use domain::instant::Instant;
use domain::tags::Tags;
use domain::usage::Hour;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use thiserror::Error;

/// Version of the form; another one is not read.
const FORMAT: u32 = 2;

/// Why what was kept cannot be taken up.
#[derive(Debug, Error)]
pub enum KeptError {
    /// It is no such thing, or cut off.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Another release wrote it.
    #[error("has format {found}; this release reads {FORMAT}")]
    Format {
        /// What it says.
        found: u32,
    },
    /// Its parts do not fit together.
    #[error("contradicts itself")]
    Unsound,
}

/// What a collector has counted and not yet drained.
pub struct Kept {
    cluster_id: String,
    cluster_name: String,
    pub(super) sampler: Sampler,
    pub(super) resources: Resources,
    pub(super) tracks: HashMap<Arc<str>, NodeTrack>,
    namespaces: BTreeMap<String, Tags>,
}

#[derive(Serialize)]
struct Writing<'a, S> {
    format: u32,
    cluster_id: &'a str,
    cluster_name: &'a str,
    nodes: Vec<NodeTrack>,
    sampler: S,
    resources: &'a Resources,
    namespaces: &'a BTreeMap<String, Tags>,
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[derive(Deserialize)]
struct Reading {
    cluster_id: String,
    cluster_name: String,
    nodes: Vec<NodeTrack>,
    sampler: Read,
    resources: Resources,
    namespaces: BTreeMap<String, Tags>,
}

/// Writes down as JSON: nodes, a sampler, resources, and the labels of
/// namespaces by name.
pub(super) fn write(
    to: impl io::Write,
    (cluster_id, cluster_name): (&str, &str),
    mut nodes: Vec<NodeTrack>,
    (sampler, resources, namespaces): (&Sampler, &Resources, &BTreeMap<String, Tags>),
) -> io::Result<()> {
    nodes.sort_by(|a, b| a.fact.uid.cmp(&b.fact.uid));
    let writing = Writing {
        format: FORMAT,
        cluster_id,
        cluster_name,
        nodes,
        sampler: sampler.written(),
        resources,
        namespaces,
    };
    Ok(serde_json::to_writer(to, &writing)?)
}

impl Kept {
    /// Reads what a collector saved.
    ///
    /// # Errors
    /// See [`KeptError`].
    pub fn read(bytes: &[u8]) -> Result<Kept, KeptError> {
        let head: Head = serde_json::from_slice(bytes)?;
        if head.format != FORMAT {
            return Err(KeptError::Format { found: head.format });
        }
        let read: Reading = serde_json::from_slice(bytes)?;
        Ok(Kept {
            cluster_id: read.cluster_id,
            cluster_name: read.cluster_name,
            sampler: Sampler::read(read.sampler).ok_or(KeptError::Unsound)?,
            resources: read.resources,
            namespaces: read.namespaces,
            tracks: read
                .nodes
                .into_iter()
                .map(|track| (track.fact.uid.clone(), track))
                .collect(),
        })
    }

    /// UID of the namespace `kube-system` (A37).
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// What the cluster is called.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        &self.cluster_name
    }

    /// When its last sample was taken; `None` before the first.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        self.sampler.last()
    }

    /// Its facts up to its last sample, for when nobody goes on with it.
    #[must_use]
    pub fn finish(mut self) -> Facts {
        let last = self.sampler.last().unwrap_or(Hour(0).start());
        let (nodes, mut slots) = self.sampler.finish(last, &mut self.tracks);
        self.resources.name_services(&mut slots);
        let namespaces = self.namespaces.iter();
        let around = Around {
            namespaces: namespaces.map(|(name, labels)| (name.as_str(), labels)).collect(),
            // owners were looked up while they could be
            parent: &|_| Err(Unknown),
        };
        let running = Hour(Hour::of(last).0 + 1);
        let resources = self.resources.drain_in(running, last, &around, &slots);
        Facts {
            cluster_id: self.cluster_id,
            cluster_name: self.cluster_name,
            nodes,
            slots,
            volumes: resources.volumes,
            balancers: resources.balancers,
            sizing: resources.sizing,
            findings: Vec::new(),
        }
    }
}

/// A shared text, as text.
pub(super) mod text {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::sync::Arc;

    pub fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        Ok(String::deserialize(from)?.into())
    }
}
