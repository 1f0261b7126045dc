//! Charges of volumes (A31): to the owner of the claim from provisioning to
//! deletion, mounted or not; among the workloads that mount it when there are
//! several; to nobody once it outlived its claim for too long.

use super::clusters::Piece;
use crate::apportion::{ApportionError, Splitter};
use crate::instant::{DAY_US, Day, Instant, Span};
use crate::money::Money;
use crate::split::volume::{RETAINED_DAYS, VolumeHold, VolumeShare, split_volume};
use crate::usage::{Hour, Part, Slot, Volume, VolumeDay};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is known of a volume over the hours of a charge: by claim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeFacts {
    claims: BTreeMap<(String, String), ClaimFacts>,
    /// As it was on the last day that is not after the charge, else on the first after it.
    nearest: Option<Volume>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ClaimFacts {
    volume: Volume,
    seconds: u64,
    /// By kind and name of the workload.
    mounts: BTreeMap<(String, String), VolumeShare>,
}

impl VolumeFacts {
    /// A volume of which nothing is known in the hours of a charge.
    #[must_use]
    pub fn unseen(nearest: Volume) -> VolumeFacts {
        VolumeFacts {
            nearest: Some(nearest),
            ..VolumeFacts::default()
        }
    }

    /// Adds what is known of it on a day, days in order.
    pub fn add(&mut self, day: Day, known: &VolumeDay, hours: &Range<Hour>) {
        if self.nearest.is_none() || day <= Hour(hours.end.0 - 1).day() {
            self.nearest = Some(known.volume.clone());
        }
        let seconds = known.hours.iter().filter(|hour| hours.contains(&hour.hour));
        let seconds: u64 = seconds.map(|hour| u64::from(hour.seconds)).sum();
        if seconds == 0 {
            return;
        }
        let key = (known.volume.namespace.clone(), known.volume.claim.clone());
        let claim = self.claims.entry(key).or_default();
        claim.volume = known.volume.clone();
        claim.seconds += seconds;
        for (mount, mount_hours) in &known.mounts {
            let own = mount_hours.iter().filter(|hour| hours.contains(&hour.hour));
            for hour in own.filter(|hour| hour.seconds > 0) {
                let workload = (mount.workload_kind.clone(), mount.workload.clone());
                let empty = || VolumeShare {
                    bytes: Some(0),
                    mounted_s: 0,
                };
                let share = claim.mounts.entry(workload).or_insert_with(empty);
                share.mounted_s += u64::from(hour.seconds);
                // one hour that was not measured, and the workload is not
                share.bytes = share
                    .bytes
                    .zip(hour.used_mib_s)
                    .map(|(sum, used)| sum.saturating_add(used));
            }
        }
    }

    /// Splits a charge of the volume. The pieces are the same for any cost.
    ///
    /// # Errors
    /// What the splitter refuses.
    pub fn divide(&self, cost: Money, hours: &Range<Hour>, split: Splitter) -> Result<Vec<Piece>, ApportionError> {
        let charge = Span {
            start: hours.start.start(),
            end: hours.end.start(),
        };
        let fallback = [ClaimFacts {
            volume: self.nearest.clone().unwrap_or_default(),
            seconds: 1,
            ..ClaimFacts::default()
        }];
        let known: Vec<&ClaimFacts> = self.claims.values().filter(|claim| claim.seconds > 0).collect();
        let claims: Vec<&ClaimFacts> = if known.is_empty() {
            fallback.iter().collect()
        } else {
            known
        };
        // held by several claims one after the other: by time
        let weights: Vec<i128> = claims.iter().map(|claim| i128::from(claim.seconds)).collect();
        let mut pieces = Vec::new();
        for (claim, cost) in claims.iter().zip(split(cost, &weights)?) {
            claim.divide(cost, charge, split, &mut pieces)?;
        }
        Ok(pieces)
    }
}

impl ClaimFacts {
    fn divide(
        &self,
        cost: Money,
        charge: Span,
        split: Splitter,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), ApportionError> {
        let volume = &self.volume;
        let provisioned = volume.provisioned.unwrap_or(charge.start);
        let hold = VolumeHold::of(charge, provisioned, volume.claim_deleted);
        // the claim comes first: it pays unless several workloads mount the volume
        let nobody = VolumeShare::default();
        let shares: Vec<VolumeShare> = [nobody].into_iter().chain(self.mounts.values().copied()).collect();
        let parts = split_volume(cost, hold, &shares, 0, split)?;
        let only = if self.mounts.len() == 1 {
            self.mounts.keys().next()
        } else {
            None
        };
        let part = if parts.unmounted {
            Part::UnmountedVolume
        } else {
            Part::Volume
        };
        let from = provisioned.max(charge.start);
        let released = volume
            .claim_deleted
            .map_or(charge.end, |at| Instant(at.0.saturating_add(RETAINED_DAYS * DAY_US)));
        let held = within(charge, from, released);
        let workloads = [only].into_iter().chain(self.mounts.keys().map(Some));
        for (at, (workload, money)) in workloads.zip(parts.owners).enumerate() {
            if at == 0 || self.mounts.len() > 1 {
                pieces.push(self.piece(workload, part, held, money));
            }
        }
        if hold.orphaned_s > 0 {
            let orphaned = within(charge, from.max(released), charge.end);
            let mut piece = self.piece(None, Part::OrphanedVolume, orphaned, parts.orphaned);
            // it is the platform's from then on, whoever had it before
            piece.place = Slot::default();
            pieces.push(piece);
        }
        Ok(())
    }

    fn piece(&self, workload: Option<&(String, String)>, part: Part, span: Span, money: Money) -> Piece {
        let (workload_kind, workload) = workload.cloned().unwrap_or_default();
        let place = Slot {
            namespace: self.volume.namespace.clone(),
            workload_kind,
            workload,
            labels: self.volume.labels.clone(),
            ..Slot::default()
        };
        Piece {
            place,
            part,
            span,
            money,
        }
    }
}

/// A stretch of a charge; all of it when nothing is left.
fn within(charge: Span, start: Instant, end: Instant) -> Span {
    let span = Span {
        start: start.max(charge.start),
        end: end.min(charge.end),
    };
    if span.start < span.end { span } else { charge }
}
