//! Volumes: the claim's owner pays from provisioning to deletion (A31).

use crate::apportion::{ApportionError, Splitter, apportion_or};
use crate::instant::{DAY_US, Instant, SECOND_US, Span};
use crate::money::Money;

/// Days a volume that outlived its claim stays with its last owner.
pub const RETAINED_DAYS: i64 = 30;

/// The claim of a volume within the span of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeHold {
    /// Seconds from provisioning to [`RETAINED_DAYS`] after the claim's deletion.
    pub held_s: u64,
    /// Seconds after that: *orphaned*.
    pub orphaned_s: u64,
}

impl VolumeHold {
    /// The part of a charge's span a volume was held, and that it was orphaned.
    /// Before it was provisioned there was nothing to pay.
    #[must_use]
    pub fn of(charge: Span, provisioned: Instant, claim_deleted: Option<Instant>) -> VolumeHold {
        let start = charge.start.max(provisioned);
        let released = claim_deleted.map_or(charge.end, |at| {
            Instant(at.0.saturating_add(RETAINED_DAYS * DAY_US))
                .max(charge.start)
                .min(charge.end)
        });
        let seconds = |start, end| Span { start, end }.duration_us().unsigned_abs() / SECOND_US.unsigned_abs();
        VolumeHold {
            held_s: seconds(start, released),
            orphaned_s: seconds(start.max(released), charge.end),
        }
    }
}

/// What one of several owners had of a volume while it was held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VolumeShare {
    /// Bytes in its sub-path over time, MiB-s; `None` when not measured.
    pub bytes: Option<u64>,
    /// Seconds it had the volume mounted.
    pub mounted_s: u64,
}

/// A volume's cost, split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSplit {
    /// Of each owner, in the order given.
    pub owners: Vec<Money>,
    /// Of nobody's time: the platform's.
    pub orphaned: Money,
    /// Nobody mounted it: a flag beside the owner's cost, not a row of its own.
    pub unmounted: bool,
}

/// Splits a volume's cost. It is all of `claim_owner` (an index of `shares`),
/// mounted or not, unless several owners mounted it: then by bytes, if all who
/// mounted it are measured, else by seconds mounted. A hold of no time at all
/// leaves the cost with the claim's owner.
///
/// # Errors
/// Only what the splitter refuses.
pub fn split_volume(
    cost: Money,
    hold: VolumeHold,
    shares: &[VolumeShare],
    claim_owner: usize,
    split: Splitter,
) -> Result<VolumeSplit, ApportionError> {
    let (held, orphaned) = match (hold.held_s, hold.orphaned_s) {
        (_, 0) => (cost, Money::ZERO),
        (held_s, orphaned_s) => {
            let mut parts = split(cost, &[i128::from(held_s), i128::from(orphaned_s)])?.into_iter();
            let mut next = || parts.next().unwrap_or(Money::ZERO);
            (next(), next())
        }
    };
    let mounts: Vec<i128> = shares.iter().map(|share| i128::from(share.mounted_s)).collect();
    let mounted_by = mounts.iter().filter(|mounted_s| **mounted_s > 0).count();
    let nothing = vec![0; shares.len()];
    let measured: Option<Vec<i128>> = shares
        .iter()
        .map(|share| match (share.mounted_s, share.bytes) {
            (0, _) => Some(0),
            (_, bytes) => bytes.map(i128::from),
        })
        .collect();
    let (bytes, mounts) = if mounted_by > 1 {
        (measured.unwrap_or_else(|| nothing.clone()), mounts)
    } else {
        (nothing.clone(), nothing)
    };
    let (owners, _) = apportion_or(held, &[&bytes, &mounts], shares.len(), claim_owner)?;
    Ok(VolumeSplit {
        owners,
        orphaned,
        unmounted: mounted_by == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apportion::apportion;

    fn money(text: &str) -> Money {
        Money::parse(text).expect(text)
    }

    fn day(day: i64) -> Instant {
        Instant(day * DAY_US)
    }

    #[test]
    fn who_pays_for_a_volume() {
        let mounted = |mounted_s| VolumeShare { bytes: None, mounted_s };
        let used = |bytes| VolumeShare {
            bytes: Some(bytes),
            mounted_s: 1,
        };
        let whole = VolumeHold {
            held_s: 3_600,
            orphaned_s: 0,
        };
        for (what, hold, shares, expect, orphaned, unmounted) in [
            (
                "two owners, 30 minutes each",
                whole,
                vec![mounted(1_800), mounted(1_800)],
                vec!["0.5", "0.5"],
                "0",
                false,
            ),
            (
                "scaled to zero: its owner, flagged",
                whole,
                vec![mounted(0)],
                vec!["1"],
                "0",
                true,
            ),
            (
                "mounted by one for a moment: all of it",
                whole,
                vec![mounted(1), mounted(0)],
                vec!["1", "0"],
                "0",
                false,
            ),
            (
                "mounted by another one only: still the claim's owner",
                whole,
                vec![mounted(0), mounted(60)],
                vec!["1", "0"],
                "0",
                false,
            ),
            (
                "by bytes when measured",
                whole,
                vec![used(3), used(1)],
                vec!["0.75", "0.25"],
                "0",
                false,
            ),
            (
                "by time when only one is measured",
                whole,
                vec![used(3), mounted(3)],
                vec!["0.25", "0.75"],
                "0",
                false,
            ),
            (
                "empty, by time",
                whole,
                vec![used(0), used(0)],
                vec!["0.5", "0.5"],
                "0",
                false,
            ),
            (
                "retained for too long",
                VolumeHold {
                    held_s: 900,
                    orphaned_s: 2_700,
                },
                vec![mounted(0)],
                vec!["0.25"],
                "0.75",
                true,
            ),
            (
                "no time at all",
                VolumeHold {
                    held_s: 0,
                    orphaned_s: 0,
                },
                vec![mounted(0)],
                vec!["1"],
                "0",
                true,
            ),
        ] {
            for sign in [money("1"), -money("1")] {
                let split = split_volume(sign, hold, &shares, 0, apportion).expect(what);
                let signed = |text: &str| if sign == money("1") { money(text) } else { -money(text) };
                assert_eq!(
                    split.owners,
                    expect.iter().map(|text| signed(text)).collect::<Vec<_>>(),
                    "{what}"
                );
                assert_eq!(
                    (split.orphaned, split.unmounted),
                    (signed(orphaned), unmounted),
                    "{what}"
                );
            }
        }
    }

    #[test]
    fn a_retained_volume_stays_with_its_owner_for_thirty_days() {
        let month = Span {
            start: day(100),
            end: day(131),
        };
        let days = |count: u64| count * 86_400;
        for (what, provisioned, deleted, held, orphaned) in [
            ("all month", 50, None, 31, 0),
            ("provisioned on the way", 110, None, 21, 0),
            ("deleted in the month, retained beyond it", 50, Some(105), 31, 0),
            ("deleted the month before", 50, Some(80), 10, 21),
            ("deleted long ago", 10, Some(20), 0, 31),
            ("deleted at once", 110, Some(110), 21, 0),
            ("provisioned after the charge", 140, None, 0, 0),
        ] {
            let hold = VolumeHold::of(month, day(provisioned), deleted.map(day));
            assert_eq!((hold.held_s, hold.orphaned_s), (days(held), days(orphaned)), "{what}");
        }
    }
}
