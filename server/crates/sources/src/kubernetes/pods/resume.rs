//! Pods' tracks in writing.

use super::{History, Mishaps, PodTrack, PodTracks};
use crate::kubernetes::objects::PodFact;
use domain::instant::Instant;
use domain::usage::Hour;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize)]
struct Written<'a> {
    versions: &'a History<PodFact>,
    start: Option<Instant>,
    end: Option<Instant>,
    top: Option<(&'a str, &'a str)>,
    mishaps: Vec<(Hour, &'a str, Mishaps)>,
}

#[derive(Deserialize)]
struct Read {
    versions: History<PodFact>,
    start: Option<Instant>,
    end: Option<Instant>,
    top: Option<(String, String)>,
    mishaps: Vec<(Hour, Box<str>, Mishaps)>,
}

/// In no order, one by one: there are many.
impl Serialize for PodTracks {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.all.values().map(|track| {
            Written {
                versions: &track.versions,
                start: track.start,
                end: track.end,
                top: track.top(),
                mishaps: (track.mishaps.iter())
                    .map(|((hour, container), mishaps)| (*hour, &**container, *mishaps))
                    .collect(),
            }
        }))
    }
}

impl<'de> Deserialize<'de> for PodTracks {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<PodTracks, D::Error> {
        let read: Vec<Read> = Vec::deserialize(from)?;
        let tracks = read.into_iter().filter_map(|read| {
            let uid = read.versions.newest()?.uid.clone();
            let mishaps = read.mishaps.into_iter();
            let track = PodTrack {
                versions: read.versions,
                start: read.start,
                end: read.end,
                top: read.top.map(|(kind, name)| (kind.into(), name.into())),
                mishaps: mishaps
                    .map(|(hour, container, mishaps)| ((hour, container), mishaps))
                    .collect(),
            };
            Some((uid, track))
        });
        Ok(PodTracks {
            all: tracks.collect(),
            resumed: true,
        })
    }
}
